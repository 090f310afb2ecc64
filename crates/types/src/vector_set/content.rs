//! The content of a vector set, which its lock guards: the index, and its elements by name.
//!
//! Invariants
//!   1. The payload of each node is the word of the element whose node it is, an element of the
//!      table; and each element has a node.
//!   2. `is_gone` is set before the first part is freed; afterwards parts are only freed.
#![allow(unsafe_code)]

use rand::Rng;

use super::element::Element;
use super::elements::Elements;
use super::projection::Projection;
use russet_base::memory::mover::Mover;
use russet_encodings::hashtable::Shape;
use russet_encodings::hnsw::{Index, LoadError, LoadedNode, Loader, NodeId, Parameters, Placement};

/// See the module.
pub struct Content {
    index: Index,
    elements: Elements,
    projection: Option<Projection>,
    is_gone: bool,
}

/// Numbers of nodes that a removal may give back, enough to keep pace if half of the numbers are
/// still in use.
const COMPACTED: usize = 4;

/// The result of adding an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// There was no element of this name.
    New,
    /// An element of this name has a new vector.
    Updated,
}

impl Content {
    pub(super) fn new(parameters: Parameters, projection: Option<Projection>) -> Content {
        Content {
            index: Index::new(parameters),
            elements: Elements::default(),
            projection,
            is_gone: false,
        }
    }

    /// The graph of the vectors, which searches walk.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The index's parameters: dimensions, quantization, links.
    pub fn parameters(&self) -> &Parameters {
        self.index.parameters()
    }

    /// The projection of REDUCE; `None`: vectors are stored as they are given.
    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// Whether the set is being freed: it must not be read any more.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Elements with attributes.
    pub fn with_attributes(&self) -> usize {
        self.elements.with_attributes()
    }

    /// The element of this name.
    pub fn get(&self, name: &[u8]) -> Option<Element<'_>> {
        self.elements.get(name)
    }

    /// The element of a node.
    #[inline]
    pub fn element(&self, id: NodeId) -> Element<'_> {
        self.element_at(self.index.payload(id))
    }

    /// The element of a payload that a search of this index has found.
    #[inline]
    pub fn element_at(&self, payload: u64) -> Element<'_> {
        // SAFETY: invariant 1.
        unsafe { self.elements.at(payload) }
    }

    /// Any element; `None`: there is none.
    pub fn random(&self, rng: &mut impl Rng) -> Option<Element<'_>> {
        self.elements.random(rng)
    }

    /// All elements, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        self.elements.iter().map(|(element, _)| element)
    }

    /// A step of a scan; returns the next cursor, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, see: impl FnMut(Element<'a>)) -> u64 {
        self.elements.scan(cursor, see)
    }

    /// Adds an element, or gives the element of this name another vector, and other attributes
    /// unless they are `None`. Levels that the placement has not searched yet are searched here.
    pub fn add(
        &mut self,
        name: &[u8],
        attributes: Option<&[u8]>,
        placement: &mut Placement,
    ) -> AddOutcome {
        if let Some(element) = self.elements.get(name) {
            let node = element.node;
            self.index.update_planned(node, placement);
            if let Some(attributes) = attributes {
                self.set_attributes(name, attributes);
            }
            return AddOutcome::Updated;
        }
        let payload = self.elements.add(Element {
            node: NodeId(u32::MAX),
            name,
            attributes: attributes.unwrap_or_default(),
        });
        let node = self.index.insert_planned(placement, payload);
        self.elements.set_node(name, node);
        AddOutcome::New
    }

    /// Changes the attributes of an element; `false`: there is no such element.
    pub fn set_attributes(&mut self, name: &[u8], attributes: &[u8]) -> bool {
        let set = self.elements.set_attributes(name, attributes);
        if let Some((node, payload)) = set {
            self.index.set_payload(node, payload);
        }
        set.is_some()
    }

    /// Removes an element; `false`: there is no such element.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(node) = self.elements.remove(name) else {
            return false;
        };
        self.index.remove(node);
        let elements = &mut self.elements;
        self.index.compact(COMPACTED, |node, payload| {
            // SAFETY: invariant 1.
            unsafe { elements.move_node(payload, node) }
        });
        true
    }

    pub(super) fn shape(&self) -> Shape {
        self.elements.shape()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let projection = self.projection.as_ref().map_or(0, Projection::memory_bytes);
        self.index.bytes() + self.elements.memory_bytes() + projection
    }

    /// Offers the blocks of about `n` elements from a cursor on, and first those of the index;
    /// returns the next cursor, 0 at the end.
    pub(super) fn relocate(&mut self, mover: &mut Mover, cursor: u64, n: usize) -> u64 {
        /// More chunks are only in indexes whose blocks are too large to be moved.
        const CHUNKS_MAX: usize = 64;
        if cursor == 0 {
            let mut at = Some(0);
            while let Some(chunk) = at.filter(|&chunk| chunk < CHUNKS_MAX) {
                at = self.index.relocate(mover, chunk);
            }
        }
        let index = &mut self.index;
        let moved = |node, payload| index.set_payload(node, payload);
        self.elements.relocate(mover, cursor, n, moved)
    }

    /// Frees up to about `n` elements; true when none is left.
    pub(super) fn free_step(&mut self, n: usize) -> bool {
        self.is_gone = true;
        if self.index.free_step() {
            return false;
        }
        self.elements.free_step(n)
    }

    pub(super) fn check_invariants(&self) {
        self.index.check_invariants().expect("a sound index");
        self.elements.check_invariants();
        assert_eq!(self.index.len(), self.elements.len());
        for (element, payload) in self.elements.iter() {
            assert!(self.index.contains(element.node));
            assert_eq!(self.index.payload(element.node), payload);
        }
    }
}

impl Clone for Content {
    fn clone(&self) -> Content {
        let mut copy = Content {
            index: self.index.clone(),
            elements: self.elements.clone(),
            projection: self.projection.clone(),
            is_gone: false,
        };
        for (element, payload) in copy.elements.iter() {
            copy.index.set_payload(element.node, payload);
        }
        copy
    }
}

/// Builds a content from a file.
pub struct ContentLoader {
    loader: Loader,
    elements: Elements,
    projection: Option<Projection>,
}

impl ContentLoader {
    /// A loader without elements, for a set with these parameters.
    pub fn new(parameters: Parameters, projection: Option<Projection>) -> ContentLoader {
        ContentLoader {
            loader: Loader::new(parameters),
            elements: Elements::default(),
            projection,
        }
    }

    /// Adds an element with its node, of which the payload is chosen here. `false`: there is an
    /// element of this name.
    pub fn add(
        &mut self,
        name: &[u8],
        attributes: &[u8],
        node: LoadedNode<'_>,
    ) -> Result<bool, LoadError> {
        if self.elements.get(name).is_some() {
            return Ok(false);
        }
        let payload = self.elements.add(Element {
            node: NodeId(u32::MAX),
            name,
            attributes,
        });
        let id = self.loader.add(LoadedNode { payload, ..node })?;
        self.elements.set_node(name, id);
        Ok(true)
    }

    pub(super) fn finish(self) -> Result<Content, LoadError> {
        Ok(Content {
            index: self.loader.finish()?,
            elements: self.elements,
            projection: self.projection,
            is_gone: false,
        })
    }
}
