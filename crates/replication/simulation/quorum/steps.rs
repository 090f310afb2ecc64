//! The steps of time: turns of servers, packets that arrive, and what a server does with them.
//!
//! A step gives each server a turn: its timers, its link to its primary, its replicas. Then packets
//! that are due arrive, connection by connection.

use super::network::{Connection, Packet, Use};
use super::node::{Entry, address_of};
use super::world::World;
use crate::quorum::{Answer, PeerId, Report, Word};
use crate::{ReplId, ReplOffset};
use russet_host::{Event, LinkId, Machine, Now};

/// A connection that delivers nothing for so long is given up by both ends.
const STUCK_MS: u64 = 3000;

impl World {
    pub fn step(&mut self, by_ms: u64) -> Result<(), String> {
        self.now_ms += by_ms;
        self.figures.steps += 1;
        let now_ms = self.now_ms;
        self.rule();
        for number in 0..self.nodes.len() {
            let node = &mut self.nodes[number];
            if node.machine.is_none() && node.back_ms <= now_ms {
                self.start(number);
            }
            if self.is_alive(number) {
                self.turn(number);
            }
        }
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            self.move_packets(number);
        }
        self.connections
            .retain(|_, connection| !connection.is_over());
        self.check_positions();
        self.outcome()
    }

    pub(super) fn start(&mut self, number: usize) {
        let (now, seed) = (self.now(), self.random.next_u64());
        let node = &mut self.nodes[number];
        node.start(now, seed);
        let promised = node.machine().promised();
        let told = node.told;
        if told.is_some_and(|told| told > promised) {
            self.fail(format!(
                "Q3: node {number} promised {told:?}, now {promised:?}"
            ));
        }
        self.note(|| format!("node {number} starts"));
        self.carry_out(number);
    }

    pub(super) fn now(&self) -> Now {
        Now {
            monotonic_ms: self.now_ms as i64,
            wall_ms: self.now_ms as i64,
        }
    }

    /// A turn of a server: its timers, its links.
    pub(super) fn turn(&mut self, number: usize) {
        let now_ms = self.now_ms;
        let machine = self.nodes[number].machine();
        if machine
            .due_ms()
            .is_some_and(|due_ms| due_ms <= now_ms as i64)
            || now_ms.is_multiple_of(7)
        {
            self.event(number, Event::Tick);
        }
        if self.random.place(20) == 0 && self.syncs {
            let node = &mut self.nodes[number];
            node.durable = node.log.len();
            self.report(number, Report::Progress);
            self.acknowledge(number);
        }
        self.dial_primary(number);
        self.feed(number);
    }

    pub(super) fn dial_primary(&mut self, number: usize) {
        let (now_ms, node) = (self.now_ms, &self.nodes[number]);
        let Some(to) = node
            .follows
            .filter(|_| !node.is_primary && now_ms >= node.redial_ms)
        else {
            return;
        };
        let is_its =
            |its: &Connection| its.its == Use::Stream && its.ends[0] == number && its.is_open[0];
        if to != number && !self.connections.values().any(is_its) {
            self.nodes[number].redial_ms = now_ms + 200;
            self.dial(number, to, Use::Stream);
        }
    }

    /// A primary sends its stream on, a part of it now and then.
    pub(super) fn feed(&mut self, number: usize) {
        let due_ms = self.delay();
        let (node, random) = (&self.nodes[number], &mut self.random);
        let end = node.end().min(self.feed_end);
        for connection in self.connections.values_mut() {
            if connection.ends[1] != number {
                continue;
            }
            if let Some(sent) = connection.sent
                && sent < end
            {
                let more = end - sent;
                let more = if self.is_calm || random.place(4) > 0 {
                    more
                } else {
                    random.place(more as usize + 1) as u64
                };
                let part = &node.log[sent as usize..(sent + more) as usize];
                connection.sent = Some(sent + more);
                connection.send(1, due_ms, Packet::Stream(sent, part.to_vec()));
            }
        }
    }

    pub(super) fn delay(&mut self) -> u64 {
        let most = if self.is_calm { 3 } else { self.plan.delay_ms };
        self.now_ms + 1 + self.random.place(most as usize) as u64
    }

    pub(super) fn dial(&mut self, from: usize, to: usize, its: Use) {
        self.last_connection += 1;
        let at_ms = self.delay();
        let number = self.last_connection;
        self.connections
            .insert(number, Connection::new(number, [from, to], its, at_ms));
    }

    /// Delivers what is due on a connection.
    pub(super) fn move_packets(&mut self, number: u64) {
        let now_ms = self.now_ms;
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if connection.is_over() {
            return;
        }
        let [from, to] = connection.ends;
        let is_cut = |way: (usize, usize)| self.cuts.contains(&way);
        if connection
            .stuck_since
            .is_some_and(|since_ms| now_ms >= since_ms + STUCK_MS)
        {
            return self.give_up(number);
        }
        if let Some(at_ms) = connection.accepted_at {
            if is_cut((from, to)) || is_cut((to, from)) || self.nodes[to].frozen_ms > now_ms {
                connection.stuck_since.get_or_insert(now_ms);
            } else if at_ms <= now_ms {
                connection.accepted_at = None;
                connection.stuck_since = None;
                if self.nodes[to].machine.is_none() {
                    return self.give_up(number);
                }
                connection.is_open[1] = true;
                self.opened(number);
            }
            return;
        }
        for end in 0..2 {
            while let Some(connection) = self.connections.get_mut(&number)
                && connection.is_open[end]
                && connection.ways[end]
                    .front()
                    .is_some_and(|&(due_ms, _)| due_ms <= now_ms)
            {
                let [to, from] = [connection.ends[end], connection.ends[1 - end]];
                if self.nodes[to].frozen_ms > now_ms {
                    break;
                }
                if self.cuts.contains(&(from, to)) {
                    connection.stuck_since.get_or_insert(now_ms);
                    break;
                }
                // The silence of an end that is gone goes on.
                if connection.is_open == [true, true] {
                    connection.stuck_since = None;
                }
                let (_, packet) = connection.ways[end].pop_front().expect("it is there");
                self.deliver(number, end, packet);
            }
        }
    }

    /// Both ends lose a connection.
    pub(super) fn give_up(&mut self, number: u64) {
        for end in 0..2 {
            if let Some(connection) = self.connections.get_mut(&number)
                && std::mem::take(&mut connection.is_open[end])
            {
                self.lost(number, end);
            }
        }
    }

    /// An end that was open has lost its connection.
    pub(super) fn lost(&mut self, number: u64, end: usize) {
        let connection = &self.connections[&number];
        let (at, its, is_refused) = (
            connection.ends[end],
            connection.its,
            connection.accepted_at.is_some(),
        );
        if self.nodes[at].machine.is_none() {
            return;
        }
        match (its, end) {
            (_, 1) => self.report(at, Report::PeerClosed(PeerId(number))),
            (Use::Member(link), _) if is_refused => {
                let why = "Connection refused";
                self.event(at, Event::Refused { link, why });
            }
            (Use::Member(link), _) => {
                let by_limit = false;
                self.event(at, Event::Closed { link, by_limit });
            }
            (Use::Stream, _) => self.report(at, Report::UpstreamLost),
        }
    }

    pub(super) fn opened(&mut self, number: u64) {
        let connection = &self.connections[&number];
        let at = connection.ends[0];
        match connection.its {
            Use::Member(link) => {
                let local_ip = b"";
                self.event(at, Event::Opened { link, local_ip });
            }
            Use::Stream => {
                let mut bytes = Vec::new();
                let word = self.nodes[at].machine().introduction(true);
                let Some(word) = word else {
                    // A server without the mode follows as it does without groups.
                    let address = address_of(connection.ends[1]);
                    return self.report(at, Report::UpstreamAnswered(address, None));
                };
                word.write(&mut bytes);
                self.send(number, 0, Packet::Bytes(bytes));
            }
        }
    }

    pub(super) fn send(&mut self, number: u64, end: usize, packet: Packet) {
        let due_ms = self.delay();
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.send(end, due_ms, packet);
        }
    }

    pub(super) fn deliver(&mut self, number: u64, end: usize, packet: Packet) {
        let connection = self.connections.get_mut(&number).expect("it is there");
        let at = connection.ends[end];
        let other = connection.ends[1 - end];
        match packet {
            Packet::End => {
                connection.is_open = [false, false];
                self.lost(number, end);
            }
            Packet::Bytes(bytes) if end == 1 => self.asked(number, at, other, &bytes),
            Packet::Bytes(bytes) => match connection.its {
                Use::Member(link) => {
                    let cut = self.random.place(bytes.len());
                    for part in [&bytes[..cut], &bytes[cut..]] {
                        self.received(at, link, part);
                    }
                }
                Use::Stream => {
                    let answer = Answer::parse_line(bytes.trim_ascii_end());
                    let address = address_of(other);
                    self.report(at, Report::UpstreamAnswered(address, answer));
                }
            },
            Packet::Psync(history, offset) => self.synchronize(number, at, (history, offset)),
            Packet::Continue(history) => {
                self.nodes[at].follow_as(history);
                self.report(at, Report::UpstreamOnline);
            }
            Packet::FullSync => self.report(at, Report::Discarding),
            Packet::Copy(histories, log) => {
                let lineage = self.nodes[at].copy(histories, log);
                self.report(at, Report::Copied(lineage));
                self.report(at, Report::UpstreamOnline);
                self.acknowledge(at);
            }
            Packet::Stream(begin, entries) => {
                assert_eq!(begin, self.nodes[at].end(), "a stream has no holes");
                self.append(at, entries);
                self.acknowledge(at);
            }
            Packet::Ack(memory, on_disk) => {
                let disk = Some(on_disk);
                let peer = PeerId(number);
                self.report(at, Report::Acknowledged { peer, memory, disk });
            }
        }
    }

    pub(super) fn received(&mut self, at: usize, link: LinkId, bytes: &[u8]) {
        let mut taken = bytes.len();
        if taken > 0 && self.nodes[at].machine.is_some() {
            let taken = &mut taken;
            self.event(at, Event::Received { link, bytes, taken });
        }
    }

    /// Words arrive at the client port.
    pub(super) fn asked(&mut self, number: u64, at: usize, from: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (args, len) = arguments(rest);
            rest = &rest[len..];
            let args: Vec<&[u8]> = args.iter().skip(1).map(Vec::as_slice).collect();
            let word = Word::parse(&args).expect("a word");
            let (peer, address) = (PeerId(number), Some(address_of(from)));
            self.note(|| format!("node {at} is asked by {from}: {word:?}"));
            self.report(
                at,
                Report::Asked {
                    peer,
                    address,
                    word,
                },
            );
        }
    }

    /// PSYNC: the stream continues, or a full copy comes.
    pub(super) fn synchronize(&mut self, number: u64, at: usize, from: (ReplId, ReplOffset)) {
        let node = &self.nodes[at];
        let leads = node
            .machine
            .as_ref()
            .is_some_and(|its| its.safe_offset().is_some());
        if !leads {
            return self.give_up(number);
        }
        let (histories, log, end) = (node.histories.clone(), node.log.clone(), node.end());
        let history = node.stream().history;
        let sent = if node.is_past(from.0, from.1) {
            self.send(number, 1, Packet::Continue(history));
            from.1
        } else {
            self.send(number, 1, Packet::FullSync);
            self.send(number, 1, Packet::Copy(histories, log));
            end
        };
        let connection = self.connections.get_mut(&number).expect("it is there");
        connection.sent = Some(sent);
    }

    /// Entries of another's stream.
    pub(super) fn append(&mut self, at: usize, entries: Vec<Entry>) {
        for entry in entries {
            let begin = self.nodes[at].end();
            self.nodes[at].push(entry.clone());
            match &entry {
                Entry::Note(note) => {
                    let end = begin + 1;
                    self.report(at, Report::Note { note, begin, end });
                }
                Entry::Write(_) => self.report(at, Report::Progress),
            }
        }
    }

    /// A replica acknowledges what it has, if it may.
    pub(super) fn acknowledge(&mut self, at: usize) {
        let node = &self.nodes[at];
        let may = node
            .machine
            .as_ref()
            .is_some_and(|its| its.may_acknowledge());
        let is_its = |its: &&Connection| {
            its.its == Use::Stream && its.ends[0] == at && its.is_open == [true, true]
        };
        let link = self.connections.values().find(is_its).map(|its| its.number);
        if let (true, false, Some(link)) = (may, node.is_primary, link) {
            let (end, durable) = (node.end(), node.durable as u64);
            let now_ms = self.now_ms;
            self.nodes[at].machine().vow(now_ms);
            self.send(link, 0, Packet::Ack(end, durable));
        }
    }
}

/// The words of the first request, and its length.
fn arguments(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let line = |from: usize| {
        let end = from
            + bytes[from..]
                .iter()
                .position(|&byte| byte == b'\n')
                .expect("a line");
        let text = std::str::from_utf8(&bytes[from + 1..end - 1]).expect("a number");
        (text.parse::<usize>().expect("a number"), end + 1)
    };
    let (count, mut at) = line(0);
    let mut words = Vec::new();
    for _ in 0..count {
        let (len, begin) = line(at);
        words.push(bytes[begin..begin + len].to_vec());
        at = begin + len + 2;
    }
    (words, at)
}
