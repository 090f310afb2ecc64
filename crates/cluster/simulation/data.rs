//! The data of a simulated server: writes that were acknowledged, by slot, and the stream of
//! changes that its replicas follow.

use std::collections::{BTreeMap, BTreeSet};

/// A write of a client: a number that is never used again.
pub(super) type Write = u64;

/// A change of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Add(u16, Write),
    /// All of a slot's keys are deleted.
    Drop(u16),
    Flush,
}

/// The offset before the first change: 0 is that of a replica without data.
const OFFSET_MIN: u64 = 1;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    /// All changes ever, with a number that no other change has, and their times.
    stream: Vec<(u64, i64, Change)>,
    slots: BTreeMap<u16, BTreeSet<Write>>,
}

impl Data {
    /// The replication offset.
    pub(super) fn offset(&self) -> u64 {
        OFFSET_MIN + self.stream.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn has(&self, slot: u16, write: Write) -> bool {
        self.slots
            .get(&slot)
            .is_some_and(|writes| writes.contains(&write))
    }

    pub(super) fn keys_in(&self, slot: u16) -> usize {
        self.slots.get(&slot).map_or(0, BTreeSet::len)
    }

    /// The slots that have keys.
    pub(super) fn slots(&self) -> Vec<u16> {
        self.slots.keys().copied().collect()
    }

    pub(super) fn writes_in(&self, slot: u16) -> Vec<Write> {
        self.slots
            .get(&slot)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// A change here.
    pub(super) fn change(&mut self, number: u64, now: i64, change: Change) {
        match &change {
            Change::Add(slot, write) => _ = self.slots.entry(*slot).or_default().insert(*write),
            Change::Drop(slot) => _ = self.slots.remove(slot),
            Change::Flush => self.slots.clear(),
        }
        self.stream.push((number, now, change));
    }

    /// Takes a primary's changes until this moment: the missing changes, or all of its data if its
    /// stream is another.
    pub(super) fn follow(&mut self, primary: &Data, until: i64) {
        let mine = self.stream.len();
        let same = |at: usize| primary.stream.get(at).map(|(number, ..)| number);
        let is_prefix = match mine.checked_sub(1) {
            None => true,
            Some(last) => same(last) == Some(&self.stream[last].0),
        };
        if !is_prefix {
            *self = primary.clone();
            return;
        }
        let missing = primary.stream[mine..].iter();
        let missing = missing.take_while(|(_, at, _)| *at <= until);
        for (number, at, change) in missing {
            self.change(*number, *at, change.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_takes_what_it_lacks_or_all() {
        let (mut primary, mut replica) = (Data::default(), Data::default());
        primary.change(1, 10, Change::Add(5, 100));
        primary.change(2, 20, Change::Add(5, 101));
        replica.follow(&primary, 10);
        assert!(replica.has(5, 100) && !replica.has(5, 101));
        replica.change(3, 21, Change::Add(6, 102));
        replica.follow(&primary, 10);
        assert!(
            replica.has(5, 101) && !replica.has(6, 102),
            "another stream"
        );
        assert_eq!(replica.offset(), primary.offset());
    }
}
