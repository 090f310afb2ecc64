//! A native bitmap: the bits of a string in the containers of RoaringFormatSpec.
//!
//!     bytes     the length that the string would have, apart from the bits
//!     parts     number = offset / 2^24: the set bits of that range, by the low 32 bits of their
//!               offsets, as a bitmap of crate `roaring`; without set bits there is no part
//!
//! Bit i is the bit at GETBIT's offset i.
//!
//! Invariants
//!   1. Numbers of parts ascend, and no part is empty.
//!   2. Every bit is below `bytes * 8`.
//!
//! A map of 2^32 bits, as the crate has, keeps its 65,536 containers in one list, where each new
//! container moves up to 2.6 MB. Parts bound that to 10 kB, and give the steps for freeing and the
//! unit in which memory is counted: a part's bytes are counted again after it has changed.
//!
//! Cost: a bit two binary searches and the container's own search; ranges O(containers in them);
//! memory O(parts) and the containers of changed parts. The blocks within a part are the crate's,
//! and are not offered to active defragmentation.
#![allow(unsafe_code)]

mod combine;
mod text;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Container, Encoding, MemoryUsage, Relocate, Signature, Type, boxed};
use roaring::RoaringBitmap;
use russet_base::memory::alloc::{array_bytes, boxed_bytes, vec_bytes};
use russet_base::memory::mover::Mover;

pub use combine::TooManyChunks;

/// The longest bitmap, bytes: offsets of bits are below 2^63, as replies have them.
pub const BYTES_MAX: u64 = 1 << 60;

/// Bits of an offset within a part.
const PART_BITS: u32 = 24;
/// Bits of a container.
const CHUNK: u64 = 1 << 16;
/// Bytes of a container beside its content, as the crate has it.
const CONTAINER_BYTES: usize = 40;
/// Containers that a list of them has room for at least.
const CONTAINERS_MIN: usize = 4;
/// Containers of a part, as far as the effort of freeing a part is concerned.
const PART_EFFORT: usize = 64;

/// See the module.
#[derive(Clone, Debug)]
pub struct Bitmap(Box<Body>);

#[derive(Clone, Debug, Default)]
struct Body {
    bytes: u64,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    number: u64,
    bits: RoaringBitmap,
    /// Bytes of the containers; 0: not counted since the last change.
    counted: AtomicUsize,
}

impl Part {
    fn new(number: u64, bits: RoaringBitmap) -> Part {
        Part {
            number,
            bits,
            counted: AtomicUsize::new(0),
        }
    }

    /// The bits of the offsets above the 32 low ones.
    #[inline]
    fn base(&self) -> u64 {
        self.number << PART_BITS & !u64::from(u32::MAX)
    }

    /// The offset of its first bit.
    #[inline]
    fn first(&self) -> u64 {
        self.number << PART_BITS
    }

    /// The low 32 bits of the offsets that a range has in this part.
    #[inline]
    fn low(&self, range: &RangeInclusive<u64>) -> RangeInclusive<u32> {
        low_of(self.number, range)
    }

    fn memory_bytes(&self) -> usize {
        let counted = self.counted.load(Ordering::Relaxed);
        if counted > 0 {
            return counted;
        }
        let its = self.bits.statistics();
        let containers = (its.n_containers as usize)
            .next_power_of_two()
            .max(CONTAINERS_MIN);
        // The crate counts four bytes for each value that an array has room for: it has two.
        let arrays = its.n_bytes_array_containers as usize / 2;
        let sets = its.n_bitset_containers as usize * array_bytes::<u64>(CHUNK as usize / 64);
        let runs = its.n_bytes_run_containers as usize;
        let bytes = array_bytes::<[u8; CONTAINER_BYTES]>(containers) + arrays + sets + runs;
        self.counted.store(bytes, Ordering::Relaxed);
        bytes
    }
}

impl Clone for Part {
    fn clone(&self) -> Part {
        Part::new(self.number, self.bits.clone())
    }
}

/// The low 32 bits of the offsets of a range in a part; the range has some there.
#[inline]
fn low_of(number: u64, range: &RangeInclusive<u64>) -> RangeInclusive<u32> {
    let first = (number << PART_BITS).max(*range.start());
    let last = (number << PART_BITS | ((1 << PART_BITS) - 1)).min(*range.end());
    first as u32..=last as u32
}

impl Default for Bitmap {
    fn default() -> Bitmap {
        Bitmap::new()
    }
}

impl Bitmap {
    /// An empty bitmap of no length.
    pub fn new() -> Bitmap {
        Bitmap(Box::default())
    }

    /// The length of the string with the same bits.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Extends a bitmap that is shorter with zeros to this length, at most [`BYTES_MAX`].
    #[inline]
    pub fn lengthen(&mut self, bytes: u64) {
        assert!(bytes <= BYTES_MAX);
        self.0.bytes = self.0.bytes.max(bytes);
    }

    #[inline]
    fn find_part(&self, number: u64) -> Result<usize, usize> {
        self.0
            .parts
            .binary_search_by_key(&number, |part| part.number)
    }

    /// The bit at an offset; clear beyond the length.
    #[inline]
    pub fn get(&self, at: u64) -> bool {
        self.find_part(at >> PART_BITS)
            .is_ok_and(|its| self.0.parts[its].bits.contains(at as u32))
    }

    /// Sets or clears the bit at an offset within the length; returns whether it was set.
    #[inline]
    pub fn set(&mut self, at: u64, on: bool) -> bool {
        assert!(at / 8 < self.0.bytes);
        let number = at >> PART_BITS;
        let found = self.find_part(number);
        let parts = &mut self.0.parts;
        match (found, on) {
            (Ok(its), true) => {
                let part = &mut parts[its];
                let is_new = part.bits.insert(at as u32);
                if is_new {
                    *part.counted.get_mut() = 0;
                }
                !is_new
            }
            (Ok(its), false) => {
                let part = &mut parts[its];
                let was_set = part.bits.remove(at as u32);
                if was_set {
                    *part.counted.get_mut() = 0;
                    if part.bits.is_empty() {
                        parts.remove(its);
                    }
                }
                was_set
            }
            (Err(its), true) => {
                let mut bits = RoaringBitmap::new();
                bits.insert(at as u32);
                parts.insert(its, Part::new(number, bits));
                false
            }
            (Err(_), false) => false,
        }
    }

    /// The parts that have bits of a range.
    fn parts_in(&self, range: &RangeInclusive<u64>) -> &[Part] {
        let parts = &self.0.parts;
        let from = parts.partition_point(|part| part.number < range.start() >> PART_BITS);
        let to = parts.partition_point(|part| part.number <= range.end() >> PART_BITS);
        &parts[from..to.max(from)]
    }

    /// Number of set bits in a range. O(containers in it).
    pub fn count(&self, range: RangeInclusive<u64>) -> u64 {
        let parts = self.parts_in(&range).iter();
        // The length of an iterator needs the words of the range alone, a rank those before it.
        parts
            .map(|part| part.bits.range(part.low(&range)).len() as u64)
            .sum()
    }

    /// The first bit of this value in a range. O(containers before it, and runs of other bits).
    pub fn find(&self, bit: bool, range: RangeInclusive<u64>) -> Option<u64> {
        let (mut at, last) = (*range.start(), *range.end());
        for run in self.runs(range) {
            if bit {
                return Some(*run.start());
            }
            if *run.start() > at {
                return Some(at);
            }
            at = run.end() + 1;
        }
        (!bit && at <= last).then_some(at)
    }

    /// The runs of set bits in a range, in order; runs that touch are one.
    pub fn runs(
        &self,
        range: RangeInclusive<u64>,
    ) -> impl Iterator<Item = RangeInclusive<u64>> + '_ {
        let parts = self.parts_in(&range).iter();
        let mut pieces = parts
            .flat_map(move |part| {
                let mut all = part.bits.range(part.low(&range));
                let base = part.base();
                std::iter::from_fn(move || {
                    let run = all.next_range()?;
                    Some((base | u64::from(*run.start()), base | u64::from(*run.end())))
                })
            })
            .peekable();
        std::iter::from_fn(move || {
            let (first, mut last) = pieces.next()?;
            while let Some(&(_, end)) = pieces.peek().filter(|next| next.0 == last + 1) {
                last = end;
                pieces.next();
            }
            Some(first..=last)
        })
    }

    /// Number of containers.
    pub fn chunks(&self) -> u64 {
        let parts = self.0.parts.iter();
        parts
            .map(|part| u64::from(part.bits.statistics().n_containers))
            .sum()
    }

    // --- for files ---

    /// The bits by the high 32 bits of their offsets, in order, in the smallest containers.
    pub fn buckets(&self) -> impl Iterator<Item = (u32, RoaringBitmap)> + '_ {
        let of_bucket = |a: &Part, b: &Part| a.base() == b.base();
        self.0.parts.chunk_by(of_bucket).map(|parts| {
            let mut all = RoaringBitmap::new();
            for part in parts {
                all |= &part.bits;
            }
            all.optimize();
            ((parts[0].base() >> 32) as u32, all)
        })
    }

    /// A bitmap without bits of this length, at most [`BYTES_MAX`], to which buckets are added.
    pub fn with_bytes(bytes: u64) -> Bitmap {
        let mut bitmap = Bitmap::new();
        bitmap.lengthen(bytes);
        bitmap
    }

    /// Adds the bits of a bucket that is beyond all others. `false`: it is not, or a bit is beyond
    /// the length; the bitmap must not be used then.
    ///
    /// O(containers), and the values of parts with few.
    pub fn add_bucket(&mut self, high: u32, bits: &RoaringBitmap) -> bool {
        /// Parts of fewer bits are built from their values.
        const FEW: u64 = 4096;
        let base = u64::from(high) << 32;
        let (Some(first), Some(last)) = (bits.min(), bits.max()) else {
            return true;
        };
        let is_beyond = self.0.parts.last().is_none_or(|part| part.base() < base);
        if !is_beyond || (base | u64::from(last)) / 8 >= self.0.bytes {
            return false;
        }
        let mut next = Some(first);
        while let Some(at) = next {
            let number = (base | u64::from(at)) >> PART_BITS;
            let low = at | ((1 << PART_BITS) - 1);
            let range = at..=low;
            let mut part = RoaringBitmap::new();
            if bits.range_cardinality(range.clone()) <= FEW {
                let appended = part.append(bits.range(range));
                appended.expect("values in order");
            } else {
                part.insert_range(range);
                part &= bits;
            }
            part.optimize();
            // A copy has no room to spare.
            self.0.parts.push(Part::new(number, part.clone()));
            next = low
                .checked_add(1)
                .and_then(|from| bits.range(from..).next());
        }
        true
    }
}

impl MemoryUsage for Bitmap {
    fn memory_bytes(&self) -> usize {
        let parts = self.0.parts.iter();
        boxed_bytes::<Body>()
            + vec_bytes(&self.0.parts)
            + parts.map(Part::memory_bytes).sum::<usize>()
    }
}

impl Relocate for Bitmap {
    fn relocate(&mut self, mover: &mut Mover, at: u64, _n: usize) -> Option<u64> {
        if at == 0 {
            mover.boxed(&mut self.0);
        }
        None
    }
}

impl Container for Bitmap {
    const TYPE: Type = Type::Bitmap;
    const NAME: &str = "bitmap";
    const NUMBER: u32 = 8;
    const MAY_BE_EMPTY: bool = true;

    #[inline]
    fn into_word(self) -> (Encoding, u64) {
        (Encoding::Roaring, boxed::into_word(self.0))
    }

    #[inline]
    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::Roaring);
        // SAFETY: the caller guarantees it.
        Bitmap(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::Roaring
    }

    /// Bytes, as of a string.
    fn len(&self) -> usize {
        self.0.bytes as usize
    }

    fn check_invariants(&self) {
        let parts = &self.0.parts;
        assert!(parts.is_sorted_by(|a, b| a.number < b.number));
        for part in parts {
            part.bits.internal_validate().expect("sound containers");
            let all = part.first()..=part.first() | ((1 << PART_BITS) - 1);
            let low = part.low(&all);
            assert!(!part.bits.is_empty());
            assert!(part.bits.min() >= Some(*low.start()) && part.bits.max() <= Some(*low.end()));
        }
        if let Some(part) = parts.last() {
            let last = part.bits.max().expect("not empty");
            assert!((part.base() | u64::from(last)) / 8 < self.0.bytes);
        }
    }

    /// Of the length and the runs of set bits, so that containers make no difference.
    fn sign(&self, signature: &mut Signature) {
        let mut digits = itoa::Buffer::new();
        signature.follow(digits.format(self.0.bytes).as_bytes());
        for run in self.runs(0..=u64::MAX) {
            signature.follow(digits.format(*run.start()).as_bytes());
            signature.follow(digits.format(*run.end()).as_bytes());
        }
    }

    fn free_effort(&self) -> usize {
        1 + self.0.parts.len() * PART_EFFORT
    }

    fn free_step(&mut self, n: usize) -> bool {
        let gone = (n / PART_EFFORT).max(1);
        let left = self.0.parts.len().saturating_sub(gone);
        self.0.parts.truncate(left);
        self.0.parts.is_empty()
    }
}
