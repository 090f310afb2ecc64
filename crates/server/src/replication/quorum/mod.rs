//! A group whose failovers lose no acknowledged write, at work (`sync-quorum`): reports to its
//! machine (`russet_replication::quorum`), and the machine's orders.
//!
//!     commands, links, turns --report--> the machine --order--> Server::obey_quorum
//!                                            |
//!                                 links to other members: russet_host::Driver
//!
//! The server leads, follows, or is *leaderless*: it has started as a primary, or another may lead,
//! and its group has no leader that it knows. A leaderless server is a replica without a link.
//!
//! Invariants
//!   1. A server becomes a primary by [`Order::Lead`] alone, after [`Order::BeginHistory`] and the
//!      notes of its term.
//!   2. Data goes only after [`Order::Discard`], a primary is followed only after
//!      [`Order::AcceptUpstream`].
//!
//! Cost: O(members) a turn that has moved the stream or brought acknowledgements; a save with an
//! fsync for each promise.

mod start;
mod tail;
mod turn;

use std::net::SocketAddr;

use mio::Registry;

use crate::clients::client::Client;
use crate::clients::ending::EndReason;
use crate::parts::run::dial::destination;
use crate::state::Server;
use russet_base::wake::Wake;
use russet_command::CommandError;
use russet_config::SyncMedium;
use russet_host::{Driver, Event, Links, Machine, Now};
use russet_keyspace::{ClientId, Keyspace};
use russet_net::Destination;
use russet_replication::quorum::{
    Address, Answer, Ballot, Change, ChangeError, Order, PeerId, Quorum, QuorumNote, Report,
    StreamEnd, TakeoverCause, Word,
};
use russet_replication::{Position, ReplId, ReplOffset};

/// The server as the host of its place in a group.
pub struct QuorumHost<'s> {
    pub server: &'s mut Server,
    pub keyspace: &'s mut Keyspace,
}

impl Driver for QuorumHost<'_> {
    type Machine = Quorum;

    fn machine(&mut self) -> Option<&mut Quorum> {
        let driver = self.server.replication.quorum.as_mut()?;
        Some(&mut driver.core)
    }

    fn links(&mut self) -> Option<(&mut Links, Option<&Registry>)> {
        let driver = self.server.replication.quorum.as_mut()?;
        let registry = self.server.connections.registry.as_ref();
        Some((&mut driver.links, registry))
    }

    fn now(&self) -> Now {
        Now::from(self.server.now)
    }

    fn event(&mut self, event: Event<'_>) {
        let (now, stream) = (self.now(), self.server.stream_end());
        if let Some(core) = self.machine() {
            core.event(now, &stream, event);
        }
    }

    fn obey(&mut self, order: Order) {
        self.server.set_acting(true);
        self.server.obey_quorum(self.keyspace, order);
        self.server.set_acting(false);
    }

    fn save(&mut self, _: bool) -> bool {
        self.server.save_quorum()
    }

    fn destination(&self, host: &[u8], port: u16) -> Result<Destination, String> {
        let config = &self.server.config;
        let tls = self.server.connections.tls.of_replication(config);
        Ok(destination(config, host, port, tls))
    }

    fn wake(&self) -> Wake {
        self.server.connections.wake.clone()
    }

    fn before_tick(&mut self) {
        self.server.refresh_quorum();
    }
}

impl Server {
    /// The end of the stream, for the machine.
    fn stream_end(&self) -> StreamEnd {
        let end = self.stream.offset();
        let aof = &self.persist.aof;
        let stored = match aof.log() {
            None if self.config.appendonly => 0,
            None => end,
            Some(_) if self.config.sync_on == SyncMedium::Disk => aof.synced().min(end),
            Some(log) if aof.has_whole_set() => log.writer.written().min(end),
            Some(_) => 0,
        };
        StreamEnd {
            history: self.stream.history().id,
            end,
            stored,
        }
    }

    /// Passes a report to the machine, and carries out what follows from it.
    pub(crate) fn report_quorum(&mut self, keyspace: &mut Keyspace, report: Report<'_>) {
        let (now, stream) = (Now::from(self.now), self.stream_end());
        let Some(driver) = &mut self.replication.quorum else {
            return;
        };
        driver.core.report(now, stream, report);
        self.continue_quorum_orders(keyspace);
    }

    /// Carries out the machine's actions until there are no more, unless an action is being carried
    /// out: then they follow it.
    fn continue_quorum_orders(&mut self, keyspace: &mut Keyspace) {
        let driver = self.replication.quorum.as_ref();
        if driver.is_some_and(|driver| !driver.is_acting) {
            let server = self;
            QuorumHost { server, keyspace }.carry_out();
        }
    }

    fn set_acting(&mut self, on: bool) {
        if let Some(driver) = &mut self.replication.quorum {
            driver.is_acting = on;
        }
    }

    /// As [`Server::report_quorum`] with a question of the link: the machine's decision.
    pub(crate) fn ask_quorum(
        &mut self,
        keyspace: &mut Keyspace,
        report: Report<'_>,
    ) -> Result<(), String> {
        if let Some(driver) = &mut self.replication.quorum {
            driver.decision = None;
        }
        self.report_quorum(keyspace, report);
        match &mut self.replication.quorum {
            None => Ok(()),
            Some(driver) => driver.decision.take().unwrap_or_else(|| {
                Err("The group has not decided whether the primary may be followed".to_owned())
            }),
        }
    }

    /// The primary has answered the introduction.
    pub(crate) fn primary_introduced(
        &mut self,
        keyspace: &mut Keyspace,
        line: &[u8],
    ) -> Result<(), String> {
        let upstream = self.replication.upstream.as_ref();
        let address = upstream.and_then(|upstream| {
            let port = upstream.core.port.to_string();
            Address::new(upstream.core.host.as_bytes(), port.as_bytes())
        });
        let address = address.ok_or("the primary's address cannot be one of a member")?;
        let is_foreign = line.starts_with(b"-ERR Unrecognized REPLCONF option")
            || line.starts_with(b"-ERR syntax error");
        let answer = match Answer::parse_line(line) {
            _ if is_foreign => None,
            answer => answer,
        };
        self.ask_quorum(keyspace, Report::UpstreamAnswered(address, answer))
    }

    /// The link to the primary is online: the stream is the primary's. `own_ip`: this server's end.
    pub(crate) fn primary_online(&mut self, keyspace: &mut Keyspace, own_ip: Option<SocketAddr>) {
        if let Some(driver) = &mut self.replication.quorum
            && let Some(address) = own_ip
        {
            let ip = address.ip().to_canonical().to_string();
            driver.learn_address(ip, &self.config);
        }
        self.doubt_unconfirmed(keyspace, false);
        self.report_quorum(keyspace, Report::UpstreamOnline);
    }

    /// The word by which this server introduces itself to a primary.
    pub(crate) fn quorum_word(&self) -> Option<Vec<u8>> {
        let driver = self.replication.quorum.as_ref()?;
        let word = driver.core.introduction(self.config.sync_eligible)?;
        let mut request = Vec::new();
        word.write(&mut request);
        Some(request)
    }

    /// A word of another node, by REPLCONF: its reply.
    ///
    /// # Errors
    /// This server has no group, or the word cannot be read.
    pub fn quorum_asked(
        &mut self,
        keyspace: &mut Keyspace,
        client: &Client,
        args: &[&[u8]],
    ) -> Result<Vec<u8>, CommandError> {
        let shown = String::from_utf8_lossy(args[0]);
        if self.replication.quorum.is_none() {
            let text = format!("ERR Unrecognized REPLCONF option: {shown}");
            return Err(CommandError::owned(text));
        }
        let word = Word::parse(args).map_err(|error| CommandError::owned(error.to_string()))?;
        let is_replica = matches!(word, Word::Quorum { .. });
        let address = if is_replica {
            self.announced_address(client)
        } else {
            None
        };
        let own_ip = client
            .local_ip()
            .map(|ip| ip.ip().to_canonical().to_string());
        if let Some(driver) = &mut self.replication.quorum {
            if !driver.peers.contains(&client.id) {
                driver.peers.push(client.id);
            }
            if let Some(ip) = own_ip.filter(|_| is_replica) {
                driver.learn_address(ip, &self.config);
            }
        }
        let peer = PeerId(client.id.0);
        let report = Report::Asked {
            peer,
            address,
            word,
        };
        self.report_quorum(keyspace, report);
        let driver = self.replication.quorum.as_mut();
        let answer = driver.and_then(|driver| driver.take_answer(client.id));
        answer.ok_or(CommandError::Text("ERR The group has no answer"))
    }

    /// Where a replica that introduces itself can be reached.
    fn announced_address(&mut self, client: &Client) -> Option<Address> {
        let now_ms = self.now.mono_ms;
        let replicas = &mut self.replication.replicas;
        let (ip, port) = replicas.introduce(client.link_peer(), now_ms).address();
        Address::new(ip.as_bytes(), port.to_string().as_bytes())
    }

    /// A change of the members, by this server as their leader.
    ///
    /// # Errors
    /// See [`Quorum::change`].
    pub fn change_quorum(
        &mut self,
        keyspace: &mut Keyspace,
        change: &Change,
    ) -> Result<(), ChangeError> {
        let Some(driver) = &mut self.replication.quorum else {
            return Err(ChangeError::NotLeading);
        };
        driver.core.change(change)?;
        // By 0 the group ends once that is safe ([`Order::LeaveGroup`]).
        if let Change::Set(n) = change
            && *n > 0
        {
            self.config.min_sync_replicas = u32::try_from(*n).unwrap_or(u32::MAX);
            self.update_sync_writes(keyspace);
        }
        self.continue_quorum_orders(keyspace);
        Ok(())
    }

    /// An order to become the primary: at once, or once the group agrees.
    pub fn order_lead(&mut self, keyspace: &mut Keyspace) {
        let driver = self.replication.quorum.as_ref();
        if driver.is_some_and(|driver| !driver.core.is_off()) {
            self.report_quorum(keyspace, Report::TakeOver(TakeoverCause::Order));
        } else {
            self.lead_without_group(keyspace);
        }
    }

    /// Becomes the primary, if this server is a replica, and is in no group from now on.
    pub(crate) fn lead_without_group(&mut self, keyspace: &mut Keyspace) {
        if self.replication.is_replica() {
            self.report_quorum(keyspace, Report::Left);
            self.become_primary(keyspace);
        }
    }

    /// QUORUM TAKEOVER LOSSY: this server leads alone, in a group of its own, and what it lacks is
    /// given up.
    ///
    /// # Errors
    /// It does not lead: it is in no group, or its file cannot be saved.
    pub fn lead_alone(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        self.refresh_quorum();
        self.report_quorum(keyspace, Report::TakeOver(TakeoverCause::Lossy));
        let driver = self.replication.quorum.as_ref();
        match driver {
            Some(driver) if driver.leads() => Ok(()),
            _ => Err("this server is in no group, or quorum.conf cannot be saved".to_owned()),
        }
    }

    /// The machine has left its group.
    fn leave_group(&mut self, keyspace: &mut Keyspace, is_off: bool) {
        self.stream.lineage = None;
        if is_off {
            self.config.min_sync_replicas = 0;
            self.update_sync_writes(keyspace);
        }
    }

    /// An order to follow another server.
    pub fn order_follow(&mut self, keyspace: &mut Keyspace, host: &[u8], port: u16) {
        if self.replication.quorum.is_some() {
            let digits = port.to_string();
            if let Some(address) = Address::new(host, digits.as_bytes()) {
                self.report_quorum(keyspace, Report::Follow(address));
            }
        }
        self.follow(keyspace, host, port);
    }

    fn obey_quorum(&mut self, keyspace: &mut Keyspace, order: Order) {
        match order {
            Order::Answer(peer, answer) => {
                let mut bytes = Vec::new();
                answer.write(&mut bytes);
                self.answer_peer(peer, bytes);
            }
            Order::SendTail {
                peer,
                history,
                offset,
            } => {
                let bytes = self.tail_for(history, offset);
                self.answer_peer(peer, bytes);
            }
            Order::EndPeer(PeerId(id)) => {
                let reason = EndReason::Role;
                self.turn
                    .close_by_id(&mut self.clients, ClientId(id), reason);
            }
            Order::EndUpstream => {
                if self.replication.upstream.is_some() {
                    self.drop_link(keyspace);
                }
            }
            Order::AcceptUpstream | Order::Discard => self.decide(Ok(())),
            Order::RefuseUpstream(why) => self.decide(Err(why)),
            Order::Follow { address, ballot } => self.follow_leader(keyspace, &address, ballot),
            Order::ApplyTail { history, bytes } => {
                if let Some(driver) = &mut self.replication.quorum {
                    driver.tail = Some((history, bytes));
                }
            }
            Order::BeginHistory => self.begin_term(keyspace),
            Order::Append(note) => self.append_group_note(keyspace, &note),
            Order::Lead(ballot) => {
                tracing::info!("This server is the primary, by ballot {ballot}.");
                self.update_sync_writes(keyspace);
                self.report_takeover(keyspace, Ok(()));
            }
            Order::TakeoverFailed(cause, why) => {
                // The machine has logged the reason of a takeover that had begun.
                tracing::warn!("No takeover ({cause:?}): {why}");
                if cause == TakeoverCause::Order {
                    self.report_takeover(keyspace, Err(&why));
                }
            }
            Order::HandOverFailed(why) => _ = self.abort_failover(keyspace, &why),
            Order::Depose(why) => {
                self.depose(keyspace, &why);
                self.end_failover();
            }
            Order::LeaveGroup { is_off } => self.leave_group(keyspace, is_off),
            Order::Safe(safe) => {
                self.replication.sync_writes.set_safe(safe);
                keyspace.unconfirmed.set_safe(safe);
                self.release_replies();
            }
            // Cron ends the connections that have waited for `sync-timeout`.
            Order::Overdue => {}
        }
    }

    fn decide(&mut self, decision: Result<(), String>) {
        if let Some(driver) = &mut self.replication.quorum {
            driver.decision = Some(decision);
        }
    }

    fn answer_peer(&mut self, PeerId(id): PeerId, bytes: Vec<u8>) {
        if let Some(driver) = &mut self.replication.quorum {
            driver.answers.push((ClientId(id), bytes));
        }
    }

    /// The stream after a position, as a bulk string; or an error.
    fn tail_for(&self, history: ReplId, offset: ReplOffset) -> Vec<u8> {
        let at = Position {
            id: history,
            offset,
        };
        let backlog = self.stream.backlog().filter(|_| self.stream.continues(at));
        let Some(backlog) = backlog else {
            return b"-ERR the stream after that position is not here\r\n".to_vec();
        };
        let length = self.stream.offset() - offset;
        let mut bulk = format!("${length}\r\n").into_bytes();
        backlog
            .read(offset)
            .for_each(|part| bulk.extend_from_slice(part));
        bulk.extend_from_slice(b"\r\n");
        bulk
    }

    /// The outcome of a takeover, for the node of a cluster: it claims the slots.
    pub(crate) fn report_takeover(&mut self, keyspace: &mut Keyspace, outcome: Result<(), &str>) {
        self.update_own(keyspace);
        self.with_cluster(keyspace, |driver, now| {
            driver.core.taken_over(now, outcome);
        });
    }

    /// The machine has found the leader of its group.
    fn follow_leader(&mut self, keyspace: &mut Keyspace, address: &Address, ballot: Ballot) {
        let cluster = self.cluster.as_ref();
        if cluster.is_some_and(|driver| !driver.core.is_replica()) {
            // The leader claims the slots, and then the node follows it.
            tracing::info!(
                "Ballot {ballot} leads at {address}: waiting for its claim of the slots."
            );
            return;
        }
        let upstream = self.replication.upstream.as_deref();
        let follows = upstream.is_some_and(|upstream| {
            upstream.core.port == address.port && upstream.core.host == address.host
        });
        if !follows {
            self.follow(keyspace, address.host.as_bytes(), address.port);
        }
    }

    /// A term begins: a history that continues the one so far.
    fn begin_term(&mut self, keyspace: &mut Keyspace) {
        if self.replication.is_replica() {
            return self.become_primary(keyspace);
        }
        self.stream.promote();
        self.replication
            .drop_replicas(&mut self.clients, &mut self.turn);
    }

    pub(in crate::replication) fn append_group_note(
        &mut self,
        keyspace: &mut Keyspace,
        note: &QuorumNote,
    ) {
        let begin = self.stream.offset();
        self.append_ping(&note.text());
        let end = self.stream.offset();
        self.stream.note_group(note, begin, end);
        self.replication.sends_at_once = true;
        self.report_quorum(keyspace, Report::Note { note, begin, end });
    }

    /// Another may lead: this server is a replica without a link from now on.
    fn depose(&mut self, keyspace: &mut Keyspace, why: &str) {
        if !self.replication.is_replica() {
            tracing::warn!("No longer the primary: {why}");
            self.cease_to_lead(keyspace, None);
            self.replication.is_leaderless = true;
            self.stream.set_followed(true);
            self.replication
                .drop_replicas(&mut self.clients, &mut self.turn);
            self.role_changed(keyspace);
        }
    }
}
