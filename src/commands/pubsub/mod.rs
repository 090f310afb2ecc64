//! The pubsub commands: who listens, what is published, and who listens to what.

pub(super) mod docs;
mod inspect;

use crate::base::glob;
use crate::command::{Access, Arity, ChannelUse, CommandError, Flags, KeySpec};
use crate::pubsub::Kind;
use crate::server::{Call, CommandResult, Spec};

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

/// What commands of a client's own subscriptions share.
const LISTENING: Flags = Flags::PUBSUB
    .union(Flags::NOSCRIPT)
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::SENTINEL)
    .union(Flags::PUBSUB_CONTEXT);
const PUBLISHING: Flags = Flags::PUBSUB
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::MAY_REPLICATE);
/// A shard channel belongs to a slot as a key does, and is none.
const SHARDS: &[KeySpec] = &[KeySpec::range(1, -1, 1, Access::NOT_KEY)];
const SHARD: &[KeySpec] = &[KeySpec::one(1, Access::NOT_KEY)];

const SUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: LISTENING,
    channels: Some(ChannelUse::Subscribes),
    ..Spec::new("subscribe", |call| subscribe(call, Kind::Channel))
};

const PSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: LISTENING,
    channels: Some(ChannelUse::SubscribesPatterns),
    ..Spec::new("psubscribe", |call| subscribe(call, Kind::Pattern))
};

const SSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: LISTENING,
    keys: SHARDS,
    channels: Some(ChannelUse::Subscribes),
    ..Spec::new("ssubscribe", |call| subscribe(call, Kind::Shard))
};

/// `SUBSCRIBE channel ...`, `PSUBSCRIBE pattern ...`, `SSUBSCRIBE shardchannel ...`.
///
/// Reply: for each name a message of its own (push in RESP3): the word, the name, to how many
/// the client listens now. O(names).
fn subscribe(call: &mut Call<'_>, kind: Kind) -> CommandResult {
    let args = call.args;
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
    flags: LISTENING,
    ..Spec::new("unsubscribe", |call| unsubscribe(call, Kind::Channel))
};

const PUNSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: LISTENING,
    ..Spec::new("punsubscribe", |call| unsubscribe(call, Kind::Pattern))
};

const SUNSUBSCRIBE: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: LISTENING,
    keys: SHARDS,
    ..Spec::new("sunsubscribe", |call| unsubscribe(call, Kind::Shard))
};

/// `UNSUBSCRIBE [channel ...]`, `PUNSUBSCRIBE [pattern ...]`, `SUNSUBSCRIBE
/// [shardchannel ...]`; without names all of the kind.
///
/// Reply: as [`subscribe`]'s; a single message with a null name where there was none.
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
/// Reply: how many clients got it; one that listens to the channel and to patterns that
/// match counts as often as it gets the message. O(receivers + patterns that begin as the
/// channel does). It is repeated to replicas; the append only file has no messages.
fn publish(call: &mut Call<'_>, kind: Kind) -> CommandResult {
    let (channel, text) = (call.args.at(1), call.args.at(2));
    let receivers = call.server.publish(kind, channel, text);
    call.reply.int(receivers as i64);
    call.effect_for_replicas();
    Ok(())
}

/// A subcommand with one optional argument was given more.
fn too_many(call: &Call<'_>) -> CommandError {
    crate::commands::help::misused(call.args)
}
