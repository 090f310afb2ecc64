//! ZMOVE, BZMOVE and ZMOVEMEMBER: move members with their scores between two sorted sets.
//!
//! Nothing moves before all arguments, both types and the members are known, so a command moves all
//! that it can or nothing. A score of the source replaces that of the destination. With the same
//! key twice nothing moves, and BZMOVE does not wait.
//!
//! Redis 8.12 has these commands. As no such server could be asked, some of their behaviour follows
//! from their sisters: the reply's form ([`reply_moved`]) from ZMPOP, the order of the events
//! ([`MoveOutcome::finish`]) from LMOVEM, the error texts ([`WRONG_COUNT`], [`WRONG_NUMBER`]) from
//! ZMPOP.
//!
//! Cost: O(log n + log m) a member moved.

use super::bounds::ScoreRange;
use super::members_removed;
use super::pop::{ScoreEnd, parse_end};
use crate::arguments::{element, timeout};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_resp::{Args, OwnedArgs, Reply};
use russet_server::{Call, CommandResult, OnTimeout, Spec};
use russet_types::{Container, Type, Zset};

const WRONG_COUNT: CommandError = CommandError::Text("ERR count should be greater than 0");
const WRONG_NUMBER: CommandError = CommandError::Text("ERR num-members should be greater than 0");

const KEYS: &[KeySpec] = &[
    KeySpec::one(1, Access::TAKE),
    KeySpec::one(2, Access::ADD.union(Access::UPDATE)),
];

pub(super) const ZMOVE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: KEYS,
    categories: Category::SORTEDSET,
    work: work::by(count_moved, "move fewer at a time"),
    ..Spec::new("zmove", zmove)
};

pub(super) const BZMOVE: Spec = Spec {
    name: "bzmove",
    work: work::by(count_moved, "move fewer at a time"),
    handler: bzmove,
    arity: Arity::AtLeast(5),
    flags: ZMOVE.flags.union(Flags::BLOCKING),
    ..ZMOVE
};

pub(super) const ZMOVEMEMBER: Spec = Spec {
    name: "zmovemember",
    work: work::by(count_named, work::FEWER_NAMES),
    handler: zmovemember,
    arity: Arity::AtLeast(6),
    ..ZMOVE
};

/// The members that ZMOVE and BZMOVE move.
enum Part {
    /// From an end: one by default.
    End(ScoreEnd),
    /// By score, lowest first: all by default.
    Scores(ScoreRange),
}

struct Selection {
    part: Part,
    /// At most this many members.
    count: usize,
}

impl Selection {
    /// ZMOVE's: `MIN | MAX | BYSCORE min max [COUNT count]`.
    fn parse(args: Args<'_>) -> Result<Selection, CommandError> {
        if !args.is(3, "BYSCORE") {
            return Selection::at_end(args, 4);
        }
        let (Some(min), Some(max)) = (args.get(4), args.get(5)) else {
            return Err(CommandError::Syntax);
        };
        let range = ScoreRange::parse(min, max)?;
        let count = Selection::parse_count(args, 6)?.unwrap_or(usize::MAX);
        let part = Part::Scores(range);
        Ok(Selection { part, count })
    }

    /// `MIN | MAX` at 3, and at `options` `[COUNT count]`.
    fn at_end(args: Args<'_>, options: usize) -> Result<Selection, CommandError> {
        let part = Part::End(parse_end(args, 3)?);
        let count = Selection::parse_count(args, options)?.unwrap_or(1);
        Ok(Selection { part, count })
    }

    fn parse_count(args: Args<'_>, at: usize) -> Result<Option<usize>, CommandError> {
        match args.len() - at {
            0 => Ok(None),
            2 if args.is(at, "COUNT") => {
                element::at_least(args.at(at + 1), 1, WRONG_COUNT).map(Some)
            }
            _ => Err(CommandError::Syntax),
        }
    }

    /// The lowest rank of the selected members, and their number.
    fn within(&self, zset: &Zset) -> (usize, usize) {
        match &self.part {
            Part::End(ScoreEnd::Lowest) => (0, self.count.min(zset.len())),
            Part::End(ScoreEnd::Highest) => {
                let count = self.count.min(zset.len());
                (zset.len() - count, count)
            }
            Part::Scores(range) => {
                let start = range.start(zset);
                let found = range.end(zset).saturating_sub(start);
                (start, self.count.min(found))
            }
        }
    }

    /// Removes the selected members.
    fn take(&self, zset: &mut Zset) -> MoveOutcome {
        let (first, count) = self.within(zset);
        let mut moved = MoveOutcome::default();
        if count == 0 {
            return moved;
        }
        let downwards = matches!(self.part, Part::End(ScoreEnd::Highest));
        let start = if downwards { first + count - 1 } else { first };
        let mut digits = itoa::Buffer::new();
        zset.visit(start, count, downwards, |score, member| {
            moved.push(score, member.bytes(&mut digits));
            true
        });
        zset.remove_range(first, count, |_, _| {});
        moved
    }
}

/// Members on their way, in the order of the reply.
#[derive(Default)]
struct MoveOutcome {
    scores: Vec<f64>,
    members: OwnedArgs,
}

impl MoveOutcome {
    fn push(&mut self, score: f64, member: &[u8]) {
        self.scores.push(score);
        self.members.push(member);
    }

    fn len(&self) -> usize {
        self.scores.len()
    }

    /// Adds the members to the destination, replies them and records both changes; `emptied`: the
    /// source has no other member.
    fn finish(&self, call: &mut Call<'_>, emptied: bool) -> CommandResult {
        let (source, destination) = (call.args.at(1), call.args.at(2));
        let (limits, members) = (*call.db.limits(), self.members.args());
        let make = || Zset::new_for(self.len(), members.at(0).len(), &limits);
        let mut zset = call.db.write_or(destination, make)?;
        zset.prepare(self.len(), &limits);
        for (&score, member) in self.scores.iter().zip(members.iter()) {
            zset.set(member, score, &limits);
        }
        drop(zset);
        reply_moved(call.reply, &self.scores, members);
        // The removal is the change that counts.
        call.db.changed_by(destination, 0, Class::ZSET, "zadd");
        members_removed(call, source, "zrem", self.len(), emptied);
        Ok(())
    }
}

/// Replies pairs of member and score, in both protocols.
fn reply_moved(reply: &mut Reply, scores: &[f64], members: Args<'_>) {
    reply.array(scores.len());
    for (&score, member) in scores.iter().zip(members.iter()) {
        reply.array(2);
        reply.bulk(member);
        reply.double(score);
    }
}

/// The outcome of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Moved(usize),
    /// The source has none of the members, or both keys are the same.
    Nothing,
    NoSource,
}

/// Moves the members that `take` removes from the source. The destination's type is checked only if
/// there is a source.
fn transfer(
    call: &mut Call<'_>,
    take: impl FnOnce(&mut Call<'_>) -> Result<MoveOutcome, CommandError>,
) -> Result<Outcome, CommandError> {
    let (source, destination) = (call.args.at(1), call.args.at(2));
    let is_there = call.db.write::<Zset>(source)?.is_some();
    if source == destination {
        return Ok(Outcome::Nothing);
    }
    if !is_there {
        return Ok(Outcome::NoSource);
    }
    call.db.write::<Zset>(destination)?;
    let moved = take(call)?;
    if moved.len() == 0 {
        return Ok(Outcome::Nothing);
    }
    let emptied = call
        .db
        .write::<Zset>(source)?
        .is_some_and(|zset| zset.is_empty());
    moved.finish(call, emptied)?;
    Ok(Outcome::Moved(moved.len()))
}

fn transfer_selected(call: &mut Call<'_>, selection: &Selection) -> Result<Outcome, CommandError> {
    let source = call.args.at(1);
    transfer(call, |call| {
        let mut zset = call.db.write::<Zset>(source)?.expect("seen before");
        Ok(selection.take(&mut zset))
    })
}

/// `ZMOVE source destination MIN | MAX | BYSCORE min max [COUNT count]`: moves the members with the
/// lowest or highest scores, one by default, or those in a range of scores, all by default.
///
/// Reply: array of pairs of member and score, in the order in which they were taken; null array if
/// nothing moved. Propagated as it is.
fn zmove(call: &mut Call<'_>) -> CommandResult {
    let selection = Selection::parse(call.args)?;
    if !matches!(transfer_selected(call, &selection)?, Outcome::Moved(_)) {
        call.reply.null_array();
    }
    Ok(())
}

/// `BZMOVE source destination MIN | MAX timeout [COUNT count]`: like ZMOVE, but waits until the
/// source has a member.
///
/// Reply: as ZMOVE's; null array on timeout, at once inside a transaction and for the same key
/// twice. Propagated as ZMOVE with the number of members moved.
fn bzmove(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let selection = parse_waiting(args)?;
    let timeout_ms = timeout::seconds(args.at(4), call.db.now_ms())?;
    match transfer_selected(call, &selection)? {
        Outcome::Moved(count) => {
            let mut digits = itoa::Buffer::new();
            let count = digits.format(count).as_bytes();
            let [source, destination, end] = [1, 2, 3].map(|at| args.at(at));
            call.rewrite(&[b"ZMOVE", source, destination, end, b"COUNT", count]);
        }
        Outcome::NoSource if call.may_block() => {
            let on_timeout = OnTimeout::Reply(Reply::null_array);
            call.block_on_keys(&[args.at(1)], Type::Zset, timeout_ms, on_timeout);
        }
        Outcome::NoSource | Outcome::Nothing => call.reply.null_array(),
    }
    Ok(())
}

/// BZMOVE's members; their selection by score is no option there.
fn parse_waiting(args: Args<'_>) -> Result<Selection, CommandError> {
    Selection::at_end(args, 5)
}

/// The members that ZMOVE and BZMOVE move.
fn count_moved(call: &mut Call<'_>) -> CommandResult {
    let selection = match call.name {
        "zmove" => Selection::parse(call.args)?,
        _ => parse_waiting(call.args)?,
    };
    let moved = work::look(call, call.args.at(1), |zset: &Zset| {
        selection.within(zset).1
    });
    call.touches(moved.unwrap_or(0) as u64);
    Ok(())
}

/// Which of the named members move.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// NX: the destination lacks it.
    New,
    /// XX: the destination has it.
    There,
}

/// `ZMOVEMEMBER source destination [NX | XX] MEMBERS n member [member ...]`: moves the named
/// members that the source has; with NX only those that the destination lacks, with XX only those
/// that it has.
///
/// Reply: array of pairs of member and score, in the order of the arguments; null array if nothing
/// moved. Propagated as it is.
fn zmovemember(call: &mut Call<'_>) -> CommandResult {
    let (condition, members) = parse_named(call.args)?;
    let (source, destination) = (call.args.at(1), call.args.at(2));
    let outcome = transfer(call, |call| {
        let wanted = wanted_members(call, destination, condition, members)?;
        let mut zset = call.db.write::<Zset>(source)?.expect("seen before");
        let mut moved = MoveOutcome::default();
        for member in wanted {
            // A second mention finds nothing.
            if let Some(score) = zset.remove(member) {
                moved.push(score, member);
            }
        }
        Ok(moved)
    })?;
    if !matches!(outcome, Outcome::Moved(_)) {
        call.reply.null_array();
    }
    Ok(())
}

/// `[NX | XX] MEMBERS n member [member ...]`.
fn parse_named(args: Args<'_>) -> Result<(Condition, Args<'_>), CommandError> {
    let condition = match () {
        _ if args.is(3, "NX") => Condition::New,
        _ if args.is(3, "XX") => Condition::There,
        _ => Condition::Always,
    };
    let at = 3 + usize::from(condition != Condition::Always);
    if !args.is(at, "MEMBERS") {
        return Err(CommandError::Syntax);
    }
    let number = element::at_least(args.at(at + 1), 1, WRONG_NUMBER)?;
    let members = args.from(at + 2);
    if members.len() != number {
        return Err(CommandError::Syntax);
    }
    Ok((condition, members))
}

/// The members named.
fn count_named(call: &mut Call<'_>) -> CommandResult {
    let (_, members) = parse_named(call.args)?;
    call.touches(members.len() as u64);
    Ok(())
}

/// The members that the destination allows.
fn wanted_members<'a>(
    call: &mut Call<'_>,
    destination: &[u8],
    condition: Condition,
    members: Args<'a>,
) -> Result<Vec<&'a [u8]>, CommandError> {
    let zset = call.db.write::<Zset>(destination)?;
    let has = |member: &[u8]| {
        zset.as_ref()
            .is_some_and(|zset| zset.score(member).is_some())
    };
    let wanted = members.iter().filter(|member| match condition {
        Condition::Always => true,
        Condition::New => !has(member),
        Condition::There => has(member),
    });
    Ok(wanted.collect())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn pairs(words: &str) -> String {
        let mut reply = format!("*{}\r\n", words.split_whitespace().count() / 2);
        for (at, word) in words.split_whitespace().enumerate() {
            if at % 2 == 0 {
                reply += "*2\r\n";
            }
            reply += &format!("${}\r\n{word}\r\n", word.len());
        }
        reply
    }

    fn array(words: &str) -> String {
        let mut reply = format!("*{}\r\n", words.split_whitespace().count());
        for word in words.split_whitespace() {
            reply += &format!("${}\r\n{word}\r\n", word.len());
        }
        reply
    }

    /// With `entries` 1 the sets are tables, with 128 listpacks.
    fn with_two_sets(entries: usize) -> Testbed {
        let mut t = Testbed::new();
        t.run(&format!("CONFIG SET zset-max-listpack-entries {entries}"));
        t.run("ZADD a 1 one 2 two 3 three 4 four 5 five");
        t.run("ZADD b 9 three 8 x");
        t
    }

    #[test]
    fn members_keep_their_scores_and_their_order_is_that_of_the_selection() {
        for (selection, moved, from, to) in [
            ("MIN", "one 1", "two three four five", "one x three"),
            ("max", "five 5", "one two three four", "five x three"),
            (
                "MIN COUNT 2",
                "one 1 two 2",
                "three four five",
                "one two x three",
            ),
            (
                "MAX COUNT 2",
                "five 5 four 4",
                "one two three",
                "four five x three",
            ),
            (
                "BYSCORE 3 4",
                "three 3 four 4",
                "one two five",
                "three four x",
            ),
            (
                "BYSCORE (2 +inf COUNT 1",
                "three 3",
                "one two four five",
                "three x",
            ),
            (
                "MAX COUNT 9",
                "five 5 four 4 three 3 two 2 one 1",
                "",
                "one two three four five x",
            ),
        ] {
            for entries in [1, 128] {
                let mut t = with_two_sets(entries);
                t.take_effects();
                assert_eq!(
                    t.run(&format!("ZMOVE a b {selection}")),
                    pairs(moved),
                    "{selection}"
                );
                assert_eq!(t.run("ZRANGE a 0 -1"), array(from), "{selection}");
                assert_eq!(t.run("ZRANGE b 0 -1"), array(to), "{selection}");
                assert_eq!(
                    t.run("EXISTS a"),
                    format!(":{}\r\n", u8::from(!from.is_empty()))
                );
                assert_eq!(t.take_effects(), [format!("ZMOVE a b {selection}")]);
                t.engine.keyspace.check_invariants();
            }
        }
    }

    #[test]
    fn named_members_move_in_the_order_of_the_arguments() {
        for (words, moved, from, to) in [
            (
                "MEMBERS 3 four nosuch two",
                "four 4 two 2",
                "one three five",
                "two four x three",
            ),
            (
                "MEMBERS 2 one one",
                "one 1",
                "two three four five",
                "one x three",
            ),
            (
                "NX MEMBERS 2 three two",
                "two 2",
                "one three four five",
                "two x three",
            ),
            (
                "XX MEMBERS 2 three two",
                "three 3",
                "one two four five",
                "three x",
            ),
        ] {
            for entries in [1, 128] {
                let mut t = with_two_sets(entries);
                t.take_effects();
                let line = format!("ZMOVEMEMBER a b {words}");
                assert_eq!(t.run(&line), pairs(moved), "{words}");
                assert_eq!(t.run("ZRANGE a 0 -1"), array(from), "{words}");
                assert_eq!(t.run("ZRANGE b 0 -1"), array(to), "{words}");
                assert_eq!(t.take_effects(), [line]);
            }
        }
    }

    #[test]
    fn nothing_moves_within_a_key_or_from_nowhere() {
        let mut t = with_two_sets(128);
        t.run("SET s x");
        t.take_effects();
        for line in [
            "ZMOVE a a MIN",
            "ZMOVEMEMBER a a MEMBERS 1 one",
            "BZMOVE a a MAX 0",
            "BZMOVE none none MAX 0",
            "ZMOVE none b MIN",
            // The destination's type does not matter without a source.
            "ZMOVE none s MIN",
            "ZMOVE a b BYSCORE 20 30",
            "ZMOVE a b BYSCORE 4 3",
            "ZMOVEMEMBER a b MEMBERS 1 nosuch",
            "ZMOVEMEMBER a c XX MEMBERS 1 one",
        ] {
            assert_eq!(t.run(line), "*-1\r\n", "{line}");
        }
        for line in [
            "ZMOVE a s MIN",
            "ZMOVE s a MIN",
            "ZMOVEMEMBER a s MEMBERS 1 no",
        ] {
            assert!(t.run(line).starts_with("-WRONGTYPE "), "{line}");
        }
        assert_eq!(t.run("EXISTS c"), ":0\r\n");
        assert_eq!(t.run("ZCARD a"), ":5\r\n");
        assert!(t.take_effects().is_empty());
        t.run("HELLO 3");
        assert_eq!(t.run("ZMOVE none b MIN"), "_\r\n");
        assert_eq!(t.run("ZMOVE a b MIN"), "*1\r\n*2\r\n$3\r\none\r\n,1\r\n");
    }

    #[test]
    fn wrong_words_change_nothing() {
        let mut t = with_two_sets(128);
        let count = "count should be greater than 0";
        for (line, error) in [
            ("ZMOVE a b MID", "syntax error"),
            ("ZMOVE a b MIN COUNT", "syntax error"),
            ("ZMOVE a b MIN COUNT 0", count),
            ("ZMOVE a b MIN COUNT x", count),
            ("ZMOVE a b MIN COUNT 1 COUNT 1", "syntax error"),
            ("ZMOVE a b BYSCORE 1", "syntax error"),
            ("ZMOVE a b BYSCORE 1 x", "min or max is not a float"),
            ("BZMOVE a b BYSCORE 1 2", "syntax error"),
            ("BZMOVE a b MIN x", "timeout is not a float or out of range"),
            ("BZMOVE a b MIN -1", "timeout is negative"),
            ("BZMOVE a b MIN 0 COUNT -1", count),
            (
                "ZMOVEMEMBER a b MEMBERS 0 x",
                "num-members should be greater than 0",
            ),
            ("ZMOVEMEMBER a b MEMBERS 2 x", "syntax error"),
            ("ZMOVEMEMBER a b MEMBERS 1 x y", "syntax error"),
            ("ZMOVEMEMBER a b NX XX MEMBERS 1 x", "syntax error"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {error}\r\n"), "{line}");
        }
        assert_eq!(t.run("ZCARD a"), ":5\r\n");
    }

    #[test]
    fn times_to_live_of_both_keys_stay_and_a_new_key_has_none() {
        let mut t = with_two_sets(128);
        t.run("EXPIRE a 100");
        t.run("EXPIRE b 200");
        t.run("ZMOVE a b MIN");
        t.run("ZMOVE a c MIN");
        assert_eq!(t.run("TTL a"), ":100\r\n");
        assert_eq!(t.run("TTL b"), ":200\r\n");
        assert_eq!(t.run("TTL c"), ":-1\r\n");
    }

    #[test]
    fn a_client_waits_until_the_source_has_a_member() {
        let mut t = Testbed::new();
        let (one, two, pusher) = (t.connect(), t.connect(), t.connect());
        assert_eq!(t.run_as(one, "BZMOVE a b MAX 0 COUNT 2"), "");
        assert_eq!(t.run_as(two, "BZMOVE b c MIN 0"), "");
        // The destination of a waiting client wakes only those that wait for it.
        t.run_as(pusher, "ZADD c 1 x");
        assert_eq!(t.take_reply(one), b"");
        t.run_as(pusher, "ZADD a 1 p 2 q 3 r");
        assert_eq!(t.take_reply(one), pairs("r 3 q 2").as_bytes());
        assert_eq!(t.take_reply(two), pairs("q 2").as_bytes());
        assert_eq!(
            t.take_effects(),
            [
                "ZADD c 1 x",
                "ZADD a 1 p 2 q 3 r",
                "ZMOVE a b MAX COUNT 2",
                "ZMOVE b c MIN COUNT 1"
            ]
        );
        assert_eq!(t.run_as(one, "BZMOVE none c MIN 0.5"), "");
        t.advance_ms(501);
        t.time_out_blocked();
        assert_eq!(t.take_reply(one), b"*-1\r\n");
        t.run_as(pusher, "MULTI");
        t.run_as(pusher, "BZMOVE none c MIN 0");
        assert_eq!(t.run_as(pusher, "EXEC"), "*1\r\n*-1\r\n");
    }
}
