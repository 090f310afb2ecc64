//! PHSET and PHMSET.

use super::args::{Fields, Groups, count};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::PathHash;

pub(super) const PHSET: Spec = Spec {
    arity: Arity::AtLeast(7),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::PATHHASH,
    work: work::by(count_set, work::FEWER_NAMES),
    ..Spec::new("phset", phset)
};

/// Whether the fields must exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// None of them may.
    Fnx,
    /// All of them must.
    Fxx,
}

/// Parses the arguments after the path.
fn parse<'a>(call: &Call<'a>) -> Result<(Option<Condition>, Fields<'a>), CommandError> {
    let args = call.args;
    let condition = match () {
        _ if args.is(3, "FNX") => Some(Condition::Fnx),
        _ if args.is(3, "FXX") => Some(Condition::Fxx),
        _ => None,
    };
    let at = 3 + usize::from(condition.is_some());
    if at + 2 > args.len() || !args.is(at, "FIELDS") {
        return Err(CommandError::Syntax);
    }
    let count = count(args.at(at + 1))?;
    let words = args.len() - at - 2;
    if words % 2 == 1 || count != words / 2 {
        return Err(CommandError::Syntax);
    }
    Ok((condition, Fields::new(args, at + 2, count, 2)))
}

fn count_set(call: &mut Call<'_>) -> CommandResult {
    let (_, fields) = parse(call)?;
    call.touches(fields.count as u64);
    Ok(())
}

/// `PHSET key path [FNX | FXX] FIELDS n field value ...`: sets fields of a path; creates a missing
/// path. With FNX only if none of the fields exists, with FXX only if all of them do.
///
/// Reply: OK; null if the condition is not met. O(length of the path + fields given).
fn phset(call: &mut Call<'_>) -> CommandResult {
    let (condition, fields) = parse(call)?;
    let (key, path) = (call.args.at(1), call.args.at(2));
    if let Some(condition) = condition {
        let paths = call.db.write::<PathHash>(key)?;
        let found = paths.as_ref().and_then(|paths| paths.get(path));
        let exists = |name| found.is_some_and(|found| found.get(name).is_some());
        let is_met = match condition {
            Condition::Fnx => !fields.names().any(exists),
            Condition::Fxx => fields.names().all(exists),
        };
        drop(paths);
        if !is_met {
            call.reply.null();
            return Ok(());
        }
    }
    let limits = *call.db.limits();
    let mut paths = call.db.write_or(key, PathHash::new)?;
    paths.set(path, fields.pairs(), &limits);
    drop(paths);
    call.db
        .changed_by(key, fields.count, Class::PATHHASH, "phset");
    call.reply.ok();
    Ok(())
}

pub(super) const PHMSET: Spec = Spec {
    arity: Arity::AtLeast(7),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::PATHHASH,
    work: work::by(count_set_each, work::FEWER_NAMES),
    ..Spec::new("phmset", phmset)
};

fn count_set_each(call: &mut Call<'_>) -> CommandResult {
    let fields = Groups::check(call.args, 2)?;
    call.touches(fields as u64);
    Ok(())
}

/// `PHMSET key path FIELDS n field value ... [path FIELDS n field value ...] ...`: sets fields of
/// several paths.
///
/// Reply: OK. O(lengths of the paths + fields given).
fn phmset(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let fields = Groups::check(args, 2)?;
    let key = args.at(1);
    let limits = *call.db.limits();
    let mut paths = call.db.write_or(key, PathHash::new)?;
    for group in Groups::new(args, 2).flatten() {
        paths.set(group.path, group.fields.pairs(), &limits);
    }
    drop(paths);
    call.db.changed_by(key, fields, Class::PATHHASH, "phmset");
    call.reply.ok();
    Ok(())
}
