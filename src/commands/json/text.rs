//! STRAPPEND and TOGGLE.
//!
//! Cost: O(values that the path visits), and the lengths of the strings.

use super::count;
use super::reply::{last, reply_lengths};
use super::row::{
    GROWS, WRITES, WRITING, WRITTEN_KEY, at, coded, matches, missing_or_not, open, path_at, plain,
    utf8, wrong_value,
};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_json::{Document, Kind, Location, View};
use russet_keyspace::Class;

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
    let args = call.args;
    let (key, value_at) = (args.at(1), if args.len() > 3 { 3 } else { 2 });
    let text = if value_at == 3 {
        path_at(args, 2)?
    } else {
        "."
    };
    let given = utf8(args.at(value_at))?;
    let max = call.string_max();
    let paths = &mut call.server.json_paths;
    let (mut json, path) = open(&mut call.db, paths, key, text)?;
    let found = matches(&path, json.root()).map_err(plain)?;
    // Without a string to append to, Redis does not look at the value.
    let is_used = found
        .iter()
        .any(|location| at(&json, location).text().is_some());
    let value = if is_used {
        Document::parse(given.as_bytes()).map_err(coded)?
    } else {
        Document::text("")
    };
    let Some(more) = value.root().text() else {
        return Err(wrong_value("string", given));
    };
    let is_text = |location: &&Location| at(&json, location).text().is_some();
    let grown = found.iter().filter(is_text).count();
    let total = json.memory_bytes() as u64 + (grown as u64).saturating_mul(more.len() as u64);
    if grown > 0 && total > max {
        return Err(CommandError::StringTooLong);
    }
    let mut lengths = Vec::with_capacity(found.len());
    for location in &found {
        let is_text = at(&json, location).text().is_some();
        if is_text {
            json.append_text(location, more);
        }
        lengths.push(at(&json, location).text().map(str::len));
    }
    drop(json);
    if grown > 0 {
        call.db.changed(key, Class::MODULE, "json.strappend");
    }
    reply_lengths(call.reply, &path, lengths, || {
        missing_or_not(path.text(), "not a string")
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
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let paths = &mut call.server.json_paths;
    let (mut json, path) = open(&mut call.db, paths, key, text)?;
    let found = matches(&path, json.root()).map_err(plain)?;
    let mut values = Vec::with_capacity(found.len());
    for location in &found {
        let old = match at(&json, location).kind() {
            Kind::Bool(old) => Some(!old),
            _ => None,
        };
        if let Some(new) = old {
            json.set_bool(location, new);
        }
        values.push(old);
    }
    drop(json);
    if values.iter().any(Option::is_some) {
        call.db.changed(key, Class::MODULE, "json.toggle");
    }
    let reply = &mut *call.reply;
    if path.is_legacy() {
        let last = last(&values).ok_or_else(|| missing_or_not(path.text(), "not a bool"))?;
        reply.bulk(if *last { b"true" } else { b"false" });
        return Ok(());
    }
    reply.array(values.len());
    for value in values {
        match value {
            Some(yes) => reply.int(yes.into()),
            None => reply.null(),
        }
    }
    Ok(())
}
