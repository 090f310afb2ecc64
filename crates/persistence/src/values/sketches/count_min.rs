//! Count-min sketches.
//!
//!     width, depth, sum of changes, counters                                      encver 0
//!     width, depth, sum of changes, bytes of a counter, counters                  encver 1
//!
//! Encver 1 is that of Redis 8.12; a sketch with counters of four bytes is written as encver 0, so
//! that older servers can read it.

use super::{StoredSketch, piece, unknown_version, write_payload, write_piece};
use crate::aof::CommandWriter;
use crate::rdb::module::{read_number, read_string, write_number};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_sketches::count_min::CellSize;
use russet_sketches::{CountMin, Damage};
use std::ops::Range;

/// The version with the bytes of a counter.
const SIZED: u64 = 1;

impl StoredSketch for CountMin {
    const VERSION: u64 = 0;

    fn version(&self) -> u64 {
        u64::from(self.cell_size() != CellSize::default())
    }

    fn load(input: &mut Input<'_>, version: u64) -> Result<CountMin, Fault> {
        if version > SIZED {
            return Err(unknown_version());
        }
        let (width, depth) = (read_number(input)?, read_number(input)?);
        let count = read_number(input)?;
        // In older servers the sum wraps around, also below zero.
        if version == SIZED && i64::try_from(count).is_err() {
            return Err(damaged(Damage));
        }
        let cell = match version {
            SIZED => CellSize::of_bytes(read_number(input)?).ok_or_else(|| damaged(Damage))?,
            _ => CellSize::default(),
        };
        let mut counters = Vec::new();
        read_string(input, &mut counters)?;
        CountMin::from_parts(width, depth, count as i64, cell, counters.into()).map_err(damaged)
    }

    fn save(&self, to: &mut RdbWriter, at: u64) -> Option<u64> {
        if at == 0 {
            write_number(to, self.width());
            write_number(to, self.depth());
            write_number(to, self.count() as u64);
            if self.version() == SIZED {
                write_number(to, self.cell_size().bytes() as u64);
            }
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
