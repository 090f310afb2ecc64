//! A group that is in order, for tests to spoil.
//!
//! Sentinels 10.0.0.1 and following, primary 10.0.1.1, replicas 10.0.1.2 and 10.0.1.3.

use std::collections::BTreeMap;

use super::facts::{
    Address, DataNodeReplies, Fault, Fields, Group, Sentinel, SentinelReplies, View,
};
use super::verdicts;
use super::watch::Watch;
use russet_base::finding::Finding;
use russet_resp::ReplyValue;

const NAME: &str = "mymaster";

pub(super) struct Fake {
    pub group: Group,
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let pairs = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    pairs.collect()
}

fn at(host: &str, port: u16) -> Address {
    Address {
        host: host.to_owned(),
        port,
    }
}

fn id(number: usize) -> String {
    format!("{number:040x}")
}

fn peer(number: usize, host: &str) -> Fields {
    fields(&[
        ("name", &id(number)),
        ("ip", host),
        ("port", "26379"),
        ("runid", &id(number)),
        ("flags", "sentinel"),
    ])
}

fn replica(number: usize) -> Fields {
    fields(&[
        ("name", &format!("10.0.1.{number}:6379")),
        ("ip", &format!("10.0.1.{number}")),
        ("port", "6379"),
        ("flags", "slave"),
        ("master-link-status", "ok"),
        ("master-link-down-time", "0"),
        ("master-host", "10.0.1.1"),
        ("master-port", "6379"),
        ("slave-priority", "100"),
        ("replica-announced", "1"),
    ])
}

fn node(number: usize) -> DataNodeReplies {
    let mut info = fields(&[
        ("redis_version", "8.0.6"),
        ("process_id", "7"),
        ("config_file", "/etc/redis/redis.conf"),
        ("slave_priority", "100"),
    ]);
    info.extend(match number {
        1 => fields(&[
            ("role", "master"),
            (
                "slave0",
                "ip=10.0.1.2,port=6379,state=online,offset=1,lag=0",
            ),
            (
                "slave1",
                "ip=10.0.1.3,port=6379,state=online,offset=1,lag=0",
            ),
        ]),
        _ => fields(&[
            ("role", "slave"),
            ("master_host", "10.0.1.1"),
            ("master_port", "6379"),
            ("master_link_status", "up"),
            ("replica_announced", "1"),
        ]),
    });
    DataNodeReplies {
        info,
        has_masterauth: Some(false),
        user: "default".to_owned(),
        ..DataNodeReplies::default()
    }
}

impl Fake {
    pub(crate) fn healthy() -> Fake {
        Fake::with_sentinels(3)
    }

    pub(crate) fn with_sentinels(count: usize) -> Fake {
        let host = |number: usize| format!("10.0.0.{number}");
        let view = |own: usize| View {
            primary: fields(&[
                ("name", NAME),
                ("ip", "10.0.1.1"),
                ("port", "6379"),
                ("flags", "master"),
                ("quorum", "2"),
                ("down-after-milliseconds", "5000"),
                ("failover-timeout", "60000"),
                ("parallel-syncs", "1"),
                ("config-epoch", "3"),
            ]),
            peers: (1..=count)
                .filter(|n| *n != own)
                .map(|n| peer(n, &host(n)))
                .collect(),
            replicas: vec![replica(2), replica(3)],
            verdict: Vec::new(),
        };
        let sentinel = |own: usize| Sentinel {
            id: id(own),
            at: at(&host(own), 26379),
            said: Ok(SentinelReplies {
                id: id(own),
                info: fields(&[("redis_version", "8.0.6"), ("sentinel_tilt", "0")]),
                views: BTreeMap::from([(NAME.to_owned(), view(own))]),
            }),
        };
        let mut fake = Fake {
            group: Group {
                sentinels: (1..=count).map(sentinel).collect(),
                nodes: (1..=3)
                    .map(|n| (at(&format!("10.0.1.{n}"), 6379), Ok(node(n))))
                    .collect(),
                stale: Vec::new(),
                left_out: None,
            },
        };
        fake.judge();
        fake
    }

    /// Each Sentinel is asked anew; CKQUORUM says that all is well.
    pub fn judge(&mut self) {
        let quorum = ReplyValue::Simple(b"OK 3 usable Sentinels.".to_vec());
        let said = self.group.sentinels.iter_mut();
        for said in said.filter_map(|sentinel| sentinel.said.as_mut().ok()) {
            for view in said.views.values_mut() {
                view.verdict = verdicts::of_replies(view, &said.info, &quorum);
            }
        }
    }

    pub fn said(&mut self, sentinel: usize) -> &mut SentinelReplies {
        self.group.sentinels[sentinel]
            .said
            .as_mut()
            .expect("it answers")
    }

    pub fn view(&mut self, sentinel: usize) -> &mut View {
        self.said(sentinel).views.get_mut(NAME).expect("it watches")
    }

    /// Sets a field of the primary in the reply of a Sentinel.
    pub fn set(&mut self, sentinel: usize, name: &str, value: &str) {
        let fields = &mut self.view(sentinel).primary;
        fields.insert(name.to_owned(), value.to_owned());
    }

    pub fn set_all(&mut self, name: &str, value: &str) {
        for sentinel in 0..self.group.sentinels.len() {
            self.set(sentinel, name, value);
        }
    }

    pub(crate) fn silence_sentinel(&mut self, sentinel: usize) {
        self.group.sentinels[sentinel].said = Err(Fault::unreachable("Connection refused"));
    }

    /// A Sentinel that is gone, and that all others count.
    pub(crate) fn add_stale_sentinel(&mut self, number: usize) {
        let host = format!("10.0.9.{number}");
        for sentinel in 0..self.group.sentinels.len() {
            if self.group.sentinels[sentinel].said.is_ok() {
                self.view(sentinel).peers.push(peer(100 + number, &host));
            }
        }
        self.group.sentinels.push(Sentinel {
            id: id(100 + number),
            at: at(&host, 26379),
            said: Err(Fault::unreachable("timed out")),
        });
    }

    pub(crate) fn move_sentinel(&mut self, sentinel: usize, host: &str) {
        host.clone_into(&mut self.group.sentinels[sentinel].at.host);
        let own = id(sentinel + 1);
        for other in 0..self.group.sentinels.len() {
            for peer in &mut self.view(other).peers {
                if peer["runid"] == own {
                    peer.insert("ip".to_owned(), host.to_owned());
                }
            }
        }
    }

    fn seen(&mut self, number: usize) -> &mut Result<DataNodeReplies, Fault> {
        let at = at(&format!("10.0.1.{number}"), 6379);
        self.group.nodes.get_mut(&at).expect("a node")
    }

    pub fn node(&mut self, number: usize) -> &mut DataNodeReplies {
        self.seen(number).as_mut().expect("it answers")
    }

    pub fn info(&mut self, number: usize, name: &str, value: &str) {
        let info = &mut self.node(number).info;
        info.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn set_fault(&mut self, number: usize, fault: Fault) {
        *self.seen(number) = Err(fault);
    }

    pub(crate) fn silence_node(&mut self, number: usize) {
        self.set_fault(number, Fault::unreachable("Connection refused"));
    }

    /// Sets a field of a replica in the replies of all Sentinels.
    pub fn row(&mut self, number: usize, name: &str, value: &str) {
        for sentinel in 0..self.group.sentinels.len() {
            let row = &mut self.view(sentinel).replicas[number - 2];
            row.insert(name.to_owned(), value.to_owned());
        }
    }

    pub fn flags(&mut self, number: usize, flags: &str) {
        self.row(number, "flags", flags);
    }
}

/// The findings of a check, as weight and subject.
pub(super) fn findings(fake: &Fake, look: fn(&Watch<'_>, &mut Vec<Finding>)) -> Vec<String> {
    let watch = Watch::new(&fake.group, NAME).expect("a primary");
    let mut found = Vec::new();
    look(&watch, &mut found);
    let line = |finding: &Finding| {
        assert_eq!(finding.is_fault(), finding.remedy.is_some(), "{finding}");
        format!("{} {}", finding.weight.mark().trim_end(), finding.code)
    };
    found.iter().map(line).collect()
}
