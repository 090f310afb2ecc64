//! State of the execution of commands that outlives a command.
//!
//! [`gates`]: which commands need the gates at all; recomputed when its sources change, so that a
//! command that no gate concerns costs one test. [`scripting`]: the caches, and the running script
//! (at most one). [`tasks`]: long work, in slices of the loop or on worker threads.
//! [`turn_queue`]: commands that continue in slices, on the keyspace. [`debugging`]: the session of
//! the script debugger, and its children. [`migrate`]: connections to other servers that MIGRATE
//! keeps.
//!
//! How a command runs: `server::execution`.

pub mod debugging;
pub mod gates;
pub mod migrate;
pub mod scripting;
pub mod tasks;
pub mod turn_queue;
