//! Index definitions across starts, crashes, flushes and swaps: the server checks definitions in a
//! log or a file like those of a client, and an index that is dropped with its documents leaves
//! none.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::stack::follow;
use crate::support::resp::command;
use crate::support::{Connection, Daemon, Reply, wait_until};

const LOG: [&str; 4] = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
const NO_INDEX: &str = "*0\r\n";

fn run(c: &mut Connection, line: &str) {
    let reply = c.ask(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

/// The last command file of a log.
fn last_file(folder: &Path) -> PathBuf {
    let dir = folder.join("appendonlydir");
    let manifest = fs::read_to_string(dir.join("appendonly.aof.manifest")).expect("a manifest");
    let last = manifest.lines().last().expect("a line");
    dir.join(last.split(' ').nth(1).expect("a name"))
}

fn append(server: &Daemon, lines: &[Vec<&str>]) {
    let file = fs::OpenOptions::new()
        .append(true)
        .open(last_file(server.folder()));
    let mut file = file.expect("the log");
    for line in lines {
        file.write_all(&command(line)).expect("space");
    }
}

fn kept_aside(server: &Daemon) -> Option<String> {
    server.info("search_definitions_kept_aside")
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn definitions_that_no_client_may_send_are_kept_aside() {
    let mut server = Daemon::start(&LOG);
    run(&mut server.connect(), "SET k v");
    server.kill();
    // Regression: no limit refused this definition, and it ended the server.
    let terms = format!("1{}", "+1".repeat(30_000));
    let mut deep = words("FT._CREATEIFNX deep FILTER");
    deep.extend([&terms, "SCHEMA", "t", "TEXT"]);
    append(
        &server,
        &[
            words(
                "FT._CREATEIFNX links SCHEMA v VECTOR HNSW 8 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2 \
                 M 9223372036854775807",
            ),
            words(
                "FT._CREATEIFNX long SCHEMA v VECTOR FLAT 6 TYPE FLOAT32 DIM 4611686018427387904 \
                 DISTANCE_METRIC L2",
            ),
            deep,
            words("FT._ALIASADDIFNX name links"),
            words("FT._CREATEIFNX good SCHEMA t TEXT"),
            words("HSET h t hello"),
        ],
    );
    server.restart();
    // The log, a rewritten log, and an RDB file.
    for step in ["BGREWRITEAOF", "SAVE", ""] {
        let mut c = server.connect();
        let list = c.ask("FT._LIST");
        assert!(list.starts_with("*2") && list.contains("+deep") && list.contains("+good"));
        assert_eq!(kept_aside(&server).as_deref(), Some("2"), "before {step}");
        assert_eq!(
            c.ask("FT.SEARCH good hello NOCONTENT"),
            "*2\r\n:1\r\n$1\r\nh\r\n"
        );
        match step {
            "BGREWRITEAOF" => {
                run(&mut c, step);
                wait_until("the log to be made anew", || {
                    server.info("aof_rewrite_in_progress").as_deref() == Some("0")
                        && server.info("aof_base_size").is_some_and(|size| size != "0")
                });
                server.kill();
            }
            "SAVE" => {
                run(&mut c, step);
                server.set_args(&[]);
            }
            _ => break,
        }
        server.restart();
    }
    let mut c = server.connect();
    run(&mut c, "FT.CREATE links SCHEMA t TEXT");
    assert_eq!(kept_aside(&server).as_deref(), Some("1"));
    run(&mut c, "FLUSHALL");
    assert_eq!(kept_aside(&server).as_deref(), Some("0"));
}

#[test]
fn a_flush_takes_definitions_with_it_in_the_log_too() {
    for undo in [false, true] {
        let mut args = LOG.to_vec();
        args.extend(["--flush-grace", if undo { "600" } else { "0" }]);
        let mut server = Daemon::start(&args);
        let mut c = server.connect();
        run(&mut c, "FT.CREATE i SCHEMA old TEXT");
        run(&mut c, "FT.ALIASADD name i");
        run(&mut c, "FT.DICTADD words one");
        run(&mut c, "HSET h old hello new hello");
        run(&mut c, "FLUSHALL");
        if undo {
            run(&mut c, "FLUSH UNDO");
        } else {
            run(&mut c, "FT.CREATE i SCHEMA new TEXT");
            run(&mut c, "HSET h old hello new hello");
        }
        let seen = |server: &Daemon| {
            let mut c = server.connect();
            wait_until("the index to read all", || {
                !c.ask("FT._LIST").contains("+i\r\n")
                    || c.ask("FT.INFO i")
                        .contains("percent_indexed\r\n$1\r\n1\r\n")
            });
            [
                "FT._LIST",
                "FT.SEARCH i @new:hello NOCONTENT",
                "FT.SEARCH i @old:hello NOCONTENT",
                "FT.SEARCH name * NOCONTENT",
                "FT.DICTDUMP words",
                "DBSIZE",
            ]
            .map(|line| c.ask(line))
        };
        let before = seen(&server);
        if !undo {
            assert_eq!(before[0], "*1\r\n+i\r\n");
            assert_eq!(before[1], "*2\r\n:1\r\n$1\r\nh\r\n");
            assert!(before[3].starts_with('-'), "{}", before[3]);
        }
        server.kill();
        server.restart();
        assert_eq!(seen(&server), before, "undo: {undo}");
    }
}

const DOCUMENTS: usize = 30_000;

/// An index over many documents, and a key outside the index.
fn fill(server: &Daemon) -> Connection {
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i PREFIX 1 d: SCHEMA n NUMERIC");
    let script = format!("for i=1,{DOCUMENTS} do redis.call('HSET','d:'..i,'n',i) end");
    assert_eq!(c.call(&["EVAL", &script, "0"]), b"$-1\r\n");
    run(&mut c, "SET other 1");
    c
}

fn size(c: &mut Connection) -> usize {
    let reply = c.ask("DBSIZE");
    reply[1..].trim_end().parse().expect("a number")
}

fn found(c: &mut Connection) -> String {
    c.ask("FT.SEARCH i * LIMIT 0 0")
}

/// Waits until the drop has deleted a document.
fn wait_for_the_midst(c: &mut Connection) {
    wait_until("a document to be deleted", || size(c) < DOCUMENTS + 1);
}

#[test]
fn an_index_that_goes_with_its_documents_may_be_dropped_again_after_a_crash() {
    let mut server = Daemon::start(&[&LOG[..], &["--appendfsync", "always"]].concat());
    let mut c = fill(&server);
    c.send(b"FT.DROPINDEX i DD\r\n");
    wait_for_the_midst(&mut server.connect());
    server.kill();
    server.restart();
    let mut c = server.connect();
    if c.ask("FT._LIST") != NO_INDEX {
        let left = size(&mut c) - 1;
        wait_until("the index to read all", || {
            found(&mut c) == format!("*1\r\n:{left}\r\n")
        });
        run(&mut c, "FT.DROPINDEX i DD");
    }
    assert_eq!(c.ask("FT._LIST"), NO_INDEX);
    assert_eq!(size(&mut c), 1);
}

#[test]
fn a_swap_waits_for_documents_that_go_with_their_index() {
    for line in ["SWAPDB 0 1", "EVAL return(redis.call('SWAPDB',0,1)) 0"] {
        let server = Daemon::start(&[]);
        let mut c = fill(&server);
        let mut other = server.connect();
        run(&mut other, "SELECT 1");
        run(&mut other, "HSET d:7 n 7");
        c.send(b"FT.DROPINDEX i DD\r\n");
        wait_for_the_midst(&mut server.connect());
        assert_eq!(other.ask(line), "+OK\r\n", "{line}");
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.ask("EXISTS d:7"), ":1\r\n");
        assert_eq!(size(&mut c), 1);
        assert_eq!(size(&mut other), 1);
        assert_eq!(other.ask("GET other"), "$1\r\n1\r\n");
    }
}

#[test]
fn a_replica_that_takes_over_meanwhile_has_the_index_and_what_is_left() {
    let server = Daemon::start(&[]);
    let mut c = fill(&server);
    let replica = Daemon::start(&[]);
    let mut r = follow(&replica, &server);
    wait_until("the index to read all", || {
        found(&mut r) == format!("*1\r\n:{DOCUMENTS}\r\n")
    });
    c.send(b"FT.DROPINDEX i DD\r\n");
    wait_for_the_midst(&mut r);
    run(&mut r, "REPLICAOF NO ONE");
    // The primary sends nothing any more.
    if r.ask("FT._LIST") != NO_INDEX {
        let left = size(&mut r) - 1;
        assert_eq!(found(&mut r), format!("*1\r\n:{left}\r\n"));
        run(&mut r, "FT.DROPINDEX i DD");
    }
    assert_eq!(size(&mut r), 1);
    assert_eq!(c.reply(), b"+OK\r\n");
    assert_eq!(size(&mut c), 1);
    // The old primary becomes a replica in the middle of a drop, and gets the data of the new
    // primary.
    let mut c = fill(&server);
    let mut r = fill(&replica);
    c.send(b"FT.DROPINDEX i DD\r\n");
    wait_for_the_midst(&mut server.connect());
    let mut other = follow(&server, &replica);
    wait_until("the index to read all", || {
        found(&mut other) == format!("*1\r\n:{DOCUMENTS}\r\n")
    });
    assert_eq!(size(&mut r), DOCUMENTS + 1);
    assert_eq!(size(&mut other), DOCUMENTS + 1);
}

/// The replies of queries after a start, while the server still fills the index.
#[test]
fn queries_say_that_their_index_still_reads() {
    let mut server = Daemon::start(&[]);
    let mut c = fill(&server);
    run(&mut c, "SAVE");
    for setting in ["return", "fail"] {
        server.set_args(&["--search-on-loading".to_owned(), setting.to_owned()]);
        server.restart();
        let mut c = server.connect();
        c.ask("HELLO 3");
        // A query has all rows, or says that some are missing.
        let mut told = 0;
        wait_until("the index to read all", || {
            let reply = c.ask("FT.SEARCH i * LIMIT 0 0");
            let is_told = reply.starts_with("-LOADING") || reply.contains("warning\r\n*1\r\n");
            assert!(
                is_told || reply.contains(&format!(":{DOCUMENTS}\r\n")),
                "{setting}: {reply}"
            );
            assert!(
                !is_told || (setting == "fail") == reply.starts_with('-'),
                "{setting}: {reply}"
            );
            told += usize::from(is_told);
            !is_told
        });
        let Reply::Map(_) = c.value("FT.SEARCH i * LIMIT 0 0") else {
            panic!("a map");
        };
        println!("{setting}: {told} queries were told");
    }
}
