//! Expiry of the idempotent IDs that streams keep of their producers, and the streams that need a
//! newer form in files.
//!
//! A database has a line for each such stream (`fields`, which explains the order), with the time
//! at which its first line of a producer expires. The expire cycle removes due lines of producers;
//! lookups do not. Because the removal is no change of the key, nothing is recorded or propagated,
//! and a replica removes due lines by itself, as does a server whose cycle is switched off.

use std::time::{Duration, Instant};

use super::super::{Db, DbIndex, ExpiryMode, Keyspace, Ref};
use russet_types::{Stream, Type};

/// Lines that are removed before the time is looked at.
const LINES_PER_STEP: usize = 16;

impl Keyspace {
    /// Removes expired IDs, for at most about `budget`, on a server whose expire cycle does not
    /// run. O(databases) if none has expired.
    pub fn expire_iids(&mut self, budget: Duration) {
        if matches!(self.expiring, ExpiryMode::Delete | ExpiryMode::Replay) {
            return;
        }
        let (past, start) = (self.due_ms.saturating_sub(1), Instant::now());
        for at in (0..self.dbs.len() as u32).map(DbIndex) {
            let is_due = |due: i64| due <= past;
            while self.dbs[at]
                .table()
                .streams()
                .next_due()
                .is_some_and(is_due)
            {
                let table = self.dbs[at].table_mut();
                if let Some(key) = table.streams_mut().take_due(past) {
                    self.db(at).expire_due_iids(&key, past, LINES_PER_STEP);
                }
                if start.elapsed() >= budget {
                    return;
                }
            }
        }
    }
}

impl Db<'_> {
    /// Records that a stream may have got lines of producers, other settings or entries without an
    /// owner. O(groups).
    pub fn record_stream(&mut self, key: &[u8]) {
        let Some(entry) = self.peek_entry(key).filter(|e| e.kind() == Type::Stream) else {
            return;
        };
        if let Some(due) = Ref::<Stream>::of(entry).newer_line() {
            let table = self.database_mut().table_mut();
            table.streams_mut().note(key, due);
        }
    }

    /// Removes up to `most` lines of a stream's producers that expired at `past_ms` or before, and
    /// records when the cycle must visit the stream again.
    pub(crate) fn expire_due_iids(&mut self, key: &[u8], past_ms: i64, most: usize) {
        let Some(entry) = self.find_entry(key).map(|found| found.entry) else {
            return;
        };
        if entry.kind() != Type::Stream {
            return;
        }
        // A stream that does not change is not borrowed for a change: a snapshot would copy it.
        let due = Ref::<Stream>::of(entry).idempotence().next_due();
        if due.is_some_and(|due| due <= past_ms) {
            let mut stream = self.database_mut().write::<Stream>(entry);
            stream.expire_iids(past_ms, most);
        }
        if let Some(due) = Ref::<Stream>::of(entry).newer_line() {
            let table = self.database_mut().table_mut();
            table.streams_mut().note(key, due);
        }
    }
}
