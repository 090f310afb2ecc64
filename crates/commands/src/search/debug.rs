//! FT.DEBUG, which Redis 8 calls _FT.DEBUG: the content of an index, for tests and for finding
//! faults.
//!
//! Indexes leave no garbage for later, so the subcommands of the collector have nothing to do.

use super::row::{READS, catch_up, check_prefixes};
use super::walk::listing::Listing;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError};
use russet_resp::Reply;
use russet_search::index::Index;
use russet_search::inspect::{NumberedDocuments, TagDocuments};
use russet_search::schema::{Algorithm, FieldKind};
use russet_server::search::IndexEntry;
use russet_server::{Call, CommandResult, Pieces, Slice, Spec};
use russet_types::vector_set::Progress;

const NO_INDEX: CommandError = CommandError::Text("Can not create a search ctx");
const NO_TERM: CommandError = CommandError::Text("Can not find the inverted index");
const NO_FIELD: CommandError = CommandError::Text("Could not find given field in index spec");
const NO_TAGS: CommandError = CommandError::Text("can not open tag field");
const NO_DOCUMENT: CommandError = CommandError::Text("Document not found in index");
const REMOVED: CommandError = CommandError::Text("document was removed");
const BAD_ID: CommandError = CommandError::Text("bad id given");
const NOT_TEMPORARY: CommandError = CommandError::Text("Index is not temporary");
const NO_VECTORS: CommandError = CommandError::Text("Vector index not found");

/// Numbers of documents between two looks at the clock.
const BUDGET: usize = 256;

/// The subcommands, with their words after the name.
const SUBCOMMANDS: [(&str, usize); 16] = [
    ("DUMP_INVIDX", 2),
    ("DUMP_NUMIDX", 2),
    ("DUMP_TAGIDX", 2),
    ("IDTODOCID", 2),
    ("DOCIDTOID", 2),
    ("DOCINFO", 2),
    ("DUMP_TERMS", 1),
    ("GC_FORCEINVOKE", 1),
    ("GC_FORCEBGINVOKE", 1),
    ("GC_CLEAN_NUMERIC", 2),
    ("GC_STOP_SCHEDULE", 1),
    ("GC_CONTINUE_SCHEDULE", 1),
    ("GC_WAIT_FOR_JOBS", 0),
    ("TTL", 1),
    ("VECSIM_INFO", 2),
    ("HELP", 0),
];

pub(super) const DEBUG: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    categories: Category::SEARCH.union(Category::ADMIN),
    ..Spec::new("_FT.DEBUG", debug)
};

pub(super) const OLD_DEBUG: Spec = Spec {
    name: "FT.DEBUG",
    ..DEBUG
};

/// `_FT.DEBUG subcommand [index [word]]`: see [`SUBCOMMANDS`].
///
/// Reply: the reply of the subcommand. O(length of the reply).
fn debug(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let args = call.args;
    let named = SUBCOMMANDS.iter().find(|(name, _)| args.is(1, name));
    let Some((name, words)) = named else {
        let given = String::from_utf8_lossy(args.at(1));
        let text = format!("ERR unknown subcommand '{given}'. Try {} HELP.", call.name);
        return Err(CommandError::Bytes(text.into_bytes()));
    };
    let given = args.len() - 2;
    // The collector's subcommands ignore further words.
    if given < *words || given > *words && !name.starts_with("GC_") {
        return Err(CommandError::WrongArity(format!("{}|{name}", call.name)));
    }
    match *name {
        "HELP" => {
            call.reply.array(SUBCOMMANDS.len() - 1);
            let names = SUBCOMMANDS.iter().map(|(name, _)| name.as_bytes());
            names
                .take(SUBCOMMANDS.len() - 1)
                .for_each(|name| call.reply.bulk(name));
            return Ok(());
        }
        "GC_WAIT_FOR_JOBS" => {
            call.reply.simple("DONE");
            return Ok(());
        }
        _ => {}
    }
    let held = call.server.search.get(args.at(2)).ok_or(NO_INDEX)?;
    check_prefixes(call, held.index.schema())?;
    match *name {
        "DUMP_TERMS" => return dump_terms(call),
        "DUMP_TAGIDX" => return dump_tags(call),
        "DUMP_INVIDX" => return dump_documents_of_term(call),
        "DUMP_NUMIDX" => return dump_documents_of_numbers(call),
        _ => {}
    }
    let held = call.server.search.get(args.at(2)).ok_or(NO_INDEX)?;
    let word = args.get(3).unwrap_or_default();
    let index = &held.index;
    match *name {
        "DOCIDTOID" => call.reply.int(index.number_of(word).into()),
        "IDTODOCID" => {
            let number = parse_i64(word).ok_or(BAD_ID)?;
            let key = u32::try_from(number).ok().and_then(|id| index.key_of(id));
            call.reply.bulk(key.ok_or(REMOVED)?);
        }
        "DOCINFO" => reply_document(index, word, call.reply)?,
        "TTL" => {
            let now_ms = call.server.now.mono_ms;
            call.reply
                .int(seconds_left(held, now_ms).ok_or(NOT_TEMPORARY)?);
        }
        "VECSIM_INFO" => reply_vectors(index, word, call.reply)?,
        "GC_FORCEINVOKE" => call.reply.simple("DONE"),
        _ => call.reply.ok(),
    }
    Ok(())
}

/// DOCINFO.
fn reply_document(index: &Index, key: &[u8], reply: &mut Reply) -> CommandResult {
    let facts = index.document_facts(key).ok_or(NO_DOCUMENT)?;
    reply.map(5);
    for (name, number) in [
        ("internal_id", index.number_of(key)),
        ("num_tokens", facts.words),
        ("max_freq", facts.frequency_max),
        ("refcount", 1),
    ] {
        reply.simple(name);
        reply.int(number.into());
    }
    reply.simple("score");
    reply.double(facts.score);
    Ok(())
}

/// VECSIM_INFO.
fn reply_vectors(index: &Index, field: &[u8], reply: &mut Reply) -> CommandResult {
    let facts = vector_facts(index, field).ok_or(NO_VECTORS)?;
    reply.map(facts.len());
    for (name, value) in &facts {
        reply.simple(name);
        match value.parse::<i64>() {
            Ok(number) => reply.int(number),
            Err(_) => reply.simple(value),
        }
    }
    Ok(())
}

/// The terms of an index.
fn dump_terms(call: &mut Call<'_>) -> CommandResult {
    let listing = Listing::take_or_new(call);
    let listing = call.in_slices(listing, |listing, call, slice| {
        let held = call.server.search.get(call.args.at(2)).ok_or(NO_INDEX)?;
        let terms = held.index.term_texts(&listing.from());
        Ok(listing.write_from(terms, slice))
    })?;
    if let Some(listing) = listing {
        listing.reply(call, Reply::array);
    }
    Ok(())
}

/// Documents that DEBUG writes in slices.
struct Numbers {
    pieces: Pieces,
    len: usize,
    /// The number from which the next slice continues.
    next: u32,
    /// Of a field of numbers: the documents found so far, and whether these are all.
    gathered: NumberedDocuments,
    is_gathered: bool,
}

impl Numbers {
    fn take_or_new(call: &mut Call<'_>) -> Numbers {
        call.take_work().unwrap_or_else(|| Numbers {
            pieces: Pieces::new(call.reply),
            len: 0,
            next: 0,
            gathered: NumberedDocuments::default(),
            is_gathered: false,
        })
    }
}

/// Writes numbers of documents until the slice is over, and sets `next` to the number from which
/// the next slice continues.
fn write_numbers(
    numbers: impl Iterator<Item = u32>,
    (reply, len, next): (&mut Reply, &mut usize, &mut u32),
    slice: Slice,
) -> Progress {
    for (n, number) in numbers.enumerate() {
        if n > 0 && n % BUDGET == 0 && slice.is_over() {
            *next = number;
            return Progress::More;
        }
        reply.int(number.into());
        *len += 1;
    }
    Progress::Done
}

/// The documents of a term.
fn dump_documents_of_term(call: &mut Call<'_>) -> CommandResult {
    let numbers = Numbers::take_or_new(call);
    let numbers = call.in_slices(numbers, |numbers, call, slice| {
        let held = call.server.search.get(call.args.at(2)).ok_or(NO_INDEX)?;
        let Numbers {
            pieces, len, next, ..
        } = numbers;
        let documents = held.index.documents_of_term(call.args.at(3), *next);
        let progress = match documents {
            Some(documents) => write_numbers(documents, (&mut pieces.reply, len, next), slice),
            None if *len == 0 => return Err(NO_TERM),
            None => Progress::Done,
        };
        pieces.end_slice();
        Ok(progress)
    })?;
    if let Some(numbers) = numbers {
        call.reply.array(numbers.len);
        numbers.pieces.reply(call.reply);
    }
    Ok(())
}

/// The documents of a field of numbers or places.
fn dump_documents_of_numbers(call: &mut Call<'_>) -> CommandResult {
    let field = call.args.at(3);
    let numbers = Numbers::take_or_new(call);
    let numbers = call.in_slices(numbers, |numbers, call, slice| {
        let held = call.server.search.get(call.args.at(2)).ok_or(NO_INDEX)?;
        held.index.schema().field(field).ok_or(NO_FIELD)?;
        let Numbers {
            pieces,
            len,
            next,
            gathered,
            is_gathered,
        } = numbers;
        if !*is_gathered {
            let is_over = || slice.is_over();
            *is_gathered = held.index.gather_numbered(field, gathered, &is_over);
        }
        if !*is_gathered {
            return Ok(Progress::More);
        }
        let documents = gathered.from(*next);
        let progress = write_numbers(documents, (&mut pieces.reply, len, next), slice);
        pieces.end_slice();
        Ok(progress)
    })?;
    if let Some(numbers) = numbers {
        call.reply.array(1);
        call.reply.array(numbers.len);
        numbers.pieces.reply(call.reply);
    }
    Ok(())
}

/// The tags of a field with their documents, which are written in slices.
struct TagDump {
    tags: Listing,
    /// The tag whose documents are being written, and the number from which the next slice
    /// continues.
    open: Option<(TagDocuments, u32)>,
    pieces: Pieces,
    len: usize,
}

impl TagDump {
    fn take_or_new(call: &mut Call<'_>) -> TagDump {
        if let Some(dump) = call.take_work() {
            return dump;
        }
        TagDump {
            tags: Listing::take_or_new(call),
            open: None,
            pieces: Pieces::new(call.reply),
            len: 0,
        }
    }

    /// Goes on with tags that were gathered, until the slice is over.
    fn write(&mut self, index: &Index, place: usize, slice: Slice) -> Progress {
        let TagDump {
            tags,
            open,
            pieces,
            len,
        } = self;
        let mut written = 0;
        loop {
            if let Some((documents, next)) = open {
                let (rest, before) = (documents.from(*next), written);
                let to = (&mut pieces.reply, &mut written, next);
                if write_numbers(rest, to, slice) == Progress::More {
                    break;
                }
                *open = None;
                written += 1;
                if written / BUDGET != before / BUDGET && slice.is_over() {
                    break;
                }
            }
            let Some(tag) = tags.take_first() else {
                pieces.end_slice();
                return Progress::Done;
            };
            let documents = index.documents_of_tag(place, &tag);
            pieces.reply.array(2);
            pieces.reply.bulk(&tag);
            pieces.reply.array(documents.len());
            *open = Some((documents, 0));
            *len += 1;
        }
        pieces.end_slice();
        Progress::More
    }
}

/// The tags of a field with their documents.
fn dump_tags(call: &mut Call<'_>) -> CommandResult {
    let (args, field) = (call.args, call.args.at(3));
    let held = call.server.search.get(args.at(2)).ok_or(NO_INDEX)?;
    let (place, _) = held.index.schema().field(field).ok_or(NO_FIELD)?;
    if held.index.tag_count(field) == 0 {
        return Err(NO_TAGS);
    }
    let dump = TagDump::take_or_new(call);
    let dump = call.in_slices(dump, |dump, call, slice| {
        let held = call.server.search.get(args.at(2)).ok_or(NO_INDEX)?;
        if let Some(next) = dump.tags.next()
            && !dump.tags.gather(held.index.tags_from(place, next), slice)
        {
            return Ok(Progress::More);
        }
        Ok(dump.write(&held.index, place, slice))
    })?;
    if let Some(dump) = dump {
        call.reply.array(dump.len);
        dump.pieces.reply(call.reply);
    }
    Ok(())
}

/// The seconds that a TEMPORARY index has.
fn seconds_left(held: &IndexEntry, now_ms: u64) -> Option<i64> {
    let seconds = held.index.schema().temporary_s?;
    let idle_s = now_ms.saturating_sub(held.used_ms) as f64 / 1000.0;
    Some((seconds - idle_s).max(0.0) as i64)
}

fn vector_facts(index: &Index, field: &[u8]) -> Option<Vec<(&'static str, String)>> {
    let bytes = index.vector_bytes(field)?;
    let (_, field) = index.schema().field(field)?;
    let FieldKind::Vector(vector) = &field.kind else {
        return None;
    };
    let mut facts = vec![
        ("ALGORITHM", vector.algorithm.name().to_owned()),
        ("TYPE", vector.element.name().to_owned()),
        ("DIMENSION", vector.dimensions.to_string()),
        ("METRIC", vector.metric.name().to_owned()),
        ("MEMORY", bytes.to_string()),
    ];
    if let Algorithm::Hnsw(its) = vector.algorithm {
        facts.push(("M", its.m.to_string()));
        facts.push(("EF_CONSTRUCTION", its.ef_construction.to_string()));
        facts.push(("EF_RUNTIME", its.ef_runtime.to_string()));
    }
    Some(facts)
}
