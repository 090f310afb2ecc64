//! russet as a Sentinel process: alone, and in a quorum with the Sentinels of Redis and Valkey,
//! over servers of russet and Redis.
//!
//! | module | holds |
//! |---|---|
//! | `group` | Sentinels and the servers they watch, and the facts on which all must agree |
//! | `process` | one Sentinel: file, log, events |
//! | `quorum` | a group with `sync-quorum`, whose failovers lose no acknowledged write |
//! | `mixed` | crashes of primaries and of leading Sentinels, in a quorum of three programs |
//! | `saved` | the file: kill -9, failing writes, kept lines |
//! | `secured` | TLS and passwords on every link |
//! | `scripts` | notification and reconfiguration scripts |
//! | `strangers` | hellos and requests of Sentinels that do not exist |
//! | `operated` | commands and events, changes at run time, TILT |
//! | `clients` | a client of the `redis` crate that goes on writing through a failover |
//!
//! Tests that need real servers follow the rule of `support::peers`. Because scenarios mostly wait,
//! the scenarios of a test run side by side in threads.

mod clients;
mod group;
mod mixed;
mod operated;
mod process;
mod quorum;
mod saved;
mod scripts;
mod secured;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
