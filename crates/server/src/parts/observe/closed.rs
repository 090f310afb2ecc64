//! The connections that ended last, and how many for which reason (CLIENT CLOSED, INFO, metrics).

use std::collections::VecDeque;

use crate::clients::ending::{Disconnection, EndReason};

/// Connections remembered.
const REMEMBERED: usize = 128;

/// A connection that ended.
#[derive(Clone, Debug)]
pub struct ClosedClient {
    pub id: u64,
    /// When the connection ended, Unix milliseconds.
    pub at_ms: i64,
    pub addr: String,
    pub laddr: String,
    pub name: Option<Box<str>>,
    pub user: Box<[u8]>,
    pub lib_name: Option<Box<str>>,
    pub lib_ver: Option<Box<str>>,
    pub db: usize,
    /// Seconds that the connection lasted, and seconds since it was last active.
    pub age_s: u64,
    pub idle_s: u64,
    pub commands: u64,
    pub last_command: Option<&'static str>,
    pub ending: Disconnection,
}

/// See the module.
#[derive(Debug, Default)]
pub struct ClosedClientLog {
    /// Oldest first.
    recent: VecDeque<ClosedClient>,
    counts: [u64; EndReason::ALL.len()],
}

impl ClosedClientLog {
    /// A connection has ended. O(1).
    pub fn note(&mut self, client: ClosedClient) {
        self.counts[client.ending.reason as usize] += 1;
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(client);
    }

    /// Newest first.
    pub fn recent(&self) -> impl ExactSizeIterator<Item = &ClosedClient> {
        self.recent.iter().rev()
    }

    /// The reasons that occurred, with their numbers since the start or CONFIG RESETSTAT.
    pub fn counts(&self) -> impl Iterator<Item = (EndReason, u64)> {
        let counted = |reason: EndReason| (reason, self.counts[reason as usize]);
        EndReason::ALL
            .into_iter()
            .map(counted)
            .filter(|(_, n)| *n > 0)
    }

    /// CONFIG RESETSTAT: the counts begin anew; the remembered connections stay.
    pub fn reset_counts(&mut self) {
        self.counts = Default::default();
    }
}
