//! A cluster that is in order, for tests to spoil: primaries 10.0.0.1 to 3, their replicas on
//! 10.0.0.4 to 6.

use std::collections::BTreeMap;

use super::facts::{Cluster, Said};
use super::look;
use super::view::View;
use crate::doctor::finding::{Finding, Weight};
use crate::doctor::group::facts::{Address, Clock, Fields};

pub(super) fn at(number: usize) -> Address {
    Address {
        host: format!("10.0.0.{number}"),
        port: 7000,
    }
}

pub(super) fn id(number: usize) -> String {
    format!("{number:040x}")
}

fn line(me: usize, number: usize) -> String {
    let myself = if me == number { "myself," } else { "" };
    let (role, primary, slots) = match number {
        1 => ("master", "-".to_owned(), "0-5460"),
        2 => ("master", "-".to_owned(), "5461-10922"),
        3 => ("master", "-".to_owned(), "10923-16383"),
        n => ("slave", id(n - 3), ""),
    };
    let epoch = (number - 1) % 3 + 1;
    let id = id(number);
    format!(
        "{id} 10.0.0.{number}:7000@17000 {myself}{role} {primary} 0 0 {epoch} connected {slots}"
    )
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let pairs = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    pairs.collect()
}

pub(super) fn cluster() -> Cluster {
    let mut nodes = BTreeMap::new();
    for me in 1..=6 {
        let lines: Vec<String> = (1..=6).map(|number| line(me, number)).collect();
        let said = Said {
            view: View::parse(&lines.join("\n")),
            state: fields(&[("cluster_state", "ok"), ("cluster_current_epoch", "3")]),
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
    pub(super) fn of(&mut self, number: usize) -> &mut Said {
        let said = self
            .nodes
            .get_mut(&at(number))
            .and_then(|said| said.as_mut().ok());
        said.expect("it answers")
    }

    /// Replaces a word in all views of a node's line.
    pub(super) fn replace(&mut self, number: usize, change: impl Fn(&mut super::view::NodeLine)) {
        for said in self.nodes.values_mut().flatten() {
            if let Some(node) = said.view.nodes.get_mut(&id(number)) {
                change(node);
            }
        }
    }

    /// The findings that need fixing.
    pub(super) fn faults(&self) -> Vec<(Weight, &'static str, String)> {
        let found = look(self).into_iter();
        let found = found.filter(|finding: &Finding| finding.weight >= Weight::Warn);
        found.map(|f| (f.weight, f.what, f.text)).collect()
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
    let faults: [(&str, &str, Spoil); 17] = [
        ("slots", "nobody serves the slots 5-5460", |c| {
            c.replace(1, |node| node.slots = vec![(0, 4)]);
        }),
        ("slots", "has failed, and no replica", |c| {
            c.replace(2, |node| node.flags.push("fail".to_owned()));
        }),
        (
            "views",
            "10.0.0.2:7000 says that the slots 0-5460 belong to nobody",
            |c| {
                c.of(2)
                    .view
                    .nodes
                    .get_mut(&id(1))
                    .expect("known")
                    .slots
                    .clear();
            },
        ),
        ("epochs", "the same config epoch 3", |c| {
            c.replace(2, |node| node.epoch = 3)
        }),
        ("open slots", "gives away the slots 7", |c| {
            c.replace(1, |node| node.migrating.push((7, id(2))));
        }),
        ("state", "10.0.0.3:7000 refuses commands", |c| {
            c.of(3)
                .state
                .insert("cluster_state".to_owned(), "fail".to_owned());
        }),
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
        ("bus", "no link on the bus to 10.0.0.4:7000", |c| {
            c.of(1).view.nodes.get_mut(&id(4)).expect("known").is_linked = false;
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
        ("majority", "1 of 3 primaries with slots work", |c| {
            for number in [2, 3] {
                c.replace(number, |node| node.flags.push("fail?".to_owned()));
            }
        }),
        ("failover", "nobody would replace 10.0.0.1:7000", |c| {
            let info = &mut c.of(4).info;
            info.insert("master_link_status".to_owned(), "down".to_owned());
            info.insert(
                "master_link_down_since_seconds".to_owned(),
                "900".to_owned(),
            );
        }),
        ("machines", "are on one machine", |c| {
            c.replace(4, |node| {
                node.at = Some(Address {
                    port: 7001,
                    ..at(1)
                })
            });
        }),
    ];
    for (what, text, spoil) in faults {
        let mut spoilt = cluster();
        spoil(&mut spoilt);
        let found = spoilt.faults();
        let is_named = found.iter().any(|(_, w, t)| *w == what && t.contains(text));
        assert!(is_named, "{what}: {text}\n{found:#?}");
    }
}
