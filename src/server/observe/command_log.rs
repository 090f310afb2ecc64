//! Commands that reach a threshold are reported to the command logs and the latency monitor.

use crate::server::clients::client::Client;
use crate::server::parts::observe::command_log::{LogKind, Logged};
use crate::server::state::Server;
use russet_command::Flags;
use russet_resp::Args;

impl Server {
    /// Reports a command, by its row's number too, that took `ticks`, over the threshold.
    #[cold]
    pub(in crate::server) fn note_slow(
        &mut self,
        client: &Client,
        (id, args): (usize, Args<'_>),
        ticks: u64,
    ) {
        let row = self.table.row(id);
        let ran = &Logged {
            client,
            table: &self.table,
            row,
            args,
        };
        let micros = self.cycles.micros(ticks);
        let event = if row.spec.flags.contains(Flags::FAST) {
            "fast-command"
        } else {
            "command"
        };
        let at = (&self.config, self.now.unix_s());
        self.diagnostics.latency.add_if_slow(event, micros / 1000);
        let threshold = self.config.slowlog_log_slower_than;
        let is_logged = !row.spec.flags.contains(Flags::SKIP_SLOWLOG);
        if is_logged && u64::try_from(threshold).is_ok_and(|threshold| micros >= threshold) {
            self.stats.slow.note(micros);
            self.diagnostics.command_stats[id].slow.note(micros);
        }
        let logs = &mut self.diagnostics.command_logs;
        logs.note(LogKind::Slow, ran, micros, at);
    }

    /// Reports a command whose request or reply is large.
    #[cold]
    pub(in crate::server) fn note_large(
        &mut self,
        client: &Client,
        (id, args): (usize, Args<'_>),
        with_request: bool,
        reply_bytes: usize,
    ) {
        let ran = &Logged {
            client,
            table: &self.table,
            row: self.table.row(id),
            args,
        };
        let at = (&self.config, self.now.unix_s());
        let logs = &mut self.diagnostics.command_logs;
        logs.note_large(ran, with_request, reply_bytes, at);
    }
}
