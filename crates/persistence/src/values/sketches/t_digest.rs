//! T-digests.
//!
//!     compression, min, max, capacity, merged, unmerged, compressions,
//!     merged weight, unmerged weight, means, weights                              encver 0
//!
//! Unmerged nodes are not in it: what is written is a compressed copy.

use super::{StoredSketch, unknown_version, write_payload};
use crate::aof::CommandWriter;
use crate::rdb::module::{read_double, read_number, write_double, write_number};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_sketches::t_digest::Parts;
use russet_sketches::{Damage, TDigest};

impl StoredSketch for TDigest {
    const VERSION: u64 = 0;

    fn load(input: &mut Input<'_>, version: u64) -> Result<TDigest, Fault> {
        if version != Self::VERSION {
            return Err(unknown_version());
        }
        let (compression, min, max) = (
            read_double(input)?,
            read_double(input)?,
            read_double(input)?,
        );
        let capacity = read_number(input)?;
        let merged = read_number(input)?;
        let unmerged = read_number(input)?;
        let compressions = read_number(input)?;
        let (weight, unmerged_weight) = (read_double(input)?, read_double(input)?);
        let nodes_max = Parts::nodes_max(compression, capacity).map_err(damaged)?;
        if merged > nodes_max {
            return Err(damaged(Damage));
        }
        let parts = Parts {
            compression,
            min,
            max,
            capacity,
            compressions,
            weight,
            unmerged,
            unmerged_weight,
            means: read_doubles(input, merged)?,
            weights: read_doubles(input, merged)?,
        };
        parts.into_digest().map_err(damaged)
    }

    fn save(&self, to: &mut RdbWriter, _at: u64) -> Option<u64> {
        let parts = self.parts();
        for number in [parts.compression, parts.min, parts.max] {
            write_double(to, number);
        }
        write_number(to, parts.capacity);
        write_number(to, parts.means.len() as u64);
        write_number(to, parts.unmerged);
        write_number(to, parts.compressions);
        for number in [parts.weight, parts.unmerged_weight] {
            write_double(to, number);
        }
        let nodes = parts.means.iter().chain(&parts.weights);
        nodes.for_each(|number| write_double(to, *number));
        None
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64) -> Option<u64> {
        write_payload(self, to, key)
    }
}

/// The list grows as its numbers are read, whatever their count is said to be.
fn read_doubles(input: &mut Input<'_>, n: u64) -> Result<Vec<f64>, Fault> {
    (0..n).map(|_| read_double(input)).collect()
}

fn damaged(_: Damage) -> Fault {
    Fault::damaged("a t-digest's numbers contradict each other")
}
