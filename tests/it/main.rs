//! Black-box tests: a real daemon, a free port, a temporary folder, deadlines.
//!
//! | module | what belongs there |
//! |---|---|
//! | `config` | CONFIG on a running server |
//! | `process` | the daemon's own process: background, pid file, signals, log, crash report |
//! | `startup` | how a server starts, and how it refuses to |
//! | `harness` | that the tests' own tools work, shown on a real Redis |

#[path = "../support/mod.rs"]
mod support;

mod config;
mod harness;
mod process;
mod startup;
