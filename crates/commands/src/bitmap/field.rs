//! BITFIELD and BITFIELD_RO: integers of any width inside a string.
//!
//! The handler parses all operations before the first runs, so an error changes nothing. It extends
//! the string once, to the end of the last integer written. The command propagates itself only if
//! the string changed.
//!
//! BITFIELD with GET alone is a read: the key then needs no write permission (`keys`).
//!
//! Cost: O(1) an operation, and the growth.
//!
//! Decided elsewhere: widths, signs and overflow: `IntType` of `encodings::bits`.

use smallvec::SmallVec;

use super::{check_end, check_offset, native, parse_offset};
use russet_base::numbers::number::parse_i64;
use russet_command::keys::Keys;
use russet_command::options::{OptionReader, Word};
use russet_command::{Access, Arity, BadKeys, Category, CommandError, Flags, KeySpec, up_to_nul};
use russet_encodings::bits::{IntType, Overflow};
use russet_keyspace::{Bits, Class, TextBuffer};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Bitmap;

/// An operation on an integer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    IncrBy(i64),
}

/// An operation of a command.
struct Operation {
    action: Action,
    int: IntType,
    /// The integer's first bit.
    at: u64,
    overflow: Overflow,
}

/// The effect of an operation on the integer.
#[derive(PartialEq, Eq)]
enum FieldOutcome {
    Changed,
    Same,
    /// The value did not fit.
    Refused,
}

impl Operation {
    /// Reads the integer, writes it if it changes, and replies: the value for GET, the old value
    /// for SET, the new value for INCRBY, null if the new value does not fit.
    fn run(&self, text: &mut [u8], reply: &mut Reply) -> FieldOutcome {
        self.run_at(text, self.at, reply)
    }

    /// As [`Operation::run`], on the integer at a bit of a part of the string.
    #[inline]
    fn run_at(&self, text: &mut [u8], at: u64, reply: &mut Reply) -> FieldOutcome {
        let old = self.int.get(text, at);
        let wanted = match self.action {
            Action::Get => old.into(),
            Action::Set(value) => self.int.argument(value),
            Action::IncrBy(increment) => i128::from(old) + i128::from(increment),
        };
        let Some(new) = self.int.fit(wanted, self.overflow) else {
            reply.null();
            return FieldOutcome::Refused;
        };
        match self.action {
            Action::Get | Action::Set(_) => reply.int(old),
            Action::IncrBy(_) => reply.int(new),
        }
        if new != old {
            self.int.set(text, at, new);
            return FieldOutcome::Changed;
        }
        FieldOutcome::Same
    }

    /// As [`Operation::run`], on a native bitmap that has the whole integer.
    fn run_native(&self, bitmap: &mut Bitmap, reply: &mut Reply) -> FieldOutcome {
        let first = self.at / 8;
        let old = window(bitmap, first);
        let mut new = old;
        let outcome = self.run_at(&mut new, self.at % 8, reply);
        bitmap.copy_from(first, &old, &new);
        outcome
    }

    /// The string length in bytes that holds the whole integer.
    fn end_bytes(&self) -> usize {
        (self.at + self.int.bits()).div_ceil(8) as usize
    }
}

/// The bytes of a bitmap from a byte on that the longest integer spans.
fn window(bitmap: &Bitmap, first: u64) -> [u8; 9] {
    let mut window = [0; 9];
    bitmap.copy_to(first, &mut window);
    window
}

/// `i16`, `u8` ...; a NUL byte ends the word.
fn parse_type(text: &[u8]) -> Result<IntType, CommandError> {
    const INVALID: CommandError = CommandError::Text(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported \
         but i64 is.",
    );
    let (signed, bits) = match text {
        [b'i', bits @ ..] => (true, bits),
        [b'u', bits @ ..] => (false, bits),
        _ => return Err(INVALID),
    };
    parse_i64(up_to_nul(bits))
        .and_then(|bits| IntType::new(signed, bits))
        .ok_or(INVALID)
}

/// `offset`, or `#n` for the n-th integer of this type.
fn parse_int_offset(text: &[u8], int: IntType, max_bytes: u64) -> Result<u64, CommandError> {
    match text {
        [b'#', index @ ..] => {
            let offset = parse_i64(index).and_then(|n| n.checked_mul(int.bits() as i64));
            check_offset(offset, max_bytes)
        }
        _ => parse_offset(text, max_bytes),
    }
}

/// The kind of an option word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldWord {
    Get,
    Set,
    IncrBy,
    Overflow,
}

const WORDS: &[Word<FieldWord>] = &[
    Word::new("GET", 2, FieldWord::Get),
    Word::new("SET", 3, FieldWord::Set),
    Word::new("INCRBY", 3, FieldWord::IncrBy),
    Word::new("OVERFLOW", 1, FieldWord::Overflow),
];

/// BITFIELD's key: read only if every operation is a `GET`.
fn keys(args: Args<'_>) -> Result<Keys, BadKeys> {
    let only_reads = |option| matches!(option, Ok((FieldWord::Get | FieldWord::Overflow, _)));
    let reads = OptionReader::new(args, 2, WORDS).all(only_reads);
    Ok(Keys::one(
        1,
        if reads { Access::READ } else { Access::MODIFY },
    ))
}

fn parse(args: Args<'_>, max_bytes: u64) -> Result<SmallVec<[Operation; 4]>, CommandError> {
    const BAD_OVERFLOW: CommandError = CommandError::Text("ERR Invalid OVERFLOW type specified");
    let (mut operations, mut overflow) = (SmallVec::new(), Overflow::Wrap);
    for option in OptionReader::new(args, 2, WORDS) {
        let (asked, at) = option?;
        if asked == FieldWord::Overflow {
            overflow = match () {
                _ if args.is(at + 1, "WRAP") => Overflow::Wrap,
                _ if args.is(at + 1, "SAT") => Overflow::Sat,
                _ if args.is(at + 1, "FAIL") => Overflow::Fail,
                _ => return Err(BAD_OVERFLOW),
            };
            continue;
        }
        let int = parse_type(args.at(at + 1))?;
        let offset = parse_int_offset(args.at(at + 2), int, max_bytes)?;
        let value = || parse_i64(args.at(at + 3)).ok_or(CommandError::NotAnInteger);
        let action = match asked {
            FieldWord::Set => Action::Set(value()?),
            FieldWord::IncrBy => Action::IncrBy(value()?),
            FieldWord::Get | FieldWord::Overflow => Action::Get,
        };
        operations.push(Operation {
            action,
            int,
            at: offset,
            overflow,
        });
    }
    Ok(operations)
}

pub(super) const BITFIELD: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::MODIFY.union(Access::VARIABLE_FLAGS))
            .noted("This command allows both access and modification of the key"),
    ],
    categories: Category::BITMAP,
    find_keys: Some(keys),
    ..Spec::new("bitfield", bitfield)
};

/// `BITFIELD key [GET type offset | [OVERFLOW (WRAP | SAT | FAIL)] (SET type offset value | INCRBY
/// type offset increment)] ...`: runs the operations in order; before that, it extends the string
/// with zeros to hold every integer written.
///
/// Reply: array of integers, null for a value that does not fit with `OVERFLOW FAIL`. Types are
/// `i1` to `i64` and `u1` to `u63`; `#n` is the offset of the n-th such integer. O(1) an operation,
/// plus the growth.
fn bitfield(call: &mut Call<'_>) -> CommandResult {
    let operations = parse(call.args, call.string_max())?;
    let writes = operations.iter().filter(|op| op.action != Action::Get);
    let Some(end) = writes.map(Operation::end_bytes).max() else {
        return read(call, &operations);
    };
    let key = call.args.at(1);
    if native::is_default(call) {
        check_end(end as u64)?;
        native::convert(call, key)?;
    }
    let mut place = call.db.place(key);
    place.unpack()?;
    let string_len = place.string().map(|text| text.map_or(0, |text| text.len()));
    let reply = &mut *call.reply;
    let (changes, grew, class) = match string_len {
        Ok(len_before) => {
            let text = place.grow(end);
            let grew = text.len() > len_before;
            let run = |operation: &Operation, reply: &mut Reply| operation.run(text, reply);
            (run_all(&operations, grew, reply, run), grew, Class::STRING)
        }
        Err(_) => {
            let mut bitmap = place.bitmap()?;
            let grew = check_end(end as u64)? > bitmap.bytes();
            bitmap.lengthen(end as u64);
            let run =
                |operation: &Operation, reply: &mut Reply| operation.run_native(&mut bitmap, reply);
            (run_all(&operations, grew, reply, run), grew, Class::BITMAP)
        }
    };
    if changes > 0 {
        call.db.changed_by(key, changes, class, "setbit");
    } else if grew {
        call.db.changed_silently(key);
    }
    Ok(())
}

/// Runs the operations; returns the number of changes. If the value grew, every write that was not
/// refused is a change.
#[inline]
fn run_all(
    operations: &[Operation],
    grew: bool,
    reply: &mut Reply,
    mut run: impl FnMut(&Operation, &mut Reply) -> FieldOutcome,
) -> usize {
    reply.array(operations.len());
    let changes = operations
        .iter()
        .filter(|operation| match run(operation, reply) {
            FieldOutcome::Changed => true,
            FieldOutcome::Same => grew && operation.action != Action::Get,
            FieldOutcome::Refused => false,
        });
    changes.count()
}

fn read(call: &mut Call<'_>, operations: &[Operation]) -> CommandResult {
    let mut buffer = TextBuffer::new();
    let text = match call.db.bits(call.args.at(1))? {
        None => &[],
        Some(Bits::Text(ref text)) => text.text(&mut buffer)?,
        Some(Bits::Native(bitmap)) => {
            call.reply.array(operations.len());
            for Operation { int, at, .. } in operations {
                let window = window(&bitmap, at / 8);
                call.reply.int(int.get(&window, at % 8));
            }
            return Ok(());
        }
    };
    call.reply.array(operations.len());
    for operation in operations {
        call.reply.int(operation.int.get(text, operation.at));
    }
    Ok(())
}

pub(super) const BITFIELD_RO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::BITMAP,
    ..Spec::new("bitfield_ro", bitfield_ro)
};

/// `BITFIELD_RO key [GET type offset ...]`: BITFIELD with GET only.
fn bitfield_ro(call: &mut Call<'_>) -> CommandResult {
    const ONLY_GET: CommandError =
        CommandError::Text("ERR BITFIELD_RO only supports the GET subcommand");
    let operations = parse(call.args, call.server.config.proto_max_bulk_len)?;
    if operations.iter().any(|op| op.action != Action::Get) {
        return Err(ONLY_GET);
    }
    read(call, &operations)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn ints(t: &mut Testbed, line: &str) -> String {
        let reply = t.run(line);
        let items = reply.split("\r\n").skip(1).filter(|item| !item.is_empty());
        let items: Vec<&str> = items.map(|item| item.trim_start_matches(':')).collect();
        items.join(" ")
    }

    #[test]
    fn integers_are_read_written_and_counted_up() {
        let mut t = Testbed::new();
        let line = "BITFIELD b SET u8 0 255 GET u4 2 INCRBY i5 #1 -3 GET i5 5";
        assert_eq!(ints(&mut t, line), "0 15 -7 -7");
        assert_eq!(t.run("STRLEN b"), ":2\r\n");
        assert_eq!(ints(&mut t, "BITFIELD b GET i64 0"), "-126100789566373888");
        assert_eq!(ints(&mut t, "BITFIELD_RO b GET u8 0 GET u1 4000"), "254 0");
        assert_eq!(ints(&mut t, "BITFIELD none GET u8 #100"), "0");
        assert_eq!(t.run("EXISTS none"), ":0\r\n");
        assert_eq!(t.run("BITFIELD b"), "*0\r\n");
        t.run("SET n 12");
        assert_eq!(ints(&mut t, "BITFIELD n GET u8 8"), "50");
        assert_eq!(ints(&mut t, "BITFIELD n INCRBY u8 #1 1"), "51");
        assert_eq!(t.run("GET n"), "$2\r\n13\r\n");
    }

    #[test]
    fn overflows_wrap_saturate_or_fail() {
        let mut t = Testbed::new();
        t.run("BITFIELD b SET u8 0 250 SET i8 8 120");
        for (line, expected) in [
            ("INCRBY u8 0 10", "4"),
            ("OVERFLOW SAT INCRBY u8 0 -10 INCRBY u8 0 300", "0 255"),
            ("OVERFLOW FAIL INCRBY u8 0 1 SET u8 0 256", "$-1 $-1"),
            ("INCRBY i8 8 10", "-126"),
            (
                "OVERFLOW SAT INCRBY i8 8 -10 OVERFLOW WRAP INCRBY i8 8 -1",
                "-128 127",
            ),
            ("OVERFLOW SAT SET u8 0 -1 GET u8 0", "255 255"),
            ("SET i8 8 511 GET i8 8", "127 -1"),
        ] {
            assert_eq!(
                ints(&mut t, &format!("BITFIELD b {line}")),
                expected,
                "{line}"
            );
        }
        let max = i64::MAX;
        let line =
            format!("BITFIELD c SET i64 0 {max} INCRBY i64 0 1 OVERFLOW FAIL INCRBY i64 0 -1");
        assert_eq!(ints(&mut t, &line), format!("0 {} $-1", i64::MIN));
    }

    #[test]
    fn only_changes_are_repeated() {
        let mut t = Testbed::new();
        t.run("BITFIELD b SET u8 0 0");
        t.run("BITFIELD b SET u8 0 0");
        t.run("BITFIELD b OVERFLOW FAIL SET u8 0 256");
        t.run("BITFIELD b GET u8 0");
        t.run("BITFIELD b INCRBY u8 0 1");
        // A command that only grew the string is propagated, too.
        t.run("BITFIELD d OVERFLOW FAIL SET u8 0 256");
        assert_eq!(
            t.take_effects(),
            [
                "BITFIELD b SET u8 0 0",
                "BITFIELD b INCRBY u8 0 1",
                "BITFIELD d OVERFLOW FAIL SET u8 0 256"
            ]
        );
    }

    #[test]
    fn refusals_come_in_order() {
        let mut t = Testbed::new();
        t.run("RPUSH l x");
        let invalid = "Invalid bitfield type. Use something like i16 u8. Note that u64 is not \
                       supported but i64 is.";
        let offset = "bit offset is not an integer or out of range";
        for (line, text) in [
            ("BITFIELD l GET", "syntax error"),
            ("BITFIELD l SET u8 0", "syntax error"),
            ("BITFIELD l OVERFLOW", "syntax error"),
            ("BITFIELD l OVERFLOW x", "Invalid OVERFLOW type specified"),
            ("BITFIELD l GET u64 0", invalid),
            ("BITFIELD l GET i0 x", invalid),
            ("BITFIELD l GET x8 0", invalid),
            ("BITFIELD l GET u8 -1", offset),
            ("BITFIELD l GET u8 #9223372036854775807", offset),
            ("BITFIELD l GET u8 #-1", offset),
            ("BITFIELD l GET u8 4294967296", offset),
            (
                "BITFIELD l SET u8 0 x",
                "value is not an integer or out of range",
            ),
            (
                "BITFIELD_RO l SET u8 0 1",
                "BITFIELD_RO only supports the GET subcommand",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
        assert!(t.run("BITFIELD l GET u8 0").starts_with("-WRONGTYPE"));
        assert!(t.run("BITFIELD l SET u8 0 1").starts_with("-WRONGTYPE"));
        assert!(t.run("BITFIELD_RO l GET u8 0").starts_with("-WRONGTYPE"));
    }
}
