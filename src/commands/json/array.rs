//! ARRAPPEND, ARRINSERT, ARRPOP and ARRTRIM.
//!
//! An array within another match is changed before it. Cost: O(values that the path visits), and
//! the elements that are moved.

use super::assignment::check_growth;
use super::count;
use super::parsing::Values;
use super::reply::{last, reply_lengths, write_expanded};
use super::row::{
    BAD_INTEGER, GROWS, WRITES, WRITING, WRITTEN_KEY, at, missing_or_not, open, path_at, plain,
};
use crate::server::{Call, CommandResult, Spec};
use russet_base::numbers::number::parse_i64;
use russet_base::text::Printable;
use russet_command::{Arity, CommandError};
use russet_json::{Document, Format, Kind, Location, Path, PathCache, Value, View};
use russet_keyspace::{Class, Db, RefMut};
use russet_resp::{Args, Reply};
use russet_types::Json;
use std::sync::Arc;

const OUT_OF_BOUNDS: CommandError = CommandError::Text("ERR index out of bounds");
const NOT_IN_RESP2: CommandError =
    CommandError::Text("ERR FORMAT argument is not supported on RESP2");
const BAD_FORMAT: CommandError = CommandError::Text("ERR wrong reply format");
const LEGACY_FORMAT: CommandError =
    CommandError::Text("Legacy paths are supported only with FORMAT STRINGS");

pub(super) const ARRAPPEND: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::APPENDED,
    ..Spec::new("json.arrappend", arrappend)
};

/// `JSON.ARRAPPEND key path value ...`: appends values to arrays.
///
/// Reply: array of the new lengths, null for a match that is no array; of a legacy path the last.
fn arrappend(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() < 4 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let (key, text) = (args.at(1), path_at(args, 2)?);
    let Some(values) = values(call, 3)? else {
        return Ok(());
    };
    let max = call.string_max();
    let paths = &mut call.server.json_paths;
    let (mut json, path, arrays) = Arrays::open(&mut call.db, paths, key, text)?;
    for value in &values {
        check_growth(&json, value, arrays.places(), 1, max)?;
    }
    let lengths = arrays.each(&mut json, |json, location, len| {
        json.insert_elements(location, len, &values);
        len + values.len()
    });
    drop(json);
    if lengths.iter().any(Option::is_some) {
        call.db.changed(key, Class::MODULE, "json.arrappend");
    }
    // The path as it was given, unlike elsewhere.
    reply_lengths(call.reply, &path, lengths, || {
        missing_or_not(Printable(text.as_bytes()), "not an array")
    })
}

pub(super) const ARRINSERT: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::INSERTED,
    ..Spec::new("json.arrinsert", arrinsert)
};

/// `JSON.ARRINSERT key path index value ...`: inserts values before an index, which may count from
/// the end.
///
/// Reply: as of ARRAPPEND. An index outside of one of the arrays is an error.
fn arrinsert(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, text) = (args.at(1), path_at(args, 2)?);
    let index = parse_i64(args.at(3)).ok_or(BAD_INTEGER)?;
    let Some(values) = values(call, 4)? else {
        return Ok(());
    };
    let max = call.string_max();
    let paths = &mut call.server.json_paths;
    let (mut json, path, arrays) = Arrays::open(&mut call.db, paths, key, text)?;
    for value in &values {
        check_growth(&json, value, arrays.places(), 1, max)?;
    }
    let place = |len: usize| {
        let at = if index < 0 {
            index.saturating_add(len as i64)
        } else {
            index
        };
        usize::try_from(at).ok().filter(|at| *at <= len)
    };
    if arrays.lengths().any(|len| place(len).is_none()) {
        return Err(OUT_OF_BOUNDS);
    }
    let lengths = arrays.each(&mut json, |json, location, len| {
        json.insert_elements(location, place(len).unwrap_or(len), &values);
        len + values.len()
    });
    drop(json);
    if lengths.iter().any(Option::is_some) {
        call.db.changed(key, Class::MODULE, "json.arrinsert");
    }
    reply_lengths(call.reply, &path, lengths, || {
        missing_or_not(path.text(), "not an array")
    })
}

pub(super) const ARRTRIM: Spec = Spec {
    arity: Arity::Exactly(5),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::CONTENT,
    ..Spec::new("json.arrtrim", arrtrim)
};

/// `JSON.ARRTRIM key path start stop`: keeps the elements from `start` to `stop`, both included;
/// either may count from the end.
///
/// Reply: as of ARRAPPEND.
fn arrtrim(call: &mut Call<'_>) -> CommandResult {
    let [_, key, _, start, stop] = call.args.exactly();
    let text = path_at(call.args, 2)?;
    let start = parse_i64(start).ok_or(BAD_INTEGER)?;
    let stop = parse_i64(stop).ok_or(BAD_INTEGER)?;
    let paths = &mut call.server.json_paths;
    let (mut json, path, arrays) = Arrays::open(&mut call.db, paths, key, text)?;
    let mut is_changed = false;
    let lengths = arrays.each(&mut json, |json, location, len| {
        let kept = kept(len, start, stop);
        if kept.len() < len {
            json.retain_elements(location, kept.clone());
        }
        is_changed = true;
        kept.len()
    });
    drop(json);
    if is_changed {
        call.db.changed(key, Class::MODULE, "json.arrtrim");
    }
    reply_lengths(call.reply, &path, lengths, || {
        missing_or_not(path.text(), "not an array")
    })
}

/// The elements that a trim keeps.
fn kept(len: usize, start: i64, stop: i64) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_end = |at: i64| {
        if at < 0 {
            at.saturating_add(len).max(0)
        } else {
            at
        }
    };
    let (start, stop) = (from_end(start), from_end(stop).min(len - 1));
    if start >= len || start > stop {
        return 0..0;
    }
    start as usize..stop as usize + 1
}

pub(super) const ARRPOP: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::POPPED,
    ..Spec::new("json.arrpop", arrpop)
};

/// `JSON.ARRPOP key [FORMAT STRINGS | EXPAND1 | EXPAND] [path [index]]`: removes an element, by
/// default the last one. An index outside of the array is that of its nearest element; one that is
/// no number is the last.
///
/// Reply: array of JSON texts, null for an empty array and a match that is none; of a legacy path
/// the last. EXPAND and EXPAND1, RESP3 alone: values of the protocol.
fn arrpop(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (depth, from) = if args.len() > 3 && args.is(2, "FORMAT") {
        (expanded(args, 3, call.reply.resp3())?, 4)
    } else {
        (None, 2)
    };
    let (key, text) = (args.at(1), path_at(args, from)?);
    if depth.is_some() && Path::is_legacy_text(text) {
        return Err(LEGACY_FORMAT);
    }
    let index = args.get(from + 1).and_then(parse_i64).unwrap_or(-1);
    let paths = &mut call.server.json_paths;
    let (mut json, path, arrays) = Arrays::open(&mut call.db, paths, key, text)?;
    let popped = arrays.each(&mut json, |json, location, len| {
        let last = len.checked_sub(1)?;
        let index = if index < 0 {
            index.saturating_add(len as i64).max(0)
        } else {
            index
        };
        let mut element = location.clone();
        element.push(usize::try_from(index).map_or(last, |index| index.min(last)) as u32);
        let value = Document::copy_of(at(json, &element));
        json.remove(&element);
        Some(value)
    });
    drop(json);
    // As in Redis, a legacy path counts an empty array as changed.
    let is_changed = |value: &Option<Option<_>>| match value {
        Some(element) => element.is_some() || path.is_legacy(),
        None => false,
    };
    if popped.iter().any(is_changed) {
        call.db.changed(key, Class::MODULE, "json.arrpop");
    }
    let reply = &mut *call.reply;
    let write = |reply: &mut Reply, value: Option<&Document>| match value {
        None => reply.null(),
        Some(value) if let Some(depth) = depth => write_expanded(reply, value.root(), depth),
        Some(value) => {
            let mut text = Vec::new();
            value.root().print(&Format::default(), &mut text);
            reply.bulk_owned(text);
        }
    };
    if path.is_legacy() {
        let last = last(&popped).ok_or_else(|| missing_or_not(path.text(), "not an array"))?;
        write(reply, last.as_ref());
        return Ok(());
    }
    reply.array(popped.len());
    for value in &popped {
        write(reply, value.as_ref().and_then(Option::as_ref));
    }
    Ok(())
}

/// The depth to which the FORMAT at an argument expands containers; `None`: texts.
fn expanded(args: Args<'_>, at: usize, is_resp3: bool) -> Result<Option<usize>, CommandError> {
    // In capitals, unlike other words.
    let depth = match args.at(at) {
        b"STRINGS" => None,
        b"EXPAND1" => Some(0),
        b"EXPAND" => Some(usize::MAX),
        _ => return Err(BAD_FORMAT),
    };
    if is_resp3 {
        Ok(depth)
    } else {
        Err(NOT_IN_RESP2)
    }
}

/// The values of the texts from an argument on; `None`: the client waits for them.
fn values(call: &mut Call<'_>, from: usize) -> Result<Option<Vec<Document>>, CommandError> {
    let args = call.args;
    let Some(mut values) = Values::of(call, from..args.len()) else {
        return Ok(None);
    };
    let texts = args.from(from);
    let values: Result<_, _> = texts.iter().map(|text| values.next(text)).collect();
    values.map(Some)
}

/// The matches of a path, with the lengths of those that are arrays.
struct Arrays {
    found: Vec<(Location, Option<usize>)>,
}

impl Arrays {
    /// The document at a key, which must be there, a path into it, and what that finds.
    fn open<'d>(
        db: &'d mut Db<'_>,
        paths: &mut PathCache,
        key: &[u8],
        text: &str,
    ) -> Result<(RefMut<'d, Json>, Arc<Path>, Arrays), CommandError> {
        let (json, path) = open(db, paths, key, text)?;
        let found = path.find(json.root()).map_err(plain)?;
        let with_length = |(location, value): (Location, Value<'_>)| {
            let len = matches!(value.kind(), Kind::Array).then(|| value.len());
            (location, len)
        };
        let found = found.into_iter().map(with_length).collect();
        Ok((json, path, Arrays { found }))
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        self.found.iter().filter_map(|(_, len)| *len)
    }

    /// The locations of the arrays.
    fn places(&self) -> impl Iterator<Item = &Location> + Clone {
        let arrays = self.found.iter().filter(|(_, len)| len.is_some());
        arrays.map(|(location, _)| location)
    }

    /// Changes each array, given its length, those within others first; returns the results in the
    /// order of the matches, `None` for a match that is no array.
    fn each<R>(
        &self,
        json: &mut Json,
        mut change: impl FnMut(&mut Json, &Location, usize) -> R,
    ) -> Vec<Option<R>> {
        if let [(location, len)] = &self.found[..] {
            return vec![len.map(|len| change(json, location, len))];
        }
        let mut results: Vec<Option<R>> = self.found.iter().map(|_| None).collect();
        let mut order: Vec<usize> = (0..self.found.len()).collect();
        order.sort_by(|a, b| self.found[*b].0.cmp(&self.found[*a].0));
        for number in order {
            let (location, len) = &self.found[number];
            if len.is_some() {
                // A match that is repeated has changed before.
                let len = at(json, location).len();
                results[number] = Some(change(json, location, len));
            }
        }
        results
    }
}
