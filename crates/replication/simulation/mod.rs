//! Replication in a simulated world, with virtual time: the machine of the link to the primary, and
//! the machine of the primary.
//!
//!     storms   what happens, from a seed; a failing storm is reduced to few events
//!     world    nodes, connections, clients that wait; the steps of time
//!     node     a server: the machine's host, its stream, its disk; the data is the simulation's
//!     data     the data of a storm
//!     serving  a primary: Redis's and Valkey's ways to answer, one link at a time
//!     primary  russet's own: the machine of the primary, all links of a node together
//!     network  connections: delays, splits at any byte, one-way cuts, half-open ends
//!
//! Server and session are public for tests: whole groups are simulated with them (`tests/groups`).
//!
//! No thread, no clock, no file: a seed repeats by construction. Ids of histories come from the
//! system's generator; nothing but their equality matters.

#[cfg(test)]
mod data;
#[cfg(test)]
mod network;
mod node;
mod primary;
#[cfg(test)]
mod quorum;
mod serving;
#[cfg(test)]
mod storms;
#[cfg(test)]
mod world;

pub use node::{Ask, Dataset, Disk, Fault, Node, Options, TIMEOUT_MS};
pub use serving::{Make, Serving, Session, State};
