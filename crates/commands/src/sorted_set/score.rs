//! Scores, ranks and counts: ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCARD, ZCOUNT, ZLEXCOUNT.
//!
//! A missing key is an empty set, and a missing member null. A score is a double in RESP3, the
//! shortest text in RESP2. The handlers parse bounds before they look up the key.
//!
//! Cost: O(1) for a score and ZCARD, O(log n) for a rank or a count, because both ends of a range
//! are ranks, and nothing between them is visited.
//!
//! Decided elsewhere: bounds: `bounds`.

use super::bounds::{LexRange, ScoreRange};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Zset};

pub(super) const ZSCORE: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("zscore", zscore)
};

/// `ZSCORE key member`.
///
/// Reply: the score (RESP3: double), or null. O(1).
fn zscore(call: &mut Call<'_>) -> CommandResult {
    let [_, key, member] = call.args.exactly();
    let zset = call.db.read::<Zset>(key)?;
    match zset.and_then(|zset| zset.score(member)) {
        Some(score) => call.reply.double(score),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) const ZMSCORE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("zmscore", zmscore)
};

/// `ZMSCORE key member [member ...]`.
///
/// Reply: array of scores and nulls. O(members given).
fn zmscore(call: &mut Call<'_>) -> CommandResult {
    let zset = call.db.read::<Zset>(call.args.at(1))?;
    let members = call.args.from(2);
    call.reply.array(members.len());
    for member in members.iter() {
        match zset.as_ref().and_then(|zset| zset.score(member)) {
            Some(score) => call.reply.double(score),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) const ZCARD: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::SORTEDSET,
    ..Spec::new("zcard", zcard)
};

/// `ZCARD key`: the number of members.
///
/// Reply: integer, 0 if the key is missing. O(1).
fn zcard(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let len = call.db.count::<Zset>(key)?;
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const ZCOUNT: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    ..Spec::new("zcount", zcount)
};

/// `ZCOUNT key min max`: the number of members with scores in a range.
///
/// Reply: integer. O(log n).
fn zcount(call: &mut Call<'_>) -> CommandResult {
    let [_, key, min, max] = call.args.exactly();
    let range = ScoreRange::parse(min, max)?;
    let zset = call.db.read::<Zset>(key)?;
    let count = zset.map_or(0, |zset| {
        range.end(&zset).saturating_sub(range.start(&zset))
    });
    call.reply.int(count as i64);
    Ok(())
}

pub(super) const ZLEXCOUNT: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    ..Spec::new("zlexcount", zlexcount)
};

/// `ZLEXCOUNT key min max`: the number of members in a range of members.
///
/// Reply: integer. O(log n).
fn zlexcount(call: &mut Call<'_>) -> CommandResult {
    let [_, key, min, max] = call.args.exactly();
    let range = LexRange::parse(min, max)?;
    let zset = call.db.read::<Zset>(key)?;
    let count = zset.map_or(0, |zset| {
        range.end(&zset).saturating_sub(range.start(&zset))
    });
    call.reply.int(count as i64);
    Ok(())
}

pub(super) const ZRANK: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    within: Some(ElementArgs::Ranked(2)),
    ..Spec::new("zrank", zrank)
};

/// `ZRANK key member [WITHSCORE]`: the position from the lowest score.
///
/// Reply: integer or null; with WITHSCORE an array of rank and score, or a null array.
/// O(log n).
fn zrank(call: &mut Call<'_>) -> CommandResult {
    rank(call, false)
}

pub(super) const ZREVRANK: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    within: Some(ElementArgs::Ranked(2)),
    ..Spec::new("zrevrank", zrevrank)
};

/// `ZREVRANK key member [WITHSCORE]`: the position from the highest score.
fn zrevrank(call: &mut Call<'_>) -> CommandResult {
    rank(call, true)
}

#[inline]
fn rank(call: &mut Call<'_>, from_highest: bool) -> CommandResult {
    if call.args.len() > 4 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let with_score = call.args.len() == 4;
    if with_score && !call.args.is(3, "WITHSCORE") {
        return Err(CommandError::Syntax);
    }
    let zset = call.db.read::<Zset>(call.args.at(1))?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(call.args.at(2))?;
        let rank = if from_highest {
            zset.len() - 1 - rank
        } else {
            rank
        };
        Some((rank, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            call.reply.array(2);
            call.reply.int(rank as i64);
            call.reply.double(score);
        }
        Some((rank, _)) => call.reply.int(rank as i64),
        None if with_score => call.reply.null_array(),
        None => call.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn scores_and_ranks_are_given() {
        let mut t = Testbed::new();
        t.run("ZADD z 1 a 2.5 b 3 c");
        assert_eq!(t.run("ZSCORE z b"), "$3\r\n2.5\r\n");
        assert_eq!(t.run("ZSCORE z x"), "$-1\r\n");
        assert_eq!(t.run("ZMSCORE z c x"), "*2\r\n$1\r\n3\r\n$-1\r\n");
        assert_eq!(t.run("ZMSCORE none c"), "*1\r\n$-1\r\n");
        assert_eq!(t.run("ZCARD z"), ":3\r\n");
        assert_eq!(t.run("ZRANK z a"), ":0\r\n");
        assert_eq!(t.run("ZREVRANK z a"), ":2\r\n");
        assert_eq!(t.run("ZRANK z x"), "$-1\r\n");
        assert_eq!(t.run("ZRANK z b WITHSCORE"), "*2\r\n:1\r\n$3\r\n2.5\r\n");
        assert_eq!(t.run("ZRANK z x WITHSCORE"), "*-1\r\n");
        assert_eq!(t.run("ZRANK z b SCORE"), "-ERR syntax error\r\n");
        assert_eq!(
            t.run("ZRANK z b WITHSCORE x"),
            "-ERR wrong number of arguments for 'zrank' command\r\n"
        );
        t.run("HELLO 3");
        assert_eq!(t.run("ZSCORE z b"), ",2.5\r\n");
        assert_eq!(t.run("ZREVRANK z b WITHSCORE"), "*2\r\n:1\r\n,2.5\r\n");
        assert_eq!(t.run("ZRANK z x WITHSCORE"), "_\r\n");
    }

    #[test]
    fn ranges_are_counted() {
        let mut t = Testbed::new();
        t.run("ZADD z 1 a 2 b 3 c");
        assert_eq!(t.run("ZCOUNT z (1 +inf"), ":2\r\n");
        assert_eq!(t.run("ZCOUNT z 3 1"), ":0\r\n");
        assert_eq!(t.run("ZCOUNT z x 1"), "-ERR min or max is not a float\r\n");
        t.run("ZADD l 0 a 0 b 0 c");
        assert_eq!(t.run("ZLEXCOUNT l [b +"), ":2\r\n");
        assert_eq!(t.run("ZLEXCOUNT l + -"), ":0\r\n");
        assert_eq!(
            t.run("ZLEXCOUNT l b +"),
            "-ERR min or max not valid string range item\r\n"
        );
    }
}
