//! A stream against a sorted map of IDs.
//!
//! IDs ascend; trims, deletions and ranges match the map, in nodes of three entries so that each
//! case meets the edges of nodes; groups keep their pending entries. Figures that clients wait for
//! are held too: a full trim gives whole nodes away instead of visiting them.

use super::*;
use crate::MemoryUsage;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SMALL: Limits = Limits {
    stream_node_max_bytes: 0,
    stream_node_max_entries: 3,
    ..Limits::DEFAULT
};

fn add(stream: &mut Stream, id: NewId, limits: &Limits) -> Result<StreamId, AppendError> {
    stream.append(id, [(&b"field"[..], &b"value"[..])].into_iter(), limits)
}

fn ids(mut range: Range<'_>) -> Vec<StreamId> {
    std::iter::from_fn(|| range.next()).collect()
}

#[test]
fn ids_never_go_back() {
    let mut s = Stream::new();
    let limits = Limits::default();
    let max = u64::MAX;
    assert_eq!(add(&mut s, NewId::Now(5), &limits), Ok(StreamId::new(5, 0)));
    assert_eq!(add(&mut s, NewId::Now(4), &limits), Ok(StreamId::new(5, 1)));
    assert_eq!(
        add(&mut s, NewId::Time(5), &limits),
        Ok(StreamId::new(5, 2))
    );
    assert_eq!(
        add(&mut s, NewId::Time(4), &limits),
        Err(AppendError::NotAbove)
    );
    assert_eq!(
        add(&mut s, NewId::Time(9), &limits),
        Ok(StreamId::new(9, 0))
    );
    let same = NewId::Whole(StreamId::new(9, 0));
    assert_eq!(add(&mut s, same, &limits), Err(AppendError::NotAbove));
    let last = NewId::Whole(StreamId::new(9, max));
    assert_eq!(add(&mut s, last, &limits), Ok(StreamId::new(9, max)));
    assert_eq!(
        add(&mut s, NewId::Time(9), &limits),
        Err(AppendError::NotAbove)
    );
    assert_eq!(
        add(&mut s, NewId::Now(9), &limits),
        Ok(StreamId::new(10, 0))
    );
    let end = NewId::Whole(StreamId::MAX);
    assert_eq!(add(&mut s, end, &limits), Ok(StreamId::MAX));
    assert_eq!(
        add(&mut s, NewId::Now(9), &limits),
        Err(AppendError::NotAbove)
    );
    s.check_invariants();
}

/// Bug: a full trim visited every node, and the loop waited as long as ten million entries take.
#[test]
fn what_is_trimmed_leaves_in_whole_and_is_freed_by_another() {
    let limits = Limits::default();
    let mut s = Stream::new();
    for n in 1..=50_000 {
        add(&mut s, NewId::Whole(StreamId::new(n, 0)), &limits).expect("ascending");
    }
    let before = s.memory_bytes();
    assert!((15..17).contains(&(before / 50_000)), "{before}");
    let to = |bound, approximate| Trim {
        bound,
        approximate,
        limit: 0,
        references: References::Keep,
    };
    let TrimResult { deleted, gone, .. } = s.trim(to(Bound::From(StreamId::new(30_050, 0)), true));
    assert_eq!((deleted, s.len()), (30_000, 20_000));
    let mut gone = gone.expect("many nodes");
    assert!(gone.node_count() > 200);
    while !gone.free_step(10) {}
    let TrimResult { deleted, .. } = s.trim(to(Bound::Len(150), false));
    assert_eq!((deleted, s.len(), s.node_count()), (19_850, 150, 2));
    assert_eq!(s.first_id(), StreamId::new(49_851, 0));
    let TrimResult { deleted, .. } = s.trim(to(Bound::Len(0), false));
    assert_eq!((deleted, s.len(), s.node_count()), (150, 0, 0));
    assert_eq!(s.first_id(), StreamId::MIN);
    s.check_invariants();
}

#[test]
fn a_limit_of_a_trim_holds_for_whole_nodes() {
    let mut s = Stream::new();
    for n in 1..=12 {
        add(&mut s, NewId::Whole(StreamId::new(n, 0)), &SMALL).expect("ascending");
    }
    let trim = Trim {
        bound: Bound::Len(0),
        approximate: true,
        limit: 7,
        references: References::Keep,
    };
    assert_eq!((s.trim(trim).deleted, s.len()), (6, 6));
}

#[derive(Default)]
struct GroupModel {
    pending: BTreeMap<StreamId, u8>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_behaves_like_a_sorted_map(
        ops in prop::collection::vec((0u8..10, 0u64..40, 0u64..4), 0..250),
    ) {
        let (mut s, mut model) = (Stream::new(), BTreeMap::new());
        let mut group = GroupModel::default();
        s.create_group(b"g", StreamId::MIN, 0);
        let mut added = 0u64;
        for (op, ms, seq) in ops {
            let id = StreamId::new(ms, seq);
            match op {
                0..4 => {
                    let id = StreamId::new(s.last_id().ms + ms % 3, ms % 3 * 7 + s.last_id().seq + seq);
                    let text = id.text();
                    let pairs = [(&b"f"[..], text.as_bytes()), (&b"g"[..], &b"7"[..])];
                    let pairs = pairs.into_iter().take(1 + (ms % 2) as usize);
                    let fits = id > s.last_id();
                    let got = s.append(NewId::Whole(id), pairs, &SMALL);
                    prop_assert_eq!(got.is_ok(), fits);
                    if fits {
                        added += 1;
                        model.insert(id, 1 + ms % 2);
                    }
                }
                4 => prop_assert_eq!(s.delete(id), model.remove(&id).is_some()),
                5 => {
                    let bound = match seq % 2 {
                        0 => Bound::Len(ms),
                        _ => Bound::From(id),
                    };
                    let TrimResult { deleted, .. } = s.trim(Trim { bound, approximate: false, limit: 0, references: References::Keep });
                    let before = model.len();
                    match bound {
                        Bound::Len(len) => while model.len() > len as usize {
                            model.pop_first();
                        },
                        Bound::From(id) => model = model.split_off(&id),
                    }
                    prop_assert_eq!(deleted, (before - model.len()) as u64);
                }
                6 | 7 => {
                    let name = [b'a' + seq as u8];
                    let inner = s.group_mut(b"g").expect("made");
                    let consumer = inner.find(&name).or_else(|| inner.create(&name, 5));
                    inner.assign(id, consumer.expect("made"), 1, 2);
                    group.pending.insert(id, name[0]);
                }
                8 => {
                    let inner = s.group_mut(b"g").expect("made");
                    prop_assert_eq!(inner.acknowledge(id), group.pending.remove(&id).is_some());
                }
                _ => {
                    let name = b'a' + seq as u8;
                    let had = group.pending.values().filter(|own| **own == name).count();
                    group.pending.retain(|_, own| *own != name);
                    let inner = s.group_mut(b"g").expect("made");
                    prop_assert_eq!(inner.delete(&[name]).unwrap_or(0), had);
                }
            }
            prop_assert_eq!(s.len(), model.len());
            let first = model.keys().next().copied().unwrap_or(StreamId::MIN);
            prop_assert_eq!(s.first_id(), first);
            prop_assert_eq!(s.last_entry(), model.keys().next_back().copied());
            let from = id;
            let to = StreamId::new(ms + 9, 2);
            let inside: Vec<StreamId> = model.range(from..=to).map(|(id, _)| *id).collect();
            prop_assert_eq!(ids(s.range(from, to)), inside.clone());
            let mut back = ids(s.range_back(from, to));
            back.reverse();
            prop_assert_eq!(back, inside);
            prop_assert_eq!(s.contains(id), model.contains_key(&id));
        }
        s.check_invariants();
        prop_assert_eq!(s.entries_added(), added);
        let inner = s.group(b"g").expect("made");
        let pending: Vec<StreamId> = inner.pending().iter().map(|(id, _)| id).collect();
        prop_assert_eq!(pending, group.pending.keys().copied().collect::<Vec<_>>());
        let copy = s.clone();
        copy.check_invariants();
        let (encoding, word) = s.into_word();
        // SAFETY: from `into_word`, once.
        let mut s = unsafe { Stream::from_word(encoding, word) };
        while !s.free_step(2) {}
        prop_assert_eq!(ids(copy.range(StreamId::MIN, StreamId::MAX)).len(), model.len());
        let mut range = copy.range(StreamId::MIN, StreamId::MAX);
        while let Some(id) = range.next() {
            prop_assert_eq!(Some(&(range.pairs_left() as u64)), model.get(&id));
            let (name, value) = range.pair().expect("one at least");
            prop_assert!(name.is(b"f") && value.is(id.text().as_bytes()));
        }
    }
}
