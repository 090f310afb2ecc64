//! Conditions with a deadline: a test states the condition that it waits for, and never sleeps for
//! a fixed time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time limit of anything that should happen "at once", on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// Polls `condition` until it holds; panics with `what` when `limit` has passed.
#[track_caller]
pub fn wait_within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return;
        }
        assert!(
            Instant::now() < end,
            "after {limit:?} still waiting for: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// [`wait_within`] the usual limit, [`SOON`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_within(SOON, what, condition);
}

/// Sets a flag when it is dropped, also by a panic. Otherwise a thread scope, whose threads run
/// until the flag is set, would wait for ever.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
