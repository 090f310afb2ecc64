//! CLUSTER's subcommands that are the core's, and PUBLISH's messages to other nodes.

use crate::execution::gates::slots::viewer;
use crate::state::call::{Call, CommandResult};
use crate::state::world::World;
use russet_cluster::{Host, ReplyCondition};
use russet_command::CommandError;
use russet_host::Now;
use russet_pubsub::Kind;

const NOT_ACKNOWLEDGED: &str = "NOREPLICAS Not enough good replicas to write.";

impl Call<'_> {
    /// Runs a subcommand of the core. On return either the reply is complete, and every change that
    /// it acknowledges is on disk; or the client is blocked until a replica has the command, which
    /// then runs again.
    pub fn run_in_cluster(&mut self) -> CommandResult {
        let is_acknowledged = self.is_time_up() && self.is_acknowledged()?;
        match self.run_core(is_acknowledged) {
            ReplyCondition::Acknowledged { timeout_ms } => self.await_replica(timeout_ms),
            ReplyCondition::Send | ReplyCondition::Persist { .. } => {}
        }
        Ok(())
    }

    fn run_core(&mut self, is_acknowledged: bool) -> ReplyCondition {
        let args = self.args.to_vec();
        let may_wait = self.may_block();
        let is_from_primary = self.was_taken_before();
        let World {
            keyspace,
            server,
            client,
            reply,
            ..
        } = self.world();
        server.update_own(keyspace);
        let begin = reply.mark();
        let now = Now::from(server.now);
        let viewer = viewer(client, reply.resp3());
        let Some(driver) = server.cluster.as_deref_mut() else {
            return ReplyCondition::Send;
        };
        let links = &driver.links;
        let host = Host {
            viewer,
            keys_in_slot: &|slot| keyspace.slot_len(slot),
            unsent: &|link| links.queued(link),
            is_from_primary,
            may_wait,
            is_acknowledged,
        };
        let after = driver.core.command(now, &args, &host, reply);
        let is_for_replicas = driver.core.take_is_for_replicas();
        server.continue_cluster(keyspace);
        let cluster = server.cluster.as_ref();
        let is_saved = cluster.is_some_and(|driver| driver.core.is_saved());
        if let ReplyCondition::Persist { otherwise } = &after
            && !is_saved
        {
            reply.truncate(begin);
            reply.raw(otherwise);
        }
        if is_for_replicas {
            self.effect_for_replicas();
        }
        after
    }

    /// Sends the command to the replicas, and blocks the client until any replica has it.
    fn await_replica(&mut self, timeout_ms: i64) {
        // The stream's next bytes are this command's, perhaps after a SELECT, which is shorter.
        let words = self.args.iter().map(|word| word.len() as u64);
        let offset = self.server.stream.offset() + words.sum::<u64>();
        self.effect_for_replicas();
        let timeout_ms = u64::try_from(timeout_ms).unwrap_or(1).max(1);
        self.block_until_acked_at(offset, timeout_ms);
    }

    /// The wait is over: whether a replica has the command.
    fn is_acknowledged(&self) -> Result<bool, CommandError> {
        let offset = self.client.written(&self.server.stream);
        match self.server.replication.replicas.that_acked(offset) {
            0 => Err(CommandError::Text(NOT_ACKNOWLEDGED)),
            _ => Ok(true),
        }
    }

    /// DEBUG CLUSTERLINK KILL: closes links `to` a node and `from` it. `false`: it is not known.
    pub fn kill_cluster_links(&mut self, id: &[u8], to: bool, from: bool) -> bool {
        let World {
            keyspace, server, ..
        } = self.world();
        let killed = server.with_cluster(keyspace, |driver, now| {
            driver.core.kill_links(now, id, to, from)
        });
        killed == Some(true)
    }

    /// Sends a message of PUBLISH or SPUBLISH to the nodes that may have subscribers. `false`: this
    /// is no node of a cluster.
    pub fn publish_on_bus(&mut self, kind: Kind, channel: &[u8], text: &[u8]) -> bool {
        let World {
            keyspace, server, ..
        } = self.world();
        let is_sharded = kind == Kind::Shard;
        let called = server.with_cluster(keyspace, |driver, _| {
            driver.core.publish(channel, text, is_sharded);
        });
        called.is_some()
    }
}
