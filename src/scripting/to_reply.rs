//! Lua values as replies.

use super::errors::Failure;
use super::lua::{Kind, Stack, truncated};
use crate::resp::Reply;

/// Tables may nest so deep: as many values as Redis's Lua keeps for C.
const DEPTH_MAX: usize = 7_990;

/// Replies with the value on top of the stack, which is taken. `resp3`: what the script itself
/// speaks, by which a boolean is one or an integer.
pub fn reply_value(stack: Stack, reply: &mut Reply, resp3: bool) {
    value(stack, reply, resp3, 0);
}

fn value(stack: Stack, reply: &mut Reply, resp3: bool, depth: usize) {
    if depth > DEPTH_MAX || !stack.has_room(5) {
        reply.error_line(b"ERR reached lua stack limit");
        return stack.pop(1);
    }
    match stack.kind(-1) {
        Kind::String => reply.bulk(stack.bytes(-1).expect("a string")),
        Kind::Boolean if resp3 => reply.boolean(stack.boolean(-1)),
        Kind::Boolean if stack.boolean(-1) => reply.int(1),
        Kind::Number => reply.int(truncated(stack.number(-1))),
        Kind::Table => table(stack, reply, resp3, depth),
        _ => reply.null(),
    }
    stack.pop(1);
}

/// A table: what one of its fields says that it is, else an array.
fn table(stack: Stack, reply: &mut Reply, resp3: bool, depth: usize) {
    if stack.get_field(-1, "err") == Kind::String {
        stack.pop(1);
        return Failure::read(stack).reply(reply, None);
    }
    stack.pop(1);
    let clean = |text: &[u8]| {
        let clean = |&b: &u8| if b == b'\r' || b == b'\n' { b' ' } else { b };
        text.iter().map(clean).collect::<Vec<u8>>()
    };
    let names: [(&str, Kind); 6] = [
        ("ok", Kind::String),
        ("double", Kind::Number),
        ("big_number", Kind::String),
        ("verbatim_string", Kind::Table),
        ("map", Kind::Table),
        ("set", Kind::Table),
    ];
    for (name, kind) in names {
        if stack.get_field(-1, name) != kind {
            stack.pop(1);
            continue;
        }
        match name {
            "ok" => {
                // As far as C sees it.
                let text = stack.bytes(-1).expect("a string");
                reply.simple_bytes(&clean(crate::resp::up_to_nul(text)));
            }
            "double" => reply.double(stack.number(-1)),
            "big_number" => reply.big_number(&clean(stack.bytes(-1).expect("a string"))),
            "verbatim_string" => {
                if !verbatim(stack, reply) {
                    stack.pop(1);
                    continue;
                }
            }
            _ => pairs(stack, reply, resp3, depth, name == "map"),
        }
        return stack.pop(1);
    }
    let (place, mut len) = (reply.defer(), 0);
    loop {
        stack.raw_get_at(-1, len + 1);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            break;
        }
        value(stack, reply, resp3, depth + 1);
        len += 1;
    }
    reply.finish_array(place, len);
}

fn verbatim(stack: Stack, reply: &mut Reply) -> bool {
    let format = stack.get_field(-1, "format");
    let string = stack.get_field(-2, "string");
    let fits = format == Kind::String && string == Kind::String;
    if fits {
        let (format, text) = (stack.bytes(-2), stack.bytes(-1));
        // Three letters, blanks behind a shorter name.
        let mut letters = [b' '; 3];
        let name = crate::resp::up_to_nul(format.expect("a string"));
        for (to, from) in letters.iter_mut().zip(name) {
            *to = *from;
        }
        reply.verbatim_bytes(letters, text.expect("a string"));
    }
    stack.pop(2);
    fits
}

/// A map or a set: the keys, and a map's values.
fn pairs(stack: Stack, reply: &mut Reply, resp3: bool, depth: usize, is_map: bool) {
    let (place, mut len) = (reply.defer(), 0);
    stack.push_nil();
    while stack.next(-2) {
        stack.push_value(-2);
        value(stack, reply, resp3, depth + 1);
        if is_map {
            value(stack, reply, resp3, depth + 1);
        } else {
            stack.pop(1);
        }
        len += 1;
    }
    match is_map {
        true => reply.finish_map(place, len),
        false => reply.finish_set(place, len),
    }
}
