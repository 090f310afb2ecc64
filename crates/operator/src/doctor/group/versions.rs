//! Whether each data node can load the snapshot of each that may become its primary.
//!
//!     sender's kind and version -> RDB version that it sends -> whether the reader's kind loads it
//!
//! A replica that cannot load its new primary's snapshot tries a full sync again and again, without
//! data. The primary, and every replica whose priority is not 0, counts as a sender. The tables
//! hold the releases of Redis and Valkey.
//!
//! Cost: O(kinds^2).

use std::collections::BTreeMap;

use super::facts::{Address, Fields, text};
use super::watch::Watch;
use crate::doctor::report::list;
use russet_base::finding::Finding;

/// The highest version that russet reads.
const RUSSET_READS: u32 = 17;

/// A server's kind, with major and minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Redis(u32, u32),
    Valkey(u32, u32),
    Russet,
}

/// The version in an RDB file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rdb {
    Redis(u32),
    /// Valkey's own, from 80 on.
    Valkey(u32),
}

impl Kind {
    fn of(info: &Fields) -> Option<Kind> {
        if info.contains_key("russet_version") {
            return Some(Kind::Russet);
        }
        let version = |field: &str| {
            let mut parts = text(info, field).split('.');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        };
        if let Some((major, minor)) = version("valkey_version") {
            return Some(Kind::Valkey(major, minor));
        }
        let (major, minor) = version("redis_version")?;
        Some(match text(info, "server_name") {
            "valkey" => Kind::Valkey(major, minor),
            _ => Kind::Redis(major, minor),
        })
    }

    /// The version of the snapshot that it sends to a replica.
    fn sends(self, reader: Kind) -> Rdb {
        match self {
            Kind::Redis(major, minor) => Rdb::Redis(of_redis(major, minor)),
            Kind::Valkey(9.., _) if matches!(reader, Kind::Valkey(9.., _)) => Rdb::Valkey(80),
            Kind::Valkey(..) => Rdb::Redis(11),
            // A higher version only if the data needs it.
            Kind::Russet => Rdb::Redis(11),
        }
    }

    /// Whether it loads such a file.
    fn reads(self, rdb: Rdb) -> bool {
        match (self, rdb) {
            (Kind::Redis(major, minor), Rdb::Redis(version)) => version <= of_redis(major, minor),
            (Kind::Redis(..), Rdb::Valkey(_)) => false,
            (Kind::Valkey(..), Rdb::Redis(version)) => version <= 11,
            (Kind::Valkey(major, _), Rdb::Valkey(_)) => major >= 9,
            (Kind::Russet, Rdb::Redis(version)) => version <= RUSSET_READS,
            (Kind::Russet, Rdb::Valkey(version)) => version == 80,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Redis(major, minor) => write!(f, "Redis {major}.{minor}"),
            Kind::Valkey(major, minor) => write!(f, "Valkey {major}.{minor}"),
            Kind::Russet => f.write_str("russet"),
        }
    }
}

/// The version that a Redis writes, and the highest that it reads.
fn of_redis(major: u32, minor: u32) -> u32 {
    match (major, minor) {
        (0..=2, _) => 6,
        (3, _) => 7,
        (4, _) => 8,
        (5 | 6, _) => 9,
        (7, 0) => 10,
        (7, 1 | 2) => 11,
        (7, _) | (8, 0..=4) => 12,
        (8, 5 | 6) => 13,
        (8, 7 | 8) => 14,
        (8, 9 | 10) => 15,
        (8.., _) => 16,
    }
}

/// Servers by kind.
type Kinds<'a> = BTreeMap<Kind, Vec<&'a Address>>;

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let mut kinds: Kinds<'_> = BTreeMap::new();
    let mut senders: Kinds<'_> = BTreeMap::new();
    for (at, node) in watch.nodes() {
        let Some(kind) = Kind::of(&node.info) else {
            continue;
        };
        kinds.entry(kind).or_default().push(at);
        if *at == watch.primary || text(&node.info, "slave_priority") != "0" {
            senders.entry(kind).or_default().push(at);
        }
    }
    for (sender, senders) in &senders {
        for (reader, readers) in kinds.iter().filter(|(reader, _)| *reader != sender) {
            let rdb = sender.sends(*reader);
            if reader.reads(rdb) {
                continue;
            }
            let version = match rdb {
                Rdb::Redis(version) | Rdb::Valkey(version) => version,
            };
            let is_now = senders.contains(&&watch.primary);
            let when = if is_now {
                "as it must now"
            } else {
                "if it is promoted"
            };
            to.push(Finding::warning(
                "version",
                format!(
                    "{} ({reader}) cannot load a snapshot of {} ({sender}, RDB version {version}), {when}: \
                     a full sync fails again and again, without data",
                    list(readers),
                    list(senders)
                ),
                match sender {
                    Kind::Russet => "CONFIG SET rdb-version 10 at the russet servers".to_owned(),
                    _ if is_now => format!("bring {reader} to the version of {sender}"),
                    _ => format!("replica-priority 0 at {}, or the same version everywhere", list(senders)),
                },
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, findings};
    use super::*;

    #[test]
    fn russet_reads_what_it_says() {
        let version_max = russet_persistence::rdb::format::VERSION_MAX;
        assert_eq!(RUSSET_READS, u32::from(version_max));
    }

    #[test]
    fn snapshots_go_only_to_those_that_read_them() {
        use Kind::{Redis, Russet, Valkey};
        for (sender, reader, reads) in [
            (Redis(7, 0), Redis(8, 0), true),
            (Redis(8, 0), Redis(7, 0), false),
            (Redis(7, 2), Redis(7, 0), false),
            (Redis(7, 4), Redis(8, 4), true),
            (Redis(8, 4), Redis(7, 4), true),
            (Redis(8, 6), Redis(8, 4), false),
            (Redis(8, 10), Redis(8, 8), false),
            (Redis(7, 2), Valkey(9, 1), true),
            (Redis(7, 4), Valkey(9, 1), false),
            (Valkey(9, 1), Redis(8, 0), true),
            (Valkey(9, 1), Redis(7, 0), false),
            (Valkey(9, 1), Valkey(8, 1), true),
            (Valkey(9, 1), Valkey(9, 0), true),
            (Valkey(9, 1), Russet, true),
            (Redis(8, 10), Russet, true),
            (Redis(8, 12), Russet, true),
            (Russet, Redis(7, 0), false),
            (Russet, Redis(7, 2), true),
            (Russet, Valkey(8, 0), true),
        ] {
            assert_eq!(
                reader.reads(sender.sends(reader)),
                reads,
                "{sender} to {reader}"
            );
        }
    }

    #[test]
    fn versions_that_cannot_follow_each_other_are_named() {
        let mut fake = Fake::healthy();
        assert_eq!(findings(&fake, look), [""; 0]);
        fake.info(2, "redis_version", "7.0.15");
        // The primary and the other replica are one kind.
        assert_eq!(findings(&fake, look), ["WARN version"]);
        fake.info(3, "redis_version", "8.10.2");
        assert_eq!(findings(&fake, look).len(), 3);
        fake.info(3, "slave_priority", "0");
        assert_eq!(findings(&fake, look), ["WARN version"]);
        for version in ["", "x", "8", "9999999999.1.1"] {
            fake.info(2, "redis_version", version);
            assert_eq!(findings(&fake, look), [""; 0]);
        }
        fake.info(2, "valkey_version", "9.1.2");
        assert_eq!(findings(&fake, look), ["WARN version"]);
    }
}
