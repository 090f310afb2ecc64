//! A filter from outside: by its parts, or as header and chunks (the module's opening draws them).
//!
//! All numbers are checked before the first part is made; then every part has the size that the
//! numbers say.

use super::{Cuckoo, PARTS_MAX, SLOTS_MAX};
use crate::Damage;
use crate::block::Block;
use crate::chunks::{self, CHUNK_MAX, ChunkError, Numbers};

/// Bytes of a header.
const HEADER_BYTES: usize = 38;
/// The largest bucket that a command makes.
const BUCKET_SIZE_MAX: u64 = 255;

/// A filter's numbers, as files and headers have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Slots in use.
    pub items: u64,
    /// Deleted since the last compaction.
    pub deletes: u64,
    /// Buckets of the first part.
    pub buckets: u64,
    /// The filter's parts.
    pub parts: u64,
    /// Slots of a bucket.
    pub bucket_size: u64,
    /// Moves at most to free a slot.
    pub moves_max: u64,
    /// The ratio of a part's buckets to those of the last; 0: there is a single part.
    pub expansion: u64,
}

/// Puts a filter together from checked parts.
pub struct Loader {
    filter: Cuckoo,
    wanted: usize,
}

impl Loader {
    /// A filter of this shape, whose parts follow.
    pub fn new(shape: Shape) -> Result<Loader, Damage> {
        let wanted = usize::try_from(shape.parts).map_err(|_| Damage)?;
        let expansion = u16::try_from(shape.expansion).map_err(|_| Damage)?;
        let moves_max = u16::try_from(shape.moves_max).map_err(|_| Damage)?;
        let is_sound = (1..=PARTS_MAX).contains(&wanted)
            && (1..=BUCKET_SIZE_MAX).contains(&shape.bucket_size)
            && shape.buckets.is_power_of_two()
            && moves_max > 0
            && (expansion.is_power_of_two() || expansion == 0 && wanted == 1);
        if !is_sound {
            return Err(Damage);
        }
        let filter = Cuckoo {
            items: shape.items,
            deletes: shape.deletes,
            buckets: shape.buckets,
            bucket_size: shape.bucket_size as u16,
            moves_max,
            expansion,
            parts: Vec::new(),
        };
        let mut slots: u64 = 0;
        for part in 0..wanted {
            slots = slots.saturating_add(filter.slots_of(part).ok_or(Damage)?);
        }
        if slots > SLOTS_MAX {
            return Err(Damage);
        }
        Ok(Loader { filter, wanted })
    }

    /// Parts that are still to come.
    pub fn left(&self) -> usize {
        self.wanted - self.filter.parts.len()
    }

    /// The buckets and the bytes of the next part. Must not be called when none is left.
    pub fn next_size(&self) -> (u64, u64) {
        let slots = self.filter.slots_of(self.filter.parts.len());
        let slots = slots.expect("all parts were checked");
        (slots / u64::from(self.filter.bucket_size), slots)
    }

    /// The next part.
    pub fn part(&mut self, bytes: Block) -> Result<(), Damage> {
        if self.left() == 0 || bytes.len() as u64 != self.next_size().1 {
            return Err(Damage);
        }
        self.filter.parts.push(bytes);
        Ok(())
    }

    /// The filter, after all its parts.
    pub fn finish(mut self) -> Result<Cuckoo, Damage> {
        if self.left() > 0 {
            return Err(Damage);
        }
        self.filter.parts.shrink_to_fit();
        Ok(self.filter)
    }
}

impl Cuckoo {
    /// The numbers of the filter.
    pub fn shape(&self) -> Shape {
        Shape {
            items: self.items,
            deletes: self.deletes,
            buckets: self.buckets,
            parts: self.parts.len() as u64,
            bucket_size: self.bucket_size.into(),
            moves_max: self.moves_max.into(),
            expansion: self.expansion.into(),
        }
    }

    /// The header: everything but the slots.
    pub fn header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        let numbers = [
            self.items,
            self.buckets,
            self.deletes,
            self.parts.len() as u64,
        ];
        for number in numbers {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.bucket_size, self.moves_max, self.expansion] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// The filter of a header, without any slot in use. Everything is checked before the first part
    /// is allocated. `None`: the header has another length.
    pub fn from_header(header: &[u8]) -> Option<Result<Cuckoo, Damage>> {
        if header.len() != HEADER_BYTES {
            return None;
        }
        Some(numbers(&mut Numbers(header)).ok_or(Damage).and_then(empty))
    }

    /// The chunk at a position, the first of which is 1, and the position after it. `None`: there
    /// is none.
    pub fn chunk(&self, at: i64) -> Option<(i64, &[u8])> {
        self.chunk_within(at, CHUNK_MAX)
    }

    /// As above, with another bound on the bytes.
    pub fn chunk_within(&self, at: i64, bytes_max: usize) -> Option<(i64, &[u8])> {
        let (part, offset) = self.place(at)?;
        let chunk = chunks::chunk(&self.parts[part], offset, bytes_max);
        Some((at + chunk.len() as i64, chunk))
    }

    /// Puts the chunk in place that ends before a position.
    pub fn load_chunk(&mut self, end: i64, chunk: &[u8]) -> Result<(), ChunkError> {
        let at = chunks::begin(end, chunk)?;
        let (part, offset) = self.place(at).ok_or(ChunkError::Offset)?;
        chunks::put(&mut self.parts[part], offset, chunk)
    }

    fn place(&self, at: i64) -> Option<(usize, usize)> {
        chunks::place(self.parts().map(<[u8]>::len), at)
    }
}

fn numbers(from: &mut Numbers<'_>) -> Option<Shape> {
    let (items, buckets, deletes, parts) = (from.u64()?, from.u64()?, from.u64()?, from.u64()?);
    Some(Shape {
        items,
        deletes,
        buckets,
        parts,
        bucket_size: from.u16()?.into(),
        moves_max: from.u16()?.into(),
        expansion: from.u16()?.into(),
    })
}

/// A filter of this shape whose slots are all free.
fn empty(shape: Shape) -> Result<Cuckoo, Damage> {
    let mut loader = Loader::new(shape)?;
    while loader.left() > 0 {
        let part = Block::zeros(loader.next_size().1).ok_or(Damage)?;
        loader.part(part)?;
    }
    loader.finish()
}
