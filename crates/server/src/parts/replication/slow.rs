//! Replicas that read slower than writes come: with the append only file on, they hold only a
//! bounded part of the backlog. Beyond that they are sent the stream from the files of the log
//! ([`LogFeed`](russet_persistence::aof::LogFeed)), until they have caught up with the backlog. The
//! same holds for replicas whose positions are in files that a rewrite replaces, because a feed
//! keeps its files.

use super::Replication;
use super::replica_link::Replica;

use russet_persistence::aof::{Feed, Log};
use russet_replication::primary::ReplicaState;
use russet_replication::{ReplOffset, Stream};

/// Bytes of the log that are read to find a position at once; it has places every 4 MiB.
const SEEK_MAX: usize = 16 << 20;
/// Bytes that are copied for a replica that is inside a request which the log does not have.
const REST_MAX: u64 = 4 << 20;
/// Delay of the next try after a failure.
const RETRY_MS: u64 = 1000;

/// The log cannot be read as the stream.
#[derive(Debug)]
pub struct Unreadable;

impl Replication {
    /// Replicas that have been sent the stream up to a position before `before` only continue from
    /// the log, if the log has their positions. O(replicas), and a bounded read of a file for each
    /// replica that changes.
    pub(crate) fn move_to_log(
        &mut self,
        before: ReplOffset,
        log: &Log,
        stream: &Stream,
        now_ms: u64,
    ) -> Result<(), Unreadable> {
        let mut result = Ok(());
        for replica in self.replicas.iter_mut() {
            let reads = !matches!(replica.state, ReplicaState::Waits(_)) && !replica.facts.rdb_only;
            let link = &mut replica.transport;
            let is_due = now_ms >= link.log_retry_ms;
            if !reads || replica.sent >= before || link.log.is_some() || !is_due {
                continue;
            }
            let Some(mut feed) = log.feed(replica.sent) else {
                continue;
            };
            // Finds the position.
            let is_found = match feed.peek(Some(log), SEEK_MAX) {
                Ok(found) => matches!(found, Feed::Bytes(_)),
                Err(why) => {
                    tracing::warn!("{why}");
                    result = Err(Unreadable);
                    false
                }
            };
            let rest = feed
                .hole_end()
                .map(|end| rest_of_request(stream, replica, end));
            match rest {
                Some(Some(rest)) if is_found => feed.complete_hole(&rest),
                None if is_found => {}
                _ => {
                    replica.transport.log_retry_ms = now_ms + RETRY_MS;
                    continue;
                }
            }
            tracing::info!(
                "A replica is {} bytes behind: it is sent the stream from the append only file, from \
                 offset {} on",
                stream.offset().saturating_sub(replica.sent),
                replica.sent + 1
            );
            replica.transport.log = Some(Box::new(feed));
            replica.over_soft_since_ms = None;
        }
        result
    }
}

/// The bytes up to `end` for a replica that has received the beginning of a request that the log
/// does not have; `None`: they are too many.
fn rest_of_request(stream: &Stream, replica: &Replica, end: ReplOffset) -> Option<Vec<u8>> {
    let backlog = stream.backlog()?;
    let n = usize::try_from(end - replica.sent).ok()?;
    if n as u64 > REST_MAX || !backlog.holds(replica.sent) || !backlog.holds(end) {
        return None;
    }
    let mut rest = Vec::with_capacity(n);
    for block in backlog.read(replica.sent) {
        rest.extend_from_slice(&block[..block.len().min(n - rest.len())]);
        if rest.len() == n {
            break;
        }
    }
    Some(rest)
}
