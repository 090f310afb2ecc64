//! Values as replies.

use russet_command::CommandError;
use russet_json::{Format, Kind, Number, Path, Value, View};
use russet_resp::Reply;
use russet_server::CommandResult;

/// The name of a value's type, as JSON.TYPE has it.
pub(super) fn kind_name(value: Value<'_>) -> &'static str {
    match value.kind() {
        Kind::Null => "null",
        Kind::Bool(_) => "boolean",
        Kind::Number(Number::Signed(_) | Number::Unsigned(_)) => "integer",
        Kind::Number(Number::Float(_)) => "number",
        Kind::String => "string",
        Kind::Array => "array",
        Kind::Object => "object",
    }
}

/// The forms of JSON.RESP: a container begins with a bracket.
pub(super) fn write_forms(reply: &mut Reply, value: Value<'_>) {
    match value.kind() {
        Kind::Null => reply.null(),
        Kind::Bool(yes) => reply.simple(if yes { "true" } else { "false" }),
        Kind::Number(number) => write_number(reply, number),
        Kind::String => reply.bulk(value.text().unwrap_or_default().as_bytes()),
        Kind::Array => {
            reply.array(1 + value.len());
            reply.simple("[");
            for (_, element) in value.children() {
                write_forms(reply, element);
            }
        }
        Kind::Object => {
            reply.array(1 + 2 * value.len());
            reply.simple("{");
            for (name, member) in value.children() {
                reply.bulk(name.unwrap_or_default().as_bytes());
                write_forms(reply, member);
            }
        }
    }
}

/// A value with RESP3's own types, containers within down to `depth`; deeper containers, and
/// strings there, are JSON text.
pub(super) fn write_expanded(reply: &mut Reply, value: Value<'_>, depth: usize) {
    match value.kind() {
        Kind::Null => reply.null(),
        Kind::Bool(yes) => reply.boolean(yes),
        Kind::Number(number) => write_number(reply, number),
        Kind::String | Kind::Array | Kind::Object if depth == 0 => {
            let mut text = Vec::new();
            value.print(&Format::default(), &mut text);
            reply.bulk_owned(text);
        }
        Kind::String => reply.bulk(value.text().unwrap_or_default().as_bytes()),
        Kind::Array => {
            reply.array(value.len());
            for (_, element) in value.children() {
                write_expanded(reply, element, depth - 1);
            }
        }
        Kind::Object => {
            reply.map(value.len());
            for (name, member) in value.children() {
                reply.bulk(name.unwrap_or_default().as_bytes());
                write_expanded(reply, member, depth - 1);
            }
        }
    }
}

/// An integer, or a double; above the integers of the protocol, the double's text.
pub(super) fn write_number(reply: &mut Reply, number: Number) {
    match number {
        Number::Signed(n) => reply.int(n),
        Number::Unsigned(n) => reply.double(n as f64),
        Number::Float(value) => reply.double(value),
    }
}

/// The result of a legacy path in a writing command: the last result of a match of the kind.
pub(super) fn last<T>(results: &[Option<T>]) -> Option<&T> {
    results.iter().rev().find_map(Option::as_ref)
}

/// Writes the new lengths of the matches, null for a match of another kind; of a legacy path the
/// last length, or the error `none` if no match has a length.
pub(super) fn reply_lengths(
    reply: &mut Reply,
    path: &Path,
    lengths: Vec<Option<usize>>,
    none: impl FnOnce() -> CommandError,
) -> CommandResult {
    if path.is_legacy() {
        let last = last(&lengths).ok_or_else(none)?;
        reply.int(*last as i64);
        return Ok(());
    }
    reply.array(lengths.len());
    for length in lengths {
        match length {
            Some(length) => reply.int(length as i64),
            None => reply.null(),
        }
    }
    Ok(())
}
