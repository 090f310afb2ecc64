//! Resource usage of the process: processor time, resident memory.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The owner of processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOwner {
    /// All threads of this process.
    Process,
    /// Children that have ended.
    Children,
    /// The calling thread; zero on systems that do not report it.
    Thread,
}

/// Processor time so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time in the program's own code.
    pub user: Duration,
    /// Time in the kernel on behalf of the owner.
    pub system: Duration,
}

/// The processor time of `who`; zero if the system does not report it.
pub fn cpu_time(who: CpuOwner) -> CpuTime {
    let who = match who {
        CpuOwner::Process => libc::RUSAGE_SELF,
        CpuOwner::Children => libc::RUSAGE_CHILDREN,
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        CpuOwner::Thread => libc::RUSAGE_THREAD,
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        CpuOwner::Thread => return CpuTime::default(),
    };
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory for an rusage, for which all-zero bytes are valid.
    let code = unsafe { libc::getrusage(who, usage.as_mut_ptr()) };
    if code != 0 {
        return CpuTime::default();
    }
    // SAFETY: it was zeroed, then filled.
    let usage = unsafe { usage.assume_init() };
    let duration = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.max(0) as u64) + Duration::from_micros(t.tv_usec.max(0) as u64)
    };
    CpuTime {
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
    }
}

/// As [`cpu_time`] of the process, of its children and of this thread, up to a millisecond old:
/// three calls of the system are a tenth of an INFO.
pub fn recent_cpu_times() -> [CpuTime; 3] {
    /// Coarser than the kernel's own counts, finer than any monitor's interval.
    const HOLD: Duration = Duration::from_millis(1);
    thread_local! {
        static TAKEN: Cell<Option<(Instant, [CpuTime; 3])>> = const { Cell::new(None) };
    }
    if let Some((at, times)) = TAKEN.get()
        && at.elapsed() < HOLD
    {
        return times;
    }
    let times = [CpuOwner::Process, CpuOwner::Children, CpuOwner::Thread].map(cpu_time);
    TAKEN.set(Some((Instant::now(), times)));
    times
}

/// The processor time of this thread, to the nanosecond: not affected by other threads and
/// processes. Zero if the system does not report it.
#[cfg(any(test, feature = "testing"))]
pub fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec that outlives the call.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    match code {
        0 => Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.max(0) as u32),
        _ => Duration::ZERO,
    }
}

/// Resident bytes of the process; 0 if the system does not report them.
pub fn resident_bytes() -> usize {
    // All sizes are in pages: a tenth of the kernel's work for `status`.
    let sizes = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = sizes.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0usize).saturating_mul(page_bytes())
}

/// As [`resident_bytes`], up to a tenth of a second old: a file of `/proc` takes several system
/// calls, and INFO is requested often.
pub fn recent_resident_bytes() -> usize {
    /// As long as Redis's, whose cron updates the figure.
    const HOLD: Duration = Duration::from_millis(100);
    static TAKEN: Mutex<Option<(Instant, usize)>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, bytes)) = *taken
        && at.elapsed() < HOLD
    {
        return bytes;
    }
    let bytes = resident_bytes();
    *taken = Some((Instant::now(), bytes));
    bytes
}

fn page_bytes() -> usize {
    // SAFETY: querying a system limit touches no memory.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let before = cpu_time(CpuOwner::Process);
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        let after = cpu_time(CpuOwner::Process);
        assert!(after.user + after.system > before.user + before.system);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_is_resident() {
        assert!(resident_bytes() > 100 * 1024);
        assert!(recent_resident_bytes() > 100 * 1024);
    }
}
