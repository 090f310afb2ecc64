//! Where a value is: its buffer, and the containers around it.
//!
//! Containers around a node do not store the node's length, so that a change affects only the
//! buffer it is in. A place is valid until the next change of its buffer.

use crate::document::bytes::{self, Body, Compound, Item};
use crate::document::names::FlatNames;
use crate::document::store::{Chunks, PLAIN, Part, Store};
use crate::document::{Document, Form};
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// A buffer of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Root,
    /// A node, and the number of its chunk.
    Chunk(u32, usize),
}

/// A container: the innermost of the inline ones, or a chunk.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub holder: Holder,
    /// The heads of inline containers, from the outermost in this buffer on.
    pub heads: SmallVec<[usize; 8]>,
}

impl Site {
    pub fn of(holder: Holder) -> Site {
        Site {
            holder,
            heads: SmallVec::new(),
        }
    }
}

/// A value in its container.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// Where the value's bytes begin.
    Value(usize),
    /// A number of a run.
    Number(usize),
}

/// A container as a value.
pub(super) enum Container {
    Inline(Site),
    Node(u32),
}

impl Document {
    #[inline]
    pub(super) fn buffer(&self, holder: Holder) -> &[u8] {
        match (&self.0, holder) {
            (Form::Flat(buffer), _) => buffer,
            (Form::Tree(tree), Holder::Root) => &tree.root,
            (Form::Tree(tree), Holder::Chunk(node, chunk)) => {
                &tree.store.chunks(node).buffers[chunk]
            }
        }
    }

    fn splice(&mut self, holder: Holder, range: Range<usize>, new: &[u8]) {
        match (&mut self.0, holder) {
            (Form::Flat(buffer), _) => buffer.splice(range, new),
            (Form::Tree(tree), Holder::Root) => Arc::make_mut(tree).root.splice(range, new),
            (Form::Tree(tree), Holder::Chunk(node, chunk)) => {
                let splice = |chunks: &mut Chunks| chunks.splice(chunk, range, new);
                Arc::make_mut(tree).store.edit_chunks(node, splice);
            }
        }
    }

    /// The values in a container.
    pub(super) fn part(&self, site: &Site) -> Part<'_> {
        let buffer = self.buffer(site.holder);
        match (site.heads.last(), site.holder) {
            (Some(head), _) => Part::inline(buffer, *head).expect("a container's head"),
            (None, Holder::Chunk(node, chunk)) => chunks_part(self.store(), node, chunk),
            (None, Holder::Root) => unreachable!("the root is in no container"),
        }
    }

    /// A value with its container.
    pub(super) fn find(&self, at: &[u32]) -> Option<(Site, Slot)> {
        let mut site = Site::of(Holder::Root);
        let mut place = match &self.0 {
            Form::Flat(buffer) => FlatNames::of(buffer).1,
            Form::Tree(_) => 0,
        };
        for (step, ordinal) in at.iter().enumerate() {
            let mut rest = *ordinal as usize;
            let buffer = self.buffer(site.holder);
            let part = if let Some(part) = Part::inline(buffer, place) {
                site.heads.push(place);
                part
            } else if let Item::Node(Compound::Array | Compound::Object, node) =
                bytes::item(buffer, place)
            {
                let chunk;
                (chunk, rest) = self.store().chunks(node).find(rest)?;
                site = Site::of(Holder::Chunk(node, chunk));
                chunks_part(self.store(), node, chunk)
            } else {
                return None;
            };
            if rest >= part.count {
                return None;
            }
            if part.body == Body::Run {
                return (step + 1 == at.len()).then_some((site, Slot::Number(rest)));
            }
            place = part.value(part.nth(rest));
        }
        Some((site, Slot::Value(place)))
    }

    /// An array or object.
    pub(super) fn container(&self, at: &[u32]) -> Option<Container> {
        let (mut site, Slot::Value(place)) = self.find(at)? else {
            return None;
        };
        match bytes::item(self.buffer(site.holder), place) {
            Item::Inline(_) => {
                site.heads.push(place);
                Some(Container::Inline(site))
            }
            Item::Node(Compound::Array | Compound::Object, node) => Some(Container::Node(node)),
            _ => None,
        }
    }

    /// Replaces bytes of a container's content, and adds to its count.
    pub(super) fn change(&mut self, site: &Site, range: Range<usize>, new: &[u8], added: isize) {
        let mut grown = new.len() as isize - range.len() as isize;
        self.splice(site.holder, range, new);
        if site.heads.is_empty() {
            if let Holder::Chunk(node, chunk) = site.holder
                && added != 0
            {
                self.store_mut().edit_chunks(node, |chunks| {
                    chunks.counts[chunk] = (chunks.counts[chunk] as isize + added) as u32;
                    chunks.len = (chunks.len as isize + added) as usize;
                });
            }
            return;
        }
        let mut added = added;
        for head in site.heads.iter().rev() {
            if grown == 0 && added == 0 {
                return;
            }
            let inline = bytes::inline(self.buffer(site.holder), *head).expect("a head");
            let count = (inline.count as isize + added) as usize;
            let len = (inline.end - inline.start) as isize + grown;
            let header = bytes::header(inline.body, count, len as usize);
            if count == 0 {
                // A run's type goes, too.
                let content = inline.start + len as usize;
                self.splice(site.holder, *head..content, &header);
                grown = header.len() as isize - (inline.end - head) as isize;
            } else {
                self.splice(site.holder, *head..inline.start, &header);
                grown += header.len() as isize - (inline.start - head) as isize;
            }
            added = 0;
        }
    }

    /// Replaces an array's content; `content` begins with a form, as the content of a chunk does.
    pub(super) fn rewrite(&mut self, site: &Site, content: &[u8], count: usize) {
        let mut outer = site.clone();
        if let Some(head) = outer.heads.pop() {
            let inline = bytes::inline(self.buffer(site.holder), head).expect("a head");
            let (body, content) = match content[0] {
                PLAIN => (Body::Array, &content[1..]),
                _ => (Body::Run, content),
            };
            let mut new = bytes::header(body, count, content.len()).to_vec();
            if count > 0 {
                new.extend_from_slice(content);
            }
            // The outermost container of a document is in none.
            self.change(&outer, head..inline.end, &new, 0);
        } else {
            let all = 0..self.buffer(site.holder).len();
            let added = count as isize - self.part(site).count as isize;
            self.change(site, all, content, added);
        }
    }
}

pub(super) fn chunks_part(store: &Store, node: u32, chunk: usize) -> Part<'_> {
    let is_object = store.node(node).is_object();
    store.chunks(node).part(is_object, chunk)
}
