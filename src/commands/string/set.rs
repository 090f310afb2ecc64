//! SET, and the commands that are SET under other names.

use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use crate::commands::expiry_args::{ExpireArg, KEEPTTL};
use crate::keyspace::{Class, Expiry, NewValue, Str};
use crate::resp::{Args, Reply};
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
/// Reply: bulk string, or null when the key is missing. O(1) plus the length.
fn get(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    match call.db.string(key)? {
        Some(text) => write_str(call.reply, text),
        None => call.reply.null(),
    }
    Ok(())
}

/// A string value as a bulk string.
#[inline]
pub(super) fn write_str(reply: &mut Reply, text: Str<'_>) {
    match text {
        Str::Bytes(b) => reply.bulk(b),
        Str::Int(n) => reply.bulk_int(n),
    }
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
    )],
    categories: Category::STRING,
    ..Spec::new("set", set)
};

/// When SET sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition<'a> {
    Always,
    IfMissing,
    IfThere,
    /// The string that is there equals this one.
    IfEqual(&'a [u8]),
}

struct Options<'a> {
    condition: Condition<'a>,
    get: bool,
    keep_ttl: bool,
    expire: Option<ExpireArg<'a>>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Options<'a>, CommandError> {
        let mut o = Options {
            condition: Condition::Always,
            get: false,
            keep_ttl: false,
            expire: None,
        };
        let mut at = 3;
        while at < args.len() {
            let free = o.expire.is_none() && !o.keep_ttl;
            if args.is(at, "NX") && o.condition == Condition::Always {
                o.condition = Condition::IfMissing;
            } else if args.is(at, "XX") && o.condition == Condition::Always {
                o.condition = Condition::IfThere;
            } else if args.is(at, "IFEQ") && o.condition == Condition::Always {
                at += 1;
                o.condition = Condition::IfEqual(args.get(at).ok_or(CommandError::Syntax)?);
            } else if args.is(at, "GET") {
                o.get = true;
            } else if args.is(at, KEEPTTL) && free {
                o.keep_ttl = true;
            } else if free && let Some(expire) = ExpireArg::parse(args, at) {
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
/// Reply: OK, or null when the condition did not hold; with GET the old string or null,
/// whether it was set or not. O(1) plus the length.
fn set(call: &mut Call<'_>) -> CommandResult {
    let (key, text) = (call.args.at(1), call.args.at(2));
    if call.args.len() == 3 {
        call.db.set_string(key, NewValue::text(text), Expiry::Clear);
        call.db.changed(key, Class::STRING, "set");
        call.reply.ok();
        return Ok(());
    }
    let options = Options::parse(call.args)?;
    let expiry = match &options.expire {
        None if options.keep_ttl => Expiry::Keep,
        None => Expiry::Clear,
        Some(arg) => Expiry::At(arg.unix_ms(call.db.now_ms(), call.name)?),
    };
    let place = call.db.place(key);
    if options.get {
        match place.string()? {
            Some(old) => write_str(call.reply, old),
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
    place.set_string(NewValue::text(text), expiry);
    call.db.changed(key, Class::STRING, "set");
    if let Expiry::At(when) = expiry {
        call.db.event(key, Class::GENERIC, "expire");
        // Repeated later, "in ten seconds" would mean another time.
        let mut digits = itoa::Buffer::new();
        call.rewrite(&[b"SET", key, text, b"PXAT", digits.format(when).as_bytes()]);
    }
    if !options.get {
        call.reply.ok();
    }
    Ok(())
}
