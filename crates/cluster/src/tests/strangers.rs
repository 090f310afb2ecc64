//! The cost of strangers and invented nodes: n and 4n of each cost the same.
//!
//! A core without a network (`LoneCore`) takes links, greetings and gossip. Bounded are the nodes
//! that it knows, the links that it opens and keeps, the bytes that it holds, the lines of its log
//! and its file. Real nodes, many at once, still come in.
//!
//! Elsewhere: the bounds (`cluster::failover::reports`, `cluster::membership::strangers`,
//! `cluster::membership::meet`).

use super::net::{Net, settings};
use crate::message::{
    Body, Extensions, Gossip, Header, Ip, Kind, Marks, Message, NodeFlags, NodeId, SlotMap, Vendor,
};
use crate::{Action, Cluster, NodesConf};
use russet_config::Dialect::Redis;
use russet_host::{LinkId, Machine, Now};

/// A core without a network, with counts of its actions.
struct LoneCore {
    core: Cluster,
    now: Now,
    dials: usize,
    lines: usize,
    sent: usize,
    closed: Vec<LinkId>,
    dialled: Vec<LinkId>,
}

impl LoneCore {
    fn new() -> LoneCore {
        let now = Now {
            monotonic_ms: 1_000_000,
            wall_ms: 1_700_000_000_000,
        };
        let core = Cluster::new(NodesConf::fresh(1), settings(Redis, 0), 7, now);
        let mut alone = LoneCore {
            core,
            now,
            dials: 0,
            lines: 0,
            sent: 0,
            closed: Vec::new(),
            dialled: Vec::new(),
        };
        alone.settle();
        alone
    }

    fn settle(&mut self) {
        while let Some(action) = self.core.pop() {
            match action {
                Action::Persist { .. } => self.core.persisted(self.now, true),
                Action::Dial { link, .. } => {
                    self.dials += 1;
                    self.dialled.push(link);
                }
                Action::Log { level, .. } if level >= russet_host::Level::Notice => {
                    self.lines += 1;
                }
                Action::Send { .. } => self.sent += 1,
                Action::Close(link) => self.closed.push(link),
                _ => {}
            }
        }
    }

    fn tick(&mut self) {
        self.now.monotonic_ms += 100;
        self.now.wall_ms += 100;
        self.core.tick(self.now);
        self.settle();
    }

    fn link(&mut self) -> LinkId {
        let link = self.core.accepted(self.now, b"10.0.0.9", b"10.0.0.1");
        self.settle();
        link.expect("accepted")
    }

    fn receive(&mut self, link: LinkId, bytes: &[u8]) {
        self.core.received(self.now, link, bytes);
        self.settle();
    }

    /// A node that has met this node and was met back: its link to us.
    fn met(&mut self, id: NodeId) -> LinkId {
        let link = self.link();
        self.receive(link, &greeting(Kind::Meet, id, Vec::new()));
        let out = self.dialled.pop().expect("it is met back");
        self.core.opened(self.now, out, b"10.0.0.1");
        self.settle();
        self.receive(out, &greeting(Kind::Pong, id, Vec::new()));
        link
    }
}

fn greeting(kind: Kind, sender: NodeId, gossip: Vec<Gossip>) -> Vec<u8> {
    let slots = SlotMap::EMPTY;
    let header = Header {
        sender,
        current_epoch: 1,
        config_epoch: 1,
        offset: 0,
        slots: slots.view(),
        primary: None,
        ip: Ip::UNKNOWN,
        port: 7009,
        other_port: 0,
        bus_port: 17_009,
        flags: NodeFlags::PRIMARY,
        is_ok: true,
        marks: Marks::empty(),
    };
    let body = Body::Greeting {
        gossip,
        extensions: Extensions::default(),
    };
    let header = Some(header);
    Message { kind, header, body }
        .encode(Vendor::Unknown)
        .to_vec()
}

fn invented(numbers: std::ops::Range<u64>) -> Vec<Gossip> {
    let entry = |number: u64| Gossip {
        node: NodeId::of_random([number, 99, 99]),
        ping_sent_s: 0,
        pong_received_s: 0,
        ip: Ip::parse(b"10.9.9.9").expect("an address"),
        port: 6379,
        other_port: 0,
        bus_port: 16_379,
        flags: NodeFlags::PRIMARY | NodeFlags::PFAIL,
    };
    numbers.map(entry).collect()
}

/// Gossip of invented nodes: `messages` of 600 each, then a minute. (nodes known at most, links
/// asked for in the busiest tick, bytes of the file)
fn cost_of_gossip(messages: u64) -> (usize, usize, usize) {
    let mut alone = LoneCore::new();
    let liar = NodeId::of_random([5; 3]);
    let link = alone.met(liar);
    for at in 0..messages {
        let gossip = invented(at * 600..(at + 1) * 600);
        alone.receive(link, &greeting(Kind::Ping, liar, gossip));
    }
    let (mut known, mut busiest) = (alone.core.nodes.len(), 0);
    for _ in 0..50 {
        alone.dials = 0;
        alone.tick();
        busiest = busiest.max(alone.dials);
        known = known.max(alone.core.nodes.len());
    }
    (known, busiest, alone.core.conf().len())
}

#[test]
fn invented_nodes_are_few_and_not_saved() {
    let once = cost_of_gossip(7);
    let more = cost_of_gossip(28);
    assert_eq!(once, more);
    let (known, busiest, file) = once;
    assert!(known <= 2 + 256, "{known}");
    assert!(busiest <= 128, "{busiest}");
    assert!(file < 1024, "{file}");
}

#[test]
fn invented_nodes_are_forgotten_and_not_passed_on() {
    let mut alone = LoneCore::new();
    let liar = NodeId::of_random([5; 3]);
    let link = alone.met(liar);
    alone.receive(link, &greeting(Kind::Ping, liar, invented(0..200)));
    assert_eq!(alone.core.nodes.len(), 202);
    alone.tick();
    let noticed = alone.core.choose_gossip(None);
    assert!(
        noticed.iter().all(|entry| entry.node == liar),
        "{noticed:?}"
    );
    // A node that has had time to answer makes room.
    for _ in 0..11 {
        alone.tick();
    }
    alone.receive(link, &greeting(Kind::Ping, liar, invented(200..300)));
    assert_eq!(alone.core.nodes.len(), 2 + 256);
    for _ in 0..620 {
        alone.tick();
    }
    assert!(alone.core.nodes.len() <= 2);
    assert_eq!(alone.core.gossiped.len(), 0);
}

/// Real nodes answer at once, and all become known.
#[test]
fn a_thousand_nodes_become_known_by_one() {
    let mut alone = LoneCore::new();
    let first = NodeId::of_random([5; 3]);
    let link = alone.met(first);
    let id = |number: u64| NodeId::of_random([number, 99, 99]);
    let mut seconds = 0;
    while alone.core.nodes.len() < 1002 {
        seconds += 1;
        assert!(seconds < 30, "{}", alone.core.nodes.len());
        for from in [0, 250, 500, 750] {
            alone.dialled.clear();
            let gossip = invented(from..from + 250);
            alone.receive(link, &greeting(Kind::Ping, first, gossip));
            for out in std::mem::take(&mut alone.dialled) {
                let at = alone.core.links.get(out).and_then(|link| link.node);
                let sender = at.map(|at| alone.core.nodes[at].id).expect("a node");
                alone.core.opened(alone.now, out, b"10.0.0.1");
                alone.settle();
                alone.receive(out, &greeting(Kind::Pong, sender, Vec::new()));
            }
        }
        for _ in 0..10 {
            alone.tick();
        }
    }
    assert!(seconds <= 5, "{seconds}");
    assert!(alone.core.nodes.find(&id(999)).is_some());
    assert_eq!(alone.core.gossiped.len(), 0);
}

/// Links without a message, and with a message: how many are open, at most and after the time for
/// the next message.
fn cost_of_links(count: usize) -> (usize, usize) {
    let mut alone = LoneCore::new();
    let mut most = 0;
    for at in 0..count {
        let link = alone.link();
        if at % 2 == 0 {
            let id = NodeId::of_random([at as u64, 3, 3]);
            alone.receive(link, &greeting(Kind::Ping, id, Vec::new()));
        }
        most = most.max(alone.core.links.iter().count());
    }
    for _ in 0..110 {
        alone.tick();
    }
    (most, alone.core.links.iter().count())
}

#[test]
fn links_of_strangers_are_few_and_end() {
    assert_eq!(cost_of_links(1000), (128, 0));
    assert_eq!(cost_of_links(4000), (128, 0));
}

/// A node that speaks is not closed by many that do not.
#[test]
fn a_silent_link_makes_room_for_others_first() {
    let mut alone = LoneCore::new();
    let link = alone.link();
    let id = NodeId::of_random([3; 3]);
    alone.receive(link, &greeting(Kind::Ping, id, Vec::new()));
    for _ in 0..500 {
        alone.link();
    }
    assert!(!alone.closed.contains(&link));
    assert!(alone.core.links.get(link).is_some());
}

#[test]
fn what_strangers_begin_to_send_is_bounded() {
    let held = |count: usize| {
        let mut alone = LoneCore::new();
        let mut start = greeting(Kind::Ping, NodeId::of_random([3; 3]), invented(0..1200));
        start.truncate(start.len() - 1);
        for _ in 0..count {
            let link = alone.link();
            alone.receive(link, &start);
        }
        let held = alone.core.links_bytes();
        let sum: usize = alone.core.links.iter().map(|(_, link)| link.bytes()).sum();
        assert_eq!(held, sum);
        held
    };
    let once = held(400);
    assert_eq!(once, held(1600));
    assert!(once > 0 && once <= 128 * (128 << 10), "{once}");
}

/// The start of a publication by this node of `bytes` in all, with the first `sent` of them.
fn begun_publication(sender: NodeId, bytes: u32, sent: usize) -> Vec<u8> {
    let mut start = greeting(Kind::Publish, sender, Vec::new());
    start[4..8].copy_from_slice(&bytes.to_be_bytes());
    start.resize(sent, 0);
    start
}

/// A greeting that names this address, whatever the link's is.
fn greeting_from(sender: NodeId, ip: &[u8]) -> Vec<u8> {
    let mut bytes = greeting(Kind::Ping, sender, Vec::new());
    bytes[2168..][..ip.len()].copy_from_slice(ip);
    bytes
}

/// Regression: an id, which is no secret, was enough to begin a message of a GiB.
#[test]
fn a_long_message_needs_a_link_from_where_its_node_has_answered() {
    let mut alone = LoneCore::new();
    let id = NodeId::of_random([3; 3]);
    let its_own = alone.met(id);
    alone.receive(its_own, &greeting(Kind::Ping, id, Vec::new()));
    let begun = begun_publication(id, 64 << 20, 4 << 20);
    let held = |alone: &mut LoneCore, link| {
        alone.receive(link, &begun);
        alone.core.links.get(link).expect("open").bytes()
    };
    assert!(held(&mut alone, its_own) >= 4 << 20);
    let mut claim = |ip: &[u8]| {
        let link = alone
            .core
            .accepted(alone.now, ip, b"10.0.0.1")
            .expect("accepted");
        alone.receive(link, &greeting_from(id, b"10.0.0.9"));
        held(&mut alone, link)
    };
    assert_eq!(claim(b"10.0.0.66"), 0);
    assert!(claim(b"10.0.0.9") >= 4 << 20);
    // If the operator has named the addresses that may speak, nodes that others see elsewhere (NAT)
    // are believed.
    let mut alone = LoneCore::new();
    alone.met(id);
    let network = "10.0.0.0".parse().expect("an address");
    alone.core.settings.bus_allow = vec![(network, 8)];
    let link = alone.core.accepted(alone.now, b"10.0.0.66", b"10.0.0.1");
    let link = link.expect("accepted");
    alone.receive(link, &greeting_from(id, b"10.0.0.9"));
    assert!(held(&mut alone, link) >= 4 << 20);
}

/// Links that claim to be known nodes hold little together: 100, and 200, of a MiB each.
#[test]
fn what_links_with_claimed_ids_begin_to_send_is_bounded_together() {
    for count in [100, 200] {
        let mut alone = LoneCore::new();
        for node in 0..count {
            let id = NodeId::of_random([node, 7, 7]);
            alone.met(id);
            let link = alone.core.accepted(alone.now, b"10.0.0.66", b"10.0.0.1");
            let link = link.expect("accepted");
            alone.receive(link, &greeting_from(id, b"10.0.0.9"));
            alone.receive(link, &begun_publication(id, 1 << 20, (1 << 20) - 1));
            if node % 10 == 0 {
                alone.tick();
            }
        }
        alone.tick();
        let held = alone.core.links_bytes();
        assert!((32 << 20..=64 << 20).contains(&held), "{held}");
    }
}

#[test]
fn what_strangers_do_is_logged_at_a_rate() {
    let lines = |count: usize| {
        let mut alone = LoneCore::new();
        for _ in 0..count {
            let link = alone.link();
            alone.receive(link, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for _ in 0..11 {
            alone.tick();
        }
        let link = alone.link();
        alone.receive(link, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        alone.lines
    };
    assert_eq!(lines(1000), 12);
    assert_eq!(lines(4000), 12);
}

/// Nodes that meet this node are met back, a bounded number at a time.
#[test]
fn meeting_strangers_is_bounded() {
    let mut alone = LoneCore::new();
    for at in 0..1000u64 {
        let link = alone.core.accepted(
            alone.now,
            format!("10.1.{}.{}", at / 250, at % 250).as_bytes(),
            b"10.0.0.1",
        );
        alone.settle();
        let link = link.expect("accepted");
        alone.receive(
            link,
            &greeting(Kind::Meet, NodeId::of_random([at, 4, 4]), Vec::new()),
        );
    }
    assert_eq!(alone.core.nodes.len(), 1 + 128);
    assert_eq!(alone.dials, 128);
}

/// A cluster of which many members come at once still comes together.
#[test]
fn many_real_nodes_meet_one() {
    const NODES: usize = 60;
    let mut net = Net::new(&[Redis; NODES]);
    for at in 1..NODES {
        net.ok(at, "MEET 10.0.0.0 7000");
    }
    net.until(20_000, |net| {
        net.nodes.iter().all(|node| node.core.nodes.len() == NODES)
    });
}
