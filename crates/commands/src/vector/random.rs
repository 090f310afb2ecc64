//! VRANDMEMBER.
//!
//! The command picks many elements in slices, between which the set may change: the set has each
//! picked element at some time between the command's beginning and end, and distinct elements are
//! distinct nodes.

use std::collections::HashSet;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::row::{KEYS, READS};
use crate::arguments::sample::{Sampler, is_few};
use crate::work;
use russet_base::numbers::number;
use russet_command::{Arity, CommandError, Facts};
use russet_server::{Call, CommandResult, Pieces, Slice, Spec};
use russet_types::VectorSet;
use russet_types::vector_set::{Content, NodeId, Progress};

pub(super) const VRANDMEMBER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: KEYS,
    work: work::DRAWN,
    facts: Facts::SHOWS,
    ..Spec::new("VRANDMEMBER", vrandmember)
};

const NO_INTEGER: CommandError = CommandError::Text("ERR COUNT value is not an integer");
const OUT_OF_RANGE: CommandError = CommandError::Text("ERR COUNT value is out of range");

/// `VRANDMEMBER key [count]`: random elements, distinct if the count is positive.
///
/// Reply: bulk string or null; with a count an array. O(count), and O(elements) if the count is a
/// large part of the elements.
fn vrandmember(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let count = match args.get(2) {
        None => None,
        Some(text) => match number::parse_i64(text).ok_or(NO_INTEGER)? {
            0 => {
                call.reply.array(0);
                return Ok(());
            }
            i64::MIN => return Err(OUT_OF_RANGE),
            count => Some(count),
        },
    };
    let mut rng = SmallRng::from_rng(call.db.rng());
    if let Some(picks) = call.take_work::<Picks>() {
        return pick(call, picks);
    }
    let set = call.db.read::<VectorSet>(args.at(1))?;
    let lock = set.as_ref().map(|set| set.read());
    let Some(content) = &lock else {
        match count {
            None => call.reply.null(),
            Some(_) => call.reply.array(0),
        }
        return Ok(());
    };
    let Some(count) = count else {
        call.reply.bulk(content.random(&mut rng).expect(SOME).name);
        return Ok(());
    };
    let (len, wanted) = (content.len(), count.unsigned_abs() as usize);
    let way = match (count < 0, wanted.min(len)) {
        (true, _) => Way::Repeated,
        (false, wanted) if is_few(wanted, len) => Way::Distinct,
        (false, wanted) => Way::Pass {
            cursor: 0,
            passing: Sampler::new(wanted, len),
        },
    };
    let is_repeated = matches!(way, Way::Repeated);
    let picks = Picks {
        rng,
        way,
        wanted: if is_repeated { wanted } else { wanted.min(len) },
        written: 0,
        seen: HashSet::new(),
        left: call.reply.left(),
        pieces: Pieces::new(call.reply),
    };
    drop(lock);
    pick(call, picks)
}

const SOME: &str = "no set is empty";
/// Elements that are picked between two looks at the time.
const STEP: usize = 256;

/// How elements are picked.
enum Way {
    /// Any element each time.
    Repeated,
    /// Random elements, without elements that were picked before.
    Distinct,
    /// In a pass over all.
    Pass { cursor: u64, passing: Sampler },
}

/// The elements picked so far, and the number still to pick.
struct Picks {
    rng: SmallRng,
    way: Way,
    wanted: usize,
    written: usize,
    /// The nodes that were picked, if they are to be distinct.
    seen: HashSet<NodeId>,
    /// Bytes that the reply may have.
    left: usize,
    pieces: Pieces,
}

/// Picks, slice by slice, and replies.
fn pick(call: &mut Call<'_>, picks: Picks) -> CommandResult {
    let step = |picks: &mut Picks, call: &mut Call<'_>, slice: Slice| {
        let Some(set) = call.db.peek::<VectorSet>(call.args.at(1))? else {
            return Ok(Progress::Done);
        };
        let content = set.read();
        loop {
            if picks.step(&content) == Progress::Done {
                return Ok(Progress::Done);
            }
            if slice.is_over() {
                picks.left = picks.left.saturating_sub(picks.pieces.reply.pending_len());
                picks.pieces.end_slice();
                return Ok(Progress::More);
            }
        }
    };
    if let Some(picks) = call.in_slices(picks, step)? {
        call.reply.array(picks.written);
        picks.pieces.reply(call.reply);
    }
    Ok(())
}

impl Picks {
    /// Picks some more.
    fn step(&mut self, content: &Content) -> Progress {
        let (rng, seen, reply) = (&mut self.rng, &mut self.seen, &mut self.pieces.reply);
        let mut wanted = self.wanted;
        match &mut self.way {
            Way::Repeated => {
                let more = STEP.min(wanted - self.written);
                for _ in 0..more {
                    reply.bulk(content.random(rng).expect(SOME).name);
                }
                self.written += more;
            }
            Way::Distinct => {
                // Some may be gone by now, so that there are fewer than are wanted.
                wanted = wanted.min(content.len());
                for _ in 0..STEP {
                    let element = content.random(rng).expect(SOME);
                    if self.written < wanted && seen.insert(element.node) {
                        reply.bulk(element.name);
                        self.written += 1;
                    }
                }
            }
            Way::Pass { cursor, passing } => {
                let mut some = 0;
                while some < STEP && self.written < wanted {
                    *cursor = content.scan(*cursor, |element| {
                        some += 1;
                        let is_taken = !passing.is_over() && passing.take(rng);
                        if is_taken && seen.insert(element.node) {
                            reply.bulk(element.name);
                            self.written += 1;
                        }
                    });
                    if *cursor == 0 {
                        return Progress::Done;
                    }
                }
            }
        }
        let is_full = self.pieces.reply.pending_len() > self.left;
        if self.written >= wanted || is_full {
            Progress::Done
        } else {
            Progress::More
        }
    }
}
