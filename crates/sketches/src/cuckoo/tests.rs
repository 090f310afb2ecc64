//! Filters against Redis's payloads, against counts, and with data from outside.
//!
//! In the model only items that were added are deleted: others may take an added item with them.

use std::collections::HashMap;

use super::*;
use crate::{ChunkError, Damage};
use proptest::prelude::*;

fn hex(filter: &Cuckoo) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    filter.parts().map(hex).collect()
}

/// The payloads of a Redis Stack 7.4.
#[test]
fn slots_are_those_of_redis() {
    let mut filter = Cuckoo::new(8, 2, 20, 1).expect("a filter");
    for item in ["foo", "foo", "bar"] {
        filter.add(item.as_bytes()).expect("room");
    }
    assert!(filter.delete(b"bar"));
    assert_eq!(hex(&filter), ["0000d9d900000000"]);
    assert_eq!(
        (filter.items(), filter.deletes(), filter.buckets()),
        (2, 1, 4)
    );
    assert_eq!((filter.count(b"foo"), filter.count(b"bar")), (2, 0));
    let mut filter = Cuckoo::new(4, 1, 20, 2).expect("a filter");
    let items: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
    filter.add_each(items.into_iter(), false, |added| {
        assert_eq!(added, Ok(true))
    });
    assert_eq!(hex(&filter), ["00c4cb10", "0006000000bc0000"]);
    filter.check_invariants();
}

#[test]
fn sizes_are_rounded_up_to_powers_of_two() {
    for (capacity, size, expansion, buckets, rounded) in [
        (1000, 2, 3, 512, 4),
        (1024, 2, 1, 512, 1),
        (7, 3, 0, 2, 0),
        (2, 1, 32768, 2, 32768),
    ] {
        let filter = Cuckoo::new(capacity, size, 20, expansion).expect("a filter");
        assert_eq!((filter.buckets(), filter.expansion()), (buckets, rounded));
    }
    for capacity in [u64::MAX, 1 << 63, 1 << 60] {
        assert_eq!(
            Cuckoo::new(capacity, 1, 20, 1).err(),
            Some(CuckooError::TooLarge)
        );
    }
}

#[test]
fn a_filter_that_does_not_grow_is_full_and_unchanged_by_what_has_no_room() {
    let mut filter = Cuckoo::new(8, 2, 20, 0).expect("a filter");
    let mut full = 0;
    for n in 0..100u32 {
        let before = hex(&filter);
        match filter.add(&n.to_le_bytes()) {
            Ok(()) => filter.check_invariants(),
            Err(error) => {
                assert_eq!((error, hex(&filter)), (CuckooError::Full, before));
                full += 1;
            }
        }
    }
    assert!(full >= 92 && filter.items() == 100 - full);
}

#[test]
fn headers_that_contradict_themselves_are_refused_before_anything_is_allocated() {
    let mut filter = Cuckoo::new(4, 1, 20, 2).expect("a filter");
    for item in ["a", "b", "c", "d", "e"] {
        filter.add(item.as_bytes()).expect("room");
    }
    let header = filter.header();
    assert!(matches!(Cuckoo::from_header(&header), Some(Ok(_))));
    for len in [0, 37, 39] {
        let mut other = header.clone();
        other.resize(len, 0);
        assert!(Cuckoo::from_header(&other).is_none());
    }
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = header.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        Cuckoo::from_header(&changed).expect("its length").err()
    };
    let bad: [(usize, &[u8]); 10] = [
        // Buckets: none, no power of two, too many.
        (8, &[0; 8]),
        (8, &[3]),
        (8, &[0, 0, 0, 0, 0, 0, 0, 128]),
        // Parts: none, so many that their slots overflow, more than there can be.
        (24, &[0; 8]),
        (24, &[64, 0, 0, 0, 0, 0, 0, 0]),
        (24, &[255; 8]),
        // Slots of a bucket.
        (32, &[0, 0]),
        (32, &[0, 1]),
        // Moves, and an expansion that is no power of two, or 0 with two parts.
        (34, &[0, 0]),
        (36, &[3, 0]),
    ];
    for (at, bytes) in bad {
        assert_eq!(with(at, bytes), Some(Damage), "{at}");
    }
    assert_eq!(with(36, &[0, 0]), Some(Damage));
}

#[test]
fn chunks_that_do_not_fit_are_refused() {
    let mut filter = Cuckoo::new(8, 2, 20, 1).expect("a filter");
    for (end, len, error) in [
        (0, 1, ChunkError::Position),
        (i64::MIN, 1, ChunkError::Position),
        (-5, 10, ChunkError::Position),
        (1, 1, ChunkError::Offset),
        (9, 9, ChunkError::Offset),
        (10, 1, ChunkError::Offset),
        (i64::MAX, 1, ChunkError::Offset),
        (10, 8, ChunkError::Length),
    ] {
        assert_eq!(
            filter.load_chunk(end, &vec![1; len]),
            Err(error),
            "{end} {len}"
        );
    }
    assert_eq!(filter.load_chunk(9, &[7; 8]), Ok(()));
    filter.check_invariants();
    for at in [i64::MIN, -1, 0, 9, i64::MAX] {
        assert!(filter.chunk(at).is_none());
    }
}

#[test]
fn blocks_are_moved_and_freed_in_steps() {
    let mut filter = Cuckoo::new(4, 1, 5, 1).expect("a filter");
    for n in 0..50u32 {
        filter.add(&n.to_le_bytes()).expect("room");
    }
    assert_eq!(filter.relocate(&mut Mover::eager(), 0, 1), None);
    assert!((0..50u32).all(|n| filter.contains(&n.to_le_bytes())));
    let (parts, mut steps) = (filter.parts().len(), 1);
    while !filter.free_step(1) {
        steps += 1;
    }
    assert!(parts > 1 && steps == parts);
}

#[test]
fn a_merged_filter_has_the_items_of_both() {
    for (capacity, expansion) in [(200, 1), (8, 1), (20, 2), (200, 4)] {
        let made = |from: u32| {
            let mut filter = Cuckoo::new(capacity, 2, 20, expansion).expect("a filter");
            for n in from..from + 60 {
                filter.add(&n.to_le_bytes()).expect("room");
            }
            filter
        };
        let (mut one, two) = (made(0), made(1000));
        if one.merge(&two, 100).is_err() {
            assert!(expansion > 1, "parts of one size grow");
            continue;
        }
        one.check_invariants();
        assert_eq!(one.items(), 120);
        let all = (0..60u32).chain(1000..1060);
        assert!(all.into_iter().all(|n| one.contains(&n.to_le_bytes())));
    }
    let one = || Cuckoo::new(8, 2, 20, 1).expect("a filter");
    let mut full = one();
    (0..8u8).for_each(|n| full.add(&[n]).expect("it grows"));
    let other = full.clone();
    assert_eq!(full.merge(&other, 1), Err(MergeError::TooManyParts));
    let others = [
        Cuckoo::new(16, 2, 20, 1),
        Cuckoo::new(8, 1, 20, 1),
        Cuckoo::new(8, 2, 20, 2),
    ];
    for other in others {
        let merged = one().merge(&other.expect("a filter"), 100);
        assert_eq!(merged, Err(MergeError::Unlike));
    }
}

proptest! {
    /// Items are added, and only such as were added are deleted: none is missed ever.
    #[test]
    fn an_item_that_was_added_is_found(
        steps in prop::collection::vec((0..60u8, 0..4u8), 0..400),
        capacity in 4..40u64,
        bucket_size in 1..5u16,
        moves in 1..30u16,
        expansion in 1..5u16,
    ) {
        let capacity = capacity.max(2 * u64::from(bucket_size));
        let mut filter = Cuckoo::new(capacity, bucket_size, moves, expansion).expect("a filter");
        let mut known: HashMap<u8, u64> = HashMap::new();
        for (item, step) in steps {
            match step {
                0 | 1 => {
                    filter.add(&[item]).expect("it grows");
                    *known.entry(item).or_default() += 1;
                }
                2 => {
                    let is_new = filter.add_new(&[item]).expect("it grows");
                    prop_assert!(!is_new || !known.contains_key(&item));
                    if is_new {
                        known.insert(item, 1);
                    }
                }
                _ => if let Some(count) = known.get_mut(&item) {
                    prop_assert!(filter.delete(&[item]));
                    *count -= 1;
                    if *count == 0 {
                        known.remove(&item);
                    }
                },
            }
            for (item, count) in &known {
                prop_assert!(filter.count(&[*item]) >= *count);
            }
            prop_assert_eq!(filter.items(), known.values().sum::<u64>());
        }
        filter.check_invariants();
        filter.compact();
        filter.check_invariants();
        prop_assert!(known.keys().all(|item| filter.contains(&[*item])));
        // Through header and chunks.
        let copy = Cuckoo::from_header(&filter.header()).expect("its length");
        let mut copy = copy.expect("a header");
        let mut at = 1;
        while let Some((next, chunk)) = filter.chunk(at) {
            copy.load_chunk(next, chunk).expect("a chunk");
            at = next;
        }
        prop_assert_eq!(hex(&copy), hex(&filter));
        prop_assert_eq!(copy.shape(), filter.shape());
    }

    #[test]
    fn no_header_or_chunk_breaks_a_filter(
        bytes in prop::collection::vec(any::<u8>(), 38..39),
        chunk in prop::collection::vec(any::<u8>(), 0..20),
        at: i64,
    ) {
        let mut filter = Cuckoo::new(8, 2, 3, 1).expect("a filter");
        let mut header = filter.header();
        for (place, byte) in header.iter_mut().zip(&bytes) {
            *place ^= byte & 1;
        }
        for header in [&header, &bytes] {
            if let Some(Ok(filter)) = Cuckoo::from_header(header) {
                filter.check_invariants();
            }
        }
        let _ = filter.load_chunk(at % 20, &chunk);
        for item in 0..50u8 {
            let _ = filter.add(&[item]);
            filter.delete(&[item ^ 3]);
        }
        // Slots that the chunk filled are no items that were counted.
        let _ = filter.chunk(at);
    }
}
