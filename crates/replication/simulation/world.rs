//! Nodes and connections in one virtual time, clients that wait for acknowledgements, and what must
//! hold after each step.
//!
//!   1. Equal positions have equal data, on all nodes and at all times: no unit is half applied,
//!      no byte of the stream is lost, repeated or out of place.
//!   2. The offset of a history does not fall, but by a snapshot or a crash.
//!   3. A write that a replica has acknowledged is there as long as it has neither crashed nor
//!      taken a snapshot since; so it is on each such replica that is promoted.
//!   4. Nothing is acknowledged that was not sent, and acknowledgements do not fall (`serving`).
//!   5. When all is well again all data becomes equal, in bounded time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::data::Data;
use super::network::Connection;
use super::node::{Ask, Node, Options, TIMEOUT_MS};
use super::serving::{Make, Serving, State};
use crate::upstream::{Link, Upstream};
use russet_host::{Event, LinkId, Random};

/// Milliseconds after which data must be equal when all is well.
const PEACE_MS: u64 = 150_000;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    Write(usize),
    /// Two keys in a transaction.
    Unit(usize),
    /// A write, and a wait for all of its replicas.
    Wait(usize),
    /// Connections between two nodes end.
    Cut(usize, usize),
    /// They carry nothing more in the direction to the primary (0), from it (1), or both (2).
    Silence(usize, usize, usize),
    /// Two nodes cannot reach each other for that long.
    Part(usize, usize, u64),
    /// A node dies with what its disk does not have, and is back after that long.
    Crash(usize, u64),
    /// A node's disk has everything.
    Sync(usize),
    /// A node's disk is full, or has room again.
    Full(usize),
    /// A node stands still for that long: its clock jumps.
    Stall(usize, u64),
    Follow(usize, usize),
    Promote(usize),
    /// A primary hands over to a replica (FAILOVER), if that has everything.
    HandOver(usize, usize),
    /// The backlog is begun anew.
    Forget(usize),
}

struct Place {
    node: Node<Data>,
    /// It is down, or stands still, until then.
    back_ms: u64,
    dialing: Option<(LinkId, u64, bool)>,
    /// The position seen last.
    seen: Option<(String, u64)>,
    /// The writes that it has acknowledged and must have.
    owes: u64,
}

/// A client that waits: a bit of `Data::writes`, its primary, the offset after it.
struct WaitingClient {
    bit: u32,
    at: usize,
    offset: u64,
}

/// See the module.
pub struct World {
    random: Random,
    now_ms: u64,
    places: Vec<Place>,
    connections: Vec<Connection>,
    parted: Vec<(usize, usize, u64)>,
    seen: HashMap<(String, u64), Data>,
    waiting: Vec<WaitingClient>,
    next: u64,
    value: u64,
    bits: u32,
    is_calm: bool,
    pub log: Option<Vec<String>>,
}

/// How much has happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub steps: u64,
    pub acknowledged: u64,
    pub attempts: u64,
    /// Synchronizations by the machine of the primary: whole copies, and links that continued.
    pub copies: u64,
    pub continued: u64,
}

impl World {
    pub fn new(seed: u64, options: &[Options], keeps_log: bool) -> World {
        let place = |options: &Options| Place {
            node: Node::new(*options, keeps_log),
            back_ms: 0,
            dialing: None,
            seen: None,
            owes: 0,
        };
        World {
            random: Random(seed),
            now_ms: 1000,
            places: options.iter().map(place).collect(),
            connections: Vec::new(),
            parted: Vec::new(),
            seen: HashMap::new(),
            waiting: Vec::new(),
            next: 0,
            value: 0,
            bits: 0,
            is_calm: false,
            log: keeps_log.then(Vec::new),
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(log) = &mut self.log {
            log.push(format!("{now_ms:>6} {}", text()));
        }
    }

    /// Runs the troubles at their times, then lets all be well.
    pub fn run(
        &mut self,
        follows: &[Option<usize>],
        troubles: &[(u64, Trouble)],
    ) -> Result<Figures, String> {
        let mut figures = Figures::default();
        for (number, to) in follows.iter().enumerate() {
            if let Some(to) = to {
                self.follow(number, *to);
            }
        }
        let begin_ms = self.now_ms;
        for (at_ms, trouble) in troubles {
            while self.now_ms < begin_ms + at_ms {
                figures.steps += 1;
                self.step((begin_ms + at_ms - self.now_ms).min(50))?;
            }
            self.note(|| format!("{trouble:?}"));
            self.happen(*trouble);
            if let Trouble::Write(number) | Trouble::Unit(number) | Trouble::Wait(number) = *trouble
                && self.leads(number)
            {
                self.check(number)?;
            }
        }
        self.make_peace(&mut figures)?;
        figures.acknowledged = u64::from(self.bits) - self.waiting.len() as u64;
        let nodes = self.places.iter();
        let attempts = nodes.filter_map(|place| Some(place.node.upstream.as_ref()?.figures.total));
        figures.attempts = attempts.sum();
        for place in &self.places {
            let syncs = place.node.serves.replicas.syncs;
            figures.copies += syncs.full;
            figures.continued += syncs.partial_ok;
        }
        Ok(figures)
    }

    // --- troubles ---

    fn runs(&self, number: usize) -> bool {
        let place = &self.places[number];
        place.node.is_up && place.back_ms <= self.now_ms
    }

    fn happen(&mut self, trouble: Trouble) {
        let count = self.places.len();
        let now_ms = self.now_ms;
        match trouble {
            Trouble::Write(number) if self.leads(number) => {
                self.value += 1;
                let name = [b'0' + (self.value % 6) as u8];
                let value = self.value;
                self.places[number].node.write(&[(&name, value)]);
            }
            Trouble::Unit(number) if self.leads(number) => {
                self.value += 1;
                let value = self.value;
                self.places[number]
                    .node
                    .write(&[(b"x", value), (b"y", value)]);
            }
            Trouble::Wait(number) if self.leads(number) && self.bits < 64 => {
                let node = &mut self.places[number].node;
                node.write(&[(b"bit", u64::from(self.bits))]);
                self.waiting.push(WaitingClient {
                    bit: self.bits,
                    at: number,
                    offset: node.stream.offset(),
                });
                self.bits += 1;
                node.append(&[b"REPLCONF", b"GETACK", b"*"]);
            }
            Trouble::Cut(a, b) => {
                for connection in &mut self.connections {
                    if connection.joins(a, b) {
                        connection.cut(&mut self.random);
                    }
                }
            }
            Trouble::Silence(a, b, way) => {
                for connection in &mut self.connections {
                    if connection.joins(a, b) {
                        for (n, its) in connection.ways.iter_mut().enumerate() {
                            its.is_silent |= way == 2 || way == n;
                        }
                    }
                }
            }
            Trouble::Part(a, b, ms) => self.parted.push((a, b, now_ms + ms)),
            Trouble::Crash(number, ms) if self.places[number].node.is_up => {
                let place = &mut self.places[number];
                place.node.is_up = false;
                place.back_ms = now_ms + ms;
                place.dialing = None;
                self.waiting.retain(|waiting| waiting.at != number);
                let is_seen = self.random.place(100) < 50;
                for connection in &mut self.connections {
                    let side = match (connection.from == number, connection.to == number) {
                        (true, _) => 0,
                        (_, true) => 1,
                        _ => continue,
                    };
                    // A machine that loses its power does not close its connections.
                    if is_seen {
                        connection.close(side);
                    } else {
                        connection.is_open[side] = false;
                        connection.ways[side].is_silent = true;
                    }
                }
            }
            Trouble::Sync(number) if self.runs(number) => self.places[number].node.save(),
            Trouble::Full(number) => {
                let node = &mut self.places[number].node;
                node.disk_is_full = !node.disk_is_full;
            }
            Trouble::Stall(number, ms) if self.places[number].node.is_up => {
                self.places[number].back_ms = now_ms + ms;
            }
            Trouble::Follow(number, to) if self.runs(number) && number != to && to < count => {
                self.follow(number, to);
            }
            Trouble::HandOver(number, to) if self.may_hand_over(number, to) => {
                self.note(|| format!("node {number} hands over to {to}"));
                self.places[number].node.hand_over(now_ms, to);
                self.waiting.retain(|waiting| waiting.at != number);
                self.answer(number);
            }
            Trouble::Promote(number) if self.runs(number) => self.promote(number),
            Trouble::Forget(number) if self.runs(number) => {
                let node = &mut self.places[number].node;
                node.stream.drop_backlog();
                node.stream.keep_backlog(node.backlog_bytes);
            }
            _ => {}
        }
    }

    /// Whether a node takes writes.
    fn leads(&self, number: usize) -> bool {
        self.runs(number) && self.places[number].node.is_primary()
    }

    /// Whether a replica has acknowledged everything of a primary.
    fn may_hand_over(&self, number: usize, to: usize) -> bool {
        let offset = self.places[number].node.stream.offset();
        let mut its = self.connections.iter();
        let has_all = |its: &Connection| {
            let is_its = (its.from, its.to, its.link) == (to, number, Link::Main);
            is_its && its.is_open == [true, true] && its.session.acked == Some(offset)
        };
        number != to && self.leads(number) && self.runs(to) && its.any(has_all)
    }

    fn follow(&mut self, number: usize, to: usize) {
        let now_ms = self.now_ms;
        self.places[number].node.follow(now_ms, to);
        self.waiting.retain(|waiting| waiting.at != number);
        self.answer(number);
    }

    fn promote(&mut self, number: usize) {
        let now_ms = self.now_ms;
        self.places[number].node.promote(now_ms);
        self.answer(number);
    }

    // --- steps ---

    fn step(&mut self, by_ms: u64) -> Result<(), String> {
        self.now_ms += by_ms;
        let now_ms = self.now_ms;
        self.parted.retain(|(_, _, until_ms)| *until_ms > now_ms);
        for number in 0..self.places.len() {
            let place = &mut self.places[number];
            if place.back_ms > now_ms {
                continue;
            }
            if !place.node.is_up {
                place.node.restart(now_ms);
                place.owes &= place.node.data.writes;
                place.seen = None;
                self.note(|| format!("node {number} is back"));
                self.answer(number);
            }
            let why = self.step_node(number);
            why.map_err(|why| format!("node {number} at {now_ms}: {why}"))?;
            let why = self.check(number);
            why.map_err(|why| format!("node {number} at {now_ms}: {why}"))?;
        }
        self.end_links();
        self.connections.retain(|connection| !connection.is_over());
        self.count_acknowledged();
        Ok(())
    }

    /// Nodes forget the links of theirs that have ended, and close others that are of no use
    /// without these.
    fn end_links(&mut self) {
        let now_ms = self.now_ms;
        let mut useless = Vec::new();
        for connection in &mut self.connections {
            if !connection.is_open[1] && !std::mem::replace(&mut connection.is_forgotten, true) {
                let node = &mut self.places[connection.to].node;
                useless.extend(node.serves.depart(connection.number, now_ms));
            }
        }
        for connection in &mut self.connections {
            if useless.contains(&connection.number) {
                connection.close(1);
            }
        }
    }

    fn is_parted(&self, a: usize, b: usize) -> bool {
        let mut parted = self.parted.iter();
        parted.any(|&(x, y, _)| (x, y) == (a, b) || (x, y) == (b, a))
    }

    fn step_node(&mut self, number: usize) -> Result<(), String> {
        let now_ms = self.now_ms;
        if let Some((link, due_ms, is_taken)) = self.places[number].dialing
            && due_ms <= now_ms
        {
            self.places[number].dialing = None;
            self.connect(number, link, is_taken);
        }
        for at in 0..self.connections.len() {
            let (from, to) = (self.connections[at].from, self.connections[at].to);
            if self.is_parted(from, to) {
                continue;
            }
            if from == number && self.connections[at].is_open[0] {
                self.read_primary(at, number)?;
            }
            if to == number && self.connections[at].is_open[1] {
                self.serve(at, number)?;
            }
        }
        let node = &mut self.places[number].node;
        if node.is_primary() && now_ms >= node.pinged_ms + 1000 {
            node.pinged_ms = now_ms;
            node.append(&[b"PING"]);
        }
        node.work(now_ms, &mut self.random)?;
        self.answer(number);
        Ok(())
    }

    /// A connection is made, or refused.
    fn connect(&mut self, number: usize, link: LinkId, is_taken: bool) {
        let now_ms = self.now_ms;
        let to = self.places[number].node.follows;
        let taken = to.filter(|&to| is_taken && self.places[to].node.is_up);
        match taken {
            Some(to) => {
                self.next += 1;
                let upstream = self.places[number].node.upstream.as_ref();
                let its = upstream.map_or(Link::Main, Upstream::snapshot_link);
                let connection = Connection::new(self.next, number, to, (link, its));
                self.connections.push(connection);
                let local_ip = b"";
                let event = Event::Opened { link, local_ip };
                self.places[number].node.event(now_ms, event);
            }
            None => {
                let why = "Connection refused";
                let event = Event::Refused { link, why };
                self.places[number].node.event(now_ms, event);
            }
        }
        self.answer(number);
    }

    /// The replica's end of a connection.
    fn read_primary(&mut self, at: usize, number: usize) -> Result<(), String> {
        let (id, link) = (self.connections[at].id, self.connections[at].link);
        let now_ms = self.now_ms;
        if !self.places[number].node.wants(link) {
            return Ok(());
        }
        let arrived = self.connections[at].arrive(0, self.is_calm, &mut self.random);
        if arrived.is_none() {
            self.connections[at].close(0);
        }
        let node = &mut self.places[number].node;
        node.receive(now_ms, id, arrived.as_deref())?;
        self.answer(number);
        Ok(())
    }

    /// The primary's end of a connection.
    fn serve(&mut self, at: usize, number: usize) -> Result<(), String> {
        let now_ms = self.now_ms;
        let node = &mut self.places[number].node;
        let connection = &mut self.connections[at];
        let Some(bytes) = connection.arrive(1, self.is_calm, &mut self.random) else {
            connection.close(1);
            return Ok(());
        };
        let session = &mut connection.session;
        let mut serving = Serving {
            node,
            number: connection.number,
            now_ms,
            random: &mut self.random,
        };
        session.receive(&bytes, &mut serving)?;
        session.continue_sending(&mut serving);
        if std::mem::take(&mut session.took_over) {
            // This link stays.
            let its = connection.number;
            node.asks.retain(|ask| !matches!(ask, Ask::DropReplicas));
            for other in &mut self.connections {
                if other.to == number && other.number != its {
                    other.close(1);
                }
            }
        }
        let connection = &mut self.connections[at];
        let session = &mut connection.session;
        let out = std::mem::take(&mut session.out);
        let (begins, state, closes) = (session.begins.take(), session.state, session.closes);
        connection.send(1, &out);
        if closes || state == State::Done {
            connection.close(1);
        }
        if let Some((main, offset)) = begins {
            for other in &mut self.connections {
                if other.number == main && other.session.state == State::AwaitsSecond {
                    other.session.state = State::Online(offset);
                }
            }
        }
        Ok(())
    }

    /// Does what a node has asked of the network.
    fn answer(&mut self, number: usize) {
        let now_ms = self.now_ms;
        for ask in std::mem::take(&mut self.places[number].node.asks) {
            match ask {
                Ask::Dial(link) => {
                    let to = self.places[number].node.follows.unwrap_or(number);
                    let is_parted = self.is_parted(number, to);
                    // A node that is cut off does not answer; a node that is down refuses.
                    let wait_ms = if is_parted {
                        TIMEOUT_MS * 3
                    } else {
                        self.random.place(60) as u64
                    };
                    let due_ms = now_ms + wait_ms;
                    self.places[number].dialing = Some((link, due_ms, !is_parted));
                }
                Ask::Send(link, bytes) => {
                    let mut own = self.connections.iter_mut();
                    let found = own.find(|connection| {
                        (connection.from, connection.id) == (number, link) && connection.is_open[0]
                    });
                    if let Some(connection) = found {
                        connection.send(0, &bytes);
                    }
                }
                Ask::CloseSecond => {
                    for connection in &mut self.connections {
                        if (connection.from, connection.link) == (number, Link::Second) {
                            connection.close(0);
                        }
                    }
                }
                Ask::HangUp => {
                    self.places[number].dialing = None;
                    for connection in &mut self.connections {
                        if connection.from == number {
                            connection.close(0);
                        }
                    }
                }
                Ask::DropReplicas => {
                    for connection in &mut self.connections {
                        if connection.to == number {
                            connection.close(1);
                        }
                    }
                }
            }
        }
        if let Some(log) = &mut self.places[number].node.log {
            let lines = std::mem::take(log);
            for line in lines {
                self.note(|| format!("node {number}: {line}"));
            }
        }
    }

    // --- what must hold ---

    fn check(&mut self, number: usize) -> Result<(), String> {
        let place = &mut self.places[number];
        let node = &mut place.node;
        if let Some(words) = node.passed_on.pop() {
            return Err(format!("the stream has {words:?}"));
        }
        let is_replaced = std::mem::take(&mut node.is_replaced);
        if node.is_loading {
            (place.seen, place.owes) = (None, 0);
            return Ok(());
        }
        let Data {
            pair: (x, y),
            writes,
            ..
        } = node.data;
        if x != y {
            return Err(format!("half a unit: {x} and {y}"));
        }
        if is_replaced {
            place.owes &= writes;
        }
        if place.owes & !writes != 0 {
            return Err(format!("writes {:b} are lost", place.owes & !writes));
        }
        let at = node.stream.position();
        let key = (at.id.to_string(), at.offset);
        if let Some((id, offset)) = &place.seen
            && *id == key.0
            && *offset > key.1
            && !is_replaced
        {
            return Err(format!("the offset falls from {offset} to {}", key.1));
        }
        if place.seen.as_ref() == Some(&key) && !is_replaced {
            return Ok(());
        }
        match self.seen.entry(key.clone()) {
            Entry::Vacant(entry) => _ = entry.insert(node.data),
            Entry::Occupied(entry) if *entry.get() != node.data => {
                let seen = entry.get();
                return Err(format!("at {key:?} {:?}, elsewhere {seen:?}", node.data));
            }
            Entry::Occupied(_) => {}
        }
        place.seen = Some(key);
        Ok(())
    }

    /// Clients' waits that have ended: those replicas owe the write.
    fn count_acknowledged(&mut self) {
        let (places, connections) = (&mut self.places, &self.connections);
        self.waiting.retain(|waiting| {
            let of = connections.iter();
            let of = of.filter(|its| its.to == waiting.at && its.link == Link::Main);
            let mut has_all = true;
            let mut acked = Vec::new();
            for connection in of.filter(|its| its.is_open[1]) {
                let its = connection.session.acked;
                let is_acked = its.is_some_and(|acked| acked >= waiting.offset);
                has_all &= is_acked;
                // On a link that the replica has left, it may have been said before a crash.
                if is_acked && connection.is_open[0] {
                    acked.push(connection.from);
                }
            }
            if !has_all || acked.is_empty() {
                return true;
            }
            for number in acked {
                let place = &mut places[number];
                // A node that has died, or follows another node by now, owes nothing.
                let is_there = place.node.is_up && place.node.follows == Some(waiting.at);
                if is_there && !place.node.is_loading && place.node.is_online() {
                    place.owes |= 1 << waiting.bit;
                }
            }
            false
        });
    }

    // --- the end ---

    fn make_peace(&mut self, figures: &mut Figures) -> Result<(), String> {
        self.note(|| "peace".to_owned());
        self.is_calm = true;
        self.parted.clear();
        let count = self.places.len();
        for place in &mut self.places {
            place.back_ms = place.back_ms.min(self.now_ms);
            place.node.disk_is_full = false;
        }
        self.step(10)?;
        let top = self.random.place(count);
        self.promote(top);
        let began_ms = self.now_ms;
        let mut round = 0;
        while self.now_ms < began_ms + PEACE_MS {
            if round % 100 == 0 {
                for number in (0..count).filter(|&number| number != top) {
                    // One follows another replica, if there are enough.
                    let to = if number + 1 == count && count > 2 && top + 1 != count {
                        (0..count).find(|&other| other != top && other != number)
                    } else {
                        None
                    };
                    self.follow(number, to.unwrap_or(top));
                }
                self.happen(Trouble::Unit(top));
            }
            round += 1;
            figures.steps += 1;
            self.step(100)?;
            if round % 100 > 3 && self.agree(top) {
                return Ok(());
            }
        }
        let states = self.places.iter().map(|place| {
            let node = &place.node;
            (
                node.options.make,
                node.follows,
                node.phase(),
                node.stream.position(),
                node.data,
            )
        });
        let states: Vec<_> = states.collect();
        Err(format!("not equal when all is well: top {top}, {states:?}"))
    }

    fn agree(&self, top: usize) -> bool {
        let first = &self.places[top].node;
        let is_old = self
            .places
            .iter()
            .any(|place| place.node.options.make == Make::Old);
        self.places.iter().all(|place| {
            let node = &place.node;
            node.serves()
                && node.data == first.data
                && (is_old || node.stream.position() == first.stream.position())
        })
    }
}
