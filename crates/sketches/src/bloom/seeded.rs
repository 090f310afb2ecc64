//! Filters of Valkey's module: the positions of an item come from SipHash-1-3 with the keys of the
//! filter's seed, and a filter says how much smaller the error of each further link is.
//!
//!     position 0 = h0 mod bits | 1 = h1 mod bits | i = (h0 + i * h1 mod 2^64) mod bits
//!
//!     parcel of a link = u8 1, u64 bytes, u32 hashes, [u8; 32] seed, bits       little-endian
//!     dump of a filter = u8 1, u32 growth, f64 error, f64 tightening, u8 is random, u64 links,
//!                        (u64 bytes, parcel, u64 items, u64 capacity)
//!
//! The module takes the sums of i above 1 modulo 2^64 - 59, too: that changes one sum in 3 * 10^17,
//! and is left out.
//!
//! Such a filter has an option of its own ([`option::SEEDED`]), and works as others do.

use super::link::{Link, LinkShape};
use super::{Bloom, BloomError, LINKS_MAX, option};
use crate::Damage;
use crate::block::Block;
use crate::chunks::Numbers;

/// The version of parcels and of dumps.
const VERSION: u8 = 1;
/// Bytes of a parcel before its bits.
const PARCEL_HEAD: usize = 1 + 8 + 4 + 32;
/// Bytes of a seeding in a header.
pub(super) const SEEDING_BYTES: usize = 32 + 8 + 8 + 1;

/// The facts of a filter of Valkey's module beside its links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilterSeed {
    /// The keys of both hashes.
    pub seed: [u8; 32],
    /// Whether the seed was chosen at random, not by the module.
    pub is_random: bool,
    /// The error of the first link, in (0, 1).
    pub error: f64,
    /// The ratio of a link's error to that of the link before it, in (0, 1).
    pub tightening: f64,
}

impl FilterSeed {
    fn is_sound(&self) -> bool {
        let in_bounds = |ratio: f64| ratio > 0.0 && ratio < 1.0;
        in_bounds(self.error) && in_bounds(self.tightening)
    }

    /// The error of a link, by its number.
    pub(super) fn error_of(&self, link: usize) -> f64 {
        self.error * self.tightening.powi(link as i32)
    }

    /// The keys of both hashes.
    pub(super) fn keys(&self) -> [u64; 4] {
        let (keys, _) = self.seed.as_chunks::<8>();
        std::array::from_fn(|at| u64::from_le_bytes(keys[at]))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seed);
        out.extend_from_slice(&self.error.to_le_bytes());
        out.extend_from_slice(&self.tightening.to_le_bytes());
        out.push(self.is_random.into());
    }

    /// Reads what [`FilterSeed::write`] wrote; nothing may follow.
    pub(super) fn read(from: &mut Numbers<'_>) -> Result<FilterSeed, Damage> {
        let numbers = |from: &mut Numbers<'_>| {
            Some(FilterSeed {
                seed: from.array()?,
                error: from.f64()?,
                tightening: from.f64()?,
                is_random: from.array::<1>()? == [1],
            })
        };
        let seeding = numbers(from).filter(|seeding| seeding.is_sound() && from.0.is_empty());
        seeding.ok_or(Damage)
    }
}

/// SipHash-1-3 of an item, which its length precedes.
pub(super) fn sip13(keys: [u64; 2], item: &[u8]) -> u64 {
    const START: [u64; 4] = [
        0x736f_6d65_7073_6575,
        0x646f_7261_6e64_6f6d,
        0x6c79_6765_6e65_7261,
        0x7465_6462_7974_6573,
    ];
    let mut state: [u64; 4] = std::array::from_fn(|at| keys[at & 1] ^ START[at]);
    let len = item.len() as u64;
    absorb(&mut state, len);
    let (words, tail) = item.as_chunks::<8>();
    for word in words {
        absorb(&mut state, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    absorb(&mut state, u64::from_le_bytes(last) | (len + 8) << 56);
    state[2] ^= 0xFF;
    (0..3).for_each(|_| round(&mut state));
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    state[0] ^= word;
}

fn round(state: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *state;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    *state = [a, b, c, d];
}

/// Puts a filter of Valkey's module together from parts that it checks.
pub struct SeededLoader {
    filter: Bloom,
    seeding: FilterSeed,
    wanted: usize,
}

impl SeededLoader {
    /// A filter of so many links, which follow. A growth of 0: it does not scale.
    pub fn new(
        links: u64,
        growth: u64,
        error: f64,
        tightening: f64,
        is_random: bool,
    ) -> Result<SeededLoader, Damage> {
        let wanted = usize::try_from(links).map_err(|_| Damage)?;
        let growth = u32::try_from(growth).map_err(|_| Damage)?;
        let seeding = FilterSeed {
            seed: [0; 32],
            is_random,
            error,
            tightening,
        };
        if !(1..=LINKS_MAX).contains(&wanted) || !seeding.is_sound() {
            return Err(Damage);
        }
        Ok(SeededLoader {
            filter: Bloom {
                items: 0,
                options: seeded_options(growth),
                growth,
                links: Vec::new(),
                rotation: None,
                seeding: None,
            },
            seeding,
            wanted,
        })
    }

    /// Links that are still to come.
    pub fn left(&self) -> usize {
        self.wanted - self.filter.links.len()
    }

    /// The next link, from its parcel. `items`: of the last link; others are full.
    pub fn link(&mut self, parcel: &[u8], capacity: u64, items: u64) -> Result<(), Damage> {
        let (head, bits) = parcel.split_at_checked(PARCEL_HEAD).ok_or(Damage)?;
        let mut from = Numbers(head);
        let head = |from: &mut Numbers<'_>| {
            Some((from.array::<1>()?, from.u64()?, from.u32()?, from.array()?))
        };
        let ([version], bytes, hashes, seed) = head(&mut from).ok_or(Damage)?;
        let number = self.filter.links.len();
        let is_other = number > 0 && seed != self.seeding.seed;
        if self.left() == 0
            || version != VERSION
            || bytes != bits.len() as u64
            || is_other
            || items > capacity
        {
            return Err(Damage);
        }
        self.seeding.seed = seed;
        let count = bytes.checked_mul(8).ok_or(Damage)?;
        let shape = LinkShape {
            entries: capacity,
            error: self.seeding.error_of(number),
            bits_per_entry: count as f64 / capacity as f64,
            hashes,
            bits: count,
            log2: 0,
            items,
        };
        let mut link = Link::loaded(shape, Block::from(bits))?;
        link.seed();
        self.filter.items = self.filter.items.checked_add(items).ok_or(Damage)?;
        self.filter.links.push(link);
        Ok(())
    }

    /// The filter, after all its links.
    pub fn finish(mut self) -> Result<Bloom, Damage> {
        self.filter.seeding = Some(Box::new(self.seeding));
        if self.left() > 0 || !self.filter.has_sound_links() {
            return Err(Damage);
        }
        self.filter.links.shrink_to_fit();
        Ok(self.filter)
    }
}

fn seeded_options(growth: u32) -> u32 {
    let scaling = if growth == 0 { option::NONSCALING } else { 0 };
    option::EXACT | option::WIDE | option::SEEDED | scaling
}

impl Bloom {
    /// An empty filter as Valkey's module makes it. A growth of 0: it does not scale. `None`: the
    /// seeding's numbers are out of bounds.
    pub fn seeded(
        entries: u64,
        growth: u32,
        seeding: FilterSeed,
    ) -> Option<Result<Bloom, BloomError>> {
        if !seeding.is_sound() {
            return None;
        }
        let mut filter = Bloom {
            items: 0,
            options: seeded_options(growth),
            growth,
            links: Vec::new(),
            rotation: None,
            seeding: Some(Box::new(seeding)),
        };
        let added = filter.add_link(entries, seeding.error);
        Some(added.map(|()| filter))
    }

    /// The facts that only filters of Valkey's module have.
    pub fn seeding(&self) -> Option<&FilterSeed> {
        self.seeding.as_deref()
    }

    /// A link, by its number, as shape and parcel; `None` unless the filter is one of Valkey's
    /// module and has the link. O(bytes of the link).
    pub fn parcel(&self, link: usize) -> Option<(&LinkShape, Vec<u8>)> {
        let seeding = self.seeding()?;
        let (shape, bits) = self.links().nth(link)?;
        let mut parcel = Vec::with_capacity(PARCEL_HEAD + bits.len());
        parcel.push(VERSION);
        parcel.extend_from_slice(&(bits.len() as u64).to_le_bytes());
        parcel.extend_from_slice(&shape.hashes.to_le_bytes());
        parcel.extend_from_slice(&seeding.seed);
        parcel.extend_from_slice(bits);
        Some((shape, parcel))
    }

    /// The filter as BF.LOAD takes it; `None` unless it is one of Valkey's module. O(bytes).
    pub fn dump(&self) -> Option<Vec<u8>> {
        let seeding = self.seeding()?;
        let growth = self.growth().unwrap_or(0);
        let mut out = vec![VERSION];
        out.extend_from_slice(&growth.to_le_bytes());
        out.extend_from_slice(&seeding.error.to_le_bytes());
        out.extend_from_slice(&seeding.tightening.to_le_bytes());
        out.push(seeding.is_random.into());
        out.extend_from_slice(&(self.links().len() as u64).to_le_bytes());
        for (shape, parcel) in (0..).map_while(|link| self.parcel(link)) {
            out.extend_from_slice(&(parcel.len() as u64).to_le_bytes());
            out.extend_from_slice(&parcel);
            out.extend_from_slice(&shape.items.to_le_bytes());
            out.extend_from_slice(&shape.entries.to_le_bytes());
        }
        Some(out)
    }

    /// The filter of a dump, every number of which is checked.
    pub fn from_dump(dump: &[u8]) -> Result<Bloom, Damage> {
        let mut from = Numbers(dump);
        let head = |from: &mut Numbers<'_>| {
            let (version, growth) = (from.array::<1>()?, from.u32()?);
            let (error, tightening) = (from.f64()?, from.f64()?);
            Some((
                version,
                growth,
                error,
                tightening,
                from.array::<1>()?,
                from.u64()?,
            ))
        };
        let ([version], growth, error, tightening, [is_random], links) =
            head(&mut from).ok_or(Damage)?;
        if version != VERSION || is_random > 1 {
            return Err(Damage);
        }
        let is_random = is_random == 1;
        let mut loader = SeededLoader::new(links, growth.into(), error, tightening, is_random)?;
        while loader.left() > 0 {
            let bytes = from.u64().ok_or(Damage)?;
            let bytes = usize::try_from(bytes).map_err(|_| Damage)?;
            let (parcel, rest) = from.0.split_at_checked(bytes).ok_or(Damage)?;
            from.0 = rest;
            let numbers = |from: &mut Numbers<'_>| Some((from.u64()?, from.u64()?));
            let (items, capacity) = numbers(&mut from).ok_or(Damage)?;
            loader.link(parcel, capacity, items)?;
        }
        if !from.0.is_empty() {
            return Err(Damage);
        }
        loader.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the crate that Valkey's module uses, with the seed 0, 1, .. 31: SipHash of the items
    /// under both keys.
    const HASHES: &[(&str, u64, u64)] = &[
        ("", 0x5cb9_6f6b_a2a4_fcfc, 0xd1b9_2226_caff_873d),
        ("a", 0x191e_ffd3_459c_7e1d, 0x584d_5ea0_6ddb_11a8),
        ("abcdefg", 0xb10d_da42_dfcb_b671, 0xbb4d_57f8_2f3e_5e7a),
        ("abcdefgh", 0xca5d_57e2_b460_da8d, 0x2d3f_c697_036e_6a5e),
        ("abcdefghi", 0xb2b3_9e2e_9518_1ff1, 0xc21a_331a_62f6_d19b),
        (
            "a longer item of 25 bytes",
            0x6ba0_b9a5_1b63_99fd,
            0x2b89_163b_e899_8bc5,
        ),
    ];

    fn seeding() -> FilterSeed {
        FilterSeed {
            seed: std::array::from_fn(|at| at as u8),
            is_random: true,
            error: 0.01,
            tightening: 0.5,
        }
    }

    #[test]
    fn hashes_are_those_of_the_module() {
        let keys = seeding().keys();
        for (item, first, second) in HASHES {
            assert_eq!(sip13([keys[0], keys[1]], item.as_bytes()), *first, "{item}");
            assert_eq!(
                sip13([keys[2], keys[3]], item.as_bytes()),
                *second,
                "{item}"
            );
        }
    }

    /// A link for 100 items with an error of 0.01, and the items `item:0` to `item:49`, as the
    /// module writes it.
    #[test]
    fn bits_and_shape_are_those_of_the_module() {
        let mut filter = Bloom::seeded(100, 2, seeding())
            .expect("in bounds")
            .expect("made");
        for n in 0..50 {
            assert!(
                filter
                    .add(format!("item:{n}").as_bytes())
                    .expect("room")
                    .is_new()
            );
        }
        let (shape, parcel) = filter.parcel(0).expect("a link");
        assert_eq!((shape.bits, shape.hashes), (960, 7));
        let hex: String = parcel.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, PARCEL);
    }

    const PARCEL: &str = concat!(
        "01780000000000000007000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c",
        "1d1e1f0dc114d2882888921aafa6110022e15ae887821162220e4140125c079106124ba01090690a5121",
        "5601a2451a4aa0a22322030206072281110000c420900802a2b4048ea02480006ecc0296a20a081690c7",
        "22288708c271c25c5b00488028113888c496c2902802288b0421014609118268c025a6568120a6",
    );

    #[test]
    fn dumps_hold_all_links_and_damage_is_refused() {
        let mut filter = Bloom::seeded(10, 2, seeding())
            .expect("in bounds")
            .expect("made");
        for n in 0..100_u32 {
            filter.add(&n.to_le_bytes()).expect("it grows");
        }
        assert!(filter.links().len() > 2);
        let dump = filter.dump().expect("it is seeded");
        let copy = Bloom::from_dump(&dump).expect("it is sound");
        assert_eq!(copy.dump().as_deref(), Some(&dump[..]));
        assert_eq!(
            (copy.items(), copy.header()),
            (filter.items(), filter.header())
        );
        assert!((0..100_u32).all(|n| copy.contains(&n.to_le_bytes())));
        let header = Bloom::from_header(&filter.header()).expect("it is sound");
        assert_eq!(header.seeding(), filter.seeding());
        for len in 0..dump.len() {
            assert!(Bloom::from_dump(&dump[..len]).is_err());
        }
        for at in 0..dump.len() {
            for change in [1, 0x80, 0xFF] {
                let mut bytes = dump.clone();
                bytes[at] ^= change;
                // Damaged bits are a filter nevertheless; damaged numbers never panic.
                if let Ok(other) = Bloom::from_dump(&bytes) {
                    russet_base::memory::content::Content::check_invariants(&other);
                    other.contains(b"x");
                }
            }
        }
    }

    #[test]
    fn a_filter_that_does_not_scale_is_full() {
        let mut filter = Bloom::seeded(3, 0, seeding())
            .expect("in bounds")
            .expect("made");
        let added = (0..10_u32).map(|n| filter.add(&n.to_le_bytes()));
        assert!(added.collect::<Vec<_>>().contains(&Err(BloomError::Full)));
        let dump = filter.dump().expect("it is seeded");
        assert_eq!(Bloom::from_dump(&dump).expect("sound").growth(), None);
        let out = FilterSeed {
            tightening: 1.0,
            ..seeding()
        };
        assert!(Bloom::seeded(3, 0, out).is_none());
    }
}
