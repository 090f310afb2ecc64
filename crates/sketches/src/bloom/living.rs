//! The part of a filter that answers: all links, but for generations whose time is over.

use super::link::{ItemHash, Link, Places};
use super::{BATCH, Bloom, LinkShape, in_batches};

/// Bytes of a link whose bits are counted for the error, at most.
const COUNTED_MAX: usize = 1 << 20;

/// See the module.
#[derive(Clone, Copy)]
pub struct LivingLinks<'a> {
    filter: &'a Bloom,
    links: &'a [Link],
}

impl<'a> LivingLinks<'a> {
    #[inline]
    pub(super) fn of(filter: &'a Bloom, links: &'a [Link]) -> LivingLinks<'a> {
        LivingLinks { filter, links }
    }

    /// Whether an item is in the filter, or seems so.
    #[inline]
    pub fn contains(self, item: &[u8]) -> bool {
        let hash = ItemHash::of(item, self.filter.hashing());
        self.links.iter().rev().any(|link| link.contains(hash))
    }

    /// Calls `see` for each item in order: whether it is in the filter, or seems so.
    #[inline]
    pub fn contains_each<'i>(
        self,
        items: impl Iterator<Item = &'i [u8]>,
        mut see: impl FnMut(bool),
    ) {
        let hashing = self.filter.hashing();
        let Some((newest, older)) = self.links.split_last() else {
            items.for_each(|_| see(false));
            return;
        };
        in_batches(items.map(|item| ItemHash::of(item, hashing)), |batch| {
            let mut places = [Places::NONE; BATCH];
            for (hash, places) in batch.iter().zip(&mut places) {
                older.iter().for_each(|link| link.prefetch(*hash));
                *places = newest.places(*hash);
            }
            for (hash, places) in batch.iter().zip(&places) {
                let in_older = || older.iter().rev().any(|link| link.contains(*hash));
                see(newest.contains_at(places) || in_older());
            }
            true
        });
    }

    /// Items in it; an item that was added in several generations counts in each.
    pub fn items(self) -> u64 {
        if self.links.len() == self.filter.links.len() {
            return self.filter.items;
        }
        let items = self.links.iter().map(|link| link.shape().items);
        items.fold(0, u64::saturating_add)
    }

    /// Items that the living links are made for.
    pub fn capacity(self) -> u64 {
        let entries = self.links.iter().map(|link| link.shape().entries);
        entries.fold(0, u64::saturating_add)
    }

    /// The links, oldest first: shape and bits.
    pub fn links(self) -> impl ExactSizeIterator<Item = (&'a LinkShape, &'a [u8])> {
        let links = self.links.iter();
        links.map(|link| (link.shape(), link.bits()))
    }

    /// The share of items that were not added and would be found nevertheless, by the bits that are
    /// set. Of large links a part of the bits is counted, spread evenly.
    pub fn measured_error(self) -> f64 {
        let clear = self.links().map(|(shape, bits)| {
            let share = share_of_ones(bits);
            1.0 - share.powi(shape.hashes as i32)
        });
        1.0 - clear.product::<f64>()
    }
}

fn share_of_ones(bits: &[u8]) -> f64 {
    /// Bytes counted together.
    const PIECE: usize = 4096;
    let step = bits.len().div_ceil(COUNTED_MAX).max(1);
    let (mut ones, mut all) = (0, 0);
    for piece in bits.chunks(PIECE).step_by(step) {
        let (words, rest) = piece.as_chunks::<8>();
        let words = words
            .iter()
            .map(|word| u64::from_le_bytes(*word).count_ones());
        let rest = rest.iter().map(|byte| byte.count_ones());
        ones += words.chain(rest).map(u64::from).sum::<u64>();
        all += 8 * piece.len() as u64;
    }
    if all == 0 {
        0.0
    } else {
        ones as f64 / all as f64
    }
}
