//! Saves: snapshots that become the dump file. When one is made (SAVE, BGSAVE, save points,
//! FLUSHALL, shutdown), and the result of the last one.

/// A save in progress.
pub(in crate::server) struct Running {
    pub(in crate::server) began_ms: u64,
    /// Changes counted when it began.
    pub(in crate::server) dirty: u64,
}

/// See the module.
pub struct Saving {
    pub(in crate::server) running: Option<Running>,
    /// Unix seconds.
    pub last_save_s: i64,
    pub last_status_ok: bool,
    /// Seconds that the last one took; -1: none yet.
    pub last_time_s: i64,
    pub(in crate::server) last_try_ms: u64,
    pub saves: u64,
    /// Whether files are made; not for commands run in a test's process.
    pub on_disk: bool,
}

impl Saving {
    pub(in crate::server) fn new(now_s: i64) -> Saving {
        Saving {
            running: None,
            last_save_s: now_s,
            last_status_ok: true,
            last_time_s: -1,
            last_try_ms: 0,
            saves: 0,
            on_disk: false,
        }
    }

    /// Whether a save is in progress.
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Seconds that the current save has taken so far; -1: none.
    pub fn current_time_s(&self, now_ms: u64) -> i64 {
        let running = self.running.as_ref();
        running.map_or(-1, |r| (now_ms.saturating_sub(r.began_ms) / 1000) as i64)
    }

    pub(in crate::server) fn note_saved(&mut self, now_s: i64) {
        self.last_save_s = now_s;
        self.last_status_ok = true;
        self.saves += 1;
    }
}
