//! The slow log: the last commands that took longer than `slowlog-log-slower-than`.

use std::collections::VecDeque;

use super::Server;
use super::call::Spec;
use super::client::Client;
use crate::command::Flags;
use crate::resp::Args;

/// Arguments kept of one command, and bytes kept of one argument.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Debug, Clone)]
pub struct SlowEntry {
    pub id: u64,
    /// Unix seconds.
    pub at: i64,
    pub micros: u64,
    pub args: Vec<Vec<u8>>,
    pub peer: String,
    pub name: String,
}

/// The log, newest first.
#[derive(Debug, Default)]
pub struct Slowlog {
    pub entries: VecDeque<SlowEntry>,
    next_id: u64,
}

impl Slowlog {
    fn push(&mut self, mut entry: SlowEntry, len_max: usize) {
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(len_max);
    }
}

impl Server {
    /// Files a command that took `ticks`, over the threshold.
    #[cold]
    pub(super) fn note_slow(&mut self, client: &Client, spec: &Spec, args: Args<'_>, ticks: u64) {
        let micros = self.cycles.micros(ticks);
        let event = if spec.flags.contains(Flags::FAST) {
            "fast-command"
        } else {
            "command"
        };
        self.latency.add_if_slow(event, micros / 1000);
        let threshold = self.config.slowlog_log_slower_than;
        let none_kept = self.config.slowlog_max_len == 0;
        if threshold < 0 || micros < threshold as u64 || none_kept {
            return;
        }
        if spec.flags.contains(Flags::SKIP_SLOWLOG) {
            return;
        }
        let entry = SlowEntry {
            id: 0,
            at: self.now.unix_s(),
            micros,
            args: shortened(args, spec),
            peer: client.peer.to_string(),
            name: client.name.as_deref().unwrap_or("").to_string(),
        };
        self.slowlog
            .push(entry, self.config.slowlog_max_len as usize);
    }

    /// The log keeps to a lowered `slowlog-max-len`. A log that is off keeps what it has.
    pub(super) fn trim_slowlog(&mut self) {
        let len = self.config.slowlog_max_len as usize;
        if len > 0 && self.config.slowlog_log_slower_than >= 0 {
            self.slowlog.entries.truncate(len);
        }
    }

    /// Recomputes from which duration on a command is looked at more closely.
    pub(super) fn set_slow_threshold(&mut self) {
        let slowlog = self.config.slowlog_log_slower_than;
        let latency = self.config.latency_monitor_threshold;
        let nanos_per_tick = self.cycles.nanos(1_000_000) as f64 / 1e6;
        let micros = [
            (slowlog >= 0).then_some(slowlog as u64),
            (latency > 0).then(|| latency.saturating_mul(1000)),
        ];
        self.slow_ticks = match micros.into_iter().flatten().min() {
            None => u64::MAX,
            Some(us) => (us as f64 * 1000.0 / nanos_per_tick) as u64,
        };
    }
}

/// The arguments as the log keeps them: long ones and long lists are cut.
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
