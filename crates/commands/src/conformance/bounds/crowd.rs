//! The same small command from 200 clients in one turn: the clients share the turn's time, so that
//! the turn takes no longer than a turn of a few clients.

use std::time::Duration;

use super::composed::composed;
use super::lines::Line;
use super::worlds::World;
use super::{Place, child};
use russet_base::usage::thread_time;

const CLIENTS: usize = 200;
/// The bound for a single client, and in addition for each client a share of the time to read the
/// words and to postpone the command, in a debug build.
const TURN_MAX: Duration = Duration::from_millis(150);
/// Turns that the test measures: later turns are the same.
const TURNS: usize = 8;

fn longest_turn(world: World, line: &Line) -> child::Outcome {
    let mut place = Place::new(world, world.n_max() / 8);
    let bed = &mut place.bed;
    let clients: Vec<_> = (0..CLIENTS).map(|_| bed.connect()).collect();
    let words: Vec<&[u8]> = line.words.iter().map(Vec::as_slice).collect();
    let mut longest = Duration::ZERO;
    for turn in 0..TURNS {
        let before = thread_time();
        match turn {
            0 => bed.begin(&clients, &words),
            _ => bed.turn(false),
        }
        longest = longest.max(thread_time() - before);
        if longest > TURN_MAX {
            break;
        }
    }
    clients.iter().for_each(|client| bed.kill(*client));
    let text = format!("{} {}: a turn of {longest:?}", line.row, line.about);
    if longest > TURN_MAX {
        Err(text)
    } else {
        Ok(text)
    }
}

#[test]
#[ignore = "judges processor time: run alone, by `just bounds`"]
fn many_clients_share_the_time_of_a_turn() {
    let name = "commands::conformance::bounds::crowd::many_clients_share_the_time_of_a_turn";
    let mut cases = composed();
    cases.retain(|(world, line)| {
        let reads = !line.row.starts_with("FT.DROP") && !line.row.contains(".INCR");
        reads && *world == World::Hashes
    });
    let failures = child::run(name, cases.len(), || {
        |at: usize| longest_turn(cases[at].0, &cases[at].1)
    });
    super::report_all("crowd", cases.iter().map(|(_, line)| line), &failures);
}
