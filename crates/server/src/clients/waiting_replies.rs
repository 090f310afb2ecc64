//! Replies that wait until what they acknowledge or show is safe: in the append only file, and,
//! with `min-sync-replicas`, at enough replicas.
//!
//!     reply    | may leave | needs 40 ... | needs 90 ......... |
//!                          segments, in the order of their bytes
//!
//! A client's pending reply is cut into segments, one for each turn that appended to it, with the
//! position of the stream that the segment needs. When the loop is about to send, it asks
//! [`WaitingReplies::sendable`], which judges the bytes appended since the last time, and sends no
//! more than that. So a client that never stops pipelining is answered segment by segment, and the
//! order of its replies is kept. [`WaitingReplies::release`] names the clients that may be sent
//! more once a later position is safe.
//!
//! Invariants
//!   1. Positions of a client's segments do not decrease.
//!   2. A client with a segment is in the queue once, at the position of its first segment or at a
//!      later one.
//!
//! Cost: nothing for a client whose replies are safe while no client waits; a lookup in a map and
//! 24 bytes for each client and turn that wait.

use std::collections::{HashMap, VecDeque};

use russet_keyspace::ClientId;
use russet_replication::ReplOffset;

/// Bytes of a reply that wait for the same position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    bytes: usize,
    needs: ReplOffset,
    /// When its first byte was judged, monotonic milliseconds.
    since_ms: u64,
}

/// A client's pending reply.
#[derive(Debug, Default)]
struct ReplySegments {
    /// Bytes at the front that may leave.
    free: usize,
    segments: VecDeque<Segment>,
    /// The queue has the client, at the position of a segment.
    is_queued: bool,
}

impl ReplySegments {
    fn bytes(&self) -> usize {
        self.free + self.segments.iter().map(|s| s.bytes).sum::<usize>()
    }

    /// Frees the segments at the front that are safe.
    fn free_up_to(&mut self, safe: ReplOffset) {
        while let Some(front) = self.segments.front()
            && front.needs <= safe
        {
            self.free += front.bytes;
            self.segments.pop_front();
        }
    }
}

/// A reply that has waited too long; see [`WaitingReplies::take_overdue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverdueReply {
    pub client: ClientId,
    /// The bytes at the front that may still leave.
    pub free: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct WaitingReplies {
    by_client: HashMap<ClientId, ReplySegments>,
    /// Clients to look at when a position is safe, in the order of the positions.
    queue: VecDeque<(ReplOffset, ClientId)>,
}

impl WaitingReplies {
    /// Whether no client waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Clients that wait.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Bytes that wait. O(clients that wait).
    pub fn bytes(&self) -> usize {
        let all = self.by_client.values();
        all.map(|judged| judged.bytes() - judged.free).sum()
    }

    /// Bytes of a client's reply that wait.
    pub fn bytes_of(&self, id: ClientId) -> usize {
        let judged = self.by_client.get(&id);
        judged.map_or(0, |judged| judged.bytes() - judged.free)
    }

    /// Since when a client's first bytes have waited, monotonic milliseconds; `None`: none wait.
    pub fn waits_since(&self, id: ClientId) -> Option<u64> {
        let first = self.by_client.get(&id)?.segments.front()?;
        Some(first.since_ms)
    }

    /// How many of a client's `pending` bytes may leave, while the stream is safe up to `safe`;
    /// `needs`: what the bytes need that were appended since the last call.
    pub fn sendable(
        &mut self,
        id: ClientId,
        pending: usize,
        needs: ReplOffset,
        (safe, now_ms): (ReplOffset, u64),
    ) -> usize {
        if needs <= safe && !self.by_client.contains_key(&id) {
            return usize::MAX;
        }
        let judged = self.by_client.entry(id).or_default();
        let known = judged.bytes();
        if pending < known {
            // Replies were taken back: the rest needs what the last of them needed.
            let last = judged.segments.back().map_or(needs, |last| last.needs);
            *judged = ReplySegments::default();
            judged.segments.push_back(Segment {
                bytes: pending,
                needs: last.max(needs),
                since_ms: now_ms,
            });
        } else if pending > known {
            let bytes = pending - known;
            match judged.segments.back_mut() {
                Some(last) if last.needs >= needs => last.bytes += bytes,
                None if needs <= safe => judged.free += bytes,
                _ => {
                    judged.segments.push_back(Segment {
                        bytes,
                        needs,
                        since_ms: now_ms,
                    });
                }
            }
        }
        let Some(judged) = self.by_client.get_mut(&id) else {
            return usize::MAX;
        };
        judged.free_up_to(safe);
        let free = judged.free;
        let Some(front) = judged.segments.front() else {
            self.by_client.remove(&id);
            return usize::MAX;
        };
        // The safe position of the log may fall again, so a client that was released waits anew.
        let needs = front.needs;
        if !std::mem::replace(&mut judged.is_queued, true) {
            self.queue_up(id, needs);
        }
        free
    }

    fn queue_up(&mut self, id: ClientId, needs: ReplOffset) {
        // Positions in the queue do not decrease, so the client may be released a little late.
        let last = self.queue.back().map_or(0, |(last, _)| *last);
        self.queue.push_back((needs.max(last), id));
    }

    /// The socket of a client has taken so many bytes.
    #[inline]
    pub fn sent(&mut self, id: ClientId, bytes: usize) {
        if !self.by_client.is_empty()
            && let Some(judged) = self.by_client.get_mut(&id)
        {
            judged.free = judged.free.saturating_sub(bytes);
        }
    }

    /// A client without pending bytes of its own (a page of the console) waits for a position.
    pub fn await_position(&mut self, id: ClientId, needs: ReplOffset) {
        self.queue_up(id, needs);
    }

    /// A client that may be sent more, now that the stream is safe up to `safe`; `None`: no more.
    /// Positions beyond `end`, the end of the stream, are of a history that was replaced.
    pub fn release(&mut self, safe: ReplOffset, end: ReplOffset) -> Option<ClientId> {
        let (needs, id) = *self.queue.front()?;
        if needs > safe && needs <= end {
            return None;
        }
        self.queue.pop_front();
        if let Some(judged) = self.by_client.get_mut(&id) {
            judged.is_queued = false;
        }
        Some(id)
    }

    /// Takes the replies whose first segments wait since `before_ms` or longer, in the order of
    /// their clients. O(clients that wait).
    pub fn take_overdue(&mut self, before_ms: u64) -> Vec<OverdueReply> {
        let is_overdue = |_: &ClientId, judged: &mut ReplySegments| {
            let first = judged.segments.front();
            first.is_some_and(|first| first.since_ms <= before_ms)
        };
        let overdue = self.by_client.extract_if(is_overdue);
        let mut overdue: Vec<OverdueReply> = overdue
            .map(|(client, judged)| OverdueReply {
                client,
                free: judged.free,
            })
            .collect();
        overdue.sort_unstable_by_key(|reply| reply.client);
        overdue
    }

    /// Takes all replies that wait.
    pub fn take_all(&mut self) -> Vec<OverdueReply> {
        self.take_overdue(u64::MAX)
    }

    /// A client has ended.
    #[inline]
    pub fn forget(&mut self, id: ClientId) {
        if !self.by_client.is_empty() {
            self.by_client.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ClientId = ClientId(7);

    fn released(waiting: &mut WaitingReplies, safe: ReplOffset) -> Vec<ClientId> {
        std::iter::from_fn(|| waiting.release(safe, 1000)).collect()
    }

    #[test]
    fn bytes_of_a_turn_wait_for_its_last_write_and_those_before_may_leave() {
        let mut waiting = WaitingReplies::default();
        assert_eq!(waiting.sendable(ID, 100, 40, (40, 0)), usize::MAX);
        assert_eq!(waiting.sendable(ID, 10, 50, (40, 1)), 0);
        assert_eq!(waiting.sendable(ID, 25, 60, (40, 2)), 0, "10 + 15 bytes");
        assert_eq!(released(&mut waiting, 49), []);
        assert_eq!(released(&mut waiting, 50), [ID]);
        assert_eq!(waiting.sendable(ID, 25, 60, (50, 3)), 10);
        waiting.sent(ID, 10);
        assert_eq!(waiting.sendable(ID, 15, 60, (50, 4)), 0);
        // Safe bytes after bytes that wait keep their place.
        assert_eq!(waiting.sendable(ID, 20, 60, (50, 5)), 0);
        assert_eq!(waiting.bytes_of(ID), 20);
        assert_eq!(released(&mut waiting, 60), [ID]);
        assert_eq!(waiting.sendable(ID, 20, 60, (60, 6)), usize::MAX);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_reader_behind_a_later_position_is_released_with_it() {
        let mut waiting = WaitingReplies::default();
        waiting.sendable(ID, 5, 90, (0, 0));
        waiting.sendable(ClientId(8), 5, 30, (0, 0));
        assert_eq!(released(&mut waiting, 89), []);
        assert_eq!(released(&mut waiting, 90), [ID, ClientId(8)]);
    }

    /// A log that begins another file is safe up to less for a moment: the client was forgotten.
    #[test]
    fn a_client_that_was_released_too_early_is_released_again() {
        let mut waiting = WaitingReplies::default();
        waiting.sendable(ID, 10, 50, (40, 0));
        assert_eq!(released(&mut waiting, 50), [ID]);
        assert_eq!(waiting.sendable(ID, 10, 50, (45, 1)), 0);
        assert_eq!(released(&mut waiting, 50), [ID]);
        assert_eq!(waiting.sendable(ID, 10, 50, (50, 2)), usize::MAX);
    }

    #[test]
    fn positions_of_a_replaced_history_hold_no_client() {
        let mut waiting = WaitingReplies::default();
        waiting.sendable(ID, 10, 5000, (40, 0));
        waiting.sendable(ClientId(8), 10, 60, (40, 0));
        assert_eq!(released(&mut waiting, 60), [ID, ClientId(8)]);
    }

    #[test]
    fn replies_that_are_taken_back_leave_the_rest_waiting() {
        let mut waiting = WaitingReplies::default();
        waiting.sendable(ID, 10, 50, (40, 0));
        waiting.sendable(ID, 30, 60, (40, 0));
        assert_eq!(waiting.sendable(ID, 12, 60, (50, 0)), 0);
        assert_eq!(waiting.sendable(ID, 12, 60, (60, 0)), usize::MAX);
    }

    #[test]
    fn a_reply_is_overdue_by_its_oldest_segment() {
        let mut waiting = WaitingReplies::default();
        waiting.sendable(ID, 10, 50, (40, 100));
        waiting.sendable(ID, 30, 60, (40, 900));
        assert_eq!(waiting.take_overdue(99), []);
        let overdue = waiting.take_overdue(100);
        assert_eq!(
            overdue,
            [OverdueReply {
                client: ID,
                free: 0
            }]
        );
        assert!(waiting.is_empty() && waiting.take_all().is_empty());
    }
}
