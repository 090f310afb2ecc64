//! Records commands that reach a threshold in the command logs and the latency monitor.

use crate::clients::client::Client;
use crate::figures::stats::Stats;
use crate::parts::observe::Diagnostics;
use crate::parts::observe::command_log::{LogKind, LoggedCommand};
use crate::state::call::{CommandTable, Handler};
use russet_command::Flags;
use russet_config::Config;
use russet_resp::Args;

impl<'a> LoggedCommand<'a, Handler> {
    /// The command of the row `id`.
    pub fn of(
        table: &'a CommandTable,
        client: &'a Client,
        (id, args): (usize, Args<'a>),
    ) -> LoggedCommand<'a, Handler> {
        LoggedCommand {
            client,
            table,
            row: table.row(id),
            args,
        }
    }
}

impl Diagnostics {
    /// Reports a command that took so many microseconds, over the threshold. `at`: the settings,
    /// and Unix seconds.
    #[cold]
    pub(crate) fn record_slow(
        &mut self,
        ran: &LoggedCommand<'_, Handler>,
        micros: u64,
        at: (&Config, i64),
        stats: &mut Stats,
    ) {
        let row = ran.row;
        let event = if row.spec.flags.contains(Flags::FAST) {
            "fast-command"
        } else {
            "command"
        };
        self.latency.add_if_slow(event, micros / 1000);
        let threshold = at.0.slowlog_log_slower_than;
        let is_logged = !row.spec.flags.contains(Flags::SKIP_SLOWLOG);
        if is_logged && u64::try_from(threshold).is_ok_and(|threshold| micros >= threshold) {
            stats.slow.note(micros);
            self.command_stats[row.id].slow.note(micros);
        }
        if let Some(entry) = self.command_logs.note(LogKind::Slow, ran, micros, at) {
            entry.cpu_micros = self.cpu.of_ended(micros);
        }
    }
}
