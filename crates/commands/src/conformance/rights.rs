//! A table of command lines has the keys that each command of the engines reads, writes and
//! deletes; the test derives the cases of ACL from the table.
//!
//! All keys begin with `a:`. An index over that prefix, and the documents that its queries find,
//! count as these keys. For each line: the server refuses a user without rights on the keys, and if
//! the line writes or deletes also a user that may only read; neither changes anything. The server
//! does not refuse a user with just the rights of the line. The test fails if a command has no
//! line.

use super::super::table;
use crate::testbed::{AllCommands as _, Testbed};
use russet_command::Category;
use russet_keyspace::ClientId;

/// The use of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// None, and of no index.
    Nothing,
    Reads,
    /// Writes, and perhaps reads.
    Changes,
    /// Reads, and deletes at once or later.
    Deletes,
}

use Use::{Changes, Deletes, Nothing, Reads};

const LINES: &[(Use, &str)] = &[
    // Indexes.
    (Reads, "FT.SEARCH i *"),
    (Reads, "FT.SEARCH al *"),
    (Reads, "FT.AGGREGATE i *"),
    (Reads, "FT.AGGREGATE i * WITHCURSOR COUNT 1"),
    (Reads, "FT.HYBRID i SEARCH x VSIM @v $b PARAMS 2 b aaaa"),
    (Reads, "FT.PROFILE i SEARCH QUERY *"),
    (Reads, "FT.EXPLAIN i *"),
    (Reads, "FT.EXPLAINCLI i *"),
    (Reads, "FT.INFO i"),
    (Reads, "FT.ERRORS i"),
    (Reads, "FT.SPELLCHECK i x"),
    (Reads, "FT.TAGVALS i g"),
    (Reads, "FT.SYNDUMP i"),
    (Reads, "FT.SYNUPDATE i g x"),
    (Reads, "FT.ALTER i SCHEMA ADD extra TEXT"),
    (Reads, "FT._ALTERIFNX i SCHEMA ADD extra TEXT"),
    (Reads, "FT.CREATE new PREFIX 1 a: SCHEMA t TEXT"),
    (Reads, "FT._CREATEIFNX new PREFIX 1 a: SCHEMA t TEXT"),
    (
        Deletes,
        "FT.CREATE new TEMPORARY 100 PREFIX 1 a: SCHEMA t TEXT",
    ),
    (
        Deletes,
        "FT._CREATEIFNX new TEMPORARY 100 PREFIX 1 a: SCHEMA t TEXT",
    ),
    (Reads, "FT.DROPINDEX i"),
    (Reads, "FT._DROPINDEXIFX i"),
    (Deletes, "FT.DROPINDEX i DD"),
    (Deletes, "FT.DROPINDEX al DD"),
    (Deletes, "FT._DROPINDEXIFX i DD"),
    (Reads, "FT.DROP i KEEPDOCS"),
    (Reads, "FT._DROPIFX i KEEPDOCS"),
    (Deletes, "FT.DROP i"),
    (Deletes, "FT.DROP al"),
    (Deletes, "FT._DROPIFX i"),
    (Reads, "FT.ALIASADD other i"),
    (Reads, "FT._ALIASADDIFNX other i"),
    (Reads, "FT.ALIASUPDATE other i"),
    (Reads, "FT.ALIASUPDATE al free"),
    (Reads, "FT.ALIASDEL al"),
    (Reads, "FT._ALIASDELIFX al"),
    (Reads, "FT.ALIASLIST i"),
    (Reads, "FT.CURSOR READ i 1"),
    (Reads, "FT.CURSOR DEL i 1"),
    (Reads, "FT.CURSOR GC i 0"),
    (Reads, "_FT.DEBUG DUMP_TERMS i"),
    (Reads, "FT.DEBUG DUMP_TERMS i"),
    (Reads, "FT.GET i a:h"),
    (Reads, "FT.MGET i a:h"),
    (Changes, "FT.ADD i a:h2 1 FIELDS t x"),
    (Changes, "FT.SAFEADD i a:h3 1 FIELDS t x"),
    (Changes, "FT.DEL i a:h"),
    (Nothing, "FT.SYNADD i x"),
    (Nothing, "FT._LIST"),
    (Nothing, "FT.CONFIG GET TIMEOUT"),
    (Nothing, "FT.DICTADD d x"),
    (Nothing, "FT.DICTDEL d x"),
    (Nothing, "FT.DICTDUMP d"),
    // Documents.
    (Reads, "JSON.GET a:j"),
    (Reads, "JSON.MGET a:j $.n"),
    (Reads, "JSON.TYPE a:j"),
    (Reads, "JSON.STRLEN a:j $.s"),
    (Reads, "JSON.ARRLEN a:j $.l"),
    (Reads, "JSON.ARRINDEX a:j $.l 1"),
    (Reads, "JSON.OBJLEN a:j"),
    (Reads, "JSON.OBJKEYS a:j"),
    (Reads, "JSON.RESP a:j"),
    (Reads, "JSON.DEBUG MEMORY a:j"),
    (Changes, "JSON.NUMINCRBY a:j $.n 1"),
    (Changes, "JSON.NUMMULTBY a:j $.n 2"),
    (Changes, "JSON.NUMPOWBY a:j $.n 2"),
    (Changes, "JSON.TOGGLE a:j $.b"),
    (Changes, "JSON.STRAPPEND a:j $.s \"x\""),
    (Changes, "JSON.ARRAPPEND a:j $.l 1"),
    (Changes, "JSON.ARRINSERT a:j $.l 0 1"),
    (Changes, "JSON.ARRPOP a:j $.l"),
    (Changes, "JSON.ARRTRIM a:j $.l 0 1"),
    (Changes, "JSON.CLEAR a:j $.l"),
    (Changes, "JSON.DEL a:j $.n"),
    (Changes, "JSON.FORGET a:j $.n"),
    (Changes, "JSON.MERGE a:j $ {\"x\":1}"),
    (Changes, "JSON.MSET a:j2 $ 1"),
    (Changes, "JSON.SET a:j3 $ 1"),
    // Series.
    (Reads, "TS.GET a:t"),
    (Reads, "TS.RANGE a:t - +"),
    (Reads, "TS.REVRANGE a:t - +"),
    (Reads, "TS.INFO a:t"),
    (Reads, "TS.MGET FILTER l=1"),
    (Reads, "TS.MRANGE - + FILTER l=1"),
    (Reads, "TS.MREVRANGE - + FILTER l=1"),
    (Changes, "TS.ADD a:t 5 1"),
    (Changes, "TS.MADD a:t 6 1"),
    (Changes, "TS.INCRBY a:t 1 TIMESTAMP 7"),
    (Changes, "TS.DECRBY a:t 1 TIMESTAMP 8"),
    (Changes, "TS.CREATE a:t2"),
    (Changes, "TS.ALTER a:t LABELS l 1"),
    (Changes, "TS.DEL a:t 0 1"),
    (Changes, "TS.CREATERULE a:t a:r AGGREGATION sum 10"),
    (Changes, "TS.DELETERULE a:t a:r"),
    // Sketches and suggestions.
    (Reads, "BF.EXISTS a:bf x"),
    (Reads, "BF.MEXISTS a:bf x"),
    (Reads, "BF.INFO a:bf"),
    (Reads, "BF.CARD a:bf"),
    (Reads, "BF.SCANDUMP a:bf 0"),
    (Reads, "BF.DEBUG a:bf"),
    (Changes, "BF.ADD a:bf y"),
    (Changes, "BF.MADD a:bf z"),
    (Changes, "BF.INSERT a:bf ITEMS w"),
    (Changes, "BF.RESERVE a:bf2 0.1 10"),
    (Reads, "CF.EXISTS a:cf x"),
    (Reads, "CF.MEXISTS a:cf x"),
    (Reads, "CF.COUNT a:cf x"),
    (Reads, "CF.INFO a:cf"),
    (Reads, "CF.SCANDUMP a:cf 0"),
    (Reads, "CF.DEBUG a:cf"),
    (Changes, "CF.ADD a:cf y"),
    (Changes, "CF.ADDNX a:cf z"),
    (Changes, "CF.INSERT a:cf ITEMS w"),
    (Changes, "CF.INSERTNX a:cf ITEMS v"),
    (Changes, "CF.DEL a:cf x"),
    (Changes, "CF.COMPACT a:cf"),
    (Changes, "CF.RESERVE a:cf2 10"),
    (Reads, "CMS.QUERY a:cms x"),
    (Reads, "CMS.INFO a:cms"),
    (Changes, "CMS.INCRBY a:cms x 1"),
    (Changes, "CMS.INITBYDIM a:cms2 10 2"),
    (Changes, "CMS.INITBYPROB a:cms3 0.1 0.1"),
    (Reads, "TOPK.QUERY a:topk x"),
    (Reads, "TOPK.COUNT a:topk x"),
    (Reads, "TOPK.LIST a:topk"),
    (Reads, "TOPK.INFO a:topk"),
    (Changes, "TOPK.ADD a:topk x"),
    (Changes, "TOPK.INCRBY a:topk x 1"),
    (Changes, "TOPK.RESERVE a:topk2 3"),
    (Reads, "TDIGEST.MIN a:td"),
    (Reads, "TDIGEST.MAX a:td"),
    (Reads, "TDIGEST.INFO a:td"),
    (Reads, "TDIGEST.RANK a:td 1"),
    (Reads, "TDIGEST.REVRANK a:td 1"),
    (Reads, "TDIGEST.BYRANK a:td 0"),
    (Reads, "TDIGEST.BYREVRANK a:td 0"),
    (Reads, "TDIGEST.QUANTILE a:td 0.5"),
    (Reads, "TDIGEST.CDF a:td 1"),
    (Reads, "TDIGEST.TRIMMED_MEAN a:td 0.1 0.9"),
    (Changes, "TDIGEST.ADD a:td 1"),
    (Changes, "TDIGEST.RESET a:td"),
    (Changes, "TDIGEST.CREATE a:td2"),
    (Reads, "FT.SUGGET a:sug x"),
    (Reads, "FT.SUGLEN a:sug"),
    (Changes, "FT.SUGADD a:sug y 1"),
    (Changes, "FT.SUGDEL a:sug x"),
];

/// Commands of these engines whose keys are not the user's to be refused here.
const ELSEWHERE: &[&str] = &[
    // Sources and destinations have rights of their own: `key_plans`.
    "bf.merge",
    "bf.rotate",
    "cf.merge",
    "cms.merge",
    "tdigest.merge",
    // Bytes of SCANDUMP, which no line here has.
    "bf.load",
    "bf.loadchunk",
    "cf.loadchunk",
    // Series that may not be read are left out: `labels`.
    "ts.queryindex",
    "ts.querylabels",
    // Several keys, or a wait: as the commands of one key.
    "ts.nrange",
    "ts.nrevrange",
    "ts.read",
    "timeseries.REFRESHCLUSTER",
];

const DATA: &[&str] = &[
    "HSET a:h t x g y n 1",
    "HSET a:h9 t x g y n 1",
    "HSET b:h t x",
    "JSON.SET a:j $ {\"n\":1,\"s\":\"x\",\"l\":[1,2],\"b\":true}",
    "TS.CREATE a:t LABELS l 1",
    "TS.ADD a:t 1 1",
    "TS.CREATE a:r",
    "BF.ADD a:bf x",
    "CF.ADD a:cf x",
    "CMS.INITBYDIM a:cms 10 2",
    "TOPK.RESERVE a:topk 3",
    "TDIGEST.CREATE a:td",
    "FT.SUGADD a:sug x 1",
    "FT.CREATE i PREFIX 1 a: SCHEMA t TEXT g TAG v VECTOR FLAT 6 TYPE FLOAT32 DIM 1 \
     DISTANCE_METRIC L2",
    "FT.CREATE free PREFIX 1 b: SCHEMA t TEXT",
    "FT.ALIASADD al i",
    "FT.DICTADD d x",
];

fn bed() -> Testbed {
    let mut t = Testbed::new();
    for line in DATA {
        let reply = t.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    t
}

fn user(t: &mut Testbed, rules: &str) -> ClientId {
    let reply = t.run(&format!("ACL SETUSER u reset on nopass +@all {rules}"));
    assert_eq!(reply, "+OK\r\n", "{rules}");
    let client = t.connect();
    assert_eq!(t.run_as(client, "AUTH u any"), "+OK\r\n");
    client
}

/// All that a line may change.
fn state(t: &mut Testbed) -> Vec<String> {
    let lines = [
        "DEBUG DIGEST",
        "DBSIZE",
        "FT._LIST",
        "FT.ALIASLIST i",
        "FT.ALIASLIST free",
        "FT.SYNDUMP i",
        "FT.SEARCH i *",
        "FT.SEARCH al * NOCONTENT",
    ];
    lines.iter().map(|line| t.run(line)).collect()
}

fn refused(t: &mut Testbed, line: &str, rules: &str) {
    let before = state(t);
    let client = user(t, rules);
    let reply = t.run_as(client, line);
    assert!(reply.starts_with("-NOPERM"), "{line} with {rules}: {reply}");
    t.advance_ms(200_000);
    assert_eq!(state(t), before, "{line} with {rules}");
}

fn permitted(line: &str, rules: &str) {
    let mut t = bed();
    let client = user(&mut t, rules);
    let reply = t.run_as(client, line);
    assert!(
        !reply.starts_with("-NOPERM"),
        "{line} with {rules}: {reply}"
    );
}

#[test]
fn a_line_needs_the_rights_that_the_table_says_and_no_others() {
    let mut t = bed();
    for &(its, line) in LINES {
        let (without, with) = match its {
            Nothing => (&[][..], ""),
            Reads => (&["", "~b:*", "%W~a:* ~b:*"][..], "%R~a:* ~b:*"),
            Changes | Deletes => (&["", "~b:*", "%R~* ~b:*"][..], "~a:* ~b:*"),
        };
        for rules in without {
            refused(&mut t, line, rules);
        }
        permitted(line, with);
    }
}

#[test]
fn each_command_of_the_engines_has_a_line() {
    let engines = Category::SEARCH
        .union(Category::JSON)
        .union(Category::TIMESERIES)
        .union(Category::BLOOM)
        .union(Category::CUCKOO)
        .union(Category::CMS)
        .union(Category::TOPK)
        .union(Category::TDIGEST);
    let has_line = |name: &str| {
        let is_it = |line: &str| {
            let first = line.split(' ').next();
            first.is_some_and(|first| first.eq_ignore_ascii_case(name))
        };
        LINES.iter().any(|(_, line)| is_it(line)) || ELSEWHERE.contains(&name)
    };
    let rows = table().into_iter().flatten();
    let missing: Vec<&str> = rows
        .filter(|row| row.categories.intersects(engines))
        .map(|row| row.name)
        .filter(|name| !has_line(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
