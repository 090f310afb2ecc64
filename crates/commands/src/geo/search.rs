//! Searching: the members in an area, their order and the reply.
//!
//! The squares of `cover` are ranges of scores; the search tests each member of a square against
//! the area. COUNT ANY stops at the first so many; COUNT without ANY takes the nearest (or the
//! farthest) of all, by a partial sort. Without an order results come as found, square by square,
//! and clients see this order.
//!
//! Cost: O(members in the squares), a partial sort O(n + k log k), a full sort O(n log n). The
//! search borrows members from the set until it writes them.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::cover::cover;
use super::partial_sort::sort_first;
use super::shape::Area;
use crate::arguments::element;
use russet_base::numbers::float::write_fixed4;
use russet_config::Dialect;
use russet_encodings::geohash::Position;
use russet_resp::Reply;
use russet_types::{Limits, VisitedMember, Zset};

/// The order of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The order of the squares searched.
    AsFound,
    Nearest,
    Farthest,
}

/// The requested number of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResultLimit {
    All,
    /// This many, from the nearest on (or the farthest).
    First(usize),
    /// The first members found, this many.
    Any(usize),
}

/// A member in an area.
#[derive(Clone, Copy)]
pub(super) struct FoundMember<'a> {
    distance_m: f64,
    score: f64,
    position: Position,
    member: VisitedMember<'a>,
}

/// The optional fields of each result.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    pub distance: bool,
    pub hash: bool,
    pub position: bool,
}

impl Extras {
    fn count(self) -> usize {
        usize::from(self.distance) + usize::from(self.hash) + usize::from(self.position)
    }
}

/// The members in the area. O(members in the squares around it), plus the cost of the order.
pub(super) fn search<'a>(
    zset: &'a Zset,
    area: &Area,
    order: Order,
    wanted: ResultLimit,
) -> Vec<FoundMember<'a>> {
    let mut found = find(zset, area, wanted);
    let by_distance = |a: &FoundMember<'_>, b: &FoundMember<'_>| {
        let ordering = a.distance_m.partial_cmp(&b.distance_m);
        ordering.unwrap_or(Ordering::Equal)
    };
    let compare = |a: &FoundMember<'_>, b: &FoundMember<'_>| match order {
        Order::Farthest => by_distance(b, a),
        _ => by_distance(a, b),
    };
    match wanted {
        ResultLimit::First(count) if count < found.len() => {
            sort_first(&mut found, count, compare);
            found.truncate(count);
        }
        _ if order != Order::AsFound => found.sort_by(compare),
        _ => {}
    }
    found
}

fn find<'a>(zset: &'a Zset, area: &Area, wanted: ResultLimit) -> Vec<FoundMember<'a>> {
    let most = match wanted {
        ResultLimit::Any(count) => count,
        _ => usize::MAX,
    };
    let mut found = Vec::new();
    for cell in cover(area) {
        zset.visit_scores(&cell.scores(), |score, member| {
            let position = Position::of_score(score);
            if let Some(distance_m) = area.distance_within(position) {
                member.prefetch();
                found.push(FoundMember {
                    distance_m,
                    score,
                    position,
                    member,
                });
            }
            found.len() < most
        });
        if found.len() >= most {
            break;
        }
    }
    found
}

/// Replies the results, with distances in units of `unit_m` metres.
pub(super) fn write(
    reply: &mut Reply,
    found: &[FoundMember<'_>],
    extras: Extras,
    unit_m: f64,
    dialect: Dialect,
) {
    reply.array(found.len());
    let more = extras.count();
    for one in found {
        if more > 0 {
            reply.array(1 + more);
        }
        element::write(reply, one.member.entry());
        if extras.distance {
            write_distance(reply, one.distance_m / unit_m);
        }
        if extras.hash {
            reply.int(one.score as i64);
        }
        if extras.position {
            write_position(reply, one.position, dialect);
        }
    }
}

/// Writes a position as an array of longitude and latitude.
pub(super) fn write_position(reply: &mut Reply, position: Position, dialect: Dialect) {
    reply.array(2);
    for degrees in [position.longitude, position.latitude] {
        if dialect.short_coordinates() {
            reply.double(degrees);
        } else {
            let text = format!("{degrees:.17}");
            reply.double_text(text.trim_end_matches('0').trim_end_matches('.').as_bytes());
        }
    }
}

/// Writes a distance as a bulk string with four decimal places.
pub(super) fn write_distance(reply: &mut Reply, distance: f64) {
    let mut text = Vec::with_capacity(32);
    write_fixed4(&mut text, distance);
    reply.bulk(&text);
}

/// The results as a sorted set, by geohash or by distance in units of `unit_m` metres.
pub(super) fn to_zset(
    found: &[FoundMember<'_>],
    by_distance: bool,
    unit_m: f64,
    limits: &Limits,
) -> Zset {
    let mut digits = itoa::Buffer::new();
    let element = |one: &FoundMember<'_>| {
        let score = if by_distance {
            one.distance_m / unit_m
        } else {
            one.score
        };
        let text = SmallVec::<[u8; 32]>::from_slice(one.member.entry().bytes(&mut digits));
        (score, text)
    };
    let mut elements: Vec<_> = found.iter().map(element).collect();
    elements.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let sorted = elements.iter().map(|(score, member)| (*score, &member[..]));
    Zset::from_sorted(sorted, limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use russet_types::Container;

    fn position() -> impl Strategy<Value = Position> {
        let degrees = |most: f64| prop_oneof![-most..most, (-8..=8i32).prop_map(f64::from)];
        (degrees(180.0), degrees(85.05)).prop_map(|(longitude, latitude)| Position {
            longitude,
            latitude,
        })
    }

    fn zset_of(positions: &[Position], limits: &Limits) -> Zset {
        let mut zset = Zset::new_for(1, 1, limits);
        for (i, position) in positions.iter().enumerate() {
            zset.set(format!("m{i}").as_bytes(), position.score(), limits);
        }
        zset
    }

    /// All members in the area, each tested by itself, ordered by name.
    fn brute_force(zset: &Zset, area: &Area) -> Vec<(Vec<u8>, f64)> {
        let within = |(score, member): (f64, russet_types::Entry<'_>)| {
            let distance = area.distance_within(Position::of_score(score))?;
            Some((member.to_vec(), distance))
        };
        let mut all: Vec<_> = zset.iter().filter_map(within).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn named(found: &[FoundMember<'_>]) -> Vec<(Vec<u8>, f64)> {
        let name = |one: &FoundMember<'_>| (one.member.entry().to_vec(), one.distance_m);
        found.iter().map(name).collect()
    }

    fn area() -> impl Strategy<Value = Area> {
        let length = prop_oneof![0.0..5e4f64, 0.0..2e6f64, 0.0..3e7f64];
        let circle = (position(), length.clone()).prop_map(|(at, radius)| Area::circle(at, radius));
        let rectangle = (position(), length.clone(), length)
            .prop_map(|(at, width, height)| Area::rectangle(at, width, height, 1.0));
        let polygon = prop::collection::vec(position(), 3..12).prop_map(|all| Area::polygon(&all));
        prop_oneof![circle, rectangle, polygon]
    }

    /// Whether Redis's squares cover the whole area: not over a pole or the date line, and not
    /// around the earth.
    fn is_held_by_its_squares(area: &Area) -> bool {
        let bounds = area.bounds();
        bounds.min.is_valid()
            && bounds.max.is_valid()
            && bounds.max.latitude < 80.0
            && bounds.min.latitude > -80.0
            && bounds.max.longitude < 180.0
            && bounds.max.longitude - bounds.min.longitude < 90.0
    }

    proptest! {
        #[test]
        fn a_search_finds_what_lies_in_the_area(
            positions in prop::collection::vec(position(), 0..300),
            area in area(),
            packed in any::<bool>(),
        ) {
            let limits = Limits {
                zset_max_listpack_entries: if packed { 1000 } else { 0 },
                ..Limits::default()
            };
            let zset = zset_of(&positions, &limits);
            prop_assert_eq!(zset.is_table(), !packed);
            let all = brute_force(&zset, &area);
            let mut found = named(&search(&zset, &area, Order::AsFound, ResultLimit::All));
            found.sort_by(|a, b| a.0.cmp(&b.0));
            if is_held_by_its_squares(&area) {
                prop_assert_eq!(&found, &all);
            }
            // No duplicates, and nothing outside.
            prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(found.iter().all(|one| all.contains(one)));
        }

        #[test]
        fn the_nearest_are_the_first_of_all(
            positions in prop::collection::vec(position(), 1..200),
            area in area(),
            count in 1usize..50,
        ) {
            let zset = zset_of(&positions, &Limits::default());
            let distances = |order, wanted| -> Vec<f64> {
                let found = search(&zset, &area, order, wanted);
                found.iter().map(|one| one.distance_m).collect()
            };
            let mut all = distances(Order::AsFound, ResultLimit::All);
            let any = distances(Order::AsFound, ResultLimit::Any(count));
            prop_assert_eq!(&any[..], &all[..count.min(all.len())]);
            all.sort_by(f64::total_cmp);
            prop_assert_eq!(&distances(Order::Nearest, ResultLimit::All), &all);
            let first = distances(Order::Nearest, ResultLimit::First(count));
            prop_assert_eq!(&first[..], &all[..count.min(all.len())]);
            all.reverse();
            let farthest = distances(Order::Farthest, ResultLimit::First(count));
            prop_assert_eq!(&farthest[..], &all[..count.min(all.len())]);
        }
    }

    #[test]
    fn what_was_found_becomes_a_sorted_set() {
        let limits = Limits::default();
        let at = |longitude, latitude| Position {
            longitude,
            latitude,
        };
        let zset = zset_of(&[at(1.0, 1.0), at(2.0, 2.0), at(50.0, 50.0)], &limits);
        let area = Area::circle(at(2.0, 2.0), 1e6);
        let found = search(&zset, &area, Order::AsFound, ResultLimit::All);
        let by_hash = to_zset(&found, false, 1000.0, &limits);
        assert_eq!(
            (by_hash.len(), by_hash.score(b"m0")),
            (2, zset.score(b"m0"))
        );
        let by_distance = to_zset(&found, true, 1000.0, &limits);
        let m0 = by_distance.score(b"m0").expect("it was found");
        assert!((157.0..158.0).contains(&m0), "{m0}");
        by_distance.check_invariants();
    }
}
