//! The start of a node: the locked file of its state, the core, the sockets of the bus.
//!
//! Invariant: a file that cannot be read, locked or written is noticed before the node takes part.

use crate::cluster::cluster_settings;
use crate::parts::migration::MigrationDriver;
use std::path::Path;

use crate::parts::cluster::{ClusterDriver, StateFile};
use crate::process::listen;
use crate::state::Server;
use russet_cluster::{Cluster, NodesConf, bus_port, main_port};
use russet_config::Config;
use russet_host::Now;
use russet_keyspace::Keyspace;
use russet_net::Listener;

/// Why this process cannot be a node. `Display` is the last line of the log.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    File(String),
    #[error("Unrecoverable error: corrupted cluster config file {path}: {why}")]
    Corrupt { path: String, why: String },
    #[error(
        "The port {0} is too high for cluster mode: the bus needs the port 10000 above it. Lower it, or \
         set cluster-port. Exiting."
    )]
    PortTooHigh(u16),
    #[error("Failed listening on port {0} (cluster), aborting.")]
    Listen(u16),
}

/// The port of the bus; 0 if this is no node, or if the port is too high to derive a bus port.
pub(crate) fn bus_port_of(config: &Config) -> u16 {
    if config.cluster_enabled && !config.is_sentinel {
        bus_port(config)
    } else {
        0
    }
}

/// Why a start could not become a node as configured: nothing is made or locked.
pub fn fault(config: &Config) -> Option<String> {
    if !config.cluster_enabled || config.is_sentinel {
        return None;
    }
    if bus_port(config) == 0 {
        return Some(StartError::PortTooHigh(main_port(config)).to_string());
    }
    let path = config.cluster_config_file.path();
    let saved = StateFile::look(path).map_err(|error| StartError::File(error.to_string()));
    let parsed = saved.and_then(|text| parse(path, &text));
    parsed.err().map(|error| error.to_string())
}

/// The state that the file's text has; a new one if it is empty.
fn parse(path: &Path, text: &[u8]) -> Result<NodesConf, StartError> {
    if text.is_empty() {
        return Ok(NodesConf::fresh(rand::random()));
    }
    NodesConf::parse(text).map_err(|why| StartError::Corrupt {
        path: path.display().to_string(),
        why,
    })
}

/// The start of a node: the locked file, the saved state, the listeners.
pub struct NodeStart {
    file: StateFile,
    saved: NodesConf,
    is_new: bool,
    listeners: Vec<Listener>,
    /// The seed of the core's random numbers.
    seed: u64,
}

impl NodeStart {
    /// Reads and locks the file of the state, and opens the sockets of the bus.
    pub fn new(config: &Config) -> Result<NodeStart, StartError> {
        let path = config.cluster_config_file.path();
        let opened = StateFile::open(path);
        let (file, text) = opened.map_err(|error| StartError::File(error.to_string()))?;
        let mut saved = parse(path, &text)?;
        saved.set_key(rand::random());
        let port = bus_port(config);
        if port == 0 {
            return Err(StartError::PortTooHigh(main_port(config)));
        }
        let listeners = listen::open_bus(config, port);
        let listeners = listeners.map_err(|_| StartError::Listen(port))?;
        Ok(NodeStart {
            file,
            saved,
            is_new: text.is_empty(),
            listeners,
            seed: rand::random(),
        })
    }

    /// The same for a simulator: nothing listens, and a new node's id comes of the seed.
    #[cfg(feature = "testing")]
    pub(crate) fn by_hand(config: &Config, seed: u64) -> Result<NodeStart, StartError> {
        let path = config.cluster_config_file.path();
        let opened = StateFile::open(path);
        let (file, text) = opened.map_err(|error| StartError::File(error.to_string()))?;
        let mut saved = if text.is_empty() {
            NodesConf::fresh(seed)
        } else {
            parse(path, &text)?
        };
        saved.set_key([seed as u8 | 1; 32]);
        Ok(NodeStart {
            file,
            saved,
            is_new: text.is_empty(),
            listeners: Vec::new(),
            seed,
        })
    }
}

impl Server {
    /// Becomes a node. `false`: its state cannot be saved; the log has the reason.
    pub(crate) fn begin_cluster(&mut self, keyspace: &mut Keyspace, begun: NodeStart) -> bool {
        let NodeStart {
            mut file,
            saved,
            is_new,
            listeners,
            seed,
        } = begun;
        let settings = cluster_settings(&self.config);
        let now = Now::from(self.now);
        let core = Cluster::new(saved, settings, seed, now);
        if is_new {
            tracing::info!("No cluster configuration found, I'm {}", core.my_id())
        } else {
            tracing::info!("Node configuration loaded, I'm {}", core.my_id())
        }
        // A file that cannot be written is noticed now, not when a vote must be saved.
        if let Err(error) = file.save(core.conf(), true) {
            let why = russet_config::system_text(&error);
            tracing::warn!("Failed to save the cluster configuration file: {why}");
            return false;
        }
        let driver = ClusterDriver::new(core, listeners, Some(file));
        self.cluster = Some(Box::new(driver));
        let settings = russet_cluster::migration::Settings::of(&self.config);
        self.migrations = Some(Box::new(MigrationDriver::new(settings)));
        self.update_own(keyspace);
        self.continue_cluster(keyspace);
        true
    }

    /// The persisted data is loaded. `false`: it has keys in databases that a node does not have.
    pub(crate) fn cluster_loaded(&mut self, keyspace: &mut Keyspace) -> bool {
        if self.cluster.is_none() {
            return true;
        }
        self.update_own(keyspace);
        let now = Now::from(self.now);
        if let Some(driver) = &mut self.cluster {
            driver.core.loaded(now, &|slot| keyspace.slot_len(slot));
        }
        self.continue_cluster(keyspace);
        if let Some(driver) = &self.cluster {
            driver.hide_foreign_slots(keyspace);
        }
        true
    }
}
