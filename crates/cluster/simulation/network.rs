//! The links between machines: bytes in order, with delays, in pieces, over a network that can be
//! cut in one direction or both. As with TCP, bytes that were sent over a cut are late, not lost;
//! in the open direction of a half cut link only as many parcels pass as TCP sends without an
//! acknowledgement. A link may break.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use russet_host::LinkId;

/// A machine's number.
pub(super) type At = usize;

/// One end of a link. `None`: it is not open yet, or closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub machine: At,
    pub link: Option<LinkId>,
}

/// A piece that is under way to one end.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    Bytes(Bytes),
    /// The other end has closed.
    End,
}

/// Parcels without an acknowledgement.
const WINDOW: u8 = 6;

/// A connection. The first end has dialled.
#[derive(Debug)]
pub(super) struct Pipe {
    pub ends: [End; 2],
    /// When the dialled machine answers; then `None`.
    pub(crate) accepted_at: Option<i64>,
    /// Parcels that may pass to each end while the way back is cut.
    pub window: [u8; 2],
    /// To each end.
    pub under_way: [VecDeque<(i64, Parcel)>; 2],
}

#[derive(Debug, Default)]
pub(super) struct Network {
    pub pipes: BTreeMap<u64, Pipe>,
    /// By the end's machine and its number there.
    ends: BTreeMap<(At, LinkId), u64>,
    last: u64,
    /// Directions that lead nowhere.
    pub cuts: BTreeSet<(At, At)>,
}

impl Network {
    pub(super) fn leads(&self, from: At, to: At) -> bool {
        from == to || !self.cuts.contains(&(from, to))
    }

    /// Whether two machines can talk.
    pub(super) fn is_open(&self, a: At, b: At) -> bool {
        self.leads(a, b) && self.leads(b, a)
    }

    pub(super) fn dial(&mut self, from: At, link: LinkId, to: At, accepted_at: i64) {
        self.last += 1;
        let pipe = Pipe {
            ends: [
                End {
                    machine: from,
                    link: Some(link),
                },
                End {
                    machine: to,
                    link: None,
                },
            ],
            accepted_at: Some(accepted_at),
            window: [WINDOW; 2],
            under_way: [VecDeque::new(), VecDeque::new()],
        };
        self.pipes.insert(self.last, pipe);
        self.ends.insert((from, link), self.last);
    }

    pub(super) fn accept(&mut self, pipe: u64, link: LinkId) {
        let open = self.pipes.get_mut(&pipe).expect("it is there");
        open.accepted_at = None;
        open.ends[1].link = Some(link);
        self.ends.insert((open.ends[1].machine, link), pipe);
    }

    /// The pipe, and which of its ends this is.
    fn find(&mut self, machine: At, link: LinkId) -> Option<(&mut Pipe, usize)> {
        let pipe = self.pipes.get_mut(self.ends.get(&(machine, link))?)?;
        let is_it = |end: &End| end.machine == machine && end.link == Some(link);
        let end = pipe.ends.iter().position(is_it)?;
        Some((pipe, end))
    }

    /// The machine at the other end.
    pub(super) fn peer(&mut self, machine: At, link: LinkId) -> Option<At> {
        let (pipe, end) = self.find(machine, link)?;
        Some(pipe.ends[1 - end].machine)
    }

    pub(super) fn send(&mut self, machine: At, link: LinkId, at: i64, parcel: Parcel) {
        if let Some((pipe, end)) = self.find(machine, link) {
            let queue = &mut pipe.under_way[1 - end];
            let at = queue.back().map_or(at, |(last, _)| at.max(*last));
            queue.push_back((at, parcel));
        }
    }

    /// An end closes, or the process at it dies; the close is under way to the other end.
    pub(super) fn close(&mut self, machine: At, link: LinkId, at: i64) {
        self.send(machine, link, at, Parcel::End);
        if let Some((pipe, end)) = self.find(machine, link) {
            pipe.ends[end].link = None;
            pipe.under_way[end].clear();
            if pipe.ends[1 - end].link.is_none() {
                let number = self.ends[&(machine, link)];
                self.pipes.remove(&number);
            }
        }
        self.ends.remove(&(machine, link));
    }

    /// Whether the next parcel to an end of a pipe arrives.
    pub(super) fn passes(&mut self, pipe: u64, end: usize) -> bool {
        let Some(pipe) = self.pipes.get_mut(&pipe) else {
            return false;
        };
        let (to, from) = (pipe.ends[end].machine, pipe.ends[1 - end].machine);
        if self.cuts.contains(&(from, to)) {
            return false;
        }
        pipe.window[end] = match self.cuts.contains(&(to, from)) {
            false => WINDOW,
            true if pipe.window[end] == 0 => return false,
            true => pipe.window[end] - 1,
        };
        true
    }

    /// An end has received that the other one is closed.
    pub(super) fn remove(&mut self, pipe: u64) {
        if let Some(pipe) = self.pipes.remove(&pipe) {
            for end in pipe.ends {
                end.link.map(|link| self.ends.remove(&(end.machine, link)));
            }
        }
    }

    /// All links of a machine, which stops.
    pub(super) fn links_of(&self, machine: At) -> Vec<LinkId> {
        let all = self
            .ends
            .range((machine, LinkId(0))..=(machine, LinkId(u64::MAX)));
        all.map(|((_, link), _)| *link).collect()
    }
}
