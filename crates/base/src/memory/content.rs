//! The content of a key that is a single value: a sketch, a series, a dictionary of suggestions.

use super::mover::Mover;

/// A value in a box of its own, as the keyspace needs any such value.
pub trait Content: Clone {
    /// Bytes of the value's blocks in the allocator, without the block of the value itself.
    fn memory_bytes(&self) -> usize;

    /// Approximate number of allocations to free; a large block counts as many.
    fn free_effort(&self) -> usize {
        1
    }

    /// Frees about `n` blocks; true when few are left, which drop at once. After the first call the
    /// value may only be freed further or dropped.
    fn free_step(&mut self, _n: usize) -> bool {
        true
    }

    /// A copy whose large blocks are zeros, until [`Content::copy_piece`] has copied all pieces.
    /// Content without such blocks is copied at once.
    fn begin_copy(&self) -> Self {
        self.clone()
    }

    /// Copies some 256 KB of large blocks to a copy that was begun of the same content, from a
    /// position on, 0 at first; returns where to continue, or `None` if the copy is complete.
    fn copy_piece(&self, _to: &mut Self, _at: u64) -> Option<u64> {
        None
    }

    /// Offers the value's blocks to be moved: the blocks of about `n` items from position `at` on,
    /// which is 0 at first. Returns the position where to continue, or `None` at the end. Most
    /// values have few blocks, and offer all of them.
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64>;

    /// Panics if an invariant is broken.
    fn check_invariants(&self);

    /// Calls `take` with bytes that are equal exactly if the content is: for signatures.
    fn sign(&self, take: &mut dyn FnMut(&[u8]));
}
