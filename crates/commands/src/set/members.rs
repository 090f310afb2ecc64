//! SADD, SREM, SMOVE, and the commands that read a set's members.
//!
//! A command propagates itself only if it changed a set. SMOVE checks the destination's type before
//! it takes the member away, and sends events of both keys; it removes a member that both sets have
//! from the source alone, with the member's expiry for the destination.
//!
//! Cost: O(1) a member; SMEMBERS O(members) in one turn.
//!
//! Decided elsewhere: encodings, and when they change: `types::set`.

use super::expire;
use crate::arguments::element;
use crate::work;
use russet_command::{Access, Arity, Category, ElementArgs, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Expirable as _, Set};
use std::collections::HashSet;

pub(super) const SADD: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::SET,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("sadd", sadd)
};

pub(super) const SREM: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::SET,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("srem", srem)
};

/// `SADD key member ...`: adds members.
///
/// Reply: the number of new members. O(1) a member.
fn sadd(call: &mut Call<'_>) -> CommandResult {
    if call.db.wants_fields(Class::SET) {
        return sadd_listed(call);
    }
    add_members(call)
}

#[inline]
fn add_members(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let members = call.args.from(2);
    let limits = *call.db.limits();
    let count = members.len();
    let now = call.db.due_ms() as u64;
    let mut set = call
        .db
        .write_or(key, || Set::new_for(members.at(0), count, &limits))?;
    if set.has_expired(now) {
        drop(set);
        call.db.expire_members_to_add(key, members.iter());
        set = call.db.write::<Set>(key)?.expect("written above");
    }
    set.prepare(count, &limits);
    let added = members.iter().filter(|m| set.add(m, &limits)).count();
    drop(set);
    if added > 0 {
        call.db.changed_by(key, added, Class::SET, "sadd");
    }
    call.reply.int(added as i64);
    Ok(())
}

/// [`SADD`], for subscribers to the members that commands touch.
#[cold]
fn sadd_listed(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let members = call.args.from(2);
    let now = call.db.due_ms() as u64;
    let set = call.db.write::<Set>(key)?;
    let is_new = |member: &&[u8]| set.as_ref().is_none_or(|set| !set.has_live(member, now));
    let mut new: Vec<&[u8]> = members.iter().filter(is_new).collect();
    drop(set);
    let mut seen = HashSet::new();
    new.retain(|member| seen.insert(*member));
    add_members(call)?;
    if !new.is_empty() {
        call.db.list_fields(Class::SET, new.into_iter());
    }
    Ok(())
}

/// `SREM key member ...`: removes members.
///
/// Reply: the number of members removed. O(1) a member.
fn srem(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let listed = call.db.wants_fields(Class::SET);
    let Some(mut set) = call.db.write::<Set>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let volatile = set.next_due().is_some();
    let mut names = Vec::new();
    let removed = call.args.from(2).iter().filter(|m| {
        let is_removed = set.remove(m);
        if is_removed && listed {
            names.push(*m);
        }
        is_removed
    });
    let removed = removed.count();
    let (empty, calmed) = (set.is_empty(), volatile && set.next_due().is_none());
    drop(set);
    if calmed {
        call.db.forget_member_expiry(key);
    }
    if removed > 0 {
        call.db.changed_by(key, removed, Class::SET, "srem");
        if listed {
            call.db.list_fields(Class::SET, names.into_iter());
        }
    }
    if empty {
        call.db.delete_emptied(key);
    }
    call.reply.int(removed as i64);
    Ok(())
}

pub(super) const SMOVE: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::TAKE), KeySpec::one(2, Access::ADD)],
    categories: Category::SET,
    ..Spec::new("smove", smove)
};

/// `SMOVE source destination member`: moves a member from a set to another.
///
/// Reply: 1, or 0 if the source does not have it. The handler checks the destination's type only if
/// the source exists. The member keeps its expiry, which replaces that of the destination's member.
/// O(1).
fn smove(call: &mut Call<'_>) -> CommandResult {
    let [_, source, destination, member] = call.args.exactly();
    let limits = *call.db.limits();
    let now = call.db.due_ms() as u64;
    let Some(set) = call.db.write::<Set>(source)? else {
        call.reply.int(0);
        return Ok(());
    };
    let (there, is_due) = (set.has_live(member, now), set.has_expired(now));
    let expiry = if set.next_due().is_some() {
        set.expiry_of(member).flatten()
    } else {
        None
    };
    drop(set);
    call.db.write::<Set>(destination)?;
    if is_due && !there {
        expire::remove_expired(call, source, call.args.from(3))?;
    }
    if !there || source == destination {
        call.reply.int(i64::from(there));
        return Ok(());
    }
    let mut set = call.db.write::<Set>(source)?.expect("seen above");
    set.remove(member);
    let (empty, calmed) = (set.is_empty(), expiry.is_some() && set.next_due().is_none());
    drop(set);
    if calmed {
        call.db.forget_member_expiry(source);
    }
    let moved = || std::iter::once(member);
    call.db
        .changed_fields(source, 1, Class::SET, "srem", moved());
    if empty {
        call.db.delete_emptied(source);
    }
    let mut set = call
        .db
        .write_or(destination, || Set::new_for(member, 1, &limits))?;
    if set.has_expired(now) {
        drop(set);
        call.db.expire_members_to_add(destination, moved());
        set = call.db.write::<Set>(destination)?.expect("written above");
    }
    let added = set.add(member, &limits);
    let had = set.next_due().is_some() && set.expiry_of(member).flatten().is_some();
    if expiry.is_some() || had {
        set.set_expiry(member, expiry, &limits);
    }
    let calmed = had && set.next_due().is_none();
    drop(set);
    if added {
        call.db
            .changed_fields(destination, 1, Class::SET, "sadd", moved());
    }
    if let Some(ms) = expiry {
        call.db.record_member_expiry(destination, ms as i64);
        call.db
            .changed_fields(destination, 1, Class::SET, "sexpire", moved());
    } else if had {
        call.db
            .changed_fields(destination, 1, Class::SET, "spersist", moved());
    }
    if calmed {
        call.db.forget_member_expiry(destination);
    }
    call.reply.int(1);
    Ok(())
}

pub(super) const SISMEMBER: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::SET,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("sismember", sismember)
};

pub(super) const SMISMEMBER: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SET,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("smismember", smismember)
};

pub(super) const SCARD: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::SET,
    ..Spec::new("scard", scard)
};

pub(super) const SMEMBERS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SET,
    tips: &["nondeterministic_output_order"],
    work: work::SET,
    ..Spec::new("smembers", smembers)
};

/// `SISMEMBER key member`: 1 if the set has the member, else 0. O(1).
fn sismember(call: &mut Call<'_>) -> CommandResult {
    let [_, key, member] = call.args.exactly();
    let now = call.db.due_ms() as u64;
    let Some(set) = call.db.read::<Set>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    if !set.has_expired(now) {
        call.reply.int(i64::from(set.contains(member)));
        return Ok(());
    }
    let there = set.has_live(member, now);
    call.reply.int(i64::from(there));
    if !there {
        expire::remove_expired(call, key, call.args.from(2))?;
    }
    Ok(())
}

/// `SMISMEMBER key member ...`: an array with 1 for each member of the set, 0 for each other
/// argument. O(members).
fn smismember(call: &mut Call<'_>) -> CommandResult {
    let members = call.args.from(2);
    let now = call.db.due_ms() as u64;
    let set = call.db.read::<Set>(call.args.at(1))?;
    call.reply.array(members.len());
    let is_due = set.as_ref().is_some_and(|set| set.has_expired(now));
    for member in members.iter() {
        let there = set.as_ref().is_some_and(|set| set.has_live(member, now));
        call.reply.int(i64::from(there));
    }
    if is_due {
        expire::remove_expired(call, call.args.at(1), members)?;
    }
    Ok(())
}

/// `SCARD key`: the number of members; 0 if the key is missing. O(1).
fn scard(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let len = call.db.count::<Set>(key)?;
    call.reply.int(len as i64);
    Ok(())
}

/// `SMEMBERS key`: all members, as a set (RESP2: an array). O(members).
fn smembers(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let reply = &mut *call.reply;
    let (now, limits) = (call.db.due_ms() as u64, *call.db.limits());
    let Some(set) = call.db.read::<Set>(key)? else {
        reply.set(0);
        return Ok(());
    };
    let set = set.live_at(now, &limits);
    reply.set(set.len());
    set.visit(|member| {
        element::write(reply, member);
        true
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn members_are_there_once() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SADD s a b 3"), ":3\r\n");
        assert_eq!(t.run("SADD s a b"), ":0\r\n");
        assert_eq!(t.run("SADD s 3 4"), ":1\r\n");
        assert_eq!(t.run("SCARD s"), ":4\r\n");
        assert_eq!(t.run("SISMEMBER s 4"), ":1\r\n");
        assert_eq!(t.run("SMISMEMBER s a z 3"), "*3\r\n:1\r\n:0\r\n:1\r\n");
        assert_eq!(t.run("SMISMEMBER none a z"), "*2\r\n:0\r\n:0\r\n");
        assert_eq!(t.run("SREM s a 3 none"), ":2\r\n");
        assert_eq!(t.run("SMEMBERS s"), "*2\r\n$1\r\nb\r\n$1\r\n4\r\n");
        assert_eq!(t.run("SREM s b 4 b"), ":2\r\n");
        assert_eq!(t.run("SMEMBERS s"), "*0\r\n");
        assert_eq!(
            t.take_effects(),
            [
                "SADD s a b 3",
                "SADD s 3 4",
                "SREM s a 3 none",
                "SREM s b 4 b"
            ]
        );
    }

    #[test]
    fn integers_are_replied_in_order() {
        let mut t = Testbed::new();
        t.run("SADD s 30 2 -100 2");
        assert_eq!(
            t.run("SMEMBERS s"),
            "*3\r\n$4\r\n-100\r\n$1\r\n2\r\n$2\r\n30\r\n"
        );
        t.run("HELLO 3");
        assert!(t.run("SMEMBERS s").starts_with("~3\r\n"));
        assert_eq!(t.run("SMEMBERS none"), "~0\r\n");
    }

    #[test]
    fn a_move_touches_both_sets_or_none() {
        let mut t = Testbed::new();
        t.run("SET string x");
        t.run("SADD a 1 2");
        t.take_effects();
        assert_eq!(t.run("SMOVE none string 1"), ":0\r\n");
        assert!(t.run("SMOVE a string 9").starts_with("-WRONGTYPE"));
        assert!(t.run("SMOVE string a 9").starts_with("-WRONGTYPE"));
        assert_eq!(t.run("SMOVE a b 9"), ":0\r\n");
        assert_eq!(t.run("SMOVE a a 1"), ":1\r\n");
        assert_eq!(t.run("SMOVE a a 9"), ":0\r\n");
        assert_eq!(t.take_effects(), Vec::<String>::new());
        assert_eq!(t.run("SMOVE a b 1"), ":1\r\n");
        assert_eq!(t.run("SMOVE a b 2"), ":1\r\n");
        assert_eq!(t.run("SCARD a"), ":0\r\n");
        assert_eq!(t.run("SMEMBERS b"), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
        assert_eq!(t.take_effects(), ["SMOVE a b 1", "SMOVE a b 2"]);
    }
}
