//! The cost of a command: the processor time of the longest turn, of all turns, and the command's
//! peak of memory.
//!
//! A busy machine does not lengthen the processor time of this thread, as it would lengthen
//! wall-clock time. Workers' time does not count, because it is not the loop's. Cost: the cost of
//! the command.

use std::time::{Duration, Instant};

use crate::testbed::Testbed;
use russet_base::memory::alloc;
use russet_base::usage::thread_time;

/// A command that takes longer by the clock is taken for endless.
const ENDLESS: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub longest: Duration,
    pub total: Duration,
    pub turns: usize,
    pub peak_bytes: u64,
    pub is_refused: bool,
    pub has_ended: bool,
}

/// Runs a command of the first client to the end.
pub fn run(bed: &mut Testbed, words: &[Vec<u8>]) -> Cost {
    let client = bed.first_client();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut cost = Cost::default();
    let began = Instant::now();
    alloc::reset_thread_peak();
    timed(&mut cost, || bed.begin(&[client], &words));
    while bed.is_under_way(client) && began.elapsed() < ENDLESS {
        timed(&mut cost, || bed.turn(true));
        if bed.is_under_way(client) {
            // A worker may have it.
            std::thread::yield_now();
        }
    }
    cost.peak_bytes = alloc::thread_peak();
    cost.has_ended = !bed.is_under_way(client);
    bed.time_out_blocked();
    cost.is_refused = bed.take_reply(client).starts_with(b"-");
    cost
}

fn timed(cost: &mut Cost, turn: impl FnOnce()) {
    let before = thread_time();
    turn();
    let took = thread_time() - before;
    cost.longest = cost.longest.max(took);
    cost.total += took;
    cost.turns += 1;
}
