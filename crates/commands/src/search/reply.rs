//! The parts of replies that SEARCH and AGGREGATE share.

use russet_json::{Document, Kind, Number, Value as Json, View};
use russet_resp::Reply;
use russet_search::expression::Value;
use russet_search::hit::Explanation;
use russet_search::pipeline::FieldName;
use russet_search::request::Format;

/// The fields of a row as a map (RESP2: an array), in the row's order. `written`: the bytes, if the
/// fields were written before.
pub(super) fn reply_row_fields<'n>(
    (fields, written): (&'n [(FieldName, Value)], Option<&[u8]>),
    name: impl Fn(usize) -> &'n [u8],
    format: Format,
    reply: &mut Reply,
) {
    if let Some(written) = written {
        return reply.raw(written);
    }
    reply.map(fields.len());
    reply_fields(fields, name, format, reply);
}

/// Names and values of a row, in the row's order.
fn reply_fields<'n>(
    fields: &'n [(FieldName, Value)],
    name: impl Fn(usize) -> &'n [u8],
    format: Format,
    reply: &mut Reply,
) {
    for (field, value) in fields {
        reply.bulk(field.bytes(&name));
        match (format, value) {
            (Format::Expand, Value::Text(text)) => reply_expanded(text, reply),
            (Format::Expand, Value::Several(of)) => reply_expanded(&of.text, reply),
            _ => reply_value(value, reply),
        }
    }
}

/// Numbers are texts in both protocols; maps, of COLLECT, are arrays in RESP2.
fn reply_value(value: &Value, reply: &mut Reply) {
    match value {
        Value::List(items) => {
            reply.array(items.len());
            items.iter().for_each(|item| reply_value(item, reply));
        }
        Value::Map(entries) => {
            reply.map(entries.len());
            for (name, value) in entries {
                reply.bulk(name);
                reply_value(value, reply);
            }
        }
        Value::Several(of) => reply.bulk(&of.text),
        value => match value.text() {
            Some(text) => reply.bulk(&text),
            None => reply.null(),
        },
    }
}

/// An array or an object of JSON as values of the protocol, another text as it is.
fn reply_expanded(text: &[u8], reply: &mut Reply) {
    let is_json = matches!(text.first(), Some(b'[' | b'{'));
    match Document::parse(text) {
        Ok(document) if is_json => reply_json(document.root(), reply),
        _ => reply.bulk(text),
    }
}

fn reply_json(value: Json<'_>, reply: &mut Reply) {
    match value.kind() {
        Kind::Null => reply.null(),
        Kind::Bool(value) => reply.int(value.into()),
        Kind::Number(Number::Signed(n)) => reply.int(n),
        Kind::Number(number) => reply_number(number.as_f64(), reply),
        Kind::String => reply.bulk(value.text().unwrap_or("").as_bytes()),
        Kind::Array => {
            reply.array(value.len());
            value.values().for_each(|item| reply_json(item, reply));
        }
        Kind::Object => {
            reply.map(value.len());
            for (name, item) in value.children() {
                reply.bulk(name.unwrap_or("").as_bytes());
                reply_json(item, reply);
            }
        }
    }
}

/// A whole number as an integer.
fn reply_number(n: f64, reply: &mut Reply) {
    if n == n.trunc() && n.abs() < 9.0e18 {
        reply.int(n as i64);
    } else {
        reply.double(n);
    }
}

/// The steps of a score: a text, or a text and the steps that it is made of.
pub(super) fn reply_explanation(of: &Explanation, reply: &mut Reply) {
    if of.parts.is_empty() {
        return reply.simple(&of.text);
    }
    reply.array(2);
    reply.simple(&of.text);
    reply.array(of.parts.len());
    of.parts
        .iter()
        .for_each(|part| reply_explanation(part, reply));
}

/// FORMAT as replies name it.
pub(super) fn format_name(format: Format) -> &'static str {
    match format {
        Format::String => "STRING",
        Format::Expand => "EXPAND",
    }
}

/// Warnings about missing rows.
pub(super) fn reply_warnings<'w>(warnings: impl Iterator<Item = &'w str>, reply: &mut Reply) {
    let warnings: Vec<&str> = warnings.collect();
    reply.array(warnings.len());
    warnings.iter().for_each(|warning| reply.simple(warning));
}
