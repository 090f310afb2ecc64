//! Commands that read a string and change its key: GETEX, GETDEL, DELIFEQ.
//!
//! The handler replies the string before the change, from where the string is. Effects are plain
//! commands: PEXPIREAT, PERSIST, DEL or UNLINK; GETEX without an option, or on a missing key, has
//! none. GETEX checks syntax, key, time in this order; in Valkey's dialect the time comes before
//! the key.
//!
//! Cost: O(1) plus the length.
//!
//! Decided elsewhere: forms of time: `arguments::expiry`.

use crate::arguments::expiry::ExpireArg;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Cause, Class, TextBuffer};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};

pub(super) const GETEX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY).noted("RW and UPDATE, as it changes the expiration")],
    categories: Category::STRING,
    ..Spec::new("getex", getex)
};

/// The change of expiry by GETEX.
enum NewExpiry<'a> {
    Keep,
    Persist,
    Set(ExpireArg<'a>),
}

fn parse_getex(args: Args<'_>) -> Result<NewExpiry<'_>, CommandError> {
    let mut wanted = NewExpiry::Keep;
    let mut at = 2;
    while at < args.len() {
        let arg = ExpireArg::parse(args, at);
        wanted = match (wanted, arg) {
            (NewExpiry::Keep | NewExpiry::Persist, _) if args.is(at, "PERSIST") => {
                NewExpiry::Persist
            }
            (NewExpiry::Keep, Some(arg)) => NewExpiry::Set(arg),
            (NewExpiry::Set(first), Some(arg)) if first.is_same_form(&arg) => NewExpiry::Set(arg),
            _ => return Err(CommandError::Syntax),
        };
        at += if matches!(wanted, NewExpiry::Set(_)) {
            2
        } else {
            1
        };
    }
    Ok(wanted)
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`: the string at `key`; changes the key's
/// expiry. An absolute time that has passed deletes the key.
///
/// Reply: bulk string, or null if the key is missing (the time is then not checked).
/// O(1) plus the length.
fn getex(call: &mut Call<'_>) -> CommandResult {
    let wanted = parse_getex(call.args)?;
    let key = call.args.at(1);
    let (now, clock) = (call.db.due_ms(), call.db.now_ms());
    if call.db.dialect().getex_time_first()
        && let NewExpiry::Set(arg) = &wanted
    {
        arg.unix_ms(clock, call.name)?;
    }
    let mut place = call.db.place(key);
    place.count_read();
    let Some(text) = place.string()? else {
        call.reply.null();
        return Ok(());
    };
    let when = match &wanted {
        NewExpiry::Set(arg) => Some(arg.unix_ms(clock, call.name)?),
        _ => None,
    };
    text.reply(call.reply)?;
    match (wanted, when) {
        (NewExpiry::Set(arg), Some(when)) if arg.form.is_absolute() && when <= now => {
            place.delete(Cause::User);
            let event = call.db.dialect().past_key_event();
            call.db.changed(key, Class::GENERIC, event);
            call.rewrite(&[call.db.expire_word(), key]);
        }
        (NewExpiry::Set(_), Some(when)) => {
            place.set_expiry(Some(when));
            call.db.changed(key, Class::GENERIC, "expire");
            let mut digits = itoa::Buffer::new();
            call.rewrite(&[b"PEXPIREAT", key, digits.format(when).as_bytes()]);
        }
        (NewExpiry::Persist, _) if place.expiry().is_some() => {
            place.set_expiry(None);
            call.db.changed(key, Class::GENERIC, "persist");
            call.rewrite(&[b"PERSIST", key]);
        }
        _ => {}
    }
    Ok(())
}

pub(super) const GETDEL: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::TAKE)],
    categories: Category::STRING,
    ..Spec::new("getdel", getdel)
};

/// `GETDEL key`: returns the string at `key` and deletes the key.
///
/// Reply: bulk string, or null if the key is missing. O(1) plus the length.
fn getdel(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let mut place = call.db.place(key);
    place.count_read();
    match place.string()? {
        None => call.reply.null(),
        Some(text) => {
            text.reply(call.reply)?;
            place.delete(Cause::User);
            call.db.changed(key, Class::GENERIC, "del");
            call.rewrite(&[b"DEL", key]);
        }
    }
    Ok(())
}

pub(super) const DELIFEQ: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RM.union(Access::DELETE))],
    categories: Category::STRING,
    ..Spec::new("delifeq", delifeq)
};

/// `DELIFEQ key value`: deletes the key if the string equals `value`.
///
/// Reply: 1, or 0 if the string is missing or different. O(length).
fn delifeq(call: &mut Call<'_>) -> CommandResult {
    let [_, key, wanted] = call.args.exactly();
    let place = call.db.place(key);
    let equal = match place.string()? {
        None => false,
        Some(text) => text.text(&mut TextBuffer::new())? == wanted,
    };
    if equal {
        place.delete(Cause::User);
        call.db.changed(key, Class::GENERIC, "del");
        call.rewrite(&[b"DEL", key]);
    }
    call.reply.int(equal as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn getex_states_what_it_did_to_the_expiry() {
        let mut t = Testbed::new();
        t.run("SET a x");
        assert_eq!(t.run("GETEX a"), "$1\r\nx\r\n");
        assert_eq!(t.run("GETEX a PERSIST"), "$1\r\nx\r\n");
        t.take_effects();
        for option in ["EX 10", "PERSIST", "PXAT 2000000000", "EXAT 5"] {
            assert_eq!(t.run(&format!("GETEX a {option}")), "$1\r\nx\r\n");
        }
        assert_eq!(t.run("GETEX a"), "$-1\r\n");
        assert_eq!(
            t.take_effects(),
            [
                "PEXPIREAT a 1000010000",
                "PERSIST a",
                "PEXPIREAT a 2000000000",
                "DEL a"
            ]
        );
    }

    #[test]
    fn getex_looks_at_syntax_then_key_then_time() {
        let mut t = Testbed::new();
        for wrong in [
            "EX",
            "EX 1 PX 1",
            "PERSIST EX 1",
            "EX 1 PERSIST",
            "KEEPTTL",
            "NX",
        ] {
            assert_eq!(t.run(&format!("GETEX a {wrong}")), "-ERR syntax error\r\n");
        }
        assert_eq!(t.run("GETEX a EX 0"), "$-1\r\n");
        t.run("SET a x");
        let invalid = "-ERR invalid expire time in 'getex' command\r\n";
        assert_eq!(t.run("GETEX a EX 0"), invalid);
        assert_eq!(t.run("GETEX a PERSIST PERSIST"), "$1\r\nx\r\n");
    }

    #[test]
    fn delifeq_compares_before_it_deletes() {
        let mut t = Testbed::new();
        t.run("SET a 10");
        assert_eq!(t.run("DELIFEQ a 010"), ":0\r\n");
        assert_eq!(t.run("DELIFEQ a 10"), ":1\r\n");
        assert_eq!(t.run("DELIFEQ a 10"), ":0\r\n");
        t.run("SET b x");
        assert_eq!(t.run("GETDEL b"), "$1\r\nx\r\n");
        assert_eq!(t.run("GETDEL b"), "$-1\r\n");
        assert_eq!(t.take_effects(), ["SET a 10", "DEL a", "SET b x", "DEL b"]);
    }
}
