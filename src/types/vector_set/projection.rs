//! REDUCE: a fixed projection of vectors to fewer dimensions.
//!
//! Redis's matrix is that of a Hadamard transform, scaled; one from a file may be any. It is kept
//! transposed: a column is added to all sums at once, and each sum is still made in the order of the
//! input, so that it is the same as Redis's to the last bit.

/// The numbers of a matrix at most: 256 MB.
const NUMBERS_MAX: usize = 1 << 26;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    input_dim: u32,
    output_dim: u32,
    /// By columns.
    matrix: Box<[f32]>,
}

impl Projection {
    /// Whether a matrix of this size is made.
    pub fn is_possible(input_dim: usize, output_dim: usize) -> bool {
        input_dim
            .checked_mul(output_dim)
            .is_some_and(|n| n <= NUMBERS_MAX)
    }

    /// Redis's matrix.
    pub fn new(input_dim: u32, output_dim: u32) -> Projection {
        let scale = (1.0 / f64::from(input_dim).sqrt()) as f32;
        let sign = |column: u32, row: u32| match (row & column).count_ones() % 2 {
            0 => scale,
            _ => -scale,
        };
        let columns =
            (0..input_dim).flat_map(|column| (0..output_dim).map(move |row| sign(column, row)));
        Projection {
            input_dim,
            output_dim,
            matrix: columns.collect(),
        }
    }

    /// A matrix from its rows, little-endian floats. `None`: it has another size.
    pub fn from_rows(input_dim: u32, output_dim: u32, rows: &[u8]) -> Option<Projection> {
        let (input, output) = (input_dim as usize, output_dim as usize);
        let (floats, rest) = rows.as_chunks::<4>();
        if Some(floats.len()) != input.checked_mul(output) || !rest.is_empty() || input == 0 {
            return None;
        }
        let mut matrix = vec![0.0; floats.len()];
        transpose(floats, input, &mut matrix, |bytes| {
            f32::from_le_bytes(*bytes)
        });
        Some(Projection {
            input_dim,
            output_dim,
            matrix: matrix.into(),
        })
    }

    /// The matrix by rows, little-endian floats.
    pub fn rows(&self) -> Vec<u8> {
        let mut rows = vec![0; size_of_val(&*self.matrix)];
        let (floats, _) = rows.as_chunks_mut::<4>();
        let columns = self.output_dim as usize;
        transpose(&self.matrix, columns, floats, |float| float.to_le_bytes());
        rows
    }

    pub fn input_dim(&self) -> u32 {
        self.input_dim
    }

    /// The image of a vector of the input's dimension. O(input * output).
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        assert_eq!(vector.len(), self.input_dim as usize);
        let mut sums = vec![0.0f32; self.output_dim as usize];
        for (x, column) in vector.iter().zip(self.matrix.chunks_exact(sums.len())) {
            for (sum, weight) in sums.iter_mut().zip(column) {
                *sum += weight * x;
            }
        }
        sums
    }

    pub fn memory_bytes(&self) -> usize {
        crate::base::alloc::slice_bytes(size_of_val(&*self.matrix))
    }
}

/// Writes a matrix of rows of `columns` numbers to `to`, column by column. Square by square: a column's numbers
/// are far from each other, and each line of the cache is used for several of them.
fn transpose<F, T>(from: &[F], columns: usize, to: &mut [T], convert: impl Fn(&F) -> T) {
    const SIDE: usize = 32;
    let rows = from.len() / columns;
    for top in (0..rows).step_by(SIDE) {
        let below = (top + SIDE).min(rows);
        for left in (0..columns).step_by(SIDE) {
            for column in left..(left + SIDE).min(columns) {
                let to = &mut to[column * rows..][top..below];
                for (row, to) in (top..below).zip(to) {
                    *to = convert(&from[row * columns + column]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_are_the_same_matrix() {
        for (input, output) in [(5, 3), (70, 1), (33, 65)] {
            let made = Projection::new(input, output);
            let rows = made.rows();
            let (first, _) = rows.as_chunks::<4>();
            let scale = (1.0 / f64::from(input).sqrt()) as f32;
            assert!(
                first[..input as usize]
                    .iter()
                    .all(|one| f32::from_le_bytes(*one) == scale)
            );
            assert_eq!(Projection::from_rows(input, output, &rows), Some(made));
        }
        assert_eq!(Projection::from_rows(5, 3, &[0; 56]), None);
        assert_eq!(Projection::from_rows(0, 3, &[]), None);
    }

    #[test]
    fn an_image_is_the_sums_of_the_rows() {
        let projection = Projection::new(3, 2);
        let scale = (1.0 / 3f64.sqrt()) as f32;
        let expected = [
            scale + scale * 2.0 + scale * 4.0,
            scale + -scale * 2.0 + scale * 4.0,
        ];
        assert_eq!(projection.apply(&[1.0, 2.0, 4.0]), expected);
    }
}
