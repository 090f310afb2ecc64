//! All registers, a byte each, for merging several HyperLogLogs.

use super::hash::register_of;
use super::layout::{DENSE_BYTES, Damage, HEADER_BYTES, REGISTERS, as_dense};
use super::sparse::Cursor;
use super::{dense, estimate, raise, sparse};

/// See the module. 16 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct Registers(pub(super) [u8; REGISTERS]);

impl Default for Registers {
    fn default() -> Self {
        Registers::new()
    }
}

impl Registers {
    /// All zero.
    pub fn new() -> Registers {
        Registers([0; REGISTERS])
    }

    /// Adds an element. O(bytes).
    #[inline]
    pub fn add(&mut self, element: &[u8]) {
        let (index, value) = register_of(element);
        self.0[index] = self.0[index].max(value);
    }

    /// Raises each register to that of a HyperLogLog; if that is damaged, the first ones may
    /// already be raised. O(registers).
    pub fn merge(&mut self, hll: &[u8]) -> Result<(), Damage> {
        match as_dense(hll) {
            Some(hll) => {
                self.merge_dense(&[hll]);
                Ok(())
            }
            None => sparse::merge_into(&mut self.0, &hll[HEADER_BYTES..]),
        }
    }

    /// As [`Registers::merge`] of each dense source, but in a single pass over the registers.
    /// O(registers) a source.
    pub fn merge_dense(&mut self, sources: &[&[u8; DENSE_BYTES]]) {
        dense::merge_into(&mut self.0, sources);
    }

    /// The estimated number of distinct elements. O(registers).
    pub fn count(&self) -> u64 {
        estimate::cardinality(&dense::histogram_of(&self.0))
    }

    /// The registers' values, by index.
    pub fn values(&self) -> &[u8; REGISTERS] {
        &self.0
    }

    /// Writes all of them into a dense HyperLogLog. O(registers).
    pub fn pack(&self, hll: &mut [u8]) {
        assert_eq!(hll.len(), DENSE_BYTES);
        let registers = hll[HEADER_BYTES..].first_chunk_mut();
        dense::pack(registers.expect("all of them"), &self.0);
    }

    /// Raises the registers of a HyperLogLog to these, in turn as PFADD would: the order determines
    /// the runs of a sparse value. O(registers + bytes) if it is sparse.
    pub fn raise_all(&self, hll: &mut Vec<u8>, bytes_max: usize) -> Result<(), Damage> {
        let mut cursor = Cursor::start();
        let set = self.0.iter().enumerate().filter(|&(_, &value)| value > 0);
        for (index, &value) in set {
            raise(hll, &mut cursor, index, value, bytes_max)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{add, count, empty, hash};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Continuing at the last run found gives the same runs as searching from the start.
        #[test]
        fn raising_all_makes_the_runs_of_one_by_one(
            before in prop::collection::vec(0u32..4000, 0..300),
            after in prop::collection::vec((0usize..3000, 1u8..6), 0..600),
        ) {
            let mut hll = empty();
            for element in before {
                add(&mut hll, &element.to_le_bytes(), 3000).unwrap();
            }
            let mut registers = Registers::new();
            registers.merge(&hll).unwrap();
            for (index, value) in after {
                registers.0[index] = registers.0[index].max(value);
            }
            let mut one_by_one = hll.clone();
            for (index, &value) in registers.0.iter().enumerate().filter(|&(_, &v)| v > 0) {
                raise(&mut one_by_one, &mut Cursor::start(), index, value, 3000).unwrap();
            }
            registers.raise_all(&mut hll, 3000).unwrap();
            prop_assert_eq!(&hll, &one_by_one);
            prop_assert_eq!(Ok(registers.count()), count(&hll));
            let mut read = Registers::new();
            read.merge(&hll).unwrap();
            prop_assert!(read == registers);
        }
    }

    #[test]
    fn a_union_counts_every_element_once() {
        let (mut a, mut b, mut both) = (empty(), empty(), empty());
        for i in 0..5000u32 {
            let element = i.to_le_bytes();
            if i < 3000 {
                add(&mut a, &element, 3000).unwrap();
            }
            if i >= 2000 {
                add(&mut b, &element, 3000).unwrap();
            }
            add(&mut both, &element, 3000).unwrap();
        }
        let mut registers = Registers::new();
        registers.merge(&a).unwrap();
        registers.merge(&b).unwrap();
        assert_eq!(Ok(registers.count()), count(&both));
        let (index, value) = hash::register_of(&7u32.to_le_bytes());
        assert!(registers.values()[index] >= value);
    }
}
