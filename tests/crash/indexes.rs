//! Indexes through kill -9: a restarted server has the acknowledged definitions, aliases, synonyms
//! and dictionaries, and an index finds the same documents as a new index.
//!
//! `RUSSET_INDEX_WRITES` scales the story (docs/testing.md).

use super::support::random::Random;
use super::support::resp::command;
use super::support::{Connection, Daemon, wait_until};

const CYCLES: usize = 6;
/// The number of commands on their way.
const WINDOW: usize = 100;
const DOCUMENTS: usize = 200;

const FIELDS: [&str; 2] = [
    "ON HASH PREFIX 1 h: LANGUAGE german SCHEMA t TEXT WEIGHT 2 SORTABLE g TAG SEPARATOR ; n NUMERIC \
     SORTABLE p GEO",
    "ON JSON PREFIX 1 j: FILTER @n<150 SCHEMA $.t AS t TEXT $.g[*] AS g TAG CASESENSITIVE $.n AS n \
     NUMERIC SORTABLE",
];

/// Queries whose replies depend only on the documents.
const QUESTIONS: [&str; 6] = [
    "FT.SEARCH INDEX haus NOCONTENT SORTBY n LIMIT 0 1000",
    "FT.SEARCH INDEX @g:{blue} SORTBY n DESC RETURN 1 t LIMIT 0 1000",
    "FT.SEARCH INDEX @n:[20,90] NOCONTENT SORTBY n LIMIT 0 1000",
    "FT.SEARCH INDEX -laufen SORTBY n LIMIT 0 5",
    "FT.AGGREGATE INDEX * GROUPBY 1 @g REDUCE COUNT 0 AS c REDUCE SUM 1 @n AS s SORTBY 2 @g ASC LIMIT 0 \
     1000",
    "FT.TAGVALS INDEX g",
];

fn run(c: &mut Connection, line: &str) {
    let reply = c.ask(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

fn make(c: &mut Connection) {
    for (index, fields) in ["hashes", "documents"].iter().zip(FIELDS) {
        run(c, &format!("FT.CREATE {index} {fields}"));
    }
    run(c, "FT.ALTER hashes SCHEMA ADD k TAG");
    run(c, "FT.SYNUPDATE hashes group haus gebäude");
    run(c, "FT.ALIASADD h hashes");
    run(c, "FT.ALIASADD d documents");
    run(c, "FT.DICTADD words haus maus");
    run(c, "FT.CREATE gone SCHEMA t TEXT");
    run(c, "FT.DROPINDEX gone");
}

/// Changes the definitions, which later changes depend on.
fn redefine(c: &mut Connection, cycle: usize) {
    run(c, &format!("FT.SYNUPDATE hashes group word{cycle}"));
    run(c, &format!("FT.DICTADD words word{cycle}"));
    run(
        c,
        &format!(
            "FT.ALIASUPDATE moving {}",
            ["hashes", "documents"][cycle % 2]
        ),
    );
    run(
        c,
        &format!("FT.ALTER hashes SCHEMA ADD extra{cycle} NUMERIC"),
    );
    run(c, &format!("FT.CREATE short{cycle} SCHEMA x TAG"));
    if cycle > 0 {
        run(c, &format!("FT.DROPINDEX short{}", cycle - 1));
    }
}

/// A random change of a document. Its field `n` is the number of its key, so rows have a fixed
/// order.
fn change(random: &mut Random) -> Vec<String> {
    let at = random.below(DOCUMENTS);
    let word = *random.pick(&["haus", "häuser", "laufen", "läuft", "gebäude", "maus"]);
    let tag = *random.pick(&["blue", "red", "Blue", "green"]);
    let line = match random.below(10) {
        0 => format!("DEL h:{at}"),
        1 => format!("RENAMENX h:{at} away:{at}"),
        9 => format!("RENAMENX away:{at} h:{at}"),
        2 => format!("HDEL h:{at} g"),
        3 => format!("HINCRBY h:{at} count 1"),
        4 => format!("JSON.DEL j:{at} $.g"),
        5 | 6 => {
            let text = format!("{{\"t\":\"{word}\",\"g\":[\"{tag}\",\"x\"],\"n\":{at}}}");
            format!("JSON.SET j:{at} $ {text}")
        }
        _ => format!("HSET h:{at} t {word} g {tag};x n {at} p {},10", at % 90),
    };
    line.split(' ').map(str::to_owned).collect()
}

/// Sends changes, and reads some of the replies, or all.
fn write_some(c: &mut Connection, all: bool, random: &mut Random) {
    let bytes: Vec<u8> = (0..WINDOW).flat_map(|_| command(&change(random))).collect();
    c.send(&bytes);
    let read = if all {
        WINDOW
    } else {
        random.below(WINDOW + 1)
    };
    (0..read).for_each(|_| drop(c.reply()));
}

fn wait_for(c: &mut Connection, index: &str) {
    wait_until("the index to read all", || {
        c.ask(&format!("FT.INFO {index}"))
            .contains("indexing\r\n:0\r\n")
    });
}

fn answers(c: &mut Connection, index: &str) -> Vec<String> {
    wait_for(c, index);
    let ask = |question: &&str| c.ask(&question.replace("INDEX", index));
    QUESTIONS.iter().map(ask).collect()
}

/// Everything except the documents.
fn definitions(c: &mut Connection) -> Vec<String> {
    let list = c.ask("FT._LIST");
    let names: Vec<String> = list
        .split("\r\n")
        .filter_map(|line| line.strip_prefix('+'))
        .map(str::to_owned)
        .collect();
    let mut all = vec![list];
    for name in names.iter().map(String::as_str).chain(["h", "d", "moving"]) {
        let info = c.ask(&format!("FT.INFO {name}"));
        let end = info
            .find("max_doc_id")
            .expect("a figure after the definition");
        // The number of documents still grows while the index reads them.
        let end = info[..end].find("num_docs").expect("a number");
        all.push(info[..end].to_owned());
        all.push(c.ask(&format!("FT.SYNDUMP {name}")));
    }
    all.push(c.ask("FT.DICTDUMP words"));
    all
}

/// Checks that an index finds the same documents as a new index.
fn check_anew(c: &mut Connection) {
    for (index, fields) in ["hashes", "documents"].iter().zip(FIELDS) {
        let found = answers(c, index);
        run(c, &format!("FT.CREATE anew {fields}"));
        run(c, "FT.SYNUPDATE anew group haus gebäude");
        if *index == "documents" {
            run(c, "FT.DROPINDEX anew");
            run(c, &format!("FT.CREATE anew {fields}"));
        }
        assert_eq!(answers(c, "anew"), found, "{index}");
        run(c, "FT.DROPINDEX anew");
    }
}

#[test]
fn indexes_survive_kills_with_the_log() {
    let writes = std::env::var("RUSSET_INDEX_WRITES").ok();
    let writes: usize = writes.map_or(6_000, |text| text.parse().expect("a number"));
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--appendfsync", "always"];
        let args = [&args[..], &["--aof-use-rdb-preamble", preamble]].concat();
        let mut server = Daemon::start(&args);
        let mut c = server.connect();
        make(&mut c);
        let mut random = Random::new(11);
        for cycle in 0..CYCLES {
            redefine(&mut c, cycle);
            if cycle % 2 == 1 {
                assert!(c.ask("BGREWRITEAOF").starts_with('+'));
            }
            for _ in 0..writes / WINDOW / CYCLES {
                write_some(&mut c, true, &mut random);
            }
            let defined = definitions(&mut c);
            let found = [answers(&mut c, "hashes"), answers(&mut c, "d")];
            let is_cut = cycle % 3 == 2;
            if is_cut {
                write_some(&mut c, false, &mut random);
            }
            server.kill();
            server.restart();
            c = server.connect();
            assert_eq!(
                definitions(&mut c),
                defined,
                "preamble {preamble}, cycle {cycle}"
            );
            if is_cut {
                check_anew(&mut c);
            } else {
                let after = [answers(&mut c, "hashes"), answers(&mut c, "d")];
                assert_eq!(after, found, "preamble {preamble}, cycle {cycle}");
            }
        }
    }
}

#[test]
fn indexes_survive_kills_with_a_snapshot() {
    let mut server = Daemon::start(&[]);
    let mut c = server.connect();
    make(&mut c);
    let mut random = Random::new(12);
    for cycle in 0..2 {
        redefine(&mut c, cycle);
        for _ in 0..10 {
            write_some(&mut c, true, &mut random);
        }
        let defined = definitions(&mut c);
        let found = [answers(&mut c, "hashes"), answers(&mut c, "d")];
        assert_eq!(c.ask("SAVE"), "+OK\r\n");
        // The server loses changes after the snapshot, and definitions, too.
        write_some(&mut c, true, &mut random);
        run(&mut c, "FT.CREATE late SCHEMA t TEXT");
        run(&mut c, "FT.DICTADD words late");
        server.kill();
        server.restart();
        c = server.connect();
        assert_eq!(definitions(&mut c), defined, "cycle {cycle}");
        let after = [answers(&mut c, "hashes"), answers(&mut c, "d")];
        assert_eq!(after, found, "cycle {cycle}");
        check_anew(&mut c);
    }
}
