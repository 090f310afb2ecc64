//! HINCRBY and HINCRBYFLOAT: fields as numbers. They keep a field's expiry.
//!
//! A missing or expired field counts as 0; the handler deletes an expired field first, so the new
//! field has no expiry. Overflow is an error and changes nothing.
//!
//! A float is a long double, as in Redis. The effect has the text of the result, because other
//! machines may round otherwise: HSET, or HSETEX KEEPTTL if the field has an expiry.
//!
//! Cost: O(1).

use russet_base::numbers::long_double::LongDouble;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Entry, Expiry, Hash};

/// The number that a field held.
struct Old<T> {
    number: T,
    /// The field has an expiry.
    volatile: bool,
}

/// Reads a field for a command that will write it; deletes an expired field.
fn read<T>(
    call: &mut Call<'_>,
    key: &[u8],
    field: &[u8],
    zero: T,
    parse: impl FnOnce(Entry<'_>) -> Result<T, CommandError>,
) -> Result<Old<T>, CommandError> {
    let now = call.db.due_ms() as u64;
    let hash = call.db.write::<Hash>(key)?;
    let found = hash.as_ref().and_then(|hash| hash.get(field));
    let expired = found.is_some_and(|found| found.expired(now));
    let (number, volatile) = match found {
        Some(found) if !expired => (parse(found.value)?, found.expire_ms.is_some()),
        _ => (zero, false),
    };
    drop(hash);
    if expired {
        call.db.expire_fields_to_write(key, &[field]);
    }
    Ok(Old { number, volatile })
}

/// Sets a field and keeps the field's expiry.
fn write(call: &mut Call<'_>, key: &[u8], field: &[u8], text: &[u8]) -> CommandResult {
    let limits = *call.db.limits();
    let mut hash = call.db.write_or(key, Hash::new)?;
    hash.set(field, text, Expiry::Keep, &limits);
    Ok(())
}

pub(super) const HINCRBY: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::HASH,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("hincrby", hincrby)
};

/// `HINCRBY key field increment`; a missing field counts as 0.
///
/// Reply: the new value. Errors: not an integer, overflow. O(1).
fn hincrby(call: &mut Call<'_>) -> CommandResult {
    const NOT_AN_INTEGER: CommandError = CommandError::Text("ERR hash value is not an integer");
    let [_, key, field, by] = call.args.exactly();
    let by = parse_i64(by).ok_or(CommandError::NotAnInteger)?;
    let old = read(call, key, field, 0, |value| {
        value.as_int().ok_or(NOT_AN_INTEGER)
    })?;
    let new = old
        .number
        .checked_add(by)
        .ok_or(CommandError::IncrOverflow)?;
    write(call, key, field, itoa::Buffer::new().format(new).as_bytes())?;
    call.db
        .changed_fields(key, 1, Class::HASH, "hincrby", [field].into_iter());
    call.reply.int(new);
    Ok(())
}

pub(super) const HINCRBYFLOAT: Spec = Spec {
    name: "hincrbyfloat",
    handler: hincrbyfloat,
    ..HINCRBY
};

/// `HINCRBYFLOAT key field increment`; a missing field counts as 0.
///
/// Reply: the new value as a bulk string. Propagated as HSET of that text, or as HSETEX KEEPTTL if
/// the field has an expiry, which HSET would remove. O(1).
fn hincrbyfloat(call: &mut Call<'_>) -> CommandResult {
    const NOT_A_FLOAT: CommandError = CommandError::Text("ERR hash value is not a float");
    let [_, key, field, by] = call.args.exactly();
    let by = LongDouble::parse(by).ok_or(CommandError::NotAFloat)?;
    if matches!(by, LongDouble::Infinite { .. }) {
        return Err(CommandError::Text("ERR value is NaN or Infinity"));
    }
    let old = read(call, key, field, LongDouble::from(0), |value| {
        LongDouble::parse(value.bytes(&mut itoa::Buffer::new())).ok_or(NOT_A_FLOAT)
    })?;
    let new = old
        .number
        .checked_add(by)
        .ok_or(CommandError::IncrNanOrInfinity)?;
    let mut text = Vec::with_capacity(40);
    new.write(&mut text);
    write(call, key, field, &text)?;
    call.db
        .changed_fields(key, 1, Class::HASH, "hincrbyfloat", [field].into_iter());
    if old.volatile {
        call.rewrite(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, &text]);
    } else {
        call.rewrite(&[b"HSET", key, field, &text]);
    }
    call.reply.bulk(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn integers_add_up_to_the_limits() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HINCRBY h a 5"), ":5\r\n");
        assert_eq!(t.run("HINCRBY h a -7"), ":-2\r\n");
        t.run("HSET h big 9223372036854775807 text 1x");
        assert_eq!(
            t.run("HINCRBY h big 1"),
            "-ERR increment or decrement would overflow\r\n"
        );
        assert_eq!(
            t.run("HINCRBY h text 1"),
            "-ERR hash value is not an integer\r\n"
        );
        assert_eq!(
            t.run("HINCRBY h a x"),
            "-ERR value is not an integer or out of range\r\n"
        );
    }

    #[test]
    fn a_lowered_limit_holds_for_fields_that_are_there() {
        for write in ["HINCRBY h a 1", "HINCRBYFLOAT h a 1.5"] {
            for expiry in ["PERSIST h", "HEXPIRE h 1000 FIELDS 1 b"] {
                let mut t = Testbed::new();
                t.run("HSET h a 1 b 2 c 3");
                t.run(expiry);
                t.run("CONFIG SET hash-max-listpack-entries 2");
                assert!(t.run("OBJECT ENCODING h").contains("listpack"));
                t.run(write);
                assert_eq!(t.run("OBJECT ENCODING h"), "$9\r\nhashtable\r\n");
            }
        }
    }

    /// Regression: on a writable replica the new number got the old number's expiry, which was
    /// over.
    #[test]
    fn a_field_that_has_expired_is_replaced_where_it_is_only_hidden() {
        for (write, shown) in [
            ("HINCRBY h a 1", "$1\r\n1\r\n"),
            ("HINCRBYFLOAT h a 1.5", "$3\r\n1.5\r\n"),
            ("HSETNX h a new", "$3\r\nnew\r\n"),
        ] {
            let mut t = Testbed::new();
            t.run("CONFIG SET import-mode yes");
            t.run("HSET h a 5 b 6");
            t.run("HPEXPIRE h 100 FIELDS 1 a");
            t.advance_ms(200);
            t.take_effects();
            assert_eq!(t.run("HGET h a"), "$-1\r\n");
            t.run(write);
            assert_eq!(t.run("HGET h a"), shown, "{write}");
            let effects = t.take_effects();
            assert_eq!(effects[0], "HDEL h a", "{effects:?}");
            assert_eq!(t.run("HTTL h FIELDS 1 a"), "*1\r\n:-1\r\n");
        }
    }

    #[test]
    fn floats_are_repeated_as_their_text() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HINCRBYFLOAT h a 10.5"), "$4\r\n10.5\r\n");
        assert_eq!(t.run("HINCRBYFLOAT h a 0.1"), "$4\r\n10.6\r\n");
        assert_eq!(t.take_effects(), ["HSET h a 10.5", "HSET h a 10.6"]);
        assert_eq!(t.run("HINCRBYFLOAT h b -2.25"), "$5\r\n-2.25\r\n");
        t.run("HSET h text abc");
        assert_eq!(
            t.run("HINCRBYFLOAT h text 1"),
            "-ERR hash value is not a float\r\n"
        );
        assert_eq!(
            t.run("HINCRBYFLOAT h a x"),
            "-ERR value is not a valid float\r\n"
        );
        assert_eq!(
            t.run("HINCRBYFLOAT h a inf"),
            "-ERR value is NaN or Infinity\r\n"
        );
    }
}
