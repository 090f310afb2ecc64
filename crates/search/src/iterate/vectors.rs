//! Vectors near to one: the nearest K, with or without a condition, or all within a distance.
//!
//! A condition that few documents meet is walked, and each of them compared; else the graph is
//! searched for vectors whose documents meet it.
//!
//! Source: KNN and VECTOR_RANGE of Redis Stack 7.4, and its errors.

use super::build::{Builder, Built};
use super::ids::{Ids, Role};
use super::{Cursor, Distances, END};
use crate::hit::DocumentId;
use crate::index::{Near, Nearest, Part, Vectors};
use crate::query::{Node, QueryError, Reach, VectorQuery};
use crate::schema::FieldKind;
use crate::search::Search;

/// Documents that a condition leaves and that are all compared, at most.
const COMPARED_MAX: usize = 2048;

/// Documents with their distances, and the condition that they meet.
type Found<'i> = (Vec<(u32, f64)>, Option<Cursor<'i>>);

/// The options of a query, or of the field where it names none.
struct Options {
    ef_runtime: usize,
    epsilon: f64,
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

impl<'i> Builder<'i, '_> {
    pub(super) fn vector(&mut self, node: &Node, query: &VectorQuery) -> Built<'i> {
        let Some((field, Part::Vectors(vectors))) = self.index.part(&query.field) else {
            return Ok(Cursor::Empty);
        };
        let graph = match &self.index.schema().fields[field].kind {
            FieldKind::Vector(vector) => vector.algorithm.graph(),
            _ => None,
        };
        if let Some(name) = &node.distance_field
            && self.index.schema().field(name).is_some()
        {
            let text: [&[u8]; 3] = [b"Property `", name, b"` already exists in schema"];
            return Err(QueryError(text.concat()));
        }
        let place = node.distance_field.as_ref().map(|name| {
            let known = self.distance_names.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                self.distance_names.push(name.clone());
                self.distance_names.len() - 1
            })
        });
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
        let options = options(query, graph)?;
        if self.estimates {
            return self.vector_estimate(query, graph.map(|_| options.ef_runtime));
        }
        if let Some(list) = query.found.get() {
            let filter = query.filter.as_ref().filter(|_| !list.is_empty());
            let filter = filter.map(|filter| self.build(filter)).transpose()?;
            let distances = Distances::new(list.clone(), filter, place, node.weight);
            return Ok(Cursor::Distances(Box::new(distances)));
        }
        let target = vectors.target(&query.vector);
        let (list, filter) = match query.reach {
            Reach::Within(radius) => {
                let near = vectors.within(&target, radius, options.epsilon);
                let pair = |near: Near| (near.document, near.distance);
                (near.into_iter().map(pair).collect(), None)
            }
            Reach::Nearest(k) => self.nearest(query, vectors, &target, k as usize, &options)?,
        };
        if self.keeps_found {
            query.found.keep(list.clone());
        }
        Ok(Cursor::Distances(Box::new(Distances::new(
            list,
            filter,
            place,
            node.weight,
        ))))
    }

    /// As many documents as are compared, or as the condition has; `ef`: of a graph.
    fn vector_estimate(&mut self, query: &VectorQuery, ef: Option<usize>) -> Built<'i> {
        if let Some(filter) = &query.filter {
            return self.build(filter);
        }
        let all = self.index.len();
        let compared = match (query.reach, ef) {
            (Reach::Nearest(k), Some(ef)) => all.min(ef.max(k as usize)),
            _ => all,
        };
        let none = Ids::listed(Vec::new(), Role::Plain, 1.0);
        Ok(Cursor::Ids(none.estimated(compared)))
    }

    /// The nearest of the documents that INKEYS names, and the condition that they meet.
    fn nearest_in_keys(
        &mut self,
        query: &VectorQuery,
        vectors: &'i Vectors,
        target: &[u8],
        mut nearest: Nearest,
        keys: &[DocumentId],
    ) -> Result<Found<'i>, QueryError> {
        let search = self.search;
        let among = search.among.as_deref();
        let mut keys: Vec<u32> = keys.iter().map(|id| id.0).collect();
        keys.sort_unstable();
        keys.dedup();
        let filter = query.filter.as_ref();
        let mut filter = filter.map(|filter| self.build(filter)).transpose()?;
        for id in keys.into_iter().filter(|id| Search::counts(among, *id)) {
            let passes = filter.as_mut().is_none_or(|filter| {
                filter.seek(id);
                filter.id() == id
            });
            if let Some(distance) = vectors.distance(id, target)
                && passes
            {
                nearest.put(Near::new(id, distance));
            }
        }
        let again = query.filter.as_ref().map(|filter| self.again(filter));
        Ok((nearest.into_list(), again.transpose()?))
    }

    /// A condition from the start again, for the scores of those that are found: they were counted.
    fn again(&mut self, filter: &Node) -> Built<'i> {
        let tallies = self.tallies.take();
        let again = self.build(filter);
        self.tallies = tallies;
        again
    }

    /// The nearest documents, and the condition that they meet.
    fn nearest(
        &mut self,
        query: &VectorQuery,
        vectors: &'i Vectors,
        target: &[u8],
        k: usize,
        options: &Options,
    ) -> Result<Found<'i>, QueryError> {
        let mut nearest = Nearest::new(k);
        if k == 0 {
            return Ok((Vec::new(), None));
        }
        let ef = options.ef_runtime.max(k);
        let search = self.search;
        let among = search.among.as_deref();
        let counts = |id: u32| Search::counts(among, id);
        if let Some(keys) = &search.in_keys {
            return self.nearest_in_keys(query, vectors, target, nearest, keys);
        }
        let Some(filter) = &query.filter else {
            if vectors.has_graph() {
                let condition = among.map(|_| &counts as &dyn Fn(u32) -> bool);
                let near = vectors.near(target, ef, condition);
                near.into_iter().for_each(|near| nearest.put(near));
            } else {
                let all = vectors.all(target).filter(|near| counts(near.document));
                all.for_each(|near| nearest.put(near));
            }
            return Ok((nearest.into_list(), None));
        };
        let mut documents = self.build(filter)?;
        let mut passing = Vec::new();
        while documents.id() != END {
            if counts(documents.id()) {
                passing.push(documents.id());
            }
            documents.advance();
        }
        if !vectors.has_graph() || passing.len() <= COMPARED_MAX.max(k) {
            for document in passing {
                if let Some(distance) = vectors.distance(document, target) {
                    nearest.put(Near::new(document, distance));
                }
            }
        } else {
            let mut bits = vec![0u64; (self.index.documents().end() as usize).div_ceil(64)];
            for id in &passing {
                bits[*id as usize / 64] |= 1 << (id % 64);
            }
            let passes = |id: u32| bits[id as usize / 64] >> (id % 64) & 1 == 1;
            let near = vectors.near(target, ef, Some(&passes));
            near.into_iter().for_each(|near| nearest.put(near));
        }
        Ok((nearest.into_list(), Some(self.again(filter)?)))
    }
}
