//! The clients of a node, each with a request at a time: a client that queries, a client that
//! writes documents, a client that changes definitions, and an operator.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use russet::testing::node::ServerNode;

use super::checks::{DOCUMENTS, RunningQuery, key, slot_of};
use super::world::{NODES, World};

/// The time limit in a query, in milliseconds; two seconds later the query has failed.
const TIME_MS: u64 = 500;
/// The queried node checks its clock every 100 ms, and the network takes a little time.
const DEADLINE_MS: u64 = TIME_MS + 2000 + 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Asks,
    Writes,
    Defines,
    Orders,
}

/// The reply that a client waits for.
#[derive(Clone, Debug)]
pub enum Request {
    Query(RunningQuery),
    Put(usize),
    Delete(usize),
    Order(String),
}

/// See the module.
pub struct Client {
    role: Role,
    socket: UnixStream,
    replies: Vec<u8>,
    pub request: Option<(u64, Request)>,
    /// The reply to the last command.
    pub last: Option<String>,
}

impl Client {
    pub fn new(role: Role, node: &mut ServerNode) -> Client {
        let (mine, its) = UnixStream::pair().expect("sockets");
        mine.set_nonblocking(true).expect("a socket");
        node.accept(its, 9).expect("a client");
        Client {
            role,
            socket: mine,
            replies: Vec::new(),
            request: None,
            last: None,
        }
    }

    fn send(&mut self, now_ms: u64, line: &str, request: Request) {
        let mut bytes = Vec::new();
        let words = line.split(' ').map(str::as_bytes);
        let words: Vec<&[u8]> = words.collect();
        russet_resp::write_request(&mut bytes, words.into_iter());
        if self.socket.write_all(&bytes).is_ok() {
            self.request = Some((now_ms, request));
        }
    }

    /// Takes a complete reply.
    fn take(&mut self) -> Option<String> {
        let mut bytes = [0; 64 * 1024];
        while let Ok(n) = self.socket.read(&mut bytes)
            && n > 0
        {
            self.replies.extend_from_slice(&bytes[..n]);
        }
        let len = reply_len(&self.replies, 0)?;
        let reply: Vec<u8> = self.replies.drain(..len).collect();
        Some(String::from_utf8_lossy(&reply).into_owned())
    }
}

/// The end of the RESP2 reply that begins at `at`; `None` if the reply is incomplete.
fn reply_len(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let end = at + rest.windows(2).position(|two| two == b"\r\n")? + 2;
    let number: i64 =
        std::str::from_utf8(&bytes[at + 1..end - 2]).map_or(0, |text| text.parse().unwrap_or(0));
    match bytes[at] {
        b'$' if number >= 0 => {
            let end = end + number as usize + 2;
            (end <= bytes.len()).then_some(end)
        }
        b'*' => (0..number.max(0)).try_fold(end, |at, _| reply_len(bytes, at)),
        _ => Some(end),
    }
}

impl World {
    fn client(&mut self, number: usize, role: Role) -> Option<&mut Client> {
        let mut clients = self.places[number].its.clients.iter_mut();
        clients.find(|client| client.role == role)
    }

    fn is_free(&mut self, number: usize, role: Role) -> bool {
        self.client(number, role)
            .is_some_and(|its| its.request.is_none())
    }

    fn send(&mut self, number: usize, role: Role, line: &str, request: Request) {
        let now_ms = self.now_ms;
        self.note(|| format!("{number} <- {line}"));
        if let Some(client) = self.client(number, role) {
            client.send(now_ms, line, request);
        }
    }

    /// Sends a command to a node, if its client is free.
    pub fn order(&mut self, number: usize, line: &str) {
        if self.is_free(number, Role::Orders) {
            self.send(number, Role::Orders, line, Request::Order(line.to_owned()));
        }
    }

    /// Sends a command and returns its reply; empty if the node does not reply in time.
    pub fn ask(&mut self, number: usize, line: &str) -> Result<String, String> {
        let free = |world: &mut World| Ok(world.is_free(number, Role::Orders));
        if !self.run_until(6000, free)? {
            return Ok(String::new());
        }
        self.order(number, line);
        self.run_until(6000, free)?;
        let client = self.client(number, Role::Orders);
        Ok(client
            .and_then(|client| client.last.take())
            .unwrap_or_default())
    }

    /// The clients' work in a step.
    pub fn clients(&mut self) {
        for number in 0..NODES {
            if self.random.below(8) == 0 && self.is_free(number, Role::Asks) {
                self.query(number);
            }
            if self.random.below(4) == 0 {
                self.write();
            }
            if self.random.below(60) == 0 && self.is_free(number, Role::Defines) {
                let name = self.random.below(4);
                let line = match self.random.below(6) {
                    0 | 1 => format!("FT.CREATE x{name} PREFIX 1 x: SCHEMA a TAG"),
                    2 => format!("FT.DROPINDEX x{name}"),
                    3 => format!("FT.DICTADD d term{name}"),
                    4 => format!("FT.SYNUPDATE x{name} s one two{name}"),
                    _ => format!("FT.ALTER x{name} SCHEMA ADD b{name} TEXT"),
                };
                self.send(number, Role::Defines, &line, Request::Order(line.clone()));
            }
        }
    }

    /// Sends a query to a node.
    pub fn query(&mut self, number: usize) {
        let (line, is_count) = match self.random.below(4) {
            0 => (
                "FT.AGGREGATE i * GROUPBY 0 REDUCE COUNT 0 AS c".to_owned(),
                true,
            ),
            1 => (
                "FT.SEARCH i word|all LIMIT 0 1000 NOCONTENT WITHSCORES".to_owned(),
                false,
            ),
            2 => ("FT.SEARCH i all LIMIT 0 1000 NOCONTENT".to_owned(), false),
            _ => (
                "FT.SEARCH i * SORTBY n LIMIT 0 1000 NOCONTENT".to_owned(),
                false,
            ),
        };
        let line = format!("{line} TIMEOUT {TIME_MS}");
        let asked = RunningQuery {
            since: self.checks.moment(),
            is_count,
            has_equal_scores: line.contains("WITHSCORES") && self.scores_are_of_all(),
        };
        self.send(number, Role::Asks, &line, Request::Query(asked));
    }

    /// Sends a write of a document to the node of its slot.
    pub fn write(&mut self) {
        let document = self.random.below(DOCUMENTS as i64) as usize;
        let Some(owner) = self.owner(slot_of(key(document).as_bytes())) else {
            return;
        };
        if !self.is_free(owner, Role::Writes) || self.checks.is_being_written(document) {
            return;
        }
        let deletes = self.random.below(4) == 0;
        let (line, request) = if deletes {
            (format!("DEL {}", key(document)), Request::Delete(document))
        } else {
            let w = self.random.below(100);
            let line = format!("HSET {} n {document} w {w} t all,word", key(document));
            (line, Request::Put(document))
        };
        self.checks.writes(document, deletes);
        self.send(owner, Role::Writes, &line, request);
    }

    /// Takes the replies to a node's clients.
    pub fn hear_clients(&mut self, number: usize) -> Result<(), String> {
        for at in 0..self.places[number].its.clients.len() {
            let now_ms = self.now_ms;
            let client = &mut self.places[number].its.clients[at];
            let Some(reply) = client.take() else {
                if let Some((sent_ms, Request::Query(_))) = client.request
                    && now_ms > sent_ms + DEADLINE_MS
                {
                    return Err(format!(
                        "at {now_ms}: node {number} is late since {sent_ms}"
                    ));
                }
                continue;
            };
            let Some((sent_ms, request)) = client.request.take() else {
                return Err(format!("at {now_ms}: a reply to nothing: {reply}"));
            };
            let took = now_ms - sent_ms;
            let brief: String = reply.chars().take(90).collect();
            let brief = brief.replace("\r\n", " ");
            match request {
                Request::Query(asked) => {
                    let checked = self.checks.replied(&asked, &reply);
                    self.note(|| format!("{number} -> {brief} after {took}"));
                    checked.map_err(|why| format!("at {now_ms}, node {number}: {why}"))?;
                }
                Request::Put(document) | Request::Delete(document) => {
                    let is_done = reply.starts_with(':');
                    self.note(|| format!("{number} -> {document}: {brief} after {took}"));
                    self.checks.written(document, Some(is_done));
                }
                Request::Order(line) => {
                    self.note(|| format!("{number} -> {line}: {brief} after {took}"));
                    self.places[number].its.clients[at].last = Some(reply);
                }
            }
        }
        Ok(())
    }

    /// A node is gone, together with the reply that its client waited for.
    pub fn lost(&mut self, number: usize, at: usize) {
        if let Some((_, Request::Put(document) | Request::Delete(document))) =
            self.places[number].its.clients[at].request
        {
            self.checks.written(document, None);
        }
    }
}
