//! Full synchronizations by two links, as a primary: when they are offered, and the states of the
//! main link.
//!
//! `parts::replication::replicas` has the states of both links and the names that join them. The
//! snapshot goes the usual way (`replication::primary`, `run::feed`); no stream is copied for the
//! main link, which reads the backlog from the snapshot's position on.

use crate::clients::client::{Client, ClientFlags};
use crate::parts::replication::Replication;
use crate::parts::replication::replicas::ReplicaState;
use crate::parts::users::Acl;
use crate::state::Server;
use russet_base::clock::Now;
use russet_config::Config;
use russet_keyspace::ClientId;
use russet_replication::ReplOffset;
use russet_resp::Reply;

impl Server {
    /// The second link has been sent the whole snapshot, and ends.
    pub(crate) fn second_link_done(&mut self, main: ClientId, name: &str) {
        let replica = self.replication.replicas.get(main);
        if replica.is_some_and(|replica| matches!(replica.state, ReplicaState::Streams)) {
            self.replica_online(main, name);
        }
    }
}

impl Replication {
    /// Whether this client is a main link that waits for its second link.
    pub fn has_main_link(&self, main: ClientId) -> bool {
        let replica = self.replicas.get(main);
        replica.is_some_and(|replica| matches!(replica.state, ReplicaState::AwaitsSnapshot))
    }

    /// The second link's snapshot has begun: the main link gets the stream from there on.
    pub(crate) fn begin_streaming(
        &mut self,
        config: &Config,
        now: &Now,
        main: ClientId,
        at: ReplOffset,
    ) {
        let now_ms = now.mono_ms;
        if let Some(replica) = self.replicas.get_mut(main)
            && matches!(replica.state, ReplicaState::AwaitsSnapshot)
        {
            replica.state = ReplicaState::Streams;
            replica.sent = at;
            replica.received_ms = now_ms;
            self.begin_packing(config, main);
        }
    }

    /// Asks a replica that needs everything to open a second link, if it can and may.
    pub(crate) fn offer_channel(
        &mut self,
        config: &Config,
        now: &Now,
        acl: &mut Acl,
        client: &mut Client,
        reply: &mut Reply,
    ) -> bool {
        let now_ms = now.mono_ms;
        let replica = self.replicas.introduce(client.id, now_ms);
        let facts = &replica.facts;
        let is_plain = !facts.rdb_only && !facts.rdb_channel_link && facts.filter.is_none();
        if !is_plain || !config.repl_diskless_sync {
            return false;
        }
        if facts.rdb_channel && config.repl_rdb_channel {
            reply.raw(format!("+RDBCHANNELSYNC {}\r\n", client.id.0).as_bytes());
            replica.state = ReplicaState::AwaitsSnapshot;
            replica.received_ms = now_ms;
            acl.becomes_link(client, ClientFlags::REPLICA);
            self.alone_since_ms = None;
        } else if facts.dual_channel && config.dual_channel_replication_enabled {
            // The main link sends PSYNC again, once the second link has a snapshot.
            reply.raw(b"+DUALCHANNELSYNC\r\n");
        } else {
            return false;
        }
        let name = self.replica_name(client);
        tracing::info!(
            "Replica {name} is capable of rdb channel synchronization, and partial sync isn't \
             possible. Full sync will continue with dedicated rdb channel."
        );
        true
    }
}
