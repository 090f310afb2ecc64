//! The `redis` table: functions a script calls on the server.
//!
//!     redis.call --> arguments as Args --> Host::call --> reply --> Lua values (`from_reply`)
//!
//! `call` raises an error reply, `pcall` returns it; both run the same path. Arguments are copied
//! into one scratch buffer, which is kept between calls up to 64 KiB. Buffers outside of Lua's
//! allocator count against the script's memory: a reply may use half of the rest, because it
//! exists twice for a moment. A long reply is converted after the command, when the host can stop
//! the script. Permissions, flags and limits of commands are the host's. While a library loads,
//! only the functions that need no command exist.

use std::ffi::c_int;

use super::debugger::values;
use super::effort::check_room;
use super::errors::{push_error_text, raised};
use super::from_reply::{push_counted_error, push_reply};
use super::host::NoCommand;
use super::lua::{Frame, LuaType, Raise, ReturnCount, Stack};
use russet_base::numbers::float::{as_integer, write_double};
use russet_base::numbers::number::write_i64;
use russet_config::Dialect;
use russet_resp::{Args, Span};

/// Which state the table is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Scripts of EVAL and SCRIPT LOAD.
    Eval,
    /// Libraries of FUNCTION LOAD.
    Functions,
}

/// Log levels as scripts name them, from the least: `redis.LOG_DEBUG` is 0.
const LEVELS: [&str; 4] = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"];

/// Flags of `redis.set_repl`.
const TO_AOF: c_int = 1;
const TO_REPLICAS: c_int = 2;
const REPL: [(&str, c_int); 5] = [
    ("REPL_NONE", 0),
    ("REPL_AOF", TO_AOF),
    ("REPL_SLAVE", TO_REPLICAS),
    ("REPL_REPLICA", TO_REPLICAS),
    ("REPL_ALL", TO_AOF | TO_REPLICAS),
];

/// Pushes the table. While a library loads, the functions that need a command are missing.
pub(crate) fn push_table(stack: Stack, of: Use, dialect: Dialect, loading: bool) {
    stack.push_table(0, 32);
    stack.set_function(-1, "log", log);
    for (level, name) in LEVELS.iter().enumerate() {
        stack.push_number(level as f64);
        stack.set_field(-2, name);
    }
    push_version(stack, "REDIS", dialect.redis_version());
    if let Some(version) = dialect.valkey_version() {
        push_version(stack, "VALKEY", version);
    }
    if let Some(name) = dialect.server_name() {
        stack.push_bytes(name.as_bytes());
        stack.set_field(-2, "SERVER_NAME");
    }
    stack.set_function(-1, "sha1hex", sha1hex);
    stack.set_function(-1, "error_reply", error_reply);
    stack.set_function(-1, "status_reply", status_reply);
    if loading {
        stack.set_function(-1, "register_function", super::register::register_function);
        return;
    }
    stack.set_function(-1, "call", call);
    stack.set_function(-1, "pcall", pcall);
    stack.set_function(-1, "setresp", setresp);
    stack.set_function(-1, "set_repl", set_repl);
    stack.set_function(-1, "acl_check_cmd", acl_check_cmd);
    for (name, flags) in REPL {
        stack.push_number(f64::from(flags));
        stack.set_field(-2, name);
    }
    if of == Use::Eval {
        stack.set_function(-1, "breakpoint", breakpoint);
        stack.set_function(-1, "debug", debug);
        stack.set_function(-1, "replicate_commands", replicate_commands);
    }
}

/// Sets `NAME_VERSION`, and `NAME_VERSION_NUM`: a byte each for major, minor and patch.
fn push_version(stack: Stack, name: &str, version: &str) {
    let parts = version.split('.').map(|n| n.parse().unwrap_or(0));
    let number = parts.fold(0, |number, part: u32| number << 8 | part);
    stack.push_number(f64::from(number));
    stack.set_field(-2, &format!("{name}_VERSION_NUM"));
    stack.push_bytes(version.as_bytes());
    stack.set_field(-2, &format!("{name}_VERSION"));
}

/// `redis.call(name, ...)`: an error reply is raised.
fn call(f: Frame<'_>) -> ReturnCount {
    if run(f)? { Err(Raise::Top) } else { Ok(1) }
}

/// `redis.pcall(name, ...)`: an error reply is returned.
pub(crate) fn pcall(f: Frame<'_>) -> ReturnCount {
    match run(f) {
        Ok(_) | Err(Raise::Top) => Ok(1),
        Err(other) => Err(other),
    }
}

/// A command as the debugger shows it: its first words.
#[cold]
fn command_line(args: Args<'_>) -> Vec<u8> {
    const WORDS_MAX: usize = 10;
    let mut line = b"<redis>".to_vec();
    for word in args.iter().take(WORDS_MAX) {
        line.push(b' ');
        line.extend_from_slice(word);
    }
    if args.len() > WORDS_MAX {
        // As there: one less than there are.
        let more = args.len() - WORDS_MAX - 1;
        line.extend_from_slice(format!(" ... ({more} more)").as_bytes());
    }
    line
}

/// The outcome of a command.
enum Answer {
    /// The reply is on the stack; `true`: it is an error.
    Pushed(bool),
    /// A long reply, pushed after the call, when the host can be asked whether the script may
    /// continue.
    Long(Vec<u8>),
}

/// Longer replies are pushed after the command has ended.
const SHORT_REPLY: usize = 16 * 1024;

/// Runs the arguments as a command and pushes its reply. Returns whether the reply is an error.
fn run(f: Frame<'_>) -> Result<bool, Raise> {
    let answer = with_arguments(f, |args, held| {
        // The reply exists twice for a moment: in its buffer and in Lua.
        let most = f.machine.room().saturating_sub(held) / 2;
        let debug = &f.machine.debug;
        debug.log_call(|| command_line(args));
        f.machine.ask(|host| match host.call(args, most) {
            Ok(reply) if debug.shows() => {
                debug.log_reply(reply);
                Ok(Answer::Long(host.take_reply()))
            }
            Ok(reply) if reply.len() <= SHORT_REPLY => {
                push_reply(f, reply, held)?;
                Ok(Answer::Pushed(reply.first() == Some(&b'-')))
            }
            Ok(_) => Ok(Answer::Long(host.take_reply())),
            Err(error) => {
                let line = error.line();
                debug.log_refused(&line);
                push_counted_error(f.stack, &line);
                Ok(Answer::Pushed(true))
            }
        })
    })?;
    match answer {
        Some(Ok(Answer::Pushed(is_error))) => Ok(is_error),
        Some(Ok(Answer::Long(reply))) => {
            push_reply(f, &reply, 0)?;
            Ok(reply.first() == Some(&b'-'))
        }
        Some(Err(raise)) => Err(raise),
        None => {
            let text = "redis.call/pcall can only be called inside a script invocation";
            Err(raised(f, text))
        }
    }
}

/// Collects the arguments, strings and numbers, into a command. `run` also gets their size in
/// bytes.
fn with_arguments<T>(f: Frame<'_>, run: impl FnOnce(Args<'_>, usize) -> T) -> Result<T, Raise> {
    let dialect = f.machine.dialect.get();
    let count = f.top();
    if count == 0 {
        return Err(raised(f, dialect.no_script_arguments()));
    }
    let mut scratch = f.machine.scratch.take();
    let mut spans = f.machine.spans.take();
    scratch.clear();
    spans.clear();
    let mut fits = true;
    for at in 1..=count {
        let start = scratch.len();
        match f.kind(at) {
            LuaType::String => {
                let text = f.bytes(at).expect("a string");
                if text.len() > scratch.capacity() - start {
                    make_room(f, &mut scratch, at)?;
                }
                scratch.extend_from_slice(text);
            }
            LuaType::Number => write_number(&mut scratch, f.number(at)),
            _ => fits = false,
        }
        let len = scratch.len() - start;
        spans.push(Span { start, len });
    }
    f.set_top(0);
    let result = if fits {
        Ok(run(Args::new(&scratch, &spans), scratch.len()))
    } else {
        Err(raised(f, dialect.bad_script_arguments()))
    };
    if scratch.capacity() <= SCRATCH_KEPT {
        f.machine.scratch.replace(scratch);
    }
    if spans.capacity() <= SCRATCH_KEPT / size_of::<Span>() {
        f.machine.spans.replace(spans);
    }
    result
}

/// Reserves room for all arguments from `first` on; one long text may occur many times.
#[cold]
fn make_room(f: Frame<'_>, scratch: &mut Vec<u8>, first: i32) -> Result<(), Raise> {
    const NUMBER_MAX: usize = 32;
    let bytes = |at| match f.kind(at) {
        LuaType::String => f.len(at),
        _ => NUMBER_MAX,
    };
    let bytes = (first..=f.top()).map(bytes).sum();
    check_room(f, scratch.len() + bytes)?;
    scratch.reserve(bytes);
    Ok(())
}

/// Argument buffer kept between calls, in bytes.
const SCRATCH_KEPT: usize = 64 * 1024;

/// A number as a command argument: an integer if it is whole, else with as many digits as
/// distinguish it from its neighbours.
fn write_number(out: &mut Vec<u8>, n: f64) {
    match as_integer(n) {
        Some(n) => write_i64(out, n),
        None => write_double(out, n),
    }
}

/// `redis.sha1hex(text)`.
fn sha1hex(f: Frame<'_>) -> ReturnCount {
    if f.top() != 1 {
        return Err(raised(f, "wrong number of arguments"));
    }
    let digest = super::sha1_hex(f.bytes(1).unwrap_or(b""));
    f.push_bytes(&digest);
    Ok(1)
}

/// Whether the only argument is a string; if not, pushes the error table, which is the result.
fn has_one_string(f: Frame<'_>) -> bool {
    let fits = f.top() == 1 && f.kind(1) == LuaType::String;
    if !fits {
        super::errors::push_error(f.stack, "wrong number or type of arguments");
    }
    fits
}

/// `redis.error_reply(text)`: a table that is replied as this error.
fn error_reply(f: Frame<'_>) -> ReturnCount {
    if has_one_string(f) {
        let text = russet_resp::up_to_nul(f.bytes(1).expect("a string"));
        check_room(f, 2 * text.len())?;
        let shown = text.strip_prefix(b"-").unwrap_or(text);
        f.machine.debug.log_call(|| [b"<error> -", shown].concat());
        push_error_text(f.stack, text.strip_prefix(b"-").unwrap_or(text));
    }
    Ok(1)
}

/// `redis.status_reply(text)`: a table that is replied as this status.
fn status_reply(f: Frame<'_>) -> ReturnCount {
    if has_one_string(f) {
        f.push_table(0, 1);
        f.push_value(1);
        f.set_field(-2, "ok");
    }
    Ok(1)
}

/// Longer log lines are cut.
const LINE_MAX: usize = 1 << 20;

/// `redis.log(level, text, ...)`.
fn log(f: Frame<'_>) -> ReturnCount {
    let count = f.top();
    if count < 2 {
        let text = "redis.log() requires two arguments or more.";
        return Err(raised(f, text));
    }
    if !f.is_number(1) {
        let text = "First argument must be a number (log level).";
        return Err(raised(f, text));
    }
    let level = f.number(1) as i64;
    let Some(_) = usize::try_from(level).ok().filter(|l| *l < LEVELS.len()) else {
        return Err(raised(f, "Invalid log level."));
    };
    let mut line = Vec::new();
    let mut left_out = 0;
    for word in (2..=count).filter_map(|at| f.bytes(at)) {
        let space: &[u8] = if line.is_empty() { b"" } else { b" " };
        for part in [space, word] {
            let fits = part.len().min(LINE_MAX - line.len());
            line.extend_from_slice(&part[..fits]);
            left_out += part.len() - fits;
        }
    }
    let mut line = String::from_utf8_lossy(&line);
    if left_out > 0 {
        line.to_mut().push_str(&format!("... and {left_out} bytes"));
    }
    match level {
        0 => tracing::trace!("{line}"),
        1 => tracing::debug!("{line}"),
        2 => tracing::info!("{line}"),
        _ => tracing::warn!("{line}"),
    }
    Ok(0)
}

/// `redis.setresp(2 or 3)`.
fn setresp(f: Frame<'_>) -> ReturnCount {
    if f.top() != 1 {
        return Err(raised(f, "redis.setresp() requires one argument."));
    }
    let version = f.number(1) as i64;
    if version != 2 && version != 3 {
        return Err(raised(f, "RESP version must be 2 or 3."));
    }
    f.machine.ask(|host| host.set_resp3(version == 3));
    Ok(0)
}

/// `redis.set_repl(flags)`.
fn set_repl(f: Frame<'_>) -> ReturnCount {
    if f.top() != 1 {
        return Err(raised(f, "redis.set_repl() requires one argument."));
    }
    let flags = f.number(1) as c_int;
    if flags & !(TO_AOF | TO_REPLICAS) != 0 {
        const WRONG: &str =
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(raised(f, WRONG));
    }
    let (aof, replicas) = (flags & TO_AOF != 0, flags & TO_REPLICAS != 0);
    f.machine.ask(|host| host.set_repl(aof, replicas));
    Ok(0)
}

/// `redis.acl_check_cmd(name, ...)`.
fn acl_check_cmd(f: Frame<'_>) -> ReturnCount {
    let asked = with_arguments(f, |args, _| f.machine.ask(|host| host.may_run(args)))?;
    let text = match asked.unwrap_or(Err(NoCommand::Unknown)) {
        Ok(may) => {
            f.push_boolean(may);
            return Ok(1);
        }
        Err(NoCommand::Unknown) => "Invalid command passed to redis.acl_check_cmd()",
        Err(NoCommand::WrongArity) => "Wrong number of args for redis.acl_check_cmd()",
    };
    Err(raised(f, text))
}

/// `redis.debug(value, ...)`: shows values to the client that debugs the script, if any.
fn debug(f: Frame<'_>) -> ReturnCount {
    f.machine.debug.log(|| {
        let line = f.place(1).map_or(0, |place| place.line);
        let mut text = format!("<debug> line {line}: ").into_bytes();
        for at in 1..=f.top() {
            if at > 1 {
                text.extend_from_slice(b", ");
            }
            values::describe(f.stack, at, &mut text);
        }
        text
    });
    Ok(0)
}

/// `redis.replicate_commands()`: always on.
fn replicate_commands(f: Frame<'_>) -> ReturnCount {
    f.push_boolean(true);
    Ok(1)
}

/// `redis.breakpoint()`: has the debugger stop before the next line; `false`: there is none.
fn breakpoint(f: Frame<'_>) -> ReturnCount {
    f.push_boolean(f.machine.debug.break_next());
    Ok(1)
}
