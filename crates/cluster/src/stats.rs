//! Messages counted by kind, for CLUSTER INFO.

use super::message::Kind;

/// Messages and bytes that were sent and received.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub sent: Counts,
    pub received: Counts,
    /// Links closed because too much waited to be sent.
    pub(crate) links_over_limit: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub messages: [u64; Kind::ALL.len()],
    pub bytes: [u64; Kind::ALL.len()],
}

impl Counts {
    pub(super) fn add(&mut self, kind: Kind, bytes: usize) {
        self.messages[kind as usize] += 1;
        self.bytes[kind as usize] += bytes as u64;
    }

    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.messages[kind as usize]
    }

    pub(super) fn total(&self) -> u64 {
        self.messages.iter().sum()
    }

    pub(super) fn bytes_of(&self, kinds: &[Kind]) -> u64 {
        kinds.iter().map(|&kind| self.bytes[kind as usize]).sum()
    }

    pub(super) fn bytes_total(&self) -> u64 {
        self.bytes.iter().sum()
    }
}
