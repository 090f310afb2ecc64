//! Lists beside known ones of Redis, payloads that are damaged, and how near counts are to the
//! truth.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn list(k: u32, width: u32, depth: u32, decay: f64) -> TopK {
    let shape = Shape {
        k,
        width,
        depth,
        decay,
    };
    TopK::new(shape, 1).expect("small")
}

fn text(list: &TopK) -> Vec<(String, u32)> {
    let list = list.list().into_iter();
    list.map(|(item, count)| (String::from_utf8_lossy(item).into_owned(), count))
        .collect()
}

/// Reads a list from its own fields.
fn again(list: &TopK) -> TopK {
    let shape = list.shape();
    let numbers = [shape.k, shape.width, shape.depth].map(u64::from);
    let mut loader = Loader::new(numbers, shape.decay, list.cells().into(), list.places())
        .expect("fields of a list");
    for item in list.items() {
        let item = [item.unwrap_or_default(), &[0]].concat();
        loader.item(&item).expect("an item of a list");
    }
    loader.finish().expect("all items")
}

/// `TOPK.RESERVE 2 4 2 0.9`, `TOPK.ADD foo`, `TOPK.INCRBY bar 3` on Redis Stack 7.4.
#[test]
fn cells_and_places_are_those_of_redis() {
    let mut list = list(2, 4, 2, 0.9);
    assert_eq!(list.add(b"foo", 1), None);
    assert_eq!(list.add(b"bar", 3), None);
    let (foo, bar) = (1 << 32 | 0x4064_c400, 3 << 32 | 0x2f60_f28e_u64);
    let cells = list.cells().as_chunks().0.iter();
    let cells: Vec<u64> = cells.map(|cell| u64::from_le_bytes(*cell)).collect();
    assert_eq!(cells, [0, foo, 0, bar, 0, bar, foo, 0]);
    let places = list.places();
    assert_eq!(places.len(), 2 * PLACE);
    assert_eq!(places[..8], [0, 0xc4, 0x64, 0x40, 3, 0, 0, 0]);
    assert_eq!(places[16..20], [1, 0, 0, 0]);
    assert_eq!(places[40..48], [3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(text(&list), [("bar".to_owned(), 3), ("foo".to_owned(), 1)]);
}

/// The same conversation as with Redis Stack 7.4.
#[test]
fn items_are_pushed_out_as_by_redis() {
    let mut list = list(3, 8, 7, 0.9);
    let mut add = |item: &str| {
        let out = list.add(item.as_bytes(), 1)?;
        Some(String::from_utf8(out.into()).expect("text"))
    };
    assert_eq!(
        ["a", "b", "c", "d"].map(&mut add),
        [None, None, None, Some("a".into())]
    );
    assert_eq!(
        ["a", "b", "d", "d"].map(&mut add),
        [Some("c".into()), None, None, None]
    );
    assert_eq!(
        text(&list),
        [
            ("d".to_owned(), 3),
            ("a".to_owned(), 2),
            ("b".to_owned(), 2)
        ]
    );
}

#[test]
fn a_decay_of_one_wears_at_each_addition() {
    let mut list = list(1, 1, 1, 1.0);
    list.add(b"a", 5);
    list.add(b"b", 3);
    assert_eq!((list.estimate(b"a"), list.estimate(b"b")), (0, 0));
    assert_eq!(text(&list), [("a".to_owned(), 5)]);
    // The second of these takes the cell over, which has 2 left.
    list.add(b"c", 5);
    assert_eq!(list.estimate(b"c"), 4);
}

#[test]
fn nothing_is_an_item_too() {
    let mut list = list(2, 8, 7, 0.9);
    list.add(b"", 2);
    list.add(b"x\0y", 1);
    list.add(b"\0", 3);
    assert!(list.has(b"\0") && list.has(b"") && !list.has(b"x\0y") && !list.has(b"x"));
    let mut again = again(&list);
    assert_eq!(text(&again), text(&list));
    assert!(again.add(b"new", 9).is_some_and(|out| *out == *b""));
}

/// The state of the generator is in the payload: both lists go the same way.
#[test]
fn a_list_that_was_read_decays_as_the_one_that_was_written() {
    let mut one = list(4, 3, 2, 0.7);
    for at in 0..500_u32 {
        one.add(&(at % 23).to_le_bytes(), at % 7);
    }
    let mut other = again(&one);
    for at in 0..5000_u32 {
        let (item, n) = ((at * at % 41).to_le_bytes(), at % 11);
        assert_eq!(one.add(&item, n), other.add(&item, n));
    }
    assert_eq!(one.cells(), other.cells());
    assert_eq!(one.places(), other.places());
    one.check_invariants();
}

/// Regression in Redis: it read beyond its heap and its cells if their sizes did not fit the
/// numbers.
#[test]
fn payloads_whose_numbers_contradict_each_other_are_refused() {
    let load = |numbers: [u64; 3], decay: f64, cells: usize, places: usize| {
        Loader::new(numbers, decay, vec![0; cells].into(), vec![0; places]).is_ok()
    };
    assert!(load([2, 4, 2], 0.9, 64, 48));
    assert!(!load([2, 4, 2], 0.9, 63, 48) && !load([2, 4, 2], 0.9, 64, 24));
    assert!(!load([0, 4, 2], 0.9, 64, 0) && !load([2, 0, 2], 0.9, 0, 48));
    assert!(!load([2, 1 << 32, 1 << 32], 0.9, 0, 48));
    assert!(!load([1 << 61, 4, 2], 0.9, 64, 0) && !load([1 << 32, 4, 2], 0.9, 64, 48));
    for decay in [0.0, -1.0, 1.1, f64::NAN, f64::INFINITY] {
        assert!(!load([2, 4, 2], decay, 64, 48));
    }
    let loader = || {
        let mut places = vec![0; 48];
        places[4] = 3;
        Loader::new([2, 4, 2], 0.9, vec![0; 64].into(), places).expect("sizes fit")
    };
    assert!(loader().item(b"").is_err() && loader().item(b"foo").is_err());
    assert!(
        loader().item(b"fooo\0").is_err(),
        "longer than its place says"
    );
    let mut cut = loader();
    // Redis cuts "a\0b" short.
    assert!(cut.item(b"a\0").is_ok() && cut.left() == 1);
    assert!(cut.finish().is_err());
}

/// Half of the additions are of ten items: they are the list, and their counts are near the truth.
#[test]
fn the_most_frequent_items_are_found() {
    let mut list = list(10, 200, 5, 0.9);
    let mut generator = Generator(42);
    let mut truth: HashMap<u32, u32> = HashMap::new();
    for _ in 0..50_000 {
        let draw = generator.next();
        let item = if draw & 1 == 0 {
            (draw >> 1) % 10
        } else {
            10 + (draw >> 1) % 5000
        } as u32;
        *truth.entry(item).or_default() += 1;
        list.add(&item.to_le_bytes(), 1);
    }
    for item in 0..10_u32 {
        let (count, estimate) = (truth[&item], list.estimate(&item.to_le_bytes()));
        assert!(list.has(&item.to_le_bytes()));
        assert!(
            estimate <= count && estimate * 100 >= count * 95,
            "{estimate} of {count}"
        );
    }
}

proptest! {
    #[test]
    fn lists_are_read_as_they_were_written(
        k in 1u32..20,
        width in 1u32..20,
        depth in 1u32..10,
        additions in prop::collection::vec((prop::collection::vec(0u8..4, 0..4), 0u32..50), 0..100),
    ) {
        let mut list = list(k, width, depth, 0.8);
        for (item, n) in additions {
            list.add(&item, n);
            prop_assert!(list.list().len() <= k as usize);
        }
        list.check_invariants();
        let again = again(&list);
        again.check_invariants();
        prop_assert_eq!(again.cells(), list.cells());
        prop_assert_eq!(again.places(), list.places());
        prop_assert_eq!(text(&again), text(&list));
    }
}

#[test]
fn items_of_a_long_list_are_moved_in_steps() {
    let shape = Shape {
        k: 5_000,
        width: 5_000,
        depth: 2,
        decay: 0.9,
    };
    let mut list = TopK::new(shape, 1).expect("a list");
    for n in 0..5_000u32 {
        list.add(&n.to_le_bytes(), 1);
    }
    let before: Vec<_> = list.items().map(|item| item.map(<[u8]>::to_vec)).collect();
    let (mut at, mut steps) = (Some(0), 0);
    while let Some(here) = at {
        at = list.relocate(&mut Mover::eager(), here, 500);
        steps += 1;
    }
    let items = before.iter().flatten().count();
    assert!(
        items > 4_500 && steps == items.div_ceil(500),
        "{items} {steps}"
    );
    assert!(list.items().eq(before.iter().map(Option::as_deref)));
    list.check_invariants();
}
