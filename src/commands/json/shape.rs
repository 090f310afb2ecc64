//! Commands that look at values: TYPE, STRLEN, ARRLEN, OBJLEN, OBJKEYS, ARRINDEX, RESP.
//!
//! JSONPath answers an array with a result for each match, null where the match is of another kind.
//! A legacy path answers the result of its first match; another kind is an error.
//!
//! Cost: O(values that the path visits), and the size of the reply.

use super::count;
use super::printing::{self, Form};
use super::reply::{kind_name, write_forms};
use super::row::{
    BAD_INTEGER, NO_DOCUMENT, READ_KEY, READING, READS, coded, compiled, each_result, missing,
    missing_or_not, path_at, read, utf8, whole, wrong_value,
};
use crate::server::{Call, CommandResult, Spec};
use russet_base::numbers::number::parse_i64;
use russet_base::text::Printable;
use russet_command::{Arity, CommandError};
use russet_json::{Document, Kind, Path, PathCache, Value, View};
use russet_resp::Reply;

const LOOKS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: count::ONE,
    ..Spec::new("", kind)
};

pub(super) const TYPE: Spec = Spec {
    name: "json.type",
    ..LOOKS
};

/// `JSON.TYPE key [path]`: the types of values.
///
/// Reply: array of bulk strings, of a legacy path one; null without a match. RESP3 wraps either in
/// one more array.
fn kind(call: &mut Call<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let json = read(&mut call.db, key)?;
    let reply = &mut *call.reply;
    let path = match &json {
        Some(_) => Some(compiled(&mut call.server.json_paths, text)?),
        None => None,
    };
    whole(reply, |reply| {
        if reply.resp3() {
            reply.array(1);
        }
        let (Some(json), Some(path)) = (&json, &path) else {
            reply.null();
            return Ok(());
        };
        let write = |reply: &mut Reply, found: Value<'_>| {
            reply.bulk(kind_name(found).as_bytes());
            Ok(())
        };
        answer(reply, path, json.root(), write, |reply| {
            reply.null();
            Ok(())
        })
    })
}

pub(super) const STRLEN: Spec = Spec {
    name: "json.strlen",
    handler: strlen,
    ..LOOKS
};

/// `JSON.STRLEN key [path]`: the lengths of strings in bytes.
///
/// Reply: array of integers or nulls, of a legacy path one.
fn strlen(call: &mut Call<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let Some(json) = read(&mut call.db, key)? else {
        return without_document(call.reply, text, NO_DOCUMENT);
    };
    let path = compiled(&mut call.server.json_paths, text)?;
    let write = |reply: &mut Reply, found: Value<'_>| {
        let text = found
            .text()
            .ok_or_else(|| wrong_value("string", kind_name(found)))?;
        reply.int(text.len() as i64);
        Ok(())
    };
    answer(call.reply, &path, json.root(), write, |_| {
        Err(missing(path.text()))
    })
}

pub(super) const ARRLEN: Spec = Spec {
    name: "json.arrlen",
    handler: arrlen,
    ..LOOKS
};

/// `JSON.ARRLEN key [path]`: the lengths of arrays.
///
/// Reply: array of integers or nulls, of a legacy path one.
fn arrlen(call: &mut Call<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let Some(json) = read(&mut call.db, key)? else {
        return without_document(call.reply, text, NO_DOCUMENT);
    };
    let path = compiled(&mut call.server.json_paths, text)?;
    // The path as it was given, unlike elsewhere.
    let write = |reply: &mut Reply, found: Value<'_>| match found.kind() {
        Kind::Array => {
            reply.int(found.len() as i64);
            Ok(())
        }
        _ => Err(missing_or_not(Printable(text.as_bytes()), "not an array")),
    };
    answer(call.reply, &path, json.root(), write, |_| {
        Err(missing(Printable(text.as_bytes())))
    })
}

pub(super) const OBJLEN: Spec = Spec {
    name: "json.objlen",
    handler: objlen,
    ..LOOKS
};

/// `JSON.OBJLEN key [path]`: the numbers of members of objects.
///
/// Reply: array of integers or nulls, of a legacy path one; null without a match.
fn objlen(call: &mut Call<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let Some(json) = read(&mut call.db, key)? else {
        let error = missing_or_not(Printable(text.as_bytes()), "not an object");
        return without_document(call.reply, text, error);
    };
    let path = compiled(&mut call.server.json_paths, text)?;
    let write = |reply: &mut Reply, found: Value<'_>| match found.kind() {
        Kind::Object => {
            reply.int(found.len() as i64);
            Ok(())
        }
        _ => Err(wrong_value("object", kind_name(found))),
    };
    answer(call.reply, &path, json.root(), write, |reply| {
        reply.null();
        Ok(())
    })
}

pub(super) const OBJKEYS: Spec = Spec {
    name: "json.objkeys",
    handler: objkeys,
    work: count::NAMES,
    ..LOOKS
};

/// `JSON.OBJKEYS key [path]`: the names of members.
///
/// Reply: array of arrays or nulls, of a legacy path one; null without a match.
fn objkeys(call: &mut Call<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let Some(json) = read(&mut call.db, key)? else {
        return without_document(call.reply, text, NO_DOCUMENT);
    };
    let path = compiled(&mut call.server.json_paths, text)?;
    let write = |reply: &mut Reply, found: Value<'_>| match found.kind() {
        Kind::Object => {
            reply.array(found.len());
            for (name, _) in found.children() {
                reply.bulk(name.unwrap_or_default().as_bytes());
            }
            Ok(())
        }
        _ => Err(missing_or_not(path.text(), "not an object")),
    };
    answer(call.reply, &path, json.root(), write, |reply| {
        reply.null();
        Ok(())
    })
}

pub(super) const RESP: Spec = Spec {
    name: "json.resp",
    handler: resp,
    work: count::CONTENT,
    ..LOOKS
};

/// `JSON.RESP key [path]`: values as replies: an array begins with `[`, an object with `{` and has
/// names and values in turn.
///
/// Reply: array of such forms, of a legacy path one.
fn resp(call: &mut Call<'_>) -> CommandResult {
    if let Some(outcome) = printing::printed(call) {
        return outcome;
    }
    let (key, text) = (call.args.at(1), path_at(call.args, 2)?);
    let Some(json) = read(&mut call.db, key)? else {
        call.reply.null();
        return Ok(());
    };
    let paths = &mut call.server.json_paths;
    if let Some(document) = printing::shared(&json, &[text], paths) {
        let form = Form::Values(|args, _, document, paths, reply| {
            write_resp(path_at(args, 2)?, document, paths, reply)
        });
        return printing::print(call, vec![Some(document)], form);
    }
    write_resp(text, &json, paths, call.reply)
}

/// The reply of RESP.
fn write_resp(
    text: &str,
    document: &Document,
    paths: &mut PathCache,
    reply: &mut Reply,
) -> CommandResult {
    let path = compiled(paths, text)?;
    let write = |reply: &mut Reply, found: Value<'_>| {
        write_forms(reply, found);
        Ok(())
    };
    answer(reply, &path, document.root(), write, |_| {
        Err(missing(path.text()))
    })
}

pub(super) const ARRINDEX: Spec = Spec {
    name: "json.arrindex",
    arity: Arity::AtLeast(4),
    handler: arrindex,
    work: count::SEARCHED,
    ..LOOKS
};

/// `JSON.ARRINDEX key path value [start [stop]]`: where a value first stands in arrays.
///
/// `stop` is exclusive, 0 and below count from the end, 0 being the end itself; a start beyond the
/// last element is that element. Reply: array of integers, -1 if it is not there, or nulls; of a
/// legacy path one.
fn arrindex(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() > 6 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let (key, text, wanted) = (args.at(1), path_at(args, 2)?, utf8(args.at(3))?);
    let bound = |at| {
        args.get(at)
            .map_or(Ok(0), |text| parse_i64(text).ok_or(BAD_INTEGER))
    };
    let (start, stop) = (bound(4)?, bound(5)?);
    // The key is looked up first, and a value that is no JSON is an error before its type.
    let json = read(&mut call.db, key);
    let wanted = Document::parse(wanted.as_bytes()).map_err(coded)?;
    let Some(json) = json? else {
        return Err(missing(Printable(text.as_bytes())));
    };
    let path = compiled(&mut call.server.json_paths, text)?;
    let write = |reply: &mut Reply, found: Value<'_>| {
        if !matches!(found.kind(), Kind::Array) {
            return Err(wrong_value("array", kind_name(found)));
        }
        let (from, to) = searched(found.len() as i64, start, stop);
        let mut elements = found.children().skip(from).take(to.saturating_sub(from));
        let at = elements.position(|(_, element)| element.is_equal(wanted.root()));
        reply.int(at.map_or(-1, |at| (from + at) as i64));
        Ok(())
    };
    answer(call.reply, &path, json.root(), write, |_| {
        Err(missing(path.text()))
    })
}

/// The elements from `start` to `stop` of an array of length `len`: from the first up to the
/// second of these.
fn searched(len: i64, start: i64, stop: i64) -> (usize, usize) {
    if len == 0 {
        return (0, 0);
    }
    let from = if start < 0 {
        (len + start).max(0)
    } else {
        start.min(len - 1)
    };
    let to = match stop {
        0 => len,
        stop if stop < 0 => (len + stop).max(0),
        stop => stop.min(len),
    };
    (from as usize, to as usize)
}

/// The answer without a document: null for a legacy path.
fn without_document(reply: &mut Reply, text: &str, error: CommandError) -> CommandResult {
    if Path::is_legacy_text(text) {
        reply.null();
        return Ok(());
    }
    Err(error)
}

/// Answers with what `write` makes of each match; a legacy path that matches nothing is answered
/// by `none`.
fn answer(
    reply: &mut Reply,
    path: &Path,
    root: Value<'_>,
    write: impl Fn(&mut Reply, Value<'_>) -> CommandResult,
    none: impl FnOnce(&mut Reply) -> CommandResult,
) -> CommandResult {
    if path.is_legacy() {
        let mut outcome = None;
        each_result(path, root, |found| outcome = Some(write(reply, found)))?;
        return outcome.unwrap_or_else(|| none(reply));
    }
    whole(reply, |reply| {
        let place = reply.defer();
        let mut results = 0;
        each_result(path, root, |found| {
            results += 1;
            if write(reply, found).is_err() {
                reply.null();
            }
        })?;
        reply.finish_array(place, results);
        Ok(())
    })
}
