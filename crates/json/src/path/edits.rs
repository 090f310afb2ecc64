//! The order in which the matches of a path are edited, so that no edit moves a later match.
//!
//! Arrays are easy: a container is edited after the values within it, and later elements before
//! earlier elements. Objects are not. Deleting a member moves the last member into its place, and
//! Redis deletes several members by name, so the order that remains depends on the names;
//! `deletions` foresees the moves.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use super::budget::Budget;
use super::error::EvalError;
use crate::view::{Kind, Location, View};

/// Each location once; a location within another before that one, later ordinals before earlier
/// ones.
pub(super) fn last_first(locations: &mut Vec<Location>) {
    locations.sort_unstable_by(|left, right| right.cmp(left));
    locations.dedup();
}

/// The locations at which to delete, each as of after the deletions before it. Matches within other
/// matches go with these.
pub(super) fn deletions<'a, V: View<'a>>(
    root: V,
    mut locations: Vec<Location>,
    budget: &Budget,
) -> Result<Vec<Location>, EvalError> {
    locations.sort_unstable();
    locations.dedup_by(|later, earlier| later.starts_with(earlier));
    if locations.iter().any(|location| location.is_empty()) {
        return Ok(vec![Location::new()]);
    }
    locations.sort_by(|left, right| parent(right).cmp(parent(left)));
    let mut ordered = Vec::with_capacity(locations.len());
    for siblings in locations.chunk_by(|left, right| parent(left) == parent(right)) {
        ordered.extend(siblings_in_order(root, siblings, budget)?);
    }
    Ok(ordered)
}

fn parent(location: &Location) -> &[u32] {
    location.split_last().map_or(&[], |(_, parent)| parent)
}

/// Deletions within a container; the siblings come in the order of their ordinals.
fn siblings_in_order<'a, V: View<'a>>(
    root: V,
    siblings: &[Location],
    budget: &Budget,
) -> Result<Vec<Location>, EvalError> {
    let way = parent(&siblings[0]);
    let last_of = |location: &Location| location.last().map_or(0, |ordinal| *ordinal as usize);
    let container = way
        .iter()
        .try_fold(root, |value, ordinal| value.child(*ordinal as usize));
    let object = container.filter(|value| matches!(value.kind(), Kind::Object));
    let (Some(object), true) = (object, siblings.len() > 1) else {
        return Ok(siblings.iter().rev().cloned().collect());
    };
    // All names are read, for a few of them.
    budget.spend(object.len() as u64)?;
    let names: Vec<&str> = object.children().filter_map(|(name, _)| name).collect();
    let mut wanted: Vec<usize> = siblings.iter().map(last_of).collect();
    wanted.sort_by(|left, right| by_name(names[*left], names[*right]));

    // Where members are that have moved, and which member has moved to a place.
    let mut places = HashMap::new();
    let mut movers = HashMap::new();
    let mut len = names.len();
    let mut located = Vec::with_capacity(wanted.len());
    for member in wanted {
        let place = places.get(&member).copied().unwrap_or(member);
        len -= 1;
        let mover = movers.get(&len).copied().unwrap_or(len);
        places.insert(mover, place);
        movers.insert(place, mover);
        let mut location = Location::from_slice(way);
        location.push(place as u32);
        located.push(location);
    }
    Ok(located)
}

/// Redis's order of names in an object: by bytes, but those that are numbers come last, the greater
/// first.
fn by_name(left: &str, right: &str) -> Ordering {
    match (left.parse::<usize>(), right.parse::<usize>()) {
        (Ok(left), Ok(right)) => Reverse(left).cmp(&Reverse(right)),
        (Ok(_), Err(_)) => Ordering::Greater,
        (Err(_), Ok(_)) => Ordering::Less,
        (Err(_), Err(_)) => left.cmp(right),
    }
}
