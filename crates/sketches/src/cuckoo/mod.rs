//! A cuckoo filter: whether an item was added, which may also be deleted and counted.
//!
//!     part 0 | part 1 | ... | the newest part          each with expansion^i times the buckets
//!     part = bucket ...,  bucket = slot ...,  slot = a fingerprint of one byte, 0: free
//!
//! An item has a fingerprint and two buckets in each part; either is found from the other and the
//! fingerprint, so that a fingerprint can be moved without its item. An item goes to a free slot of
//! its buckets, the newest part's first. If there is none, fingerprints of the newest part are
//! moved to their other buckets, a bounded number of times; if that frees no slot everything is put
//! back and a part is added. The order in which slots are tried and fingerprints moved is Redis's,
//! so that the bytes are equal.
//!
//!     header = u64 items, u64 buckets, u64 deletes, u64 parts,
//!              u16 bucket size, u16 moves at most, u16 expansion      little-endian, packed
//!     chunks = the bytes of all parts in order, cut anywhere within a part
//!
//! Invariants
//!   1. There is at least one part; buckets of a part are a power of two, and so is the expansion,
//!      unless it is 0: then there is a single part.
//!   2. `items` is the number of slots in use, unless a header or a payload had another number, so
//!      no code relies on it.
//!
//! Cost: O(parts * bucket size); adding at most so many moves more; deleting may compact, O(slots).

mod compact;
mod load;
mod merge;
#[cfg(test)]
mod tests;

pub use load::{Loader, Shape};
pub use merge::MergeError;

use crate::block::{Block, copy_piece};
use crate::hash::murmur64a;
use crate::{block_effort, room};
use russet_base::memory::alloc::good_size;
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;
use russet_encodings::prefetch::prefetch;

/// The factor that leads from a fingerprint to its other bucket.
const MIX: u64 = 0x5bd1_e995;
/// Items whose buckets are prefetched together.
const BATCH: usize = 16;
/// Slots of a part at most.
const SLOTS_MAX: u64 = 1 << 48;
/// Parts of a filter at most.
const PARTS_MAX: usize = u16::MAX as usize;

/// Why an item was not added, or a filter not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CuckooError {
    /// No slot can be freed, and the filter does not grow.
    #[error("the filter is full")]
    Full,
    /// A part would be larger than any can be, or there is no memory for it.
    #[error("a part is too large")]
    TooLarge,
}

/// A fingerprint, and a hash for each of its two buckets.
#[derive(Clone, Copy, Debug)]
struct Probe {
    print: u8,
    hashes: [u64; 2],
}

impl Probe {
    const NONE: Probe = Probe {
        print: 1,
        hashes: [0; 2],
    };

    #[inline]
    fn of(item: &[u8]) -> Probe {
        let hash = murmur64a(item, 0);
        Probe::at((hash % 255 + 1) as u8, hash)
    }

    /// Of a fingerprint in a bucket.
    #[inline]
    fn at(print: u8, hash: u64) -> Probe {
        Probe {
            print,
            hashes: [hash, other(print, hash)],
        }
    }
}

/// The hash of a fingerprint's other bucket.
#[inline]
fn other(print: u8, hash: u64) -> u64 {
    hash ^ u64::from(print).wrapping_mul(MIX)
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Cuckoo {
    items: u64,
    deletes: u64,
    /// Buckets of the first part.
    buckets: u64,
    bucket_size: u16,
    moves_max: u16,
    expansion: u16,
    parts: Vec<Block>,
}

impl Cuckoo {
    /// An empty filter for at least `capacity` items. Each new part has `expansion` times the
    /// buckets of the last, rounded up to a power of two; with 0 there is none.
    pub fn new(
        capacity: u64,
        bucket_size: u16,
        moves_max: u16,
        expansion: u16,
    ) -> Result<Cuckoo, CuckooError> {
        let buckets = (capacity / u64::from(bucket_size.max(1)))
            .max(1)
            .checked_next_power_of_two();
        // 0 stays 0; the largest, 2^15, is its own power of two.
        let expansion = match expansion {
            0 => Some(0),
            n => n.checked_next_power_of_two(),
        };
        let mut filter = Cuckoo {
            items: 0,
            deletes: 0,
            buckets: buckets.ok_or(CuckooError::TooLarge)?,
            bucket_size: bucket_size.max(1),
            moves_max,
            expansion: expansion.ok_or(CuckooError::TooLarge)?,
            parts: Vec::new(),
        };
        filter.grow()?;
        Ok(filter)
    }

    /// Adds an item, also a second time.
    #[inline]
    pub fn add(&mut self, item: &[u8]) -> Result<(), CuckooError> {
        self.add_probe(Probe::of(item))
    }

    /// Adds an item unless it is in the filter, or seems so; `false`: it is.
    #[inline]
    pub fn add_new(&mut self, item: &[u8]) -> Result<bool, CuckooError> {
        self.add_new_probe(Probe::of(item))
    }

    /// Adds items in order, with `only_new` only items that are not in the filter, and calls `see`
    /// with the result of each: whether it was added. Continues after an error.
    #[inline]
    pub fn add_each<'i>(
        &mut self,
        items: impl Iterator<Item = &'i [u8]>,
        only_new: bool,
        mut see: impl FnMut(Result<bool, CuckooError>),
    ) {
        in_batches(items.map(Probe::of), |batch| {
            batch.iter().for_each(|probe| self.prefetch_probe(*probe));
            for probe in batch {
                see(if only_new {
                    self.add_new_probe(*probe)
                } else {
                    self.add_probe(*probe).map(|()| true)
                });
            }
        });
    }

    /// Whether an item is in the filter, or seems so.
    #[inline]
    pub fn contains(&self, item: &[u8]) -> bool {
        self.contains_probe(Probe::of(item))
    }

    /// Calls `see` for each item in order: whether it is in the filter, or seems so.
    #[inline]
    pub fn contains_each<'i>(
        &self,
        items: impl Iterator<Item = &'i [u8]>,
        mut see: impl FnMut(bool),
    ) {
        in_batches(items.map(Probe::of), |batch| {
            batch.iter().for_each(|probe| self.prefetch_probe(*probe));
            batch
                .iter()
                .for_each(|probe| see(self.contains_probe(*probe)));
        });
    }

    /// How often an item was added, or more often: by Redis's way of counting twice if both buckets
    /// of the item are the same.
    pub fn count(&self, item: &[u8]) -> u64 {
        let probe = Probe::of(item);
        let in_part = |part: &[u8]| {
            let in_bucket = |at: usize| {
                let bucket = &part[at..at + self.slots()];
                bucket.iter().filter(|slot| **slot == probe.print).count()
            };
            self.buckets_of(part, probe)
                .map(in_bucket)
                .iter()
                .sum::<usize>()
        };
        self.parts.iter().map(|part| in_part(part) as u64).sum()
    }

    /// Deletes an item once; `false`: it was not in the filter.
    pub fn delete(&mut self, item: &[u8]) -> bool {
        self.delete_probe(Probe::of(item))
    }

    /// Moves fingerprints to earlier parts, and frees a last part that is empty then. O(slots).
    pub fn compact(&mut self) {
        self.compact_parts(true);
    }

    /// Prefetches the buckets of an item.
    #[inline]
    pub fn prefetch(&self, item: &[u8]) {
        self.prefetch_probe(Probe::of(item));
    }

    // --- figures ---

    /// Items in the filter.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Items deleted since the last compaction.
    pub fn deletes(&self) -> u64 {
        self.deletes
    }

    /// Buckets of the first part.
    pub fn buckets(&self) -> u64 {
        self.buckets
    }

    /// Slots of a bucket.
    pub fn bucket_size(&self) -> u16 {
        self.bucket_size
    }

    /// Moves at most to free a slot.
    pub fn moves_max(&self) -> u16 {
        self.moves_max
    }

    /// The ratio of a new part's buckets to those of the last; 0: there is no new part.
    pub fn expansion(&self) -> u16 {
        self.expansion
    }

    /// The bytes of the parts, oldest first.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.parts.iter().map(|part| &**part)
    }
}

impl Content for Cuckoo {
    fn memory_bytes(&self) -> usize {
        let blocks = self.parts.iter().map(Block::memory_bytes);
        good_size(self.parts.capacity() * size_of::<Block>()) + blocks.sum::<usize>()
    }

    fn free_effort(&self) -> usize {
        self.parts().map(|part| block_effort(part.len())).sum()
    }

    fn free_step(&mut self, _n: usize) -> bool {
        self.parts.pop();
        self.parts.is_empty()
    }

    fn begin_copy(&self) -> Cuckoo {
        Cuckoo {
            parts: self.parts.iter().map(Block::blank).collect(),
            ..*self
        }
    }

    fn copy_piece(&self, to: &mut Cuckoo, at: u64) -> Option<u64> {
        let parts = self.parts.iter().zip(&mut to.parts);
        copy_piece(parts.map(|(from, to)| (&**from, &mut **to)), at)
    }

    fn relocate(&mut self, mover: &mut Mover, _at: u64, _n: usize) -> Option<u64> {
        mover.vec(&mut self.parts);
        self.parts.iter_mut().for_each(|part| part.relocate(mover));
        None
    }

    fn check_invariants(&self) {
        assert!((1..=PARTS_MAX).contains(&self.parts.len()));
        assert!(self.expansion == 0 || self.expansion.is_power_of_two());
        assert!(self.expansion > 0 || self.parts.len() == 1);
        let mut buckets = self.buckets as usize;
        for part in &self.parts {
            assert!(buckets.is_power_of_two());
            assert_eq!(part.len(), buckets * self.slots());
            buckets *= usize::from(self.expansion);
        }
    }

    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        take(&self.header());
        self.parts().for_each(take);
    }
}

impl Cuckoo {
    /// Slots of a bucket.
    #[inline]
    fn slots(&self) -> usize {
        usize::from(self.bucket_size)
    }

    /// Where a probe's buckets begin in a part.
    #[inline]
    fn buckets_of(&self, part: &[u8], probe: Probe) -> [usize; 2] {
        let mask = (part.len() / self.slots()) as u64 - 1;
        probe
            .hashes
            .map(|hash| (hash & mask) as usize * self.slots())
    }

    #[inline]
    fn prefetch_probe(&self, probe: Probe) {
        for part in &self.parts {
            for at in self.buckets_of(part, probe) {
                prefetch(part.as_ptr().addr() + at);
            }
        }
    }

    /// The first slot of a probe's buckets in a part that has this fingerprint.
    #[inline]
    fn find(&self, part: &[u8], probe: Probe, print: u8) -> Option<usize> {
        let find = |at: usize| {
            let bucket = &part[at..at + self.slots()];
            let slot = bucket.iter().position(|slot| *slot == print);
            slot.map(|slot| at + slot)
        };
        self.buckets_of(part, probe).into_iter().find_map(find)
    }

    /// The part and the slot of a fingerprint in a probe's buckets, the newest part's first.
    #[inline]
    fn locate(&self, probe: Probe, print: u8) -> Option<(usize, usize)> {
        let mut parts = self.parts.iter().enumerate().rev();
        parts.find_map(|(part, bytes)| Some((part, self.find(bytes, probe, print)?)))
    }

    #[inline]
    fn contains_probe(&self, probe: Probe) -> bool {
        self.locate(probe, probe.print).is_some()
    }

    #[inline]
    fn add_new_probe(&mut self, probe: Probe) -> Result<bool, CuckooError> {
        if self.contains_probe(probe) {
            return Ok(false);
        }
        self.add_probe(probe).map(|()| true)
    }

    #[inline]
    fn add_probe(&mut self, probe: Probe) -> Result<(), CuckooError> {
        loop {
            if let Some((part, slot)) = self.locate(probe, 0) {
                self.parts[part][slot] = probe.print;
                break;
            }
            if self.make_room(self.parts.len() - 1, probe) {
                break;
            }
            if self.expansion == 0 {
                return Err(CuckooError::Full);
            }
            self.grow()?;
        }
        self.items = self.items.saturating_add(1);
        Ok(())
    }

    /// Puts a fingerprint into its first bucket of a part, moves another fingerprint from there to
    /// that fingerprint's other bucket, and so on. `false`: after so many moves no slot was free,
    /// and everything is as before.
    #[cold]
    fn make_room(&mut self, part: usize, probe: Probe) -> bool {
        let (size, moves) = (self.slots(), self.moves_max);
        let part = &mut self.parts[part];
        let mask = (part.len() / size) as u64 - 1;
        let (mut print, mut bucket, mut victim) = (probe.print, probe.hashes[0] & mask, 0);
        for _ in 0..moves {
            let at = bucket as usize * size;
            std::mem::swap(&mut part[at + victim], &mut print);
            bucket = other(print, bucket) & mask;
            let at = bucket as usize * size;
            let slots = &mut part[at..at + size];
            if let Some(free) = slots.iter_mut().find(|slot| **slot == 0) {
                *free = print;
                return true;
            }
            victim = (victim + 1) % size;
        }
        for _ in 0..moves {
            victim = (victim + size - 1) % size;
            bucket = other(print, bucket) & mask;
            std::mem::swap(&mut part[bucket as usize * size + victim], &mut print);
        }
        assert_eq!(print, probe.print, "each move was undone");
        false
    }

    /// Adds a part.
    #[cold]
    fn grow(&mut self) -> Result<(), CuckooError> {
        let slots = self.slots_of(self.parts.len());
        let before: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        let slots = slots.filter(|slots| room::admits(before.saturating_add(*slots)));
        let part = slots.and_then(Block::zeros).ok_or(CuckooError::TooLarge)?;
        self.parts.reserve_exact(1);
        self.parts.push(part);
        Ok(())
    }

    /// The slots of a part by its number. `None`: no part has as many.
    fn slots_of(&self, part: usize) -> Option<u64> {
        let factor = match part {
            0 => 1,
            PARTS_MAX.. => return None,
            part => u64::from(self.expansion).checked_pow(part as u32)?,
        };
        let slots = self.buckets.checked_mul(factor)?;
        let slots = slots.checked_mul(self.bucket_size.into())?;
        (1..=SLOTS_MAX).contains(&slots).then_some(slots)
    }
}

/// Calls `see` with batches of probes.
#[inline]
fn in_batches(mut probes: impl Iterator<Item = Probe>, mut see: impl FnMut(&[Probe])) {
    let mut batch = [Probe::NONE; BATCH];
    loop {
        let mut count = 0;
        for (place, probe) in batch.iter_mut().zip(&mut probes) {
            *place = probe;
            count += 1;
        }
        if count == 0 {
            return;
        }
        see(&batch[..count]);
    }
}
