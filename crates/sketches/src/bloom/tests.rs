//! Filters against Redis's payloads, against sets, and with data from outside.
//!
//! Errors are measured with so many trials that three standard deviations are below a tenth.

use std::collections::HashSet;

use super::*;
use crate::{Block, ChunkError, Damage};
use proptest::prelude::*;

fn made(entries: u64, error: f64, growth: Option<u32>, items: &[&[u8]]) -> Bloom {
    let mut filter = Bloom::new(entries, error, growth).expect("a filter");
    for item in items {
        filter.add(item).expect("there is room");
    }
    filter.check_invariants();
    filter
}

fn bits(filter: &Bloom) -> Vec<String> {
    let hex = |bits: &[u8]| bits.iter().map(|byte| format!("{byte:02x}")).collect();
    filter.links().map(|(_, bits)| hex(bits)).collect()
}

/// The payloads of a Redis Stack 7.4.
#[test]
fn bits_and_links_are_those_of_redis() {
    let filter = made(10, 0.01, Some(2), &[b"foo", b"bar"]);
    assert_eq!(bits(&filter), ["08202a02080008000880880808000800"]);
    assert_eq!((filter.options(), filter.items()), (5, 2));
    let filter = made(5, 0.1, None, &[b"foo"]);
    assert_eq!(bits(&filter), ["00a00a0000000000"]);
    assert_eq!((filter.options(), filter.growth()), (13, None));
    let filter = made(2, 0.1, Some(3), &[b"a", b"b", b"c", b"d"]);
    assert_eq!(bits(&filter), ["0044208c10120020", "3001800640802102"]);
    let links: Vec<_> = filter.links().map(|(shape, _)| *shape).collect();
    assert_eq!((links[1].entries, links[1].error), (6, 0.025));
    assert_eq!((links[0].items, links[1].items), (2, 2));
}

#[test]
fn a_filter_that_does_not_scale_is_full_at_its_capacity() {
    let mut filter = made(3, 0.01, None, &[b"a", b"b", b"c"]);
    assert_eq!(filter.add(b"a"), Ok(AddOutcome::Known));
    assert_eq!(filter.add(b"d"), Err(BloomError::Full));
    let mut seen = Vec::new();
    let items: [&[u8]; 3] = [b"b", b"e", b"c"];
    filter.add_each(items.into_iter(), |result| seen.push(result));
    assert_eq!(seen, [Ok(AddOutcome::Known), Err(BloomError::Full)]);
}

#[test]
fn sizes_beyond_any_memory_are_refused() {
    for entries in [u64::MAX, i64::MAX as u64, 1 << 58] {
        assert_eq!(
            Bloom::new(entries, 0.01, None).err(),
            Some(BloomError::TooLarge)
        );
    }
    // A filter whose growth overflows.
    let mut filter = made(3, 0.1, Some(u32::MAX), &[]);
    let results: Vec<_> = (0..100u32)
        .map(|n| filter.add(&n.to_le_bytes()))
        .filter(Result::is_err)
        .collect();
    assert!(results.iter().all(|its| *its == Err(BloomError::TooLarge)));
    filter.check_invariants();
}

#[test]
fn an_error_is_as_promised_and_growth_keeps_it() {
    for error in [0.05, 0.01, 0.001] {
        for growth in [None, Some(1), Some(2)] {
            let entries: u64 = 20_000;
            let mut filter = Bloom::new(entries, error, growth).expect("a filter");
            let times = if growth.is_some() { 5 } else { 1 };
            for n in 0..entries * times {
                filter.add(format!("in:{n}").as_bytes()).expect("room");
            }
            let trials: u32 = 50_000;
            let yes = (0..trials).filter(|n| filter.contains(format!("out:{n}").as_bytes()));
            let measured = yes.count() as f64 / f64::from(trials);
            // Three standard deviations above.
            let bound = error + 3.0 * (error / f64::from(trials)).sqrt();
            assert!(measured <= bound, "{error} {growth:?}: {measured}");
            filter.check_invariants();
        }
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused_before_anything_is_allocated() {
    let filter = made(100, 0.01, Some(2), &[b"a"]);
    let header = filter.header();
    assert_eq!(header.len(), 73);
    assert!(Bloom::from_header(&header).is_ok());
    for len in 0..header.len() {
        assert_eq!(Bloom::from_header(&header[..len]).err(), Some(Damage));
    }
    let longer = [&header[..], &[0]].concat();
    assert_eq!(Bloom::from_header(&longer).err(), Some(Damage));
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = header.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        Bloom::from_header(&changed).err()
    };
    let bad: [(usize, &[u8]); 8] = [
        // No link; more than there are bytes for; so many that their bytes overflow.
        (8, &[0; 4]),
        (8, &[2, 0, 0, 0]),
        (8, &[255; 4]),
        // Options that there are not.
        (12, &[16, 0, 0, 0]),
        // Bytes: fewer than bits, and more than memory.
        (20, &[1, 0, 0, 0, 0, 0, 0, 0]),
        (20, &[255, 255, 255, 255, 255, 255, 255, 127]),
        // Bits beyond the bytes.
        (28, &[255, 255, 255, 255, 0, 0, 0, 0]),
        // Hashes.
        (60, &[255, 255, 255, 255]),
    ];
    for (at, bytes) in bad {
        assert_eq!(with(at, bytes), Some(Damage), "{at}");
    }
}

#[test]
fn chunks_that_do_not_fit_are_refused() {
    let mut filter = made(100, 0.01, Some(2), &[b"a"]);
    let bytes = filter.links().next().expect("a link").1.len() as i64;
    let all = bytes as usize;
    for (end, len, error) in [
        (0, 1, ChunkError::Position),
        (0, 0, ChunkError::Position),
        (i64::MIN, 1, ChunkError::Position),
        (-5, 10, ChunkError::Position),
        (1, 1, ChunkError::Offset),
        (i64::MAX, 1, ChunkError::Offset),
        (bytes + 1, 0, ChunkError::Offset),
        (bytes + 2, all, ChunkError::Length),
        (bytes + 2, all + 1, ChunkError::Length),
    ] {
        let chunk = vec![0; len];
        assert_eq!(filter.load_chunk(end, &chunk), Err(error), "{end} {len}");
    }
    assert_eq!(
        filter.load_chunk(bytes + 1, &vec![255; bytes as usize]),
        Ok(())
    );
    assert!(filter.contains(b"whatever"));
    for at in [i64::MIN, -1, 0, bytes + 1, i64::MAX] {
        assert!(filter.chunk(at).is_none());
    }
}

#[test]
fn blocks_are_moved_and_freed_in_steps() {
    let items: Vec<Vec<u8>> = (0..300u32).map(|n| n.to_le_bytes().to_vec()).collect();
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    let mut filter = made(10, 0.01, Some(2), &items);
    assert_eq!(filter.relocate(&mut Mover::eager(), 0, 1), None);
    assert!(items.iter().all(|item| filter.contains(item)));
    let copy = filter.clone();
    let mut steps = 1;
    while !filter.free_step(1) {
        steps += 1;
    }
    assert_eq!(steps, copy.links().len());
}

/// Filters of files whose bits are a power of two, with hashes of 32 bits.
#[test]
fn old_filters_are_read_and_grow_as_they_were() {
    let shape = LinkShape {
        entries: 106,
        error: 0.01,
        bits_per_entry: 9.585_058_377_5,
        hashes: 7,
        bits: 1024,
        log2: 10,
        items: 0,
    };
    let mut loader = Loader::new(0, 1, 0, 2).expect("options");
    loader
        .link(shape, Block::zeros(128).expect("room"))
        .expect("a link");
    let mut filter = loader.finish().expect("a filter");
    let item = |n: u32| format!("item:{n}").into_bytes();
    let added = (0..500).filter(|n| filter.add(&item(*n)).expect("room").is_new());
    assert!(added.count() > 480);
    assert!((0..500).all(|n| filter.contains(&item(n))));
    assert!(filter.links().len() > 1 && filter.links().all(|(its, _)| its.log2 > 0));
    assert_eq!(filter.hash_bits(), 32);
    filter.check_invariants();
}

#[test]
fn a_measured_error_is_that_of_the_bits() {
    for growth in [None, Some(2)] {
        let mut filter = Bloom::new(5_000, 0.01, growth).expect("a filter");
        assert_eq!(filter.all().measured_error(), 0.0);
        for n in 0..5_000 {
            filter.add(format!("in:{n}").as_bytes()).expect("room");
        }
        let trials: u32 = 50_000;
        let yes = (0..trials).filter(|n| filter.contains(format!("out:{n}").as_bytes()));
        let found = yes.count() as f64 / f64::from(trials);
        assert!(
            (filter.all().measured_error() - found).abs() < 0.002,
            "{found}"
        );
    }
}

#[test]
fn a_merged_filter_has_the_items_of_both() {
    let items = |from: u32| (from..from + 40).map(|n| n.to_le_bytes());
    let made = |from, growth| {
        let mut filter = Bloom::new(10, 0.01, growth).expect("a filter");
        items(from)
            .take(if growth.is_some() { 40 } else { 10 })
            .for_each(|item| {
                filter.add(&item).expect("room");
            });
        filter
    };
    let (mut one, two) = (made(0, Some(2)), made(100, Some(2)));
    one.merge(&two).expect("alike");
    one.check_invariants();
    assert!(items(0).chain(items(100)).all(|item| one.contains(&item)));
    assert!(one.items() <= 80 && one.items() >= 78);
    // A filter that has more links gives them.
    let mut small = Bloom::new(10, 0.01, Some(2)).expect("a filter");
    small.merge(&two).expect("alike");
    small.check_invariants();
    assert!(items(100).all(|item| small.contains(&item)));
    for other in [
        Bloom::new(11, 0.01, Some(2)),
        Bloom::new(10, 0.02, Some(2)),
        Bloom::new(10, 0.01, Some(3)),
        Bloom::new(10, 0.01, None),
    ] {
        assert_eq!(small.merge(&other.expect("a filter")), Err(ShapeMismatch));
    }
}

proptest! {
    #[test]
    fn an_item_that_was_added_is_found(
        items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..400),
        entries in 1..50u64,
        error in 0.0001..0.9f64,
        growth in 1..4u32,
    ) {
        let mut filter = Bloom::new(entries, error, Some(growth)).expect("a filter");
        let mut known = HashSet::new();
        let (alone, together) = items.split_at(items.len() / 2);
        for item in alone {
            let is_new = filter.add(item).expect("room").is_new();
            prop_assert!(!is_new || !known.contains(item));
            known.insert(item.clone());
        }
        let mut results = Vec::new();
        filter.add_each(together.iter().map(Vec::as_slice), |its| results.push(its));
        prop_assert_eq!(results.len(), together.len());
        known.extend(together.iter().cloned());
        filter.check_invariants();
        prop_assert!(known.iter().all(|item| filter.contains(item)));
        let mut found = 0;
        filter.all().contains_each(known.iter().map(Vec::as_slice), |its| found += usize::from(its));
        prop_assert_eq!(found, known.len());
        // Through header and chunks, and once more with each chunk in two parts.
        let mut copy = Bloom::from_header(&filter.header()).expect("a header");
        let mut at = 1;
        while let Some((next, chunk)) = filter.chunk(at) {
            let (left, right) = chunk.split_at(chunk.len() / 2);
            let middle = at + left.len() as i64;
            if !left.is_empty() {
                copy.load_chunk(middle, left).expect("a chunk");
            }
            copy.load_chunk(next, right).expect("a chunk");
            at = next;
        }
        prop_assert_eq!(bits(&copy), bits(&filter));
        prop_assert_eq!(copy.header(), filter.header());
    }

    #[test]
    fn no_header_or_chunk_breaks_a_filter(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at: i64,
    ) {
        let mut filter = made(10, 0.1, Some(2), &[b"a"]);
        let mut header = filter.header();
        for (place, byte) in header.iter_mut().zip(&bytes) {
            *place ^= byte & 1;
        }
        if let Ok(filter) = Bloom::from_header(&header) {
            filter.check_invariants();
        }
        let _ = Bloom::from_header(&bytes);
        let _ = filter.load_chunk(at % 20, &bytes);
        let _ = filter.chunk(at);
        filter.check_invariants();
    }
}
