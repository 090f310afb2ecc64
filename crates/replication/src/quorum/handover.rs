//! A leader asks a member to take over (FAILOVER): the member seals the group, the leader among it.
//!
//!     leader                          member
//!     TAKEOVER <group> <leader>  -->  follows this leader, and may lead?
//!            <-- +OK                  then SEAL to all, as after any order
//!
//! The leader leads until it is sealed, so a member that fails meanwhile costs nothing.

use super::ballot::NodeId;
use super::core::{Quorum, Role};
use super::events::{Order, PeerId, TakeoverCause};
use super::links::Question;
use super::members::{Address, Member};
use super::words::{Answer, Word};

impl Quorum {
    /// The members that are linked to this leader, but for itself. O(members).
    pub fn linked_members(&self) -> Vec<Address> {
        let Role::Leading(leadership) = &self.role else {
            return Vec::new();
        };
        let newest = self.lineage.configurations.newest();
        let linked = leadership
            .replicas
            .iter()
            .filter(|(id, _)| newest.is_some_and(|its| its.has(**id)));
        linked.filter_map(|(_, its)| its.address.clone()).collect()
    }

    /// Asks the member with this address to take over.
    pub(super) fn hand_over(&mut self, address: Address) {
        let (Some(id), Some(group)) = (self.replica_at(&address), self.group()) else {
            let text = format!("{address} is no replica of this leader");
            return self.out.push(Order::HandOverFailed(text));
        };
        self.log(format!("Asking {address} to take over."));
        let node = self.node();
        let member = Member { id, address };
        self.ask(&member, &Word::TakeOver { group, node }, Question::TakeOver);
    }

    /// The leader asks this server to take over.
    pub(super) fn asked_to_take_over(&mut self, peer: PeerId, leader: NodeId) {
        let follows =
            |its: &super::events::JoinedLeader| its.is_online && its.ballot.node == leader;
        let answer = if !self.joined.as_ref().is_some_and(follows) {
            Answer::Error("ERR This server does not follow that leader".to_owned())
        } else if !self.may_lead() {
            Answer::Error("NOQUORUM This server is no member with whole data".to_owned())
        } else {
            Answer::Done
        };
        let is_willing = answer == Answer::Done;
        self.out.push(Order::Answer(peer, answer));
        if is_willing {
            self.take_over(TakeoverCause::Order);
        }
    }

    /// The member has answered; `None`: the link was lost before.
    pub(super) fn answered_hand_over(&mut self, answer: Option<Answer>) {
        let why = match answer {
            Some(Answer::Done) => return,
            Some(Answer::Error(text)) => text,
            Some(_) => "an answer that is none".to_owned(),
            None => "no connection".to_owned(),
        };
        self.out.push(Order::HandOverFailed(why));
    }
}
