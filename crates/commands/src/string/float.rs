//! INCRBYFLOAT: strings as long doubles.

use russet_base::numbers::long_double::LongDouble;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Class, NewValue, TextBuffer};
use russet_server::{Call, CommandResult, Spec};

pub(super) const INCRBYFLOAT: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::STRING,
    ..Spec::new("incrbyfloat", incrbyfloat)
};

/// `INCRBYFLOAT key increment`: adds in 80-bit long doubles; a missing key counts as 0.
///
/// Reply: the new value as a bulk string, at most 17 decimals, no exponent. Propagated as SET,
/// because other machines may round differently. O(1).
fn incrbyfloat(call: &mut Call<'_>) -> CommandResult {
    let [_, key, by] = call.args.exactly();
    let place = call.db.place(key);
    // Checks the value before the increment, so that a wrong type is reported first.
    let old = match place.string()? {
        None => LongDouble::parse(b"0"),
        Some(text) => LongDouble::parse(text.text(&mut TextBuffer::new())?),
    };
    let old = old.ok_or(CommandError::NotAFloat)?;
    let by = LongDouble::parse(by).ok_or(CommandError::NotAFloat)?;
    let sum = old.checked_add(by).ok_or(CommandError::IncrNanOrInfinity)?;
    let mut text = Vec::new();
    sum.write(&mut text);
    let value = NewValue::Bytes {
        text: &text,
        modified: false,
    };
    place.modify_string(value);
    call.db.changed(key, Class::STRING, "incrbyfloat");
    call.reply.bulk(&text);
    call.rewrite(&[b"SET", key, &text, b"KEEPTTL"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn sums_are_written_without_exponents() {
        let mut t = Testbed::new();
        assert_eq!(t.run("INCRBYFLOAT a 1.1"), "$3\r\n1.1\r\n");
        assert_eq!(
            t.run("INCRBYFLOAT a 3e2"),
            "$21\r\n301.10000000000000001\r\n"
        );
        t.run("SET b 3 PX 1000");
        assert_eq!(t.run("INCRBYFLOAT b -1"), "$1\r\n2\r\n");
        assert_eq!(
            t.take_effects(),
            [
                "SET a 1.1 KEEPTTL",
                "SET a 301.10000000000000001 KEEPTTL",
                "SET b 3 PXAT 1000001000",
                "SET b 2 KEEPTTL"
            ]
        );
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let mut t = Testbed::new();
        t.run("SET a x");
        let refusal = "-ERR value is not a valid float\r\n";
        assert_eq!(t.run("INCRBYFLOAT a 1"), refusal);
        assert_eq!(t.run("INCRBYFLOAT b x"), refusal);
        assert_eq!(t.run("INCRBYFLOAT b nan"), refusal);
        assert_eq!(
            t.run("INCRBYFLOAT b inf"),
            "-ERR increment would produce NaN or Infinity\r\n"
        );
        assert_eq!(t.run("GET b"), "$-1\r\n");
    }
}
