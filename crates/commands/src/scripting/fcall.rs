//! FCALL and FCALL_RO.

use super::changes::check_idle;
use super::eval::{EVAL, EVAL_RO, feed_monitors, keys_and_args};
use super::row::RUNS;
use russet_base::numbers::number::parse_i64;
use russet_command::{CommandError, Flags};
use russet_scripting::{Setup, Use};
use russet_server::{Call, CommandResult, Program, Spec};

pub(super) const FCALL: Spec = Spec {
    name: "fcall",
    handler: fcall,
    flags: RUNS.union(Flags::MAY_REPLICATE).union(Flags::RUNS_FUNCTION),
    ..EVAL
};

pub(super) const FCALL_RO: Spec = Spec {
    name: "fcall_ro",
    handler: fcall_ro,
    flags: RUNS.union(Flags::READONLY).union(Flags::RUNS_FUNCTION),
    ..EVAL_RO
};

/// `FCALL function numkeys [key ...] [arg ...]`: runs a function of a library.
///
/// Reply: the function's return value, as for EVAL; ERR if there is no such function.
fn fcall(call: &mut Call<'_>) -> CommandResult {
    run(call, false)
}

/// `FCALL_RO function numkeys [key ...] [arg ...]`: FCALL of a function that is declared not to
/// write.
fn fcall_ro(call: &mut Call<'_>) -> CommandResult {
    run(call, true)
}

fn run(call: &mut Call<'_>, read_only: bool) -> CommandResult {
    feed_monitors(call);
    check_idle(call)?;
    call.db.asks_functions();
    let setup = Setup::of(&call.server.config);
    let libraries = &mut call.server.scripting.libraries;
    let name = call.args.at(1);
    let Some(function) = libraries.function(name) else {
        return Err(CommandError::Text("ERR Function not found"));
    };
    let (compiled, flags) = (function.function, function.flags);
    // Messages show the registered name, whatever the case in the call.
    let name = function.name.clone();
    let count =
        parse_i64(&call.args[2]).ok_or(CommandError::Text("ERR Bad number of keys provided"))?;
    let (keys, args) = keys_and_args(call.args, count)?;
    let vm = libraries.vm(setup).handle();
    let program = Program {
        of: Use::Functions,
        vm,
        function: compiled,
        flags,
        name: &name,
        read_only,
        keys,
        args,
        debugger: None,
    };
    call.run_script(program)
}
