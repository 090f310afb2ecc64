//! The check before a script runs, and the gates that only its commands pass.
//!
//! `prepare` judges the script once, by its declared flags (`no-writes`, `allow-oom`,
//! `allow-stale`, ...), in Redis's order; its `Limits` hold for the whole run.
//! Invariants
//!   1. Memory is judged as of the start: a script that has written is never stopped for memory.
//!   2. A script without a shebang (`Flags::COMPAT`) is refused here for stale data alone; all else
//!      is judged for each of its commands.
//!   3. A script of the primary, or of the log, is not refused for this server's state.
//!
//! Cost: O(1). Elsewhere: `gates` has the list of all gates, `execution::script` runs scripts.

use crate::execution::gates::{GatedCommand, MASTERDOWN, Stop};
use crate::origin::Origin;
use crate::state::script::Limits;
use crate::state::world::World;
use russet_base::memory::alloc;
use russet_command::{CommandError, Flags as RowFlags};
use russet_scripting::Flags;

const READ_ONLY: &str = "ERR Write commands are not allowed from read-only scripts.";
const DENIED: &str = "ERR This Redis command is not allowed from script";
const RO_COMMAND: &str = "ERR Can not execute a script with write flag using *_ro command.";
const NO_CLUSTER: &str = "ERR Can not run script on cluster, 'no-cluster' flag is set.";
const OOM: &str = "OOM allow-oom flag is not set on the script, can not run it when used memory \
                   > 'maxmemory'";
const SAVE_FAILED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only \
scripts.";
const ON_REPLICA: &str = "READONLY You can not run script with write flag on readonly replica.";
const FEW_REPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";
const AOF_FAILED: &str = "MISCONF Redis is configured to persist data to AOF, but it's currently \
unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only \
scripts. AOF error: ";

/// Whether a script with these flags may run, and its limits. `read_only`: a read-only command
/// calls it.
pub fn prepare(
    world: &mut World<'_>,
    (flags, read_only): (Flags, bool),
    origin: Origin,
) -> Result<Limits, CommandError> {
    let server = &mut *world.server;
    let dialect = server.config.dialect;
    let is_obeyed = matches!(origin, Origin::Loading | Origin::Primary);
    let lacks_memory = alloc::exceeds(server.eviction_bound());
    let is_compat = flags.contains(Flags::COMPAT);
    let shows_stale = !is_compat && flags.contains(Flags::ALLOW_STALE);
    if server.replication.is_stale(&server.config) && !shows_stale && !is_obeyed {
        return Err(CommandError::Text(MASTERDOWN));
    }
    if !is_compat {
        if flags.contains(Flags::NO_CLUSTER) && server.cluster.is_some() && !is_obeyed {
            return Err(CommandError::Text(NO_CLUSTER));
        }
        let lacks_cluster = flags.contains(Flags::NO_CLUSTER);
        server.stats.cluster_incompatible_ops += u64::from(lacks_cluster);
        if !flags.contains(Flags::NO_WRITES) {
            if !is_obeyed {
                if server.replication.is_read_only(&server.config) {
                    return Err(CommandError::Text(ON_REPLICA));
                }
                if server
                    .replication
                    .lacks_replicas(&server.config, &server.now)
                {
                    return Err(CommandError::Text(FEW_REPLICAS));
                }
                if server.persist.saving.stops_writes(&server.config) {
                    return Err(CommandError::owned(dialect.named(SAVE_FAILED)));
                }
                if let Some(why) = server.persist.aof.trouble_text() {
                    return Err(CommandError::owned(format!(
                        "{}{why}",
                        dialect.named(AOF_FAILED)
                    )));
                }
            }
            if read_only {
                return Err(CommandError::Text(RO_COMMAND));
            }
        }
        if lacks_memory && !flags.intersects(Flags::ALLOW_OOM | Flags::NO_WRITES) && !is_obeyed {
            return Err(CommandError::Text(OOM));
        }
    }
    Ok(Limits {
        read_only: read_only || flags.contains(Flags::NO_WRITES),
        lacks_memory: lacks_memory && !flags.contains(Flags::ALLOW_OOM),
        crosses_slots: flags.intersects(Flags::COMPAT | Flags::ALLOW_CROSS_SLOT_KEYS),
    })
}

/// Commands that no script may run.
#[inline]
pub(super) fn allowed(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let is_denied = asked.spec.flags.contains(RowFlags::NOSCRIPT);
    if is_denied && !world.server.scripting.denies_nothing {
        return Err(CommandError::owned(world.server.config.dialect.named(DENIED)).into());
    }
    Ok(())
}

/// A read-only script runs no command that writes.
#[inline]
pub(super) fn may_write(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let writes = RowFlags::WRITE | RowFlags::MAY_REPLICATE;
    let reads = world.script.is_some_and(|script| script.limits.read_only);
    if reads && asked.spec.flags.intersects(writes) {
        return Err(CommandError::Text(READ_ONLY).into());
    }
    Ok(())
}

/// Memory is over the limit: asked only before the script's first write, after which it cannot be
/// stopped.
#[inline]
pub(super) fn memory(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let lacks = world
        .script
        .is_some_and(|script| !script.wrote.get() && script.limits.lacks_memory);
    if lacks && asked.spec.flags.contains(RowFlags::DENYOOM) {
        return Err(CommandError::OutOfMemory.into());
    }
    Ok(())
}

/// The gates' flags of a command that runs a script: the flags that the script declares are
/// trusted.
pub(crate) fn flags_of(row: RowFlags, script: Option<Flags>) -> RowFlags {
    let Some(script) = script.filter(|flags| !flags.contains(Flags::COMPAT)) else {
        return row;
    };
    const OWN: RowFlags = RowFlags::STALE
        .union(RowFlags::DENYOOM)
        .union(RowFlags::WRITE)
        .union(RowFlags::MAY_REPLICATE);
    let mut flags = row - OWN;
    let reads = script.contains(Flags::NO_WRITES);
    flags.set(RowFlags::WRITE, !reads);
    flags.set(
        RowFlags::DENYOOM,
        !reads && !script.contains(Flags::ALLOW_OOM),
    );
    flags.set(RowFlags::STALE, script.contains(Flags::ALLOW_STALE));
    flags
}
