//! ZREM and ZREMRANGEBYRANK, -SCORE, -LEX.
//!
//! A command propagates itself only if it removed a member. A range that covers the whole set
//! deletes the key, so that the server frees the set as any big value; the removal of the last
//! member deletes the key as well.
//!
//! Cost: ZREM O(log n) a member; ranges O(log n + removed).
//!
//! Decided elsewhere: bounds: `bounds`.

use super::bounds::{LexRange, RankRange, ScoreRange};
use super::members_removed;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Zset};

pub(super) const ZREM: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::SORTEDSET,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("zrem", zrem)
};

/// `ZREM key member [member ...]`.
///
/// Reply: the number of members removed. O(log n) a member.
fn zrem(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let (mut removed, mut emptied) = (0, false);
    if let Some(mut zset) = call.db.write::<Zset>(key)? {
        for member in call.args.from(2).iter() {
            removed += usize::from(zset.remove(member).is_some());
        }
        emptied = zset.is_empty();
    }
    if removed > 0 {
        members_removed(call, key, "zrem", removed, emptied);
    }
    call.reply.int(removed as i64);
    Ok(())
}

pub(super) const ZREMRANGEBYRANK: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::SORTEDSET,
    work: REMOVED_RANGES,
    ..Spec::new("zremrangebyrank", zremrangebyrank)
};

/// `ZREMRANGEBYRANK key start stop`.
///
/// Reply: the number of members removed. O(log n + removed), as the other two.
fn zremrangebyrank(call: &mut Call<'_>) -> CommandResult {
    let [_, _, start, stop] = call.args.exactly();
    let range = RankRange::parse(start, stop)?;
    remove_range(call, "zremrangebyrank", |zset| range.within(zset))
}

const REMOVED_RANGES: work::Work = work::by(count_removed, "remove shorter ranges");

fn count_removed(call: &mut Call<'_>) -> CommandResult {
    let touched = touched_by_removal(call).unwrap_or(0);
    call.touches(touched as u64);
    Ok(())
}

/// The elements that any of the three commands would remove; `None`: the handler will refuse the
/// command, or there is no such set.
fn touched_by_removal(call: &mut Call<'_>) -> Option<usize> {
    let [_, _, min, max] = call.args.exactly();
    match call.name {
        "zremrangebyrank" => {
            let range = RankRange::parse(min, max).ok()?;
            work::look(call, call.args.at(1), |zset: &Zset| range.within(zset).1)
        }
        "zremrangebyscore" => {
            let range = ScoreRange::parse(min, max).ok()?;
            work::look(call, call.args.at(1), |zset: &Zset| {
                by_score(&range, zset).1
            })
        }
        _ => {
            let range = LexRange::parse(min, max).ok()?;
            work::look(call, call.args.at(1), |zset: &Zset| by_lex(&range, zset).1)
        }
    }
}

/// First rank and number of elements.
fn by_score(range: &ScoreRange, zset: &Zset) -> (usize, usize) {
    let start = range.start(zset);
    (start, range.end(zset).saturating_sub(start))
}

/// As [`by_score`].
fn by_lex(range: &LexRange<'_>, zset: &Zset) -> (usize, usize) {
    if zset.is_table() {
        return range.within_table(zset);
    }
    let start = range.start(zset);
    (start, range.end(zset).saturating_sub(start))
}

pub(super) const ZREMRANGEBYSCORE: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::SORTEDSET,
    work: REMOVED_RANGES,
    ..Spec::new("zremrangebyscore", zremrangebyscore)
};

/// `ZREMRANGEBYSCORE key min max`.
fn zremrangebyscore(call: &mut Call<'_>) -> CommandResult {
    let [_, _, min, max] = call.args.exactly();
    let range = ScoreRange::parse(min, max)?;
    remove_range(call, "zremrangebyscore", |zset| by_score(&range, zset))
}

pub(super) const ZREMRANGEBYLEX: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::SORTEDSET,
    work: REMOVED_RANGES,
    ..Spec::new("zremrangebylex", zremrangebylex)
};

/// `ZREMRANGEBYLEX key min max`.
fn zremrangebylex(call: &mut Call<'_>) -> CommandResult {
    let [_, _, min, max] = call.args.exactly();
    let range = LexRange::parse(min, max)?;
    remove_range(call, "zremrangebylex", |zset| by_lex(&range, zset))
}

/// Removes the elements selected by first rank and count.
fn remove_range(
    call: &mut Call<'_>,
    event: &'static str,
    select: impl FnOnce(&Zset) -> (usize, usize),
) -> Result<(), CommandError> {
    let key = call.args.at(1);
    let (mut removed, mut emptied) = (0, false);
    if let Some(mut zset) = call.db.write::<Zset>(key)? {
        let (rank, count) = select(&zset);
        emptied = rank == 0 && count >= zset.len();
        if emptied {
            // The whole set is deleted below.
            removed = zset.len();
        } else {
            zset.remove_range(rank, count, |_, _| removed += 1);
        }
    }
    if removed > 0 {
        members_removed(call, key, event, removed, emptied);
    }
    call.reply.int(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn the_last_member_takes_the_set_along() {
        let mut t = Testbed::new();
        t.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
        t.take_effects();
        assert_eq!(t.run("ZREM z a x a"), ":1\r\n");
        assert_eq!(t.run("ZREM z x"), ":0\r\n");
        assert_eq!(t.run("ZREMRANGEBYRANK z 0 0"), ":1\r\n");
        assert_eq!(t.run("ZREMRANGEBYSCORE z 3 (4"), ":1\r\n");
        assert_eq!(t.run("ZREMRANGEBYSCORE z 9 1"), ":0\r\n");
        assert_eq!(t.run("ZREMRANGEBYLEX z - +"), ":2\r\n");
        assert_eq!(
            t.take_effects(),
            [
                "ZREM z a x a",
                "ZREMRANGEBYRANK z 0 0",
                "ZREMRANGEBYSCORE z 3 (4",
                "ZREMRANGEBYLEX z - +"
            ]
        );
        assert_eq!(t.engine.keyspace.db(Default::default()).len(), 0);
        assert_eq!(t.run("ZREMRANGEBYRANK z 0 -1"), ":0\r\n");
    }

    #[test]
    fn ranges_of_large_sets_are_removed() {
        let mut t = Testbed::new();
        for i in 0..1000 {
            t.run(&format!("ZADD z {i} member:{i}"));
        }
        assert_eq!(t.run("ZREMRANGEBYRANK z 100 -101"), ":800\r\n");
        assert_eq!(t.run("ZREMRANGEBYSCORE z (99 900"), ":1\r\n");
        assert_eq!(t.run("ZCARD z"), ":199\r\n");
        assert_eq!(t.run("ZRANK z member:901"), ":100\r\n");
        assert_eq!(t.run("ZSCORE z member:500"), "$-1\r\n");
    }
}
