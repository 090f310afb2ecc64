//! Sketches, as values of Redis's module `bf`: an id, fields, and their end, in form MODULE_2.
//!
//! The writer writes large blocks in pieces, as they are; in payloads it packs sparse blocks. A
//! block of up to a megabyte is a string, which the writer may compress, as Redis does with all
//! blocks. The version of the file does not matter: a reader knows the module, or refuses the file
//! and names the type.
//!
//! As commands, filters are headers and chunks, because a payload of a filter may be longer than
//! any argument; other sketches are payloads:
//!
//!     BF.LOADCHUNK key 1 header | BF.LOADCHUNK key end chunk | RESTORE key 0 payload
//!     BF.LOAD key dump            a Bloom filter of Valkey's module

mod bloom;
mod count_min;
mod cuckoo;
mod t_digest;
mod top_k;

use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::CommandWriter;
use crate::rdb::format::kind;
use crate::rdb::module::{self, ModuleId, field, read_end, read_text, write_string};
use crate::rdb::{Fault, Input, RdbWriter, Rules, SEGMENT, VERSION_USUAL};
use russet_resp::write_request;
use russet_sketches::Block;
use russet_types::{AnyContainer, BoxedValue, Kind};
use std::ops::Range;

/// A sketch that files hold.
pub(crate) trait StoredSketch: Kind {
    /// The version of its fields that is written, as a rule.
    const VERSION: u64;
    /// The name of another module's form, if there is one.
    const OTHER_NAME: Option<&str> = None;

    /// The name of the form that this sketch has.
    fn form_name(&self) -> &'static str {
        Self::NAME
    }

    /// The version of this sketch's fields.
    fn version(&self) -> u64 {
        Self::VERSION
    }

    /// Reads its fields of a version; every number is checked before anything is made from it.
    fn load(input: &mut Input<'_>, version: u64) -> Result<Self, Fault>;

    /// As [`StoredSketch::load`], of the form [`StoredSketch::OTHER_NAME`].
    fn load_other(_input: &mut Input<'_>, _version: u64) -> Result<Self, Fault> {
        Err(unknown_version())
    }

    /// Writes fields from a position on, 0 at first; returns where the next fields begin. `None`:
    /// these were the last.
    fn save(&self, to: &mut RdbWriter, at: u64) -> Option<u64>;

    /// The block that [`StoredSketch::save`] writes from a position on, and the range of the piece.
    fn block_piece(&self, _at: u64) -> Option<(&[u8], Range<usize>)> {
        None
    }

    /// Writes commands that recreate it, from a position on; returns where the next ones begin.
    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64) -> Option<u64>;
}

impl<S: StoredSketch> SavedContainer for BoxedValue<S>
where
    BoxedValue<S>: Into<AnyContainer>,
{
    /// Values of modules are found by the name of their type.
    const FORMS: &[NamedForm] = &[];

    fn load(input: &mut Input<'_>, _kind: u8, _rules: &Rules) -> Result<BoxedValue<S>, Fault> {
        let id = module::read_id(input)?;
        if id.name == S::NAME || S::OTHER_NAME == Some(id.name.as_str()) {
            load_fields(input, &id)
        } else {
            Err(Fault::Module(id.name))
        }
    }

    fn form(&self, _version: u32) -> ValueForm {
        ValueForm::of(kind::MODULE_2)
    }

    fn save_head(&self, to: &mut RdbWriter, _form: ValueForm) {
        to.length(module::id(self.form_name(), self.version()));
    }

    fn save_part(&self, to: &mut RdbWriter, _: ValueForm, at: u64, _limit: usize) -> Option<u64> {
        let next = self.save(to, at);
        if next.is_none() {
            to.length(field::END);
        }
        next
    }

    fn block_piece(&self, at: u64) -> Option<(&[u8], Range<usize>)> {
        StoredSketch::block_piece(&**self, at)
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        let mut next = S::rewrite(self, to, key, at);
        // Without a bound the whole value is wanted.
        while most == usize::MAX
            && let Some(at) = next
        {
            next = S::rewrite(self, to, key, at);
        }
        next
    }
}

/// Reads a sketch after its id.
pub(crate) fn load_fields<S: StoredSketch>(
    input: &mut Input<'_>,
    id: &ModuleId,
) -> Result<BoxedValue<S>, Fault> {
    let sketch = if S::OTHER_NAME == Some(id.name.as_str()) {
        S::load_other(input, id.version)?
    } else {
        <S as StoredSketch>::load(input, id.version)?
    };
    read_end(input)?;
    Ok(BoxedValue::from(sketch))
}

/// A sketch has a version that is not known.
fn unknown_version() -> Fault {
    Fault::damaged("a sketch has an encoding that is not known")
}

// --- blocks in pieces ---

/// A block of up to so many bytes is a piece.
const WHOLE_MAX: usize = 1 << 20;
/// Bytes of the pieces of a larger one: whole segments, because pieces are packed by themselves.
const PIECE_BYTES: usize = 256 << 10;
const _: () = assert!(PIECE_BYTES.is_multiple_of(SEGMENT));

/// The block and its range of a piece, counted over all blocks, by their lengths.
fn piece(lengths: impl Iterator<Item = usize>, at: u64) -> Option<(usize, Range<usize>)> {
    let mut at = at;
    for (block, length) in lengths.enumerate() {
        let pieces = if length <= WHOLE_MAX {
            1
        } else {
            length.div_ceil(PIECE_BYTES) as u64
        };
        if pieces == 1 && at == 0 {
            return Some((block, 0..length));
        }
        if at < pieces {
            let start = at as usize * PIECE_BYTES;
            return Some((block, start..length.min(start + PIECE_BYTES)));
        }
        at -= pieces;
    }
    None
}

/// Reads a field that is a block.
fn read_block(input: &mut Input<'_>) -> Result<Block, Fault> {
    let text = read_text(input)?;
    Ok(Block::from(text.bytes(&mut itoa::Buffer::new())))
}

/// Writes a piece of a block as a field, or a part of a piece.
fn write_piece(to: &mut RdbWriter, block: &[u8], piece: Range<usize>) {
    if piece.len() == block.len() {
        write_string(to, block);
        return;
    }
    if piece.start == 0 {
        to.length(field::STRING);
        to.begin_block(block);
    }
    to.block_piece(&block[piece]);
}

/// Writes a sketch as the command `RESTORE key 0 payload`; there is nothing after it.
fn write_payload<S: StoredSketch>(sketch: &S, to: &mut CommandWriter, key: &[u8]) -> Option<u64> {
    let args: [&[u8]; 4] = [b"RESTORE", key, b"0", &payload(sketch)];
    write_request(&mut to.out, args.into_iter());
    None
}

/// A sketch as DUMP replies it.
pub(crate) fn payload<S: StoredSketch>(sketch: &S) -> Vec<u8> {
    let mut writer = RdbWriter::new(VERSION_USUAL, true);
    writer.pack_blocks();
    writer.raw(&[kind::MODULE_2]);
    writer.length(module::id(sketch.form_name(), sketch.version()));
    let mut at = Some(0);
    while let Some(here) = at {
        at = sketch.save(&mut writer, here);
    }
    writer.length(field::END);
    writer.payload()
}

/// Writes a filter's header, or the chunk at a position, as a command; returns the next position.
fn write_chunk<'c>(
    to: &mut CommandWriter,
    command: &[u8],
    key: &[u8],
    at: u64,
    header: impl FnOnce() -> Vec<u8>,
    chunk: impl Fn(i64) -> Option<(i64, &'c [u8])>,
) -> Option<u64> {
    let mut digits = itoa::Buffer::new();
    if at == 0 {
        let args: [&[u8]; 4] = [command, key, b"1", &header()];
        write_request(&mut to.out, args.into_iter());
        return chunk(1).map(|_| 1);
    }
    let (next, bytes) = chunk(at as i64)?;
    let args: [&[u8]; 4] = [command, key, digits.format(next).as_bytes(), bytes];
    write_request(&mut to.out, args.into_iter());
    chunk(next).map(|_| next as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_blocks_in_order() {
        let lengths = [5, WHOLE_MAX, WHOLE_MAX + 1, 1, 3 * PIECE_BYTES + WHOLE_MAX];
        let mut covered = [0; 5];
        let mut at = 0;
        while let Some((block, range)) = piece(lengths.into_iter(), at) {
            assert_eq!(covered[block], range.start);
            assert!(!range.is_empty() && covered[..block] == lengths[..block]);
            covered[block] = range.end;
            at += 1;
        }
        assert_eq!((covered, at), (lengths, 1 + 1 + 5 + 1 + 7));
    }
}
