//! Memory figures that must agree, whatever a server has done.
//!
//! `used_memory` is russet's own count of the memory of all its threads; `allocator_allocated` is
//! the allocator's count, block by block. The counts are independent. They differ if a thread
//! allocates bytes that another thread frees without counting them, or if a thread is not counted.

use std::time::{Duration, Instant};

use super::resp::{Connection, Reply};
use super::wait::SOON;

/// Allowed difference: this percentage of the allocated bytes, ...
const PERCENT: u64 = 2;
/// ... plus the blocks that the allocator caches for each thread, and its own memory.
const SLACK_BYTES: u64 = 3 << 20;

/// The two figures.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub used: u64,
    pub allocated: u64,
}

impl Memory {
    /// The figures of INFO; `None` if the server refuses or does not answer.
    pub fn of(connection: &mut Connection) -> Option<Memory> {
        connection.write(b"INFO memory\r\n").ok()?;
        let (_, Reply::Bulk(text)) = connection.read().ok()? else {
            return None;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let field = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            let mut values = lines.filter(|(field, _)| *field == name);
            values.next()?.1.trim().parse().ok()
        };
        Some(Memory {
            used: field("used_memory")?,
            allocated: field("allocator_allocated")?,
        })
    }

    pub fn agrees(self) -> bool {
        let far = self.used.abs_diff(self.allocated);
        far <= self.allocated * PERCENT / 100 + SLACK_BYTES
    }

    /// Waits until the figures agree. The server does not take them at the same moment, and
    /// released memory counts as allocated until it is freed. `Err` if they never agree.
    pub fn settle(connection: &mut Connection) -> Result<(), String> {
        let until = Instant::now() + SOON;
        loop {
            let Some(memory) = Memory::of(connection) else {
                return Ok(());
            };
            if memory.agrees() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("the figures of memory do not agree: {memory:?}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Fails if the server's figures do not agree; skipped if it refuses INFO.
#[track_caller]
pub fn assert_agrees(connection: &mut Connection) {
    Memory::settle(connection).unwrap_or_else(|why| panic!("{why}"));
}
