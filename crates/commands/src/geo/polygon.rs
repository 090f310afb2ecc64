//! Point in polygon: an odd number of the edges that cross the point's parallel do so east of it.
//! The test treats the map as flat, with an end at the date line, as in Valkey.
//!
//! Edges are filed by bands of latitude, so that a test of a point needs few edges of a large
//! polygon. The number of bands is limited so that an edge is in few of them on average; if all
//! edges span the polygon, every point is tested against most.
//!
//! Cost: O(vertices) memory and, within a factor of the number of bands tried, time to build;
//! O(edges in a band) a point.

use super::earth::{Origin, degrees, radians};
use russet_encodings::geohash::{Bounds, Position};

/// Up to this many edges use one band.
const UNFILED: usize = 16;
const BANDS_MAX: usize = 1 << 14;
/// Maximum number of bands per edge, on average.
const FILED_MAX: usize = 8;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Polygon {
    bounds: Bounds,
    /// The edges of all bands, band by band.
    edges: Vec<Edge>,
    /// The start of each band's edges, and the end of the last band.
    bands: Vec<usize>,
    centroid: Position,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    from: Position,
    to: Position,
}

impl Edge {
    /// Whether the edge crosses the point's parallel to the east of it. Half open: a parallel
    /// through a vertex crosses either edge of the vertex, or both, or none.
    #[inline]
    fn is_east_of(&self, point: Position) -> bool {
        let Edge { from, to } = self;
        let crosses = (from.latitude > point.latitude) != (to.latitude > point.latitude);
        let east = (to.longitude - from.longitude) * (point.latitude - from.latitude)
            / (to.latitude - from.latitude)
            + from.longitude;
        crosses & (point.longitude < east)
    }

    fn latitudes(&self) -> (f64, f64) {
        let (a, b) = (self.from.latitude, self.to.latitude);
        (a.min(b), a.max(b))
    }
}

impl Polygon {
    /// The polygon with these vertices, at least three; closed from the last to the first.
    pub fn new(vertices: &[Position]) -> Polygon {
        assert!(vertices.len() >= 3, "a polygon has three vertices");
        let bounds = bounds_of(vertices);
        let before = vertices.iter().cycle().skip(vertices.len() - 1);
        let edges = vertices.iter().zip(before);
        let edges: Vec<Edge> = edges
            .map(|(&from, &to)| Edge { from, to })
            .filter(|edge| edge.from.latitude != edge.to.latitude)
            .collect();
        let centroid = centroid_of(vertices);
        let bands = match edges.len() {
            0..=UNFILED => 1,
            edges => edges.next_power_of_two().min(BANDS_MAX),
        };
        let unfiled = Polygon {
            bounds,
            bands: vec![0, edges.len()],
            edges,
            centroid,
        };
        unfiled.filed(bands)
    }

    /// The polygon, with the edges filed under at most this many bands.
    fn filed(self, mut bands: usize) -> Polygon {
        let span = |edge: &Edge, bands| {
            let (south, north) = edge.latitudes();
            self.band(south, bands)..=self.band(north, bands)
        };
        let filed = |bands| -> usize {
            let spans = self.edges.iter().map(|edge| span(edge, bands));
            spans.map(|span| span.end() - span.start() + 1).sum()
        };
        while bands > 1 && filed(bands) > self.edges.len() * FILED_MAX {
            bands /= 2;
        }
        if bands == 1 {
            return self;
        }
        let mut starts = vec![0; bands + 1];
        for edge in &self.edges {
            for band in span(edge, bands) {
                starts[band + 1] += 1;
            }
        }
        for band in 0..bands {
            starts[band + 1] += starts[band];
        }
        let (mut edges, mut next) = (vec![self.edges[0]; starts[bands]], starts.clone());
        for edge in &self.edges {
            for band in span(edge, bands) {
                edges[next[band]] = *edge;
                next[band] += 1;
            }
        }
        Polygon {
            edges,
            bands: starts,
            ..self
        }
    }

    /// The band of a latitude within the bounds, for this number of bands.
    #[inline]
    fn band(&self, latitude: f64, bands: usize) -> usize {
        let (south, north) = (self.bounds.min.latitude, self.bounds.max.latitude);
        let part = (latitude - south) / (north - south);
        ((part * bands as f64) as usize).min(bands - 1)
    }

    #[inline]
    pub fn contains(&self, point: Position) -> bool {
        let (min, max) = (self.bounds.min, self.bounds.max);
        if !(min.latitude..=max.latitude).contains(&point.latitude) {
            return false;
        }
        let band = self.band(point.latitude, self.bands.len() - 1);
        let edges = &self.edges[self.bands[band]..self.bands[band + 1]];
        edges
            .iter()
            .fold(false, |inside, edge| inside ^ edge.is_east_of(point))
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The centroid of the vertices on the sphere: the origin of distances. It may be beyond the
    /// map, near a pole.
    pub fn centroid(&self) -> Position {
        self.centroid
    }

    /// The distance in metres from the centroid to the furthest corner of the bounds.
    pub fn reach_m(&self) -> f64 {
        let origin = Origin::new(self.centroid);
        let Bounds { min, max } = self.bounds;
        let corners = [
            min,
            max,
            Position {
                longitude: min.longitude,
                ..max
            },
            Position {
                longitude: max.longitude,
                ..min
            },
        ];
        let reaches = corners.map(|corner| origin.distance(corner));
        reaches.into_iter().fold(0.0, f64::max)
    }
}

fn bounds_of(vertices: &[Position]) -> Bounds {
    let first = vertices[0];
    let (mut min, mut max) = (first, first);
    for vertex in vertices {
        min.longitude = min.longitude.min(vertex.longitude);
        min.latitude = min.latitude.min(vertex.latitude);
        max.longitude = max.longitude.max(vertex.longitude);
        max.latitude = max.latitude.max(vertex.latitude);
    }
    Bounds { min, max }
}

/// The direction of the sum of the vertices' vectors.
fn centroid_of(vertices: &[Position]) -> Position {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for vertex in vertices {
        let (lon, lat) = (radians(vertex.longitude), radians(vertex.latitude));
        x += lat.cos() * lon.cos();
        y += lat.cos() * lon.sin();
        z += lat.sin();
    }
    Position {
        longitude: degrees(f64::atan2(y, x)),
        latitude: degrees(f64::atan2(z, (x * x + y * y).sqrt())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn positions(all: &[(f64, f64)]) -> Vec<Position> {
        let position = |&(longitude, latitude)| Position {
            longitude,
            latitude,
        };
        all.iter().map(position).collect()
    }

    /// Tests every edge.
    fn brute_force(vertices: &[Position], point: Position) -> bool {
        let (mut inside, mut j) = (false, vertices.len() - 1);
        for (i, &a) in vertices.iter().enumerate() {
            let b = vertices[j];
            if (a.latitude > point.latitude) != (b.latitude > point.latitude)
                && point.longitude
                    < (b.longitude - a.longitude) * (point.latitude - a.latitude)
                        / (b.latitude - a.latitude)
                        + a.longitude
            {
                inside = !inside;
            }
            j = i;
        }
        inside
    }

    #[test]
    fn a_star_that_crosses_itself_is_hollow() {
        let star: Vec<(f64, f64)> = (0..5)
            .map(|i| (f64::from(i) * 0.8 * std::f64::consts::PI).sin_cos())
            .collect();
        let star = Polygon::new(&positions(&star));
        let at = |longitude, latitude| Position {
            longitude,
            latitude,
        };
        assert!(star.contains(at(0.0, 0.8)));
        assert!(!star.contains(at(0.0, 0.0)));
        assert!(!star.contains(at(2.0, 0.0)));
    }

    #[test]
    fn a_line_holds_nothing() {
        let line = Polygon::new(&positions(&[(0.0, 5.0), (9.0, 5.0), (3.0, 5.0)]));
        assert!(!line.contains(line.bounds().min));
        assert!(!line.contains(line.bounds().max));
    }

    #[test]
    fn many_vertices_are_filed_under_many_bands() {
        let round = |i: u32| (f64::from(i) / 100_000.0 * std::f64::consts::TAU).sin_cos();
        let circle: Vec<(f64, f64)> = (0..100_000).map(round).collect();
        let circle = Polygon::new(&positions(&circle));
        assert_eq!(circle.bands.len(), BANDS_MAX + 1);
        assert!(circle.edges.len() < 200_000);
        let zigzag: Vec<(f64, f64)> = (0..100_000)
            .map(|i| (f64::from(i) / 1000.0, f64::from(i % 2)))
            .collect();
        let zigzag = Polygon::new(&positions(&zigzag));
        assert!(zigzag.edges.len() <= 100_000 * FILED_MAX);
    }

    proptest! {
        #[test]
        fn bands_answer_as_all_edges(
            vertices in prop::collection::vec((-20..20i32, -20..20i32), 3..200),
            points in prop::collection::vec((-21..21i32, -21..21i32), 1..50),
            (offset, step) in (0.0..0.5f64, 1..4i32),
        ) {
            let of = |all: &[(i32, i32)], offset: f64| -> Vec<Position> {
                all.iter().map(|&(x, y)| Position {
                    longitude: f64::from(x) + offset,
                    latitude: f64::from(y / step) + offset,
                }).collect()
            };
            let vertices = of(&vertices, 0.0);
            let polygon = Polygon::new(&vertices);
            for point in of(&points, 0.0).into_iter().chain(of(&points, offset)) {
                prop_assert_eq!(polygon.contains(point), brute_force(&vertices, point));
            }
        }
    }
}
