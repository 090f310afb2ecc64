//! Commands that come from elsewhere: from a file, from the primary, from the source of slots that
//! arrive. A server has taken each of them before.
//!
//!     resolve -> permitted -> queued in MULTI, or run -> an error has its consequence
//!
//!                 file            primary                      source of slots
//!     permitted   all             all                          writes to its slots, their frame
//!     effects     not recorded    not recorded: its own bytes  recorded
//!     replies     none            REPLCONF GETACK's            CLUSTER SYNCSLOTS's
//!     refusals    stop the load   are logged                   end the link
//!     errors      are logged      are logged                   end the link
//!
//! Invariants
//!   1. The commands bypass the gates; expired keys count as live until a command removes them.
//!   2. A queued command is checked when it is queued, and runs by the rules of its EXEC.
//!
//! Elsewhere: `persist::aof::loader`, `replication::stream` and `migration::links` parse, decide
//! how much is applied in a turn, and carry out the consequence; `migration::applied` knows a
//! source's rights.

use crate::clients::client::ClientFlags;
use crate::execution::dispatch::resolve;
use crate::origin::Origin;
use crate::state::call::CommandResult;
use crate::state::world::World;
use russet_cluster::migration::MigrationLink;
use russet_command::{CommandError, Facts, Flags};
use russet_keyspace::{EffectRecording, ExpiryMode, KeyHash};
use russet_resp::Args;

/// Applies commands by the rules of the place that they come from.
#[derive(Clone, Copy, Debug)]
pub enum Applier {
    File,
    Primary,
    Source(MigrationLink),
}

/// A command that is not applied.
#[derive(Debug)]
pub struct Failure {
    /// The number of the command's row; `None`: unknown command.
    pub row: Option<usize>,
    pub error: CommandError,
}

impl Applier {
    /// Applies a command; `row` is the command's or its container's row, `hashes` the hashes of the
    /// first keys.
    ///
    /// # Errors
    ///
    /// It is refused, or has failed. The errors of a file's commands are logged when they run.
    #[inline]
    pub fn apply(
        self,
        world: &mut World<'_>,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Result<(), Failure> {
        let of_servers = || world.server.table.find_of_servers(args.get(0)?);
        let row = row.or_else(|| of_servers().map(|row| row.id));
        let id = resolve(world.server, row, args);
        let id = id.map_err(|error| Failure { row: None, error })?;
        let of_row = |error| Failure {
            row: Some(id),
            error,
        };
        let row = world.server.table.row(id);
        let (flags, facts) = (row.spec.flags, row.spec.facts);
        world.client.traffic.last_command = Some(id);
        self.permits(world, id, args).map_err(of_row)?;
        let queues = world.client.flags.contains(ClientFlags::MULTI);
        if queues && !flags.contains(Flags::NOT_QUEUED) {
            world.client.queue(id, args);
            return Ok(());
        }
        self.makes_room(world, flags).map_err(of_row)?;
        let mark = world.reply.mark();
        let failed = self.run(world, id, args, hashes);
        let error = failed.then(|| CommandError::Bytes(world.reply.last_error_line().to_vec()));
        if !self.keeps_reply(flags, facts) {
            world.reply.truncate(mark);
        }
        error.map_or(Ok(()), |error| Err(of_row(error)))
    }

    fn permits(self, world: &mut World<'_>, id: usize, args: Args<'_>) -> CommandResult {
        match self {
            Applier::File | Applier::Primary => Ok(()),
            Applier::Source(link) => world.permits_source(link, id, args),
        }
    }

    /// Memory was there where the command comes from, unless that has other keys as well.
    fn makes_room(self, world: &mut World<'_>, flags: Flags) -> CommandResult {
        match self {
            Applier::Source(_) if flags.contains(Flags::DENYOOM) => world.make_room_for_source(),
            Applier::File | Applier::Primary | Applier::Source(_) => Ok(()),
        }
    }

    /// Returns whether the command has failed.
    #[inline]
    fn run(self, world: &mut World<'_>, id: usize, args: Args<'_>, hashes: &[KeyHash]) -> bool {
        let expiring = world.keyspace.set_expiring(ExpiryMode::Replay);
        let recording = world.keyspace.effects.set_recording(self.recording());
        let failed = match self {
            // A file may be loaded in the middle of a command, whose unit it must not end.
            Applier::File => {
                world.run(Origin::Loading, id, args, hashes);
                false
            }
            Applier::Primary => world.run_unit(Origin::Primary, id, args, hashes).failed,
            Applier::Source(_) => world.run_unit(Origin::Client, id, args, hashes).failed,
        };
        world.keyspace.effects.set_recording(recording);
        world.keyspace.set_expiring(expiring);
        failed
    }

    fn recording(self) -> EffectRecording {
        match self {
            Applier::File | Applier::Primary => EffectRecording::Nothing,
            Applier::Source(_) => EffectRecording::Effects,
        }
    }

    fn keeps_reply(self, flags: Flags, facts: Facts) -> bool {
        match self {
            Applier::File => false,
            Applier::Primary => flags.contains(Flags::REPLIES_TO_PRIMARY),
            Applier::Source(_) => facts.contains(Facts::MOVES_SLOTS),
        }
    }
}
