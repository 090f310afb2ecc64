//! Figures that reports show: counters, rates, histograms, latencies, recent peaks.

pub mod histogram;
pub mod latency;
pub mod recent;
pub mod stats;
