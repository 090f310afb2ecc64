//! Values of Lua as the debugger shows them: a table with the keys 1 to n as `{a; b}`, any other as
//! `{[k]=v; ...}`.
//!
//! Cost: O(values shown). Tables are followed [`DEPTH_MAX`] deep, so a table that holds itself may
//! have many: the text ends at [`BYTES_MAX`].

use super::replies::double;
use crate::guard;
use crate::lua::{LuaType, Stack};
use russet_config::quote;

const DEPTH_MAX: usize = 10;
const TOO_DEEP: &[u8] = b"<max recursion level reached! Nested table?>";
/// Longer texts are not continued.
const BYTES_MAX: usize = 1 << 20;
/// Stack slots of a level.
const ROOM: i32 = 6;

/// Appends the value at `at`.
pub(crate) fn describe(stack: Stack, at: i32, out: &mut Vec<u8>) {
    value(stack, stack.absolute(at), 0, out);
}

fn value(stack: Stack, at: i32, depth: usize, out: &mut Vec<u8>) {
    if depth == DEPTH_MAX || !stack.has_room(ROOM) {
        return out.extend_from_slice(TOO_DEEP);
    }
    if out.len() > BYTES_MAX {
        return;
    }
    match stack.kind(at) {
        LuaType::Nil | LuaType::None => out.extend_from_slice(b"nil"),
        LuaType::Boolean => {
            let word: &[u8] = if stack.boolean(at) { b"true" } else { b"false" };
            out.extend_from_slice(word);
        }
        LuaType::Number => out.extend_from_slice(double(stack.number(at)).as_bytes()),
        LuaType::String => {
            let text = stack.bytes(at).expect("a string");
            quote(out, &text[..text.len().min(BYTES_MAX)]);
        }
        LuaType::Table => {
            // The table that scripts see of a library is empty, and in front of the real table.
            let is_front = guard::push_real(stack, at);
            let at = if is_front { stack.top() } else { at };
            table(stack, at, depth + 1, out);
            if is_front {
                stack.pop(1);
            }
        }
        kind => {
            let place = stack.pointer(at);
            let name = match kind {
                LuaType::LightUserdata => "light-userdata",
                kind => kind.name(),
            };
            let place = match place {
                0 => "(nil)".to_owned(),
                place => format!("{place:#x}"),
            };
            out.extend_from_slice(format!("\"{name}@{place}\"").as_bytes());
        }
    }
}

fn table(stack: Stack, at: i32, depth: usize, out: &mut Vec<u8>) {
    let is_list = is_list(stack, at);
    out.push(b'{');
    let mut is_first = true;
    stack.push_nil();
    while stack.next(at) {
        if !std::mem::take(&mut is_first) {
            out.extend_from_slice(b"; ");
        }
        let top = stack.top();
        if !is_list {
            out.push(b'[');
            value(stack, top - 1, depth, out);
            out.extend_from_slice(b"]=");
        }
        value(stack, top, depth, out);
        stack.pop(1);
        if out.len() > BYTES_MAX {
            stack.pop(1);
            break;
        }
    }
    out.push(b'}');
}

/// Whether the keys are 1, 2 and so on, in the order of a walk.
fn is_list(stack: Stack, at: i32) -> bool {
    let mut next = 1.0;
    stack.push_nil();
    while stack.next(at) {
        stack.pop(1);
        if stack.kind(-1) != LuaType::Number || stack.number(-1) != next {
            stack.pop(1);
            return false;
        }
        next += 1.0;
    }
    true
}
