//! ADD, MADD and INSERT.
//!
//! MADD and INSERT add items in order, and the first item without room ends the reply.

use super::super::filter::{UNKNOWN, insert_args};
use super::super::room::room;
use super::super::row::{GROWS, ONE_ITEM, WRITTEN_KEY};
use super::recipe::Recipe;
use super::rotate::{begin_due, record_with};
use super::row::{NOT_FOUND, WRITING};
use crate::work;
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::bloom::{BloomError, FilterSeed};
use russet_types::Bloom;

const FULL: CommandError = CommandError::Text("ERR non scaling filter is full");
const BAD_TIGHTENING: CommandError = CommandError::Text("ERR bad tightening ratio");
const TIGHTENING_RANGE: CommandError = CommandError::Text("ERR (0 < tightening ratio range < 1)");
const BAD_SEED: CommandError = CommandError::Text("ERR invalid seed");
/// The ratio of the errors of two links, unless a word says so.
const TIGHTENING_USUAL: f64 = 0.5;
const NOT_INSERTED: CommandError = CommandError::Text("ERR problem inserting into filter");

/// Why an item was not added.
fn refusal(error: BloomError) -> CommandError {
    match error {
        BloomError::Full => FULL,
        BloomError::TooLarge => NOT_INSERTED,
    }
}

pub(super) const ADD: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    within: ONE_ITEM,
    ..Spec::new("bf.add", add)
};

/// `BF.ADD key item`: adds an item; makes a missing key by the settings.
///
/// Reply: boolean (RESP2: integer), whether the item was new. O(links * hashes).
fn add(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let [_, key, item] = call.args.exactly();
    let (now_ms, follows) = (call.db.now_ms(), call.was_taken_before());
    let Some(mut filter) = call.db.write::<Bloom>(key)? else {
        return add_to_new(call, key, call.args.from(2), None, true);
    };
    let begun = begin_due(&mut filter, now_ms, follows).map_err(refusal)?;
    let added = filter.add(item).map_err(refusal)?;
    drop(filter);
    if added.is_change() {
        call.db.changed(key, Class::MODULE, call.name);
        record_with(call, key, begun);
    }
    call.reply.boolean(added.is_new());
    Ok(())
}

pub(super) const MADD: Spec = Spec {
    arity: Arity::AtLeast(3),
    within: None,
    handler: madd,
    name: "bf.madd",
    work: work::EACH_MEMBER,
    ..ADD
};

/// `BF.MADD key item ...`: adds items; makes a missing key by the settings.
///
/// Reply: array with the reply of ADD for each; an error ends it. O(items * links * hashes).
fn madd(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let (key, items) = (call.args.at(1), call.args.from(2));
    add_items(call, key, items, None, true)
}

/// Adds items to a filter; makes a missing filter if `creates`.
fn add_items(
    call: &mut Call<'_>,
    key: &[u8],
    items: Args<'_>,
    recipe: Option<(Recipe, bool)>,
    creates: bool,
) -> CommandResult {
    let (now_ms, follows) = (call.db.now_ms(), call.was_taken_before());
    let Some(mut filter) = call.db.write::<Bloom>(key)? else {
        if !creates {
            return Err(NOT_FOUND);
        }
        return add_to_new(call, key, items, recipe, false);
    };
    let begun = begin_due(&mut filter, now_ms, follows).map_err(refusal)?;
    let is_changed = add_each(&mut filter, call.reply, items);
    drop(filter);
    if is_changed {
        call.db.changed(key, Class::MODULE, call.name);
        record_with(call, key, begun);
    }
    Ok(())
}

/// Adds items, with an array as reply; returns whether the filter has changed.
fn add_each(filter: &mut Bloom, reply: &mut Reply, items: Args<'_>) -> bool {
    let place = reply.defer();
    let (mut results, mut is_changed) = (0, false);
    filter.add_each(items.iter(), |added| {
        results += 1;
        match added {
            Ok(added) => {
                is_changed |= added.is_change();
                reply.boolean(added.is_new());
            }
            Err(error) => reply.error(&refusal(error)),
        }
    });
    reply.finish_array(place, results);
    is_changed
}

/// Makes a filter by the settings, or by a recipe (with `is_named`), and adds items to it.
fn add_to_new(
    call: &mut Call<'_>,
    key: &[u8],
    items: Args<'_>,
    recipe: Option<(Recipe, bool)>,
    is_one: bool,
) -> CommandResult {
    let defaults = Recipe::of(&call.server.config);
    let (recipe, is_named) = recipe.unwrap_or((defaults, true));
    let mut filter = recipe.filter()?;
    if is_one {
        let added = filter.add(items.at(0)).map_err(refusal)?;
        call.reply.boolean(added.is_new());
    } else {
        add_each(&mut filter, call.reply, items);
    }
    call.db.put(key, filter);
    call.db.changed(key, Class::MODULE, call.name);
    if !recipe.is_plain(defaults, is_named) && call.effects_wanted() {
        let words = recipe.words(true);
        let head: [&[u8]; 2] = [b"BF.INSERT", key];
        let words = head.into_iter().chain(words.iter().map(Vec::as_slice));
        let words = words.chain([&b"ITEMS"[..]]).chain(items.iter());
        call.rewrite(&words.collect::<Vec<&[u8]>>());
    }
    Ok(())
}

pub(super) const INSERT: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: work::by(count_items, work::FEWER_NAMES),
    ..Spec::new("bf.insert", insert)
};

struct InsertArgs<'a> {
    recipe: Recipe,
    /// Whether a word says that a new filter does not scale, if it does not.
    is_named: bool,
    creates: bool,
    items: Args<'a>,
}

impl<'a> InsertArgs<'a> {
    fn parse(args: Args<'a>, name: &str, defaults: Recipe) -> Result<InsertArgs<'a>, CommandError> {
        const BAD: CommandError = CommandError::Text("Bad argument received");
        const BAD_RATE: CommandError = CommandError::Text("Bad error rate");
        const BAD_CAPACITY: CommandError = CommandError::Text("Bad capacity");
        const BAD_EXPANSION: CommandError = CommandError::Text("Bad expansion");
        let arity = || CommandError::WrongArity(name.to_owned());
        let mut error = defaults.error;
        let mut capacity = defaults.capacity as i64;
        let mut expansion = None;
        let mut is_fixed = false;
        let (mut seed, mut tightening) = (None, Some(TIGHTENING_USUAL));
        let has_seed = (2..args.len()).any(|at| args.is(at, "SEED"));
        let (creates, items) = insert_args(args, arity, has_seed, |at| {
            let value = || args.get(at + 1).ok_or_else(arity);
            if args.is(at, "NONSCALING") {
                is_fixed = true;
                return Ok(1);
            } else if args.is(at, "ERROR") {
                error = parse_double(value()?).ok_or(BAD_RATE)?;
            } else if args.is(at, "CAPACITY") {
                capacity = parse_i64(value()?).ok_or(BAD_CAPACITY)?;
            } else if args.is(at, "EXPANSION") {
                expansion = Some(parse_i64(value()?).ok_or(BAD_EXPANSION)?);
            } else if args.is(at, "TIGHTENING") {
                let ratio = parse_double(value()?).ok_or(BAD_TIGHTENING)?;
                tightening = Some(ratio).filter(|ratio| *ratio > 0.0 && *ratio < 1.0);
            } else if args.is(at, "SEED") {
                let bytes = <[u8; 32]>::try_from(value()?).map_err(|_| BAD_SEED)?;
                seed = Some(bytes);
            } else {
                return Err(UNKNOWN);
            }
            Ok(2)
        })?;
        let (Ok(capacity @ 1..), Ok(expansion), true) = (
            u64::try_from(capacity),
            expansion.map(u32::try_from).transpose(),
            error > 0.0 && error < 1.0,
        ) else {
            return Err(BAD);
        };
        let tightening = tightening.ok_or(TIGHTENING_RANGE)?;
        let seeding = seed.map(|seed| FilterSeed {
            seed,
            is_random: true,
            error,
            tightening,
        });
        let recipe = Recipe {
            capacity,
            error,
            seeding,
            ..defaults
        };
        let recipe = recipe.expanding(expansion, is_fixed);
        Ok(InsertArgs {
            recipe,
            is_named: recipe.scales || is_fixed,
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

/// `BF.INSERT key [CAPACITY n] [ERROR e] [EXPANSION n] [NOCREATE] [NONSCALING] ITEMS item ...`:
/// adds items; makes a missing key by the options, else by the settings.
///
/// Reply: as of MADD; an error if there is no filter and the command has NOCREATE. Options have no
/// effect on a filter that exists.
///
/// With `SEED bytes [TIGHTENING ratio]`, as Valkey's module repeats its commands, it makes a filter
/// of that module, perhaps without ITEMS.
fn insert(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let key = call.args.at(1);
    let args = InsertArgs::parse(call.args, call.name, Recipe::of(&call.server.config))?;
    let recipe = (args.recipe, args.is_named);
    add_items(call, key, args.items, Some(recipe), args.creates)
}
