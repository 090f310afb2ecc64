//! Bits as Redis has them, and chunks beside sorted maps.
//!
//! Steps and values are drawn so that every code of the format occurs.

use super::*;
use crate::block::Room;
use proptest::prelude::*;
use std::ops::ControlFlow;

fn payload_bytes(chunk: &PackedChunk) -> Vec<u8> {
    let mut bytes = Vec::new();
    chunk.write_bytes(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packed(size: u32, samples: &[(u64, f64)]) -> PackedChunk {
    let mut chunk = PackedChunk::new(size);
    for (timestamp, value) in samples {
        chunk.append(Sample::new(*timestamp, *value)).expect("room");
    }
    chunk.check_invariants();
    chunk
}

/// Bytes and fields of payloads of Redis Stack 7.4.
#[test]
fn bits_are_those_of_redis() {
    let chunk = packed(
        64,
        &[
            (1000, 1.0),
            (1010, 1.5),
            (1020, 1.5),
            (1031, 2.0),
            (1500, -3.25),
        ],
    );
    let known = "a91990c261f9ff53cec02900020000";
    let bytes = hex(&payload_bytes(&chunk));
    assert!(bytes.starts_with(known) && bytes.len() == 128, "{bytes}");
    let shape = chunk.shape();
    assert_eq!((shape.count, shape.bits), (5, 0x62));
    assert_eq!(shape.step, 469);
    assert_eq!((shape.lead, shape.tail), (0, 49));

    let chunk = packed(
        48,
        &[
            (0, 0.0),
            (9007199254740993, 1e300),
            (9007199254740994, -1e-300),
        ],
    );
    let known = "7f0000000000000 8c0813feb001079c86ffc3f000000000000f8ffe02f36c4571a5194fc07";
    assert!(hex(&payload_bytes(&chunk)).starts_with(&known.replace(' ', "")));
}

#[test]
fn a_sample_without_room_changes_nothing() {
    let mut chunk = PackedChunk::new(48);
    let mut at = 0;
    while chunk
        .append(Sample::new(at * at * 77, 0.1 * at as f64))
        .is_ok()
    {
        at += 1;
    }
    assert!(at > 3 && chunk.len() == at as usize);
    let before = payload_bytes(&chunk);
    assert_eq!(chunk.append(Sample::new(1 << 60, -7.7)), Err(ChunkFull));
    assert_eq!(payload_bytes(&chunk), before);
    chunk.check_invariants();
}

#[test]
fn a_damaged_payload_is_refused() {
    let chunk = packed(48, &[(5, 1.0), (6, 2.5), (9, -2.5), (100, 3.0)]);
    let (shape, bytes) = (chunk.shape(), payload_bytes(&chunk));
    assert!(PackedChunk::from_shape(shape, &bytes).is_ok());
    let wrong = [
        PackedShape { size: 40, ..shape },
        PackedShape {
            size: u64::MAX,
            ..shape
        },
        PackedShape { count: 5, ..shape },
        PackedShape {
            count: u64::MAX,
            ..shape
        },
        PackedShape {
            bits: shape.bits - 1,
            ..shape
        },
        PackedShape {
            bits: 48 * 8 + 1,
            ..shape
        },
        PackedShape {
            timestamp: 101,
            ..shape
        },
        PackedShape { step: 1, ..shape },
        PackedShape { value: 1, ..shape },
        PackedShape { lead: 300, ..shape },
        PackedShape {
            first_timestamp: 100,
            ..shape
        },
    ];
    for shape in wrong {
        assert!(PackedChunk::from_shape(shape, &bytes).is_err(), "{shape:?}");
    }
    for at in 0..shape.bits as usize / 8 {
        let mut bad = bytes.clone();
        bad[at] ^= 0xff;
        if let Ok(chunk) = PackedChunk::from_shape(shape, &bad) {
            chunk.check_invariants();
        }
    }
}

/// Steps and values of every width.
fn samples() -> impl Strategy<Value = Vec<(u64, f64)>> {
    let step = prop_oneof![
        Just(1000_u64),
        1..40_u64,
        1..5000_u64,
        1..100_000_u64,
        1..1_u64 << 50
    ];
    let value = prop_oneof![
        Just(1.0),
        (0..5_u32).prop_map(f64::from),
        (-1e3..1e3),
        any::<u64>().prop_map(f64::from_bits),
    ];
    proptest::collection::vec((step, value), 0..300).prop_map(|all| {
        let mut timestamp = 0;
        let mut sum = |(step, value)| {
            timestamp += step;
            (timestamp, value)
        };
        all.into_iter().map(&mut sum).collect()
    })
}

fn closed(chunk: &PackedChunk) -> PackedChunk {
    let mut chunk = chunk.clone();
    chunk.close();
    chunk
}

fn same(a: &[Sample], b: &[(u64, f64)]) -> bool {
    let a = a
        .iter()
        .map(|sample| (sample.timestamp, sample.value.to_bits()));
    let b = b
        .iter()
        .map(|(timestamp, value)| (*timestamp, value.to_bits()));
    a.eq(b)
}

proptest! {
    #[test]
    fn samples_come_back(all in samples(), a: u16, b: u16) {
        let chunk = packed(1 << 16, &all);
        let got = chunk.samples();
        prop_assert!(same(&got, &all));
        let loaded = PackedChunk::from_shape(chunk.shape(), &payload_bytes(&chunk)).expect("whole");
        loaded.check_invariants();
        prop_assert_eq!(payload_bytes(&loaded), payload_bytes(&chunk));

        let max = all.last().map_or(0, |last| last.0) + 2;
        let at = |n: u16| max / 65536 * u64::from(n) + u64::from(n) % max;
        let (from, to) = (at(a).min(at(b)), at(a).max(at(b)));
        let expected: Vec<(u64, f64)> =
            all.iter().copied().filter(|(at, _)| (from..=to).contains(at)).collect();
        let mut got = Vec::new();
        let _ = chunk.visit(from, to, &mut |times, values| {
            got.extend(times.iter().zip(values).map(|(time, value)| Sample::new(*time, *value)));
            ControlFlow::Continue(())
        });
        prop_assert!(same(&got, &expected));
        for chunk in [&chunk, &loaded, &closed(&chunk)] {
            got.clear();
            let _ = chunk.visit_back(from, to, &mut Room::default(), &mut |times, values| {
                let block = times.iter().zip(values).rev();
                got.extend(block.map(|(time, value)| Sample::new(*time, *value)));
                ControlFlow::Continue(())
            });
            got.reverse();
            prop_assert!(same(&got, &expected));
        }
    }

    #[test]
    fn late_samples_find_their_place(all in samples(), late in proptest::collection::vec((any::<u16>(), -9.0..9.0), 0..20)) {
        let mut chunk = packed(1 << 16, &all);
        let mut model: std::collections::BTreeMap<u64, f64> = all.iter().copied().collect();
        let last = all.last().map_or(0, |last| last.0);
        for (at, value) in late.iter().filter(|_| last > 0) {
            let at = last / 65536 * u64::from(*at) + u64::from(*at) % (last + 1);
            let sum = |old: f64, new: f64| Ok::<f64, ()>(old + new);
            let (is_new, kept) = chunk.upsert(Sample::new(at, *value), sum).expect("no error");
            let entry = model.entry(at);
            prop_assert_eq!(is_new, matches!(entry, std::collections::btree_map::Entry::Vacant(_)));
            let slot = entry.and_modify(|old| *old += value).or_insert(*value);
            prop_assert_eq!(slot.to_bits(), kept.to_bits());
            chunk.check_invariants();
        }
        let removed = chunk.remove(last / 3, last / 2);
        let before = model.len();
        model.retain(|at, _| !(last / 3..=last / 2).contains(at));
        prop_assert_eq!(removed, before - model.len());
        chunk.check_invariants();
        let expected: Vec<(u64, f64)> = model.into_iter().collect();
        let got = chunk.samples();
        prop_assert!(same(&got, &expected));
        // The bits are those of the same samples coded at once.
        let again = packed(1 << 16, &expected);
        prop_assert_eq!(payload_bytes(&again), payload_bytes(&chunk));
        let mut earlier = chunk.clone();
        let later = earlier.split();
        earlier.check_invariants();
        later.check_invariants();
        let both = [earlier.samples(), later.samples()].concat();
        prop_assert!(same(&both, &expected));
    }
}
