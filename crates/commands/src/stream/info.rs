//! XINFO: information about a stream, its groups and their consumers.
//!
//! Field names and their order are Redis's: `radix-tree-keys` and `-nodes` are the numbers that
//! Redis would have, because streams here are no radix tree. Lag and entries read are null if they
//! are unknown.
//!
//! Cost: STREAM O(nodes); GROUPS O(groups), CONSUMERS O(consumers), in one turn; COUNT limits each
//! list of FULL.
//!
//! Decided elsewhere: FULL: `info_full`; the figures: `types::stream`.

use crate::help::{self, misused, write_help};
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::stream::{Group, StreamId};
use russet_types::{Container, Stream};

use super::ids;
use super::info_full::{full_len, write_full};
use super::reply::{write_id, write_next};

pub(super) const XINFO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[CONSUMERS, GROUPS, HELP, STREAM],
    ..Spec::new("xinfo", help)
};

const HELP: Spec = Spec {
    categories: Category::STREAM,
    ..help::row(help)
};

/// `XINFO HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "CONSUMERS <key> <groupname>",
            "    The consumers of a group.",
            "GROUPS <key>",
            "    The groups of a stream.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    What a stream is like.",
        ],
    );
    Ok(())
}

const CONSUMERS: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, Access::READ)],
    categories: Category::STREAM,
    tips: &["nondeterministic_output"],
    work: work::by(count_consumers, "keep fewer consumers"),
    ..Spec::new("consumers", xinfo_consumers)
};

/// The consumers that XINFO CONSUMERS answers.
fn count_consumers(call: &mut Call<'_>) -> CommandResult {
    let [_, _, key, name] = call.args.exactly();
    let count = |stream: &Stream| stream.group(name).map_or(0, Group::consumer_count);
    let count = work::look(call, key, count).unwrap_or(0);
    call.touches(count as u64);
    Ok(())
}

/// `XINFO CONSUMERS key group`: array of maps, ordered by name: number of pending entries,
/// milliseconds since the consumer's last request and since the last delivery (-1: never).
/// O(consumers).
fn xinfo_consumers(call: &mut Call<'_>) -> CommandResult {
    let [_, _, key, name] = call.args.exactly();
    let now_ms = call.db.now_ms();
    let stream = call.db.read::<Stream>(key)?;
    let stream = stream.ok_or(CommandError::NoSuchKey)?;
    let group = stream.group(name);
    let group = group.ok_or_else(|| ids::no_group_of(key, name))?;
    let reply = &mut *call.reply;
    reply.array(group.consumer_count());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.int(consumer.pending().len() as i64);
        reply.bulk(b"idle");
        reply.int(now_ms.saturating_sub(consumer.seen_ms).max(0));
        reply.bulk(b"inactive");
        reply.int(match consumer.active_ms {
            -1 => -1,
            ms => now_ms.saturating_sub(ms),
        });
    }
    Ok(())
}

const GROUPS: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, Access::READ)],
    categories: Category::STREAM,
    work: work::by(count_groups, "keep fewer groups"),
    ..Spec::new("groups", xinfo_groups)
};

/// The groups that XINFO GROUPS answers.
fn count_groups(call: &mut Call<'_>) -> CommandResult {
    let count = |stream: &Stream| stream.groups().map_or(0, |groups| groups.len());
    let count = work::look(call, call.args.at(2), count).unwrap_or(0);
    call.touches(count as u64);
    Ok(())
}

/// `XINFO GROUPS key`: array of maps, by name. O(groups).
fn xinfo_groups(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(2);
    let stream = call.db.read::<Stream>(key)?;
    let stream = stream.ok_or(CommandError::NoSuchKey)?;
    let reply = &mut *call.reply;
    reply.array(stream.groups().map_or(0, |groups| groups.len()));
    for (name, group) in stream.groups().into_iter().flat_map(|groups| groups.iter()) {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.int(group.consumer_count() as i64);
        reply.bulk(b"pending");
        reply.int(group.pending().len() as i64);
        reply.bulk(b"last-delivered-id");
        write_id(reply, group.last_id);
        write_progress(reply, &stream, group);
    }
    Ok(())
}

/// The numbers of entries that a group has read and has yet to read; null if unknown.
pub(super) fn write_progress(reply: &mut Reply, stream: &Stream, group: &Group) {
    let read = Some(group.entries_read).filter(|n| *n != -1);
    for (name, n) in [("entries-read", read), ("lag", stream.lag(group))] {
        reply.bulk(name.as_bytes());
        match n {
            Some(n) => reply.int(n),
            None => reply.null(),
        }
    }
}

const STREAM: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, Access::READ)],
    categories: Category::STREAM,
    work: work::by(count_shown, work::SMALLER_COUNT),
    ..Spec::new("stream", xinfo_stream)
};

/// FULL: how many entries, of the stream and of each list of pending entries; `None`: not FULL.
fn parse_full(args: Args<'_>) -> Result<Option<usize>, CommandError> {
    match args.len() {
        3 => Ok(None),
        4 if args.is(3, "full") => Ok(Some(10)),
        6 if args.is(3, "full") && args.is(4, "count") => {
            match parse_i64(args.at(5)).ok_or(CommandError::NotAnInteger)? {
                ..0 => Ok(Some(10)),
                0 => Ok(Some(usize::MAX)),
                n => Ok(Some(n as usize)),
            }
        }
        _ => Err(misused(args)),
    }
}

/// The entries, groups and consumers that XINFO STREAM answers.
fn count_shown(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let Some(count) = parse_full(args)? else {
        call.touches(2);
        return Ok(());
    };
    let touched = work::look(call, args.at(2), |stream: &Stream| full_len(stream, count));
    call.touches(touched.unwrap_or(0) as u64);
    Ok(())
}

/// `XINFO STREAM key [FULL [COUNT n]]`: a map of figures with the first and the last entry; with
/// FULL up to `n` (10; 0: all) entries, and up to `n` pending entries of each group and each
/// consumer. O(nodes), and the length of the reply.
fn xinfo_stream(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let stream = call.db.read::<Stream>(args.at(2))?;
    let stream = stream.ok_or(CommandError::NoSuchKey)?;
    let full = parse_full(args)?;
    let reply = &mut *call.reply;
    reply.map(if full.is_some() { 15 } else { 16 });
    reply.bulk(b"length");
    reply.int(stream.len() as i64);
    reply.bulk(b"radix-tree-keys");
    reply.int(stream.node_count() as i64);
    reply.bulk(b"radix-tree-nodes");
    reply.int(stream.radix_nodes() as i64);
    reply.bulk(b"last-generated-id");
    write_id(reply, stream.last_id());
    reply.bulk(b"max-deleted-entry-id");
    write_id(reply, stream.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.int(stream.entries_added() as i64);
    reply.bulk(b"recorded-first-entry-id");
    write_id(reply, stream.first_id());
    let own = stream.idempotence();
    for (name, n) in [
        ("idmp-duration", u64::from(own.duration_s())),
        ("idmp-maxsize", own.size_max().into()),
        ("pids-tracked", own.pids() as u64),
        ("iids-tracked", own.iids() as u64),
        ("iids-added", own.added),
        ("iids-duplicates", own.duplicates),
    ] {
        reply.bulk(name.as_bytes());
        reply.int(n as i64);
    }
    if let Some(count) = full {
        write_full(reply, &stream, count);
        return Ok(());
    }
    reply.bulk(b"groups");
    reply.int(stream.groups().map_or(0, |groups| groups.len()) as i64);
    let (all, all_back) = (
        stream.range(StreamId::MIN, StreamId::MAX),
        stream.range_back(StreamId::MIN, StreamId::MAX),
    );
    for (name, mut entries) in [("first-entry", all), ("last-entry", all_back)] {
        reply.bulk(name.as_bytes());
        if !write_next(reply, &mut entries) {
            reply.null();
        }
    }
    Ok(())
}
