//! The number of rows in a chunk: fewer if rows are longer, so that the first row of a field costs
//! little more than itself.
//!
//! Cost: a shift and a mask for each row that is looked up.

/// Rows of a chunk, at most.
const ROWS_MAX: usize = 256;
/// Bytes of a chunk, at most, unless a row alone has more.
const BYTES_MAX: usize = 1 << 20;

/// The number of rows of each chunk: a power of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkShape {
    shift: u32,
}

impl ChunkShape {
    /// For rows of so many bytes.
    pub(super) fn of(row_bytes: usize) -> ChunkShape {
        let rows = (BYTES_MAX / row_bytes.max(1)).clamp(1, ROWS_MAX);
        ChunkShape {
            shift: rows.ilog2(),
        }
    }

    #[inline]
    pub(super) fn rows(self) -> usize {
        1 << self.shift
    }

    /// The chunk of a row, and the row's place in it.
    #[inline]
    pub(super) fn place(self, row: u32) -> (usize, usize) {
        let row = row as usize;
        (row >> self.shift, row & (self.rows() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_of_long_rows_has_few() {
        for (row_bytes, rows) in [
            (0, 256),
            (1, 256),
            (4096, 256),
            (4097, 128),
            (1 << 20, 1),
            (1 << 29, 1),
            (usize::MAX, 1),
        ] {
            let shape = ChunkShape::of(row_bytes);
            assert_eq!(shape.rows(), rows, "{row_bytes}");
            assert_eq!(shape.place(rows as u32), (1, 0));
        }
    }
}
