//! Figures that reports show: counters, rates, histograms, latencies, recent peaks.
//!
//! They are plain data of the loop's thread: adding to a figure takes no lock and reads no clock,
//! because callers pass times in. Each figure has a bound: error codes, spikes of an event, seconds
//! of peaks, counters of a histogram. Elsewhere: `observe` formats them (INFO, metrics);
//! `execution::execute` and `run` count.

pub mod histogram;
pub mod latency;
pub mod recent;
pub mod stats;
