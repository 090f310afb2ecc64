//! MERGE: a weighted sum of sketches, in slices.
//!
//! Between two slices sources may change. But all sources must be from the same moment: so each
//! slice compares the stamps of the sources, and begins the sum anew if a source has changed; after
//! some such beginnings the command makes the sum at once.
//!
//! Cost: O(counters * sources); a source that the client names several times counts once.

use super::super::room::room;
use super::super::row::{COUNTED_KEYS, GROWS};
use super::{MISSING, NO_MEMORY, WRITING};
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Slice, Spec};
use russet_sketches::CountMin as Sketch;
use russet_sketches::count_min::{MergeError, WeightedMerge};
use russet_types::vector_set::Progress;
use russet_types::{BoxedValue, CountMin};
use std::collections::HashMap;

/// Counters of all sources to sum before the next look at the clock, and counters of one source.
const STEP: usize = 1 << 17;
const STEP_MAX: usize = 1 << 13;
/// Sums to begin before a sum runs to its end at once.
const BEGINNINGS_MAX: u32 = 3;

const BAD_COUNT: CommandError = CommandError::Text("CMS: invalid numkeys");
const NO_KEYS: CommandError = CommandError::Text("CMS: Number of keys must be positive");
const OTHER_COUNT: CommandError = CommandError::Text("CMS: wrong number of keys");
const OTHER_WEIGHTS: CommandError = CommandError::Text("CMS: wrong number of keys/weights");
const BAD_WEIGHT: CommandError = CommandError::Text("CMS: invalid weight value");
const OTHER_SHAPE: CommandError = CommandError::Text("CMS: width/depth is not equal");
const OTHER_CELLS: CommandError = CommandError::Text("CMS: cell size is not equal");
const OVERFLOW: CommandError = CommandError::Text("CMS: MERGE overflow");

pub(super) const MERGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: COUNTED_KEYS,
    categories: WRITING,
    work: work::by(count_counters, "merge smaller sketches, or fewer at a time"),
    ..Spec::new("cms.merge", merge)
};

/// The sources, and their weights if there are any.
struct Sources<'a> {
    keys: Args<'a>,
    weights: Option<Args<'a>>,
}

impl<'a> Sources<'a> {
    fn parse(args: Args<'a>) -> Result<Sources<'a>, CommandError> {
        let n = parse_i64(args.at(2)).ok_or(BAD_COUNT)?;
        let n = usize::try_from(n).ok().filter(|n| *n > 0).ok_or(NO_KEYS)?;
        let rest = args.from(3);
        let word = (0..rest.len()).find(|at| rest.is(*at, "WEIGHTS"));
        match word {
            None if n == rest.len() => Ok(Sources {
                keys: rest,
                weights: None,
            }),
            None => Err(OTHER_COUNT),
            Some(at) if at == n && rest.len() - at - 1 == n => Ok(Sources {
                keys: rest.first(n),
                weights: Some(rest.from(at + 1)),
            }),
            Some(_) => Err(OTHER_WEIGHTS),
        }
    }

    fn weight(&self, at: usize) -> Result<i64, CommandError> {
        match self.weights {
            Some(weights) => parse_i64(weights.at(at)).ok_or(BAD_WEIGHT),
            None => Ok(1),
        }
    }
}

fn count_counters(call: &mut Call<'_>) -> CommandResult {
    let sources = Sources::parse(call.args)?;
    let sketch = call.db.peek::<CountMin>(call.args.at(1))?.ok_or(MISSING)?;
    let counters = sketch.width() * sketch.depth();
    call.touches(counters.saturating_mul(sources.keys.len() as u64));
    Ok(())
}

/// `CMS.MERGE destination numkeys source ... [WEIGHTS weight ...]`: replaces a sketch by the
/// weighted sum of sketches of the same shape; the destination may be among them.
///
/// Reply: OK; an error, and no change, if a sum is negative or too large. O(counters * sources).
fn merge(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    // Before any key, because with a wrong number of keys the command has no key. Redis looks at
    // the destination first.
    let sources = Sources::parse(call.args)?;
    let work = match call.take_work::<Merge>() {
        Some(work) => work,
        // The server does not refuse a merge that another server has made for the time that it
        // takes.
        None if call.was_taken_before() => begin(call, &sources, BEGINNINGS_MAX)?,
        None => begin(call, &sources, 0)?,
    };
    let done = call.in_slices(work, |work, call, slice| {
        advance(call, &sources, work, slice)
    })?;
    let Some(work) = done else {
        return Ok(());
    };
    let merged = work.merging.finish().map_err(refused)?;
    let key = call.args.at(1);
    let mut sketch = call.db.write::<CountMin>(key)?.ok_or(MISSING)?;
    let old = std::mem::replace(&mut *sketch, BoxedValue::from(merged));
    drop(sketch);
    call.db.free_part(old);
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}

fn refused(error: MergeError) -> CommandError {
    match error {
        MergeError::Overflow => OVERFLOW,
        MergeError::NoRoom => NO_MEMORY,
    }
}

/// A sum in slices: it begins anew if a source has changed meanwhile, and runs at once if sources
/// keep changing.
struct Merge {
    merging: WeightedMerge,
    /// The number, weight and stamp of each source. A source that is named twice is here once, if
    /// the weights can be summed.
    sources: Vec<(usize, i64, u64)>,
    beginnings: u32,
}

/// Checks the keys, and begins the sum.
fn begin(
    call: &mut Call<'_>,
    sources: &Sources<'_>,
    beginnings: u32,
) -> Result<Merge, CommandError> {
    let key = call.args.at(1);
    if call.db.write::<CountMin>(key)?.is_none() {
        return Err(MISSING);
    }
    // Each source counts as read, and errors come in the order of the sources.
    for (at, source) in sources.keys.iter().enumerate() {
        sources.weight(at)?;
        let is_there = call.db.read::<CountMin>(source)?.is_some();
        if !is_there {
            return Err(MISSING);
        }
        let source = call.db.peek::<CountMin>(source)?.ok_or(MISSING)?;
        let own = call.db.peek::<CountMin>(key)?.ok_or(MISSING)?;
        if !own.has_shape_of(&source) {
            return Err(OTHER_SHAPE);
        }
        if !own.is_like(&source) {
            return Err(OTHER_CELLS);
        }
    }
    let own = call.db.peek::<CountMin>(key)?.ok_or(MISSING)?;
    let mut all = Vec::with_capacity(sources.keys.len());
    for (at, source) in sources.keys.iter().enumerate() {
        let sketch = call.db.peek::<CountMin>(source)?.ok_or(MISSING)?;
        all.push((sketch, sources.weight(at)?));
    }
    let read: Vec<(&Sketch, i64)> = all.iter().map(|(one, weight)| (&***one, *weight)).collect();
    let merging = WeightedMerge::new(&own, &read).map_err(refused)?;
    let mut distinct: Vec<(usize, i64, u64)> = Vec::with_capacity(read.len());
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    for (at, (sketch, weight)) in all.iter().enumerate() {
        let place = *known.entry(sources.keys.at(at)).or_insert(distinct.len());
        match distinct.get_mut(place) {
            Some((_, sum, _)) if merging.sums_weights() => *sum += weight,
            _ => distinct.push((at, *weight, sketch.stamp())),
        }
    }
    Ok(Merge {
        merging,
        sources: distinct,
        beginnings,
    })
}

/// Goes on with a sum until the slice is over.
fn advance(
    call: &mut Call<'_>,
    sources: &Sources<'_>,
    work: &mut Merge,
    slice: Slice,
) -> Result<Progress, CommandError> {
    if !is_current(call, sources, work) {
        *work = begin(call, sources, work.beginnings + 1)?;
    }
    let mut read = Vec::with_capacity(work.sources.len());
    for (at, weight, _) in &work.sources {
        let sketch = call.db.peek::<CountMin>(sources.keys.at(*at))?;
        read.push((sketch.ok_or(MISSING)?, *weight));
    }
    let read: Vec<(&Sketch, i64)> = read
        .iter()
        .map(|(one, weight)| (&***one, *weight))
        .collect();
    let counters = (STEP / read.len()).clamp(1, STEP_MAX);
    while !work.merging.step(&read, counters).map_err(refused)? {
        if slice.is_over() && work.beginnings < BEGINNINGS_MAX {
            return Ok(Progress::More);
        }
    }
    Ok(Progress::Done)
}

/// Whether the sources are as they were when the sum began, and the destination of their shape.
fn is_current(call: &Call<'_>, sources: &Sources<'_>, work: &Merge) -> bool {
    let peek = |key: &[u8]| call.db.peek::<CountMin>(key).ok().flatten();
    let is_like = |sketch: &Sketch| peek(call.args.at(1)).is_some_and(|own| own.is_like(sketch));
    work.sources.iter().all(|(at, _, stamp)| {
        let sketch = peek(sources.keys.at(*at));
        sketch.is_some_and(|sketch| sketch.stamp() == *stamp && is_like(&sketch))
    })
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    /// Two keys of many counters, and a client that merges them into the first.
    fn begin(t: &mut Testbed) -> russet_keyspace::ClientId {
        t.serve_in_turns(1, 20);
        for key in ["k", "k1"] {
            t.run(&format!("CMS.INITBYDIM {key} 200000 8"));
            t.run(&format!("CMS.INCRBY {key} a 1 b 2"));
        }
        let client = t.first_client();
        let line = "CMS.MERGE k 3 k k1 k1 WEIGHTS 1 2 3";
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        t.begin(&[client], &words);
        client
    }

    #[test]
    fn a_large_sum_is_made_in_slices() {
        let mut t = Testbed::new();
        let client = begin(&mut t);
        let mut turns = 0;
        while t.is_under_way(client) {
            t.turn(true);
            turns += 1;
        }
        assert!(turns > 2, "{turns}");
        assert_eq!(t.take_reply(client), b"+OK\r\n");
        assert_eq!(t.run("CMS.QUERY k a b"), "*2\r\n:6\r\n:12\r\n");
    }

    /// A source that changes while MERGE reads it must not be in the sum with only some counters.
    #[test]
    fn a_source_that_changes_is_summed_as_a_whole() {
        let mut t = Testbed::new();
        let client = begin(&mut t);
        let other = t.connect();
        let mut added: u32 = 0;
        while t.is_under_way(client) {
            t.turn(true);
            if t.is_under_way(client) && added < 5 {
                added += 1;
                t.run_as(other, "CMS.INCRBY k1 a 1");
            }
        }
        assert!(added >= super::BEGINNINGS_MAX, "{added}");
        assert_eq!(t.take_reply(client), b"+OK\r\n");
        let a = t.run("CMS.QUERY k a");
        let sums = (0..=added).map(|n| format!("*1\r\n:{}\r\n", 1 + 5 * (1 + n)));
        assert!(sums.into_iter().any(|sum| sum == a), "{a}");
        t.run("DEL k1");
        assert!(
            t.run("CMS.MERGE k 1 k1")
                .starts_with("-CMS: key does not exist")
        );
    }
}
