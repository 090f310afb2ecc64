//! PHDEL and PHDELPREFIX.

use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, PathHash};

const DELETES: &[KeySpec] = &[KeySpec::one(1, Access::TAKE)];

pub(super) const PHDEL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE,
    keys: DELETES,
    categories: Category::PATHHASH,
    work: work::by(count_removed, work::FEWER_NAMES),
    ..Spec::new("phdel", phdel)
};

/// The fields named, or all of the path.
fn count_removed(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let touched = match args.len() - 3 {
        0 => work::look(call, args.at(1), |paths: &PathHash| {
            paths.get(args.at(2)).map_or(0, Container::len)
        }),
        named => Some(named),
    };
    call.touches(touched.unwrap_or(0) as u64);
    Ok(())
}

/// `PHDEL key path [field ...]`: removes fields of a path, and the path with the last field;
/// without fields the path. Deletes the key with the last path.
///
/// Reply: the number of fields removed; of a whole path 1. O(length of the path + fields).
fn phdel(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, path, fields) = (args.at(1), args.at(2), args.from(3));
    let (mut removed, mut part, mut emptied) = (0, None, false);
    if let Some(mut paths) = call.db.write::<PathHash>(key)? {
        if fields.is_empty() {
            part = paths.remove(path);
            removed = usize::from(part.is_some());
        } else {
            let there = |field: &&[u8]| paths.remove_field(path, field);
            removed = fields.iter().filter(there).count();
        }
        emptied = paths.is_empty();
    }
    if let Some(part) = part {
        call.db.free_part(part);
    }
    finish(call, key, removed, emptied, "phdel");
    Ok(())
}

pub(super) const PHDELPREFIX: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE,
    keys: DELETES,
    categories: Category::PATHHASH,
    work: work::by(count_below, "remove longer prefixes, one after the other"),
    ..Spec::new("phdelprefix", phdelprefix)
};

fn count_below(call: &mut Call<'_>) -> CommandResult {
    let [_, key, prefix] = call.args.exactly();
    let paths = work::look(call, key, |paths: &PathHash| paths.count_below(prefix));
    call.touches(paths.unwrap_or(0) as u64);
    Ok(())
}

/// `PHDELPREFIX key prefix`: removes all paths that begin with a prefix; the empty prefix removes
/// all. Deletes the key with the last path.
///
/// Reply: the number of paths removed. O(length of the prefix + paths); the server frees the fields
/// later.
fn phdelprefix(call: &mut Call<'_>) -> CommandResult {
    let [_, key, prefix] = call.args.exactly();
    let (mut removed, mut part, mut emptied) = (0, None, false);
    if let Some(mut paths) = call.db.write::<PathHash>(key)? {
        removed = paths.count_below(prefix);
        emptied = removed == paths.len();
        // If nothing is left the server frees the whole value with the key.
        if !emptied {
            part = paths.take_below(prefix);
        }
    }
    if let Some(part) = part {
        call.db.free_part(part);
    }
    finish(call, key, removed, emptied, "phdelprefix");
    Ok(())
}

fn finish(call: &mut Call<'_>, key: &[u8], removed: usize, emptied: bool, event: &'static str) {
    if removed > 0 {
        call.db.changed_by(key, removed, Class::PATHHASH, event);
        if emptied {
            call.db.delete_emptied(key);
        }
    }
    call.reply.int(removed as i64);
}
