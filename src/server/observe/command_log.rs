//! Adds to the command logs (`parts::command_log`) what their thresholds select.

use crate::command::Flags;
use crate::resp::Args;
use crate::server::clients::client::Client;
use crate::server::parts::command_log::{LogEntry, LogKind, Thresholds};
use crate::server::state::Server;
use crate::server::state::call::Spec;

/// Arguments kept of one command, and bytes kept of one argument.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

/// The arguments as the log keeps them: long texts and long lists are cut.
fn shortened(args: Args<'_>, spec: &Spec) -> Vec<Vec<u8>> {
    let whole = if args.len() > ARGS_MAX {
        ARGS_MAX - 1
    } else {
        args.len()
    };
    let mut out: Vec<Vec<u8>> = args
        .iter()
        .take(whole)
        .enumerate()
        .map(|(i, a)| match a.len() {
            _ if spec.hides(args, i) => b"(redacted)".to_vec(),
            0..=ARG_BYTES_MAX => a.to_vec(),
            len => {
                let mut cut = a[..ARG_BYTES_MAX].to_vec();
                let more = len - ARG_BYTES_MAX;
                cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                cut
            }
        })
        .collect();
    if whole < args.len() {
        out.push(format!("... ({} more arguments)", args.len() - whole).into_bytes());
    }
    out
}

impl Server {
    /// Logs a command that took `ticks`, over the threshold.
    #[cold]
    pub(in crate::server) fn note_slow(
        &mut self,
        client: &Client,
        spec: &Spec,
        args: Args<'_>,
        ticks: u64,
    ) {
        let micros = self.cycles.micros(ticks);
        let event = if spec.flags.contains(Flags::FAST) {
            "fast-command"
        } else {
            "command"
        };
        self.diagnostics.latency.add_if_slow(event, micros / 1000);
        self.note_in_log(LogKind::Slow, client, spec, args, micros);
    }

    /// Logs a command if its request or its reply is large.
    #[cold]
    pub(in crate::server) fn note_large(
        &mut self,
        client: &Client,
        spec: &Spec,
        args: Args<'_>,
        with_request: bool,
        reply_bytes: usize,
    ) {
        let header = |n: usize| 3 + n.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut bytes = header(args.len());
        for arg in args.iter() {
            bytes += header(arg.len()) + arg.len() + 2;
        }
        if with_request {
            self.note_in_log(LogKind::LargeRequest, client, spec, args, bytes as u64);
        }
        self.note_in_log(LogKind::LargeReply, client, spec, args, reply_bytes as u64);
    }

    /// The threshold of a log, -1 for none, and its length.
    fn log_limits(&self, kind: LogKind) -> (i64, u64) {
        let config = &self.config;
        match kind {
            LogKind::Slow => (config.slowlog_log_slower_than, config.slowlog_max_len),
            LogKind::LargeRequest => (
                config.commandlog_request_larger_than,
                config.commandlog_large_request_max_len,
            ),
            LogKind::LargeReply => (
                config.commandlog_reply_larger_than,
                config.commandlog_large_reply_max_len,
            ),
        }
    }

    fn note_in_log(
        &mut self,
        kind: LogKind,
        client: &Client,
        spec: &Spec,
        args: Args<'_>,
        value: u64,
    ) {
        let (threshold, len_max) = self.log_limits(kind);
        let is_off = threshold < 0 || len_max == 0 || spec.flags.contains(Flags::SKIP_SLOWLOG);
        if is_off || value < threshold as u64 {
            return;
        }
        let entry = LogEntry {
            id: 0,
            at: self.now.unix_s(),
            value,
            args: shortened(args, spec),
            peer: client.identity.peer.to_string(),
            name: client.identity.name.as_deref().unwrap_or("").to_string(),
        };
        self.diagnostics
            .command_logs
            .of_mut(kind)
            .push(entry, len_max);
    }

    /// Trims the logs to lengths that were lowered. A disabled log keeps its entries.
    pub(in crate::server) fn trim_command_logs(&mut self) {
        for kind in [LogKind::Slow, LogKind::LargeRequest, LogKind::LargeReply] {
            let (threshold, len_max) = self.log_limits(kind);
            if len_max > 0 && threshold >= 0 {
                let entries = &mut self.diagnostics.command_logs.of_mut(kind).entries;
                entries.truncate(len_max as usize);
            }
        }
    }

    /// Recomputes the thresholds.
    pub(in crate::server) fn set_thresholds(&mut self) {
        let slowlog = self.config.slowlog_log_slower_than;
        let latency = self.config.latency_monitor_threshold;
        let nanos_per_tick = self.cycles.nanos(1_000_000) as f64 / 1e6;
        let micros = [
            (slowlog >= 0).then_some(slowlog as u64),
            (latency > 0).then(|| latency.saturating_mul(1000)),
        ];
        let ticks = match micros.into_iter().flatten().min() {
            None => u64::MAX,
            Some(us) => (us as f64 * 1000.0 / nanos_per_tick) as u64,
        };
        let bytes = |kind| match self.log_limits(kind) {
            (threshold, len_max) if threshold >= 0 && len_max > 0 => threshold as usize,
            _ => usize::MAX,
        };
        self.gates.thresholds = Thresholds {
            ticks,
            request_bytes: bytes(LogKind::LargeRequest),
            reply_bytes: bytes(LogKind::LargeReply),
        };
    }
}
