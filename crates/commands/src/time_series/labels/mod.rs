//! Series by their labels: QUERYINDEX, MGET and QUERYLABELS, and parts of MRANGE.
//!
//!     filters     conditions on labels, the labels that are shown
//!     slices      the series that satisfy conditions, in order, in slices
//!     gathered    the rows that MRANGE makes of series
//!     shards      series of all shards of a cluster
//!     query       QUERYINDEX, MGET
//!     names       QUERYLABELS
//!     refresh     TIMESERIES.REFRESHCLUSTER

pub(super) mod filters;
pub(super) mod gathered;
mod names;
pub(super) mod query;
mod refresh;
pub(super) mod shards;
pub(super) mod slices;

pub(super) use names::QUERYLABELS;
pub(super) use refresh::REFRESHCLUSTER;
