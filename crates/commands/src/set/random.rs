//! SPOP, SRANDMEMBER: random members, all equally likely.
//!
//! Both remove the members that have expired first; SPOP then removes a few members singly, or
//! picks the members that stay and replaces the set, or deletes the key, by the part that is
//! removed. The effects name the members: SREM in batches of 1024, DEL or UNLINK for all; so no
//! replica draws by itself.
//!
//! SRANDMEMBER with a positive count gives distinct members; with a negative count that many, with
//! repetition, until the reply is full.
//!
//! Cost: O(count), at most O(members).

use std::collections::HashSet;

use crate::arguments::element;
use crate::arguments::sample::{Sampler, is_few};
use crate::work;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Class, Db, RefMut};
use russet_resp::OwnedArgs;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Expirable as _, Limits, Set};

pub(super) const SPOP: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::TAKE)],
    categories: Category::SET,
    tips: &["nondeterministic_output"],
    work: work::POPPED,
    ..Spec::new("spop", spop)
};

/// `SPOP key [count]`: removes random members.
///
/// Reply: a member or null; with `count` a set (RESP2: an array) of up to that many. The effect is
/// SREM of these members, or DEL (UNLINK) if none stay. O(members removed), at most O(members).
fn spop(call: &mut Call<'_>) -> CommandResult {
    match call.args.len() {
        2 => spop_one(call),
        3 => spop_many(call),
        _ => Err(CommandError::Syntax),
    }
}

fn spop_one(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let mut rng = SmallRng::from_rng(call.db.rng());
    let Some(mut set) = live_set(&mut call.db, key)? else {
        call.reply.null();
        return Ok(());
    };
    let volatile = set.next_due().is_some();
    let popped = set.pop(&mut rng).expect("no set is empty");
    let (empty, calmed) = (set.is_empty(), volatile && set.next_due().is_none());
    drop(set);
    if calmed {
        call.db.forget_member_expiry(key);
    }
    call.db.changed(key, Class::SET, "spop");
    if empty {
        call.db.delete_emptied(key);
    }
    call.rewrite(&[b"SREM", key, &popped]);
    call.reply.bulk(&popped);
    Ok(())
}

/// The set to take members from, without expired ones: they are removed first.
fn live_set<'d>(db: &'d mut Db<'_>, key: &[u8]) -> Result<Option<RefMut<'d, Set>>, CommandError> {
    let now = db.due_ms() as u64;
    let is_due = db
        .write::<Set>(key)?
        .is_some_and(|set| set.has_expired(now));
    if is_due {
        db.expire_members_to_write(key);
    }
    db.write::<Set>(key)
}

/// SPOP picks the members that stay if they are at most a `STAY_PART`th of the removed members.
const STAY_PART: usize = 5;

fn spop_many(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let count = element::at_least(call.args.at(2), 0, CommandError::MustBePositive)?;
    let mut rng = SmallRng::from_rng(call.db.rng());
    let limits = *call.db.limits();
    let wanted = call.effects_wanted();
    let Some(mut set) = live_set(&mut call.db, key)? else {
        call.reply.set(0);
        return Ok(());
    };
    let len = set.len();
    let volatile = set.next_due().is_some();
    if count == 0 {
        call.reply.set(0);
        return Ok(());
    }
    if count >= len {
        drop(set);
        return spop_all(call, key, len);
    }
    let mut gone = PopEffects::new(wanted, key, count);
    let reply = &mut *call.reply;
    reply.set(count);
    // The members that stay keep their expiries.
    if volatile || (len - count).saturating_mul(STAY_PART) > count {
        for _ in 0..count {
            set.pop_with(&mut rng, |member| {
                element::write(reply, member);
                gone.add(|| member.to_vec());
            });
        }
    } else {
        let stay = pick_staying(&mut set, len - count, &mut rng, &limits);
        set.visit(|member| {
            element::write(reply, member);
            gone.add(|| member.to_vec());
            true
        });
        *set = stay;
    }
    let calmed = volatile && set.next_due().is_none();
    drop(set);
    if calmed {
        call.db.forget_member_expiry(key);
    }
    call.db.changed_by(key, count, Class::SET, "spop");
    for effect in gone.finish() {
        call.rewrite(&effect.args().to_vec());
    }
    Ok(())
}

/// Moves `count` random members to a new set.
fn pick_staying(set: &mut Set, count: usize, rng: &mut SmallRng, limits: &Limits) -> Set {
    let mut stay = match &*set {
        Set::Intset(_) => Set::of_integers(),
        _ => Set::small(),
    };
    for _ in 0..count {
        set.pop_with(rng, |member| stay.add_entry(member, limits));
    }
    stay
}

/// Removes all members by deleting the key.
fn spop_all(call: &mut Call<'_>, key: &[u8], len: usize) -> CommandResult {
    let set = call.db.peek::<Set>(key)?.expect("seen by the caller");
    let reply = &mut *call.reply;
    reply.set(len);
    set.visit(|member| {
        element::write(reply, member);
        true
    });
    call.db.changed_by(key, len, Class::SET, "spop");
    call.db.delete_emptied(key);
    call.rewrite(&[call.db.removal_word(), key]);
    Ok(())
}

/// SREM commands for the members popped, 1024 members each; none if no effects are wanted.
struct PopEffects<'k> {
    wanted: bool,
    key: &'k [u8],
    batch: usize,
    in_last: usize,
    commands: Vec<OwnedArgs>,
}

impl<'k> PopEffects<'k> {
    const BATCH_MAX: usize = 1024;

    fn new(wanted: bool, key: &'k [u8], count: usize) -> Self {
        PopEffects {
            wanted,
            key,
            batch: count.min(Self::BATCH_MAX),
            in_last: 0,
            commands: Vec::new(),
        }
    }

    #[inline]
    fn add(&mut self, member: impl FnOnce() -> Vec<u8>) {
        if !self.wanted {
            return;
        }
        if self.in_last == 0 {
            let start: [&[u8]; 2] = [b"SREM", self.key];
            self.commands.push(start.into_iter().collect());
        }
        if let Some(last) = self.commands.last_mut() {
            last.push(&member());
        }
        self.in_last = (self.in_last + 1) % self.batch;
    }

    fn finish(self) -> Vec<OwnedArgs> {
        self.commands
    }
}

pub(super) const SRANDMEMBER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SET,
    tips: &["nondeterministic_output"],
    work: work::DRAWN,
    ..Spec::new("srandmember", srandmember)
};

/// `SRANDMEMBER key [count]`: random members: distinct members, or with a negative count that many
/// with repetition.
///
/// Reply: a member or null; with `count` an array. O(picks), at most O(members).
fn srandmember(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let count = match call.args.len() {
        2 => None,
        3 => Some(element::signed_count(call.args.at(2))?),
        _ => return Err(CommandError::Syntax),
    };
    let mut rng = SmallRng::from_rng(call.db.rng());
    let (now, limits) = (call.db.due_ms() as u64, *call.db.limits());
    let reply = &mut *call.reply;
    let set = call.db.read::<Set>(key)?;
    let is_due = set.as_ref().is_some_and(|set| set.has_expired(now));
    let set = if is_due {
        call.db.expire_members(key);
        call.db.peek::<Set>(key)?
    } else {
        set
    };
    // While expired members are hidden they are avoided.
    let set = set.as_ref().map(|set| set.live_at(now, &limits));
    let set = set.as_deref().filter(|set| !set.is_empty());
    let (set, count) = match (set, count) {
        (Some(set), Some(count)) => (set, count),
        (Some(set), None) => {
            element::write(reply, set.random(&mut rng).expect("no set is empty"));
            return Ok(());
        }
        (None, None) => {
            reply.null();
            return Ok(());
        }
        (None, Some(_)) => {
            reply.array(0);
            return Ok(());
        }
    };
    let len = set.len();
    if count < 0 {
        let picks = count.unsigned_abs();
        reply.array(picks as usize);
        for _ in 0..picks {
            element::write(reply, set.random(&mut rng).expect("no set is empty"));
            if reply.is_full() {
                break;
            }
        }
        return Ok(());
    }
    let wanted = (count as usize).min(len);
    reply.array(wanted);
    if set.table().is_some() && is_few(wanted, len) {
        let mut picked = HashSet::with_capacity(wanted);
        while picked.len() < wanted {
            let member = set.random(&mut rng).expect("no set is empty");
            if picked.insert(member.to_vec()) {
                element::write(reply, member);
            }
        }
        return Ok(());
    }
    let mut passing = Sampler::new(wanted, len);
    set.visit(|member| {
        if passing.take(&mut rng) {
            element::write(reply, member);
        }
        true
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use std::collections::BTreeSet;

    fn members(reply: &str) -> Vec<String> {
        let lines = reply.split("\r\n").skip(2).step_by(2);
        lines.map(str::to_string).collect()
    }

    fn filled(prefix: &str, n: usize) -> Testbed {
        let mut t = Testbed::new();
        for i in 0..n {
            t.run(&format!("SADD s {prefix}{i}"));
        }
        t.take_effects();
        t
    }

    #[test]
    fn each_strategy_pops_different_members_and_states_them() {
        for (prefix, n) in [("", 100), ("m", 100), ("m", 3000), ("", 3000)] {
            for count in [1, n / 2, n - 3] {
                let mut t = filled(prefix, n);
                let popped = members(&t.run(&format!("SPOP s {count}")));
                assert_eq!(popped.iter().collect::<BTreeSet<_>>().len(), count);
                assert_eq!(t.run("SCARD s"), format!(":{}\r\n", n - count));
                let effects = t.take_effects();
                assert_eq!(effects.len(), count.div_ceil(1024));
                let stated: Vec<_> = effects
                    .iter()
                    .flat_map(|e| e.strip_prefix("SREM s ").expect("an SREM").split(' '))
                    .collect();
                assert_eq!(stated, popped);
                for member in &popped {
                    assert_eq!(t.run(&format!("SISMEMBER s {member}")), ":0\r\n");
                }
            }
        }
    }

    #[test]
    fn to_pop_all_is_to_delete() {
        let mut t = filled("", 3);
        assert_eq!(t.run("SPOP s 3"), "*3\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n");
        assert_eq!(t.run("SPOP s"), "$-1\r\n");
        assert_eq!(t.run("SPOP s 3"), "*0\r\n");
        assert_eq!(t.take_effects(), ["DEL s"]);
        t.run("SADD s a");
        assert_eq!(t.run("SPOP s"), "$1\r\na\r\n");
        assert_eq!(t.take_effects(), ["SADD s a", "SREM s a"]);
        assert_eq!(t.run("SPOP s 1 2"), "-ERR syntax error\r\n");
        assert!(
            t.run("SPOP s -1")
                .starts_with("-ERR value is out of range, must be")
        );
    }

    #[test]
    fn samples_are_different_members_unless_asked_otherwise() {
        for (prefix, n) in [("", 100), ("m", 100), ("m", 3000)] {
            let mut t = filled(prefix, n);
            for count in [1, 10, n - 1, n + 5] {
                let sample = members(&t.run(&format!("SRANDMEMBER s {count}")));
                let different = sample.iter().collect::<BTreeSet<_>>().len();
                assert_eq!(different, count.min(n));
            }
            assert_eq!(members(&t.run("SRANDMEMBER s -500")).len(), 500);
            assert_eq!(t.run("SRANDMEMBER s 0"), "*0\r\n");
            assert_eq!(t.run("SRANDMEMBER none 1"), "*0\r\n");
            assert_eq!(t.run("SRANDMEMBER none"), "$-1\r\n");
            assert_eq!(t.take_effects(), Vec::<String>::new());
        }
    }
}
