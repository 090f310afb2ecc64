//! A forked child that saves the databases as they were at the fork, the other way to make a
//! snapshot (`snapshot-method`).
//!
//!     parent                      pipe                      child
//!     fork ------------------------------------------------- closes every connection
//!     cron: reads the pipe  <- "P keys bytes" --------------- after each second of saving
//!                           <- "E why" | "D bytes" ---------- when it ends
//!     cron: waits for the process, takes the file or not
//!
//! The child has only the calling thread: it writes its file itself, logs nothing (its messages go
//! through the pipe), and takes no lock that another thread may hold. It marks no entries either,
//! because each page it writes to is copied.
//!
//! The file has a temporary name until the parent renames it: a child that outlived its parent
//! would otherwise replace the next server's file. The kernel kills the child with its parent.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::End;

use crate::config::system_text;
use crate::keyspace::{Keyspace, Saver};

/// Interval between a child's progress messages.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Keys saved between two checks of the clock.
const KEYS_PER_LOOK: u64 = 1024;
/// Limit on the bytes read from a child.
const TOLD_MAX: usize = 4096;

/// Cost of forks (INFO).
#[derive(Debug, Default)]
pub struct Forks {
    pub total: u64,
    /// Microseconds of the last one.
    pub last_us: u64,
    /// Private pages of the child of the last save and of the last rewrite, bytes.
    pub save_cow: u64,
    pub rewrite_cow: u64,
}

/// Progress of a child.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChildProgress {
    pub keys: u64,
    pub keys_total: u64,
    /// Private pages of the child, bytes: as last reported, and the maximum.
    pub cow: u64,
    pub cow_peak: u64,
    /// When it last reported, monotonic milliseconds.
    pub told_ms: u64,
}

/// A running child. Dropping it kills the child.
#[derive(Debug)]
pub struct Child {
    pub(in crate::server) pid: Pid,
    pub(in crate::server) pipe: PipeReader,
    pub(in crate::server) told: Vec<u8>,
    pub(in crate::server) failed: Option<String>,
    pub progress: ChildProgress,
    pub(in crate::server) ended: bool,
}

/// The child's reports to its parent.
pub(in crate::server) struct Report {
    pub(in crate::server) pipe: PipeWriter,
    pub(in crate::server) keys: u64,
    pub(in crate::server) told: Instant,
    /// `rdb-key-save-delay`.
    pub(in crate::server) delay: Duration,
    /// The parent no longer reads the pipe.
    pub(in crate::server) is_alone: bool,
}

impl Report {
    /// To be called before each key.
    fn next_key(&mut self) {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        self.keys += 1;
        let looks = !self.delay.is_zero() || self.keys.is_multiple_of(KEYS_PER_LOOK);
        if looks && self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let told = writeln!(self.pipe, "P {} {}", self.keys, private_bytes());
            self.is_alone |= told.is_err();
        }
    }

    /// Saves every key; an error: the parent is gone.
    pub(in crate::server) fn save_all(
        &mut self,
        keyspace: &Keyspace,
        saver: &mut dyn Saver,
    ) -> Result<(), String> {
        keyspace.save_all(saver, || {
            self.next_key();
            !self.is_alone
        });
        match self.is_alone {
            true => Err("the server has died".to_owned()),
            false => Ok(()),
        }
    }

    pub(in crate::server) fn end(&mut self, result: Result<(), String>) -> i32 {
        let told = match &result {
            Ok(()) => writeln!(self.pipe, "D {} {}", self.keys, private_bytes()),
            Err(why) => writeln!(self.pipe, "E {}", why.replace('\n', " ")),
        };
        i32::from(told.is_err() || result.is_err())
    }
}

/// Bytes of private pages that this process has written to.
fn private_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

impl Child {
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Reads the child's messages; returns how it ended, once it has.
    pub fn look(&mut self, now_ms: u64) -> Option<End> {
        // The end first: the pipe then holds everything sent before it.
        let ended = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) => None,
            Ok(Some((_, status))) => Some(status),
            // It was waited for elsewhere: its status is unknown.
            Err(error) => {
                self.ended = true;
                return Some(End::Failed(system_text(&error.into())));
            }
        };
        self.hear(now_ms);
        let status = ended?;
        self.ended = true;
        Some(match (status.terminating_signal(), self.failed.take()) {
            (Some(signal), _) if signal == Signal::USR1.as_raw() => End::Unwanted,
            (Some(signal), _) => End::Killed(signal),
            (None, None) if status.exit_status() == Some(0) => End::Done,
            (None, why) => End::Failed(why.unwrap_or_else(|| "the child failed".to_owned())),
        })
    }

    fn hear(&mut self, now_ms: u64) {
        let mut bytes = [0; TOLD_MAX];
        // The end of the pipe, and an empty pipe, are not errors.
        while let Ok(n @ 1..) = self.pipe.read(&mut bytes) {
            self.told.extend_from_slice(&bytes[..n]);
        }
        while let Some(end) = self.told.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.told.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.note(line.trim_end(), now_ms);
        }
    }

    fn note(&mut self, line: &str, now_ms: u64) {
        let Some((kind, rest)) = line.split_once(' ') else {
            return;
        };
        if kind == "E" {
            self.failed = Some(rest.to_owned());
            return;
        }
        let mut numbers = rest.split(' ').map(|n| n.parse().unwrap_or(0));
        let progress = &mut self.progress;
        progress.keys = numbers.next().unwrap_or(0);
        progress.cow = numbers.next().unwrap_or(0);
        progress.cow_peak = progress.cow_peak.max(progress.cow);
        progress.told_ms = now_ms;
    }
}

impl Child {
    /// Kills the child, and waits for its end, which comes at once.
    pub fn kill(&mut self) {
        if !self.ended && kill_process(self.pid, Signal::USR1).is_ok() {
            self.ended = true;
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
