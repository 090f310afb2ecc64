//! Rows once more in 8 bits an element, because walks of a graph are faster over codes.
//!
//!     chunk   codes: signed bytes, each a multiple of 16 long
//!     tails   of each row, scale: f32 | squares: f32
//!
//! A walk waits for memory: a row of 128 floats has 8 lines, the code 2 (an allocator begins large
//! blocks as chunks are at a line). The greatest element of a row becomes 127. With `scale` =
//! row*row / row*code the error of a code is at right angles to the row: errors of distances grow
//! with the distance, not with the length of rows. `squares` is row*row. So
//!
//!     row*other    scale * scale' * (code*code'), the last of integers, exact
//!     |row-other|^2    squares + squares' - 2 * row*other
//!
//! Codes only find rows and link them. Distances in replies are measured again between rows
//! (`walk`); until then a search keeps some more rows than it needs.
//!
//! Bounds
//!   1. There are codes only with a graph, of floating elements from 32 dimensions on, and
//!      only if they are at most 30 % more bytes a row.
//!   2. They are used from [`LEAST_ROWS`] on, as long as errors of codes are small beside the
//!      distances of near rows: not if an offset common to all rows or a few great elements hide
//!      the differences between rows, nor among many equal rows. Else walks compare the rows
//!      themselves.
//!   3. As long as there is a row whose squares a float does not hold well, codes are not used.
//!      Rows that are near to nothing (`rows`) have none.
//!   4. A walk by codes does not take row numbers beyond 2^31: codes are not used then.
//!
//! Cost: O(dimensions) each. Memory: an element's byte, and 8 bytes a row.

use std::ops::RangeInclusive;

use super::chunks::ChunkShape;
use super::element;
use crate::schema::{self, Algorithm, Element, Metric};
use russet_encodings::hnsw::{BATCH, DIM_MAX, dot_i8, dots_i8, quantize};
use russet_encodings::prefetch::{prefetch, prefetch_lines};

/// Shorter rows are few lines themselves; sums of products of longer rows exceed an i32.
const DIMENSIONS: RangeInclusive<usize> = 32..=DIM_MAX as usize;
/// Fewer rows stay in the processor's caches.
const LEAST_ROWS: usize = 1024;
/// Of more, numbers would not fit.
const ROWS_MAX: usize = 1 << 31;

/// Squares of rows are 0 or between these, because other squares are no floats, or imprecise.
const SQUARES: RangeInclusive<f64> = 1e-25..=1e30;

/// The share of the square of a near row's distance that the square of an error may have. Up to
/// this share, walks by codes find what walks over rows find, within 1 % of recall at an EF of 10;
/// the order of inner products suffers sooner.
const ERROR_MAX: f64 = 1e-3;
const ERROR_MAX_OF_PRODUCTS: f64 = 3e-4;
/// The least share that is counted.
const ERROR_MIN: f64 = 1e-9;
/// The last so many rows count for most of the mean.
const MEMORY: f64 = 512.0;

#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    scale: f32,
    squares: f32,
}

/// The code of a row, or of a target.
#[derive(Debug)]
pub(super) struct Code {
    bytes: Box<[u8]>,
    tail: Tail,
    /// The square of the code's error. `None`: the code does not stand for the row.
    error: Option<f64>,
}

/// A code that others are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'c> {
    bytes: &'c [u8],
    tail: Tail,
    metric: Metric,
}

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    tails: Box<[Tail]>,
}

#[derive(Debug)]
pub(super) struct Codes {
    element: Element,
    metric: Metric,
    stride: usize,
    shape: ChunkShape,
    chunks: Vec<Chunk>,
    count: usize,
    /// Rows that codes do not stand for.
    odd: usize,
    /// The mean logarithm of the share of errors in distances, of squares both; and the square of
    /// the error of the row that came last.
    share: f64,
    share_max: f64,
    latest: f64,
}

fn stride(options: &schema::Vector) -> usize {
    options.dimensions.next_multiple_of(16)
}

impl Codes {
    /// Codes of the rows of a field, if it is to have them.
    pub(super) fn of_field(options: &schema::Vector) -> Option<Codes> {
        let graph = match options.algorithm {
            Algorithm::Flat { .. } => return None,
            _ => options.algorithm.graph()?,
        };
        if matches!(options.element, Element::Int8 | Element::Uint8) {
            return None;
        }
        let row = options.dimensions * options.element.bytes() + (2 * graph.m + 3) * 4;
        let stride = stride(options);
        let code = stride + size_of::<Tail>();
        if !DIMENSIONS.contains(&options.dimensions) || code * 10 > row * 3 {
            return None;
        }
        Some(Codes {
            element: options.element,
            metric: options.metric,
            stride,
            shape: ChunkShape::of(code),
            chunks: Vec::new(),
            count: 0,
            odd: 0,
            share: 0.0,
            share_max: match options.metric {
                Metric::InnerProduct => ERROR_MAX_OF_PRODUCTS.ln(),
                _ => ERROR_MAX.ln(),
            },
            latest: 0.0,
        })
    }

    /// Whether a graph is to be walked by codes.
    #[inline]
    pub(super) fn are_used(&self) -> bool {
        self.count >= LEAST_ROWS
            && self.chunks.len() <= ROWS_MAX / self.shape.rows()
            && self.odd == 0
            && self.share <= self.share_max
    }

    /// The code of a row's bytes, or of a target's.
    fn code_of(&self, row: &[u8]) -> Code {
        let mut numbers = Vec::new();
        let squares = element::as_floats(self.element, row, &mut numbers);
        let mut bytes = vec![0; self.stride].into_boxed_slice();
        let (mut tail, mut error) = (Tail::default(), Some(0.0));
        if squares != 0.0 && !SQUARES.contains(&squares) {
            error = None;
        } else if squares != 0.0 {
            quantize(&numbers, &mut bytes[..numbers.len()]);
            let pairs = numbers.iter().zip(&bytes);
            let dot: f64 = pairs
                .map(|(x, byte)| f64::from(*x) * f64::from(byte.cast_signed()))
                .sum();
            let scale = squares / dot;
            // Of a right angle between the row and the error.
            let length = f64::from(dot_i8(&bytes, &bytes)) * scale * scale;
            error = Some((length - squares).max(0.0));
            tail = Tail {
                scale: scale as f32,
                squares: squares as f32,
            };
        }
        Code { bytes, tail, error }
    }

    #[inline]
    fn tail(&self, row: u32) -> Tail {
        let (chunk, place) = self.shape.place(row);
        self.chunks[chunk].tails[place]
    }

    #[inline]
    pub(super) fn get(&self, row: u32) -> &[u8] {
        let (chunk, place) = self.shape.place(row);
        let at = place * self.stride;
        &self.chunks[chunk].bytes[at..at + self.stride]
    }

    /// Bytes of a code.
    #[inline]
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Brings the code of a row into the processor's caches.
    #[inline]
    pub(super) fn prefetch(&self, row: u32) {
        const LINES_MAX: usize = 16;
        prefetch_lines(self.get(row), LINES_MAX);
        let (at, place) = self.shape.place(row);
        prefetch((&raw const self.chunks[at].tails[place]).addr());
    }

    /// Keeps the code of a row.
    pub(super) fn put(&mut self, row: u32, bytes: &[u8]) {
        let ((at, place), rows) = (self.shape.place(row), self.shape.rows());
        while self.chunks.len() <= at {
            self.chunks.push(Chunk {
                bytes: vec![0; rows * self.stride].into_boxed_slice(),
                tails: vec![Tail::default(); rows].into_boxed_slice(),
            });
        }
        let code = self.code_of(bytes);
        let chunk = &mut self.chunks[at];
        let start = place * self.stride;
        chunk.bytes[start..start + self.stride].copy_from_slice(&code.bytes);
        chunk.tails[place] = code.tail;
        self.count += 1;
        self.latest = code.error.unwrap_or_default();
        self.odd += usize::from(code.error.is_none());
    }

    /// Records the square of the distance between the row that came last and a row near to it.
    pub(super) fn record_gap(&mut self, gap: f64) {
        if !gap.is_finite() {
            return;
        }
        let share = if self.latest < gap {
            (self.latest / gap).max(ERROR_MIN)
        } else if self.latest == 0.0 {
            ERROR_MIN
        } else {
            1.0
        };
        let rows = (self.count as f64).min(MEMORY);
        self.share += (share.ln() - self.share) / rows;
    }

    /// Gives up the code of a row, of these bytes.
    pub(super) fn free(&mut self, bytes: &[u8]) {
        self.count -= 1;
        if self.odd > 0 && self.code_of(bytes).error.is_none() {
            self.odd -= 1;
        }
    }

    /// The code of a target, if it is of use.
    pub(super) fn of_target(&self, target: &[u8]) -> Option<Code> {
        Some(self.code_of(target)).filter(|code| code.error.is_some())
    }

    pub(super) fn target<'c>(&self, code: &'c Code) -> Target<'c> {
        Target {
            bytes: &code.bytes,
            tail: code.tail,
            metric: self.metric,
        }
    }

    /// A row, as a graph links it.
    #[inline]
    pub(super) fn linked(&self, row: u32) -> Target<'_> {
        Target {
            bytes: self.get(row),
            tail: self.tail(row),
            metric: self.metric.linking(),
        }
    }

    /// The distance for a sum of products of codes.
    #[inline]
    fn of_dot(target: Target<'_>, tail: Tail, dot: i32) -> f32 {
        let product = target.tail.scale * tail.scale * dot as f32;
        match target.metric {
            Metric::L2 => target.tail.squares + tail.squares - 2.0 * product,
            _ => 1.0 - product,
        }
    }

    /// The distance of a row from a target.
    #[inline]
    pub(super) fn distance(&self, target: Target<'_>, row: u32) -> f32 {
        let dot = dot_i8(target.bytes, self.get(row));
        Codes::of_dot(target, self.tail(row), dot)
    }

    /// The distances of at most [`BATCH`] rows from a target.
    #[inline]
    pub(super) fn distances<'d>(
        &self,
        target: Target<'_>,
        rows: &[u32],
        distances: &'d mut [f32; BATCH],
    ) -> &'d [f32] {
        let mut codes: [&[u8]; BATCH] = [&[]; BATCH];
        for (code, row) in codes.iter_mut().zip(rows) {
            *code = self.get(*row);
        }
        let mut sums = [0; BATCH];
        dots_i8(target.bytes, &codes[..rows.len()], &mut sums);
        for ((distance, row), sum) in distances.iter_mut().zip(rows).zip(sums) {
            *distance = Codes::of_dot(target, self.tail(*row), sum);
        }
        &distances[..rows.len()]
    }

    pub(super) fn bytes(&self) -> usize {
        let chunk = self.shape.rows() * (self.stride + size_of::<Tail>());
        self.chunks.len() * (chunk + size_of::<Chunk>())
    }
}
