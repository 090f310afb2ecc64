//! The command logs: recent commands that took longer than `slowlog-log-slower-than` (SLOWLOG and
//! COMMANDLOG's `slow`), or whose request or reply was larger than `commandlog-request-larger-than`
//! or `commandlog-reply-larger-than`.
//!
//! A command costs three comparisons with the [`Thresholds`], which are computed when settings
//! change. A command that reaches a threshold is judged again here, because the latency monitor
//! shares the threshold for time.
//!
//! Invariant: a log has at most as many entries as its `-max-len`; each entry has at most
//! `slowlog-entry-max-argc` arguments of about `slowlog-entry-max-string-len` bytes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clients::client::Client;
use russet_base::clock::Cycles;
use russet_base::memory::alloc;
use russet_base::usage::{CpuOwner, cpu_time};
use russet_command::Flags;
use russet_command::secrets::REDACTED;
use russet_command::table::{CommandTable, Row};
use russet_config::Config;
use russet_resp::Args;

/// Why a command is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    Slow,
    LargeRequest,
    LargeReply,
}

/// A logged command.
#[derive(Debug, Clone)]
pub struct LogEntry {
    pub id: u64,
    /// Unix seconds.
    pub at: i64,
    /// Microseconds of a slow command, bytes of a large request or reply.
    pub value: u64,
    /// Microseconds of processor time of a slow command ([`CpuMark`]); 0 in the other logs.
    pub cpu_micros: u64,
    /// The arguments; long arguments are cut.
    pub args: Vec<Vec<u8>>,
    /// How many arguments the command had.
    pub argc: usize,
    pub peer: String,
    pub name: String,
}

impl LogEntry {
    /// Memory that the entry owns, bytes.
    fn owned_bytes(&self) -> usize {
        let args = self.args.iter().map(alloc::vec_bytes).sum::<usize>();
        let texts = [self.peer.capacity(), self.name.capacity()];
        alloc::vec_bytes(&self.args) + args + texts.map(alloc::slice_bytes).iter().sum::<usize>()
    }
}

/// A log, newest first.
#[derive(Debug, Default)]
pub struct CommandLog {
    entries: VecDeque<LogEntry>,
    /// Bytes that the entries own.
    owned_bytes: usize,
    next_id: u64,
}

impl CommandLog {
    fn push(&mut self, mut entry: LogEntry, len_max: u64) -> Option<&mut LogEntry> {
        entry.id = self.next_id;
        self.next_id += 1;
        self.owned_bytes += entry.owned_bytes();
        self.entries.push_front(entry);
        self.truncate(len_max as usize);
        self.entries.front_mut()
    }

    /// Removes the oldest entries until at most `len` are left.
    fn truncate(&mut self, len: usize) {
        while self.entries.len() > len {
            let removed = self.entries.pop_back();
            self.owned_bytes -= removed.map_or(0, |entry| entry.owned_bytes());
        }
    }

    /// The entries, newest first.
    pub fn entries(&self) -> &VecDeque<LogEntry> {
        &self.entries
    }
}

/// The three command logs.
#[derive(Debug, Default)]
pub struct CommandLogs {
    slow: CommandLog,
    large_request: CommandLog,
    large_reply: CommandLog,
}

impl CommandLogs {
    /// Memory of all entries, bytes.
    pub fn memory_bytes(&self) -> usize {
        let logs = [&self.slow, &self.large_request, &self.large_reply];
        let each = logs.map(|log| alloc::deque_bytes(&log.entries) + log.owned_bytes);
        each.iter().sum()
    }

    pub fn of(&self, kind: LogKind) -> &CommandLog {
        match kind {
            LogKind::Slow => &self.slow,
            LogKind::LargeRequest => &self.large_request,
            LogKind::LargeReply => &self.large_reply,
        }
    }

    fn of_mut(&mut self, kind: LogKind) -> &mut CommandLog {
        match kind {
            LogKind::Slow => &mut self.slow,
            LogKind::LargeRequest => &mut self.large_request,
            LogKind::LargeReply => &mut self.large_reply,
        }
    }

    /// Removes all entries of a log; numbering continues.
    pub fn clear(&mut self, kind: LogKind) {
        self.of_mut(kind).truncate(0);
    }

    /// Logs a command in the given log if `value` reaches the log's threshold; returns the new
    /// entry. `now_s`: Unix seconds.
    pub fn note<H>(
        &mut self,
        kind: LogKind,
        ran: &LoggedCommand<'_, H>,
        value: u64,
        (config, now_s): (&Config, i64),
    ) -> Option<&mut LogEntry> {
        let (threshold, len_max) = limits(config, kind);
        let is_off =
            threshold < 0 || len_max == 0 || ran.row.spec.flags.contains(Flags::SKIP_SLOWLOG);
        if is_off || value < threshold as u64 {
            return None;
        }
        let identity = &ran.client.identity;
        let entry = LogEntry {
            id: 0,
            at: now_s,
            value,
            cpu_micros: 0,
            args: shortened(ran, config),
            argc: ran.args.len(),
            peer: identity.peer.to_string(),
            name: identity.name.as_deref().unwrap_or("").to_string(),
        };
        self.of_mut(kind).push(entry, len_max)
    }

    /// Logs a command if the request or the reply is large. Only the reply counts for a command
    /// without a request.
    pub(crate) fn log_if_large<H>(
        &mut self,
        ran: &LoggedCommand<'_, H>,
        with_request: bool,
        reply_bytes: usize,
        at: (&Config, i64),
    ) {
        if with_request {
            let bytes = ran.args.wire_bytes() as u64;
            let _ = self.note(LogKind::LargeRequest, ran, bytes, at);
        }
        let _ = self.note(LogKind::LargeReply, ran, reply_bytes as u64, at);
    }

    /// Trims the logs to lengths that were lowered. A disabled log keeps its entries.
    pub fn trim(&mut self, config: &Config) {
        for kind in [LogKind::Slow, LogKind::LargeRequest, LogKind::LargeReply] {
            let (threshold, len_max) = limits(config, kind);
            if len_max > 0 && threshold >= 0 {
                self.of_mut(kind).truncate(len_max as usize);
            }
        }
    }
}

/// The processor time of the loop's thread, as it was up to a millisecond before this turn.
///
/// To read it takes a call of the system, which would cost a small command a third more, so it is
/// not read at the start of each command. The time of a slow command is the time since the mark, at
/// most the command's duration: it includes what the turn and the millisecond before it did since
/// the last slow command.
#[derive(Debug, Default)]
pub struct CpuMark {
    time: Duration,
    /// When it was read, monotonic milliseconds.
    at_ms: u64,
}

impl CpuMark {
    /// A turn begins at this monotonic millisecond.
    #[inline]
    pub fn begin_turn(&mut self, now_ms: u64) {
        if now_ms != self.at_ms {
            self.at_ms = now_ms;
            self.time = thread_time();
        }
    }

    /// The microseconds of processor time of a command that took so many microseconds and ends now.
    pub fn of_ended(&mut self, micros: u64) -> u64 {
        let now = thread_time();
        let passed = now.saturating_sub(std::mem::replace(&mut self.time, now));
        micros.min(passed.as_micros() as u64)
    }
}

fn thread_time() -> Duration {
    let time = cpu_time(CpuOwner::Thread);
    time.user + time.system
}

/// A command that has run, as the logs see it.
pub struct LoggedCommand<'a, H: 'static> {
    pub client: &'a Client,
    pub table: &'a CommandTable<H>,
    pub row: &'a Row<H>,
    pub args: Args<'a>,
}

/// The threshold of a log, -1 for none, and its length.
fn limits(config: &Config, kind: LogKind) -> (i64, u64) {
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

/// The arguments as the log keeps them: long texts and long lists are cut.
fn shortened<H>(ran: &LoggedCommand<'_, H>, config: &Config) -> Vec<Vec<u8>> {
    let (args, secrets) = (ran.args, ran.table.secrets(ran.row, ran.args));
    let bytes_max = config.slowlog_entry_max_string_len;
    let whole = match config.slowlog_entry_max_argc {
        max if args.len() > max => max - 1,
        _ => args.len(),
    };
    let mut out: Vec<Vec<u8>> = args
        .iter()
        .take(whole)
        .enumerate()
        .map(|(i, a)| match a.len() {
            _ if secrets.hides(i) => REDACTED.to_vec(),
            len if len <= bytes_max => a.to_vec(),
            len => {
                let mut cut = a[..bytes_max].to_vec();
                let more = len - bytes_max;
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

/// Upper bound on the bytes that a bulk string adds to its text on the wire.
pub(crate) const HEADER_MAX: usize = 16;

/// A threshold for time that is long for a fast command, microseconds.
const LONG_US: u64 = 1000;

/// Thresholds from which a command is checked against the logs.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    pub ticks: u64,
    /// Of time: no call of a fast command takes as long, unless something is wrong.
    pub are_long: bool,
    /// Compared with the arguments' bytes plus [`HEADER_MAX`] for each and for their count.
    pub request_bytes: usize,
    pub reply_bytes: usize,
}

impl Thresholds {
    /// No command is checked.
    pub const NONE: Thresholds = Thresholds {
        ticks: u64::MAX,
        are_long: true,
        request_bytes: usize::MAX,
        reply_bytes: usize::MAX,
    };

    /// The thresholds that the settings give: for time the lower of the slow log's and the latency
    /// monitor's thresholds.
    pub fn of(config: &Config, cycles: &Cycles) -> Thresholds {
        let slowlog = config.slowlog_log_slower_than;
        let latency = config.latency_monitor_threshold;
        let nanos_per_tick = cycles.nanos(1_000_000) as f64 / 1e6;
        let micros = [
            (slowlog >= 0).then_some(slowlog as u64),
            (latency > 0).then(|| latency.saturating_mul(1000)),
        ];
        let micros = micros.into_iter().flatten().min();
        let ticks = match micros {
            None => u64::MAX,
            Some(us) => (us as f64 * 1000.0 / nanos_per_tick) as u64,
        };
        let bytes = |kind| match limits(config, kind) {
            (threshold, len_max) if threshold >= 0 && len_max > 0 => threshold as usize,
            _ => usize::MAX,
        };
        Thresholds {
            ticks,
            are_long: micros.is_none_or(|micros| micros >= LONG_US),
            request_bytes: bytes(LogKind::LargeRequest),
            reply_bytes: bytes(LogKind::LargeReply),
        }
    }
}
