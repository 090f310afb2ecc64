//! The numbers of the format.
//!
//!     "REDIS" | four digits: version | part ... | EOF | CRC64 of all before, u64le
//!     part = opcode ... | [EXPIRETIME_MS i64le] [IDLE length | FREQ u8] kind key value
#![allow(dead_code, reason = "loading needs those that saving does not")]

/// The kind of a part, if it is no value.
pub mod opcode {
    /// Valkey: a slot being imported, its source and ranges.
    pub const VALKEY_SLOT_IMPORT: u8 = 243;
    /// A slot's number, its keys, its volatile keys.
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION2: u8 = 245;
    /// A function, from a release candidate of Redis 7.0.
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    /// Seconds since the key was used.
    pub const IDLE: u8 = 248;
    /// The logarithmic counter of uses.
    pub const FREQ: u8 = 249;
    /// A fact about the file: name and value.
    pub const AUX: u8 = 250;
    pub const RESIZEDB: u8 = 251;
    pub const EXPIRETIME_MS: u8 = 252;
    pub const EXPIRETIME: u8 = 253;
    pub const SELECTDB: u8 = 254;
    pub const EOF: u8 = 255;
}

/// The type and form of a value.
pub mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    /// Scores as text.
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    /// Scores as eight bytes.
    pub const ZSET_2: u8 = 5;
    pub const MODULE_PRE_GA: u8 = 6;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    /// Nodes are ziplists.
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_LISTPACKS: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    /// Nodes are listpacks or single elements.
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_LISTPACKS_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_LISTPACKS_3: u8 = 21;
    /// From a release candidate of Redis 7.4; in Valkey's files another form of a hash with
    /// expiring fields.
    pub const HASH_METADATA_PRE_GA: u8 = 22;
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    /// A table whose fields may expire.
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;

    /// Valkey's number 22: fields that may expire.
    pub const VALKEY_HASH_2: u8 = 22;

    /// The name that `redis-check-rdb` uses.
    pub fn name(kind: u8) -> &'static str {
        const NAMES: [&str; 26] = [
            "string",
            "list-linked",
            "set-hashtable",
            "zset-v1",
            "hash-hashtable",
            "zset-v2",
            "module-pre-release",
            "module-value",
            "",
            "hash-zipmap",
            "list-ziplist",
            "set-intset",
            "zset-ziplist",
            "hash-ziplist",
            "quicklist",
            "stream",
            "hash-listpack",
            "zset-listpack",
            "quicklist-v2",
            "stream-v2",
            "set-listpack",
            "stream-v3",
            "hash-hashtable-md-pre-release",
            "hash-listpack-md-pre-release",
            "hash-hashtable-md",
            "hash-listpack-md",
        ];
        NAMES.get(usize::from(kind)).unwrap_or(&"unknown")
    }
}

/// How a length or a string begins.
pub mod length {
    /// The top two bits of the first byte: the other six are the length, its high bits, or a
    /// further code.
    pub const BITS_6: u8 = 0;
    pub const BITS_14: u8 = 1;
    pub const WIDE: u8 = 2;
    /// Whole first bytes of the wide forms.
    pub const BITS_32: u8 = 0x80;
    pub const BITS_64: u8 = 0x81;
    /// The low six bits of specially encoded strings.
    pub const INT_8: u8 = 0;
    pub const INT_16: u8 = 1;
    pub const INT_32: u8 = 2;
    pub const LZF: u8 = 3;
}

/// The kind of a list's node.
pub mod node {
    pub const PLAIN: u64 = 1;
    pub const PACKED: u64 = 2;
}

/// The newest version of Redis's that is read.
pub const VERSION_MAX: u16 = 12;
/// Valkey's own versions that are read.
pub const VALKEY_VERSIONS: std::ops::RangeInclusive<u16> = 80..=80;

/// The file's origin: the two use the same numbers for different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Redis,
    Valkey,
}

impl Dialect {
    /// The dialect of a payload of this version. `None`: a version not read here.
    pub fn of_version(version: u16) -> Option<Dialect> {
        if (1..=VERSION_MAX).contains(&version) {
            Some(Dialect::Redis)
        } else {
            VALKEY_VERSIONS
                .contains(&version)
                .then_some(Dialect::Valkey)
        }
    }
}
