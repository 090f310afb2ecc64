//! Documents with their distances from a vector, kept from slice to slice.
//!
//! Few documents are a list, which is sorted at the end. Many have a place each, by number, so that
//! there is no long sorting at once.
//!
//! Cost: O(1) to add a document; 16 bytes each, or 8 bytes and a bit for each document of the
//! index.

use super::gathered::DocumentSet;

/// The list has at most one in so many documents of the index.
const SPARSE: usize = 64;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct DocumentDistances {
    /// Ascending by document once it is finished.
    list: Vec<(u32, f64)>,
    /// Which documents have a distance in `dense`; `None`: they are listed.
    documents: Option<DocumentSet>,
    dense: Vec<f64>,
    end: usize,
}

impl DocumentDistances {
    /// None yet, of documents below `end`.
    pub(crate) fn new(end: u32) -> DocumentDistances {
        DocumentDistances {
            end: end as usize,
            ..DocumentDistances::default()
        }
    }

    /// Adds a document, or gives it another distance.
    pub(crate) fn put(&mut self, id: u32, distance: f64) {
        if self.documents.is_none() && self.list.len() > self.end / SPARSE {
            self.documents = Some(DocumentSet::new(self.end as u32, self.end));
            self.dense = vec![0.0; self.end];
            for (id, distance) in std::mem::take(&mut self.list) {
                self.put(id, distance);
            }
        }
        let Some(documents) = &mut self.documents else {
            return self.list.push((id, distance));
        };
        if self.dense.len() <= id as usize {
            self.dense.resize(id as usize + 1, 0.0);
        }
        self.dense[id as usize] = distance;
        documents.add(id);
    }

    /// Gives documents that have changed, ascending, the distances that they have by now: `measure`
    /// learns whether a document is there; a document without a distance is removed.
    ///
    /// O(n + changed) of few, O(changed) of many.
    pub(crate) fn update(
        &mut self,
        changed: &[u32],
        mut measure: impl FnMut(u32, bool) -> Option<f64>,
    ) {
        if self.documents.is_none() {
            let mut are_there = vec![false; changed.len()];
            self.list.retain_mut(|(id, distance)| {
                let Ok(at) = changed.binary_search(id) else {
                    return true;
                };
                are_there[at] = true;
                let now = measure(*id, true);
                *distance = now.unwrap_or(*distance);
                now.is_some()
            });
            let others = changed.iter().zip(are_there).filter(|(_, is)| !is);
            for (id, _) in others {
                if let Some(distance) = measure(*id, false) {
                    self.put(*id, distance);
                }
            }
            self.finish();
            return;
        }
        for id in changed {
            let is_there = self.documents.as_ref().is_some_and(|its| its.has(*id));
            match measure(*id, is_there) {
                Some(distance) => self.put(*id, distance),
                None => {
                    if let Some(documents) = &mut self.documents {
                        documents.remove(*id);
                    }
                }
            }
        }
    }

    /// Puts them in order.
    pub(crate) fn finish(&mut self) {
        self.list.sort_by_key(|(id, _)| *id);
        self.list.dedup_by_key(|(id, _)| *id);
    }

    pub(crate) fn len(&self) -> usize {
        self.documents
            .as_ref()
            .map_or(self.list.len(), DocumentSet::len)
    }

    /// The first document of a finished set that is `from` or more, with its distance.
    pub(crate) fn next(&self, from: u32) -> Option<(u32, f64)> {
        match &self.documents {
            Some(documents) => {
                let id = documents.next(from)?;
                Some((id, self.dense[id as usize]))
            }
            None => {
                let at = self.list.partition_point(|(id, _)| *id < from);
                self.list.get(at).copied()
            }
        }
    }

    /// The distance of a document of a finished set.
    pub(crate) fn distance(&self, id: u32) -> Option<f64> {
        let next = self.next(id);
        next.filter(|(its, _)| *its == id)
            .map(|(_, distance)| distance)
    }

    /// The greatest distance; `None`: there are no documents. O(n).
    pub(crate) fn farthest(&self) -> Option<f64> {
        let mut farthest: Option<f64> = None;
        let mut from = 0;
        while let Some((id, distance)) = self.next(from) {
            farthest = Some(farthest.map_or(distance, |its| its.max(distance)));
            from = id + 1;
        }
        farthest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// A list and places hold the same as a map.
        #[test]
        fn they_are_a_map(
            steps in prop::collection::vec((0..3000u32, prop::option::weighted(0.8, 0..9u8)), 0..400),
            end in prop::sample::select(vec![64, 3000, 1 << 20]),
        ) {
            let (mut measured, mut model) = (DocumentDistances::new(end), BTreeMap::new());
            for (id, distance) in steps {
                let distance = distance.map(f64::from);
                measured.update(&[id], |of, is_there| {
                    assert_eq!((of, is_there), (id, model.contains_key(&id)));
                    distance
                });
                match distance {
                    Some(distance) => _ = model.insert(id, distance),
                    None => _ = model.remove(&id),
                }
            }
            measured.finish();
            prop_assert_eq!(measured.len(), model.len());
            prop_assert_eq!(measured.farthest(), model.values().copied().reduce(f64::max));
            let (mut from, mut got) = (0, BTreeMap::new());
            while let Some((id, distance)) = measured.next(from) {
                got.insert(id, distance);
                from = id + 1;
            }
            prop_assert_eq!(got, model);
        }
    }
}
