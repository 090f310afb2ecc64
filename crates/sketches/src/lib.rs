//! Sketches: small structures that answer about many items with a bounded error.
//!
//!     hash         the hashes of Redis's modules, bit for bit
//!
//! The crate knows no server: commands, files and replies are above it.
//!
//! Invariants
//!   1. The layouts, hashes and the order of changes are those of Redis's module `bf`, so that
//!      payloads, chunks and replies are equal.
//!   2. Lengths and counts from outside are checked against each other and against their bounds
//!      before anything is allocated for them.
#![warn(missing_docs)]

pub mod hash;
