//! Packed values that are unpacked by the thread which writes the file: the loop copies the block
//! of a value, a third of its bytes, and neither unpacks nor compresses it.
//!
//!     buffer   key | block | key, string, key | block | ...
//!     file     key | string | key, string, key | string | ...
//!
//! The chunk holds the dictionaries of its blocks, because the values may be freed before the
//! thread has read it. The file is the same as if the loop had unpacked.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use russet_keyspace::{PackDictionary, PackedText};

use super::{DAMAGED, RdbWriter};
use crate::background::Sink;

/// Bytes that are made at a time, so that a chunk takes little more memory than its packed bytes.
const PIECE_BYTES: usize = 64 << 10;

/// The blocks in a writer's buffer.
#[derive(Debug, Default)]
pub(super) struct DeferredBlocks {
    /// Their places, in order.
    places: Vec<Range<usize>>,
    /// Each dictionary once.
    dictionaries: Vec<Arc<PackDictionary>>,
}

/// A part of a file whose packed values are still packed.
#[derive(Debug)]
pub struct PackedChunk {
    bytes: Vec<u8>,
    blocks: DeferredBlocks,
    /// `rdbcompression`.
    compress: bool,
}

impl RdbWriter {
    /// From now on, packed values stay so until [`PackedChunk::write`]: the consumer must ask
    /// [`RdbWriter::take_packed`] before it takes bytes.
    pub fn defer_packed(&mut self) {
        self.deferred = Some(Box::default());
    }

    /// Leaves a packed value to the thread; `false`: it must be unpacked now.
    pub(super) fn defer(&mut self, packed: PackedText<'_>) -> bool {
        let Some(deferred) = &mut self.deferred else {
            return false;
        };
        let number = packed.dictionary();
        let mut known = deferred.dictionaries.iter();
        if !known.any(|dictionary| dictionary.number() == number) {
            match PackDictionary::of(number) {
                Some(dictionary) => deferred.dictionaries.push(dictionary),
                // The value is damaged.
                None => return false,
            }
        }
        let start = self.out.len();
        self.out.extend_from_slice(packed.block());
        deferred.places.push(start..self.out.len());
        true
    }

    /// Takes the bytes written so far, if packed values are among them. `None`: there are none, and
    /// [`RdbWriter::take`] takes the bytes.
    pub fn take_packed(&mut self) -> Option<PackedChunk> {
        let deferred = self.deferred.as_mut()?;
        if deferred.places.is_empty() {
            return None;
        }
        let blocks = std::mem::take(&mut **deferred);
        let fresh = Vec::with_capacity(self.out.capacity());
        Some(PackedChunk {
            bytes: std::mem::replace(&mut self.out, fresh),
            blocks,
            compress: self.compress,
        })
    }
}

impl PackedChunk {
    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Writes the bytes as they stand in the file; for the thread. O(bytes of the values).
    ///
    /// # Errors
    /// `sink` fails, or a value is damaged: the file must not be used.
    pub fn write(self, sink: &mut Sink<'_>) -> io::Result<()> {
        let mut writer = RdbWriter::new(super::VERSION_USUAL, self.compress);
        let mut done = 0;
        for place in self.blocks.places {
            writer.raw(&self.bytes[done..place.start]);
            let block = &self.bytes[place.start..place.end];
            let unpacked = PackedText::of(block).with_text(|text| writer.string(text));
            unpacked.map_err(|_| io::Error::other(DAMAGED))?;
            done = place.end;
            if writer.len() >= PIECE_BYTES {
                sink(&writer.out)?;
                writer.out.clear();
            }
        }
        writer.raw(&self.bytes[done..]);
        sink(&writer.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{Use, VERSION_USUAL};
    use russet_keyspace::{DbIndex, Expiry, Keyspace, NewValue, PackRule};

    const DB: DbIndex = DbIndex(0);

    fn text(n: usize) -> Vec<u8> {
        match n % 3 {
            0 => format!("{}", n * 7919).into_bytes(),
            1 => format!("the user {n} of plan basic has {} seats; ", n % 31)
                .repeat(1 + n % 40)
                .into_bytes(),
            _ => vec![b'x'; n * 53 % 3000 + 1],
        }
    }

    fn write(keyspace: &mut Keyspace, compress: bool, defers: bool) -> (Vec<u8>, usize) {
        let mut writer = RdbWriter::new(VERSION_USUAL, compress);
        if defers {
            writer.defer_packed();
        }
        let (mut file, mut packed) = (Vec::new(), 0);
        for n in 0..300 {
            let mut db = keyspace.db(DB);
            let view = db.view(format!("key:{n}").as_bytes());
            writer.key(&view.expect("it was set"), Use::Nothing);
            if n % 20 != 19 {
                continue;
            }
            match writer.take_packed() {
                Some(chunk) => {
                    packed += chunk.blocks.places.len();
                    let mut sink = |bytes: &[u8]| {
                        file.extend_from_slice(bytes);
                        Ok(())
                    };
                    chunk.write(&mut sink).expect("no damage");
                }
                None => file.extend_from_slice(&writer.take(Vec::new())),
            }
        }
        assert!(writer.refusal().is_none() && writer.len() == 0);
        (file, packed)
    }

    #[test]
    fn a_file_is_the_same_whoever_unpacks() {
        let mut keyspace = Keyspace::new(1);
        for n in 0..300 {
            let (key, text) = (format!("key:{n}"), text(n));
            let value = NewValue::text(&text);
            keyspace
                .db(DB)
                .set_string(key.as_bytes(), value, Expiry::Clear);
        }
        let plain = [false, true].map(|compress| write(&mut keyspace, compress, false).0);
        assert_eq!(write(&mut keyspace, true, true), (plain[1].clone(), 0));
        keyspace.train_for_packing();
        let packed = keyspace.pack_all(&PackRule::ALL);
        assert!(packed > 100);
        for (compress, plain) in [false, true].into_iter().zip(&plain) {
            assert_eq!(write(&mut keyspace, compress, false), (plain.clone(), 0));
            let (file, deferred) = write(&mut keyspace, compress, true);
            assert!(file == *plain && deferred == packed);
        }
    }

    #[test]
    fn a_chunk_can_be_read_after_its_values_are_gone() {
        let mut keyspace = Keyspace::new(1);
        let text = b"a text that is long enough ".repeat(20);
        keyspace
            .db(DB)
            .set_string(b"key", NewValue::text(&text), Expiry::Clear);
        keyspace.pack_all(&PackRule::ALL);
        let mut writer = RdbWriter::new(VERSION_USUAL, false);
        writer.defer_packed();
        let mut db = keyspace.db(DB);
        writer.key(&db.view(b"key").expect("it was set"), Use::Nothing);
        let chunk = writer.take_packed().expect("a packed value");
        keyspace.flush_all(false);
        PackDictionary::drop_unused();
        let mut file = Vec::new();
        let mut sink = |bytes: &[u8]| {
            file.extend_from_slice(bytes);
            Ok(())
        };
        chunk.write(&mut sink).expect("no damage");
        assert!(file.ends_with(&text));
    }

    #[test]
    fn a_damaged_value_fails_the_file() {
        let block = [0, 0x80, 1, 7];
        let mut writer = RdbWriter::new(VERSION_USUAL, false);
        writer.defer_packed();
        assert!(writer.defer(PackedText::of(&block)));
        let chunk = writer.take_packed().expect("a packed value");
        let written = chunk.write(&mut |_: &[u8]| Ok(()));
        assert_eq!(written.expect_err("damage").to_string(), DAMAGED);
    }
}
