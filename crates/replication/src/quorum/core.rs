//! The machine: its state, the events of its host, the reports of its server.
//!
//! Each event begins with the server's stream as it is then, and ends with the consequences:
//! whether the node is clean, how much is safe, whether the file is to be saved. Actions that show
//! a promise wait for the save; if it fails they are dropped.

use std::collections::VecDeque;

use super::ballot::{Ballot, GroupId, NodeId, Position};
use super::events::{
    Fault, JoinedLeader, Order, PeerId, QuorumSettings, Report, StreamEnd, TakeoverCause,
};
use super::following::PATIENCE_MS;
use super::links::MemberLinks;
use super::members::{Address, Configuration, Configurations};
use super::notes::{Lineage, QuorumNote};
use super::promise::{Acceptor, LoadedData, SavedState};
use super::safe::Leadership;
use super::status::TakeoverRecord;
use super::takeover::{Inquiry, Takeover};
use super::vows::vow_ms;
use super::words::{Answer, SealReport, Word};
use crate::{ReplId, ReplOffset};
use russet_host::{Action, Event, Level, LinkId, Machine, Now, Outbox, Random};

/// Takeovers that QUORUM EXPLAIN has.
const RECORDS_MAX: usize = 16;

/// Milliseconds from a promise to the own attempt, if no leader has come: so many, and randomly up
/// to as many more.
const SEALED_MS: u64 = 1000;

/// The same for a leader that learns of a greater promise but not of a candidate.
const LEARNED_MS: u64 = 100;

/// Milliseconds from a save that failed to the next, unless something waits for it.
const SAVE_AGAIN_MS: u64 = 1000;

/// The part that a server has in its group.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// It follows, or waits for a leader.
    Following,
    /// It asks who leads, before it takes over on its own account.
    Inquiring(Inquiry),
    /// It asks for promises.
    Candidate(Takeover),
    /// It leads.
    Leading(Leadership),
}

/// How a server that does not lead regards itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupStanding {
    /// As a replica.
    Replica,
    /// As a primary that has started, and has not taken over.
    Recovering,
    /// As a primary that was deposed.
    Deposed,
}

/// Counts since the start, for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub takeovers: u64,
    pub takeovers_refused: u64,
    pub timeouts: u64,
    pub tail_bytes: u64,
    pub lossy: u64,
}

/// See the module `quorum`.
#[derive(Debug)]
pub struct Quorum {
    /// The settings as of now.
    pub settings: QuorumSettings,
    pub(super) acceptor: Acceptor,
    /// The facts of the notes in the own data.
    pub(super) lineage: Lineage,
    /// The own stream at the last event.
    pub(super) stream: StreamEnd,
    pub(super) role: Role,
    pub(super) standing: GroupStanding,
    /// It has promised a ballot whose leader it does not follow.
    pub(super) is_sealed: bool,
    pub(super) joined: Option<JoinedLeader>,
    /// The leader that this server has acknowledged last, and the end of the vow to it.
    pub(super) vow: Option<(Ballot, u64)>,
    /// The leader known last: its ballot and its address.
    pub(super) leader: Option<(Ballot, Address)>,
    /// The greatest number of a ballot seen.
    pub(super) highest: u64,
    /// Since when a server that it was to follow refuses to lead, or a candidate has its promise.
    pub(super) unled_ms: Option<u64>,
    /// The next attempt of its own account.
    pub(super) retry_ms: Option<u64>,
    /// Takeovers that failed, one after the other.
    pub(super) failures: u32,
    pub(super) links: MemberLinks,
    pub(super) random: Random,
    pub(super) out: Outbox<Order>,
    pub(super) records: VecDeque<TakeoverRecord>,
    pub(super) figures: Figures,
    /// The last event, monotonic and Unix milliseconds.
    pub(super) now_ms: u64,
    pub(super) wall_ms: u64,
    /// A server without a group may form one: it is configured as a primary, or its primary had no
    /// group. Any other may have been a member, and have lost its disk.
    pub(super) may_form: bool,
    /// The configurations are those of the file: the data had none.
    pub(super) members_are_filed: bool,
    /// A save was handed out, and its outcome is not known.
    is_saving: bool,
    /// No save for which no action waits before this time, because the last one failed.
    save_after_ms: u64,
    #[cfg(any(test, feature = "testing"))]
    fault: Option<Fault>,
}

impl Quorum {
    /// The machine of a server that starts with this file and this data; a first tick is due at
    /// once. `is_primary`: the server is configured as a primary.
    ///
    /// A server without a file gets [`SavedState::new`] with a new id. Its data then counts for
    /// nothing, because its promises are lost, until it is a member again.
    pub fn start(
        settings: QuorumSettings,
        saved: SavedState,
        loaded: LoadedData,
        (now, seed, is_primary): (Now, u64, bool),
    ) -> Quorum {
        let wall_ms = now.wall_ms.max(0) as u64;
        let acceptor = Acceptor::start(saved, &loaded, wall_ms);
        let LoadedData {
            mut lineage,
            offset,
            ..
        } = loaded;
        let members_are_filed = lineage.configurations.newest().is_none();
        if members_are_filed {
            let known = acceptor.state.configurations.iter();
            known.for_each(|placed| lineage.configurations.add(placed.clone()));
        }
        let is_of_group = acceptor.state.group.is_some();
        let now_ms = now.monotonic_ms as u64;
        // It may have acknowledged its leader just before its end.
        let lease_ms = acceptor.state.lease_ms;
        let vow = (lease_ms > 0).then(|| (acceptor.state.promised, now_ms + vow_ms(lease_ms)));
        Quorum {
            vow,
            settings,
            highest: acceptor.state.promised.number.max(lineage.ballot.number),
            acceptor,
            lineage,
            stream: StreamEnd {
                history: ReplId::NONE,
                end: offset,
                stored: offset,
            },
            role: Role::Following,
            standing: if is_primary && is_of_group {
                GroupStanding::Recovering
            } else {
                GroupStanding::Replica
            },
            is_sealed: false,
            joined: None,
            leader: None,
            unled_ms: None,
            retry_ms: is_primary.then_some(now_ms),
            failures: 0,
            links: MemberLinks::default(),
            random: Random(seed),
            out: Outbox::default(),
            records: VecDeque::new(),
            figures: Figures::default(),
            now_ms,
            wall_ms,
            may_form: is_primary,
            members_are_filed,
            is_saving: false,
            save_after_ms: 0,
            #[cfg(any(test, feature = "testing"))]
            fault: None,
        }
    }

    /// A rule is broken from now on.
    #[cfg(any(test, feature = "testing"))]
    pub fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        let resumes =
            fault == Some(Fault::ResumedBallot) && self.standing == GroupStanding::Recovering;
        let ballot = self.lineage.ballot;
        if resumes && ballot == self.promised() && ballot.node == self.node() {
            let mut leadership = Leadership::new(ballot, self.lineage.safe, self.stream.end);
            leadership.term_end = Some(self.stream.end);
            self.role = Role::Leading(leadership);
            self.retry_ms = None;
            self.out.push(Order::Lead(ballot));
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    #[cfg(not(any(test, feature = "testing")))]
    #[allow(clippy::unused_self, reason = "only tests break rules")]
    pub(super) fn breaks(&self, _: Fault) -> bool {
        false
    }

    /// The content of `quorum.conf`, to be saved when [`Action::Persist`] asks for it.
    pub fn saved_state(&self) -> SavedState {
        let mut state = self.acceptor.state.clone();
        state.position = self.position();
        state.configurations = self.lineage.configurations.iter().cloned().collect();
        state
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.acceptor.state.node
    }

    /// This node's group.
    pub fn group(&self) -> Option<GroupId> {
        self.acceptor.state.group
    }

    /// The greatest ballot that this node has promised.
    pub fn promised(&self) -> Ballot {
        self.acceptor.state.promised
    }

    /// The end of the data, under the ballot of the leader whose bytes are last.
    pub fn position(&self) -> Position {
        self.lineage.position(self.stream.end)
    }

    /// The facts of the notes in the data: for a snapshot, and for the head of a file of the log.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The word that a replica says before PSYNC. `None`: the mode is off.
    pub fn introduction(&self, is_eligible: bool) -> Option<Word> {
        (!self.is_off()).then(|| Word::Quorum {
            group: self.group().filter(|_| !self.is_alone()),
            node: self.node(),
            promised: self.promised(),
            is_eligible,
        })
    }

    /// Whether the group may follow this server: a member with whole data, or the first of a group
    /// that it may form.
    pub fn may_lead(&self) -> bool {
        match self.group() {
            Some(_) => self.is_member() && self.acceptor.state.is_clean(),
            None => self.may_form || self.settings.acknowledgements == 0,
        }
    }

    /// Whether other members count on this server.
    pub fn is_bound(&self) -> bool {
        let mut all = self.lineage.configurations.iter();
        let counts = |its: &Configuration| its.has(self.node()) && its.members.len() > 1;
        all.any(|placed| counts(&placed.configuration))
    }

    /// Since when no server leads this replica: monotonic milliseconds.
    pub fn unled_since_ms(&self) -> Option<u64> {
        self.unled_ms
    }

    /// Whether the group has had no member but this server: nothing was acknowledged in it, and it
    /// may be given up for another.
    pub(super) fn is_alone(&self) -> bool {
        let all = &self.lineage.configurations;
        let is_own = |id| id == self.node();
        all.members().iter().all(|member| is_own(member.id))
            && all
                .iter()
                .all(|its| its.configuration.acknowledgements == 0)
    }

    /// Whether this replica may acknowledge the stream to its primary: it follows by its latest
    /// promise, and its stream is the primary's. Before, its offset counts bytes of another past.
    pub fn may_acknowledge(&self) -> bool {
        let promised = self.promised();
        let is_ours = |its: &JoinedLeader| its.is_online && its.ballot == promised;
        self.group().is_none() || self.joined.as_ref().is_some_and(is_ours)
    }

    /// Takes a report of the server. Actions follow, as after an event.
    pub fn report(&mut self, now: Now, stream: StreamEnd, report: Report<'_>) {
        self.begin(now, stream);
        match report {
            Report::Asked {
                peer,
                address,
                word,
            } => self.asked(peer, address, word),
            Report::PeerClosed(peer) => self.peer_closed(peer),
            Report::Acknowledged { peer, memory, disk } => {
                let now_ms = self.now_ms;
                let by_receipt = self.breaks(Fault::LeaseFromReceipt);
                if let Role::Leading(leadership) = &mut self.role {
                    leadership.acknowledge(now_ms, peer, memory, disk);
                    if by_receipt {
                        leadership.receive_lease(now_ms, peer);
                    }
                }
            }
            Report::Progress => {}
            Report::Note { note, begin, end } => self.noted(note, begin, end),
            Report::UpstreamAnswered(address, answer) => self.upstream_answered(address, answer),
            Report::UpstreamOnline => {
                if let Some(joined) = &mut self.joined {
                    joined.is_online = true;
                }
            }
            Report::UpstreamLost => self.joined = None,
            Report::Discarding => self.discard(),
            Report::Copied(lineage) => {
                self.lineage = lineage;
                self.members_are_filed = false;
            }
            Report::TailApplied => self.tail_applied(),
            Report::TailUnusable(why) => self.tail_unusable(&why),
            Report::TakeOver(TakeoverCause::Lossy) => self.take_over_alone(),
            Report::TakeOver(cause) => self.take_over(cause),
            Report::Follow(address) => self.ordered_to_follow(address),
            Report::HandOver(address) => self.hand_over(address),
            Report::Left => self.forget_group(),
            Report::Ending => {
                let position = self.position();
                self.acceptor.change(|state| state.ended = Some(position));
            }
        }
        self.finish();
    }

    /// An event begins.
    fn begin(&mut self, now: Now, stream: StreamEnd) {
        let before_ms = std::mem::replace(&mut self.now_ms, now.monotonic_ms.max(0) as u64);
        self.wall_ms = now.wall_ms.max(0) as u64;
        self.stream = stream;
        let now_ms = self.now_ms;
        if let Role::Leading(leadership) = &mut self.role {
            leadership.record_sent(before_ms, stream.end);
            leadership.grow(now_ms, stream.end);
            leadership.stored = stream.stored;
        }
    }

    /// An event ends: what follows from it.
    fn finish(&mut self) {
        self.check_clean();
        self.count_safe();
        self.note_settled_change();
        self.check_end();
        // Nothing else may wake a replica that no primary accepts.
        let is_idle = matches!(self.role, Role::Following) && self.retry_ms.is_none();
        if is_idle && self.joined.is_none() && self.group().is_some() {
            self.retry_after(PATIENCE_MS);
        }
        let may_save = !self.is_saving && self.now_ms >= self.save_after_ms;
        if self.acceptor.is_changed() && may_save {
            self.out.persist();
        }
    }

    /// Queues an order that shows a promise to another node, after the file has it.
    pub(super) fn tell(&mut self, action: impl Into<Action<Order>>) {
        self.save_first();
        self.out.push(action);
    }

    /// The next actions leave after the file has the state.
    pub(super) fn save_first(&mut self) {
        if self.acceptor.is_changed() {
            self.out.persist();
        }
    }

    pub(super) fn log(&mut self, text: String) {
        self.out.log(Level::Notice, text);
    }

    pub(super) fn warn(&mut self, text: String) {
        self.out.log(Level::Warning, text);
    }

    pub(super) fn record(&mut self, record: TakeoverRecord) {
        if self.records.len() == RECORDS_MAX {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// The own attempt comes after this time, and randomly up to as much later.
    pub(super) fn retry_after(&mut self, ms: u64) {
        let more = self.random.below(ms as i64) as u64;
        self.retry_ms = Some(self.now_ms + ms + more);
    }

    // --- words of other nodes ---

    fn asked(&mut self, peer: PeerId, address: Option<Address>, word: Word) {
        if self.answers_former(peer, &word) {
            return;
        }
        let group = self.group();
        if self.is_off() && matches!(word, Word::Quorum { .. }) {
            let text = "ERR Unrecognized REPLCONF option: this server is in no group".to_owned();
            return self.out.push(Order::Answer(peer, Answer::Error(text)));
        }
        let is_of_another = word.group().is_some() && group.is_some() && word.group() != group;
        let is_early = group.is_none() && !matches!(word, Word::Quorum { .. });
        if is_of_another || is_early {
            let text = "NOGROUP This server is not of that group".to_owned();
            return self.out.push(Order::Answer(peer, Answer::Error(text)));
        }
        match word {
            Word::Quorum {
                node,
                promised,
                is_eligible,
                ..
            } => self.asked_to_lead(peer, address, (node, promised, is_eligible)),
            Word::Leader { .. } => {
                let (promised, leader) = (self.promised(), self.claimed_leader());
                self.tell(Order::Answer(peer, Answer::Leader { promised, leader }));
            }
            Word::Seal {
                ballot, version, ..
            } => self.asked_to_promise(peer, ballot, version),
            Word::Tail {
                ballot,
                history,
                offset,
                ..
            } => {
                if self.is_sealed && ballot == self.promised() {
                    self.tell(Order::SendTail {
                        peer,
                        history,
                        offset,
                    });
                } else {
                    self.refuse(peer);
                }
            }
            Word::Leads {
                ballot, address, ..
            } => self.told_of_leader(peer, ballot, address),
            Word::TakeOver { node, .. } => self.asked_to_take_over(peer, node),
        }
    }

    /// A greater ballot was promised.
    pub(super) fn refuse(&mut self, peer: PeerId) {
        let leader = self.claimed_leader().map(|(_, address)| address);
        let answer = Answer::Refusal(self.promised(), leader);
        self.tell(Order::Answer(peer, answer));
    }

    /// The leader, if this server is it, or is linked to it.
    fn claimed_leader(&self) -> Option<(Ballot, Address)> {
        match (&self.role, &self.joined) {
            (Role::Leading(its), _) => Some((its.ballot, self.settings.address.clone())),
            (_, Some(joined)) if joined.is_online => Some((joined.ballot, joined.address.clone())),
            _ => None,
        }
    }

    fn asked_to_promise(&mut self, peer: PeerId, ballot: Ballot, version: u64) {
        self.highest = self.highest.max(ballot.number);
        let promised = self.promised();
        let is_again = ballot == promised && self.is_sealed && ballot.node != self.node();
        if ballot <= promised && !is_again {
            return self.refuse(peer);
        }
        if !is_again {
            let (candidate, former) = (ballot.node, self.halt());
            self.acceptor.promise(ballot);
            self.is_sealed = true;
            self.leader = None;
            if former {
                let why = format!("Another server is about to lead: {candidate}.");
                self.depose(why);
            }
            self.log(format!("Promised ballot {ballot}."));
            self.retry_after(SEALED_MS);
        }
        let newest = self.lineage.configurations.newest();
        let report = SealReport {
            members: newest.filter(|its| its.version > version).cloned(),
            ..self.own_report()
        };
        self.tell(Order::Answer(peer, Answer::Promise(report)));
    }

    /// The facts that decide which node has the longest stream.
    pub(super) fn own_report(&self) -> SealReport {
        SealReport {
            node: self.node(),
            position: self.position(),
            history: self.stream.history,
            safe: self.lineage.safe,
            is_clean: self.acceptor.state.is_clean(),
            vow: self.own_vow(),
            members: None,
        }
    }

    /// Ends what the server does under earlier ballots. Returns whether it led.
    pub(super) fn halt(&mut self) -> bool {
        self.joined = None;
        if !matches!(self.role, Role::Leading(_)) {
            self.out.push(Order::EndUpstream);
        }
        let former = std::mem::replace(&mut self.role, Role::Following);
        self.links.close_all(&mut self.out);
        match former {
            Role::Leading(_) => return true,
            Role::Candidate(takeover) => {
                let text = "SEALED Another candidate has a greater ballot".to_owned();
                self.takeover_over(&takeover, Some(text));
            }
            Role::Inquiring(_) | Role::Following => {}
        }
        false
    }

    /// The server led, and another may lead now.
    pub(super) fn depose(&mut self, why: String) {
        self.standing = GroupStanding::Deposed;
        self.warn(format!("This server no longer leads: {why}"));
        self.out.push(Order::Depose(why));
    }

    /// This leader learns that a node has promised more than its ballot.
    pub(super) fn learn_greater(&mut self, ballot: Ballot) {
        self.highest = self.highest.max(ballot.number);
        if self.halt() {
            self.depose(format!("Ballot {ballot} was promised."));
            self.is_sealed = true;
            self.retry_after(LEARNED_MS);
        }
    }

    // --- the own stream ---

    fn noted(&mut self, note: &QuorumNote, begin: ReplOffset, end: ReplOffset) {
        let is_members = matches!(note, QuorumNote::Members(_));
        if is_members && std::mem::take(&mut self.members_are_filed) {
            self.lineage.configurations = Configurations::default();
        }
        self.lineage.note(note, begin, end);
        if let QuorumNote::Term { ballot, group } = note {
            self.highest = self.highest.max(ballot.number);
            // A server without a group may follow a stream that has been in one.
            if self.joined.is_some() {
                let group = *group;
                self.acceptor.change(|state| {
                    state.group.get_or_insert(group);
                });
            }
        }
        if let Role::Leading(leadership) = &mut self.role {
            leadership.note(note, begin, end);
        }
    }

    /// A save has an outcome.
    fn persisted(&mut self, is_saved: bool) {
        self.is_saving = false;
        self.out.persisted(is_saved);
        if is_saved {
            return;
        }
        self.acceptor.set_saved(false);
        self.save_after_ms = self.now_ms + SAVE_AGAIN_MS;
        // Nothing that depends on the file leaves: no promise, no lead.
        let why = "The file quorum.conf cannot be saved".to_owned();
        let mut queue = std::mem::take(&mut self.out);
        while let Some(action) = {
            let next = queue.pop();
            if matches!(next, Some(Action::Persist { .. })) {
                queue.persisted(false);
            }
            next
        } {
            match action {
                Action::Order(Order::Answer(peer, _) | Order::SendTail { peer, .. }) => {
                    let error = Answer::Error(format!("ERR {why}"));
                    self.out.push(Order::Answer(peer, error));
                }
                Action::Order(Order::AcceptUpstream | Order::Discard) => {
                    self.joined = None;
                    self.out.push(Order::RefuseUpstream(why.clone()));
                }
                Action::Log { .. }
                | Action::Close(_)
                | Action::Order(
                    Order::EndPeer(_)
                    | Order::EndUpstream
                    | Order::RefuseUpstream(_)
                    | Order::TakeoverFailed(..)
                    | Order::HandOverFailed(_)
                    | Order::Depose(_)
                    | Order::LeaveGroup { .. }
                    | Order::Safe(_)
                    | Order::Overdue,
                ) => self.out.push(action),
                _ => {}
            }
        }
        self.warn(format!("{why}: this server neither promises nor leads."));
        let is_begun = match &self.role {
            Role::Candidate(_) => true,
            Role::Leading(leadership) => leadership.term_end.is_none(),
            _ => false,
        };
        if is_begun {
            self.give_up(format!("NOQUORUM {why}"));
        }
    }
}

impl Machine for Quorum {
    type Context<'a> = StreamEnd;
    type Order = Order;

    fn event(&mut self, now: Now, stream: &StreamEnd, event: Event<'_>) {
        self.begin(now, *stream);
        match event {
            Event::Tick => self.tick(),
            Event::Opened { link, .. } => self.links.opened(link, &mut self.out),
            Event::Refused { link, .. } | Event::Closed { link, .. } => self.link_lost(link),
            Event::Received { link, bytes, .. } => {
                let replies = self.links.received(link, bytes, self.now_ms, &mut self.out);
                replies.into_iter().for_each(|reply| self.replied(reply));
                if !matches!(self.role, Role::Candidate(_) | Role::Inquiring(_)) {
                    self.links.close_idle(&mut self.out);
                }
            }
            Event::Resolved { .. } => {}
            Event::Persisted { is_saved } => self.persisted(is_saved),
        }
        self.finish();
    }

    fn due_ms(&self) -> Option<i64> {
        let due_ms = match &self.role {
            Role::Following => self.retry_ms,
            Role::Inquiring(_) | Role::Candidate(_) => Some(self.now_ms + 50),
            Role::Leading(leadership) => {
                Some(self.now_ms + if leadership.owes_note() { 10 } else { 100 })
            }
        };
        due_ms.and_then(|due_ms| i64::try_from(due_ms).ok())
    }

    fn pop(&mut self) -> Option<Action<Order>> {
        let action = self.out.pop();
        if matches!(action, Some(Action::Persist { .. })) {
            // The file gets the state as it is now.
            self.is_saving = true;
            self.acceptor.set_saved(true);
        }
        action
    }
}

impl Quorum {
    fn link_lost(&mut self, link: LinkId) {
        let lost = self.links.closed(link, self.now_ms);
        lost.into_iter().for_each(|reply| self.replied(reply));
    }

    fn tick(&mut self) {
        match &self.role {
            Role::Leading(_) => self.tick_leader(),
            Role::Candidate(_) => self.tick_candidate(),
            Role::Inquiring(_) => self.tick_inquiry(),
            Role::Following => {
                if self.retry_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    self.retry_ms = None;
                    self.attempt();
                }
            }
        }
    }

    /// An attempt of its own account: a group is formed, or the members are asked who leads.
    fn attempt(&mut self) {
        let cause = match self.standing {
            GroupStanding::Recovering => Some(TakeoverCause::Start),
            GroupStanding::Deposed => Some(TakeoverCause::Deposed),
            // In a cluster the next election takes over.
            GroupStanding::Replica if self.settings.waits_for_votes => None,
            GroupStanding::Replica => self.is_sealed.then_some(TakeoverCause::Sealed),
        };
        match self.group() {
            Some(_) if cause.is_none() && self.joined.is_some() => {}
            Some(_) => self.inquire(cause),
            None if self.may_form && self.settings.acknowledgements > 0 => self.form(),
            None => {}
        }
    }
}

/// Of a machine whose actions are carried out, for the search through all orders of messages.
#[cfg(test)]
#[allow(clippy::clone_on_copy, reason = "one form for all fields")]
impl Clone for Quorum {
    fn clone(&self) -> Quorum {
        Quorum {
            settings: self.settings.clone(),
            acceptor: self.acceptor.clone(),
            lineage: self.lineage.clone(),
            stream: self.stream.clone(),
            role: self.role.clone(),
            standing: self.standing.clone(),
            is_sealed: self.is_sealed.clone(),
            joined: self.joined.clone(),
            vow: self.vow.clone(),
            leader: self.leader.clone(),
            unled_ms: self.unled_ms,
            highest: self.highest.clone(),
            retry_ms: self.retry_ms.clone(),
            failures: self.failures.clone(),
            links: self.links.copy(),
            random: self.random.clone(),
            out: Outbox::default(),
            records: self.records.clone(),
            figures: self.figures.clone(),
            now_ms: self.now_ms.clone(),
            wall_ms: self.wall_ms.clone(),
            may_form: self.may_form.clone(),
            members_are_filed: self.members_are_filed.clone(),
            is_saving: self.is_saving.clone(),
            save_after_ms: self.save_after_ms.clone(),
            fault: self.fault,
        }
    }
}

#[cfg(test)]
impl Quorum {
    /// No time passes: equal states have equal timers, and equal random numbers.
    pub(crate) fn stand_still(&mut self) {
        self.retry_ms = None;
        self.random = Random(1);
    }
}
