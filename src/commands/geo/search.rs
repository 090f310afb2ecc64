//! Searching: what lies in an area, in which order, and how it is told.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::cover::cover;
use super::partial_sort::sort_first;
use super::shape::Area;
use crate::base::float::write_fixed4;
use crate::commands::element;
use crate::encodings::geohash::Position;
use crate::resp::Reply;
use crate::types::{Limits, Seen, Zset};

/// In which order what was found is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// That of the squares that were searched.
    AsFound,
    Nearest,
    Farthest,
}

/// How many are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// So many, from the nearest on (or the farthest).
    First(usize),
    /// The first so many that are found.
    Any(usize),
}

/// One member in an area.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    distance_m: f64,
    score: f64,
    position: Position,
    member: Seen<'a>,
}

/// What of each member is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub distance: bool,
    pub hash: bool,
    pub position: bool,
}

impl Told {
    fn count(self) -> usize {
        usize::from(self.distance) + usize::from(self.hash) + usize::from(self.position)
    }
}

/// What lies in the area. O(members in the squares around it), and what the order costs.
pub(super) fn search<'a>(
    zset: &'a Zset,
    area: &Area,
    order: Order,
    wanted: Wanted,
) -> Vec<Found<'a>> {
    let mut found = find(zset, area, wanted);
    let by_distance = |a: &Found<'_>, b: &Found<'_>| {
        let ordering = a.distance_m.partial_cmp(&b.distance_m);
        ordering.unwrap_or(Ordering::Equal)
    };
    let compare = |a: &Found<'_>, b: &Found<'_>| match order {
        Order::Farthest => by_distance(b, a),
        _ => by_distance(a, b),
    };
    match wanted {
        Wanted::First(count) if count < found.len() => {
            sort_first(&mut found, count, compare);
            found.truncate(count);
        }
        _ if order != Order::AsFound => found.sort_by(compare),
        _ => {}
    }
    found
}

fn find<'a>(zset: &'a Zset, area: &Area, wanted: Wanted) -> Vec<Found<'a>> {
    let most = match wanted {
        Wanted::Any(count) => count,
        _ => usize::MAX,
    };
    let mut found = Vec::new();
    for cell in cover(area) {
        zset.visit_scores(&cell.scores(), |score, member| {
            let position = Position::of_score(score);
            if let Some(distance_m) = area.distance_within(position) {
                member.prefetch();
                found.push(Found {
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

/// Replies what was found, distances in units of so many metres.
pub(super) fn write(reply: &mut Reply, found: &[Found<'_>], told: Told, unit_m: f64) {
    reply.array(found.len());
    let more = told.count();
    for one in found {
        if more > 0 {
            reply.array(1 + more);
        }
        element::write(reply, one.member.entry());
        if told.distance {
            write_distance(reply, one.distance_m / unit_m);
        }
        if told.hash {
            reply.int(one.score as i64);
        }
        if told.position {
            reply.array(2);
            reply.double(one.position.longitude);
            reply.double(one.position.latitude);
        }
    }
}

/// A distance, as a bulk string with four digits behind the point.
pub(super) fn write_distance(reply: &mut Reply, distance: f64) {
    let mut text = Vec::with_capacity(32);
    write_fixed4(&mut text, distance);
    reply.bulk(&text);
}

/// What was found as a sorted set, by geohash or by distance in units of so many metres.
pub(super) fn to_zset(
    found: &[Found<'_>],
    by_distance: bool,
    unit_m: f64,
    limits: &Limits,
) -> Zset {
    let mut digits = itoa::Buffer::new();
    let element = |one: &Found<'_>| {
        let score = match by_distance {
            true => one.distance_m / unit_m,
            false => one.score,
        };
        let text = SmallVec::<[u8; 32]>::from_slice(one.member.entry().bytes(&mut digits));
        (score, text)
    };
    let mut elements: Vec<_> = found.iter().map(element).collect();
    elements.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let sorted = elements.iter().map(|(score, member)| (*score, &member[..]));
    Zset::from_sorted(sorted, limits)
}
