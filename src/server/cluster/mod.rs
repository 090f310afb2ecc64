//! A node of a cluster at work: carries out what the core (`crate::cluster`) asks for, and tells it
//! what has come of that.
//!
//! The core is called by events of the bus (`run::links::cluster`), by the timer, by commands of
//! clients (`commands::cluster`). After each call its actions are carried out at once, in their
//! order: a save is on disk before the next message is queued, and before the reply of the command.
//! Queued messages leave at the end of the turn.
//!
//! Actions on keys and on this server's role wait while a script runs or data is being loaded, with
//! all later ones of their kind. What needs the clients' sessions is left to the end of the turn.

mod bus;
mod command;
mod lost;
mod start;

pub(in crate::server) use start::{Begun, bus_port_of, fault};

use std::ops::RangeInclusive;

use crate::cluster::{Action, Level, Now, Own, Primary, Settings, TICK_MS};
use crate::config::{ClusterConfigSave, system_text};
use crate::keyspace::{DbIndex, Keyspace};
use crate::pubsub::Kind;
use crate::server::parts::cluster::{ClusterDriver, moment};
use crate::server::process;
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// How many links of nodes that are not known may be open, as far as clients leave descriptors.
const STRANGE_LINKS: RangeInclusive<usize> = 16..=128;

impl Server {
    /// Calls the core, and carries out what follows. `None`: this is no node of a cluster.
    pub(in crate::server) fn with_cluster<R>(
        &mut self,
        keyspace: &mut Keyspace,
        call: impl FnOnce(&mut ClusterDriver, Now) -> R,
    ) -> Option<R> {
        let now = moment(&self.now);
        let driver = self.cluster.as_deref_mut()?;
        let result = call(driver, now);
        self.continue_cluster(keyspace);
        Some(result)
    }

    /// The core's tick, if it is due.
    pub(in crate::server) fn tick_cluster(&mut self, keyspace: &mut Keyspace) {
        let Some(driver) = &mut self.cluster else {
            return;
        };
        if driver.tick_due_ms > self.now.mono_ms {
            return;
        }
        driver.tick_due_ms = self.now.mono_ms + TICK_MS;
        self.update_own(keyspace);
        self.forget_empty_kept(keyspace);
        self.close_long_queues(keyspace);
        self.with_cluster(keyspace, |driver, now| driver.core.tick(now));
    }

    /// Tells the core what has become of this server.
    pub(in crate::server) fn update_own(&mut self, keyspace: &Keyspace) {
        let own = self.own(keyspace);
        let now = moment(&self.now);
        if let Some(driver) = &mut self.cluster {
            driver.core.own(now, own);
        }
    }

    fn own(&self, keyspace: &Keyspace) -> Own {
        let upstream = self.replication.upstream.as_deref();
        let primary = upstream.map(|upstream| {
            let heard_ms = if upstream.is_online() {
                upstream.heard_ms
            } else {
                upstream.down_since_ms.unwrap_or(upstream.heard_ms)
            };
            Primary {
                is_up: upstream.is_online(),
                heard_ms: heard_ms as i64,
                is_synced: upstream.is_familiar && upstream.has_data,
            }
        });
        let replicas = self.replication.replicas.iter();
        let is_loading = self.persist.loading.in_progress();
        // What a replica has is about to be replaced, by a stream of other offsets perhaps, or was
        // never its primary's: it is no candidate by its offset, and the others hide it from
        // clients.
        let is_foreign = primary.is_some_and(|primary| !primary.is_synced);
        let is_replaced =
            is_foreign || upstream.is_some_and(|upstream| is_loading || upstream.is_syncing());
        Own {
            offset: if is_replaced { 0 } else { self.stream.offset() },
            primary,
            is_loading,
            is_paused: self.gates.pause().is_some(),
            // What is kept of slots that are another's keeps this node from nothing.
            is_empty: keyspace.has_only_kept(),
            replicas_online: replicas.filter(|replica| replica.is_online()).count(),
        }
    }

    /// What the core is told of the configuration, and of this process.
    fn cluster_settings(&self) -> Settings {
        let spare = process::spare_files(self.config.maxclients);
        Settings {
            strange_links_max: spare.clamp(*STRANGE_LINKS.start(), *STRANGE_LINKS.end()),
            ..Settings::of(&self.config)
        }
    }

    /// Directives may have changed: the core hears of those that are its own.
    pub(in crate::server) fn cluster_settings_changed(&mut self, keyspace: &mut Keyspace) {
        if self.cluster.is_some() {
            let settings = self.cluster_settings();
            self.with_cluster(keyspace, |driver, now| {
                driver.core.set_settings(now, settings)
            });
        }
    }

    /// Carries out the core's actions until there are no more. Messages leave at the end of the
    /// turn, many in one write.
    pub(in crate::server) fn continue_cluster(&mut self, keyspace: &mut Keyspace) {
        while let Some(action) = self.cluster.as_mut().and_then(|driver| driver.core.pop()) {
            self.act_in_cluster(keyspace, action);
        }
    }

    /// Sends what the turn has queued.
    pub(in crate::server) fn flush_bus(&mut self, keyspace: &mut Keyspace) {
        while self.send_on_bus() {
            self.continue_cluster(keyspace);
        }
    }

    /// Carries out the actions that had to wait, if they need not any more.
    pub(in crate::server) fn resume_cluster(&mut self, keyspace: &mut Keyspace) {
        while !self.holds_data()
            && let Some(driver) = &mut self.cluster
            && let Some(action) = driver.deferred.pop_front()
        {
            self.act_on_data(keyspace, action);
        }
    }

    /// Whether keys and role must stay as they are for now.
    fn holds_data(&self) -> bool {
        self.scripting.is_running() || self.persist.loading.in_progress()
    }

    fn act_in_cluster(&mut self, keyspace: &mut Keyspace, action: Action) {
        match action {
            Action::Dial { link, ip, port } => self.dial(link, &ip, port),
            Action::Send { link, bytes } => self.on_links(|links| links.queue(link, bytes)),
            Action::Close(link) => self.on_links(|links| links.close(link)),
            Action::Persist { sync } => self.persist_cluster(sync),
            Action::Log { level, text } => log_line(level, &text),
            Action::Deliver {
                channel,
                message,
                is_sharded,
            } => {
                let kind = if is_sharded {
                    Kind::Shard
                } else {
                    Kind::Channel
                };
                self.publish(kind, &channel, &message);
            }
            Action::PauseWrites { until_ms } => self.set_cluster_pause(Some(until_ms as u64)),
            Action::ResumeWrites => self.set_cluster_pause(None),
            Action::FlushSlot(slot) => self.flush_slot(keyspace, slot),
            Action::RoutesChanged => {
                self.review_kept_slots(keyspace);
                self.record_returned_slots(keyspace);
                if let Some(driver) = &mut self.cluster {
                    driver.routes_changed = true;
                }
                if let Some(driver) = &mut self.migrations {
                    driver.routes_changed = true;
                }
            }
            Action::DropShardChannels(slots) => {
                if let Some(driver) = &mut self.cluster {
                    driver.lost_channels.extend(slots);
                }
            }
            Action::Follow { .. }
            | Action::Lead
            | Action::DropSlots(_)
            | Action::LoseSlots(_)
            | Action::Flush => self.act_or_defer(keyspace, action),
        }
    }

    fn act_or_defer(&mut self, keyspace: &mut Keyspace, action: Action) {
        let holds = self.holds_data();
        match &mut self.cluster {
            Some(driver) if holds || !driver.deferred.is_empty() => {
                driver.deferred.push_back(action);
            }
            _ => self.act_on_data(keyspace, action),
        }
    }

    fn act_on_data(&mut self, keyspace: &mut Keyspace, action: Action) {
        match action {
            Action::Follow { ip, port } => {
                let upstream = self.replication.upstream.as_deref();
                let follows = upstream.is_some_and(|upstream| {
                    upstream.port == port && upstream.host.as_bytes() == ip.as_slice()
                });
                if follows {
                    self.accept_sync();
                    return;
                }
                let was_primary = upstream.is_none();
                self.follow(keyspace, &ip, port);
                if let Some(upstream) = &mut self.replication.upstream {
                    // No operator has said so: a replica has been elected, perhaps without data.
                    upstream.guards_own = was_primary;
                }
            }
            Action::Lead => {
                self.become_primary(keyspace);
                // What the former primary has claimed is claimed again before it could be taken for
                // another's.
                self.with_migrations(keyspace, |m, now, around| m.routes_changed(now, around));
                self.adopt_kept_slots(keyspace);
                self.drop_foreign_slots(keyspace);
            }
            Action::DropSlots(slots) => self.drop_lost_slots(keyspace, slots),
            Action::LoseSlots(slots) => self.lose_slots(keyspace, slots),
            Action::Flush => self.flush_for_cluster(keyspace),
            _ => {}
        }
    }

    /// Deletes everything: this node belongs to another primary, or to none, from now on.
    fn flush_for_cluster(&mut self, keyspace: &mut Keyspace) {
        self.cancel_save(keyspace);
        self.give_up_sync(keyspace);
        keyspace.flush_all(true);
        // Log and replicas count it.
        keyspace.count_flush();
        self.note_aside(keyspace);
        let words: [&[u8]; 1] = [b"FLUSHALL"];
        keyspace.effects.record(DbIndex(0), words.into_iter());
        self.flushed_all(keyspace);
    }

    /// Saves the core's state, and reports that.
    fn persist_cluster(&mut self, sync: bool) {
        let now = moment(&self.now);
        let Some(driver) = &mut self.cluster else {
            return;
        };
        let text = driver.core.conf();
        let file = driver.file.as_mut();
        let saved = file.map_or(Ok(()), |file| file.save(text, sync));
        let is_saved = match saved {
            Ok(()) => true,
            Err(error) => {
                let why = system_text(&error);
                tracing::warn!("Failed to save the cluster configuration file: {why}");
                self.config.cluster_config_save_behavior == ClusterConfigSave::BestEffort
            }
        };
        driver.core.persisted(now, is_saved);
    }
}

impl Engine {
    /// What the core's actions have to do with clients: the end of their turn.
    pub(in crate::server) fn after_cluster(&mut self) {
        if let Some(driver) = &mut self.server.cluster
            && !self.server.scripting.is_running()
        {
            let lost = std::mem::take(&mut driver.lost_channels);
            let is_rerouted = std::mem::take(&mut driver.routes_changed);
            if !lost.is_empty() {
                self.drop_shard_channels(&lost);
            }
            if is_rerouted {
                self.redirect_blocked();
            }
        }
        self.after_removals();
    }
}

fn log_line(level: Level, text: &str) {
    match level {
        Level::Debug => tracing::trace!("{text}"),
        Level::Verbose => tracing::debug!("{text}"),
        Level::Notice => tracing::info!("{text}"),
        Level::Warning => tracing::warn!("{text}"),
    }
}
