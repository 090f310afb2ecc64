//! Reading a document: cursors on its values.
//!
//! A cursor is the bytes that begin with the value and, for what they refer to, the names and nodes
//! of its document; a cursor reads nothing before a caller asks. A number of a run is read at once.
//! Cost: finding a child by ordinal, or a member by name, passes over the children before it, by
//! their lengths; in a node it passes over chunks by their counts, and finds a member by the index.

use super::bytes::{self, Body, Compound, Item};
use super::names::{self, FlatNames, Name};
use super::number::Fpha;
use super::print::{self, Format};
use super::store::{Chunks, Node, Part, Store, value_nodes};
use crate::view::{Kind, Number, View};

/// The shared names that a value's bytes refer to and, in a large document, the nodes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Context<'a> {
    Flat(FlatNames<'a>),
    Tree(&'a Store),
}

impl<'a> Context<'a> {
    /// The number of a shared name.
    #[inline]
    pub fn find_name(self, name: &[u8]) -> Option<u16> {
        match self {
            Context::Flat(names) => names.find(name),
            Context::Tree(store) => store.names.find(name),
        }
    }

    /// The text of a name.
    #[inline]
    pub fn name_text(self, name: Name<'a>) -> &'a [u8] {
        match (name, self) {
            (Name::Text(text, _), _) => text,
            (Name::Shared(number), Context::Flat(names)) => names.text(number),
            (Name::Shared(number), Context::Tree(store)) => store.names.text(number),
        }
    }

    #[inline]
    pub fn node(self, number: u32) -> &'a Node {
        match self {
            Context::Tree(store) => store.node(number),
            Context::Flat(_) => unreachable!("a small document has no nodes"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// Bytes that begin with the value.
    Bytes(&'a [u8]),
    /// A number of a run, and the requested type.
    Number(Number, Option<Fpha>),
}

/// A cursor on a value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    context: Context<'a>,
    place: Place<'a>,
}

/// The parts of a container, in order.
#[derive(Clone)]
pub(super) struct Parts<'a> {
    inline: Option<Part<'a>>,
    chunks: Option<(&'a Chunks, bool)>,
    next: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    #[inline]
    fn next(&mut self) -> Option<Part<'a>> {
        if self.inline.is_some() {
            return self.inline.take();
        }
        let (chunks, is_object) = self.chunks?;
        (self.next < chunks.buffers.len()).then(|| {
            self.next += 1;
            chunks.part(is_object, self.next - 1)
        })
    }
}

/// The children of a value.
pub(super) struct Children<'a> {
    context: Context<'a>,
    part: Part<'a>,
    at: usize,
    /// For a container out of line: the chunks, and the next of them.
    chunks: Option<&'a Chunks>,
    is_object: bool,
    next: u32,
}

impl<'a> Children<'a> {
    /// Goes to the next chunk, if any.
    #[cold]
    fn next_chunk(&mut self) -> Option<()> {
        let chunks = self.chunks?;
        let next = self.next as usize;
        if next == chunks.buffers.len() {
            return None;
        }
        self.part = chunks.part(self.is_object, next);
        self.at = self.part.start;
        self.next += 1;
        Some(())
    }
}

impl<'a> Iterator for Children<'a> {
    /// A member's name, and the value.
    type Item = (Option<&'a [u8]>, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.at >= self.part.bytes.len() {
            self.next_chunk()?;
        }
        let (part, at) = (self.part, self.at);
        self.at = part.end(at);
        let mut name = None;
        if part.body == Body::Object {
            let (found, _) = names::name(part.bytes, at);
            name = Some(self.context.name_text(found));
        }
        Some((name, Value::child_of(self.context, part, at)))
    }
}

/// The children of a value, without their names.
struct Values<'a>(Children<'a>);

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let children = &mut self.0;
        while children.at >= children.part.bytes.len() {
            children.next_chunk()?;
        }
        let part = children.part;
        if part.body == Body::Run {
            let value = Value::child_of(children.context, part, children.at);
            children.at += part.run.width();
            return Some(value);
        }
        let at = part.value(children.at);
        children.at = bytes::skip(part.bytes, at);
        Some(Value::new(children.context, &part.bytes[at..]))
    }
}

/// The children of a value that are containers, with their ordinals.
struct Containers<'a>(usize, Children<'a>);

impl<'a> Iterator for Containers<'a> {
    type Item = (usize, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<(usize, Value<'a>)> {
        let Containers(ordinal, children) = self;
        loop {
            let (bytes, mut at) = (children.part.bytes, children.at);
            let is_object = children.part.body == Body::Object;
            if children.part.body == Body::Run {
                *ordinal += children.part.count;
                at = bytes.len();
            }
            while at < bytes.len() {
                if is_object {
                    at = names::skip(bytes, at);
                }
                let head = bytes[at];
                let value = at;
                at = bytes::skip(bytes, at);
                *ordinal += 1;
                if bytes::is_container(head) {
                    children.at = at;
                    let value = Value::new(children.context, &bytes[value..]);
                    return Some((*ordinal - 1, value));
                }
            }
            children.at = at;
            children.next_chunk()?;
        }
    }
}

#[inline]
fn text_of(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("a document's texts were checked")
}

impl<'a> Value<'a> {
    #[inline]
    pub(super) fn new(context: Context<'a>, bytes: &'a [u8]) -> Value<'a> {
        Value {
            context,
            place: Place::Bytes(bytes),
        }
    }

    /// The value of the child of a part that begins at a place.
    #[inline]
    pub(super) fn child_of(context: Context<'a>, part: Part<'a>, at: usize) -> Value<'a> {
        let place = match part.body {
            Body::Run => Place::Number(part.run.read(part.bytes, at), part.run.fpha()),
            Body::Array | Body::Object => Place::Bytes(&part.bytes[part.value(at)..]),
        };
        Value { context, place }
    }

    pub(super) fn context(self) -> Context<'a> {
        self.context
    }

    /// The bytes that begin with the value; a number of a run has none.
    #[inline]
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self.place {
            Place::Bytes(bytes) => Some(bytes),
            Place::Number(..) => None,
        }
    }

    #[inline]
    pub(super) fn item(self) -> Item<'a> {
        match self.place {
            Place::Bytes(bytes) => bytes::item(bytes, 0),
            Place::Number(number, _) => Item::Number(number),
        }
    }

    #[inline]
    pub(super) fn parts(self) -> Parts<'a> {
        let mut parts = Parts {
            inline: None,
            chunks: None,
            next: 0,
        };
        if let Place::Bytes(bytes) = self.place {
            if let Some(part) = Part::inline(bytes, 0) {
                parts.inline = Some(part);
            } else if let Item::Node(_, number) = bytes::item(bytes, 0) {
                let node = self.context.node(number);
                parts.chunks = node.chunks().map(|chunks| (chunks, node.is_object()));
            }
        }
        parts
    }

    /// Members' names as bytes, and the values.
    #[inline]
    pub(super) fn raw_children(self) -> Children<'a> {
        let mut children = Children {
            context: self.context,
            part: Part::NONE,
            at: 0,
            chunks: None,
            is_object: false,
            next: 0,
        };
        if let Place::Bytes(bytes) = self.place {
            if let Some(part) = Part::inline(bytes, 0) {
                (children.at, children.part) = (part.start, part);
            } else if bytes::is_node(bytes[0])
                && let Item::Node(_, number) = bytes::item(bytes, 0)
            {
                let node = self.context.node(number);
                (children.chunks, children.is_object) = (node.chunks(), node.is_object());
            }
        }
        children
    }

    /// The bytes of a string, and whether JSON text escapes none of them.
    #[inline]
    pub(super) fn raw_text(self) -> Option<(&'a [u8], bool)> {
        let Place::Bytes(bytes) = self.place else {
            return None;
        };
        match bytes::item(bytes, 0) {
            Item::Text(text) => Some((text, !bytes::is_dirty(bytes[0]))),
            Item::Node(Compound::String, number) => match self.context.node(number) {
                Node::Text(text, is_clean) => Some((text, *is_clean)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Appends the value's text.
    pub fn print(self, format: &Format<'_>, out: &mut Vec<u8>) {
        print::print(self, format, out);
    }

    /// Bytes that the value takes in its document. O(containers out of line).
    pub fn memory_bytes(self) -> usize {
        let bytes = self.memory_bytes_within(usize::MAX);
        bytes.expect("it has fewer chunks")
    }

    /// As [`Value::memory_bytes`]; `None` if it has more than so many chunks.
    pub fn memory_bytes_within(self, chunks_max: usize) -> Option<usize> {
        let Place::Bytes(bytes) = self.place else {
            return Some(size_of::<f64>());
        };
        let mut left = chunks_max;
        let mut total = bytes::skip(bytes, 0);
        let mut todo = Vec::new();
        value_nodes(bytes, 0, &mut |number| todo.push(number));
        while let Some(number) = todo.pop() {
            let node = self.context.node(number);
            total += node.memory_bytes();
            if let Some(chunks) = node.chunks() {
                left = left.checked_sub(chunks.buffers.len())?;
                for chunk in 0..chunks.buffers.len() {
                    let part = chunks.part(node.is_object(), chunk);
                    part.nodes(&mut |number| todo.push(number));
                }
            }
        }
        Some(total)
    }

    /// The type that an array's creator requested; a number in the array has it, too.
    pub fn fpha(self) -> Option<Fpha> {
        match self.place {
            Place::Number(_, fpha) => fpha,
            Place::Bytes(_) => {
                let part = self.parts().next()?;
                (part.body == Body::Run).then(|| part.run.fpha()).flatten()
            }
        }
    }

    /// Levels of containers: zero for a scalar.
    pub fn depth(self) -> usize {
        match self.item() {
            Item::Inline(_) | Item::Node(Compound::Array | Compound::Object, _) => {
                let inner = self.raw_children().map(|(_, child)| child.depth());
                1 + inner.max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Whether two values are equal: integers and floats never are; the order of members does not
    /// matter.
    pub fn is_equal(self, other: Value<'_>) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool(a), Kind::Bool(b)) => a == b,
            (Kind::Number(a), Kind::Number(b)) => match (a, b) {
                (Number::Signed(a), Number::Signed(b)) => a == b,
                (Number::Unsigned(a), Number::Unsigned(b)) => a == b,
                (Number::Float(a), Number::Float(b)) => a == b,
                _ => false,
            },
            (Kind::String, Kind::String) => {
                self.raw_text().map(|(text, _)| text) == other.raw_text().map(|(text, _)| text)
            }
            (Kind::Array, Kind::Array) => {
                let both = self.raw_children().zip(other.raw_children());
                self.len() == other.len() && { both }.all(|((_, a), (_, b))| a.is_equal(b))
            }
            (Kind::Object, Kind::Object) => {
                let mut others = other.raw_children();
                self.len() == other.len()
                    && self.raw_children().all(|(name, a)| {
                        // In the same place, as a rule.
                        let b = match others.next().filter(|(other, _)| *other == name) {
                            Some((_, b)) => Some(b),
                            None => other.raw_member(name.unwrap_or_default()).map(|(_, b)| b),
                        };
                        b.is_some_and(|b| a.is_equal(b))
                    })
            }
            _ => false,
        }
    }

    /// A member with a name, and its ordinal.
    #[inline]
    pub(super) fn raw_member(self, name: &[u8]) -> Option<(usize, Value<'a>)> {
        let Place::Bytes(bytes) = self.place else {
            return None;
        };
        if let Some(part) = Part::inline(bytes, 0) {
            let (ordinal, at) = find_member(part, name, self.context)?;
            return Some((ordinal, Value::child_of(self.context, part, at)));
        }
        let Item::Node(Compound::Object, number) = bytes::item(bytes, 0) else {
            return None;
        };
        let Context::Tree(store) = self.context else {
            return None;
        };
        let (chunk, rest, ordinal) = store.find_member(number, name)?;
        let part = store.chunks(number).part(true, chunk);
        Some((ordinal, Value::child_of(self.context, part, part.nth(rest))))
    }
}

/// The ordinal in a part of a member with a name, and where it begins.
#[inline]
pub(super) fn find_member(
    part: Part<'_>,
    name: &[u8],
    context: Context<'_>,
) -> Option<(usize, usize)> {
    if part.body != Body::Object {
        return None;
    }
    let shared = context.find_name(name);
    let mut at = part.start;
    for ordinal in 0..part.count {
        let (found, value) = names::name(part.bytes, at);
        let is_it = match found {
            Name::Text(text, _) => text == name,
            Name::Shared(number) => Some(number) == shared,
        };
        if is_it {
            return Some((ordinal, at));
        }
        at = bytes::skip(part.bytes, value);
    }
    None
}

impl<'a> View<'a> for Value<'a> {
    #[inline]
    fn kind(self) -> Kind {
        match self.item() {
            Item::Null => Kind::Null,
            Item::Bool(value) => Kind::Bool(value),
            Item::Number(number) => Kind::Number(number),
            Item::Text(_) | Item::Node(Compound::String, _) => Kind::String,
            Item::Node(Compound::Array, _) => Kind::Array,
            Item::Node(Compound::Object, _) => Kind::Object,
            Item::Inline(inline) if inline.body == Body::Object => Kind::Object,
            Item::Inline(_) => Kind::Array,
        }
    }

    #[inline]
    fn text(self) -> Option<&'a str> {
        self.raw_text().map(|(text, _)| text_of(text))
    }

    #[inline]
    fn len(self) -> usize {
        match self.item() {
            Item::Inline(inline) => inline.count,
            Item::Node(_, number) => self.context.node(number).chunks().map_or(0, |c| c.len),
            _ => 0,
        }
    }

    #[inline]
    fn child(self, ordinal: usize) -> Option<Self> {
        let Place::Bytes(bytes) = self.place else {
            return None;
        };
        let (part, rest) = if let Some(part) = Part::inline(bytes, 0) {
            (part, ordinal)
        } else if let Item::Node(_, number) = bytes::item(bytes, 0) {
            let node = self.context.node(number);
            let (chunk, rest) = node.chunks()?.find(ordinal)?;
            (node.chunks()?.part(node.is_object(), chunk), rest)
        } else {
            return None;
        };
        (rest < part.count).then(|| Value::child_of(self.context, part, part.nth(rest)))
    }

    #[inline]
    fn member(self, name: &str) -> Option<(usize, Self)> {
        self.raw_member(name.as_bytes())
    }

    #[inline]
    fn children(self) -> impl Iterator<Item = (Option<&'a str>, Self)> {
        self.raw_children()
            .map(|(name, child)| (name.map(text_of), child))
    }

    #[inline]
    fn containers(self) -> impl Iterator<Item = (usize, Self)> {
        Containers(0, self.raw_children())
    }

    #[inline]
    fn values(self) -> impl Iterator<Item = Self> {
        Values(self.raw_children())
    }
}
