//! Black-box tests: a real daemon, a free port, a temporary folder, deadlines.
//!
//! | module | what belongs there |
//! |---|---|
//! | `harness` | that the tests' own tools work, shown on a real Redis |

#[path = "../support/mod.rs"]
mod support;

mod harness;
