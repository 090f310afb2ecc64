//! HIMPORT: hashes that share their field names, which a connection names once.
//!
//! A fieldset belongs to a connection: it ends with the connection, and at RESET. SET replaces the
//! whole hash; the effect is DEL and HSET, because they need no fieldset.
//!
//! Cost: PREPARE O(n log n), SET O(values), without a lookup by name.
//!
//! Decided elsewhere: fieldsets: `server::clients::fieldsets`; hashes that share their names:
//! `types::hash`.

use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Fieldset, Fieldsets, Spec};
use russet_types::Hash;

pub(super) const HIMPORT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    categories: Category::HASH,
    subcommands: &[DISCARD, DISCARDALL, PREPARE, SET],
    ..Spec::new("himport", discard_all)
};

const DISCARD: Spec = Spec {
    arity: Arity::Exactly(3),
    name: "discard",
    handler: discard,
    ..DISCARDALL
};
const DISCARDALL: Spec = Spec {
    arity: Arity::Exactly(2),
    categories: Category::HASH,
    tips: &["request_policy:all_shards"],
    ..Spec::new("discardall", discard_all)
};
const PREPARE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::DENYOOM,
    name: "prepare",
    handler: prepare,
    ..DISCARDALL
};
const SET: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(2, Access::OVERWRITE)],
    categories: Category::HASH,
    ..Spec::new("set", set)
};

const DUPLICATE: &str = "ERR duplicate field name in fieldset";
const NO_FIELDSET: &str = "ERR no such fieldset";
const WRONG_COUNT: &str = "ERR value count does not match fieldset field count";

/// `HIMPORT PREPARE fieldset field [field ...]`: keeps a list of field names for this connection,
/// until the connection ends or is reset; replaces a fieldset of the same name.
///
/// Reply: OK. O(n log n).
fn prepare(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let set = Fieldset::new(args.from(3).iter()).ok_or(CommandError::Text(DUPLICATE))?;
    call.client.fieldsets.insert(args.at(2), set);
    call.reply.ok();
    Ok(())
}

/// `HIMPORT SET key fieldset value [value ...]`: makes a hash of a fieldset's names and these
/// values, in the order of PREPARE. SET replaces a hash at the key, with the expiries of the key
/// and of the fields. The new hash has the fields ascending by length, then by bytes.
///
/// Reply: OK. O(values).
fn set(call: &mut Call<'_>) -> CommandResult {
    let fieldsets = std::mem::take(&mut call.client.fieldsets);
    let done = set_of(call, &fieldsets);
    call.client.fieldsets = fieldsets;
    done
}

fn set_of(call: &mut Call<'_>, fieldsets: &Fieldsets) -> CommandResult {
    let args = call.args;
    let (key, values) = (args.at(2), args.from(4));
    let limits = *call.db.limits();
    let place = call.db.place(key);
    // The type comes before the fieldset, as in Redis.
    let was_there = place.holds::<Hash>()?;
    let fieldset = fieldsets.get(args.at(3));
    let fieldset = fieldset.ok_or(CommandError::Text(NO_FIELDSET))?;
    if values.len() != fieldset.len() {
        return Err(CommandError::Text(WRONG_COUNT));
    }
    let names = fieldset.names().map(|(name, _)| name);
    let fields = fieldset.names().map(|(name, at)| (name, values.at(at)));
    place.put(Hash::of_distinct(fields.clone(), &limits));
    if call.db.effects_wanted() {
        // Older replicas have no HIMPORT, and no replica has the fieldset of this connection.
        let words: Vec<&[u8]> = [&b"HSET"[..], key]
            .into_iter()
            .chain(fields.flat_map(|(name, value)| [name, value]))
            .collect();
        if was_there {
            call.rewrite(&[b"DEL", key]);
        }
        call.rewrite(&words);
    }
    call.db.changed_fields(key, 1, Class::HASH, "hset", names);
    call.reply.ok();
    Ok(())
}

/// `HIMPORT DISCARD fieldset`: forgets a fieldset of this connection.
///
/// Reply: 1, or 0 if there is none. O(1).
fn discard(call: &mut Call<'_>) -> CommandResult {
    let was_there = call.client.fieldsets.remove(call.args.at(2));
    call.reply.int(was_there.into());
    Ok(())
}

/// `HIMPORT DISCARDALL`: forgets all fieldsets of this connection.
///
/// Reply: how many there were. O(fieldsets).
fn discard_all(call: &mut Call<'_>) -> CommandResult {
    let sets = call.client.fieldsets.clear();
    call.reply.int(sets as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    const NO_FIELDSET: &str = "-ERR no such fieldset\r\n";

    /// The replies are the replies of Redis 8.10.2.
    #[test]
    fn hashes_are_made_of_fieldsets() {
        let mut t = Testbed::new();
        let wrong = |name| format!("-ERR wrong number of arguments for '{name}' command\r\n");
        let duplicate = "-ERR duplicate field name in fieldset\r\n";
        let count = "-ERR value count does not match fieldset field count\r\n";
        for (line, reply) in [
            ("HIMPORT", &*wrong("himport")),
            (
                "HIMPORT FOO",
                "-ERR unknown subcommand 'FOO'. Try HIMPORT HELP.\r\n",
            ),
            (
                "HIMPORT HELP",
                "-ERR unknown subcommand 'HELP'. Try HIMPORT HELP.\r\n",
            ),
            ("HIMPORT PREPARE s", &*wrong("himport|prepare")),
            ("HIMPORT PREPARE s a b a", duplicate),
            ("HIMPORT PREPARE s x", "+OK\r\n"),
            ("HIMPORT PREPARE s b a c", "+OK\r\n"),
            ("HIMPORT SET k s", &*wrong("himport|set")),
            ("HIMPORT SET k s 1", count),
            ("HIMPORT SET k no 1", NO_FIELDSET),
            ("EXISTS k", ":0\r\n"),
            ("HIMPORT SET k s 1 2 3", "+OK\r\n"),
            ("HKEYS k", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
            ("HVALS k", "*3\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n3\r\n"),
            ("EXPIRE k 100", ":1\r\n"),
            ("HPEXPIRE k 100000 FIELDS 1 a", "*1\r\n:1\r\n"),
            ("HIMPORT SET k s 7 8 9", "+OK\r\n"),
            ("TTL k", ":-1\r\n"),
            ("HTTL k FIELDS 1 a", "*1\r\n:-1\r\n"),
            ("HMGET k a b c", "*3\r\n$1\r\n8\r\n$1\r\n7\r\n$1\r\n9\r\n"),
            ("SET str 1", "+OK\r\n"),
        ] {
            assert_eq!(t.run(line), reply, "{line}");
        }
        assert!(t.run("HIMPORT SET str no 1").starts_with("-WRONGTYPE"));
        let effects = t.take_effects();
        assert_eq!(effects[0], "HSET k a 2 b 1 c 3");
        assert!(
            effects.contains(&"HSET k a 8 b 7 c 9".to_owned()),
            "{effects:?}"
        );
        assert!(effects.contains(&"DEL k".to_owned()), "{effects:?}");
        for (line, reply) in [
            ("HIMPORT DISCARD s", ":1\r\n"),
            ("HIMPORT DISCARD s", ":0\r\n"),
            ("HIMPORT DISCARDALL", ":0\r\n"),
            ("HIMPORT PREPARE t x", "+OK\r\n"),
            ("HIMPORT PREPARE u x", "+OK\r\n"),
            ("HIMPORT DISCARDALL", ":2\r\n"),
            ("HIMPORT PREPARE t x", "+OK\r\n"),
            ("RESET", "+RESET\r\n"),
            ("HIMPORT SET k t 1", NO_FIELDSET),
        ] {
            assert_eq!(t.run(line), reply, "{line}");
        }
    }

    #[test]
    fn a_transaction_has_the_clients_fieldsets_and_a_script_its_own() {
        let mut t = Testbed::new();
        t.run("HIMPORT PREPARE s a b");
        for line in ["MULTI", "HIMPORT PREPARE t c", "HIMPORT SET m s 1 2"] {
            t.run(line);
        }
        assert_eq!(t.run("EXEC"), "*2\r\n+OK\r\n+OK\r\n");
        let script = |t: &mut Testbed, code: &[u8]| {
            let reply = t.run_args(&[b"EVAL", code, b"1", b"k"]);
            String::from_utf8(reply).expect("text")
        };
        let foreign = script(
            &mut t,
            b"return redis.call('HIMPORT','SET',KEYS[1],'s',1,2)",
        );
        assert!(foreign.starts_with("-ERR no such fieldset"), "{foreign}");
        let own: &[u8] = b"redis.call('HIMPORT','PREPARE','q','a'); \
                           return redis.call('HIMPORT','SET',KEYS[1],'q',5)";
        assert_eq!(script(&mut t, own), "+OK\r\n");
        let later = script(&mut t, b"return redis.call('HIMPORT','DISCARDALL')");
        assert_eq!(later, ":0\r\n");
        assert_eq!(t.run("HIMPORT DISCARDALL"), ":2\r\n");
    }

    #[test]
    fn many_fields_make_a_table() {
        let mut t = Testbed::new();
        let names: Vec<String> = (0..600).map(|at| format!("f{at}")).collect();
        let values: Vec<String> = (0..600).map(|at| at.to_string()).collect();
        t.run(&format!("HIMPORT PREPARE s {}", names.join(" ")));
        t.run(&format!("HIMPORT SET k s {}", values.join(" ")));
        assert_eq!(t.run("OBJECT ENCODING k"), "$9\r\nhashtable\r\n");
        assert_eq!(t.run("HLEN k"), ":600\r\n");
        assert_eq!(t.run("HGET k f123"), "$3\r\n123\r\n");
        t.engine.keyspace.check_invariants();
    }
}
