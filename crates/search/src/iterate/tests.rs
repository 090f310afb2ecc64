//! Cursors of random parts against sets.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Cursor, END, Ids, Intersection, Role, Union};

type Set = BTreeSet<u32>;

const DOCUMENTS: u32 = 300;

/// A part of a query, with its documents as a set.
#[derive(Clone, Debug)]
enum Shape {
    Set(Set),
    All(Vec<Shape>),
    Any(Vec<Shape>),
    Not(Box<Shape>),
    Optional(Box<Shape>),
}

fn everything() -> Set {
    // Numbers with gaps, as after removals.
    (0..DOCUMENTS).filter(|id| id % 7 != 3).collect()
}

fn shape() -> impl Strategy<Value = Shape> {
    let ids = prop::collection::btree_set(0..DOCUMENTS, 0..120);
    let leaf = ids.prop_map(|set| Shape::Set(set.intersection(&everything()).copied().collect()));
    leaf.prop_recursive(3, 60, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::All),
            prop::collection::vec(inner.clone(), 1..24).prop_map(Shape::Any),
            inner.clone().prop_map(|part| Shape::Not(Box::new(part))),
            inner.prop_map(|part| Shape::Optional(Box::new(part))),
        ]
    })
}

impl Shape {
    fn documents(&self) -> Set {
        match self {
            Shape::Set(set) => set.clone(),
            Shape::All(parts) => {
                let sets = parts.iter().map(Shape::documents);
                sets.reduce(|a, b| a.intersection(&b).copied().collect())
                    .unwrap_or_default()
            }
            Shape::Any(parts) => parts.iter().flat_map(Shape::documents).collect(),
            Shape::Not(part) => everything()
                .difference(&part.documents())
                .copied()
                .collect(),
            Shape::Optional(_) => everything(),
        }
    }

    fn cursor<'i>(&self, bits: &'i [u64]) -> Cursor<'i> {
        let all = || Ids::of_bits(bits, everything().len() as u64, Role::Everything, 1.0);
        let of = |parts: &[Shape]| parts.iter().map(|part| part.cursor(bits)).collect();
        match self {
            Shape::Set(set) => {
                let list: Vec<u32> = set.iter().copied().collect();
                if list.len().is_multiple_of(2) {
                    return Cursor::Ids(Ids::listed(list, Role::Plain, 1.0));
                }
                let (count, parts) = (list.len() * 100, std::iter::once(list.as_slice()));
                Cursor::Ids(Ids::collected(parts, count, DOCUMENTS, Role::Plain, 1.0))
            }
            Shape::All(parts) => {
                Cursor::Intersection(Box::new(Intersection::new(of(parts), None, None, 1.0)))
            }
            Shape::Any(parts) => Cursor::Union(Box::new(Union::new(of(parts), 1.0))),
            Shape::Not(part) => Cursor::not(all(), part.cursor(bits)),
            Shape::Optional(part) => Cursor::optional(all(), part.cursor(bits), 1.0),
        }
    }
}

proptest! {
    /// A cursor's documents are those of the sets, stepped through or sought.
    #[test]
    fn cursors_are_sets(shape in shape(), seeks in prop::collection::vec(0..DOCUMENTS + 9, 0..40)) {
        let mut bits = vec![0u64; DOCUMENTS.div_ceil(64) as usize];
        everything().iter().for_each(|id| bits[*id as usize / 64] |= 1 << (id % 64));
        let expected = shape.documents();
        let mut got = Vec::new();
        let mut cursor = shape.cursor(&bits);
        while cursor.id() != END {
            got.push(cursor.id());
            cursor.advance();
        }
        prop_assert_eq!(&got, &expected.iter().copied().collect::<Vec<_>>());
        prop_assert!(shape.cursor(&bits).estimate() >= got.len() as u64);
        let mut cursor = shape.cursor(&bits);
        for (turn, to) in seeks.into_iter().enumerate() {
            let from = if turn % 3 == 0 && cursor.id() != END {
                let from = cursor.id() + 1;
                cursor.advance();
                from
            } else {
                let from = cursor.id().max(to);
                cursor.seek(to);
                from
            };
            prop_assert_eq!(cursor.id(), expected.range(from..).next().copied().unwrap_or(END));
        }
    }
}

/// A query that keeps what was found is answered alike, and anew once it has forgotten it.
#[test]
fn kept_terms_are_those_of_the_index() {
    let mut schema = crate::schema::Schema::new(crate::schema::KeyType::Hash);
    schema.fields = vec![crate::index::testbed::text("t", 1.0)];
    let mut index = crate::index::Index::new(schema);
    let put = |index: &mut crate::index::Index, key: &str, t: &str| {
        index.put(key.as_bytes(), &crate::index::testbed::Hash(&[("t", t)]));
    };
    for (key, t) in [
        ("a", "hello"),
        ("b", "help world"),
        ("c", "hold"),
        ("d", "hells"),
    ] {
        put(&mut index, key, t);
    }
    let search = crate::search::Search::default();
    for (query, counts) in [("he*", [3, 3]), ("%hell%", [3, 3]), ("w'h?l*'", [4, 4])] {
        let mut root = crate::index::testbed::root(&index, query);
        let first = index.matches_for_now(&root, &search).expect("matches");
        assert_eq!(first.count(), counts[0], "{query}");
        let again = index.matches(&root, &search).expect("matches");
        assert_eq!(again.count(), counts[0], "{query}");
        root.forget();
        index.remove(b"a");
        put(&mut index, "e", "helm");
        let anew = index.matches(&root, &search).expect("matches");
        assert_eq!(anew.count(), counts[1], "{query}");
        index.remove(b"e");
        put(&mut index, "a", "hello");
    }
}
