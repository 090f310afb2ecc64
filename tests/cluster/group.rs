//! The nodes of a cluster.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Client, slot_of};
use crate::support::Daemon;
use crate::support::daemon::{free_port_of, russet};
use crate::support::peers::{self, Peer};
use crate::support::resp::{Connection, Reply};

/// Short, and still long enough on a busy machine.
pub const NODE_TIMEOUT: &str = "2000";
/// Time limit until all nodes agree, with elections.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Time limit of a redis-cli command.
const ORDER_LIMIT: Duration = Duration::from_secs(120);

/// The program of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Russet,
    /// russet in Valkey's dialect.
    RussetValkey,
    Peer(Peer),
}

pub struct Node {
    pub daemon: Daemon,
    pub kind: Kind,
    pub is_killed: bool,
}

/// The node that is ordered to move slots: the target, as in Redis, or the source, as in Valkey.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Pull,
    Push,
}

/// See the module.
pub struct Group {
    pub nodes: Vec<Node>,
    cli: PathBuf,
}

/// redis-cli, which gives the orders. If it is missing, the test `what` does not run.
pub fn redis_cli(what: &str) -> Option<PathBuf> {
    let installed = peers::folder().join("redis8/src/redis-cli");
    if installed.exists() {
        return Some(installed);
    }
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("redis-cli"));
    let found = places.find(|place| place.exists());
    if found.is_none() {
        peers::left_out(&format!("{what}: no redis-cli"));
    }
    found
}

/// Starts a node that knows no other node.
#[track_caller]
pub fn start_node(kind: Kind, more: &[&str]) -> Node {
    let (program, its) = match kind {
        Kind::Russet => (russet(), &[][..]),
        Kind::RussetValkey => (russet(), Peer::Valkey9.arguments()),
        Kind::Peer(peer) => (peer.program().expect("asked before"), &[][..]),
    };
    let bus_port = free_port_of(23_000, 1_000).to_string();
    let mut args = its.to_vec();
    args.extend(["--cluster-enabled", "yes", "--cluster-port", &bus_port]);
    args.extend(["--cluster-node-timeout", NODE_TIMEOUT]);
    args.extend(["--repl-diskless-sync-delay", "0"]);
    args.extend(["--cluster-allow-replica-migration", "no"]);
    args.extend(more);
    Node {
        daemon: Daemon::start_program(&program, &args),
        kind,
        is_killed: false,
    }
}

impl Node {
    pub fn port(&self) -> u16 {
        self.daemon.port()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The text of a reply; empty if the node does not answer.
    pub fn text(&self, line: &str) -> String {
        let Ok(mut connection) = Connection::open(self.port()) else {
            return String::new();
        };
        let reply = connection.value(line);
        String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned()
    }

    pub fn id(&self) -> String {
        self.text("CLUSTER MYID")
    }

    /// A field of CLUSTER INFO.
    pub fn state(&self, field: &str) -> String {
        let text = self.text("CLUSTER INFO");
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(name, _)| *name == field);
        found
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    }

    /// The lines of CLUSTER NODES.
    pub fn view(&self) -> Vec<NodesLine> {
        self.text("CLUSTER NODES")
            .lines()
            .map(NodesLine::parse)
            .collect()
    }
}

/// A line of CLUSTER NODES.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodesLine {
    pub id: String,
    pub port: u16,
    pub flags: Vec<String>,
    /// The id of the node's primary.
    pub primary: Option<String>,
    pub epoch: u64,
    pub is_connected: bool,
    /// Ranges, without marks of moving slots.
    pub slots: Vec<String>,
    pub marks: Vec<String>,
}

impl NodesLine {
    fn parse(line: &str) -> NodesLine {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words.len() >= 8, "CLUSTER NODES: {line:?}");
        let address = words[1].split(',').next().unwrap_or("");
        let client = address.split('@').next().unwrap_or("");
        let port = client.rsplit(':').next().unwrap_or("");
        let (marks, slots): (Vec<&&str>, Vec<&&str>) =
            words[8..].iter().partition(|word| word.starts_with('['));
        let own = |words: Vec<&&str>| words.iter().map(|word| (**word).to_owned()).collect();
        NodesLine {
            id: words[0].to_owned(),
            port: port.parse().unwrap_or(0),
            flags: words[2].split(',').map(str::to_owned).collect(),
            primary: (words[3] != "-").then(|| words[3].to_owned()),
            epoch: words[6].parse().expect("an epoch"),
            is_connected: words[7] == "connected",
            slots: own(slots),
            marks: own(marks),
        }
    }

    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|its| its == flag)
    }
}

impl Group {
    /// Starts nodes that know nothing of each other; `None` if a program that `what` needs is
    /// missing.
    #[track_caller]
    pub fn start(what: &str, kinds: &[Kind], more: &[&str]) -> Option<Group> {
        let cli = redis_cli(what)?;
        for kind in kinds {
            if let Kind::Peer(peer) = kind {
                peer.program_for(what)?;
            }
        }
        let nodes = kinds.iter().map(|kind| start_node(*kind, more)).collect();
        Some(Group { nodes, cli })
    }

    /// Starts nodes and joins them to a cluster in which each primary has this many replicas.
    #[track_caller]
    pub fn create(what: &str, kinds: &[Kind], replicas: usize) -> Option<Group> {
        Group::create_with(what, kinds, replicas, &[])
    }

    /// The same with more arguments, which a node also has after a restart.
    #[track_caller]
    pub fn create_with(
        what: &str,
        kinds: &[Kind],
        replicas: usize,
        more: &[&str],
    ) -> Option<Group> {
        let group = Group::start(what, kinds, more)?;
        let addresses: Vec<String> = group.nodes.iter().map(Node::address).collect();
        let mut args = vec!["create".to_owned()];
        args.extend(addresses);
        args.extend(["--cluster-replicas".to_owned(), replicas.to_string()]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        group.order(&args);
        group.wait_until_well();
        Some(group)
    }

    pub fn living(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| !node.is_killed)
    }

    pub fn ports(&self) -> Vec<u16> {
        self.living().map(Node::port).collect()
    }

    pub fn client(&self) -> Client {
        Client::new(&self.ports())
    }

    /// Runs `redis-cli --cluster`, which must succeed; returns its output.
    #[track_caller]
    pub fn order(&self, args: &[&str]) -> String {
        let (text, is_done) = self.try_order(args);
        assert!(
            is_done,
            "redis-cli --cluster {args:?}:\n{text}\n{}",
            self.report()
        );
        text
    }

    pub fn try_order(&self, args: &[&str]) -> (String, bool) {
        let mut child = Command::new(&self.cli)
            .args(["--cluster-yes", "--cluster"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("redis-cli starts");
        let (mut out, mut err) = (child.stdout.take().expect("a pipe"), child.stderr.take());
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            // Output that is not UTF-8 ends the text early, and the assertion shows that.
            let _ = std::io::Read::read_to_string(&mut out, &mut text);
            text
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            if let Some(err) = &mut err {
                let _ = std::io::Read::read_to_string(err, &mut text);
            }
            text
        });
        let end = Instant::now() + ORDER_LIMIT;
        let status = loop {
            match child.try_wait().expect("our child") {
                Some(status) => break Some(status),
                None if Instant::now() > end => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let text = reader.join().expect("a reader") + &errors.join().expect("a reader");
        (text, status.is_some_and(|status| status.success()))
    }

    /// Asserts that `redis-cli --cluster check` finds no fault.
    #[track_caller]
    pub fn check(&self) {
        let any = self.living().next().expect("a living node").address();
        let text = self.order(&["check", &any]);
        assert!(text.contains("[OK] All 16384 slots covered."), "{text}");
        assert!(
            text.contains("[OK] All nodes agree about slots configuration."),
            "{text}"
        );
        assert!(
            !text.contains("[WARNING]") && !text.contains("[ERR]"),
            "{text}"
        );
    }

    /// Waits until all living nodes are well, agree on the slots, and have their replicas in sync.
    #[track_caller]
    pub fn wait_until_well(&self) {
        self.wait("all nodes to be well and agree", |group| {
            let mut views = group.living().map(|node| group.slots_seen_by(node));
            let first = views.next();
            let agree = views.all(|view| Some(view) == first);
            agree
                && group
                    .living()
                    .all(|node| node.state("cluster_state") == "ok")
        });
        self.wait("all replicas to follow", |group| {
            group.living().all(|node| {
                let text = node.text("INFO replication");
                text.contains("role:master") || text.contains("master_link_status:up")
            })
        });
    }

    /// The slots of each node, and the primary of each replica, as `node` sees them.
    fn slots_seen_by(&self, node: &Node) -> Vec<(String, Option<String>, Vec<String>)> {
        let seen = node.view().into_iter();
        let alive = seen.filter(|seen| !seen.is("fail") && !seen.is("handshake"));
        let mut lines: Vec<_> = alive
            .map(|seen| (seen.id, seen.primary, seen.slots))
            .collect();
        lines.sort();
        lines
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
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The view of each node.
    pub fn report(&self) -> String {
        let lines = self.living().map(|node| {
            let (kind, port, state) = (node.kind, node.port(), node.state("cluster_state"));
            format!("{kind:?} {port} {state}\n{}", node.text("CLUSTER NODES"))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The number of the node with this id.
    #[track_caller]
    pub fn at(&self, id: &str) -> usize {
        let mut living = self.nodes.iter();
        living
            .position(|node| !node.is_killed && node.id() == id)
            .expect("a living node")
    }

    /// The number of a living primary with slots whose program fits `kind`.
    #[track_caller]
    pub fn primary(&self, kind: impl Fn(Kind) -> bool) -> usize {
        let found = self.nodes.iter().position(|node| {
            let mine = node.view().into_iter().find(|seen| seen.is("myself"));
            !node.is_killed
                && kind(node.kind)
                && mine.is_some_and(|seen| seen.is("master") && !seen.slots.is_empty())
        });
        found.expect("such a primary")
    }

    /// The number of the `nth` living primary with slots.
    #[track_caller]
    pub fn primary_at(&self, nth: usize) -> usize {
        let mut primaries = (0..self.nodes.len()).filter(|&at| {
            let mine = self.nodes[at]
                .view()
                .into_iter()
                .find(|seen| seen.is("myself"));
            mine.is_some_and(|seen| seen.is("master") && !seen.slots.is_empty())
        });
        primaries.nth(nth).expect("such a primary")
    }

    /// The number of a living replica of a node.
    #[track_caller]
    pub fn replica_of(&self, primary: usize) -> usize {
        let view = self.nodes[primary].view();
        let id = self.nodes[primary].id();
        let replica = view.iter().find(|seen| seen.primary.as_ref() == Some(&id));
        self.at(&replica.expect("a replica").id)
    }

    /// The first range of slots that a node serves.
    #[track_caller]
    pub fn slots_of(&self, node: usize) -> (u16, u16) {
        let view = self.nodes[node].view();
        let mine = view.iter().find(|seen| seen.is("myself")).expect("itself");
        let mut ends = mine.slots[0]
            .split('-')
            .map(|end| end.parse().expect("a slot"));
        let first = ends.next().expect("a slot");
        (first, ends.next().unwrap_or(first))
    }

    /// Orders these slots to move as a single migration. Returns the text of the reply.
    pub fn move_slots(
        &self,
        way: Way,
        (first, last): (u16, u16),
        source: usize,
        target: usize,
    ) -> String {
        let id = self.nodes[target].id();
        let (node, order) = match way {
            Way::Pull => (target, format!("CLUSTER MIGRATION IMPORT {first} {last}")),
            Way::Push => (
                source,
                format!("CLUSTER MIGRATESLOTS SLOTSRANGE {first} {last} NODE {id}"),
            ),
        };
        self.nodes[node].text(&order)
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, at: usize) {
        self.nodes[at].daemon.kill();
        self.nodes[at].is_killed = true;
    }

    #[track_caller]
    pub fn restart(&mut self, at: usize) {
        self.nodes[at].daemon.restart();
        self.nodes[at].is_killed = false;
    }

    /// Starts a killed node again, and does not wait for its data.
    #[track_caller]
    pub fn restart_loading(&mut self, at: usize) {
        self.nodes[at].daemon.restart_loading();
        self.nodes[at].is_killed = false;
    }

    /// Waits until a replica has taken the place of the killed node.
    #[track_caller]
    pub fn wait_for_failover(&self, killed: &str) {
        self.wait("a replica to take over", |group| {
            group.living().all(|node| {
                let view = node.view();
                let lost = view.iter().find(|seen| seen.id == killed);
                lost.is_none_or(|seen| seen.slots.is_empty())
                    && node.state("cluster_slots_ok") == "16384"
            })
        });
        self.wait_until_well();
    }

    /// Writes keys `name:n`; with `wait`, a replica must acknowledge each key.
    #[track_caller]
    pub fn write(&self, name: &str, count: usize) {
        let mut client = self.client();
        for n in 0..count {
            let key = format!("{name}:{n}");
            let reply = client.run(slot_of(&key), &["SET", &key, &n.to_string()]);
            assert_eq!(reply, Reply::Simple(b"OK".to_vec()), "SET {key}");
        }
    }

    /// Asserts that all keys `name:n` exist with their values.
    #[track_caller]
    pub fn assert_written(&self, name: &str, count: usize) {
        let mut client = self.client();
        for n in 0..count {
            let key = format!("{name}:{n}");
            let reply = client.run(slot_of(&key), &["GET", &key]);
            assert_eq!(reply, Reply::Bulk(n.to_string().into_bytes()), "GET {key}");
        }
    }

    /// Waits until every replica has all bytes that its primary has sent.
    #[track_caller]
    pub fn wait_until_synced(&self) {
        self.wait("replicas to have everything", |group| {
            group.living().all(|node| {
                let text = node.text("INFO replication");
                let field = |name: &str| {
                    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
                    let found = lines.find(|(its, _)| *its == name);
                    found.map(|(_, value)| value.trim().to_owned())
                };
                let offset = field("master_repl_offset");
                let acked = field("slave0").and_then(|slave| {
                    let parts = slave.split(',').map(str::to_owned);
                    parts
                        .filter_map(|part| Some(part.strip_prefix("offset=")?.to_owned()))
                        .next()
                });
                field("role").as_deref() != Some("master") || acked.is_none() || acked == offset
            })
        });
    }
}
