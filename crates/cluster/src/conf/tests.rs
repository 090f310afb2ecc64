//! Files of real servers, files of any content, and each damage.
//!
//! Redis 7.0, Redis 8.0 and Valkey 9.1 wrote the files in `tests/data/cluster`. They are read, and
//! written again for a dialect: that of Redis 8.0 byte for byte. Each damage is a change to it,
//! and its error names the line. Property: a file that is written for Valkey, which has all fields,
//! is read as the same nodes and epochs.

use proptest::prelude::*;

use super::*;
use crate::message::SLOTS;
use russet_config::Dialect;

const REDIS_70: &str = include_str!("../../../../tests/data/cluster/redis-7.0-nodes.conf");
const REDIS_80: &str = include_str!("../../../../tests/data/cluster/redis-8.0-nodes.conf");
const VALKEY_91: &str = include_str!("../../../../tests/data/cluster/valkey-9.1-nodes.conf");

fn parsed(text: &str) -> NodesConf {
    NodesConf::parse(text.as_bytes()).expect("a sound file")
}

fn written(saved: &NodesConf, dialect: Dialect) -> String {
    String::from_utf8(saved.text(dialect)).expect("a text")
}

fn me(saved: &NodesConf) -> &SavedNode {
    let is_me = |node: &&SavedNode| node.flags.contains(NodeFlags::MYSELF);
    saved.nodes.iter().find(is_me).expect("it is there")
}

#[test]
fn files_of_redis_80_are_written_alike() {
    let saved = parsed(REDIS_80);
    assert_eq!(written(&saved, Dialect::Redis), REDIS_80);
    let me = me(&saved);
    let other = saved.nodes[1].id;
    assert_eq!(
        (me.port, me.bus_port, me.other),
        (21003, 21053, OtherPort::Tls(0))
    );
    assert_eq!(me.hostname, b"h8.example");
    assert_eq!(me.human_nodename, b"eight");
    assert_eq!(me.slots, [(0, 100), (200, 300)]);
    assert_eq!(
        (&me.migrating[..], &me.importing[..]),
        (&[(5, other)][..], &[(150, other)][..])
    );
    assert_eq!((saved.current_epoch, saved.last_vote_epoch), (2, 0));
}

#[test]
fn files_of_redis_70_have_no_shards() {
    let saved = parsed(REDIS_70);
    assert!(saved.nodes.iter().all(|node| node.shard.is_none()));
    assert_eq!(me(&saved).hostname, b"host7.example");
    assert_eq!(saved.nodes[0].primary, Some(me(&saved).id));
    // Ours has the place of the hostname even if there is none, which Redis 7.0 reads too.
    assert_eq!(written(&saved, Dialect::Redis).replace(", ", " "), REDIS_70);
}

#[test]
fn files_of_valkey_keep_what_only_valkey_knows() {
    let saved = parsed(VALKEY_91);
    let me = me(&saved);
    assert_eq!(me.availability_zone, b"zone-1");
    assert_eq!(
        (&me.client_ipv4[..], &me.client_ipv6[..]),
        (&b"10.1.2.3"[..], &b"::7"[..])
    );
    assert_eq!((me.client_port, me.client_tls_port), (77, 0));
    assert_eq!(parsed(&written(&saved, Dialect::Valkey)), saved);
    // Redis does not start with an aux field that it does not know.
    let redis = written(&saved, Dialect::Redis);
    assert!(
        !redis.contains("zone") && !redis.contains("client-"),
        "{redis}"
    );
    assert_eq!(parsed(&redis).nodes.len(), saved.nodes.len());
}

#[test]
fn what_others_have_added_is_skipped() {
    let text = REDIS_80.replace(",tls-port=0", ",new=1,tls-port=0");
    let text = text.replace("lastVoteEpoch 0", "other x lastVoteEpoch 7");
    let saved = parsed(&text);
    assert_eq!(saved.nodes, parsed(REDIS_80).nodes);
    assert_eq!(saved.last_vote_epoch, 7);
    // As Redis 7.0 writes it, after it has read a file of 8.0.
    let aux = parsed(&REDIS_80.replace(" slave ", " handshake "))
        .nodes
        .len();
    assert_eq!(aux, parsed(REDIS_80).nodes.len() - 1, "a handshake is over");
}

#[test]
fn a_secret_in_the_place_of_an_address_is_left_out() {
    let text = VALKEY_91.replace("10.1.2.3", "5222bce2eefa214b6300aed926be80a2f251468a");
    assert_eq!(me(&parsed(&text)).client_ipv4, b"");
}

#[test]
fn damage_names_its_line() {
    for (old, new, error) in [
        (
            "b5ccb9d8",
            "B5ccb9d8",
            "line 2: wrong id \"B5ccb9d8e0a4f7519a2a7f27a9641d70a443918b\"",
        ),
        (
            "127.0.0.1:21005@",
            "127.0.0.1@",
            "line 2: wrong address \"127.0.0.1@21055,,tls-port=0,shard-id=b489991f8646ccab08ed6269849e9e8c56560934\"",
        ),
        (
            "21005@21055",
            "21005@210555",
            "line 2: wrong number \"210555\"",
        ),
        (
            "tls-port=0,shard-id=b4",
            "tls-port,shard-id=b4",
            "line 2: wrong address \"127.0.0.1:21005@21055,,tls-port,shard-id=b489991f8646ccab08ed6269849e9e8c56560934\"",
        ),
        (
            "master - 0 1795404554092 1",
            "master,odd - 0 1795404554092 1",
            "line 2: unknown flag \"odd\"",
        ),
        ("101-199", "101-16384", "line 2: wrong slot \"16384\""),
        ("[5->-", "[5>-", "line 3: wrong number \"5>\""),
        (
            "vars currentEpoch 2",
            "vars currentEpoch x",
            "line 4: wrong number \"x\"",
        ),
        (
            "lastVoteEpoch 0",
            "lastVoteEpoch",
            "line 4: lastVoteEpoch without a value",
        ),
        ("myself,", "", "no line of this node itself"),
        (
            " slave",
            " myself,slave",
            "several nodes have the flag myself",
        ),
        (
            "lastVoteEpoch 0\n",
            "lastVoteEpoch 0",
            "its last line is cut off",
        ),
        (
            "0 connected 0-100",
            "0",
            "line 3: state of the link \"200-300\"",
        ),
    ] {
        let text = REDIS_80.replacen(old, new, 1);
        assert_ne!(text, REDIS_80, "{old}");
        let found = NodesConf::parse(text.as_bytes()).expect_err(new);
        assert!(found.starts_with(error), "{found}");
    }
    assert!(NodesConf::parse(b"").is_err());
    let twice = format!("{REDIS_80}{REDIS_80}");
    let found = NodesConf::parse(twice.as_bytes()).expect_err("twice");
    assert_eq!(
        found,
        format!(
            "line 5: node {} a second time",
            parsed(REDIS_80).nodes[0].id
        )
    );
}

/// Redis 8.10, 7.0 and Valkey 9.1 load these files, though they do not write such.
#[test]
fn what_others_load_is_loaded() {
    let sound = parsed(REDIS_80);
    let slots = |text: &str| {
        let nodes = parsed(text).nodes;
        nodes.into_iter().map(|node| node.slots).collect::<Vec<_>>()
    };
    assert_eq!(parsed(&REDIS_80.replace(' ', "\t")), sound);
    assert_eq!(parsed(&REDIS_80.replace(' ', " \x0b ")), sound);
    // The first line has a slot that two name; a reversed range has none.
    assert_eq!(
        slots(REDIS_80),
        [vec![], vec![(101, 199)], vec![(0, 100), (200, 300)]]
    );
    assert_eq!(
        slots(&REDIS_80.replace("0-100 200", "0-150 200")),
        slots(REDIS_80)
    );
    assert_eq!(
        slots(&REDIS_80.replace("0-100 200", "0-100 5-7 200")),
        slots(REDIS_80)
    );
    let reversed = slots(&REDIS_80.replace("101-199", "199-101"));
    assert_eq!(reversed[1], []);
    // Without `vars` this node may have voted in the newest epoch.
    let bare = REDIS_80.replace("vars currentEpoch 2 lastVoteEpoch 0\n", "");
    let bare = parsed(&bare);
    let newest = bare.nodes.iter().map(|node| node.config_epoch).max();
    assert_eq!(bare.nodes, sound.nodes);
    assert_eq!(
        (Some(bare.current_epoch), bare.last_vote_epoch),
        (newest, bare.current_epoch)
    );
}

#[test]
fn a_line_of_cluster_nodes_has_no_aux() {
    let (saved, mut line) = (parsed(REDIS_80), String::new());
    write_node(&mut line, &saved.nodes[1], None);
    let expected = "b5ccb9d8e0a4f7519a2a7f27a9641d70a443918b 127.0.0.1:21005@21055 master - 0 1795404554092 1 connected 101-199";
    assert_eq!(line, expected);
    line.clear();
    write_node(&mut line, me(&saved), None);
    assert!(
        line.contains(" 127.0.0.1:21003@21053,h8.example myself,master - "),
        "{line}"
    );
}

#[test]
fn a_new_node_is_alone_and_the_seed_is_its_name() {
    let fresh = NodesConf::fresh(7);
    assert_eq!((fresh.nodes.len(), fresh.current_epoch), (1, 0));
    assert_eq!(fresh, NodesConf::fresh(7));
    assert_ne!(fresh.nodes[0].id, NodesConf::fresh(8).nodes[0].id);
    assert_eq!(parsed(&written(&fresh, Dialect::Redis)), fresh);
}

fn id() -> impl Strategy<Value = NodeId> {
    any::<[u64; 3]>().prop_map(NodeId::of_random)
}

fn node() -> impl Strategy<Value = SavedNode> {
    let texts = ("[0-9a-f.:]{0,45}", "[a-z0-9.-]{0,30}", "[a-zA-Z._-]{0,30}");
    let numbers = any::<(u16, u16, u16, bool, u64)>();
    let flags = proptest::sample::subsequence(&read::FLAGS[1..], 0..=6);
    let open = proptest::collection::btree_map(0..SLOTS, id(), 0..3);
    (
        id(),
        proptest::option::of(id()),
        texts,
        numbers,
        flags,
        any::<[i64; 2]>(),
        open,
    )
        .prop_map(
            |(id, other, texts, numbers, flags, times, open)| SavedNode {
                ip: Ip::parse(texts.0.as_bytes()).expect("an address"),
                port: numbers.0,
                other: if numbers.3 {
                    OtherPort::Tls(numbers.1)
                } else {
                    OtherPort::Tcp(numbers.1)
                },
                bus_port: numbers.2,
                hostname: texts.1.clone().into_bytes(),
                human_nodename: texts.2.into_bytes(),
                shard: other,
                client_ipv4: b"10.0.0.9".to_vec(),
                client_ipv6: b"::9".to_vec(),
                client_port: numbers.1,
                client_tls_port: numbers.2,
                availability_zone: texts.1.into_bytes(),
                flags: flags.into_iter().map(|(_, flag)| flag).collect(),
                primary: other,
                ping_sent_ms: times[0],
                pong_received_ms: times[1],
                config_epoch: numbers.4,
                is_connected: numbers.3,
                migrating: open.clone().into_iter().collect(),
                importing: open.into_iter().collect(),
                ..SavedNode::new(id)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn files_are_read_as_they_were_written(
        nodes in proptest::collection::vec(node(), 1..6),
        epochs: (u64, u64),
        key: u8,
        cuts in proptest::collection::btree_set(0..SLOTS, 0..12),
    ) {
        let mut saved = NodesConf {
            nodes,
            current_epoch: epochs.0,
            last_vote_epoch: epochs.1,
            token_key: [key; 32],
            ..NodesConf::default()
        };
        saved.nodes[0].flags |= NodeFlags::MYSELF;
        saved.strangers = saved.nodes.iter().skip(1).map(|node| node.id).collect();
        saved.tokens = saved.strangers.iter().map(|id| (*id, [key; 16])).collect();
        let cuts: Vec<u16> = cuts.into_iter().collect();
        let count = saved.nodes.len();
        for (at, pair) in cuts.chunks_exact(2).enumerate() {
            saved.nodes[at % count].slots.push((pair[0], pair[1] - 1));
        }
        let text = saved.text(Dialect::Valkey);
        prop_assert_eq!(NodesConf::parse(&text), Ok(saved.clone()), "{}", String::from_utf8_lossy(&text));
        prop_assert!(NodesConf::parse(&saved.text(Dialect::Redis)).is_ok());
    }
}
