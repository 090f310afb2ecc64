//! A small text becomes the bytes of a document in a single pass, guided by earlier texts.
//!
//! Only the end of a text shows which names the document shares. So the reader keeps the names of
//! earlier texts (`known`), with guesses: whether the name is shared, which name follows it, which
//! name is the first of an object under this name. The reader writes by the guesses, and counts. If
//! the counts contradict the guesses, the reader corrects the guesses and reads the text once more.
//!
//! The reader gives up at rare texts (names with escapes, long names, names given twice, too many
//! names) and at malformed texts. It writes the same bytes as a draft would.
//!
//! The reader reads a copy of the text that ends with a zero, which no value has, and writes to an
//! array with room for the bytes of any text, so no step checks for the end of either. Positions
//! are taken modulo the size of the array, a power of two, so that the compiler leaves out bounds
//! checks.
//!
//! Cost: O(length of the text). Names and buffers are the thread's, some 30 kB.

mod known;

use crate::document::Document;
use crate::document::Form;
use crate::document::bytes::{self, Body};
use crate::document::run::NumberType;
use crate::document::scan::{Digits, GaveUp, ScannedNumber, is_blank, number_at, unescape};
use crate::document::store::chunk_bytes;
use crate::document::text::{CHUNK, clean_of_chunk, is_clean};
use crate::view::Number;
use known::Names;
use russet_encodings::buffer::Buffer;
use std::cell::Cell;

/// A text of as many bytes is not read.
const TEXT_MAX: usize = 4096;
/// Bytes of the longest: see `DEPTH`.
const OUT_MAX: usize = 8192;
/// Levels of nesting: no value has more bytes than twice its text, but the heads of open
/// containers come before.
const DEPTH: usize = 127;
/// No value in a text of as many bytes can be large enough for a place out of line.
const LEN_MAX: usize = 8192 * 2 / 5;
const _: () = assert!(LEN_MAX < TEXT_MAX && 2 * LEN_MAX + 64 + HEAD_LONG * DEPTH < OUT_MAX);
const _: () = assert!(TEXT_MAX.is_power_of_two() && OUT_MAX.is_power_of_two());

/// Bytes of the head of a container of less than 256, and of less than 65,536.
const HEAD_SHORT: usize = 3;
const HEAD_LONG: usize = 5;

/// See the module.
struct Reader {
    text: Text,
    out: [u8; OUT_MAX + CHUNK],
    names: Names,
    /// Numbers of the arrays that are open.
    numbers: Vec<Number>,
    unescaped: Vec<u8>,
}

/// A text, and a zero after it.
struct Text([u8; TEXT_MAX + CHUNK]);

impl Text {
    /// The bytes at a place, and after it.
    #[inline(always)]
    fn chunk(&self, at: usize) -> [u8; CHUNK] {
        let at = at % TEXT_MAX;
        *self.0[at..].first_chunk().expect("a chunk after the end")
    }
}

impl Digits for Text {
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.0[at % TEXT_MAX]
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

thread_local! {
    static READER: Cell<Option<Box<Reader>>> = const { Cell::new(None) };
}

/// The document of a text that is nested to at most `depth` levels.
pub(super) fn read(text: &str, depth: usize) -> Result<Document, GaveUp> {
    if text.len() > (chunk_bytes() * 2 / 5).min(LEN_MAX) {
        return Err(GaveUp);
    }
    let mut reader = READER.take().unwrap_or_else(|| Box::new(Reader::new()));
    let document = reader.document(text, depth.min(DEPTH));
    READER.set(Some(reader));
    document
}

/// Bytes that are read, and bytes that are written.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    to: usize,
}

/// The place of a container.
#[derive(Clone, Copy)]
struct ContainerPlace {
    /// The nearest name around it; zero: none.
    name: u8,
    /// Levels of nesting that it may have.
    depth: usize,
    /// Bytes that the container's head will probably have.
    head: usize,
}

/// A container whose content was written.
#[derive(Clone, Copy)]
struct WrittenContainer {
    body: Body,
    count: usize,
    /// The place of the container's head, and the bytes that are left for the head.
    start: usize,
    room: usize,
}

/// A value that was read.
enum ReadValue {
    Number,
    Text,
    Word,
    /// A container, and the bytes of its head.
    Container(usize),
}

impl Reader {
    fn new() -> Reader {
        Reader {
            text: Text([0; TEXT_MAX + CHUNK]),
            out: [0; OUT_MAX + CHUNK],
            names: Names::new(),
            numbers: Vec::new(),
            unescaped: Vec::new(),
        }
    }

    fn document(&mut self, text: &str, depth: usize) -> Result<Document, GaveUp> {
        self.text.0[..text.len()].copy_from_slice(text.as_bytes());
        self.text.0[text.len()] = 0;
        for _ in 0..2 {
            self.names.begin();
            self.numbers.clear();
            let around = ContainerPlace {
                name: 0,
                depth,
                head: if text.len() > 300 {
                    HEAD_LONG
                } else {
                    HEAD_SHORT
                },
            };
            let mut place = Place { at: 0, to: 0 };
            self.value(&mut place, around, false)?;
            self.next_byte(&mut place);
            if place.at != text.len() {
                return Err(GaveUp);
            }
            if self.names.check() {
                let parts = [self.names.table(), &self.out[..place.to]];
                return Ok(Document(Form::Flat(Buffer::concat(&parts))));
            }
        }
        Err(GaveUp)
    }

    /// The next byte that is no blank; the place moves to it.
    #[inline(always)]
    fn next_byte(&self, place: &mut Place) -> u8 {
        loop {
            let byte = self.text.byte(place.at);
            if byte > b' ' || !is_blank(byte) {
                return byte;
            }
            place.at += 1;
        }
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, to: usize, bytes: [u8; N]) {
        const { assert!(N <= CHUNK) };
        let to = to % OUT_MAX;
        *self.out[to..]
            .first_chunk_mut()
            .expect("a chunk after the end") = bytes;
    }

    /// Reads a value; a number of an array is kept if all before are.
    #[inline(always)]
    fn value(
        &mut self,
        place: &mut Place,
        around: ContainerPlace,
        is_kept: bool,
    ) -> Result<ReadValue, GaveUp> {
        match self.next_byte(place) {
            b'"' => {
                self.string(place)?;
                Ok(ReadValue::Text)
            }
            b'-' | b'0'..=b'9' => {
                let scanned = self.number(place)?;
                if is_kept {
                    self.numbers.push(scanned.number());
                }
                Ok(ReadValue::Number)
            }
            b'{' => self.object(place, around).map(ReadValue::Container),
            b'[' => self.array(place, around).map(ReadValue::Container),
            b'n' => self.word(place, b"null", bytes::NULL),
            b't' => self.word(place, b"true", bytes::TRUE),
            b'f' => self.word(place, b"false", bytes::FALSE),
            _ => Err(GaveUp),
        }
    }

    #[inline(always)]
    fn word(&mut self, place: &mut Place, word: &[u8], byte: u8) -> Result<ReadValue, GaveUp> {
        if !self.text.chunk(place.at).starts_with(word) {
            return Err(GaveUp);
        }
        place.at += word.len();
        self.put(place.to, [byte]);
        place.to += 1;
        Ok(ReadValue::Word)
    }

    #[inline(always)]
    fn number(&mut self, place: &mut Place) -> Result<ScannedNumber, GaveUp> {
        let scanned = number_at(&self.text, &mut place.at)?;
        if let ScannedNumber::Integer(value @ 0..64) = scanned {
            self.put(place.to, [bytes::small(value as u8)]);
            place.to += 1;
        } else if let ScannedNumber::Integer(value) = scanned {
            let (word, len) = bytes::integer_word(value);
            self.put(place.to, word.to_le_bytes());
            place.to += len;
        } else if let ScannedNumber::Decimal(value, scale) = scanned
            && let Some((word, len)) = bytes::decimal_of(value, scale)
        {
            self.put(place.to, word.to_le_bytes());
            place.to += len;
        } else {
            let few = bytes::number(scanned.number());
            self.put(place.to, few.at_start());
            place.to += few.len();
        }
        Ok(scanned)
    }

    /// Reads the string whose quote is at the place.
    #[inline(always)]
    fn string(&mut self, place: &mut Place) -> Result<(), GaveUp> {
        let (start, to) = (place.at + 1, place.to + 1);
        let mut len = 0;
        loop {
            let chunk = self.text.chunk(start + len);
            self.put(to + len, chunk);
            let clean = clean_of_chunk(chunk);
            len += clean;
            if clean < CHUNK {
                break;
            }
        }
        if self.text.byte(start + len) != b'"' {
            return self.escaped(place);
        }
        place.at = start + len + 1;
        if len > bytes::SHORT_MAX {
            return self.head_of_long(place, len);
        }
        self.put(place.to, [len as u8]);
        place.to += 1 + len;
        Ok(())
    }

    /// Moves a string that was written after a head of a byte, and writes the right head.
    #[inline(never)]
    fn head_of_long(&mut self, place: &mut Place, len: usize) -> Result<(), GaveUp> {
        let head = bytes::text_head(len, true);
        let to = place.to % OUT_MAX;
        self.out.copy_within(to + 1..to + 1 + len, to + head.len());
        self.out[to..to + head.len()].copy_from_slice(&head);
        place.to += head.len() + len;
        Ok(())
    }

    #[cold]
    fn escaped(&mut self, place: &mut Place) -> Result<(), GaveUp> {
        place.at += 1;
        unescape(&self.text.0, &mut place.at, &mut self.unescaped)?;
        let len = self.unescaped.len();
        let head = bytes::text_head(len, is_clean(&self.unescaped));
        self.put(place.to, head.at_start());
        let to = place.to + head.len();
        self.out[to..to + len].copy_from_slice(&self.unescaped);
        place.to = to + len;
        Ok(())
    }

    /// Writes the head of a container whose content ends at `to`; returns the head's bytes.
    #[inline(always)]
    fn close(&mut self, container: WrittenContainer, to: &mut usize) -> usize {
        let (count, room) = (container.count, container.room);
        let len = *to - (container.start + room);
        if room == HEAD_SHORT && count < 256 && len < 256 {
            self.put(
                container.start,
                [container.body as u8, count as u8, len as u8],
            );
            return room;
        }
        self.close_long(container, to)
    }

    fn close_long(&mut self, container: WrittenContainer, to: &mut usize) -> usize {
        let WrittenContainer { start, room, .. } = container;
        let content = start + room;
        let head = bytes::header(container.body, container.count, *to - content);
        if head.len() != room {
            self.out.copy_within(content..*to, start + head.len());
            *to = *to + head.len() - room;
        }
        self.out[start..start + head.len()].copy_from_slice(&head);
        head.len()
    }

    /// Reads the array whose bracket is at the place; returns the bytes of its head.
    fn array(&mut self, place: &mut Place, around: ContainerPlace) -> Result<usize, GaveUp> {
        let mut inner = ContainerPlace {
            name: around.name,
            depth: around.depth.checked_sub(1).ok_or(GaveUp)?,
            head: HEAD_SHORT,
        };
        let mut here = *place;
        here.at += 1;
        if self.next_byte(&mut here) == b']' {
            return Ok(self.empty(place, here, bytes::ARRAY_EMPTY, around));
        }
        here.to += around.head;
        let first = self.numbers.len();
        let (mut count, mut all_numbers) = (0, true);
        loop {
            match self.value(&mut here, inner, all_numbers)? {
                ReadValue::Number => {}
                ReadValue::Text | ReadValue::Word => all_numbers = false,
                ReadValue::Container(head) => {
                    all_numbers = false;
                    inner.head = head;
                }
            }
            count += 1;
            let byte = self.next_byte(&mut here);
            here.at += 1;
            if byte == b']' {
                break;
            }
            if byte != b',' {
                return Err(GaveUp);
            }
        }
        let mut body = Body::Array;
        if all_numbers && self.run(first, place.to + around.head, &mut here.to)? {
            body = Body::Run;
        }
        self.numbers.truncate(first);
        let container = WrittenContainer {
            body,
            count,
            start: place.to,
            room: around.head,
        };
        let head = self.close(container, &mut here.to);
        *place = here;
        Ok(head)
    }

    /// Writes the numbers of an array once more, as a run, if that is shorter.
    fn run(&mut self, first: usize, content: usize, to: &mut usize) -> Result<bool, GaveUp> {
        let Some(run) = NumberType::shorter(self.numbers[first..].iter().copied()) else {
            return Ok(false);
        };
        self.put(content, [run.byte()]);
        *to = content + 1;
        for at in first..self.numbers.len() {
            let bytes = run.bytes(self.numbers[at]).ok_or(GaveUp)?;
            self.put(*to, bytes);
            *to += run.width();
        }
        Ok(true)
    }

    #[cold]
    fn empty(&mut self, place: &mut Place, here: Place, byte: u8, around: ContainerPlace) -> usize {
        self.put(here.to, [byte]);
        *place = Place {
            at: here.at + 1,
            to: here.to + 1,
        };
        around.head
    }

    /// Reads the object whose bracket is at the place; returns the bytes of its head.
    fn object(&mut self, place: &mut Place, around: ContainerPlace) -> Result<usize, GaveUp> {
        let depth = around.depth.checked_sub(1).ok_or(GaveUp)?;
        let mut here = *place;
        here.at += 1;
        let mut byte = self.next_byte(&mut here);
        if byte == b'}' {
            return Ok(self.empty(place, here, bytes::OBJECT_EMPTY, around));
        }
        here.to += around.head;
        let mut seen = [0u64; 4];
        let (mut count, mut before) = (0, 0);
        let mut guess = self.names.known[usize::from(around.name)].child;
        loop {
            if byte != b'"' {
                return Err(GaveUp);
            }
            let start = here.at + 1;
            let word = u128::from_le_bytes(self.text.chunk(start));
            let mut name = guess;
            if let Some(len) = self.names.known[usize::from(guess)].short(word) {
                // With its quote and colon.
                here.at = start + len + 2;
            } else {
                let (names, text) = (&mut self.names, &self.text.0);
                (name, here.at) = names.find(guess, word, text, start)?;
                if count == 0 {
                    names.known[usize::from(around.name)].child = name;
                } else {
                    names.known[usize::from(before)].next = name;
                }
            }
            let (of, bit) = (usize::from(name) / 64, 1 << (name % 64));
            if seen[of] & bit != 0 {
                return Err(GaveUp);
            }
            seen[of] |= bit;
            self.names.count(name);
            let known = &self.names.known[usize::from(name)];
            let (few, len) = (known.few, usize::from(known.few_len));
            guess = known.next;
            before = name;
            let inner = ContainerPlace {
                name,
                depth,
                head: known.head.into(),
            };
            self.put(here.to, few);
            here.to += len;
            if len == 0 {
                let long = self.names.long(name);
                self.out[here.to] = long.len() as u8;
                self.out[here.to + 1..here.to + 1 + long.len()].copy_from_slice(long);
                here.to += 1 + long.len();
            }
            if let ReadValue::Container(head) = self.value(&mut here, inner, false)? {
                self.names.known[usize::from(name)].head = head as u8;
            }
            count += 1;
            byte = self.next_byte(&mut here);
            here.at += 1;
            if byte == b'}' {
                break;
            }
            if byte != b',' {
                return Err(GaveUp);
            }
            byte = self.next_byte(&mut here);
        }
        let container = WrittenContainer {
            body: Body::Object,
            count,
            start: place.to,
            room: around.head,
        };
        let head = self.close(container, &mut here.to);
        *place = here;
        Ok(head)
    }
}
