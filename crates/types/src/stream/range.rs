//! Entries of a stream between two IDs, in either direction.

use super::{IdMap, Stream, StreamId};
use russet_encodings::idmap::MapPosition;
use russet_encodings::listpack::Entry;
use russet_encodings::stream_node::{Cursor, StreamNode};

impl Stream {
    /// The entries from `start` to `end`, both included, in order.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let nodes = &self.0.nodes;
        Range {
            nodes,
            // `start` may be in the node that begins before it.
            at: nodes.floor(start).or_else(|| nodes.first()),
            cursor: None,
            start,
            end,
            back: false,
            with_deleted: false,
        }
    }

    /// The same entries in reverse order.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let nodes = &self.0.nodes;
        Range {
            at: nodes.floor(end),
            back: true,
            ..self.range(start, end)
        }
    }

    /// The number of entries from `start` to `end`, both included, but no more than `enough`.
    /// Beyond [`EXACT`], all entries of the nodes that the range touches are counted.
    ///
    /// O([`EXACT`] + nodes until there are enough).
    pub fn count_between(&self, start: StreamId, end: StreamId, enough: usize) -> usize {
        let mut exact = self.range(start, end);
        let mut counted = 0;
        while counted < EXACT.min(enough) && exact.next().is_some() {
            counted += 1;
        }
        if counted < EXACT {
            return counted;
        }
        let nodes = &self.0.nodes;
        let mut from = nodes.iter_from(nodes.floor(start).or_else(|| nodes.first()));
        let mut all = 0;
        while all < enough
            && let Some((id, node)) = from.next()
            && id <= end
        {
            all += node.live() as usize;
        }
        all.min(enough)
    }
}

/// Entries that [`Stream::count_between`] counts singly.
const EXACT: usize = 200;

/// See the module. First the next entry's ID, then its pairs.
pub struct Range<'a> {
    nodes: &'a IdMap<StreamNode>,
    /// The node to read next.
    at: Option<MapPosition>,
    cursor: Option<Cursor<'a>>,
    start: StreamId,
    end: StreamId,
    back: bool,
    with_deleted: bool,
}

impl<'a> Range<'a> {
    /// Returns deleted entries, too.
    pub fn with_deleted(mut self) -> Range<'a> {
        self.with_deleted = true;
        self
    }

    /// The next entry's ID.
    #[inline]
    #[allow(
        clippy::should_implement_trait,
        reason = "pairs follow between two calls"
    )]
    pub fn next(&mut self) -> Option<StreamId> {
        loop {
            if let Some(cursor) = &mut self.cursor {
                while let Some(entry) = if self.back {
                    cursor.prev()
                } else {
                    cursor.next()
                } {
                    let skipped = entry.deleted && !self.with_deleted;
                    let (early, late) = (entry.id < self.start, entry.id > self.end);
                    let is_behind = if self.back { early } else { late };
                    if is_behind && !skipped {
                        self.at = None;
                        self.cursor = None;
                        return None;
                    }
                    if !early && !late && !skipped {
                        return Some(entry.id);
                    }
                }
            }
            self.enter_node()?;
        }
    }

    #[inline(never)]
    fn enter_node(&mut self) -> Option<()> {
        self.cursor = None;
        let place = self.at?;
        let (id, node) = (self.nodes.key(place), self.nodes.value(place));
        if self.back {
            self.at = self.nodes.prev(place);
            self.cursor = Some(node.cursor_back(id));
        } else {
            if id > self.end {
                self.at = None;
                return None;
            }
            self.at = self.nodes.next(place);
            self.cursor = Some(node.cursor(id));
        }
        Some(())
    }

    /// Pairs of the current entry not read yet.
    #[inline]
    pub fn pairs_left(&self) -> usize {
        self.cursor.as_ref().map_or(0, Cursor::pairs_left)
    }

    /// The next name and value of the current entry.
    #[inline]
    pub fn pair(&mut self) -> Option<(Entry<'a>, Entry<'a>)> {
        self.cursor.as_mut()?.pair()
    }
}
