//! The scripting commands: scripts by text and by SHA-1, functions of libraries.
//!
//! Scripts are cached by SHA-1, libraries by name; libraries may not change while a script runs
//! (`check_idle`). Libraries are data: FUNCTION's changes are propagated; SCRIPT's cache is not.
//!
//! Memory of a whole cache is freed by a thread, unless SYNC or few objects.
//!
//! Decided elsewhere: Lua and its sandbox: `crate::scripting`; running, undo and effects of a
//! script: `server::execution::script`.

mod eval;
mod fcall;
mod function;
mod function_dump;
mod function_list;
mod script;

pub(super) mod docs;

#[cfg(test)]
mod tests;

use crate::command::{Arity, Category, CommandError, Flags};
use crate::keyspace::FEW;
use crate::resp::Args;
use crate::server::{Call, Spec};

pub(super) static SPECS: &[Spec] = &[
    eval::EVAL,
    eval::EVAL_RO,
    eval::EVALSHA,
    eval::EVALSHA_RO,
    fcall::FCALL,
    fcall::FCALL_RO,
    script::SCRIPT,
    function::FUNCTION,
];

/// Common flags of the commands that run a script.
const RUNS: Flags = Flags::NOSCRIPT
    .union(Flags::SCRIPT_RUNNER)
    .union(Flags::SKIP_MONITOR)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::STALE);

/// The row of a subcommand.
const fn sub(
    name: &'static str,
    handler: crate::server::Handler,
    arity: Arity,
    flags: Flags,
) -> Spec {
    Spec {
        arity,
        flags: flags.union(Flags::NOSCRIPT),
        categories: Category::SCRIPTING,
        ..Spec::new(name, handler)
    }
}

/// Splits the arguments after `numkeys` (argument 2) into `count` keys and the rest.
fn keys_and_args(args: Args<'_>, count: i64) -> Result<(Args<'_>, Args<'_>), CommandError> {
    let rest = args.from(3);
    let count = usize::try_from(count)
        .map_err(|_| CommandError::Text("ERR Number of keys can't be negative"))?;
    if count > rest.len() {
        return Err(CommandError::TooManyKeys);
    }
    Ok((rest.first(count), rest.from(count)))
}

/// Shows monitors the command that runs a script before those that the script runs.
fn feed_monitors(call: &mut Call<'_>) {
    if !call.server.messages.monitors.is_empty() {
        let (row, args, origin) = (call.row, call.args, call.origin);
        call.server.feed_monitors(call.client, row, args, origin);
    }
}

/// Parses SYNC or ASYNC after `FLUSH`; the default is `lazyfree-lazy-user-flush`. `true`: the
/// memory is freed later.
fn frees_later(call: &Call<'_>, wrong: &'static str) -> Result<bool, CommandError> {
    let args = call.args;
    match args.len() {
        2 => Ok(call.server.config.lazyfree_lazy_user_flush),
        3 if args.is(2, "SYNC") => Ok(false),
        3 if args.is(2, "ASYNC") => Ok(true),
        _ => Err(CommandError::Text(wrong)),
    }
}

/// Frees scripts or libraries with their VM: with `later` by the helper thread, unless they are
/// few.
fn free(call: &mut Call<'_>, old: impl Send + 'static, bytes: usize, objects: usize, later: bool) {
    if later && objects > FEW {
        let lazyfree = &mut call.db.keyspace().lazyfree;
        lazyfree.drop_later(Box::new(old), bytes, objects as u64);
    } else {
        drop(old)
    }
}

/// An error while a script runs: scripts and libraries may not change then.
fn check_idle(call: &Call<'_>) -> Result<(), CommandError> {
    if call.server.scripting.is_running() {
        Err(call.server.scripting.busy_error(call.server.config.dialect))
    } else {
        Ok(())
    }
}
