//! A small text becomes the bytes of a document in one pass, by what earlier texts were like.
//!
//! Only at its end is it known which names a document shares. So the reader keeps the names of
//! earlier texts, with two guesses each: whether the name is shared, and which name follows it. It
//! writes by the guesses, and counts. Where the counts say otherwise the text is read once more, by
//! guesses that are then right.
//!
//! It gives up at what is rare: names with escapes, long ones, ones given twice, and too many; and
//! at wrong texts. The bytes are those that a draft would have.
//!
//! Cost: O(length of the text). Names and buffers are the thread's, some 20 kB.

use super::Document;
use super::Form;
use super::bytes::{self, Body};
use super::names::{FLAT_MAX, FlatNames, SHORT_MAX, hash_of, pays, shared};
use super::run::Run;
use super::scan::{GaveUp, ends_container, next_byte, number_at, unescape};
use super::store::chunk_bytes;
use super::text::{clean_prefix, is_clean};
use crate::view::Number;
use russet_encodings::buffer::Buffer;
use smallvec::SmallVec;
use std::cell::Cell;

/// Names that are kept.
const KNOWN_MAX: usize = 192;
const SLOTS: usize = 512;
const _: () = assert!(KNOWN_MAX <= u8::MAX as usize && KNOWN_MAX * 2 <= SLOTS);

/// A name that is kept. The first is none: it stands before the first of a text.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Its first bytes.
    word: u128,
    len: u8,
    /// The name that followed it.
    next: u8,
    /// Its number among the shared names.
    shared: Option<u8>,
    /// The text that `count` is of.
    text: u32,
    count: u32,
}

/// See the module.
struct Memory {
    known: Vec<Known>,
    /// Names that are longer than a word.
    long: Vec<(u8, Box<[u8]>)>,
    /// Numbers of names by hash; zero: none.
    slots: [u8; SLOTS],
    /// The number of the text that is read.
    text: u32,
    /// The names of the text, in the order of their first uses.
    used: Vec<u8>,
    /// Numbers of the arrays that are open.
    numbers: Vec<Number>,
    unescaped: Vec<u8>,
    out: Vec<u8>,
}

thread_local! {
    static MEMORY: Cell<Option<Box<Memory>>> = const { Cell::new(None) };
}

impl Memory {
    fn new() -> Memory {
        let mut memory = Memory {
            known: Vec::with_capacity(KNOWN_MAX),
            long: Vec::new(),
            slots: [0; SLOTS],
            text: 0,
            used: Vec::with_capacity(KNOWN_MAX),
            numbers: Vec::new(),
            unescaped: Vec::new(),
            out: Vec::new(),
        };
        memory.forget();
        memory
    }

    fn forget(&mut self) {
        self.known.clear();
        self.long.clear();
        self.slots = [0; SLOTS];
        // No name has a NUL.
        self.known.push(Known {
            word: 0,
            len: 16,
            next: 0,
            shared: None,
            text: 0,
            count: 0,
        });
    }

    /// Begins a text of so many bytes and levels.
    fn begin(&mut self, len: usize, depth: usize) {
        if self.text == u32::MAX || self.known.len() == KNOWN_MAX {
            self.forget();
            self.text = 0;
        }
        self.text += 1;
        self.used.clear();
        self.numbers.clear();
        // No value has more bytes than twice its text; heads of open containers come before.
        let needed = 2 * len + 64 + 5 * depth.min(len);
        if self.out.len() < needed {
            self.out.resize(needed, 0);
        }
    }

    /// Whether the guesses were right; they are, from now on.
    fn check(&mut self) -> bool {
        let (mut count, mut is_right) = (0, true);
        for name in &self.used {
            let known = &mut self.known[usize::from(*name)];
            let is_shared = pays(known.len.into(), known.count) && count < FLAT_MAX as u8;
            let wanted = is_shared.then_some(count);
            count += u8::from(is_shared);
            is_right &= known.shared == wanted;
            known.shared = wanted;
        }
        is_right
    }

    fn name<'a>(&'a self, name: u8, word: &'a mut [u8; 16]) -> &'a [u8] {
        let known = &self.known[usize::from(name)];
        let len = usize::from(known.len);
        if len <= word.len() {
            *word = known.word.to_le_bytes();
            return &word[..len];
        }
        let long = self.long.iter().find(|(number, _)| *number == name);
        long.map_or(&[], |(_, text)| text)
    }

    /// The table of the shared names.
    fn table(&self) -> SmallVec<[u8; 256]> {
        let mut table = SmallVec::new();
        let is_shared = |name: &u8| self.known[usize::from(*name)].shared.is_some();
        let count = self.used.iter().filter(|name| is_shared(name)).count();
        if count == 0 {
            table.push(0);
            return table;
        }
        let mut words = SmallVec::<[[u8; 16]; 32]>::from_elem([0; 16], count);
        let names = self.used.iter().filter(|name| is_shared(name));
        let names: SmallVec<[&[u8]; 32]> = names
            .zip(words.iter_mut())
            .map(|(name, word)| self.name(*name, word))
            .collect();
        FlatNames::write(&names, &mut table);
        table
    }
}

/// The document of a text that is nested to at most `depth` levels.
pub(super) fn read(text: &str, depth: usize) -> Result<Document, GaveUp> {
    // So that nothing in it can be as large as to stand out of line.
    if text.len() > chunk_bytes() * 2 / 5 {
        return Err(GaveUp);
    }
    let mut memory = MEMORY.take().unwrap_or_else(|| Box::new(Memory::new()));
    let document = memory.document(text, depth);
    MEMORY.set(Some(memory));
    document
}

impl Memory {
    fn document(&mut self, text: &str, depth: usize) -> Result<Document, GaveUp> {
        for _ in 0..2 {
            self.begin(text.len(), depth);
            let mut reader = Reader {
                text,
                bytes: text.as_bytes(),
                at: 0,
                to: 0,
                last: 0,
                memory: self,
            };
            reader.value(depth, false)?;
            if next_byte(reader.bytes, &mut reader.at).is_some() {
                return Err(GaveUp);
            }
            let len = reader.to;
            if self.check() {
                let parts = [&self.table()[..], &self.out[..len]];
                return Ok(Document(Form::Flat(Buffer::concat(&parts))));
            }
        }
        Err(GaveUp)
    }
}

struct Reader<'t, 'm> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Bytes that are written.
    to: usize,
    /// The name before.
    last: u8,
    memory: &'m mut Memory,
}

/// Words of ones in so many first bytes.
static MASKS: [u128; 17] = {
    let mut masks = [u128::MAX; 17];
    let mut len = 0;
    while len < 16 {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
};

impl Reader<'_, '_> {
    #[inline]
    fn put(&mut self, byte: u8) {
        self.memory.out[self.to] = byte;
        self.to += 1;
    }

    /// The first `len` bytes of these.
    #[inline]
    fn put_some(&mut self, bytes: [u8; 16], len: usize) {
        self.memory.out[self.to..self.to + 16].copy_from_slice(&bytes);
        self.to += len;
    }

    /// A part of the text: in copies of fixed length, which need no call.
    #[inline]
    fn put_part(&mut self, start: usize, len: usize) {
        let mut done = 0;
        while done < len {
            let Some(chunk) = self.bytes[start + done..].first_chunk() else {
                break;
            };
            self.put_some(*chunk, 16.min(len - done));
            done += 16.min(len - done);
        }
        let rest = &self.bytes[start + done..start + len];
        self.memory.out[self.to..self.to + rest.len()].copy_from_slice(rest);
        self.to += rest.len();
    }

    /// Reads a value, which may have so many levels; a number of an array is kept. Returns whether
    /// it is a number.
    fn value(&mut self, depth: usize, is_element: bool) -> Result<bool, GaveUp> {
        match next_byte(self.bytes, &mut self.at).ok_or(GaveUp)? {
            b'"' => self.string()?,
            b'{' => self.object(depth.checked_sub(1).ok_or(GaveUp)?)?,
            b'[' => self.array(depth.checked_sub(1).ok_or(GaveUp)?)?,
            b'-' | b'0'..=b'9' => {
                self.number(is_element)?;
                return Ok(true);
            }
            b'n' => self.word(b"null", bytes::NULL)?,
            b't' => self.word(b"true", bytes::TRUE)?,
            b'f' => self.word(b"false", bytes::FALSE)?,
            _ => return Err(GaveUp),
        }
        Ok(false)
    }

    fn word(&mut self, word: &[u8], byte: u8) -> Result<(), GaveUp> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(GaveUp);
        }
        self.at += word.len();
        self.put(byte);
        Ok(())
    }

    #[inline]
    fn number(&mut self, is_element: bool) -> Result<(), GaveUp> {
        let scanned = number_at(self.text, &mut self.at)?;
        let decimal = scanned.decimal;
        let few = decimal.and_then(|(mantissa, scale)| bytes::decimal_of(mantissa, scale));
        let few = few.unwrap_or_else(|| bytes::number(scanned.number));
        self.put_some(few.at_start(), few.len());
        if is_element {
            self.memory.numbers.push(scanned.number);
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<(), GaveUp> {
        let start = self.at + 1;
        let len = clean_prefix(&self.bytes[start..]);
        if self.bytes.get(start + len) != Some(&b'"') {
            return self.escaped(start);
        }
        self.at = start + len + 1;
        if len <= bytes::SHORT_MAX {
            self.put(len as u8);
        } else {
            let head = bytes::text_head(len, true);
            self.put_some(head.at_start(), head.len());
        }
        self.put_part(start, len);
        Ok(())
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Result<(), GaveUp> {
        self.at = start;
        unescape(self.bytes, &mut self.at, &mut self.memory.unescaped)?;
        let len = self.memory.unescaped.len();
        let head = bytes::text_head(len, is_clean(&self.memory.unescaped));
        self.put_some(head.at_start(), head.len());
        let Memory { out, unescaped, .. } = &mut *self.memory;
        out[self.to..self.to + len].copy_from_slice(unescaped);
        self.to += len;
        Ok(())
    }

    /// The bracket at the place opens a container: where it begins, and its room for a head;
    /// `None`: it closes at once.
    #[inline]
    fn open(&mut self, close: u8, empty: u8) -> Result<Option<(usize, usize)>, GaveUp> {
        self.at += 1;
        if next_byte(self.bytes, &mut self.at).ok_or(GaveUp)? == close {
            self.at += 1;
            self.put(empty);
            return Ok(None);
        }
        let start = self.to;
        let is_long = self.bytes.len() - self.at > 512;
        let room = if is_long { 5 } else { 3 };
        self.to += room;
        Ok(Some((start, room)))
    }

    /// Writes the head of a container that began there.
    #[inline]
    fn close(&mut self, body: Body, count: usize, (start, room): (usize, usize)) {
        let content = start + room;
        let head = bytes::header(body, count, self.to - content);
        let out = &mut self.memory.out;
        if head.len() != room {
            out.copy_within(content..self.to, start + head.len());
            self.to = self.to + head.len() - room;
        }
        out[start..start + head.len()].copy_from_slice(&head);
    }

    fn array(&mut self, depth: usize) -> Result<(), GaveUp> {
        let Some(place) = self.open(b']', bytes::ARRAY_EMPTY)? else {
            return Ok(());
        };
        let first = self.memory.numbers.len();
        let (mut count, mut all_numbers) = (0, true);
        loop {
            all_numbers &= self.value(depth, true)?;
            count += 1;
            if ends_container(self.bytes, &mut self.at, b']')? {
                break;
            }
        }
        if all_numbers && let Some(run) = Run::shorter(self.memory.numbers[first..].iter().copied())
        {
            self.to = place.0 + place.1;
            self.put(run.byte());
            for at in first..self.memory.numbers.len() {
                let bytes = run.bytes(self.memory.numbers[at]).ok_or(GaveUp)?;
                let end = self.to + run.width();
                self.memory.out[self.to..end].copy_from_slice(&bytes[..run.width()]);
                self.to = end;
            }
            self.close(Body::Run, count, place);
        } else {
            self.close(Body::Array, count, place);
        }
        self.memory.numbers.truncate(first);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), GaveUp> {
        let Some(place) = self.open(b'}', bytes::OBJECT_EMPTY)? else {
            return Ok(());
        };
        let mut seen = [0u64; KNOWN_MAX / 64];
        let mut count = 0;
        loop {
            if next_byte(self.bytes, &mut self.at) != Some(b'"') {
                return Err(GaveUp);
            }
            let name = self.name()?;
            let (word, bit) = (usize::from(name) / 64, 1 << (name % 64));
            if seen[word] & bit != 0 {
                return Err(GaveUp);
            }
            seen[word] |= bit;
            if next_byte(self.bytes, &mut self.at) != Some(b':') {
                return Err(GaveUp);
            }
            self.at += 1;
            self.value(depth, false)?;
            count += 1;
            if ends_container(self.bytes, &mut self.at, b'}')? {
                break;
            }
        }
        self.close(Body::Object, count, place);
        Ok(())
    }

    /// The sixteen bytes at a place of the text; after its end, zeros.
    #[inline]
    fn word_at(&self, at: usize) -> u128 {
        let rest = &self.bytes[at..];
        if let Some(chunk) = rest.first_chunk() {
            return u128::from_le_bytes(*chunk);
        }
        let mut chunk = [0; 16];
        chunk[..rest.len()].copy_from_slice(rest);
        u128::from_le_bytes(chunk)
    }

    /// Reads the name whose quote is at the place; returns its number.
    #[inline]
    fn name(&mut self) -> Result<u8, GaveUp> {
        let start = self.at + 1;
        let word = self.word_at(start);
        let guess = self.memory.known[usize::from(self.last)].next;
        let known = &self.memory.known[usize::from(guess)];
        let len = usize::from(known.len);
        let name = if MASKS.get(len).is_some_and(|mask| word & mask == known.word)
            && self.bytes.get(start + len) == Some(&b'"')
        {
            self.at = start + len + 1;
            guess
        } else {
            self.find(word)?
        };
        self.last = name;
        let memory = &mut *self.memory;
        let known = &mut memory.known[usize::from(name)];
        if known.text != memory.text {
            known.text = memory.text;
            known.count = 0;
            memory.used.push(name);
        }
        known.count += 1;
        let (len, word) = (usize::from(known.len), known.word);
        if let Some(number) = known.shared {
            let few = shared(number.into());
            self.put_some(few.at_start(), few.len());
        } else {
            self.put(len as u8);
            if len <= 16 {
                self.put_some(word.to_le_bytes(), len);
            } else {
                self.put_part(start, len);
            }
        }
        Ok(name)
    }

    /// The number of the name whose quote is at the place, which may be new.
    fn find(&mut self, word: u128) -> Result<u8, GaveUp> {
        let start = self.at + 1;
        let len = clean_prefix(&self.bytes[start..]);
        if len > SHORT_MAX || self.bytes.get(start + len) != Some(&b'"') {
            return Err(GaveUp);
        }
        self.at = start + len + 1;
        let text = &self.bytes[start..start + len];
        let word = word & MASKS[len.min(16)];
        let hash = hash_of(text);
        let memory = &mut *self.memory;
        let mut slot = hash as usize % SLOTS;
        let mut number = memory.slots[slot];
        while number != 0 {
            let known = &memory.known[usize::from(number)];
            let is_equal = known.word == word
                && usize::from(known.len) == len
                && (len <= 16 || memory.name(number, &mut [0; 16]) == text);
            if is_equal {
                break;
            }
            slot = (slot + 1) % SLOTS;
            number = memory.slots[slot];
        }
        if number == 0 {
            if memory.known.len() == KNOWN_MAX {
                return Err(GaveUp);
            }
            number = memory.known.len() as u8;
            memory.slots[slot] = number;
            if len > 16 {
                memory.long.push((number, text.into()));
            }
            memory.known.push(Known {
                word,
                len: len as u8,
                next: 0,
                shared: None,
                text: 0,
                count: 0,
            });
        }
        memory.known[usize::from(self.last)].next = number;
        Ok(number)
    }
}
