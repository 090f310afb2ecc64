//! Time series: samples in order of time, compressed, and the queries over them.
//!
//!     bits         bits in words
//!     packed       a compressed chunk, bit for bit that of Redis's module
//!     plain        an uncompressed chunk
//!     chunk        either of them
//!     block        some samples in order, as readers get them
//!     labels       the labels of a series
//!     index        keys by the labels of their series
//!     policy       which of two samples at one timestamp stays
//!     series       chunks in order: append, late samples, retention, deletion, scans
//!     aggregate    one number of many samples
//!     twa          the time-weighted average, which looks at the samples around a bucket
//!     range        samples or buckets of a range, in either direction
//!     calendar     buckets of days, weeks, months or years in a time zone
//!     reduce       rows of several series, reduced at each timestamp
//!     rule         a source's facts about a destination of its buckets
//!
//! The crate knows no server: commands, files and replies are above it.
//!
//! Invariants
//!   1. Bits, splits and the sizes of chunks are those of Redis's module `timeseries`, so that
//!      payloads are equal.
//!   2. Lengths and counts from outside are checked before anything is allocated for them, and each
//!      chunk is decoded once before it is accepted.
#![warn(missing_docs)]

pub mod aggregate;
mod bits;
mod block;
pub mod calendar;
mod chunk;
pub mod index;
mod labels;
mod packed;
mod plain;
mod policy;
pub mod range;
pub mod reduce;
mod rule;
pub mod series;
mod twa;

pub use aggregate::Aggregator;
pub use chunk::ChunkFigures;
pub use labels::Labels;
pub use packed::PackedShape;
pub use policy::{DuplicateSample, Policy};
pub use rule::{Context, Rule};
pub use series::{Options, Series};

/// Bytes from outside are no time series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data is damaged")]
pub struct Damage;

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds, at most 2^63 - 1.
    pub timestamp: u64,
    /// The value.
    pub value: f64,
}

impl Sample {
    /// A sample.
    #[inline]
    pub fn new(timestamp: u64, value: f64) -> Sample {
        Sample { timestamp, value }
    }
}

/// The latest timestamp.
pub const TIMESTAMP_MAX: u64 = i64::MAX as u64;
