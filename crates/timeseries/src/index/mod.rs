//! Keys by the labels of their series.
//!
//!     names: name -> values -> numbers of series        keys: number -> key
//!            name -> numbers of all series with it
//!
//!     filter      conditions on labels
//!     search      the keys of the series that satisfy them
//!
//! A list of numbers ascends. A series with two labels of the same name is in the lists of both.
//!
//! Invariants
//!   1. A key is in the index exactly if it holds a series, with the labels of that series: the
//!      table of keys adds and removes them as values come and go.
//!   2. A number is in a list exactly if its series has the label; there are no empty lists.
//!
//! Cost: adding a series O(labels), and O(series with a label) to move the end of a list if an
//! older number is used again.

mod filter;
mod search;

pub use filter::{Filter, Test};
pub use search::Search;

use crate::Labels;
use russet_base::memory::alloc::{array_bytes, slice_bytes, vec_bytes};
use std::collections::HashMap;

/// Numbers of series, ascending.
type List = Vec<u32>;
/// The series with a label.
#[derive(Debug, Default)]
struct Name {
    /// The numbers of series by the values of the label.
    values: HashMap<Box<[u8]>, List>,
    /// All of them.
    all: List,
}

/// See the module.
#[derive(Debug, Default)]
pub struct LabelIndex {
    names: HashMap<Box<[u8]>, Name>,
    keys: Vec<Option<Box<[u8]>>>,
    numbers: HashMap<Box<[u8]>, u32>,
    free: Vec<u32>,
    /// Bytes of names, values and keys.
    text_bytes: usize,
}

impl LabelIndex {
    /// Series.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// A key holds a series with these labels from now on.
    pub fn note(&mut self, key: &[u8], labels: &Labels) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.keys.push(None);
            (self.keys.len() - 1) as u32
        });
        self.keys[number as usize] = Some(key.into());
        self.numbers.insert(key.into(), number);
        self.text_bytes += 2 * slice_bytes(key.len());
        for (name, value) in labels.iter() {
            if !self.names.contains_key(name) {
                self.text_bytes += slice_bytes(name.len());
                self.names.insert(name.into(), Name::default());
            }
            let entry = self.names.get_mut(name).expect("inserted above");
            insert(&mut entry.all, number);
            if !entry.values.contains_key(value) {
                self.text_bytes += slice_bytes(value.len());
                entry.values.insert(value.into(), List::new());
            }
            let list = entry.values.get_mut(value).expect("inserted above");
            insert(list, number);
        }
    }

    /// A key no longer holds its series, which has these labels.
    pub fn forget(&mut self, key: &[u8], labels: &Labels) {
        let Some(number) = self.numbers.remove(key) else {
            return;
        };
        self.keys[number as usize] = None;
        self.free.push(number);
        self.text_bytes -= 2 * slice_bytes(key.len());
        for (name, value) in labels.iter() {
            let Some(entry) = self.names.get_mut(name) else {
                continue;
            };
            remove(&mut entry.all, number);
            let Some(list) = entry.values.get_mut(value) else {
                continue;
            };
            remove(list, number);
            if list.is_empty() {
                entry.values.remove(value);
                self.text_bytes -= slice_bytes(value.len());
            }
            if entry.values.is_empty() {
                self.names.remove(name);
                self.text_bytes -= slice_bytes(name.len());
            }
        }
    }

    /// The keys of all series, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.numbers.keys().map(|key| &**key)
    }

    /// Bytes of the index's blocks, about. O(labels' values).
    pub fn memory_bytes(&self) -> usize {
        // A table holds its entries at about three quarters, with a byte each.
        let table = |entries: usize, bytes: usize| entries * (bytes + 1) * 4 / 3;
        let lists: usize = self.lists_of_all().map(vec_bytes).sum();
        let values: usize = self.names.values().map(|name| name.values.capacity()).sum();
        self.text_bytes
            + lists
            + table(values, size_of::<(Box<[u8]>, List)>())
            + table(self.names.capacity(), size_of::<(Box<[u8]>, Name)>())
            + table(self.numbers.capacity(), size_of::<(Box<[u8]>, u32)>())
            + array_bytes::<Option<Box<[u8]>>>(self.keys.capacity())
            + vec_bytes(&self.free)
    }

    /// Panics unless a key is recorded with these labels.
    pub fn check(&self, key: &[u8], labels: &Labels) {
        let number = self.numbers.get(key).expect("each series is noted");
        assert_eq!(self.keys[*number as usize].as_deref(), Some(key));
        for (name, value) in labels.iter() {
            let name = &self.names[name];
            for list in [&name.all, &name.values[value]] {
                assert!(list.binary_search(number).is_ok());
            }
        }
        let noted = self.lists_of_all();
        let noted = noted.filter(|list| list.binary_search(number).is_ok());
        assert!(noted.count() <= 2 * labels.len());
    }

    fn lists_of_all(&self) -> impl Iterator<Item = &List> {
        let names = self.names.values();
        names.flat_map(|name| std::iter::once(&name.all).chain(name.values.values()))
    }
}

fn insert(list: &mut List, number: u32) {
    let at = list.partition_point(|other| *other < number);
    if list.get(at) != Some(&number) {
        list.insert(at, number);
    }
}

fn remove(list: &mut List, number: u32) {
    if let Ok(at) = list.binary_search(&number) {
        list.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn labels(pairs: &[(u8, u8)]) -> Labels {
        let texts: Vec<([u8; 1], [u8; 1])> = pairs.iter().map(|(a, b)| ([*a], [*b])).collect();
        Labels::new(texts.iter().map(|(a, b)| (&a[..], &b[..])))
    }

    fn filters() -> impl Strategy<Value = Vec<Filter>> {
        let values = || proptest::collection::vec((0..4_u8).prop_map(|v| Box::from([v])), 1..3);
        let test = prop_oneof![
            values().prop_map(Test::OneOf),
            values().prop_map(Test::NoneOf),
            Just(Test::There),
            Just(Test::Absent)
        ];
        let filter = (0..4_u8, test).prop_map(|(name, test)| Filter {
            name: Box::from([name]),
            test,
        });
        let first = (0..4_u8, values()).prop_map(|(name, values)| Filter {
            name: Box::from([name]),
            test: Test::OneOf(values),
        });
        (first, proptest::collection::vec(filter, 0..3)).prop_map(|(first, mut rest)| {
            rest.push(first);
            rest
        })
    }

    fn find(index: &LabelIndex, filters: Option<&[Filter]>) -> Vec<Vec<u8>> {
        let mut search = Search::new(Some(index), filters);
        let all = |_: &[u8]| Ok::<bool, ()>(true);
        let filters = filters.unwrap_or_default();
        search
            .finish(Some(index), filters, all)
            .expect("no refusal");
        std::iter::from_fn(|| search.next_key().map(<[u8]>::to_vec)).collect()
    }

    proptest! {
        #[test]
        fn answers_are_those_of_all_series(
            steps in proptest::collection::vec((0..30_u8, proptest::option::of(proptest::collection::vec((0..4_u8, 0..4_u8), 0..5))), 0..150),
            filters in filters(),
        ) {
            let mut index = LabelIndex::default();
            let mut model: BTreeMap<u8, Labels> = BTreeMap::new();
            for (key, step) in &steps {
                if let Some(old) = model.remove(key) {
                    index.forget(&[*key], &old);
                }
                if let Some(pairs) = step {
                    index.note(&[*key], &labels(pairs));
                    model.insert(*key, labels(pairs));
                }
            }
            prop_assert_eq!(index.len(), model.len());
            for (key, labels) in &model {
                index.check(&[*key], labels);
            }
            let found = model.iter().filter(|(_, labels)| filters.iter().all(|f| f.admits(labels)));
            let found: Vec<Vec<u8>> = found.map(|(key, _)| vec![*key]).collect();
            prop_assert_eq!(find(&index, Some(&filters)), found);
            let all: Vec<Vec<u8>> = model.keys().map(|key| vec![*key]).collect();
            prop_assert_eq!(find(&index, None), all);
            for (key, labels) in &model {
                index.forget(&[*key], labels);
            }
            prop_assert!(index.names.is_empty() && index.text_bytes == 0);
        }
    }
}
