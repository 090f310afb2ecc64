//! Compression, block by block.

use lz4_flex::block::{
    CompressTable, compress_into_with_dict, compress_into_with_table, get_maximum_output_size,
};

use super::{
    ENVELOPE_BYTES, FLAG_BLOCK_SUM, FLAG_INDEPENDENT, FLAGS_VERSION, FRAME_MAGIC, Kind, LZ4, MAGIC,
    STORED, VERSION, header_sum, sum,
};

/// The most bytes of a block.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// The frame's word for this size.
const BLOCK_SIZE_WORD: u8 = 4 << 4;

/// Shorter blocks are no sign of whether data can be compressed.
const TELLING_BYTES: usize = 1024;
/// A block that shrinks by less than this part was not worth it.
const GAIN_PART: usize = 8;
/// The most blocks that are stored without a try, after some that were not worth it.
const SKIPPED_MAX: u32 = 16;

/// See the module above. One serves any number of frames, block by block in any order: a block
/// depends on its arguments alone.
///
/// Data that does not shrink costs little: after a block that was not worth it, 1, 2, 4 .. 16
/// blocks are stored as they are before the packer tries the next block.
pub struct Packer {
    table: CompressTable,
    room: Vec<u8>,
    /// Blocks that are still to be stored without a try, and their number the last time.
    to_skip: u32,
    skipped: u32,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Default for Packer {
    fn default() -> Packer {
        Packer {
            table: CompressTable::large(),
            room: Vec::new(),
            to_skip: 0,
            skipped: 0,
        }
    }
}

impl Packer {
    /// Appends the envelope and the header of the frame.
    pub fn begin(kind: Kind, out: &mut Vec<u8>) {
        let envelope: [u8; ENVELOPE_BYTES] =
            [MAGIC[0], MAGIC[1], MAGIC[2], VERSION, LZ4, 0, kind.byte()];
        let flags = FLAGS_VERSION
            | FLAG_BLOCK_SUM
            | match kind {
                Kind::Snapshot => FLAG_INDEPENDENT,
                Kind::Stream => 0,
            };
        let header = [flags, BLOCK_SIZE_WORD];
        out.extend_from_slice(&envelope);
        out.extend_from_slice(&FRAME_MAGIC);
        out.extend_from_slice(&header);
        out.push(header_sum(&header));
    }

    /// Appends a block of 1 to [`BLOCK_BYTES`] bytes. `before`: bytes right before it in the same
    /// frame of a stream, to which it may refer. O(both).
    pub fn block(&mut self, before: &[u8], bytes: &[u8], out: &mut Vec<u8>) {
        debug_assert!((1..=BLOCK_BYTES).contains(&bytes.len()));
        let is_telling = bytes.len() >= TELLING_BYTES;
        let tries = !is_telling || self.to_skip == 0;
        let packed = if tries {
            self.compress(before, bytes)
        } else {
            self.to_skip -= 1;
            bytes.len()
        };
        if is_telling && tries {
            self.skipped = if packed < bytes.len() - bytes.len() / GAIN_PART {
                0
            } else {
                (self.skipped * 2).clamp(1, SKIPPED_MAX)
            };
            self.to_skip = self.skipped;
        }
        let (length, stored) = if packed < bytes.len() {
            (packed as u32, &self.room[..packed])
        } else {
            (bytes.len() as u32 | STORED, bytes)
        };
        out.reserve(stored.len() + 8);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(stored);
        out.extend_from_slice(&sum(stored).to_le_bytes());
    }

    /// Compresses into `room`; returns the length, which is the length of `bytes` if they do not
    /// get shorter.
    fn compress(&mut self, before: &[u8], bytes: &[u8]) -> usize {
        let room = get_maximum_output_size(bytes.len());
        if self.room.len() < room {
            self.room.resize(room, 0);
        }
        let packed = if before.is_empty() {
            compress_into_with_table(bytes, &mut self.room, &mut self.table)
        } else {
            compress_into_with_dict(bytes, &mut self.room, before)
        };
        packed.map_or(bytes.len(), |packed| packed.min(bytes.len()))
    }

    /// Appends the end of a snapshot's frame.
    pub fn end(out: &mut Vec<u8>) {
        out.extend_from_slice(&0u32.to_le_bytes());
    }
}
