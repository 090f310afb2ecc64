//! HSET, HMSET and HSETNX.
//!
//! A field that is set loses its expiry. HSETNX treats an expired field as missing and deletes it
//! first. The handlers parse names and values in pairs: an odd number is an arity error before they
//! look up the key.
//!
//! Cost: O(fields given). A new hash whose names equal the names of other hashes becomes one record
//! without a table of names (`Hash::of_known`).
//!
//! Decided elsewhere: encodings, and when names are shared: `types::hash`.

use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Expiry, Hash};

pub(super) const HSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::HASH,
    within: Some(ElementArgs::Every { first: 2, step: 2 }),
    work: work::EACH_PAIR,
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
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::HASH,
    within: Some(ElementArgs::Every { first: 2, step: 2 }),
    work: work::EACH_PAIR,
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
    if call.db.dialect().keeps_expired_fields() {
        call.db
            .expire_fields_to_set(key, args.from(2).iter().step_by(2));
    }
    let limits = *call.db.limits();
    let mut hash = call.db.write_or(key, Hash::new)?;
    let fields = (2..args.len()).step_by(2);
    let fields = fields.map(|at| (args.at(at), args.at(at + 1)));
    let is_new = hash.is_empty();
    let known = if is_new {
        Hash::of_known(fields.clone(), &limits)
    } else {
        Ok(None)
    };
    let mut created = 0;
    if let Ok(Some(whole)) = known {
        created = fields.len() as i64;
        *hash = whole;
    } else {
        hash.prepare(args.from(2).iter().map(<[u8]>::len), &limits);
        for (field, value) in fields {
            created += i64::from(hash.set(field, value, Expiry::Clear, &limits));
        }
        if known.is_err() {
            hash.share_names(&limits);
        } else if created > 0 && !is_new {
            hash.share_few_names(&limits);
        }
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
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::HASH,
    within: Some(ElementArgs::One(2)),
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
        call.db.expire_fields_to_write(key, &[field]);
    }
    let mut hash = call.db.write_or(key, Hash::new)?;
    hash.prepare([field.len(), value.len()].into_iter(), &limits);
    hash.set(field, value, Expiry::Clear, &limits);
    hash.share_few_names(&limits);
    drop(hash);
    call.db
        .changed_fields(key, 1, Class::HASH, "hset", [field].into_iter());
    call.reply.int(1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

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

    /// A command, several commands, a file, or COPY builds the hashes.
    #[test]
    fn hashes_that_share_names_are_as_others() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = russet_config::Allowed::Yes;
        let run = |t: &mut Testbed, shared: &str| {
            t.run("FLUSHALL");
            t.run(&format!("CONFIG SET hash-share-names {shared}"));
            let mut replies = Vec::new();
            for at in 0..30 {
                for line in [
                    "HSET @ name Bob age 30 city Paris",
                    "HSET @ age 31 7 8",
                    "HSETNX @ x y",
                    "HDEL @ city none",
                    "HINCRBY @ age 5",
                    "HINCRBYFLOAT @ f 1.5",
                    "HSET alone:@ a 1",
                    "HSET alone:@ b 2",
                    "HSET alone:@ c 3",
                    "HGETALL alone:@",
                    "HMGET @ name age none",
                    "HSCAN @ 0",
                    "HRANDFIELD @ -0",
                    "HSTRLEN @ name",
                    "OBJECT ENCODING @",
                    "COPY @ copy:@",
                    "HSET copy:@ name Eve",
                    "HEXPIRE copy:@ 100 FIELDS 1 age",
                    "OBJECT ENCODING copy:@",
                    "RENAME copy:@ moved:@",
                    "HGETDEL moved:@ FIELDS 2 name x",
                    "HGETALL moved:@",
                    "DEBUG DIGEST-VALUE @ alone:@ moved:@",
                    "DUMP @",
                    "DUMP alone:@",
                    "SORT alone:@",
                ] {
                    let line = line.replace('@', &at.to_string());
                    replies.push((line.clone(), t.run_args(&words(&line))));
                    t.engine.keyspace.check_invariants();
                }
            }
            replies.push((
                "DEBUG DIGEST".to_owned(),
                t.run_args(&[b"DEBUG", b"DIGEST"]),
            ));
            replies
        };
        fn words(line: &str) -> Vec<&[u8]> {
            line.split(' ').map(str::as_bytes).collect()
        }
        let apart = run(&mut t, "no");
        let shared = run(&mut t, "yes");
        for (one, other) in apart.iter().zip(&shared) {
            assert_eq!(one, other);
        }
        let bytes = |t: &mut Testbed, key: &str| {
            let reply = t.run(&format!("MEMORY USAGE {key}"));
            let digits = reply.trim().trim_start_matches(':').to_owned();
            digits.parse::<u64>().expect("a number")
        };
        assert!(bytes(&mut t, "alone:29") < bytes(&mut t, "alone:0"));
        t.run("CONFIG SET hash-min-template-entries 2");
        assert_eq!(
            t.run("OBJECT ENCODING alone:29"),
            "$17\r\ntemplate-listpack\r\n"
        );
        t.run("HSET first p 1 q 2");
        assert_eq!(
            t.run("OBJECT ENCODING first"),
            "$17\r\ntemplate-listpack\r\n"
        );
        t.run("CONFIG SET hash-max-template-entries 2");
        t.run("HSET second p 1 q 2 r 3");
        assert_eq!(t.run("OBJECT ENCODING second"), "$8\r\nlistpack\r\n");
        t.engine.keyspace.check_invariants();
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
