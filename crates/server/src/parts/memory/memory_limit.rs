//! The effective `maxmemory`: the configured value, or the memory of the machine or the container
//! less the reserve for everything that is not data.
//!
//! Eviction compares used memory. Resident memory is larger, by the allocator's free pages: cron
//! ([`MemoryLimit::watch`]) warns when it exceeds the limit by more than
//! `maxmemory-resident-warning` percent. Policy and pace of eviction: `parts::memory::eviction`.
//!
//! Cost: reading the limit is O(1); working out `auto` and resident memory reads files of the
//! system, at most once a second.

use russet_base::memory::cgroup::Owner;
use russet_base::text::human;
use russet_base::{memory::cgroup, usage};
use russet_config::{Config, MaxMemory};

/// Interval between checks of the available memory.
const LOOK_EVERY_MS: u64 = 1000;
/// Minimum of `auto`, whatever the reserve: below it not even CONFIG SET has room.
const AUTO_MIN: u64 = 4 << 20;

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryLimit {
    /// Bytes; 0: no limit.
    bytes: u64,
    not_counted: usize,
    /// The turn of the last measurement of memory that takes a walk, and its bytes.
    walked: (u64, usize),
    set_aside: usize,
    found: Option<(u64, Owner)>,
    resident_exceeded: bool,
    looked_ms: u64,
}

impl MemoryLimit {
    /// The effective limit, bytes; 0: none.
    #[inline]
    pub fn maxmemory(&self) -> u64 {
        self.bytes
    }

    /// Used bytes from which on keys are evicted; `usize::MAX`: there is no limit.
    #[inline]
    pub(crate) fn eviction_bound(&self) -> usize {
        match self.bytes {
            0 => usize::MAX,
            limit => (limit as usize).saturating_add(self.not_counted),
        }
    }

    /// Bytes of memory that takes a walk to measure, if that was done in this turn.
    pub(crate) fn walked(&self, turn: u64) -> Option<usize> {
        (self.walked.0 == turn).then_some(self.walked.1)
    }

    pub(crate) fn set_walked(&mut self, turn: u64, bytes: usize) {
        self.walked = (turn, bytes);
    }

    /// Records how many bytes flushes have set aside. These bytes do not count, and are freed as
    /// soon as used memory plus these bytes exceeds the limit. `true`: the figure has changed.
    #[must_use]
    pub(crate) fn set_bytes_aside(&mut self, bytes: usize) -> bool {
        std::mem::replace(&mut self.set_aside, bytes) != bytes
    }

    /// Used bytes from which on memory must be freed: keys, or data that flushes have set aside.
    pub(crate) fn room_bound(&self, eviction_bound: usize) -> usize {
        match self.set_aside {
            0 => eviction_bound,
            bytes => eviction_bound.min(self.eviction_bound().saturating_sub(bytes)),
        }
    }

    /// With `auto`: the available memory, and its owner (machine or container).
    pub fn found(&self) -> Option<(u64, Owner)> {
        self.found
    }

    /// Whether resident memory exceeds the limit by too much.
    pub fn resident_exceeded(&self) -> bool {
        self.resident_exceeded
    }

    /// Records how many bytes do not count now (`observe::not_counted`). `true`: the eviction bound
    /// may have changed.
    #[inline]
    #[must_use]
    pub fn set_not_counted(&mut self, bytes: usize) -> bool {
        std::mem::replace(&mut self.not_counted, bytes) != bytes
    }

    /// Works out the limit from the configuration and, with `auto`, from the memory that there
    /// is now. Whether it has changed.
    pub fn update(&mut self, config: &Config) -> bool {
        let before = self.bytes;
        (self.bytes, self.found) = match config.maxmemory {
            MaxMemory::Bytes(bytes) => (bytes, None),
            MaxMemory::Auto => {
                let (memory, owner) = cgroup::available_bytes();
                let reserve = config.maxmemory_reserve.of(memory);
                let bytes = memory.saturating_sub(reserve).max(AUTO_MIN);
                (bytes, Some((memory, owner)))
            }
        };
        self.bytes != before
    }

    /// Cron: follows the available memory, and checks resident memory. Whether the limit has
    /// changed.
    #[must_use]
    pub fn watch(&mut self, config: &Config, mono_ms: u64) -> bool {
        if mono_ms.saturating_sub(self.looked_ms) < LOOK_EVERY_MS {
            return false;
        }
        self.looked_ms = mono_ms;
        let before = self.bytes;
        let changed = self.found.is_some() && self.update(config);
        if changed {
            tracing::info!(
                "The memory of this system has changed: maxmemory auto is {} (was {})",
                human(self.bytes),
                human(before)
            );
        }
        self.watch_resident(config);
        changed
    }

    fn watch_resident(&mut self, config: &Config) {
        let percent = u64::from(config.maxmemory_resident_warning);
        let limit = self.bytes;
        let resident = if limit == 0 || percent == 0 {
            0
        } else {
            usage::resident_bytes() as u64
        };
        let exceeded = resident > limit.saturating_add(limit / 100 * percent);
        if std::mem::replace(&mut self.resident_exceeded, exceeded) == exceeded {
            return;
        }
        if exceeded {
            tracing::warn!(
                "{} are resident, more than {percent}% beyond maxmemory ({}): the rest is what \
                 the allocator holds. MEMORY DOCTOR tells more.",
                human(resident),
                human(limit)
            );
        } else {
            tracing::info!("Resident memory is within its bounds again.");
        }
    }
}
