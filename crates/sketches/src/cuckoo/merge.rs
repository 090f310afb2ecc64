//! The union of filters of equal shapes: fingerprints of either go to the other.

use super::{Cuckoo, CuckooError, Probe};

/// Why filters were not merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// The filters have other buckets, or another expansion.
    #[error("the filters have different shapes")]
    Unlike,
    /// There is no room for all fingerprints.
    #[error("there is no room for all items")]
    NoRoom,
    /// The filter would have more parts than it may.
    #[error("there would be too many parts")]
    TooManyParts,
}

impl Cuckoo {
    /// Whether both were made with the same buckets and expansion.
    pub fn is_like(&self, other: &Cuckoo) -> bool {
        let numbers = |filter: &Cuckoo| (filter.buckets, filter.bucket_size, filter.expansion);
        numbers(self) == numbers(other)
    }

    /// Adds all items of another filter; an item in both filters is there twice. There are at most
    /// `parts_max` parts then, or as many as the other filter has. After an error some items are
    /// added, so the caller merges into a copy. O(slots * parts).
    ///
    /// A fingerprint in a part goes to a part with as many buckets, or fewer, because only the
    /// number of its bucket is known.
    pub fn merge(&mut self, other: &Cuckoo, parts_max: usize) -> Result<(), MergeError> {
        if !self.is_like(other) {
            return Err(MergeError::Unlike);
        }
        while self.parts.len() < other.parts.len() {
            self.grow().map_err(|_: CuckooError| MergeError::NoRoom)?;
        }
        for (part, bytes) in other.parts.iter().enumerate() {
            for (at, print) in bytes.iter().enumerate().filter(|(_, print)| **print != 0) {
                let probe = Probe::at(*print, (at / other.slots()) as u64);
                self.take_in(part, probe, parts_max)?;
            }
        }
        self.items = self.items.saturating_add(other.items);
        self.deletes = self.deletes.saturating_add(other.deletes);
        Ok(())
    }

    fn take_in(&mut self, part: usize, probe: Probe, parts_max: usize) -> Result<(), MergeError> {
        // With an expansion of 1 all parts have the same buckets.
        let known = if self.expansion == 1 {
            self.parts.len()
        } else {
            part + 1
        };
        let mut parts = self.parts[..known].iter().enumerate().rev();
        let free = parts.find_map(|(part, bytes)| Some((part, self.find(bytes, probe, 0)?)));
        if let Some((part, slot)) = free {
            self.parts[part][slot] = probe.print;
            return Ok(());
        }
        if (0..known).rev().any(|part| self.make_room(part, probe)) {
            return Ok(());
        }
        if self.expansion != 1 {
            return Err(MergeError::NoRoom);
        }
        if self.parts.len() >= parts_max {
            return Err(MergeError::TooManyParts);
        }
        self.grow().map_err(|_: CuckooError| MergeError::NoRoom)?;
        self.take_in(part, probe, parts_max)
    }
}
