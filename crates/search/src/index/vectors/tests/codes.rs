//! Walks by codes: as many of the nearest as walks over rows find, in their order with their
//! distances; and the data for which codes are not used.

use super::*;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, of variance 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn field(element: Element, dimensions: usize, metric: Metric) -> schema::Vector {
    schema::Vector {
        element,
        dimensions,
        metric,
        algorithm: Algorithm::Hnsw(Hnsw::default()),
        initial_cap: 0,
        takes_several: false,
    }
}

/// Rows of a field: around `centres`, each moved by `noise`, and all by `offset`.
struct Data {
    options: schema::Vector,
    centres: usize,
    noise: f64,
    offset: f64,
}

impl Data {
    fn rows(&self, count: usize, seed: u64) -> Vec<RowsOf> {
        let (mut of_centres, mut of_rows) = (Random(3), Random(seed));
        let dimensions = self.options.dimensions;
        let centre = |_| -> Vec<f64> { (0..dimensions).map(|_| of_centres.normal()).collect() };
        let centres: Vec<Vec<f64>> = (0..self.centres).map(centre).collect();
        let mut row = |_| {
            let centre = &centres[(of_rows.next() * centres.len() as f64) as usize];
            let mut row = RowsOf::new();
            for x in centre {
                let x = self.offset + x + of_rows.normal() * self.noise;
                element::write(self.options.element, x, &mut row);
            }
            row
        };
        (0..count).map(&mut row).collect()
    }

    fn filled(&self, count: usize) -> Vectors {
        let mut vectors = Vectors::new(self.options);
        for (id, row) in self.rows(count, 5).iter().enumerate() {
            vectors.put(id as u32, row);
        }
        vectors
    }
}

/// The share of the nearest ten that are found, of documents that pass.
fn recall(
    vectors: &Vectors,
    targets: &[RowsOf],
    ef: usize,
    passes: Option<fn(u32) -> bool>,
) -> f64 {
    let (mut found, mut asked) = (0, 0);
    for target in targets {
        let target = vectors.target(target);
        let all = vectors.all(&target);
        let mut exact: Vec<Near> = all
            .filter(|near| passes.is_none_or(|passes| passes(near.document)))
            .collect();
        exact.sort_unstable();
        exact.truncate(10);
        let condition = passes.as_ref().map(|passes| passes as &dyn Fn(u32) -> bool);
        let near = vectors.near(&target, ef, condition);
        assert!(near.len() <= ef);
        for near in &near {
            let distance = vectors.distance(near.document, &target);
            assert_eq!(distance.map(f64::to_bits), Some(near.distance.to_bits()));
            assert!(passes.is_none_or(|passes| passes(near.document)));
        }
        asked += exact.len();
        found += exact.iter().filter(|one| near.contains(one)).count();
    }
    found as f64 / asked as f64
}

fn uses_codes(vectors: &Vectors) -> bool {
    vectors.rows.codes().is_some()
}

/// The same rows in a graph that was made, and is walked, without codes.
fn without_codes(data: &Data, count: usize) -> Vectors {
    let mut vectors = Vectors::new(data.options);
    vectors.rows.drop_codes();
    for (id, row) in data.rows(count, 5).iter().enumerate() {
        vectors.put(id as u32, row);
    }
    vectors
}

const METRICS: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::InnerProduct];

#[test]
fn walks_by_codes_find_what_walks_over_rows_find() {
    for (element, dimensions) in [
        (Element::Float32, 100),
        (Element::Float64, 48),
        (Element::Float16, 64),
    ] {
        for metric in METRICS {
            // In clusters, and without any order.
            for (centres, noise) in [(40, 0.4), (1, 1.0)] {
                let options = field(element, dimensions, metric);
                let data = Data {
                    options,
                    centres,
                    noise,
                    offset: 0.0,
                };
                let by_codes = data.filled(1100);
                assert!(uses_codes(&by_codes), "{element:?} {metric:?} {centres}");
                let by_rows = without_codes(&data, 1100);
                let targets = data.rows(60, 7);
                for ef in [10, 60] {
                    let [codes, rows] =
                        [&by_codes, &by_rows].map(|index| recall(index, &targets, ef, None));
                    let allowed = if ef == 10 { 0.06 } else { 0.03 };
                    let of = format!("{element:?} {metric:?} {centres} centres, ef {ef}");
                    assert!(codes >= rows - allowed, "{of}: {codes} by codes, {rows}");
                }
            }
        }
    }
}

#[test]
fn conditions_many_results_and_radii_are_met_by_codes() {
    for metric in METRICS {
        let data = Data {
            options: field(Element::Float32, 64, metric),
            centres: 20,
            noise: 0.4,
            offset: 0.0,
        };
        let vectors = data.filled(1500);
        assert!(uses_codes(&vectors));
        let targets = data.rows(30, 7);
        let passing = recall(&vectors, &targets, 60, Some(|id| id % 5 == 1));
        assert!(passing >= 0.9, "{metric:?}: {passing}");
        assert_eq!(vectors.near(&targets[0], usize::MAX, None).len(), 1500);
        // More than a single array has room for.
        let many = recall(&vectors, &targets[..3], 1200, None);
        assert!(many >= 0.99, "{metric:?}: {many}");
        for target in &targets {
            let target = vectors.target(target);
            let mut exact: Vec<Near> = vectors.all(&target).collect();
            exact.sort_unstable();
            let radius = exact[20].distance;
            let near = vectors.within(&target, radius, 0.01);
            assert!(near.iter().all(|one| exact[..=20].contains(one)));
        }
    }
}

#[test]
fn a_graph_stays_sound_and_found_as_rows_change() {
    let data = Data {
        options: field(Element::Float32, 64, Metric::L2),
        centres: 30,
        noise: 0.4,
        offset: 0.0,
    };
    let mut vectors = data.filled(2000);
    let (others, mut random) = (data.rows(2000, 11), Random(13));
    for round in 0..4 {
        for _ in 0..600 {
            let id = (random.next() * 2000.0) as u32;
            if random.next() < 0.4 {
                vectors.remove(id);
            } else {
                vectors.put(id, &others[(id as usize * 7 + round) % others.len()]);
            }
        }
        let rows = vectors.documents.iter().enumerate();
        let alive = rows.filter(|(_, document)| **document != NONE);
        let graph = vectors.graph.as_ref().expect("a graph");
        graph.check(alive.map(|(row, _)| row as u32));
        assert!(uses_codes(&vectors));
        let found = recall(&vectors, &data.rows(40, 7), 40, None);
        assert!(found >= 0.95, "{found}");
    }
    for id in 0..2000 {
        vectors.remove(id);
    }
    assert!(!uses_codes(&vectors));
    assert_eq!(vectors.near(&others[0], 10, None), []);
}

#[test]
fn codes_that_do_not_tell_rows_apart_are_not_used() {
    // All far from the origin; clusters within a step of a code.
    for (centres, noise, offset) in [(1, 1.0, 100.0), (30, 0.02, 0.0)] {
        let data = Data {
            options: field(Element::Float32, 64, Metric::L2),
            centres,
            noise,
            offset,
        };
        let vectors = data.filled(1500);
        assert!(!uses_codes(&vectors));
        let found = recall(&vectors, &data.rows(40, 7), 100, None);
        assert!(found >= 0.9, "{found}");
    }
}

#[test]
fn rows_that_codes_do_not_hold_are_found() {
    for element in [Element::Float32, Element::Float64] {
        let data = Data {
            options: field(element, 32, Metric::L2),
            centres: 10,
            noise: 0.4,
            offset: 0.0,
        };
        let row = |number: f64| {
            let mut row = RowsOf::new();
            (0..32).for_each(|_| element::write(element, number, &mut row));
            row
        };
        let mut vectors = data.filled(1200);
        assert!(uses_codes(&vectors));
        let huge = if element == Element::Float32 {
            1e17
        } else {
            1e90
        };
        for odd in [huge, 1e-16, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            vectors.put(5000, &row(odd));
            assert_eq!(uses_codes(&vectors), !odd.is_finite());
            let near = vectors.near(&row(odd), 10, None);
            assert!(!odd.is_finite() || near.iter().any(|near| near.document == 5000));
            vectors.remove(5000);
            assert!(uses_codes(&vectors));
            // A target that has no code.
            assert_eq!(vectors.near(&row(odd), 10, None).len(), 10);
        }
        vectors.put(5000, &row(0.0));
        assert!(uses_codes(&vectors));
        assert!(recall(&vectors, &[row(0.0)], 40, None) >= 0.9);
    }
    // Of length 0: no direction.
    let data = Data {
        options: field(Element::Float32, 32, Metric::Cosine),
        centres: 10,
        noise: 0.4,
        offset: 0.0,
    };
    let mut vectors = data.filled(1200);
    let zeros = vec![0; 128];
    vectors.put(5000, &zeros);
    assert!(uses_codes(&vectors));
    vectors.remove(5000);
    assert!(uses_codes(&vectors));
    assert_eq!(vectors.near(&vectors.target(&zeros), 10, None).len(), 10);
}

#[test]
fn codes_are_at_most_three_tenths_of_an_index() {
    let elements = [
        (Element::Float32, 4),
        (Element::Float64, 8),
        (Element::Float16, 2),
        (Element::BFloat16, 2),
        (Element::Int8, 1),
        (Element::Uint8, 1),
    ];
    for (element, size) in elements {
        for dimensions in [8, 31, 32, 33, 64, 128, 1000] {
            let options = field(element, dimensions, Metric::L2);
            let row = vec![0; dimensions * size];
            let [mut with, mut without] = [0, 1].map(|_| Vectors::new(options));
            without.rows.drop_codes();
            // Memory goes by whole chunks.
            with.put(0, &row);
            without.put(0, &row);
            let (more, bytes) = (with.bytes() - without.bytes(), without.bytes());
            assert!(
                more * 10 <= bytes * 3,
                "{element:?} {dimensions}: {more} of {bytes}"
            );
            assert_eq!(more > 0, with.rows.has_codes());
            let expected = dimensions >= 32 && (size > 2 || size == 2 && dimensions <= 64);
            assert_eq!(with.rows.has_codes(), expected, "{element:?} {dimensions}");
        }
    }
    let flat = schema::Vector {
        algorithm: Algorithm::Flat { block_size: 1024 },
        ..field(Element::Float32, 128, Metric::L2)
    };
    assert!(!Vectors::new(flat).rows.has_codes());
}
