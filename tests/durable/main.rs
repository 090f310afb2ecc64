//! Seeded simulation of servers whose failovers lose no acknowledged write (`sync-quorum`): whole
//! servers in a single thread, as a group of their own, or as the shards of a cluster.
//!
//!     world     the servers as a fleet (`support/fleet`), and the steps of time
//!     storms    troubles from a seed; the test reduces a failing storm to few troubles
//!     clients   writes and reads at any server
//!     checks    what was acknowledged and what was read
//!
//! In a group, orders to lead and to follow come from an authority that knows nothing, as a
//! Sentinel in a partition does; in a cluster the nodes elect, an operator hands over, and slots
//! move between the shards. Processes end and come back with their files, in a group one of them
//! without; they stand still, and do not reach each other, in one direction or both; logs are
//! rewritten.
//!
//! # The claims
//!
//! 1. A member of a set whose SADD was answered is in the set at the end, whichever server leads:
//!    also if the write was part of a transaction or of a script, or one of several in a pipeline.
//! 2. So is each member that a read has shown, at a leader or at a replica.
//! 3. The two sets of a transaction have the same members.
//! 4. When the world is whole again, each group has a leader in bounded time, writes are answered,
//!    and all of its servers have the same data.
//!
//! With the mode off the same storms lose writes, and each broken claim is found.
//!
//! A seed repeats almost always: only threads that write files can differ, and the simulator waits
//! for them. `RUSSET_DURABLE_SEED=n` runs a single seed and prints its history,
//! `RUSSET_DURABLE_RUNS=n` runs n seeds of each form, `RUSSET_DURABLE_BRIEF=1` names all failing
//! seeds and reduces none.

#[path = "../support/fleet.rs"]
mod fleet;
#[path = "../support/folders.rs"]
mod folders;

mod checks;
mod clients;
mod storms;
mod world;
