//! A quicklist: a long list as a deque of listpacks.
//!
//! Nodes are stored in a `VecDeque` of 16 bytes a node with their element counts, so that finding
//! an index walks a dense array instead of a chain of allocations, and the directory is a few
//! thousandths of the list.
//!
//! Invariants
//!   1. No node is empty, and `len` is the sum of their counts.
//!   2. An element above the limit (`fill`) is alone in a plain node, as raw bytes.
//!   3. With `compress` = d > 0, the first and last d nodes are never compressed.
//!   4. `bytes` is what the nodes point to, as the allocator counts it: nodes are changed through
//!      `edit`; code that adds or removes a node updates the sum.
//!   5. Only the first node may have room in front: it gets the room when an element is added or
//!      removed there while the list has other nodes.
//!
//! Placement of elements is Redis's, visible in OBJECT ENCODING and DEBUG OBJECT: a full node gets
//! no more elements, except for an element inserted into its middle, and an element replaced in
//! place.
//!
//! Cost: push, pop O(1) (in a single node O(its bytes) at the front); by index O(nodes) over a
//! dense array plus a node; inserting a node in the middle moves the shorter half of the directory.
//! `types::list` decides when a list leaves this encoding.

mod compress;
mod edit;
mod fill;
mod node;

pub use fill::{Fill, set_packed_threshold};

use crate::blob::Blob;
use crate::listpack::{Entry, Listpack, Pack, Pos};
use node::ListNode;
use russet_base::memory::alloc::deque_bytes;
use russet_base::memory::mover::Mover;
use std::collections::VecDeque;

/// Assumed overhead of an element beside its text.
const ENTRY_OVERHEAD: usize = 8;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The head: LPUSH's end.
    Front,
    /// The tail: RPUSH's end.
    Back,
}

impl End {
    /// The entry at this end of a non-empty listpack.
    fn pos(self, pack: &Pack) -> Pos {
        match self {
            End::Front => pack.first(),
            End::Back => pack.last(),
        }
        .expect("no node is empty")
    }
}

/// A node in the form in which it is saved.
#[derive(Debug)]
pub enum NodeRef<'a> {
    /// Elements as a listpack.
    Pack(&'a Pack),
    /// A listpack compressed by LZF.
    Lzf {
        /// Bytes of the listpack.
        raw_len: usize,
        /// The node's compressed bytes.
        data: &'a [u8],
    },
    /// A single element above the limit, as it is.
    Plain(&'a [u8]),
}

impl NodeRef<'_> {
    /// Bytes of the elements as a listpack, or of the single text.
    pub fn uncompressed_bytes(&self) -> usize {
        match self {
            NodeRef::Pack(pack) => pack.as_bytes().len(),
            NodeRef::Lzf { raw_len, .. } => *raw_len,
            NodeRef::Plain(text) => text.len(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Quicklist {
    nodes: VecDeque<ListNode>,
    len: usize,
    fill: Fill,
    compress: u16,
    /// Bytes of all nodes' blocks.
    bytes: usize,
}

impl Quicklist {
    /// An empty list. `fill`: the limit of a node; `compress`: see invariant 3, 0 for none.
    pub fn new(fill: Fill, compress: u16) -> Self {
        Quicklist {
            nodes: VecDeque::new(),
            len: 0,
            fill,
            compress,
            bytes: 0,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a whole listpack as a node; an empty listpack is dropped.
    pub fn append_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            let node = ListNode::pack(pack);
            self.len += node.count();
            self.put_at_end(End::Back, node);
            self.settle_ends();
        }
    }

    /// Appends a node of a single huge element.
    pub fn append_plain(&mut self, element: &[u8]) {
        self.len += 1;
        self.put_at_end(End::Back, ListNode::Plain(Blob::new(element)));
        self.settle_ends();
    }

    /// The nodes in order, for saving.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeRef<'_>> {
        self.nodes_from(0)
    }

    /// The nodes from number `at` on.
    pub fn nodes_from(&self, at: usize) -> impl ExactSizeIterator<Item = NodeRef<'_>> {
        let at = at.min(self.nodes.len());
        self.nodes.range(at..).map(|node| match node {
            ListNode::Pack { pack, .. } => NodeRef::Pack(pack),
            ListNode::Roomy { pack, .. } => NodeRef::Pack(pack),
            ListNode::Plain(blob) => NodeRef::Plain(blob.as_bytes()),
            ListNode::Lzf { blob, .. } => {
                let (raw_len, data) = node::lzf_parts(blob);
                NodeRef::Lzf { raw_len, data }
            }
        })
    }

    /// The only node, if it is a listpack within these limits.
    pub fn take_single_pack(&mut self, bytes_max: usize, count_max: usize) -> Option<Listpack> {
        if self.nodes.len() != 1 {
            return None;
        }
        self.edit(0, ListNode::close);
        let Some(ListNode::Pack { count, pack }) = self.nodes.front_mut() else {
            return None;
        };
        if pack.as_bytes().len() > bytes_max || *count as usize > count_max {
            return None;
        }
        self.len = 0;
        self.bytes -= pack.memory_bytes();
        let pack = std::mem::take(pack);
        self.nodes.clear();
        Some(pack)
    }

    /// Changes a node.
    #[inline]
    fn edit<R>(&mut self, at: usize, change: impl FnOnce(&mut ListNode) -> R) -> R {
        let node = &mut self.nodes[at];
        let before = node.memory_bytes();
        let result = change(node);
        self.bytes = self.bytes + node.memory_bytes() - before;
        result
    }

    /// Adds a node.
    fn put_at_end(&mut self, end: End, node: ListNode) {
        match end {
            End::Front => self.put(0, node),
            End::Back => {
                self.bytes += node.memory_bytes();
                self.nodes.push_back(node);
            }
        }
    }

    /// Adds a node before another, or at the end.
    fn put(&mut self, at: usize, node: ListNode) {
        if at == 0 && !self.nodes.is_empty() {
            self.edit(0, ListNode::close);
        }
        self.bytes += node.memory_bytes();
        self.nodes.insert(at, node);
    }

    #[inline]
    fn takes(&self, index: usize, text_len: usize) -> bool {
        if self.fill.is_large(text_len) {
            return false;
        }
        match self.nodes.get(index) {
            Some(node) => node.pack_bytes().is_some_and(|own| {
                let bytes = own + text_len + ENTRY_OVERHEAD;
                !self.fill.exceeded_by(bytes, node.count() + 1)
            }),
            None => false,
        }
    }

    fn node_of(&self, text: &[u8]) -> ListNode {
        if self.fill.is_large(text.len()) {
            return ListNode::Plain(Blob::new(text));
        }
        ListNode::Pack {
            count: 1,
            pack: Listpack::from_entries([Entry::parse(text)]),
        }
    }

    /// Adds an element at either end.
    pub fn push(&mut self, end: End, text: &[u8]) {
        let index = match end {
            End::Front => 0,
            End::Back => self.nodes.len().wrapping_sub(1),
        };
        self.len += 1;
        if self.takes(index, text.len()) {
            let (alone, bytes_max) = (self.nodes.len() == 1, self.fill.bytes_max());
            return self.edit(index, |node| {
                let entry = Entry::parse(text);
                if end == End::Front && !alone {
                    return node.push_front(entry, bytes_max);
                }
                let (count, pack) = node.pack_mut().expect("a listpack takes it");
                *count += 1;
                match end {
                    End::Front => pack.prepend(entry),
                    End::Back => pack.append(entry),
                };
            });
        }
        let node = self.node_of(text);
        self.put_at_end(end, node);
        self.settle_ends();
    }

    /// Removes the element at either end after passing it to `see`.
    pub fn pop_with<R>(&mut self, end: End, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let at = match end {
            End::Front => 0,
            End::Back => self.nodes.len().checked_sub(1)?,
        };
        let seen = match self.nodes.get(at)?.open().pack() {
            Ok(pack) => see(pack.get(end.pos(pack))),
            Err(text) => see(Entry::Str(text)),
        };
        self.len -= 1;
        if self.nodes[at].count() > 1 {
            let alone = self.nodes.len() == 1;
            self.edit(at, |node| {
                if end == End::Front && !alone {
                    return node.pop_front();
                }
                let (count, pack) = node.pack_mut().expect("several elements");
                *count -= 1;
                pack.delete(end.pos(pack));
            });
            return Some(seen);
        }
        let gone = match end {
            End::Front => self.nodes.pop_front(),
            End::Back => self.nodes.pop_back(),
        };
        self.bytes -= gone.map_or(0, |node| node.memory_bytes());
        self.trim_directory();
        self.settle_ends();
        Some(seen)
    }

    /// Shrinks the directory after many nodes were removed.
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

    /// Passes the element at `index` to `see` and returns its result.
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

    /// Offers the blocks of up to `n` nodes from number `at` on, and before the first node the
    /// block of the directory; returns the next number, `None` at the end.
    pub fn relocate(&mut self, mover: &mut Mover, at: usize, n: usize) -> Option<usize> {
        if at == 0 {
            mover.deque(&mut self.nodes);
        }
        let end = at.saturating_add(n.max(1)).min(self.nodes.len());
        let nodes = self.nodes.range_mut(at.min(end)..end);
        nodes.for_each(|node| node.relocate(mover));
        (end < self.nodes.len()).then_some(end)
    }

    /// Frees up to `n` elements from the back (at least a node); true when none is left.
    pub fn free_step(&mut self, n: usize) -> bool {
        let mut freed = 0;
        while freed < n
            && let Some(node) = self.nodes.pop_back()
        {
            freed += node.count();
            self.bytes -= node.memory_bytes();
        }
        self.len = self.len.saturating_sub(freed);
        self.nodes.is_empty()
    }

    /// The fill and the compress depth at the time when the quicklist was created.
    pub fn settings(&self) -> (Fill, u16) {
        (self.fill, self.compress)
    }

    /// Bytes of the nodes and of their directory, as the allocator counts them. O(1).
    pub fn memory_bytes(&self) -> usize {
        deque_bytes(&self.nodes) + self.bytes
    }

    /// Number of nodes: the cost of freeing the list.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        let nodes = self.nodes.len();
        let depth = usize::from(self.compress);
        let (mut sum, mut bytes) = (0, 0);
        for (at, node) in self.nodes.iter().enumerate() {
            assert!(node.count() > 0, "node {at} is empty");
            sum += node.count();
            bytes += node.memory_bytes();
            match node {
                ListNode::Pack { count, pack } => {
                    pack.check_invariants();
                    assert_eq!(pack.len(), *count as usize);
                }
                ListNode::Roomy { count, pack } => {
                    assert!(at == 0, "node {at} keeps room that nobody uses");
                    pack.check_invariants();
                    assert_eq!(pack.len(), *count as usize);
                }
                ListNode::Lzf { .. } => assert!(at >= depth && at + depth < nodes),
                ListNode::Plain(_) => {}
            }
        }
        assert_eq!(sum, self.len);
        assert_eq!(bytes, self.bytes);
    }
}

#[cfg(test)]
mod tests;
