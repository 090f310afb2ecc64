//! Search indexes of a daemon: queries after a write, files, the log, replication, Redis Stack.

use crate::stack::{follow, moved, stack, survives_in_the_log};
use crate::support::{Connection, Daemon, wait_until};

fn run(c: &mut Connection, line: &str) {
    let reply = c.ask(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

/// An index over hashes, an index over JSON documents, and documents of both types.
fn fill(c: &mut Connection) {
    for line in [
        "FT.CREATE books ON HASH PREFIX 1 book: STOPWORDS 1 nope SCHEMA title TEXT WEIGHT 2 \
         genre TAG SEPARATOR ; year NUMERIC SORTABLE place GEO",
        "FT.CREATE people ON JSON PREFIX 1 person: SCHEMA $.name AS name TEXT $.tags[*] AS tags TAG \
         $.age AS age NUMERIC",
        "FT.ALIASADD shelf books",
        "FT.DICTADD names anna bob",
        "FT.SYNUPDATE books group novel story",
    ] {
        run(c, line);
    }
    change(c, 0, 60);
}

fn change(c: &mut Connection, from: u32, n: u32) {
    for at in from..from + n {
        let title = ["red", "green", "blue"][(at % 3) as usize];
        let genre = ["poem", "novel;story", "play"][(at % 3) as usize];
        run(
            c,
            &format!(
                "HSET book:{at} title {title}-house genre {genre} year {} place {},10",
                1900 + at,
                at % 100
            ),
        );
        run(
            c,
            &format!(
                "JSON.SET person:{at} $ {{\"name\":\"ann{title}\",\"tags\":[\"t{}\"],\"age\":{at}}}",
                at % 5
            ),
        );
        if at % 7 == 0 {
            run(c, &format!("DEL book:{}", at / 2));
        }
    }
}

const QUERIES: [&str; 8] = [
    "FT.SEARCH books green NOCONTENT SORTBY year LIMIT 0 100",
    "FT.SEARCH shelf @genre:{story} NOCONTENT SORTBY year DESC LIMIT 0 100",
    "FT.SEARCH books @year:[1910,1920] SORTBY year RETURN 1 year LIMIT 0 100",
    "FT.SEARCH books @place:[5,10,500,km] NOCONTENT SORTBY year LIMIT 0 100",
    "FT.SEARCH people @tags:{t3} NOCONTENT SORTBY age LIMIT 0 100",
    "FT.SEARCH people annred NOCONTENT SORTBY age LIMIT 0 5",
    "FT.AGGREGATE books * GROUPBY 1 @genre REDUCE COUNT 0 AS n SORTBY 2 @genre ASC",
    "FT.DICTDUMP names",
];

fn wait_for_indexes(c: &mut Connection) {
    for index in ["books", "people"] {
        wait_until("the index to read all", || {
            c.ask(&format!("FT.INFO {index}"))
                .contains("percent_indexed\r\n$1\r\n1\r\n")
        });
    }
}

fn answers(c: &mut Connection) -> Vec<String> {
    wait_for_indexes(c);
    QUERIES.iter().map(|query| c.ask(query)).collect()
}

#[test]
fn a_write_is_seen_by_the_next_command() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i PREFIX 1 h: SCHEMA t TEXT n NUMERIC");
    let count = |c: &mut Connection, query: &str| c.ask(&format!("FT.SEARCH i {query} NOCONTENT"));
    run(&mut c, "HSET h:1 t hello n 1");
    assert_eq!(count(&mut c, "hello"), "*2\r\n:1\r\n$3\r\nh:1\r\n");
    run(&mut c, "HSET other t hello");
    run(&mut c, "RENAME h:1 h:2");
    assert_eq!(count(&mut c, "hello"), "*2\r\n:1\r\n$3\r\nh:2\r\n");
    run(&mut c, "HINCRBY h:2 n 4");
    assert_eq!(count(&mut c, "@n:[5,5]"), "*2\r\n:1\r\n$3\r\nh:2\r\n");
    run(&mut c, "COPY h:2 h:3");
    assert!(count(&mut c, "hello").starts_with("*3\r\n:2\r\n"));
    run(&mut c, "SET h:3 text");
    assert_eq!(count(&mut c, "hello"), "*2\r\n:1\r\n$3\r\nh:2\r\n");
    run(&mut c, "MOVE h:2 1");
    assert_eq!(count(&mut c, "hello"), "*1\r\n:0\r\n");
    run(&mut c, "HSET h:4 t hello");
    run(&mut c, "HPEXPIRE h:4 1 FIELDS 1 t");
    wait_until("the field to expire", || {
        count(&mut c, "hello") == "*1\r\n:0\r\n"
    });
    run(&mut c, "HSET h:5 t hello");
    run(&mut c, "PEXPIRE h:5 1");
    wait_until("the key to expire", || {
        count(&mut c, "hello") == "*1\r\n:0\r\n"
    });
    for line in ["MULTI", "HSET h:6 t inside", "FT.SEARCH i inside NOCONTENT"] {
        run(&mut c, line);
    }
    assert!(c.ask("EXEC").ends_with("*2\r\n:1\r\n$3\r\nh:6\r\n"));
    let script = "redis.call('hset', KEYS[1], 't', 'scripted') \
                  return redis.call('ft.search', 'i', 'scripted', 'NOCONTENT')";
    let reply = c.call(&["EVAL", script, "1", "h:7"]);
    assert_eq!(reply, b"*2\r\n:1\r\n$3\r\nh:7\r\n");
    run(&mut c, "SWAPDB 0 1");
    wait_until("the swapped keys", || {
        count(&mut c, "hello") == "*2\r\n:1\r\n$3\r\nh:2\r\n"
    });
    run(&mut c, "FLUSHALL");
    assert!(
        c.ask("FT.SEARCH i hello")
            .starts_with("-SEARCH_INDEX_NOT_FOUND")
    );
}

#[test]
fn keys_that_are_there_are_read_in_slices() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    change(&mut c, 0, 2000);
    fill(&mut c);
    wait_for_indexes(&mut c);
    run(&mut c, "FT.CREATE all SCHEMA year NUMERIC");
    wait_until("the index to read all", || {
        c.ask("FT.INFO all")
            .contains("percent_indexed\r\n$1\r\n1\r\n")
    });
    let hashes = c.ask("FT.SEARCH all * LIMIT 0 0");
    let books = c.ask("FT.SEARCH books * LIMIT 0 0");
    assert_eq!(hashes, books);
    run(&mut c, "FT.ALTER books SCHEMA ADD title AS name TAG");
    wait_for_indexes(&mut c);
    assert_eq!(
        c.ask("FT.SEARCH books @name:{blue\\-house} LIMIT 0 0"),
        c.ask("FT.SEARCH books blue LIMIT 0 0")
    );
}

#[test]
fn indexes_outlive_a_crash_in_the_log() {
    survives_in_the_log(fill, |c| change(c, 60, 40), answers);
}

#[test]
fn indexes_go_to_a_redis_stack_and_back() {
    let Some(_) = stack(None) else { return };
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c);
    let expected = answers(&mut c);
    let (there, mut c) = moved(&server, true);
    assert_eq!(answers(&mut c), expected);
    let (_back, mut c) = moved(&there, false);
    assert_eq!(answers(&mut c), expected);
}

#[test]
fn replicas_of_both_kinds_have_the_indexes() {
    let Some(stacked) = stack(None) else { return };
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c);
    let own = Daemon::start(&[]);
    for replica in [&own, &stacked] {
        let mut r = follow(replica, &server);
        assert_eq!(answers(&mut r), answers(&mut c));
    }
    change(&mut c, 60, 30);
    run(&mut c, "FT.ALTER books SCHEMA ADD year AS y NUMERIC");
    run(&mut c, "FT.ALIASUPDATE shelf people");
    run(&mut c, "FT.ALIASUPDATE shelf books");
    let expected = answers(&mut c);
    for replica in [&own, &stacked] {
        let mut r = replica.connect();
        wait_until("the replica to have all", || answers(&mut r) == expected);
    }
    run(&mut c, "FT.DROPINDEX people DD");
    for replica in [&own, &stacked] {
        let mut r = replica.connect();
        wait_until("the documents to go", || {
            r.ask("FT._LIST") == "*1\r\n+books\r\n" && r.ask("EXISTS person:1") == ":0\r\n"
        });
    }
}

/// A user needs the right to read all keys of an index.
#[test]
fn users_ask_the_indexes_whose_keys_they_may_read() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c);
    run(&mut c, "ACL SETUSER some on nopass %R~book:* +@all");
    let mut some = server.connect();
    run(&mut some, "AUTH some x");
    assert!(
        some.ask("FT.SEARCH books red LIMIT 0 0")
            .starts_with("*1\r\n")
    );
    for line in [
        "FT.SEARCH people annred",
        "FT.AGGREGATE people *",
        "FT.INFO people",
        "FT.DROPINDEX people",
        "FT.CREATE other SCHEMA t TEXT",
    ] {
        assert!(some.ask(line).starts_with("-NOPERM"), "{line}");
    }
    assert!(c.ask("MODULE LIST").contains("search"));
}

/// FT.EXPLAIN with ANALYZE adds figures to the same lines; its times depend on the clock.
#[test]
fn explanations_show_what_parts_of_a_query_found() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i SCHEMA t TEXT NOSTEM n NUMERIC g TAG");
    for at in 0..6 {
        let word = ["red", "blue"][at % 2];
        run(&mut c, &format!("HSET d{at} t {word} n {at} g a"));
    }
    // The part of each line before the time.
    let mut lines = |line: &str| -> Vec<String> {
        let reply = c.ask(line);
        let lines = reply.lines().filter(|line| !line.starts_with(['$', '*']));
        let lines = lines.filter(|line| !line.is_empty());
        let untimed = |line: &str| line.split(", us ").next().unwrap_or(line).to_owned();
        lines.map(untimed).collect()
    };
    let options = "ANALYZE VERBATIM DIALECT 2";
    let shown = lines(&format!("FT.EXPLAIN i red|@g:{{a}} {options}"));
    assert_eq!(
        shown,
        [
            "UNION { [documents 6, steps 6",
            "  red [documents 3, steps 3",
            "  TAG:@g { [documents 6, steps 6",
            "    a [documents 6, steps 6",
            "  }",
            "}",
        ]
    );
    let by_lines = lines(&format!("FT.EXPLAINCLI i red|@g:{{a}} {options}"));
    let by_lines = by_lines.iter().map(|line| line.trim_start_matches('+'));
    assert!(by_lines.filter(|line| !line.is_empty()).eq(&shown));
    for (line, beginning) in [
        (
            "FT.EXPLAIN i none ANALYZE VERBATIM",
            "none [documents 0, steps 0",
        ),
        ("FT.EXPLAIN i red ANALYZE FOO", "-"),
        ("FT.EXPLAIN i red FOO ANALYZE", "-"),
        ("FT.EXPLAIN none red ANALYZE", "-"),
        // Without ANALYZE the reply has no counts.
        ("FT.EXPLAIN i red VERBATIM", "red"),
    ] {
        let shown = lines(line);
        assert!(shown[0].starts_with(beginning), "{line}: {shown:?}");
    }
    assert_eq!(lines("FT.EXPLAIN i red VERBATIM"), ["red"]);
}

/// The words of a profile, whose figures depend on the clock and the engine.
#[test]
fn profiles_show_the_parts_of_a_query_and_their_reads() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i SCHEMA t TEXT n NUMERIC g TAG");
    for at in 0..6 {
        run(
            &mut c,
            &format!("HSET d{at} t hello-world{} n {at} g a", at % 3),
        );
    }
    let profile = c.ask("FT.PROFILE i SEARCH QUERY hel*|@n:[1,3] NOCONTENT LIMIT 0 1");
    assert!(
        profile.starts_with("*2\r\n*2\r\n:6\r\n$2\r\nd0\r\n*4\r\n+Shards\r\n*1\r\n"),
        "{profile}"
    );
    for part in [
        "+Warning\r\n*1\r\n+None\r\n+Iterators profile\r\n*10\r\n+Type\r\n+UNION\r\n",
        "+Query type\r\n+PREFIX - hel\r\n",
        "+Type\r\n+TEXT\r\n+Term\r\n+hello\r\n",
        "+Type\r\n+NUMERIC\r\n+Term\r\n+1 - 3\r\n",
        "+Number of reading operations\r\n:6\r\n+Estimated number of matches\r\n:6\r\n",
        "+Type\r\n+Sorter\r\n",
        "+Results processed\r\n:1\r\n+Coordinator\r\n*0\r\n",
    ] {
        assert!(profile.contains(part), "{part} {profile}");
    }
    let limited = c.ask("FT.PROFILE i SEARCH LIMITED QUERY hel* NOCONTENT");
    assert!(
        limited.contains("+The number of iterators in the union is 1\r\n"),
        "{limited}"
    );
    c.ask("HELLO 3");
    let map = c.ask("FT.PROFILE i AGGREGATE QUERY * LOAD 1 @t APPLY upper(@t) AS u GROUPBY 1 @u");
    for part in [
        "%2\r\n+Results\r\n%5\r\n",
        "+Profile\r\n%2\r\n+Shards\r\n*1\r\n%7\r\n+Total profile time\r\n,",
        "+Iterators profile\r\n%3\r\n+Type\r\n+WILDCARD\r\n",
        "+Type\r\n+Projector - Function upper\r\n",
        "+Type\r\n+Grouper\r\n",
        "+Coordinator\r\n%0\r\n",
    ] {
        assert!(map.contains(part), "{part} {map}");
    }
    for (line, error) in [
        (
            "FT.PROFILE i FOO QUERY hello",
            "-No `SEARCH`, `AGGREGATE`, or `HYBRID` provided\r\n",
        ),
        (
            "FT.PROFILE none SEARCH QUERY hello",
            "-SEARCH_INDEX_NOT_FOUND Index not found: none\r\n",
        ),
    ] {
        assert_eq!(c.ask(line), error);
    }
}

/// As in RediSearch 8.10: each side is a part of the shard, and the stages after both sides belong
/// to the coordinator.
#[test]
fn profiles_of_hybrid_show_both_sides_and_the_merger() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(
        &mut c,
        "FT.CREATE i SCHEMA t TEXT v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2",
    );
    for (key, text, vector) in [
        ("1", "hello world", "bababaca"),
        ("2", "help space", "babababa"),
        ("3", "world space", "aabbaabb"),
        ("4", "other text", "bbaabbaa"),
    ] {
        c.call(&["HSET", key, "t", text, "v", vector]);
    }
    run(&mut c, "CONFIG SET search-_print-profile-clock no");
    let asked = "FT.PROFILE i HYBRID QUERY SEARCH hello VSIM @v $b PARAMS 2 b aaaaaaaa";
    let profile = c.ask(asked);
    let step = |name: &str, rows: u32| {
        format!("*4\r\n+Type\r\n+{name}\r\n+Results processed\r\n:{rows}\r\n")
    };
    let text = [
        "+SEARCH\r\n*6\r\n+Warning\r\n*1\r\n+None\r\n+Iterators profile\r\n*8\r\n+Type\r\n+TEXT\r\n",
        "+Term\r\n+hello\r\n+Number of reading operations\r\n:1\r\n",
        "+Estimated number of matches\r\n:1\r\n+Result processors profile\r\n*4\r\n",
        &step("Index", 1),
        &step("Scorer", 1),
        &step("Sorter", 1),
        &step("Loader", 1),
    ]
    .concat();
    let vectors = [
        "+VSIM\r\n*6\r\n+Warning\r\n*1\r\n+None\r\n+Iterators profile\r\n*6\r\n+Type\r\n+VECTOR\r\n",
        "+Number of reading operations\r\n:4\r\n+Vector search mode\r\n+STANDARD_KNN\r\n",
        "+Result processors profile\r\n*4\r\n",
        &step("Index", 4),
        &step("Metrics Applier", 4),
        &step("Vector Normalizer", 4),
        &step("Loader", 4),
    ]
    .concat();
    let head = "+Coordinator\r\n*4\r\n+Warning\r\n*1\r\n+None\r\n+Result processors profile\r\n";
    let after = format!(
        "{head}*2\r\n{}{}",
        step("Hybrid Merger", 4),
        step("Sorter", 4)
    );
    assert!(
        profile.starts_with("*9\r\n+total_results\r\n:4\r\n"),
        "{profile}"
    );
    let shards = format!("*4\r\n+Shards\r\n*1\r\n*4\r\n{text}{vectors}{after}");
    assert!(profile.ends_with(&shards), "{profile}\n{shards}");
    let limited = c.ask(&format!("{asked} LIMIT 0 2"));
    assert!(limited.ends_with(&step("Sorter", 2)), "{limited}");
    let grouped = c.ask(&format!("{asked} GROUPBY 1 @t REDUCE COUNT 0 AS n"));
    let steps = ["Hybrid Merger", "Loader", "Grouper", "Sorter"].map(|name| step(name, 4));
    assert!(
        grouped.ends_with(&format!("{head}*4\r\n{}", steps.concat())),
        "{grouped}"
    );
    run(&mut c, "FT.CONFIG SET _PRINT_PROFILE_CLOCK true");
    c.ask("HELLO 3");
    let map = c.ask(asked);
    for part in [
        "%5\r\n+total_results\r\n",
        "+Profile\r\n%2\r\n+Shards\r\n*1\r\n%2\r\n+SEARCH\r\n%7\r\n+Total profile time\r\n,",
        "+Coordinator\r\n%6\r\n+Total profile time\r\n,",
    ] {
        assert!(map.contains(part), "{part} {map}");
    }
    for (line, error) in [
        (
            "FT.PROFILE i HYBRID SEARCH hello VSIM @v $b",
            "-The QUERY keyword is expected",
        ),
        (
            "FT.PROFILE i HYBRID QUERY VSIM @v $b PARAMS 2 b aaaaaaaa",
            "-SEARCH_SYNTAX Invalid subqueries count: expected an unsigned integer",
        ),
    ] {
        assert_eq!(c.ask(line), format!("{error}\r\n"));
    }
}

/// The effects of directives on queries.
#[test]
fn settings_of_indexes_bound_what_queries_reply() {
    let server = Daemon::start(&["--search-multi-text-slop", "7"]);
    let mut c = server.connect();
    run(
        &mut c,
        "FT.CREATE i SCHEMA t TEXT PHONETIC dm:en n NUMERIC SORTABLE",
    );
    for at in 0..30 {
        run(&mut c, &format!("HSET d{at} n {at} t word"));
    }
    let total = |reply: String| reply.lines().nth(1).unwrap_or_default().to_owned();
    assert_eq!(total(c.ask("FT.AGGREGATE i * WITHCOUNT LIMIT 0 2")), ":30");
    assert_eq!(total(c.ask("FT.AGGREGATE i * LIMIT 0 2")), ":1");
    run(&mut c, "CONFIG SET search-max-aggregate-results 5");
    let all = c.ask("FT.AGGREGATE i * WITHCOUNT LOAD 1 @n");
    assert!(all.starts_with("*6\r\n:30\r\n"), "{all}");
    run(&mut c, "CONFIG SET search-max-aggregate-results 2147483648");

    run(&mut c, "FT.CONFIG SET MAX_AGGREGATE_GROUPS 29");
    let refused = c.ask("FT.AGGREGATE i * GROUPBY 1 @n");
    assert!(
        refused.starts_with("-SEARCH_LIMIT_OVER GROUPBY"),
        "{refused}"
    );
    run(&mut c, "CONFIG SET search-max-aggregate-groups 30");
    assert_eq!(total(c.ask("FT.AGGREGATE i * GROUPBY 1 @n")), ":30");

    run(&mut c, "CONFIG SET search-cursor-read-size 4");
    let read = c.ask("FT.AGGREGATE i * WITHCURSOR");
    assert!(read.starts_with("*2\r\n*5\r\n"), "{read}");

    // Shorter words have no sound.
    assert_eq!(total(c.ask("FT.SEARCH i wurd NOCONTENT LIMIT 0 0")), ":30");
    run(&mut c, "CONFIG SET search-min-phonetic-term-len 5");
    run(&mut c, "FT.CREATE j SCHEMA t TEXT PHONETIC dm:en");
    wait_until("the index to read all", || {
        c.ask("FT.INFO j")
            .contains("percent_indexed\r\n$1\r\n1\r\n")
    });
    assert_eq!(total(c.ask("FT.SEARCH j word NOCONTENT LIMIT 0 0")), ":30");
    assert_eq!(total(c.ask("FT.SEARCH j wurd NOCONTENT LIMIT 0 0")), ":0");

    // The setting gives the distance between the words of two texts of a field.
    run(
        &mut c,
        "FT.CREATE k ON JSON PREFIX 1 k: SCHEMA $.t AS t TEXT",
    );
    run(&mut c, "JSON.SET k:1 $ {\"t\":[\"alpha\",\"beta\"]}");
    for (slop, found) in [("5", ":0"), ("6", ":1")] {
        let near = [
            "FT.SEARCH",
            "k",
            "@t:(alpha beta)",
            "SLOP",
            slop,
            "LIMIT",
            "0",
            "0",
        ];
        let reply = String::from_utf8_lossy(&c.call(&near)).into_owned();
        assert_eq!(total(reply), found, "{slop}");
    }
    assert!(
        c.ask("CONFIG SET search-multi-text-slop 9")
            .starts_with("-ERR CONFIG SET failed")
    );
    assert_eq!(
        c.ask("FT.CONFIG SET MULTI_TEXT_SLOP 9"),
        "-SEARCH_PARSE_ARGS Not modifiable at runtime\r\n"
    );
}

/// A phrase that ends in a prefix: Redis has no such query.
#[test]
fn a_phrase_may_end_with_the_beginning_of_a_word() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i SCHEMA t TEXT");
    for (key, text) in [
        ("1", "hello world"),
        ("2", "hello worm"),
        ("3", "hello big world"),
        ("4", "world hello"),
    ] {
        c.call(&["HSET", key, "t", text]);
    }
    let mut ask = |query: &str| {
        let line = ["FT.SEARCH", "i", query, "NOCONTENT", "DIALECT", "2"];
        String::from_utf8_lossy(&c.call(&line)).into_owned()
    };
    assert_eq!(ask("\"hello wor\"*"), "*3\r\n:2\r\n$1\r\n2\r\n$1\r\n1\r\n");
    assert_eq!(ask("@t:\"hello worl\"*"), "*2\r\n:1\r\n$1\r\n1\r\n");
    assert!(ask("\"hel\"*").starts_with("*5\r\n:4\r\n"));
    assert!(ask("\"hello wor\" *").starts_with("-SEARCH_SYNTAX"));
}

/// Regression: redisvl looks for Redis's name in the reply, and used no index that it had made.
#[test]
fn the_compression_of_svs_vamana_has_a_name_that_clients_know() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for (index, parameters, shown) in [
        (
            "plain",
            "6",
            "+compression\r\n+NO_COMPRESSION\r\n+search_window_size",
        ),
        (
            "lvq",
            "8 COMPRESSION LVQ4x4",
            "+compression\r\n+GlobalSQ8\r\n+training_threshold\r\n:10240\r\n",
        ),
        (
            "lean",
            "10 COMPRESSION LeanVec8x8 TRAINING_THRESHOLD 2048",
            "+compression\r\n+GlobalSQ8\r\n+training_threshold\r\n:2048\r\n",
        ),
    ] {
        run(
            &mut c,
            &format!(
                "FT.CREATE {index} SCHEMA v VECTOR SVS-VAMANA {parameters} TYPE FLOAT32 DIM 4 \
                 DISTANCE_METRIC L2"
            ),
        );
        let info = c.ask(&format!("FT.INFO {index}"));
        assert!(info.contains(shown), "{index}: {info}");
    }
}

#[test]
fn refused_documents_are_listed_until_they_are_right() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i SCHEMA n NUMERIC loc AS place GEO");
    run(&mut c, "HSET a n 1");
    run(&mut c, "HSET b n bad");
    run(&mut c, "HSET d n 1 loc nowhere");
    run(&mut c, "HSET e n worse");
    let entry = |key: &str, field: &str, error: &str| {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let (key, field, error) = (bulk(key), bulk(field), bulk(error));
        format!("*6\r\n+key\r\n{key}+attribute\r\n{field}+error\r\n{error}")
    };
    let head = |failures: u32, documents: u32| {
        format!("*4\r\n+indexing failures\r\n:{failures}\r\n+documents\r\n*{documents}\r\n")
    };
    let (b, d, e) = (
        entry("b", "n", "Invalid numeric value: 'bad'"),
        entry("d", "place", "Invalid geo string"),
        entry("e", "n", "Invalid numeric value: 'worse'"),
    );
    assert_eq!(c.ask("FT.ERRORS i"), format!("{}{b}{d}{e}", head(3, 3)));
    run(&mut c, "HSET b n 2");
    run(&mut c, "DEL e");
    assert_eq!(c.ask("FT.ERRORS i"), format!("{}{d}", head(3, 1)));
    assert_eq!(
        c.ask("FT.ERRORS none"),
        "-SEARCH_INDEX_NOT_FOUND Index not found: none\r\n"
    );
}

/// As in Redis Stack 7.4: several values are shown as an array, and the first value is computed,
/// sorted and grouped.
#[test]
fn several_values_of_json_count_as_their_first_one() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(
        &mut c,
        "FT.CREATE j ON JSON SCHEMA $.n[*] AS n NUMERIC $.g[*] AS g TAG $.s AS s NUMERIC SORTABLE",
    );
    for (key, document) in [
        ("1", r#"{"n":[1,2],"g":["x","y"],"s":5}"#),
        ("2", r#"{"n":[3],"g":["x"],"s":null}"#),
        ("3", r#"{"n":[],"g":["y","x"],"s":7}"#),
    ] {
        c.call(&["JSON.SET", key, "$", document]);
    }
    let row = |fields: &[&str]| {
        let bulks = fields
            .iter()
            .map(|text| format!("${}\r\n{text}\r\n", text.len()));
        format!("*{}\r\n{}", fields.len(), bulks.collect::<String>())
    };
    let mut ask = |line: &str| c.ask(&format!("FT.AGGREGATE j * {line}"));
    let reduced = "GROUPBY 0 REDUCE SUM 1 @n AS s REDUCE MAX 1 @n AS m DIALECT 4";
    assert_eq!(
        ask(reduced),
        format!("*2\r\n:1\r\n{}", row(&["s", "4", "m", "3"]))
    );
    assert_eq!(
        ask("GROUPBY 1 @g REDUCE COUNT 0 AS c SORTBY 2 @c DESC DIALECT 4"),
        format!(
            "*3\r\n:2\r\n{}{}",
            row(&["g", r#"["x","y"]"#, "c", "2"]),
            row(&["g", r#"["y","x"]"#, "c", "1"])
        )
    );
    assert_eq!(
        ask("LOAD 1 @n FILTER exists(@n) APPLY @n+1 AS m SORTBY 2 @n DESC DIALECT 4"),
        format!(
            "*3\r\n:2\r\n{}{}",
            row(&["n", "[3]", "m", "4"]),
            row(&["n", "[1,2]", "m", "2"])
        )
    );
    // The reply shows a null of a SORTABLE field, and sorts it before all other values.
    assert_eq!(
        ask("LOAD 1 @s SORTBY 1 @s"),
        format!(
            "*4\r\n:3\r\n*2\r\n$1\r\ns\r\n$-1\r\n{}{}",
            row(&["s", "5"]),
            row(&["s", "7"])
        )
    );
}

/// While memory is short a query replies nothing and a warning, or an error, or runs as usual.
#[test]
fn queries_reply_as_the_setting_says_while_memory_is_short() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i SCHEMA t TEXT");
    run(&mut c, "HSET d t hello");
    run(&mut c, "CONFIG SET maxmemory 1000");
    assert_eq!(c.ask("FT.SEARCH i hello NOCONTENT"), "*1\r\n:0\r\n");
    c.ask("HELLO 3");
    let warned = c.ask("FT.AGGREGATE i *");
    let warning = "*1\r\n+Shard failed to execute the query due to insufficient memory\r\n";
    assert!(warned.ends_with(warning), "{warned}");
    run(&mut c, "CONFIG SET search-on-oom fail");
    assert_eq!(
        c.ask("FT.SEARCH i hello"),
        "-SEARCH_OOM Not enough memory available to execute the query\r\n"
    );
    run(&mut c, "CONFIG SET search-on-oom ignore");
    assert!(
        c.ask("FT.SEARCH i hello")
            .contains("total_results\r\n:1\r\n")
    );
}

/// The replies of Redis Stack 7.4 to the commands of RediSearch 1.
#[test]
fn the_older_commands_are_answered() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i SCHEMA t TEXT n NUMERIC");
    for (line, reply) in [
        ("FT.ADD i d1 1.0 FIELDS t hello n 5", "+OK"),
        ("FT.ADD i d1 1.0 FIELDS t again", "-Document already exists"),
        ("FT.ADD i d1 1.0 REPLACE FIELDS t again", "+OK"),
        ("HGETALL d1", "*2\r\n$1\r\nt\r\n$5\r\nagain"),
        ("FT.ADD i d1 0.5 REPLACE PARTIAL FIELDS n 7", "+OK"),
        ("HGET d1 __score", "$3\r\n0.5"),
        ("FT.ADD i d1 0.5 REPLACE IF @n>100 FIELDS t x", "+NOADD"),
        (
            "FT.ADD i d2 0.5 REPLACE NOCREATE FIELDS t x",
            "-Document does not exist",
        ),
        (
            "FT.ADD i d2 2 FIELDS t x",
            "-SEARCH_ADD_ARGS Score must be between 0 and 1",
        ),
        (
            "FT.ADD i d2 1 FIELDS t",
            "-SEARCH_ADD_ARGS Fields must be specified in FIELD VALUE pairs",
        ),
        (
            "FT.GET i d1",
            "*4\r\n$1\r\nt\r\n$5\r\nagain\r\n$1\r\nn\r\n$1\r\n7",
        ),
        ("FT.GET i none", "$-1"),
        (
            "FT.MGET i none d1",
            "*2\r\n$-1\r\n*4\r\n$1\r\nt\r\n$5\r\nagain\r\n$1\r\nn\r\n$1\r\n7",
        ),
        ("_FT.DEBUG DUMP_TERMS i", "*1\r\n$5\r\nagain"),
        ("FT.DEBUG DUMP_INVIDX i again", "*1\r\n:1"),
        ("FT.DEBUG DUMP_NUMIDX i n", "*1\r\n*1\r\n:1"),
        ("FT.DEBUG DOCIDTOID i d1", ":1"),
        ("FT.DEBUG GC_FORCEINVOKE i", "+DONE"),
        ("FT.DEBUG TTL i", "-Index is not temporary"),
        ("FT.DEL i d1", ":1"),
        ("EXISTS d1", ":0"),
        ("FT.DEL i d1", ":0"),
        ("FT.SYNADD i a b", "-No longer suppoted, use FT.SYNUPDATE"),
    ] {
        assert_eq!(c.ask(line), format!("{reply}\r\n"), "{line}");
    }
    assert!(
        c.ask("INFO search")
            .contains("search_number_of_indexes:1\r\n")
    );
    assert!(!c.ask("INFO").contains("search_number_of_indexes"));
}

/// FT.ADD sets the fields for score, language and payload in the index definition. They apply to
/// documents written from then on: at replicas, in the log, and as in Redis Stack 7.4.
#[test]
fn scores_languages_and_payloads_of_ft_add_count() {
    const SEEN: [&str; 4] = [
        "FT.SEARCH i hund LANGUAGE german WITHSCORES WITHPAYLOADS SCORER DOCSCORE",
        "FT.SEARCH i * WITHSCORES SCORER DOCSCORE NOCONTENT",
        "FT.SEARCH other * WITHSCORES SCORER DOCSCORE NOCONTENT",
        "HGETALL d1",
    ];
    let seen = |c: &mut Connection| {
        for index in ["i", "other"] {
            wait_until("the index to read all", || {
                c.ask(&format!("FT.INFO {index}"))
                    .contains("percent_indexed\r\n$1\r\n1\r\n")
            });
        }
        let mut all: Vec<String> = SEEN.iter().map(|line| c.ask(line)).collect();
        let info = c.ask("FT.INFO i");
        let fields = ["language_field", "score_field", "payload_field"];
        all.extend(fields.iter().map(|name| info.contains(name).to_string()));
        all
    };
    let fill = |c: &mut Connection| {
        run(c, "FT.CREATE i PREFIX 1 d SCHEMA t TEXT");
        run(c, "FT.CREATE other PREFIX 1 d SCHEMA t TEXT");
        run(
            c,
            "FT.ADD i d1 0.5 LANGUAGE german PAYLOAD p FIELDS t hunde",
        );
    };
    let change = |c: &mut Connection| {
        run(c, "HSET d2 t hunde __score 0.25 __language german");
        run(c, "FT.ADD i d3 1 REPLACE PARTIAL FIELDS t hunde");
        run(c, "FT.ADD i d3 0.125 REPLACE FIELDS t hunde");
    };
    survives_in_the_log(fill, change, seen);
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let replica = Daemon::start(&[]);
    let mut r = follow(&replica, &server);
    fill(&mut c);
    change(&mut c);
    let expected = seen(&mut c);
    assert_eq!(expected[4..], ["true", "true", "true"]);
    wait_until("the replica to have all", || seen(&mut r) == expected);
    let Some(stacked) = stack(None) else { return };
    let mut theirs = stacked.connect();
    fill(&mut theirs);
    change(&mut theirs);
    assert_eq!(seen(&mut theirs), expected);
}

/// Replies as in Redis Stack 7.4, except for the texts of errors.
#[test]
fn misspelled_words_are_found_with_terms_near_to_them() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE i SCHEMA t TEXT u TEXT");
    for (key, field, text) in [
        ("d0", "t", "hello"),
        ("d1", "t", "help"),
        ("d2", "t", "hello"),
        ("d3", "u", "hullo"),
    ] {
        run(&mut c, &format!("HSET {key} {field} {text}"));
    }
    run(&mut c, "FT.DICTADD d Helo heloo hello");
    let near = "*2\r\n$3\r\n0.5\r\n$5\r\nhello\r\n*2\r\n$4\r\n0.25\r\n$4\r\nhelp\r\n";
    for (query, reply) in [
        (
            "helo",
            format!("*1\r\n*3\r\n+TERM\r\n$4\r\nhelo\r\n*2\r\n{near}"),
        ),
        ("hello", "*0\r\n".to_owned()),
        (
            "@u:helo",
            "*1\r\n*3\r\n+TERM\r\n$4\r\nhelo\r\n*0\r\n".to_owned(),
        ),
        (
            "helo TERMS INCLUDE d",
            format!(
                "*1\r\n*3\r\n+TERM\r\n$4\r\nhelo\r\n*4\r\n{near}*2\r\n$1\r\n0\r\n$4\r\nHelo\r\n\
                 *2\r\n$1\r\n0\r\n$5\r\nheloo\r\n"
            ),
        ),
        ("helo TERMS EXCLUDE d", "*0\r\n".to_owned()),
        (
            "helo TERMS INCLUDE none",
            "-Dict does not exist: none\r\n".to_owned(),
        ),
        (
            "helo DISTANCE 5",
            "-bad distance given, distance must be a natural number between 1 to 4\r\n".to_owned(),
        ),
    ] {
        assert_eq!(c.ask(&format!("FT.SPELLCHECK i {query}")), reply, "{query}");
    }
}

/// The server looks up grouped documents ahead, 16 at a time: packed hashes, tables and records,
/// with missing or expired fields, and JSON.
#[test]
fn groups_of_loaded_fields_are_those_of_all_documents() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    run(&mut c, "FT.CREATE h PREFIX 1 h: SCHEMA n NUMERIC g TAG");
    run(
        &mut c,
        "FT.CREATE j ON JSON PREFIX 1 j: SCHEMA $.n AS n NUMERIC $.g AS g TAG",
    );
    let long = "w".repeat(100);
    for n in 0..200 {
        let group = ["Red", "blue", "7", "07"][n % 4];
        // Long values turn hashes into tables.
        let more = if n % 3 == 0 { &long } else { "" };
        run(
            &mut c,
            &format!("HSET h:{n} n {n} g {group} t x{more} p {}", n % 5),
        );
        run(
            &mut c,
            &format!(
                r#"JSON.SET j:{n} $ {{"n":{n},"g":"{group}","p":{}}}"#,
                n % 5
            ),
        );
    }
    // The documents 0, 4, 8 ... of the group Red: some of these lose the field, and some are
    // deleted.
    run(&mut c, "HDEL h:4 g");
    run(&mut c, "HPEXPIRE h:8 1 FIELDS 1 g");
    run(&mut c, "DEL h:12 j:12");
    run(&mut c, "JSON.DEL j:4 $.g");
    run(&mut c, "JSON.DEL j:8 $.g");
    wait_until("the field to expire", || c.ask("HEXISTS h:8 g") == ":0\r\n");
    for index in ["h", "j"] {
        let groups = c.ask(&format!(
            "FT.AGGREGATE {index} * GROUPBY 1 @g REDUCE COUNT 0 AS c REDUCE SUM 1 @n AS s SORTBY 2 @g ASC"
        ));
        let texts: Vec<&str> = groups
            .split("\r\n")
            .filter(|word| !word.starts_with(['*', '$', ':']))
            .collect();
        let sum = |rest: u32| (0..200).filter(|n| n % 4 == rest).sum::<u32>().to_string();
        let red = (sum(0).parse::<u32>().expect("a number") - 24).to_string();
        let (blue, seven, zero_seven) = (sum(1), sum(2), sum(3));
        let wanted = [
            "g",
            "c",
            "2",
            "s",
            "12",
            "g",
            "07",
            "c",
            "50",
            "s",
            &zero_seven,
            "g",
            "7",
            "c",
            "50",
            "s",
            &seven,
            "g",
            "Red",
            "c",
            "47",
            "s",
            &red,
            "g",
            "blue",
            "c",
            "50",
            "s",
            &blue,
            "",
        ];
        assert_eq!(texts, wanted, "{groups}");
    }
    // A property outside the schema, and two properties at once.
    let groups = c.ask(
        "FT.AGGREGATE h * LOAD 2 @p @g GROUPBY 2 @p @g REDUCE COUNT 0 AS c SORTBY 4 @p ASC @g ASC MAX 50",
    );
    assert!(groups.starts_with("*23\r\n:22\r\n"), "{groups}");
    assert!(
        groups.contains("$1\r\np\r\n$1\r\n3\r\n$1\r\ng\r\n$1\r\n7\r\n$1\r\nc\r\n$2\r\n10\r\n"),
        "{groups}"
    );
}
