//! STRAPPEND and TOGGLE.
//!
//! Cost: O(values that the path visits), and the lengths of the strings.

use super::count;
use super::editing::{Change, Edit, edit_there};
use super::printing::Means;
use super::reply::{last, reply_lengths};
use super::row::{
    GROWS, WRITES, WRITING, WRITTEN_KEY, at, coded, compiled, matches, missing_or_not, path_at,
    utf8, wrong_value,
};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_json::{Document, Kind, Location, View};
use russet_resp::{Args, Reply};
use russet_types::Json;

pub(super) const STRAPPEND: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::JOINED,
    ..Spec::new("json.strappend", strappend)
};

/// `JSON.STRAPPEND key [path] value`: appends a JSON string to strings.
///
/// Reply: array of the new lengths in bytes, null for a match that is no string; of a legacy path
/// the last length.
fn strappend(call: &mut Call<'_>) -> CommandResult {
    append_args(call.args)?;
    edit_there(call, "json.strappend", None, append)
}

/// The path of STRAPPEND, and its value.
fn append_args(args: Args<'_>) -> Result<(&str, &str), CommandError> {
    match args.get(3) {
        Some(value) => Ok((path_at(args, 2)?, utf8(value)?)),
        None => Ok((".", utf8(args.at(2))?)),
    }
}

fn append(
    json: &mut Json,
    Edit { args, max, .. }: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let (text, given) = append_args(args)?;
    let path = compiled(means.paths, text)?;
    let found = matches(&path, json.root(), means.budget)?;
    // Without a string to append to, Redis does not look at the value.
    let is_used = found
        .iter()
        .any(|location| at(json, location).text().is_some());
    let value = if is_used {
        Document::parse(given.as_bytes()).map_err(coded)?
    } else {
        Document::text("")
    };
    let Some(more) = value.root().text() else {
        return Err(wrong_value("string", given));
    };
    let is_text = |location: &&Location| at(json, location).text().is_some();
    let grown = found.iter().filter(is_text).count();
    let total = json.memory_bytes() as u64 + (grown as u64).saturating_mul(more.len() as u64);
    if grown > 0 && total > max {
        return Err(CommandError::StringTooLong);
    }
    let mut lengths = Vec::with_capacity(found.len());
    for location in &found {
        let is_text = at(json, location).text().is_some();
        if is_text {
            json.append_text(location, more);
        }
        lengths.push(at(json, location).text().map(str::len));
    }
    reply_lengths(reply, &path, lengths, || {
        missing_or_not(path.text(), "not a string")
    })?;
    Ok(match grown {
        0 => Change::Nothing,
        _ => Change::Changed,
    })
}

pub(super) const TOGGLE: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::ONE,
    ..Spec::new("json.toggle", toggle)
};

/// `JSON.TOGGLE key path`: turns booleans into their opposite.
///
/// Reply: array of the new values as 0 and 1, null for a match that is no boolean; of a legacy path
/// the last value as bulk string.
fn toggle(call: &mut Call<'_>) -> CommandResult {
    path_at(call.args, 2)?;
    edit_there(call, "json.toggle", None, turn)
}

fn turn(
    json: &mut Json,
    edit: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let path = compiled(means.paths, path_at(edit.args, 2)?)?;
    let found = matches(&path, json.root(), means.budget)?;
    let mut values = Vec::with_capacity(found.len());
    for location in &found {
        let old = match at(json, location).kind() {
            Kind::Bool(old) => Some(!old),
            _ => None,
        };
        if let Some(new) = old {
            json.set_bool(location, new);
        }
        values.push(old);
    }
    let change = if values.iter().any(Option::is_some) {
        Change::Changed
    } else {
        Change::Nothing
    };
    if path.is_legacy() {
        let last = last(&values).ok_or_else(|| missing_or_not(path.text(), "not a bool"))?;
        reply.bulk(if *last { b"true" } else { b"false" });
        return Ok(change);
    }
    reply.array(values.len());
    for value in values {
        match value {
            Some(yes) => reply.int(yes.into()),
            None => reply.null(),
        }
    }
    Ok(change)
}
