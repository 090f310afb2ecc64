//! The settings of `cjson`, which a state keeps for all its scripts.

/// Maximum nesting, whatever the settings allow.
pub(super) const DEPTH_MAX: usize = 3_900;

/// The library's settings.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub(super) sparse_convert: bool,
    pub(super) sparse_ratio: i64,
    pub(super) sparse_safe: i64,
    pub(super) encode_max_depth: i64,
    pub(super) decode_max_depth: i64,
    pub(super) precision: i64,
    pub(super) keep_buffer: bool,
    pub(super) encode_invalid: InvalidNumbers,
    pub(super) decode_invalid: bool,
    /// Decoded arrays get a metatable, so that empty arrays are encoded as arrays again.
    pub(super) marks_arrays: bool,
}

/// Treatment of numbers that JSON cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidNumbers {
    Refused,
    Written,
    Null,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: InvalidNumbers::Refused,
            decode_invalid: true,
            marks_arrays: false,
        }
    }
}
