//! Reading and removing a key's expiry: TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST.

use crate::arguments::expiry::TimeForm;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};

pub(super) const TTL: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::KEYSPACE,
    tips: &["nondeterministic_output"],
    ..Spec::new("ttl", ttl)
};
pub(super) const PTTL: Spec = Spec {
    name: "pttl",
    handler: pttl,
    ..TTL
};
pub(super) const EXPIRETIME: Spec = Spec {
    name: "expiretime",
    handler: expiretime,
    tips: &[],
    ..TTL
};
pub(super) const PEXPIRETIME: Spec = Spec {
    name: "pexpiretime",
    handler: pexpiretime,
    ..EXPIRETIME
};

/// `TTL key`: seconds until it expires, rounded to nearest.
///
/// Reply: integer; -1 without expiry, -2 without key. O(1), as all four. Not a use of the key.
fn ttl(call: &mut Call<'_>) -> CommandResult {
    reply_time_left(call, TimeForm::Ex)
}

/// `PTTL key`: milliseconds until it expires.
fn pttl(call: &mut Call<'_>) -> CommandResult {
    reply_time_left(call, TimeForm::Px)
}

/// `EXPIRETIME key`: the Unix second of the key's expiry, rounded to nearest.
fn expiretime(call: &mut Call<'_>) -> CommandResult {
    reply_time_left(call, TimeForm::ExAt)
}

/// `PEXPIRETIME key`: the Unix millisecond of the key's expiry.
fn pexpiretime(call: &mut Call<'_>) -> CommandResult {
    reply_time_left(call, TimeForm::PxAt)
}

fn reply_time_left(call: &mut Call<'_>, form: TimeForm) -> CommandResult {
    let [_, key] = call.args.exactly();
    let base_ms = form.base_ms(call.db.now_ms());
    call.db.set_touch(false);
    let mut place = call.db.place(key);
    place.count_read();
    let reply = match place.expiry() {
        None if place.is_taken() => -1,
        None => -2,
        Some(when) => {
            let ms = (when - base_ms).max(0);
            // Rounds without a sum that could overflow.
            if form.is_seconds() {
                ms / 1000 + (ms % 1000 >= 500) as i64
            } else {
                ms
            }
        }
    };
    call.reply.int(reply);
    Ok(())
}

pub(super) const PERSIST: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::KEYSPACE,
    ..Spec::new("persist", persist)
};

/// `PERSIST key`: removes the key's expiry.
///
/// Reply: 1, or 0 if it is missing or has no expiry. O(1).
fn persist(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let mut place = call.db.place(key);
    let volatile = place.expiry().is_some();
    if volatile {
        place.set_expiry(None);
        call.db.changed(key, Class::GENERIC, "persist");
    }
    call.reply.int(volatile as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        let mut t = Testbed::new();
        t.run("SET a 1 PX 1499");
        assert_eq!(t.run("TTL a"), ":1\r\n");
        assert_eq!(t.run("PTTL a"), ":1499\r\n");
        assert_eq!(t.run("EXPIRETIME a"), ":1000001\r\n");
        assert_eq!(t.run("PEXPIRETIME a"), ":1000001499\r\n");
        t.run("PEXPIREAT a 9223372036854775807");
        assert_eq!(t.run("EXPIRETIME a"), ":9223372036854776\r\n");
        t.run("PEXPIRE a 1500");
        assert_eq!(t.run("TTL a"), ":2\r\n");
        assert_eq!(t.run("TTL none"), ":-2\r\n");
        assert_eq!(t.run("PERSIST a"), ":1\r\n");
        assert_eq!(t.run("PERSIST a"), ":0\r\n");
        assert_eq!(t.run("PERSIST none"), ":0\r\n");
        assert_eq!(t.run("EXPIRETIME a"), ":-1\r\n");
    }
}
