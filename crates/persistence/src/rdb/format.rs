//! The numbers of the format.
//!
//!     "REDIS" | four digits: version | part ... | EOF | CRC64 of all before, u64le
//!     part = opcode ... | [EXPIRETIME_MS i64le] [IDLE length | FREQ u8] [BLESSED] kind key value
#![allow(dead_code, reason = "loading needs those that saving does not")]

/// The kind of a part, if it is no value.
pub(crate) mod opcode {
    /// Redis 8.12: BLESS has marked the next key.
    pub(crate) const BLESSED: u8 = 241;
    /// The field names that hashes share: a template's ID and its names.
    pub(crate) const HASH_TEMPLATE: u8 = 242;
    /// Metadata that modules have attached to the next key.
    pub const KEY_META: u8 = 243;
    /// Valkey: a slot being imported, its source and ranges.
    pub(crate) const VALKEY_SLOT_IMPORT: u8 = 243;
    /// A slot's number, its keys, its volatile keys.
    pub(crate) const SLOT_INFO: u8 = 244;
    pub(crate) const FUNCTION2: u8 = 245;
    /// A function, from a release candidate of Redis 7.0.
    pub(crate) const FUNCTION_PRE_GA: u8 = 246;
    pub(crate) const MODULE_AUX: u8 = 247;
    /// Seconds since the key was used.
    pub const IDLE: u8 = 248;
    /// The logarithmic counter of uses.
    pub const FREQ: u8 = 249;
    /// A fact about the file: name and value.
    pub const AUX: u8 = 250;
    pub(crate) const RESIZEDB: u8 = 251;
    pub(crate) const EXPIRETIME_MS: u8 = 252;
    pub const EXPIRETIME: u8 = 253;
    pub(crate) const SELECTDB: u8 = 254;
    pub const EOF: u8 = 255;
}

/// The form of a value that is no container; the forms of containers are in `persistence::values`.
pub mod kind {
    /// A string: one text, which may be an integer or compressed.
    pub(crate) const STRING: u8 = 0;
    pub(crate) const MODULE_PRE_GA: u8 = 6;
    pub(crate) const MODULE_2: u8 = 7;
    /// A native bitmap of Redis 8.12.
    pub const BITMAP: u8 = 33;

    /// The name that `redis-check-rdb` uses.
    pub fn name(kind: u8) -> &'static str {
        match kind {
            STRING => "string",
            MODULE_PRE_GA => "module-pre-release",
            MODULE_2 => "module-value",
            BITMAP => "bitmap",
            // Not in use.
            8 => "",
            _ => "unknown",
        }
    }
}

/// How a length or a string begins.
pub mod length {
    /// The top two bits of the first byte: the other six are the length, its high bits, or a
    /// further code.
    pub(crate) const BITS_6: u8 = 0;
    pub(crate) const BITS_14: u8 = 1;
    /// The first two bits of a length in 32 or 64 bits.
    pub(crate) const WIDE: u8 = 2;
    /// Whole first bytes of the wide forms.
    pub(crate) const BITS_32: u8 = 0x80;
    pub(crate) const BITS_64: u8 = 0x81;
    /// The low six bits of specially encoded strings.
    pub(crate) const INT_8: u8 = 0;
    pub(crate) const INT_16: u8 = 1;
    pub(crate) const INT_32: u8 = 2;
    /// A string compressed by LZF: both lengths, then the bytes.
    pub(crate) const LZF: u8 = 3;
}

/// How a value of an array is encoded.
pub mod array {
    /// The bytes as they are, with their length.
    pub(crate) const TEXT: u64 = 0;
    /// An i64, least significant byte first.
    pub const INT: u64 = 1;
    /// An f64, least significant byte first: the text is its shortest form, with `.0` if whole.
    pub const FLOAT: u64 = 2;
    /// A text of up to seven bytes.
    pub const SHORT: u64 = 3;
}

/// The newest version of Redis's that is read: 8.12 writes 16 or 17.
pub const VERSION_MAX: u16 = 17;
/// The newest version of a payload. There is a version 0, too.
pub(crate) const PAYLOAD_VERSION_MAX: u16 = VERSION_MAX;
/// Valkey's own versions that are read.
pub(crate) const VALKEY_VERSIONS: std::ops::RangeInclusive<u16> = 80..=81;

/// The file's origin: the two use the same numbers for different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdbOrigin {
    /// Redis; Valkey up to 8, too.
    Redis,
    /// Valkey, from RDB version 80 on.
    Valkey,
}

impl RdbOrigin {
    /// The dialect of a version that is written.
    pub fn of_written(version: u32) -> RdbOrigin {
        let version = u16::try_from(version).ok();
        version
            .and_then(RdbOrigin::of_version)
            .unwrap_or(RdbOrigin::Redis)
    }

    /// The dialect of a payload of this version. `None`: a version not read here.
    pub(crate) fn of_version(version: u16) -> Option<RdbOrigin> {
        if version <= PAYLOAD_VERSION_MAX {
            Some(RdbOrigin::Redis)
        } else {
            VALKEY_VERSIONS
                .contains(&version)
                .then_some(RdbOrigin::Valkey)
        }
    }
}
