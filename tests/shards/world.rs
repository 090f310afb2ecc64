//! Nodes on a single network, and the steps of time.
//!
//! A connection is two pairs of sockets, and the world holds the inner ends. Bytes pass with a
//! delay and in order. They wait while two nodes are parted, and a cut of the link loses them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use russet::testing::command_table;
use russet::testing::node::{BrokenRule, ServerNode, ShardFacts};
use russet_host::Random;

use super::checks::Checks;
use super::clients::{Client, Role};

pub const NODES: usize = 4;
/// The number of nodes that have slots from the start.
pub const FIRST: usize = 3;
pub const STEP_MS: u64 = 10;
const BASE_US: i64 = 1_700_000_000_000_000;
const PORT: u16 = 7001;
const BUS_PORT: u16 = PORT + 10_000;

/// A direction of a link: bytes with the time at which they arrive.
#[derive(Default)]
struct Pipe {
    waiting: VecDeque<(u64, Vec<u8>)>,
    has_ended: bool,
}

/// A connection of two nodes; the first node has dialled.
struct Link {
    nodes: [usize; 2],
    ends: [Option<UnixStream>; 2],
    pipes: [Pipe; 2],
}

struct DialledLink {
    from: usize,
    to: usize,
    is_bus: bool,
    inner: UnixStream,
}

/// The state that the nodes' diallers see.
#[derive(Default)]
struct Reach {
    dialled: Vec<DialledLink>,
    is_up: [bool; NODES],
    parted: Vec<[usize; 2]>,
}

pub struct Place {
    pub node: Option<ServerNode>,
    folder: PathBuf,
    lives: u64,
    started_ms: u64,
    back_ms: u64,
    pub clients: Vec<Client>,
    pub facts: ShardFacts,
}

/// See the module.
pub struct World {
    pub now_ms: u64,
    pub random: Random,
    seed: u64,
    pub places: Vec<Place>,
    links: Vec<Link>,
    /// Two nodes, and the time until which nothing passes between them.
    pub parted: Vec<([usize; 2], u64)>,
    reach: Rc<RefCell<Reach>>,
    pub checks: Checks,
    pub broken: Option<BrokenRule>,
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64, broken: Option<BrokenRule>, folder: &Path, keeps_log: bool) -> World {
        let place = |number: usize| Place {
            node: None,
            folder: folder.join(format!("node{number}")),
            lives: 0,
            started_ms: 0,
            back_ms: 0,
            clients: Vec::new(),
            facts: ShardFacts::default(),
        };
        World {
            now_ms: 0,
            random: Random(seed),
            seed,
            places: (0..NODES).map(place).collect(),
            links: Vec::new(),
            parted: Vec::new(),
            reach: Rc::default(),
            checks: Checks::default(),
            broken,
            log: keeps_log.then(Vec::new),
        }
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(log) = &mut self.log {
            log.push(format!("{now_ms:>6} {}", text()));
        }
    }

    /// Whether `search-global-idf` is on.
    pub fn scores_are_of_all(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    pub fn is_up(&self, number: usize) -> bool {
        self.places[number].node.is_some()
    }

    fn enter(&self, number: usize) {
        std::env::set_current_dir(&self.places[number].folder).expect("a folder");
    }

    fn start(&mut self, number: usize) -> Result<(), String> {
        fs::create_dir_all(&self.places[number].folder).map_err(|error| error.to_string())?;
        self.enter(number);
        let reach = Rc::clone(&self.reach);
        let dial = move |_: &str, port: u16| {
            let mut reach = reach.borrow_mut();
            let (is_bus, first) = if port >= BUS_PORT {
                (true, BUS_PORT)
            } else {
                (false, PORT)
            };
            let to = usize::from(port.wrapping_sub(first));
            let is_parted = reach
                .parted
                .iter()
                .any(|two| two.contains(&number) && two.contains(&to));
            if to >= NODES || !reach.is_up[to] || is_parted {
                return Err(ErrorKind::ConnectionRefused.into());
            }
            let (inner, outer) = UnixStream::pair()?;
            reach.dialled.push(DialledLink {
                from: number,
                to,
                is_bus,
                inner,
            });
            Ok(outer)
        };
        let port = PORT + number as u16;
        let scores = if self.scores_are_of_all() {
            "yes"
        } else {
            "no"
        };
        let options = format!(
            "--port {port} --cluster-enabled yes --cluster-node-timeout 2000 --cluster-announce-ip 127.0.0.1 \
             --cluster-config-file nodes.conf --appendonly yes --appendfsync always \
             --search-global-idf {scores} --auto-aof-rewrite-percentage 0"
        );
        let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
        let now_ms = self.now_ms;
        let place = &mut self.places[number];
        let seed = self.seed * 1000 + number as u64 * 100 + place.lives;
        let unix_us = BASE_US + now_ms as i64 * 1000;
        let mut node =
            ServerNode::start_in_cluster(command_table(), &options, (unix_us, seed), dial)?;
        node.break_rule(self.broken);
        place.node = Some(node);
        place.started_ms = now_ms;
        self.reach.borrow_mut().is_up[number] = true;
        self.run(number)?;
        for role in [Role::Asks, Role::Writes, Role::Defines, Role::Orders] {
            let place = &mut self.places[number];
            if let Some(node) = &mut place.node {
                place.clients.push(Client::new(role, node));
            }
        }
        self.note(|| format!("node {number} is up"));
        Ok(())
    }

    /// Ends the process; its files stay.
    pub fn stop(&mut self, number: usize, back_ms: u64) {
        let lives = self.places[number].lives + 1;
        let kept = self.places[number].folder.with_extension(lives.to_string());
        crate::folders::copy(&self.places[number].folder, &kept).expect("a copy");
        self.enter(number);
        self.reach.borrow_mut().is_up[number] = false;
        for at in 0..self.places[number].clients.len() {
            self.lost(number, at);
        }
        let place = &mut self.places[number];
        place.node = None;
        place.clients.clear();
        place.facts = ShardFacts::default();
        place.lives = lives;
        place.back_ms = self.now_ms + back_ms;
        let _ = fs::remove_dir_all(&place.folder);
        place.folder = kept;
        // The node's connections end. The other ends see that after they have read the bytes on
        // their way.
        for link in &mut self.links {
            for side in 0..2 {
                if link.nodes[side] == number {
                    link.ends[side] = None;
                    link.pipes[side].has_ended = true;
                }
            }
        }
        self.note(|| format!("node {number} is down"));
    }

    /// Ends all links of two nodes, and loses the messages on their way.
    pub fn cut(&mut self, two: [usize; 2]) {
        self.links
            .retain(|link| !two.iter().all(|node| link.nodes.contains(node)));
    }

    /// A step of time.
    pub fn step(&mut self) -> Result<(), String> {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        self.parted.retain(|(_, until_ms)| *until_ms > now_ms);
        self.reach.borrow_mut().parted = self.parted.iter().map(|(two, _)| *two).collect();
        for number in 0..NODES {
            if !self.is_up(number) && self.places[number].back_ms <= now_ms {
                self.start(number)?;
            }
        }
        for number in 0..NODES {
            if self.is_up(number) {
                self.deliver(number);
                self.run(number)?;
                self.hear_clients(number)?;
            }
        }
        Ok(())
    }

    /// Runs until a condition holds, or for this time.
    pub fn run_until(
        &mut self,
        ms: u64,
        mut holds: impl FnMut(&mut World) -> Result<bool, String>,
    ) -> Result<bool, String> {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            if holds(self)? {
                return Ok(true);
            }
            self.step()?;
        }
        holds(self)
    }

    /// Runs the node's turns at this time; then takes its bytes and its dialled connections.
    fn run(&mut self, number: usize) -> Result<(), String> {
        self.enter(number);
        let now_ms = self.now_ms;
        let place = &mut self.places[number];
        let Some(node) = &mut place.node else {
            return Ok(());
        };
        node.set_time(BASE_US + now_ms as i64 * 1000, now_ms - place.started_ms);
        node.run().map_err(|why| format!("node {number}: {why}"))?;
        place.facts = node.shard_facts();
        let dialled: Vec<DialledLink> = self.reach.borrow_mut().dialled.drain(..).collect();
        for DialledLink {
            from,
            to,
            is_bus,
            inner,
        } in dialled
        {
            let Some(node) = &mut self.places[to].node else {
                continue;
            };
            let (mine, its) = UnixStream::pair().map_err(|error| error.to_string())?;
            let accepted = if is_bus {
                node.accept_on_bus(its)
            } else {
                node.accept(its, PORT + from as u16)
            };
            accepted.map_err(|error| error.to_string())?;
            for socket in [&inner, &mine] {
                let set = socket.set_nonblocking(true);
                set.map_err(|error| error.to_string())?;
            }
            self.links.push(Link {
                nodes: [from, to],
                ends: [Some(inner), Some(mine)],
                pipes: Default::default(),
            });
        }
        self.collect(number);
        Ok(())
    }

    /// Takes the bytes that a node has sent.
    fn collect(&mut self, number: usize) {
        let mut bytes = [0; 64 * 1024];
        for link in &mut self.links {
            for side in (0..2).filter(|side| link.nodes[*side] == number) {
                while let Some(end) = &mut link.ends[side] {
                    match end.read(&mut bytes) {
                        Ok(n) if n > 0 => {
                            // Now and then a message is late, and so are all messages after it.
                            let late = match self.random.below(400) {
                                0 => self.random.below(900),
                                _ => self.random.below(25),
                            };
                            let pipe = &mut link.pipes[side];
                            let last = pipe.waiting.back().map_or(0, |(at, _)| *at);
                            let at = last.max(self.now_ms + late as u64);
                            pipe.waiting.push_back((at, bytes[..n].to_vec()));
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        _ => {
                            link.ends[side] = None;
                            link.pipes[side].has_ended = true;
                        }
                    }
                }
            }
        }
    }

    /// Gives a node the bytes that have arrived for it.
    fn deliver(&mut self, number: usize) {
        let (now_ms, parted) = (self.now_ms, &self.parted);
        for link in &mut self.links {
            let nodes = link.nodes;
            let is_parted = parted
                .iter()
                .any(|(two, _)| nodes.iter().all(|node| two.contains(node)));
            if is_parted {
                continue;
            }
            for side in (0..2).filter(|side| nodes[*side] == number) {
                let pipe = &mut link.pipes[1 - side];
                let Some(end) = &mut link.ends[side] else {
                    pipe.waiting.clear();
                    continue;
                };
                while let Some((at, bytes)) = pipe.waiting.front_mut() {
                    if *at > now_ms {
                        break;
                    }
                    match end.write(bytes) {
                        Ok(n) if n == bytes.len() => _ = pipe.waiting.pop_front(),
                        Ok(n) => _ = bytes.drain(..n),
                        Err(_) => break,
                    }
                }
                if pipe.has_ended && pipe.waiting.is_empty() {
                    link.ends[side] = None;
                }
            }
        }
        self.links
            .retain(|link| link.ends.iter().any(Option::is_some));
    }

    /// The node that considers itself the owner of a slot.
    pub fn owner(&self, slot: u16) -> Option<usize> {
        let has_it = |place: &Place| {
            let mut slots = place.facts.slots.iter();
            slots.any(|(first, last)| (*first..=*last).contains(&slot))
        };
        self.places.iter().position(has_it)
    }
}
