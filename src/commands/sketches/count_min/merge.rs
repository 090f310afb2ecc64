//! MERGE.

use super::super::room::room;
use super::super::row::{COUNTED_KEYS, GROWS};
use super::{MISSING, NO_MEMORY, WRITING};
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_sketches::count_min::MergeError;
use russet_types::{CountMin, Kept};

const BAD_COUNT: CommandError = CommandError::Text("CMS: invalid numkeys");
const NO_KEYS: CommandError = CommandError::Text("CMS: Number of keys must be positive");
const OTHER_COUNT: CommandError = CommandError::Text("CMS: wrong number of keys");
const OTHER_WEIGHTS: CommandError = CommandError::Text("CMS: wrong number of keys/weights");
const BAD_WEIGHT: CommandError = CommandError::Text("CMS: invalid weight value");
const OTHER_SHAPE: CommandError = CommandError::Text("CMS: width/depth is not equal");
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
/// weighted sum of others of the same shape; it may be one of them.
///
/// Reply: OK; an error, and nothing is changed, if a sum is negative or too large. O(counters *
/// sources).
fn merge(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let key = call.args.at(1);
    // Before any key: with a wrong number of them no key is the command's. Redis looks at the
    // destination first.
    let sources = Sources::parse(call.args)?;
    if call.db.write::<CountMin>(key)?.is_none() {
        return Err(MISSING);
    }
    // Each source counts as read, and its errors come in order.
    for (at, source) in sources.keys.iter().enumerate() {
        sources.weight(at)?;
        let is_there = call.db.read::<CountMin>(source)?.is_some();
        if !is_there {
            return Err(MISSING);
        }
        let source = call.db.peek::<CountMin>(source)?.ok_or(MISSING)?;
        let own = call.db.peek::<CountMin>(key)?.ok_or(MISSING)?;
        if !own.is_like(&source) {
            return Err(OTHER_SHAPE);
        }
    }
    let own = call.db.peek::<CountMin>(key)?.ok_or(MISSING)?;
    let mut read = Vec::with_capacity(sources.keys.len());
    for (at, source) in sources.keys.iter().enumerate() {
        let sketch = call.db.peek::<CountMin>(source)?.ok_or(MISSING)?;
        read.push((sketch, sources.weight(at)?));
    }
    let read: Vec<_> = read
        .iter()
        .map(|(sketch, weight)| (&***sketch, *weight))
        .collect();
    let merged = own.merged(&read).map_err(|error| match error {
        MergeError::Overflow => OVERFLOW,
        MergeError::NoRoom => NO_MEMORY,
    })?;
    let mut sketch = call.db.write::<CountMin>(key)?.ok_or(MISSING)?;
    let old = std::mem::replace(&mut *sketch, Kept::from(merged));
    drop(sketch);
    call.db.free_part(old);
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
