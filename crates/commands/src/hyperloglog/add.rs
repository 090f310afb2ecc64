//! PFADD.
//!
//! A missing key becomes a sparse HyperLogLog; a sparse HyperLogLog becomes dense beyond
//! `hll-sparse-max-bytes`, and never sparse again. If no register rises the handler writes nothing,
//! and does not propagate the command.
//!
//! Damage in a sparse HyperLogLog ends the command with an error. Elements added before stay, as in
//! Redis, and the handler propagates only these.
//!
//! Cost: before the handler writes a dense HyperLogLog it searches for the first element that
//! changes it.

use super::{check, damaged, store};
use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_encodings::hyperloglog::{
    self, DENSE_BYTES, RegisterForm, add_dense, empty, invalidate, raises,
};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};

pub(super) const PFADD: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::HYPERLOGLOG,
    work: work::EACH_MEMBER,
    ..Spec::new("pfadd", pfadd)
};

/// `PFADD key [element ...]`: adds elements; creates a missing key.
///
/// Reply: 1 if the key was created or a register has risen, else 0. O(elements) for a dense value,
/// O(elements x bytes) for a sparse value, which has at most `hll-sparse-max-bytes`.
fn pfadd(call: &mut Call<'_>) -> CommandResult {
    let (key, elements) = (call.args.at(1), call.args.from(2));
    let bytes_max = call.server.config.hll_sparse_max_bytes;
    let mut place = call.db.place(key);
    place.unpack()?;
    let old = place.string()?.map(check).transpose()?;
    let (mut updated, mut outcome): (_, CommandResult) = (0, Ok(()));
    let mut added_before_damage = None;
    if let Some((text, RegisterForm::Dense)) = old {
        // A HyperLogLog with many elements rarely changes, and reading is cheaper than writing.
        if let Some(first) = elements.iter().position(|element| raises(text, element)) {
            let hll = place.grow(DENSE_BYTES);
            let changing = elements.from(first);
            let added = changing.iter().filter(|element| add_dense(hll, element));
            updated = added.count();
            invalidate(hll);
        }
    } else {
        let is_new = old.is_none();
        let mut hll = old.map_or_else(empty, |(text, _)| text.to_vec());
        for (at, element) in elements.iter().enumerate() {
            match hyperloglog::add(&mut hll, element, bytes_max) {
                Ok(added) => updated += usize::from(added),
                // Elements added before the damage stay, as in Redis; only they are propagated.
                Err(damage) => {
                    outcome = Err(damaged(damage));
                    added_before_damage = Some(at);
                    break;
                }
            }
        }
        updated += usize::from(is_new);
        if updated > 0 {
            invalidate(&mut hll);
            store(place, &hll);
        }
    }
    if updated > 0 {
        call.db.changed_by(key, updated, Class::STRING, "pfadd");
        if let Some(count) = added_before_damage {
            let done = call.args.first(2 + count);
            call.rewrite_each(done.iter());
        }
    }
    outcome?;
    call.reply.int(i64::from(updated > 0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn elements_count_once() {
        let mut t = Testbed::new();
        assert_eq!(t.run("PFADD h"), ":1\r\n");
        assert_eq!(t.run("PFADD h"), ":0\r\n");
        assert_eq!(t.run("PFADD h a b c"), ":1\r\n");
        assert_eq!(t.run("PFADD h c b a"), ":0\r\n");
        assert_eq!(t.run("OBJECT ENCODING h"), "$3\r\nraw\r\n");
        let runs = "$44\r\nZ:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603\r\n";
        assert_eq!(t.run("PFDEBUG DECODE h"), runs);
        assert_eq!(t.take_effects(), ["PFADD h", "PFADD h a b c"]);
    }

    #[test]
    fn it_becomes_dense_as_configured_and_keeps_its_expiry() {
        let mut t = Testbed::new();
        t.engine.server.config.hll_sparse_max_bytes = 40;
        t.run("PFADD h a");
        t.run("EXPIRE h 100");
        for i in 0..7 {
            t.run(&format!("PFADD h {i}"));
        }
        assert_eq!(t.run("PFDEBUG ENCODING h"), "+dense\r\n");
        assert_eq!(t.run("STRLEN h"), ":12304\r\n");
        assert_eq!(t.run("PFCOUNT h"), ":8\r\n");
        assert_eq!(t.run("PFADD h a"), ":0\r\n");
        assert_eq!(t.run("PFADD h new"), ":1\r\n");
        assert_eq!(t.run("PFCOUNT h"), ":9\r\n");
        assert_eq!(t.run("TTL h"), ":100\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn what_is_none_is_refused() {
        let mut t = Testbed::new();
        let not_one = "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n";
        for value in ["", "123", "HYLL", "xxxxxxxxxxxxxxxxxxxx"] {
            t.run_args(&[b"SET", b"s", value.as_bytes()]);
            assert_eq!(t.run("PFADD s a"), not_one, "{value}");
            assert_eq!(t.run("PFCOUNT s"), not_one, "{value}");
            assert_eq!(t.run("PFCOUNT none s"), not_one, "{value}");
            assert_eq!(t.run("PFMERGE d s"), not_one, "{value}");
        }
        t.run("RPUSH l a");
        assert!(t.run("PFADD l a").starts_with("-WRONGTYPE Operation"));
        assert!(t.run("PFMERGE d l").starts_with("-WRONGTYPE Operation"));
    }

    /// Registers beyond the last are never written, however the runs lie.
    #[test]
    fn damaged_runs_are_refused() {
        let mut t = Testbed::new();
        let invalid = "-INVALIDOBJ Corrupted HLL object detected\r\n";
        t.run("PFADD h a b c");
        t.run_args(&[b"APPEND", b"h", b"hello"]);
        for line in [
            "PFCOUNT h",
            "PFCOUNT h h",
            "PFMERGE d h",
            "PFDEBUG GETREG h",
            "PFDEBUG TODENSE h",
        ] {
            assert_eq!(t.run(line), invalid, "{line}");
        }
        t.run("PFADD short a");
        t.run_args(&[b"SETRANGE", b"short", b"16", b"\x00\x80\x40"]);
        assert_eq!(t.run("PFADD short b c d e f"), invalid);
        assert_eq!(t.run("PFCOUNT short"), invalid);
    }

    /// A command that fails half way is repeated as far as it went: a file of commands that
    /// gives errors is suspect.
    #[test]
    fn what_was_added_before_damage_is_all_that_is_repeated() {
        // Runs of 10,000 registers, and no others.
        const DAMAGED: &[u8] = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x67\x0f";
        let mut t = Testbed::new();
        let mut takes = |element: &str| {
            t.run_args(&[b"SET", b"h", DAMAGED]);
            t.run(&format!("PFADD h {element}")) == ":1\r\n"
        };
        let elements = ["a", "b", "c"].into_iter();
        let (good, bad): (Vec<&str>, Vec<&str>) = elements.partition(|element| takes(element));
        let (good, bad) = (good[0], bad[0]);
        t.run_args(&[b"SET", b"h", DAMAGED]);
        t.take_effects();
        let invalid = "-INVALIDOBJ Corrupted HLL object detected\r\n";
        assert_eq!(t.run(&format!("PFADD h {good} {bad} {good}")), invalid);
        assert_eq!(t.take_effects(), [format!("PFADD h {good}")]);
        assert_eq!(t.run(&format!("PFADD h {bad}")), invalid);
        assert!(t.take_effects().is_empty());
    }
}
