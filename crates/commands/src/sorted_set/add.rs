//! ZADD and ZINCRBY.
//!
//! The handlers parse all scores before they set the first, so a syntax error changes nothing. NX,
//! XX, GT and LT decide member by member; a member with the score that it had is no change. ZADD
//! INCR and ZINCRBY refuse an increment that would make NaN (inf - inf).
//!
//! The effect is the command itself, and only if a member was added or moved: scores as text give
//! the same double on every machine. GEOADD sets scores through [`set_scores`].
//!
//! Cost: O(log n) a member.

use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Limits, Zset};
use smallvec::SmallVec;

/// Conditions for setting a member's score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// NX: only new members.
    pub new: bool,
    /// XX: only existing members.
    pub there: bool,
    /// GT, LT: existing members only if the score becomes greater (lower).
    greater: bool,
    lower: bool,
    /// INCR: adds to the present score.
    increment: bool,
}

/// The outcome for a member.
enum AddOutcome {
    Added(f64),
    Moved(f64),
    /// The member had this score already.
    Same(f64),
    Refused,
}

impl Conditions {
    fn are_none(&self) -> bool {
        *self == Conditions::default()
    }

    fn check(&self) -> CommandResult {
        const XX_NX: &str = "ERR XX and NX options at the same time are not compatible";
        const GT_LT: &str = "ERR GT, LT, and/or NX options at the same time are not compatible";
        if self.new && self.there {
            return Err(CommandError::Text(XX_NX));
        }
        let excluding = [self.greater, self.lower, self.new];
        if excluding.iter().filter(|&&on| on).count() > 1 {
            return Err(CommandError::Text(GT_LT));
        }
        Ok(())
    }

    /// Sets a score if the conditions allow it.
    fn set(
        &self,
        zset: &mut Zset,
        member: &[u8],
        score: f64,
        limits: &Limits,
    ) -> Result<AddOutcome, CommandError> {
        let Some(old) = zset.score(member) else {
            if self.there {
                return Ok(AddOutcome::Refused);
            }
            zset.set(member, score, limits);
            return Ok(AddOutcome::Added(score));
        };
        if self.new {
            return Ok(AddOutcome::Refused);
        }
        let new = if self.increment { old + score } else { score };
        if new.is_nan() {
            return Err(CommandError::ScoreNan);
        }
        if self.lower && new >= old || self.greater && new <= old {
            return Ok(AddOutcome::Refused);
        }
        if new == old {
            return Ok(AddOutcome::Same(new));
        }
        zset.set(member, new, limits);
        Ok(AddOutcome::Moved(new))
    }
}

pub(super) const ZADD: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::SORTEDSET,
    within: Some(ElementArgs::Scored { first: 3 }),
    work: work::EACH_PAIR,
    ..Spec::new("zadd", zadd)
};

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`.
///
/// Reply: the number of new members, with CH also of members that moved; with INCR the new score,
/// or null if the conditions refused it. O(log n) a member.
fn zadd(call: &mut Call<'_>) -> CommandResult {
    let (mut conditions, mut count_moved) = (Conditions::default(), false);
    let mut at = 2;
    loop {
        if call.args.is(at, "NX") {
            conditions.new = true;
        } else if call.args.is(at, "XX") {
            conditions.there = true;
        } else if call.args.is(at, "GT") {
            conditions.greater = true;
        } else if call.args.is(at, "LT") {
            conditions.lower = true;
        } else if call.args.is(at, "CH") {
            count_moved = true;
        } else if call.args.is(at, "INCR") {
            conditions.increment = true;
        } else {
            break;
        }
        at += 1;
    }
    let pairs = call.args.from(at);
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(CommandError::Syntax);
    }
    conditions.check()?;
    if conditions.increment && pairs.len() > 2 {
        const ONE_PAIR: &str = "ERR INCR option supports a single increment-element pair";
        return Err(CommandError::Text(ONE_PAIR));
    }
    add(call, pairs, conditions, count_moved)
}

pub(super) const ZINCRBY: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::SORTEDSET,
    within: Some(ElementArgs::One(3)),
    ..Spec::new("zincrby", zincrby)
};

/// `ZINCRBY key increment member`: ZADD INCR.
///
/// Reply: the new score (RESP3: double). O(log n).
fn zincrby(call: &mut Call<'_>) -> CommandResult {
    // In place of the increment Redis reads these words as ZADD options: a syntax error.
    let options = ["NX", "XX", "GT", "LT", "CH", "INCR"];
    if options.iter().any(|word| call.args.is(2, word)) {
        return Err(CommandError::Syntax);
    }
    let conditions = Conditions {
        increment: true,
        ..Conditions::default()
    };
    add(call, call.args.from(2), conditions, false)
}

/// Adds pairs of score and member.
fn add<'a>(
    call: &mut Call<'a>,
    pairs: Args<'a>,
    conditions: Conditions,
    count_moved: bool,
) -> CommandResult {
    let dialect = call.number_dialect();
    // Parses all scores before it sets the first.
    let mut scores = SmallVec::<[f64; 16]>::with_capacity(pairs.len() / 2);
    for text in pairs.iter().step_by(2) {
        scores.push(dialect.parse_double(text).ok_or(CommandError::NotAFloat)?);
    }
    let changes = set_scores(call, &scores, |i| pairs.at(2 * i + 1), conditions)?;
    match changes.result {
        Some(score) if conditions.increment => call.reply.double(score),
        None if conditions.increment => call.reply.null(),
        _ => call.reply.int(changes.count(count_moved) as i64),
    }
    Ok(())
}

/// The changes that a command made to members.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    added: u64,
    moved: u64,
    /// The last member's score, unless the conditions refused it.
    result: Option<f64>,
}

impl Changes {
    /// The number of new members, with `with_moved` also of members that moved.
    pub fn count(&self, with_moved: bool) -> u64 {
        self.added + if with_moved { self.moved } else { 0 }
    }
}

/// Sets the scores of members of the sorted set at argument 1 and records the change.
pub(crate) fn set_scores<'a>(
    call: &mut Call<'a>,
    scores: &[f64],
    member_at: impl Fn(usize) -> &'a [u8],
    conditions: Conditions,
) -> Result<Changes, CommandError> {
    let (key, len) = (call.args.at(1), scores.len());
    let limits = *call.db.limits();
    let mut zset = if conditions.there {
        call.db.write::<Zset>(key)?
    } else {
        let make = || Zset::new_for(len, member_at(0).len(), &limits);
        Some(call.db.write_or(key, make)?)
    };
    let mut changes = Changes::default();
    if let Some(zset) = &mut zset {
        zset.prepare(len, &limits);
        for (i, &score) in scores.iter().enumerate() {
            let member = member_at(i);
            if conditions.are_none() {
                match zset.set(member, score, &limits) {
                    None => changes.added += 1,
                    Some(old) => changes.moved += u64::from(old != score),
                }
                continue;
            }
            let outcome = conditions.set(zset, member, score, &limits)?;
            changes.added += u64::from(matches!(outcome, AddOutcome::Added(_)));
            changes.moved += u64::from(matches!(outcome, AddOutcome::Moved(_)));
            changes.result = match outcome {
                AddOutcome::Added(score) | AddOutcome::Moved(score) | AddOutcome::Same(score) => {
                    Some(score)
                }
                AddOutcome::Refused => None,
            };
        }
    }
    drop(zset);
    let count = changes.count(true) as usize;
    if count > 0 {
        let event = if conditions.increment {
            "zincr"
        } else {
            "zadd"
        };
        call.db.changed_by(key, count, Class::ZSET, event);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn members_are_added_and_moved() {
        let mut t = Testbed::new();
        assert_eq!(t.run("ZADD z 1 a 2 b"), ":2\r\n");
        assert_eq!(t.run("ZADD z 1 a 3 b 4 c"), ":1\r\n");
        assert_eq!(t.run("ZADD z CH 1 a 5 b 6 d"), ":2\r\n");
        assert_eq!(t.run("ZADD z NX 9 a 9 e"), ":1\r\n");
        assert_eq!(t.run("ZADD z XX CH 8 a 9 f"), ":1\r\n");
        assert_eq!(t.run("ZADD z GT CH 7 a 10 e"), ":1\r\n");
        assert_eq!(t.run("ZADD z LT CH 7 a 11 e 1 g"), ":2\r\n");
        assert_eq!(t.run("ZADD z INCR 2.5 a"), "$3\r\n9.5\r\n");
        assert_eq!(t.run("ZADD z NX INCR 2.5 a"), "$-1\r\n");
        assert_eq!(t.run("ZINCRBY z -inf a"), "$4\r\n-inf\r\n");
        assert_eq!(
            t.run("ZINCRBY z inf a"),
            "-ERR resulting score is not a number (NaN)\r\n"
        );
        assert_eq!(t.run("ZADD none XX 1 a"), ":0\r\n");
        assert_eq!(t.run("ZCARD none"), ":0\r\n");
    }

    #[test]
    fn only_changes_are_repeated() {
        let mut t = Testbed::new();
        t.run("ZADD z 1 a");
        t.run("ZADD z 1 a");
        t.run("ZADD z NX 2 a");
        t.run("ZINCRBY z 0 a");
        t.run("ZINCRBY z 1 a");
        assert_eq!(t.take_effects(), ["ZADD z 1 a", "ZINCRBY z 1 a"]);
    }

    #[test]
    fn refusals_leave_everything_as_it_was() {
        let mut t = Testbed::new();
        for (line, text) in [
            ("ZADD z 1", "wrong number of arguments for 'zadd' command"),
            ("ZADD z 1 a 2", "syntax error"),
            ("ZADD z NX XX", "syntax error"),
            (
                "ZADD z NX XX 1 a",
                "XX and NX options at the same time are not compatible",
            ),
            (
                "ZADD z GT LT 1 a",
                "GT, LT, and/or NX options at the same time are not compatible",
            ),
            (
                "ZADD z INCR 1 a 2 b",
                "INCR option supports a single increment-element pair",
            ),
            ("ZADD z 1 a x b", "value is not a valid float"),
            ("ZADD z nan a", "value is not a valid float"),
            ("ZINCRBY z x a", "value is not a valid float"),
            ("ZINCRBY z Incr a", "syntax error"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
        assert_eq!(t.run("ZCARD z"), ":0\r\n");
        t.run("SET s 1");
        assert!(t.run("ZADD s 1 a").starts_with("-WRONGTYPE"));
    }
}
