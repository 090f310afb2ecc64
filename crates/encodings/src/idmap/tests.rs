use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

impl MapValue for u64 {
    fn weight(&self) -> u64 {
        *self % 1000
    }
}

fn ids(map: &IdMap<u64>) -> Vec<StreamId> {
    map.iter().map(|(id, _)| id).collect()
}

#[test]
fn ids_in_order_fill_chunks() {
    let mut map = IdMap::default();
    for n in 0..10_000 {
        assert!(map.insert(StreamId::new(n, 0), n));
    }
    map.check_invariants();
    assert_eq!(map.chunks.len(), 10_000usize.div_ceil(CHUNK_MAX));
    assert!(map.memory_bytes() < 10_000 * 18);
    let (mut dropped, mut keys) = (IdMap::default(), 0);
    while let Some((len, weight, behind)) = map.front() {
        assert_eq!(
            weight,
            (keys as u64..(keys + len) as u64)
                .map(|n| n % 1000)
                .sum::<u64>()
        );
        map.move_front(&mut dropped);
        keys += len;
        assert_eq!(behind, map.first().map(|place| map.key(place)));
    }
    dropped.check_invariants();
    assert_eq!((keys, dropped.len(), map.len()), (10_000, 10_000, 0));
    let mut left = dropped.len();
    while !dropped.is_empty() {
        left -= dropped.drop_chunk();
    }
    assert_eq!(left, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_behaves_like_a_sorted_map(
        wide in any::<bool>(),
        ops in prop::collection::vec((0u8..8, 0u64..400, 0u64..4), 0..1500),
    ) {
        // Some keys have no short form.
        let id = |ms: u64, seq: u64| if wide && seq == 3 { StreamId::new(ms << 50, u64::MAX - ms) } else { StreamId::new(ms, seq) };
        let (mut map, mut model) = (IdMap::default(), BTreeMap::new());
        for (op, ms, seq) in ops {
            let id = id(ms, seq);
            match op {
                0..5 => prop_assert_eq!(map.insert(id, ms), !model.contains_key(&id)),
                5 => prop_assert_eq!(map.remove(id), model.remove(&id)),
                6 => if let Some(place) = map.find(id) {
                    map.update(place, |value| *value += 1);
                    *model.get_mut(&id).expect("there") += 1;
                },
                _ => {
                    let floor = model.range(..=id).next_back().map(|(id, _)| *id);
                    prop_assert_eq!(map.floor(id).map(|place| map.key(place)), floor);
                    let ceil = model.range(id..).next().map(|(id, _)| *id);
                    prop_assert_eq!(map.ceil(id).map(|place| map.key(place)), ceil);
                }
            }
            if op < 5 {
                model.entry(id).or_insert(ms);
            }
            prop_assert_eq!(map.get(id), model.get(&id));
        }
        map.check_invariants();
        prop_assert_eq!(ids(&map), model.keys().copied().collect::<Vec<_>>());
        let mut back = Vec::new();
        let mut at = map.last();
        while let Some(place) = at {
            back.push(map.key(place));
            at = map.prev(place);
        }
        back.reverse();
        prop_assert_eq!(&back, &ids(&map));
        for (n, key) in back.iter().enumerate() {
            prop_assert_eq!(map.nth(n).map(|place| map.key(place)), Some(*key));
        }
        prop_assert!(map.nth(back.len()).is_none());
    }
}
