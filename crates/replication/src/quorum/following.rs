//! A server that follows: which primaries it accepts, and when it is clean.
//!
//! A replica accepts a primary of its group whose ballot is not smaller than its promise, and keeps
//! its data otherwise.

use super::ballot::Ballot;
use super::core::{GroupStanding, Quorum, Role};
use super::events::{JoinedLeader, Order, PeerId};
use super::members::Address;
use super::notes::Lineage;
use super::words::Answer;

/// Milliseconds that a leader which was named gets to accept this server, if it would otherwise
/// take over: so many, and randomly up to as many more.
pub(super) const PATIENCE_MS: u64 = 3000;

impl Quorum {
    /// Follows a leader on its own account.
    pub(super) fn follow(&mut self, ballot: Ballot, address: Address) {
        let drives_itself = self.is_sealed || self.standing != GroupStanding::Replica;
        self.leader = Some((ballot, address.clone()));
        self.standing = GroupStanding::Replica;
        self.log(format!("Ballot {ballot} leads at {address}."));
        self.out.push(Order::Follow { address, ballot });
        if drives_itself {
            self.retry_after(PATIENCE_MS);
        }
    }

    /// A leader announces itself.
    pub(super) fn told_of_leader(&mut self, peer: PeerId, ballot: Ballot, address: Address) {
        self.highest = self.highest.max(ballot.number);
        let is_own = ballot.node == self.node();
        if ballot < self.promised() || is_own {
            return self.refuse(peer);
        }
        let is_joined = self.joined.as_ref().is_some_and(|its| its.ballot == ballot);
        if !is_joined {
            let led = self.halt();
            self.acceptor.promise(ballot);
            self.is_sealed = true;
            if led {
                self.depose(format!("Another server leads now: {address}."));
            }
            self.follow(ballot, address);
        }
        self.tell(Order::Answer(peer, Answer::Done));
    }

    /// An order of an authority to follow a server.
    pub(super) fn ordered_to_follow(&mut self, address: Address) {
        let is_without = self.is_sealed || self.standing == GroupStanding::Deposed;
        let led = self.halt();
        // If the server there follows this one, no other server will lead.
        let drives_itself = is_without || led;
        if led {
            self.depose(format!("An order to follow {address}."));
        }
        self.standing = GroupStanding::Replica;
        if drives_itself {
            self.retry_after(PATIENCE_MS);
        } else {
            self.retry_ms = None;
        }
    }

    /// The primary has answered the introduction; `None`: it does not know the word.
    pub(super) fn upstream_answered(&mut self, address: Address, answer: Option<Answer>) {
        self.joined = None;
        let (ballot, group, goal, lease_ms) = match answer {
            Some(Answer::Follow {
                ballot,
                group,
                end,
                lease_ms,
            }) => (ballot, group, end, lease_ms),
            Some(Answer::Refusal(ballot, leader)) => return self.refused_by(ballot, leader),
            Some(Answer::Gone(group, end)) => {
                let text = self.told_of_end(group, end);
                return self.refuse_upstream(text);
            }
            // A server without a group may have lost its disk: it does not become another's replica
            // because the group's servers cannot answer just now.
            Some(Answer::Error(text)) => return self.refuse_upstream(text),
            _ if self.group().is_some() => {
                let text = format!("{address} leads no group: this server keeps its data");
                return self.refuse_upstream(text);
            }
            _ => {
                self.may_form = true;
                return self.out.push(Order::AcceptUpstream);
            }
        };
        let is_other = self.group().is_some_and(|own| own != group);
        if is_other && !self.is_alone() {
            return self.refuse_upstream(format!("{address} is of another group, {group}"));
        }
        let promised = self.promised();
        if ballot < promised || !matches!(self.role, Role::Following | Role::Inquiring(_)) {
            let text = format!("{address} leads by ballot {ballot}, {promised} was promised");
            return self.refuse_upstream(text);
        }
        self.role = Role::Following;
        self.links.close_all(&mut self.out);
        self.highest = self.highest.max(ballot.number);
        self.acceptor.promise(ballot);
        if is_other {
            self.leave_data();
        }
        self.acceptor.change(|state| {
            state.group = Some(group);
            // After a restart the vow is as long as it was.
            state.lease_ms = lease_ms;
        });
        self.may_form = false;
        self.is_sealed = false;
        self.unled_ms = None;
        self.retry_ms = None;
        self.failures = 0;
        self.standing = GroupStanding::Replica;
        self.leader = Some((ballot, address.clone()));
        self.joined = Some(JoinedLeader {
            ballot,
            address,
            goal,
            lease_ms,
            is_online: false,
        });
        self.tell(Order::AcceptUpstream);
    }

    /// The server that is followed does not lead.
    fn refused_by(&mut self, ballot: Ballot, leader: Option<Address>) {
        self.unled_ms.get_or_insert(self.now_ms);
        self.highest = self.highest.max(ballot.number);
        let text = format!("The server does not lead: {ballot} was promised");
        self.refuse_upstream(text);
        match leader {
            Some(address)
                if ballot >= self.promised()
                    && ballot.node != self.node()
                    && address != self.settings.address =>
            {
                self.follow(ballot, address);
            }
            _ => {}
        }
    }

    fn refuse_upstream(&mut self, text: String) {
        self.out.push(Order::RefuseUpstream(text));
    }

    /// The server is in no group from now on. Nothing that it has promised is asked of it again,
    /// because it is no member.
    pub(super) fn forget_group(&mut self) {
        if self.is_bound() {
            return;
        }
        self.halt();
        self.leave_data();
        self.acceptor.change(|state| {
            state.group = None;
            state.unclean_since_ms = None;
        });
        (self.is_sealed, self.joined, self.leader) = (false, None, None);
        self.standing = GroupStanding::Replica;
        (self.may_form, self.unled_ms) = (true, None);
        self.retry_ms = Some(self.now_ms);
    }

    /// The data counts for nothing in the group that the server joins.
    fn leave_data(&mut self) {
        self.set_unclean();
        self.lineage = Lineage::default();
    }

    fn set_unclean(&mut self) {
        let wall_ms = self.wall_ms;
        self.acceptor.change(|state| {
            state.unclean_since_ms.get_or_insert(wall_ms);
        });
    }

    /// A full copy is about to replace the data: from here on this server is unclean.
    pub(super) fn discard(&mut self) {
        self.set_unclean();
        if let Some(joined) = &mut self.joined {
            joined.is_online = false;
        }
        // How the members are reached stays known.
        self.lineage = Lineage {
            configurations: std::mem::take(&mut self.lineage.configurations),
            ..Lineage::default()
        };
        self.tell(Order::Discard);
    }

    /// A replica that has the stream up to its leader's end at the beginning of the link is clean,
    /// once its log has it, too: a full copy that a crash takes away is nothing.
    pub(super) fn check_clean(&mut self) {
        let stored = self.stream.stored;
        let has_all = |its: &JoinedLeader| its.is_online && stored >= its.goal;
        if !self.acceptor.state.is_clean() && self.joined.as_ref().is_some_and(has_all) {
            self.acceptor.change(|state| state.unclean_since_ms = None);
            self.log("This server has whole data again.".to_owned());
        }
    }
}
