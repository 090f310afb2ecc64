//! The orders to data nodes, each a transaction. Their replies are ignored: INFO shows the effect.

use super::super::address::Address;
use super::super::config::PrimarySettings;
use super::super::instances::{DataNode, FailoverSeen};
use super::super::links::ExpectedReply;
use super::super::shared::Shared;
use super::super::time::Ms;

/// Sends the commands between MULTI and EXEC. False: there is no connection.
fn transaction(
    shared: &mut Shared,
    node: &DataNode,
    settings: &PrimarySettings,
    commands: &[&[&[u8]]],
) -> bool {
    let mut send = |words: &[&[u8]]| {
        let mut words = words.to_vec();
        words[0] = settings.renamed(words[0]);
        shared.send(node.watch.link, &words, ExpectedReply::Ignored)
    };
    send(&[b"MULTI"]) && commands.iter().all(|words| send(words)) && send(&[b"EXEC"])
}

const REWRITE: &[&[u8]] = &[b"CONFIG", b"REWRITE"];
/// Closes clients, so that they ask for the primary again.
const KILL_NORMAL: &[&[u8]] = &[b"CLIENT", b"KILL", b"TYPE", b"normal"];
const KILL_PUBSUB: &[&[u8]] = &[b"CLIENT", b"KILL", b"TYPE", b"pubsub"];

/// Makes a node a replica of `primary`, or a primary. A failover in which the node is stuck is
/// ended first, as the node would refuse the order.
pub(crate) fn send_replica_of(
    shared: &mut Shared,
    node: &DataNode,
    settings: &PrimarySettings,
    primary: Option<&Address>,
) -> bool {
    let by_name = shared.globals.announce_hostnames;
    let port = primary.map(|address| address.port.to_string());
    let slaveof: [&[u8]; 3] = match (primary, &port) {
        (Some(address), Some(port)) => [b"SLAVEOF", address.shown(by_name), port.as_bytes()],
        _ => [b"SLAVEOF", b"NO", b"ONE"],
    };
    let mut commands: Vec<&[&[u8]]> = Vec::new();
    if node.failover == FailoverSeen::Yes {
        commands.push(&[b"FAILOVER", b"ABORT"]);
    }
    commands.extend([&slaveof[..], REWRITE, KILL_NORMAL, KILL_PUBSUB]);
    transaction(shared, node, settings, &commands)
}

/// Asks a primary to hand over to a replica within `timeout_ms`. Writes are paused for that time,
/// so that no client meets the old primary as a replica before its connection is closed.
pub(crate) fn send_failover(
    shared: &mut Shared,
    node: &DataNode,
    settings: &PrimarySettings,
    to: &Address,
    timeout_ms: Ms,
) -> bool {
    let by_name = shared.globals.announce_hostnames;
    let (port, timeout) = (to.port.to_string(), timeout_ms.to_string());
    let (port, timeout) = (port.as_bytes(), timeout.as_bytes());
    let host = to.shown(by_name);
    let pause: &[&[u8]] = &[b"CLIENT", b"PAUSE", timeout, b"WRITE"];
    let failover: &[&[u8]] = &[b"FAILOVER", b"TO", host, port, b"TIMEOUT", timeout];
    transaction(shared, node, settings, &[pause, failover])
}

/// After a coordinated failover: the roles have changed, so the clients must ask again.
pub(crate) fn kill_clients(
    shared: &mut Shared,
    node: &DataNode,
    settings: &PrimarySettings,
) -> bool {
    let unpause: &[&[u8]] = &[b"CLIENT", b"UNPAUSE"];
    let commands = [REWRITE, KILL_NORMAL, KILL_PUBSUB, unpause];
    transaction(shared, node, settings, &commands)
}
