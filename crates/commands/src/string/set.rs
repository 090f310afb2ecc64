//! SET, and the variants of SET.
//!
//! GET is here, too, because SET with GET is both. A SET without options takes the short way: one
//! lookup, no parsing. Otherwise the order is options, time, key's type (with GET or a condition on
//! the value), condition.
//!
//! Effects: a relative time becomes PXAT; the effect leaves out GET and conditions on the value,
//! because they held; a time that has passed deletes the key, and DEL or UNLINK is the effect.
//!
//! Cost: O(1) plus the length; a large value is not copied.
//!
//! Decided elsewhere: conditions on the value: `compare`; forms of time: `arguments::expiry`;
//! storing: `keyspace`'s `Place`.

use super::compare::Comparison;
use crate::arguments::expiry::{ExpireArg, KEEPTTL, TimeForm};
use russet_command::keys::Keys;
use russet_command::{Access, Arity, BadKeys, Category, CommandError, Facts, Flags, KeySpec};
use russet_config::Dialect;
use russet_keyspace::{Cause, Class, Expiry, NewValue};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};

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
    facts: Facts::TIMED_AS_FAST,
    keys: &[
        KeySpec::one(1, Access::MODIFY.union(Access::VARIABLE_FLAGS))
            .noted("RW and ACCESS only with `GET`"),
    ],
    categories: Category::STRING,
    find_keys: Some(keys),
    ..Spec::new("set", set)
};

/// SET's key: with `GET` the handler also reads the value, with a condition it compares the value.
/// As in Redis, the words count in any position, even as operands.
fn keys(args: Args<'_>) -> Result<Keys, BadKeys> {
    let options = 3..args.len();
    let access = if options.clone().any(|at| args.is(at, "GET")) {
        Access::MODIFY
    } else if options.clone().any(|at| Comparison::is_word(args, at)) {
        Access::CHANGE
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
    IfValue(Comparison<'a>),
}

struct SetOptions<'a> {
    condition: Condition<'a>,
    get: bool,
    keep_ttl: bool,
    expire: Option<ExpireArg<'a>>,
}

impl<'a> SetOptions<'a> {
    /// Options may be repeated unless they contradict each other; the last occurrence applies.
    fn parse(args: Args<'a>) -> Result<SetOptions<'a>, CommandError> {
        use Condition::{Always, IfMissing, IfThere, IfValue};
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
            } else if let Some(comparison) = Comparison::parse(args, at)
                && match o.condition {
                    Always => true,
                    IfValue(first) => first.is_same_word(&comparison),
                    _ => false,
                }
            {
                o.condition = IfValue(comparison);
                at += 1;
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

/// `SET key value [NX | XX | IFEQ text | IFNE text | IFDEQ digest | IFDNE digest] [GET]
/// [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`. An absolute time that has passed deletes the key.
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
    // Mostly the only option is how long it will live.
    if let Some(arg) = lifetime(call.args) {
        return set_for(call, 2, arg);
    }
    let options = SetOptions::parse(call.args)?;
    let expiry = match &options.expire {
        None if options.keep_ttl => Expiry::Keep,
        None => Expiry::Clear,
        Some(arg) => Expiry::At(arg.unix_ms(call.db.now_ms(), call.name)?),
    };
    let due_ms = call.db.due_ms();
    let mut place = call.db.place(key);
    if options.get {
        place.count_read();
        place.string()?;
    }
    let holds = match options.condition {
        Condition::Always => true,
        Condition::IfMissing => !place.is_taken(),
        Condition::IfThere => place.is_taken(),
        Condition::IfValue(comparison) => comparison.holds(place.string()?)?,
    };
    if options.get {
        match place.string()? {
            Some(old) => old.reply(call.reply)?,
            None => call.reply.null(),
        }
    }
    if !holds {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    if matches!(expiry, Expiry::At(when) if when <= due_ms) {
        let deleted = place.delete(Cause::Expiry);
        let word = match call.db.dialect() {
            Dialect::Redis => call.db.removal_word(),
            Dialect::Valkey => call.db.expire_word(),
        };
        record_past_expiry(call, key, deleted.then_some(word));
        if !options.get {
            call.reply.ok();
        }
        return Ok(());
    }
    place.set_string(NewValue::argument(call.args, 2), expiry);
    call.db.changed(key, Class::STRING, "set");
    if let Expiry::At(when) = expiry {
        call.db.event(key, Class::GENERIC, "expire");
        // The effect has a point in time as the client gave it, as in Redis.
        let is_given = (options.expire).is_some_and(|arg| arg.form == TimeForm::PxAt);
        if !is_given || matches!(options.condition, Condition::IfValue(_)) {
            record_set_until(call, key, call.args.at(2), when);
        }
    } else if options.get || matches!(options.condition, Condition::IfValue(_)) {
        record_plain_set(call);
    }
    if !options.get {
        call.reply.ok();
    }
    Ok(())
}

/// The time from now that is SET's only option.
#[inline]
fn lifetime(args: Args<'_>) -> Option<ExpireArg<'_>> {
    if args.len() != 5 {
        return None;
    }
    let form = if args.is(3, "EX") {
        TimeForm::Ex
    } else if args.is(3, "PX") {
        TimeForm::Px
    } else {
        return None;
    };
    let text = args.at(4);
    Some(ExpireArg { text, form })
}

/// Propagates an absolute time, because a relative time would differ on replay.
pub(super) fn record_set_until(call: &mut Call<'_>, key: &[u8], text: &[u8], when_ms: i64) {
    if !call.effects_wanted() {
        return;
    }
    let mut digits = itoa::Buffer::new();
    let when = digits.format(when_ms).as_bytes();
    call.rewrite(&[b"SET", key, text, b"PXAT", when]);
}

/// Records that a write with an expiry in the past has deleted the key, or found no key; the
/// command's `word` names the effect.
pub(super) fn record_past_expiry(call: &mut Call<'_>, key: &[u8], word: Option<&[u8]>) {
    call.db.keyspace().stats.expired += 1;
    if let Some(word) = word {
        let event = call.db.dialect().past_key_event();
        call.db.changed(key, Class::GENERIC, event);
        call.rewrite(&[word, key]);
    }
}

/// Propagates SET without GET, whose reply is not needed, and without a condition on the value,
/// which held: servers without these conditions understand it.
fn record_plain_set(call: &mut Call<'_>) {
    if !call.effects_wanted() {
        return;
    }
    let mut words: Vec<&[u8]> = Vec::with_capacity(call.args.len());
    let mut at = 0;
    while at < call.args.len() {
        if at >= 3 && Comparison::is_word(call.args, at) {
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
    facts: Facts::TIMED_AS_FAST,
    keys: &[KeySpec::one(1, Access::OVERWRITE)],
    categories: Category::STRING,
    ..Spec::new("setex", setex)
};

/// `SETEX key seconds value`: SET with EX. Reply: OK. O(1).
fn setex(call: &mut Call<'_>) -> CommandResult {
    let (text, form) = (call.args.at(2), TimeForm::Ex);
    set_for(call, 3, ExpireArg { text, form })
}

pub(super) const PSETEX: Spec = Spec {
    name: "psetex",
    handler: psetex,
    ..SETEX
};

/// `PSETEX key milliseconds value`: SET with PX. Reply: OK. O(1).
fn psetex(call: &mut Call<'_>) -> CommandResult {
    let (text, form) = (call.args.at(2), TimeForm::Px);
    set_for(call, 3, ExpireArg { text, form })
}

/// Sets the key to the argument at `value_at`, for a time from now.
fn set_for(call: &mut Call<'_>, value_at: usize, arg: ExpireArg<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), call.args.at(value_at));
    let when = arg.unix_ms(call.db.now_ms(), call.name)?;
    let value = NewValue::argument(call.args, value_at);
    call.db.set_string(key, value, Expiry::At(when));
    call.db.changed(key, Class::STRING, "set");
    call.db.event(key, Class::GENERIC, "expire");
    record_set_until(call, key, text, when);
    call.reply.ok();
    Ok(())
}

pub(super) const GETSET: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::STRING,
    ..Spec::new("getset", getset)
};

/// `GETSET key value`: sets the key and removes the key's expiry.
///
/// Reply: the old string, or null. O(1) plus the length.
fn getset(call: &mut Call<'_>) -> CommandResult {
    let [_, key, text] = call.args.exactly();
    let mut place = call.db.place(key);
    place.count_read();
    match place.string()? {
        Some(old) => old.reply(call.reply)?,
        None => call.reply.null(),
    }
    place.set_string(NewValue::argument(call.args, 2), Expiry::Clear);
    call.db.changed(key, Class::STRING, "set");
    call.rewrite(&[b"SET", key, text]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

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
            "SET a 1 NX IFEQ 1",
            "SET a 1 IFEQ 1 IFNE 1",
            "SET a 1 IFEQ 1 IFDEQ 1",
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
        assert_eq!(
            t.run("COMMAND GETKEYSANDFLAGS SET k 1 IFDNE 1"),
            "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+RW\r\n+update\r\n"
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

    /// Replies as Redis 8.10.2 gives them.
    #[test]
    fn values_and_digests_are_conditions() {
        let mut t = Testbed::new();
        let digits = "-ERR must be exactly 16 hexadecimal characters\r\n";
        t.run("RPUSH l 1");
        for (line, reply) in [
            ("SET a x IFDEQ short", "$-1\r\n"),
            ("SET a x IFDNE short", "+OK\r\n"),
            ("SET a y IFDEQ short", digits),
            ("SET a y IFDNE short GET", digits),
            ("SET a y IFDEQ zzzzzzzzzzzzzzzz", "$-1\r\n"),
            ("SET a y IFDNE zzzzzzzzzzzzzzzz", "+OK\r\n"),
            ("SET a z IFEQ y IFEQ q", "$-1\r\n"),
            ("SET a z IFEQ q IFEQ y", "+OK\r\n"),
            ("SET a z IFEQ NX", "$-1\r\n"),
            ("SET a 12345 IFNE q GET", "$1\r\nz\r\n"),
            ("SET a q IFNE 12345 GET", "$5\r\n12345\r\n"),
            ("SET a q IFDEQ F34099EDE96B5581 KEEPTTL", "+OK\r\n"),
            ("SET none q IFEQ q GET", "$-1\r\n"),
            ("SET none q IFNE q GET", "$-1\r\n"),
            ("GET none", "$1\r\nq\r\n"),
            ("SET l y NX", "$-1\r\n"),
            (
                "SET a 1 IFDEQ short EX 0",
                "-ERR invalid expire time in 'set' command\r\n",
            ),
        ] {
            assert_eq!(t.run(line), reply, "{line}");
        }
        for condition in ["IFEQ y", "IFNE y", "IFDEQ y", "IFDNE y", "NX GET"] {
            let reply = t.run(&format!("SET l y {condition}"));
            assert!(reply.starts_with("-WRONGTYPE "), "{condition}: {reply}");
        }
        t.take_effects();
        t.run("SET a x IFDNE 0000000000000000 GET PX 5000");
        t.run("SET a x KEEPTTL IFNE GET");
        assert_eq!(
            t.take_effects(),
            ["SET a x PXAT 1000005000", "SET a x KEEPTTL"]
        );
    }

    #[test]
    fn a_time_that_has_passed_deletes_the_key() {
        let mut t = Testbed::new();
        for set in [
            "SET a x EXAT 5",
            "SET a x PXAT 5 GET",
            "SET a x IFEQ 1 EXAT 5",
        ] {
            t.run("SET a 1");
            t.take_effects();
            t.take_events();
            let reply = t.run(set);
            assert!(
                ["+OK\r\n", "$1\r\n1\r\n"].contains(&reply.as_str()),
                "{set}: {reply}"
            );
            assert_eq!(t.run("EXISTS a"), ":0\r\n");
            assert_eq!(t.take_effects(), ["DEL a"]);
        }
        t.run("RPUSH l 1");
        t.take_effects();
        assert_eq!(t.run("SET l x PXAT 5"), "+OK\r\n");
        assert_eq!(t.run("SET none x PXAT 5"), "+OK\r\n");
        assert_eq!(t.take_effects(), ["DEL l"]);
        assert!(t.run("INFO stats").contains("expired_keys:5\r\n"));
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
