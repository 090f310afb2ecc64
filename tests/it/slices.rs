//! Single commands that take long: the server answers other clients at the same time, and SCRIPT
//! KILL ends a script that runs such a command.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};

/// A regular expression that takes long with a text of these bytes and does not match it.
const EXPRESSION: &str = "((a|b)*a(a|b){120}){10}c";
const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";

/// Bytes a and b in random order, and a c too early for a match.
fn text(len: usize) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut text: Vec<u8> = (0..len).map(|_| rng.random_range(b'a'..=b'b')).collect();
    // Each match ends with a c, so without it the test would be over at once.
    text[100] = b'c';
    text
}

/// An array `a` whose value 5 takes long; the other values are short.
fn fill_array(c: &mut Connection) {
    c.send(&command(&["ARMSET", "a", "1", "one", "9", "nine"]));
    assert_eq!(c.reply(), b":2\r\n");
    c.send(&command(&[&b"ARSET"[..], b"a", b"5", &text(20_000)]));
    assert_eq!(c.reply(), b":1\r\n");
}

const SEARCH: [&str; 11] = [
    "ARGREP",
    "a",
    "-",
    "+",
    "RE",
    EXPRESSION,
    "MATCH",
    "one",
    "MATCH",
    "nine",
    "WITHVALUES",
];

#[test]
fn others_are_served_while_an_expression_is_matched() {
    for threads in ["1", "0"] {
        let server = Daemon::start(&["--task-threads", threads]);
        let mut c = server.connect();
        fill_array(&mut c);
        let mut searcher = server.connect();
        searcher.send(&command(&SEARCH));
        wait_until("the search to leave the loop", || {
            server.info("blocked_clients").as_deref() == Some("1")
        });
        assert_eq!(c.ask("PING"), "+PONG\r\n");
        // The search tests the values that it has copied to the end, and does not find a deleted
        // value.
        assert_eq!(c.ask("ARDEL a 9"), ":1\r\n");
        searcher.send(&command(&["PING"]));
        let mut one_less = server.connect();
        one_less.send(&command(&SEARCH));
        wait_until("both to be blocked", || {
            server.info("blocked_clients").as_deref() == Some("2")
        });
        drop(one_less);
        assert_eq!(c.ask("ARDEL a 5"), ":1\r\n");
        assert_eq!(c.ask("DEL a"), ":1\r\n");
        let found = String::from_utf8(searcher.reply()).expect("text");
        assert!(found.ends_with("*2\r\n:1\r\n$3\r\none\r\n") || found.contains(":9\r\n"));
        assert_eq!(searcher.reply(), b"+PONG\r\n");
        wait_until("no client to wait", || {
            server.info("blocked_clients").as_deref() == Some("0")
        });
    }
}

/// A search over many batches finds the same values as a search in a single piece, in both
/// directions and up to a limit.
#[test]
fn a_search_off_the_loop_finds_what_one_in_a_script_finds() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for from in (0..30_000).step_by(1000) {
        let mut words = vec!["ARSET".to_owned(), "a".to_owned(), from.to_string()];
        words.extend((from..from + 1000).map(|n| format!("{} some text {n}", n % 97)));
        c.send(&command(&words));
        assert_eq!(c.reply(), b":1000\r\n");
    }
    let slow = "([0-9]|[a-z ])*tex[t]*[ ].*7[0-9]*[13]$";
    for (range, words) in [
        ("- +", &["RE", slow, "WITHVALUES"][..]),
        ("+ -", &["RE", "7[13]$", "GLOB", "*9?5", "MATCH", "333"]),
        ("29000 500", &["RE", "7[13]$", "LIMIT", "100"]),
        (
            "- +",
            &[
                "AND", "RE", "^[1-9]", "MATCH", "TEXT", "NOCASE", "GLOB", "*[0-4]",
            ],
        ),
    ] {
        let args: Vec<&str> = ["ARGREP", "a"]
            .into_iter()
            .chain(range.split(' '))
            .chain(words.iter().copied())
            .collect();
        let script = "return redis.call(unpack(ARGV))";
        c.send(&command(&[&["EVAL", script, "0"][..], &args].concat()));
        let expected = c.reply();
        c.send(&command(&args));
        assert_eq!(c.reply(), expected, "{args:?}");
    }
}

/// Runs a command in a script; waits until others get BUSY.
fn busy(server: &Daemon, args: &[&[u8]]) -> (Connection, Connection) {
    let mut running = server.connect();
    let script: &[u8] = b"return redis.call(unpack(ARGV))";
    running.send(&command(
        &[&[&b"EVAL"[..], script, b"0"][..], args].concat(),
    ));
    let mut other = server.connect();
    wait_until("BUSY", || other.ask("PING") == BUSY);
    (running, other)
}

#[test]
fn a_script_in_the_middle_of_a_long_command_is_killed() {
    let server = Daemon::start(&["--busy-reply-threshold", "30"]);
    let mut c = server.connect();
    fill_array(&mut c);
    for n in 0..3000 {
        let n = n.to_string();
        let attributes = format!("{{\"a\":{n}}}");
        c.send(&command(&[
            "VADD",
            "v",
            "VALUES",
            "2",
            "1",
            &n,
            &n,
            "SETATTR",
            &attributes,
        ]));
        assert_eq!(c.reply(), b":1\r\n");
    }
    let filter = format!(".a{}", "+.a**.a".repeat(4000));
    let searches: [&[&str]; 2] = [
        &[
            "VSIM", "v", "VALUES", "2", "1", "1", "TRUTH", "COUNT", "3000", "FILTER", &filter,
        ],
        &SEARCH,
    ];
    for search in searches {
        let words: Vec<&[u8]> = search.iter().map(|word| word.as_bytes()).collect();
        let (mut running, mut other) = busy(&server, &words);
        assert_eq!(other.ask("GET a"), BUSY);
        assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
        let reply = String::from_utf8(running.reply()).expect("text");
        assert!(reply.starts_with('-'), "{reply}");
        wait_until("the others to be served", || {
            other.ask("PING") == "+PONG\r\n"
        });
        assert_eq!(running.ask("PING"), "+PONG\r\n");
    }
}

#[test]
fn a_product_of_reduce_off_the_loop_is_that_of_a_transaction() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let blob: Vec<u8> = (0..20_000u32)
        .flat_map(|n| ((n % 101) as f32 - 50.0).to_le_bytes())
        .collect();
    let add = |key: &str, name: &str| {
        let words: [&[u8]; 7] = [
            b"VADD",
            key.as_bytes(),
            b"REDUCE",
            b"300",
            b"FP32",
            &blob,
            name.as_bytes(),
        ];
        command(&words)
    };
    let find = |key: &str| command(&[&b"VSIM"[..], key.as_bytes(), b"FP32", &blob, b"WITHSCORES"]);
    c.send(&[add("k", "a"), find("k"), command(&["VEMB", "k", "a"])].concat());
    assert_eq!(c.reply(), b":1\r\n");
    let off_the_loop = [c.reply(), c.reply()];
    assert!(off_the_loop[0].starts_with(b"*2\r\n$1\r\na\r\n"));
    let transaction = [command(&["MULTI"]), add("l", "a"), find("l")];
    c.send(
        &[
            &transaction.concat()[..],
            &command(&["VEMB", "l", "a"]),
            &command(&["EXEC"]),
        ]
        .concat(),
    );
    for _ in 0..4 {
        c.reply();
    }
    let expected = [&b"*3\r\n:1\r\n"[..], &off_the_loop.concat()].concat();
    assert_eq!(c.reply(), expected);
}

/// A command in many slices gives the same reply as in a script, where it runs in a single piece.
#[test]
fn many_series_in_slices_are_those_of_one_piece() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for n in 0..3000 {
        let key = format!("s:{:04}", n * 7 % 3000);
        let dc = format!("dc{}", n % 7);
        c.send(&command(&[
            "TS.CREATE",
            &key,
            "LABELS",
            "of",
            "many",
            "dc",
            &dc,
        ]));
        assert_eq!(c.reply(), b"+OK\r\n");
        let mut words = vec!["TS.MADD".to_owned()];
        for at in 0..40 {
            let value = f64::from(n * at % 1000) / 8.0;
            words.extend([key.clone(), (at * 1000).to_string(), value.to_string()]);
        }
        c.send(&command(&words));
        assert!(c.reply().starts_with(b"*40\r\n"));
    }
    let lines = [
        "TS.MRANGE - + WITHLABELS FILTER of=many",
        "TS.MREVRANGE - + COUNT 3 SELECTED_LABELS dc FILTER of=many dc!=dc2",
        "TS.MRANGE - + AGGREGATION avg,max 7000 FILTER of=many",
        "TS.MRANGE - + AGGREGATION avg 7000 FILTER of=many GROUPBY dc REDUCE sum",
        "TS.MGET WITHLABELS FILTER of=many none=",
        "TS.QUERYINDEX of!= dc=(dc1,dc5,dc3)",
        "TS.QUERYLABELS VALUES dc FILTER of=many",
        "TS.QUERYLABELS LABELS",
    ];
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let script = "return redis.call(unpack(ARGV))";
        c.send(&command(&[&["EVAL", script, "0"][..], &words].concat()));
        let expected = c.reply();
        c.send(&command(&words));
        assert!(c.reply() == expected, "{line}");
    }
}
