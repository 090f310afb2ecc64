//! MGET, MSET, MSETNX, MSETEX: several strings at once.
//!
//! The handlers check conditions for all keys before they set the first: all or none. MGET replies
//! null for a key of another type. The handlers set keys in order, with an event for each.
//!
//! MSETEX propagates MSET or SETs with an absolute time, because other servers may not have MSETEX.
//!
//! Cost: O(keys) lookups; a large value is not copied (`NewValue::argument`).

use super::set::record_set_until;
use crate::arguments::expiry::{ExpireArg, KEEPTTL};
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{
    Access, Arity, BeginSearch, Category, CommandError, Flags, KeyExtent, KeySpec,
};
use russet_keyspace::{Class, Expiry, NewValue};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};

pub(super) const MGET: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::range(1, -1, 1, Access::READ)],
    categories: Category::STRING,
    tips: &["request_policy:multi_shard"],
    work: work::EACH_KEY,
    ..Spec::new("mget", mget)
};

/// `MGET key ...`: the strings at the keys.
///
/// Reply: array of bulk strings; null if the key is missing or not a string. O(keys).
fn mget(call: &mut Call<'_>) -> CommandResult {
    call.reply.array(call.args.len() - 1);
    for key in call.args.from(1).iter() {
        let outcome = call.db.reply_string(key, call.reply);
        if !matches!(outcome, Ok(true)) {
            reply_missing(call.reply, outcome);
        }
    }
    Ok(())
}

/// The element of a key without a string: null, or the error of a damaged value.
#[inline(never)]
fn reply_missing(reply: &mut Reply, outcome: Result<bool, CommandError>) {
    match outcome {
        Err(damaged @ CommandError::DamagedValue) => reply.error(&damaged),
        Ok(_) | Err(_) => reply.null(),
    }
}

pub(super) const MSET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::range(1, -1, 2, Access::OVERWRITE)],
    categories: Category::STRING,
    tips: &[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ],
    work: work::EACH_KEY,
    ..Spec::new("mset", mset)
};

/// `MSET key value ...`: sets all of them.
///
/// Reply: OK. O(keys).
fn mset(call: &mut Call<'_>) -> CommandResult {
    if call.args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(call.name.into()));
    }
    for at in (1..call.args.len()).step_by(2) {
        let (key, value) = (call.args.at(at), NewValue::argument(call.args, at + 1));
        call.db.set_string(key, value, Expiry::Clear);
        call.db.changed(key, Class::STRING, "set");
    }
    call.reply.ok();
    Ok(())
}

pub(super) const MSETNX: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::range(1, -1, 2, Access::OW.union(Access::INSERT))],
    categories: Category::STRING,
    work: work::EACH_KEY,
    ..Spec::new("msetnx", msetnx)
};

/// `MSETNX key value ...`: sets all of them if none exists.
///
/// Reply: 1, or 0 if a key existed and nothing was set. O(keys).
fn msetnx(call: &mut Call<'_>) -> CommandResult {
    if call.args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(call.name.into()));
    }
    let pairs = call.args.from(1);
    if pairs.iter().step_by(2).any(|key| call.db.contains(key)) {
        call.reply.int(0);
        return Ok(());
    }
    set_pairs(call, pairs, Expiry::Clear);
    call.reply.int(1);
    Ok(())
}

fn set_pairs(call: &mut Call<'_>, pairs: Args<'_>, expiry: Expiry) {
    for at in (0..pairs.len()).step_by(2) {
        let (key, value) = (pairs.at(at), NewValue::argument(pairs, at + 1));
        call.db.set_string(key, value, expiry);
        let expires = matches!(expiry, Expiry::At(_));
        // As in Redis, the other way round than SET.
        let is_first = call.db.dialect().msetex_expires_first();
        if expires && is_first {
            call.db.event(key, Class::GENERIC, "expire");
        }
        call.db.changed(key, Class::STRING, "set");
        if expires && !is_first {
            call.db.event(key, Class::GENERIC, "expire");
        }
    }
}

pub(super) const MSETEX: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec {
        access: Access::OVERWRITE,
        begin: BeginSearch::Index(1),
        find: KeyExtent::KeyNum {
            count_at: 0,
            first: 1,
            step: 2,
        },
        notes: "",
    }],
    categories: Category::STRING,
    tips: &[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ],
    work: work::EACH_KEY,
    ..Spec::new("msetex", msetex)
};

/// `MSETEX numkeys key value ... [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: sets all
/// of the keys, or none if any key does not meet the condition.
///
/// Reply: 1, or 0 if nothing was set. O(keys).
///
/// Propagated as SETs, for servers without this command.
fn msetex(call: &mut Call<'_>) -> CommandResult {
    let dialect = call.db.dialect();
    let numkeys = parse_i64(call.args.at(1))
        .filter(|n| (1..=i32::MAX as i64).contains(n))
        .ok_or(CommandError::Text(dialect.msetex_numkeys()))? as usize;
    let first_option = 2 + 2 * numkeys;
    if call.args.len() < first_option {
        return Err(CommandError::Text(dialect.msetex_pairs()));
    }
    let (wanted, expiry) = msetex_options(call, first_option)?;
    let keys = || call.args.from(2).iter().step_by(2).take(numkeys);
    if let Some(there) = wanted
        && keys().any(|key| call.db.contains(key) != there)
    {
        call.reply.int(0);
        return Ok(());
    }
    let pairs = call.args.from(2).first(2 * numkeys);
    set_pairs(call, pairs, expiry);
    call.reply.int(1);
    if call.effects_wanted() {
        record_sets(call, pairs, expiry);
    }
    Ok(())
}

/// Whether the keys must exist (`Some(true)`), must not (`Some(false)`), or may; and their expiry.
fn msetex_options(call: &Call<'_>, first: usize) -> Result<(Option<bool>, Expiry), CommandError> {
    let args = call.args;
    let (mut wanted, mut keep_ttl) = (None, false);
    let mut expire: Option<ExpireArg<'_>> = None;
    let mut at = first;
    while at < args.len() {
        if args.is(at, "NX") && wanted != Some(true) {
            wanted = Some(false);
        } else if args.is(at, "XX") && wanted != Some(false) {
            wanted = Some(true);
        } else if args.is(at, KEEPTTL) && expire.is_none() {
            keep_ttl = true;
        } else if !keep_ttl
            && let Some(arg) = ExpireArg::parse(args, at)
            && expire.is_none_or(|first| first.is_same_form(&arg))
        {
            expire = Some(arg);
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    let expiry = match expire {
        Some(arg) => Expiry::At(arg.unix_ms(call.db.now_ms(), call.name)?),
        None if keep_ttl => Expiry::Keep,
        None => Expiry::Clear,
    };
    Ok((wanted, expiry))
}

fn record_sets(call: &mut Call<'_>, pairs: Args<'_>, expiry: Expiry) {
    if expiry == Expiry::Clear {
        let words: Vec<&[u8]> = std::iter::once(&b"MSET"[..]).chain(pairs.iter()).collect();
        return call.rewrite(&words);
    }
    for at in (0..pairs.len()).step_by(2) {
        let (key, text) = (pairs.at(at), pairs.at(at + 1));
        match expiry {
            Expiry::At(when) => record_set_until(call, key, text, when),
            _ => call.rewrite(&[b"SET", key, text, b"KEEPTTL"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn msetnx_sets_all_or_nothing() {
        let mut t = Testbed::new();
        assert_eq!(t.run("MSETNX a 1 a 2 b 3"), ":1\r\n");
        assert_eq!(t.run("MGET a b"), "*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
        assert_eq!(t.run("MSETNX c 1 b 2"), ":0\r\n");
        assert_eq!(t.run("GET c"), "$-1\r\n");
        assert_eq!(
            t.run("MSETNX c 1 b"),
            "-ERR wrong number of arguments for 'msetnx' command\r\n"
        );
    }

    #[test]
    fn msetex_counts_its_keys_before_it_believes_them() {
        let mut t = Testbed::new();
        for (line, reply) in [
            ("MSETEX 0 a 1", "-ERR invalid numkeys value\r\n"),
            ("MSETEX x a 1", "-ERR invalid numkeys value\r\n"),
            ("MSETEX 2147483648 a 1", "-ERR invalid numkeys value\r\n"),
            (
                "MSETEX 2147483647 a 1",
                "-ERR wrong number of key-value pairs\r\n",
            ),
            ("MSETEX 2 a 1 b", "-ERR wrong number of key-value pairs\r\n"),
            ("MSETEX 2 a 1 b 2 c", "-ERR syntax error\r\n"),
            ("MSETEX 1 a 1 NX XX", "-ERR syntax error\r\n"),
            ("MSETEX 1 a 1 EX 1 PX 1", "-ERR syntax error\r\n"),
            (
                "MSETEX 1 a 1 EX 0",
                "-ERR invalid expire time in 'msetex' command\r\n",
            ),
            ("MSETEX 2 a 1 b 2 XX", ":0\r\n"),
            ("MSETEX 2 a 1 b 2 NX EX 10 EX 20", ":1\r\n"),
            ("MSETEX 2 a 1 b 2 KEEPTTL", ":1\r\n"),
            ("MSETEX 2 a 3 b 4", ":1\r\n"),
        ] {
            assert_eq!(t.run(line), reply, "{line}");
        }
        assert_eq!(
            t.take_effects(),
            [
                "SET a 1 PXAT 1000020000",
                "SET b 2 PXAT 1000020000",
                "SET a 1 KEEPTTL",
                "SET b 2 KEEPTTL",
                "MSET a 3 b 4"
            ]
        );
    }
}
