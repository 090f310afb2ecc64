//! A run: a server, the writing client, all other clients, and the steps of time.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use russet::testing::node::MemoryFacts;

use super::plan::{Event, Plan};
use super::server::Server;
use crate::random::Random;
use crate::request;

/// The rounds of a step at most: clients send, the server has its turns, clients read.
const ROUNDS_MAX: usize = 5000;
/// The percentage of keys that may be missing while clients wait, and after a quiet second.
const MISSING_NOW: usize = 5;
const MISSING_AFTER: usize = 2;
/// Steps of the quiet second.
const QUIET_STEPS: u64 = 12;
const STEP_MS: u64 = 100;
/// The longest wait for the disk at the end.
const DISK_MAX: Duration = Duration::from_secs(10);
/// The memory that an owner may keep when all its users have gone: buffers, and the Lua states of
/// scripts.
const LEFT_MAX: [(&str, usize); 6] = [
    ("log", 3 << 20),
    ("snapshots", 64 << 10),
    ("backlog", 128 << 10),
    ("clients", 256 << 10),
    ("scripts", 1 << 20),
    ("others", 256 << 10),
];

const EXPIRY_S: &[u8] = b"100000";
const GARBAGE: &[u8] = b"local t = {} for i = 1, tonumber(ARGV[1]) do \
    t[i] = string.rep('x', 1000) .. i end return #t";
const LIBRARY: &[u8] = b"#!lua name=junk\nredis.register_function('junk', function(keys, args) \
    local t = {} for i = 1, tonumber(args[1]) do t[i] = string.rep('x', 1000) .. i end \
    return #t end)";
const SETS: &[u8] = b"for _, key in ipairs(KEYS) do \
    redis.call('SET', key, ARGV[1], 'EX', ARGV[2]) end return #KEYS";
/// The length of a value that clients are sent while it is overwritten.
const LARGE: usize = 300_000;

/// The memory that counts towards the limit besides keys: a part of the clients' buffers, the
/// backlog up to its size, figures of commands, channels and tracked keys, and a few percent of the
/// buffers of clients whose commands run, because the server does not know their memory exactly.
/// With many keys this is 0, because there the percentages cover it.
fn beside_keys(plan: &Plan) -> usize {
    if plan.scale < LARGE_SCALE {
        (1 << 20) + plan.backlog
    } else {
        0
    }
}

/// From this scale on, memory besides keys must fit into the percentage of missing keys.
const LARGE_SCALE: usize = 20;

/// The number of keys that a server has held.
#[derive(Clone, Copy, Debug)]
pub struct KeyCounts {
    /// The fewest keys at the end of a turn that evicted or refused; `None` if no turn did.
    pub when_full: Option<usize>,
    /// The number of keys after the quiet second.
    pub in_the_end: usize,
    bytes_per_key: usize,
}

struct Client {
    /// `None` if the server has closed it.
    socket: Option<UnixStream>,
    /// The unsent bytes, reversed in chunks, and the position of the first byte.
    out: (Vec<u8>, usize),
    reads: bool,
    /// The bytes that it sends when it continues.
    rest: Vec<u8>,
    /// The end of the received bytes, and the number of bytes to keep.
    tail: Vec<u8>,
    tail_max: usize,
}

impl Client {
    fn send(&mut self, words: &[&[u8]]) {
        self.out.0.extend_from_slice(&request(words));
    }

    fn send_text(&mut self, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.send(&words);
    }

    /// Sends and reads as many bytes as possible; returns whether any byte has moved.
    fn exchange(&mut self) -> bool {
        let (out, sent) = &mut self.out;
        let mut has_moved = false;
        let mut is_over = false;
        if let Some(socket) = &mut self.socket {
            while *sent < out.len() && !is_over {
                match socket.write(&out[*sent..]) {
                    Ok(n) => (*sent, has_moved) = (*sent + n, true),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => is_over = true,
                }
            }
            if *sent == out.len() {
                (*out, *sent) = (Vec::new(), 0);
            }
            let mut bytes = [0; 64 * 1024];
            while self.reads && !is_over {
                match socket.read(&mut bytes) {
                    Ok(n) if n > 0 => {
                        has_moved = true;
                        self.tail.extend_from_slice(&bytes[..n]);
                        let extra = self.tail.len().saturating_sub(self.tail_max);
                        self.tail.drain(..extra);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    _ => is_over = true,
                }
            }
        }
        if is_over {
            self.socket = None;
        }
        has_moved
    }
}

pub struct World<'a> {
    plan: &'a Plan,
    /// The keys that the server with only the writes has held; `None` in that server's own run.
    alone: Option<KeyCounts>,
    server: Server,
    writer: Client,
    control: Client,
    others: Vec<Client>,
    now_ms: u64,
    /// The number of keys written so far, and so a bound of their numbers.
    written: usize,
    value: Vec<u8>,
    memory: MemoryFacts,
    limit: usize,
    held: KeyCounts,
    /// The current event.
    at: String,
}

fn key(number: usize) -> Vec<u8> {
    format!("key:{number:08}").into_bytes()
}

impl World<'_> {
    /// A server that has its keys and its limit.
    pub fn start<'a>(
        plan: &'a Plan,
        folder: &Path,
        alone: Option<KeyCounts>,
    ) -> Result<World<'a>, String> {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        std::env::set_current_dir(folder).map_err(|error| error.to_string())?;
        let backlog = plan.backlog.max(16 << 10).to_string();
        let mut settings = vec![
            ("save", ""),
            ("port", "0"),
            ("enable-debug-command", "yes"),
            ("snapshot-method", "loop"),
            // Off, because 24 KB count for each command that was ever sent, and the second run
            // sends more commands.
            ("latency-tracking", "no"),
            ("repl-backlog-size", &backlog),
        ];
        settings.extend(&plan.common);
        if alone.is_some() {
            settings.extend(&plan.settings);
            if plan.has_log {
                settings.push(("appendonly", "yes"));
            }
        }
        let options = settings
            .iter()
            .flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]);
        let mut server = Server::start(options.collect())?;
        let writer = client(&mut server, true)?;
        let control = client(&mut server, true)?;
        let mut world = World {
            plan,
            alone,
            server,
            writer,
            control,
            others: Vec::new(),
            now_ms: 1,
            written: 0,
            value: vec![b'v'; plan.value_bytes],
            memory: MemoryFacts::default(),
            limit: usize::MAX,
            held: KeyCounts {
                when_full: None,
                in_the_end: 0,
                bytes_per_key: 1,
            },
            at: "start".to_owned(),
        };
        world.fill()?;
        Ok(world)
    }

    fn fill(&mut self) -> Result<(), String> {
        // The limit on clients does not apply to these two.
        for client in [&mut self.writer, &mut self.control] {
            client.send_text("CLIENT NO-EVICT on");
        }
        if self.alone.is_some() {
            self.control.send(&[b"FUNCTION", b"LOAD", LIBRARY]);
        }
        self.settle()?;
        let before = self.memory.counted();
        self.insert(self.plan.keys);
        // A cache that evicts has no large key, because chance decides whether it is evicted.
        let large = if self.plan.grows { 0 } else { LARGE };
        if large > 0 {
            let value = vec![b'l'; large];
            self.writer
                .send(&[b"SET", b"large", &value, b"EX", EXPIRY_S]);
        }
        self.settle()?;
        let counted = self.memory.counted();
        let of_keys = counted.saturating_sub(before + large);
        self.held.bytes_per_key = of_keys / self.plan.keys;
        self.limit = counted + self.plan.room;
        let limit = self.limit;
        self.control
            .send_text(&format!("CONFIG SET maxmemory {limit}"));
        self.settle()
    }

    /// Runs all events, a quiet second, and the end of all clients. An error contains the server's
    /// own figures.
    pub fn run(mut self) -> Result<KeyCounts, String> {
        self.run_events()
            .map_err(|why| format!("{why}\n{}", self.figures()))
    }

    /// The owners of memory in INFO.
    fn figures(&mut self) -> String {
        self.control.tail_max = usize::MAX;
        self.control.send_text("INFO memory");
        // A later error does not replace the first error.
        let _ = self.step(0);
        let text = String::from_utf8_lossy(&self.control.tail);
        let names = ["used_memory", "mem_"];
        let is_shown = |line: &&str| {
            let is_zero = line.ends_with(":0");
            !is_zero && names.iter().any(|name| line.starts_with(name))
        };
        let lines: Vec<&str> = text.lines().filter(is_shown).collect();
        lines.join(" ")
    }

    fn run_events(&mut self) -> Result<KeyCounts, String> {
        for (at, (event, ms)) in self.plan.events.iter().enumerate() {
            self.at = format!("event {at}, {event:?}");
            self.happen(event, at)?;
            self.step(0)?;
            self.step(*ms)?;
        }
        self.at = "a quiet second".to_owned();
        self.control.send_text("DEBUG AOF-FLUSH-SLEEP 0");
        self.quiet()?;
        self.held.in_the_end = self.memory.keys;
        if let Some(alone) = self.alone {
            self.check_keys(alone.in_the_end, MISSING_AFTER)?;
        }
        self.at = "the end of clients".to_owned();
        self.others.clear();
        for _ in 0..3 {
            self.quiet()?;
        }
        self.check_left()?;
        Ok(self.held)
    }

    fn new_others(&mut self, count: usize, reads: bool) -> Result<&mut [Client], String> {
        let from = self.others.len();
        for _ in 0..count {
            let client = client(&mut self.server, reads)?;
            self.others.push(client);
        }
        Ok(&mut self.others[from..])
    }

    fn insert(&mut self, count: usize) {
        let from = self.written;
        self.written += count;
        for number in from..self.written {
            self.set(number);
        }
    }

    fn set(&mut self, number: usize) {
        let words: [&[u8]; 5] = [b"SET", &key(number), &self.value, b"EX", EXPIRY_S];
        self.writer.send(&words);
    }

    /// The numbers of this many written keys, the same in both runs.
    fn some(&self, count: usize, at: usize) -> Vec<usize> {
        let mut random = Random::new(self.plan.seed ^ (at as u64) << 40);
        (0..count).map(|_| random.below(self.written)).collect()
    }

    /// Runs an event of the writer.
    fn write(&mut self, event: &Event, at: usize) {
        match event {
            Event::Overwrite(count) => {
                for number in self.some(*count, at) {
                    self.set(number);
                }
            }
            Event::Insert(count) => self.insert(*count),
            Event::Unit(count) => {
                self.writer.send_text("MULTI");
                for number in self.some(*count, at) {
                    self.set(number);
                }
                self.writer.send_text("EXEC");
            }
            Event::Script(count) => {
                let keys: Vec<Vec<u8>> = self.some(*count, at).into_iter().map(key).collect();
                let count = keys.len().to_string();
                let mut words: Vec<&[u8]> = vec![b"EVAL", SETS, count.as_bytes()];
                words.extend(keys.iter().map(Vec::as_slice));
                words.extend([&self.value[..], EXPIRY_S]);
                self.writer.send(&words);
            }
            Event::Flush(how) => self.writer.send_text(&format!("FLUSHALL {how}")),
            Event::Policy(policy) => {
                let text = format!("CONFIG SET maxmemory-policy {policy}");
                self.writer.send_text(&text);
            }
            _ => {}
        }
    }

    fn happen(&mut self, event: &Event, at: usize) -> Result<(), String> {
        self.write(event, at);
        if self.alone.is_none() {
            return Ok(());
        }
        match *event {
            Event::Garbage(kilobytes, is_function) => {
                let count = kilobytes.to_string();
                let words: [&[u8]; 4] = if is_function {
                    [b"FCALL", b"junk", b"0", count.as_bytes()]
                } else {
                    [b"EVAL", GARBAGE, b"0", count.as_bytes()]
                };
                self.new_others(1, true)?[0].send(&words);
            }
            Event::Readers(count, times, keys) => self.request(count, times, keys, false, at)?,
            Event::Takers(count, times, keys) => self.request(count, times, keys, true, at)?,
            Event::Queues(count, kilobytes) => {
                let text = vec![b'q'; 1000];
                for client in self.new_others(count, true)? {
                    client.send(&[b"MULTI"]);
                    for _ in 0..kilobytes {
                        client.send(&[b"ECHO", &text]);
                    }
                    client.rest = request(&[b"EXEC"]);
                }
            }
            Event::Halves(count, kilobytes) => {
                let whole = request(&[b"ECHO", &vec![b'h'; kilobytes * 1000]]);
                for client in self.new_others(count, true)? {
                    let (first, rest) = whole.split_at(whole.len() - 500);
                    client.out.0.extend_from_slice(first);
                    client.rest = rest.to_vec();
                }
            }
            Event::Subscribers(count) => {
                for client in self.new_others(count, false)? {
                    client.send(&[b"SUBSCRIBE", b"news"]);
                }
            }
            Event::Publish(times, kilobytes) => {
                let message = vec![b'm'; kilobytes * 1000];
                let client = &mut self.new_others(1, true)?[0];
                for _ in 0..times {
                    client.send(&[b"PUBLISH", b"news", &message]);
                }
            }
            Event::Monitors(count) => {
                for client in self.new_others(count, false)? {
                    client.send(&[b"MONITOR"]);
                }
            }
            Event::Overwritten(times) => {
                let large = vec![b'L'; LARGE];
                self.new_others(1, false)?;
                for _ in 0..times {
                    let reader = self.others.last_mut().expect("made above");
                    reader.send(&[b"GET", b"large"]);
                    self.writer
                        .send(&[b"SET", b"large", &large, b"EX", EXPIRY_S]);
                    self.step(0)?;
                }
            }
            Event::Tracker(count) => {
                let keys = self.some(count, at);
                let client = &mut self.new_others(1, false)?[0];
                client.send_text("HELLO 3");
                client.send_text("CLIENT TRACKING on");
                for number in keys {
                    client.send(&[b"STRLEN", &key(number)]);
                }
            }
            Event::Replica(reads) => {
                let client = &mut self.new_others(1, reads)?[0];
                client.send_text("REPLCONF listening-port 1 capa eof capa psync2");
                client.send_text("PSYNC ? -1");
            }
            Event::GoOn(which) if !self.others.is_empty() => {
                let count = self.others.len();
                let client = &mut self.others[which % count];
                client.reads = true;
                let rest = std::mem::take(&mut client.rest);
                client.out.0.extend_from_slice(&rest);
            }
            Event::Leave(which) if !self.others.is_empty() => {
                let count = self.others.len();
                self.others.swap_remove(which % count);
            }
            Event::Set(name, value) => {
                let words: [&[u8]; 4] = [b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()];
                self.control.send(&words);
            }
            Event::Save => self.control.send_text("BGSAVE"),
            Event::Rewrite => self.control.send_text("BGREWRITEAOF"),
            Event::Disk(micros) => {
                let text = format!("DEBUG AOF-FLUSH-SLEEP {micros}");
                self.control.send_text(&text);
            }
            _ => {}
        }
        Ok(())
    }

    /// Starts clients that request keys.
    fn request(
        &mut self,
        count: usize,
        times: usize,
        keys: usize,
        reads: bool,
        at: usize,
    ) -> Result<(), String> {
        let names: Vec<Vec<u8>> = self.some(keys, at).into_iter().map(key).collect();
        let mut words: Vec<&[u8]> = vec![b"MGET"];
        words.extend(names.iter().map(Vec::as_slice));
        let all = request(&words).repeat(times);
        for client in self.new_others(count, reads)? {
            client.out.0.extend_from_slice(&all);
        }
        Ok(())
    }

    /// Lets time pass; clients and the server do their work for this time.
    fn step(&mut self, by_ms: u64) -> Result<(), String> {
        self.now_ms += by_ms;
        for _ in 0..ROUNDS_MAX {
            let mut has_moved = false;
            let both = [&mut self.writer, &mut self.control];
            for client in both.into_iter().chain(&mut self.others) {
                has_moved |= client.exchange();
            }
            let turned = self.server.turns(self.now_ms);
            let turned = turned.map_err(|why| format!("{}: {why}", self.at))?;
            self.look(turned.memory)?;
            if turned.is_idle && !has_moved {
                return Ok(());
            }
        }
        Err(format!("{}: it never rests", self.at))
    }

    /// Checks the outcome of turns.
    fn look(&mut self, memory: MemoryFacts) -> Result<(), String> {
        let before = std::mem::replace(&mut self.memory, memory);
        if (memory.evicted, memory.refused) == (before.evicted, before.refused) {
            return Ok(());
        }
        let fewest = self.held.when_full.unwrap_or(usize::MAX);
        self.held.when_full = Some(fewest.min(memory.keys));
        let Some(alone) = self.alone else {
            return Ok(());
        };
        match alone.when_full {
            Some(keys) => self.check_keys(keys, MISSING_NOW),
            None => self.fail("all fits without log, scripts and clients"),
        }
    }

    fn check_keys(&self, wanted: usize, missing_percent: usize) -> Result<(), String> {
        let beside = beside_keys(self.plan) / self.held.bytes_per_key;
        let least = (wanted * (100 - missing_percent) / 100).saturating_sub(beside);
        if self.memory.keys >= least {
            return Ok(());
        }
        self.fail(&format!(
            "{wanted} keys without log, scripts and clients, here not even {least}"
        ))
    }

    fn fail(&self, why: &str) -> Result<(), String> {
        let Self {
            at, memory, limit, ..
        } = self;
        let counted = memory.counted();
        Err(format!(
            "{at}: {why}; limit {limit}, counted {counted}, {memory:?}"
        ))
    }

    /// A second in which clients send nothing and the disk works.
    fn quiet(&mut self) -> Result<(), String> {
        for _ in 0..QUIET_STEPS {
            self.step(STEP_MS)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Waits until the log is written and the writer has all its replies.
    fn settle(&mut self) -> Result<(), String> {
        self.writer.send(&[b"ECHO", b"settled"]);
        let end = Instant::now() + DISK_MAX;
        loop {
            self.step(0)?;
            let is_answered = self.writer.tail.ends_with(b"settled\r\n");
            if is_answered && self.memory.unwritten == 0 {
                self.writer.tail.clear();
                return Ok(());
            }
            if self.writer.socket.is_none() || Instant::now() > end {
                return self.fail("the writer is not answered");
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Checks that the server keeps no memory of departed clients, and that the limit holds.
    fn check_left(&self) -> Result<(), String> {
        for ((name, bytes), (_, most)) in self.memory.not_counted.iter().zip(LEFT_MAX) {
            if *bytes > most {
                return self.fail(&format!("{name} keeps {bytes} bytes for nothing"));
            }
        }
        let most = LEFT_MAX.iter().map(|(_, bytes)| bytes).sum::<usize>() + self.limit;
        if self.memory.used > most {
            return self.fail("more is used than the limit and what is kept");
        }
        Ok(())
    }
}

fn client(server: &mut Server, reads: bool) -> Result<Client, String> {
    Ok(Client {
        socket: Some(server.connect()?),
        out: (Vec::new(), 0),
        reads,
        rest: Vec::new(),
        tail: Vec::new(),
        tail_max: 64,
    })
}
