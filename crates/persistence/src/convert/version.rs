//! The versions of RDB files that a target loads as they are. A server refuses a file by its first
//! nine bytes, whatever the keys in it are.

use super::super::rdb::{RdbEnd, RdbOrigin};
use russet_config::Release;

/// The newest version with Redis's magic that a target loads. Source: the servers themselves, which
/// `tests/it/convert.rs` asks.
fn redis_version_max(target: Release) -> u16 {
    match target {
        Release::Redis70 => 10,
        Release::Redis72 | Release::Valkey81 | Release::Valkey91 => 11,
        Release::Redis80 => 12,
        Release::Redis810 => 15,
        // By its documents, because no server was there to be asked.
        Release::Redis812 => 17,
    }
}

/// A line for the user if a target refuses a file of this version before it reads a key.
pub fn unreadable_version(target: Release, end: RdbEnd) -> Option<String> {
    let (version, max) = (end.version, redis_version_max(target));
    let reads = match end.dialect {
        RdbOrigin::Redis => version <= max,
        RdbOrigin::Valkey => target == Release::Valkey91 && version == 80,
    };
    if reads {
        return None;
    }
    let name = target.name();
    let whose = match end.dialect {
        RdbOrigin::Redis => "",
        RdbOrigin::Valkey => " of Valkey",
    };
    Some(format!(
        "{name} does not load this file as it is: it has RDB version {version}{whose}, and {name} reads versions \
         up to {max}{}. `russet convert --to {name}` writes the file for it.\n",
        if target == Release::Valkey91 {
            " and its own 80"
        } else {
            ""
        }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::Sum;

    fn end(version: u16, dialect: RdbOrigin) -> RdbEnd {
        RdbEnd {
            version,
            dialect,
            sum: Sum::Disabled,
            bytes: 9,
        }
    }

    /// A file of strings alone was called readable for Redis 7.0, which refused its version.
    #[test]
    fn a_version_is_judged_like_a_key() {
        let said = |target, version, dialect| unreadable_version(target, end(version, dialect));
        let text = said(Release::Redis70, 11, RdbOrigin::Redis).expect("it is refused");
        assert!(text.contains("has RDB version 11, and redis-7.0 reads versions up to 10."));
        assert!(text.contains("`russet convert --to redis-7.0`"));
        for (target, newest) in [
            (Release::Redis70, 10),
            (Release::Redis72, 11),
            (Release::Redis80, 12),
            (Release::Redis810, 15),
            (Release::Redis812, 17),
            (Release::Valkey81, 11),
            (Release::Valkey91, 11),
        ] {
            assert_eq!(said(target, newest, RdbOrigin::Redis), None);
            assert!(said(target, newest + 1, RdbOrigin::Redis).is_some());
            let reads_own = said(target, 80, RdbOrigin::Valkey).is_none();
            assert_eq!(reads_own, target == Release::Valkey91);
        }
        let text = said(Release::Valkey91, 81, RdbOrigin::Valkey).expect("it is refused");
        assert!(text.contains("version 81 of Valkey") && text.contains("up to 11 and its own 80."));
    }
}
