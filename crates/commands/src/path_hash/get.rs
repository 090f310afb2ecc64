//! Reading exact paths: PHGET, PHMGET, PHGETALL, PHEXISTS, PHCARD.

use super::args::{Fields, Groups, write_all, write_named};
use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, PathHash};

const READ_FAST: Flags = Flags::READONLY.union(Flags::FAST);

pub(super) const PHGET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READ_FAST,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    work: work::EACH_FROM_THIRD,
    ..Spec::new("phget", phget)
};

/// `PHGET key path field [field ...]`: values of fields of a path.
///
/// Reply: array of bulk strings and nulls, also for one field. O(length of the path + fields
/// given).
fn phget(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let paths = call.db.read::<PathHash>(args.at(1))?;
    let found = paths.as_ref().and_then(|paths| paths.get(args.at(2)));
    let names = Fields::new(args, 3, args.len() - 3, 1);
    call.reply.array(names.count);
    write_named(call.reply, found, names.names());
    Ok(())
}

pub(super) const PHMGET: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: READ_FAST,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    work: work::by(count_got, work::FEWER_NAMES),
    ..Spec::new("phmget", phmget)
};

fn count_got(call: &mut Call<'_>) -> CommandResult {
    let fields = Groups::check(call.args, 1)?;
    call.touches(fields as u64);
    Ok(())
}

/// `PHMGET key path FIELDS n field ... [path FIELDS n field ...] ...`: values of fields of several
/// paths.
///
/// Reply: one array of bulk strings and nulls. O(lengths of the paths + fields given).
fn phmget(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let fields = Groups::check(args, 1)?;
    let paths = call.db.read::<PathHash>(args.at(1))?;
    call.reply.array(fields);
    for group in Groups::new(args, 1).flatten() {
        let found = paths.as_ref().and_then(|paths| paths.get(group.path));
        write_named(call.reply, found, group.fields.names());
    }
    Ok(())
}

pub(super) const PHGETALL: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    tips: &["nondeterministic_output_order"],
    work: work::by(count_all, "PHGET reads single fields"),
    ..Spec::new("phgetall", phgetall)
};

fn count_all(call: &mut Call<'_>) -> CommandResult {
    let [_, key, path] = call.args.exactly();
    let fields = work::look(call, key, |paths: &PathHash| {
        paths.get(path).map_or(0, Container::len)
    });
    call.touches(fields.unwrap_or(0) as u64);
    Ok(())
}

/// `PHGETALL key path`: all fields of a path.
///
/// Reply: map (RESP2: flat array); empty if there is no such path. O(length of the path + fields).
fn phgetall(call: &mut Call<'_>) -> CommandResult {
    let [_, key, path] = call.args.exactly();
    let paths = call.db.read::<PathHash>(key)?;
    match paths.as_ref().and_then(|paths| paths.get(path)) {
        Some(fields) => write_all(call.reply, fields),
        None => call.reply.map(0),
    }
    Ok(())
}

pub(super) const PHEXISTS: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READ_FAST,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    ..Spec::new("phexists", phexists)
};

/// `PHEXISTS key path`: whether there is exactly this path.
///
/// Reply: 1 or 0. O(length of the path).
fn phexists(call: &mut Call<'_>) -> CommandResult {
    let [_, key, path] = call.args.exactly();
    let paths = call.db.read::<PathHash>(key)?;
    let exists = paths.is_some_and(|paths| paths.get(path).is_some());
    call.reply.int(i64::from(exists));
    Ok(())
}

pub(super) const PHCARD: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READ_FAST,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    ..Spec::new("phcard", phcard)
};

/// `PHCARD key`: the number of paths.
///
/// Reply: integer; 0 if the key is missing. O(1).
fn phcard(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let paths = call.db.read::<PathHash>(key)?;
    let count = paths.map_or(0, |paths| paths.len());
    call.reply.int(count as i64);
    Ok(())
}
