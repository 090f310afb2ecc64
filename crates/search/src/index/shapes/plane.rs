//! Polygons in the plane: where a point lies, whether two polygons touch, whether a polygon lies in
//! another.
//!
//! A polygon is a list of closed rings: the outer ring, then the holes. A point on a line to within
//! rounding counts as on it: coordinates from a projection are exact to a `blur`, coordinates of a
//! flat space are as they are.
//!
//! Cost: O(pairs of edges); pairs whose boxes are apart are passed over.

use super::{Point, Ring};

/// The share of a product that rounding may take away: some units in the last place.
const ROUNDING: f64 = 1.0 / (1u64 << 50) as f64;

/// Rings in a plane, with the rounding of their coordinates.
#[derive(Clone, Copy)]
pub(super) struct Area<'r> {
    pub(super) rings: &'r [Ring],
    pub(super) blur: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Inside,
    On,
    Outside,
}

/// An edge, from a point to the next.
pub(super) type Edge = (Point, Point);

/// Twice the area of a triangle, positive if `p` lies left of the way from `a` to `b`; 0 to within
/// rounding: on the line.
pub(super) fn side((a, b): Edge, p: Point, blur: f64) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let (px, py) = (p[0] - a[0], p[1] - a[1]);
    let (left, right) = (dx * py, dy * px);
    let blurred = blur * (dx.abs() + dy.abs() + px.abs() + py.abs());
    let error = ROUNDING * (left.abs() + right.abs()) + blurred;
    let twice = left - right;
    if twice.abs() <= error { 0.0 } else { twice }
}

/// Whether the boxes of two edges touch.
fn boxes_touch((a, b): Edge, (c, d): Edge, blur: f64) -> bool {
    (0..2).all(|axis| {
        a[axis].min(b[axis]) <= c[axis].max(d[axis]) + blur
            && c[axis].min(d[axis]) <= a[axis].max(b[axis]) + blur
    })
}

/// Whether a point is on an edge, the ends included.
pub(super) fn is_on(edge: Edge, p: Point, blur: f64) -> bool {
    boxes_touch(edge, (p, p), blur) && side(edge, p, blur) == 0.0
}

/// Whether two edges have a point in common.
pub(super) fn edges_touch(one: Edge, other: Edge, blur: f64) -> bool {
    if !boxes_touch(one, other, blur) {
        return false;
    }
    let of_one = side(one, other.0, blur) * side(one, other.1, blur);
    let of_other = side(other, one.0, blur) * side(other, one.1, blur);
    of_one <= 0.0 && of_other <= 0.0
}

/// The place on an edge where another crosses it, 0 to 1. `None`: they touch at an end, or not.
pub(super) fn crossing(one: Edge, other: Edge, blur: f64) -> Option<f64> {
    if !boxes_touch(one, other, blur) {
        return None;
    }
    let (c, d) = (side(one, other.0, blur), side(one, other.1, blur));
    let (a, b) = (side(other, one.0, blur), side(other, one.1, blur));
    let is_crossed = c != 0.0 && d != 0.0 && a != 0.0 && b != 0.0;
    (is_crossed && (c > 0.0) != (d > 0.0) && (a > 0.0) != (b > 0.0)).then(|| a / (a - b))
}

pub(super) fn at((a, b): Edge, share: f64) -> Point {
    [0, 1].map(|axis| a[axis] + (b[axis] - a[axis]) * share)
}

/// The place of a point on an edge, 0 to 1.
fn share((a, b): Edge, p: Point) -> f64 {
    let axis = usize::from((b[1] - a[1]).abs() > (b[0] - a[0]).abs());
    (p[axis] - a[axis]) / (b[axis] - a[axis])
}

impl<'r> Area<'r> {
    pub(super) fn edges(self) -> impl Iterator<Item = Edge> + use<'r> {
        let pairs = self.rings.iter().flat_map(|ring| ring.windows(2));
        pairs.map(|pair| (pair[0], pair[1]))
    }

    /// The area's box, as a diagonal.
    fn bounds(self) -> Edge {
        bounds(self.rings.iter().flatten())
    }

    /// Where a point lies. O(edges).
    pub(super) fn locate(self, p: Point) -> Place {
        let mut is_inside = false;
        for edge @ (a, b) in self.edges() {
            if is_on(edge, p, self.blur) {
                return Place::On;
            }
            if (a[1] > p[1]) != (b[1] > p[1]) {
                let is_left = side(edge, p, 0.0) > 0.0;
                is_inside ^= is_left == (b[1] > a[1]);
            }
        }
        if is_inside {
            Place::Inside
        } else {
            Place::Outside
        }
    }

    /// Whether two areas have a point in common.
    pub(super) fn touches(self, other: Area<'_>) -> bool {
        let (mine, its) = (self.bounds(), other.bounds());
        if !boxes_touch(mine, its, self.blur) {
            return false;
        }
        let near: Vec<Edge> = other
            .edges()
            .filter(|edge| boxes_touch(*edge, mine, self.blur))
            .collect();
        let mut edges = self
            .edges()
            .filter(|edge| boxes_touch(*edge, its, self.blur));
        if edges.any(|edge| near.iter().any(|one| edges_touch(edge, *one, self.blur))) {
            return true;
        }
        // Without a common edge an area lies in the other, in a hole of the other, or apart.
        let first = |area: Area<'_>| area.rings[0][0];
        other.locate(first(self)) == Place::Inside || self.locate(first(other)) == Place::Inside
    }

    /// Whether the area lies in another area; common borders are allowed.
    pub(super) fn is_within(self, other: Area<'_>) -> bool {
        let (mine, its) = (self.bounds(), other.bounds());
        if !boxes_touch(mine, its, self.blur) {
            return false;
        }
        let mut has_inner = false;
        for place in self.places_in(other) {
            match place {
                Place::Outside => return false,
                Place::Inside => has_inner = true,
                Place::On => {}
            }
        }
        if other.places_in(self).any(|place| place == Place::Inside) {
            return false;
        }
        // With no edge inside, the area may be a hole of the other.
        has_inner || other.locate(self.inner_point()) != Place::Outside
    }

    /// Where each piece of the area's edges lies in another area, whose edges divide them.
    pub(super) fn places_in(self, other: Area<'_>) -> impl Iterator<Item = Place> {
        let mine = self.bounds();
        let blur = self.blur;
        let near: Vec<Edge> = other
            .edges()
            .filter(|edge| boxes_touch(*edge, mine, blur))
            .collect();
        let mut cuts = Vec::new();
        self.edges().flat_map(move |edge| {
            cuts.clear();
            cuts.extend([0.0, 1.0]);
            for one in near.iter().filter(|one| boxes_touch(edge, **one, blur)) {
                cuts.extend(crossing(edge, *one, blur));
                let ends = [one.0, one.1].into_iter();
                let on = ends.filter(|end| is_on(edge, *end, blur));
                cuts.extend(on.map(|end| share(edge, end).clamp(0.0, 1.0)));
            }
            cuts.sort_unstable_by(f64::total_cmp);
            let middles: Vec<f64> = cuts
                .windows(2)
                .filter(|cut| cut[1] - cut[0] > 1e-12)
                .map(|cut| f64::midpoint(cut[0], cut[1]))
                .collect();
            let places = middles.into_iter();
            places.map(move |middle| other.locate(at(edge, middle)))
        })
    }

    /// A point of the inside: the middle of the widest piece of a level line.
    fn inner_point(self) -> Point {
        let mut levels: Vec<f64> = self.rings.iter().flatten().map(|point| point[1]).collect();
        levels.sort_unstable_by(f64::total_cmp);
        let gaps = levels.windows(2);
        let widest = gaps.max_by(|a, b| f64::total_cmp(&(a[1] - a[0]), &(b[1] - b[0])));
        let y = widest.map_or(0.0, |gap| f64::midpoint(gap[0], gap[1]));
        let mut crossed: Vec<f64> = self
            .edges()
            .filter(|(a, b)| (a[1] > y) != (b[1] > y))
            .map(|(a, b)| a[0] + (b[0] - a[0]) * ((y - a[1]) / (b[1] - a[1])))
            .collect();
        crossed.sort_unstable_by(f64::total_cmp);
        let pieces = crossed.chunks_exact(2);
        let widest = pieces.max_by(|a, b| f64::total_cmp(&(a[1] - a[0]), &(b[1] - b[0])));
        widest.map_or(self.rings[0][0], |piece| {
            [f64::midpoint(piece[0], piece[1]), y]
        })
    }
}

/// The box around points, as a diagonal.
pub(super) fn bounds<'p>(points: impl Iterator<Item = &'p Point>) -> Edge {
    let start = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    points.fold(start, |(low, high), point| {
        (
            [0, 1].map(|axis| low[axis].min(point[axis])),
            [0, 1].map(|axis| high[axis].max(point[axis])),
        )
    })
}

/// Twice the area of a closed ring, positive if it turns left.
pub(super) fn twice_area(ring: &Ring) -> f64 {
    let Some(&origin) = ring.first() else {
        return 0.0;
    };
    let pairs = ring.windows(2);
    pairs
        .map(|pair| {
            let [a, b] = [pair[0], pair[1]].map(|p| [p[0] - origin[0], p[1] - origin[1]]);
            a[0] * b[1] - a[1] * b[0]
        })
        .sum()
}
