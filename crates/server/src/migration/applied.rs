//! The stream of slots that move: effects on slots that leave are passed on to their targets, and
//! commands from the source of slots that arrive are applied.
//!
//! A source's commands are applied as the primary's are (`applier`), and their effects are recorded
//! for this node's replicas and the log. Only listed commands are applied: writes to the slots of
//! the migration, functions, and the commands that frame them. If the source has dialled, its user
//! must also be permitted to run each command.

use crate::clients::client::ClientFlags;
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::execution::applier::Applier;
use crate::execution::dispatch::error_for_log;
use crate::execution::gates::{self, GatedCommand, Stop};
use crate::origin::Origin;
use crate::parts::execution::gates::{PAUSED, RUNS_SCRIPT};
use crate::parts::migration::{ExportStage, MigrationDriver};
use crate::state::Server;
use crate::state::call::{CommandResult, CommandTable};
use crate::state::world::{Engine, World};
use russet_cluster::migration::MigrationLink;
use russet_command::{CommandError, Facts};
use russet_keyspace::{Audience, Effects, KeyHash, slot_of};
use russet_resp::Args;

impl Server {
    /// Passes effects on slots that leave on. O(bytes), only while slots leave.
    #[cold]
    pub(crate) fn export_effects(&mut self, effects: &Effects) {
        let Some(mut driver) = self.migrations.take() else {
            return;
        };
        let requests = effects.units().flat_map(|unit| unit.requests());
        for request in requests {
            if !request.audience.contains(Audience::EXPORTS) {
                continue;
            }
            let Some(slot) = request.slot else {
                continue;
            };
            let mut sent = None;
            for export in &mut driver.exports.all {
                if export.stage == ExportStage::Waits || !export.slots.contains(slot) {
                    continue;
                }
                let bytes = export.encode(request.db, request.bytes);
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
}

impl Engine {
    /// Applies a command of a source, which has this many bytes in the stream, and records the
    /// result for the machine. After a failure no further command of the link runs.
    pub(crate) fn apply_slots(
        &mut self,
        session: &mut Session,
        link: MigrationLink,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
        bytes: usize,
    ) {
        let mut world = self.world(session);
        let result = Applier::Source(link).apply(&mut world, row, args, hashes);
        let result = result.map_err(|failure| {
            let line = failure.error.line();
            error_for_log(&self.server, failure.row, &line).to_vec()
        });
        let Some(driver) = &mut self.server.migrations else {
            return;
        };
        match result {
            Ok(()) => driver.count_applied(link, bytes),
            Err(error) => {
                let error = String::from_utf8_lossy(&error).into_owned();
                driver.failures.push((link, error.clone()));
                session.client.flags |= ClientFlags::CLOSE_ASAP;
                session
                    .client
                    .ends_by(Disconnection::new(EndReason::Slots, error));
            }
        }
    }
}

impl World<'_> {
    /// Whether a source may send a command, and the user that the source has logged in as may run
    /// it. A source that this node has dialled has no user.
    pub(crate) fn permits_source(
        &mut self,
        link: MigrationLink,
        id: usize,
        args: Args<'_>,
    ) -> CommandResult {
        if !may_be_sent(
            &self.server.table,
            self.server.migrations.as_deref(),
            link,
            id,
            args,
        ) {
            let name = self.server.table.row(id).full_name;
            return Err(CommandError::owned(format!(
                "ERR '{name}' is not about the slots of this migration"
            )));
        }
        let asked = GatedCommand::new(self.server, id, args, Origin::Client);
        match gates::permitted(self, &asked) {
            Ok(()) | Err(Stop::Postponed(_)) => Ok(()),
            Err(Stop::Refused(error) | Stop::Elsewhere(error)) => Err(error),
        }
    }

    /// Evicts keys for a source's command, if there is a limit.
    pub(crate) fn make_room_for_source(&mut self) -> CommandResult {
        let has_limit = self.server.memory.limit.maxmemory() > 0;
        if has_limit && !self.server.make_room(self.keyspace, None) {
            return Err(CommandError::OutOfMemory);
        }
        Ok(())
    }
}

/// Whether a source may send this command: a write whose keys are all in slots of the migration, or
/// a command that belongs to no slot.
fn may_be_sent(
    table: &CommandTable,
    migrations: Option<&MigrationDriver>,
    link: MigrationLink,
    id: usize,
    args: Args<'_>,
) -> bool {
    let row = table.row(id);
    let facts = row.spec.facts;
    if facts.contains(Facts::MOVES_SLOTS) {
        return true;
    }
    let Some(slots) = migrations.and_then(|driver| driver.machine.slots_of(link)) else {
        return false;
    };
    if !row.has_keys() {
        return facts.contains(Facts::FRAMES_SLOTS);
    }
    let flags = row.spec.flags;
    if !flags.intersects(PAUSED) || flags.intersects(RUNS_SCRIPT) {
        return false;
    }
    let Ok(mut keys) = row.keys(args) else {
        return false;
    };
    keys.all(|(at, _)| slots.contains(slot_of(args.at(at))))
}
