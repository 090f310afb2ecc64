//! INCREX: a counter with bounds and an expiry.
//!
//! One implementation for both kinds of numbers ([`Number`]): 64-bit integers, and long doubles
//! with BYFLOAT. A result out of bounds, or an overflow, changes nothing, the expiry included; with
//! SATURATE it becomes the bound.
//!
//! The handler changes an integer in place, which does not count as an overwrite: so it sends no
//! event of an overwritten key. The effect is SET of the result, with KEEPTTL or PXAT.
//!
//! Cost: O(1).
//!
//! Decided elsewhere: long doubles: `base::numbers`; conditions and forms of time:
//! `arguments::expiry`.

use std::cmp::Ordering;

use super::set::{record_past_expiry, record_set_until};
use crate::arguments::expiry::ExpireArg;
use russet_base::numbers::long_double::LongDouble;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Cause, Class, Expiry, NewValue, Place, Str, TextBuffer};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};

pub(super) const INCREX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::STRING,
    ..Spec::new("increx", increx)
};

/// The increment.
#[derive(Clone, Copy)]
enum IncrementValue {
    Int(i64),
    Float(LongDouble),
}

/// The words of a call; each may occur once.
#[derive(Default)]
struct Options<'a> {
    by: Option<IncrementValue>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    expire: Option<ExpireArg<'a>>,
    persist: bool,
    only_new_expiry: bool,
    /// NX (`false`) or XX (`true`), of Valkey: whether the key must exist.
    wanted: Option<bool>,
}

impl<'a> Options<'a> {
    /// A bad increment is reported before a syntax error after it, as in Redis.
    fn parse(args: Args<'a>) -> Result<Options<'a>, CommandError> {
        let mut o = Options::default();
        let mut at = 2;
        while at < args.len() {
            let operand = args.get(at + 1);
            let takes_operand = match operand {
                Some(text) if args.is(at, "BYINT") && o.by.is_none() => {
                    o.by = Some(IncrementValue::Int(increment(text)?));
                    true
                }
                Some(text) if args.is(at, "BYFLOAT") && o.by.is_none() => {
                    o.by = Some(IncrementValue::Float(increment(text)?));
                    true
                }
                Some(text) if args.is(at, "LBOUND") && o.lower.is_none() => {
                    o.lower = Some(text);
                    true
                }
                Some(text) if args.is(at, "UBOUND") && o.upper.is_none() => {
                    o.upper = Some(text);
                    true
                }
                _ if args.is(at, "SATURATE") && !o.saturate => {
                    o.saturate = true;
                    false
                }
                _ if args.is(at, "PERSIST")
                    && !(o.persist || o.only_new_expiry || o.expire.is_some()) =>
                {
                    o.persist = true;
                    false
                }
                _ if args.is(at, "ENX") && !(o.only_new_expiry || o.persist) => {
                    o.only_new_expiry = true;
                    false
                }
                _ if args.is(at, "NX") && o.wanted.is_none() => {
                    o.wanted = Some(false);
                    false
                }
                _ if args.is(at, "XX") && o.wanted.is_none() => {
                    o.wanted = Some(true);
                    false
                }
                _ => match ExpireArg::parse(args, at) {
                    Some(expire) if o.expire.is_none() && !o.persist => {
                        o.expire = Some(expire);
                        true
                    }
                    _ => return Err(CommandError::Syntax),
                },
            };
            at += 1 + usize::from(takes_operand);
        }
        Ok(o)
    }
}

impl Options<'_> {
    /// Whether there is a word that Valkey's INCREX does not have.
    fn has_word_of_redis(&self) -> bool {
        let bounds = self.lower.is_some() || self.upper.is_some() || self.saturate;
        bounds || self.persist || self.only_new_expiry
    }
}

/// A number type that INCREX counts in.
trait Number: Copy {
    const LEAST: Self;
    const GREATEST: Self;
    const ZERO: Self;
    const EVENT: &'static str;
    /// Whether the value is stored as text.
    const IS_TEXT: bool;
    const BAD_INCREMENT: CommandError;
    const BAD_LOWER: CommandError;
    const BAD_UPPER: CommandError;
    const DIFFERENCE_OVERFLOWS: CommandError;
    /// The error where no pair shows that nothing has changed.
    const OVERFLOWS: CommandError;

    /// An increment or a bound.
    fn parse(text: &[u8]) -> Option<Self>;
    fn check_increment(self) -> Result<(), CommandError>;
    fn of_value(value: Str<'_>) -> Result<Self, CommandError>;
    fn compare(self, other: Self) -> Ordering;
    /// The sum; on overflow, the side of all numbers on which it lies.
    fn plus(self, by: Self) -> Result<Self, Ordering>;
    /// The difference; `None` on overflow.
    fn minus(self, other: Self) -> Option<Self>;
    fn write(self, out: &mut Vec<u8>);
    /// Stores the number; `text` is the number's text if it is stored as text.
    fn store(self, text: &[u8], place: Place<'_, '_, '_>, expiry: Expiry);
    fn reply(self, reply: &mut Reply);
}

impl Number for i64 {
    const LEAST: i64 = i64::MIN;
    const GREATEST: i64 = i64::MAX;
    const ZERO: i64 = 0;
    const EVENT: &'static str = "incrby";
    const IS_TEXT: bool = false;
    const BAD_INCREMENT: CommandError =
        CommandError::Text("ERR Increment is not an integer or out of range");
    const BAD_LOWER: CommandError =
        CommandError::Text("ERR LBOUND is not an integer or out of range");
    const BAD_UPPER: CommandError =
        CommandError::Text("ERR UBOUND is not an integer or out of range");
    const DIFFERENCE_OVERFLOWS: CommandError =
        CommandError::Text("ERR applied increment would overflow");
    const OVERFLOWS: CommandError = CommandError::IncrOverflow;

    fn parse(text: &[u8]) -> Option<i64> {
        parse_i64(text)
    }

    fn check_increment(self) -> Result<(), CommandError> {
        Ok(())
    }

    fn of_value(value: Str<'_>) -> Result<i64, CommandError> {
        value.to_int()?.ok_or(CommandError::NotAnInteger)
    }

    fn compare(self, other: i64) -> Ordering {
        self.cmp(&other)
    }

    fn plus(self, by: i64) -> Result<i64, Ordering> {
        self.checked_add(by).ok_or(by.cmp(&0))
    }

    fn minus(self, other: i64) -> Option<i64> {
        self.checked_sub(other)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self).as_bytes());
    }

    fn store(self, _: &[u8], mut place: Place<'_, '_, '_>, expiry: Expiry) {
        if place.set_int(self) {
            set_expiry(&mut place, expiry);
        } else {
            modify(place, NewValue::Int(self), expiry);
        }
    }

    fn reply(self, reply: &mut Reply) {
        reply.int(self);
    }
}

impl Number for LongDouble {
    const LEAST: LongDouble = LongDouble::MIN;
    const GREATEST: LongDouble = LongDouble::MAX;
    const ZERO: LongDouble = LongDouble::ZERO;
    const EVENT: &'static str = "incrbyfloat";
    const IS_TEXT: bool = true;
    const BAD_INCREMENT: CommandError = CommandError::Text("ERR Increment is not a valid float");
    const BAD_LOWER: CommandError = CommandError::Text("ERR LBOUND is not a valid float");
    const BAD_UPPER: CommandError = CommandError::Text("ERR UBOUND is not a valid float");
    const DIFFERENCE_OVERFLOWS: CommandError =
        CommandError::Text("ERR applied increment would be Infinity");
    const OVERFLOWS: CommandError = CommandError::IncrNanOrInfinity;

    fn parse(text: &[u8]) -> Option<LongDouble> {
        LongDouble::parse(text)
    }

    fn check_increment(self) -> Result<(), CommandError> {
        const INFINITE: CommandError =
            CommandError::Text("ERR BYFLOAT increment cannot be Infinity");
        match self {
            LongDouble::Infinite { .. } => Err(INFINITE),
            LongDouble::Finite { .. } => Ok(()),
        }
    }

    fn of_value(value: Str<'_>) -> Result<LongDouble, CommandError> {
        match LongDouble::parse(value.text(&mut TextBuffer::new())?) {
            None => Err(CommandError::NotAFloat),
            Some(LongDouble::Infinite { .. }) => {
                Err(CommandError::Text("ERR value cannot be Infinity"))
            }
            Some(finite) => Ok(finite),
        }
    }

    fn compare(self, other: LongDouble) -> Ordering {
        self.compare(other)
    }

    fn plus(self, by: LongDouble) -> Result<LongDouble, Ordering> {
        self.checked_add(by).ok_or(by.compare(LongDouble::ZERO))
    }

    fn minus(self, other: LongDouble) -> Option<LongDouble> {
        self.checked_add(other.negated())
    }

    fn write(self, out: &mut Vec<u8>) {
        self.write(out);
    }

    fn store(self, text: &[u8], place: Place<'_, '_, '_>, expiry: Expiry) {
        let modified = false;
        modify(place, NewValue::Bytes { text, modified }, expiry);
    }

    fn reply(self, reply: &mut Reply) {
        let mut text = Vec::new();
        self.write(&mut text);
        reply.double_text(&text);
    }
}

/// Gives the string another value, which does not count as overwritten, or makes a string.
fn modify(mut place: Place<'_, '_, '_>, value: NewValue<'_>, expiry: Expiry) {
    if place.is_taken() {
        set_expiry(&mut place, expiry);
        place.modify_string(value);
    } else {
        place.set_string(value, expiry);
    }
}

fn set_expiry(place: &mut Place<'_, '_, '_>, expiry: Expiry) {
    match expiry {
        Expiry::Keep => {}
        Expiry::Clear => place.set_expiry(None),
        Expiry::At(when) => place.set_expiry(Some(when)),
    }
}

fn increment<N: Number>(text: &[u8]) -> Result<N, CommandError> {
    let by = N::parse(text).ok_or(N::BAD_INCREMENT)?;
    by.check_increment()?;
    Ok(by)
}

/// An increment and the bounds of the result.
struct Increment<N> {
    by: N,
    lower: N,
    upper: N,
    saturate: bool,
}

impl<N: Number> Increment<N> {
    fn parse(by: N, options: &Options<'_>) -> Result<Increment<N>, CommandError> {
        let number = |text: Option<&[u8]>, unset: N, error: CommandError| match text {
            Some(text) => N::parse(text).ok_or(error),
            None => Ok(unset),
        };
        let lower = number(options.lower, N::LEAST, N::BAD_LOWER)?;
        let upper = number(options.upper, N::GREATEST, N::BAD_UPPER)?;
        if lower.compare(upper).is_gt() {
            return Err(CommandError::Text(
                "ERR LBOUND can't be greater than UBOUND",
            ));
        }
        Ok(Increment {
            by,
            lower,
            upper,
            saturate: options.saturate,
        })
    }

    /// The new value and how far it is from the old value; `None`: the new value would be out of
    /// bounds.
    fn apply(&self, old: N) -> Result<Option<(N, N)>, CommandError> {
        let sum = old.plus(self.by);
        let against = |bound: N| match sum {
            Ok(sum) => sum.compare(bound),
            Err(side) => side,
        };
        let (below, above) = (against(self.lower).is_lt(), against(self.upper).is_gt());
        let new = match sum {
            Ok(sum) if !below && !above => sum,
            _ if !self.saturate => return Ok(None),
            _ if below => self.lower,
            _ => self.upper,
        };
        let applied = new.minus(old).ok_or(N::DIFFERENCE_OVERFLOWS)?;
        Ok(Some((new, applied)))
    }
}

/// `INCREX key [BYINT n | BYFLOAT x] [LBOUND n] [UBOUND n] [SATURATE] [EX s | PX ms | EXAT s |
/// PXAT ms | PERSIST] [ENX] [NX | XX]`: adds to a number, 1 by default; a missing key counts as
/// 0. A result out of bounds changes nothing, or becomes the bound with SATURATE. With ENX the
/// expiry is set only if there is none. NX and XX are Valkey's.
///
/// Reply: array of the new value and the difference from the old value: integers, with BYFLOAT
/// doubles (RESP2: bulk strings); of the old value and 0 if nothing changed. In Valkey's dialect,
/// and without a word that only Redis has, the new value alone; null if NX or XX refused it.
/// Errors: no number, bounds in the wrong order, a difference out of range. O(1).
///
/// Propagated as SET: other machines may round differently, and expiries are absolute.
fn increx(call: &mut Call<'_>) -> CommandResult {
    let options = Options::parse(call.args)?;
    match options.by {
        Some(IncrementValue::Float(by)) => step(call, &options, by),
        Some(IncrementValue::Int(by)) => step(call, &options, by),
        None => step(call, &options, 1),
    }
}

fn step<N: Number>(call: &mut Call<'_>, o: &Options<'_>, by: N) -> CommandResult {
    let step = Increment::parse(by, o)?;
    if o.only_new_expiry && o.expire.is_none() {
        return Err(CommandError::Text("ERR ENX flag requires an expiration"));
    }
    let clock = call.db.now_ms();
    let when = o.expire.map(|arg| arg.unix_ms(clock, call.name));
    let when = when.transpose()?;
    let (key, due_ms) = (call.args.at(1), call.db.due_ms());
    let effects_wanted = call.effects_wanted();
    let is_alone = !call.db.dialect().increx_replies_difference() && !o.has_word_of_redis();
    let place = call.db.place(key);
    let value = place.string()?;
    let old = value.map_or(Ok(N::ZERO), N::of_value)?;
    let refused = o.wanted.is_some_and(|there| there != value.is_some());
    let applied = if refused { None } else { step.apply(old)? };
    let Some((new, difference)) = applied else {
        if is_alone && !refused {
            return Err(N::OVERFLOWS);
        }
        if is_alone {
            call.reply.null();
            return Ok(());
        }
        // As in Valkey, a condition that does not hold shows whether the key exists.
        let shown = (!refused || value.is_some()).then_some(old);
        call.reply.array(2);
        match shown {
            Some(old) => old.reply(call.reply),
            None => call.reply.null(),
        }
        N::ZERO.reply(call.reply);
        return Ok(());
    };
    let had_expiry = place.expiry().is_some();
    let expiry = match when {
        Some(when) if !o.only_new_expiry || !had_expiry => Expiry::At(when),
        None if o.persist => Expiry::Clear,
        _ => Expiry::Keep,
    };
    if matches!(expiry, Expiry::At(when) if when <= due_ms) {
        let deleted = place.delete(Cause::Expiry);
        let word = call.db.expire_word();
        record_past_expiry(call, key, deleted.then_some(word));
        reply_result(call, is_alone, new, difference);
        return Ok(());
    }
    let mut text = Vec::new();
    if N::IS_TEXT || effects_wanted {
        new.write(&mut text);
    }
    new.store(&text, place, expiry);
    call.db.changed(key, Class::STRING, N::EVENT);
    match expiry {
        Expiry::At(when) => {
            call.db.event(key, Class::GENERIC, "expire");
            record_set_until(call, key, &text, when);
        }
        Expiry::Clear => {
            if had_expiry {
                call.db.event(key, Class::GENERIC, "persist");
            }
            call.rewrite(&[b"SET", key, &text]);
        }
        Expiry::Keep => call.rewrite(&[b"SET", key, &text, b"KEEPTTL"]),
    }
    reply_result(call, is_alone, new, difference);
    Ok(())
}

fn reply_result<N: Number>(call: &mut Call<'_>, is_alone: bool, value: N, difference: N) {
    if is_alone {
        return value.reply(call.reply);
    }
    call.reply.array(2);
    value.reply(call.reply);
    difference.reply(call.reply);
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn pair(one: i64, other: i64) -> String {
        format!("*2\r\n:{one}\r\n:{other}\r\n")
    }

    fn texts(one: &str, other: &str) -> String {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        format!("*2\r\n{}{}", bulk(one), bulk(other))
    }

    /// Replies as Redis 8.10.2 gives them.
    #[test]
    fn integers_stay_within_their_bounds() {
        let mut t = Testbed::new();
        let (max, min) = (i64::MAX, i64::MIN);
        for (value, line, reply) in [
            ("", "BYINT 1", pair(1, 1)),
            ("", "LBOUND 5", pair(0, 0)),
            ("", "LBOUND 5 SATURATE", pair(5, 5)),
            ("10", "UBOUND 5", pair(10, 0)),
            ("10", "UBOUND 5 SATURATE", pair(5, -5)),
            ("10", "BYINT -3 UBOUND 5", pair(10, 0)),
            ("10", "BYINT -3 UBOUND 5 SATURATE", pair(5, -5)),
            ("10", "BYINT -7 UBOUND 5", pair(3, -7)),
            ("9223372036854775807", "BYINT 1", pair(max, 0)),
            ("9223372036854775807", "SATURATE", pair(max, 0)),
            ("-9223372036854775808", "BYINT -1 SATURATE", pair(min, 0)),
            (
                "-9223372036854775808",
                "UBOUND 9 LBOUND -1 SATURATE",
                pair(-1, max),
            ),
            ("7", "BYINT 0", pair(7, 0)),
        ] {
            t.run("DEL a");
            if !value.is_empty() {
                t.run(&format!("SET a {value}"));
            }
            assert_eq!(t.run(&format!("INCREX a {line}")), reply, "{value} {line}");
        }
        t.run("SET a -9223372036854775808");
        assert_eq!(
            t.run("INCREX a LBOUND 0 SATURATE"),
            "-ERR applied increment would overflow\r\n"
        );
        t.run("DEL a");
        t.run("INCREX a LBOUND 5");
        assert_eq!(t.run("EXISTS a"), ":0\r\n");
    }

    /// A number that is stored anew, as a text or for the first time, is modified, not overwritten.
    #[test]
    fn a_number_is_not_overwritten() {
        let mut t = Testbed::new();
        for line in ["SET a 1", "SET b 1", "APPEND b 0"] {
            t.run(line);
        }
        t.take_events();
        for line in ["a BYFLOAT 0.5", "a BYFLOAT 0.5 EX 10", "b", "c"] {
            t.run(&format!("INCREX {line}"));
        }
        let events: Vec<&str> = t.take_events().iter().map(|event| event.event).collect();
        let expected = [
            "incrbyfloat",
            "incrbyfloat",
            "expire",
            "incrby",
            "new",
            "incrby",
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn floats_are_long_doubles() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        assert_eq!(t.run("INCREX a BYFLOAT 0.1"), texts("1.1", "0.1"));
        assert_eq!(t.run("INCREX a BYFLOAT 0.1 UBOUND 0"), texts("1.1", "0"));
        assert_eq!(
            t.run("INCREX a BYFLOAT 0.1 UBOUND inf LBOUND -inf"),
            texts("1.2", "0.1")
        );
        // The difference is that of the rounded numbers.
        t.run("SET a 1e19");
        assert_eq!(
            t.run("INCREX a BYFLOAT 0.25"),
            texts("10000000000000000000", "0")
        );
        t.run("SET a 1e4932");
        assert!(t.run("INCREX a BYFLOAT 1e4932").ends_with("$1\r\n0\r\n"));
        let infinite = "-ERR applied increment would be Infinity\r\n";
        assert_eq!(
            t.run("INCREX a BYFLOAT 1e4932 UBOUND inf SATURATE"),
            infinite
        );
        assert!(
            t.run("INCREX a BYFLOAT 1e4932 SATURATE")
                .starts_with("*2\r\n$4933\r\n118973149535723176502")
        );
        t.run("SET a 4");
        t.run("HELLO 3");
        assert_eq!(t.run("INCREX a BYFLOAT 2.5"), "*2\r\n,6.5\r\n,2.5\r\n");
        assert_eq!(t.run("INCREX a BYFLOAT 1e-30"), "*2\r\n,6.5\r\n,0\r\n");
    }

    #[test]
    fn expiries_are_set_kept_and_removed() {
        let mut t = Testbed::new();
        for (line, effect) in [
            ("BYINT 1", "SET a 1 KEEPTTL"),
            ("EX 100", "SET a 2 PXAT 1000100000"),
            ("BYFLOAT 1.5", "SET a 3.5 KEEPTTL"),
            ("BYFLOAT 1 EX 200 ENX", "SET a 4.5 KEEPTTL"),
            ("BYFLOAT 0.5 EXAT 5 ENX", "SET a 5 KEEPTTL"),
            ("PERSIST BYFLOAT 0", "SET a 5"),
            ("PERSIST", "SET a 6"),
            ("UBOUND 1 EX 5", ""),
            ("EXAT 5", "DEL a"),
            ("EXAT 5", ""),
            ("EX 100 ENX", "SET a 1 PXAT 1000100000"),
            ("EXAT 5 SATURATE UBOUND 0", "DEL a"),
        ] {
            let reply = t.run(&format!("INCREX a {line}"));
            assert!(reply.starts_with("*2\r\n"), "{line}: {reply}");
            assert_eq!(t.take_effects().join("; "), effect, "{line}");
        }
        assert!(t.run("INFO stats").contains("expired_keys:3\r\n"));
    }

    #[test]
    fn refusals_come_in_order() {
        let mut t = Testbed::new();
        t.run("RPUSH l 1");
        t.run("SET text x");
        t.run("SET inf inf");
        for (line, error) in [
            ("a BYINT", "syntax error"),
            ("a BYINT 2 BYFLOAT 2", "syntax error"),
            ("a SATURATE SATURATE", "syntax error"),
            ("a EX 5 EX 6", "syntax error"),
            ("a EX 5 PERSIST", "syntax error"),
            ("a PERSIST EX 5", "syntax error"),
            ("a PERSIST ENX", "syntax error"),
            ("a NX XX", "syntax error"),
            ("a KEEPTTL", "syntax error"),
            (
                "l BYINT x LBOUND y",
                "Increment is not an integer or out of range",
            ),
            ("l BYFLOAT nan", "Increment is not a valid float"),
            ("l BYFLOAT -inf", "BYFLOAT increment cannot be Infinity"),
            (
                "l LBOUND y UBOUND z",
                "LBOUND is not an integer or out of range",
            ),
            ("l UBOUND 1.5", "UBOUND is not an integer or out of range"),
            ("l BYFLOAT 1 LBOUND nan", "LBOUND is not a valid float"),
            ("l BYFLOAT 1 UBOUND z", "UBOUND is not a valid float"),
            (
                "l LBOUND 5 UBOUND 4 ENX",
                "LBOUND can't be greater than UBOUND",
            ),
            (
                "l BYFLOAT 1 LBOUND inf",
                "LBOUND can't be greater than UBOUND",
            ),
            ("l FOO BYINT x", "syntax error"),
            ("l ENX PERSIST BYINT x", "syntax error"),
            (
                "l ENX BYINT x PERSIST",
                "Increment is not an integer or out of range",
            ),
            ("l ENX", "ENX flag requires an expiration"),
            ("l EX 0", "invalid expire time in 'increx' command"),
            ("text EX 5", "value is not an integer or out of range"),
            ("text BYFLOAT 5", "value is not a valid float"),
            ("inf BYFLOAT 5", "value cannot be Infinity"),
        ] {
            assert_eq!(
                t.run(&format!("INCREX {line}")),
                format!("-ERR {error}\r\n"),
                "{line}"
            );
        }
        assert!(t.run("INCREX l").starts_with("-WRONGTYPE "));
    }

    #[test]
    fn valkeys_reply_is_the_value_alone() {
        let mut t = Testbed::new();
        t.engine.keyspace.dialect = russet_config::Dialect::Valkey;
        for (line, reply) in [
            ("a", ":1\r\n"),
            ("a BYINT 4 EX 100", ":5\r\n"),
            ("a NX", "$-1\r\n"),
            ("none XX", "$-1\r\n"),
            (
                "a BYINT 9223372036854775807",
                "-ERR increment or decrement would overflow\r\n",
            ),
            ("a XX BYFLOAT 0.5", "$3\r\n5.5\r\n"),
            ("b UBOUND 3 BYINT 2", "*2\r\n:2\r\n:2\r\n"),
        ] {
            assert_eq!(t.run(&format!("INCREX {line}")), reply, "{line}");
        }
        t.run("HELLO 3");
        assert_eq!(t.run("INCREX a BYFLOAT 1"), ",6.5\r\n");
        assert_eq!(t.run("EXISTS none"), ":0\r\n");
    }

    #[test]
    fn valkeys_conditions_ask_for_the_key() {
        let mut t = Testbed::new();
        assert_eq!(t.run("INCREX a XX"), "*2\r\n$-1\r\n:0\r\n");
        assert_eq!(t.run("INCREX a NX EX 5"), pair(1, 1));
        assert_eq!(t.run("INCREX a NX"), pair(1, 0));
        assert_eq!(t.run("INCREX a XX"), pair(2, 1));
        assert_eq!(t.run("INCREX b XX BYFLOAT 1"), "*2\r\n$-1\r\n$1\r\n0\r\n");
    }
}
