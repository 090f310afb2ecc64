//! The pubsub commands: subscribing, publishing, inspecting subscriptions.
//!
//! A subscription belongs to a client and ends with the connection. A shard channel has a slot,
//! like a key, but is no key. Subscribing replies a message for each name, in RESP3 as pushes.
//!
//! PUBLISH delivers within the command; a client's copy waits in the client's output buffer. In a
//! cluster the bus carries the message to the other nodes, otherwise the stream to the replicas;
//! the append only file never has it.
//!
//! Decided elsewhere: channels and patterns: `russet_pubsub`; ACL of channels: the gates, by the
//! row's `channels`.

mod inspect;

use russet_base::glob;
use russet_command::{Access, Arity, ChannelUse, CommandError, Facts, Flags, KeySpec};
use russet_pubsub::Kind;
use russet_server::{Call, CommandResult, Spec};

pub(super) static SPECS: &[Spec] = &[
    PSUBSCRIBE,
    PUBLISH,
    inspect::PUBSUB,
    PUNSUBSCRIBE,
    SPUBLISH,
    SSUBSCRIBE,
    SUBSCRIBE,
    SUNSUBSCRIBE,
    UNSUBSCRIBE,
];

/// Common flags of the subscription commands; a Sentinel has no shard channels.
const LISTENING: Flags = Flags::PUBSUB
    .union(Flags::NOSCRIPT)
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::PUBSUB_CONTEXT);
const LISTENING_TO_EVENTS: Flags = LISTENING.union(Flags::SENTINEL);
/// A subscription takes memory.
const SUBSCRIBING: Flags = LISTENING.union(Flags::DENYOOM);
const SUBSCRIBING_TO_EVENTS: Flags = SUBSCRIBING.union(Flags::SENTINEL);
const PUBLISHING: Flags = Flags::PUBSUB
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::MAY_REPLICATE);
/// A shard channel maps to a slot like a key, but is not a key.
const SHARDS: &[KeySpec] = &[KeySpec::range(1, -1, 1, Access::NOT_KEY)];
const SHARD: &[KeySpec] = &[KeySpec::one(1, Access::NOT_KEY)];

const SUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: SUBSCRIBING_TO_EVENTS,
    channels: Some(ChannelUse::Subscribes),
    facts: Facts::NOT_IN_CONSOLE.union(Facts::SHOWS),
    ..Spec::new("subscribe", |call| subscribe(call, Kind::Channel))
};

const PSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: SUBSCRIBING_TO_EVENTS,
    channels: Some(ChannelUse::SubscribesPatterns),
    facts: Facts::NOT_IN_CONSOLE.union(Facts::SHOWS),
    ..Spec::new("psubscribe", |call| subscribe(call, Kind::Pattern))
};

const SSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: SUBSCRIBING,
    keys: SHARDS,
    channels: Some(ChannelUse::Subscribes),
    facts: Facts::NOT_IN_CONSOLE.union(Facts::SHOWS),
    ..Spec::new("ssubscribe", |call| subscribe(call, Kind::Shard))
};

/// `SUBSCRIBE channel ...`, `PSUBSCRIBE pattern ...`, `SSUBSCRIBE shardchannel ...`.
///
/// Reply: a message per name (push in RESP3): the word, the name, the client's number of
/// subscriptions now. O(names).
fn subscribe(call: &mut Call<'_>, kind: Kind) -> CommandResult {
    let args = call.args;
    // In a transaction the client could subscribe, at EXEC, to a channel whose slot is not the slot
    // of the other commands: all servers refuse this.
    if kind == Kind::Shard && !call.may_block() {
        const NOT_HERE: &str = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client";
        return Err(CommandError::Text(NOT_HERE));
    }
    if kind == Kind::Pattern {
        args.from(1).iter().try_for_each(glob::check)?;
    }
    let mut world = call.world();
    for name in args.from(1).iter() {
        world.subscribe(kind, name);
    }
    Ok(())
}

const UNSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: LISTENING_TO_EVENTS,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("unsubscribe", |call| unsubscribe(call, Kind::Channel))
};

const PUNSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: LISTENING_TO_EVENTS,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("punsubscribe", |call| unsubscribe(call, Kind::Pattern))
};

const SUNSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: LISTENING,
    keys: SHARDS,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("sunsubscribe", |call| unsubscribe(call, Kind::Shard))
};

/// `UNSUBSCRIBE [channel ...]`, `PUNSUBSCRIBE [pattern ...]`, `SUNSUBSCRIBE
/// [shardchannel ...]`; without names, from all of the kind.
///
/// Reply: as for [`subscribe`]; one message with a null name if there was no subscription.
fn unsubscribe(call: &mut Call<'_>, kind: Kind) -> CommandResult {
    let args = call.args;
    call.world().unsubscribe(kind, args.from(1).iter());
    Ok(())
}

const PUBLISH: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: PUBLISHING.union(Flags::SENTINEL),
    channels: Some(ChannelUse::Publishes),
    ..Spec::new("publish", |call| publish(call, Kind::Channel))
};

const SPUBLISH: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: PUBLISHING,
    keys: SHARD,
    channels: Some(ChannelUse::Publishes),
    ..Spec::new("spublish", |call| publish(call, Kind::Shard))
};

/// `PUBLISH channel message`, `SPUBLISH shardchannel message`.
///
/// Reply: the number of deliveries; a client counts once for the channel and once for each matching
/// pattern of the client. O(receivers + patterns that share a prefix with the channel). Propagated
/// to replicas, but not written to the append only file. A Sentinel only takes hellos of other
/// Sentinels.
fn publish(call: &mut Call<'_>, kind: Kind) -> CommandResult {
    let (channel, text) = (call.args.at(1), call.args.at(2));
    if call.server.is_sentinel() {
        call.server.receive_hello(channel, text, call.reply);
        return Ok(());
    }
    let receivers = call.server.publish(kind, channel, text);
    call.reply.int(receivers as i64);
    // All nodes of a cluster, replicas too, receive it from the bus.
    if call.publish_on_bus(kind, channel, text) {
        call.no_effect()
    } else {
        call.effect_for_replicas()
    }
    Ok(())
}

/// The error for several arguments to a subcommand.
fn too_many(call: &Call<'_>) -> CommandError {
    crate::help::misused(call.args)
}
