//! Exports at work: the snapshot of slots goes to its link at the pace at which that sends.
//!
//!     Waits --no other snapshot--> Passing --snapshot ends--> Sent
//!
//! Invariants
//!   1. All writes before the snapshot are in it; all later writes are streamed as effects.
//!   2. A link never has more to send than [`UNSENT_MAX`] and another piece of the snapshot.
//!
//! Cost: one snapshot at a time, of any purpose; each turn O(exports) and the bytes passed on.
//! Elsewhere: `russet_cluster::migration` decides when an export begins and ends,
//! `migration::applied` passes effects on, `links` writes.

use crate::parts::execution::scripting::ScriptState;
use crate::parts::migration::{Export, ExportStage};
use crate::parts::persist::snapshot::{Consumer, SnapshotEnd, Target, TargetKind};
use crate::state::Server;
use crate::state::world::Engine;
use russet_cluster::migration::{MigrationProtocol, Name};
use russet_config::Config;
use russet_keyspace::Keyspace;
use russet_persistence::rdb::{RdbWriter, VERSION_MIGRATE};
use russet_resp::write_request;

/// Bytes that a link may have to send before more of a snapshot is given to it.
const UNSENT_MAX: usize = 1 << 20;

impl Server {
    pub(super) fn end_export(&mut self, keyspace: &mut Keyspace, job: Name) {
        let export = self
            .migrations
            .as_mut()
            .and_then(|driver| driver.exports.remove(job));
        let is_passing = export.is_some_and(|export| export.stage == ExportStage::Passing);
        if is_passing {
            self.give_up_snapshot(keyspace, Consumer::Migration);
        }
        self.update_exports(keyspace);
    }

    /// Effects are recorded while slots leave.
    pub(super) fn update_exports(&mut self, keyspace: &mut Keyspace) {
        let audience = self.audience();
        if keyspace.effects.informed() != audience && !self.persist.loading.in_progress() {
            self.update_effects(keyspace);
        }
    }
}

/// The next step of an export.
enum Due {
    Begin,
    Pass,
    Nothing,
}

impl Engine {
    pub(super) fn drive_exports(&mut self) {
        let Some(driver) = &mut self.server.migrations else {
            return;
        };
        driver.awaits_room = false;
        let jobs: Vec<Name> = driver.exports.all.iter().map(|export| export.job).collect();
        for job in jobs {
            // A rewrite counts even before its snapshot has begun.
            let persist = &self.server.persist;
            let is_busy = persist.snapshots.in_progress() || persist.aof.rewrites.in_progress();
            match self
                .export(job)
                .map_or(Due::Nothing, |export| match export.stage {
                    ExportStage::Waits if !is_busy => Due::Begin,
                    ExportStage::Passing => Due::Pass,
                    ExportStage::Waits | ExportStage::Sent => Due::Nothing,
                }) {
                Due::Begin => self.begin_export(job),
                Due::Pass => self.forward_export(job),
                Due::Nothing => {}
            }
        }
    }

    fn export(&mut self, job: Name) -> Option<&mut Export> {
        self.server.migrations.as_mut()?.exports.find(job)
    }

    /// Takes the snapshot: earlier writes are in it, later writes are streamed.
    fn begin_export(&mut self, job: Name) {
        self.take_effects();
        let Some(export) = self.export(job) else {
            return;
        };
        let what = TargetKind::Slots {
            slots: export.slots.clone(),
            feed: export.feed.clone(),
        };
        let Engine {
            keyspace, server, ..
        } = self;
        let begun = server.begin_snapshot(keyspace, vec![Target::new(what)]);
        if let Err(why) = begun {
            server.with_migrations(keyspace, |m, around| {
                m.export_failed(around, job, &why);
            });
            return;
        }
        let functions = functions(&server.config, &server.scripting);
        if let Some(driver) = &mut server.migrations {
            let to = driver.exports.find(job).map(|export| {
                export.stage = ExportStage::Passing;
                (export.snapshot, export.wire)
            });
            if let Some((link, MigrationProtocol::Pull)) = to {
                driver.send(link, &functions);
            }
        }
        server.update_exports(keyspace);
        server.with_migrations(keyspace, |m, around| m.exporting(around, job));
    }

    fn forward_export(&mut self, job: Name) {
        let Some(export) = self.export(job) else {
            return;
        };
        let (link, feed) = (export.snapshot, export.feed.clone());
        let Engine {
            keyspace, server, ..
        } = self;
        let unsent = server.with_migrations(keyspace, |_, around| around.unsent(link));
        if unsent.is_some_and(|unsent| unsent >= UNSENT_MAX) {
            if let Some(driver) = &mut server.migrations {
                driver.awaits_room = true;
            }
            return;
        }
        let bytes = feed.take();
        if let Some(driver) = &mut server.migrations
            && !bytes.is_empty()
        {
            driver.machine.snapshot_forwarded(job, bytes.len());
            driver.send(link, &bytes);
        }
        let Some(end) = feed.end() else {
            return;
        };
        if let Some(driver) = &mut server.migrations
            && let Some(export) = driver.exports.find(job)
        {
            export.stage = ExportStage::Sent;
        }
        server.with_migrations(keyspace, |m, around| match &end {
            SnapshotEnd::Done => m.snapshot_sent(around, job),
            other => m.export_failed(around, job, other.why()),
        });
    }
}

/// Libraries of functions, as Redis's targets take them.
fn functions(config: &Config, scripting: &ScriptState) -> Vec<u8> {
    let compress = config.rdbcompression.of_strings();
    let mut writer = RdbWriter::new(VERSION_MIGRATE, compress);
    for library in scripting.libraries.iter() {
        writer.function(&library.code);
    }
    let payload = writer.payload();
    let mut bytes = Vec::new();
    let words: [&[u8]; 4] = [b"FUNCTION", b"RESTORE", &payload, b"REPLACE"];
    write_request(&mut bytes, words.into_iter());
    bytes
}
