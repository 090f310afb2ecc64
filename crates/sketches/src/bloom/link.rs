//! A link of a Bloom filter: its bits, and the positions of an item among them.
//!
//!     position i of an item = (h1 + i * h2 mod 2^64) mod modulus, for i below `hashes`
//!
//! The positions are found by additions; at a wrap at 2^64 the remainder of 2^64 is subtracted, so
//! that two divisions are enough for an item, however many positions it has. The divisions are
//! multiplications by the inverse of the modulus.
//!
//! Cost: O(hashes). The lines of all positions are prefetched before the first is read.

use std::ops::ControlFlow;

use russet_base::memory::alloc;
use russet_encodings::prefetch::prefetch;

use super::BloomError;
use super::seeded::sip13;
use crate::Damage;
use crate::block::Block;
use crate::hash::{murmur2, murmur64a};

/// The seeds of the first of the two hashes.
const SEED_64: u64 = 0xc6a4_a793_5bd1_e995;
const SEED_32: u32 = 0x9747_b28c;

/// ln(2)², as many digits as Redis has.
const LN_2_SQUARED: f64 = 0.480_453_013_918_201;
/// ln(2), likewise.
#[expect(
    clippy::approx_constant,
    reason = "the digits decide how many hashes there are"
)]
const LN_2: f64 = 0.693_147_180_559_945;

/// More hashes than the smallest error needs: ln(2) * |ln(5e-324)| / ln(2)² = 1074.
const HASHES_MAX: u32 = 1100;
/// With this share of items a large link has bits in nearly all of its pages.
const FILLED_SHARE: u64 = 64;
/// Positions that are prefetched together.
const TOGETHER: usize = 16;

/// The two hashes of an item, from which its positions in every link follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemHash {
    first: u64,
    step: u64,
}

impl ItemHash {
    /// Of no item.
    pub const NONE: ItemHash = ItemHash { first: 0, step: 0 };

    #[inline]
    pub fn of(item: &[u8], hashing: ItemHashing) -> ItemHash {
        match hashing {
            ItemHashing::Wide => {
                let first = murmur64a(item, SEED_64);
                let step = murmur64a(item, first);
                ItemHash { first, step }
            }
            ItemHashing::Narrow => {
                let first = murmur2(item, SEED_32);
                let step = murmur2(item, first);
                ItemHash {
                    first: first.into(),
                    step: step.into(),
                }
            }
            ItemHashing::Seeded([a, b, c, d]) => ItemHash {
                first: sip13([a, b], item),
                step: sip13([c, d], item),
            },
        }
    }
}

/// How items of a filter are hashed.
#[derive(Clone, Copy, Debug)]
pub(super) enum ItemHashing {
    /// To 64 bits.
    Wide,
    /// To 32 bits: in filters of old versions.
    Narrow,
    /// With the keys of a filter of Valkey's module.
    Seeded([u64; 4]),
}

/// The divisor of positions, with what replaces the divisions.
#[derive(Clone, Copy, Debug)]
struct Modulus {
    value: u64,
    /// 2^64 - 1 over the value.
    inverse: u64,
    /// 2^64 mod the value.
    wrap: u64,
}

impl Modulus {
    fn new(value: u64) -> Modulus {
        Modulus {
            value,
            inverse: u64::MAX / value,
            wrap: value.wrapping_neg() % value,
        }
    }

    #[inline]
    fn rest(self, n: u64) -> u64 {
        let quotient = (u128::from(n) * u128::from(self.inverse)) >> 64;
        // The quotient is at most two too small, and three times the value is below 2^64.
        let rest = n - quotient as u64 * self.value;
        below(below(rest, self.value), self.value)
    }
}

/// The positions of an item in a link, in turn.
#[derive(Clone, Copy, Debug)]
struct Positions {
    /// `h1 + i * h2` mod 2^64, and the same mod `modulus`.
    sum: u64,
    at: u64,
    step: u64,
    /// The way from a position to the next, without and with a wrap of the sum.
    steps_at: [u64; 2],
    modulus: u64,
}

impl Positions {
    #[inline]
    fn of(hash: ItemHash, modulus: Modulus) -> Positions {
        let step_at = modulus.rest(hash.step);
        let wrapped = below(step_at + modulus.value - modulus.wrap, modulus.value);
        Positions {
            sum: hash.first,
            at: modulus.rest(hash.first),
            step: hash.step,
            steps_at: [step_at, wrapped],
            modulus: modulus.value,
        }
    }

    /// Without a branch: whether a sum wraps is as good as random.
    #[inline]
    fn next(&mut self) -> u64 {
        let at = self.at;
        let (sum, wraps) = self.sum.overflowing_add(self.step);
        self.sum = sum;
        let step_at = if wraps {
            self.steps_at[1]
        } else {
            self.steps_at[0]
        };
        self.at = below(at + step_at, self.modulus);
        at
    }
}

/// The rest of a sum below twice the modulus. It does not overflow, as a modulus is at most 2^62
/// (`SHAPE_BITS_MAX`).
#[inline]
fn below(sum: u64, modulus: u64) -> u64 {
    // A difference below 0 is a very large number.
    sum.min(sum.wrapping_sub(modulus))
}

/// A link as files and chunks describe it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkShape {
    /// Items that it is made for.
    pub entries: u64,
    /// The error that it promises.
    pub error: f64,
    /// Bits for each item.
    pub bits_per_entry: f64,
    /// Positions of an item.
    pub hashes: u32,
    /// The link's bits; with `log2` the modulus may have fewer.
    pub bits: u64,
    /// If not 0, positions are modulo 2 to this power: in filters of old versions.
    pub log2: u8,
    /// Items in it.
    pub items: u64,
}

/// The most bits of a link.
const SHAPE_BITS_MAX: u64 = 1 << 62;

/// How the bits of a new link are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BitRounding {
    /// To a multiple of 64.
    Words,
    /// To a power of two: in filters of old versions.
    Powers,
    /// To bytes: in filters of Valkey's module.
    Bytes,
}

impl LinkShape {
    /// The shape of a new link. `None`: no link has it.
    pub(super) fn new(entries: u64, error: f64, rounding: BitRounding) -> Option<LinkShape> {
        if entries < 1 || !(error > 0.0 && error < 1.0) {
            return None;
        }
        let bits_per_entry = error.ln().abs() / LN_2_SQUARED;
        let wanted = entries as f64 * bits_per_entry;
        if wanted.is_nan() || wanted >= SHAPE_BITS_MAX as f64 {
            return None;
        }
        if rounding == BitRounding::Bytes {
            return LinkShape::of_bytes(entries, error);
        }
        let mut shape = LinkShape {
            entries,
            error,
            bits_per_entry,
            hashes: (LN_2 * bits_per_entry).ceil() as u32,
            bits: wanted as u64,
            log2: 0,
            items: 0,
        };
        if rounding == BitRounding::Powers {
            shape.log2 = wanted.log2().floor() as u8 + 1;
            shape.bits = 1 << shape.log2;
            let spare = (shape.bits as f64 - wanted) as u64;
            shape.entries += (spare as f64 / bits_per_entry) as u64;
        }
        shape.bits = shape.bits.div_ceil(64).max(1) * 64;
        Some(shape)
    }

    /// As Valkey's module counts, for entries that [`LinkShape::new`] has checked.
    fn of_bytes(entries: u64, error: f64) -> Option<LinkShape> {
        use std::f64::consts::LN_2;
        let bytes = (entries as f64 * error.ln() / (-8.0 * (LN_2 * LN_2))).ceil();
        let bits = 8.0 * bytes.max(1.0);
        if bits >= SHAPE_BITS_MAX as f64 {
            return None;
        }
        let bits_per_entry = bits / entries as f64;
        Some(LinkShape {
            entries,
            error,
            bits_per_entry,
            hashes: ((bits_per_entry * LN_2).round() as u32).max(1),
            bits: bits as u64,
            log2: 0,
            items: 0,
        })
    }

    /// Checks the numbers against their bounds, against each other, and against the bytes of the
    /// bits.
    pub(super) fn check(&self, bytes: u64) -> Result<(), Damage> {
        let in_bounds = self.entries >= 1
            && self.error > 0.0
            && self.error < 1.0
            && self.bits_per_entry > 0.0
            && self.bits_per_entry.is_finite()
            && (1..=HASHES_MAX).contains(&self.hashes)
            && self.log2 < 62
            && bytes <= SHAPE_BITS_MAX / 8;
        let has_all_bits = in_bounds
            && (1..=bytes * 8).contains(&self.modulus())
            && self.bits <= bytes * 8
            && bytes <= self.bits.div_ceil(64) * 8;
        if has_all_bits { Ok(()) } else { Err(Damage) }
    }

    /// Whether items have the same positions in both, and the promise is the same.
    pub(super) fn is_like(&self, other: &LinkShape) -> bool {
        LinkShape { items: 0, ..*self } == LinkShape { items: 0, ..*other }
    }

    fn modulus(&self) -> u64 {
        if self.log2 > 0 {
            1 << self.log2
        } else {
            self.bits
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Link {
    shape: LinkShape,
    modulus: Modulus,
    bits: Block,
    /// The second position is by the second hash alone (`seeded`).
    is_seeded: bool,
}

/// The positions of an item in a link, as many as are prefetched together, and what finds the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    together: [u64; TOGETHER],
    next: Positions,
}

impl Places {
    /// Of no item.
    pub const NONE: Places = Places {
        together: [0; TOGETHER],
        next: Positions {
            sum: 0,
            at: 0,
            step: 0,
            steps_at: [0; 2],
            modulus: 1,
        },
    };
}

impl Link {
    /// A link without items.
    pub fn new(shape: LinkShape) -> Result<Link, BloomError> {
        let bits = Block::zeros(shape.bits / 8).ok_or(BloomError::TooLarge)?;
        Ok(Link::of(shape, bits))
    }

    fn of(shape: LinkShape, bits: Block) -> Link {
        let modulus = Modulus::new(shape.modulus());
        Link {
            shape,
            modulus,
            bits,
            is_seeded: false,
        }
    }

    /// From now on positions are those of Valkey's module.
    pub fn seed(&mut self) {
        self.is_seeded = true;
    }

    /// The link of a shape and bits from outside.
    pub fn loaded(shape: LinkShape, bits: Block) -> Result<Link, Damage> {
        shape.check(bits.len() as u64)?;
        Ok(Link::of(shape, bits))
    }

    pub fn shape(&self) -> &LinkShape {
        &self.shape
    }

    pub fn is_full(&self) -> bool {
        self.shape.items >= self.shape.entries
    }

    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Sets the bits that are set in a link of the same shape.
    pub fn merge(&mut self, other: &Link) {
        self.bits
            .iter_mut()
            .zip(&*other.bits)
            .for_each(|(bits, others)| *bits |= others);
        self.shape.items = self.shape.items.saturating_add(other.shape.items);
    }

    /// A link without the bits, which has room for them.
    pub fn blank(&self) -> Link {
        Link {
            is_seeded: self.is_seeded,
            ..Link::of(self.shape, self.bits.blank())
        }
    }

    pub fn bits_mut(&mut self) -> &mut [u8] {
        &mut self.bits
    }

    pub fn block_mut(&mut self) -> &mut Block {
        &mut self.bits
    }

    pub fn memory_bytes(&self) -> usize {
        self.bits.memory_bytes()
    }

    /// The positions of an item; the lines of the first are prefetched.
    #[inline]
    pub fn places(&self, hash: ItemHash) -> Places {
        let mut places = Places {
            together: [0; TOGETHER],
            next: Positions::of(hash, self.modulus),
        };
        let start = self.bits.as_ptr().addr();
        let count = (self.shape.hashes as usize).min(TOGETHER);
        for place in &mut places.together[..count] {
            *place = places.next.next();
            prefetch(start + (*place >> 3) as usize);
        }
        if self.is_seeded && count > 1 {
            places.together[1] = self.modulus.rest(hash.step);
            prefetch(start + (places.together[1] >> 3) as usize);
        }
        places
    }

    /// Prefetches the lines of an item's first positions.
    #[inline]
    pub fn prefetch(&self, hash: ItemHash) {
        let _ = self.places(hash);
    }

    #[inline]
    pub fn contains(&self, hash: ItemHash) -> bool {
        self.contains_at(&self.places(hash))
    }

    /// As `contains`, for an item whose positions are known.
    #[inline]
    pub fn contains_at(&self, places: &Places) -> bool {
        let all_set = each_position(&self.shape, places, |byte, mask| {
            if self.bits[byte] & mask == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        all_set.is_continue()
    }

    /// Adds the item of these positions; `false`: all bits of the item were set.
    ///
    /// They are looked at first, as lines that are not written need not go back to memory; without
    /// a branch for each, as half of the bits of a full link are set.
    #[inline]
    pub fn insert_at(&mut self, places: &Places) -> bool {
        let bits = &mut self.bits;
        let mut clear = 0;
        let _ = each_position(&self.shape, places, |byte, mask| {
            clear |= !bits[byte] & mask;
            ControlFlow::Continue(())
        });
        if clear == 0 {
            return false;
        }
        let _ = each_position(&self.shape, places, |byte, mask| {
            bits[byte] |= mask;
            ControlFlow::Continue(())
        });
        self.shape.items = self.shape.items.saturating_add(1);
        if self.shape.items == self.shape.entries / FILLED_SHARE {
            alloc::filled(&mut self.bits);
        }
        true
    }
}

/// Calls `see` with an item's positions as byte and mask.
#[inline]
fn each_position(
    shape: &LinkShape,
    places: &Places,
    mut see: impl FnMut(usize, u8) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let hashes = shape.hashes as usize;
    for at in &places.together[..hashes.min(TOGETHER)] {
        see((at >> 3) as usize, 1 << (at & 7))?;
    }
    let mut next = places.next;
    for _ in TOGETHER..hashes {
        let at = next.next();
        see((at >> 3) as usize, 1 << (at & 7))?;
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_are_those_of_the_formula(
            first: u64, step: u64, modulus in 1..SHAPE_BITS_MAX, small in 1..5000u64,
        ) {
            for modulus in [modulus, small] {
                let hash = ItemHash { first, step };
                let mut positions = Positions::of(hash, Modulus::new(modulus));
                for i in 0..20u64 {
                    let sum = first.wrapping_add(i.wrapping_mul(step));
                    prop_assert_eq!(positions.next(), sum % modulus);
                }
            }
        }
    }

    #[test]
    fn rests_are_those_of_divisions() {
        for value in [
            1,
            2,
            3,
            5,
            64,
            1 << 32,
            (1 << 61) + 1,
            SHAPE_BITS_MAX - 1,
            SHAPE_BITS_MAX,
        ] {
            for n in [
                0,
                1,
                value - 1,
                value,
                value + 1,
                3 * value - 1,
                u64::MAX - 1,
                u64::MAX,
            ] {
                assert_eq!(Modulus::new(value).rest(n), n % value, "{n} mod {value}");
            }
        }
    }

    #[test]
    fn shapes_are_those_of_redis() {
        let shape = LinkShape::new(10, 0.005, BitRounding::Words).expect("a shape");
        assert_eq!((shape.bits, shape.hashes), (128, 8));
        assert_eq!(shape.bits_per_entry.to_bits(), 0x4026_0e35_b22f_86e9);
        let old = LinkShape::new(100, 0.01, BitRounding::Powers).expect("a shape");
        assert_eq!((old.log2, old.bits, old.entries), (10, 1024, 106));
        let none = [(0, 0.1), (1, 0.0), (1, 1.0), (1, f64::NAN), (u64::MAX, 0.5)];
        for (entries, error) in none {
            assert_eq!(LinkShape::new(entries, error, BitRounding::Words), None);
        }
        // No error is so small that its hashes exceed the bound.
        let least = LinkShape::new(1, 5e-324, BitRounding::Words).expect("a shape");
        assert!(least.hashes <= HASHES_MAX && least.check(least.bits / 8).is_ok());
    }

    #[test]
    fn shapes_whose_numbers_contradict_each_other_are_refused() {
        let good = LinkShape::new(100, 0.01, BitRounding::Words).expect("a shape");
        let bytes = good.bits / 8;
        assert!(good.check(bytes).is_ok());
        for other in [0, 1, bytes - 1, bytes + 1, u64::MAX] {
            assert_eq!(good.check(other), Err(Damage));
        }
        let change = |change: fn(&mut LinkShape)| {
            let mut shape = good;
            change(&mut shape);
            shape
        };
        let bad = [
            change(|shape| shape.entries = 0),
            change(|shape| shape.error = 0.0),
            change(|shape| shape.error = f64::NAN),
            change(|shape| shape.hashes = 0),
            change(|shape| shape.hashes = u32::MAX),
            change(|shape| shape.bits_per_entry = f64::INFINITY),
            change(|shape| shape.bits_per_entry = -1.0),
            change(|shape| shape.bits = 0),
            change(|shape| shape.bits += 1),
            change(|shape| shape.bits = u64::MAX),
            change(|shape| shape.log2 = 11),
            change(|shape| shape.log2 = 64),
            change(|shape| shape.log2 = 255),
        ];
        for shape in bad {
            assert_eq!(shape.check(bytes), Err(Damage), "{shape:?}");
        }
    }
}
