//! Prefetching: asks the processor to load a cache line that will be needed soon.
#![allow(unsafe_code)]

/// Prefetches the cache line at `address`. Any address is allowed: it is only a hint.
#[inline(always)]
pub fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance::<i8>(address));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Prefetches the cache lines of some bytes from the first line on, at most `most`: the processor
/// fetches what follows long runs by itself.
#[inline(always)]
pub fn prefetch_lines(bytes: &[u8], most: usize) {
    const LINE: usize = 64;
    let begin = bytes.as_ptr().addr();
    for line in 0..bytes.len().div_ceil(LINE).min(most) {
        prefetch(begin + line * LINE);
    }
}

/// How far [`PrefetchIter`] prefetches: as many misses as a core can have in flight.
const AHEAD: usize = 8;

/// An iterator's items, each returned some steps after its address was prefetched.
pub struct PrefetchIter<I: Iterator, F> {
    items: std::iter::Fuse<I>,
    /// Returns an item's address.
    place: F,
    waiting: [Option<I::Item>; AHEAD],
    at: usize,
}

/// See [`PrefetchIter`].
pub fn ahead<I>(items: I, place: impl Fn(&I::Item) -> usize) -> impl Iterator<Item = I::Item>
where
    I: Iterator,
    I::Item: Copy,
{
    let mut ahead = PrefetchIter {
        items: items.fuse(),
        place,
        waiting: [None; AHEAD],
        at: 0,
    };
    for _ in 0..AHEAD {
        ahead.step();
    }
    ahead
}

impl<I: Iterator, F: Fn(&I::Item) -> usize> PrefetchIter<I, F> {
    /// Takes the oldest waiting item, and replaces it by the next.
    #[inline]
    fn step(&mut self) -> Option<I::Item> {
        let next = self.items.next();
        if let Some(item) = &next {
            prefetch((self.place)(item));
        }
        let oldest = std::mem::replace(&mut self.waiting[self.at], next);
        self.at = (self.at + 1) % AHEAD;
        oldest
    }
}

impl<I: Iterator, F: Fn(&I::Item) -> usize> Iterator for PrefetchIter<I, F> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_once_and_in_order() {
        for n in [0, 1, AHEAD - 1, AHEAD, AHEAD + 1, 100] {
            let seen: Vec<usize> = ahead(0..n, |&at| at).collect();
            assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
    }
}
