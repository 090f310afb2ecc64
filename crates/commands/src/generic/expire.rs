//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT: setting a key's expiry.
//!
//! One function for four forms of time. Errors come in Redis's order: conditions, time, key. A time
//! that has passed deletes the key: the effect is then DEL or UNLINK, otherwise PEXPIREAT with the
//! conditions as given, because a replica must not count from its own clock.
//!
//! Cost: O(1).
//!
//! Decided elsewhere: the arithmetic of times: `arguments::expiry`; deletion when the time comes:
//! `keyspace`.

use crate::arguments::expiry::TimeForm;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Cause, Class};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};

pub(super) const EXPIRE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::KEYSPACE,
    ..Spec::new("expire", expire)
};
pub(super) const PEXPIRE: Spec = Spec {
    name: "pexpire",
    handler: pexpire,
    ..EXPIRE
};
pub(super) const EXPIREAT: Spec = Spec {
    name: "expireat",
    handler: expireat,
    ..EXPIRE
};
pub(super) const PEXPIREAT: Spec = Spec {
    name: "pexpireat",
    handler: pexpireat,
    ..EXPIRE
};

/// `EXPIRE key seconds [NX | XX] [GT | LT]`: sets the key's expiry; a time that has passed deletes
/// the key at once. NX: only if the key has no expiry; XX: only if it has an expiry; GT, LT: only
/// if the new expiry is later, earlier than the old expiry (no expiry counts as infinite).
///
/// Reply: 1, or 0 if the key is missing or a condition does not hold. O(1), as all four.
fn expire(call: &mut Call<'_>) -> CommandResult {
    set_expiry(call, TimeForm::Ex)
}

/// `PEXPIRE key milliseconds ...`.
fn pexpire(call: &mut Call<'_>) -> CommandResult {
    set_expiry(call, TimeForm::Px)
}

/// `EXPIREAT key unix-seconds ...`.
fn expireat(call: &mut Call<'_>) -> CommandResult {
    set_expiry(call, TimeForm::ExAt)
}

/// `PEXPIREAT key unix-milliseconds ...`.
fn pexpireat(call: &mut Call<'_>) -> CommandResult {
    set_expiry(call, TimeForm::PxAt)
}

const NX_AND_OTHERS: &str = "ERR NX and XX, GT or LT options at the same time are not compatible";
const UNSUPPORTED: &str = "ERR Unsupported option ";
const GT_AND_LT: &str = "ERR GT and LT options at the same time are not compatible";

#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Conditions, CommandError> {
        let mut c = Conditions::default();
        for at in 3..args.len() {
            let flag = [
                ("NX", &mut c.nx),
                ("XX", &mut c.xx),
                ("GT", &mut c.gt),
                ("LT", &mut c.lt),
            ]
            .into_iter()
            .find(|(word, _)| args.is(at, word));
            match flag {
                Some((_, flag)) => *flag = true,
                None => return Err(CommandError::naming(UNSUPPORTED, args.at(at), "")),
            }
        }
        if c.nx && (c.xx || c.gt || c.lt) {
            return Err(CommandError::Text(NX_AND_OTHERS));
        }
        if c.gt && c.lt {
            return Err(CommandError::Text(GT_AND_LT));
        }
        Ok(c)
    }

    fn hold(&self, current: Option<i64>, when: i64) -> bool {
        match current {
            None => !self.xx && !self.gt,
            Some(current) => {
                !self.nx && (!self.gt || when > current) && (!self.lt || when < current)
            }
        }
    }
}

/// Unix milliseconds of the second argument. Past times are valid, overflows are not.
fn parse_when(call: &Call<'_>, form: TimeForm) -> Result<i64, CommandError> {
    let given = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    form.unix_ms(given, call.db.now_ms())
        .ok_or(CommandError::InvalidExpire(call.name))
}

fn set_expiry(call: &mut Call<'_>, form: TimeForm) -> CommandResult {
    // Conditions first, then the time, then the key: Redis's order of errors.
    let conditions = Conditions::parse(call.args)?;
    let when = parse_when(call, form)?;
    let (key, now) = (call.args.at(1), call.db.due_ms());
    let mut place = call.db.place(key);
    if !place.is_taken() || !conditions.hold(place.expiry(), when) {
        call.reply.int(0);
        return Ok(());
    }
    if when <= now {
        place.delete(Cause::Expiry);
        let event = call.db.dialect().past_key_event();
        call.db.changed(key, Class::GENERIC, event);
        call.rewrite(&[call.db.expire_word(), key]);
    } else {
        place.set_expiry(Some(when));
        call.db.changed(key, Class::GENERIC, "expire");
        record(call, when);
    }
    call.reply.int(1);
    Ok(())
}

/// The effect is PEXPIREAT with the absolute time and the conditions as given.
fn record(call: &mut Call<'_>, when: i64) {
    if call.effects_wanted() {
        let mut digits = itoa::Buffer::new();
        let mut words = call.args.to_vec();
        words[0] = b"PEXPIREAT";
        words[2] = digits.format(when).as_bytes();
        call.rewrite(&words);
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn conditions_compare_with_the_expiry_that_is_there() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        for (line, reply) in [
            ("EXPIRE a 100 XX", 0),
            ("EXPIRE a 100 GT", 0),
            ("EXPIRE a 100 LT", 1),
            ("EXPIRE a 100 LT", 0),
            ("EXPIRE a 100 NX", 0),
            ("PEXPIRE a 100001 GT XX", 1),
            ("EXPIREAT a 1000050 LT", 1),
            ("PEXPIREAT a 1000050000 GT", 0),
            ("EXPIRE none 100", 0),
        ] {
            assert_eq!(t.run(line), format!(":{reply}\r\n"), "{line}");
        }
        assert_eq!(t.run("TTL a"), ":50\r\n");
        assert_eq!(
            t.take_effects()[1..],
            [
                "PEXPIREAT a 1000100000 LT",
                "PEXPIREAT a 1000100001 GT XX",
                "PEXPIREAT a 1000050000 LT"
            ]
        );
    }

    #[test]
    fn a_time_that_has_passed_deletes_the_key() {
        let mut t = Testbed::new();
        t.engine.server.config.lazyfree_lazy_expire = true;
        t.apply_config();
        for time in ["0", "-1", "-9223372036854775"] {
            t.run("SET a 1");
            t.take_effects();
            assert_eq!(t.run(&format!("EXPIRE a {time}")), ":1\r\n");
            assert_eq!(t.run("EXISTS a"), ":0\r\n");
            assert_eq!(t.take_effects(), ["UNLINK a"]);
        }
    }

    #[test]
    fn refusals_come_in_order() {
        let mut t = Testbed::new();
        for (line, refusal) in [
            ("EXPIRE a x foo", "Unsupported option foo"),
            (
                "EXPIRE a x NX GT",
                "NX and XX, GT or LT options at the same time are not compatible",
            ),
            (
                "EXPIRE a x GT LT",
                "GT and LT options at the same time are not compatible",
            ),
            ("EXPIRE a x", "value is not an integer or out of range"),
            (
                "EXPIRE a 9223372036854775807",
                "invalid expire time in 'expire' command",
            ),
            (
                "EXPIRE a -9223372036854775808",
                "invalid expire time in 'expire' command",
            ),
            (
                "PEXPIRE a 9223372036854775807",
                "invalid expire time in 'pexpire' command",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {refusal}\r\n"));
        }
        assert_eq!(t.run("EXPIRE a 1 n\0x"), "-ERR Unsupported option n\r\n");
        assert_eq!(t.run("PEXPIREAT a 9223372036854775807"), ":0\r\n");
    }
}
