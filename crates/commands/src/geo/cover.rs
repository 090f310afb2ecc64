//! The squares of the map to search for a shape: the square around the shape's centre, and each of
//! the eight neighbours into which the shape extends.
//!
//! Clients see the squares and their order, because results come in the order of the squares, COUNT
//! ANY may stop before the last, and near the poles Redis leaves some out.

use smallvec::SmallVec;

use super::shape::Area;
use russet_encodings::geohash::{Bounds, Cell, LATITUDE_MAX, Position};

/// Half the length of the equator on the map, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
const STEPS_MAX: i32 = 26;

/// Steps to the east and to the north from the centre.
const MOVES: [(i32, i32); 9] = [
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
];

/// See the module.
pub(super) fn cover(area: &Area) -> SmallVec<[Cell; 9]> {
    let shape = area.bounds();
    let mut center = area.center();
    let mut steps = steps_for(area.reach_m(), center.latitude);
    if !center.is_valid() {
        // A polygon around a pole: the whole map.
        center.latitude = center.latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX);
        steps = 1;
    }
    let mut middle = Cell::of(center, steps);
    if steps > 1 && reaches_beyond_neighbours(middle, &shape) {
        steps -= 1;
        middle = Cell::of(center, steps);
    }
    let Bounds { min, max } = middle.bounds();
    // With few squares on the map all of them are searched.
    let wanted = |(east, north): (i32, i32)| {
        steps < 2
            || !(south_of(min, shape.min) && north < 0
                || south_of(shape.max, max) && north > 0
                || west_of(min, shape.min) && east < 0
                || west_of(shape.max, max) && east > 0)
    };
    let mut cells: SmallVec<[Cell; 9]> = SmallVec::new();
    for step in MOVES.into_iter().filter(|&step| wanted(step)) {
        let cell = middle.moved(step.0, step.1);
        // On a map of two columns or rows, both neighbours are the same square.
        if cells.len() < 2 || cells.last() != Some(&cell) {
            cells.push(cell);
        }
    }
    cells
}

fn south_of(a: Position, b: Position) -> bool {
    a.latitude < b.latitude
}

fn west_of(a: Position, b: Position) -> bool {
    a.longitude < b.longitude
}

/// How often to halve the map so that a shape of this reach fits in nine squares, which are
/// narrower near the poles.
fn steps_for(reach_m: f64, latitude: f64) -> u32 {
    if reach_m == 0.0 {
        return STEPS_MAX as u32;
    }
    let (mut reach_m, mut steps) = (reach_m, -1);
    while reach_m < MERCATOR_MAX {
        reach_m *= 2.0;
        steps += 1;
    }
    let narrower = [66.0, 80.0].iter().filter(|&&from| latitude.abs() > from);
    (steps - narrower.count() as i32).clamp(1, STEPS_MAX) as u32
}

fn reaches_beyond_neighbours(middle: Cell, shape: &Bounds) -> bool {
    let bounds = |east, north| middle.moved(east, north).bounds();
    south_of(bounds(0, 1).max, shape.max)
        || south_of(shape.min, bounds(0, -1).min)
        || west_of(bounds(1, 0).max, shape.max)
        || west_of(shape.min, bounds(-1, 0).min)
}
