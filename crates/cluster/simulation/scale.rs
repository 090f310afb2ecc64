//! One core among 100, 500 and 1,000 nodes that answer: the PINGs and bytes that it sends in a
//! second.
//!
//! Each node is to be pinged twice in a node timeout, and a further node each second; a greeting
//! has a header and entries of a tenth of the nodes. Redis's nodes send the same: by its formula a
//! node of `n` sends at most `n / (T / 2) + 1` PINGs a second, and as many PONGs, of
//! `2256 + 104 * n / 10` bytes.

use crate::actions::Action;
use crate::conf::{NodesConf, OtherPort, SavedNode};
use crate::core::{Cluster, ServerState, TICK_MS};
use crate::message::{
    Body, Extensions, Header, Ip, Kind, Marks, Message, NodeFlags, NodeId, SlotMap, Vendor,
};
use crate::settings::Settings;
use russet_base::Millis;
use russet_config::Config;
use russet_host::{LinkId, Machine, Now};

const TIMEOUT_MS: i64 = 15_000;

fn id(at: usize) -> NodeId {
    NodeId::of_random([at as u64; 3])
}

/// The file: `nodes` primaries that share the slots.
fn saved(nodes: usize) -> NodesConf {
    let node = |at: usize| {
        let (first, last) = (at * 16_384 / nodes, (at + 1) * 16_384 / nodes - 1);
        let me = if at == 0 {
            NodeFlags::MYSELF
        } else {
            NodeFlags::empty()
        };
        SavedNode {
            ip: Ip::parse(format!("10.0.{}.{}", at / 250, at % 250).as_bytes())
                .expect("an address"),
            port: 6379,
            other: OtherPort::Tls(0),
            bus_port: 16_379,
            flags: NodeFlags::PRIMARY | me,
            config_epoch: at as u64 + 1,
            slots: vec![(first as u16, last as u16)],
            ..SavedNode::new(id(at))
        }
    };
    NodesConf {
        nodes: (0..nodes).map(node).collect(),
        current_epoch: nodes as u64,
        last_vote_epoch: 0,
        ..NodesConf::default()
    }
}

/// The other nodes, which answer each PING at once.
struct Crowd {
    core: Cluster,
    nodes: Vec<(Vec<u8>, SlotMap)>,
    /// By link: whose it is.
    links: std::collections::BTreeMap<LinkId, usize>,
    sent_bytes: usize,
    pings: usize,
}

impl Crowd {
    fn new(count: usize, now: Now) -> Crowd {
        let saved = saved(count);
        let place = |node: &SavedNode| {
            let slots = node.slots.iter().flat_map(|(first, last)| *first..=*last);
            (node.ip.to_vec(), slots.collect())
        };
        let nodes = saved.nodes.iter().map(place).collect();
        let settings = Settings {
            port: 6379,
            bus_port: 16_379,
            node_timeout: Millis::of_ms(TIMEOUT_MS as u64),
            ..Settings::of(&Config::default())
        };
        let core = Cluster::new(saved, settings, 1, now);
        Crowd {
            core,
            nodes,
            links: Default::default(),
            sent_bytes: 0,
            pings: 0,
        }
    }

    fn carry_out(&mut self, now: Now) {
        while let Some(action) = self.core.pop() {
            match action {
                Action::Persist { .. } => self.core.persisted(now, true),
                Action::Dial { link, host, .. } => {
                    let at = self.nodes.iter().position(|(other, _)| *other == host);
                    self.links.insert(link, at.expect("one of them"));
                    self.core.opened(now, link, b"10.0.0.0");
                }
                Action::Close(link) => _ = self.links.remove(&link),
                Action::Send { link, bytes } => {
                    self.sent_bytes += bytes.len();
                    let kind = Message::kind_of(&bytes).expect("our own");
                    if kind == Kind::Ping {
                        self.pings += 1;
                        let answer = self.answer(self.links[&link]);
                        self.core.received(now, link, &answer);
                    }
                }
                _ => {}
            }
        }
    }

    fn answer(&self, at: usize) -> bytes::Bytes {
        let header = Header {
            sender: id(at),
            current_epoch: self.nodes.len() as u64,
            config_epoch: at as u64 + 1,
            offset: 1,
            slots: self.nodes[at].1.view(),
            primary: None,
            ip: Ip::UNKNOWN,
            port: 6379,
            other_port: 0,
            bus_port: 16_379,
            flags: NodeFlags::PRIMARY,
            is_ok: true,
            marks: Marks::EXTENSIONS,
        };
        let body = Body::Greeting {
            gossip: Vec::new(),
            extensions: Extensions::default(),
        };
        let header = Some(header);
        let kind = Kind::Pong;
        Message { kind, header, body }.encode(Vendor::Redis)
    }
}

#[test]
fn a_core_among_many_sends_no_more_than_redis() {
    for count in [100, 500, 1000] {
        let mut now = Now {
            monotonic_ms: 50_000,
            wall_ms: 1_000_000_000,
        };
        let mut crowd = Crowd::new(count, now);
        let mut run = |crowd: &mut Crowd, ms: i64| {
            let began = std::time::Instant::now();
            for _ in 0..ms / TICK_MS as i64 {
                now.monotonic_ms += TICK_MS as i64;
                now.wall_ms += TICK_MS as i64;
                crowd.core.own(now, ServerState::default());
                crowd.core.tick(now);
                crowd.carry_out(now);
            }
            began.elapsed()
        };
        run(&mut crowd, 2 * TIMEOUT_MS);
        assert!(crowd.core.is_ok(), "{count}");
        (crowd.sent_bytes, crowd.pings) = (0, 0);
        let seconds = 60;
        let took = run(&mut crowd, seconds * 1000);
        let pings = crowd.pings as f64 / seconds as f64;
        let bytes = crowd.sent_bytes as f64 / seconds as f64;
        let pings_max = count as f64 / (TIMEOUT_MS as f64 / 2000.0) + 1.0;
        let greeting = 2256.0 + 104.0 * count as f64 / 10.0 + 128.0;
        println!(
            "{count} nodes: {pings:.1} pings/s (formula {pings_max:.1}), {bytes:.0} B/s (formula {:.0}), \
             {:.3} ms CPU per second, with the answers of the others",
            pings_max * greeting,
            took.as_secs_f64() * 1000.0 / seconds as f64
        );
        assert!(pings <= pings_max, "{pings} pings a second");
        assert!(bytes <= pings_max * greeting, "{bytes} bytes a second");
    }
}
