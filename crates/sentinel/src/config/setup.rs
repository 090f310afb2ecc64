//! The Sentinel's part of the file: settings and saved state, as plain data.

use crate::time::{DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS, Ms};

/// Settings of the Sentinel itself. An empty text is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globals {
    pub announce_ip: Vec<u8>,
    /// 0: the port we listen on.
    pub announce_port: u16,
    pub(crate) resolve_hostnames: bool,
    pub(crate) announce_hostnames: bool,
    pub(crate) deny_scripts_reconfig: bool,
    /// For AUTH to other Sentinels.
    pub user: Vec<u8>,
    pub pass: Vec<u8>,
}

impl Default for Globals {
    fn default() -> Globals {
        Globals {
            announce_ip: Vec::new(),
            announce_port: 0,
            resolve_hostnames: false,
            announce_hostnames: false,
            deny_scripts_reconfig: true,
            user: Vec::new(),
            pass: Vec::new(),
        }
    }
}

/// How one primary is watched. An empty text is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimarySettings {
    /// How many Sentinels must see it down.
    pub quorum: usize,
    pub down_after_ms: Ms,
    pub failover_timeout_ms: Ms,
    /// How many replicas are ordered to follow a new primary at a time.
    pub parallel_syncs: i64,
    pub(crate) notification_script: Vec<u8>,
    pub(crate) reconfig_script: Vec<u8>,
    pub(crate) auth_user: Vec<u8>,
    pub(crate) auth_pass: Vec<u8>,
    /// 0: a reboot is no reason to see it as down.
    pub(crate) reboot_down_after_ms: Ms,
    /// Commands with another name there: ours, theirs.
    pub renames: Vec<(Vec<u8>, Vec<u8>)>,
}

impl PrimarySettings {
    /// The settings of a new primary.
    pub fn new(quorum: usize, down_after_ms: Ms, failover_timeout_ms: Ms) -> Self {
        PrimarySettings {
            quorum,
            down_after_ms,
            failover_timeout_ms,
            parallel_syncs: 1,
            notification_script: Vec::new(),
            reconfig_script: Vec::new(),
            auth_user: Vec::new(),
            auth_pass: Vec::new(),
            reboot_down_after_ms: 0,
            renames: Vec::new(),
        }
    }

    /// The name that a command has there.
    pub fn renamed<'s>(&'s self, command: &'s [u8]) -> &'s [u8] {
        let mut renames = self.renames.iter();
        let found = renames.find(|(ours, _)| ours.eq_ignore_ascii_case(command));
        found.map_or(command, |(_, theirs)| theirs)
    }
}

/// Another Sentinel of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    pub host: Vec<u8>,
    pub port: u16,
    pub run_id: Vec<u8>,
}

/// A primary of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPrimary {
    pub name: Vec<u8>,
    pub host: Vec<u8>,
    pub port: u16,
    pub settings: PrimarySettings,
    /// The epoch of the failover that made it the primary.
    pub config_epoch: u64,
    /// The epoch of our last vote.
    pub(crate) leader_epoch: u64,
    pub replicas: Vec<(Vec<u8>, u16)>,
    pub peers: Vec<KnownPeer>,
}

impl KnownPrimary {
    pub fn new(name: &[u8], host: &[u8], port: u16, quorum: usize) -> KnownPrimary {
        KnownPrimary {
            name: name.to_vec(),
            host: host.to_vec(),
            port,
            settings: PrimarySettings::new(quorum, DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS),
            config_epoch: 0,
            leader_epoch: 0,
            replicas: Vec::new(),
            peers: Vec::new(),
        }
    }
}

/// Everything that the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The settings of this Sentinel itself.
    pub(crate) globals: Globals,
    /// `None` before the first start.
    pub my_id: Option<Vec<u8>>,
    /// The highest epoch that this Sentinel has seen.
    pub(crate) current_epoch: u64,
    /// The monitored primaries, with their replicas and other Sentinels.
    pub(crate) primaries: Vec<KnownPrimary>,
}
