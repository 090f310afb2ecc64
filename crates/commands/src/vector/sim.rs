//! VSIM.
//!
//!     parse -> project -> search (index or, with TRUTH, all) -> filter, sort, reply
//!              may leave the loop, unless NOTHREAD
//!
//! A search that leaves the loop reads a set that may change meanwhile: it gives elements that were
//! there at some time during the command. When the answer arrives the handler parses the arguments
//! again, except the vector and the filter.
//!
//! A search that cannot leave runs in slices of `DISTANCES_PER_SLICE`; between two slices a script
//! serves other clients.
//!
//! Cost: O(EF * M) distances, O(elements) with TRUTH; FILTER visits up to FILTER-EF elements.

use super::row::{KEYS, READS, dimension_mismatch, input_mismatch};
use super::vectors::{VectorArg, image};
use crate::work;
use russet_base::{
    clock,
    numbers::{float, number},
};
use russet_command::{Arity, CommandError, Facts};
use russet_resp::{Args, Reply};
use russet_server::tasks::{self, TaskResult, VectorWork};
use russet_server::{Call, CommandResult, Spec};
use russet_types::VectorSet;
use russet_types::vector_set::filter::Filter;
use russet_types::vector_set::{
    Content, Product, Progress, Projection, Query, SearchBounds, SimilaritySearch,
};

pub(super) const VSIM: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READS,
    keys: KEYS,
    work: work::by(count_visited, "use a smaller EF, FILTER-EF or COUNT"),
    facts: Facts::SHOWS,
    ..Spec::new("VSIM", vsim)
};

/// The elements that VSIM visits.
fn count_visited(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options_at = if args.is(2, "ele") {
        4
    } else {
        VectorArg::parse(args, 2, false)?.next
    };
    let (wanted, _) = parse_options(args, options_at, compiled)?;
    let touched = visited(&wanted, work::length(call) as usize);
    call.touches(touched as u64);
    Ok(())
}

const NO_ELEMENT: CommandError = CommandError::Text("ERR element not found in set");
const BAD_COUNT: CommandError = CommandError::Text("ERR invalid COUNT");
const BAD_EPSILON: CommandError = CommandError::Text("ERR invalid EPSILON");
const BAD_EF: CommandError = CommandError::Text("ERR invalid EF");
const BAD_FILTER_EF: CommandError = CommandError::Text("ERR invalid FILTER-EF");
const BAD_OPTION: CommandError = CommandError::Text("ERR syntax error in VSIM command");

const EF_MAX: i64 = 1_000_000;
const EF_DEFAULT: i64 = 100;
const COUNT_DEFAULT: i64 = 10;
/// Distances in a slice of a search that cannot leave the loop: about a millisecond.
const DISTANCES_PER_SLICE: usize = 20_000;
/// The default FILTER-EF: nodes for each element wanted.
const FILTERED_PER_ELEMENT: i64 = 100;

/// `VSIM key (ELE element | FP32 blob | VALUES n number ...) [WITHSCORES] [WITHATTRIBS] [COUNT n]
/// [EPSILON d] [EF n] [FILTER expression] [FILTER-EF n] [TRUTH] [NOTHREAD]`: the elements that are
/// most similar, the best first.
///
/// Reply: array of names; with scores or attributes a map (RESP2: flat array). O(EF * M) distances;
/// with TRUTH O(elements).
fn vsim(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let mut product = call.server.tasks.take_task::<Product>();
    if let Some(TaskResult::Hits(hits)) = call.server.tasks.take_result() {
        let (_, shown) = parse_options(args, VectorArg::end(args, 2), |_| Ok(None))?;
        let hits = hits.iter();
        let hits = hits.map(|hit| (&*hit.name, hit.distance, &*hit.attributes));
        shown.write(call.reply, hits);
        return Ok(());
    }
    let Some(set) = call.db.read::<VectorSet>(args.at(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    let content = set.read();
    let (target, next) = target(args, &content, product.as_deref_mut())?;
    let (wanted, shown) = parse_options(args, next, compiled)?;
    drop(content);
    let set = set.share();
    let vector = match target {
        Target::Vector(vector) => vector,
        Target::Reduced(projection, vector) => {
            match image(call, &projection, vector, product, !shown.at_once)? {
                Some(image) => image,
                None => return Ok(()),
            }
        }
    };
    let content = set.read();
    let query = Query::new(content.parameters(), &vector);
    let nanos = nanos(&content, &wanted);
    let mut inquiry = SimilaritySearch::new(&content, query, wanted);
    drop(content);
    if !shown.at_once && call.leaves_loop(nanos) {
        call.block_on_search(set, VectorWork::Inquiry(Box::new(inquiry)));
        return Ok(());
    }
    let began = clock::cycles();
    while inquiry.step(&set.read(), DISTANCES_PER_SLICE) == Progress::More {
        call.may_continue(began)?;
    }
    let content = set.read();
    let found = inquiry.found(&content);
    let hits = found.iter().map(|found| {
        let element = content.element_at(found.payload);
        (element.name, found.distance, element.attributes)
    });
    shown.write(call.reply, hits);
    Ok(())
}

/// Estimated time of a search.
fn nanos(content: &Content, wanted: &SearchBounds) -> usize {
    let (parameters, len) = (content.parameters(), content.len());
    let visited = visited(wanted, len);
    let distances = if wanted.exact {
        len
    } else {
        visited.saturating_mul(usize::from(parameters.m)).min(len)
    };
    let looks = wanted.filter.as_ref().map_or(0, Filter::nanos);
    tasks::nanos(parameters, len, distances).saturating_add(visited.saturating_mul(looks))
}

/// Estimated number of elements, of `len`, that a search visits.
fn visited(wanted: &SearchBounds, len: usize) -> usize {
    let visited = match (&wanted.filter, wanted.exact) {
        (_, true) => len,
        (None, _) => wanted.ef.max(wanted.count),
        (Some(_), _) => wanted.filter_ef,
    };
    visited.min(len)
}

/// The vector that is searched for.
enum Target {
    Vector(Vec<f32>),
    /// The image of a vector.
    Reduced(Projection, Vec<f32>),
}

/// The vector to search for, and the position of the argument after it. `product` has the vector's
/// numbers if they were parsed before.
fn target(
    args: Args<'_>,
    content: &Content,
    product: Option<&mut Product>,
) -> Result<(Target, usize), CommandError> {
    if args.is(2, "ele") {
        let element = content.get(args.at(3)).ok_or(NO_ELEMENT)?;
        // As in Redis, from the vector as VEMB replies it.
        let vector = content.index().restore_vector(element.node);
        return Ok((Target::Vector(vector), 4));
    }
    let given = match product {
        Some(product) => VectorArg::again(args, 2, product.take_vector()),
        None => VectorArg::parse(args, 2, false)?,
    };
    let (parameters, got) = (content.parameters(), given.numbers.len());
    if got == parameters.dim as usize {
        return Ok((Target::Vector(given.numbers), given.next));
    }
    let Some(projection) = content.projection() else {
        return Err(dimension_mismatch(got, parameters.dim));
    };
    if got != projection.input_dim() as usize {
        return Err(input_mismatch(got, projection.input_dim()));
    }
    let target = Target::Reduced(projection.clone(), given.numbers);
    Ok((target, given.next))
}

/// The optional fields of the reply, and whether the search may leave the loop.
#[derive(Clone, Copy, Debug, Default)]
struct ReplyParts {
    scores: bool,
    attributes: bool,
    /// NOTHREAD: the search stays on the loop.
    at_once: bool,
}

type FilterResult = Result<Option<Filter>, CommandError>;

fn compiled(expression: &[u8]) -> FilterResult {
    let filter = Filter::compile(expression);
    let filter = filter.map_err(|error| bad_filter(error.near(expression)));
    Ok(Some(filter?))
}

/// The options, from argument `at` on; `compile` gets the expression of FILTER.
fn parse_options(
    args: Args<'_>,
    mut at: usize,
    compile: impl Fn(&[u8]) -> FilterResult,
) -> Result<(SearchBounds, ReplyParts), CommandError> {
    let mut shown = ReplyParts::default();
    let (mut count, mut ef, mut filter_ef) = (COUNT_DEFAULT, EF_DEFAULT, None);
    let (mut epsilon, mut filter, mut exact) = (2.0, None, false);
    let positive = |text, most, error| {
        let n = number::parse_i64(text).filter(|n| (1..=most).contains(n));
        n.ok_or(error)
    };
    while at < args.len() {
        let mut taken = 2;
        match args.get(at + 1) {
            Some(text) if args.is(at, "count") => count = positive(text, i64::MAX, BAD_COUNT)?,
            Some(text) if args.is(at, "ef") => ef = positive(text, EF_MAX, BAD_EF)?,
            Some(text) if args.is(at, "filter-ef") => {
                filter_ef = Some(positive(text, i64::MAX, BAD_FILTER_EF)?);
            }
            Some(text) if args.is(at, "epsilon") => {
                let given = float::parse_double(text).filter(|epsilon| *epsilon > 0.0);
                epsilon = given.ok_or(BAD_EPSILON)?;
            }
            Some(text) if args.is(at, "filter") => {
                filter = compile(text)?;
            }
            _ => {
                taken = 1;
                match () {
                    () if args.is(at, "withscores") => shown.scores = true,
                    () if args.is(at, "withattribs") => shown.attributes = true,
                    () if args.is(at, "truth") => exact = true,
                    () if args.is(at, "nothread") => shown.at_once = true,
                    () => return Err(BAD_OPTION),
                }
            }
        }
        at += taken;
    }
    let filter_ef = filter_ef.unwrap_or(count.saturating_mul(FILTERED_PER_ELEMENT));
    let wanted = SearchBounds {
        count: count as usize,
        ef: ef as usize,
        epsilon: epsilon as f32,
        filter,
        filter_ef: filter_ef as usize,
        exact,
    };
    Ok((wanted, shown))
}

fn bad_filter(near: &[u8]) -> CommandError {
    CommandError::naming("ERR syntax error in FILTER expression near: ", near, "")
}

impl ReplyParts {
    /// Writes the reply: name, distance and attributes of each element.
    fn write<'a>(
        self,
        reply: &mut Reply,
        hits: impl ExactSizeIterator<Item = (&'a [u8], f32, &'a [u8])>,
    ) {
        let values = usize::from(self.scores) + usize::from(self.attributes);
        match (values, reply.resp3()) {
            (0, _) => reply.array(hits.len()),
            (_, true) => reply.map(hits.len()),
            (_, false) => reply.array(hits.len() * (1 + values)),
        }
        for (name, distance, attributes) in hits {
            reply.bulk(name);
            if values == 2 && reply.resp3() {
                reply.array(2);
            }
            if self.scores {
                reply.double(1.0 - f64::from(distance) / 2.0);
            }
            match attributes {
                _ if !self.attributes => {}
                [] => reply.null(),
                _ => reply.bulk(attributes),
            }
        }
    }
}
