//! A bitmap against the string with the same bits.
//!
//! Random strings are sparse, dense and full by turns, over several containers; offsets beyond
//! 2^32 have tests of their own.

use super::*;
use proptest::prelude::*;
use russet_encodings::bits::{Operation, combine, count_within, find_within};

/// Strings of some containers: sparse, dense and full stretches.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let stretch = (
        prop_oneof![Just(0u8), Just(0xff), Just(0x55), any::<u8>()],
        prop_oneof![1..40usize, 5_000..20_000usize],
        any::<bool>(),
    );
    prop::collection::vec(stretch, 0..5).prop_map(|all| {
        let mut text = Vec::new();
        for (byte, len, is_sparse) in all {
            let step = if is_sparse { 97 } else { 1 };
            text.extend((0..len).map(|at| if at % step == 0 { byte } else { 0 }));
        }
        text
    })
}

fn as_text(bitmap: &Bitmap) -> Vec<u8> {
    let mut text = vec![0xaa; bitmap.bytes() as usize];
    bitmap.copy_to(0, &mut text);
    text
}

fn signature(bitmap: &Bitmap) -> String {
    let mut signature = Signature::default();
    bitmap.sign(&mut signature);
    signature.hex()
}

/// The bitmap after its way through a file.
fn saved(bitmap: &Bitmap) -> Bitmap {
    let mut copy = Bitmap::with_bytes(bitmap.bytes());
    for (high, bits) in bitmap.buckets() {
        assert!(copy.add_bucket(high, &bits));
    }
    copy.check_invariants();
    copy
}

const OPERATIONS: [Operation; 8] = [
    Operation::And,
    Operation::Or,
    Operation::Xor,
    Operation::Not,
    Operation::Diff,
    Operation::Diff1,
    Operation::AndOr,
    Operation::One,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bits_counts_and_places_are_those_of_the_string(
        text in text(),
        ranges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..200),
    ) {
        let mut text = text;
        let mut bitmap = Bitmap::of_text(&text);
        bitmap.check_invariants();
        prop_assert_eq!(&as_text(&bitmap), &text);
        let bits = text.len() * 8;
        if bits > 0 {
            for (at, on) in changes {
                let at = at.index(bits);
                let (byte, mask) = (at / 8, 0x80 >> (at % 8));
                prop_assert_eq!(bitmap.set(at as u64, on), text[byte] & mask != 0);
                text[byte] = if on { text[byte] | mask } else { text[byte] & !mask };
            }
            for (a, b) in ranges {
                let (a, b) = (a.index(bits) as u64, b.index(bits) as u64);
                let range = a.min(b)..=a.max(b);
                prop_assert_eq!(bitmap.get(a), text[a as usize / 8] & 0x80 >> (a % 8) != 0);
                prop_assert_eq!(bitmap.count(range.clone()), count_within(&text, range.clone()));
                for bit in [false, true] {
                    let expected = find_within(&text, bit, range.clone());
                    prop_assert_eq!(bitmap.find(bit, range.clone()), expected);
                }
                let (first, len) = (a / 8, (b as usize / 8).min(40));
                let mut piece = vec![0x11; len];
                bitmap.copy_to(first, &mut piece);
                let all = text[first as usize..].iter().copied().chain(std::iter::repeat(0));
                prop_assert_eq!(piece, all.take(len).collect::<Vec<_>>());
            }
        }
        bitmap.check_invariants();
        prop_assert_eq!(&as_text(&bitmap), &text);
        let other = Bitmap::of_text(&text);
        prop_assert_eq!(signature(&bitmap), signature(&other));
        prop_assert_eq!(signature(&saved(&bitmap)), signature(&other));
        prop_assert_eq!(&as_text(&bitmap.clone()), &text);
    }

    #[test]
    fn results_are_those_of_strings(
        texts in prop::collection::vec(text(), 1..4),
        operation in prop::sample::select(OPERATIONS.to_vec()),
    ) {
        let mut texts = texts;
        if operation == Operation::Not {
            texts.truncate(1);
        }
        let sources: Vec<&[u8]> = texts.iter().map(|text| &text[..]).collect();
        let mut expected = Vec::new();
        combine(operation, &sources, |piece| expected.extend_from_slice(piece));
        let bitmaps: Vec<Bitmap> = texts.iter().map(|text| Bitmap::of_text(text)).collect();
        let bitmaps: Vec<&Bitmap> = bitmaps.iter().collect();
        let result = Bitmap::combine(operation, &bitmaps, 1000).expect("few chunks");
        result.check_invariants();
        prop_assert_eq!(as_text(&result), expected);
    }
}

/// Offsets of several parts and buckets.
#[test]
fn far_bits_are_kept_apart() {
    let far = [
        0,
        1 << 24,
        (1 << 32) - 1,
        1 << 32,
        (1 << 40) + 5,
        (1 << 62) + 9,
    ];
    let mut bitmap = Bitmap::with_bytes((1 << 59) + 2);
    assert!(far.iter().all(|&at| !bitmap.set(at, true)));
    bitmap.check_invariants();
    assert!(far.iter().all(|&at| bitmap.get(at) && !bitmap.get(at + 7)));
    let bits: Vec<u64> = bitmap.runs(0..=u64::MAX).flatten().collect();
    assert_eq!(bits, far, "the two around 2^32 are one run");
    assert_eq!(bitmap.runs(0..=u64::MAX).count(), far.len() - 1);
    assert_eq!(bitmap.count(1..=1 << 40), 3);
    assert_eq!(bitmap.find(true, 2..=u64::MAX), Some(1 << 24));
    assert_eq!(
        bitmap.find(false, (1 << 32) - 1..=u64::MAX),
        Some((1 << 32) + 1)
    );
    assert_eq!(
        bitmap.buckets().map(|its| its.0).collect::<Vec<_>>(),
        [0, 1, 256, 1 << 30]
    );
    assert_eq!(signature(&saved(&bitmap)), signature(&bitmap));
    let whole = bitmap.memory_bytes();
    assert!(whole < 6 * 500, "{whole}");
    assert!(far.iter().all(|&at| bitmap.set(at, false)));
    bitmap.check_invariants();
    assert_eq!(bitmap.count(0..=u64::MAX), 0);
}

#[test]
fn a_complement_makes_so_many_containers_at_most() {
    let mut bitmap = Bitmap::with_bytes(8192 * 10);
    bitmap.set(3, true);
    let not = |chunks| Bitmap::combine(Operation::Not, &[&bitmap], chunks);
    assert_eq!(not(8).err(), Some(TooManyChunks));
    let result = not(9).expect("nine are missing");
    assert_eq!(result.count(0..=u64::MAX), 655_360 - 1);
    assert!(result.memory_bytes() < 3000, "{}", result.memory_bytes());
    let huge = Bitmap::with_bytes(BYTES_MAX);
    assert!(Bitmap::combine(Operation::Not, &[&huge], 65_537).is_err());
}

#[test]
fn buckets_out_of_order_or_beyond_the_length_are_refused() {
    let bits = RoaringBitmap::from_iter([7]);
    let mut bitmap = Bitmap::with_bytes(1 << 30);
    assert!(bitmap.add_bucket(1, &bits));
    assert!(!bitmap.add_bucket(1, &bits) && !bitmap.add_bucket(0, &bits));
    let mut short = Bitmap::with_bytes(1);
    assert!(short.add_bucket(0, &bits));
    let mut short = Bitmap::with_bytes(1);
    assert!(!short.add_bucket(0, &RoaringBitmap::from_iter([8])));
}

#[test]
fn it_is_freed_in_steps() {
    let mut bitmap = Bitmap::with_bytes(1 << 28);
    for at in 0..100 {
        bitmap.set(at << 24, true);
    }
    assert_eq!(bitmap.free_effort(), 6401);
    let mut steps = 1;
    while !bitmap.free_step(1000) {
        steps += 1;
    }
    assert_eq!(steps, 7);
    assert!(Bitmap::new().free_step(5));
}

/// A million bits spread over 2^29: parts cost little beside the crate's own map of 2^32 bits, and
/// after a load the bitmap is about as long as its form in files.
#[test]
fn sparse_bits_take_little_more_than_the_crate_needs() {
    let (mut bitmap, mut map) = (Bitmap::with_bytes(1 << 29), roaring::RoaringTreemap::new());
    let mut at = 1u64;
    for _ in 0..1_000_000 {
        at = at
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        bitmap.set(at >> 35, true);
        map.insert(at >> 35);
    }
    assert_eq!(bitmap.count(0..=u64::MAX), map.len());
    let theirs: usize = map
        .bitmaps()
        .map(|(_, bits)| {
            let its = bits.statistics();
            let arrays = its.n_bytes_array_containers as usize / 2;
            arrays + its.n_containers as usize * CONTAINER_BYTES
        })
        .sum();
    let (own, form) = (bitmap.memory_bytes(), map.serialized_size());
    assert!(own * 10 <= theirs * 12, "{own} {theirs}");
    let loaded = saved(&bitmap).memory_bytes();
    assert!(loaded * 10 <= form * 14, "{loaded} {form}");
}
