//! A few cores, with links that deliver at once and clocks that the test moves.
//!
//! Node `n` has the address `10.0.0.n`, the port `7000 + n` and the bus port `17000 + n`.
//!
//! Invariants
//!   1. Commands, ticks, stops and starts end with `settle`: all actions are carried out, and what
//!      follows from them.
//!   2. Time passes only in `run`, by ticks, for all nodes alike.
//!   3. No message passes over a cut, whose links stay open, or to a node that is down.
//!
//! Elsewhere: delays, cuts in one direction, skewed clocks (`simulation`).

use std::collections::BTreeMap;

use crate::{
    Action, Cluster, Host, NodesConf, Order, Primary, ReplyCondition, ServerState, Settings,
    TICK_MS, Viewer,
};
use russet_base::Millis;
use russet_config::{Config, Dialect};
use russet_host::{LinkId, Machine, Now};
use russet_resp::Reply;

pub(super) const TIMEOUT_MS: i64 = 1000;

/// A node, and the facts that its server would know.
pub(super) struct HostedNode {
    pub core: Cluster,
    pub own: ServerState,
    pub is_up: bool,
    /// The file, as of the last save.
    pub file: Vec<u8>,
    pub(crate) can_save: bool,
    /// Orders that the network does not carry out, in their order.
    pub done: Vec<Order>,
    pub log: Vec<String>,
    pub keys: BTreeMap<u16, usize>,
    /// Links of ours, with the node and the link at the other end.
    links: BTreeMap<LinkId, (usize, LinkId)>,
}

pub(super) struct Net {
    pub now: i64,
    pub nodes: Vec<HostedNode>,
    /// Pairs of nodes between which nothing passes.
    pub cut: Vec<(usize, usize)>,
    /// Replicas get their primaries' data.
    pub copies: bool,
    /// Messages of these kinds (their number on the wire) are lost.
    pub lost: Vec<u8>,
}

pub(super) fn settings(dialect: Dialect, at: usize) -> Settings {
    Settings {
        dialect,
        port: 7000 + at as u16,
        bus_port: 17_000 + at as u16,
        node_timeout: Millis::of_ms(TIMEOUT_MS as u64),
        ..Settings::of(&Config::default())
    }
}

impl Net {
    pub(super) fn new(dialects: &[Dialect]) -> Net {
        let mut net = Net {
            now: 1_000_000,
            nodes: Vec::new(),
            cut: Vec::new(),
            copies: true,
            lost: Vec::new(),
        };
        for &dialect in dialects {
            net.add(dialect);
        }
        net.settle();
        net
    }

    /// Adds a node, which knows no other node.
    pub(super) fn add(&mut self, dialect: Dialect) {
        let at = self.nodes.len();
        let saved = NodesConf::fresh(at as u64 + 1);
        let core = Cluster::new(saved, settings(dialect, at), at as u64 + 77, self.clocks());
        self.nodes.push(HostedNode {
            core,
            own: ServerState {
                is_empty: true,
                offset: 1,
                ..ServerState::default()
            },
            is_up: true,
            file: Vec::new(),
            can_save: true,
            done: Vec::new(),
            log: Vec::new(),
            keys: BTreeMap::new(),
            links: BTreeMap::new(),
        });
        self.settle();
    }

    pub(super) fn clocks(&self) -> Now {
        Now {
            monotonic_ms: self.now,
            wall_ms: self.now + 1_700_000_000_000,
        }
    }

    /// Nodes of which the first `primaries` share all slots, and the others are their replicas in
    /// turn; well.
    pub(super) fn cluster(dialect: Dialect, primaries: usize, replicas: usize) -> Net {
        let mut net = Net::new(&vec![dialect; primaries + replicas]);
        for at in 0..primaries {
            let (first, last) = (16384 * at / primaries, 16384 * (at + 1) / primaries - 1);
            net.ok(at, &format!("ADDSLOTSRANGE {first} {last}"));
            net.ok(at, &format!("SET-CONFIG-EPOCH {}", at + 1));
        }
        for at in 1..primaries + replicas {
            net.ok(0, &format!("MEET 10.0.0.{at} {}", 7000 + at));
        }
        net.run(6000);
        for replica in 0..replicas {
            let id = net.nodes[replica % primaries].core.my_id();
            net.ok(primaries + replica, &format!("REPLICATE {id}"));
        }
        net.run(6000);
        for node in &net.nodes {
            assert!(node.core.is_ok(), "{:#?}", node.log);
        }
        net
    }

    /// A command's reply, as text.
    pub(super) fn command(&mut self, at: usize, text: &str) -> String {
        self.order(at, text, false)
    }

    /// A command by a client, or in the stream of the primary.
    pub(super) fn order(&mut self, at: usize, text: &str, is_from_primary: bool) -> String {
        let now = self.clocks();
        let mut args: Vec<&[u8]> = vec![b"CLUSTER"];
        args.extend(text.split(' ').map(str::as_bytes));
        let node = &mut self.nodes[at];
        let own = node.own.clone();
        node.core.own(now, own);
        let keys = node.keys.clone();
        let mut reply = Reply::new();
        let after = node.core.command(
            now,
            &args,
            &Host {
                viewer: Viewer::default(),
                keys_in_slot: &|slot| keys.get(&slot).copied().unwrap_or(0),
                unsent: &|_| (0, 0),
                is_from_primary,
                may_wait: true,
                is_acknowledged: false,
            },
            &mut reply,
        );
        let can_save = node.can_save;
        self.settle();
        match after {
            ReplyCondition::Persist { otherwise } if !can_save => {
                String::from_utf8_lossy(&otherwise).into_owned()
            }
            ReplyCondition::Acknowledged { timeout_ms } => format!("waits {timeout_ms}"),
            _ => String::from_utf8_lossy(&reply.pending()).into_owned(),
        }
    }

    pub(super) fn ok(&mut self, at: usize, text: &str) {
        assert_eq!(self.command(at, text), "+OK\r\n", "{text} at {at}");
    }

    pub(super) fn id(&self, at: usize) -> String {
        self.nodes[at].core.my_id().to_string()
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += TICK_MS as i64;
            let now = self.clocks();
            for at in 0..self.nodes.len() {
                if self.nodes[at].is_up {
                    self.refresh(at);
                    let node = &mut self.nodes[at];
                    let own = node.own.clone();
                    node.core.own(now, own);
                    node.core.tick(now);
                    self.settle();
                }
            }
        }
    }

    /// Runs until it is so, for at most this time; how long it took.
    pub(super) fn until(&mut self, ms: i64, is: impl Fn(&Net) -> bool) -> i64 {
        let start = self.now;
        while !is(self) {
            assert!(
                self.now - start < ms,
                "not within {ms} ms: {}",
                self.describe()
            );
            self.run(TICK_MS as i64);
        }
        self.now - start
    }

    fn describe(&self) -> String {
        let logs = self.nodes.iter().map(|node| node.log.join("\n"));
        logs.collect::<Vec<_>>().join("\n--\n")
    }

    /// A replica's link is up while its primary is.
    fn refresh(&mut self, at: usize) {
        let primary = self.nodes[at].core.primary_of_mine();
        let Some(primary) = primary.filter(|_| self.nodes[at].own.primary.is_some()) else {
            return;
        };
        let found = self
            .nodes
            .iter()
            .position(|node| node.core.my_id() == primary);
        let is_up =
            found.is_some_and(|primary| self.nodes[primary].is_up && self.passes(at, primary));
        let now = self.now;
        if let Some(primary) = &mut self.nodes[at].own.primary {
            primary.is_up = is_up;
            if is_up && self.copies {
                (primary.received_ms, primary.is_synced) = (now, true);
            }
        }
    }

    fn passes(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a, b)) && !self.cut.contains(&(b, a))
    }

    /// Stops a node; its links break.
    pub(super) fn kill(&mut self, at: usize) {
        self.nodes[at].is_up = false;
        let now = self.clocks();
        for (_, (other, link)) in std::mem::take(&mut self.nodes[at].links) {
            self.nodes[other].links.remove(&link);
            self.nodes[other].core.closed(now, link, false);
        }
        self.settle();
    }

    /// Starts a node again from its file.
    pub(super) fn restart(&mut self, at: usize) {
        let now = self.clocks();
        let saved = NodesConf::parse(&self.nodes[at].file).expect("our own file");
        let dialect = self.nodes[at].core.settings.dialect;
        let node = &mut self.nodes[at];
        node.core = Cluster::new(saved, settings(dialect, at), self.now as u64, now);
        node.is_up = true;
        node.own.primary = None;
        node.log.clear();
        let keys = node.keys.clone();
        node.core
            .loaded(now, &|slot| keys.get(&slot).copied().unwrap_or(0));
        self.settle();
    }

    /// Carries out all actions, and what follows from them.
    pub(super) fn settle(&mut self) {
        loop {
            let mut is_quiet = true;
            for at in 0..self.nodes.len() {
                while let Some(action) = self.nodes[at].core.pop() {
                    is_quiet = false;
                    self.carry_out(at, action);
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    fn carry_out(&mut self, at: usize, action: Action) {
        let now = self.clocks();
        match action {
            Action::Dial { link, port, .. } => self.connect(at, link, port),
            Action::Send { link, bytes } => {
                let is_lost = self.lost.contains(&bytes[13]);
                if let Some(&(other, to)) = self.nodes[at].links.get(&link)
                    && self.passes(at, other)
                    && !is_lost
                {
                    self.nodes[other].core.received(now, to, &bytes);
                }
            }
            Action::Close(link) => {
                if let Some((other, to)) = self.nodes[at].links.remove(&link) {
                    self.nodes[other].links.remove(&to);
                    self.nodes[other].core.closed(now, to, false);
                }
            }
            Action::Persist { .. } => {
                let node = &mut self.nodes[at];
                if node.can_save {
                    node.file = node.core.conf();
                }
                node.core.persisted(now, node.can_save);
            }
            Action::Log { text, .. } => self.nodes[at].log.push(text),
            Action::Order(order) => self.obey(at, order),
            Action::Resolve(_) => {}
        }
    }

    fn obey(&mut self, at: usize, order: Order) {
        match order {
            Order::Follow { .. } => {
                let received_ms = self.now;
                self.nodes[at].own.primary = Some(Primary {
                    is_up: true,
                    received_ms,
                    is_synced: false,
                });
                self.nodes[at].done.push(order);
            }
            Order::Lead => {
                self.nodes[at].own.primary = None;
                self.nodes[at].done.push(order);
            }
            Order::PauseWrites { .. } => self.nodes[at].own.is_paused = true,
            Order::ResumeWrites => self.nodes[at].own.is_paused = false,
            Order::RoutesChanged => {}
            other => self.nodes[at].done.push(other),
        }
    }

    fn connect(&mut self, at: usize, link: LinkId, port: u16) {
        let now = self.clocks();
        let other = usize::from(port).checked_sub(17_000);
        let other = other.filter(|&other| other < self.nodes.len() && self.nodes[other].is_up);
        let Some(other) = other.filter(|&other| self.passes(at, other)) else {
            self.nodes[at].core.refused(now, link, "refused");
            return;
        };
        let my_ip = format!("10.0.0.{at}").into_bytes();
        // However it was dialled.
        let its_ip = format!("10.0.0.{other}").into_bytes();
        let accepted = self.nodes[other].core.accepted(now, &my_ip, &its_ip);
        let Some(to) = accepted else {
            self.nodes[at].core.refused(now, link, "closed at once");
            return;
        };
        self.nodes[at].links.insert(link, (other, to));
        self.nodes[other].links.insert(to, (at, link));
        self.nodes[at].core.opened(now, link, &my_ip);
    }
}
