//! Empties the allocator's cache while the server is idle.

use super::super::Server;

use crate::base::alloc;
use crate::server::parts::defrag::cache::Cache;

/// Idle: this long without a command, milliseconds.
const IDLE_MS: u64 = 1000;

impl Server {
    /// To be called by cron.
    pub(in crate::server) fn empty_idle_cache(&mut self) {
        let (now_ms, commands) = (self.now.mono_ms, self.stats.commands);
        let cache = &mut self.memory.defrag.cache;
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
