use super::*;
use proptest::prelude::*;

const RULE: PrefixRule = PrefixRule {
    delimiter: b':',
    depth: 1,
    lines_max: 3,
};

fn prefix(depth: usize, key: &[u8]) -> &[u8] {
    let (end, _) = end_of(&PrefixRule { depth, ..RULE }, key);
    &key[..end]
}

fn keys_of(prefixes: &Prefixes, name: &[u8]) -> Option<u64> {
    let named = |(its, _): &(PrefixName<'_>, _)| *its == PrefixName::Prefix(name);
    prefixes
        .lines()
        .find(named)
        .map(|(_, figures)| figures.keys)
}

#[test]
fn a_prefix_ends_with_the_delimiter_that_the_depth_asks_for() {
    assert_eq!(prefix(1, b"user:1:name"), b"user:");
    assert_eq!(prefix(2, b"user:1:name"), b"user:1:");
    assert_eq!(prefix(3, b"user:1:name"), b"user:1:");
    assert_eq!(prefix(1, b":x"), b":");
    assert_eq!(prefix(2, b"plain"), b"");
}

#[test]
fn a_prefix_with_fewer_delimiters_is_not_taken_for_one_with_all() {
    let mut p = Prefixes::new(PrefixRule { depth: 2, ..RULE }, true);
    p.add(b"a:x", EntryShare::plain(1));
    p.add(b"a:b:c", EntryShare::plain(1));
    p.add(b"a:y", EntryShare::plain(1));
    assert_eq!(keys_of(&p, b"a:"), Some(2));
    assert_eq!(keys_of(&p, b"a:b:"), Some(1));
}

#[test]
fn what_has_no_room_stays_with_the_rest_until_all_of_that_is_gone() {
    let mut p = Prefixes::new(RULE, true);
    for key in [&b"a:1"[..], b"b:1", b"c:1", b"d:1"] {
        p.add(key, EntryShare::plain(10));
    }
    p.remove(b"a:1", EntryShare::plain(10));
    // `d:` has a key in `(other)`, so it cannot take over `a:`'s line.
    p.add(b"d:2", EntryShare::plain(10));
    assert_eq!(keys_of(&p, b"d:"), None);
    p.remove(b"d:1", EntryShare::plain(10));
    p.remove(b"d:2", EntryShare::plain(10));
    p.add(b"d:3", EntryShare::plain(10));
    assert_eq!(keys_of(&p, b"d:"), Some(1));
    assert_eq!(keys_of(&p, b"a:"), None);
}

#[test]
fn names_are_bounded_and_misses_make_no_lines() {
    let mut p = Prefixes::new(RULE, true);
    let long = [&[b'x'; NAME_MAX][..], b":1"].concat();
    p.add(&long, EntryShare::plain(7));
    p.count(b"nothing:1", KeyUse::Miss);
    let lines: Vec<_> = p.lines().collect();
    let [(PrefixName::Other, figures)] = lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!((figures.keys, figures.bytes, figures.misses), (1, 7, 1));
}

proptest! {
    #[test]
    fn the_figures_are_those_of_a_walk(
        ops in prop::collection::vec((0u8..6, 0u32..8, 0u32..6, 1usize..90), 0..600),
        depth in 1usize..3,
    ) {
        let mut p = Prefixes::new(PrefixRule { depth, ..RULE }, true);
        let mut model = std::collections::BTreeMap::new();
        for (op, prefix, name, bytes) in ops {
            let key = match prefix {
                0 => format!("{name}"),
                1 => format!("p:{name}:{name}"),
                _ => format!("p{prefix}:{name}"),
            }.into_bytes();
            match (op, model.get(&key).copied()) {
                (0..3, None) => {
                    p.add(&key, EntryShare::plain(bytes));
                    model.insert(key, bytes);
                }
                (0..3, Some(before)) => {
                    p.change(&key, EntryShare::plain(before), EntryShare::plain(bytes));
                    model.insert(key, bytes);
                }
                (3, Some(before)) => {
                    p.remove(&key, EntryShare::plain(before));
                    model.remove(&key);
                }
                (4, _) => p.count(&key, KeyUse::Write),
                _ => p.count(&key, KeyUse::Miss),
            }
            p.check(model.iter().map(|(key, bytes)| (&key[..], 0, EntryShare::plain(*bytes))));
        }
        p.emptied();
        p.check(std::iter::empty());
    }
}
