//! Bytes and words that mean no good: a core stays alive, its memory bounded, its file sound.
//!
//! One core of a small cluster takes messages of each kind with changed bytes, all cores take
//! CLUSTER commands of random words. They must not panic, must know few nodes, and after a crash
//! their nodes.conf must be read again. `Checks::forgive`: an epoch may fall, since peers lie.
//!
//! Elsewhere: wrong lengths (`message::tests`), the cost of strangers (`tests::strangers`).

use proptest::prelude::*;

use super::world::World;
use crate::message::{Body, Extensions, Gossip, Ip, NodeFlags, SlotMap};
use crate::message::{Kind, Marks, Message, NodeId, Vendor};
use russet_config::Dialect::{Redis, Valkey};
use russet_host::LinkId;
use russet_host::simulation::World as _;

/// A message of each kind, as a node of this cluster could send it.
fn messages(world: &World, sender: usize) -> Vec<Vec<u8>> {
    let core = world.core(sender);
    let other = world.core(0).my_id();
    let stranger = NodeId::of_random([7; 3]);
    let slots: SlotMap = (0..16_384).collect();
    let entry = |node| Gossip {
        node,
        ping_sent_s: 1,
        pong_received_s: 1000,
        ip: Ip::parse(b"10.0.0.9").expect("an address"),
        port: 6379,
        other_port: 0,
        bus_port: 16379,
        flags: NodeFlags::PRIMARY | NodeFlags::FAIL,
    };
    let body = |kind| match kind {
        Kind::Ping | Kind::Pong | Kind::Meet => Body::Greeting {
            gossip: vec![entry(other), entry(stranger)],
            extensions: Extensions {
                hostname: Some(b"host"),
                forgotten: vec![(other, 60), (stranger, u64::MAX)],
                shard: Some(stranger),
                secret: Some(stranger),
                ..Extensions::default()
            },
        },
        Kind::Fail => Body::Fail(other),
        Kind::Update => Body::Update {
            epoch: u64::MAX,
            node: core.my_id(),
            slots: slots.view(),
        },
        Kind::Publish | Kind::PublishShard => Body::Publish {
            channel: b"c",
            message: b"m",
        },
        Kind::Module => Body::Module {
            module: 7,
            kind: 1,
            payload: b"text",
        },
        Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => Body::Nothing,
    };
    let message = |kind| {
        let header = Some(core.header(Marks::FORCE_ACK | Marks::PAUSED));
        let body = body(kind);
        Message { kind, header, body }
            .encode(Vendor::Redis)
            .to_vec()
    };
    Kind::ALL.into_iter().map(message).collect()
}

/// Bytes changed at places where numbers, ids and flags are, mostly.
fn changed(mut bytes: Vec<u8>, changes: &[(u16, u8)]) -> Vec<u8> {
    for (at, new) in changes {
        let at = match at % 4 {
            0 => 8 + usize::from(at / 4) % 72,
            1 => 2128 + usize::from(at / 4) % 128,
            _ => usize::from(at / 4) % bytes.len(),
        };
        // The length stays: other tests change that, and here the message is to be read.
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *new;
        }
    }
    bytes
}

const WORDS: &[&str] = &[
    "MEET",
    "FORGET",
    "NODES",
    "SLOTS",
    "SHARDS",
    "LINKS",
    "INFO",
    "EXPLAIN",
    "REPLICAS",
    "REPLICATE",
    "NO",
    "ONE",
    "FAILOVER",
    "FORCE",
    "TAKEOVER",
    "RESET",
    "HARD",
    "SOFT",
    "ADDSLOTS",
    "DELSLOTS",
    "ADDSLOTSRANGE",
    "DELSLOTSRANGE",
    "FLUSHSLOTS",
    "SETSLOT",
    "IMPORTING",
    "MIGRATING",
    "NODE",
    "STABLE",
    "TIMEOUT",
    "BUMPEPOCH",
    "SET-CONFIG-EPOCH",
    "SAVECONFIG",
    "COUNT-FAILURE-REPORTS",
    "MYID",
    "MYSHARDID",
    "10.0.0.2",
    "::1",
    "6379",
    "16379",
    "0",
    "1",
    "16383",
    "16384",
    "-1",
    "18446744073709551615",
    "9223372036854775807",
    "",
];

fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    prop_oneof![6 => known, 1 => proptest::collection::vec(any::<u8>(), 0..8)]
}

/// Marks the place of a node's id in a command.
const ID: &[u8] = b"::1";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A node of the cluster may say anything, a stranger too.
    #[test]
    fn any_messages_leave_a_core_alive_and_its_file_sound(
        seed in 0u64..50,
        changes in proptest::collection::vec(
            (any::<u8>(), proptest::collection::vec(any::<(u16, u8)>(), 0..4), any::<bool>()),
            1..40,
        ),
    ) {
        let mut world = World::created(&[Redis, Valkey, Redis, Valkey], 2, seed);
        let link = world.drive(0, |core, now| core.accepted(now, b"10.0.0.3", b"10.0.0.1"));
        let mut link = link.flatten();
        for (kind, changes, is_replica) in changes {
            let made = messages(&world, if is_replica { 3 } else { 1 });
            let bytes = changed(made[usize::from(kind) % made.len()].clone(), &changes);
            if let Some(open) = link.filter(|open| world.core(0).links.get(*open).is_some()) {
                world.receive(0, open, &bytes);
            } else {
                link = world.drive(0, |core, now| core.accepted(now, b"10.0.0.3", b"10.0.0.1")).flatten();
            }
            world.run_ms(100);
            prop_assert!(world.core(0).nodes.len() < 200);
        }
        world.crash(0, false);
        world.checks.forgive(0);
        world.start(0);
        world.run_ms(3000);
    }

    /// A client may say anything.
    #[test]
    fn any_words_are_answered_and_any_state_is_saved(
        seed in 0u64..50,
        lines in proptest::collection::vec(proptest::collection::vec(word(), 1..6), 1..20),
    ) {
        let mut world = World::created(&[Redis, Valkey, Redis, Valkey], 2, seed);
        world.checks.has_voteless_epochs = true;
        let ids: Vec<String> = world.up().into_iter().map(|at| world.core(at).my_id().to_string()).collect();
        for (number, line) in lines.iter().enumerate() {
            let at = number % 4;
            let id = &ids[(number / 4) % 4];
            let words = line.iter().map(|word| if word == ID { id.as_bytes() } else { &word[..] });
            let words: Vec<&[u8]> = std::iter::once(&b"CLUSTER"[..]).chain(words).collect();
            world.checks.forgive(at);
            world.command_as(at, &words, false);
            world.run_ms(100);
        }
        for at in 0..4 {
            world.crash(at, false);
            world.start(at);
        }
        world.run_ms(2000);
    }
}

/// A stranger's bytes are skipped or bounded: no announced length makes a core allocate it.
#[test]
fn a_stranger_cannot_fill_the_memory() {
    let mut world = World::created(&[Redis, Redis], 1, 1);
    let mut start = messages(&world, 1)[4][..2256].to_vec();
    start[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    for _ in 0..100 {
        let link: Option<LinkId> = world
            .drive(0, |core, now| core.accepted(now, b"10.0.0.9", b"10.0.0.1"))
            .flatten();
        let link = link.expect("accepted");
        world.receive(0, link, &start);
    }
    assert_eq!(world.core(0).nodes.len(), 2);
    assert!(world.core(0).links_bytes() < 100 * 8192);
}
