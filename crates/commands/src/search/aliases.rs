//! ALIASADD, ALIASUPDATE, ALIASDEL, ALIASLIST: other names of indexes.

use super::definitions::changed;
use super::row::{READS, WRITES, catch_up, check_prefixes, refusal};
use russet_command::{Arity, Category, Facts};
use russet_search::error::{ALIAS_CONFLICT, NO_INDEX, SearchError};
use russet_server::{Call, CommandResult, Handler, Spec};

const fn row(name: &'static str, handler: Handler, words: u8) -> Spec {
    Spec {
        arity: Arity::Exactly(words as _),
        flags: WRITES,
        categories: Category::SEARCH,
        facts: Facts::ASKS_NODES,
        ..Spec::new(name, handler)
    }
}

pub(super) const ALIASADD: Spec = row("FT.ALIASADD", add, 3);
pub(super) const ALIASADDIFNX: Spec = row("FT._ALIASADDIFNX", add, 3);
pub(super) const ALIASUPDATE: Spec = row("FT.ALIASUPDATE", update, 3);
pub(super) const ALIASDEL: Spec = row("FT.ALIASDEL", remove, 2);
pub(super) const ALIASDELIFX: Spec = row("FT._ALIASDELIFX", remove, 2);

/// `FT.ALIASADD alias index`: gives an index another name.
///
/// Reply: OK. O(log n).
fn add(call: &mut Call<'_>) -> CommandResult {
    let [_, alias, name] = call.args.exactly();
    catch_up(call)?;
    if call.server.search.is_refused(name) && call.try_keep_aside(name, b"as its index is") {
        return Ok(());
    }
    let indexes = &call.server.search;
    check_target(call, name)?;
    if indexes.alias(alias).is_some() && !call.is_spread() {
        if call.name == ALIASADDIFNX.name {
            call.reply.ok();
            return Ok(());
        }
        let error = SearchError::new(ALIAS_CONFLICT, "Alias already exists");
        return Err(refusal(&error));
    }
    set(call, b"FT._ALIASADDIFNX")
}

/// `FT.ALIASUPDATE alias index`: as ALIASADD, whatever the alias named before.
///
/// Reply: OK. O(log n).
fn update(call: &mut Call<'_>) -> CommandResult {
    let [_, _, name] = call.args.exactly();
    catch_up(call)?;
    check_target(call, name)?;
    check_named(call)?;
    set(call, b"FT.ALIASUPDATE")
}

/// Refuses a user that may not read the index that the alias names now, because such a user may not
/// take the name from this index either.
fn check_named(call: &Call<'_>) -> CommandResult {
    let indexes = &call.server.search;
    let named = indexes.alias(call.args.at(1));
    match named.and_then(|name| indexes.get(name)) {
        Some(held) => check_prefixes(call, held.index.schema()),
        None => Ok(()),
    }
}

/// An alias names an index, not another alias.
fn check_target(call: &Call<'_>, name: &[u8]) -> CommandResult {
    let indexes = &call.server.search;
    match indexes.get(name) {
        Some(held) if indexes.is_index(name) => check_prefixes(call, held.index.schema()),
        _ => {
            let old = "Unknown index name (or name is an alias itself)";
            Err(refusal(&SearchError::unknown_index(name, old)))
        }
    }
}

fn set(call: &mut Call<'_>, effect: &[u8]) -> CommandResult {
    let [_, alias, name] = call.args.exactly();
    if call.server.search.is_index(alias) {
        let text = "Alias conflicts with an existing index name";
        let error = SearchError::new(ALIAS_CONFLICT, text);
        return Err(refusal(&error));
    }
    if !call.spread()? {
        return Ok(());
    }
    call.server.search.set_alias(alias, name);
    changed(call, effect);
    call.reply.ok();
    Ok(())
}

/// `FT.ALIASDEL alias`: takes a name away.
///
/// Reply: OK. O(log n).
fn remove(call: &mut Call<'_>) -> CommandResult {
    let alias = call.args.at(1);
    catch_up(call)?;
    if call.server.search.alias(alias).is_none() && !call.is_spread() {
        if call.name == ALIASDELIFX.name {
            call.reply.ok();
            return Ok(());
        }
        let error = SearchError::new(NO_INDEX, "Alias does not exist");
        return Err(refusal(&error));
    }
    check_named(call)?;
    if !call.spread()? {
        return Ok(());
    }
    call.server.search.remove_alias(alias);
    changed(call, b"FT._ALIASDELIFX");
    call.reply.ok();
    Ok(())
}

pub(super) const ALIASLIST: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::SHOWS,
    ..Spec::new("FT.ALIASLIST", list)
};

/// `FT.ALIASLIST index`: the other names of an index.
///
/// Reply: set (RESP2: array), sorted. O(aliases).
fn list(call: &mut Call<'_>) -> CommandResult {
    let name = call.args.at(1);
    catch_up(call)?;
    let indexes = &call.server.search;
    // The name of another alias does not count.
    let held = indexes.get(name).filter(|_| indexes.is_index(name));
    let unknown = || refusal(&SearchError::unknown_index(name, "Unknown index name"));
    check_prefixes(call, held.ok_or_else(unknown)?.index.schema())?;
    let aliases: Vec<&[u8]> = indexes.aliases_of(name).collect();
    call.reply.set(aliases.len());
    aliases.iter().for_each(|alias| call.reply.bulk(alias));
    Ok(())
}
