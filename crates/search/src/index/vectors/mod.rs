//! The vectors of a field: rows of equal size, each of a document.
//!
//!     rows | of each row: document, next row of it | of each document: first row
//!
//! | module | what |
//! |---|---|
//! | `rows` | the bytes of rows |
//! | `element` | rows as numbers: reading, lengths, distances |
//! | `codes` | rows once more in 8 bits an element |
//! | `graph` | HNSW over rows: its links |
//! | `walk` | searches of a graph, by codes or by rows |
//! | `near` | the nearest of several |
//!
//! Cost: FLAT asks every row, O(rows x dimensions); HNSW and what is searched as it: `graph`.

mod codes;
mod element;
mod graph;
mod near;
mod rows;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use near::{Near, Nearest};

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

/// The vectors of a JSON document: one list of numbers, or several.
///
/// # Errors
///
/// Anything else, and lists of other lengths.
pub(crate) fn of_items(options: &schema::Vector, items: &[Item<'_>]) -> Result<RowsOf, Vec<u8>> {
    let items = match items {
        [Item::List(inner)] if inner.iter().all(|item| matches!(item, Item::List(_))) => inner,
        items => items,
    };
    let are_numbers = items.iter().all(|item| matches!(item, Item::Number(_)));
    let mut rows = RowsOf::new();
    if are_numbers {
        row_of(options, items, &mut rows)?;
        return Ok(rows);
    }
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
    if items.len() != options.dimensions {
        let (size, expected) = (items.len(), options.dimensions);
        let text = format!("Invalid vector length. Expected {expected}, got {size}");
        return Err(text.into_bytes());
    }
    for item in items {
        let Item::Number(number) = item else {
            return Err(b"Invalid vector: it must be an array of numbers".into());
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

    /// Puts the vectors of a document, in place of those that it has.
    pub(crate) fn put(&mut self, document: u32, rows: &[u8]) {
        let rows: Vec<Vec<u8>> = rows
            .chunks_exact(self.row_bytes())
            .map(|row| self.rows.prepared(row))
            .collect();
        let own = self.rows(document).map(|row| self.rows.get(row));
        if own.eq(rows.iter().map(Vec::as_slice)) {
            return;
        }
        self.remove(document);
        if self.first.len() <= document as usize {
            self.first.resize(document as usize + 1, NONE);
        }
        for bytes in rows.iter().rev() {
            let row = self.rows.put(bytes);
            if self.documents.len() <= row as usize {
                self.documents.resize(row as usize + 1, NONE);
                self.next.resize(row as usize + 1, NONE);
            }
            self.documents[row as usize] = document;
            self.next[row as usize] = std::mem::replace(&mut self.first[document as usize], row);
            if let Some(graph) = &mut self.graph
                && let Some(gap) = graph.insert(&self.rows, row)
            {
                self.rows.note_gap(gap);
            }
        }
    }

    pub(crate) fn remove(&mut self, document: u32) {
        let rows: Vec<u32> = self.rows(document).collect();
        for row in &rows {
            if let Some(graph) = &mut self.graph {
                graph.remove(&self.rows, *row);
            }
            self.documents[*row as usize] = NONE;
            self.rows.free(*row);
        }
        if !rows.is_empty() {
            self.first[document as usize] = NONE;
        }
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

    /// Documents near to a target that pass, if there is a condition, by the graph: of `ef` rows
    /// that are walked over. Without a graph none.
    pub(crate) fn near(
        &self,
        target: &[u8],
        ef: usize,
        passes: Option<&dyn Fn(u32) -> bool>,
    ) -> Vec<Near> {
        let Some(graph) = &self.graph else {
            return Vec::new();
        };
        let of_row = passes.map(|passes| |row: u32| passes(self.documents[row as usize]));
        let of_row = of_row.as_ref().map(|passes| passes as &dyn Fn(u32) -> bool);
        self.documents_of(graph.search(&self.rows, target, ef, of_row))
    }

    /// Documents within a radius, by the graph. Without a graph none.
    pub(crate) fn within(&self, target: &[u8], radius: f64, epsilon: f64) -> Vec<Near> {
        let Some(graph) = &self.graph else {
            return Vec::new();
        };
        self.documents_of(graph.within(&self.rows, target, radius, epsilon))
    }

    /// The documents of rows, each with its least distance.
    fn documents_of(&self, rows: Vec<Near>) -> Vec<Near> {
        let of_row = |near: Near| Near::new(self.documents[near.document as usize], near.distance);
        let mut near: Vec<Near> = rows.into_iter().map(of_row).collect();
        near.sort_unstable_by(|a, b| a.document.cmp(&b.document).then(a.cmp(b)));
        near.dedup_by_key(|near| near.document);
        near
    }

    pub(crate) fn bytes(&self) -> usize {
        let tables = self.documents.capacity() + self.next.capacity() + self.first.capacity();
        self.rows.bytes() + self.graph.as_ref().map_or(0, Graph::bytes) + tables * 4
    }
}
