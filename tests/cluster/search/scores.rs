//! `search-global-idf`: scores over all shards equal the scores of a single node, to the last
//! digit.

use super::{RANGES, ask, connect, connections, ok, put, three};
use crate::client::slot_of;
use crate::group::Node;
use crate::support::Daemon;
use crate::support::resp::{Connection, Reply};
use crate::support::wait::wait_until;

const CREATE: &str = "FT.CREATE i PREFIX 1 d: SCHEMA n NUMERIC SORTABLE t TEXT u TEXT WEIGHT 2 g TAG \
                      v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2";
const DOCUMENTS: usize = 150;

const WORDS: [&str; 10] = [
    "red", "running", "runs", "blue", "bluebell", "blues", "world", "great", "only1", "only2",
];

fn text(seed: usize) -> String {
    let mut at = seed.wrapping_mul(2_654_435_761) >> 3;
    let count = 1 + at % 11;
    let mut all = Vec::new();
    for _ in 0..count {
        at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        all.push(WORDS[(at >> 8) % WORDS.len() * ((at >> 16) % 4) / 3 % WORDS.len()]);
    }
    all.join(" ")
}

fn document(n: usize) -> Vec<Vec<u8>> {
    let fields = [
        ("n", n.to_string().into_bytes()),
        ("t", text(n).into_bytes()),
        ("u", text(n + 1000).into_bytes()),
        ("g", format!("g{}", n % 5).into_bytes()),
        ("v", super::vector(n as f32 * 1.01, 1.0)),
    ];
    let mut all = vec![b"HSET".to_vec(), format!("d:{n}").into_bytes()];
    for (name, value) in fields {
        all.extend([name.as_bytes().to_vec(), value]);
    }
    all
}

/// A cluster of three and a single node with the same documents.
fn both() -> (Vec<Node>, Daemon, Connection) {
    let nodes = three();
    ok(&nodes[1], CREATE);
    let mut to = connections(&nodes);
    (0..DOCUMENTS).for_each(|n| put(&mut to, &document(n)));
    let daemon = Daemon::start(&[]);
    let mut alone = Connection::open(daemon.port()).expect("a server");
    assert_eq!(alone.ask(CREATE), "+OK\r\n");
    for n in 0..DOCUMENTS {
        alone.call(&document(n));
    }
    (nodes, daemon, alone)
}

fn set_all(nodes: &[Node], value: &str) {
    for node in nodes {
        ok(node, &format!("CONFIG SET search-global-idf {value}"));
    }
}

/// The rows of an FT.SEARCH reply, two parts each, sorted by key, after the total.
fn rows(c: &mut Connection, line: &str) -> Vec<String> {
    let words = super::words(line);
    c.send(&crate::support::resp::command(&words));
    let (_, reply) = c.read().expect("a reply");
    let Reply::Array(items) = reply else {
        panic!("{line}: {reply:?}");
    };
    let mut rows: Vec<String> = items[1..].chunks(2).map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows.push(format!("{:?}", items[0]));
    rows
}

const QUERIES: [&str; 20] = [
    "*",
    "red",
    "red~blue~world",
    "great~running~red~blues",
    "\"red~running\"",
    "red|only1",
    "(red~only1)|(blue~only2)|world",
    "(red|only2)=>{$weight:3}~running",
    "blu*",
    "blue|only*",
    "%rad%",
    "red~-blue",
    "-red",
    "red~~world~~only1~blue",
    "@t:(red~running)~@u:world",
    "@g:{g1}",
    "red|@g:{g1|none}|@g:{g*}",
    "@g:{g1|g2}~red~@n:[3~90]~world",
    "(red~blue)=>{$slop:2}~world",
    "none|red|only1",
];

const SCORERS: [&str; 9] = [
    "BM25STD",
    "BM25STD.NORM",
    "BM25STD.TANH",
    "BM25",
    "TFIDF",
    "TFIDF.DOCNORM",
    "DISMAX",
    "DOCSCORE",
    "HAMMING",
];

/// A query line. `~` stands for a space, so `~~` stands for an optional term.
fn line(query: &str, scorer: &str, more: &str) -> String {
    format!(
        "FT.SEARCH i {query} LIMIT 0 1000 NOCONTENT WITHSCORES {more} DIALECT 2 SCORER {scorer}"
    )
}

#[test]
fn scores_are_those_of_a_single_node() {
    let (nodes, _daemon, mut alone) = both();
    let mut c = connect(&nodes[2]);
    let plain = line("red~world~blue", "BM25STD", "");
    let wanted = rows(&mut alone, &plain);
    let of_shards = rows(&mut c, &plain);
    assert!(of_shards != wanted && of_shards.len() == wanted.len());
    set_all(&nodes, "yes");
    for scorer in SCORERS {
        for query in QUERIES {
            for more in ["", "EXPLAINSCORE", "INKEYS 4 d:1 d:5 d:7 d:9 EXPLAINSCORE"] {
                let line = line(query, scorer, more);
                assert_eq!(rows(&mut c, &line), rows(&mut alone, &line), "{line}");
            }
        }
    }
    for line in [
        "FT.AGGREGATE i red~world|blue ADDSCORES LOAD 1 @n APPLY @__score*2 AS s SORTBY 2 @n ASC LIMIT 0 200",
        "FT.AGGREGATE i red~world|blue SCORER BM25STD.NORM ADDSCORES LOAD 1 @n FILTER @__score>0.5 SORTBY 2 @n ASC \
         LIMIT 0 200",
        "FT.AGGREGATE i red|only1 ADDSCORES GROUPBY 1 @g REDUCE MAX 1 @__score AS m SORTBY 2 @g ASC",
        "FT.SEARCH i red SORTBY n WITHSCORES LIMIT 0 200 NOCONTENT",
        "FT.SEARCH i red SORTBY n LIMIT 0 5 NOCONTENT",
        "FT.SEARCH i red LIMIT 0 0",
        "FT.SEARCH i red=>[KNN~7~@v~$b~AS~far] SORTBY far WITHSCORES PARAMS 2 b $vector DIALECT 2 RETURN 1 n",
        "FT.HYBRID i SEARCH red|blue~world VSIM @v $b KNN 2 K 30 COMBINE LINEAR 6 ALPHA 0.5 BETA 0.5 WINDOW 200 \
         LOAD 1 @n SORTBY 2 @n ASC LIMIT 0 200 PARAMS 2 b $vector",
    ] {
        // The reply without the time of FT.HYBRID.
        let untimed = |reply: String| reply.split("execution_time").next().map(str::to_owned);
        let wanted = untimed(ask(&mut alone, line));
        for node in &nodes {
            assert_eq!(untimed(ask(&mut connect(node), line)), wanted, "{line}");
        }
    }
    let cursors = "FT.HYBRID i SEARCH red VSIM @v $b KNN 2 K 5 LOAD 1 @n PARAMS 2 b $vector WITHCURSOR COUNT 3";
    assert!(ask(&mut c, cursors).contains("SEARCH\r\n:"));
    for profile in [
        "FT.PROFILE i SEARCH QUERY red~world LIMIT 0 200 NOCONTENT WITHSCORES",
        "FT.PROFILE i AGGREGATE QUERY red~world ADDSCORES",
        "FT.PROFILE i HYBRID QUERY SEARCH red VSIM @v $b PARAMS 2 b $vector",
    ] {
        let reply = ask(&mut c, profile);
        assert_eq!(
            reply.matches("+Shard ID\r\n").count(),
            3,
            "{profile}: {reply}"
        );
    }
    let wrong = ask(
        &mut c,
        "FT.SEARCH i @g:{g1}~@v:[VECTOR_RANGE~1~$none] DIALECT 2",
    );
    assert!(wrong.starts_with('-'), "{wrong}");
    set_all(&nodes, "no");
    assert_eq!(rows(&mut c, &plain), of_shards);
}

/// A prefix with more terms than a message has room for: each shard computes its own scores, and
/// the reply says so.
#[test]
fn too_many_terms_are_warned_of() {
    let nodes = three();
    ok(&nodes[0], "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT");
    set_all(&nodes, "yes");
    let mut to = connections(&nodes);
    for n in 0..600 {
        let long = |at: usize| format!("wide{at:0>100}");
        let words: Vec<String> = (0..30).map(|at| long(n * 30 + at)).collect();
        let words =
            ["HSET", &format!("d:{n}"), "t", &words.join(" ")].map(|word| word.as_bytes().to_vec());
        put(&mut to, &words);
    }
    for node in &nodes {
        ok(node, "CONFIG SET search-max-prefix-expansions 100000");
        ok(node, "CONFIG SET search-timeout 20000");
    }
    let mut c = connect(&nodes[0]);
    c.ask("HELLO 3");
    let warning = "stands for too many terms";
    let reply = ask(&mut c, "FT.SEARCH i wide* NOCONTENT");
    assert!(
        reply.contains(warning) && reply.contains("total_results\r\n:600\r\n"),
        "{reply}"
    );
    let few = ask(
        &mut c,
        "FT.SEARCH i wide00* NOCONTENT VERBATIM SCORER DISMAX",
    );
    assert!(
        few.contains("total_results") && !few.contains(warning),
        "{few}"
    );
}

/// While slots move in a migration, each document has its score.
#[test]
fn scores_do_not_change_as_slots_move() {
    let (nodes, _daemon, mut alone) = both();
    set_all(&nodes, "yes");
    let mut to = connections(&nodes);
    let lines = ["BM25STD", "TFIDF", "BM25STD.NORM"];
    let lines = lines.map(|scorer| line("red~|world~|@g:{g1}", scorer, ""));
    let wanted = lines.each_ref().map(|line| rows(&mut alone, line));
    let first = RANGES[0]
        .split(' ')
        .next()
        .and_then(|n| n.parse::<u16>().ok())
        .expect("a slot");
    for target in [1, 2, 0] {
        let order = format!("CLUSTER MIGRATION IMPORT {first} {}", first + 3000);
        wait_until("the move to begin", || {
            to[target].ask(&order).starts_with('$')
        });
        let key = (0..DOCUMENTS).map(|n| format!("d:{n}"));
        let mut moving = key.filter(|key| (first..first + 3000).contains(&slot_of(key)));
        let is_there = format!("EXISTS {}", moving.next().expect("a key that moves"));
        let (mut asked, mut has_moved) = (0, false);
        wait_until("the slots to have moved", || {
            has_moved |= to[target].ask(&is_there) == ":1\r\n";
            asked += u32::from(has_moved);
            for c in &mut to {
                for (line, wanted) in lines.iter().zip(&wanted) {
                    assert_eq!(rows(c, line), *wanted, "{line}");
                }
            }
            asked > 3
        });
    }
}
