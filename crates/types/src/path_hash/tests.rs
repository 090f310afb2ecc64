//! Property: a path hash is an ordered map of maps.
//!
//! After each random step (fields set and removed, paths and all paths below a prefix removed)
//! iteration from any path or rank, counts below a prefix, prefixes of a query and single paths are
//! those of the map, and the invariants hold. Paths have much in common, so that labels split and
//! join. Then depth: no call recurses; and memory: nested paths share their bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Fields = BTreeMap<Vec<u8>, Vec<u8>>;
type Model = BTreeMap<Vec<u8>, Fields>;

#[derive(Clone, Debug)]
enum TreeChange {
    Set(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>),
    RemoveField(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    RemoveBelow(Vec<u8>),
    Move(usize),
}

/// Paths with much in common, some longer than a label within a node.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => Just(b"a".to_vec()),
        3 => Just(b"b".to_vec()),
        1 => Just(vec![0]),
        1 => Just(vec![255]),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => Just(b"a long piece of a path, more than a node has room for".to_vec()),
    ];
    prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-e]".prop_map(String::into_bytes),
        (0..300u32).prop_map(|n| n.to_string().into_bytes()),
        Just(vec![b'x'; 90]),
    ]
}

fn step() -> impl Strategy<Value = TreeChange> {
    let fields = prop::collection::vec((word(), word()), 1..5);
    prop_oneof![
        6 => (path(), fields).prop_map(|(path, fields)| TreeChange::Set(path, fields)),
        2 => (path(), word()).prop_map(|(path, field)| TreeChange::RemoveField(path, field)),
        2 => path().prop_map(TreeChange::Remove),
        1 => path().prop_map(TreeChange::RemoveBelow),
        1 => (1..5usize).prop_map(TreeChange::Move),
    ]
}

fn fields_of(hash: &Hash) -> Fields {
    let mut fields = BTreeMap::new();
    hash.visit(|field| {
        let text = |entry: super::super::Entry<'_>| entry.bytes(&mut itoa::Buffer::new()).to_vec();
        let old = fields.insert(text(field.name), text(field.value));
        assert!(old.is_none());
        true
    });
    fields
}

fn collect(mut walk: Walk<'_>) -> Vec<(Vec<u8>, Fields)> {
    let mut all = Vec::new();
    while let Some((path, hash)) = walk.next() {
        all.push((path.to_vec(), fields_of(hash)));
    }
    all
}

fn relocate_all(paths: &mut PathHash, n: usize) {
    let mut mover = Mover::eager();
    let mut at = Some(0);
    while let Some(from) = at {
        at = paths.relocate(&mut mover, from, n);
        assert!(at.is_none_or(|at| at > from));
    }
    assert!(mover.moved as usize > paths.len());
}

fn set(paths: &mut PathHash, path: &[u8], fields: &[(Vec<u8>, Vec<u8>)]) {
    let fields = fields.iter().map(|(name, value)| (&name[..], &value[..]));
    paths.set(path, fields, &Limits::default());
}

fn check(paths: &PathHash, model: &Model, probe: &[u8]) {
    paths.check_invariants();
    assert_eq!(paths.len(), model.len());
    let all: Vec<_> = model.clone().into_iter().collect();
    assert_eq!(collect(paths.iter()), all);
    let after: Vec<_> = all.iter().filter(|(path, _)| &path[..] >= probe).collect();
    assert!(collect(paths.iter_from(probe)).iter().eq(after));
    let below = all.iter().filter(|(path, _)| path.starts_with(probe));
    assert_eq!(paths.count_below(probe), below.count());
    let mut found = Vec::new();
    paths.prefixes(probe, |len, hash| {
        found.push((probe[..len].to_vec(), fields_of(hash)));
        true
    });
    let prefixes = all.iter().filter(|(path, _)| probe.starts_with(path));
    assert!(found.iter().eq(prefixes));
    let rank = all.len() / 2;
    assert_eq!(collect(paths.iter_from_rank(rank)), all[rank..]);
    assert_eq!(paths.get(probe).map(fields_of).as_ref(), model.get(probe));
}

proptest! {
    #[test]
    fn paths_are_an_ordered_map(steps in prop::collection::vec((step(), path()), 1..60)) {
        let (mut paths, mut model) = (PathHash::new(), Model::new());
        for (step, probe) in steps {
            match step {
                TreeChange::Set(path, fields) => {
                    set(&mut paths, &path, &fields);
                    model.entry(path).or_default().extend(fields);
                }
                TreeChange::RemoveField(path, field) => {
                    let fields = model.get_mut(&path);
                    let removed = fields.is_some_and(|fields| fields.remove(&field).is_some());
                    prop_assert_eq!(paths.remove_field(&path, &field), removed);
                    model.retain(|_, fields| !fields.is_empty());
                }
                TreeChange::Remove(path) => {
                    let removed = paths.remove(&path).as_ref().map(fields_of);
                    prop_assert_eq!(removed, model.remove(&path));
                }
                TreeChange::RemoveBelow(prefix) => {
                    let before = model.len();
                    model.retain(|path, _| !path.starts_with(&prefix));
                    let mut part = paths.take_below(&prefix);
                    prop_assert_eq!(part.as_ref().map_or(0, PathHash::len), before - model.len());
                    if let Some(part) = &mut part {
                        part.check_invariants();
                        while !part.free_step(3) {}
                    }
                }
                TreeChange::Move(n) => relocate_all(&mut paths, n),
            }
            check(&paths, &model, &probe);
        }
        let copy = paths.clone();
        check(&copy, &model, b"a");
        let mut signatures = [Signature::default(); 2];
        paths.sign(&mut signatures[0]);
        copy.sign(&mut signatures[1]);
        prop_assert_eq!(signatures[0].hex(), signatures[1].hex());
    }
}

/// Each path is the prefix of the next: recursion would exhaust the stack.
#[test]
fn a_tree_may_be_as_deep_as_its_longest_path() {
    const DEPTH: usize = 12_000;
    let path: Vec<u8> = (0..DEPTH).map(|at| at as u8).collect();
    let mut paths = PathHash::new();
    let one = [(b"f".to_vec(), b"v".to_vec())];
    for len in 0..DEPTH {
        set(&mut paths, &path[..len], &one);
    }
    paths.check_invariants();
    let mut lens = 0;
    paths.prefixes(&path, |_, _| {
        lens += 1;
        true
    });
    assert_eq!(lens, DEPTH);
    let mut copy = paths.clone();
    assert_eq!(
        copy.iter_from_rank(DEPTH - 1)
            .next()
            .map(|(path, _)| path.len()),
        Some(DEPTH - 1)
    );
    relocate_all(&mut copy, 4096);
    copy.check_invariants();
    let mut steps = 0;
    while !copy.free_step(100) {
        steps += 1;
    }
    assert!((100..1000).contains(&steps), "{steps}");
    let mut lower = paths.take_below(&path[..1000]).expect("paths");
    assert_eq!((lower.len(), paths.len()), (DEPTH - 1000, 1000));
    lower.check_invariants();
    lower = PathHash::new();
    assert!(lower.is_empty());
    paths.check_invariants();
}

/// Every prefix of a path in steps of eight bytes, each with a field, as a cache of blocks has
/// them.
#[test]
fn nested_paths_share_their_bytes() {
    let path: Vec<u8> = (0..1024).map(|at| (at * 7 + at / 256) as u8).collect();
    let mut paths = PathHash::new();
    for len in (8..=1024).step_by(8) {
        set(
            &mut paths,
            &path[..len],
            &[(b"worker".to_vec(), b"7".to_vec())],
        );
    }
    let each = paths.memory_bytes() / paths.len();
    assert!(each < 120, "{each}");
}
