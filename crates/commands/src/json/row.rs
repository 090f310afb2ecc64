//! The rows' common parts: flags, keys, finding a document, compiled paths, errors.
//!
//! A handler looks its key up first, then compiles the path, then evaluates it: errors come in
//! Redis's order. The server compiles a path once and keeps it by the path's text
//! (`Server::json_paths`).

use std::fmt::Display;
use std::sync::Arc;

use russet_command::{Access, Category, CommandError, Flags, KeySpec};
use russet_json::{Budget, Document, EvalError, Path, PathCache, PathError, PathResult, Value};
use russet_keyspace::{Db, Ref, RefMut};
use russet_resp::{Args, Reply};
use russet_types::Json;

pub(super) const READS: Flags = Flags::READONLY.union(Flags::MODULE);
pub(super) const WRITES: Flags = Flags::WRITE.union(Flags::MODULE);
pub(super) const GROWS: Flags = WRITES.union(Flags::DENYOOM);

/// Commands of a module are in the categories that they name alone.
pub(super) const READING: Category = Category::JSON.union(Category::READ);
pub(super) const WRITING: Category = Category::JSON.union(Category::WRITE);

pub(super) const READ_KEY: &[KeySpec] = &[KeySpec::one(1, Access::READ)];
pub(super) const WRITTEN_KEY: &[KeySpec] = &[KeySpec::one(1, Access::MODIFY)];

/// The key has a value that is no document.
pub(super) const OTHER_TYPE: CommandError = CommandError::Text("Existing key has wrong Redis type");
/// The command needs a document.
pub(super) const NO_DOCUMENT: CommandError =
    CommandError::Text("ERR could not perform this operation on a key that doesn't exist");
pub(super) const NOT_UTF8: CommandError = CommandError::Text("Couldn't parse as UTF-8 string");
pub(super) const BAD_INTEGER: CommandError = CommandError::Text("Couldn't parse as integer");

/// The path at an argument; by default the root, as a legacy path.
pub(super) fn path_at<'a>(args: Args<'a>, at: usize) -> Result<&'a str, CommandError> {
    utf8(args.get(at).unwrap_or(b"."))
}

/// The text of an argument.
pub(super) fn utf8(text: &[u8]) -> Result<&str, CommandError> {
    std::str::from_utf8(text).map_err(|_| NOT_UTF8)
}

/// The document at a key, to read.
pub(super) fn read<'d>(
    db: &'d mut Db<'_>,
    key: &[u8],
) -> Result<Option<Ref<'d, Json>>, CommandError> {
    db.read::<Json>(key).map_err(|_| OTHER_TYPE)
}

/// The document at a key, to change it.
pub(super) fn write<'d>(
    db: &'d mut Db<'_>,
    key: &[u8],
) -> Result<Option<RefMut<'d, Json>>, CommandError> {
    db.write::<Json>(key).map_err(|_| OTHER_TYPE)
}

/// A path, compiled.
pub(super) fn compiled(paths: &mut PathCache, text: &str) -> Result<Arc<Path>, CommandError> {
    // A NUL in an error line is a blank, as in Redis.
    let refused = |error: PathError| CommandError::owned(error.to_string().replace('\0', " "));
    paths.get(text).map_err(refused)
}

/// Whether a path, not yet compiled, is the root, because only at the root a command may make a
/// key.
pub(super) fn is_root(paths: &mut PathCache, text: &str) -> bool {
    compiled(paths, text).is_ok_and(|path| path.is_root())
}

/// Calls `take` with each result of a path, in order; of a legacy path with the first.
pub(super) fn each_result(
    path: &Path,
    root: Value<'_>,
    budget: &Budget,
    take: impl FnMut(Value<'_>) -> Result<(), EvalError>,
) -> Result<(), CommandError> {
    if path.is_legacy() {
        let first = path.first(root, budget).map_err(plain)?;
        return first.map_or(Ok(()), take).map_err(plain);
    }
    each_match(path, root, budget, take)
}

/// Calls `take` with each result of a path, in order, also of a legacy path.
pub(super) fn each_match(
    path: &Path,
    root: Value<'_>,
    budget: &Budget,
    mut take: impl FnMut(Value<'_>) -> Result<(), EvalError>,
) -> Result<(), CommandError> {
    if path.is_projection() {
        for found in path.results(root, budget).map_err(plain)? {
            let taken = match found {
                PathResult::At(value) => take(value),
                PathResult::Computed(value) => take(Document::of(&value).root()),
            };
            taken.map_err(plain)?;
        }
        return Ok(());
    }
    path.each(root, budget, take).map_err(plain)
}

/// The value at the location of a match.
pub(super) fn at<'d>(document: &'d Document, location: &[u32]) -> Value<'d> {
    document.get(location).expect("a match is there")
}

/// An error whose text has no code.
pub(super) fn plain(error: impl Display) -> CommandError {
    CommandError::owned(error.to_string())
}

/// The same with the usual code.
pub(super) fn coded(error: impl Display) -> CommandError {
    CommandError::owned(format!("ERR {error}"))
}

/// Nothing is at the path.
pub(super) fn missing(path: impl Display) -> CommandError {
    CommandError::owned(format!("ERR Path '{path}' does not exist"))
}

/// Nothing is at the path, or nothing of the kind.
pub(super) fn missing_or_not(path: impl Display, what: &str) -> CommandError {
    CommandError::owned(format!("ERR Path '{path}' does not exist or {what}"))
}

/// A value of another kind is at a legacy path.
pub(super) fn wrong_value(expected: &str, found: impl Display) -> CommandError {
    CommandError::owned(format!(
        "WRONGTYPE wrong type of path value - expected {expected} but found {found}"
    ))
}

/// Writes a reply whose parts come while a path is evaluated; an error leaves none of them.
pub(super) fn whole(
    reply: &mut Reply,
    write: impl FnOnce(&mut Reply) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mark = reply.mark();
    let outcome = write(reply);
    if outcome.is_err() {
        reply.truncate(mark);
    }
    outcome
}
