//! The primary's end of a link, as Redis and Valkey answer (russet's: `primary`): one or two links,
//! lengths or marks, newlines while a snapshot is made, silence until the first acknowledgement,
//! errors that mean "later", a server that knows no PSYNC.

use super::node::{Dataset, Fault, Node, TIMEOUT_MS};
use crate::compression::{BLOCK_BYTES, Kind, Packer};
use crate::history::{Position, ReplId, ReplOffset};
use crate::requests::{NoRequest, first_request};
use russet_base::numbers::number::parse_digits;
use russet_host::Random;

/// The make of a server, as its replicas see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// Redis 7, snapshots from files: with a length, the stream at once.
    Redis7,
    /// Redis 8: marks, the second link of its kind; mute until the first acknowledgement.
    Redis8,
    /// Valkey 9: its kind of second link, and the database announced.
    Valkey,
    /// Knows no PSYNC, and takes no acknowledgements.
    Old,
    /// russet: the machine of the primary (`simulation::primary`).
    Russet,
}

/// Where a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    /// The conversation before it.
    Talking,
    /// A snapshot is asked for, and begins at that time.
    Waits(u64),
    /// A snapshot was sent: the stream follows from there once something is acknowledged.
    Mute(ReplOffset),
    /// The stream was sent up to there.
    Online(ReplOffset),
    /// The main link of Redis's kind, before the snapshot of the second link.
    AwaitsSecond,
    /// A second link after its snapshot.
    Done,
}

/// The server at this end of a link, as a session needs it.
pub struct Serving<'s, D> {
    /// The server.
    pub node: &'s mut Node<D>,
    /// The link's number, as the server counts.
    pub number: u64,
    /// The clock.
    pub now_ms: u64,
    /// The seed's numbers.
    pub random: &'s mut Random,
}

impl<D> Serving<'_, D> {
    fn make(&self) -> Make {
        self.node.options.make
    }

    /// True so many times of a hundred.
    fn chance(&mut self, percent: usize) -> bool {
        self.random.place(100) < percent
    }

    /// A moment within so many milliseconds.
    fn soon(&mut self, ms: usize) -> u64 {
        self.now_ms + self.random.place(ms) as u64
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Session {
    input: Vec<u8>,
    /// Bytes for the replica.
    pub out: Vec<u8>,
    /// Where it is.
    pub state: State,
    /// The last position that the replica has acknowledged.
    pub acked: Option<ReplOffset>,
    /// The link is to be closed.
    pub closes: bool,
    /// The replica was this server's primary, and has handed over.
    pub took_over: bool,
    /// The replica takes a compressed stream; it has begun.
    lz4: bool,
    is_packed: bool,
    /// When the replica last sent anything.
    pub received_ms: u64,
    rdb_channel: bool,
    dual_channel: bool,
    /// The number of the main link that this second one names.
    main: Option<u64>,
    is_second: bool,
    pub(super) by_sync: bool,
    /// A main link whose stream begins there, once its second link is found: by number, position.
    pub begins: Option<(u64, ReplOffset)>,
    newline_ms: u64,
}

pub(super) fn snapshot_text(data: &impl Dataset) -> Vec<u8> {
    let mut text = b"REDIS".to_vec();
    text.extend_from_slice(data.text().as_bytes());
    text.extend_from_slice(b"END\n");
    text
}

impl Session {
    /// Takes bytes of the replica.
    pub fn receive<D: Dataset>(
        &mut self,
        bytes: &[u8],
        at: &mut Serving<'_, D>,
    ) -> Result<(), String> {
        if !bytes.is_empty() {
            self.received_ms = at.now_ms;
        }
        self.input.extend_from_slice(bytes);
        loop {
            let fill = self.input.iter().take_while(|&&b| b == b'\n').count();
            self.input.drain(..fill);
            if self.input.starts_with(b"SYNC\r\n") {
                self.input.drain(..6);
                self.by_sync = true;
                if !at.node.serves() {
                    self.out.extend_from_slice(b"-NOMASTERLINK later\r\n");
                    continue;
                }
                if at.make() == Make::Russet {
                    self.request(None, at);
                    continue;
                }
                self.state = State::Waits(at.soon(200));
                continue;
            }
            let request = match first_request(&self.input) {
                Ok(request) => request,
                Err(NoRequest::Short) => return Ok(()),
                // A part of an inline SYNC.
                Err(_) if b"SYNC\r\n".starts_with(&self.input) => return Ok(()),
                Err(_) => return Err(format!("a replica sends {:?}", self.input)),
            };
            let len = request.len;
            let words: Vec<Vec<u8>> = request.words.iter().map(|word| word.to_vec()).collect();
            self.input.drain(..len);
            self.answer(&words, at)?;
        }
    }

    fn answer<D: Dataset>(
        &mut self,
        words: &[Vec<u8>],
        at: &mut Serving<'_, D>,
    ) -> Result<(), String> {
        let text = |at: usize| String::from_utf8_lossy(&words[at]).to_lowercase();
        match &text(0)[..] {
            "ping" if at.chance(3) => self.out.extend_from_slice(b"-LOADING later\r\n"),
            "ping" if at.chance(10) => self.out.extend_from_slice(b"-NOAUTH who\r\n"),
            "ping" => self.out.extend_from_slice(b"+PONG\r\n"),
            "replconf" if text(1) == "ack" && at.make() == Make::Russet => {
                self.confirm(parse_digits(&words[2]), at)?;
            }
            "replconf" if at.make() == Make::Russet => self.announce(words, at),
            "replconf" if text(1) == "ack" => self.acknowledged(parse_digits(&words[2]))?,
            "replconf" => {
                for pair in words[1..].chunks(2) {
                    match (&pair[0][..], &pair[1][..]) {
                        (b"capa", b"rdb-channel-repl") => self.rdb_channel = true,
                        (b"capa", b"dual-channel") => self.dual_channel = true,
                        (b"capa", b"lz4") => self.lz4 = true,
                        (b"rdb-channel", _) => self.is_second = true,
                        (b"main-ch-client-id", n) => self.main = parse_digits(n),
                        _ => {}
                    }
                }
                if at.make() == Make::Old && !self.is_second {
                    self.out.extend_from_slice(b"-ERR what\r\n");
                } else {
                    self.out.extend_from_slice(b"+OK\r\n");
                }
            }
            "psync" => self.psync(words, at),
            other => return Err(format!("a replica sends {other}")),
        }
        Ok(())
    }

    fn acknowledged(&mut self, offset: Option<ReplOffset>) -> Result<(), String> {
        let offset = offset.ok_or("an acknowledgement without a number")?;
        if let State::Mute(from) = self.state {
            self.state = State::Online(from);
        }
        // The replica of a primary that knows no PSYNC counts for itself.
        if let State::Online(sent) = self.state
            && !self.by_sync
        {
            if offset > sent {
                return Err(format!("{offset} is acknowledged, {sent} was sent"));
            }
            if self.acked.is_some_and(|acked| acked > offset) {
                return Err(format!("{offset} is acknowledged after {:?}", self.acked));
            }
            self.acked = Some(offset);
        }
        Ok(())
    }

    fn psync<D: Dataset>(&mut self, words: &[Vec<u8>], at: &mut Serving<'_, D>) {
        let make = at.make();
        if make == Make::Old {
            return self
                .out
                .extend_from_slice(b"-ERR unknown command 'PSYNC'\r\n");
        }
        if !at.node.serves() || at.chance(2) {
            return self.out.extend_from_slice(b"-NOMASTERLINK later\r\n");
        }
        let own = at.node.stream.history().id;
        if words.get(3).is_some_and(|word| word == b"FAILOVER") {
            if words[1] != own.as_str().as_bytes() {
                let line = b"-ERR PSYNC FAILOVER replid must match my replid.\r\n";
                return self.out.extend_from_slice(line);
            }
            if at.node.is_primary() {
                let line = b"-ERR PSYNC FAILOVER can't be sent to a master.\r\n";
                return self.out.extend_from_slice(line);
            }
            at.node.promote(at.now_ms);
            self.took_over = true;
        }
        let node = &mut *at.node;
        node.stream.keep_backlog(node.backlog_bytes);
        let next: Option<u64> = parse_digits(&words[2]);
        let from = ReplId::parse(&words[1]).zip(next);
        if make == Make::Russet && node.options.fault != Some(Fault::WrongHistory) {
            let from = from.map(|(id, next)| (id, next.saturating_sub(1)));
            return self.request(from, at);
        }
        if let Some((id, next)) = from {
            let offset = next.saturating_sub(1);
            let is_wrong = node.options.fault == Some(Fault::WrongHistory);
            if node.stream.continues(Position { id, offset }) || is_wrong {
                let own = node.stream.history().id;
                let line = format!("+CONTINUE {own}\r\n");
                self.out.extend_from_slice(line.as_bytes());
                self.state = State::Online(offset);
                self.acked = None;
                return;
            }
        }
        if self.rdb_channel && make == Make::Redis8 {
            let line = format!("+RDBCHANNELSYNC {}\r\n", at.number);
            self.out.extend_from_slice(line.as_bytes());
            self.state = State::AwaitsSecond;
        } else if self.dual_channel && make == Make::Valkey {
            self.out.extend_from_slice(b"+DUALCHANNELSYNC\r\n");
        } else {
            self.state = State::Waits(at.soon(200));
        }
    }

    /// A primary sends by itself: newlines, the snapshot that is due, the stream.
    pub fn continue_sending<D: Dataset>(&mut self, at: &mut Serving<'_, D>) {
        if at.make() == Make::Russet && at.node.options.fault != Some(Fault::WrongHistory) {
            return self.continue_machine(at);
        }
        let now_ms = at.now_ms;
        let is_silent = now_ms.saturating_sub(self.received_ms) > TIMEOUT_MS;
        self.closes |= matches!(self.state, State::Online(_)) && is_silent && !self.by_sync;
        match self.state {
            State::Waits(due_ms) if due_ms > now_ms => {
                let is_due = now_ms >= self.newline_ms + 100;
                if is_due && !self.is_second {
                    self.newline_ms = now_ms;
                    self.out.push(b'\n');
                }
            }
            State::Waits(_) => self.begin_snapshot(at),
            State::Online(sent) => {
                let backlog = at.node.stream.backlog();
                let Some(backlog) = backlog.filter(|backlog| backlog.holds(sent)) else {
                    self.closes = true;
                    return;
                };
                let packs = self.lz4 && at.node.options.lz4;
                let blocks = backlog.read(sent).flat_map(|part| part.chunks(BLOCK_BYTES));
                for block in blocks {
                    if !packs {
                        self.out.extend_from_slice(block);
                        continue;
                    }
                    if !std::mem::replace(&mut self.is_packed, true) {
                        Packer::begin(Kind::Stream, &mut self.out);
                    }
                    Packer::default().block(&[], block, &mut self.out);
                }
                self.state = State::Online(backlog.end());
            }
            _ => {}
        }
    }

    fn begin_snapshot<D: Dataset>(&mut self, its: &mut Serving<'_, D>) {
        let (make, number) = (its.make(), its.number);
        its.node.stream.keep_backlog(its.node.backlog_bytes);
        let at = its.node.stream.position();
        let content = snapshot_text(&its.node.data);
        let is_valkey_second = self.is_second && make == Make::Valkey;
        if is_valkey_second {
            let line = format!("$ENDOFF:{} {} -1 {number}\r\n", at.offset, at.id);
            self.out.extend_from_slice(line.as_bytes());
        } else if !self.by_sync {
            let line = format!("+FULLRESYNC {} {}\r\n", at.id, at.offset);
            self.out.extend_from_slice(line.as_bytes());
        }
        let has_mark = make != Make::Old && (make != Make::Redis7 || its.chance(20));
        if has_mark || self.is_second {
            let mark = format!("{:040x}", its.random.next_u64());
            self.out
                .extend_from_slice(format!("$EOF:{mark}\r\n").as_bytes());
            self.out.extend_from_slice(&content);
            self.out.extend_from_slice(mark.as_bytes());
            self.state = State::Mute(at.offset);
        } else {
            let line = format!("${}\r\n", content.len());
            self.out.extend_from_slice(line.as_bytes());
            self.out.extend_from_slice(&content);
            self.state = State::Online(at.offset);
        }
        if self.is_second {
            self.state = State::Done;
            self.begins = self.main.map(|main| (main, at.offset));
        }
    }
}
