//! ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD.
//!
//! Inputs are sorted sets and sets (score 1); a missing key is empty. The handlers check the types
//! of all keys before the options. A union and an intersection combine scores from the smallest
//! input to the largest, as Redis does: floating-point sums depend on the order. A sum that would
//! be NaN is 0.
//!
//! Cost: ZUNION O(n log n) in all members, with a table of them; ZINTER and ZINTERCARD O(smallest x
//! inputs), ZDIFF O(first x inputs), with O(m log m) to order m results. ZINTERCARD stops at LIMIT
//! and keeps nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use super::range::write_element;
use super::source::{ScoredMember, Source};
use crate::arguments::element;
use crate::stored::store;
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Class, Db};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Entry, Zset};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// How to combine the scores of the same member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The sum of the weights of the inputs that have the member.
    Count,
}

impl Aggregate {
    /// The contribution of an input with this weight, for a member to which it gives `score`.
    fn part(self, weight: f64, score: f64) -> f64 {
        match self {
            Aggregate::Count => weight,
            _ => weight * score,
        }
    }

    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Count => number_or_zero(one + other),
            Aggregate::Min if other < one => other,
            Aggregate::Max if other > one => other,
            _ => one,
        }
    }
}

/// Infinities of both signs cancel to 0, as does an infinity of weight 0.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Keys and options of a command.
struct Inputs<'a> {
    keys: Vec<&'a [u8]>,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
}

/// The destination of the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Reply,
    Store,
}

impl<'a> Inputs<'a> {
    /// Parses `numkeys key ... [options]` from argument `at` on. Checks key types before the
    /// options.
    fn parse(
        call: &mut Call<'a>,
        at: usize,
        operation: Operation,
        output: Output,
    ) -> Result<Inputs<'a>, CommandError> {
        let (args, dialect) = (call.args, call.number_dialect());
        let (keys, mut next) = parse_keys(call, at)?;
        let mut inputs = Inputs {
            weights: vec![1.0; keys.len()],
            keys,
            aggregate: Aggregate::Sum,
            with_scores: false,
        };
        let weighable = operation != Operation::Difference;
        while next < args.len() {
            let left = args.len() - next;
            if weighable && left > inputs.keys.len() && args.is(next, "WEIGHTS") {
                const NOT_A_FLOAT: CommandError =
                    CommandError::Text("ERR weight value is not a float");
                for weight in &mut inputs.weights {
                    next += 1;
                    *weight = dialect.parse_double(args.at(next)).ok_or(NOT_A_FLOAT)?;
                }
            } else if weighable && left >= 2 && args.is(next, "AGGREGATE") {
                next += 1;
                inputs.aggregate = match () {
                    _ if args.is(next, "SUM") => Aggregate::Sum,
                    _ if args.is(next, "MIN") => Aggregate::Min,
                    _ if args.is(next, "MAX") => Aggregate::Max,
                    _ if args.is(next, "COUNT") => Aggregate::Count,
                    _ => return Err(CommandError::Syntax),
                };
            } else if output == Output::Reply && args.is(next, "WITHSCORES") {
                inputs.with_scores = true;
            } else {
                return Err(CommandError::Syntax);
            }
            next += 1;
        }
        Ok(inputs)
    }
}

/// The keys of `numkeys key ...` at `at`, all of them sorted sets, sets or missing; and the
/// position of the argument after them.
fn parse_keys<'a>(call: &mut Call<'a>, at: usize) -> Result<(Vec<&'a [u8]>, usize), CommandError> {
    let args: Args<'a> = call.args;
    let count = parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger)?;
    if count < 1 {
        let text = format!(
            "ERR at least 1 input key is needed for '{}' command",
            call.name
        );
        return Err(CommandError::owned(text));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > args.len() - (at + 1) {
        return Err(CommandError::Syntax);
    }
    let keys: Vec<&[u8]> = args.from(at + 1).iter().take(count).collect();
    for key in &keys {
        Source::check(&mut call.db, key)?;
    }
    Ok((keys, at + 1 + count))
}

/// The inputs with their weights. Unions and intersections take the smallest first, as Redis does:
/// that fixes the order in which scores are combined.
fn open<'d>(db: &'d Db<'_>, inputs: &Inputs<'_>, operation: Operation) -> Vec<(Source<'d>, f64)> {
    let sources = inputs.keys.iter().map(|key| Source::open(db, key));
    let mut sources: Vec<_> = sources.zip(inputs.weights.iter().copied()).collect();
    if operation != Operation::Difference {
        sources.sort_by_key(|(source, _)| source.len());
    }
    sources
}

fn union<'s>(sources: &'s [(Source<'_>, f64)], aggregate: Aggregate) -> Vec<ScoredMember<'s>> {
    let largest = sources.last().map_or(0, |(source, _)| source.len());
    let mut scores: HashMap<Cow<'s, [u8]>, f64, ahash::RandomState> =
        HashMap::with_capacity_and_hasher(largest, ahash::RandomState::new());
    for (source, weight) in sources {
        for (score, member) in source.iter() {
            let score = number_or_zero(aggregate.part(*weight, score));
            scores
                .entry(member)
                .and_modify(|joined| *joined = aggregate.join(*joined, score))
                .or_insert(score);
        }
    }
    scores
        .into_iter()
        .map(|(member, score)| (score, member))
        .collect()
}

fn intersection<'s>(
    sources: &'s [(Source<'_>, f64)],
    aggregate: Aggregate,
) -> Vec<ScoredMember<'s>> {
    let Some(((smallest, weight), others)) = sources.split_first() else {
        return Vec::new();
    };
    let in_all = smallest.iter().filter_map(|(score, member)| {
        let first = number_or_zero(aggregate.part(*weight, score));
        let joined = others.iter().try_fold(first, |joined, (source, weight)| {
            let score = source.score(&member)?;
            Some(aggregate.join(joined, aggregate.part(*weight, score)))
        })?;
        Some((joined, member))
    });
    in_all.collect()
}

fn difference<'s>(sources: &'s [(Source<'_>, f64)]) -> Vec<ScoredMember<'s>> {
    let Some(((first, _), others)) = sources.split_first() else {
        return Vec::new();
    };
    let absent = |member: &[u8]| {
        others
            .iter()
            .all(|(other, _)| other.score(member).is_none())
    };
    first.iter().filter(|(_, member)| absent(member)).collect()
}

/// The result in ascending order.
fn combine<'s>(
    sources: &'s [(Source<'_>, f64)],
    operation: Operation,
    aggregate: Aggregate,
) -> Vec<ScoredMember<'s>> {
    let mut result = match operation {
        Operation::Union => union(sources, aggregate),
        Operation::Intersection => intersection(sources, aggregate),
        Operation::Difference => difference(sources),
    };
    result.sort_unstable_by(|(a, one), (b, other)| {
        let scores = a.partial_cmp(b).expect("no score is NaN");
        scores.then_with(|| one.cmp(other))
    });
    result
}

fn reply_result(call: &mut Call<'_>, operation: Operation) -> CommandResult {
    let inputs = Inputs::parse(call, 1, operation, Output::Reply)?;
    let sources = open(&call.db, &inputs, operation);
    let result = combine(&sources, operation, inputs.aggregate);
    let reply = &mut *call.reply;
    let flat_pairs = inputs.with_scores && !reply.resp3();
    reply.array(result.len() * if flat_pairs { 2 } else { 1 });
    for (score, member) in &result {
        write_element(reply, *score, Entry::Str(member), inputs.with_scores);
    }
    Ok(())
}

fn store_result(call: &mut Call<'_>, operation: Operation, event: &'static str) -> CommandResult {
    let inputs = Inputs::parse(call, 2, operation, Output::Store)?;
    let sources = open(&call.db, &inputs, operation);
    let result = combine(&sources, operation, inputs.aggregate);
    let members = result.iter().map(|(score, member)| (*score, &**member));
    let result = Zset::from_sorted(members, call.db.limits());
    drop(sources);
    store(call, call.args.at(1), result, 1, Class::ZSET, event);
    Ok(())
}

pub(super) const ZUNION: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::counted(1, Access::READ)],
    categories: Category::SORTEDSET,
    work: work::ZSETS,
    ..Spec::new("zunion", zunion)
};

/// `ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX | COUNT]
/// [WITHSCORES]`: the members of any input.
///
/// Reply: array of members in order, with WITHSCORES of members and scores (RESP3: of
/// pairs). O(n log n) in all members; ZINTER O(smallest x inputs), ZDIFF O(first x inputs).
fn zunion(call: &mut Call<'_>) -> CommandResult {
    reply_result(call, Operation::Union)
}

pub(super) const ZINTER: Spec = Spec {
    name: "zinter",
    work: work::COMMON_ZSETS,
    handler: zinter,
    ..ZUNION
};

/// `ZINTER numkeys key ...`, options as ZUNION: the members of every input.
fn zinter(call: &mut Call<'_>) -> CommandResult {
    reply_result(call, Operation::Intersection)
}

pub(super) const ZDIFF: Spec = Spec {
    name: "zdiff",
    work: work::ZSETS,
    handler: zdiff,
    ..ZUNION
};

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`: the members that only the first input has.
fn zdiff(call: &mut Call<'_>) -> CommandResult {
    reply_result(call, Operation::Difference)
}

pub(super) const ZUNIONSTORE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::OVERWRITE),
        KeySpec::counted(2, Access::READ),
    ],
    categories: Category::SORTEDSET,
    work: work::ZSETS,
    ..Spec::new("zunionstore", zunionstore)
};

/// `ZUNIONSTORE to numkeys key ...`: stores the result of ZUNION as a sorted set and replaces any
/// value of `to`.
///
/// Reply: the number of members. An empty result deletes `to`.
fn zunionstore(call: &mut Call<'_>) -> CommandResult {
    store_result(call, Operation::Union, "zunionstore")
}

pub(super) const ZINTERSTORE: Spec = Spec {
    name: "zinterstore",
    work: work::COMMON_ZSETS,
    handler: zinterstore,
    ..ZUNIONSTORE
};

/// `ZINTERSTORE to numkeys key ...`: like ZUNIONSTORE.
fn zinterstore(call: &mut Call<'_>) -> CommandResult {
    store_result(call, Operation::Intersection, "zinterstore")
}

pub(super) const ZDIFFSTORE: Spec = Spec {
    name: "zdiffstore",
    work: work::ZSETS,
    handler: zdiffstore,
    ..ZUNIONSTORE
};

/// `ZDIFFSTORE to numkeys key ...`: like ZUNIONSTORE.
fn zdiffstore(call: &mut Call<'_>) -> CommandResult {
    store_result(call, Operation::Difference, "zdiffstore")
}

pub(super) const ZINTERCARD: Spec = Spec {
    name: "zintercard",
    work: work::COMMON_ZSETS,
    handler: zintercard,
    ..ZUNION
};

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`: the number of members common to all inputs,
/// counted up to the limit (0: no limit).
///
/// Reply: integer. O(smallest x inputs).
fn zintercard(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (keys, mut next) = parse_keys(call, 1)?;
    let mut limit = 0;
    while next < args.len() {
        if next + 1 == args.len() || !args.is(next, "LIMIT") {
            return Err(CommandError::Syntax);
        }
        limit = element::at_least(args.at(next + 1), 0, CommandError::NegativeLimit)?;
        next += 2;
    }
    let mut sources: Vec<_> = keys.iter().map(|key| Source::open(&call.db, key)).collect();
    sources.sort_by_key(Source::len);
    let (smallest, others) = sources.split_first().expect("at least one key");
    let in_all = |member: &[u8]| others.iter().all(|other| other.score(member).is_some());
    let common = smallest.iter().filter(|(_, member)| in_all(member));
    let count = common
        .take(if limit == 0 { usize::MAX } else { limit })
        .count();
    call.reply.int(count as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn words(reply: &str) -> String {
        let words = reply.split("\r\n").skip(2).step_by(2);
        words.collect::<Vec<_>>().join(" ")
    }

    fn bed() -> Testbed {
        let mut t = Testbed::new();
        t.run("ZADD a 1 x 2 y 3 z");
        t.run("ZADD b 10 y 20 z 30 12");
        t
    }

    #[test]
    fn scores_are_weighed_and_joined() {
        let mut t = bed();
        for (line, expected) in [
            ("ZUNION 2 a b WITHSCORES", "x 1 y 12 z 23 12 30"),
            (
                "ZUNION 2 a b WEIGHTS 2 1 AGGREGATE MAX WITHSCORES",
                "x 2 y 10 z 20 12 30",
            ),
            ("ZINTER 2 a b WITHSCORES", "y 12 z 23"),
            ("ZINTER 2 a b AGGREGATE MIN WITHSCORES", "y 2 z 3"),
            ("ZDIFF 2 a b WITHSCORES", "x 1"),
            ("ZDIFF 2 b a", "12"),
            ("ZINTER 2 a none", ""),
            ("ZUNION 3 a none a WITHSCORES", "x 2 y 4 z 6"),
            ("ZUNION 1 a WEIGHTS -1", "z y x"),
            (
                "ZUNION 2 a b AGGREGATE COUNT WITHSCORES",
                "12 1 x 1 y 2 z 2",
            ),
            (
                "ZINTER 2 a b WEIGHTS 1 2.5 AGGREGATE COUNT WITHSCORES",
                "y 3.5 z 3.5",
            ),
            (
                "ZUNION 2 a b WEIGHTS inf -inf AGGREGATE COUNT WITHSCORES",
                "12 -inf y 0 z 0 x inf",
            ),
        ] {
            assert_eq!(words(&t.run(line)), expected, "{line}");
        }
        t.run("ZADD inf inf x");
        t.run("ZADD ninf -inf x");
        assert_eq!(words(&t.run("ZUNION 2 inf ninf WITHSCORES")), "x 0");
        assert_eq!(words(&t.run("ZUNION 1 inf WEIGHTS 0 WITHSCORES")), "x 0");
        t.run("HELLO 3");
        assert_eq!(
            t.run("ZDIFF 2 a b WITHSCORES"),
            "*1\r\n*2\r\n$1\r\nx\r\n,1\r\n"
        );
    }

    #[test]
    fn results_are_stored_over_their_sources_too() {
        let mut t = bed();
        assert_eq!(t.run("ZINTERSTORE a 2 a b"), ":2\r\n");
        assert_eq!(words(&t.run("ZRANGE a 0 -1 WITHSCORES")), "y 12 z 23");
        assert_eq!(t.run("ZDIFFSTORE a 2 a b"), ":0\r\n");
        assert_eq!(t.run("ZCARD a"), ":0\r\n");
        t.take_effects();
        assert_eq!(t.run("ZUNIONSTORE c 1 none"), ":0\r\n");
        assert!(t.take_effects().is_empty());
        assert_eq!(t.run("ZUNIONSTORE c 1 b WEIGHTS 0.5"), ":3\r\n");
        assert_eq!(t.take_effects(), ["ZUNIONSTORE c 1 b WEIGHTS 0.5"]);
    }

    #[test]
    fn large_inputs_make_large_results() {
        let mut t = Testbed::new();
        for i in 0..1000 {
            t.run(&format!("ZADD a {i} m{i}"));
            t.run(&format!("ZADD b {i} m{}", i + 500));
        }
        assert_eq!(t.run("ZUNIONSTORE u 2 a b"), ":1500\r\n");
        assert_eq!(t.run("ZINTERSTORE i 2 a b AGGREGATE MAX"), ":500\r\n");
        assert_eq!(t.run("ZSCORE i m700"), "$3\r\n700\r\n");
        assert_eq!(t.run("ZRANK u m499"), ":499\r\n");
        assert_eq!(t.run("ZINTERCARD 2 a b"), ":500\r\n");
        assert_eq!(t.run("ZINTERCARD 2 a b LIMIT 7"), ":7\r\n");
        assert_eq!(t.run("ZDIFFSTORE d 2 a i"), ":500\r\n");
    }

    #[test]
    fn refusals() {
        let mut t = bed();
        t.run("SET s 1");
        for (line, text) in [
            (
                "ZUNION 0 a",
                "at least 1 input key is needed for 'zunion' command",
            ),
            (
                "ZUNIONSTORE c 0 a",
                "at least 1 input key is needed for 'zunionstore' command",
            ),
            ("ZUNION x a", "value is not an integer or out of range"),
            ("ZUNION 2 a", "syntax error"),
            ("ZUNION 1 a WEIGHTS", "syntax error"),
            ("ZUNION 1 a WEIGHTS x", "weight value is not a float"),
            ("ZUNION 1 a AGGREGATE AVG", "syntax error"),
            ("ZUNIONSTORE c 1 a WITHSCORES", "syntax error"),
            ("ZDIFF 1 a WEIGHTS 1", "syntax error"),
            ("ZINTERCARD 1 a LIMIT -1", "LIMIT can't be negative"),
            ("ZINTERCARD 1 a LIMIT", "syntax error"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
        assert!(t.run("ZUNION 2 a s WORD").starts_with("-WRONGTYPE"));
    }
}
