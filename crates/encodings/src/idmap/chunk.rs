//! A chunk of an [`IdMap`](super::IdMap): up to [`CHUNK_MAX`] keys in order, and their values.
//!
//! Keys that are close together, as those of a stream are, are stored in eight bytes:
//!
//!     short: (ms - base) << 20 | seq      long: ms, seq
//!
//! A chunk uses short keys as long as all of its keys have a short form; the order is the same.

use super::MapValue;
use crate::stream_id::StreamId;
use russet_base::memory::alloc::vec_bytes;
use russet_base::memory::mover::Mover;

/// Keys in a full chunk.
pub(super) const CHUNK_MAX: usize = 128;
const SEQ_BITS: u32 = 20;
const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;
const DELTA_MAX: u64 = u64::MAX >> SEQ_BITS;

#[derive(Clone, Debug)]
enum Keys {
    Short { base_ms: u64, keys: Vec<u64> },
    Long(Vec<StreamId>),
}

/// See the module. Never empty, except temporarily.
#[derive(Clone, Debug)]
pub(super) struct Chunk<V> {
    keys: Keys,
    values: Vec<V>,
    /// The total weight of all values.
    weight: u64,
    /// Bytes that all values own.
    owned: usize,
}

/// The short form of a key, if it has a short form.
#[inline]
fn short(base_ms: u64, id: StreamId) -> Option<u64> {
    let delta = id.ms.checked_sub(base_ms)?;
    (delta <= DELTA_MAX && id.seq <= SEQ_MAX).then_some(delta << SEQ_BITS | id.seq)
}

#[inline]
fn long(base_ms: u64, key: u64) -> StreamId {
    StreamId::new(base_ms + (key >> SEQ_BITS), key & SEQ_MAX)
}

impl<V: MapValue> Chunk<V> {
    pub fn new(id: StreamId, value: V) -> Chunk<V> {
        let keys = if id.seq <= SEQ_MAX {
            Keys::Short {
                base_ms: id.ms,
                keys: vec![id.seq],
            }
        } else {
            Keys::Long(vec![id])
        };
        Chunk {
            keys,
            weight: value.weight(),
            owned: value.owned_bytes(),
            values: vec![value],
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Bytes that all values own.
    #[inline]
    pub fn owned(&self) -> usize {
        self.owned
    }

    /// Bytes that the chunk and its values own, as the allocator counts them.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        let keys = match &self.keys {
            Keys::Short { keys, .. } => vec_bytes(keys),
            Keys::Long(keys) => vec_bytes(keys),
        };
        keys + vec_bytes(&self.values) + self.owned
    }

    #[inline]
    pub fn key(&self, at: usize) -> StreamId {
        match &self.keys {
            Keys::Short { base_ms, keys } => long(*base_ms, keys[at]),
            Keys::Long(keys) => keys[at],
        }
    }

    #[inline]
    pub fn first(&self) -> StreamId {
        self.key(0)
    }

    #[inline]
    pub fn value(&self, at: usize) -> &V {
        &self.values[at]
    }

    /// Changes a value.
    #[inline]
    pub fn update<R>(&mut self, at: usize, change: impl FnOnce(&mut V) -> R) -> R {
        let value = &mut self.values[at];
        let (before, owned) = (value.weight(), value.owned_bytes());
        let result = change(value);
        self.weight = self.weight - before + value.weight();
        self.owned = self.owned - owned + value.owned_bytes();
        result
    }

    /// The index of a key, or where it would be.
    pub fn find(&self, id: StreamId) -> Result<usize, usize> {
        match &self.keys {
            Keys::Long(keys) => keys.binary_search(&id),
            Keys::Short { base_ms, keys } => match short(*base_ms, id) {
                Some(key) => keys.binary_search(&key),
                None if id.ms < *base_ms => Err(0),
                None => {
                    // After every key of its millisecond, or, beyond `DELTA_MAX`, every key.
                    let delta = (id.ms - base_ms).min(DELTA_MAX);
                    let last = delta << SEQ_BITS | SEQ_MAX;
                    Err(keys.partition_point(|&key| key <= last))
                }
            },
        }
    }

    /// Converts the keys to a form that also holds `id`, which the current form cannot.
    #[cold]
    fn make_room_for(&mut self, id: StreamId) {
        let all: Vec<StreamId> = (0..self.len()).map(|at| self.key(at)).collect();
        let base_ms = self.first().ms.min(id.ms);
        let fits = |&id: &StreamId| short(base_ms, id).is_some();
        self.keys = if fits(&id) && all.iter().all(fits) {
            let keys = all.iter().filter_map(|&id| short(base_ms, id)).collect();
            Keys::Short { base_ms, keys }
        } else {
            Keys::Long(all)
        };
    }

    /// Adds a key at the index that [`Chunk::find`] returned.
    pub fn insert(&mut self, at: usize, id: StreamId, value: V) {
        if let Keys::Short { base_ms, .. } = &self.keys
            && short(*base_ms, id).is_none()
        {
            self.make_room_for(id);
        }
        match &mut self.keys {
            Keys::Long(keys) => keys.insert(at, id),
            Keys::Short { base_ms, keys } => {
                keys.insert(at, short(*base_ms, id).expect("there is room"));
            }
        }
        self.weight += value.weight();
        self.owned += value.owned_bytes();
        self.values.insert(at, value);
    }

    pub fn remove(&mut self, at: usize) -> V {
        match &mut self.keys {
            Keys::Long(keys) => _ = keys.remove(at),
            Keys::Short { keys, .. } => _ = keys.remove(at),
        }
        let value = self.values.remove(at);
        self.weight -= value.weight();
        self.owned -= value.owned_bytes();
        value
    }

    /// Moves the keys from `at` on to a new chunk.
    pub fn split_off(&mut self, at: usize) -> Chunk<V> {
        let keys = match &mut self.keys {
            Keys::Long(keys) => Keys::Long(keys.split_off(at)),
            Keys::Short { base_ms, keys } => Keys::Short {
                base_ms: *base_ms,
                keys: keys.split_off(at),
            },
        };
        let values = self.values.split_off(at);
        let weight = values.iter().map(MapValue::weight).sum();
        let owned = values.iter().map(MapValue::owned_bytes).sum();
        self.weight -= weight;
        self.owned -= owned;
        Chunk {
            keys,
            values,
            weight,
            owned,
        }
    }

    /// Appends the keys of the next chunk.
    pub fn append(&mut self, mut next: Chunk<V>) {
        let keys: Vec<StreamId> = (0..next.len()).map(|at| next.key(at)).collect();
        for (id, value) in keys.into_iter().zip(next.values.drain(..)) {
            let at = self.len();
            self.insert(at, id, value);
        }
    }

    /// Offers the chunk's blocks; `each` offers those of a value, whose weight must not change.
    pub fn relocate(&mut self, mover: &mut Mover, mut each: impl FnMut(&mut V, &mut Mover)) {
        match &mut self.keys {
            Keys::Long(keys) => mover.vec(keys),
            Keys::Short { keys, .. } => mover.vec(keys),
        }
        mover.vec(&mut self.values);
        self.values.iter_mut().for_each(|value| each(value, mover));
    }

    pub fn check_invariants(&self) {
        assert!(self.len() > 0 && self.len() <= CHUNK_MAX);
        let keys: Vec<StreamId> = (0..self.len()).map(|at| self.key(at)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
        let weights = self.values.iter().map(MapValue::weight);
        assert_eq!(self.weight, weights.sum::<u64>());
        let owned = self.values.iter().map(MapValue::owned_bytes);
        assert_eq!(self.owned, owned.sum::<usize>());
    }
}
