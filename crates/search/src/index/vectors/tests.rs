//! Distances as the definitions have them.

use super::*;
use crate::schema::{Algorithm, Element};

fn options(element: Element, metric: Metric) -> schema::Vector {
    schema::Vector {
        element,
        dimensions: 11,
        metric,
        algorithm: Algorithm::Flat { block_size: 1024 },
        initial_cap: 0,
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
                of_items(&options, &items).expect("a row")
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
