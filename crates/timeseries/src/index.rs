//! Keys by the labels of their series.
//!
//!     names: name -> values -> numbers of series        keys: number -> key
//!
//! A list of numbers ascends. A series with two labels of one name is in the lists of both.
//!
//! Invariants
//!   1. A key is in the index exactly if it holds a series, with the labels of that series: the
//!      table of keys notes and forgets them where values come and go.
//!   2. A number is in a list exactly if its series has the label; there are no empty lists.
//!
//! Cost: noting a series O(labels), and O(series with a label) to move the end of a list if an
//! older number is used again; a question O(series of its shortest list * filters * log series).

use crate::Labels;
use russet_base::memory::alloc::{array_bytes, slice_bytes, vec_bytes};
use std::collections::HashMap;

/// Numbers of series, ascending.
type List = Vec<u32>;
/// The series of each value of a label.
type Values = HashMap<Box<[u8]>, List>;

/// A condition on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The label.
    pub name: Box<[u8]>,
    /// The condition.
    pub test: Test,
}

/// A condition on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It has one of these values.
    OneOf(Vec<Box<[u8]>>),
    /// It has none of these values, or there is no such label.
    NoneOf(Vec<Box<[u8]>>),
    /// There is such a label.
    There,
    /// There is no such label.
    Absent,
}

/// See the module.
#[derive(Debug, Default)]
pub struct LabelIndex {
    names: HashMap<Box<[u8]>, Values>,
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
                self.names.insert(name.into(), HashMap::new());
            }
            let values = self.names.get_mut(name).expect("inserted above");
            if !values.contains_key(value) {
                self.text_bytes += slice_bytes(value.len());
                values.insert(value.into(), List::new());
            }
            let list = values.get_mut(value).expect("inserted above");
            let at = list.partition_point(|other| *other < number);
            if list.get(at) != Some(&number) {
                list.insert(at, number);
            }
        }
    }

    /// A key does not hold its series, which has these labels, any longer.
    pub fn forget(&mut self, key: &[u8], labels: &Labels) {
        let Some(number) = self.numbers.remove(key) else {
            return;
        };
        self.keys[number as usize] = None;
        self.free.push(number);
        self.text_bytes -= 2 * slice_bytes(key.len());
        for (name, value) in labels.iter() {
            let Some(values) = self.names.get_mut(name) else {
                continue;
            };
            let Some(list) = values.get_mut(value) else {
                continue;
            };
            if let Ok(at) = list.binary_search(&number) {
                list.remove(at);
            }
            if list.is_empty() {
                values.remove(value);
                self.text_bytes -= slice_bytes(value.len());
            }
            if values.is_empty() {
                self.names.remove(name);
                self.text_bytes -= slice_bytes(name.len());
            }
        }
    }

    /// The keys of the series that satisfy all filters, of which one at least asks for a value;
    /// sorted.
    pub fn find(&self, filters: &[Filter]) -> Vec<&[u8]> {
        let lists = filters.iter().enumerate();
        let lists = lists.filter_map(|(at, filter)| match &filter.test {
            Test::OneOf(values) => Some((at, self.lists(&filter.name, values))),
            _ => None,
        });
        let length = |lists: &[&[u32]]| lists.iter().map(|list| list.len()).sum::<usize>();
        let Some((chosen, shortest)) = lists.min_by_key(|(_, lists)| length(lists)) else {
            return Vec::new();
        };
        let mut numbers: List = shortest.concat();
        if shortest.len() > 1 {
            numbers.sort_unstable();
            numbers.dedup();
        }
        for (at, filter) in filters.iter().enumerate() {
            match &filter.test {
                _ if at == chosen => {}
                Test::OneOf(values) => {
                    let lists = self.lists(&filter.name, values);
                    retain(&mut numbers, &lists, true);
                }
                Test::NoneOf(values) => {
                    let lists = self.lists(&filter.name, values);
                    retain(&mut numbers, &lists, false);
                }
                Test::There => retain(&mut numbers, &self.all_lists(&filter.name), true),
                Test::Absent => retain(&mut numbers, &self.all_lists(&filter.name), false),
            }
        }
        let key = |number: &u32| self.keys[*number as usize].as_deref().expect("in use");
        sorted(numbers.iter().map(key).collect())
    }

    /// The keys of all series, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.numbers.keys().map(|key| &**key)
    }

    fn lists(&self, name: &[u8], values: &[Box<[u8]>]) -> Vec<&[u32]> {
        let Some(all) = self.names.get(name) else {
            return Vec::new();
        };
        let lists = values.iter().filter_map(|value| all.get(value));
        lists.map(Vec::as_slice).collect()
    }

    fn all_lists(&self, name: &[u8]) -> Vec<&[u32]> {
        let values = self.names.get(name).into_iter().flat_map(HashMap::values);
        values.map(Vec::as_slice).collect()
    }

    /// Bytes of its blocks, about. O(labels' values).
    pub fn memory_bytes(&self) -> usize {
        // A table holds its entries at about three quarters, with a byte each.
        let table = |entries: usize, bytes: usize| entries * (bytes + 1) * 4 / 3;
        let lists = self.names.values().flat_map(HashMap::values);
        let lists: usize = lists.map(vec_bytes).sum();
        let values: usize = self.names.values().map(HashMap::capacity).sum();
        self.text_bytes
            + lists
            + table(values, size_of::<(Box<[u8]>, List)>())
            + table(self.names.capacity(), 64)
            + table(self.numbers.capacity(), size_of::<(Box<[u8]>, u32)>())
            + array_bytes::<Option<Box<[u8]>>>(self.keys.capacity())
            + vec_bytes(&self.free)
    }

    /// Panics unless a key is noted with these labels.
    pub fn check(&self, key: &[u8], labels: &Labels) {
        let number = self.numbers.get(key).expect("each series is noted");
        assert_eq!(self.keys[*number as usize].as_deref(), Some(key));
        for (name, value) in labels.iter() {
            let list = &self.names[name][value];
            assert!(list.binary_search(number).is_ok());
        }
        let lists = self.names.values().flat_map(HashMap::values);
        let mut noted = lists.filter(|list| list.binary_search(number).is_ok());
        assert!(noted.by_ref().count() <= labels.len());
    }
}

/// Keeps the numbers that are in one of the lists, or in none of them.
fn retain(numbers: &mut List, lists: &[&[u32]], is_in: bool) {
    numbers.retain(|number| {
        let mut lists = lists.iter();
        lists.any(|list| list.binary_search(number).is_ok()) == is_in
    });
}

/// Sorts keys by eight bytes after what all of them begin with, and if those are equal as a whole:
/// most comparisons are of two numbers.
fn sorted(keys: Vec<&[u8]>) -> Vec<&[u8]> {
    let Some(first) = keys.first() else {
        return keys;
    };
    let common = keys.iter().fold(first.len(), |common, key| {
        let pairs = first[..common].iter().zip(*key);
        pairs.take_while(|(a, b)| a == b).count()
    });
    let head = |key: &[u8]| {
        let mut bytes = [0; 8];
        let rest = &key[common..];
        let n = rest.len().min(bytes.len());
        bytes[..n].copy_from_slice(&rest[..n]);
        u64::from_be_bytes(bytes)
    };
    let mut headed: Vec<(u64, &[u8])> = keys.iter().map(|key| (head(key), *key)).collect();
    headed.sort_unstable();
    headed.into_iter().map(|(_, key)| key).collect()
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

    fn satisfies(labels: &Labels, filter: &Filter) -> bool {
        let has = |values: &[Box<[u8]>]| {
            let mut own = labels.iter().filter(|label| *label.0 == *filter.name);
            own.any(|label| values.iter().any(|value| **value == *label.1))
        };
        match &filter.test {
            Test::OneOf(values) => has(values),
            Test::NoneOf(values) => !has(values),
            Test::There => labels.get(&filter.name).is_some(),
            Test::Absent => labels.get(&filter.name).is_none(),
        }
    }

    proptest! {
        #[test]
        fn keys_are_sorted_as_bytes(keys in proptest::collection::vec("[ab\0]{0,12}", 0..40)) {
            let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            prop_assert_eq!(sorted(keys), expected);
        }

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
            let found = model.iter().filter(|(_, labels)| filters.iter().all(|f| satisfies(labels, f)));
            let found: Vec<Vec<u8>> = found.map(|(key, _)| vec![*key]).collect();
            prop_assert_eq!(index.find(&filters), found);
            for (key, labels) in &model {
                index.forget(&[*key], labels);
            }
            prop_assert!(index.names.is_empty() && index.text_bytes == 0);
        }
    }
}
