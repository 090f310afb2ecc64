//! BITOP: strings combined bit by bit.
//!
//! The result is as long as the longest source; missing keys and the missing ends of shorter
//! sources count as zeros. The destination may be a source, because the handler completes the
//! result before it writes the destination. An empty result deletes the destination.
//!
//! Cost: O(bytes of all sources) in one pass, and the result's bytes; the handler builds a result
//! of `LARGE_MIN` bytes or more in the block that becomes the value.
//!
//! Decided elsewhere: the operations on words: `encodings::bits`.

use std::borrow::Cow;
use std::ops::Deref as _;

use super::native;
use russet_base::memory::large::{LARGE_MIN, LargeText};
use russet_command::{Access, Arity, Category, CommandError, Facts, Flags, KeySpec};
use russet_encodings::bits::{Operation, combine};
use russet_keyspace::{Bits, Cause, Class, Expiry, NewValue, Str, TextBuffer};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Bitmap;

pub(super) const BITOP: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(2, Access::OVERWRITE),
        KeySpec::range(3, -1, 1, Access::READ),
    ],
    categories: Category::BITMAP,
    ..Spec::new("bitop", bitop)
};

/// The operation for each word, and the error for too few or too many sources.
const OPERATIONS: [(&str, Operation, &str); 8] = [
    ("AND", Operation::And, ""),
    ("OR", Operation::Or, ""),
    ("XOR", Operation::Xor, ""),
    (
        "NOT",
        Operation::Not,
        "ERR BITOP NOT must be called with a single source key.",
    ),
    (
        "DIFF",
        Operation::Diff,
        "ERR BITOP DIFF must be called with at least two source keys.",
    ),
    (
        "DIFF1",
        Operation::Diff1,
        "ERR BITOP DIFF1 must be called with at least two source keys.",
    ),
    (
        "ANDOR",
        Operation::AndOr,
        "ERR BITOP ANDOR must be called with at least two source keys.",
    ),
    ("ONE", Operation::One, ""),
];

fn parse_operation(args: Args<'_>) -> Result<Operation, CommandError> {
    let mut known = OPERATIONS.iter().filter(|(word, ..)| args.is(1, word));
    let &(_, operation, refusal) = known.next().ok_or(CommandError::Syntax)?;
    let sources = args.len() - 3;
    let right_number = match operation {
        Operation::Not => sources == 1,
        Operation::Diff | Operation::Diff1 | Operation::AndOr => sources >= 2,
        Operation::And | Operation::Or | Operation::Xor | Operation::One => true,
    };
    if right_number {
        Ok(operation)
    } else {
        Err(CommandError::Text(refusal))
    }
}

/// `BITOP (AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE) destination key [key ...]`: the
/// result, as long as the longest string, replaces the value of `destination`. DIFF, DIFF1, ANDOR
/// and ONE are Redis 8.2's.
///
/// Reply: the result's length in bytes. An empty result deletes `destination`. O(bytes of all
/// strings).
fn bitop(call: &mut Call<'_>) -> CommandResult {
    let operation = parse_operation(call.args)?;
    let is_default = native::is_default(call);
    let native = store(call, operation, is_default)?;
    if native == Some(Native::ByDefault) {
        let destination = call.args.at(2);
        call.rewrite_each(call.args.iter());
        native::propagate(call, destination);
    }
    Ok(())
}

pub(super) const BITROAROP: Spec = Spec {
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::NOSCRIPT),
    facts: Facts::OF_SERVERS,
    name: "bitroarop",
    handler: bitroarop,
    ..BITOP
};

/// `BITROAROP operation destination key [key ...]`: BITOP whose result is a native bitmap, whatever
/// the sources are.
///
/// Reply: the result's length in bytes. O(bytes of strings, containers of bitmaps).
fn bitroarop(call: &mut Call<'_>) -> CommandResult {
    let operation = parse_operation(call.args)?;
    store(call, operation, true).map(|_| ())
}

/// Why a result is a native bitmap.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Native {
    /// A source is.
    BySource,
    /// Only strings were combined.
    ByDefault,
}

/// Stores the result and replies with its length. Returns why it is a native bitmap, if it is.
fn store(
    call: &mut Call<'_>,
    operation: Operation,
    is_default: bool,
) -> Result<Option<Native>, CommandError> {
    let (destination, keys) = (call.args.at(2), call.args.from(3));
    let chunks_max = chunks_max(call);
    let sources = call.db.all_bits(keys.iter())?;
    let by_source = sources
        .iter()
        .flatten()
        .any(|its| matches!(its, Bits::Native(_)));
    let len = if by_source || is_default {
        let result = combine_native(operation, &sources, chunks_max)?;
        let len = result.bytes();
        if len > 0 {
            call.db.put(destination, result);
            call.db.changed(destination, Class::BITMAP, "set");
        }
        len
    } else {
        let result = compute(operation, &sources)?;
        if result.len() > 0 {
            let value = result.value();
            call.db.set_string(destination, value, Expiry::Clear);
            call.db.changed(destination, Class::STRING, "set");
        }
        result.len() as u64
    };
    if len == 0 && call.db.delete(destination, Cause::Server) {
        call.db.changed(destination, Class::GENERIC, "del");
    }
    call.reply.int(len as i64);
    Ok(match (by_source, is_default) {
        _ if len == 0 => None,
        (true, _) => Some(Native::BySource),
        (false, true) => Some(Native::ByDefault),
        (false, false) => None,
    })
}

/// The most containers that NOT makes for chunks without bits: as many as a string of the greatest
/// length has, and one. A server that repeats a command is not bound by it.
fn chunks_max(call: &Call<'_>) -> u64 {
    if call.was_taken_before() {
        u64::MAX
    } else {
        call.server.config.proto_max_bulk_len / 8192 + 1
    }
}

/// The result as a native bitmap.
fn combine_native(
    operation: Operation,
    sources: &[Option<Bits<'_>>],
    chunks_max: u64,
) -> Result<Bitmap, CommandError> {
    let read = |source: &Option<Bits<'_>>| match source {
        None => Ok(Some(Bitmap::new())),
        Some(Bits::Text(text)) => {
            let mut buffer = TextBuffer::new();
            text.text(&mut buffer)
                .map(|text| Some(Bitmap::of_text(text)))
        }
        Some(Bits::Native(_)) => Ok(None),
    };
    let made = sources.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let all = sources.iter().zip(&made);
    let all: Vec<&Bitmap> = all
        .map(|(source, made)| match (source, made) {
            (Some(Bits::Native(bitmap)), _) => bitmap.deref(),
            (_, made) => made.as_ref().expect("made of all others"),
        })
        .collect();
    Bitmap::combine(operation, &all, chunks_max).map_err(|_| {
        let text = format!(
            "ERR BITOP NOT would materialize more than {chunks_max} missing Roaring chunks"
        );
        CommandError::Bytes(text.into_bytes())
    })
}

fn compute(
    operation: Operation,
    sources: &[Option<Bits<'_>>],
) -> Result<ResultBuffer, CommandError> {
    let texts = sources.iter().map(|source| match source {
        Some(Bits::Text(text)) => Str::to_cow(*text),
        _ => Ok(Cow::Borrowed(&[][..])),
    });
    let texts: Vec<_> = texts.collect::<Result<_, _>>()?;
    let sources: Vec<&[u8]> = texts.iter().map(|text| &**text).collect();
    let len = sources.iter().map(|text| text.len()).max().unwrap_or(0);
    let mut result = ResultBuffer::with_room(len);
    combine(operation, &sources, |piece| result.push(piece));
    Ok(result)
}

/// A result; a large result in the block that becomes the key's value.
enum ResultBuffer {
    Small(Vec<u8>),
    Large(LargeText),
}

impl ResultBuffer {
    fn with_room(len: usize) -> ResultBuffer {
        match len {
            LARGE_MIN.. => ResultBuffer::Large(LargeText::with_room(len)),
            _ => ResultBuffer::Small(Vec::with_capacity(len)),
        }
    }

    fn push(&mut self, piece: &[u8]) {
        match self {
            ResultBuffer::Small(text) => text.extend_from_slice(piece),
            ResultBuffer::Large(large) => large.push(piece),
        }
    }

    fn len(&self) -> usize {
        match self {
            ResultBuffer::Small(text) => text.len(),
            ResultBuffer::Large(large) => large.len(),
        }
    }

    fn value(&self) -> NewValue<'_> {
        match self {
            ResultBuffer::Small(text) => NewValue::Bytes {
                text,
                modified: true,
            },
            ResultBuffer::Large(large) => NewValue::Large(large),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn bed() -> Testbed {
        let mut t = Testbed::new();
        t.run_args(&[b"SET", b"a", b"\xf0\x0f\xff"]);
        t.run_args(&[b"SET", b"b", b"\xcc\xcc"]);
        t.run_args(&[b"SET", b"c", b"\xaa"]);
        t
    }

    fn result(t: &mut Testbed, line: &str) -> Vec<u8> {
        let len = t.run(line);
        let reply = t.run_args(&[b"GET", b"to"]);
        let text = reply.splitn(2, |&b| b == b'\n').nth(1).unwrap();
        let text = &text[..text.len() - 2];
        assert_eq!(len, format!(":{}\r\n", text.len()), "{line}");
        text.to_vec()
    }

    #[test]
    fn results_are_as_long_as_the_longest() {
        let mut t = bed();
        for (line, expected) in [
            ("AND to a b c", b"\x80\x00\x00"),
            ("OR to a b c", b"\xfe\xcf\xff"),
            ("XOR to a b c", b"\x96\xc3\xff"),
            ("NOT to a", b"\x0f\xf0\x00"),
            ("DIFF to a b c", b"\x10\x03\xff"),
            ("DIFF1 to a b c", b"\x0e\xc0\x00"),
            ("ANDOR to a b c", b"\xe0\x0c\x00"),
            ("ONE to a b c", b"\x16\xc3\xff"),
            ("or to none a", b"\xf0\x0f\xff"),
            ("ONE to a", b"\xf0\x0f\xff"),
        ] {
            let line = format!("BITOP {line}");
            assert_eq!(result(&mut t, &line), expected, "{line}");
        }
        assert_eq!(t.run("OBJECT ENCODING to"), "$3\r\nraw\r\n");
    }

    #[test]
    fn the_destination_may_be_a_source_or_go() {
        let mut t = bed();
        t.run("SET n 12 EX 9");
        t.take_effects();
        assert_eq!(t.run("BITOP NOT n n"), ":2\r\n");
        assert_eq!(t.run_args(&[b"GET", b"n"]), b"$2\r\n\xce\xcd\r\n");
        assert_eq!(t.run("TTL n"), ":-1\r\n");
        assert_eq!(t.run("BITOP AND n none other"), ":0\r\n");
        assert_eq!(t.run("EXISTS n"), ":0\r\n");
        assert_eq!(t.run("BITOP AND n none other"), ":0\r\n");
        assert_eq!(
            t.take_effects(),
            ["BITOP NOT n n", "BITOP AND n none other"]
        );
    }

    #[test]
    fn large_results_are_kept_as_they_were_computed() {
        let mut t = Testbed::new();
        t.run("SETBIT a 800000 1");
        t.run("SETBIT b 3 1");
        assert_eq!(t.run("BITOP OR to a b"), ":100001\r\n");
        assert_eq!(t.run("BITCOUNT to"), ":2\r\n");
        assert_eq!(t.run("BITOP NOT to to"), ":100001\r\n");
        assert_eq!(t.run("BITPOS to 0 1"), ":800000\r\n");
        assert_eq!(t.run("BITCOUNT to"), ":800006\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn refusals() {
        let mut t = bed();
        t.run("RPUSH l x");
        for (line, text) in [
            ("NAND to a b", "syntax error"),
            (
                "NOT to a b",
                "BITOP NOT must be called with a single source key.",
            ),
            (
                "diff to a",
                "BITOP DIFF must be called with at least two source keys.",
            ),
            (
                "ANDOR to l",
                "BITOP ANDOR must be called with at least two source keys.",
            ),
        ] {
            let line = format!("BITOP {line}");
            assert_eq!(t.run(&line), format!("-ERR {text}\r\n"), "{line}");
        }
        assert!(t.run("BITOP AND to a l").starts_with("-WRONGTYPE"));
        assert_eq!(t.run("EXISTS to"), ":0\r\n");
    }
}
