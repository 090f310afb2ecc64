//! The version of a file that another server will load: what it can read, and what the data needs.

use super::format::Dialect;
use super::writer::{
    VERSION_FIELD_TTLS, VERSION_MIGRATE, VERSION_NEWEST, VERSION_PRODUCERS, VERSION_USUAL,
    VERSION_VALKEY,
};
use crate::keyspace::Keyspace;
use crate::types::Type;

/// The first release of Valkey that has expiring fields, and its own version of files.
const VALKEY_FIELD_TTLS: (u32, u32, u32) = (9, 0, 0);
/// Keys that the log names.
const NAMED_MAX: usize = 3;

/// What another server can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerFormat {
    /// Redis's files up to this version, at least 1.
    Redis { max: u32 },
    /// The release of a Valkey.
    Valkey { version: (u32, u32, u32) },
}

/// Another server, by what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its product and version, for messages.
    pub name: String,
    format: PeerFormat,
}

impl Peer {
    /// By INFO's section `server`. `None`: it names no version.
    pub fn of_info(text: &[u8]) -> Option<Peer> {
        let text = std::str::from_utf8(text).ok()?;
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        // Valkey tells the version of Redis that it compares to as well.
        if let Some(version) = field("valkey_version") {
            let format = PeerFormat::Valkey {
                version: numbers(version)?,
            };
            let name = format!("Valkey {version}");
            return Some(Peer { name, format });
        }
        let version = field("redis_version")?;
        let format = PeerFormat::Redis {
            max: redis_max(numbers(version)?),
        };
        let name = format!("Redis {version}");
        Some(Peer { name, format })
    }

    /// The versions of payloads that it reads, lowest first, from the usual one on.
    pub fn versions(&self) -> impl Iterator<Item = u32> {
        let own = match self.format {
            PeerFormat::Redis { max } => (VERSION_USUAL..=max, None),
            PeerFormat::Valkey { version } => {
                let is_own = version >= VALKEY_FIELD_TTLS;
                (
                    VERSION_USUAL..=VERSION_USUAL,
                    is_own.then_some(VERSION_VALKEY),
                )
            }
        };
        own.0.chain(own.1)
    }
}

/// The newest version of Redis's files that a release reads, as far as it is written here.
fn redis_max(version: (u32, u32, u32)) -> u32 {
    match version {
        (8, 8.., _) | (9.., ..) => VERSION_NEWEST,
        (8, 6.., _) => VERSION_PRODUCERS,
        (8, ..) | (7, 4.., _) => VERSION_FIELD_TTLS,
        (7, 2.., _) => VERSION_USUAL,
        _ => VERSION_MIGRATE,
    }
}

/// The three numbers of a release.
fn numbers(text: &str) -> Option<(u32, u32, u32)> {
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
/// then names keys that need it. A Valkey that has no version for them gets the usual one, which the
/// writer refuses at the first such key. O(databases).
pub fn sync_version(keyspace: &Keyspace, wanted: PeerFormat) -> (u32, Dialect) {
    let needs_ttls = keyspace.any_field_expires();
    let newer = [
        (keyspace.any_of(Type::Array), "some keys are arrays"),
        (
            keyspace.any_newer_stream(),
            "a stream has data of XCFGSET, XADD with IDMP or XNACK",
        ),
    ];
    let mut newer = newer.iter().filter(|(is_there, _)| *is_there).peekable();
    if newer.peek().is_some()
        && let PeerFormat::Redis { max } = wanted
    {
        if max < VERSION_NEWEST {
            for (_, what) in newer {
                tracing::warn!(
                    "A replica reads RDB version {max}; {what}, which needs version {VERSION_NEWEST}"
                );
            }
        }
        return (VERSION_NEWEST, Dialect::Redis);
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
        return (VERSION_FIELD_TTLS, Dialect::Redis);
    }
    match wanted {
        PeerFormat::Redis { max } if !needs_ttls => (max.min(VERSION_USUAL), Dialect::Redis),
        PeerFormat::Redis { max } => {
            if max < VERSION_FIELD_TTLS {
                log_keys(keyspace, &format!("RDB version {max}"));
            }
            (VERSION_FIELD_TTLS, Dialect::Redis)
        }
        PeerFormat::Valkey { version } if needs_ttls && version >= VALKEY_FIELD_TTLS => {
            (VERSION_VALKEY, Dialect::Valkey)
        }
        PeerFormat::Valkey { version } => {
            if needs_ttls {
                let (major, minor, patch) = version;
                log_keys(keyspace, &format!("Valkey {major}.{minor}.{patch}"));
            }
            (VERSION_USUAL, Dialect::Redis)
        }
    }
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
            Some((peer.name.clone(), peer.versions().collect::<Vec<u32>>()))
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
                "redis_version:255.255.255",
                "Redis 255.255.255",
                &[11, 12, 13, 14],
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:8.1.3\r\n",
                "Valkey 8.1.3",
                &[11],
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:9.1.2-rc1\r\n",
                "Valkey 9.1.2-rc1",
                &[11, 80],
            ),
        ] {
            assert_eq!(versions(info), Some((name.to_owned(), wanted.to_vec())));
        }
        for info in ["", "redis_version:", "redis_version:x.y.z", "other:1.2.3"] {
            assert_eq!(versions(info), None, "{info}");
        }
    }
}
