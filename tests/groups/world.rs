//! Hosts on a single network: servers with data, the Sentinels that watch some of them, and a
//! cluster. A single clock and a single seed drive them; each host has its own clocks and its own
//! disk.
//!
//! A step of time starts hosts that are due, delivers messages that are due, and gives each host
//! that is awake a turn (`turn`). Then clients write, and the world checks the claims. The first
//! broken claim ends the run (`failure`).

use super::broken::Broken;
use super::checks::{AckLevel, Checks, Scope};
use super::clients::WaitingClient;
use super::commands::{Order, Words, host_of, ip_of};
use super::data::written_slots;
use super::member::Member;
use super::moves::{Moves, is_mover};
use super::server::{Peer, Rules, Server};
use super::watcher::Watcher;
use russet_cluster::migration::MigrationLink;
use russet_config::Dialect;
use russet_host::simulation::{self, Clock, MachineId, Network, Packet, World as _};
use russet_host::{Event, LinkId, Machine, Now, Random};
use russet_replication::simulation::State;

use bytes::Bytes;

/// The step of the simulated time.
pub const STEP_MS: i64 = 20;
/// The number of servers that Sentinels watch; the Sentinels follow, then the cluster.
pub const WATCHED: usize = 3;
pub const WATCHERS: usize = 3;
pub const PRIMARIES: usize = 3;
pub const CLUSTER: usize = WATCHED + WATCHERS;
pub const HOSTS: usize = CLUSTER + 2 * PRIMARIES;

/// The address for a host's clients, Sentinels and replicas, and the address for nodes of its
/// cluster.
pub fn client_door(host: usize) -> MachineId {
    host * 2
}

pub fn bus_door(host: usize) -> MachineId {
    host * 2 + 1
}

pub enum Process {
    Server(Box<Server>),
    Watcher(Box<Watcher>),
}

pub struct Host {
    pub process: Process,
    pub clock: Clock,
    pub is_up: bool,
    /// The time at which the host is back.
    pub back_at: i64,
    /// The state at the stop: whether its data was partial, and whether the kernel has its writes.
    stopped: (bool, bool),
}

/// See the module.
pub struct World {
    pub now: i64,
    pub random: Random,
    pub hosts: Vec<Host>,
    pub network: Network,
    pub checks: Checks,
    pub rules: Rules,
    pub broken: Option<Broken>,
    pub has_clients: bool,
    /// Whether a loss of power may interrupt saves, and links may break.
    pub has_accidents: bool,
    /// The time of the last trouble.
    pub troubled_at: i64,
    /// For each host of the cluster: the time since which it receives from no majority, and the
    /// time since which it cannot send to a majority. For each watched server: the time since which
    /// it receives from no other.
    pub isolated: Vec<[Option<i64>; 2]>,
    pub are_clocks_skewed: bool,
    pub waiting: Vec<WaitingClient>,
    /// The number of the last write.
    pub numbers: u64,
    runs: u64,
    pub failure: Option<String>,
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64, broken: Option<Broken>, keeps_log: bool) -> World {
        let mut random = Random(seed);
        let rules = Rules {
            is_always: random.place(2) == 0,
            needs_replica: random.place(2) == 0,
        };
        let process = |host: usize, random: &mut Random| {
            if (WATCHED..CLUSTER).contains(&host) {
                return Process::Watcher(Box::new(Watcher::new(&ip_of(0), WATCHERS / 2 + 1)));
            }
            let rules = Rules {
                needs_replica: rules.needs_replica && host < WATCHED,
                ..rules
            };
            let mut server = Server::new(random, rules, keeps_log);
            if host >= CLUSTER {
                let dialect = [Dialect::Redis, Dialect::Valkey][random.place(2)];
                server.member = Some(Member::new(dialect));
            } else {
                server.saved_primary = (host > 0).then_some(0);
            }
            Process::Server(Box::new(server))
        };
        let host = |host: usize| Host {
            process: process(host, &mut random),
            clock: Clock {
                monotonic_skew_ms: host as i64 * 1_000_000,
                ..Clock::default()
            },
            is_up: false,
            back_at: 0,
            stopped: (false, true),
        };
        let hosts: Vec<Host> = (0..HOSTS).map(host).collect();
        let mut world = World {
            now: 1_000_000,
            random,
            hosts,
            network: Network::default(),
            checks: Checks::new(HOSTS, rules),
            rules,
            broken,
            has_clients: false,
            has_accidents: false,
            troubled_at: 0,
            isolated: vec![[None; 2]; HOSTS],
            are_clocks_skewed: false,
            waiting: Vec::new(),
            numbers: 0,
            runs: 100,
            failure: None,
            log: keeps_log.then(Vec::new),
        };
        for host in 0..HOSTS {
            world.start(host);
        }
        world
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(log) = &mut self.log {
            log.push(format!("{now:>8} {}", text()));
        }
    }

    /// Records a result; only the first failure counts.
    pub fn check(&mut self, result: Result<(), String>) {
        if let Err(why) = result {
            let now = self.now;
            self.failure.get_or_insert(format!("at {now}: {why}"));
        }
    }

    pub fn clock(&self, host: usize) -> Now {
        self.hosts[host].clock.at(self.now)
    }

    pub fn clock_ms(&self, host: usize) -> u64 {
        self.clock(host).monotonic_ms as u64
    }

    pub fn is_awake_host(&self, host: usize) -> bool {
        let its = &self.hosts[host];
        its.is_up && !its.clock.is_frozen(self.now)
    }

    /// The server of a host, which must have a server.
    pub fn server(&self, host: usize) -> &Server {
        match &self.hosts[host].process {
            Process::Server(server) => server,
            Process::Watcher(_) => panic!("{host} is a Sentinel"),
        }
    }

    pub fn server_mut(&mut self, host: usize) -> &mut Server {
        match &mut self.hosts[host].process {
            Process::Server(server) => server,
            Process::Watcher(_) => panic!("{host} is a Sentinel"),
        }
    }

    pub fn is_server(host: usize) -> bool {
        !(WATCHED..CLUSTER).contains(&host)
    }

    // --- processes ---

    pub fn start(&mut self, host: usize) {
        let (seed, now, clock) = (self.random.next_u64(), self.now, self.clock(host));
        self.runs += 1;
        let run = self.runs;
        let its = &mut self.hosts[host];
        its.is_up = true;
        match &mut its.process {
            Process::Watcher(watcher) => {
                watcher.start(seed, clock);
                self.obey_watcher(host);
            }
            Process::Server(server) => {
                let mut follows = server.saved_primary;
                if let Some(member) = &mut server.member {
                    let begun = member.start(seed, clock, run);
                    member.next_tick = now + STEP_MS;
                    let core = member.core.as_ref();
                    let primary = core.and_then(|core| core.primary_of_mine());
                    let address = primary.and_then(|id| core?.client_address(id.as_bytes()));
                    follows = address.and_then(|(ip, _)| host_of(&ip));
                    self.check(begun);
                }
                let server = self.server_mut(host);
                server.start(clock.monotonic_ms as u64, follows, run);
                let Server { node, member, .. } = server;
                if let Some(member) = member {
                    member.loaded(clock, &node.data);
                }
                let stopped = self.hosts[host].stopped;
                let Process::Server(server) = &self.hosts[host].process else {
                    return;
                };
                let restarted = self.checks.restarted(host, &server.node, stopped);
                self.check(restarted);
                self.obey_member(host);
                self.flush(host);
            }
        }
        self.note(|| format!("host {host} is up"));
    }

    /// Ends a process. If its host loses power it keeps only synced bytes, and the other ends of
    /// its links stay open for a minute.
    pub fn stop(&mut self, host: usize, has_power: bool, back_at: i64) {
        let its = &mut self.hosts[host];
        (its.is_up, its.back_at) = (false, back_at);
        match &mut its.process {
            Process::Watcher(watcher) => watcher.stop(has_power),
            Process::Server(server) => {
                its.stopped = (server.node.is_partial, has_power);
                server.stop(has_power);
            }
        }
        self.waiting.retain(|waiting| waiting.host != host);
        self.isolated[host] = [None; 2];
        let due = self.now + if has_power { 1 } else { 60_000 };
        for door in [client_door(host), bus_door(host)] {
            for link in self.network.links_of(door) {
                self.network.close(door, link, due);
            }
        }
        self.note(|| format!("host {host} is down, with power: {has_power}"));
    }

    // --- time ---

    /// Lets time pass, until a claim fails.
    pub fn run_ms(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end && self.failure.is_none() {
            self.step();
        }
    }

    /// Runs until the condition holds, or for this time; returns whether the condition holds.
    pub fn run_until(&mut self, ms: i64, mut holds: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.now + ms;
        while self.now < end && self.failure.is_none() {
            if holds(self) {
                return true;
            }
            self.run_ms(STEP_MS * 5);
        }
        self.failure.is_none() && holds(self)
    }

    fn step(&mut self) {
        self.now += STEP_MS;
        for host in 0..HOSTS {
            let its = &self.hosts[host];
            if !its.is_up && its.back_at <= self.now {
                self.start(host);
            }
        }
        simulation::World::move_parcels(self);
        for host in 0..HOSTS {
            if self.is_awake_host(host) {
                self.turn(host);
            }
        }
        self.look_around();
        if self.has_clients {
            self.clients();
        }
        self.look();
    }

    fn turn(&mut self, host: usize) {
        if !World::is_server(host) {
            let (clock, now) = (self.clock(host), self.clock(host).monotonic_ms);
            if let Process::Watcher(watcher) = &mut self.hosts[host].process
                && let Some(core) = &mut watcher.core
                && core.due_ms().is_some_and(|due| due <= now)
            {
                core.event(clock, &(), Event::Tick);
                self.obey_watcher(host);
            }
            return;
        }
        let turned = self.turn_server(host);
        self.check(turned);
        self.flush(host);
    }

    fn turn_server(&mut self, host: usize) -> Result<(), String> {
        let now_ms = self.clock_ms(host);
        self.read_primary(host)?;
        let Process::Server(server) = &mut self.hosts[host].process else {
            return Ok(());
        };
        server.node.work(now_ms, &mut self.random)?;
        if self.broken == Some(Broken::Skips) && !server.node.is_primary() {
            Broken::skip(server, &mut self.random);
        }
        if self.broken == Some(Broken::Falls) {
            Broken::fall(server, &mut self.random);
        }
        if self.broken == Some(Broken::Deletes) {
            Broken::delete(server, &mut self.random);
        }
        for words in std::mem::take(&mut server.node.passed_on) {
            self.pass_on(host, &words);
        }
        self.serve_replicas(host)?;
        self.turn_moves(host);
        let (now, clock) = (self.now, self.clock(host));
        let server = self.server_mut(host);
        let member = server.member.as_ref();
        let is_paused = member.is_some_and(|member| clock.monotonic_ms < member.paused_until);
        let node = &mut server.node;
        if node.is_primary() && now_ms >= node.pinged_ms + 1000 && !is_paused {
            node.pinged_ms = now_ms;
            node.append(&[b"PING"]);
        }
        if let Some(member) = &mut server.member
            && member.next_tick <= now
        {
            member.next_tick = now + russet_cluster::TICK_MS as i64;
            self.on_bus(host, Event::Tick);
        }
        Ok(())
    }

    /// The bytes from the primary that the machine wants now.
    fn read_primary(&mut self, host: usize) -> Result<(), String> {
        let now_ms = self.clock_ms(host);
        let server = self.server_mut(host);
        let links: Vec<LinkId> = server.inboxes.keys().copied().collect();
        for id in links {
            let upstream = server.node.upstream.as_ref();
            let Some(link) = upstream.and_then(|upstream| upstream.link(id)) else {
                server.inboxes.remove(&id);
                continue;
            };
            let Some(inbox) = server.inboxes.get_mut(&id) else {
                continue;
            };
            if !server.node.wants(link) {
                continue;
            }
            let bytes = std::mem::take(&mut inbox.bytes);
            if !bytes.is_empty() {
                server.node.receive(now_ms, id, Some(&bytes))?;
            } else if inbox.is_ended {
                server.inboxes.remove(&id);
                server.node.receive(now_ms, id, None)?;
            }
        }
        Ok(())
    }

    fn serve_replicas(&mut self, host: usize) -> Result<(), String> {
        let now_ms = self.clock_ms(host);
        let Process::Server(server) = &mut self.hosts[host].process else {
            return Ok(());
        };
        let (mut begun, mut has_copied) = (Vec::new(), false);
        for (link, its) in &mut server.accepted {
            if let Peer::Replica(session) = &mut its.peer {
                let mut serving = russet_replication::simulation::Serving {
                    node: &mut server.node,
                    number: Server::number(*link),
                    now_ms,
                    random: &mut self.random,
                };
                let waited = matches!(session.state, State::Waits(_));
                session.continue_sending(&mut serving);
                has_copied |= waited && !matches!(session.state, State::Waits(_));
                begun.extend(session.begins.take());
            }
        }
        server.begin_streams(&begun);
        if has_copied {
            self.announce_moves(host);
        }
        Ok(())
    }

    /// Handles commands of the stream that do not change keys.
    fn pass_on(&mut self, host: usize, words: &Words) {
        if words[0] == b"PUBLISH" {
            self.publish(host, &words[1..]);
        } else if words[0] == b"CLUSTER" {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            match words[..] {
                [_, b"SYNCSLOTS", ref rest @ ..] => self.follow_moves(host, rest),
                _ => _ = self.command(host, &words, true),
            }
        }
    }

    // --- what leaves at the end of a turn ---

    /// Saves the data that must be saved, then sends.
    fn flush(&mut self, host: usize) {
        let now_ms = self.clock_ms(host);
        if !self.hosts[host].is_up {
            return;
        }
        if self.server(host).must_save(now_ms) {
            if self.has_accidents && self.chance(4000) {
                let back_at = self.now + self.random.below(4000);
                return self.stop(host, false, back_at);
            }
            if self.broken != Some(Broken::Unsaved) {
                self.server_mut(host).save(now_ms);
            }
        }
        let unanswered = std::mem::take(&mut self.server_mut(host).unanswered);
        for write in unanswered {
            let acknowledged = self.checks.acknowledged(write, AckLevel::Alone);
            self.check(acknowledged);
        }
        self.do_asked(host);
        self.send_to_replicas(host);
        self.send_moves(host);
        self.end_waits(host);
    }

    fn do_asked(&mut self, host: usize) {
        use russet_replication::simulation::Ask;
        let door = client_door(host);
        for ask in std::mem::take(&mut self.server_mut(host).node.asks) {
            let at = self.delay();
            match ask {
                Ask::Dial(link) => {
                    if let Some(to) = self.server(host).node.follows {
                        self.network.dial(door, link, client_door(to), at);
                    }
                }
                Ask::Send(link, bytes) => {
                    self.network
                        .send(door, link, at, Packet::Bytes(bytes.into()));
                }
                Ask::HangUp => self.close_dialled(host, |_| true),
                Ask::CloseSecond => {
                    let upstream = self.server(host).node.upstream.as_ref();
                    let main =
                        upstream.map(|its| its.number(russet_replication::upstream::Link::Main));
                    self.close_dialled(host, |link| Some(link) != main);
                }
                Ask::DropReplicas => {
                    self.waiting.retain(|waiting| waiting.host != host);
                    let accepted = &self.server(host).accepted;
                    let is_replica =
                        |its: &super::server::AcceptedLink| matches!(its.peer, Peer::Replica(_));
                    let replicas = accepted.iter().filter(|(_, its)| is_replica(its));
                    let links: Vec<LinkId> = replicas.map(|(link, _)| *link).collect();
                    links
                        .into_iter()
                        .for_each(|link| self.close_accepted(host, link));
                }
            }
        }
        let node = &mut self.server_mut(host).node;
        let lines = node.log.as_mut().map(std::mem::take).unwrap_or_default();
        for line in lines {
            self.note(|| format!("host {host}: {line}"));
        }
    }

    fn close_dialled(&mut self, host: usize, is_it: impl Fn(LinkId) -> bool) {
        let door = client_door(host);
        for link in self.network.links_of(door) {
            let is_primary = !Server::is_accepted(link) && !Moves::is_dialled(link);
            if is_primary && is_it(link) {
                let at = self.delay();
                self.network.close(door, link, at);
                self.server_mut(host).inboxes.remove(&link);
            }
        }
    }

    fn close_accepted(&mut self, host: usize, link: LinkId) {
        self.server_mut(host).accepted.remove(&link);
        let at = self.delay();
        self.network.close(client_door(host), link, at);
    }

    fn send_to_replicas(&mut self, host: usize) {
        let links: Vec<LinkId> = self.server(host).accepted.keys().copied().collect();
        for link in links {
            let Some(its) = self.server_mut(host).accepted.get_mut(&link) else {
                continue;
            };
            let Peer::Replica(session) = &mut its.peer else {
                continue;
            };
            let out = std::mem::take(&mut session.out);
            let is_over = session.closes || session.state == State::Done;
            if !out.is_empty() {
                self.send(client_door(host), link, out);
            }
            if is_over {
                self.close_accepted(host, link);
            }
        }
    }

    pub fn send(&mut self, door: MachineId, link: LinkId, bytes: Vec<u8>) {
        let at = self.delay();
        let bytes = Packet::Bytes(Bytes::from(bytes));
        self.network.send(door, link, at, bytes);
    }

    // --- roles ---

    /// Makes a server the replica of another server.
    pub fn follow(&mut self, host: usize, to: usize) {
        if host == to {
            return;
        }
        let now_ms = self.clock_ms(host);
        self.note(|| format!("host {host} is to follow {to}"));
        self.waiting.retain(|waiting| waiting.host != host);
        self.server_mut(host).node.follow(now_ms, to);
        // The server that a leader is to follow becomes the leader of the group, because no vote
        // decides it.
        if host < WATCHED && to < WATCHED && self.checks.leader(None) == Some(host) {
            let is_partial = self.server(to).node.is_partial;
            self.lead_on(to, is_partial);
        }
    }

    pub fn lead(&mut self, host: usize) {
        let now_ms = self.clock_ms(host);
        self.note(|| format!("host {host} is to lead"));
        let node = &mut self.server_mut(host).node;
        let was_partial = node.is_partial;
        node.promote(now_ms);
        self.lead_on(host, was_partial);
    }

    /// Makes a server the leader, so that its data counts.
    fn lead_on(&mut self, host: usize, was_partial: bool) {
        let Process::Server(server) = &self.hosts[host].process else {
            return;
        };
        let scopes: Vec<Scope> = match server.member.as_ref().and_then(|its| its.core.as_ref()) {
            Some(core) => {
                let mine = written_slots().filter(|slot| core.is_mine(*slot));
                mine.map(Some).collect()
            }
            None => vec![None],
        };
        let leads = self
            .checks
            .leads(host, &scopes, &server.node.data, was_partial);
        self.check(leads);
    }

    // --- servers ---

    fn on_server(&mut self, host: usize, event: Event<'_>) -> Result<(), String> {
        let now_ms = self.clock_ms(host);
        match event {
            Event::Received { link, bytes, .. } if Server::is_accepted(link) => {
                self.received(host, link, bytes)
            }
            Event::Opened { link, .. }
            | Event::Refused { link, .. }
            | Event::Received { link, .. }
            | Event::Closed { link, .. }
                if Moves::is_dialled(link) =>
            {
                self.on_mover(host, event);
                Ok(())
            }
            Event::Received { link, bytes, .. } => {
                let inboxes = &mut self.server_mut(host).inboxes;
                let inbox = inboxes.entry(link).or_default();
                inbox.bytes.extend_from_slice(bytes);
                Ok(())
            }
            Event::Closed { link, .. } => {
                let server = self.server_mut(host);
                match server.accepted.remove(&link).map(|its| its.peer) {
                    Some(Peer::Mover) => {
                        let number = Server::number(link);
                        self.mover_ended(host, MigrationLink::Client(number));
                    }
                    Some(_) => {}
                    None => server.inboxes.entry(link).or_default().is_ended = true,
                }
                Ok(())
            }
            event => {
                self.server_mut(host).node.event(now_ms, event);
                Ok(())
            }
        }
    }

    fn received(&mut self, host: usize, link: LinkId, bytes: &[u8]) -> Result<(), String> {
        let now_ms = self.clock_ms(host);
        let Process::Server(server) = &mut self.hosts[host].process else {
            return Ok(());
        };
        let Some(mut its) = server.accepted.remove(&link) else {
            return Ok(());
        };
        let mut orders = Vec::new();
        let mut replies = Vec::new();
        let all;
        let mut bytes = bytes;
        if let Peer::Fresh(before) = &mut its.peer {
            before.extend_from_slice(bytes);
            match is_mover(before) {
                None => bytes = &[],
                Some(is_mover) => {
                    all = std::mem::take(before);
                    bytes = &all;
                    its.peer = if is_mover {
                        if let Some(moves) = server.member.as_mut().and_then(|m| m.moves.as_mut()) {
                            moves.adopt(Server::number(link), Vec::new());
                        }
                        Peer::Mover
                    } else {
                        Peer::Replica(Box::default())
                    };
                }
            }
        }
        match &mut its.peer {
            Peer::Fresh(_) => {}
            Peer::Mover => {
                server.accepted.insert(link, its);
                let number = Server::number(link);
                self.mover_received(host, MigrationLink::Client(number), bytes);
                return Ok(());
            }
            Peer::Replica(session) => {
                let mut serving = russet_replication::simulation::Serving {
                    node: &mut server.node,
                    number: Server::number(link),
                    now_ms,
                    random: &mut self.random,
                };
                session.receive(bytes, &mut serving)?;
            }
            Peer::Sentinel(connection) => {
                (replies, orders) = connection.receive(bytes, server, now_ms)?;
            }
        }
        server.accepted.insert(link, its);
        for order in orders {
            match order {
                Order::Lead => self.lead(host),
                Order::Follow(to) => self.follow(host, to),
                Order::Publish(words) => {
                    let node = &mut self.server_mut(host).node;
                    if node.is_primary() {
                        node.append(&[b"PUBLISH", &words[0], &words[1]]);
                    }
                    self.publish(host, &words);
                }
            }
        }
        if !replies.is_empty() {
            self.send(client_door(host), link, replies);
        }
        Ok(())
    }
}

impl simulation::World for World {
    fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn now_ms(&self) -> i64 {
        self.now
    }

    fn is_awake(&self, at: MachineId) -> bool {
        self.is_awake_host(at / 2)
    }

    fn is_frozen(&self, at: MachineId) -> bool {
        self.hosts[at / 2].clock.is_frozen(self.now)
    }

    fn ip(&self, at: MachineId) -> String {
        ip_of(at / 2)
    }

    fn accept(&mut self, at: MachineId, peer_ip: &[u8], local_ip: &[u8]) -> Option<LinkId> {
        let (host, from) = (at / 2, host_of(peer_ip)?);
        if at == bus_door(host) {
            return self.accept_on_bus(host, peer_ip, local_ip);
        }
        match &mut self.hosts[host].process {
            Process::Watcher(watcher) => Some(watcher.accept()),
            Process::Server(server) => Some(server.accept(from, !World::is_server(from))),
        }
    }

    fn event(&mut self, at: MachineId, event: Event<'_>) {
        let host = at / 2;
        if self.failure.is_some() || !self.hosts[host].is_up {
            return;
        }
        if at == bus_door(host) {
            return self.on_bus(host, event);
        }
        if World::is_server(host) {
            let done = self.on_server(host, event);
            self.check(done.map_err(|why| format!("host {host}: {why}")));
        } else {
            self.on_watcher(host, event);
        }
    }

    fn find(&self, from: MachineId, ip: &[u8], port: u16) -> Option<MachineId> {
        let (host, from_bus) = (host_of(ip)?, from == bus_door(from / 2));
        match port {
            super::member::BUS_PORT if from_bus && (CLUSTER..HOSTS).contains(&host) => {
                Some(bus_door(host))
            }
            6379 | super::watcher::PORT if !from_bus && host < HOSTS => Some(client_door(host)),
            _ => None,
        }
    }

    fn breaks(&mut self) -> bool {
        self.has_accidents && self.chance(20_000)
    }
}
