//! Commands that look at values: TYPE, STRLEN, ARRLEN, OBJLEN, OBJKEYS, ARRINDEX, RESP.
//!
//! JSONPath answers an array with a result for each match, null if the match is of another kind. A
//! legacy path answers the result of the first match; a match of another kind is an error.
//!
//! Cost: O(values that the path visits), and the size of the reply.

use super::count;
use super::printing::{self, Form, Means, Write, reply_from};
use super::reply::{kind_name, write_forms};
use super::row::{
    BAD_INTEGER, NO_DOCUMENT, READ_KEY, READING, READS, coded, compiled, each_result, missing,
    missing_or_not, path_at, plain, read, utf8, whole, wrong_value,
};
use russet_base::numbers::number::parse_i64;
use russet_base::text::Printable;
use russet_command::{Arity, CommandError};
use russet_json::{Document, EvalError, Kind, Path, Value, View};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};

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
/// Reply: array of bulk strings, of a legacy path a bulk string; null without a match. RESP3 wraps
/// either in another array.
fn kind(call: &mut Call<'_>) -> CommandResult {
    path_at(call.args, 2)?;
    let write: Write = |args, _, document, means, reply| {
        let path = compiled(means.paths, path_at(args, 2)?)?;
        whole(reply, |reply| {
            if reply.resp3() {
                reply.array(1);
            }
            let write = |reply: &mut Reply, found: Value<'_>| {
                reply.bulk(kind_name(found).as_bytes());
                Ok(())
            };
            answer(reply, &path, document, means, write, null)
        })
    };
    if !reply_from(call, call.args.at(1), write)? {
        if call.reply.resp3() {
            call.reply.array(1);
        }
        call.reply.null();
    }
    Ok(())
}

/// The reply of some commands if a legacy path matches nothing.
fn null(reply: &mut Reply) -> CommandResult {
    reply.null();
    Ok(())
}

pub(super) const STRLEN: Spec = Spec {
    name: "json.strlen",
    handler: strlen,
    ..LOOKS
};

/// `JSON.STRLEN key [path]`: the lengths of strings in bytes.
///
/// Reply: array of integers or nulls, of a legacy path an integer.
fn strlen(call: &mut Call<'_>) -> CommandResult {
    let text = path_at(call.args, 2)?;
    let is_answered = reply_from(call, call.args.at(1), |args, _, document, means, reply| {
        let path = compiled(means.paths, path_at(args, 2)?)?;
        let write = |reply: &mut Reply, found: Value<'_>| {
            let text = found
                .text()
                .ok_or_else(|| wrong_value("string", kind_name(found)))?;
            reply.int(text.len() as i64);
            Ok(())
        };
        answer(reply, &path, document, means, write, |_| {
            Err(missing(path.text()))
        })
    })?;
    if is_answered {
        return Ok(());
    }
    without_document(call.reply, text, NO_DOCUMENT)
}

pub(super) const ARRLEN: Spec = Spec {
    name: "json.arrlen",
    handler: arrlen,
    ..LOOKS
};

/// `JSON.ARRLEN key [path]`: the lengths of arrays.
///
/// Reply: array of integers or nulls, of a legacy path an integer.
fn arrlen(call: &mut Call<'_>) -> CommandResult {
    let text = path_at(call.args, 2)?;
    let is_answered = reply_from(call, call.args.at(1), |args, _, document, means, reply| {
        let text = path_at(args, 2)?;
        let path = compiled(means.paths, text)?;
        // The path as it was given, unlike elsewhere.
        let write = |reply: &mut Reply, found: Value<'_>| match found.kind() {
            Kind::Array => {
                reply.int(found.len() as i64);
                Ok(())
            }
            _ => Err(missing_or_not(Printable(text.as_bytes()), "not an array")),
        };
        answer(reply, &path, document, means, write, |_| {
            Err(missing(Printable(text.as_bytes())))
        })
    })?;
    if is_answered {
        return Ok(());
    }
    without_document(call.reply, text, NO_DOCUMENT)
}

pub(super) const OBJLEN: Spec = Spec {
    name: "json.objlen",
    handler: objlen,
    ..LOOKS
};

/// `JSON.OBJLEN key [path]`: the numbers of members of objects.
///
/// Reply: array of integers or nulls, of a legacy path an integer; null without a match.
fn objlen(call: &mut Call<'_>) -> CommandResult {
    let text = path_at(call.args, 2)?;
    let is_answered = reply_from(call, call.args.at(1), |args, _, document, means, reply| {
        let path = compiled(means.paths, path_at(args, 2)?)?;
        let write = |reply: &mut Reply, found: Value<'_>| match found.kind() {
            Kind::Object => {
                reply.int(found.len() as i64);
                Ok(())
            }
            _ => Err(wrong_value("object", kind_name(found))),
        };
        answer(reply, &path, document, means, write, null)
    })?;
    if is_answered {
        return Ok(());
    }
    let error = missing_or_not(Printable(text.as_bytes()), "not an object");
    without_document(call.reply, text, error)
}

pub(super) const OBJKEYS: Spec = Spec {
    name: "json.objkeys",
    handler: objkeys,
    work: count::NAMES,
    ..LOOKS
};

/// `JSON.OBJKEYS key [path]`: the names of members.
///
/// Reply: array of arrays or nulls, of a legacy path an array; null without a match.
fn objkeys(call: &mut Call<'_>) -> CommandResult {
    let text = path_at(call.args, 2)?;
    let is_answered = reply_from(call, call.args.at(1), |args, _, document, means, reply| {
        let path = compiled(means.paths, path_at(args, 2)?)?;
        let budget = means.budget;
        let write = |reply: &mut Reply, found: Value<'_>| match found.kind() {
            Kind::Object => {
                reply.array(found.len());
                for (name, _) in found.children() {
                    budget.spend(1).map_err(plain)?;
                    reply.bulk(name.unwrap_or_default().as_bytes());
                }
                Ok(())
            }
            _ => Err(missing_or_not(path.text(), "not an object")),
        };
        answer(reply, &path, document, means, write, null)
    })?;
    if is_answered {
        return Ok(());
    }
    without_document(call.reply, text, NO_DOCUMENT)
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
/// Reply: array of such forms, of a legacy path one form.
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
        return printing::print(call, vec![Some(document)], Form::Values(write_resp));
    }
    reply_from(call, key, write_resp).map(|_| ())
}

/// The reply of RESP.
fn write_resp(
    args: Args<'_>,
    _: &str,
    document: &Document,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> CommandResult {
    let path = compiled(means.paths, path_at(args, 2)?)?;
    let write = |reply: &mut Reply, found: Value<'_>| {
        write_forms(reply, found);
        Ok(())
    };
    answer(reply, &path, document, means, write, |_| {
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

/// `JSON.ARRINDEX key path value [start [stop]]`: the first index of a value in arrays.
///
/// `stop` is exclusive, 0 and below count from the end, 0 being the end itself; a start beyond the
/// last element means the last element. Reply: array of integers, -1 if the value is not there, or
/// nulls; of a legacy path an integer.
fn arrindex(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() > 6 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let (text, wanted) = (path_at(args, 2)?, utf8(args.at(3))?);
    SearchedRange::parse(args)?;
    if let Err(error) = Document::parse(wanted.as_bytes()) {
        // The handler looks up the key first, but judges the key's type after the value.
        let _ = read(&mut call.db, args.at(1));
        return Err(coded(error));
    }
    if reply_from(call, args.at(1), write_index)? {
        return Ok(());
    }
    Err(missing(Printable(text.as_bytes())))
}

/// The reply of ARRINDEX.
fn write_index(
    args: Args<'_>,
    _: &str,
    document: &Document,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> CommandResult {
    let range = SearchedRange::parse(args)?;
    let wanted = Document::parse(args.at(3)).map_err(coded)?;
    let path = compiled(means.paths, path_at(args, 2)?)?;
    let budget = means.budget;
    let write = |reply: &mut Reply, found: Value<'_>| {
        if !matches!(found.kind(), Kind::Array) {
            return Err(wrong_value("array", kind_name(found)));
        }
        let (from, to) = range.within(found.len() as i64);
        budget.spend(from as u64).map_err(plain)?;
        let mut elements = found.values().skip(from).take(to.saturating_sub(from));
        let mut at = from;
        let is_there = loop {
            let Some(element) = elements.next() else {
                break false;
            };
            // No comparison goes further than the shorter of both.
            budget.spend(1).map_err(plain)?;
            budget.spend_bytes(wanted.memory_bytes()).map_err(plain)?;
            if element.is_equal(wanted.root()) {
                break true;
            }
            at += 1;
        };
        reply.int(if is_there { at as i64 } else { -1 });
        Ok(())
    };
    answer(reply, &path, document, means, write, |_| {
        Err(missing(path.text()))
    })
}

/// The elements that are searched, as the arguments name them.
struct SearchedRange {
    start: i64,
    stop: i64,
}

impl SearchedRange {
    fn parse(args: Args<'_>) -> Result<SearchedRange, CommandError> {
        let bound = |at| {
            args.get(at)
                .map_or(Ok(0), |text| parse_i64(text).ok_or(BAD_INTEGER))
        };
        Ok(SearchedRange {
            start: bound(4)?,
            stop: bound(5)?,
        })
    }

    /// The elements of an array of length `len`: from the first up to the second of these.
    fn within(&self, len: i64) -> (usize, usize) {
        if len == 0 {
            return (0, 0);
        }
        let from = if self.start < 0 {
            self.start.saturating_add(len).max(0)
        } else {
            self.start.min(len - 1)
        };
        let to = match self.stop {
            0 => len,
            stop if stop < 0 => stop.saturating_add(len).max(0),
            stop => stop.min(len),
        };
        (from as usize, to as usize)
    }
}

/// The answer without a document: null for a legacy path.
fn without_document(reply: &mut Reply, text: &str, error: CommandError) -> CommandResult {
    if Path::is_legacy_text(text) {
        reply.null();
        return Ok(());
    }
    Err(error)
}

/// Answers with the replies that `write` makes of each match; `none` answers a legacy path that
/// matches nothing.
fn answer(
    reply: &mut Reply,
    path: &Path,
    document: &Document,
    means: &Means<'_>,
    write: impl Fn(&mut Reply, Value<'_>) -> CommandResult,
    none: impl FnOnce(&mut Reply) -> CommandResult,
) -> CommandResult {
    let (root, budget) = (document.root(), means.budget);
    if path.is_legacy() {
        let mut outcome = None;
        each_result(path, root, budget, |found| {
            outcome = Some(write(reply, found));
            Ok(())
        })?;
        return outcome.unwrap_or_else(|| none(reply));
    }
    whole(reply, |reply| {
        let place = reply.defer();
        let mut results = 0;
        each_result(path, root, budget, |found| {
            results += 1;
            let before = reply.pending_len();
            let is_written = write(reply, found).is_ok();
            if budget.is_spent() {
                return Err(EvalError::TooMuchWork);
            }
            if !is_written {
                reply.null();
            }
            budget.spend_result(reply.pending_len().saturating_sub(before))
        })?;
        reply.finish_array(place, results);
        Ok(())
    })
}
