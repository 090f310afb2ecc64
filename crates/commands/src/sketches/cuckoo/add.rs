//! ADD, ADDNX, INSERT and INSERTNX.
//!
//! An item without room leaves the filter as it was, and the command tries the next items
//! nevertheless.

use super::super::filter::{UNKNOWN, insert_args};
use super::super::room::room;
use super::super::row::{GROWS, ONE_ITEM, WRITTEN_KEY};
use super::recipe::{BAD_CAPACITY, Recipe, TOO_SMALL};
use super::row::{NOT_FOUND, TOO_MANY_PARTS, WRITING};
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::cuckoo::CuckooError;
use russet_types::Cuckoo;

const FULL: CommandError = CommandError::Text("Filter is full");
const NO_MEMORY: CommandError = CommandError::Text("Memory allocation failure");

/// Whether a filter may get another item: parts are bounded, as each makes EXISTS slower.
fn check_parts(call: &Call<'_>, parts: usize) -> CommandResult {
    let most = call.server.config.cf_max_expansions;
    if parts as u64 >= most && !call.was_taken_before() {
        return Err(TOO_MANY_PARTS);
    }
    Ok(())
}

pub(super) const ADD: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    within: ONE_ITEM,
    ..Spec::new("cf.add", add)
};

/// `CF.ADD key item`: adds an item, also a second time; makes a missing key by the settings.
///
/// Reply: true (RESP2: integer); an error if the filter is full, or has too many parts. O(parts),
/// and the moves that make room.
fn add(call: &mut Call<'_>) -> CommandResult {
    add_one(call, false)
}

pub(super) const ADDNX: Spec = Spec {
    handler: addnx,
    name: "cf.addnx",
    ..ADD
};

/// `CF.ADDNX key item`: adds an item unless the item is there, or seems to be.
///
/// Reply: boolean (RESP2: integer), whether it was added; errors as of ADD.
fn addnx(call: &mut Call<'_>) -> CommandResult {
    add_one(call, true)
}

fn add_one(call: &mut Call<'_>, only_new: bool) -> CommandResult {
    let _room = room(call);
    let [_, key, item] = call.args.exactly();
    let parts = call.db.write::<Cuckoo>(key)?.map(|its| its.parts().len());
    let mut new = None;
    if let Some(parts) = parts {
        check_parts(call, parts)?;
    } else {
        let recipe = Recipe::of(&call.server.config);
        check_parts(call, 1)?;
        new = Some((recipe, recipe.filter()?));
    }
    let add = |filter: &mut Cuckoo| {
        let added = if only_new {
            filter.add_new(item)
        } else {
            filter.add(item).map(|()| true)
        };
        added.map_err(|error| match error {
            CuckooError::Full => FULL,
            CuckooError::TooLarge => NO_MEMORY,
        })
    };
    let is_added = match &mut new {
        Some((_, filter)) => add(filter)?,
        None => add(&mut *call.db.write::<Cuckoo>(key)?.ok_or(NOT_FOUND)?)?,
    };
    let is_changed = is_added || new.is_some();
    if let Some((recipe, filter)) = new {
        put(call, key, recipe, filter, false);
    }
    if is_changed {
        call.db.changed(key, Class::MODULE, call.name);
    }
    call.reply.boolean(is_added);
    Ok(())
}

/// Sets a key to a new filter. If other servers would make a different filter from the command, a
/// RESERVE with all numbers goes before it.
fn put(call: &mut Call<'_>, key: &[u8], recipe: Recipe, filter: Cuckoo, with_capacity: bool) {
    call.db.put(key, filter);
    if !recipe.is_plain(with_capacity) && call.effects_wanted() {
        recipe.record(call, key);
        call.rewrite_each(call.args.iter());
    }
}

pub(super) const INSERT: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: work::by(count_items, work::FEWER_NAMES),
    ..Spec::new("cf.insert", insert)
};

struct InsertArgs<'a> {
    capacity: Option<u64>,
    creates: bool,
    items: Args<'a>,
}

impl<'a> InsertArgs<'a> {
    fn parse(args: Args<'a>, name: &str, usual: Recipe) -> Result<InsertArgs<'a>, CommandError> {
        let arity = || CommandError::WrongArity(name.to_owned());
        let mut capacity = None;
        let (creates, items) = insert_args(args, arity, false, |at| {
            if !args.is(at, "CAPACITY") {
                return Err(UNKNOWN);
            }
            let text = args.get(at + 1).ok_or_else(arity)?;
            let n = parse_i64(text).ok_or(BAD_CAPACITY)?;
            let n = u64::try_from(n).map_err(|_| TOO_SMALL)?;
            if n < 2 * u64::from(usual.bucket_size) {
                return Err(TOO_SMALL);
            }
            capacity = Some(n);
            Ok(2)
        })?;
        Ok(InsertArgs {
            capacity,
            creates,
            items,
        })
    }
}

fn count_items(call: &mut Call<'_>) -> CommandResult {
    let args = InsertArgs::parse(call.args, call.name, Recipe::of(&call.server.config))?;
    call.touches(args.items.len() as u64);
    Ok(())
}

/// `CF.INSERT key [CAPACITY n] [NOCREATE] ITEMS item ...`: adds items, also items that are there;
/// makes a missing key by the capacity and the settings.
///
/// Reply: array of 1, or -1 for an item for which there is no room (RESP3: true, false).
fn insert(call: &mut Call<'_>) -> CommandResult {
    insert_each(call, false, |reply, added| {
        if reply.resp3() {
            reply.boolean(added == 1);
        } else {
            reply.int(added);
        }
    })
}

pub(super) const INSERTNX: Spec = Spec {
    handler: insertnx,
    name: "cf.insertnx",
    ..INSERT
};

/// `CF.INSERTNX key [CAPACITY n] [NOCREATE] ITEMS item ...`: adds items that are not there.
///
/// Reply: array of 1, 0 for an item that is there, -1 for an item without room; in RESP3, too.
fn insertnx(call: &mut Call<'_>) -> CommandResult {
    insert_each(call, true, |reply, added| reply.int(added))
}

fn insert_each(
    call: &mut Call<'_>,
    only_new: bool,
    write: impl Fn(&mut Reply, i64),
) -> CommandResult {
    let _room = room(call);
    let key = call.args.at(1);
    let mut recipe = Recipe::of(&call.server.config);
    let args = InsertArgs::parse(call.args, call.name, recipe)?;
    let parts = call.db.write::<Cuckoo>(key)?.map(|its| its.parts().len());
    if parts.is_none() && !args.creates {
        return Err(NOT_FOUND);
    }
    check_parts(call, parts.unwrap_or(1))?;
    let mut new = None;
    if parts.is_none() {
        recipe.capacity = args.capacity.unwrap_or(recipe.capacity);
        new = Some(recipe.filter()?);
    }
    let mut is_changed = new.is_some();
    call.reply.array(args.items.len());
    let reply = &mut *call.reply;
    let mut add = |filter: &mut Cuckoo| {
        filter.add_each(args.items.iter(), only_new, |added| match added {
            Ok(is_added) => {
                is_changed |= is_added;
                write(reply, is_added.into());
            }
            Err(CuckooError::Full) => write(reply, -1),
            Err(CuckooError::TooLarge) => reply.error(&NO_MEMORY),
        });
    };
    match new {
        Some(mut filter) => {
            add(&mut filter);
            put(call, key, recipe, filter, args.capacity.is_some());
        }
        None => add(&mut *call.db.write::<Cuckoo>(key)?.ok_or(NOT_FOUND)?),
    }
    if is_changed {
        call.db.changed(key, Class::MODULE, call.name);
    }
    Ok(())
}
