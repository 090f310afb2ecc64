//! SCRIPT: cached scripts.

use super::changes::{check_idle, free, frees_later};
use super::row::sub;
use crate::help;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_scripting::{Setup, Use};
use russet_server::{Call, CommandResult, DebugMode, Spec};

pub(super) const SCRIPT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[
        sub("debug", debug, Arity::Exactly(3), Flags::empty()),
        Spec {
            tips: &[
                "request_policy:all_shards",
                "response_policy:agg_logical_and",
            ],
            facts: Facts::SHOWS,
            ..sub("exists", exists, Arity::AtLeast(3), Flags::empty())
        },
        Spec {
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..sub("flush", flush, Arity::AtLeast(2), Flags::empty())
        },
        Spec {
            categories: Category::SCRIPTING,
            ..help::row(write_help)
        },
        Spec {
            tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
            ..sub("kill", kill, Arity::Exactly(2), Flags::ALLOW_BUSY)
        },
        Spec {
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..sub("load", load, Arity::Exactly(3), Flags::STALE)
        },
        sub("show", show, Arity::Exactly(3), Flags::STALE),
    ],
    ..Spec::new("script", write_help)
};

/// `SCRIPT EXISTS sha1 ...`: whether these scripts are cached.
///
/// Reply: an array of 1 and 0.
fn exists(call: &mut Call<'_>) -> CommandResult {
    let names = call.args.from(2);
    call.reply.array(names.len());
    for name in names.iter() {
        let found = call.server.scripting.scripts.find_sha(name).is_some();
        call.reply.int(found.into());
    }
    Ok(())
}

/// `SCRIPT FLUSH [ASYNC | SYNC]`: deletes all cached scripts.
fn flush(call: &mut Call<'_>) -> CommandResult {
    let later = frees_later(call, "ERR SCRIPT FLUSH only support SYNC|ASYNC option")?;
    check_idle(call)?;
    let old = call.server.scripting.scripts.flush();
    let (bytes, objects) = (old.vm_bytes() + old.bytes(), old.len());
    free(call, old, bytes, objects, later);
    call.reply.ok();
    Ok(())
}

/// `SCRIPT LOAD script`: caches a script until the next flush, without running it.
///
/// Reply: the script's SHA-1; an error if the script cannot be compiled.
fn load(call: &mut Call<'_>) -> CommandResult {
    check_idle(call)?;
    let setup = Setup::of(&call.server.config);
    let scripts = &mut call.server.scripting.scripts;
    let id = scripts
        .add(call.args.at(2), false, setup)
        .map_err(|message| CommandError::Bytes([b"ERR ", message.as_slice()].concat()))?;
    let script = scripts.get(id).expect("just added");
    call.reply.bulk(&script.sha);
    Ok(())
}

/// `SCRIPT SHOW sha1`: the text of a script.
fn show(call: &mut Call<'_>) -> CommandResult {
    let scripts = &call.server.scripting.scripts;
    let found = scripts
        .find_sha(call.args.at(2))
        .and_then(|id| scripts.get(id));
    match found {
        Some(script) => call.reply.bulk(&script.body),
        None => return Err(CommandError::Text("NOSCRIPT No matching script.")),
    }
    Ok(())
}

/// `SCRIPT KILL`: stops the running script, unless it has written.
fn kill(call: &mut Call<'_>) -> CommandResult {
    call.server
        .scripting
        .kill(Use::Eval, call.server.config.dialect)?;
    call.reply.ok();
    Ok(())
}

/// `SCRIPT DEBUG YES | SYNC | NO`: whether the client's scripts run in the debugger: YES in a child
/// process, whose changes are lost; SYNC in the server, which does nothing else meanwhile and keeps
/// the changes.
///
/// The next EVAL begins a session: the client sends the debugger's commands, and gets arrays of
/// status lines. The client's connection ends with the session.
fn debug(call: &mut Call<'_>) -> CommandResult {
    const UNKNOWN: &str = "ERR Use SCRIPT DEBUG YES/SYNC/NO";
    let mode = if call.args.is(2, "no") {
        None
    } else if call.args.is(2, "yes") {
        Some(DebugMode::Child)
    } else if call.args.is(2, "sync") {
        Some(DebugMode::Sync)
    } else {
        return Err(CommandError::Text(UNKNOWN));
    };
    call.set_debugging(mode)?;
    call.reply.ok();
    Ok(())
}

/// `SCRIPT HELP`.
fn write_help(call: &mut Call<'_>) -> CommandResult {
    help::write_help(
        call,
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Have the scripts of this client debugged: in a child, whose changes are lost, or",
            "    here, where they stay; or no more.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Tell which of these scripts are kept.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all scripts.",
            "KILL",
            "    End the script that runs now.",
            "LOAD <script>",
            "    Keep a script without running it.",
            "SHOW <sha1>",
            "    Show the text of a script.",
        ],
    );
    Ok(())
}
