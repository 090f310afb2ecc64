//! Wakes a thread that sleeps on a poll. A thread that has left a message for the sleeper calls
//! [`ThreadWaker::wake`].
//!
//! Cost: no system call while the receiver is awake ([`SleepFlag`]).

use std::io;
use std::sync::Arc;

use mio::Token;

use super::sleep_flag::SleepFlag;
use crate::outside::{Registry, Waker};

/// See the module.
#[derive(Debug)]
pub struct ThreadWaker {
    flag: SleepFlag,
    waker: Waker,
}

impl ThreadWaker {
    /// A waker of the thread that polls `registry`, which gets an event with this token.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Arc<ThreadWaker>> {
        Ok(Arc::new(ThreadWaker {
            flag: SleepFlag::new(),
            waker: Waker::new(registry, token)?,
        }))
    }

    /// Called by the waker's owner, which is about to sleep. It must look for messages once more
    /// before it sleeps.
    pub fn begin_sleep(&self) {
        self.flag.begin_sleep();
    }

    /// Called by the waker's owner, which is awake.
    pub fn end_sleep(&self) {
        self.flag.end_sleep();
    }

    /// Wakes the owner if it sleeps. Call it after the message is in the ring.
    pub fn wake(&self) {
        if self.flag.claim_wake() {
            // The owner's poll is open as long as the waker exists: an error means that the owner
            // is woken already.
            let _ = self.waker.wake();
        }
    }
}
