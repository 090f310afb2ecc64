//! Trimming a stream at its front: by number, or by ID.
//!
//! Whole nodes are removed unread, and whole chunks of nodes without visiting each; unless the trim
//! is approximate, entries of the node at the bound are marked as deleted.

use super::{Stream, StreamId};
use crate::encodings::stream_node::Node;

/// The entries to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// This many entries.
    Len(u64),
    /// Entries from this ID on.
    From(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub bound: Bound,
    /// Only whole nodes are removed.
    pub approximate: bool,
    /// Maximum number of entries removed; 0: no limit.
    pub limit: u64,
}

/// Up to this many nodes are freed on the spot.
const NODES_AT_ONCE: usize = 16;

impl Stream {
    /// Trims the stream. Returns how many entries were removed and, if these are many, a stream
    /// that holds nothing but them, for freeing.
    pub fn trim(&mut self, how: Trim) -> (u64, Option<Stream>) {
        let body = &mut *self.0;
        let mut gone = Stream::new();
        let mut deleted = 0;
        let fits = |deleted: u64, more: u64| how.limit == 0 || deleted + more <= how.limit;
        // Chunks of nodes, then nodes.
        while let Some((_, entries, behind)) = body.nodes.front() {
            let leaves = match how.bound {
                Bound::Len(len) => body.len > len && body.len - entries >= len,
                // All IDs of the chunk are below that of the next node.
                Bound::From(id) => behind.is_some_and(|behind| behind <= id),
            };
            if !leaves || !fits(deleted, entries) {
                break;
            }
            body.nodes.move_front(&mut gone.0.nodes);
            body.len -= entries;
            deleted += entries;
        }
        while let Some(place) = body.nodes.first() {
            let node_id = body.nodes.key(place);
            let node = body.nodes.value(place);
            let entries = node.live();
            if matches!(how.bound, Bound::Len(len) if body.len <= len) || !fits(deleted, entries) {
                break;
            }
            let leaves = match how.bound {
                Bound::Len(len) => body.len - entries >= len,
                Bound::From(id) => node.last_id(node_id).is_none_or(|last| last < id),
            };
            if leaves {
                body.nodes.remove_at(place);
                body.len -= entries;
                deleted += entries;
                continue;
            }
            if !how.approximate {
                let mut surplus = match how.bound {
                    Bound::Len(len) => body.len - len,
                    Bound::From(_) => 0,
                };
                let marked = body.nodes.update(place, |node: &mut Node| {
                    node.delete_while(node_id, |id| match how.bound {
                        Bound::From(bound) => id < bound,
                        Bound::Len(_) => {
                            let goes = surplus > 0;
                            surplus = surplus.saturating_sub(1);
                            goes
                        }
                    })
                });
                body.len -= marked;
                deleted += marked;
            }
            break;
        }
        if body.len == 0 {
            body.first_id = StreamId::MIN;
        } else if deleted > 0 {
            self.find_first();
        }
        let is_much = gone.0.nodes.len() > NODES_AT_ONCE;
        (deleted, is_much.then_some(gone))
    }
}
