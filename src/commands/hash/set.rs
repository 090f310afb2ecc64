//! HSET, HMSET and HSETNX.

use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec, Within};
use crate::keyspace::Class;
use crate::server::{Call, CommandResult, Spec};
use crate::types::{Expiry, Hash};

pub(super) const HSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RW.union(Access::UPDATE))],
    categories: Category::HASH,
    within: Some(Within::Every { first: 2, step: 2 }),
    ..Spec::new("hset", hset)
};

/// `HSET key field value [field value ...]`: sets fields and removes their expiries.
///
/// Reply: the number of new fields. O(fields given).
fn hset(call: &mut Call<'_>) -> CommandResult {
    let created = set_all(call)?;
    call.reply.int(created);
    Ok(())
}

pub(super) const HMSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RW.union(Access::UPDATE))],
    categories: Category::HASH,
    within: Some(Within::Every { first: 2, step: 2 }),
    ..Spec::new("hmset", hmset)
};

/// `HMSET key field value [field value ...]`: the older form of HSET.
///
/// Reply: OK.
fn hmset(call: &mut Call<'_>) -> CommandResult {
    set_all(call)?;
    call.reply.ok();
    Ok(())
}

#[inline]
fn set_all(call: &mut Call<'_>) -> Result<i64, CommandError> {
    let args = call.args;
    if args.len() % 2 == 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let key = args.at(1);
    let limits = *call.db.limits();
    let mut hash = call.db.write_or(key, Hash::new)?;
    hash.prepare(args.from(2).iter().map(<[u8]>::len), &limits);
    let mut created = 0;
    for at in (2..args.len()).step_by(2) {
        created += i64::from(hash.set(args.at(at), args.at(at + 1), Expiry::Clear, &limits));
    }
    drop(hash);
    let fields = args.from(2).iter().step_by(2);
    call.db
        .changed_fields(key, args.len() / 2 - 1, Class::HASH, "hset", fields);
    Ok(created)
}

pub(super) const HSETNX: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RW.union(Access::INSERT))],
    categories: Category::HASH,
    within: Some(Within::One(2)),
    ..Spec::new("hsetnx", hsetnx)
};

/// `HSETNX key field value`: sets a field if it does not exist.
///
/// Reply: 1, or 0 if the field exists. O(1).
fn hsetnx(call: &mut Call<'_>) -> CommandResult {
    let [_, key, field, value] = call.args.exactly();
    let limits = *call.db.limits();
    let now = call.db.due_ms() as u64;
    let hash = call.db.write::<Hash>(key)?;
    let found = hash.as_ref().and_then(|hash| hash.get(field));
    let expired = found.is_some_and(|found| found.expired(now));
    if found.is_some() && !expired {
        call.reply.int(0);
        return Ok(());
    }
    drop(hash);
    if expired {
        call.db.expire_fields(key, &[field]);
    }
    let mut hash = call.db.write_or(key, Hash::new)?;
    hash.prepare([field.len(), value.len()].into_iter(), &limits);
    hash.set(field, value, Expiry::Clear, &limits);
    drop(hash);
    call.db
        .changed_fields(key, 1, Class::HASH, "hset", [field].into_iter());
    call.reply.int(1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    #[test]
    fn new_fields_are_counted() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HSET h a 1 b 2 a 3"), ":2\r\n");
        assert_eq!(t.run("HSET h a 1 c 2"), ":1\r\n");
        assert_eq!(t.run("HMSET h a 9"), "+OK\r\n");
        assert_eq!(
            t.run("HGETALL h"),
            "*6\r\n$1\r\na\r\n$1\r\n9\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n2\r\n"
        );
        assert_eq!(
            t.take_effects(),
            ["HSET h a 1 b 2 a 3", "HSET h a 1 c 2", "HMSET h a 9"]
        );
    }

    #[test]
    fn fields_without_values_are_refused() {
        let mut t = Testbed::new();
        let refused = |name| format!("-ERR wrong number of arguments for '{name}' command\r\n");
        assert_eq!(t.run("HSET h a 1 b"), refused("hset"));
        assert_eq!(t.run("HMSET h a 1 b"), refused("hmset"));
        t.run("SET s 1");
        assert!(t.run("HSET s a 1").starts_with("-WRONGTYPE"));
        assert!(t.run("HSETNX s a 1").starts_with("-WRONGTYPE"));
        assert_eq!(t.run("HLEN h"), ":0\r\n");
    }

    #[test]
    fn hsetnx_sets_once() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HSETNX h a 1"), ":1\r\n");
        assert_eq!(t.run("HSETNX h a 2"), ":0\r\n");
        assert_eq!(t.run("HGET h a"), "$1\r\n1\r\n");
        assert_eq!(t.take_effects(), ["HSETNX h a 1"]);
    }
}
