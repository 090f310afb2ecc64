//! A server that leads: its replicas, S, changes of its members, the notes of safe offsets.
//!
//! Acknowledgements are counted after each event; notes of safe offsets, new members and
//! `sync-timeout` come with ticks. A change of the members counts from its note on.

use super::ballot::{Ballot, NodeId};
use super::core::{GroupStanding, Quorum, Role};
use super::events::{Fault, Order, PeerId, SyncOn};
use super::links::Question;
use super::members::{Address, Change, ChangeError, Member, PlacedConfiguration};
use super::notes::QuorumNote;
use super::safe::{Leadership, LinkedReplica};
use super::status::{
    FollowerState, GroupState, LeaderState, MemberStatus, QuorumStatus, TakeoverRecord, WriteGate,
};
use super::words::{Answer, Word};
use crate::ReplOffset;

/// Milliseconds between two notes of safe offsets while there is traffic.
const NOTE_MS: u64 = 10;
/// Bytes that became safe after which there is a note sooner.
const NOTE_BYTES: u64 = 64 * 1024;

/// A second link of the same node from another address is refused if the first has acknowledged
/// something so recently: two nodes have one file.
const TWIN_MS: u64 = 3000;

/// Milliseconds from one question for a successor to the next.
const SUCCESSOR_MS: u64 = 2000;

impl Leadership {
    /// A note is in the stream.
    pub(super) fn note(&mut self, note: &QuorumNote, begin: ReplOffset, end: ReplOffset) {
        match note {
            QuorumNote::Term { ballot, .. } if *ballot == self.ballot => self.term_end = Some(end),
            QuorumNote::Safe(offset) => {
                if begin > self.noted_end {
                    self.content_end = begin;
                }
                (self.noted, self.noted_end) = (self.noted.max(*offset), end);
            }
            _ => {}
        }
    }

    /// Whether something became safe that no note says.
    pub(super) fn owes_note(&self) -> bool {
        self.noted < self.safe.min(self.content_end)
    }
}

impl Quorum {
    // --- replicas ---

    /// A replica is about to follow this server.
    pub(super) fn asked_to_lead(
        &mut self,
        peer: PeerId,
        address: Option<Address>,
        (node, promised, is_eligible): (NodeId, Ballot, bool),
    ) {
        self.highest = self.highest.max(promised.number);
        if let Role::Leading(leadership) = &self.role
            && promised > leadership.ballot
        {
            self.learn_greater(promised);
        }
        let (now_ms, end, group) = (self.now_ms, self.stream.end, self.group());
        let Role::Leading(leadership) = &mut self.role else {
            return self.refuse(peer);
        };
        let (ballot, Some(group)) = (leadership.ballot, group) else {
            return self.refuse(peer);
        };
        if let Some(other) = leadership.replicas.get(&node) {
            let is_alive = now_ms < other.acknowledged_ms + TWIN_MS && other.memory > 0;
            if is_alive && other.address != address {
                let shown = |its: &Option<Address>| {
                    its.as_ref()
                        .map_or_else(|| "?".to_owned(), Address::to_string)
                };
                let (first, second) = (shown(&other.address), shown(&address));
                self.warn(format!(
                    "Node {node} follows from {first} and from {second}: two servers have the same \
                     quorum.conf. The second is refused."
                ));
                let text = format!("ERR Node {node} follows from {first} already");
                return self.out.push(Order::Answer(peer, Answer::Error(text)));
            }
            let former = other.peer;
            self.out.push(Order::EndPeer(former));
        }
        let Role::Leading(leadership) = &mut self.role else {
            return;
        };
        let replica = LinkedReplica {
            peer,
            address,
            is_eligible,
            memory: 0,
            disk: 0,
            acknowledged_ms: now_ms,
            leased_ms: 0,
        };
        leadership.replicas.insert(node, replica);
        let lease_ms = self.lease_offered();
        let answer = Answer::Follow {
            ballot,
            group,
            end,
            lease_ms,
        };
        self.tell(Order::Answer(peer, answer));
    }

    pub(super) fn peer_closed(&mut self, peer: PeerId) {
        let now_ms = self.now_ms;
        if let Role::Leading(leadership) = &mut self.role {
            let lost = &mut leadership.lost_ms;
            leadership.replicas.retain(|id, replica| {
                let is_lost = replica.peer == peer;
                if is_lost {
                    lost.insert(*id, now_ms);
                }
                !is_lost
            });
        }
    }

    /// Whether the replica on this connection is a member. `None`: this server does not lead.
    pub fn has_member_at(&self, peer: PeerId) -> Option<bool> {
        let (Role::Leading(leadership), Some(newest)) =
            (&self.role, self.lineage.configurations.newest())
        else {
            return None;
        };
        let mut replicas = leadership.replicas.iter();
        Some(replicas.any(|(id, its)| its.peer == peer && newest.has(*id)))
    }

    /// The replica of this leader that has announced this address.
    pub fn replica_at(&self, address: &Address) -> Option<NodeId> {
        let Role::Leading(leadership) = &self.role else {
            return None;
        };
        let mut replicas = leadership.replicas.iter();
        let (id, _) = replicas.find(|(_, its)| its.address.as_ref() == Some(address))?;
        Some(*id)
    }

    // --- S ---

    /// Counts acknowledgements again.
    pub(super) fn count_safe(&mut self) {
        let (node, on_disk) = (self.node(), self.settings.sync_on == SyncOn::Disk);
        let early = self.breaks(Fault::EarlyCount);
        #[cfg(any(test, feature = "testing"))]
        let (by_anyone, alone) = (
            self.breaks(Fault::OutsidersCount),
            self.breaks(Fault::NewMembersAlone),
        );
        let Role::Leading(leadership) = &mut self.role else {
            return;
        };
        loop {
            let all = &self.lineage.configurations;
            #[cfg(any(test, feature = "testing"))]
            let all = &if alone { all.last_alone() } else { all.clone() };
            let safe = leadership.count(node, on_disk, all, early);
            #[cfg(any(test, feature = "testing"))]
            let safe = match all.newest() {
                Some(newest) if by_anyone => {
                    safe.max(leadership.count_anyone(node, newest.acknowledgements))
                }
                _ => safe,
            };
            let Some(safe) = safe else {
                return;
            };
            self.out.push(Order::Safe(safe));
            // A configuration that is safe now no longer asks the one before it.
            self.lineage.settle(safe);
            if self.lineage.configurations.is_ended() {
                // Later bytes are acknowledged by this server alone: no promise of the group.
                return;
            }
            if leadership.safe >= leadership.end {
                leadership.is_overdue = false;
            }
        }
    }

    /// A change of the members that is safe now is noted at once: the members of before decide as
    /// long as the others do not know that.
    pub(super) fn note_settled_change(&mut self) {
        let Role::Leading(its) = &self.role else {
            return;
        };
        if its.noted < its.changes_at && its.changes_at <= its.safe {
            self.note_safe(true);
        }
    }

    pub(super) fn tick_leader(&mut self) {
        self.renew_lease();
        self.keep_lease();
        self.note_safe(false);
        self.grow_group();
        let (now_ms, timeout_ms) = (self.now_ms, self.settings.timeout_ms);
        let is_forming = self.is_forming();
        let Role::Leading(leadership) = &mut self.role else {
            return;
        };
        let is_late = timeout_ms > 0 && leadership.unsafe_ms(now_ms) > timeout_ms;
        if is_late && !is_forming {
            if !std::mem::replace(&mut leadership.is_overdue, true) {
                self.figures.timeouts += 1;
                let text = "Too few members acknowledge: writes are refused.";
                self.warn(text.to_owned());
            }
            self.out.push(Order::Overdue);
        }
        self.links.close_idle(&mut self.out);
        self.look_for_successor();
    }

    /// Asks the members who leads, if too few of them follow this leader: it may have been cut off
    /// while they promised a greater ballot, and there may be no authority that orders it to
    /// follow.
    fn look_for_successor(&mut self) {
        let (now_ms, group, node) = (self.now_ms, self.group(), self.node());
        let (Role::Leading(leadership), Some(group)) = (&mut self.role, group) else {
            return;
        };
        // Of a change that is not safe both sides count.
        let replicas = &leadership.replicas;
        let follows = |placed: &PlacedConfiguration| {
            let its = &placed.configuration;
            let linked = replicas.keys().filter(|id| its.has(**id));
            linked.count() + usize::from(its.has(node)) > its.acknowledgements
        };
        let is_followed = self.lineage.configurations.iter().all(follows);
        if is_followed || now_ms < leadership.asked_ms + SUCCESSOR_MS {
            return;
        }
        leadership.asked_ms = now_ms;
        let mut others = self.other_members();
        if let Role::Leading(leadership) = &self.role {
            others.retain(|member| !leadership.replicas.contains_key(&member.id));
        }
        // Questions of the last round that have no answer: their links lead nowhere.
        self.links.close_unanswered(&mut self.out);
        for member in others {
            if self.links.may_redial(member.id, now_ms) {
                self.ask(&member, &Word::Leader { group, node }, Question::Leader);
            }
        }
    }

    /// Appends the safe offset to the stream, if it is due. `now`: because a change comes next.
    fn note_safe(&mut self, now: bool) {
        let now_ms = self.now_ms;
        let Role::Leading(leadership) = &mut self.role else {
            return;
        };
        if leadership.end > leadership.noted_end {
            leadership.content_end = leadership.end;
        }
        let safe = leadership.safe;
        let is_due = now
            || safe >= leadership.content_end
            || now_ms >= leadership.noted_ms + NOTE_MS
            || safe >= leadership.noted + NOTE_BYTES;
        if leadership.owes_note() && is_due {
            (leadership.noted, leadership.noted_ms) = (safe, now_ms);
            self.out.push(Order::Append(QuorumNote::Safe(safe)));
        }
    }

    // --- members ---

    /// A change of the members (QUORUM ADD, REMOVE, SET): a note of it is appended, and counts from
    /// there on.
    ///
    /// # Errors
    /// This server does not lead, a change before is not safe, or the change is not allowed.
    pub fn change(&mut self, change: &Change) -> Result<(), ChangeError> {
        let node = self.node();
        let Role::Leading(leadership) = &self.role else {
            return Err(ChangeError::NotLeading);
        };
        let all = &self.lineage.configurations;
        if !leadership.is_settled() || all.is_changing() || leadership.changes_at > leadership.safe
        {
            return Err(ChangeError::Unfinished);
        }
        let newest = all.newest().ok_or(ChangeError::NotLeading)?;
        let next = newest.changed(change, node)?;
        if let Change::Add(member) | Change::AddAndSet(member, _) = change
            && !leadership.has_caught_up(&member.id)
        {
            // A member that never joined could not promise anything, and the group may need it.
            return Err(ChangeError::NotLinked);
        }
        if let Change::Set(acknowledgements) = change
            && *acknowledgements > 0
        {
            self.settings.acknowledgements = *acknowledgements;
        }
        self.note_safe(true);
        self.log(format!("The members change: {next}"));
        let end = self.stream.end;
        if let Role::Leading(leadership) = &mut self.role {
            // The next change waits for this note, also before it is in the stream.
            leadership.changes_at = end + 1;
        }
        self.out.push(Order::Append(QuorumNote::Members(next)));
        Ok(())
    }

    /// Whether the group has too few members.
    fn is_forming(&self) -> bool {
        let newest = self.lineage.configurations.newest();
        if newest.is_some_and(|its| its.is_ended()) {
            return false;
        }
        newest.is_none_or(|its| its.acknowledgements == 0)
            || newest.is_some_and(|its| its.acknowledgements < self.settings.acknowledgements)
    }

    /// Adds a replica to the members, or raises k, while fewer are there than wanted.
    fn grow_group(&mut self) {
        let (Role::Leading(leadership), Some(newest)) =
            (&self.role, self.lineage.configurations.newest())
        else {
            return;
        };
        if newest.is_ended() {
            return;
        }
        let wanted = self.settings.acknowledgements;
        let is_large = newest.members.len() > self.settings.replicas_wanted();
        let may_add = |(id, replica): &(&NodeId, &LinkedReplica)| {
            replica.is_eligible
                && leadership.has_caught_up(id)
                && !newest.has(**id)
                && replica.address.is_some()
        };
        let next = leadership
            .replicas
            .iter()
            .find(may_add)
            .filter(|_| !is_large);
        let change = match next {
            Some((&id, replica)) => {
                let address = replica
                    .address
                    .clone()
                    .expect("it has one, or it is not added");
                let most = newest.members.len();
                let needed = newest.acknowledgements.max(wanted.min(most));
                Change::AddAndSet(Member { id, address }, needed)
            }
            None if newest.acknowledgements < wanted.min(newest.members.len() - 1) => {
                let most = newest.members.len() - 1;
                let needed = wanted.min(most);
                return self.raise(needed, wanted);
            }
            None => return,
        };
        // Later changes come with later ticks.
        let _ = self.change(&change);
    }

    fn raise(&mut self, needed: usize, wanted: usize) {
        let _ = self.change(&Change::Set(needed));
        self.settings.acknowledgements = wanted;
    }

    // --- what others see ---

    /// Whether a write may run now.
    pub fn write_gate(&self) -> WriteGate {
        match self.leader_state() {
            Some(LeaderState::Forming) => WriteGate::Wait,
            Some(LeaderState::Ok) => match &self.role {
                Role::Leading(its) if its.unsafe_bytes() >= self.settings.window_bytes => {
                    WriteGate::Wait
                }
                Role::Leading(its) if its.term_end.is_none() => WriteGate::Wait,
                _ => WriteGate::Open,
            },
            Some(LeaderState::Recovering | LeaderState::Lost | LeaderState::Deposed) => {
                WriteGate::Refuse
            }
            Some(LeaderState::Off) | None => WriteGate::Open,
        }
    }

    /// S, if this server leads.
    pub fn safe_offset(&self) -> Option<ReplOffset> {
        match &self.role {
            Role::Leading(leadership) => Some(leadership.safe),
            _ => None,
        }
    }

    fn leader_state(&self) -> Option<LeaderState> {
        if self.is_off() {
            return Some(LeaderState::Off);
        }
        match (&self.role, self.standing) {
            (Role::Leading(_), _) if self.is_forming() => Some(LeaderState::Forming),
            (Role::Leading(its), _) if its.is_overdue => Some(LeaderState::Lost),
            (Role::Leading(_), _) => Some(LeaderState::Ok),
            (_, GroupStanding::Recovering) => Some(LeaderState::Recovering),
            (_, GroupStanding::Deposed) => Some(LeaderState::Deposed),
            (_, GroupStanding::Replica) => None,
        }
    }

    /// The state of this server.
    pub fn state(&self) -> GroupState {
        if let Some(state) = self.leader_state() {
            return GroupState::Leader(state);
        }
        let is_member = self.is_member();
        GroupState::Follower(match &self.role {
            Role::Candidate(_) => FollowerState::TakingOver,
            _ if self.is_sealed => FollowerState::Sealed(self.promised()),
            _ if !is_member => FollowerState::Outsider,
            _ if !self.acceptor.state.is_clean() => FollowerState::Unclean,
            _ => FollowerState::Member,
        })
    }

    /// Whether this server is a member of its group.
    pub fn is_member(&self) -> bool {
        let newest = self.lineage.configurations.newest();
        newest.is_some_and(|its| its.has(self.node()))
    }

    /// Takeovers that are over, oldest first.
    pub fn takeovers(&self) -> impl Iterator<Item = &TakeoverRecord> {
        self.records.iter()
    }

    /// All that INFO and QUORUM STATUS show. O(members).
    pub fn status(&self) -> QuorumStatus {
        let leadership = match &self.role {
            Role::Leading(leadership) => Some(leadership),
            _ => None,
        };
        let newest = self.lineage.configurations.newest();
        let joined = self.joined.as_ref();
        let member = |member: &Member| {
            let replica = leadership.and_then(|its| its.replicas.get(&member.id));
            let is_self = member.id == self.node();
            let lag = replica.filter(|its| its.memory > 0);
            MemberStatus {
                id: member.id,
                address: member.address.clone(),
                is_self,
                is_linked: replica.is_some(),
                offset: if is_self {
                    self.stream.end
                } else {
                    replica.map_or(0, |its| its.memory)
                },
                missing_ms: leadership
                    .filter(|_| replica.is_none() && !is_self)
                    .map(|its| {
                        let since_ms = its.lost_ms.get(&member.id).unwrap_or(&its.began_ms);
                        self.now_ms.saturating_sub(*since_ms)
                    }),
                lag_ms: lag.map(|its| self.now_ms.saturating_sub(its.acknowledged_ms)),
            }
        };
        let last = self
            .records
            .back()
            .and_then(|record| record.failure.clone());
        QuorumStatus {
            state: self.state(),
            promised: self.promised(),
            ballot: match leadership {
                Some(its) => Some(its.ballot),
                None => joined.map(|its| its.ballot),
            },
            group: self.group(),
            node: self.node(),
            acknowledgements: newest.map_or(0, |its| its.acknowledgements),
            is_member: self.is_member(),
            is_changing: self.lineage.configurations.is_changing(),
            is_clean: self.acceptor.state.is_clean(),
            unclean_ms: self
                .acceptor
                .state
                .unclean_since_ms
                .map_or(0, |since_ms| self.wall_ms.saturating_sub(since_ms)),
            position: self.position(),
            safe: leadership.map_or(self.lineage.safe, |its| its.safe),
            unsafe_bytes: leadership.map_or(0, Leadership::unsafe_bytes),
            unsafe_ms: leadership.map_or(0, |its| its.unsafe_ms(self.now_ms)),
            takeovers: self.figures.takeovers,
            takeovers_refused: self.figures.takeovers_refused,
            timeouts: self.figures.timeouts,
            tail_bytes: self.figures.tail_bytes,
            lossy_takeovers: self.figures.lossy,
            replaces: self.acceptor.state.left.last().map(|(group, _)| *group),
            members: newest.map_or_else(Vec::new, |its| its.members.iter().map(member).collect()),
            obstacle: self.obstacle().or(last),
        }
    }
}
