//! Places within a circle: squares of the map that cover the circle.

use russet_encodings::geohash::earth::RADIUS_M;
use russet_encodings::geohash::{Cell, LATITUDE_MAX, Position};

use crate::index::Bounds;
use crate::query::{Circle, Unit};

/// The most halvings of a square.
const STEPS_MAX: u32 = 26;

pub(super) fn metres(circle: &Circle) -> f64 {
    circle.radius
        * match circle.unit {
            Unit::Metres => 1.0,
            Unit::Kilometres => 1000.0,
            Unit::Feet => 0.3048,
            Unit::Miles => 1609.34,
        }
}

/// Squares that cover a circle, each once.
fn cover(center: Position, radius_m: f64) -> Vec<Cell> {
    let height = (radius_m / RADIUS_M).to_degrees();
    let edge = (center.latitude.abs() + height).to_radians();
    let width = if edge < std::f64::consts::FRAC_PI_2 {
        // The widest part of the circle lies nearer to the pole than the center.
        (f64::min(
            1.0,
            (radius_m / RADIUS_M).sin() / center.latitude.to_radians().cos(),
        ))
        .asin()
        .to_degrees()
    } else {
        180.0
    };
    // A square and the neighbours cover a circle that is no larger than the square.
    let mut steps = 0;
    while steps < STEPS_MAX
        && 360.0 / f64::from(1u32 << (steps + 1)) >= width
        && 2.0 * LATITUDE_MAX / f64::from(1u32 << (steps + 1)) >= height
    {
        steps += 1;
    }
    if steps < 2 {
        return Vec::new();
    }
    let middle = Cell::of(center, steps);
    let mut cells = Vec::new();
    for (east, north) in (-1..=1).flat_map(|east| (-1..=1).map(move |north| (east, north))) {
        let cell = middle.moved(east, north);
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells
}

/// The squares that cover a circle as bounds of their numbers.
pub(super) fn squares(center: Position, radius_m: f64) -> Vec<Bounds> {
    let of_cell = |cell: Cell| {
        let scores = cell.scores();
        Bounds {
            min: scores.start,
            max: scores.end,
            with_min: true,
            // Places on the map's edges are a little above their square.
            with_max: true,
        }
    };
    let squares = cover(center, radius_m);
    if squares.is_empty() {
        return vec![Bounds::ALL];
    }
    squares.into_iter().map(of_cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A place within a circle lies in any of the circle's squares.
        #[test]
        fn squares_cover_the_circle(
            longitude in -180.0..180.0f64,
            latitude in -84.0..84.0f64,
            radius_m in 1.0..5_000_000.0f64,
            angle in 0.0..std::f64::consts::TAU,
            share in 0.0..0.999f64,
        ) {
            let center = Position { longitude, latitude };
            let far = radius_m * share / RADIUS_M;
            let (lat, lon) = (latitude.to_radians(), longitude.to_radians());
            let to = (lat.sin() * far.cos() + lat.cos() * far.sin() * angle.cos()).asin();
            let east = (angle.sin() * far.sin() * lat.cos()).atan2(far.cos() - lat.sin() * to.sin());
            let mut longitude = (lon + east).to_degrees();
            longitude -= 360.0 * ((longitude + 180.0) / 360.0).floor();
            let place = Position { longitude, latitude: to.to_degrees() };
            prop_assume!(place.is_valid());
            let squares = cover(center, radius_m);
            let score = place.score();
            let is_covered = squares.iter().any(|cell| cell.scores().contains(&score));
            prop_assert!(squares.is_empty() || is_covered);
        }
    }
}
