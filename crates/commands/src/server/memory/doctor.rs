//! MEMORY DOCTOR: memory problems, where they are, and the commands that help.
//!
//! Each finding is a line, with the amount and the command or setting against it. DOCTOR does not
//! report amounts below `WORTH_A_LINE`, and makes no diagnosis below `WORTH_A_LOOK` of used memory.
//!
//!     (verdict) the faults of memory that the verdict on the server has (`observe::verdict`)
//!     held      memory that the process has but does not use
//!     limit     maxmemory against the machine's memory
//!     buffers   memory other than data
//!     prefix    the prefix with most of the data, and a prefix that is never read
//!
//! DOCTOR reads the figures of MEMORY STATS and the prefix statistics, and changes nothing.

use russet_base::finding::Finding;
use russet_base::text::{Printable, human};
use russet_keyspace::PrefixFigures;
use russet_server::info::{MemoryFigures, excess};
use russet_server::{Call, OF_MEMORY, World};

/// Below this amount of used memory there is no diagnosis.
const WORTH_A_LOOK: usize = 5 << 20;
/// Smaller amounts are not reported.
const WORTH_A_LINE: usize = 10 << 20;

/// The text: a line for each finding.
pub(crate) fn diagnosis(call: &mut Call<'_>, m: &MemoryFigures) -> String {
    let World {
        keyspace, server, ..
    } = call.world();
    let faults = server.faults_of(keyspace, OF_MEMORY);
    if m.used < WORTH_A_LOOK && faults.is_empty() {
        return "There is too little data here to say anything of its memory.\n".into();
    }
    let mut found = Vec::new();
    held(m, &mut found);
    limit(call, m, &mut found);
    buffers(m, &mut found);
    prefix(call, m, &mut found);
    // DOCTOR does not report the same problem twice in other words.
    let is_told = |code: &str| found.iter().any(|its| its.code == code && its.is_fault());
    let (limit_told, held_told) = (is_told("limit"), is_told("held"));
    let is_new = |its: &Finding| match &*its.code {
        "memory" => !limit_told,
        "fragmentation" => !held_told,
        _ => true,
    };
    found.splice(0..0, faults.into_iter().filter(is_new));
    if found.is_empty() {
        return "Nothing is wrong with the memory of this server.\n".into();
    }
    let line = |finding: &Finding| match &finding.remedy {
        // A fault of the verdict names only the remedy.
        Some(remedy) if OF_MEMORY.contains(&&*finding.code) => {
            format!("* {}: {}. Fix: {remedy}\n", finding.code, finding.text)
        }
        Some(remedy) => format!("* {} {remedy}\n", finding.text),
        None => format!("* {}\n", finding.text),
    };
    found.iter().map(line).collect()
}

/// Memory that the process holds but does not use.
fn held(m: &MemoryFigures, found: &mut Vec<Finding>) {
    if m.peak as f64 / m.used as f64 > 1.5 {
        found.push(Finding::warning(
            "held",
            format!(
                "Once {} were in use, now {}: what was freed may still be held.",
                human(m.peak as u64),
                human(m.used as u64)
            ),
            "MEMORY PURGE gives back what can be given.",
        ));
    }
    let a = &m.allocator;
    let (ratio, bytes) = excess(a.active, a.allocated);
    if ratio > 1.1 && bytes > WORTH_A_LINE as i64 {
        found.push(Finding::warning(
            "held",
            format!(
                "The allocator's pages are fragmented: {ratio:.2} times what is in them, {} more.",
                human(bytes as u64)
            ),
            "CONFIG SET activedefrag yes moves what lies in thinly filled ones together.",
        ));
    }
    let (ratio, bytes) = excess(a.resident, a.active);
    if ratio > 1.1 && bytes > WORTH_A_LINE as i64 {
        found.push(Finding::warning(
            "held",
            format!("{} of free pages are still resident.", human(bytes as u64)),
            "MEMORY PURGE gives them back at once, CONFIG SET jemalloc-bg-thread yes some \
                 seconds after they were freed.",
        ));
    }
    let (ratio, bytes) = excess(m.rss, a.resident);
    if ratio > 1.1 && bytes > WORTH_A_LINE as i64 {
        found.push(Finding::notice(
            "held",
            format!(
                "{} of the process are in memory that the allocator does not know of.",
                human(bytes as u64)
            ),
        ));
    }
    if m.own.snapshot_cow > m.used / 10 && m.own.snapshot_cow > WORTH_A_LINE {
        found.push(Finding::warning(
            "held",
            format!(
                "A child that saves has {} of its own, for what has changed since.",
                human(m.own.snapshot_cow as u64)
            ),
            "CONFIG SET snapshot-method auto saves without one.",
        ));
    }
}

/// Used memory against the limit.
fn limit(call: &Call<'_>, m: &MemoryFigures, found: &mut Vec<Finding>) {
    let limit = call.server.memory.limit.maxmemory();
    if call.server.memory.limit.resident_exceeded() {
        found.push(Finding::notice(
            "limit",
            format!(
                "{} are resident, far beyond maxmemory ({}): eviction looks at what is used ({}).",
                human(m.rss as u64),
                human(limit),
                human(m.used as u64)
            ),
        ));
    }
    let system = russet_base::memory::cgroup::available_bytes().0;
    let beside = m.own.not_counted as u64;
    let mend = if call.server.memory.limit.found().is_some() {
        "Raise maxmemory-reserve, or lower maxmemory-clients."
    } else {
        "CONFIG SET maxmemory auto leaves room for both."
    };
    let clients = call.server.memory.client_memory_limit() as u64;
    if limit > 0 && limit.saturating_add(beside) > system {
        let owners = m.not_counted.iter().filter(|(_, bytes)| *bytes > 0);
        let owners: Vec<String> = owners
            .map(|(name, bytes)| format!("{name} {}", human(*bytes as u64)))
            .collect();
        found.push(Finding::warning("limit", format!(
            "maxmemory ({}) and what does not count towards it ({}: {}) are more than the {} that there \
             are here.",
            human(limit),
            human(beside),
            owners.join(", "),
            human(system)
        ), mend));
    } else if limit > 0 && limit.saturating_add(clients) > system {
        found.push(Finding::warning("limit", format!(
            "maxmemory ({}) and what clients may hold beside it ({}) are more than the {} that there are \
             here.",
            human(limit),
            human(clients),
            human(system)
        ), mend));
    }
    if limit == 0 && m.rss as u64 > system / 2 {
        found.push(Finding::warning(
            "limit",
            format!(
                "{} of the {} that there are here are resident, and nothing bounds them.",
                human(m.rss as u64),
                human(system)
            ),
            "CONFIG SET maxmemory auto does.",
        ));
    }
}

/// Memory other than data.
fn buffers(m: &MemoryFigures, found: &mut Vec<Finding>) {
    let large = |bytes: usize| bytes > m.used / 5 && bytes > WORTH_A_LOOK;
    let lines = [
        (
            m.clients,
            "Clients' buffers",
            "some read slowly or send large commands (CLIENT LIST, tot-mem); CONFIG SET \
             maxmemory-clients and client-output-buffer-limit bound them",
        ),
        (
            m.aof_buffer,
            "Writes that the append only file does not keep up with",
            "the disk is slow (INFO persistence, LATENCY LATEST)",
        ),
        (
            m.script_states + m.scripts + m.libraries,
            "Scripts",
            "SCRIPT FLUSH and FUNCTION DELETE let go of those that nobody runs",
        ),
        (
            m.own.tracking,
            "Keys that clients keep",
            "CONFIG SET tracking-table-max-keys bounds them",
        ),
        (
            m.own.pubsub,
            "Channels and patterns",
            "PUBSUB CHANNELS lists what clients have subscribed to",
        ),
        (
            m.own.command_logs,
            "Command logs",
            "SLOWLOG RESET and COMMANDLOG RESET empty them, slowlog-max-len bounds them",
        ),
        (
            m.own.snapshot_early,
            "What changes while a snapshot is made",
            "it goes with the snapshot; snapshot-max-wait-ms says when a child saves instead",
        ),
    ];
    for (bytes, what, help) in lines {
        if large(bytes) {
            found.push(Finding::notice(
                "buffers",
                format!("{what} take {}: {help}.", human(bytes as u64)),
            ));
        }
    }
}

/// The prefix with the most bytes, and a prefix that is written but never read.
fn prefix(call: &mut Call<'_>, m: &MemoryFigures, found: &mut Vec<Finding>) {
    let db = call.db.index();
    let keyspace = call.db.keyspace();
    let Some(lines) = keyspace.highest_prefixes(db, |its| its.bytes) else {
        if m.dataset() > m.used / 2 && !found.is_empty() {
            found.push(Finding::notice(
                "prefix",
                "Which keys take the memory, PREFIXSTATS tells after CONFIG SET prefix-stats yes.",
            ));
        }
        return;
    };
    if let Some((name, f)) = lines.first().filter(|(_, f)| f.bytes > m.used as u64 / 2) {
        found.push(Finding::notice(
            "prefix",
            format!(
                "Half of the memory and more is under {}: {} in {} keys (PREFIXSTATS BY bytes; \
             MEMORY USAGE tells of each).",
                Printable(name),
                human(f.bytes),
                f.keys
            ),
        ));
    }
    let idle = |f: &PrefixFigures| f.reads == 0 && f.writes > 0;
    let idle = lines.iter().find(|(_, f)| idle(f));
    if let Some((name, f)) = idle.filter(|(_, f)| f.bytes > m.used as u64 / 10) {
        found.push(Finding::notice(
            "prefix",
            format!(
                "{} under {} were written and never read since they are counted: EXPIRE lets such \
             keys go.",
                human(f.bytes),
                Printable(name)
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn figures_show_the_memory_in_use() {
        let well = MemoryFigures {
            used: 100 << 20,
            peak: 100 << 20,
            ..MemoryFigures::default()
        };
        let findings = |m: &MemoryFigures| {
            let mut found = Vec::new();
            held(m, &mut found);
            buffers(m, &mut found);
            found
        };
        assert!(findings(&well).is_empty());
        let peaked = MemoryFigures {
            peak: 200 << 20,
            clients: 50 << 20,
            ..well
        };
        assert_eq!(findings(&peaked).len(), 2);
    }

    #[test]
    fn what_the_verdict_holds_against_the_memory_is_told_with_little_data_too() {
        let mut t = Testbed::new();
        t.run("SET a b");
        t.run("CONFIG SET maxmemory 1000");
        let text = t.run("MEMORY DOCTOR");
        assert!(text.contains("% full: at"), "{text}");
        t.run("CONFIG SET maxmemory 0");
        assert!(!t.run("MEMORY DOCTOR").contains("% full"));
    }

    #[test]
    fn a_limit_without_room_for_uncounted_memory_is_reported() {
        const WARNING: &str = "leaves room for both";
        let mut t = Testbed::new();
        t.run("EVAL return(1) 0");
        t.run("SETRANGE a 40000000 x");
        let all = russet_base::memory::cgroup::available_bytes().0;
        t.run(&format!("CONFIG SET maxmemory {all}"));
        let text = t.run("MEMORY DOCTOR");
        assert!(
            text.contains(WARNING) && text.contains("scripts "),
            "{text}"
        );
        // A quarter of `maxmemory` is for clients.
        t.run(&format!("CONFIG SET maxmemory {}", all / 10 * 9));
        let text = t.run("MEMORY DOCTOR");
        assert!(
            text.contains(WARNING) && text.contains("what clients may hold"),
            "{text}"
        );
        t.run(&format!("CONFIG SET maxmemory {}", all / 2));
        assert!(!t.run("MEMORY DOCTOR").contains(WARNING));
        t.run("CONFIG SET maxmemory auto");
        let text = t.run("MEMORY DOCTOR");
        assert!(!text.contains("are more than"), "{text}");
        t.run("CONFIG SET maxmemory-clients 50%");
        let text = t.run("MEMORY DOCTOR");
        assert!(text.contains("Raise maxmemory-reserve"), "{text}");
    }

    #[test]
    #[cfg_attr(feature = "system-allocator", ignore = "counts jemalloc's bytes")]
    fn the_doctor_names_the_prefix_and_the_command_that_helps() {
        let mut t = Testbed::new();
        t.run("CONFIG SET prefix-stats yes");
        for n in 0..20 {
            t.run(&format!("SETRANGE big:{n} 2000000 x"));
        }
        let text = t.run("MEMORY DOCTOR");
        assert!(text.contains("is under big:: "), "{text}");
        assert!(text.contains("PREFIXSTATS BY bytes"), "{text}");
        assert!(text.contains("never read"), "{text}");
    }

    #[test]
    #[cfg_attr(feature = "system-allocator", ignore = "counts jemalloc's bytes")]
    fn the_doctor_names_clients_that_hold_much() {
        let mut t = Testbed::new();
        let client = t.connect();
        t.run_as(client, "MULTI");
        for _ in 0..40 {
            t.run_as(client, &format!("SET a {}", "x".repeat(1_000_000)));
        }
        let text = t.run("MEMORY DOCTOR");
        assert!(text.contains("Clients' buffers take"), "{text}");
        assert!(text.contains("CLIENT LIST"), "{text}");
    }
}
