//! A quicklist: a long list as a deque of listpacks.
//!
//! Nodes stand in one `VecDeque` of 16 bytes a node with their element counts, so that
//! finding an index walks a dense array instead of a chain of allocations, and the
//! directory is a few thousandths of the list.
//!
//! Invariants
//!   1. No node is empty, and `len` is the sum of their counts.
//!   2. An element above the limit (`fill`) stands alone in a plain node, as the bytes it is.
//!   3. With `compress` = d > 0, the first and last d nodes are never compressed.
//!
//! Where elements go is Redis's choice, visible in OBJECT ENCODING and DEBUG OBJECT: a node
//! that takes no more is not added to, but for one element put into the middle of it, and one
//! that is replaced in place.
//!
//! Cost: push, pop O(1) (moving one node's bytes at the front); by index O(nodes) over a
//! dense array plus one node; inserting a node in the middle moves the shorter half of the
//! directory. When a list leaves this encoding: `types::list`.

mod node;

use crate::encodings::blob::Blob;
use crate::encodings::listpack::{Entry, Listpack};
use node::Node;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes a node may have with a fill that counts elements.
const SAFETY_BYTES: usize = 8192;
/// What an element is taken to cost beside its text.
const ENTRY_OVERHEAD: usize = 8;

/// From this many bytes on an element stands alone; 0: by the fill. For DEBUG only.
static PACKED_THRESHOLD: AtomicUsize = AtomicUsize::new(0);

/// Sets what DEBUG QUICKLIST-PACKED-THRESHOLD sets; 0 returns to the rule.
pub fn set_packed_threshold(bytes: usize) {
    PACKED_THRESHOLD.store(bytes, Ordering::Relaxed);
}

/// How full a node may be: `list-max-listpack-size`. Positive: so many elements (and 8 KB);
/// -1 to -5: 4, 8, 16, 32, 64 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill(pub i16);

impl Fill {
    /// The fill for a configured number, which may be anything.
    pub fn new(configured: i64) -> Fill {
        Fill(configured.clamp(-5, i64::from(i16::MAX)) as i16)
    }

    /// The limits in bytes and in elements; one of them is the greatest number.
    pub fn limits(self) -> (usize, usize) {
        match self.0 {
            0 => (usize::MAX, 1),
            count @ 1.. => (usize::MAX, count as usize),
            level => (4096 << (-1 - i32::from(level)).min(4), usize::MAX),
        }
    }

    /// Whether a listpack of this size is too much for one node.
    #[inline]
    pub fn exceeded_by(self, bytes: usize, count: usize) -> bool {
        let (bytes_max, count_max) = self.limits();
        if bytes_max != usize::MAX {
            return bytes > bytes_max;
        }
        bytes > SAFETY_BYTES || count > count_max
    }

    /// Whether an element of this many bytes stands alone.
    #[inline]
    pub fn is_large(self, bytes: usize) -> bool {
        match PACKED_THRESHOLD.load(Ordering::Relaxed) {
            0 => {
                bytes
                    > self
                        .limits()
                        .0
                        .min(if self.0 < 0 { usize::MAX } else { SAFETY_BYTES })
            }
            threshold => bytes >= threshold,
        }
    }
}

/// Which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Front,
    Back,
}

/// A node as it is saved.
#[derive(Debug)]
pub enum NodeRef<'a> {
    Pack(&'a Listpack),
    Lzf { raw_len: usize, data: &'a [u8] },
    Plain(&'a [u8]),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Quicklist {
    nodes: VecDeque<Node>,
    len: usize,
    fill: Fill,
    compress: u16,
}

impl Quicklist {
    pub fn new(fill: Fill, compress: u16) -> Self {
        Quicklist {
            nodes: VecDeque::new(),
            len: 0,
            fill,
            compress,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a whole listpack as a node; an empty one is dropped.
    pub fn append_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            let node = Node::pack(pack);
            self.len += node.count();
            self.nodes.push_back(node);
            self.settle_ends();
        }
    }

    /// The nodes in order, for saving.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeRef<'_>> {
        self.nodes.iter().map(|node| match node {
            Node::Pack { pack, .. } => NodeRef::Pack(pack),
            Node::Plain(blob) => NodeRef::Plain(blob.as_bytes()),
            Node::Lzf { blob, .. } => {
                let (raw_len, data) = node::lzf_parts(blob);
                NodeRef::Lzf { raw_len, data }
            }
        })
    }

    /// The only node, if it is a listpack within the limits given.
    pub fn take_single_pack(&mut self, bytes_max: usize, count_max: usize) -> Option<Listpack> {
        if self.nodes.len() != 1 {
            return None;
        }
        let Some(Node::Pack { count, pack }) = self.nodes.front_mut() else {
            return None;
        };
        if pack.as_bytes().len() > bytes_max || *count as usize > count_max {
            return None;
        }
        self.len = 0;
        Some(std::mem::take(pack))
    }

    #[inline]
    fn takes(&self, index: usize, text_len: usize) -> bool {
        if self.fill.is_large(text_len) {
            return false;
        }
        match self.nodes.get(index) {
            Some(Node::Pack { count, pack }) => {
                let bytes = pack.as_bytes().len() + text_len + ENTRY_OVERHEAD;
                !self.fill.exceeded_by(bytes, *count as usize + 1)
            }
            // Its size is unknown until opened, and it was full enough to be left alone.
            Some(Node::Lzf { count, blob }) => {
                let bytes = node::lzf_parts(blob).0 + text_len + ENTRY_OVERHEAD;
                !self.fill.exceeded_by(bytes, *count as usize + 1)
            }
            _ => false,
        }
    }

    fn node_of(&self, text: &[u8]) -> Node {
        if self.fill.is_large(text.len()) {
            return Node::Plain(Blob::new(text));
        }
        Node::Pack {
            count: 1,
            pack: Listpack::from_entries([Entry::parse(text)]),
        }
    }

    pub fn push(&mut self, end: End, text: &[u8]) {
        let index = match end {
            End::Front => 0,
            End::Back => self.nodes.len().wrapping_sub(1),
        };
        self.len += 1;
        if self.takes(index, text.len()) {
            let (count, pack) = self.nodes[index].pack_mut().expect("a listpack takes it");
            *count += 1;
            match end {
                End::Front => pack.prepend(Entry::parse(text)),
                End::Back => pack.append(Entry::parse(text)),
            };
            return;
        }
        let node = self.node_of(text);
        match end {
            End::Front => self.nodes.push_front(node),
            End::Back => self.nodes.push_back(node),
        }
        self.settle_ends();
    }

    /// Removes the element at one end after `see` has seen it.
    pub fn pop_with<R>(&mut self, end: End, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let node = match end {
            End::Front => self.nodes.front_mut()?,
            End::Back => self.nodes.back_mut()?,
        };
        self.len -= 1;
        let seen = match node.pack_mut() {
            Some((count, pack)) => {
                let pos = match end {
                    End::Front => pack.first(),
                    End::Back => pack.last(),
                };
                let pos = pos.expect("no node is empty");
                let seen = see(pack.get(pos));
                *count -= 1;
                if *count > 0 {
                    pack.delete(pos);
                    return Some(seen);
                }
                seen
            }
            None => {
                let Node::Plain(blob) = node else {
                    unreachable!("opened above")
                };
                see(Entry::Str(blob.as_bytes()))
            }
        };
        match end {
            End::Front => self.nodes.pop_front(),
            End::Back => self.nodes.pop_back(),
        };
        self.trim_directory();
        self.settle_ends();
        Some(seen)
    }

    /// Gives back the directory's room after many nodes have gone.
    fn trim_directory(&mut self) {
        if self.nodes.capacity() > 64 && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// The node that holds element `index`, and the element's index in it.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut left = index;
            for (i, node) in self.nodes.iter().enumerate() {
                let count = node.count();
                if left < count {
                    return Some((i, left));
                }
                left -= count;
            }
        } else {
            let mut behind = self.len - index;
            for (i, node) in self.nodes.iter().enumerate().rev() {
                let count = node.count();
                if behind <= count {
                    return Some((i, count - behind));
                }
                behind -= count;
            }
        }
        unreachable!("len is the sum of the counts")
    }

    /// What `see` makes of the element at `index`.
    pub fn get_with<R>(&self, index: usize, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let (node, offset) = self.locate(index)?;
        let (mut see, mut seen) = (Some(see), None);
        self.nodes[node]
            .open()
            .visit(offset, 1, false, &mut |entry| {
                seen = see.take().map(|see| see(entry));
                false
            });
        seen
    }

    /// Calls `see` with up to `count` elements from `index` on, in the direction given,
    /// until it returns false.
    pub fn visit(
        &self,
        index: usize,
        count: usize,
        backward: bool,
        mut see: impl FnMut(Entry<'_>) -> bool,
    ) {
        let Some((mut node, mut offset)) = self.locate(index) else {
            return;
        };
        let mut left = count;
        while left > 0 {
            let here = &self.nodes[node];
            let reach = if backward {
                offset + 1
            } else {
                here.count() - offset
            };
            let take = left.min(reach);
            if !here.open().visit(offset, take, backward, &mut see) {
                return;
            }
            left -= take;
            if backward {
                if node == 0 {
                    return;
                }
                node -= 1;
                offset = self.nodes[node].count() - 1;
            } else {
                node += 1;
                if node == self.nodes.len() {
                    return;
                }
                offset = 0;
            }
        }
    }

    /// Inserts before or `after` the element at `index`, which is there.
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
            self.nodes.insert(place, node);
            return self.settle_around(place);
        }
        self.split(at, offset);
        if self.fill.is_large(text.len()) {
            self.nodes.insert(at + 1, Node::Plain(Blob::new(text)));
            return self.settle_around(at + 1);
        }
        // The part without the neighbour takes it, however full; both then look for nodes
        // to join.
        let (beside, other, end) = if after {
            (at, at + 1, 0)
        } else {
            (at + 1, at, offset)
        };
        self.insert_into(other, end, text);
        self.merge_around(beside);
    }

    /// Cuts a listpack in two before its element `offset`, which is not its first.
    fn split(&mut self, at: usize, offset: usize) {
        let (count, pack) = self.nodes[at].pack_mut().expect("several elements");
        let pos = pack.seek(offset).expect("located");
        let rest = pack.split_off(pos);
        *count = offset as u32;
        self.nodes.insert(at + 1, Node::pack(rest));
    }

    fn insert_into(&mut self, at: usize, offset: usize, text: &[u8]) {
        let (count, pack) = self.nodes[at].pack_mut().expect("takes() said so");
        *count += 1;
        let entry = Entry::parse(text);
        match pack.seek(offset) {
            Some(pos) => pack.insert_before(pos, entry),
            None => pack.append(entry),
        };
        self.settle(at);
    }

    /// Joins the two nodes before this one, the two behind it, and it with what is on
    /// either side, where they fit one.
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
        // One header and end mark less.
        let bytes = left_bytes + right_bytes - 7;
        if self.fill.exceeded_by(bytes, left.count() + right.count()) {
            return false;
        }
        let mut right = self.nodes.remove(at + 1).expect("looked at above");
        let (added, right) = right.pack_mut().expect("a listpack");
        let (count, left) = self.nodes[at].pack_mut().expect("a listpack");
        left.merge(right);
        *count += *added;
        true
    }

    /// Replaces the element at `index`; false if there is none. A node may outgrow its
    /// limits by this.
    pub fn replace(&mut self, index: usize, text: &[u8]) -> bool {
        let Some((at, offset)) = self.locate(index) else {
            return false;
        };
        let large = self.fill.is_large(text.len());
        if let Node::Plain(blob) = &mut self.nodes[at] {
            if large {
                *blob = Blob::new(text);
            } else {
                self.insert_beside(index, true, text);
                self.delete_range(index, 1);
            }
        } else if large {
            self.replace_by_large(at, offset, text);
        } else {
            let (_, pack) = self.nodes[at].pack_mut().expect("a listpack");
            let pos = pack.seek(offset).expect("located");
            pack.replace(pos, Entry::parse(text));
            self.settle(at);
        }
        true
    }

    /// Replaces a listpack's element by a plain node.
    fn replace_by_large(&mut self, at: usize, offset: usize, text: &[u8]) {
        if offset + 1 < self.nodes[at].count() {
            self.split(at, offset + 1);
        }
        let node = Node::Plain(Blob::new(text));
        if offset == 0 {
            self.nodes[at] = node;
            self.settle_around(at);
        } else {
            self.nodes.insert(at + 1, node);
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
        self.nodes.drain(first..at);
        if left > 0 {
            self.delete_in(first, 0, left);
        }
        self.len -= total;
        self.trim_directory();
        self.settle_ends();
        total
    }

    /// Deletes within a listpack that keeps some element; returns how many.
    fn delete_in(&mut self, at: usize, offset: usize, count: usize) -> usize {
        let (own, pack) = self.nodes[at].pack_mut().expect("a plain node goes whole");
        let gone = count.min(*own as usize - offset);
        pack.delete_range(offset, gone);
        *own -= gone as u32;
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
            let gone = remove_in(&mut self.nodes[at], needle, limit - removed, end);
            if gone > 0 {
                emptied |= self.nodes[at].count() == 0;
                removed += gone;
            }
            self.settle(at);
        }
        self.len -= removed;
        if emptied {
            self.nodes.retain(|node| node.count() > 0);
            self.trim_directory();
            self.settle_ends();
        }
        removed
    }

    /// Frees up to `n` elements from the back (at least a node); true when none is left.
    pub fn free_step(&mut self, n: usize) -> bool {
        let mut freed = 0;
        while freed < n
            && let Some(node) = self.nodes.pop_back()
        {
            freed += node.count();
        }
        self.len = self.len.saturating_sub(freed);
        self.nodes.is_empty()
    }

    /// The fill and the compress depth of when the list became one of nodes.
    pub fn settings(&self) -> (Fill, u16) {
        (self.fill, self.compress)
    }

    /// How many nodes there are: what freeing the list costs.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Brings a node into the form that its place demands.
    fn settle(&mut self, at: usize) {
        let depth = usize::from(self.compress);
        if depth == 0 {
            return;
        }
        let nodes = self.nodes.len();
        if at < depth || at + depth >= nodes {
            self.nodes[at].decompress();
        } else {
            self.nodes[at].compress();
        }
    }

    /// Settles what a change near this node may have moved or made.
    fn settle_around(&mut self, at: usize) {
        if self.compress > 0 {
            for at in at.saturating_sub(2)..(at + 3).min(self.nodes.len()) {
                self.settle(at);
            }
            self.settle_ends();
        }
    }

    /// Settles the nodes near the ends, where one step of the directory changes the form.
    #[inline]
    fn settle_ends(&mut self) {
        if self.compress > 0 {
            let (depth, nodes) = (usize::from(self.compress), self.nodes.len());
            for at in (0..nodes.min(depth + 1)).chain(nodes.saturating_sub(depth + 1)..nodes) {
                self.settle(at);
            }
        }
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        let nodes = self.nodes.len();
        let depth = usize::from(self.compress);
        let mut sum = 0;
        for (at, node) in self.nodes.iter().enumerate() {
            assert!(node.count() > 0, "node {at} is empty");
            sum += node.count();
            match node {
                Node::Pack { count, pack } => {
                    pack.check_invariants();
                    assert_eq!(pack.len(), *count as usize);
                }
                Node::Lzf { .. } => assert!(at >= depth && at + depth < nodes),
                Node::Plain(_) => {}
            }
        }
        assert_eq!(sum, self.len);
    }
}

/// Removes equal elements from one node; a plain node that goes becomes an empty listpack.
fn remove_in(node: &mut Node, needle: &[u8], limit: usize, end: End) -> usize {
    if let Node::Plain(blob) = node {
        if blob.as_bytes() != needle {
            return 0;
        }
        *node = Node::Pack {
            count: 0,
            pack: Listpack::new(),
        };
        return 1;
    }
    let found = match node.open() {
        node::Opened::Pack(pack) => pack.first().and_then(|p| pack.find(p, needle, 0)),
        node::Opened::Unpacked(pack) => pack.first().and_then(|p| pack.find(p, needle, 0)),
        node::Opened::Plain(_) => None,
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

#[cfg(test)]
mod tests;
