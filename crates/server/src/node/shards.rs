//! A node of a cluster over a network that a simulator owns: the node's bus, its migrations of
//! slots, and its open questions to all shards.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;

use super::ServerNode;
use crate::cluster::{ClusterHost, NodeStart};
use crate::parts::cluster::BrokenRule;
use crate::state::call::CommandTable;
use crate::state::world::Engine;
use russet_config::{NameDefaults, Startup, start};
use russet_host::Driver;
use russet_net::{AcceptedStream, Address, Stream, simulated};

/// The state of a member of a group (`sync-quorum`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupFacts {
    /// `sync_state`; empty without a group.
    pub state: String,
    pub leads: bool,
    /// The offset that this server, as the leader, holds for safe.
    pub safe: Option<u64>,
    /// This server's id in the group.
    pub id: String,
    pub members: Vec<String>,
    pub is_changing: bool,
    pub is_clean: bool,
    /// QUORUM EXPLAIN's last line of why this server does not lead.
    pub obstacle: Option<String>,
}

/// The state of a node of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardFacts {
    pub id: String,
    /// `cluster_state:ok`
    pub is_ok: bool,
    pub slots: Vec<(u16, u16)>,
    /// Slots move, or are kept.
    pub is_moving: bool,
    /// Questions to all shards that are not answered yet.
    pub surveys: usize,
    /// Questions of nodes that are being answered.
    pub questions: usize,
    pub clients: usize,
}

impl ServerNode {
    /// As [`ServerNode::start`], for a node of a cluster or of a group (`sync-quorum`). `seed`
    /// gives the numbers of their machines. `dial` makes all of the node's connections.
    ///
    /// Error: as there, or the state belongs to another node.
    pub fn start_in_network(
        table: CommandTable,
        options: &[String],
        (unix_us, seed): (i64, u64),
        mut dial: impl FnMut(&str, u16) -> io::Result<UnixStream> + 'static,
    ) -> Result<ServerNode, String> {
        let arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
        let Startup::Run(run) = start(&arguments, NameDefaults::default(), || Ok(Vec::new()))
        else {
            return Err(format!("refused: {options:?}"));
        };
        let begun = if run.config.cluster_enabled {
            let begun = NodeStart::by_hand(&run.config, seed);
            Some(begun.map_err(|error| error.to_string())?)
        } else {
            None
        };
        let none = |_: &str, _| Err(io::ErrorKind::ConnectionRefused.into());
        let mut node = ServerNode::start_with(table, options, unix_us, none, |engine| {
            engine.server.connections.dialler = None;
            engine.server.debug.seed = Some(seed);
            let Engine {
                keyspace, server, ..
            } = engine;
            begun.is_none_or(|begun| server.begin_cluster(keyspace, begun))
        })?;
        node.dialler = Some(Box::new(move |host, port| {
            let socket = dial(host, port)?;
            socket.set_nonblocking(true)?;
            Ok(Stream::Unix(mio::net::UnixStream::from_std(socket)))
        }));
        Ok(node)
    }

    /// Calls with this node's dialler in place.
    pub(super) fn with_dialler<T>(&mut self, call: impl FnOnce(&mut ServerNode) -> T) -> T {
        let Some(own) = self.dialler.take() else {
            return call(self);
        };
        let before = simulated::install(Some(own));
        let result = call(self);
        self.dialler = simulated::install(before);
        result
    }

    /// Another node has connected to the bus.
    pub fn accept_on_bus(&mut self, socket: UnixStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let stream = Stream::Unix(mio::net::UnixStream::from_std(socket));
        let peer = Address::Tcp(([127, 0, 0, 1], 9).into());
        self.with_dialler(|node| {
            let Engine {
                keyspace, server, ..
            } = &mut node.all.engine;
            ClusterHost { server, keyspace }.add_accepted(AcceptedStream::Plain(stream), &peer);
        });
        Ok(())
    }

    /// Breaks a rule from now on.
    pub fn break_rule(&mut self, rule: Option<BrokenRule>) {
        self.all.engine.server.debug.broken_rule = rule;
    }

    /// The state of the node's part in its group.
    pub fn group_facts(&self) -> GroupFacts {
        let driver = self.all.engine.server.replication.quorum.as_ref();
        driver.map_or_else(GroupFacts::default, |driver| {
            let status = driver.core.status();
            GroupFacts {
                state: status.state.to_string(),
                leads: driver.leads(),
                safe: driver.core.safe_offset(),
                id: status.node.to_string(),
                members: {
                    let members = status.members.iter();
                    members.map(|member| member.id.to_string()).collect()
                },
                is_changing: status.is_changing,
                is_clean: status.is_clean,
                obstacle: status.obstacle,
            }
        })
    }

    /// The state of the node's part of the cluster.
    pub fn shard_facts(&self) -> ShardFacts {
        let server = &self.all.engine.server;
        let Some(driver) = &server.cluster else {
            return ShardFacts::default();
        };
        let (surveys, questions) = driver.surveys.held();
        let moves = server.migrations.as_ref();
        ShardFacts {
            id: driver.core.my_id().to_string(),
            is_ok: driver.core.is_ok(),
            slots: driver.core.slots_of_mine(),
            is_moving: moves.is_some_and(|driver| !driver.machine.is_idle()),
            surveys,
            questions,
            clients: server.clients.len(),
        }
    }
}
