//! The numbers of a field, in order, each with a document.
//!
//!     parts ascending; a part = values f64 ... | documents u32 ...     by value, then document
//!
//! Places are numbers, too: their 52 bits of geohash.
//!
//! Invariants
//!   1. Pairs ascend within a part and from part to part; no part is empty.
//!   2. A part has at most [`PART_MAX`] pairs.
//!
//! Cost: put and remove O(log n + PART_MAX); the size of a range O(parts it touches); 12 bytes a
//! number, of which up to a third more stay free.

/// Pairs of a part, at most.
const PART_MAX: usize = 512;

#[derive(Clone, Debug)]
struct Part {
    values: Vec<f64>,
    documents: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    parts: Vec<Part>,
    count: usize,
}

/// Bounds, with or without each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) with_min: bool,
    pub(crate) with_max: bool,
}

impl Bounds {
    /// All numbers.
    pub(crate) const ALL: Bounds = Bounds {
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        with_min: true,
        with_max: true,
    };

    /// Whether a value lies under them.
    fn is_above(&self, value: f64) -> bool {
        value < self.min || value == self.min && !self.with_min
    }

    /// Whether a value lies between them.
    pub(crate) fn have(&self, value: f64) -> bool {
        !self.is_above(value) && self.reaches(value)
    }

    /// Whether a value lies under their end.
    fn reaches(&self, value: f64) -> bool {
        value < self.max || value == self.max && self.with_max
    }
}

impl Part {
    fn place(&self, value: f64, document: u32) -> usize {
        let at = self.values.partition_point(|other| *other < value);
        let same = self.values[at..].partition_point(|other| *other == value);
        at + self.documents[at..at + same].partition_point(|other| *other < document)
    }

    fn is_at(&self, at: usize, value: f64, document: u32) -> bool {
        self.values.get(at) == Some(&value) && self.documents[at] == document
    }

    fn last(&self) -> (f64, u32) {
        let at = self.values.len() - 1;
        (self.values[at], self.documents[at])
    }
}

impl Numbers {
    /// How many pairs there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The first part whose last pair is this pair or a later pair.
    fn part(&self, value: f64, document: u32) -> usize {
        self.parts
            .partition_point(|part| part.last() < (value, document))
    }

    /// Puts a pair, unless it is there.
    pub(crate) fn put(&mut self, value: f64, document: u32) {
        let mut part = self.part(value, document);
        if part == self.parts.len() {
            // Ascending values fill parts to their ends.
            if part == 0 || self.parts[part - 1].values.len() == PART_MAX {
                self.parts.push(Part {
                    values: Vec::new(),
                    documents: Vec::new(),
                });
            } else {
                part -= 1;
            }
        }
        let found = &mut self.parts[part];
        let at = found.place(value, document);
        if found.is_at(at, value, document) {
            return;
        }
        if found.values.len() == found.values.capacity() {
            let more = 4 + found.values.len() / 4;
            found.values.reserve_exact(more);
            found.documents.reserve_exact(more);
        }
        found.values.insert(at, value);
        found.documents.insert(at, document);
        self.count += 1;
        if found.values.len() > PART_MAX {
            let values = found.values.split_off(PART_MAX / 2);
            let documents = found.documents.split_off(PART_MAX / 2);
            found.values.shrink_to_fit();
            found.documents.shrink_to_fit();
            self.parts.insert(part + 1, Part { values, documents });
        }
    }

    /// Removes a pair.
    pub(crate) fn remove(&mut self, value: f64, document: u32) {
        let part = self.part(value, document);
        let Some(found) = self.parts.get_mut(part) else {
            return;
        };
        let at = found.place(value, document);
        if !found.is_at(at, value, document) {
            return;
        }
        found.values.remove(at);
        found.documents.remove(at);
        self.count -= 1;
        if found.values.is_empty() {
            self.parts.remove(part);
        }
    }

    /// The pairs between two bounds, part by part.
    pub(crate) fn range(&self, bounds: Bounds) -> impl Iterator<Item = (&[f64], &[u32])> {
        self.range_after(bounds, None)
    }

    /// The same, of pairs above `after`: for a walk that continues later.
    pub(crate) fn range_after(
        &self,
        bounds: Bounds,
        after: Option<(f64, u32)>,
    ) -> impl Iterator<Item = (&[f64], &[u32])> {
        let first = match after {
            None => self
                .parts
                .partition_point(|part| bounds.is_above(part.last().0)),
            Some((value, document)) => self.part(value, document),
        };
        let touched = self.parts[first..].iter();
        let touched = touched.take_while(move |part| bounds.reaches(part.values[0]));
        touched.map(move |part| {
            let from = part.values.partition_point(|value| bounds.is_above(*value));
            let passed = after.map_or(0, |(value, document)| {
                let at = part.place(value, document);
                at + usize::from(part.is_at(at, value, document))
            });
            let from = from.max(passed);
            let to = part
                .values
                .partition_point(|value| bounds.reaches(*value))
                .max(from);
            (&part.values[from..to], &part.documents[from..to])
        })
    }

    /// How many pairs lie between two bounds.
    pub(crate) fn count(&self, bounds: Bounds) -> usize {
        self.range(bounds).map(|(values, _)| values.len()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        let of = |part: &Part| part.values.capacity() * 8 + part.documents.capacity() * 4;
        self.parts.capacity() * size_of::<Part>() + self.parts.iter().map(of).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Pairs put and removed in any order, and ranges of them, are as in a set.
        #[test]
        fn numbers_are_a_set_of_pairs(
            steps in prop::collection::vec((-40..40i32, 0..60u32, prop::bool::weighted(0.7)), 0..3000),
            ranges in prop::collection::vec((-50..50i32, -50..50i32, any::<bool>(), any::<bool>()), 1..20),
        ) {
            let (mut numbers, mut model) = (Numbers::default(), BTreeSet::new());
            for (value, document, puts) in steps {
                if puts {
                    numbers.put(f64::from(value), document);
                    model.insert((value, document));
                } else {
                    numbers.remove(f64::from(value), document);
                    model.remove(&(value, document));
                }
            }
            prop_assert_eq!(numbers.len(), model.len());
            for (min, max, with_min, with_max) in ranges {
                let bounds = Bounds { min: min.into(), max: max.into(), with_min, with_max };
                let lies = |v: i32| (v > min || with_min && v == min) && (v < max || with_max && v == max);
                let expected: Vec<u32> = model.iter().filter(|(v, _)| lies(*v)).map(|(_, d)| *d).collect();
                let got: Vec<u32> = numbers.range(bounds).flat_map(|(_, d)| d.to_vec()).collect();
                prop_assert_eq!(numbers.count(bounds), expected.len());
                prop_assert_eq!(&got, &expected);
                // The same in pieces, each after the last pair of the piece before.
                let (mut after, mut pieces) = (None, Vec::new());
                while let Some((values, documents)) =
                    numbers.range_after(bounds, after).find(|(values, _)| !values.is_empty())
                {
                    let some = documents.len().min(7);
                    pieces.extend_from_slice(&documents[..some]);
                    after = Some((values[some - 1], documents[some - 1]));
                }
                prop_assert_eq!(pieces, expected);
            }
        }
    }
}
