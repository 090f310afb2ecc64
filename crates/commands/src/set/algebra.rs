//! SINTER, SUNION, SDIFF and their STORE forms.
//!
//! The handlers look up all keys before they read the first, so a wrong type is an error whatever
//! the other sets hold. A result replaces the destination, which may be a source; an empty result
//! deletes it.
//!
//!     SINTER   the smallest set, each member looked up in the others
//!     SUNION   members of all sets; one set is replied as it is
//!     SDIFF    look up, or take away, whichever is less work ([`Plan`])
//!
//! Expired members are in no set. A stored member has the nearest of the expiries that it has in
//! the sets, of a difference that in the first set; the old expiries of the destination go with it.
//!
//! Cost: see each command; a handler writes the reply during the walk, without a set for the
//! result, if the walk gives each member once.

use crate::arguments::element;
use crate::stored::store;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Class, Db, Ref};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{
    Container, Expirable as _, Limits, Set, SetBuilder, difference, intersect, union,
};
use std::borrow::Cow;
use std::ops::Deref;

/// The sets at some keys; missing sets are `None`.
pub(super) type Sets<'d> = Vec<Option<LiveSet<'d>>>;

/// A set without expired members.
pub(super) enum LiveSet<'d> {
    /// The stored set: no member has expired.
    Stored(Ref<'d, Set>),
    /// A copy of the others.
    Copy(Set),
}

impl Deref for LiveSet<'_> {
    type Target = Set;

    fn deref(&self) -> &Set {
        match self {
            LiveSet::Stored(set) => set,
            LiveSet::Copy(set) => set,
        }
    }
}

/// Looks up all keys first; refuses another type. O(members) of a set with expired members.
pub(super) fn look_up<'d>(db: &'d mut Db<'_>, keys: Args<'_>) -> Result<Sets<'d>, CommandError> {
    for key in keys.iter() {
        db.read::<Set>(key)?;
    }
    opened(db, keys)
}

/// As [`look_up`], for a result that is stored: removes expired members, so that a replica, to
/// which no member has expired before its removal, stores the same.
fn look_up_to_store<'d>(db: &'d mut Db<'_>, keys: Args<'_>) -> Result<Sets<'d>, CommandError> {
    let now = db.due_ms() as u64;
    let mut due = Vec::new();
    for key in keys.iter() {
        if db.read::<Set>(key)?.is_some_and(|set| set.has_expired(now)) {
            due.push(key);
        }
    }
    for key in due {
        db.expire_members(key);
    }
    opened(db, keys)
}

fn opened<'d>(db: &'d Db<'_>, keys: Args<'_>) -> Result<Sets<'d>, CommandError> {
    let (now, limits) = (db.due_ms() as u64, *db.limits());
    let open = |set: Ref<'d, Set>| match set.live_at(now, &limits) {
        Cow::Borrowed(_) => LiveSet::Stored(set),
        Cow::Owned(live) => LiveSet::Copy(live),
    };
    let sets = keys.iter().map(|key| Ok(db.peek::<Set>(key)?.map(open)));
    sets.collect()
}

/// Gives the members of a result the nearest of the expiries that they have in these sets.
/// O(members of the sets that have such members).
fn inherit_expiries<'s>(result: &mut Set, sets: impl Iterator<Item = &'s Set>, limits: &Limits) {
    for set in sets.filter(|set| set.next_due().is_some()) {
        set.visit_expiries(|member, expiry| {
            let mut digits = itoa::Buffer::new();
            let member = member.bytes(&mut digits);
            if let (Some(ms), Some(old)) = (expiry, result.expiry_of(member))
                && old.is_none_or(|old| ms < old)
            {
                result.set_expiry(member, Some(ms), limits);
            }
            true
        });
    }
}

// --- intersection ---

pub(super) const SINTER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::range(1, -1, 1, Access::READ)],
    categories: Category::SET,
    tips: &["nondeterministic_output_order"],
    work: work::COMMON_SETS,
    ..Spec::new("sinter", sinter)
};

pub(super) const SINTERSTORE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::OVERWRITE),
        KeySpec::range(2, -1, 1, Access::READ),
    ],
    categories: Category::SET,
    work: work::COMMON_SETS,
    ..Spec::new("sinterstore", sinterstore)
};

/// `SINTER key ...`: the members common to all sets; a missing key is an empty set.
///
/// Reply: a set (RESP2: an array). O(smallest set * keys).
fn sinter(call: &mut Call<'_>) -> CommandResult {
    let reply = &mut *call.reply;
    let sets = look_up(&mut call.db, call.args.from(1))?;
    let place = reply.defer();
    let mut len = 0;
    if let Some(sets) = by_size(&sets) {
        intersect(&sets, |member| {
            element::write(reply, member);
            len += 1;
            true
        });
    }
    reply.finish_set(place, len);
    Ok(())
}

/// `SINTERSTORE destination key ...`: stores the result of SINTER.
///
/// Reply: the result's number of members; an empty result deletes the destination.
fn sinterstore(call: &mut Call<'_>) -> CommandResult {
    let limits = *call.db.limits();
    let sets = look_up_to_store(&mut call.db, call.args.from(2))?;
    let mut result = Set::of_integers();
    if let Some(sets) = by_size(&sets) {
        if !matches!(sets[0], Set::Intset(_)) {
            result = Set::small();
        }
        let mut collected = SetBuilder::new(result, &limits);
        collected.add_intersection(&sets);
        result = collected.finish();
        result.become_intset_if_small(&limits);
        inherit_expiries(&mut result, sets.iter().copied(), &limits);
    }
    drop(sets);
    store(call, call.args.at(1), result, 1, Class::SET, "sinterstore");
    Ok(())
}

/// All sets, the smallest first; `None` if any is missing, because then the intersection is empty.
pub(super) fn by_size<'s>(sets: &'s Sets<'_>) -> Option<Vec<&'s Set>> {
    let sets: Option<Vec<&Set>> = sets.iter().map(|set| set.as_deref()).collect();
    sets.map(|mut sets| {
        sets.sort_by_key(|set| set.len());
        sets
    })
}

// --- union ---

pub(super) const SUNION: Spec = Spec {
    name: "sunion",
    work: work::SETS,
    handler: sunion,
    ..SINTER
};

pub(super) const SUNIONSTORE: Spec = Spec {
    name: "sunionstore",
    work: work::SETS,
    handler: sunionstore,
    ..SINTERSTORE
};

/// `SUNION key ...`: the members of any set.
///
/// Reply: a set (RESP2: an array). O(members of all sets).
fn sunion(call: &mut Call<'_>) -> CommandResult {
    let limits = *call.db.limits();
    let sets = look_up(&mut call.db, call.args.from(1))?;
    let there: Vec<&Set> = sets.iter().flatten().map(|set| &**set).collect();
    let reply = &mut *call.reply;
    if let [only] = there[..] {
        reply_all(reply, only);
        return Ok(());
    }
    let (place, mut len) = (reply.defer(), 0);
    let replied = union(&there, |member| {
        element::write(reply, member);
        len += 1;
    });
    if replied {
        reply.finish_set(place, len);
        return Ok(());
    }
    let mut result = if there.iter().all(|set| matches!(set, Set::Intset(_))) {
        Set::of_integers()
    } else {
        Set::large()
    };
    for set in there {
        result.add_all(set, &limits);
    }
    reply_all(reply, &result);
    Ok(())
}

fn reply_all(reply: &mut russet_resp::Reply, set: &Set) {
    reply.set(set.len());
    set.visit(|member| {
        element::write(reply, member);
        true
    });
}

/// `SUNIONSTORE destination key ...`: stores the result of SUNION.
fn sunionstore(call: &mut Call<'_>) -> CommandResult {
    let limits = *call.db.limits();
    let sets = look_up_to_store(&mut call.db, call.args.from(2))?;
    let mut there: Vec<&Set> = sets.iter().flatten().map(|set| &**set).collect();
    let largest = (0..there.len()).max_by_key(|&at| there[at].len());
    let mut result = match largest {
        Some(at) if is_large(there[at], &limits) => there.swap_remove(at).clone(),
        _ => Set::of_integers(),
    };
    for set in there {
        result.add_all(set, &limits);
    }
    inherit_expiries(
        &mut result,
        sets.iter().flatten().map(|set| &**set),
        &limits,
    );
    drop(sets);
    store(call, call.args.at(1), result, 1, Class::SET, "sunionstore");
    Ok(())
}

/// Whether every set with as many members is a table: then a clone of this set equals a set built
/// by adding the members.
fn is_large(set: &Set, limits: &Limits) -> bool {
    let packed_max = limits
        .set_max_intset_entries
        .max(limits.set_max_listpack_entries);
    matches!(set, Set::Table(_)) && set.len() > packed_max
}

// --- difference ---

pub(super) const SDIFF: Spec = Spec {
    name: "sdiff",
    work: work::SETS,
    handler: sdiff,
    ..SINTER
};

pub(super) const SDIFFSTORE: Spec = Spec {
    name: "sdiffstore",
    work: work::SETS,
    handler: sdiffstore,
    ..SINTERSTORE
};

/// How to compute a difference.
pub(super) enum Plan<'s> {
    /// The result is empty: there is no first set, or the first set is also among the others.
    Empty,
    /// Look up each member of the first set in the other sets, the biggest first.
    Seek(&'s Set, Vec<&'s Set>),
    /// Remove the members of the other sets from a copy of the first set.
    TakeAway(&'s Set, Vec<&'s Set>),
}

impl<'s> Plan<'s> {
    /// Looking up costs the first set's size times the number of sets, halved because it often
    /// stops early; removing costs the sizes of all sets.
    pub fn new(sets: &'s Sets<'_>, keys: Args<'_>) -> Plan<'s> {
        let Some(first) = sets[0].as_deref() else {
            return Plan::Empty;
        };
        if keys.iter().skip(1).any(|key| key == keys.at(0)) {
            return Plan::Empty;
        }
        let mut others: Vec<&Set> = sets[1..].iter().flatten().map(|set| &**set).collect();
        let seeking = first.len() * (others.len() + 1) / 2;
        let taking = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
        if seeking <= taking {
            others.sort_by_key(|set| std::cmp::Reverse(set.len()));
            Plan::Seek(first, others)
        } else {
            Plan::TakeAway(first, others)
        }
    }
}

/// `SDIFF key ...`: the members of the first set that are in no other.
///
/// Reply: a set (RESP2: an array). O(first set * keys) or O(members of all sets), whichever
/// is less.
fn sdiff(call: &mut Call<'_>) -> CommandResult {
    let keys = call.args.from(1);
    let limits = *call.db.limits();
    let reply = &mut *call.reply;
    let sets = look_up(&mut call.db, keys)?;
    match Plan::new(&sets, keys) {
        Plan::Empty => reply.set(0),
        Plan::Seek(first, others) => {
            let place = reply.defer();
            let mut len = 0;
            difference(first, &others, |member| {
                element::write(reply, member);
                len += 1;
                true
            });
            reply.finish_set(place, len);
        }
        Plan::TakeAway(first, others) => {
            let start = if matches!(first, Set::Intset(_)) {
                Set::of_integers()
            } else {
                Set::large()
            };
            reply_all(reply, &taken_away(start, first, &others, &limits));
        }
    }
    Ok(())
}

/// `first` without the members of `others`, built into `result`.
pub(super) fn taken_away(mut result: Set, first: &Set, others: &[&Set], limits: &Limits) -> Set {
    if is_large(first, limits) {
        result = first.clone();
    } else {
        result.add_all(first, limits);
    }
    for other in others {
        result.remove_all(other);
        if result.is_empty() {
            break;
        }
    }
    result
}

/// `SDIFFSTORE destination key ...`: stores the result of SDIFF.
fn sdiffstore(call: &mut Call<'_>) -> CommandResult {
    let keys = call.args.from(2);
    let limits = *call.db.limits();
    let sets = look_up_to_store(&mut call.db, keys)?;
    let mut result = Set::of_integers();
    match Plan::new(&sets, keys) {
        Plan::Empty => {}
        Plan::Seek(first, others) => {
            let mut collected = SetBuilder::new(result, &limits);
            collected.add_difference(first, &others);
            result = collected.finish();
        }
        Plan::TakeAway(first, others) => {
            result = taken_away(result, first, &others, &limits);
        }
    }
    let first = sets[0].as_deref();
    inherit_expiries(&mut result, first.into_iter(), &limits);
    drop(sets);
    store(call, call.args.at(1), result, 1, Class::SET, "sdiffstore");
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn filled() -> Testbed {
        let mut t = Testbed::new();
        t.run("SADD a 1 2 3 4");
        t.run("SADD b 2 4 6");
        t.run("SADD c x 4 2 y");
        t.run("SET string 1");
        t.take_effects();
        t
    }

    #[test]
    fn integers_stay_in_order() {
        let mut t = filled();
        assert_eq!(t.run("SINTER a b c"), "*2\r\n$1\r\n2\r\n$1\r\n4\r\n");
        assert_eq!(
            t.run("SUNION b a"),
            "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n6\r\n"
        );
        assert_eq!(t.run("SDIFF a b none"), "*2\r\n$1\r\n1\r\n$1\r\n3\r\n");
        assert_eq!(t.run("SDIFF c a"), "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
        assert_eq!(t.run("SDIFF a b a"), "*0\r\n");
        assert_eq!(t.run("SINTER a none"), "*0\r\n");
        t.run("HELLO 3");
        assert_eq!(t.run("SINTER a none"), "~0\r\n");
        assert_eq!(t.run("SDIFF none a"), "~0\r\n");
    }

    #[test]
    fn every_key_is_looked_at_before_the_answer() {
        let mut t = filled();
        for line in [
            "SINTER none string",
            "SUNION a string",
            "SDIFF none string",
            "SDIFFSTORE d a string",
            "SINTERSTORE d none string",
        ] {
            assert!(t.run(line).starts_with("-WRONGTYPE "), "{line}");
        }
    }

    #[test]
    fn a_result_replaces_what_was_there_and_an_empty_one_deletes_it() {
        let mut t = filled();
        assert_eq!(t.run("SUNIONSTORE string a b"), ":5\r\n");
        assert_eq!(t.run("SINTERSTORE a a b"), ":2\r\n");
        assert_eq!(t.run("SDIFFSTORE c c b"), ":2\r\n");
        assert_eq!(t.run("SMEMBERS c"), "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
        assert_eq!(t.run("SINTERSTORE c none b"), ":0\r\n");
        assert_eq!(t.run("SCARD c"), ":0\r\n");
        let effects = t.take_effects();
        assert_eq!(effects.len(), 4);
        assert_eq!(t.run("SINTERSTORE c none b"), ":0\r\n");
        assert_eq!(t.take_effects(), Vec::<String>::new());
    }

    #[test]
    fn both_plans_give_the_same() {
        let mut t = Testbed::new();
        for i in 0..600 {
            t.run(&format!("SADD big m{i}"));
        }
        for key in ["p", "q", "r", "s"] {
            t.run(&format!("SADD {key} m1 m2 {key}"));
        }
        assert_eq!(t.run("SDIFFSTORE d big p"), ":598\r\n");
        assert_eq!(t.run("SDIFFSTORE d big p q r s"), ":598\r\n");
        assert!(t.run("SDIFF big p q r s").starts_with("*598\r\n"));
    }
}
