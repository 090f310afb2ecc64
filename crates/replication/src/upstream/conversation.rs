//! The conversations of an attempt, on one link or on two, and the stream that the main link brings
//! while the second link is at work.
//!
//! The messages are the messages of [`Handshake`], [`ChannelHandshake`] and [`Join`]; here is what
//! follows from their ends.

use super::super::channel::{ChannelHandshake, ChannelProtocol, Join, SnapshotAnnouncement};
use super::super::handshake::{Handshake, HandshakeError, HandshakeOutcome, Introduction};
use super::core::{Delay, MainLink, SecondLink, Stage, Upstream};
use super::events::{Link, Loss, Order};
use super::words::Words;
use russet_host::Action;

impl Upstream {
    /// The link that brings the snapshot.
    pub fn snapshot_link(&self) -> Link {
        match self.main {
            Some(_) => Link::Second,
            None => Link::Main,
        }
    }

    pub(super) fn dial(&mut self, now_ms: u64, link: Link) {
        if link == Link::Main {
            self.figures.current += 1;
            self.figures.total += 1;
            let Words { master, .. } = self.words();
            self.log(format!("{master} <-> REPLICA sync started"));
        }
        self.received_ms = now_ms;
        self.stage = Stage::Dialing(now_ms);
        let (host, port) = (self.host.clone().into_bytes(), self.port);
        let link = self.number(link);
        self.act(Action::Dial { link, host, port });
    }

    /// The connection is there: the conversation begins.
    pub(super) fn connected(&mut self, mut its: Introduction) {
        if !matches!(self.stage, Stage::Dialing(_)) {
            return;
        }
        its.from = its.from.filter(|_| self.has_data);
        its.failover = self.failover;
        let mut out = Vec::new();
        if let Some(main) = &self.main {
            let handshake = ChannelHandshake::begin(main.dialect, &its, &mut out);
            self.stage = Stage::Announcing(Box::new(handshake));
            return self.send(Link::Second, out);
        }
        self.log("Non blocking connect for SYNC fired the event.".to_owned());
        self.unpacks = its.lz4;
        let handshake = Handshake::begin(its, &mut out);
        self.stage = Stage::Talking(Box::new(handshake));
        self.send(Link::Main, out);
    }

    /// Whether bytes of this link can be taken now.
    pub fn wants(&mut self, link: Link) -> bool {
        let is_of_snapshot = link == self.snapshot_link();
        match (&self.stage, &self.main) {
            (Stage::Joining(_), _) => link == Link::Main,
            (Stage::Down | Stage::Online | Stage::Settled, _) => false,
            (_, Some(main)) if link == Link::Main => !main.is_lost && self.check_room(),
            (Stage::Talking(_) | Stage::Announcing(_), _) => is_of_snapshot,
            (Stage::Receiving(receiving), _) => is_of_snapshot && !receiving.is_received(),
            (Stage::Loading(loading), _) => is_of_snapshot && !loading.is_received(),
            (Stage::Dialing(_) | Stage::Surveying(..), _) => false,
        }
    }

    /// Whether there is a main link beside the link that is at work, whose bytes are held.
    pub fn holds_main(&self) -> bool {
        let holds = !matches!(self.stage, Stage::Joining(_) | Stage::Online);
        holds && self.main.as_ref().is_some_and(|main| !main.is_lost)
    }

    /// Whether more of the stream may be held. Logs the first time that the limit is reached.
    fn check_room(&mut self) -> bool {
        match self.held.check(self.settings.held_max_bytes) {
            Ok(is_full) => !is_full,
            Err(bytes) => {
                let Words { inside, .. } = self.words();
                self.log(format!(
                    "Replication buffer limit has been reached ({bytes} bytes), stopped \
                     buffering replication stream. Further accumulation may occur on {inside} \
                     side."
                ));
                false
            }
        }
    }

    pub(super) fn received(&mut self, now_ms: u64, link: Link, bytes: &[u8]) {
        let is_of_snapshot = link == self.snapshot_link();
        if is_of_snapshot {
            self.received_ms = now_ms;
        }
        match &mut self.stage {
            Stage::Joining(_) if link == Link::Main => self.join(now_ms, bytes),
            _ if link == Link::Main && self.main.is_some() => self.held.push(bytes),
            Stage::Talking(_) if is_of_snapshot => self.talk(now_ms, bytes),
            Stage::Announcing(_) if is_of_snapshot => self.announce(now_ms, bytes),
            Stage::Receiving(_) if is_of_snapshot => self.store(now_ms, bytes),
            Stage::Loading(_) if is_of_snapshot => self.feed(now_ms, bytes),
            _ => {}
        }
    }

    fn talk(&mut self, now_ms: u64, bytes: &[u8]) {
        let Stage::Talking(handshake) = &mut self.stage else {
            return;
        };
        let mut out = Vec::new();
        let received = handshake.receive(bytes, &mut out);
        let lines = handshake.take_log();
        let rest = match received {
            Ok(Some(_)) => handshake.take_rest(),
            _ => Vec::new(),
        };
        for (level, line) in lines {
            self.act(Action::Log { level, text: line });
        }
        let agreed = match received {
            Ok(agreed) => agreed,
            Err(error) => {
                let why = self.of_primary(&error);
                if error != HandshakeError::FailoverRejected {
                    return self.fail(now_ms, why);
                }
                self.lose(now_ms, Delay::Refused);
                return self.act(Order::TakeOverRefused(why));
            }
        };
        let answer = match &mut self.stage {
            Stage::Talking(handshake) => handshake.take_quorum_answer(),
            _ => None,
        };
        if !out.is_empty() {
            self.send(Link::Main, out);
        }
        if let Some(line) = answer {
            self.act(Order::Introduced(line));
        }
        if let Some(agreed) = agreed {
            self.agreed(now_ms, agreed, rest);
        }
    }

    /// The group lets this server follow the primary.
    pub(super) fn accepted(&mut self) {
        let mut out = Vec::new();
        if let Stage::Talking(handshake) = &mut self.stage {
            handshake.accept(&mut out);
            let lines = handshake.take_log();
            for (level, line) in lines {
                self.act(Action::Log { level, text: line });
            }
        }
        if !out.is_empty() {
            self.send(Link::Main, out);
        }
    }

    /// The group does not: the data is kept, and the primary asked again later.
    pub(super) fn not_accepted(&mut self, now_ms: u64, why: String) {
        match self.stage {
            Stage::Talking(_) => self.fail(now_ms, why),
            Stage::Loading(_) => self.refuse_load(now_ms, why),
            _ => {}
        }
    }

    fn agreed(&mut self, now_ms: u64, agreed: HandshakeOutcome, rest: Vec<u8>) {
        let Words { master, inside, .. } = self.words();
        match agreed {
            HandshakeOutcome::Continue(id) => {
                self.act(Order::ContinueHistory(id));
                self.go_online(rest);
            }
            HandshakeOutcome::FullSync(at) => {
                self.log(format!(
                    "Full resync from {inside}: {}:{}",
                    at.id, at.offset
                ));
                self.begin_snapshot(Some(at), rest);
            }
            HandshakeOutcome::Sync => self.begin_snapshot(None, rest),
            HandshakeOutcome::TwoChannels(dialect) => {
                self.log(format!(
                    "{master} <-> REPLICA sync: the snapshot comes over a second connection"
                ));
                self.main = Some(MainLink {
                    dialect,
                    selected: None,
                    is_lost: false,
                });
                self.held.restart();
                // Valkey's main link has another conversation first.
                match dialect {
                    ChannelProtocol::RdbChannel { .. } => self.hold_stream(rest),
                    ChannelProtocol::DualChannel => self.held.push(&rest),
                }
                self.dial(now_ms, Link::Second);
            }
        }
    }

    /// The stream follows on the main link, `rest` first, and is held.
    fn hold_stream(&mut self, rest: Vec<u8>) {
        if self.unpacks {
            self.act(Order::Unpack(rest));
        } else {
            self.held.push(&rest);
        }
    }

    fn announce(&mut self, now_ms: u64, bytes: &[u8]) {
        let Stage::Announcing(handshake) = &mut self.stage else {
            return;
        };
        let mut out = Vec::new();
        let announced = match handshake.receive(bytes, &mut out) {
            Ok(announced) => announced,
            Err(error) => {
                let why = self.of_primary(&error);
                return self.fail(now_ms, why);
            }
        };
        let rest = announced.map(|_| handshake.take_rest());
        if !out.is_empty() {
            self.send(Link::Second, out);
        }
        if let (Some(announced), Some(rest)) = (announced, rest) {
            self.announced(announced, rest);
        }
    }

    fn announced(&mut self, announced: SnapshotAnnouncement, rest: Vec<u8>) {
        let at = announced.position;
        let Words { inside, .. } = self.words();
        self.log(format!(
            "Full resync from {inside}: {}:{}",
            at.id, at.offset
        ));
        if let Some(main) = &mut self.main {
            main.selected = announced.selected;
        }
        let Some(number) = announced.joined_by else {
            return self.begin_snapshot(Some(at), rest);
        };
        let mut out = Vec::new();
        let join = Join::begin(number, at, &mut out);
        self.stage = Stage::Joining(Box::new(SecondLink {
            announced,
            rest,
            join,
        }));
        self.send(Link::Main, out);
    }

    /// The conversation by which the main link joins the second link.
    fn join(&mut self, now_ms: u64, bytes: &[u8]) {
        let Stage::Joining(joining) = &mut self.stage else {
            return;
        };
        let mut out = Vec::new();
        let joined = match joining.join.receive(bytes, &mut out) {
            Ok(joined) => joined,
            Err(error) => {
                let why = self.of_primary(&error);
                return self.fail(now_ms, why);
            }
        };
        let position = joining.announced.position;
        let after = std::mem::take(&mut joining.rest);
        let Some(rest) = joined else {
            joining.rest = after;
            if !out.is_empty() {
                self.send(Link::Main, out);
            }
            return;
        };
        self.hold_stream(rest);
        self.begin_snapshot(Some(position), after);
    }

    // --- the end of a connection ---

    pub(super) fn link_lost(&mut self, now_ms: u64, link: Link, loss: Loss) {
        let Words { master, .. } = self.words();
        let is_writing = matches!(loss, Loss::Writing(_));
        let why = match (&self.stage, loss) {
            (Stage::Joining(_), Loss::Ended) => "the main connection was lost".to_owned(),
            (_, Loss::Ended) => "connection lost".to_owned(),
            (_, Loss::Damaged(why)) => format!("the compressed stream is damaged: {why}"),
            (_, Loss::Reading(why) | Loss::Writing(why)) => why,
        };
        if link == Link::Main && self.holds_main() {
            return self.main_lost(now_ms, &why);
        }
        match &self.stage {
            Stage::Down | Stage::Dialing(_) | Stage::Online => {}
            Stage::Announcing(_) | Stage::Joining(_) => {
                let why = format!("I/O error on the rdb channel of {master}: {why}");
                self.fail(now_ms, why);
            }
            Stage::Talking(_) if !is_writing => {
                self.fail(now_ms, format!("I/O error reading from {master}: {why}"));
            }
            _ if is_writing => self.fail(now_ms, format!("I/O error writing to {master}: {why}")),
            Stage::Loading(_) => {
                let why = format!("I/O error trying to sync with {master}: {why}");
                self.cut_short(now_ms, why);
            }
            _ => {
                self.warn(format!("I/O error trying to sync with {master}: {why}"));
                self.lose(now_ms, Delay::None);
            }
        }
    }

    /// The main link was lost. A load from a file continues: afterwards the stream is continued
    /// from the snapshot's position. Everything else ends.
    fn main_lost(&mut self, now_ms: u64, why: &str) {
        let Words { master, inside, .. } = self.words();
        self.warn(format!("Main channel of {master} was lost: {why}"));
        match &self.stage {
            Stage::Loading(loading) => {
                let is_file = loading.is_file();
                self.warn("Aborting rdb channel sync while loading the RDB".to_owned());
                if !is_file {
                    return self.sync_lost(now_ms);
                }
                self.warn(format!(
                    "After loading RDB, replica will try psync with {inside}"
                ));
                self.held.clear();
                if let Some(main) = &mut self.main {
                    main.is_lost = true;
                }
            }
            Stage::Receiving(_) => self.lose(now_ms, Delay::None),
            _ => self.lose(now_ms, Delay::Refused),
        }
    }

    // --- the stream ---

    /// The dataset is the primary's: the main link becomes a client. `rest`: bytes of the stream.
    pub(super) fn go_online(&mut self, rest: Vec<u8>) {
        self.stage = Stage::Settled;
        self.act(Order::GoOnline {
            rest,
            unpacks: self.unpacks,
            replays: self.replays,
        });
    }

    /// A snapshot is the dataset now: the stream follows. With two links, the main link brings it;
    /// if the main link was lost, it is dialled again.
    pub(super) fn adopted(&mut self, now_ms: u64) {
        let Stage::Loading(loading) = &mut self.stage else {
            return;
        };
        let mut rest = loading.take_rest();
        if let Some(main) = self.main.take() {
            if main.is_lost {
                self.has_data = true;
                return self.lose(now_ms, Delay::None);
            }
            let Words { master, .. } = self.words();
            self.log(format!(
                "{master} <-> REPLICA sync: Starting to stream replication buffer into the db"
            ));
            self.replays = true;
            rest = Vec::new();
        }
        self.go_online(rest);
    }

    /// The link's client gets the next part of the held bytes; after the last part, its socket.
    pub(super) fn replay(&mut self, now_ms: u64, bytes_max: usize) {
        if !self.is_replaying() {
            return;
        }
        self.received_ms = now_ms;
        if let Some(bytes) = self.held.pop(bytes_max) {
            return self.act(Order::Replay(bytes));
        }
        self.replays = false;
        let (Words { master, .. }, peak) = (self.words(), self.held.peak());
        self.log(format!(
            "{master} <-> REPLICA sync: Successfully streamed replication buffer into the db \
             (peak {peak} bytes)"
        ));
        self.act(Order::ReadLink);
    }
}
