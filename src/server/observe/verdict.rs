//! The faults of this server in one list: the console prints it, and decides nothing.
//!
//! A Sentinel gives what SENTINEL EXPLAIN finds of each primary, a node of a cluster also what
//! CLUSTER EXPLAIN finds. What keeps the server from being ready (`metrics::health`) comes first
//! among equals. Figures of the last minutes are the console's history.
//!
//! Cost: O(replicas + consumers + users with budgets), of 900 rows of history; at a node of a
//! cluster O(nodes * replicas).

use std::fmt::Display;

use crate::console::history::History;
use crate::server::observe::info::{budgets, changes};
use crate::server::observe::metrics::Readiness;
use crate::server::parts::memory::eviction;
use crate::server::parts::persist::aof::AofState;
use crate::server::state::Server;
use russet_base::finding::{Finding, Weight};
use russet_base::memory::alloc;
use russet_base::text::human;
use russet_base::usage;
use russet_keyspace::Keyspace;

/// Free bytes of the disk that are too few for data, and too few for a log.
const FREE_MIN: f64 = (1u64 << 30) as f64;
const FREE_MIN_OF_LOG: f64 = (100u64 << 20) as f64;
/// Rows of the history that say how busy the loop is: a minute.
const BUSY_ROWS: usize = 60;
/// A snapshot older than this, in seconds, is old for a server without a log.
const OLD_SNAPSHOT_S: i64 = 86_400;
/// Names in a finding.
const NAMES_MAX: usize = 3;

impl Server {
    /// The faults, the worst first; their remedies are commands.
    pub(in crate::server) fn verdict(&self, keyspace: &Keyspace) -> Vec<Finding> {
        let mut found = Vec::new();
        match &self.sentinel {
            Some(driver) => {
                let own = driver.core.findings();
                found.extend(own.map(|its| shown_by("SENTINEL MASTERS", its)));
            }
            None => {
                found.extend(Readiness::of(self).into_findings());
                if let Some(driver) = &self.cluster {
                    let own = driver.core.explain().into_iter();
                    found.extend(own.map(|its| shown_by("CLUSTER EXPLAIN", its)));
                }
                self.saves(keyspace, &mut found);
            }
        }
        self.memory(&mut found);
        self.names(&mut found);
        if let Some(history) = &self.connections.console.history {
            self.lately(history, &mut found);
        }
        found.retain(Finding::is_fault);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        found
    }

    /// Whether data is on disk.
    fn saves(&self, keyspace: &Keyspace, to: &mut Vec<Finding>) {
        let saving = &self.persist.saving;
        if !saving.last_status_ok && !saving.stops_writes(&self.config) {
            let text = "the last one failed; the log has the reason";
            to.push(Finding::warning("snapshot", text, "BGSAVE"));
        }
        if !self.persist.aof.rewrites.last_ok {
            let text = "its last rewrite failed: the file grows until one succeeds";
            to.push(Finding::warning("append only file", text, "BGREWRITEAOF"));
        }
        let age_s = self.now.unix_s() - saving.last_save_s;
        let has_log = self.persist.aof.state() != AofState::Off;
        if keyspace.dirty > 0 && !has_log && age_s > OLD_SNAPSHOT_S {
            let text = format!(
                "a crash now loses {} changes: there is no append only file, and the last snapshot \
                 is over a day old, or there is none",
                keyspace.dirty
            );
            to.push(Finding::warning("snapshot", text, "BGSAVE"));
        }
    }

    fn memory(&self, to: &mut Vec<Finding>) {
        let (used, rss) = (
            alloc::used_memory() as u64,
            usage::recent_resident_bytes() as u64,
        );
        let max = self.memory.limit.maxmemory();
        let full = used as f64 / max.max(1) as f64;
        if max > 0 && full > 0.9 && eviction::policy(&self.config).is_none() {
            let text = format!(
                "{:.0} % full: at {} writes are refused (maxmemory-policy noeviction)",
                full * 100.0,
                human(max)
            );
            let finding = Finding::new(severity(full > 0.98), "memory", text);
            to.push(finding.mended_by("MEMORY DOCTOR"));
        }
        if rss as f64 > 1.5 * used as f64 && rss - used > 256 << 20 {
            let text = format!("{} are held but not used", human(rss - used));
            let remedy = "CONFIG SET activedefrag yes";
            to.push(Finding::warning("memory", text, remedy));
        }
    }

    /// Findings that name replicas, consumers and users.
    fn names(&self, to: &mut Vec<Finding>) {
        let failing = self.replication.failing.repeatedly(self.now.mono_ms);
        let failing = some(failing.map(|its| format!("{}:{}", its.ip, its.port)));
        let is_known = to.iter().any(|its| its.code == "replicas");
        if let Some(names) = failing.filter(|_| !is_known) {
            let text = format!(
                "sent whole copies, acknowledged none: {names}; the log says what they cannot read, \
                 as far as that is known; so does russet check-rdb --for"
            );
            to.push(Finding::critical("replicas", text, "INFO replication"));
        }
        let lost = changes::consumers(self).filter(|its| its.is_lost);
        if let Some(names) = some(lost.map(|its| its.name)) {
            let text = format!(
                "lost their place in the change stream: {names}; what follows it is kept no longer \
                 (changes-retain)"
            );
            to.push(Finding::critical(
                "consumers",
                text,
                "CHANGES CONSUMER LIST",
            ));
        }
        let held = budgets::accounts(self).0.into_iter();
        if let Some(names) = some(held.filter(|its| its.held > 0).map(|its| its.user)) {
            let text = format!("held back by their budgets: {names}");
            to.push(Finding::warning("budgets", text, "INFO budgets"));
        }
        let (_, dropped) = self.diagnostics.audit.figures();
        if dropped > 0 {
            let text = format!("{dropped} lines are lost: the disk did not take them");
            to.push(Finding::warning("audit log", text, "CONFIG GET audit-*"));
        }
    }

    /// Findings of the last minutes.
    fn lately(&self, history: &History, to: &mut Vec<Finding>) {
        let (rejected, evicted) = (history.sum("rejected"), history.sum("evicted"));
        if rejected >= 1.0 {
            let text = format!(
                "{rejected:.0} connections were refused in the last 15 minutes; maxclients is {}",
                self.config.maxclients
            );
            to.push(Finding::critical("clients", text, "CLIENT LIST"));
        }
        if evicted >= 1.0 {
            let text = format!(
                "{evicted:.0} keys were evicted in the last 15 minutes, at maxmemory {}: a cache \
                 works so, other data is being lost",
                human(self.memory.limit.maxmemory())
            );
            to.push(Finding::warning("eviction", text, "MEMORY DOCTOR"));
        }
        let busy = history.mean("busy_permille", BUSY_ROWS);
        if busy > 900.0 {
            let text = format!("busy {:.0} % of the time: latency rises", busy / 10.0);
            to.push(Finding::warning("loop", text, "LATENCY HISTOGRAM"));
        }
        let free = history.mean("disk_free", 1);
        let has_log = self.persist.aof.state() != AofState::Off;
        if free < FREE_MIN {
            let left = human(free as u64);
            let text = if has_log {
                format!("{left} left: without any, writes are refused")
            } else {
                format!("{left} left for snapshots and backups")
            };
            let weight = severity(has_log && free < FREE_MIN_OF_LOG);
            to.push(Finding::new(weight, "disk", text).mended_by("BACKUP LIST"));
        }
    }
}

fn severity(is_critical: bool) -> Weight {
    if is_critical {
        Weight::Critical
    } else {
        Weight::Warning
    }
}

/// A finding whose remedy is in words: they go into its text, the command that shows more in their
/// place.
fn shown_by(command: &str, mut finding: Finding) -> Finding {
    if let Some(words) = finding.remedy.replace(command.to_owned()) {
        finding.text = format!("{}; {words}", finding.text);
    }
    finding
}

/// Some names, and how many more; `None`: there are none.
fn some<T: Display>(names: impl Iterator<Item = T>) -> Option<String> {
    let names: Vec<String> = names.map(|name| name.to_string()).collect();
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    match names.len() {
        0 => None,
        n if n > NAMES_MAX => Some(format!("{shown} and {} more", n - NAMES_MAX)),
        _ => Some(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::history::FIELDS;
    use crate::server::Testbed;

    /// All but those of memory, which all tests share.
    fn codes(t: &Testbed) -> Vec<(Weight, String)> {
        let found = t.engine.server.verdict(&t.engine.keyspace).into_iter();
        let found = found.filter(|its| its.code != "memory");
        found
            .map(|its| (its.weight, its.code.into_owned()))
            .collect()
    }

    /// The history's only row has this figure.
    fn show(t: &mut Testbed, name: &str, value: f64) {
        let mut row = [f64::NAN; FIELDS.len()];
        row[FIELDS
            .iter()
            .position(|(its, _)| *its == name)
            .expect("a field")] = value;
        let mut history = History::default();
        history.add(&row);
        t.engine.server.connections.console.history = Some(Box::new(history));
    }

    #[test]
    fn a_server_in_order_has_no_faults() {
        let t = Testbed::new();
        assert_eq!(codes(&t), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let mut t = Testbed::new();
        let warning = |code: &str| (Weight::Warning, code.to_owned());
        let critical = |code: &str| (Weight::Critical, code.to_owned());
        t.engine.server.persist.aof.rewrites.last_ok = false;
        assert_eq!(codes(&t), [warning("append only file")]);
        t.engine.server.persist.saving.last_status_ok = false;
        assert_eq!(
            codes(&t),
            [critical("snapshot"), warning("append only file")]
        );
        t.run("CONFIG SET stop-writes-on-bgsave-error no");
        assert_eq!(
            codes(&t),
            [warning("snapshot"), warning("append only file")]
        );
    }

    #[test]
    fn the_history_shows_what_was_refused_or_lost() {
        let mut t = Testbed::new();
        for (name, value, weight, code) in [
            ("rejected", 2.0, Weight::Critical, "clients"),
            ("evicted", 2.0, Weight::Warning, "eviction"),
            ("busy_permille", 950.0, Weight::Warning, "loop"),
            ("disk_free", 1e6, Weight::Warning, "disk"),
        ] {
            show(&mut t, name, value);
            assert_eq!(codes(&t), [(weight, code.to_owned())]);
        }
        show(&mut t, "disk_free", 1e12);
        assert_eq!(codes(&t), []);
    }

    #[test]
    fn some_names_stand_for_all() {
        assert_eq!(some([""; 0].iter()), None);
        let all = ["a", "b", "c", "d"];
        assert_eq!(some(all.iter()).as_deref(), Some("a, b, c and 1 more"));
    }
}
