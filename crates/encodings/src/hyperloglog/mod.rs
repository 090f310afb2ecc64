//! HyperLogLog: estimates the number of distinct elements with 16,384 registers; byte for byte
//! Redis's strings.
//!
//!     "HYLL" | form: 1 | zeros: 3 | cached cardinality: 8, little endian | registers ...
//!     form 0, dense:   6 bits a register, 12,288 bytes (`dense`)
//!     form 1, sparse:  runs of equal registers (`sparse`)
//!
//! An element's hash selects a register (14 bits) and has a run of zeros; the register keeps the
//! longest run seen, plus one. `estimate` computes the cardinality from the registers.
//!
//! The highest bit of the cached cardinality marks it as out of date. These strings come from
//! clients, too: damage is detected when a string is read ([`Damage`]), and no register beyond the
//! last is written to.
//!
//! Cost: adding an element O(1) if dense, O(bytes) if sparse; counting and merging O(registers). A
//! value becomes dense at the `bytes_max` of [`add`], which is `hll-sparse-max-bytes`.

mod dense;
mod estimate;
mod hash;
mod layout;
mod registers;
mod selftest;
mod sparse;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use layout::{
    DENSE_BYTES, Damage, RegisterForm, as_dense, cached, form, invalidate, set_cached,
};
use layout::{FORM_AT, HEADER_BYTES, MAGIC, REGISTERS};
pub use registers::Registers;
pub use selftest::self_test;

/// A HyperLogLog without elements.
pub fn empty() -> Vec<u8> {
    let mut hll = vec![0; HEADER_BYTES];
    hll[..MAGIC.len()].copy_from_slice(MAGIC);
    hll[FORM_AT] = 1;
    sparse::push_run(&mut hll, 0, REGISTERS);
    hll
}

/// Whether adding an element to a dense value would change a register. O(1).
#[inline]
pub fn raises(hll: &[u8], element: &[u8]) -> bool {
    let (index, value) = hash::register_of(element);
    dense::is_lower(&hll[HEADER_BYTES..], index, value)
}

/// Adds an element to a dense value; returns whether a register changed. O(1).
pub fn add_dense(hll: &mut [u8], element: &[u8]) -> bool {
    let (index, value) = hash::register_of(element);
    dense::raise(&mut hll[HEADER_BYTES..], index, value)
}

/// Adds an element; returns whether a register changed. A sparse value becomes dense when it would
/// exceed `bytes_max`, or a register exceeds what runs can represent. O(bytes).
pub fn add(hll: &mut Vec<u8>, element: &[u8], bytes_max: usize) -> Result<bool, Damage> {
    let (index, value) = hash::register_of(element);
    raise(hll, &mut sparse::Cursor::start(), index, value, bytes_max)
}

/// Raises a register to `value`; returns whether it was lower. For a sparse value, `cursor` must
/// not be past the register, and is moved to where a search for a later register may begin.
fn raise(
    hll: &mut Vec<u8>,
    cursor: &mut sparse::Cursor,
    index: usize,
    value: u8,
    bytes_max: usize,
) -> Result<bool, Damage> {
    if hll[FORM_AT] == 0 {
        return Ok(dense::raise(&mut hll[HEADER_BYTES..], index, value));
    }
    match sparse::raise(hll, cursor, index, value, bytes_max)? {
        sparse::SetOutcome::Same => Ok(false),
        sparse::SetOutcome::Raised => {
            invalidate(hll);
            Ok(true)
        }
        sparse::SetOutcome::NoRoom => {
            *hll = to_dense(hll)?;
            Ok(dense::raise(&mut hll[HEADER_BYTES..], index, value))
        }
    }
}

/// Converts a sparse value to dense form, with its cached cardinality. O(registers).
pub fn to_dense(hll: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut registers = Registers::new();
    registers.merge(hll)?;
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEADER_BYTES].copy_from_slice(&hll[..HEADER_BYTES]);
    dense[FORM_AT] = 0;
    registers.pack(&mut dense);
    Ok(dense)
}

/// The estimated cardinality, recomputed. O(registers).
pub fn count(hll: &[u8]) -> Result<u64, Damage> {
    if hll[FORM_AT] == 0 {
        let mut registers = Registers::new();
        registers.merge(hll)?;
        return Ok(registers.count());
    }
    let histogram = sparse::histogram(&hll[HEADER_BYTES..])?;
    Ok(estimate::cardinality(&histogram))
}

/// The runs of a sparse value as PFDEBUG DECODE shows them: `z:3 Z:16380 v:2,1`. O(bytes).
pub fn describe_runs(hll: &[u8]) -> String {
    sparse::describe(&hll[HEADER_BYTES..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elements(n: u32) -> impl Iterator<Item = Vec<u8>> {
        (0..n).map(|i| format!("ele{i}").into_bytes())
    }

    #[test]
    fn a_new_one_is_one_run_of_zeros() {
        let hll = empty();
        assert_eq!(hll, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        assert_eq!(
            (form(&hll), cached(&hll)),
            (Some(RegisterForm::Sparse), Some(0))
        );
        assert_eq!(count(&hll), Ok(0));
    }

    #[test]
    fn dense_and_sparse_count_alike() {
        let (mut sparse, mut grown) = (empty(), empty());
        let mut dense = to_dense(&sparse).unwrap();
        for (n, element) in elements(20_000).enumerate() {
            let changed = add_dense(&mut dense, &element);
            assert_eq!(add(&mut sparse, &element, 1 << 20), Ok(changed));
            assert_eq!(add(&mut grown, &element, 3000), Ok(changed));
            if n % 997 == 0 {
                let expected = count(&dense);
                assert_eq!(count(&sparse), expected);
                assert_eq!(count(&grown), expected);
                let error = expected.unwrap() as f64 - (n + 1) as f64;
                assert!(error.abs() <= 0.03 * n as f64 + 1.0, "{n}: {error}");
            }
        }
        assert_eq!(form(&grown), Some(RegisterForm::Dense));
        assert_eq!(grown[HEADER_BYTES..], dense[HEADER_BYTES..]);
        assert_eq!(
            to_dense(&sparse).unwrap()[HEADER_BYTES..],
            dense[HEADER_BYTES..]
        );
    }

    #[test]
    fn the_cache_is_kept_until_a_register_changes() {
        let mut hll = empty();
        invalidate(&mut hll);
        assert_eq!(cached(&hll), None);
        set_cached(&mut hll, 7);
        assert_eq!(cached(&hll), Some(7));
        assert_eq!(add(&mut hll, b"a", 3000), Ok(true));
        assert_eq!(cached(&hll), None);
        set_cached(&mut hll, 1);
        assert_eq!(add(&mut hll, b"a", 3000), Ok(false));
        assert_eq!(cached(&hll), Some(1));
    }

    #[test]
    fn only_headers_of_known_forms_pass() {
        let hll = empty();
        assert_eq!(form(&hll[..15]), None);
        for (at, byte) in [(0, b'h'), (3, b'X'), (4, 0), (4, 2), (4, 255)] {
            let mut bad = hll.clone();
            bad[at] = byte;
            assert_eq!(form(&bad), None, "{at} {byte}");
        }
        let dense = to_dense(&hll).unwrap();
        assert_eq!(form(&dense), Some(RegisterForm::Dense));
        assert_eq!(form(&dense[..DENSE_BYTES - 1]), None);
    }

    proptest! {
        /// No bytes after the header cause a panic, and a value that can be counted has 16,384
        /// registers.
        #[test]
        fn damaged_runs_are_refused(
            runs in prop::collection::vec(any::<u8>(), 0..400),
            valid in any::<bool>(),
            at in any::<prop::sample::Index>(),
            element in any::<u32>(),
        ) {
            let mut hll = empty();
            if valid {
                for element in elements(200) {
                    add(&mut hll, &element, 3000).unwrap();
                }
                let at = HEADER_BYTES + at.index(hll.len() - HEADER_BYTES);
                for (byte, run) in hll[at..].iter_mut().zip(runs.iter().take(3)) {
                    *byte = *run;
                }
            } else {
                hll.truncate(HEADER_BYTES);
                hll.extend_from_slice(&runs);
            }
            let counted = count(&hll);
            let mut registers = Registers::new();
            let merged = registers.merge(&hll);
            prop_assert!(counted.is_err() || merged.is_ok());
            let _ = describe_runs(&hll);
            let _ = add(&mut hll, &element.to_le_bytes(), 300);
            let _ = add(&mut hll, &element.to_le_bytes(), 3000);
            let _ = to_dense(&hll);
        }
    }
}
