//! Atomic migration of slots: CLUSTER MIGRATION (Redis), MIGRATESLOTS, CANCELSLOTMIGRATIONS,
//! GETSLOTMIGRATIONS (Valkey), SYNCSLOTS (between nodes), TRIMSLOTS.

use super::enabled::check_enabled;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_server::{Call, CommandResult, Spec};

/// Flags of subcommands that begin or end a migration.
const CHANGES: Flags = Flags::ADMIN
    .union(Flags::NO_ASYNC_LOADING)
    .union(Flags::STALE);

const UNKNOWN: CommandError = CommandError::Text("ERR unknown argument");

pub(super) const MIGRATION: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: CHANGES,
    ..Spec::new("migration", migration)
};

pub(super) const MIGRATESLOTS: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: CHANGES,
    ..Spec::new("migrateslots", migrateslots)
};

pub(super) const CANCELSLOTMIGRATIONS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: CHANGES,
    ..Spec::new("cancelslotmigrations", cancelslotmigrations)
};

pub(super) const GETSLOTMIGRATIONS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: CHANGES,
    ..Spec::new("getslotmigrations", getslotmigrations)
};

pub(super) const SYNCSLOTS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: CHANGES,
    facts: Facts::MOVES_SLOTS.union(Facts::INTERNAL),
    ..Spec::new("syncslots", syncslots)
};

pub(super) const TRIMSLOTS: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE,
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    ..Spec::new("trimslots", trimslots)
};

/// `CLUSTER MIGRATION IMPORT first last [first last ..]`: this node pulls slots from the node that
/// serves them. Reply: the id of the task, at once.
///
/// `.. STATUS ID id|ALL`: array of maps, newest first. `.. CANCEL ID id|ALL`: how many were
/// canceled.
fn migration(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    let args = call.args;
    if args.is(2, "import") {
        return call.import_slots();
    }
    let is_status = args.is(2, "status");
    if !is_status && !args.is(2, "cancel") {
        return Err(UNKNOWN);
    }
    let wrong = || CommandError::WrongArity("cluster|migration".into());
    let id = match args.len() {
        4 if args.is(3, "all") => None,
        5 if args.is(3, "id") => Some(args.at(4)),
        4 if args.is(3, "id") => return Err(wrong()),
        5 if args.is(3, "all") => return Err(wrong()),
        6.. => return Err(wrong()),
        _ => return Err(UNKNOWN),
    };
    if is_status {
        call.show_slot_tasks(id);
        Ok(())
    } else {
        call.cancel_slot_tasks(id)
    }
}

/// `CLUSTER MIGRATESLOTS SLOTSRANGE first last [first last ..] NODE id [SLOTSRANGE .. NODE ..]`:
/// pushes slots of this node to others. Reply: OK, at once. O(slots).
fn migrateslots(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    call.migrate_slots()
}

/// `CLUSTER CANCELSLOTMIGRATIONS`: ends the migrations that MIGRATESLOTS began here. Reply: OK.
fn cancelslotmigrations(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    call.cancel_slot_exports()
}

/// `CLUSTER GETSLOTMIGRATIONS`: array of maps, newest first: the running migrations, and the last
/// that ended.
fn getslotmigrations(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    call.show_slot_migrations();
    Ok(())
}

/// `CLUSTER SYNCSLOTS ..`: messages between nodes about slots that move. Mostly without a reply.
fn syncslots(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    call.sync_slots()
}

/// `TRIMSLOTS RANGES n first last [first last ..]`: deletes keys of slots that this node does not
/// serve. Reply: OK. O(keys) for replicas and the log, O(slots) without them.
fn trimslots(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    call.trim_slots()
}
