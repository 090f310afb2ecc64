//! The secret of internal clients: the nodes that choose it, and the nodes that receive it.

use super::net::Net;
use crate::message::NodeId;
use russet_config::Dialect::{Redis, Valkey};

fn secret(net: &Net, at: usize) -> Vec<u8> {
    let secret = net.nodes[at].core.internal_secret();
    secret.expect("Redis's dialect").to_vec()
}

#[test]
fn nodes_with_slots_agree_on_one_secret() {
    let net = Net::cluster(Redis, 3, 1);
    for at in 1..4 {
        assert_eq!(secret(&net, at), secret(&net, 0));
    }
    assert!(secret(&net, 0).starts_with(b"00000000"));
}

/// Before slots are given, as Redis's own tests demand.
#[test]
fn nodes_agree_while_none_has_slots() {
    let mut net = Net::new(&[Redis; 3]);
    net.ok(0, "MEET 10.0.0.1 7001");
    net.ok(0, "MEET 10.0.0.2 7002");
    net.run(3000);
    for at in 1..3 {
        assert_eq!(secret(&net, at), secret(&net, 0));
    }
}

#[test]
fn a_newcomer_takes_the_secret_and_changes_it_only_once_it_has_slots() {
    let mut net = Net::new(&[Redis, Redis, Redis]);
    net.ok(0, "ADDSLOTSRANGE 0 16382");
    let before = secret(&net, 0);
    let low = NodeId::parse(&[b'0'; 40]).expect("an id");
    net.nodes[1].core.announce_secret(low);
    net.ok(0, "MEET 10.0.0.1 7001");
    net.ok(0, "MEET 10.0.0.2 7002");
    net.run(3000);
    assert_eq!(secret(&net, 0), before, "no secret of a node without slots");
    assert_eq!(secret(&net, 2), before);
    net.ok(1, "ADDSLOTS 16383");
    net.run(6000);
    assert_eq!(secret(&net, 0), low.as_bytes());
}

#[test]
fn valkeys_dialect_has_no_secret() {
    let net = Net::cluster(Valkey, 2, 0);
    assert_eq!(net.nodes[0].core.internal_secret(), None);
}
