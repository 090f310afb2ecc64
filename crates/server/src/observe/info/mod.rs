//! INFO: the server's figures, in sections of `name:value` lines.
//!
//! Sections and fields have Redis 8.10's order, names and formats, because monitoring tools parse
//! them. If russet lacks the feature of a field, INFO shows the field only if its value is true
//! anyway (nothing loads, nothing is tracked).
//!
//! [`SECTIONS`] has all sections in order; `writer` has their text. A report takes its totals over
//! clients once ([`Source`]), however many sections show them.
//! Cost: O(clients + databases + commands called), for the sections wanted.

pub mod activity;
pub mod budgets;
pub mod changes;
pub mod commands;
mod findings;
pub mod keyspace;
pub mod memory;
pub mod prefixes;
pub mod process;
pub mod replication;
pub mod search;
mod source;
pub mod tls;
mod writer;

pub use memory::{MemoryFigures, OWN_METRICS, excess, memory_figures};
pub use source::Source;

use writer::InfoWriter;

/// A section: the name, whether INFO shows it by default, and the writer.
struct Section {
    name: &'static str,
    by_default: bool,
    write: fn(&Source<'_>, &mut InfoWriter),
}

const fn section(
    name: &'static str,
    by_default: bool,
    write: fn(&Source<'_>, &mut InfoWriter),
) -> Section {
    Section {
        name,
        by_default,
        write,
    }
}

const SECTIONS: &[Section] = &[
    section("server", true, process::server),
    section("clients", true, process::clients),
    section("memory", true, memory::memory),
    section("persistence", true, activity::persistence),
    section("threads", true, process::threads),
    section("stats", true, activity::stats),
    section("replication", true, replication::replication),
    section("cpu", true, process::cpu),
    section("hotkeys", true, process::hotkeys),
    section("modules", true, process::modules),
    section("commandstats", false, commands::commandstats),
    section("errorstats", true, commands::errorstats),
    section("latencystats", false, commands::latencystats),
    section("budgets", false, budgets::budgets),
    section("changes", false, changes::changes),
    section("tls", false, tls::tls),
    section("findings", false, findings::findings),
    section("cluster", true, process::cluster),
    section("keyspace", true, keyspace::keyspace),
    section("keysizes", true, keyspace::keysizes),
    section("search", false, search::search),
    section("prefixstats", false, prefixes::prefix_stats),
];

/// The sections of a Sentinel.
const OF_SENTINEL: &[Section] = &[
    section("server", true, process::server),
    section("clients", true, process::clients),
    section("stats", true, activity::stats),
    section("cpu", true, process::cpu),
    section("sentinel", true, process::sentinel),
    section("findings", false, findings::findings),
];

/// Shown only by name, never among "all".
const DEBUG: Section = section("debug", false, process::debug);

/// The sections in `wanted`, each once, in the fixed order; unknown names are ignored. No name
/// means `default`; `all` and `everything` select all.
pub fn info(source: &Source<'_>, wanted: &[&[u8]]) -> String {
    let names = |name: &str| {
        let mut words = wanted.iter();
        words.any(|w| w.eq_ignore_ascii_case(name.as_bytes()))
    };
    let all = names("all") || names("everything");
    let default = names("default") || wanted.is_empty();
    let mut writer = InfoWriter::new();
    let sections = if source.server.is_sentinel() {
        OF_SENTINEL
    } else {
        SECTIONS
    };
    for section in sections {
        // Redis has two names for the list of modules.
        let also = section.name == "modules" && names("module_list");
        // `search` looks at all terms, and Redis, too, shows it only by its name and by the names
        // of all modules; `findings` looks at the machine.
        let is_asked = match section.name {
            "search" => names("search") || names("modules") || names("everything"),
            "findings" => names("findings") || names("everything"),
            name => all || default && section.by_default || names(name) || also,
        };
        if is_asked {
            (section.write)(source, &mut writer);
        }
    }
    if names(DEBUG.name) {
        (DEBUG.write)(source, &mut writer);
    }
    writer.into_text()
}
