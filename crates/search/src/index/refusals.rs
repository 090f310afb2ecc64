//! The documents that an index lacks, as they were refused: for FT.ERRORS.
//!
//! Invariant: each key is here once, with the last reason, and is none of the index's documents. Of
//! more than [`KEPT`] the oldest are forgotten. Cost of a put or a removal: a test while there are
//! none, else O(kept).

use std::collections::VecDeque;

/// Documents that are kept, at most.
const KEPT: usize = 128;
/// Bytes of a key that is kept, at most, and of a reason, which is cut.
const KEY_MAX: usize = 1024;
const REASON_MAX: usize = 256;

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDocument {
    pub key: Box<[u8]>,
    /// The field's place in the schema.
    pub field: usize,
    pub reason: Vec<u8>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    all: VecDeque<RefusedDocument>,
}

impl Refusals {
    pub(super) fn note(&mut self, key: &[u8], field: usize, reason: &[u8]) {
        self.forget(key);
        if key.len() > KEY_MAX {
            return;
        }
        if self.all.len() == KEPT {
            self.all.pop_front();
        }
        self.all.push_back(RefusedDocument {
            key: key.into(),
            field,
            reason: reason[..reason.len().min(REASON_MAX)].to_vec(),
        });
    }

    /// The key is indexed now, or there is no document any more.
    pub(super) fn forget(&mut self, key: &[u8]) {
        if !self.all.is_empty() {
            self.all.retain(|refused| *refused.key != *key);
        }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &RefusedDocument> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_each_once() {
        let mut refusals = Refusals::default();
        for at in 0..KEPT + 3 {
            refusals.note(format!("k{at}").as_bytes(), 0, b"first");
        }
        refusals.note(b"k7", 1, &[b'x'; 999]);
        refusals.note(&[b'k'; KEY_MAX + 1], 0, b"");
        refusals.forget(b"k8");
        assert_eq!(refusals.iter().len(), KEPT - 1);
        let keys: Vec<_> = refusals
            .iter()
            .map(|refused| refused.key.to_vec())
            .collect();
        assert_eq!(keys[0], b"k3");
        assert!(!keys.contains(&b"k8".to_vec()));
        let last = refusals.iter().last().expect("one");
        assert_eq!((&*last.key, last.field), (&b"k7"[..], 1));
        assert_eq!(last.reason.len(), REASON_MAX);
    }
}
