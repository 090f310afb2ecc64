//! ARRAPPEND, ARRINSERT, ARRPOP and ARRTRIM.
//!
//! The commands change an array within another match before the outer match. Cost: O(values that
//! the path visits), and the elements that are moved.

use super::assignment::{check_growth, pay_for_copies};
use super::count;
use super::creation::MissingPlaces;
use super::editing::{Change, Edit, edit_there, pay_from};
use super::parsing::Values;
use super::printing::Means;
use super::reply::{last, reply_lengths, write_expanded};
use super::row::{
    BAD_INTEGER, GROWS, WRITES, WRITING, WRITTEN_KEY, at, compiled, missing_or_not, path_at, plain,
};
use russet_base::numbers::number::parse_i64;
use russet_base::text::Printable;
use russet_command::{Arity, CommandError};
use russet_json::{Budget, Document, Format, Kind, Location, Path, Value, View};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Json;
use std::borrow::Cow;
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
    path_at(args, 2)?;
    let Some(values) = values(call, 3)? else {
        return Ok(());
    };
    edit_there(call, "json.arrappend", Some(&values), append)
}

fn append(
    json: &mut Json,
    edit: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let values = values_of(&edit, 3)?;
    let text = path_at(edit.args, 2)?;
    let path = compiled(means.paths, text)?;
    let (arrays, missing) = Arrays::reach(&path, json, means, edit.makes)?;
    for value in &*values {
        check_growth(json, value, arrays.places(), 1, edit.max)?;
        arrays.pay(value, means)?;
    }
    let seeds = Seeds {
        missing: &missing,
        values: &values,
        max: edit.max,
    };
    let lengths = arrays.each_or_made(json, means, &seeds, |document, location, len| {
        document.insert_elements(location, len, &values);
        len + values.len()
    })?;
    let change = change_of(&lengths);
    // The path as it was given, unlike elsewhere.
    reply_lengths(reply, &path, lengths, || {
        missing_or_not(Printable(text.as_bytes()), "not an array")
    })?;
    Ok(change)
}

/// Whether there was an array to change.
fn change_of(lengths: &[Option<usize>]) -> Change {
    if lengths.iter().any(Option::is_some) {
        Change::Changed
    } else {
        Change::Nothing
    }
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
/// Reply: as of ARRAPPEND. An index outside of any of the arrays is an error.
fn arrinsert(call: &mut Call<'_>) -> CommandResult {
    path_at(call.args, 2)?;
    parse_i64(call.args.at(3)).ok_or(BAD_INTEGER)?;
    let Some(values) = values(call, 4)? else {
        return Ok(());
    };
    edit_there(call, "json.arrinsert", Some(&values), insert)
}

fn insert(
    json: &mut Json,
    edit: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let values = values_of(&edit, 4)?;
    let index = parse_i64(edit.args.at(3)).ok_or(BAD_INTEGER)?;
    let path = compiled(means.paths, path_at(edit.args, 2)?)?;
    // No place but the first is in an array that is not there yet.
    let (arrays, missing) = Arrays::reach(&path, json, means, edit.makes && index == 0)?;
    for value in &*values {
        check_growth(json, value, arrays.places(), 1, edit.max)?;
        arrays.pay(value, means)?;
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
    let seeds = Seeds {
        missing: &missing,
        values: &values,
        max: edit.max,
    };
    let lengths = arrays.each_or_made(json, means, &seeds, |document, location, len| {
        document.insert_elements(location, place(len).unwrap_or(len), &values);
        len + values.len()
    })?;
    let change = change_of(&lengths);
    reply_lengths(reply, &path, lengths, || {
        missing_or_not(path.text(), "not an array")
    })?;
    Ok(change)
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
    path_at(call.args, 2)?;
    trim_args(call.args)?;
    edit_there(call, "json.arrtrim", None, trim)
}

fn trim_args(args: Args<'_>) -> Result<(i64, i64), CommandError> {
    let start = parse_i64(args.at(3)).ok_or(BAD_INTEGER)?;
    Ok((start, parse_i64(args.at(4)).ok_or(BAD_INTEGER)?))
}

fn trim(
    json: &mut Json,
    edit: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let (start, stop) = trim_args(edit.args)?;
    let (path, arrays) = Arrays::find(json, means, path_at(edit.args, 2)?)?;
    let lengths = arrays.each(json, means, |document, location, len| {
        let kept = kept(len, start, stop);
        if kept.len() < len {
            document.retain_elements(location, kept.clone());
        }
        kept.len()
    })?;
    let change = change_of(&lengths);
    reply_lengths(reply, &path, lengths, || {
        missing_or_not(path.text(), "not an array")
    })?;
    Ok(change)
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
/// default the last. An index outside of the array means the nearest element; an index that is no
/// number means the last.
///
/// Reply: array of JSON texts, null for an empty array and for a match that is no array; of a
/// legacy path the last text. EXPAND and EXPAND1, RESP3 alone: values of the protocol.
fn arrpop(call: &mut Call<'_>) -> CommandResult {
    PopArgs::parse(call.args, call.reply.resp3())?;
    edit_there(call, "json.arrpop", None, pop)
}

struct PopArgs<'a> {
    depth: Option<usize>,
    path: &'a str,
    index: i64,
}

impl<'a> PopArgs<'a> {
    fn parse(args: Args<'a>, is_resp3: bool) -> Result<PopArgs<'a>, CommandError> {
        let (depth, from) = if args.len() > 3 && args.is(2, "FORMAT") {
            (expanded(args, 3, is_resp3)?, 4)
        } else {
            (None, 2)
        };
        let path = path_at(args, from)?;
        if depth.is_some() && Path::is_legacy_text(path) {
            return Err(LEGACY_FORMAT);
        }
        let index = args.get(from + 1).and_then(parse_i64).unwrap_or(-1);
        Ok(PopArgs { depth, path, index })
    }
}

fn pop(
    json: &mut Json,
    edit: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let PopArgs { depth, path, index } = PopArgs::parse(edit.args, reply.resp3())?;
    let (path, arrays) = Arrays::find(json, means, path)?;
    let popped = arrays.each(json, means, |document, location, len| {
        let last = len.checked_sub(1)?;
        let index = if index < 0 {
            index.saturating_add(len as i64).max(0)
        } else {
            index
        };
        let mut element = Location::from_slice(location);
        element.push(usize::try_from(index).map_or(last, |index| index.min(last)) as u32);
        let value = Document::copy_of(at(document, &element));
        document.remove(&element);
        Some(value)
    })?;
    // As in Redis, a legacy path counts an empty array as changed.
    let is_changed = |value: &Option<Option<_>>| match value {
        Some(element) => element.is_some() || path.is_legacy(),
        None => false,
    };
    let change = if popped.iter().any(is_changed) {
        Change::Changed
    } else {
        Change::Nothing
    };
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
        return Ok(change);
    }
    reply.array(popped.len());
    for value in &popped {
        write(reply, value.as_ref().and_then(Option::as_ref));
    }
    Ok(change)
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

/// The values of a command's texts from an argument on.
fn values_of<'e>(edit: &Edit<'e>, from: usize) -> Result<Cow<'e, [Document]>, CommandError> {
    if let Some(values) = edit.values {
        return Ok(Cow::Borrowed(values));
    }
    let texts = edit.args.from(from);
    let values = texts
        .iter()
        .map(|text| Document::parse(text).map_err(plain));
    values.collect::<Result<Vec<_>, _>>().map(Cow::Owned)
}

/// Arrays to make, and their elements.
struct Seeds<'s> {
    missing: &'s MissingPlaces<'s>,
    values: &'s [Document],
    /// Bytes that the document may have.
    max: u64,
}

/// The matches of a path, with the length of each match that is an array.
struct Arrays {
    found: Vec<(Location, Option<usize>)>,
}

impl Arrays {
    /// Compiles a path, and finds the matches.
    fn find(
        json: &Json,
        means: &mut Means<'_>,
        text: &str,
    ) -> Result<(Arc<Path>, Arrays), CommandError> {
        let path = compiled(means.paths, text)?;
        let (arrays, _) = Arrays::reach(&path, json, means, false)?;
        Ok((path, arrays))
    }

    /// Finds the matches of a path, and the members that it lacks if these are to be made.
    fn reach<'p>(
        path: &'p Path,
        json: &Json,
        means: &Means<'_>,
        makes: bool,
    ) -> Result<(Arrays, MissingPlaces<'p>), CommandError> {
        let mut found = Vec::new();
        let mut take = |location: Location, value: Value<'_>| {
            let len = matches!(value.kind(), Kind::Array).then(|| value.len());
            found.push((location, len));
        };
        let missing = if makes {
            MissingPlaces::reach(path, json, means.budget, take)?
        } else {
            path.each_found(json.root(), means.budget, |location, value| {
                take(location.clone(), value);
            })
            .map_err(plain)?;
            MissingPlaces::default()
        };
        Ok((Arrays { found }, missing))
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        self.found.iter().filter_map(|(_, len)| *len)
    }

    /// The locations of the arrays.
    fn places(&self) -> impl Iterator<Item = &Location> + Clone {
        let arrays = self.found.iter().filter(|(_, len)| len.is_some());
        arrays.map(|(location, _)| location)
    }

    /// Pays for a copy of a value for each array.
    fn pay(&self, value: &Document, means: &Means<'_>) -> CommandResult {
        pay_for_copies(value, self.places().count(), means.budget)
    }

    /// Changes each array, given the length, arrays within other arrays first; returns the results
    /// in the order of the matches, `None` for a match that is no array.
    fn each<R>(
        &self,
        json: &mut Json,
        means: &Means<'_>,
        change: impl FnMut(&mut Document, &[u32], usize) -> R,
    ) -> Result<Vec<Option<R>>, CommandError> {
        self.each_within(json, means.budget, change)
    }

    /// As [`Arrays::each`], for lengths; missing arrays are made first.
    fn each_or_made(
        &self,
        json: &mut Json,
        means: &Means<'_>,
        seeds: &Seeds<'_>,
        change: impl FnMut(&mut Document, &[u32], usize) -> usize,
    ) -> Result<Vec<Option<usize>>, CommandError> {
        if seeds.missing.is_empty() {
            return self.each(json, means, change);
        }
        let mut seed = Document::parse(b"[]").expect("it is JSON");
        seed.insert_elements(&[], 0, seeds.values);
        let (edits, budget) = (self.places().count(), means.budget);
        seeds.missing.check(json, &seed, edits, seeds.max, budget)?;
        seeds.missing.make(json, &seed);
        let lengths = self.each_within(json, &Budget::unlimited(), change)?;
        Ok(seeds
            .missing
            .with_results(lengths, &Some(seeds.values.len())))
    }

    fn each_within<R>(
        &self,
        json: &mut Json,
        budget: &Budget,
        mut change: impl FnMut(&mut Document, &[u32], usize) -> R,
    ) -> Result<Vec<Option<R>>, CommandError> {
        if let [(location, len)] = &self.found[..] {
            return Ok(vec![len.map(|len| change(json, location, len))]);
        }
        let arrays = self.found.iter().zip(0..);
        let arrays = arrays.filter(|((_, len), _)| len.is_some());
        let (places, numbers): (Vec<&[u32]>, Vec<usize>) =
            arrays.map(|((at, _), number)| (&**at, number)).unzip();
        let mut results: Vec<Option<R>> = self.found.iter().map(|_| None).collect();
        let mut change_at = |place: usize, document: &mut Document, location: &[u32]| {
            // A match that is repeated has changed before.
            let len = at(document, location).len();
            results[numbers[place]] = Some(change(document, location, len));
        };
        json.edit_each(&places, &pay_from(budget), &mut change_at)?;
        Ok(results)
    }
}
