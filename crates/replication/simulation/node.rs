//! A server: its data and stream, the host of the machine that follows a primary, and a disk.
//!
//! It carries out the machine's actions as the real server does, in virtual time: what is written
//! is on the disk only after a sync, and a crash leaves no more than that. Its data is the
//! simulation's ([`Dataset`]), so that equal positions can be compared. Cost: O(1) an action.

use std::fmt::Debug;

use super::primary::Serves;
use super::serving::Make;
use crate::compression::{Kind, Unpacker};
use crate::handshake::Introduction;
use crate::history::{Position, ReplId};
use crate::requests::{NoRequest, first_request};
use crate::stream::Stream;
use crate::upstream::{
    Answer, AppliedBytes, CompletePart, CountedKeys, Link, LocalDataset, Order, Phase, Settings,
    Step, StoreFault, Upstream, keys_min,
};
use russet_base::numbers::number::parse_digits;
use russet_config::DisklessLoad;
use russet_host::{Action, Event, LinkId, Machine, Now, Random};
use russet_resp::write_request;

/// The keys of a server.
pub trait Dataset: Clone + Default + PartialEq + Debug {
    /// How many there are.
    fn keys(&self) -> u64;

    /// A line for each value, its name and a number: [`Dataset::set`] makes the same data of them.
    fn text(&self) -> String;

    /// Sets a value; unknown names change nothing.
    fn set(&mut self, name: &[u8], value: u64);
}

/// The part that outlives a crash.
#[derive(Clone, Debug, Default)]
pub struct Disk<D> {
    data: D,
    /// `None`: of no known history.
    position: Option<Position>,
}

/// Settings of a server.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How it answers replicas.
    pub make: Make,
    /// `repl-diskless-load`.
    pub diskless: DisklessLoad,
    /// `replica-min-retain-percent`.
    pub retain_percent: u32,
    /// It takes Redis's second link.
    pub rdb_channel: bool,
    /// It takes Valkey's second link.
    pub dual_channel: bool,
    /// Of the stream beside a second link.
    pub held_max_bytes: u64,
    /// The node asks for a compressed stream, and sends it on request.
    pub lz4: bool,
    /// The rule that it breaks, so that it is seen that a claim can fail.
    pub fault: Option<Fault>,
}

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commands of a transaction are applied as they come.
    HalfUnits,
    /// Data that is being replaced keeps its position.
    OldPosition,
    /// More is acknowledged than was applied.
    EarlyAck,
    /// The node continues a stream of another history.
    WrongHistory,
    /// A replica that joins a snapshot is sent later data.
    LaterSnapshot,
}

#[derive(Debug)]
struct Load<D> {
    text: Vec<u8>,
    is_file: bool,
    has_header: bool,
    has_begun: bool,
    is_done: bool,
    /// The data that is loaded, beside the old data.
    beside: Option<D>,
}

/// A request of a node to the network.
#[derive(Debug)]
pub enum Ask {
    /// Open a link to the primary.
    Dial(LinkId),
    /// Send bytes to the primary.
    Send(LinkId, Vec<u8>),
    /// The links to the primary are closed.
    HangUp,
    /// The second link is not needed any more.
    CloseSecond,
    /// The replicas are disconnected.
    DropReplicas,
}

/// See the module.
#[derive(Debug)]
pub struct Node<D> {
    /// The settings.
    pub options: Options,
    /// The stream of its data.
    pub stream: Stream,
    /// The data.
    pub data: D,
    /// The process runs.
    pub is_up: bool,
    /// The machine; `None`: it is a primary.
    pub upstream: Option<Upstream>,
    /// The number of the primary.
    pub follows: Option<usize>,
    /// `repl-backlog-size`.
    pub backlog_bytes: u64,
    /// The disk after a crash.
    pub disk: Disk<D>,
    /// No snapshot can be stored.
    pub disk_is_full: bool,
    /// The orders to the network.
    pub asks: Vec<Ask>,
    /// The offset may have changed.
    pub is_replaced: bool,
    /// The data is being replaced.
    pub is_loading: bool,
    /// The old data is gone, and no new data is complete.
    pub is_partial: bool,
    /// Copies that have begun to replace its data.
    pub copies: u64,
    /// Other ids under which its primary's history has continued.
    pub histories: u64,
    /// Commands of the stream that are not about its data.
    pub passed_on: Vec<Vec<Vec<u8>>>,
    input: Vec<u8>,
    queued: Option<Vec<(Vec<u8>, u64)>>,
    /// Of a main link that may be compressed.
    unpacker: Option<Unpacker>,
    file: Option<Vec<u8>>,
    load: Option<Load<D>>,
    /// The numbers of links go on from there.
    generation: u64,
    /// The replicas, of a russet.
    pub serves: Serves,
    /// When a PING was last appended to the stream.
    pub pinged_ms: u64,
    /// The machine's lines, if they are wanted.
    pub log: Option<Vec<String>>,
}

/// `repl-timeout`.
pub const TIMEOUT_MS: u64 = 3000;

fn at(now_ms: u64) -> Now {
    Now {
        monotonic_ms: now_ms as i64,
        wall_ms: 0,
    }
}

impl<D: Dataset> Node<D> {
    /// A primary without data.
    pub fn new(options: Options, keeps_log: bool) -> Node<D> {
        let mut node = Node {
            options,
            stream: Stream::default(),
            data: D::default(),
            is_up: true,
            upstream: None,
            follows: None,
            backlog_bytes: 64 * 1024,
            disk: Disk::default(),
            disk_is_full: false,
            asks: Vec::new(),
            is_replaced: true,
            is_loading: false,
            is_partial: false,
            copies: 0,
            histories: 0,
            passed_on: Vec::new(),
            input: Vec::new(),
            queued: None,
            unpacker: None,
            file: None,
            load: None,
            generation: 0,
            serves: Serves::default(),
            pinged_ms: 0,
            log: keeps_log.then(Vec::new),
        };
        node.stream.count(true);
        node.stream.keep_backlog(node.backlog_bytes);
        node.save();
        node
    }

    /// The disk has everything.
    pub fn save(&mut self) {
        if !self.is_loading {
            self.disk = Disk {
                data: self.data.clone(),
                position: self.stream.is_known().then(|| self.stream.position()),
            };
        }
    }

    /// Whether it follows no primary.
    pub fn is_primary(&self) -> bool {
        self.upstream.is_none()
    }

    /// Whether it is a primary, or the link to its own is online.
    pub fn is_online(&self) -> bool {
        self.upstream.as_ref().is_none_or(Upstream::is_online)
    }

    /// Whether replicas are served.
    pub fn serves(&self) -> bool {
        self.is_online() && !self.is_loading
    }

    /// A client's write on a primary.
    pub fn write(&mut self, words: &[(&[u8], u64)]) {
        let mut bytes = Vec::new();
        if words.len() > 1 {
            write_request(&mut bytes, [&b"MULTI"[..]].into_iter());
        }
        for (name, value) in words {
            self.data.set(name, *value);
            let text = value.to_string();
            write_request(&mut bytes, [&b"SET"[..], name, text.as_bytes()].into_iter());
        }
        if words.len() > 1 {
            write_request(&mut bytes, [&b"EXEC"[..]].into_iter());
        }
        self.stream.append(&bytes);
    }

    /// A request for replicas alone.
    pub fn append(&mut self, words: &[&[u8]]) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, words.iter().copied());
        self.stream.append(&bytes);
    }

    // --- roles ---

    /// REPLICAOF.
    pub fn follow(&mut self, now_ms: u64, to: usize) {
        if self.follows == Some(to) {
            if let Some(upstream) = &mut self.upstream {
                upstream.accept_sync(now_ms);
            }
            return;
        }
        self.answer(now_ms, Answer::GivenUp);
        let mut upstream = Upstream::new(format!("n{to}"), to as u16, now_ms);
        self.count_generations();
        upstream.generation = self.generation;
        upstream.demoted = match self.upstream.take() {
            Some(before) => before.demoted,
            None => Some(self.stream.position()),
        };
        upstream.has_data = self.stream.is_known();
        self.upstream = Some(upstream);
        self.follows = Some(to);
        self.stream.set_followed(true);
    }

    /// FAILOVER: a replica that has everything is asked to take over.
    pub fn hand_over(&mut self, now_ms: u64, to: usize) {
        self.follow(now_ms, to);
        if let Some(upstream) = &mut self.upstream {
            upstream.failover = true;
        }
    }

    /// REPLICAOF NO ONE.
    pub fn promote(&mut self, now_ms: u64) {
        if self.is_primary() {
            return;
        }
        self.answer(now_ms, Answer::GivenUp);
        self.count_generations();
        self.upstream = None;
        self.follows = None;
        self.is_partial = false;
        self.stream.set_followed(false);
        self.stream.promote();
        self.is_replaced = true;
        self.asks.push(Ask::DropReplicas);
    }

    /// No number of a link is used again.
    fn count_generations(&mut self) {
        let used = self.upstream.as_ref().map(|upstream| upstream.generation);
        self.generation = used.map_or(self.generation, |used| used + 1);
    }

    /// It has died; it comes back with what its disk has.
    pub fn restart(&mut self, now_ms: u64) {
        self.data = self.disk.data.clone();
        self.count_generations();
        self.stream = Stream::default();
        self.stream.count(true);
        if let Some(at) = self.disk.position {
            self.stream.resume(at);
        }
        (self.file, self.load, self.queued) = (None, None, None);
        self.unpacker = None;
        self.serves = Serves::default();
        self.input.clear();
        self.asks.clear();
        self.passed_on.clear();
        (self.is_up, self.is_replaced, self.is_loading) = (true, true, false);
        self.upstream = None;
        self.stream.keep_backlog(self.backlog_bytes);
        if let Some(to) = self.follows.take() {
            self.stream.resume_following();
            self.follow(now_ms, to);
            if let Some(upstream) = &mut self.upstream {
                upstream.has_data &= self.disk.position.is_some();
                upstream.is_familiar = upstream.has_data;
                upstream.demoted = None;
            }
        }
    }

    // --- the host ---

    fn settings(&self) -> Settings {
        Settings {
            timeout_ms: TIMEOUT_MS,
            held_max_bytes: self.options.held_max_bytes,
            retain_percent: self.options.retain_percent,
            ..Settings::default()
        }
    }

    fn introduction(&self) -> impl Fn() -> Introduction + use<D> {
        let (options, position) = (self.options, self.stream.position());
        move || Introduction {
            port: 7,
            rdb_channel: options.rdb_channel,
            dual_channel: options.dual_channel,
            lz4: options.lz4,
            from: Some(position),
            ..Introduction::default()
        }
    }

    /// An event of the machine.
    pub fn event(&mut self, now_ms: u64, event: Event<'_>) {
        let (settings, introduction) = (self.settings(), self.introduction());
        if let Some(upstream) = &mut self.upstream {
            upstream.settings = settings;
            upstream.event(at(now_ms), &introduction, event);
        }
        self.act(now_ms);
    }

    /// An answer to the machine.
    pub fn answer(&mut self, now_ms: u64, answer: Answer) {
        let settings = self.settings();
        if let Some(upstream) = &mut self.upstream {
            upstream.settings = settings;
            upstream.answer(at(now_ms), answer);
        }
        self.act(now_ms);
    }

    fn act(&mut self, now_ms: u64) {
        while let Some(upstream) = &mut self.upstream
            && let Some(action) = upstream.pop()
        {
            match action {
                Action::Log { text, .. } => {
                    if let Some(log) = &mut self.log {
                        log.push(text);
                    }
                }
                Action::Dial { link, .. } => self.asks.push(Ask::Dial(link)),
                Action::Send { link, bytes } => self.asks.push(Ask::Send(link, bytes.to_vec())),
                Action::Order(order) => self.carry_out(now_ms, order),
                _ => {}
            }
        }
    }

    /// The machine's stage.
    pub fn phase(&self) -> Option<Phase> {
        self.upstream.as_ref().map(Upstream::phase)
    }

    /// Whether it reads a link now.
    pub fn wants(&mut self, link: Link) -> bool {
        let Some(upstream) = &mut self.upstream else {
            return false;
        };
        if upstream.is_online() {
            return link == Link::Main && !upstream.is_replaying();
        }
        upstream.wants(link)
    }

    /// The number of its main link.
    fn main(&self) -> LinkId {
        let upstream = self.upstream.as_ref();
        upstream.map_or(LinkId(0), |upstream| upstream.number(Link::Main))
    }

    /// Bytes of a link, or its end.
    pub fn receive(
        &mut self,
        now_ms: u64,
        link: LinkId,
        bytes: Option<&[u8]>,
    ) -> Result<(), String> {
        let is_client = self.is_online();
        let is_main = link == self.main();
        let bytes = bytes.map(|bytes| {
            if is_main {
                self.unpack(bytes)
            } else {
                bytes.to_vec()
            }
        });
        match bytes.as_deref() {
            None if is_client => self.answer(now_ms, Answer::StreamEnded),
            None => {
                let by_limit = false;
                self.event(now_ms, Event::Closed { link, by_limit });
            }
            Some([]) => {}
            Some(bytes) if is_client => {
                if let Some(upstream) = &mut self.upstream {
                    upstream.received_ms = now_ms;
                }
                self.input.extend_from_slice(bytes);
                self.apply()?;
            }
            Some(bytes) => {
                let mut taken = bytes.len();
                let event = Event::Received {
                    link,
                    bytes,
                    taken: &mut taken,
                };
                self.event(now_ms, event);
                if taken < bytes.len() {
                    return Err("bytes that were wanted are not taken".to_owned());
                }
            }
        }
        Ok(())
    }

    /// A turn's work beside that of connections.
    pub fn work(&mut self, now_ms: u64, random: &mut Random) -> Result<(), String> {
        let upstream = self.upstream.as_ref();
        let is_due = |due_ms: i64| due_ms <= now_ms as i64;
        if upstream.and_then(Upstream::due_ms).is_some_and(is_due) {
            self.event(now_ms, Event::Tick);
        }
        if self.load.is_some() {
            self.step_load(now_ms, random);
        }
        let replays = self.upstream.as_ref().is_some_and(Upstream::is_replaying);
        if replays {
            self.answer(now_ms, Answer::Drained(1 + random.place(200)));
            self.apply()?;
        }
        Ok(())
    }

    fn carry_out(&mut self, now_ms: u64, order: Order) {
        match order {
            // These servers are in no group, and do not introduce themselves to one.
            Order::Introduced(_) => self.answer(now_ms, Answer::Accepted),
            Order::KeepAlive(link) => {
                let upstream = self.upstream.as_ref();
                if let Some(link) = upstream.map(|upstream| upstream.number(link)) {
                    self.asks.push(Ask::Send(link, b"\n".to_vec()));
                }
            }
            Order::HangUp => {
                (self.file, self.unpacker) = (None, None);
                self.input.clear();
                self.queued = None;
                self.asks.push(Ask::HangUp);
            }
            Order::ContinueHistory(id) => {
                if id.is_some_and(|id: ReplId| self.stream.follow_as(id)) {
                    self.asks.push(Ask::DropReplicas);
                    self.is_replaced = true;
                    self.histories += 1;
                }
                self.stream.keep_backlog(self.backlog_bytes);
            }
            Order::Survey => {
                let own = LocalDataset {
                    id: self.stream.history().id,
                    keys: self.data.keys(),
                    is_empty: self.data == D::default(),
                    diskless: self.options.diskless,
                };
                self.answer(now_ms, Answer::Own(own));
            }
            Order::OpenFile if self.disk_is_full => {
                let fault = StoreFault::Opening("No space left on device".to_owned());
                self.answer(now_ms, Answer::NotStored(fault));
            }
            Order::OpenFile => self.file = Some(Vec::new()),
            Order::Store(_) if self.disk_is_full => {
                let fault = StoreFault::Writing("No space left on device".to_owned());
                self.answer(now_ms, Answer::NotStored(fault));
            }
            Order::Store(bytes) => {
                let file = self.file.as_mut().expect("a file");
                file.extend_from_slice(&bytes);
                if let Some(upstream) = &mut self.upstream {
                    upstream.recycle(bytes);
                }
            }
            Order::Count(counted, percent) => {
                let own = self.data.keys();
                let keys = keys_min(own, percent).and_then(|_| self.count(counted));
                self.answer(now_ms, Answer::Counted(own, keys));
            }
            Order::LoadFile => {
                let text = self.file.take().expect("a file");
                self.load = Some(Load::new(text, true, false));
            }
            Order::LoadStream { beside, .. } => {
                self.load = Some(Load::new(Vec::new(), false, beside));
            }
            Order::Feed(bytes) => {
                let load = self.load.as_mut().expect("a load");
                load.text.extend_from_slice(&bytes);
            }
            Order::BeginLoad { .. } => self.begin_load(),
            Order::Adopt { position, .. } => self.adopt(now_ms, position),
            Order::Abandon {
                has_begun,
                keeps_data,
            } => {
                self.load = None;
                if has_begun && !keeps_data {
                    self.data = D::default();
                }
                self.is_loading = false;
                self.save();
            }
            Order::GoOnline { rest, unpacks, .. } => {
                self.input = if unpacks && self.unpacker.is_none() {
                    self.unpacker = Some(Unpacker::new(Kind::Stream));
                    self.unpack(&rest)
                } else {
                    rest
                };
                if let Some(upstream) = &mut self.upstream {
                    upstream.failover = false;
                }
                self.asks.push(Ask::CloseSecond);
                self.answer(now_ms, Answer::Online(true));
                self.acknowledge();
            }
            Order::Replay(bytes) => self.input.extend_from_slice(&bytes),
            Order::Acknowledge => self.acknowledge(),
            Order::EndLink => self.answer(now_ms, Answer::StreamEnded),
            Order::Unpack(rest) => {
                self.unpacker = Some(Unpacker::new(Kind::Stream));
                let bytes = self.unpack(&rest);
                if let Some(upstream) = &mut self.upstream {
                    upstream.held.push(&bytes);
                }
            }
            Order::TakeOverRefused(_) => self.promote(now_ms),
            Order::ReadLink => {}
        }
    }

    /// Bytes of the main link as they were before they were compressed.
    fn unpack(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(unpacker) = &mut self.unpacker else {
            return bytes.to_vec();
        };
        let mut out = Vec::new();
        unpacker.push(bytes);
        unpacker.pull_all(&mut out).expect("no damage on the way");
        out
    }

    fn acknowledge(&mut self) {
        let early = u64::from(self.options.fault == Some(Fault::EarlyAck)) * 9;
        let offset = (self.stream.offset() + early).to_string();
        let mut bytes = Vec::new();
        let words: [&[u8]; 3] = [b"REPLCONF", b"ACK", offset.as_bytes()];
        write_request(&mut bytes, words.into_iter());
        self.asks.push(Ask::Send(self.main(), bytes));
    }

    // --- loading ---

    fn count(&self, counted: CountedKeys) -> Option<u64> {
        let of_text = |text: &[u8]| {
            let mut load = Load::<D>::new(text.to_vec(), true, true);
            load.has_header = text.starts_with(b"REDIS");
            let mut data = D::default();
            load.step(usize::MAX, &mut data)
                .then(|| load.beside.map_or(0, |data| data.keys()))
        };
        let load = self.load.as_ref();
        match counted {
            CountedKeys::File => self.file.as_deref().and_then(of_text),
            CountedKeys::Head => load.and_then(|load| of_text(&load.text)),
            CountedKeys::Beside => load.and_then(|load| load.beside.as_ref()).map(D::keys),
        }
    }

    fn begin_load(&mut self) {
        let load = self.load.as_mut().expect("a load");
        load.has_begun = true;
        self.copies += 1;
        if load.beside.is_none() {
            self.data = D::default();
            (self.is_loading, self.is_replaced, self.is_partial) = (true, true, true);
            // The log of the old data has ended.
            self.disk = Disk::default();
            if self.options.fault != Some(Fault::OldPosition) {
                self.stream.begin_history();
            }
            self.asks.push(Ask::DropReplicas);
        }
    }

    fn step_load(&mut self, now_ms: u64, random: &mut Random) {
        let load = self.load.as_mut().expect("a load");
        if !load.has_begun {
            if !load.has_header && load.text.len() >= 5 {
                load.has_header = true;
            }
            let step = if load.has_header {
                Step::Header
            } else {
                Step::Starved
            };
            self.answer(now_ms, Answer::Stepped(step));
            if !self.load.as_ref().is_some_and(|load| load.has_begun) {
                return;
            }
        }
        let load = self.load.as_mut().expect("a load");
        let is_file = load.is_file;
        let lines = 1 + random.place(4);
        let is_done = load.step(lines, &mut self.data);
        let has_line = load.text.contains(&b'\n');
        let step = if is_done {
            Step::Done(load.beside.as_ref().map(D::keys))
        } else if has_line || is_file {
            Step::More
        } else {
            Step::Starved
        };
        self.answer(now_ms, Answer::Stepped(step));
    }

    fn adopt(&mut self, now_ms: u64, position: Option<Position>) {
        let load = self.load.take().expect("a load");
        if let Some(beside) = load.beside {
            self.data = beside;
            self.asks.push(Ask::DropReplicas);
        }
        match position {
            Some(at) => self.stream.follow(at, None),
            None => self.stream.begin_history(),
        }
        self.stream.keep_backlog(self.backlog_bytes);
        (self.is_loading, self.is_replaced, self.is_partial) = (false, true, false);
        self.save();
        self.answer(now_ms, Answer::Adopted);
    }

    // --- the stream ---

    /// Applies the commands that have come.
    fn apply(&mut self) -> Result<(), String> {
        loop {
            let (words, fill, len) = match first_request(&self.input) {
                Ok(request) => {
                    let words: Vec<Vec<u8>> = request.words.iter().map(|w| w.to_vec()).collect();
                    (words, request.fill, request.len)
                }
                Err(NoRequest::Short) => return Ok(()),
                Err(NoRequest::Invalid) => {
                    let text = String::from_utf8_lossy(&self.input).into_owned();
                    return Err(format!("the stream has {text:?}"));
                }
            };
            let taken: Vec<u8> = self.input.drain(..len).collect();
            let mut is_logged = true;
            match &words[0][..] {
                b"MULTI" | b"EXEC" if self.options.fault == Some(Fault::HalfUnits) => {}
                b"MULTI" => self.queued = Some(Vec::new()),
                b"EXEC" => {
                    for (name, value) in self.queued.take().ok_or("EXEC without MULTI")? {
                        self.data.set(&name, value);
                    }
                }
                b"SET" => {
                    let value = parse_digits(&words[2]).ok_or("no number")?;
                    match &mut self.queued {
                        Some(queued) => queued.push((words[1].clone(), value)),
                        None => self.data.set(&words[1], value),
                    }
                }
                b"REPLCONF" => {
                    is_logged = false;
                    self.acknowledge();
                }
                b"PING" => is_logged = false,
                _ => self.passed_on.push(words),
            }
            let applied = AppliedBytes {
                before: &taken[..fill],
                bytes: &taken[fill..],
                is_logged,
            };
            let Some(upstream) = &mut self.upstream else {
                return Ok(());
            };
            match upstream.unit.add(&applied, self.queued.is_some(), false) {
                CompletePart::Nothing => {}
                CompletePart::Command(bytes) => self.stream.append(bytes),
                CompletePart::Unit(unit) => self.stream.append(&unit.bytes),
            }
        }
    }
}

impl<D: Dataset> Load<D> {
    fn new(text: Vec<u8>, is_file: bool, beside: bool) -> Load<D> {
        Load {
            text,
            is_file,
            has_header: is_file,
            has_begun: false,
            is_done: false,
            beside: beside.then(D::default),
        }
    }

    /// Loads some lines into `data`, or beside it; returns whether the end was among them.
    fn step(&mut self, lines: usize, data: &mut D) -> bool {
        let into = self.beside.as_mut().unwrap_or(data);
        for _ in 0..lines {
            if self.is_done {
                break;
            }
            let Some(end) = self.text.iter().position(|&b| b == b'\n') else {
                break;
            };
            let line: Vec<u8> = self.text.drain(..=end).collect();
            let line = line[..end].strip_prefix(b"REDIS").unwrap_or(&line[..end]);
            if line == b"END" {
                self.is_done = true;
            } else if let Some(at) = line.iter().position(|&b| b == b' ') {
                into.set(&line[..at], parse_digits(&line[at + 1..]).unwrap_or(0));
            }
        }
        self.is_done
    }
}
