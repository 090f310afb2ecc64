//! INFO: the server's figures, in sections of `name:value` lines.
//!
//! Sections and fields have Redis 8.10's order, names and formats, because monitoring tools parse
//! them. A field whose feature does not exist here yet is shown if its value is still true (nothing
//! loads, nothing is tracked); others are left out.
//!
//! [`SECTIONS`] has all sections in order. A report takes its totals over clients once
//! ([`Source`]), however many sections show them.
//! Cost: O(clients + databases + commands called), for the sections wanted.

pub mod activity;
pub mod budgets;
pub mod changes;
pub mod commands;
pub mod keyspace;
pub mod memory;
pub mod prefixes;
pub mod process;
pub mod replication;
pub mod tls;

use std::cell::OnceCell;
use std::fmt::{Arguments, Display, Write};

pub use memory::{MemoryFigures, OWN_METRICS, excess, memory_figures};

use crate::base::memory::alloc;
use crate::keyspace::Keyspace;
use crate::resp::Reply;
use crate::server::clients::client::{Client, ClientFlags};
use crate::server::clients::output::buffers;
use crate::server::figures::recent::Buffers;
use crate::server::figures::stats::CommandStats;
use crate::server::state::Server;
use crate::server::state::call::Row;

/// The sources of the sections.
pub struct Source<'a> {
    pub keyspace: &'a Keyspace,
    pub server: &'a Server,
    /// The asking client and its reply: while its command runs it is not in the server's list.
    pub asking: Option<(&'a Client, &'a Reply)>,
    /// `used_memory`, before the text is built.
    pub used: usize,
    clients: OnceCell<ClientTotals>,
}

/// A client is active for this long after its last traffic.
const ACTIVE_MS: u64 = 1000;

/// Totals over all clients.
#[derive(Clone, Copy, Debug, Default)]
struct ClientTotals {
    memory: usize,
    /// The sum of `Client::own_bytes`.
    own: usize,
    largest: Buffers,
    replicas: usize,
    pubsub: usize,
    watching: usize,
    postponed: usize,
    /// The number of clients that sent or received anything within the last second.
    active: usize,
    /// Output that is not copied: see `Reply::referenced_bytes`.
    shared: usize,
    unshared: usize,
}

impl<'a> Source<'a> {
    pub fn new(
        keyspace: &'a Keyspace,
        server: &'a Server,
        asking: Option<(&'a Client, &'a Reply)>,
    ) -> Source<'a> {
        Source {
            keyspace,
            server,
            asking,
            used: alloc::used_memory(),
            clients: OnceCell::new(),
        }
    }

    /// Commands that were called or refused, with their counters.
    pub(in crate::server) fn commands_used(
        &self,
    ) -> impl Iterator<Item = (&'a Row, &'a CommandStats)> {
        let rows = self.server.table.rows().iter();
        let all = rows.zip(&self.server.diagnostics.command_stats);
        all.filter(|(_, stats)| stats.calls > 0 || stats.failed > 0 || stats.rejected > 0)
    }

    /// Over every connected client, the asking one included: one pass for all sections.
    fn client_totals(&self) -> &ClientTotals {
        self.clients.get_or_init(|| {
            let mut totals = ClientTotals::default();
            for (client, reply) in self.server.clients.all(self.asking) {
                let has = |flag| usize::from(client.flags.contains(flag));
                totals.memory += client.memory_bytes(reply);
                totals.own += client.own_bytes(reply);
                totals.largest = totals.largest.max(buffers(client, reply));
                totals.replicas += has(ClientFlags::REPLICA);
                totals.pubsub += has(ClientFlags::PUBSUB);
                totals.postponed += has(ClientFlags::POSTPONED);
                totals.watching += usize::from(!client.watched.is_empty());
                let silent_ms = self
                    .server
                    .now
                    .mono_ms
                    .saturating_sub(client.traffic.last_active_ms);
                totals.active += usize::from(silent_ms < ACTIVE_MS);
                let (shared, unshared) = reply.referenced_bytes();
                totals.shared += shared;
                totals.unshared += unshared;
            }
            totals
        })
    }
}

/// Capacity for the default sections.
const TEXT_BYTES: usize = 12 * 1024;

/// The text under construction.
pub struct InfoWriter {
    out: String,
}

impl InfoWriter {
    /// Starts a section; an empty line separates sections.
    fn section(&mut self, title: &str) {
        if !self.out.is_empty() {
            self.out.push_str("\r\n");
        }
        self.line(format_args!("# {title}"));
    }

    /// `name:value`.
    fn field(&mut self, name: &str, value: impl Value) {
        self.out.push_str(name);
        self.out.push(':');
        value.append_to(&mut self.out);
        self.out.push_str("\r\n");
    }

    fn fields(&mut self, fields: &[(&str, &dyn Value)]) {
        for &(name, value) in fields {
            self.field(name, value);
        }
    }

    /// Fields that are 0 because their feature does not exist yet.
    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.field(name, 0);
        }
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{line}");
        self.out.push_str("\r\n");
    }
}

/// The value of a field. Most are integers, which need no formatter.
trait Value {
    fn append_to(&self, out: &mut String);
}

macro_rules! integers {
    ($($integer:ty)*) => {
        $(impl Value for $integer {
            fn append_to(&self, out: &mut String) {
                out.push_str(itoa::Buffer::new().format(*self));
            }
        })*
    };
}

integers!(u8 u16 u32 u64 usize i32 i64);

impl Value for str {
    fn append_to(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Value for String {
    fn append_to(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Value for Arguments<'_> {
    fn append_to(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = out.write_fmt(*self);
    }
}

impl<T: Value + ?Sized> Value for &T {
    fn append_to(&self, out: &mut String) {
        (**self).append_to(out);
    }
}

/// A section: its name, whether it is shown by default, and its writer.
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
    section("cluster", true, process::cluster),
    section("keyspace", true, keyspace::keyspace),
    section("keysizes", true, keyspace::keysizes),
    section("prefixstats", false, prefixes::prefix_stats),
];

/// The sections of a Sentinel.
const OF_SENTINEL: &[Section] = &[
    section("server", true, process::server),
    section("clients", true, process::clients),
    section("stats", true, activity::stats),
    section("cpu", true, process::cpu),
    section("sentinel", true, process::sentinel),
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
    let mut writer = InfoWriter {
        out: String::with_capacity(TEXT_BYTES),
    };
    let sections = if source.server.is_sentinel() {
        OF_SENTINEL
    } else {
        SECTIONS
    };
    for section in sections {
        // Redis has two names for the list of modules.
        let also = section.name == "modules" && names("module_list");
        if all || default && section.by_default || names(section.name) || also {
            (section.write)(source, &mut writer);
        }
    }
    if names(DEBUG.name) {
        (DEBUG.write)(source, &mut writer);
    }
    writer.out
}
