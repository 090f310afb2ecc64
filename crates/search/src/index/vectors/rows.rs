//! Rows of vectors: their bytes in chunks, and their distances.
//!
//!     chunk = row ... , each of elements, little endian
//!
//! Rows are kept as the elements that the field names; with COSINE, rows of floats have length 1.
//! Numbers of rows that are gone are used again. A row is loose if its distance from itself is no
//! number: a row of zeros under COSINE, a row with NaN or infinite elements. It is near to nothing,
//! and has neither a code nor a place in a graph.

use super::chunks::ChunkShape;
use super::codes::Codes;
use super::element;
use crate::schema::{self, Element, Metric};
use russet_encodings::hnsw::{dot_f32, squared_distance_f32};
use russet_encodings::prefetch::prefetch_lines;

#[derive(Debug)]
pub(crate) struct Rows {
    options: schema::Vector,
    row_bytes: usize,
    shape: ChunkShape,
    chunks: Vec<Box<[u8]>>,
    count: u32,
    free: Vec<u32>,
    codes: Option<Codes>,
}

impl Rows {
    pub(super) fn new(options: schema::Vector) -> Rows {
        let row_bytes = options.dimensions * options.element.bytes();
        Rows {
            options,
            row_bytes,
            shape: ChunkShape::of(row_bytes),
            chunks: Vec::new(),
            count: 0,
            free: Vec::new(),
            codes: Codes::of_field(&options),
        }
    }

    pub(super) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    pub(super) fn dimensions(&self) -> usize {
        self.options.dimensions
    }

    /// Whether a document may have several.
    pub(super) fn takes_several(&self) -> bool {
        self.options.takes_several
    }

    /// A radius in the precision of distances, which are floats for all elements but FLOAT64.
    pub(super) fn radius(&self, radius: f64) -> f64 {
        match self.options.element {
            Element::Float64 => radius,
            _ => f64::from(radius as f32),
        }
    }

    /// The number after the highest number of a row so far.
    pub(super) fn end(&self) -> u32 {
        self.count
    }

    /// The bytes of a vector as a row has them.
    pub(super) fn prepared(&self, vector: &[u8]) -> Vec<u8> {
        let mut row = vector.to_vec();
        if self.options.metric == Metric::Cosine {
            element::normalise(self.options.element, &mut row);
        }
        row
    }

    #[inline]
    pub(super) fn get(&self, row: u32) -> &[u8] {
        let (chunk, place) = self.shape.place(row);
        &self.chunks[chunk][place * self.row_bytes..(place + 1) * self.row_bytes]
    }

    /// Keeps a row, and returns the row's number.
    pub(super) fn put(&mut self, bytes: &[u8]) -> u32 {
        let row = self.free.pop().unwrap_or_else(|| {
            if self.count as usize == self.chunks.len() * self.shape.rows() {
                self.chunks
                    .push(vec![0; self.shape.rows() * self.row_bytes].into());
            }
            self.count += 1;
            self.count - 1
        });
        let (chunk, place) = self.shape.place(row);
        let at = place * self.row_bytes;
        self.chunks[chunk][at..at + self.row_bytes].copy_from_slice(bytes);
        let is_loose = self.is_loose(row);
        if let Some(codes) = self.codes.as_mut().filter(|_| !is_loose) {
            codes.put(row, bytes);
        }
        row
    }

    pub(super) fn free(&mut self, row: u32) {
        if let Some(mut codes) = self.codes.take() {
            if !self.is_loose(row) {
                codes.free(self.get(row));
            }
            self.codes = Some(codes);
        }
        self.free.push(row);
    }

    /// Whether a row is near to nothing, not even to itself. O(dimensions).
    pub(super) fn is_loose(&self, row: u32) -> bool {
        self.is_loose_target(self.get(row))
    }

    /// The same of a vector that rows are compared with.
    pub(super) fn is_loose_target(&self, target: &[u8]) -> bool {
        element::distance(self.options.element, self.linking(), target, target).is_nan()
    }

    /// The codes of rows, if a graph is to be walked by them.
    #[inline]
    pub(super) fn codes(&self) -> Option<&Codes> {
        self.codes.as_ref().filter(|codes| codes.are_used())
    }

    /// Records the distance of a row that is near to a new row.
    pub(super) fn record_gap(&mut self, gap: f64) {
        let is_cosine = self.options.metric == Metric::Cosine;
        if let Some(codes) = &mut self.codes {
            // The square of the Euclidean distance, of rows of length 1.
            codes.record_gap(if is_cosine { gap * 2.0 } else { gap });
        }
    }

    /// The metric by which a graph links rows.
    pub(super) fn linking(&self) -> Metric {
        self.options.metric.linking()
    }

    pub(super) fn metric(&self) -> Metric {
        self.options.metric
    }

    /// The distance of two rows' bytes. O(dimensions).
    #[inline]
    pub(super) fn distance(&self, a: &[u8], b: &[u8]) -> f64 {
        element::distance(self.options.element, self.options.metric, a, b)
    }

    /// As [`Rows::distance`], by the widest instructions, whose last bits depend on the processor:
    /// for the walk of a graph, whose result is measured once more.
    #[inline]
    pub(super) fn rough(&self, metric: Metric, a: &[u8], b: &[u8]) -> f64 {
        match (self.options.element, metric) {
            (Element::Float32, Metric::L2) => f64::from(squared_distance_f32(a, b)),
            (Element::Float32, _) => f64::from(1.0 - dot_f32(a, b)),
            (element, metric) => element::distance(element, metric, a, b),
        }
    }

    /// The distance of two rows as a graph links them.
    #[inline]
    pub(super) fn between(&self, a: u32, b: u32) -> f64 {
        match self.codes() {
            Some(codes) => f64::from(codes.distance(codes.linked(a), b)),
            None => self.rough(self.linking(), self.get(a), self.get(b)),
        }
    }

    /// Brings a row that is measured soon into the processor's caches.
    #[inline]
    pub(super) fn prefetch(&self, row: u32) {
        const LINES_MAX: usize = 16;
        prefetch_lines(self.get(row), LINES_MAX);
    }

    pub(super) fn bytes(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        self.chunks.len() * self.shape.rows() * self.row_bytes + self.free.capacity() * 4 + codes
    }
}

#[cfg(test)]
impl Rows {
    /// Whether rows have codes, used or not.
    pub(super) fn has_codes(&self) -> bool {
        self.codes.is_some()
    }

    /// Gives up all codes.
    pub(super) fn drop_codes(&mut self) {
        self.codes = None;
    }
}
