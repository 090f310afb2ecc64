//! Definitions that a log restores, also after flushes; definitions that a release refuses; the
//! owners of cursors and names.

use crate::testbed::{AllCommands as _, Testbed};
use proptest::prelude::*;
use russet_keyspace::ClientId;

/// Changes of definitions and of data, in any order.
const LINES: &[&str] = &[
    "FT.CREATE x PREFIX 1 a: SCHEMA t TEXT",
    "FT.CREATE x PREFIX 1 b: SCHEMA n NUMERIC",
    "FT.CREATE y SCHEMA g TAG",
    "FT.CREATE al SCHEMA g TAG",
    "FT.CREATE far DB 1 SCHEMA t TEXT",
    "FT._CREATEIFNX x PREFIX 1 c: SCHEMA g TAG",
    "FT.ALTER x SCHEMA ADD z TAG",
    "FT.SYNUPDATE x g one two",
    "FT.ALIASADD al x",
    "FT.ALIASADD y x",
    "FT.ALIASUPDATE al y",
    "FT.ALIASUPDATE x y",
    "FT.ALIASDEL al",
    "FT.DICTADD d one two",
    "FT.DICTDEL d one",
    "FT.DROPINDEX x",
    "FT.DROPINDEX al DD",
    "HSET a:1 t one",
    "SELECT 0",
    "SELECT 1",
    "SWAPDB 0 1",
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "FLUSHDB",
    "MULTI",
    "EXEC",
    "DISCARD",
    "EVAL return{redis.call('FLUSHALL'),redis.call('HSET','a:2','t','two')} 0",
    "EVAL return{redis.call('SET','k','v'),redis.call('FLUSHDB')} 0",
];

/// All definitions, as text.
fn definitions(t: &mut Testbed) -> Vec<String> {
    let mut all = vec![t.run("FT._LIST"), t.run("FT.DICTDUMP d")];
    for name in ["x", "y", "al", "far"] {
        all.push(t.run(&format!("FT.ALIASLIST {name}")));
        all.push(t.run(&format!("FT.SYNDUMP {name}")));
        let info = t.run(&format!("FT.INFO {name}"));
        // Up to the figures.
        let schema = info.split("num_docs").next().unwrap_or_default();
        all.push(schema.to_owned());
    }
    all
}

/// A server that reads the effects that another server has recorded.
fn reader(t: &mut Testbed) -> Testbed {
    let mut reader = Testbed::new();
    let client = reader.connect();
    let mut selected = 0;
    for stated in t.take_recorded() {
        if stated.db.0 != selected {
            selected = stated.db.0;
            let number = selected.to_string();
            reader.repeat_args_as(client, &[b"SELECT", number.as_bytes()]);
        }
        reader.repeat_args_as(client, &stated.args.args().to_vec());
    }
    reader
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// FT.CREATE, FLUSHALL, the end of the process: the index must not come back, nor take the
    /// place of an index that was made since.
    #[test]
    fn a_log_makes_the_definitions_that_were_there(
        lines in proptest::collection::vec(proptest::sample::select(LINES), 1..30),
    ) {
        let mut t = Testbed::new();
        for line in &lines {
            t.run(line);
        }
        t.run("DISCARD");
        t.run("SELECT 0");
        let mut log = reader(&mut t);
        prop_assert_eq!(definitions(&mut log), definitions(&mut t), "{:?}", lines);
    }
}

/// Words of Redis Stack 7.4, in a script and in a transaction, too; errorstats count what was sent.
#[test]
fn refusals_lose_their_codes_on_demand() {
    let mut t = Testbed::new();
    assert_eq!(
        t.run("FT.DROPINDEX i"),
        "-SEARCH_INDEX_NOT_FOUND Index not found: i\r\n"
    );
    t.run("CONFIG SET search-error-codes no");
    let unknown = "-Unknown Index name\r\n";
    assert_eq!(t.run("FT.DROPINDEX i"), unknown);
    assert_eq!(t.run("FT.INFO i"), "-Unknown index name\r\n");
    assert_eq!(t.run("FT.SEARCH i a"), "-i: no such index\r\n");
    assert_eq!(t.run("FT.CURSOR DEL i 1"), "-Cursor does not exist\r\n");
    assert_eq!(
        t.run("EVAL return{redis.pcall('FT.DROPINDEX','i').err} 0"),
        "*1\r\n$18\r\nUnknown Index name\r\n"
    );
    t.run("MULTI");
    t.run("FT.DROPINDEX i");
    assert_eq!(t.run("EXEC"), format!("*1\r\n{unknown}"));
    let counted = t.run("INFO errorstats");
    assert!(
        counted.contains("errorstat_SEARCH_INDEX_NOT_FOUND:count=1"),
        "{counted}"
    );
    assert!(counted.contains("errorstat_Unknown:count="), "{counted}");
    // Other errors are as they were.
    assert_eq!(
        t.run("GET"),
        "-ERR wrong number of arguments for 'get' command\r\n"
    );
    t.run("CONFIG SET search-error-codes yes");
    assert!(
        t.run("FT.DROPINDEX i")
            .starts_with("-SEARCH_INDEX_NOT_FOUND ")
    );
}

/// An index and an alias never have the same name; the first to take the name keeps it.
#[test]
fn a_name_is_an_indexs_or_an_aliass() {
    let mut t = Testbed::new();
    t.run("HSET a:1 t one");
    t.run("FT.CREATE i PREFIX 1 a: SCHEMA t TEXT");
    t.run("FT.ALIASADD al i");
    let exists = "-SEARCH_INDEX_EXISTS Index already exists\r\n";
    assert_eq!(t.run("FT.CREATE al SCHEMA t TEXT"), exists);
    assert_eq!(t.run("FT._CREATEIFNX al SCHEMA t TEXT"), "+OK\r\n");
    assert_eq!(t.run("FT._LIST"), "*1\r\n+i\r\n");
    for line in ["FT.ALIASADD i i", "FT.ALIASUPDATE i i"] {
        let reply = t.run(line);
        assert!(
            reply.starts_with("-SEARCH_ALIAS_CONFLICT"),
            "{line}: {reply}"
        );
    }
    // A log of a server that took it: the index stands.
    let client = t.connect();
    let line: Vec<&[u8]> = b"FT._CREATEIFNX al PREFIX 1 b: SCHEMA t TEXT"
        .split(|b| *b == b' ')
        .collect();
    t.repeat_args_as(client, &line);
    assert_eq!(t.run("FT._LIST"), "*2\r\n+al\r\n+i\r\n");
    assert_eq!(t.run("FT.ALIASLIST i"), "*0\r\n");
    assert_eq!(t.run("FT.DROPINDEX al DD"), "+OK\r\n");
    assert_eq!(t.run("EXISTS a:1"), ":1\r\n");
}

/// The number at the end of a reply with a cursor.
fn number(reply: &str) -> String {
    let last = reply.trim_end().rsplit("\r\n").next().unwrap_or_default();
    last.trim_start_matches(':').to_owned()
}

fn user(t: &mut Testbed, name: &str, rules: &str) -> ClientId {
    assert_eq!(
        t.run(&format!("ACL SETUSER {name} on nopass +@all {rules}")),
        "+OK\r\n"
    );
    let client = t.connect();
    assert_eq!(t.run_as(client, &format!("AUTH {name} x")), "+OK\r\n");
    client
}

#[test]
fn a_cursor_is_its_indexs_and_its_users() {
    let mut t = Testbed::new();
    for n in 0..9 {
        t.run(&format!("HSET a:{n} t one"));
    }
    t.run("FT.CREATE i PREFIX 1 a: SCHEMA t TEXT");
    t.run("FT.CREATE j PREFIX 1 a: SCHEMA t TEXT");
    t.run("FT.CREATE far PREFIX 1 b: SCHEMA t TEXT");
    t.run("FT.ALIASADD al i");
    while t.run("FT.SEARCH i * LIMIT 0 0") != "*1\r\n:9\r\n" {
        t.engine.continue_indexing();
    }
    let one = user(&mut t, "one", "~a:*");
    let two = user(&mut t, "two", "~a:*");
    let blind = user(&mut t, "blind", "~b:*");
    let ask = "FT.AGGREGATE i * LOAD 1 @t WITHCURSOR COUNT 1";
    let cursor = number(&t.run_as(one, ask));
    assert!(
        cursor.parse::<u64>().is_ok_and(|id| id > 0 && id < 1 << 53),
        "{cursor}"
    );
    let no = "-SEARCH_CURSOR_NOT_FOUND";
    for (client, word, index, error) in [
        (two, "READ", "i", no),
        (two, "DEL", "i", no),
        (one, "READ", "j", no),
        (one, "DEL", "j", no),
        (one, "READ", "none", no),
        (blind, "READ", "i", "-NOPERM"),
        (blind, "DEL", "i", "-NOPERM"),
        (blind, "READ", "far", no),
        (blind, "GC", "i", "-NOPERM"),
    ] {
        let reply = t.run_as(client, &format!("FT.CURSOR {word} {index} {cursor}"));
        assert!(reply.starts_with(error), "{word} {index}: {reply}");
    }
    for (words, error) in [
        ("FOO 3", "-SEARCH_ARG_UNRECOGNIZED"),
        ("COUNT", "-SEARCH_PARSE_ARGS"),
        ("COUNT 0", "-SEARCH_PARSE_ARGS"),
        ("COUNT 1 more", "-SEARCH_ARG_UNRECOGNIZED"),
    ] {
        let reply = t.run_as(one, &format!("FT.CURSOR READ i {cursor} {words}"));
        assert!(reply.starts_with(error), "{words}: {reply}");
    }
    let read = format!("FT.CURSOR READ al {cursor} COUNT 2");
    assert!(t.run_as(one, &read).starts_with("*2"));
    // A user that may do everything reads any cursor.
    assert!(t.run(&read).starts_with("*2"));
    assert_eq!(
        t.run_as(one, &format!("FT.CURSOR DEL i {cursor}")),
        "+OK\r\n"
    );
    assert!(t.run_as(one, "FT.CURSOR READ i -5").starts_with(no));
}

#[test]
fn a_word_that_is_not_known_removes_nothing() {
    let mut t = Testbed::new();
    t.run("FT.CREATE i SCHEMA t TEXT");
    for line in [
        "FT.DROPINDEX i FOO",
        "FT._DROPINDEXIFX i FOO",
        "FT.DROPINDEX i KEEPDOCS",
        "FT.DROP i DD",
        "FT._DROPIFX i FOO",
        "FT.DROPINDEX i DD DD",
        "FT.SEARCH i * RETURN 3 t AS AS",
    ] {
        let reply = t.run(line);
        assert!(reply.starts_with('-'), "{line}: {reply}");
    }
    assert_eq!(t.run("FT._LIST"), "*1\r\n+i\r\n");
    assert_eq!(t.run("FT.DROPINDEX i dd"), "+OK\r\n");
}

/// A definition that this release does not take, in a log with all that belongs to it.
#[test]
fn a_definition_that_is_not_taken_is_kept_aside() {
    let mut t = Testbed::new();
    let client = t.connect();
    let lines = [
        "FT._CREATEIFNX bad PREFIX 1 a: SCHEMA t TEXT WEIGHT many",
        "FT._ALTERIFNX bad SCHEMA ADD n NUMERIC",
        "FT.SYNUPDATE bad g SKIPINITIALSCAN one",
        "FT._ALIASADDIFNX al bad",
        "FT._CREATEIFNX good SCHEMA t TEXT",
        "FT._ALTERIFNX good SCHEMA ADD v VECTOR FLAT 2 DIM -1",
    ];
    for line in lines {
        let words: Vec<&[u8]> = line.as_bytes().split(|b| *b == b' ').collect();
        t.repeat_args_as(client, &words);
    }
    let kept = |t: &mut Testbed| {
        let lines = t.engine.server.search.commands(0);
        let lines = lines
            .iter()
            .map(|line| String::from_utf8_lossy(&line.join(&b' ')).into_owned());
        let of_these =
            lines.filter(|line| ["bad", "VECTOR"].iter().any(|word| line.contains(word)));
        of_these.collect::<Vec<_>>()
    };
    let aside = [lines[0], lines[1], lines[2], lines[3], lines[5]];
    assert_eq!(t.run("FT._LIST"), "*1\r\n+good\r\n");
    assert_eq!(kept(&mut t), aside);
    assert!(
        t.run("INFO search")
            .contains("search_definitions_kept_aside:2")
    );
    // A file has them, too.
    let bytes = t.engine.server.search.refused_bytes().expect("some");
    let mut other = Testbed::new();
    assert!(other.engine.server.search.restore_refused(&bytes));
    assert_eq!(kept(&mut other), aside);
    for len in 0..bytes.len() {
        assert!(!other.engine.server.search.restore_refused(&bytes[..len]));
    }
    // A client's is refused as ever, and an index of the name ends them.
    assert!(
        t.run("FT.CREATE bad SCHEMA t TEXT WEIGHT many")
            .starts_with('-')
    );
    assert_eq!(t.run("FT.CREATE bad SCHEMA t TEXT"), "+OK\r\n");
    assert_eq!(kept(&mut t).len(), 2, "its own, and that of the other");
    assert_eq!(t.run("FLUSHALL"), "+OK\r\n");
    assert_eq!(kept(&mut t), [""; 0]);
}
