//! Counting and finding bits: BITCOUNT and BITPOS.
//!
//! Offsets are bytes, or bits after the word BIT; negative offsets count from the end. A missing
//! key is an empty string. BITPOS of a clear bit without an end finds the first bit after a string
//! of set bits; with an end it does not.
//!
//! Cost: O(bytes of the range); BITPOS stops at the bit.
//!
//! Decided elsewhere: the syntax of ranges: `range`; counting: `encodings::bits`.

use super::range::BitRange;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_encodings::bits;
use russet_keyspace::{Bits, TextBuffer};
use russet_server::{Call, CommandResult, Spec};

pub(super) const BITCOUNT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::BITMAP,
    ..Spec::new("bitcount", bitcount)
};

/// `BITCOUNT key [start [end [BYTE | BIT]]]`: the number of set bits. Valkey made the end optional.
///
/// Reply: integer, 0 for a missing key. O(bytes of the range).
fn bitcount(call: &mut Call<'_>) -> CommandResult {
    let range = BitRange::parse(call.args, 2, call.db.dialect())?;
    // A reversed pair of negative offsets is empty even if both clamp to the start.
    let reversed =
        matches!(range.end, Some(end) if range.start < 0 && end < 0 && range.start > end);
    let within = |len| range.within(len).filter(|_| !reversed);
    let count = match call.db.bits(call.args.at(1))? {
        None => 0,
        Some(Bits::Text(text)) => {
            let mut buffer = TextBuffer::new();
            let text = text.text(&mut buffer)?;
            within(text.len()).map_or(0, |within| bits::count_within(text, within))
        }
        Some(Bits::Native(bitmap)) => {
            within(bitmap.bytes() as usize).map_or(0, |within| bitmap.count(within))
        }
    };
    call.reply.int(count as i64);
    Ok(())
}

pub(super) const BITPOS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::BITMAP,
    ..Spec::new("bitpos", bitpos)
};

/// `BITPOS key bit [start [end [BYTE | BIT]]]`: the position of the first such bit.
///
/// Reply: integer, counted from the string's start; -1 if there is none. Without an end, the first
/// bit after the string counts as clear. O(bytes up to the bit).
fn bitpos(call: &mut Call<'_>) -> CommandResult {
    const NOT_A_BIT: CommandError = CommandError::Text("ERR The bit argument must be 1 or 0.");
    let bit = match parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)? {
        0 => false,
        1 => true,
        _ => return Err(NOT_A_BIT),
    };
    let range = parse_bitpos_range(call)?;
    let behind = |len: usize| (!bit && range.end.is_none()).then_some(len as u64 * 8);
    let at = match call.db.bits(call.args.at(1))? {
        None => {
            call.reply.int(if bit { -1 } else { 0 });
            return Ok(());
        }
        Some(Bits::Text(text)) => {
            let mut buffer = TextBuffer::new();
            let text = text.text(&mut buffer)?;
            let within = range.within(text.len());
            within.and_then(|it| bits::find_within(text, bit, it).or(behind(text.len())))
        }
        Some(Bits::Native(bitmap)) => {
            let len = bitmap.bytes() as usize;
            let within = range.within(len);
            within.and_then(|it| bitmap.find(bit, it).or(behind(len)))
        }
    };
    call.reply.int(at.map_or(-1, |at| at as i64));
    Ok(())
}

/// Checks the unit before the end.
fn parse_bitpos_range(call: &Call<'_>) -> Result<BitRange, CommandError> {
    const UNIT_AT: usize = 5;
    let (args, has_unit) = (call.args, call.args.len() == UNIT_AT + 1);
    let is_unit = args.is(UNIT_AT, "BYTE") || args.is(UNIT_AT, "BIT");
    if has_unit && !is_unit && parse_i64(args.at(3)).is_some() {
        return Err(CommandError::Syntax);
    }
    BitRange::parse(args, 3, call.db.dialect())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn bits_are_counted_by_byte_and_by_bit() {
        let mut t = Testbed::new();
        t.run("SET s foobar");
        for (range, count) in [
            ("", 26),
            (" 0 0", 4),
            (" 1 1", 6),
            (" 1 1 BYTE", 6),
            (" 5 30 BIT", 17),
            (" -1 -2", 0),
            (" -100 -90", 4),
            (" 4", 7),
            (" 2 1", 0),
            (" 0 -1 bit", 26),
            (" 100 200", 0),
        ] {
            let line = format!("BITCOUNT s{range}");
            assert_eq!(t.run(&line), format!(":{count}\r\n"), "{line}");
        }
        assert_eq!(t.run("BITCOUNT none 0 1"), ":0\r\n");
        t.run("SET n 17");
        assert_eq!(t.run("BITCOUNT n"), ":8\r\n");
    }

    #[test]
    fn bits_are_found() {
        let mut t = Testbed::new();
        t.run_args(&[b"SET", b"s", b"\xff\xf0\x00"]);
        t.run_args(&[b"SET", b"ones", b"\xff\xff"]);
        t.run_args(&[b"SET", b"empty", b""]);
        for (line, at) in [
            ("s 0", 12),
            ("s 1", 0),
            ("s 1 1", 8),
            ("s 1 2", -1),
            ("s 0 0 0", -1),
            ("s 0 9 14 BIT", 12),
            ("s 1 12 -1 BIT", -1),
            ("s 0 -1", 16),
            ("ones 0", 16),
            ("ones 0 1", 16),
            ("ones 0 1 -1", -1),
            ("ones 0 2", -1),
            ("ones 0 0 -1 BIT", -1),
            ("empty 0", -1),
            ("empty 1", -1),
            ("none 0", 0),
            ("none 1", -1),
            ("none 0 5 7", 0),
        ] {
            let line = format!("BITPOS {line}");
            assert_eq!(t.run(&line), format!(":{at}\r\n"), "{line}");
        }
    }

    #[test]
    fn refusals_come_in_order() {
        let mut t = Testbed::new();
        t.run("RPUSH l x");
        let integer = "-ERR value is not an integer or out of range\r\n";
        let syntax = "-ERR syntax error\r\n";
        for (line, refusal) in [
            ("BITCOUNT l x 1 y", integer),
            ("BITCOUNT l 0 1 y", syntax),
            ("BITCOUNT l 0 1 BYTE z", syntax),
            ("BITPOS l x", integer),
            ("BITPOS l 2 x", "-ERR The bit argument must be 1 or 0.\r\n"),
            ("BITPOS l 1 x 1 y", integer),
            ("BITPOS l 1 0 x y", syntax),
            ("BITPOS l 1 0 x BIT", integer),
            ("BITPOS l 1 0 1 BIT z", syntax),
        ] {
            assert_eq!(t.run(line), refusal, "{line}");
        }
        assert!(t.run("BITCOUNT l").starts_with("-WRONGTYPE"));
        assert!(t.run("BITPOS l 1").starts_with("-WRONGTYPE"));
    }
}
