//! ZRANGE, its older forms under other names, and ZRANGESTORE.
//!
//! One parser and one walk for seven commands: a range ([`Range`]), a direction, LIMIT. The range
//! becomes a first rank and a number of elements ([`RangeRequest::run`]); the walk ends earlier at
//! the first element outside ([`RangeRequest::reaches`]).
//!
//! A negative offset yields nothing, except in large sets of Valkey's dialect, where it counts back
//! from the far end: clients see that.
//!
//! Cost: O(log n + elements replied); ZRANGESTORE builds the result in order.
//!
//! Decided elsewhere: bounds: `bounds`; encodings: `types::zset`.

use super::bounds::{LexRange, RankRange, ScoreRange};
use crate::arguments::element;
use crate::stored::store;
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_config::Dialect;
use russet_keyspace::Class;
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Entry, Zset};

/// The kind of a range's bounds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RangeKind {
    Rank,
    Score,
    Lex,
}

enum Range<'a> {
    Rank(RankRange),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

/// The parsed arguments of a range command.
struct RangeRequest<'a> {
    range: Range<'a>,
    backward: bool,
    with_scores: bool,
    offset: i64,
    /// Negative: no limit.
    limit: i64,
}

impl<'a> RangeRequest<'a> {
    /// Parses `min max [options]` from argument `at` on. Options implied by the command's name are
    /// not accepted.
    fn parse(
        args: Args<'a>,
        at: usize,
        mut by: Option<RangeKind>,
        mut backward: Option<bool>,
        store: bool,
    ) -> Result<RangeRequest<'a>, CommandError> {
        let integer = |at| parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut next = at + 2;
        while next < args.len() {
            if !store && args.is(next, "WITHSCORES") {
                with_scores = true;
            } else if args.is(next, "LIMIT") && next + 2 < args.len() {
                (offset, limit) = (integer(next + 1)?, integer(next + 2)?);
                next += 2;
            } else if backward.is_none() && args.is(next, "REV") {
                backward = Some(true);
            } else if by.is_none() && args.is(next, "BYLEX") {
                by = Some(RangeKind::Lex);
            } else if by.is_none() && args.is(next, "BYSCORE") {
                by = Some(RangeKind::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            next += 1;
        }
        let (by, backward) = (by.unwrap_or(RangeKind::Rank), backward.unwrap_or(false));
        if limit != -1 && by == RangeKind::Rank {
            const NO_LIMIT: &str = "ERR syntax error, LIMIT is only supported in combination \
                                    with either BYSCORE or BYLEX";
            return Err(CommandError::Text(NO_LIMIT));
        }
        if with_scores && by == RangeKind::Lex {
            const NO_SCORES: &str =
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
            return Err(CommandError::Text(NO_SCORES));
        }
        let (first, second) = (args.at(at), args.at(at + 1));
        let (min, max) = if backward {
            (second, first)
        } else {
            (first, second)
        };
        let range = match by {
            RangeKind::Rank => Range::Rank(RankRange::parse(first, second)?),
            RangeKind::Score => Range::Score(ScoreRange::parse(min, max)?),
            RangeKind::Lex => Range::Lex(LexRange::parse(min, max)?),
        };
        Ok(RangeRequest {
            range,
            backward,
            with_scores,
            offset,
            limit,
        })
    }

    /// The first rank and the maximum number of elements; [`RangeRequest::reaches`] may end the
    /// walk earlier.
    fn run(&self, zset: &Zset, dialect: Dialect) -> Option<(usize, usize)> {
        let len = zset.len();
        if let Range::Rank(range) = &self.range {
            let (start, count) = range.within(zset);
            let start = if self.backward {
                len - 1 - start
            } else {
                start
            };
            return (count > 0).then_some((start, count));
        }
        // At most a large set counts a negative offset from the far end; a packed set yields
        // nothing.
        if self.offset < 0 && !(zset.is_table() && dialect.negative_offset_counts_back()) {
            return None;
        }
        if self.offset < 0
            && let Range::Score(range) = &self.range
            && !range.meets(zset)
        {
            return None;
        }
        let count = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let offset = usize::try_from(self.offset.unsigned_abs()).unwrap_or(usize::MAX);
        let from_min = self.backward == (self.offset < 0);
        let offset = if self.offset < 0 && self.backward {
            offset - 1
        } else {
            offset
        };
        let start = if from_min {
            let start = self.start(zset).checked_add(offset)?;
            (start < len).then_some(start)?
        } else {
            // Counted back from the position after the last rank.
            let steps = if self.offset < 0 {
                offset
            } else {
                offset.checked_add(1)?
            };
            self.end(zset).checked_sub(steps)?
        };
        // The walk checks only the bound ahead of it.
        if self.offset < 0 && !(self.start(zset)..self.end(zset)).contains(&start) {
            return None;
        }
        Some((start, count))
    }

    fn start(&self, zset: &Zset) -> usize {
        match &self.range {
            Range::Rank(range) => range.within(zset).0,
            Range::Score(range) => range.start(zset),
            Range::Lex(range) => range.start(zset),
        }
    }

    fn end(&self, zset: &Zset) -> usize {
        match &self.range {
            Range::Rank(range) => range.within(zset).1,
            Range::Score(range) => range.end(zset),
            Range::Lex(range) if self.backward => range.end_from_behind(zset),
            Range::Lex(range) => range.end(zset),
        }
    }

    /// The number of elements that it reads.
    fn touches(&self, zset: &Zset) -> usize {
        let inside = match &self.range {
            Range::Rank(range) => range.within(zset).1,
            _ => self.end(zset).saturating_sub(self.start(zset)),
        };
        inside.min(usize::try_from(self.limit).unwrap_or(usize::MAX))
    }

    /// Whether an element reached by a walk is still in the range.
    #[inline]
    fn reaches(&self, score: f64, member: Entry<'_>) -> bool {
        match &self.range {
            Range::Rank(_) => true,
            Range::Score(range) if self.backward => range.is_above_min(score),
            Range::Score(range) => range.is_below_max(score),
            Range::Lex(range) => {
                let mut buffer = itoa::Buffer::new();
                let member = member.bytes(&mut buffer);
                if self.backward {
                    range.is_above_min(member)
                } else {
                    range.is_below_max(member)
                }
            }
        }
    }
}

const RANGES: work::Work = work::by(count_range, "ask for shorter ranges, or use LIMIT");

fn count_range(call: &mut Call<'_>) -> CommandResult {
    let touched = touched_by_range(call).unwrap_or(0);
    call.touches(touched as u64);
    Ok(())
}

/// The elements that a range command would touch; `None`: the handler will refuse the command, or
/// there is no such set.
fn touched_by_range(call: &mut Call<'_>) -> Option<usize> {
    let (by, backward) = match call.name {
        "zrange" | "zrangestore" => (None, None),
        "zrevrange" => (Some(RangeKind::Rank), Some(true)),
        "zrangebyscore" => (Some(RangeKind::Score), Some(false)),
        "zrevrangebyscore" => (Some(RangeKind::Score), Some(true)),
        "zrangebylex" => (Some(RangeKind::Lex), Some(false)),
        _ => (Some(RangeKind::Lex), Some(true)),
    };
    let stores = call.name == "zrangestore";
    let key_at = 1 + usize::from(stores);
    let wanted = RangeRequest::parse(call.args, key_at + 1, by, backward, stores).ok()?;
    work::look(call, call.args.at(key_at), |zset: &Zset| {
        wanted.touches(zset)
    })
}

pub(super) const ZRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    work: RANGES,
    ..Spec::new("zrange", zrange)
};

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`.
///
/// Reply: array of members, with WITHSCORES of members and scores (RESP3: of pairs).
/// O(log n + length of the reply).
fn zrange(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, None, None)
}

pub(super) const ZREVRANGE: Spec = Spec {
    name: "zrevrange",
    work: RANGES,
    handler: zrevrange,
    ..ZRANGE
};

/// `ZREVRANGE key start stop [WITHSCORES]`: ZRANGE REV.
fn zrevrange(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, Some(RangeKind::Rank), Some(true))
}

pub(super) const ZRANGEBYSCORE: Spec = Spec {
    name: "zrangebyscore",
    work: RANGES,
    handler: zrangebyscore,
    ..ZRANGE
};

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`: ZRANGE BYSCORE.
fn zrangebyscore(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, Some(RangeKind::Score), Some(false))
}

pub(super) const ZREVRANGEBYSCORE: Spec = Spec {
    name: "zrevrangebyscore",
    work: RANGES,
    handler: zrevrangebyscore,
    ..ZRANGE
};

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`: ZRANGE BYSCORE REV.
fn zrevrangebyscore(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, Some(RangeKind::Score), Some(true))
}

pub(super) const ZRANGEBYLEX: Spec = Spec {
    name: "zrangebylex",
    work: RANGES,
    handler: zrangebylex,
    ..ZRANGE
};

/// `ZRANGEBYLEX key min max [LIMIT offset count]`: ZRANGE BYLEX.
fn zrangebylex(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, Some(RangeKind::Lex), Some(false))
}

pub(super) const ZREVRANGEBYLEX: Spec = Spec {
    name: "zrevrangebylex",
    work: RANGES,
    handler: zrevrangebylex,
    ..ZRANGE
};

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`: ZRANGE BYLEX REV.
fn zrevrangebylex(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, Some(RangeKind::Lex), Some(true))
}

fn reply_range(
    call: &mut Call<'_>,
    by: Option<RangeKind>,
    backward: Option<bool>,
) -> CommandResult {
    let wanted = RangeRequest::parse(call.args, 2, by, backward, false)?;
    let dialect = call.db.dialect();
    let zset = call.db.read::<Zset>(call.args.at(1))?;
    let run = zset.as_ref().and_then(|zset| wanted.run(zset, dialect));
    let (Some(zset), Some((start, count))) = (zset, run) else {
        call.reply.array(0);
        return Ok(());
    };
    let reply = &mut *call.reply;
    let width = if wanted.with_scores && !reply.resp3() {
        2
    } else {
        1
    };
    if let Range::Rank(_) = wanted.range {
        reply.array(count * width);
        zset.visit(start, count, wanted.backward, |score, member| {
            write_element(reply, score, member, wanted.with_scores);
            true
        });
        return Ok(());
    }
    let (place, mut written) = (reply.defer(), 0);
    zset.visit(start, count, wanted.backward, |score, member| {
        let reached = wanted.reaches(score, member);
        if reached {
            write_element(reply, score, member, wanted.with_scores);
            written += width;
        }
        reached
    });
    reply.finish_array(place, written);
    Ok(())
}

/// Writes a member, with the score if requested: in RESP3 as a pair.
#[inline]
pub(super) fn write_element(reply: &mut Reply, score: f64, member: Entry<'_>, with_score: bool) {
    if with_score && reply.resp3() {
        reply.array(2);
    }
    element::write(reply, member);
    if with_score {
        reply.double(score);
    }
}

pub(super) const ZRANGESTORE: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::OVERWRITE),
        KeySpec::one(2, Access::READ),
    ],
    categories: Category::SORTEDSET,
    work: RANGES,
    ..Spec::new("zrangestore", zrangestore)
};

/// `ZRANGESTORE to from start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]`: stores the result
/// of ZRANGE as a sorted set.
///
/// Reply: the number of members. An empty result deletes `to`. O(log n + result).
fn zrangestore(call: &mut Call<'_>) -> CommandResult {
    let (to, from) = (call.args.at(1), call.args.at(2));
    let wanted = RangeRequest::parse(call.args, 3, None, None, true)?;
    let (limits, dialect) = (*call.db.limits(), call.db.dialect());
    let zset = call.db.read::<Zset>(from)?;
    let mut result = Zset::new_for(0, 0, &limits);
    if let Some(zset) = zset
        && let Some((start, count)) = wanted.run(&zset, dialect)
    {
        result = match zset.table() {
            Some(table) => {
                let all = table.index().range(start, count, wanted.backward);
                let reached = all.take_while(|&(s, m)| wanted.reaches(s, Entry::Str(m)));
                let mut reached: Vec<(f64, &[u8])> = reached.collect();
                if wanted.backward {
                    reached.reverse();
                }
                Zset::from_sorted(reached.into_iter(), &limits)
            }
            None => {
                let mut buffer = itoa::Buffer::new();
                zset.visit(start, count, wanted.backward, |score, member| {
                    let reached = wanted.reaches(score, member);
                    if reached {
                        result.set(member.bytes(&mut buffer), score, &limits);
                    }
                    reached
                });
                result
            }
        };
    }
    store(call, to, result, 1, Class::ZSET, "zrangestore");
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::Dialect;

    /// Members of a reply without scores.
    fn members(reply: &str) -> String {
        let words = reply.split("\r\n").skip(2).step_by(2);
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_negative_offset_finds_nothing_but_in_valkeys_large_sets() {
        for (dialect, filler, end) in [
            (Dialect::Redis, 0, ""),
            (Dialect::Redis, 500, ""),
            (Dialect::Valkey, 0, ""),
            (Dialect::Valkey, 500, "f499"),
        ] {
            let mut t = Testbed::new();
            t.engine.keyspace.dialect = dialect;
            for i in 0..filler.max(10) {
                t.run(&format!("ZADD z {} f{i:03}", 1000 + i));
                t.run(&format!("ZADD l 0 f{i:03}"));
            }
            for line in [
                "ZRANGE z -inf +inf BYSCORE LIMIT -1 2",
                "ZRANGEBYSCORE z -inf +inf LIMIT -1 -1",
                "ZRANGE l - + BYLEX LIMIT -1 2",
                "ZRANGEBYLEX l - + LIMIT -1 2",
            ] {
                assert_eq!(members(&t.run(line)), end, "{dialect:?} {line}");
            }
            let first = if end.is_empty() { "" } else { "f000" };
            for line in [
                "ZRANGE z +inf -inf BYSCORE REV LIMIT -1 2",
                "ZREVRANGEBYSCORE z +inf -inf LIMIT -1 2",
                "ZRANGE l + - BYLEX REV LIMIT -1 2",
                "ZREVRANGEBYLEX l + - LIMIT -1 2",
            ] {
                assert_eq!(members(&t.run(line)), first, "{dialect:?} {line}");
            }
            let stored = if end.is_empty() { ":0\r\n" } else { ":2\r\n" };
            assert_eq!(
                t.run("ZRANGESTORE y z -inf +inf BYSCORE LIMIT -2 2"),
                stored
            );
            assert_eq!(t.run("ZRANGESTORE y l - + BYLEX LIMIT -2 2"), stored);
        }
    }

    #[test]
    fn small_and_large_sets_answer_alike() {
        for filler in [0, 500] {
            let mut t = Testbed::new();
            t.run("ZADD z 1 a 2 b 2 c 3 d 4 e");
            for i in 0..filler {
                t.run(&format!("ZADD z {} f{i}", 1000 + i));
            }
            for (line, expected) in [
                ("ZRANGE z 0 2", "a b c"),
                ("ZRANGE z 2 1", ""),
                ("ZRANGE z 2 4 BYSCORE", "b c d e"),
                ("ZRANGE z (2 (4 BYSCORE", "d"),
                ("ZRANGE z 4 2 BYSCORE REV", "e d c b"),
                ("ZRANGE z 4 2 BYSCORE REV LIMIT 1 2", "d c"),
                ("ZRANGEBYSCORE z -inf 4 LIMIT 1 2", "b c"),
                ("ZRANGEBYSCORE z -inf 4 LIMIT 3 -1", "d e"),
                ("ZRANGEBYSCORE z -inf 4 LIMIT 9 1", ""),
                ("ZRANGEBYSCORE z -inf 4 LIMIT 0 0", ""),
                ("ZREVRANGEBYSCORE z 3 -inf", "d c b a"),
                ("ZREVRANGEBYSCORE z (3 (1 LIMIT 0 1", "c"),
                ("ZRANGEBYSCORE z 5 9", ""),
                ("ZREVRANGEBYSCORE z 0 -5", ""),
            ] {
                assert_eq!(members(&t.run(line)), expected, "{line} of {filler}");
            }
        }
        let mut t = Testbed::new();
        t.run("ZADD z 1 a 2 b 3 c");
        assert_eq!(members(&t.run("ZREVRANGE z 0 1")), "c b");
        assert_eq!(members(&t.run("ZRANGE z -2 -1 REV")), "b a");
    }

    #[test]
    fn members_are_ranges_too() {
        for filler in [0, 500] {
            let mut t = Testbed::new();
            t.run("ZADD z 0 a 0 b 0 c 0 d");
            for i in 0..filler {
                t.run(&format!("ZADD z 0 f{i}"));
            }
            for (line, expected) in [
                ("ZRANGEBYLEX z - [c", "a b c"),
                ("ZRANGEBYLEX z (a (d", "b c"),
                ("ZRANGEBYLEX z - (e LIMIT 2 1", "c"),
                ("ZREVRANGEBYLEX z (e [b", "d c b"),
                ("ZRANGE z [c - BYLEX REV LIMIT 1 5", "b a"),
                ("ZRANGEBYLEX z + -", ""),
            ] {
                assert_eq!(members(&t.run(line)), expected, "{line} of {filler}");
            }
        }
    }

    #[test]
    fn scores_come_flat_or_in_pairs() {
        let mut t = Testbed::new();
        t.run("ZADD z 1 a 2.5 b");
        assert_eq!(
            t.run("ZRANGE z 0 -1 WITHSCORES"),
            "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\n2.5\r\n"
        );
        t.run("HELLO 3");
        assert_eq!(
            t.run("ZRANGEBYSCORE z 2 3 WITHSCORES"),
            "*1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n"
        );
        assert_eq!(t.run("ZRANGE none 0 -1"), "*0\r\n");
    }

    #[test]
    fn options_that_do_not_go_together() {
        let mut t = Testbed::new();
        for (line, text) in [
            ("ZRANGE z 0 1 BYSCORE BYLEX", "syntax error"),
            ("ZREVRANGE z 0 1 REV", "syntax error"),
            (
                "ZRANGE z 0 1 LIMIT 0 1",
                "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ),
            (
                "ZRANGE z - + BYLEX WITHSCORES",
                "syntax error, WITHSCORES not supported in combination with BYLEX",
            ),
            ("ZRANGE z x 1", "value is not an integer or out of range"),
            ("ZRANGE z x 1 BYSCORE", "min or max is not a float"),
            (
                "ZRANGE z x 1 BYLEX",
                "min or max not valid string range item",
            ),
            ("ZRANGESTORE y z 0 1 WITHSCORES", "syntax error"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
    }

    #[test]
    fn ranges_are_stored_over_whatever_was_there() {
        let mut t = Testbed::new();
        t.run("ZADD z 1 a 2 b 3 c");
        t.run("SET y text");
        assert_eq!(t.run("ZRANGESTORE y z 3 1 BYSCORE REV LIMIT 0 2"), ":2\r\n");
        assert_eq!(members(&t.run("ZRANGE y 0 -1")), "b c");
        assert_eq!(t.run("ZRANGESTORE z z 0 0"), ":1\r\n");
        assert_eq!(t.run("ZRANGESTORE z z 5 9"), ":0\r\n");
        assert_eq!(t.run("ZCARD z"), ":0\r\n");
        t.take_effects();
        assert_eq!(t.run("ZRANGESTORE z none 0 -1"), ":0\r\n");
        assert!(t.take_effects().is_empty());
    }
}
