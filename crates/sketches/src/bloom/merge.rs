//! The union of filters of equal shapes, and the error that a filter has by the bits that are set.

use super::Bloom;

/// Filters are of different shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filters have different shapes")]
pub struct Unlike;

/// Bytes of a link whose bits are counted for the error, at most.
const COUNTED_MAX: usize = 1 << 20;

impl Bloom {
    /// Whether both were made with the same numbers, so that each link of the one with fewer links
    /// has the shape of the other's.
    pub fn is_like(&self, other: &Bloom) -> bool {
        let is_same = self.options == other.options && self.growth == other.growth;
        let mut links = self.links().zip(other.links());
        is_same && links.all(|((one, _), (two, _))| one.is_like(two))
    }

    /// Adds all items of another filter: an item of either is found. The number of items is the
    /// sum, as it is not known which are in both. O(bytes).
    pub fn merge(&mut self, other: &Bloom) -> Result<(), Unlike> {
        if !self.is_like(other) {
            return Err(Unlike);
        }
        for (at, link) in other.links.iter().enumerate() {
            match self.links.get_mut(at) {
                Some(own) => own.merge(link),
                None => self.links.push(link.clone()),
            }
        }
        self.items = self.items.saturating_add(other.items);
        Ok(())
    }

    /// The share of items that were not added and would be found nevertheless, by the bits that are
    /// set. Of large links a part of the bits is counted, spread evenly.
    pub fn measured_error(&self) -> f64 {
        let clear = self.links().map(|(shape, bits)| {
            let share = share_of_ones(bits);
            1.0 - share.powi(shape.hashes as i32)
        });
        1.0 - clear.product::<f64>()
    }
}

fn share_of_ones(bits: &[u8]) -> f64 {
    /// Bytes counted together.
    const PIECE: usize = 4096;
    let step = bits.len().div_ceil(COUNTED_MAX).max(1);
    let (mut ones, mut all) = (0, 0);
    for piece in bits.chunks(PIECE).step_by(step) {
        let (words, rest) = piece.as_chunks::<8>();
        let words = words
            .iter()
            .map(|word| u64::from_le_bytes(*word).count_ones());
        let rest = rest.iter().map(|byte| byte.count_ones());
        ones += words.chain(rest).map(u64::from).sum::<u64>();
        all += 8 * piece.len() as u64;
    }
    if all == 0 {
        0.0
    } else {
        ones as f64 / all as f64
    }
}
