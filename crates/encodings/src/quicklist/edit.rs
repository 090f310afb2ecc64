//! Changes in the middle of a list: an insert between two elements splits a full node, and small
//! nodes are joined again.

use super::node::ListNode;
use super::{End, Quicklist};
use crate::blob::Blob;
use crate::listpack::{Entry, Listpack};

impl Quicklist {
    /// Inserts before or `after` the element at `index`, which must exist.
    pub fn insert_beside(&mut self, index: usize, after: bool, text: &[u8]) {
        let (at, offset) = self.locate(index).expect("the element is there");
        let offset = offset + usize::from(after);
        let at_edge = offset == if after { self.nodes[at].count() } else { 0 };
        self.len += 1;
        if self.takes(at, text.len()) {
            return self.insert_into(at, offset, text);
        }
        if at_edge {
            let beside = if after { at + 1 } else { at.wrapping_sub(1) };
            if self.takes(beside, text.len()) {
                let end = if after { 0 } else { self.nodes[beside].count() };
                return self.insert_into(beside, end, text);
            }
            let (place, node) = (at + usize::from(after), self.node_of(text));
            self.put(place, node);
            return self.settle_around(place);
        }
        self.split(at, offset);
        if self.fill.is_large(text.len()) {
            self.put(at + 1, ListNode::Plain(Blob::new(text)));
            return self.settle_around(at + 1);
        }
        // The half without the neighbouring element takes the new element, however full; then both
        // look for nodes to join.
        let (beside, other, end) = if after {
            (at, at + 1, 0)
        } else {
            (at + 1, at, offset)
        };
        self.insert_into(other, end, text);
        self.merge_around(beside);
    }

    /// Splits a listpack before element `offset`, which is not the first element.
    fn split(&mut self, at: usize, offset: usize) {
        let rest = self.edit(at, |node| {
            let (count, pack) = node.pack_mut().expect("several elements");
            let pos = pack.seek(offset).expect("located");
            *count = offset as u32;
            pack.split_off(pos)
        });
        self.put(at + 1, ListNode::pack(rest));
    }

    fn insert_into(&mut self, at: usize, offset: usize, text: &[u8]) {
        self.edit(at, |node| {
            let (count, pack) = node.pack_mut().expect("takes() said so");
            *count += 1;
            let entry = Entry::parse(text);
            match pack.seek(offset) {
                Some(pos) => pack.insert_before(pos, entry),
                None => pack.append(entry),
            };
        });
        self.settle(at);
    }

    /// Joins the two nodes before this one, the two after it, and it with either neighbour, if the
    /// result fits in a node.
    fn merge_around(&mut self, at: usize) {
        let mut at = at;
        if at >= 2 && self.merge_with_next(at - 2) {
            at -= 1;
        }
        self.merge_with_next(at + 1);
        if at >= 1 && self.merge_with_next(at - 1) {
            at -= 1;
        }
        self.merge_with_next(at);
        self.settle_around(at);
    }

    fn merge_with_next(&mut self, at: usize) -> bool {
        let (Some(left), Some(right)) = (self.nodes.get(at), self.nodes.get(at + 1)) else {
            return false;
        };
        let (Some(left_bytes), Some(right_bytes)) = (left.pack_bytes(), right.pack_bytes()) else {
            return false;
        };
        // A header and an end mark less.
        let bytes = left_bytes + right_bytes - 7;
        if self.fill.exceeded_by(bytes, left.count() + right.count()) {
            return false;
        }
        let mut right = self.nodes.remove(at + 1).expect("looked at above");
        self.bytes -= right.memory_bytes();
        let (added, right) = right.pack_mut().expect("a listpack");
        self.edit(at, |node| {
            let (count, left) = node.pack_mut().expect("a listpack");
            left.merge(right);
            *count += *added;
        });
        true
    }

    /// Replaces the element at `index`; false if there is none. This may make a node exceed its
    /// limits.
    pub fn replace(&mut self, index: usize, text: &[u8]) -> bool {
        let Some((at, offset)) = self.locate(index) else {
            return false;
        };
        let large = self.fill.is_large(text.len());
        if let ListNode::Plain(_) = &self.nodes[at] {
            if large {
                self.edit(at, |node| *node = ListNode::Plain(Blob::new(text)));
            } else {
                self.insert_beside(index, true, text);
                self.delete_range(index, 1);
            }
        } else if large {
            self.replace_by_large(at, offset, text);
        } else {
            self.edit(at, |node| {
                let (_, pack) = node.pack_mut().expect("a listpack");
                let pos = pack.seek(offset).expect("located");
                pack.replace(pos, Entry::parse(text));
            });
            self.settle(at);
        }
        true
    }

    /// Replaces an element of a listpack by a plain node.
    fn replace_by_large(&mut self, at: usize, offset: usize, text: &[u8]) {
        if offset + 1 < self.nodes[at].count() {
            self.split(at, offset + 1);
        }
        let node = ListNode::Plain(Blob::new(text));
        if offset == 0 {
            self.edit(at, |own| *own = node);
            self.settle_around(at);
        } else {
            self.put(at + 1, node);
            self.delete_in(at, offset, 1);
            self.merge_around(at + 1);
        }
    }

    /// Deletes up to `count` elements from `index` on; returns how many.
    pub fn delete_range(&mut self, index: usize, count: usize) -> usize {
        let Some((mut at, offset)) = self.locate(index) else {
            return 0;
        };
        let total = count.min(self.len - index);
        let mut left = total;
        if left == 0 {
            return 0;
        }
        if offset > 0 {
            left -= self.delete_in(at, offset, left);
            at += 1;
        }
        let first = at;
        while left > 0 && self.nodes[at].count() <= left {
            left -= self.nodes[at].count();
            at += 1;
        }
        let gone = self.nodes.drain(first..at);
        self.bytes -= gone.map(|node| node.memory_bytes()).sum::<usize>();
        if left > 0 {
            self.delete_in(first, 0, left);
        }
        self.len -= total;
        self.trim_directory();
        self.settle_ends();
        total
    }

    /// Deletes within a listpack that keeps at least an element; returns how many.
    fn delete_in(&mut self, at: usize, offset: usize, count: usize) -> usize {
        let gone = self.edit(at, |node| {
            let (own, pack) = node.pack_mut().expect("a plain node goes whole");
            let gone = count.min(*own as usize - offset);
            pack.delete_range(offset, gone);
            *own -= gone as u32;
            gone
        });
        self.settle(at);
        gone
    }

    /// Removes up to `limit` elements equal to `needle`, starting at `end`.
    pub fn remove_equal(&mut self, needle: &[u8], limit: usize, end: End) -> usize {
        let (nodes, mut removed, mut emptied) = (self.nodes.len(), 0, false);
        for step in 0..nodes {
            if removed == limit {
                break;
            }
            let at = if end == End::Front {
                step
            } else {
                nodes - 1 - step
            };
            let left = limit - removed;
            let gone = self.edit(at, |node| remove_in(node, needle, left, end));
            if gone > 0 {
                emptied |= self.nodes[at].count() == 0;
                removed += gone;
            }
            self.settle(at);
        }
        self.len -= removed;
        if emptied {
            let bytes = &mut self.bytes;
            self.nodes.retain(|node| {
                let stays = node.count() > 0;
                *bytes -= if stays { 0 } else { node.memory_bytes() };
                stays
            });
            self.trim_directory();
            self.settle_ends();
        }
        removed
    }
}

/// Removes equal elements from a node; a removed plain node becomes an empty listpack.
fn remove_in(node: &mut ListNode, needle: &[u8], limit: usize, end: End) -> usize {
    if let ListNode::Plain(blob) = node {
        if blob.as_bytes() != needle {
            return 0;
        }
        *node = ListNode::Pack {
            count: 0,
            pack: Listpack::new(),
        };
        return 1;
    }
    let found = match node.open().pack() {
        Ok(pack) => pack.first().and_then(|p| pack.find(p, needle, 0)),
        Err(_) => None,
    };
    let (Some(first), Some((count, pack))) = (found, node.pack_mut()) else {
        return 0;
    };
    let mut removed = 0;
    if end == End::Front {
        let mut at = Some(first);
        while let Some(pos) = at.and_then(|p| pack.find(p, needle, 0)) {
            if removed == limit {
                break;
            }
            at = pack.delete(pos);
            removed += 1;
        }
    } else {
        let mut at = pack.last();
        while let Some(pos) = at
            && removed < limit
        {
            at = pack.prev(pos);
            if pack.get(pos).is(needle) {
                pack.delete(pos);
                removed += 1;
            }
        }
    }
    *count -= removed as u32;
    removed
}
