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
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal,
    waitpid,
};

use super::end::SnapshotEnd;
use super::fan_out::FanOut;
use super::making::{Hands, SnapshotContext};
use super::target::{Consumer, Target};

use crate::process::apply_oom_score_of_child;
use russet_base::processors::{self, CpuList};
use russet_base::sys;
use russet_config::system_text;
use russet_keyspace::{Keyspace, Saver};

/// Interval between a child's progress messages.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Keys saved between two checks of the clock.
const KEYS_PER_LOOK: u64 = 1024;
/// Limit on the bytes read from a child.
const REPORTED_MAX: usize = 4096;

/// Cost of forks (INFO).
#[derive(Debug, Default)]
pub struct Forks {
    pub total: u64,
    /// Microseconds of the last fork.
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
    /// When the child last reported, monotonic milliseconds.
    pub reported_ms: u64,
}

/// A running child. Dropping it kills the child.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pipe: PipeReader,
    reported: Vec<u8>,
    failed: Option<String>,
    pub progress: ChildProgress,
    ended: bool,
}

/// The child's reports to its parent.
struct Report {
    pipe: PipeWriter,
    keys: u64,
    reported: Instant,
    /// `rdb-key-save-delay`.
    delay: Duration,
    /// The parent no longer reads the pipe.
    is_alone: bool,
}

impl Report {
    /// To be called before each key.
    fn next_key(&mut self) {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        self.keys += 1;
        let looks = !self.delay.is_zero() || self.keys.is_multiple_of(KEYS_PER_LOOK);
        if looks && self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            let reported = writeln!(self.pipe, "P {} {}", self.keys, private_bytes());
            self.is_alone |= reported.is_err();
        }
    }

    /// Saves every key; an error: the parent is gone.
    fn save_all(&mut self, keyspace: &Keyspace, saver: &mut dyn Saver) -> Result<(), String> {
        keyspace.save_all(saver, || {
            self.next_key();
            !self.is_alone
        });
        if self.is_alone {
            Err("the server has died".to_owned())
        } else {
            Ok(())
        }
    }

    fn end(&mut self, result: Result<(), String>) -> i32 {
        let reported = match &result {
            Ok(()) => writeln!(self.pipe, "D {} {}", self.keys, private_bytes()),
            Err(why) => writeln!(self.pipe, "E {}", why.replace('\n', " ")),
        };
        i32::from(reported.is_err() || result.is_err())
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

impl Forks {
    /// Forks a child that makes `targets` from the current databases. The cost grows with the pages
    /// of the process.
    pub(super) fn fork(
        &mut self,
        keyspace: &Keyspace,
        targets: &[Target],
        making: &SnapshotContext<'_>,
    ) -> Result<Child, String> {
        let (pipe, theirs) = std::io::pipe().map_err(|error| system_text(&error))?;
        rustix::io::ioctl_fionbio(&pipe, true).map_err(|error| system_text(&error.into()))?;
        let (began, parent) = (Instant::now(), getpid());
        let forked = sys::fork_beside_threads().map_err(|error| system_text(&error))?;
        let Some(pid) = forked.and_then(Pid::from_raw) else {
            be_child(parent, theirs, keyspace, targets, making);
        };
        self.total += 1;
        self.last_us = began.elapsed().as_micros() as u64;
        let keys_total = keyspace.in_use().map(|(_, db)| db.len() as u64).sum();
        Ok(Child {
            pid,
            pipe,
            reported: Vec::new(),
            failed: None,
            progress: ChildProgress {
                keys_total,
                reported_ms: making.now.mono_ms,
                ..ChildProgress::default()
            },
            ended: false,
        })
    }
}

/// The child's part of the fork.
fn be_child(
    parent: Pid,
    pipe: PipeWriter,
    keyspace: &Keyspace,
    targets: &[Target],
    making: &SnapshotContext<'_>,
) -> ! {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
    // If the parent died before this call, no signal is sent.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if getppid() != Some(parent) {
        sys::end_child(1);
    }
    sys::close_all_but(pipe.as_raw_fd());
    // Signals that stop the server, from a terminal or a service manager, are not meant for its
    // children: the parent ends them.
    let _ = sys::ignore_signal(SIGINT);
    let _ = sys::ignore_signal(SIGTERM);
    let _ = sys::reset_signal(SIGUSR1);
    apply_oom_score_of_child(making.config);
    let is_rewrite = |target: &Target| target.consumer() == Consumer::Rewrite;
    processors::bind_cpu_list(if targets.iter().any(is_rewrite) {
        CpuList::Rewrite
    } else {
        CpuList::Snapshot
    });
    let delay = u64::try_from(making.config.rdb_key_save_delay).unwrap_or(0);
    let mut report = Report {
        pipe,
        keys: 0,
        reported: Instant::now(),
        delay: Duration::from_micros(delay),
        is_alone: false,
    };
    let result = save_in_child(keyspace, targets, making, &mut report);
    sys::end_child(report.end(result));
}

fn save_in_child(
    keyspace: &Keyspace,
    targets: &[Target],
    making: &SnapshotContext<'_>,
    report: &mut Report,
) -> Result<(), String> {
    let pid = std::process::id();
    let targets = targets.iter().cloned().map(|t| t.written_by(pid));
    let mut outlets = FanOut::of_sinks(keyspace, targets.collect(), making, &Hands::Here)?;
    report.save_all(keyspace, &mut outlets)?;
    outlets.finish();
    match (outlets.poll(), outlets.end()) {
        (true, SnapshotEnd::Done) => Ok(()),
        (true, end) => Err(end.why().to_owned()),
        (false, _) => Err("a file has no end".to_owned()),
    }
}

impl Child {
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Reads the child's messages; returns how the child ended, once it has ended.
    pub fn read_messages(&mut self, now_ms: u64) -> Option<SnapshotEnd> {
        // The end first: the pipe then holds everything sent before it.
        let ended = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) => None,
            Ok(Some((_, status))) => Some(status),
            // Other code has waited for the child: its status is unknown.
            Err(error) => {
                self.ended = true;
                return Some(SnapshotEnd::Failed(system_text(&error.into())));
            }
        };
        self.receive(now_ms);
        let status = ended?;
        self.ended = true;
        Some(match (status.terminating_signal(), self.failed.take()) {
            (Some(signal), _) if signal == Signal::USR1.as_raw() => SnapshotEnd::Unwanted,
            (Some(signal), _) => SnapshotEnd::Killed(signal),
            (None, None) if status.exit_status() == Some(0) => SnapshotEnd::Done,
            (None, why) => {
                SnapshotEnd::Failed(why.unwrap_or_else(|| "the child failed".to_owned()))
            }
        })
    }

    fn receive(&mut self, now_ms: u64) {
        let mut bytes = [0; REPORTED_MAX];
        // The end of the pipe, and an empty pipe, are not errors.
        while let Ok(n @ 1..) = self.pipe.read(&mut bytes) {
            self.reported.extend_from_slice(&bytes[..n]);
        }
        while let Some(end) = self.reported.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.reported.drain(..=end).collect();
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
        progress.reported_ms = now_ms;
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
