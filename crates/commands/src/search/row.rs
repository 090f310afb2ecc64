//! The rows' common parts: flags, categories, refusals, the index of a name.
//!
//! Indexes are no keys: a user that creates, changes, names or reads an index needs read access to
//! all keys with the index's prefixes, and write access if the documents go with the index: by
//! DROPINDEX DD, by DROP, or at the end of a TEMPORARY index. `commands::conformance::rights` has a
//! line for each command.

use super::shards::statistics;
use russet_command::{Category, CommandError, Flags};
use russet_config::SearchOnLoading;
use russet_keyspace::DbIndex;
use russet_search::error::{ErrorStyle, SearchError};
use russet_search::schema::Schema;
use russet_server::Call;
use russet_server::search::IndexEntry;

pub(super) const READS: Flags = Flags::READONLY.union(Flags::MODULE);
pub(super) const WRITES: Flags = Flags::WRITE.union(Flags::MODULE);
pub(super) const GROWS: Flags = WRITES.union(Flags::DENYOOM);

pub(super) const SEARCHING: Category = Category::SEARCH.union(Category::READ);
pub(super) const REMOVING: Category = Category::SEARCH
    .union(Category::WRITE)
    .union(Category::SLOW)
    .union(Category::DANGEROUS);

const NOT_READ: CommandError =
    CommandError::Text("LOADING The index reads the dataset of the last start");
/// The warning about an index that still reads.
pub(super) const READS_STILL: &str =
    "The index reads the dataset of the last start: results may be incomplete";
const NO_RIGHTS: CommandError =
    CommandError::Text("NOPERM User does not have the required permissions to query the index");

/// A refusal as clients read it; `search-error-codes` chooses the wording when it is sent.
pub(super) fn refusal(error: &SearchError) -> CommandError {
    let (line, stack_line) = (
        error.wire(ErrorStyle::Redis8),
        error.wire(ErrorStyle::Stack7),
    );
    CommandError::reworded(&line, &stack_line)
}

/// The arguments from position `from`, as the parsers take them.
pub(super) fn words<'a>(call: &Call<'a>, from: usize) -> Vec<&'a [u8]> {
    let mut words = call.args.from(from).to_vec();
    let own = words.len().saturating_sub(statistics::extra_words(call));
    words.truncate(own);
    words
}

/// Makes sure that indexes match the keys as they are now.
pub(super) fn catch_up(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.server.search.catch_up(
        &mut call.server.json_paths,
        &call.server.cycles,
        call.db.keyspace(),
    );
    Ok(())
}

/// The index of a name or an alias, whose keys the user may read.
///
/// # Errors
///
/// If there is no such index, or the user lacks the right.
pub(super) fn readable<'c>(
    call: &'c Call<'_>,
    name: &[u8],
) -> Result<&'c IndexEntry, CommandError> {
    readable_or(call, name, || SearchError::no_such_index(name))
}

/// As [`readable`], with another refusal of a name that no index has.
pub(super) fn readable_or<'c>(
    call: &'c Call<'_>,
    name: &[u8],
    unknown: impl FnOnce() -> SearchError,
) -> Result<&'c IndexEntry, CommandError> {
    let held = call.server.search.get(name);
    let held = held.ok_or_else(|| refusal(&unknown()))?;
    check_prefixes(call, held.index.schema())?;
    let fails = call.server.config.search_on_loading == SearchOnLoading::Fail;
    if fails && held.is_short() && !call.was_taken_before() {
        return Err(NOT_READ);
    }
    Ok(held)
}

/// Whether the user may read every key with the prefixes of an index.
pub(super) fn check_prefixes(call: &Call<'_>, schema: &Schema) -> Result<(), CommandError> {
    let may_read = |prefix: &Vec<u8>| call.may_read_prefix(DbIndex(schema.database()), prefix);
    if schema.prefixes.iter().all(may_read) {
        Ok(())
    } else {
        Err(NO_RIGHTS)
    }
}

/// Whether the user may also delete them, because the documents of the index can go with it.
pub(super) fn check_deletion(call: &Call<'_>, schema: &Schema) -> Result<(), CommandError> {
    let may_write = |prefix: &Vec<u8>| call.may_write_prefix(DbIndex(schema.database()), prefix);
    if schema.prefixes.iter().all(may_write) {
        Ok(())
    } else {
        Err(NO_RIGHTS)
    }
}
