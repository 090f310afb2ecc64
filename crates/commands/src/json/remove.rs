//! DEL, FORGET and CLEAR.
//!
//! Cost: O(values that the path visits); a thread or slices free a large value.

use super::assignment::outermost;
use super::count;
use super::editing::{Apply, Change, edit, edit_there, pay_from};
use super::row::{WRITES, WRITING, WRITTEN_KEY, compiled, path_at, plain};
use russet_command::{Arity, CommandError};
use russet_json::{Document, Kind, Location, Value, View};
use russet_server::{Call, CommandResult, Spec};

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

/// `JSON.DEL key [path]`: deletes the values at a path; the root is the key, and the key also goes
/// when the document is empty. The last member of an object takes the place of a deleted member.
///
/// Reply: the number of deleted values, without values within other deleted values.
fn del(call: &mut Call<'_>) -> CommandResult {
    path_at(call.args, 2)?;
    let apply: Apply = |json, edit, means, reply| {
        let path = compiled(means.paths, path_at(edit.args, 2)?)?;
        let deletions = path.deletions(json.root(), means.budget).map_err(plain)?;
        reply.int(deletions.len() as i64);
        if deletions.iter().any(|location| location.is_empty()) {
            return Ok(Change::Removed);
        }
        json.remove_each(&deletions, &pay_from(means.budget))?;
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
        // CLEAR empties a container after the containers within it, which count, too, as repeated
        // matches do.
        let mut full: Vec<Location> = Vec::new();
        let take = |location: &Location, value: Value<'_>| {
            if is_full(value) {
                full.push(location.clone());
            }
        };
        path.each_found(json.root(), means.budget, take)
            .map_err(plain)?;
        let cleared = full.len();
        let places: Vec<&[u32]> = outermost(&mut full).collect();
        let mut clear = |_: usize, document: &mut Document, place: &[u32]| {
            document.clear(place);
        };
        json.edit_each(&places, &pay_from(means.budget), &mut clear)?;
        reply.int(cleared as i64);
        Ok(match cleared {
            0 => Change::Nothing,
            _ => Change::Changed,
        })
    })
}

/// Whether clearing a value changes it.
fn is_full(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Array | Kind::Object => value.len() > 0,
        Kind::Number(number) => number.as_f64() != 0.0,
        _ => false,
    }
}
