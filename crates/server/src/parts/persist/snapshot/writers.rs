//! Writers during a pass: which must wait, so that neither a turn nor the memory for values saved
//! early grows without bound, and the clients that wait.
//!
//! Invariant: without a pass no writer waits ([`Writers::refresh`]).

use russet_keyspace::{ClientId, Keyspace};

/// Bytes of values saved early, before they changed, that wait to be written: above the first
/// figure all writers wait from the next turn on, until no more than the second is left.
const EARLY_MAX: usize = 32 << 20;
const EARLY_RESUME: usize = 8 << 20;
/// A container with fewer elements is saved in a moment.
const MANY: u64 = 512;

/// See the module.
#[derive(Default)]
pub struct Writers {
    /// Clients that wait for a large container to be saved, or for all writers to be released.
    awaiting: Vec<ClientId>,
    guards_large: bool,
    holds_all: bool,
    /// The log has reported that all wait, for this pass.
    reported_held: bool,
}

impl Writers {
    /// Writers of large containers must be checked: some are not saved yet.
    #[inline]
    pub(crate) fn guards_large(&self) -> bool {
        self.guards_large
    }

    /// Too many bytes saved early wait to be written: all writers wait.
    #[inline]
    pub(crate) fn holds_all(&self) -> bool {
        self.holds_all
    }

    /// A client waits for the containers that its command writes to.
    pub(crate) fn await_saved(&mut self, client: ClientId) {
        self.awaiting.push(client);
    }

    /// Takes the clients that wait: each must be checked again.
    pub(crate) fn take_awaiting(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.awaiting)
    }

    /// Updates which writers wait. To be called when a snapshot has begun or a target has ended;
    /// the gates must be recomputed after that.
    pub fn refresh(&mut self, keyspace: &Keyspace) {
        let is_saving = keyspace.is_saving();
        self.reported_held &= is_saving;
        self.holds_all &= is_saving;
        self.guards_large = is_saving && keyspace.has_containers_of(MANY);
    }

    /// Bounds the values saved early. To be called after each slice of a pass. Returns whether that
    /// has changed which writers wait.
    pub(crate) fn bound_early(&mut self, keyspace: &Keyspace) -> bool {
        let bytes = if keyspace.is_saving() {
            keyspace.early_bytes()
        } else {
            0
        };
        let holds = if self.holds_all {
            bytes > EARLY_RESUME
        } else {
            bytes > EARLY_MAX
        };
        if holds == self.holds_all {
            return false;
        }
        self.holds_all = holds;
        if holds && !self.reported_held {
            self.reported_held = true;
            tracing::warn!(
                "Writers wait for the snapshot: the disk is slower than what changes before it \
                 is saved ({} MB)",
                bytes >> 20
            );
        }
        true
    }
}
