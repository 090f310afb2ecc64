//! A Sentinel's core with its resources: connections, name lookups, processes of scripts.
//! `server::sentinel` carries out the core's actions.

use std::collections::HashMap;
use std::process::Child;
use std::sync::mpsc::{self, Receiver, Sender};

use russet_base::clock;
use russet_host::Now;
use russet_net::{Connecting, Slab, Stream};
use russet_resp::{ReplyBounds, ReplyParser};
use russet_sentinel::{ConnId, Own, Sentinel, Setup};

/// A data node's INFO and lists of a few kilobytes are expected; a peer that sends more is not one.
const BOUNDS: ReplyBounds = ReplyBounds {
    bulk_max: 4 << 20,
    values_max: 64 * 1024,
    depth_max: 8,
};

/// See the module.
pub(crate) struct SentinelDriver {
    pub(crate) core: Sentinel,
    pub(in crate::server) links: Links,
    pub(in crate::server) lookups: Lookups,
    /// The processes of scripts.
    pub(in crate::server) scripts: Vec<Child>,
    /// When the core's next tick is due, monotonic milliseconds.
    pub tick_due_ms: u64,
    /// No primary is about to be seen as down, and no failover is under way.
    pub is_calm: bool,
    /// Replies arrived in the last turn, and nothing is urgent: the loop waits for more of them.
    pub may_rest: bool,
    /// The text of the file as this process has saved it last.
    pub(in crate::server) saved: Vec<u8>,
}

impl SentinelDriver {
    /// `seed`: for the core's random numbers.
    pub(in crate::server) fn new(
        setup: &Setup,
        own: Own,
        seed: u64,
        now: &clock::Now,
    ) -> SentinelDriver {
        SentinelDriver {
            core: Sentinel::new(setup, own, seed, Now::from(*now)),
            links: Links::default(),
            lookups: Lookups::default(),
            scripts: Vec::new(),
            tick_due_ms: now.mono_ms,
            is_calm: false,
            may_rest: false,
            saved: Vec::new(),
        }
    }
}

impl SentinelDriver {
    /// Whether bytes wait to be read that no event reports.
    pub fn has_unread(&self) -> bool {
        !self.links.unread.is_empty()
    }
}

/// The stage of a connection.
pub(in crate::server) enum SentinelLinkStage {
    Connecting(Box<Connecting>),
    Open(Stream),
}

/// A connection to a data node or another Sentinel.
pub(in crate::server) struct SentinelConnection {
    pub conn: ConnId,
    pub stage: SentinelLinkStage,
    pub parser: ReplyParser,
    /// Requests not sent yet.
    pub out: Vec<u8>,
    pub write_armed: bool,
}

impl SentinelConnection {
    pub fn new(conn: ConnId, connecting: Connecting) -> SentinelConnection {
        SentinelConnection {
            conn,
            stage: SentinelLinkStage::Connecting(Box::new(connecting)),
            parser: ReplyParser::new(BOUNDS),
            out: Vec::new(),
            write_armed: false,
        }
    }
}

/// All connections.
#[derive(Default)]
pub(in crate::server) struct Links {
    pub slab: Slab<Box<SentinelConnection>>,
    /// Slot and generation.
    pub places: HashMap<ConnId, (u32, u32)>,
    /// Connections with requests to send.
    pub unsent: Vec<(u32, u32)>,
    /// Connections with bytes to read that no event reports.
    pub unread: Vec<(u32, u32)>,
}

impl Links {
    /// Drops a connection that has been taken out.
    pub fn drop_taken(&mut self, slot: u32, conn: ConnId) {
        self.slab.free(slot);
        self.places.remove(&conn);
    }
}

/// A resolved name; `None`: it has no address.
pub(in crate::server) type Resolved = (Vec<u8>, Option<Vec<u8>>);

/// Names that helper threads resolve.
pub(in crate::server) struct Lookups {
    pub sender: Sender<Resolved>,
    pub reported: Receiver<Resolved>,
    /// The names of lookups under way.
    pub names: Vec<Vec<u8>>,
}

impl Default for Lookups {
    fn default() -> Lookups {
        let (sender, reported) = mpsc::channel();
        Lookups {
            sender,
            reported,
            names: Vec::new(),
        }
    }
}
