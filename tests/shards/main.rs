//! Seeded simulation of FT.* over a cluster: whole servers in a single thread (`server/node`). The
//! simulator owns the connections of their buses, their moves of slots and their clients.
//!
//!     world     the nodes as a fleet (`support/fleet`), with clients and claims
//!     storms    troubles from a seed; the test reduces a failing storm to few troubles
//!     clients   writes, definitions and questions
//!     checks    the claims about each reply, and at the end
//!     directed  courses that a storm takes seldom
//!
//! Three nodes have the slots, and a fourth joins. Messages are late, a cut of a link loses the
//! messages on their way, nothing passes between two nodes for a while, processes end and come back
//! with their files (`appendfsync always`), slots move in migrations, clients write and delete
//! documents, and definitions change at any node. A message may come twice, because nodes repeat
//! their questions.
//!
//! # The claims
//!
//! 1. A reply of FT.SEARCH or FT.AGGREGATE counts each document that exists during the whole query
//!    once, and no document that does not exist. It counts a document that is written or deleted
//!    during the query once at most.
//! 2. Any other reply is an error of the product's list. It comes by the deadline: the query's time
//!    limit and two seconds.
//! 3. With `search-global-idf`, documents with the same words have the same score in a reply.
//! 4. When the world is whole again, all nodes have the same definitions in bounded time, and find
//!    all documents.
//! 5. Nothing remains: no survey is open, no question waits, no slot moves.
//!
//! A seed repeats almost always: only threads that write files can differ, and the simulator waits
//! for them. `RUSSET_SHARD_SEED=n` runs a single seed and prints its history, `RUSSET_SHARD_RUNS=n`
//! runs n seeds.

#[path = "../support/fleet.rs"]
mod fleet;
#[path = "../support/folders.rs"]
mod folders;

mod checks;
mod clients;
mod directed;
mod storms;
mod world;
