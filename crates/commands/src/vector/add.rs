//! VADD.
//!
//!     parse -> project (REDUCE) -> search for neighbours -> link
//!              may leave the loop   may leave the loop      on the loop
//!
//! The handler runs again after each part that has left the loop, with the part's result. The
//! handler links an element only into the set that was searched: if the key has another set by
//! then, the handler begins anew. A command whose options do not fit the set changes nothing.
//!
//! The effect is the command without CAS, because CAS changes nothing in the set and Redis cannot
//! replay it.
//!
//! Cost: O(log n) with a large factor, by EF, M and the dimension; the estimate that decides is
//! `nanos`.

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::row::{KEYS, dimension_mismatch, input_mismatch};
use super::vectors::{INVALID, VectorArg, image};
use crate::work;
use russet_base::numbers::number;
use russet_command::{Arity, CommandError, Flags};
use russet_resp::Args;
use russet_server::tasks::{self, TaskResult, VectorWork};
use russet_server::{Call, CommandResult, Spec};
use russet_types::VectorSet;
use russet_types::vector_set::{
    AddOutcome, Content, EF_CONSTRUCTION, M_DEFAULT, Parameters, Placement, Product, Projection,
    Quantization, Query, random_level,
};

pub(super) const VADD: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MODULE),
    keys: KEYS,
    work: work::by(count_visited, "use a smaller EF"),
    ..Spec::new("VADD", vadd)
};

/// One element with the usual EF; with a greater EF, the elements that the search visits.
fn count_visited(call: &mut Call<'_>) -> CommandResult {
    let at = VectorArg::parse(call.args, 2, true)?.next;
    if at >= call.args.len() {
        return Ok(());
    }
    let ef = Options::parse(call.args, at)?.ef as u64;
    let touched = if ef <= EF_CONSTRUCTION as u64 {
        1
    } else {
        work::length(call).min(ef).max(1)
    };
    call.touches(touched);
    Ok(())
}

const BAD_EF: CommandError = CommandError::Text("ERR invalid EF");
const BAD_M: CommandError = CommandError::Text("ERR invalid M");
const BAD_OPTION: CommandError = CommandError::Text("ERR invalid option after element");
const OTHER_QUANTIZATION: CommandError =
    CommandError::Text("ERR asked quantization mismatch with existing vector set");
const OTHER_M: CommandError =
    CommandError::Text("ERR asked M value mismatch with existing vector set");
const NO_PROJECTION: CommandError =
    CommandError::Text("ERR cannot add projection to existing set without projection");

const EF_MAX: i64 = 1_000_000;
const M_RANGE: std::ops::RangeInclusive<i64> = 4..=4096;

/// `VADD key [REDUCE dim] (FP32 blob | VALUES n number ...) element [CAS] [NOQUANT | Q8 | BIN] [EF
/// n] [SETATTR attributes] [M n]`: adds an element, or gives it another vector.
///
/// Reply: whether the element is new (RESP2: integer). CAS has no effect, because VADD searches a
/// large set off the loop with and without it. O(log n) with a large factor, by EF, M and the
/// dimension.
fn vadd(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let mut product = call.server.tasks.take_task::<Product>();
    if let Some(TaskResult::Planned(placement, set)) = call.server.tasks.take_result()
        && let Some(added) = add_planned(call, *placement, &set)?
    {
        return finish(call, added);
    }
    let given = match &mut product {
        Some(product) => VectorArg::again(args, 2, product.take_vector()),
        None => VectorArg::parse(args, 2, true)?,
    };
    let options = if args.len() > given.next {
        Options::parse(args, given.next)?
    } else {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    };
    let key = args.at(1);
    let known = call.db.write::<VectorSet>(key)?;
    let known = known.map(|set| options.check(&given, &set.read()));
    let (parameters, projection) = match known {
        Some(known) => known?,
        None => options.new_set(&given)?,
    };
    let query = match &projection {
        None => Query::new(&parameters, &given.numbers),
        Some(projection) => match image(call, projection, given.numbers, product, true)? {
            Some(image) => Query::new(&parameters, &image),
            None => return Ok(()),
        },
    };
    let mut rng = SmallRng::from_rng(call.db.rng());
    let mut placement = Placement::new(query, random_level(&mut rng), options.ef);
    let new = || VectorSet::new(parameters, projection);
    let set = call.db.write_or(key, new)?;
    let nanos = nanos(&set.read(), options.ef);
    let shared = set.share();
    drop(set);
    if call.leaves_loop(nanos) {
        call.block_on_search(shared, VectorWork::Placement(Box::new(placement)));
        return Ok(());
    }
    let mut set = call.db.write_or(key, || shared)?;
    let added = (set.write()).add(options.element, options.attributes, &mut placement);
    drop(set);
    finish(call, added)
}

/// Adds the element where a search off the loop has placed it, in this set. `None`: the key has
/// another set by now.
fn add_planned(
    call: &mut Call<'_>,
    mut placement: Placement,
    set: &VectorSet,
) -> Result<Option<AddOutcome>, CommandError> {
    let args = call.args;
    let current = call.db.write::<VectorSet>(args.at(1))?;
    let Some(mut current) = current.filter(|current| current.is_same(set)) else {
        return Ok(None);
    };
    let options = Options::parse(args, VectorArg::end(args, 2))?;
    let added = (current.write()).add(options.element, options.attributes, &mut placement);
    Ok(Some(added))
}

/// Estimated time of the search for a new element's neighbours.
fn nanos(content: &Content, ef: usize) -> usize {
    let (parameters, len) = (content.parameters(), content.len());
    // About half of a node's links lead to nodes that were met before.
    let distances = ef.saturating_mul(usize::from(parameters.m)) / 2;
    let distances = distances.min(len);
    tasks::nanos(parameters, len, distances)
}

fn finish(call: &mut Call<'_>, added: AddOutcome) -> CommandResult {
    let args = call.args;
    call.db.changed_silently(args.at(1));
    if call.effects_wanted()
        && let Some(words) = without_cas(args)
    {
        call.rewrite(&words);
    }
    call.reply.boolean(added == AddOutcome::New);
    Ok(())
}

/// The words of a command that has CAS, without it: it changes nothing, and a Redis that reads it
/// from an append only file ends with a failed assertion.
fn without_cas(args: Args<'_>) -> Option<Vec<&[u8]>> {
    let mut at = VectorArg::end(args, 2) + 1;
    let mut words: Vec<&[u8]> = args.iter().take(at).collect();
    while at < args.len() {
        let has_value = ["ef", "m", "setattr"].iter().any(|name| args.is(at, name));
        let next = at + 1 + usize::from(has_value);
        if !args.is(at, "cas") {
            words.extend(args.iter().skip(at).take(next - at));
        }
        at = next;
    }
    (words.len() < args.len()).then_some(words)
}

/// The arguments after the vector.
struct Options<'a> {
    element: &'a [u8],
    attributes: Option<&'a [u8]>,
    quantization: Quantization,
    ef: usize,
    m: u16,
}

impl<'a> Options<'a> {
    /// Parses the element at `at`, which is there, and the options after it.
    fn parse(args: Args<'a>, at: usize) -> Result<Options<'a>, CommandError> {
        let mut options = Options {
            element: args.at(at),
            attributes: None,
            quantization: Quantization::Q8,
            ef: EF_CONSTRUCTION,
            m: M_DEFAULT,
        };
        let mut at = at + 1;
        while at < args.len() {
            let value = args.get(at + 1);
            let integer = |text| number::parse_i64(text).unwrap_or(0);
            at += 2;
            match value {
                Some(text) if args.is(at - 2, "ef") => {
                    let ef = Some(integer(text)).filter(|ef| (1..=EF_MAX).contains(ef));
                    options.ef = ef.ok_or(BAD_EF)? as usize;
                    continue;
                }
                Some(text) if args.is(at - 2, "m") => {
                    let m = Some(integer(text)).filter(|m| M_RANGE.contains(m));
                    options.m = m.ok_or(BAD_M)? as u16;
                    continue;
                }
                Some(text) if args.is(at - 2, "setattr") => {
                    options.attributes = Some(text);
                    continue;
                }
                _ => at -= 1,
            }
            let word = at - 1;
            if args.is(word, "noquant") {
                options.quantization = Quantization::F32;
            } else if args.is(word, "bin") {
                options.quantization = Quantization::Binary;
            } else if args.is(word, "q8") {
                options.quantization = Quantization::Q8;
            } else if !args.is(word, "cas") {
                return Err(BAD_OPTION);
            }
        }
        Ok(options)
    }

    /// The parameters of an existing set, if the vector can be added to it.
    fn check(
        &self,
        given: &VectorArg,
        content: &Content,
    ) -> Result<(Parameters, Option<Projection>), CommandError> {
        let parameters = *content.parameters();
        if parameters.quantization != self.quantization {
            return Err(OTHER_QUANTIZATION);
        }
        if parameters.m != self.m {
            return Err(OTHER_M);
        }
        let got = given.numbers.len();
        let Some(projection) = content.projection() else {
            if got != parameters.dim as usize {
                return Err(dimension_mismatch(got, parameters.dim));
            }
            return match given.reduced {
                Some(_) => Err(NO_PROJECTION),
                None => Ok((parameters, None)),
            };
        };
        if given.reduced != Some(parameters.dim) {
            return Err(dimension_mismatch(got, parameters.dim));
        }
        if got != projection.input_dim() as usize {
            return Err(input_mismatch(got, projection.input_dim()));
        }
        Ok((parameters, Some(projection.clone())))
    }

    /// The parameters of a new set for the vector.
    fn new_set(&self, given: &VectorArg) -> Result<(Parameters, Option<Projection>), CommandError> {
        let input = given.numbers.len();
        let parameters = Parameters {
            dim: given.reduced.unwrap_or(input as u32),
            quantization: self.quantization,
            m: self.m,
        };
        let Some(output) = given.reduced else {
            return Ok((parameters, None));
        };
        if !Projection::is_possible(input, output as usize) {
            return Err(INVALID);
        }
        Ok((parameters, Some(Projection::new(input as u32, output))))
    }
}
