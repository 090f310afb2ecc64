//! A value in the making: events become tokens, and tokens bytes, from the last to the first.
//!
//!     parser, CBOR reader, copies --events--> tokens --> bytes
//!                                               `------> chunks of nodes, when many are waiting
//!
//! Written from the end, a container's length is known when its head is due, and a name's number
//! when all its uses are. Tokens wait until the document is whole; if values in a container that
//! is still open exceed a chunk they become one, so that few wait however large the text is. A
//! container that is closed and exceeds half a chunk becomes a node.
//!
//! Invariants
//!   1. A frame's waiting children are the tokens after its own, up to the next open frame's.
//!   2. `owner` of a name is the open object that has a waiting member with it, the innermost.
//!   3. Members in chunks already are in the index of their node.
//!
//! Cost: a token for each value, 16 bytes; a name costs one hash. Buffers are kept for the next
//! draft of the thread.

use super::bytes::{self, Body, Compound};
use super::names::{self, FLAT_MAX, FlatNames, Name, hash_of};
use super::number::Fpha;
use super::run::Run;
use super::store::{Chunks, Node, PLAIN, Part, Store, chunk_bytes, value_nodes};
use super::text::is_clean;
use super::value::{Context, Value};
use crate::view::Number;
use russet_encodings::buffer::Buffer;
use smallvec::SmallVec;
use std::cell::Cell;
use std::ops::Range;

/// Buffers up to this many bytes are kept for the next draft.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A number is out of the range of the type of its array.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfRange;

/// Where a text is.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Source,
    Texts,
    Names,
}

/// A text.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: u32,
    len: u32,
    origin: Origin,
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Null,
    Bool(bool),
    Number(Number),
    Text {
        span: Span,
        is_clean: bool,
    },
    Node(Compound, u32),
    /// A name among the draft's.
    Name(u32),
    /// A name that the store shares.
    Shared(u16),
    /// Tokens up to the end, that included.
    Begin(u32),
    End {
        is_object: bool,
        fpha: Option<Fpha>,
        /// Whether all children are numbers.
        numbers: bool,
        count: u32,
    },
}

/// A name that the draft met.
#[derive(Debug)]
struct Known {
    span: Span,
    hash: u32,
    is_clean: bool,
    /// Uses so far.
    count: u32,
    owner: u32,
    shared: Option<u16>,
}

/// The member that a later one of the same name replaces.
#[derive(Clone, Copy, Debug)]
enum Replaced {
    /// The token of its name.
    Waiting(usize),
    /// Its ordinal.
    Chunked(usize),
}

/// A container that is open.
#[derive(Debug)]
struct Frame {
    is_object: bool,
    /// The token after its own.
    start: usize,
    /// Waiting children, how many are numbers, and whether one of those is a float.
    count: usize,
    numbers: usize,
    has_float: bool,
    /// Whether all chunked children are numbers, and whether one is a float.
    chunked: (bool, bool),
    /// About the bytes of the waiting children.
    weight: usize,
    /// Of an object: its number, and where its names begin in `undo`.
    serial: u32,
    undo: usize,
    /// Where its strings begin in `texts`.
    texts: usize,
    node: Option<u32>,
    replaced: Option<(Replaced, usize)>,
}

/// Bytes written from the last to the first.
#[derive(Default)]
struct Back {
    bytes: Vec<u8>,
    at: usize,
}

impl Back {
    fn clear(&mut self) {
        self.at = self.bytes.len();
    }

    #[inline]
    fn push(&mut self, part: &[u8]) {
        if part.len() > self.at {
            self.grow(part.len());
        }
        let start = self.at - part.len();
        self.bytes[start..self.at].copy_from_slice(part);
        self.at = start;
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let written = self.bytes.len() - self.at;
        let size = (2 * self.bytes.len()).max(written + needed).max(1024);
        let mut larger = vec![0; size];
        larger[size - written..].copy_from_slice(&self.bytes[self.at..]);
        self.at = size - written;
        self.bytes = larger;
    }

    fn written(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.at
    }
}

/// What a draft works with.
#[derive(Default)]
struct Work {
    /// Strings of waiting tokens that are not in the source, and names.
    texts: Vec<u8>,
    names: Vec<u8>,
    tokens: Vec<Token>,
    frames: Vec<Frame>,
    known: Vec<Known>,
    /// Numbers of known names, plus one, by hash.
    slots: Vec<u32>,
    /// Names of waiting members, and their owners before.
    undo: Vec<(u32, u32)>,
    back: Back,
}

impl Work {
    fn clear(&mut self) {
        self.texts.clear();
        self.names.clear();
        self.tokens.clear();
        self.frames.clear();
        self.known.clear();
        self.slots.clear();
        self.slots.resize(64, 0);
        self.undo.clear();
        self.back.clear();
    }

    #[inline]
    fn text<'a>(&'a self, source: &'a [u8], span: Span) -> &'a [u8] {
        text_of((source, &self.texts, &self.names), span)
    }

    fn bytes(&self) -> usize {
        let tokens = self.tokens.capacity() * size_of::<Token>();
        let known = self.known.capacity() * size_of::<Known>();
        let texts = self.texts.capacity() + self.names.capacity();
        tokens + known + texts + self.slots.capacity() * 4 + self.back.bytes.len()
    }
}

#[inline]
fn text_of<'a>((source, texts, names): (&'a [u8], &'a [u8], &'a [u8]), span: Span) -> &'a [u8] {
    let from = match span.origin {
        Origin::Source => source,
        Origin::Texts => texts,
        Origin::Names => names,
    };
    &from[span.at as usize..][..span.len as usize]
}

thread_local! {
    static WORK: Cell<Option<Box<Work>>> = const { Cell::new(None) };
}

/// See the module.
pub(super) struct Draft<'t, 's> {
    source: &'t [u8],
    /// Shared names of the small document that the bytes are for.
    flat: FlatNames<'t>,
    store: &'s mut Store,
    /// Whether large values become nodes.
    splits: bool,
    /// Bytes of a chunk.
    limit: usize,
    serial: u32,
    depth: usize,
    work: Box<Work>,
}

/// The values that a draft was made of.
pub(super) struct Made {
    pub bytes: Vec<u8>,
    pub count: usize,
    /// The numbers, if all are.
    pub numbers: Option<Vec<Number>>,
    /// Levels of containers.
    pub depth: usize,
    /// Nodes that the values refer to.
    pub nodes: Vec<u32>,
}

impl Made {
    /// A value without children.
    pub fn scalar(bytes: &[u8]) -> Made {
        Made {
            bytes: bytes.to_vec(),
            count: 1,
            numbers: None,
            depth: 0,
            nodes: Vec::new(),
        }
    }
}

/// Makes values, of which the bytes refer to these shared names and to nodes in `store`.
pub(super) fn draft<'t, R>(
    source: &'t [u8],
    flat: FlatNames<'t>,
    store: &mut Store,
    splits: bool,
    run: impl FnOnce(&mut Draft<'t, '_>) -> R,
) -> R {
    let mut work = WORK.take().unwrap_or_default();
    work.clear();
    let mut draft = Draft {
        source,
        flat,
        store,
        splits,
        limit: chunk_bytes(),
        serial: 0,
        depth: 0,
        work,
    };
    draft.open(false);
    let result = run(&mut draft);
    if draft.work.bytes() <= KEPT_BYTES_MAX {
        WORK.set(Some(draft.work));
    }
    result
}

impl<'t> Draft<'t, '_> {
    /// A text that may be a part of the source, which needs no copy.
    #[inline]
    fn span(&mut self, text: &[u8], is_name: bool) -> Span {
        let (source, len) = (self.source, text.len() as u32);
        let at = text.as_ptr().addr().wrapping_sub(source.as_ptr().addr());
        if at <= source.len() && text.len() <= source.len() - at {
            return Span {
                at: at as u32,
                len,
                origin: Origin::Source,
            };
        }
        let (to, origin) = if is_name {
            (&mut self.work.names, Origin::Names)
        } else {
            (&mut self.work.texts, Origin::Texts)
        };
        let at = to.len() as u32;
        to.extend_from_slice(text);
        Span { at, len, origin }
    }

    #[inline]
    fn push(&mut self, token: Token, weight: usize) {
        self.work.tokens.push(token);
        self.done(weight, false);
    }

    pub fn null(&mut self) {
        self.push(Token::Null, 1);
    }

    pub fn bool(&mut self, value: bool) {
        self.push(Token::Bool(value), 1);
    }

    #[inline]
    pub fn number(&mut self, number: Number) {
        let weight = match number {
            Number::Signed(0..=63) => 1,
            Number::Signed(-32768..=32767) => 3,
            Number::Signed(_) | Number::Float(_) => 5,
            Number::Unsigned(_) => 9,
        };
        if matches!(number, Number::Float(_)) {
            self.frame().has_float = true;
        }
        self.work.tokens.push(Token::Number(number));
        self.done(weight, true);
    }

    /// A string; `is_clean`: text escapes none of it.
    #[inline]
    pub fn text(&mut self, text: &[u8], is_clean: bool) {
        if self.splits && text.len() > self.limit / 2 {
            let node = self.store.add(Node::Text(text.to_vec(), is_clean));
            return self.push(Token::Node(Compound::String, node), bytes::NODE_BYTES);
        }
        let span = self.span(text, false);
        self.push(Token::Text { span, is_clean }, text.len() + 2);
    }

    #[inline]
    fn frame(&mut self) -> &mut Frame {
        self.work
            .frames
            .last_mut()
            .expect("the outermost frame stays")
    }

    fn open(&mut self, is_object: bool) {
        self.serial += 1;
        self.work.frames.push(Frame {
            is_object,
            start: self.work.tokens.len(),
            count: 0,
            numbers: 0,
            has_float: false,
            chunked: (true, false),
            weight: 0,
            serial: self.serial,
            undo: self.work.undo.len(),
            texts: self.work.texts.len(),
            node: None,
            replaced: None,
        });
        self.depth = self.depth.max(self.work.frames.len() - 1);
    }

    /// Containers that are open.
    pub fn level(&self) -> usize {
        self.work.frames.len() - 1
    }

    /// An array, or an object: its children follow, and [`Draft::end`].
    #[inline]
    pub fn begin(&mut self, is_object: bool) {
        self.work.tokens.push(Token::Begin(0));
        self.open(is_object);
    }

    /// The name of the member whose value follows.
    #[inline]
    pub fn name(&mut self, text: &[u8], is_clean: bool) {
        let number = self.known(text, is_clean);
        let work = &mut *self.work;
        let known = &mut work.known[number as usize];
        let frame = work.frames.last_mut().expect("the outermost frame stays");
        if known.owner == frame.serial || frame.node.is_some() {
            return self.name_again(number);
        }
        known.count += 1;
        frame.weight += if known.count > 1 { 1 } else { text.len() + 1 };
        work.undo.push((number, known.owner));
        known.owner = frame.serial;
        work.tokens.push(Token::Name(number));
    }

    /// As [`Draft::name`], if the open object may have a member of that name.
    fn name_again(&mut self, number: u32) {
        let value = self.work.tokens.len();
        let known = &self.work.known[number as usize];
        let frame = self.work.frames.last().expect("the outermost frame stays");
        let replaced = if known.owner == frame.serial {
            let mut at = frame.start;
            let tokens = &self.work.tokens;
            while !matches!(tokens[at], Token::Name(found) if found == number) {
                at = skip(tokens, at + 1);
            }
            Some(Replaced::Waiting(at))
        } else {
            let text = self.work.text(self.source, known.span);
            let found = frame
                .node
                .and_then(|node| self.store.find_member(node, text));
            found.map(|(_, _, ordinal)| Replaced::Chunked(ordinal))
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

    /// The number of a name among the draft's.
    #[inline]
    fn known(&mut self, text: &[u8], is_clean: bool) -> u32 {
        let hash = hash_of(text);
        let work = &mut *self.work;
        let mask = work.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(number) = work.slots[slot].checked_sub(1) {
            let known = &work.known[number as usize];
            if known.hash == hash && work.text(self.source, known.span) == text {
                return number;
            }
            slot = (slot + 1) & mask;
        }
        let shared = if is_clean {
            let flat = self.flat.find(text);
            flat.or_else(|| self.store.names.find(text))
        } else {
            None
        };
        let span = self.span(text, true);
        let work = &mut *self.work;
        work.known.push(Known {
            span,
            hash,
            is_clean,
            count: 0,
            owner: 0,
            shared,
        });
        let number = work.known.len() as u32;
        work.slots[slot] = number;
        if work.known.len() * 2 > work.slots.len() {
            self.index_names(2 * self.work.slots.len());
        }
        number - 1
    }

    fn index_names(&mut self, size: usize) {
        let work = &mut *self.work;
        work.slots.clear();
        work.slots.resize(size, 0);
        for (number, known) in work.known.iter().enumerate() {
            let mut slot = known.hash as usize & (size - 1);
            while work.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            work.slots[slot] = number as u32 + 1;
        }
    }

    /// A value of the innermost open container is whole.
    #[inline]
    fn done(&mut self, weight: usize, is_number: bool) {
        let limit = self.limit;
        let is_inner = self.work.frames.len() > 1;
        let frame = self.frame();
        frame.count += 1;
        frame.numbers += usize::from(is_number);
        frame.weight += weight;
        if frame.replaced.is_some() {
            self.replace();
        } else if frame.weight > limit && is_inner && self.splits {
            self.chunk(false);
        }
    }

    /// Puts the value that was just made in the place of an earlier member's.
    #[cold]
    fn replace(&mut self) {
        let frame = self.frame();
        frame.count -= 1;
        let node = frame.node;
        let Some((replaced, value)) = frame.replaced.take() else {
            return;
        };
        match replaced {
            Replaced::Waiting(name) => {
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
            Replaced::Chunked(ordinal) => {
                self.share_names(value);
                self.write(value);
                self.work.tokens.truncate(value);
                let node = node.expect("it has chunks");
                replace_in_chunk(self.store, node, ordinal, self.work.back.written());
            }
        }
    }

    /// The open container ends. An array of numbers becomes one of the type, if there is one and a
    /// number is a float.
    pub fn end(&mut self, fpha: Option<Fpha>) -> Result<(), OutOfRange> {
        let frame = self.work.frames.last().expect("a container is open");
        let is_object = frame.is_object;
        let all = frame.chunked.0 && frame.numbers == frame.count;
        let any = frame.chunked.1 || frame.has_float;
        let fpha = fpha.filter(|_| !is_object && all && any);
        if let Some(fpha) = fpha {
            let start = self.work.frames.last().expect("a container is open").start;
            for token in &mut self.work.tokens[start..] {
                if let Token::Number(number) = token {
                    let rounded = fpha.round(number.as_f64()).ok_or(OutOfRange)?;
                    *number = Number::Float(rounded);
                }
            }
        }
        // The outermost value may fill a chunk: a document is small as long as it can be.
        let max = if self.work.frames.len() == 2 {
            self.limit
        } else {
            self.limit / 2
        };
        if frame_is_large(self.work.frames.last(), max) && self.splits {
            self.measure(max, fpha);
        }
        let frame = self.work.frames.last().expect("a container is open");
        if let Some(node) = frame.node {
            if frame.count > 0 {
                self.chunk_typed(true, fpha);
            }
            if let Some(fpha) = fpha {
                type_chunks(self.store, node, fpha)?;
            }
            let frame = self.close();
            self.work.tokens.truncate(frame.start - 1);
            self.work.texts.truncate(frame.texts);
            let kind = self.store.node(node).compound();
            self.push(Token::Node(kind, node), bytes::NODE_BYTES);
            return Ok(());
        }
        let frame = self.close();
        let tokens = &mut self.work.tokens;
        let span = (tokens.len() - frame.start + 2) as u32;
        tokens[frame.start - 1] = Token::Begin(span);
        tokens.push(Token::End {
            is_object,
            fpha: fpha.filter(|fpha| Run::typed(*fpha).is_some()),
            numbers: frame.numbers == frame.count,
            count: frame.count as u32,
        });
        self.done(frame.weight + 3, false);
        Ok(())
    }

    /// Removes the innermost frame.
    #[inline]
    fn close(&mut self) -> Frame {
        let frame = self.work.frames.pop().expect("a container is open");
        self.disown(frame.undo);
        frame
    }

    /// Gives names of waiting members back to their owners before.
    #[inline]
    fn disown(&mut self, down_to: usize) {
        let work = &mut *self.work;
        for (name, owner) in work.undo.drain(down_to..).rev() {
            work.known[name as usize].owner = owner;
        }
    }

    /// The open container seems too large to be inline: makes it a node unless it is not.
    #[cold]
    fn measure(&mut self, max: usize, fpha: Option<Fpha>) {
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
    fn chunk(&mut self, always: bool) {
        self.chunk_typed(always, None);
    }

    /// Makes a chunk of the innermost frame's waiting children, if it is large enough.
    fn chunk_typed(&mut self, always: bool, fpha: Option<Fpha>) {
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
                chunks.index.insert(*hash, (chunks.len + number) as u32);
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
        let mut old: Vec<Option<Known>> = work.known.drain(..).map(Some).collect();
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

    /// Shares the names among the tokens from a place on for which it pays.
    fn share_names(&mut self, from: usize) {
        let work = &mut *self.work;
        let origins = (self.source, &work.texts[..], &work.names[..]);
        for token in &work.tokens[from..] {
            let Token::Name(name) = token else { continue };
            let known = &mut work.known[*name as usize];
            let len = known.span.len as usize;
            if known.shared.is_none() && known.is_clean && names::pays(len, known.count) {
                let text = text_of(origins, known.span);
                known.shared = self.store.names.add(text);
            }
        }
    }

    /// Writes the tokens from a place on.
    fn write(&mut self, from: usize) {
        let work = &mut *self.work;
        let origins = (self.source, &work.texts[..], &work.names[..]);
        work.back.clear();
        let mut open = SmallVec::<[(usize, bool, u32); 16]>::new();
        let mut at = work.tokens.len();
        while at > from {
            at -= 1;
            match work.tokens[at] {
                Token::Null => work.back.push(&[bytes::NULL]),
                Token::Bool(value) => work.back.push(&[bytes::FALSE + u8::from(value)]),
                Token::Number(number) => work.back.push(&bytes::number(number)),
                Token::Text { span, is_clean } => {
                    let text = text_of(origins, span);
                    work.back.push(text);
                    work.back.push(&bytes::text_head(text.len(), is_clean));
                }
                Token::Node(kind, node) => work.back.push(&bytes::node(kind, node)),
                Token::Shared(number) => work.back.push(&names::shared(number)),
                Token::Name(name) => {
                    let known = &work.known[name as usize];
                    if let Some(number) = known.shared {
                        work.back.push(&names::shared(number));
                    } else {
                        let text = text_of(origins, known.span);
                        work.back.push(text);
                        work.back
                            .push(&names::text_head(text.len(), known.is_clean));
                    }
                }
                Token::End {
                    is_object,
                    fpha,
                    numbers,
                    count,
                } => {
                    if numbers && !is_object && count > 0 {
                        let start = at - count as usize;
                        let tokens = &work.tokens[start..at];
                        let end = work.back.len();
                        if let Some(run) = write_run(&mut work.back, tokens, fpha) {
                            work.back.push(&[run.byte()]);
                            let len = work.back.len() - end;
                            work.back
                                .push(&bytes::header(Body::Run, count as usize, len));
                            // The run's first token follows its beginning.
                            at = start - 1;
                            continue;
                        }
                    }
                    open.push((work.back.len(), is_object, count));
                }
                Token::Begin(_) => {
                    let (end, is_object, count) = open.pop().expect("its end came before");
                    let body = if is_object { Body::Object } else { Body::Array };
                    let len = work.back.len() - end;
                    work.back.push(&bytes::header(body, count as usize, len));
                }
            }
        }
    }

    /// Writes tokens that are all numbers, as an array's chunk.
    fn write_numbers(&mut self, from: usize, fpha: Option<Fpha>) {
        let work = &mut *self.work;
        work.back.clear();
        if let Some(run) = write_run(&mut work.back, &work.tokens[from..], fpha) {
            work.back.push(&[run.byte()]);
        } else {
            self.write(from);
            self.work.back.push(&[PLAIN]);
        }
    }

    /// The small document that the single value is, if it is one: its table of names, and the
    /// value.
    pub fn flat_document(&mut self) -> Option<Buffer> {
        if !self.store.is_empty() {
            return None;
        }
        let work = &mut *self.work;
        let mut shared = 0;
        let mut table = Vec::new();
        for known in &mut work.known {
            let pays = known.is_clean && names::pays(known.span.len as usize, known.count);
            let shares = pays && shared < FLAT_MAX;
            known.shared = shares.then_some(shared as u16);
            shared += usize::from(shares);
        }
        let texts = work.known.iter().filter(|known| known.shared.is_some());
        let texts = texts.map(|known| work.text(self.source, known.span));
        FlatNames::write(texts, &mut table);
        self.write(0);
        Some(Buffer::concat(&[&table, self.work.back.written()]))
    }

    /// The bytes of the values outside of any container.
    pub fn finish(&mut self) -> Made {
        if self.splits {
            self.share_names(0);
        }
        self.write(0);
        let frame = self.work.frames.last().expect("the outermost frame stays");
        let numbers = self.work.tokens.iter().map(|token| match token {
            Token::Number(number) => Some(*number),
            _ => None,
        });
        let nodes = self.work.tokens.iter().filter_map(|token| match token {
            Token::Node(_, node) => Some(*node),
            _ => None,
        });
        Made {
            bytes: self.work.back.written().to_vec(),
            count: frame.count,
            numbers: numbers.collect(),
            depth: self.depth,
            nodes: nodes.collect(),
        }
    }

    /// A value of any document.
    pub fn copy(&mut self, value: Value<'_>) {
        let Some(bytes) = value.bytes() else {
            if let bytes::Item::Number(number) = value.item() {
                self.number(number);
            }
            return;
        };
        match bytes::item(bytes, 0) {
            bytes::Item::Null => self.null(),
            bytes::Item::Bool(value) => self.bool(value),
            bytes::Item::Number(number) => self.number(number),
            bytes::Item::Text(_) | bytes::Item::Node(Compound::String, _) => {
                let (text, is_clean) = value.raw_text().expect("a string");
                self.text(text, is_clean);
            }
            bytes::Item::Inline(_) | bytes::Item::Node(..) => {
                let mut parts = value.parts().peekable();
                let is_object = matches!(crate::view::View::kind(value), crate::view::Kind::Object);
                self.begin(is_object);
                let fpha = value.fpha();
                for part in parts.by_ref() {
                    self.copy_part(value.context(), part);
                }
                self.end(fpha).unwrap_or_else(|OutOfRange| {
                    unreachable!("numbers of a type are in its range")
                });
            }
        }
    }

    fn copy_part(&mut self, context: Context<'_>, part: Part<'_>) {
        let mut at = part.start;
        while at < part.bytes.len() {
            match part.body {
                Body::Run => self.number(part.run.read(part.bytes, at)),
                Body::Array => self.copy(Value::new(context, &part.bytes[at..])),
                Body::Object => {
                    let (name, value) = names::name(part.bytes, at);
                    let text = context.name_text(name);
                    self.name(text, !matches!(name, Name::Text(_, false)));
                    self.copy(Value::new(context, &part.bytes[value..]));
                }
            }
            at = part.end(at);
        }
    }

    /// Children of a container whose bytes are in the same document already: references to its
    /// nodes and names stay.
    pub fn keep_part(&mut self, part: Part<'_>) {
        let mut at = part.start;
        while at < part.bytes.len() {
            match part.body {
                Body::Run => {
                    self.number(part.run.read(part.bytes, at));
                    at += part.run.width();
                    continue;
                }
                Body::Array => {}
                Body::Object => {
                    let (name, value) = names::name(part.bytes, at);
                    match name {
                        Name::Text(text, is_clean) => self.name(text, is_clean),
                        Name::Shared(number) => {
                            self.work.tokens.push(Token::Shared(number));
                            self.frame().weight += 2;
                        }
                    }
                    at = value;
                }
            }
            at = self.keep(part.bytes, at);
        }
    }

    /// As [`Draft::keep_part`], for a value; returns where it ends.
    pub fn keep(&mut self, buffer: &[u8], at: usize) -> usize {
        match bytes::item(buffer, at) {
            bytes::Item::Null => self.null(),
            bytes::Item::Bool(value) => self.bool(value),
            bytes::Item::Number(number) => self.number(number),
            bytes::Item::Text(text) => self.text(text, !bytes::is_dirty(buffer[at])),
            bytes::Item::Node(kind, node) => self.push(Token::Node(kind, node), bytes::NODE_BYTES),
            bytes::Item::Inline(_) => {
                let part = Part::inline(buffer, at).expect("an inline container");
                self.begin(part.body == Body::Object);
                self.keep_part(part);
                let fpha = part.run.fpha().filter(|_| part.body == Body::Run);
                self.end(fpha).unwrap_or_else(|OutOfRange| {
                    unreachable!("numbers of a type are in its range")
                });
            }
        }
        bytes::skip(buffer, at)
    }

    /// Splits a container's part into chunks of about `limit` bytes.
    pub fn split(&mut self, part: Part<'_>, limit: usize) -> Chunks {
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

fn frame_is_large(frame: Option<&Frame>, max: usize) -> bool {
    frame.is_some_and(|frame| frame.weight > max && frame.count > 0)
}

/// The token after the value that begins at a place.
#[inline]
fn skip(tokens: &[Token], at: usize) -> usize {
    match tokens[at] {
        Token::Begin(span) => at + span as usize,
        _ => at + 1,
    }
}

/// Writes numbers as a run, without its type, if one has them all and is shorter.
fn write_run(back: &mut Back, tokens: &[Token], fpha: Option<Fpha>) -> Option<Run> {
    let numbers = tokens.iter().map(|token| match token {
        Token::Number(number) => *number,
        _ => unreachable!("all tokens are numbers"),
    });
    let typed = fpha.and_then(Run::typed);
    let run = typed.or_else(|| Run::shorter(numbers.clone()))?;
    for number in numbers.rev() {
        let bytes = run.bytes(number).expect("the type has all of them");
        back.push(&bytes[..run.width()]);
    }
    Some(run)
}

/// Rounds all chunks of an array of numbers to a type that was asked for.
fn type_chunks(store: &mut Store, node: u32, fpha: Fpha) -> Result<(), OutOfRange> {
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

/// The bytes of a chunk of numbers, all of which are of the type that was asked for.
pub(super) fn numbers_chunk(numbers: &[Number], fpha: Option<Fpha>) -> Vec<u8> {
    let typed = fpha.and_then(Run::typed);
    let Some(run) = typed.or_else(|| Run::shorter(numbers.iter().copied())) else {
        let mut new = vec![PLAIN];
        numbers
            .iter()
            .for_each(|number| new.extend_from_slice(&bytes::number(*number)));
        return new;
    };
    let mut new = vec![run.byte()];
    for number in numbers {
        let bytes = run.bytes(*number).expect("the type has all of them");
        new.extend_from_slice(&bytes[..run.width()]);
    }
    new
}

/// The numbers of a part that has only such.
pub(super) fn numbers_of(part: Part<'_>) -> impl Iterator<Item = Number> + Clone {
    let mut at = part.start;
    (0..part.count).map(move |_| {
        let number = match part.body {
            Body::Run => part.run.read(part.bytes, at),
            Body::Array | Body::Object => match bytes::item(part.bytes, at) {
                bytes::Item::Number(number) => number,
                _ => unreachable!("only numbers"),
            },
        };
        at = part.end(at);
        number
    })
}

/// Replaces a child's value in a chunk, whose old nodes are freed.
pub(super) fn replace_in_chunk(store: &mut Store, node: u32, ordinal: usize, new: &[u8]) {
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

/// Whether a text has nothing to escape: for sources that do not know.
pub(super) fn clean(text: &str) -> (&[u8], bool) {
    (text.as_bytes(), is_clean(text.as_bytes()))
}
