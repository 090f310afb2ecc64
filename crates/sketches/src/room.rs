//! How large a sketch may become: what a command may allocate for a sketch, beside what it has.
//!
//! A filter is as large as its numbers say, from the first command on. So a server with a limit of
//! memory sets a [`Room`] while a client's command runs, and a larger sketch is refused before
//! memory is taken, because otherwise keys would be evicted for the sketch, and then the sketch
//! itself. Sketches from files and from other servers have no such limit.

use std::cell::Cell;

thread_local! {
    static BYTES: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// Sketches of this thread have at most so many bytes, until it is dropped.
#[must_use]
pub struct Room {
    before: u64,
}

impl Room {
    /// Sets the limit; `None`: there is none.
    pub fn of(bytes: Option<u64>) -> Room {
        Room {
            before: BYTES.replace(bytes.unwrap_or(u64::MAX)),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        BYTES.set(self.before);
    }
}

/// Whether a sketch may have so many bytes.
pub(crate) fn admits(bytes: u64) -> bool {
    bytes <= BYTES.get()
}

/// So many zeros for a sketch. `None`: there is no room for them.
pub(crate) fn zeros(bytes: usize) -> Option<Box<[u8]>> {
    if !admits(bytes as u64) {
        return None;
    }
    russet_base::memory::alloc::zeros(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bloom::BloomError;
    use crate::count_min::CellSize;
    use crate::{Bloom, CountMin, Cuckoo, TDigest, TopK, top_k::Shape};

    /// Each kind of sketch, with the bytes that its numbers ask for.
    #[test]
    fn a_sketch_that_has_no_room_is_refused_before_memory_is_taken() {
        let shape = |k, width, depth| Shape {
            k,
            width,
            depth,
            decay: 0.9,
        };
        type Make = Box<dyn Fn(u64) -> bool>;
        let makes: [(&str, Make); 6] = [
            ("bloom", Box::new(|n| Bloom::new(n, 0.01, Some(2)).is_ok())),
            ("cuckoo", Box::new(|n| Cuckoo::new(n, 2, 20, 1).is_ok())),
            (
                "count-min",
                Box::new(|n| CountMin::new(n, 5, CellSize::Four).is_ok()),
            ),
            (
                "top-k cells",
                Box::new(move |n| TopK::new(shape(10, n as u32, 7), 1).is_ok()),
            ),
            (
                "top-k places",
                Box::new(move |n| TopK::new(shape(n as u32, 8, 7), 1).is_ok()),
            ),
            ("t-digest", Box::new(|n| TDigest::admits(n as i64))),
        ];
        for (name, makes) in makes {
            let _room = Room::of(Some(1 << 20));
            assert!(makes(1000), "{name}");
            for n in [1 << 24, 1 << 28, u64::from(u32::MAX)] {
                assert!(!makes(n), "{name} of {n}");
            }
        }
    }

    #[test]
    fn what_grows_counts_what_it_has() {
        let _room = Room::of(Some(100_000));
        let mut bloom = Bloom::new(10_000, 0.01, Some(2)).expect("12 kB");
        let mut cuckoo = Cuckoo::new(16_384, 2, 20, 2).expect("16 kB");
        let mut is_full = (false, false);
        for n in 0..200_000_u32 {
            is_full.0 |= bloom.add(&n.to_le_bytes()) == Err(BloomError::TooLarge);
            is_full.1 |= cuckoo.add(&n.to_le_bytes()).is_err();
        }
        assert_eq!(is_full, (true, true));
        let blocks: usize = bloom.links().map(|(_, bits)| bits.len()).sum();
        assert!((40_000..=100_000).contains(&blocks), "{blocks}");
    }

    #[test]
    fn the_limit_ends_with_its_command() {
        {
            let _outer = Room::of(Some(10));
            let _inner = Room::of(None);
            assert!(admits(11));
        }
        assert!(admits(u64::MAX));
    }
}
