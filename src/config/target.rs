//! The servers that files can be made for (`russet convert`, `check-rdb --for`).
//!
//! A name is a product and a release whose files later releases read as well, up to the next name.
//! What the files of each can hold is known to `persistence::convert`.

use std::path::PathBuf;

use super::dialect::Dialect;

/// A server, by the first release with its form of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Redis70,
    Redis72,
    Redis80,
    Redis810,
    Valkey81,
    Valkey91,
}

impl Target {
    /// All names, oldest first.
    pub const ALL: [(&'static str, Target); 6] = [
        ("redis-7.0", Target::Redis70),
        ("redis-7.2", Target::Redis72),
        ("redis-8.0", Target::Redis80),
        ("redis-8.10", Target::Redis810),
        ("valkey-8.1", Target::Valkey81),
        ("valkey-9.1", Target::Valkey91),
    ];

    pub fn parse(name: &str) -> Option<Target> {
        let mut all = Target::ALL.iter();
        all.find(|(its, _)| *its == name).map(|(_, target)| *target)
    }

    pub fn name(self) -> &'static str {
        let mut all = Target::ALL.iter();
        all.find(|(_, target)| *target == self)
            .map_or("", |(name, _)| name)
    }

    pub fn dialect(self) -> Dialect {
        match self {
            Target::Valkey81 | Target::Valkey91 => Dialect::Valkey,
            _ => Dialect::Redis,
        }
    }
}

/// What `russet convert` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    pub target: Target,
    /// An RDB file; or a folder with a manifest, a manifest, or a single append only file.
    pub from: PathBuf,
    /// A file, or the folder of a set.
    pub to: PathBuf,
    /// What the target cannot read is left out; otherwise nothing is written.
    pub skips: bool,
    /// What is there already is replaced.
    pub replaces: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_target() {
        for (name, target) in Target::ALL {
            assert_eq!(Target::parse(name), Some(target));
            assert_eq!(target.name(), name);
            let is_valkey = name.starts_with("valkey-");
            assert_eq!(target.dialect() == Dialect::Valkey, is_valkey);
        }
        assert_eq!(Target::parse("redis"), None);
    }
}
