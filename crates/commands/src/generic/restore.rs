//! RESTORE: creates a key from a DUMP payload.
//!
//! A payload is outside data: the handler verifies version and checksum first, then reads the whole
//! payload; until then the key is as it was. A checksum of zero means no checksum.
//!
//! A relative time becomes absolute in the effect; a time that has passed leaves no key, and
//! deletes the key to be replaced.
//!
//! Cost: O(size of the value). Whether lengths inside are checked deeply: `sanitize-dump-payload`.
//! The format: `persistence::rdb`.

use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Facts, Flags, KeySpec};
use russet_config::SanitizePayload;
use russet_keyspace::{Cause, Class, KeyUse};
use russet_persistence::rdb::Payload;
use russet_server::{Call, CommandResult, Spec};

pub(super) const RESTORE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::OVERWRITE)],
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    facts: Facts::STORES_ANYTHING,
    ..Spec::new("restore", restore)
};

/// RESTORE as sent by a cluster node to the node that takes over a slot.
pub(super) const RESTORE_ASKING: Spec = Spec {
    name: "restore-asking",
    flags: RESTORE.flags.union(Flags::ASKING),
    ..RESTORE
};

const BUSY_KEY: &str = "BUSYKEY Target key name already exists.";
const BAD_TTL: &str = "ERR Invalid TTL value, must be >= 0";
const BAD_IDLE_TIME: &str = "ERR Invalid IDLETIME value, must be >= 0";
const BAD_FREQUENCY: &str = "ERR Invalid FREQ value, must be >= 0 and <= 255";
const BAD_PAYLOAD: &str = "ERR DUMP payload version or checksum are wrong";
const BAD_DATA: &str = "ERR Bad data format";

#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute: bool,
    last_use: Option<KeyUse>,
}

impl RestoreOptions {
    fn parse(call: &Call<'_>) -> Result<RestoreOptions, CommandError> {
        let args = call.args;
        let mut options = RestoreOptions::default();
        let mut at = 4;
        while at < args.len() {
            let number = |at: usize| parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger);
            let has_value = at + 1 < args.len();
            if args.is(at, "REPLACE") {
                options.replace = true;
            } else if args.is(at, "ABSTTL") {
                options.absolute = true;
            } else if args.is(at, "IDLETIME") && has_value && options.last_use.is_none_or(is_idle) {
                at += 1;
                let seconds = u64::try_from(number(at)?);
                let seconds = seconds.map_err(|_| CommandError::Text(BAD_IDLE_TIME))?;
                options.last_use = Some(KeyUse::IdleSeconds(seconds));
            } else if args.is(at, "FREQ") && has_value && !options.last_use.is_some_and(is_idle) {
                at += 1;
                let count = u8::try_from(number(at)?);
                let count = count.map_err(|_| CommandError::Text(BAD_FREQUENCY))?;
                options.last_use = Some(KeyUse::Frequency(count));
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

fn is_idle(last_use: KeyUse) -> bool {
    matches!(last_use, KeyUse::IdleSeconds(_))
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds | FREQ count]`: stores a DUMP
/// payload under a key. `ttl`: milliseconds from now, or Unix milliseconds with ABSTTL; 0: no
/// expiry.
///
/// Reply: OK; an error if the key exists and is not to be replaced, or if the payload is damaged. A
/// time that has passed leaves no key. O(size of the value).
fn restore(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, payload) = (args.at(1), args.at(3));
    let options = RestoreOptions::parse(call)?;
    if !options.replace && call.db.contains(key) {
        return Err(CommandError::Text(BUSY_KEY));
    }
    let ttl = parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)?;
    if ttl < 0 {
        return Err(CommandError::Text(BAD_TTL));
    }
    let payload = Payload::verify(payload, !call.server.debug.skips_checksums)
        .ok_or(CommandError::Text(BAD_PAYLOAD))?;
    let now = call.db.due_ms();
    let expiry = match (ttl, options.absolute) {
        (0, _) => None,
        (at, true) => Some(at),
        // An overflowing time wraps, as in Redis: it has passed.
        (ttl, false) => Some(ttl.wrapping_add(call.db.now_ms())),
    };
    let user = call.server.acl.users.get(call.client.user);
    let deep =
        call.server.config.sanitize_dump_payload != SanitizePayload::No && !user.skips_sanitizing();
    let limits = *call.db.limits();
    let is_past = expiry.is_some_and(|at| at <= now);
    let db = &mut call.db;
    let replaced = payload.read(&limits, deep, |value| {
        let new = value.kind();
        let old = db.kind_to_write(key).filter(|_| options.replace);
        // The key keeps the mark of BLESS.
        let is_blessed = old.is_some() && db.is_blessed(key) == Some(true);
        if old.is_some() {
            db.delete(key, Cause::Server);
        }
        if !is_past {
            db.restore(key, value, expiry, options.last_use);
            if is_blessed {
                db.bless(key, true);
            }
        }
        old.map(|old| (old, new))
    });
    let replaced = replaced.map_err(|(offset, fault)| {
        tracing::warn!("RESTORE: the payload is damaged at byte {offset}: {fault}");
        CommandError::Text(BAD_DATA)
    })?;
    if is_past {
        call.db.keyspace().stats.expired += 1;
        if replaced.is_some() {
            call.rewrite(&[call.db.removal_word(), key]);
            call.db.changed(key, Class::GENERIC, "del");
        }
        call.reply.ok();
        return Ok(());
    }
    call.db.changed(key, Class::GENERIC, "restore");
    if options.last_use.is_some() {
        call.db.set_last_use(key, options.last_use);
    }
    if let Some((old, new)) = replaced {
        call.db.overwritten(key, old, new);
    }
    if let Some(at) = expiry.filter(|_| !options.absolute && call.effects_wanted()) {
        let mut digits = itoa::Buffer::new();
        let at = digits.format(at).as_bytes();
        let mut words: Vec<&[u8]> = args.iter().collect();
        words[2] = at;
        words.push(b"ABSTTL");
        call.rewrite(&words);
    }
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    /// The payloads of `tests/data/redis-8.10-payloads.txt`: kind, commands, bytes.
    fn newer() -> Vec<(&'static str, &'static str, Vec<u8>)> {
        let text = include_str!("../../../../tests/data/redis-8.10-payloads.txt");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let [kind, _version, made, hex] = line
                    .splitn(4, " | ")
                    .collect::<Vec<_>>()
                    .try_into()
                    .expect("four parts");
                let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
                (kind, made, (0..hex.len()).step_by(2).map(digit).collect())
            })
            .collect()
    }

    #[test]
    fn payloads_of_newer_servers_are_restored() {
        let mut restored = 0;
        for (kind, made, payload) in newer() {
            if kind.starts_with("rdb") || kind == "function" {
                continue;
            }
            let mut t = Testbed::new();
            let reply = t.run_args(&[b"RESTORE", b"k", b"0", &payload]);
            assert_eq!(reply, b"+OK\r\n", "{made}");
            t.engine.keyspace.check_invariants();
            restored += 1;
            // A second dump has the lowest version that holds the value.
            let dumped = payload_of_k(&mut t);
            let newest = match made {
                _ if kind == "28" => 28,
                _ if made.contains("XNACK") || made.starts_with("the stream before") => 27,
                _ if made.contains("IDMP") => 26,
                _ => 25,
            };
            assert!(dumped[0] <= newest, "{made}");
            for at in 0..payload.len() - 10 {
                for value in [0, 1, 2, 5, 0x7f, 0x80, 0xc3, 0xff] {
                    let mut changed = payload[..payload.len() - 10].to_vec();
                    changed[at] = value;
                    russet_persistence::rdb::seal(&mut changed, 15);
                    t.run_args(&[b"RESTORE", b"k", b"0", &changed, b"REPLACE"]);
                    t.engine.keyspace.check_invariants();
                }
            }
        }
        assert_eq!(restored, 21);
    }

    #[test]
    fn hashes_with_templates_become_plain_ones() {
        let mut t = Testbed::new();
        for (kind, made, payload) in newer() {
            let fields = match made {
                "HIMPORT PREPARE s name age city; HIMPORT SET h s Bob 30 Paris" => {
                    "*3\r\n$3\r\nBob\r\n$2\r\n30\r\n$5\r\nParis\r\n"
                }
                _ if kind.starts_with("stream") => "*3\r\n$-1\r\n$-1\r\n$-1\r\n",
                _ => continue,
            };
            t.run_args(&[b"RESTORE", b"k", b"0", &payload, b"REPLACE"]);
            assert_eq!(t.run("HMGET k name age city"), fields, "{made}");
            assert_eq!(t.run("OBJECT ENCODING k"), "$8\r\nlistpack\r\n");
        }
        assert_eq!(
            t.run("HGETALL k"),
            "*4\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n1\r\n"
        );
    }

    #[test]
    fn pending_entries_without_a_consumer_can_be_claimed() {
        let (_, _, payload) = newer()
            .into_iter()
            .find(|(_, made, _)| made.starts_with("the stream before"))
            .expect("it is listed");
        let mut t = Testbed::new();
        t.run_args(&[b"RESTORE", b"k", b"0", &payload]);
        let pending = t.run("XPENDING k g");
        assert!(
            pending.starts_with("*4\r\n:3\r\n$3\r\n1-1\r\n$3\r\n3-1\r\n"),
            "{pending}"
        );
        let claimed = t.run("XAUTOCLAIM k g c 3600000 0 JUSTID");
        assert!(
            claimed.contains("*2\r\n$3\r\n1-1\r\n$3\r\n2-1\r\n"),
            "{claimed}"
        );
        assert_eq!(t.run("XACK k g 1-1 2-1 3-1"), ":3\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn a_checksum_of_zero_is_none() {
        let mut t = Testbed::new();
        t.run("SET k text");
        let dumped = payload_of_k(&mut t);
        for (version, reply) in [
            (0, &b"+OK\r\n"[..]),
            (12, b"+OK\r\n"),
            (15, b"+OK\r\n"),
            (80, b"-ERR DUMP payload version or checksum are wrong\r\n"),
            (17, b"+OK\r\n"),
            (18, b"-ERR DUMP payload version or checksum are wrong\r\n"),
        ] {
            let value = &dumped[..dumped.len() - 10];
            let payload = [value, &[version, 0], &[0; 8]].concat();
            let restored = t.run_args(&[b"RESTORE", b"k", b"0", &payload, b"REPLACE"]);
            assert_eq!(restored, reply, "{version}");
        }
    }

    /// The DUMP payload of key `k`.
    fn payload_of_k(t: &mut Testbed) -> Vec<u8> {
        let reply = t.run_args(&[b"DUMP", b"k"]);
        let start = reply.iter().position(|&b| b == b'\n').expect("a line") + 1;
        reply[start..reply.len() - 2].to_vec()
    }

    const KEYS: [&str; 11] = [
        "SET k text",
        "SET k 12345",
        "RPUSH k 1 2 three",
        "SADD k 1 2 3",
        "SADD k a b 3",
        "ZADD k 1 a 2.5 b -inf c",
        "HSET k f v g 7",
        "HSETEX k EX 100 FIELDS 2 f v g 7",
        "SET k \"\"",
        "ZADD k 1 a",
        "SET k 99999999999",
    ];

    #[test]
    fn what_was_dumped_comes_back_and_dumps_alike() {
        for line in KEYS {
            let mut t = Testbed::new();
            if t.run(line).starts_with('-') {
                continue;
            }
            let payload = payload_of_k(&mut t);
            let busy = "-BUSYKEY Target key name already exists.\r\n";
            let restore: &[&[u8]] = &[b"RESTORE", b"k", b"0", &payload];
            assert_eq!(t.run_args(restore), busy.as_bytes());
            let restore: &[&[u8]] = &[b"RESTORE", b"k", b"5000", &payload, b"REPLACE"];
            assert_eq!(t.run_args(restore), b"+OK\r\n", "{line}");
            assert_eq!(payload_of_k(&mut t), payload, "{line}");
            assert_eq!(t.run("PTTL k"), ":5000\r\n");
        }
    }

    #[test]
    fn an_effect_names_the_time_and_not_the_distance() {
        let mut t = Testbed::new();
        t.run("SET k 1");
        let payload = payload_of_k(&mut t);
        t.take_effects();
        t.run_args(&[b"RESTORE", b"a", b"1000", &payload]);
        let at = t.engine.keyspace.now_ms() + 1000;
        let effect = t.take_effects().remove(0);
        assert!(effect.starts_with(&format!("RESTORE a {at} ")), "{effect}");
        assert!(effect.ends_with(" ABSTTL"), "{effect}");
    }

    #[test]
    fn a_time_that_has_passed_leaves_nothing() {
        let mut t = Testbed::new();
        t.run("SET k 1");
        let payload = payload_of_k(&mut t);
        t.run("SET a 1");
        t.take_effects();
        assert_eq!(
            t.run_args(&[b"RESTORE", b"b", b"1", &payload, b"ABSTTL"]),
            b"+OK\r\n"
        );
        assert!(t.take_effects().is_empty());
        let replace: &[&[u8]] = &[b"RESTORE", b"a", b"1", &payload, b"ABSTTL", b"REPLACE"];
        assert_eq!(t.run_args(replace), b"+OK\r\n");
        assert_eq!(t.run("EXISTS a b"), ":0\r\n");
        assert_eq!(t.take_effects(), ["DEL a"]);
    }

    #[test]
    fn damaged_payloads_are_refused_and_change_nothing() {
        let mut t = Testbed::new();
        t.run("HSETEX k EX 100 FIELDS 2 f v g 7");
        let payload = payload_of_k(&mut t);
        for at in 0..payload.len() {
            let mut wrong = payload.clone();
            wrong[at] ^= 1;
            let reply = t.run_args(&[b"RESTORE", b"x", b"0", &wrong]);
            assert_eq!(
                reply,
                b"-ERR DUMP payload version or checksum are wrong\r\n"
            );
        }
        for (args, reply) in [
            (&["-1"][..], "-ERR Invalid TTL value, must be >= 0\r\n"),
            (&["x"], "-ERR value is not an integer or out of range\r\n"),
            (
                &["0", "FREQ", "256"],
                "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n",
            ),
            (
                &["0", "IDLETIME", "-1"],
                "-ERR Invalid IDLETIME value, must be >= 0\r\n",
            ),
            (
                &["0", "IDLETIME", "1", "FREQ", "1"],
                "-ERR syntax error\r\n",
            ),
            (&["0", "IDLETIME"], "-ERR syntax error\r\n"),
        ] {
            let mut words: Vec<&[u8]> = vec![b"RESTORE", b"x", args[0].as_bytes(), &payload];
            words.extend(args[1..].iter().map(|word| word.as_bytes()));
            assert_eq!(t.run_args(&words), reply.as_bytes(), "{args:?}");
        }
        assert_eq!(t.run("EXISTS x"), ":0\r\n");
    }

    /// Limits on element length apply only to additions, as in Redis.
    #[test]
    fn what_was_packed_stays_packed_however_long_its_elements() {
        let mut t = Testbed::new();
        let long = "x".repeat(200);
        for (limit, line) in [
            ("zset-max-listpack-value", format!("ZADD k 1 {long}")),
            ("hash-max-listpack-value", format!("HSET k f {long}")),
        ] {
            t.run(&format!("CONFIG SET {limit} 1000"));
            t.run("DEL k");
            t.run(&line);
            let payload = payload_of_k(&mut t);
            t.run(&format!("CONFIG SET {limit} 64"));
            let restore: &[&[u8]] = &[b"RESTORE", b"k", b"0", &payload, b"REPLACE"];
            assert_eq!(t.run_args(restore), b"+OK\r\n");
            assert_eq!(t.run("OBJECT ENCODING k"), "$8\r\nlistpack\r\n", "{line}");
        }
    }

    #[test]
    fn idle_time_is_restored() {
        let mut t = Testbed::new();
        t.run("SET k 1");
        let payload = payload_of_k(&mut t);
        t.run_args(&[b"RESTORE", b"a", b"0", &payload, b"IDLETIME", b"1000"]);
        assert_eq!(t.run("OBJECT IDLETIME a"), ":1000\r\n");
    }
}
