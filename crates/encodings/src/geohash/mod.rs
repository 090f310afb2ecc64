//! Geohashes: a position in the 52 bits that a sorted set's score holds exactly, bit for bit
//! as in Redis.
//!
//!     bit     51   50   49   48  ...   1    0
//!             lon  lat  lon  lat ...  lon  lat       26 halvings of each
//!
//! The map is that of Web Mercator: latitudes end at 85.05112878. A prefix of the bits is a square,
//! too ([`Cell`]), and the positions in it are a range of scores. Distances: [`earth`].
//!
//! Cost: everything is O(1). Searches within a shape: `commands::geo`.

mod cell;
pub mod earth;

pub use cell::{Bounds, Cell};

/// Number of halvings in each direction.
const STEPS: u32 = 26;

/// Degrees; the minimum is its negative.
pub(crate) const LONGITUDE_MAX: f64 = 180.0;
/// Degrees; the minimum is its negative. The map excludes the poles.
pub const LATITUDE_MAX: f64 = 85.051_128_78;

/// A point of the map, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// East is positive.
    pub longitude: f64,
    /// North is positive.
    pub latitude: f64,
}

impl Position {
    /// Whether it is on the map.
    pub fn is_valid(self) -> bool {
        (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&self.longitude)
            && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&self.latitude)
    }

    /// The score of a position on the map. On the map's eastern and northern edges it has slightly
    /// more than 52 bits.
    pub fn score(self) -> f64 {
        Cell::of(self, STEPS).bits() as f64
    }

    /// The middle of the square of a score, for any value of the score.
    #[inline]
    pub fn of_score(score: f64) -> Position {
        let Bounds { min, max } = Cell::from_bits(bits_of(score), STEPS).bounds();
        let middle = |min: f64, max: f64, most: f64| ((min + max) / 2.0).min(most).max(-most);
        Position {
            longitude: middle(min.longitude, max.longitude, LONGITUDE_MAX),
            latitude: middle(min.latitude, max.latitude, LATITUDE_MAX),
        }
    }

    /// The standard geohash, whose map includes the poles: ten significant digits of base 32, and a
    /// last digit that is always zero.
    pub fn text(self) -> [u8; 11] {
        const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::on_map(self, STEPS, 90.0).bits();
        let mut text = [b'0'; 11];
        for (at, digit) in text[..10].iter_mut().enumerate() {
            *digit = DIGITS[(bits >> (52 - (at + 1) * 5) & 31) as usize];
        }
        text
    }
}

/// Converts a double as x86-64 does: scores of sorted sets may be anything.
#[inline]
fn bits_of(score: f64) -> u64 {
    const END: f64 = 18_446_744_073_709_551_616.0;
    if score < 0.0 {
        score as i64 as u64
    } else if score < END {
        score as u64
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn position(longitude: f64, latitude: f64) -> Position {
        Position {
            longitude,
            latitude,
        }
    }

    #[test]
    fn scores_and_texts_are_redis_s() {
        let palermo = position(13.361389, 38.115556);
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        let kept = Position::of_score(palermo.score());
        assert_eq!(kept, position(13.361389338970184, 38.1155563954963));
        assert_eq!(&kept.text(), b"sqc8b49rny0");
        assert_eq!(&position(-5.6, 42.6).text(), b"ezs42e44yx0");
    }

    #[test]
    fn any_score_is_some_position() {
        for score in [
            0.0,
            -1.0,
            -1e300,
            1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            9_223_372_036_854_775_808.0,
        ] {
            assert!(Position::of_score(score).is_valid(), "{score}");
        }
        let corner = position(LONGITUDE_MAX, LATITUDE_MAX);
        assert_eq!(corner.score(), 13_510_798_882_111_488.0);
        assert_eq!(Position::of_score(corner.score()), corner);
        assert_eq!(position(-LONGITUDE_MAX, -LATITUDE_MAX).score(), 0.0);
    }

    proptest! {
        /// A position is recovered to within half a square; a recovered position is stable.
        #[test]
        fn positions_survive(longitude in -180.0..180.0f64, latitude in -85.05..85.05f64) {
            let kept = Position::of_score(position(longitude, latitude).score());
            prop_assert!((kept.longitude - longitude).abs() < 360.0 / f64::from(1 << 27) * 1.001);
            prop_assert!((kept.latitude - latitude).abs() < 171.0 / f64::from(1 << 27) * 1.001);
            prop_assert_eq!(Position::of_score(kept.score()), kept);
        }
    }
}
