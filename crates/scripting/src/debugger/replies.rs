//! Replies of commands as the debugger shows them: `[...]` an array, `{k => v}` a map, `~(...)` a
//! set, strings and status lines in quotes.

use russet_base::numbers::general;
use russet_config::quote;
use russet_resp::{Aggregate, ReplyHead};

/// Appends a complete reply of ours. O(bytes).
pub(crate) fn describe(mut reply: &[u8], out: &mut Vec<u8>) {
    value(&mut reply, out);
}

/// Appends the next value, and skips it.
fn value(rest: &mut &[u8], out: &mut Vec<u8>) {
    let end = memchr::memchr(b'\r', rest).expect("a whole reply");
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    match ReplyHead::parse(line).expect("a reply of ours") {
        ReplyHead::Simple(_) | ReplyHead::Error(_) => quote(out, line),
        ReplyHead::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        ReplyHead::Null if line[0] == b'_' => out.extend_from_slice(b"(null)"),
        ReplyHead::Null => out.extend_from_slice(b"NULL"),
        ReplyHead::Double(n) => {
            out.extend_from_slice(b"(double) ");
            out.extend_from_slice(double(n).as_bytes());
        }
        ReplyHead::Boolean(true) => out.extend_from_slice(b"#true"),
        ReplyHead::Boolean(false) => out.extend_from_slice(b"#false"),
        ReplyHead::BigNumber(digits) => {
            out.extend_from_slice(b"(big number) ");
            out.extend_from_slice(digits);
        }
        ReplyHead::Bytes(_, len) => {
            quote(out, &rest[..len]);
            *rest = &rest[len + 2..];
        }
        ReplyHead::Values(Aggregate::Map, values) => list(rest, out, (b"{", b"}"), values, b" => "),
        ReplyHead::Values(Aggregate::Set, values) => list(rest, out, (b"~(", b")"), values, b","),
        ReplyHead::Values(_, values) => list(rest, out, (b"[", b"]"), values, b","),
    }
}

/// Appends `count` values, with `middle` after every other value and a comma after the rest.
fn list(
    rest: &mut &[u8],
    out: &mut Vec<u8>,
    (open, close): (&[u8], &[u8]),
    count: usize,
    middle: &[u8],
) {
    out.extend_from_slice(open);
    for at in 0..count {
        match at {
            0 => {}
            at if at % 2 == 1 => out.extend_from_slice(middle),
            _ => out.push(b','),
        }
        value(rest, out);
    }
    out.extend_from_slice(close);
}

/// As C's `%g` prints it.
pub(super) fn double(n: f64) -> String {
    if n.is_nan() {
        // The sign is that of a division of zero by zero there.
        "-nan".to_owned()
    } else if n.is_infinite() {
        if n > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else {
        const DIGITS: i32 = 6;
        general(n, DIGITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As 8.10.2 shows them.
    #[test]
    fn each_kind_of_reply_is_shown() {
        let shown = [
            ("+OK\r\n", "\"+OK\""),
            ("-ERR x\r\n", "\"-ERR x\""),
            (":-3\r\n", "-3"),
            ("$7\r\nc\r\nd\0e'\r\n", "\"c\\r\\nd\\x00e'\""),
            ("$-1\r\n", "NULL"),
            ("*-1\r\n", "NULL"),
            ("_\r\n", "(null)"),
            ("*3\r\n$-1\r\n$1\r\n5\r\n*0\r\n", "[NULL,\"5\",[]]"),
            (
                "%2\r\n+a\r\n:1\r\n$1\r\nb\r\n:2\r\n",
                "{\"+a\" => 1,\"b\" => 2}",
            ),
            ("~2\r\n$1\r\na\r\n$1\r\nb\r\n", "~(\"a\",\"b\")"),
            (",1\r\n", "(double) 1"),
            (",-inf\r\n", "(double) -inf"),
            ("#t\r\n", "#true"),
        ];
        for (reply, text) in shown {
            let mut out = Vec::new();
            describe(reply.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }
}
