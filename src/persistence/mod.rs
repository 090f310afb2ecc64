//! Persistence: files that Redis reads and writes as well.

pub mod aof;
pub mod background;
pub mod check;
pub mod convert;
pub mod errand;
pub mod rdb;
pub mod spool;
mod values;
