//! HGETEX and HGETDEL: read fields and change their expiry or delete them.
//!
//! The handlers reply values before the change. The effect is a plain command with an absolute
//! time: HPEXPIREAT, HPERSIST or HDEL; there is no effect if no field changed. A handler deletes an
//! expired field that it meets as the expire cycle does, with a separate effect.
//!
//! Cost: O(fields given).
//!
//! Decided elsewhere: the two grammars: `field_args`, `fields_last`.

use smallvec::SmallVec;

use super::expire::fields_deleted;
use super::field_args::{
    BAD_COUNT, Condition, ExpireOutcome, INVALID_COUNT, NO_TIME, SECOND_FIELDS_WORD, expire_field,
    parse_block, parse_fields, parse_when, unknown_argument,
};
use super::fields_last;
use crate::arguments::element;
use crate::arguments::expiry::TimeForm;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_config::Dialect;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Expirable as _, Hash};

/// The change that HGETEX makes to the fields it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Persist,
    ExpireAt(u64),
}

pub(super) const HGETEX: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY).noted("RW and UPDATE, as it changes the expiration")],
    categories: Category::HASH,
    work: work::EACH_FIELD,
    ..Spec::new("hgetex", hgetex)
};

/// `HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS n field ...`.
///
/// Reply: array of values and nulls. A time that has passed deletes the fields. Propagated as
/// HPEXPIREAT, HPERSIST or HDELs. O(fields given).
fn hgetex(call: &mut Call<'_>) -> CommandResult {
    let (args, key) = (call.args, call.args.at(1));
    let (now, clock) = (call.db.due_ms(), call.db.now_ms());
    let by = (call.db.dialect(), call.name);
    let early = if by.0.fields_last() {
        let block = fields_last::find(args, 2)?;
        let options = fields_last::Options::parse(args, block, false)?;
        Some((options, fields_last::block(args, block, 1)?))
    } else {
        None
    };
    if by.0.hgetex_counts() {
        call.db.read::<Hash>(key)?;
    }
    let mut hash = call.db.write::<Hash>(key)?;
    let (change, fields) = match early {
        Some((options, fields)) => {
            let when = |(form, text)| parse_when(text, form, clock, by).map(Change::ExpireAt);
            let change = if options.persist {
                Some(Change::Persist)
            } else {
                options.time.map(when).transpose()?
            };
            (change.unwrap_or(Change::Nothing), fields)
        }
        None => parse_options(args, clock, by)?,
    };
    call.reply.array(fields.len());
    let Some(open) = hash.as_mut() else {
        fields.iter().for_each(|_| call.reply.null());
        return Ok(());
    };
    if change != Change::Nothing {
        open.make_expirable();
    }
    let now = now as u64;
    let (mut expired, mut deleted, mut updated) = (Vec::new(), Vec::new(), Vec::new());
    let keeps_expired = by.0.keeps_expired_fields();
    for field in fields.iter() {
        let volatile = match open.get(field) {
            None => {
                call.reply.null();
                continue;
            }
            Some(found) if found.expired(now) => {
                call.reply.null();
                if !keeps_expired {
                    expired.push(field);
                    open.remove(field);
                }
                continue;
            }
            Some(found) => {
                element::write(call.reply, found.value);
                found.expire_ms.is_some()
            }
        };
        match change {
            Change::Nothing => {}
            Change::Persist => {
                if volatile {
                    updated.push(field);
                }
                open.set_expire(field, None);
            }
            Change::ExpireAt(when) => {
                match expire_field(open, field, when, now, Condition::Always) {
                    ExpireOutcome::Set => updated.push(field),
                    _ => deleted.push(field),
                }
            }
        }
    }
    drop(hash);
    call.db.fields_expired(key, &expired);
    if !deleted.is_empty() {
        fields_deleted(call, key, &deleted);
    } else if !updated.is_empty() {
        expiries_changed(call, key, change, &updated, fields);
    }
    if !expired.is_empty() {
        call.db.delete_hash_if_empty(key);
    }
    Ok(())
}

/// The change and `FIELDS n field ...`, in any order.
fn parse_options<'a>(
    args: Args<'a>,
    clock: i64,
    by: (Dialect, &'static str),
) -> Result<(Change, Args<'a>), CommandError> {
    const TWO_TIMES: CommandError = CommandError::Text(
        "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified",
    );
    let (mut change, mut fields) = (Change::Nothing, None);
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "FIELDS") {
            if fields.is_some() {
                return Err(SECOND_FIELDS_WORD);
            }
            if at + 1 == args.len() {
                return Err(CommandError::WrongArity(by.1.to_owned()));
            }
            let (given, end) = parse_block(args, at, 1, INVALID_COUNT)?;
            (fields, at) = (Some(given), end);
            continue;
        }
        let form = TimeForm::named(args, at);
        if form.is_none() && !args.is(at, "PERSIST") {
            return Err(unknown_argument(args.at(at)));
        }
        if change != Change::Nothing {
            return Err(TWO_TIMES);
        }
        change = match form {
            Some(form) => {
                at += 1;
                let text = args.get(at).ok_or(NO_TIME)?;
                Change::ExpireAt(parse_when(text, form, clock, by)?)
            }
            None => Change::Persist,
        };
        at += 1;
    }
    let fields = fields.ok_or(CommandError::Text("ERR missing FIELDS argument"))?;
    Ok((change, fields))
}

/// Records that the `updated` fields of these got another expiry, or lost their expiry.
fn expiries_changed(
    call: &mut Call<'_>,
    key: &[u8],
    change: Change,
    updated: &[&[u8]],
    fields: Args<'_>,
) {
    let names = updated.iter().copied();
    let (mut time, mut given) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut effect = Vec::with_capacity(fields.len() + 5);
    if let Change::ExpireAt(when) = change {
        call.db
            .changed_fields(key, updated.len(), Class::HASH, "hexpire", names);
        call.db.record_field_expiry(key, when as i64);
        effect.extend([&b"HPEXPIREAT"[..], key, time.format(when).as_bytes()]);
    } else {
        call.db
            .changed_fields(key, updated.len(), Class::HASH, "hpersist", names);
        effect.extend([&b"HPERSIST"[..], key]);
    }
    effect.extend([&b"FIELDS"[..], given.format(fields.len()).as_bytes()]);
    effect.extend(fields.iter());
    call.rewrite(&effect);
}

pub(super) const HGETDEL: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::TAKE)],
    categories: Category::HASH,
    work: work::EACH_FIELD,
    ..Spec::new("hgetdel", hgetdel)
};

/// `HGETDEL key FIELDS n field ...`: returns the values of fields and deletes them.
///
/// Reply: array of values and nulls. Propagated as HDEL. O(fields given).
fn hgetdel(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let now = call.db.due_ms() as u64;
    let keeps_expired = call.db.dialect().keeps_expired_fields();
    let early = if call.db.dialect().fields_last() {
        Some(fields_last::block_only(call.args, 2, None)?)
    } else {
        None
    };
    let mut hash = call.db.write::<Hash>(key)?;
    let fields = early.map_or_else(|| parse_fields(call.args, 2, BAD_COUNT), Ok)?;
    call.reply.array(fields.len());
    let (mut expired, mut deleted) = (Vec::new(), SmallVec::<[&[u8]; 4]>::new());
    let volatile = hash.as_ref().is_some_and(|hash| hash.next_due().is_some());
    for field in fields.iter() {
        match hash.as_ref().and_then(|hash| hash.get(field)) {
            None => {
                call.reply.null();
                continue;
            }
            Some(found) if found.expired(now) => {
                call.reply.null();
                if keeps_expired {
                    continue;
                }
                expired.push(field);
            }
            Some(found) => {
                element::write(call.reply, found.value);
                deleted.push(field);
            }
        }
        if let Some(hash) = &mut hash {
            hash.remove(field);
        }
    }
    let calmed = volatile && hash.as_ref().is_some_and(|hash| hash.next_due().is_none());
    drop(hash);
    call.db.fields_expired(key, &expired);
    if !deleted.is_empty() {
        let names = deleted.iter().copied();
        call.db
            .changed_fields(key, deleted.len(), Class::HASH, "hdel", names);
        let mut effect = vec![&b"HDEL"[..], key];
        effect.extend(fields.iter());
        call.rewrite(&effect);
    }
    let changed = !deleted.is_empty() || !expired.is_empty();
    if changed && !call.db.delete_hash_if_empty(key) && calmed {
        call.db.forget_field_expiry(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn hgetex_reads_and_sets_expiries() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2");
        t.take_effects();
        assert_eq!(t.run("HGETEX h FIELDS 2 a x"), "*2\r\n$1\r\n1\r\n$-1\r\n");
        assert!(t.take_effects().is_empty());
        assert_eq!(
            t.run("HGETEX h EX 10 FIELDS 2 a x"),
            "*2\r\n$1\r\n1\r\n$-1\r\n"
        );
        assert_eq!(t.take_effects(), ["HPEXPIREAT h 1000010000 FIELDS 2 a x"]);
        assert_eq!(t.run("HGETEX h PERSIST FIELDS 1 a"), "*1\r\n$1\r\n1\r\n");
        assert_eq!(t.take_effects(), ["HPERSIST h FIELDS 1 a"]);
        assert_eq!(t.run("HGETEX h PERSIST FIELDS 1 a"), "*1\r\n$1\r\n1\r\n");
        assert!(t.take_effects().is_empty());
        assert_eq!(
            t.run("HGETEX h PXAT 1 FIELDS 2 a b"),
            "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"
        );
        assert_eq!(t.take_effects(), ["HDEL h a", "HDEL h b"]);
        assert_eq!(t.run("HLEN h"), ":0\r\n");
        assert_eq!(t.run("HGETEX h EX 1 FIELDS 1 a"), "*1\r\n$-1\r\n");
    }

    #[test]
    fn hgetdel_gives_each_value_once() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2 c 3");
        t.run("HPEXPIRE h 5 FIELDS 1 c");
        t.take_effects();
        t.advance_ms(6);
        assert_eq!(
            t.run("HGETDEL h FIELDS 4 a a c x"),
            "*4\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n"
        );
        assert_eq!(t.take_effects(), ["HDEL h c", "HDEL h a a c x"]);
        assert_eq!(t.run("HGETDEL h FIELDS 1 b"), "*1\r\n$1\r\n2\r\n");
        assert_eq!(t.run("HLEN h"), ":0\r\n");
        assert_eq!(
            t.run("HGETDEL h FIELDS 2 b"),
            "-ERR The `numfields` parameter must match the number of arguments\r\n"
        );
    }
}
