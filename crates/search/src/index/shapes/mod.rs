//! The shapes of a field: points and polygons, found by their relation to another shape.
//!
//! | module | what |
//! |---|---|
//! | `wkt` | the text of a shape |
//! | `valid` | whether rings make a polygon |
//! | `plane` | how polygons lie in the plane |
//! | `globe` | the Earth as maps that are planes |
//!
//! FLAT is a plane. SPHERICAL is the Earth: shortest ways between the corners of a polygon are its
//! edges. Two shapes are put on the same map, on which edges are straight; if the shapes are too
//! far apart for any map, as half the Earth is, longitude and latitude are taken for a plane.
//!
//! A tree of boxes finds the shapes that may touch a given shape, and the search compares each of
//! them. Boxes of SPHERICAL are around directions, because directions have no edge of a map.
//!
//! Invariant: the tree has a leaf for each shape of `by_document`; the leaf's box is [`box_of`] the
//! shape.
//!
//! Cost: a shape O(log n) into the tree; 56 bytes a leaf and 16 bytes a point.

mod globe;
mod plane;
#[cfg(test)]
mod tests;
mod valid;
mod wkt;

use std::collections::HashMap;

use rstar::{AABB, Envelope, RTree, RTreeObject};

use crate::query::{QueryError, Relation};
use crate::schema::ShapeSpace;
use globe::{Cap, Map, ShapesOnMap};
use plane::{Area, Place};

/// Bytes of the text of a shape, at most.
const TEXT_MAX: usize = 1 << 20;
/// Points of a polygon, at most.
const POINTS_MAX: usize = 10_000;

/// x and y, or longitude and latitude in degrees.
pub(crate) type Point = [f64; 2];
/// Points of which the last is the first.
pub(crate) type Ring = Vec<Point>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Point(Point),
    /// The outer ring, then the holes.
    Polygon(Vec<Ring>),
}

/// The shape of a text.
///
/// # Errors
///
/// If the text is no shape, in the words of Redis Stack 7.4.
pub(crate) fn parse(text: &[u8], space: ShapeSpace) -> Result<Shape, Vec<u8>> {
    let mut shape = wkt::parse(text)?;
    let wrong = |why: String| format!("invalid geometry: {why}").into_bytes();
    match &mut shape {
        Shape::Point(point) if point.iter().all(|part| part.is_finite()) => {}
        Shape::Polygon(rings)
            if rings
                .iter()
                .flatten()
                .flatten()
                .all(|part| part.is_finite()) =>
        {
            correct(rings, space).map_err(wrong)?;
        }
        _ => {
            return Err(wrong(
                "Geometry has point(s) with invalid coordinate(s)".to_owned(),
            ));
        }
    }
    Ok(shape)
}

/// Puts the rings of a polygon right; they are judged on a map if a map has them all.
fn correct(rings: &mut Vec<Ring>, space: ShapeSpace) -> Result<(), String> {
    let shape = Shape::Polygon(std::mem::take(rings));
    let map = Map::of(&shape);
    let mapped = match space {
        ShapeSpace::Flat => None,
        ShapeSpace::Spherical => map.shape(&shape),
    };
    if let Shape::Polygon(own) = shape {
        *rings = own;
    }
    let Some(Shape::Polygon(mut mapped)) = mapped else {
        return valid::correct(rings, 0.0, |point| point);
    };
    // A corner is shown as the text has it.
    let shown = |point| {
        let place = map.place(point);
        let is_near = |own: &&Point| (0..2).all(|axis| (own[axis] - place[axis]).abs() < 1e-9);
        rings
            .iter()
            .flatten()
            .find(is_near)
            .map_or(place, |own| *own)
    };
    valid::correct(&mut mapped, globe::BLUR, shown)?;
    for ring in rings {
        if ring.first() != ring.last() {
            ring.push(ring[0]);
        }
        ring.dedup();
    }
    Ok(())
}

/// A shape of the tree.
#[derive(Clone, Debug, PartialEq)]
struct Leaf {
    corners: AABB<[f64; 3]>,
    document: u32,
}

impl RTreeObject for Leaf {
    type Envelope = AABB<[f64; 3]>;

    fn envelope(&self) -> Self::Envelope {
        self.corners
    }
}

/// Coordinates of boxes, at most: their products are numbers.
const BOX_MAX: f64 = 1e75;

/// The box of a shape: of the shape's directions, or of the coordinates and 0.
fn box_of(shape: &Shape, space: ShapeSpace) -> AABB<[f64; 3]> {
    let (low, high) = match space {
        ShapeSpace::Spherical => Cap::of(shape).corners(),
        ShapeSpace::Flat => {
            let (low, high) = match shape {
                Shape::Point(point) => (*point, *point),
                Shape::Polygon(rings) => plane::bounds(rings.iter().flatten()),
            };
            ([low[0], low[1], 0.0], [high[0], high[1], 0.0])
        }
    };
    let within = |corner: [f64; 3]| corner.map(|part| part.clamp(-BOX_MAX, BOX_MAX));
    AABB::from_corners(within(low), within(high))
}

/// The shapes of a field, by document.
#[derive(Debug)]
pub(crate) struct Shapes {
    space: ShapeSpace,
    tree: RTree<Leaf>,
    by_document: HashMap<u32, Shape>,
    points: usize,
}

impl Shapes {
    pub(crate) fn new(space: ShapeSpace) -> Shapes {
        Shapes {
            space,
            tree: RTree::new(),
            by_document: HashMap::new(),
            points: 0,
        }
    }

    /// Puts or replaces the shape of a document.
    pub(crate) fn put(&mut self, document: u32, shape: &Shape) {
        if self.by_document.get(&document) == Some(shape) {
            return;
        }
        self.remove(document);
        self.tree.insert(Leaf {
            corners: box_of(shape, self.space),
            document,
        });
        self.points += points(shape);
        self.by_document.insert(document, shape.clone());
    }

    /// Removes the shape of a document, if there is any.
    pub(crate) fn remove(&mut self, document: u32) {
        let Some(shape) = self.by_document.remove(&document) else {
            return;
        };
        self.points -= points(&shape);
        let corners = box_of(&shape, self.space);
        let removed = self.tree.remove(&Leaf { corners, document });
        debug_assert!(removed.is_some(), "a shape has its leaf");
    }

    /// The shape of a query's text.
    ///
    /// # Errors
    ///
    /// If the text is no shape.
    pub(crate) fn parse(&self, text: &[u8]) -> Result<Shape, QueryError> {
        parse(text, self.space)
            .map_err(|why| QueryError([b"Error querying geoshape index: ", &*why].concat()))
    }

    /// Number of shapes.
    pub(crate) fn len(&self) -> usize {
        self.by_document.len()
    }

    /// The documents whose shapes may touch another, in any order; `None`: they are more than
    /// `most`.
    pub(crate) fn near(&self, to: &Shape, most: usize) -> Option<Vec<u32>> {
        let near = self
            .tree
            .locate_in_envelope_intersecting(box_of(to, self.space));
        let near: Vec<u32> = near.map(|leaf| leaf.document).take(most + 1).collect();
        (near.len() <= most).then_some(near)
    }

    /// Whether a document has a shape with this relation to another shape, and about how many steps
    /// the check takes.
    pub(crate) fn fits(&self, document: u32, relation: Relation, to: &Shape) -> (bool, usize) {
        let Some(own) = self.by_document.get(&document) else {
            return (false, 1);
        };
        let steps = 1 + points(own) + points(own) * points(to) / 4;
        let (own_box, box_of_to) = (box_of(own, self.space), box_of(to, self.space));
        if !own_box.intersects(&box_of_to) {
            return (relation == Relation::Disjoint, 1 + points(own));
        }
        (lies(own, relation, to, self.space), steps)
    }

    /// The documents whose shapes lie so to another, in any order.
    #[cfg(test)]
    pub(crate) fn find(&self, relation: Relation, to: &Shape) -> Vec<u32> {
        let all: Vec<u32> = match relation {
            Relation::Disjoint => self.by_document.keys().copied().collect(),
            _ => self.near(to, usize::MAX - 1).unwrap_or_default(),
        };
        let fits = |document: &u32| self.fits(*document, relation, to).0;
        all.into_iter().filter(fits).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        let each = size_of::<Leaf>() + size_of::<(u32, Shape)>() + 8;
        self.by_document.capacity() * each + self.points * size_of::<Point>()
    }
}

fn points(shape: &Shape) -> usize {
    match shape {
        Shape::Point(_) => 0,
        Shape::Polygon(rings) => rings.iter().map(Vec::len).sum(),
    }
}

/// Whether a shape lies so to another.
fn lies(own: &Shape, relation: Relation, to: &Shape, space: ShapeSpace) -> bool {
    if space == ShapeSpace::Flat {
        return lies_flat(own, relation, to, 0.0);
    }
    match globe::map(own, to) {
        ShapesOnMap::Apart => relation == Relation::Disjoint,
        ShapesOnMap::On(own, to) => lies_flat(&own, relation, &to, globe::BLUR),
        ShapesOnMap::None => lies_flat(own, relation, to, 0.0),
    }
}

fn lies_flat(own: &Shape, relation: Relation, to: &Shape, blur: f64) -> bool {
    match relation {
        Relation::Within => is_within(own, to, blur),
        Relation::Contains => is_within(to, own, blur),
        Relation::Intersects => touches(own, to, blur),
        Relation::Disjoint => !touches(own, to, blur),
    }
}

/// Whether a shape lies in a polygon: a point must not be on the border. Nothing lies in a point.
fn is_within(shape: &Shape, other: &Shape, blur: f64) -> bool {
    let Shape::Polygon(rings) = other else {
        return false;
    };
    let other = Area { rings, blur };
    match shape {
        Shape::Point(point) => other.locate(*point) == Place::Inside,
        Shape::Polygon(rings) => Area { rings, blur }.is_within(other),
    }
}

fn touches(one: &Shape, other: &Shape, blur: f64) -> bool {
    match (one, other) {
        (Shape::Point(one), Shape::Point(other)) => {
            (0..2).all(|axis| (one[axis] - other[axis]).abs() <= blur)
        }
        (Shape::Point(point), Shape::Polygon(rings))
        | (Shape::Polygon(rings), Shape::Point(point)) => {
            Area { rings, blur }.locate(*point) != Place::Outside
        }
        (Shape::Polygon(one), Shape::Polygon(other)) => {
            Area { rings: one, blur }.touches(Area { rings: other, blur })
        }
    }
}
