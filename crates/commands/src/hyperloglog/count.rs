//! PFCOUNT and PFMERGE.
//!
//! Missing keys are empty. PFCOUNT caches the count of a single key in the value: it is a reader
//! that may write, and then propagates (MAY_REPLICATE) without a keyspace event. It never caches
//! the count of several keys.
//!
//! Cost: O(1) with a cached count, else O(registers) a key. The handlers merge dense HyperLogLogs
//! together at the end; sparse HyperLogLogs in the order of keys, because the first damaged value
//! decides the error.

use super::{check, damaged, store};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_encodings::hyperloglog::{
    DENSE_BYTES, RegisterForm, Registers, as_dense, cached, count, empty, invalidate, set_cached,
    to_dense,
};
use russet_keyspace::{Class, Db, Str, TextBuffer};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};

pub(super) const PFCOUNT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::MAY_REPLICATE),
    keys: &[
        KeySpec::range(1, -1, 1, Access::RW.union(Access::ACCESS)).noted(
            "RW because it may change the internal representation of the key, and propagate to \
             replicas",
        ),
    ],
    categories: Category::HYPERLOGLOG,
    work: work::EACH_KEY,
    ..Spec::new("pfcount", pfcount)
};

/// `PFCOUNT key [key ...]`: the approximate number of distinct elements in the union of the keys.
///
/// Reply: integer; missing keys are empty. The standard error is 0.81 %. PFCOUNT caches the count
/// of a single key in the value: O(1) until the value changes. O(registers) a key for several.
fn pfcount(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() > 2 {
        return count_union(call);
    }
    let key = call.args.at(1);
    let mut place = call.db.place(key);
    place.count_read();
    place.unpack()?;
    let Some(text) = place.string()? else {
        call.reply.int(0);
        return Ok(());
    };
    let (hll, _) = check(text)?;
    let cardinality = match cached(hll) {
        Some(cardinality) => cardinality,
        None => {
            let (cardinality, len) = (count(hll).map_err(damaged)?, hll.len());
            set_cached(place.grow(len), cardinality);
            // A reader that changes the string: the command is propagated, but no event is sent.
            call.db.changed_silently(key);
            cardinality
        }
    };
    call.reply.int(cardinality as i64);
    Ok(())
}

fn count_union(call: &mut Call<'_>) -> CommandResult {
    let mut union = Registers::new();
    merge_all(&mut union, &mut call.db, call.args.from(1))?;
    call.reply.int(union.count() as i64);
    Ok(())
}

/// Merges the HyperLogLogs into `union` and returns whether any of them is dense. Merges sparse
/// values as it finds them, so that it refuses the first damaged value before it looks up later
/// keys; merges the dense values, which cannot be damaged, together at the end.
fn merge_all(union: &mut Registers, db: &mut Db<'_>, keys: Args<'_>) -> Result<bool, CommandError> {
    let (mut buffer, mut any_dense) = (TextBuffer::new(), false);
    let found = db.strings_as(keys.iter(), |text| {
        if let Some(packed @ Str::Packed(_)) = text {
            let (hll, form) = check(Str::Bytes(packed.text(&mut buffer)?))?;
            any_dense |= form == RegisterForm::Dense;
            union.merge(hll).map_err(damaged)?;
            return Ok(None);
        }
        let Some((hll, _)) = text.map(check).transpose()? else {
            return Ok(None);
        };
        let dense = as_dense(hll);
        if dense.is_none() {
            union.merge(hll).map_err(damaged)?;
        }
        Ok(dense)
    })?;
    let dense: Vec<_> = found.into_iter().flatten().collect();
    union.merge_dense(&dense);
    Ok(any_dense || !dense.is_empty())
}

pub(super) const PFMERGE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::RW.union(Access::ACCESS).union(Access::INSERT)),
        KeySpec::range(2, -1, 1, Access::READ),
    ],
    categories: Category::HYPERLOGLOG,
    work: work::EACH_KEY,
    ..Spec::new("pfmerge", pfmerge)
};

/// `PFMERGE destination [source ...]`: merges the sources into `destination`; creates a missing
/// destination. The destination becomes dense if any of the values is.
///
/// Reply: OK. O(registers) a key.
fn pfmerge(call: &mut Call<'_>) -> CommandResult {
    let bytes_max = call.server.config.hll_sparse_max_bytes;
    let mut union = Registers::new();
    let any_dense = merge_all(&mut union, &mut call.db, call.args.from(1))?;
    let key = call.args.at(1);
    let mut place = call.db.place(key);
    place.unpack()?;
    let old = place.string()?.map(check).transpose()?;
    if let Some((_, RegisterForm::Dense)) = old {
        let hll = place.grow(DENSE_BYTES);
        union.pack(hll);
        invalidate(hll);
    } else {
        let mut hll = old.map_or_else(empty, |(text, _)| text.to_vec());
        if any_dense {
            hll = to_dense(&hll).map_err(damaged)?;
            union.pack(&mut hll);
        } else {
            union.raise_all(&mut hll, bytes_max).map_err(damaged)?;
        }
        invalidate(&mut hll);
        store(place, &hll);
    }
    // The event is that of a PFADD.
    call.db.changed(key, Class::STRING, "pfadd");
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn a_union_is_counted_and_merged() {
        let mut t = Testbed::new();
        t.run("PFADD a 1 2 3 4");
        t.run("PFADD b 3 4 5 6 7");
        assert_eq!(t.run("PFCOUNT a b none"), ":7\r\n");
        assert_eq!(t.run("PFCOUNT none"), ":0\r\n");
        assert_eq!(t.run("PFCOUNT none other"), ":0\r\n");
        assert_eq!(t.run("PFMERGE c a b none"), "+OK\r\n");
        assert_eq!(t.run("PFCOUNT c"), ":7\r\n");
        assert_eq!(t.run("PFMERGE a b"), "+OK\r\n");
        assert_eq!(t.run("PFCOUNT a"), ":7\r\n");
        assert_eq!(t.run("PFDEBUG TODENSE b"), ":1\r\n");
        assert_eq!(t.run("PFMERGE d b"), "+OK\r\n");
        assert_eq!(t.run("PFDEBUG ENCODING d"), "+dense\r\n");
        assert_eq!(t.run("PFMERGE a b"), "+OK\r\n");
        assert_eq!(t.run("PFDEBUG ENCODING a"), "+dense\r\n");
        assert_eq!(t.run("PFCOUNT a d"), ":7\r\n");
        assert_eq!(t.run("PFMERGE new"), "+OK\r\n");
        assert_eq!(t.run("PFCOUNT new"), ":0\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn what_is_counted_is_kept_and_repeated_once() {
        let mut t = Testbed::new();
        t.run("PFADD h a b");
        t.take_effects();
        t.take_events();
        for _ in 0..3 {
            assert_eq!(t.run("PFCOUNT h"), ":2\r\n");
        }
        assert_eq!(t.take_effects(), ["PFCOUNT h"]);
        assert!(t.take_events().is_empty());
        // The cached count is trusted.
        t.run_args(&[b"SETRANGE", b"h", b"8", b"\x2a\0\0\0\0\0\0\0"]);
        assert_eq!(t.run("PFCOUNT h"), ":42\r\n");
        t.run("PFADD h c");
        assert_eq!(t.run("PFCOUNT h"), ":3\r\n");
    }
}
