//! The primary's end of a link as russet answers: the machine of the primary ([`Replicas`]), with
//! the simulation as its server. Snapshots are begun and shared as the machine says.

use std::collections::HashMap;

use super::node::{Dataset, Fault, Node, TIMEOUT_MS};
use super::serving::{Serving, Session, State, snapshot_text};
use crate::ChannelProtocol;
use crate::history::{Position, ReplId, ReplOffset};
use crate::primary::{
    DueSnapshot, Peer, Refusal, Replicas, SentSnapshot, SnapshotFraming, SyncAnswer, SyncRequest,
    Transport,
};
use russet_base::numbers::number::parse_digits;
use russet_config::Config;
use russet_host::Random;
use russet_keyspace::ClientId;

/// How long others may join a snapshot that has begun, milliseconds.
const OPEN_MS: u64 = 400;

/// The server's end of a link.
#[derive(Debug, Default)]
pub struct SimulatedLink {
    sent_as: Option<SnapshotFraming>,
    moved_ms: u64,
}

impl Transport for SimulatedLink {
    fn waits_for_snapshot(&self) -> bool {
        false
    }

    fn snapshot_moved_ms(&self) -> u64 {
        self.moved_ms
    }

    fn reads_log(&self) -> bool {
        false
    }

    fn is_packed(&self) -> bool {
        false
    }
}

/// The replicas of a node, and what its server does for them.
#[derive(Debug, Default)]
pub struct Serves {
    pub replicas: Replicas<SimulatedLink>,
    /// The text of the snapshot that was begun last, and until when others may join it.
    snapshot: Option<(Vec<u8>, u64)>,
    /// Bytes for links whose snapshot has begun.
    outgoing: HashMap<ClientId, Vec<u8>>,
    /// Links that are to be closed.
    closing: Vec<ClientId>,
    tended_ms: u64,
}

fn config(its: &super::node::Options) -> Config {
    Config {
        repl_timeout: (TIMEOUT_MS / 1000) as u32,
        repl_diskless_sync: its.retain_percent != 10,
        repl_diskless_sync_delay: u32::from(its.retain_percent == 50),
        repl_rdb_channel: its.rdb_channel,
        dual_channel_replication_enabled: its.dual_channel,
        ..Config::default()
    }
}

impl Serves {
    /// A link has ended: the numbers of other links that end with it.
    pub fn depart(&mut self, number: u64, now_ms: u64) -> Vec<u64> {
        let departure = self.replicas.depart(ClientId(number), false, now_ms);
        departure.useless.into_iter().map(|id| id.0).collect()
    }
}

impl<D: Dataset> Node<D> {
    /// The work of a turn for all replicas.
    fn tend_replicas(&mut self, now_ms: u64, random: &mut Random) {
        let config = config(&self.options);
        if now_ms >= self.serves.tended_ms + 1000 {
            self.serves.tended_ms = now_ms;
            let work = self.serves.replicas.tend(&config, now_ms, false, |_| 0);
            let silent = work.silent.iter().map(|(id, _)| *id);
            self.serves.closing.extend(silent);
            for id in work.waiting {
                self.serves.outgoing.entry(id).or_default().push(b'\n');
            }
        }
        let snapshot = self.serves.snapshot.as_ref();
        let is_open = snapshot.is_some_and(|(_, until_ms)| now_ms < *until_ms);
        let state = (is_open, false);
        let replicas = &mut self.serves.replicas;
        let ids = match replicas.due_snapshot(&config, &self.stream, state, now_ms, |_| true) {
            None => return,
            Some(DueSnapshot::Joins(ids)) => ids,
            Some(DueSnapshot::Begins(ids, needs)) => {
                let at = self.stream.position();
                replicas.snapshot_begun(needs, at);
                let until_ms = now_ms + random.place(OPEN_MS as usize) as u64;
                self.serves.snapshot = Some((snapshot_text(&self.data), until_ms));
                ids
            }
        };
        for id in ids {
            self.send_snapshot(id, now_ms, random);
        }
    }

    fn send_snapshot(&mut self, id: ClientId, now_ms: u64, random: &mut Random) {
        let Some((text, _)) = &self.serves.snapshot else {
            return;
        };
        let later = match self.options.fault {
            Some(Fault::LaterSnapshot) => Some(snapshot_text(&self.data)),
            _ => None,
        };
        let text = later.as_ref().unwrap_or(text);
        let Some(start) = self.serves.replicas.send_snapshot(id, now_ms) else {
            return;
        };
        if let Some(replica) = self.serves.replicas.get_mut(id) {
            replica.transport = SimulatedLink {
                sent_as: Some(start.sent_as),
                moved_ms: now_ms,
            };
        }
        let out = self.serves.outgoing.entry(id).or_default();
        out.extend_from_slice(start.line(id).as_bytes());
        match start.sent_as {
            SnapshotFraming::Length => {
                out.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
                out.extend_from_slice(text);
            }
            SnapshotFraming::Mark => {
                let mark = format!("{:040x}", random.next_u64());
                out.extend_from_slice(format!("$EOF:{mark}\r\n").as_bytes());
                out.extend_from_slice(text);
                out.extend_from_slice(mark.as_bytes());
            }
        }
    }
}

impl Session {
    /// REPLCONF of a replica.
    pub(super) fn announce<D>(&mut self, words: &[Vec<u8>], at: &mut Serving<'_, D>) {
        let peer = peer(at.number);
        let serves = &mut at.node.serves;
        for pair in words[1..].chunks(2) {
            let number = parse_digits(&pair[1]).map(ClientId);
            let main = number.filter(|main| serves.replicas.awaits_second(*main));
            let second = number.filter(|second| serves.replicas.can_join(*second));
            let facts = &mut serves.replicas.introduce(peer, at.now_ms).facts;
            match (&pair[0][..], &pair[1][..]) {
                (b"listening-port", _) => facts.port = number.map_or(0, |n| n.0 as u16),
                (b"capa", b"eof") => facts.eof = true,
                (b"capa", b"psync2") => facts.psync2 = true,
                (b"capa", b"rdb-channel-repl") => facts.rdb_channel = true,
                (b"capa", b"dual-channel") => facts.dual_channel = true,
                (b"rdb-only", word) => facts.rdb_only = word == b"1",
                (b"rdb-channel", word) => facts.rdb_channel_link = word == b"1",
                (b"main-ch-client-id", _) if main.is_none() => {
                    return self
                        .out
                        .extend_from_slice(b"-ERR Unrecognized client id\r\n");
                }
                (b"main-ch-client-id", _) => facts.main = main,
                (b"set-rdb-client-id", _) if second.is_none() => {
                    return self
                        .out
                        .extend_from_slice(b"-ERR Unrecognized client id\r\n");
                }
                (b"set-rdb-client-id", _) => facts.second = second,
                _ => {}
            }
        }
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// PSYNC or SYNC of a replica.
    pub(super) fn request<D: Dataset>(
        &mut self,
        from: Option<(ReplId, ReplOffset)>,
        at: &mut Serving<'_, D>,
    ) {
        let request = match from {
            Some((id, offset)) => SyncRequest::From(Position { id, offset }),
            None if self.by_sync => SyncRequest::Sync,
            None => SyncRequest::Full,
        };
        let config = config(&at.node.options);
        let node = &mut *at.node;
        let (refusal, answer) = node.serves.replicas.request(
            peer(at.number),
            request,
            &node.stream,
            false,
            &config,
            at.now_ms,
        );
        debug_assert!(refusal != Some(Refusal::Undo), "nothing is undone here");
        match answer {
            SyncAnswer::Continues { .. } => {
                let own = node.stream.history().id;
                self.out
                    .extend_from_slice(format!("+CONTINUE {own}\r\n").as_bytes());
            }
            SyncAnswer::OpensChannel(ChannelProtocol::RdbChannel { main }) => {
                let line = format!("+RDBCHANNELSYNC {main}\r\n");
                self.out.extend_from_slice(line.as_bytes());
            }
            SyncAnswer::OpensChannel(ChannelProtocol::DualChannel) => {
                self.out.extend_from_slice(b"+DUALCHANNELSYNC\r\n");
            }
            SyncAnswer::MainIsGone => {
                let line = b"-ERR The main connection is gone\r\n";
                self.out.extend_from_slice(line);
            }
            SyncAnswer::Waits { .. } => {}
        }
    }

    /// REPLCONF ACK of a replica.
    pub(super) fn confirm<D>(
        &mut self,
        offset: Option<ReplOffset>,
        at: &mut Serving<'_, D>,
    ) -> Result<(), String> {
        let offset = offset.ok_or("an acknowledgement without a number")?;
        let (id, replicas) = (ClientId(at.number), &mut at.node.serves.replicas);
        let Some(replica) = replicas.get(id).filter(|replica| !replica.is_mute) else {
            return Ok(());
        };
        if replica.gets_stream() {
            if offset > replica.sent {
                return Err(format!(
                    "{offset} is acknowledged, {} was sent",
                    replica.sent
                ));
            }
            if self.acked.is_some_and(|acked| acked > offset) {
                return Err(format!("{offset} is acknowledged after {:?}", self.acked));
            }
            self.acked = Some(offset);
        }
        if replicas.acknowledge(id, offset, None, at.now_ms) {
            replicas.go_online(id, at.now_ms);
        }
        Ok(())
    }

    /// Sends what the machine of the primary has for this link.
    pub(super) fn continue_machine<D: Dataset>(&mut self, at: &mut Serving<'_, D>) {
        let (id, now_ms) = (ClientId(at.number), at.now_ms);
        let node = &mut *at.node;
        node.tend_replicas(now_ms, at.random);
        let serves = &mut node.serves;
        self.closes |= serves.closing.contains(&id);
        serves.closing.retain(|other| *other != id);
        if let Some(bytes) = serves.outgoing.remove(&id) {
            self.out.extend_from_slice(&bytes);
        }
        let Some(replica) = serves.replicas.get_mut(id) else {
            return;
        };
        if let Some(sent_as) = replica.transport.sent_as.take() {
            match serves.replicas.snapshot_sent(id, sent_as, now_ms) {
                Some(SentSnapshot::Closes(main)) => {
                    self.state = State::Done;
                    if let Some(main) = main {
                        serves.replicas.go_online(main, now_ms);
                    }
                }
                Some(SentSnapshot::Streams) => _ = serves.replicas.go_online(id, now_ms),
                Some(SentSnapshot::AwaitsAck) | None => {}
            }
        }
        let Some(replica) = serves.replicas.get_mut(id) else {
            return;
        };
        if !replica.gets_stream() {
            return;
        }
        let backlog = node.stream.backlog();
        let Some(backlog) = backlog.filter(|backlog| backlog.holds(replica.sent)) else {
            self.closes = true;
            return;
        };
        for part in backlog.read(replica.sent) {
            self.out.extend_from_slice(part);
        }
        replica.sent = backlog.end();
    }
}

fn peer(number: u64) -> Peer {
    Peer {
        id: ClientId(number),
        ip: None,
    }
}
