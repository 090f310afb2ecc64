//! PUBSUB: channels and patterns with subscribers, and their numbers.

use super::too_many;
use crate::help;
use russet_base::glob;
use russet_command::{Arity, Facts, Flags};
use russet_pubsub::{Kind, Name};
use russet_server::{Call, CommandResult, Spec};

const FLAGS: Flags = Flags::PUBSUB.union(Flags::LOADING).union(Flags::STALE);

pub(super) const PUBSUB: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[CHANNELS, HELP, NUMPAT, NUMSUB, SHARDCHANNELS, SHARDNUMSUB],
    facts: Facts::SHOWS,
    ..Spec::new("pubsub", write_help)
};

const HELP: Spec = help::row(write_help);

/// `PUBSUB HELP`.
fn write_help(call: &mut Call<'_>) -> CommandResult {
    help::write_help(
        call,
        &[
            "CHANNELS [<pattern>]",
            "    The channels that somebody listens to, all or those that match.",
            "NUMPAT",
            "    How many patterns somebody listens to.",
            "NUMSUB [<channel> ...]",
            "    How many clients listen to each channel; patterns do not count.",
            "SHARDCHANNELS [<pattern>]",
            "    As CHANNELS, of shard channels.",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    As NUMSUB, of shard channels.",
        ],
    );
    Ok(())
}

const CHANNELS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    ..Spec::new("channels", |call| channels(call, Kind::Channel))
};

const SHARDCHANNELS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    ..Spec::new("shardchannels", |call| channels(call, Kind::Shard))
};

/// `PUBSUB CHANNELS|SHARDCHANNELS [pattern]`.
///
/// Reply: array of names, unordered. O(channels).
fn channels(call: &mut Call<'_>, kind: Kind) -> CommandResult {
    if call.args.len() > 3 {
        return Err(too_many(call));
    }
    let pattern = call.args.get(2);
    pattern.map_or(Ok(()), glob::check)?;
    let fits = |name: &&Name| pattern.is_none_or(|p| glob::matches(p, name, false));
    let names: Vec<&Name> = call
        .server
        .messages
        .pubsub
        .names(kind)
        .filter(fits)
        .collect();
    call.reply.array(names.len());
    for name in names {
        call.reply.bulk(name);
    }
    Ok(())
}

const NUMSUB: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    ..Spec::new("numsub", |call| numsub(call, Kind::Channel))
};

const SHARDNUMSUB: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    ..Spec::new("shardnumsub", |call| numsub(call, Kind::Shard))
};

/// `PUBSUB NUMSUB|SHARDNUMSUB [channel ...]`.
///
/// Reply: array of names, each followed by the number of subscribers, in the order given.
fn numsub(call: &mut Call<'_>, kind: Kind) -> CommandResult {
    let names = call.args.from(2);
    call.reply.array(names.len() * 2);
    for name in names.iter() {
        let count = call.server.messages.pubsub.subscribers(kind, name).len();
        call.reply.bulk(name);
        call.reply.int(count as i64);
    }
    Ok(())
}

const NUMPAT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    ..Spec::new("numpat", numpat)
};

/// `PUBSUB NUMPAT`: the number of distinct patterns with subscribers.
fn numpat(call: &mut Call<'_>) -> CommandResult {
    call.reply
        .int(call.server.messages.pubsub.count(Kind::Pattern) as i64);
    Ok(())
}
