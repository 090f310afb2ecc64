//! FUNCTION: loading, deleting and stopping libraries.
//!
//! Each change of libraries counts as one change of the dataset, and FUNCTION always propagates it.
//! No change happens while a script runs: FUNCTION KILL stops a running function, unless the
//! function has written.
//!
//! LOAD runs the library's code to register the functions. A client's load has a time limit; a load
//! from the log or a primary has none.
//!
//! Decided elsewhere: libraries: `scripting::libraries`; DUMP and RESTORE: `function_dump`; LIST
//! and STATS: `function_list`.

use super::changes::{check_idle, free, frees_later};
use super::row::sub;
use super::{function_dump, function_list};
use crate::help;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_scripting::{Setup, Use};
use russet_server::{Call, CommandResult, Spec};

const WRITES: Flags = Flags::WRITE;
const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

pub(super) const FUNCTION: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[
        Spec {
            tips: ALL_SHARDS,
            facts: Facts::FRAMES_SLOTS,
            ..sub("delete", delete, Arity::Exactly(3), WRITES)
        },
        sub(
            "dump",
            function_dump::dump,
            Arity::Exactly(2),
            Flags::empty(),
        )
        .with(Facts::SHOWS.union(Facts::READS_ALL)),
        Spec {
            tips: ALL_SHARDS,
            facts: Facts::FRAMES_SLOTS,
            ..sub("flush", flush, Arity::AtLeast(2), WRITES)
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
            tips: &["nondeterministic_output_order"],
            facts: Facts::SHOWS.union(Facts::READS_ALL),
            ..sub(
                "list",
                function_list::list,
                Arity::AtLeast(2),
                Flags::empty(),
            )
        },
        Spec {
            tips: ALL_SHARDS,
            facts: Facts::FRAMES_SLOTS,
            ..sub(
                "load",
                load,
                Arity::AtLeast(3),
                WRITES.union(Flags::DENYOOM),
            )
        },
        Spec {
            tips: ALL_SHARDS,
            facts: Facts::FRAMES_SLOTS,
            ..sub(
                "restore",
                function_dump::restore,
                Arity::AtLeast(3),
                WRITES.union(Flags::DENYOOM),
            )
        },
        Spec {
            tips: &[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ],
            facts: Facts::SHOWS,
            ..sub(
                "stats",
                function_list::stats,
                Arity::Exactly(2),
                Flags::ALLOW_BUSY,
            )
        },
    ],
    ..Spec::new("function", write_help)
};

/// `FUNCTION LOAD [REPLACE] code`: loads a library, named by the first line: `#!lua name=mylib`.
///
/// Reply: the library's name.
fn load(call: &mut Call<'_>) -> CommandResult {
    check_idle(call)?;
    let last = call.args.len() - 1;
    let mut replace = false;
    for at in 2..last {
        if !call.args.is(at, "replace") {
            let option = call.args.at(at);
            return Err(CommandError::naming(
                "ERR Unknown option given: ",
                option,
                "",
            ));
        }
        replace = true;
    }
    let setup = Setup::of(&call.server.config);
    let in_time = !call.was_taken_before();
    let libraries = &mut call.server.scripting.libraries;
    let name = libraries
        .load(call.args.at(last), replace, in_time, setup)
        .map_err(|message| CommandError::Bytes([b"ERR ", message.as_slice()].concat()))?;
    call.db.functions_changed();
    call.always_effect();
    call.reply.bulk(&name);
    Ok(())
}

/// `FUNCTION DELETE library`.
fn delete(call: &mut Call<'_>) -> CommandResult {
    check_idle(call)?;
    if !call.server.scripting.libraries.remove(call.args.at(2)) {
        return Err(CommandError::Text("ERR Library not found"));
    }
    call.db.functions_changed();
    call.always_effect();
    call.reply.ok();
    Ok(())
}

/// `FUNCTION FLUSH [ASYNC | SYNC]`: deletes all libraries.
fn flush(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() > 3 {
        return Err(help::misused(call.args));
    }
    let later = frees_later(call, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option")?;
    check_idle(call)?;
    let old = call.server.scripting.libraries.flush();
    // The engine counts as an object, too.
    let (bytes, objects) = (old.vm_bytes() + old.bytes(), old.functions() + 1);
    free(call, old, bytes, objects, later);
    call.db.functions_changed();
    call.always_effect();
    call.reply.ok();
    Ok(())
}

/// `FUNCTION KILL`: stops the running function, unless it has written.
fn kill(call: &mut Call<'_>) -> CommandResult {
    call.server
        .scripting
        .kill(Use::Functions, call.server.config.dialect)?;
    call.reply.ok();
    Ok(())
}

/// `FUNCTION HELP`.
fn write_help(call: &mut Call<'_>) -> CommandResult {
    help::write_help(
        call,
        &[
            "DELETE <LIBRARY NAME>",
            "    Delete a library.",
            "DUMP",
            "    Give all libraries as a payload for RESTORE.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all libraries.",
            "KILL",
            "    End the function that runs now.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Tell of the libraries, or of those whose name matches: name, engine, functions,",
            "    and the code if it is asked for.",
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Load a library.",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Load the libraries of a payload:",
            "    * FLUSH: in place of all there are.",
            "    * APPEND: besides those there are; none may be there already (the default).",
            "    * REPLACE: in place of those of the same name.",
            "STATS",
            "    Tell which function runs, and how many there are.",
        ],
    );
    Ok(())
}
