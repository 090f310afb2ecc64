//! The stack of another thread, taken while the thread runs: SIGWINCH interrupts the thread, and
//! the signal's handler writes down the return addresses.
//!
//! The handler takes only addresses, into fixed room and without a lock or an allocation; the
//! asking thread finds the names (`backtrace::resolve`). SIGWINCH is ignored by default, so a late
//! signal harms nothing, and `SA_RESTART` lets most calls of the interrupted thread continue.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::set_action;

/// Not SIGURG, by which scripts are interrupted.
const SIGNAL: libc::c_int = libc::SIGWINCH;
/// Frames that are taken: the innermost ones.
const FRAMES_MAX: usize = 64;
/// How long an asking thread waits: a thread in an uninterruptible call answers late or never.
const WAIT: Duration = Duration::from_millis(500);

static FRAMES: [AtomicUsize; FRAMES_MAX] = [const { AtomicUsize::new(0) }; FRAMES_MAX];
/// The number of frames of the last answer, plus 1; 0: no answer yet.
static ANSWER: AtomicUsize = AtomicUsize::new(0);
/// A single thread asks at a time.
static ASKING: Mutex<()> = Mutex::new(());

/// A thread whose stack may be taken. The thread must not end before the last use of its number,
/// which might be another thread's afterwards.
#[derive(Clone, Copy, Debug)]
pub struct ThreadNumber(i32);

impl ThreadNumber {
    /// The calling thread.
    pub fn mine() -> ThreadNumber {
        ThreadNumber(rustix::thread::gettid().as_raw_nonzero().get())
    }
}

/// The return addresses of a thread, the innermost first, at most 64; empty if it did not answer
/// within half a second.
///
/// Error: the system refuses the handler or the signal.
pub fn stack_of(thread: ThreadNumber) -> io::Result<Vec<usize>> {
    let _one = ASKING.lock().unwrap_or_else(|broken| broken.into_inner());
    // The unwinder's first use may allocate: not in the handler.
    backtrace::trace(|_| false);
    let function: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    let flags = libc::SA_SIGINFO | libc::SA_RESTART;
    set_action(SIGNAL, function as libc::sighandler_t, flags)?;
    ANSWER.store(0, Ordering::SeqCst);
    // SAFETY: the arguments are numbers; a thread that is gone is an error.
    let sent = unsafe {
        let process = libc::getpid();
        libc::syscall(libc::SYS_tgkill, process, thread.0, SIGNAL)
    };
    if sent != 0 {
        return Err(io::Error::last_os_error());
    }
    let asked = Instant::now();
    while asked.elapsed() < WAIT {
        if let Some(count) = ANSWER.load(Ordering::Acquire).checked_sub(1) {
            let frames = FRAMES.iter().take(count);
            return Ok(frames.map(|frame| frame.load(Ordering::Relaxed)).collect());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Vec::new())
}

extern "C" fn on_signal(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let mut count = 0;
    // SAFETY: "unsynchronized" means that no other thread may name frames by the same tables
    // meanwhile; walking reads none of them, and this handler names nothing.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            FRAMES[count].store(frame.ip() as usize, Ordering::Relaxed);
            count += 1;
            count < FRAMES_MAX
        });
    }
    ANSWER.store(count + 1, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[inline(never)]
    fn spins_until(end: &AtomicBool) {
        while !end.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_running_threads_stack_names_the_function_that_it_runs() {
        static END: AtomicBool = AtomicBool::new(false);
        let (send, receive) = std::sync::mpsc::channel();
        let busy = std::thread::spawn(move || {
            send.send(ThreadNumber::mine()).expect("it is read");
            spins_until(&END);
        });
        let thread = receive.recv().expect("it starts");
        let mut names = String::new();
        // The thread may not have begun to spin.
        let asked = Instant::now();
        while !names.contains("spins_until") && asked.elapsed() < Duration::from_secs(20) {
            for frame in stack_of(thread).expect("a signal") {
                backtrace::resolve(frame as *mut _, |symbol| {
                    names.extend(symbol.name().map(|name| format!("{name}\n")));
                });
            }
        }
        END.store(true, Ordering::Relaxed);
        busy.join().expect("no panic");
        assert!(names.contains("spins_until"), "{names}");
    }
}
