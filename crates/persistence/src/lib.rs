//! Persistence: files that Redis reads and writes as well.
//!
//!     rdb          RDB files and payloads: readers, writers, versions
//!     aof          the append only file: base, incremental files, manifest, loading, checking
//!     values       each container's bytes in RDB files, and its commands in a base
//!     background   a file that a thread writes; `errand`: other work on a thread
//!     spool        a snapshot's bytes on their way to replicas
//!     check        redis-check-rdb; `convert`: a file rewritten for another server
//!
//! Nothing here knows the server: `server::parts::persist` decides when to save, rewrite and load,
//! and what an error means. Code that reads a file returns an error for wrong bytes, and never
//! panics.
#![warn(missing_docs)]

pub mod aof;
pub mod background;
pub mod check;
pub mod convert;
pub mod errand;
pub mod rdb;
pub mod spool;
mod values;
