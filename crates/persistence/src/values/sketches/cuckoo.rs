//! Cuckoo filters.
//!
//!     parts, buckets, items, deletes, bucket size, moves, expansion, (part)       encver 4
//!     part = buckets, bytes
//!
//! Before encver 4 all parts have the same size, and the other numbers could not be chosen:
//!
//!     parts, buckets, items, (bytes)                                              encver 0 to 3

use super::{StoredSketch, piece, read_block, unknown_version, write_chunk, write_piece};
use crate::aof::CommandWriter;
use crate::rdb::module::{read_number, write_number};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_sketches::cuckoo::{Loader, Shape};
use russet_sketches::{Cuckoo, Damage};
use std::ops::Range;

/// The numbers that filters before encver 4 have: deletes, bucket size, moves, expansion.
const OLD_NUMBERS: [u64; 4] = [0, 2, 20, 1];
/// Bytes of a chunk among commands.
const CHUNK_BYTES: usize = 1 << 20;

impl StoredSketch for Cuckoo {
    const VERSION: u64 = 4;

    fn load(input: &mut Input<'_>, version: u64) -> Result<Cuckoo, Fault> {
        if version > Self::VERSION {
            return Err(unknown_version());
        }
        let is_old = version < Self::VERSION;
        let [parts, buckets, items] = read_numbers(input)?;
        let [deletes, bucket_size, moves_max, expansion] = if is_old {
            OLD_NUMBERS
        } else {
            read_numbers(input)?
        };
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
            if !is_old && read_number(input)? != loader.next_size().0 {
                return Err(damaged(Damage));
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

    fn block_piece(&self, at: u64) -> Option<(&[u8], Range<usize>)> {
        let (part, range) = piece(self.parts().map(<[u8]>::len), at)?;
        Some((self.parts().nth(part)?, range))
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

fn damaged(_: Damage) -> Fault {
    Fault::damaged("a cuckoo filter's numbers contradict each other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::VERSION_USUAL;
    use crate::rdb::module::write_string;

    /// The fields of a filter as versions before 4 wrote them.
    fn old_fields(filter: &Cuckoo) -> Vec<u8> {
        let (mut to, shape) = (RdbWriter::new(VERSION_USUAL, false), filter.shape());
        let numbers = [shape.parts, shape.buckets, shape.items];
        numbers.into_iter().for_each(|n| write_number(&mut to, n));
        filter.parts().for_each(|part| write_string(&mut to, part));
        to.take(Vec::new())
    }

    #[test]
    fn filters_of_old_versions_are_read() {
        let mut filter = Cuckoo::new(8, 2, 20, 1).expect("a filter");
        for item in 0..40u32 {
            filter.add(&item.to_le_bytes()).expect("room");
        }
        assert!(filter.parts().len() > 1);
        let bytes = old_fields(&filter);
        for version in [0, 3] {
            let mut input = Input::of_bytes(&bytes);
            let read = <Cuckoo as StoredSketch>::load(&mut input, version).expect("a filter");
            assert_eq!((read.shape(), input.left()), (filter.shape(), 0));
            assert!((0..40u32).all(|item| read.contains(&item.to_le_bytes())));
        }
        for end in 0..bytes.len() {
            assert!(
                <Cuckoo as StoredSketch>::load(&mut Input::of_bytes(&bytes[..end]), 3).is_err()
            );
        }
    }
}
