//! DEBUG MEMORY: what values take.

use super::count;
use super::row::{READING, READS, at, compiled, matches, missing, path_at, plain, read, utf8};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Access, Arity, Begin, CommandError, Find, KeySpec};
use russet_json::Path;
use russet_types::Json;

const UNKNOWN: CommandError = CommandError::Text("ERR unknown subcommand - try `JSON.DEBUG HELP`");

pub(super) const DEBUG: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: &[KeySpec {
        begin: Begin::Keyword {
            word: "MEMORY",
            from: 1,
        },
        find: Find::Range {
            last: 0,
            step: 1,
            limit: 0,
        },
        ..KeySpec::one(1, Access::READ)
    }],
    categories: READING,
    tips: &["dont_cache"],
    work: count::MEASURED,
    ..Spec::new("json.debug", debug)
};

/// `JSON.DEBUG MEMORY key [path]`, `JSON.DEBUG HELP`: bytes that values take in the document; the
/// root's are those of the whole document in the allocator.
///
/// Reply: array of integers, of a legacy path one; without the key 0, or an empty array.
fn debug(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.is(1, "HELP") {
        call.reply.array(2);
        call.reply
            .bulk(b"MEMORY <key> [path] - the bytes that values take");
        call.reply.bulk(b"HELP                - this message");
        return Ok(());
    }
    if !args.is(1, "MEMORY") {
        utf8(args.at(1))?;
        return Err(UNKNOWN);
    }
    if args.len() < 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let (key, text) = (args.at(2), path_at(args, 3)?);
    let reply = &mut *call.reply;
    let Some(json) = read(&mut call.db, key)? else {
        if Path::is_legacy_text(text) {
            reply.int(0);
        } else {
            reply.array(0);
        }
        return Ok(());
    };
    let path = compiled(&mut call.server.json_paths, text)?;
    let found = matches(&path, json.root()).map_err(plain)?;
    if path.is_legacy() {
        let first = found.first().ok_or_else(|| missing(path.text()))?;
        reply.int(bytes(&json, first));
        return Ok(());
    }
    reply.array(found.len());
    for location in &found {
        reply.int(bytes(&json, location));
    }
    Ok(())
}

fn bytes(json: &Json, location: &[u32]) -> i64 {
    let bytes = if location.is_empty() {
        json.memory_bytes()
    } else {
        at(json, location).memory_bytes()
    };
    bytes as i64
}
