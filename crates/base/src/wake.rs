//! The call that wakes the loop from another thread.
//!
//! The loop owns the pipe that it sleeps on (`server::run::control`) and hands a waker to whatever
//! works on a thread of its own: that calls it after it has left its result where the loop looks.
//! Nothing is sent: the loop then looks everywhere. Cost: a write of a byte.

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
