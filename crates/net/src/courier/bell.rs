//! The bell of a thread that sleeps on a poll: a thread that has left a message for it rings.
//!
//!     sleeper                          sender
//!     lie_down: is_asleep = true       push the message
//!     look at all rings once more      ring: is_asleep = false; if it was true, wake the poll
//!     poll, or get up at once
//!
//! Both sides change the flag by `swap` with the strictest order, so one of them sees the other:
//! either the last look finds the message, or the sender finds the sleeper. Cost: no system call
//! while the receiver is awake.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::{Registry, Token, Waker};

/// See the module.
#[derive(Debug)]
pub struct Bell {
    is_asleep: AtomicBool,
    waker: Waker,
}

impl Bell {
    /// A bell of the thread that polls `registry`, which gets an event with this token.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Arc<Bell>> {
        Ok(Arc::new(Bell {
            is_asleep: AtomicBool::new(false),
            waker: Waker::new(registry, token)?,
        }))
    }

    /// Its owner is about to sleep. It must look for messages once more before it does.
    pub fn lie_down(&self) {
        self.is_asleep.swap(true, Ordering::SeqCst);
    }

    /// Its owner is awake.
    pub fn get_up(&self) {
        if self.is_asleep.load(Ordering::Relaxed) {
            self.is_asleep.swap(false, Ordering::SeqCst);
        }
    }

    /// Wakes the owner if it sleeps; after the message is where it looks.
    pub fn ring(&self) {
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            // Its poll is open as long as the bell is: an error means that it is woken already.
            let _ = self.waker.wake();
        }
    }
}
