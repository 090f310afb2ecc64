//! Common values: texts that many records of a schema have under the same name.
//!
//! The values under one name are a column. A text that repeats in its column gets a number there, and
//! records have the number in its place: one byte for the first [`NEAR`], two for the others. Whether
//! a text repeats is told by a few counters, each shared by all texts with some hash, so that a
//! column whose values all differ numbers none and costs a hash for each value stored.
//!
//! Invariants
//!   1. A numbered text stays as it is until the schema is freed: records refer to it without being
//!      counted.
//!   2. Numbers are given without gaps, from 0.
//!
//! Reading takes no lock. Cost: by number O(1); a number for a text O(numbers of the column), which
//! compares four bytes for each.

use crate::base::alloc::{boxed_bytes, slice_bytes};
use crate::base::hash;
use crate::encodings::listpack::Entry;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Numbers whose form in a record is one byte.
pub(super) const NEAR: usize = 10;
/// Numbered texts of a column, at most.
const NUMBERS_MAX: usize = 64;
/// Bytes of a schema's numbered texts, at most.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// The shortest text that gets a number: a shorter one takes as little without.
const TEXT_MIN: usize = 3;
/// The longest one.
const TEXT_MAX: usize = 64;
/// Counters of a column.
const COUNTERS: usize = 16;
/// How often a text is seen before it gets a number.
const REPEATS_MIN: u32 = 4;
/// Bits of a counter's count, below those of its text's hash.
const COUNT_BITS: u32 = 8;

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

/// What a column has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Hashes of the numbered texts.
    numbered: Vec<u32>,
    /// Hash and count of a text each.
    counters: [u32; COUNTERS],
}

impl Seen {
    /// Counts a text without a number; whether it is to get one.
    #[inline]
    fn count(&mut self, hash: u32) -> bool {
        const COUNT: u32 = (1 << COUNT_BITS) - 1;
        let counter = &mut self.counters[hash as usize >> COUNT_BITS & (COUNTERS - 1)];
        let before = match (*counter ^ hash) & !COUNT {
            0 => *counter & COUNT,
            _ => 0,
        };
        let now = before + 1;
        *counter = hash & !COUNT | now;
        now >= REPEATS_MIN
    }
}

#[derive(Debug, Default)]
struct Learnt {
    /// By column; empty until the first text comes.
    columns: Box<[Option<Box<Seen>>]>,
    /// Bytes of all numbered texts.
    text_bytes: usize,
}

/// A value as a record has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored<'v> {
    Whole(Entry<'v>),
    Common(u8),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Common {
    columns: Box<[Column]>,
    learnt: Mutex<Learnt>,
}

impl Common {
    pub fn new(columns: usize) -> Common {
        Common {
            columns: (0..columns).map(|_| Column::default()).collect(),
            learnt: Mutex::default(),
        }
    }

    /// The text with a number that [`Learning::store`] gave for this column.
    #[inline]
    pub fn text(&self, column: usize, number: u8) -> &[u8] {
        let text = self.columns[column].get(usize::from(number));
        text.expect("the number was given")
    }

    /// For the values that are to be stored.
    #[inline]
    pub fn learning(&self) -> Learning<'_> {
        // A panic elsewhere leaves the counters and hashes valid.
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        Learning {
            common: self,
            learnt,
        }
    }

    /// Bytes that it owns, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        let learnt = &self.learning().learnt;
        let seen = learnt.columns.iter().flatten();
        let seen =
            seen.map(|seen| boxed_bytes::<Seen>() + slice_bytes(4 * seen.numbered.capacity()));
        let columns = self.columns.iter().map(|column| {
            let texts = |texts: &[Text]| -> usize {
                let of_texts = texts.iter().filter_map(Text::get);
                slice_bytes(size_of_val(texts))
                    + of_texts.map(|text| slice_bytes(text.len())).sum::<usize>()
            };
            column.near.get().map_or(0, |near| texts(&**near))
                + column.far.get().map_or(0, |far| texts(&**far))
        });
        slice_bytes(size_of_val(&*self.columns))
            + slice_bytes(size_of_val(&*learnt.columns))
            + seen.sum::<usize>()
            + columns.sum::<usize>()
    }
}

/// The right to number texts, which one thread has at a time.
pub(super) struct Learning<'c> {
    common: &'c Common,
    learnt: MutexGuard<'c, Learnt>,
}

impl Learning<'_> {
    /// How a record is to store a value in this column.
    #[inline]
    pub fn store<'v>(&mut self, column: usize, value: Entry<'v>) -> Stored<'v> {
        match value {
            Entry::Str(text) if (TEXT_MIN..=TEXT_MAX).contains(&text.len()) => {
                match self.number(column, text) {
                    Some(number) => Stored::Common(number),
                    None => Stored::Whole(value),
                }
            }
            _ => Stored::Whole(value),
        }
    }

    /// The number of a text, perhaps a new one.
    fn number(&mut self, column: usize, text: &[u8]) -> Option<u8> {
        if self.learnt.columns.is_empty() {
            self.learnt.columns = self.common.columns.iter().map(|_| None).collect();
        }
        let own = &self.common.columns[column];
        let learnt = &mut *self.learnt;
        let seen = learnt.columns[column].get_or_insert_default();
        let hash = hash::keys().hash(text) as u32;
        for (number, other) in seen.numbered.iter().enumerate() {
            if *other == hash && own.get(number) == Some(text) {
                return Some(number as u8);
            }
        }
        let number = seen.numbered.len();
        let fits = number < NUMBERS_MAX && learnt.text_bytes + text.len() <= TEXT_BYTES_MAX;
        if !fits || !seen.count(hash) {
            return None;
        }
        own.add(number, text);
        seen.numbered.push(hash);
        learnt.text_bytes += text.len();
        Some(number as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(common: &Common, column: usize, text: &str) -> Option<u8> {
        match common
            .learning()
            .store(column, Entry::parse(text.as_bytes()))
        {
            Stored::Common(number) => Some(number),
            Stored::Whole(_) => None,
        }
    }

    #[test]
    fn a_text_that_repeats_gets_a_number() {
        let common = Common::new(2);
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
    fn texts_that_differ_get_none_and_numbers_are_bounded() {
        let common = Common::new(1);
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
        let long = Common::new(NUMBERS_MAX);
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
