//! An index from a file: node after node, with links by uid, then all links at once.
//!
//! Files are not trusted: any file gives an index whose invariants hold, or an error. Memory is
//! bounded by the size of the input.

use std::collections::HashMap;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::query::StoredVector;
use super::store::{NODES_MAX, NewNode};
use super::{Index, LEVEL_MAX, LINKS_MAX, NodeId, Parameters};

/// A node as files have it.
#[derive(Clone, Copy, Debug)]
pub struct LoadedNode<'a> {
    /// The number that names the node in the file; not 0.
    pub uid: u64,
    /// The owner's word.
    pub payload: u64,
    /// [`Parameters::vector_bytes`] bytes, with norm and range.
    pub vector: StoredVector<'a>,
    /// For each level from 0 to the node's own: how many links, and how many at most.
    pub levels: &'a [(u64, u64)],
    /// The uids of the links, level after level.
    pub links: &'a [u64],
}

/// A fault in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The vector's bytes are not as many as the parameters demand.
    #[error("the vector has another size than the set's")]
    VectorSize,
    /// The node has no level, or more than an index can have.
    #[error("the node has more levels than there are")]
    Level,
    /// More links than the level's own limit or [`LINKS_MAX`], or another number than stated.
    #[error("more links than allowed, or another number than announced")]
    LinkCount,
    /// The index is full.
    #[error("more nodes than an index can hold")]
    TooMany,
    /// A uid of 0, or of two nodes.
    #[error("the node id is zero or used twice")]
    Uid,
    /// A link to an unknown uid, to a node without that level, or from a node to itself.
    #[error("a link leads to no node, to one below its level, or to the node itself")]
    Target,
    /// A node has two links to the same node at a level.
    #[error("a link is there twice")]
    Doubled,
    /// A link to a node that has no link back at that level.
    #[error("a link has no link back")]
    OneWay,
}

/// Builds an index from a file's nodes.
#[derive(Debug)]
pub struct Loader {
    index: Index,
    /// Tokens of uids from [`INTERNED`] on.
    interned: HashMap<u64, u32>,
    tokens: Vec<u32>,
}

/// Until all nodes are known, links hold tokens: a uid below this is its own token; greater uids
/// get tokens from here on in the order they appear.
const INTERNED: u32 = 1 << 30;
/// Tokens are below this: greater numbers have another meaning in a store.
const TOKENS_END: u32 = 1 << 31;

impl Loader {
    /// A loader of an index with these parameters; no node yet.
    pub fn new(parameters: Parameters) -> Loader {
        Loader {
            index: Index::new(parameters),
            interned: HashMap::new(),
            tokens: Vec::new(),
        }
    }

    /// Adds a node. The first node of the highest level becomes the entry.
    pub fn add(&mut self, node: LoadedNode<'_>) -> Result<NodeId, LoadError> {
        let parameters = *self.index.parameters();
        if node.vector.bytes.len() != parameters.vector_bytes() {
            return Err(LoadError::VectorSize);
        }
        let level = node.levels.len().checked_sub(1).ok_or(LoadError::Level)?;
        if level > LEVEL_MAX {
            return Err(LoadError::Level);
        }
        let mut left = node.links.len() as u64;
        for &(count, max) in node.levels {
            if count > max || max > LINKS_MAX as u64 {
                return Err(LoadError::LinkCount);
            }
            left = left.checked_sub(count).ok_or(LoadError::LinkCount)?;
        }
        if left > 0 {
            return Err(LoadError::LinkCount);
        }
        if node.uid == 0 {
            return Err(LoadError::Uid);
        }
        if self.index.store.slots() as usize >= NODES_MAX {
            return Err(LoadError::TooMany);
        }
        let generation = self.index.changed();
        let id = self.index.store.add(NewNode {
            uid: node.uid,
            payload: node.payload,
            generation,
            level: level as u8,
            vector: node.vector,
        });
        let mut links = node.links;
        for (at, &(count, max)) in node.levels.iter().enumerate() {
            let (here, rest) = links.split_at(count as usize);
            links = rest;
            let mut tokens = std::mem::take(&mut self.tokens);
            tokens.clear();
            for &uid in here {
                tokens.push(self.token(uid)?);
            }
            self.index.store.set_links(id, at, &tokens, max as usize);
            self.tokens = tokens;
        }
        self.index.max_uid = self.index.max_uid.max(node.uid);
        self.index.level_counts[level] += 1;
        if self.index.entry_point().is_none() || level > self.index.max_level {
            self.index.entry = id;
            self.index.max_level = level;
        }
        Ok(NodeId(id))
    }

    fn token(&mut self, uid: u64) -> Result<u32, LoadError> {
        if uid < u64::from(INTERNED) {
            return Ok(uid as u32);
        }
        let next = INTERNED + self.interned.len() as u32;
        if next >= TOKENS_END {
            return Err(LoadError::TooMany);
        }
        Ok(*self.interned.entry(uid).or_insert(next))
    }

    /// Resolves all links, and returns the index if every link is sound.
    ///
    /// Mutual links are checked by sums of random hashes, a hash per link, which cancel those of
    /// the links back: a file cannot know the keys, and looking at the other end of each link would
    /// take as long as the rest of the load.
    pub fn finish(mut self) -> Result<Index, LoadError> {
        let ids = self.ids_by_token()?;
        let keys = Keys::new();
        let mut balance = [0_u64; 2];
        let slots = self.index.store.slots();
        // Levels in an array of their own: a look at a target's head would be a miss of the cache.
        let levels: Vec<u8> = (0..slots)
            .map(|id| self.index.store.level(id) as u8)
            .collect();
        for id in 0..slots {
            for level in 0..=usize::from(levels[id as usize]) {
                self.index.store.map_links(id, level, |token| {
                    let target = ids.get(token).ok_or(LoadError::Target)?;
                    if target == id || usize::from(levels[target as usize]) < level {
                        return Err(LoadError::Target);
                    }
                    keys.add(&mut balance, id, target, level);
                    Ok(target)
                })?;
                if has_doubles(self.index.store.links(id, level)) {
                    return Err(LoadError::Doubled);
                }
            }
        }
        match balance {
            [0, 0] => Ok(self.index),
            _ => Err(LoadError::OneWay),
        }
    }

    fn ids_by_token(&mut self) -> Result<Ids, LoadError> {
        let slots = self.index.store.slots();
        let small = |uid: u64| uid < u64::from(INTERNED);
        let uids = || (0..slots).map(|id| self.index.store.uid(id));
        let greatest = uids().filter(|&uid| small(uid)).max().unwrap_or(0);
        let dense = greatest <= u64::from(slots) * 8 + 1024;
        let mut ids = Ids::new(
            if dense { greatest as usize + 1 } else { 0 },
            slots as usize,
        );
        for (id, uid) in uids().enumerate() {
            let token = if small(uid) {
                uid as u32
            } else {
                let next = INTERNED + self.interned.len() as u32;
                *self.interned.entry(uid).or_insert(next)
            };
            if !ids.insert(token, id as u32) {
                return Err(LoadError::Uid);
            }
        }
        Ok(ids)
    }
}

fn has_doubles(links: &[u32]) -> bool {
    if links.len() > 64 {
        let mut sorted = links.to_vec();
        sorted.sort_unstable();
        return sorted.array_windows().any(|[a, b]| a == b);
    }
    (links.iter().enumerate()).any(|(at, link)| {
        links[..at]
            .iter()
            .fold(false, |any, other| any | (link == other))
    })
}

/// Random numbers that hashes start from.
struct Keys([u64; 4]);

impl Keys {
    fn new() -> Keys {
        let mut rng = SmallRng::from_rng(&mut rand::rng());
        Keys(std::array::from_fn(|_| rng.next_u64() | 1))
    }

    /// Adds a link's hash to `balance`, or subtracts it, by the link's direction.
    fn add(&self, balance: &mut [u64; 2], from: u32, to: u32, level: usize) {
        let (low, high) = (from.min(to), from.max(to));
        let pair = u64::from(high) << 32 | u64::from(low);
        let [a, b, c, d] = self.0;
        let first = fold(pair ^ a, (level as u64) ^ b);
        let hashes = [fold(first ^ c, pair ^ d), fold(first ^ d, pair ^ b)];
        for (sum, hash) in balance.iter_mut().zip(hashes) {
            *sum = if from < to {
                sum.wrapping_add(hash)
            } else {
                sum.wrapping_sub(hash)
            };
        }
    }
}

/// Multiplies, and folds the product's halves together.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// Nodes by token: an array for tokens up to some limit, and a hash table for others.
struct Ids {
    dense: Vec<u32>,
    /// Token and id; open addressing, at most half full.
    sparse: Vec<(u32, u32)>,
    key: u64,
}

const NO_NODE: u32 = u32::MAX;

impl Ids {
    fn new(dense: usize, nodes: usize) -> Ids {
        Ids {
            dense: vec![NO_NODE; dense],
            sparse: vec![(0, NO_NODE); (nodes * 2).next_power_of_two()],
            key: Keys::new().0[0],
        }
    }

    fn slot(&self, token: u32) -> usize {
        let mask = self.sparse.len() - 1;
        let mut at = fold(u64::from(token) ^ self.key, self.key.rotate_left(32)) as usize & mask;
        while self.sparse[at].1 != NO_NODE && self.sparse[at].0 != token {
            at = (at + 1) & mask;
        }
        at
    }

    /// Adds a node, and returns whether its token is new.
    fn insert(&mut self, token: u32, id: u32) -> bool {
        if let Some(slot) = self.dense.get_mut(token as usize) {
            return std::mem::replace(slot, id) == NO_NODE;
        }
        let at = self.slot(token);
        std::mem::replace(&mut self.sparse[at], (token, id)).1 == NO_NODE
    }

    #[inline]
    fn get(&self, token: u32) -> Option<u32> {
        let id = match self.dense.get(token as usize) {
            Some(&id) => id,
            None => self.sparse[self.slot(token)].1,
        };
        (id != NO_NODE).then_some(id)
    }
}
