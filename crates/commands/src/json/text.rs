//! STRAPPEND and TOGGLE.
//!
//! Cost: O(values that the path visits), and the lengths of the strings.

use super::assignment::pay_for_copies;
use super::count;
use super::creation::MissingPlaces;
use super::editing::{Change, Edit, edit_there, pay_from};
use super::printing::Means;
use super::reply::{last, reply_lengths};
use super::row::{
    GROWS, WRITES, WRITING, WRITTEN_KEY, at, coded, compiled, missing_or_not, path_at, plain, utf8,
    wrong_value,
};
use russet_command::{Arity, CommandError};
use russet_json::{Document, Kind, Location, Path, Value, View};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
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

/// The path and the value of STRAPPEND.
fn append_args(args: Args<'_>) -> Result<(&str, &str), CommandError> {
    match args.get(3) {
        Some(value) => Ok((path_at(args, 2)?, utf8(value)?)),
        None => Ok((".", utf8(args.at(2))?)),
    }
}

fn append(
    json: &mut Json,
    Edit {
        args, max, makes, ..
    }: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let (text, given) = append_args(args)?;
    let path = compiled(means.paths, text)?;
    let is_text = |value: Value<'_>| value.text().is_some();
    let (found, texts, missing) = if makes {
        let (mut found, mut texts) = (Vec::new(), Vec::new());
        let missing = MissingPlaces::reach(&path, json, means.budget, |location, value| {
            if is_text(value) {
                texts.push(found.len());
            }
            found.push(location);
        })?;
        (found, texts, missing)
    } else {
        let (found, texts) = found_of(json, &path, means, is_text)?;
        (found, texts, MissingPlaces::default())
    };
    // Without a string to append to, Redis does not look at the value.
    let value = if texts.is_empty() && missing.is_empty() {
        Document::text("")
    } else {
        Document::parse(given.as_bytes()).map_err(coded)?
    };
    let Some(more) = value.root().text() else {
        return Err(wrong_value("string", given));
    };
    let grown = texts.len();
    let total = json.memory_bytes() as u64 + (grown as u64).saturating_mul(more.len() as u64);
    if grown > 0 && total > max {
        return Err(CommandError::StringTooLong);
    }
    pay_for_copies(&value, grown, means.budget)?;
    missing.check(json, &value, grown, max, means.budget)?;
    let mut lengths = vec![None; found.len()];
    let places: Vec<&[u32]> = texts.iter().map(|number| &*found[*number]).collect();
    let mut append = |place: usize, document: &mut Document, location: &[u32]| {
        document.append_text(location, more);
        lengths[texts[place]] = at(document, location).text().map(str::len);
    };
    json.edit_each(&places, &pay_from(means.budget), &mut append)?;
    missing.make(json, &value);
    let lengths = missing.with_results(lengths, &Some(more.len()));
    let is_changed = lengths.iter().any(Option::is_some);
    reply_lengths(reply, &path, lengths, || {
        missing_or_not(path.text(), "not a string")
    })?;
    Ok(if is_changed {
        Change::Changed
    } else {
        Change::Nothing
    })
}

/// The locations of a path's matches, and the positions of the matches that are of a kind.
fn found_of(
    json: &Json,
    path: &Path,
    means: &Means<'_>,
    is_of_kind: impl Fn(Value<'_>) -> bool,
) -> Result<(Vec<Location>, Vec<usize>), CommandError> {
    let (mut found, mut numbers) = (Vec::new(), Vec::new());
    let take = |location: &Location, value: Value<'_>| {
        if is_of_kind(value) {
            numbers.push(found.len());
        }
        found.push(location.clone());
    };
    path.each_found(json.root(), means.budget, take)
        .map_err(plain)?;
    Ok((found, numbers))
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
    let is_bool = |value: Value<'_>| matches!(value.kind(), Kind::Bool(_));
    let (found, bools) = found_of(json, &path, means, is_bool)?;
    let mut values = vec![None; found.len()];
    let places: Vec<&[u32]> = bools.iter().map(|number| &*found[*number]).collect();
    let mut turn = |place: usize, document: &mut Document, location: &[u32]| {
        if let Kind::Bool(old) = at(document, location).kind() {
            document.set_bool(location, !old);
            values[bools[place]] = Some(!old);
        }
    };
    json.edit_each(&places, &pay_from(means.budget), &mut turn)?;
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
