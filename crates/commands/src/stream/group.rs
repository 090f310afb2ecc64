//! XGROUP: groups and their consumers.
//!
//! The key must exist, except for CREATE with MKSTREAM; an empty stream with groups is a key.
//! DESTROY wakes clients that wait for the group, which then get an error, and frees the group's
//! memory between turns. `entries_read` is never above the entries ever added.
//!
//! Each change counts as one change of the dataset, and the handler propagates the command as
//! given; `$` means the last ID when the command runs.
//!
//! Cost: O(log groups), O(log consumers); DELCONSUMER O(pending log n).

pub(super) mod ack;
pub(super) mod claim;
pub(super) mod consumers;
pub(super) mod nack;
pub(super) mod pending;

use crate::help::{self, misused, write_help};
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::StreamId;

use super::ids;

pub(super) const XGROUP: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[CREATE, CREATECONSUMER, DELCONSUMER, DESTROY, HELP, SETID],
    ..Spec::new("xgroup", help)
};

const HELP: Spec = Spec {
    categories: Category::STREAM,
    ..help::row(help)
};

/// `XGROUP HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Make a group that reads what comes behind an ID. Options are:",
            "    * MKSTREAM",
            "      Make an empty stream where there is none.",
            "    * ENTRIESREAD entries_read",
            "      How many entries it has read (for who rebuilds one).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Make a consumer in a group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove a consumer, and what is pending with it.",
            "DESTROY <key> <groupname>",
            "    Remove a group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Let a group go on behind another ID.",
        ],
    );
    Ok(())
}

const NO_KEY: CommandError = CommandError::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
     the MKSTREAM option to create an empty stream automatically.",
);

/// The options after the ID.
struct GroupOptions {
    make: bool,
    entries_read: i64,
}

impl GroupOptions {
    fn parse(args: Args<'_>, may_make: bool) -> Result<GroupOptions, CommandError> {
        const NEGATIVE: CommandError =
            CommandError::Text("ERR value for ENTRIESREAD must be positive or -1");
        let mut options = GroupOptions {
            make: false,
            entries_read: -1,
        };
        let mut at = 5;
        while at < args.len() {
            if may_make && args.is(at, "mkstream") {
                options.make = true;
                at += 1;
            } else if args.is(at, "entriesread") && at + 1 < args.len() {
                let n = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                if n < -1 {
                    return Err(NEGATIVE);
                }
                options.entries_read = n;
                at += 2;
            } else {
                return Err(misused(args));
            }
        }
        Ok(options)
    }
}

const CREATE: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(2, Access::ADD)],
    categories: Category::STREAM,
    ..Spec::new("create", create)
};

/// `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]`: creates a group.
///
/// Reply: OK, or BUSYGROUP if it exists. O(log groups).
fn create(call: &mut Call<'_>) -> CommandResult {
    const BUSY: CommandError = CommandError::Text("BUSYGROUP Consumer Group name already exists");
    let args = call.args;
    let options = GroupOptions::parse(args, true)?;
    let (key, name) = (args.at(2), args.at(3));
    let last_id = {
        let found = call.db.write::<Stream>(key)?;
        if found.is_none() && !options.make {
            return Err(NO_KEY);
        }
        found.map(|stream| stream.last_id())
    };
    if args.len() > 8 {
        return Err(misused(args));
    }
    let id = match args.at(4) {
        b"$" => last_id.unwrap_or(StreamId::MIN),
        id => ids::strict(id)?,
    };
    let limits = *call.db.limits();
    let mut stream = call.db.write_or(key, || Stream::with_settings(&limits))?;
    // A group cannot have read more than there was.
    let entries_read = options.entries_read.min(stream.entries_added() as i64);
    if !stream.create_group(name, id, entries_read) {
        return Err(BUSY);
    }
    drop(stream);
    match last_id {
        None => call.db.changed(key, Class::STREAM, "xgroup-create"),
        Some(_) => {
            call.db.changed_within(key, 1);
            call.db.event(key, Class::STREAM, "xgroup-create");
        }
    }
    call.reply.ok();
    Ok(())
}

const SETID: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, Access::CHANGE)],
    categories: Category::STREAM,
    ..Spec::new("setid", set_id)
};

/// `XGROUP SETID key group id|$ [ENTRIESREAD n]`: the group continues after this ID.
///
/// Reply: OK. O(1).
fn set_id(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options = GroupOptions::parse(args, false)?;
    let (key, name) = (args.at(2), args.at(3));
    let mut stream = call.db.write::<Stream>(key)?.ok_or(NO_KEY)?;
    let (last_id, added) = (stream.last_id(), stream.entries_added() as i64);
    let group = stream.group_mut(name);
    let group = group.ok_or_else(|| ids::no_group_of(key, name))?;
    if args.len() != 5 && args.len() != 7 {
        return Err(misused(args));
    }
    group.last_id = match args.at(4) {
        b"$" => last_id,
        id => StreamId::parse(id, 0, false).ok_or(ids::BAD_ID)?,
    };
    group.entries_read = options.entries_read.min(added);
    drop(stream);
    call.db.changed_within(key, 1);
    call.db.event(key, Class::STREAM, "xgroup-setid");
    call.reply.ok();
    Ok(())
}

const DESTROY: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, Access::REMOVE)],
    categories: Category::STREAM,
    ..Spec::new("destroy", destroy)
};

/// `XGROUP DESTROY key group`: removes a group and the group's pending entries.
///
/// Reply: integer, 1 if it existed. Clients blocked on it are woken. O(1); freed between turns.
fn destroy(call: &mut Call<'_>) -> CommandResult {
    let [_, _, key, name] = call.args.exactly();
    let mut stream = call.db.write::<Stream>(key)?.ok_or(NO_KEY)?;
    let gone = stream.take_group(name);
    drop(stream);
    call.reply.int(i64::from(gone.is_some()));
    if let Some(gone) = gone {
        call.db.free_part(gone);
        call.db.changed_within(key, 1);
        call.db.event(key, Class::STREAM, "xgroup-destroy");
        call.db.signal(key);
    }
    Ok(())
}

const CREATECONSUMER: Spec = Spec {
    arity: Arity::Exactly(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(2, Access::ADD)],
    categories: Category::STREAM,
    ..Spec::new("createconsumer", create_consumer)
};

/// `XGROUP CREATECONSUMER key group consumer`: creates a consumer.
///
/// Reply: integer, 0 if it existed. O(log consumers).
fn create_consumer(call: &mut Call<'_>) -> CommandResult {
    let [_, _, key, name, consumer] = call.args.exactly();
    let now_ms = call.db.now_ms();
    let mut stream = call.db.write::<Stream>(key)?.ok_or(NO_KEY)?;
    let group = stream.group_mut(name);
    let group = group.ok_or_else(|| ids::no_group_of(key, name))?;
    let made = group.create(consumer, now_ms).is_some();
    drop(stream);
    call.db.changed_within(key, 0);
    if made {
        consumers::record_made(call, key);
    }
    call.reply.int(i64::from(made));
    Ok(())
}

const DELCONSUMER: Spec = Spec {
    arity: Arity::Exactly(5),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, Access::REMOVE)],
    categories: Category::STREAM,
    work: work::by(count_released, "XACK its entries first"),
    ..Spec::new("delconsumer", delete_consumer)
};

/// The pending entries of the consumer.
fn count_released(call: &mut Call<'_>) -> CommandResult {
    let [_, _, key, name, consumer] = call.args.exactly();
    let pending = |stream: &Stream| {
        let group = stream.group(name)?;
        Some(group.consumer(group.find(consumer)?).pending().len())
    };
    let pending = work::look(call, key, pending).flatten();
    call.touches(pending.unwrap_or(0) as u64);
    Ok(())
}

/// `XGROUP DELCONSUMER key group consumer`: removes a consumer and the consumer's pending entries.
///
/// Reply: integer, the number of these entries. O(pending log n).
fn delete_consumer(call: &mut Call<'_>) -> CommandResult {
    let [_, _, key, name, consumer] = call.args.exactly();
    let mut stream = call.db.write::<Stream>(key)?.ok_or(NO_KEY)?;
    let group = stream.group_mut(name);
    let group = group.ok_or_else(|| ids::no_group_of(key, name))?;
    let pending = group.delete(consumer);
    drop(stream);
    if pending.is_some() {
        call.db.changed_within(key, 1);
        call.db.event(key, Class::STREAM, "xgroup-delconsumer");
    }
    call.reply.int(pending.unwrap_or(0) as i64);
    Ok(())
}
