//! A string as an array of bits: bit 0 is the highest of the first byte.
//!
//!     byte   0                 1
//!     bit    0 1 2 3 4 5 6 7   8 9 10 ...
//!
//! Counting, finding and combining are plain loops over whole blocks, written so that the compiler
//! vectorizes them; they are compiled a second time for AVX2, which is used if the processor has
//! it. Tests compare each loop with a bit by bit computation.
//!
//! Cost: O(bytes), at the speed of memory. Integers inside a string ([`IntType`]) are O(1).
//! Ranges in the syntax of commands: `commands::bitmap`.

mod combine;
mod count;
mod find;
mod int;

pub use combine::{Operation, combine};
pub use count::count_within;
pub use find::find_within;
pub use int::{IntType, Overflow};

/// Whether this processor has the features of the loops' second form. O(1).
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Strings with runs of equal bytes, so that whole blocks are skipped.
    pub(super) fn text() -> impl Strategy<Value = Vec<u8>> {
        let run = (
            prop_oneof![Just(0u8), Just(0xff), any::<u8>()],
            prop_oneof![1..4usize, 60..70usize, 100..300usize],
        );
        prop::collection::vec(run, 0..6).prop_map(|runs| {
            let all = runs.into_iter().map(|(byte, len)| vec![byte; len]);
            all.collect::<Vec<_>>().concat()
        })
    }

    pub(super) fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] >> (7 - at % 8) & 1 == 1
    }
}
