//! Machines without I/O have this in common: Sentinel, Cluster, the migration of slots, and the
//! link to a primary.
//!
//!     Event: bytes, time, outcomes --> Machine --> Outbox --> Action: links, saves, log, orders
//!
//! A machine takes bytes and time, and hands out actions. It reads no clock, no socket, no file and
//! no source of randomness, so that a seed repeats everything ([`Machine`]). Its own crate has it
//! with its simulation; the server carries out its actions.
//!
//! Invariants
//!   1. Actions are carried out at once after each event, in their order.
//!   2. After [`Action::Persist`] no action is handed out before its outcome is known
//!      ([`Outbox`]): nothing leaves before it is saved.
//!   3. A link's number is never used again, so that a late event of an old link finds nothing.
//!   4. A message to many links is one allocation.
//!
//! Cost: an event is a call; an action is a move through a queue.
//!
//! # A new machine
//!
//! - Its crate implements [`Machine`]: events that it shares with the others are [`Event`]'s, all
//!   further ones are methods of its own. It gives its links their numbers, keeps one [`Outbox`],
//!   and draws from one [`Random`].
//! - The server says what its orders do, where its state is saved, how its links are dialled.
#![warn(missing_docs)]

mod machine;
mod outbox;
mod random;
mod time;

pub use machine::{Action, Event, Level, LinkId, Machine};
pub use outbox::Outbox;
pub use random::Random;
pub use time::Now;
