//! Count-min sketches.
//!
//!     width, depth, sum of additions, counters                                    encver 0

use super::{StoredSketch, piece, unknown_version, write_payload, write_piece};
use crate::aof::CommandWriter;
use crate::rdb::module::{read_number, read_string, write_number};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_sketches::{CountMin, Damage};
use std::ops::Range;

impl StoredSketch for CountMin {
    const VERSION: u64 = 0;

    fn load(input: &mut Input<'_>, version: u64) -> Result<CountMin, Fault> {
        if version != Self::VERSION {
            return Err(unknown_version());
        }
        let (width, depth) = (read_number(input)?, read_number(input)?);
        // It wraps around, also below zero.
        let count = read_number(input)? as i64;
        let mut counters = Vec::new();
        read_string(input, &mut counters)?;
        CountMin::from_parts(width, depth, count, counters.into()).map_err(damaged)
    }

    fn save(&self, to: &mut RdbWriter, at: u64) -> Option<u64> {
        if at == 0 {
            write_number(to, self.width());
            write_number(to, self.depth());
            write_number(to, self.count() as u64);
        }
        let lengths = || std::iter::once(self.counters().len());
        let (_, range) = piece(lengths(), at)?;
        write_piece(to, self.counters(), range);
        piece(lengths(), at + 1).map(|_| at + 1)
    }

    fn block_piece(&self, at: u64) -> Option<(&[u8], Range<usize>)> {
        let (_, range) = piece(std::iter::once(self.counters().len()), at)?;
        Some((self.counters(), range))
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64) -> Option<u64> {
        write_payload(self, to, key)
    }
}

fn damaged(_: Damage) -> Fault {
    Fault::damaged("a count-min sketch's numbers contradict each other")
}
