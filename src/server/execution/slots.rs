//! The stream of slots on their way: effects on slots that leave are passed on to their targets, and what the
//! source of slots that arrive sends is applied.
//!
//! A source's commands bypass the gates, as the primary's do; their effects are recorded, for our replicas and
//! the log. They may touch the slots of their migration alone.

use crate::command::{CommandError, Flags};
use crate::keyspace::Audience;
use crate::keyspace::{Effects, Expiring, slot_of};
use crate::migration::Link;
use crate::resp::{Args, Bounds, Progress, Step, step};
use crate::server::clients::client::ClientFlags;
use crate::server::clients::ending::{EndReason, Ending};
use crate::server::clients::session::Session;
use crate::server::execution::dispatch::resolve;
use crate::server::origin::Origin;
use crate::server::parts::migration::ExportStage;
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// Our own effects have no longer arguments than clients' commands.
const BOUNDS: Bounds = Bounds {
    bulk_max: u64::MAX,
    unauthenticated: false,
};

impl Server {
    /// Whether effects are passed on to other nodes.
    #[inline]
    pub(in crate::server) fn exports_slots(&self) -> bool {
        let driver = self.migrations.as_ref();
        driver.is_some_and(|driver| driver.exports.are_streamed())
    }

    /// Passes effects on slots that leave on. O(bytes), only while slots leave.
    #[cold]
    pub(in crate::server) fn export_effects(&mut self, effects: &Effects) {
        let Some(mut driver) = self.migrations.take() else {
            return;
        };
        let requests = effects.units().flat_map(|unit| unit.requests());
        for (db, audience, request) in requests {
            if !audience.contains(Audience::EXPORTS) {
                continue;
            }
            let Some(slot) = self.slot_of_request(request) else {
                continue;
            };
            let mut sent = None;
            for export in &mut driver.exports.all {
                if export.stage == ExportStage::Waits || !export.slots.contains(slot) {
                    continue;
                }
                let bytes = export.encode(db, request);
                driver.machine.streamed(export.job, bytes.len());
                match &mut export.held {
                    Some(held) => held.extend_from_slice(&bytes),
                    None => sent = Some((export.stream, bytes)),
                }
            }
            if let Some((link, bytes)) = sent {
                driver.send(link, &bytes);
            }
        }
        self.migrations = Some(driver);
    }

    /// The slot of an effect's first key.
    fn slot_of_request(&self, request: &[u8]) -> Option<u16> {
        let (mut pos, mut spans, mut progress) = (0, Vec::new(), Progress::default());
        let parsed = step(request, &mut pos, &mut spans, &mut progress, BOUNDS);
        if parsed != Step::Command {
            return None;
        }
        self.slot_of_command(Args::new(request, &spans))
    }

    fn slot_of_command(&self, args: Args<'_>) -> Option<u16> {
        let row = self.table.find(args.at(0))?;
        let id = resolve(self, Some(row.id), args).ok()?;
        let (at, _) = self.table.row(id).keys(args).ok()?.next()?;
        Some(slot_of(args.at(at)))
    }

    /// Whether all keys of a source's command are of slots of its migration.
    fn are_of_migration(&self, link: Link, id: usize, args: Args<'_>) -> bool {
        let slots = self
            .migrations
            .as_ref()
            .and_then(|driver| driver.machine.slots_of(link));
        let Some(slots) = slots else {
            return false;
        };
        let row = self.table.row(id);
        if !row.has_keys() {
            // What has no keys must not change any.
            let is_harmless = !row.spec.flags.contains(Flags::WRITE) || row.spec.name == "function";
            return is_harmless || row.full_name.starts_with("function|");
        }
        let Ok(mut keys) = row.keys(args) else {
            return false;
        };
        keys.all(|(at, _)| slots.contains(slot_of(args.at(at))))
    }
}

impl Engine {
    /// Applies a command of a source, of so many bytes in its stream. What comes of it is noted for the
    /// machine; after a failure nothing more of the link is run.
    pub(in crate::server) fn apply_slots(
        &mut self,
        session: &mut Session,
        link: Link,
        row: Option<usize>,
        args: Args<'_>,
        bytes: usize,
    ) {
        let result = self.try_apply_slots(session, link, row, args);
        let Some(driver) = &mut self.server.migrations else {
            return;
        };
        match result {
            Ok(()) => driver.note_applied(link, bytes),
            Err(error) => {
                driver.failures.push((link, error.to_string()));
                session.client.flags |= ClientFlags::CLOSE_ASAP;
                session
                    .client
                    .ends_by(Ending::new(EndReason::Slots, error.to_string()));
            }
        }
    }

    fn try_apply_slots(
        &mut self,
        session: &mut Session,
        link: Link,
        row: Option<usize>,
        args: Args<'_>,
    ) -> Result<(), CommandError> {
        let id = resolve(&self.server, row, args)?;
        let (spec, name) = {
            let row = self.server.table.row(id);
            (row.spec, row.full_name)
        };
        session.client.traffic.last_command = Some(name);
        let is_syncslots = name == "cluster|syncslots";
        if !is_syncslots && !self.server.are_of_migration(link, id, args) {
            return Err(CommandError::owned(format!(
                "ERR '{name}' is not about the slots of this migration"
            )));
        }
        let queues = session.client.flags.contains(ClientFlags::MULTI);
        if queues && !spec.flags.contains(Flags::NOT_QUEUED) {
            session.client.queue(id, args);
            return Ok(());
        }
        if spec.flags.contains(Flags::DENYOOM)
            && self.server.memory.limit.maxmemory() > 0
            && !self.server.make_room(&mut self.keyspace)
        {
            return Err(CommandError::OutOfMemory);
        }
        let (mark, errors) = (session.reply.mark(), self.server.stats.total_error_replies);
        let usual = self.keyspace.set_expiring(Expiring::Replay);
        self.run_unit(session, Origin::Client, id, args, &[]);
        self.keyspace.set_expiring(usual);
        let has_failed = self.server.stats.total_error_replies > errors;
        let error = has_failed.then(|| session.reply.last_error().to_vec());
        if !is_syncslots {
            session.reply.truncate(mark);
        }
        match error {
            Some(line) => Err(CommandError::Bytes(line)),
            None => Ok(()),
        }
    }
}
