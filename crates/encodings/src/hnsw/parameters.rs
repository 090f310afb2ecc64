//! The parameters of an index, its limits, and the numbers and levels of its nodes.

use rand::Rng;

/// The highest level a node may have.
pub(crate) const LEVEL_MAX: usize = 16;
/// The most links a list of a file may have.
pub const LINKS_MAX: usize = 16384;
/// The most dimensions.
pub const DIM_MAX: u32 = 65536;
/// Links of a node if an insert does not give their number: twice as many at level 0.
pub const M_DEFAULT: u16 = 16;
/// Candidates kept if an insert does not give their number.
pub const EF_CONSTRUCTION: usize = 200;

/// How numbers are stored; the values are Redis's in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Quantization {
    /// The numbers as they are: 4 bytes each.
    F32 = 0,
    /// A signed byte each, and a range for all.
    Q8 = 1,
    /// A bit each: the sign.
    Binary = 2,
}

impl Quantization {
    /// As VINFO and VEMB name it.
    pub fn name(self) -> &'static str {
        match self {
            Quantization::F32 => "f32",
            Quantization::Q8 => "int8",
            Quantization::Binary => "bin",
        }
    }

    /// Returns the quantization with a number in files.
    pub fn from_number(number: u64) -> Option<Quantization> {
        match number {
            0 => Some(Quantization::F32),
            1 => Some(Quantization::Q8),
            2 => Some(Quantization::Binary),
            _ => None,
        }
    }
}

/// The fixed parameters of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Numbers in a vector: 1 to [`DIM_MAX`].
    pub dim: u32,
    /// The form in which vectors are stored.
    pub quantization: Quantization,
    /// Links per level, twice as many at level 0: 1 to 4096 (`VADD` takes 4 and more).
    pub m: u16,
}

impl Parameters {
    /// Returns the most links of a node at `level`.
    #[inline]
    pub fn links_max(&self, level: usize) -> usize {
        usize::from(self.m) * if level == 0 { 2 } else { 1 }
    }

    /// Returns the size of a stored vector, without its range.
    pub fn vector_bytes(&self) -> usize {
        let dim = self.dim as usize;
        match self.quantization {
            Quantization::F32 => dim * 4,
            Quantization::Q8 => dim,
            Quantization::Binary => dim.div_ceil(64) * 8,
        }
    }

    /// Returns the size of a vector in the store: with a range for Q8, a multiple of 4.
    pub(super) fn record_bytes(&self) -> usize {
        match self.quantization {
            Quantization::Q8 => (self.vector_bytes() + 4).next_multiple_of(4),
            Quantization::F32 | Quantization::Binary => self.vector_bytes(),
        }
    }
}

/// A node's number in the index. Numbers of removed nodes are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Returns a level for a new node: each further level with a chance of 1/4.
pub fn random_level(rng: &mut impl Rng) -> u8 {
    (rng.next_u64().trailing_zeros() / 2).min(LEVEL_MAX as u32) as u8
}
