//! A node of a cluster at work: carries out the actions of the core (`russet_cluster`), and returns
//! their results to it.
//!
//! The core of a cluster node is a state machine without I/O, as Sentinel's: `Cluster` takes ticks,
//! bytes of links, commands and the outcome of saves, and hands out actions. `cluster/mod.rs` has
//! the duties of a driver, which is `ClusterDriver` (`server/parts/cluster`): the core with its
//! links and the locked file of its state. It is a field of `Server`, `None` unless
//! `cluster-enabled`, and it stays there while its actions are carried out.
//!
//! - `message`: the bytes of the bus: a framer that caps lengths before it allocates, a parser that
//!   checks a whole message before any of it counts, encoders for both kinds of peers
//! - `conf`: `nodes.conf` of both dialects
//! - `nodes`, `slots`, `links`: the table of nodes, the owner of each slot, a link in each
//!   direction for each node
//! - `receive`, `send`, `gossip`, `heartbeat`, `meet`: the content of messages, and their times
//! - `hearsay`, `strangers`: bounds of number, rate, bytes and lines for invented nodes and for
//!   links of unknown nodes
//! - `claims`, `kept`, `failure`, `health`, `votes`, `election`, `manual`, `migration`: owners of
//!   slots and their epochs; failed nodes; the cluster's health; takeovers
//! - `route`: where a command runs, and the error that sends it elsewhere
//! - `commands`: CLUSTER's subcommands, EXPLAIN among them
//!
//! Safety lies in the order of actions, as in a Sentinel: after `Action::Persist` the core hands
//! out nothing until the driver has saved the file, and the driver syncs the file if a vote, an
//! epoch or a role changed, or the node got a slot; a slot that SETSLOT gave it is synced with the
//! next tick. `simulation` (`crates/cluster`) drives 2 to 12 cores of both dialects over a network
//! that delays and cuts, in one direction too, with crashes back to the last synced file,
//! standstills, failing disks, skewed clocks and operators. The simulation checks at every step:
//! one vote per voter and epoch, one winner per epoch, one owner per slot and epoch, epochs that
//! never fall, a minority that stops; and after the faults, equal views in bounded time.
//!
//! `ClusterHost` gives the core's actions their meaning for this server (`russet_host::Driver`),
//! and carries them out at once, in their order. Events of links call the core, and so do its timer
//! (`run/machines.rs`, `sleep.rs` wakes the loop for it), CLUSTER and PUBLISH
//! (`commands/cluster`, `server/cluster/command.rs`), and changed directives. A save is an action
//! as well: the state is in the file, and synced if it decides an election, before the next message
//! is queued and before the reply of the command. Messages leave at the end of the turn
//! (`Driver::flush`), all messages of a link in one write; a message to many nodes is a single
//! allocation. Actions on keys and on the role wait while a script runs or data is loaded, and all
//! later actions of their kind wait too; the bus itself is served meanwhile, by the guest loop of a
//! busy script and by the turns of a load, so that the other nodes do not judge the node as
//! failing. Actions on clients' sessions (blocked clients that must go elsewhere, shard channels
//! that moved) are left to `Engine::after_cluster`, at the end of the turn's work.
//!
//! `StateFile` (`parts/cluster/file.rs`) replaces nodes.conf by a rename and holds a lock on it for
//! the life of the process; each new file is locked before it gets the name. A failover by hand
//! pauses writes by `Gates::hands_over_until_ms`, beside CLIENT PAUSE, and keeps replication PINGs
//! back, which would move the offset that the replica waits for.
//!
//! **Routing** is a gate (`execution/gates/slots.rs`). The slot comes with the key's hash;
//! `Cluster::serves` has a bit for each slot that this node serves and that does not move, while
//! the cluster is well, and a command with a single such key, or without keys, skips the gates as
//! in any other server. All other commands are routed key by key, EXEC with all keys of its queue.
//! Scripts keep the slot of their declared keys (`RunningScript::slot`). `gates/compatible.rs`
//! counts by the same functions the commands that a cluster would refuse.
//!
//! **The keys of slots that another node has claimed** are hidden (`migration/kept.rs`,
//! `server/cluster/lost.rs`): they stay in their tables, and are deleted when each replica of the
//! claimer that works has shown in a greeting the slots of its primary and an offset that is not
//! below the claimer's as of its claim (headers of both dialects have both), after a grace of four
//! node timeouts, if memory is short, or before the same slots are imported. Replicas hide them
//! too, and delete what their primary deletes, so the log and every stream have the keys until
//! then; after a restart they are foreign keys, which are deleted once they are loaded. If the
//! claimer dies and a replica takes its place without the slots, only this node has their keys. It
//! waits for a second, in which a replica that knows more may claim the slots (a replica does so if
//! its primary's stream had the end of the import, which comes before any write to the slots), and
//! then claims the slots anew. An operator's SETSLOT does the same. From a claimer that works,
//! which may have acknowledged newer writes, nothing returns.
//!
//! **Slots that move at once** are copied beside clients at a pace (`parts/run/pace.rs`): the
//! source's snapshot, its application at the target, and the removal of lost keys come in slices
//! of 25 us, each followed by a rest as long, in which the loop serves clients or sleeps.
//! Slices without rests are faster, but two servers that never sleep leave the clients of a small
//! machine to the scheduler: milliseconds for each hundredth request. Without clients for 20 ms
//! there is no pace. A stream that lags by 1 MiB has no pace either, because it would never end.
//!
//! `tests/cluster` starts clusters of processes: russet alone, and mixed with Redis 8.0, Redis 8.10
//! and Valkey 9.1; redis-cli gives the orders.

pub mod answers;
mod command;
mod lost;
mod start;
mod surveys;

pub use surveys::ShardAnswers;

pub(crate) use start::{NodeStart, bus_port_of, fault};

use crate::cluster::lost::flush_slot;
use crate::parts::execution::gates::Gates;
use crate::parts::execution::scripting::ScriptState;
use crate::parts::persist::Persist;
use crate::parts::replication::Replication;
use crate::parts::replication::quorum::QuorumDriver;
use crate::parts::run::dial::destination;
use russet_config::Config;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use mio::Registry;

use crate::parts::cluster::ClusterDriver;
use crate::process;
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::wake::Wake;
use russet_cluster::{Cluster, Order, Primary, ServerState, Settings};
use russet_config::{ClusterConfigSave, system_text};
use russet_host::{Driver, Event, Links, Machine, Now};
use russet_keyspace::{DbIndex, Keyspace};
use russet_net::tls::TlsLink;
use russet_net::{AcceptedStream, Destination, Stream};
use russet_pubsub::Kind;
use russet_replication::quorum::Report;

/// The server as the host of its cluster node.
pub struct ClusterHost<'s> {
    pub server: &'s mut Server,
    pub keyspace: &'s mut Keyspace,
}

impl Driver for ClusterHost<'_> {
    type Machine = Cluster;

    fn machine(&mut self) -> Option<&mut Cluster> {
        let driver = self.server.cluster.as_mut()?;
        Some(&mut driver.core)
    }

    fn links(&mut self) -> Option<(&mut Links, Option<&Registry>)> {
        let driver = self.server.cluster.as_mut()?;
        let registry = self.server.connections.registry.as_ref();
        Some((&mut driver.links, registry))
    }

    fn now(&self) -> Now {
        Now::from(self.server.now)
    }

    fn event(&mut self, event: Event<'_>) {
        let now = self.now();
        if let Some(core) = self.machine() {
            core.event(now, &(), event);
        }
    }

    fn obey(&mut self, order: Order) {
        self.server.obey_cluster(self.keyspace, order);
    }

    fn save(&mut self, sync: bool) -> bool {
        let driver = self.server.cluster.as_deref_mut();
        driver.is_none_or(|driver| save_cluster(driver, &self.server.config, sync))
    }

    fn destination(&self, host: &[u8], port: u16) -> Result<Destination, String> {
        let tls = self.server.connections.tls.of_cluster(&self.server.config);
        let to = destination(&self.server.config, host, port, tls);
        // The core only knows addresses; a name would need a thread.
        match to.host.parse::<IpAddr>() {
            Ok(_) => Ok(to),
            Err(_) => Err("not an address".to_owned()),
        }
    }

    fn wake(&self) -> Wake {
        self.server.connections.wake.clone()
    }

    fn welcome(&mut self, accepted: AcceptedStream) -> Option<Stream> {
        let socket = match accepted {
            AcceptedStream::Plain(stream) => return Some(stream),
            AcceptedStream::Tls(socket) => socket,
        };
        let materials = self.server.connections.tls.materials()?;
        match TlsLink::accepted(socket, &materials.server) {
            Ok(link) => Some(Stream::Tls(Box::new(link))),
            Err(error) => {
                tracing::debug!("Error accepting cluster node under TLS: {error}");
                None
            }
        }
    }

    fn not_accepted(&self, why: &str) {
        // Perhaps no descriptor is left: cron tries again.
        tracing::debug!("Error accepting cluster node: {why}");
    }

    fn is_guest(&self) -> bool {
        true
    }

    fn before_tick(&mut self) {
        self.server.update_own(self.keyspace);
        self.server.forget_empty_kept(self.keyspace);
        self.server.tend_definitions(self.keyspace);
        self.server.repeat_questions(self.keyspace);
        let limit = self.server.config.cluster_link_sendbuf_limit;
        if limit > 0 {
            self.close_above(limit);
        }
    }
}

/// How many links of nodes that are not known may be open, as far as clients leave descriptors.
const STRANGE_LINKS: RangeInclusive<usize> = 16..=128;

impl Server {
    /// Calls the core, and carries out its actions. `None`: this is no node of a cluster.
    pub(crate) fn with_cluster<R>(
        &mut self,
        keyspace: &mut Keyspace,
        call: impl FnOnce(&mut ClusterDriver, Now) -> R,
    ) -> Option<R> {
        let now = Now::from(self.now);
        let driver = self.cluster.as_deref_mut()?;
        let result = call(driver, now);
        self.continue_cluster(keyspace);
        Some(result)
    }

    /// Passes this server's state to the core: role, offset, links.
    pub(crate) fn update_own(&mut self, keyspace: &Keyspace) {
        let own = own(
            &self.replication,
            &self.persist,
            &self.stream,
            &self.gates,
            keyspace,
        );
        let now = Now::from(self.now);
        if let Some(driver) = &mut self.cluster {
            driver.core.own(now, own);
        }
    }

    /// Directives may have changed: the core receives its own.
    pub(crate) fn cluster_settings_changed(&mut self, keyspace: &mut Keyspace) {
        if self.cluster.is_some() {
            let settings = cluster_settings(&self.config);
            self.with_cluster(keyspace, |driver, now| {
                driver.core.set_settings(now, settings)
            });
        }
    }

    /// Carries out the core's actions until there are no more. Messages leave at the end of the
    /// turn, many in a write.
    pub(crate) fn continue_cluster(&mut self, keyspace: &mut Keyspace) {
        let server = self;
        ClusterHost { server, keyspace }.carry_out();
    }

    /// Carries out deferred actions, unless a script or a load still defers them.
    fn resume_cluster(&mut self, keyspace: &mut Keyspace) {
        while !holds_data(&self.scripting, &self.persist)
            && let Some(driver) = &mut self.cluster
            && let Some(order) = driver.deferred.pop_front()
        {
            self.act_on_data(keyspace, order);
        }
    }

    /// Trusts a node as a member of the cluster, because an operator's command names the node, or
    /// because the node has shown the rights of a replica or of a target of slots.
    pub(crate) fn trust_node(&mut self, id: &[u8], why: &str) {
        let now = Now::from(self.now);
        if let Some(driver) = &mut self.cluster {
            driver.core.trust_node(now, id, why);
        }
    }

    fn obey_cluster(&mut self, keyspace: &mut Keyspace, order: Order) {
        match order {
            Order::Deliver {
                channel,
                message,
                is_sharded,
            } => {
                let kind = if is_sharded {
                    Kind::Shard
                } else {
                    Kind::Channel
                };
                self.publish(kind, &channel, &message);
            }
            Order::Question {
                from,
                is_answer,
                payload,
            } => {
                if let Some(driver) = &mut self.cluster {
                    driver.surveys.receive(from, is_answer, payload);
                }
            }
            Order::AskAgain { node, number } => {
                if let Some(driver) = &mut self.cluster {
                    driver.surveys.receive_unread(node, number);
                }
            }
            Order::PauseWrites { until_ms } => {
                self.change_pause(|gates| gates.hands_over_until_ms = Some(until_ms as u64))
            }
            Order::ResumeWrites => self.change_pause(|gates| gates.hands_over_until_ms = None),
            Order::FlushSlot(slot) => flush_slot(keyspace, slot),
            Order::RoutesChanged => {
                self.review_kept_slots(keyspace);
                self.record_returned_slots(keyspace);
                if let Some(driver) = &mut self.cluster {
                    driver.routes_changed = true;
                }
                if let Some(driver) = &mut self.migrations {
                    driver.routes_changed = true;
                }
            }
            Order::DropShardChannels(slots) => {
                if let Some(driver) = &mut self.cluster {
                    driver.lost_channels.extend(slots);
                }
            }
            Order::Follow { .. }
            | Order::Lead
            | Order::TakeOver
            | Order::LeaveGroup
            | Order::DropSlots(_)
            | Order::LoseSlots(_)
            | Order::Flush => self.obey_or_defer(keyspace, order),
        }
    }

    fn obey_or_defer(&mut self, keyspace: &mut Keyspace, order: Order) {
        let holds = holds_data(&self.scripting, &self.persist);
        match &mut self.cluster {
            Some(driver) if holds || !driver.deferred.is_empty() => {
                driver.deferred.push_back(order);
            }
            _ => self.act_on_data(keyspace, order),
        }
    }

    fn act_on_data(&mut self, keyspace: &mut Keyspace, order: Order) {
        match order {
            Order::Follow { ip, port } => {
                let upstream = self.replication.upstream.as_deref();
                let follows = upstream.is_some_and(|upstream| {
                    upstream.core.port == port && upstream.core.host.as_bytes() == ip.as_slice()
                });
                if follows {
                    self.replication.accept_sync(&self.now);
                    return;
                }
                let was_primary = upstream.is_none();
                self.order_follow(keyspace, &ip, port);
                if let Some(upstream) = &mut self.replication.upstream {
                    // No operator has said so: a replica has been elected, perhaps without data.
                    upstream.core.guards_own = was_primary;
                }
            }
            Order::LeaveGroup => self.report_quorum(keyspace, Report::Left),
            Order::TakeOver => {
                self.order_lead(keyspace);
                let group = self.replication.quorum.as_ref();
                if group.is_none_or(|driver| driver.leads()) {
                    self.report_takeover(keyspace, Ok(()));
                }
            }
            Order::Lead => {
                // A node that has taken over its group is the primary already. Otherwise it is an
                // empty primary again, and in no group.
                self.lead_without_group(keyspace);
                // Slots that the former primary has claimed are claimed again, before this node
                // could judge them as another node's.
                self.with_migrations(keyspace, |m, around| m.routes_changed(around));
                self.adopt_kept_slots(keyspace);
                self.drop_foreign_slots(keyspace);
            }
            Order::DropSlots(slots) => self.drop_lost_slots(keyspace, slots),
            Order::LoseSlots(slots) => self.lose_slots(keyspace, slots),
            Order::Flush => self.flush_for_cluster(keyspace),
            _ => {}
        }
    }

    /// Deletes everything: this node belongs to another primary, or to none, from now on.
    fn flush_for_cluster(&mut self, keyspace: &mut Keyspace) {
        self.cancel_save(keyspace);
        self.give_up_sync(keyspace);
        keyspace.flush_all(true);
        // The log and the replicas count the flush.
        keyspace.count_flush();
        self.update_aside_limit(keyspace);
        let words: [&[u8]; 1] = [b"FLUSHALL"];
        keyspace
            .effects
            .record(DbIndex(0), || None, words.into_iter());
        self.flushed_all(keyspace);
    }
}

impl Engine {
    /// Carries out the core's actions on clients, at the end of a turn's work, and deferred
    /// actions.
    pub(crate) fn after_cluster(&mut self) {
        if self.server.cluster.is_none() {
            return;
        }
        self.server.resume_cluster(&mut self.keyspace);
        if let Some(driver) = &mut self.server.cluster
            && !self.server.scripting.is_running()
        {
            let lost = std::mem::take(&mut driver.lost_channels);
            let is_rerouted = std::mem::take(&mut driver.routes_changed);
            if !lost.is_empty() {
                self.drop_shard_channels(&lost);
            }
            if is_rerouted {
                self.redirect_blocked();
            }
            self.serve_surveys();
        }
        self.after_removals();
    }
}

/// Whether keys and role must stay as they are for now.
fn holds_data(scripting: &ScriptState, persist: &Persist) -> bool {
    scripting.is_running() || persist.loading.in_progress()
}

/// Saves the core's state. `true` also if it could not be, and the node is to continue without.
fn save_cluster(driver: &mut ClusterDriver, config: &Config, sync: bool) -> bool {
    let text = driver.core.conf();
    let file = driver.file.as_mut();
    let saved = file.map_or(Ok(()), |file| file.save(text, sync));
    saved.map_or_else(
        |error| {
            let why = system_text(&error);
            tracing::warn!("Failed to save the cluster configuration file: {why}");
            config.cluster_config_save_behavior == ClusterConfigSave::BestEffort
        },
        |()| true,
    )
}

/// The core's settings: from the configuration, and from this process's limit of files.
pub(crate) fn cluster_settings(config: &Config) -> Settings {
    let spare = process::spare_files(config.maxclients);
    Settings {
        strange_links_max: spare.clamp(*STRANGE_LINKS.start(), *STRANGE_LINKS.end()),
        ..Settings::of(config)
    }
}

fn own(
    replication: &Replication,
    persist: &Persist,
    stream: &russet_replication::Stream,
    gates: &Gates,
    keyspace: &Keyspace,
) -> ServerState {
    let upstream = replication.upstream.as_deref();
    let group = replication
        .quorum
        .as_deref()
        .and_then(QuorumDriver::cluster_member);
    let primary = upstream.map(|upstream| {
        let received_ms = if upstream.is_online() {
            upstream.core.received_ms
        } else {
            let core = &upstream.core;
            core.down_since_ms.unwrap_or(core.received_ms)
        };
        Primary {
            is_up: upstream.is_online(),
            received_ms: received_ms as i64,
            is_synced: upstream.core.is_familiar && upstream.core.has_data,
        }
    });
    let replicas = replication.replicas.iter();
    let is_loading = persist.loading.in_progress();
    // The replica's data will be replaced, perhaps by a stream with other offsets, or never was the
    // primary's data. The offset must not make the replica a candidate, and the other nodes hide
    // the replica from clients.
    let is_foreign = primary.is_some_and(|primary| !primary.is_synced);
    let is_replaced =
        is_foreign || upstream.is_some_and(|upstream| is_loading || upstream.core.is_syncing());
    ServerState {
        offset: if is_replaced { 0 } else { stream.offset() },
        primary,
        is_loading,
        is_paused: gates.pause().is_some(),
        // A node that has only kept keys, of slots that are another's, counts as empty.
        is_empty: keyspace.has_only_kept(),
        replicas_online: replicas.filter(|replica| replica.is_online()).count(),
        group,
    }
}
