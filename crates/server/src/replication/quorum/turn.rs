//! The group in each turn: acknowledgements, connections that are gone, the growth of the stream.

use crate::parts::replication::quorum::QuorumDriver;
use crate::state::Server;
use crate::state::world::Engine;
use russet_keyspace::{ClientId, Keyspace};
use russet_replication::ReplOffset;
use russet_replication::quorum::{Change, Member, PeerId, Report};

impl Engine {
    /// Before the stream of the turn leaves.
    #[inline]
    pub(crate) fn continue_quorum(&mut self) {
        if self.server.replication.quorum.is_some() {
            self.continue_quorum_now();
        }
    }

    fn continue_quorum_now(&mut self) {
        self.apply_tail();
        let Engine {
            keyspace, server, ..
        } = self;
        let Some(driver) = &mut server.replication.quorum else {
            return;
        };
        let acks = std::mem::take(&mut driver.acks);
        for (id, memory, disk) in acks {
            let replica = server.replication.replicas.get(id);
            if replica.is_some_and(|replica| replica.is_online()) {
                let peer = PeerId(id.0);
                server.report_quorum(keyspace, Report::Acknowledged { peer, memory, disk });
            }
        }
        let end = server.stream_end();
        let now = (end.end, end.stored);
        let driver = server.replication.quorum.as_mut();
        if let Some(driver) = driver.filter(|driver| driver.reported != now) {
            driver.reported = now;
            server.report_quorum(keyspace, Report::Progress);
        }
    }
}

impl Server {
    /// A replica acknowledges; the group counts that in this turn.
    pub(crate) fn quorum_acknowledged(
        &mut self,
        id: ClientId,
        memory: ReplOffset,
        disk: Option<ReplOffset>,
    ) {
        if let Some(driver) = &mut self.replication.quorum {
            driver.acks.push((id, memory, disk));
        }
    }

    /// A client is gone.
    pub(crate) fn quorum_peer_gone(&mut self, keyspace: &mut Keyspace, id: ClientId) {
        let Some(driver) = &mut self.replication.quorum else {
            return;
        };
        let Some(at) = driver.peers.iter().position(|&peer| peer == id) else {
            return;
        };
        driver.peers.swap_remove(at);
        driver.answers.retain(|(of, _)| *of != id);
        driver.acks.retain(|(of, ..)| *of != id);
        self.report_quorum(keyspace, Report::PeerClosed(PeerId(id.0)));
    }

    /// Called by cron: a leader that is reached at another address than its note says notes that.
    pub(crate) fn tend_quorum(&mut self, keyspace: &mut Keyspace) {
        let Some(driver) = &mut self.replication.quorum else {
            return;
        };
        if let Some(member) = moved(driver) {
            // A change that is under way comes first; the next second tries again.
            let _ = driver.core.change(&Change::Move(member));
            self.continue_quorum_orders(keyspace);
        }
    }
}

/// This server as a member with its address of now, if it leads and its note has another.
fn moved(driver: &QuorumDriver) -> Option<Member> {
    if !driver.leads() {
        return None;
    }
    let (id, address) = (driver.core.node(), driver.core.settings.address.clone());
    let newest = driver.core.lineage().configurations.newest()?;
    let member = newest.member(id)?;
    // Only other members need the address.
    let is_other = newest.members.len() > 1 && member.address != address;
    is_other.then_some(Member { id, address })
}
