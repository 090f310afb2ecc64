//! Replication in a simulated world: the machine of the link to the primary, with virtual time.
//!
//!     storms   what happens, from a seed; a failing one is reduced to few events
//!     world    nodes, connections, clients that wait; the steps of time
//!     node     a replica: the host of the machine, its data, its disk
//!     serving  a primary: Redis's and Valkey's ways to answer, one link at a time
//!     network  connections: delays, splits at any byte, one-way cuts, half-open ends
//!
//! No thread, no clock, no file: a seed repeats by construction. Ids of histories come from the
//! system's generator; nothing but their equality matters.

mod network;
mod node;
mod serving;
mod storms;
mod world;
