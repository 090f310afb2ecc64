//! A Sentinel's core with its resources: links, processes of scripts, the text of its file.
//! `server::sentinel` carries out the core's orders.

use std::process::Child;

use russet_base::clock;
use russet_host::{Links, Now};
use russet_net::Role;
use russet_sentinel::{Sentinel, ServerFacts, Setup};

/// See the module.
pub struct SentinelDriver {
    pub core: Sentinel,
    pub links: Links,
    /// The processes of scripts.
    pub scripts: Vec<Child>,
    /// No primary is about to be seen as down, and no failover is under way.
    pub is_calm: bool,
    /// Replies arrived in the last turn, and nothing is urgent: the loop waits for more of them.
    pub may_rest: bool,
    /// The text of the file as this process has saved it last.
    pub saved: Vec<u8>,
}

impl SentinelDriver {
    /// `seed`: for the core's random numbers.
    pub fn new(setup: &Setup, own: ServerFacts, seed: u64, now: &clock::Now) -> SentinelDriver {
        SentinelDriver {
            core: Sentinel::new(setup, own, seed, Now::from(*now)),
            links: Links::new(Role::SentinelLink),
            scripts: Vec::new(),
            is_calm: false,
            may_rest: false,
            saved: Vec::new(),
        }
    }
}
