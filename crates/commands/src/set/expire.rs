//! SEXPIRE, SPEXPIRE, SEXPIREAT, SPEXPIREAT, SPERSIST, and the readers STTL, SPTTL, SEXPIRETIME and
//! SPEXPIRETIME.
//!
//! A member that has expired is missing to all of them: -2, never renewed. All members of a command
//! get the same time, so the time has passed for all or for none: the effect is SREM of the
//! members, or SPEXPIREAT with the absolute time and the members that the handler set. The readers
//! delete nothing.
//!
//! Cost: O(members given). `record_member_expiry` schedules the key for the expire cycle.
//!
//! Decided elsewhere: conditions, times and the grammar, which hashes have as well:
//! `hash::field_args`; encodings: `types::set`.

use crate::arguments::expiry::TimeForm;
use crate::hash::expire::Options;
use crate::hash::field_args::{BlockWords, Condition, ExpireOutcome, parse_names, parse_when};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_config::Dialect;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Expirable as _, Set, is_expired};

/// `MEMBERS n member ...` and the errors for it.
pub(super) const MEMBERS: BlockWords = BlockWords {
    word: "MEMBERS",
    misplaced: "ERR Mandatory argument MEMBERS is missing or not at the right position",
    mismatch: "ERR The `nummembers` parameter must match the number of arguments",
    bad_count: "ERR Number of members must be a positive integer",
    bad_number: "ERR Parameter `numMembers` should be greater than 0",
    repeated: "ERR MEMBERS keyword specified multiple times",
    cut_off: "ERR MEMBERS requires at least nummembers and one member argument",
    missing: "ERR missing MEMBERS argument",
};

const NO_MEMBER: i64 = -2;
const NO_EXPIRY: i64 = -1;

pub(super) const SEXPIRE: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::SET,
    work: work::EACH_FIELD,
    ..Spec::new("sexpire", sexpire)
};

/// `SEXPIRE key seconds [NX | XX | GT | LT] MEMBERS n member ...`; the other three are alike.
///
/// Reply: array of integers: 1 set, 0 condition not met, 2 deleted because the time has passed, -2
/// no such member (or key). Propagated as SPEXPIREAT of the members set and SREM of the members
/// deleted. O(members given).
fn sexpire(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::Ex)
}

pub(super) const SPEXPIRE: Spec = Spec {
    name: "spexpire",
    handler: spexpire,
    ..SEXPIRE
};

/// `SPEXPIRE key milliseconds [NX | XX | GT | LT] MEMBERS n member ...`.
fn spexpire(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::Px)
}

pub(super) const SEXPIREAT: Spec = Spec {
    name: "sexpireat",
    handler: sexpireat,
    ..SEXPIRE
};

/// `SEXPIREAT key unix-seconds [NX | XX | GT | LT] MEMBERS n member ...`.
fn sexpireat(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::ExAt)
}

pub(super) const SPEXPIREAT: Spec = Spec {
    name: "spexpireat",
    handler: spexpireat,
    ..SEXPIRE
};

/// `SPEXPIREAT key unix-milliseconds [NX | XX | GT | LT] MEMBERS n member ...`.
fn spexpireat(call: &mut Call<'_>) -> CommandResult {
    expire(call, TimeForm::PxAt)
}

/// Removes those of some members that have expired, with their events and effects, as a lookup does
/// that finds them. Nothing while expired ones are hidden and kept. O(members given), O(1) if
/// nothing is due.
#[inline]
pub(super) fn remove_expired(
    call: &mut Call<'_>,
    key: &[u8],
    members: Args<'_>,
) -> Result<(), CommandError> {
    let now = call.db.due_ms() as u64;
    // The caller has looked the key up.
    let Some(set) = call.db.peek::<Set>(key)? else {
        return Ok(());
    };
    if set.has_expired(now) {
        let past = |member: &&[u8]| set.expiry_of(member).is_some_and(|at| is_expired(at, now));
        let expired: Vec<&[u8]> = members.iter().filter(past).collect();
        if !expired.is_empty() {
            call.db.expire_some_members(key, &expired);
        }
    }
    Ok(())
}

fn expire(call: &mut Call<'_>, form: TimeForm) -> CommandResult {
    let (args, key) = (call.args, call.args.at(1));
    let (now, clock) = (call.db.due_ms() as u64, call.db.now_ms());
    let limits = *call.db.limits();
    // The type of the key is checked before the arguments.
    call.db.write::<Set>(key)?;
    let when = parse_when(args.at(2), form, clock, (Dialect::Redis, call.name))?;
    let Options { condition, fields } = Options::parse(args, &MEMBERS)?;
    remove_expired(call, key, fields)?;
    call.reply.array(fields.len());
    let Some(mut open) = call.db.write::<Set>(key)? else {
        fields.iter().for_each(|_| call.reply.int(NO_MEMBER));
        return Ok(());
    };
    let word = condition.map(|(word, _)| word.as_bytes());
    let condition = condition.map_or(Condition::Always, |&(_, condition)| condition);
    let volatile = open.next_due().is_some();
    let (mut set, mut deleted) = (Vec::new(), Vec::new());
    for member in fields.iter() {
        // While expired members are hidden they are still there.
        if open.expiry_of(member).is_some_and(|at| is_expired(at, now)) {
            call.reply.int(NO_MEMBER);
            continue;
        }
        let decide = |old| condition.decide(old, when, now);
        let outcome = ExpireOutcome::of(open.change_expiry(member, &limits, decide));
        call.reply.int(outcome as i64);
        match outcome {
            ExpireOutcome::Set => set.push(member),
            ExpireOutcome::Deleted => deleted.push(member),
            ExpireOutcome::NoField | ExpireOutcome::ConditionNotMet => {}
        }
    }
    let calmed = volatile && open.next_due().is_none();
    drop(open);
    if calmed {
        call.db.forget_member_expiry(key);
    }
    if !deleted.is_empty() {
        members_deleted(call, key, &deleted);
    } else if !set.is_empty() {
        let names = set.iter().copied();
        call.db
            .changed_fields(key, set.len(), Class::SET, "sexpire", names);
        call.db.record_member_expiry(key, when as i64);
        if call.effects_wanted() {
            let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
            let mut effect = vec![&b"SPEXPIREAT"[..], key, time.format(when).as_bytes()];
            effect.extend(word);
            effect.extend([&b"MEMBERS"[..], count.format(set.len()).as_bytes()]);
            effect.extend(set);
            call.rewrite(&effect);
        }
    }
    Ok(())
}

/// Members were deleted at once because their new expiry has passed: propagated as SREMs.
pub(super) fn members_deleted(call: &mut Call<'_>, key: &[u8], members: &[&[u8]]) {
    call.db.members_expired_at_once(key, members);
    let names = members.iter().copied();
    call.db
        .changed_fields(key, members.len(), Class::SET, "srem", names);
    call.no_effect();
    call.db.delete_set_if_empty(key);
}

pub(super) const SPERSIST: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::SET,
    work: work::EACH_FIELD,
    ..Spec::new("spersist", spersist)
};

/// `SPERSIST key MEMBERS n member ...`: removes expiries.
///
/// Reply: array of integers: 1 done, -1 no expiry, -2 no such member. Propagated as it is, and only
/// if a member lost an expiry. O(members given).
fn spersist(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let now = call.db.due_ms() as u64;
    let limits = *call.db.limits();
    call.db.write::<Set>(key)?;
    let members = named_members(call.args)?;
    remove_expired(call, key, members)?;
    let mut set = call.db.write::<Set>(key)?;
    call.reply.array(members.len());
    let mut changed = Vec::new();
    for member in members.iter() {
        let found = set.as_ref().and_then(|set| set.expiry_of(member));
        call.reply.int(match found {
            None => NO_MEMBER,
            Some(at) if is_expired(at, now) => NO_MEMBER,
            Some(None) => NO_EXPIRY,
            Some(Some(_)) => {
                if let Some(set) = &mut set {
                    set.set_expiry(member, None, &limits);
                }
                changed.push(member);
                1
            }
        });
    }
    let calmed = !changed.is_empty() && set.as_ref().is_some_and(|set| set.next_due().is_none());
    drop(set);
    if calmed {
        call.db.forget_member_expiry(key);
    }
    if !changed.is_empty() {
        call.db
            .changed_fields(key, 1, Class::SET, "spersist", changed.into_iter());
    }
    Ok(())
}

/// The members of `MEMBERS n member ...` right after the key.
fn named_members(args: Args<'_>) -> Result<Args<'_>, CommandError> {
    parse_names(args, 2, &MEMBERS, CommandError::Text(MEMBERS.bad_count))
}

pub(super) const STTL: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SET,
    tips: &["nondeterministic_output"],
    work: work::EACH_FIELD,
    ..Spec::new("sttl", sttl)
};

/// `STTL key MEMBERS n member ...`: remaining time of members in seconds, rounded up; the other
/// three are alike.
///
/// Reply: array of integers; -1 no expiry, -2 no such member. O(members given).
fn sttl(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::Ex)
}

pub(super) const SPTTL: Spec = Spec {
    name: "spttl",
    handler: spttl,
    ..STTL
};

/// `SPTTL key MEMBERS n member ...`: in milliseconds.
fn spttl(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::Px)
}

pub(super) const SEXPIRETIME: Spec = Spec {
    name: "sexpiretime",
    handler: sexpiretime,
    tips: &[],
    ..STTL
};

/// `SEXPIRETIME key MEMBERS n member ...`: as Unix time in seconds, rounded up.
fn sexpiretime(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::ExAt)
}

pub(super) const SPEXPIRETIME: Spec = Spec {
    name: "spexpiretime",
    handler: spexpiretime,
    ..SEXPIRETIME
};

/// `SPEXPIRETIME key MEMBERS n member ...`: as Unix time in milliseconds.
fn spexpiretime(call: &mut Call<'_>) -> CommandResult {
    ttl(call, TimeForm::PxAt)
}

fn ttl(call: &mut Call<'_>, form: TimeForm) -> CommandResult {
    let (args, now) = (call.args, call.db.now_ms() as u64);
    let set = call.db.read::<Set>(args.at(1))?;
    let members = named_members(args)?;
    call.reply.array(members.len());
    let base = if form.is_absolute() { 0 } else { now };
    for member in members.iter() {
        let found = set.as_ref().and_then(|set| set.expiry_of(member));
        call.reply.int(match found {
            None => NO_MEMBER,
            Some(None) => NO_EXPIRY,
            Some(Some(when)) if when < now => NO_MEMBER,
            Some(Some(when)) if form.is_seconds() => (when + 999 - base) as i64 / 1000,
            Some(Some(when)) => (when - base) as i64,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn each_member_has_its_own_answer() {
        let mut t = Testbed::new();
        t.run("SADD s a 2 c");
        t.take_effects();
        assert_eq!(
            t.run("SEXPIRE s 10 MEMBERS 3 a x 2"),
            "*3\r\n:1\r\n:-2\r\n:1\r\n"
        );
        assert_eq!(t.take_effects(), ["SPEXPIREAT s 1000010000 MEMBERS 2 a 2"]);
        assert_eq!(t.run("SPEXPIRE s 5 GT MEMBERS 1 a"), "*1\r\n:0\r\n");
        assert_eq!(t.run("SPEXPIRE s 5 MEMBERS 2 a c LT"), "*2\r\n:1\r\n:1\r\n");
        assert_eq!(t.run("SPEXPIRE s 9 NX MEMBERS 1 2"), "*1\r\n:0\r\n");
        assert_eq!(
            t.run("SPEXPIREAT s 1000000005 LT MEMBERS 1 a"),
            "*1\r\n:0\r\n"
        );
        assert_eq!(
            t.take_effects(),
            ["SPEXPIREAT s 1000000005 LT MEMBERS 2 a c"]
        );
        assert_eq!(t.run("SEXPIREAT s 5 MEMBERS 2 a 2"), "*2\r\n:2\r\n:2\r\n");
        assert_eq!(t.take_effects(), ["SREM s a", "SREM s 2"]);
        assert_eq!(t.run("SPEXPIREAT s 0 MEMBERS 1 c"), "*1\r\n:2\r\n");
        assert_eq!(t.run("EXISTS s"), ":0\r\n");
        assert_eq!(t.run("SEXPIRE s 1 MEMBERS 1 a"), "*1\r\n:-2\r\n");
    }

    #[test]
    fn times_are_given_in_four_ways() {
        let mut t = Testbed::new();
        t.run("SADD s a b");
        t.run("SPEXPIRE s 1500 MEMBERS 1 a");
        assert_eq!(
            t.run("STTL s MEMBERS 3 a b c"),
            "*3\r\n:2\r\n:-1\r\n:-2\r\n"
        );
        assert_eq!(t.run("SPTTL s MEMBERS 1 a"), "*1\r\n:1500\r\n");
        assert_eq!(t.run("SEXPIRETIME s MEMBERS 1 a"), "*1\r\n:1000002\r\n");
        assert_eq!(t.run("SPEXPIRETIME s MEMBERS 1 a"), "*1\r\n:1000001500\r\n");
        assert_eq!(t.run("STTL none MEMBERS 1 a"), "*1\r\n:-2\r\n");
        t.take_effects();
        assert_eq!(t.run("SPERSIST s MEMBERS 1 b"), "*1\r\n:-1\r\n");
        assert!(t.take_effects().is_empty());
        assert_eq!(t.run("SPERSIST s MEMBERS 2 a x"), "*2\r\n:1\r\n:-2\r\n");
        assert_eq!(t.take_effects(), ["SPERSIST s MEMBERS 2 a x"]);
        t.run("SPEXPIRE s 1500 MEMBERS 1 a");
        // At its moment a member has not expired.
        t.advance_ms(1500);
        assert_eq!(t.run("SPTTL s MEMBERS 1 a"), "*1\r\n:0\r\n");
        assert_eq!(t.run("SISMEMBER s a"), ":1\r\n");
        t.advance_ms(1);
        assert_eq!(t.run("SPTTL s MEMBERS 1 a"), "*1\r\n:-2\r\n");
        assert_eq!(t.run("SPERSIST s MEMBERS 1 a"), "*1\r\n:-2\r\n");
        assert_eq!(t.run("SCARD s"), ":1\r\n");
    }

    /// A set with an expired member `x` and a live member `a`.
    fn with_expired() -> Testbed {
        let mut t = Testbed::new();
        t.run("SADD s a x");
        t.run("SPEXPIRE s 5 MEMBERS 1 x");
        t.advance_ms(6);
        t.take_effects();
        t
    }

    #[test]
    fn expired_members_are_missing_to_every_reader() {
        for (line, reply, effects) in [
            ("SISMEMBER s x", ":0\r\n", &["SREM s x"][..]),
            ("SMISMEMBER s a x", "*2\r\n:1\r\n:0\r\n", &["SREM s x"]),
            ("SMEMBERS s", "*1\r\n$1\r\na\r\n", &[]),
            ("SSCAN s 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n", &[]),
            ("SORT s ALPHA", "*1\r\n$1\r\na\r\n", &[]),
            ("SCARD s", ":2\r\n", &[]),
            ("SINTER s s", "*1\r\n$1\r\na\r\n", &[]),
            ("SUNION s none", "*1\r\n$1\r\na\r\n", &[]),
            ("SDIFF s none", "*1\r\n$1\r\na\r\n", &[]),
            ("SUNIONCARD 1 s", ":1\r\n", &[]),
            ("SRANDMEMBER s 5", "*1\r\n$1\r\na\r\n", &["SREM s x"]),
            ("SPOP s", "$1\r\na\r\n", &["SREM s x", "SREM s a"]),
            ("SREM s x", ":1\r\n", &["SREM s x"]),
            ("SADD s x", ":1\r\n", &["SREM s x", "SADD s x"]),
            ("SMOVE s d x", ":0\r\n", &["SREM s x"]),
            (
                "SUNIONSTORE d s",
                ":1\r\n",
                &["SREM s x", "SUNIONSTORE d s"],
            ),
            ("SEXPIRE s 9 MEMBERS 1 x", "*1\r\n:-2\r\n", &["SREM s x"]),
            ("SEXPIRETIME s MEMBERS 1 x", "*1\r\n:-2\r\n", &[]),
        ] {
            let mut t = with_expired();
            assert_eq!(t.run(line), reply, "{line}");
            assert_eq!(t.take_effects(), effects, "{line}");
        }
    }

    #[test]
    fn what_is_stored_has_the_nearest_expiry() {
        let mut t = Testbed::new();
        t.run("SADD p a b c");
        t.run("SADD q b c d");
        t.run("SPEXPIRE p 100 MEMBERS 2 a b");
        t.run("SPEXPIRE q 50 MEMBERS 2 b c");
        let ttl = |t: &mut Testbed| t.run("SPTTL d MEMBERS 4 a b c d");
        assert_eq!(t.run("SUNIONSTORE d p q"), ":4\r\n");
        assert_eq!(ttl(&mut t), "*4\r\n:100\r\n:50\r\n:50\r\n:-1\r\n");
        assert_eq!(t.run("SINTERSTORE d p q"), ":2\r\n");
        assert_eq!(ttl(&mut t), "*4\r\n:-2\r\n:50\r\n:50\r\n:-2\r\n");
        assert_eq!(t.run("SDIFFSTORE d p none"), ":3\r\n");
        assert_eq!(ttl(&mut t), "*4\r\n:100\r\n:100\r\n:-1\r\n:-2\r\n");
        assert_eq!(t.run("SMOVE p q b"), ":1\r\n");
        assert_eq!(t.run("SPTTL q MEMBERS 1 b"), "*1\r\n:100\r\n");
        assert_eq!(t.run("SMOVE p q c"), ":1\r\n");
        assert_eq!(t.run("SPTTL q MEMBERS 1 c"), "*1\r\n:-1\r\n");
        let refused = "-ERR a set with member expirations cannot be combined with sorted sets\r\n";
        assert_eq!(t.run("ZUNION 1 q"), refused);
        t.run("SPERSIST q MEMBERS 1 b");
        assert!(t.run("ZUNION 1 q").starts_with("*3"));
        assert_eq!(t.run("SUNIONSTORE d q"), ":3\r\n");
        assert_eq!(t.run("SPTTL d MEMBERS 2 b c"), "*2\r\n:-1\r\n:-1\r\n");
    }

    #[test]
    fn encodings_change_with_the_first_expiry_and_never_back() {
        let mut t = Testbed::new();
        t.run("SADD i 1 2 3");
        t.run("SADD l a b c");
        t.run("SPEXPIRE i 5 XX MEMBERS 1 1");
        assert_eq!(t.run("OBJECT ENCODING i"), "$6\r\nintset\r\n");
        for key in ["i", "l"] {
            t.run(&format!("SPEXPIRE {key} 5 MEMBERS 2 1 a"));
            assert_eq!(
                t.run(&format!("OBJECT ENCODING {key}")),
                "$10\r\nlistpackex\r\n"
            );
            t.run(&format!("SPERSIST {key} MEMBERS 2 1 a"));
            assert_eq!(
                t.run(&format!("OBJECT ENCODING {key}")),
                "$10\r\nlistpackex\r\n"
            );
            t.run(&format!("SADD {key} {}", "x".repeat(65)));
            assert_eq!(
                t.run(&format!("OBJECT ENCODING {key}")),
                "$9\r\nhashtable\r\n"
            );
        }
        t.run("CONFIG SET set-max-listpack-value 19");
        t.run("SADD j 1 2 3");
        t.run("SPEXPIRE j 5 MEMBERS 1 1");
        assert_eq!(t.run("OBJECT ENCODING j"), "$9\r\nhashtable\r\n");
    }

    #[test]
    fn refusals() {
        let mut t = Testbed::new();
        t.run("SET string 1");
        for (line, error) in [
            (
                "SEXPIRE s x MEMBERS 1 a",
                "value is not an integer or out of range",
            ),
            (
                "SEXPIRE s -1 MEMBERS 1 a",
                "invalid expire time, must be >= 0",
            ),
            (
                "SPEXPIREAT s 70368744177664 MEMBERS 1 a",
                "invalid expire time in 'spexpireat' command",
            ),
            (
                "SEXPIRE s 1 NX MEMBERS 1 a XX",
                "Multiple condition flags specified",
            ),
            ("SEXPIRE s 1 MEMBERS 1 a WORD", "unknown argument: WORD"),
            ("SEXPIRE s 1 NX NX NX", "missing MEMBERS argument"),
            (
                "SEXPIRE s 1 MEMBERS 1 a MEMBERS",
                "MEMBERS keyword specified multiple times",
            ),
            (
                "SEXPIRE s 1 NX MEMBERS 0",
                "MEMBERS requires at least nummembers and one member argument",
            ),
            (
                "SEXPIRE s 1 MEMBERS 0 a",
                "Parameter `numMembers` should be greater than 0",
            ),
            ("SEXPIRE s 1 MEMBERS 2 a", "wrong number of arguments"),
            (
                "STTL s a 1 MEMBERS",
                "Mandatory argument MEMBERS is missing or not at the right position",
            ),
            (
                "STTL s MEMBERS x a",
                "Number of members must be a positive integer",
            ),
            (
                "STTL s MEMBERS 2 a",
                "The `nummembers` parameter must match the number of arguments",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {error}\r\n"), "{line}");
        }
        assert!(t.run("SEXPIRE string x WORD 1 a").starts_with("-WRONGTYPE"));
        assert!(t.run("STTL string WORD 1 a").starts_with("-WRONGTYPE"));
    }
}
