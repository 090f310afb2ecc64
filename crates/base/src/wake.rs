//! The call that wakes the loop from another thread.
//!
//! The loop owns the pipe that it sleeps on (`server::run::control`) and hands a waker to every
//! helper thread, which calls the waker after it has left a result where the loop looks. The pipe
//! carries no data, because a woken loop looks at all results. Cost: a write of a byte.

use std::fmt;
use std::sync::Arc;

/// See the module. Without a loop (`default`), there is nothing to wake.
#[derive(Clone)]
pub struct Wake(Arc<dyn Fn() + Send + Sync>);

impl Wake {
    /// `call` wakes the loop; it may be called by any thread, any number of times.
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Wake {
        Wake(Arc::new(call))
    }

    /// Wakes the loop; a no-op without a loop.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl Default for Wake {
    fn default() -> Wake {
        Wake::new(|| ())
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}
