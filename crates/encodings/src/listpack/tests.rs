//! Listpacks against a `Vec`, and against bytes that Redis writes.
//!
//! Random operations must leave the same elements and a valid block, with and without room in
//! front. Damaged and hostile bytes must be refused, or read without leaving the block.

use super::*;
use proptest::prelude::*;

fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
    pack.iter().map(|e| e.to_vec()).collect()
}

fn pack(values: &[&str]) -> Listpack {
    Listpack::from_entries(values.iter().map(|v| Entry::parse(v.as_bytes())))
}

#[test]
fn an_empty_listpack_is_seven_bytes() {
    assert_eq!(Listpack::new().as_bytes(), [7, 0, 0, 0, 0, 0, 0xFF]);
    assert!(Listpack::new().is_empty());
    assert_eq!(Listpack::new().first(), None);
    assert_eq!(Listpack::new().last(), None);
}

/// Taken from DUMP of a list of these values by Redis 8.0.
#[test]
fn bytes_are_those_of_redis() {
    let values = [
        "0",
        "127",
        "128",
        "-1",
        "4095",
        "-4096",
        "4096",
        "-32768",
        "32768",
        "-8388608",
        "8388608",
        "-2147483648",
        "2147483648",
        "-9223372036854775808",
        "9223372036854775807",
        "abc",
        "01",
    ];
    let expected = concat!(
        "5c0000001100",
        "0001",
        "7f01",
        "c08002",
        "dfff02",
        "cfff02",
        "d00002",
        "f1001003",
        "f1008003",
        "f200800004",
        "f200008004",
        "f30000800005",
        "f30000008005",
        "f4000000800000000009",
        "f4000000000000008009",
        "f4ffffffffffffff7f09",
        "8361626304",
        "82303103",
        "ff"
    );
    let hex: String = pack(&values)
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(hex, expected);
    assert_eq!(texts(&pack(&values)), values.map(|v| v.as_bytes().to_vec()));
}

#[test]
fn trailing_lengths_change_width_where_redis_changes_it() {
    for len in [125, 126, 4095, 16_377, 16_378, 2_097_145, 2_097_146] {
        let text = vec![b'x'; len];
        let one = Listpack::from_entries([Entry::Str(&text)]);
        one.check_invariants();
        assert_eq!(one.iter().next_back(), Some(Entry::Str(&text)), "{len}");
    }
    assert_eq!(
        [
            127,
            128,
            16_382,
            16_383,
            2_097_150,
            2_097_151,
            268_435_454,
            268_435_455
        ]
        .map(entry::backlen_size),
        [1, 2, 2, 3, 3, 4, 4, 5]
    );
}

#[test]
fn a_count_of_65535_is_walked() {
    let mut many = Listpack::new();
    for i in 0..70_000u32 {
        many.append(Entry::Int(i64::from(i % 100)));
    }
    assert_eq!(many.as_bytes()[4..6], [0xFF, 0xFF]);
    assert_eq!(many.len(), 70_000);
    many.delete_range(0, 10_000);
    assert_eq!(many.len(), 60_000);
    assert_eq!(many.as_bytes()[4..6], 60_000u16.to_le_bytes());
    many.check_invariants();
}

#[test]
fn find_compares_integers_as_integers_and_skips() {
    let p = pack(&["1", "a", "a", "1", "01", "x"]);
    let first = p.first().expect("not empty");
    assert_eq!(
        p.find(first, b"a", 1)
            .map(|x| p.get(p.next(x).expect("a value"))),
        Some(Entry::Int(1))
    );
    assert_eq!(p.find(first, b"01", 1), p.seek(4));
    assert_eq!(p.find(first, b"x", 1), None);
    assert_eq!(p.find(first, b"x", 0), p.last());
}

#[test]
fn damaged_bytes_are_refused() {
    let good = pack(&["hello", "12345", "-7"]).as_bytes().to_vec();
    assert!(Listpack::from_bytes(&good).is_ok());
    for cut in 0..good.len() {
        assert!(Listpack::from_bytes(&good[..cut]).is_err(), "cut at {cut}");
    }
    let mut wrong_count = good.clone();
    wrong_count[4] = 9;
    assert_eq!(
        Listpack::from_bytes(&wrong_count).map(|_| ()),
        Err(ListpackError::Count {
            stated: 9,
            found: 3
        })
    );
    let mut wrong_header = good.clone();
    wrong_header[6] = 0xF5;
    assert_eq!(
        Listpack::from_bytes(&wrong_header).map(|_| ()),
        Err(ListpackError::Entry(6))
    );
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i64>().prop_map(|v| v.to_string().into_bytes()),
        4 => (-5000i64..5000).prop_map(|v| v.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..80),
        1 => (60usize..5000).prop_map(|n| vec![b'z'; n]),
    ]
}

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<u8>),
    Prepend(Vec<u8>),
    Before(usize, Vec<u8>),
    After(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Delete(usize),
    DeleteRange(usize, usize),
    Batch(Vec<Vec<u8>>),
    SplitMerge(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        value().prop_map(Op::Append),
        value().prop_map(Op::Prepend),
        (any::<usize>(), value()).prop_map(|(i, v)| Op::Before(i, v)),
        (any::<usize>(), value()).prop_map(|(i, v)| Op::After(i, v)),
        (any::<usize>(), value()).prop_map(|(i, v)| Op::Replace(i, v)),
        any::<usize>().prop_map(Op::Delete),
        (any::<usize>(), 0usize..6).prop_map(|(i, n)| Op::DeleteRange(i, n)),
        prop::collection::vec(value(), 0..5).prop_map(Op::Batch),
        any::<usize>().prop_map(Op::SplitMerge),
    ]
}

fn apply(pack: &mut Listpack, model: &mut Vec<Vec<u8>>, op: Op) {
    let len = model.len();
    match op {
        Op::Append(v) => {
            pack.append(Entry::parse(&v));
            model.push(v);
        }
        Op::Prepend(v) => {
            pack.prepend(Entry::parse(&v));
            model.insert(0, v);
        }
        Op::Batch(vs) => {
            pack.append_all(&vs.iter().map(|v| Entry::parse(v)).collect::<Vec<_>>());
            model.extend(vs);
        }
        Op::DeleteRange(i, n) => {
            let i = i % (len + 1);
            pack.delete_range(i, n);
            model.drain(i..(i + n).min(len));
        }
        _ if len == 0 => {}
        Op::Before(i, v) => {
            let pos = pack.seek(i % len).expect("in range");
            pack.insert_before(pos, Entry::parse(&v));
            model.insert(i % len, v);
        }
        Op::After(i, v) => {
            let pos = pack.seek(i % len).expect("in range");
            pack.insert_after(pos, Entry::parse(&v));
            model.insert(i % len + 1, v);
        }
        Op::Replace(i, v) => {
            let pos = pack.seek(i % len).expect("in range");
            pack.replace(pos, Entry::parse(&v));
            model[i % len] = v;
        }
        Op::Delete(i) => {
            let pos = pack.seek(i % len).expect("in range");
            let next = pack.delete(pos);
            model.remove(i % len);
            assert_eq!(
                next.map(|p| pack.get(p).to_vec()),
                model.get(i % len).cloned()
            );
        }
        Op::SplitMerge(i) => {
            let pos = pack.seek(i % len).expect("in range");
            let rest = pack.split_off(pos);
            assert_eq!((pack.len(), rest.len()), (i % len, len - i % len));
            pack.merge(&rest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_vector(ops in prop::collection::vec(op(), 0..40)) {
        let (mut pack, mut model) = (Listpack::new(), Vec::new());
        for op in ops {
            apply(&mut pack, &mut model, op);
            pack.check_invariants();
            prop_assert_eq!(pack.len(), model.len());
        }
        prop_assert_eq!(&texts(&pack), &model);
        let backward: Vec<_> = pack.iter().rev().map(|e| e.to_vec()).collect();
        prop_assert_eq!(backward, model.iter().rev().cloned().collect::<Vec<_>>());
        prop_assert_eq!(texts(&Listpack::from_bytes(pack.as_bytes()).expect("valid")), model);
    }

    #[test]
    fn hostile_bytes_never_get_in_unread(
        body in prop::collection::vec(any::<u8>(), 0..60), count in 0u16..12
    ) {
        let total = (body.len() + 7) as u32;
        let mut bytes = total.to_le_bytes().to_vec();
        bytes.extend(count.to_le_bytes());
        bytes.extend(body);
        bytes.push(END);
        if let Ok(pack) = Listpack::from_bytes(&bytes) {
            prop_assert_eq!(pack.iter().count(), pack.len());
            prop_assert_eq!(pack.iter().rev().count(), pack.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_with_room_in_front_is_the_same(
        steps in prop::collection::vec((prop::option::weighted(0.6, value()), 0usize..9000), 0..200)
    ) {
        let mut roomy = RoomyListpack::copy(&Listpack::new(), 0);
        let mut model = std::collections::VecDeque::new();
        for (pushed, bytes_max) in steps {
            match pushed {
                Some(text) => {
                    roomy.prepend(Entry::parse(&text), bytes_max);
                    model.push_front(text);
                }
                None if model.len() > 1 => {
                    roomy.pop_front();
                    model.pop_front();
                }
                None => {}
            }
            roomy.check_invariants();
            prop_assert_eq!(roomy.len(), model.len());
            prop_assert!(roomy.memory_bytes() >= roomy.as_bytes().len());
            // Pushes double it, pops shrink it at a quarter.
            prop_assert!(roomy.memory_bytes() <= (5 * roomy.as_bytes().len()).max(320));
        }
        prop_assert_eq!(roomy.clone().memory_bytes(), roomy.memory_bytes());
        let all: Vec<_> = roomy.clone().iter().map(|e| e.to_vec()).collect();
        prop_assert_eq!(&all, &model.iter().cloned().collect::<Vec<_>>());
        prop_assert_eq!(texts(&roomy.to_listpack()), all);
    }
}
