//! Full copies from a primary to its replicas: how other nodes see the replica during a copy, and
//! the facts about the cluster in a copy.

use std::time::{Duration, Instant};

use crate::group::{Group, Kind, NODE_TIMEOUT};
use crate::support::peers::Peer;
use crate::support::resp::Connection;

/// The time of each key of a load, so that a load takes longer than two node timeouts.
const KEY_DELAY_US: &str = "40000";
const KEYS: usize = 600;

/// Restarts a killed node without the file of an earlier copy, so that it needs a full copy.
fn restart_empty(group: &mut Group, at: usize) {
    let file = group.nodes[at].daemon.folder().join("dump.rdb");
    if file.exists() {
        std::fs::remove_file(file).expect("our own file");
    }
    group.restart_loading(at);
}

/// The time of a node's last answer, as another node shows it in CLUSTER NODES.
fn answered(group: &Group, observer: usize, id: &str) -> Option<u64> {
    let text = group.nodes[observer].text("CLUSTER NODES");
    let line = text.lines().find(|line| line.starts_with(id))?;
    line.split(' ').nth(5)?.parse().ok()
}

/// Whether CLUSTER SLOTS names a node.
fn is_shown(group: &Group, observer: usize, id: &str) -> bool {
    let mut connection = Connection::open(group.nodes[observer].port()).expect("a node");
    connection.send(b"CLUSTER SLOTS\r\n");
    let (bytes, _) = connection.read().expect("a reply");
    bytes.windows(id.len()).any(|part| part == id.as_bytes())
}

/// A replica that loads for longer than the node timeout answers all other nodes and keeps its
/// links. Clients do not see it until it has its data.
#[test]
fn a_replica_that_loads_answers_the_bus_and_is_hidden() {
    let arguments = ["--key-load-delay", KEY_DELAY_US];
    let what = "a long load";
    let Some(mut group) = Group::create_with(what, &[Kind::Russet; 6], 1, &arguments) else {
        return;
    };
    group.write("k", KEYS);
    group.wait_until_synced();
    let primary = group.primary(|_| true);
    let replica = group.replica_of(primary);
    let id = group.nodes[replica].id();
    group.wait("clients to be told of the replica", |group| {
        is_shown(group, primary, &id)
    });

    group.kill(replica);
    restart_empty(&mut group, replica);
    let loads = |group: &Group| {
        group.nodes[replica]
            .text("INFO persistence")
            .contains("loading:1")
    };
    group.wait("the load to begin", loads);
    group.wait("all to hear from it again", |group| {
        let others = group
            .living()
            .filter(|node| node.port() != group.nodes[replica].port());
        others.into_iter().all(|node| {
            let view = node.view();
            let seen = view.iter().find(|seen| seen.id == id);
            seen.is_some_and(|seen| seen.is_connected && !seen.is("fail?") && !seen.is("fail"))
        })
    });
    let began = Instant::now();
    let first: Vec<_> = (0..group.nodes.len())
        .map(|at| answered(&group, at, &id))
        .collect();
    let (mut last, mut hidden) = (first.clone(), false);
    while loads(&group) {
        for at in (0..group.nodes.len()).filter(|&at| at != replica) {
            let view = group.nodes[at].view();
            let seen = view.iter().find(|seen| seen.id == id).expect("it is known");
            assert!(
                !seen.is("fail?") && !seen.is("fail") && seen.is_connected,
                "{seen:?}"
            );
            last[at] = answered(&group, at, &id);
        }
        hidden |= !is_shown(&group, primary, &id);
        std::thread::sleep(Duration::from_millis(100));
    }
    let node_timeout = Duration::from_millis(NODE_TIMEOUT.parse().expect("a number"));
    let took = began.elapsed();
    assert!(took > 2 * node_timeout, "the load was too short: {took:?}");
    for at in (0..group.nodes.len()).filter(|&at| at != replica) {
        assert!(last[at] > first[at], "node {at}: no answer in {took:?}");
    }
    assert!(hidden, "clients were told of it while it loaded");
    group.wait("it to be shown again", |group| {
        is_shown(group, primary, &id)
    });
    group.wait_until_well();
    group.check();
    group.assert_written("k", KEYS);
}

/// A primary of one program with a replica of the other, and another primary.
struct Shards {
    group: Group,
    primary: usize,
    replica: usize,
    /// A slot of the primary, a slot of the other primary, and the other primary's id.
    slot: u16,
    foreign: u16,
    other: String,
}

impl Shards {
    /// `None` if the peer is not installed.
    fn create(what: &str, primary: Kind, replica: Kind) -> Option<Shards> {
        let kinds = [primary, primary, primary, replica, replica, replica];
        let group = Group::create(what, &kinds, 1)?;
        let is_primary = |at: usize| {
            let view = group.nodes[at].view();
            view.iter()
                .any(|seen| seen.is("myself") && seen.is("master"))
        };
        let primaries: Vec<usize> = (0..6).filter(|&at| is_primary(at)).collect();
        let fits = |at: usize| {
            group.nodes[at].kind == primary && group.nodes[group.replica_of(at)].kind == replica
        };
        let primary = primaries.iter().copied().find(|&at| fits(at));
        let primary = primary.expect("a primary whose replica is of the other kind");
        let other = primaries.iter().copied().find(|&at| at != primary);
        let other = other.expect("another primary");
        Some(Shards {
            replica: group.replica_of(primary),
            slot: group.slots_of(primary).0,
            foreign: group.slots_of(other).0,
            other: group.nodes[other].id(),
            primary,
            group,
        })
    }

    /// Opens both slots at the primary; each answer must be `OK`.
    fn open_slots(&self, connection: &mut Connection) {
        let (slot, foreign, id) = (self.slot, self.foreign, &self.other);
        for order in [
            format!("CLUSTER SETSLOT {slot} MIGRATING {id} TIMEOUT 0"),
            format!("CLUSTER SETSLOT {foreign} IMPORTING {id} TIMEOUT 0"),
        ] {
            assert_eq!(connection.ask(&order), "+OK\r\n", "{order}");
        }
    }

    fn connection(&self) -> Connection {
        Connection::open(self.group.nodes[self.primary].port()).expect("a node")
    }

    fn wait_for_marks(&mut self) {
        let (slot, foreign, id) = (self.slot, self.foreign, &self.other);
        let wanted = [format!("[{slot}->-{id}]"), format!("[{foreign}-<-{id}]")];
        let replica = self.replica;
        self.group
            .wait("the replica to know the open slots", |group| {
                let view = group.nodes[replica].view();
                let mine = view.iter().find(|seen| seen.is("myself"));
                mine.is_some_and(|seen| wanted.iter().all(|mark| seen.marks.contains(mark)))
            });
    }
}

/// A replica that connects after SETSLOT gets the open slots with its primary's copy, in both
/// directions between russet and Valkey.
fn copies_marks(primary: Kind, replica: Kind) {
    let what = format!("marks from {primary:?} to {replica:?}");
    let Some(mut shards) = Shards::create(&what, primary, replica) else {
        return;
    };
    shards.group.kill(shards.replica);
    shards.open_slots(&mut shards.connection());
    restart_empty(&mut shards.group, shards.replica);
    shards.wait_for_marks();
}

#[test]
fn marks_of_open_slots_go_with_a_copy() {
    copies_marks(Kind::RussetValkey, Kind::RussetValkey);
}

#[test]
fn marks_of_open_slots_come_from_valkey() {
    copies_marks(Kind::Peer(Peer::Valkey9), Kind::RussetValkey);
}

#[test]
fn marks_of_open_slots_go_to_valkey() {
    copies_marks(Kind::RussetValkey, Kind::Peer(Peer::Valkey9));
}

/// A replica in sync gets the open slots from the stream, also if the primary cannot wait for it.
#[test]
fn marks_of_open_slots_go_to_replicas_from_transactions_too() {
    let what = "marks without a wait";
    let Some(mut shards) = Shards::create(what, Kind::RussetValkey, Kind::RussetValkey) else {
        return;
    };
    let mut connection = shards.connection();
    shards.open_slots(&mut connection);
    shards.wait_for_marks();
    let (slot, foreign) = (shards.slot, shards.foreign);
    assert_eq!(connection.ask("MULTI"), "+OK\r\n");
    for slot in [slot, foreign] {
        let order = format!("CLUSTER SETSLOT {slot} STABLE");
        assert_eq!(connection.ask(&order), "+QUEUED\r\n");
    }
    assert_eq!(connection.ask("EXEC"), "*2\r\n+OK\r\n+OK\r\n");
    let replica = shards.replica;
    shards
        .group
        .wait("the replica to know that the slots are closed", |group| {
            let view = group.nodes[replica].view();
            let mine = view.iter().find(|seen| seen.is("myself"));
            mine.is_some_and(|seen| seen.marks.is_empty())
        });
}
