//! Replies as Lua values.
//!
//! Integers become numbers, strings strings, status lines and errors tables with `ok` or
//! `err`, arrays tables, null `false`. What only RESP3 has: maps, sets, doubles, big numbers and
//! verbatim strings are tables with one field that names them; its null is `nil`.

use super::errors::push_error_line;
use super::lua::Stack;

/// Pushes the value of a whole reply of ours. `false`: it nests too deep, and stands for nil.
pub fn push_reply(stack: Stack, reply: &[u8]) -> bool {
    let mut rest = reply;
    push(stack, &mut rest)
}

/// A reply's first line without its kind, and what follows it.
#[inline]
fn line<'r>(rest: &mut &'r [u8]) -> &'r [u8] {
    let end = memchr::memchr(b'\r', rest).expect("a whole reply");
    let line = &rest[1..end];
    *rest = &rest[end + 2..];
    line
}

fn number(text: &[u8]) -> i64 {
    let text = std::str::from_utf8(text).expect("digits");
    text.parse().expect("a reply's number")
}

/// A string of `len` bytes and its line end.
fn string<'r>(rest: &mut &'r [u8], len: usize) -> &'r [u8] {
    let text = &rest[..len];
    *rest = &rest[len + 2..];
    text
}

fn push(stack: Stack, rest: &mut &[u8]) -> bool {
    if !stack.has_room(4) {
        stack.pop(1);
        stack.push_nil();
        return false;
    }
    let kind = rest[0];
    let head = line(rest);
    match kind {
        b':' => stack.push_number(number(head) as f64),
        b'$' => match usize::try_from(number(head)) {
            Ok(len) => stack.push_bytes(string(rest, len)),
            Err(_) => stack.push_boolean(false),
        },
        b'+' => push_named(stack, "ok", head),
        b'-' => push_counted_error(stack, head),
        b'*' | b'>' => return push_array(stack, rest, number(head)),
        b'%' => return push_map(stack, rest, number(head) as usize),
        b'~' => return push_set(stack, rest, number(head) as usize),
        b'|' => {
            // Attributes are for clients.
            for _ in 0..2 * number(head) {
                push(stack, rest);
                stack.pop(1);
            }
            return push(stack, rest);
        }
        b'_' => stack.push_nil(),
        b'#' => stack.push_boolean(head == b"t"),
        b',' => {
            stack.push_table(0, 1);
            stack.push_number(double(head));
            stack.set_field(-2, "double");
        }
        b'(' => push_named(stack, "big_number", head),
        b'=' => {
            let text = string(rest, number(head) as usize);
            stack.push_table(0, 1);
            stack.push_table(0, 2);
            stack.push_bytes(&text[4..]);
            stack.set_field(-2, "string");
            stack.push_bytes(&text[..3]);
            stack.set_field(-2, "format");
            stack.set_field(-2, "verbatim_string");
        }
        other => panic!("a reply of kind {other}"),
    }
    true
}

fn double(text: &[u8]) -> f64 {
    let text = std::str::from_utf8(text).expect("digits");
    text.parse().expect("a reply's double")
}

fn push_named(stack: Stack, name: &str, text: &[u8]) {
    stack.push_table(0, 1);
    stack.push_bytes(text);
    stack.set_field(-2, name);
}

/// An error that a command has replied: it is counted already.
pub fn push_counted_error(stack: Stack, line: &[u8]) {
    push_error_line(stack, line);
    stack.push_boolean(true);
    stack.set_field(-2, "ignore_error_stats_update");
}

fn push_array(stack: Stack, rest: &mut &[u8], len: i64) -> bool {
    let Ok(len) = usize::try_from(len) else {
        stack.push_boolean(false);
        return true;
    };
    stack.push_table(len, 0);
    for i in 1..=len {
        if !push(stack, rest) {
            stack.pop(1);
            return false;
        }
        stack.raw_set_at(-2, i);
    }
    true
}

fn push_map(stack: Stack, rest: &mut &[u8], pairs: usize) -> bool {
    stack.push_table(0, 1);
    stack.push_table(0, pairs);
    for _ in 0..pairs {
        let fits = push(stack, rest) && push(stack, rest);
        if !fits {
            return false;
        }
        stack.raw_set(-3);
    }
    stack.set_field(-2, "map");
    true
}

fn push_set(stack: Stack, rest: &mut &[u8], len: usize) -> bool {
    stack.push_table(0, 1);
    stack.push_table(0, len);
    for _ in 0..len {
        if !push(stack, rest) {
            return false;
        }
        stack.push_boolean(true);
        stack.raw_set(-3);
    }
    stack.set_field(-2, "set");
    true
}
