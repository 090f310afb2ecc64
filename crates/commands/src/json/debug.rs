//! DEBUG MEMORY: the bytes that values take.

use super::count;
use super::printing::{Means, reply_from};
use super::row::{READING, READS, compiled, each_result, missing, path_at, utf8, whole};
use russet_command::{Access, Arity, BeginSearch, CommandError, KeyExtent, KeySpec};
use russet_json::{Budget, Document, EvalError, Path, Value};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};

const UNKNOWN: CommandError = CommandError::Text("ERR unknown subcommand - try `JSON.DEBUG HELP`");

pub(super) const DEBUG: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: &[KeySpec {
        begin: BeginSearch::Keyword {
            word: "MEMORY",
            from: 1,
        },
        find: KeyExtent::Range {
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
/// root takes the bytes of the whole document in the allocator.
///
/// Reply: array of integers, of a legacy path an integer; without the key 0, or an empty array.
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
    let text = path_at(args, 3)?;
    if reply_from(call, args.at(2), write_bytes)? {
        return Ok(());
    }
    if Path::is_legacy_text(text) {
        call.reply.int(0);
    } else {
        call.reply.array(0);
    }
    Ok(())
}

/// The reply of MEMORY.
fn write_bytes(
    args: Args<'_>,
    _: &str,
    document: &Document,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> CommandResult {
    let path = compiled(means.paths, path_at(args, 3)?)?;
    if path.is_root() {
        if !path.is_legacy() {
            reply.array(1);
        }
        reply.int(document.memory_bytes() as i64);
        return Ok(());
    }
    let budget = means.budget;
    whole(reply, |reply| {
        let place = (!path.is_legacy()).then(|| reply.defer());
        let mut results = 0;
        each_result(&path, document.root(), budget, |found| {
            results += 1;
            reply.int(bytes(found, budget)? as i64);
            budget.spend_result(0)
        })?;
        match place {
            Some(place) => reply.finish_array(place, results),
            None if results == 0 => return Err(missing(path.text())),
            None => {}
        }
        Ok(())
    })
}

/// The bytes of a value, whose chunks are paid for.
fn bytes(value: Value<'_>, budget: &Budget) -> Result<usize, EvalError> {
    let bytes = value.memory_bytes_within(budget.chunks_left());
    let bytes = bytes.map_or_else(|| budget.spend(u64::MAX).map(|()| 0), Ok)?;
    budget.spend_bytes(bytes)?;
    Ok(bytes)
}
