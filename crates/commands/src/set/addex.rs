//! SADDEX, of the branch that became Redis 8.12's sets whose members expire.
//!
//! SADDEX adds all members with the same expiry, or none if a condition (MNX, MXX) does not hold. A
//! time that has passed removes the members. Without a time an existing member loses its expiry,
//! unless KEEPTTL is given.
//!
//! The effect has an absolute time (PXAT), or is SREM of the members removed.
//!
//! Cost: O(members given).
//!
//! Decided elsewhere: times and errors that hashes have as well: `hash::field_args`.

use super::expire::{MEMBERS, members_deleted};
use crate::arguments::expiry::{KEEPTTL, TimeForm};
use crate::hash::field_args::{NO_TIME, parse_block, parse_when, unknown_argument};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_config::Dialect;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Expirable as _, Set, is_expired};

pub(super) const SADDEX: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::SET,
    work: work::EACH_FIELD,
    ..Spec::new("saddex", saddex)
};

const TWO_TIMES: CommandError =
    CommandError::Text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
const TWO_CONDITIONS: CommandError =
    CommandError::Text("ERR Only one of MXX or MNX arguments can be specified");
const BAD_COUNT: CommandError = CommandError::Text("ERR invalid number of members");

/// The change of the members' expiries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    /// They have none afterwards.
    Clear,
    Keep,
    /// They expire at this time, Unix milliseconds.
    At(u64),
}

struct Options<'a> {
    /// The word, and whether all members must be there, or none of them.
    condition: Option<(&'static [u8], bool)>,
    expiry: Expiry,
    members: Args<'a>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, now_ms: i64, name: &'static str) -> Result<Self, CommandError> {
        let (mut condition, mut expiry, mut members) = (None, None, None);
        let mut at = 2;
        while at < args.len() {
            if args.is(at, MEMBERS.word) {
                if members.is_some() {
                    return Err(CommandError::Text(MEMBERS.repeated));
                }
                if at + 1 == args.len() {
                    return Err(CommandError::WrongArity(name.to_owned()));
                }
                let (given, end) = parse_block(args, at, 1, BAD_COUNT)?;
                (members, at) = (Some(given), end);
                continue;
            }
            if let Some(form) = TimeForm::named(args, at) {
                if expiry.is_some() {
                    return Err(TWO_TIMES);
                }
                at += 1;
                let text = args.get(at).ok_or(NO_TIME)?;
                let when = parse_when(text, form, now_ms, (Dialect::Redis, name))?;
                expiry = Some(Expiry::At(when));
            } else if args.is(at, KEEPTTL) {
                if expiry.is_some() {
                    return Err(TWO_TIMES);
                }
                expiry = Some(Expiry::Keep);
            } else if args.is(at, "MXX") || args.is(at, "MNX") {
                if condition.is_some() {
                    return Err(TWO_CONDITIONS);
                }
                condition = Some(if args.is(at, "MXX") {
                    (&b"MXX"[..], true)
                } else {
                    (&b"MNX"[..], false)
                });
            } else {
                return Err(unknown_argument(args.at(at)));
            }
            at += 1;
        }
        Ok(Options {
            condition,
            expiry: expiry.unwrap_or(Expiry::Clear),
            members: members.ok_or(CommandError::Text(MEMBERS.missing))?,
        })
    }
}

/// `SADDEX key [MNX | MXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] MEMBERS n member ...`: adds
/// all members or none, with their expiry. A time that has passed removes them.
///
/// Reply: 1, or 0 if the condition is not met. Propagated with PXAT, or as SREMs. O(members given).
fn saddex(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let (now, clock) = (call.db.due_ms() as u64, call.db.now_ms());
    let options = Options::parse(call.args, clock, call.name)?;
    let members = options.members;
    let has_expired = |set: &Set| set.has_expired(now);
    if call
        .db
        .write::<Set>(key)?
        .is_some_and(|set| has_expired(&set))
    {
        call.db.expire_members_to_add(key, members.iter());
    }
    if let Some((_, wanted)) = options.condition {
        let set = call.db.peek::<Set>(key)?;
        let has = |member| {
            let expiry = set.as_ref().and_then(|set| set.expiry_of(member));
            expiry.is_some_and(|at| !is_expired(at, now))
        };
        let holds = members.iter().all(|member| has(member) == wanted);
        if !holds {
            call.db.delete_set_if_empty(key);
            call.reply.int(0);
            return Ok(());
        }
    }
    match options.expiry {
        Expiry::At(when) if when <= now => remove(call, key, members)?,
        _ => add(call, key, &options)?,
    }
    call.reply.int(1);
    Ok(())
}

/// Removes those of the members that are there, because their time has passed.
fn remove(call: &mut Call<'_>, key: &[u8], members: Args<'_>) -> Result<(), CommandError> {
    let mut removed = Vec::new();
    let mut calmed = false;
    if let Some(mut set) = call.db.write::<Set>(key)? {
        removed.extend(members.iter().filter(|member| set.remove(member)));
        calmed = set.next_due().is_none();
    }
    if calmed {
        call.db.forget_member_expiry(key);
    }
    if removed.is_empty() {
        call.db.delete_set_if_empty(key);
    } else {
        members_deleted(call, key, &removed);
    }
    Ok(())
}

fn add(call: &mut Call<'_>, key: &[u8], options: &Options<'_>) -> Result<(), CommandError> {
    let limits = *call.db.limits();
    let members = options.members;
    let count = members.len();
    let new_set = || Set::new_for(members.at(0), count, &limits);
    let mut set = call.db.write_or(key, new_set)?;
    set.prepare(count, &limits);
    let volatile = set.next_due().is_some();
    let (mut added, mut timed, mut calm) = (Vec::new(), Vec::new(), Vec::new());
    for member in members.iter() {
        if set.add(member, &limits) {
            added.push(member);
        }
        match options.expiry {
            Expiry::At(when) => {
                set.set_expiry(member, Some(when), &limits);
                timed.push(member);
            }
            Expiry::Clear if volatile && set.expiry_of(member).flatten().is_some() => {
                set.set_expiry(member, None, &limits);
                calm.push(member);
            }
            Expiry::Clear | Expiry::Keep => {}
        }
    }
    let calmed = volatile && set.next_due().is_none();
    drop(set);
    if calmed {
        call.db.forget_member_expiry(key);
    }
    let is_changed = !(added.is_empty() && timed.is_empty() && calm.is_empty());
    for (touched, event) in [(added, "sadd"), (timed, "sexpire"), (calm, "spersist")] {
        if !touched.is_empty() {
            let n = touched.len();
            call.db
                .changed_fields(key, n, Class::SET, event, touched.into_iter());
        }
    }
    if let Expiry::At(when) = options.expiry {
        call.db.record_member_expiry(key, when as i64);
    }
    if is_changed {
        repeat(call, key, options);
    }
    Ok(())
}

/// Propagates the command with an absolute time, because a relative time would differ on replay.
fn repeat(call: &mut Call<'_>, key: &[u8], options: &Options<'_>) {
    if !call.effects_wanted() {
        return;
    }
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut effect = vec![&b"SADDEX"[..], key];
    effect.extend(options.condition.map(|(word, _)| word));
    match options.expiry {
        Expiry::Clear => {}
        Expiry::Keep => effect.push(KEEPTTL.as_bytes()),
        Expiry::At(when) => effect.extend([&b"PXAT"[..], time.format(when).as_bytes()]),
    }
    let members = options.members;
    effect.extend([&b"MEMBERS"[..], count.format(members.len()).as_bytes()]);
    effect.extend(members.iter());
    call.rewrite(&effect);
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn members_are_added_with_their_expiry() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SADDEX s EX 10 MEMBERS 2 a b"), ":1\r\n");
        assert_eq!(t.take_effects(), ["SADDEX s PXAT 1000010000 MEMBERS 2 a b"]);
        assert_eq!(t.run("SADDEX s KEEPTTL MEMBERS 2 a c"), ":1\r\n");
        assert_eq!(
            t.run("STTL s MEMBERS 3 a b c"),
            "*3\r\n:10\r\n:10\r\n:-1\r\n"
        );
        assert_eq!(t.run("SADDEX s MEMBERS 1 a"), ":1\r\n");
        assert_eq!(t.run("STTL s MEMBERS 1 a"), "*1\r\n:-1\r\n");
        t.take_effects();
        assert_eq!(t.run("SADDEX s MEMBERS 1 a"), ":1\r\n");
        assert!(t.take_effects().is_empty(), "nothing changed");
        assert_eq!(t.run("SADDEX s PXAT 5 MEMBERS 2 a x"), ":1\r\n");
        assert_eq!(t.take_effects(), ["SREM s a"]);
        assert_eq!(t.run("SADDEX none PXAT 5 MEMBERS 1 x"), ":1\r\n");
        assert_eq!(t.run("EXISTS none"), ":0\r\n");
        assert!(t.take_effects().is_empty());
    }

    #[test]
    fn conditions_hold_for_all_members_or_none() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SADDEX s MXX MEMBERS 1 a"), ":0\r\n");
        assert_eq!(t.run("EXISTS s"), ":0\r\n");
        assert_eq!(t.run("SADDEX s MNX PX 5 MEMBERS 2 a b"), ":1\r\n");
        assert_eq!(t.run("SADDEX s MNX MEMBERS 2 b c"), ":0\r\n");
        assert_eq!(t.run("SADDEX s MXX MEMBERS 2 b c"), ":0\r\n");
        assert_eq!(t.run("SADDEX s KEEPTTL MXX MEMBERS 2 b a"), ":1\r\n");
        t.advance_ms(6);
        t.take_effects();
        // Expired members are missing; the set goes with them.
        assert_eq!(t.run("SADDEX s MXX MEMBERS 2 a b"), ":0\r\n");
        assert_eq!(t.run("EXISTS s"), ":0\r\n");
        assert_eq!(t.take_effects(), ["SREM s a", "SREM s b"]);
    }

    #[test]
    fn refusals() {
        let mut t = Testbed::new();
        t.run("SET string 1");
        for (line, error) in [
            (
                "s EX 1 PX 1 MEMBERS 1 a",
                "Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
            ),
            (
                "s MNX MXX MEMBERS 1 a",
                "Only one of MXX or MNX arguments can be specified",
            ),
            ("s MEMBERS 0 a", "invalid number of members"),
            ("s MEMBERS 2 a", "wrong number of arguments"),
            ("s MEMBERS 1 a MNX EX", "missing expire time"),
            ("s WORD MEMBERS 1 a", "unknown argument: WORD"),
            ("s EX -1 MEMBERS 1 a", "invalid expire time, must be >= 0"),
            (
                "s KEEPTTL MNX MEMBERS",
                "wrong number of arguments for 'saddex' command",
            ),
        ] {
            assert_eq!(
                t.run(&format!("SADDEX {line}")),
                format!("-ERR {error}\r\n")
            );
        }
        assert!(t.run("SADDEX string MEMBERS 1 a").starts_with("-WRONGTYPE"));
    }
}
