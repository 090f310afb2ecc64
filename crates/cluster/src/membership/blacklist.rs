//! Ids that were forgotten: for a while no gossip brings them back.

use std::collections::BTreeMap;

use super::super::message::NodeId;

/// At most this many; the entry that ends first makes room.
const IDS_MAX: usize = 1024;

/// Ids with the moment when they may come back, monotonic milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Blacklist(BTreeMap<NodeId, i64>);

impl Blacklist {
    /// A later end replaces an earlier end.
    pub fn add(&mut self, id: NodeId, until: i64) {
        let end = self.0.entry(id).or_insert(until);
        *end = until.max(*end);
        if self.0.len() > IDS_MAX
            && let Some(first) = self.0.iter().min_by_key(|(_, end)| **end)
        {
            let first = *first.0;
            self.0.remove(&first);
        }
    }

    pub fn remove(&mut self, id: &NodeId) {
        self.0.remove(id);
    }

    pub fn contains(&self, id: &NodeId) -> bool {
        self.0.contains_key(id)
    }

    pub fn expire(&mut self, now: i64) {
        self.0.retain(|_, end| *end > now);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// At most `max` of them with the seconds that are left, at least 1.
    pub fn remaining(&self, now: i64, max: usize) -> Vec<(NodeId, u64)> {
        let left = |(id, end): (&NodeId, &i64)| (*id, (end - now).max(1000) as u64 / 1000);
        self.0.iter().map(left).take(max).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_after_its_time() {
        let id = NodeId::of_random([1; 3]);
        let mut list = Blacklist::default();
        list.add(id, 5000);
        list.add(id, 4000);
        assert_eq!(list.remaining(1000, 9), [(id, 4)]);
        list.expire(4999);
        assert!(list.contains(&id));
        list.expire(5000);
        assert!(!list.contains(&id));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut list = Blacklist::default();
        for at in 0..2000 {
            list.add(NodeId::of_random([at; 3]), at as i64);
        }
        assert_eq!(list.0.len(), IDS_MAX);
        assert!(!list.contains(&NodeId::of_random([0; 3])));
    }
}
