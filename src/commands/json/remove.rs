//! DEL, FORGET and CLEAR.
//!
//! Cost: O(values that the path visits); a large value is freed by a thread or in slices.

use super::count;
use super::editing::{Apply, Change, edit, edit_there};
use super::row::{WRITES, WRITING, WRITTEN_KEY, at, compiled, matches, path_at, plain};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_json::{Kind, Location, View};
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

/// `JSON.DEL key [path]`: deletes the values at a path; the root is the key, which also goes when
/// nothing is left in it. Of an object's members the last one takes the place of one that is
/// deleted.
///
/// Reply: the number of deleted values, without those within others.
fn del(call: &mut Call<'_>) -> CommandResult {
    path_at(call.args, 2)?;
    let apply: Apply = |json, edit, means, reply| {
        let path = compiled(means.paths, path_at(edit.args, 2)?)?;
        let deletions = path.deletions(json.root(), means.budget).map_err(plain)?;
        reply.int(deletions.len() as i64);
        if deletions.iter().any(|location| location.is_empty()) {
            return Ok(Change::Removed);
        }
        for location in &deletions {
            json.remove(location);
        }
        Ok(match deletions.len() {
            0 => Change::Nothing,
            _ if json.root().len() == 0 => Change::Emptied,
            _ => Change::Changed,
        })
    };
    if !edit(call, "json.del", None, apply)? {
        call.reply.int(0);
    }
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
    path_at(call.args, 2)?;
    edit_there(call, "json.clear", None, |json, edit, means, reply| {
        let path = compiled(means.paths, path_at(edit.args, 2)?)?;
        let found = matches(&path, json.root(), means.budget)?;
        let cleared = clear_all(json, found);
        reply.int(cleared as i64);
        Ok(match cleared {
            0 => Change::Nothing,
            _ => Change::Changed,
        })
    })
}

/// Empties the values at locations; returns the number of those that were neither empty nor 0.
fn clear_all(json: &mut Json, found: Vec<Location>) -> usize {
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
        .filter(|place| is_full(json, place))
        .collect();
    full.sort_unstable_by(|left, right| right.cmp(left));
    for location in &full {
        json.clear(location);
    }
    full.len()
}
