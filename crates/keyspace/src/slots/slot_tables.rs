//! The tables of a database whose keys have slots: a hash table for each slot.
//!
//!     tables   by slot, in pages of 64, with the earliest expiries of all tables in a tree
//!              (`encodings::hashtable`, its `tables` and `expiry`). A page is made with the first
//!              key of any of its slots, and dropped with the last key of all of them
//!     counts   keys and volatile keys by slot, keys by page, and a bit for each slot that has
//!              keys: counts and walks visit no other slot
//!
//! Positions that callers keep, as `table` describes them:
//!
//!     cursor   the slot's own cursor << 14 | slot, below 2^53; Redis has the slot in the same bits
//!     place    slot << 32 | the place in the slot's table
//!
//! Invariants
//!   1. A slot has a bit exactly when it has keys; `keys` is the length of its table.
//!   2. A page is there exactly when its slots have keys.
//!
//! Memory: 260 KiB when there is a key, up to 1 MiB more with keys in all slots; an empty slot's
//! table allocates nothing. Cost: that of a hash table of a single segment. A random key: some 100
//! steps over counts.

use rand::Rng;

use super::super::store::entry::Entry;
use super::slot::SLOTS;
use super::slot_set::{SlotFilter, SlotSet, WORDS};
use russet_base::hashing::hash;
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
use russet_encodings::hashtable::{Accepts, Handle, HashTable, Shape, Tables, Word};

/// Slots of a page.
const PAGE: usize = SLOTS / WORDS;

/// Bits of a cursor, or of a place, that have the slot: the lowest, or those from bit 32 on.
const SLOT_BITS: u32 = SLOTS.ilog2();

/// All places are below it.
pub(crate) const PLACES: u64 = (SLOTS as u64) << 32;

/// See the module.
pub(crate) struct SlotTables {
    tables: Tables<WORDS>,
    in_use: SlotSet,
    keys: [u32; SLOTS],
    /// Keys that have an expiry.
    volatile: [u32; SLOTS],
    page_keys: [u32; WORDS],
    len: usize,
}

/// The table of a slot, taken out.
struct TakenSlot {
    entries: HashTable,
    volatile: usize,
}

/// The full hash of an entry's key, for the hash table when a segment splits.
pub fn rehash(word: Word) -> u64 {
    hash::keys().hash(Entry::of(word).key())
}

#[inline]
fn page_of(slot: u16) -> usize {
    usize::from(slot) / PAGE % WORDS
}

impl SlotTables {
    pub fn new() -> Box<SlotTables> {
        SlotTables::of(Tables::new())
    }

    /// Of empty tables.
    fn of(tables: Tables<WORDS>) -> Box<SlotTables> {
        Box::new(SlotTables {
            tables,
            in_use: SlotSet::default(),
            keys: [0; SLOTS],
            volatile: [0; SLOTS],
            page_keys: [0; WORDS],
            len: 0,
        })
    }

    /// Keys of all slots.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Keys of a slot. O(1).
    pub(crate) fn len_of(&self, slot: u16) -> usize {
        self.keys[usize::from(slot) % SLOTS] as usize
    }

    /// Keys of some slots. O(slots in use).
    pub(crate) fn len_among(&self, among: SlotFilter<'_>) -> usize {
        self.slots(among).map(|slot| self.len_of(slot)).sum()
    }

    /// Keys of some slots that have an expiry. O(slots in use), O(1) for a single slot.
    pub(crate) fn volatile_among(&self, among: SlotFilter<'_>) -> usize {
        self.slots(among).map(|slot| self.volatile_of(slot)).sum()
    }

    fn volatile_of(&self, slot: u16) -> usize {
        self.volatile[usize::from(slot) % SLOTS] as usize
    }

    /// The slots with keys, in order.
    pub fn slots(&self, among: SlotFilter<'_>) -> impl Iterator<Item = u16> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let slot = self.next_slot(from, among)?;
            from = usize::from(slot) + 1;
            Some(slot)
        })
    }

    /// The first slot with keys at or after `from`. At most 256 steps.
    fn next_slot(&self, from: usize, among: SlotFilter<'_>) -> Option<u16> {
        let mut seen = from % PAGE;
        for at in from / PAGE..WORDS {
            let word = (self.in_use.word(at) & among.word(at)) >> seen << seen;
            if word != 0 {
                return Some((at * PAGE) as u16 + word.trailing_zeros() as u16);
            }
            seen = 0;
        }
        None
    }

    /// The table of a slot. `None`: it has no keys, as some with a table.
    #[inline]
    pub fn get(&self, slot: u16) -> Option<&HashTable> {
        self.tables.get(slot)
    }

    /// Bytes of all tables, entries excluded. O(slots in use).
    pub fn memory_bytes(&self) -> usize {
        let tables = self
            .slots(SlotFilter::All)
            .filter_map(|slot| self.get(slot));
        boxed_bytes::<SlotTables>()
            + boxed_bytes::<[u64; WORDS]>()
            + self.tables.memory_bytes()
            + tables.map(HashTable::memory_bytes).sum::<usize>()
    }

    /// The shapes of all tables together; the depth is that of the deepest. O(segments).
    pub fn shape(&self) -> Shape {
        let mut all = Shape::default();
        for slot in self.slots(SlotFilter::All) {
            if let Some(entries) = self.get(slot) {
                all.add(&entries.shape());
            }
        }
        all.bytes = self.memory_bytes();
        all
    }

    // --- by key ---

    /// As `HashTable::find_at`.
    #[inline]
    pub fn find_at(&self, slot: u16, hash: u64, eq: impl Accepts) -> Option<(Handle, Word)> {
        self.tables.find_at(slot, hash, eq)
    }

    /// Prefetches the first read of a lookup in a slot.
    #[inline]
    pub fn prefetch_root(&self, slot: u16) {
        self.tables.prefetch_root(slot);
    }

    /// See `Table::prefetch_lines`; keys are slots with hashes.
    #[inline]
    pub fn prefetch_lines(&self, keys: impl Iterator<Item = (u16, u64)>) {
        let has_expiries = !self.tables.expiry().is_empty();
        for (slot, hash) in keys {
            self.tables.prefetch_lines(slot, hash, has_expiries);
        }
    }

    /// See `Table::prefetch_entries`.
    #[inline]
    pub fn prefetch_entries(
        &self,
        keys: impl Iterator<Item = (u16, u64)>,
        reach: impl Fn(Word) -> Option<usize> + Copy,
    ) {
        for (slot, hash) in keys {
            self.tables.prefetch_entries(slot, hash, reach);
        }
    }

    /// Adds an entry.
    pub fn insert(&mut self, slot: u16, hash: u64, word: Word, is_volatile: bool) {
        self.tables
            .change(slot, |entries| entries.insert(hash, word, rehash));
        let keys = &mut self.keys[usize::from(slot)];
        *keys += 1;
        if *keys == 1 {
            self.in_use.insert(slot);
        }
        if is_volatile {
            self.volatile[usize::from(slot)] += 1;
        }
        self.page_keys[page_of(slot)] += 1;
        self.len += 1;
    }

    /// Takes an entry out.
    pub fn remove(&mut self, slot: u16, handle: Handle, was_volatile: bool) {
        self.tables
            .change(slot, |entries| entries.remove_at(handle));
        self.keys_left(slot, 1, u32::from(was_volatile));
    }

    /// Counts keys that have left a slot, some of which had an expiry; drops a page without keys.
    fn keys_left(&mut self, slot: u16, count: u32, volatile: u32) {
        let keys = &mut self.keys[usize::from(slot)];
        *keys -= count;
        if *keys == 0 {
            self.in_use.remove(slot);
        }
        if volatile > 0 {
            self.volatile[usize::from(slot)] -= volatile;
        }
        let page = page_of(slot);
        self.page_keys[page] -= count;
        self.len -= count as usize;
        if self.page_keys[page] == 0 {
            self.tables.drop_page(slot);
        }
    }

    /// Replaces the word of an entry by a word of the same key.
    pub fn replace(&mut self, slot: u16, handle: Handle, word: Word, volatile: [bool; 2]) {
        self.tables.change(slot, |entries| {
            if entries.word_at(handle) != word {
                entries.replace_at(handle, word);
            }
        });
        let [was_volatile, is_volatile] = volatile;
        if was_volatile != is_volatile {
            let its = &mut self.volatile[usize::from(slot)];
            *its -= u32::from(was_volatile);
            *its += u32::from(is_volatile);
        }
    }

    /// Takes the whole table of a slot out. O(1), and O(segments) if expiries are recorded.
    fn take(&mut self, slot: u16) -> Option<TakenSlot> {
        let keys = self.len_of(slot) as u32;
        if keys == 0 {
            return None;
        }
        let volatile = self.volatile_of(slot);
        let entries = self.tables.take(slot);
        self.keys_left(slot, keys, volatile as u32);
        Some(TakenSlot { entries, volatile })
    }

    /// Takes the tables of some slots out, as tables of their own, in which no expiry is recorded.
    /// O(slots in use), and O(segments) if expiries are recorded.
    pub(crate) fn take_among(&mut self, among: SlotFilter<'_>) -> Option<Box<SlotTables>> {
        let slots: Vec<u16> = self.slots(among).collect();
        let mut taken = (!slots.is_empty()).then(|| SlotTables::of(self.tables.empty_like()))?;
        for slot in slots {
            if let Some(its) = self.take(slot) {
                taken.put(slot, its);
            }
        }
        Some(taken)
    }

    /// Adds the table of a slot that has no keys here.
    fn put(&mut self, slot: u16, its: TakenSlot) {
        let (at, keys) = (usize::from(slot), its.entries.len());
        self.tables.put(slot, its.entries);
        self.keys[at] = keys as u32;
        self.volatile[at] = its.volatile as u32;
        self.page_keys[page_of(slot)] += keys as u32;
        self.len += keys;
        self.in_use.insert(slot);
    }

    // --- by time ---

    /// See `HashTable::record_expiry`.
    #[inline]
    pub fn record_expiry(&mut self, slot: u16, hash: u64, when_ms: i64) {
        self.tables.expiry_mut().open();
        self.tables
            .change(slot, |entries| entries.record_expiry(hash, when_ms));
    }

    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        self.tables.expiry().next_due()
    }

    /// See `HashTable::collect_due`, of all slots, the earliest first.
    pub fn collect_due(
        &mut self,
        until_ms: i64,
        visits: usize,
        mut look: impl FnMut(Word) -> Option<i64>,
        mut due: impl FnMut(Word),
    ) -> bool {
        for _ in 0..visits {
            let Some(slot) = self.tables.expiry().first_due(until_ms) else {
                return false;
            };
            self.tables.change(slot, |entries| {
                entries.collect_due(until_ms, 1, &mut look, &mut due)
            });
        }
        self.tables.expiry().first_due(until_ms).is_some()
    }

    // --- all entries ---

    /// A step of a scan over some slots, as `HashTable::scan`. Slots at which the cursor has not
    /// arrived are visited from their beginning.
    #[inline]
    pub fn scan(&self, cursor: u64, among: SlotFilter<'_>, visit: impl FnMut(Word)) -> u64 {
        let Some((slot, inner)) = self.position(cursor, among) else {
            return 0;
        };
        let next = self.get(slot).map_or(0, |its| its.scan(inner, visit));
        self.after(slot, next, among)
    }

    /// The slot of a cursor and the cursor in its table, or the beginning of the next slot with
    /// keys.
    #[inline]
    fn position(&self, cursor: u64, among: SlotFilter<'_>) -> Option<(u16, u64)> {
        let at = (cursor % SLOTS as u64) as u16;
        let slot = self.next_slot(usize::from(at), among)?;
        Some((slot, if slot == at { cursor >> SLOT_BITS } else { 0 }))
    }

    /// The cursor after a step in a slot whose own next cursor is `inner`.
    #[inline]
    fn after(&self, slot: u16, inner: u64, among: SlotFilter<'_>) -> u64 {
        if inner != 0 {
            return inner << SLOT_BITS | u64::from(slot);
        }
        let next = self.next_slot(usize::from(slot) + 1, among);
        next.map_or(0, u64::from)
    }

    /// All words of some slots, in the order of the slots.
    pub fn words(&self, among: SlotFilter<'_>) -> impl Iterator<Item = Word> {
        let tables = self.slots(among).filter_map(|slot| self.get(slot));
        tables.flat_map(HashTable::iter)
    }

    /// The place of an element with this hash.
    #[inline]
    pub fn place_of(&self, slot: u16, hash: u64) -> u64 {
        let place = self.get(slot).map_or(0, |its| its.place_of(hash));
        place_in(slot, u64::from(place))
    }

    /// See `Table::walk_from`.
    pub fn walk_from(&self, from: u64, visit: impl FnMut(Word)) -> u64 {
        let at = (from >> 32) as usize;
        let Some(slot) = self.next_slot(at, SlotFilter::All) else {
            return PLACES;
        };
        let inner = if usize::from(slot) == at {
            u64::from(from as u32)
        } else {
            0
        };
        let walked = self
            .get(slot)
            .map(|its| its.walk_from(inner, rehash, visit));
        place_in(slot, walked.unwrap_or(place_in(1, 0)))
    }

    /// A uniformly random word of some slots.
    pub fn random(&self, among: SlotFilter<'_>, rng: &mut impl Rng) -> Option<Word> {
        let slot = match among {
            SlotFilter::All if self.len > 0 => self.slot_of_nth(rng.next_u64() % self.len as u64),
            SlotFilter::All => return None,
            _ => {
                let total = self.len_among(among) as u64;
                let mut nth = rng.next_u64().checked_rem(total)?;
                self.slots(among)
                    .find(|&slot| is_nth(&mut nth, self.len_of(slot)))?
            }
        };
        self.get(slot)?.random(rng)
    }

    /// The slot of a key by its number among all, in the order of slots.
    fn slot_of_nth(&self, mut nth: u64) -> u16 {
        let mut pages = self.page_keys.iter();
        let page = pages.position(|&keys| is_nth(&mut nth, keys as usize));
        let page = page.expect("fewer than all keys") * PAGE;
        let mut slots = self.keys[page..page + PAGE].iter();
        let line = slots.position(|&keys| is_nth(&mut nth, keys as usize));
        (page + line.expect("fewer than the page's keys")) as u16
    }

    /// See `HashTable::random_noted`: first a segment, of any slot, then an element.
    pub fn random_noted(
        &self,
        rng: &mut impl Rng,
        has_expiry: impl Fn(Word) -> bool,
    ) -> Option<Word> {
        let drawn = self.tables.expiry().draw(rng);
        for (slot, prefix) in drawn {
            let word = self.get(slot)?.random_in(prefix, rng, &has_expiry);
            if word.is_some() {
                return word;
            }
        }
        let volatile = |slot: &u16| self.volatile_of(*slot) > 0;
        let slots = self.slots(SlotFilter::All).filter(volatile);
        let mut words = slots
            .filter_map(|slot| self.get(slot))
            .flat_map(HashTable::iter);
        words.find(|&word| has_expiry(word))
    }

    /// Passes every word to `free`. O(n).
    pub fn drain(self, mut free: impl FnMut(Word)) {
        for mut entries in self.tables.into_tables() {
            entries.clear_with(&mut free);
        }
    }

    // --- defragmentation ---

    /// Offers the blocks of the table at which a scan's cursor is, when it begins there; with the
    /// first table the blocks of all slots together.
    pub fn relocate_lines(&mut self, cursor: u64, mover: &mut Mover) {
        let Some((slot, inner)) = self.position(cursor, SlotFilter::All) else {
            return;
        };
        if cursor == 0 {
            self.tables.expiry_mut().relocate(mover);
        }
        if inner == 0 {
            self.tables.relocate_lines(slot, mover);
        }
    }

    /// See `HashTable::relocate_words`.
    pub fn relocate_words(&mut self, cursor: u64, change: impl FnMut(Word) -> Option<Word>) -> u64 {
        let Some((slot, inner)) = self.position(cursor, SlotFilter::All) else {
            return 0;
        };
        let next = self
            .tables
            .change(slot, |entries| entries.relocate_words(inner, change));
        self.after(slot, next, SlotFilter::All)
    }

    /// Panics if an invariant does not hold, here or in a table; `slot_of` returns a word's slot.
    /// O(n).
    pub fn check_invariants(&self, slot_of: impl Fn(Word) -> u16) {
        let mut len = 0;
        for slot in 0..SLOTS as u16 {
            let keys = self.get(slot).map_or(0, HashTable::len);
            assert_eq!(keys, self.len_of(slot), "slot {slot}");
            assert_eq!(self.in_use.has(slot), keys > 0, "slot {slot}");
            len += keys;
            let Some(entries) = self.get(slot) else {
                continue;
            };
            entries.check_invariants(rehash);
            let words = entries.iter();
            let volatile = words.filter(|&word| {
                assert_eq!(slot_of(word), slot, "an entry is in its slot's table");
                Entry::word_has_expiry(word)
            });
            assert_eq!(volatile.count(), self.volatile_of(slot));
        }
        assert_eq!(len, self.len);
        for (page, &keys) in self.page_keys.iter().enumerate() {
            let slots = &self.keys[page * PAGE..][..PAGE];
            assert_eq!(slots.iter().sum::<u32>(), keys);
            assert_eq!(self.tables.has_page((page * PAGE) as u16), keys > 0);
        }
        self.tables.check_invariants();
    }
}

/// A place in a slot's table, as a place among all.
#[inline]
fn place_in(slot: u16, place: u64) -> u64 {
    (u64::from(slot) << 32) + place
}

/// Counts `nth` down by `len`; whether it was among these.
fn is_nth(nth: &mut u64, len: usize) -> bool {
    match nth.checked_sub(len as u64) {
        Some(rest) => {
            *nth = rest;
            false
        }
        None => true,
    }
}
