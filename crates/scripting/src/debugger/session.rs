//! The record that a state of Lua keeps of a session of the debugger, and the debugger's own.
//!
//! It knows no Lua, because the state holds it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::log::Log;
use super::replies;

/// The state of a session in a [`Machine`](crate::lua::Machine).
#[derive(Default)]
pub struct Session {
    /// A script is being debugged.
    pub(super) is_on: Cell<bool>,
    /// The debugger, but while its client is asked.
    pub(super) debugger: RefCell<Option<Box<Debugger>>>,
    pub(super) log: RefCell<Log>,
    /// The script stops at the next line, and what it asks of the server is shown until then.
    pub(super) steps: Cell<bool>,
    /// The script has called `redis.breakpoint`.
    pub(super) breaks: Cell<bool>,
    /// When the code of an `eval` must have ended.
    pub(super) eval_ends: Cell<Option<Instant>>,
    /// The code of an `eval` has raised an error.
    pub(super) eval_failed: Cell<bool>,
    /// Why the script must end.
    pub(super) ended: Cell<Option<&'static str>>,
}

/// The debugger of one run of a script.
pub struct Debugger {
    pub(super) lines: Vec<Vec<u8>>,
    /// Lines, in the order in which they were set.
    pub(super) breakpoints: Vec<usize>,
    /// The line that is about to run.
    pub(super) line: usize,
    /// Bytes of the client that are no whole request yet.
    pub(super) input: Vec<u8>,
    /// When the script was last let go on.
    pub(super) resumed: Instant,
    /// A script that runs for longer stops.
    pub(super) patience: Duration,
}

/// Where `busy-reply-threshold` is 0.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(5);

impl Debugger {
    /// Of a script with this text, which stops at its first line, and when it has run for
    /// `patience_ms` (0: five seconds) without a stop.
    pub fn new(script: &[u8], patience_ms: u64) -> Debugger {
        let end = script.iter().rposition(|b| !matches!(b, b'\r' | b'\n'));
        let text = &script[..end.map_or(0, |at| at + 1)];
        let lines = match text {
            [] => Vec::new(),
            text => text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect(),
        };
        Debugger {
            lines,
            breakpoints: Vec::new(),
            line: 0,
            input: Vec::new(),
            resumed: Instant::now(),
            patience: match patience_ms {
                0 => PATIENCE_DEFAULT,
                ms => Duration::from_millis(ms),
            },
        }
    }
}

impl Session {
    /// A script is debugged from now on.
    pub(crate) fn begin(&self, debugger: Debugger) {
        self.is_on.set(true);
        self.debugger.replace(Some(Box::new(debugger)));
        self.log.replace(Log::default());
        self.breaks.set(false);
        self.steps.set(true);
        self.eval_ends.set(None);
        self.ended.set(None);
    }

    /// The script has ended: the lines that are still to be sent.
    pub(crate) fn end(&self) -> Vec<Vec<u8>> {
        self.is_on.set(false);
        self.steps.set(false);
        self.debugger.replace(None);
        self.log.take().take()
    }

    /// Whether a script is being debugged.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// Whether code of an `eval` has run for too long.
    pub(crate) fn is_late(&self) -> bool {
        self.eval_ends
            .get()
            .is_some_and(|end| Instant::now() >= end)
    }

    /// Logs a line, if a script is being debugged.
    pub(crate) fn log(&self, line: impl FnOnce() -> Vec<u8>) {
        if self.is_on() {
            self.log.borrow_mut().push(line());
        }
    }

    /// Whether the script's commands and errors are shown.
    #[inline]
    pub fn shows(&self) -> bool {
        self.steps.get()
    }

    /// Logs a line about a command or an error of the script, if they are shown.
    pub(crate) fn log_call(&self, line: impl FnOnce() -> Vec<u8>) {
        if self.shows() {
            self.log.borrow_mut().push(line());
        }
    }

    /// As [`Session::log`], for a line that `maxlen` cuts.
    pub(crate) fn log_cut(&self, line: impl FnOnce() -> Vec<u8>) {
        if self.is_on() {
            self.log.borrow_mut().push_cut(line());
        }
    }

    /// Logs a command's reply.
    pub(crate) fn log_reply(&self, reply: &[u8]) {
        if reply.first() == Some(&b'-') {
            let end = memchr::memchr(b'\r', reply).unwrap_or(reply.len());
            self.log_call(|| [b"<error> ", &reply[..end]].concat());
        }
        self.log_cut(|| {
            let mut text = b"<reply> ".to_vec();
            replies::describe(reply, &mut text);
            text
        });
    }

    /// Logs the error of a command that was not run.
    pub(crate) fn log_refused(&self, line: &[u8]) {
        self.log_call(|| {
            let bare = line.strip_prefix(b"ERR ").or(line.strip_prefix(b"NOPERM "));
            match bare {
                Some(text) => [b"<error> ", text].concat(),
                // The reply there, with the line end.
                None => [b"<error> -", line, b"\r\n"].concat(),
            }
        });
    }

    /// `redis.breakpoint`: stops before the next line. `false`: nothing is debugged.
    pub(crate) fn break_next(&self) -> bool {
        self.breaks.set(self.is_on());
        self.is_on()
    }
}
