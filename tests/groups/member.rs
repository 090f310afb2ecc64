//! A server's node in the cluster: the machine, its file, and the pause of writes that it orders.

use super::data::{Writes, written_slots};
use super::moves::Moves;
use super::server::Server;
use russet_base::Millis;
use russet_cluster::{Cluster, NodesConf, Primary, ServerState, Settings};
use russet_config::{Config, Dialect};
use russet_host::Now;
use russet_host::simulation::Disk;

/// `cluster-node-timeout`.
pub const TIMEOUT_MS: i64 = 2000;
pub const BUS_PORT: u16 = 16_379;

/// See the module.
pub struct Member {
    /// `None` if the process does not run.
    pub core: Option<Cluster>,
    pub dialect: Dialect,
    /// The disk with nodes.conf; empty before the first start.
    pub disk: Disk<Vec<u8>>,
    /// The server holds writes until this time of its clock.
    pub paused_until: i64,
    pub next_tick: i64,
    /// `None` if the process does not run.
    pub moves: Option<Moves>,
}

impl Member {
    pub fn new(dialect: Dialect) -> Member {
        Member {
            core: None,
            dialect,
            disk: Disk::default(),
            paused_until: 0,
            next_tick: 0,
            moves: None,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            dialect: self.dialect,
            port: 6379,
            bus_port: BUS_PORT,
            node_timeout: Millis::of_ms(TIMEOUT_MS as u64),
            // Replicas stay in their shard, so that acknowledgements have a single meaning.
            allow_replica_migration: false,
            ..Settings::of(&Config::default())
        }
    }

    pub fn stop(&mut self, has_power: bool) {
        (self.core, self.moves) = (None, None);
        self.paused_until = 0;
        if !has_power {
            self.disk.crash();
        }
    }

    /// Starts the node with its file.
    pub fn start(&mut self, seed: u64, now: Now, run: u64) -> Result<(), String> {
        let saved = if self.disk.file.is_empty() {
            NodesConf::fresh(seed)
        } else {
            NodesConf::parse(&self.disk.file)?
        };
        self.moves = Some(Moves::new(self.dialect, run));
        self.core = Some(Cluster::new(saved, self.settings(), seed, now));
        Ok(())
    }

    /// The server has loaded its data.
    pub fn loaded(&mut self, now: Now, data: &Writes) {
        if let Some(core) = &mut self.core {
            core.loaded(now, &|slot| data.count(slot));
        }
    }
}

/// The state of a server, as its node receives it.
pub fn own_of(server: &Server, now: Now) -> ServerState {
    let node = &server.node;
    let upstream = node.upstream.as_ref();
    let primary = upstream.map(|upstream| {
        let received_ms = if upstream.is_online() {
            upstream.received_ms
        } else {
            upstream.down_since_ms.unwrap_or(upstream.received_ms)
        };
        Primary {
            is_up: upstream.is_online(),
            received_ms: received_ms as i64,
            is_synced: upstream.is_familiar && upstream.has_data,
        }
    });
    let is_foreign = primary.is_some_and(|primary| !primary.is_synced);
    let is_syncing = upstream.is_some_and(|upstream| upstream.is_syncing());
    let member = server.member.as_ref();
    let with_keys = written_slots().filter(|slot| node.data.count(*slot) > 0);
    let moves = member.and_then(|member| member.moves.as_ref());
    ServerState {
        offset: if is_foreign || is_syncing {
            0
        } else {
            node.stream.offset()
        },
        primary,
        is_loading: false,
        is_paused: member.is_some_and(|member| now.monotonic_ms < member.paused_until),
        // A node counts as empty if it only has kept keys of another node's slots.
        is_empty: moves.is_some_and(|moves| moves.has_only_kept(with_keys)),
        replicas_online: server.replicas().count(),
        // `tests/durable` has such servers.
        group: None,
    }
}
