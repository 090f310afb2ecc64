//! Slots: sets of them, and the map from each to the node that serves it.
//!
//! Invariants
//!   1. A set has its bits allocated only while it holds a slot, and `len` counts them.
//!   2. `bound` counts the slots that have an owner.
//!   3. The owners and the sets of the nodes agree: `Cluster::bind` and `Cluster::unbind` change
//!      both.
//!
//! Cost: one slot is O(1), a walk over a set O(256 + its slots). A set takes 2 KiB, an empty one 16
//! bytes; the owners take 128 KiB.
//!
//! Elsewhere: which claim wins (`claims`), the bits in messages (`message::slots`).

use std::collections::BTreeMap;

use super::super::membership::nodes::NodeIndex;
use super::super::message::{SLOTS, SlotMap, Slots};

/// A set of slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotSet {
    /// `None`: empty.
    map: Option<Box<SlotMap>>,
    len: usize,
}

static NO_SLOTS: SlotMap = SlotMap::EMPTY;

impl SlotSet {
    pub fn view(&self) -> Slots<'_> {
        self.map.as_deref().unwrap_or(&NO_SLOTS).view()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn contains(&self, slot: u16) -> bool {
        self.map.as_ref().is_some_and(|map| map.contains(slot))
    }

    /// Whether the slot is new.
    pub fn insert(&mut self, slot: u16) -> bool {
        let map = self.map.get_or_insert_default();
        let is_new = !map.contains(slot);
        map.insert(slot);
        self.len += usize::from(is_new);
        is_new
    }

    /// Whether the slot was in it.
    pub fn remove(&mut self, slot: u16) -> bool {
        if !self.contains(slot) {
            return false;
        }
        self.len -= 1;
        match &mut self.map {
            Some(map) if self.len > 0 => map.remove(slot),
            map => *map = None,
        }
        true
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.view().iter()
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> SlotSet {
        let mut set = SlotSet::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

/// Which node serves each slot, and which slots move.
///
/// The sets of the nodes (`Node::slots`) agree with it; `Cluster::bind` and `Cluster::unbind`
/// change both.
#[derive(Debug)]
pub(crate) struct Owners {
    owners: Box<[Option<NodeIndex>]>,
    pub bound: usize,
    /// The number of times that this node, or its primary, has got a slot, or has left a slot
    /// without an owner. A slot that another node has taken does not count, because that node's
    /// claim is newer than ours, and a crash would bring ours back.
    pub(crate) gains: u64,
    /// `gains`, but for the slots that SETSLOT gave since the last tick: these slots are synced
    /// with the next tick, the others before anything else is sent, so that moving many slots, each
    /// by a command, does not wait for the disk.
    pub(crate) vital_gains: u64,
    /// Bound slots that their owner has left out of its last claim. They stay bound until another
    /// node claims them, because to unbind them could make the cluster fail.
    pub unclaimed: SlotSet,
    /// Slots that have ever had an owner here.
    pub(crate) known: SlotSet,
    /// CLUSTER SETSLOT .. MIGRATING: slots of ours, and where they go.
    pub migrating: BTreeMap<u16, NodeIndex>,
    /// CLUSTER SETSLOT .. IMPORTING: slots of others, and where they come from.
    pub importing: BTreeMap<u16, NodeIndex>,
}

impl Owners {
    pub fn new() -> Owners {
        Owners {
            owners: vec![None; usize::from(SLOTS)].into(),
            bound: 0,
            gains: 0,
            vital_gains: 0,
            unclaimed: SlotSet::default(),
            known: SlotSet::default(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
        }
    }

    pub fn owner(&self, slot: u16) -> Option<NodeIndex> {
        self.owners[usize::from(slot)]
    }

    /// Slots next to each other with one owner, or none: the first, the last. All of them, in
    /// order; O(slots), of which each is one comparison.
    pub fn runs(&self) -> impl Iterator<Item = (u16, u16, Option<NodeIndex>)> {
        let mut next = 0;
        self.owners.chunk_by(|a, b| a == b).map(move |run| {
            let first = next;
            next += run.len() as u16;
            (first, next - 1, run[0])
        })
    }

    /// Returns the former owner.
    pub fn set(&mut self, slot: u16, owner: Option<NodeIndex>) -> Option<NodeIndex> {
        let former = std::mem::replace(&mut self.owners[usize::from(slot)], owner);
        self.bound += usize::from(owner.is_some());
        if owner.is_some() {
            self.known.insert(slot);
        }
        self.bound -= usize::from(former.is_some());
        self.unclaimed.remove(slot);
        former
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_set_is_a_new_one() {
        let mut set = SlotSet::default();
        assert!(set.insert(7) && !set.insert(7) && set.contains(7) && set.len() == 1);
        assert_eq!(set.iter().collect::<Vec<_>>(), [7]);
        assert!(set.remove(7) && !set.remove(7) && set.is_empty());
        assert_eq!(set, SlotSet::default());
    }

    #[test]
    fn a_slot_that_changes_hands_is_claimed_again() {
        let mut map = Owners::new();
        let (a, b) = (NodeIndex(1), NodeIndex(2));
        assert_eq!(map.set(5, Some(a)), None);
        map.unclaimed.insert(5);
        assert_eq!(map.set(5, Some(b)), Some(a));
        assert!(map.unclaimed.is_empty() && map.bound == 1);
        assert_eq!(map.set(5, None), Some(b));
        assert_eq!(map.bound, 0);
    }
}
