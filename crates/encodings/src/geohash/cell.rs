//! Squares of the map: the result of some halvings in each direction.
//!
//!     bits    row and column interleaved, two for each step; the column's bit is the higher one
//!     score   a position in its square of 26 steps, 52 bits; a larger square is a range of scores
//!
//! The grid of scores is the map that clients see, to latitude 85.05; geohash strings are of a map
//! to the poles (`on_map`). Neighbours wrap around the map's edges. Everything is O(1) and
//! allocates nothing. Searches within a shape: `commands::geo`.

use std::ops::Range;

use super::{LATITUDE_MAX, LONGITUDE_MAX, Position, STEPS};

/// A square, by its column and row; the map has 2^steps of each. A position on the map's eastern or
/// northern edge is in an additional column or row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    column: u32,
    row: u32,
    /// 1 to 26.
    steps: u32,
}

/// The corners of a square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The south-western corner, which belongs to the square.
    pub min: Position,
    /// The north-eastern corner.
    pub max: Position,
}

impl Cell {
    /// The square that contains a position on the map.
    pub fn of(position: Position, steps: u32) -> Cell {
        Cell::on_map(position, steps, LATITUDE_MAX)
    }

    /// As [`Cell::of`], for a map with other latitudes.
    pub(super) fn on_map(position: Position, steps: u32, latitude_max: f64) -> Cell {
        let index = |degrees: f64, most: f64| {
            ((degrees + most) / (most + most) * (1u64 << steps) as f64) as u32
        };
        Cell {
            column: index(position.longitude, LONGITUDE_MAX),
            row: index(position.latitude, latitude_max),
            steps,
        }
    }

    #[inline]
    pub(super) fn from_bits(bits: u64, steps: u32) -> Cell {
        Cell {
            column: gather(bits >> 1),
            row: gather(bits),
            steps,
        }
    }

    pub(super) fn bits(self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }

    /// The scores of all positions in the square.
    pub fn scores(self) -> Range<f64> {
        let shift = (STEPS - self.steps) * 2;
        let bits = self.bits();
        (bits << shift) as f64..((bits + 1) << shift) as f64
    }

    /// The square this many columns to the east and rows to the north; the map wraps around.
    pub fn moved(self, east: i32, north: i32) -> Cell {
        let last = u32::MAX >> (32 - self.steps);
        let moved = |index: u32, by: i32| match by {
            0 => index,
            _ => index.wrapping_add_signed(by) & last,
        };
        Cell {
            column: moved(self.column, east),
            row: moved(self.row, north),
            steps: self.steps,
        }
    }

    /// The corners, in degrees; on the map of scores.
    #[inline]
    pub fn bounds(self) -> Bounds {
        let cells = (1u64 << self.steps) as f64;
        let edge = |index: u32, most: f64| -most + f64::from(index) / cells * (most + most);
        let corner = |column, row| Position {
            longitude: edge(column, LONGITUDE_MAX),
            latitude: edge(row, LATITUDE_MAX),
        };
        Bounds {
            min: corner(self.column, self.row),
            // The bits of a score that is no geohash may be all ones.
            max: corner(self.column.wrapping_add(1), self.row.wrapping_add(1)),
        }
    }
}

/// Inserts a zero before each bit.
#[inline]
fn spread(index: u32) -> u64 {
    let mut x = u64::from(index);
    x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    x = (x | x << 2) & 0x3333_3333_3333_3333;
    (x | x << 1) & 0x5555_5555_5555_5555
}

/// Every second bit, from the lowest on.
#[inline]
fn gather(bits: u64) -> u32 {
    let mut x = bits & 0x5555_5555_5555_5555;
    x = (x | x >> 1) & 0x3333_3333_3333_3333;
    x = (x | x >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    x = (x | x >> 4) & 0x00ff_00ff_00ff_00ff;
    x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    (x | x >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_go_round_the_map() {
        let west = Cell {
            column: 0,
            row: 3,
            steps: 2,
        };
        assert_eq!(
            west.moved(-1, 1),
            Cell {
                column: 3,
                row: 0,
                ..west
            }
        );
        assert_eq!(west.moved(1, 0), Cell { column: 1, ..west });
        let beyond = Cell { column: 4, ..west };
        assert_eq!(beyond.moved(1, 0), Cell { column: 1, ..west });
        assert_eq!(beyond.moved(-1, 0), Cell { column: 3, ..west });
        assert_eq!(beyond.moved(0, -1), Cell { row: 2, ..beyond });
    }

    proptest! {
        #[test]
        fn bits_are_spread_and_gathered(column: u32, row: u32) {
            let cell = Cell { column, row, steps: 26 };
            prop_assert_eq!(Cell::from_bits(cell.bits(), 26), cell);
            let bits = (0..32).map(|at| {
                u64::from(row >> at & 1) << (2 * at) | u64::from(column >> at & 1) << (2 * at + 1)
            });
            prop_assert_eq!(cell.bits(), bits.sum::<u64>());
        }

        /// A position in a square has a score of the square, and is between its corners.
        #[test]
        fn a_square_has_its_positions(
            longitude in -180.0..180.0f64,
            latitude in -85.05..85.05f64,
            steps in 1u32..=26,
        ) {
            let position = Position { longitude, latitude };
            let cell = Cell::of(position, steps);
            prop_assert!(cell.scores().contains(&position.score()));
            let Bounds { min, max } = cell.bounds();
            prop_assert!(min.longitude <= longitude && longitude <= max.longitude);
            prop_assert!(min.latitude <= latitude && latitude <= max.latitude);
        }
    }
}
