//! The names of earlier texts, and the guesses that the reader (`quick`) makes from them.
//!
//! A name keeps its number until there are too many names; then the reader forgets all names. Cost:
//! comparing a guessed name takes a single comparison of words; any other name is looked up by its
//! hash.

use crate::document::names::{FLAT_MAX, FlatNames, SHORT_MAX, hash_of, pays, shared};
use crate::document::scan::{GaveUp, is_blank};
use crate::document::text::clean_prefix;

/// Names that are kept, with the name that is none: as many as a byte counts.
const KNOWN_MAX: usize = 256;
const SLOTS: usize = 512;
/// The longest name that fits a word, with its quote and a colon.
const WORD_MAX: usize = 16 - 2;

/// A name that is kept. The first stands for no name: that of the root.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownName {
    /// The name's first bytes; of a short name all, with quote and colon.
    word: u128,
    /// Ones for the bytes of `word`.
    mask: u128,
    /// The bytes with which a member of this name begins, if they are few.
    pub few: [u8; 16],
    /// Bytes of `few` that count; zero: the name is long and not shared.
    pub few_len: u8,
    len: u8,
    /// The name that followed this name in its object.
    pub next: u8,
    /// The first name of the objects under this name: the value, or elements of the value.
    pub child: u8,
    /// Bytes of the head of the container under this name.
    pub head: u8,
    /// The name's number among the shared names; `u8::MAX`: none.
    shared: u8,
    /// The text that `count` is of.
    text: u32,
    count: u32,
}

const NOT_SHARED: u8 = u8::MAX;
const _: () = assert!(size_of::<KnownName>() == 64 && FLAT_MAX < NOT_SHARED as usize);

impl KnownName {
    /// No name, which no text has.
    const NONE: KnownName = KnownName {
        word: 1,
        mask: 0,
        few: [0; 16],
        few_len: 0,
        len: 0,
        next: 0,
        child: 0,
        head: 3,
        shared: NOT_SHARED,
        text: 0,
        count: 0,
    };

    /// The length of the name, if the name is short and these bytes begin with the name, its quote
    /// and a colon.
    #[inline(always)]
    pub fn short(&self, word: u128) -> Option<usize> {
        (word & self.mask == self.word).then_some(self.len.into())
    }

    /// Guesses whether the name is shared.
    fn set_shared(&mut self, number: Option<u8>) {
        self.shared = number.unwrap_or(NOT_SHARED);
        if let Some(number) = number {
            let few = shared(number.into());
            (self.few, self.few_len) = (few.at_start(), few.len() as u8);
        } else if self.is_long() {
            self.few_len = 0;
        } else {
            let text = self.word << 8 | u128::from(self.len);
            (self.few, self.few_len) = (text.to_le_bytes(), self.len + 1);
        }
    }

    fn is_long(&self) -> bool {
        usize::from(self.len) > WORD_MAX
    }
}

/// See the module.
pub(super) struct Names {
    pub known: [KnownName; KNOWN_MAX],
    /// How many there are.
    len: usize,
    /// Long names.
    long: Vec<(u8, Box<[u8]>)>,
    /// Numbers of names by hash; zero: none.
    slots: [u8; SLOTS],
    /// The number of the text that is read.
    text: u32,
    /// The names of the text, in the order of their first uses.
    used: Vec<u8>,
    /// The shared names of the text, by number.
    shared: [u8; FLAT_MAX],
    shared_len: usize,
    /// A table, and the names that it has.
    table: Vec<u8>,
    tabled: Vec<u8>,
}

impl Names {
    pub fn new() -> Names {
        Names {
            known: [KnownName::NONE; KNOWN_MAX],
            len: 1,
            long: Vec::new(),
            slots: [0; SLOTS],
            text: 0,
            used: Vec::with_capacity(KNOWN_MAX),
            shared: [0; FLAT_MAX],
            shared_len: 0,
            table: vec![0],
            tabled: Vec::new(),
        }
    }

    /// Begins a text.
    pub fn begin(&mut self) {
        if self.text == u32::MAX || self.len == KNOWN_MAX {
            self.known[0] = KnownName::NONE;
            self.len = 1;
            self.long.clear();
            self.slots = [0; SLOTS];
            self.text = 0;
            (self.table, self.tabled) = (vec![0], Vec::new());
        }
        self.text += 1;
        self.used.clear();
    }

    /// Counts a use of a name.
    #[inline(always)]
    pub fn count(&mut self, name: u8) {
        let known = &mut self.known[usize::from(name)];
        if known.text != self.text {
            known.text = self.text;
            known.count = 0;
            self.used.push(name);
        }
        known.count += 1;
    }

    /// Whether the guesses were right; they are, from now on.
    pub fn check(&mut self) -> bool {
        let (mut count, mut is_right) = (0, true);
        for name in &self.used {
            let known = &mut self.known[usize::from(*name)];
            let is_shared = pays(known.len.into(), known.count) && count < FLAT_MAX as u8;
            let wanted = if is_shared { count } else { NOT_SHARED };
            if known.shared != wanted {
                is_right = false;
                known.set_shared(is_shared.then_some(count));
            }
            if is_shared {
                self.shared[usize::from(count)] = *name;
                count += 1;
            }
        }
        self.shared_len = count.into();
        is_right
    }

    /// The table of the shared names.
    pub fn table(&mut self) -> &[u8] {
        let shared = &self.shared[..self.shared_len];
        if self.tabled != shared {
            self.tabled.clear();
            self.tabled.extend_from_slice(shared);
            let mut table = std::mem::take(&mut self.table);
            table.clear();
            self.write_table(&mut table);
            self.table = table;
        }
        &self.table
    }

    #[cold]
    fn write_table(&self, out: &mut Vec<u8>) {
        let known = |name: &u8| &self.known[usize::from(*name)];
        FlatNames::write_lens(self.tabled.iter().map(|name| known(name).len), out);
        for name in &self.tabled {
            let known = known(name);
            if known.is_long() {
                out.extend_from_slice(self.long(*name));
            } else {
                out.extend_from_slice(&known.word.to_le_bytes()[..known.len.into()]);
            }
        }
    }

    /// The text of a name that is in no word.
    pub fn long(&self, name: u8) -> &[u8] {
        let long = self.long.iter().find(|(number, _)| *number == name);
        long.map_or(&[], |(_, text)| text)
    }

    /// The number of the name that begins at a place of the text, and the place after its colon. It
    /// is not the guessed name, or has blanks before the colon, or is long, or new.
    #[inline(never)]
    pub fn find(
        &mut self,
        guess: u8,
        word: u128,
        text: &[u8],
        start: usize,
    ) -> Result<(u8, usize), GaveUp> {
        let len = clean_prefix(&text[start..]);
        let mut at = start + len;
        if len > SHORT_MAX || text.get(at) != Some(&b'"') {
            return Err(GaveUp);
        }
        at += 1;
        while text.get(at).is_some_and(|byte| is_blank(*byte)) {
            at += 1;
        }
        if text.get(at) != Some(&b':') {
            return Err(GaveUp);
        }
        let name = &text[start..start + len];
        let mut word = word;
        if len <= WORD_MAX {
            let mask = (1 << (8 * len)) - 1;
            let end = u128::from(u16::from_le_bytes(*b"\":"));
            word = word & mask | end << (8 * len);
        }
        let is_it = |number: u8, of: &Names| {
            let known = &of.known[usize::from(number)];
            known.word == word
                && usize::from(known.len) == len
                && (!known.is_long() || of.long(number) == name)
        };
        if is_it(guess, self) {
            return Ok((guess, at + 1));
        }
        let mut slot = hash_of(name) as usize % SLOTS;
        let mut number = self.slots[slot];
        while number != 0 && !is_it(number, self) {
            slot = (slot + 1) % SLOTS;
            number = self.slots[slot];
        }
        if number == 0 {
            if self.len == KNOWN_MAX {
                return Err(GaveUp);
            }
            number = self.len as u8;
            self.len += 1;
            self.slots[slot] = number;
            if len > WORD_MAX {
                self.long.push((number, name.into()));
            }
            let known = &mut self.known[usize::from(number)];
            *known = KnownName {
                word,
                len: len as u8,
                ..KnownName::NONE
            };
            if len <= WORD_MAX {
                known.mask = u128::MAX >> (8 * (WORD_MAX - len));
            }
            known.set_shared(None);
        }
        Ok((number, at + 1))
    }
}
