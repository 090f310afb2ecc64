//! This server's place in a group whose failovers lose no acknowledged write: the machine
//! (`russet_replication::quorum`), the links that it dials, its file, and what waits for a turn.
//!
//! `replication::quorum` reports to the machine and carries out its orders.
//!
//! Invariants
//!   1. An order is carried out before the next one. A report that an order causes is passed to the
//!      machine at once, and the orders that follow from it come after those before.
//!   2. The file has a promise before anyone learns of it: the machine hands out nothing between.

use crate::parts::cluster::StateFile;
use russet_cluster::GroupMember;
use russet_config::{Config, SyncReads};
use russet_host::Links;
use russet_keyspace::ClientId;
use russet_net::Role;
use russet_replication::quorum::{
    Address, GroupState, LeaderState, Quorum, QuorumSettings, SyncOn, WriteGate,
};
use russet_replication::{ReplId, ReplOffset};

use super::announced_port;
use super::sync_writes::SyncState;

/// See the module.
pub struct QuorumDriver {
    pub core: Quorum,
    pub(crate) links: Links,
    pub(crate) file: StateFile,
    /// An order is being carried out: orders of reports meanwhile wait for it.
    pub(crate) is_acting: bool,
    /// The machine's decision about a primary, or about data that is to go; `Err`: why not.
    pub(crate) decision: Option<Result<(), String>>,
    /// Replies to words of other nodes that their command has not sent yet.
    pub(crate) answers: Vec<(ClientId, Vec<u8>)>,
    /// Acknowledgements of this turn: memory, and disk if the replica has a log.
    pub(crate) acks: Vec<(ClientId, ReplOffset, Option<ReplOffset>)>,
    /// Clients that have said a word.
    pub(crate) peers: Vec<ClientId>,
    /// The end of a stream that is to be applied: the history under which it continues, its bytes.
    pub(crate) tail: Option<(ReplId, Vec<u8>)>,
    /// The end of the stream that was reported last, and the end of the log.
    pub(crate) reported: (ReplOffset, ReplOffset),
}

impl QuorumDriver {
    pub(crate) fn new(core: Quorum, file: StateFile) -> QuorumDriver {
        QuorumDriver {
            core,
            links: Links::new(Role::QuorumLink),
            file,
            is_acting: false,
            decision: None,
            answers: Vec::new(),
            acks: Vec::new(),
            peers: Vec::new(),
            tail: None,
            reported: (0, 0),
        }
    }

    /// The state for the replies of clients, as the group has it.
    pub(crate) fn sync_state(&self) -> SyncState {
        match self.core.state() {
            GroupState::Leader(LeaderState::Ok) => SyncState::Normal,
            GroupState::Leader(LeaderState::Lost) => SyncState::Lost,
            _ => SyncState::Forming,
        }
    }

    /// This server, as the node of a cluster has to know it; `None`: the mode is off.
    pub(crate) fn cluster_member(&self) -> Option<GroupMember> {
        let member = GroupMember {
            may_lead: self.core.may_lead(),
            is_bound: self.core.is_bound(),
            unled_since_ms: self.core.unled_since_ms().map(|ms| ms as i64),
        };
        (!self.core.is_off()).then_some(member)
    }

    /// Whether new writes wait before they run.
    pub(crate) fn delays_writes(&self) -> bool {
        self.core.write_gate() == WriteGate::Wait
    }

    /// Whether this server leads.
    pub(crate) fn leads(&self) -> bool {
        self.core.safe_offset().is_some()
    }

    /// The reply to a word that this client has said.
    pub(crate) fn take_answer(&mut self, id: ClientId) -> Option<Vec<u8>> {
        let at = self.answers.iter().position(|(of, _)| *of == id)?;
        Some(self.answers.swap_remove(at).1)
    }

    /// The other nodes reach this server at this address, unless the configuration names another.
    pub(crate) fn learn_address(&mut self, ip: String, config: &Config) {
        if config.replica_announce_ip.is_empty() && !ip.is_empty() {
            self.core.settings.address.host = ip;
        }
    }
}

/// The machine's settings. `known`: where the other nodes have reached this server.
pub(crate) fn quorum_settings(config: &Config, known: Option<&Address>) -> QuorumSettings {
    let port = announced_port(config);
    let announced = String::from_utf8_lossy(&config.replica_announce_ip).into_owned();
    let host = match known {
        _ if !announced.is_empty() => announced,
        Some(known) => known.host.clone(),
        None => "127.0.0.1".to_owned(),
    };
    let secret = |text: &russet_config::Text| (!text.is_empty()).then(|| text.to_vec());
    QuorumSettings {
        acknowledgements: config.min_sync_replicas as usize,
        replicas: config.sync_replicas as usize,
        sync_on: match config.sync_on {
            russet_config::SyncMedium::Memory => SyncOn::Memory,
            russet_config::SyncMedium::Disk => SyncOn::Disk,
        },
        timeout_ms: u64::from(config.sync_timeout),
        lease_ms: match config.sync_reads {
            SyncReads::Linear => u64::from(config.sync_lease),
            SyncReads::Safe | SyncReads::Any => 0,
        },
        window_bytes: match config.sync_window {
            0 => u64::MAX,
            bytes => bytes,
        },
        waits_for_votes: config.cluster_enabled,
        takeover_timeout_ms: u64::from(config.sync_takeover_timeout),
        tail_max_bytes: usize::try_from(config.repl_backlog_size).unwrap_or(usize::MAX),
        login: secret(&config.masterauth).map(|password| (secret(&config.masteruser), password)),
        ..QuorumSettings::new(Address { host, port })
    }
}
