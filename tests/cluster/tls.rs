//! The cluster bus under TLS (`tls-cluster yes`): between russets, and with Redis.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::group::{Kind, NODE_TIMEOUT, Node};
use crate::shards::{Member, fails_over};
use crate::support::Daemon;
use crate::support::certificates::{Authority, Subject};
use crate::support::daemon::{free_port_of, russet};
use crate::support::peers;
use crate::support::resp::Connection;
use crate::support::wait::wait_until;

/// A certificate that all nodes trust and use.
fn certificates() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new();
    std::fs::write(folder.path().join("ca.crt"), &authority.pem).expect("a file");
    let issued = authority.issue(&Subject::named("localhost"));
    issued.write(folder.path(), "node");
    folder
}

struct TlsNode {
    node: Node,
    port: u16,
    bus_port: u16,
}

fn start(program: &Path, files: &Path) -> TlsNode {
    let (port, bus_port) = (free_port_of(22_000, 1_000), free_port_of(23_000, 1_000));
    let file = |name: &str| files.join(name).to_str().expect("UTF-8").to_owned();
    let args = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &file("node.crt")],
        ["--tls-key-file", &file("node.key")],
        ["--tls-ca-cert-file", &file("ca.crt")],
        ["--tls-cluster", "yes"],
        ["--tls-replication", "yes"],
        ["--cluster-enabled", "yes"],
        ["--cluster-node-timeout", NODE_TIMEOUT],
        ["--cluster-port", &bus_port.to_string()],
    ];
    let node = Node {
        daemon: Daemon::start_program(program, args.as_flattened()),
        kind: Kind::Russet,
        is_killed: false,
    };
    TlsNode {
        node,
        port,
        bus_port,
    }
}

/// Two nodes meet, and the second becomes a replica of the first.
fn join(programs: [PathBuf; 2]) {
    let files = certificates();
    let nodes = programs.map(|program| start(&program, files.path()));
    let meet = format!(
        "CLUSTER MEET 127.0.0.1 {} {}",
        nodes[1].port, nodes[1].bus_port
    );
    let mut first = Connection::open(nodes[0].node.port()).expect("a node");
    assert_eq!(first.ask(&meet), "+OK\r\n");
    wait_until("both to know both", || {
        nodes.iter().all(|node| {
            let view = node.node.view();
            let is_linked = view
                .iter()
                .all(|seen| seen.is_connected && !seen.is("handshake"));
            view.len() == 2 && is_linked
        })
    });
    let mut second = Connection::open(nodes[1].node.port()).expect("a node");
    let id = nodes[0].node.id();
    assert_eq!(second.ask(&format!("CLUSTER REPLICATE {id}")), "+OK\r\n");
    wait_until("the replica to follow", || {
        let text = nodes[1].node.text("INFO replication");
        text.contains("master_link_status:up")
    });
    let port = nodes[0].port.to_string();
    let text = nodes[1].node.text("INFO replication");
    assert!(text.contains(&format!("master_port:{port}")), "{text}");
}

#[test]
fn russets_meet_under_tls() {
    join([russet(), russet()]);
}

#[test]
fn redis_and_russet_meet_under_tls() {
    let redis = peers::folder().join("redis8-tls/redis-server");
    if !redis.exists() {
        return peers::left_out("a bus under TLS: no Redis 8.0 with TLS");
    }
    join([russet(), redis.clone()]);
    join([redis, russet()]);
}

#[test]
fn a_replica_takes_over_under_tls() {
    let files = certificates();
    let members = [(); 4].map(|()| {
        let its = start(&russet(), files.path());
        Member {
            meet: format!("127.0.0.1 {} {}", its.port, its.bus_port),
            node: its.node,
        }
    });
    fails_over(members);
}
