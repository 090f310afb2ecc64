//! A server with data: the machine of its link to a primary, the stream
//! (`russet_replication::simulation`), the sessions of its replicas, connections of Sentinels, and
//! in a cluster its node.
//!
//! A turn reads, works, saves, then sends, so an acknowledgement leaves after the write is where
//! `appendfsync` wants it. A crash keeps the synced bytes; the end of a process keeps all written
//! bytes.

use std::collections::BTreeMap;

use super::commands::Connection;
use super::data::{Write, Writes};
use super::member::Member;
use russet_config::DisklessLoad;
use russet_host::{LinkId, Random};
use russet_replication::Position;
use russet_replication::simulation::{Make, Node, Options, Session, State};

/// The first number of accepted links; dialled links have smaller numbers.
const ACCEPTED: u64 = 1 << 40;
/// `min-replicas-max-lag`.
const LAG_MAX_MS: u64 = 2000;

/// The rules of all servers in a run.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `appendfsync always`; otherwise `everysec`.
    pub is_always: bool,
    /// `min-replicas-to-write 1`, without a cluster.
    pub needs_replica: bool,
}

/// The other end of an accepted link.
pub enum Peer {
    /// A server that has not sent a whole request.
    Fresh(Vec<u8>),
    /// A node that slots move from or to; `moves` has the link.
    Mover,
    /// A replica.
    Replica(Box<Session>),
    /// A Sentinel.
    Sentinel(Connection),
}

/// An accepted link.
pub struct AcceptedLink {
    /// The host at the other end.
    pub from: usize,
    pub peer: Peer,
}

/// Bytes of a link to the primary that the machine does not want yet.
#[derive(Default)]
pub struct Inbox {
    pub bytes: Vec<u8>,
    pub is_ended: bool,
}

/// See the module.
pub struct Server {
    pub node: Node<Writes>,
    pub rules: Rules,
    /// `None` outside a cluster.
    pub member: Option<Member>,
    pub accepted: BTreeMap<LinkId, AcceptedLink>,
    pub inboxes: BTreeMap<LinkId, Inbox>,
    /// The primary in the configuration file.
    pub saved_primary: Option<usize>,
    /// Writes whose replies wait for the end of the turn.
    pub unanswered: Vec<Write>,
    /// The last saved position, and the time of the save.
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

    /// The sessions of replicas that receive the stream, and their hosts.
    pub fn replicas(&self) -> impl Iterator<Item = (usize, &Session)> {
        self.accepted.values().filter_map(|its| match &its.peer {
            Peer::Replica(session) if matches!(session.state, State::Online(_)) => {
                Some((its.from, &**session))
            }
            _ => None,
        })
    }

    /// The number of other hosts that have acknowledged a position.
    pub fn acknowledged(&self, offset: u64) -> usize {
        let has_it = |session: &Session| session.acked.is_some_and(|acked| acked >= offset);
        let hosts = self.replicas().filter(|(_, session)| has_it(session));
        let mut hosts: Vec<usize> = hosts.map(|(host, _)| host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.len()
    }

    /// The second links of these main links have sent the snapshot, so the stream follows.
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

    /// Whether a replica was there recently, if the rules ask for a replica.
    pub fn has_replica(&self, now_ms: u64) -> bool {
        let is_near = |session: &Session| {
            session.acked.is_some() && now_ms.saturating_sub(session.received_ms) <= LAG_MAX_MS
        };
        !self.rules.needs_replica || self.replicas().any(|(_, session)| is_near(session))
    }

    /// Whether the server must sync its unsaved writes now.
    pub fn must_save(&self, now_ms: u64) -> bool {
        let is_new = self.saved.0 != Some(self.node.stream.position());
        let is_due = self.rules.is_always || now_ms >= self.saved.1 + 1000;
        is_new && is_due && !self.node.is_loading
    }

    pub fn save(&mut self, now_ms: u64) {
        self.node.save();
        self.saved = (Some(self.node.stream.position()), now_ms);
    }

    /// Ends the process: with the power, only synced bytes remain; otherwise all written bytes.
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

    /// Starts the process with its files; a former replica has its data as a replica.
    pub fn start(&mut self, now_ms: u64, follows: Option<usize>, run: u64) {
        self.run = run;
        self.node.follows = follows;
        self.node.restart(now_ms);
        self.saved = (None, now_ms);
    }
}
