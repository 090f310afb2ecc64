//! A server with data: the machine of its link to a primary and the stream
//! (`russet_replication::simulation`), sessions of its replicas, connections of Sentinels, and in a
//! cluster its node.
//!
//! A turn reads, works, saves, then sends: what acknowledges a write leaves after the write is
//! where `appendfsync` wants it. A crash leaves what was synced, the end of a process all that was
//! written.

use std::collections::BTreeMap;

use super::commands::Connection;
use super::data::{Write, Writes};
use super::member::Member;
use russet_config::DisklessLoad;
use russet_host::{LinkId, Random};
use russet_replication::Position;
use russet_replication::simulation::{Make, Node, Options, Session, State};

/// The numbers of accepted links begin there; dialled ones are below.
const ACCEPTED: u64 = 1 << 40;
/// `min-replicas-max-lag`.
const LAG_MAX_MS: u64 = 2000;

/// Rules of all servers of a run.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `appendfsync always`; otherwise each second.
    pub is_always: bool,
    /// `min-replicas-to-write 1`, without a cluster.
    pub needs_replica: bool,
}

/// The other end of an accepted link.
pub enum Peer {
    /// A server that has not sent a whole request.
    Fresh(Vec<u8>),
    /// A node that slots move from or to: the link is in `moves`.
    Mover,
    /// A replica.
    Replica(Box<Session>),
    /// A Sentinel.
    Sentinel(Connection),
}

/// An accepted link.
pub struct AcceptedLink {
    /// The host at its other end.
    pub from: usize,
    pub peer: Peer,
}

/// Bytes of a link to the primary that were not wanted yet.
#[derive(Default)]
pub struct Inbox {
    pub bytes: Vec<u8>,
    pub is_ended: bool,
}

/// See the module.
pub struct Server {
    pub node: Node<Writes>,
    pub rules: Rules,
    /// `None`: in no cluster.
    pub member: Option<Member>,
    pub accepted: BTreeMap<LinkId, AcceptedLink>,
    pub inboxes: BTreeMap<LinkId, Inbox>,
    /// The primary that the configuration file names.
    pub saved_primary: Option<usize>,
    /// Its replies wait for the end of the turn.
    pub unanswered: Vec<Write>,
    /// The position that was saved last, and when.
    saved: (Option<Position>, u64),
    pub run: u64,
    last_link: u64,
}

impl Server {
    pub fn new(random: &mut Random, rules: Rules, keeps_log: bool) -> Server {
        let makes = [Make::Redis7, Make::Redis8, Make::Valkey];
        let loads = [
            DisklessLoad::Disabled,
            DisklessLoad::Disabled,
            DisklessLoad::OnEmptyDb,
            DisklessLoad::SwapDb,
        ];
        let options = Options {
            make: makes[random.place(makes.len())],
            diskless: loads[random.place(loads.len())],
            retain_percent: 0,
            rdb_channel: random.place(2) == 0,
            dual_channel: random.place(2) == 0,
            held_max_bytes: 0,
            lz4: random.place(2) == 0,
            fault: None,
        };
        Server {
            node: Node::new(options, keeps_log),
            rules,
            member: None,
            accepted: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            saved_primary: None,
            unanswered: Vec::new(),
            saved: (None, 0),
            run: 0,
            last_link: 0,
        }
    }

    /// Whether this server has accepted the link.
    pub fn is_accepted(link: LinkId) -> bool {
        (ACCEPTED..2 * ACCEPTED).contains(&link.0)
    }

    /// The accepted link with this number.
    pub fn link(number: u64) -> LinkId {
        LinkId(ACCEPTED + number)
    }

    /// The number of an accepted link, as `CLIENT ID` has it.
    pub fn number(link: LinkId) -> u64 {
        link.0 - ACCEPTED
    }

    pub fn accept(&mut self, from: usize, is_sentinel: bool) -> LinkId {
        self.last_link += 1;
        let link = LinkId(ACCEPTED + self.last_link);
        let peer = if is_sentinel {
            Peer::Sentinel(Connection::default())
        } else {
            Peer::Fresh(Vec::new())
        };
        self.accepted.insert(link, AcceptedLink { from, peer });
        link
    }

    /// The sessions of replicas that receive the stream, with their hosts.
    pub fn replicas(&self) -> impl Iterator<Item = (usize, &Session)> {
        self.accepted.values().filter_map(|its| match &its.peer {
            Peer::Replica(session) if matches!(session.state, State::Online(_)) => {
                Some((its.from, &**session))
            }
            _ => None,
        })
    }

    /// How many other hosts have acknowledged a position.
    pub fn acknowledged(&self, offset: u64) -> usize {
        let has_it = |session: &Session| session.acked.is_some_and(|acked| acked >= offset);
        let hosts = self.replicas().filter(|(_, session)| has_it(session));
        let mut hosts: Vec<usize> = hosts.map(|(host, _)| host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.len()
    }

    /// The second links of these main ones have brought the snapshot: the stream follows.
    pub fn begin_streams(&mut self, begun: &[(u64, u64)]) {
        for (link, its) in &mut self.accepted {
            let number = Server::number(*link);
            let begins = begun.iter().find(|(main, _)| *main == number);
            if let (Some((_, offset)), Peer::Replica(session)) = (begins, &mut its.peer)
                && session.state == State::AwaitsSecond
            {
                session.state = State::Online(*offset);
            }
        }
    }

    /// Whether a replica was there lately, if that is asked for.
    pub fn has_replica(&self, now_ms: u64) -> bool {
        let is_near = |session: &Session| {
            session.acked.is_some() && now_ms.saturating_sub(session.received_ms) <= LAG_MAX_MS
        };
        !self.rules.needs_replica || self.replicas().any(|(_, session)| is_near(session))
    }

    /// What was written since the last save must be synced now.
    pub fn must_save(&self, now_ms: u64) -> bool {
        let is_new = self.saved.0 != Some(self.node.stream.position());
        let is_due = self.rules.is_always || now_ms >= self.saved.1 + 1000;
        is_new && is_due && !self.node.is_loading
    }

    pub fn save(&mut self, now_ms: u64) {
        self.node.save();
        self.saved = (Some(self.node.stream.position()), now_ms);
    }

    /// The process ends: with what is in the kernel's memory, or with the power.
    pub fn stop(&mut self, has_power: bool) {
        if has_power {
            self.node.save();
        }
        self.node.is_up = false;
        self.accepted.clear();
        self.inboxes.clear();
        self.unanswered.clear();
        if let Some(member) = &mut self.member {
            member.stop(has_power);
        }
    }

    /// The process starts with its files, and its data as a replica's if it was one.
    pub fn start(&mut self, now_ms: u64, follows: Option<usize>, run: u64) {
        self.run = run;
        self.node.follows = follows;
        self.node.restart(now_ms);
        self.saved = (None, now_ms);
    }
}
