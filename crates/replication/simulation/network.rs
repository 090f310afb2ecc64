//! Connections of replicas to their primaries: bytes on their way, and what each end sees.

use super::serving::Session;
use crate::upstream::Link;
use russet_host::{LinkId, Random};

/// One direction of a connection.
#[derive(Default)]
pub struct Direction {
    /// Bytes that were sent and have not arrived.
    pub bytes: Vec<u8>,
    /// The sender has closed its end.
    pub is_ended: bool,
    /// It carries nothing more, and no end sees that.
    pub is_silent: bool,
}

/// See the module.
pub struct Connection {
    pub number: u64,
    pub from: usize,
    pub to: usize,
    /// The number that the replica has given it, and its use.
    pub id: LinkId,
    pub link: Link,
    /// To the primary, and to the replica.
    pub ways: [Direction; 2],
    /// The end of the replica, and of the primary, is open.
    pub is_open: [bool; 2],
    pub session: Session,
    /// The primary knows of the end.
    pub is_forgotten: bool,
}

impl Connection {
    pub fn new(number: u64, from: usize, to: usize, (id, link): (LinkId, Link)) -> Connection {
        Connection {
            number,
            from,
            to,
            id,
            link,
            ways: Default::default(),
            is_open: [true, true],
            session: Session::default(),
            is_forgotten: false,
        }
    }

    pub fn is_over(&self) -> bool {
        self.is_open == [false, false]
    }

    pub fn joins(&self, a: usize, b: usize) -> bool {
        (self.from, self.to) == (a, b) || (self.from, self.to) == (b, a)
    }

    /// An end sends; `side` 0: the replica.
    pub fn send(&mut self, side: usize, bytes: &[u8]) {
        let way = &mut self.ways[side];
        if self.is_open[side] && !way.is_silent && !way.is_ended {
            way.bytes.extend_from_slice(bytes);
        }
    }

    /// An end closes.
    pub fn close(&mut self, side: usize) {
        if std::mem::take(&mut self.is_open[side]) && !self.ways[side].is_silent {
            self.ways[side].is_ended = true;
        }
    }

    /// The bytes that arrive at an end now: all, or a part that ends anywhere. `None`: the other
    /// end has closed, and everything before that has arrived.
    pub fn arrive(&mut self, side: usize, is_calm: bool, random: &mut Random) -> Option<Vec<u8>> {
        let way = &mut self.ways[1 - side];
        if way.is_silent {
            return Some(Vec::new());
        }
        let there = way.bytes.len();
        let part = if is_calm {
            there
        } else {
            match random.place(10) {
                0 => 0,
                1..=3 => random.place(there + 1),
                _ => there,
            }
        };
        if part == 0 && there == 0 && way.is_ended {
            return None;
        }
        Some(way.bytes.drain(..part).collect())
    }

    /// It ends on both sides; each may get a part of what was on its way.
    pub fn cut(&mut self, random: &mut Random) {
        for side in 0..2 {
            let way = &mut self.ways[side];
            let kept = random.place(way.bytes.len() + 1);
            way.bytes.truncate(kept);
            way.is_ended = true;
        }
    }
}
