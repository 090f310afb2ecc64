//! FUNCTION LIST and STATS.

use russet_base::clock;
use russet_base::glob::{check, matches};
use russet_command::CommandError;
use russet_server::{Call, CommandResult};

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`.
///
/// Reply: an array of maps: `library_name`, `engine`, `functions` (maps of `name`,
/// `description`, `flags`), and with WITHCODE `library_code`.
pub(super) fn list(call: &mut Call<'_>) -> CommandResult {
    let (mut with_code, mut pattern) = (false, None);
    let mut at = 2;
    while at < call.args.len() {
        if !with_code && call.args.is(at, "withcode") {
            with_code = true;
        } else if pattern.is_none() && call.args.is(at, "libraryname") {
            at += 1;
            if at >= call.args.len() {
                const MISSING: &str = "ERR library name argument was not given";
                return Err(CommandError::Text(MISSING));
            }
            check(call.args.at(at))?;
            pattern = Some(call.args.at(at));
        } else {
            let word = call.args.at(at);
            return Err(CommandError::naming("ERR Unknown argument ", word, ""));
        }
        at += 1;
    }
    let reply = &mut *call.reply;
    let libraries = &call.server.scripting.libraries;
    let (place, mut count) = (reply.defer(), 0);
    for library in libraries.iter() {
        if pattern.is_some_and(|p| !matches(p, &library.name, true)) {
            continue;
        }
        count += 1;
        reply.map(3 + usize::from(with_code));
        reply.bulk(b"library_name");
        reply.bulk(&library.name);
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        reply.array(library.functions.len());
        for function in &library.functions {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&function.name);
            reply.bulk(b"description");
            match &function.description {
                Some(text) => reply.bulk(text),
                None => reply.null(),
            }
            reply.bulk(b"flags");
            reply.set(function.flags.names().count());
            for name in function.flags.names() {
                reply.simple(name);
            }
        }
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.code);
        }
    }
    reply.finish_array(place, count);
    Ok(())
}

/// `FUNCTION STATS`.
///
/// Reply: a map of `running_script` (null, or a map of `name`, `command`, `duration_ms`) and
/// `engines` (a map of engines, each with the numbers of libraries and functions).
pub(super) fn stats(call: &mut Call<'_>) -> CommandResult {
    let reply = &mut *call.reply;
    let scripting = &call.server.scripting;
    reply.map(2);
    reply.bulk(b"running_script");
    let running = scripting.running.as_ref();
    match running.and_then(|script| Some((script, script.reported.as_deref()?))) {
        None => reply.null(),
        Some((script, (name, command))) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(name);
            reply.bulk(b"command");
            reply.array(command.args().len());
            for arg in command.args().iter() {
                reply.bulk(arg);
            }
            reply.bulk(b"duration_ms");
            let ticks = clock::cycles().wrapping_sub(script.began);
            reply.int(call.server.cycles.micros(ticks) as i64 / 1000);
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.int(scripting.libraries.len() as i64);
    reply.bulk(b"functions_count");
    reply.int(scripting.libraries.functions() as i64);
    Ok(())
}
