//! The host of machines without I/O: Sentinel, Cluster, the migration of slots, and the link to a
//! primary.
//!
//!     the server around        the host                                  a machine
//!     Driver::event, act  <->  carry_out, serve, flush, tick    <->      Machine
//!                              Links: sockets, queues, TLS               Outbox, Random
//!                              Lookups: names
//!
//! A machine takes bytes and time, and hands out actions. It reads no clock, no socket, no file and
//! no source of randomness, so that a seed repeats everything ([`Machine`]). The machine and its
//! simulation are a crate; in the server a single file gives the machine's orders their meaning
//! ([`Driver`]).
//!
//! Invariants
//!   1. The host carries out actions at once after each event, in their order.
//!   2. After [`Action::Persist`] no action is handed out before the outcome of the save is known
//!      ([`Outbox`]), so nothing leaves before it is saved.
//!   3. A link's number is never used again, so that a late event of an old link finds nothing.
//!   4. Messages leave when the links are flushed, at the end of the turn: one write per link. A
//!      message to many links is one allocation.
//!
//! Cost: an event is a call; an action is a move through a queue. A link costs one system call per
//! turn in which it has something to send, one per read.
//!
//! # A new machine
//!
//! - The machine's crate implements [`Machine`]: events that all machines share are in [`Event`],
//!   further events are methods of the machine. The machine gives its links their numbers, keeps an
//!   [`Outbox`], and draws from a [`Random`].
//! - The server implements [`Driver`] for the machine: how it is reached, what its orders do, where
//!   its state is saved, how its links are dialled. The loop has the driver in its list
//!   ([`LoopDriver`]).
#![warn(missing_docs)]

mod door;
mod driver;
mod link;
mod links;
mod machine;
mod names;
mod outbox;
mod random;
#[cfg(any(test, feature = "testing"))]
pub mod simulation;
#[cfg(test)]
mod tests;
mod time;

pub use driver::{Driver, LoopDriver};
pub use links::Links;
pub use machine::{Action, Event, Level, LinkId, Machine};
pub use names::resolve_within;
pub use outbox::Outbox;
pub use random::Random;
pub use time::Now;
