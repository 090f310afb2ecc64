//! The start of a server in its group, its file, and its settings.
//!
//! Invariant: a file that cannot be read, locked or written is noticed before the server serves:
//! without its promises it must not take part.

use std::path::Path;

use crate::parts::cluster::StateFile;
use crate::parts::replication::quorum::{QuorumDriver, quorum_settings};
use crate::state::Server;
use russet_config::{SyncMedium, system_text};
use russet_host::Now;
use russet_keyspace::Keyspace;
use russet_replication::quorum::{
    Ballot, Change, LoadedData, NodeId, Quorum, Report, SavedState, TakeoverCause,
};

/// The file, in the folder of the data.
const FILE: &str = "quorum.conf";

/// The system's id of this boot; empty where there is none.
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

impl Server {
    /// Takes this server's place in its group, once the data is loaded. Error: a line for the log,
    /// and the server does not start.
    pub(crate) fn begin_quorum(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        if !self.config.sync_quorum || self.is_sentinel() {
            return Ok(());
        }
        let (mut file, text) =
            StateFile::open(Path::new(FILE)).map_err(|error| error.to_string())?;
        let seed = self.debug.seed;
        let saved = if text.is_empty() {
            SavedState::new(seed.map_or_else(NodeId::random, NodeId::of_seed))
        } else {
            SavedState::parse(&text)
                .map_err(|why| format!("Unrecoverable error: corrupted {FILE}: {why}"))?
        };
        let is_primary = match &self.cluster {
            Some(driver) => !driver.core.is_replica(),
            None => self.config.replicaof.0.is_none(),
        };
        // The last byte is of the saved history, not of the one that a primary begins with it.
        self.stream.resume_following();
        let loaded = self.loaded_data(&saved);
        let known = saved.configurations.last();
        let known = known.and_then(|placed| placed.configuration.member(saved.node));
        let settings = quorum_settings(&self.config, known.map(|member| &member.address));
        let (node, group) = (saved.node, saved.group);
        let seed = seed.unwrap_or_else(rand::random);
        let start = (Now::from(self.now), seed, is_primary);
        let core = Quorum::start(settings, saved, loaded, start);
        file.save(core.saved_state().text().into_bytes(), true)
            .map_err(|error| format!("Failed to save {FILE}: {}", system_text(&error)))?;
        tracing::info!("Node {node} takes part in synchronous replication with takeovers");
        self.replication.quorum = Some(Box::new(QuorumDriver::new(core, file)));
        self.open_backlog(keyspace);
        // Until the group agrees, or a primary is followed, nothing is added to the stream: the end
        // of the data is asked for by its offset.
        if !is_primary || group.is_some() {
            self.replication.is_leaderless = true;
            self.stream.set_followed(true);
            self.role_changed(keyspace);
        }
        Ok(())
    }

    fn loaded_data(&self, saved: &SavedState) -> LoadedData {
        let lineage = self.stream.lineage.clone().unwrap_or_default();
        let config = &self.config;
        // A base without the facts of notes (aof-use-rdb-preamble no). A later note that the log
        // lacks is no loss: bytes are acknowledged once the log has them.
        let has_notes = lineage.ballot > Ballot::NONE || saved.position.ballot == Ballot::NONE;
        // A damaged end that was cut off may have been acknowledged.
        let cuts_damage = config.aof_load_corrupt_tail_max_size > 0;
        LoadedData {
            lineage: *lineage,
            offset: self.stream.offset(),
            is_whole: config.appendonly && self.persist.aof.is_sound() && has_notes && !cuts_damage,
            // A replica acknowledges what its log has been given, unless it is to be on disk.
            was_synced: config.sync_on == SyncMedium::Disk,
            boot: boot_id(),
        }
    }

    /// Saves the machine's state, synced.
    pub(super) fn save_quorum(&mut self) -> bool {
        let Some(driver) = &mut self.replication.quorum else {
            return true;
        };
        let text = driver.core.saved_state().text().into_bytes();
        match driver.file.save(text, true) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("Failed to save {FILE}: {}", system_text(&error));
                false
            }
        }
    }

    /// Directives may have changed.
    pub(super) fn refresh_quorum(&mut self) {
        if let Some(driver) = &mut self.replication.quorum {
            let address = driver.core.settings.address.clone();
            driver.core.settings = quorum_settings(&self.config, Some(&address));
        }
    }

    /// `min-sync-replicas` has changed: a leader notes another number in the stream. Error: why it
    /// cannot.
    pub(crate) fn set_group_acknowledgements(
        &mut self,
        keyspace: &mut Keyspace,
    ) -> Result<(), String> {
        let n = self.config.min_sync_replicas as usize;
        let Some(driver) = self.replication.quorum.as_ref() else {
            return Ok(());
        };
        let newest = driver.core.lineage().configurations.newest();
        let noted = newest.map_or(0, |its| its.acknowledgements);
        if n == 0 && driver.core.group().is_some() {
            return Err("QUORUM SET 0 at the leader ends the group".to_owned());
        }
        let (is_off, leads) = (driver.core.is_off(), driver.leads());
        self.refresh_quorum();
        if n > 0 && is_off && !self.replication.is_replica() {
            // The mode was off: a group is formed.
            self.report_quorum(keyspace, Report::TakeOver(TakeoverCause::Start));
            return Ok(());
        }
        // More than there are members wait for their replicas, as a new group does.
        if leads && noted > n {
            let changed = self.change_quorum(keyspace, &Change::Set(n));
            changed.map_err(|why| why.to_string())?;
        }
        Ok(())
    }

    /// The process ends in order: everything is in the files.
    pub(crate) fn end_quorum(&mut self, keyspace: &mut Keyspace) {
        self.report_quorum(keyspace, Report::Ending);
    }
}
