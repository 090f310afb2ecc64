//! Capacity of nodes, and the size from which an element gets its own node.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum bytes of a node whose fill counts elements.
const SAFETY_BYTES: usize = 8192;

/// Minimum bytes of an element that gets its own node; 0: derived from the fill. For DEBUG only.
static PACKED_THRESHOLD: AtomicUsize = AtomicUsize::new(0);

/// DEBUG QUICKLIST-PACKED-THRESHOLD; 0 restores the default rule.
pub fn set_packed_threshold(bytes: usize) {
    PACKED_THRESHOLD.store(bytes, Ordering::Relaxed);
}

/// The capacity of a node: `list-max-listpack-size`. Positive: this many elements (and 8 KB); -1 to
/// -5: 4, 8, 16, 32, 64 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill(pub i16);

impl Fill {
    /// The fill for a configured number, clamped to the valid range.
    pub fn new(configured: i64) -> Fill {
        Fill(configured.clamp(-5, i64::from(i16::MAX)) as i16)
    }

    /// The limits in bytes and in elements; one of them is `usize::MAX`.
    pub fn limits(self) -> (usize, usize) {
        match self.0 {
            0 => (usize::MAX, 1),
            count @ 1.. => (usize::MAX, count as usize),
            level => (4096 << (-1 - i32::from(level)).min(4), usize::MAX),
        }
    }

    /// Maximum bytes of a node.
    #[inline]
    pub fn bytes_max(self) -> usize {
        if self.0 < 0 {
            self.limits().0
        } else {
            SAFETY_BYTES
        }
    }

    /// Whether a listpack of this size exceeds a node.
    #[inline]
    pub fn exceeded_by(self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes_max() || count > self.limits().1
    }

    /// Whether an element of this many bytes gets its own node.
    #[inline]
    pub fn is_large(self, bytes: usize) -> bool {
        match PACKED_THRESHOLD.load(Ordering::Relaxed) {
            0 => bytes > self.bytes_max(),
            threshold => bytes >= threshold,
        }
    }
}
