//! Whole servers in a single thread on a network that a simulator owns, and the steps of time.
//!
//! A connection is two pairs of sockets, and the fleet holds the inner ends. Bytes pass with a
//! delay and in order. They wait while two nodes are parted, and a cut of the link loses them. A
//! node whose process ends comes back with its files; a node that stands still gets no turn.
//!
//! Node n has the client port [`PORT`] + n, and the port [`BUS_PORT`] + n for the bus of a cluster.

#![allow(dead_code, reason = "each simulation uses a part")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use russet::testing::node::ServerNode;
use russet_host::Random;

use super::folders;

pub const STEP_MS: u64 = 10;
pub const PORT: u16 = 7001;
pub const BUS_PORT: u16 = PORT + 10_000;
const BASE_US: i64 = 1_700_000_000_000_000;

/// The function by which a node makes its connections.
pub type Dial = Box<dyn FnMut(&str, u16) -> io::Result<UnixStream>>;

/// The start of a node, in its folder.
pub struct Launch {
    pub number: usize,
    /// How often its process has ended.
    pub lives: u64,
    pub unix_us: i64,
    pub dial: Dial,
}

/// Makes a node.
pub type Start = Box<dyn Fn(Launch) -> Result<ServerNode, String>>;

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
    is_up: Vec<bool>,
    parted: Vec<[usize; 2]>,
}

/// A node, and what a test knows of its process.
pub struct Place<T> {
    /// `None`: the process has ended.
    pub node: Option<ServerNode>,
    /// Of the test; anew with each process.
    pub its: T,
    folder: PathBuf,
    lives: u64,
    started_ms: u64,
    back_ms: u64,
    frozen_ms: u64,
}

/// See the module.
pub struct Fleet<T> {
    pub now_ms: u64,
    pub random: Random,
    pub places: Vec<Place<T>>,
    links: Vec<Link>,
    /// Two nodes, and the time until which nothing passes between them.
    pub parted: Vec<([usize; 2], u64)>,
    /// A node and another one, to which nothing passes from it until this time.
    pub held: Vec<([usize; 2], u64)>,
    reach: Rc<RefCell<Reach>>,
    start: Start,
    pub log: Option<Vec<String>>,
}

impl<T: Default> Fleet<T> {
    /// Nodes that start with the first step.
    pub fn new(count: usize, seed: u64, folder: &Path, keeps_log: bool, start: Start) -> Fleet<T> {
        let place = |number: usize| Place {
            node: None,
            its: T::default(),
            folder: folder.join(format!("node{number}")),
            lives: 0,
            started_ms: 0,
            back_ms: 0,
            frozen_ms: 0,
        };
        let reach = Reach {
            is_up: vec![false; count],
            ..Reach::default()
        };
        Fleet {
            now_ms: 0,
            random: Random(seed),
            places: (0..count).map(place).collect(),
            links: Vec::new(),
            parted: Vec::new(),
            held: Vec::new(),
            reach: Rc::new(RefCell::new(reach)),
            start,
            log: keeps_log.then(Vec::new),
        }
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(log) = &mut self.log {
            log.push(format!("{now_ms:>6} {}", text()));
        }
    }

    pub fn is_up(&self, number: usize) -> bool {
        self.places[number].node.is_some()
    }

    /// Whether a node has turns now.
    pub fn is_awake(&self, number: usize) -> bool {
        self.is_up(number) && self.places[number].frozen_ms <= self.now_ms
    }

    fn enter(&self, number: usize) {
        std::env::set_current_dir(&self.places[number].folder).expect("a folder");
    }

    /// A step of time begins: nodes that are due start. Returns their numbers.
    pub fn begin_step(&mut self) -> Result<Vec<usize>, String> {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        self.parted.retain(|(_, until_ms)| *until_ms > now_ms);
        self.held.retain(|(_, until_ms)| *until_ms > now_ms);
        self.reach.borrow_mut().parted = self.parted.iter().map(|(two, _)| *two).collect();
        let places = self.places.iter().enumerate();
        let due = places.filter(|(_, place)| place.node.is_none() && place.back_ms <= now_ms);
        let due: Vec<usize> = due.map(|(number, _)| number).collect();
        for &number in &due {
            self.launch(number)?;
        }
        Ok(due)
    }

    fn launch(&mut self, number: usize) -> Result<(), String> {
        fs::create_dir_all(&self.places[number].folder).map_err(|error| error.to_string())?;
        self.enter(number);
        let reach = Rc::clone(&self.reach);
        let dial = move |_: &str, port: u16| dial(&reach, number, port);
        let now_ms = self.now_ms;
        let launch = Launch {
            number,
            lives: self.places[number].lives,
            unix_us: BASE_US + now_ms as i64 * 1000,
            dial: Box::new(dial),
        };
        let node = (self.start)(launch).map_err(|why| format!("node {number}: {why}"))?;
        let place = &mut self.places[number];
        place.node = Some(node);
        place.started_ms = now_ms;
        self.reach.borrow_mut().is_up[number] = true;
        self.run(number)?;
        self.note(|| format!("node {number} is up"));
        Ok(())
    }

    /// Ends the process; its files stay.
    pub fn stop(&mut self, number: usize, back_ms: u64) {
        let lives = self.places[number].lives + 1;
        let kept = self.places[number].folder.with_extension(lives.to_string());
        folders::copy(&self.places[number].folder, &kept).expect("a copy");
        self.enter(number);
        self.reach.borrow_mut().is_up[number] = false;
        let place = &mut self.places[number];
        place.node = None;
        place.its = T::default();
        place.lives = lives;
        (place.back_ms, place.frozen_ms) = (self.now_ms + back_ms, 0);
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

    /// As [`Fleet::stop`], and the files are gone.
    pub fn lose_disk(&mut self, number: usize, back_ms: u64) {
        self.stop(number, back_ms);
        let _ = fs::remove_dir_all(&self.places[number].folder);
        self.note(|| format!("node {number} has lost its files"));
    }

    /// The process stands still for this time.
    pub fn freeze(&mut self, number: usize, ms: u64) {
        self.places[number].frozen_ms = self.now_ms + ms;
    }

    /// Processes that stand still go on, ended ones start with the next step, parted nodes meet.
    pub fn heal(&mut self) {
        self.parted.clear();
        self.held.clear();
        for place in &mut self.places {
            (place.back_ms, place.frozen_ms) = (0, 0);
        }
    }

    /// Ends all links of two nodes, and loses the messages on their way.
    pub fn cut(&mut self, two: [usize; 2]) {
        self.links
            .retain(|link| !two.iter().all(|node| link.nodes.contains(node)));
    }

    /// A node's turn in a step: the bytes that have arrived, then its turns of the loop.
    pub fn turn(&mut self, number: usize) -> Result<(), String> {
        self.deliver(number);
        self.run(number)
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
        let (now_ms, parted, held) = (self.now_ms, &self.parted, &self.held);
        for link in &mut self.links {
            let nodes = link.nodes;
            let is_parted = parted
                .iter()
                .any(|(two, _)| nodes.iter().all(|node| two.contains(node)));
            if is_parted {
                continue;
            }
            for side in (0..2).filter(|side| nodes[*side] == number) {
                let direction = [nodes[1 - side], number];
                if held.iter().any(|(two, _)| *two == direction) {
                    continue;
                }
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
}

/// A connection of a node to a port, if a node is reached there.
fn dial(reach: &RefCell<Reach>, from: usize, port: u16) -> io::Result<UnixStream> {
    let mut reach = reach.borrow_mut();
    let (is_bus, first) = if port >= BUS_PORT {
        (true, BUS_PORT)
    } else {
        (false, PORT)
    };
    let to = usize::from(port.wrapping_sub(first));
    let mut parted = reach.parted.iter();
    let is_parted = parted.any(|two| two.contains(&from) && two.contains(&to));
    if !reach.is_up.get(to).is_some_and(|is_up| *is_up) || is_parted {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    let (inner, outer) = UnixStream::pair()?;
    reach.dialled.push(DialledLink {
        from,
        to,
        is_bus,
        inner,
    });
    Ok(outer)
}
