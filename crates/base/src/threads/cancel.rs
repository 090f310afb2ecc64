//! Cancellation: work of a thread that nothing waits for any more ends early.
//!
//! The code that runs the work names the flag of the client that waits ([`watch`]); loops that may
//! take long ask now and then ([`is_cancelled`]) and, if cancelled, end with any result, which the
//! caller throws away. Without a watched flag nothing is cancelled. Cost: a question is two loads.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static FLAG: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// The thread's work is cancelled by a flag, until this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Watch(());

/// Has the flag cancel the work of this thread when it is set.
pub fn watch(flag: &Arc<AtomicBool>) -> Watch {
    FLAG.set(Some(Arc::clone(flag)));
    Watch(())
}

impl Drop for Watch {
    fn drop(&mut self) {
        FLAG.take();
    }
}

/// Whether nothing waits for the work of this thread any more.
#[inline]
pub fn is_cancelled() -> bool {
    FLAG.with_borrow(|flag| {
        flag.as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_cancelled_while_its_flag_is_watched() {
        let flag = Arc::new(AtomicBool::new(true));
        assert!(!is_cancelled());
        let watch = watch(&flag);
        assert!(is_cancelled());
        flag.store(false, Ordering::Relaxed);
        assert!(!is_cancelled());
        flag.store(true, Ordering::Relaxed);
        drop(watch);
        assert!(!is_cancelled());
    }
}
