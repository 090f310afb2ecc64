//! The version of a file that another server will load: the newest that it reads, if the data does
//! not need a newer version.
//!
//! Two users. A full synchronization writes all keys in one version (`sync_version`,
//! `version_with_imports`); if the peer cannot read it, the log reports the data that needs it, and
//! the peer refuses the file. MIGRATE writes each value in the lowest version that holds it and
//! that the peer reads ([`Peer::fit`]); if there is none, the command fails.
//!
//! Cost: O(databases), from counts that the keyspace keeps; only [`obstacle`] looks for a key. A
//! version's capacity is `rdb::writer`'s.

use super::format::RdbOrigin;
use super::writer::{
    RdbWriter, VERSION_BLESSED, VERSION_FIELD_TTLS, VERSION_MEMBER_TTLS, VERSION_MIGRATE,
    VERSION_NEWEST, VERSION_PRODUCERS, VERSION_USUAL, VERSION_VALKEY, VERSION_VALKEY_PATHS,
    is_valkey,
};
use russet_keyspace::{DbIndex, Keyspace, ValueView};
use russet_types::Type;

/// Major, minor, patch.
type Release = (u32, u32, u32);

/// The first release of Valkey that has expiring fields, and its own version of files.
const VALKEY_FIELD_TTLS: Release = (9, 0, 0);
/// The first release of Valkey that has path hashes.
const VALKEY_PATHS: Release = (9, 2, 0);
/// The first release of Redis that has vector sets.
const REDIS_VECTOR_SETS: Release = (8, 0, 0);
/// The types that are data of a module in Redis's files.
const MODULE_TYPES: [Type; 2] = [Type::VectorSet, Type::PathHash];
/// Types whose modules a Redis may lack, whatever its version, with the module and their name.
pub(crate) const OTHER_MODULES: [(Type, &str, &str); 8] = [
    (Type::Json, "ReJSON", "JSON documents"),
    (Type::Bloom, "bf", "Bloom filters"),
    (Type::Cuckoo, "bf", "cuckoo filters"),
    (Type::CountMin, "bf", "count-min sketches"),
    (Type::TopK, "bf", "top-k lists"),
    (Type::TDigest, "bf", "t-digests"),
    (Type::TimeSeries, "timeseries", "time series"),
    (Type::Suggestions, "search", "suggestions"),
];
/// Keys that the log names.
const NAMED_MAX: usize = 3;

/// The file format that another server reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerFormat {
    /// Redis's files up to this version, at least 1.
    Redis {
        /// The highest version of its files.
        max: u32,
    },
    /// The release of a Valkey.
    Valkey {
        /// The release, which decides on the version of its files.
        version: Release,
    },
}

/// Another server, as its INFO describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The product and version, for messages.
    pub name: String,
    /// The versions of payloads that it reads, lowest first, from the usual version on.
    versions: Vec<u32>,
    /// The types that it reads as data of a module.
    module_types: &'static [Type],
}

impl Peer {
    /// By INFO's section `server`. `None`: it names no version.
    pub fn of_info(text: &[u8]) -> Option<Peer> {
        let text = std::str::from_utf8(text).ok()?;
        let release = |name: &str| {
            let mut lines = text.lines();
            numbers(lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?)
        };
        let named = |product, (major, minor, patch): Release| {
            // Not the text itself, which may hold anything.
            format!("{product} {major}.{minor}.{patch}")
        };
        // The more special name first: russet gives a version of Valkey or Redis for comparison,
        // too, and Valkey a version of Redis.
        if let Some(version) = release("russet_version") {
            let versions = VERSION_USUAL..=VERSION_MEMBER_TTLS;
            return Some(Peer {
                name: named("russet", version),
                versions: versions
                    .chain([VERSION_VALKEY, VERSION_VALKEY_PATHS])
                    .collect(),
                module_types: &MODULE_TYPES,
            });
        }
        if let Some(version) = release("valkey_version") {
            let own = [
                (VALKEY_FIELD_TTLS, VERSION_VALKEY),
                (VALKEY_PATHS, VERSION_VALKEY_PATHS),
            ];
            let own = own.into_iter().filter(|(since, _)| version >= *since);
            return Some(Peer {
                name: named("Valkey", version),
                versions: [VERSION_USUAL]
                    .into_iter()
                    .chain(own.map(|(_, version)| version))
                    .collect(),
                module_types: &[],
            });
        }
        let version = release("redis_version")?;
        Some(Peer {
            name: named("Redis", version),
            versions: (VERSION_USUAL..=redis_max(version)).collect(),
            module_types: if version >= REDIS_VECTOR_SETS {
                &[Type::VectorSet]
            } else {
                &[]
            },
        })
    }

    /// Sets the version of `writer` to the lowest version that holds a value and that the server
    /// reads. An error is the part of the value that no such version holds.
    pub fn fit(&self, writer: &mut RdbWriter, value: &ValueView<'_>) -> Result<(), &'static str> {
        let kind = match value {
            ValueView::Container(container) => container.kind(),
            _ => Type::String,
        };
        let versions = self.versions_for(kind);
        writer.fit_one_of(std::iter::once(VERSION_MIGRATE).chain(versions), value)
    }

    fn versions_for(&self, kind: Type) -> impl Iterator<Item = u32> {
        let reads_all = !MODULE_TYPES.contains(&kind) || self.module_types.contains(&kind);
        // Valkey has path hashes in a form of their own.
        let has_own = move |version| kind == Type::PathHash && is_valkey(version);
        let versions = self.versions.iter().copied();
        // Redis 7.4 has the version with vector sets, but not these.
        versions
            .filter(move |&version| reads_all || version < VERSION_FIELD_TTLS || has_own(version))
    }
}

/// The newest version of Redis's files that a release reads, as far as it is written here.
fn redis_max(version: Release) -> u32 {
    match version {
        (8, 12.., _) | (9.., ..) => VERSION_MEMBER_TTLS,
        (8, 8.., _) => VERSION_NEWEST,
        (8, 6.., _) => VERSION_PRODUCERS,
        (8, ..) | (7, 4.., _) => VERSION_FIELD_TTLS,
        (7, 2.., _) => VERSION_USUAL,
        _ => VERSION_MIGRATE,
    }
}

/// The numbers of a release, whatever follows their digits. A release without a third number has 0.
fn numbers(text: &str) -> Option<Release> {
    let mut parts = text.trim().splitn(3, '.');
    let mut number = || {
        let part = parts.next()?;
        let end = part.find(|c: char| !c.is_ascii_digit());
        part[..end.unwrap_or(part.len())].parse().ok()
    };
    Some((number()?, number()?, number().unwrap_or(0)))
}

/// The version and dialect of a file of all keys for a peer: at most the usual version, unless the
/// data needs more. A version that the peer cannot read is the lowest that holds the data; the log
/// then names keys that need it. A Valkey that has no version for them gets the usual version,
/// which the writer refuses at the first such key. O(databases).
pub fn sync_version(keyspace: &Keyspace, wanted: PeerFormat) -> (u32, RdbOrigin) {
    if let PeerFormat::Redis { max } = wanted
        && max >= VERSION_MEMBER_TTLS
        && keyspace.any_member_expires()
    {
        return (VERSION_MEMBER_TTLS, RdbOrigin::Redis);
    }
    // A peer that does not read the marks of BLESS, or expiries of members, gets a file without
    // them: they are no data. Bitmaps are strings in such a file.
    if (keyspace.blessed_keys() > 0 || keyspace.any_of(Type::Bitmap))
        && matches!(
            wanted,
            PeerFormat::Redis {
                max: VERSION_BLESSED..
            }
        )
    {
        return (VERSION_BLESSED, RdbOrigin::Redis);
    }
    log_missing_modules(keyspace, wanted);
    if let PeerFormat::Redis { max } = wanted
        && needs_newest(keyspace, max)
    {
        return (VERSION_NEWEST, RdbOrigin::Redis);
    }
    if keyspace.any_of(Type::VectorSet) {
        if !matches!(
            wanted,
            PeerFormat::Redis {
                max: VERSION_FIELD_TTLS..
            }
        ) {
            tracing::warn!(
                "A replica may not read RDB version {VERSION_FIELD_TTLS}, which vector sets need"
            );
        }
        return (VERSION_FIELD_TTLS, RdbOrigin::Redis);
    }
    if keyspace.any_of(Type::PathHash) {
        return match wanted {
            PeerFormat::Valkey { version } if version >= VALKEY_PATHS => {
                (VERSION_VALKEY_PATHS, RdbOrigin::Valkey)
            }
            wanted => {
                if !matches!(wanted, PeerFormat::Redis { max } if max >= VERSION_FIELD_TTLS) {
                    tracing::warn!("A replica may have no path hashes; some keys are path hashes");
                }
                (VERSION_FIELD_TTLS, RdbOrigin::Redis)
            }
        };
    }
    version_of_hashes(keyspace, wanted)
}

/// Logs the modules of the data that a peer may lack.
fn log_missing_modules(keyspace: &Keyspace, wanted: PeerFormat) {
    // Redis 8 and Redis Stack 7.4 have the modules; others may have them.
    let may_have_modules = matches!(
        wanted,
        PeerFormat::Redis {
            max: VERSION_FIELD_TTLS..
        }
    );
    let modules = OTHER_MODULES.iter().filter(|_| !may_have_modules);
    for (kind, module, what) in modules.filter(|its| keyspace.any_of(its.0)) {
        tracing::warn!(
            "A replica may not have the module {module}; some keys are {what}, without it the \
             replica refuses the file by the name {}",
            kind.name()
        );
    }
}

/// Whether keys need the newest version; if the peer reads only up to `max`, the log names them.
fn needs_newest(keyspace: &Keyspace, max: u32) -> bool {
    let newer = [
        (keyspace.any_of(Type::Array), "some keys are arrays"),
        (
            keyspace.any_newer_stream(),
            "a stream has data of XCFGSET, XADD with IDMP or XNACK",
        ),
    ];
    let mut newer = newer.iter().filter(|(is_there, _)| *is_there).peekable();
    let is_needed = newer.peek().is_some();
    if max < VERSION_NEWEST {
        for (_, what) in newer {
            tracing::warn!(
                "A replica reads RDB version {max}; {what}, which needs version {VERSION_NEWEST}"
            );
        }
    }
    is_needed
}

/// The version of a file in which only hashes with expiring fields may need a newer version than
/// the usual.
fn version_of_hashes(keyspace: &Keyspace, wanted: PeerFormat) -> (u32, RdbOrigin) {
    let needs_ttls = keyspace.any_field_expires();
    match wanted {
        PeerFormat::Redis { max } if !needs_ttls => (max.min(VERSION_USUAL), RdbOrigin::Redis),
        PeerFormat::Redis { max } => {
            if max < VERSION_FIELD_TTLS {
                log_keys(keyspace, &format!("RDB version {max}"));
            }
            (VERSION_FIELD_TTLS, RdbOrigin::Redis)
        }
        PeerFormat::Valkey { version } if needs_ttls && version >= VALKEY_FIELD_TTLS => {
            (VERSION_VALKEY, RdbOrigin::Valkey)
        }
        PeerFormat::Valkey { version } => {
            if needs_ttls {
                let (major, minor, patch) = version;
                log_keys(keyspace, &format!("Valkey {major}.{minor}.{patch}"));
            }
            (VERSION_USUAL, RdbOrigin::Redis)
        }
    }
}

/// The version and dialect of a file of all keys that also names imports of slots, for a peer that
/// reads these in a file; else those of `usual`. The version of a Valkey that has field expiry has
/// imports, too.
pub fn version_with_imports(usual: (u32, RdbOrigin), wanted: PeerFormat) -> (u32, RdbOrigin) {
    match wanted {
        PeerFormat::Valkey { version }
            if version >= VALKEY_FIELD_TTLS && usual.0 <= VERSION_USUAL =>
        {
            (VERSION_VALKEY, RdbOrigin::Valkey)
        }
        _ => usual,
    }
}

/// Data that another server cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The description, for example `array`.
    pub what: &'static str,
    /// The lowest version of a file that has it.
    pub version: u32,
    /// A key that has it, if it was found soon.
    pub key: Option<(DbIndex, Box<[u8]>)>,
}

/// Keys that are examined in search of a type.
const LOOKED_AT_MAX: usize = 100_000;

/// The first kind of data that a peer probably cannot read. O([`LOOKED_AT_MAX`]).
pub fn obstacle(keyspace: &Keyspace, wanted: PeerFormat) -> Option<Obstacle> {
    let max = match wanted {
        PeerFormat::Redis { max } => max,
        PeerFormat::Valkey { .. } => VERSION_USUAL,
    };
    let release = match wanted {
        PeerFormat::Redis { .. } => None,
        PeerFormat::Valkey { version } => Some(version),
    };
    let of_type = |kind: Type, what, version| {
        let reads_it = max >= version && kind != Type::PathHash;
        let is_one = !reads_it && keyspace.any_of(kind);
        is_one.then(|| Obstacle {
            what,
            version,
            key: keyspace.find_of(kind, LOOKED_AT_MAX),
        })
    };
    let of_stream = || {
        let is_one = max < VERSION_NEWEST && keyspace.any_newer_stream();
        let mut all = keyspace.in_use();
        is_one.then(|| Obstacle {
            what: "stream with data of XCFGSET, XADD with IDMP or XNACK",
            version: VERSION_NEWEST,
            key: all.find_map(|(at, db)| Some((at, db.streams().soonest().next()?.into()))),
        })
    };
    let has_paths = release.is_some_and(|release| release >= VALKEY_PATHS);
    let has_ttls = release.is_some_and(|release| release >= VALKEY_FIELD_TTLS);
    let of_field = || {
        let is_one = max < VERSION_FIELD_TTLS && !has_ttls && keyspace.any_field_expires();
        let mut all = keyspace.in_use();
        is_one.then(|| Obstacle {
            what: "hash with fields that expire",
            version: VERSION_FIELD_TTLS,
            key: all.find_map(|(at, db)| Some((at, db.fields().soonest().next()?.into()))),
        })
    };
    let of_member = || {
        let is_one = max < VERSION_MEMBER_TTLS && keyspace.any_member_expires();
        let mut all = keyspace.in_use();
        is_one.then(|| Obstacle {
            what: "set with members that expire",
            version: VERSION_MEMBER_TTLS,
            key: all.find_map(|(at, db)| Some((at, db.members().soonest().next()?.into()))),
        })
    };
    of_type(Type::Array, "array", VERSION_NEWEST)
        .or_else(of_stream)
        .or_else(|| of_type(Type::VectorSet, "vector set", VERSION_FIELD_TTLS))
        .or_else(|| {
            if has_paths {
                None
            } else {
                of_type(Type::PathHash, "path hash", VERSION_FIELD_TTLS)
            }
        })
        .or_else(of_field)
        .or_else(of_member)
}

/// Logs the first few hashes whose fields expire, which `reader` cannot hold.
fn log_keys(keyspace: &Keyspace, reader: &str) {
    let databases = keyspace.in_use();
    let all = databases.flat_map(|(at, db)| db.fields().soonest().map(move |key| (at, key)));
    let named: Vec<String> = all
        .take(NAMED_MAX)
        .map(|(at, key)| format!("'{}' (db {})", key.escape_ascii(), at.0))
        .collect();
    tracing::warn!(
        "A replica reads {reader}, which has no fields that expire; some keys have them, such as {}",
        named.join(", ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_reads_what_its_release_reads() {
        let versions = |info: &str| {
            let peer = Peer::of_info(info.as_bytes())?;
            Some((peer.name.clone(), peer.versions.clone()))
        };
        for (info, name, wanted) in [
            ("redis_version:7.0.15\r\n", "Redis 7.0.15", &[][..]),
            ("redis_version:7.2.4", "Redis 7.2.4", &[11]),
            (
                "# Server\r\nredis_version:8.0.6\r\n",
                "Redis 8.0.6",
                &[11, 12],
            ),
            ("redis_version:8.6.2", "Redis 8.6.2", &[11, 12, 13]),
            ("redis_version:8.10.2", "Redis 8.10.2", &[11, 12, 13, 14]),
            (
                "redis_version:8.12.0",
                "Redis 8.12.0",
                &[11, 12, 13, 14, 15, 16, 17],
            ),
            (
                "redis_version:255.255.255",
                "Redis 255.255.255",
                &[11, 12, 13, 14, 15, 16, 17],
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:8.1.3\r\n",
                "Valkey 8.1.3",
                &[11],
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:9.1.2-rc1\r\n",
                "Valkey 9.1.2",
                &[11, 80],
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:9.2.0\r\n",
                "Valkey 9.2.0",
                &[11, 80, 81],
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nrusset_version:0.1.0\r\n",
                "russet 0.1.0",
                &[11, 12, 13, 14, 15, 16, 17, 80, 81],
            ),
            ("redis_version:8.0.6\x1b[31m'", "Redis 8.0.6", &[11, 12]),
        ] {
            assert_eq!(versions(info), Some((name.to_owned(), wanted.to_vec())));
        }
        for info in ["", "redis_version:", "redis_version:x.y.z", "other:1.2.3"] {
            assert_eq!(versions(info), None, "{info}");
        }
    }

    #[test]
    fn types_go_only_where_they_are_known() {
        for (info, vectors, paths) in [
            ("redis_version:7.4.2", &[11][..], &[11][..]),
            ("redis_version:8.0.0", &[11, 12], &[11]),
            (
                "redis_version:7.2.4\nvalkey_version:9.1.2",
                &[11],
                &[11, 80],
            ),
            (
                "redis_version:7.2.4\nvalkey_version:9.2.0",
                &[11],
                &[11, 80, 81],
            ),
            (
                "redis_version:8.0.6\nrusset_version:0.1.0",
                &[11, 12, 13, 14, 15, 16, 17, 80, 81],
                &[11, 12, 13, 14, 15, 16, 17, 80, 81],
            ),
        ] {
            let peer = Peer::of_info(info.as_bytes()).expect("a version");
            let of = |kind| peer.versions_for(kind).collect::<Vec<u32>>();
            assert_eq!(of(Type::VectorSet), vectors, "{info}");
            assert_eq!(of(Type::PathHash), paths, "{info}");
            assert_eq!(of(Type::Hash), peer.versions, "{info}");
        }
    }
}
