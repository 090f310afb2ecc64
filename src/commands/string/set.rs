//! SET, and the commands that are variants of it.

use crate::command::keys::Keys;
use crate::command::{Access, Arity, BadKeys, Category, CommandError, Flags, KeySpec};
use crate::commands::expiry_args::{ExpireArg, KEEPTTL, TimeForm};
use crate::keyspace::{Class, Expiry, NewValue};
use crate::resp::Args;
use crate::server::{Call, CommandResult, Spec};

pub(super) const GET: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::STRING,
    ..Spec::new("get", get)
};

/// `GET key`: the string at `key`.
///
/// Reply: bulk string, or null if the key is missing. O(1) plus the length.
fn get(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    if !call.db.reply_string(key, call.reply)? {
        call.reply.null();
    }
    Ok(())
}

pub(super) const SET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(
        1,
        Access::RW
            .union(Access::ACCESS)
            .union(Access::UPDATE)
            .union(Access::VARIABLE_FLAGS),
    )
    .noted("RW and ACCESS only with `GET`")],
    categories: Category::STRING,
    find_keys: Some(keys),
    ..Spec::new("set", set)
};

/// SET's key: with `GET` it is also read. As in Redis, the word counts in any position, even as an
/// operand.
fn keys(args: Args<'_>) -> Result<Keys, BadKeys> {
    let reads = (3..args.len()).any(|at| args.is(at, "GET"));
    let access = if reads {
        Access::MODIFY
    } else {
        Access::OVERWRITE
    };
    Ok(Keys::one(1, access))
}

/// SET's condition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition<'a> {
    Always,
    IfMissing,
    IfThere,
    /// The present string equals this one.
    IfEqual(&'a [u8]),
}

struct SetOptions<'a> {
    condition: Condition<'a>,
    get: bool,
    keep_ttl: bool,
    expire: Option<ExpireArg<'a>>,
}

impl<'a> SetOptions<'a> {
    /// Options may be repeated unless they contradict each other; the last one applies.
    fn parse(args: Args<'a>) -> Result<SetOptions<'a>, CommandError> {
        use Condition::{Always, IfEqual, IfMissing, IfThere};
        let mut o = SetOptions {
            condition: Always,
            get: false,
            keep_ttl: false,
            expire: None,
        };
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "NX") && matches!(o.condition, Always | IfMissing) {
                o.condition = IfMissing;
            } else if args.is(at, "XX") && matches!(o.condition, Always | IfThere) {
                o.condition = IfThere;
            } else if args.is(at, "IFEQ") && o.condition == Always {
                at += 1;
                o.condition = IfEqual(args.get(at).ok_or(CommandError::Syntax)?);
            } else if args.is(at, "GET") {
                o.get = true;
            } else if args.is(at, KEEPTTL) && o.expire.is_none() {
                o.keep_ttl = true;
            } else if !o.keep_ttl
                && let Some(expire) = ExpireArg::parse(args, at)
                && o.expire.is_none_or(|first| first.is_same_form(&expire))
            {
                o.expire = Some(expire);
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(o)
    }
}

/// `SET key value [NX | XX | IFEQ text] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`.
///
/// Reply: OK, or null if the condition did not hold; with GET the old string or null, in both
/// cases. O(1) plus the length.
fn set(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    if call.args.len() == 3 {
        let value = NewValue::argument(call.args, 2);
        call.db.set_string(key, value, Expiry::Clear);
        call.db.changed(key, Class::STRING, "set");
        call.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(call.args)?;
    let expiry = match &options.expire {
        None if options.keep_ttl => Expiry::Keep,
        None => Expiry::Clear,
        Some(arg) => Expiry::At(arg.unix_ms(call.db.now_ms(), call.name)?),
    };
    let mut place = call.db.place(key);
    if options.get {
        place.count_read();
        match place.string()? {
            Some(old) => old.reply(call.reply),
            None => call.reply.null(),
        }
    }
    let holds = match options.condition {
        Condition::Always => true,
        Condition::IfMissing => !place.is_taken(),
        Condition::IfThere => place.is_taken(),
        Condition::IfEqual(wanted) => place
            .string()?
            .is_some_and(|old| old.text(&mut itoa::Buffer::new()) == wanted),
    };
    if !holds {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    place.set_string(NewValue::argument(call.args, 2), expiry);
    call.db.changed(key, Class::STRING, "set");
    if let Expiry::At(when) = expiry {
        call.db.event(key, Class::GENERIC, "expire");
        // A point in time is repeated as it was given, as in Redis.
        let is_given = (options.expire).is_some_and(|arg| arg.form == TimeForm::PxAt);
        if !is_given || matches!(options.condition, Condition::IfEqual(_)) {
            state_set_until(call, key, call.args.at(2), when);
        }
    } else if options.get || matches!(options.condition, Condition::IfEqual(_)) {
        state_plain_set(call);
    }
    if !options.get {
        call.reply.ok();
    }
    Ok(())
}

/// Propagates an absolute time: a relative one would differ on replay.
pub(super) fn state_set_until(call: &mut Call<'_>, key: &[u8], text: &[u8], when_ms: i64) {
    if !call.effects_wanted() {
        return;
    }
    let mut digits = itoa::Buffer::new();
    let when = digits.format(when_ms).as_bytes();
    call.rewrite(&[b"SET", key, text, b"PXAT", when]);
}

/// Propagates SET without GET, whose reply is not needed, and without IFEQ, which held.
fn state_plain_set(call: &mut Call<'_>) {
    if !call.effects_wanted() {
        return;
    }
    let mut words: Vec<&[u8]> = Vec::with_capacity(call.args.len());
    let mut at = 0;
    while at < call.args.len() {
        if at >= 3 && call.args.is(at, "IFEQ") {
            at += 1;
        } else if at < 3 || !call.args.is(at, "GET") {
            words.push(call.args.at(at));
        }
        at += 1;
    }
    call.rewrite(&words);
}

pub(super) const SETNX: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::OW.union(Access::INSERT))],
    categories: Category::STRING,
    ..Spec::new("setnx", setnx)
};

/// `SETNX key value`: sets a missing key.
///
/// Reply: 1, or 0 if the key existed. O(1).
fn setnx(call: &mut Call<'_>) -> CommandResult {
    let [_, key, _] = call.args.exactly();
    let place = call.db.place(key);
    let free = !place.is_taken();
    if free {
        place.set_string(NewValue::argument(call.args, 2), Expiry::Clear);
        call.db.changed(key, Class::STRING, "set");
    }
    call.reply.int(free as i64);
    Ok(())
}

pub(super) const SETEX: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::OW.union(Access::UPDATE))],
    categories: Category::STRING,
    ..Spec::new("setex", setex)
};

/// `SETEX key seconds value`: SET with EX. Reply: OK. O(1).
fn setex(call: &mut Call<'_>) -> CommandResult {
    set_for(call, TimeForm::Ex)
}

pub(super) const PSETEX: Spec = Spec {
    name: "psetex",
    handler: psetex,
    ..SETEX
};

/// `PSETEX key milliseconds value`: SET with PX. Reply: OK. O(1).
fn psetex(call: &mut Call<'_>) -> CommandResult {
    set_for(call, TimeForm::Px)
}

fn set_for(call: &mut Call<'_>, form: TimeForm) -> CommandResult {
    let [_, key, time, text] = call.args.exactly();
    let arg = ExpireArg { text: time, form };
    let when = arg.unix_ms(call.db.now_ms(), call.name)?;
    let value = NewValue::argument(call.args, 3);
    call.db.set_string(key, value, Expiry::At(when));
    call.db.changed(key, Class::STRING, "set");
    call.db.event(key, Class::GENERIC, "expire");
    state_set_until(call, key, text, when);
    call.reply.ok();
    Ok(())
}

pub(super) const GETSET: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(
        1,
        Access::RW.union(Access::ACCESS).union(Access::UPDATE),
    )],
    categories: Category::STRING,
    ..Spec::new("getset", getset)
};

/// `GETSET key value`: sets the key and removes its expiry.
///
/// Reply: the old string, or null. O(1) plus the length.
fn getset(call: &mut Call<'_>) -> CommandResult {
    let [_, key, text] = call.args.exactly();
    let mut place = call.db.place(key);
    place.count_read();
    match place.string()? {
        Some(old) => old.reply(call.reply),
        None => call.reply.null(),
    }
    place.set_string(NewValue::argument(call.args, 2), Expiry::Clear);
    call.db.changed(key, Class::STRING, "set");
    call.rewrite(&[b"SET", key, text]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    #[test]
    fn conditions_exclude_each_other_but_not_themselves() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SET a 1 NX NX"), "+OK\r\n");
        assert_eq!(t.run("SET a 1 NX"), "$-1\r\n");
        assert_eq!(t.run("SET a 2 XX XX EX 5 EX 6"), "+OK\r\n");
        assert_eq!(t.run("SET a 2 KEEPTTL KEEPTTL"), "+OK\r\n");
        for wrong in [
            "SET a 1 NX XX",
            "SET a 1 EX 5 PX 5",
            "SET a 1 EX 5 KEEPTTL",
            "SET a 1 KEEPTTL EX 5",
            "SET a 1 IFEQ",
            "SET a 1 IFEQ 1 NX",
            "SET a 1 IFEQ 1 IFEQ 1",
            "SET a 1 EX",
        ] {
            assert_eq!(t.run(wrong), "-ERR syntax error\r\n", "{wrong}");
        }
    }

    #[test]
    fn the_key_is_read_only_with_get() {
        let mut t = Testbed::new();
        assert_eq!(
            t.run("COMMAND GETKEYSANDFLAGS SET k 1 EX 5"),
            "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n"
        );
        assert_eq!(
            t.run("COMMAND GETKEYSANDFLAGS SET k 1 GET"),
            "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"
        );
    }

    #[test]
    fn ifeq_sets_only_what_it_knows() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SET a x IFEQ y"), "$-1\r\n");
        t.run("SET a 10 PX 5000");
        assert_eq!(t.run("SET a 11 IFEQ 10 KEEPTTL"), "+OK\r\n");
        assert_eq!(t.run("SET a 12 IFEQ 10 GET"), "$2\r\n11\r\n");
        assert_eq!(t.run("SET a 12 IFEQ 11 GET"), "$2\r\n11\r\n");
        assert_eq!(
            t.take_effects(),
            ["SET a 10 PXAT 1000005000", "SET a 11 KEEPTTL", "SET a 12"]
        );
    }

    #[test]
    fn effects_name_points_in_time() {
        let mut t = Testbed::new();
        t.run("SETEX a 2 x");
        t.run("PSETEX a 3 x");
        t.run("SET a x EXAT 2000000 NX GET");
        t.run("SET a x EXAT 2000000 XX");
        t.run("SET a y XX GET");
        t.run("GETSET a z");
        assert_eq!(
            t.take_effects(),
            [
                "SET a x PXAT 1000002000",
                "SET a x PXAT 1000000003",
                "SET a x PXAT 2000000000",
                "SET a y XX",
                "SET a z",
            ]
        );
    }

    #[test]
    fn impossible_times_are_refused_before_anything_is_done() {
        let mut t = Testbed::new();
        let invalid = |c: &str| format!("-ERR invalid expire time in '{c}' command\r\n");
        assert_eq!(t.run("SET a 1 EX 0"), invalid("set"));
        assert_eq!(t.run("SET a 1 PX -1"), invalid("set"));
        assert_eq!(t.run("SET a 1 EX 9223372036854775807"), invalid("set"));
        assert_eq!(t.run("SET a 1 PX 9223372036854775807"), invalid("set"));
        assert_eq!(t.run("SETEX a 0 1"), invalid("setex"));
        assert_eq!(t.run("PSETEX a 9223372036854775807 1"), invalid("psetex"));
        assert_eq!(t.run("GET a"), "$-1\r\n");
        assert_eq!(t.run("SETNX a 1"), ":1\r\n");
        assert_eq!(t.run("SETNX a 2"), ":0\r\n");
    }
}
