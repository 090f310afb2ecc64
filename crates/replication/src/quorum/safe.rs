//! The safe offset of a leader: how far enough members have its stream.
//!
//!     stream  --------------- S ----------------- end
//!               safe          |      unsafe       |
//!                       acknowledged by k members, and in the leader's own log
//!
//! Invariants
//!   1. S does not fall while a server leads.
//!   2. Nothing becomes safe before the leader's own term note: bytes of earlier leaders that
//!      enough nodes have may still give way to another's. With the term note all before it is
//!      safe.
//!   3. Only members that are linked under this ballot count, each by its latest link.
//!
//! Cost: O(members) for an acknowledgement; times of unsafe bytes take at most [`MARKS_MAX`]
//! entries.

use std::collections::{BTreeMap, VecDeque};

use super::ballot::{Ballot, NodeId};
use super::events::PeerId;
use super::members::{Address, Configurations};
use super::vows::SentTimes;
use crate::ReplOffset;

/// Places of the unsafe stream whose time is known.
const MARKS_MAX: usize = 1024;

/// Milliseconds of the stream that have one time.
const MARK_MS: u64 = 5;

/// A replica that is linked to the leader under its ballot.
#[derive(Clone, Debug)]
pub(super) struct LinkedReplica {
    /// Its connection.
    pub peer: PeerId,
    /// Where it can be reached; `None`: it has not announced it.
    pub address: Option<Address>,
    /// It may become a member.
    pub is_eligible: bool,
    /// It has applied the stream up to there, and its log has been given it; 0: it has not
    /// acknowledged anything on this link.
    pub memory: ReplOffset,
    /// Its log is synced up to there.
    pub disk: ReplOffset,
    /// Its last acknowledgement, monotonic milliseconds.
    pub acknowledged_ms: u64,
    /// It has acknowledged what was sent then, and vowed for the lease.
    pub leased_ms: u64,
}

/// The state of a server that leads.
#[derive(Clone, Debug)]
pub(super) struct Leadership {
    pub ballot: Ballot,
    /// The end of its term note. `None`: the note is not in the stream yet.
    pub term_end: Option<ReplOffset>,
    /// S.
    pub safe: ReplOffset,
    /// Its own log, as `appendfsync` demands.
    pub stored: ReplOffset,
    /// The end of the stream.
    pub end: ReplOffset,
    /// Linked replicas, members and others.
    pub replicas: BTreeMap<NodeId, LinkedReplica>,
    /// When links of replicas were lost, and when this server began to lead.
    pub lost_ms: BTreeMap<NodeId, u64>,
    pub began_ms: u64,
    /// Ends of stretches of the unsafe stream, with the time when the stretch began.
    marks: VecDeque<(ReplOffset, u64)>,
    /// The oldest unsafe byte is older than `sync-timeout`.
    pub is_overdue: bool,
    /// The last note of a safe offset: its content, its end, its time.
    pub noted: ReplOffset,
    pub noted_end: ReplOffset,
    pub noted_ms: u64,
    /// The end of the last bytes that are no note of a safe offset.
    pub content_end: ReplOffset,
    /// When the members were asked for a successor.
    pub asked_ms: u64,
    /// No change of the members before this offset is safe.
    pub changes_at: ReplOffset,
    /// The lease for which replicas vow when they are linked; 0: none.
    pub lease_ms: u64,
    /// The last growth of the stream, monotonic milliseconds.
    pub grown_ms: u64,
    /// When the stream was sent.
    pub sent: SentTimes,
}

impl Leadership {
    /// Whether a node is a replica of the leader and has all that is safe.
    pub(super) fn has_caught_up(&self, node: &NodeId) -> bool {
        let replica = self.replicas.get(node);
        replica.is_some_and(|replica| replica.memory >= self.safe.max(1))
    }

    pub fn new(ballot: Ballot, safe: ReplOffset, end: ReplOffset) -> Leadership {
        Leadership {
            ballot,
            term_end: None,
            safe,
            stored: 0,
            end,
            replicas: BTreeMap::new(),
            lost_ms: BTreeMap::new(),
            began_ms: 0,
            marks: VecDeque::new(),
            is_overdue: false,
            noted: safe,
            noted_end: 0,
            noted_ms: 0,
            asked_ms: 0,
            content_end: end,
            changes_at: 0,
            lease_ms: 0,
            grown_ms: 0,
            sent: SentTimes::default(),
        }
    }

    /// The stream has grown up to here.
    pub fn grow(&mut self, now_ms: u64, end: ReplOffset) {
        if end <= self.end {
            return;
        }
        self.end = end;
        self.grown_ms = now_ms;
        let is_full = self.marks.len() >= MARKS_MAX;
        match self.marks.back_mut() {
            Some((last, began_ms)) if is_full || now_ms < *began_ms + MARK_MS => *last = end,
            _ => self.marks.push_back((end, now_ms)),
        }
    }

    /// A replica has the stream up to there. `disk`: its log is synced up to there.
    pub fn acknowledge(
        &mut self,
        now_ms: u64,
        peer: PeerId,
        memory: ReplOffset,
        disk: Option<ReplOffset>,
    ) {
        let end = self.end;
        let replica = self.replicas.values_mut().find(|its| its.peer == peer);
        if let Some(replica) = replica {
            // A replica cannot have more than was sent.
            replica.memory = replica.memory.max(memory.min(end));
            replica.leased_ms = replica.leased_ms.max(self.sent.of(memory));
            replica.disk = replica.disk.max(disk.unwrap_or(0).min(end));
            replica.acknowledged_ms = now_ms;
        }
    }

    /// The offset up to which enough members have the stream. `on_disk`: on disk.
    fn acknowledged(&self, own: NodeId, on_disk: bool, all: &Configurations) -> ReplOffset {
        all.safe_offset(|id| match self.replicas.get(&id) {
            _ if id == own => self.stored.min(self.end),
            Some(replica) if on_disk => replica.disk,
            Some(replica) => replica.memory,
            None => 0,
        })
    }

    /// Counts again; returns S if it has grown. `early`: also before the term note is safe, a rule
    /// to break.
    pub fn count(
        &mut self,
        own: NodeId,
        on_disk: bool,
        all: &Configurations,
        early: bool,
    ) -> Option<ReplOffset> {
        let offset = self.acknowledged(own, on_disk, all);
        let is_own = self.term_end.is_some_and(|end| offset >= end);
        if offset <= self.safe || !(is_own || early) {
            return None;
        }
        self.safe = offset;
        while self.marks.front().is_some_and(|&(end, _)| end <= offset) {
            self.marks.pop_front();
        }
        Some(offset)
    }

    /// As [`Leadership::count`], with an offset that was counted in another way: a rule to break.
    #[cfg(any(test, feature = "testing"))]
    pub fn count_anyone(&mut self, own: NodeId, needed: usize) -> Option<ReplOffset> {
        let others = self.replicas.iter().filter(|(id, _)| **id != own);
        let mut offsets: Vec<ReplOffset> = others.map(|(_, its)| its.memory).collect();
        offsets.push(self.stored.min(self.end));
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        let offset = offsets.get(needed).copied().unwrap_or(0);
        let is_own = self.term_end.is_some_and(|end| offset >= end);
        (is_own && offset > self.safe).then(|| {
            self.safe = offset;
            offset
        })
    }

    /// Whether the term note is safe: members may change.
    pub fn is_settled(&self) -> bool {
        self.term_end.is_some_and(|end| self.safe >= end)
    }

    /// Bytes that are not safe.
    pub fn unsafe_bytes(&self) -> u64 {
        self.end.saturating_sub(self.safe)
    }

    /// How long the oldest unsafe byte has waited.
    pub fn unsafe_ms(&self, now_ms: u64) -> u64 {
        let oldest = self.marks.front();
        oldest.map_or(0, |&(_, began_ms)| now_ms.saturating_sub(began_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::super::members::{Configuration, Member, PlacedConfiguration};
    use super::super::notes::ballot_of;
    use super::*;

    fn configurations(count: u8, acknowledgements: usize) -> Configurations {
        let member = |number| Member {
            id: ballot_of(1, b'1' + number).node,
            address: Address::parse(b"h:1").unwrap(),
        };
        let mut all = Configurations::default();
        all.add(PlacedConfiguration {
            configuration: Configuration {
                version: 1,
                acknowledgements,
                members: (0..count).map(member).collect(),
            },
            begin: 0,
            end: 1,
        });
        all
    }

    fn leadership(count: u8) -> (NodeId, Leadership) {
        let ballot = ballot_of(5, b'1');
        let mut leadership = Leadership::new(ballot, 10, 100);
        for number in 1..count {
            let replica = LinkedReplica {
                peer: PeerId(u64::from(number)),
                address: None,
                is_eligible: true,
                memory: 0,
                disk: 0,
                acknowledged_ms: 0,
                leased_ms: 0,
            };
            let id = ballot_of(1, b'1' + number).node;
            leadership.replicas.insert(id, replica);
        }
        leadership.grow(1000, 150);
        leadership.stored = 150;
        (ballot.node, leadership)
    }

    #[test]
    fn nothing_is_safe_before_the_term_note_is() {
        let (own, mut leadership) = leadership(3);
        let all = configurations(3, 1);
        leadership.term_end = Some(150);
        leadership.acknowledge(1000, PeerId(1), 149, None);
        assert_eq!(leadership.count(own, false, &all, false), None);
        assert!(!leadership.is_settled());
        leadership.acknowledge(1000, PeerId(1), 150, Some(120));
        assert_eq!(leadership.count(own, true, &all, false), None, "on disk");
        assert_eq!(leadership.count(own, false, &all, false), Some(150));
        assert!(leadership.is_settled());
    }

    #[test]
    fn the_own_log_and_enough_members_count() {
        let (own, mut leadership) = leadership(3);
        leadership.term_end = Some(50);
        leadership.stored = 120;
        let two = configurations(3, 2);
        leadership.acknowledge(1000, PeerId(1), 1_000_000, None);
        assert_eq!(leadership.count(own, false, &two, false), None);
        leadership.acknowledge(1000, PeerId(2), 90, None);
        assert_eq!(leadership.count(own, false, &two, false), Some(90));
        leadership.acknowledge(1000, PeerId(2), 130, None);
        leadership.acknowledge(1000, PeerId(2), 60, None);
        assert_eq!(leadership.count(own, false, &two, false), Some(120), "own");
        assert_eq!(leadership.count(own, false, &two, false), None);
    }

    #[test]
    fn the_oldest_unsafe_byte_has_an_age() {
        let (own, mut leadership) = leadership(2);
        let all = configurations(2, 1);
        leadership.term_end = Some(50);
        for turn in 0..5000 {
            leadership.grow(2000 + turn * MARK_MS, 150 + turn);
        }
        assert!(leadership.marks.len() <= MARKS_MAX);
        assert_eq!(leadership.unsafe_ms(2500), 1500);
        leadership.stored = u64::MAX;
        leadership.acknowledge(0, PeerId(1), 200, None);
        assert_eq!(leadership.count(own, false, &all, false), Some(200));
        assert_eq!(leadership.unsafe_ms(2500), 500 - 51 * MARK_MS);
        leadership.acknowledge(0, PeerId(1), u64::MAX, None);
        assert_eq!(leadership.count(own, false, &all, false), Some(5149));
        assert_eq!(
            (leadership.unsafe_bytes(), leadership.unsafe_ms(9000)),
            (0, 0)
        );
    }
}
