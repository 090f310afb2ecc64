//! The shared parts of the values of many records under the same name, a column.
//!
//! A text that repeats in its column gets a number there, and records have the number in its place:
//! a byte for the first [`NEAR`], two for the others. Counters, for which all texts compete, find
//! the texts that repeat: a column whose values all differ numbers none, and costs a hash for each
//! value stored.
//!
//! A column whose first value is a text has a width, the text's length: records have texts of this
//! length without a byte for it.
//!
//! Invariants
//!   1. A numbered text stays as it is until the schema is freed: records refer to it without being
//!      counted.
//!   2. Numbers are given without gaps, from 0.
//!   3. A width does not change once it is decided, and is decided before a value is stored for
//!      which it matters.
//!
//! Reading takes no lock. Cost: by number O(1); a number for a text O(numbers of the column), which
//! compares four bytes for each.

use crate::listpack::Entry;
use russet_base::hashing::hash;
use russet_base::memory::alloc::{OwnedBytes, slice_bytes, thread_balance};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Numbers whose form in a record is a byte.
pub(super) const NEAR: usize = 10;
/// Numbered texts of a column, at most.
const NUMBERS_MAX: usize = 64;
/// Bytes of a schema's numbered texts, at most.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// The shortest text that gets a number: a shorter text takes as little without.
const TEXT_MIN: usize = 3;
/// The longest text that gets a number.
const TEXT_MAX: usize = 64;
/// Counters of a thread.
const COUNTERS_LEN: usize = 1 << 12;
/// How often a text is seen before it gets a number.
const REPEATS_MIN: u32 = 4;
/// The bits of a counter's count, below the bits of the text's hash.
const COUNT_BITS: u32 = 8;

/// Widths of a column that has none, and of a column that has seen no value for which the width
/// matters.
const WIDTH_NONE: u8 = u8::MAX;
const WIDTH_UNKNOWN: u8 = 0;

type Text = OnceLock<Box<[u8]>>;

/// The numbered texts of a column, those with short numbers apart: most columns have no others.
#[derive(Debug, Default)]
struct Column {
    near: OnceLock<Box<[Text; NEAR]>>,
    far: OnceLock<Box<[Text; NUMBERS_MAX - NEAR]>>,
}

impl Column {
    #[inline]
    fn get(&self, number: usize) -> Option<&[u8]> {
        let text = match number.checked_sub(NEAR) {
            None => &self.near.get()?[number],
            Some(at) => self.far.get()?.get(at)?,
        };
        text.get().map(|text| &**text)
    }

    fn add(&self, number: usize, text: &[u8]) {
        let place = match number.checked_sub(NEAR) {
            None => &self.near.get_or_init(Box::default)[number],
            Some(at) => &self
                .far
                .get_or_init(|| Box::new(std::array::from_fn(|_| Text::new())))[at],
        };
        place.set(text.into()).expect("a new number");
    }
}

thread_local! {
    /// The counters of all schemas whose records this thread makes.
    static COUNTERS: RefCell<Counters> = RefCell::new(Counters(vec![0; COUNTERS_LEN].into()));
}

/// How often texts were seen: the hash and the count of a text each.
struct Counters(Box<[u32]>);

impl Counters {
    /// Counts a text without a number; whether it is to get a number. A text has two counters: if
    /// neither is its own, the text takes the lower counter or, if that has counted more than 1,
    /// lowers it.
    #[inline]
    fn count(&mut self, hash: u32) -> bool {
        const COUNT: u32 = (1 << COUNT_BITS) - 1;
        const MASK: usize = COUNTERS_LEN - 1;
        let places = [
            (hash >> COUNT_BITS) as usize & MASK,
            (hash >> (COUNT_BITS + COUNTERS_LEN.ilog2())) as usize & MASK,
        ];
        let own = places
            .into_iter()
            .find(|&place| (self.0[place] ^ hash) & !COUNT == 0);
        let lower = || {
            places
                .into_iter()
                .min_by_key(|&place| self.0[place] & COUNT)
        };
        let place = own.or_else(lower).expect("one of two");
        let counter = &mut self.0[place];
        let before = *counter & COUNT;
        if own.is_none() && before > 1 {
            *counter -= 1;
            return false;
        }
        let now = own.map_or(0, |_| before) + 1;
        let repeats = now >= REPEATS_MIN;
        *counter = if repeats { 0 } else { (hash & !COUNT) | now };
        repeats
    }
}

/// An index of the numbers given so far, for code that gives new ones.
#[derive(Debug, Default)]
struct Numbers {
    /// By column: hashes of the numbered texts. Empty until there is a number.
    hashes: Box<[Vec<u32>]>,
    /// Bytes of all numbered texts.
    text_bytes: usize,
    /// Bytes in the allocator of all this, and of the texts.
    owned: OwnedBytes,
}

/// A value as a record has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum StoredValue<'v> {
    Whole(Entry<'v>),
    /// A text as long as its column's width, that begins with a byte of 1 to 127.
    Wide(&'v [u8]),
    /// An integer of 0 to 127 in a column with a width.
    Small(u8),
    Common(u8),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Common {
    columns: Box<[Column]>,
    widths: Box<[AtomicU8]>,
    /// Makes hashes of texts those of this schema.
    salt: u64,
    numbers: Mutex<Numbers>,
}

impl Common {
    /// For this number of columns; `salt` differs from that of most other schemas.
    pub fn new(columns: usize, salt: u64) -> Common {
        Common {
            columns: (0..columns).map(|_| Column::default()).collect(),
            widths: (0..columns).map(|_| AtomicU8::new(WIDTH_UNKNOWN)).collect(),
            salt,
            numbers: Mutex::default(),
        }
    }

    /// The text with a number that [`LearnGuard::store`] gave for this column.
    #[inline]
    pub fn text(&self, column: usize, number: u8) -> &[u8] {
        let text = self.columns[column].get(usize::from(number));
        text.expect("the number was given")
    }

    /// Whether a number was given for this column.
    pub fn has(&self, column: usize, number: u8) -> bool {
        self.columns[column].get(usize::from(number)).is_some()
    }

    /// The width of a column; 0 without a width.
    #[inline]
    pub fn width(&self, column: usize) -> usize {
        // A value stored for a width reached this thread after the width itself.
        match self.widths[column].load(Ordering::Relaxed) {
            WIDTH_NONE => 0,
            width => usize::from(width),
        }
    }

    /// For the values that are to be stored.
    #[inline]
    pub(crate) fn learning(&self) -> LearnGuard<'_> {
        // A panic elsewhere leaves the hashes valid.
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        LearnGuard {
            common: self,
            numbers,
        }
    }

    /// The hash of a text in a column.
    #[inline]
    fn hash(&self, column: usize, text: &[u8]) -> u32 {
        let hash = hash::keys().hash(text) ^ self.salt.wrapping_add(column as u64);
        (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    /// Bytes that it owns, as the allocator counts them. O(1).
    pub fn memory_bytes(&self) -> usize {
        slice_bytes(size_of_val(&*self.columns))
            + slice_bytes(self.widths.len())
            + self.learning().numbers.owned.bytes()
    }
}

/// The right to give numbers and widths, which a single thread has at a time.
pub(super) struct LearnGuard<'c> {
    common: &'c Common,
    numbers: MutexGuard<'c, Numbers>,
}

impl LearnGuard<'_> {
    /// How a record is to store a value in this column.
    #[inline]
    pub fn store<'v>(&mut self, column: usize, value: Entry<'v>) -> StoredValue<'v> {
        if let Entry::Str(text) = value
            && (TEXT_MIN..=TEXT_MAX).contains(&text.len())
            && let Some(number) = self.number(column, text)
        {
            return StoredValue::Common(number);
        }
        match (value, self.width_with(column, value)) {
            (_, 0) => StoredValue::Whole(value),
            (Entry::Str(text), width) if text.len() == width && may_be_wide(text) => {
                StoredValue::Wide(text)
            }
            (Entry::Int(n @ 0..=127), _) => StoredValue::Small(n as u8),
            _ => StoredValue::Whole(value),
        }
    }

    /// The width of a column that is to store a value whole; 0 without a width.
    #[inline]
    fn width_with(&mut self, column: usize, value: Entry<'_>) -> usize {
        let place = &self.common.widths[column];
        if place.load(Ordering::Relaxed) == WIDTH_UNKNOWN {
            let width = match value {
                Entry::Int(_) => WIDTH_NONE,
                Entry::Str(text) if text.len() <= TEXT_MAX && may_be_wide(text) => text.len() as u8,
                Entry::Str(_) => WIDTH_UNKNOWN,
            };
            place.store(width, Ordering::Relaxed);
        }
        self.common.width(column)
    }

    /// The number of a text, perhaps a new number.
    #[inline]
    fn number(&mut self, column: usize, text: &[u8]) -> Option<u8> {
        let own = &self.common.columns[column];
        let hash = self.common.hash(column, text);
        let hashes = self
            .numbers
            .hashes
            .get(column)
            .map_or(&[][..], Vec::as_slice);
        if let Some(number) = position(hashes, hash) {
            // Another text with the same hash, which hardly ever occurs, goes without a number.
            return (own.get(number) == Some(text)).then_some(number as u8);
        }
        let text_bytes = self.numbers.text_bytes + text.len();
        if hashes.len() == NUMBERS_MAX || text_bytes > TEXT_BYTES_MAX {
            return None;
        }
        let repeats = COUNTERS.with_borrow_mut(|counters| counters.count(hash));
        repeats.then(|| self.add(column, text, hash))
    }

    /// Gives a text the next number of its column.
    #[cold]
    fn add(&mut self, column: usize, text: &[u8], hash: u32) -> u8 {
        let (common, numbers) = (self.common, &mut *self.numbers);
        let before = thread_balance();
        if numbers.hashes.is_empty() {
            numbers.hashes = common.columns.iter().map(|_| Vec::new()).collect();
        }
        let hashes = &mut numbers.hashes[column];
        let number = hashes.len();
        common.columns[column].add(number, text);
        hashes.push(hash);
        numbers.text_bytes += text.len();
        numbers.owned.add_since(before);
        number as u8
    }
}

/// The first place of a hash. Whole blocks are compared at once.
#[inline]
fn position(hashes: &[u32], hash: u32) -> Option<usize> {
    const BLOCK: usize = 16;
    let is_in = |block: &[u32]| {
        let equal = block.iter().map(|other| *other == hash);
        equal.fold(false, |any, one| any | one)
    };
    let block = hashes.chunks(BLOCK).position(is_in)?;
    let at = hashes[BLOCK * block..]
        .iter()
        .position(|other| *other == hash)?;
    Some(BLOCK * block + at)
}

/// Whether a text may be stored without its length.
#[inline]
fn may_be_wide(text: &[u8]) -> bool {
    matches!(text.first(), Some(1..=0x7F))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_decides_about_a_width() {
        let common = Common::new(3, 1);
        let mut learning = common.learning();
        let mut stored = |column, text: &str| {
            let text = text.to_owned().into_bytes();
            match learning.store(column, Entry::parse(&text)) {
                StoredValue::Whole(_) => "whole",
                StoredValue::Wide(_) => "wide",
                StoredValue::Small(_) => "small",
                StoredValue::Common(_) => "common",
            }
        };
        assert_eq!(stored(0, "\u{e9}t\u{e9}"), "whole", "it decides nothing");
        for (text, expected) in [
            ("2026-11-25", "wide"),
            ("2026-11-26", "wide"),
            ("2026-1-26", "whole"),
            ("17", "small"),
            ("128", "whole"),
            ("-1", "whole"),
        ] {
            assert_eq!(stored(0, text), expected, "{text}");
        }
        for text in ["17", "2026-11-25"] {
            assert_eq!(stored(1, text), "whole");
        }
        assert_eq!(stored(2, &"x".repeat(TEXT_MAX + 1)), "whole");
        assert_eq!(stored(2, "a"), "wide");
        assert_eq!([0, 1, 2].map(|column| common.width(column)), [10, 0, 1]);
    }

    fn number(common: &Common, column: usize, text: &str) -> Option<u8> {
        match common
            .learning()
            .store(column, Entry::parse(text.as_bytes()))
        {
            StoredValue::Common(number) => Some(number),
            _ => None,
        }
    }

    #[test]
    fn a_text_that_repeats_gets_a_number() {
        let common = Common::new(2, 1);
        for _ in 1..REPEATS_MIN {
            assert_eq!(number(&common, 0, "active"), None);
        }
        assert_eq!(number(&common, 0, "active"), Some(0));
        assert_eq!(number(&common, 1, "active"), None, "another column");
        assert_eq!(common.text(0, 0), b"active");
        for text in ["17", "ab", "", &"x".repeat(TEXT_MAX + 1)] {
            assert!(
                (0..99).all(|_| number(&common, 0, text).is_none()),
                "{text}"
            );
        }
    }

    #[test]
    fn thirty_texts_in_turn_get_numbers() {
        let common = Common::new(1, 2);
        let text = |at: usize| format!("country {}", at % 30);
        let first: Vec<_> = (0..900).map(|at| number(&common, 0, &text(at))).collect();
        let numbered = first[870..].iter().flatten().count();
        assert!(numbered >= 28, "{numbered}");
    }

    #[test]
    fn texts_that_differ_get_none_and_a_column_has_64_numbers_at_most() {
        let common = Common::new(1, 2);
        for at in 0..10_000 {
            let text = format!("text:{at}");
            assert_eq!(number(&common, 0, &text), None);
        }
        let repeated = |text: &str| (0..REPEATS_MIN).find_map(|_| number(&common, 0, text));
        for at in 0..NUMBERS_MAX {
            let text = format!("common:{at}");
            assert_eq!(repeated(&text), Some(at as u8));
        }
        assert_eq!(repeated("one more"), None);
        for at in 0..NUMBERS_MAX {
            let text = format!("common:{at}");
            assert_eq!(number(&common, 0, &text), Some(at as u8));
            assert_eq!(common.text(0, at as u8), text.as_bytes());
        }
    }

    #[test]
    #[cfg_attr(feature = "system-allocator", ignore = "counts jemalloc's bytes")]
    fn bytes_of_numbered_texts_are_bounded() {
        let long = Common::new(NUMBERS_MAX, 3);
        let text = |at: usize, column| format!("{at:032}{column:032}");
        let given = (0..NUMBERS_MAX * NUMBERS_MAX).filter(|at| {
            let column = at / NUMBERS_MAX;
            (0..REPEATS_MIN).any(|_| number(&long, column, &text(*at, column)).is_some())
        });
        assert_eq!(given.count(), TEXT_BYTES_MAX / TEXT_MAX);
        assert!(long.memory_bytes() > TEXT_BYTES_MAX);
        assert!(long.memory_bytes() < 4 * TEXT_BYTES_MAX + NUMBERS_MAX * 256);
    }
}
