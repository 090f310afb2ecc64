//! Reading fields: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS.
//!
//! An expired field is missing. A command that names the field deletes it (HGET, HMGET, HSTRLEN,
//! HEXISTS); the walks over all fields only skip it, and HLEN still counts it.
//!
//! Cost: O(1) a field; HGETALL, HKEYS and HVALS O(fields) in one turn, HLEN O(1). The handlers
//! write values into the reply from where they are.

use crate::arguments::element;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Entry, Hash, HashField};

/// Calls `see` with the field found; deletes an expired field, which counts as missing.
#[inline]
fn with_field<R>(
    call: &mut Call<'_>,
    key: &[u8],
    field: &[u8],
    see: impl FnOnce(&mut russet_resp::Reply, Option<HashField<'_>>) -> R,
) -> Result<R, CommandError> {
    let now = call.db.due_ms() as u64;
    let hash = call.db.read::<Hash>(key)?;
    let found = hash.as_ref().and_then(|hash| hash.get(field));
    match found {
        Some(found) if found.expired(now) => {
            call.db.expire_fields(key, &[field]);
            Ok(see(call.reply, None))
        }
        found => Ok(see(call.reply, found)),
    }
}

pub(super) const HGET: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("hget", hget)
};

/// `HGET key field`: the value of a field.
///
/// Reply: bulk string, or null if the field or the hash is missing. O(1).
fn hget(call: &mut Call<'_>) -> CommandResult {
    let [_, key, field] = call.args.exactly();
    with_field(call, key, field, |reply, found| match found {
        Some(found) => element::write(reply, found.value),
        None => reply.null(),
    })
}

pub(super) const HSTRLEN: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::HASH,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("hstrlen", hstrlen)
};

/// `HSTRLEN key field`: the length of a field's value in bytes.
///
/// Reply: integer, 0 if there is no such field. O(1).
fn hstrlen(call: &mut Call<'_>) -> CommandResult {
    let [_, key, field] = call.args.exactly();
    with_field(call, key, field, |reply, found| {
        reply.int(found.map_or(0, |found| found.value.text_len() as i64));
    })
}

pub(super) const HEXISTS: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::HASH,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("hexists", hexists)
};

/// `HEXISTS key field`.
///
/// Reply: 1 or 0. O(1).
fn hexists(call: &mut Call<'_>) -> CommandResult {
    let [_, key, field] = call.args.exactly();
    with_field(call, key, field, |reply, found| {
        reply.int(i64::from(found.is_some()));
    })
}

pub(super) const HMGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("hmget", hmget)
};

/// `HMGET key field [field ...]`: the values of several fields.
///
/// Reply: array of bulk strings and nulls, in the order given. O(fields given).
fn hmget(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let fields = call.args.from(2);
    let now = call.db.due_ms() as u64;
    let hash = call.db.read::<Hash>(key)?;
    call.reply.array(fields.len());
    let mut expired = Vec::new();
    for field in fields.iter() {
        match hash.as_ref().and_then(|hash| hash.get(field)) {
            Some(found) if found.expired(now) => {
                expired.push(field);
                call.reply.null();
            }
            Some(found) => element::write(call.reply, found.value),
            None => call.reply.null(),
        }
    }
    if !expired.is_empty() {
        call.db.expire_fields(key, &expired);
    }
    Ok(())
}

pub(super) const HLEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::HASH,
    ..Spec::new("hlen", hlen)
};

/// `HLEN key`: the number of fields, including expired fields that are not deleted yet.
///
/// Reply: integer, 0 if the key is missing. O(1).
fn hlen(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let len = call.db.count::<Hash>(key)?;
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const HGETALL: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    tips: &["nondeterministic_output_order"],
    work: work::HASH,
    ..Spec::new("hgetall", hgetall)
};

/// `HGETALL key`: all fields and values.
///
/// Reply: map (RESP2: flat array), empty if the key is missing. O(fields).
fn hgetall(call: &mut Call<'_>) -> CommandResult {
    all(call, true, true)
}

pub(super) const HKEYS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    tips: &["nondeterministic_output_order"],
    work: work::HASH,
    ..Spec::new("hkeys", hkeys)
};

/// `HKEYS key`: the names of all fields.
///
/// Reply: array. O(fields).
fn hkeys(call: &mut Call<'_>) -> CommandResult {
    all(call, true, false)
}

pub(super) const HVALS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    tips: &["nondeterministic_output_order"],
    work: work::HASH,
    ..Spec::new("hvals", hvals)
};

/// `HVALS key`: the values of all fields.
///
/// Reply: array. O(fields).
fn hvals(call: &mut Call<'_>) -> CommandResult {
    all(call, false, true)
}

fn all(call: &mut Call<'_>, names: bool, values: bool) -> CommandResult {
    let [_, key] = call.args.exactly();
    let now = call.db.due_ms() as u64;
    let hash = call.db.read::<Hash>(key)?;
    let live = hash.as_ref().map_or(0, |hash| hash.len_at(now));
    if names && values {
        call.reply.map(live);
    } else {
        call.reply.array(live);
    }
    let Some(hash) = hash else { return Ok(()) };
    let mut write = |wanted: bool, text: Entry<'_>| {
        if wanted {
            element::write(call.reply, text);
        }
    };
    hash.visit(|field| {
        if !field.expired(now) {
            write(names, field.name);
            write(values, field.value);
        }
        true
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn single_fields_are_read() {
        let mut t = Testbed::new();
        t.run("HSET h a 12 b text");
        assert_eq!(t.run("HGET h a"), "$2\r\n12\r\n");
        assert_eq!(t.run("HGET h c"), "$-1\r\n");
        assert_eq!(t.run("HGET none a"), "$-1\r\n");
        assert_eq!(t.run("HSTRLEN h a"), ":2\r\n");
        assert_eq!(t.run("HSTRLEN h b"), ":4\r\n");
        assert_eq!(t.run("HSTRLEN h c"), ":0\r\n");
        assert_eq!(t.run("HEXISTS h b"), ":1\r\n");
        assert_eq!(t.run("HEXISTS h c"), ":0\r\n");
        assert_eq!(
            t.run("HMGET h b c a"),
            "*3\r\n$4\r\ntext\r\n$-1\r\n$2\r\n12\r\n"
        );
        assert_eq!(t.run("HMGET none b c"), "*2\r\n$-1\r\n$-1\r\n");
    }

    #[test]
    fn whole_hashes_are_read_in_both_protocols() {
        let mut t = Testbed::new();
        t.run("HSET h a 1");
        assert_eq!(t.run("HGETALL h"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(t.run("HKEYS h"), "*1\r\n$1\r\na\r\n");
        assert_eq!(t.run("HVALS h"), "*1\r\n$1\r\n1\r\n");
        assert_eq!(t.run("HGETALL none"), "*0\r\n");
        t.run("HELLO 3");
        assert_eq!(t.run("HGETALL h"), "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(t.run("HGETALL none"), "%0\r\n");
        assert_eq!(t.run("HKEYS none"), "*0\r\n");
    }

    #[test]
    fn other_types_are_refused() {
        let mut t = Testbed::new();
        t.run("SET s 1");
        for line in [
            "HGET s a",
            "HMGET s a",
            "HLEN s",
            "HGETALL s",
            "HEXISTS s a",
            "HDEL s a",
        ] {
            assert!(t.run(line).starts_with("-WRONGTYPE"), "{line}");
        }
    }

    /// A hash with fields that have expired by the time of a command.
    const ONE: &str = "HSET h a 1";
    const TWO: &str = "HSET h a 1 b 2";
    const THREE: &str = "HSET h a 1 b 2 c 3";

    /// The hash, the fields that expire, a command, and the events that Redis 8.10.2 sends for it.
    const EVENTS: &[(&str, &str, &str, &str)] = &[
        (ONE, "1 a", "HGET h a", "del"),
        (ONE, "1 a", "HMGET h a", "del"),
        (ONE, "1 a", "HMGET h a b", "del"),
        (ONE, "1 a", "HMGET h a a", "del"),
        (ONE, "1 a", "HEXISTS h a", "del"),
        (ONE, "1 a", "HSTRLEN h a", "del"),
        (ONE, "1 a", "HSETNX h a 5", "del hset"),
        (ONE, "1 a", "HINCRBY h a 1", "del hincrby"),
        (ONE, "1 a", "HINCRBYFLOAT h a 1", "del hincrbyfloat"),
        (ONE, "1 a", "HGETDEL h FIELDS 1 a", "hexpired del"),
        (ONE, "1 a", "HGETEX h FIELDS 1 a", "hexpired del"),
        (ONE, "1 a", "HRANDFIELD h", "hexpired del"),
        (ONE, "1 a", "HGETALL h", ""),
        (TWO, "2 a b", "HGET h a", "hexpired"),
        (TWO, "2 a b", "HMGET h a", "hexpired"),
        (TWO, "2 a b", "HMGET h a a", "hexpired"),
        (TWO, "2 a b", "HMGET h a b", "hexpired del"),
        (TWO, "2 a b", "HMGET h a b c", "hexpired del"),
        (TWO, "2 a b", "HGETDEL h FIELDS 1 a", "hexpired"),
        (TWO, "2 a b", "HGETDEL h FIELDS 2 a b", "hexpired del"),
        (TWO, "2 a b", "HGETEX h FIELDS 2 a b", "hexpired del"),
        (TWO, "2 a b", "HGETEX h EX 100 FIELDS 2 a b", "hexpired del"),
        (TWO, "2 a b", "HINCRBY h a 1", "hexpired hincrby"),
        (TWO, "2 a b", "HSETNX h a 5", "hexpired hset"),
        (THREE, "2 a b", "HMGET h a b", "hexpired"),
        (THREE, "2 a b", "HMGET h a b c", "hexpired"),
        (THREE, "3 a b c", "HMGET h a b", "hexpired"),
        (THREE, "3 a b c", "HMGET h a b c", "hexpired del"),
    ];

    #[test]
    fn a_lookup_that_finds_expired_fields_sends_rediss_events() {
        for (fields, expire, line, wanted) in EVENTS {
            let mut t = Testbed::new();
            t.run(fields);
            t.run(&format!("HPEXPIRE h 5 FIELDS {expire}"));
            t.advance_ms(10);
            t.take_events();
            t.run(line);
            let events = t.take_events();
            let names = events.iter().map(|event| event.event);
            // A class of events that no subscriber asks for by KEA.
            let names: Vec<&str> = names.filter(|name| *name != "new").collect();
            assert_eq!(names.join(" "), *wanted, "{line} of {fields}, {expire}");
        }
    }
}
