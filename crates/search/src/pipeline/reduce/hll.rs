//! The HyperLogLog of COUNT_DISTINCTISH, HLL and HLL_SUM: 256 registers, an error of some 6 %.
//!
//!     flags: 4 bytes, 0 | bits: 1 byte, 8 | 256 registers of a byte
//!
//! Source: values of HLL of Redis Stack 7.4.

use crate::expression::Value;
use crate::pipeline::row::ValueRef;

const BITS: u32 = 8;
const REGISTERS: usize = 1 << BITS;
const HEAD: [u8; 5] = [0, 0, 0, 0, BITS as u8];

/// A set whose size can be estimated.
#[derive(Clone, Debug)]
pub(crate) struct Estimate([u8; REGISTERS]);

impl Estimate {
    pub(super) fn new() -> Estimate {
        Estimate([0; REGISTERS])
    }

    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        let hash = hash(value, 0x5f61_767a);
        let hash = (hash ^ hash >> 32) as u32;
        let rank = hash.trailing_zeros().min(32 - BITS) as u8 + 1;
        let register = &mut self.0[(hash >> (32 - BITS)) as usize];
        *register = rank.max(*register);
    }

    /// Adds the bytes of another HyperLogLog. `false`: the bytes are none.
    pub(super) fn merge(&mut self, bytes: &[u8]) -> bool {
        let Some(registers) = bytes.strip_prefix(&HEAD) else {
            return false;
        };
        if registers.len() != REGISTERS {
            return false;
        }
        for (register, other) in self.0.iter_mut().zip(registers) {
            *register = (*register).max(*other);
        }
        true
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [HEAD.as_slice(), &self.0].concat()
    }

    /// About how many different values were added.
    pub(super) fn count(&self) -> f64 {
        let size = REGISTERS as f64;
        let alpha = 0.7213 / (1.0 + 1.079 / size);
        let sum: f64 = self
            .0
            .iter()
            .map(|rank| 2_f64.powi(-i32::from(*rank)))
            .sum();
        let estimate = alpha * size * size / sum;
        let zeros = self.0.iter().filter(|rank| **rank == 0).count();
        if estimate <= 2.5 * size && zeros > 0 {
            return (size * (size / zeros as f64).ln()).trunc();
        }
        let whole = 2_f64.powi(32);
        if estimate > whole / 30.0 {
            return (-whole * (1.0 - estimate / whole).ln()).trunc();
        }
        estimate.trunc()
    }
}

/// FNV-1a of a value.
fn hash(value: ValueRef<'_>, start: u64) -> u64 {
    let of = |bytes: &[u8]| {
        bytes.iter().fold(start, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        })
    };
    match value {
        ValueRef::Number(n) => of(&n.to_le_bytes()),
        ValueRef::Text(text) => of(text),
        ValueRef::Other(Value::List(items)) => {
            let items = items.iter();
            items.fold(start, |start, item| hash(ValueRef::of(item), start))
        }
        ValueRef::Other(_) => start.wrapping_add(1),
    }
}
