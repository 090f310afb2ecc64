//! FT.DEBUG, which Redis 8 calls _FT.DEBUG: what an index holds, for tests and for finding faults.
//!
//! Nothing is collected later here, so that the subcommands of the collector have nothing to do.

use super::row::{READS, catch_up, check_prefixes};
use super::walk::listing::Listing;
use crate::server::search::Held;
use crate::server::{Call, CommandResult, Spec};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError};
use russet_search::index::Index;
use russet_search::schema::{Algorithm, FieldKind};
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
/// Reply: of the subcommand. O(what it shows).
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
    // The collector's subcommands ignore what follows.
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
        _ => {}
    }
    let held = call.server.search.get(args.at(2)).ok_or(NO_INDEX)?;
    let word = args.get(3).unwrap_or_default();
    let index = &held.index;
    match *name {
        "DUMP_INVIDX" => {
            let documents = index.documents_of_term(word).ok_or(NO_TERM)?;
            call.reply.array(documents.len());
            documents.iter().for_each(|id| call.reply.int((*id).into()));
        }
        "DUMP_NUMIDX" => {
            index.schema().field(word).ok_or(NO_FIELD)?;
            let documents = index.documents_of_numbers(word).unwrap_or_default();
            call.reply.array(1);
            call.reply.array(documents.len());
            documents.iter().for_each(|id| call.reply.int((*id).into()));
        }
        "DOCIDTOID" => call.reply.int(index.number_of(word).into()),
        "IDTODOCID" => {
            let number = parse_i64(word).ok_or(BAD_ID)?;
            let key = u32::try_from(number).ok().and_then(|id| index.key_of(id));
            call.reply.bulk(key.ok_or(REMOVED)?);
        }
        "DOCINFO" => {
            let facts = index.document_facts(word).ok_or(NO_DOCUMENT)?;
            call.reply.map(5);
            for (name, number) in [
                ("internal_id", index.number_of(word)),
                ("num_tokens", facts.words),
                ("max_freq", facts.frequency_max),
                ("refcount", 1),
            ] {
                call.reply.simple(name);
                call.reply.int(number.into());
            }
            call.reply.simple("score");
            call.reply.double(facts.score);
        }
        "TTL" => {
            let now_ms = call.server.now.mono_ms;
            call.reply
                .int(seconds_left(held, now_ms).ok_or(NOT_TEMPORARY)?);
        }
        "VECSIM_INFO" => {
            let facts = vector_facts(index, word).ok_or(NO_VECTORS)?;
            call.reply.map(facts.len());
            for (name, value) in &facts {
                call.reply.simple(name);
                match value.parse::<i64>() {
                    Ok(number) => call.reply.int(number),
                    Err(_) => call.reply.simple(value),
                }
            }
        }
        "GC_FORCEINVOKE" => call.reply.simple("DONE"),
        _ => call.reply.ok(),
    }
    Ok(())
}

/// The terms of an index.
fn dump_terms(call: &mut Call<'_>) -> CommandResult {
    let listing = Listing::taken(call);
    let listing = call.in_slices(listing, |listing, call, slice| {
        let held = call.server.search.get(call.args.at(2)).ok_or(NO_INDEX)?;
        let terms = held.index.term_texts(&listing.from());
        Ok(listing.write_from(terms, slice))
    })?;
    if let Some(listing) = listing {
        listing.reply(call, false);
    }
    Ok(())
}

/// The tags of a field with their documents.
fn dump_tags(call: &mut Call<'_>) -> CommandResult {
    let (args, field) = (call.args, call.args.at(3));
    let held = call.server.search.get(args.at(2)).ok_or(NO_INDEX)?;
    let (place, _) = held.index.schema().field(field).ok_or(NO_FIELD)?;
    if held.index.tag_count(field) == 0 {
        return Err(NO_TAGS);
    }
    let listing = Listing::taken(call);
    let listing = call.in_slices(listing, |listing, call, slice| {
        let held = call.server.search.get(args.at(2)).ok_or(NO_INDEX)?;
        if let Some(next) = listing.next()
            && !listing.gather(held.index.tags_from(place, next), slice)
        {
            return Ok(Progress::More);
        }
        Ok(listing.write_each_sorted(slice, |reply, tag| {
            let documents = held.index.documents_of_tag(place, tag);
            reply.array(2);
            reply.bulk(tag);
            reply.array(documents.len());
            documents.iter().for_each(|id| reply.int((*id).into()));
            documents.len()
        }))
    })?;
    if let Some(listing) = listing {
        listing.reply(call, false);
    }
    Ok(())
}

/// The seconds that a TEMPORARY index has.
fn seconds_left(held: &Held, now_ms: u64) -> Option<i64> {
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
