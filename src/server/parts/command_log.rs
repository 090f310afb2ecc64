//! The command logs: recent commands that took longer than `slowlog-log-slower-than` (SLOWLOG and
//! COMMANDLOG's `slow`), or whose request or reply was larger than `commandlog-request-larger-than`
//! or `commandlog-reply-larger-than`.

use std::collections::VecDeque;

use crate::base::alloc;

/// Why a command is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    Slow,
    LargeRequest,
    LargeReply,
}

/// One command.
#[derive(Debug, Clone)]
pub struct LogEntry {
    pub id: u64,
    /// Unix seconds.
    pub at: i64,
    /// Microseconds of a slow command, bytes of a large one.
    pub value: u64,
    pub args: Vec<Vec<u8>>,
    pub peer: String,
    pub name: String,
}

impl LogEntry {
    /// Memory that it owns, bytes.
    fn owned_bytes(&self) -> usize {
        let args = self.args.iter().map(alloc::vec_bytes).sum::<usize>();
        let texts = [self.peer.capacity(), self.name.capacity()];
        alloc::vec_bytes(&self.args) + args + texts.map(alloc::slice_bytes).iter().sum::<usize>()
    }
}

/// A log, newest first.
#[derive(Debug, Default)]
pub struct CommandLog {
    pub entries: VecDeque<LogEntry>,
    next_id: u64,
}

impl CommandLog {
    pub(in crate::server) fn push(&mut self, mut entry: LogEntry, len_max: u64) {
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(len_max as usize);
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
    /// Memory of all entries, bytes. O(entries).
    pub fn memory_bytes(&self) -> usize {
        let logs = [&self.slow, &self.large_request, &self.large_reply];
        let each = logs.iter().map(|log| {
            let owned = log.entries.iter().map(LogEntry::owned_bytes);
            alloc::deque_bytes(&log.entries) + owned.sum::<usize>()
        });
        each.sum()
    }

    pub fn of(&self, kind: LogKind) -> &CommandLog {
        match kind {
            LogKind::Slow => &self.slow,
            LogKind::LargeRequest => &self.large_request,
            LogKind::LargeReply => &self.large_reply,
        }
    }

    pub fn of_mut(&mut self, kind: LogKind) -> &mut CommandLog {
        match kind {
            LogKind::Slow => &mut self.slow,
            LogKind::LargeRequest => &mut self.large_request,
            LogKind::LargeReply => &mut self.large_reply,
        }
    }
}

/// Upper bound on what a bulk string adds to its text on the wire.
pub(in crate::server) const HEADER_MAX: usize = 16;

/// Thresholds from which a command is checked against the logs.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Thresholds {
    pub ticks: u64,
    /// Compared with the arguments' bytes plus [`HEADER_MAX`] for each and for their count.
    pub request_bytes: usize,
    pub reply_bytes: usize,
}

impl Thresholds {
    /// No command is checked.
    pub const NONE: Thresholds = Thresholds {
        ticks: u64::MAX,
        request_bytes: usize::MAX,
        reply_bytes: usize::MAX,
    };
}
