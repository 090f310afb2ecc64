//! The searched area: a circle, a box or a polygon, and the distance of points from the centre.

use super::earth::{Origin, RADIUS_M, degrees, distance_of, haversine_of, radians};
use super::polygon::Polygon;
use russet_encodings::geohash::{Bounds, Position};

/// A shape somewhere on the map.
#[derive(Debug)]
pub(super) struct Area {
    origin: Origin,
    form: ShapeKind,
}

#[derive(Debug)]
enum ShapeKind {
    Circle {
        radius_m: f64,
        /// Points with a greater haversine are outside; slightly more than the radius's own.
        haversine_max: f64,
    },
    Box {
        width_m: f64,
        height_m: f64,
        /// From the centre to a corner.
        reach_m: f64,
    },
    Polygon(Polygon),
}

impl Area {
    pub fn circle(center: Position, radius_m: f64) -> Area {
        Area {
            origin: Origin::new(center),
            form: ShapeKind::Circle {
                radius_m,
                haversine_max: haversine_of(radius_m) * (1.0 + 1e-12),
            },
        }
    }

    /// All points within half the height to the north and south, and half the width to the east and
    /// west; both in units of `unit_m` metres.
    pub fn rectangle(center: Position, width: f64, height: f64, unit_m: f64) -> Area {
        let (x, y) = (width / 2.0, height / 2.0);
        Area {
            origin: Origin::new(center),
            form: ShapeKind::Box {
                width_m: width * unit_m,
                height_m: height * unit_m,
                // In this order: the last digit may decide which squares are searched.
                reach_m: (x * x + y * y).sqrt() * unit_m,
            },
        }
    }

    pub fn polygon(vertices: &[Position]) -> Area {
        let polygon = Polygon::new(vertices);
        Area {
            origin: Origin::new(polygon.centroid()),
            form: ShapeKind::Polygon(polygon),
        }
    }

    pub fn center(&self) -> Position {
        self.origin.position
    }

    /// The distance in metres from the centre to a point inside; `None` for a point outside.
    #[inline]
    pub fn distance_within(&self, to: Position) -> Option<f64> {
        match &self.form {
            ShapeKind::Circle {
                radius_m,
                haversine_max,
            } => {
                // Most points of the squares are outside: cheap tests first, each with a margin for
                // rounding.
                let along_meridian = self.origin.distance_to_latitude(to.latitude);
                if along_meridian > radius_m * (1.0 + 1e-12) + 1e-3 {
                    return None;
                }
                let distance = match self.origin.haversine(to) {
                    Some(haversine) if haversine > *haversine_max => return None,
                    Some(haversine) => distance_of(haversine),
                    None => along_meridian,
                };
                (distance <= *radius_m).then_some(distance)
            }
            ShapeKind::Box {
                width_m, height_m, ..
            } => {
                if self.origin.distance_to_latitude(to.latitude) > height_m / 2.0 {
                    return None;
                }
                let beside = Position {
                    longitude: self.origin.position.longitude,
                    ..to
                };
                if Origin::new(to).distance(beside) > width_m / 2.0 {
                    return None;
                }
                Some(self.origin.distance(to))
            }
            ShapeKind::Polygon(polygon) => polygon.contains(to).then(|| self.origin.distance(to)),
        }
    }

    /// The reach of the shape from the centre, in metres.
    pub fn reach_m(&self) -> f64 {
        match &self.form {
            ShapeKind::Circle { radius_m, .. } => *radius_m,
            ShapeKind::Box { reach_m, .. } => *reach_m,
            ShapeKind::Polygon(polygon) => polygon.reach_m(),
        }
    }

    /// The bounds of the shape. As in Redis: beyond the map's edge near the date line, and
    /// meaningless if a circle or box contains a pole.
    pub fn bounds(&self) -> Bounds {
        let (x, y) = match &self.form {
            ShapeKind::Circle { radius_m, .. } => (*radius_m, *radius_m),
            ShapeKind::Box {
                width_m, height_m, ..
            } => (width_m / 2.0, height_m / 2.0),
            ShapeKind::Polygon(polygon) => return polygon.bounds(),
        };
        let Position {
            longitude,
            latitude,
        } = self.center();
        let north = degrees(y / RADIUS_M);
        // Where the shape is widest in degrees: at the end nearer to a pole.
        let widest = if latitude < 0.0 {
            latitude - north
        } else {
            latitude + north
        };
        let east = degrees(x / RADIUS_M / radians(widest).cos());
        let corner = |longitude, latitude| Position {
            longitude,
            latitude,
        };
        Bounds {
            min: corner(longitude - east, latitude - north),
            max: corner(longitude + east, latitude + north),
        }
    }
}
