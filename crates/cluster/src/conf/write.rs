//! Writes nodes.conf.

use std::fmt::Write as _;

use super::read::FLAGS;
use super::{NodeFlags, NodeId, NodesConf, OtherPort, SavedNode};
use russet_config::Dialect;

impl NodesConf {
    /// The text of nodes.conf, which servers of the dialect can load.
    pub fn text(&self, dialect: Dialect) -> Vec<u8> {
        let mut out = String::new();
        for node in &self.nodes {
            write_node(&mut out, node, Some(dialect));
            out.push('\n');
        }
        let (current, vote) = (self.current_epoch, self.last_vote_epoch);
        out.push_str(&format!("vars currentEpoch {current} lastVoteEpoch {vote}"));
        if self.token_key != [0; 32] {
            out.push_str(&format!(" tokenKey {}", hex(&self.token_key)));
        }
        let tokens = self.tokens.iter();
        let tokens = tokens.map(|(id, token)| format!("{id}:{}", hex(token)));
        let strangers = self.strangers.iter().map(NodeId::to_string);
        write_list(&mut out, "tokens", tokens.collect());
        write_list(&mut out, "strangers", strangers.collect());
        out.push('\n');
        out.into_bytes()
    }
}

/// A variable that is a list, unless it is empty.
fn write_list(out: &mut String, name: &str, list: Vec<String>) {
    if !list.is_empty() {
        out.push_str(&format!(" {name} {}", list.join(",")));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a node's line without its end. `aux`: with the values after the hostname, as the dialect
/// knows them. Without: a line of CLUSTER NODES.
pub(crate) fn write_node(out: &mut String, node: &SavedNode, aux: Option<Dialect>) {
    // A `String` takes all that is written to it.
    _ = write!(
        out,
        "{} {}:{}@{}",
        node.id, node.ip, node.port, node.bus_port
    );
    if aux.is_some() || !node.hostname.is_empty() {
        out.push(',');
        out.push_str(&text(&node.hostname));
    }
    if let Some(dialect) = aux {
        write_aux(out, node, dialect);
    }
    let mut between = ' ';
    for (name, flag) in FLAGS {
        if node.flags.contains(flag) {
            out.push(between);
            out.push_str(name);
            between = ',';
        }
    }
    // The file has no such nodes.
    if node.flags.contains(NodeFlags::HANDSHAKE) {
        out.push(between);
        out.push_str("handshake");
        between = ',';
    }
    if between == ' ' {
        out.push_str(" noflags");
    }
    match node.primary {
        Some(primary) => _ = write!(out, " {primary}"),
        None => out.push_str(" -"),
    }
    let (ping, pong) = (node.ping_sent_ms, node.pong_received_ms);
    let link = if node.is_connected {
        "connected"
    } else {
        "disconnected"
    };
    _ = write!(out, " {ping} {pong} {} {link}", node.config_epoch);
    for (first, last) in &node.slots {
        _ = if first == last {
            write!(out, " {first}")
        } else {
            write!(out, " {first}-{last}")
        };
    }
    for (slot, to) in &node.migrating {
        _ = write!(out, " [{slot}->-{to}]");
    }
    for (slot, from) in &node.importing {
        _ = write!(out, " [{slot}-<-{from}]");
    }
}

fn write_aux(out: &mut String, node: &SavedNode, dialect: Dialect) {
    if dialect == Dialect::Valkey {
        let texts = [
            ("availability-zone", &node.availability_zone),
            ("client-ipv6", &node.client_ipv6),
            ("client-ipv4", &node.client_ipv4),
        ];
        for (name, value) in texts.iter().filter(|(_, value)| !value.is_empty()) {
            _ = write!(out, ",{name}={}", text(value));
        }
        let ports = [
            ("client-tcp-port", node.client_port),
            ("client-tls-port", node.client_tls_port),
        ];
        for (name, port) in ports.iter().filter(|(_, port)| *port != 0) {
            _ = write!(out, ",{name}={port}");
        }
    }
    _ = match node.other {
        OtherPort::NotSaid => Ok(()),
        OtherPort::Tls(port) => write!(out, ",tls-port={port}"),
        OtherPort::Tcp(port) => write!(out, ",tcp-port={port}"),
    };
    if !node.human_nodename.is_empty() {
        _ = write!(out, ",nodename={}", text(&node.human_nodename));
    }
    if let Some(shard) = node.shard {
        _ = write!(out, ",shard-id={shard}");
    }
}

/// Texts are plain where they come from.
fn text(plain: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(plain)
}
