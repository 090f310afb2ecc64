//! The real servers that tests compare russet with.
//!
//! `tests/peers/install` puts them into a folder outside the tree. If a server is missing, a test
//! passes and prints a line about the part that did not run; with `RUSSET_REQUIRE_PEERS=1` it
//! fails.

use std::{
    collections::BTreeSet,
    env,
    io::Write,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// A server whose answers are the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Redis 8.0: russet matches it byte for byte.
    Redis8,
    /// Redis 7.0.
    Redis7,
    /// Redis 8.10: the newest version, which decides where the versions differ.
    Redis810,
    /// Valkey 9.1: the reference of its dialect.
    Valkey9,
    /// Redis Stack 7.4: the reference for commands that are modules there.
    Stack7,
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Peer::Redis8 => "Redis 8.0",
            Peer::Redis7 => "Redis 7.0",
            Peer::Redis810 => "Redis 8.10",
            Peer::Valkey9 => "Valkey 9.1",
            Peer::Stack7 => "Redis Stack 7.4",
        }
    }

    /// russet's arguments for a comparison with this server.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Peer::Valkey9 => &["--dialect", "valkey"],
            _ => &[],
        }
    }

    fn path_in_folder(self) -> &'static str {
        match self {
            Peer::Redis8 => "redis8/src/redis-server",
            Peer::Redis7 => "redis7/redis-server",
            Peer::Redis810 => "redis810/redis-server",
            Peer::Valkey9 => "valkey9/valkey-server",
            Peer::Stack7 => "stack7/redis-stack",
        }
    }

    /// The server's program, if it is installed.
    pub fn program(self) -> Option<PathBuf> {
        let path = folder().join(self.path_in_folder());
        path.exists().then_some(path)
    }

    /// The server's program. If it is missing, prints that `what` does not run, or fails if peers
    /// are required.
    pub fn program_for(self, what: &str) -> Option<PathBuf> {
        let program = self.program();
        if program.is_none() {
            left_out(&format!(
                "{what}: no {} in {}",
                self.name(),
                folder().display()
            ));
        }
        program
    }
}

/// `$RUSSET_PEERS`, else `russet/peers` in the user's cache.
pub fn folder() -> PathBuf {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("RUSSET_PEERS").unwrap_or_else(|| {
        set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(|| Path::new("/var/cache").to_path_buf())
            .join("russet/peers")
    })
}

/// Whether a missing peer is a failure (`RUSSET_REQUIRE_PEERS=1`).
pub fn required() -> bool {
    env::var("RUSSET_REQUIRE_PEERS").is_ok_and(|value| value == "1")
}

/// Prints which part of a test did not run, past the test runner's capture; fails if peers are
/// required.
#[track_caller]
pub fn left_out(what: &str) {
    assert!(!required(), "{what} (run tests/peers/install)");
    let _ = writeln!(
        std::io::stderr(),
        "left out: {what} (run tests/peers/install)"
    );
}
