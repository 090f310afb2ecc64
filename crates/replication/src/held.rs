//! The stream that the main link brings while a second link brings the snapshot.
//!
//!     main link --> [ block | block | block ] --> replayed, oldest first, after the snapshot
//!                   <------- limit ------->
//!
//! At the limit the link is not read any more: further bytes wait in the primary's backlog. The
//! limit is exceeded by less than one read. Cost: one copy of each byte, no move of held bytes.

use std::collections::VecDeque;

/// Capacity of a block.
const BLOCK_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub struct HeldStream {
    blocks: VecDeque<Vec<u8>>,
    /// Bytes of the first block that were taken.
    taken: usize,
    bytes: u64,
    peak_bytes: u64,
    is_full: bool,
}

impl HeldStream {
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The most bytes that were held at a time.
    pub fn peak(&self) -> u64 {
        self.peak_bytes
    }

    /// Memory of the blocks, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum()
    }

    /// Adds bytes of the link.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        while !bytes.is_empty() {
            match self.blocks.back_mut() {
                Some(last) if last.len() < BLOCK_BYTES => {
                    let room = BLOCK_BYTES - last.len();
                    let (here, rest) = bytes.split_at(room.min(bytes.len()));
                    last.extend_from_slice(here);
                    bytes = rest;
                }
                _ => self.blocks.push_back(Vec::new()),
            }
        }
    }

    /// Whether the link is to be left unread; 0: no limit. `Err`: as of now.
    pub fn check(&mut self, limit: u64) -> Result<bool, u64> {
        let is_full = limit > 0 && self.bytes >= limit;
        if is_full && !std::mem::replace(&mut self.is_full, is_full) {
            Err(self.bytes)
        } else {
            Ok(is_full)
        }
    }

    /// Takes the oldest bytes, at most `most`.
    pub fn pop(&mut self, most: usize) -> Option<Vec<u8>> {
        let block = self.blocks.front()?;
        let end = block.len().min(self.taken.saturating_add(most.max(1)));
        let bytes = block[self.taken..end].to_vec();
        self.bytes -= bytes.len() as u64;
        self.taken = end;
        if end == block.len() {
            self.blocks.pop_front();
            self.taken = 0;
        }
        Some(bytes)
    }

    /// Forgets all of it, but for the peak.
    pub fn clear(&mut self) {
        *self = HeldStream {
            peak_bytes: self.peak_bytes,
            ..HeldStream::default()
        };
    }

    /// A new synchronization begins.
    pub fn restart(&mut self) {
        *self = HeldStream::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_popped_is_what_was_pushed() {
        let (mut held, mut model) = (HeldStream::default(), Vec::new());
        for len in [0, 1, 7, BLOCK_BYTES - 8, BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            held.push(&bytes);
            model.extend(bytes);
        }
        assert_eq!(held.bytes(), model.len() as u64);
        let mut popped = Vec::new();
        while let Some(bytes) = held.pop(1000) {
            assert!(!bytes.is_empty() && bytes.len() <= 1000);
            popped.extend(bytes);
        }
        assert!(popped == model && held.bytes() == 0);
        assert_eq!((held.peak(), held.memory_bytes()), (model.len() as u64, 0));
    }

    #[test]
    fn the_limit_is_reported_once() {
        let mut held = HeldStream::default();
        held.push(b"12345");
        assert_eq!((held.check(0), held.check(6)), (Ok(false), Ok(false)));
        assert_eq!((held.check(5), held.check(5)), (Err(5), Ok(true)));
        held.restart();
        assert_eq!((held.check(5), held.peak()), (Ok(false), 0));
    }
}
