//! HEXPIRE, HPEXPIRE, HEXPIREAT and HPEXPIREAT.
//!
//! All fields of a command get the same time, so the time has passed for all or for none: the
//! effect is HDEL of the fields, or HPEXPIREAT with the absolute time and the fields that the
//! handler set.
//!
//! Redis checks the key's type before the arguments, Valkey after; the handler parses repeated
//! commands in Valkey's grammar first, then in Redis's.
//!
//! Cost: O(fields given). `record_field_expiry` schedules the key for the expire cycle.
//!
//! Decided elsewhere: conditions and a field's expiry: `field_args`.

use smallvec::SmallVec;

use super::field_args::{
    BlockWords, Condition, ExpireOutcome, FIELDS, expire_field, parse_block, parse_when,
    unknown_argument,
};
use super::fields_last;
use crate::arguments::expiry::TimeForm;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_config::Dialect;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Hash;

pub(super) const HEXPIRE: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::HASH,
    work: work::EACH_FIELD,
    ..Spec::new("hexpire", hexpire)
};

/// `HEXPIRE key seconds [NX | XX | GT | LT] FIELDS n field ...`; the other three commands are
/// alike.
///
/// Reply: array of integers: 1 set, 0 condition not met, 2 deleted because the time has passed, -2
/// no such field (or key). Propagated as HPEXPIREAT of the fields set and HDEL of the fields
/// deleted. O(fields given).
fn hexpire(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::Ex)
}

pub(super) const HPEXPIRE: Spec = Spec {
    name: "hpexpire",
    work: work::EACH_FIELD,
    handler: hpexpire,
    ..HEXPIRE
};

/// `HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS n field ...`.
fn hpexpire(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::Px)
}

pub(super) const HEXPIREAT: Spec = Spec {
    name: "hexpireat",
    work: work::EACH_FIELD,
    handler: hexpireat,
    ..HEXPIRE
};

/// `HEXPIREAT key unix-seconds [NX | XX | GT | LT] FIELDS n field ...`.
fn hexpireat(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::ExAt)
}

pub(super) const HPEXPIREAT: Spec = Spec {
    name: "hpexpireat",
    work: work::EACH_FIELD,
    handler: hpexpireat,
    ..HEXPIRE
};

/// `HPEXPIREAT key unix-milliseconds [NX | XX | GT | LT] FIELDS n field ...`.
fn hpexpireat(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::PxAt)
}

/// The arguments after the time: a condition and `FIELDS n field ...` (of sets `MEMBERS n member
/// ...`), in any order.
pub(crate) struct Options<'a> {
    pub(crate) condition: Option<&'static (&'static str, Condition)>,
    pub(crate) fields: Args<'a>,
}

impl<'a> Options<'a> {
    /// Redis's grammar.
    pub(crate) fn parse(args: Args<'a>, words: &BlockWords) -> Result<Self, CommandError> {
        const CONDITIONS: [(&str, Condition); 4] = [
            ("NX", Condition::WithoutExpiry),
            ("XX", Condition::WithExpiry),
            ("GT", Condition::Later),
            ("LT", Condition::Sooner),
        ];
        const TWO_CONDITIONS: CommandError =
            CommandError::Text("ERR Multiple condition flags specified");
        let (mut condition, mut fields, mut has_two) = (None, None, false);
        let mut at = 3;
        while at < args.len() {
            if args.is(at, words.word) {
                if fields.is_some() {
                    return Err(CommandError::Text(words.repeated));
                }
                if at + 2 >= args.len() {
                    return Err(CommandError::Text(words.cut_off));
                }
                let bad_number = CommandError::Text(words.bad_number);
                let (given, end) = parse_block(args, at, 1, bad_number)?;
                (fields, at) = (Some(given), end);
                continue;
            }
            let found = CONDITIONS.iter().find(|(word, _)| args.is(at, word));
            let found = found.ok_or_else(|| unknown_argument(args.at(at)))?;
            has_two |= condition.is_some_and(|old: &(&str, Condition)| old.1 != found.1);
            condition = Some(found);
            at += 1;
        }
        let fields = fields.ok_or(CommandError::Text(words.missing))?;
        if has_two {
            Err(TWO_CONDITIONS)
        } else {
            Ok(Options { condition, fields })
        }
    }
}

impl<'a> Options<'a> {
    /// Valkey's grammar: conditions that may be combined, then `FIELDS n field ...` at the end.
    fn parse_fields_last(args: Args<'a>) -> Result<Self, CommandError> {
        const NX: &str = "ERR NX and XX, GT or LT options at the same time are not compatible";
        const GT: &str = "ERR GT and LT options at the same time are not compatible";
        let block = fields_last::find(args, 3)?;
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        for at in 3..block {
            let condition = match () {
                _ if args.is(at, "NX") => &mut nx,
                _ if args.is(at, "XX") => &mut xx,
                _ if args.is(at, "GT") => &mut gt,
                _ if args.is(at, "LT") => &mut lt,
                _ => {
                    return Err(CommandError::naming(
                        "ERR Unsupported option ",
                        args.at(at),
                        "",
                    ));
                }
            };
            *condition = true;
        }
        if nx && (xx || gt || lt) {
            return Err(CommandError::Text(NX));
        }
        if gt && lt {
            return Err(CommandError::Text(GT));
        }
        // GT implies XX: no expiry is later than any.
        let condition: Option<&'static (&'static str, Condition)> = match () {
            _ if nx => Some(&("NX", Condition::WithoutExpiry)),
            _ if gt => Some(&("GT", Condition::Later)),
            _ if xx && lt => Some(&("LT", Condition::SoonerThanBefore)),
            _ if lt => Some(&("LT", Condition::Sooner)),
            _ if xx => Some(&("XX", Condition::WithExpiry)),
            _ => None,
        };
        Ok(Options {
            condition,
            fields: fields_last::block(args, block, 1)?,
        })
    }
}

fn expire(call: &mut Call<'_>, form: TimeForm) -> CommandResult {
    let (args, key) = (call.args, call.args.at(1));
    let (now, clock) = (call.db.due_ms(), call.db.now_ms());
    let by = (call.db.dialect(), call.name);
    let is_repeated = call.was_taken_before();
    let early = if by.0.fields_last() || is_repeated {
        let options = Options::parse_fields_last(args);
        let when = || parse_when(args.at(2), form, clock, (Dialect::Valkey, by.1));
        match options.and_then(|options| Ok((when()?, options))) {
            Ok(parsed) => Some(parsed),
            // The command may be in the other dialect.
            Err(_) if is_repeated => None,
            Err(error) => return Err(error),
        }
    } else {
        // Checks the type of the key before the arguments.
        None
    };
    let mut hash = call.db.write::<Hash>(key)?;
    let (when, Options { condition, fields }) = match early {
        Some(parsed) => parsed,
        None => (
            parse_when(args.at(2), form, clock, by)?,
            Options::parse(args, &FIELDS)?,
        ),
    };
    call.reply.array(fields.len());
    let Some(open) = hash.as_mut() else {
        fields
            .iter()
            .for_each(|_| call.reply.int(ExpireOutcome::NoField as i64));
        return Ok(());
    };
    open.make_expirable();
    let word = condition.map(|(word, _)| word.as_bytes());
    let condition = condition.map_or(Condition::Always, |&(_, condition)| condition);
    // Usually one field: no allocation for a few.
    let (mut set, mut deleted) = (SmallVec::<[&[u8]; 4]>::new(), SmallVec::<[&[u8]; 4]>::new());
    let hides = by.0.keeps_expired_fields() && !is_repeated;
    for field in fields.iter() {
        if hides && open.get(field).is_some_and(|its| its.expired(now as u64)) {
            call.reply.int(ExpireOutcome::NoField as i64);
            continue;
        }
        let outcome = expire_field(open, field, when, now as u64, condition);
        call.reply.int(outcome as i64);
        match outcome {
            ExpireOutcome::Set => set.push(field),
            ExpireOutcome::Deleted => deleted.push(field),
            ExpireOutcome::NoField | ExpireOutcome::ConditionNotMet => {}
        }
    }
    drop(hash);
    // All fields get the same time, so the time has passed for all or for none.
    if !deleted.is_empty() {
        fields_deleted(call, key, &deleted);
    } else if !set.is_empty() {
        let names = set.iter().copied();
        call.db
            .changed_fields(key, set.len(), Class::HASH, "hexpire", names);
        call.db.record_field_expiry(key, when as i64);
        if call.effects_wanted() {
            let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
            let mut effect = vec![&b"HPEXPIREAT"[..], key, time.format(when).as_bytes()];
            effect.extend(word);
            effect.extend([&b"FIELDS"[..], count.format(set.len()).as_bytes()]);
            effect.extend(set);
            call.rewrite(&effect);
        }
    }
    Ok(())
}

/// Fields were deleted at once because their new expiry has passed: propagated as HDELs.
pub(super) fn fields_deleted(call: &mut Call<'_>, key: &[u8], fields: &[&[u8]]) {
    call.db.fields_expired_at_once(key, fields);
    let (event, names) = (call.db.dialect().past_field_event(), fields.iter().copied());
    call.db
        .changed_fields(key, fields.len(), Class::HASH, event, names);
    call.no_effect();
    call.db.delete_hash_if_empty(key);
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn each_field_has_its_own_answer() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2 c 3");
        t.take_effects();
        assert_eq!(
            t.run("HEXPIRE h 10 FIELDS 3 a x b"),
            "*3\r\n:1\r\n:-2\r\n:1\r\n"
        );
        assert_eq!(t.take_effects(), ["HPEXPIREAT h 1000010000 FIELDS 2 a b"]);
        assert_eq!(t.run("HPEXPIRE h 5 GT FIELDS 1 a"), "*1\r\n:0\r\n");
        assert_eq!(t.run("HPEXPIRE h 5 LT FIELDS 2 a c"), "*2\r\n:1\r\n:1\r\n");
        assert_eq!(t.run("HPEXPIRE h 9 NX FIELDS 1 b"), "*1\r\n:0\r\n");
        assert_eq!(
            t.take_effects(),
            ["HPEXPIREAT h 1000000005 LT FIELDS 2 a c"]
        );
        assert_eq!(t.run("HEXPIREAT h 5 FIELDS 2 a b"), "*2\r\n:2\r\n:2\r\n");
        assert_eq!(t.take_effects(), ["HDEL h a", "HDEL h b"]);
        assert_eq!(t.run("HPEXPIREAT h 0 FIELDS 1 c"), "*1\r\n:2\r\n");
        assert_eq!(t.run("HLEN h"), ":0\r\n");
        assert_eq!(t.run("HEXPIRE h 1 FIELDS 1 a"), "*1\r\n:-2\r\n");
    }

    #[test]
    fn expired_fields_are_gone_for_every_reader() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2 c 3");
        t.run("HPEXPIRE h 10 FIELDS 1 a");
        t.run("HPEXPIRE h 20 FIELDS 1 b");
        t.take_effects();
        t.advance_ms(11);
        assert_eq!(t.run("HLEN h"), ":3\r\n");
        assert_eq!(t.run("HKEYS h"), "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
        assert_eq!(t.run("HGET h a"), "$-1\r\n");
        assert_eq!(t.take_effects(), ["HDEL h a"]);
        assert_eq!(t.run("HLEN h"), ":2\r\n");
        t.advance_ms(11);
        assert_eq!(t.run("HINCRBY h b 5"), ":5\r\n");
        assert_eq!(t.take_effects(), ["HDEL h b", "HINCRBY h b 5"]);
        t.run("HPEXPIRE h 5 FIELDS 2 b c");
        t.advance_ms(6);
        assert_eq!(t.run("HRANDFIELD h 5"), "*0\r\n");
        assert_eq!(t.run("HLEN h"), ":0\r\n");
    }

    #[test]
    fn arguments_are_checked_in_order() {
        let mut t = Testbed::new();
        t.run("SET s 1");
        assert!(t.run("HEXPIRE s x FIELDS 1 a").starts_with("-WRONGTYPE"));
        for (line, text) in [
            (
                "HEXPIRE h x FIELDS 1 a",
                "value is not an integer or out of range",
            ),
            (
                "HEXPIRE h -1 FIELDS 1 a",
                "invalid expire time, must be >= 0",
            ),
            (
                "HPEXPIREAT h 70368744177664 FIELDS 1 a",
                "invalid expire time in 'hpexpireat' command",
            ),
            ("HEXPIRE h 1 NX XX WORD a", "unknown argument: WORD"),
            (
                "HEXPIRE h 1 NX FIELDS 1 a XX",
                "Multiple condition flags specified",
            ),
            ("HEXPIRE h 1 WORD 1 a", "unknown argument: WORD"),
            ("HEXPIRE h 1 FIELDS 1 a WORD", "unknown argument: WORD"),
            ("HEXPIRE h 1 NX NX NX", "missing FIELDS argument"),
            (
                "HEXPIRE h 1 FIELDS 1 a FIELDS",
                "FIELDS keyword specified multiple times",
            ),
            (
                "HEXPIRE h 1 NX FIELDS 0",
                "FIELDS requires at least numfields and one field argument",
            ),
            (
                "HEXPIRE h 1 FIELDS 0 a",
                "Parameter `numFields` should be greater than 0",
            ),
            ("HEXPIRE h 1 FIELDS 2 a", "wrong number of arguments"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
    }
}
