//! Queries over a cluster: any node replies for all shards, like a single node with all documents.
//! All nodes have the index definitions.

mod scores;

use crate::client::slot_of;
use crate::group::{Kind, Node, start_node};
use crate::support::Daemon;
use crate::support::resp::{Connection, printable};
use crate::support::wait::wait_until;

fn connect(node: &Node) -> Connection {
    Connection::open(node.port()).expect("a node")
}

#[track_caller]
fn ok(node: &Node, order: &str) {
    let reply = connect(node).ask(order);
    assert!(!reply.starts_with('-'), "{order}: {reply}");
}

fn bus_port(node: &Node) -> String {
    let reply = connect(node).value("CONFIG GET cluster-port");
    let bus = reply.items().expect("an array")[1]
        .text()
        .expect("a text")
        .to_vec();
    String::from_utf8(bus).expect("text")
}

fn meet(node: &Node, other: &Node) {
    let bus = bus_port(other);
    ok(
        node,
        &format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port()),
    );
}

fn start() -> Node {
    start_node(Kind::Russet, &["--cluster-node-timeout", "2000"])
}

const RANGES: [&str; 3] = ["0 5460", "5461 10922", "10923 16383"];

fn all_linked(nodes: &[Node]) {
    wait_until("all to know all", || {
        nodes.iter().all(|node| {
            let view = node.view();
            let linked = view
                .iter()
                .filter(|seen| seen.is_connected && !seen.is("handshake"));
            linked.count() == nodes.len() && node.state("cluster_state") == "ok"
        })
    });
}

/// Starts three primaries.
fn three() -> Vec<Node> {
    let nodes: Vec<Node> = (0..3).map(|_| start()).collect();
    for (at, range) in RANGES.iter().enumerate() {
        ok(&nodes[at], &format!("CLUSTER ADDSLOTSRANGE {range}"));
        ok(&nodes[at], &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
    }
    for node in &nodes[1..] {
        meet(&nodes[0], node);
    }
    all_linked(&nodes);
    nodes
}

const CREATE: &str = "FT.CREATE i PREFIX 1 d: SCHEMA n NUMERIC SORTABLE t TEXT g TAG SORTABLE \
                      w NUMERIC v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2";

/// A vector's bytes.
fn vector(x: f32, y: f32) -> Vec<u8> {
    [x.to_le_bytes(), y.to_le_bytes()].concat()
}

/// The words of a document's HSET.
fn document(n: usize) -> Vec<Vec<u8>> {
    let words = ["red", "green", "blue"];
    let text = format!(
        "all {} {}",
        words[n % 3],
        if n.is_multiple_of(7) {
            "seven seven"
        } else {
            ""
        }
    );
    let fields: [(&str, Vec<u8>); 5] = [
        ("n", n.to_string().into_bytes()),
        ("t", text.into_bytes()),
        ("g", format!("g{}", n % 5).into_bytes()),
        ("w", ((n * 37) % 101).to_string().into_bytes()),
        ("v", vector((n * 7 % 50) as f32 + n as f32 / 1000.0, 1.0)),
    ];
    let mut all = vec![b"HSET".to_vec(), format!("d:{n}").into_bytes()];
    for (name, value) in fields {
        all.extend([name.as_bytes().to_vec(), value]);
    }
    all
}

const DOCUMENTS: usize = 120;

/// A connection to each node.
fn connections(nodes: &[Node]) -> Vec<Connection> {
    nodes.iter().map(connect).collect()
}

/// Writes a document to the node of its slot.
fn put(to: &mut [Connection], words: &[Vec<u8>]) {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let taken = to
        .iter_mut()
        .any(|c| !printable(&c.call(&words)).starts_with('-'));
    assert!(taken, "a node for {:?}", String::from_utf8_lossy(words[1]));
}

fn fill(nodes: &[Node]) {
    let mut to = connections(nodes);
    (0..DOCUMENTS).for_each(|n| put(&mut to, &document(n)));
}

/// A single node with the same documents.
fn single() -> (Daemon, Connection) {
    let daemon = Daemon::start(&[]);
    let mut c = Connection::open(daemon.port()).expect("a server");
    assert_eq!(c.ask(CREATE), "+OK\r\n");
    for n in 0..DOCUMENTS {
        let words = document(n);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        c.call(&words);
    }
    (daemon, c)
}

fn words(line: &str) -> Vec<Vec<u8>> {
    let word = |word: &str| match word {
        "$vector" => vector(20.0, 1.0),
        word => word.replace('~', " ").into_bytes(),
    };
    line.split(' ')
        .filter(|w| !w.is_empty())
        .map(word)
        .collect()
}

fn ask(c: &mut Connection, line: &str) -> String {
    let words = words(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    printable(&c.call(&words))
}

#[test]
fn any_node_replies_what_a_single_one_would() {
    let nodes = three();
    ok(&nodes[1], CREATE);
    fill(&nodes);
    let (_daemon, mut alone) = single();
    let lines = [
        "FT.SEARCH i * SORTBY n LIMIT 0 7",
        "FT.SEARCH i * SORTBY n DESC LIMIT 100 50 WITHSORTKEYS RETURN 1 n",
        "FT.SEARCH i all SORTBY n LIMIT 33 5 NOCONTENT",
        "FT.SEARCH i * LIMIT 0 0",
        "FT.SEARCH i @g:{g3} SORTBY w LIMIT 0 20",
        "FT.SEARCH i red SORTBY n LIMIT 0 3 HIGHLIGHT",
        "FT.SEARCH i none",
        "FT.SEARCH i @n:[3~3] WITHSCORES SCORER DOCSCORE",
        "FT.SEARCH i *=>[KNN~5~@v~$b] PARAMS 2 b $vector SORTBY __v_score DIALECT 2 RETURN 1 n",
        "FT.SEARCH i (@g:{g1|g2})=>[KNN~9~@v~$b~AS~far] PARAMS 2 b $vector SORTBY far LIMIT 2 4 DIALECT 2",
        "FT.AGGREGATE i * GROUPBY 1 @g REDUCE COUNT 0 AS c SORTBY 2 @g ASC",
        "FT.AGGREGATE i * GROUPBY 1 @g REDUCE SUM 1 @n AS s REDUCE MIN 1 @w AS a REDUCE MAX 1 @w AS b \
         REDUCE AVG 1 @n AS m SORTBY 2 @g DESC",
        "FT.AGGREGATE i * GROUPBY 1 @g REDUCE COUNT_DISTINCT 1 @w AS d REDUCE COUNT_DISTINCTISH 1 @w AS e \
         REDUCE QUANTILE 2 @w 0.5 AS q SORTBY 2 @g ASC",
        "FT.AGGREGATE i * GROUPBY 1 @g REDUCE FIRST_VALUE 4 @n BY @w DESC AS f SORTBY 2 @g ASC",
        "FT.AGGREGATE i * GROUPBY 0 REDUCE COUNT 0 AS c REDUCE SUM 1 @w AS s",
        "FT.AGGREGATE i * LOAD 1 @w APPLY @w*2 AS x FILTER @x>100 SORTBY 4 @x DESC @n ASC LIMIT 3 9",
        "FT.AGGREGATE i * SORTBY 2 @n ASC MAX 15 LOAD 1 @t APPLY upper(@t) AS u",
        "FT.AGGREGATE i * SORTBY 2 @n DESC LIMIT 0 30 GROUPBY 1 @g REDUCE SUM 1 @w AS s SORTBY 2 @g ASC",
        "FT.AGGREGATE i * GROUPBY 1 @g REDUCE COUNT 0 AS c APPLY @c%3 AS r GROUPBY 1 @r REDUCE SUM 1 @c AS s \
         SORTBY 2 @r ASC",
        "FT.AGGREGATE i *=>[KNN~6~@v~$b~AS~far] PARAMS 2 b $vector DIALECT 2 LOAD 1 @n SORTBY 2 @far ASC",
        "FT.AGGREGATE i * LIMIT 0 0",
        "FT.AGGREGATE i * GROUPBY 1 @none",
        "FT.HYBRID i SEARCH @n:[0~9] SCORER DOCSCORE VSIM @v $b KNN 2 K 120 COMBINE LINEAR 6 ALPHA 0.5 BETA 0.5 WINDOW 200 \
         LOAD 1 @n PARAMS 2 b $vector",
        "FT.MGET i d:1 d:2 d:3 d:4 none",
        "FT.TAGVALS i g",
        "FT.SPELLCHECK i rad",
        "FT.EXPLAIN i red|blue",
        "FT.SEARCH j *",
        "FT.SEARCH i * LIMIT a b",
        "FT.AGGREGATE i * APPLY foo( AS x",
    ];
    for line in lines {
        for hello in ["HELLO 2", "HELLO 3"] {
            alone.ask(hello);
            // The reply without the times of FT.HYBRID.
            let untimed = |reply: String| -> String {
                reply
                    .split("execution_time")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            };
            let wanted = untimed(ask(&mut alone, line));
            for node in &nodes {
                let mut c = connect(node);
                c.ask(hello);
                assert_eq!(untimed(ask(&mut c, line)), wanted, "{line}");
            }
        }
    }
}

#[test]
fn a_cursor_is_at_the_node_that_made_it() {
    let nodes = three();
    ok(&nodes[0], CREATE);
    fill(&nodes);
    let mut c = connect(&nodes[2]);
    let first = ask(&mut c, "FT.AGGREGATE i * LOAD 1 @n WITHCURSOR COUNT 50");
    let id = first
        .rsplit(':')
        .next()
        .expect("a number")
        .trim()
        .to_owned();
    let rows = |reply: &str| reply.matches("\r\nn\r\n").count();
    let second = ask(&mut c, &format!("FT.CURSOR READ i {id} COUNT 60"));
    let third = ask(&mut c, &format!("FT.CURSOR READ i {id}"));
    assert_eq!([rows(&first), rows(&second), rows(&third)], [50, 60, 10]);
    assert!(third.ends_with(":0\r\n"), "{third}");
    assert!(ask(&mut connect(&nodes[1]), &format!("FT.CURSOR READ i {id}")).starts_with('-'));
}

/// A profile has the results of the command, the parts of three shards, and the part of the queried
/// node.
#[test]
fn a_profile_shows_each_shard() {
    let nodes = three();
    ok(&nodes[0], CREATE);
    fill(&nodes);
    let hybrid = "SEARCH @n:[0~9] VSIM @v $b KNN 2 K 20 PARAMS 2 b $vector";
    for (profile, command) in [
        (
            "FT.PROFILE i SEARCH QUERY all SORTBY n LIMIT 5 3",
            "FT.SEARCH i all SORTBY n LIMIT 5 3",
        ),
        (
            "FT.PROFILE i SEARCH QUERY *=>[KNN~5~@v~$b] PARAMS 2 b $vector SORTBY __v_score DIALECT 2 RETURN 1 n",
            "FT.SEARCH i *=>[KNN~5~@v~$b] PARAMS 2 b $vector SORTBY __v_score DIALECT 2 RETURN 1 n",
        ),
        (
            "FT.PROFILE i AGGREGATE LIMITED QUERY all GROUPBY 1 @g REDUCE COUNT 0 AS c SORTBY 2 @g ASC",
            "FT.AGGREGATE i all GROUPBY 1 @g REDUCE COUNT 0 AS c SORTBY 2 @g ASC",
        ),
        (
            &format!("FT.PROFILE i HYBRID QUERY {hybrid}"),
            &format!("FT.HYBRID i {hybrid}"),
        ),
    ] {
        for hello in ["HELLO 2", "HELLO 3"] {
            let mut c = connect(&nodes[2]);
            c.ask(hello);
            let wanted = ask(&mut c, command);
            let wanted = wanted.split("execution_time").next().expect("a part");
            let reply = ask(&mut c, profile);
            let shown = wanted
                .split_once("total_results")
                .map_or(wanted, |(_, rest)| rest);
            assert!(reply.contains(shown), "{profile}: {reply} lacks {shown}");
            assert_eq!(reply.matches("+Shard ID\r\n").count(), 3, "{reply}");
            for node in &nodes {
                let id = connect(node).ask("CLUSTER MYID");
                let id = id.split("\r\n").nth(1).expect("an id");
                assert!(reply.contains(&format!("+{id}\r\n")), "{reply}");
            }
            let (_, after) = reply.split_once("+Coordinator\r\n").expect("its part");
            assert!(after.contains("+Warning\r\n*1\r\n+None\r\n"), "{after}");
            let stages = ["AGGREGATE", "HYBRID"]
                .iter()
                .any(|kind| profile.contains(kind));
            assert_eq!(
                after.contains("Result processors profile"),
                stages,
                "{after}"
            );
        }
    }
}

#[test]
fn cursors_of_both_sides_have_the_documents_of_all_shards() {
    let nodes = three();
    ok(&nodes[0], CREATE);
    fill(&nodes);
    let (_daemon, mut alone) = single();
    let line = "FT.HYBRID i SEARCH @n:[0~30] SCORER DOCSCORE VSIM @v $b KNN 2 K 40 COMBINE RRF 2 WINDOW 50 LOAD 1 @n \
                PARAMS 2 b $vector WITHCURSOR COUNT 7";
    // The keys of both cursors, sorted.
    let keys = |c: &mut Connection| -> Vec<Vec<String>> {
        let reply = ask(c, line);
        let ids: Vec<String> = reply
            .split("\r\n")
            .filter_map(|part| part.strip_prefix(':'))
            .map(str::to_owned)
            .collect();
        assert_eq!(ids.len(), 2, "{reply}");
        let all = ids.iter().map(|id| {
            let mut keys = Vec::new();
            loop {
                let rows = ask(c, &format!("FT.CURSOR READ i {id}"));
                let its = rows.split("\r\n").filter(|part| part.starts_with("d:"));
                keys.extend(its.map(str::to_owned));
                if rows.ends_with(":0\r\n") {
                    break;
                }
                assert!(!rows.starts_with('-'), "{rows}");
            }
            keys.sort();
            keys
        });
        all.collect()
    };
    let wanted = keys(&mut alone);
    assert_eq!([wanted[0].len(), wanted[1].len()], [31, 40]);
    for node in &nodes {
        assert_eq!(keys(&mut connect(node)), wanted);
    }
}

#[test]
fn definitions_are_at_all_nodes() {
    let nodes = three();
    ok(&nodes[0], CREATE);
    ok(&nodes[1], "FT.ALTER i SCHEMA ADD extra TAG");
    ok(&nodes[2], "FT.ALIASADD l i");
    ok(&nodes[0], "FT.SYNUPDATE i s red scarlet");
    ok(&nodes[1], "FT.DICTADD d one two");
    for node in &nodes {
        let mut c = connect(node);
        assert_eq!(c.ask("FT._LIST"), "*1\r\n+i\r\n");
        assert!(c.ask("FT.INFO i").contains("+num_docs\r\n:0\r\n"));
        assert!(c.ask("FT.INFO l").contains("extra"));
        assert!(c.ask("FT.SYNDUMP i").contains("scarlet"));
        assert_eq!(c.ask("FT.DICTDUMP d"), "*2\r\n$3\r\none\r\n$3\r\ntwo\r\n");
        assert!(c.ask(CREATE).starts_with("-SEARCH_INDEX_EXISTS"));
    }
    let mut c = connect(&nodes[0]);
    c.ask("MULTI");
    c.ask("FT.SEARCH i *");
    assert!(c.ask("EXEC").contains("multi sharded command"));
    ok(&nodes[2], "FT.DROPINDEX i");
    for node in &nodes {
        assert_eq!(connect(node).ask("FT._LIST"), "*0\r\n");
    }
}

/// Asserts that all nodes have these indexes.
fn same_definitions(nodes: &[Node], indexes: &str) {
    wait_until("all to have the same definitions", || {
        nodes
            .iter()
            .all(|node| connect(node).ask("FT._LIST") == indexes)
    });
}

#[test]
fn nodes_that_come_later_get_the_definitions() {
    let mut nodes = three();
    ok(&nodes[0], CREATE);
    ok(&nodes[0], "FT.ALIASADD l i");
    ok(&nodes[0], "FT.DICTADD d one");
    fill(&nodes);
    let late = start();
    meet(&nodes[0], &late);
    nodes.push(late);
    same_definitions(&nodes, "*1\r\n+i\r\n");
    wait_until("the alias and the dictionary", || {
        let mut c = connect(&nodes[3]);
        c.ask("FT.INFO l").starts_with('*') && c.ask("FT.DICTDUMP d").starts_with("*1")
    });
    all_linked(&nodes);
    // A node without slots answers for all nodes.
    let found = connect(&nodes[3]).ask("FT.SEARCH i * LIMIT 0 0");
    assert_eq!(found, format!("*1\r\n:{DOCUMENTS}\r\n"));
    // FLUSHALL on any node deletes the definitions of all nodes.
    ok(&nodes[1], "FLUSHALL");
    same_definitions(&nodes, "*0\r\n");
    ok(&nodes[2], CREATE);
    same_definitions(&nodes, "*1\r\n+i\r\n");
}

#[test]
fn a_node_that_was_away_takes_the_definitions_over() {
    let mut nodes = three();
    ok(&nodes[0], CREATE);
    ok(&nodes[0], "FT.CREATE old SCHEMA a TAG");
    fill(&nodes);
    ok(&nodes[2], "SAVE");
    nodes[2].daemon.terminate();
    let mut c = connect(&nodes[0]);
    wait_until("the shard to be missed", || {
        c.ask("FT.CREATE new SCHEMA a TAG")
            .starts_with("-CLUSTERDOWN")
    });
    assert_eq!(c.ask("FT._LIST"), "*2\r\n+i\r\n+old\r\n");
    nodes[2].daemon.restart();
    all_linked(&nodes);
    wait_until("a new index", || {
        c.ask("FT.CREATE new SCHEMA a TAG") == "+OK\r\n"
    });
    ok(&nodes[1], "FT.DROPINDEX old");
    same_definitions(&nodes, "*2\r\n+i\r\n+new\r\n");
    wait_until("the documents to be read again", || {
        c.ask("FT.SEARCH i * LIMIT 0 0") == format!("*1\r\n:{DOCUMENTS}\r\n")
    });
}

/// A query never replies with a part of the shards.
#[test]
fn a_shard_that_does_not_answer_is_an_error() {
    let nodes = three();
    ok(&nodes[0], CREATE);
    fill(&nodes);
    let mut c = connect(&nodes[0]);
    nodes[2].daemon.signal(rustix::process::Signal::STOP);
    c.reply_limit(std::time::Duration::from_secs(20));
    for line in [
        "FT.SEARCH i *",
        "FT.AGGREGATE i * GROUPBY 1 @g",
        "FT.CREATE j SCHEMA a TAG",
    ] {
        let reply = c.ask(line);
        assert!(reply.starts_with('-'), "{line}: {reply}");
    }
    nodes[2].daemon.signal(rustix::process::Signal::CONT);
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

/// The rights of the user are those of the queried node.
#[test]
fn users_need_to_read_the_prefixes() {
    let nodes = three();
    ok(&nodes[0], CREATE);
    fill(&nodes);
    ok(&nodes[1], "ACL SETUSER some on nopass ~d:* +@all");
    ok(&nodes[1], "ACL SETUSER other on nopass ~e:* +@all");
    let mut c = connect(&nodes[1]);
    c.ask("AUTH some x");
    assert_eq!(
        c.ask("FT.SEARCH i * LIMIT 0 0"),
        format!("*1\r\n:{DOCUMENTS}\r\n")
    );
    c.ask("AUTH other x");
    assert!(c.ask("FT.SEARCH i * LIMIT 0 0").starts_with("-NOPERM"));
    assert!(
        c.ask("FT.CREATE j PREFIX 1 d: SCHEMA a TAG")
            .starts_with("-NOPERM")
    );
}

/// While slots move in a migration, each query finds every document exactly once.
#[test]
fn slots_that_move_count_once() {
    let nodes = three();
    ok(&nodes[0], CREATE);
    fill(&nodes);
    let mut to = connections(&nodes);
    let keys = |reply: String| -> Vec<String> {
        let words = reply.split("\r\n").filter(|word| word.starts_with("d:"));
        let mut keys: Vec<String> = words.map(str::to_owned).collect();
        keys.sort();
        keys
    };
    let mut wanted: Vec<String> = (0..DOCUMENTS).map(|n| format!("d:{n}")).collect();
    wanted.sort();
    // The slots move away and back again.
    for (target, first) in [(1, 0), (2, 0), (0, 0), (2, 6000), (1, 6000)] {
        let order = format!("CLUSTER MIGRATION IMPORT {first} {}", first + 3000);
        wait_until("the move to begin", || {
            to[target].ask(&order).starts_with('$')
        });
        let moves = |key: &&String| (first..first + 3000).contains(&slot_of(key));
        let key = wanted.iter().find(moves).expect("a key that moves");
        let is_there = format!("EXISTS {key}");
        let (mut asked, mut has_moved) = (0, false);
        wait_until("the slots to have moved", || {
            has_moved |= to[target].ask(&is_there) == ":1\r\n";
            asked += u32::from(has_moved);
            for c in &mut to {
                let found = keys(c.ask("FT.SEARCH i * SORTBY n LIMIT 0 1000 NOCONTENT"));
                assert_eq!(found, wanted);
                let count = ask(c, "FT.AGGREGATE i * GROUPBY 0 REDUCE COUNT 0 AS c");
                assert!(count.contains(&format!("\r\n{DOCUMENTS}\r\n")), "{count}");
                let found = keys(ask(c, NEAR));
                assert_eq!(found, wanted);
            }
            asked > 5
        });
    }
}

const NEAR: &str =
    "FT.SEARCH i *=>[KNN~500~@v~$b] PARAMS 2 b $vector DIALECT 2 LIMIT 0 1000 NOCONTENT";
