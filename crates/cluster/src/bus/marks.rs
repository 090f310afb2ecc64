//! Marks of open slots in a full copy, in Valkey's form (the RDB field `cluster-slot-states`): a
//! replica that was not there at SETSLOT learns them so, and they survive a failover.
//!
//!     marks = mark ...                   importing slots first, each kind by ascending slot
//!     mark  = slot ('<' | '>') id ','    '<': imported from the node, '>': migrating to it

use std::collections::BTreeMap;
use std::io::Write;

use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};
use super::super::message::{NodeId, SLOTS};
use russet_host::Now;

/// The field's name.
pub const SLOT_STATES: &str = "cluster-slot-states";

/// Open slots, with the node at the other end of each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks {
    importing: BTreeMap<u16, NodeId>,
    migrating: BTreeMap<u16, NodeId>,
}

impl Marks {
    /// `None`: the text is malformed. A slot that comes twice has its last mark.
    fn parse(mut text: &[u8]) -> Option<Marks> {
        let mut marks = Marks::default();
        while !text.is_empty() {
            let at = text.iter().position(|byte| matches!(byte, b'<' | b'>'))?;
            let slot: u16 = std::str::from_utf8(&text[..at]).ok()?.parse().ok()?;
            let (id, rest) = text[at + 1..].split_at_checked(NodeId::LEN)?;
            let kind = match text[at] {
                b'<' => &mut marks.importing,
                _ => &mut marks.migrating,
            };
            if slot >= SLOTS {
                return None;
            }
            kind.insert(slot, NodeId::parse(id)?);
            text = rest.strip_prefix(b",")?;
        }
        Some(marks)
    }
}

impl Cluster {
    /// The marks of a full copy for a replica, which may be none: then the replica forgets its
    /// marks. `None`: this is a node of Redis's kind, whose replicas know of none.
    pub fn open_slots_text(&self) -> Option<Vec<u8>> {
        let owners = &self.owners;
        if !self.is_valkey() {
            return None;
        }
        let mut text = Vec::new();
        for (open, sign) in [(&owners.importing, '<'), (&owners.migrating, '>')] {
            for (slot, at) in open {
                let id = String::from_utf8_lossy(self.nodes[*at].id.as_bytes());
                write!(text, "{slot}{sign}{id},").expect("a vector takes all");
            }
        }
        Some(text)
    }

    /// The primary's full copy had these marks: they replace this replica's marks. Marks with nodes
    /// that it does not know as primaries are left out.
    pub fn take_open_slots(&mut self, now: Now, text: &[u8]) {
        if !self.me().is_replica() {
            return;
        }
        self.begin(now);
        match Marks::parse(text) {
            Some(marks) => {
                self.owners.importing = self.known(marks.importing);
                self.owners.migrating = self.known(marks.migrating);
                self.changed.routes = true;
                self.save();
            }
            None => self.warn("Malformed marks of open slots in the primary's copy".to_owned()),
        }
        self.end();
    }

    fn known(&self, marks: BTreeMap<u16, NodeId>) -> BTreeMap<u16, NodeIndex> {
        let primary = |id: NodeId| {
            let at = self.find_text(id.as_bytes())?;
            (at != ME && self.nodes[at].is_primary()).then_some(at)
        };
        let known = marks
            .into_iter()
            .map(|(slot, id)| Some((slot, primary(id)?)));
        known.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_marks_is_refused() {
        let id = "0123456789abcdefghijklmnopqrstuvwxyz0123";
        for text in ["", &format!("150<{id},0>{id},16383>{id},")] {
            assert!(Marks::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            format!("150<{id}"),
            format!("150={id},"),
            format!("<{id},"),
            format!("16384<{id},"),
            format!("-1<{id},"),
            format!("1<{},", id.to_uppercase()),
            format!("1<{id},,"),
            "1<abc,".to_owned(),
            "1".to_owned(),
        ] {
            assert!(Marks::parse(text.as_bytes()).is_none(), "{text}");
        }
    }
}
