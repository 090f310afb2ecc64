//! Slots on their way: the machine (`russet_cluster::migration`) with its links, exports, and the
//! facts that wait to be reported to it.
//!
//! `server::migration` calls the machine and carries out its actions; `migration::applied` runs a
//! source's commands, and passes effects on slots on.

mod exports;
mod feed;
mod inbox;
mod links;

pub(crate) use exports::{Export, ExportStage, Exports};
pub(crate) use feed::{SlotFeed, SlotsSink};
pub(crate) use links::{Links, MigrationLinkStage, OutgoingLink};

use russet_keyspace::{DropProgress, Keyspace};
use std::collections::HashMap;

use russet_cluster::migration::{MigrationLink, Migrations, Name, Ranges, Settings};
use russet_replication::ReplOffset;

/// See the module.
pub struct MigrationDriver {
    pub(crate) machine: Migrations,
    pub links: Links,
    pub(crate) exports: Exports,
    /// Bytes for clients that are links, sent at the end of the turn.
    pub(crate) to_clients: HashMap<u64, ToClient>,
    /// Bytes of sources' commands that have been applied, and commands that failed, since the last
    /// report to the machine.
    pub(crate) applied: Vec<(MigrationLink, usize)>,
    pub(crate) failures: Vec<(MigrationLink, String)>,
    /// Clients that are gone.
    pub gone: Vec<u64>,
    /// The ids that peers have announced by `CONF NODE-ID`.
    pub nodes: HashMap<u64, Name>,
    /// Commands of sources that have been run.
    pub commands: u64,
    /// The link whose command runs, if a link and not a client sent it.
    pub(crate) serving: Option<MigrationLink>,
    /// Claims of slots that wait for replicas.
    pub claims: Vec<Claim>,
    pub(crate) routes_changed: bool,
    pub(crate) was_flushed: bool,
    pub(crate) tick_due_ms: u64,
    /// Kept keys of slots are being deleted for want of memory.
    pub(crate) frees_kept: bool,
    /// An export waits until its link has sent more.
    pub(crate) awaits_room: bool,
}

/// Slots that have been received whole, and are claimed once the replicas have them, too.
#[derive(Debug)]
pub struct Claim {
    pub job: Name,
    pub slots: Ranges,
    /// The end of the import in the stream of effects.
    pub offset: ReplOffset,
    /// Monotonic milliseconds.
    pub until_ms: u64,
    /// From then on the claim is not made, because the source may serve the slots again; monotonic
    /// milliseconds.
    pub over_ms: u64,
}

/// See [`MigrationDriver::to_clients`].
#[derive(Debug, Default)]
pub struct ToClient {
    pub bytes: Vec<u8>,
    /// Close the link after that.
    pub closes: bool,
}

impl MigrationDriver {
    pub fn new(settings: Settings) -> MigrationDriver {
        MigrationDriver {
            machine: Migrations::new(settings),
            links: Links::default(),
            exports: Exports::default(),
            to_clients: HashMap::new(),
            applied: Vec::new(),
            failures: Vec::new(),
            gone: Vec::new(),
            nodes: HashMap::new(),
            commands: 0,
            serving: None,
            claims: Vec::new(),
            routes_changed: false,
            was_flushed: false,
            tick_due_ms: 0,
            frees_kept: false,
            awaits_room: false,
        }
    }

    /// Directives may have changed.
    pub(crate) fn set_settings(&mut self, fresh: Settings) {
        let settings = self.machine.settings_mut();
        *settings = Settings {
            // DEBUG's, not directives'.
            prevents_pause: settings.prevents_pause,
            prevents_failover: settings.prevents_failover,
            ..fresh
        };
        self.tick_due_ms = 0;
    }

    /// Whether there is something to do that no event reports.
    pub fn has_urgent(&self) -> bool {
        !self.to_clients.is_empty()
            || !self.applied.is_empty()
            || !self.failures.is_empty()
            || !self.gone.is_empty()
            || self.routes_changed
            || self.was_flushed
            || !self.awaits_room && self.exports.has_news()
            || !self.links.unread.is_empty()
    }

    /// Notes that a command of so many bytes has been applied.
    pub(crate) fn count_applied(&mut self, link: MigrationLink, bytes: usize) {
        match self.applied.iter_mut().find(|(of, _)| *of == link) {
            Some((_, sum)) => *sum += bytes,
            None => self.applied.push((link, bytes)),
        }
    }

    /// When the machine's next tick is due, monotonic milliseconds; `None`: it is idle.
    pub fn due_ms(&self) -> Option<u64> {
        (!self.machine.is_idle()).then_some(self.tick_due_ms)
    }

    /// Appends bytes to a link's output.
    pub fn send(&mut self, link: MigrationLink, bytes: &[u8]) {
        match link {
            MigrationLink::Dialled(number) => self.links.send(number, bytes),
            MigrationLink::Client(id) => {
                let client = self.to_clients.entry(id).or_default();
                client.bytes.extend_from_slice(bytes);
            }
        }
    }

    /// Bytes of effects that wait for the end of a migration's snapshot, or to be sent.
    pub(crate) fn unsent_of(&self, job: Name) -> usize {
        let export = self.exports.all.iter().find(|export| export.job == job);
        export.map_or(0, |export| {
            let held = export.held.as_ref().map_or(0, Vec::len);
            held + match export.stream {
                MigrationLink::Dialled(number) => {
                    self.links.get(number).map_or(0, OutgoingLink::unsent)
                }
                MigrationLink::Client(id) => {
                    self.to_clients.get(&id).map_or(0, |to| to.bytes.len())
                }
            }
        })
    }

    /// Bytes of buffers: (output, input).
    pub fn memory_bytes(&self) -> (usize, usize) {
        let waiting: usize = self
            .to_clients
            .values()
            .map(|client| client.bytes.len())
            .sum();
        let (output, input) = self.links.bytes();
        (output + waiting + self.exports.waiting_bytes(), input)
    }

    /// Whether keys are kept of slots that another node has claimed.
    pub(crate) fn has_kept(&self) -> bool {
        self.machine.has_kept() || self.frees_kept
    }
}

/// The figures of slots that move, in lines as CLUSTER INFO has them.
pub fn figures(migrations: Option<&MigrationDriver>, keyspace: &Keyspace) -> String {
    let active = migrations.map_or(0, |driver| driver.machine.active());
    let DropProgress {
        running,
        keys,
        reported_keys,
        started,
        completed,
    } = keyspace.drop_progress();
    format!(
        "cluster_slot_migration_active_tasks:{active}\r\n\
         cluster_slot_migration_active_trim_running:{running}\r\n\
         cluster_slot_migration_active_trim_current_job_keys:{keys}\r\n\
         cluster_slot_migration_active_trim_current_job_trimmed:{reported_keys}\r\n\
         cluster_slot_migration_stats_active_trim_started:{started}\r\n\
         cluster_slot_migration_stats_active_trim_completed:{completed}\r\n\
         cluster_slot_migration_stats_active_trim_cancelled:0\r\n"
    )
}

/// Whether effects are passed on to other nodes.
#[inline]
pub(crate) fn exports_slots(migrations: Option<&MigrationDriver>) -> bool {
    migrations.is_some_and(|driver| driver.exports.are_streamed())
}
