//! Cursors of random parts against sets.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::prepare::DocumentSet;
use super::{Cursor, END, Ids, Intersection, Role, Union};

type Set = BTreeSet<u32>;

const DOCUMENTS: u32 = 300;

/// A part of a query, with the documents as a set.
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

    /// A cursor over a window of documents.
    fn cursor<'i>(&self, bits: &'i [u64], window: (u32, u32)) -> Cursor<'i> {
        let (from, limit) = window;
        let len = everything().len() as u64;
        let all = || Ids::of_bits(bits, len, Role::Everything, 1.0, from);
        let of = |parts: &[Shape]| parts.iter().map(|part| part.cursor(bits, window)).collect();
        match self {
            Shape::Set(set) => {
                let list: Vec<u32> = set.iter().copied().collect();
                if list.len().is_multiple_of(2) {
                    return Cursor::Ids(Ids::listed(list, Role::Plain, 1.0, from));
                }
                let mut gathered = DocumentSet::new(DOCUMENTS, list.len() * (list.len() % 3));
                list.iter().rev().for_each(|id| gathered.add(*id));
                gathered.finish();
                Cursor::Ids(Ids::gathered(gathered.into(), Role::Plain, 1.0, from))
            }
            Shape::All(parts) => {
                let all = Intersection::new(of(parts), None, None, 1.0, limit);
                Cursor::Intersection(Box::new(all))
            }
            Shape::Any(parts) => Cursor::Union(Box::new(Union::new(of(parts), 1.0))),
            Shape::Not(part) => Cursor::not(all(), part.cursor(bits, window), limit),
            Shape::Optional(part) => Cursor::optional(all(), part.cursor(bits, window), 1.0, limit),
        }
    }
}

proptest! {
    /// A cursor's documents are the same as the sets', stepped through or sought.
    #[test]
    fn cursors_are_sets(
        shape in shape(),
        seeks in prop::collection::vec(0..DOCUMENTS + 9, 0..40),
        width in 1..DOCUMENTS,
    ) {
        let mut bits = vec![0u64; DOCUMENTS.div_ceil(64) as usize];
        everything().iter().for_each(|id| bits[*id as usize / 64] |= 1 << (id % 64));
        let expected = shape.documents();
        let mut got = Vec::new();
        let mut cursor = shape.cursor(&bits, (0, END));
        while cursor.id() != END {
            got.push(cursor.id());
            cursor.advance();
        }
        prop_assert_eq!(&got, &expected.iter().copied().collect::<Vec<_>>());
        prop_assert!(shape.cursor(&bits, (0, END)).estimate() >= got.len() as u64);
        // Window by window, each from the document on which the window before it ended.
        let (mut from, mut windows) = (0, Vec::new());
        while from != END {
            let limit = from + width;
            let mut cursor = shape.cursor(&bits, (from, limit));
            while cursor.id() < limit {
                windows.push(cursor.id());
                cursor.advance();
            }
            from = cursor.id();
        }
        prop_assert_eq!(&windows, &got);
        let mut cursor = shape.cursor(&bits, (0, END));
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
