//! OBJECT: how a value is stored.
//!
//! Names are Redis's, also where russet keeps a value otherwise: REFCOUNT reports the shared small
//! integers that Redis would have. FREQ needs an LFU policy, IDLETIME any other.
//!
//! A look here counts a hit or a miss, but is no use of the key and sends no event.
//!
//! Cost: O(1).
//!
//! Decided elsewhere: encodings: `types`; uses: `keyspace`.

use crate::help::{self, write_help};
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{KeyInfo, Str};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Encoding, Hash};

pub(super) const OBJECT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[ENCODING, FREQ, HELP, IDLETIME, REFCOUNT],
    ..Spec::new("object", help)
};

const OF_A_KEY: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, Access::RO)],
    categories: Category::KEYSPACE,
    tips: &["nondeterministic_output"],
    ..Spec::new("", encoding)
};
const ENCODING: Spec = Spec {
    name: "encoding",
    handler: encoding,
    ..OF_A_KEY
};
const FREQ: Spec = Spec {
    name: "freq",
    handler: freq,
    ..OF_A_KEY
};
const IDLETIME: Spec = Spec {
    name: "idletime",
    handler: idletime,
    ..OF_A_KEY
};
const REFCOUNT: Spec = Spec {
    name: "refcount",
    handler: refcount,
    ..OF_A_KEY
};

/// The key's info; if it is missing, replies null. Counts a hit or a miss, but no use of the key,
/// and sends no event.
fn look(call: &mut Call<'_>) -> Option<KeyInfo> {
    let key = call.args.at(2);
    call.db.set_touch(false);
    let there = call.db.contains(key);
    let stats = &mut call.db.keyspace().stats;
    if there {
        stats.hits += 1;
        call.db.info(key)
    } else {
        stats.misses += 1;
        call.reply.null();
        None
    }
}

/// `OBJECT ENCODING key`: Redis's name. Reply: bulk string, null for a missing key. O(1).
fn encoding(call: &mut Call<'_>) -> CommandResult {
    if let Some(info) = look(call) {
        let has_listpackex = call.db.dialect().has_listpackex();
        let name = match info.encoding {
            Encoding::ListpackEx if !has_listpackex && expires(call) => "hashtable",
            Encoding::ListpackEx if !has_listpackex => "listpack",
            other => other.name_under(call.db.limits()),
        };
        call.reply.bulk(name.as_bytes());
    }
    Ok(())
}

/// Whether a field of the hash expires.
fn expires(call: &mut Call<'_>) -> bool {
    let hash = call.db.peek::<Hash>(call.args.at(2));
    matches!(hash, Ok(Some(hash)) if hash.expire_min().is_some())
}

const NO_IDLETIME: &str = "ERR An LFU maxmemory policy is selected, idle time not tracked. \
Please note that when switching between policies at runtime LRU and LFU data will take some \
time to adjust.";
const NO_FREQ: &str = "ERR An LFU maxmemory policy is not selected, access frequency not \
tracked. Please note that when switching between policies at runtime LRU and LFU data will \
take some time to adjust.";

/// `OBJECT IDLETIME key`: seconds since the key's last use. Reply: integer, null for a missing key;
/// an error under an LFU policy. O(1).
fn idletime(call: &mut Call<'_>) -> CommandResult {
    let Some(info) = look(call) else {
        return Ok(());
    };
    if call.server.config.maxmemory_policy.counts_uses() {
        return Err(CommandError::Text(NO_IDLETIME));
    }
    call.reply.int(info.idle_seconds as i64);
    Ok(())
}

/// `OBJECT FREQ key`: the logarithmic counter of the key's uses. Reply: integer, null for a missing
/// key; an error except under an LFU policy. O(1).
fn freq(call: &mut Call<'_>) -> CommandResult {
    let Some(info) = look(call) else {
        return Ok(());
    };
    if !call.server.config.maxmemory_policy.counts_uses() {
        return Err(CommandError::Text(NO_FREQ));
    }
    call.reply.int(info.frequency as i64);
    Ok(())
}

/// The reference count that Redis reports for shared small integers.
const SHARED: i64 = i32::MAX as i64;

/// `OBJECT REFCOUNT key`: 1, or 2147483647 where Redis would share a small integer (0 to 9999,
/// unless an LRU or LFU policy is in force). Null for a missing key. O(1).
fn refcount(call: &mut Call<'_>) -> CommandResult {
    if look(call).is_none() {
        return Ok(());
    }
    let references = references(call, call.args.at(2));
    call.reply.int(references);
    Ok(())
}

/// The value's reference count as Redis would report it.
pub(crate) fn references(call: &Call<'_>, key: &[u8]) -> i64 {
    let clock = call.server.config.maxmemory_policy.clock;
    let shares = call.server.memory.limit.maxmemory() == 0 || clock.is_none();
    let small = matches!(call.db.peek_string(key), Ok(Some(Str::Int(0..=9999))));
    if shares && small { SHARED } else { 1 }
}

const HELP: Spec = Spec {
    categories: Category::KEYSPACE,
    ..help::row(help)
};

/// `OBJECT HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "ENCODING <key>",
            "    Tell how the value of <key> is stored.",
            "FREQ <key>",
            "    Tell how often <key> is used: a counter that grows with the logarithm of",
            "    recent uses. Needs an LFU maxmemory policy.",
            "IDLETIME <key>",
            "    Tell the seconds since <key> was last used, about.",
            "REFCOUNT <key>",
            "    Tell how many references the value of <key> has.",
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::{Choice as _, EvictionPolicy};

    fn policy(name: &str) -> EvictionPolicy {
        EvictionPolicy::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn strings_report_as_redis_would_keep_them() {
        let mut t = Testbed::new();
        t.run("MSET i 12 e abc");
        t.run(&format!("SET r {}", "x".repeat(45)));
        t.run("SET a x");
        t.run("APPEND a y");
        for (key, encoding) in [("i", "int"), ("e", "embstr"), ("r", "raw"), ("a", "raw")] {
            let reply = format!("${}\r\n{encoding}\r\n", encoding.len());
            assert_eq!(t.run(&format!("OBJECT ENCODING {key}")), reply);
        }
        assert_eq!(t.run("OBJECT ENCODING none"), "$-1\r\n");
        assert_eq!(t.run("OBJECT REFCOUNT i"), ":2147483647\r\n");
        assert_eq!(t.run("OBJECT REFCOUNT e"), ":1\r\n");
    }

    /// The count was kept under the new name, where Redis starts anew.
    #[test]
    fn a_renamed_or_moved_key_counts_its_uses_anew() {
        let mut t = Testbed::new();
        t.engine.server.config.maxmemory_policy = policy("allkeys-lfu");
        t.engine.server.config.lfu_log_factor = 0;
        t.apply_config();
        t.run("SET a 5");
        t.run("GET a");
        assert_eq!(t.run("OBJECT FREQ a"), ":6\r\n");
        t.run("RENAME a b");
        assert_eq!(t.run("OBJECT FREQ b"), ":5\r\n");
        t.run("GET b");
        t.run("MOVE b 1");
        t.run("SELECT 1");
        assert_eq!(t.run("OBJECT FREQ b"), ":5\r\n");
    }

    #[test]
    fn use_is_counted_or_dated_as_the_policy_demands() {
        let mut t = Testbed::new();
        t.run("SET a 5");
        assert!(
            t.run("OBJECT FREQ a")
                .starts_with("-ERR An LFU maxmemory policy is not")
        );
        assert_eq!(t.run("OBJECT FREQ none"), "$-1\r\n");
        t.engine.server.config.maxmemory_policy = policy("allkeys-lfu");
        t.run("CONFIG SET maxmemory 100gb");
        t.apply_config();
        t.run("SET b 5");
        assert_eq!(t.run("OBJECT FREQ b"), ":5\r\n");
        assert!(
            t.run("OBJECT IDLETIME b")
                .starts_with("-ERR An LFU maxmemory policy is sel")
        );
        assert_eq!(t.run("OBJECT REFCOUNT b"), ":1\r\n");
    }
}
