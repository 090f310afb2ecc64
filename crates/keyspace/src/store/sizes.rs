//! How many keys of each size a database has: the histogram of INFO keysizes.
//!
//!     bin 0: empty    bin i: 2^(i-1) to below 2^i bytes of a string, elements of other types
//!
//! The counts follow the entries: `Database` counts insertions, removals and replaced values, and a
//! write to a container is counted where its borrow ends ([`RefMut`](super::super::RefMut)).
//! Nothing else can change a size, so nothing else counts. Redis misses some of its own changes
//! (INCR of a large integer, SPOP of a whole set).
//!
//! Cost: two lengths and a comparison; the counters are touched only when the bin changes.

use super::super::{NewValue, Ref, Str};
use super::entry::Entry;
use super::packed::PackedText;
use russet_types::{Container, Type, for_container};

/// Sizes are lengths in memory, below 2^63.
const BINS: usize = 64;

/// The type and size of a value.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    kind: Type,
    /// Bytes or elements; of an integer, any number in the same bin as its text's length.
    size: usize,
}

impl Size {
    #[inline]
    pub fn new(kind: Type, size: usize) -> Size {
        Size { kind, size }
    }

    /// The size of an entry's value.
    #[inline]
    pub fn of(entry: Entry) -> Size {
        match entry.string() {
            Some(Str::Bytes(text)) => Size::new(Type::String, text.len()),
            Some(Str::Int(n)) => Size::of_int(n),
            Some(Str::Packed(packed)) => Size::new(Type::String, packed.len()),
            None => Size::of_container(entry),
        }
    }

    #[inline(never)]
    fn of_container(entry: Entry) -> Size {
        let kind = entry.kind();
        if let Some(packed) = entry
            .is_packed()
            .then(|| entry.packed_container())
            .flatten()
        {
            return Size::new(kind, packed.len());
        }
        let size = for_container!(kind, T => Ref::<T>::of(entry).len(), _ => 0);
        Size { kind, size }
    }

    /// The size of an integer-encoded string.
    #[inline]
    pub(crate) fn of_int(n: i64) -> Size {
        Size::new(Type::String, int_size(n))
    }

    /// The size of a value just written to `entry`: a string's is known without reading the entry.
    #[inline]
    pub(crate) fn of_new(value: NewValue<'_>, entry: Entry) -> Size {
        match value {
            NewValue::Int(n) => Size::of_int(n),
            NewValue::Bytes { text, .. } => Size::new(Type::String, text.len()),
            NewValue::Zeros(len) => Size::new(Type::String, len),
            NewValue::Packed {
                kind: Type::String,
                block,
                ..
            } => Size::new(Type::String, PackedText::of(block).len()),
            NewValue::Large(large) => Size::new(Type::String, large.len()),
            NewValue::Container(..) | NewValue::Packed { .. } => Size::of_container(entry),
        }
    }

    #[inline]
    fn same_bin(self, other: Size) -> bool {
        // Two numbers have the same highest bit exactly when their differing bits are less than
        // their common bits.
        let (a, b) = (self.size, other.size);
        self.kind == other.kind && (a ^ b) <= (a & b)
    }

    pub fn kind(self) -> Type {
        self.kind
    }

    /// Bytes or elements; see the field.
    pub fn elements(self) -> usize {
        self.size
    }

    pub fn bin(self) -> usize {
        (usize::BITS - self.size.leading_zeros()) as usize % BINS
    }
}

/// A number in the same bin as the length of the integer's text: 1, 2, 4, 8 or 16.
#[inline]
fn int_size(n: i64) -> usize {
    let digits = match n {
        0.. => n as u64,
        // A sign is as long as a digit.
        _ => n.unsigned_abs().saturating_mul(10),
    };
    let from = |step| usize::from(digits >= step);
    1 << (from(10) + from(1000) + from(10_000_000) + from(1_000_000_000_000_000))
}

/// The highest bits whose numbers have texts in several bins: those around 10, 1000, 10^7 and
/// 10^15. Negative numbers are among them.
const MIXED: u64 = 1 << 3 | 1 << 9 | 1 << 23 | 1 << 49 | 1 << 63;

/// Whether two integers' texts are certainly in the same bin. A `false` may be wrong, which is rare
/// when an integer is counted up to another.
#[inline]
fn plainly_same(a: i64, b: i64) -> bool {
    let (a, b) = (a as u64, b as u64);
    (a ^ b) <= (a & b) && MIXED >> (a | 1).ilog2() & 1 == 0
}

/// Keys by type and bin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeySizes([[u64; BINS]; Type::ALL.len()]);

impl Default for KeySizes {
    fn default() -> Self {
        KeySizes([[0; BINS]; Type::ALL.len()])
    }
}

impl KeySizes {
    pub(crate) const BINS: usize = BINS;

    /// A key was added.
    #[inline]
    pub fn add(&mut self, size: Size) {
        self.0[size.kind as usize][size.bin()] += 1;
    }

    /// All these keys were added.
    pub fn add_all(&mut self, other: &KeySizes) {
        let bins = self.0.as_flattened_mut().iter_mut();
        for (bin, other) in bins.zip(other.0.as_flattened()) {
            *bin += other;
        }
    }

    /// A key is removed.
    #[inline]
    pub fn remove(&mut self, size: Size) {
        self.0[size.kind as usize][size.bin()] -= 1;
    }

    /// A key's value grew, shrank or was replaced.
    #[inline]
    pub fn change(&mut self, before: Size, after: Size) {
        if !before.same_bin(after) {
            self.change_bin(before, after);
        }
    }

    /// As [`KeySizes::change`], of an integer-encoded key set to another integer.
    #[inline]
    pub(crate) fn change_int(&mut self, before: i64, after: i64) {
        if !plainly_same(before, after) {
            self.change(Size::of_int(before), Size::of_int(after));
        }
    }

    #[inline(never)]
    fn change_bin(&mut self, before: Size, after: Size) {
        self.remove(before);
        self.add(after);
    }

    /// The non-empty bins of a type: the least size of each, and its number of keys.
    pub fn of(&self, kind: Type) -> impl Iterator<Item = (u64, u64)> + '_ {
        let bins = self.0[kind as usize].iter().enumerate();
        bins.filter(|(_, keys)| **keys > 0)
            .map(|(bin, keys)| ((1u64 << bin) >> 1, *keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bin_of(size: usize) -> usize {
        Size::new(Type::List, size).bin()
    }

    #[test]
    fn a_bin_ends_before_the_next_power_of_two() {
        assert_eq!([0, 1, 2, 3, 4, 7, 8].map(bin_of), [0, 1, 2, 2, 3, 3, 4]);
        assert_eq!(bin_of(isize::MAX as usize), BINS - 1);
    }

    #[test]
    fn counts_stand_at_the_least_size_of_their_bin() {
        let mut sizes = KeySizes::default();
        for size in [0, 1, 5, 4, 1500] {
            sizes.add(Size::new(Type::Set, size));
        }
        sizes.change(Size::new(Type::Set, 5), Size::new(Type::Zset, 9));
        sizes.remove(Size::new(Type::Set, 0));
        let of = |kind| sizes.of(kind).collect::<Vec<_>>();
        assert_eq!(of(Type::Set), [(1, 1), (4, 1), (1024, 1)]);
        assert_eq!(of(Type::Zset), [(8, 1)]);
        assert_eq!(of(Type::List), []);
    }

    proptest! {
        #[test]
        fn an_integer_counts_as_its_text(n in any::<i64>(), shift in 0u32..64) {
            for n in [n, n >> shift, i64::MIN, 0, 9, -9, 10, -99, 999, 1000, -1000] {
                let text = Size::new(Type::String, n.to_string().len());
                prop_assert_eq!(Size::of_int(n).bin(), text.bin(), "{}", n);
            }
        }

        #[test]
        fn what_is_plain_of_two_integers_is_true(n in any::<i64>(), shift in 0u32..64, step in -99i64..99) {
            let n = n >> shift;
            for (a, b) in [(n, n.wrapping_add(step)), (n, n >> 1), (n, !n), (0, 0), (9, 10), (-1, -10)] {
                let same = Size::of_int(a).bin() == Size::of_int(b).bin();
                prop_assert!(same || !plainly_same(a, b), "{} {}", a, b);
            }
            for near in [10, 1000, 10_000_000, 1_000_000_000_000_000i64] {
                let (a, b) = (near - 1 - step.abs() % 10, near + step.abs());
                prop_assert!(!plainly_same(a, b) && !plainly_same(b, a), "{} {}", a, b);
            }
            prop_assert!(plainly_same(1000000, 1000001) && plainly_same(5, 6));
        }

        #[test]
        fn the_comparison_agrees_with_the_bins(a: u32, b: u32, shift in 0u32..32) {
            for (a, b) in [(a, b), (a >> shift, b >> shift), (a, a >> shift), (a, 0), (0, 0)] {
                let (a, b) = (a as usize, b as usize);
                let same = Size::new(Type::Hash, a).same_bin(Size::new(Type::Hash, b));
                prop_assert_eq!(same, bin_of(a) == bin_of(b), "{} {}", a, b);
            }
        }
    }
}
