//! The outside of I/O threads: rings, polls, threads, the clock.
//!
//! `tests/protocol` includes the I/O threads with a module of its own instead of this module: there
//! a scheduler decides which of the threads goes on.

pub(crate) use std::sync::atomic;
pub(crate) use std::thread::{JoinHandle, sleep, yield_now};
pub(crate) use std::time::Instant;

pub(crate) use mio::event::Event;
pub(crate) use mio::{Events, Poll, Registry, Waker};
pub(crate) use rtrb::{Consumer, Producer, PushError, RingBuffer};
pub(crate) use russet_base::threads::start;

/// Messages that a ring has room for. Each carries many connections' bytes.
pub(crate) const RING: usize = 64;
