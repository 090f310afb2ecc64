//! After an edit: splits, joins or removes the changed chunk, and makes the document large or
//! small, by their sizes.

use super::SHARED_ANEW_BYTES;
use super::site::Holder;
use crate::document::draft::draft;
use crate::document::names::FlatNames;
use crate::document::store::{Chunks, Part, Store, chunk_bytes};
use crate::document::{Document, Form};
use russet_encodings::buffer::Buffer;
use std::sync::Arc;

impl Document {
    /// Splits, joins or removes a changed buffer by its size; `before`: the bytes that it had, if
    /// it may have grown.
    pub(super) fn settle(&mut self, holder: Holder, before: usize) {
        let limit = chunk_bytes();
        let len = self.buffer(holder).len();
        match (&mut self.0, holder) {
            (Form::Flat(buffer), _) => {
                let doubled =
                    before > 0 && len >= SHARED_ANEW_BYTES && len.ilog2() > before.ilog2();
                if len - FlatNames::of(buffer).1 > limit || doubled {
                    *self = Document::copy_of(self.root());
                }
                return;
            }
            (Form::Tree(tree), Holder::Root) => {
                if len > limit {
                    let tree = Arc::make_mut(tree);
                    let root = std::mem::take(&mut tree.root);
                    let made = draft(&[], FlatNames::NONE, &mut tree.store, true, |draft| {
                        draft.keep(&root, 0);
                        draft.finish()
                    });
                    tree.root = Buffer::new(&made.bytes);
                }
            }
            (Form::Tree(tree), Holder::Chunk(node, chunk)) => {
                let tree = Arc::make_mut(tree);
                if tree.store.chunks(node).counts[chunk] == 0 {
                    let none = Default::default();
                    let remove = |chunks: &mut Chunks| {
                        chunks.replace(chunk..chunk + 1, none);
                    };
                    tree.store.edit_chunks(node, remove);
                } else if len > limit {
                    split(&mut tree.store, node, chunk);
                } else if len < limit / 4 {
                    join(&mut tree.store, node, chunk);
                }
            }
        }
        self.settle_size();
    }

    /// Turns a large document that has become small into a small document.
    pub(super) fn settle_size(&mut self) {
        if let Form::Tree(_) = self.0
            && self.len() < chunk_bytes() / 2
        {
            *self = Document::copy_of(self.root());
        }
    }
}

/// Splits a chunk: the last chunk of a node at its end, so that appending fills chunks.
fn split(store: &mut Store, node: u32, chunk: usize) {
    let is_object = store.node(node).is_object();
    let chunks = store.chunks(node);
    let (count, is_last) = (
        chunks.counts[chunk] as usize,
        chunk + 1 == chunks.buffers.len(),
    );
    let buffer = chunks.buffers[chunk].to_vec();
    let limit = if is_last {
        chunk_bytes()
    } else {
        buffer.len() / 2 + 1
    };
    let new = draft(&[], FlatNames::NONE, store, true, |draft| {
        draft.split(Part::chunk(is_object, &buffer, count), limit)
    });
    store.edit_chunks(node, |chunks| chunks.replace(chunk..chunk + 1, new));
}

/// Joins a chunk to a neighbour of the same form, if both are small.
fn join(store: &mut Store, node: u32, chunk: usize) {
    let is_object = store.node(node).is_object();
    let chunks = store.chunks(node);
    let lens = |chunk: usize| chunks.buffers.get(chunk).map(|buffer| buffer.len());
    let fits = |first: usize| {
        let both = lens(first)? + lens(first + 1)?;
        let same = is_object || chunks.buffers[first][0] == chunks.buffers[first + 1][0];
        (same && both <= chunk_bytes() / 2).then_some(first)
    };
    let Some(first) = fits(chunk).or_else(|| fits(chunk.checked_sub(1)?)) else {
        return;
    };
    let more = chunks.buffers[first + 1][usize::from(!is_object)..].to_vec();
    let count = chunks.counts[first + 1];
    store.edit_chunks(node, |chunks| {
        let end = chunks.buffers[first].len();
        chunks.splice(first, end..end, &more);
        chunks.replace(first + 1..first + 2, Default::default());
        chunks.counts[first] += count;
        chunks.len += count as usize;
    });
}
