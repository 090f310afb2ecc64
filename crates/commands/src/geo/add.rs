//! GEOADD.
//!
//! The handler parses all positions before it stores the first, so a position outside the map
//! changes nothing. A position becomes the score of a sorted set, so it has the precision of a
//! 52-bit geohash.
//!
//! The effect is the ZADD of the scores, as in Redis: no replica computes a geohash.
//!
//! Cost: O(log n) a member.
//!
//! Decided elsewhere: storing: `sorted_set::set_scores`; geohashes: `encodings::geohash`.

use smallvec::SmallVec;

use super::args;
use crate::sorted_set::{Conditions, set_scores};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};

pub(super) const GEOADD: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::GEO,
    within: Some(ElementArgs::Every { first: 4, step: 3 }),
    work: work::by(count_points, work::FEWER_NAMES),
    ..Spec::new("geoadd", geoadd)
};

/// The members that GEOADD names; a condition counts for a third of a member.
fn count_points(call: &mut Call<'_>) -> CommandResult {
    let points = call.args.from(2).len() / 3;
    call.touches(points as u64);
    Ok(())
}

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`: ZADD
/// with the geohash as the score.
///
/// Reply: the number of new members, with CH also of moved members. If any position is outside the
/// map the handler refuses the whole command. O(log n) a member.
fn geoadd(call: &mut Call<'_>) -> CommandResult {
    let (mut conditions, mut count_moved, mut first) = (Conditions::default(), false, 2);
    loop {
        if call.args.is(first, "NX") {
            conditions.new = true;
        } else if call.args.is(first, "XX") {
            conditions.there = true;
        } else if call.args.is(first, "CH") {
            count_moved = true;
        } else {
            break;
        }
        first += 1;
    }
    let points = call.args.from(first);
    if !points.len().is_multiple_of(3) || points.is_empty() || conditions.new && conditions.there {
        return Err(CommandError::Syntax);
    }
    let dialect = call.number_dialect();
    let mut scores = SmallVec::<[f64; 16]>::with_capacity(points.len() / 3);
    for at in (0..points.len()).step_by(3) {
        let position = args::position(points.at(at), points.at(at + 1), dialect)?;
        scores.push(position.score());
    }
    let changes = set_scores(call, &scores, |i| points.at(3 * i + 2), conditions)?;
    if changes.count(true) > 0 && call.effects_wanted() {
        record_zadd(call, first, &scores);
    }
    call.reply.int(changes.count(count_moved) as i64);
    Ok(())
}

/// Records a ZADD of the scores as the effect, as Redis does. `first` is the argument after the
/// options.
fn record_zadd(call: &mut Call<'_>, first: usize, scores: &[f64]) {
    let mut digits = Vec::with_capacity(scores.len() * 16);
    let mut ends = SmallVec::<[usize; 16]>::with_capacity(scores.len());
    for &score in scores {
        russet_base::numbers::number::write_u64(&mut digits, score as u64);
        ends.push(digits.len());
    }
    let mut words: Vec<&[u8]> = Vec::with_capacity(first + 2 * scores.len());
    words.push(b"zadd");
    words.extend(call.args.first(first).iter().skip(1));
    let mut start = 0;
    for (i, &end) in ends.iter().enumerate() {
        words.push(&digits[start..end]);
        words.push(call.args.at(first + 3 * i + 2));
        start = end;
    }
    call.rewrite(&words);
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn positions_are_added_as_scores() {
        let mut t = Testbed::new();
        t.take_effects();
        let line = "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";
        assert_eq!(t.run(line), ":2\r\n");
        assert_eq!(t.run("ZSCORE g Palermo"), "$16\r\n3479099956230698\r\n");
        assert_eq!(t.run(line), ":0\r\n");
        assert_eq!(t.run("GEOADD g ch xx 13 38 Palermo 1 1 other"), ":1\r\n");
        assert_eq!(
            t.run("GEOADD g NX CH 12 38 Palermo 180 85.05112878 end"),
            ":1\r\n"
        );
        let effects = t.take_effects();
        assert_eq!(
            effects,
            [
                "zadd g 3479099956230698 Palermo 3479447370796909 Catania",
                "zadd g ch xx 3479065152021743 Palermo 3377822707026402 other",
                "zadd g NX CH 3478959346502733 Palermo 13510798882111488 end",
            ]
        );
        assert_eq!(t.run("GEOADD none XX 1 1 a"), ":0\r\n");
        assert_eq!(t.run("EXISTS none"), ":0\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn refusals_leave_everything_as_it_was() {
        let mut t = Testbed::new();
        for (line, text) in [
            (
                "GEOADD g 1 2",
                "wrong number of arguments for 'geoadd' command",
            ),
            ("GEOADD g 1 2 a 3", "syntax error"),
            ("GEOADD g NX XX CH", "syntax error"),
            ("GEOADD g NX XX 1 1 a", "syntax error"),
            ("GEOADD g CH CH CH", "syntax error"),
            ("GEOADD g GT 1 1 a", "syntax error"),
            ("GEOADD g 1 1 a x 1 b", "value is not a valid float"),
            ("GEOADD g 1 1 a 1 nan b", "value is not a valid float"),
            (
                "GEOADD g 1 1 a 180.1 0 b",
                "invalid longitude,latitude pair 180.100000,0.000000",
            ),
            (
                "GEOADD g 1 85.05112879 b",
                "invalid longitude,latitude pair 1.000000,85.051129",
            ),
            (
                "GEOADD g inf -0 b",
                "invalid longitude,latitude pair inf,-0.000000",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
        assert_eq!(t.run("EXISTS g"), ":0\r\n");
        t.run("SET s 1");
        assert!(t.run("GEOADD s 1 1 a").starts_with("-WRONGTYPE"));
    }
}
