//! Counts calls and their time (INFO commandstats, latencystats, LATENCY HISTOGRAM).
//!
//! A call is counted when it has ended; its time is counted then, or together with its neighbours
//! (`parts::run::timing`).

use crate::clients::batch::ParsedCommand;
use crate::parts::run::timing::{CallTime, TOGETHER_MAX};
use crate::state::Server;

impl Server {
    /// Counts a finished call.
    #[inline(always)]
    pub(super) fn count_call(&mut self, id: usize, failed: bool) {
        let stats = &mut self.diagnostics.command_stats[id];
        stats.calls += 1;
        stats.failed += failed as u64;
        self.stats.commands += 1;
    }

    /// Counts the time of finished calls.
    #[inline(always)]
    pub(super) fn count_time(&mut self, id: usize, timed: CallTime) {
        let CallTime { ticks, calls } = timed;
        let stats = &mut self.diagnostics.command_stats[id];
        stats.ticks += ticks;
        if self.gates.latency_tracking {
            let bytes = &mut self.diagnostics.histogram_bytes;
            stats.record_latency(self.cycles.nanos(ticks), calls, bytes);
        }
    }

    /// How many of these commands, which run next, are timed together; at least 1.
    #[inline]
    pub(super) fn begin_timed(&mut self, commands: &[ParsedCommand]) -> usize {
        self.settle_times();
        let joint = self.timed_jointly(commands);
        self.turn.timing.join(commands[0].row.unwrap_or(0), joint);
        joint
    }

    /// Neighbours that are calls of the same fast command, unless a setting needs the time of each
    /// call.
    #[inline]
    fn timed_jointly(&self, commands: &[ParsedCommand]) -> usize {
        let Some(row) = commands[0].row else {
            return 1;
        };
        let gates = &self.gates;
        let asks = gates.is_observed || gates.is_audited || !gates.thresholds.are_long;
        if asks || !self.table.row(row).is_timed_jointly {
            return 1;
        }
        let neighbours = commands.iter().take(TOGETHER_MAX);
        neighbours
            .take_while(|other| other.row == Some(row))
            .count()
    }

    /// Ends the time of calls that wait for it; the next command is timed alone.
    #[inline]
    pub(super) fn settle_times(&mut self) {
        if self.turn.timing.part() {
            self.count_owed();
        }
    }

    #[cold]
    fn count_owed(&mut self) {
        let (row, timed) = self.turn.timing.settle();
        self.stats.command_ticks += timed.ticks;
        self.count_time(row, timed);
    }
}
