//! A node of the tree of paths: 64 bytes, and the label if it is long.
//!
//!     count | kids: none, a box, or a box of a fan | fields | label: up to 22 bytes, or a box
//!
//! Invariants
//!   1. The kids of a node have labels that begin with different bytes; `firsts` of a fan ascends.
//!   2. A kid is missing only between `lend` and `restore`.
//!
//! Cost: a kid by its first byte O(log kids), by its place O(1); `split` and `join` copy labels.
//! `path_hash` keeps the counts and the sums of bytes, and calls these functions in the right
//! order.

use std::mem::take;

use super::super::Relocate;
use super::super::{Hash, MemoryUsage};
use russet_base::memory::alloc::{boxed_bytes, slice_bytes, vec_bytes};
use russet_base::memory::mover::Mover;

/// Bytes of a label within its node: enough for a few hashes of a path's blocks.
const INLINE_MAX: usize = 22;

/// The bytes of a path between a node and the node above it.
pub(super) enum Label {
    Inline(u8, [u8; INLINE_MAX]),
    Long(Box<[u8]>),
}

impl Default for Label {
    fn default() -> Label {
        Label::Inline(0, [0; INLINE_MAX])
    }
}

impl Label {
    pub fn new(text: &[u8]) -> Label {
        match text.len() {
            len @ 0..=INLINE_MAX => {
                let mut bytes = [0; INLINE_MAX];
                bytes[..len].copy_from_slice(text);
                Label::Inline(len as u8, bytes)
            }
            _ => Label::Long(text.into()),
        }
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Label::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Label::Long(bytes) => bytes,
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Label::Inline(..) => 0,
            Label::Long(bytes) => slice_bytes(bytes.len()),
        }
    }
}

/// The nodes below a node, by the first byte of their labels.
#[derive(Default)]
enum Kids {
    #[default]
    None,
    One(Box<PathNode>),
    Many(Box<NodeFan>),
}

/// Two nodes or more. A node is missing only while [`PathNode::lend`] has given it away.
struct NodeFan {
    /// In ascending order.
    firsts: Vec<u8>,
    nodes: Vec<Option<Box<PathNode>>>,
}

/// See the module.
#[derive(Default)]
pub(super) struct PathNode {
    /// Paths that end at this node or below it.
    pub count: usize,
    kids: Kids,
    /// The fields of the path that ends here, if any path does.
    pub fields: Option<Hash>,
    pub label: Label,
}

const _: () = assert!(size_of::<PathNode>() == 64);

impl PathNode {
    /// The node of a path without other paths below it.
    pub fn leaf(label: &[u8], fields: Hash) -> Box<PathNode> {
        Box::new(PathNode {
            count: 1,
            kids: Kids::None,
            fields: Some(fields),
            label: Label::new(label),
        })
    }

    /// Whether a path ends here, as a number of paths.
    #[inline]
    pub fn own(&self) -> usize {
        usize::from(self.fields.is_some())
    }

    #[inline]
    pub(crate) fn kids(&self) -> usize {
        match &self.kids {
            Kids::None => 0,
            Kids::One(_) => 1,
            Kids::Many(fan) => fan.nodes.len(),
        }
    }

    /// The node below at this place in their order.
    #[inline]
    pub(crate) fn kid(&self, at: usize) -> Option<&PathNode> {
        match &self.kids {
            Kids::One(kid) if at == 0 => Some(kid),
            Kids::Many(fan) => fan.nodes.get(at)?.as_deref(),
            _ => None,
        }
    }

    /// The place of the node whose label begins with this byte; `Err`: where it would be.
    #[inline]
    pub fn place(&self, first: u8) -> Result<usize, usize> {
        match &self.kids {
            Kids::None => Err(0),
            Kids::One(kid) => match kid.first().cmp(&first) {
                std::cmp::Ordering::Less => Err(1),
                std::cmp::Ordering::Equal => Ok(0),
                std::cmp::Ordering::Greater => Err(0),
            },
            Kids::Many(fan) => fan.firsts.binary_search(&first),
        }
    }

    /// The node below whose label begins with this byte.
    #[inline]
    pub fn find(&self, first: u8) -> Option<&PathNode> {
        self.kid(self.place(first).ok()?)
    }

    #[inline]
    pub(crate) fn find_mut(&mut self, first: u8) -> Option<&mut PathNode> {
        let at = self.place(first).ok()?;
        match &mut self.kids {
            Kids::One(kid) => Some(kid),
            Kids::Many(fan) => fan.nodes[at].as_deref_mut(),
            Kids::None => None,
        }
    }

    /// The first byte of the label, which is not empty.
    #[inline]
    fn first(&self) -> u8 {
        self.label.bytes()[0]
    }

    /// Adds a node below; there is none whose label begins with the same byte.
    pub fn add(&mut self, kid: Box<PathNode>) {
        let first = kid.first();
        let at = self.place(first).expect_err("no node with this byte");
        self.kids = match take(&mut self.kids) {
            Kids::None => Kids::One(kid),
            Kids::One(other) => {
                let mut fan = Box::new(NodeFan {
                    firsts: vec![other.first()],
                    nodes: vec![Some(other)],
                });
                fan.insert(at, first, kid);
                Kids::Many(fan)
            }
            Kids::Many(mut fan) => {
                fan.insert(at, first, kid);
                Kids::Many(fan)
            }
        };
    }

    /// Takes the node below whose label begins with this byte.
    pub fn take(&mut self, first: u8) -> Option<Box<PathNode>> {
        let at = self.place(first).ok()?;
        match take(&mut self.kids) {
            Kids::None => None,
            Kids::One(kid) => Some(kid),
            Kids::Many(mut fan) => {
                let kid = fan.nodes.remove(at);
                fan.firsts.remove(at);
                self.kids = match &mut fan.nodes[..] {
                    [last] => last.take().map_or(Kids::None, Kids::One),
                    _ => {
                        fan.shrink();
                        Kids::Many(fan)
                    }
                };
                kid
            }
        }
    }

    /// Takes all nodes below.
    #[expect(clippy::vec_box, reason = "a node is moved with its box, not copied")]
    pub fn take_all(&mut self, out: &mut Vec<Box<PathNode>>) {
        match take(&mut self.kids) {
            Kids::None => {}
            Kids::One(kid) => out.push(kid),
            Kids::Many(fan) => out.extend(fan.nodes.into_iter().flatten()),
        }
    }

    /// Gives away the node at this place until [`PathNode::restore`] puts it back.
    pub fn lend(&mut self, at: usize) -> Option<Box<PathNode>> {
        match &mut self.kids {
            Kids::None => None,
            Kids::One(_) if at > 0 => None,
            Kids::One(_) => match take(&mut self.kids) {
                Kids::One(kid) => Some(kid),
                _ => None,
            },
            Kids::Many(fan) => fan.nodes.get_mut(at)?.take(),
        }
    }

    pub fn restore(&mut self, at: usize, kid: Box<PathNode>) {
        match &mut self.kids {
            Kids::Many(fan) => fan.nodes[at] = Some(kid),
            _ => self.kids = Kids::One(kid),
        }
    }

    /// Splits the label: a new node takes its rest, the fields and the nodes below.
    pub fn split(&mut self, at: usize) {
        let (head, rest) = self.label.bytes().split_at(at);
        let (head, rest) = (Label::new(head), Label::new(rest));
        let lower = PathNode {
            count: self.count,
            kids: take(&mut self.kids),
            fields: self.fields.take(),
            label: rest,
        };
        self.kids = Kids::One(Box::new(lower));
        self.label = head;
    }

    /// A node where no path ends takes in the node below it, if that is the only node there.
    pub fn join(&mut self) {
        if self.fields.is_some() {
            return;
        }
        self.kids = match take(&mut self.kids) {
            Kids::One(kid) => {
                let kid = *kid;
                self.label = Label::new(&[self.label.bytes(), kid.label.bytes()].concat());
                self.fields = kid.fields;
                kid.kids
            }
            other => other,
        };
    }

    /// Bytes of the node in the allocator without its fields, and without the nodes below.
    pub fn memory_bytes(&self) -> usize {
        let fan = match &self.kids {
            Kids::Many(fan) => {
                boxed_bytes::<NodeFan>() + vec_bytes(&fan.firsts) + vec_bytes(&fan.nodes)
            }
            _ => 0,
        };
        boxed_bytes::<PathNode>() + self.label.memory_bytes() + fan
    }

    /// Bytes of the fields in the allocator.
    pub(crate) fn fields_bytes(&self) -> usize {
        self.fields.as_ref().map_or(0, Hash::memory_bytes)
    }

    /// Offers what the node owns, without the nodes below.
    pub fn relocate(&mut self, mover: &mut Mover, n: usize) {
        if let Label::Long(bytes) = &mut self.label {
            mover.slice(bytes);
        }
        if let Kids::Many(fan) = &mut self.kids {
            mover.boxed(fan);
            mover.vec(&mut fan.firsts);
            mover.vec(&mut fan.nodes);
        }
        if let Some(fields) = &mut self.fields {
            let mut at = Some(0);
            while let Some(from) = at {
                at = fields.relocate(mover, from, n);
            }
        }
    }

    /// Panics unless the nodes below are in order and none is missing.
    pub(crate) fn check_kids(&self) {
        if let Kids::Many(fan) = &self.kids {
            assert!(fan.nodes.len() > 1 && fan.nodes.len() == fan.firsts.len());
            assert!(fan.firsts.is_sorted_by(|a, b| a < b));
        }
        for at in 0..self.kids() {
            let kid = self.kid(at).expect("no node is missing");
            assert_eq!(self.place(kid.first()), Ok(at));
        }
    }
}

impl NodeFan {
    fn insert(&mut self, at: usize, first: u8, kid: Box<PathNode>) {
        self.firsts.insert(at, first);
        self.nodes.insert(at, Some(kid));
    }

    /// Gives back room after most nodes have gone.
    fn shrink(&mut self) {
        if self.nodes.len() * 4 <= self.nodes.capacity() {
            self.nodes.shrink_to(self.nodes.len() * 2);
            self.firsts.shrink_to(self.firsts.len() * 2);
        }
    }
}
