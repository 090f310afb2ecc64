//! Synchronous replication (`min-sync-replicas`): the position of the stream that enough replicas
//! have, and what the server may do meanwhile.
//!
//!     stream   ... safe ............ written
//!              enough replicas       the end of the last write
//!              have this
//!
//!     Off --> Forming --> Normal <--> Lost
//!
//! A write runs at once; its reply waits until the stream is safe up to the write's end
//! (`clients::waiting_replies`), and so does the reply of each reader of what it wrote
//! (`UnconfirmedKeys`). While too few replicas are there, or too many bytes wait, new writes wait
//! before they run. After `sync-timeout` the state is `Lost`: writes and reads of data that is not
//! safe are refused, because the wait has no known end.
//!
//! Invariants
//!   1. `safe` never falls within a term as primary, and is at most the end of the stream.
//!   2. Nothing is taken back: if the replicas return, the rest becomes safe.
//!
//! Cost: O(replicas) for each turn that brings an acknowledgement; a mark of 16 bytes for each
//! millisecond in which something was written and is not safe.

use std::collections::VecDeque;

use russet_config::Config;
use russet_replication::ReplOffset;

/// Milliseconds between two notes of the safe position.
const NOTE_MS: u64 = 10;

/// How a primary treats writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncState {
    /// `min-sync-replicas` is 0, or this server is a replica.
    #[default]
    Off,
    /// Too few replicas are there: writes wait.
    Forming,
    /// Writes run, and are answered once enough replicas have them.
    Normal,
    /// Too few replicas have acknowledged for `sync-timeout`: writes, and reads of data that is
    /// not safe, are refused.
    Lost,
}

impl SyncState {
    /// INFO's word.
    pub fn word(self) -> &'static str {
        match self {
            SyncState::Off => "off",
            SyncState::Forming => "forming",
            SyncState::Normal => "ok",
            SyncState::Lost => "lost",
        }
    }
}

/// The facts of a turn, for [`SyncWrites::judge`].
#[derive(Clone, Copy, Debug)]
pub struct SyncFacts {
    /// Replicas that are online and whose acknowledgements count.
    pub replicas: usize,
    /// The position that the needed number of replicas, and this server, have.
    pub safe: ReplOffset,
    pub now_ms: u64,
    pub timeout_ms: u64,
    pub window: u64,
}

/// The end of the stream at a time.
#[derive(Clone, Copy, Debug)]
struct Growth {
    end: ReplOffset,
    at_ms: u64,
}

/// Counters for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncWriteCounts {
    /// Connections ended because a reply was not safe in time.
    pub timeouts: u64,
    /// Commands refused.
    pub refused: u64,
}

/// Reads that show only what no later primary lacks (`sync-reads linear`): whether this server
/// still leads is asked once a turn, after its commands have run.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinearReads {
    pub is_on: bool,
    /// Commands have read data since the last judgement.
    pub has_unjudged: bool,
    /// Replies that show data need an acknowledgement of this position; 0: the lease held.
    pub round: ReplOffset,
    /// Turns in which the lease did not hold.
    pub rounds: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct SyncWrites {
    state: SyncState,
    /// `min-sync-replicas`.
    needed: usize,
    safe: ReplOffset,
    /// The end of the last write.
    written: ReplOffset,
    /// When the stream grew to which end, of the part that is not safe.
    growth: VecDeque<Growth>,
    /// Since when too few replicas are there, monotonic milliseconds.
    short_since_ms: Option<u64>,
    /// More bytes than `sync-window` are not safe.
    is_full: bool,
    /// The part of the stream that was not safe when the last term ended: its begin and its end.
    doubt: (ReplOffset, ReplOffset),
    /// The safe position that was last noted in the stream, and when, monotonic milliseconds.
    noted: (ReplOffset, u64),
    /// The end of the stream when replicas were last asked for an acknowledgement.
    pub asked_at: ReplOffset,
    pub counts: SyncWriteCounts,
    /// Reads under a lease.
    pub linear: LinearReads,
    /// At a replica with `sync-replica-reads safe`: the position up to which reads show the stream,
    /// as the primary has noted it.
    pub shown: Option<ReplOffset>,
    /// A replica has joined when the stream ended here, and has had no note of what is safe.
    owed: Option<ReplOffset>,
}

impl SyncWrites {
    /// Whether the mode is on at this server.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.state != SyncState::Off
    }

    pub fn state(&self) -> SyncState {
        self.state
    }

    /// The number of replicas that must have a write.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// The position that enough replicas have.
    #[inline]
    pub fn safe(&self) -> ReplOffset {
        self.safe
    }

    /// The end of the last write.
    pub fn written(&self) -> ReplOffset {
        self.written
    }

    /// Bytes of the stream that are not safe.
    pub fn unsafe_bytes(&self) -> u64 {
        self.written.saturating_sub(self.safe)
    }

    /// Whether a write is not safe.
    #[inline]
    pub fn has_unsafe(&self) -> bool {
        self.is_on() && self.written > self.safe
    }

    /// For how long the oldest write that is not safe waits, milliseconds.
    pub fn unsafe_ms(&self, now_ms: u64) -> u64 {
        let oldest = self.growth.front();
        oldest.map_or(0, |oldest| now_ms.saturating_sub(oldest.at_ms))
    }

    /// Writes, and reads of data that is not safe, are refused.
    #[inline]
    pub fn is_lost(&self) -> bool {
        self.state == SyncState::Lost
    }

    /// New writes wait before they run.
    pub fn delays_writes(&self) -> bool {
        self.state == SyncState::Forming || self.is_full
    }

    /// A term as primary begins, with the stream at `end`: nothing of it is known to be safe.
    pub fn begin(&mut self, needed: usize, end: ReplOffset, now_ms: u64) {
        *self = SyncWrites {
            state: SyncState::Forming,
            needed,
            written: end,
            short_since_ms: Some(now_ms),
            counts: self.counts,
            linear: self.linear,
            ..SyncWrites::default()
        };
    }

    /// `min-sync-replicas` has another value, which is not 0. What is safe stays so.
    pub fn set_needed(&mut self, needed: usize) {
        self.needed = needed;
    }

    /// A former replica knows that the stream is safe up to `safe`.
    pub fn set_safe(&mut self, safe: ReplOffset) {
        self.safe = self.safe.max(safe);
    }

    /// The safe position that is due to be noted in the stream, if any: at most every
    /// [`NOTE_MS`]. Not beyond the last write, because the acknowledgement of a note would be noted
    /// in turn, for ever.
    pub fn take_note(&mut self, now_ms: u64) -> Option<ReplOffset> {
        let (last, at_ms) = self.noted;
        let safe = self.safe.min(self.written);
        let is_due = safe > last && now_ms.saturating_sub(at_ms) >= NOTE_MS;
        is_due.then(|| {
            self.noted = (safe, now_ms);
            safe
        })
    }

    /// A replica has joined, with the stream at `end`: it is due a note once that is safe.
    pub fn owe_note(&mut self, end: ReplOffset) {
        self.owed = self.is_on().then_some(end);
    }

    /// The safe position that is due to be noted for a replica that has joined, if any.
    #[inline]
    pub fn take_owed_note(&mut self) -> Option<ReplOffset> {
        let end = self.owed?;
        (self.safe >= end).then(|| {
            self.owed = None;
            self.safe
        })
    }

    /// This server ceases to be the primary, with the stream at `end`: replies that need more than
    /// the safe part never leave.
    pub fn doubt_after(&mut self, end: ReplOffset) {
        self.doubt = (self.safe, end);
    }

    /// Whether a reply that needs this position never leaves, see [`SyncWrites::doubt_after`].
    #[inline]
    pub fn doubts(&self, needs: ReplOffset) -> bool {
        let (safe, end) = self.doubt;
        needs > safe && needs <= end
    }

    /// The term ends.
    pub fn end(&mut self) {
        *self = SyncWrites {
            counts: self.counts,
            linear: self.linear,
            doubt: self.doubt,
            ..SyncWrites::default()
        };
    }

    /// A write ends at `end` of the stream.
    #[inline]
    pub fn wrote(&mut self, end: ReplOffset, now_ms: u64) {
        self.written = end;
        match self.growth.back_mut() {
            Some(last) if last.at_ms == now_ms => last.end = end,
            _ => self.growth.push_back(Growth { end, at_ms: now_ms }),
        }
    }

    /// Takes the state that the group of this server has decided. Returns whether it, or whether
    /// writes wait, has changed.
    pub fn take_state(&mut self, state: SyncState, is_full: bool) -> bool {
        let before = (self.state, self.is_full);
        if self.is_on() {
            (self.state, self.is_full) = (state, is_full);
            self.forget_safe_growth();
        }
        before != (self.state, self.is_full)
    }

    fn forget_safe_growth(&mut self) {
        while self.growth.front().is_some_and(|g| g.end <= self.safe) {
            self.growth.pop_front();
        }
    }

    /// Takes the facts of a turn. Returns whether the state, or whether writes wait, has changed.
    pub fn judge(&mut self, facts: SyncFacts) -> bool {
        if !self.is_on() {
            return false;
        }
        let before = (self.state, self.is_full);
        let now_ms = facts.now_ms;
        self.safe = self.safe.max(facts.safe);
        self.forget_safe_growth();
        if facts.replicas >= self.needed {
            self.short_since_ms = None;
        } else {
            self.short_since_ms.get_or_insert(now_ms);
        }
        let lasts = |since_ms: u64| {
            facts.timeout_ms > 0 && now_ms.saturating_sub(since_ms) >= facts.timeout_ms
        };
        let is_late = self.growth.front().is_some_and(|g| lasts(g.at_ms));
        let is_short = self.short_since_ms.is_some();
        let stays_lost = self.state == SyncState::Lost && (is_short || self.has_unsafe());
        self.state = if is_late || stays_lost || self.short_since_ms.is_some_and(lasts) {
            SyncState::Lost
        } else if is_short {
            SyncState::Forming
        } else {
            SyncState::Normal
        };
        self.is_full = facts.window > 0 && self.unsafe_bytes() >= facts.window;
        before != (self.state, self.is_full)
    }
}

/// The error of a command that is refused because too few replicas acknowledge.
pub(crate) fn too_few(replicas: usize, needed: usize) -> String {
    format!(
        "NOSYNCREPLICAS Not enough sync replicas: {replicas} of {needed} acknowledge. Nothing was \
         executed."
    )
}

/// The error of a read whose data is not safe.
pub(crate) const UNCONFIRMED_READ: &str =
    "NOSYNCREPLICAS The last write to this data is not acknowledged yet.";

/// The error of a read at a server that may have been replaced.
pub(crate) const MAY_NOT_LEAD: &str =
    "NOSYNCREPLICAS Too few members acknowledge: another server may lead.";

/// The error that ends a connection whose writes were not safe in time.
pub(crate) fn in_doubt(needed: usize, config: &Config) -> String {
    format!(
        "INDOUBT Not acknowledged by {needed} sync {} within {} ms: this command and those after \
         it on this connection may survive or not.",
        if needed == 1 { "replica" } else { "replicas" },
        config.sync_timeout
    )
}

/// The error that ends a connection whose writes were not safe when this server ceased to be the
/// primary.
pub(crate) const DEPOSED: &str = "INDOUBT Another server leads now: this command and those after it \
                                  on this connection may survive or not.";

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(replicas: usize, safe: ReplOffset, now_ms: u64) -> SyncFacts {
        SyncFacts {
            replicas,
            safe,
            now_ms,
            timeout_ms: 5000,
            window: 1000,
        }
    }

    #[test]
    fn writes_wait_for_replicas_then_run_then_are_refused_and_run_again() {
        let mut sync = SyncWrites::default();
        assert!(!sync.judge(facts(0, 0, 0)) && !sync.is_on());
        sync.begin(1, 100, 0);
        assert!(sync.delays_writes());
        assert!(sync.judge(facts(1, 100, 10)));
        assert_eq!(sync.state(), SyncState::Normal);
        assert!(!sync.has_unsafe() && !sync.delays_writes());
        sync.wrote(150, 20);
        sync.wrote(180, 30);
        assert!(!sync.judge(facts(1, 150, 40)));
        assert_eq!((sync.unsafe_bytes(), sync.unsafe_ms(40)), (30, 10));
        // The replica is gone, and the last write waits for it.
        assert!(sync.judge(facts(0, 0, 50)));
        assert_eq!(sync.state(), SyncState::Forming);
        assert!(!sync.judge(facts(0, 0, 5029)));
        assert!(sync.judge(facts(0, 0, 5030)));
        assert_eq!((sync.state(), sync.safe()), (SyncState::Lost, 150));
        // It is back, and has not read everything yet.
        assert!(!sync.judge(facts(1, 160, 9000)));
        assert!(sync.judge(facts(1, 180, 9001)));
        assert_eq!(sync.state(), SyncState::Normal);
    }

    /// A note moved the end of the stream, its acknowledgement the safe position, and that was
    /// noted: a stream at rest grew every 10 ms.
    #[test]
    fn a_safe_position_is_noted_once_and_a_note_is_none() {
        let mut sync = SyncWrites::default();
        sync.begin(1, 0, 0);
        sync.wrote(100, 20);
        sync.judge(facts(1, 100, 30));
        assert_eq!(sync.take_note(30), Some(100));
        sync.judge(facts(1, 140, 60));
        assert_eq!(sync.take_note(60), None);
        sync.wrote(200, 61);
        sync.judge(facts(1, 200, 62));
        assert_eq!(sync.take_note(62), Some(200));
    }

    #[test]
    fn a_full_window_delays_writes() {
        let mut sync = SyncWrites::default();
        sync.begin(2, 0, 0);
        sync.judge(facts(2, 0, 0));
        sync.wrote(1000, 1);
        assert!(sync.judge(facts(2, 0, 1)) && sync.delays_writes());
        assert!(sync.judge(facts(2, 1, 2)) && !sync.delays_writes());
    }
}
