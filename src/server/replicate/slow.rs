//! Replicas that read slower than writes come: with the append only file on, they hold back only a
//! bounded part of the backlog. Beyond that they are sent the stream from the files of the log
//! (`persistence::aof::LogFeed`), until they have caught up with the backlog.

use crate::persistence::aof::Feed;
use crate::replication::{ReplOffset, Stream};
use crate::server::parts::replication::replicas::{Replica, State};
use crate::server::state::Server;

/// Bytes beyond the size of the backlog that a replica may hold back.
const BESIDE_MAX: u64 = 8 << 20;
/// Bytes of the log that are read to find a position at once; it has places every 4 MiB.
const SEEK_MAX: usize = 16 << 20;
/// Bytes that are copied for a replica that is inside a request which the log does not have.
const REST_MAX: u64 = 4 << 20;
/// Delay of the next try after one that failed.
const RETRY_MS: u64 = 1000;

impl Server {
    /// Replicas that hold too much of the backlog back continue from the log, if it has their
    /// positions. O(replicas), and a bounded read of a file for each that changes.
    pub(super) fn move_slow_to_log(&mut self) {
        let Server {
            replication,
            persist,
            stream,
            config,
            now,
            ..
        } = self;
        let (Some(log), Some(backlog)) = (persist.aof.log(), stream.backlog()) else {
            return;
        };
        let limit = config.client_output_buffer_limit.replica;
        let bounds = [limit.soft_bytes, limit.hard_bytes].map(|bytes| match bytes {
            0 => u64::MAX,
            bytes => bytes.max(backlog.size()),
        });
        let most = bounds
            .into_iter()
            .fold(backlog.size() + BESIDE_MAX, u64::min);
        let mut is_unreadable = false;
        for replica in replication.replicas.iter_mut() {
            let reads = !matches!(replica.state, State::Waits(_)) && !replica.facts.rdb_only;
            let held = stream.offset().saturating_sub(replica.sent);
            if !reads || held <= most || replica.log.is_some() || now.mono_ms < replica.log_retry_ms
            {
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
                    is_unreadable = true;
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
                    replica.log_retry_ms = now.mono_ms + RETRY_MS;
                    continue;
                }
            }
            tracing::info!(
                "A replica is {held} bytes behind: it is sent the stream from the append only file, \
                 from offset {} on",
                replica.sent + 1
            );
            replica.log = Some(Box::new(feed));
            replica.over_soft_since_ms = None;
        }
        if is_unreadable {
            self.persist.aof.forget_chain();
        }
    }
}

/// The bytes up to `end` for a replica that has the first ones of a request which the log does not
/// have; `None`: they are too many.
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
