//! The rows and groups that a query keeps between its slices.
//!
//! Rows and groups are clients' memory, as replies are: they do not count towards `maxmemory`, so
//! that the server evicts no key for them. A separate thread frees large ones, because they are
//! many small blocks.

use russet_base::memory::alloc::{self, ForReplies};
use russet_base::threads;
use std::ops::{Deref, DerefMut};

/// From so many bytes on a thread frees them.
const LARGE_BYTES: usize = 1 << 20;

/// See the module.
pub(crate) struct ReplyMemory<T: Send + 'static> {
    /// `None`: the value is being dropped.
    what: Option<T>,
    bytes: usize,
    counted: Option<ForReplies>,
}

impl<T: Send + 'static> ReplyMemory<T> {
    pub(crate) fn new(what: T) -> ReplyMemory<T> {
        ReplyMemory {
            what: Some(what),
            bytes: 0,
            counted: None,
        }
    }

    /// Sets how many bytes are kept.
    pub(crate) fn set_bytes(&mut self, bytes: usize) {
        self.bytes = bytes;
        // The new figure counts before the old figure goes.
        self.counted = Some(ForReplies::new(bytes));
    }
}

impl<T: Send + 'static> Deref for ReplyMemory<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.what.as_ref().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> DerefMut for ReplyMemory<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.what.as_mut().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for ReplyMemory<T> {
    fn drop(&mut self) {
        if self.bytes < LARGE_BYTES {
            return;
        }
        let (what, gone) = (self.what.take(), alloc::let_go(self.bytes));
        // If no thread starts, this thread frees the value.
        let _ = threads::start("search-free", move || {
            drop(what);
            drop(gone);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_counts_until_it_is_dropped() {
        let before = alloc::bytes_for_replies();
        let mut kept = ReplyMemory::new(vec![1u8; 10]);
        kept.set_bytes(5 << 20);
        kept.set_bytes(3 << 20);
        assert_eq!(kept.len(), 10);
        assert_eq!(alloc::bytes_for_replies(), before + (3 << 20));
        drop(kept);
        assert_eq!(alloc::bytes_for_replies(), before);
    }
}
