//! The clients of a server, each with a request at a time. A request may be a pipeline.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use russet::testing::node::ServerNode;
use russet_resp::{ReplyBounds, ReplyParser, ReplyValue};

use super::checks::{SETS, Value, key};
use super::world::World;

/// The number of clients that write to and read from a server.
pub const CLIENTS: usize = 3;
/// The client for orders.
pub const OPERATOR: usize = CLIENTS;
/// A client gives up a request after this time, and connects anew.
const PATIENCE_MS: u64 = 6000;

/// What a reply of a request is about.
#[derive(Clone, Debug)]
pub enum ExpectedReply {
    /// The acknowledgement of a member in these sets.
    Added(Vec<usize>, Value),
    /// All members of a set.
    Members(usize),
    /// `+OK`, `+QUEUED`.
    Word,
    Order(String),
}

/// See the module.
pub struct Client {
    socket: UnixStream,
    parser: ReplyParser,
    ready: VecDeque<ReplyValue>,
    pub expected: Vec<ExpectedReply>,
    sent_ms: u64,
    /// The last reply to an order.
    pub last: Option<ReplyValue>,
    is_over: bool,
}

impl Client {
    pub fn new(node: &mut ServerNode) -> Client {
        let (mine, its) = UnixStream::pair().expect("sockets");
        mine.set_nonblocking(true).expect("a socket");
        node.accept(its, 9).expect("a client");
        Client {
            socket: mine,
            parser: ReplyParser::new(ReplyBounds::default()),
            ready: VecDeque::new(),
            expected: Vec::new(),
            sent_ms: 0,
            last: None,
            is_over: false,
        }
    }

    pub fn is_free(&self) -> bool {
        self.expected.is_empty() && !self.is_over
    }

    fn send(&mut self, now_ms: u64, lines: &[Vec<String>], expected: Vec<ExpectedReply>) {
        let mut bytes = Vec::new();
        for words in lines {
            russet_resp::write_request(&mut bytes, words.iter().map(String::as_bytes));
        }
        if self.socket.write_all(&bytes).is_ok() {
            (self.expected, self.sent_ms) = (expected, now_ms);
        } else {
            self.is_over = true;
        }
    }

    /// Takes the bytes that have come.
    fn read(&mut self) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(n) = self.socket.read(&mut bytes) {
            let mut rest = &bytes[..n];
            self.is_over |= n == 0;
            while !rest.is_empty() && !self.is_over {
                match self.parser.push(&mut rest) {
                    Ok(Some(reply)) => self.ready.push_back(reply),
                    Ok(None) => {}
                    Err(_) => self.is_over = true,
                }
            }
            if self.is_over {
                return;
            }
        }
    }
}

fn line(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl World {
    /// A write or a read of a random set, at a random server.
    pub fn write_or_read(&mut self) {
        let set = self.random.place(SETS);
        let Some(number) = self.server_for(set) else {
            return;
        };
        let client = self.random.place(CLIENTS);
        if !self.is_up(number) || !self.places[number].its.clients[client].is_free() {
            return;
        }
        let value = self.next_value();
        let text = value.to_string();
        let (one, two) = (key(set & !1), key(set | 1));
        let name = key(set);
        let add = line(&["SADD", &name, &text]);
        let (lines, expected) = match self.random.place(8) {
            0 | 1 => (
                vec![line(&["SMEMBERS", &name])],
                vec![ExpectedReply::Members(set)],
            ),
            2 => {
                self.checks.writes_both(value);
                let lines = vec![
                    line(&["MULTI"]),
                    line(&["SADD", &one, &text]),
                    line(&["SADD", &two, &text]),
                    line(&["EXEC"]),
                ];
                let both = ExpectedReply::Added(vec![set & !1, set | 1], value);
                let words = [
                    ExpectedReply::Word,
                    ExpectedReply::Word,
                    ExpectedReply::Word,
                ];
                (lines, [words.to_vec(), vec![both]].concat())
            }
            3 => {
                self.checks.writes_both(value);
                let script = "redis.call('SADD', KEYS[1], ARGV[1]) \
                              return redis.call('SADD', KEYS[2], ARGV[1])";
                let lines = vec![line(&["EVAL", script, "2", &one, &two, &text])];
                (
                    lines,
                    vec![ExpectedReply::Added(vec![set & !1, set | 1], value)],
                )
            }
            4 => {
                // A write, a read that may show others' writes, and a write: all in one packet.
                let more = self.next_value();
                let lines = vec![
                    add,
                    line(&["SMEMBERS", &two]),
                    line(&["SADD", &name, &more.to_string()]),
                ];
                let expected = vec![
                    ExpectedReply::Added(vec![set], value),
                    ExpectedReply::Members(set | 1),
                    ExpectedReply::Added(vec![set], more),
                ];
                (lines, expected)
            }
            _ => (vec![add], vec![ExpectedReply::Added(vec![set], value)]),
        };
        let now_ms = self.now_ms;
        self.places[number].its.clients[client].send(now_ms, &lines, expected);
    }

    /// Sends an order to a server, if its operator is free.
    pub fn order(&mut self, number: usize, text: &str) {
        let now_ms = self.now_ms;
        if !self.is_up(number) || !self.places[number].its.clients[OPERATOR].is_free() {
            return;
        }
        self.note(|| format!("{number} <- {text}"));
        let words: Vec<&str> = text.split(' ').collect();
        let expected = vec![ExpectedReply::Order(text.to_owned())];
        self.places[number].its.clients[OPERATOR].send(now_ms, &[line(&words)], expected);
    }

    /// Sends an order, and returns the reply; `None` if there is none in time.
    pub fn ask(&mut self, number: usize, text: &str) -> Result<Option<ReplyValue>, String> {
        let is_free = |world: &mut World| {
            let clients = &world.places[number].its.clients;
            Ok(clients.get(OPERATOR).is_some_and(Client::is_free))
        };
        if !self.run_until(PATIENCE_MS + 1000, is_free)? {
            return Ok(None);
        }
        self.places[number].its.clients[OPERATOR].last = None;
        self.order(number, text);
        self.run_until(PATIENCE_MS + 1000, is_free)?;
        let clients = &mut self.places[number].its.clients;
        Ok(clients
            .get_mut(OPERATOR)
            .and_then(|client| client.last.take()))
    }

    /// Whether no client waits for a reply.
    pub fn are_clients_free(&self) -> bool {
        let mut clients = self.places.iter().flat_map(|place| &place.its.clients);
        clients.all(Client::is_free)
    }

    /// Takes the replies to a server's clients.
    pub fn read_clients(&mut self, number: usize) {
        for at in 0..self.places[number].its.clients.len() {
            let now_ms = self.now_ms;
            let client = &mut self.places[number].its.clients[at];
            client.read();
            let mut replies = Vec::new();
            while let Some(reply) = client.ready.pop_front() {
                if client.expected.is_empty() {
                    client.is_over = true;
                    break;
                }
                replies.push((client.expected.remove(0), reply));
            }
            let is_late = !client.expected.is_empty() && now_ms > client.sent_ms + PATIENCE_MS;
            let is_over = client.is_over || is_late;
            for (expected, reply) in replies {
                self.replied(number, at, expected, reply);
            }
            if is_over {
                // Whether writes without a reply were executed is not known.
                let place = &mut self.places[number];
                if let Some(node) = &mut place.node {
                    place.its.clients[at] = Client::new(node);
                }
            }
        }
    }

    fn replied(&mut self, number: usize, at: usize, expected: ExpectedReply, reply: ReplyValue) {
        if let ReplyValue::Error(text) = &reply {
            let text = String::from_utf8_lossy(text).into_owned();
            let code = text.split(' ').next().unwrap_or_default().to_owned();
            *self.checks.figures.errors.entry(code).or_default() += 1;
            if let ExpectedReply::Order(order) = &expected {
                self.note(|| format!("{number} -> {order}: {text}"));
                self.places[number].its.clients[at].last = Some(reply);
            }
            return;
        }
        match (expected, reply) {
            (ExpectedReply::Added(sets, value), reply) if is_done(&reply) => {
                self.note(|| format!("{number} -> {value} is in {sets:?}"));
                self.checks.answered(&sets, value);
                self.answered_ms = self.now_ms;
            }
            (ExpectedReply::Members(set), reply) => {
                // By `sync-replica-reads safe` replicas show only what survives, too.
                let is_of_group = !self.places[number].its.group.state.is_empty();
                let survives = is_of_group || self.leaders().contains(&number);
                if let Some(members) = members_of(&reply).filter(|_| survives) {
                    let members: Vec<Value> = members.into_iter().collect();
                    self.checks.read(set, &members);
                }
            }
            (ExpectedReply::Order(_), reply) => {
                self.places[number].its.clients[at].last = Some(reply)
            }
            _ => {}
        }
    }
}

/// Whether a reply says that all commands of a unit were executed.
fn is_done(reply: &ReplyValue) -> bool {
    match reply {
        ReplyValue::Integer(_) => true,
        ReplyValue::Array(replies) => replies.iter().all(is_done),
        _ => false,
    }
}

/// The members in a reply to SMEMBERS.
pub fn members_of(reply: &ReplyValue) -> Option<BTreeSet<Value>> {
    let (ReplyValue::Array(members) | ReplyValue::Set(members)) = reply else {
        return None;
    };
    let number = |member: &ReplyValue| match member {
        ReplyValue::Bulk(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    };
    members.iter().map(number).collect()
}
