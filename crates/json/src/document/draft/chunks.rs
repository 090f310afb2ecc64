//! Waiting values become chunks of nodes: when they are many, and when a container is large.
//!
//! A member whose name an earlier member has replaces the value of that member, in the tokens or in
//! a chunk.

use super::work::{DraftName, Origin, Token, skip};
use super::{Draft, OutOfRange, ReplacedMember, numbers_chunk, numbers_of};
use crate::document::bytes::Body;
use crate::document::names::hash_of;
use crate::document::number::Fpha;
use crate::document::store::{Chunks, Node, PLAIN, Part, Store, value_nodes};
use crate::view::Number;
use russet_base::threads::cancel;
use russet_encodings::buffer::Buffer;
use smallvec::SmallVec;
use std::ops::Range;

impl Draft<'_, '_> {
    /// As [`Draft::name`], if the open object may have a member of that name.
    pub(super) fn name_again(&mut self, number: u32) {
        let value = self.work.tokens.len();
        let known = &self.work.known[number as usize];
        let frame = self.work.frames.last().expect("the outermost frame stays");
        let replaced = if known.owner == frame.serial {
            let mut at = frame.start;
            let tokens = &self.work.tokens;
            while !matches!(tokens[at], Token::Name(found) if found == number) {
                at = skip(tokens, at + 1);
            }
            Some(ReplacedMember::Waiting(at))
        } else {
            let text = self.work.text(self.source, known.span);
            let found = frame
                .node
                .and_then(|node| self.store.find_member(node, text));
            found.map(|(_, _, ordinal)| ReplacedMember::Chunked(ordinal))
        };
        let work = &mut *self.work;
        let known = &mut work.known[number as usize];
        let frame = work.frames.last_mut().expect("the outermost frame stays");
        frame.replaced = replaced.map(|replaced| (replaced, value));
        if replaced.is_none() {
            known.count += 1;
            frame.weight += known.span.len as usize + 1;
            work.undo.push((number, known.owner));
            known.owner = frame.serial;
            work.tokens.push(Token::Name(number));
        }
    }

    /// Puts the value that was just made in the place of an earlier member's.
    #[cold]
    pub(super) fn replace(&mut self) {
        let frame = self.frame();
        frame.count -= 1;
        let node = frame.node;
        let Some((replaced, value)) = frame.replaced.take() else {
            return;
        };
        match replaced {
            ReplacedMember::Waiting(name) => {
                let old = name + 1..skip(&self.work.tokens, name + 1);
                let gone = self.work.tokens[old.clone()].iter();
                let gone = gone.filter_map(|token| match token {
                    Token::Node(_, node) => Some(*node),
                    _ => None,
                });
                self.store.release(gone.collect());
                let new: Vec<Token> = self.work.tokens.drain(value..).collect();
                self.work.tokens.splice(old, new);
            }
            ReplacedMember::Chunked(ordinal) => {
                self.share_names(value);
                self.write(value);
                self.work.tokens.truncate(value);
                let node = node.expect("it has chunks");
                replace_in_chunk(self.store, node, ordinal, self.work.back.written());
            }
        }
    }

    /// The open container seems too large to be inline: makes it a node if it really is.
    #[cold]
    pub(super) fn measure(&mut self, max: usize, fpha: Option<Fpha>) {
        let frame = self.work.frames.last().expect("a container is open");
        if frame.node.is_none() {
            let numbers = !frame.is_object && frame.numbers == frame.count;
            let start = frame.start;
            if numbers {
                self.write_numbers(start, fpha);
            } else {
                self.write(start);
            }
            let len = self.work.back.len();
            if len <= max {
                self.frame().weight = len;
                return;
            }
        }
        self.chunk_typed(true, fpha);
    }

    #[cold]
    pub(super) fn chunk(&mut self, always: bool) {
        self.chunk_typed(always, None);
    }

    /// Makes a chunk of the innermost frame's waiting children, if it is large enough.
    pub(super) fn chunk_typed(&mut self, always: bool, fpha: Option<Fpha>) {
        let frame = self.work.frames.last().expect("a container is open");
        let (start, count, is_object) = (frame.start, frame.count, frame.is_object);
        let (numbers, has_float) = (frame.numbers == frame.count, frame.has_float);
        self.share_names(start);
        if numbers && !is_object {
            self.write_numbers(start, fpha);
        } else {
            self.write(start);
            if !is_object {
                self.work.back.push(&[PLAIN]);
            }
        }
        if !always && self.work.back.len() < self.limit / 2 {
            let len = self.work.back.len();
            self.frame().weight = len;
            return;
        }
        self.is_cancelled = cancel::is_cancelled();
        let buffer = Buffer::new(self.work.back.written());
        let node = self.frame().node;
        let node = node.unwrap_or_else(|| {
            self.store.add(if is_object {
                Node::Object(Chunks::default())
            } else {
                Node::Array(Chunks::default())
            })
        });
        let mut hashes = SmallVec::<[u32; 64]>::new();
        if is_object {
            let (tokens, mut at) = (&self.work.tokens, start);
            while at < tokens.len() {
                hashes.push(match tokens[at] {
                    Token::Name(name) => self.work.known[name as usize].hash,
                    Token::Shared(number) => hash_of(self.store.names.text(number)),
                    _ => unreachable!("a member begins with its name"),
                });
                at = skip(tokens, at + 1);
            }
        }
        self.store.edit_chunks(node, |chunks| {
            for (number, hash) in hashes.iter().enumerate() {
                let ordinal = (chunks.len + number) as u32;
                chunks.index_mut().insert(*hash, ordinal);
            }
            chunks.push(buffer, count);
        });
        let (undo, texts) = (self.frame().undo, self.frame().texts);
        self.work.tokens.truncate(start);
        self.work.texts.truncate(texts);
        self.disown(undo);
        let frame = self.frame();
        frame.node = Some(node);
        frame.chunked = (frame.chunked.0 && numbers, frame.chunked.1 || has_float);
        (frame.count, frame.numbers, frame.weight, frame.has_float) = (0, 0, 0, false);
        if self.work.known.len() > 4096 {
            self.forget_names();
        }
    }

    /// Keeps only the names that waiting members have.
    fn forget_names(&mut self) {
        let work = &mut *self.work;
        let mut kept = vec![u32::MAX; work.known.len()];
        let mut known = Vec::new();
        let mut names = Vec::new();
        let mut old: Vec<Option<DraftName>> = work.known.drain(..).map(Some).collect();
        for token in &mut work.tokens {
            if let Token::Name(name) = token {
                let number = &mut kept[*name as usize];
                if let Some(mut name) = old[*name as usize].take() {
                    if let Origin::Names = name.span.origin {
                        let at = name.span.at as usize;
                        name.span.at = names.len() as u32;
                        names.extend_from_slice(&work.names[at..][..name.span.len as usize]);
                    }
                    *number = known.len() as u32;
                    known.push(name);
                }
                *name = *number;
            }
        }
        for (name, _) in &mut work.undo {
            *name = kept[*name as usize];
        }
        (work.known, work.names) = (known, names);
        let size = (work.known.len() * 2 + 1).next_power_of_two().max(64);
        self.index_names(size);
    }

    /// Splits a container's part into chunks of about `limit` bytes.
    pub(crate) fn split(&mut self, part: Part<'_>, limit: usize) -> Chunks {
        let fpha = part.run.fpha().filter(|_| part.body == Body::Run);
        self.begin(part.body == Body::Object);
        let old = std::mem::replace(&mut self.limit, limit);
        // Only this container's own chunks are smaller.
        self.keep_part(part);
        self.limit = old;
        if self.frame().count > 0 {
            self.chunk_typed(true, fpha);
        }
        let frame = self.close();
        self.work.tokens.truncate(frame.start - 1);
        let node = frame.node.expect("there was a child");
        if let Some(fpha) = fpha {
            let typed = type_chunks(self.store, node, fpha);
            typed.unwrap_or_else(|OutOfRange| unreachable!("numbers of a type are in its range"));
        }
        match self.store.take(node) {
            Node::Array(chunks) | Node::Object(chunks) => chunks,
            Node::Text(..) | Node::Free => unreachable!("a node of chunks"),
        }
    }
}

/// Rounds all chunks of an array of numbers to a requested type.
pub(super) fn type_chunks(store: &mut Store, node: u32, fpha: Fpha) -> Result<(), OutOfRange> {
    for chunk in 0..store.chunks(node).buffers.len() {
        let part = store.chunks(node).part(false, chunk);
        if part.body == Body::Run && part.run.fpha() == Some(fpha) {
            continue;
        }
        let rounded = numbers_of(part).map(|number| fpha.round(number.as_f64()));
        let rounded: Option<Vec<Number>> = rounded.map(|float| float.map(Number::Float)).collect();
        let new = numbers_chunk(&rounded.ok_or(OutOfRange)?, Some(fpha));
        let all = 0..part.bytes.len();
        store.edit_chunks(node, |chunks| chunks.splice(chunk, all, &new));
    }
    Ok(())
}

/// Replaces a child's value in a chunk, whose old nodes are freed.
fn replace_in_chunk(store: &mut Store, node: u32, ordinal: usize, new: &[u8]) {
    let chunks = store.chunks(node);
    let is_object = store.node(node).is_object();
    let (chunk, rest) = chunks.find(ordinal).expect("an ordinal in the node");
    let part = chunks.part(is_object, chunk);
    let at = part.value(part.nth(rest));
    let mut gone = Vec::new();
    let old: Range<usize> = at..value_nodes(part.bytes, at, &mut |number| gone.push(number));
    store.edit_chunks(node, |chunks| chunks.splice(chunk, old, new));
    store.release(gone);
}
