//! Bloom filters.
//!
//!     items, links, options, growth, (link)                                       encver 4
//!     link = entries, error, hashes, bits per entry, bits, log2, bytes, items in it
//!
//! Encver 2 and 3 have no growth, which is 2. Filters that forget have an encver of russet's own,
//! so that Redis refuses them instead of making filters that do not:
//!
//!     ... as above ..., period, generations at most, generations, (begins at, links)    encver 900
//!
//! Filters of Valkey's module keep the form of that module, `bloomfltr`, of encver 1:
//!
//!     links, growth, error, tightening, is random, (parcel, entries), items of the last link

use super::{StoredSketch, piece, read_block, unknown_version, write_chunk, write_piece};
use crate::aof::CommandWriter;
use crate::rdb::module::{
    BLOOM, VALKEY_BLOOM, read_double, read_number, read_string, write_double, write_number,
    write_string,
};
use crate::rdb::{Fault, Input, RdbWriter};
use russet_resp::write_request;
use russet_sketches::bloom::{
    GENERATIONS_MAX, Generation, LinkShape, Loader, Rotation, SeededLoader,
};
use russet_sketches::{Block, Bloom, Damage};
use std::ops::Range;

/// The first version with options, and the first with growth.
const OPTIONS: u64 = 2;
const GROWTH: u64 = 4;
/// Of filters that forget.
const ROTATING: u64 = 900;
/// Of filters of Valkey's module.
const SEEDED: u64 = 1;
/// The growth of filters that have none of their own.
const GROWTH_USUAL: u64 = 2;
/// Bytes of a chunk among commands.
const CHUNK_BYTES: usize = 1 << 20;

impl StoredSketch for Bloom {
    const VERSION: u64 = GROWTH;
    const OTHER_NAME: Option<&str> = Some(VALKEY_BLOOM);

    fn form_name(&self) -> &'static str {
        match self.seeding() {
            None => BLOOM,
            Some(_) => VALKEY_BLOOM,
        }
    }

    fn version(&self) -> u64 {
        match self.rotation() {
            _ if self.seeding().is_some() => SEEDED,
            None => GROWTH,
            Some(_) => ROTATING,
        }
    }

    fn load(input: &mut Input<'_>, version: u64) -> Result<Bloom, Fault> {
        if !(OPTIONS..=GROWTH).contains(&version) && version != ROTATING {
            return Err(unknown_version());
        }
        let items = read_number(input)?;
        let links = read_number(input)?;
        let options = read_number(input)?;
        let growth = if version >= GROWTH {
            read_number(input)?
        } else {
            GROWTH_USUAL
        };
        let mut loader = Loader::new(items, links, options, growth).map_err(damaged)?;
        if loader.rotates() != (version == ROTATING) {
            return Err(damaged(Damage));
        }
        while loader.left() > 0 {
            let (shape, bits) = load_link(input)?;
            loader.link(shape, bits).map_err(damaged)?;
        }
        if loader.rotates() {
            loader.rotate(load_rotation(input)?);
        }
        loader.finish().map_err(damaged)
    }

    fn load_other(input: &mut Input<'_>, version: u64) -> Result<Bloom, Fault> {
        if version != SEEDED {
            return Err(unknown_version());
        }
        let (links, growth) = (read_number(input)?, read_number(input)?);
        let (error, tightening) = (read_double(input)?, read_double(input)?);
        let is_random = read_number(input)? == 1;
        let loader = SeededLoader::new(links, growth, error, tightening, is_random);
        let mut loader = loader.map_err(damaged)?;
        let mut parcel = Vec::new();
        while loader.left() > 0 {
            read_string(input, &mut parcel)?;
            let capacity = read_number(input)?;
            // Links before the last are full.
            let items = if loader.left() == 1 {
                read_number(input)?
            } else {
                capacity
            };
            loader.link(&parcel, capacity, items).map_err(damaged)?;
        }
        loader.finish().map_err(damaged)
    }

    fn save(&self, to: &mut RdbWriter, at: u64) -> Option<u64> {
        if self.seeding().is_some() {
            return save_seeded(self, to, at);
        }
        if at == 0 {
            write_number(to, self.items());
            write_number(to, self.links().len() as u64);
            write_number(to, self.options().into());
            write_number(to, self.stored_growth().into());
        }
        let lengths = || self.links().map(|(_, bits)| bits.len());
        let (link, range) = piece(lengths(), at)?;
        let (shape, bits) = self.links().nth(link).expect("found above");
        if range.start == 0 {
            write_number(to, shape.entries);
            write_double(to, shape.error);
            write_number(to, shape.hashes.into());
            write_double(to, shape.bits_per_entry);
            write_number(to, shape.bits);
            write_number(to, shape.log2.into());
        }
        write_piece(to, bits, range.clone());
        if range.end == bits.len() {
            write_number(to, shape.items);
        }
        let next = piece(lengths(), at + 1).map(|_| at + 1);
        if next.is_none()
            && let Some(rotation) = self.rotation()
        {
            save_rotation(to, rotation);
        }
        next
    }

    fn block_piece(&self, at: u64) -> Option<(&[u8], Range<usize>)> {
        if self.seeding().is_some() {
            return None;
        }
        let lengths = self.links().map(|(_, bits)| bits.len());
        let (link, range) = piece(lengths, at)?;
        Some((self.links().nth(link)?.1, range))
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64) -> Option<u64> {
        if let Some(dump) = self.dump() {
            let args: [&[u8]; 3] = [b"BF.LOAD", key, &dump];
            write_request(&mut to.out, args.into_iter());
            return None;
        }
        let chunk = |at| self.chunk_within(at, CHUNK_BYTES);
        write_chunk(to, b"BF.LOADCHUNK", key, at, || self.header(), chunk)
    }
}

/// Writes a link of a filter of Valkey's module, as a whole.
fn save_seeded(filter: &Bloom, to: &mut RdbWriter, at: u64) -> Option<u64> {
    let (seeding, links) = (filter.seeding()?, filter.links().len() as u64);
    if at == 0 {
        write_number(to, links);
        write_number(to, filter.growth().unwrap_or(0).into());
        write_double(to, seeding.error);
        write_double(to, seeding.tightening);
        write_number(to, seeding.is_random.into());
    }
    let (shape, parcel) = filter.parcel(at as usize)?;
    write_string(to, &parcel);
    write_number(to, shape.entries);
    if at + 1 < links {
        return Some(at + 1);
    }
    write_number(to, shape.items);
    None
}

fn load_link(input: &mut Input<'_>) -> Result<(LinkShape, Block), Fault> {
    let entries = read_number(input)?;
    let error = read_double(input)?;
    let hashes = u32::try_from(read_number(input)?).map_err(|_| damaged(Damage))?;
    let bits_per_entry = read_double(input)?;
    let bits = read_number(input)?;
    let log2 = u8::try_from(read_number(input)?).map_err(|_| damaged(Damage))?;
    let block = read_block(input)?;
    let shape = LinkShape {
        entries,
        error,
        bits_per_entry,
        hashes,
        bits,
        log2,
        items: read_number(input)?,
    };
    Ok((shape, block))
}

fn save_rotation(to: &mut RdbWriter, rotation: &Rotation) {
    write_number(to, rotation.period_ms);
    write_number(to, rotation.generations_max.into());
    write_number(to, rotation.generations.len() as u64);
    for generation in &rotation.generations {
        write_number(to, generation.begins_ms as u64);
        write_number(to, generation.links.into());
    }
}

fn load_rotation(input: &mut Input<'_>) -> Result<Rotation, Fault> {
    let small = |n: u64| u32::try_from(n).map_err(|_| damaged(Damage));
    let period_ms = read_number(input)?;
    let generations_max = small(read_number(input)?)?;
    let count = read_number(input)?;
    if count > GENERATIONS_MAX.into() {
        return Err(damaged(Damage));
    }
    let mut generations = Vec::with_capacity(count as usize);
    for _ in 0..count {
        generations.push(Generation {
            begins_ms: read_number(input)? as i64,
            links: small(read_number(input)?)?,
        });
    }
    Ok(Rotation {
        period_ms,
        generations_max,
        generations,
    })
}

fn damaged(_: Damage) -> Fault {
    Fault::damaged("a Bloom filter's numbers contradict each other")
}
