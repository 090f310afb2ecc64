//! Distances, geohashes and positions of members: GEODIST, GEOHASH, GEOPOS.
//!
//! Any sorted set will do: the handlers read a score as a position, whatever command wrote it. A
//! missing member, or key, is null. Distances have four decimal places, positions as many digits as
//! the dialect writes.
//!
//! Cost: O(1) a member.
//!
//! Decided elsewhere: distances: `earth`; geohashes: `encodings::geohash`.

use super::args;
use super::earth::Origin;
use super::search::{write_distance, write_position};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_encodings::geohash::Position;
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Zset;

pub(super) const GEODIST: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::GEO,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    ..Spec::new("geodist", geodist)
};

/// `GEODIST key member1 member2 [M | KM | FT | MI]`.
///
/// Reply: bulk string with four decimal places; null if either member is missing. O(1).
fn geodist(call: &mut Call<'_>) -> CommandResult {
    let unit_m = match call.args.len() {
        4 => 1.0,
        5 => args::unit_m(call.args.at(4))?,
        _ => return Err(CommandError::Syntax),
    };
    let zset = call.db.read::<Zset>(call.args.at(1))?;
    let position = |at| {
        let score = zset.as_ref()?.score(call.args.at(at))?;
        Some(Position::of_score(score))
    };
    match (position(2), position(3)) {
        (Some(from), Some(to)) => {
            write_distance(call.reply, Origin::new(from).distance(to) / unit_m);
        }
        _ => call.reply.null(),
    }
    Ok(())
}

pub(super) const GEOHASH: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::GEO,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("geohash", geohash)
};

/// `GEOHASH key [member ...]`: geohashes in the standard text form.
///
/// Reply: array of bulk strings of 11 digits, null for missing members. O(1) a member.
fn geohash(call: &mut Call<'_>) -> CommandResult {
    for_each_member(call, |reply, position| match position {
        Some(position) => reply.bulk(&position.text()),
        None => reply.null(),
    })
}

pub(super) const GEOPOS: Spec = Spec {
    name: "geopos",
    handler: geopos,
    ..GEOHASH
};

/// `GEOPOS key [member ...]`.
///
/// Reply: array of arrays of longitude and latitude (RESP3: doubles), null arrays for missing
/// members. O(1) a member.
fn geopos(call: &mut Call<'_>) -> CommandResult {
    let dialect = call.db.dialect();
    for_each_member(call, |reply, position| match position {
        Some(position) => {
            write_position(reply, position, dialect);
        }
        None => reply.null_array(),
    })
}

fn for_each_member(
    call: &mut Call<'_>,
    write: impl Fn(&mut Reply, Option<Position>),
) -> CommandResult {
    let zset = call.db.read::<Zset>(call.args.at(1))?;
    let members = call.args.from(2);
    call.reply.array(members.len());
    for member in members.iter() {
        let score = zset.as_ref().and_then(|zset| zset.score(member));
        write(call.reply, score.map(Position::of_score));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn distances_hashes_and_positions() {
        let mut t = Testbed::new();
        t.run("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
        for (unit, distance) in [
            ("", "$11\r\n166274.1516\r\n"),
            (" km", "$8\r\n166.2742\r\n"),
            (" MI", "$8\r\n103.3182\r\n"),
            (" ft", "$11\r\n545518.8700\r\n"),
        ] {
            let line = format!("GEODIST g Palermo Catania{unit}");
            assert_eq!(t.run(&line), distance, "{unit}");
        }
        assert_eq!(t.run("GEODIST g Palermo Palermo"), "$6\r\n0.0000\r\n");
        assert_eq!(t.run("GEODIST g Palermo none"), "$-1\r\n");
        assert_eq!(t.run("GEODIST none a b"), "$-1\r\n");
        assert_eq!(
            t.run("GEOHASH g Palermo none Catania"),
            "*3\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n$11\r\nsqdtr74hyu0\r\n"
        );
        assert_eq!(t.run("GEOHASH g"), "*0\r\n");
        assert_eq!(
            t.run("GEOPOS g Palermo none"),
            "*2\r\n*2\r\n$18\r\n13.361389338970184\r\n$16\r\n38.1155563954963\r\n*-1\r\n"
        );
        assert_eq!(t.run("GEOPOS none a"), "*1\r\n*-1\r\n");
    }

    #[test]
    fn scores_of_any_kind_are_positions() {
        let mut t = Testbed::new();
        t.run("ZADD g inf a -inf b -1 c 1e300 d");
        let west = "*2\r\n$19\r\n-179.99999731779099\r\n$18\r\n-85.05112751263943\r\n";
        let east = "*2\r\n$3\r\n180\r\n$18\r\n-85.05112751263943\r\n";
        let corner = "*2\r\n$3\r\n180\r\n$11\r\n85.05112878\r\n";
        assert_eq!(
            t.run("GEOPOS g a b c d"),
            format!("*4\r\n{west}{east}{corner}{west}")
        );
        assert_eq!(
            t.run("GEOHASH g a c"),
            "*2\r\n$11\r\n00bh0hbj200\r\n$11\r\nbp05b5048p0\r\n"
        );
    }

    #[test]
    fn refusals() {
        let mut t = Testbed::new();
        for (line, text) in [
            (
                "GEODIST none a b x",
                "unsupported unit provided. please use M, KM, FT, MI",
            ),
            ("GEODIST none a b m m", "syntax error"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {text}\r\n"), "{line}");
        }
        t.run("SET s 1");
        for line in ["GEODIST s a b", "GEOPOS s", "GEOHASH s a"] {
            assert!(t.run(line).starts_with("-WRONGTYPE"), "{line}");
        }
    }
}
