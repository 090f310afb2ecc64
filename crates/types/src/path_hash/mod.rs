//! A path hash: paths, each with fields, found by name, by prefix, or as the prefixes of a query.
//!
//!     node   a label, the fields of the path that ends there, the nodes below (`node`)
//!     walk   paths in the order of their bytes (`walk`)
//!
//! A radix tree: the path of a node is the labels from the root to it, so that paths share the
//! bytes of their prefixes, and all prefixes of a query are on a single way down. The fields of a
//! path are a hash of their own, with the encodings and limits of hashes.
//!
//! Invariants
//!   1. Only the root's label is empty, and the labels below a node begin with different bytes.
//!   2. Below the root a path ends at each node, or the node has two nodes or more below it.
//!   3. `count` of a node is the number of paths at it and below; no path is without fields.
//!   4. `bytes` and `fields` are the sums over all nodes.
//!
//! Cost: by path O(length), the prefixes of a query O(length of the query), by rank O(depth * 256).
//! A tree may be as deep as its longest path: nothing here recurses.
#![allow(unsafe_code)]

mod node;
#[cfg(test)]
mod tests;
mod walk;

use super::{
    Container, Encoding, Expiry, Hash, Limits, MemoryUsage, Relocate, Signature, Type, boxed,
};
use node::PathNode;
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
pub use walk::Walk;

/// See the module.
#[derive(Clone)]
pub struct PathHash(Box<Body>);

#[derive(Default)]
struct Body {
    root: PathNode,
    /// Bytes of the nodes below the root, of the root's list of them, and of all fields.
    bytes: usize,
    /// Fields of all paths.
    fields: usize,
    /// Nodes still to be freed, while it is freed in steps.
    #[expect(clippy::vec_box, reason = "a node is moved with its box, not copied")]
    freed: Vec<Box<PathNode>>,
}

/// Bytes that two texts have in common at their beginning.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl PathHash {
    /// An empty hash.
    pub fn new() -> PathHash {
        PathHash(Box::default())
    }

    /// Fields of all paths.
    pub fn fields(&self) -> usize {
        self.0.fields
    }

    /// The fields of a path.
    #[inline]
    pub fn get(&self, path: &[u8]) -> Option<&Hash> {
        let (mut node, mut rest) = (&self.0.root, path);
        while let Some(&first) = rest.first() {
            node = node.find(first)?;
            rest = rest.strip_prefix(node.label.bytes())?;
        }
        node.fields.as_ref()
    }

    /// Calls `see` with the lengths of all paths that are prefixes of `query`, shortest first, and
    /// their fields, until `see` returns false.
    #[inline]
    pub fn prefixes<'a>(&'a self, query: &[u8], mut see: impl FnMut(usize, &'a Hash) -> bool) {
        let (mut node, mut rest) = (&self.0.root, query);
        loop {
            if let Some(fields) = &node.fields
                && !see(query.len() - rest.len(), fields)
            {
                return;
            }
            let kid = rest.first().and_then(|&first| node.find(first));
            let Some(kid) = kid else { return };
            let Some(below) = rest.strip_prefix(kid.label.bytes()) else {
                return;
            };
            (node, rest) = (kid, below);
        }
    }

    /// The paths that begin with `prefix`. O(length).
    pub fn count_below(&self, prefix: &[u8]) -> usize {
        let (mut node, mut rest) = (&self.0.root, prefix);
        while let Some(&first) = rest.first() {
            let Some(kid) = node.find(first) else {
                return 0;
            };
            let label = kid.label.bytes();
            rest = match rest.strip_prefix(label) {
                Some(below) => below,
                None if label.starts_with(rest) => &[],
                None => return 0,
            };
            node = kid;
        }
        node.count
    }

    /// All paths, in order.
    pub fn iter(&self) -> Walk<'_> {
        Walk::of(&self.0.root)
    }

    /// The paths from the first path that is not less than `path`, in order.
    pub fn iter_from(&self, path: &[u8]) -> Walk<'_> {
        self.iter().at_path(path)
    }

    /// The paths after the first `rank` ones, in order.
    pub fn iter_from_rank(&self, rank: usize) -> Walk<'_> {
        self.iter().at_rank(rank)
    }

    /// Sets fields of a path, which is created if it does not exist; there is a field or more, and
    /// of a field that comes twice the last value stays.
    pub fn set<'f>(
        &mut self,
        path: &[u8],
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: &Limits,
    ) {
        if self.get(path).is_some() {
            self.change(path, |hash| set_fields(hash, fields, limits));
            return;
        }
        let known = Hash::of_known(fields.clone(), limits);
        let hash = match known {
            Ok(Some(whole)) => whole,
            _ => {
                let mut hash = Hash::new();
                set_fields(&mut hash, fields, limits);
                if known.is_err() {
                    hash.share_names(limits);
                }
                hash
            }
        };
        self.insert(path, hash);
    }

    /// Removes a field of a path, and the path with its last field; returns whether there was such
    /// a field.
    pub fn remove_field(&mut self, path: &[u8], field: &[u8]) -> bool {
        let removed = self.change(path, |hash| (hash.remove(field), hash.is_empty()));
        if let Some((true, true)) = removed {
            self.remove(path);
        }
        matches!(removed, Some((true, _)))
    }

    /// Changes the fields of a path, if it exists.
    fn change<R>(&mut self, path: &[u8], change: impl FnOnce(&mut Hash) -> R) -> Option<R> {
        let body = &mut *self.0;
        let (mut node, mut rest) = (&mut body.root, path);
        while let Some(&first) = rest.first() {
            node = node.find_mut(first)?;
            rest = rest.strip_prefix(node.label.bytes())?;
        }
        let hash = node.fields.as_mut()?;
        let before = (hash.memory_bytes(), hash.len());
        let result = change(hash);
        body.bytes = body.bytes - before.0 + hash.memory_bytes();
        body.fields = body.fields - before.1 + hash.len();
        Some(result)
    }

    /// Adds a path that does not exist, with a field or more. O(length).
    pub fn insert(&mut self, path: &[u8], hash: Hash) {
        let body = &mut *self.0;
        body.fields += hash.len();
        body.bytes += hash.memory_bytes();
        let (mut node, mut rest) = (&mut body.root, path);
        loop {
            node.count += 1;
            let Some(&first) = rest.first() else { break };
            if node.find(first).is_none() {
                let leaf = PathNode::leaf(rest, hash);
                body.bytes += leaf.memory_bytes();
                let before = node.memory_bytes();
                node.add(leaf);
                body.bytes = body.bytes + node.memory_bytes() - before;
                return;
            }
            let kid = node.find_mut(first).expect("found above");
            let shared = common(kid.label.bytes(), rest);
            if shared < kid.label.bytes().len() {
                let before = kid.memory_bytes();
                kid.split(shared);
                let below = kid.kid(0).expect("the rest of the label");
                body.bytes = body.bytes + kid.memory_bytes() + below.memory_bytes() - before;
            }
            (node, rest) = (kid, &rest[shared..]);
        }
        assert!(node.fields.is_none(), "the path exists");
        node.fields = Some(hash);
    }

    /// Removes a path; returns its fields. O(length).
    pub fn remove(&mut self, path: &[u8]) -> Option<Hash> {
        self.get(path)?;
        let body = &mut *self.0;
        let (mut node, mut rest) = (&mut body.root, path);
        let mut depth = 0;
        loop {
            node.count -= 1;
            let Some(&first) = rest.first() else {
                // Only the root's path is empty.
                break;
            };
            let label = node.find(first).expect("it exists").label.bytes().len();
            if label < rest.len() {
                node = node.find_mut(first).expect("it exists");
                rest = &rest[label..];
                depth += 1;
                continue;
            }
            let before = node.memory_bytes();
            let kid = node.find_mut(first).expect("it exists");
            let hash = kid.fields.take().expect("it exists");
            kid.count -= 1;
            body.bytes -= hash.memory_bytes();
            body.fields -= hash.len();
            match kid.kids() {
                0 => {
                    let kid = node.take(first).expect("it exists");
                    body.bytes -= kid.memory_bytes();
                    body.bytes = body.bytes + node.memory_bytes() - before;
                    if depth > 0 {
                        body.bytes = join(node, body.bytes);
                    }
                }
                _ => body.bytes = join(kid, body.bytes),
            }
            return Some(hash);
        }
        let hash = node.fields.take()?;
        body.bytes -= hash.memory_bytes();
        body.fields -= hash.len();
        Some(hash)
    }

    /// Takes out all paths that begin with `prefix`, to be freed. `None`: there are none. O(paths
    /// taken + length).
    pub fn take_below(&mut self, prefix: &[u8]) -> Option<PathHash> {
        let count = self.count_below(prefix);
        if count == 0 {
            return None;
        }
        if prefix.is_empty() {
            return Some(std::mem::take(self));
        }
        let body = &mut *self.0;
        let (mut node, mut rest) = (&mut body.root, prefix);
        let mut depth = 0;
        let kid = loop {
            node.count -= count;
            let first = *rest.first().expect("the nodes end below");
            let label = node.find(first).expect("counted above").label.bytes().len();
            if label < rest.len() {
                node = node.find_mut(first).expect("counted above");
                rest = &rest[label..];
                depth += 1;
                continue;
            }
            let before = node.memory_bytes();
            let kid = node.take(first).expect("counted above");
            body.bytes = body.bytes + node.memory_bytes() - before;
            if depth > 0 {
                body.bytes = join(node, body.bytes);
            }
            break kid;
        };
        let mut part = PathHash::new();
        let (mut bytes, mut fields) = (0, 0);
        each_node(&kid, |node| {
            bytes += node.memory_bytes() + node.fields_bytes();
            fields += node.fields.as_ref().map_or(0, Hash::len);
        });
        body.bytes -= bytes;
        body.fields -= fields;
        part.0.root.count = count;
        part.0.root.add(kid);
        (part.0.bytes, part.0.fields) = (bytes, fields);
        Some(part)
    }
}

impl Default for PathHash {
    fn default() -> PathHash {
        PathHash::new()
    }
}

/// [`PathNode::join`], if the node has to; returns the bytes of the tree after it.
fn join(node: &mut PathNode, bytes: usize) -> usize {
    let below = node.kid(0).map_or(0, PathNode::memory_bytes);
    let before = node.memory_bytes() + below;
    if node.fields.is_some() || node.kids() != 1 {
        return bytes;
    }
    node.join();
    bytes + node.memory_bytes() - before
}

fn set_fields<'f>(
    hash: &mut Hash,
    fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
    limits: &Limits,
) {
    let (is_new, before) = (hash.is_empty(), hash.len());
    let lens: smallvec::SmallVec<[usize; 16]> = fields
        .clone()
        .flat_map(|(name, value)| [name.len(), value.len()])
        .collect();
    hash.prepare(lens.into_iter(), limits);
    for (name, value) in fields {
        hash.set(name, value, Expiry::Clear, limits);
    }
    if !is_new && hash.len() > before {
        hash.share_few_names(limits);
    }
}

/// Calls `see` with a node and all below it.
fn each_node<'a>(node: &'a PathNode, mut see: impl FnMut(&'a PathNode)) {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        see(node);
        open.extend((0..node.kids()).filter_map(|at| node.kid(at)));
    }
}

impl Clone for Body {
    fn clone(&self) -> Body {
        let mut copy = PathHash::new();
        let mut paths = Walk::of(&self.root);
        while let Some((path, fields)) = paths.next() {
            copy.insert(path, fields.clone());
        }
        *std::mem::take(&mut copy.0)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        while !self.free_step(usize::MAX) {}
    }
}

impl Body {
    /// See [`Container::free_step`].
    fn free_step(&mut self, n: usize) -> bool {
        self.root.take_all(&mut self.freed);
        let mut left = n.max(1);
        // The root's fields are the last ones: they have no node to be freed.
        while let Some(node) = self.freed.last_mut() {
            if let Some(fields) = &mut node.fields {
                let effort = fields.free_effort();
                if effort > left && !fields.free_step(left) {
                    return false;
                }
                left = left.saturating_sub(effort);
            }
            left = left.saturating_sub(1);
            if let Some(mut node) = self.freed.pop() {
                node.take_all(&mut self.freed);
            }
            if left == 0 && !self.freed.is_empty() {
                return false;
            }
        }
        match &mut self.root.fields {
            Some(fields) if fields.free_effort() > left.max(1) => fields.free_step(left.max(1)),
            _ => true,
        }
    }
}

impl MemoryUsage for PathHash {
    fn memory_bytes(&self) -> usize {
        boxed_bytes::<Body>() + self.0.bytes
    }
}

/// A node above the nodes whose blocks are offered, lent by its owner.
struct LentNode {
    node: Box<PathNode>,
    /// The node's place in its owner.
    place: usize,
    /// The place below it from which the walk continues.
    next: usize,
}

impl Relocate for PathHash {
    /// Positions are ranks of paths. A node is offered with the first path at it or below.
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        let rank = at as usize;
        if rank == 0 {
            mover.boxed(&mut self.0);
            self.0.root.relocate(mover, n);
        } else if rank >= self.len() {
            return None;
        }
        let root = &mut self.0.root;
        let (mut lent, mut root_next) = (Vec::new(), 0);
        lend_to_rank(root, &mut lent, &mut root_next, rank);
        let own = if rank == 0 { root.own() } else { 0 };
        let (mut done, mut nodes) = (own, lent.len());
        // A tree may be deep: the way down counts, too.
        let nodes_max = n.saturating_mul(16);
        loop {
            let (owner, next) = match lent.last_mut() {
                Some(LentNode { node, next, .. }) => (&mut **node, next),
                None => (&mut *root, &mut root_next),
            };
            if done > 0 && (done >= n || nodes >= nodes_max) {
                break;
            }
            let place = *next;
            *next += 1;
            if let Some(mut node) = owner.lend(place) {
                mover.boxed(&mut node);
                node.relocate(mover, n);
                done += node.own();
                nodes += 1;
                lent.push(LentNode {
                    node,
                    place,
                    next: 0,
                });
            } else if let Some(LentNode { node, place, .. }) = lent.pop() {
                let owner = lent.last_mut().map_or(&mut *root, |lent| &mut lent.node);
                owner.restore(place, node);
            } else {
                break;
            }
        }
        while let Some(LentNode { node, place, .. }) = lent.pop() {
            let owner = lent.last_mut().map_or(&mut *root, |lent| &mut lent.node);
            owner.restore(place, node);
        }
        let reached = rank + done;
        (reached < self.len()).then_some(reached as u64)
    }
}

/// Lends the nodes on the way to the node whose first path is the path of a rank.
fn lend_to_rank(root: &mut PathNode, lent: &mut Vec<LentNode>, root_next: &mut usize, rank: usize) {
    let mut before = rank.saturating_sub(root.own());
    loop {
        let (owner, next) = match lent.last_mut() {
            Some(LentNode { node, next, .. }) => (&mut **node, next),
            None => (&mut *root, &mut *root_next),
        };
        while let Some(kid) = owner.kid(*next)
            && kid.count <= before
        {
            before -= kid.count;
            *next += 1;
        }
        if before == 0 {
            return;
        }
        let place = *next;
        *next += 1;
        let Some(node) = owner.lend(place) else {
            return;
        };
        before -= node.own();
        lent.push(LentNode {
            node,
            place,
            next: 0,
        });
    }
}

impl Container for PathHash {
    const TYPE: Type = Type::PathHash;
    const NAME: &str = "pathhash";
    /// Valkey's.
    const NUMBER: u32 = 7;

    fn into_word(self) -> (Encoding, u64) {
        (Encoding::PathTree, boxed::into_word(self.0))
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::PathTree);
        // SAFETY: the caller guarantees it.
        PathHash(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::PathTree
    }

    /// Number of paths.
    fn len(&self) -> usize {
        self.0.root.count
    }

    fn check_invariants(&self) {
        let body = &*self.0;
        assert!(body.root.label.bytes().is_empty());
        let (mut bytes, mut fields) = (0, 0);
        each_node(&body.root, |node| {
            let is_root = std::ptr::eq(node, &body.root);
            let kids = (0..node.kids()).filter_map(|at| node.kid(at));
            assert_eq!(
                node.count,
                node.own() + kids.map(|kid| kid.count).sum::<usize>()
            );
            assert!(is_root || !node.label.bytes().is_empty());
            assert!(is_root || node.fields.is_some() || node.kids() > 1);
            node.check_kids();
            if let Some(hash) = &node.fields {
                assert!(!hash.is_empty());
                hash.check_invariants();
                fields += hash.len();
            }
            bytes += node.memory_bytes() + node.fields_bytes();
        });
        assert_eq!(
            (bytes - boxed_bytes::<PathNode>(), fields),
            (body.bytes, body.fields)
        );
    }

    fn sign(&self, signature: &mut Signature) {
        let mut paths = self.iter();
        while let Some((path, fields)) = paths.next() {
            fields.visit(|field| {
                let mut one = Signature::default();
                one.follow(path);
                one.follow_entry(field.name);
                one.follow_entry(field.value);
                signature.join_signed(one);
                true
            });
        }
    }

    fn free_effort(&self) -> usize {
        self.0.fields
    }

    fn free_step(&mut self, n: usize) -> bool {
        self.0.free_step(n)
    }
}
