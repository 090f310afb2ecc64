//! The world of a run: nodes, clients and connections, and the steps of time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use russet::testing::command_table;
use russet::testing::node::{Facts, ServerNode};

use crate::checks::{Cursor, StreamRecord, covers};
use crate::net::{Link, draw};
use crate::plan::{CHAOS_MS, Event, Plan, REPL_TIMEOUT_S};
use crate::request;

const BASE_US: i64 = 1_700_000_000_000_000;
const PORT: u16 = 7001;
/// The milliseconds in which a healed network must make all data equal.
const HEAL_MS: u64 = 1000 * (3 * REPL_TIMEOUT_S + 40);

/// The reply that a client waits for.
enum AwaitedReply {
    Anything,
    /// The number of replicas that have a write.
    Waited(u64),
}

struct Client {
    socket: UnixStream,
    expected: VecDeque<AwaitedReply>,
    replies: Vec<u8>,
}

/// A write with WAIT, and the nodes that have had it.
struct WaitedWrite {
    number: u64,
    at: usize,
    /// The history, and the offset before the write; `None` if the write was before the history.
    id: String,
    after: Option<u64>,
    had: Vec<bool>,
}

struct DialledLink {
    from: usize,
    to: usize,
    inner: UnixStream,
}

/// The state that the diallers see.
#[derive(Default)]
struct Reach {
    dialled: Vec<DialledLink>,
    refused: Vec<(usize, usize)>,
    is_up: Vec<bool>,
}

struct Place {
    node: Option<ServerNode>,
    folder: PathBuf,
    lives: u32,
    options: Vec<String>,
    started_ms: u64,
    back_ms: u64,
    skew_ms: i64,
    follows: Option<usize>,
    facts: Option<Facts>,
    cursor: Cursor,
    client: Option<Client>,
    waiters: Vec<Client>,
    /// The append only file, and its length when the whole file was synced.
    synced: Option<(PathBuf, u64)>,
}

pub struct World {
    plan: Plan,
    now_ms: u64,
    step: u64,
    places: Vec<Place>,
    links: Vec<Link>,
    parted: Vec<(usize, usize, u64)>,
    reach: Rc<RefCell<Reach>>,
    seen: StreamRecord,
    waited: Vec<WaitedWrite>,
    next_link: u64,
    is_healed: bool,
    pub log: Option<Vec<String>>,
}

/// The duration of a run in the world, and its counts.
#[derive(Default, Debug)]
pub struct Figures {
    pub steps: u64,
    pub full: u64,
    pub partial: u64,
    pub heal_ms: u64,
}

/// All file names with their lengths and times.
fn listing(folder: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Ok(facts) = entry.metadata() {
            all.push((entry.path(), facts.len(), facts.modified().ok()));
            if facts.is_dir() {
                all.append(&mut listing(&entry.path()));
            }
        }
    }
    all.sort();
    all
}

fn last_increment(folder: &Path) -> Option<(PathBuf, u64)> {
    let entries = fs::read_dir(folder.join("appendonlydir")).ok()?;
    let files = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let number: u64 = name
            .strip_suffix(".incr.aof")?
            .rsplit('.')
            .next()?
            .parse()
            .ok()?;
        Some((number, entry.path(), entry.metadata().ok()?.len()))
    });
    let (_, path, len) = files.max()?;
    Some((path, len))
}

impl Client {
    fn new(node: &mut ServerNode) -> Client {
        let (mine, its) = UnixStream::pair().expect("sockets");
        mine.set_nonblocking(true).expect("a socket");
        node.accept(its, 9).expect("a client");
        Client {
            socket: mine,
            expected: VecDeque::new(),
            replies: Vec::new(),
        }
    }

    fn send(&mut self, words: &[&[u8]], expected: AwaitedReply) {
        // A server that is stuck takes no more bytes.
        if self.expected.len() < 400 && self.socket.write_all(&request(words)).is_ok() {
            self.expected.push_back(expected);
        }
    }

    /// Takes complete replies, as far as they matter: simple strings and numbers, a line each.
    fn take_number(&mut self) -> Vec<(u64, u64)> {
        let mut bytes = [0; 16 * 1024];
        while let Ok(n) = self.socket.read(&mut bytes) {
            if n == 0 {
                break;
            }
            self.replies.extend_from_slice(&bytes[..n]);
        }
        let mut found = Vec::new();
        loop {
            let Some(len) = reply_len(&self.replies, 0) else {
                return found;
            };
            let reply: Vec<u8> = self.replies.drain(..len).collect();
            if let Some(AwaitedReply::Waited(number)) = self.expected.pop_front()
                && reply[0] == b':'
            {
                let text = String::from_utf8_lossy(&reply[1..reply.len() - 2]).into_owned();
                found.push((number, text.parse().unwrap_or(0)));
            }
        }
    }
}

/// The length of the reply that begins at `at`.
fn reply_len(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let end = rest.windows(2).position(|two| two == b"\r\n")? + 2;
    let number = || {
        std::str::from_utf8(&rest[1..end - 2])
            .ok()?
            .parse::<i64>()
            .ok()
    };
    match rest[0] {
        b'$' => {
            let len = number()?;
            let whole = if len < 0 { end } else { end + len as usize + 2 };
            (rest.len() >= whole).then_some(at + whole)
        }
        b'*' => {
            let mut to = at + end;
            for _ in 0..number()?.max(0) {
                to = reply_len(bytes, to)?;
            }
            Some(to)
        }
        _ => Some(at + end),
    }
}

impl World {
    pub fn new(plan: &Plan, folder: &Path, keeps: bool) -> World {
        let count = plan.nodes.len();
        let _ = fs::remove_dir_all(folder);
        let places = (0..count)
            .map(|number| {
                let own = folder.join(format!("node{number}"));
                fs::create_dir_all(&own).expect("a folder");
                Place {
                    node: None,
                    folder: own,
                    lives: 0,
                    options: plan.nodes[number].clone(),
                    started_ms: 0,
                    back_ms: 0,
                    skew_ms: 0,
                    follows: plan.follows[number],
                    facts: None,
                    cursor: Cursor::default(),
                    client: None,
                    waiters: Vec::new(),
                    synced: None,
                }
            })
            .collect();
        let reach = Reach {
            is_up: vec![false; count],
            ..Reach::default()
        };
        World {
            plan: plan.clone(),
            now_ms: 0,
            step: 0,
            places,
            links: Vec::new(),
            parted: Vec::new(),
            reach: Rc::new(RefCell::new(reach)),
            seen: StreamRecord::new(keeps),
            waited: Vec::new(),
            next_link: 0,
            is_healed: false,
            log: keeps.then(Vec::new),
        }
    }

    fn say(&mut self, text: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(log) = &mut self.log {
            log.push(format!("{now_ms:>6} {}", text()));
        }
    }

    fn luck(&self, a: u64, b: u64) -> u64 {
        draw(self.plan.seed, self.step, a, b)
    }

    fn enter(&self, number: usize) {
        std::env::set_current_dir(&self.places[number].folder).expect("a folder");
    }

    fn start(&mut self, number: usize) -> Result<(), String> {
        self.enter(number);
        let reach = Rc::clone(&self.reach);
        let count = self.places.len();
        let dial = move |_: &str, port: u16| {
            let mut reach = reach.borrow_mut();
            let to = usize::from(port.wrapping_sub(PORT));
            if to >= count || !reach.is_up[to] || reach.refused.contains(&(number, to)) {
                return Err(ErrorKind::ConnectionRefused.into());
            }
            let (inner, outer) = UnixStream::pair()?;
            reach.dialled.push(DialledLink {
                from: number,
                to,
                inner,
            });
            Ok(outer)
        };
        let place = &mut self.places[number];
        let mut options = place.options.clone();
        options.extend(["--port".to_owned(), (PORT + number as u16).to_string()]);
        if let Some(to) = place.follows {
            options.push("--replicaof".to_owned());
            options.push(format!("127.0.0.1 {}", PORT + to as u16));
        }
        let unix_us = BASE_US + (self.now_ms as i64 + place.skew_ms) * 1000;
        let started = ServerNode::start(command_table(), &options, unix_us, dial);
        let mut node = started.map_err(|why| {
            let files = listing(&place.folder);
            let files: Vec<String> = files
                .iter()
                .map(|(path, len, _)| format!("{} {len}", path.display()))
                .collect();
            let manifest = place.folder.join("appendonlydir/appendonly.aof.manifest");
            let manifest = fs::read_to_string(manifest).unwrap_or_default();
            format!("node {number} does not start: {why}: {files:?}, manifest {manifest:?}")
        })?;
        place.started_ms = self.now_ms;
        place.client = Some(Client::new(&mut node));
        place.waiters.clear();
        place.cursor = Cursor::default();
        place.facts = Some(node.facts());
        place.synced = None;
        place.node = Some(node);
        self.reach.borrow_mut().is_up[number] = true;
        self.say(|| format!("node {number} starts"));
        Ok(())
    }

    fn primary(&self, number: usize) -> bool {
        let facts = self.places[number].facts.as_ref();
        facts.is_some_and(|facts| facts.follows.is_none())
    }

    /// Ends a node.
    fn end(&mut self, number: usize, power: bool, back_ms: u64) {
        let place = &mut self.places[number];
        if place.node.is_none() {
            return;
        }
        // Helper threads of the old process may continue in its folder.
        place.lives += 1;
        let kept = place.folder.with_extension(place.lives.to_string());
        // A helper thread may change the files, so the copy must show a single moment.
        for _ in 0..100 {
            let before = listing(&place.folder);
            let _ = fs::remove_dir_all(&kept);
            crate::folders::copy(&place.folder, &kept).expect("a copy");
            if listing(&place.folder) == before {
                break;
            }
        }
        if power
            && let Some((path, len)) = last_increment(&place.folder)
            && let Some((synced_path, synced)) = &place.synced
            && *synced_path == path
            && len > *synced
        {
            let cut =
                synced + draw(self.plan.seed, self.step, 9, number as u64) % (len - synced + 1);
            let copy = kept
                .join("appendonlydir")
                .join(path.file_name().expect("a name"));
            let file = fs::OpenOptions::new()
                .write(true)
                .open(copy)
                .expect("a file");
            file.set_len(cut).expect("shorter");
        }
        place.node = None;
        place.facts = None;
        place.client = None;
        place.waiters.clear();
        place.back_ms = self.now_ms + back_ms;
        let _ = fs::remove_dir_all(&place.folder);
        place.folder = kept;
        // A crash keeps the files as they are.
        for entry in fs::read_dir(&place.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("temp-") {
                let _ = fs::remove_file(entry.path());
            }
        }
        self.reach.borrow_mut().is_up[number] = false;
        for link in &mut self.links {
            if link.from == number || link.to == number {
                if power {
                    link.lose(number);
                } else {
                    let _ = link.collect(number);
                }
            }
        }
        self.waited.retain(|waited| waited.at != number);
    }

    fn send(&mut self, number: usize, words: &[&[u8]], expected: AwaitedReply) {
        if let Some(client) = &mut self.places[number].client {
            client.send(words, expected);
        }
    }

    fn run_text(&mut self, number: usize, text: &str) {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        self.send(number, &words, AwaitedReply::Anything);
    }

    fn happen(&mut self, event: &Event) -> Result<(), String> {
        let count = self.places.len();
        let is_there = |number: &usize| *number < count;
        self.say(|| format!("{event:.100?}"));
        match event {
            Event::Run(node, words) if is_there(node) => {
                // Most writes go to a primary; a few go to a replica, which refuses them.
                let node = if self.primary(*node) || self.luck(1, 1).is_multiple_of(8) {
                    *node
                } else {
                    (0..count).find(|&n| self.primary(n)).unwrap_or(*node)
                };
                let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                let other_db = self.luck(2, 2).is_multiple_of(5);
                if other_db {
                    self.run_text(node, "SELECT 1");
                }
                self.send(node, &words, AwaitedReply::Anything);
                if other_db {
                    self.run_text(node, "SELECT 0");
                }
            }
            Event::Unit(node, number) if is_there(node) => {
                self.run_text(*node, "MULTI");
                self.run_text(*node, &format!("SET u:x {number}"));
                self.run_text(*node, "INCR n:0");
                self.run_text(*node, &format!("SET u:y {number}"));
                self.run_text(*node, "EXEC");
            }
            Event::Burst(node, times, bytes) if is_there(node) => {
                let text = "v".repeat(*bytes);
                for i in 0..*times {
                    self.run_text(*node, &format!("SET burst:{} {text}", i % 3));
                }
            }
            Event::Wait(node, replicas, number) if is_there(node) => {
                let Some(node_mut) = self.places[*node].node.as_mut() else {
                    return Ok(());
                };
                let mut client = Client::new(node_mut);
                let before = node_mut.facts();
                let key = format!("w:{number}");
                client.send(&[b"SET", key.as_bytes(), b"1"], AwaitedReply::Anything);
                let replicas = replicas.to_string();
                let wait: [&[u8]; 3] = [b"WAIT", replicas.as_bytes(), b"3000"];
                client.send(&wait, AwaitedReply::Waited(*number));
                self.places[*node].waiters.push(client);
                self.waited.push(WaitedWrite {
                    number: *number,
                    at: *node,
                    id: before.id,
                    after: Some(before.offset),
                    had: vec![false; count],
                });
            }
            Event::Cut(a, b) => {
                let luck = self.luck(3, 3);
                self.links
                    .iter_mut()
                    .filter(|l| l.joins(*a, *b))
                    .for_each(|l| l.cut(luck));
            }
            Event::Silence(a, b) => {
                self.links
                    .iter_mut()
                    .filter(|l| l.joins(*a, *b))
                    .for_each(|l| l.is_silent = true);
            }
            Event::Part(a, b, ms) => self.parted.push((*a, *b, self.now_ms + ms)),
            Event::Crash(node, power, ms) if is_there(node) => self.end(*node, *power, *ms),
            Event::Stop(node, ms) if is_there(node) => {
                self.run_text(*node, "SHUTDOWN");
                self.places[*node].back_ms = self.now_ms + ms + 1000;
            }
            Event::Follow(node, to) if is_there(node) && is_there(to) => self.follow(*node, *to),
            Event::Promote(node) if is_there(node) => self.run_text(*node, "REPLICAOF NO ONE"),
            Event::Failover(node, to, limit, force) if is_there(node) => {
                let mut text = "FAILOVER".to_owned();
                if let Some(to) = to {
                    text += &format!(" TO 127.0.0.1 {}", PORT + *to as u16);
                    if *force && limit.is_some() {
                        text += " FORCE";
                    }
                }
                if let Some(limit) = limit {
                    text += &format!(" TIMEOUT {limit}");
                }
                self.run_text(*node, &text);
            }
            Event::Jump(node, ms) if is_there(node) => self.places[*node].skew_ms += ms,
            _ => {}
        }
        Ok(())
    }

    fn follow(&mut self, node: usize, to: usize) {
        self.run_text(node, &format!("REPLICAOF 127.0.0.1 {}", PORT + to as u16));
    }

    /// A step of time.
    fn step(&mut self, by_ms: u64) -> Result<(), String> {
        self.now_ms += by_ms;
        self.step += 1;
        let now_ms = self.now_ms;
        self.parted.retain(|(_, _, until)| *until > now_ms);
        let both = |parted: &(usize, usize, u64)| [(parted.0, parted.1), (parted.1, parted.0)];
        self.reach.borrow_mut().refused = self.parted.iter().flat_map(both).collect();
        for number in 0..self.places.len() {
            if self.places[number].node.is_none() && self.places[number].back_ms <= now_ms {
                self.start(number)?;
            }
        }
        for number in 0..self.places.len() {
            self.step_node(number)
                .map_err(|why| format!("node {number}: {why}"))?;
        }
        self.links.retain(|link| !link.is_over());
        Ok(())
    }

    fn is_parted(&self, link: &Link) -> bool {
        self.parted.iter().any(|(a, b, _)| link.joins(*a, *b))
    }

    fn step_node(&mut self, number: usize) -> Result<(), String> {
        if self.places[number].node.is_none() {
            return Ok(());
        }
        self.enter(number);
        let before = self.places[number].facts.clone();
        for at in 0..self.links.len() {
            let luck = draw(
                self.plan.seed,
                self.step,
                self.links[at].number,
                number as u64,
            );
            let is_parted = self.is_parted(&self.links[at]);
            let link = &mut self.links[at];
            if link.from != number && link.to != number {
                continue;
            }
            if !is_parted {
                // In a healed network all bytes arrive.
                let luck = if self.is_healed { 9 } else { luck };
                link.deliver(number, luck);
            }
            if link.to == number
                && link.wants_answer()
                && let (Some(before), Some((id, offset))) = (&before, &link.asked.position)
            {
                link.asked.before = covers(before, id, *offset);
            }
        }
        let place = &mut self.places[number];
        let unix_us = BASE_US + (self.now_ms as i64 + place.skew_ms) * 1000;
        let mono_ms = self.now_ms - place.started_ms;
        let Some(node) = &mut place.node else {
            return Ok(());
        };
        node.set_time(unix_us, mono_ms);
        node.run()?;
        let facts = node.facts();
        for link in &mut self.links {
            if link.from == number && link.asked.is_full && facts.link != "handshake" {
                // A full sync may set the position back to the primary's.
                link.asked.is_full = facts.link == "sync";
                place.cursor = Cursor::default();
            }
        }
        if before.as_ref() != Some(&facts) {
            self.seen
                .check(node, number, &facts, &mut place.cursor, self.now_ms)?;
        }
        let counted = before.as_ref().is_some_and(|b| b.backlog.is_some());
        let begins = !counted && facts.backlog.is_some() && facts.follows.is_none();
        for waited in &mut self.waited {
            // The offset counts from here on, whether or not the history has a new id.
            if waited.at == number && begins {
                (waited.id, waited.after) = (facts.id.clone(), None);
            }
            // The node was promoted before the write.
            if waited.at == number
                && let Some((earlier, end)) = &facts.earlier
                && *earlier == waited.id
                && waited.after.is_some_and(|after| after + 1 >= *end)
            {
                waited.id = facts.id.clone();
            }
            let is_past = facts.id == waited.id
                || facts
                    .earlier
                    .as_ref()
                    .is_some_and(|(id, _)| *id == waited.id);
            // The snapshot, not the stream, has a write before the first replica.
            let has_passed = waited.after.is_none_or(|after| facts.offset > after);
            waited.had[number] |= is_past && has_passed && facts.has_data && !facts.is_loading
                || node
                    .text(format!("w:{}", waited.number).as_bytes())
                    .is_some();
        }
        if facts.synced == Some(facts.offset) {
            place.synced = last_increment(&place.folder);
        }
        place.follows = facts.follows.map(|port| usize::from(port - PORT));
        let mut answers = Vec::new();
        if let Some(client) = &mut place.client {
            answers.extend(client.take_number());
        }
        for client in &mut place.waiters {
            answers.extend(client.take_number());
        }
        place.waiters.retain(|client| !client.expected.is_empty());
        let has_stopped = node.has_stopped();
        for (write, replicas) in answers {
            let Some(at) = self.waited.iter().position(|waited| waited.number == write) else {
                continue;
            };
            let waited = self.waited.swap_remove(at);
            let had = waited
                .had
                .iter()
                .enumerate()
                .filter(|(n, had)| *n != number && **had);
            let had = had.count() as u64;
            if had < replicas {
                return Err(format!(
                    "WAIT says {replicas} of write {write}, but {had} have had it"
                ));
            }
        }
        let (mut full, mut changed) = (false, false);
        if let Some(before) = &before {
            full = facts.syncs.0 > before.syncs.0;
            changed = (&before.id, before.link, before.follows, before.fails_over)
                != (&facts.id, facts.link, facts.follows, facts.fails_over);
        }
        for link in &mut self.links {
            if link.to == number
                && link.wants_answer()
                && let Some((id, offset)) = &link.asked.position
            {
                link.asked.after = covers(&facts, id, *offset);
            }
            if link.from == number || link.to == number {
                link.collect(number)?;
            }
        }
        if full || changed {
            let text = format!(
                "node {number}: {:.6}:{} earlier {:?} follows {:?} {} syncs {:?} backlog {:?} failover {:?}",
                facts.id,
                facts.offset,
                facts
                    .earlier
                    .as_ref()
                    .map(|(id, end)| (id[..6].to_owned(), end)),
                facts.follows,
                facts.link,
                facts.syncs,
                facts.backlog,
                facts.fails_over
            );
            self.say(|| text);
        }
        self.places[number].facts = Some(facts);
        self.connect()?;
        if has_stopped {
            let back = self.places[number]
                .back_ms
                .saturating_sub(self.now_ms)
                .min(5000);
            self.end(number, false, back);
        }
        Ok(())
    }

    /// Connections that nodes have dialled reach the other end.
    fn connect(&mut self) -> Result<(), String> {
        let dialled = std::mem::take(&mut self.reach.borrow_mut().dialled);
        for DialledLink { from, to, inner } in dialled {
            let Some(node) = self.places[to].node.as_mut() else {
                continue;
            };
            let (mine, its) = UnixStream::pair().map_err(|error| error.to_string())?;
            node.accept(its, 10_000 + from as u16)
                .map_err(|error| error.to_string())?;
            let number = self.next_link;
            self.next_link += 1;
            let mut link = Link::new(number, from, to, inner, mine);
            link.collect(from)?;
            self.links.push(link);
        }
        Ok(())
    }

    /// The whole run.
    pub fn run(&mut self) -> Result<Figures, String> {
        let events = self.plan.events.clone();
        let mut events = events.iter().peekable();
        let mut extra = 0;
        while self.now_ms < CHAOS_MS {
            while let Some((_, event)) = events.next_if(|(at, _)| *at <= self.now_ms) {
                self.happen(event)?;
            }
            extra += 1;
            let by = [3, 10, 30, 60, 100, 100, 150][draw(self.plan.seed, extra, 4, 4) as usize % 7];
            self.step(by)?;
        }
        self.heal()
    }

    fn heal(&mut self) -> Result<Figures, String> {
        self.say(|| "healed".to_owned());
        self.is_healed = true;
        self.parted.clear();
        let began_ms = self.now_ms;
        let count = self.places.len();
        for place in &mut self.places {
            place.back_ms = place.back_ms.min(self.now_ms);
        }
        self.step(10)?;
        // The primary of most nodes, if it is a primary.
        let followers = |world: &World, to: usize| {
            world
                .places
                .iter()
                .filter(|place| place.follows == Some(to))
                .count()
        };
        let primaries = (0..count).filter(|&n| self.primary(n));
        let top = primaries
            .max_by_key(|&n| (followers(self, n), count - n))
            .unwrap_or(0);
        let mut round = 0;
        while self.now_ms < began_ms + HEAL_MS {
            // Repeated, because a running failover refuses the command, and a node may have been
            // loading.
            if round % 50 == 0 {
                for number in 0..count {
                    // The old client may wait for the end of a failover or shutdown, which the next
                    // lines abort.
                    let place = &mut self.places[number];
                    place.client = place.node.as_mut().map(Client::new);
                    self.run_text(number, "FAILOVER ABORT");
                    self.run_text(number, "SHUTDOWN ABORT");
                }
                self.run_text(top, "REPLICAOF NO ONE");
                for number in (0..count).filter(|&n| n != top) {
                    // If there are enough nodes, one of them is a replica of a replica.
                    let to = if number + 1 == count && count > 2 {
                        (0..count).find(|&n| n != top).unwrap_or(top)
                    } else {
                        top
                    };
                    let to = if to == number { top } else { to };
                    self.follow(number, to);
                }
            }
            round += 1;
            self.step(if round % 50 == 1 { 10 } else { 100 })?;
            if self.agree() {
                return self.finish(top, began_ms);
            }
        }
        let states: Vec<String> = self
            .places
            .iter()
            .map(|place| format!("{:?}", place.facts))
            .collect();
        Err(format!(
            "not equal after healing:\n  {}",
            states.join("\n  ")
        ))
    }

    fn agree(&self) -> bool {
        let Some(Some(first)) = self.places.first().map(|place| &place.facts) else {
            return false;
        };
        let same = |place: &Place| {
            place.facts.as_ref().is_some_and(|facts| {
                facts.id == first.id
                    && facts.offset == first.offset
                    && facts.fails_over.is_none()
                    && (facts.follows.is_none() || facts.link == "connected")
                    && facts.replicas.iter().all(|replica| replica.is_online)
            })
        };
        self.places.iter().all(same) && self.links.iter().all(Link::is_calm)
    }

    /// Checks that equal positions have equal data (`StreamRecord`), and that the last write
    /// reaches all nodes.
    fn finish(&mut self, top: usize, began_ms: u64) -> Result<Figures, String> {
        let heal_ms = self.now_ms - began_ms;
        let count = self.places.len();
        self.happen(&Event::Wait(top, count - 1, 999_999))?;
        // A node notices a dead link after the link's timeout.
        for round in 0..120 {
            let waits = self.waited.iter().any(|w| w.number == 999_999);
            if round >= 20 && !waits && self.agree() {
                break;
            }
            self.step(100)?;
        }
        let direct = self
            .places
            .iter()
            .filter(|p| p.follows == Some(top))
            .count();
        if count > 1 && direct == count - 1 && self.waited.iter().any(|w| w.number == 999_999) {
            return Err("the last WAIT has no answer".to_owned());
        }
        let signatures: Vec<String> = self
            .places
            .iter_mut()
            .filter_map(|p| Some(p.node.as_mut()?.signature()))
            .collect();
        if signatures.iter().any(|one| *one != signatures[0]) {
            return Err("the data differs at the end".to_owned());
        }
        let mut figures = Figures {
            steps: self.step,
            heal_ms,
            ..Figures::default()
        };
        for (number, place) in self.places.iter().enumerate() {
            let Some(facts) = &place.facts else {
                continue;
            };
            figures.full += facts.syncs.0;
            figures.partial += facts.syncs.1;
            if facts.is_saving {
                return Err(format!("node {number} still makes a snapshot"));
            }
            let held = || self.links.iter().filter(|link| link.is_held_by(number));
            let silent = held().filter(|link| link.is_silent).count();
            let links = held().count() - silent;
            let expected = facts.replicas.len() + usize::from(facts.follows.is_some());
            if links > expected || expected > links + silent {
                return Err(format!(
                    "node {number} has {links} connections for {expected} links"
                ));
            }
            let names = fs::read_dir(&place.folder).into_iter().flatten().flatten();
            for entry in names {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("temp-") {
                    return Err(format!("node {number} has left {name}"));
                }
            }
        }
        Ok(figures)
    }
}
