//! XDELEX and XACKDEL: delete entries, depending on the groups that refer to them.

use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_keyspace::{Class, RefMut};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::{DeleteOutcome, StreamId};

use super::ids;
use super::references::DeleteOptions;

pub(super) const XDELEX: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::STREAM,
    work: work::by(count_named, work::FEWER_NAMES),
    ..Spec::new("xdelex", xdelex)
};

pub(super) const XACKDEL: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(
        1,
        Access::RW.union(Access::UPDATE).union(Access::DELETE),
    )],
    categories: Category::STREAM,
    work: work::by(count_named, work::FEWER_NAMES),
    ..Spec::new("xackdel", xackdel)
};

/// The entries that XDELEX and XACKDEL name.
fn count_named(call: &mut Call<'_>) -> CommandResult {
    let from = 2 + usize::from(call.name == "xackdel");
    let options = DeleteOptions::parse(call.args, from)?;
    call.touches(options.ids.len() as u64);
    Ok(())
}

const DONE: i64 = 1;
const MISSING: i64 = -1;
const NEEDED: i64 = 2;

fn code(deleted: DeleteOutcome) -> i64 {
    match deleted {
        DeleteOutcome::Done => DONE,
        DeleteOutcome::Missing => MISSING,
        DeleteOutcome::Needed => NEEDED,
    }
}

/// Refuses the command if any ID is invalid.
fn check(ids: Args<'_>) -> CommandResult {
    ids.iter().try_for_each(|id| ids::strict(id).map(|_| ()))
}

fn all_missing(reply: &mut Reply, ids: Args<'_>) {
    reply.array(ids.len());
    ids.iter().for_each(|_| reply.int(MISSING));
}

/// `XDELEX key [KEEPREF|DELREF|ACKED] IDS numids id [id ...]`: deletes entries. DELREF also removes
/// the entries from the pending entries of all groups; ACKED keeps entries that a group has pending
/// or has yet to read.
///
/// Reply: array of integers: 1 deleted, -1 no such entry, 2 kept. If any ID is invalid, nothing is
/// deleted. O(log n + a node's entries + groups) an ID.
fn xdelex(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let args = call.args;
    let parse = || DeleteOptions::parse(args, 2);
    let Some(mut stream) = call.db.write::<Stream>(key)? else {
        all_missing(call.reply, parse()?.ids);
        return Ok(());
    };
    let options = parse()?;
    check(options.ids)?;
    call.reply.array(options.ids.len());
    let mut deleted = 0;
    for id in options.ids.iter() {
        let outcome = stream.delete_as(ids::strict(id)?, options.references);
        deleted += usize::from(outcome == DeleteOutcome::Done);
        call.reply.int(code(outcome));
    }
    drop(stream);
    if deleted > 0 {
        call.db.changed_by(key, deleted, Class::STREAM, "xdel");
    }
    Ok(())
}

/// `XACKDEL key group [KEEPREF|DELREF|ACKED] IDS numids id [id ...]`: acknowledges pending entries
/// and deletes them, as XDELEX does.
///
/// Reply: array of integers: 1 acknowledged and deleted, -1 not pending, 2 acknowledged and kept.
/// If any ID is invalid, nothing is done. O(log n + a node's entries + groups) an ID.
fn xackdel(call: &mut Call<'_>) -> CommandResult {
    let (key, name) = (call.args.at(1), call.args.at(2));
    let args = call.args;
    let parse = || DeleteOptions::parse(args, 3);
    let has_group = |stream: &RefMut<'_, Stream>| stream.group(name).is_some();
    let found = call.db.write::<Stream>(key)?;
    let is_there = found.is_some();
    let Some(mut stream) = found.filter(has_group) else {
        call.db.count_read(key, is_there);
        all_missing(call.reply, parse()?.ids);
        return Ok(());
    };
    let options = parse()?;
    check(options.ids)?;
    call.reply.array(options.ids.len());
    let (mut acknowledged, mut deleted) = (0, 0);
    let mut each = |id: StreamId| {
        let group = stream.group_mut(name)?;
        if !group.acknowledge(id) {
            return None;
        }
        acknowledged += 1;
        let outcome = stream.delete_as(id, options.references);
        deleted += usize::from(outcome == DeleteOutcome::Done);
        Some(outcome)
    };
    for id in options.ids.iter() {
        let outcome = each(ids::strict(id)?);
        call.reply.int(match outcome {
            None => MISSING,
            // The entry was pending, but had been deleted before.
            Some(DeleteOutcome::Missing) => DONE,
            Some(outcome) => code(outcome),
        });
    }
    drop(stream);
    call.db.count_read(key, true);
    if acknowledged > 0 {
        call.db.changed_within(key, acknowledged);
    }
    if deleted > 0 {
        call.db.changed_by(key, 0, Class::STREAM, "xdel");
    }
    Ok(())
}
