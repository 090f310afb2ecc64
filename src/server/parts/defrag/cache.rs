//! Flushes the allocator's thread cache when the server is idle.
//!
//! jemalloc caches some hundred freed blocks of each size for a thread's next allocations, and each
//! of them pins the pages around it. After a second without a command, those of the loop's thread
//! are released. (The helper thread that frees flushes its own: `keyspace::lazyfree`.)

/// The allocator's cache of this thread, as cron sees it.
#[derive(Default)]
pub(in crate::server) struct Cache {
    /// Commands so far, and when the last of them was seen.
    pub(in crate::server) commands: u64,
    pub(in crate::server) used_ms: u64,
    pub(in crate::server) is_full: bool,
}

impl Cache {
    /// Time since cron last saw new commands, milliseconds.
    pub fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.used_ms)
    }
}
