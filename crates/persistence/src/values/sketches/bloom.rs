//! Bloom filters.
//!
//!     items, links, options, growth, (link)                                       encver 4
//!     link = entries, error, hashes, bits per entry, bits, log2, bytes, items in it
//!
//! Encver 2 and 3 have no growth, which is 2.

use super::{Stored, piece, read_block, unknown_version, write_chunk, write_piece};
use crate::aof::CommandWriter;
use crate::rdb::module::{read_double, read_number, write_double, write_number};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_sketches::bloom::{LinkShape, Loader};
use russet_sketches::{Block, Bloom, Damaged};

/// The first version with options, and the first with growth.
const OPTIONS: u64 = 2;
const GROWTH: u64 = 4;
/// The growth of filters without one.
const GROWTH_USUAL: u64 = 2;
/// Bytes of a chunk among commands.
const CHUNK_BYTES: usize = 1 << 20;

impl Stored for Bloom {
    const VERSION: u64 = GROWTH;

    fn load(input: &mut Input<'_>, version: u64) -> Result<Bloom, Fault> {
        if !(OPTIONS..=GROWTH).contains(&version) {
            return Err(unknown_version());
        }
        let items = read_number(input)?;
        let links = read_number(input)?;
        let options = read_number(input)?;
        let growth = if version >= GROWTH {
            read_number(input)?
        } else {
            GROWTH_USUAL
        };
        let mut loader = Loader::new(items, links, options, growth).map_err(damaged)?;
        while loader.left() > 0 {
            let (shape, bits) = load_link(input)?;
            loader.link(shape, bits).map_err(damaged)?;
        }
        loader.finish().map_err(damaged)
    }

    fn save(&self, to: &mut RdbWriter, at: u64) -> Option<u64> {
        if at == 0 {
            write_number(to, self.items());
            write_number(to, self.links().len() as u64);
            write_number(to, self.options().into());
            write_number(to, self.stored_growth().into());
        }
        let lengths = || self.links().map(|(_, bits)| bits.len());
        let (link, range) = piece(lengths(), at)?;
        let (shape, bits) = self.links().nth(link).expect("found above");
        if range.start == 0 {
            write_number(to, shape.entries);
            write_double(to, shape.error);
            write_number(to, shape.hashes.into());
            write_double(to, shape.bits_per_entry);
            write_number(to, shape.bits);
            write_number(to, shape.log2.into());
        }
        write_piece(to, bits, range.clone());
        if range.end == bits.len() {
            write_number(to, shape.items);
        }
        piece(lengths(), at + 1).map(|_| at + 1)
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64) -> Option<u64> {
        let chunk = |at| self.chunk_within(at, CHUNK_BYTES);
        write_chunk(to, b"BF.LOADCHUNK", key, at, || self.header(), chunk)
    }
}

fn load_link(input: &mut Input<'_>) -> Result<(LinkShape, Block), Fault> {
    let entries = read_number(input)?;
    let error = read_double(input)?;
    let hashes = u32::try_from(read_number(input)?).map_err(|_| damaged(Damaged))?;
    let bits_per_entry = read_double(input)?;
    let bits = read_number(input)?;
    let log2 = u8::try_from(read_number(input)?).map_err(|_| damaged(Damaged))?;
    let block = read_block(input)?;
    let shape = LinkShape {
        entries,
        error,
        bits_per_entry,
        hashes,
        bits,
        log2,
        items: read_number(input)?,
    };
    Ok((shape, block))
}

fn damaged(_: Damaged) -> Fault {
    Fault::damaged("a Bloom filter's numbers contradict each other")
}
