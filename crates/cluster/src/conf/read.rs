//! Reads nodes.conf: all of it or nothing; an error names the damaged line.
//!
//! Invariants of a file that has been read
//!   1. one node is this server, and no id comes twice;
//!   2. each slot has at most one owner, and the ranges of a node are ascending;
//!   3. a slot is open at most once in each direction.
//!
//! Cost: O(bytes of the file), and a set of the ids.
//!
//! Elsewhere: the format (`conf`), what a node takes from the file (`restart`).

use std::collections::BTreeSet;
use std::str::FromStr;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{NodesConf, OtherPort, SavedNode};
use crate::membership::tokens::Token;
use crate::message::{Ip, NodeFlags, NodeId, SLOTS, SlotMap, is_plain_text};

/// The bus port minus the client port, for lines without a bus port (Redis 3.2).
const BUS_PORT_OFFSET: u16 = 10_000;

impl NodesConf {
    /// The state of a node without a file: `seed` gives the ids of the node and of its shard.
    pub fn fresh(seed: u64) -> NodesConf {
        let mut random = SmallRng::seed_from_u64(seed);
        let me = SavedNode {
            flags: NodeFlags::MYSELF | NodeFlags::PRIMARY,
            shard: Some(NodeId::of_random(random.random())),
            ..SavedNode::new(NodeId::of_random(random.random()))
        };
        NodesConf {
            nodes: vec![me],
            ..NodesConf::default()
        }
    }

    /// Takes a key for a node that has none, or whose file was another server's.
    pub fn set_key(&mut self, key: [u8; 32]) {
        if self.token_key == [0; 32] {
            self.token_key = key;
        }
    }

    /// Reads nodes.conf, as this server, Redis or Valkey wrote it. An error names the line. An
    /// empty file is valid, too: a server that finds it begins as a new node.
    pub fn parse(text: &[u8]) -> Result<NodesConf, String> {
        let text = text.strip_suffix(b"\n").ok_or("its last line is cut off")?;
        let mut read = ConfReader::default();
        for (line, number) in text.split(|&byte| byte == b'\n').zip(1..) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                let wrong = |why: String| format!("line {number}: {why}");
                read.line(line).map_err(wrong)?;
            }
        }
        read.end()
    }
}

/// The lines that have been read so far.
#[derive(Default)]
struct ConfReader {
    saved: NodesConf,
    has_vars: bool,
    ids: BTreeSet<NodeId>,
    taken: SlotMap,
}

impl ConfReader {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = std::str::from_utf8(line).map_err(|_| "not a text")?;
        let mut words = line.split(is_blank).filter(|word| !word.is_empty());
        let first = words.next().ok_or("no id")?;
        if first == "vars" {
            return self.vars(words);
        }
        let id = id(first)?;
        if !self.ids.insert(id) {
            return Err(format!("node {id} a second time"));
        }
        let mut node = SavedNode::new(id);
        let mut next = |what| words.next().ok_or(format!("no {what}"));
        address(next("address")?, &mut node)?;
        let is_handshake = flags(next("flags")?, &mut node)?;
        node.primary = match next("primary")? {
            "-" => None,
            primary => Some(self::id(primary)?),
        };
        node.ping_sent_ms = number(next("time of a ping")?)?;
        node.pong_received_ms = number(next("time of a pong")?)?;
        node.config_epoch = number(next("epoch")?)?;
        node.is_connected = match next("state of the link")? {
            "connected" => true,
            "disconnected" => false,
            other => return Err(format!("state of the link {other:?}")),
        };
        let mut own = SlotMap::EMPTY;
        for word in words {
            match word.strip_prefix('[') {
                Some(open) => open_slot(open, &mut node)?,
                None => self.take(slots(word)?, &mut own),
            }
        }
        node.slots = own.view().ranges();
        if !is_handshake {
            self.saved.nodes.push(node);
        }
        Ok(())
    }

    /// Each slot has one owner: the first line that names the slot, as in Redis. A range whose end
    /// is below its begin has no slots.
    fn take(&mut self, (first, last): (u16, u16), own: &mut SlotMap) {
        for slot in first..=last {
            if !self.taken.contains(slot) {
                self.taken.insert(slot);
                own.insert(slot);
            }
        }
    }

    fn vars<'l>(&mut self, mut words: impl Iterator<Item = &'l str>) -> Result<(), String> {
        if std::mem::replace(&mut self.has_vars, true) {
            return Err("vars a second time".to_owned());
        }
        while let Some(name) = words.next() {
            let value = words.next().ok_or(format!("{name} without a value"))?;
            match name {
                "currentEpoch" => self.saved.current_epoch = number(value)?,
                "lastVoteEpoch" => self.saved.last_vote_epoch = number(value)?,
                "tokenKey" => self.saved.token_key = hex(value)?,
                "tokens" => self.saved.tokens = list(value, token)?,
                "strangers" => self.saved.strangers = list(value, id)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the file as a whole.
    fn end(mut self) -> Result<NodesConf, String> {
        if !self.has_vars {
            // This node may have voted in the newest epoch, and must not do so twice.
            let epochs = self.saved.nodes.iter().map(|node| node.config_epoch);
            let newest = epochs.max().unwrap_or(0);
            (self.saved.current_epoch, self.saved.last_vote_epoch) = (newest, newest);
        }
        let is_me = |node: &&SavedNode| node.flags.contains(NodeFlags::MYSELF);
        match self.saved.nodes.iter().filter(is_me).count() {
            1 => Ok(self.saved),
            0 => Err("no line of this node itself".to_owned()),
            _ => Err("several nodes have the flag myself".to_owned()),
        }
    }
}

/// The parts of a list, with the first fault in it.
fn list<T>(text: &str, part: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(part).collect()
}

/// A node's id with its token.
fn token(text: &str) -> Result<(NodeId, Token), String> {
    let (node, token) = text.split_once(':').ok_or("a token of no node")?;
    Ok((id(node)?, hex(token)?))
}

/// So many bytes as hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let wrong = || format!("{text:?} is not {N} bytes in hexadecimal");
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digits = pair.iter().all(u8::is_ascii_hexdigit);
        let pair = std::str::from_utf8(pair).ok().filter(|_| digits);
        let value = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        *byte = value.ok_or_else(wrong)?;
    }
    Ok(bytes)
}

/// A blank between words, as for Redis.
fn is_blank(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == '\x0b'
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("wrong number {text:?}"))
}

fn id(text: &str) -> Result<NodeId, String> {
    NodeId::parse(text.as_bytes()).ok_or_else(|| format!("wrong id {text:?}"))
}

/// `ip:port@busport,hostname,name=value..`
fn address(text: &str, node: &mut SavedNode) -> Result<(), String> {
    let wrong = || format!("wrong address {text:?}");
    let mut parts = text.split(',');
    let (ip, ports) = parts
        .next()
        .and_then(|first| first.rsplit_once(':'))
        .ok_or_else(wrong)?;
    node.ip = Ip::parse(ip.as_bytes()).ok_or_else(wrong)?;
    (node.port, node.bus_port) = match ports.split_once('@') {
        Some((port, bus_port)) => (number(port)?, number(bus_port)?),
        None => {
            let port: u16 = number(ports)?;
            (port, port.checked_add(BUS_PORT_OFFSET).ok_or_else(wrong)?)
        }
    };
    node.hostname = plain(parts.next().unwrap_or(""));
    for aux in parts.filter(|aux| !aux.is_empty()) {
        let (name, value) = aux.split_once('=').ok_or_else(wrong)?;
        match name {
            "tls-port" => node.other = OtherPort::Tls(number(value)?),
            "tcp-port" => node.other = OtherPort::Tcp(number(value)?),
            "shard-id" => node.shard = Some(id(value)?),
            "nodename" => node.human_nodename = plain(value),
            "client-ipv4" => node.client_ipv4 = client_ip(value)?,
            "client-ipv6" => node.client_ipv6 = client_ip(value)?,
            "client-tcp-port" => node.client_port = number(value)?,
            "client-tls-port" => node.client_tls_port = number(value)?,
            "availability-zone" => node.availability_zone = plain(value),
            _ => {}
        }
    }
    Ok(())
}

/// Names that we would not take from a message are left out: the node's next message has them anew.
fn plain(text: &str) -> Vec<u8> {
    if is_plain_text(text.as_bytes()) {
        text.as_bytes().to_vec()
    } else {
        Vec::new()
    }
}

fn client_ip(text: &str) -> Result<Vec<u8>, String> {
    let ip = Ip::parse(text.as_bytes()).ok_or_else(|| format!("wrong address {text:?}"))?;
    // Valkey keeps Redis's secret here, which is no address.
    Ok(ip.address().map_or(Vec::new(), |_| ip.to_vec()))
}

/// The flags' names, in the order of their writing.
pub(super) const FLAGS: [(&str, NodeFlags); 7] = [
    ("myself", NodeFlags::MYSELF),
    ("master", NodeFlags::PRIMARY),
    ("slave", NodeFlags::REPLICA),
    ("fail?", NodeFlags::PFAIL),
    ("fail", NodeFlags::FAIL),
    ("noaddr", NodeFlags::NO_ADDRESS),
    ("nofailover", NodeFlags::NO_FAILOVER),
];

/// True: the node is in a handshake, and is left out.
fn flags(text: &str, node: &mut SavedNode) -> Result<bool, String> {
    let mut is_handshake = false;
    for name in text.split(',') {
        match name {
            "handshake" => is_handshake = true,
            "noflags" => {}
            _ => {
                let known = FLAGS.iter().find(|(known, _)| *known == name);
                let (_, flag) = known.ok_or_else(|| format!("unknown flag {name:?}"))?;
                node.flags |= *flag;
            }
        }
    }
    Ok(is_handshake)
}

fn slot(text: &str) -> Result<u16, String> {
    let slot = number(text)?;
    (slot < SLOTS)
        .then_some(slot)
        .ok_or_else(|| format!("wrong slot {text:?}"))
}

fn slots(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok((slot(first)?, slot(last)?))
}

/// `5->-id]` or `5-<-id]`.
fn open_slot(text: &str, node: &mut SavedNode) -> Result<(), String> {
    let wrong = || format!("wrong open slot {text:?}");
    let text = text.strip_suffix(']').ok_or_else(wrong)?;
    let (slot, rest) = text.split_once('-').ok_or_else(wrong)?;
    let slot = self::slot(slot)?;
    let (list, other) = match (rest.strip_prefix(">-"), rest.strip_prefix("<-")) {
        (Some(to), _) => (&mut node.migrating, to),
        (_, Some(from)) => (&mut node.importing, from),
        _ => return Err(wrong()),
    };
    if list.iter().any(|(other, _)| *other == slot) {
        return Err(wrong());
    }
    list.push((slot, id(other)?));
    Ok(())
}
