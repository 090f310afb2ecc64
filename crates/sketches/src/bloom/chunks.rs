//! A filter from outside: by its links, or as header and chunks (the module's opening draws them).
//! Everything is checked before a link is allocated.

use super::link::Link;
use super::seeded::SEEDING_BYTES;
use super::{Bloom, FilterSeed, LINKS_MAX, LinkShape, Rotation, option};
use crate::Damage;
use crate::block::Block;
use crate::chunks::{self, CHUNK_MAX, ChunkError, Numbers};

const HEAD_BYTES: usize = 20;
const LINK_BYTES: usize = 53;

/// Puts a filter together from checked parts.
pub struct Loader {
    filter: Bloom,
    wanted: usize,
}

impl Loader {
    /// A filter of so many links, which follow.
    pub fn new(items: u64, links: u64, options: u64, growth: u64) -> Result<Loader, Damage> {
        let wanted = usize::try_from(links).map_err(|_| Damage)?;
        let options = u32::try_from(options).map_err(|_| Damage)?;
        let growth = u32::try_from(growth).map_err(|_| Damage)?;
        let is_known = options & !(option::ALL | option::ROTATING) == 0;
        if !(1..=LINKS_MAX).contains(&wanted) || !is_known {
            return Err(Damage);
        }
        Ok(Loader {
            filter: Bloom {
                items,
                options,
                growth,
                links: Vec::new(),
                rotation: None,
                seeding: None,
            },
            wanted,
        })
    }

    /// Whether [`Loader::rotate`] must say how the filter forgets.
    pub fn rotates(&self) -> bool {
        self.filter.options & option::ROTATING != 0
    }

    /// The filter forgets, in this way.
    pub fn rotate(&mut self, rotation: Rotation) {
        self.filter.rotation = Some(Box::new(rotation));
    }

    /// The filter is one of Valkey's module.
    fn seed(&mut self, seeding: FilterSeed) {
        self.filter.options |= option::SEEDED;
        self.filter.seeding = Some(Box::new(seeding));
    }

    /// Links that are still to come.
    pub fn left(&self) -> usize {
        self.wanted - self.filter.links.len()
    }

    /// The next link.
    pub fn link(&mut self, shape: LinkShape, bits: Block) -> Result<(), Damage> {
        if self.left() == 0 {
            return Err(Damage);
        }
        let mut link = Link::loaded(shape, bits)?;
        if self.filter.seeding.is_some() {
            link.seed();
        }
        self.filter.links.push(link);
        Ok(())
    }

    /// The filter, after all its links.
    pub fn finish(mut self) -> Result<Bloom, Damage> {
        if self.left() > 0 || !self.filter.has_sound_links() {
            return Err(Damage);
        }
        self.filter.links.shrink_to_fit();
        Ok(self.filter)
    }
}

impl Bloom {
    /// The header: everything but the bits.
    pub fn header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.links.len() * LINK_BYTES);
        out.extend_from_slice(&self.items.to_le_bytes());
        out.extend_from_slice(&(self.links.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.options.to_le_bytes());
        out.extend_from_slice(&self.growth.to_le_bytes());
        for (shape, bits) in self.links() {
            out.extend_from_slice(&(bits.len() as u64).to_le_bytes());
            out.extend_from_slice(&shape.bits.to_le_bytes());
            out.extend_from_slice(&shape.items.to_le_bytes());
            out.extend_from_slice(&shape.error.to_le_bytes());
            out.extend_from_slice(&shape.bits_per_entry.to_le_bytes());
            out.extend_from_slice(&shape.hashes.to_le_bytes());
            out.extend_from_slice(&shape.entries.to_le_bytes());
            out.push(shape.log2);
        }
        if let Some(rotation) = &self.rotation {
            rotation.write(&mut out);
        }
        if let Some(seeding) = &self.seeding {
            seeding.write(&mut out);
        }
        out
    }

    /// The filter of a header, without any bit set. Everything is checked before the first link is
    /// allocated.
    pub fn from_header(header: &[u8]) -> Result<Bloom, Damage> {
        let mut from = Numbers(header);
        let (items, links, options, growth) = head(&mut from).ok_or(Damage)?;
        let is_seeded = options & option::SEEDED != 0;
        let others = options & !option::SEEDED;
        let mut loader = Loader::new(items, links.into(), others.into(), growth.into())?;
        let bytes = loader.left() * LINK_BYTES;
        let more = from.0.len().checked_sub(bytes).ok_or(Damage)?;
        let is_whole = match (is_seeded, loader.rotates()) {
            (false, true) => true,
            (true, false) => more == SEEDING_BYTES,
            (false, false) => more == 0,
            (true, true) => false,
        };
        if !is_whole {
            return Err(Damage);
        }
        let mut shapes = Vec::with_capacity(loader.left());
        for _ in 0..loader.left() {
            let (bytes, shape) = link(&mut from).ok_or(Damage)?;
            shape.check(bytes)?;
            shapes.push((bytes, shape));
        }
        if loader.rotates() {
            let rotation = Rotation::read(&mut from)?;
            let is_scaling = options & option::NONSCALING == 0;
            if !rotation.is_sound(loader.left(), is_scaling) {
                return Err(Damage);
            }
            loader.rotate(rotation);
        } else if links > 1 && options & option::NONSCALING != 0 {
            return Err(Damage);
        }
        if is_seeded {
            loader.seed(FilterSeed::read(&mut from)?);
        }
        for (bytes, shape) in shapes {
            loader.link(shape, Block::zeros(bytes).ok_or(Damage)?)?;
        }
        loader.finish()
    }

    /// The chunk at a position, the first of which is 1, and the position after it. `None`: there
    /// is none.
    pub fn chunk(&self, at: i64) -> Option<(i64, &[u8])> {
        self.chunk_within(at, CHUNK_MAX)
    }

    /// As above, with another bound on the bytes.
    pub fn chunk_within(&self, at: i64, bytes_max: usize) -> Option<(i64, &[u8])> {
        let (link, offset) = self.place(at)?;
        let chunk = chunks::chunk(self.links[link].bits(), offset, bytes_max);
        Some((at + chunk.len() as i64, chunk))
    }

    /// Puts the chunk in place that ends before a position.
    pub fn load_chunk(&mut self, end: i64, chunk: &[u8]) -> Result<(), ChunkError> {
        let at = chunks::begin(end, chunk)?;
        let (link, offset) = self.place(at).ok_or(ChunkError::Offset)?;
        chunks::put(self.links[link].bits_mut(), offset, chunk)
    }

    fn place(&self, at: i64) -> Option<(usize, usize)> {
        chunks::place(self.links().map(|(_, bits)| bits.len()), at)
    }
}

/// The numbers of a filter before the numbers of its links.
fn head(from: &mut Numbers<'_>) -> Option<(u64, u32, u32, u32)> {
    Some((from.u64()?, from.u32()?, from.u32()?, from.u32()?))
}

/// A link's bytes and shape.
fn link(from: &mut Numbers<'_>) -> Option<(u64, LinkShape)> {
    let (bytes, bits, items) = (from.u64()?, from.u64()?, from.u64()?);
    let shape = LinkShape {
        bits,
        items,
        error: from.f64()?,
        bits_per_entry: from.f64()?,
        hashes: from.u32()?,
        entries: from.u64()?,
        log2: from.array::<1>()?[0],
    };
    Some((bytes, shape))
}
