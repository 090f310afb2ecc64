//! A node of a quicklist: a listpack, a compressed listpack, or a single huge element.
//!
//! Invariants
//!   1. `count` is the number of elements, so that none needs to be opened to find an index.
//!   2. A compressed node has at least 48 bytes raw and saves at least 8; it is read through a
//!      decompressed copy ([`NodeElements`]), and a change decompresses it in place.
//!   3. Room in front is closed before any change but those at the front.
//!
//! Memory: 16 bytes in the directory, and a block. Which nodes are compressed, how full they get,
//! and which may have room: `compress`, `fill` and the list itself.

use crate::blob::Blob;
use crate::listpack::{Entry, Listpack, Pack, RoomyListpack};
use crate::thin::ThinPointer;
use russet_base::lzf;
use russet_base::memory::mover::Mover;

/// Listpacks below this many bytes are not worth compressing.
const COMPRESS_BYTES_MIN: usize = 48;
/// Compression must save at least this many bytes.
const COMPRESS_GAIN_MIN: usize = 8;

#[derive(Clone, Debug)]
pub(super) enum ListNode {
    Pack {
        count: u32,
        pack: Listpack,
    },
    /// A first node with entries added or removed at the front.
    Roomy {
        count: u32,
        pack: RoomyListpack,
    },
    /// `blob` is the raw length as u32le, then LZF data.
    Lzf {
        count: u32,
        blob: Blob,
    },
    /// A single element, too large to share a listpack.
    Plain(Blob),
}

const _: () = assert!(size_of::<ListNode>() == 16);

/// A node's elements, decompressed if necessary.
pub(super) enum NodeElements<'a> {
    Pack(&'a Pack),
    Unpacked(Listpack),
    Plain(&'a [u8]),
}

impl ListNode {
    pub(super) fn pack(pack: Listpack) -> Self {
        ListNode::Pack {
            count: pack.len() as u32,
            pack,
        }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        match self {
            ListNode::Pack { count, .. }
            | ListNode::Roomy { count, .. }
            | ListNode::Lzf { count, .. } => *count as usize,
            ListNode::Plain(_) => 1,
        }
    }

    /// Bytes of the node's block, as the allocator counts them.
    #[inline]
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            ListNode::Pack { pack, .. } => pack.memory_bytes(),
            ListNode::Roomy { pack, .. } => pack.memory_bytes(),
            ListNode::Lzf { blob, .. } | ListNode::Plain(blob) => blob.memory_bytes(),
        }
    }

    /// Bytes of the listpack, compressed or not; `None` for a plain node.
    pub(super) fn pack_bytes(&self) -> Option<usize> {
        match self {
            ListNode::Pack { pack, .. } => Some(pack.as_bytes().len()),
            ListNode::Roomy { pack, .. } => Some(pack.as_bytes().len()),
            ListNode::Lzf { blob, .. } => Some(lzf_parts(blob).0),
            ListNode::Plain(_) => None,
        }
    }

    pub(super) fn open(&self) -> NodeElements<'_> {
        match self {
            ListNode::Pack { pack, .. } => NodeElements::Pack(pack),
            ListNode::Roomy { pack, .. } => NodeElements::Pack(pack),
            ListNode::Lzf { blob, .. } => NodeElements::Unpacked(decompress(blob)),
            ListNode::Plain(blob) => NodeElements::Plain(blob.as_bytes()),
        }
    }

    /// The node's listpack for changes, decompressed in place and without room; `None` for a plain
    /// node.
    #[inline]
    pub(super) fn pack_mut(&mut self) -> Option<(&mut u32, &mut Listpack)> {
        self.decompress();
        self.close();
        match self {
            ListNode::Pack { count, pack } => Some((count, pack)),
            _ => None,
        }
    }

    /// Offers the node's block.
    pub(super) fn relocate(&mut self, mover: &mut Mover) {
        match self {
            ListNode::Pack { pack, .. } => pack.relocate(mover),
            ListNode::Roomy { pack, .. } => pack.relocate(mover),
            ListNode::Plain(blob) | ListNode::Lzf { blob, .. } => blob.relocate(mover),
        }
    }

    /// Adds an entry at the front of a listpack, which gets room there: blocks of up to
    /// `bytes_max`, unless the entry needs more.
    pub(super) fn push_front(&mut self, entry: Entry<'_>, bytes_max: usize) {
        let (count, pack) = self.roomy_mut();
        pack.prepend(entry, bytes_max);
        *count += 1;
    }

    /// Removes the first entry of a listpack that has others, leaving room there.
    pub(super) fn pop_front(&mut self) {
        let (count, pack) = self.roomy_mut();
        pack.pop_front();
        *count -= 1;
    }

    /// The node's listpack, converted to have room in front; the node must not be plain.
    #[inline]
    fn roomy_mut(&mut self) -> (&mut u32, &mut RoomyListpack) {
        self.decompress();
        if let ListNode::Pack { count, pack } = self {
            *self = ListNode::Roomy {
                count: *count,
                pack: RoomyListpack::copy(pack, 0),
            };
        }
        match self {
            ListNode::Roomy { count, pack } => (count, pack),
            _ => unreachable!("a plain node takes no other element and has no second"),
        }
    }

    /// Removes the room in front.
    pub(super) fn close(&mut self) {
        if let ListNode::Roomy { count, pack } = self {
            *self = ListNode::Pack {
                count: *count,
                pack: pack.to_listpack(),
            };
        }
    }

    pub(super) fn compress(&mut self) {
        self.close();
        let ListNode::Pack { count, pack } = self else {
            return;
        };
        let raw = pack.as_bytes();
        if raw.len() < COMPRESS_BYTES_MIN {
            return;
        }
        let mut data = Vec::with_capacity(raw.len());
        let fits = lzf::compress(raw, raw.len(), &mut data);
        if !fits || data.len() + COMPRESS_GAIN_MIN >= raw.len() {
            return;
        }
        let blob = Blob::concat(&[&(raw.len() as u32).to_le_bytes(), &data]);
        *self = ListNode::Lzf {
            count: *count,
            blob,
        };
    }

    pub(super) fn decompress(&mut self) {
        if let ListNode::Lzf { count, blob } = self {
            *self = ListNode::Pack {
                count: *count,
                pack: decompress(blob),
            };
        }
    }
}

/// The raw length and the LZF data of a compressed node.
pub(super) fn lzf_parts(blob: &Blob) -> (usize, &[u8]) {
    let (raw_len, data) = blob.as_bytes().split_at(4);
    (
        u32::from_le_bytes(raw_len.try_into().expect("four bytes")) as usize,
        data,
    )
}

fn decompress(blob: &Blob) -> Listpack {
    let (raw_len, data) = lzf_parts(blob);
    let mut raw = Vec::new();
    lzf::decompress(data, raw_len, &mut raw).expect("compressed by this process");
    Listpack::from_bytes(&raw).expect("compressed from a listpack")
}

impl NodeElements<'_> {
    /// The listpack, or the only text.
    pub(super) fn pack(&self) -> Result<&Pack, &[u8]> {
        match self {
            NodeElements::Pack(pack) => Ok(pack),
            NodeElements::Unpacked(pack) => Ok(pack),
            NodeElements::Plain(text) => Err(text),
        }
    }

    /// Calls `see` with up to `count` entries from `index` on, in either direction, until it
    /// returns false; returns true unless stopped.
    pub(super) fn visit(
        &self,
        index: usize,
        count: usize,
        backward: bool,
        see: &mut impl FnMut(Entry<'_>) -> bool,
    ) -> bool {
        let pack = match self.pack() {
            Ok(pack) => pack,
            Err(text) => return count == 0 || see(Entry::Str(text)),
        };
        let Some(mut pos) = pack.seek(index) else {
            return true;
        };
        if backward {
            for left in (0..count).rev() {
                if !see(pack.get(pos)) {
                    return false;
                }
                match pack.prev(pos) {
                    Some(next) if left > 0 => pos = next,
                    _ => return true,
                }
            }
            return true;
        }
        pack.iter_from(pos).take(count).all(see)
    }
}
