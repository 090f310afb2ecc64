//! Members and strangers: whose questions a node reads, and whom it asks.
//!
//! A stranger may say anything on the bus, in any node's name: claims, votes, gossip, and every
//! message between russet's nodes. None of it is a question that the server sees, and no token
//! leaves for a stranger.

use proptest::prelude::*;

use super::net::Net;
use crate::membership::nodes::ME;
use crate::membership::tokens::Trust;
use crate::message::{Body, Extensions, Gossip, Ip, Kind, Marks, Message, NodeFlags, NodeId};
use crate::message::{SlotMap, Vendor};
use crate::{NodeId as Id, Order};
use russet_config::Dialect::Redis;

const MODULE: u64 = u64::from_be_bytes(*b"russet-1");

fn id(net: &Net, at: usize) -> Id {
    net.nodes[at].core.my_id()
}

/// A node's knowledge of another.
fn trust(net: &Net, of: usize, other: usize) -> Trust {
    let nodes = &net.nodes[of].core.nodes;
    let at = nodes.find(&id(net, other)).expect("it is known");
    nodes[at].trust
}

/// Has a node ask another; the questions that have arrived there.
fn ask(net: &mut Net, from: usize, to: usize, payload: &[u8]) -> Vec<Order> {
    net.nodes[to].done.clear();
    let node = id(net, to);
    net.nodes[from].core.ask(node, false, payload);
    net.settle();
    let again = std::mem::take(&mut net.nodes[from].done);
    for order in again {
        if let Order::AskAgain { node, .. } = order {
            net.nodes[from].core.ask(node, false, payload);
        }
    }
    net.settle();
    questions(net, to)
}

fn questions(net: &Net, at: usize) -> Vec<Order> {
    let all = net.nodes[at].done.iter();
    all.filter(|order| matches!(order, Order::Question { .. }))
        .cloned()
        .collect()
}

fn asked(net: &Net, from: usize, payload: &[u8]) -> Vec<Order> {
    vec![Order::Question {
        from: id(net, from),
        is_answer: false,
        payload: payload.to_vec(),
    }]
}

#[test]
fn the_nodes_of_a_made_cluster_ask_each_other() {
    let mut net = Net::cluster(Redis, 3, 2);
    // A replica knows members by the lists of its primary.
    net.run(60_000);
    for from in 0..5 {
        for to in (0..5).filter(|&to| to != from) {
            let arrived = ask(&mut net, from, to, b"12345678q");
            assert_eq!(arrived, asked(&net, from, b"12345678q"), "{from} to {to}");
        }
    }
}

#[test]
fn a_node_that_is_added_asks_once_slots_are_moved_to_it() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.nodes
        .iter_mut()
        .for_each(|node| node.own.is_empty = false);
    net.add(Redis);
    net.ok(3, "MEET 10.0.0.0 7000");
    net.run(6000);
    assert_eq!(trust(&net, 0, 3), Trust::Stranger);
    assert_eq!(ask(&mut net, 3, 0, b"12345678q"), []);
    let added = net.id(3);
    net.ok(1, &format!("SETSLOT 6000 MIGRATING {added}"));
    net.run(3000);
    for to in 0..3 {
        let arrived = ask(&mut net, 3, to, b"12345678q");
        assert_eq!(arrived, asked(&net, 3, b"12345678q"), "to {to}");
    }
}

#[test]
fn members_are_known_after_a_restart_and_elsewhere_by_their_tokens() {
    let mut net = Net::cluster(Redis, 3, 1);
    net.run(12_000);
    for at in 0..4 {
        net.kill(at);
        net.restart(at);
    }
    net.run(6000);
    for (from, to) in [(0, 1), (1, 2), (2, 0), (3, 1)] {
        let arrived = ask(&mut net, from, to, b"12345678q");
        assert_eq!(arrived, asked(&net, from, b"12345678q"), "{from} to {to}");
    }
}

/// It claims all slots with a newer epoch, and is believed; that shows no right to ask.
#[test]
fn who_takes_all_slots_is_a_stranger_still() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.nodes
        .iter_mut()
        .for_each(|node| node.own.is_empty = false);
    net.add(Redis);
    net.ok(3, "ADDSLOTSRANGE 0 16383");
    net.ok(3, "SET-CONFIG-EPOCH 1000");
    net.ok(3, "MEET 10.0.0.0 7000");
    net.run(6000);
    let owner = |net: &Net, slot| net.nodes[0].core.owners.owner(slot);
    assert_ne!(owner(&net, 5), Some(ME), "the slots are lost");
    for to in 0..3 {
        assert_eq!(trust(&net, to, 3), Trust::Stranger);
        assert_eq!(ask(&mut net, 3, to, b"12345678q"), []);
    }
    // Nor after a restart.
    net.kill(0);
    net.restart(0);
    net.run(3000);
    assert_ne!(trust(&net, 0, 3), Trust::Member);
    assert_eq!(ask(&mut net, 3, 0, b"12345678q"), []);
}

/// The parts of a message of a stranger.
#[derive(Clone, Debug)]
struct StrangerMessage {
    /// In whose name.
    sender: u8,
    kind: u8,
    has_slots: bool,
    has_primary: bool,
    epoch: u64,
    moves: bool,
    tokens: [u8; 2],
    payload: Vec<u8>,
}

fn said() -> impl Strategy<Value = StrangerMessage> {
    let payload = prop_oneof![
        Just(b"12345678".to_vec()),
        Just([&[0; 8][..], &[1, 1], &[0xff; 8], &[0; 16]].concat()),
        proptest::collection::vec(any::<u8>(), 0..80),
    ];
    let parts = (
        any::<u8>(),
        any::<u8>(),
        any::<[bool; 3]>(),
        any::<[u8; 2]>(),
    );
    (parts, 0u64..1 << 61, payload).prop_map(|(parts, epoch, payload)| {
        let (sender, kind, [has_slots, has_primary, moves], tokens) = parts;
        StrangerMessage {
            sender,
            kind,
            has_slots,
            has_primary,
            epoch,
            moves,
            tokens,
            payload,
        }
    })
}

/// The message's bytes, to node 0.
fn bytes(net: &Net, said: &StrangerMessage) -> Vec<u8> {
    let stranger = NodeId::of_random([9; 3]);
    let ids = [id(net, 1), id(net, 3), id(net, 0), id(net, 4), stranger];
    let sender = ids[usize::from(said.sender) % ids.len()];
    let slots: SlotMap = (0..16_384).collect();
    let none = SlotMap::EMPTY;
    let mut header = net.nodes[1].core.header(Marks::empty());
    header.sender = sender;
    (header.current_epoch, header.config_epoch) = (said.epoch, said.epoch);
    header.slots = if said.has_slots {
        slots.view()
    } else {
        none.view()
    };
    header.primary = said.has_primary.then(|| id(net, 0));
    if said.moves {
        header.ip = Ip::parse(b"10.0.0.4").expect("an address");
        (header.port, header.bus_port) = (7004, 17_004);
    }
    let token = |which: u8| match which % 3 {
        0 => [0; 16],
        1 => [which; 16],
        // A token that this node has given to another.
        _ => net.nodes[0].core.members.token_for(&id(net, 4)),
    };
    let payload = [
        &token(said.tokens[0])[..],
        &token(said.tokens[1]),
        &said.payload,
    ]
    .concat();
    let payload = if said.kind & 64 == 0 {
        &payload
    } else {
        &said.payload
    };
    let entry = Gossip {
        node: stranger,
        ping_sent_s: 1,
        pong_received_s: 1,
        ip: Ip::parse(b"10.0.0.4").expect("an address"),
        port: 7004,
        other_port: 0,
        bus_port: 17_004,
        flags: NodeFlags::PRIMARY,
    };
    let greeting = || Body::Greeting {
        gossip: vec![entry],
        extensions: Extensions::default(),
    };
    let (kind, body) = match said.kind % 8 {
        0 => (Kind::Meet, greeting()),
        1 => (Kind::Ping, greeting()),
        2 => (Kind::AuthRequest, Body::Nothing),
        _ => {
            let body = Body::Module {
                module: MODULE,
                kind: said.kind % 7,
                payload,
            };
            (Kind::Module, body)
        }
    };
    let header = Some(header);
    let message = Message { kind, header, body };
    message.encode(Vendor::Unknown).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nothing_that_a_stranger_says_is_a_question(
        all in proptest::collection::vec(said(), 1..30),
    ) {
        // Node 4 is the stranger's: it is known, and has a link by which it is answered.
        let mut net = Net::cluster(Redis, 3, 1);
        net.nodes.iter_mut().for_each(|node| node.own.is_empty = false);
        net.add(Redis);
        net.ok(4, "MEET 10.0.0.0 7000");
        net.run(3000);
        for said in &all {
            let bytes = bytes(&net, said);
            let now = net.clocks();
            let core = &mut net.nodes[0].core;
            if let Some(link) = core.accepted(now, b"10.0.0.4", b"10.0.0.0") {
                core.received(now, link, &bytes);
            }
            net.settle();
            net.run(100);
        }
        net.run(3000);
        prop_assert_eq!(questions(&net, 0), []);
        prop_assert_eq!(trust(&net, 0, 4), Trust::Stranger);
        prop_assert_eq!(ask(&mut net, 4, 0, b"12345678q"), []);
    }
}
