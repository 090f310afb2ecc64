//! The writer: encodes keys and values for an RDB file or a DUMP payload into one buffer. Here are
//! the file around the keys, strings and numbers; keys and their values are in `writer/keys.rs`.
//!
//! Packed encodings are written as their own bytes, tables element by element; a large container in
//! parts, so that a snapshot can interleave it with other work. Packed strings may be left to the
//! thread that writes the file ([`PackedChunk`]). The consumer takes the buffer
//! ([`RdbWriter::take`]); nothing else is allocated.
//!
//! The form of a value depends on the requested version, which is Redis's or Valkey's: a form that
//! older readers do not know is written element by element, and a key that the version cannot hold
//! at all is refused by name ([`TooNew`]).

mod deferred;
mod keys;
mod sliced;

pub use deferred::PackedChunk;
pub use sliced::{SlicedPayload, stamp_of_large};

use std::collections::VecDeque;

use crate::background::Sink;
use crate::values::ValueForm;
use russet_base::{lzf, memory::alloc};
use russet_encodings::listpack::{Entry as Packed, Pack};
use russet_keyspace::DbIndex;
use russet_search::file::Item;

use super::format::{RdbOrigin, kind, opcode};
use super::{module, sparse};

/// The version written unless fields expire.
pub const VERSION_USUAL: u32 = 11;
/// A version that Redis 7.0 can read: for payloads sent to another server.
pub const VERSION_MIGRATE: u32 = 10;
/// Redis's first version with expiring fields; payloads have at least this version.
pub const VERSION_FIELD_TTLS: u32 = 12;
/// Redis's first version with streams' producers.
pub(crate) const VERSION_PRODUCERS: u32 = 13;
/// Redis's first version with entries of streams that have no owner.
pub(crate) const VERSION_OWNERLESS: u32 = 14;
/// Redis's first version with arrays.
pub(crate) const VERSION_ARRAYS: u32 = 14;
/// Redis's first version with the marks of BLESS and with native bitmaps: 8.12 writes it, or a
/// newer one. It is written only if a key has such a mark or is such a bitmap.
pub const VERSION_BLESSED: u32 = 16;
/// Redis's first version with sets whose members expire, as far as known: 8.12's. It is written
/// only if a member expires.
pub const VERSION_MEMBER_TTLS: u32 = 17;
/// Redis's newest version that a value needs: it holds every value, but no expiries of
/// members, and bitmaps as strings.
pub const VERSION_NEWEST: u32 = VERSION_ARRAYS;
/// Valkey's own version, which has expiring fields in a form of its own.
pub(crate) const VERSION_VALKEY: u32 = 80;
/// Valkey's first version with path hashes.
pub(crate) const VERSION_VALKEY_PATHS: u32 = 81;
/// The first version with packed sets.
pub(crate) const VERSION_PACKED_SETS: u32 = 11;
/// The first version with listpacks.
pub(crate) const VERSION_LISTPACKS: u32 = 10;

/// Strings up to this length are not compressed.
const COMPRESS_MIN: usize = 20;

/// Whether a version is Valkey's own.
pub fn is_valkey(version: u32) -> bool {
    RdbOrigin::of_written(version) == RdbOrigin::Valkey
}

/// The recorded use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Neither is written.
    Nothing,
    /// Seconds since it was used.
    IdleSeconds(u64),
    /// The logarithmic counter of uses.
    Frequency(u8),
}

/// A key that the requested version cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key '{key}' has {lost}, which an RDB file of version {version} cannot hold")]
pub struct TooNew {
    pub key: String,
    /// The part of the value that the version cannot hold.
    pub lost: &'static str,
    pub version: u32,
}

/// Why a save fails that has met a damaged packed value; `DEBUG UNPACK ALL` names the keys.
pub(crate) const DAMAGED: &str = "the packed value of a key is damaged";

/// Bytes around a block, at most: what stands before it, after it, and the end of a payload.
const AROUND_BLOCK: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct RdbWriter {
    out: Vec<u8>,
    version: u32,
    /// `rdbcompression`.
    compress: bool,
    too_new: Option<TooNew>,
    /// The packed value of a key was damaged.
    is_damaged: bool,
    /// The packed values in `out`, if a thread unpacks them.
    deferred: Option<Box<deferred::DeferredBlocks>>,
    /// The form of the value under way.
    form: ValueForm,
    /// The key of the value under way, if its type writes it.
    name: SavedName,
    /// How blocks are that are written in pieces.
    blocks: Blocks,
    /// Full segments of the next blocks, if their reader has counted them.
    surveyed: VecDeque<usize>,
}

/// How a block is written that is too long for a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Blocks {
    /// Piece by piece, as they are.
    Whole,
    /// Packed if they are sparse.
    Packed,
    /// The same, and the block under way is packed.
    Packing,
}

/// A key whose value has its name.
#[derive(Debug, Default)]
pub(crate) struct SavedName {
    pub(crate) key: Vec<u8>,
    /// Whether links with other keys are saved.
    pub(crate) keeps_links: bool,
}

impl RdbWriter {
    /// A writer without bytes. `compress`: `rdbcompression`.
    pub fn new(version: u32, compress: bool) -> RdbWriter {
        RdbWriter {
            out: Vec::new(),
            version,
            compress,
            too_new: None,
            is_damaged: false,
            deferred: None,
            form: ValueForm::of(kind::STRING),
            name: SavedName::default(),
            blocks: Blocks::Whole,
            surveyed: VecDeque::new(),
        }
    }

    /// Packs sparse blocks, for a payload: a block is then read before its first byte is written.
    pub fn pack_blocks(&mut self) {
        if self.compress {
            self.blocks = Blocks::Packed;
        }
    }

    /// Begins a block that is written in pieces: as a code, if it is to be packed and is sparse.
    pub(crate) fn begin_block(&mut self, block: &[u8]) {
        let full = match (self.surveyed.pop_front(), self.blocks) {
            (Some(full), _) => full,
            (None, Blocks::Whole) => usize::MAX,
            (None, _) => {
                alloc::reads_whole(block);
                sparse::full_segments(block)
            }
        };
        if sparse::is_sparse(block.len(), full) {
            self.blocks = Blocks::Packing;
            self.compressed_head(block.len(), sparse::code_len(block.len(), full));
            return;
        }
        if self.blocks == Blocks::Packing {
            self.blocks = Blocks::Packed;
        }
        // A payload has all of the block; a file is taken piece by piece.
        if self.blocks == Blocks::Packed {
            alloc::reserve_whole(&mut self.out, block.len() + AROUND_BLOCK);
        }
        self.length(block.len() as u64);
    }

    /// Writes a piece of the block that was begun.
    pub(crate) fn block_piece(&mut self, piece: &[u8]) {
        match self.blocks {
            Blocks::Packing => sparse::pack(piece, &mut self.out),
            Blocks::Whole | Blocks::Packed => self.raw(piece),
        }
    }

    /// Names the key of the value that follows, for types that write it; `keeps_links`: links with
    /// other keys are saved, too.
    pub fn name_key(&mut self, key: &[u8], keeps_links: bool) {
        self.name = SavedName {
            key: key.to_vec(),
            keeps_links,
        };
    }

    /// The name, if it was given.
    pub(crate) fn take_name(&mut self) -> SavedName {
        std::mem::take(&mut self.name)
    }

    /// Memory of the bytes that are written and not taken.
    pub fn memory_bytes(&self) -> usize {
        alloc::vec_bytes(&self.out)
    }

    /// Bytes in the buffer.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes the bytes written so far; `fresh` is the next buffer.
    pub fn take(&mut self, fresh: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.out, fresh)
    }

    /// Why the file must not be used, if a key could not be written: the version cannot hold it, or
    /// its packed value is damaged.
    pub fn refusal(&self) -> Option<String> {
        let too_new = self.too_new.as_ref().map(TooNew::to_string);
        too_new.or_else(|| self.is_damaged.then(|| DAMAGED.to_owned()))
    }

    /// Whether a packed value was damaged: the bytes written lack it.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    // --- the file around the keys ---

    /// `REDIS` or `VALKEY` and the version: the first nine bytes.
    pub fn magic(&mut self) {
        let magic = if is_valkey(self.version) {
            format!("VALKEY{:03}", self.version)
        } else {
            format!("REDIS{:04}", self.version)
        };
        self.out.extend_from_slice(magic.as_bytes());
    }

    /// A fact about the file.
    pub fn aux(&mut self, name: &str, value: &[u8]) {
        self.out.push(opcode::AUX);
        self.string(name.as_bytes());
        self.string(value);
    }

    /// A library of functions.
    pub fn function(&mut self, code: &[u8]) {
        self.out.push(opcode::FUNCTION2);
        self.string(code);
    }

    /// Data of a module beside the keys, of a version of its form, `after` them or before.
    pub fn settings(&mut self, (name, version): (&str, u64), items: &[Item], after: bool) {
        self.out.push(opcode::MODULE_AUX);
        self.length(module::id(name, version));
        module::write_number(self, if after { 2 } else { 1 });
        for item in items {
            match item {
                Item::Number(n) => module::write_number(self, *n),
                Item::Double(n) => module::write_double(self, *n),
                Item::Text(text) => module::write_string(self, text),
            }
        }
        self.length(module::field::END);
    }

    /// An import of slots under way: Valkey's replicas receive it before its keys. Only in files of
    /// Valkey's versions.
    pub fn slot_import(&mut self, name: &[u8], ranges: &[(u16, u16)]) {
        assert!(is_valkey(self.version), "only Valkey reads it");
        self.out.push(opcode::VALKEY_SLOT_IMPORT);
        self.string(name);
        self.length(ranges.len() as u64);
        for &(first, last) in ranges {
            self.length(u64::from(first));
            self.length(u64::from(last));
        }
    }

    /// Begins the keys of another database; the number of keys, and of volatile keys, is written
    /// once.
    pub fn select(&mut self, db: DbIndex, sizes: Option<(usize, usize)>) {
        self.out.push(opcode::SELECTDB);
        self.length(u64::from(db.0));
        if let Some((keys, volatile)) = sizes {
            self.out.push(opcode::RESIZEDB);
            self.length(keys as u64);
            self.length(volatile as u64);
        }
    }

    /// Ends the keys; a checksum of eight bytes follows.
    pub fn end(&mut self) {
        self.out.push(opcode::EOF);
    }

    /// Writes a huge string on its own, on any thread. It is not copied unless it is compressed.
    pub fn text(text: &[u8], compress: bool, sink: &mut Sink<'_>) -> std::io::Result<()> {
        let mut writer = RdbWriter::new(VERSION_USUAL, compress);
        if compress && writer.try_compressed(text) {
            return sink(&writer.out);
        }
        writer.length(text.len() as u64);
        sink(&writer.out)?;
        sink(text)
    }

    /// Writes bytes unchanged.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    // --- strings and numbers ---

    /// A packed value as a string.
    #[inline]
    pub(crate) fn pack(&mut self, pack: &Pack) {
        self.string(pack.as_bytes());
    }

    /// An element as a string, in the shortest encoding.
    #[inline]
    pub(crate) fn element(&mut self, element: Packed<'_>) {
        match element {
            Packed::Int(n) => self.integer(n),
            Packed::Str(text) => self.string(text),
        }
    }

    /// Milliseconds as eight bytes, least significant first.
    #[inline]
    pub(crate) fn time(&mut self, ms: u64) {
        self.out.extend_from_slice(&ms.to_le_bytes());
    }

    /// `00` six bits, `01` fourteen, `10000000` four bytes, `10000001` eight; most
    /// significant first.
    #[inline]
    pub fn length(&mut self, n: u64) {
        match n {
            0..0x40 => self.out.push(n as u8),
            0x40..0x4000 => self
                .out
                .extend_from_slice(&(0x4000 | n as u16).to_be_bytes()),
            0x4000..=0xffff_ffff => {
                self.out.push(0x80);
                self.out.extend_from_slice(&(n as u32).to_be_bytes());
            }
            _ => {
                self.out.push(0x81);
                self.out.extend_from_slice(&n.to_be_bytes());
            }
        }
    }

    /// A string: as an integer if it is an integer of up to 32 bits, compressed if that is shorter,
    /// else unchanged.
    #[inline]
    pub fn string(&mut self, text: &[u8]) {
        if text.len() <= 11
            && let Some(n) = russet_base::numbers::number::parse_i64(text)
            && i32::try_from(n).is_ok()
        {
            return self.integer(n);
        }
        if self.compress && text.len() > COMPRESS_MIN && self.try_compressed(text) {
            return;
        }
        self.length(text.len() as u64);
        self.out.extend_from_slice(text);
    }

    #[inline]
    fn integer(&mut self, n: i64) {
        if let Ok(n) = i8::try_from(n) {
            self.out.extend_from_slice(&[0xc0, n as u8]);
        } else if let Ok(n) = i16::try_from(n) {
            let [a, b] = n.to_le_bytes();
            self.out.extend_from_slice(&[0xc1, a, b]);
        } else if let Ok(n) = i32::try_from(n) {
            let [a, b, c, d] = n.to_le_bytes();
            self.out.extend_from_slice(&[0xc2, a, b, c, d]);
        } else {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(n).as_bytes();
            self.length(digits.len() as u64);
            self.out.extend_from_slice(digits);
        }
    }

    /// `false`: compression does not save at least four bytes.
    fn try_compressed(&mut self, text: &[u8]) -> bool {
        // The lengths in front are known only afterwards: room is reserved for the widest.
        const ROOM: usize = 1 + 9 + 9;
        let start = self.out.len();
        self.out.resize(start + ROOM, 0);
        let fits = lzf::compress(text, text.len() - 4, &mut self.out);
        if !fits {
            self.out.truncate(start);
            return false;
        }
        let data = start + ROOM;
        let packed_len = self.out.len() - data;
        let end = self.out.len();
        self.out.push(0xc3);
        self.length(packed_len as u64);
        self.length(text.len() as u64);
        let head = self.out.len() - end;
        self.out.copy_within(end..end + head, start);
        self.out.copy_within(data..end, start + head);
        self.out.truncate(start + head + packed_len);
        true
    }

    /// A string that is compressed already.
    pub fn compressed(&mut self, raw_len: usize, data: &[u8]) {
        self.compressed_head(raw_len, data.len());
        self.out.extend_from_slice(data);
    }

    /// Writes the header of a compressed string.
    fn compressed_head(&mut self, raw_len: usize, code_len: usize) {
        self.out.push(0xc3);
        self.length(code_len as u64);
        self.length(raw_len as u64);
    }
}
