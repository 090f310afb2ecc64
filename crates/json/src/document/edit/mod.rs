//! Edits at a location.
//!
//! A value is in a buffer: the document's own, or a chunk. An edit replaces bytes there, corrects
//! count and length of the containers around it, from the innermost on, and then settles the
//! buffer: a chunk that is too large is split, a small chunk is joined to its neighbour, an empty
//! chunk is removed. A small document that exceeds a chunk becomes a large document, and a large
//! document that has less than half a chunk becomes small.

mod many;
mod place;
mod settle;
mod site;

use super::bytes::{self, Body, Compound, Item};
use super::draft::{Draft, DraftValues, clean, draft};
use super::names::{self, FlatNames, hash_of};
use super::store::{Node, PLAIN, Part, Store, chunk_bytes, value_nodes};
use super::value::{Context, Value};
use super::{DEPTH_MAX, Document, Form, Tree};
use crate::view::{Kind, Number, View};
pub use many::{ChangeAt, Pay};
use russet_encodings::buffer::Buffer;
use site::{Container, Holder, Site, Slot, chunks_part};
use std::ops::Range;
use std::sync::Arc;

/// A small document of at least this many bytes shares names anew when its length has doubled.
const SHARED_ANEW_BYTES: usize = 512;
/// An array of values of at least this many tries to become a run when its length has doubled.
const RUN_COUNT_MIN: usize = 8;

impl Document {
    /// Replaces a value by a copy of another.
    pub fn replace(&mut self, at: &[u32], new: Value<'_>) -> bool {
        if at.is_empty() {
            *self = Document::copy_of(new);
            return true;
        }
        let made = self.short(new);
        let made = made.unwrap_or_else(|| self.make(new_bytes(new), |draft| draft.copy(new)));
        self.put(at, made)
    }

    /// Replaces a value by a number.
    pub fn set_number(&mut self, at: &[u32], number: Number) -> bool {
        if at.is_empty() {
            *self = Document::number(number);
            return true;
        }
        if let Some((site, Slot::Value(place))) = self.find(at) {
            let buffer = self.buffer(site.holder);
            let (before, new) = (buffer.len(), bytes::number(number));
            if !bytes::is_container(buffer[place]) && !bytes::is_node(buffer[place]) {
                let old = place..bytes::skip(buffer, place);
                let is_shift = old.len() != new.len();
                self.change(&site, old, &new, 0);
                if is_shift {
                    self.settle(site.holder, before);
                }
                return true;
            }
        }
        let mut made = DraftValues::scalar(&bytes::number(number));
        made.numbers = Some(vec![number]);
        self.put(at, made)
    }

    /// Replaces a value by a bool.
    pub fn set_bool(&mut self, at: &[u32], value: bool) -> bool {
        if at.is_empty() {
            *self = Document::made(|draft| draft.bool(value));
            return true;
        }
        self.put(at, DraftValues::scalar(&[bytes::FALSE + u8::from(value)]))
    }

    /// Empties a container, or sets a number to zero; `false`: it was so, or is of another kind.
    pub fn clear(&mut self, at: &[u32]) -> bool {
        let Some(value) = self.get(at) else {
            return false;
        };
        match value.kind() {
            Kind::Number(Number::Signed(0)) => false,
            Kind::Number(_) => self.set_number(at, Number::Signed(0)),
            Kind::Array | Kind::Object if value.len() > 0 => {
                let is_object = matches!(value.kind(), Kind::Object);
                let empty = Document::made(|draft| {
                    draft.begin(is_object);
                    draft.end(None).expect("it has no number");
                });
                self.replace(at, empty.root())
            }
            _ => false,
        }
    }

    /// Appends to a string.
    pub fn append_text(&mut self, at: &[u32], more: &str) -> bool {
        let (more, is_clean) = clean(more);
        if self.len() + more.len() > chunk_bytes() {
            self.grow();
        }
        let Some((site, Slot::Value(place))) = self.find(at) else {
            return false;
        };
        let buffer = self.buffer(site.holder);
        let made = match bytes::item(buffer, place) {
            Item::Text(text) => {
                let is_clean = is_clean && !bytes::is_dirty(buffer[place]);
                let joined = [text, more].concat();
                match &mut self.0 {
                    Form::Tree(tree) if joined.len() > chunk_bytes() / 2 => {
                        let node = Arc::make_mut(tree).store.add(Node::Text(joined, is_clean));
                        DraftValues::scalar(&bytes::node(Compound::String, node))
                    }
                    _ => {
                        let mut made =
                            DraftValues::scalar(&bytes::text_head(joined.len(), is_clean));
                        made.bytes.extend_from_slice(&joined);
                        made
                    }
                }
            }
            Item::Node(Compound::String, number) => {
                self.store_mut().edit(number, |node| {
                    if let Node::Text(text, text_is_clean) = node {
                        if text.capacity() - text.len() < more.len() {
                            text.reserve_exact(more.len() + text.len() / 8);
                        }
                        text.extend_from_slice(more);
                        *text_is_clean &= is_clean;
                    }
                });
                return true;
            }
            _ => return false,
        };
        self.put(at, made)
    }

    /// Sets an object's member to a copy of a value; a new member is its last.
    pub fn set_member(&mut self, at: &[u32], name: &str, value: Value<'_>) -> bool {
        let Some(object) = self.get(at) else {
            return false;
        };
        if !matches!(object.kind(), Kind::Object) {
            return false;
        }
        if let Some((ordinal, _)) = object.member(name) {
            let mut member = crate::Location::from_slice(at);
            member.push(ordinal as u32);
            return self.replace(&member, value);
        }
        let made = self.make(new_bytes(value) + name.len(), |draft| {
            let (name, is_clean) = clean(name);
            draft.name(name, is_clean);
            draft.copy(value);
        });
        if !self.keep_if_shallow(at.len() + 1, &made) {
            return false;
        }
        match self.container(at).expect("it was found above") {
            Container::Inline(site) => {
                let count = self.part(&site).count;
                self.insert(&site, count, &made);
            }
            Container::Node(node) => {
                let store = self.store_mut();
                let len = store.chunks(node).len;
                let hash = hash_of(name.as_bytes());
                store.edit_chunks(node, |chunks| chunks.index_mut().insert(hash, len as u32));
                self.insert_in_node(node, len, &made);
            }
        }
        true
    }

    /// Inserts copies of values into an array, before the element with ordinal `before`, or at the
    /// end.
    pub fn insert_elements(&mut self, at: &[u32], before: usize, new: &[Document]) -> bool {
        // Nothing is made for a short value that could move the array, which is found once.
        if let [new] = new
            && let Some(made) = self.short(new.root())
        {
            return at.len() < DEPTH_MAX && self.insert_element(at, before, &made);
        }
        let Some(array) = self.get(at) else {
            return false;
        };
        if !matches!(array.kind(), Kind::Array) || before > array.len() {
            return false;
        }
        if new.is_empty() {
            return true;
        }
        let bytes = new.iter().map(Document::len).sum();
        let made = self.make(bytes, |draft| {
            new.iter().for_each(|new| draft.copy(new.root()));
        });
        if !self.keep_if_shallow(at.len() + 1, &made) {
            return false;
        }
        match self.container(at).expect("it was found above") {
            Container::Inline(site) => self.insert(&site, before, &made),
            Container::Node(node) => self.insert_in_node(node, before, &made),
        }
        true
    }

    /// Inserts a scalar into an array.
    fn insert_element(&mut self, at: &[u32], before: usize, made: &DraftValues) -> bool {
        match self.container(at) {
            Some(Container::Inline(site)) => {
                let part = self.part(&site);
                let is_there = part.body != Body::Object && before <= part.count;
                if is_there {
                    self.insert(&site, before, made);
                }
                is_there
            }
            Some(Container::Node(node)) => {
                let store = self.store();
                let is_there = !store.node(node).is_object() && before <= store.chunks(node).len;
                if is_there {
                    self.insert_in_node(node, before, made);
                }
                is_there
            }
            None => false,
        }
    }

    /// Removes a value that is not the root. An object's last member takes the place of a removed
    /// member, an array's elements move up.
    pub fn remove(&mut self, at: &[u32]) -> bool {
        let Some((ordinal, parent)) = at.split_last() else {
            return false;
        };
        let ordinal = *ordinal as usize;
        let (site, rest) = match self.container(parent) {
            Some(Container::Inline(site)) => (site, ordinal),
            Some(Container::Node(node)) => {
                let store = self.store();
                let Some((chunk, rest)) = store.chunks(node).find(ordinal) else {
                    return false;
                };
                if store.node(node).is_object() {
                    self.remove_member(node, ordinal);
                    return true;
                }
                (Site::of(Holder::Chunk(node, chunk)), rest)
            }
            None => return false,
        };
        let part = self.part(&site);
        if rest >= part.count {
            return false;
        }
        let start = part.nth(rest);
        let mut end = part.end(start);
        let mut moved = Vec::new();
        let mut gone = Vec::new();
        if part.body != Body::Run {
            value_nodes(part.bytes, part.value(start), &mut |number| {
                gone.push(number)
            });
        }
        if part.body == Body::Object && rest + 1 < part.count {
            let last = part.nth(part.count - 1);
            moved.extend_from_slice(&part.bytes[last..]);
            moved.extend_from_slice(&part.bytes[end..last]);
            end = part.bytes.len();
        }
        self.change(&site, start..end, &moved, -1);
        self.release(gone);
        self.settle(site.holder, 0);
        true
    }

    /// Removes a member of an object out of line.
    fn remove_member(&mut self, node: u32, ordinal: usize) {
        let store = self.store();
        let chunks = store.chunks(node);
        let len = chunks.len;
        let place = |ordinal| {
            let (chunk, rest) = chunks.find(ordinal).expect("a member");
            let part = chunks.part(true, chunk);
            let start = part.nth(rest);
            let (name, _) = names::name(part.bytes, start);
            let hash = hash_of(store.name_text(name));
            (chunk, start..part.end(start), hash)
        };
        let (chunk, range, hash) = place(ordinal);
        let (last, moved, last_hash) = place(len - 1);
        let part = chunks.part(true, chunk);
        let mut gone = Vec::new();
        value_nodes(part.bytes, part.value(range.start), &mut |number| {
            gone.push(number)
        });
        let bytes = chunks.buffers[last][moved.clone()].to_vec();
        let store = self.store_mut();
        store.edit_chunks(node, |chunks| {
            chunks.index_mut().remove(hash, ordinal as u32);
            if ordinal + 1 < len {
                chunks
                    .index_mut()
                    .renumber(last_hash, len as u32 - 1, ordinal as u32);
            }
        });
        // The last member is after the removed member, if in the same chunk.
        self.change(&Site::of(Holder::Chunk(node, last)), moved, &[], -1);
        if ordinal + 1 < len {
            self.change(&Site::of(Holder::Chunk(node, chunk)), range, &bytes, 0);
        }
        self.release(gone);
        self.settle(Holder::Chunk(node, last), 0);
        if chunk != last {
            self.settle(Holder::Chunk(node, chunk), 0);
        }
    }

    /// Keeps only a range of an array's elements.
    pub fn retain_elements(&mut self, at: &[u32], range: Range<usize>) -> bool {
        let Some(array) = self.get(at) else {
            return false;
        };
        if !matches!(array.kind(), Kind::Array) {
            return false;
        }
        let end = range.end.min(array.len());
        let start = range.start.min(end);
        if start == end {
            self.clear(at);
            return true;
        }
        match self.container(at).expect("it was found above") {
            Container::Inline(site) => {
                let part = self.part(&site);
                let form = match part.body {
                    Body::Run => part.run.byte(),
                    Body::Array | Body::Object => PLAIN,
                };
                let (from, to) = (part.nth(start), part.nth(end));
                let kept = [&[form], &part.bytes[from..to]].concat();
                let mut gone = Vec::new();
                for (range, count) in [(part.start..from, start), (to..part.bytes.len(), 0)] {
                    let part = Part {
                        bytes: &part.bytes[..range.end],
                        start: range.start,
                        count,
                        ..part
                    };
                    part.nodes(&mut |number| gone.push(number));
                }
                self.rewrite(&site, &kept, end - start);
                self.release(gone);
                self.settle(site.holder, 0);
            }
            Container::Node(node) => {
                self.cut(node, end, usize::MAX);
                self.cut(node, 0, start);
                self.settle_size();
            }
        }
        true
    }

    /// Removes the elements from `start` to `end` of an array out of line: at either of its ends.
    fn cut(&mut self, node: u32, start: usize, end: usize) {
        let end = end.min(self.store().chunks(node).len);
        if start >= end {
            return;
        }
        let chunks = self.store().chunks(node);
        let (first, skipped) = chunks.find(start).expect("below the length");
        let (last, kept) = chunks.find(end).unwrap_or((chunks.buffers.len(), 0));
        let whole = first + usize::from(skipped > 0)..last;
        let mut gone = Vec::new();
        for chunk in whole.clone() {
            chunks
                .part(false, chunk)
                .nodes(&mut |number| gone.push(number));
        }
        let mut edges = Vec::new();
        if skipped > 0 {
            let count = chunks.counts[first] as usize;
            edges.push((first, skipped, count));
        }
        if kept > 0 {
            edges.push((last, 0, kept));
        }
        for (chunk, from, to) in edges {
            let part = chunks_part(self.store(), node, chunk);
            let range = part.nth(from)..part.nth(to);
            let cut = Part {
                bytes: &part.bytes[..range.end],
                start: range.start,
                ..part
            };
            cut.nodes(&mut |number| gone.push(number));
            let count = -((to - from) as isize);
            self.change(&Site::of(Holder::Chunk(node, chunk)), range, &[], count);
        }
        if !whole.is_empty() {
            let none = Default::default();
            self.store_mut()
                .edit_chunks(node, |chunks| chunks.replace(whole, none));
        }
        self.release(gone);
    }

    /// Bytes of the document's own buffer, or more than a chunk.
    fn len(&self) -> usize {
        match &self.0 {
            Form::Flat(buffer) => buffer.len(),
            Form::Tree(tree) => tree.root.len() + tree.store.node_bytes(),
        }
    }

    fn store(&self) -> &Store {
        match &self.0 {
            Form::Tree(tree) => &tree.store,
            Form::Flat(_) => unreachable!("a small document has no nodes"),
        }
    }

    fn store_mut(&mut self) -> &mut Store {
        match &mut self.0 {
            Form::Tree(tree) => &mut Arc::make_mut(tree).store,
            Form::Flat(_) => unreachable!("a small document has no nodes"),
        }
    }

    fn release(&mut self, gone: Vec<u32>) {
        if !gone.is_empty() {
            self.store_mut().release(gone);
        }
    }

    /// Makes values for this document, of about `bytes`.
    fn make(&mut self, bytes: usize, run: impl FnOnce(&mut Draft<'_, '_>)) -> DraftValues {
        if self.len() + bytes > chunk_bytes() {
            self.grow();
        }
        let mut none = Store::default();
        let (names, store, splits) = match &mut self.0 {
            Form::Flat(buffer) => (FlatNames::of(buffer).0, &mut none, false),
            Form::Tree(tree) => (FlatNames::NONE, &mut Arc::make_mut(tree).store, true),
        };
        draft(&[], names, store, splits, |draft| {
            run(draft);
            draft.finish()
        })
    }

    /// A copy of a short scalar, for which there is room; its bytes are the same everywhere.
    fn short(&self, new: Value<'_>) -> Option<DraftValues> {
        const SHORT_BYTES_MAX: usize = 64;
        let bytes = new.bytes()?;
        let bytes = &bytes[..bytes::skip(bytes, 0)];
        let is_short = bytes.len() <= SHORT_BYTES_MAX && bytes.len() < chunk_bytes() / 2;
        let is_scalar = !bytes::is_container(bytes[0]) && !bytes::is_node(bytes[0]);
        if !is_short || !is_scalar || self.len() + bytes.len() > chunk_bytes() {
            return None;
        }
        let mut made = DraftValues::scalar(bytes);
        if let Item::Number(number) = new.item() {
            made.numbers = Some(vec![number]);
        }
        Some(made)
    }

    /// Makes a small document large.
    fn grow(&mut self) {
        if let Form::Flat(_) = self.0 {
            let mut store = Store::default();
            let root = self.root();
            let made = draft(&[], FlatNames::NONE, &mut store, true, |draft| {
                draft.copy(root);
                draft.finish()
            });
            let root = Buffer::new(&made.bytes);
            self.0 = Form::Tree(Arc::new(Tree { root, store }));
        }
    }

    /// Whether values may be put at a level; drops them if they would nest too deeply.
    fn keep_if_shallow(&mut self, level: usize, made: &DraftValues) -> bool {
        let is_shallow = level + made.depth <= DEPTH_MAX;
        if !is_shallow {
            self.release(made.nodes.clone());
            self.settle_size();
        }
        is_shallow
    }
}

/// About the bytes of a value.
fn new_bytes(value: Value<'_>) -> usize {
    match (value.bytes(), value.context()) {
        (None, _) => 9,
        (Some(bytes), Context::Flat(_)) => bytes::skip(bytes, 0),
        (Some(_), Context::Tree(_)) => value.memory_bytes(),
    }
}
