//! The gate of a cluster node: a command whose keys another node serves is redirected to that node.
//!
//! All keys of a command, and of all commands that EXEC is about to run, must have the same slot.
//! The core decides where that slot is served (`russet_cluster::Cluster::route`); one bit shows a
//! slot that this node serves and that does not move, before any gate ([`runs_here`]).
//!
//! Commands of the primary and of the log were routed where they came from.

use crate::parts::cluster::ClusterDriver;
use std::cell::RefCell;

use crate::clients::blocked::Until;
use crate::clients::client::{Client, ClientFlags};
use crate::execution::gates::{GatedCommand, Stop, has, queues};
use crate::parts::execution::gates::{PAUSED, RUNS_SCRIPT};
use crate::state::Server;
use crate::state::call::Row;
use crate::state::world::{Engine, World};
use russet_cluster::{Keys, Redirect, Request, Viewer};
use russet_command::{Access, CommandError, Facts, Flags};
use russet_config::Dialect;
use russet_keyspace::{ClientId, KeyHash, slot_of};
use russet_net::Address;
use russet_pubsub::Kind;
use russet_resp::Args;

/// The properties of a client that decide which addresses it is shown.
pub(crate) fn viewer(client: &Client, is_resp3: bool) -> Viewer {
    Viewer {
        is_tls: client.flags.contains(ClientFlags::TLS),
        is_ipv6: matches!(&client.identity.local, Address::Tcp(at) if at.ip().to_canonical().is_ipv6()),
        is_resp3,
    }
}

/// The slot of a key, which the hash has if it is that of the key.
#[inline]
fn slot_by(hash: Option<&KeyHash>, key: &[u8]) -> u16 {
    match hash {
        Some(hash) if hash.is_of(key) => hash.slot(),
        _ => slot_of(key),
    }
}

/// Whether the command's arguments are channels of slots.
fn has_channels(row: &Row) -> bool {
    let first = row.spec.keys.first();
    first.is_some_and(|keys| keys.access.contains(Access::NOT_KEY))
}

/// The slot of all keys.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    /// The first key, with its slot.
    pub first: (&'a [u8], u16),
    /// There are others.
    are_several: bool,
    /// The keys are of different slots.
    pub cross: bool,
}

impl<'a> Slots<'a> {
    fn add(slots: &mut Option<Slots<'a>>, key: &'a [u8]) {
        match slots {
            None => {
                *slots = Some(Slots {
                    first: (key, slot_of(key)),
                    are_several: false,
                    cross: false,
                });
            }
            Some(slots) if slots.first.0 != key => {
                slots.are_several = true;
                slots.cross |= slots.first.1 != slot_of(key);
            }
            Some(_) => {}
        }
    }
}

/// SUNSUBSCRIBE: Redis 8.10 takes it anywhere, so that a client may leave a channel whose slot has
/// moved, and several at once; Valkey takes it only at the node that serves the slot.
fn leaves_channels(server: &Server, row: &Row) -> bool {
    server.config.dialect == Dialect::Redis && row.spec.channels.is_none()
}

/// Calls `visit` with each key, or channel of a slot, and whether it is a channel. Arguments
/// without the command's form have none: the handler refuses them.
fn each_key<'a>(server: &Server, row: &Row, args: Args<'a>, mut visit: impl FnMut(&'a [u8], bool)) {
    if has_channels(row) {
        let is_pubsub = row.spec.flags.contains(Flags::PUBSUB);
        if is_pubsub && leaves_channels(server, row) {
            return;
        }
        let channels = row.plan.channels(args);
        channels.for_each(|(at, _)| visit(args.at(at), is_pubsub));
    } else if row.has_keys()
        && let Ok(keys) = row.keys(args)
    {
        keys.for_each(|(at, _)| visit(args.at(at), false));
    }
}

/// Calls `visit` with the keys of a command, or of the commands that EXEC runs.
fn each_asked<'a>(
    (server, client): (&Server, &'a Client),
    asked: &GatedCommand<'a>,
    mut visit: impl FnMut(&'a [u8], bool),
) {
    if !asked.spec.flags.contains(Flags::RUNS_QUEUE) {
        return each_key(server, server.table.row(asked.row), asked.args, visit);
    }
    let queued = client.transaction.as_deref();
    for command in queued.map_or(&[][..], |t| &t.commands) {
        each_key(
            server,
            server.table.row(command.row),
            command.args.args(),
            &mut visit,
        );
    }
}

/// The slot of a command's keys; `None`: it has none. O(keys).
pub(super) fn slots_of<'a>(
    server: &Server,
    client: &'a Client,
    asked: &GatedCommand<'a>,
) -> Option<Slots<'a>> {
    let mut slots = None;
    each_asked((server, client), asked, |key, _| {
        Slots::add(&mut slots, key)
    });
    slots
}

/// Finds the node that serves the command's slot. Returns the slot if this node serves it; `None`:
/// the command has no slot. O(keys).
fn place(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<Option<u16>, Redirect> {
    let is_write = has(world, asked, Flags::WRITE);
    let is_exec = asked.spec.flags.contains(Flags::RUNS_QUEUE);
    let row = world.server.table.row(asked.row);
    // CLUSTERSCAN's cursor has a slot, but is no channel.
    let has_channels = has_channels(row) || is_exec;
    let is_shard_pubsub = has_channels && has(world, asked, Flags::PUBSUB);
    let World {
        keyspace,
        server,
        client,
        script,
        ..
    } = world;
    let (server, client) = (&**server, &**client);
    let (Some(slots), Some(cluster)) = (slots_of(server, client, asked), &server.cluster) else {
        return Ok(None);
    };
    let caller = script.map_or(client, |script| script.caller.0);
    if slots.cross {
        return Err(Redirect::CrossSlot);
    }
    let slot = slots.first.1;
    let keyspace = RefCell::new(&mut **keyspace);
    let keys = || {
        let (mut present, mut missing) = (false, false);
        each_asked((server, client), asked, |key, is_channel| {
            // A channel's messages are sent to this node until the slot is gone, whatever keys the
            // slot has.
            if is_channel {
                return;
            }
            let is_here = keyspace.borrow_mut().db(client.db).peek_exists(key);
            *(if is_here { &mut present } else { &mut missing }) = true;
        });
        match (present, missing) {
            (_, false) => Keys::All,
            (true, true) => Keys::Some,
            (false, true) => Keys::None,
        }
    };
    let request = Request {
        slot,
        is_write,
        is_shard_pubsub,
        is_asking: caller.flags.contains(ClientFlags::ASKING)
            || asked.spec.flags.contains(Flags::ASKING),
        is_readonly: caller.flags.contains(ClientFlags::READS_HERE),
        is_migrate: asked.spec.facts.contains(Facts::MOVES_KEYS),
        has_several_keys: slots.are_several,
        keys: &keys,
    };
    cluster.core.route(&request).map(|()| Some(slot))
}

/// See the module.
pub(super) fn routed(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let caller = world
        .script
        .map_or(&*world.client, |script| script.caller.0);
    let is_obeyed = ClientFlags::PRIMARY | ClientFlags::FAKE;
    if world.server.cluster.is_none() || caller.flags.intersects(is_obeyed) {
        return Ok(());
    }
    match place(world, asked) {
        Ok(slot) => in_declared_slot(world, slot),
        Err(redirect) => {
            let error = match world.script {
                Some(_) => refused_in_script(world, asked, redirect),
                None => redirected(world.server, world.client, redirect),
            };
            Err(Stop::Elsewhere(error))
        }
    }
}

/// Whether the command would write to a slot that another node takes over. A command that names
/// no key may write to any slot.
pub(super) fn is_held(world: &World<'_>, asked: &GatedCommand<'_>) -> bool {
    let exempt = ClientFlags::PRIMARY | ClientFlags::FAKE | ClientFlags::SENDS_SLOTS;
    let (server, client) = (&*world.server, &*world.client);
    let is_kept = queues(client, asked.spec);
    if is_kept || client.flags.intersects(exempt) || !has(world, asked, PAUSED) {
        return false;
    }
    match slots_of(server, client, asked) {
        Some(slots) => server.gates.held_slots.has(slots.first.1),
        None => has(world, asked, Flags::WRITE | RUNS_SCRIPT),
    }
}

/// The error line of a redirect.
fn redirected(server: &Server, client: &Client, redirect: Redirect) -> CommandError {
    let viewer = viewer(client, false);
    let line = server
        .cluster
        .as_ref()
        .map(|cluster| cluster.core.redirect_line(redirect, viewer));
    CommandError::Bytes(line.unwrap_or_default())
}

const NOT_LOCAL: &str = "access a non local key in a cluster node";

/// The error of a script's command that does not run here.
fn refused_in_script(
    world: &World<'_>,
    asked: &GatedCommand<'_>,
    redirect: Redirect,
) -> CommandError {
    let dialect = world.server.config.dialect;
    let what = match redirect {
        Redirect::DownForWrites => "execute a write command while the cluster is down and readonly",
        Redirect::Down => "execute a command while the cluster is down",
        Redirect::CrossSlot if dialect.names_slots_in_script() => {
            let name = world.server.table.row(asked.row).full_name;
            return CommandError::owned(format!(
                "ERR Command '{name}' in script attempted to access keys that don't hash to the same \
                 slot"
            ));
        }
        Redirect::Unbound if dialect.names_slots_in_script() => "access a slot not served",
        _ => NOT_LOCAL,
    };
    let tried = dialect.script_attempted();
    CommandError::owned(format!("ERR {tried} to {what}"))
}

/// A script that has not declared that it may use several slots stays in the slot of its declared
/// keys, or of the first key that it uses.
fn in_declared_slot(world: &World<'_>, slot: Option<u16>) -> Result<(), Stop> {
    let (Some(script), Some(slot)) = (world.script, slot) else {
        return Ok(());
    };
    if script.limits.crosses_slots {
        return Ok(());
    }
    let its = script.slot.get().unwrap_or(slot);
    script.slot.set(Some(its));
    if its == slot {
        return Ok(());
    }
    let dialect = world.server.config.dialect;
    let tried = dialect.script_attempted();
    let what = if dialect.names_slots_in_script() {
        "access keys that do not hash to the same slot"
    } else {
        NOT_LOCAL
    };
    let error = CommandError::owned(format!("ERR {tried} to {what}"));
    Err(Stop::Elsewhere(error))
}

/// The slot of the keys that a command that runs a script declares.
pub(crate) fn declared_slot(server: &Server, keys: Args<'_>) -> Option<u16> {
    server.cluster.as_ref()?;
    keys.iter().next().map(slot_of)
}

impl Engine {
    /// Routes have changed: redirects clients that wait for keys of slots that this node does not
    /// serve any more. O(blocked clients).
    pub(crate) fn redirect_blocked(&mut self) {
        let Some(cluster) = &self.server.cluster else {
            return;
        };
        let mut reported = Vec::new();
        for session in self.server.clients.iter() {
            let client = &session.client;
            let Some(blocked) = client.blocked.as_deref() else {
                continue;
            };
            if !matches!(blocked.until, Until::Keys { .. }) {
                continue;
            }
            let Some(key) = blocked.keys().first() else {
                continue;
            };
            let spec = self.server.table.row(blocked.row).spec;
            let request = Request {
                slot: slot_of(key),
                is_write: spec.flags.contains(Flags::WRITE),
                is_shard_pubsub: false,
                // The command was admitted when it came: it waits on this node even for keys that
                // move meanwhile.
                is_asking: true,
                is_readonly: client.flags.contains(ClientFlags::READS_HERE),
                is_migrate: false,
                has_several_keys: false,
                keys: &|| Keys::All,
            };
            if let Err(redirect) = cluster.core.route(&request) {
                reported.push((client.id, redirected(&self.server, client, redirect)));
            }
        }
        for (id, error) in reported {
            self.server
                .unblock_client(&mut self.keyspace, id, Some(&error));
        }
    }

    /// Ends the subscriptions to shard channels of slots (first, last) that are served elsewhere,
    /// and notifies each client as SUNSUBSCRIBE does. O(shard channels).
    pub(crate) fn drop_shard_channels(&mut self, slots: &[(u16, u16)]) {
        let is_lost = |name: &[u8]| {
            let slot = slot_of(name);
            slots
                .iter()
                .any(|range| (range.0..=range.1).contains(&slot))
        };
        let pubsub = &self.server.messages.pubsub;
        let names = pubsub.names(Kind::Shard).filter(|name| is_lost(name));
        let mut lost: Vec<(ClientId, russet_pubsub::Name)> = Vec::new();
        for name in names {
            let clients = pubsub.subscribers(Kind::Shard, name);
            lost.extend(clients.iter().map(|id| (*id, name.clone())));
        }
        for (id, name) in lost {
            let Some(mut session) = self.server.clients.take(id) else {
                continue;
            };
            let mut world = self.world(&mut session);
            world.unsubscribe(Kind::Shard, std::iter::once(&*name));
            self.server.put_back(session);
        }
    }
}

/// See [`runs_here`].
fn runs_all_here(cluster: &ClusterDriver, row: &Row, args: Args<'_>, hashes: &[KeyHash]) -> bool {
    let Ok(mut keys) = row.keys(args) else {
        return false;
    };
    let mut hashes = hashes.iter();
    let Some((first, _)) = keys.next() else {
        return true;
    };
    let slot = slot_by(hashes.next(), args.at(first));
    cluster.core.serves(slot) && keys.all(|(at, _)| slot_by(hashes.next(), args.at(at)) == slot)
}

/// Whether a command needs no routing: this is no cluster node, the command has no keys, or all
/// keys have the same slot, which this node serves and which does not move. `hashes` may have the
/// hashes of the keys. O(keys).
#[inline(always)]
pub(crate) fn runs_here(
    cluster: Option<&ClusterDriver>,
    row: &Row,
    args: Args<'_>,
    hashes: &[KeyHash],
) -> bool {
    cluster.is_none_or(|cluster| node_serves(cluster, row, args, hashes))
}

/// See [`runs_here`].
#[inline(never)]
fn node_serves(cluster: &ClusterDriver, row: &Row, args: Args<'_>, hashes: &[KeyHash]) -> bool {
    if let Some(at) = row.plan.only_key_at() {
        return cluster.core.serves(slot_by(hashes.first(), args.at(at)));
    }
    if has_channels(row) || row.spec.flags.contains(Flags::RUNS_QUEUE) {
        return false;
    }
    !row.has_keys() || runs_all_here(cluster, row, args, hashes)
}
