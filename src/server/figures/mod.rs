//! Figures that reports show: counters, rates, histograms, latencies, recent peaks.
//!
//! They are plain data of the loop's thread: adding to one takes no lock and reads no clock, since
//! callers pass times in. Each has a bound: error codes, spikes of an event, seconds of peaks,
//! counters of a histogram. Elsewhere: `observe` formats them (INFO, metrics); `execution::execute`
//! and `run` count.

pub mod histogram;
pub mod latency;
pub mod recent;
pub mod stats;
