//! The end of a server's part in a group: the group ends (QUORUM SET 0), or the server goes on
//! alone (QUORUM TAKEOVER LOSSY).
//!
//!     SET 0   a configuration with k = 0 --safe for the members of before--> each server leaves
//!     LOSSY   this server leaves, and forms another group; the others may follow it as new nodes
//!
//! A server that leaves is a new node: with another id, and without promises, as after the loss of
//! its file. It remembers the groups that it has left, so that a member of such a group that is to
//! follow it learns that it may leave, too.
//!
//! Invariants
//!   1. No member leaves by SET 0 before the change is safe: each later leader of the group has it.
//!   2. A member leaves for another's group only if a server that it was to follow says that it
//!      has left the member's group. An order to follow a stranger is not enough.

use super::ballot::{GroupId, NodeId};
use super::core::{GroupStanding, Quorum, Role};
use super::events::{Fault, Order, PeerId, TakeoverCause};
use super::members::Configuration;
use super::notes::{Lineage, QuorumNote};
use super::promise::SavedState;
use super::status::TakeoverRecord;
use super::words::{Answer, GroupEnd, Word};
use russet_host::Level;

/// Groups that were left and are remembered: the latest.
pub(super) const LEFT_MAX: usize = 8;

impl Quorum {
    /// Whether this server is without a group and wants none: everything is as without the mode.
    pub fn is_off(&self) -> bool {
        self.group().is_none() && self.settings.acknowledgements == 0
    }

    /// An event ends: whether the group has ended.
    pub(super) fn check_end(&mut self) {
        let all = &self.lineage.configurations;
        let is_over = all.newest().is_some_and(Configuration::is_ended);
        let is_safe = !all.is_changing() || self.breaks(Fault::EndsAtOnce);
        // Notes of a group in which the stream was before end nothing.
        let is_ours = self.group().is_some() && self.lineage.group == self.group();
        if is_over && is_safe && is_ours {
            self.end_group();
        }
    }

    /// The group has ended: no acknowledgement is waited for any more.
    pub(super) fn end_group(&mut self) {
        match std::mem::replace(&mut self.role, Role::Following) {
            Role::Leading(its) if its.noted < its.safe => {
                // The members learn from it that the end is safe.
                self.out.push(Order::Append(QuorumNote::Safe(its.safe)));
            }
            Role::Candidate(takeover) => {
                let text = "NOQUORUM The group has ended".to_owned();
                self.takeover_over(&takeover, Some(text));
            }
            Role::Leading(_) | Role::Inquiring(_) | Role::Following => {}
        }
        self.warn(
            "The group has ended (QUORUM SET 0): writes are acknowledged without waiting, and a \
             failover may lose them."
                .to_owned(),
        );
        self.settings.acknowledgements = 0;
        self.leave(GroupEnd::Over);
        self.out.push(Order::LeaveGroup { is_off: true });
    }

    /// Forgets the group, and becomes a new node.
    fn leave(&mut self, end: GroupEnd) {
        self.role = Role::Following;
        self.links.close_all(&mut self.out);
        let node = NodeId::of_seed(self.random.next_u64());
        let former = &self.acceptor.state;
        let mut left = former.left.clone();
        left.extend(former.group.map(|group| (group, end)));
        left.drain(..left.len().saturating_sub(LEFT_MAX));
        let state = SavedState {
            boot: former.boot.clone(),
            left,
            ..SavedState::new(node)
        };
        self.acceptor.change(|its| *its = state);
        self.lineage = Lineage::default();
        self.members_are_filed = false;
        self.joined = None;
        self.leader = None;
        self.is_sealed = false;
        (self.may_form, self.unled_ms) = (true, None);
        self.retry_ms = None;
        self.failures = 0;
        if self.standing != GroupStanding::Deposed {
            self.standing = GroupStanding::Replica;
        }
    }

    /// An operator gives up what the missing members may have: this server alone leads a group of
    /// its own, with the data that it has.
    pub(super) fn take_over_alone(&mut self) {
        let why = match self.group() {
            None => "NOQUORUM This server is not in a group",
            _ if self.settings.acknowledgements == 0 => "NOQUORUM min-sync-replicas is 0",
            _ => {
                if self.halt() {
                    self.depose("QUORUM TAKEOVER LOSSY".to_owned());
                }
                return self.begin_alone();
            }
        };
        self.figures.takeovers_refused += 1;
        let order = Order::TakeoverFailed(TakeoverCause::Lossy, why.to_owned());
        self.out.push(order);
    }

    fn begin_alone(&mut self) {
        let (former, position) = (self.group(), self.position());
        let shown = former.map_or_else(String::new, |group| group.to_string());
        let text = format!(
            "QUORUM TAKEOVER LOSSY: this server goes on alone, in a new group, with its data up to \
             {position}. ACKNOWLEDGED WRITES THAT OTHER MEMBERS OF GROUP {shown} HAVE MAY BE LOST."
        );
        self.out.log(Level::Warning, text);
        if self.breaks(Fault::LossyKeepsGroup) {
            self.lineage = Lineage::default();
        } else {
            self.leave(GroupEnd::Lossy);
        }
        self.out.push(Order::LeaveGroup { is_off: false });
        self.figures.lossy += 1;
        self.form();
        self.record(TakeoverRecord {
            at_ms: self.wall_ms,
            cause: TakeoverCause::Lossy,
            ballot: self.promised(),
            failure: None,
        });
    }

    /// The word of a member of a group that this server has left. Returns whether it is answered.
    pub(super) fn answers_former(&mut self, peer: PeerId, word: &Word) -> bool {
        let Some(group) = word.group().filter(|its| self.group() != Some(*its)) else {
            return false;
        };
        let left = self.acceptor.state.left.iter().rev();
        let end = left.copied().find(|(its, _)| *its == group);
        let end = match end {
            Some((_, GroupEnd::Over | GroupEnd::Off)) if self.is_off() => GroupEnd::Off,
            Some((_, GroupEnd::Lossy)) if !matches!(word, Word::Quorum { .. }) => return false,
            Some((_, end)) => end,
            None => return false,
        };
        self.tell(Order::Answer(peer, Answer::Gone(group, end)));
        true
    }

    /// A node that this server was to follow, or asks, has left this group. Returns the text for
    /// the link.
    pub(super) fn told_of_end(&mut self, group: GroupId, end: GroupEnd) -> String {
        if self.group() != Some(group) {
            return format!("NOGROUP Group {group} is another");
        }
        match end {
            GroupEnd::Off => self.end_group(),
            GroupEnd::Over | GroupEnd::Lossy => {
                self.warn(format!(
                    "The server that is to be followed has left group {group}: this server joins \
                     its group as a new node, and its own data gives way."
                ));
                self.leave(end);
                self.out.push(Order::LeaveGroup { is_off: false });
            }
        }
        format!("Group {group} was left: the link begins anew")
    }
}
