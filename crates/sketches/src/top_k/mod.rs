//! A top-k list by HeavyKeeper: which items were added most often?
//!
//!     depth rows of width cells, u32 fingerprint and u32 count, little-endian: as in payloads
//!     a heap of k places: the items with the greatest counts that were seen
//!
//!     payload: k, width, depth, decay, cells, places, (item NUL)
//!     place  = fingerprint: u32, length: u32, 8 bytes, count: u32, 4 bytes
//!
//! An item has a cell in each row. A cell that another item holds loses 1 with the chance
//! `decay ^ count`; at 0 it changes hands. The largest of an item's cells is its count.
//!
//! Redis draws from the C library, so that its replicas and logs arrive at other lists. Here the
//! generator's state is a part of the list: the outcome of an addition follows from the list before
//! it. Redis keeps an address in the eight bytes of a place, and ignores these bytes when it loads
//! them; here the eight bytes of the first place hold the state of the generator. An address of
//! Redis is as good a state as any other.
//!
//! Invariant: the block of cells has eight bytes for each position of the rows.
//! Cost: add O(depth + k), and some draws for a cell of another item, however many additions; list
//! O(k log k).

mod decay;
mod heap;
mod wear;

use russet_base::memory::alloc::{array_bytes, slice_bytes};
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;

use self::decay::{DecayThresholds, Generator};
use self::heap::Heap;
use self::wear::wear;
use crate::block::{blank, copy_piece};
use crate::hash::murmur2;
use crate::room::{admits, zeros};
use crate::rows::Rows;
use crate::{Damage, block_effort};

/// Bytes of a cell, and of a place in a payload.
const CELL: usize = 8;
const PLACE: usize = 24;
/// The seed of fingerprints.
const FINGERPRINT: u32 = 1919;
/// Items of a new list: each addition searches all of them.
pub const K_MAX: u32 = 1 << 17;
/// Items freed in a step.
const FREED_TOGETHER: usize = 256;

/// See the module.
#[derive(Clone)]
pub struct TopK {
    rows: Rows,
    chances: DecayThresholds,
    generator: Generator,
    cells: Box<[u8]>,
    heap: Heap,
}

/// A list that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopKError {
    /// A number is 0 or too large.
    BadShape,
    /// There is no memory for it.
    NoRoom,
}

/// The size of a list and its decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Items of the list.
    pub k: u32,
    /// Cells of a row.
    pub width: u32,
    /// Rows.
    pub depth: u32,
    /// The chance that a cell with count 1 is lost: above 0, at most 1.
    pub decay: f64,
}

impl Shape {
    fn rows(&self) -> Option<Rows> {
        let is_decay = self.decay > 0.0 && self.decay <= 1.0;
        if self.k == 0 || !is_decay {
            return None;
        }
        Rows::new(self.width.into(), self.depth.into())
    }
}

impl TopK {
    /// An empty list; `seed`: of the list's generator.
    pub fn new(shape: Shape, seed: u64) -> Result<TopK, TopKError> {
        let rows = shape.rows().ok_or(TopKError::BadShape)?;
        let bytes = (rows.counters() as usize).checked_mul(CELL);
        let places = Heap::bytes_of(shape.k as usize) as u64;
        let all = bytes.map(|bytes| places.saturating_add(bytes as u64));
        if !all.is_some_and(admits) {
            return Err(TopKError::NoRoom);
        }
        Ok(TopK {
            rows,
            chances: DecayThresholds::new(shape.decay),
            generator: Generator(seed),
            cells: bytes.and_then(zeros).ok_or(TopKError::NoRoom)?,
            heap: Heap::new(shape.k as usize).ok_or(TopKError::NoRoom)?,
        })
    }

    /// Size and decay.
    pub fn shape(&self) -> Shape {
        Shape {
            k: self.heap.len() as u32,
            width: self.rows.width() as u32,
            depth: self.rows.depth() as u32,
            decay: self.chances.decay(),
        }
    }

    /// Adds an item `n` times; returns the item that it has pushed out of the list.
    pub fn add(&mut self, item: &[u8], n: u32) -> Option<Box<[u8]>> {
        let fingerprint = murmur2(item, FINGERPRINT);
        let (cells, _) = self.cells.as_chunks_mut::<CELL>();
        let (chances, generator) = (&self.chances, &mut self.generator);
        let mut most = 0;
        self.rows.each(item, |positions| {
            for position in positions {
                let cell = &mut cells[*position];
                let (holder, count) = parts(*cell);
                let count = if count == 0 {
                    n
                } else if holder == fingerprint {
                    // Redis's counts wrap around.
                    count.saturating_add(n)
                } else {
                    let (count, left) = wear(count, n, chances, generator);
                    if left == 0 {
                        *cell = joined(holder, count);
                        continue;
                    }
                    left
                };
                *cell = joined(fingerprint, count);
                most = most.max(count);
            }
        });
        if most < self.heap.least() {
            return None;
        }
        match self.heap.find(fingerprint, item) {
            Some(at) => {
                self.heap.set_count(at, most);
                None
            }
            None => self.heap.replace_root(fingerprint, most, item),
        }
    }

    /// Whether an item is in the list.
    pub fn has(&self, item: &[u8]) -> bool {
        self.heap.find(murmur2(item, FINGERPRINT), item).is_some()
    }

    /// How often an item was added, about; 0 if no cell is its own.
    pub fn estimate(&self, item: &[u8]) -> u32 {
        let fingerprint = murmur2(item, FINGERPRINT);
        let least = match self.heap.find(fingerprint, item) {
            Some(_) => self.heap.least(),
            None => 0,
        };
        let (cells, _) = self.cells.as_chunks::<CELL>();
        let mut most = 0;
        self.rows.each(item, |positions| {
            for position in positions {
                let (holder, count) = parts(cells[*position]);
                if holder == fingerprint && count >= least {
                    most = most.max(count);
                }
            }
        });
        most
    }

    /// The items with counts above 0, the greatest first; of equal ones the first in the heap.
    pub fn list(&self) -> Vec<(&[u8], u32)> {
        let places = self.heap.places();
        let mut list: Vec<_> = places
            .filter_map(|place| Some((place.item?, place.count)))
            .filter(|(_, count)| *count > 0)
            .collect();
        list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        list
    }

    /// The cells, as a payload has them.
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    /// The places, as a payload has them.
    pub fn places(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.heap.len() * PLACE);
        let mut state = self.generator.0;
        for place in self.heap.places() {
            let length = place.item.map_or(0, <[u8]>::len) as u32;
            bytes.extend_from_slice(&place.fingerprint.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&std::mem::take(&mut state).to_le_bytes());
            bytes.extend_from_slice(&place.count.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        bytes
    }

    /// The items in the order of the places; `None` in an empty list.
    pub fn items(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.heap.places().map(|place| place.item)
    }
}

fn parts(cell: [u8; CELL]) -> (u32, u32) {
    let cell = u64::from_le_bytes(cell);
    (cell as u32, (cell >> 32) as u32)
}

fn joined(fingerprint: u32, count: u32) -> [u8; CELL] {
    (u64::from(count) << 32 | u64::from(fingerprint)).to_le_bytes()
}

/// Makes a list of a payload's fields: the items come after the rest.
pub struct Loader {
    list: TopK,
    places: Vec<u8>,
    next: usize,
}

impl Loader {
    /// The numbers and blocks must fit together.
    pub fn new(
        [k, width, depth]: [u64; 3],
        decay: f64,
        cells: Box<[u8]>,
        places: Vec<u8>,
    ) -> Result<Loader, Damage> {
        let number = |n: u64| u32::try_from(n).map_err(|_| Damage);
        let shape = Shape {
            k: number(k)?,
            width: number(width)?,
            depth: number(depth)?,
            decay,
        };
        let rows = shape.rows().ok_or(Damage)?;
        let fits = rows.counters().checked_mul(CELL as u64) == Some(cells.len() as u64)
            && k * PLACE as u64 == places.len() as u64;
        if !fits {
            return Err(Damage);
        }
        let state = places[8..16].as_array().expect("eight bytes");
        let list = TopK {
            rows,
            chances: DecayThresholds::new(decay),
            generator: Generator(u64::from_le_bytes(*state)),
            cells,
            heap: Heap::new(shape.k as usize).ok_or(Damage)?,
        };
        Ok(Loader {
            list,
            places,
            next: 0,
        })
    }

    /// Items that are to come.
    pub fn left(&self) -> usize {
        self.list.heap.len() - self.next
    }

    /// The next item, with its NUL. Redis cuts an item at a NUL inside, so an item may be shorter
    /// than the length says.
    ///
    /// # Panics
    /// If no item is left.
    pub fn item(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        let Some((0, item)) = bytes.split_last() else {
            return Err(Damage);
        };
        let place = &self.places[self.next * PLACE..][..PLACE];
        let number = |at: usize| {
            let bytes = place[at..at + 4].as_array().expect("four bytes");
            u32::from_le_bytes(*bytes)
        };
        let (fingerprint, length, count) = (number(0), number(4), number(16));
        if item.len() > length as usize {
            return Err(Damage);
        }
        // Redis forgets an item that begins with a NUL, and the item's place.
        let is_empty = item.is_empty() && fingerprint != murmur2(b"", FINGERPRINT);
        let heap = &mut self.list.heap;
        if is_empty {
            heap.fill(self.next, 0, count, None);
        } else {
            heap.fill(self.next, fingerprint, count, Some(item));
        }
        self.next += 1;
        Ok(())
    }

    /// The list, when no item is to come.
    pub fn finish(self) -> Result<TopK, Damage> {
        if self.left() > 0 {
            return Err(Damage);
        }
        Ok(self.list)
    }
}

impl Content for TopK {
    fn memory_bytes(&self) -> usize {
        slice_bytes(self.cells.len())
            + array_bytes::<u64>(self.chances.block_len())
            + self.heap.memory_bytes()
    }

    fn free_effort(&self) -> usize {
        self.heap.items() + block_effort(self.cells.len())
    }

    fn free_step(&mut self, _n: usize) -> bool {
        self.heap.free_step(FREED_TOGETHER)
    }

    /// The cells and the heap come with its first items.
    fn begin_copy(&self) -> TopK {
        TopK {
            rows: self.rows,
            chances: self.chances.clone(),
            generator: self.generator,
            cells: blank(&self.cells),
            heap: self.heap.clone(),
        }
    }

    fn copy_piece(&self, to: &mut TopK, at: u64) -> Option<u64> {
        let cells = (&*self.cells, &mut *to.cells);
        copy_piece(std::iter::once(cells), at)
    }

    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.slice(&mut self.cells);
            mover.slice(self.chances.block_mut());
            self.heap.relocate(mover);
        }
        self.heap.relocate_items(mover, at, n)
    }

    fn check_invariants(&self) {
        assert_eq!(self.cells.len() as u64, self.rows.counters() * CELL as u64);
        assert!(self.shape().rows() == Some(self.rows));
        self.heap.check_invariants();
    }

    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        let shape = self.shape();
        for number in [shape.k, shape.width, shape.depth] {
            take(&number.to_le_bytes());
        }
        take(&shape.decay.to_le_bytes());
        take(&self.cells);
        take(&self.places());
        for item in self.items() {
            take(item.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
