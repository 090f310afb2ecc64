//! Postings against an ordered map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cursor::END;
use super::{Entry, PostingCursor, Postings};

type Model = BTreeMap<u32, (u32, u128, Vec<u32>)>;

fn entry(of: &(u32, u128, Vec<u32>)) -> Entry<'_> {
    Entry {
        frequency: of.0,
        fields: of.1,
        positions: &of.2,
    }
}

fn contents(postings: &Postings, positions: bool) -> Model {
    let mut all = Model::new();
    let mut cursor = PostingCursor::new(postings, positions, 0);
    while cursor.id() != END {
        let mut places = Vec::new();
        cursor.positions(&mut places);
        all.insert(cursor.id(), (cursor.frequency(), cursor.fields(), places));
        cursor.advance();
    }
    all
}

fn value() -> impl Strategy<Value = (u32, u128, Vec<u32>)> {
    let fields = prop_oneof![Just(1), Just(2), Just(1 << 127), 1..u128::MAX];
    let places = prop::collection::btree_set(1..1000u32, 1..4);
    (1..5u32, fields, places)
        .prop_map(|(f, fields, places)| (f, fields, places.into_iter().collect()))
}

proptest! {
    /// Entries put and removed in any order are as in a map; seeks find what the map finds.
    #[test]
    fn postings_are_a_map(
        steps in prop::collection::vec((0..600u32, prop::option::weighted(0.7, value())), 0..900),
        seeks in prop::collection::vec(0..700u32, 1..20),
        positions: bool,
    ) {
        let (mut postings, mut model) = (Postings::default(), Model::new());
        let mut sums = (0, 0);
        for (id, value) in steps {
            match value {
                Some(mut value) => {
                    let (was_new, growth) = postings.put(id, &entry(&value), positions);
                    sums = (sums.0 + growth.bytes, sums.1 + growth.blocks);
                    if !positions {
                        value.2.clear();
                    }
                    prop_assert_eq!(was_new, model.insert(id, value).is_none());
                }
                None => {
                    let block = postings.block_of(id);
                    let growth = postings.remove(block, id, positions);
                    prop_assert_eq!(growth.is_some(), model.remove(&id).is_some());
                    let growth = growth.unwrap_or_default();
                    sums = (sums.0 + growth.bytes, sums.1 + growth.blocks);
                }
            }
        }
        let counted = (postings.bytes() as isize, postings.blocks().len() as isize);
        prop_assert_eq!(sums, counted);
        prop_assert_eq!(postings.len(), model.len());
        prop_assert_eq!(contents(&postings, positions), model.clone());
        let mut cursor = PostingCursor::new(&postings, positions, 0);
        for to in seeks {
            let from = cursor.id().max(to);
            cursor.seek(to);
            let expected = model.range(from..).next().map_or(END, |(id, _)| *id);
            prop_assert_eq!(cursor.id(), expected);
        }
    }
}
