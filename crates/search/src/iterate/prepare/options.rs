//! The options of a query over vectors, and their refusals.
//!
//! Source: KNN and VECTOR_RANGE of Redis Stack 7.4, and their errors.

use crate::index::{Index, Vectors};
use crate::query::{QueryError, Reach, VectorQuery};
use crate::schema::FieldKind;

/// The options of a query, or of the field if the query names none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) ef_runtime: usize,
    pub(crate) epsilon: f64,
}

fn error(text: String) -> QueryError {
    QueryError(text.into_bytes())
}

fn option_error(text: &str) -> QueryError {
    error(format!(
        "Error parsing vector similarity parameters: {text}"
    ))
}

/// Reads the options of a query over a field with a graph, or without.
fn options(query: &VectorQuery, graph: Option<crate::schema::Hnsw>) -> Result<Options, QueryError> {
    let usual = graph.unwrap_or_default();
    let mut options = Options {
        ef_runtime: usual.ef_runtime,
        epsilon: usual.epsilon,
    };
    let is_range = matches!(query.reach, Reach::Within(_));
    let is_hybrid = query.filter.is_some();
    let (mut is_ad_hoc, mut has_batch, mut has_ef) = (false, false, false);
    let mut named: Vec<Vec<u8>> = Vec::new();
    for (name, value) in &query.options {
        let name = name.to_ascii_lowercase();
        if named.contains(&name) {
            return Err(option_error("Parameter was specified twice"));
        }
        named.push(name);
        let name = named.last().expect("it was pushed");
        let text = std::str::from_utf8(value).unwrap_or_default();
        let positive = || text.parse::<usize>().ok().filter(|n| *n > 0);
        let bad_value = || option_error("Invalid value was given");
        match name.as_slice() {
            b"ef_runtime" if graph.is_some() && !is_range => {
                has_ef = true;
                options.ef_runtime = positive().ok_or_else(bad_value)?;
            }
            b"epsilon" if graph.is_some() && is_range => {
                let epsilon = text.parse().ok().filter(|epsilon| *epsilon > 0.0);
                options.epsilon = epsilon.ok_or_else(bad_value)?;
            }
            b"epsilon" if graph.is_some() => {
                let text = "range query attributes were sent for a non-range query";
                return Err(option_error(text));
            }
            b"batch_size" | b"hybrid_policy" if !is_hybrid => {
                let text = "hybrid query attributes were sent for a non-hybrid query";
                return Err(option_error(text));
            }
            b"batch_size" => {
                positive().ok_or_else(bad_value)?;
                has_batch = true;
            }
            b"hybrid_policy" => {
                is_ad_hoc = value.eq_ignore_ascii_case(b"ADHOC_BF");
                if !is_ad_hoc && !value.eq_ignore_ascii_case(b"BATCHES") {
                    return Err(option_error("invalid hybrid policy was given"));
                }
            }
            b"shard_k_ratio" => {
                let ratio = text.parse::<f64>().ok();
                ratio
                    .filter(|ratio| *ratio > 0.0 && *ratio <= 1.0)
                    .ok_or_else(bad_value)?;
            }
            _ => return Err(option_error("Invalid option")),
        }
    }
    if is_ad_hoc && has_batch {
        let text = "'batch size' is irrelevant for 'ADHOC_BF' policy";
        return Err(option_error(text));
    }
    if is_ad_hoc && has_ef {
        let text = "'EF_RUNTIME' is irrelevant for 'ADHOC_BF' policy";
        return Err(option_error(text));
    }
    Ok(options)
}

impl Options {
    /// The options of a query over the vectors of a field.
    ///
    /// # Errors
    ///
    /// A vector of another size than the field's, a radius below 0, options that are unknown, or
    /// not of such a query.
    pub(crate) fn of(
        index: &Index,
        field: usize,
        vectors: &Vectors,
        query: &VectorQuery,
    ) -> Result<Options, QueryError> {
        let (size, expected) = (query.vector.len(), vectors.row_bytes());
        if size != expected {
            return Err(error(format!(
                "Error parsing vector similarity query: query vector blob size ({size}) does not \
                 match index's expected size ({expected})."
            )));
        }
        if let Reach::Within(radius) = query.reach
            && radius < 0.0
        {
            let radius = russet_base::numbers::general(radius, 6);
            return Err(error(format!(
                "Error parsing vector similarity query: negative radius ({radius}) given in a \
                 range query"
            )));
        }
        options(query, graph_of(index, field))
    }
}

/// The options of a field's graph; `None`: it has none.
pub(crate) fn graph_of(index: &Index, field: usize) -> Option<crate::schema::Hnsw> {
    match &index.schema().fields[field].kind {
        FieldKind::Vector(vector) => vector.algorithm.graph(),
        _ => None,
    }
}
