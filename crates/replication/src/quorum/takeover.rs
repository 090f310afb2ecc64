//! Takeovers: the question who leads, the promises of enough members, the end of the longest
//! stream, the lead.
//!
//!     Following --(order)--------------------> Sealing --(enough promises)--> Leading
//!        ^ |                                     |  ^
//!        | +--(own account)--> Inquiring --------+  | applied, other members asked
//!        |                         |             v  |
//!        +--(a leader is known)----+          Fetching     a member has more
//!        +--(refused, or too late)-----------------+
//!
//! An order takes over at once. A server that acts on its own account (it has started as a primary,
//! was deposed, or has promised a candidate that did not lead) first asks all members who leads, so
//! that it does not disturb a leader that works. A replica that no primary accepts asks the same,
//! and follows the leader or goes on as before: an order may have sent it to a server that does not
//! lead.
//!
//! Invariants
//!   1. A server leads only after, for each configuration that may count, N - k clean members have
//!      promised its ballot, itself counted, and after it has the longest stream of all that
//!      answered, clean or not.
//!   2. A ballot is used once: a server that starts again takes another.

use std::collections::BTreeMap;

use super::ballot::{Ballot, GroupId, NodeId};
use super::core::{GroupStanding, Quorum, Role};
use super::events::{Fault, Order, TakeoverCause};
use super::links::{MemberReply, Question};
use super::members::{Address, Configuration, Member};
use super::notes::QuorumNote;
use super::safe::Leadership;
use super::status::TakeoverRecord;
use super::words::{Answer, GroupEnd, SealReport, Word};
use russet_resp::ReplyValue;

/// Milliseconds for the answers to the question who leads.
const INQUIRY_MS: u64 = 500;

/// Milliseconds from a failed attempt of its own account to the next: so many, and randomly up to
/// as many more. They double with each failure, up to eight times.
const RETRY_MS: u64 = 1000;

/// A server whose data must go before it can lead lets others try first, for so long.
const BEHIND_MS: u64 = 3000;

/// The question who leads, to all members.
#[derive(Clone, Debug)]
pub(super) struct Inquiry {
    /// `None`: no takeover follows if no leader is found.
    cause: Option<TakeoverCause>,
    end_ms: u64,
    waits_for: Vec<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sealing,
    /// This member has the end of the stream; the question is on its way.
    Fetching(NodeId),
    /// The bytes of this member are being applied.
    Applying(NodeId),
}

/// A vow that a promise has reported. It is counted from a time that was read after the promise had
/// come: the time of an event may be older than the bytes that it brings.
#[derive(Clone, Copy, Debug)]
struct HeardVow {
    leader: NodeId,
    ms: u64,
    heard_ms: u64,
    end_ms: Option<u64>,
}

/// A takeover under way.
#[derive(Clone, Debug)]
pub(super) struct Takeover {
    pub ballot: Ballot,
    pub cause: TakeoverCause,
    end_ms: u64,
    /// A greater ballot was tried after a refusal.
    has_retried: bool,
    /// The vows of those that have promised.
    vows: Vec<HeardVow>,
    phase: Phase,
    promises: BTreeMap<NodeId, SealReport>,
    /// Why members have not promised.
    refusals: BTreeMap<NodeId, String>,
}

impl Quorum {
    // --- who leads? ---

    pub(super) fn inquire(&mut self, cause: Option<TakeoverCause>) {
        let (Some(group), node) = (self.group(), self.node()) else {
            return;
        };
        let others = self.other_members();
        self.role = Role::Inquiring(Inquiry {
            cause,
            end_ms: self.now_ms + INQUIRY_MS,
            waits_for: others.iter().map(|member| member.id).collect(),
        });
        for member in &others {
            let word = Word::Leader { group, node };
            self.ask(member, &word, Question::Leader);
        }
        self.tick_inquiry();
    }

    pub(super) fn ask(&mut self, member: &Member, word: &Word, question: Question) {
        self.save_first();
        let links = &mut self.links;
        links.ask(&self.settings, member, (word, question), &mut self.out);
    }

    /// The members of all configurations that may count, but for this node.
    pub(super) fn other_members(&self) -> Vec<Member> {
        let members = self.lineage.configurations.members();
        let others = members
            .into_iter()
            .filter(|member| member.id != self.node());
        others.cloned().collect()
    }

    pub(super) fn tick_inquiry(&mut self) {
        let Role::Inquiring(inquiry) = &self.role else {
            return;
        };
        if inquiry.waits_for.is_empty() || inquiry.end_ms <= self.now_ms {
            let cause = inquiry.cause;
            self.role = Role::Following;
            self.links.close_all(&mut self.out);
            if let Some(cause) = cause {
                self.take_over(cause);
            }
        }
    }

    fn told_who_leads(&mut self, from: NodeId, answer: Option<Answer>) {
        if let (Role::Leading(leadership), Some(Answer::Leader { promised, .. })) =
            (&self.role, &answer)
        {
            let promised = *promised;
            if promised > leadership.ballot {
                self.learn_greater(promised);
            }
            return;
        }
        let least = self.lineage.ballot;
        let (recovers, own) = (self.standing == GroupStanding::Recovering, self.node());
        let Role::Inquiring(inquiry) = &mut self.role else {
            return;
        };
        inquiry.waits_for.retain(|&node| node != from);
        if let Some(Answer::Leader { promised, leader }) = answer {
            self.highest = self.highest.max(promised.number);
            // A leader of before this server's own last data is not worth following.
            let is_later = |ballot: Ballot| {
                let is_new = ballot > least || ballot == least && !recovers;
                is_new && ballot.node != own
            };
            if let Some((ballot, address)) = leader.filter(|(ballot, _)| is_later(*ballot)) {
                self.role = Role::Following;
                self.links.close_all(&mut self.out);
                return self.follow(ballot, address);
            }
        }
        self.tick_inquiry();
    }

    // --- promises ---

    /// An attempt to lead.
    pub(super) fn take_over(&mut self, cause: TakeoverCause) {
        match &mut self.role {
            Role::Leading(_) => return,
            Role::Candidate(takeover) => {
                takeover.cause = cause;
                return;
            }
            Role::Following | Role::Inquiring(_) => {}
        }
        let configurations = &self.lineage.configurations;
        let is_member = configurations
            .iter()
            .any(|its| its.configuration.has(self.node()));
        let why = match self.group() {
            _ if self.is_off() => "NOQUORUM This server is not in a group",
            None if self.may_form => return self.form(),
            None => "NOQUORUM This server has not been a member of a group",
            Some(_) if !is_member => "NOQUORUM This server is not a member of its group",
            Some(_) => {
                let end_ms = self.now_ms + self.settings.takeover_timeout_ms;
                return self.seal(cause, end_ms, false);
            }
        };
        self.figures.takeovers_refused += 1;
        self.out.push(Order::TakeoverFailed(cause, why.to_owned()));
        // It asks the members again until one of them knows a leader.
        if cause != TakeoverCause::Order && self.group().is_some() {
            self.retry_after(RETRY_MS);
        }
    }

    /// Promises an own ballot, and asks the members to do so.
    fn seal(&mut self, cause: TakeoverCause, end_ms: u64, has_retried: bool) {
        self.halt();
        let node = if self.breaks(Fault::BallotWithoutNode) {
            NodeId::NONE
        } else {
            self.node()
        };
        let ballot = Ballot::above(self.highest.max(self.promised().number), node);
        self.highest = ballot.number;
        self.acceptor.promise(ballot);
        self.is_sealed = true;
        self.leader = None;
        self.retry_ms = None;
        let own = self.own_report();
        let vows = own.vow.iter();
        let vows = vows
            .map(|vow| HeardVow {
                leader: vow.leader.node,
                ms: vow.ms,
                heard_ms: self.now_ms,
                end_ms: Some(self.now_ms + vow.ms),
            })
            .collect();
        let promises = BTreeMap::from([(self.node(), own)]);
        self.role = Role::Candidate(Takeover {
            ballot,
            cause,
            end_ms,
            has_retried,
            vows,
            phase: Phase::Sealing,
            promises,
            refusals: BTreeMap::new(),
        });
        self.log(format!("Asking the members to promise ballot {ballot}."));
        self.ask_for_promises();
        self.try_to_lead();
    }

    /// Asks the members that have not promised, and are not being asked.
    fn ask_for_promises(&mut self) {
        let (Role::Candidate(takeover), Some(group)) = (&self.role, self.group()) else {
            return;
        };
        let (ballot, now_ms) = (takeover.ballot, self.now_ms);
        let newest = self.lineage.configurations.newest();
        let version = newest.map_or(0, |its| its.version);
        let mut missing = self.other_members();
        missing.retain(|member| {
            let has_promised = takeover.promises.contains_key(&member.id);
            !has_promised && self.links.may_redial(member.id, now_ms)
        });
        for member in missing {
            let word = Word::Seal {
                group,
                ballot,
                version,
            };
            self.ask(&member, &word, Question::Seal(ballot));
        }
    }

    pub(super) fn tick_candidate(&mut self) {
        let Role::Candidate(takeover) = &self.role else {
            return;
        };
        if takeover.end_ms <= self.now_ms {
            let text = self.obstacle().unwrap_or_default();
            return self.give_up(text);
        }
        if let Phase::Fetching(from) = takeover.phase
            && self.links.may_redial(from, self.now_ms)
        {
            self.fetch(from);
        }
        let now_ms = self.now_ms;
        if let Role::Candidate(takeover) = &mut self.role {
            for vow in &mut takeover.vows {
                if vow.end_ms.is_none() && now_ms > vow.heard_ms {
                    vow.end_ms = Some(now_ms + vow.ms);
                }
            }
        }
        self.ask_for_promises();
        self.try_to_lead();
    }

    /// A reply of a member, or the loss of a link with a question on it.
    pub(super) fn replied(&mut self, (from, question, reply): MemberReply) {
        let answer = reply.as_ref().and_then(Answer::parse);
        if let Some(Answer::Gone(group, GroupEnd::Off | GroupEnd::Over)) = answer {
            // A leader learns it, too: no member follows it any more.
            self.told_of_end(group, GroupEnd::Off);
            return;
        }
        match question {
            Question::Login | Question::Leads => {}
            Question::TakeOver => self.answered_hand_over(answer),
            Question::Leader => self.told_who_leads(from, answer),
            Question::Seal(ballot) => self.answered_seal(from, ballot, reply.is_some(), answer),
            Question::Tail(ballot) => self.received_tail(from, ballot, reply, answer),
        }
    }

    fn candidacy(&mut self, ballot: Ballot) -> Option<&mut Takeover> {
        match &mut self.role {
            Role::Candidate(takeover) if takeover.ballot == ballot => Some(takeover),
            _ => None,
        }
    }

    fn answered_seal(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        is_answered: bool,
        answer: Option<Answer>,
    ) {
        let now_ms = self.now_ms;
        let Some(takeover) = self.candidacy(ballot) else {
            return;
        };
        let why = match answer {
            Some(Answer::Promise(report)) => {
                takeover.refusals.remove(&from);
                if let Some(vow) = report.vow {
                    takeover.vows.push(HeardVow {
                        leader: vow.leader.node,
                        ms: vow.ms,
                        heard_ms: now_ms,
                        end_ms: None,
                    });
                }
                // The node counts by its own id, whatever answers at a member's address.
                takeover.promises.insert(report.node, report);
                return self.try_to_lead();
            }
            Some(Answer::Refusal(greater, leader)) if greater > ballot => {
                return self.outbid(greater, leader);
            }
            Some(Answer::Error(text)) => text,
            None if !is_answered => "no connection".to_owned(),
            _ => "an answer that is none".to_owned(),
        };
        takeover.refusals.insert(from, why);
    }

    /// A member has promised a greater ballot.
    fn outbid(&mut self, greater: Ballot, leader: Option<Address>) {
        self.highest = self.highest.max(greater.number);
        let Role::Candidate(takeover) = &self.role else {
            return;
        };
        let (cause, end_ms) = (takeover.cause, takeover.end_ms);
        let is_ordered = cause == TakeoverCause::Order;
        match leader {
            Some(address) if !is_ordered => {
                self.give_up(format!("SEALED {greater} {address}"));
                self.follow(greater, address);
            }
            _ if !takeover.has_retried => self.seal(cause, end_ms, true),
            leader => {
                let address = leader.map_or_else(|| "?".to_owned(), |its| its.to_string());
                self.give_up(format!("SEALED {greater} {address}"));
            }
        }
    }

    /// The first configuration without enough promises, and those that count for it.
    fn unpromised(&self, takeover: &Takeover) -> Option<Configuration> {
        if self.breaks(Fault::NoPromises) {
            return None;
        }
        let counts_unclean = self.breaks(Fault::UncleanCounts);
        let has_promised = |id: NodeId| {
            let report = takeover.promises.get(&id);
            report.is_some_and(|report| report.is_clean || counts_unclean)
        };
        #[cfg(any(test, feature = "testing"))]
        if self.breaks(Fault::OnePromiseLess) {
            let all = self.lineage.configurations.iter();
            let is_short = |its: &&Configuration| {
                let count = its
                    .members
                    .iter()
                    .filter(|its| has_promised(its.id))
                    .count();
                count + 1 < its.promises_needed()
            };
            return all.map(|its| &its.configuration).find(is_short).cloned();
        }
        #[cfg(any(test, feature = "testing"))]
        if self.breaks(Fault::NewMembersAlone) {
            return self
                .lineage
                .configurations
                .last_alone()
                .unpromised(has_promised)
                .cloned();
        }
        self.lineage
            .configurations
            .unpromised(has_promised)
            .cloned()
    }

    fn try_to_lead(&mut self) {
        let Role::Candidate(takeover) = &self.role else {
            return;
        };
        if takeover.phase != Phase::Sealing || self.unpromised(takeover).is_some() {
            return;
        }
        let by_offset = self.breaks(Fault::OffsetAlone);
        let key = |report: &SealReport| {
            let position = report.position;
            if by_offset {
                (Ballot::NONE, position.offset, position.ballot)
            } else {
                (position.ballot, position.offset, Ballot::NONE)
            }
        };
        let longest = takeover.promises.values().max_by_key(|report| key(report));
        let longest = longest.filter(|longest| key(longest) > key(&self.own_report()));
        match longest.map(|report| report.node) {
            Some(from) => self.fetch(from),
            // The tick tries again.
            None if self.is_vowed() => {}
            None => self.lead(),
        }
    }

    /// Whether a leader's lease may hold: a member that has promised has vowed to it, and it has
    /// not promised itself.
    fn is_vowed(&self) -> bool {
        let Role::Candidate(takeover) = &self.role else {
            return false;
        };
        takeover.vows.iter().any(|vow| {
            let lasts = vow.end_ms.is_none_or(|end_ms| self.now_ms < end_ms);
            lasts && !takeover.promises.contains_key(&vow.leader)
        })
    }

    // --- the end of the stream ---

    fn fetch(&mut self, from: NodeId) {
        let (history, offset) = (self.stream.history, self.stream.end);
        let Some(group) = self.group() else {
            return;
        };
        let members = self.other_members();
        let member = members.into_iter().find(|member| member.id == from);
        let Role::Candidate(takeover) = &mut self.role else {
            return;
        };
        takeover.phase = Phase::Fetching(from);
        let ballot = takeover.ballot;
        if let Some(member) = member {
            let word = Word::Tail {
                group,
                ballot,
                history,
                offset,
            };
            self.ask(&member, &word, Question::Tail(ballot));
        }
    }

    fn received_tail(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        reply: Option<ReplyValue>,
        answer: Option<Answer>,
    ) {
        let Some(takeover) = self.candidacy(ballot) else {
            return;
        };
        if takeover.phase != Phase::Fetching(from) {
            return;
        }
        let history = takeover.promises.get(&from).map(|report| report.history);
        match (reply, history) {
            (Some(ReplyValue::Bulk(bytes)), Some(history)) => {
                takeover.phase = Phase::Applying(from);
                self.figures.tail_bytes += bytes.len() as u64;
                self.out.push(Order::ApplyTail { history, bytes });
            }
            // The link is lost: the next tick asks again.
            (None, _) => {}
            (Some(_), _) => {
                let text = match answer {
                    Some(Answer::Error(text)) => text,
                    _ => "an answer that is none".to_owned(),
                };
                self.behind(from, &text);
            }
        }
    }

    pub(super) fn tail_applied(&mut self) {
        let own = self.own_report();
        let Role::Candidate(takeover) = &mut self.role else {
            return;
        };
        if let Phase::Applying(from) = takeover.phase {
            let promised = takeover.promises.get(&from).map(|report| report.position);
            if promised.is_some_and(|position| own.position < position) {
                return self.behind(from, "its stream ended too soon");
            }
            takeover.phase = Phase::Sealing;
            takeover.promises.insert(own.node, own);
            self.ask_for_promises();
            self.try_to_lead();
        }
    }

    pub(super) fn tail_unusable(&mut self, why: &str) {
        if let Role::Candidate(takeover) = &self.role
            && let Phase::Applying(from) = takeover.phase
        {
            self.behind(from, why);
        }
    }

    /// A member has newer data that this server cannot get: the member is the better leader.
    fn behind(&mut self, node: NodeId, why: &str) {
        self.give_up(format!("NOQUORUM Node {node} has newer data: {why}"));
        self.retry_after(BEHIND_MS);
    }

    // --- the outcome ---

    /// The group is formed by this server.
    pub(super) fn form(&mut self) {
        if self.group().is_none() {
            let group = GroupId::of_seed(self.random.next_u64());
            self.acceptor.change(|state| state.group = Some(group));
        }
        let ballot = Ballot::above(self.highest.max(self.promised().number), self.node());
        self.highest = ballot.number;
        self.acceptor.promise(ballot);
        let member = Member {
            id: self.node(),
            address: self.settings.address.clone(),
        };
        self.log("Forming a group: writes wait for its members.".to_owned());
        self.begin_to_lead(ballot, Some(Configuration::first(member)));
    }

    fn lead(&mut self) {
        let former = std::mem::replace(&mut self.role, Role::Following);
        let Role::Candidate(takeover) = former else {
            self.role = former;
            return;
        };
        self.takeover_over(&takeover, None);
        self.begin_to_lead(takeover.ballot, None);
        let (Some(group), ballot) = (self.group(), takeover.ballot) else {
            return;
        };
        let mut others = self.other_members();
        others.retain(|member| takeover.promises.contains_key(&member.id));
        for member in others {
            let address = self.settings.address.clone();
            let word = Word::Leads {
                group,
                ballot,
                address,
            };
            self.ask(&member, &word, Question::Leads);
        }
    }

    fn begin_to_lead(&mut self, ballot: Ballot, first: Option<Configuration>) {
        let Some(group) = self.group() else {
            return;
        };
        let (safe, end) = (self.lineage.safe, self.stream.end);
        let mut leadership = Leadership::new(ballot, safe, end);
        leadership.lease_ms = self.settings.lease_ms;
        leadership.grown_ms = self.now_ms;
        leadership.began_ms = self.now_ms;
        self.role = Role::Leading(leadership);
        self.standing = GroupStanding::Replica;
        self.is_sealed = false;
        self.unled_ms = None;
        self.retry_ms = None;
        self.failures = 0;
        self.figures.takeovers += 1;
        self.acceptor.change(|state| state.unclean_since_ms = None);
        self.tell(Order::BeginHistory);
        // Members that only the file has are to be in the stream as well.
        let known = self.lineage.configurations.newest();
        let known = known.filter(|_| self.members_are_filed).cloned();
        if let Some(first) = first.or(known) {
            self.out.push(Order::Append(QuorumNote::Members(first)));
        }
        self.out
            .push(Order::Append(QuorumNote::Term { ballot, group }));
        self.out.push(Order::Lead(ballot));
        self.log(format!("This server leads by ballot {ballot}."));
    }

    /// The takeover ends without a lead.
    pub(super) fn give_up(&mut self, text: String) {
        let former = std::mem::replace(&mut self.role, Role::Following);
        self.links.close_all(&mut self.out);
        if let Role::Candidate(takeover) = former {
            self.takeover_over(&takeover, Some(text));
        }
        let doubled = RETRY_MS << self.failures.min(3);
        self.failures = self.failures.saturating_add(1);
        self.retry_after(doubled);
    }

    pub(super) fn takeover_over(&mut self, takeover: &Takeover, failure: Option<String>) {
        if let Some(text) = &failure {
            self.figures.takeovers_refused += 1;
            self.warn(format!("Ballot {} does not lead: {text}", takeover.ballot));
            self.out
                .push(Order::TakeoverFailed(takeover.cause, text.clone()));
        }
        self.record(TakeoverRecord {
            at_ms: self.wall_ms,
            cause: takeover.cause,
            ballot: takeover.ballot,
            failure,
        });
    }

    /// The reason why a takeover under way has not led yet, as NOQUORUM says it.
    pub(super) fn obstacle(&self) -> Option<String> {
        let Role::Candidate(takeover) = &self.role else {
            return None;
        };
        let Some(lacking) = self.unpromised(takeover) else {
            if self.is_vowed() {
                return Some("NOQUORUM The lease of the last leader may still hold.".to_owned());
            }
            let (Phase::Sealing | Phase::Fetching(_) | Phase::Applying(_)) = takeover.phase;
            return Some("NOQUORUM The end of the stream has not come from a member.".to_owned());
        };
        let mut missing = Vec::new();
        for Member { id, address } in &lacking.members {
            let why = match (takeover.promises.get(id), takeover.refusals.get(id)) {
                (Some(report), _) if report.is_clean => continue,
                (Some(_), _) if *id == self.node() => match self.acceptor.state.unclean_since_ms {
                    Some(since_ms) => format!("unclean since {since_ms}"),
                    None => "unclean".to_owned(),
                },
                (Some(_), _) => "unclean".to_owned(),
                (None, Some(why)) => why.clone(),
                (None, None) => "no answer yet".to_owned(),
            };
            missing.push(format!("{id} {address} ({why})"));
        }
        let (needed, all) = (lacking.promises_needed(), lacking.members.len());
        let missing = missing.join(", ");
        Some(format!(
            "NOQUORUM Taking over needs promises of {needed} of {all} members with whole data; \
             missing: {missing}."
        ))
    }
}
