//! HSETEX.
//!
//! HSETEX sets all fields with the same expiry, or no field if a condition (FNX, FXX, Valkey's NX,
//! XX) does not hold. A time that has passed deletes the fields. KEEPTTL keeps the expiry of each
//! field.
//!
//! The effect has the options first and an absolute time (PXAT), a form that Redis and Valkey both
//! parse; the handler propagates a command without a time as it is, if it has that form already.
//!
//! Cost: O(fields given).
//!
//! Decided elsewhere: the two grammars: `field_args`, `fields_last`.

use super::expire::fields_deleted;
use super::field_args::{
    INVALID_COUNT, NO_TIME, SECOND_FIELDS_WORD, parse_block, parse_when, unknown_argument,
};
use super::fields_last;
use crate::arguments::expiry::TimeForm;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_config::Dialect;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Expiry, Hash};

pub(super) const HSETEX: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::HASH,
    work: work::EACH_FIELD_PAIR,
    ..Spec::new("hsetex", hsetex)
};

/// HSETEX's condition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// FNX: none of the fields exists.
    NoneThere,
    /// FXX: all of them exist.
    AllThere,
}

struct SetexOptions<'a> {
    condition: Condition,
    keep_ttl: bool,
    /// Unix milliseconds.
    expire: Option<u64>,
    /// Alternating fields and values.
    pairs: Args<'a>,
    /// Not every server parses the command as given: options came after the pairs, or NX or XX.
    is_mixed: bool,
}

impl<'a> SetexOptions<'a> {
    fn parse(
        args: Args<'a>,
        now_ms: i64,
        by: (Dialect, &'static str),
    ) -> Result<Self, CommandError> {
        const TWO_TIMES: CommandError = CommandError::Text(
            "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        );
        const TWO_CONDITIONS: CommandError =
            CommandError::Text("ERR Only one of FXX or FNX arguments can be specified");
        let mut options = SetexOptions {
            condition: Condition::Always,
            keep_ttl: false,
            expire: None,
            pairs: args.from(args.len()),
            is_mixed: false,
        };
        let mut at = 2;
        while at < args.len() {
            let timed = options.expire.is_some() || options.keep_ttl;
            if args.is(at, "FIELDS") {
                if !options.pairs.is_empty() {
                    return Err(SECOND_FIELDS_WORD);
                }
                if at + 1 == args.len() {
                    return Err(CommandError::WrongArity(by.1.to_owned()));
                }
                let (pairs, end) = parse_block(args, at, 2, INVALID_COUNT)?;
                (options.pairs, at) = (pairs, end);
                options.is_mixed = end < args.len();
                continue;
            } else if let Some(form) = TimeForm::named(args, at) {
                if timed {
                    return Err(TWO_TIMES);
                }
                at += 1;
                let text = args.get(at).ok_or(NO_TIME)?;
                options.expire = Some(parse_when(text, form, now_ms, by)?);
            } else if args.is(at, "KEEPTTL") {
                if timed {
                    return Err(TWO_TIMES);
                }
                options.keep_ttl = true;
            } else if args.is(at, "FXX") || args.is(at, "FNX") {
                if options.condition != Condition::Always {
                    return Err(TWO_CONDITIONS);
                }
                options.condition = if args.is(at, "FXX") {
                    Condition::AllThere
                } else {
                    Condition::NoneThere
                };
            } else {
                return Err(unknown_argument(args.at(at)));
            }
            at += 1;
        }
        if options.pairs.is_empty() {
            Err(CommandError::Text("ERR missing FIELDS argument"))
        } else {
            Ok(options)
        }
    }
}

/// `HSETEX key [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS n field value
/// ...`: sets all fields or none, with their expiry. A time that has passed deletes them.
///
/// Reply: 1 set, 0 condition not met. Propagated with PXAT, or as HDELs. O(fields given).
fn hsetex(call: &mut Call<'_>) -> CommandResult {
    let (args, key) = (call.args, call.args.at(1));
    let now = call.db.due_ms();
    let by = (call.db.dialect(), call.name);
    let (is_repeated, now_ms) = (call.was_taken_before(), call.db.now_ms());
    let early = if by.0.fields_last() || is_repeated {
        Some(parse_fields_last(call))
    } else {
        None
    };
    let parsed = match early {
        Some(Err(error)) if !is_repeated => return Err(error),
        Some(Ok(parsed)) => parsed,
        // A repeated command may be in the other dialect.
        _ => Some(SetexOptions::parse(args, now_ms, (Dialect::Redis, by.1))?),
    };
    let Some(options) = parsed else {
        call.reply.int(0);
        return Ok(());
    };
    let now = now as u64;
    if !holds(call, &options, now)? {
        call.reply.int(0);
        return Ok(());
    }
    let limits = *call.db.limits();
    let mut hash = call.db.write_or(key, Hash::new)?;
    let pairs = options.pairs;
    let past = options.expire.is_some_and(|when| when <= now);
    if !past || !by.0.fields_last() {
        hash.prepare(pairs.iter().map(<[u8]>::len), &limits);
    }
    if options.expire.is_some() {
        hash.make_expirable();
    }
    let expiry = match options.expire {
        _ if options.keep_ttl => Expiry::Keep,
        Some(when) if !past => Expiry::Set(when),
        _ => Expiry::Clear,
    };
    for at in (0..pairs.len()).step_by(2) {
        if past {
            hash.remove(pairs.at(at));
        } else {
            hash.set(pairs.at(at), pairs.at(at + 1), expiry, &limits);
        }
    }
    drop(hash);
    // Deleted fields are not counted as set, except by Valkey.
    let is_set = !past || by.0.fields_last();
    let set = if is_set { pairs.len() / 2 } else { 0 };
    let fields = pairs.iter().step_by(2);
    call.db
        .changed_fields(key, set, Class::HASH, "hset", fields);
    match options.expire {
        Some(_) if past => {
            if is_set {
                call.db.event(key, Class::HASH, "hexpire");
            }
            let fields: Vec<&[u8]> = pairs.iter().step_by(2).collect();
            fields_deleted(call, key, &fields);
        }
        Some(when) => {
            call.db.event(key, Class::HASH, "hexpire");
            call.db.list_fields(Class::HASH, pairs.iter().step_by(2));
            call.db.record_field_expiry(key, when as i64);
            repeat_plainly(call, &options);
        }
        None if options.is_mixed => repeat_plainly(call, &options),
        None => {}
    }
    call.reply.int(1);
    Ok(())
}

/// Valkey's grammar; `None`: the key does not meet NX or XX. A time is parsed after that.
fn parse_fields_last<'a>(call: &mut Call<'a>) -> Result<Option<SetexOptions<'a>>, CommandError> {
    let args = call.args;
    let block = fields_last::find(args, 2)?;
    let options = fields_last::Options::parse(args, block, true)?;
    let pairs = fields_last::block(args, block, 2)?;
    let exists = call.db.write::<Hash>(args.at(1))?.is_some();
    if options.key_exists.is_some_and(|wanted| wanted != exists) {
        return Ok(None);
    }
    let by = (Dialect::Valkey, call.name);
    let now_ms = call.db.now_ms();
    let when = |(form, text)| parse_when(text, form, now_ms, by);
    Ok(Some(SetexOptions {
        condition: match options.fields_exist {
            None => Condition::Always,
            Some(true) => Condition::AllThere,
            Some(false) => Condition::NoneThere,
        },
        keep_ttl: options.keep_ttl,
        expire: options.time.map(when).transpose()?,
        pairs,
        is_mixed: options.key_exists.is_some(),
    }))
}

/// Propagates options before the pairs, as all servers take them, and an absolute time, because a
/// relative time would differ on replay.
fn repeat_plainly(call: &mut Call<'_>, options: &SetexOptions<'_>) {
    if !call.effects_wanted() {
        return;
    }
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut effect = vec![&b"HSETEX"[..], call.args.at(1)];
    match options.condition {
        Condition::Always => {}
        Condition::NoneThere => effect.push(b"FNX"),
        Condition::AllThere => effect.push(b"FXX"),
    }
    if options.keep_ttl {
        effect.push(b"KEEPTTL");
    }
    if let Some(when) = options.expire {
        effect.extend([&b"PXAT"[..], time.format(when).as_bytes()]);
    }
    let pairs = options.pairs;
    effect.extend([&b"FIELDS"[..], count.format(pairs.len() / 2).as_bytes()]);
    effect.extend(pairs.iter());
    call.rewrite(&effect);
}

/// Whether the fields meet FNX or FXX; deletes the expired fields that it checks, in Valkey's
/// dialect the expired fields that the handler will set.
fn holds(call: &mut Call<'_>, options: &SetexOptions<'_>, now: u64) -> Result<bool, CommandError> {
    let key = call.args.at(1);
    let keeps_expired = call.db.dialect().keeps_expired_fields();
    let mut hash = call.db.write::<Hash>(key)?;
    let Some(open) = hash.as_mut() else {
        return Ok(options.condition != Condition::AllThere);
    };
    let names = options.pairs.iter().step_by(2);
    if options.condition == Condition::Always {
        drop(hash);
        if keeps_expired {
            call.db.expire_fields_to_set(key, names);
        }
        return Ok(true);
    }
    let (mut holds, mut expired) = (true, Vec::new());
    for field in names.clone() {
        let there = match open.get(field) {
            Some(found) if found.expired(now) => {
                if !keeps_expired {
                    expired.push(field);
                    open.remove(field);
                }
                false
            }
            found => found.is_some(),
        };
        holds = there == (options.condition == Condition::AllThere);
        if !holds {
            break;
        }
    }
    drop(hash);
    call.db.fields_expired(key, &expired);
    if holds && keeps_expired {
        call.db.expire_fields_to_set(key, names);
    }
    if !holds && !expired.is_empty() {
        call.db.delete_hash_if_empty(key);
    }
    Ok(holds)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn fields_are_set_with_their_expiry() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HSETEX h EX 10 FIELDS 2 a 1 b 2"), ":1\r\n");
        assert_eq!(
            t.take_effects(),
            ["HSETEX h PXAT 1000010000 FIELDS 2 a 1 b 2"]
        );
        assert_eq!(t.run("HSETEX h KEEPTTL FIELDS 1 a 5"), ":1\r\n");
        assert_eq!(t.run("HTTL h FIELDS 2 a b"), "*2\r\n:10\r\n:10\r\n");
        assert_eq!(t.run("HSETEX h FIELDS 1 a 6"), ":1\r\n");
        assert_eq!(t.run("HTTL h FIELDS 1 a"), "*1\r\n:-1\r\n");
        t.take_effects();
        assert_eq!(t.run("HSETEX h PXAT 5 FIELDS 2 a 1 c 1"), ":1\r\n");
        assert_eq!(t.take_effects(), ["HDEL h a", "HDEL h c"]);
        assert_eq!(t.run("HKEYS h"), "*1\r\n$1\r\nb\r\n");
    }

    #[test]
    fn conditions_hold_for_all_fields_or_none() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HSETEX h FXX FIELDS 1 a 1"), ":0\r\n");
        assert_eq!(t.run("HSETEX h FNX FIELDS 2 a 1 b 2"), ":1\r\n");
        assert_eq!(t.run("HSETEX h FNX FIELDS 2 b 3 c 3"), ":0\r\n");
        assert_eq!(t.run("HSETEX h FXX FIELDS 2 b 3 c 3"), ":0\r\n");
        assert_eq!(t.run("HSETEX h FXX FIELDS 2 b 3 a 3"), ":1\r\n");
        t.run("HPEXPIRE h 5 FIELDS 2 a b");
        t.take_effects();
        t.advance_ms(6);
        assert_eq!(t.run("HSETEX h FXX FIELDS 1 a 4"), ":0\r\n");
        assert_eq!(t.run("HSETEX h FNX FIELDS 1 b 4"), ":1\r\n");
        assert_eq!(
            t.take_effects(),
            ["HDEL h a", "HDEL h b", "HSETEX h FNX FIELDS 1 b 4"]
        );
    }

    /// FXX and FNX deleted an expired field without an event: clients waiting for it kept waiting.
    #[test]
    fn expired_fields_that_a_condition_meets_are_reported() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 1 c 1");
        t.run("HSET last a 1");
        t.run("HPEXPIRE h 5 FIELDS 3 a b c");
        t.run("HPEXPIRE last 5 FIELDS 1 a");
        t.run("HSET h d 1");
        t.advance_ms(6);
        let events = |t: &mut Testbed, line: &str, reply: &str| {
            t.take_events();
            assert_eq!(t.run(line), format!(":{reply}\r\n"), "{line}");
            let events = t.take_events();
            let names: Vec<&str> = events.iter().map(|event| event.event).collect();
            names.join(" ")
        };
        // The first field that fails the condition decides.
        let line = "HSETEX h FXX FIELDS 2 a 1 b 1";
        assert_eq!(events(&mut t, line, "0"), "hexpired");
        let line = "HSETEX h FNX FIELDS 2 b 1 c 1";
        assert_eq!(events(&mut t, line, "1"), "hexpired hset");
        let line = "HSETEX h FNX FIELDS 2 d 1 c 1";
        assert_eq!(events(&mut t, line, "0"), "");
        let line = "HSETEX last FXX FIELDS 1 a 1";
        assert_eq!(events(&mut t, line, "0"), "hexpired del");
    }

    #[test]
    fn refusals() {
        let mut t = Testbed::new();
        let arity = "wrong number of arguments";
        for (line, text) in [
            ("HSETEX h FIELDS 1 a 1 b", "unknown argument: b"),
            (
                "HSETEX h FIELDS 1 a 1 FNX FIELDS",
                "FIELDS keyword specified multiple times",
            ),
            ("HSETEX h FIELDS 1 a 1 EX", "missing expire time"),
            (
                "HSETEX h FNX EX 1 FIELDS",
                "wrong number of arguments for 'hsetex' command",
            ),
            ("HSETEX h FIELDS 2 a 1 b", arity),
            ("HSETEX h EX 1 FIELDS 1 a", arity),
            ("HSETEX h FIELDS 0 a 1", "invalid number of fields"),
            ("HSETEX h WORD FIELDS 1 a 1", "unknown argument: WORD"),
            (
                "HSETEX h FXX FNX FIELDS 1 a 1",
                "Only one of FXX or FNX arguments can be specified",
            ),
            (
                "HSETEX h KEEPTTL EX 1 FIELDS 1 a 1",
                "Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
            ),
            (
                "HSETEX h EX -1 FIELDS 1 a 1",
                "invalid expire time, must be >= 0",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
    }
}
