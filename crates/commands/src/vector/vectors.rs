//! Vectors as arguments: `[REDUCE dim] (FP32 blob | VALUES n number ...)`.

use russet_base::{
    clock,
    numbers::{float, number},
};
use russet_command::CommandError;
use russet_resp::Args;
use russet_server::Call;
use russet_types::vector_set::{DIM_MAX, Product, Progress, Projection};

pub(super) const INVALID: CommandError = CommandError::Text("ERR invalid vector specification");

/// A vector as it was given.
pub(super) struct VectorArg {
    pub numbers: Vec<f32>,
    /// The dimension to which the projection reduces the vector.
    pub reduced: Option<u32>,
    /// The argument after it.
    pub next: usize,
}

impl VectorArg {
    /// Parses a vector from argument `at` on, which is there; `reduces`: REDUCE may precede it.
    pub fn parse(args: Args<'_>, mut at: usize, reduces: bool) -> Result<VectorArg, CommandError> {
        let mut reduced = None;
        if reduces && args.len() > at + 2 && args.is(at, "reduce") {
            let dim = number::parse_i64(args.at(at + 1));
            reduced = Some(dim.filter(|dim| *dim > 0).ok_or(INVALID)?);
            at += 2;
        }
        let numbers = match args.get(at + 1) {
            Some(blob) if args.is(at, "fp32") => floats(blob),
            Some(count) if args.is(at, "values") => values(args, at, count),
            _ => None,
        };
        let numbers = numbers.ok_or(INVALID)?;
        let next = if args.is(at, "fp32") {
            at + 2
        } else {
            at + 2 + numbers.len()
        };
        let reduced = match reduced {
            Some(dim) if dim > numbers.len() as i64 => return Err(INVALID),
            reduced => reduced.map(|dim| dim as u32),
        };
        Ok(VectorArg {
            numbers,
            reduced,
            next,
        })
    }
}

impl VectorArg {
    /// The vector that [`VectorArg::parse`] has parsed from argument `at` on, and whose numbers
    /// were kept.
    pub fn again(args: Args<'_>, at: usize, numbers: Vec<f32>) -> VectorArg {
        let reduced = args
            .is(at, "reduce")
            .then(|| number::parse_i64(args.at(at + 1)));
        VectorArg {
            numbers,
            reduced: reduced.flatten().map(|dim| dim as u32),
            next: VectorArg::end(args, at),
        }
    }

    /// The argument after a vector (or ELE and an element), which has been parsed before.
    pub fn end(args: Args<'_>, at: usize) -> usize {
        if args.is(at, "reduce") {
            return VectorArg::end(args, at + 2);
        }
        match number::parse_i64(args.at(at + 1)) {
            Some(count) if args.is(at, "values") => at + 2 + count as usize,
            _ => at + 2,
        }
    }
}

/// A slice of a product that cannot leave the loop.
const SLICE_NANOS: usize = 1_000_000;

/// The image of a vector. `done`: a product that was computed off the loop; if the projection has
/// changed since, the handler computes the product again. `leaves`: a long product may leave the
/// loop. `None`: it has left, and the client waits for it.
///
/// # Errors
///
/// The errors of [`Call::may_continue`].
pub(super) fn image(
    call: &mut Call<'_>,
    projection: &Projection,
    numbers: Vec<f32>,
    done: Option<Box<Product>>,
    leaves: bool,
) -> Result<Option<Vec<f32>>, CommandError> {
    if let Some(done) = done.filter(|done| done.is_of(projection)) {
        return Ok(Some(done.image()));
    }
    let mut product = Box::new(Product::new(projection.clone(), numbers));
    if leaves && call.leaves_loop(product.nanos()) {
        call.block_on_task(product);
        return Ok(None);
    }
    let began = clock::cycles();
    while product.step(SLICE_NANOS) == Progress::More {
        call.may_continue(began)?;
    }
    Ok(Some(product.image()))
}

/// Little-endian floats.
fn floats(blob: &[u8]) -> Option<Vec<f32>> {
    let (floats, rest) = blob.as_chunks::<4>();
    let is_sound = rest.is_empty() && (1..=DIM_MAX as usize).contains(&floats.len());
    is_sound.then(|| {
        floats
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect()
    })
}

/// As many numbers as announced.
fn values(args: Args<'_>, at: usize, count: &[u8]) -> Option<Vec<f32>> {
    let count = number::parse_i64(count)?;
    if !(1..=i64::from(DIM_MAX)).contains(&count) || args.len() < at + 2 + count as usize {
        return None;
    }
    let values = args.from(at + 2).first(count as usize);
    let parse = |text| float::parse_double(text).map(|value| value as f32);
    values.iter().map(parse).collect()
}
