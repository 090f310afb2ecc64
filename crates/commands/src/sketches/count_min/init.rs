//! INITBYDIM and INITBYPROB.

use super::super::room::room;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::{NO_MEMORY, WRITING};
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::count_min::{CellSize, CountMinError};
use russet_sketches::{CountMin, DEPTH_MAX};
use russet_types::BoxedValue;

const EXISTS: CommandError = CommandError::Text("CMS: key already exists");
const BAD_WIDTH: CommandError = CommandError::Text("CMS: invalid width");
const BAD_DEPTH: CommandError = CommandError::Text("CMS: invalid depth");
const BAD_ERROR: CommandError = CommandError::Text("CMS: invalid overestimation value");
const BAD_PROBABILITY: CommandError = CommandError::Text("CMS: invalid prob value");
const BAD_SHAPE: CommandError = CommandError::Text("CMS: invalid init arguments");
const UNKNOWN_WORD: CommandError = CommandError::Text("CMS: unknown argument");
const BAD_CELL: CommandError = CommandError::Text("CMS: CELL_SIZE must be 1, 2, 4 or 8");

pub(super) const INITBYDIM: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING.union(Category::FAST),
    ..Spec::new("cms.initbydim", init_by_dim)
};

/// `CMS.INITBYDIM key width depth [CELL_SIZE 1 | 2 | 4 | 8]`: makes a sketch of `depth` rows, 1024
/// at most, of `width` counters of four bytes, or so many.
///
/// Reply: OK; an error if the key exists, or the sketch is larger than `maxmemory`.
fn init_by_dim(call: &mut Call<'_>) -> CommandResult {
    let [key, width, depth] = arguments(call)?;
    check_missing(call, key)?;
    let positive = |text| parse_i64(text).filter(|n| *n > 0).map(|n| n as u64);
    let width = positive(width).ok_or(BAD_WIDTH)?;
    let depth = positive(depth).ok_or(BAD_DEPTH)?;
    init(call, key, (width, depth))
}

pub(super) const INITBYPROB: Spec = Spec {
    handler: init_by_prob,
    name: "cms.initbyprob",
    ..INITBYDIM
};

/// `CMS.INITBYPROB key error probability [CELL_SIZE ..]`: makes a sketch whose estimates are too
/// high by at most `error` of all additions, except for a share of `probability` of the items.
///
/// Reply: as of INITBYDIM.
fn init_by_prob(call: &mut Call<'_>) -> CommandResult {
    let [key, error, probability] = arguments(call)?;
    check_missing(call, key)?;
    let share = |text| parse_double(text).filter(|share| *share > 0.0 && *share < 1.0);
    let error = share(error).ok_or(BAD_ERROR)?;
    let probability = share(probability).ok_or(BAD_PROBABILITY)?;
    init(call, key, CountMin::shape_for(error, probability))
}

/// The three arguments before an option, which has two.
fn arguments<'a>(call: &Call<'a>) -> Result<[&'a [u8]; 3], CommandError> {
    match call.args.len() {
        4 | 6 => Ok([1, 2, 3].map(|at| call.args.at(at))),
        _ => Err(CommandError::WrongArity(call.name.to_owned())),
    }
}

fn cell_size(call: &Call<'_>) -> Result<CellSize, CommandError> {
    let Some(bytes) = call.args.get(5) else {
        return Ok(CellSize::default());
    };
    if !call.args.is(4, "CELL_SIZE") {
        return Err(UNKNOWN_WORD);
    }
    let bytes = parse_i64(bytes).and_then(|bytes| u64::try_from(bytes).ok());
    bytes.and_then(CellSize::of_bytes).ok_or(BAD_CELL)
}

/// Before the numbers, as in Redis.
fn check_missing(call: &mut Call<'_>, key: &[u8]) -> CommandResult {
    match call.db.kind_to_write(key) {
        Some(_) => Err(EXISTS),
        None => Ok(()),
    }
}

fn init(call: &mut Call<'_>, key: &[u8], (width, depth): (u64, u64)) -> CommandResult {
    let _room = room(call);
    if depth > DEPTH_MAX && !call.was_taken_before() {
        return Err(BAD_SHAPE);
    }
    // Of several mistakes Redis names that of the option last.
    if !CountMin::admits(width, depth) {
        return Err(BAD_SHAPE);
    }
    let cell = cell_size(call)?;
    let sketch = CountMin::new(width, depth, cell).map_err(|error| match error {
        CountMinError::BadShape => BAD_SHAPE,
        CountMinError::NoRoom => NO_MEMORY,
    })?;
    call.db.put(key, BoxedValue::from(sketch));
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
