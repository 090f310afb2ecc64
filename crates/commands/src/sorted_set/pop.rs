//! ZPOPMIN, ZPOPMAX, ZMPOP, and their blocking forms.
//!
//! Of several keys the first that exists gives all members. The effect names this key: ZPOPMIN or
//! ZPOPMAX, with the number popped. The handler deletes an emptied set.
//!
//! The reply has four forms ([`PopReply`]), by command and protocol: flat or in pairs, with or
//! without the key.
//!
//! Cost: O(keys + count log n). The command of a client that waits runs again when a write signals
//! a key.
//!
//! Decided elsewhere: arguments of ZMPOP, and the wait: `arguments::several_keys`.

use super::members_removed;
use crate::arguments::element;
use crate::arguments::several_keys::{self, mpop, mpop_or_wait, pop_or_wait};
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Type, Zset};

/// The end to pop from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ScoreEnd {
    Lowest,
    Highest,
}

impl ScoreEnd {
    /// The command that pops from this end, for effects.
    fn command(self) -> &'static [u8] {
        match self {
            ScoreEnd::Lowest => b"ZPOPMIN",
            ScoreEnd::Highest => b"ZPOPMAX",
        }
    }

    fn event(self) -> &'static str {
        match self {
            ScoreEnd::Lowest => "zpopmin",
            ScoreEnd::Highest => "zpopmax",
        }
    }
}

/// The form of the reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PopReply {
    /// Member, score, member, score ...
    Flat,
    /// An array of pairs.
    Pairs,
    /// The key, then flat.
    KeyThenFlat,
    /// The key, and an array of pairs.
    KeyAndPairs,
}

/// Pops up to `count` elements and replies them; `None` if there is no such key.
fn pop(
    call: &mut Call<'_>,
    key: &[u8],
    end: ScoreEnd,
    count: usize,
    form: PopReply,
) -> Result<Option<usize>, CommandError> {
    let Some(mut zset) = call.db.write::<Zset>(key)? else {
        return Ok(None);
    };
    let len = zset.len();
    let count = count.min(len);
    let reply = &mut *call.reply;
    match form {
        PopReply::Flat => reply.array(count * 2),
        PopReply::Pairs => reply.array(count),
        PopReply::KeyThenFlat => {
            reply.array(count * 2 + 1);
            reply.bulk(key);
        }
        PopReply::KeyAndPairs => {
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
        }
    }
    if count == 0 {
        return Ok(Some(0));
    }
    let (start, first) = match end {
        ScoreEnd::Lowest => (0, 0),
        ScoreEnd::Highest => (len - 1, len - count),
    };
    zset.visit(start, count, end == ScoreEnd::Highest, |score, member| {
        if matches!(form, PopReply::Pairs | PopReply::KeyAndPairs) {
            reply.array(2);
        }
        element::write(reply, member);
        reply.double(score);
        true
    });
    zset.remove_range(first, count, |_, _| {});
    let emptied = zset.is_empty();
    drop(zset);
    members_removed(call, key, end.event(), count, emptied);
    Ok(Some(count))
}

pub(super) const ZPOPMIN: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::TAKE)],
    categories: Category::SORTEDSET,
    work: work::POPPED,
    ..Spec::new("zpopmin", zpopmin)
};

/// `ZPOPMIN key [count]`: removes the members with the lowest scores.
///
/// Reply: array of members and scores (RESP3 with a count: of pairs). O(log n) a member.
fn zpopmin(call: &mut Call<'_>) -> CommandResult {
    pop_end(call, ScoreEnd::Lowest)
}

pub(super) const ZPOPMAX: Spec = Spec {
    name: "zpopmax",
    work: work::POPPED,
    handler: zpopmax,
    ..ZPOPMIN
};

/// `ZPOPMAX key [count]`: removes the members with the highest scores.
fn zpopmax(call: &mut Call<'_>) -> CommandResult {
    pop_end(call, ScoreEnd::Highest)
}

fn pop_end(call: &mut Call<'_>, end: ScoreEnd) -> CommandResult {
    if call.args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = call.args.get(2).map(|text| {
        let count = parse_i64(text).and_then(|n| usize::try_from(n).ok());
        count.ok_or(CommandError::MustBePositive)
    });
    let count = count.transpose()?;
    let form = if count.is_some() && call.reply.resp3() {
        PopReply::Pairs
    } else {
        PopReply::Flat
    };
    let popped = pop(call, call.args.at(1), end, count.unwrap_or(1), form)?;
    if popped.is_none() {
        call.reply.array(0);
    }
    Ok(())
}

pub(super) const BZPOPMIN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::BLOCKING).union(Flags::FAST),
    keys: &[KeySpec::range(1, -2, 1, Access::TAKE)],
    categories: Category::SORTEDSET,
    ..Spec::new("bzpopmin", bzpopmin)
};

/// `BZPOPMIN key [key ...] timeout`: ZPOPMIN of the first key that exists; blocks if none does.
///
/// Reply: key, member and score; null array on timeout. Propagated as ZPOPMIN. O(log n).
fn bzpopmin(call: &mut Call<'_>) -> CommandResult {
    pop_one_or_wait(call, ScoreEnd::Lowest)
}

pub(super) const BZPOPMAX: Spec = Spec {
    name: "bzpopmax",
    handler: bzpopmax,
    ..BZPOPMIN
};

/// `BZPOPMAX key [key ...] timeout`: like BZPOPMIN, from the other end.
fn bzpopmax(call: &mut Call<'_>) -> CommandResult {
    pop_one_or_wait(call, ScoreEnd::Highest)
}

fn pop_one_or_wait(call: &mut Call<'_>, end: ScoreEnd) -> CommandResult {
    pop_or_wait(call, Type::Zset, |call, key| {
        let popped = pop(call, key, end, 1, PopReply::KeyThenFlat)?.is_some();
        if popped {
            call.rewrite(&[end.command(), key]);
        }
        Ok(popped)
    })
}

/// `MIN` or `MAX`.
pub(super) fn parse_end(args: Args<'_>, at: usize) -> Result<ScoreEnd, CommandError> {
    match () {
        _ if args.is(at, "MIN") => Ok(ScoreEnd::Lowest),
        _ if args.is(at, "MAX") => Ok(ScoreEnd::Highest),
        _ => Err(CommandError::Syntax),
    }
}

pub(super) const ZMPOP: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::counted(1, Access::TAKE)],
    categories: Category::SORTEDSET,
    work: several_keys::POPPED,
    ..Spec::new("zmpop", zmpop)
};

/// `ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]`: pops from the first key that exists.
///
/// Reply: the key, and an array of pairs; null array if no key exists. Propagated as ZPOPMIN or
/// ZPOPMAX with a count. O(keys + count log n).
fn zmpop(call: &mut Call<'_>) -> CommandResult {
    mpop(call, parse_end, pop_counted)
}

/// Pops up to `count` members, with a plain pop as the effect; `false`: no such key.
fn pop_counted(
    call: &mut Call<'_>,
    key: &[u8],
    end: ScoreEnd,
    count: usize,
) -> Result<bool, CommandError> {
    let Some(popped) = pop(call, key, end, count, PopReply::KeyAndPairs)? else {
        return Ok(false);
    };
    let mut digits = itoa::Buffer::new();
    call.rewrite(&[end.command(), key, digits.format(popped).as_bytes()]);
    Ok(true)
}

pub(super) const BZMPOP: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::BLOCKING),
    keys: &[KeySpec::counted(2, Access::TAKE)],
    categories: Category::SORTEDSET,
    work: several_keys::POPPED,
    ..Spec::new("bzmpop", bzmpop)
};

/// `BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]`: blocking ZMPOP.
fn bzmpop(call: &mut Call<'_>) -> CommandResult {
    mpop_or_wait(call, Type::Zset, parse_end, pop_counted)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn both_ends_give_up_their_members() {
        let mut t = Testbed::new();
        t.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
        t.take_effects();
        assert_eq!(t.run("ZPOPMIN z"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(
            t.run("ZPOPMAX z 2"),
            "*4\r\n$1\r\ne\r\n$1\r\n5\r\n$1\r\nd\r\n$1\r\n4\r\n"
        );
        assert_eq!(t.run("ZPOPMAX z 0"), "*0\r\n");
        assert_eq!(t.run("ZPOPMAX none 5"), "*0\r\n");
        assert_eq!(
            t.run("ZPOPMAX z -1"),
            "-ERR value is out of range, must be positive\r\n"
        );
        assert_eq!(t.run("ZPOPMAX z 1 1"), "-ERR syntax error\r\n");
        t.run("HELLO 3");
        assert_eq!(t.run("ZPOPMIN z 1"), "*1\r\n*2\r\n$1\r\nb\r\n,2\r\n");
        assert_eq!(t.run("ZPOPMIN z"), "*2\r\n$1\r\nc\r\n,3\r\n");
        assert_eq!(t.run("ZCARD z"), ":0\r\n");
        assert_eq!(
            t.take_effects(),
            ["ZPOPMIN z", "ZPOPMAX z 2", "ZPOPMIN z 1", "ZPOPMIN z"]
        );
    }

    #[test]
    fn zmpop_takes_from_the_first_key_that_has_something() {
        let mut t = Testbed::new();
        assert_eq!(t.run("ZMPOP 2 none z MIN"), "*-1\r\n");
        t.run("ZADD z 1 a 2 b");
        t.take_effects();
        assert_eq!(
            t.run("ZMPOP 2 none z MAX COUNT 10"),
            "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"
        );
        assert_eq!(t.take_effects(), ["ZPOPMAX z 2"]);
        for (line, text) in [
            ("ZMPOP 0 z MIN", "numkeys should be greater than 0"),
            ("ZMPOP 1 z MID", "syntax error"),
            ("ZMPOP 9 z MIN", "syntax error"),
            ("ZMPOP 1 z MIN COUNT 0", "count should be greater than 0"),
            ("ZMPOP 1 z MIN COUNT 1 COUNT 1", "syntax error"),
            ("BZMPOP x 1 z MIN", "timeout is not a float or out of range"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
    }

    #[test]
    fn waiting_clients_are_served_in_the_order_they_came() {
        let mut t = Testbed::new();
        let (first, second) = (t.connect(), t.connect());
        assert_eq!(t.run_as(first, "BZPOPMIN x z 0"), "");
        assert_eq!(t.run_as(second, "BZMPOP 0 1 z MAX COUNT 5"), "");
        assert_eq!(t.run("ZADD z 1 a 2 b 3 c"), ":3\r\n");
        assert_eq!(
            t.take_reply(first),
            b"*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n"
        );
        assert_eq!(
            String::from_utf8_lossy(&t.take_reply(second)),
            "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"
        );
        assert_eq!(
            t.take_effects(),
            ["ZADD z 1 a 2 b 3 c", "ZPOPMIN z", "ZPOPMAX z 2"]
        );
        assert_eq!(t.run_as(first, "BZPOPMAX z 0.5"), "");
        t.advance_ms(501);
        t.time_out_blocked();
        assert_eq!(t.take_reply(first), b"*-1\r\n");
        t.run("MULTI");
        t.run("BZPOPMIN z 0");
        assert_eq!(t.run("EXEC"), "*1\r\n*-1\r\n");
    }
}
