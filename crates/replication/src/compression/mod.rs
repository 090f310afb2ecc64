//! Compressed links: the bytes of a snapshot, or of the stream, as an envelope and one frame of
//! LZ4.
//!
//!     "VCS" | version 1 | codec 1 (LZ4) | 0 | kind: 1 snapshot, 2 stream | frame
//!     frame:  04 22 4d 18 | flags | block size | [content size] | sum | block ... | end | [sum]
//!     block:  length, its top bit: stored as it is | bytes | [sum]          end: a length of 0
//!
//! The format is Valkey 9.2's. The kind is what the receiver expects there, so that a snapshot is
//! not taken for the stream. A stream's frame has no end. Each block can refer to the 64 KiB before
//! it.
//!
//! [`Packer`] and [`Unpacker`] are state machines without I/O: bytes in, bytes out. Offsets, the
//! backlog and acknowledgements count the bytes before compression.
//!
//! The receiver trusts nothing: a block is decompressed when all of it is there and its checksum is
//! right, it yields at most the size that the frame has announced, and that is at most 4 MiB.
//! Memory grows with the bytes received, not with a length that was announced.

mod pack;
mod unpack;

pub use pack::{BLOCK_BYTES, Packer};
pub use unpack::{Damage, Unpacker};

use xxhash_rust::xxh32::xxh32;

/// The envelope and its values.
const MAGIC: &[u8; 3] = b"VCS";
const ENVELOPE_BYTES: usize = 7;
const VERSION: u8 = 1;
const LZ4: u8 = 1;

/// The frame of LZ4.
const FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Bits of the flags. The two highest bits are the version, 01.
const FLAGS_VERSION: u8 = 0x40;
const FLAG_INDEPENDENT: u8 = 0x20;
const FLAG_BLOCK_SUM: u8 = 0x10;
const FLAG_CONTENT_SIZE: u8 = 0x08;
const FLAG_CONTENT_SUM: u8 = 0x04;
/// The bit of a block's length for bytes that are stored as they are.
const STORED: u32 = 1 << 31;
/// How far back a block can refer.
const WINDOW_BYTES: usize = 64 * 1024;

/// The content that is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The RDB file of a full synchronization.
    Snapshot,
    /// The replication stream, which has no end.
    Stream,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Snapshot => 1,
            Kind::Stream => 2,
        }
    }
}

fn sum(bytes: &[u8]) -> u32 {
    xxh32(bytes, 0)
}

/// The checksum of a frame's header, from its flags on.
fn header_sum(header: &[u8]) -> u8 {
    (sum(header) >> 8) as u8
}

#[cfg(test)]
mod tests;
