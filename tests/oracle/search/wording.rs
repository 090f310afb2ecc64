//! Refusals in the words of Redis Stack 7.4: with `search-error-codes no` russet sends the same
//! bytes; with `yes` the code of Redis 8.8 and later comes before a text.
//!
//! Redis 8.0 to 8.6 have a third wording (`i: no such index` from every command), which russet does
//! not have: a library that reads words of both knows those of 7.4.

use crate::compare::command_line;
use crate::permissions::Side;
use crate::support::{Daemon, Reply, peers::Peer};

/// An index and an alias.
const BEFORE: [&str; 2] = [
    "FT.CREATE i SCHEMA t TEXT g TAG n NUMERIC v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2",
    "FT.ALIASADD al i",
];

/// Lines that both refuse, in groups of commands.
const REFUSED: &str = "
FT.DROPINDEX nope
FT.DROP nope
FT.SEARCH nope a
FT.AGGREGATE nope a
FT.INFO nope
FT.EXPLAIN nope a
FT.EXPLAINCLI nope a
FT.PROFILE nope SEARCH QUERY a
FT.PROFILE nope AGGREGATE QUERY a
FT.ALTER nope SCHEMA ADD t TEXT
FT.ALIASADD other nope
FT.ALIASUPDATE other nope
FT.ALIASDEL nope
FT.SPELLCHECK nope a
FT.TAGVALS nope t
FT.SYNUPDATE nope g a
FT.SYNDUMP nope
FT.ADD nope d 1 FIELDS t a
FT.GET nope d
FT.MGET nope d
FT.DEL nope d
FT.CREATE i SCHEMA t TEXT
FT.ALIASADD al i
FT.CURSOR READ nope 1
FT.CURSOR DEL nope 1
FT.CURSOR READ i 12
FT.CURSOR DEL i 12
FT.CURSOR READ i x
FT.CURSOR FOO i 1
FT.CURSOR READ i 1 COUNT x
FT.SEARCH i a LIMIT 0 99999999
FT.SEARCH i a LIMIT 3
FT.SEARCH i a LIMIT x 3
FT.SEARCH i a FOO
FT.SEARCH i (a
FT.SEARCH i a LANGUAGE x
FT.SEARCH i a SCORER x
FT.SEARCH i a PARAMS 1 a
FT.SEARCH i @t:$b PARAMS 2 a c DIALECT 2
FT.SEARCH i a SORTBY nope
FT.SEARCH i a DIALECT 9
FT.SEARCH i a TIMEOUT x
FT.SEARCH i a INKEYS x
FT.SEARCH i a INFIELDS 3 x
FT.SEARCH i a RETURN x
FT.SEARCH i a FILTER n 1
FT.SEARCH i a GEOFILTER t 1 2 3 parsec
FT.AGGREGATE i a GROUPBY 1 @nope REDUCE COUNT 0
FT.AGGREGATE i a GROUPBY 1 nope
FT.AGGREGATE i a APPLY 1+ AS x
FT.AGGREGATE i a APPLY foo(1) AS x
FT.AGGREGATE i a SORTBY 2 @nope ASC
FT.AGGREGATE i a FOO
FT.AGGREGATE i a FILTER @nope>1
FT.AGGREGATE i a WITHCURSOR COUNT x
FT.AGGREGATE i a LIMIT 0 -1
FT.CREATE j ON FOO SCHEMA t TEXT
FT.CREATE j SCHEMA t TEXT t TEXT
FT.CREATE j SCHEMA t FOO
FT.CREATE j SCORE 2 SCHEMA t TEXT
FT.CREATE j PREFIX 1 a
FT.CREATE j SCHEMA v VECTOR FLAT 6
FT.CREATE j SCHEMA v VECTOR FLAT 6 TYPE FLOAT32 DIM x DISTANCE_METRIC L2
FT.CREATE j SCHEMA v VECTOR HNSW 0
FT.CREATE j SCHEMA v VECTOR FOO 6
FT.CREATE j LANGUAGE x SCHEMA t TEXT
FT.CREATE j FILTER 1+ SCHEMA t TEXT
FT.ALTER i SCHEMA ADD t TEXT
FT.ALTER i SCHEMA ADD z FOO
FT.EXPLAIN i a FOO
FT.SPELLCHECK i a DISTANCE 9
FT.SUGGET s a MAX
FT.SUGGET s a MAX x
FT.SUGGET s a MAX 0
FT.SUGGET s a FOO
FT.TAGVALS i t
FT.TAGVALS i nope
FT.CONFIG SET FOO 1
FT.CONFIG SET TIMEOUT x
FT.ADD i d 2 FIELDS t a
FT.ADD i d 1 FOO t a
";

fn ask(side: &mut Side, line: &str) -> Reply {
    side.ask(&line.split(' ').collect::<Vec<_>>())
}

/// The text of a refusal, without a code of indexes.
fn bare(reply: &Reply) -> Option<&[u8]> {
    let Reply::Error(text) = reply else {
        return None;
    };
    let blank = text.iter().position(|byte| *byte == b' ')?;
    let is_coded = text.starts_with(b"SEARCH_");
    Some(if is_coded { &text[blank + 1..] } else { text })
}

#[test]
fn refusals_have_the_words_of_redis_stack_if_they_are_asked_for() {
    let Some(program) = Peer::Stack7.program_for("the words of refused searches") else {
        return;
    };
    let mut stack = Side::new(Daemon::start_program(&program, &[]));
    let mut russet = Side::new(Daemon::start(&[]));
    for line in BEFORE {
        assert_eq!(ask(&mut stack, line), ask(&mut russet, line), "{line}");
    }
    let mut wrong = Vec::new();
    let mut coded = 0;
    for line in REFUSED.trim().lines() {
        let expected = ask(&mut stack, line);
        let with_code = ask(&mut russet, line);
        ask(&mut russet, "CONFIG SET search-error-codes no");
        let without = ask(&mut russet, line);
        // Within a script the error is the same.
        let mut script = vec!["EVAL", "return redis.pcall(unpack(ARGV))", "0"];
        script.extend(line.split(' '));
        let scripted = russet.ask(&script);
        ask(&mut russet, "CONFIG SET search-error-codes yes");
        let is_same = expected == without && scripted == without;
        // A code precedes; the text may be another one.
        let has_code = matches!(&with_code, Reply::Error(text) if text.starts_with(b"SEARCH_"));
        coded += usize::from(has_code);
        if !is_same || bare(&with_code).is_none() {
            let line = command_line(&line.split(' ').map(Vec::from).collect::<Vec<_>>());
            wrong.push(format!("{line}: {expected:?}, {without:?}, {with_code:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(coded > 60, "{coded} of the refusals have codes");
}
