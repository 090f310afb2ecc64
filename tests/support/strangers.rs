//! The cost of strangers to a server (descriptors, memory, lines of the log, files), and how long
//! other clients wait.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::resp::{Connection, command};

/// The present cost of a process.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub descriptors: u64,
    pub resident_bytes: u64,
    pub log_bytes: u64,
    pub file_bytes: u64,
    pub files: u64,
}

impl Cost {
    /// The cost of the process `pid`, whose files are in `folder`, and which has written
    /// `log_bytes` to its log.
    pub fn of(pid: u32, folder: &Path, log_bytes: usize) -> Cost {
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident =
            resident.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        let files = fs::read_dir(folder).expect("its folder");
        let files: Vec<u64> = files
            .flatten()
            .filter(|file| file.file_name() != "log")
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .collect();
        Cost {
            descriptors: entries.count() as u64,
            resident_bytes: 1024 * resident.expect("a number of KiB"),
            log_bytes: log_bytes as u64,
            file_bytes: files.iter().sum(),
            files: files.len() as u64,
        }
    }
}

/// The allowed rise of each cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub descriptors: u64,
    pub resident_bytes: u64,
    pub log_bytes: u64,
}

impl Bounds {
    /// Asserts that `now` is not further above `before` than the bounds allow.
    #[track_caller]
    pub fn check(&self, what: &str, before: Cost, now: Cost) {
        let within = |now: u64, before: u64, most: u64| now <= before + most;
        let are_kept = within(now.descriptors, before.descriptors, self.descriptors)
            && within(
                now.resident_bytes,
                before.resident_bytes,
                self.resident_bytes,
            )
            && within(now.log_bytes, before.log_bytes, self.log_bytes)
            && within(now.file_bytes, before.file_bytes, 16 * 1024)
            && within(now.files, before.files, 2);
        assert!(are_kept, "{what}: {before:?} before, {now:?} with {self:?}");
    }
}

/// A client that sends PING all the time.
pub struct Pinger {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Duration>>>,
}

impl Pinger {
    pub fn start(mut c: Connection) -> Pinger {
        let ends = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let mut times = Vec::new();
            loop {
                let began = Instant::now();
                c.send(&command(&["PING"]));
                c.reply();
                times.push(began.elapsed());
                if stop.load(Ordering::Relaxed) {
                    return times;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Pinger {
            ends,
            thread: Some(thread),
        }
    }

    /// Ends the client. Half of its requests must have taken at most 100 ms, and none more than
    /// `most`.
    #[track_caller]
    pub fn check(mut self, what: &str, most: Duration) {
        self.ends.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it runs");
        let mut times = thread.join().expect("each PING has its reply");
        times.sort();
        let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
        assert!(
            median <= Duration::from_millis(100) && last <= most,
            "{what}: PING took {median:?} at the median, {last:?} at most"
        );
    }
}
