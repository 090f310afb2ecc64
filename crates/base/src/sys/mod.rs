//! Operating system interfaces that exist in C only: fork, the process title, fatal signals,
//! syslog.
//!
//! `rustix` and `std` provide other system calls safely; the calls here have no safe form. Each
//! function is small, and says why its call is sound.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::registers::Registers;

pub mod locale;
pub mod stacks;

/// The side of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The process that forked.
    Parent,
    /// The new process.
    Child,
}

/// Forks. Only for a process with a single thread: otherwise the child would inherit locks held by
/// other threads for ever.
pub fn fork_single_threaded() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, |tasks| tasks.count());
    assert_eq!(threads, 1, "a fork while other threads run");
    // SAFETY: no other thread runs, so the child's memory is consistent, locks included.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        _ => Ok(Fork::Parent),
    }
}

/// Forks a process that has other threads, which the child does not have. The child may use the
/// allocator, whose own fork handlers keep it sound, and must take no lock that another thread can
/// hold: neither ours nor a lock inside the C library. It ends with [`end_child`]. Returns the
/// child's process id to the parent, `None` to the child.
pub fn fork_beside_threads() -> io::Result<Option<i32>> {
    // SAFETY: the caller promises to respect the limits above.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Closes every descriptor except the standard ones and `kept`, so that a forked child keeps no
/// connection open that its parent closes.
///
/// Owners of these descriptors in this process must not be used, nor dropped, any more.
pub fn close_all_but(kept: i32) {
    let close = |first: i32, last: i32| {
        // SAFETY: closing descriptors does not touch memory; the caller promises not to use them
        // any more. If the system lacks the call they stay open until the end.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }
    };
    if kept > 3 {
        close(3, kept - 1);
    }
    close(kept + 1, i32::MAX);
}

/// Ends a forked child without running any of the parent's pending flushes and cleanups.
pub fn end_child(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Restores a signal's default action.
pub fn reset_signal(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_DFL, 0)
}

/// The memory area that `ps` shows: the arguments, followed by the environment.
#[derive(Debug)]
pub struct TitleArea {
    start: usize,
    bytes: usize,
}

impl TitleArea {
    /// Finds the area and moves the environment out of it. `None` if the system does not report it.
    /// Must be called once, by a process with a single thread, after the last use of
    /// `std::env::args`.
    pub fn take() -> Option<TitleArea> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may contain anything; fields are counted after it, from 3.
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.trim_end().parse::<usize>().ok();
        let (arg_start, arg_end) = (field(48)?, field(49)?);
        let (env_start, env_end) = (field(50)?, field(51)?);
        if arg_start == 0 || arg_end <= arg_start {
            return None;
        }
        for (name, value) in std::env::vars_os() {
            // SAFETY: no other thread runs that could read the environment meanwhile.
            unsafe { std::env::set_var(name, value) };
        }
        let end = if env_start == arg_end {
            env_end
        } else {
            arg_end
        };
        Some(TitleArea {
            start: arg_start,
            bytes: end - arg_start,
        })
    }

    /// Writes the title, truncated to the room, followed by zeros.
    pub fn write(&mut self, title: &[u8]) {
        let len = title.len().min(self.bytes - 1);
        // SAFETY: the kernel has reported the bounds of this process's own argument and environment
        // strings, which are on the stack's writable end for the life of the process. Nothing reads
        // these bytes any more: the environment was copied away, `args` is not called again, and no
        // reference to them exists.
        unsafe {
            let at = self.start as *mut u8;
            std::ptr::write_bytes(at, 0, self.bytes);
            std::ptr::copy_nonoverlapping(title.as_ptr(), at, len);
        }
    }
}

/// The signals that indicate a broken process.
pub(crate) const FATAL_SIGNALS: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
];

/// The data of a signal.
#[derive(Clone, Copy, Debug)]
pub struct SignalFacts {
    /// The signal's number.
    pub signal: i32,
    /// The signal's `si_code`: 0 or less if a process sent it, else the kernel's reason.
    pub code: i32,
    /// The address that could not be accessed, for memory faults.
    pub address: usize,
    /// The sender, if it is a process.
    pub sender: Option<(i32, u32)>,
    /// The registers of the interrupted code.
    pub registers: Registers,
}

/// Runs when a fatal signal arrives, on its own stack.
pub(crate) type FatalHandler = fn(SignalFacts);

static FATAL: std::sync::OnceLock<FatalHandler> = std::sync::OnceLock::new();

/// Bytes of the handler's stack: symbolising a backtrace needs much.
const SIGNAL_STACK_BYTES: usize = 512 * 1024;

/// Makes `handler` run for [`FATAL_SIGNALS`]; when it returns, the signal's default action ends the
/// process. Only the first handler is used. For the thread that runs the loop.
pub fn catch_fatal(handler: FatalHandler) -> io::Result<()> {
    FATAL.get_or_init(|| handler);
    let stack = Box::leak(vec![0u8; SIGNAL_STACK_BYTES].into_boxed_slice());
    let alternate = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    // SAFETY: the stack was leaked, so it outlives every signal.
    if unsafe { libc::sigaltstack(&alternate, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let function: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_fatal;
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    for signal in FATAL_SIGNALS {
        set_action(signal, function as libc::sighandler_t, flags)?;
    }
    Ok(())
}

/// Restores the default actions of the fatal signals.
pub fn release_fatal() {
    for signal in FATAL_SIGNALS {
        // Restoring these signals cannot fail.
        let _ = set_action(signal, libc::SIG_DFL, 0);
    }
}

/// Makes the process ignore a signal.
pub fn ignore_signal(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_IGN, 0)
}

/// Gives the program that `command` starts the default actions of these signals: ignored ones stay
/// ignored across `exec`.
pub fn default_signals(command: &mut Command, signals: &'static [i32]) {
    let reset = || {
        signals
            .iter()
            .try_for_each(|&signal| set_action(signal, libc::SIG_DFL, 0))
    };
    // SAFETY: between fork and exec only sigaction is called, which is signal-safe; nothing is
    // allocated, also not for an error.
    unsafe { command.pre_exec(reset) };
}

fn set_action(signal: i32, action: libc::sighandler_t, flags: i32) -> io::Result<()> {
    // SAFETY: `action` is SIG_DFL, SIG_IGN or a handler whose type is that required by SA_SIGINFO;
    // an all-zero sigaction is valid, with an empty mask.
    let done = unsafe {
        let mut set: libc::sigaction = std::mem::zeroed();
        set.sa_sigaction = action;
        set.sa_flags = flags;
        libc::sigaction(signal, &set, std::ptr::null_mut())
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_fatal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes an SA_SIGINFO handler the interrupted context, or null.
    let context = unsafe { context.cast::<libc::ucontext_t>().as_ref() };
    // SAFETY: the kernel passes a valid siginfo to an SA_SIGINFO handler; the code determines which
    // member of its union is valid (at most 0: a process sent it).
    let facts = unsafe {
        let code = (*info).si_code;
        SignalFacts {
            signal,
            code,
            address: (*info).si_addr() as usize,
            sender: (code <= 0).then(|| ((*info).si_pid(), (*info).si_uid())),
            registers: context.map_or(Registers::NONE, Registers::of),
        }
    };
    if let Some(handler) = FATAL.get() {
        handler(facts);
    }
    end_by_signal(signal);
}

/// Ends the process by the signal's default action.
pub fn end_by_signal(signal: i32) -> ! {
    let _ = set_action(signal, libc::SIG_DFL, 0);
    // SAFETY: raises a signal whose action is the default; `_exit`, reached if the signal is
    // blocked, runs no destructors, as a broken process requires.
    unsafe {
        libc::raise(signal);
        libc::_exit(128 + signal);
    }
}

/// Ends the process by SIGALRM after this many seconds: a time limit for a report.
pub fn die_within(seconds: u32) {
    let _ = set_action(libc::SIGALRM, libc::SIG_DFL, 0);
    // SAFETY: alarm only sets a timer.
    unsafe { libc::alarm(seconds) };
}

/// Writes to a file descriptor by number, which is signal-safe. Continues after short writes; stops
/// at an error.
pub fn write_fd(fd: i32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of a live slice.
        let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        if n <= 0 {
            return;
        }
        bytes = &bytes[n as usize..];
    }
}

/// A connection to the system's log.
#[derive(Debug)]
pub struct Syslog {
    /// `openlog` keeps the pointer.
    _ident: CString,
}

impl Syslog {
    /// `facility` and priorities are those of `libc`. NUL bytes in `ident` are dropped.
    pub fn open(ident: &[u8], facility: i32) -> Syslog {
        let ident = without_nul(ident);
        let options = libc::LOG_PID | libc::LOG_NDELAY | libc::LOG_NOWAIT;
        // SAFETY: the text lives as long as the `Syslog`, which closes the log when dropped.
        unsafe { libc::openlog(ident.as_ptr(), options, facility) };
        Syslog { _ident: ident }
    }

    /// Writes a line. `priority` is a level of `libc`; NUL bytes are dropped.
    pub fn write(&self, priority: i32, line: &str) {
        let line = without_nul(line.as_bytes());
        // SAFETY: "%s" takes exactly one C string, which lives through the call.
        unsafe { libc::syslog(priority, c"%s".as_ptr(), line.as_ptr()) };
    }
}

/// A line to the system's log, of this facility, under the name that the log was opened with or the
/// program's. NUL bytes are dropped.
pub fn syslog(facility: i32, line: &str) {
    let line = without_nul(line.as_bytes());
    // SAFETY: "%s" takes exactly one C string, which lives through the call.
    unsafe { libc::syslog(facility | libc::LOG_NOTICE, c"%s".as_ptr(), line.as_ptr()) };
}

impl Drop for Syslog {
    fn drop(&mut self) {
        // SAFETY: forgets the pointer that `openlog` kept.
        unsafe { libc::closelog() };
    }
}

fn without_nul(bytes: &[u8]) -> CString {
    let bytes: Vec<u8> = bytes.iter().copied().filter(|&b| b != 0).collect();
    CString::new(bytes).expect("NUL bytes were dropped")
}

/// Text in a fixed buffer, for code that must not allocate. Text beyond it is dropped.
#[derive(Debug)]
pub struct FixedText {
    bytes: [u8; 1024],
    len: usize,
}

impl FixedText {
    /// An empty text.
    pub fn new() -> FixedText {
        FixedText {
            bytes: [0; 1024],
            len: 0,
        }
    }

    /// The text written so far, at most 1024 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Default for FixedText {
    fn default() -> Self {
        FixedText::new()
    }
}

impl fmt::Write for FixedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let n = text.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..][..n].copy_from_slice(&text.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

/// Starts writing a part of a file to the disk, without waiting. Guarantees nothing, unlike fsync
/// (sync_file_range(2)).
pub fn begin_write_back(file: &File, part: Range<u64>) -> io::Result<()> {
    write_back(file, part, false)
}

/// Waits until a part whose write-back was started has been written.
pub fn await_written_back(file: &File, part: Range<u64>) -> io::Result<()> {
    write_back(file, part, true)
}

/// Advises the system to drop a part of a file from the page cache, because it is not read again.
/// May have no effect (posix_fadvise(2)).
pub fn drop_cached(file: &File, part: Range<u64>) {
    #[cfg(target_os = "linux")]
    {
        let (at, len) = (part.start as i64, (part.end - part.start) as i64);
        // SAFETY: the arguments are numbers, on a descriptor that `file` keeps open.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), at, len, libc::POSIX_FADV_DONTNEED) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, part);
}

#[cfg(target_os = "linux")]
fn write_back(file: &File, part: Range<u64>, wait: bool) -> io::Result<()> {
    let wanted = if wait {
        libc::SYNC_FILE_RANGE_WAIT_BEFORE
            | libc::SYNC_FILE_RANGE_WRITE
            | libc::SYNC_FILE_RANGE_WAIT_AFTER
    } else {
        libc::SYNC_FILE_RANGE_WRITE
    };
    let (at, len) = (part.start as i64, (part.end - part.start) as i64);
    // SAFETY: the arguments are numbers, on a descriptor that `file` keeps open.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), at, len, wanted) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // Not every file system supports it; the fsync at the end covers everything.
            error if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP)) => {
                Ok(())
            }
            error => Err(error),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn write_back(file: &File, _: Range<u64>, wait: bool) -> io::Result<()> {
    if wait { file.sync_data() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn fixed_text_drops_what_does_not_fit() {
        let mut text = FixedText::new();
        for _ in 0..200 {
            write!(text, "0123456789").unwrap();
        }
        assert_eq!(text.as_bytes().len(), 1024);
        assert_eq!(&text.as_bytes()[1020..], b"0123");
    }
}
