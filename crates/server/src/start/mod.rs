//! From a configuration to a running server; signals, and SIGHUP's reload of the configuration.
//!
//! `startup` goes from the configuration to the loop, in Redis's order; `opened` checks the same
//! steps without changing anything (`--check-config`); `listen` opens all sockets, at start and for
//! CONFIG SET; `signals` turns signals into requests that the loop reads; `reload` applies a
//! changed file; `crash` reports a broken process. Elsewhere: `russet_config` parses, `process` has
//! the process's own settings, `persist::loading` the load.

pub(super) mod opened;
pub(super) mod reload;
pub mod startup;
