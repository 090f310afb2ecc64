//! The scripting commands: scripts by text and by name, functions of libraries.

mod eval;
mod fcall;
mod function;
mod function_dump;
mod function_list;
mod script;

pub(super) mod docs;

use crate::command::{Arity, Category, CommandError, Flags};
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

/// What all commands have that run a script.
const RUNS: Flags = Flags::NOSCRIPT
    .union(Flags::SKIP_MONITOR)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::STALE);

/// A row of a container's subcommand.
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

/// The keys and the other arguments behind `numkeys` at argument 2.
fn keys_and_args(args: Args<'_>, count: i64) -> Result<(Args<'_>, Args<'_>), CommandError> {
    let rest = args.from(3);
    let count = usize::try_from(count)
        .map_err(|_| CommandError::Text("ERR Number of keys can't be negative"))?;
    if count > rest.len() {
        return Err(CommandError::TooManyKeys);
    }
    Ok((rest.first(count), rest.from(count)))
}

/// Monitors see the command that runs a script before those that the script runs.
fn feed_monitors(call: &mut Call<'_>) {
    if !call.server.monitors.is_empty() {
        let spec = call.server.table.row(call.row).spec;
        let (args, origin) = (call.args, call.origin);
        call.server.feed_monitors(call.client, spec, args, origin);
    }
}

/// SYNC or ASYNC behind `FLUSH`; both do the same, for what they free is little.
fn flush_mode(args: Args<'_>, wrong: &'static str) -> Result<(), CommandError> {
    match args.len() {
        2 => Ok(()),
        3 if args.is(2, "SYNC") || args.is(2, "ASYNC") => Ok(()),
        _ => Err(CommandError::Text(wrong)),
    }
}

/// Scripts and libraries stay as they are while one of them runs.
fn check_idle(call: &Call<'_>) -> Result<(), CommandError> {
    match call.server.scripting.is_running() {
        true => Err(call.server.scripting.busy_error()),
        false => Ok(()),
    }
}
