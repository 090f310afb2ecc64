//! Parts of strings: STRLEN, GETRANGE, SUBSTR, SETRANGE, APPEND.
//!
//! Offsets are bytes; negative offsets count from the end, both ends of a range are included, and a
//! range is cut to the string. SETRANGE fills a gap with zeros; no string grows beyond
//! `proto-max-bulk-len`. An empty value of SETRANGE changes nothing.
//!
//! Cost: O(bytes read or written), and the growth.

use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Class, Expiry, NewValue, TextBuffer};
use russet_server::{Call, CommandResult, Spec};

pub(super) const STRLEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::STRING,
    ..Spec::new("strlen", strlen)
};

/// `STRLEN key`: length of the string in bytes. Reply: integer, 0 for a missing key. O(1).
fn strlen(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let len = call.db.string(key)?.map_or(0, |text| text.len());
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const GETRANGE: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::STRING,
    ..Spec::new("getrange", getrange)
};

/// The older name of GETRANGE.
pub(super) const SUBSTR: Spec = Spec {
    name: "substr",
    ..GETRANGE
};

/// `GETRANGE key start end`: the bytes between two inclusive offsets.
///
/// Reply: bulk string; empty if the key is missing or the range is empty. Offsets are bytes;
/// negative offsets count back from the end. O(length of reply).
fn getrange(call: &mut Call<'_>) -> CommandResult {
    let [_, key, start, end] = call.args.exactly();
    // Offsets before the key: Redis reports a bad integer even on a list.
    let start = parse_i64(start).ok_or(CommandError::NotAnInteger)?;
    let end = parse_i64(end).ok_or(CommandError::NotAnInteger)?;
    let mut buffer = TextBuffer::new();
    let text = match call.db.string(key)? {
        None => &[],
        Some(ref text) => text.text(&mut buffer)?,
    };
    call.reply.bulk(slice(text, start, end));
    Ok(())
}

fn slice(text: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let len = text.len() as i64;
    let from_end = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end {
        return &[];
    }
    &text[start as usize..=end as usize]
}

/// The total length, or an error if it exceeds `max`.
fn check_length(max: u64, size: u64, more: usize) -> Result<usize, CommandError> {
    size.checked_add(more as u64)
        .filter(|&total| total <= max)
        .map(|total| total as usize)
        .ok_or(CommandError::StringTooLong)
}

pub(super) const SETRANGE: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STRING,
    ..Spec::new("setrange", setrange)
};

/// `SETRANGE key offset value`: overwrites bytes from `offset` on; fills a gap with zeros.
///
/// Reply: the string's length. An empty value changes nothing and creates no key. At most
/// `proto-max-bulk-len` bytes. O(length of value), plus the growth.
fn setrange(call: &mut Call<'_>) -> CommandResult {
    let [_, key, offset, value] = call.args.exactly();
    let offset = parse_i64(offset).ok_or(CommandError::NotAnInteger)?;
    let offset =
        u64::try_from(offset).map_err(|_| CommandError::Text("ERR offset is out of range"))?;
    let max = call.string_max();
    let mut place = call.db.place(key);
    place.unpack()?;
    let old = place.string()?.map_or(0, |text| text.len());
    if value.is_empty() {
        call.reply.int(old as i64);
        return Ok(());
    }
    let end = check_length(max, offset, value.len())?;
    let text = place.grow(end);
    text[offset as usize..end].copy_from_slice(value);
    let len = text.len();
    call.db.changed(key, Class::STRING, "setrange");
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const APPEND: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::STRING,
    ..Spec::new("append", append)
};

/// `APPEND key value`: appends to the string; creates a missing key.
///
/// Reply: the string's length, at most `proto-max-bulk-len`. O(length of value), plus the
/// growth.
fn append(call: &mut Call<'_>) -> CommandResult {
    let [_, key, value] = call.args.exactly();
    let max = call.string_max();
    let mut place = call.db.place(key);
    place.unpack()?;
    let Some(old) = place.string()?.map(|text| text.len()) else {
        place.set_string(NewValue::argument(call.args, 2), Expiry::Clear);
        call.db.changed(key, Class::STRING, "append");
        call.reply.int(value.len() as i64);
        return Ok(());
    };
    let end = check_length(max, old as u64, value.len())?;
    place.grow(end)[old..].copy_from_slice(value);
    call.db.changed(key, Class::STRING, "append");
    call.reply.int(end as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::slice;
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn ranges_are_inclusive_and_cut_to_the_string() {
        let t = b"hello";
        for (start, end, want) in [
            (0, -1, "hello"),
            (0, 0, "h"),
            (-3, -2, "ll"),
            (-100, 1, "he"),
            (3, 100, "lo"),
            (4, 3, ""),
            (-1, -3, ""),
            (0, -100, "h"),
            (5, 10, ""),
            (i64::MIN, i64::MAX, "hello"),
            (i64::MAX, i64::MIN, ""),
        ] {
            assert_eq!(slice(t, start, end), want.as_bytes(), "{start} {end}");
        }
        assert_eq!(slice(b"", 0, -1), b"");
    }

    #[test]
    fn setrange_fills_the_gap_with_zeros() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SETRANGE a 2 x"), ":3\r\n");
        assert_eq!(t.run("GET a"), "$3\r\n\0\0x\r\n");
        assert_eq!(t.run_args(&[b"SETRANGE", b"none", b"5", b""]), b":0\r\n");
        assert_eq!(t.run("GET none"), "$-1\r\n");
        t.run("SET n 1234");
        assert_eq!(t.run_args(&[b"SETRANGE", b"n", b"9", b""]), b":4\r\n");
        assert_eq!(t.run("SETRANGE n 1 x"), ":4\r\n");
        assert_eq!(t.run("GET n"), "$4\r\n1x34\r\n");
        assert_eq!(t.run("SETRANGE n -1 x"), "-ERR offset is out of range\r\n");
    }

    #[test]
    fn strings_longer_than_a_bulk_are_refused() {
        let mut t = Testbed::new();
        let refusal = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
        assert_eq!(t.run("SETRANGE a 536870912 x"), refusal);
        assert_eq!(t.run("SETRANGE a 9223372036854775807 x"), refusal);
        t.engine.server.config.proto_max_bulk_len = 4;
        assert_eq!(t.run("SETRANGE a 3 x"), ":4\r\n");
        assert_eq!(t.run("APPEND a x"), refusal);
        assert_eq!(t.run("STRLEN a"), ":4\r\n");
    }

    #[test]
    fn append_makes_a_key_or_a_longer_one() {
        let mut t = Testbed::new();
        assert_eq!(t.run("APPEND a 12"), ":2\r\n");
        assert_eq!(t.run("INCR a"), ":13\r\n");
        assert_eq!(t.run("APPEND a 4"), ":3\r\n");
        assert_eq!(t.run("GETRANGE a 1 -1"), "$2\r\n34\r\n");
        assert_eq!(t.run("SUBSTR a 0 0"), "$1\r\n1\r\n");
    }
}
