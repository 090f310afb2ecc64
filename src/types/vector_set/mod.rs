//! A vector set.

pub mod filter;
