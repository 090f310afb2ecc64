//! Distances as the definitions have them; graphs against all distances, also after many
//! removals.

mod alike;
mod codes;
mod json;

use super::*;
use crate::schema::{Algorithm, Element, Hnsw, Metric};

fn options(element: Element, metric: Metric) -> schema::Vector {
    schema::Vector {
        element,
        dimensions: 11,
        metric,
        algorithm: Algorithm::Flat { block_size: 1024 },
        initial_cap: 0,
        takes_several: false,
    }
}

#[test]
fn distances_of_all_elements_and_metrics_are_their_definitions() {
    let (a, b): (Vec<f64>, Vec<f64>) = (0..11u32)
        .map(|n| (f64::from(n), f64::from(n * 5 % 7)))
        .unzip();
    let dot: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    for element in [
        Element::Float32,
        Element::Float64,
        Element::BFloat16,
        Element::Float16,
        Element::Int8,
        Element::Uint8,
    ] {
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            let options = options(element, metric);
            let row = |v: &[f64]| {
                let items: Vec<Item<'_>> = v.iter().map(|x| Item::Number(*x)).collect();
                of_items(&options, &[Item::List(items)]).expect("a row")
            };
            let mut vectors = Vectors::new(options);
            vectors.put(3, &row(&b));
            let expected = match metric {
                Metric::L2 => a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum(),
                Metric::InnerProduct => 1.0 - dot,
                Metric::Cosine => 1.0 - dot / length(&a) / length(&b),
            };
            let got = vectors
                .distance(3, &vectors.target(&row(&a)))
                .expect("a distance");
            let error = if matches!(element, Element::BFloat16 | Element::Float16) {
                0.01
            } else {
                1e-5
            };
            assert!(
                (got - expected).abs() < error,
                "{element:?} {metric:?}: {got} {expected}"
            );
        }
    }
}

/// Rows in clusters, as embeddings are.
fn clustered(count: usize, dimensions: usize) -> Vec<Vec<u8>> {
    let mut state = 7u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let centers: Vec<Vec<f32>> = (0..40)
        .map(|_| (0..dimensions).map(|_| random()).collect())
        .collect();
    let row = |at: usize| {
        let center = &centers[at % centers.len()];
        center
            .iter()
            .flat_map(|x| (x + random() * 0.3).to_le_bytes())
            .collect()
    };
    (0..count).map(row).collect()
}

#[test]
fn a_graph_finds_nearly_all_of_the_nearest_also_after_removals() {
    let hnsw = Hnsw::default();
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let options = schema::Vector {
            element: Element::Float32,
            dimensions: 24,
            metric,
            algorithm: Algorithm::Hnsw(hnsw),
            initial_cap: 0,
            takes_several: false,
        };
        let rows = clustered(3000, 24);
        let mut vectors = Vectors::new(options);
        for (id, row) in rows.iter().enumerate() {
            vectors.put(id as u32, row);
        }
        // A third goes, and half of that comes back as another.
        for id in (0..3000).step_by(3) {
            vectors.remove(id);
        }
        for id in (0..3000).step_by(6) {
            vectors.put(id, &rows[(id as usize + 1500) % 3000]);
        }
        let graph = vectors.graph.as_ref().expect("a graph");
        let all = vectors
            .documents
            .iter()
            .enumerate()
            .filter(|(_, document)| **document != NONE);
        graph.check(all.map(|(row, _)| row as u32));
        let (mut found, mut asked) = (0, 0);
        for target in rows.iter().step_by(30) {
            let target = vectors.target(target);
            let mut exact: Vec<Near> = vectors.all(&target).collect();
            exact.sort_unstable();
            let near = vectors.near(&target, 60, None);
            asked += 10;
            found += exact[..10]
                .iter()
                .filter(|near_one| near.contains(near_one))
                .count();
            let passing = vectors.near(&target, 60, Some(&|document| document % 2 == 1));
            assert!(passing.iter().all(|near| near.document % 2 == 1));
        }
        assert!(found * 100 >= asked * 90, "{metric:?}: {found} of {asked}");
        let target = vectors.target(&rows[5]);
        let radius = 0.4;
        let exact = vectors
            .all(&target)
            .filter(|near| near.distance <= radius)
            .count();
        let near = vectors.within(&target, radius, 0.01);
        assert!(near.iter().all(|near| near.distance <= radius));
        assert!(
            near.len() * 100 >= exact * 90,
            "{metric:?}: {} of {exact}",
            near.len()
        );
    }
}

#[test]
fn a_graph_of_few_rows_finds_all_of_them() {
    let options = schema::Vector {
        algorithm: Algorithm::Hnsw(Hnsw::default()),
        ..options(Element::Float32, Metric::L2)
    };
    let rows = clustered(12, 11);
    let mut vectors = Vectors::new(options);
    for round in 0..4 {
        for (id, row) in rows.iter().enumerate() {
            vectors.put(id as u32, row);
            assert_eq!(vectors.near(row, 20, None).len(), id + 1);
        }
        for id in 0..12 {
            vectors.remove((id + round * 5) % 12);
            assert_eq!(vectors.near(&rows[0], 20, None).len(), 11 - id as usize);
        }
    }
}
