//! How many values each command would touch: the work of the command (`commands::work`).
//!
//! A value counts as [`VALUE_BYTES`], in a document as in a text. A path of names and indexes
//! visits one value, and also the values in it if the command reads or frees them; any other path
//! may visit the whole document. O(1), except for the size of a value in a large document: the
//! function sums a few chunks, and a value with more chunks counts as the document.

use super::get::GetOptions;
use super::row::{compiled, path_at};
use crate::work::{self, Work, look};
use russet_command::CommandError;
use russet_json::{Value, View};
use russet_resp::Args;
use russet_server::{Call, CommandResult};
use russet_types::Json;

const VALUE_BYTES: u64 = 16;
/// Chunks of a document that are looked at for the size of a value: some microseconds each.
const CHUNKS_MAX: usize = 16;

const STATIC_PATH: &str = "a path of names and indexes touches what it names alone";
const PARTS: &str = "read or change parts of the document at their paths";

/// A single value at the path.
pub(super) const ONE: Work = work::by(one, STATIC_PATH);
/// The names of an object at the path.
pub(super) const NAMES: Work = work::by(names, STATIC_PATH);
/// All values within the values at the path.
pub(super) const CONTENT: Work = work::by(content, PARTS);
/// The work of JSON.GET.
pub(super) const SHOWN: Work = work::by(shown, PARTS);
/// The work of JSON.DEBUG.
pub(super) const MEASURED: Work = work::by(measured, PARTS);
/// A single value at the path of each key.
pub(super) const EACH_KEY: Work = work::by(each_key, work::FEWER_NAMES);
/// A path and a text.
pub(super) const WRITTEN: Work = work::by(written, PARTS);
/// Paths and texts.
pub(super) const EACH_TRIPLET: Work = work::by(each_triplet, work::FEWER_NAMES);
/// A path, a number, and texts.
pub(super) const INSERTED: Work = work::by(inserted, work::FEWER_NAMES);
/// A path and texts.
pub(super) const APPENDED: Work = work::by(appended, work::FEWER_NAMES);
/// A text, perhaps after a path.
pub(super) const JOINED: Work = work::by(joined, STATIC_PATH);
/// The content of an array, and a text.
pub(super) const SEARCHED: Work = work::by(searched, PARTS);
/// An element of an array; the path may follow a format.
pub(super) const POPPED: Work = work::by(popped, STATIC_PATH);

/// The part that a command touches of a value that the path finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Itself,
    Names,
    Content,
}

/// The values that a path touches in the document at a key; 0 without a document.
fn at_path(call: &mut Call<'_>, key: &[u8], text: &str, reach: Reach) -> Result<u64, CommandError> {
    let path = compiled(&mut call.server.json_paths, text)?;
    let touched = look::<Json, _>(call, key, |json| {
        let all = values(json.memory_bytes());
        if !path.is_static() || path.is_root() && reach == Reach::Content {
            return all;
        }
        let Some(found) = path.only(json.root()) else {
            return 1;
        };
        match reach {
            Reach::Itself => 1,
            Reach::Names => found.len().max(1) as u64,
            Reach::Content => content_of(found).unwrap_or(all),
        }
    });
    Ok(touched.unwrap_or(0))
}

/// The values in a value; `None`: too many to count.
fn content_of(value: Value<'_>) -> Option<u64> {
    let bytes = value.memory_bytes_within(CHUNKS_MAX)?;
    Some(values(bytes).max(value.len() as u64))
}

/// The values in so many bytes.
fn values(bytes: usize) -> u64 {
    1 + bytes as u64 / VALUE_BYTES
}

/// The values of texts.
fn of_texts(texts: Args<'_>) -> u64 {
    texts.iter().map(|text| values(text.len())).sum()
}

/// Counts the values that the path after the key touches, and `others`.
fn count(call: &mut Call<'_>, reach: Reach, others: u64) -> CommandResult {
    let args = call.args;
    let touched = at_path(call, args.at(1), path_at(args, 2)?, reach)?;
    call.touches(touched + others);
    Ok(())
}

fn one(call: &mut Call<'_>) -> CommandResult {
    count(call, Reach::Itself, 0)
}

fn names(call: &mut Call<'_>) -> CommandResult {
    count(call, Reach::Names, 0)
}

fn content(call: &mut Call<'_>) -> CommandResult {
    count(call, Reach::Content, 0)
}

fn written(call: &mut Call<'_>) -> CommandResult {
    let text = of_texts(call.args.from(3).first(1));
    count(call, Reach::Itself, text)
}

fn appended(call: &mut Call<'_>) -> CommandResult {
    let texts = of_texts(call.args.from(3));
    count(call, Reach::Itself, texts)
}

fn inserted(call: &mut Call<'_>) -> CommandResult {
    let texts = of_texts(call.args.from(4));
    count(call, Reach::Itself, texts)
}

fn searched(call: &mut Call<'_>) -> CommandResult {
    let text = of_texts(call.args.from(3).first(1));
    count(call, Reach::Content, text)
}

fn joined(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (path, text) = match args.get(3) {
        Some(text) => (path_at(args, 2)?, text),
        None => (".", args.at(2)),
    };
    let touched = at_path(call, args.at(1), path, Reach::Itself)?;
    call.touches(touched + values(text.len()));
    Ok(())
}

fn popped(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let at = if args.len() > 3 && args.is(2, "FORMAT") {
        4
    } else {
        2
    };
    let touched = at_path(call, args.at(1), path_at(args, at)?, Reach::Itself)?;
    call.touches(touched);
    Ok(())
}

fn measured(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let Some(key) = args.get(2) else {
        return Ok(());
    };
    let touched = at_path(call, key, path_at(args, 3)?, Reach::Content)?;
    call.touches(touched);
    Ok(())
}

fn shown(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options = GetOptions::parse(args, true, call.name)?;
    let mut touched = 0u64;
    for path in &options.paths {
        touched += at_path(call, args.at(1), path, Reach::Content)?;
    }
    call.touches(touched);
    Ok(())
}

fn each_key(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let keys = args.len() - 2;
    let path = path_at(args, keys + 1)?;
    let mut touched = 0u64;
    for key in args.from(1).first(keys).iter() {
        touched += at_path(call, key, path, Reach::Content)?.max(1);
    }
    call.touches(touched);
    Ok(())
}

fn each_triplet(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() % 3 != 1 {
        return Ok(());
    }
    let mut touched = 0u64;
    for at in (1..args.len()).step_by(3) {
        let found = at_path(call, args.at(at), path_at(args, at + 1)?, Reach::Itself)?;
        touched += found + values(args.at(at + 2).len());
    }
    call.touches(touched);
    Ok(())
}
