//! BITRANGEINTARRAY: the positions of set or clear bits in a range.
//!
//! Cost: O(bytes of the range) of a string, O(containers in it, and runs of set bits) of a bitmap,
//! and the positions. The handler counts before it replies, so the array's length comes first.
//!
//! Decided elsewhere: ranges: `range`.

use super::range::{BitRange, Unit};
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_encodings::bits;
use russet_keyspace::{Bits, TextBuffer};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Bitmap;
use std::ops::RangeInclusive;

pub(super) const BITRANGEINTARRAY: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::BITMAP,
    ..Spec::new("bitrangeintarray", bitrangeintarray)
};

/// The positions that are asked for.
struct PositionQuery {
    range: BitRange,
    /// Set bits, or clear bits.
    bit: bool,
    /// The most positions.
    limit: u64,
}

impl PositionQuery {
    fn parse(args: Args<'_>) -> Result<PositionQuery, CommandError> {
        const NEGATIVE: CommandError = CommandError::Text("ERR LIMIT must not be negative");
        let integer = |at: usize| {
            let text = args.get(at).ok_or(CommandError::Syntax)?;
            parse_i64(text).ok_or(CommandError::NotAnInteger)
        };
        let (start, end) = (integer(2)?, integer(3)?);
        let (mut unit, mut limit, mut zeros) = (None, None, false);
        let mut at = 4;
        while at < args.len() {
            match () {
                _ if unit.is_none() && args.is(at, "BYTE") => unit = Some(Unit::Byte),
                _ if unit.is_none() && args.is(at, "BIT") => unit = Some(Unit::Bit),
                _ if !zeros && args.is(at, "ZEROS") => zeros = true,
                _ if limit.is_none() && args.is(at, "LIMIT") => {
                    at += 1;
                    limit = Some(u64::try_from(integer(at)?).map_err(|_| NEGATIVE)?);
                }
                _ => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        Ok(PositionQuery {
            range: BitRange::new(start, end, unit.unwrap_or(Unit::Byte)),
            bit: !zeros,
            limit: limit.filter(|&limit| limit > 0).unwrap_or(u64::MAX),
        })
    }
}

/// `BITRANGEINTARRAY key start end [BYTE | BIT] [LIMIT count] [ZEROS]`: the positions of the set
/// bits of a range, or, with ZEROS, of its clear bits. Both ends are inclusive, and count from the
/// end of the value if they are negative.
///
/// Reply: array of integers, ascending, in bits whatever the unit; empty for a missing key. LIMIT
/// gives the most positions; 0: all. O(range, as far as it is read, and positions).
fn bitrangeintarray(call: &mut Call<'_>) -> CommandResult {
    let wanted = PositionQuery::parse(call.args)?;
    // Eight bytes each, about.
    let most = call.server.config.proto_max_bulk_len / 8;
    let reply = &mut *call.reply;
    match call.db.bits(call.args.at(1))? {
        None => reply.array(0),
        Some(Bits::Native(bitmap)) => match wanted.range.within(bitmap.bytes() as usize) {
            None => reply.array(0),
            Some(range) => of_bitmap(&bitmap, range, &wanted, most, reply)?,
        },
        Some(Bits::Text(text)) => {
            let mut buffer = TextBuffer::new();
            let text = text.text(&mut buffer)?;
            match wanted.range.within(text.len()) {
                None => reply.array(0),
                Some(range) => of_text(text, range, &wanted, most, reply)?,
            }
        }
    }
    Ok(())
}

/// The number of positions, if so many bits of a range are set. An error: the reply would be longer
/// than any value, although a short payload may stand for a long bitmap.
fn number(
    set: u64,
    range: &RangeInclusive<u64>,
    wanted: &PositionQuery,
    most: u64,
) -> Result<u64, CommandError> {
    let all = range.end() - range.start() + 1;
    let those = if wanted.bit { set } else { all - set };
    let those = those.min(wanted.limit);
    if those > most {
        return Err(CommandError::Bytes(
            format!("ERR The reply would have more than {most} positions: use LIMIT").into_bytes(),
        ));
    }
    Ok(those)
}

fn of_text(
    text: &[u8],
    range: RangeInclusive<u64>,
    wanted: &PositionQuery,
    most: u64,
    reply: &mut Reply,
) -> CommandResult {
    let set = bits::count_within(text, range.clone());
    let mut left = number(set, &range, wanted, most)?;
    reply.array(left as usize);
    let (mut at, last) = range.into_inner();
    while left > 0 {
        let found = bits::find_within(text, wanted.bit, at..=last);
        let first = found.expect("it was counted");
        // The rest of its byte: finding the next bit costs more than a test.
        let byte = text[(first / 8) as usize];
        for bit in first..=(first | 7).min(last) {
            if left > 0 && (byte & 0x80 >> (bit % 8) != 0) == wanted.bit {
                reply.int(bit as i64);
                left -= 1;
            }
        }
        at = (first | 7) + 1;
    }
    Ok(())
}

fn of_bitmap(
    bitmap: &Bitmap,
    range: RangeInclusive<u64>,
    wanted: &PositionQuery,
    most: u64,
    reply: &mut Reply,
) -> CommandResult {
    let mut left = number(bitmap.count(range.clone()), &range, wanted, most)?;
    reply.array(left as usize);
    let (mut at, last) = (*range.start(), *range.end());
    let mut runs = bitmap.runs(range);
    let mut write = |first: u64, end: u64, left: &mut u64| {
        let end = end.min(first.saturating_add(*left));
        (first..end).for_each(|bit| reply.int(bit as i64));
        *left -= end - first;
    };
    while left > 0 {
        match runs.next() {
            Some(run) if wanted.bit => write(*run.start(), run.end() + 1, &mut left),
            Some(run) => {
                write(at, *run.start(), &mut left);
                at = run.end() + 1;
            }
            None => write(at, last + 1, &mut left),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn positions(t: &mut Testbed, line: &str) -> Vec<i64> {
        let reply = t.run(&format!("BITRANGEINTARRAY {line}"));
        let mut lines = reply.lines();
        let head = lines.next().expect("an array");
        let all: Vec<i64> = lines
            .map(|line| line[1..].parse().expect("an integer"))
            .collect();
        assert_eq!(head, format!("*{}", all.len()), "{line}");
        all
    }

    #[test]
    fn positions_are_those_of_getbit() {
        let mut t = Testbed::new();
        t.run_args(&[b"SET", b"s", b"\xf0\x00\x81"]);
        t.run("SET n 1");
        for (line, expected) in [
            ("s 0 -1", &[0, 1, 2, 3, 16, 23][..]),
            ("s 1 1", &[]),
            ("s -1 -1", &[16, 23]),
            ("s 2 -2 BIT", &[2, 3, 16]),
            ("s 0 -1 LIMIT 2", &[0, 1]),
            ("s 0 -1 LIMIT 0", &[0, 1, 2, 3, 16, 23]),
            ("s 0 -1 LIMIT 1 ZEROS", &[4]),
            ("s 15 18 zeros bit", &[15, 17, 18]),
            ("s 2 1", &[]),
            ("s 9 20", &[]),
            ("n 0 0", &[2, 3, 7]),
            ("none 0 -1 ZEROS", &[]),
        ] {
            assert_eq!(positions(&mut t, line), expected, "{line}");
        }
        assert_eq!(t.take_effects().len(), 2);
    }

    #[test]
    fn refusals_come_in_order() {
        let mut t = Testbed::new();
        t.run("RPUSH l x");
        let integer = "-ERR value is not an integer or out of range\r\n";
        let syntax = "-ERR syntax error\r\n";
        for (line, refusal) in [
            ("l x 1 y", integer),
            ("l 1 x y", integer),
            ("l 0 1 y", syntax),
            ("l 0 1 BIT BYTE", syntax),
            ("l 0 1 LIMIT", syntax),
            ("l 0 1 LIMIT x", integer),
            ("l 0 1 LIMIT -1", "-ERR LIMIT must not be negative\r\n"),
        ] {
            assert_eq!(
                t.run(&format!("BITRANGEINTARRAY {line}")),
                refusal,
                "{line}"
            );
        }
        t.run("SETBIT s 999 0");
        t.engine.server.config.proto_max_bulk_len = 800;
        let long = "-ERR The reply would have more than 100 positions: use LIMIT\r\n";
        assert_eq!(t.run("BITRANGEINTARRAY s 0 -1 ZEROS"), long);
        assert!(
            t.run("BITRANGEINTARRAY s 0 -1 ZEROS LIMIT 100")
                .starts_with("*100")
        );
        assert!(t.run("BITRANGEINTARRAY l 0 1").starts_with("-WRONGTYPE"));
        assert!(
            t.run("BITRANGEINTARRAY l 0")
                .contains("wrong number of arguments")
        );
    }
}
