//! Courses that a storm rarely takes, step by step.

use russet::testing::node::BrokenRule;

use super::storms::in_world;
use super::world::{NODES, World};

/// The node that joins later, and the slots that it gets.
const LATE: usize = NODES - 1;
const IMPORT: &str = "CLUSTER MIGRATION IMPORT 0 4000";

fn late_keys(world: &World) -> usize {
    let node = world.places[LATE].node.as_ref();
    node.map_or(0, |node| node.memory().keys)
}

fn break_late(world: &mut World, rule: Option<BrokenRule>) {
    if let Some(node) = &mut world.places[LATE].node {
        node.break_rule(rule);
    }
}

/// A node gets the first keys of its slots before the definitions. The keys are hidden until all
/// keys have come, and the index has all of them.
#[test]
fn an_index_that_comes_while_slots_arrive_has_their_documents() {
    in_world(|world| {
        world.begin()?;
        break_late(world, Some(BrokenRule::KeepsDefinitions));
        world.order(LATE, "CLUSTER MEET 127.0.0.1 7001 17001");
        let all_ok = |world: &mut World| {
            let places = world.places.iter();
            Ok(places.filter(|place| place.its.facts.is_ok).count() == NODES)
        };
        assert!(world.run_until(20_000, all_ok)?, "it joins");
        let mut begun = String::new();
        for _ in 0..20 {
            begun = world.ask(LATE, IMPORT)?;
            if begun.starts_with('$') {
                break;
            }
            let until_ms = world.now_ms + 500;
            world.run_until(500, |world| Ok(world.now_ms >= until_ms))?;
        }
        assert!(begun.starts_with('$'), "{begun}");
        assert!(
            world.run_until(10_000, |world| Ok(late_keys(world) > 0))?,
            "keys arrive"
        );
        // The other keys wait until the index exists.
        world.parted.push(([0, LATE], u64::MAX));
        break_late(world, None);
        let mut has_index = false;
        for _ in 0..20 {
            has_index |= world.ask(LATE, "FT._LIST")?.contains("+i\r\n");
            if has_index {
                break;
            }
            let until_ms = world.now_ms + 500;
            world.run_until(500, |world| Ok(world.now_ms >= until_ms))?;
        }
        assert!(
            has_index && world.places[LATE].its.facts.is_moving,
            "the index comes first"
        );
        world.parted.clear();
        let has_moved = |world: &mut World| Ok(world.owner(100) == Some(LATE));
        assert!(world.run_until(20_000, has_moved)?, "the slots move");
        let before = world.checks.figures.replies;
        for round in 0..600 {
            if round % 200 == 0 {
                (0..NODES).for_each(|node| world.query(node));
            }
            world.step()?;
        }
        assert!(world.checks.figures.replies - before >= NODES, "replies");
        Ok(())
    });
}
