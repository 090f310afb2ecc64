//! Errors as scripts see them: tables with the line in `err`.

use super::lua::{Frame, LuaType, Raise, Stack};
use russet_resp::Reply;

/// The error of a script that SCRIPT KILL stops.
pub(crate) const KILLED: &str = "Script killed by user with SCRIPT KILL...";

/// The error of a script that may take no more memory, in Lua's own wording.
pub const NO_MEMORY: &str = "not enough memory";

/// Pushes the table of an error reply; `line` begins with the error code.
pub(crate) fn push_error_line(stack: Stack, line: &[u8]) {
    stack.push_table(0, 1);
    stack.push_bytes(line);
    stack.set_field(-2, "err");
}

/// The same for a text of ours, with the code ERR.
pub fn push_error(stack: Stack, text: &str) {
    push_error_line(stack, format!("ERR {text}").as_bytes());
}

/// The same for a script's text: `CODE text`, or a single word, which gets ERR. Line ends at both
/// sides are dropped.
pub(crate) fn push_error_text(stack: Stack, text: &[u8]) {
    let is_end = |b: &u8| *b == b'\r' || *b == b'\n';
    let (code, text) = match memchr::memchr(b' ', text) {
        None => (&b"ERR"[..], text),
        Some(at) => (&text[..at], &text[at + 1..]),
    };
    let start = text.iter().position(|b| !is_end(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !is_end(b))
        .map_or(start, |at| at + 1);
    push_error_line(stack, &[code, b" ", &text[start..end]].concat());
}

/// Raises a text of ours, in which `redis.` is the table's name in the dialect.
pub fn raised(f: Frame<'_>, text: &str) -> Raise {
    f.machine
        .debug
        .log_call(|| [b"<error> ", text.as_bytes()].concat());
    let table = f.machine.dialect.get().script_table();
    push_error(f.stack, &text.replace("redis.", table));
    Raise::Top
}

/// An error that ended a script or that it returned.
pub struct Failure {
    /// Begins with the error code.
    pub line: Vec<u8>,
    /// Source and line where it was raised.
    pub place: Option<(Vec<u8>, Vec<u8>)>,
    /// The command that failed has already counted it.
    pub is_counted: bool,
}

impl Failure {
    /// An error of ours, without a place.
    pub fn new(text: &str) -> Failure {
        Failure {
            line: format!("ERR {text}").into_bytes(),
            place: None,
            is_counted: false,
        }
    }

    /// Reads and pops the error table on top of the stack. A line longer than `most` bytes is not
    /// copied.
    pub fn read(stack: Stack, most: usize) -> Failure {
        let text = |name| {
            stack.get_field(-1, name);
            let text = stack.bytes(-1).map(|text| {
                if text.len() > most {
                    [b"ERR ", NO_MEMORY.as_bytes()].concat()
                } else {
                    text.to_vec()
                }
            });
            stack.pop(1);
            text
        };
        let line = text("err").unwrap_or_else(|| b"ERR unknown error".to_vec());
        let place = text("source").zip(text("line"));
        let is_counted = stack.get_field(-1, "ignore_error_stats_update") == LuaType::Boolean
            && stack.boolean(-1);
        stack.pop(2);
        Failure {
            line,
            place,
            is_counted,
        }
    }

    /// Replies with the error; appends the script's name (which may be empty) and the place.
    pub fn reply(mut self, reply: &mut Reply, script: Option<&[u8]>) {
        if let (Some(script), Some((source, line))) = (script, &self.place) {
            let comma: &[u8] = if script.is_empty() { b"" } else { b", " };
            for part in [
                b" script: ",
                script,
                comma,
                b"on ",
                source,
                b":",
                line,
                b".",
            ] {
                self.line.extend_from_slice(part);
            }
        }
        if self.is_counted {
            reply.counted_error_line(&self.line)
        } else {
            reply.error_line(&self.line)
        }
    }
}
