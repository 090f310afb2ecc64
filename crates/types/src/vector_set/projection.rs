//! REDUCE: a fixed projection of vectors to fewer dimensions.
//!
//! Redis's matrix is that of a Hadamard transform, scaled; its columns are computed when they are
//! needed. A file may hold any other matrix, which is kept transposed and shared by copies. Several
//! sums are computed at once, each in the order of the input, so that each sum is equal to Redis's
//! to the last bit.
//!
//! Cost: O(input * output), in slices (`Product`): 13 ms on a busy machine for the largest of
//! Redis's matrices.

use std::sync::Arc;

use russet_encodings::hnsw::Progress;

/// The numbers of a matrix at most: 256 MB.
const NUMBERS_MAX: usize = 1 << 26;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    input_dim: u32,
    output_dim: u32,
    weights: Weights,
}

#[derive(Clone, Debug, PartialEq)]
enum Weights {
    /// Redis's: this number, negative where row and column have an odd number of bits in common.
    Hadamard(f32),
    /// By columns.
    Matrix(Arc<Vec<f32>>),
}

/// Sums of Redis's matrix that are made at once, in registers, and inputs that have the same sign
/// but for their last bits.
const BLOCK: usize = 32;
/// Products in a piece: some 30 us.
const PIECE: usize = 1 << 17;
/// Inputs of a piece of Redis's matrix.
const INPUTS: usize = PIECE / BLOCK;
/// Estimated products in a nanosecond: of Redis's matrix, and of another, which comes from memory.
const PER_NANO: usize = 8;
const PER_NANO_OF_MATRIX: usize = 2;

/// The sign's bit for the last bits of an input's number and of a sum's: odd where they have an odd
/// number of bits in common.
static SIGNS: [[u32; BLOCK]; BLOCK] = signs();

const fn signs() -> [[u32; BLOCK]; BLOCK] {
    let mut signs = [[0; BLOCK]; BLOCK];
    let mut at = 0;
    while at < BLOCK * BLOCK {
        let (input, sum) = (at / BLOCK, at % BLOCK);
        signs[input][sum] = sign(input, sum);
        at += 1;
    }
    signs
}

/// The sign's bit of a weight of Redis's matrix.
const fn sign(input: usize, sum: usize) -> u32 {
    ((input & sum).count_ones() & 1) << 31
}

impl Projection {
    /// Whether a matrix of this size is made.
    pub fn is_possible(input_dim: usize, output_dim: usize) -> bool {
        input_dim
            .checked_mul(output_dim)
            .is_some_and(|n| n <= NUMBERS_MAX)
    }

    /// Redis's matrix, which takes no memory.
    pub fn new(input_dim: u32, output_dim: u32) -> Projection {
        Projection {
            input_dim,
            output_dim,
            weights: Weights::Hadamard((1.0 / f64::from(input_dim).sqrt()) as f32),
        }
    }

    /// A matrix from its rows, little-endian floats. `None`: it has another size.
    pub fn from_rows(input_dim: u32, output_dim: u32, rows: &[u8]) -> Option<Projection> {
        let (input, output) = (input_dim as usize, output_dim as usize);
        let (floats, rest) = rows.as_chunks::<4>();
        if Some(floats.len()) != input.checked_mul(output) || !rest.is_empty() || input == 0 {
            return None;
        }
        let usual = Projection::new(input_dim, output_dim);
        if usual.has_rows(floats) {
            return Some(usual);
        }
        let mut matrix = vec![0.0; floats.len()];
        transpose(floats, input, &mut matrix, |bytes| {
            f32::from_le_bytes(*bytes)
        });
        Some(Projection {
            weights: Weights::Matrix(Arc::new(matrix)),
            ..usual
        })
    }

    /// Whether these are the rows of Redis's matrix.
    fn has_rows(&self, floats: &[[u8; 4]]) -> bool {
        let Weights::Hadamard(weight) = self.weights else {
            return false;
        };
        let mut wanted = vec![0.0; self.input_dim as usize];
        let rows = floats.chunks_exact(wanted.len());
        rows.zip(0..).all(|(row, number)| {
            signed(weight, number, &mut wanted);
            let mut pairs = row.iter().zip(&wanted);
            pairs.all(|(float, wanted)| *float == wanted.to_le_bytes())
        })
    }

    /// The matrix by rows, little-endian floats.
    pub fn rows(&self) -> Vec<u8> {
        let columns = self.output_dim as usize;
        let mut rows = vec![0; 4 * self.input_dim as usize * columns];
        let (floats, _) = rows.as_chunks_mut::<4>();
        match &self.weights {
            Weights::Matrix(matrix) => {
                transpose(matrix, columns, floats, |float| float.to_le_bytes());
            }
            Weights::Hadamard(weight) => {
                let mut row = vec![0.0; self.input_dim as usize];
                for (to, number) in floats.chunks_exact_mut(row.len()).zip(0..) {
                    signed(*weight, number, &mut row);
                    for (to, weight) in to.iter_mut().zip(&row) {
                        *to = weight.to_le_bytes();
                    }
                }
            }
        }
        rows
    }

    /// Dimensions of the vectors that it projects.
    pub fn input_dim(&self) -> u32 {
        self.input_dim
    }

    /// Whether it is the same projection: a matrix is compared by its place.
    fn is(&self, other: &Projection) -> bool {
        let is_same = match (&self.weights, &other.weights) {
            (Weights::Matrix(a), Weights::Matrix(b)) => Arc::ptr_eq(a, b),
            (Weights::Hadamard(a), Weights::Hadamard(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        };
        is_same && (self.input_dim, self.output_dim) == (other.input_dim, other.output_dim)
    }

    /// Bytes of the matrix; 0 for Redis's matrix, which is computed. Copies share them.
    pub(crate) fn memory_bytes(&self) -> usize {
        match &self.weights {
            Weights::Matrix(matrix) => {
                russet_base::memory::alloc::slice_bytes(size_of_val(&matrix[..]))
            }
            Weights::Hadamard(_) => 0,
        }
    }
}

/// The image of a vector under way.
pub struct Product {
    projection: Projection,
    vector: Vec<f32>,
    /// The sums, their number rounded up to a multiple of [`BLOCK`].
    sums: Vec<f32>,
    /// The piece that is next.
    at: usize,
}

impl Product {
    /// The product of a projection and a vector of its input's dimension.
    pub fn new(projection: Projection, vector: Vec<f32>) -> Product {
        assert_eq!(vector.len(), projection.input_dim as usize);
        let sums = (projection.output_dim as usize).next_multiple_of(BLOCK);
        Product {
            sums: vec![0.0; sums],
            projection,
            vector,
            at: 0,
        }
    }

    /// Whether it is a product of this projection.
    pub fn is_of(&self, projection: &Projection) -> bool {
        self.projection.is(projection)
    }

    /// The estimated time that it takes, nanoseconds.
    pub fn nanos(&self) -> usize {
        self.vector.len().saturating_mul(self.sums.len()) / self.per_nano()
    }

    fn per_nano(&self) -> usize {
        match &self.projection.weights {
            Weights::Hadamard(_) => PER_NANO,
            Weights::Matrix(_) => PER_NANO_OF_MATRIX,
        }
    }

    /// Continues for about so many nanoseconds.
    pub fn step(&mut self, nanos: usize) -> Progress {
        let inputs = match &self.projection.weights {
            Weights::Hadamard(_) => INPUTS,
            Weights::Matrix(_) => (PIECE / self.projection.output_dim as usize).max(1),
        };
        let per_sums = self.vector.len().div_ceil(inputs);
        let pieces = match &self.projection.weights {
            Weights::Hadamard(_) => per_sums * (self.sums.len() / BLOCK),
            Weights::Matrix(_) => per_sums,
        };
        let budget = (nanos.saturating_mul(self.per_nano()) / PIECE).max(1);
        let end = pieces.min(self.at.saturating_add(budget));
        for piece in self.at..end {
            let first = piece % per_sums * inputs;
            let vector = &self.vector[first..self.vector.len().min(first + inputs)];
            match &self.projection.weights {
                Weights::Hadamard(weight) => {
                    let (blocks, _) = self.sums.as_chunks_mut::<BLOCK>();
                    let block = piece / per_sums;
                    add(&mut blocks[block], block * BLOCK, vector, first, *weight);
                }
                Weights::Matrix(matrix) => {
                    let sums = &mut self.sums[..self.projection.output_dim as usize];
                    let columns = matrix[first * sums.len()..].chunks_exact(sums.len());
                    for (x, column) in vector.iter().zip(columns) {
                        for (sum, weight) in sums.iter_mut().zip(column) {
                            *sum += weight * x;
                        }
                    }
                }
            }
        }
        self.at = end;
        if end < pieces {
            Progress::More
        } else {
            Progress::Done
        }
    }

    /// The vector that it is of.
    pub fn take_vector(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.vector)
    }

    /// The image, once it is done.
    pub fn image(mut self) -> Vec<f32> {
        self.sums.truncate(self.projection.output_dim as usize);
        self.sums
    }
}

/// Adds the products of inputs to a block of sums; the first input and the first sum are multiples
/// of [`BLOCK`]. The sign of a product is the sign of its factors, so the numbers are the same.
fn add(sums: &mut [f32; BLOCK], first_sum: usize, vector: &[f32], first: usize, weight: f32) {
    let mut sum = *sums;
    for (inputs, first) in vector.chunks(BLOCK).zip((first..).step_by(BLOCK)) {
        let high = sign(first, first_sum);
        for (x, signs) in inputs.iter().zip(&SIGNS) {
            let product = (weight * x).to_bits() ^ high;
            for (sum, sign) in sum.iter_mut().zip(signs) {
                *sum += f32::from_bits(product ^ sign);
            }
        }
    }
    *sums = sum;
}

/// Fills `to` with `number`, negated at the indexes that have an odd number of bits in common with
/// `line`. At each power of two the part before that column is repeated, with the signs of the bit.
/// O(length).
fn signed(number: f32, line: u32, to: &mut [f32]) {
    let Some(first) = to.first_mut() else {
        return;
    };
    *first = number;
    let (mut done, mut bit) = (1, 0);
    while done < to.len() {
        let (before, after) = to.split_at_mut(done);
        let is_negated = line >> bit & 1 == 1;
        for (to, from) in after.iter_mut().zip(&*before) {
            *to = if is_negated { -from } else { *from };
        }
        (done, bit) = (2 * done, bit + 1);
    }
}

/// Writes a matrix of rows of `columns` numbers to `to`, column by column. Square by square: a
/// column's numbers are far from each other, and each line of the cache is used for several of
/// them.
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

    fn image(projection: &Projection, vector: &[f32]) -> Vec<f32> {
        let mut product = Product::new(projection.clone(), vector.to_vec());
        while product.step(0) == Progress::More {}
        product.image()
    }

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
        let other = Projection::from_rows(5, 3, &[0; 60]).expect("a matrix");
        assert_eq!(other.rows(), [0; 60]);
        assert_eq!(Projection::from_rows(5, 3, &[0; 56]), None);
        assert_eq!(Projection::from_rows(0, 3, &[]), None);
    }

    #[test]
    fn redis_matrix_takes_no_memory_and_gives_the_same_sums() {
        // Several pieces, the last shorter than the others.
        let (input, output) = (5000u32, 130u32);
        let made = Projection::new(input, output);
        assert_eq!(made.memory_bytes(), 0);
        let sign = |row: u32, column: u32| match (row & column).count_ones() % 2 {
            0 => 1.0,
            _ => -1.0,
        };
        let scale = (1.0 / f64::from(input).sqrt()) as f32;
        let vector: Vec<f32> = (0..input).map(|n| (n as f32).sin()).collect();
        let sums = image(&made, &vector);
        for (sum, row) in sums.iter().zip(0..) {
            let products = vector
                .iter()
                .zip(0..)
                .map(|(x, column)| sign(row, column) * scale * x);
            let expected = products.fold(0.0f32, |sum, product| sum + product);
            assert_eq!(sum.to_bits(), expected.to_bits(), "row {row}");
        }
        let mut rows = made.rows();
        assert_eq!(
            Projection::from_rows(input, output, &rows).map(|read| read.memory_bytes()),
            Some(0)
        );
        rows[7] ^= 0x80;
        let other = Projection::from_rows(input, output, &rows).expect("a matrix");
        assert!(other.memory_bytes() >= rows.len() && other.rows() == rows);
        let others = image(&other, &vector);
        assert_ne!(others[0].to_bits(), sums[0].to_bits());
        assert_eq!(others[1..], sums[1..]);
    }

    #[test]
    fn an_image_is_the_sums_of_the_rows() {
        let projection = Projection::new(3, 2);
        let scale = (1.0 / 3f64.sqrt()) as f32;
        let expected = [
            scale + scale * 2.0 + scale * 4.0,
            scale + -scale * 2.0 + scale * 4.0,
        ];
        assert_eq!(image(&projection, &[1.0, 2.0, 4.0]), expected);
    }
}
