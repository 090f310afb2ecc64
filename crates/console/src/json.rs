//! Replies in RESP3 as JSON, without loss.
//!
//! | RESP3 | JSON |
//! |---|---|
//! | bulk string of UTF-8, another | `"text"`, `{"b":"base64"}` |
//! | status, error | `{"s":"OK"}`, `{"e":"ERR ..."}` |
//! | integer, beyond 2^53 - 1 | `1`, `{"i":"9223372036854775807"}` |
//! | double, big number | `{"d":"-0"}`, `{"n":"123"}` |
//! | array, map, set, push | `[..]`, `{"m":[key,value,..]}`, `{"t":[..]}`, `{"p":[..]}` |
//! | verbatim string | `{"v":"text","f":"txt"}` |
//! | null, boolean | `null`, `true` |
//!
//! Attributes are left out. A status, an error or a verbatim string that is not UTF-8 has
//! `{"b":..}` in the place of the text.
//!
//! Cost: O(bytes), with a stack for the aggregates instead of recursion.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use russet_base::json::{Escapes, Object, string};

pub use russet_base::json::list;

use russet_resp::{Aggregate, ReplyHead, Text};

/// Larger integers would lose digits in a double.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// The bytes are not a whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAReply;

/// An aggregate in progress.
struct Open {
    kind: Aggregate,
    /// Values still to come.
    missing: usize,
    /// The length of the output before it.
    at: usize,
}

/// Writes the first reply in `reply`; returns how many bytes it has.
pub fn write_reply(reply: &[u8], out: &mut Vec<u8>) -> Result<usize, NotAReply> {
    let mut pos = 0;
    let mut open: Vec<Open> = Vec::new();
    loop {
        let line_end = memchr::memmem::find(&reply[pos..], b"\r\n").ok_or(NotAReply)?;
        let line = &reply[pos..pos + line_end];
        pos += line_end + 2;
        match (line.first(), ReplyHead::parse(line).map_err(|_| NotAReply)?) {
            // The text is kept, because a double that is read and written again could differ.
            (Some(b','), _) => write_wrapped(b"d", &line[1..], out),
            (_, ReplyHead::Simple(text)) => write_wrapped(b"s", text, out),
            (_, ReplyHead::Error(text)) => write_wrapped(b"e", text, out),
            (_, ReplyHead::BigNumber(text)) => write_wrapped(b"n", text, out),
            (_, ReplyHead::Integer(n)) => write_integer(n, out),
            (_, ReplyHead::Null | ReplyHead::Double(_)) => out.extend_from_slice(b"null"),
            (_, ReplyHead::Boolean(yes)) => {
                out.extend_from_slice(if yes { b"true" } else { b"false" })
            }
            (_, ReplyHead::Bytes(kind, len)) => {
                let end = pos.checked_add(len).ok_or(NotAReply)?;
                let text = reply.get(pos..end).ok_or(NotAReply)?;
                pos = end + 2;
                write_text(kind, text, out);
            }
            (_, ReplyHead::Values(kind, missing)) => {
                let at = out.len();
                out.extend_from_slice(opening(kind));
                open.push(Open { kind, missing, at });
                if missing > 0 {
                    continue;
                }
            }
        }
        if pos > reply.len() {
            return Err(NotAReply);
        }
        // The value just written ends the aggregates whose last value it is.
        let mut is_new = open.last().is_some_and(|last| last.missing == 0);
        loop {
            let Some(last) = open.last_mut() else {
                return Ok(pos);
            };
            if !is_new {
                last.missing -= 1;
            }
            is_new = false;
            if last.missing > 0 {
                out.push(b',');
                break;
            }
            let (kind, at) = (last.kind, last.at);
            open.pop();
            if kind == Aggregate::Attribute {
                // An attribute is followed by the value that it belongs to.
                out.truncate(at);
                break;
            }
            out.extend_from_slice(closing(kind));
        }
    }
}

fn opening(kind: Aggregate) -> &'static [u8] {
    match kind {
        Aggregate::Array | Aggregate::Attribute => b"[",
        Aggregate::Map => b"{\"m\":[",
        Aggregate::Set => b"{\"t\":[",
        Aggregate::Push => b"{\"p\":[",
    }
}

fn closing(kind: Aggregate) -> &'static [u8] {
    match kind {
        Aggregate::Array | Aggregate::Attribute => b"]",
        Aggregate::Map | Aggregate::Set | Aggregate::Push => b"]}",
    }
}

fn write_text(kind: Text, text: &[u8], out: &mut Vec<u8>) {
    match (kind, text) {
        (Text::Bulk, _) => write_bytes(text, out),
        (Text::Error, _) => write_wrapped(b"e", text, out),
        (Text::Verbatim, [a, b, c, b':', rest @ ..]) => {
            out.extend_from_slice(b"{\"v\":");
            write_bytes(rest, out);
            out.extend_from_slice(b",\"f\":");
            write_bytes(&[*a, *b, *c], out);
            out.push(b'}');
        }
        (Text::Verbatim, _) => write_wrapped(b"v", text, out),
    }
}

fn write_wrapped(key: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(key);
    out.extend_from_slice(b"\":");
    write_bytes(text, out);
    out.push(b'}');
}

fn write_integer(n: i64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(n).as_bytes();
    if (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(&n) {
        out.extend_from_slice(digits)
    } else {
        write_wrapped(b"i", digits, out)
    }
}

/// Bytes: a string if they are UTF-8, else base64.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => write_string(text, out),
        Err(_) => {
            out.extend_from_slice(b"{\"b\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

/// A string, quoted.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    string(text, Escapes::Least, out);
}

/// An object in progress.
pub fn object() -> Object {
    Object::new(Escapes::Least)
}

/// A number; JSON has none for infinity and NaN.
pub fn write_number(n: f64, out: &mut Vec<u8>) {
    if !n.is_finite() {
        return out.extend_from_slice(b"null");
    }
    // Whole numbers have no point.
    if n == n.trunc() && n.abs() <= SAFE_INTEGER_MAX as f64 {
        out.extend_from_slice(itoa::Buffer::new().format(n as i64).as_bytes());
    } else {
        out.extend_from_slice(n.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(reply: &[u8]) -> String {
        let mut out = Vec::new();
        assert_eq!(write_reply(reply, &mut out), Ok(reply.len()));
        let text = String::from_utf8(out).expect("UTF-8");
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
        assert!(parsed.is_ok(), "{text}");
        text
    }

    #[test]
    fn every_kind_of_reply_is_distinguished() {
        for (reply, wanted) in [
            (&b"+OK\r\n"[..], r#"{"s":"OK"}"#),
            (b"-ERR no\r\n", r#"{"e":"ERR no"}"#),
            (b"!6\r\nERR \n\x01\r\n", r#"{"e":"ERR \n\u0001"}"#),
            (b":-1\r\n", "-1"),
            (b":9007199254740991\r\n", "9007199254740991"),
            (b":9007199254740992\r\n", r#"{"i":"9007199254740992"}"#),
            (
                b":-9223372036854775808\r\n",
                r#"{"i":"-9223372036854775808"}"#,
            ),
            (b"$2\r\nab\r\n", r#""ab""#),
            (b"$0\r\n\r\n", r#""""#),
            (b"$4\r\n\r\n\"\\\r\n", r#""\r\n\"\\""#),
            (b"$2\r\n\x00\xff\r\n", r#"{"b":"AP8="}"#),
            (b"$2\r\n\xc3\xa9\r\n", "\"\u{e9}\""),
            (b"$-1\r\n", "null"),
            (b"*-1\r\n", "null"),
            (b"_\r\n", "null"),
            (b"#t\r\n", "true"),
            (b"#f\r\n", "false"),
            (b",-0\r\n", r#"{"d":"-0"}"#),
            (b",inf\r\n", r#"{"d":"inf"}"#),
            (b",-inf\r\n", r#"{"d":"-inf"}"#),
            (b",nan\r\n", r#"{"d":"nan"}"#),
            (b",1.10\r\n", r#"{"d":"1.10"}"#),
            (
                b"(123456789012345678901\r\n",
                r#"{"n":"123456789012345678901"}"#,
            ),
            (b"=6\r\ntxt:ab\r\n", r#"{"v":"ab","f":"txt"}"#),
            (b"*0\r\n", "[]"),
            (b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n", r#"[1,["a"]]"#),
            (b"*2\r\n*0\r\n*0\r\n", "[[],[]]"),
            (b"%1\r\n$1\r\nk\r\n%0\r\n", r#"{"m":["k",{"m":[]}]}"#),
            (b"~2\r\n:1\r\n:2\r\n", r#"{"t":[1,2]}"#),
            (b">1\r\n+a\r\n", r#"{"p":[{"s":"a"}]}"#),
            (b"|1\r\n+a\r\n*1\r\n:1\r\n:2\r\n", "2"),
            (b"*2\r\n|0\r\n:1\r\n|1\r\n:7\r\n:8\r\n:2\r\n", "[1,2]"),
        ] {
            assert_eq!(json(reply), wanted);
        }
    }

    #[test]
    fn a_part_of_a_reply_is_none() {
        let whole = b"%1\r\n$1\r\nk\r\n*2\r\n:1\r\n$3\r\nabc\r\n";
        for end in 0..whole.len() {
            let mut out = Vec::new();
            assert_eq!(
                write_reply(&whole[..end], &mut out),
                Err(NotAReply),
                "{end}"
            );
        }
        assert_eq!(write_reply(b"?\r\n", &mut Vec::new()), Err(NotAReply));
        let deep = b"*1\r\n".repeat(100_000);
        assert_eq!(write_reply(&deep, &mut Vec::new()), Err(NotAReply));
    }

    #[test]
    fn numbers_are_whole_where_they_can_be() {
        let number = |n| {
            let mut out = Vec::new();
            write_number(n, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(number(3.0), "3");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(f64::NAN), "null");
        assert_eq!(number(1e20), "100000000000000000000");
    }
}
