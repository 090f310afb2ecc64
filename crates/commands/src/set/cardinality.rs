//! SINTERCARD, SUNIONCARD and SDIFFCARD: the sizes of results, counted without building them.
//!
//! Counting stops at LIMIT. SDIFFCARD is the exception: if taking away is less work than looking
//! up, it builds the rest of the first set. SUNIONCARD APPROX estimates as PFCOUNT does, with 0.81
//! % standard error and no memory that grows.
//!
//! Cost: as SINTER, SUNION and SDIFF, whose plans are shared (`algebra`).

use super::algebra::{Plan, Sets, by_size, look_up, taken_away};
use crate::arguments::element;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_encodings::hyperloglog::Registers;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Set, difference_len, intersection_len, union_len};

pub(super) const SINTERCARD: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::counted(1, Access::READ)],
    categories: Category::SET,
    work: work::COMMON_SETS,
    ..Spec::new("sintercard", sintercard)
};

pub(super) const SUNIONCARD: Spec = Spec {
    name: "sunioncard",
    work: work::SETS,
    handler: sunioncard,
    ..SINTERCARD
};

pub(super) const SDIFFCARD: Spec = Spec {
    name: "sdiffcard",
    work: work::SETS,
    handler: sdiffcard,
    ..SINTERCARD
};

/// `numkeys key ... [APPROX] [LIMIT limit]`.
struct Request<'a> {
    keys: Args<'a>,
    /// Count no further than this.
    limit: usize,
    approximate: bool,
}

impl<'a> Request<'a> {
    /// Options may be repeated; the last limit applies, and 0 is none.
    fn parse(args: Args<'a>, may_approximate: bool) -> Result<Request<'a>, CommandError> {
        let numkeys = element::at_least(args.at(1), 1, CommandError::NumkeysNotPositive)?;
        if numkeys > args.len() - 2 {
            return Err(CommandError::TooManyKeys);
        }
        let (mut limit, mut approximate) = (0, false);
        let mut at = 2 + numkeys;
        while at < args.len() {
            if args.is(at, "LIMIT") && at + 1 < args.len() {
                limit = element::at_least(args.at(at + 1), 0, CommandError::NegativeLimit)?;
                at += 2;
            } else if may_approximate && args.is(at, "APPROX") {
                approximate = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(Request {
            keys: args.from(2).first(numkeys),
            limit: if limit == 0 { usize::MAX } else { limit },
            approximate,
        })
    }
}

/// `SINTERCARD numkeys key ... [LIMIT limit]`: the number of members in the intersection, counted
/// up to `limit` (0: no limit).
///
/// Reply: integer. O(smallest set * keys).
fn sintercard(call: &mut Call<'_>) -> CommandResult {
    let request = Request::parse(call.args, false)?;
    let sets = look_up(&mut call.db, request.keys)?;
    let len = by_size(&sets).map_or(0, |sets| intersection_len(&sets, request.limit));
    call.reply.int(len as i64);
    Ok(())
}

/// `SUNIONCARD numkeys key ... [APPROX] [LIMIT limit]`: the number of members in the union, counted
/// up to `limit` (0: no limit); with APPROX estimated as PFCOUNT does, with a standard error of
/// 0.81 %.
///
/// Reply: integer. O(members of all sets), with APPROX no memory.
fn sunioncard(call: &mut Call<'_>) -> CommandResult {
    let request = Request::parse(call.args, true)?;
    let limits = *call.db.limits();
    let sets = look_up(&mut call.db, request.keys)?;
    let len = if request.approximate {
        estimate(&sets).min(request.limit)
    } else {
        let there: Vec<&Set> = sets.iter().flatten().map(|set| &**set).collect();
        union_len(&there, request.limit, &limits)
    };
    call.reply.int(len as i64);
    Ok(())
}

/// The estimated number of members of all sets together.
fn estimate(sets: &Sets<'_>) -> usize {
    let mut registers = Registers::new();
    let mut digits = itoa::Buffer::new();
    for set in sets.iter().flatten() {
        set.visit(|member| {
            registers.add(member.bytes(&mut digits));
            true
        });
    }
    registers.count() as usize
}

/// `SDIFFCARD numkeys key ... [LIMIT limit]`: the number of members of the first set that are in no
/// other, counted up to `limit` (0: no limit).
///
/// Reply: integer. O(first set * keys) or O(members of all sets), whichever is less.
fn sdiffcard(call: &mut Call<'_>) -> CommandResult {
    let request = Request::parse(call.args, false)?;
    let limits = *call.db.limits();
    let sets = look_up(&mut call.db, request.keys)?;
    let len = match Plan::new(&sets, request.keys) {
        Plan::Empty => 0,
        Plan::Seek(first, others) => difference_len(first, &others, request.limit),
        Plan::TakeAway(first, others) => {
            let rest = taken_away(Set::large(), first, &others, &limits);
            rest.len().min(request.limit)
        }
    };
    call.reply.int(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn filled() -> Testbed {
        let mut t = Testbed::new();
        t.run("SADD a 1 2 3 4");
        t.run("SADD b 2 4 6");
        t.run("SADD c x 4 2 y");
        t.run("SET string 1");
        t
    }

    #[test]
    fn counting_stops_at_its_limit() {
        let mut t = filled();
        for (line, len) in [
            ("SINTERCARD 2 a b", 2),
            ("SINTERCARD 2 a b LIMIT 1", 1),
            ("SINTERCARD 2 a b LIMIT 0", 2),
            ("SINTERCARD 1 a LIMIT 9", 4),
            ("SUNIONCARD 2 a b", 5),
            ("SUNIONCARD 3 a b c", 7),
            ("SUNIONCARD 4 none a a none", 4),
            ("SUNIONCARD 1 none", 0),
            ("SUNIONCARD 3 a b c LIMIT 3", 3),
            ("SUNIONCARD 3 a b c LIMIT 6 LIMIT 0", 7),
            ("SUNIONCARD 3 a b c LIMIT 6", 6),
            ("SUNIONCARD 3 a b c APPROX", 7),
            ("SUNIONCARD 3 a b c APPROX LIMIT 4 APPROX", 4),
            ("SDIFFCARD 2 a b", 2),
            ("SDIFFCARD 2 a b LIMIT 1", 1),
            ("SDIFFCARD 2 a b LIMIT 1 LIMIT 0", 2),
            ("SDIFFCARD 3 a b a", 0),
            ("SDIFFCARD 2 none a", 0),
            ("SDIFFCARD 1 c", 4),
        ] {
            assert_eq!(t.run(line), format!(":{len}\r\n"), "{line}");
        }
    }

    #[test]
    fn refusals() {
        let mut t = filled();
        for name in ["SINTERCARD", "SUNIONCARD", "SDIFFCARD"] {
            for (rest, error) in [
                ("0 a", "ERR numkeys should be greater than 0"),
                ("x a", "ERR numkeys should be greater than 0"),
                (
                    "2 a",
                    "ERR Number of keys can't be greater than number of args",
                ),
                ("1 a LIMIT -1", "ERR LIMIT can't be negative"),
                ("1 a LIMIT x", "ERR LIMIT can't be negative"),
                ("1 a LIMIT", "ERR syntax error"),
                ("1 a b", "ERR syntax error"),
                ("1 string LIMIT", "ERR syntax error"),
            ] {
                assert_eq!(t.run(&format!("{name} {rest}")), format!("-{error}\r\n"));
            }
            let reply = t.run(&format!("{name} 2 none string"));
            assert!(reply.starts_with("-WRONGTYPE "), "{name}: {reply}");
        }
        for name in ["SINTERCARD", "SDIFFCARD"] {
            assert_eq!(
                t.run(&format!("{name} 1 a APPROX")),
                "-ERR syntax error\r\n"
            );
        }
    }

    /// The members of Redis's sets have the same registers.
    #[test]
    fn estimates_are_those_of_pfcount() {
        let mut t = Testbed::new();
        for i in 0..20_000 {
            t.run(&format!("SADD set{} m:{}", i % 2, i % 15_000));
            t.run(&format!("PFADD log m:{}", i % 15_000));
        }
        let estimate = t.run("PFCOUNT log");
        assert_eq!(t.run("SUNIONCARD 2 set0 set1 APPROX"), estimate);
        assert_eq!(
            t.run("SUNIONCARD 2 set0 set1 APPROX LIMIT 9000"),
            ":9000\r\n"
        );
        assert_eq!(t.run("SUNIONCARD 2 set0 set1"), ":15000\r\n");
    }
}
