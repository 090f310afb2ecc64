//! Many tables, by number, most of them of a single segment.
//!
//!     roots    the directory word of each table that has one segment, 8 bytes a table: a lookup
//!              reads it instead of the table, whose line is out of the cache when there are
//!              thousands
//!     page     64 tables, a cache line each; made with the first change of one of them. The last
//!              one dropped is kept for the next
//!     expiry   the records of all tables (`expiry`)
//!
//! All tables have the same odd number (`HashTable::salt`), because a lookup would else read the
//! number in the table.
//!
//! Invariants
//!   1. The root of a table is its only directory word; the root is none if the directory has no
//!      word or several, while the table changes, and if the table has no page.
//!   2. Tables change only in [`Tables::change`].
//!   3. `expiry` is lent to a table while that table changes, and has the records of all tables.
//!
//! Cost: a lookup is that of a table of a single segment; of more segments, two more reads.

use super::line::{Accepts, tag_of_hash};
use super::{Handle, HashTable, SegmentRef, SharedExpiry, Word};
use crate::prefetch::prefetch;
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;

/// Tables of a page.
const PAGE: usize = 64;

#[repr(align(64))]
struct Line(HashTable);

const _: () = assert!(size_of::<Line>() == 64);

type Page = [Line; PAGE];

/// `64 * PAGES` tables; see the module.
pub struct Tables<const PAGES: usize> {
    roots: Box<[[SegmentRef; PAGE]; PAGES]>,
    pages: [Option<Box<Page>>; PAGES],
    /// A page whose tables are empty.
    spare: Option<Box<Page>>,
    salt: u64,
    expiry: SharedExpiry,
}

#[inline(always)]
fn line_of(table: u16) -> usize {
    usize::from(table) % PAGE
}

impl<const PAGES: usize> Default for Tables<PAGES> {
    fn default() -> Self {
        Tables::new()
    }
}

impl<const PAGES: usize> Tables<PAGES> {
    /// The remainder spares a test of the bounds.
    #[inline(always)]
    fn page_of(table: u16) -> usize {
        usize::from(table) / PAGE % PAGES
    }

    /// Empty tables: eight bytes each.
    pub fn new() -> Tables<PAGES> {
        Tables::salted(HashTable::new().salt)
    }

    /// Empty tables that can take the place of the given table ([`Tables::put`]).
    pub fn empty_like(&self) -> Tables<PAGES> {
        Tables::salted(self.salt)
    }

    fn salted(salt: u64) -> Tables<PAGES> {
        Tables {
            roots: Box::new([[SegmentRef::NONE; PAGE]; PAGES]),
            pages: [const { None }; PAGES],
            spare: None,
            salt,
            expiry: SharedExpiry::default(),
        }
    }

    /// The records of all tables.
    #[inline]
    pub fn expiry(&self) -> &SharedExpiry {
        &self.expiry
    }

    /// As [`Tables::expiry`], for changes that concern all tables.
    #[inline]
    pub fn expiry_mut(&mut self) -> &mut SharedExpiry {
        &mut self.expiry
    }

    /// A table. `None`: it is empty, as some that exist.
    #[inline]
    pub fn get(&self, table: u16) -> Option<&HashTable> {
        let page = self.pages[Self::page_of(table)].as_ref()?;
        Some(&page[line_of(table)].0)
    }

    /// The root, and a hash of these tables.
    #[inline(always)]
    fn root(&self, table: u16, hash: u64) -> (SegmentRef, u64) {
        let root = self.roots[Self::page_of(table)][line_of(table)];
        (root, hash.wrapping_mul(self.salt))
    }

    /// As `HashTable::find_at`.
    #[inline]
    pub fn find_at(&self, table: u16, hash: u64, mut eq: impl Accepts) -> Option<(Handle, Word)> {
        let (root, own) = self.root(table, hash);
        if root.is_none() {
            return self.get(table)?.find_at(hash, eq);
        }
        let (at, word) = root.find(tag_of_hash(own), &mut eq)?;
        Some((Handle::new(own, at), word))
    }

    /// Runs `change` with a table, which then has the records of all.
    #[inline]
    pub fn change<R>(&mut self, table: u16, change: impl FnOnce(&mut HashTable) -> R) -> R {
        let (at, line) = (Self::page_of(table), line_of(table));
        let page = match &mut self.pages[at] {
            Some(page) => page,
            none => none.insert(self.spare.take().unwrap_or_else(|| new_page(self.salt))),
        };
        let root = &mut self.roots[at][line];
        *root = SegmentRef::NONE;
        let its = &mut page[line].0;
        let result = its.with_shared(&mut self.expiry, table, change);
        *root = its.only_segment();
        result
    }

    /// Takes a table out; an empty table replaces it. O(1), and O(segments) if expiries are
    /// recorded.
    pub fn take(&mut self, table: u16) -> HashTable {
        let salt = self.salt;
        self.change(table, |its| {
            its.forget_expiries();
            let expiry = its.expiry.take();
            let taken = std::mem::replace(its, HashTable::salted(salt));
            its.expiry = expiry;
            taken
        })
    }

    /// Replaces an empty table by a table that was taken from tables of the same origin.
    pub fn put(&mut self, table: u16, taken: HashTable) {
        assert_eq!(taken.salt, self.salt, "tables of another origin");
        self.change(table, |its| {
            debug_assert!(its.is_empty());
            let expiry = its.expiry.take();
            *its = taken;
            its.expiry = expiry;
        });
    }

    /// The page of a table has only empty ones: it is dropped.
    pub fn drop_page(&mut self, table: u16) {
        let at = Self::page_of(table);
        self.roots[at].fill(SegmentRef::NONE);
        self.spare = self.pages[at].take();
        debug_assert!(
            self.spare
                .iter()
                .flat_map(|page| &**page)
                .all(|its| its.0.is_empty())
        );
    }

    /// As `HashTable::relocate_lines`, without the records.
    pub fn relocate_lines(&mut self, table: u16, mover: &mut Mover) {
        self.change(table, |its| {
            let records = its.expiry.take();
            its.relocate_lines(mover);
            its.expiry = records;
        });
    }

    /// Whether the table has a page.
    pub fn has_page(&self, table: u16) -> bool {
        self.pages[Self::page_of(table)].is_some()
    }

    /// All tables that have a page.
    pub fn into_tables(mut self) -> impl Iterator<Item = HashTable> {
        self.roots.as_flattened_mut().fill(SegmentRef::NONE);
        let pages = std::mem::replace(&mut self.pages, [const { None }; PAGES]);
        pages
            .into_iter()
            .flatten()
            .flat_map(|page| *page)
            .map(|line| line.0)
    }

    /// Bytes of the pages, the roots and the records; those of each table come on top.
    pub fn memory_bytes(&self) -> usize {
        let pages = self.pages.iter().chain([&self.spare]).flatten().count();
        boxed_bytes::<[[SegmentRef; PAGE]; PAGES]>()
            + pages * boxed_bytes::<Page>()
            + self.expiry.memory_bytes()
    }

    // --- prefetching, as in `ahead` ---

    /// Prefetches the root.
    #[inline]
    pub fn prefetch_root(&self, table: u16) {
        prefetch(std::ptr::from_ref(&self.roots[Self::page_of(table)][line_of(table)]).addr());
    }

    /// Prefetches the lines where this hash's element would be. `has_expiries`: expiries are
    /// recorded.
    #[inline]
    pub fn prefetch_lines(&self, table: u16, hash: u64, has_expiries: bool) {
        let (root, own) = self.root(table, hash);
        if !root.is_none() {
            root.prefetch_lines(own, has_expiries);
        } else if let Some(its) = self.get(table) {
            its.prefetch_lines(hash, has_expiries);
        }
    }

    /// Prefetches the entries with this hash's tag or, if there are none, the lines that an insert
    /// needs.
    #[inline]
    pub fn prefetch_entries(&self, table: u16, hash: u64, reach: impl Fn(Word) -> Option<usize>) {
        let (root, own) = self.root(table, hash);
        if root.is_none() {
            if let Some(its) = self.get(table) {
                its.prefetch_entries(hash, reach);
            }
        } else if !root.prefetch_entries(own, reach)
            && let Some(its) = self.get(table)
        {
            prefetch(std::ptr::from_ref(its).addr());
        }
    }

    /// Panics if an invariant does not hold, but for those of each table. O(tables).
    pub fn check_invariants(&self) {
        for (at, roots) in self.roots.iter().enumerate() {
            for (line, root) in roots.iter().enumerate() {
                let its = self.get((at * PAGE + line) as u16);
                let only = its.map_or(SegmentRef::NONE, HashTable::only_segment);
                assert_eq!(*root, only, "table {}", at * PAGE + line);
                assert!(its.is_none_or(|its| its.salt == self.salt));
            }
        }
        self.expiry
            .check_invariants(|table, prefix| self.get(table)?.record_at(prefix));
    }
}

fn new_page(salt: u64) -> Box<Page> {
    Box::new(std::array::from_fn(|_| Line(HashTable::salted(salt))))
}

impl HashTable {
    /// The directory's word, if it is the only word; else none.
    #[inline]
    fn only_segment(&self) -> SegmentRef {
        match self.many {
            None => self.directory.at(0),
            Some(_) => SegmentRef::NONE,
        }
    }
}
