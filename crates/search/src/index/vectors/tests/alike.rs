//! Rows that are alike, or near to nothing: equal rows, groups of nearly equal rows, zeros,
//! elements that are no numbers. As many documents are found as are wanted or there are, and no
//! distance that is no number comes before another.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const ELEMENTS: [Element; 6] = [
    Element::Float32,
    Element::Float64,
    Element::BFloat16,
    Element::Float16,
    Element::Int8,
    Element::Uint8,
];

const DIMENSIONS: usize = 3;

fn field(element: Element, metric: Metric, algorithm: Algorithm) -> schema::Vector {
    schema::Vector {
        dimensions: DIMENSIONS,
        algorithm,
        takes_several: true,
        ..options(element, metric)
    }
}

fn algorithms() -> [Algorithm; 3] {
    let small = Hnsw {
        m: 2,
        ef_construction: 4,
        ..Hnsw::default()
    };
    [
        Algorithm::Flat { block_size: 1024 },
        Algorithm::Hnsw(Hnsw::default()),
        Algorithm::Hnsw(small),
    ]
}

/// The elements of rows: few values, so that many rows are equal, and some that no distance can be
/// counted with.
fn element_of_row() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => Just(0.0),
        8 => (0..4u8).prop_map(f64::from),
        4 => (0..100u8).prop_map(|n| 1.0 + f64::from(n) * 1e-4),
        1 => prop::sample::select(vec![
            f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e30, -1e30, 1e-45, 5e-324,
        ]),
    ]
}

fn row() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        1 => Just(vec![0.0; DIMENSIONS]),
        2 => Just(vec![1.0, 2.0, 3.0]),
        6 => prop::collection::vec(element_of_row(), DIMENSIONS),
    ]
}

fn bytes_of(element: Element, row: &[f64]) -> RowsOf {
    let mut bytes = RowsOf::new();
    row.iter()
        .for_each(|number| element::write(element, *number, &mut bytes));
    bytes
}

/// Checks what a target finds against the distances of all documents.
fn check_near(vectors: &Vectors, target: &[u8], documents: usize) {
    let target = vectors.target(target);
    let mut exact: Vec<Near> = vectors.all(&target).collect();
    assert_eq!(exact.len(), documents);
    exact.sort_unstable();
    let first_nan = exact.partition_point(|near| !near.distance.is_nan());
    assert!(exact[first_nan..].iter().all(|near| near.distance.is_nan()));
    if !vectors.has_graph() {
        return;
    }
    for ef in [1, 10, documents.max(1), documents + 5] {
        let near = vectors.near(&target, ef, None);
        assert!(near.len() >= ef.min(documents), "{} of {ef}", near.len());
        assert!(near.is_sorted_by(|a, b| a.document < b.document));
        let odd = |document: u32| document % 2 == 1;
        let wanted = exact.iter().filter(|near| odd(near.document)).count();
        let passing = vectors.near(&target, ef, Some(&odd));
        assert!(passing.iter().all(|near| odd(near.document)));
        assert!(passing.len() >= ef.min(wanted));
    }
    if vectors.rows.metric() == Metric::InnerProduct && !vectors.loose.is_empty() {
        // The product with an infinite row may be the greatest: it is found, but not first.
        return;
    }
    // More documents are wanted than there are, so the walk cannot end before all rows were seen.
    let mut near = vectors.near(&target, documents + 1, None);
    near.sort_unstable();
    let numbers = |all: &[Near]| -> Vec<u64> {
        let distances = all.iter().map(|near| near.distance.to_bits());
        distances.collect()
    };
    assert_eq!(numbers(&near), numbers(&exact));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Documents of a row or several are put, changed and removed.
    #[test]
    fn as_many_are_found_as_there_are(
        steps in prop::collection::vec((0..40u32, prop::collection::vec(row(), 0..4)), 1..120),
        targets in prop::collection::vec(row(), 3),
        kinds in (0..ELEMENTS.len(), 0..3usize, 0..3usize),
    ) {
        let element = ELEMENTS[kinds.0];
        let metric = [Metric::L2, Metric::InnerProduct, Metric::Cosine][kinds.1];
        let mut vectors = Vectors::new(field(element, metric, algorithms()[kinds.2]));
        let mut model = BTreeMap::new();
        for (document, rows) in &steps {
            let bytes: RowsOf = rows.iter().flat_map(|row| bytes_of(element, row)).collect();
            vectors.put(*document, &bytes);
            model.insert(*document, rows.len());
            if rows.is_empty() {
                model.remove(document);
            }
        }
        if let Some(graph) = &vectors.graph {
            let all = (0..vectors.documents.len() as u32)
                .filter(|row| vectors.documents[*row as usize] != NONE && !vectors.loose.contains(row));
            graph.check(all);
        }
        for target in &targets {
            check_near(&vectors, &bytes_of(element, target), model.len());
        }
    }
}

fn filled(options: schema::Vector, rows: impl Iterator<Item = Vec<f64>>) -> Vectors {
    let mut vectors = Vectors::new(options);
    for (document, row) in rows.enumerate() {
        vectors.put(document as u32, &bytes_of(options.element, &row));
    }
    vectors
}

#[test]
fn of_many_equal_rows_as_many_are_found_as_are_wanted() {
    let groups: [fn(u32) -> f64; 4] = [
        |_| 1.0,
        |n| f64::from(n % 2),
        |n| f64::from(n % 20) * 100.0,
        |n| f64::from(n % 5) * 100.0 + f64::from(n) * 1e-4,
    ];
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        for group in groups {
            let count = if metric == Metric::L2 { 2000 } else { 400 };
            let row = |n: u32| vec![group(n), 1.0, 2.0];
            let algorithm = Algorithm::Hnsw(Hnsw::default());
            let options = field(Element::Float32, metric, algorithm);
            let vectors = filled(options, (0..count).map(row));
            for target in [0, 7, count - 1] {
                let target = vectors.target(&bytes_of(options.element, &row(target)));
                for wanted in [1, 10, 100, count as usize] {
                    assert_eq!(vectors.near(&target, wanted, None).len(), wanted);
                }
            }
        }
    }
}

#[test]
fn rows_of_zeros_do_not_hide_others() {
    for algorithm in algorithms() {
        let options = field(Element::Float32, Metric::Cosine, algorithm);
        let row = |n: u32| match n % 50 {
            0 => vec![0.0; DIMENSIONS],
            _ => vec![1.0, f64::from(n) * 1e-3, 0.5],
        };
        let vectors = filled(options, (0..2000).map(row));
        let target = vectors.target(&bytes_of(options.element, &row(77)));
        let mut near = if vectors.has_graph() {
            vectors.near(&target, 2000, None)
        } else {
            vectors.all(&target).collect()
        };
        assert_eq!(near.len(), 2000, "{algorithm:?}");
        near.sort_unstable();
        assert_eq!(near[0].document, 77);
        assert!(near[..1960].iter().all(|near| !near.distance.is_nan()));
        assert!(near[1960..].iter().all(|near| near.distance.is_nan()));
        assert_eq!(vectors.within(&target, 2.0, 0.01).len(), 1960);
    }
}

#[test]
fn a_radius_is_a_number_as_distances_are() {
    for algorithm in algorithms() {
        let options = field(Element::Float32, Metric::L2, algorithm);
        let vectors = filled(options, (0..10).map(|n| vec![f64::from(n) * 0.1, 0.0, 0.0]));
        let target = vectors.target(&bytes_of(options.element, &[0.0; 3]));
        for near in vectors.all(&target) {
            // As it is shown, and read again.
            let shown: f64 = format!("{:.12}", near.distance).parse().expect("a number");
            for radius in [near.distance, shown] {
                let within = vectors.within(&target, radius, 0.01);
                assert_eq!(within.len() as u32, near.document + 1, "{algorithm:?}");
            }
        }
    }
}

#[test]
fn the_rows_that_a_changed_document_keeps_stay() {
    let options = field(
        Element::Float32,
        Metric::L2,
        Algorithm::Hnsw(Hnsw::default()),
    );
    let rows = |changed: usize| -> RowsOf {
        let row = |n: usize| vec![n as f64, f64::from(u8::from(n == changed)), 0.0];
        (0..50)
            .flat_map(|n| bytes_of(options.element, &row(n)))
            .collect()
    };
    let mut vectors = Vectors::new(options);
    vectors.put(0, &rows(50));
    let before: Vec<u32> = vectors.rows(0).collect();
    vectors.put(0, &rows(20));
    let after: Vec<u32> = vectors.rows(0).collect();
    let differing = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(differing <= 1, "{differing}");
    assert_eq!(vectors.rows(0).count(), 50);
}

/// Among rows of which most are equal the others are found as well.
#[test]
fn equal_rows_do_not_hide_others() {
    let options = schema::Vector {
        dimensions: 8,
        ..field(
            Element::Float32,
            Metric::L2,
            Algorithm::Hnsw(Hnsw::default()),
        )
    };
    let mut state = 5u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    let mut row = |n: u32| match n % 4 {
        0 => (0..8).map(|_| random()).collect(),
        _ => vec![0.5; 8],
    };
    let rows: Vec<Vec<f64>> = (0..2000).map(&mut row).collect();
    let vectors = filled(options, rows.iter().cloned());
    let (mut found, mut asked) = (0, 0);
    for at in (0..2000).step_by(100) {
        let target = vectors.target(&bytes_of(options.element, &rows[at]));
        let mut exact: Vec<Near> = vectors.all(&target).collect();
        exact.sort_unstable();
        let near = vectors.near(&target, 10, None);
        asked += 1;
        found += usize::from(near.iter().any(|near| near.distance == exact[0].distance));
    }
    assert!(found * 100 >= asked * 90, "{found} of {asked}");
}
