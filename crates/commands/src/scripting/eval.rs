//! EVAL, EVALSHA and their read-only forms.
//!
//! Each finds the script's program, compiled once, and hands it to `Call::run_script`. An EVAL of a
//! client that debugs begins a session first (`server::execution::debugging`).

use super::changes::check_idle;
use super::row::RUNS;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_scripting::{ScriptId, Setup, Use};
use russet_server::{Call, CommandResult, Program, Spec};

const EVAL_ONLY: &str = "ERR Please use EVAL instead of EVALSHA for debugging";

const WRITE: Access = Access::MODIFY;

pub(super) const EVAL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: RUNS.union(Flags::MAY_REPLICATE).union(Flags::RUNS_TEXT),
    keys: &[KeySpec::counted(2, WRITE)],
    categories: Category::SCRIPTING,
    ..Spec::new("eval", eval)
};

pub(super) const EVAL_RO: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: RUNS.union(Flags::READONLY).union(Flags::RUNS_TEXT),
    keys: &[KeySpec::counted(2, Access::READ)],
    categories: Category::SCRIPTING,
    ..Spec::new("eval_ro", eval_ro)
};

pub(super) const EVALSHA: Spec = Spec {
    name: "evalsha",
    handler: evalsha,
    flags: RUNS.union(Flags::MAY_REPLICATE).union(Flags::RUNS_SHA),
    ..EVAL
};

pub(super) const EVALSHA_RO: Spec = Spec {
    name: "evalsha_ro",
    handler: evalsha_ro,
    flags: RUNS.union(Flags::READONLY).union(Flags::RUNS_SHA),
    ..EVAL_RO
};

/// `EVAL script numkeys [key ...] [arg ...]`: runs a script and caches it for EVALSHA.
///
/// Reply: the script's return value: numbers cut to integers, a table as an array up to the first
/// nil or as the value of the field `err`, `ok`, `double`, `map`, `set`, `big_number` or
/// `verbatim_string`. Fatal errors name script and line. The script's effects form one unit.
fn eval(call: &mut Call<'_>) -> CommandResult {
    by_text(call, false)
}

/// `EVAL_RO script numkeys [key ...] [arg ...]`: EVAL of a script that may not write.
fn eval_ro(call: &mut Call<'_>) -> CommandResult {
    by_text(call, true)
}

/// `EVALSHA sha1 numkeys [key ...] [arg ...]`: like EVAL, for a cached script; NOSCRIPT if the
/// script is not cached.
fn evalsha(call: &mut Call<'_>) -> CommandResult {
    by_sha(call, false)
}

/// `EVALSHA_RO sha1 numkeys [key ...] [arg ...]`: EVALSHA of a script that may not write.
fn evalsha_ro(call: &mut Call<'_>) -> CommandResult {
    by_sha(call, true)
}

fn key_count(call: &Call<'_>) -> Result<i64, CommandError> {
    let count = parse_i64(&call.args[2]).ok_or(CommandError::NotAnInteger)?;
    keys_and_args(call.args, count)?;
    Ok(count)
}

fn by_text(call: &mut Call<'_>, read_only: bool) -> CommandResult {
    feed_monitors(call);
    let count = key_count(call)?;
    check_idle(call)?;
    if call.debugs() && !call.begin_session()? {
        return Ok(());
    }
    let body = call.args.at(1);
    let setup = Setup::of(&call.server.config);
    let scripts = &mut call.server.scripting.scripts;
    let id = match scripts.find(body) {
        Some(id) => id,
        None => scripts
            .add(body, true, setup)
            .map_err(|message| CommandError::Bytes([b"ERR ", message.as_slice()].concat()))?,
    };
    run(call, id, count, read_only)
}

fn by_sha(call: &mut Call<'_>, read_only: bool) -> CommandResult {
    feed_monitors(call);
    if call.debugs() {
        return Err(CommandError::Text(EVAL_ONLY));
    }
    let no_script = CommandError::Text(call.server.config.dialect.no_script());
    let name = call.args.at(1);
    if name.len() != 40 {
        return Err(no_script);
    }
    let count = key_count(call)?;
    check_idle(call)?;
    let Some(id) = call.server.scripting.scripts.find_sha(name) else {
        return Err(no_script);
    };
    run(call, id, count, read_only)
}

fn run(call: &mut Call<'_>, id: ScriptId, count: i64, read_only: bool) -> CommandResult {
    let setup = Setup::of(&call.server.config);
    let (keys, args) = keys_and_args(call.args, count)?;
    let debugger = call.debugger(call.args.at(1));
    let scripts = &mut call.server.scripting.scripts;
    scripts.touch(id);
    let vm = scripts.vm(setup).handle();
    let script = scripts.get(id).expect("found a moment ago");
    let name = script.sha;
    let program = Program {
        of: Use::Eval,
        vm,
        function: script.function,
        flags: script.flags,
        name: &name,
        read_only,
        keys,
        args,
        debugger,
    };
    call.run_script(program)
}

/// Splits the arguments after `numkeys` (argument 2) into `count` keys and the rest.
pub(super) fn keys_and_args(
    args: Args<'_>,
    count: i64,
) -> Result<(Args<'_>, Args<'_>), CommandError> {
    let rest = args.from(3);
    let count = usize::try_from(count)
        .map_err(|_| CommandError::Text("ERR Number of keys can't be negative"))?;
    if count > rest.len() {
        return Err(CommandError::TooManyKeys);
    }
    Ok((rest.first(count), rest.from(count)))
}

/// Shows monitors the command that runs a script before the commands that the script runs.
pub(super) fn feed_monitors(call: &mut Call<'_>) {
    if !call.server.messages.monitors.is_empty() {
        let (row, args, origin) = (call.row, call.args, call.origin);
        call.server
            .messages
            .feed_monitors(&call.server.table, call.client, row, args, origin);
    }
}
