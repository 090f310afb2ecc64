//! Single bits: SETBIT and GETBIT.
//!
//! A key holds a string or a native bitmap; SETBIT extends both with zeros. O(1), and the growth.

use super::{check_end, native, parse_offset};
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Bits, Class, TextBuffer};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Bitmap;

pub(super) const SETBIT: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::BITMAP,
    ..Spec::new("setbit", setbit)
};

/// `SETBIT key offset bit`: sets or clears a bit; creates a missing key and extends a string that
/// is too short with zeros.
///
/// Reply: the bit's old value. `proto-max-bulk-len` limits offsets. O(1), plus the growth.
fn setbit(call: &mut Call<'_>) -> CommandResult {
    const NOT_A_BIT: CommandError = CommandError::Text("ERR bit is not an integer or out of range");
    let [_, key, offset, bit] = call.args.exactly();
    let offset = parse_offset(offset, call.string_max())?;
    let bit = match parse_i64(bit) {
        Some(bit @ (0 | 1)) => bit as u8,
        _ => return Err(NOT_A_BIT),
    };
    if native::is_default(call) {
        check_end(offset / 8 + 1)?;
        native::convert(call, key)?;
    }
    let mut place = call.db.place(key);
    place.unpack()?;
    let len_before = match place.string() {
        Ok(text) => text.map_or(0, |text| text.len()),
        Err(_) => {
            let before = set_native(&mut *place.bitmap()?, offset, bit != 0)?;
            if before.is_changed {
                call.db.changed(key, Class::BITMAP, "setbit");
            }
            call.reply.int(before.was_set.into());
            return Ok(());
        }
    };
    let at = (offset / 8) as usize;
    let text = place.grow(at + 1);
    let shift = 7 - offset % 8;
    let before = text[at] >> shift & 1;
    if before != bit || text.len() > len_before {
        text[at] = text[at] & !(1 << shift) | bit << shift;
        call.db.changed(key, Class::STRING, "setbit");
    }
    call.reply.int(before.into());
    Ok(())
}

/// The effect of SETBIT on a native bitmap.
struct BitBefore {
    was_set: bool,
    /// The bit changed, or the bitmap is longer.
    is_changed: bool,
}

fn set_native(bitmap: &mut Bitmap, at: u64, on: bool) -> Result<BitBefore, CommandError> {
    let (len, end) = (bitmap.bytes(), check_end(at / 8 + 1)?);
    bitmap.lengthen(end);
    let was_set = bitmap.set(at, on);
    Ok(BitBefore {
        was_set,
        is_changed: was_set != on || end > len,
    })
}

pub(super) const GETBIT: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::BITMAP,
    ..Spec::new("getbit", getbit)
};

/// `GETBIT key offset`.
///
/// Reply: the bit, 0 beyond the string's end and for a missing key. O(1).
fn getbit(call: &mut Call<'_>) -> CommandResult {
    let [_, key, offset] = call.args.exactly();
    let offset = parse_offset(offset, call.server.config.proto_max_bulk_len)?;
    let mut buffer = TextBuffer::new();
    let text = match call.db.bits(key)? {
        None => &[],
        Some(Bits::Text(ref text)) => text.text(&mut buffer)?,
        Some(Bits::Native(bitmap)) => {
            call.reply.int(bitmap.get(offset).into());
            return Ok(());
        }
    };
    let byte = text.get((offset / 8) as usize).copied().unwrap_or(0);
    call.reply.int((byte >> (7 - offset % 8) & 1).into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn bits_are_set_and_the_string_grows() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SETBIT b 7 1"), ":0\r\n");
        assert_eq!(t.run("SETBIT b 7 1"), ":1\r\n");
        assert_eq!(t.run("SETBIT b 20 0"), ":0\r\n");
        assert_eq!(t.run("GET b"), "$3\r\n\u{1}\0\0\r\n");
        assert_eq!(t.run("SETBIT b 7 0"), ":1\r\n");
        assert_eq!(t.run("GETBIT b 7"), ":0\r\n");
        assert_eq!(t.run("GETBIT b 4294967295"), ":0\r\n");
        assert_eq!(t.run("GETBIT none 3"), ":0\r\n");
        assert_eq!(
            t.take_effects(),
            ["SETBIT b 7 1", "SETBIT b 20 0", "SETBIT b 7 0"]
        );
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn the_digits_of_an_integer_are_its_bits() {
        let mut t = Testbed::new();
        t.run("SET n 123");
        assert_eq!(t.run("GETBIT n 2"), ":1\r\n");
        assert_eq!(t.run("OBJECT ENCODING n"), "$3\r\nint\r\n");
        assert_eq!(t.run("SETBIT n 7 0"), ":1\r\n");
        assert_eq!(t.run("GET n"), "$3\r\n023\r\n");
        assert_eq!(t.run("OBJECT ENCODING n"), "$3\r\nraw\r\n");
        t.run("SET short abc EX 100");
        assert_eq!(t.run("SETBIT short 23 1"), ":1\r\n");
        assert_eq!(t.run("OBJECT ENCODING short"), "$3\r\nraw\r\n");
        assert_eq!(t.run("TTL short"), ":100\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn refusals_come_in_order() {
        let mut t = Testbed::new();
        t.run("RPUSH l x");
        let offset = "-ERR bit offset is not an integer or out of range\r\n";
        let bit = "-ERR bit is not an integer or out of range\r\n";
        for line in [
            "SETBIT l -1 x",
            "SETBIT l 4294967296 x",
            "GETBIT l x",
            "GETBIT l 4294967296",
        ] {
            assert_eq!(t.run(line), offset, "{line}");
        }
        for line in ["SETBIT l 0 2", "SETBIT l 0 -1", "SETBIT l 0 x"] {
            assert_eq!(t.run(line), bit, "{line}");
        }
        assert!(t.run("SETBIT l 0 1").starts_with("-WRONGTYPE"));
        assert!(t.run("GETBIT l 0").starts_with("-WRONGTYPE"));
        t.engine.server.config.proto_max_bulk_len = 2;
        assert_eq!(t.run("SETBIT b 15 1"), ":0\r\n");
        assert_eq!(t.run("SETBIT b 16 1"), offset);
    }
}
