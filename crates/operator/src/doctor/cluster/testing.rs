//! A cluster that is in order, for tests to spoil: primaries 10.0.0.1 to 3, their replicas on
//! 10.0.0.4 to 6.

use std::collections::BTreeMap;

use super::facts::{Clock, Cluster, NodeReplies};
use super::look;
use super::view::{NodeLine, View};
use crate::doctor::group::facts::{Address, Fields};
use russet_base::finding::Finding;
use russet_cluster::NodeFlags;

pub(super) fn at(number: usize) -> Address {
    Address {
        host: format!("10.0.0.{number}"),
        port: 7000,
    }
}

pub(super) fn id(number: usize) -> String {
    format!("{number:040x}")
}

fn line(me: usize, number: usize) -> NodeLine {
    let (role, slots) = match number {
        1 => (NodeFlags::PRIMARY, vec![(0, 5460)]),
        2 => (NodeFlags::PRIMARY, vec![(5461, 10_922)]),
        3 => (NodeFlags::PRIMARY, vec![(10_923, 16_383)]),
        _ => (NodeFlags::REPLICA, Vec::new()),
    };
    let mut flags = role;
    flags.set(NodeFlags::MYSELF, me == number);
    NodeLine {
        id: id(number),
        at: Some(at(number)),
        flags,
        epoch: (number as u64 - 1) % 3 + 1,
        slots,
    }
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let pairs = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    pairs.collect()
}

pub(super) fn cluster() -> Cluster {
    let mut nodes = BTreeMap::new();
    for me in 1..=6 {
        let said = NodeReplies {
            view: View {
                me: id(me),
                nodes: (1..=6)
                    .map(|number| (id(number), line(me, number)))
                    .collect(),
            },
            state: "ok".to_owned(),
            verdict: Vec::new(),
            info: fields(&[
                ("russet_version", "1"),
                ("run_id", &id(me + 100)),
                ("master_link_status", "up"),
            ]),
            config: fields(&[("cluster-node-timeout", "15000")]),
            clock: Some(Clock {
                ahead_us: 0,
                within_us: 10,
            }),
        };
        nodes.insert(at(me), Ok(said));
    }
    Cluster {
        first: at(1),
        nodes,
        left_out: None,
    }
}

impl Cluster {
    pub(super) fn of(&mut self, number: usize) -> &mut NodeReplies {
        let said = self
            .nodes
            .get_mut(&at(number))
            .and_then(|said| said.as_mut().ok());
        said.expect("it answers")
    }

    /// The findings that need fixing.
    pub(super) fn faults(&self) -> Vec<Finding> {
        let found = look(self).into_iter();
        found.filter(Finding::is_fault).collect()
    }
}

#[test]
fn nothing_is_to_be_mended_in_a_sound_cluster() {
    let cluster = cluster();
    assert_eq!(cluster.faults(), []);
    let (text, status) = super::report(&cluster);
    assert_eq!(status, 0);
    assert!(
        text.starts_with("10.0.0.1:7000: a cluster of 6 nodes, 3 primaries with slots"),
        "{text}"
    );
    assert!(text.contains("ok   failover: every primary"), "{text}");
}

#[test]
fn each_fault_is_named() {
    use crate::doctor::group::facts::Fault;
    type Spoil = fn(&mut Cluster);
    let faults: [(&str, &str, Spoil); 9] = [
        ("state", "10.0.0.3:7000: the cluster is not ok", |c| {
            c.of(3).verdict = vec![Finding::critical("state", "the cluster is not ok", "wait")];
        }),
        (
            "views",
            "10.0.0.2:7000 says that the slots 0-5460 belong to nobody",
            |c| {
                let node = c.of(2).view.nodes.get_mut(&id(1)).expect("known");
                node.slots.clear();
            },
        ),
        ("nodes", "10.0.0.5:7000 does not answer", |c| {
            c.nodes.insert(at(5), Err(Fault::unreachable("gone")));
        }),
        ("members", "is not known to 10.0.0.2:7000", |c| {
            c.of(2).view.nodes.remove(&id(6));
        }),
        ("ids", "have the same id", |c| c.of(5).view.me = id(4)),
        ("addresses", "is known at different addresses", |c| {
            let node = c.of(2).view.nodes.get_mut(&id(4)).expect("known");
            node.at = Some(at(9));
        }),
        (
            "settings",
            "the nodes differ in cluster-node-timeout",
            |c| {
                let config = &mut c.of(2).config;
                config.insert("cluster-node-timeout".to_owned(), "2000".to_owned());
            },
        ),
        ("clocks", "the clock of 10.0.0.2:7000", |c| {
            c.of(2).clock = Some(Clock {
                ahead_us: -9_000_000,
                within_us: 10,
            });
        }),
        (
            "kinds",
            "nodes of Redis (10.0.0.1:7000) and of Valkey (10.0.0.2:7000)",
            |c| {
                c.of(1).info.remove("russet_version");
                let info = &mut c.of(2).info;
                info.remove("russet_version");
                info.insert("valkey_version".to_owned(), "9".to_owned());
            },
        ),
    ];
    for (what, text, spoil) in faults {
        let mut spoilt = cluster();
        spoil(&mut spoilt);
        let found = spoilt.faults();
        let is_named = found
            .iter()
            .any(|f| f.code == what && f.text.contains(text));
        assert!(is_named, "{what}: {text}\n{found:#?}");
    }
}
