//! The findings about this server in one list: INFO's section `findings` prints it for `russet
//! doctor`, the console shows it, MEMORY DOCTOR and LATENCY DOCTOR begin with their part of it.
//!
//! The checks of `russet doctor` run here on the server's own INFO, so that both always agree. A
//! Sentinel adds the findings of SENTINEL EXPLAIN about each primary, a node of a cluster the
//! findings of CLUSTER EXPLAIN. The reasons why the server is not ready (`metrics::health`) are
//! among them. Figures of the last minutes come from the console's history.
//!
//! Cost: O(replicas + consumers + users with budgets + clients), of 900 rows of history, and some
//! readings of `/proc`; at a node of a cluster O(nodes * replicas).

use crate::parts::execution::scripting::ScriptState;
use crate::parts::memory::Memory;
use crate::parts::observe::Diagnostics;
use crate::parts::persist::Persist;
use russet_base::clock::{Cycles, Now};
use russet_config::Config;
use std::fmt::Display;

use crate::observe::info::{self, Source, budgets, changes};
use crate::observe::metrics::Readiness;
use crate::parts::memory::eviction;
use crate::parts::observe::command_log::LogKind;
use crate::parts::persist::aof::AofState;
use crate::state::Server;
use russet_base::finding::{Finding, Weight};
use russet_base::memory::alloc;
use russet_base::text::{Printable, human, system_text};
use russet_base::{clock, usage};
use russet_console::history::History;
use russet_keyspace::Keyspace;
use russet_operator::doctor;
use russet_scripting::Use;
use rustix::fs::{Access, access};

/// Free bytes of the disk that are too few for data, and too few for a log.
const FREE_MIN: f64 = (1u64 << 30) as f64;
const FREE_MIN_OF_LOG: f64 = (100u64 << 20) as f64;
/// Rows of the history that say how busy the loop is: a minute.
const BUSY_ROWS: usize = 60;
/// Rows of the history whose worst latency counts, and from which p99 on: other servers of this
/// kind answer in tenths of a millisecond.
const LATENCY_ROWS: usize = 10;
const SLOW_P99_US: f64 = 10_000.0;
/// Spikes of the latency monitor that are no older, in seconds, are reported.
const SPIKE_S: i64 = 900;
/// Names in a finding.
const NAMES_MAX: usize = 3;
/// Sections of INFO that the doctor's checks read.
const LOOKED_AT: [&[u8]; 8] = [
    b"server",
    b"clients",
    b"memory",
    b"persistence",
    b"stats",
    b"replication",
    b"cluster",
    b"keysizes",
];

/// Findings of [`Server::verdict`] that MEMORY DOCTOR and LATENCY DOCTOR report, by their codes.
pub const OF_MEMORY: &[&str] = &["memory", "fragmentation", "eviction", "swap"];
pub const OF_LATENCY: &[&str] = &[
    "script",
    "latency",
    "loop",
    "fork",
    "slow commands",
    "big keys",
    "swap",
    "huge pages",
    "spikes",
];

/// Adds the reasons why the server is not ready. If another check has found the same fault, that
/// check's words stay, because they say more, with the heavier of both weights.
fn add_unready(reasons: impl Iterator<Item = Finding>, to: &mut Vec<Finding>) {
    for reason in reasons {
        match to
            .iter_mut()
            .find(|its| its.code == reason.code && its.is_fault())
        {
            Some(known) => known.weight = known.weight.max(reason.weight),
            None => {
                to.retain(|its| its.code != reason.code);
                to.push(reason);
            }
        }
    }
}

impl Server {
    /// All that is worth knowing, the worst first. The remedy is a command, or is in words.
    pub fn verdict(&self, keyspace: &Keyspace) -> Vec<Finding> {
        let mut found = Vec::new();
        script(&self.scripting, &self.cycles, &mut found);
        match &self.sentinel {
            Some(driver) => {
                let own = driver.core.findings();
                found.extend(own.map(|its| shown_by("SENTINEL MASTERS", its)));
            }
            None => {
                if let Some(driver) = &self.cluster {
                    let own = driver.core.explain().into_iter();
                    found.extend(own.map(|its| shown_by("CLUSTER EXPLAIN", its)));
                }
                folder(&self.persist, &self.config, &mut found);
                found.extend(unloaded(&self.persist));
            }
        }
        memory(&self.memory, &self.config, &mut found);
        self.names(&mut found);
        if let Some(history) = &self.connections.console.history {
            lately(
                &self.config,
                &self.memory,
                &self.persist,
                history,
                &mut found,
            );
        }
        spikes(&self.now, &self.diagnostics, &mut found);
        if self.sentinel.is_none() {
            found = doctor::its_own_first(found, self.looked_at(keyspace));
            add_unready(Readiness::of(self).into_findings(), &mut found);
        }
        found.retain(|its| its.weight > Weight::Ok);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        found
    }

    /// The part of the verdict with these codes.
    pub fn faults_of(&self, keyspace: &Keyspace, codes: &[&str]) -> Vec<Finding> {
        let mut found = self.verdict(keyspace);
        found.retain(|its| its.is_fault() && codes.contains(&&*its.code));
        found
    }

    /// The findings of `russet doctor`.
    fn looked_at(&self, keyspace: &Keyspace) -> Vec<Finding> {
        let text = info::info(&Source::new(keyspace, self, None), &LOOKED_AT);
        let names: Vec<&[u8]> = doctor::SETTINGS.iter().map(|its| its.as_bytes()).collect();
        let settings = self.config.get(&names);
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let settings = settings
            .iter()
            .map(|(name, value)| (words(name), words(value)));
        let log = self
            .diagnostics
            .command_logs
            .of(LogKind::Slow)
            .entries()
            .iter();
        let slowest = log.max_by_key(|entry| entry.value).map(|entry| {
            let args: Vec<String> = entry.args.iter().take(3).map(|its| words(its)).collect();
            (
                i64::try_from(entry.value).unwrap_or(i64::MAX),
                args.join(" "),
            )
        });
        doctor::findings(&text, settings, slowest)
    }

    /// Findings that name consumers and users.
    fn names(&self, to: &mut Vec<Finding>) {
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
}

fn severity(is_critical: bool) -> Weight {
    if is_critical {
        Weight::Critical
    } else {
        Weight::Warning
    }
}

/// A finding whose remedy is in words: moves the words into the finding's text, and puts the
/// command that shows more in their place.
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

/// A script that holds others up.
pub fn script(scripting: &ScriptState, cycles: &Cycles, to: &mut Vec<Finding>) {
    let Some(script) = scripting.running.as_ref().filter(|its| its.is_slow) else {
        return;
    };
    let ticks = clock::cycles().wrapping_sub(script.began);
    let seconds = cycles.micros(ticks) / 1_000_000;
    let name = script
        .reported
        .as_ref()
        .map(|its| Printable(&its.0).to_string());
    let name = name.unwrap_or_default();
    let begun = format!("{name} has run for {seconds} s, and others get BUSY meanwhile");
    let kill = match script.of {
        Use::Eval => "SCRIPT KILL",
        Use::Functions => "FUNCTION KILL",
    };
    to.push(if script.is_killed {
        Finding::new(
            Weight::Critical,
            "script",
            format!("{begun}; it has been told to end"),
        )
    } else if script.cannot_end() {
        let text = format!("{begun}; it has written, so it cannot be killed without the server");
        Finding::critical("script", text, "SHUTDOWN NOSAVE")
    } else {
        Finding::critical("script", begun, kill)
    });
}

/// Whether files can be made in `dir`.
fn folder(persist: &Persist, config: &Config, to: &mut Vec<Finding>) {
    let has_log = persist.aof.state() != AofState::Off;
    let needs_it = has_log || !config.save.0.is_empty();
    if !needs_it || !persist.saving.on_disk {
        return;
    }
    let may = access(".", Access::WRITE_OK | Access::EXEC_OK);
    if let Err(error) = may {
        let why = system_text(&error.into());
        let text = format!(
            "dir {} cannot be written to: {why}; no snapshot and no rewrite of the log can be made",
            Printable(&config.dir.0)
        );
        let mend = "give the folder to the server's user (chown), or CONFIG SET dir to another";
        to.push(Finding::critical("folder", text, mend));
    }
}

/// An append only file that the start did not load. While the file is on, it has been replaced.
fn unloaded(persist: &Persist) -> Option<Finding> {
    let of = persist.aof.unloaded.as_ref();
    let of = of.filter(|_| persist.aof.state() == AofState::Off)?;
    let text = format!(
        "appendonly is no, and '{}' has data that the start did not load: {} files, {}",
        of.dir.display(),
        of.files,
        human(of.bytes)
    );
    let remedy = "to load it: restart with appendonly yes; if the data is not needed: remove it";
    Some(Finding::warning("append only file", text, remedy))
}

/// Faults that the doctor's checks of memory judge more mildly.
fn memory(memory: &Memory, config: &Config, to: &mut Vec<Finding>) {
    let (used, rss) = (
        alloc::used_memory() as u64,
        usage::recent_resident_bytes() as u64,
    );
    let max = memory.limit.maxmemory();
    let full = used as f64 / max.max(1) as f64;
    if max > 0 && full > 0.9 && eviction::policy(config).is_none() {
        let text = format!(
            "{:.0} % full: at {} writes are refused (maxmemory-policy noeviction)",
            full * 100.0,
            human(max)
        );
        let finding = Finding::new(severity(full > 0.98), "memory", text);
        to.push(finding.with_remedy("MEMORY DOCTOR"));
    }
    if rss as f64 > 1.5 * used as f64 && rss - used > 256 << 20 {
        let text = format!("{} are held but not used", human(rss - used));
        let remedy = "CONFIG SET activedefrag yes";
        to.push(Finding::warning("fragmentation", text, remedy));
    }
}

/// Spikes that the latency monitor has seen lately.
fn spikes(now: &Now, diagnostics: &Diagnostics, to: &mut Vec<Finding>) {
    let since_s = now.unix_s() - SPIKE_S;
    for (event, series) in &diagnostics.latency.series {
        let late = series.samples.iter().filter(|(at, _)| *at >= since_s);
        let Some(worst) = late.map(|(_, ms)| *ms).max() else {
            continue;
        };
        let text = format!("{event} took up to {worst} ms in the last 15 minutes");
        to.push(Finding::notice("spikes", text).with_remedy("LATENCY DOCTOR"));
    }
}

/// Findings of the last minutes.
fn lately(
    config: &Config,
    memory: &Memory,
    persist: &Persist,
    history: &History,
    to: &mut Vec<Finding>,
) {
    let (rejected, evicted) = (history.sum("rejected"), history.sum("evicted"));
    if rejected >= 1.0 {
        let text = format!(
            "{rejected:.0} connections were refused in the last 15 minutes; maxclients is {}",
            config.maxclients
        );
        to.push(Finding::critical("clients", text, "CLIENT LIST"));
    }
    if evicted >= 1.0 {
        let text = format!(
            "{evicted:.0} keys were evicted in the last 15 minutes, at maxmemory {}: a cache \
             works so, other data is being lost",
            human(memory.limit.maxmemory())
        );
        to.push(Finding::warning("eviction", text, "MEMORY DOCTOR"));
    }
    let p99 = history.worst("p99_us", LATENCY_ROWS);
    if p99 >= SLOW_P99_US {
        let text = format!(
            "one command in a hundred took {:.0} ms or longer within the last {LATENCY_ROWS} s",
            p99 / 1000.0
        );
        to.push(Finding::warning("latency", text, "LATENCY DOCTOR"));
    }
    let busy = history.mean("busy_permille", BUSY_ROWS);
    if busy > 900.0 {
        let text = format!("busy {:.0} % of the time: latency rises", busy / 10.0);
        to.push(Finding::warning("loop", text, "LATENCY HISTOGRAM"));
    }
    let free = history.mean("disk_free", 1);
    let has_log = persist.aof.state() != AofState::Off;
    if free < FREE_MIN {
        let left = human(free as u64);
        let text = if has_log {
            format!("{left} left: without any, writes are refused")
        } else {
            format!("{left} left for snapshots and backups")
        };
        let weight = severity(has_log && free < FREE_MIN_OF_LOG);
        to.push(Finding::new(weight, "disk", text).with_remedy("BACKUP LIST"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_names_stand_for_all() {
        assert_eq!(some([""; 0].iter()), None);
        let all = ["a", "b", "c", "d"];
        assert_eq!(some(all.iter()).as_deref(), Some("a, b, c and 1 more"));
    }
}
