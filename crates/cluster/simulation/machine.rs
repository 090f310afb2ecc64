//! A simulated server: a core, its file, its clocks, its data.

use super::data::Data;
use crate::core::{Cluster, GroupMember, Primary, ServerState};
use crate::settings::Settings;
use russet_base::Millis;
use russet_config::{Config, Dialect};
use russet_host::simulation::{Clock, Disk, MachineId};

pub(super) const PORT: u16 = 6379;
pub(super) const BUS_PORT: u16 = 16379;

/// The node timeout of all.
pub(super) const TIMEOUT_MS: i64 = 2000;

pub(super) struct Machine {
    pub ip: String,
    pub dialect: Dialect,
    /// `None`: it has crashed.
    pub core: Option<Cluster>,
    /// Of nodes.conf; empty before the first start.
    pub disk: Disk<Vec<u8>>,
    pub data: Data,
    /// The primary that the server replicates from, and when it last received from it (its
    /// monotonic clock).
    pub follows: Option<MachineId>,
    pub is_link_up: bool,
    pub received_ms: i64,
    /// The link has been up since it follows.
    pub is_synced: bool,
    /// Writes are held back until then (its monotonic clock).
    pub(crate) paused_until: i64,
    /// It is a member of a replication group, whose promises a takeover needs.
    pub(crate) has_group: bool,
    /// When the members of the group have answered (the world's clock).
    pub(crate) answers_at: Option<i64>,
    pub clock: Clock,
    pub next_tick: i64,
    pub log: Vec<(i64, String)>,
}

impl Machine {
    pub(super) fn new(at: MachineId, dialect: Dialect) -> Machine {
        Machine {
            ip: ip(at),
            dialect,
            core: None,
            disk: Disk::default(),
            data: Data::default(),
            follows: None,
            is_link_up: false,
            received_ms: 0,
            is_synced: false,
            paused_until: 0,
            has_group: false,
            answers_at: None,
            clock: Clock {
                monotonic_skew_ms: at as i64 * 1_000_000,
                ..Clock::default()
            },
            next_tick: 0,
            log: Vec::new(),
        }
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            dialect: self.dialect,
            port: PORT,
            bus_port: BUS_PORT,
            node_timeout: Millis::of_ms(TIMEOUT_MS as u64),
            ..Settings::of(&Config::default())
        }
    }

    pub(super) fn is_paused(&self, now: i64) -> bool {
        self.clock.at(now).monotonic_ms < self.paused_until
    }

    /// The state, as its core receives it.
    pub(super) fn own(&self, now: i64, replicas_online: usize) -> ServerState {
        let has_data = self.follows.is_none() || self.is_synced;
        ServerState {
            offset: if has_data { self.data.offset() } else { 0 },
            primary: self.follows.map(|_| Primary {
                is_up: self.is_link_up,
                received_ms: self.received_ms,
                is_synced: self.is_synced,
            }),
            is_loading: false,
            is_paused: self.is_paused(now),
            is_empty: self.data.is_empty(),
            replicas_online,
            group: self.has_group.then_some(GroupMember {
                may_lead: has_data,
                is_bound: false,
                unled_since_ms: None,
            }),
        }
    }
}

pub(super) fn ip(at: MachineId) -> String {
    format!("10.0.0.{}", at + 1)
}

/// The machine with this address, among `count`.
pub(super) fn at_ip(ip: &[u8], count: usize) -> Option<MachineId> {
    (0..count).find(|at| self::ip(*at).as_bytes() == ip)
}
