//! The store of a large document: values out of line, by number, and shared names.
//!
//!     root: bytes --F1 number--> node
//!     node of an array or object     chunks, each one buffer: count of values, bytes
//!     chunk of an array              type: u8 (FF: values, else a run's) | values, or numbers
//!     chunk of an object             members
//!     node of a string               its text
//!
//! Nodes, chunks and indexes are reference-counted: copies of a store share them, and an edit makes
//! a copy of its own of each block that it changes. So a change of a scalar copies the list of
//! nodes, the list of the chunks of a node, and a chunk.
//!
//! Invariants
//!   1. A node is referred to exactly once, or its number is in `free`.
//!   2. No chunk is empty, and `len` is the sum of the chunks' counts.
//!   3. The index of an object has every member by its name, with its ordinal.
//!   4. `bytes` is what all nodes own, as the allocator counts it.
//!
//! A value becomes a node when its bytes exceed half a chunk, and a chunk that exceeds its size is
//! split. A child by its ordinal is found by adding up the counts of chunks, which are adjacent in
//! memory: a document of 100 MB has about 15,000 chunks.

use super::bytes::{self, Body, Compound, Item};
use super::names::{self, Index, Name, TreeNames, hash_of};
use super::run::NumberType;
use russet_base::memory::alloc::{boxed_bytes, vec_bytes};
use russet_base::memory::mover::Mover;
use russet_encodings::buffer::Buffer;
use russet_encodings::thin::ThinPointer;
use std::ops::Range;
use std::sync::Arc;

/// The first byte of an array's chunk that holds values.
pub(super) const PLAIN: u8 = 0xFF;

#[cfg(not(test))]
const CHUNK_BYTES: usize = 8192;

/// The size of a chunk.
#[cfg(not(test))]
#[inline]
pub(super) fn chunk_bytes() -> usize {
    CHUNK_BYTES
}

#[cfg(test)]
thread_local! {
    pub(super) static CHUNK_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(8192) };
}

#[cfg(test)]
pub(super) fn chunk_bytes() -> usize {
    CHUNK_BYTES.get()
}

/// Values beside each other: the content of an inline container, or a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub body: Body,
    /// The type of numbers, in a run.
    pub run: NumberType,
    pub count: usize,
    /// The buffer, up to where the values end.
    pub bytes: &'a [u8],
    /// Where the values begin.
    pub start: usize,
}

impl<'a> Part<'a> {
    /// Without values.
    pub const NONE: Part<'static> = Part {
        body: Body::Array,
        run: NumberType::of(0),
        count: 0,
        bytes: &[],
        start: 0,
    };

    /// The content of the inline container at a place.
    #[inline]
    pub fn inline(buffer: &'a [u8], at: usize) -> Option<Part<'a>> {
        let inline = bytes::inline(buffer, at)?;
        let (mut start, mut run) = (inline.start, NumberType::of(0));
        if inline.body == Body::Run {
            run = NumberType::of(buffer[start]);
            start += 1;
        }
        Some(Part {
            body: inline.body,
            run,
            count: inline.count,
            bytes: &buffer[..inline.end],
            start,
        })
    }

    /// A chunk.
    #[inline]
    pub fn chunk(is_object: bool, buffer: &'a [u8], count: usize) -> Part<'a> {
        let (body, run, start) = match buffer[0] {
            _ if is_object => (Body::Object, NumberType::of(0), 0),
            PLAIN => (Body::Array, NumberType::of(0), 1),
            run => (Body::Run, NumberType::of(run), 1),
        };
        Part {
            body,
            run,
            count,
            bytes: buffer,
            start,
        }
    }

    /// Where the child with an ordinal begins: a member with its name.
    #[inline]
    pub fn nth(self, ordinal: usize) -> usize {
        if ordinal >= self.count {
            return self.bytes.len();
        }
        let mut at = self.start;
        match self.body {
            Body::Run => at += ordinal * self.run.width(),
            Body::Array => (0..ordinal).for_each(|_| at = bytes::skip(self.bytes, at)),
            Body::Object => {
                let skip = |at| bytes::skip(self.bytes, names::skip(self.bytes, at));
                (0..ordinal).for_each(|_| at = skip(at));
            }
        }
        at
    }

    /// Where a child that begins at a place has its value.
    #[inline]
    pub fn value(self, at: usize) -> usize {
        match self.body {
            Body::Object => names::skip(self.bytes, at),
            Body::Array | Body::Run => at,
        }
    }

    /// Where a child that begins at a place ends.
    #[inline]
    pub fn end(self, at: usize) -> usize {
        match self.body {
            Body::Run => at + self.run.width(),
            Body::Array | Body::Object => bytes::skip(self.bytes, self.value(at)),
        }
    }

    /// Whether an array in these values, out of line ones excluded, has a requested type.
    pub fn is_typed(self) -> bool {
        if self.body == Body::Run {
            return self.run.fpha().is_some();
        }
        let mut at = self.start;
        while at < self.bytes.len() {
            let value = self.value(at);
            if Part::inline(self.bytes, value).is_some_and(Part::is_typed) {
                return true;
            }
            at = bytes::skip(self.bytes, value);
        }
        false
    }

    /// Calls `node` with the number of each node that these values refer to.
    pub fn nodes(self, node: &mut impl FnMut(u32)) {
        if self.body == Body::Run {
            return;
        }
        let mut at = self.start;
        while at < self.bytes.len() {
            at = value_nodes(self.bytes, self.value(at), node);
        }
    }
}

/// Calls `node` with the number of each node that a value refers to; returns where it ends.
pub(super) fn value_nodes(buffer: &[u8], at: usize, node: &mut impl FnMut(u32)) -> usize {
    if let Some(part) = Part::inline(buffer, at) {
        part.nodes(node);
    } else if let Item::Node(_, number) = bytes::item(buffer, at) {
        node(number);
    }
    bytes::skip(buffer, at)
}

/// An [`Arc`]'s block.
pub(super) struct ArcBlock<T> {
    _counts: [usize; 2],
    _value: T,
}

/// Bytes of a counted buffer.
fn counted_bytes(buffer: &Buffer) -> usize {
    boxed_bytes::<ArcBlock<Buffer>>() + buffer.memory_bytes()
}

/// An array or an object out of line.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunks {
    pub counts: Vec<u32>,
    pub buffers: Vec<Arc<Buffer>>,
    pub len: usize,
    /// Of an object.
    pub index: Arc<Index>,
    /// Bytes of the buffers.
    bytes: usize,
}

impl Chunks {
    /// The chunk with an ordinal, and the ordinal in it.
    #[inline]
    pub fn find(&self, ordinal: usize) -> Option<(usize, usize)> {
        if ordinal >= self.len {
            return None;
        }
        let (mut rest, mut chunk) = (ordinal, 0);
        for counts in self.counts.chunks_exact(32) {
            let count = counts.iter().sum::<u32>() as usize;
            if rest < count {
                break;
            }
            rest -= count;
            chunk += 32;
        }
        while rest >= self.counts[chunk] as usize {
            rest -= self.counts[chunk] as usize;
            chunk += 1;
        }
        Some((chunk, rest))
    }

    /// A chunk's values.
    #[inline]
    pub fn part(&self, is_object: bool, chunk: usize) -> Part<'_> {
        Part::chunk(is_object, &self.buffers[chunk], self.counts[chunk] as usize)
    }

    /// The index, to change it.
    pub fn index_mut(&mut self) -> &mut Index {
        Arc::make_mut(&mut self.index)
    }

    pub fn push(&mut self, buffer: Buffer, count: usize) {
        self.bytes += counted_bytes(&buffer);
        self.buffers.push(Arc::new(buffer));
        self.counts.push(count as u32);
        self.len += count;
    }

    /// Replaces bytes of a chunk.
    #[inline]
    pub fn splice(&mut self, chunk: usize, range: Range<usize>, new: &[u8]) {
        let buffer = Arc::make_mut(&mut self.buffers[chunk]);
        let before = buffer.memory_bytes();
        buffer.splice(range, new);
        self.bytes = self.bytes - before + buffer.memory_bytes();
    }

    /// Replaces chunks by others.
    pub fn replace(&mut self, range: Range<usize>, new: Chunks) {
        let gone: usize = self.counts[range.clone()]
            .iter()
            .map(|count| *count as usize)
            .sum();
        self.len = self.len - gone + new.len;
        self.counts.splice(range.clone(), new.counts);
        let gone: usize = self
            .buffers
            .splice(range, new.buffers)
            .map(|buffer| counted_bytes(&buffer))
            .sum();
        self.bytes = self.bytes - gone + new.bytes;
    }

    fn memory_bytes(&self) -> usize {
        let directory = vec_bytes(&self.counts) + vec_bytes(&self.buffers);
        let index = boxed_bytes::<ArcBlock<Index>>() + self.index.memory_bytes();
        directory + index + self.bytes
    }
}

/// A value out of line.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The number is free.
    Free,
    /// A string, and whether JSON text escapes no byte of it.
    Text(Vec<u8>, bool),
    Array(Chunks),
    Object(Chunks),
}

impl Node {
    /// Bytes in the allocator.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Node::Free => 0,
            Node::Text(text, _) => vec_bytes(text),
            Node::Array(chunks) | Node::Object(chunks) => chunks.memory_bytes(),
        }
    }

    pub fn compound(&self) -> Compound {
        match self {
            Node::Text(..) => Compound::String,
            Node::Array(_) => Compound::Array,
            Node::Object(_) => Compound::Object,
            Node::Free => unreachable!("nothing refers to a free number"),
        }
    }

    /// The chunks of an array or object.
    #[inline]
    pub fn chunks(&self) -> Option<&Chunks> {
        match self {
            Node::Array(chunks) | Node::Object(chunks) => Some(chunks),
            Node::Text(..) | Node::Free => None,
        }
    }

    #[inline]
    pub fn is_object(&self) -> bool {
        matches!(self, Node::Object(_))
    }

    /// Number of allocations, about.
    fn allocations(&self) -> usize {
        1 + self.chunks().map_or(0, |chunks| chunks.buffers.len())
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    nodes: Vec<Arc<Node>>,
    free: Vec<u32>,
    pub names: TreeNames,
    bytes: usize,
}

impl Store {
    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == self.free.len()
    }

    /// Bytes in the allocator. O(1).
    pub fn memory_bytes(&self) -> usize {
        let counted = self.nodes.len() * boxed_bytes::<ArcBlock<Node>>();
        let lists = vec_bytes(&self.nodes) + counted + vec_bytes(&self.free);
        lists + self.names.memory_bytes() + self.bytes
    }

    /// Bytes of the nodes.
    pub fn node_bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    /// The chunks of a node, which has some.
    #[inline]
    pub fn chunks(&self, number: u32) -> &Chunks {
        self.node(number)
            .chunks()
            .expect("a node of an array or object")
    }

    /// Adds a node; returns its number.
    pub fn add(&mut self, node: Node) -> u32 {
        self.bytes += node.memory_bytes();
        if let Some(number) = self.free.pop() {
            self.nodes[number as usize] = Arc::new(node);
            return number;
        }
        if self.nodes.len() == self.nodes.capacity() {
            // Many documents have a single node: a long string.
            self.nodes.reserve_exact(self.nodes.len() / 2 + 1);
        }
        self.nodes.push(Arc::new(node));
        self.nodes.len() as u32 - 1
    }

    /// Changes a node.
    #[inline]
    pub fn edit<R>(&mut self, number: u32, change: impl FnOnce(&mut Node) -> R) -> R {
        let node = &mut self.nodes[number as usize];
        // A copy may be smaller: its lists have no room to spare.
        let before = node.memory_bytes();
        let node = Arc::make_mut(node);
        let result = change(node);
        self.bytes = self.bytes - before + node.memory_bytes();
        result
    }

    /// Changes the chunks of a node, which has some.
    #[inline]
    pub fn edit_chunks<R>(&mut self, number: u32, change: impl FnOnce(&mut Chunks) -> R) -> R {
        self.edit(number, |node| match node {
            Node::Array(chunks) | Node::Object(chunks) => change(chunks),
            Node::Text(..) | Node::Free => unreachable!("a node of an array or object"),
        })
    }

    /// Takes a node out, and leaves the nodes that it refers to where they are.
    pub fn take(&mut self, number: u32) -> Node {
        self.free.push(number);
        self.edit(number, |node| std::mem::replace(node, Node::Free))
    }

    /// Frees nodes, and the nodes that they refer to.
    pub fn release(&mut self, mut numbers: Vec<u32>) {
        while let Some(number) = numbers.pop() {
            let node = self.take(number);
            if let Some(chunks) = node.chunks() {
                for chunk in 0..chunks.buffers.len() {
                    let part = chunks.part(node.is_object(), chunk);
                    part.nodes(&mut |number| numbers.push(number));
                }
            }
        }
    }

    /// The text of a name.
    #[inline]
    pub fn name_text<'n>(&'n self, name: Name<'n>) -> &'n [u8] {
        match name {
            Name::Text(text, _) => text,
            Name::Shared(number) => self.names.text(number),
        }
    }

    /// The chunk of an object's member, and the member's ordinals in the chunk and in the object.
    pub fn find_member(&self, number: u32, name: &[u8]) -> Option<(usize, usize, usize)> {
        let chunks = self.chunks(number);
        let is_it = |ordinal: u32| {
            let (chunk, rest) = chunks
                .find(ordinal as usize)
                .expect("the index's ordinals are");
            let part = chunks.part(true, chunk);
            let (found, _) = names::name(part.bytes, part.nth(rest));
            self.name_text(found) == name
        };
        let ordinal = chunks.index.find(hash_of(name), is_it)? as usize;
        let (chunk, rest) = chunks.find(ordinal).expect("the index's ordinals are");
        Some((chunk, rest, ordinal))
    }

    /// Whether an array out of line, or in a value there, has a requested type.
    pub fn is_typed(&self) -> bool {
        self.nodes.iter().any(|node| {
            node.chunks().is_some_and(|chunks| {
                let mut all = 0..chunks.buffers.len();
                all.any(|chunk| chunks.part(node.is_object(), chunk).is_typed())
            })
        })
    }

    /// Number of allocations, about.
    pub fn allocations(&self) -> usize {
        self.nodes.iter().map(|node| node.allocations()).sum()
    }

    /// Drops up to about `n` allocations; true when none is left. Nothing can be read any more.
    pub fn free_step(&mut self, n: usize) -> bool {
        let mut left = n.max(1);
        while left > 0 {
            let Some(node) = self.nodes.last_mut() else {
                return true;
            };
            // A node that another store has, too, is only counted.
            if let Some(Node::Array(chunks) | Node::Object(chunks)) = Arc::get_mut(node)
                && chunks.buffers.len() >= left
            {
                let kept = chunks.buffers.len() - left;
                chunks.buffers.truncate(kept);
                return false;
            }
            left -= node.allocations().min(left);
            self.nodes.pop();
        }
        self.nodes.is_empty()
    }

    /// Offers about `n` blocks from a position on (a node above 32 bits of a chunk); returns the
    /// next position.
    pub fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.vec(&mut self.nodes);
            mover.vec(&mut self.free);
            self.names.relocate(mover);
        }
        let (mut number, mut chunk) = ((at >> 32) as usize, at as u32 as usize);
        let mut left = n.max(1);
        while let Some(node) = self.nodes.get_mut(number) {
            // A node that another store has, too, is left where it is.
            match Arc::get_mut(node) {
                None | Some(Node::Free) => {}
                Some(Node::Text(text, _)) => mover.vec(text),
                Some(Node::Array(chunks) | Node::Object(chunks)) => {
                    if chunk == 0 {
                        mover.vec(&mut chunks.counts);
                        mover.vec(&mut chunks.buffers);
                        if let Some(index) = Arc::get_mut(&mut chunks.index) {
                            index.relocate(mover);
                        }
                    }
                    for buffer in chunks.buffers.iter_mut().skip(chunk) {
                        if left == 0 {
                            return Some((number as u64) << 32 | chunk as u64);
                        }
                        if let Some(buffer) = Arc::get_mut(buffer) {
                            buffer.relocate(mover);
                        }
                        chunk += 1;
                        left -= 1;
                    }
                }
            }
            (number, chunk) = (number + 1, 0);
            if left <= 1 {
                return (number < self.nodes.len()).then_some((number as u64) << 32);
            }
            left -= 1;
        }
        None
    }

    /// Panics if an invariant is broken; the numbers are those that the root refers to.
    pub fn check_invariants(&self, roots: Vec<u32>) {
        let mut seen = vec![false; self.nodes.len()];
        let mut todo = roots;
        while let Some(number) = todo.pop() {
            assert!(!std::mem::replace(&mut seen[number as usize], true));
            let node = self.node(number);
            assert!(!matches!(node, Node::Free));
            let Some(chunks) = node.chunks() else {
                continue;
            };
            assert_eq!(chunks.counts.len(), chunks.buffers.len());
            let mut ordinal = 0;
            for chunk in 0..chunks.buffers.len() {
                let part = chunks.part(node.is_object(), chunk);
                assert!(part.count > 0);
                super::check::part(part, self.names.count());
                part.nodes(&mut |number| todo.push(number));
                let mut at = part.start;
                for _ in 0..part.count {
                    if node.is_object() {
                        let (name, _) = names::name(part.bytes, at);
                        let hash = hash_of(self.name_text(name));
                        let found = chunks.index.find(hash, |found| found == ordinal as u32);
                        assert_eq!(found, Some(ordinal as u32));
                    }
                    at = part.end(at);
                    ordinal += 1;
                }
            }
            assert_eq!(ordinal, chunks.len);
            assert_eq!(
                chunks.index.len(),
                if node.is_object() { ordinal } else { 0 }
            );
            let bytes: usize = chunks
                .buffers
                .iter()
                .map(|buffer| counted_bytes(buffer))
                .sum();
            assert_eq!(bytes, chunks.bytes);
        }
        for number in &self.free {
            assert!(!std::mem::replace(&mut seen[*number as usize], true));
            assert!(matches!(self.node(*number), Node::Free));
        }
        assert!(seen.into_iter().all(|seen| seen));
        let bytes: usize = self.nodes.iter().map(|node| node.memory_bytes()).sum();
        assert_eq!(bytes, self.bytes);
    }
}
