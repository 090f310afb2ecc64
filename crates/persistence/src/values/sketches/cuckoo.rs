//! Cuckoo filters.
//!
//!     parts, buckets, items, deletes, bucket size, moves, expansion, (part)       encver 4
//!     part = buckets, bytes

use super::{Stored, piece, read_block, unknown_version, write_chunk, write_piece};
use crate::aof::CommandWriter;
use crate::rdb::module::{read_number, write_number};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_sketches::cuckoo::{Loader, Shape};
use russet_sketches::{Cuckoo, Damaged};

/// Bytes of a chunk among commands.
const CHUNK_BYTES: usize = 1 << 20;

impl Stored for Cuckoo {
    const VERSION: u64 = 4;

    fn load(input: &mut Input<'_>, version: u64) -> Result<Cuckoo, Fault> {
        if version != Self::VERSION {
            return Err(unknown_version());
        }
        let [
            parts,
            buckets,
            items,
            deletes,
            bucket_size,
            moves_max,
            expansion,
        ] = read_numbers(input)?;
        let shape = Shape {
            items,
            deletes,
            buckets,
            parts,
            bucket_size,
            moves_max,
            expansion,
        };
        let mut loader = Loader::new(shape).map_err(damaged)?;
        while loader.left() > 0 {
            let [buckets] = read_numbers(input)?;
            if buckets != loader.next_size().0 {
                return Err(damaged(Damaged));
            }
            loader.part(read_block(input)?).map_err(damaged)?;
        }
        loader.finish().map_err(damaged)
    }

    fn save(&self, to: &mut RdbWriter, at: u64) -> Option<u64> {
        if at == 0 {
            let shape = self.shape();
            let numbers = [
                shape.parts,
                shape.buckets,
                shape.items,
                shape.deletes,
                shape.bucket_size,
                shape.moves_max,
                shape.expansion,
            ];
            numbers.into_iter().for_each(|n| write_number(to, n));
        }
        let lengths = || self.parts().map(<[u8]>::len);
        let (part, range) = piece(lengths(), at)?;
        let bytes = self.parts().nth(part).expect("found above");
        if range.start == 0 {
            write_number(to, bytes.len() as u64 / u64::from(self.bucket_size()));
        }
        write_piece(to, bytes, range);
        piece(lengths(), at + 1).map(|_| at + 1)
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64) -> Option<u64> {
        let chunk = |at| self.chunk_within(at, CHUNK_BYTES);
        write_chunk(to, b"CF.LOADCHUNK", key, at, || self.header(), chunk)
    }
}

fn read_numbers<const N: usize>(input: &mut Input<'_>) -> Result<[u64; N], Fault> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = read_number(input)?;
    }
    Ok(numbers)
}

fn damaged(_: Damaged) -> Fault {
    Fault::damaged("a cuckoo filter's numbers contradict each other")
}
