//! Deleting, and what follows from it: fingerprints move to earlier parts.
//!
//! A part has as many buckets as the part before it, or more, both powers of two: the number of a
//! bucket is enough to find the buckets of its fingerprints in every earlier part.

use super::{Cuckoo, Probe};

impl Cuckoo {
    /// Deletes a fingerprint, the newest part's first. When there are several parts, and more than
    /// a tenth as many deletes as items, the filter is compacted.
    pub(super) fn delete_probe(&mut self, probe: Probe) -> bool {
        let Some((part, slot)) = self.locate(probe, probe.print) else {
            return false;
        };
        self.parts[part][slot] = 0;
        self.items = self.items.saturating_sub(1);
        self.deletes = self.deletes.saturating_add(1);
        if self.parts.len() > 1 && self.deletes as f64 > self.items as f64 * 0.1 {
            self.compact_parts(false);
        }
        true
    }

    /// Moves fingerprints to earlier parts, the newest part's first. With `goes_on` also those of
    /// parts before a part whose fingerprints had not all room.
    pub(super) fn compact_parts(&mut self, goes_on: bool) {
        for part in (1..self.parts.len()).rev() {
            if !self.compact_part(part) && !goes_on {
                break;
            }
        }
        self.deletes = 0;
    }

    /// Moves the fingerprints of a part; the last part is freed if it is empty then. `false`: not
    /// all had room.
    fn compact_part(&mut self, part: usize) -> bool {
        let mut bytes = std::mem::take(&mut self.parts[part]);
        let mut is_empty = true;
        for (at, slot) in bytes.iter_mut().enumerate() {
            if *slot == 0 {
                continue;
            }
            let probe = Probe::at(*slot, (at / self.slots()) as u64);
            let mut earlier = self.parts[..part].iter().enumerate();
            let free = earlier.find_map(|(part, bytes)| Some((part, self.find(bytes, probe, 0)?)));
            match free {
                Some((earlier, free)) => {
                    self.parts[earlier][free] = *slot;
                    *slot = 0;
                }
                None => is_empty = false,
            }
        }
        if is_empty && part + 1 == self.parts.len() {
            self.parts.pop();
        } else {
            self.parts[part] = bytes;
        }
        is_empty
    }
}
