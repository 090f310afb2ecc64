//! Top-k lists.
//!
//!     k, width, depth, decay, cells, places, (item NUL)                           encver 0

use super::{StoredSketch, piece, unknown_version, write_payload, write_piece};
use crate::aof::CommandWriter;
use crate::rdb::module::{
    read_double, read_number, read_string, write_double, write_number, write_string,
};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_sketches::top_k::Loader;
use russet_sketches::{Damage, TopK};
use std::ops::Range;

impl StoredSketch for TopK {
    const VERSION: u64 = 0;

    fn load(input: &mut Input<'_>, version: u64) -> Result<TopK, Fault> {
        if version != Self::VERSION {
            return Err(unknown_version());
        }
        let numbers = [
            read_number(input)?,
            read_number(input)?,
            read_number(input)?,
        ];
        let decay = read_double(input)?;
        let (mut cells, mut places) = (Vec::new(), Vec::new());
        read_string(input, &mut cells)?;
        read_string(input, &mut places)?;
        let mut loader = Loader::new(numbers, decay, cells.into(), places).map_err(damaged)?;
        let mut item = Vec::new();
        while loader.left() > 0 {
            item.clear();
            read_string(input, &mut item)?;
            loader.item(&item).map_err(damaged)?;
        }
        loader.finish().map_err(damaged)
    }

    fn save(&self, to: &mut RdbWriter, at: u64) -> Option<u64> {
        if at == 0 {
            let shape = self.shape();
            for number in [shape.k, shape.width, shape.depth] {
                write_number(to, number.into());
            }
            write_double(to, shape.decay);
        }
        let lengths = || std::iter::once(self.cells().len());
        let (_, range) = piece(lengths(), at)?;
        write_piece(to, self.cells(), range);
        if piece(lengths(), at + 1).is_some() {
            return Some(at + 1);
        }
        write_string(to, &self.places());
        let mut text = Vec::new();
        for item in self.items() {
            text.clear();
            text.extend_from_slice(item.unwrap_or_default());
            text.push(0);
            write_string(to, &text);
        }
        None
    }

    fn block_piece(&self, at: u64) -> Option<(&[u8], Range<usize>)> {
        let (_, range) = piece(std::iter::once(self.cells().len()), at)?;
        Some((self.cells(), range))
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64) -> Option<u64> {
        write_payload(self, to, key)
    }
}

fn damaged(_: Damage) -> Fault {
    Fault::damaged("a top-k list's numbers contradict each other")
}
