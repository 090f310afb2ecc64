//! The script debugger: stops a script before its lines and runs its client's commands meanwhile
//! (SCRIPT DEBUG, `redis-cli --ldb`).
//!
//!     hook of a line -> at_hook -> stops? -> Host::debugger_receives -> request -> a command
//!                                                  ^                                  |
//!                                    Host::debugger_sends <- Log <- lines ------------+
//!
//! An answer is an array of status lines: all that was logged since the last answer. Commands and
//! texts are Redis 8.10's.
//!
//! Invariants
//!   1. While the client is asked, `Machine::debug` has no [`Debugger`]: code that a command runs
//!      (`eval`, `redis`) does not stop.
//!   2. The code of `eval` ends when the script's patience has passed: a loop in it cannot hold the
//!      server.
//!   3. A script that the session has ended cannot catch that ([`Machine::killed`]).
//!   4. The lines that wait to be sent take no more than [`log::WAITING_MAX`] bytes.
//!
//! Elsewhere: `lua::debug` sets the hook and reads the call stack; the server owns the connection,
//! decides whose changes stay, and bounds how long it waits for its client.
//!
//! [`Machine::killed`]: crate::lua::Machine::killed

mod commands;
mod log;
mod replies;
mod request;
pub mod session;
#[cfg(test)]
mod tests;
pub mod values;

use std::time::{Duration, Instant};

use super::errors;
use super::lua::{Frame, Raise, ReturnCount, Stack};
pub use log::encode;
pub use session::Debugger;

const GONE: &str = "the debugger's client has gone, or waited too long";
const EVAL_TOO_LONG: &str = "the code takes too long";

impl Debugger {
    /// Asks the client until the script is to go on, or (the error) to end.
    fn ask(&mut self, f: Frame<'_>) -> Result<(), &'static str> {
        loop {
            let words = match request::take(&mut self.input) {
                request::ParsedRequest::Words(words) => words,
                request::ParsedRequest::Bad => return Err("protocol error"),
                request::ParsedRequest::Part => {
                    let input = &mut self.input;
                    let came = f.machine.ask(|host| host.debugger_receives(input));
                    if came != Some(true) {
                        return Err(GONE);
                    }
                    continue;
                }
            };
            let done = self.run(f, &words);
            match done {
                commands::NextStep::Ask => send(f),
                commands::NextStep::GoOn => return Ok(()),
                commands::NextStep::End(why) => return Err(why),
            }
        }
    }
}

/// Sends what has been logged.
fn send(f: Frame<'_>) {
    let answer = f.machine.debug.log.borrow_mut().answer();
    f.machine.ask(|host| host.debugger_sends(&answer));
}

/// The hook of a line (`line`: of the script; `None`: of other code), or (`is_count`) of many
/// instructions. `false`: the script must end, with the error that has been pushed.
pub(crate) fn at_hook(f: Frame<'_>, line: Option<usize>, is_count: bool) -> bool {
    let session = &f.machine.debug;
    if let Some(why) = session.ended.get() {
        return end(f.stack, why);
    }
    let debugger = session.debugger.borrow_mut().take();
    let Some(mut debugger) = debugger else {
        // The code of an `eval`.
        if session.is_late() {
            f.machine.killed.set(true);
            return end(f.stack, EVAL_TOO_LONG);
        }
        return true;
    };
    let ended = match line {
        Some(line) => stop(&mut debugger, f, line, is_count).err(),
        None => None,
    };
    session.debugger.replace(Some(debugger));
    match ended {
        None => true,
        Some(why) => {
            session.ended.set(Some(why));
            f.machine.killed.set(true);
            end(f.stack, why)
        }
    }
}

/// Stops at this line if it is time to, and asks the client.
fn stop(d: &mut Debugger, f: Frame<'_>, line: usize, is_count: bool) -> Result<(), &'static str> {
    let session = &f.machine.debug;
    d.line = line;
    let (steps, is_called) = (session.steps.get(), session.breaks.get());
    let breaks = is_called || d.breakpoints.contains(&line);
    let is_late = is_count && !steps && d.resumed.elapsed() >= d.patience;
    if !is_late && (is_count || !steps && !breaks) {
        return Ok(());
    }
    let reason = match (breaks, is_called) {
        (true, true) => "redis.breakpoint() called",
        (true, false) => "break point",
        _ if is_late => "timeout reached, infinite loop?",
        _ => "step over",
    };
    session.steps.set(false);
    session.breaks.set(false);
    let stopped = format!("* Stopped at {line}, stop reason = {reason}");
    session.log(|| stopped.into_bytes());
    session.log(|| d.source_line(line));
    send(f);
    let asked = d.ask(f);
    d.resumed = Instant::now();
    asked
}

fn end(stack: Stack, why: &str) -> bool {
    errors::push_error(stack, why);
    false
}

/// Calls the function below the topmost `args` values, with the hook on and a deadline, and pushes
/// the function's value, or (`false`) its error.
///
/// LuaJIT calls no hook while a hook runs. [`lua::wake_hooks`](super::lua::wake_hooks) changes
/// that, until an error ends a protected call that has begun before: the call of [`awake`].
fn call_in_time(f: Frame<'_>, args: i32, patience: Duration) -> bool {
    let session = &f.machine.debug;
    session.eval_ends.set(Some(Instant::now() + patience));
    session.eval_failed.set(true);
    f.stack.push_function(awake);
    f.stack.insert(-(args + 2));
    f.stack.protected_call(args + 1, 1, 0);
    session.eval_ends.set(None);
    f.machine.killed.set(false);
    super::lua::set_line_hook(f.machine, at_hook);
    !session.eval_failed.get()
}

/// Calls its first argument with the others. Raises the value or the error.
fn awake(f: Frame<'_>) -> ReturnCount {
    super::lua::wake_hooks(f);
    let ok = f.stack.protected_call(f.top() - 1, 1, 0);
    f.machine.debug.eval_failed.set(!ok);
    Err(Raise::Top)
}
