//! The heaviest keys of a stream, in bounded memory: Space-Saving (Metwally, Agrawal and El
//! Abbadi, 2005), with weights.
//!
//! A fixed number of keys have a counter. A key without a counter takes over the smallest counter,
//! and starts with the counter's count: an overestimate by at most that count. The reported figure
//! is the part that is certainly the key's own. Every key with more than the total divided by the
//! number of counters has a counter.
//!
//! Cost: a hash, a probe, and a path in a heap of a few hundred counters. The first [`KEY_MAX`]
//! bytes of a key are kept; hash and length distinguish keys.

use hashbrown::HashTable;

use russet_base::{hashing::hash, memory::alloc};

/// Bytes kept of a key.
pub const KEY_MAX: usize = 1024;

#[derive(Debug)]
struct Counter {
    hash: u64,
    len: usize,
    key: Vec<u8>,
    count: u64,
    /// The part of the count that may belong to other keys.
    others: u64,
    /// The counter's place in the heap.
    place: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Sketch {
    counters: Vec<Counter>,
    /// Indices of counters, the smallest count first.
    heap: Vec<u32>,
    by_key: HashTable<u32>,
    max: usize,
    total: u64,
}

impl Sketch {
    /// A sketch with room for `max` keys.
    pub fn new(max: usize) -> Sketch {
        Sketch {
            counters: Vec::with_capacity(max),
            heap: Vec::with_capacity(max),
            by_key: HashTable::with_capacity(max),
            max: max.max(1),
            total: 0,
        }
    }

    /// The sum of all weights.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Adds to a key's count.
    pub fn add(&mut self, key: &[u8], weight: u64) {
        self.total += weight;
        let (hash, len) = (hash::keys().hash(key), key.len());
        let counters = &self.counters;
        let is_it = |&at: &u32| {
            let its = &counters[at as usize];
            (its.hash, its.len) == (hash, len)
        };
        let at = match self.by_key.find(hash, is_it) {
            Some(&at) => at as usize,
            None if self.counters.len() < self.max => self.open(hash, key),
            None => self.take_over(hash, key),
        };
        self.counters[at].count += weight;
        self.sink(self.counters[at].place);
    }

    fn open(&mut self, hash: u64, key: &[u8]) -> usize {
        let at = self.counters.len();
        self.counters.push(Counter {
            hash,
            len: key.len(),
            key: key[..key.len().min(KEY_MAX)].to_vec(),
            count: 0,
            others: 0,
            place: self.heap.len(),
        });
        self.heap.push(at as u32);
        self.rise(self.heap.len() - 1);
        self.name(hash, at);
        at
    }

    fn take_over(&mut self, hash: u64, key: &[u8]) -> usize {
        let at = self.heap[0] as usize;
        let former = self
            .by_key
            .find_entry(self.counters[at].hash, |&its| its as usize == at);
        if let Ok(former) = former {
            former.remove();
        }
        let counter = &mut self.counters[at];
        (counter.hash, counter.len) = (hash, key.len());
        counter.others = counter.count;
        counter.key.clear();
        counter
            .key
            .extend_from_slice(&key[..key.len().min(KEY_MAX)]);
        self.name(hash, at);
        at
    }

    fn name(&mut self, hash: u64, at: usize) {
        let counters = &self.counters;
        let hashed = |&at: &u32| counters[at as usize].hash;
        self.by_key.insert_unique(hash, at as u32, hashed);
    }

    fn count_at(&self, place: usize) -> u64 {
        self.counters[self.heap[place] as usize].count
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.counters[self.heap[a] as usize].place = a;
        self.counters[self.heap[b] as usize].place = b;
    }

    /// Restores the heap after a counter has grown.
    fn sink(&mut self, mut place: usize) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let there = children
                .into_iter()
                .filter(|&child| child < self.heap.len());
            let Some(least) = there.min_by_key(|&child| self.count_at(child)) else {
                return;
            };
            if self.count_at(place) <= self.count_at(least) {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    /// Restores the heap after a counter was added.
    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.count_at(place) < self.count_at((place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    /// The `n` keys with the largest certain counts, the heaviest first. O(counters).
    pub fn top(&self, n: usize) -> Vec<(&[u8], u64)> {
        let own = |counter: &Counter| counter.count - counter.others;
        let mut all: Vec<&Counter> = self.counters.iter().filter(|its| own(its) > 0).collect();
        all.sort_unstable_by(|a, b| own(b).cmp(&own(a)).then_with(|| a.key.cmp(&b.key)));
        let reported = all.into_iter().take(n);
        reported.map(|its| (&its.key[..], own(its))).collect()
    }

    /// Memory of all counters, bytes.
    pub fn memory_bytes(&self) -> usize {
        let keys = self.counters.iter().map(|its| alloc::vec_bytes(&its.key));
        alloc::vec_bytes(&self.counters)
            + alloc::vec_bytes(&self.heap)
            + alloc::slice_bytes(self.by_key.allocation_size())
            + keys.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn few_keys_are_counted_exactly_and_listed_in_order() {
        let mut sketch = Sketch::new(10);
        for (key, weight) in [("a", 5), ("b", 7), ("a", 4), ("c", 1)] {
            sketch.add(key.as_bytes(), weight);
        }
        let top = sketch.top(2);
        assert_eq!(top, [(&b"a"[..], 9), (&b"b"[..], 7)]);
        assert_eq!(sketch.total(), 17);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut sketch = Sketch::new(20);
        for n in 0..2000 {
            let key = [format!("{n}:").into_bytes(), vec![b'x'; 100 * n % 5000]].concat();
            sketch.add(&key, 1);
        }
        assert!(sketch.memory_bytes() < 20 * 2 * KEY_MAX + 8192);
        assert!(sketch.top(20).iter().all(|(key, _)| key.len() <= KEY_MAX));
    }

    proptest! {
        #[test]
        fn heavy_keys_are_found_and_nobody_is_given_more_than_his_own(
            light in prop::collection::vec(0u32..400, 0..2000),
            heavy in 1usize..4,
        ) {
            let mut sketch = Sketch::new(40);
            let mut model: HashMap<Vec<u8>, u64> = HashMap::new();
            let mut add = |key: Vec<u8>, weight| {
                sketch.add(&key, weight);
                *model.entry(key).or_default() += weight;
            };
            for (n, light) in light.iter().enumerate() {
                add(format!("light:{light}").into_bytes(), 1);
                add(format!("heavy:{}", n % heavy).into_bytes(), 4);
            }
            for (key, count) in sketch.top(40) {
                prop_assert!(count <= model[key]);
            }
            let bound = sketch.total() / 40;
            for n in 0..heavy {
                let key = format!("heavy:{n}").into_bytes();
                if let Some(&true_count) = model.get(&key)
                    && true_count > 2 * bound
                {
                    let reported = sketch.top(heavy).into_iter().find(|(k, _)| *k == key);
                    let reported = reported.expect("a heavy key is listed").1;
                    prop_assert!(reported + bound >= true_count);
                }
            }
        }
    }
}
