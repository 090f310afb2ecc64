//! The version of a file that another server will load: what it can read, and what the data needs.

use super::format::Dialect;
use super::writer::{VERSION_FIELD_TTLS, VERSION_NEWEST, VERSION_USUAL, VERSION_VALKEY};
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
