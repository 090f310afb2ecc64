//! The bytes of a HyperLogLog before its registers, and the sizes of both forms.

pub(super) const MAGIC: &[u8; 4] = b"HYLL";
pub(super) const FORM_AT: usize = 4;
const CARDINALITY_AT: usize = 8;
pub(super) const HEADER_BYTES: usize = 16;

/// Bits of a hash that select a register.
pub(super) const INDEX_BITS: u32 = 14;
pub(super) const REGISTERS: usize = 1 << INDEX_BITS;
/// The highest value of an element for a register.
pub(super) const REGISTER_MAX: u8 = (64 - INDEX_BITS) as u8 + 1;
/// Bytes of all registers of a dense value.
pub(super) const PACKED_BYTES: usize = REGISTERS * 6 / 8;
/// Marks the cached cardinality as out of date.
const STALE: u64 = 1 << 63;

/// The length of a dense value, in bytes.
pub const DENSE_BYTES: usize = HEADER_BYTES + PACKED_BYTES;

/// The representation of the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterForm {
    /// All registers, six bits each.
    Dense,
    /// Runs of equal registers.
    Sparse,
}

/// The runs of a sparse value do not add up to 16,384 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage;

/// The form of a string that is a HyperLogLog by its header and length. O(1).
pub fn form(text: &[u8]) -> Option<RegisterForm> {
    if text.len() < HEADER_BYTES || !text.starts_with(MAGIC) {
        return None;
    }
    match text[FORM_AT] {
        0 if text.len() == DENSE_BYTES => Some(RegisterForm::Dense),
        1 => Some(RegisterForm::Sparse),
        _ => None,
    }
}

/// The HyperLogLog if it is dense, with the length known to the compiler. O(1).
pub fn as_dense(hll: &[u8]) -> Option<&[u8; DENSE_BYTES]> {
    if hll[FORM_AT] == 0 {
        return Some(hll.try_into().expect("the length is checked by `form`"));
    }
    None
}

/// Number of registers with each value.
pub(super) type Histogram = [u32; 64];

/// The cached cardinality, unless it is out of date. O(1).
pub fn cached(hll: &[u8]) -> Option<u64> {
    let cardinality = u64::from_le_bytes(*cache(hll));
    (cardinality & STALE == 0).then_some(cardinality)
}

/// Stores the cardinality next to the registers.
pub fn set_cached(hll: &mut [u8], cardinality: u64) {
    *cache_mut(hll) = cardinality.to_le_bytes();
}

/// Marks the cached cardinality as out of date.
pub fn invalidate(hll: &mut [u8]) {
    let stale = u64::from_le_bytes(*cache(hll)) | STALE;
    set_cached(hll, stale);
}

fn cache(hll: &[u8]) -> &[u8; 8] {
    let bytes = hll[CARDINALITY_AT..].first_chunk();
    bytes.expect("a header's length is checked by `form`")
}

fn cache_mut(hll: &mut [u8]) -> &mut [u8; 8] {
    let bytes = hll[CARDINALITY_AT..].first_chunk_mut();
    bytes.expect("a header's length is checked by `form`")
}
