//! MERGE: the values of several digests in one digest.
//!
//! A thread sums many nodes, from copies of the digests. If the stamp of a digest has changed
//! meanwhile, the sum begins anew; after some such beginnings the loop makes the sum.
//!
//! Cost: O(nodes of all), and a copy of each digest for the thread.

use super::super::room::room;
use super::super::row::{COUNTED_KEYS, GROWS};
use super::row::{BAD_WORD, COMPRESSION, MISSING, OVERFLOW, WRITING, compression};
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::TDigest as Sketch;
use russet_types::vector_set::Progress;
use russet_types::{BoxedValue, TDigest};
use std::collections::HashMap;

const NO_COUNT: CommandError = CommandError::Text("ERR T-Digest: error parsing numkeys");
const NO_KEYS: CommandError =
    CommandError::Text("ERR T-Digest: numkeys needs to be a positive integer");
/// Nodes that are summed at once: a millisecond or two.
const NODES_MAX: usize = 1 << 13;
/// Sums to begin on a thread before the loop makes the sum.
const BEGINNINGS_MAX: u32 = 3;
const NO_ROOM: &str = "ERR T-Digest: allocation of destination digest failed";

pub(super) const MERGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: COUNTED_KEYS,
    categories: WRITING,
    work: work::EACH_KEY,
    ..Spec::new("tdigest.merge", merge)
};

struct MergeArgs<'a> {
    sources: Args<'a>,
    compression: Option<i64>,
    overrides: bool,
}

impl<'a> MergeArgs<'a> {
    /// Words may come in any order, and the parser ignores unknown words, as in Redis.
    fn parse(args: Args<'a>, name: &str) -> Result<MergeArgs<'a>, CommandError> {
        let arity = || CommandError::WrongArity(name.to_owned());
        let n = match parse_i64(args.at(2)).ok_or(NO_COUNT)? {
            ..1 => return Err(NO_KEYS),
            n => usize::try_from(n).map_err(|_| arity())?,
        };
        let rest = args.from(3);
        if n > rest.len() {
            return Err(arity());
        }
        let (sources, options) = (rest.first(n), rest.from(n));
        let find = |word| (0..options.len()).find(|at| options.is(*at, word));
        let exactness = match find(COMPRESSION) {
            None => None,
            Some(at) => {
                let text = options.get(at + 1).ok_or_else(arity)?;
                Some(compression(text, NO_ROOM)?)
            }
        };
        let overrides = find("OVERRIDE").is_some();
        if !options.is_empty() && exactness.is_none() && !overrides {
            return Err(BAD_WORD);
        }
        Ok(MergeArgs {
            sources,
            compression: exactness,
            overrides,
        })
    }
}

/// `TDIGEST.MERGE destination numkeys source ... [COMPRESSION n] [OVERRIDE]`: adds the values of
/// digests to another digest, or replaces it by their sum.
///
/// A new digest has the greatest compression of the sources, unless the command gives a
/// compression. Reply: OK. O(nodes of all).
fn merge(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let key = call.args.at(1);
    // Before any key, because with a wrong number of keys the command has no key. Redis looks at
    // the destination first.
    let args = MergeArgs::parse(call.args, call.name)?;
    let mut beginnings = 0;
    if let Some(done) = call.server.tasks.take_task::<SumTask>() {
        beginnings = done.beginnings;
        if done.is_current(call) {
            if done.is_too_large {
                return Err(OVERFLOW);
            }
            return finish(call, done.sum);
        }
    }
    let own = call
        .db
        .write::<TDigest>(key)?
        .map(|digest| digest.compression());
    let mut greatest = 1;
    for source in args.sources.iter() {
        let digest = call.db.read::<TDigest>(source)?.ok_or(MISSING)?;
        greatest = greatest.max(digest.compression());
    }
    let kept = own.filter(|_| !args.overrides);
    let exactness = args.compression.or(kept).unwrap_or(greatest);
    if !Sketch::admits(exactness) {
        return Err(CommandError::Text(NO_ROOM));
    }
    let parts = kept.map(|_| key).into_iter().chain(args.sources.iter());
    if beginnings < BEGINNINGS_MAX && call.may_leave_loop() && is_long(call, parts.clone()) {
        let sum = SumTask::begin(call, parts, exactness, beginnings)?;
        call.block_on_task(Box::new(sum));
        return Ok(());
    }
    let mut sum = Sketch::new(exactness);
    for part in parts {
        let digest = call.db.peek::<TDigest>(part)?.ok_or(MISSING)?;
        sum.merge(&digest).map_err(|_| OVERFLOW)?;
    }
    finish(call, sum)
}

/// Makes a sum the destination's digest, and replies.
fn finish(call: &mut Call<'_>, sum: Sketch) -> CommandResult {
    let key = call.args.at(1);
    let sum = BoxedValue::from(sum);
    let place = call.db.place(key);
    if place.holds::<TDigest>()? {
        let old = std::mem::replace(&mut *place.open::<TDigest>()?, sum);
        call.db.free_part(old);
    } else {
        place.put(sum);
    }
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}

/// Whether digests have so many nodes that a thread is to sum them.
fn is_long<'k>(call: &Call<'_>, parts: impl Iterator<Item = &'k [u8]>) -> bool {
    let nodes = parts.map(|key| {
        let digest = call.db.peek::<TDigest>(key).ok().flatten();
        let figures = digest.map(|digest| digest.figures());
        figures.map_or(0, |figures| figures.merged_nodes + figures.unmerged_nodes)
    });
    nodes.sum::<usize>() > NODES_MAX
}

/// A sum of copies of digests, on a thread. The sum becomes the destination's value if no digest
/// has changed when the thread is done; if digests change again and again the loop makes the sum.
struct SumTask {
    /// The digests, each once, with their keys and the stamps of the originals.
    digests: Vec<(Box<[u8]>, u64, Sketch)>,
    /// Digests that are yet to be added, the next digest last.
    parts: Vec<usize>,
    sum: Sketch,
    is_too_large: bool,
    beginnings: u32,
}

impl SumTask {
    fn begin<'k>(
        call: &Call<'_>,
        keys: impl Iterator<Item = &'k [u8]>,
        exactness: i64,
        beginnings: u32,
    ) -> Result<SumTask, CommandError> {
        let (mut digests, mut parts) = (Vec::new(), Vec::new());
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        for key in keys {
            let place = *known.entry(key).or_insert(digests.len());
            if place == digests.len() {
                let digest = call.db.peek::<TDigest>(key)?.ok_or(MISSING)?;
                digests.push((key.into(), digest.stamp(), (**digest).clone()));
            }
            parts.push(place);
        }
        parts.reverse();
        Ok(SumTask {
            digests,
            parts,
            sum: Sketch::new(exactness),
            is_too_large: false,
            beginnings: beginnings + 1,
        })
    }

    /// Whether the digests are as they were when they were copied.
    fn is_current(&self, call: &Call<'_>) -> bool {
        self.digests.iter().all(|(key, stamp, _)| {
            let digest = call.db.peek::<TDigest>(key).ok().flatten();
            digest.is_some_and(|digest| digest.stamp() == *stamp)
        })
    }
}

impl Task for SumTask {
    fn step(&mut self, _nanos: usize) -> Progress {
        let Some(part) = self.parts.pop() else {
            return Progress::Done;
        };
        let digest = &mut self.digests[part].2;
        // The command may name the digest again.
        digest.keep_copy();
        self.is_too_large |= self.sum.merge(digest).is_err();
        if self.is_too_large {
            return Progress::Done;
        }
        Progress::More
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn a_sum_on_a_thread_is_that_of_the_loop() {
        let mut t = Testbed::new();
        let client = t.first_client();
        let other = t.connect();
        for key in ["a", "b", "c"] {
            t.run(&format!("TDIGEST.CREATE {key} COMPRESSION 2000"));
            let values: Vec<String> = (0..9000).map(|n| (n * 7919 % 10_007).to_string()).collect();
            t.run(&format!("TDIGEST.ADD {key} {}", values.join(" ")));
        }
        t.run("TDIGEST.MERGE at_once 3 a b a");
        let wanted = t.run("TDIGEST.QUANTILE at_once 0.1 0.5 0.9");
        t.serve_in_turns(1, 1);
        for changes in [false, true] {
            let words: Vec<&[u8]> = vec![b"TDIGEST.MERGE", b"sum", b"3", b"a", b"b", b"a"];
            t.begin(&[client], &words);
            assert!(t.is_under_way(client));
            if changes {
                t.run_as(other, "TDIGEST.RESET b");
            }
            let began = std::time::Instant::now();
            while t.is_under_way(client) {
                assert!(began.elapsed().as_secs() < 60, "it does not end");
                t.turn(true);
                std::thread::yield_now();
            }
            assert_eq!(t.take_reply(client), b"+OK\r\n");
            let got = t.run("TDIGEST.QUANTILE sum 0.1 0.5 0.9");
            assert!(changes || got == wanted, "{got} {wanted}");
            t.run("DEL sum");
        }
    }
}
