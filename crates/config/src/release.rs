//! The servers that files can be made for (`russet convert`, `check-rdb --for`).
//!
//! A name is a product and a release whose files later releases read as well, up to the next name.
//! `persistence::convert` knows what the files of each can hold.

use std::path::PathBuf;

use super::dialect::Dialect;

/// A server, by the first release with its form of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Redis 7.0: RDB files of version 10.
    Redis70,
    /// Redis 7.2: RDB files of version 11.
    Redis72,
    /// Redis 8.0: RDB files of version 12, with fields that expire.
    Redis80,
    /// Redis 8.10: RDB files of version 14.
    Redis810,
    /// Redis 8.12: RDB files of version 17, with marks of BLESS and members that expire.
    Redis812,
    /// Valkey 8.1: RDB files of version 11.
    Valkey81,
    /// Valkey 9.1: RDB files of version 80, its own.
    Valkey91,
}

impl Release {
    /// All names, oldest first.
    pub const ALL: [(&'static str, Release); 7] = [
        ("redis-7.0", Release::Redis70),
        ("redis-7.2", Release::Redis72),
        ("redis-8.0", Release::Redis80),
        ("redis-8.10", Release::Redis810),
        ("redis-8.12", Release::Redis812),
        ("valkey-8.1", Release::Valkey81),
        ("valkey-9.1", Release::Valkey91),
    ];

    pub(crate) fn parse(name: &str) -> Option<Release> {
        let mut all = Release::ALL.iter();
        all.find(|(its, _)| *its == name)
            .map(|(_, release)| *release)
    }

    /// The name, as `--for` takes it.
    pub fn name(self) -> &'static str {
        let mut all = Release::ALL.iter();
        all.find(|(_, release)| *release == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether the server is made with Redis's modules.
    pub fn has_modules(self) -> bool {
        matches!(
            self,
            Release::Redis80 | Release::Redis810 | Release::Redis812
        )
    }

    /// The dialect of its product.
    pub fn dialect(self) -> Dialect {
        match self {
            Release::Valkey81 | Release::Valkey91 => Dialect::Valkey,
            _ => Dialect::Redis,
        }
    }
}

/// The arguments of `russet convert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The server that is to read the files.
    pub target: Release,
    /// An RDB file; or a folder with a manifest, a manifest, or a single append only file.
    pub from: PathBuf,
    /// A file, or the folder of a set.
    pub to: PathBuf,
    /// Leaves out what the target cannot read; otherwise nothing is written then.
    pub skips: bool,
    /// Replaces existing files.
    pub replaces: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_target() {
        for (name, release) in Release::ALL {
            assert_eq!(Release::parse(name), Some(release));
            assert_eq!(release.name(), name);
            let is_valkey = name.starts_with("valkey-");
            assert_eq!(release.dialect() == Dialect::Valkey, is_valkey);
        }
        assert_eq!(Release::parse("redis"), None);
    }
}
