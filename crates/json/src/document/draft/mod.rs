//! A value in the making: events become tokens, and tokens bytes, from the last to the first.
//!
//!     parser, CBOR reader, copies --events--> tokens --> bytes
//!                                               `------> chunks of nodes, when many are waiting
//!
//! Because the bytes are written from the end, a container's length is known before its head is
//! written, and all uses of a name before its number is given. Tokens wait until the document is
//! whole; if values in a container that is still open exceed a chunk they become a chunk, so that
//! few wait however large the text is. A container that is closed and exceeds half a chunk becomes
//! a node.
//!
//! Invariants
//!   1. A frame's waiting children are the tokens after its own, up to the next open frame's.
//!   2. `owner` of a name is the open object that has a waiting member with it, the innermost.
//!   3. Members in chunks already are in the index of their node.
//!
//! Cost: a token for each value, 16 bytes; a name costs a hash. Buffers are kept for the next draft
//! of the thread.

mod chunks;
mod copy;
mod work;
mod write;

pub(super) use write::{numbers_chunk, numbers_of};

use super::bytes::{self, Compound};
use super::names::{FLAT_MAX, FlatNames, hash_of, pays};
use super::number::Fpha;
use super::run::NumberType;
use super::store::{Node, Store, chunk_bytes};
use super::text::is_clean;
use crate::view::Number;
use chunks::type_chunks;
use russet_encodings::buffer::Buffer;
use smallvec::SmallVec;
use work::{DraftName, KEPT_BYTES_MAX, Origin, Span, Texts, Token, WORK, Work};

/// A number is out of the range of the type of its array.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfRange;

/// The member that a later member of the same name replaces.
#[derive(Clone, Copy, Debug)]
enum ReplacedMember {
    /// The token of the member's name.
    Waiting(usize),
    /// The member's ordinal.
    Chunked(usize),
}

/// A container that is open.
#[derive(Debug)]
struct Frame {
    is_object: bool,
    /// The token after the container's own.
    start: usize,
    /// Waiting children, how many are numbers, and whether any of those is a float.
    count: usize,
    numbers: usize,
    has_float: bool,
    /// Whether all chunked children are numbers, and whether any is a float.
    chunked: (bool, bool),
    /// About the bytes of the waiting children.
    weight: usize,
    /// For an object: the number, and the place in `undo` where the object's names begin.
    serial: u32,
    undo: usize,
    /// Where the container's strings begin in `texts`.
    texts: usize,
    node: Option<u32>,
    replaced: Option<(ReplacedMember, usize)>,
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
    /// Nothing waits for the document any more, as it was when the last chunk was made.
    is_cancelled: bool,
    work: Box<Work>,
}

/// The values that a draft was made of.
pub(super) struct DraftValues {
    pub bytes: Vec<u8>,
    pub count: usize,
    /// The numbers, if all are.
    pub numbers: Option<Vec<Number>>,
    /// Levels of containers.
    pub depth: usize,
    /// Nodes that the values refer to.
    pub nodes: Vec<u32>,
}

impl DraftValues {
    /// A value without children.
    pub fn scalar(bytes: &[u8]) -> DraftValues {
        DraftValues {
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
        is_cancelled: false,
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

    /// A string; `is_clean`: JSON text escapes no byte of it.
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

    /// Whether nothing waits for the document any more.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled
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
        work.known.push(DraftName {
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

    /// The open container ends. An array of numbers becomes an array of the type, if a type is
    /// given and a number is a float.
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
            fpha: fpha.filter(|fpha| NumberType::typed(*fpha).is_some()),
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

    /// The small document that the single value is, if it is a document: its table of names, and
    /// the value.
    pub fn flat_document(&mut self) -> Option<Buffer> {
        if !self.store.is_empty() {
            return None;
        }
        let work = &mut *self.work;
        let texts = Texts {
            source: self.source,
            texts: &work.texts,
            names: &work.names,
        };
        let mut shared = SmallVec::<[&[u8]; 32]>::new();
        for known in &mut work.known {
            let pays = known.is_clean && pays(known.span.len as usize, known.count);
            known.shared = (pays && shared.len() < FLAT_MAX).then(|| {
                shared.push(texts.text(known.span));
                shared.len() as u16 - 1
            });
        }
        let mut table = SmallVec::<[u8; 256]>::new();
        FlatNames::write(&shared, &mut table);
        drop(shared);
        self.write(0);
        Some(Buffer::concat(&[&table, self.work.back.written()]))
    }

    /// The bytes of the values outside of any container.
    pub fn finish(&mut self) -> DraftValues {
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
        DraftValues {
            bytes: self.work.back.written().to_vec(),
            count: frame.count,
            numbers: numbers.collect(),
            depth: self.depth,
            nodes: nodes.collect(),
        }
    }
}

fn frame_is_large(frame: Option<&Frame>, max: usize) -> bool {
    frame.is_some_and(|frame| frame.weight > max && frame.count > 0)
}

/// Whether a text has nothing to escape: for sources that do not know.
pub(super) fn clean(text: &str) -> (&[u8], bool) {
    (text.as_bytes(), is_clean(text.as_bytes()))
}
