//! Every command: rows, handlers and documentation, one folder per Redis group.

mod bitmap;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;
mod transactions;

mod docs;
#[cfg(test)]
mod facts;

pub use docs::docs_for;
