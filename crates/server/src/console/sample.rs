//! Rows of the history: once a second, while the console has a port.
//!
//! A row has levels (memory, keys, clients) and rates: the difference of counters since the last
//! row, per second. The first call only records the counters; a standstill leaves a gap, not a row.
//! A figure that does not apply is NaN.
//! Cost: O(replicas + databases) a second, and none with port 0, which also drops the history.
//! Elsewhere: `console::history` has the fields and the rings; `streams` sends the rows.

use crate::console::answer::bad;
use crate::figures::stats::Stats;
use crate::parts::console::CounterSample;
use crate::state::Server;
use russet_base::clock::Now;
use russet_base::memory::alloc;
use russet_base::usage::{self, CpuOwner};
use russet_console::calls;
use russet_console::history::{FIELDS, History, Row};
use russet_console::http::Answer;
use russet_keyspace::Keyspace;

/// Milliseconds between rows.
const STEP_MS: u64 = 1000;

impl Server {
    /// Called by cron: adds a row if it is due. O(replicas + databases), and reading three figures
    /// of the process. Returns whether there is a new row.
    pub(crate) fn sample_history(&mut self, keyspace: &Keyspace) -> bool {
        let console = &mut self.connections.console;
        if self.config.console_port == 0 {
            (console.history, console.turns) = (None, None);
            return false;
        }
        let now_ms = self.now.mono_ms;
        if now_ms < console.sample_due_ms {
            return false;
        }
        // A standstill leaves a gap.
        console.sample_due_ms = if now_ms - console.sample_due_ms < STEP_MS {
            console.sample_due_ms + STEP_MS
        } else {
            now_ms + STEP_MS
        };
        let counted = counted(&self.stats, &self.now, keyspace);
        let before = std::mem::replace(&mut self.connections.console.counted, counted);
        let turns = self.diagnostics.latency.turns.clone();
        let console = &mut self.connections.console;
        let turns_before = console.turns.replace(turns);
        if console.history.is_none() {
            // The first call only records the counters.
            console.history = Some(Box::default());
            return false;
        }
        let mut row = self.levels(keyspace);
        add_rates(&mut row, &before, &counted);
        let console = &mut self.connections.console;
        if let (Some(now), Some(before)) = (&console.turns, &turns_before) {
            let second = now.since(before);
            if let Some(second) = second.filter(|second| second.total() > 0) {
                set(&mut row, "p50_us", second.percentile(50.0) as f64);
                set(&mut row, "p99_us", second.percentile(99.0) as f64);
            }
        }
        if let Some(history) = &mut console.history {
            history.add(&row);
        }
        true
    }

    /// A row without its rates.
    fn levels(&mut self, keyspace: &Keyspace) -> Row {
        let mut row = [f64::NAN; FIELDS.len()];
        let now = &self.now;
        let replicas = self.replication.replicas.listed();
        let offset = self.stream.offset();
        let lag = replicas
            .map(|replica| offset.saturating_sub(replica.acked))
            .max();
        let replicas = self.replication.replicas.listed().count();
        for (name, value) in [
            ("time", now.unix_ms() as f64),
            ("uptime", (now.unix_s() - self.identity.started_at) as f64),
            ("used_memory", alloc::used_memory() as f64),
            ("used_memory_peak", alloc::peak_memory() as f64),
            ("rss", usage::recent_resident_bytes() as f64),
            ("keys", keyspace.len() as f64),
            ("expires", keyspace.volatile() as f64),
            ("clients", self.clients.len() as f64),
            ("blocked", self.clients.blocked as f64),
            ("replicas", replicas as f64),
        ] {
            set(&mut row, name, value);
        }
        if let Some(lag) = lag {
            set(&mut row, "repl_lag_bytes", lag as f64);
        }
        let now_ms = self.now.mono_ms;
        if let Some(free) = self.connections.console.disk.free(now_ms) {
            set(&mut row, "disk_free", free as f64);
        }
        if let Some(log) = self.persist.aof.log() {
            set(&mut row, "log_bytes", log.current_bytes() as f64);
            let (appended, synced) = (log.writer.appended(), log.writer.synced());
            let since = &mut self.connections.console.unsynced;
            // Known to the second: the oldest write seen that is not yet on disk.
            *since = match *since {
                _ if synced >= appended => None,
                Some((mark, at_ms)) if synced < mark => Some((mark, at_ms)),
                _ => Some((appended, now_ms)),
            };
            let age_ms = since.map_or(0, |(_, at_ms)| now_ms - at_ms);
            set(&mut row, "aof_unsynced_ms", age_ms as f64);
        }
        row
    }

    /// `api/history`; with `{"tiers":[1]}` only these steps. Its `findings` are the verdict.
    pub(crate) fn console_history(&self, keyspace: &Keyspace, body: &[u8]) -> Answer {
        let fields = match calls::object(body) {
            Ok(fields) => fields,
            Err(wrong) => return bad(wrong),
        };
        let steps = fields.get("tiers").and_then(|steps| steps.as_array());
        let steps: Vec<u64> = steps.map_or(Vec::new(), |steps| {
            steps.iter().filter_map(|step| step.as_u64()).collect()
        });
        let (mut out, none) = (Vec::new(), History::default());
        let history = self.connections.console.history.as_deref();
        let found = self.verdict(keyspace);
        let now_ms = self.now.unix_ms();
        (history.unwrap_or(&none)).write(now_ms, &steps, &found, &mut out);
        Answer::json(out)
    }
}

fn set(row: &mut Row, name: &str, value: f64) {
    if let Some(at) = FIELDS.iter().position(|(known, _)| *known == name) {
        row[at] = value;
    }
}

/// Adds the growth of each counter since the last row, per second.
fn add_rates(row: &mut Row, before: &CounterSample, now: &CounterSample) {
    let passed_ms = now.at_ms.saturating_sub(before.at_ms).max(1) as f64;
    // Counters fall only when they are reset.
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 * 1000.0 / passed_ms;
    for (name, value) in [
        ("ops", rate(now.commands, before.commands)),
        ("net_in", rate(now.net_in, before.net_in)),
        ("net_out", rate(now.net_out, before.net_out)),
        ("hits", rate(now.hits, before.hits)),
        ("misses", rate(now.misses, before.misses)),
        ("expired", rate(now.expired, before.expired)),
        ("evicted", rate(now.evicted, before.evicted)),
        ("errors", rate(now.errors, before.errors)),
        ("rejected", rate(now.rejected, before.rejected)),
        ("busy_permille", rate(now.turn_us, before.turn_us) / 1000.0),
        ("cpu_permille", rate(now.cpu_us, before.cpu_us) / 1000.0),
    ] {
        set(row, name, value);
    }
}

fn counted(stats: &Stats, now: &Now, keyspace: &Keyspace) -> CounterSample {
    let (stats, keys) = (stats, &keyspace.stats);
    let cpu = usage::cpu_time(CpuOwner::Process);
    CounterSample {
        at_ms: now.mono_ms,
        commands: stats.commands,
        net_in: stats.net_input_bytes,
        net_out: stats.net_output_bytes,
        hits: keys.hits,
        misses: keys.misses,
        expired: keys.expired,
        evicted: keys.evicted,
        errors: stats.total_error_replies,
        rejected: stats.clients.rejected_connections,
        turn_us: stats.turn_us,
        cpu_us: u64::try_from((cpu.user + cpu.system).as_micros()).unwrap_or(u64::MAX),
    }
}
