//! CREATE, ALTER, DROPINDEX, _LIST, and the forms of these commands for log and replicas, which
//! accept an index that is there already, or gone.

use super::row::{
    GROWS, READS, REMOVING, WRITES, catch_up, check_deletion, check_prefixes, refusal, words,
};
use crate::work::by;
use russet_command::{Arity, Category, CommandError, Facts};
use russet_search::error::{INDEX_EXISTS, SearchError};
use russet_search::schema::{Field, FieldKind, parse};
use russet_server::search::documents::check_path;
use russet_server::search::{DATABASE, text_settings};
use russet_server::{Call, CommandResult, Origin, Spec};

const OTHER_DATABASE: CommandError = CommandError::Text("Cannot create index on db != 0");
const NO_DATABASE: CommandError = CommandError::Text("ERR DB index is out of range");
const NO_SCHEMA: CommandError = CommandError::Text("ALTER must be followed by SCHEMA");
const NO_ACTION: CommandError = CommandError::Text("Unknown action passed to ALTER SCHEMA");
const NO_FIELDS: CommandError = CommandError::Text("No fields provided");

pub(super) const CREATE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: GROWS,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.CREATE", create)
};

pub(super) const CREATEIFNX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: GROWS,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT._CREATEIFNX", create_if_missing)
};

/// `FT.CREATE index [option ...] SCHEMA field type [option ...] ...`: makes an index over the
/// hashes or JSON documents of database 0, or of another that `DB n` names. Keys that are there
/// already are read in slices of the loop.
///
/// Reply: OK. O(fields); each key is read once later.
fn create(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    if is_taken(call) && !call.is_spread() {
        let error = SearchError::new(INDEX_EXISTS, "Index already exists");
        return Err(refusal(&error));
    }
    make(call)
}

/// `FT._CREATEIFNX`: as CREATE, but OK if the index exists.
fn create_if_missing(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    if is_taken(call) && !call.is_spread() {
        call.reply.ok();
        return Ok(());
    }
    make(call)
}

/// Whether the name is an index's, or an alias's. A log in which an index took an alias's name has
/// the index: the alias is gone there.
fn is_taken(call: &Call<'_>) -> bool {
    let (indexes, name) = (&call.server.search, call.args.at(1));
    indexes.is_index(name) || indexes.alias(name).is_some() && !call.was_taken_before()
}

fn make(call: &mut Call<'_>) -> CommandResult {
    let name = call.args.at(1);
    if call.args.len() == 2 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let schema = match parse::create(name, &words(call, 2), &check_path) {
        Ok(schema) => schema,
        Err(error) if call.try_keep_aside(name, &error.text) => return Ok(()),
        Err(error) => return Err(refusal(&error)),
    };
    if schema.database() as usize >= call.db.whole().databases() {
        return Err(NO_DATABASE);
    }
    // A client of another database has to name the database that it means.
    let is_named = schema.named_database.is_some();
    if call.name == CREATE.name && call.db.index() != DATABASE && !is_named {
        return Err(OTHER_DATABASE);
    }
    check_prefixes(call, &schema)?;
    check_vectors(call, &schema.fields)?;
    if schema.temporary_s.is_some() {
        check_deletion(call, &schema)?;
    }
    if !call.spread()? {
        return Ok(());
    }
    // Another node may have sent the definition meanwhile.
    if call.server.search.is_index(name) {
        call.reply.ok();
        return Ok(());
    }
    let now_ms = call.server.now.mono_ms;
    let texts = text_settings(&call.server.config);
    let is_loading = call.origin == Origin::Loading;
    call.server.search.create(name, schema, texts, now_ms);
    if let Some(held) = call.server.search.get_mut(name)
        && held.scan.is_some()
    {
        held.read_again(!is_loading);
    }
    call.server.update_listeners(call.db.keyspace());
    changed(call, b"FT._CREATEIFNX");
    call.reply.ok();
    Ok(())
}

/// Refuses a definition in which a single vector takes more than a tenth of the memory limit.
fn check_vectors(call: &Call<'_>, fields: &[Field]) -> CommandResult {
    let limit = call.server.memory.limit.maxmemory() as usize;
    if limit == 0 || matches!(call.origin, Origin::Loading | Origin::Primary) {
        return Ok(());
    }
    for field in fields {
        if let FieldKind::Vector(vector) = &field.kind {
            vector.check(limit / 10).map_err(|error| refusal(&error))?;
        }
    }
    Ok(())
}

/// The definitions have changed: the effect is the command's own arguments by another name.
pub(super) fn changed(call: &mut Call<'_>, name: &[u8]) {
    call.db.add_dirty(1);
    call.server.search.count_change();
    let args = call.args;
    let all: Vec<&[u8]> = std::iter::once(name).chain(args.from(1).iter()).collect();
    call.rewrite(&all);
}

pub(super) const ALTER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: GROWS,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.ALTER", alter)
};

pub(super) const ALTERIFNX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: GROWS,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT._ALTERIFNX", alter)
};

/// `FT.ALTER index [SKIPINITIALSCAN] SCHEMA ADD field type [option ...] ...`: adds fields to an
/// index; the server reads all documents of the index again, in slices of the loop.
///
/// Reply: OK. O(fields).
fn alter(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let (args, name) = (call.args, call.args.at(1));
    let unknown = || refusal(&SearchError::unknown_index(name, "Unknown index name"));
    if call.server.search.is_refused(name) && call.try_keep_aside(name, b"as its index is") {
        return Ok(());
    }
    let held = call.server.search.get(name).ok_or_else(unknown)?;
    let schema = held.index.schema();
    let skips = args.is(2, "SKIPINITIALSCAN");
    let mut at = 2 + usize::from(skips);
    if args.len() < 5 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    for (word, otherwise) in [("SCHEMA", NO_SCHEMA), ("ADD", NO_ACTION)] {
        if at >= args.len() || !args.is(at, word) {
            return Err(otherwise);
        }
        at += 1;
    }
    if at >= args.len() {
        return Err(NO_FIELDS);
    }
    check_prefixes(call, schema)?;
    // Another node may have sent the fields meanwhile.
    let may_be_there = call.name == ALTERIFNX.name || call.is_spread();
    let added = match parse::alter(schema, name, &words(call, at), &check_path) {
        Ok(added) => added,
        Err(error) if parse::is_duplicate(&error) && may_be_there => {
            if call.spread()? {
                call.reply.ok();
            }
            return Ok(());
        }
        Err(error) if call.try_keep_aside(name, &error.text) => return Ok(()),
        Err(error) => return Err(refusal(&error)),
    };
    check_vectors(call, &added)?;
    if !call.spread()? {
        return Ok(());
    }
    let is_loading = call.origin == Origin::Loading;
    if let Some(held) = call.server.search.get_mut(name) {
        held.index.add_fields(added);
        if !skips {
            held.read_again(!is_loading);
        }
    }
    changed(call, b"FT._ALTERIFNX");
    call.reply.ok();
    Ok(())
}

const fn drop_spec(name: &'static str, handler: russet_server::Handler) -> Spec {
    Spec {
        arity: Arity::AtLeast(2),
        flags: WRITES,
        categories: REMOVING,
        facts: Facts::ASKS_NODES,
        work: by(
            deleted,
            "drop the index alone, and delete its keys in steps",
        ),
        ..Spec::new(name, handler)
    }
}

pub(super) const DROPINDEX: Spec = drop_spec("FT.DROPINDEX", drop_index);
pub(super) const DROPINDEXIFX: Spec = drop_spec("FT._DROPINDEXIFX", drop_index);
pub(super) const DROP: Spec = drop_spec("FT.DROP", drop_with_documents);
pub(super) const DROPIFX: Spec = drop_spec("FT._DROPIFX", drop_with_documents);

/// The work of the four: the documents that go with the index.
fn deleted(call: &mut Call<'_>) -> CommandResult {
    let keeps = if [DROP.name, DROPIFX.name].contains(&call.name) {
        keeps_documents(call)
    } else {
        call.args.len() < 3 || !call.args.is(2, "DD")
    };
    if let Some(held) = call.server.search.get(call.args.at(1))
        && !keeps
    {
        call.touches(held.index.len() as u64);
    }
    Ok(())
}

/// Whether FT.DROP leaves the documents.
fn keeps_documents(call: &Call<'_>) -> bool {
    let args = call.args;
    args.len() > 2 && (args.is(2, "KEEPDOCS") || args.is(2, "_FORCEKEEPDOCS"))
}

/// `FT.DROPINDEX index [DD]`: removes an index; with DD the documents, too.
///
/// Reply: OK, once all is deleted. O(1), with DD O(documents), in slices.
fn drop_index(call: &mut Call<'_>) -> CommandResult {
    let with_documents = call.args.len() > 2 && call.args.is(2, "DD");
    check_word(call, &["DD", "_FORCEKEEPDOCS"])?;
    remove(call, with_documents)
}

/// Refuses a last argument that is not among the `known` words, because an unknown word must not
/// remove anything.
fn check_word(call: &Call<'_>, known: &[&str]) -> CommandResult {
    match call.args.get(2) {
        Some(word) if !known.iter().any(|known| call.args.is(2, known)) => {
            Err(refusal(&SearchError::unknown_argument(word)))
        }
        _ => Ok(()),
    }
}

/// `FT.DROP index [KEEPDOCS]`: removes an index and the documents in it. Deprecated.
///
/// Reply: OK, once all is deleted. O(documents), in slices.
fn drop_with_documents(call: &mut Call<'_>) -> CommandResult {
    let keeps = keeps_documents(call);
    check_word(call, &["KEEPDOCS", "_FORCEKEEPDOCS"])?;
    remove(call, !keeps)
}

fn remove(call: &mut Call<'_>, with_documents: bool) -> CommandResult {
    if call.args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    catch_up(call)?;
    let name = call.args.at(1);
    if let Some(drop) = call.take_work::<LongDrop>() {
        return wait_for_drop(call, drop);
    }
    if call.server.search.is_refused(name) && call.may_read_all_keys() {
        call.server.search.forget_refused(name);
        changed(call, b"FT._DROPINDEXIFX");
        call.reply.ok();
        return Ok(());
    }
    let Some(held) = call.server.search.get(name) else {
        if [DROPINDEXIFX.name, DROPIFX.name].contains(&call.name) || call.is_spread() {
            if call.spread()? {
                call.reply.ok();
            }
            return Ok(());
        }
        return Err(refusal(&SearchError::unknown_index(
            name,
            "Unknown Index name",
        )));
    };
    check_prefixes(call, held.index.schema())?;
    if with_documents {
        check_deletion(call, held.index.schema())?;
    }
    let (index, drop) = (held.database(), LongDrop(held.birth));
    if !call.spread()? {
        return Ok(());
    }
    if with_documents && call.may_leave_loop() && call.server.search.begin_drop(name) {
        return wait_for_drop(call, drop);
    }
    let mut db = call.db.other(index);
    let Some((_, deleted)) = call.server.search.drop_index(&mut db, name, with_documents) else {
        return Ok(());
    };
    if !deleted.is_empty() {
        let words: Vec<&[u8]> = std::iter::once(&b"DEL"[..])
            .chain(deleted.iter().map(|key| &**key))
            .collect();
        call.rewrite_in(index, &words);
    }
    call.db.add_dirty(1);
    call.rewrite(&[b"FT._DROPINDEXIFX", name, b"_FORCEKEEPDOCS"]);
    call.server.update_listeners(call.db.keyspace());
    call.reply.ok();
    Ok(())
}

/// The birth of an index whose documents are deleted in slices.
struct LongDrop(u64);

/// Replies once the index and the documents in it are gone; until then the client waits.
fn wait_for_drop(call: &mut Call<'_>, drop: LongDrop) -> CommandResult {
    if call.server.search.has_birth(drop.0) {
        call.wait_for_turn(Box::new(drop), None);
    } else {
        call.reply.ok();
    }
    Ok(())
}

pub(super) const LIST: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: READS,
    categories: Category::SEARCH
        .union(Category::SLOW)
        .union(Category::ADMIN),
    facts: Facts::SHOWS,
    ..Spec::new("FT._LIST", list)
};

/// `FT._LIST`: the names of the indexes.
///
/// Reply: set (RESP2: array) of simple strings, sorted. O(indexes).
fn list(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let indexes = &call.server.search;
    call.reply.set(indexes.len());
    for (name, _) in indexes.iter() {
        call.reply.name_bytes(name);
    }
    Ok(())
}
