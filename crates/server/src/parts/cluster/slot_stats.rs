//! The cost of the commands of each slot (`cluster-slot-stats-enabled`; CLUSTER SLOT-STATS).
//!
//! `World::run` reports every command by the same test that MONITOR uses: without figures it costs
//! nothing. A command's slot is the slot of its keys. EXEC and scripts have the slot of the
//! commands that they ran, and count nowhere if these had several; a script counts with its own
//! time and bytes, a transaction with the time and request bytes of its commands.
//!
//! Memory: 384 KiB while figures are on, and after that until the server ends: they stay readable
//! when they are enabled again.

use crate::origin::Origin;
use russet_command::Flags;
use russet_command::table::Row;
use russet_config::SlotStats as Wanted;
use russet_keyspace::{SLOTS, slot_of};
use russet_resp::Args;

/// Bytes of the request `MULTI`, and of the replies to it and to a queued command.
const MULTI_BYTES: u64 = 15;
const OK_BYTES: u64 = 5;
const QUEUED_BYTES: u64 = 9;

/// The figures of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotFigures {
    /// Time of the commands, ticks of the cycle counter.
    pub ticks: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// The slot of the commands that a command (EXEC, a script) has run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inner {
    #[default]
    None,
    One(u16),
    Several,
}

/// See the module.
#[derive(Debug, Default)]
pub struct SlotStats {
    wanted: Wanted,
    /// The figures by slot; empty until figures are wanted for the first time.
    slots: Vec<SlotFigures>,
    inner: Inner,
    /// Commands of the transaction that runs.
    queued: u64,
}

impl SlotStats {
    /// Begins or stops to count; figures so far stay.
    pub(crate) fn apply_settings(&mut self, wanted: Wanted) {
        self.wanted = wanted;
        if self.is_counting() {
            self.slots.resize(SLOTS, SlotFigures::default());
        }
    }

    /// Whether commands are counted.
    pub(crate) fn is_counting(&self) -> bool {
        self.wanted.intersects(Wanted::CPU | Wanted::NET)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        self.slots.fill(SlotFigures::default());
    }

    /// The figures of a slot: 0 if they were never wanted.
    pub fn of(&self, slot: u16) -> SlotFigures {
        let its = self.slots.get(usize::from(slot));
        its.copied().unwrap_or_default()
    }

    /// Counts a command that took `ticks` and replied `replied` bytes.
    pub fn count<H>(
        &mut self,
        row: &Row<H>,
        args: Args<'_>,
        origin: Origin,
        (ticks, replied): (u64, usize),
    ) {
        let own = slot_of_command(row, args);
        if matches!(origin, Origin::Script | Origin::Exec)
            && let Some(slot) = own
        {
            self.inner = match self.inner {
                Inner::None => Inner::One(slot),
                Inner::One(known) if known == slot => self.inner,
                _ => Inner::Several,
            };
        }
        if origin == Origin::Script {
            return;
        }
        let is_exec = row.spec.flags.contains(Flags::RUNS_QUEUE);
        let is_queued = origin == Origin::Exec;
        let slot = match self.inner {
            Inner::None => own,
            Inner::One(slot) => Some(slot),
            // A command of the transaction still has its own.
            Inner::Several => own.filter(|_| is_queued),
        };
        let queued = if is_queued {
            self.queued + 1
        } else {
            std::mem::take(&mut self.queued)
        };
        if is_queued {
            self.queued = queued;
        } else {
            self.inner = Inner::None;
        }
        let Some(its) = slot.and_then(|slot| self.slots.get_mut(usize::from(slot))) else {
            return;
        };
        if self.wanted.contains(Wanted::CPU) && !is_exec {
            its.ticks += ticks;
        }
        if self.wanted.contains(Wanted::NET) {
            its.bytes_in += args.wire_bytes() as u64;
            // EXEC's reply contains its commands' replies.
            its.bytes_out += if is_queued { 0 } else { replied as u64 };
            if is_exec {
                its.bytes_in += MULTI_BYTES;
                its.bytes_out += OK_BYTES + queued * QUEUED_BYTES;
            }
        }
    }
}

/// The slot of a command's first key, or of its first channel if the channel has a slot.
pub(crate) fn slot_of_command<H>(row: &Row<H>, args: Args<'_>) -> Option<u16> {
    let ahead = row.plan.fixed_keys(args).next();
    let first = match ahead {
        Some((at, _)) => at,
        None => row.keys(args).ok()?.next()?.0,
    };
    Some(slot_of(args.get(first)?))
}
