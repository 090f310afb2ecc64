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
//! | `graph`, `path` | HNSW over rows: its links; those that stay |
//! | `walk` | searches of a graph, by codes or by rows |
//! | `near` | the nearest of several |
//!
//! Cost: FLAT asks every row, O(rows x dimensions); HNSW and what is searched as it: `graph`.

mod chunks;
mod codes;
mod element;
mod graph;
mod near;
mod path;
mod rows;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use near::{Near, Nearest};

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::document::Item;
use crate::schema;
use graph::Graph;
use rows::Rows;

/// No row, no document.
const NONE: u32 = u32::MAX;

/// The vectors of one document, row after row.
pub(crate) type RowsOf = Vec<u8>;

#[derive(Debug)]
pub(crate) struct Vectors {
    rows: Rows,
    graph: Option<Graph>,
    /// Of each row its document, and the document's next row.
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
/// A size that is not that of the field.
pub(crate) fn of_bytes(options: &schema::Vector, bytes: &[u8]) -> Result<RowsOf, Vec<u8>> {
    let expected = options.dimensions * options.element.bytes();
    if bytes.len() != expected {
        let size = bytes.len();
        let text = format!("Could not add vector with blob size {size} (expected size {expected})");
        return Err(text.into_bytes());
    }
    Ok(bytes.to_vec())
}

/// The vectors of a JSON document, of what its path finds: a list of numbers; of a path that may
/// find several, lists of numbers and nulls, or one list of these that begins with a list.
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

    /// Puts the vectors of a document, in place of those that it has. Rows that it has already stay
    /// as they are. O(rows), and for each other one an insertion or a removal.
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
                self.rows.note_gap(gap);
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

    /// All documents that have vectors, with their distances, ascending by document. O(vectors).
    pub(crate) fn all(&self, target: &[u8]) -> impl Iterator<Item = Near> {
        let all = 0..self.first.len() as u32;
        all.filter_map(|document| Some(Near::new(document, self.distance(document, target)?)))
    }

    /// Documents near to a target that pass, if there is a condition, by the graph: `ef` of them,
    /// or all. Without a graph none.
    pub(crate) fn near(
        &self,
        target: &[u8],
        ef: usize,
        passes: Option<&dyn Fn(u32) -> bool>,
    ) -> Vec<Near> {
        let Some(graph) = &self.graph else {
            return Vec::new();
        };
        let counts = |near: &Near| passes.is_none_or(|passes| passes(near.document));
        if self.rows.is_loose_target(target) {
            // Nothing is near to it: any will do.
            return self.all(target).filter(counts).take(ef).collect();
        }
        let mut near = self.near_linked(graph, target, ef, passes);
        if near.len() < ef && !self.loose.is_empty() {
            let linked: HashSet<u32> = near.iter().map(|near| near.document).collect();
            let is_other = |row: &&u32| !linked.contains(&self.documents[**row as usize]);
            let loose = self.loose.iter().filter(is_other);
            let loose = loose.map(|row| self.measured(*row, target));
            // The rows of a document come one after another only if they were put so.
            let mut others = least_of_each(loose.filter(counts).collect());
            others.sort_unstable();
            others.truncate(ef - near.len());
            near.append(&mut others);
            near.sort_unstable_by_key(|near| near.document);
        }
        near
    }

    /// Documents near to a target, by the graph: as many as `ef`, or all that are in it.
    fn near_linked(
        &self,
        graph: &Graph,
        target: &[u8],
        ef: usize,
        passes: Option<&dyn Fn(u32) -> bool>,
    ) -> Vec<Near> {
        let of_row = passes.map(|passes| |row: u32| passes(self.documents[row as usize]));
        let of_row = of_row.as_ref().map(|passes| passes as &dyn Fn(u32) -> bool);
        // Of documents with several rows each, more rows are needed.
        let mut reach = ef;
        loop {
            let rows = graph.search(&self.rows, target, reach, of_row);
            let is_all = rows.len() < reach;
            let near = self.documents_of(rows);
            if is_all || near.len() >= ef {
                return near;
            }
            reach = reach.saturating_mul(2);
        }
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

    /// Documents within a radius. O(vectors) without a graph.
    pub(crate) fn within(&self, target: &[u8], radius: f64, epsilon: f64) -> Vec<Near> {
        let radius = self.rows.radius(radius);
        let Some(graph) = &self.graph else {
            let all = self.all(target);
            return all.filter(|near| near.distance <= radius).collect();
        };
        if self.rows.is_loose_target(target) {
            return Vec::new();
        }
        let mut near = self.documents_of(graph.within(&self.rows, target, radius, epsilon));
        let loose = self.loose.iter().map(|row| self.measured(*row, target));
        let mut loose: Vec<Near> = loose.filter(|near| near.distance <= radius).collect();
        if !loose.is_empty() {
            near.append(&mut loose);
            near = least_of_each(near);
        }
        near
    }

    /// The documents of rows, each with its least distance.
    fn documents_of(&self, rows: Vec<Near>) -> Vec<Near> {
        let of_row = |near: Near| Near::new(self.documents[near.document as usize], near.distance);
        least_of_each(rows.into_iter().map(of_row).collect())
    }

    pub(crate) fn bytes(&self) -> usize {
        let tables = self.documents.capacity() + self.next.capacity() + self.first.capacity();
        let tables = tables + 2 * self.loose.len();
        self.rows.bytes() + self.graph.as_ref().map_or(0, Graph::bytes) + tables * 4
    }
}

/// Of several distances of a document the least, ascending by document.
fn least_of_each(mut near: Vec<Near>) -> Vec<Near> {
    near.sort_unstable_by(|a, b| a.document.cmp(&b.document).then(a.cmp(b)));
    near.dedup_by_key(|near| near.document);
    near
}
