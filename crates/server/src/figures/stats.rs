//! Counters: of the server as a whole, of every command, of every error code.
//!
//! Invariants
//!   1. `errors` has at most [`ERROR_CODES_MAX`] codes; a further code ends counting by code until
//!      CONFIG RESETSTAT; `total_error_replies` still counts.
//!   2. Counters only grow, but for CONFIG RESETSTAT; `..._max` and `slowest_...` are the highest
//!      value since then.
//!
//! Cost: O(1) to count; O(log codes) for an error. A histogram is made with a command's first call.
//! Elsewhere: keys' counters are in `keyspace.stats`; `observe::info` formats both.

use std::collections::BTreeMap;

use crate::figures::histogram::Histogram;
use russet_base::text::Printable;

/// The most distinct error codes counted separately (INFO errorstats).
const ERROR_CODES_MAX: usize = 128;

/// Counters of a command or subcommand.
#[derive(Debug, Default)]
pub struct CommandStats {
    pub calls: u64,
    /// Time in handlers, in cycle-counter ticks.
    pub ticks: u64,
    /// Calls refused before they ran.
    pub rejected: u64,
    /// Ran and answered with an error.
    pub failed: u64,
    pub slow: SlowStats,
    /// Nanoseconds per call; made with the first call while `latency-tracking` is on.
    pub latency: Option<Histogram>,
}

impl CommandStats {
    /// Adds calls that took so many nanoseconds together to the histogram. `bytes` is the memory of
    /// all commands' histograms, to which a new histogram adds its own.
    // It runs after each command, and is not inlined by itself.
    #[inline(always)]
    pub fn record_latency(&mut self, nanos: u64, calls: u64, bytes: &mut usize) {
        let make = || {
            let histogram = Histogram::default();
            *bytes += histogram.memory_bytes();
            histogram
        };
        let histogram = self.latency.get_or_insert_with(make);
        // Mostly `calls` is 1, and a division takes as long as the rest.
        let each = if calls > 1 { nanos / calls } else { nanos };
        histogram.record(each, calls);
    }
}

/// Connections, and why they ended.
#[derive(Debug, Default)]
pub struct ClientStats {
    pub connections: u64,
    pub rejected_connections: u64,
    /// Rejected connections that came from networks with reserved connections.
    pub rejected_priority_connections: u64,
    /// Handshakes of TLS, and failed handshakes.
    pub handshakes: u64,
    pub failed_handshakes: u64,
    pub query_buffer_disconnections: u64,
    pub output_buffer_disconnections: u64,
    pub evicted_clients: u64,
}

/// Commands slower than `slowlog-log-slower-than`, whether or not the log keeps any.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlowStats {
    pub commands: u64,
    pub us_max: u64,
    pub us_sum: u64,
}

impl SlowStats {
    /// A slow command took this long.
    pub fn note(&mut self, micros: u64) {
        self.commands += 1;
        self.us_max = self.us_max.max(micros);
        self.us_sum += micros;
    }
}

/// Batches of clients' input, and their commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchStats {
    /// Times that a client's input was processed.
    pub client_runs: u64,
    /// Turns of the loop that processed any client's input.
    pub turns_with_clients: u64,
    /// Batches parsed, and their commands: the length of pipelines.
    pub parsed: u64,
    pub commands: u64,
    /// Batches whose keys were prefetched, and the number of these keys.
    pub prefetches: u64,
    pub keys_prefetched: u64,
}

/// Time over `maxmemory`.
#[derive(Debug, Default)]
struct TimeOverLimit {
    /// Without the current period, milliseconds.
    ms: u64,
    /// When the current period began.
    since_ms: Option<u64>,
}

/// Counters of the whole server, since start-up or CONFIG RESETSTAT.
#[derive(Debug, Default)]
pub struct Stats {
    pub clients: ClientStats,
    pub slow: SlowStats,
    pub peak: Peak,
    /// Certificates of clients that name no enabled user.
    pub denied_certificates: u64,
    pub batches: BatchStats,
    pub commands: u64,
    pub net_input_bytes: u64,
    /// The part of input and output that links of replication carried.
    pub net_repl_input_bytes: u64,
    pub net_repl_output_bytes: u64,
    pub net_output_bytes: u64,
    pub total_error_replies: u64,
    pub unexpected_error_replies: u64,
    /// Commands that a cluster would have refused.
    pub cluster_incompatible_ops: u64,
    pub reads: u64,
    pub writes: u64,
    pub turns: u64,
    /// Time spent in turns of the loop and in commands, microseconds.
    pub turn_us: u64,
    pub command_ticks: u64,
    pub cron_ticks: u64,
    /// The most commands of a turn.
    pub commands_per_turn_max: u64,
    pub active_expire_us: u64,
    /// Keys deleted by the active expire cycle since the last cron.
    pub expired_actively: u64,
    stale_share: f64,
    pub slowest_turn_us: u64,
    exceeded: TimeOverLimit,
    /// Errors by their code.
    pub errors: BTreeMap<Box<[u8]>, u64>,
    /// There are too many codes: new codes are not counted separately.
    pub errors_overflowed: bool,
}

/// The most memory used so far, and when cron has seen it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    bytes: usize,
    /// Unix seconds.
    pub at_s: i64,
}

impl Stats {
    /// Called by cron with the peak so far.
    pub fn record_peak(&mut self, bytes: usize, now_s: i64) {
        if bytes > self.peak.bytes {
            self.peak = Peak { bytes, at_s: now_s };
        }
    }

    /// Records whether memory is within `maxmemory`.
    #[inline]
    pub fn record_memory(&mut self, fits: bool, now_ms: u64) {
        if fits && self.exceeded.since_ms.is_none() {
            return;
        }
        let since = *self.exceeded.since_ms.get_or_insert(now_ms);
        if fits {
            self.exceeded.ms += now_ms.saturating_sub(since);
            self.exceeded.since_ms = None;
        }
    }

    /// Milliseconds over `maxmemory`: in total, and of the current period.
    pub fn exceeded_ms(&self, now_ms: u64) -> (u64, u64) {
        let since = self.exceeded.since_ms.unwrap_or(now_ms);
        let current = now_ms.saturating_sub(since);
        (self.exceeded.ms + current, current)
    }

    /// Records the share of expired keys among keys with an expiry, called by cron: `volatile` are
    /// left. A running average over about twenty turns of cron, as in Redis.
    pub fn record_stale_share(&mut self, volatile: usize) {
        let due = std::mem::take(&mut self.expired_actively) as f64;
        let share = match due + volatile as f64 {
            0.0 => 0.0,
            keys => due / keys,
        };
        self.stale_share = share * 0.05 + self.stale_share * 0.95;
    }

    /// See [`Stats::record_stale_share`]; percent.
    pub fn stale_percent(&self) -> f64 {
        self.stale_share * 100.0
    }

    /// Counts an error reply by the code it starts with.
    pub fn count_error(&mut self, code: &[u8]) {
        self.total_error_replies += 1;
        if let Some(n) = self.errors.get_mut(code) {
            *n += 1;
        } else if self.errors_overflowed {
            // Counted only in the total.
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.into(), 1);
        } else {
            let codes: Vec<_> = self
                .errors
                .keys()
                .map(|c| Printable(c).to_string())
                .collect();
            tracing::warn!(
                "Errorstats stopped adding new errors because the number of different errors \
                 reached {ERROR_CODES_MAX}; CONFIG RESETSTAT starts over."
            );
            tracing::warn!("Current errors code list: {}", codes.join(", "));
            self.errors_overflowed = true;
            self.errors.clear();
            self.errors.insert((*b"ERRORSTATS_DISABLED").into(), 1);
        }
    }
}

/// Rates over the last seconds (`instantaneous_*`).
#[derive(Debug, Default)]
pub struct Rate {
    samples: [u64; 16],
    at: usize,
    last_value: u64,
    last_ms: u64,
}

impl Rate {
    /// Takes a sample of a growing counter.
    pub fn sample(&mut self, value: u64, now_ms: u64) {
        // There is no rate before the first sample.
        let passed = match self.last_ms {
            0 => 0,
            last => now_ms.saturating_sub(last),
        };
        let grown = value.saturating_sub(self.last_value);
        if let Some(rate) = (grown * 1000).checked_div(passed) {
            self.samples[self.at] = rate;
            self.at = (self.at + 1) % self.samples.len();
        }
        (self.last_value, self.last_ms) = (value, now_ms);
    }

    /// The rate per second, averaged over the samples.
    pub fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / self.samples.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_samples() {
        let mut rate = Rate::default();
        rate.sample(1_000_000, 5000);
        assert_eq!(rate.per_second(), 0);
        for n in 1..=16 {
            rate.sample(1_000_000 + n * 10, 5000 + n * 100);
        }
        assert_eq!(rate.per_second(), 100);
    }

    #[test]
    fn a_stale_share_rises_at_once_and_fades() {
        let mut stats = Stats {
            expired_actively: 1000,
            ..Stats::default()
        };
        stats.record_stale_share(0);
        assert_eq!(format!("{:.2}", stats.stale_percent()), "5.00");
        stats.record_stale_share(100);
        assert_eq!(format!("{:.2}", stats.stale_percent()), "4.75");
        stats.expired_actively = 10;
        stats.record_stale_share(90);
        assert_eq!(format!("{:.2}", stats.stale_percent()), "5.01");
    }
}
