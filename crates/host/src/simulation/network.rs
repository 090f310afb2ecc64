//! The links between machines: bytes in order, with delays, in pieces, over a network that can be
//! cut in one direction or both. As with TCP, bytes that were sent over a cut are late, not lost;
//! in the open direction of a half cut link only as many parcels pass as TCP sends without an
//! acknowledgement. A link may break.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::super::machine::{Action, Event, LinkId};
use super::super::random::Random;

/// A machine's number.
pub type MachineId = usize;

/// An end of a link. `None`: it is not open yet, or closed.
#[derive(Clone, Copy, Debug)]
struct End {
    machine: MachineId,
    link: Option<LinkId>,
}

/// Something that is under way to an end.
#[derive(Clone, Debug)]
pub enum Packet {
    /// Bytes of one message or more.
    Bytes(Bytes),
    /// The other end has closed.
    End,
}

/// Parcels without an acknowledgement.
const WINDOW: u8 = 6;

/// A connection. The first end has dialled.
#[derive(Debug)]
struct Pipe {
    ends: [End; 2],
    /// When the dialled machine answers; then `None`.
    accepted_at: Option<i64>,
    /// Parcels that may pass to each end while the way back is cut.
    window: [u8; 2],
    /// To each end.
    under_way: [VecDeque<(i64, Packet)>; 2],
}

/// See the module.
#[derive(Debug, Default)]
pub struct Network {
    pipes: BTreeMap<u64, Pipe>,
    /// By the end's machine and its number there.
    ends: BTreeMap<(MachineId, LinkId), u64>,
    last: u64,
    /// Directions that lead nowhere.
    pub cuts: BTreeSet<(MachineId, MachineId)>,
}

impl Network {
    /// Whether bytes of a machine reach the other.
    pub fn leads(&self, from: MachineId, to: MachineId) -> bool {
        from == to || !self.cuts.contains(&(from, to))
    }

    /// Whether two machines can talk.
    pub fn is_open(&self, a: MachineId, b: MachineId) -> bool {
        self.leads(a, b) && self.leads(b, a)
    }

    /// A machine begins to open a link to another machine, which answers at this moment.
    pub fn dial(&mut self, from: MachineId, link: LinkId, to: MachineId, accepted_at: i64) {
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

    fn accept(&mut self, pipe: u64, link: LinkId) {
        let open = self.pipes.get_mut(&pipe).expect("it is there");
        open.accepted_at = None;
        open.ends[1].link = Some(link);
        self.ends.insert((open.ends[1].machine, link), pipe);
    }

    /// The pipe, and which of its ends this is.
    fn find(&mut self, machine: MachineId, link: LinkId) -> Option<(&mut Pipe, usize)> {
        let pipe = self.pipes.get_mut(self.ends.get(&(machine, link))?)?;
        let is_it = |end: &End| end.machine == machine && end.link == Some(link);
        let end = pipe.ends.iter().position(is_it)?;
        Some((pipe, end))
    }

    /// The machine at the other end.
    pub fn peer(&mut self, machine: MachineId, link: LinkId) -> Option<MachineId> {
        let (pipe, end) = self.find(machine, link)?;
        Some(pipe.ends[1 - end].machine)
    }

    /// A parcel leaves an end, and is due at the other end at this moment, or after earlier
    /// parcels.
    pub fn send(&mut self, machine: MachineId, link: LinkId, at: i64, parcel: Packet) {
        if let Some((pipe, end)) = self.find(machine, link) {
            let queue = &mut pipe.under_way[1 - end];
            let at = queue.back().map_or(at, |(last, _)| at.max(*last));
            queue.push_back((at, parcel));
        }
    }

    /// An end closes, or the process at it dies; the close is under way to the other end.
    pub fn close(&mut self, machine: MachineId, link: LinkId, at: i64) {
        self.send(machine, link, at, Packet::End);
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
    fn passes(&mut self, pipe: u64, end: usize) -> bool {
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

    /// An end has received that the other end is closed.
    fn remove(&mut self, pipe: u64) {
        if let Some(pipe) = self.pipes.remove(&pipe) {
            for end in pipe.ends {
                end.link.map(|link| self.ends.remove(&(end.machine, link)));
            }
        }
    }

    /// All links of a machine, which stops.
    pub fn links_of(&self, machine: MachineId) -> Vec<LinkId> {
        let all = self
            .ends
            .range((machine, LinkId(0))..=(machine, LinkId(u64::MAX)));
        all.map(|((_, link), _)| *link).collect()
    }
}

/// A world whose machines a network joins.
pub trait World {
    /// The network.
    fn network(&mut self) -> &mut Network;

    /// The seed's numbers.
    fn random(&mut self) -> &mut Random;

    /// The world's clock.
    fn now_ms(&self) -> i64;

    /// Whether a process runs there, and does not stand still.
    fn is_awake(&self, at: MachineId) -> bool;

    /// Whether a process stands still there.
    fn is_frozen(&self, at: MachineId) -> bool;

    /// A machine's address.
    fn ip(&self, at: MachineId) -> String;

    /// A machine is asked for a link; `None`: it refuses.
    fn accept(&mut self, at: MachineId, peer_ip: &[u8], local_ip: &[u8]) -> Option<LinkId>;

    /// Passes an event to a machine, and carries out its actions.
    fn event(&mut self, at: MachineId, event: Event<'_>);

    /// The machine that a machine reaches at an address and a port, if there is one.
    fn find(&self, from: MachineId, host: &[u8], port: u16) -> Option<MachineId>;

    /// True once in `once_in` times, at random.
    fn chance(&mut self, once_in: i64) -> bool {
        self.random().below(once_in) == 0
    }

    /// When something arrives that leaves now.
    fn delay(&mut self) -> i64 {
        self.now_ms() + 1 + self.random().below(30)
    }

    /// Carries out what a machine does with its links; returns any other action.
    fn on_network<O>(&mut self, at: MachineId, action: Action<O>) -> Option<Action<O>> {
        match action {
            Action::Dial { link, host, port } => {
                let due = self.delay();
                match self.find(at, &host, port) {
                    Some(to) => self.network().dial(at, link, to, due),
                    None => {
                        let why = "No route to host";
                        self.event(at, Event::Refused { link, why });
                    }
                }
            }
            Action::Send { link, bytes } => {
                let due = self.delay();
                self.network().send(at, link, due, Packet::Bytes(bytes));
            }
            Action::Close(link) => {
                let due = self.delay();
                self.network().close(at, link, due);
            }
            other => return Some(other),
        }
        None
    }

    /// Whether a link breaks by accident, now that a parcel arrives.
    fn breaks(&mut self) -> bool {
        false
    }

    /// Passes bytes to a machine, in the pieces that it takes.
    fn receive(&mut self, at: MachineId, link: LinkId, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut taken = bytes.len();
            let event = Event::Received {
                link,
                bytes,
                taken: &mut taken,
            };
            self.event(at, event);
            bytes = &bytes[taken..];
        }
    }

    /// Delivers the parcels that are due, link by link, in order.
    fn move_parcels(&mut self) {
        let pipes: Vec<u64> = self.network().pipes.keys().copied().collect();
        for number in pipes {
            self.open_pipe(number);
            for end in 0..2 {
                self.move_to_end(number, end);
            }
        }
    }

    /// The dialled machine answers, if that is due.
    fn open_pipe(&mut self, number: u64) {
        let now_ms = self.now_ms();
        let Some(pipe) = self.network().pipes.get(&number) else {
            return;
        };
        let [from, to] = [pipe.ends[0].machine, pipe.ends[1].machine];
        let is_due = pipe.accepted_at.is_some_and(|at| at <= now_ms);
        let Some(link) = pipe.ends[0].link else {
            // Given up before it came about.
            if pipe.accepted_at.is_some() {
                self.network().remove(number);
            }
            return;
        };
        if !is_due || !self.network().is_open(from, to) || !self.is_awake(from) {
            return;
        }
        let here = self.ip(from);
        let accepted = if self.is_awake(to) {
            let there = self.ip(to);
            self.accept(to, here.as_bytes(), there.as_bytes())
        } else if self.is_frozen(to) {
            return;
        } else {
            None
        };
        if let Some(accepted) = accepted {
            self.network().accept(number, accepted);
            let local_ip = here.as_bytes();
            self.event(from, Event::Opened { link, local_ip });
        } else {
            self.network().remove(number);
            let why = "Connection refused";
            self.event(from, Event::Refused { link, why });
        }
    }

    /// Delivers the parcels to an end that are due, the bytes of each cut in two somewhere.
    fn move_to_end(&mut self, number: u64, end: usize) {
        while let now_ms = self.now_ms()
            && let Some(pipe) = self.network().pipes.get_mut(&number)
            && let Some(link) = pipe.ends[end].link
            && let Some((due, _)) = pipe.under_way[end].front()
            && *due <= now_ms
        {
            let [to, from] = [pipe.ends[end].machine, pipe.ends[1 - end].machine];
            if !self.is_awake(to) || !self.network().passes(number, end) {
                return;
            }
            let breaks = self.breaks();
            let pipe = self.network().pipes.get_mut(&number).expect("it is there");
            match pipe.under_way[end].pop_front() {
                Some((_, Packet::Bytes(bytes))) if !breaks => {
                    let cut = self.random().place(bytes.len());
                    self.receive(to, link, &bytes[..cut]);
                    self.receive(to, link, &bytes[cut..]);
                }
                _ => {
                    let other = pipe.ends[1 - end].link;
                    self.network().remove(number);
                    let by_limit = false;
                    self.event(to, Event::Closed { link, by_limit });
                    if let Some(link) = other {
                        self.event(from, Event::Closed { link, by_limit });
                    }
                }
            }
        }
    }
}
