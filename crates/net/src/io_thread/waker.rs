//! The bell of a thread that sleeps on a poll: a thread that has left a message for it rings.
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
    /// A bell of the thread that polls `registry`, which gets an event with this token.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Arc<ThreadWaker>> {
        Ok(Arc::new(ThreadWaker {
            flag: SleepFlag::new(),
            waker: Waker::new(registry, token)?,
        }))
    }

    /// Its owner is about to sleep. It must look for messages once more before it does.
    pub fn begin_sleep(&self) {
        self.flag.begin_sleep();
    }

    /// Its owner is awake.
    pub fn end_sleep(&self) {
        self.flag.end_sleep();
    }

    /// Wakes the owner if it sleeps; after the message is where it looks.
    pub fn wake(&self) {
        if self.flag.claim_wake() {
            // Its poll is open as long as the bell is: an error means that it is woken already.
            let _ = self.waker.wake();
        }
    }
}
