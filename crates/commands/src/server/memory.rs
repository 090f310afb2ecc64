//! MEMORY: memory use of keys and of the server.
//!
//! USAGE is exact: values track their bytes in the allocator's size classes, so USAGE needs no
//! sampling, and only checks SAMPLES. STATS and DOCTOR show INFO's figures.
//!
//! Cost: USAGE O(1), a stream O(groups); STATS and DOCTOR as INFO memory. PURGE leaves the loop.
//!
//! Decided elsewhere: the figures: `server::observe::info`; the allocator: `base::memory`.

use crate::help::{self, write_help};
use doctor::diagnosis;
use packing::PACKING;
use russet_base::memory::alloc;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, CommandError, Facts, Flags, KeySpec};
use russet_keyspace::{Blessings, Database, DbIndex};
use russet_resp::Reply;
use russet_server::info::{MemoryFigures, Source, excess, memory_figures};
use russet_server::{Call, CommandResult, Spec};
use russet_types::shared_figures;

const TIPS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

pub(super) const MEMORY: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[
        DOCTOR,
        HELP,
        MALLOC_STATS,
        PACKING,
        PURGE,
        STATS,
        UNPACK,
        USAGE,
    ],
    facts: Facts::SHOWS,
    ..Spec::new("memory", help)
};

const HELP: Spec = help::row(help);

/// `MEMORY HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "DOCTOR",
            "    What is wrong with the memory, if anything.",
            "MALLOC-STATS",
            "    The allocator's own report.",
            "PACKING [SAMPLES <count>]",
            "    What compress-values would save, by prefix, from a sample of <count> keys.",
            "PURGE",
            "    Give what is free back to the system.",
            "STATS",
            "    What the server's memory is used for.",
            "UNPACK",
            "    Store the strings that compress-values has packed as text again.",
            "USAGE <key> [SAMPLES <count>]",
            "    Bytes that <key> and its value take. All of them are counted, whatever <count>",
            "    says.",
        ],
    );
    Ok(())
}

const USAGE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, Access::RO)],
    facts: Facts::SHOWS,
    ..Spec::new("usage", usage)
};

/// `MEMORY USAGE key [SAMPLES count]`: integer; null for a missing key.
///
/// Bytes of key and value in the allocator's size classes, exact whatever `count` is, because
/// containers track their size. O(1); for a stream O(groups).
fn usage(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let mut at = 3;
    while at < args.len() {
        let value = args.get(at + 1).filter(|_| args.is(at, "SAMPLES"));
        let count = parse_i64(value.ok_or(CommandError::Syntax)?);
        if count.ok_or(CommandError::NotAnInteger)? < 0 {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    match call.db.info(args.at(2)) {
        Some(info) => call.reply.int(info.bytes as i64),
        None => call.reply.null(),
    }
    Ok(())
}

const STATS: Spec = Spec {
    arity: Arity::Exactly(2),
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("stats", stats)
};

fn figures(call: &mut Call<'_>) -> MemoryFigures {
    let asking = Some((&*call.client, &*call.reply));
    memory_figures(&Source::new(call.db.keyspace(), call.server, asking))
}

/// `MEMORY STATS`: a map of figures, with an inner map for each database in use.
fn stats(call: &mut Call<'_>) -> CommandResult {
    let m = figures(call);
    let marks = |db: &Database| db.blessings().map_or(0, Blessings::memory_bytes);
    let marks: Vec<_> = call
        .db
        .whole()
        .in_use()
        .map(|(at, db)| (at, marks(db)))
        .collect();
    let packed = call.db.whole().packing.figures();
    let place = call.reply.defer();
    let mut lines = Lines {
        reply: call.reply,
        written: 0,
    };
    lines.ints(&[
        ("peak.allocated", m.peak),
        ("total.allocated", m.used),
        ("startup.allocated", m.startup),
        ("replication.backlog", m.of_backlog()),
        ("replica.fullsync.buffer", m.full_sync_held),
        ("clients.slaves", m.of_replicas()),
        ("clients.normal", m.of_clients()),
        ("clients.normal.shared", m.clients_shared),
        ("clients.normal.unshared", m.clients_unshared),
        ("cluster.links", m.cluster_links),
        ("aof.buffer", m.aof_buffer),
        ("lua.caches", m.scripts),
        ("functions.caches", m.libraries),
        ("script.VMs", m.script_states),
        ("hash.templates", shared_figures().bytes),
    ]);
    for (at, bytes) in &m.tables {
        let of_marks = marks.iter().find(|(of, _)| of == at);
        lines.database(*at, *bytes, of_marks.map_or(0, |(_, bytes)| *bytes));
    }
    for (name, bytes) in m.own.lines() {
        lines.ints(&[(&name.replace('_', "."), bytes)]);
    }
    lines.ints(&[
        ("packed.keys", packed.frames.frames as usize),
        ("packed.bytes", packed.frames.frame_bytes as usize),
        ("packed.raw-bytes", packed.frames.raw_bytes as usize),
        ("packed.dictionaries", packed.dictionaries),
        ("packed.dictionary-bytes", packed.dictionary_bytes),
    ]);
    let per_key = m.net().checked_div(m.keys).unwrap_or(0);
    lines.ints(&[
        ("overhead.db.hashtable.lut", m.own.db_tables),
        ("overhead.db.hashtable.rehashing", 0),
        ("overhead.total", m.overhead),
        ("db.dict.rehashing.count", 0),
        ("keys.count", m.keys),
        ("keys.bytes-per-key", per_key),
        ("dataset.bytes", m.dataset()),
    ]);
    lines.double("dataset.percentage", m.dataset_percent());
    lines.double("peak.percentage", m.peak_percent());
    allocator(&m, &mut lines);
    let written = lines.written;
    call.reply.finish_map(place, written);
    Ok(())
}

/// The allocator's totals, and the ratios of neighbouring totals.
fn allocator(m: &MemoryFigures, lines: &mut Lines<'_>) {
    let a = &m.allocator;
    lines.ints(&[
        ("allocator.allocated", a.allocated),
        ("allocator.active", a.active),
        ("allocator.resident", a.resident),
        ("allocator.muzzy", 0),
    ]);
    for (ratio_name, bytes_name, (ratio, bytes)) in [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
            excess(a.allocated + a.unused, a.allocated),
        ),
        (
            "allocator-rss.ratio",
            "allocator-rss.bytes",
            excess(a.resident, a.active),
        ),
        (
            "rss-overhead.ratio",
            "rss-overhead.bytes",
            excess(m.rss, a.resident),
        ),
        (
            "fragmentation",
            "fragmentation.bytes",
            excess(m.rss, m.used),
        ),
    ] {
        lines.double(ratio_name, ratio);
        lines.int(bytes_name, bytes);
    }
}

/// Lines of a map whose number is known at the end.
struct Lines<'a> {
    reply: &'a mut Reply,
    written: usize,
}

impl Lines<'_> {
    fn name(&mut self, name: &str) {
        self.reply.bulk(name.as_bytes());
        self.written += 1;
    }

    fn int(&mut self, name: &str, value: i64) {
        self.name(name);
        self.reply.int(value);
    }

    fn ints(&mut self, fields: &[(&str, usize)]) {
        for (name, value) in fields {
            self.int(name, *value as i64);
        }
    }

    fn double(&mut self, name: &str, value: f64) {
        self.name(name);
        self.reply.double(value);
    }

    /// The inner map of a database. Entries hold their own expiry: there is no second table.
    fn database(&mut self, at: DbIndex, bytes: usize, of_marks: usize) {
        self.name(&format!("db.{}", at.0));
        self.reply.map(3);
        for (name, bytes) in [
            ("overhead.hashtable.main", bytes),
            ("overhead.hashtable.expires", 0),
            ("overhead.hashtable.blessed", of_marks),
        ] {
            self.reply.bulk(name.as_bytes());
            self.reply.int(bytes as i64);
        }
    }
}

const DOCTOR: Spec = Spec {
    arity: Arity::Exactly(2),
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("doctor", doctor)
};

/// `MEMORY DOCTOR`: verbatim text about problems and remedies. Cost as of MEMORY STATS.
fn doctor(call: &mut Call<'_>) -> CommandResult {
    let figures = figures(call);
    let text = diagnosis(call, &figures);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

const PURGE: Spec = Spec {
    arity: Arity::Exactly(2),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    facts: Facts::ACTS,
    ..Spec::new("purge", purge)
};

/// `MEMORY PURGE`: returns free memory to the system.
///
/// A helper thread does the work, at about 100 ms a gigabyte; the client waits, the loop does not.
/// If the client cannot block (EXEC, scripts), the loop does the work.
///
/// Reply: OK, when it is done.
fn purge(call: &mut Call<'_>) -> CommandResult {
    // The free memory in the loop thread's own cache counts, too.
    let _ = alloc::perform(c"thread.tcache.flush");
    if call.may_block() && call.block_until_given_back() {
        return Ok(());
    }
    if !alloc::purge() {
        return Err(CommandError::Text("ERR Error purging dirty pages"));
    }
    call.reply.ok();
    Ok(())
}

const UNPACK: Spec = Spec {
    arity: Arity::Exactly(2),
    facts: Facts::ACTS,
    ..Spec::new("unpack", unpack)
};

/// `MEMORY UNPACK`: stores the strings that `compress-values` has packed as text again, between
/// commands, some 100 MB a second. It ends early at `maxmemory`.
///
/// Reply: how many strings are packed now. An error unless `compress-values` is `no`, because they
/// would be packed again.
fn unpack(call: &mut Call<'_>) -> CommandResult {
    if !call.server.memory.packing.begin_unpacking() {
        return Err(CommandError::Text(
            "ERR compress-values is not 'no', so strings would be packed again",
        ));
    }
    let packed = call.db.keyspace().packing.figures().frames.frames;
    call.reply.int(packed as i64);
    Ok(())
}

const MALLOC_STATS: Spec = Spec {
    arity: Arity::Exactly(2),
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("malloc-stats", malloc_stats)
};

/// `MEMORY MALLOC-STATS`: verbatim text.
fn malloc_stats(call: &mut Call<'_>) -> CommandResult {
    call.reply.verbatim("txt", &alloc::report());
    Ok(())
}

pub(super) mod doctor;
#[cfg(test)]
mod exact;
mod packing;
#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::Allowed;

    #[test]
    fn strings_are_unpacked_only_while_packing_is_off() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        t.run(&format!("SET k {}", "a.long.text.".repeat(30)));
        // The tests of this process count their packed values together.
        assert!(t.run("MEMORY UNPACK").starts_with(':'));
        assert_eq!(t.run("DEBUG PACK k"), ":1\r\n");
        assert_ne!(t.run("MEMORY UNPACK"), ":0\r\n");
        t.run("CONFIG SET compress-values yes");
        assert_eq!(
            t.run("MEMORY UNPACK"),
            "-ERR compress-values is not 'no', so strings would be packed again\r\n"
        );
    }

    #[test]
    fn usage_grows_with_the_value() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        t.run(&format!("SET b {}", "x".repeat(10_000)));
        let bytes = |reply: String| reply[1..].trim().parse::<usize>().expect("a number");
        let (small, large) = (
            bytes(t.run("MEMORY USAGE a")),
            bytes(t.run("MEMORY USAGE b")),
        );
        assert!(
            small < 64 && (10_000..11_000).contains(&large),
            "{small} {large}"
        );
        assert_eq!(t.run("MEMORY USAGE nosuch"), "$-1\r\n");
        assert_eq!(bytes(t.run("MEMORY USAGE a samples 0")), small);
        for bad in ["SAMPLES", "SAMPLES -1", "x 1"] {
            assert_eq!(
                t.run(&format!("MEMORY USAGE a {bad}")),
                "-ERR syntax error\r\n"
            );
        }
    }

    #[test]
    fn stats_are_as_many_as_announced() {
        let mut t = Testbed::new();
        t.run("HELLO 3");
        t.run("SET a 1");
        let text = t.run("MEMORY STATS");
        let (head, lines) = text.split_once("\r\n").expect("a head");
        let announced: usize = head[1..].parse().expect("a number");
        assert!(lines.starts_with("$14\r\npeak.allocated\r\n:"), "{text}");
        // The database's inner map has three more names.
        assert_eq!(text.matches("\r\n$").count(), announced + 3, "{text}");
        for line in ["clients.normal.shared\r\n:", "clients.normal.unshared\r\n:"] {
            assert!(text.contains(line), "{line}");
        }
        assert!(t.run("MEMORY MALLOC-STATS").contains("jemalloc"));
        assert_eq!(t.run("MEMORY PURGE"), "+OK\r\n");
    }
}
