//! Seeded simulation of FT.* over a cluster: whole servers in one thread (`server/node`), whose
//! buses, moves of slots and clients are connections that the simulator owns.
//!
//!     world     nodes, network, clocks; the steps of time
//!     storms    troubles from a seed; the test reduces a failing storm to few troubles
//!     clients   writes, definitions and questions
//!     checks    the claims about each reply, and at the end
//!     directed  courses that a storm takes seldom
//!
//! Three nodes have the slots; a fourth joins. Messages are late, a cut of a link loses the
//! messages on their way, nothing passes between two nodes for a while, processes end and come back
//! with their files (`appendfsync always`), slots move at once, writers put and delete documents,
//! definitions change at any node. Questions come twice as the nodes themselves repeat them.
//!
//! # The claims
//!
//! 1. A reply of FT.SEARCH or FT.AGGREGATE counts each document that is there during the whole
//!    query once, and no document that is not; it counts a document that comes or goes meanwhile
//!    once at most.
//! 2. Anything else is an error that the product names, by the deadline: the query's time and two
//!    seconds.
//! 3. With `search-global-idf`, documents with the same words have the same score in a reply.
//! 4. When all is well again, all nodes have the same definitions, in bounded time, and find all
//!    documents.
//! 5. Nothing is left over: no survey is open, no question waits, no slot moves.
//!
//! A seed repeats almost always: only threads that write files can differ, and the simulator waits
//! for them. `RUSSET_SHARD_SEED=n` runs one seed and prints its history, `RUSSET_SHARD_RUNS=n` that
//! many.

#[path = "../support/folders.rs"]
mod folders;

mod checks;
mod clients;
mod directed;
mod storms;
mod world;
