//! Records for the server's operators: logs, counters, and the state of their endpoints.
//!
//! Each observer is bounded: a log by its length, the audit by its queue, counters by the number of
//! keys or rows that they count. Whether anything observes commands, and from which thresholds on,
//! is kept in `parts::execution::gates`, so that a command costs a few comparisons if nothing does.
//! [`recorder`] alone is for tests.
//!
//! The observers of a command, INFO and the metrics: `server::observe`.

pub mod audit;
pub mod closed;
pub mod command_log;
pub mod hotkeys;
pub mod metrics;
pub mod percentiles;
pub mod recorder;

use crate::figures::latency::Latency;
use crate::figures::recent::RecentPeaks;
use crate::figures::stats::{CommandStats, Rate, Stats};
use crate::parts::cluster::slot_stats::SlotStats;
use crate::parts::observe::hotkeys::Windows;
use audit::Audit;
use closed::ClosedClientLog;
use command_log::{CommandLogs, CpuMark};
use hotkeys::Hotkeys;
use metrics::Metrics;
use russet_base::clock::Now;

/// Diagnostic figures.
#[derive(Default)]
pub struct Diagnostics {
    pub metrics: Metrics,
    /// By row number.
    pub command_stats: Vec<CommandStats>,
    /// Bytes of the histograms in `command_stats`.
    pub histogram_bytes: usize,
    pub rates: Rates,
    pub command_logs: CommandLogs,
    pub cpu: CpuMark,
    pub latency: Latency,
    /// Peaks of clients' buffers in the last seconds.
    pub recent: RecentPeaks,
    pub hotkeys: Hotkeys,
    pub audit: Audit,
    /// Connections that ended.
    pub closed: ClosedClientLog,
    /// Figures of slots.
    pub slot_stats: SlotStats,
    /// When the log last reported an HTTP request, monotonic milliseconds.
    pub http_reported_ms: Option<u64>,
    /// When the crash report's INFO is renewed, monotonic milliseconds.
    pub(crate) report_due_ms: u64,
}

/// INFO's `instantaneous_*`.
#[derive(Debug, Default)]
pub struct Rates {
    pub commands: Rate,
    pub input: Rate,
    pub output: Rate,
    pub repl_input: Rate,
    pub repl_output: Rate,
    pub turns: Rate,
    pub turn_us: Rate,
}

impl Rates {
    pub fn sample(&mut self, stats: &Stats, now_ms: u64) {
        self.commands.sample(stats.commands, now_ms);
        self.input.sample(stats.net_input_bytes, now_ms);
        self.output.sample(stats.net_output_bytes, now_ms);
        self.repl_input.sample(stats.net_repl_input_bytes, now_ms);
        self.repl_output.sample(stats.net_repl_output_bytes, now_ms);
        self.turns.sample(stats.turns, now_ms);
        self.turn_us.sample(stats.turn_us, now_ms);
    }
}

impl Diagnostics {
    /// The hottest keys of the last full window; `None`: `hotkey-top-k` is 0.
    pub fn hot_windows(&mut self, now: &Now) -> Option<&Windows> {
        self.hotkeys.windows(now.mono_ms)
    }
}
