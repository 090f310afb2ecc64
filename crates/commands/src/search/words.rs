//! The words of indexes: TAGVALS, synonyms, dictionaries.
//!
//! Dictionaries belong to no index; they list words that are spelled correctly.

use super::definitions::changed;
use super::row::{GROWS, READS, WRITES, catch_up, check_prefixes, readable_or, refusal};
use super::shards;
use super::walk::listing::Listing;
use super::walk::work;
use russet_command::{Arity, Category, CommandError, Facts};
use russet_resp::Reply;
use russet_search::error::SearchError;
use russet_search::schema::FieldKind;
use russet_server::{Call, CommandResult, Origin, Spec};
use russet_types::vector_set::Progress;
use std::ops::Bound;

const NO_DICTIONARY: CommandError = CommandError::Text("could not open dict key");
const NO_FIELD: CommandError = CommandError::Text("SEARCH_FIELD_NOT_FOUND No such field");
const NOT_A_TAG: CommandError = CommandError::Text("SEARCH_FIELD_TYPE_MISMATCH Not a tag field");

pub(super) const TAGVALS: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS,
    categories: Category::SEARCH
        .union(Category::READ)
        .union(Category::SLOW)
        .union(Category::DANGEROUS),
    facts: Facts::SHOWS.union(Facts::ASKS_NODES),
    work: work::TAGS,
    ..Spec::new("FT.TAGVALS", tag_values)
};

/// `FT.TAGVALS index field`: the tags that documents have.
///
/// Reply: set (RESP2: array) of bulk strings, sorted by bytes. O(tags).
fn tag_values(call: &mut Call<'_>) -> CommandResult {
    let [_, name, field] = call.args.exactly();
    catch_up(call)?;
    let unknown = || refusal(&SearchError::unknown_index(name, "Unknown Index name"));
    let held = call.server.search.get(name).ok_or_else(unknown)?;
    check_prefixes(call, held.index.schema())?;
    let schema = held.index.schema();
    let (at, field) = schema.field(field).ok_or(NO_FIELD)?;
    if !matches!(field.kind, FieldKind::Tag(_)) {
        return Err(NOT_A_TAG);
    }
    if !call.is_for_other_node() && call.is_of_many_shards()? {
        // The survey asks this node as well.
        if let Some(values) = shards::tag_values(call)? {
            call.reply.set(values.len());
            values.iter().for_each(|value| call.reply.bulk(value));
        }
        return Ok(());
    }
    let is_answer = call.is_for_other_node();
    let listing = Listing::take_or_new(call);
    let listing = call.in_slices(listing, |listing, call, slice| {
        let held = call.server.search.get(name).ok_or_else(unknown)?;
        if let Some(next) = listing.next()
            && !listing.gather(held.index.tags_from(at, next), slice)
        {
            return Ok(Progress::More);
        }
        Ok(if is_answer {
            Progress::Done
        } else {
            listing.write_sorted(slice)
        })
    })?;
    match listing {
        Some(listing) if is_answer => shards::answer_tag_values(call, listing.into_sorted()),
        Some(listing) => listing.reply(call, Reply::set),
        None => {}
    }
    Ok(())
}

pub(super) const SYNUPDATE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.SYNUPDATE", update_synonyms)
};

/// `FT.SYNUPDATE index group [SKIPINITIALSCAN] term ...`: adds terms to a group of synonyms; all
/// documents are read again, in slices of the loop.
///
/// Reply: OK. O(terms).
fn update_synonyms(call: &mut Call<'_>) -> CommandResult {
    let (args, name) = (call.args, call.args.at(1));
    catch_up(call)?;
    if call.server.search.is_refused(name) && call.try_keep_aside(name, b"as its index is") {
        return Ok(());
    }
    let unknown = || SearchError::unknown_index(name, "Unknown index name");
    readable_or(call, name, unknown)?;
    let skips = args.is(3, "SKIPINITIALSCAN");
    let terms = args.from(3 + usize::from(skips));
    if terms.is_empty() {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    if !call.spread()? {
        return Ok(());
    }
    let is_loading = call.origin == Origin::Loading;
    if let Some(held) = call.server.search.get_mut(name) {
        let terms = terms.iter().map(<[u8]>::to_vec);
        held.index.set_synonyms(args.at(2), terms);
        if !skips {
            held.read_again(!is_loading);
        }
    }
    changed(call, b"FT.SYNUPDATE");
    call.reply.ok();
    Ok(())
}

pub(super) const SYNDUMP: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::SHOWS,
    work: work::SYNONYMS,
    ..Spec::new("FT.SYNDUMP", dump_synonyms)
};

/// `FT.SYNDUMP index`: the terms that have synonyms, each with the term's groups.
///
/// Reply: map (RESP2: array) of terms and arrays of groups. O(terms).
fn dump_synonyms(call: &mut Call<'_>) -> CommandResult {
    let name = call.args.at(1);
    catch_up(call)?;
    let unknown = || refusal(&SearchError::unknown_index(name, "Unknown index name"));
    let held = call.server.search.get(name).ok_or_else(unknown)?;
    check_prefixes(call, held.index.schema())?;
    let listing = Listing::take_or_new(call);
    let listing = call.in_slices(listing, |listing, call, slice| {
        let held = call.server.search.get(name).ok_or_else(unknown)?;
        let from = listing.from();
        let terms = held.index.synonyms_from(&from);
        Ok(
            listing.write_each_from(terms, slice, |reply, term, groups| {
                reply.bulk(term);
                reply.array(groups.len());
                groups.iter().for_each(|group| reply.bulk(group));
            }),
        )
    })?;
    if let Some(listing) = listing {
        listing.reply(call, Reply::map);
    }
    Ok(())
}

pub(super) const DICTADD: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.DICTADD", add_terms)
};

/// `FT.DICTADD dictionary term ...`: adds terms to a dictionary of correctly spelled terms.
///
/// Reply: integer, the terms that the dictionary did not have. O(terms * log n).
fn add_terms(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    catch_up(call)?;
    if !call.spread()? {
        return Ok(());
    }
    let dictionaries = &mut call.server.search.dictionaries;
    let dictionary = dictionaries.entry(args.at(1).into()).or_default();
    let added = args
        .from(2)
        .iter()
        .filter(|term| dictionary.insert((*term).into()));
    call.reply.int(added.count() as i64);
    call.server.update_listeners(call.db.keyspace());
    changed(call, b"FT.DICTADD");
    Ok(())
}

pub(super) const DICTDEL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: WRITES,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.DICTDEL", remove_terms)
};

/// `FT.DICTDEL dictionary term ...`: removes terms from a dictionary.
///
/// Reply: integer, the terms that it had. O(terms * log n).
fn remove_terms(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    catch_up(call)?;
    if !call.spread()? {
        return Ok(());
    }
    let removed = match call.server.search.dictionaries.get_mut(args.at(1)) {
        Some(dictionary) => args
            .from(2)
            .iter()
            .filter(|term| dictionary.remove(*term))
            .count(),
        None => 0,
    };
    call.reply.int(removed as i64);
    changed(call, b"FT.DICTDEL");
    Ok(())
}

pub(super) const DICTDUMP: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::SHOWS,
    work: work::DICTIONARY,
    ..Spec::new("FT.DICTDUMP", dump_terms)
};

/// `FT.DICTDUMP dictionary`: the terms of the dictionary.
///
/// Reply: set (RESP2: array) of bulk strings, sorted by bytes. O(terms).
fn dump_terms(call: &mut Call<'_>) -> CommandResult {
    let name = call.args.at(1);
    catch_up(call)?;
    let listing = Listing::take_or_new(call);
    let listing = call.in_slices(listing, |listing, call, slice| {
        let dictionaries = &call.server.search.dictionaries;
        let dictionary = dictionaries.get(name).ok_or(NO_DICTIONARY)?;
        let from = listing.from();
        let rest = (Bound::Included(from.as_slice()), Bound::Unbounded);
        let terms = dictionary.range::<[u8], _>(rest);
        Ok(listing.write_from(terms.map(|term| &**term), slice))
    })?;
    if let Some(listing) = listing {
        listing.reply(call, Reply::set);
    }
    Ok(())
}
