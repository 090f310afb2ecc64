//! A vector set: elements, each with a vector, found by nearness to another vector.
//!
//!     content     index and elements (`content`), under a lock
//!       index     vectors and their graph (`encodings::hnsw`)
//!       elements  name -> number of the node, with the attributes (`elements`, `element`)
//!     filter      FILTER: which attributes match
//!     projection  REDUCE: vectors are projected to fewer dimensions first
//!
//! The lock lets worker threads search a large set while the loop serves others. Only the loop
//! writes. A worker holds the lock for a slice of its search at a time, so that a writer waits for
//! no more than that; when the worker continues it may find another content, and the index checks
//! the nodes that the search kept. A set that is removed meanwhile lives until the last search in
//! it has ended.
//!
//! Cost: adding, O(ef * M) distances; removing, O(M^2) distances per level; by name O(1).
//!
//! # Vector sets
//!
//! `encodings/hnsw` is the index: vectors, their graph, and operations in steps between which it
//! may change. `types/vector_set` adds what the index lacks: elements by name, each a block with
//! its attributes and the number of its node (`element`, `elements`); the node's payload is the
//! address of that block, so a search reaches the attributes without a lookup. FILTER (`filter`) is
//! compiled once for each query into a program in reverse Polish notation; a match reads the
//! attributes' text once, up to the last field of the program, and builds no tree. REDUCE
//! (`projection`) keeps the order of Redis's sums, so that vectors are equal to the last bit.
//!
//! A single lock guards all content (`VectorSet::read`, `write`). Only the loop writes, so its
//! reads never wait. A turn of the loop searches for 0.2 ms itself, by an estimate from EF, M and
//! the dimension; further or longer searches are cut in slices: VSIM, VRANGE, and the search for a
//! new element's neighbours in VADD. The loop itself links the new element. The handler gives the
//! search to `server/parts/execution/searches` and blocks its client (`Until::Task`). A turn
//! without any event runs a slice on the loop; if the loop has something else to do, or several
//! searches wait, workers take them. To wake a worker and be woken takes some 40 us of CPU, half of
//! an insert among 100,000 elements, and then the worker's caches hold the vectors that the loop
//! needs to link the node. A slice holds the lock for 60 us, which is the longest that a writer
//! waits; between two slices nodes may come and go, and the index checks what a search has kept. At
//! the end the command runs again with the answer, through the gates like any blocked command
//! (`Engine::serve_tasks`): replies keep their order, and the effect of VADD is recorded when it
//! is applied. A search whose client is gone ends at its next slice; a set that is removed lives as
//! long as its last search. EXEC, scripts, loading and the primary's commands search at once; VSIM
//! and VRANGE in slices there, too (`Call::may_continue`), between which a script serves other
//! clients and may be killed; without a script an error ends them after `busy-reply-threshold`. A
//! filter counts by the cost of its operators, and the links of a node may be read in several
//! slices.
//!
//! The same threads do tasks (`searches::Task`), which own their input: the product of REDUCE
//! (`vector_set::Product`), and ARGREP (`commands/array/grep.rs`). ARGREP tests values for 5 ms at
//! once; then it copies the next 64 KB of them, or a single longer value, into a task, and takes
//! the next batch when it runs again. An expression and a text whose product of sizes is small go
//! to the crate `regex`, which cannot be interrupted (5 ms at most); others are matched by
//! `automaton`, whose states are kept between slices: a lazy DFA, and if that thrashes, sets of the
//! NFA's states.
//!
//! A removal links the neighbours of the node with each other. When less than half of the nodes'
//! numbers are in use, each removal also moves up to four nodes from the highest numbers to free
//! ones, so that the last chunks can be freed. Because moves go to lower numbers, and cursors over
//! nodes go downwards too, a cursor misses no node that stays.
//!
//! Files hold a vector set as the value of Redis's module (`persistence/values/vector_set.rs`):
//! nodes with their links by uid. The index checks that every link has its link back, so that no
//! payload breaks its invariants.
#![allow(unsafe_code)]

mod content;
mod element;
mod elements;
pub mod filter;
mod inquiry;
mod names;
mod projection;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use content::{AddOutcome, Content, ContentLoader};
pub use inquiry::{SearchBounds, SimilaritySearch};
pub use names::{End, Names};
pub use projection::{Product, Projection};

use super::{Container, Encoding, MemoryUsage, Relocate, Signature, Type};
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
use russet_encodings::hashtable::Shape;
pub use russet_encodings::hnsw::{
    DIM_MAX, EF_CONSTRUCTION, LINKS_MAX, LoadError, LoadedNode, M_DEFAULT, NodeId, Parameters,
    Placement, Progress, Quantization, Query, StoredVector, random_level,
};

/// See the module. [`VectorSet::share`] is another handle of the same set; a clone is a copy.
pub struct VectorSet(Arc<SharedContent>);

struct SharedContent {
    /// A number that no other set of this process has had.
    uid: u64,
    content: RwLock<Content>,
}

impl VectorSet {
    /// An empty set.
    pub fn new(parameters: Parameters, projection: Option<Projection>) -> VectorSet {
        VectorSet::of(Content::new(parameters, projection))
    }

    /// The set that was loaded.
    pub fn loaded(loader: ContentLoader) -> Result<VectorSet, LoadError> {
        loader.finish().map(VectorSet::of)
    }

    fn of(content: Content) -> VectorSet {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        VectorSet(Arc::new(SharedContent {
            uid: NEXT.fetch_add(1, Ordering::Relaxed),
            content: RwLock::new(content),
        }))
    }

    /// VINFO's `vset-uid`.
    pub fn uid(&self) -> u64 {
        self.0.uid
    }

    /// Another handle of this set, for a worker.
    pub fn share(&self) -> VectorSet {
        VectorSet(Arc::clone(&self.0))
    }

    /// Whether both are handles of the same set.
    pub fn is_same(&self, other: &VectorSet) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The content, to read. The loop never waits here: only it writes.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.0
            .content
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The content, to write, which waits for the slices that workers are in. For the loop only.
    #[inline]
    pub fn write(&mut self) -> RwLockWriteGuard<'_, Content> {
        self.0
            .content
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for VectorSet {
    fn clone(&self) -> VectorSet {
        VectorSet::of(self.read().clone())
    }
}

impl MemoryUsage for VectorSet {
    fn memory_bytes(&self) -> usize {
        boxed_bytes::<SharedContent>() + self.read().memory_bytes()
    }
}

impl Relocate for VectorSet {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        let next = self.write().relocate(mover, at, n);
        (next != 0).then_some(next)
    }
}

impl Container for VectorSet {
    const TYPE: Type = Type::VectorSet;
    const NAME: &str = "vectorset";
    /// That of all types of modules.
    const NUMBER: u32 = 5;

    fn into_word(self) -> (Encoding, u64) {
        let word = Arc::into_raw(self.0).expose_provenance() as u64;
        (Encoding::OfModule, word)
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::OfModule);
        // SAFETY: the caller guarantees that it came from `into_word`.
        VectorSet(unsafe { Arc::from_raw(std::ptr::with_exposed_provenance(word as usize)) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::OfModule
    }

    fn len(&self) -> usize {
        self.read().len()
    }

    fn check_invariants(&self) {
        self.read().check_invariants();
    }

    fn sign(&self, signature: &mut Signature) {
        let content = self.read();
        let index = content.index();
        let mut all = Signature::default();
        let mut one = Signature::default();
        let mut digits = itoa::Buffer::new();
        one.follow(digits.format(content.len()).as_bytes());
        one.follow(digits.format(index.parameters().dim).as_bytes());
        all.join_signed(one);
        for element in content.iter() {
            let mut one = Signature::default();
            one.follow(index.vector(element.node).bytes);
            one.follow(element.name);
            if !element.attributes.is_empty() {
                one.follow(element.attributes);
            }
            all.join_signed(one);
        }
        signature.join_signed(all);
    }

    fn shape(&self) -> Option<Shape> {
        Some(self.read().shape())
    }

    fn free_effort(&self) -> usize {
        self.len()
    }

    fn free_step(&mut self, n: usize) -> bool {
        self.write().free_step(n)
    }
}
