//! Trimming a stream at its front: by number, or by ID.
//!
//! Whole nodes are removed unread, and whole chunks of nodes without visiting each; unless the trim
//! is approximate, entries of the node at the bound are marked as deleted. A trim that looks at
//! references in groups visits every entry, also of the node at the bound, and passes over entries
//! that must stay; only the limit of the trim holds for whole nodes.

use super::{Stream, StreamId};
use russet_encodings::stream_node::StreamNode;

/// The entries to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// This many entries.
    Len(u64),
    /// Entries from this ID on.
    From(StreamId),
}

/// The treatment of references to a deleted entry in groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// Leaves them.
    #[default]
    Keep,
    /// Removes them, too.
    Delete,
    /// Keeps entries that a group has pending or has yet to read.
    Acked,
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// The entries that stay: by number, or by the lowest ID.
    pub bound: Bound,
    /// Only whole nodes are removed.
    pub approximate: bool,
    /// Maximum number of entries removed; 0: no limit.
    pub limit: u64,
    /// The treatment of references in groups.
    pub references: References,
}

/// The result of a trim.
#[derive(Default)]
pub struct TrimResult {
    /// Number of entries removed.
    pub deleted: u64,
    /// If these are many, a stream that holds nothing but them, for freeing.
    pub gone: Option<Stream>,
    /// After a trim by ID that checked references: all entries below this ID have been visited.
    pub visited_below: Option<StreamId>,
}

/// Up to this many nodes are freed on the spot.
const NODES_AT_ONCE: usize = 16;

impl Stream {
    /// Trims the stream.
    pub fn trim(&mut self, how: Trim) -> TrimResult {
        if how.references != References::Keep {
            return self.trim_each(how);
        }
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
                let marked = body.nodes.update(place, |node: &mut StreamNode| {
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
        TrimResult {
            deleted,
            gone: is_much.then_some(gone),
            visited_below: None,
        }
    }

    /// Trims the stream entry by entry, as references allow. O(entries visited * groups).
    fn trim_each(&mut self, how: Trim) -> TrimResult {
        let mut groups = self.0.groups.take();
        let body = &mut *self.0;
        let mut deleted = 0;
        let mut visited_below = match how.bound {
            Bound::Len(_) => None,
            Bound::From(id) => Some(id),
        };
        let mut at = body.nodes.first();
        while let Some(place) = at {
            let node_id = body.nodes.key(place);
            let entries = body.nodes.value(place).live();
            let done = match how.bound {
                Bound::Len(len) => body.len <= len,
                Bound::From(id) => node_id >= id,
            };
            if done || how.limit > 0 && deleted + entries > how.limit {
                visited_below = visited_below.map(|id| id.min(node_id));
                break;
            }
            let mut surplus = match how.bound {
                Bound::Len(len) => body.len - len,
                Bound::From(_) => u64::MAX,
            };
            let goes = |id: StreamId| {
                if surplus == 0 || matches!(how.bound, Bound::From(bound) if id >= bound) {
                    return None;
                }
                if let Some(groups) = &mut groups {
                    match how.references {
                        References::Acked if groups.needs(id) => return Some(false),
                        References::Delete => groups.acknowledge_everywhere(id),
                        _ => {}
                    }
                }
                surplus -= 1;
                Some(true)
            };
            let marked = body.nodes.update(place, |node: &mut StreamNode| {
                node.delete_each(node_id, goes)
            });
            body.len -= marked;
            deleted += marked;
            if marked == entries {
                body.nodes.remove_at(place);
                at = body.nodes.ceil(node_id);
            } else {
                at = body.nodes.next(place);
            }
        }
        body.groups = groups;
        if body.len == 0 {
            body.first_id = StreamId::MIN;
        } else if deleted > 0 {
            self.find_first();
        }
        TrimResult {
            deleted,
            gone: None,
            visited_below,
        }
    }
}
