//! Commands that CLIENT KILL or the end of their time stops at the k-th slice: they end at once,
//! and leave nothing in memory.

use std::time::{Duration, Instant};

use super::composed::composed;
use super::lines::Line;
use super::worlds::World;
use super::{Place, child};
use russet_base::memory::alloc;
use russet_base::usage::thread_time;

/// Slices after which commands are ended.
const SLICES: [usize; 4] = [1, 2, 5, 17];
/// Work after the end, in a debug build: 50 ms of a release build.
const AFTER_MAX: Duration = Duration::from_millis(250);
/// Turns after the end: the slice that finds the end, and the removal of the command's values.
const TURNS: usize = 4;
/// Bytes that may stay: room of tables and lists that are used again.
const BYTES_MAX: usize = 512 << 10;
const FREED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Killed,
    TimeUp,
}

/// Ends a command after so many slices. `Ok(false)`: it was over before.
fn end(place: &mut Place, line: &Line, way: Way, slices: usize) -> Result<bool, String> {
    let bed = &mut place.bed;
    let words: Vec<&[u8]> = line.words.iter().map(Vec::as_slice).collect();
    let before = alloc::used_memory();
    let client = bed.connect();
    bed.begin(&[client], &words);
    for _ in 1..slices {
        bed.turn(true);
    }
    let is_under_way = bed.is_under_way(client);
    let began = thread_time();
    if way == Way::TimeUp {
        bed.advance_ms(3_600_000);
        while bed.is_under_way(client) && thread_time() - began < AFTER_MAX {
            bed.turn(true);
        }
        if bed.is_under_way(client) {
            return Err("is under way after its time".to_owned());
        }
    }
    bed.kill(client);
    (0..TURNS).for_each(|_| bed.turn(true));
    let took = thread_time() - began;
    if took > AFTER_MAX {
        return Err(format!("takes {took:?} to end"));
    }
    bed.end_cursors();
    if !bed.is_at_rest() {
        return Err("leaves work".to_owned());
    }
    // A thread frees large values.
    let left = || alloc::used_memory().saturating_sub(before);
    let waits = Instant::now();
    while left() > BYTES_MAX && waits.elapsed() < FREED_WITHIN {
        std::thread::sleep(Duration::from_millis(5));
    }
    if left() > BYTES_MAX {
        return Err(format!("leaves {} bytes", left()));
    }
    Ok(is_under_way)
}

/// A case: the command ends at each of its slices.
fn at_each_slice(world: World, line: &Line) -> child::Outcome {
    let mut ended = 0;
    for way in [Way::Killed, Way::TimeUp] {
        let mut place = Place::with_workers(world, world.n_max() / 4, 0);
        for slices in SLICES {
            let name = format!("{} {}, {way:?} after {slices}", line.row, line.about);
            // Room that is used again is made by the first command: a second one leaves nothing.
            let is_ended =
                end(&mut place, line, way, slices).or_else(|_| end(&mut place, line, way, slices));
            ended += usize::from(is_ended.map_err(|reason| format!("{name}: {reason}"))?);
        }
    }
    Ok(format!("{} {}: ended {ended} times", line.row, line.about))
}

#[test]
#[ignore = "judges processor time: run alone, by `just bounds`"]
fn commands_under_way_end_at_once_and_leave_nothing() {
    let name =
        "commands::conformance::bounds::ends::commands_under_way_end_at_once_and_leave_nothing";
    let reads = |line: &Line| line.row.starts_with("FT.") && !line.row.starts_with("FT.DROP");
    let mut cases = composed();
    cases.retain(|(_, line)| reads(line) || line.row.starts_with("TS.M"));
    let failures = child::run(name, cases.len(), || {
        |at: usize| at_each_slice(cases[at].0, &cases[at].1)
    });
    super::report_all("ends", cases.iter().map(|(_, line)| line), &failures);
}
