//! Decides whether a command is bounded: by the longest turn, all work, and memory.
//!
//! The judge tries the largest world first; a command that is cheap there is bounded. The judge
//! runs other commands again in worlds of a quarter and a sixteenth of the size, and compares the
//! costs. If a turn grows with the world the command holds the loop to its end, because slices
//! would have ended the turn. Work may grow in proportion to the world, as in `growth::judge`. The
//! least of several tries counts.

use std::time::Duration;

use super::measure::Cost;

/// A turn of a command in slices, in a debug build: a step, and the loads of the slice's end.
const CLOCKED_FLOOR: Duration = Duration::from_micros(1500);
/// A turn of a command whose slices end by counts.
const COUNTED_FLOOR: Duration = Duration::from_millis(12);
/// No turn may take longer, whatever grows: 20 ms of a release build.
const TURN_MAX: Duration = Duration::from_millis(100);
/// Growth of the longest turn, from a quarter of the world on.
const TURN_GROWTH_MAX: f64 = 2.2;
/// Less work is not compared.
const WORK_FLOOR: Duration = Duration::from_millis(8);
/// As in `growth::judge`, between `n log n` and `n^2`.
const WORK_GROWTH_MAX: f64 = 8.0;
/// Tries of a command that looked unbounded.
const TRIES: usize = 2;

/// Bytes that a command may have besides a multiple of the world's.
const BYTES_FREE: u64 = 16 << 20;
/// How many times the world's bytes.
const BYTES_TIMES: u64 = 8;

/// Judges the costs of a command by the size of the world: the sizes are `1`, `4` and `16`
/// sixteenths of the largest. `world_bytes`: of the largest world.
pub fn judge(
    world_bytes: u64,
    is_clocked: bool,
    cost: &mut dyn FnMut(usize) -> Cost,
) -> Result<Cost, String> {
    let floor = if is_clocked {
        CLOCKED_FLOOR
    } else {
        COUNTED_FLOOR
    };
    let large = cost(16);
    if !large.has_ended {
        return Err(format!("does not end: {large:?}"));
    }
    let bytes_max = BYTES_FREE + BYTES_TIMES * world_bytes;
    if large.peak_bytes > bytes_max {
        let had = large.peak_bytes >> 20;
        return Err(format!("memory: {had} MB, {} allowed", bytes_max >> 20));
    }
    if large.longest < floor && large.total < WORK_FLOOR {
        return Ok(large);
    }
    let tries = if large.total > Duration::from_secs(1) {
        1
    } else {
        TRIES
    };
    let mut least = |size: usize| {
        let costs: Vec<Cost> = (0..tries).map(|_| cost(size)).collect();
        let longest = costs.iter().map(|cost| cost.longest).min();
        let total = costs.iter().map(|cost| cost.total).min();
        (longest.unwrap_or_default(), total.unwrap_or_default())
    };
    let [one, four, sixteen] = [1, 4, 16].map(&mut least);
    if sixteen.0 > TURN_MAX {
        return Err(format!("a turn of {:?}", sixteen.0));
    }
    let growth = sixteen.0.as_secs_f64() / four.0.as_secs_f64().max(1e-9);
    if sixteen.0 > floor && growth > TURN_GROWTH_MAX {
        return Err(format!(
            "turns of {:?}, {:?}, {:?}",
            one.0, four.0, sixteen.0
        ));
    }
    // The time at four may be less than at one, because a worker does the larger work.
    let least = (four.1 / 16).max(Duration::from_micros(200));
    let first = four.1.abs_diff(one.1).max(least);
    let growth = sixteen.1.saturating_sub(four.1).as_secs_f64() / first.as_secs_f64();
    if sixteen.1 > WORK_FLOOR && growth > WORK_GROWTH_MAX {
        return Err(format!(
            "work of {:?}, {:?}, {:?}",
            one.1, four.1, sixteen.1
        ));
    }
    Ok(large)
}
