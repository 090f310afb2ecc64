//! Distances on a sphere, with the order of operations that yields Redis's last digit.

use super::Position;

/// The earth's radius, metres.
pub const RADIUS_M: f64 = 6_372_797.560_856;

const RADIAN: f64 = std::f64::consts::PI / 180.0;

/// Radians of degrees.
pub fn radians(degrees: f64) -> f64 {
    degrees * RADIAN
}

/// Degrees of radians.
pub fn degrees(radians: f64) -> f64 {
    radians / RADIAN
}

/// The point from which distances are measured.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// In degrees.
    pub position: Position,
    longitude_rad: f64,
    latitude_rad: f64,
    latitude_cos: f64,
}

impl Origin {
    /// An origin. The origin's sines and cosines are computed once.
    pub fn new(position: Position) -> Origin {
        let latitude_rad = radians(position.latitude);
        Origin {
            position,
            longitude_rad: radians(position.longitude),
            latitude_rad,
            latitude_cos: latitude_rad.cos(),
        }
    }

    /// The distance along the meridian to a latitude, in metres.
    #[inline]
    pub fn distance_to_latitude(&self, latitude: f64) -> f64 {
        RADIUS_M * (radians(latitude) - self.latitude_rad).abs()
    }

    /// The distance along a great circle, in metres.
    pub fn distance(&self, to: Position) -> f64 {
        match self.haversine(to) {
            Some(haversine) => distance_of(haversine),
            None => self.distance_to_latitude(to.latitude),
        }
    }

    /// The haversine of the angle between two points; `None` if they are on the same meridian,
    /// because the latitudes are more exact there.
    #[inline]
    pub fn haversine(&self, to: Position) -> Option<f64> {
        let v = ((radians(to.longitude) - self.longitude_rad) / 2.0).sin();
        if v == 0.0 {
            return None;
        }
        let latitude_rad = radians(to.latitude);
        let u = ((latitude_rad - self.latitude_rad) / 2.0).sin();
        Some(u * u + self.latitude_cos * latitude_rad.cos() * v * v)
    }
}

/// The distance in metres of a haversine.
pub fn distance_of(haversine: f64) -> f64 {
    // Rounding may exceed one for antipodes.
    2.0 * RADIUS_M * haversine.sqrt().min(1.0).asin()
}

/// The haversine of a distance in metres; infinite beyond half the earth.
pub fn haversine_of(distance_m: f64) -> f64 {
    let half_angle = distance_m / RADIUS_M / 2.0;
    if half_angle < std::f64::consts::FRAC_PI_2 {
        half_angle.sin().powi(2)
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::position;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_distances() {
        let palermo = Origin::new(position(13.361389338970184, 38.1155563954963));
        let catania = position(15.087267458438873, 37.50266842333162);
        assert_eq!(palermo.distance(catania), 166274.15156960033);
        assert_eq!(palermo.distance(palermo.position), 0.0);
        let half = Origin::new(position(-90.0, 10.0)).distance(position(90.0, -10.0));
        assert!((half - std::f64::consts::PI * RADIUS_M).abs() < 1.0);
    }

    proptest! {
        /// The angle between the vectors from the earth's centre.
        #[test]
        fn distances_are_angles(
            from in (-180.0..180.0f64, -85.0..85.0f64),
            to in (-180.0..180.0f64, -85.0..85.0f64),
        ) {
            let vector = |(longitude, latitude): (f64, f64)| {
                let (lon, lat) = (radians(longitude), radians(latitude));
                [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
            };
            let (a, b) = (vector(from), vector(to));
            let chord = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            let angle = 2.0 * (chord / 2.0).min(1.0).asin();
            let origin = Origin::new(position(from.0, from.1));
            let distance = origin.distance(position(to.0, to.1));
            prop_assert!((distance - angle * RADIUS_M).abs() < 0.2);
            let back = Origin::new(position(to.0, to.1)).distance(origin.position);
            prop_assert_eq!(distance, back);
            prop_assert!((distance_of(haversine_of(distance)) - distance).abs() < 0.5);
        }
    }
}
