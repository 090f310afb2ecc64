//! The block of a packed value, and the only way to the value's bytes.
//!
//!     dictionary 1 | raw length varint | frame
//!
//! The head has the raw length, because counts by size, STRLEN and overwrites need no more.
//!
//! A frame has no checksum, because other memory has none either. A head or frame that does not
//! lead to a value of the recorded length is damage: the reader gets an error, and the damage is
//! counted ([`damaged_frames`](super::dictionaries::damaged_frames)).

use std::cell::RefCell;
use std::sync::Arc;

use russet_command::CommandError;
use russet_frames::{Encoder, RAW_MAX, UnusableDictionary};

use super::dictionaries::{PackDictionary, count_damaged};

/// The longest buffer that a thread keeps for texts; a longer one is freed after its use.
const KEPT_MAX: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
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
        let (&number, mut rest) = self.0.split_first()?;
        let mut len = 0;
        for shift in [0, 7, 14, 21, 28] {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            len |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return (len <= RAW_MAX).then_some((number, len, rest));
            }
        }
        None
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
        let unpacked = self.parts().and_then(|(number, len, frame)| {
            let dictionary = PackDictionary::of(number)?;
            dictionary.unpack(frame, len, out).ok()
        });
        unpacked.ok_or_else(damaged)
    }

    /// Calls `with` with the text, which is in a buffer of the thread.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]
    pub fn with_text<R>(self, with: impl FnOnce(&[u8]) -> R) -> Result<R, CommandError> {
        let mut buffer = BUFFER.take();
        buffer.clear();
        let result = self.unpack(&mut buffer).map(|()| with(&buffer));
        if buffer.capacity() <= KEPT_MAX {
            BUFFER.replace(buffer);
        }
        result
    }

    /// An entry holds the block from now on.
    pub(super) fn count(self) {
        if let Some(dictionary) = PackDictionary::of(self.dictionary()) {
            dictionary.add(self.0.len(), self.len());
        }
    }

    /// The counterpart of [`PackedText::count`].
    pub(super) fn discount(self) {
        if let Some(dictionary) = PackDictionary::of(self.dictionary()) {
            dictionary.subtract(self.0.len(), self.len());
        }
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
        if raw.len() > RAW_MAX {
            return None;
        }
        self.block.clear();
        self.block.push(self.dictionary.number());
        let mut rest = raw.len();
        while rest > 0x7f {
            self.block.push(0x80 | rest as u8);
            rest >>= 7;
        }
        self.block.push(rest as u8);
        let room = most.checked_sub(self.block.len())?;
        let frame = self.encoder.pack(raw, room)?;
        self.block.extend_from_slice(frame);
        Some(&self.block)
    }
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
