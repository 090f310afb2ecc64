//! HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME and HPERSIST.
//!
//! A reply is an array with an integer for each field: -2 no such field (or expired, or no key), -1
//! no expiry. Seconds are rounded up, so a live field never shows 0.
//!
//! The readers delete nothing. HPERSIST propagates itself as it is, and only if a field lost an
//! expiry.
//!
//! Cost: O(fields given).

use super::field_args::{BAD_COUNT, parse_fields};
use super::fields_last::block_only;
use crate::arguments::expiry::TimeForm;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Hash;

const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;

pub(super) const HTTL: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    tips: &["nondeterministic_output"],
    work: work::EACH_FIELD,
    ..Spec::new("httl", httl)
};

/// `HTTL key FIELDS n field ...`: remaining time of fields in seconds, rounded up; the other three
/// are alike.
///
/// Reply: array of integers; -1 no expiry, -2 no such field. O(fields given).
fn httl(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::Ex)
}

pub(super) const HPTTL: Spec = Spec {
    name: "hpttl",
    work: work::EACH_FIELD,
    handler: hpttl,
    ..HTTL
};

/// `HPTTL key FIELDS n field ...`: in milliseconds.
fn hpttl(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::Px)
}

pub(super) const HEXPIRETIME: Spec = Spec {
    name: "hexpiretime",
    work: work::EACH_FIELD,
    handler: hexpiretime,
    tips: &[],
    ..HTTL
};

/// `HEXPIRETIME key FIELDS n field ...`: as Unix time in seconds.
fn hexpiretime(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::ExAt)
}

pub(super) const HPEXPIRETIME: Spec = Spec {
    name: "hpexpiretime",
    work: work::EACH_FIELD,
    handler: hpexpiretime,
    ..HEXPIRETIME
};

/// `HPEXPIRETIME key FIELDS n field ...`: as Unix time in milliseconds.
fn hpexpiretime(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::PxAt)
}

fn ttl(call: &mut Call<'_>, form: TimeForm) -> CommandResult {
    let (args, now) = (call.args, call.db.now_ms() as u64);
    let early = if call.db.dialect().fields_last() {
        Some(block_only(args, 2, Some(CommandError::Syntax))?)
    } else {
        None
    };
    let hash = call.db.read::<Hash>(args.at(1))?;
    let fields = early.map_or_else(|| parse_fields(args, 2, BAD_COUNT), Ok)?;
    call.reply.array(fields.len());
    let base = if form.is_absolute() { 0 } else { now };
    for field in fields.iter() {
        let found = hash.as_ref().and_then(|hash| hash.get(field));
        call.reply.int(match found.map(|found| found.expire_ms) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(when)) if when <= now => NO_FIELD,
            Some(Some(when)) if form.is_seconds() => (when + 999 - base) as i64 / 1000,
            Some(Some(when)) => (when - base) as i64,
        });
    }
    Ok(())
}

pub(super) const HPERSIST: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::HASH,
    work: work::EACH_FIELD,
    ..Spec::new("hpersist", hpersist)
};

/// `HPERSIST key FIELDS n field ...`: removes expiries.
///
/// Reply: array of integers: 1 done, -1 no expiry, -2 no such field. O(fields given).
fn hpersist(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let now = call.db.due_ms() as u64;
    let received = call.db.wants_fields(Class::HASH);
    let early = if call.db.dialect().fields_last() {
        Some(block_only(call.args, 2, None)?)
    } else {
        None
    };
    let mut hash = call.db.write::<Hash>(key)?;
    let fields = early.map_or_else(|| parse_fields(call.args, 2, BAD_COUNT), Ok)?;
    call.reply.array(fields.len());
    let (mut changed, mut names) = (false, Vec::new());
    for field in fields.iter() {
        let found = hash.as_ref().and_then(|hash| hash.get(field));
        let answer = match found.map(|found| (found.expire_ms, found.expired(now))) {
            None | Some((_, true)) => NO_FIELD,
            Some((None, _)) => NO_EXPIRY,
            Some((Some(_), false)) => {
                if let Some(hash) = &mut hash
                    && hash.set_expire(field, None)
                {
                    changed = true;
                    if received {
                        names.push(field);
                    }
                }
                1
            }
        };
        call.reply.int(answer);
    }
    drop(hash);
    if changed {
        call.db
            .changed_fields(key, 1, Class::HASH, "hpersist", names.into_iter());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn times_are_given_in_four_ways() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2");
        t.run("HPEXPIRE h 1500 FIELDS 1 a");
        assert_eq!(t.run("HTTL h FIELDS 3 a b c"), "*3\r\n:2\r\n:-1\r\n:-2\r\n");
        assert_eq!(t.run("HPTTL h FIELDS 1 a"), "*1\r\n:1500\r\n");
        assert_eq!(t.run("HEXPIRETIME h FIELDS 1 a"), "*1\r\n:1000002\r\n");
        assert_eq!(t.run("HPEXPIRETIME h FIELDS 1 a"), "*1\r\n:1000001500\r\n");
        assert_eq!(t.run("HTTL none FIELDS 1 a"), "*1\r\n:-2\r\n");
        t.advance_ms(2000);
        assert_eq!(t.run("HPTTL h FIELDS 1 a"), "*1\r\n:-2\r\n");
        assert_eq!(t.run("HPERSIST h FIELDS 1 a"), "*1\r\n:-2\r\n");
    }

    #[test]
    fn hpersist_is_repeated_once_it_changed_something() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2");
        t.run("HEXPIRE h 10 FIELDS 1 a");
        t.take_effects();
        assert_eq!(t.run("HPERSIST h FIELDS 1 b"), "*1\r\n:-1\r\n");
        assert!(t.take_effects().is_empty());
        assert_eq!(t.run("HPERSIST h FIELDS 2 a x"), "*2\r\n:1\r\n:-2\r\n");
        assert_eq!(t.take_effects(), ["HPERSIST h FIELDS 2 a x"]);
        assert_eq!(t.run("HTTL h FIELDS 1 a"), "*1\r\n:-1\r\n");
        assert_eq!(
            t.run("HPERSIST h FIELDS x a"),
            "-ERR Number of fields must be a positive integer\r\n"
        );
    }
}
