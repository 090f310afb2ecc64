//! DEL, FORGET and CLEAR.
//!
//! Cost: O(values that the path visits); a large value is freed by a thread or in slices.

use super::count;
use super::row::{
    OTHER_TYPE, WRITES, WRITING, WRITTEN_KEY, at, compiled, matches, open, path_at, plain,
};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_json::{Kind, Location, View};
use russet_keyspace::{Cause, Class};
use russet_types::Json;

pub(super) const DEL: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::CONTENT,
    ..Spec::new("json.del", del)
};

/// The other name of DEL.
pub(super) const FORGET: Spec = Spec {
    name: "json.forget",
    ..DEL
};

/// `JSON.DEL key [path]`: deletes the values at a path; the root is the key. Of an object's members
/// the last one takes the place of one that is deleted.
///
/// Reply: the number of deleted values, without those within others.
fn del(call: &mut Call<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let place = call.db.place(key);
    if !place.holds::<Json>().map_err(|_| OTHER_TYPE)? {
        call.reply.int(0);
        return Ok(());
    }
    let path = compiled(&mut call.server.json_paths, text)?;
    let deleted = if path.is_root() {
        place.delete(Cause::User);
        1
    } else {
        let mut json = place.open::<Json>();
        let deletions = path.deletions(json.root()).map_err(plain)?;
        let is_all = deletions.iter().any(|location| location.is_empty());
        for location in deletions.iter().filter(|_| !is_all) {
            json.remove(location);
        }
        drop(json);
        if is_all {
            call.db.delete(key, Cause::User);
        }
        deletions.len()
    };
    if deleted > 0 {
        call.db.changed(key, Class::MODULE, "json.del");
    }
    call.reply.int(deleted as i64);
    Ok(())
}

pub(super) const CLEAR: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::CONTENT,
    ..Spec::new("json.clear", clear)
};

/// `JSON.CLEAR key [path]`: empties arrays and objects, and sets numbers to 0.
///
/// Reply: the number of values that were neither empty nor 0 before.
fn clear(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let paths = &mut call.server.json_paths;
    let (mut json, path) = open(&mut call.db, paths, key, text)?;
    let found = matches(&path, json.root()).map_err(plain)?;
    let is_full = |json: &Json, location: &Location| {
        let value = at(json, location);
        match value.kind() {
            Kind::Array | Kind::Object => value.len() > 0,
            Kind::Number(number) => number.as_f64() != 0.0,
            _ => false,
        }
    };
    // A container is emptied after those within it, which count, too, as does what is repeated.
    let mut full: Vec<Location> = (found.into_iter())
        .filter(|place| is_full(&json, place))
        .collect();
    full.sort_unstable_by(|left, right| right.cmp(left));
    let cleared = full.len();
    for location in &full {
        json.clear(location);
    }
    drop(json);
    if cleared > 0 {
        call.db.changed(key, Class::MODULE, "json.clear");
    }
    call.reply.int(cleared as i64);
    Ok(())
}
