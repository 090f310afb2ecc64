//! Flushes the allocator's thread cache when the server is idle.
//!
//! jemalloc caches some hundred freed blocks of each size for a thread's next allocations, and each
//! of them pins the pages around it. After a second without a command, the server releases the
//! cached blocks of the loop's thread. (The helper thread that frees values flushes its own cache:
//! `keyspace::passes::lazyfree`.)

use russet_base::memory::alloc;

/// Idle: this long without a command, milliseconds.
const IDLE_MS: u64 = 1000;

/// The allocator's cache of this thread, as cron sees it.
#[derive(Default)]
pub struct Cache {
    /// Commands so far, and when the last of them was seen.
    commands: u64,
    used_ms: u64,
    is_full: bool,
}

impl Cache {
    /// Cron: flushes it if the server has become idle. `commands`: how many have run so far.
    pub fn watch(&mut self, commands: u64, now_ms: u64) {
        if self.commands != commands {
            *self = Cache {
                commands,
                used_ms: now_ms,
                is_full: true,
            };
        } else if self.is_full && now_ms >= self.used_ms + IDLE_MS {
            self.is_full = false;
            let _ = alloc::perform(c"thread.tcache.flush");
        }
    }

    /// Time since cron last saw new commands, milliseconds.
    pub fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.used_ms)
    }
}
