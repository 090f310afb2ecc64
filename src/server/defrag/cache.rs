//! Flushes the allocator's thread cache when the server is idle.
//!
//! jemalloc caches some hundred freed blocks of each size for a thread's next allocations, and each
//! of them pins the pages around it. After a second without a command, those of the loop's thread
//! are released. (The helper thread that frees flushes its own: `keyspace::lazyfree`.)

use super::super::Server;
use crate::base::alloc;

/// Idle: this long without a command, milliseconds.
const IDLE_MS: u64 = 1000;

/// The allocator's cache of this thread, as cron sees it.
#[derive(Default)]
pub(super) struct Cache {
    /// Commands so far, and when the last of them was seen.
    commands: u64,
    used_ms: u64,
    is_full: bool,
}

impl Cache {
    /// Time since cron last saw new commands, milliseconds.
    pub fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.used_ms)
    }
}

impl Server {
    /// To be called by cron.
    pub(in crate::server) fn empty_idle_cache(&mut self) {
        let (now_ms, commands) = (self.now.mono_ms, self.stats.commands);
        let cache = &mut self.defrag.cache;
        if cache.commands != commands {
            *cache = Cache {
                commands,
                used_ms: now_ms,
                is_full: true,
            };
        } else if cache.is_full && now_ms >= cache.used_ms + IDLE_MS {
            cache.is_full = false;
            let _ = alloc::perform(c"thread.tcache.flush");
        }
    }
}
