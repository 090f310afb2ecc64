//! A reply as text, in the forms of redis-cli, byte for byte.
//!
//!     Terminal   1) (integer) 1     for eyes: types, positions, quotes
//!     Raw        the bytes, elements by a delimiter
//!     Csv        a line
//!     Json       a line; maps are objects
//!
//! Each is a function from a reply to bytes; the caller adds what separates replies. Recursion is
//! as deep as the reply, which the link bounds.

use russet_base::numbers::float::write_double;
use russet_resp::ReplyValue;

use crate::words::quote;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Terminal,
    Raw,
    Csv,
    Json,
    /// Bytes that are not printable ASCII are escapes within the JSON strings.
    QuotedJson,
}

/// Appends a reply; `delimiter` stands between the elements of a raw reply.
pub(crate) fn reply(out: &mut Vec<u8>, form: Form, value: &ReplyValue, delimiter: &[u8]) {
    match form {
        Form::Terminal => terminal(out, value, 0),
        Form::Raw => raw(out, value, delimiter),
        Form::Csv => csv(out, value),
        Form::Json | Form::QuotedJson => json(out, value, form),
    }
}

/// The text of a verbatim string, without its format.
pub(crate) fn verbatim(bytes: &[u8]) -> &[u8] {
    bytes.get(4..).unwrap_or_default()
}

fn double(out: &mut Vec<u8>, value: f64) {
    write_double(out, value);
}

fn is_aggregate(value: &ReplyValue) -> bool {
    matches!(
        value,
        ReplyValue::Array(_) | ReplyValue::Set(_) | ReplyValue::Map(_) | ReplyValue::Push(_)
    )
}

fn terminal(out: &mut Vec<u8>, value: &ReplyValue, indent: usize) {
    match value {
        ReplyValue::Error(text) => {
            out.extend(b"(error) ");
            out.extend(text);
        }
        ReplyValue::Simple(text) => out.extend(text),
        ReplyValue::BigNumber(digits) => out.extend(digits),
        ReplyValue::Integer(n) => out.extend(format!("(integer) {n}").bytes()),
        ReplyValue::Double(n) => {
            out.extend(b"(double) ");
            double(out, *n);
        }
        ReplyValue::Bulk(bytes) => quote(out, bytes),
        ReplyValue::Verbatim(bytes) => out.extend(verbatim(bytes)),
        ReplyValue::Null => out.extend(b"(nil)"),
        ReplyValue::Boolean(yes) => out.extend(format!("({yes})").bytes()),
        ReplyValue::Array(values) => return listed(out, values, indent, ')', "array"),
        ReplyValue::Set(values) => return listed(out, values, indent, '~', "set"),
        ReplyValue::Map(values) => return listed(out, values, indent, '#', "hash"),
        ReplyValue::Push(values) => return listed(out, values, indent, '>', "push"),
    }
    out.push(b'\n');
}

/// Elements under each other, each with its position; the first element on the line that has begun.
fn listed(out: &mut Vec<u8>, values: &[ReplyValue], indent: usize, mark: char, kind: &str) {
    if values.is_empty() {
        out.extend(format!("(empty {kind})\n").bytes());
        return;
    }
    let step = if mark == '#' { 2 } else { 1 };
    let width = (values.len() / step).to_string().len();
    let inner = indent + width + 2;
    for (at, entry) in values.chunks(step).enumerate() {
        if at > 0 {
            out.resize(out.len() + indent, b' ');
        }
        out.extend(format!("{:>width$}{mark} ", at + 1).bytes());
        terminal(out, &entry[0], inner);
        let Some(value) = entry.get(1) else { continue };
        out.pop();
        out.extend(b" => ");
        let mut text = Vec::new();
        terminal(&mut text, value, inner);
        // A value of several lines begins on its own.
        if is_aggregate(value) && text[..text.len() - 1].contains(&b'\n') {
            out.push(b'\n');
            out.resize(out.len() + inner, b' ');
        }
        out.extend(text);
    }
}

fn raw(out: &mut Vec<u8>, value: &ReplyValue, delimiter: &[u8]) {
    match value {
        ReplyValue::Null => {}
        ReplyValue::Error(text) => {
            out.extend(text);
            out.push(b'\n');
        }
        ReplyValue::Simple(text) | ReplyValue::Bulk(text) | ReplyValue::BigNumber(text) => {
            out.extend(text);
        }
        ReplyValue::Verbatim(bytes) => out.extend(verbatim(bytes)),
        ReplyValue::Integer(n) => out.extend(n.to_string().bytes()),
        ReplyValue::Double(n) => double(out, *n),
        ReplyValue::Boolean(yes) => out.extend(format!("({yes})").bytes()),
        ReplyValue::Array(values) | ReplyValue::Set(values) | ReplyValue::Push(values) => {
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.extend(delimiter);
                }
                raw(out, value, delimiter);
            }
        }
        ReplyValue::Map(values) => {
            for (at, pair) in values.chunks(2).enumerate() {
                if at > 0 {
                    out.extend(delimiter);
                }
                raw(out, &pair[0], delimiter);
                out.push(b' ');
                raw(out, &pair[1], delimiter);
            }
        }
    }
}

fn csv(out: &mut Vec<u8>, value: &ReplyValue) {
    match value {
        ReplyValue::Error(text) => {
            out.extend(b"ERROR,");
            quote(out, text);
        }
        ReplyValue::Simple(text) | ReplyValue::Bulk(text) => quote(out, text),
        ReplyValue::Verbatim(bytes) => quote(out, verbatim(bytes)),
        ReplyValue::BigNumber(digits) => out.extend(digits),
        ReplyValue::Integer(n) => out.extend(n.to_string().bytes()),
        ReplyValue::Double(n) => double(out, *n),
        ReplyValue::Null => out.extend(b"NULL"),
        ReplyValue::Boolean(yes) => out.extend(yes.to_string().bytes()),
        ReplyValue::Array(values)
        | ReplyValue::Set(values)
        | ReplyValue::Map(values)
        | ReplyValue::Push(values) => {
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                csv(out, value);
            }
        }
    }
}

fn json(out: &mut Vec<u8>, value: &ReplyValue, form: Form) {
    match value {
        ReplyValue::Error(text) => {
            out.extend(b"error:");
            json_text(out, text, form);
        }
        ReplyValue::Simple(text) | ReplyValue::Bulk(text) => json_text(out, text, form),
        ReplyValue::Verbatim(bytes) => json_text(out, verbatim(bytes), form),
        ReplyValue::BigNumber(digits) => out.extend(digits),
        ReplyValue::Integer(n) => out.extend(n.to_string().bytes()),
        ReplyValue::Double(n) => double(out, *n),
        ReplyValue::Null => out.extend(b"null"),
        ReplyValue::Boolean(yes) => out.extend(yes.to_string().bytes()),
        ReplyValue::Array(values) | ReplyValue::Set(values) | ReplyValue::Push(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                json(out, value, form);
            }
            out.push(b']');
        }
        ReplyValue::Map(values) => {
            out.push(b'{');
            for (at, pair) in values.chunks(2).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                json_name(out, &pair[0], form);
                out.push(b':');
                json(out, &pair[1], form);
            }
            out.push(b'}');
        }
    }
}

/// The name of an object's member is a string, whatever the key of the map is.
fn json_name(out: &mut Vec<u8>, key: &ReplyValue, form: Form) {
    match key {
        ReplyValue::Error(text) | ReplyValue::Simple(text) | ReplyValue::Bulk(text) => {
            json_text(out, text, form);
        }
        ReplyValue::Verbatim(bytes) => json_text(out, verbatim(bytes), form),
        other => {
            let mut text = Vec::new();
            json(&mut text, other, form);
            json_text(out, &text, form);
        }
    }
}

fn json_text(out: &mut Vec<u8>, bytes: &[u8], form: Form) {
    if form == Form::QuotedJson {
        let mut text = Vec::new();
        quote(&mut text, bytes);
        return json_text(out, &text[1..text.len() - 1], Form::Json);
    }
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x08 => out.extend(b"\\b"),
            0x0c => out.extend(b"\\f"),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> ReplyValue {
        ReplyValue::Bulk(text.as_bytes().to_vec())
    }

    fn printed(form: Form, value: &ReplyValue) -> String {
        let mut out = Vec::new();
        reply(&mut out, form, value, b"\n");
        String::from_utf8(out).expect("UTF-8")
    }

    fn nested() -> ReplyValue {
        ReplyValue::Array(vec![
            ReplyValue::Integer(1),
            ReplyValue::Array(vec![bulk("a\nb"), ReplyValue::Array(vec![])]),
            ReplyValue::Simple(b"X".to_vec()),
            ReplyValue::Null,
            ReplyValue::Error(b"ERR in".to_vec()),
        ])
    }

    #[test]
    fn a_terminal_shows_types_and_positions() {
        let wanted = "1) (integer) 1\n2) 1) \"a\\nb\"\n   2) (empty array)\n3) X\n4) (nil)\n\
            5) (error) ERR in\n";
        assert_eq!(printed(Form::Terminal, &nested()), wanted);
        let ten = ReplyValue::Set((0..10).map(ReplyValue::Integer).collect());
        let text = printed(Form::Terminal, &ten);
        assert!(text.starts_with(" 1~ (integer) 0\n 2~"), "{text}");
        assert!(text.ends_with("10~ (integer) 9\n"), "{text}");
    }

    #[test]
    fn a_map_has_its_short_values_on_the_line() {
        let inner = |n: i64| ReplyValue::Map((0..2 * n).map(ReplyValue::Integer).collect());
        let map = ReplyValue::Map(vec![
            bulk("one"),
            ReplyValue::Array(vec![bulk("x")]),
            bulk("two"),
            inner(2),
        ]);
        let wanted = "1# \"one\" => 1) \"x\"\n2# \"two\" => \n   1# (integer) 0 => (integer) 1\n   \
            2# (integer) 2 => (integer) 3\n";
        assert_eq!(printed(Form::Terminal, &map), wanted);
        assert_eq!(printed(Form::Raw, &inner(2)), "0 1\n2 3");
        assert_eq!(printed(Form::Csv, &inner(2)), "0,1,2,3");
        assert_eq!(printed(Form::Json, &inner(2)), "{\"0\":1,\"2\":3}");
    }

    #[test]
    fn scripts_get_bytes_lines_or_json() {
        assert_eq!(printed(Form::Raw, &nested()), "1\na\nb\n\nX\n\nERR in\n");
        let line = "1,\"a\\nb\",,\"X\",NULL,ERROR,\"ERR in\"";
        assert_eq!(printed(Form::Csv, &nested()), line);
        let line = "[1,[\"a\\nb\",[]],\"X\",null,error:\"ERR in\"]";
        assert_eq!(printed(Form::Json, &nested()), line);
        let value = ReplyValue::Bulk("é\"\u{1}".as_bytes().to_vec());
        assert_eq!(printed(Form::Json, &value), "\"é\\\"\\u0001\"");
        let line = r#""\\xc3\\xa9\\\"\\x01""#;
        assert_eq!(printed(Form::QuotedJson, &value), line);
    }

    #[test]
    fn a_verbatim_string_is_its_text() {
        let value = ReplyValue::Verbatim(b"txt:two\nlines".to_vec());
        assert_eq!(printed(Form::Terminal, &value), "two\nlines\n");
        assert_eq!(printed(Form::Raw, &value), "two\nlines");
        assert_eq!(printed(Form::Csv, &value), "\"two\\nlines\"");
        assert_eq!(printed(Form::Json, &ReplyValue::Double(1.5)), "1.5");
        let value = ReplyValue::Double(f64::INFINITY);
        assert_eq!(printed(Form::Terminal, &value), "(double) inf\n");
    }
}
