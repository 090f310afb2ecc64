//! The slices of an array by number: none, a single slice in place, or an ordered map.
//!
//! Invariants
//!   1. Only slices with values are here, and `Many` is never an empty map.
//!   2. `Many` does not become `One` again; without its last slice it becomes `None`.
//!
//! Cost: `One` needs no allocation beside the slice's; in the map a slice is found by two binary
//! searches. A position of `relocate` is the number of the map's chunk and of the slice in it,
//! eight bits. When a slice is made and removed: `array`; how it stores values: `slice`.

use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
use russet_encodings::idmap::{IdMap, MapValue};
use russet_encodings::stream_id::StreamId;

use super::slice::Slice;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) enum Slices {
    #[default]
    None,
    One(u64, Slice),
    Many(Box<IdMap<Slice>>),
}

/// The key of a slice in the map.
#[inline]
fn key(number: u64) -> StreamId {
    StreamId::new(number, 0)
}

impl Slices {
    pub fn len(&self) -> usize {
        match self {
            Slices::None => 0,
            Slices::One(..) => 1,
            Slices::Many(map) => map.len(),
        }
    }

    #[inline]
    pub fn get(&self, number: u64) -> Option<&Slice> {
        match self {
            Slices::One(its, slice) if *its == number => Some(slice),
            Slices::Many(map) => map.get(key(number)),
            _ => None,
        }
    }

    /// Changes a slice, if it is there.
    #[inline]
    pub fn update<R>(&mut self, number: u64, change: impl FnOnce(&mut Slice) -> R) -> Option<R> {
        match self {
            Slices::One(its, slice) if *its == number => Some(change(slice)),
            Slices::Many(map) => map.find(key(number)).map(|place| map.update(place, change)),
            _ => None,
        }
    }

    /// Adds a slice whose number is not there.
    pub fn insert(&mut self, number: u64, slice: Slice) {
        match std::mem::take(self) {
            Slices::None => *self = Slices::One(number, slice),
            Slices::One(its, first) => {
                let mut map = Box::new(IdMap::default());
                map.insert(key(its), first);
                map.insert(key(number), slice);
                *self = Slices::Many(map);
            }
            Slices::Many(mut map) => {
                map.insert(key(number), slice);
                *self = Slices::Many(map);
            }
        }
    }

    pub fn remove(&mut self, number: u64) {
        match self {
            Slices::One(its, _) if *its == number => *self = Slices::None,
            Slices::Many(map) => {
                map.remove(key(number));
                if map.is_empty() {
                    *self = Slices::None;
                }
            }
            _ => {}
        }
    }

    /// The first slice whose number is at least this.
    pub fn ceil(&self, number: u64) -> Option<(u64, &Slice)> {
        match self {
            Slices::None => None,
            Slices::One(its, slice) => (*its >= number).then_some((*its, slice)),
            Slices::Many(map) => {
                let place = map.ceil(key(number))?;
                Some((map.key(place).ms, map.value(place)))
            }
        }
    }

    /// The last slice whose number is at most this.
    pub fn floor(&self, number: u64) -> Option<(u64, &Slice)> {
        match self {
            Slices::None => None,
            Slices::One(its, slice) => (*its <= number).then_some((*its, slice)),
            Slices::Many(map) => {
                let place = map.floor(key(number))?;
                Some((map.key(place).ms, map.value(place)))
            }
        }
    }

    /// All slices in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Slice)> + '_ {
        let (one, map) = match self {
            Slices::None => (None, None),
            Slices::One(number, slice) => (Some((*number, slice)), None),
            Slices::Many(map) => (None, Some(map)),
        };
        let many = map.into_iter().flat_map(|map| map.iter());
        one.into_iter()
            .chain(many.map(|(id, slice)| (id.ms, slice)))
    }

    /// Bytes that the slices own, as the allocator counts them. O(1).
    pub fn memory_bytes(&self) -> usize {
        match self {
            Slices::None => 0,
            Slices::One(_, slice) => slice.owned_bytes(),
            Slices::Many(map) => boxed_bytes::<IdMap<Slice>>() + map.memory_bytes(),
        }
    }

    /// Frees slices of about `n` values from the end; true when none is left.
    pub fn free_step(&mut self, n: usize) -> bool {
        let Slices::Many(map) = self else {
            *self = Slices::None;
            return true;
        };
        let mut freed = 0;
        while freed < n
            && let Some(last) = map.last()
        {
            freed += map.remove_at(last).len();
        }
        map.is_empty()
    }

    /// Offers the blocks of a slice and, with the first slice of a chunk of the map, those of the
    /// chunk; returns the next position.
    pub fn relocate(&mut self, mover: &mut Mover, at: u64) -> Option<u64> {
        let map = match self {
            Slices::None => return None,
            Slices::One(_, slice) => {
                slice.relocate(mover);
                return None;
            }
            Slices::Many(map) => map,
        };
        if at == 0 {
            mover.boxed(map);
        }
        let (chunk, slice) = ((at >> 8) as usize, (at & 0xff) as usize);
        if slice == 0 {
            map.relocate_chunk(chunk, mover, |_, _| {});
        }
        let Some(place) = map.place(chunk, slice) else {
            // The chunk has fewer slices.
            let next = chunk + 1;
            return (next < map.chunks()).then_some((next as u64) << 8);
        };
        map.update(place, |slice| slice.relocate(mover));
        Some(at + 1)
    }

    pub fn check_invariants(&self) {
        if let Slices::Many(map) = self {
            map.check_invariants();
            assert!(!map.is_empty());
        }
    }
}
