//! The stream as it leaves compressed: the blocks that are made of it, and each link's state.
//!
//!     backlog   ... | known | block |     a block: at most 64 KiB of the stream, compressed
//!     link A   begins ^            ^      with knowledge of the bytes before it on the link
//!     link B   begins ^            ^      the same block, made once
//!
//! A block depends only on the bytes it is made of, and on the earlier bytes that the link knows.
//! Links at one position are therefore sent the same blocks, in any order of service.
//!
//! Positions count bytes of the plain stream. A link's
//! ([`Replica::sent`](super::replicas::Replica::sent)) is before the block that is being written to
//! its socket.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use russet_replication::compression::{BLOCK_BYTES, Kind, Packer};
use russet_replication::{Backlog, Position, ReplOffset};

/// Bytes before a block that the block can refer to. Each of these bytes is hashed once for each
/// block, so the figure is less than the format permits.
const KNOWN_BYTES: usize = 16 * 1024;
/// Blocks that are kept for other links.
const KEPT_BLOCKS: usize = 8;

/// A link whose stream is compressed.
#[derive(Debug)]
pub struct CompressedLink {
    /// The position from which on the backlog has the bytes that were sent on this link.
    begin: ReplOffset,
    has_begun: bool,
    /// The rest of the last block that the socket has not taken, and the block's length in bytes of
    /// the stream.
    unsent: Bytes,
    block: usize,
    /// Bytes of the stream in the blocks that were sent whole, and bytes that were sent.
    pub uncompressed_bytes: u64,
    pub compressed_bytes: u64,
}

impl CompressedLink {
    /// A link whose stream begins at a position.
    pub fn new(begin: ReplOffset) -> CompressedLink {
        CompressedLink {
            begin,
            has_begun: false,
            unsent: Bytes::new(),
            block: 0,
            uncompressed_bytes: 0,
            compressed_bytes: 0,
        }
    }

    /// From `sent` on the backlog serves the link. Bytes that came from the log do not count as
    /// known, because they may differ: the log has newlines in place of bytes that are not for
    /// replicas.
    pub fn leaves_log(&mut self, sent: ReplOffset) {
        self.begin = sent;
    }

    /// The bytes to write to the socket; empty: another block is needed.
    pub fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// The next block, of `block` bytes of the stream.
    pub fn put(&mut self, packed: Bytes, block: usize) {
        self.block = block;
        self.unsent = if std::mem::replace(&mut self.has_begun, true) {
            packed
        } else {
            let mut first = Vec::new();
            Packer::begin(Kind::Stream, &mut first);
            first.extend_from_slice(&packed);
            first.into()
        };
    }

    /// The socket has taken this many bytes.
    pub fn advance(&mut self, n: usize) {
        self.unsent.advance(n);
        self.compressed_bytes += n as u64;
        if self.unsent.is_empty() {
            self.unsent = Bytes::new();
            self.uncompressed_bytes += std::mem::take(&mut self.block) as u64;
        }
    }
}

/// The sources of a block: its place in a history, its length, and how many bytes before it are
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BlockKey {
    at: Position,
    len: usize,
    known: usize,
}

/// See the module. Without a link that is compressed it holds nothing.
#[derive(Debug, Default)]
pub struct Packs {
    packer: Option<Box<Packer>>,
    /// The bytes of a block, with the known bytes before it.
    bytes: Vec<u8>,
    kept: VecDeque<(BlockKey, Bytes)>,
}

impl Packs {
    /// The next block for a link at a position, of bytes before `end`; and its length in bytes of
    /// the stream. `is_shared`: other links may be sent the same block.
    pub fn block(
        &mut self,
        backlog: &Backlog,
        packing: &CompressedLink,
        place: Position,
        end: ReplOffset,
        is_shared: bool,
    ) -> (Bytes, usize) {
        let at = place.offset;
        let ahead = (end - at).min(BLOCK_BYTES as u64) as usize;
        let from = packing.begin.max(backlog.first());
        let known = at.saturating_sub(from).min(KNOWN_BYTES as u64) as usize;
        let made = BlockKey {
            at: place,
            len: ahead,
            known,
        };
        if is_shared && let Some((_, block)) = self.kept.iter().find(|(kept, _)| *kept == made) {
            return (block.clone(), ahead);
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        for block in backlog.read(at - known as u64) {
            let wanted = known + ahead - bytes.len();
            bytes.extend_from_slice(&block[..block.len().min(wanted)]);
            if bytes.len() == known + ahead {
                break;
            }
        }
        let (before, bytes_of_block) = bytes.split_at(known);
        let block = self.pack(before, bytes_of_block);
        self.bytes = bytes;
        if is_shared {
            self.kept.truncate(KEPT_BLOCKS - 1);
            self.kept.push_front((made, block.clone()));
        } else {
            self.kept.clear()
        }
        (block, ahead)
    }

    /// A block of bytes that are not in the backlog.
    pub fn pack(&mut self, before: &[u8], bytes: &[u8]) -> Bytes {
        let mut block = Vec::new();
        let packer = self.packer.get_or_insert_default();
        packer.block(before, bytes, &mut block);
        block.into()
    }

    /// No link is compressed any more.
    pub(crate) fn free(&mut self) {
        *self = Packs::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_replication::ReplId;
    use russet_replication::compression::Unpacker;

    fn place(offset: ReplOffset) -> Position {
        let id = ReplId::NONE;
        Position { id, offset }
    }

    /// Sends everything up to the end to a link, in writes of `step` bytes.
    fn send(
        packs: &mut Packs,
        backlog: &Backlog,
        link: &mut (CompressedLink, ReplOffset, Unpacker),
        step: usize,
        is_shared: bool,
    ) -> Vec<u8> {
        let (packing, sent, unpacker) = link;
        let mut got = Vec::new();
        while *sent < backlog.end() || !packing.unsent().is_empty() {
            if packing.unsent().is_empty() {
                let (block, len) =
                    packs.block(backlog, packing, place(*sent), backlog.end(), is_shared);
                packing.put(block, len);
                *sent += len as u64;
            }
            let n = packing.unsent().len().min(step);
            unpacker.push(&packing.unsent()[..n]);
            unpacker.pull_all(&mut got).expect("sound");
            packing.advance(n);
        }
        got
    }

    fn text(from: usize, len: usize) -> Vec<u8> {
        let line = |i: usize| format!("*3\r\n$3\r\nSET\r\n$4\r\nk{:03}\r\n$1\r\nv\r\n", i % 997);
        (from..)
            .flat_map(|i| line(i).into_bytes())
            .take(len)
            .collect()
    }

    #[test]
    fn links_share_blocks_and_each_gets_the_stream_from_its_begin_on() {
        let link = |at| (CompressedLink::new(at), at, Unpacker::new(Kind::Stream));
        let (mut backlog, mut packs) = (Backlog::new(1 << 20, 50), Packs::default());
        let mut first = link(50);
        backlog.push(&text(0, 100_000));
        assert!(send(&mut packs, &backlog, &mut first, 777, true) == text(0, 100_000));
        // The link does not know the bytes before.
        let mut second = link(backlog.end());
        for round in 1..40 {
            let more = text(round * 31, round * 517);
            backlog.push(&more);
            for link in [&mut first, &mut second] {
                let got = send(&mut packs, &backlog, link, 10_000, true);
                assert!(got == more, "{round}");
            }
        }
        // Once both know enough, a block is made for both.
        let kept = packs.kept.iter();
        let begins: Vec<ReplOffset> = kept.map(|(made, _)| made.at.offset).collect();
        assert_eq!(begins.len(), KEPT_BLOCKS);
        assert!(begins.windows(2).all(|two| two[0] > two[1]), "{begins:?}");
        assert_eq!(first.0.uncompressed_bytes, backlog.end() - 50);
        assert!(first.0.compressed_bytes * 3 < first.0.uncompressed_bytes);
        // Bytes that came from a log may differ from the backlog's.
        let at = backlog.end();
        first.0.leaves_log(at);
        backlog.push(&text(0, 300));
        let place = place(at);
        let (block, len) = packs.block(&backlog, &first.0, place, backlog.end(), true);
        assert_eq!(packs.kept[0].0.known, 0);
        first.0.put(block, len);
        first.1 += len as u64;
        first.2.push(first.0.unsent());
        first.0.advance(first.0.unsent().len());
        let mut got = Vec::new();
        first.2.pull_all(&mut got).expect("sound");
        assert!(got == text(0, 300));
        // Alone, nothing is kept.
        backlog.push(b"*1\r\n$4\r\nPING\r\n");
        send(&mut packs, &backlog, &mut first, 10, false);
        assert!(packs.kept.is_empty());
        packs.free();
        assert!(packs.packer.is_none() && packs.bytes.capacity() == 0);
    }

    #[test]
    fn what_was_sent_counts_when_a_block_is_through() {
        let (mut backlog, mut packs) = (Backlog::new(1 << 20, 0), Packs::default());
        backlog.push(&text(0, 5000));
        let mut packing = CompressedLink::new(0);
        let (block, len) = packs.block(&backlog, &packing, place(0), 3000, false);
        assert_eq!(len, 3000);
        packing.put(block, len);
        let all = packing.unsent().len();
        packing.advance(all - 1);
        assert_eq!((packing.uncompressed_bytes, packing.unsent().len()), (0, 1));
        packing.advance(1);
        assert_eq!(
            (packing.uncompressed_bytes, packing.unsent().len()),
            (3000, 0)
        );
        assert_eq!(packing.compressed_bytes, all as u64);
    }
}
