//! Works out the effective `maxmemory` (`parts::memory_limit`), and warns when resident memory
//! exceeds it by more than `maxmemory-resident-warning` percent.

use crate::base::{cgroup, usage};
use crate::config::MaxMemory;
use crate::server::observe::info::human;
use crate::server::state::Server;

/// Interval between checks of the available memory.
const LOOK_EVERY_MS: u64 = 1000;
/// Minimum of `auto`, whatever the reserve: below it not even CONFIG SET has room.
const AUTO_MIN: u64 = 4 << 20;

impl Server {
    /// The effective limit, bytes; 0: none.
    #[inline]
    pub fn maxmemory(&self) -> u64 {
        self.memory.limit.bytes
    }

    /// Used bytes from which on keys are evicted; `usize::MAX`: there is no limit.
    #[inline]
    pub(in crate::server) fn eviction_bound(&self) -> usize {
        match self.memory.limit.bytes {
            0 => usize::MAX,
            limit => (limit as usize).saturating_add(self.memory.limit.not_counted),
        }
    }

    /// Each turn: how much waits for the disk now.
    #[inline]
    pub(in crate::server) fn count_waiting_for_disk(&mut self) {
        let log = self
            .persist
            .aof
            .log()
            .map_or(0, |log| log.writer.buffer_bytes());
        let waiting = log + self.persist.snapshots.waiting_bytes();
        if waiting != self.memory.limit.not_counted {
            self.memory.limit.not_counted = waiting;
            self.gates.interest.memory_limit = self.eviction_bound();
        }
    }

    /// Works out the limit from the configuration and, with `auto`, from the memory that there
    /// is now. Whether it has changed.
    pub fn update_memory_limit(&mut self) -> bool {
        let before = self.memory.limit.bytes;
        let limit = &mut self.memory.limit;
        (limit.bytes, limit.found) = match self.config.maxmemory {
            MaxMemory::Bytes(bytes) => (bytes, None),
            MaxMemory::Auto => {
                let (memory, owner) = cgroup::available_bytes();
                let reserve = self.config.maxmemory_reserve.of(memory);
                let bytes = memory.saturating_sub(reserve).max(AUTO_MIN);
                (bytes, Some((memory, owner)))
            }
        };
        limit.bytes != before
    }

    /// Cron: follows the available memory, and checks resident memory.
    pub(in crate::server) fn watch_memory_limit(&mut self) {
        let now = self.now.mono_ms;
        if now.saturating_sub(self.memory.limit.looked_ms) < LOOK_EVERY_MS {
            return;
        }
        self.memory.limit.looked_ms = now;
        let before = self.memory.limit.bytes;
        if self.memory.limit.found.is_some() && self.update_memory_limit() {
            let now = self.memory.limit.bytes;
            tracing::info!(
                "The memory of this system has changed: maxmemory auto is {} (was {})",
                human(now),
                human(before)
            );
            self.update_interest();
            self.set_client_memory_limit();
        }
        self.watch_resident();
    }

    fn watch_resident(&mut self) {
        let (limit, percent) = (
            self.memory.limit.bytes,
            u64::from(self.config.maxmemory_resident_warning),
        );
        let resident = match limit == 0 || percent == 0 {
            true => 0,
            false => usage::resident_bytes() as u64,
        };
        let exceeded = resident > limit.saturating_add(limit / 100 * percent);
        if std::mem::replace(&mut self.memory.limit.resident_exceeded, exceeded) == exceeded {
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

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    #[test]
    fn auto_is_the_memory_less_the_reserve_and_stays_auto() {
        let mut t = Testbed::new();
        assert_eq!(
            t.run("CONFIG SET maxmemory auto maxmemory-reserve 50%"),
            "+OK\r\n"
        );
        let (memory, _) = t.engine.server.memory.limit.found.expect("auto");
        assert_eq!(t.engine.server.maxmemory(), memory - memory / 2);
        assert_eq!(
            t.run("CONFIG GET maxmemory"),
            "*2\r\n$9\r\nmaxmemory\r\n$4\r\nauto\r\n"
        );
        assert_eq!(t.run("CONFIG SET maxmemory-reserve 1mb"), "+OK\r\n");
        assert_eq!(t.engine.server.maxmemory(), memory - (1 << 20));
        let info = t.run("INFO memory");
        assert!(
            info.contains(&format!("maxmemory:{}\r\n", memory - (1 << 20))),
            "{info}"
        );
        assert_eq!(t.run("CONFIG SET maxmemory 0"), "+OK\r\n");
        assert_eq!(t.engine.server.maxmemory(), 0);
        assert!(t.engine.server.memory.limit.found.is_none());
    }

    #[test]
    fn what_waits_for_the_disk_does_not_count_towards_the_limit() {
        let mut t = Testbed::new();
        t.run("CONFIG SET maxmemory 1 maxmemory-policy noeviction");
        assert!(t.run("SET a 1").starts_with("-OOM"));
        let server = &mut t.engine.server;
        server.memory.limit.not_counted = 1 << 40;
        server.update_interest();
        assert_eq!(t.run("SET a 1"), "+OK\r\n");
        assert_eq!(
            t.run("EVAL return(redis.call('set','a','2').ok) 0"),
            "$2\r\nOK\r\n"
        );
        // The log is off, and no snapshot is under way.
        t.engine.server.count_waiting_for_disk();
        assert!(t.run("SET a 1").starts_with("-OOM"));
    }

    #[test]
    fn resident_memory_far_beyond_the_limit_is_told() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CONFIG SET maxmemory 1mb"), "+OK\r\n");
        let server = &mut t.engine.server;
        server.now.mono_ms += 2000;
        server.watch_memory_limit();
        assert!(server.memory.limit.resident_exceeded);
        assert!(
            t.run("INFO memory")
                .contains("maxmemory_resident_exceeded:1\r\n")
        );
        assert_eq!(t.run("CONFIG SET maxmemory-resident-warning 0"), "+OK\r\n");
        let server = &mut t.engine.server;
        server.now.mono_ms += 2000;
        server.watch_memory_limit();
        assert!(!server.memory.limit.resident_exceeded);
    }
}
