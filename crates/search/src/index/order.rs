//! Numbers of terms in the order of their bytes.
//!
//!     part = heads: u64 ... | ids: u32 ...      both ascending, at most PART_MAX
//!     head = the first 8 bytes of a text, the first of them on top, then zeros
//!
//! Heads lie beside each other, so that most comparisons read no text: it is read only if two heads
//! are the same.
//!
//! Invariant: parts are never empty, and ascend from part to part.
//!
//! Cost: a place is found in O(log n); an insertion moves O(PART_MAX) numbers. 12 bytes a term.

use super::terms::TermId;

/// Terms of a part, at most.
const PART_MAX: usize = 512;

#[derive(Debug, Default)]
struct Part {
    heads: Vec<u64>,
    ids: Vec<TermId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Order {
    parts: Vec<Part>,
}

/// A place in the order; at the end of the last part there is no term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    part: usize,
    at: usize,
}

/// The first bytes of a text as a number with the same order.
pub(crate) fn head_of(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = text.len().min(8);
    bytes[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(bytes)
}

/// The least text above all that begin with this text; false: there is none.
pub(crate) fn to_successor(text: &mut Vec<u8>) -> bool {
    while let Some(last) = text.pop() {
        if last < u8::MAX {
            text.push(last + 1);
            return true;
        }
    }
    false
}

impl Part {
    /// The first place, from `at` on, of a text that is `to` or more.
    fn seek<'t>(&self, at: usize, to: &[u8], text: &impl Fn(TermId) -> &'t [u8]) -> usize {
        let head = head_of(to);
        let heads = &self.heads[at..];
        // Mostly it is among the next.
        let mut reach = 1;
        while reach < heads.len() && heads[reach - 1] < head {
            reach *= 2;
        }
        let near = &heads[reach / 2..reach.min(heads.len())];
        let mut at = at + reach / 2 + near.partition_point(|other| *other < head);
        while self.heads.get(at) == Some(&head) && text(self.ids[at]) < to {
            at += 1;
        }
        at
    }
}

impl Order {
    /// The first place of a text that is `to` or more.
    pub(super) fn find<'t>(&self, to: &[u8], text: &impl Fn(TermId) -> &'t [u8]) -> Place {
        self.seek(Place::default(), to, text)
    }

    /// The first place, from `from` on, of a text that is `to` or more.
    pub(super) fn seek<'t>(
        &self,
        mut from: Place,
        to: &[u8],
        text: &impl Fn(TermId) -> &'t [u8],
    ) -> Place {
        let head = head_of(to);
        let is_before = |part: &Part| {
            let last = part.heads.len() - 1;
            part.heads[last] < head || part.heads[last] == head && text(part.ids[last]) < to
        };
        if self.parts.get(from.part).is_some_and(is_before) {
            let rest = &self.parts[from.part + 1..];
            from = Place {
                part: from.part + 1 + rest.partition_point(is_before),
                at: 0,
            };
        }
        if let Some(part) = self.parts.get(from.part) {
            from.at = part.seek(from.at, to, text);
        }
        from
    }

    /// The term of a place, and the head of the term's text.
    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<(u64, TermId)> {
        let part = self.parts.get(place.part)?;
        Some((part.heads[place.at], part.ids[place.at]))
    }

    /// The place after `place`.
    #[inline]
    pub(super) fn after(&self, place: Place) -> Place {
        let len = self.parts[place.part].ids.len();
        if place.at + 1 < len {
            Place {
                at: place.at + 1,
                ..place
            }
        } else {
            Place {
                part: place.part + 1,
                at: 0,
            }
        }
    }

    /// Puts a new term in.
    pub(super) fn insert<'t>(&mut self, id: TermId, text: &impl Fn(TermId) -> &'t [u8]) {
        let (own, head) = (text(id), head_of(text(id)));
        let mut place = self.find(own, text);
        if place.part == self.parts.len() {
            // At the end of the last part.
            let Some(last) = self.parts.last() else {
                self.parts.push(Part {
                    heads: vec![head],
                    ids: vec![id],
                });
                return;
            };
            place = Place {
                part: place.part - 1,
                at: last.ids.len(),
            };
        }
        let part = &mut self.parts[place.part];
        part.heads.insert(place.at, head);
        part.ids.insert(place.at, id);
        if part.ids.len() > PART_MAX {
            let upper = Part {
                heads: part.heads.split_off(PART_MAX / 2),
                ids: part.ids.split_off(PART_MAX / 2),
            };
            self.parts.insert(place.part + 1, upper);
        }
    }

    /// Removes a term, which must be there.
    pub(super) fn remove<'t>(&mut self, id: TermId, text: &impl Fn(TermId) -> &'t [u8]) {
        let place = self.find(text(id), text);
        let part = &mut self.parts[place.part];
        debug_assert_eq!(part.ids[place.at], id);
        part.heads.remove(place.at);
        part.ids.remove(place.at);
        if part.ids.is_empty() {
            self.parts.remove(place.part);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let of_part = |part: &Part| part.heads.capacity() * 8 + part.ids.capacity() * 4;
        self.parts.iter().map(of_part).sum::<usize>() + self.parts.capacity() * size_of::<Part>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place_of(
        order: &Order,
        texts: &[Vec<u8>],
        from: Place,
        to: &[u8],
    ) -> (Place, Option<TermId>) {
        let text = |id: TermId| texts[id as usize].as_slice();
        let place = order.seek(from, to, &text);
        (place, order.get(place).map(|(_, id)| id))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn places_are_those_of_sorted_texts(
            texts in prop::collection::hash_set("[ab\u{0}é]{0,11}", 1..900),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
            wanted in prop::collection::vec("[ab\u{0}é]{0,11}", 1..40),
        ) {
            let texts: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
            let text = |id: TermId| texts[id as usize].as_slice();
            let mut order = Order::default();
            let mut left: std::collections::BTreeMap<&[u8], TermId> = Default::default();
            for (id, text_of) in texts.iter().enumerate() {
                order.insert(id as TermId, &text);
                left.insert(text_of, id as TermId);
            }
            for at in removed {
                let id = at.index(texts.len()) as TermId;
                if left.remove(text(id)).is_some() {
                    order.remove(id, &text);
                }
            }
            let mut wanted: Vec<Vec<u8>> = wanted.into_iter().map(String::into_bytes).collect();
            wanted.sort();
            let mut place = Place::default();
            for to in &wanted {
                let expected = left.range(to.as_slice()..).next().map(|(_, id)| *id);
                prop_assert_eq!(place_of(&order, &texts, Place::default(), to).1, expected);
                // From a place before it.
                let found = place_of(&order, &texts, place, to);
                prop_assert_eq!(found.1, expected);
                place = found.0;
            }
            let mut all = Vec::new();
            let mut place = Place::default();
            while let Some((_, id)) = order.get(place) {
                all.push(id);
                place = order.after(place);
            }
            prop_assert_eq!(all, left.into_values().collect::<Vec<_>>());
        }
    }
}
