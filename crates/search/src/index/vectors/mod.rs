//! The vectors of a field: rows of equal size, each of a document.
//!
//!     rows | of each row: document, next row of it | of each document: first row
//!
//! | module | what |
//! |---|---|
//! | `rows` | the bytes of rows |
//! | `element` | rows as numbers: reading, lengths, distances |
//! | `codes` | rows once more in 8 bits an element |
//! | `chunks` | how many rows are allocated at once |
//! | `graph`, `path` | HNSW over rows: the links; the links that stay |
//! | `walk` | walks of a graph, by codes or by rows |
//! | `search` | searches of a graph, step by step |
//! | `near` | the nearest of several |
//!
//! Cost: FLAT compares every row, O(rows x dimensions); HNSW, and SVS-VAMANA which is searched like
//! it: `graph`.

mod chunks;
mod codes;
mod element;
mod graph;
mod near;
mod path;
mod rows;
mod search;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use near::{Near, Nearest};
pub(crate) use search::{GraphSearch, SearchOutcome};

use std::collections::{BTreeSet, HashMap};

use crate::document::Item;
use crate::schema;
use graph::Graph;
use rows::Rows;

/// No row, no document.
const NONE: u32 = u32::MAX;

/// The vectors of a document, row after row.
pub(crate) type RowsOf = Vec<u8>;

#[derive(Debug)]
pub(crate) struct Vectors {
    rows: Rows,
    graph: Option<Graph>,
    /// The document of each row, and the document's next row.
    documents: Vec<u32>,
    next: Vec<u32>,
    /// The first row of each document.
    first: Vec<u32>,
    /// Rows that are near to nothing, which the graph does not have.
    loose: BTreeSet<u32>,
}

/// The vector of a hash.
///
/// # Errors
///
/// If the size is not the field's.
pub(crate) fn of_bytes(options: &schema::Vector, bytes: &[u8]) -> Result<RowsOf, Vec<u8>> {
    let expected = options.dimensions * options.element.bytes();
    if bytes.len() != expected {
        let size = bytes.len();
        let text = format!("Could not add vector with blob size {size} (expected size {expected})");
        return Err(text.into_bytes());
    }
    Ok(bytes.to_vec())
}

/// The vectors of a JSON document, of what its path finds: a list of numbers; if the path may find
/// several, lists of numbers and nulls, or a single list of these that begins with a list.
///
/// # Errors
///
/// Anything else, and lists of other lengths.
pub(crate) fn of_items(options: &schema::Vector, items: &[Item<'_>]) -> Result<RowsOf, Vec<u8>> {
    let is_list = |item: &Item<'_>| matches!(item, Item::List(_));
    let items = match items {
        [Item::List(inner)] if options.takes_several && inner.first().is_some_and(is_list) => inner,
        items => items,
    };
    let mut rows = RowsOf::new();
    for item in items {
        match item {
            Item::Null => {}
            Item::List(numbers) => row_of(options, numbers, &mut rows)?,
            _ => return Err(b"Invalid vector: it must be an array of numbers".into()),
        }
    }
    Ok(rows)
}

fn row_of(options: &schema::Vector, items: &[Item<'_>], rows: &mut RowsOf) -> Result<(), Vec<u8>> {
    if items.is_empty() {
        return Err(b"Empty array for vector field on JSON document".into());
    }
    if items.len() != options.dimensions {
        let (size, expected) = (items.len(), options.dimensions);
        let text = format!("Invalid vector length. Expected {expected}, got {size}");
        return Err(text.into_bytes());
    }
    for (at, item) in items.iter().enumerate() {
        let Item::Number(number) = item else {
            return Err(format!("Invalid vector element at index {at}").into_bytes());
        };
        element::write(options.element, *number, rows);
    }
    Ok(())
}

impl Vectors {
    pub(crate) fn new(options: schema::Vector) -> Vectors {
        let graph = options.algorithm.graph();
        Vectors {
            rows: Rows::new(options),
            graph: graph.map(|graph| Graph::new(graph.m, graph.ef_construction)),
            documents: Vec::new(),
            next: Vec::new(),
            first: Vec::new(),
            loose: BTreeSet::new(),
        }
    }

    /// Bytes that a query's vector has.
    pub(crate) fn row_bytes(&self) -> usize {
        self.rows.row_bytes()
    }

    /// Whether there is a graph, by which the nearest are found nearly always.
    pub(crate) fn has_graph(&self) -> bool {
        self.graph.is_some()
    }

    /// The rows of a document, in the order in which they were put.
    fn rows(&self, document: u32) -> impl Iterator<Item = u32> {
        let first = self.first.get(document as usize).copied();
        let next = |row: &u32| Some(self.next[*row as usize]).filter(|row| *row != NONE);
        std::iter::successors(first.filter(|row| *row != NONE), next)
    }

    /// Puts or replaces the vectors of a document. Rows that the document has already stay as they
    /// are. O(rows), and an insertion or a removal for each other row.
    pub(crate) fn put(&mut self, document: u32, rows: &[u8]) {
        let rows: Vec<Vec<u8>> = rows
            .chunks_exact(self.row_bytes())
            .map(|row| self.rows.prepared(row))
            .collect();
        let mut own: HashMap<&[u8], Vec<u32>> = HashMap::new();
        for row in self.rows(document) {
            own.entry(self.rows.get(row)).or_default().push(row);
        }
        let known = |bytes: &Vec<u8>| own.get_mut(bytes.as_slice())?.pop();
        let stay: Vec<Option<u32>> = rows.iter().map(known).collect();
        let gone: Vec<u32> = own.into_values().flatten().collect();
        gone.into_iter().for_each(|row| self.free(row));
        if self.first.len() <= document as usize {
            self.first.resize(document as usize + 1, NONE);
        }
        self.first[document as usize] = NONE;
        for (bytes, known) in rows.iter().zip(stay).rev() {
            let row = known.unwrap_or_else(|| self.put_row(document, bytes));
            self.next[row as usize] = std::mem::replace(&mut self.first[document as usize], row);
        }
    }

    /// Puts a row that is new.
    fn put_row(&mut self, document: u32, bytes: &[u8]) -> u32 {
        let row = self.rows.put(bytes);
        if self.documents.len() <= row as usize {
            self.documents.resize(row as usize + 1, NONE);
            self.next.resize(row as usize + 1, NONE);
        }
        self.documents[row as usize] = document;
        if let Some(graph) = &mut self.graph {
            if self.rows.is_loose(row) {
                self.loose.insert(row);
            } else if let Some(gap) = graph.insert(&self.rows, row) {
                self.rows.record_gap(gap);
            }
        }
        row
    }

    fn free(&mut self, row: u32) {
        if let Some(graph) = &mut self.graph
            && !self.loose.remove(&row)
        {
            graph.remove(&self.rows, row);
        }
        self.documents[row as usize] = NONE;
        self.rows.free(row);
    }

    pub(crate) fn remove(&mut self, document: u32) {
        let rows: Vec<u32> = self.rows(document).collect();
        if !rows.is_empty() {
            self.first[document as usize] = NONE;
        }
        rows.into_iter().for_each(|row| self.free(row));
    }

    /// A query's vector, of [`Vectors::row_bytes`], as rows are compared with it.
    pub(crate) fn target(&self, vector: &[u8]) -> Vec<u8> {
        self.rows.prepared(vector)
    }

    /// The least distance of a document's vectors from a target; `None`: it has none.
    pub(crate) fn distance(&self, document: u32, target: &[u8]) -> Option<f64> {
        let distance = |row: u32| self.rows.distance(target, self.rows.get(row));
        self.rows(document).map(distance).reduce(f64::min)
    }

    /// The highest number of rows so far.
    pub(crate) fn rows_end(&self) -> usize {
        self.rows.end() as usize
    }

    /// Whether a document may have several rows.
    fn takes_several(&self) -> bool {
        self.rows.takes_several()
    }

    /// A row's document, with the row's distance.
    fn measured(&self, row: u32, target: &[u8]) -> Near {
        let distance = self.rows.distance(target, self.rows.get(row));
        Near::new(self.documents[row as usize], distance)
    }

    /// A radius as distances are compared with it.
    pub(crate) fn radius(&self, radius: f64) -> f64 {
        self.rows.radius(radius)
    }

    pub(crate) fn bytes(&self) -> usize {
        let tables = self.documents.capacity() + self.next.capacity() + self.first.capacity();
        let tables = tables + 2 * self.loose.len();
        self.rows.bytes() + self.graph.as_ref().map_or(0, Graph::bytes) + tables * 4
    }
}

#[cfg(test)]
impl Vectors {
    /// All documents that have vectors, with their distances, ascending by document.
    pub(crate) fn all(&self, target: &[u8]) -> impl Iterator<Item = Near> {
        let all = 0..self.first.len() as u32;
        all.filter_map(|document| Some(Near::new(document, self.distance(document, target)?)))
    }

    /// Documents near to a target that pass, by the graph: `ef` of them, or all, ascending; first
    /// the documents that the graph has.
    pub(crate) fn near(
        &self,
        target: &[u8],
        ef: usize,
        passes: Option<&dyn Fn(u32) -> bool>,
    ) -> Vec<Near> {
        let mut search = GraphSearch::nearest(ef);
        let searched = search.step(self, target, passes, &mut |_| false);
        let mut near = match searched {
            SearchOutcome::Found(near) => near,
            SearchOutcome::TooFew => {
                let mut near = search.found;
                let counts = |near: &Near| passes.is_none_or(|passes| passes(near.document));
                let known = |its: &Near| near.iter().any(|near| near.document == its.document);
                let others = self.all(target).filter(|its| counts(its) && !known(its));
                let is_loose = self.rows.is_loose_target(target);
                let rows =
                    |its: &Near| self.rows(its.document).all(|row| self.loose.contains(&row));
                let mut others: Vec<Near> = others.collect();
                assert!(
                    is_loose || others.iter().all(rows),
                    "the graph has all others"
                );
                others.sort_unstable();
                others.truncate(ef - near.len());
                near.append(&mut others);
                near
            }
            SearchOutcome::More => unreachable!("its time is never over"),
        };
        near.sort_unstable();
        near.truncate(ef);
        near.sort_unstable_by_key(|near| near.document);
        near
    }

    /// Documents within a radius, ascending.
    pub(crate) fn within(&self, target: &[u8], radius: f64, epsilon: f64) -> Vec<Near> {
        if !self.has_graph() {
            let all = self.all(target);
            return all
                .filter(|near| near.distance <= self.radius(radius))
                .collect();
        }
        let mut search = GraphSearch::within(self.radius(radius), epsilon);
        match search.step(self, target, None, &mut |_| false) {
            SearchOutcome::Found(mut near) => {
                near.sort_unstable_by_key(|near| near.document);
                near
            }
            other => panic!("{other:?}"),
        }
    }
}
