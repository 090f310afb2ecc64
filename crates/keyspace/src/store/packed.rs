//! The block of a packed value, and the only way to the value's bytes.
//!
//!     dictionary 1 | raw length varint | of a container: form | frame
//!     form = encoding 1 | elements varint | of a record: number of its schema 2
//!
//! The head has the raw length and the elements, because counts by size, STRLEN, HLEN and
//! overwrites need no more. The frame of a container has the bytes of its block; a packed record
//! counts as a reference to its schema (`container`).
//!
//! A frame has no checksum, because other memory has none either. A head or frame that does not
//! lead to a value of the recorded length is damage: the reader gets an error, and the damage is
//! counted ([`damaged_frames`](super::dictionaries::damaged_frames)).

use std::cell::RefCell;
use std::sync::Arc;

use russet_command::CommandError;
use russet_frames::{Encoder, RAW_MAX, UnusableDictionary};

use super::container::{borrow_schema, hold_schema, release_schema};
use super::dictionaries::{PackDictionary, count_damaged};
use russet_types::block::BlockForm;
use russet_types::{Container, Encoding, Type, for_container};

/// The longest buffer that a thread keeps for texts; a longer one is freed after its use.
const KEPT_MAX: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A number of seven bits a byte, least significant first, and what follows.
fn varint(mut rest: &[u8]) -> Option<(usize, &[u8])> {
    let mut n = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        n |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((n, rest));
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut n: usize) {
    while n > 0x7f {
        out.push(0x80 | n as u8);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends the text of a frame to `out`. O(length).
fn unpack_frame(parts: Option<(u8, usize, &[u8])>, out: &mut Vec<u8>) -> Result<(), CommandError> {
    let unpacked = parts.and_then(|(number, len, frame)| {
        let dictionary = PackDictionary::of(number)?;
        dictionary.unpack(frame, len, out).ok()
    });
    unpacked.ok_or_else(damaged)
}

/// Calls `with` with the text of a frame, which is in a buffer of the thread.
fn with_frame<R>(
    parts: Option<(u8, usize, &[u8])>,
    with: impl FnOnce(&[u8]) -> R,
) -> Result<R, CommandError> {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let result = unpack_frame(parts, &mut buffer).map(|()| with(&buffer));
    if buffer.capacity() <= KEPT_MAX {
        BUFFER.set(buffer);
    }
    result
}

/// The bytes of a value that a frame has, and the facts that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawValue<'a> {
    /// The type of the key.
    pub kind: Type,
    /// The form of a container besides its bytes; `None` for a string.
    pub form: Option<BlockForm>,
    /// The text, or the bytes of the container's block.
    pub bytes: &'a [u8],
}

/// A packed container, borrowed from its entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedContainer<'a> {
    kind: Type,
    block: &'a [u8],
}

impl<'a> PackedContainer<'a> {
    /// The container of a block, which has this type.
    pub fn of(kind: Type, block: &'a [u8]) -> PackedContainer<'a> {
        PackedContainer { kind, block }
    }

    /// The number of its dictionary, the raw length, the form and the frame; `None`: the head is
    /// damaged.
    fn parts(self) -> Option<(u8, usize, BlockForm, &'a [u8])> {
        let (number, raw_len, rest) = PackedText(self.block).parts()?;
        let (&encoding, rest) = rest.split_first()?;
        let encoding = *Encoding::ALL.get(usize::from(encoding))?;
        let (len, rest) = varint(rest)?;
        let (schema, frame) = match encoding {
            Encoding::Record => {
                let (number, frame) = rest.split_first_chunk::<2>()?;
                (Some(u16::from_le_bytes(*number)), frame)
            }
            _ => (None, rest),
        };
        let form = BlockForm {
            encoding,
            len,
            schema,
        };
        Some((number, raw_len, form, frame))
    }

    /// Its form; `None`: the head is damaged.
    pub fn form(self) -> Option<BlockForm> {
        self.parts().map(|(_, _, form, _)| form)
    }

    /// Its elements; 0 if the head is damaged. O(1).
    pub fn len(self) -> usize {
        self.form().map_or(0, |form| form.len)
    }

    /// The container. O(bytes).
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]
    pub fn read<T: Container>(self) -> Result<T, CommandError> {
        let (number, raw_len, form, frame) = self.parts().ok_or_else(damaged)?;
        let schema = form.schema.map(borrow_schema);
        let made = with_frame(Some((number, raw_len, frame)), |bytes| {
            T::from_block(&form, bytes, schema)
        })?;
        made.ok_or_else(damaged)
    }

    /// The encoding and the word of the container, which the caller owns.
    ///
    /// # Errors
    /// As [`PackedContainer::read`].
    pub fn into_word(self) -> Result<(Encoding, u64), CommandError> {
        for_container!(
            self.kind,
            T => self.read::<T>().map(Container::into_word),
            _ => Err(damaged()),
        )
    }
}

/// The dictionary of a block of this type counts one more value, and a schema a reference.
pub(super) fn count(kind: Type, block: &[u8]) {
    let text = PackedText(block);
    if let Some(dictionary) = PackDictionary::of(text.dictionary()) {
        dictionary.add(block.len(), text.len());
    }
    if let Some(schema) = schema_of(kind, block) {
        hold_schema(schema);
    }
}

/// The counterpart of [`count`].
pub(super) fn discount(kind: Type, block: &[u8]) {
    let text = PackedText(block);
    if let Some(dictionary) = PackDictionary::of(text.dictionary()) {
        dictionary.subtract(block.len(), text.len());
    }
    if let Some(schema) = schema_of(kind, block) {
        release_schema(schema);
    }
}

fn schema_of(kind: Type, block: &[u8]) -> Option<u16> {
    (kind == Type::Hash)
        .then(|| PackedContainer::of(kind, block).form()?.schema)
        .flatten()
}

/// A packed text, borrowed from its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedText<'a>(&'a [u8]);

impl<'a> PackedText<'a> {
    /// The text of a block, as [`PackedText::block`] gave it.
    pub fn of(block: &'a [u8]) -> PackedText<'a> {
        PackedText(block)
    }

    /// The block: head and frame.
    pub fn block(self) -> &'a [u8] {
        self.0
    }

    /// The number of its dictionary, the raw length and the frame; `None`: the head is damaged.
    fn parts(self) -> Option<(u8, usize, &'a [u8])> {
        let (&number, rest) = self.0.split_first()?;
        let (len, frame) = varint(rest)?;
        (len <= RAW_MAX).then_some((number, len, frame))
    }

    /// The text's length in bytes; 0 if the head is damaged. O(1).
    pub fn len(self) -> usize {
        self.parts().map_or(0, |(_, len, _)| len)
    }

    /// The number of the dictionary, for DEBUG OBJECT.
    pub fn dictionary(self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    /// Appends the text to `out`. O(length).
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]; `out` is as before.
    pub fn unpack(self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        unpack_frame(self.parts(), out)
    }

    /// Calls `with` with the text, which is in a buffer of the thread.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]
    pub fn with_text<R>(self, with: impl FnOnce(&[u8]) -> R) -> Result<R, CommandError> {
        with_frame(self.parts(), with)
    }
}

#[cold]
fn damaged() -> CommandError {
    count_damaged();
    CommandError::DamagedValue
}

/// Makes blocks with a dictionary.
pub struct Packer {
    dictionary: Arc<PackDictionary>,
    encoder: Encoder,
    block: Vec<u8>,
}

impl Packer {
    /// Prepares a dictionary for packing; some 100 KiB.
    pub fn new(dictionary: Arc<PackDictionary>) -> Result<Packer, UnusableDictionary> {
        Ok(Packer {
            encoder: Encoder::new(dictionary.dictionary())?,
            dictionary,
            block: Vec::new(),
        })
    }

    /// The dictionary that it packs with.
    pub(crate) fn dictionary(&self) -> Arc<PackDictionary> {
        Arc::clone(&self.dictionary)
    }

    /// The block of a text. `None`: it would have more than `most` bytes, or the text is too long.
    /// O(`raw`).
    pub fn block(&mut self, raw: &[u8], most: usize) -> Option<&[u8]> {
        self.block_of(raw, None, most)
    }

    /// As [`Packer::block`], of a container's bytes if there is a form.
    pub(crate) fn block_of(
        &mut self,
        raw: &[u8],
        form: Option<BlockForm>,
        most: usize,
    ) -> Option<&[u8]> {
        if raw.len() > RAW_MAX {
            return None;
        }
        self.block.clear();
        self.block.push(self.dictionary.number());
        put_varint(&mut self.block, raw.len());
        if let Some(form) = form {
            self.block.push(form.encoding as u8);
            put_varint(&mut self.block, form.len);
            if let Some(schema) = form.schema {
                self.block.extend_from_slice(&schema.to_le_bytes());
            }
        }
        let room = most.checked_sub(self.block.len())?;
        let frame = self.encoder.pack(raw, room)?;
        self.block.extend_from_slice(frame);
        Some(&self.block)
    }
}

/// Whether the frame of a block, made with or without a form, holds these bytes.
pub(crate) fn holds(block: &[u8], form: Option<BlockForm>, raw: &[u8]) -> bool {
    let parts = match form {
        None => PackedText(block).parts(),
        Some(_) => {
            let parts = PackedContainer::of(Type::String, block).parts();
            parts.map(|(number, len, _, frame)| (number, len, frame))
        }
    };
    with_frame(parts, |again| again == raw) == Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::dictionaries::damaged_frames;
    use super::*;

    fn packer() -> Packer {
        Packer::new(PackDictionary::of(0).expect("the empty one")).expect("memory")
    }

    #[test]
    fn a_block_has_length_and_text() {
        let mut packer = packer();
        for len in [1, 127, 128, 16_383, 16_384, 3_000_000] {
            let raw: Vec<u8> = (0..len).map(|at| (at / 100) as u8).collect();
            let block = packer.block(&raw, usize::MAX).expect("no bound");
            let text = PackedText::of(block);
            assert_eq!((text.len(), text.dictionary()), (len, 0));
            assert_eq!(text.with_text(|text| text == raw), Ok(true));
        }
        assert_eq!(packer.block(&[0; RAW_MAX + 1], usize::MAX), None);
        assert_eq!(packer.block(&[7; 1000], 2), None);
    }

    #[test]
    fn a_damaged_head_is_an_error_and_counted() {
        let raw = [b'x'; 300];
        let block = packer().block(&raw, usize::MAX).expect("no bound").to_vec();
        let before = damaged_frames();
        let wrong: [&[u8]; 6] = [
            b"",
            &[0],
            &[0, 0x80],
            &[0, 0xff, 0xff, 0xff, 0xff, 0x7f, 1],
            &[255, 5, 1, 2, 3],
            &block[..block.len() - 1],
        ];
        for block in wrong {
            let mut out = vec![1];
            let unpacked = PackedText::of(block).unpack(&mut out);
            assert_eq!((unpacked, out), (Err(CommandError::DamagedValue), vec![1]));
        }
        let mut other_length = block.clone();
        other_length[1] ^= 1;
        assert!(PackedText::of(&other_length).with_text(|_| ()).is_err());
        assert!(damaged_frames() >= before + 7);
    }
}
