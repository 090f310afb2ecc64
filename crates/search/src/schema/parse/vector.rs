//! `VECTOR algorithm count key value ...`: the parameters of a vector index.
//!
//! Only the count says where they end; the last value of a repeated key counts. The valid keys
//! depend on the algorithm; all algorithms need TYPE, DIM and DISTANCE_METRIC.

use std::ops::RangeInclusive;

use crate::arguments::{
    Arguments, NONE_PROVIDED, NOT_CONVERTED, OUT_OF_BOUNDS, UNKNOWN, is, number,
};
use crate::error::{self, SearchError};
use crate::schema::{Algorithm, Element, Hnsw, Metric, Svs, Vector};
use russet_base::numbers::number::parse_i64;

/// Vectors that FLAT keeps in a block, and that an index makes room for.
const BLOCK_SIZE: usize = 1024;

/// A size by which nothing is allocated: of candidates there are as many as vectors, and capacities
/// and thresholds have no effect.
const ANY: RangeInclusive<usize> = 1..=usize::MAX;
/// The M of a graph, and the degree of a graph, which is twice M.
const LINKS: RangeInclusive<usize> = 1..=Vector::LINKS_MAX;
const DEGREE: RangeInclusive<usize> = 1..=2 * Vector::LINKS_MAX;

const COMPRESSIONS: [&str; 6] = [
    "LVQ8",
    "LVQ4",
    "LVQ4x4",
    "LVQ4x8",
    "LeanVec4x8",
    "LeanVec8x8",
];

const WRONG_ELEMENT: &str = "Not supported data type is given. Expected: FLOAT16, FLOAT32";
const NO_COMPRESSION: &str = "TRAINING_THRESHOLD is irrelevant when compression was not requested";

const ELEMENTS: [Element; 6] = [
    Element::Float32,
    Element::Float64,
    Element::BFloat16,
    Element::Float16,
    Element::Int8,
    Element::Uint8,
];

const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

/// The vector field that the words after VECTOR describe.
pub(super) fn parse(words: &mut Arguments<'_>) -> Result<Vector, SearchError> {
    const ALGORITHM: &str = "vector similarity algorithm";
    let algorithm = match words.value(ALGORITHM)?.to_ascii_uppercase().as_slice() {
        b"FLAT" => Algorithm::Flat {
            block_size: BLOCK_SIZE,
        },
        b"HNSW" => Algorithm::Hnsw(Hnsw::default()),
        b"SVS-VAMANA" => Algorithm::Svs(Svs::default()),
        _ => return Err(SearchError::bad_arguments(ALGORITHM, UNKNOWN)),
    };
    let count = words.integer("vector similarity number of parameters", 0)?;
    if count % 2 == 1 {
        let text = format!(
            "Bad number of arguments for vector similarity index: got {count} but expected even \
             number as algorithm parameters (should be submitted as named arguments)"
        );
        return Err(SearchError::new(error::PARSE_ARGS, text));
    }
    let left = words.len();
    let given = usize::try_from(count)
        .ok()
        .and_then(|count| words.many(count));
    let given = given.ok_or_else(|| SearchError::too_few_parameters(count.unsigned_abs(), left))?;
    let mut parameters = Parameters {
        algorithm,
        element: None,
        dimensions: None,
        metric: None,
        initial_cap: BLOCK_SIZE,
        training_threshold: None,
    };
    let (pairs, _) = given.as_chunks::<2>();
    for [key, value] in pairs {
        parameters.set(key, value)?;
    }
    parameters.finish()
}

struct Parameters {
    algorithm: Algorithm,
    element: Option<Element>,
    dimensions: Option<usize>,
    metric: Option<Metric>,
    initial_cap: usize,
    /// Of HNSW: its place is before or after that of the compression.
    training_threshold: Option<usize>,
}

/// A parameter that is being read: the name in 8.10's errors and in 2.10's.
#[derive(Clone, Copy)]
struct Key {
    algorithm: &'static str,
    name: &'static str,
    old_name: &'static str,
}

impl Key {
    fn wrong(self, why: &str) -> SearchError {
        SearchError::bad_parameter(self.algorithm, self.name, self.old_name, why)
    }

    /// A whole number within bounds.
    fn size(self, value: &[u8], bounds: RangeInclusive<usize>) -> Result<usize, SearchError> {
        let n = parse_i64(value).ok_or_else(|| self.wrong(NOT_CONVERTED))?;
        let n = usize::try_from(n).ok().filter(|n| bounds.contains(n));
        n.ok_or_else(|| self.wrong(OUT_OF_BOUNDS))
    }

    fn epsilon(self, value: &[u8]) -> Result<f64, SearchError> {
        let n = number(value).ok_or_else(|| self.wrong(NOT_CONVERTED))?;
        Some(n)
            .filter(|n| *n >= 0.0)
            .ok_or_else(|| self.wrong(OUT_OF_BOUNDS))
    }

    fn one_of<T: Copy>(
        self,
        value: &[u8],
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, SearchError> {
        let found = all.iter().find(|one| is(value, name(**one)));
        found.copied().ok_or_else(|| {
            let why = if value.is_empty() {
                NONE_PROVIDED
            } else {
                UNKNOWN
            };
            self.wrong(why)
        })
    }
}

impl Parameters {
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), SearchError> {
        let algorithm = self.algorithm.name();
        let upper = key.to_ascii_uppercase();
        let named = |name, old_name| Key {
            algorithm,
            name,
            old_name,
        };
        match (upper.as_slice(), &mut self.algorithm) {
            (b"TYPE", _) => {
                let key = named("TYPE", "type");
                self.element = Some(key.one_of(value, &ELEMENTS, Element::name)?);
            }
            (b"DIM", _) => self.dimensions = Some(named("DIM", "dim").size(value, ANY)?),
            (b"DISTANCE_METRIC", _) => {
                let key = named("DISTANCE_METRIC", "metric");
                self.metric = Some(key.one_of(value, &METRICS, Metric::name)?);
            }
            (b"INITIAL_CAP", Algorithm::Flat { .. } | Algorithm::Hnsw(_)) => {
                self.initial_cap =
                    named("INITIAL_CAP", "initial cap").size(value, 0..=usize::MAX)?;
            }
            (b"BLOCK_SIZE", Algorithm::Flat { block_size }) => {
                *block_size = named("BLOCK_SIZE", "blocksize").size(value, ANY)?;
            }
            (b"M", Algorithm::Hnsw(graph)) => graph.m = named("M", "m").size(value, LINKS)?,
            (b"EF_CONSTRUCTION", Algorithm::Hnsw(graph)) => {
                let key = named("EF_CONSTRUCTION", "efConstruction");
                graph.ef_construction = key.size(value, ANY)?;
            }
            (b"EF_RUNTIME", Algorithm::Hnsw(graph)) => {
                graph.ef_runtime = named("EF_RUNTIME", "efRuntime").size(value, ANY)?;
            }
            (b"EPSILON", Algorithm::Hnsw(graph)) => {
                graph.epsilon = named("EPSILON", "epsilon").epsilon(value)?;
            }
            (b"COMPRESSION", Algorithm::Hnsw(graph)) => {
                named("COMPRESSION", "compression").one_of(value, &["SQ8"], |name| name)?;
                graph.sq8 = Some(Hnsw::TRAINING_THRESHOLD);
            }
            (b"TRAINING_THRESHOLD", Algorithm::Hnsw(_)) => {
                let key = named("TRAINING_THRESHOLD", "training threshold");
                let threshold = key.size(value, 0..=Hnsw::TRAINING_THRESHOLD_MAX)?;
                self.training_threshold = Some(threshold);
            }
            (upper, Algorithm::Svs(svs)) => {
                if !set_svs(svs, upper, value)? {
                    return Err(self.unknown(key));
                }
            }
            _ => return Err(self.unknown(key)),
        }
        Ok(())
    }

    fn unknown(&self, key: &[u8]) -> SearchError {
        let before = format!("Bad arguments for algorithm {}: ", self.algorithm.name());
        SearchError::of(error::PARSE_ARGS, &[before.as_bytes(), key])
    }

    fn finish(mut self) -> Result<Vector, SearchError> {
        let missing = |name: &str| {
            let algorithm = self.algorithm.name();
            let text = format!(
                "Missing mandatory parameter: cannot create {algorithm} index without specifying \
                 {name} argument"
            );
            SearchError::new(error::PARSE_ARGS, text)
        };
        let element = self.element.ok_or_else(|| missing("TYPE"))?;
        let dimensions = self.dimensions.ok_or_else(|| missing("DIM"))?;
        let metric = self.metric.ok_or_else(|| missing("DISTANCE_METRIC"))?;
        match &mut self.algorithm {
            Algorithm::Svs(svs) => check_svs(svs, element)?,
            Algorithm::Hnsw(graph) => {
                set_sq8(graph, self.training_threshold, (element, metric))?;
            }
            Algorithm::Flat { .. } => {}
        }
        let vector = Vector {
            element,
            dimensions,
            metric,
            algorithm: self.algorithm,
            initial_cap: self.initial_cap,
            takes_several: false,
        };
        vector.check(Vector::BYTES_MAX)?;
        Ok(vector)
    }
}

/// The threshold of a graph with COMPRESSION SQ8, and what the two need. The texts follow those of
/// SVS-VAMANA, because no server with SQ8 could be asked.
fn set_sq8(
    graph: &mut Hnsw,
    threshold: Option<usize>,
    (element, metric): (Element, Metric),
) -> Result<(), SearchError> {
    let wrong = |text: &str| Err(SearchError::new(error::PARSE_ARGS, text));
    let Some(usual) = graph.sq8 else {
        return match threshold {
            Some(_) => wrong(NO_COMPRESSION),
            None => Ok(()),
        };
    };
    let threshold = threshold.unwrap_or(usual);
    match element {
        Element::Float32 => {}
        Element::Float16 if metric != Metric::L2 || threshold == 0 => {}
        Element::Float16 => {
            return wrong("COMPRESSION SQ8 of FLOAT16 with L2 needs TRAINING_THRESHOLD 0");
        }
        _ => return wrong(WRONG_ELEMENT),
    }
    graph.sq8 = Some(threshold);
    Ok(())
}

/// Sets a parameter of SVS-VAMANA. `false`: no parameter has the name.
fn set_svs(svs: &mut Svs, key: &[u8], value: &[u8]) -> Result<bool, SearchError> {
    let named = |name| Key {
        algorithm: "SVS-VAMANA",
        name,
        old_name: name,
    };
    match key {
        b"GRAPH_MAX_DEGREE" => {
            svs.graph_max_degree = named("GRAPH_MAX_DEGREE").size(value, DEGREE)?
        }
        b"CONSTRUCTION_WINDOW_SIZE" => {
            svs.construction_window = named("CONSTRUCTION_WINDOW_SIZE").size(value, ANY)?;
        }
        b"SEARCH_WINDOW_SIZE" => {
            svs.search_window = named("SEARCH_WINDOW_SIZE").size(value, ANY)?
        }
        b"EPSILON" => svs.epsilon = named("EPSILON").epsilon(value)?,
        b"COMPRESSION" => {
            let key = named("COMPRESSION");
            svs.compression = Some(key.one_of(value, &COMPRESSIONS, |name| name)?);
        }
        b"TRAINING_THRESHOLD" => {
            svs.training_threshold = Some(named("TRAINING_THRESHOLD").size(value, ANY)?);
        }
        b"REDUCE" => svs.reduced_dimensions = Some(named("REDUCE").size(value, ANY)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Parameters of SVS-VAMANA that need others.
fn check_svs(svs: &Svs, element: Element) -> Result<(), SearchError> {
    let wrong = |text: &str| Err(SearchError::new(error::PARSE_ARGS, text));
    if !matches!(element, Element::Float32 | Element::Float16) {
        return wrong(WRONG_ELEMENT);
    }
    match svs.training_threshold {
        Some(_) if svs.compression.is_none() => {
            return wrong(NO_COMPRESSION);
        }
        Some(threshold) if threshold < BLOCK_SIZE => {
            return wrong(
                "Invalid TRAINING_THRESHOLD: cannot be lower than DEFAULT_BLOCK_SIZE (1024)",
            );
        }
        _ => {}
    }
    let is_lean = svs
        .compression
        .is_some_and(|name| name.starts_with("LeanVec"));
    if svs.reduced_dimensions.is_some() && !is_lean {
        return wrong("REDUCE is irrelevant when compression is not of type LeanVec");
    }
    Ok(())
}
