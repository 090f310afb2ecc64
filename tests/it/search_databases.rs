//! Indexes over databases other than 0, as Redis has none, and indexes that FLUSH UNDO brings back.

use crate::stack::{follow, survives_in_the_log};
use crate::support::{Connection, Daemon, wait_until};

fn run(c: &mut Connection, line: &str) {
    let reply = c.ask(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

/// The number of documents that contain a word.
fn count(c: &mut Connection, index: &str, word: &str) -> String {
    wait_until("the index to read all", || {
        let info = c.ask(&format!("FT.INFO {index}"));
        info.starts_with('-') || info.contains("percent_indexed\r\n$1\r\n1\r\n")
    });
    c.ask(&format!("FT.SEARCH {index} {word} LIMIT 0 0"))
}

const ONE: &str = "*1\r\n:1\r\n";
const NONE: &str = "*1\r\n:0\r\n";

/// An index over database 3, an index over database 0, and a document in each.
fn fill(c: &mut Connection) {
    for line in [
        "FT.CREATE third ON HASH DB 3 PREFIX 1 h: SCHEMA t TEXT",
        "FT.ALIASADD other third",
        "FT.SYNUPDATE third g hello greeting",
        "FT.CREATE zeroth PREFIX 1 h: SCHEMA t TEXT",
        "HSET h:0 t zero",
        "SELECT 3",
        "HSET h:1 t hello",
        "SELECT 0",
    ] {
        run(c, line);
    }
}

fn answers(c: &mut Connection) -> Vec<String> {
    let queries = [
        ("third", "hello"),
        ("other", "greeting"),
        ("third", "zero"),
        ("zeroth", "zero"),
        ("zeroth", "hello"),
    ];
    let all = queries.iter();
    all.map(|(index, word)| count(c, index, word)).collect()
}

#[test]
fn an_index_is_over_the_database_that_it_names() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c);
    assert_eq!(answers(&mut c), [ONE, ONE, NONE, ONE, NONE]);
    assert!(c.ask("FT.INFO third").contains("+database\r\n:3\r\n"));
    assert!(!c.ask("FT.INFO zeroth").contains("+database\r\n"));
    // A query shows the index's documents, whichever database the client has selected.
    let shown = "*3\r\n:1\r\n$3\r\nh:1\r\n*2\r\n$1\r\nt\r\n$5\r\nhello\r\n";
    assert_eq!(c.ask("FT.SEARCH third hello"), shown);
    run(&mut c, "SELECT 7");
    assert_eq!(c.ask("FT.SEARCH third hello"), shown);
    assert!(
        c.ask("FT.CREATE no SCHEMA t TEXT")
            .starts_with("-Cannot create index on db != 0")
    );
    // A field with the name of the option names no database.
    assert!(
        c.ask("FT.CREATE no SCHEMA db TEXT")
            .starts_with("-Cannot create index on db != 0")
    );
    run(&mut c, "SELECT 0");
    // Keys that move between databases.
    run(&mut c, "MOVE h:0 3");
    assert_eq!(count(&mut c, "zeroth", "zero"), NONE);
    assert_eq!(count(&mut c, "third", "zero"), ONE);
    run(&mut c, "SWAPDB 3 5");
    assert_eq!(count(&mut c, "third", "zero"), NONE);
    run(&mut c, "SWAPDB 5 3");
    assert_eq!(count(&mut c, "third", "zero"), ONE);
    // A flush deletes the indexes of its database.
    run(&mut c, "FLUSHDB");
    assert_eq!(c.ask("FT._LIST"), "*1\r\n+third\r\n");
    run(&mut c, "FT.DROPINDEX third DD");
    run(&mut c, "SELECT 3");
    assert_eq!(c.ask("DBSIZE"), ":0\r\n");
    for (words, error) in [
        ("DB 99 SCHEMA t TEXT", "-ERR DB index is out of range"),
        ("DB -1 SCHEMA t TEXT", "-"),
        ("DB x SCHEMA t TEXT", "-"),
    ] {
        let reply = c.ask(&format!("FT.CREATE no {words}"));
        assert!(reply.starts_with(error), "{words}: {reply}");
    }
}

#[test]
fn users_need_rights_in_its_database() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c);
    run(&mut c, "ACL SETUSER u on >u +@all ~h:* resetdbs db=0");
    run(&mut c, "AUTH u u");
    assert!(c.ask("FT.SEARCH third hello").starts_with("-NOPERM"));
    assert_eq!(count(&mut c, "zeroth", "zero"), ONE);
}

#[test]
fn they_are_in_files_and_logs_and_at_replicas() {
    survives_in_the_log(
        fill,
        |c| run(c, "FT.DROPINDEX zeroth"),
        |c| {
            let all = [("third", "hello"), ("other", "greeting"), ("third", "zero")];
            all.map(|(index, word)| count(c, index, word))
        },
    );
    let server = Daemon::start(&["--enable-debug-command", "yes"]);
    let mut c = server.connect();
    fill(&mut c);
    let expected = answers(&mut c);
    run(&mut c, "DEBUG RELOAD");
    assert_eq!(answers(&mut c), expected);
    let replica = Daemon::start(&[]);
    let mut r = follow(&replica, &server);
    assert_eq!(answers(&mut r), expected);
    run(&mut c, "FT.CREATE later DB 2 SCHEMA t TEXT");
    run(&mut c, "SELECT 3");
    run(&mut c, "FLUSHDB");
    wait_until("the replica to have the same indexes", || {
        r.ask("FT._LIST") == "*2\r\n+later\r\n+zeroth\r\n"
    });
}

#[test]
fn an_undone_flush_brings_indexes_and_dictionaries_back() {
    let args = ["--flush-grace", "600", "--appendonly", "yes"];
    let mut server = Daemon::start(&args);
    let replica = Daemon::start(&args);
    let mut c = server.connect();
    fill(&mut c);
    run(&mut c, "FT.DICTADD d one two");
    let expected = answers(&mut c);
    let mut r = follow(&replica, &server);
    run(&mut c, "FLUSHALL");
    assert_eq!(c.ask("FT._LIST"), "*0\r\n");
    // A new index has taken the old name.
    run(&mut c, "FT.CREATE zeroth PREFIX 1 h: SCHEMA t TAG");
    run(&mut c, "FLUSH UNDO");
    let seen = |c: &mut Connection| {
        let all = [("third", "hello"), ("other", "greeting"), ("third", "zero")];
        let mut all = all.map(|(index, word)| count(c, index, word)).to_vec();
        all.push(c.ask("FT.DICTDUMP d"));
        all.push(c.ask("FT._LIST"));
        all
    };
    let back = seen(&mut c);
    assert_eq!(back[..3], expected[..3]);
    assert_eq!(back[3], "*2\r\n$3\r\none\r\n$3\r\ntwo\r\n");
    assert_eq!(back[4], "*2\r\n+third\r\n+zeroth\r\n");
    wait_until("the replica to have them", || seen(&mut r) == back);
    server.kill();
    server.restart();
    assert_eq!(seen(&mut server.connect()), back);
}

#[test]
fn an_index_made_after_a_flush_in_one_transaction_stays() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c);
    for line in [
        "MULTI",
        "FLUSHALL",
        "FT.CREATE i PREFIX 1 h: SCHEMA t TEXT",
        "HSET h:9 t hello",
        "FT.SEARCH i hello LIMIT 0 0",
        "EXEC",
    ] {
        run(&mut c, line);
    }
    assert_eq!(c.ask("FT._LIST"), "*1\r\n+i\r\n");
    assert_eq!(count(&mut c, "i", "hello"), ONE);
    let script = "redis.call('flushall') redis.call('ft.create', 'j', 'schema', 't', 'text') \
                  redis.call('hset', 'a', 't', 'x') \
                  return redis.call('ft.search', 'j', 'x', 'limit', '0', '0')";
    assert_eq!(c.call(&["EVAL", script, "0"]), ONE.as_bytes());
    assert_eq!(c.ask("FT._LIST"), "*1\r\n+j\r\n");
}
