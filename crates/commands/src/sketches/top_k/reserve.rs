//! RESERVE.

use super::super::room::room;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::{WRITING, seed};
use rand::Rng;
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::top_k::{K_MAX, Shape};
use russet_sketches::{DEPTH_MAX, TopK};
use russet_types::BoxedValue;

const EXISTS: CommandError = CommandError::Text("TopK: key already exists");
const BAD_K: CommandError = CommandError::Text("TopK: invalid k");
const BAD_WIDTH: CommandError = CommandError::Text("TopK: invalid width");
const BAD_DEPTH: CommandError = CommandError::Text("TopK: invalid depth");
const BAD_DECAY: CommandError =
    CommandError::Text("TopK: invalid decay value. must be '<= 1' & '> 0'");
const NO_MEMORY: CommandError =
    CommandError::Text("ERR Insufficient memory to create topk data structure");

/// Of a list without numbers for them.
const WIDTH_USUAL: u32 = 8;
const DEPTH_USUAL: u32 = 7;
const DECAY_USUAL: f64 = 0.9;

pub(super) const RESERVE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING.union(Category::FAST),
    ..Spec::new("topk.reserve", reserve)
};

fn parse(args: Args<'_>) -> Result<Shape, CommandError> {
    let number = |at, error| {
        let n = parse_i64(args.at(at)).and_then(|n| u32::try_from(n).ok());
        n.filter(|n| *n > 0).ok_or(error)
    };
    let k = number(2, BAD_K)?;
    if args.len() == 3 {
        return Ok(Shape {
            k,
            width: WIDTH_USUAL,
            depth: DEPTH_USUAL,
            decay: DECAY_USUAL,
        });
    }
    Ok(Shape {
        k,
        width: number(3, BAD_WIDTH)?,
        depth: number(4, BAD_DEPTH)?,
        decay: parse_double(args.at(5))
            .filter(|decay| *decay > 0.0 && *decay <= 1.0)
            .ok_or(BAD_DECAY)?,
    })
}

/// Bounds k and depth, because each addition looks for the item among all places, and counts it in
/// each row.
fn check_bounds(shape: Shape) -> Result<(), CommandError> {
    if shape.k > K_MAX {
        return Err(BAD_K);
    }
    if u64::from(shape.depth) > DEPTH_MAX {
        return Err(BAD_DEPTH);
    }
    Ok(())
}

/// `TOPK.RESERVE key k [width depth decay]`: makes an empty list of the `k` most frequent items,
/// which counts in `depth` rows of `width` cells; `k` is at most 131,072, `depth` 1024.
///
/// Reply: OK; an error if the key exists, or the list is larger than `maxmemory`. Bytes: eight for
/// each cell, twelve for each place and the items.
fn reserve(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let (args, key) = (call.args, call.args.at(1));
    if args.len() != 3 && args.len() != 6 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    if call.db.kind_to_write(key).is_some() {
        return Err(EXISTS);
    }
    let shape = parse(args)?;
    if !call.was_taken_before() {
        check_bounds(shape)?;
    }
    let given = args.get(5).and_then(seed::within);
    let seed = given.unwrap_or_else(|| call.db.rng().next_u64());
    // The numbers are within their ranges for every shape.
    let list = TopK::new(shape, seed).map_err(|_| NO_MEMORY)?;
    call.db.put(key, BoxedValue::from(list));
    call.db.changed(key, Class::MODULE, call.name);
    if given.is_none() && call.effects_wanted() {
        let numbers = [shape.k, shape.width, shape.depth].map(|n| n.to_string());
        let [k, width, depth] = numbers.each_ref().map(String::as_bytes);
        let decay = seed::after(shape.decay, seed);
        call.rewrite(&[b"TOPK.RESERVE", key, k, width, depth, decay.as_bytes()]);
    }
    call.reply.ok();
    Ok(())
}
