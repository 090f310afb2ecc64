//! A search for series by their labels, in steps: the index may change between them.
//!
//! The candidates are the series of the filter with the fewest, as of the beginning of the search.
//! Each step tests some of them by the index and sorts the keys of the series that satisfy the
//! other filters; the sorted parts are merged as they are read.
//!
//! Between steps the number of a candidate may pass to another series, so later steps test all
//! filters. Then a key may be found twice, but is read once. Afterwards series may change, too:
//! [`Filter::admits`] answers for a series as it is.
//!
//! Cost: O(candidates * filters * log series), and O(keys * log parts) to read them; a step is
//! bounded, about 0.2 ms.

use super::{Filter, LabelIndex, Test};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// A step finds at most so many keys, and looks at most at so many candidates.
const KEYS_PER_STEP: usize = 1024;
const CANDIDATES_PER_STEP: usize = 8 * KEYS_PER_STEP;

/// See the module.
#[derive(Debug)]
pub struct Search {
    /// Numbers of series, and the first that is not looked at.
    candidates: Vec<u32>,
    next: usize,
    /// The filter that they satisfied in the beginning, if any asks for a value.
    chosen: Option<usize>,
    has_stepped: bool,
    parts: Vec<Keys>,
    /// The next key of each part but the last, when reading has begun with several.
    merged: BinaryHeap<Reverse<(Box<[u8]>, usize)>>,
    /// The key that was read last.
    last: Option<Box<[u8]>>,
}

impl Search {
    /// For the series that satisfy all filters; without filters all series. An index that is not
    /// there has none.
    pub fn new(index: Option<&LabelIndex>, filters: Option<&[Filter]>) -> Search {
        let (candidates, chosen) = match (index, filters) {
            (None, _) => (Vec::new(), None),
            (Some(index), None) => ((0..index.keys.len() as u32).collect(), None),
            (Some(index), Some(filters)) => index.fewest(filters),
        };
        Search {
            candidates,
            next: 0,
            chosen,
            has_stepped: false,
            parts: Vec::new(),
            merged: BinaryHeap::new(),
            last: None,
        }
    }

    /// Finds more of the series that satisfy the same filters, `false`: there are no more. `admit`
    /// is called with each key, before any is read.
    pub fn step<E>(
        &mut self,
        index: Option<&LabelIndex>,
        filters: &[Filter],
        mut admit: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let rest = &self.candidates[self.next..];
        let Some(index) = index.filter(|_| !rest.is_empty()) else {
            self.begin_reading();
            return Ok(false);
        };
        // The chosen filter holds as long as nothing has changed.
        let chosen = self.chosen.filter(|_| !self.has_stepped);
        self.has_stepped = true;
        let filters = filters.iter().enumerate();
        let others = filters.filter(|(at, _)| Some(*at) != chosen);
        let tests: Vec<Lists<'_>> = others.map(|(_, filter)| index.lists(filter)).collect();
        let mut found: Vec<&[u8]> = Vec::new();
        for &number in rest.iter().take(CANDIDATES_PER_STEP) {
            if found.len() == KEYS_PER_STEP {
                break;
            }
            self.next += 1;
            let Some(Some(key)) = index.keys.get(number as usize) else {
                continue;
            };
            if tests.iter().all(|lists| lists.admit(number)) && admit(key)? {
                found.push(key);
            }
        }
        if !found.is_empty() {
            let mut keys = sorted(found);
            keys.dedup();
            self.parts.push(Keys::new(&keys));
        }
        Ok(true)
    }

    /// Finds all of the series at once.
    pub fn finish<E>(
        &mut self,
        index: Option<&LabelIndex>,
        filters: &[Filter],
        mut admit: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        while self.step(index, filters, &mut admit)? {}
        Ok(())
    }

    fn begin_reading(&mut self) {
        if self.parts.len() < 2 || !self.merged.is_empty() {
            return;
        }
        for (part, keys) in self.parts.iter_mut().enumerate() {
            let first = keys.next().expect("no part is empty");
            self.merged.push(Reverse((first.into(), part)));
        }
    }

    /// The next key in the order of bytes, when all are found.
    pub fn next_key(&mut self) -> Option<&[u8]> {
        if self.parts.len() == 1 {
            return self.parts[0].next();
        }
        loop {
            let mut first = self.merged.peek_mut()?;
            let Reverse((key, part)) = &mut *first;
            let key = match self.parts[*part].next() {
                Some(next) => std::mem::replace(key, next.into()),
                None => PeekMut::pop(first).0.0,
            };
            if self.last.as_ref() != Some(&key) {
                return Some(self.last.insert(key));
            }
        }
    }
}

impl LabelIndex {
    /// The series of the filter that asks for values and has the fewest, and which filter it is.
    fn fewest(&self, filters: &[Filter]) -> (Vec<u32>, Option<usize>) {
        let asks = |filter: &&Filter| matches!(filter.test, Test::OneOf(_));
        let lists = filters.iter().enumerate();
        let lists = lists.filter(|(_, filter)| asks(filter));
        let lists = lists.map(|(at, filter)| (at, self.lists(filter).lists));
        let length = |lists: &[&[u32]]| lists.iter().map(|list| list.len()).sum::<usize>();
        match lists.min_by_key(|(_, lists)| length(lists)) {
            Some((chosen, lists)) => (lists.concat(), Some(chosen)),
            None => (Vec::new(), None),
        }
    }

    fn lists(&self, filter: &Filter) -> Lists<'_> {
        let name = self.names.get(&filter.name);
        let of_values = |values: &[Box<[u8]>]| {
            let lists = name.map(|name| values.iter().filter_map(|value| name.values.get(value)));
            lists.into_iter().flatten().map(Vec::as_slice).collect()
        };
        let all = || name.map(|name| &name.all[..]).into_iter().collect();
        let (lists, is_in) = match &filter.test {
            Test::OneOf(values) => (of_values(values), true),
            Test::NoneOf(values) => (of_values(values), false),
            Test::There => (all(), true),
            Test::Absent => (all(), false),
        };
        Lists { lists, is_in }
    }
}

/// A filter by the lists of the index.
struct Lists<'a> {
    lists: Vec<&'a [u32]>,
    is_in: bool,
}

impl Lists<'_> {
    /// Whether a number is in any of the lists, or in none of them.
    fn admit(&self, number: u32) -> bool {
        let mut lists = self.lists.iter();
        lists.any(|list| list.binary_search(&number).is_ok()) == self.is_in
    }
}

/// Keys, in sequence in a single text.
#[derive(Debug, Default)]
struct Keys {
    text: Vec<u8>,
    ends: Vec<usize>,
    read: usize,
}

impl Keys {
    fn new(keys: &[&[u8]]) -> Keys {
        let mut all = Keys::default();
        all.text
            .reserve_exact(keys.iter().map(|key| key.len()).sum());
        all.ends.reserve_exact(keys.len());
        for key in keys {
            all.text.extend_from_slice(key);
            all.ends.push(all.text.len());
        }
        all
    }

    fn next(&mut self) -> Option<&[u8]> {
        let end = *self.ends.get(self.read)?;
        let start = self.read.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.read += 1;
        Some(&self.text[start..end])
    }
}

/// Sorts keys by the eight bytes after their common prefix, and keys with equal bytes as a whole,
/// so that most comparisons are of two numbers.
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
    use crate::Labels;
    use proptest::prelude::*;

    fn labels(value: &'static [u8]) -> Labels {
        Labels::new([(&b"of"[..], value)].into_iter())
    }

    fn key(n: usize) -> Vec<u8> {
        format!("k{n:05}").into_bytes()
    }

    /// Between steps series go, come back at other numbers, and get other labels.
    #[test]
    fn a_search_in_steps_finds_each_series_that_stays_once() {
        let filters = [Filter {
            name: (*b"of").into(),
            test: Test::OneOf(vec![(*b"many").into()]),
        }];
        let mut index = LabelIndex::default();
        let keys = 3 * KEYS_PER_STEP;
        (0..keys).for_each(|n| index.note(&key(n), &labels(b"many")));
        let mut search = Search::new(Some(&index), Some(&filters));
        let admit = |_: &[u8]| Ok::<bool, ()>(true);
        assert_eq!(search.step(Some(&index), &filters, admit), Ok(true));
        for n in (0..keys).step_by(3) {
            index.forget(&key(n), &labels(b"many"));
        }
        // The last numbers are used first.
        for n in (0..keys).step_by(3) {
            let value: &[u8] = if n % 2 == 0 { b"many" } else { b"few" };
            index.note(&key(n), &labels(value));
        }
        index.note(b"new", &labels(b"many"));
        assert_eq!(search.finish(Some(&index), &filters, admit), Ok(()));
        let mut found = Vec::new();
        while let Some(key) = search.next_key() {
            found.push(key.to_vec());
        }
        assert!(found.is_sorted_by(|a, b| a < b), "sorted, each once");
        for n in (0..keys).filter(|n| n % 3 != 0) {
            assert!(found.binary_search(&key(n)).is_ok(), "{n}");
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
    }
}
