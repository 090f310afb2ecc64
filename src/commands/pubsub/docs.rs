//! COMMAND DOCS of the pubsub commands, sorted by name.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::PubSub, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "psubscribe",
        "2.0.0",
        "O(N), N = number of patterns to subscribe to",
        "Listen to the channels that match patterns.",
    )
    .args(&[Arg::pattern("pattern").multiple()]),
    doc(
        "publish",
        "2.0.0",
        "O(N+M), N = number of clients subscribed to the receiving channel, M = number \
         of subscribed patterns (by any client)",
        "Send a message to a channel.",
    )
    .args(&[Arg::string("channel"), Arg::string("message")]),
    doc(
        "pubsub",
        "2.8.0",
        "That of the subcommand",
        "Inspect Pub/Sub.",
    ),
    doc(
        "pubsub|channels",
        "2.8.0",
        "O(N), N = number of active channels, names and pattern being short",
        "List the channels that have subscribers.",
    )
    .args(&[Arg::pattern("pattern").optional()]),
    doc(
        "pubsub|help",
        "6.2.0",
        "O(1)",
        "List the subcommands of PUBSUB.",
    ),
    doc(
        "pubsub|numpat",
        "2.8.0",
        "O(1)",
        "Count the patterns that have subscribers.",
    ),
    doc(
        "pubsub|numsub",
        "2.8.0",
        "O(N) for the NUMSUB subcommand, N = number of requested channels",
        "Count the subscribers of channels.",
    )
    .args(&[Arg::string("channel").optional().multiple()]),
    doc(
        "pubsub|shardchannels",
        "7.0.0",
        "O(N), N = number of active shard channels, names being short",
        "List the shard channels that have subscribers.",
    )
    .args(&[Arg::pattern("pattern").optional()]),
    doc(
        "pubsub|shardnumsub",
        "7.0.0",
        "O(N) for the SHARDNUMSUB subcommand, N = number of requested shard channels",
        "Count the subscribers of shard channels.",
    )
    .args(&[Arg::string("shardchannel").optional().multiple()]),
    doc(
        "punsubscribe",
        "2.0.0",
        "O(N), N = number of patterns to unsubscribe",
        "Stop listening to patterns.",
    )
    .args(&[Arg::pattern("pattern").optional().multiple()]),
    doc(
        "spublish",
        "7.0.0",
        "O(N), N = number of clients subscribed to the receiving shard channel",
        "Send a message to a shard channel.",
    )
    .args(&[Arg::string("shardchannel"), Arg::string("message")]),
    doc(
        "ssubscribe",
        "7.0.0",
        "O(N), N = number of shard channels to subscribe to",
        "Listen to shard channels.",
    )
    .args(&[Arg::string("shardchannel").multiple()]),
    doc(
        "subscribe",
        "2.0.0",
        "O(N), N = number of channels to subscribe to",
        "Listen to channels.",
    )
    .args(&[Arg::string("channel").multiple()]),
    doc(
        "sunsubscribe",
        "7.0.0",
        "O(N), N = number of shard channels to unsubscribe",
        "Stop listening to shard channels.",
    )
    .args(&[Arg::string("shardchannel").optional().multiple()]),
    doc(
        "unsubscribe",
        "2.0.0",
        "O(N), N = number of channels to unsubscribe",
        "Stop listening to channels.",
    )
    .args(&[Arg::string("channel").optional().multiple()]),
];
