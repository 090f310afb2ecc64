//! Whether a thread sleeps, so that other threads wake it only then.
//!
//!     sleeper                           sender
//!     begin_sleep: is_asleep = true     push the message
//!     look at all rings once more       claim_wake: is_asleep = false; if it was true, wake the
//!     sleep, or end_sleep at once       sleeper
//!
//! Both sides change the flag by `swap`, so either side sees the other: the last look finds the
//! message, or the sender finds the sleeper. `tests/sleep_flag` tries all orders of both sides'
//! steps; it includes this file, with loom's atomics instead of the standard library's.

use super::atomic::{AtomicBool, Ordering};

/// See the module.
#[derive(Debug)]
pub struct SleepFlag {
    is_asleep: AtomicBool,
}

impl SleepFlag {
    /// The flag of a thread that is awake.
    pub fn new() -> SleepFlag {
        SleepFlag {
            is_asleep: AtomicBool::new(false),
        }
    }

    /// Called by the flag's owner, which is about to sleep. It must look for messages once more
    /// before it sleeps.
    pub fn begin_sleep(&self) {
        self.is_asleep.swap(true, Ordering::SeqCst);
    }

    /// Called by the flag's owner, which is awake.
    pub fn end_sleep(&self) {
        if self.is_asleep.load(Ordering::Relaxed) {
            self.is_asleep.swap(false, Ordering::SeqCst);
        }
    }

    /// Whether the caller must wake the flag's owner. Call it after the message is in the ring.
    pub fn claim_wake(&self) -> bool {
        self.is_asleep.swap(false, Ordering::SeqCst)
    }
}
