//! A node of a cluster, as a line of CLUSTER NODES shows it, and its slots. No I/O.
//!
//!     <id> <host>:<port>@<bus>[,<name>] <flags> <primary|->
//!          <ping> <pong> <epoch> <link> <slot> ...
//!     slots = 0-5460 | 7 | [9->-<id>] (leaves for a node) | [9-<-<id>] (arrives from a node)

use std::collections::BTreeSet;

use russet_base::numbers::ranges;

/// The slots of a cluster.
pub(super) const SLOTS: u16 = 16384;

/// A slot, and the node at the other end of its move.
pub(super) type OpenSlot = (u16, String);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// Zero: not named.
    pub(super) bus_port: u16,
    /// Without `myself`.
    pub(super) flags: Vec<String>,
    pub(super) is_myself: bool,
    /// The primary's ID.
    pub(super) replicates: Option<String>,
    pub(super) epoch: u64,
    pub(super) is_connected: bool,
    pub(super) slots: BTreeSet<u16>,
    /// Slots on their way to another node.
    pub(super) migrating: Vec<OpenSlot>,
    /// Slots on their way from another node.
    pub(super) importing: Vec<OpenSlot>,
    /// Replicas among the loaded nodes.
    pub(super) replicas: usize,
}

impl Node {
    /// The node of a line, or `None` if the line is malformed. `asked` is the host of the node that
    /// was asked, because a node that has met no other node does not know its own address.
    pub(super) fn parse(line: &str, asked: &str) -> Option<Node> {
        let mut words = line.split(' ');
        let id = words.next()?.to_owned();
        let place = words.next()?.split(',').next()?;
        let (place, bus) = place.split_once('@').unwrap_or((place, "0"));
        let (host, port) = place.rsplit_once(':')?;
        let flags: Vec<String> = words.next()?.split(',').map(str::to_owned).collect();
        let primary = words.next()?;
        let (_ping, _pong) = (words.next()?, words.next()?);
        let epoch = words.next()?.parse().ok()?;
        let is_connected = words.next()? == "connected";
        let is_myself = flags.iter().any(|flag| flag == "myself");
        let mut node = Node {
            id,
            host: if host.is_empty() { asked } else { host }.to_owned(),
            port: port.parse().ok()?,
            bus_port: bus.parse().unwrap_or(0),
            flags: flags.into_iter().filter(|flag| flag != "myself").collect(),
            is_myself,
            replicates: (primary != "-").then(|| primary.to_owned()),
            epoch,
            is_connected,
            ..Node::default()
        };
        words.try_for_each(|word| node.add_slots(word))?;
        Some(node)
    }

    fn add_slots(&mut self, word: &str) -> Option<()> {
        if let Some(open) = word
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let (slot, arrow_and_id) = open.split_once('-')?;
            let (arrow, id) = arrow_and_id.split_once('-')?;
            let open = (slot_number(slot)?, id.to_owned());
            match arrow {
                ">" => self.migrating.push(open),
                "<" => self.importing.push(open),
                _ => return None,
            }
            return Some(());
        }
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        self.slots.extend(slot_number(first)?..=slot_number(last)?);
        Some(())
    }

    pub(super) fn is_replica(&self) -> bool {
        self.replicates.is_some() || self.has("slave")
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|has| has == flag)
    }

    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The words after CLUSTER MEET: the bus port only if it is not the usual one.
    pub(super) fn meeting_place(&self) -> Vec<String> {
        let mut words = vec![self.host.clone(), self.port.to_string()];
        if self.bus_port != 0 && u32::from(self.bus_port) != u32::from(self.port) + 10_000 {
            words.push(self.bus_port.to_string());
        }
        words
    }

    /// The node in the list of a check: a line, its slots, its primary or its replicas, each line
    /// after `indent` spaces. `is_planned`: a replica to come, which has no line of slots.
    pub(super) fn description(&self, indent: usize, is_planned: bool) -> String {
        let pad = " ".repeat(indent);
        let mark = if self.is_replica() { 'S' } else { 'M' };
        let mut text = format!("{pad}{mark}: {} {}\n", self.id, self.address());
        if !(is_planned && self.is_replica()) {
            let (slots, count) = (bracketed(&self.slots), self.slots.len());
            let flags = self.flags.join(",");
            text += &format!("{pad}   slots:{slots} ({count} slots) {flags}\n");
        }
        if let Some(primary) = &self.replicates {
            text += &format!("{pad}   replicates {primary}\n");
        } else if self.replicas > 0 {
            text += &format!("{pad}   {} additional replica(s)\n", self.replicas);
        }
        text
    }
}

fn slot_number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&slot| slot < SLOTS)
}

/// `[0-5],[7]`; a node without slots has no brackets.
fn bracketed(slots: &BTreeSet<u16>) -> String {
    let range = |(first, last)| {
        if first == last {
            format!("[{first}]")
        } else {
            format!("[{first}-{last}]")
        }
    };
    let texts: Vec<String> = ranges(slots.iter().copied())
        .into_iter()
        .map(range)
        .collect();
    texts.join(",")
}

/// Whose slots are whose in a text of CLUSTER NODES: equal at nodes that agree.
pub(super) fn signature(text: &str) -> Vec<(String, BTreeSet<u16>)> {
    let nodes = text.lines().filter_map(|line| Node::parse(line, ""));
    let mut owners: Vec<_> = nodes
        .filter(|node| !node.slots.is_empty())
        .map(|node| (node.id, node.slots))
        .collect();
    owners.sort();
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "aa :7000@17000,host myself,master - 0 0 3 connected 0-2 7 [9->-bb] [10-<-cc]";

    #[test]
    fn a_line_has_place_flags_and_slots() {
        let node = Node::parse(LINE, "10.0.0.1").expect("a node");
        assert_eq!(node.address(), "10.0.0.1:7000");
        assert!(node.is_myself && node.is_connected && !node.is_replica());
        assert_eq!(ranges(node.slots.iter().copied()), [(0, 2), (7, 7)]);
        assert_eq!(node.migrating, [(9, "bb".to_owned())]);
        assert_eq!(node.importing, [(10, "cc".to_owned())]);
        assert_eq!((node.epoch, node.bus_port), (3, 17000));
        assert_eq!(node.meeting_place(), ["10.0.0.1", "7000"]);
        let replica = Node::parse("bb ::1:7@1 slave,fail aa 0 0 3 disconnected", "").expect("one");
        assert!(replica.is_replica() && replica.has("fail") && !replica.is_connected);
        assert_eq!(replica.meeting_place(), ["::1", "7", "1"]);
    }

    #[test]
    fn a_malformed_line_is_no_node() {
        for line in [
            "",
            "aa",
            "aa 1.1.1.1:x@1 master - 0 0 1 connected",
            "aa 1.1.1.1:1@1 master - 0 0 1 connected 16384",
            "aa 1.1.1.1:1@1 master - 0 0 1 connected [9-x-bb]",
        ] {
            assert_eq!(Node::parse(line, ""), None, "{line}");
        }
    }

    #[test]
    fn a_node_is_described_with_its_replicas_or_its_primary() {
        let mut node = Node::parse(LINE, "h").expect("a node");
        node.replicas = 2;
        let wanted = " M: aa h:7000\n    slots:[0-2],[7] (4 slots) master\n    2 additional \
            replica(s)\n";
        assert_eq!(node.description(1, false), wanted);
        let replica = Node::parse("bb h:7@1 slave aa 0 0 3 connected", "").expect("one");
        let wanted = "S: bb h:7\n   slots: (0 slots) slave\n   replicates aa\n";
        assert_eq!(replica.description(0, false), wanted);
        assert_eq!(
            replica.description(0, true),
            "S: bb h:7\n   replicates aa\n"
        );
    }

    #[test]
    fn nodes_agree_whatever_else_they_show() {
        let one = "aa :1@1 myself,master - 0 0 3 connected 0-2\nbb h:2@2 slave aa 0 0 3 connected";
        let other =
            "bb h:2@2 myself,slave aa 0 0 3 connected\naa h:1@1 master - 5 5 4 connected 0-2";
        assert_eq!(signature(one), signature(other));
        assert_ne!(signature(one), signature(&one.replace("0-2", "0-3")));
    }
}
