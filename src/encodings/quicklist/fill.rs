//! How much a node may hold, and which elements are too large to share one.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes a node may have with a fill that counts elements.
const SAFETY_BYTES: usize = 8192;

/// From this many bytes on an element stands alone; 0: by the fill. For DEBUG only.
static PACKED_THRESHOLD: AtomicUsize = AtomicUsize::new(0);

/// Sets what DEBUG QUICKLIST-PACKED-THRESHOLD sets; 0 returns to the rule.
pub fn set_packed_threshold(bytes: usize) {
    PACKED_THRESHOLD.store(bytes, Ordering::Relaxed);
}

/// How full a node may be: `list-max-listpack-size`. Positive: so many elements (and 8 KB);
/// -1 to -5: 4, 8, 16, 32, 64 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill(pub i16);

impl Fill {
    /// The fill for a configured number, which may be anything.
    pub fn new(configured: i64) -> Fill {
        Fill(configured.clamp(-5, i64::from(i16::MAX)) as i16)
    }

    /// The limits in bytes and in elements; one of them is the greatest number.
    pub fn limits(self) -> (usize, usize) {
        match self.0 {
            0 => (usize::MAX, 1),
            count @ 1.. => (usize::MAX, count as usize),
            level => (4096 << (-1 - i32::from(level)).min(4), usize::MAX),
        }
    }

    /// Bytes that a node may have.
    #[inline]
    pub fn bytes_max(self) -> usize {
        if self.0 < 0 {
            self.limits().0
        } else {
            SAFETY_BYTES
        }
    }

    /// Whether a listpack of this size is too much for one node.
    #[inline]
    pub fn exceeded_by(self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes_max() || count > self.limits().1
    }

    /// Whether an element of this many bytes stands alone.
    #[inline]
    pub fn is_large(self, bytes: usize) -> bool {
        match PACKED_THRESHOLD.load(Ordering::Relaxed) {
            0 => bytes > self.bytes_max(),
            threshold => bytes >= threshold,
        }
    }
}
