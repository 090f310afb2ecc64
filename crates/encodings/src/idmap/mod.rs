//! An ordered map by stream ID: for a stream's nodes and a group's pending entries.
//!
//!     chunks: [ keys, values, weight ] [ ... ] [ ... ]      up to 128 keys each
//!
//! Invariants
//!   1. No chunk is empty, and the keys ascend within and across chunks.
//!   2. A chunk's weight is the total of its values, so that a chunk dropped from the front is
//!      counted without reading its values.
//!   3. A [`MapPosition`] is valid until the next change.
//!   4. `bytes` is the memory that the chunks and their values own, as the allocator counts it:
//!      values change through `update`, chunks through `edit`; they are added by `put`, and
//!      subtracted when removed.
//!
//! Cost: at the end O(1); anywhere else two binary searches, and a move within a chunk (a few
//! kilobytes at most); whole chunks are removed from the front in O(1).

mod chunk;

use super::stream_id::StreamId;
use chunk::{CHUNK_MAX, Chunk};
use russet_base::memory::alloc::deque_bytes;
use russet_base::memory::mover::Mover;
use std::collections::VecDeque;

/// A value with a weight and owned bytes.
pub trait MapValue {
    /// The value's part of the chunk's weight; a value in the map changes through [`IdMap::update`]
    /// only.
    fn weight(&self) -> u64 {
        0
    }

    /// Bytes that the value owns, as the allocator counts them.
    fn owned_bytes(&self) -> usize {
        0
    }
}

impl MapValue for () {}
impl MapValue for StreamId {}

/// The position of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapPosition {
    chunk: usize,
    at: usize,
}

/// See the module.
#[derive(Debug)]
pub struct IdMap<V> {
    chunks: VecDeque<Chunk<V>>,
    len: usize,
    /// Bytes of all chunks (invariant 4).
    bytes: usize,
}

impl<V: MapValue + Clone> Clone for IdMap<V> {
    fn clone(&self) -> Self {
        let chunks = self.chunks.clone();
        IdMap {
            // A copy's vectors have less spare capacity.
            bytes: chunks.iter().map(Chunk::memory_bytes).sum(),
            chunks,
            len: self.len,
        }
    }
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        IdMap {
            chunks: VecDeque::new(),
            len: 0,
            bytes: 0,
        }
    }
}

impl<V: MapValue> IdMap<V> {
    /// Number of keys. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunk that contains a key, if any does.
    #[inline]
    fn chunk_of(&self, id: StreamId) -> Option<usize> {
        let last = self.chunks.len().checked_sub(1)?;
        if self.chunks[last].first() <= id {
            return Some(last);
        }
        let behind = self.chunks.partition_point(|chunk| chunk.first() <= id);
        behind.checked_sub(1)
    }

    /// The position of a key; `None`: it is not there.
    pub fn find(&self, id: StreamId) -> Option<MapPosition> {
        let chunk = self.chunk_of(id)?;
        let at = self.chunks[chunk].find(id).ok()?;
        Some(MapPosition { chunk, at })
    }

    /// Whether a key is there.
    pub fn contains(&self, id: StreamId) -> bool {
        self.find(id).is_some()
    }

    /// The value of a key; `None`: it is not there.
    pub fn get(&self, id: StreamId) -> Option<&V> {
        self.find(id).map(|place| self.value(place))
    }

    /// The last key that is at most `id`.
    pub fn floor(&self, id: StreamId) -> Option<MapPosition> {
        let chunk = self.chunk_of(id)?;
        let at = match self.chunks[chunk].find(id) {
            Ok(at) => at,
            // The chunk's first key is at most `id`.
            Err(at) => at - 1,
        };
        Some(MapPosition { chunk, at })
    }

    /// The first key that is at least `id`.
    pub fn ceil(&self, id: StreamId) -> Option<MapPosition> {
        match self.floor(id) {
            None => self.first(),
            Some(place) if self.key(place) == id => Some(place),
            Some(place) => self.next(place),
        }
    }

    /// The position of the lowest key; `None` if the map is empty.
    #[inline]
    pub fn first(&self) -> Option<MapPosition> {
        (self.len > 0).then_some(MapPosition { chunk: 0, at: 0 })
    }

    /// The position of the highest key; `None` if the map is empty.
    #[inline]
    pub fn last(&self) -> Option<MapPosition> {
        let chunk = self.chunks.len().checked_sub(1)?;
        let at = self.chunks[chunk].len() - 1;
        Some(MapPosition { chunk, at })
    }

    /// The position after this position; `None` after the last key.
    #[inline]
    pub fn next(&self, place: MapPosition) -> Option<MapPosition> {
        let MapPosition { chunk, at } = place;
        if at + 1 < self.chunks[chunk].len() {
            return Some(MapPosition { chunk, at: at + 1 });
        }
        (chunk + 1 < self.chunks.len()).then_some(MapPosition {
            chunk: chunk + 1,
            at: 0,
        })
    }

    /// The position before this position; `None` before the first key.
    #[inline]
    pub fn prev(&self, place: MapPosition) -> Option<MapPosition> {
        let MapPosition { chunk, at } = place;
        if at > 0 {
            return Some(MapPosition { chunk, at: at - 1 });
        }
        let chunk = chunk.checked_sub(1)?;
        let at = self.chunks[chunk].len() - 1;
        Some(MapPosition { chunk, at })
    }

    /// The key with index `n`, from 0. O(chunks).
    pub fn nth(&self, mut n: usize) -> Option<MapPosition> {
        if n >= self.len {
            return None;
        }
        for (number, chunk) in self.chunks.iter().enumerate() {
            if n < chunk.len() {
                return Some(MapPosition {
                    chunk: number,
                    at: n,
                });
            }
            n -= chunk.len();
        }
        None
    }

    /// The key at a position.
    #[inline]
    pub fn key(&self, place: MapPosition) -> StreamId {
        self.chunks[place.chunk].key(place.at)
    }

    /// The value at a position.
    #[inline]
    pub fn value(&self, place: MapPosition) -> &V {
        self.chunks[place.chunk].value(place.at)
    }

    /// Changes a value.
    #[inline]
    pub fn update<R>(&mut self, place: MapPosition, change: impl FnOnce(&mut V) -> R) -> R {
        let chunk = &mut self.chunks[place.chunk];
        let before = chunk.owned();
        let result = chunk.update(place.at, change);
        self.bytes = self.bytes - before + chunk.owned();
        result
    }

    /// Changes a chunk.
    #[inline]
    fn edit<R>(&mut self, number: usize, change: impl FnOnce(&mut Chunk<V>) -> R) -> R {
        let chunk = &mut self.chunks[number];
        let before = chunk.memory_bytes();
        let result = change(chunk);
        self.bytes = self.bytes + chunk.memory_bytes() - before;
        result
    }

    /// Adds a chunk before another, or at the end.
    fn put(&mut self, number: usize, chunk: Chunk<V>) {
        self.bytes += chunk.memory_bytes();
        self.chunks.insert(number, chunk);
    }

    /// Adds a key; false, and no change, if it is there.
    pub fn insert(&mut self, id: StreamId, value: V) -> bool {
        let Some(number) = self.chunk_of(id) else {
            return self.insert_first(id, value);
        };
        let chunk = &self.chunks[number];
        let Err(at) = chunk.find(id) else {
            return false;
        };
        self.len += 1;
        if chunk.len() < CHUNK_MAX {
            self.edit(number, |chunk| chunk.insert(at, id, value));
        } else if at == CHUNK_MAX {
            // Inserts in order keep earlier chunks full.
            match self.chunks.get(number + 1) {
                Some(next) if next.len() < CHUNK_MAX => {
                    self.edit(number + 1, |next| next.insert(0, id, value));
                }
                _ => self.put(number + 1, Chunk::new(id, value)),
            }
        } else {
            let rest = self.edit(number, |chunk| {
                let mut rest = chunk.split_off(CHUNK_MAX / 2);
                match at.checked_sub(CHUNK_MAX / 2) {
                    Some(at) if at > 0 => rest.insert(at, id, value),
                    _ => chunk.insert(at, id, value),
                }
                rest
            });
            self.put(number + 1, rest);
        }
        true
    }

    /// Adds a key before all others.
    fn insert_first(&mut self, id: StreamId, value: V) -> bool {
        self.len += 1;
        match self.chunks.front() {
            Some(chunk) if chunk.len() < CHUNK_MAX => {
                self.edit(0, |chunk| chunk.insert(0, id, value));
            }
            _ => self.put(0, Chunk::new(id, value)),
        }
        true
    }

    /// Removes a key; returns the key's value, or `None` if the key is not there.
    pub fn remove(&mut self, id: StreamId) -> Option<V> {
        self.find(id).map(|place| self.remove_at(place))
    }

    /// Removes the key at a position; returns its value. Other positions become invalid.
    pub fn remove_at(&mut self, place: MapPosition) -> V {
        let MapPosition { chunk: number, at } = place;
        let value = self.edit(number, |chunk| chunk.remove(at));
        self.len -= 1;
        let len = self.chunks[number].len();
        if len == 0 {
            let gone = self.chunks.remove(number);
            self.bytes -= gone.map_or(0, |chunk| chunk.memory_bytes());
        } else if let Some(next) = self.chunks.get(number + 1)
            && len + next.len() <= CHUNK_MAX / 2
            && let Some(next) = self.chunks.remove(number + 1)
        {
            self.bytes -= next.memory_bytes();
            self.edit(number, |chunk| chunk.append(next));
        }
        value
    }

    /// Number of keys and weight of the first chunk, and the first key after it.
    pub fn front(&self) -> Option<(usize, u64, Option<StreamId>)> {
        let chunk = self.chunks.front()?;
        let behind = self.chunks.get(1).map(Chunk::first);
        Some((chunk.len(), chunk.weight(), behind))
    }

    /// Moves the first chunk to the end of `to`, whose keys must all be before it.
    pub fn move_front(&mut self, to: &mut IdMap<V>) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.len -= chunk.len();
            to.len += chunk.len();
            self.bytes -= chunk.memory_bytes();
            to.put(to.chunks.len(), chunk);
        }
    }

    /// The position of a key by its chunk and its number in the chunk, if the key is there.
    pub fn place(&self, chunk: usize, at: usize) -> Option<MapPosition> {
        (at < self.chunks.get(chunk)?.len()).then_some(MapPosition { chunk, at })
    }

    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Offers the blocks of chunk `number`, and with the first chunk the block of the list of
    /// chunks; `each` offers those of a value.
    pub fn relocate_chunk(
        &mut self,
        number: usize,
        mover: &mut Mover,
        each: impl FnMut(&mut V, &mut Mover),
    ) {
        if number == 0 {
            mover.deque(&mut self.chunks);
        }
        if let Some(chunk) = self.chunks.get_mut(number) {
            chunk.relocate(mover, each);
        }
    }

    /// Drops the last chunk; returns its number of keys.
    pub fn drop_chunk(&mut self) -> usize {
        let Some(chunk) = self.chunks.pop_back() else {
            return 0;
        };
        self.len -= chunk.len();
        self.bytes -= chunk.memory_bytes();
        chunk.len()
    }

    /// All keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (StreamId, &V)> + '_ {
        self.iter_from(self.first())
    }

    /// Keys and values from a position on.
    pub fn iter_from(
        &self,
        mut at: Option<MapPosition>,
    ) -> impl Iterator<Item = (StreamId, &V)> + '_ {
        std::iter::from_fn(move || {
            let place = at?;
            at = self.next(place);
            Some((self.key(place), self.value(place)))
        })
    }

    /// Bytes of the map and of everything its values own, as the allocator counts them. O(1).
    pub fn memory_bytes(&self) -> usize {
        deque_bytes(&self.chunks) + self.bytes
    }

    /// Panics if an invariant is broken. O(n).
    pub fn check_invariants(&self) {
        self.chunks.iter().for_each(Chunk::check_invariants);
        let all = self.chunks.iter().map(Chunk::len).sum::<usize>();
        assert_eq!(all, self.len);
        let bytes = self.chunks.iter().map(Chunk::memory_bytes);
        assert_eq!(bytes.sum::<usize>(), self.bytes);
        let mut last = None;
        for (id, _) in self.iter() {
            assert!(last < Some(id));
            last = Some(id);
        }
    }
}

#[cfg(test)]
mod tests;
