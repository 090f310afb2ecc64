//! The door to what the operating system offers in C only: fork, the process title, fatal
//! signals, syslog.
//!
//! `rustix` and `std` give the rest of it safely; what is here has no safe form. Each
//! function is small, and says why it may be called as it is.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    Parent,
    Child,
}

/// Doubles the process. Only for a process with a single thread: the child of another has
/// whatever locks its other threads held, for ever.
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

/// Doubles a process that has other threads, which the child has not. It may use the
/// allocator, whose own fork handlers leave it sound, and must take no lock that another
/// thread can hold: neither of ours nor one inside the C library. It ends with
/// [`end_child`]. Gives the child's process id to the parent, `None` to the child.
pub fn fork_beside_threads() -> io::Result<Option<i32>> {
    // SAFETY: what the child may do is the caller's promise, above.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Closes every descriptor but the standard ones and `kept`: a forked child holds no
/// connection open that its parent closes.
///
/// Whatever owns one of them in this process must not be used, nor dropped, any more.
pub fn close_all_but(kept: i32) {
    let close = |first: i32, last: i32| {
        // SAFETY: closing descriptors does not touch memory; that nobody goes on using them
        // is the caller's promise. Where the call is missing they stay open until the end.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }
    };
    if kept > 3 {
        close(3, kept - 1);
    }
    close(kept + 1, i32::MAX);
}

/// Ends a forked child: nothing of what the parent has yet to flush or to clean up is run.
pub fn end_child(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Gives a signal its default action again.
pub fn reset_signal(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_DFL, 0)
}

/// The stretch of memory that `ps` shows: the arguments and behind them the environment.
#[derive(Debug)]
pub struct TitleArea {
    start: usize,
    bytes: usize,
}

impl TitleArea {
    /// Finds the area and moves the environment out of it. `None` where the system does
    /// not tell. To be called once, by a process with a single thread, after the last use
    /// of `std::env::args`.
    pub fn take() -> Option<TitleArea> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may hold anything; fields are counted behind it, from 3.
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

    /// Writes the title, cut to the room there is, zeros behind it.
    pub fn write(&mut self, title: &[u8]) {
        let len = title.len().min(self.bytes - 1);
        // SAFETY: the kernel told the bounds of this process's own argument and environment
        // strings, which lie on the stack's writable end for as long as the process lives.
        // Nothing reads them any more: the environment was copied away, `args` is not
        // called again, and no reference to them exists.
        unsafe {
            let at = self.start as *mut u8;
            std::ptr::write_bytes(at, 0, self.bytes);
            std::ptr::copy_nonoverlapping(title.as_ptr(), at, len);
        }
    }
}

/// The signals that mean a broken process.
pub const FATAL_SIGNALS: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
];

/// What came with a signal.
#[derive(Clone, Copy, Debug)]
pub struct SignalFacts {
    pub signal: i32,
    pub code: i32,
    /// The address that could not be accessed, for memory faults.
    pub address: usize,
    /// Who sent it, if a process did.
    pub sender: Option<(i32, u32)>,
}

/// What runs when a fatal signal comes, on a stack of its own.
pub type FatalHandler = fn(SignalFacts);

static FATAL: std::sync::OnceLock<FatalHandler> = std::sync::OnceLock::new();

/// Bytes of the stack on which the handler runs: symbolising a backtrace needs much.
const SIGNAL_STACK_BYTES: usize = 512 * 1024;

/// Has `handler` called for [`FATAL_SIGNALS`]; when it returns, the signal's own action
/// ends the process. The first handler given stays. For the thread that runs the loop.
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

/// Gives the fatal signals back to the system.
pub fn release_fatal() {
    for signal in FATAL_SIGNALS {
        // These signals can be given back always.
        let _ = set_action(signal, libc::SIG_DFL, 0);
    }
}

/// Has a signal ignored.
pub fn ignore_signal(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_IGN, 0)
}

fn set_action(signal: i32, action: libc::sighandler_t, flags: i32) -> io::Result<()> {
    // SAFETY: `action` is SIG_DFL, SIG_IGN or `on_fatal`, whose type is what SA_SIGINFO
    // asks for; an all-zero sigaction is a valid one with an empty mask.
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

extern "C" fn on_fatal(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid siginfo to an SA_SIGINFO handler; which member of
    // its union is valid follows from the code (at most 0: a process sent it).
    let facts = unsafe {
        let code = (*info).si_code;
        SignalFacts {
            signal,
            code,
            address: (*info).si_addr() as usize,
            sender: (code <= 0).then(|| ((*info).si_pid(), (*info).si_uid())),
        }
    };
    if let Some(handler) = FATAL.get() {
        handler(facts);
    }
    end_by_signal(signal);
}

/// Ends the process as the signal would have, had nobody caught it.
pub fn end_by_signal(signal: i32) -> ! {
    let _ = set_action(signal, libc::SIG_DFL, 0);
    // SAFETY: raising a signal whose action is the default; `_exit` runs no destructors,
    // which is what a broken process wants. It is reached if the signal is blocked.
    unsafe {
        libc::raise(signal);
        libc::_exit(128 + signal);
    }
}

/// Ends the process by SIGALRM after this many seconds: a bound on what a report may take.
pub fn die_within(seconds: u32) {
    let _ = set_action(libc::SIGALRM, libc::SIG_DFL, 0);
    // SAFETY: alarm only sets a timer.
    unsafe { libc::alarm(seconds) };
}

/// Writes to a file descriptor by number, as a signal handler may. Short writes are
/// repeated; an error ends it.
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

    pub fn write(&self, priority: i32, line: &str) {
        let line = without_nul(line.as_bytes());
        // SAFETY: "%s" takes exactly one C string, which lives through the call.
        unsafe { libc::syslog(priority, c"%s".as_ptr(), line.as_ptr()) };
    }
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

/// Text in a fixed room, for places that must not allocate. What does not fit is lost.
#[derive(Debug)]
pub struct FixedText {
    bytes: [u8; 1024],
    len: usize,
}

impl FixedText {
    pub fn new() -> FixedText {
        FixedText {
            bytes: [0; 1024],
            len: 0,
        }
    }

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

/// Whether the system knows the order of text that a locale has; an empty name is the
/// environment's.
pub fn has_locale(name: &[u8]) -> bool {
    let Ok(name) = std::ffi::CString::new(name) else {
        return false;
    };
    // SAFETY: the name is NUL-terminated, and null stands for a locale to start from.
    let locale =
        unsafe { libc::newlocale(libc::LC_COLLATE_MASK, name.as_ptr(), std::ptr::null_mut()) };
    if locale.is_null() {
        return false;
    }
    // SAFETY: made above, and nobody else has it.
    unsafe { libc::freelocale(locale) };
    true
}

/// Lets the system begin to write a part of a file to the disk; nobody waits. It promises
/// nothing: fsync does (sync_file_range(2)).
pub fn begin_write_back(file: &File, part: Range<u64>) -> io::Result<()> {
    write_back(file, part, false)
}

/// Waits until a part that was begun has been written.
pub fn await_written_back(file: &File, part: Range<u64>) -> io::Result<()> {
    write_back(file, part, true)
}

#[cfg(target_os = "linux")]
fn write_back(file: &File, part: Range<u64>, wait: bool) -> io::Result<()> {
    let wanted = match wait {
        true => {
            libc::SYNC_FILE_RANGE_WAIT_BEFORE
                | libc::SYNC_FILE_RANGE_WRITE
                | libc::SYNC_FILE_RANGE_WAIT_AFTER
        }
        false => libc::SYNC_FILE_RANGE_WRITE,
    };
    let (at, len) = (part.start as i64, (part.end - part.start) as i64);
    // SAFETY: a call with numbers, on a descriptor that `file` keeps open.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), at, len, wanted) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // Not every file system knows it; the fsync at the end does it all.
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
