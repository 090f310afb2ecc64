//! The server's parts: each is a type that owns its state. It takes settings, time and events, and
//! returns the actions to carry out; none knows the server. `state::Server` has all of them.

pub mod clients;
pub mod cluster;
pub mod console;
pub mod execution;
pub mod http;
pub mod memory;
pub mod messages;
pub mod migration;
pub mod observe;
pub mod persist;
pub mod replication;
pub mod run;
pub mod search;
pub mod sentinel;
pub mod users;
