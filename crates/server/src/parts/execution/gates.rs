//! Which commands must be checked at the gates (`execution::gates`) in the server's present state.
//! This is recomputed when the state changes, so that a command that no gate concerns costs one
//! test.
//!
//! Invariant: a state in which a gate refuses or postpones commands is part of [`Interest`], so
//! that other commands may skip that gate. CLIENT PAUSE, FAILOVER, a shutdown and a failover of the
//! cluster each have a pause of their own; [`Gates::pause`] joins them.

use crate::parts::observe::command_log::Thresholds;
use russet_base::memory::alloc;
use russet_cluster::migration::{Name, Ranges};
use russet_command::Flags;

/// State that is tested for each command, recomputed when its sources change.
pub struct Gates {
    /// Commands that must be checked at each gate.
    pub interest: Interest,
    /// Every command is observed: by a monitor or a HOTKEYS session.
    pub is_observed: bool,
    /// Something is done before every command: the watchdog notes keys, or reads without keys are
    /// noted.
    pub(crate) has_hooks: bool,
    /// The watchdog notes the key of every command.
    pub(crate) is_watched: bool,
    /// The audit is on.
    pub(crate) is_audited: bool,
    /// The audit's log is stuck, and commands that belong into the log are refused.
    pub(crate) refuses_audited: bool,
    pub latency_tracking: bool,
    /// Thresholds above which commands may be logged.
    pub(crate) thresholds: Thresholds,
    /// CLIENT PAUSE.
    pub client_pause: Option<Pause>,
    /// FAILOVER holds writes.
    pub(crate) fails_over: bool,
    /// A shutdown that waits for replicas holds writes.
    pub(crate) shuts_down: bool,
    /// The append only file's buffer is full, because the disk lags: writes wait.
    pub log_is_full: bool,
    /// Writes to these slots wait until another node has taken them over.
    pub(crate) held_slots: HeldSlots,
    /// Until when a failover that a replica has requested on the cluster's bus holds writes,
    /// monotonic milliseconds.
    pub(crate) hands_over_until_ms: Option<u64>,
}

impl Default for Gates {
    fn default() -> Gates {
        Gates {
            interest: Interest::default(),
            is_observed: false,
            has_hooks: false,
            is_watched: false,
            is_audited: false,
            refuses_audited: false,
            latency_tracking: true,
            thresholds: Thresholds::NONE,
            client_pause: None,
            fails_over: false,
            shuts_down: false,
            log_is_full: false,
            held_slots: HeldSlots::default(),
            hands_over_until_ms: None,
        }
    }
}

/// Slots whose writes wait, by the job that holds the slots. Few.
#[derive(Debug, Default)]
pub struct HeldSlots {
    all: Vec<(Name, Ranges)>,
}

impl HeldSlots {
    pub fn hold(&mut self, job: Name, slots: Ranges) {
        self.all.push((job, slots));
    }

    /// `false`: it holds none.
    pub fn release(&mut self, job: Name) -> bool {
        let before = self.all.len();
        self.all.retain(|(other, _)| *other != job);
        self.all.len() < before
    }

    pub fn of(&self, job: Name) -> Option<&Ranges> {
        let held = self.all.iter().find(|(other, _)| *other == job);
        held.map(|(_, slots)| slots)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn has(&self, slot: u16) -> bool {
        self.all.iter().any(|(_, slots)| slots.contains(slot))
    }
}

/// CLIENT PAUSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    pub until_ms: u64,
    /// All commands, not only writes.
    pub all: bool,
}

impl Gates {
    /// The pause in force: the longest, and a pause of all commands if any pause is of all.
    pub fn pause(&self) -> Option<Pause> {
        let writes = if self.fails_over || self.shuts_down {
            Some(u64::MAX)
        } else {
            self.hands_over_until_ms
        };
        let Some(until_ms) = writes else {
            return self.client_pause;
        };
        let pause = self.client_pause;
        Some(Pause {
            until_ms: pause.map_or(until_ms, |pause| pause.until_ms.max(until_ms)),
            all: pause.is_some_and(|pause| pause.all),
        })
    }
}

/// The figures of a pause in INFO, in Valkey's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PauseReport {
    pub reason: &'static str,
    /// `all`, `write` or `none`.
    pub actions: &'static str,
    pub left_ms: u64,
}

impl Gates {
    /// A pause of all commands is shown before a pause of writes, and the longest of several
    /// pauses. A pause whose end is not known has `i64::MAX` ms left.
    pub fn pause_report(&self, now_ms: u64) -> PauseReport {
        let pause = |holds: bool| holds.then_some(u64::MAX);
        let writes = [
            ("shutdown_in_progress", pause(self.shuts_down)),
            ("failover_in_progress", pause(self.fails_over)),
            ("failover_in_progress", self.hands_over_until_ms),
        ];
        let by_client = self.client_pause.filter(|pause| pause.until_ms > now_ms);
        let all = by_client.filter(|pause| pause.all);
        let longest = match all {
            Some(pause) => Some(("client_pause", pause.until_ms)),
            None => [("client_pause", by_client.map(|pause| pause.until_ms))]
                .into_iter()
                .chain(writes)
                .filter_map(|(reason, until_ms)| Some((reason, until_ms?)))
                .max_by_key(|(_, until_ms)| *until_ms),
        };
        let (reason, until_ms) = longest.unwrap_or(("none", now_ms));
        PauseReport {
            reason,
            actions: match (all, longest) {
                (Some(_), _) => "all",
                (None, Some(_)) => "write",
                (None, None) => "none",
            },
            left_ms: match until_ms {
                u64::MAX => i64::MAX as u64,
                until_ms => until_ms.saturating_sub(now_ms),
            },
        }
    }
}

bitflags::bitflags! {
    /// The parts of the server's state that concern the gates.
    #[derive(Clone, Copy, Debug)]
    pub struct GateState: u16 {
        /// CLIENT PAUSE WRITE.
        const PAUSED = 1;
        /// CLIENT PAUSE ALL.
        const PAUSED_ALL = 1 << 1;
        /// Writers must wait until a snapshot has saved the values that they change.
        const UNSAVED = 1 << 2;
        /// Writes may not be persisted: the last save, or a write of the log, failed.
        const FAILED = 1 << 3;
        /// Commands that take over the machine need a login.
        const GUARDED = 1 << 4;
        const LOADING = 1 << 5;
        /// The old data is shown while new data is loaded.
        const ASYNC_LOADING = 1 << 10;
        /// A script has been running for long.
        const BUSY = 1 << 6;
        /// A replica that clients may not write to.
        const READ_ONLY = 1 << 7;
        /// A replica without its primary; the settings forbid showing its data.
        const STALE = 1 << 8;
        /// Fewer replicas than `min-replicas-to-write`.
        const FEW_REPLICAS = 1 << 9;
        /// Commands that a cluster would refuse are counted.
        const SAMPLED = 1 << 11;
        /// Commands that the audit should record are refused: its log is stuck.
        const UNAUDITED = 1 << 12;
        /// Replicas have not acknowledged in time: writes, and some reads, are refused.
        const LOST_REPLICAS = 1 << 13;
    }
}

/// Which commands must pass the gates in the current state.
#[derive(Clone, Copy, Debug)]
pub struct Interest {
    /// Rows with any of these flags.
    pub flags: Flags,
    /// All rows.
    pub all: bool,
    /// All rows, once more memory is used.
    pub(crate) memory_limit: usize,
}

impl Default for Interest {
    fn default() -> Interest {
        Interest {
            flags: Flags::empty(),
            all: false,
            memory_limit: usize::MAX,
        }
    }
}

impl Interest {
    /// Derives the interest from the server's state; `memory_limit`: used bytes from which on keys
    /// are evicted.
    pub fn of(state: GateState, memory_limit: usize) -> Interest {
        let mut flags = Flags::PROTECTED | Flags::CONTAINER;
        if state.contains(GateState::PAUSED) {
            flags |= PAUSED | Flags::RUNS_QUEUE;
        }
        if state.contains(GateState::PAUSED_ALL) {
            flags = Flags::all();
        }
        if state.contains(GateState::UNSAVED) {
            flags |= Flags::WRITE | Flags::RUNS_QUEUE;
        }
        if state.contains(GateState::FAILED) {
            flags |= UNSAFE | Flags::RUNS_QUEUE | RUNS_SCRIPT;
        }
        if state.contains(GateState::LOST_REPLICAS) {
            flags |= Flags::WRITE | Flags::READONLY | Flags::RUNS_QUEUE | RUNS_SCRIPT;
        }
        if state.contains(GateState::GUARDED) {
            flags |= Flags::TAKES_OVER;
        }
        if state.contains(GateState::ASYNC_LOADING) {
            flags |= Flags::NO_ASYNC_LOADING;
        }
        if state.intersects(GateState::READ_ONLY | GateState::FEW_REPLICAS) {
            flags |= Flags::WRITE | Flags::RUNS_QUEUE | RUNS_SCRIPT;
        }
        Interest {
            flags,
            all: state.intersects(
                GateState::LOADING
                    | GateState::BUSY
                    | GateState::STALE
                    | GateState::SAMPLED
                    | GateState::UNAUDITED,
            ),
            memory_limit,
        }
    }

    /// Whether a command must be checked at each gate.
    #[inline]
    pub fn concerns(&self, row: Flags) -> bool {
        row.intersects(self.flags)
            || self.all
            || self.memory_limit != usize::MAX && alloc::exceeds(self.memory_limit)
    }
}

/// Commands refused while the writes that they would acknowledge cannot be persisted.
pub(crate) const UNSAFE: Flags = Flags::WRITE.union(Flags::REPORTS_DISK);

/// Commands that CLIENT PAUSE WRITE holds.
pub(crate) const PAUSED: Flags = Flags::WRITE.union(Flags::MAY_REPLICATE);

/// Commands that run a script.
pub(crate) const RUNS_SCRIPT: Flags = Flags::RUNS_TEXT
    .union(Flags::RUNS_SHA)
    .union(Flags::RUNS_FUNCTION);

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(gates: &Gates) -> (&'static str, &'static str, u64) {
        let report = gates.pause_report(1000);
        (report.reason, report.actions, report.left_ms)
    }

    #[test]
    fn the_longest_pause_is_reported_and_one_of_all_commands_before_it() {
        let mut gates = Gates::default();
        assert_eq!(reported(&gates), ("none", "none", 0));
        gates.client_pause = Some(Pause {
            until_ms: 1500,
            all: false,
        });
        assert_eq!(reported(&gates), ("client_pause", "write", 500));
        gates.hands_over_until_ms = Some(1400);
        assert_eq!(reported(&gates), ("client_pause", "write", 500));
        gates.hands_over_until_ms = Some(1600);
        assert_eq!(reported(&gates), ("failover_in_progress", "write", 600));
        gates.shuts_down = true;
        assert_eq!(
            reported(&gates),
            ("shutdown_in_progress", "write", i64::MAX as u64)
        );
        gates.client_pause = gates.client_pause.map(|pause| Pause { all: true, ..pause });
        assert_eq!(reported(&gates), ("client_pause", "all", 500));
    }

    #[test]
    fn a_pause_that_has_run_out_is_not_reported() {
        let gates = Gates {
            client_pause: Some(Pause {
                until_ms: 1000,
                all: true,
            }),
            ..Gates::default()
        };
        assert_eq!(reported(&gates), ("none", "none", 0));
    }
}
