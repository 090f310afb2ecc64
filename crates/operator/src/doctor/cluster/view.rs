//! CLUSTER NODES: one node's table of nodes.
//!
//!     id ip:port@cport[,hostname][,aux=value].. flags primary|- ping pong epoch link slots..

use std::collections::BTreeMap;

use crate::doctor::group::facts::{Address, clean};

/// Nodes of one view, at most.
pub(super) const NODES_MAX: usize = 2000;
const SLOTS: u16 = 16_384;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeLine {
    pub id: String,
    /// `None`: its address is not known.
    pub at: Option<Address>,
    pub bus_port: u16,
    pub flags: Vec<String>,
    pub primary: Option<String>,
    pub epoch: u64,
    pub is_linked: bool,
    /// First and last.
    pub slots: Vec<(u16, u16)>,
    /// Slots that it gives to another node, and takes from one: slot, id.
    pub migrating: Vec<(u16, String)>,
    pub importing: Vec<(u16, String)>,
}

impl NodeLine {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|word| word == flag)
    }

    pub fn is_primary(&self) -> bool {
        self.has("master")
    }

    /// A primary with slots.
    pub fn is_voter(&self) -> bool {
        self.is_primary() && !self.slots.is_empty()
    }

    pub fn is_failing(&self) -> bool {
        self.has("fail") || self.has("fail?")
    }

    /// `10.0.0.1:7001 (29273d88)`.
    pub fn called(&self) -> String {
        let id = short(&self.id);
        match &self.at {
            Some(at) => format!("{at} ({id})"),
            None => format!("{id} without an address"),
        }
    }

    fn parse(line: &str) -> Option<NodeLine> {
        let mut words = line.split(' ');
        let id = words.next().filter(|id| id.len() == 40)?;
        let place = words.next()?.split(',').next()?;
        let (address, bus_port) = place.split_once('@').unwrap_or((place, "0"));
        let (host, port) = address.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let flags = words.next()?.split(',').map(str::to_owned).collect();
        let primary = words.next().filter(|id| *id != "-");
        let epoch = words.nth(2)?.parse().ok()?;
        let is_linked = words.next()? == "connected";
        let mut node = NodeLine {
            id: id.to_owned(),
            at: (port > 0 && !host.is_empty()).then(|| Address {
                host: clean(host.trim_matches(['[', ']']).as_bytes()),
                port,
            }),
            bus_port: bus_port.parse().unwrap_or(0),
            flags,
            primary: primary.map(str::to_owned),
            epoch,
            is_linked,
            ..NodeLine::default()
        };
        words.for_each(|word| node.take_slots(word));
        Some(node)
    }

    /// `5`, `0-99`, `[5->-id]`, `[5-<-id]`; anything else is passed over.
    fn take_slots(&mut self, word: &str) {
        let slot = |text: &str| text.parse().ok().filter(|slot| *slot < SLOTS);
        if let Some(mark) = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
            let ways = [("->-", &mut self.migrating), ("-<-", &mut self.importing)];
            for (arrow, list) in ways {
                if let Some((text, id)) = mark.split_once(arrow)
                    && let Some(slot) = slot(text)
                {
                    list.push((slot, id.to_owned()));
                }
            }
            return;
        }
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        if let (Some(first), Some(last)) = (slot(first), slot(last))
            && first <= last
        {
            self.slots.push((first, last));
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// The id of the node that has this view.
    pub me: String,
    /// By id; handshakes are left out.
    pub nodes: BTreeMap<String, NodeLine>,
    /// Nodes that have not answered MEET yet.
    pub handshakes: usize,
}

impl View {
    /// O(length).
    pub fn parse(text: &str) -> View {
        let mut view = View::default();
        let nodes = text
            .lines()
            .filter_map(|line| NodeLine::parse(line.trim_end()));
        for node in nodes.take(NODES_MAX) {
            if node.has("handshake") {
                view.handshakes += 1;
                continue;
            }
            if node.has("myself") {
                view.me = node.id.clone();
            }
            view.nodes.insert(node.id.clone(), node);
        }
        view
    }

    pub fn me(&self) -> Option<&NodeLine> {
        self.nodes.get(&self.me)
    }

    /// The owner of each slot: an index of `owners`, 0 for none.
    pub fn owners(&self) -> (Vec<&NodeLine>, Vec<u16>) {
        let (mut owners, mut of) = (Vec::new(), vec![0; usize::from(SLOTS)]);
        for node in self.nodes.values().filter(|node| !node.slots.is_empty()) {
            owners.push(node);
            for &(first, last) in &node.slots {
                of[usize::from(first)..=usize::from(last)].fill(owners.len() as u16);
            }
        }
        (owners, of)
    }
}

/// A node's id, shortened as users know it.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_kinds_of_servers_are_read() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let text = format!(
            "{a} 10.0.0.1:7001@17001,host,shard-id=x myself,master - 0 0 3 connected 0-5 9 [5->-{b}] [7-<-{c}]\n\
             {b} ::1:7002@17002 slave,fail? {a} 1 2 3 disconnected\r\n\
             {c} :0@0 master,noaddr - 0 0 0 disconnected 99999 x-y\n\
             not a line\n{} 1.2.3.4:5@6 handshake - 0 0 0 connected\n",
            "d".repeat(40)
        );
        let view = View::parse(&text);
        assert_eq!(
            (view.me.as_str(), view.nodes.len(), view.handshakes),
            (a.as_str(), 3, 1)
        );
        let node = view.me().expect("itself");
        assert_eq!(node.slots, [(0, 5), (9, 9)]);
        assert_eq!(
            (&node.migrating, &node.importing),
            (&vec![(5, b.clone())], &vec![(7, c.clone())])
        );
        assert!(node.is_voter() && node.epoch == 3 && node.bus_port == 17001);
        let replica = &view.nodes[&b];
        assert!(replica.has("slave") && replica.is_failing() && !replica.is_linked);
        assert_eq!(
            replica.at.as_ref().map(ToString::to_string),
            Some("[::1]:7002".to_owned())
        );
        assert!(view.nodes[&c].at.is_none() && view.nodes[&c].slots.is_empty());
        let (owners, of) = view.owners();
        assert_eq!((owners.len(), of[0], of[6], of[9]), (1, 1, 0, 1));
    }
}
