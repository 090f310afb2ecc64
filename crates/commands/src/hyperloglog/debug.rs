//! PFDEBUG and PFSELFTEST: inspection and self-test.

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{check, damaged, store};
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_encodings::hyperloglog::{RegisterForm, Registers, describe_runs, self_test, to_dense};
use russet_server::{Call, CommandResult, Spec};

pub(super) const PFDEBUG: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::ADMIN),
    keys: &[KeySpec::one(2, Access::RW.union(Access::ACCESS))],
    categories: Category::HYPERLOGLOG,
    ..Spec::new("pfdebug", pfdebug)
};

/// `PFDEBUG GETREG key`: all registers, as an array; converts a sparse HyperLogLog to dense.
/// `PFDEBUG DECODE key`: the runs of a sparse HyperLogLog, as text. `PFDEBUG ENCODING key`:
/// `sparse` or `dense`. `PFDEBUG TODENSE key`: 1 if it was converted from sparse, else 0. `PFDEBUG
/// SIMD (ON | OFF)`: `disabled`, because russet's loops have only one form.
///
/// O(registers).
fn pfdebug(call: &mut Call<'_>) -> CommandResult {
    const MISSING: CommandError = CommandError::Text("ERR The specified key does not exist");
    const NOT_SPARSE: CommandError = CommandError::Text("ERR HLL encoding is not sparse");
    let [_, word, key] = call.args.exactly();
    if call.args.is(1, "SIMD") {
        return simd(call);
    }
    let mut place = call.db.place(key);
    place.unpack()?;
    let text = place.string()?.ok_or(MISSING)?;
    let (hll, form) = check(text)?;
    let sparse = form == RegisterForm::Sparse;
    if call.args.is(1, "GETREG") {
        let mut registers = Registers::new();
        registers.merge(hll).map_err(damaged)?;
        if sparse {
            let dense = to_dense(hll).map_err(damaged)?;
            store(place, &dense);
            call.db.changed_silently(key);
        }
        call.reply.array(registers.values().len());
        for &value in registers.values() {
            call.reply.int(value.into());
        }
    } else if call.args.is(1, "DECODE") {
        if !sparse {
            return Err(NOT_SPARSE);
        }
        call.reply.bulk(describe_runs(hll).as_bytes());
    } else if call.args.is(1, "ENCODING") {
        call.reply.simple(if sparse { "sparse" } else { "dense" });
    } else if call.args.is(1, "TODENSE") {
        if sparse {
            let dense = to_dense(hll).map_err(damaged)?;
            store(place, &dense);
            call.db.changed_silently(key);
        }
        call.reply.int(sparse.into());
    } else {
        return Err(CommandError::naming(
            "ERR Unknown PFDEBUG subcommand '",
            word,
            "'",
        ));
    }
    Ok(())
}

fn simd(call: &mut Call<'_>) -> CommandResult {
    if !call.args.is(2, "ON") && !call.args.is(2, "OFF") {
        return Err(CommandError::Text("ERR Argument must be ON or OFF"));
    }
    call.reply.simple("disabled");
    Ok(())
}

pub(super) const PFSELFTEST: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::ADMIN,
    categories: Category::HYPERLOGLOG,
    ..Spec::new("pfselftest", pfselftest)
};

/// `PFSELFTEST`: adds a million elements to a HyperLogLog of each form and compares.
///
/// Reply: OK, or an error that says what is wrong. Tens of milliseconds.
fn pfselftest(call: &mut Call<'_>) -> CommandResult {
    let mut rng = SmallRng::from_rng(call.db.rng());
    self_test(&mut rng, call.server.config.hll_sparse_max_bytes)
        .map_err(|what| CommandError::owned(format!("ERR {what}")))?;
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn registers_and_runs_are_shown() {
        let mut t = Testbed::new();
        t.run("PFADD h");
        assert_eq!(t.run("PFDEBUG DECODE h"), "$7\r\nZ:16384\r\n");
        assert_eq!(t.run("PFDEBUG encoding h"), "+sparse\r\n");
        t.take_effects();
        t.take_events();
        let registers = t.run("PFDEBUG GETREG h");
        assert!(registers.starts_with("*16384\r\n:0\r\n:0\r\n"));
        assert_eq!(t.take_effects(), ["PFDEBUG GETREG h"]);
        assert!(t.take_events().is_empty());
        assert_eq!(t.run("PFDEBUG ENCODING h"), "+dense\r\n");
        assert_eq!(t.run("PFDEBUG TODENSE h"), ":0\r\n");
        assert_eq!(
            t.run("PFDEBUG DECODE h"),
            "-ERR HLL encoding is not sparse\r\n"
        );
        assert_eq!(t.run("PFDEBUG SIMD on"), "+disabled\r\n");
        assert_eq!(t.run("PFSELFTEST"), "+OK\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn refusals() {
        let mut t = Testbed::new();
        t.run("PFADD h");
        for (line, text) in [
            ("PFDEBUG nosuch none", "The specified key does not exist"),
            ("PFDEBUG nosuch h", "Unknown PFDEBUG subcommand 'nosuch'"),
            ("PFDEBUG SIMD x", "Argument must be ON or OFF"),
            (
                "PFDEBUG GETREG",
                "wrong number of arguments for 'pfdebug' command",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
    }
}
