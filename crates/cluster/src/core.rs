//! The state of a node, and its events.
//!
//! Each call of the driver begins an event: `begin` takes the event's time, the event gathers its
//! consequences in `PendingChanges`, and `end` acts on them once: health, lost shard channels,
//! routes.
//!
//! Invariants
//!   1. No clock is read here: `now` is the time of the event under way.
//!   2. After `end` a slot is in `served` only if its commands run here without a question
//!      (`route`).
//!   3. A save syncs the file only if a part that no crash may take back has changed
//!      (`DurableState`).
//!
//! Cost: a tick visits each node, and sends the greetings that are due.
//!
//! Elsewhere: messages (`receive`, `send`), a tick's work for each node (`heartbeat`), elections
//! (`election`, `votes`), the order of actions around a save (`actions`).

use super::actions::{Action, Order, Outbox};
use super::bus::link::Links;
use super::bus::secret::Secrets;
use super::conf::NodesConf;
use super::failover::state::{Election, GossipedNodes, Health, Manual};
use super::membership::blacklist::Blacklist;
use super::membership::nodes::{ClusterNode, ME, NodeIndex, Nodes};
use super::membership::strangers::Lines;
use super::membership::tokens::Members;
use super::message::{Ip, NodeFlags, NodeId};
use super::ownership::slots::Owners;
use super::ownership::viewer::Viewer;
use super::settings::Settings;
use super::stats::Stats;
use russet_base::numbers::ranges;
use russet_config::Dialect;
use russet_host::{Event, Level, LinkId, Machine, Now, Random};

/// The period of `Cluster::tick`.
pub const TICK_MS: u64 = 100;

/// This server as a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary {
    /// The link follows the stream.
    pub is_up: bool,
    /// When data last came by it while it was up, or when it went down; monotonic.
    pub received_ms: i64,
    /// The data is this primary's: the link has been up since it is followed, and no copy has begun
    /// to replace that data.
    pub is_synced: bool,
}

/// This server as a member of a replication group whose failovers lose no acknowledged write
/// (`sync-quorum`). The shard's nodes are the group; its promises, not the votes, decide who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The group may follow this node: it is a member with whole data.
    pub may_lead: bool,
    /// The group has other members, which count on this node: it may not leave the shard.
    pub is_bound: bool,
    /// Since when the primary has refused to lead this node; monotonic milliseconds.
    pub unled_since_ms: Option<i64>,
}

/// This server's state, which the driver reports before each tick, and before a call that depends
/// on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// The replication offset; a replica's is the offset of the last effect that it has applied.
    pub offset: u64,
    /// `None`: this server is a primary.
    pub primary: Option<Primary>,
    /// Data is being loaded from disk.
    pub is_loading: bool,
    /// Writes are paused until then (by CLIENT PAUSE or for a failover), and no replication PING
    /// leaves.
    pub is_paused: bool,
    /// No key in any database.
    pub is_empty: bool,
    /// Replicas that are in sync, for Valkey's SETSLOT.
    pub replicas_online: usize,
    /// `None`: a role that the cluster gives takes effect at once.
    pub group: Option<GroupMember>,
}

/// The condition for sending a command's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyCondition {
    /// Nothing.
    Send,
    /// The state must be saved. If that fails, these bytes are the reply.
    Persist {
        /// The RESP reply in place of the command's own, if saving fails.
        otherwise: Vec<u8>,
    },
    /// Valkey: the replicas must have the command first. Propagate it, and call again with
    /// `Host::is_acknowledged` when a replica has acknowledged it; after the time the reply is
    /// `NOREPLICAS`.
    Acknowledged {
        /// Milliseconds to wait for a replica.
        timeout_ms: i64,
    },
}

/// The client and the server around, as a command needs them.
pub struct Host<'h> {
    /// The connection of the client, which decides the addresses in its replies.
    pub viewer: Viewer,
    /// The keys of a slot, in all databases.
    pub keys_in_slot: &'h dyn Fn(u16) -> usize,
    /// Bytes (allocated, used) that a link has not sent yet, for CLUSTER LINKS.
    pub unsent: &'h dyn Fn(LinkId) -> (usize, usize),
    /// The command comes by the replication stream.
    pub is_from_primary: bool,
    /// The client can wait for replicas: it is in no transaction, and no script.
    pub may_wait: bool,
    /// See [`ReplyCondition::Acknowledged`].
    pub is_acknowledged: bool,
}

/// Switches of DEBUG, for tests of the server.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    /// Drop messages of this kind; -1: none, -2: all.
    pub drop_kind: i32,
    /// Close the link of a dropped message.
    pub close_on_drop: bool,
    /// DEBUG: greet no node at random.
    pub no_random_ping: bool,
    /// DEBUG: dial no node whose link is down.
    pub no_reconnection: bool,
}

/// Changes of the event under way, acted on once at its end.
#[derive(Debug, Default)]
pub(super) struct PendingChanges {
    /// The cluster may have become well, or have ceased to be.
    pub health: bool,
    /// The owners of slots, or the addresses in replies.
    pub(crate) routes: bool,
    /// The file, in a part that other nodes would announce again if it were lost: the next tick
    /// saves it.
    pub file: bool,
    /// Slots that this node, or its primary, has given up: their shard channels are not served here
    /// any more.
    pub channels: Vec<u16>,
}

/// The part of the file that is synced before anything leaves; the rest need only be written.
#[derive(Debug, PartialEq, Eq)]
struct DurableState {
    id: NodeId,
    current_epoch: u64,
    last_vote_epoch: u64,
    config_epoch: u64,
    /// A replica that came back as a primary, without the owners of the slots whose keys it has,
    /// would take those slots.
    primary: Option<NodeId>,
    /// See `Owners`.
    gains: u64,
}

/// See the module.
pub struct Cluster {
    /// The slots whose commands run here without a question; see [`Cluster::serves`].
    pub(super) served: Box<[u64; 256]>,
    pub(super) now: Now,
    pub(super) settings: Settings,
    pub(super) own: ServerState,
    pub(super) random: Random,
    pub(super) out: Outbox,
    pub(super) nodes: Nodes,
    pub(super) owners: Owners,
    pub(super) links: Links,
    pub(super) blacklist: Blacklist,
    pub(super) members: Members,
    pub(super) gossiped: GossipedNodes,
    pub(super) lines: Lines,
    /// The number of voters as last counted, and in which event; see `voters_now`.
    counted: Option<(u64, usize)>,
    events: u64,
    /// Where the walk of ticks over the nodes begins: where the last walk could open no more links.
    pub(super) walk_from: usize,
    pub(super) current_epoch: u64,
    pub(super) last_vote_epoch: u64,
    pub(super) health: Health,
    pub(super) election: Election,
    pub(super) manual: Manual,
    pub(super) stats: Stats,
    /// The secrets of internal clients.
    pub(super) secrets: Secrets,
    pub(super) switches: Switches,
    pub(super) changed: PendingChanges,
    pub(super) ticks: u64,
    /// When a change of our own slots or epoch was last announced, and whether one waits for the
    /// next tick.
    pub(super) announced: i64,
    pub(super) has_news: bool,
    last_tick: i64,
    next_tick: i64,
    /// The state that was synced last, and the state that the save under way syncs.
    synced: Option<DurableState>,
    syncing: Option<DurableState>,
    pub(super) slots_replies: super::commands::SlotsReplies,
    /// See [`Cluster::take_is_for_replicas`].
    pub(super) is_for_replicas: bool,
}

impl Cluster {
    /// Starts as the node that nodes.conf describes, and queues the first actions. `seed` decides
    /// every choice that is left to chance.
    pub fn new(saved: NodesConf, settings: Settings, seed: u64, now: Now) -> Cluster {
        let mut random = Random(seed);
        let secrets = Secrets::new(&mut random);
        let members = Members::new(saved.token_key, now.monotonic_ms);
        let me = ClusterNode::new(
            NodeId::drawn(&mut random),
            NodeId::drawn(&mut random),
            NodeFlags::MYSELF | NodeFlags::PRIMARY,
            now.monotonic_ms,
        );
        let mut cluster = Cluster {
            served: Box::new([0; 256]),
            now,
            own: ServerState::default(),
            random,
            out: Outbox::silent_unless_saved(),
            nodes: Nodes::new(me),
            owners: Owners::new(),
            links: Links::default(),
            blacklist: Blacklist::default(),
            members,
            gossiped: GossipedNodes::default(),
            lines: Lines::default(),
            counted: None,
            events: 0,
            walk_from: 0,
            current_epoch: 0,
            last_vote_epoch: 0,
            health: Health::new(now.monotonic_ms),
            election: Election::default(),
            manual: Manual::default(),
            stats: Stats::default(),
            secrets,
            switches: Switches {
                drop_kind: -1,
                close_on_drop: false,
                no_random_ping: false,
                no_reconnection: false,
            },
            changed: PendingChanges::default(),
            announced: 0,
            has_news: false,
            ticks: 0,
            last_tick: now.monotonic_ms,
            next_tick: now.monotonic_ms,
            synced: None,
            syncing: None,
            slots_replies: super::commands::SlotsReplies::default(),
            is_for_replicas: false,
            settings: Settings::default(),
        };
        cluster.restore(saved);
        cluster.set_settings(now, settings);
        cluster.follow_primary();
        cluster.save();
        cluster.changed.routes = true;
        cluster.end();
        cluster
    }

    /// The outcome of the save under way.
    pub fn persisted(&mut self, now: Now, is_saved: bool) {
        self.begin(now);
        if !is_saved && !self.out.has_failed() {
            self.warn(
                "The state cannot be saved: this node is silent on the bus, and serves nothing, until it can \
                 be"
                .into(),
            );
        }
        self.changed.health |= is_saved == self.out.has_failed();
        let syncing = self.syncing.take();
        if is_saved && syncing.is_some() {
            self.synced = syncing;
        }
        self.out.persisted(is_saved);
    }

    /// Everything decided so far is on disk.
    pub fn is_saved(&self) -> bool {
        self.out.is_saved()
    }

    /// Whether the last command must go to the replicas too, which did not have it before. Asked
    /// once.
    pub fn take_is_for_replicas(&mut self) -> bool {
        // A node that has given up its last slot is a replica now, and has no replicas.
        std::mem::take(&mut self.is_for_replicas) && self.me().is_primary()
    }

    /// The configuration has changed.
    pub fn set_settings(&mut self, now: Now, settings: Settings) {
        self.begin(now);
        let was_announced = !self.settings.announce_ip.is_empty();
        self.settings = settings;
        if was_announced && self.settings.announce_ip.is_empty() {
            // The next node that dials us shows our address again.
            self.nodes[ME].address.ip = Ip::default();
            self.save_soon();
        }
        self.name_me();
        self.changed.health = true;
        self.changed.routes = true;
        self.end();
    }

    /// Takes this server's state; see [`ServerState`].
    pub fn own(&mut self, now: Now, own: ServerState) {
        self.begin(now);
        let me = &mut self.nodes[ME];
        // Replies name a replica once it has an offset.
        self.changed.routes |= (me.offset == 0) != (own.offset == 0);
        me.offset = own.offset;
        let may_lead = |own: &ServerState| own.group.is_none_or(|group| group.may_lead);
        let is_renamed = may_lead(&self.own) != may_lead(&own);
        self.own = own;
        if is_renamed {
            self.name_me();
        }
        self.end();
    }

    /// The timer's event, expected every [`TICK_MS`]: greetings, timeouts, elections, saving.
    pub fn tick(&mut self, now: Now) {
        let stood_ms = now.monotonic_ms - self.last_tick;
        self.begin(now);
        self.last_tick = now.monotonic_ms;
        self.next_tick = now.monotonic_ms + TICK_MS as i64;
        self.ticks += 1;
        self.judge_standstill(stood_ms);
        let is_synced = self.owners.vital_gains == self.owners.gains;
        self.owners.vital_gains = self.owners.gains;
        if self.out.has_failed() || self.changed.file || !is_synced {
            self.save();
        }
        self.blacklist.expire(self.now.monotonic_ms);
        self.tend_strangers();
        self.tend_reports();
        if std::mem::take(&mut self.has_news) {
            self.announce(false);
        }
        self.tend_nodes();
        self.tend_members();
        self.check_manual();
        if self.nodes[ME].is_replica() {
            self.try_manual();
            self.try_election();
            self.try_migration();
        }
        self.changed.health |= !self.health.is_ok;
        self.end();
    }

    /// Begins an event.
    pub(super) fn begin(&mut self, now: Now) {
        self.now = now;
        self.events += 1;
    }

    /// Ends an event: acts on its changes.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.changed.health) {
            self.judge_health();
        }
        let mut lost = std::mem::take(&mut self.changed.channels);
        if !lost.is_empty() {
            lost.sort_unstable();
            lost.dedup();
            self.out.push(Order::DropShardChannels(ranges(lost)));
        }
        if std::mem::take(&mut self.changed.routes) {
            self.update_served();
            self.slots_replies.clear();
            self.out.push(Order::RoutesChanged);
        }
    }

    pub(super) fn ms(&self) -> i64 {
        self.now.monotonic_ms
    }

    /// A moment of the monotonic clock as users and other nodes see it.
    pub(super) fn wall_of(&self, monotonic_ms: i64) -> i64 {
        monotonic_ms - self.now.monotonic_ms + self.now.wall_ms
    }

    pub(super) fn me(&self) -> &ClusterNode {
        &self.nodes[ME]
    }

    pub(super) fn is_valkey(&self) -> bool {
        self.settings.dialect == Dialect::Valkey
    }

    /// Saves a change before anything else leaves.
    pub(super) fn save(&mut self) {
        self.changed.file = false;
        self.out.persist();
    }

    /// Saves a change with the next tick: if it is lost before, other nodes announce it again.
    pub(super) fn save_soon(&mut self) {
        self.changed.file = true;
    }

    /// The state that no crash of the machine may take back, once it has left.
    fn vital(&self) -> DurableState {
        DurableState {
            id: self.me().id,
            current_epoch: self.current_epoch,
            last_vote_epoch: self.last_vote_epoch,
            config_epoch: self.me().config_epoch,
            primary: self.me().primary.map(|at| self.nodes[at].id),
            gains: self.owners.vital_gains,
        }
    }

    pub(super) fn log(&mut self, level: Level, text: String) {
        self.out.log(level, text);
    }

    pub(super) fn note(&mut self, text: String) {
        self.log(Level::Notice, text);
    }

    pub(super) fn warn(&mut self, text: String) {
        self.log(Level::Warning, text);
    }

    /// A node for the log: the id, and the human name, if any.
    pub(super) fn called(&self, at: NodeIndex) -> String {
        let node = &self.nodes[at];
        format!(
            "{} ({})",
            node.id,
            String::from_utf8_lossy(&node.names.human)
        )
    }

    /// The number of primaries with slots: a majority of them decides.
    pub(super) fn voters(&self) -> usize {
        self.nodes
            .iter()
            .filter(|(_, node)| node.is_voter())
            .count()
    }

    /// As `voters`, but counted once in an event that changes no role and no slot.
    pub(super) fn voters_now(&mut self) -> usize {
        let is_known = |(event, _): &(u64, usize)| *event == self.events && !self.changed.routes;
        if let Some((_, voters)) = self.counted.filter(is_known) {
            return voters;
        }
        let voters = self.voters();
        self.counted = (!self.changed.routes).then_some((self.events, voters));
        voters
    }

    /// Takes this node's addresses, names and flags from the configuration.
    fn name_me(&mut self) {
        let settings = &self.settings;
        let announced = |port: u16, otherwise: u16| if port == 0 { otherwise } else { port };
        let port = announced(settings.announce_port, settings.port);
        let tls_port = announced(settings.announce_tls_port, settings.tls_port);
        let base = if settings.tls_cluster {
            settings.tls_port
        } else {
            settings.port
        };
        let bus_port = announced(settings.bus_port, base.saturating_add(10_000));
        let bus_port = announced(settings.announce_bus_port, bus_port);
        let ip = Ip::parse(&settings.announce_ip).unwrap_or_default();
        let names = super::membership::nodes::Names {
            hostname: settings.announce_hostname.clone(),
            human: settings.announce_human_nodename.clone(),
            client_ipv4: settings.announce_client_ipv4.clone(),
            client_ipv6: settings.announce_client_ipv6.clone(),
            client_port: settings.announce_client_port,
            client_tls_port: settings.announce_client_tls_port,
            zone: settings.availability_zone.clone(),
        };
        // Foreign replicas and voters pass over a node that its group would not follow.
        let is_unfit = self.own.group.is_some_and(|group| !group.may_lead);
        let no_failover = settings.replica_no_failover || is_unfit;
        let me = &mut self.nodes[ME];
        let former = (me.address, me.names.clone(), me.flags);
        if !ip.is_empty() {
            me.address.ip = ip;
        }
        (me.address.port, me.address.tls_port, me.address.bus_port) = (port, tls_port, bus_port);
        me.names = names;
        me.flags.set(NodeFlags::NO_FAILOVER, no_failover);
        if former != (me.address, me.names.clone(), me.flags) {
            self.save();
        }
    }
}

impl Machine for Cluster {
    type Context<'a> = ();
    type Order = Order;

    fn event(&mut self, now: Now, (): &(), event: Event<'_>) {
        match event {
            Event::Tick => self.tick(now),
            Event::Opened { link, local_ip } => self.opened(now, link, local_ip),
            Event::Refused { link, why } => self.refused(now, link, why),
            Event::Received { link, bytes, .. } => self.received(now, link, bytes),
            Event::Closed { link, by_limit } => self.closed(now, link, by_limit),
            Event::Persisted { is_saved } => self.persisted(now, is_saved),
            // A cluster node asks for no name.
            Event::Resolved { .. } => {}
        }
    }

    fn accept(&mut self, now: Now, peer_ip: &[u8], local_ip: &[u8]) -> Option<LinkId> {
        self.accepted(now, peer_ip, local_ip)
    }

    fn due_ms(&self) -> Option<i64> {
        Some(self.next_tick)
    }

    fn pop(&mut self) -> Option<Action> {
        let action = self.out.pop()?;
        if let Action::Persist { .. } = action {
            let vital = self.vital();
            let sync = self.synced.as_ref() != Some(&vital);
            self.syncing = sync.then_some(vital);
            return Some(Action::Persist { sync });
        }
        Some(action)
    }
}
