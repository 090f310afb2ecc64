//! The modules of other servers whose commands are built in.
//!
//! Clients decide by the names and versions that INFO, MODULE LIST and HELLO show. A `loadmodule`
//! line for one of the files has no effect: what it would load is there.

/// A module whose commands are built in.
#[derive(Debug)]
pub struct Module {
    /// As MODULE LIST has it.
    pub name: &'static str,
    /// As its own releases number themselves: 8.10.2 is 81002.
    pub version: u32,
    /// As MODULE LIST has it: what is built in has none, or a word.
    pub path: &'static str,
    /// The options that INFO shows.
    pub options: &'static str,
    /// The file that a `loadmodule` line names; `""`: it has none.
    pub file: &'static str,
}

const VECTOR_SET: Module = Module {
    name: "vectorset",
    version: 1,
    path: "",
    options: "handle-io-errors|handle-repl-async-load",
    file: "",
};

const LUA: Module = Module {
    name: "lua",
    version: 1,
    path: "lua",
    options: "",
    file: "",
};

const JSON: Module = Module {
    name: "ReJSON",
    version: 81002,
    path: "",
    options: "handle-io-errors",
    file: "rejson.so",
};

const SKETCHES: Module = Module {
    name: "bf",
    version: 81002,
    path: "",
    options: "handle-io-errors",
    file: "redisbloom.so",
};

const TIME_SERIES: Module = Module {
    name: "timeseries",
    version: 81002,
    path: "",
    options: "handle-io-errors",
    file: "redistimeseries.so",
};

/// Redis's, as its image has them.
pub(super) const REDIS: &[Module] = &[VECTOR_SET, JSON, SKETCHES, TIME_SERIES];
/// Valkey's, and those of Redis that do not clash with them.
pub(super) const VALKEY: &[Module] = &[LUA, JSON, SKETCHES, TIME_SERIES];

/// Whether a `loadmodule` line names a module that is built in, by its file's name.
pub(super) fn is_built_in(path: &[u8]) -> bool {
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let named = |module: &Module| !module.file.is_empty() && module.file.as_bytes() == file;
    REDIS.iter().chain(VALKEY).any(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_file() {
        assert!(is_built_in(b"/usr/local/lib/redis/modules//rejson.so"));
        assert!(is_built_in(b"rejson.so") && is_built_in(b"/x/redisbloom.so"));
        for other in [&b"/x/rejson.so/"[..], b"", b"/", b"/x/other.so"] {
            assert!(!is_built_in(other));
        }
    }
}
