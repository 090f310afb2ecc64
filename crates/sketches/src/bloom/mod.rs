//! A Bloom filter: whether an item was added. "No" is never false, "yes" only with a bounded
//! probability.
//!
//!     link 0 (full) | link 1 (full) | ... | the newest link        each with its bits (`link`)
//!
//! An item is in the filter if all its bits are set in any of the links. It is added to the newest
//! link; when that is full the filter begins a larger link, with half the error, so that the errors
//! of all links together stay below the promised error. A filter that does not scale has a single
//! link.
//!
//!     header = u64 items, u32 links, u32 options, u32 growth, (link)       little-endian, packed
//!     link   = u64 bytes, u64 bits, u64 items, f64 error, f64 bits per entry, u32 hashes,
//!              u64 entries, u8 log2
//!     chunks = the bytes of all links in order, cut anywhere within a link
//!
//! A filter may forget: then its links are those of several generations (`rotation`). A filter of
//! Valkey's module has other hashes and errors (`seeded`).
//!
//! Invariants
//!   1. There is at least one link, and each has a shape that was checked ([`LinkShape`]).
//!   2. Bits are set and never cleared, so an item that was added is found.
//!
//! Cost: O(links * hashes); an item that is not in the filter is known after about two bits of each
//! link. Items that come together are hashed first, then all their lines are prefetched.

mod chunks;
mod link;
mod living;
mod merge;
mod rotation;
#[cfg(test)]
mod rotation_tests;
mod seeded;
#[cfg(test)]
mod tests;

pub use chunks::Loader;
pub use link::LinkShape;
pub use living::LivingLinks;
pub use merge::ShapeMismatch;
pub use rotation::{GENERATIONS_MAX, Generation, PERIOD_MAX_MS, Rotation};
pub use seeded::{FilterSeed, SeededLoader};

use crate::block::copy_piece;
use crate::{block_effort, room};
use link::{BitRounding, ItemHash, ItemHashing, Link, Places};
use russet_base::memory::alloc::{boxed_bytes, good_size, vec_bytes};
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;

/// The ratio of a link's error to that of the link before it.
const TIGHTENING: f64 = 0.5;
/// The growth of a filter that was made without a growth.
pub const GROWTH_USUAL: u32 = 2;
/// Items whose lines are prefetched together.
const BATCH: usize = 16;
/// Links of a filter at most.
const LINKS_MAX: usize = 1000;

/// Bits of the options, as files have them.
mod option {
    /// Links have as many bits as they need; without this flag, a power of two.
    pub const EXACT: u32 = 1;
    /// Hashes have 64 bits; without it 32.
    pub const WIDE: u32 = 4;
    /// The filter has a single link.
    pub const NONSCALING: u32 = 8;
    /// All that Redis has; 2 has an effect only while a filter is made.
    pub const ALL: u32 = 15;
    /// The filter forgets, which Redis's do not.
    pub const ROTATING: u32 = 16;
    /// The filter is one of Valkey's module.
    pub const SEEDED: u32 = 32;
}

/// Why an item was not added, or a filter not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BloomError {
    /// The filter does not scale, and is full.
    #[error("non scaling filter is full")]
    Full,
    /// A link would be larger than any can be, or there is no memory for it.
    #[error("a link is too large")]
    TooLarge,
}

/// The outcome of adding an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// The item was not in the filter.
    New,
    /// Only generations before the newest had the item; now the newest has it, too.
    Renewed,
    /// The item was in the filter, or seems so, and nothing has changed.
    Known,
}

impl AddOutcome {
    /// Whether the item was not in the filter.
    #[inline]
    pub fn is_new(self) -> bool {
        self == AddOutcome::New
    }

    /// Whether bits were set.
    #[inline]
    pub fn is_change(self) -> bool {
        self != AddOutcome::Known
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Bloom {
    items: u64,
    options: u32,
    growth: u32,
    links: Vec<Link>,
    rotation: Option<Box<Rotation>>,
    seeding: Option<Box<FilterSeed>>,
}

impl Bloom {
    /// An empty filter for `entries` items with an error in (0, 1). Each new link has `growth`
    /// times the entries of the last; `None`: the filter does not scale.
    pub fn new(entries: u64, error: f64, growth: Option<u32>) -> Result<Bloom, BloomError> {
        Bloom::with_growth(
            entries,
            error,
            growth.unwrap_or(GROWTH_USUAL),
            growth.is_some(),
        )
    }

    /// As above; a filter that does not scale has a growth, too, which only files show.
    pub fn with_growth(
        entries: u64,
        error: f64,
        growth: u32,
        scales: bool,
    ) -> Result<Bloom, BloomError> {
        let (error, scaling) = if scales {
            (error * TIGHTENING, 0)
        } else {
            (error, option::NONSCALING)
        };
        let mut filter = Bloom {
            items: 0,
            options: option::EXACT | option::WIDE | scaling,
            growth,
            links: Vec::new(),
            rotation: None,
            seeding: None,
        };
        filter.add_link(entries, error)?;
        Ok(filter)
    }

    /// Adds an item.
    #[inline]
    pub fn add(&mut self, item: &[u8]) -> Result<AddOutcome, BloomError> {
        self.add_at(ItemHash::of(item, self.hashing()), None)
    }

    /// Adds items in order, and calls `see` with the result of each; ends after the first error.
    #[inline]
    pub fn add_each<'i>(
        &mut self,
        items: impl Iterator<Item = &'i [u8]>,
        mut see: impl FnMut(Result<AddOutcome, BloomError>),
    ) {
        let hashing = self.hashing();
        in_batches(items.map(|item| ItemHash::of(item, hashing)), |batch| {
            let (mut places, links) = ([Places::NONE; BATCH], self.links.len());
            for (hash, places) in batch.iter().zip(&mut places) {
                let (newest, older) = self.links.split_last().expect("there is one");
                older.iter().for_each(|link| link.prefetch(*hash));
                *places = newest.places(*hash);
            }
            for (hash, places) in batch.iter().zip(&places) {
                let is_current = self.links.len() == links;
                let added = self.add_at(*hash, is_current.then_some(places));
                see(added);
                if added.is_err() {
                    return false;
                }
            }
            true
        });
    }

    /// The links that answer at a time, Unix milliseconds: all, unless the filter forgets.
    #[inline]
    pub fn living(&self, now_ms: i64) -> LivingLinks<'_> {
        LivingLinks::of(self, &self.links[self.dead_links(now_ms)..])
    }

    /// All links, whatever time it is.
    #[inline]
    pub fn all(&self) -> LivingLinks<'_> {
        LivingLinks::of(self, &self.links)
    }

    /// Whether an item is in any of its links, or seems so.
    #[inline]
    pub fn contains(&self, item: &[u8]) -> bool {
        self.all().contains(item)
    }

    /// Prefetches the lines of an item.
    #[inline]
    pub fn prefetch(&self, item: &[u8]) {
        let hash = ItemHash::of(item, self.hashing());
        self.links.iter().for_each(|link| link.prefetch(hash));
    }

    // --- figures ---

    /// Items in the filter.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The ratio of a new link's entries to those of the last. `None`: it does not scale.
    pub fn growth(&self) -> Option<u32> {
        (!self.is_nonscaling()).then_some(self.growth)
    }

    /// Bits of the hashes: 64, of filters of old files 32.
    pub fn hash_bits(&self) -> u32 {
        if self.is_wide() { 64 } else { 32 }
    }

    /// The options, as files have them.
    pub fn options(&self) -> u32 {
        self.options
    }

    /// The ratio as files have it, also of a filter that does not scale.
    pub fn stored_growth(&self) -> u32 {
        self.growth
    }

    /// The links, oldest first: shape and bits.
    pub fn links(&self) -> impl ExactSizeIterator<Item = (&LinkShape, &[u8])> {
        let links = self.links.iter();
        links.map(|link| (link.shape(), link.bits()))
    }
}

impl Content for Bloom {
    fn memory_bytes(&self) -> usize {
        let blocks = self.links.iter().map(Link::memory_bytes);
        let of_rotation = |its: &Rotation| boxed_bytes::<Rotation>() + vec_bytes(&its.generations);
        good_size(self.links.capacity() * size_of::<Link>())
            + blocks.sum::<usize>()
            + self.rotation.as_deref().map_or(0, of_rotation)
            + self
                .seeding
                .as_ref()
                .map_or(0, |_| boxed_bytes::<FilterSeed>())
    }

    fn free_effort(&self) -> usize {
        let links = self.links.iter();
        links.map(|link| block_effort(link.bits().len())).sum()
    }

    fn free_step(&mut self, _n: usize) -> bool {
        self.links.pop();
        self.links.is_empty()
    }

    fn begin_copy(&self) -> Bloom {
        Bloom {
            links: self.links.iter().map(Link::blank).collect(),
            rotation: self.rotation.clone(),
            seeding: self.seeding.clone(),
            ..*self
        }
    }

    fn copy_piece(&self, to: &mut Bloom, at: u64) -> Option<u64> {
        let blocks = self.links.iter().zip(&mut to.links);
        copy_piece(blocks.map(|(from, to)| (from.bits(), to.bits_mut())), at)
    }

    fn relocate(&mut self, mover: &mut Mover, _at: u64, _n: usize) -> Option<u64> {
        mover.vec(&mut self.links);
        for link in &mut self.links {
            link.block_mut().relocate(mover);
        }
        if let Some(rotation) = &mut self.rotation {
            mover.boxed(rotation);
            mover.vec(&mut rotation.generations);
        }
        if let Some(seeding) = &mut self.seeding {
            mover.boxed(seeding);
        }
        None
    }

    fn check_invariants(&self) {
        assert!((1..=LINKS_MAX).contains(&self.links.len()));
        assert!(self.has_sound_links());
        for link in &self.links {
            assert!(link.shape().check(link.bits().len() as u64).is_ok());
        }
    }

    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        take(&self.header());
        self.links().for_each(|(_, bits)| take(bits));
    }
}

impl Bloom {
    #[inline]
    fn is_wide(&self) -> bool {
        self.options & option::WIDE != 0
    }

    #[inline]
    fn hashing(&self) -> ItemHashing {
        match &self.seeding {
            Some(seeding) => ItemHashing::Seeded(seeding.keys()),
            None if self.is_wide() => ItemHashing::Wide,
            None => ItemHashing::Narrow,
        }
    }

    fn is_nonscaling(&self) -> bool {
        self.options & option::NONSCALING != 0
    }

    /// Whether there are as many links as its options allow.
    fn has_sound_links(&self) -> bool {
        let (links, scales) = (self.links.len(), !self.is_nonscaling());
        let says_so = self.options & option::ROTATING != 0;
        if self.seeding.is_some() != (self.options & option::SEEDED != 0) {
            return false;
        }
        match &self.rotation {
            None => !says_so && (scales || links == 1),
            Some(rotation) => says_so && rotation.is_sound(links, scales),
        }
    }

    /// Adds an item, whose positions in the newest link may be known.
    #[inline]
    fn add_at(&mut self, hash: ItemHash, known: Option<&Places>) -> Result<AddOutcome, BloomError> {
        let earlier = self.earlier_links();
        let (newest, older) = self.links.split_last_mut().expect("there is one");
        let found;
        let places = match known {
            Some(places) => places,
            None => {
                found = newest.places(hash);
                &found
            }
        };
        let (earlier, older) = older.split_at(earlier);
        let has_it = |links: &[Link]| links.iter().rev().any(|link| link.contains(hash));
        if has_it(older) {
            return Ok(AddOutcome::Known);
        }
        let added = if has_it(earlier) {
            AddOutcome::Renewed
        } else {
            AddOutcome::New
        };
        let is_set = if newest.is_full() {
            if newest.contains_at(places) {
                return Ok(AddOutcome::Known);
            }
            self.grow()?;
            let newest = self.links.last_mut().expect("there is one");
            newest.insert_at(&newest.places(hash))
        } else {
            newest.insert_at(places)
        };
        self.items = self.items.saturating_add(is_set.into());
        Ok(if is_set { added } else { AddOutcome::Known })
    }

    /// Begins a link, if the filter scales.
    #[cold]
    fn grow(&mut self) -> Result<(), BloomError> {
        if self.is_nonscaling() {
            return Err(BloomError::Full);
        }
        let last = self.links.last().expect("there is one").shape();
        let entries = last.entries.checked_mul(self.growth.into());
        let error = match &self.seeding {
            Some(seeding) => seeding.error_of(self.links.len()),
            None => last.error * TIGHTENING,
        };
        let entries = entries.unwrap_or(0);
        self.add_link(entries, error)?;
        self.count_new_link();
        Ok(())
    }

    fn add_link(&mut self, entries: u64, error: f64) -> Result<(), BloomError> {
        let shape = LinkShape::new(entries, error, rounding(self.options));
        let shape = shape.filter(|_| self.links.len() < LINKS_MAX);
        let shape = shape.ok_or(BloomError::TooLarge)?;
        let before: u64 = self.links.iter().map(|link| link.shape().bits / 8).sum();
        if !room::admits(before.saturating_add(shape.bits / 8)) {
            return Err(BloomError::TooLarge);
        }
        let mut link = Link::new(shape)?;
        if self.seeding.is_some() {
            link.seed();
        }
        self.links.reserve_exact(1);
        self.links.push(link);
        Ok(())
    }
}

/// How bits are counted by these options.
fn rounding(options: u32) -> BitRounding {
    if options & option::SEEDED != 0 {
        BitRounding::Bytes
    } else if options & option::EXACT != 0 {
        BitRounding::Words
    } else {
        BitRounding::Powers
    }
}

/// Calls `see` with batches of hashes until it returns `false`.
#[inline]
fn in_batches(
    mut hashes: impl Iterator<Item = ItemHash>,
    mut see: impl FnMut(&[ItemHash]) -> bool,
) {
    let mut batch = [ItemHash::NONE; BATCH];
    loop {
        let mut count = 0;
        for (place, hash) in batch.iter_mut().zip(&mut hashes) {
            *place = hash;
            count += 1;
        }
        if count == 0 || !see(&batch[..count]) {
            return;
        }
    }
}
