//! Pins: keep large strings alive that are being sent while their key may already have changed.
//!
//! A reply does not copy a large string; it pins the string's block and passes the block's bytes to
//! `writev`. Freeing a pinned block only marks it, and the last pin frees it when dropped; a change
//! in place must copy the block first. Blocks have no header for this: the pins are in a small
//! table that is empty except between a reply and its write, and checking for empty is a single
//! load.
//!
//! Cost: two uncontended lock operations per pinned reply, instead of copying 16 KiB or more.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::alloc::{self, ForReplies};

/// Strings shorter than this are copied: cheaper than a pin.
pub const PIN_MIN: usize = 16 * 1024;

struct Pins {
    count: usize,
    /// The owner has given up the block; its length, for the allocator.
    orphan: Option<OrphanBlock>,
}

struct OrphanBlock {
    len: usize,
    _counted: ForReplies,
}

/// Number of pinned blocks: nearly always zero, and then nothing else is read. A thread that reads
/// zero may free a block without the lock: all reads of the block before the last pin was dropped
/// have completed by then (release when a pin is dropped, acquire when it is checked).
static PINNED: AtomicUsize = AtomicUsize::new(0);
static TABLE: Mutex<Option<HashMap<usize, Pins>>> = Mutex::new(None);

fn table() -> MutexGuard<'static, Option<HashMap<usize, Pins>>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of a block that is neither freed nor changed while this lives.
#[derive(Debug)]
pub struct PinnedBytes {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes are not written to while pinned, and a lock guards the table.
unsafe impl Send for PinnedBytes {}
// SAFETY: as above; shared it is only read.
unsafe impl Sync for PinnedBytes {}

impl PinnedBytes {
    /// Pins a block of [`alloc::block`].
    ///
    /// # Safety
    /// The block has `len` initialised bytes; the owner frees the block through [`free`] alone and
    /// checks [`is_pinned`] before writing to the block or moving it. Pins are made on the thread
    /// of that owner.
    pub unsafe fn new(at: NonNull<u8>, len: usize) -> PinnedBytes {
        let mut table = table();
        let pins = table.get_or_insert_default();
        let entry = pins.entry(at.as_ptr() as usize).or_insert_with(|| {
            PINNED.fetch_add(1, Ordering::Relaxed);
            Pins {
                count: 0,
                orphan: None,
            }
        });
        entry.count += 1;
        PinnedBytes { at, len }
    }
}

impl PinnedBytes {
    /// Whether the owner has given up the block, so that only pins keep it.
    pub fn is_orphan(&self) -> bool {
        let table = table();
        let pins = table.as_ref();
        pins.and_then(|pins| pins.get(&(self.at.as_ptr() as usize)))
            .is_some_and(|pins| pins.orphan.is_some())
    }
}

impl Clone for PinnedBytes {
    /// Another pin of the same block, made on the thread of its owner as the first.
    fn clone(&self) -> PinnedBytes {
        let mut table = table();
        let pins = table
            .as_mut()
            .and_then(|t| t.get_mut(&(self.at.as_ptr() as usize)));
        pins.expect("it is pinned").count += 1;
        PinnedBytes { ..*self }
    }
}

impl Deref for PinnedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: pinned: neither freed nor written to.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for PinnedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for PinnedBytes {
    fn drop(&mut self) {
        let mut table = table();
        let Some(pins) = table.as_mut() else { return };
        let key = self.at.as_ptr() as usize;
        let Some(entry) = pins.get_mut(&key) else {
            return;
        };
        entry.count -= 1;
        if entry.count > 0 {
            return;
        }
        let orphan = pins.remove(&key).and_then(|pins| pins.orphan);
        PINNED.fetch_sub(1, Ordering::Release);
        if let Some(orphan) = orphan {
            // SAFETY: the owner gave the block up with this length, and this was the last pin.
            unsafe { alloc::free(self.at, orphan.len) }
        }
    }
}

/// Whether this block is being sent.
#[inline]
pub fn is_pinned(at: NonNull<u8>) -> bool {
    if PINNED.load(Ordering::Acquire) == 0 {
        return false;
    }
    table()
        .as_ref()
        .is_some_and(|pins| pins.contains_key(&(at.as_ptr() as usize)))
}

/// Frees a block, at once or when its last pin is dropped.
///
/// # Safety
/// As [`alloc::free`].
#[inline]
pub unsafe fn free(at: NonNull<u8>, len: usize) {
    if len >= PIN_MIN && PINNED.load(Ordering::Acquire) != 0 {
        let mut table = table();
        let pins = table
            .as_mut()
            .and_then(|pins| pins.get_mut(&(at.as_ptr() as usize)));
        if let Some(pins) = pins {
            let _counted = ForReplies::new(alloc::slice_bytes(len));
            pins.orphan = Some(OrphanBlock { len, _counted });
            return;
        }
    }
    // SAFETY: the caller's promise, and the block is not pinned.
    unsafe { alloc::free(at, len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_block_lives_until_its_last_pin_goes() {
        let block = alloc::block(PIN_MIN);
        // SAFETY: PIN_MIN bytes, all written here.
        unsafe { block.as_ptr().write_bytes(7, PIN_MIN) };
        // SAFETY: initialised above, and freed through `free` below.
        let pins = unsafe {
            [
                PinnedBytes::new(block, PIN_MIN),
                PinnedBytes::new(block, PIN_MIN),
            ]
        };
        let third = pins[0].clone();
        assert!(is_pinned(block));
        // SAFETY: from `alloc::block`, not accessed directly again.
        unsafe { free(block, PIN_MIN) };
        let [first, second] = pins;
        drop(first);
        assert!(second.iter().all(|&b| b == 7));
        drop(second);
        assert!(third.iter().all(|&b| b == 7));
        drop(third);
        assert!(!is_pinned(block));
    }

    /// A race detector that checks memory ordering (Miri, ThreadSanitizer) reports a race here, if
    /// there is any.
    #[test]
    fn another_thread_frees_after_the_last_read() {
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;

        let block = alloc::block(PIN_MIN);
        // SAFETY: PIN_MIN bytes, all written here.
        unsafe { block.as_ptr().write_bytes(7, PIN_MIN) };
        // SAFETY: initialised above, and freed through `free` below.
        let pin = unsafe { PinnedBytes::new(block, PIN_MIN) };
        let go = Arc::new(AtomicBool::new(false));
        let (address, reported) = (block.as_ptr().expose_provenance(), go.clone());
        let other = std::thread::spawn(move || {
            // Relaxed, so that only the pins establish an order.
            while !reported.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            let block = NonNull::new(std::ptr::with_exposed_provenance_mut(address));
            // SAFETY: from `alloc::block`, used only by the pins.
            unsafe { free(block.expect("a block"), PIN_MIN) };
        });
        assert!(pin.iter().all(|&b| b == 7));
        drop(pin);
        go.store(true, Ordering::Relaxed);
        other.join().expect("no panic");
    }
}
