//! Whether rings make a polygon: closed, of three points, without spikes and crossings, with the
//! holes inside and apart from each other.
//!
//! Rings are put right first: closed, without doubled points, the outer ring clockwise and the
//! holes counter-clockwise.
//!
//! Cost: the edges are sorted by their left ends, and each is compared with the edges that begin
//! before it ends.
//!
//! Source: polygons put into Redis Stack 7.4, whose errors these are; this module gives the whole
//! text for edges that cross, and the text up to the point for edges that touch.

use russet_base::numbers::general;

use super::plane::{self, Area, Edge, Place, crossing, edges_touch, is_on, side};
use super::{Point, Ring};

/// Puts rings right, and says why they are no polygon. `shown` has a point as the text has it.
///
/// # Errors
///
/// The first fault, as `Geometry has too few points`.
pub(super) fn correct(
    rings: &mut [Ring],
    blur: f64,
    shown: impl Fn(Point) -> Point,
) -> Result<(), String> {
    if rings.is_empty() {
        return Err(TOO_FEW.to_owned());
    }
    for (at, ring) in rings.iter_mut().enumerate() {
        if ring.len() > 2 && ring.first() != ring.last() {
            ring.push(ring[0]);
        }
        let area = plane::twice_area(ring);
        if (area > 0.0) == (at == 0) && area != 0.0 {
            ring.reverse();
        }
        of_ring(ring, blur, &shown)?;
        ring.dedup();
    }
    check_turns(rings, blur, &shown)?;
    check_holes(rings, blur, &shown)
}

const TOO_FEW: &str = "Geometry has too few points";

fn point_text(point: Point) -> String {
    let [x, y] = point.map(|part| general(part, 6));
    format!("({x}, {y})")
}

fn of_ring(ring: &Ring, blur: f64, shown: &dyn Fn(Point) -> Point) -> Result<(), String> {
    if !ring.iter().flatten().all(|part| part.is_finite()) {
        return Err("Geometry has point(s) with invalid coordinate(s)".to_owned());
    }
    if ring.len() < 4 {
        return Err(TOO_FEW.to_owned());
    }
    let mut points = ring.clone();
    points.dedup();
    if points.len() < 4 {
        return Err("Geometry has wrong topological dimension".to_owned());
    }
    // The closing point is the apex of the last three.
    points.push(points[1]);
    for three in points.windows(3) {
        let [a, b, c] = [three[0], three[1], three[2]];
        let forth = [b[0] - a[0], b[1] - a[1]];
        let back = [c[0] - b[0], c[1] - b[1]];
        let turns = forth[0] * back[0] + forth[1] * back[1] < 0.0;
        if turns && side((a, b), c, blur) == 0.0 {
            let apex = point_text(shown(b));
            return Err(format!(
                "Geometry has spikes. A spike point was found with apex at {apex}"
            ));
        }
    }
    if plane::twice_area(ring) == 0.0 {
        return Err("Geometry has wrong orientation".to_owned());
    }
    Ok(())
}

/// An edge, with the ring and the edge's place in the ring.
#[derive(Clone, Copy)]
struct Segment {
    edge: Edge,
    ring: usize,
    at: usize,
}

fn segments(rings: &[Ring]) -> Vec<Segment> {
    let of_ring = |(ring, points): (usize, &Ring)| {
        let pairs: Vec<Edge> = points.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let pairs = pairs.into_iter().enumerate();
        pairs.map(move |(at, edge)| Segment { edge, ring, at })
    };
    rings.iter().enumerate().flat_map(of_ring).collect()
}

/// Calls `each` with pairs of edges that have a point in common, the earlier edge first; edges that
/// follow each other are no pair.
fn for_each_pair(rings: &[Ring], blur: f64, mut each: impl FnMut(Segment, Segment)) {
    let mut sorted = segments(rings);
    let left = |segment: &Segment| segment.edge.0[0].min(segment.edge.1[0]);
    sorted.sort_by(|a, b| f64::total_cmp(&left(a), &left(b)));
    for (place, one) in sorted.iter().enumerate() {
        let right = one.edge.0[0].max(one.edge.1[0]) + blur;
        for other in sorted[place + 1..]
            .iter()
            .take_while(|other| left(other) <= right)
        {
            let edges = rings[one.ring].len() - 1;
            let is_next = one.ring == other.ring
                && ((one.at + 1) % edges == other.at || (other.at + 1) % edges == one.at);
            if !is_next && edges_touch(one.edge, other.edge, blur) {
                let is_first = (one.ring, one.at) < (other.ring, other.at);
                let (first, second) = if is_first { (one, other) } else { (other, one) };
                each(*first, *second);
            }
        }
    }
}

/// A point of both of two edges that touch.
fn common_point(one: Edge, other: Edge, blur: f64) -> Point {
    if let Some(share) = crossing(one, other, blur) {
        return plane::at(one, share);
    }
    let ends = [other.0, other.1].into_iter();
    let mut on = ends.filter(|end| is_on(one, *end, blur));
    on.next().unwrap_or(one.0)
}

/// Whether two edges have more than a point in common.
fn overlap(one: Edge, other: Edge, blur: f64) -> bool {
    let flat = |edge: Edge, other: Edge| {
        side(edge, other.0, blur) == 0.0 && side(edge, other.1, blur) == 0.0
    };
    if !flat(one, other) && !flat(other, one) {
        return false;
    }
    let axis = usize::from((one.1[1] - one.0[1]).abs() > (one.1[0] - one.0[0]).abs());
    let range = |edge: Edge| {
        (
            edge.0[axis].min(edge.1[axis]),
            edge.0[axis].max(edge.1[axis]),
        )
    };
    let ((a, b), (c, d)) = (range(one), range(other));
    b.min(d) - a.max(c) > 2.0 * blur
}

fn intersection_text(point: Point) -> String {
    let point = point_text(point);
    format!(
        "Geometry has invalid self-intersections. A self-intersection point was found at {point}"
    )
}

/// Edges of a ring touch no other edges of the same ring; edges of two rings touch in single
/// points.
fn check_turns(rings: &[Ring], blur: f64, shown: &dyn Fn(Point) -> Point) -> Result<(), String> {
    let mut worst: Option<(Segment, Segment)> = None;
    for_each_pair(rings, blur, |one, other| {
        let is_wrong = one.ring == other.ring
            || crossing(one.edge, other.edge, blur).is_some()
            || overlap(one.edge, other.edge, blur);
        let order = |pair: (Segment, Segment)| (pair.0.ring, pair.0.at, pair.1.ring, pair.1.at);
        if is_wrong && worst.is_none_or(|known| order((one, other)) < order(known)) {
            worst = Some((one, other));
        }
    });
    let Some((one, other)) = worst else {
        return Ok(());
    };
    let point = shown(common_point(one.edge, other.edge, blur));
    let mut text = intersection_text(point);
    if crossing(one.edge, other.edge, blur).is_some() {
        let goes_right = side(other.edge, one.edge.1, blur) < 0.0;
        let operations = if goes_right { "i/u" } else { "u/i" };
        let place = |of: Segment| format!("{{0, -1, {}, {}}}", of.ring as i64 - 1, of.at);
        text += &format!(
            "; method: i; operations: {operations}; segment IDs {{source, multi, ring, segment}}: \
             {}/{}",
            place(one),
            place(other)
        );
    }
    Err(text)
}

/// Holes lie inside of the outer ring, beside each other, and cut no part off.
fn check_holes(rings: &[Ring], blur: f64, shown: &dyn Fn(Point) -> Point) -> Result<(), String> {
    let mut touching: Vec<(usize, usize, Point)> = Vec::new();
    for_each_pair(rings, blur, |one, other| {
        let point = common_point(one.edge, other.edge, blur);
        touching.push((one.ring, other.ring, point));
    });
    // If some pieces of a ring lie inside another ring and some outside, the rings cross in
    // corners.
    let place = |ring: usize, of: usize| -> Result<Place, String> {
        let area = |ring: usize| Area {
            rings: &rings[ring..=ring],
            blur,
        };
        let touch = touching
            .iter()
            .find(|(one, other, _)| (*one, *other) == (ring.min(of), ring.max(of)));
        let Some((.., point)) = touch else {
            return Ok(area(of).locate(rings[ring][0]));
        };
        let mut found = None;
        for place in area(ring).places_in(area(of)) {
            match found {
                _ if place == Place::On => {}
                None => found = Some(place),
                Some(known) if known != place => return Err(intersection_text(shown(*point))),
                Some(_) => {}
            }
        }
        Ok(found.unwrap_or(Place::On))
    };
    let holes = 1..rings.len();
    for hole in holes.clone() {
        if place(hole, 0)? == Place::Outside {
            return Err(
                "Geometry has interior rings defined outside the outer boundary".to_owned(),
            );
        }
    }
    for (hole, other) in holes
        .clone()
        .flat_map(|hole| holes.clone().map(move |other| (hole, other)))
    {
        if hole != other && place(hole, other)? == Place::Inside {
            return Err("Geometry has nested interior rings".to_owned());
        }
    }
    if cuts_off(rings.len(), &touching, blur) {
        return Err("Geometry has disconnected interior".to_owned());
    }
    Ok(())
}

/// Whether rings and the points in which they touch make a circle.
fn cuts_off(rings: usize, touching: &[(usize, usize, Point)], blur: f64) -> bool {
    // Rings first, then points; each has the number of a ring or point that it is connected with,
    // or its own.
    let mut roots: Vec<usize> = (0..rings).collect();
    let mut points: Vec<Point> = Vec::new();
    let mut links: Vec<(usize, usize)> = Vec::new();
    for (one, other, point) in touching {
        let is_same = |known: &Point| (0..2).all(|axis| (known[axis] - point[axis]).abs() <= blur);
        let number = points.iter().position(is_same).unwrap_or_else(|| {
            points.push(*point);
            roots.push(roots.len());
            points.len() - 1
        });
        for ring in [*one, *other] {
            if !links.contains(&(ring, number)) {
                links.push((ring, number));
            }
        }
    }
    fn root(roots: &[usize], mut of: usize) -> usize {
        while roots[of] != of {
            of = roots[of];
        }
        of
    }
    links.into_iter().any(|(ring, point)| {
        let (a, b) = (root(&roots, ring), root(&roots, rings + point));
        roots[a] = b;
        a == b
    })
}
