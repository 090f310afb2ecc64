//! Connections between servers: packets in order, each way with its own delay.

use std::collections::VecDeque;

use super::node::Entry;
use crate::{ReplId, ReplOffset};
use russet_host::LinkId;

/// The use of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A machine's own link to a member.
    Member(LinkId),
    /// A replica's link to its primary.
    Stream,
}

/// Something that is under way.
#[derive(Clone, Debug)]
pub enum Packet {
    /// Words and their replies.
    Bytes(Vec<u8>),
    /// A replica asks for the stream after this position.
    Psync(ReplId, ReplOffset),
    /// The stream continues, under this history.
    Continue(ReplId),
    /// A full copy comes next.
    FullSync,
    /// A full copy: the histories with their begins, and the stream.
    Copy(Vec<(ReplId, ReplOffset)>, Vec<Entry>),
    /// Entries from an offset on.
    Stream(ReplOffset, Vec<Entry>),
    /// A replica has the stream up to there: in memory, on disk.
    Ack(ReplOffset, ReplOffset),
    /// The other end has closed.
    End,
}

/// See the module. End 0 has dialled.
#[derive(Clone, Debug)]
pub struct Connection {
    pub number: u64,
    pub ends: [usize; 2],
    pub its: Use,
    /// Ends that are open.
    pub is_open: [bool; 2],
    /// When the dialled end answers; then `None`.
    pub accepted_at: Option<u64>,
    /// To end 0, to end 1.
    pub ways: [VecDeque<(u64, Packet)>; 2],
    /// Since when something could not be delivered, or the link not be opened.
    pub stuck_since: Option<u64>,
    /// The primary's end: what was sent of the stream, once it is online.
    pub sent: Option<ReplOffset>,
}

impl Connection {
    pub fn new(number: u64, ends: [usize; 2], its: Use, accepted_at: u64) -> Connection {
        Connection {
            number,
            ends,
            its,
            is_open: [true, false],
            accepted_at: Some(accepted_at),
            ways: Default::default(),
            stuck_since: None,
            sent: None,
        }
    }

    /// A packet leaves an end, and is due at that time, or after the packets before it.
    pub fn send(&mut self, from: usize, at_ms: u64, packet: Packet) {
        if self.is_open[from] {
            let way = &mut self.ways[1 - from];
            let at_ms = way.back().map_or(at_ms, |&(last, _)| at_ms.max(last));
            way.push_back((at_ms, packet));
        }
    }

    /// An end closes; the other end will know.
    pub fn close(&mut self, end: usize, at_ms: u64) {
        self.send(end, at_ms, Packet::End);
        self.is_open[end] = false;
        self.ways[end].clear();
    }

    pub fn is_over(&self) -> bool {
        self.is_open == [false, false] || self.accepted_at.is_some() && !self.is_open[0]
    }
}
