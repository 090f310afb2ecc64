//! The vectors of a field: rows of equal size, each of a document.
//!
//!     chunks of rows | of each row: document, next row of it | of each document: first row
//!
//! A row's number stays as long as its document has it; numbers of rows that are gone are used
//! again. Rows are kept as the elements that the field names; with COSINE, floating ones have
//! length 1.
//!
//! | module | what |
//! |---|---|
//! | `element` | rows as numbers: reading, lengths, distances |
//!
//! Cost: FLAT asks every row, O(rows x dimensions).

mod element;
#[cfg(test)]
mod tests;

use crate::document::Item;
use crate::schema::{self, Metric};

pub(crate) use element::Target;

/// Rows of one chunk.
const CHUNK_ROWS: usize = 256;

/// No row, no document.
const NONE: u32 = u32::MAX;

/// The vectors of one document, row after row.
pub(crate) type RowsOf = Vec<u8>;

#[derive(Debug)]
pub(crate) struct Vectors {
    options: schema::Vector,
    row_bytes: usize,
    chunks: Vec<Box<[u8]>>,
    /// Of each row its document, and the document's next row.
    documents: Vec<u32>,
    next: Vec<u32>,
    /// The first row of each document.
    first: Vec<u32>,
    free: Vec<u32>,
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
        Vectors {
            options,
            row_bytes: options.dimensions * options.element.bytes(),
            chunks: Vec::new(),
            documents: Vec::new(),
            free: Vec::new(),
            next: Vec::new(),
            first: Vec::new(),
        }
    }

    /// Bytes that a query's vector has.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    fn row(&self, row: u32) -> &[u8] {
        let (chunk, place) = (row as usize / CHUNK_ROWS, row as usize % CHUNK_ROWS);
        &self.chunks[chunk][place * self.row_bytes..(place + 1) * self.row_bytes]
    }

    /// The rows of a document, in the order in which they were put.
    fn rows(&self, document: u32) -> impl Iterator<Item = u32> {
        let first = self.first.get(document as usize).copied();
        let next = |row: &u32| Some(self.next[*row as usize]).filter(|row| *row != NONE);
        std::iter::successors(first.filter(|row| *row != NONE), next)
    }

    /// Puts the vectors of a document, in place of those that it has.
    pub(crate) fn put(&mut self, document: u32, rows: &[u8]) {
        let mut rows = rows.to_vec();
        if self.options.metric == Metric::Cosine {
            for row in rows.chunks_exact_mut(self.row_bytes) {
                element::normalise(self.options.element, row);
            }
        }
        let own = self.rows(document).map(|row| self.row(row));
        if own.eq(rows.chunks_exact(self.row_bytes)) {
            return;
        }
        self.remove(document);
        if self.first.len() <= document as usize {
            self.first.resize(document as usize + 1, NONE);
        }
        for bytes in rows.chunks_exact(self.row_bytes).rev() {
            let row = self.free.pop().unwrap_or_else(|| {
                self.documents.push(NONE);
                self.next.push(NONE);
                if self.documents.len() > self.chunks.len() * CHUNK_ROWS {
                    self.chunks
                        .push(vec![0; CHUNK_ROWS * self.row_bytes].into());
                }
                (self.documents.len() - 1) as u32
            });
            let place = row as usize % CHUNK_ROWS * self.row_bytes;
            let kept = &mut self.chunks[row as usize / CHUNK_ROWS][place..place + self.row_bytes];
            kept.copy_from_slice(bytes);
            self.documents[row as usize] = document;
            self.next[row as usize] = std::mem::replace(&mut self.first[document as usize], row);
        }
    }

    pub(crate) fn remove(&mut self, document: u32) {
        let rows: Vec<u32> = self.rows(document).collect();
        for row in &rows {
            self.documents[*row as usize] = NONE;
            self.free.push(*row);
        }
        if !rows.is_empty() {
            self.first[document as usize] = NONE;
        }
    }

    /// A query's vector, of [`Vectors::row_bytes`], as rows are compared with it.
    pub(crate) fn target(&self, vector: &[u8]) -> Target {
        Target::new(&self.options, vector)
    }

    /// The least distance of a document's vectors; `None`: it has none.
    pub(crate) fn distance(&self, document: u32, target: &Target) -> Option<f64> {
        let rows = self.rows(document);
        rows.map(|row| target.distance(self.row(row)))
            .reduce(f64::min)
    }

    /// All documents that have vectors, with their distances, ascending. O(vectors).
    pub(crate) fn all<'t>(&'t self, target: &'t Target) -> impl Iterator<Item = (u32, f64)> {
        let all = 0..self.first.len() as u32;
        all.filter_map(|document| Some((document, self.distance(document, target)?)))
    }

    pub(crate) fn bytes(&self) -> usize {
        let rows = self.chunks.len() * CHUNK_ROWS * self.row_bytes;
        let tables = self.documents.capacity() + self.next.capacity() + self.first.capacity();
        rows + (tables + self.free.capacity()) * 4
    }
}
