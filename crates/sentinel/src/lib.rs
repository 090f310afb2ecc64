//! Sentinel: watches primaries, agrees with other Sentinels that a primary is down, and promotes a
//! replica.
//!
//! The core is a state machine without I/O. It speaks with Redis's and Valkey's Sentinels in one
//! quorum.
//!
//!     the file --config--> Setup --> Sentinel --config--> the file
//!                                     |  ^
//!                       pop: Action   |  |  event; script_started, script_ended, command, publish
//!                                     v  |
//!                                    driver
//!
//! Invariants
//!   1. One vote per primary and epoch, also across crashes: the process's decisions are saved
//!      before they leave. After [`Action::Persist`] no action is handed out until `persisted`, and
//!      a reply may have to wait for the save ([`ReplyCondition`](commands::ReplyCondition)).
//!   2. A failover that no operator asked for needs the votes of a majority of all Sentinels ever
//!      known, and the primary's quorum.
//!   3. In TILT no data node gets an order, and no failover begins.
//!   4. Nothing here reads a clock, a socket, a file or a source of randomness: times come with
//!      each event, the seed with the start.
//!
//! Cost: a tick skips a primary's group at rest (`Primary::calm_until`) and visits every instance
//! of the other groups; without a change such a visit allocates a few short texts.
//!
//! # The driver's duties
//!
//! - Start: `config::from_file` reads the lines that `config::Config::sentinel_lines` kept (with
//!   `Sources::is_sentinel`); `Sentinel::new`; carry out its actions.
//! - The host's part (`russet_host::Driver`). A gap of more than two seconds between ticks is TILT.
//!   The core gives up connections that do not come about; the log and SENTINEL EXPLAIN show why a
//!   peer refused a connection.
//! - `Persist`: `config::rewrite` with `Sentinel::setup()` and the server's own configuration, then
//!   `russet_config::replace_file`.
//! - Orders:
//!   - `Event`: a line of the log, `channel text`, and unless its level is `Debug` a message to the
//!     subscribers of `channel`. `SetLogLevel`.
//!   - `RunScript`: start the program without a shell; `script_started`, at its end `script_ended`.
//!     The driver writes `input` to the program's standard input and closes it; a program that does
//!     not read the input, or has closed it, is no failure, and must not make the loop wait (a pipe
//!     takes so few bytes at once). `KillScript`: SIGKILL to the program.
//!   - `Exit`: end the process with this status.
//! - A client's SENTINEL, PUBLISH, ROLE, and INFO's section: `command`, `publish`, `role`, `info`.
//!   If the answer is `ReplyCondition::Persist` and `persisted` reports a failure, `otherwise` is
//!   sent instead. `Host::resolve` looks a name up within a bounded time, for SENTINEL MONITOR.
//! - Metrics, health: [`FIGURES`] of `primaries_seen` ([`PrimaryView`]), `is_saved`.
//!
//! # Where it differs from Redis
//!
//! - While the file cannot be written, this Sentinel gives no vote, and begins and wins no
//!   election; Redis logs the error and continues.
//! - For the choice of a replica (`select`), a primary is down since its last valid reply; Redis
//!   counts from SDOWN, and after a TILT may find no replica good enough.
//! - A newer configuration that names another primary than this Sentinel's failover has promoted
//!   ends the failover. If the configuration names the old primary, Redis adopts only the epoch,
//!   and continues the failover: two Sentinels then keep two primaries of one epoch.
//! - `rename-command` applies to data nodes only, not to other Sentinels.
//! - This Sentinel repeats INFO, a hello and the question whether a primary is down only after the
//!   last such request has a reply.
//! - Passwords and paths are always quoted in the file, because Redis 8.0 writes some that it
//!   cannot read again.
//! - Valkey's words are known too: the primary words, and FAILOVER .. COORDINATED.
//! - SENTINEL EXPLAIN (`explain`), and JSON for scripts on their standard input
//!   (`docs/sentinel.md`).
//! - The events `-cmd-link-reconnection` and `-pubsub-link-reconnection` (of level `Debug`) report
//!   every connection that does not come about; Redis's reports only connections that fail at once.
//!
//! The server's `tls-replication` decides whether links use TLS, not `Dial`.
#![warn(missing_docs)]

mod actions;
mod address;
mod commands;
mod config;
mod core;
mod discovery;
mod down;
mod explain;
mod failover;
mod groups;
mod instances;
mod links;
mod monitor;
mod refresh;
mod scripts;
mod shared;
#[cfg(test)]
#[path = "../simulation/mod.rs"]
mod simulation;
mod time;

pub use actions::{Action, Order};
pub use commands::{Host, ReplyCondition};
pub use config::{Setup, from_file, rewrite};
pub use core::Sentinel;
pub use discovery::figures::{FIGURES, Number};
pub use discovery::seen::{PrimaryView, Status};
pub use failover::select::{Fitness, Limits};
pub use links::ConnId;
pub use scripts::JobId;
pub use shared::ServerFacts;
