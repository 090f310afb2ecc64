//! Sentinels and data nodes on a network that loses its way: delays, cuts in a single or both
//! directions, crashes, clocks that jump. One seed decides everything. Invariants are checked as
//! actions are carried out (`checks`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::checks::Checks;
use super::node::DataNode;
use crate::actions::{Action, Order};
use crate::commands::{Host, ReplyCondition};
use crate::config::{Setup, from_file, rewrite};
use crate::core::Sentinel;
use crate::instances::CHANNEL;
use crate::links::ConnId;
use crate::shared::ServerFacts;
use russet_config::{Config, Sources, load};
use russet_host::simulation::{Clock, Disk};
use russet_host::{Level, Machine as _, Now, Random};
use russet_resp::{Reply, ReplyBounds, ReplyParser, ReplyValue};

/// A host's address.
pub(super) type HostAddress = (String, u16);
/// The step of the simulated time.
const STEP_MS: i64 = 20;

/// An end of a pipe's data, not delivered yet.
type Queue<T> = VecDeque<(i64, T)>;

/// A connection that a Sentinel has begun.
struct Pipe {
    to: HostAddress,
    /// When the other end has accepted it.
    accepted: Option<i64>,
    is_established: bool,
    requests: Queue<Vec<u8>>,
    replies: Queue<ReplyValue>,
    is_cut: bool,
}

pub(super) struct Machine {
    pub place: HostAddress,
    /// `None`: it has crashed.
    pub core: Option<Sentinel>,
    /// Of its file.
    pub disk: Disk<Setup>,
    pub clock: Clock,
    pub events: Vec<(i64, &'static str, String)>,
    /// Events of level `Debug`.
    pub debug: Vec<(i64, &'static str, String)>,
}

pub(super) struct World {
    pub now: i64,
    pub random: Random,
    pub machines: Vec<Machine>,
    pub nodes: Vec<DataNode>,
    pipes: BTreeMap<(usize, u64), Pipe>,
    /// Cut directions: from one host to another.
    pub cuts: BTreeSet<(String, String)>,
    pub checks: Checks,
    /// The scripts that were run, and by which Sentinel.
    pub scripts: Vec<(usize, Vec<String>)>,
    /// Their standard input.
    pub inputs: Vec<(usize, String)>,
    runs: u64,
}

pub(super) const NAME: &[u8] = b"mymaster";

fn node_place(n: usize) -> HostAddress {
    (format!("10.0.0.{}", n + 1), 6379)
}

/// The file of a Sentinel that watches this primary, as a server reads it.
pub(super) fn setup(host: &str, port: u16, quorum: usize) -> Setup {
    let text = format!(
        "sentinel monitor mymaster {host} {port} {quorum}\n\
         sentinel down-after-milliseconds mymaster 2000\n\
         sentinel failover-timeout mymaster 10000\n"
    );
    read(text.into_bytes())
}

/// `nodeN` is the N-th data node.
fn resolve(host: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(host);
    let number = text.strip_prefix("node").map(|n| format!("10.0.0.{n}"));
    number.map(String::into_bytes)
}

/// Reads a file.
fn read(text: Vec<u8>) -> Setup {
    let sources = Sources {
        stdin: Some(text),
        is_sentinel: true,
        ..Sources::default()
    };
    let config = load(&sources).expect("the server's part is valid");
    from_file(&config.sentinel_lines, &|_| true).expect("it is valid")
}

impl World {
    pub(super) fn new(sentinels: usize, nodes: usize, quorum: usize, seed: u64) -> World {
        let primary = |n: usize| (n > 0).then(|| node_place(0));
        let node = |n| DataNode::new(node_place(n), primary(n), n as u64 + 1);
        let mut world = World {
            now: 1_000_000,
            random: Random(seed),
            machines: Vec::new(),
            nodes: (0..nodes).map(node).collect(),
            pipes: BTreeMap::new(),
            cuts: BTreeSet::new(),
            checks: Checks::new(sentinels),
            scripts: Vec::new(),
            inputs: Vec::new(),
            runs: 100,
        };
        for n in 0..sentinels {
            world.machines.push(Machine {
                place: (format!("10.0.1.{}", n + 1), 26379),
                core: None,
                disk: Disk::new(setup("10.0.0.1", 6379, quorum)),
                clock: Clock::default(),
                events: Vec::new(),
                debug: Vec::new(),
            });
            world.start(n);
        }
        world
    }

    fn clock(&self, n: usize) -> Now {
        self.machines[n].clock.at(self.now)
    }

    /// Starts a Sentinel from the text of its file.
    pub(super) fn start(&mut self, n: usize) {
        let text = rewrite(&self.machines[n].disk.file, &Config::default(), b"");
        let setup = read(text);
        assert_eq!(setup, self.machines[n].disk.file);
        self.checks.restarted(n, setup.current_epoch);
        let own = ServerFacts {
            port: self.machines[n].place.1,
            password: Vec::new(),
        };
        let core = Sentinel::new(&setup, own, self.random.next_u64(), self.clock(n));
        self.machines[n].core = Some(core);
        self.carry_out(n);
    }

    /// The Sentinel is gone, with all that it had not saved.
    pub(super) fn crash(&mut self, n: usize) {
        self.machines[n].core = None;
        self.pipes.retain(|(client, _), _| *client != n);
        let place = self.machines[n].place.clone();
        self.cut_pipes_to(&place);
        for node in &mut self.nodes {
            node.subscribers.retain(|(client, _)| *client != n);
        }
    }

    pub(super) fn stop_node(&mut self, n: usize) {
        self.nodes[n].stop();
        let place = self.nodes[n].place.clone();
        self.cut_pipes_to(&place);
    }

    pub(super) fn start_node(&mut self, n: usize) {
        self.runs += 1;
        self.nodes[n].start(self.runs, self.now);
    }

    fn cut_pipes_to(&mut self, place: &HostAddress) {
        let pipes = self.pipes.values_mut();
        pipes
            .filter(|pipe| pipe.to == *place)
            .for_each(|pipe| pipe.is_cut = true);
    }

    /// No data from one host to the other.
    pub(super) fn cut(&mut self, from: &str, to: &str) {
        self.cuts.insert((from.to_owned(), to.to_owned()));
    }

    fn leads(&self, from: &str, to: &str) -> bool {
        !self.cuts.contains(&(from.to_owned(), to.to_owned()))
    }

    fn delay(&mut self) -> i64 {
        self.now + self.random.below(30)
    }

    /// Time passes.
    pub(super) fn run_ms(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += STEP_MS;
            self.move_data();
            self.replicate();
            for n in 0..self.machines.len() {
                self.tick(n);
            }
        }
    }

    /// Runs until the condition holds, at most for this time. True: it does.
    pub(super) fn run_until(&mut self, ms: i64, holds: impl Fn(&World) -> bool) -> bool {
        let end = self.now + ms;
        while self.now < end && !holds(self) {
            self.run_ms(100);
        }
        holds(self)
    }

    fn is_awake(&self, n: usize) -> bool {
        let machine = &self.machines[n];
        machine.core.is_some() && !machine.clock.is_frozen(self.now)
    }

    fn tick(&mut self, n: usize) {
        if !self.is_awake(n) {
            return;
        }
        let clock = self.clock(n);
        let machine = &mut self.machines[n];
        let core = machine.core.as_mut().expect("awake");
        if core.due_ms() > Some(self.now) {
            return;
        }
        core.tick(clock);
        self.carry_out(n);
    }

    /// Carries out a Sentinel's actions.
    pub(super) fn carry_out(&mut self, n: usize) {
        while let machine = &mut self.machines[n]
            && let Some(core) = &mut machine.core
            && let Some(action) = core.pop()
        {
            let is_saved = !machine.disk.is_bad && !core.shared.out.has_failed();
            self.checks.seen((n, is_saved), core, &action);
            match action {
                Action::Dial { link, host, port } => {
                    let ip = String::from_utf8(host).expect("an address");
                    let accepted = Some(self.delay() + 1);
                    let pipe = Pipe {
                        to: (ip, port),
                        accepted,
                        is_established: false,
                        requests: Queue::new(),
                        replies: Queue::new(),
                        is_cut: false,
                    };
                    self.pipes.insert((n, link.0), pipe);
                }
                Action::Close(conn) => {
                    self.pipes.remove(&(n, conn.0));
                    for node in &mut self.nodes {
                        node.subscribers.retain(|client| *client != (n, conn.0));
                    }
                }
                Action::Send { link, bytes } => {
                    let at = self.delay();
                    let pipe = self.pipes.get_mut(&(n, link.0));
                    let pipe = pipe.expect("a connection that was not closed");
                    pipe.requests.push_back((at, bytes.to_vec()));
                }
                Action::Persist { sync } => {
                    // Now and then it crashes right here.
                    if self.checks.may_crash && self.random.below(400) == 0 {
                        return self.crash(n);
                    }
                    let machine = &mut self.machines[n];
                    let core = machine.core.as_mut().expect("it is running");
                    core.persisted(machine.disk.save(core.setup(), sync));
                }
                Action::Order(Order::Event {
                    level,
                    channel,
                    text,
                }) => {
                    let event = (self.now, channel, String::from_utf8(text).expect("UTF-8"));
                    match level {
                        Level::Debug => self.machines[n].debug.push(event),
                        _ => self.machines[n].events.push(event),
                    }
                }
                Action::Order(Order::Exit(_)) => return self.crash(n),
                Action::Order(Order::RunScript { job, argv, input }) => {
                    let word = |word| String::from_utf8(word).expect("UTF-8");
                    self.inputs.push((n, word(input)));
                    self.scripts.push((n, argv.into_iter().map(word).collect()));
                    let (clock, pid) = (self.clock(n), self.scripts.len() as i64);
                    let core = self.machines[n].core.as_mut().expect("it is running");
                    core.script_started(clock, job, Some(pid));
                    core.script_ended(clock, pid, 0, 0);
                }
                Action::Resolve(host) => {
                    let (clock, ip) = (self.clock(n), resolve(&host));
                    let core = self.machines[n].core.as_mut().expect("it is running");
                    core.resolved(clock, &host, ip);
                }
                Action::Log { .. }
                | Action::Order(Order::SetLogLevel(_) | Order::KillScript { .. }) => {}
            }
        }
    }

    /// Carries out a client's command, and returns its reply.
    pub(super) fn command(&mut self, n: usize, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let reply = self.command_bytes(n, &words);
        String::from_utf8(reply).expect("UTF-8")
    }

    pub(super) fn command_bytes(&mut self, n: usize, words: &[&[u8]]) -> Vec<u8> {
        let clock = self.clock(n);
        let core = self.machines[n].core.as_mut().expect("it is running");
        let host = Host {
            loglevel: "notice",
            is_executable: &|_| true,
            resolve: &resolve,
        };
        let mut reply = Reply::new();
        let after = core.command(clock, words, &host, &mut reply);
        self.carry_out(n);
        match (&self.machines[n].core, after) {
            (None, _) => Vec::new(),
            (Some(core), ReplyCondition::Persist { otherwise }) if !core.shared.out.is_saved() => {
                otherwise
            }
            _ => reply.take_text(),
        }
    }

    fn drive(&mut self, n: usize, act: impl FnOnce(&mut Sentinel, Now)) {
        let clock = self.clock(n);
        if let Some(core) = &mut self.machines[n].core {
            act(core, clock);
            self.carry_out(n);
        }
    }

    /// A Sentinel gets a message of the channel.
    pub(super) fn receive(&mut self, n: usize, message: &[u8]) {
        let mut reply = Reply::new();
        self.drive(n, |core, now| {
            core.publish(now, CHANNEL, message, &mut reply)
        });
    }

    /// Delivers data that is due, connection by connection, in order.
    fn move_data(&mut self) {
        let keys: Vec<(usize, u64)> = self.pipes.keys().copied().collect();
        for key in keys {
            self.move_pipe(key);
        }
    }

    fn move_pipe(&mut self, key: (usize, u64)) {
        let (n, conn) = key;
        let here = self.machines[n].place.0.clone();
        let Some(pipe) = self.pipes.get(&key) else {
            return;
        };
        let there = pipe.to.clone();
        let (out, back) = (self.leads(&here, &there.0), self.leads(&there.0, &here));
        if pipe.is_cut {
            if back {
                self.pipes.remove(&key);
                self.drive(n, |core, now| core.closed(now, ConnId(conn)));
            }
            return;
        }
        if !pipe.is_established {
            let is_due = pipe.accepted.is_some_and(|at| at <= self.now);
            if !is_due || !out || !back || !self.is_awake(n) {
                return;
            }
            if !self.listens(&there) {
                self.pipes.remove(&key);
                let reason = "Connection refused";
                return self.drive(n, |core, now| core.refused(now, ConnId(conn), reason));
            }
            self.pipes
                .get_mut(&key)
                .expect("it is there")
                .is_established = true;
            self.drive(n, |core, now| {
                core.connected(now, ConnId(conn), here.as_bytes())
            });
        }
        while out && let Some(bytes) = self.due(key, |pipe| &mut pipe.requests) {
            self.request(key, &there, &bytes);
        }
        while back
            && self.is_awake(n)
            && let Some(reply) = self.due(key, |pipe| &mut pipe.replies)
        {
            self.drive(n, |core, now| core.reply(now, ConnId(conn), reply));
        }
    }

    /// The first element of a queue, if its time has come.
    fn due<T>(&mut self, key: (usize, u64), queue: fn(&mut Pipe) -> &mut Queue<T>) -> Option<T> {
        let now = self.now;
        let there = self.pipes.get(&key)?.to.clone();
        let machine = self.machines.iter().find(|machine| machine.place == there);
        if machine.is_some_and(|machine| machine.clock.is_frozen(now)) {
            return None;
        }
        let queue = queue(self.pipes.get_mut(&key)?);
        match queue.front() {
            Some((at, _)) if *at <= now => queue.pop_front().map(|(_, data)| data),
            _ => None,
        }
    }

    fn listens(&self, place: &HostAddress) -> bool {
        let is_node = self
            .nodes
            .iter()
            .any(|node| node.is_up && node.place == *place);
        let mut machines = self.machines.iter();
        is_node || machines.any(|machine| machine.core.is_some() && machine.place == *place)
    }

    fn answer(&mut self, key: (usize, u64), reply: ReplyValue) {
        let at = self.delay();
        if let Some(pipe) = self.pipes.get_mut(&key) {
            pipe.replies.push_back((at, reply));
        }
    }

    fn request(&mut self, key: (usize, u64), there: &HostAddress, bytes: &[u8]) {
        let words = words_of(bytes);
        if let Some(at) = self.machines.iter().position(|m| m.place == *there) {
            return self.request_sentinel(key, at, &words);
        }
        let Some(at) = self.nodes.iter().position(|node| node.place == *there) else {
            return;
        };
        if !self.nodes[at].is_up {
            return;
        }
        if words[0] == b"PUBLISH" {
            self.publish(at, &words);
            return self.answer(key, ReplyValue::Integer(1));
        }
        let replicas = self.replicas_of(there);
        let now = self.now;
        let reply = self.nodes[at].request(key, words, &replicas, now);
        self.answer(key, reply);
        self.hand_over(at);
    }

    fn replicas_of(&self, place: &HostAddress) -> Vec<(HostAddress, u64)> {
        let is_its = |node: &&DataNode| {
            node.is_up && node.primary.as_ref() == Some(place) && node.is_link_up()
        };
        let replicas = self.nodes.iter().filter(is_its);
        replicas
            .map(|node| (node.place.clone(), node.offset))
            .collect()
    }

    /// FAILOVER: at once, as all replicas have all data here.
    fn hand_over(&mut self, at: usize) {
        let now = self.now;
        if let Some(to) = self.nodes[at].hands_over_to.take()
            && let Some(target) = self.nodes.iter().position(|n| n.place == to && n.is_up)
        {
            self.nodes[target].set_primary(None, now);
            self.nodes[at].set_primary(Some(to), now);
        }
    }

    /// Publishes to the subscribers of a node and, by its stream, of its replicas.
    fn publish(&mut self, at: usize, words: &[Vec<u8>]) {
        let place = self.nodes[at].place.clone();
        let replicas = self.replicas_of(&place);
        let has_listener = |node: &&DataNode| {
            node.place == place || replicas.iter().any(|(replica, _)| *replica == node.place)
        };
        let nodes = self.nodes.iter().filter(has_listener);
        let clients: Vec<_> = nodes.flat_map(|node| node.subscribers.clone()).collect();
        let words = [b"message".to_vec(), words[1].clone(), words[2].clone()];
        let message = ReplyValue::Array(words.map(ReplyValue::Bulk).to_vec());
        for client in clients {
            self.answer(client, message.clone());
        }
    }

    fn request_sentinel(&mut self, key: (usize, u64), at: usize, words: &[Vec<u8>]) {
        if self.machines[at].core.is_none() {
            return;
        }
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let bytes = match words[..] {
            [b"PING"] => b"+PONG\r\n".to_vec(),
            [b"PUBLISH", channel, message] => {
                let mut reply = Reply::new();
                self.drive(at, |core, now| {
                    core.publish(now, channel, message, &mut reply)
                });
                reply.take_text()
            }
            [b"SENTINEL", ..] => {
                let reply = self.command_bytes(at, &words);
                self.note_vote(at, &reply);
                reply
            }
            _ => b"+OK\r\n".to_vec(),
        };
        let mut input = bytes.as_slice();
        let mut parser = ReplyParser::new(ReplyBounds::default());
        if let Some(reply) = parser.push(&mut input).expect("a reply") {
            self.answer(key, reply);
        }
    }

    /// The reply to SENTINEL IS-MASTER-DOWN-BY-ADDR may have a vote.
    fn note_vote(&mut self, n: usize, reply: &[u8]) {
        let text = String::from_utf8_lossy(reply);
        let lines: Vec<&str> = text.split("\r\n").collect();
        if let ["*3", _, _, vote, epoch, ""] = lines[..]
            && vote != "*"
        {
            let epoch: i64 = epoch[1..].parse().expect("an integer");
            self.checks.voted(n, vote, epoch as u64);
        }
    }

    /// Primaries write, replicas follow the primaries that they reach.
    fn replicate(&mut self) {
        let now = self.now;
        let primaries = self.nodes.iter().filter(|n| n.is_up && n.primary.is_none());
        let offsets: BTreeMap<HostAddress, u64> =
            primaries.map(|n| (n.place.clone(), n.offset + 1)).collect();
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            let offset = match &node.primary {
                None => offsets.get(&node.place).copied(),
                Some(to) if self.leads(&to.0, &node.place.0) => offsets.get(to).copied(),
                Some(_) => None,
            };
            let node = &mut self.nodes[at];
            match node.primary {
                None => node.offset = offset.unwrap_or(node.offset),
                Some(_) => node.follow(offset, now),
            }
        }
    }

    /// The one primary that all running Sentinels name, if all nodes that are up obey it.
    pub(super) fn agreed(&self) -> Option<HostAddress> {
        let machines = self
            .machines
            .iter()
            .filter_map(|machine| machine.core.as_ref());
        let mut named = machines.map(|core| {
            let address = &core.primaries[NAME].node.watch.address;
            let host = String::from_utf8_lossy(&address.ip).into_owned();
            (host, address.port)
        });
        let first = named.next()?;
        if named.any(|other| other != first) {
            return None;
        }
        let obeys = |node: &DataNode| match &node.primary {
            None => node.place == first,
            Some(to) => *to == first && node.is_link_up(),
        };
        let mut up = self.nodes.iter().filter(|node| node.is_up).peekable();
        (up.peek().is_some() && up.all(obeys)).then_some(first)
    }

    /// Each Sentinel's view and last events, for a failed test.
    pub(super) fn shown(&self) -> String {
        let machine = |machine: &Machine| {
            let core = machine.core.as_ref().expect("it is running");
            let primary = &core.primaries[NAME];
            let address = primary.current_address();
            let last = machine.events.iter().rev().take(12);
            let last: Vec<_> = last
                .map(|(at, channel, text)| (at, channel, text))
                .collect();
            let (state, epoch) = (primary.failover.state, primary.config_epoch);
            format!("{} {state:?} {epoch}: {last:#?}", address.ip.escape_ascii())
        };
        let machines: Vec<String> = self.machines.iter().map(machine).collect();
        let nodes = self.nodes.iter().map(|node| (&node.place, &node.primary));
        let nodes: Vec<_> = nodes.collect();
        format!("now {}\n{}\n{nodes:?}", self.now, machines.join("\n"))
    }

    pub(super) fn core(&self, n: usize) -> &Sentinel {
        self.machines[n].core.as_ref().expect("it is running")
    }

    /// The channels of a Sentinel's events since `from`, in order.
    pub(super) fn channels(&self, n: usize, from: i64) -> Vec<&'static str> {
        let events = self.machines[n]
            .events
            .iter()
            .filter(|(at, ..)| *at >= from);
        events.map(|(_, channel, _)| *channel).collect()
    }

    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        self.checks.may_crash = false;
        for n in 0..self.machines.len() {
            self.machines[n].clock.frozen_until = 0;
            self.machines[n].disk.is_bad = false;
            if self.machines[n].core.is_none() {
                self.start(n);
            }
        }
        for n in 0..self.nodes.len() {
            if !self.nodes[n].is_up {
                self.start_node(n);
            }
        }
    }
}

/// The words of a request.
pub(super) fn words_of(request: &[u8]) -> Vec<Vec<u8>> {
    let mut input = request;
    let mut parser = ReplyParser::new(ReplyBounds::default());
    let parsed = parser.push(&mut input).expect("a request");
    let Some(ReplyValue::Array(words)) = parsed else {
        panic!("a request is an array");
    };
    let word = |word| match word {
        ReplyValue::Bulk(word) => word,
        other => panic!("{other:?}"),
    };
    words.into_iter().map(word).collect()
}
