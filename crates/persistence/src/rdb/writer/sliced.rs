//! Payloads of DUMP that are made in slices: of values whose blocks are megabytes.
//!
//!     the pieces of all blocks: how many zeros?  ->  the pieces again, as they are or packed
//!
//! A block is packed if it is sparse, which is only known when all of it was read; its code has its
//! length before it. So the blocks are read twice. Both readings are of one content: a value with a
//! stamp is read in slices, and its reader begins anew when the stamp is another
//! ([`stamp_of_large`]). Each step takes about as long as 256 KB are read and written.

use super::{Blocks, RdbWriter, sparse};
use crate::rdb::payload::seal_after;
use crate::values;
use russet_base::hashing::crc64;
use russet_base::memory::alloc;
use russet_keyspace::ValueView;

/// Values of fewer bytes are written at once.
const LARGE_BYTES: usize = 4 << 20;
/// Elements of a step, for values without blocks.
const PART: usize = 1024;

/// The stamp of a value so large that its payload has to be made in slices. `None`: the value is
/// small, or its type has no stamps.
pub fn stamp_of_large(value: &ValueView<'_>) -> Option<u64> {
    let ValueView::Container(container) = value else {
        return None;
    };
    let (stamp, bytes) = values::stamp(container)?;
    (bytes >= LARGE_BYTES).then_some(stamp)
}

/// A payload under way.
#[derive(Debug)]
pub struct SlicedPayload {
    writer: RdbWriter,
    reads: Reading,
    /// The checksum of the bytes before `summed`.
    sum: u64,
    summed: usize,
}

#[derive(Debug)]
enum Reading {
    /// The blocks are surveyed: the piece, and the full segments of its block before it.
    Survey { at: u64, full: usize },
    /// The value is written from a piece on.
    Write { at: u64 },
}

impl SlicedPayload {
    /// Begins the payload of a value, by a writer without bytes.
    pub fn new(mut writer: RdbWriter) -> SlicedPayload {
        writer.pack_blocks();
        SlicedPayload {
            writer,
            reads: Reading::Survey { at: 0, full: 0 },
            sum: 0,
            summed: 0,
        }
    }

    /// Does a step: the same value as in the steps before. `true`: that was the last one.
    pub fn step(&mut self, value: &ValueView<'_>) -> bool {
        match self.reads {
            Reading::Survey { at, full } => self.survey(value, at, full),
            Reading::Write { at } => {
                let next = self.writer.part(value, at, PART);
                self.add_up();
                self.reads = Reading::Write {
                    at: next.unwrap_or(at),
                };
                return next.is_none();
            }
        }
        false
    }

    fn survey(&mut self, value: &ValueView<'_>, at: u64, full: usize) {
        let ValueView::Container(container) = value else {
            return self.begin_writing(value);
        };
        let packs = self.writer.blocks != Blocks::Whole;
        let surveyed = values::with_block_piece(container, at, |block, range| {
            // A block in one piece is a string like any other.
            let is_whole = range.len() == block.len();
            if range.start == 0 && !is_whole {
                alloc::reads_whole(block);
            }
            let full = full + sparse::full_segments(&block[range.clone()]);
            (full, range.end == block.len(), is_whole)
        });
        match surveyed.filter(|_| packs) {
            None => self.begin_writing(value),
            Some((full, is_end, is_whole)) => {
                if is_end && !is_whole {
                    self.writer.surveyed.push_back(full);
                }
                self.reads = Reading::Survey {
                    at: at + 1,
                    full: if is_end { 0 } else { full },
                };
            }
        }
    }

    fn begin_writing(&mut self, value: &ValueView<'_>) {
        self.writer.begin_value(value);
        self.reads = Reading::Write { at: 0 };
    }

    fn add_up(&mut self) {
        self.sum = crc64::update(self.sum, &self.writer.out[self.summed..]);
        self.summed = self.writer.out.len();
    }

    /// The payload, after the last step.
    pub fn finish(mut self) -> Vec<u8> {
        let mut payload = self.writer.take(Vec::new());
        seal_after(&mut payload, self.writer.version, self.sum, self.summed);
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::VERSION_USUAL;
    use russet_keyspace::{DbIndex, Keyspace, OwnedValue};
    use russet_sketches::{
        Bloom, CountMin, Cuckoo, TDigest, TopK, count_min::CellSize, top_k::Shape,
    };
    use russet_types::{AnyContainer, BoxedValue};

    fn values() -> Vec<(&'static str, AnyContainer)> {
        let mut sparse = Bloom::new(20_000_000, 0.01, Some(2)).expect("24 MB");
        sparse.add(b"foo").expect("room");
        let mut cuckoo = Cuckoo::new(8_000_000, 2, 20, 1).expect("8 MB");
        for n in 0..60_000_u32 {
            cuckoo.add(&n.to_le_bytes()).expect("room");
        }
        let mut counts = CountMin::new(1_000_000, 3, CellSize::Four).expect("12 MB");
        counts.add(b"foo", 3).expect("it fits");
        let shape = Shape {
            k: 5,
            width: 500_000,
            depth: 3,
            decay: 0.9,
        };
        let top = TopK::new(shape, 1).expect("room");
        let mut digest = TDigest::new(300_000);
        for n in 0..400_000 {
            digest.add(f64::from(n)).expect("a number");
        }
        vec![
            ("bloom", BoxedValue::from(sparse).into()),
            ("cuckoo", BoxedValue::from(cuckoo).into()),
            ("counts", BoxedValue::from(counts).into()),
            ("top", BoxedValue::from(top).into()),
            ("digest", BoxedValue::from(digest).into()),
        ]
    }

    #[test]
    fn a_payload_in_slices_is_the_one_at_once() {
        let mut keyspace = Keyspace::new(1);
        for (name, value) in values() {
            let value = OwnedValue::Container(value);
            assert!(keyspace.load(DbIndex(0), name.as_bytes(), value, None, None));
            let mut db = keyspace.db(DbIndex(0));
            for compress in [false, true] {
                let view = db.peek_view(name.as_bytes()).expect("it was set");
                assert!(stamp_of_large(&view.value).is_some(), "{name}");
                let mut at_once = RdbWriter::new(VERSION_USUAL, compress);
                at_once.pack_blocks();
                at_once.value(&view.value);
                let mut sliced = SlicedPayload::new(RdbWriter::new(VERSION_USUAL, compress));
                let mut steps = 0;
                while !sliced.step(&view.value) {
                    steps += 1;
                }
                assert!(steps > 5 || name == "digest", "{name}: {steps}");
                let same = sliced.finish() == at_once.payload();
                assert!(same, "{name}, compressed: {compress}");
            }
        }
    }
}
