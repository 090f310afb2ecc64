//! The server under its real commands: tests that look at its insides (`russet_server::inside`).
//! Each file tests the folder or file of the server that has its name.

mod clients;
mod execution;
mod memory;
mod observe;
mod persist;
mod replication;
mod run;
mod testbed;
mod users;
