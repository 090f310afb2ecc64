//! The figures of ARINFO.

use super::Array;
use super::slices::Slices;

/// Slices of a block of Redis's directory. A directory of more slices than a block has is a list of
/// blocks.
const BLOCK: u64 = 2048;
/// The shortest list of blocks.
const BLOCKS_MIN: u64 = 4;

/// The structure of an array. The directory is Redis's: here slices are in an ordered map.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArrayInfo {
    pub slices: u64,
    /// Length of the directory, or of its list of blocks.
    pub directory: u64,
    /// Blocks with slices; 0 if there is no list.
    pub blocks: u64,
    pub slice_size: u64,
}

/// The kinds of slices in an array.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArrayFill {
    pub dense: u64,
    pub sparse: u64,
    pub dense_slots: u64,
    pub dense_values: u64,
    pub sparse_slots: u64,
}

impl Array {
    /// O(log n), of an array whose highest index is large O(blocks).
    pub fn info(&self) -> ArrayInfo {
        let body = &*self.0;
        let mut info = ArrayInfo {
            slices: body.slices.len() as u64,
            slice_size: 1 << body.size_log2,
            ..ArrayInfo::default()
        };
        if body.top < BLOCK {
            let last = body.slices.floor(u64::MAX);
            info.directory = (last.map_or(0, |(number, _)| number) + 1).next_power_of_two();
            return info;
        }
        info.blocks = blocks(&body.slices);
        info.directory = info.blocks.next_power_of_two().max(BLOCKS_MIN);
        info
    }

    /// O(slices).
    pub fn fill(&self) -> ArrayFill {
        let mut fill = ArrayFill::default();
        for (_, slice) in self.0.slices.iter() {
            let slots = slice.capacity() as u64;
            if slice.is_dense() {
                fill.dense += 1;
                fill.dense_slots += slots;
                fill.dense_values += slice.len() as u64;
            } else {
                fill.sparse += 1;
                fill.sparse_slots += slots;
            }
        }
        fill
    }
}

fn blocks(slices: &Slices) -> u64 {
    let (mut blocks, mut from) = (0, 0);
    while let Some((number, _)) = slices.ceil(from) {
        blocks += 1;
        from = (number / BLOCK + 1) * BLOCK;
    }
    blocks
}
