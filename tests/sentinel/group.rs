//! Sentinels and the servers that they watch: a primary and its replicas.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::process::{Kind, NAME, Sentinel, pause};
use crate::support::Daemon;
use crate::support::daemon::russet;
use crate::support::peers::Peer;
use crate::support::resp::Reply;

/// `down-after-milliseconds` and `failover-timeout`: short, and still long enough on a busy
/// machine.
pub const SETTINGS: &str =
    "sentinel down-after-milliseconds m 1000\nsentinel failover-timeout m 4000\n";

/// Shorter than the defaults, which make for long waits. If `ping-period` is as long as
/// `down-after-milliseconds`, each new link begins as a link that is down.
pub const FAST: &str = "SENTINEL DEBUG info-period 1000 ping-period 200 ask-period 200 \
                        publish-period 400 min-link-reconnect-period 1000";

/// Time limit until all agree after a crash: two attempts at a failover, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// See the module.
pub struct Group {
    pub sentinels: Vec<Sentinel>,
    /// The first node was the primary at the start.
    pub nodes: Vec<Daemon>,
    pub is_killed: Vec<bool>,
}

/// The program of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Russet,
    Redis80,
}

/// Whether Redis 8.0 and Valkey 9.1, which `what` needs, are installed.
pub fn has_peers(what: &str) -> bool {
    [Peer::Redis8, Peer::Valkey9].map(|peer| peer.program_for(what).is_some()) == [true; 2]
}

/// Starts a server and its replicas.
pub fn start_nodes(servers: &[Server], more: &[&str]) -> Vec<Daemon> {
    let mut nodes: Vec<Daemon> = Vec::new();
    for server in servers {
        let program = match server {
            Server::Russet => russet(),
            Server::Redis80 => Peer::Redis8.program().expect("asked before"),
        };
        let mut args = vec!["--repl-diskless-sync-delay", "0"];
        args.extend(more);
        let primary = nodes.first().map(|node| node.port().to_string());
        if let Some(port) = &primary {
            args.extend(["--replicaof", "127.0.0.1", port]);
        }
        nodes.push(Daemon::start_program(&program, &args));
    }
    nodes
}

impl Group {
    /// Starts all programs, and waits until each Sentinel knows all others.
    #[track_caller]
    pub fn start(sentinels: &[Kind], servers: &[Server]) -> Group {
        let nodes = start_nodes(servers, &[]);
        let port = nodes[0].port();
        let quorum = sentinels.len() / 2 + 1;
        let start = |kind: &Kind| Sentinel::start(*kind, port, quorum, SETTINGS);
        let sentinels = sentinels.iter().map(start).collect();
        Group::of(sentinels, nodes)
    }

    /// The same with programs that already run.
    #[track_caller]
    pub fn of(sentinels: Vec<Sentinel>, nodes: Vec<Daemon>) -> Group {
        let is_killed = vec![false; nodes.len()];
        let group = Group {
            sentinels,
            nodes,
            is_killed,
        };
        for sentinel in &group.sentinels {
            sentinel.ask(FAST);
        }
        group.wait("every Sentinel to know the others", |group| {
            let mut sentinels = group.sentinels.iter();
            sentinels.all(|sentinel| group.is_complete(sentinel))
        });
        group
    }

    /// Whether a Sentinel knows all others and its replicas are good.
    fn is_complete(&self, sentinel: &Sentinel) -> bool {
        let is = |fields: &BTreeMap<String, String>, name: &str, value: &str| {
            fields.get(name).is_some_and(|is| is == value)
        };
        let (replicas, peers) = (sentinel.list("REPLICAS"), sentinel.list("SENTINELS"));
        let mut good = replicas.iter().filter(|replica| {
            is(replica, "flags", "slave") && is(replica, "master-link-status", "ok")
        });
        good.by_ref().count() == self.nodes.len() - 1
            && peers.len() == self.sentinels.len() - 1
            && peers.iter().all(|peer| is(peer, "flags", "sentinel"))
            && sentinel
                .master()
                .is_some_and(|master| is(&master, "flags", "master"))
    }

    /// Waits for a condition of the whole group.
    #[track_caller]
    pub fn wait(&self, what: &str, condition: impl Fn(&Group) -> bool) {
        let end = Instant::now() + LIMIT;
        while !condition(self) {
            assert!(
                Instant::now() < end,
                "after {LIMIT:?} still waiting for {what}:\n{}",
                self.report()
            );
            pause();
        }
    }

    /// The view of each program.
    pub fn report(&self) -> String {
        let mut lines = Vec::new();
        for sentinel in &self.sentinels {
            let (kind, port) = (sentinel.kind, sentinel.port());
            lines.push(format!("{kind:?} {port}: {:?}", sentinel.master()));
            for replica in sentinel.list("REPLICAS") {
                let field = |name: &str| replica.get(name).cloned().unwrap_or_default();
                let fields = ["name", "flags", "master-port", "master-link-status"];
                lines.push(format!("  {:?}", fields.map(field)));
            }
        }
        for (node, is_killed) in self.nodes.iter().zip(&self.is_killed) {
            let role = (!is_killed).then(|| role(node));
            lines.push(format!("server {}: {role:?}", node.port()));
        }
        lines.join("\n")
    }

    pub fn node_at(&self, port: u16) -> usize {
        let mut nodes = self.nodes.iter();
        nodes
            .position(|node| node.port() == port)
            .expect("one of ours")
    }

    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
        self.is_killed[node] = true;
    }

    pub fn restart(&mut self, node: usize) {
        self.nodes[node].restart();
        self.is_killed[node] = false;
    }

    /// The port that all Sentinels name, if they agree.
    fn agreed_port(&self) -> Option<u16> {
        let ports: Vec<_> = self.sentinels.iter().map(Sentinel::primary_port).collect();
        let first = ports[0]?;
        ports
            .iter()
            .all(|port| *port == Some(first))
            .then_some(first)
    }

    /// Waits until all Sentinels name the same primary with the same epoch. The primary must be up
    /// and not in `not`, and all its living servers must follow it. Returns the primary and the
    /// epoch.
    #[track_caller]
    pub fn agree(&self, not: &[u16]) -> (usize, u64) {
        self.wait("one primary", |group| group.agreed(not).is_some());
        self.agreed(not).expect("they agreed just now")
    }

    fn agreed(&self, not: &[u16]) -> Option<(usize, u64)> {
        let port = self.agreed_port().filter(|port| !not.contains(port))?;
        let primary = self.node_at(port);
        let mut epochs = self.sentinels.iter().map(|sentinel| {
            let master = sentinel.master()?;
            let is_up = master["flags"] == "master";
            is_up.then(|| master["config-epoch"].parse::<u64>().ok())?
        });
        let epoch = epochs.next()??;
        if !epochs.all(|other| other == Some(epoch)) || self.is_killed[primary] {
            return None;
        }
        let nodes = self.nodes.iter().zip(&self.is_killed).enumerate();
        for (at, (node, _)) in nodes.filter(|(_, (_, is_killed))| !**is_killed) {
            let expected = (at != primary).then_some(port);
            if role(node) != Some(expected) {
                return None;
            }
        }
        Some((primary, epoch))
    }

    /// Fails if two Sentinels won the same epoch, or a Sentinel voted twice in an epoch; returns
    /// the winners by epoch.
    #[track_caller]
    pub fn check_votes(&self) -> BTreeMap<u64, String> {
        let mut winners: BTreeMap<u64, String> = BTreeMap::new();
        for sentinel in &self.sentinels {
            let mut votes: BTreeMap<u64, String> = BTreeMap::new();
            let mut last = None;
            for line in sentinel.log().lines() {
                if line.contains("+try-failover ") {
                    last = None;
                } else if let Some((_, vote)) = line.split_once("+vote-for-leader ") {
                    let mut words = vote.split_whitespace();
                    let leader = words.next().expect("a run id").to_owned();
                    let epoch: u64 = words.next().and_then(|n| n.parse().ok()).expect("an epoch");
                    let earlier = votes.insert(epoch, leader.clone());
                    assert!(
                        earlier.as_ref().is_none_or(|earlier| *earlier == leader),
                        "{:?} voted twice in epoch {epoch}",
                        sentinel.kind
                    );
                    last = Some((epoch, leader));
                } else if line.contains("+elected-leader ")
                    && let Some((epoch, leader)) = last.clone()
                {
                    let other = winners.insert(epoch, leader.clone());
                    assert!(
                        other.as_ref().is_none_or(|other| *other == leader),
                        "two leaders of epoch {epoch}"
                    );
                }
            }
        }
        winners
    }

    /// The number of Sentinels that have voted for this leader in this epoch.
    pub fn votes(&self, epoch: u64, leader: &str) -> usize {
        let line = format!("+vote-for-leader {leader} {epoch}");
        let has_voted = |sentinel: &&Sentinel| {
            let log = sentinel.log();
            log.lines().any(|logged| logged.trim_end().ends_with(&line))
        };
        self.sentinels.iter().filter(has_voted).count()
    }

    /// Waits until the log of each Sentinel has this text.
    #[track_caller]
    pub fn wait_for_logs(&self, text: &str) {
        self.wait(&format!("{text} in all logs"), |group| {
            let mut sentinels = group.sentinels.iter();
            sentinels.all(|sentinel| sentinel.log().contains(text))
        });
    }

    /// `+switch-master` between two servers, as events and logs have it.
    pub fn switch(&self, from: usize, to: usize) -> String {
        let (from, to) = (self.nodes[from].port(), self.nodes[to].port());
        format!("+switch-master {NAME} 127.0.0.1 {from} 127.0.0.1 {to}")
    }
}

/// `Some(None)` for a primary; `Some(Some(port))` for a replica in sync with the primary at that
/// port.
pub fn role(node: &Daemon) -> Option<Option<u16>> {
    let mut c = crate::support::Connection::open(node.port()).ok()?;
    c.write(b"ROLE\r\n").ok()?;
    let (_, reply) = c.read().ok()?;
    let items = reply.items()?;
    match (items[0].text()?, items.get(2), items.get(3)) {
        (b"master", ..) => Some(None),
        (b"slave", Some(Reply::Integer(port)), Some(link)) if link.text()? == b"connected" => {
            Some(u16::try_from(*port).ok())
        }
        _ => None,
    }
}
