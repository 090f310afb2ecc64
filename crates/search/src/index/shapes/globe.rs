//! Points of the Earth as directions, and parts of it as maps on which shortest ways are straight.
//!
//! A shortest way lies in a plane through the middle of the Earth, to within some metres in a
//! thousand kilometres; on a map from that middle, the gnomonic map, it is a straight line. A map
//! has points that are less than 80 degrees from the map's middle.
//!
//! Source: WGS 84, which SPHERICAL is on; the planes stand for the geodesics.

use super::{Point, Ring, Shape};

pub(super) type Direction = [f64; 3];

/// `1 - e^2` of the ellipsoid.
const FLATNESS: f64 = 1.0 - 0.006_694_379_990_141_317;

/// The cosine of a point's greatest distance from a map's middle.
const REACH: f64 = 0.17;

/// The rounding of a coordinate of a map.
pub(super) const BLUR: f64 = 4e-15;

fn dot(a: Direction, b: Direction) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `None`: it points nowhere.
fn unit(of: Direction) -> Option<Direction> {
    let length = dot(of, of).sqrt();
    (length > 1e-6).then(|| of.map(|part| part / length))
}

/// The direction of a longitude and a latitude, in degrees.
pub(super) fn direction([longitude, latitude]: Point) -> Direction {
    let (east, north) = (longitude.to_radians(), latitude.to_radians());
    let (sin, cos) = north.sin_cos();
    let of = [cos * east.cos(), cos * east.sin(), FLATNESS * sin];
    unit(of).unwrap_or([0.0, 0.0, 1.0])
}

fn place(of: Direction) -> Point {
    let around = of[0].hypot(of[1]);
    [
        of[1].atan2(of[0]).to_degrees(),
        (of[2] / FLATNESS).atan2(around).to_degrees(),
    ]
}

/// A cap of the Earth that a shape lies in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    center: Direction,
    /// The cosine of the cap's radius; a cap of half the Earth or more has 0, and is taken for the
    /// whole Earth.
    cos: f64,
}

impl Cap {
    pub(super) fn of(shape: &Shape) -> Cap {
        let everywhere = Cap {
            center: [0.0, 0.0, 1.0],
            cos: 0.0,
        };
        let ring = match shape {
            Shape::Point(point) => std::slice::from_ref(point),
            Shape::Polygon(rings) => rings.first().map_or(&[][..], |ring| ring),
        };
        let directions: Vec<Direction> = ring.iter().map(|point| direction(*point)).collect();
        let sum = directions.iter().fold([0.0; 3], |sum, of| {
            [0, 1, 2].map(|axis| sum[axis] + of[axis])
        });
        let Some(center) = unit(sum) else {
            return everywhere;
        };
        let cos = directions
            .iter()
            .map(|of| dot(center, *of))
            .fold(1.0, f64::min);
        if cos > 0.0 {
            Cap { center, cos }
        } else {
            everywhere
        }
    }

    /// The corners of a box around it.
    pub(super) fn corners(self) -> (Direction, Direction) {
        if self.cos <= 0.0 {
            return ([-1.0; 3], [1.0; 3]);
        }
        let chord = (2.0 - 2.0 * self.cos).max(0.0).sqrt() + 1e-12;
        (
            self.center.map(|part| part - chord),
            self.center.map(|part| part + chord),
        )
    }

    /// Whether two caps have no point in common.
    fn is_apart(self, other: Cap) -> bool {
        if self.cos <= 0.0 || other.cos <= 0.0 {
            return false;
        }
        let radius = |cap: Cap| cap.cos.min(1.0).acos();
        let distance = dot(self.center, other.center).clamp(-1.0, 1.0).acos();
        distance > radius(self) + radius(other) + 1e-7
    }
}

/// A map from the middle of the Earth.
pub(super) struct Map {
    center: Direction,
    east: Direction,
    north: Direction,
}

/// Two shapes on a map.
pub(super) enum ShapesOnMap {
    Apart,
    On(Shape, Shape),
    /// No map has both.
    None,
}

impl Map {
    fn around(center: Direction) -> Map {
        let east = unit([-center[1], center[0], 0.0]).unwrap_or([0.0, 1.0, 0.0]);
        let north = [
            center[1] * east[2] - center[2] * east[1],
            center[2] * east[0] - center[0] * east[2],
            center[0] * east[1] - center[1] * east[0],
        ];
        Map {
            center,
            east,
            north,
        }
    }

    /// Around a shape.
    pub(super) fn of(shape: &Shape) -> Map {
        Map::around(Cap::of(shape).center)
    }

    fn point(&self, point: Point) -> Option<Point> {
        let of = direction(point);
        let depth = dot(of, self.center);
        (depth > REACH).then(|| [dot(of, self.east) / depth, dot(of, self.north) / depth])
    }

    /// A shape on the map. `None`: it reaches too far.
    pub(super) fn shape(&self, shape: &Shape) -> Option<Shape> {
        Some(match shape {
            Shape::Point(point) => Shape::Point(self.point(*point)?),
            Shape::Polygon(rings) => {
                let ring = |ring: &Ring| ring.iter().map(|point| self.point(*point)).collect();
                Shape::Polygon(rings.iter().map(ring).collect::<Option<_>>()?)
            }
        })
    }

    /// The longitude and latitude of a point on the map.
    pub(super) fn place(&self, [x, y]: Point) -> Point {
        place([0, 1, 2].map(|axis| self.center[axis] + x * self.east[axis] + y * self.north[axis]))
    }
}

/// Two shapes on the same map.
pub(super) fn map(one: &Shape, other: &Shape) -> ShapesOnMap {
    let (a, b) = (Cap::of(one), Cap::of(other));
    if a.is_apart(b) {
        return ShapesOnMap::Apart;
    }
    let between = unit([0, 1, 2].map(|axis| a.center[axis] + b.center[axis]));
    for center in between.into_iter().chain([a.center, b.center]) {
        let map = Map::around(center);
        if let (Some(one), Some(other)) = (map.shape(one), map.shape(other)) {
            return ShapesOnMap::On(one, other);
        }
    }
    ShapesOnMap::None
}
