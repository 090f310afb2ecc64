//! The facts that a replica announces (REPLCONF), and the snapshot that it needs by them.
//!
//! Facts come in any order before PSYNC or SYNC; what a replica does not announce it cannot do.
//! Replicas whose facts lead to the same [`SyncNeeds`] share a snapshot.

use std::net::IpAddr;

use crate::ChannelProtocol;
use russet_config::Config;
use russet_keyspace::ClientId;

/// A connection of a replica: its client, and the address from which it comes (none by a Unix
/// socket).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client.
    pub id: ClientId,
    /// The address, without a mapping of IPv4 into IPv6.
    pub ip: Option<IpAddr>,
}

/// The facts that a replica announces (REPLCONF).
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `listening-port`.
    pub port: u16,
    /// `ip-address`.
    pub ip: Option<Box<[u8]>>,
    /// `capa eof`: it finds the end of a snapshot whose length is not announced.
    pub eof: bool,
    /// `capa psync2`: it understands +CONTINUE with an id.
    pub psync2: bool,
    /// `capa rdb-channel-repl` (Redis 8).
    pub rdb_channel: bool,
    /// `capa dual-channel` (Valkey).
    pub dual_channel: bool,
    /// `version` (Valkey).
    pub version: Option<(u32, u32, u32)>,
    /// `set-cluster-node-id` (Valkey).
    pub node_id: Option<Box<[u8]>>,
    /// `capa node-ID` (russet): the node of the cluster that it is.
    pub member: Option<Box<[u8]>>,
    /// `capa observer`: a tool that only watches the stream (`russet tail`).
    pub observer: bool,
    /// `capa flush-undo`: it sets flushed data aside, and knows FLUSH UNDO.
    pub flush_undo: bool,
    /// `capa ack-turn` (russet): it can acknowledge each turn.
    pub acks_each_turn: bool,
    /// `capa lz4` (Valkey 9.2): it can receive snapshot and stream compressed.
    pub lz4: bool,
    /// `rdb-only 1`: it wants a snapshot and no stream.
    pub rdb_only: bool,
    /// `rdb-channel 1`: the second link of a replica.
    pub rdb_channel_link: bool,
    /// `main-ch-client-id` (Redis 8), on the second link: the main link.
    pub main: Option<ClientId>,
    /// `set-rdb-client-id` (Valkey), on the main link: the second link.
    pub second: Option<ClientId>,
    /// `rdb-filter-only`: which parts of a snapshot it wants.
    pub filter: Option<Filter>,
}

/// The parts of a snapshot that `rdb-filter-only` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Functions alone.
    Functions,
    /// Neither keys nor functions.
    Nothing,
}

/// The make of a replica, as far as it decides which files the replica reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderMake {
    /// A russet, which reads all.
    Russet,
    /// A Valkey of this version.
    Valkey((u32, u32, u32)),
    /// Redis 8: it knows the second link.
    Redis8,
    /// A replica that announces no version: Redis 7, or older.
    Unknown,
}

/// The form in which a snapshot is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotFraming {
    /// `$<length>`: begins when the whole snapshot is there.
    Length,
    /// `$EOF:<mark>`: begins at once.
    Mark,
}

/// A replica's requirements of a snapshot: replicas with the same needs share a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncNeeds {
    /// The make of its reader.
    pub reader: ReaderMake,
    /// Its parts; `None`: everything.
    pub filter: Option<Filter>,
    /// How it is sent.
    pub sent_as: SnapshotFraming,
    /// A second link sends the snapshot.
    pub by_channel: bool,
    /// The snapshot is compressed as a whole.
    pub packed: bool,
}

impl Facts {
    /// Whether a replica can be sent an undo; a tool that watches the stream can.
    pub fn knows_undo(&self) -> bool {
        self.flush_undo || self.observer
    }

    /// The address that a replica has announced, else the address of its connection.
    pub fn announced_ip(&self, connection: Option<IpAddr>) -> String {
        match &self.ip {
            Some(ip) => String::from_utf8_lossy(ip).into_owned(),
            None => connection.map_or_else(String::new, |ip| ip.to_string()),
        }
    }

    /// Which files the replica reads.
    pub fn reader(&self) -> ReaderMake {
        match self.version {
            _ if self.flush_undo => ReaderMake::Russet,
            // A Valkey version with Redis's second link is russet's.
            Some(version) if !self.rdb_channel => ReaderMake::Valkey(version),
            _ if self.rdb_channel || self.main.is_some() => ReaderMake::Redis8,
            _ => ReaderMake::Unknown,
        }
    }

    /// Whether the replica's next snapshot, or the stream that follows for it, is compressed.
    pub fn is_packed(&self, config: &Config) -> bool {
        config.repl_compression.is_on() && self.lz4
    }

    /// The form and content of the snapshot that the replica needs.
    pub fn sync_needs(&self, config: &Config) -> SyncNeeds {
        // A part of the data is never taken from a file, as in Redis.
        let by_channel = self.rdb_channel_link;
        let is_part = self.filter.is_some();
        // The length of a compressed snapshot is known only at its end.
        let packed = self.is_packed(config) && (by_channel || self.eof);
        let by_mark = by_channel || self.eof && (config.repl_diskless_sync || is_part || packed);
        SyncNeeds {
            reader: self.reader(),
            filter: self.filter,
            sent_as: if by_mark {
                SnapshotFraming::Mark
            } else {
                SnapshotFraming::Length
            },
            by_channel,
            packed,
        }
    }

    /// The second link to be offered to a replica that needs everything, if it can and may use two
    /// links. `id` is the replica's client.
    pub(super) fn channel(&self, config: &Config, id: ClientId) -> Option<ChannelProtocol> {
        let is_plain = !self.rdb_only && !self.rdb_channel_link && self.filter.is_none();
        if !is_plain || !config.repl_diskless_sync {
            None
        } else if self.rdb_channel && config.repl_rdb_channel {
            Some(ChannelProtocol::RdbChannel { main: id.0 })
        } else if self.dual_channel && config.dual_channel_replication_enabled {
            Some(ChannelProtocol::DualChannel)
        } else {
            None
        }
    }
}
