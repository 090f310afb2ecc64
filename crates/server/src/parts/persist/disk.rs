//! How much space the disk of `dir` has left. A thread asks, because a network file system may not
//! answer.

use std::path::Path;
use std::thread::JoinHandle;

use russet_base::threads;
use russet_persistence::aof::free_bytes;

/// Milliseconds between looks.
const EVERY_MS: u64 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub struct DiskWatch {
    look: Option<JoinHandle<Option<u64>>>,
    due_ms: u64,
    free: Option<u64>,
}

impl DiskWatch {
    /// Free bytes as last seen; `None`: not known yet, or there is no answer. Asks the system anew
    /// if the figure is too old.
    pub fn free(&mut self, now_ms: u64) -> Option<u64> {
        if let Some(look) = self.look.take_if(|look| look.is_finished()) {
            self.free = look.join().ok().flatten();
        }
        if now_ms < self.due_ms {
            return self.free;
        }
        if self.look.is_some() {
            self.free = None;
        } else {
            self.due_ms = now_ms + EVERY_MS;
            self.look = threads::start("disk", || free_bytes(Path::new(".")).ok()).ok();
        }
        self.free
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_look_is_taken_when_one_is_due() {
        let mut disk = DiskWatch::default();
        assert_eq!(disk.free(0), None);
        let look = disk.look.as_ref().expect("a thread");
        let end = Instant::now() + Duration::from_secs(30);
        while !look.is_finished() {
            assert!(Instant::now() < end, "the file system does not answer");
            std::thread::yield_now();
        }
        // A full disk has none left: there is an answer.
        assert!(disk.free(1).is_some());
        assert!(disk.look.is_none());
        disk.free(EVERY_MS);
        assert!(disk.look.is_some());
    }
}
