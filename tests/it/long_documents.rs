//! Long documents: the loop serves other clients while it parses, prints, sets and saves their
//! texts.

use crate::support::resp::command;
use crate::support::{Daemon, wait_until};

/// Numbers as an array of some megabytes, and its text.
pub fn long_array() -> String {
    format!("[{}0]", "1234567,".repeat(300_000))
}

/// The reply of JSON.GET with this text.
fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

#[test]
fn a_long_text_is_parsed_off_the_loop_and_replies_keep_their_order() {
    let server = Daemon::start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    let numbers = "1234567,".repeat(300_000);
    let text = format!("[{numbers}1]");
    let broken = format!("[{numbers}]");
    for threads in ["1", "0"] {
        c.ask(&format!("CONFIG SET task-threads {threads}"));
        let words: [&[&str]; 5] = [
            &["JSON.SET", "k", "$", &text, "PX", "100000"],
            &["JSON.ARRLEN", "k", "$"],
            &["JSON.SET", "k", "$", &broken],
            &["JSON.SET", "k", "$", &text, "NX"],
            &["ECHO", "end"],
        ];
        let all: Vec<u8> = words.iter().flat_map(|words| command(words)).collect();
        c.send(&all);
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.reply(), b"*1\r\n:300001\r\n");
        assert!(c.reply().starts_with(b"-trailing comma at line 1 column"));
        assert_eq!(c.reply(), b"$-1\r\n");
        assert_eq!(c.reply(), b"$3\r\nend\r\n");
        assert!(!c.ask("PTTL k").starts_with(":-"));
        c.ask("SET k text");
        let refused = b"-Existing key has wrong Redis type\r\n";
        assert_eq!(c.call(&["JSON.SET", "k", "$", &text]), refused);
        c.ask("DEL k");
        c.ask("MULTI");
        c.call(&["JSON.SET", "k", "$", &text]);
        assert_eq!(c.ask("EXEC"), "*1\r\n+OK\r\n");
    }
    let mut server = server;
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("JSON.ARRLEN k"), ":300001\r\n");
}

#[test]
fn a_long_document_is_printed_off_the_loop_as_it_was_at_the_command() {
    let server = Daemon::start(&[]);
    let (mut c, mut other) = (server.connect(), server.connect());
    let text = long_array();
    let changed = text.replacen("1234567", "1234568", 1);
    for threads in ["1", "0"] {
        c.ask(&format!("CONFIG SET task-threads {threads}"));
        assert_eq!(c.call(&["JSON.SET", "k", "$", &text]), b"+OK\r\n");
        let lines: [&[&str]; 5] = [
            &["JSON.GET", "k"],
            &["JSON.NUMINCRBY", "k", "$[0]", "1"],
            &["JSON.GET", "k", "INDENT", "", "$"],
            &["JSON.GET", "k", "$[-1]"],
            &["ECHO", "end"],
        ];
        let all: Vec<u8> = lines.iter().flat_map(|line| command(line)).collect();
        c.send(&all);
        assert_eq!(c.reply(), bulk(&text));
        assert_eq!(c.reply(), b"$9\r\n[1234568]\r\n");
        assert_eq!(c.reply(), bulk(&format!("[{changed}]")));
        assert_eq!(c.reply(), b"$3\r\n[0]\r\n");
        assert_eq!(c.reply(), b"$3\r\nend\r\n");
        // A reply shows a single moment, whatever other clients change at the same time.
        c.send(&command(&["JSON.GET", "k"]));
        other.ask("JSON.NUMINCRBY k $[0] -1");
        other.ask("DEL k");
        let reply = c.reply();
        let moments = [bulk(&text), bulk(&changed), b"$-1\r\n".to_vec()];
        assert!(moments.contains(&reply), "{} bytes", reply.len());
        c.call(&["JSON.SET", "k", "$", &text]);
        c.ask("MULTI");
        c.ask("JSON.GET k");
        assert_eq!(c.call(&["EXEC"])[4..], bulk(&text));
        let refused = c.ask("JSON.GET k $ $.[");
        assert!(refused.starts_with("-Error occurred"), "{refused}");
        let refused = c.ask("JSON.GET k nope nope.too");
        assert_eq!(refused, "-ERR Path 'nope' does not exist\r\n");
    }
}

#[test]
fn long_replies_of_other_commands_are_written_off_the_loop() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let text = long_array();
    c.call(&["JSON.SET", "k", "$", &text]);
    c.ask("JSON.SET small $ [2]");
    let forms = format!("*300002\r\n+[\r\n{}:0\r\n", ":1234567\r\n".repeat(300_000));
    let values = format!("*300001\r\n{}:0\r\n", ":1234567\r\n".repeat(300_000));
    c.ask("HELLO 3");
    for threads in ["1", "0"] {
        c.ask(&format!("CONFIG SET task-threads {threads}"));
        let lines: [&[&str]; 6] = [
            &["JSON.MGET", "small", "k", "none", "."],
            &["JSON.RESP", "k"],
            &["JSON.RESP", "k", "$[0]"],
            &["JSON.GET", "k", "FORMAT", "EXPAND", "$"],
            &["JSON.MGET", "small", "k", "$[0]"],
            &["ECHO", "end"],
        ];
        let all: Vec<u8> = lines.iter().flat_map(|line| command(line)).collect();
        c.send(&all);
        let mget = [b"*3\r\n$3\r\n[2]\r\n", &bulk(&text)[..], b"_\r\n"].concat();
        assert!(c.reply() == mget);
        assert!(c.reply() == forms.as_bytes());
        assert_eq!(c.reply(), b"*1\r\n:1234567\r\n");
        assert!(c.reply() == format!("*1\r\n*1\r\n{values}").as_bytes());
        assert_eq!(c.reply(), b"*2\r\n$3\r\n[2]\r\n$9\r\n[1234567]\r\n");
        assert_eq!(c.reply(), b"$3\r\nend\r\n");
    }
}

#[test]
fn a_long_value_is_set_off_the_loop_in_the_document_as_it_is_then() {
    let server = Daemon::start(&["--appendonly", "yes"]);
    let (mut c, mut other) = (server.connect(), server.connect());
    let text = long_array();
    for (threads, document) in [("1", "{\"n\":0}"), ("1", "long"), ("0", "{\"n\":0}")] {
        c.ask(&format!("CONFIG SET task-threads {threads}"));
        let document = match document {
            "long" => format!("{{\"n\":0,\"before\":{text}}}"),
            short => short.to_owned(),
        };
        c.call(&["JSON.SET", "k", "$", &document]);
        let lines: [&[&str]; 5] = [
            &["JSON.SET", "k", "$.value", &text],
            &["JSON.ARRLEN", "k", "$.value"],
            &["JSON.SET", "k", "$.value", &text, "NX"],
            &["JSON.SET", "k", "$.none.value", &text],
            &["JSON.SET", "k", "$.[", &text],
        ];
        let all: Vec<u8> = lines.iter().flat_map(|line| command(line)).collect();
        c.send(&all);
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.reply(), b"*1\r\n:300001\r\n");
        assert_eq!(c.reply(), b"$-1\r\n");
        assert_eq!(c.reply(), b"$-1\r\n");
        assert!(c.reply().starts_with(b"-Error occurred on position"));
        // A change by another client during the save is not lost.
        for _ in 0..20 {
            c.send(&command(&["JSON.SET", "k", "$.value", &text]));
            other.ask("JSON.NUMINCRBY k $.n 1");
            assert_eq!(c.reply(), b"+OK\r\n");
        }
        assert_eq!(c.ask("JSON.GET k $.n"), "$4\r\n[20]\r\n");
        assert_eq!(c.ask("JSON.ARRLEN k $.value"), "*1\r\n:300001\r\n");
    }
    let before = c.call(&["JSON.GET", "k"]);
    let mut server = server;
    server.kill();
    server.restart();
    assert!(server.connect().call(&["JSON.GET", "k"]) == before);
}

#[test]
fn long_texts_and_payloads_of_other_commands_are_made_off_the_loop() {
    let server = Daemon::start(&["--appendonly", "yes"]);
    let (mut c, mut other) = (server.connect(), server.connect());
    let text = long_array();
    let broken = format!("[{}]", "1234567,".repeat(300_000));
    let patch = format!("{{\"p\":{text},\"gone\":null}}");
    for threads in ["1", "0"] {
        c.ask(&format!("CONFIG SET task-threads {threads}"));
        c.ask("FLUSHALL");
        c.call(&["JSON.SET", "m", "$", "{\"gone\":1,\"n\":0}"]);
        let lines: [&[&str]; 9] = [
            &["JSON.MSET", "a", "$", "{\"v\":1}", "b", "$", &text],
            &["JSON.MSET", "a", "$.v", "2", "b", "$", &broken],
            &["JSON.MSET", "a", "$.v", &text, "b", "$[0]", "7"],
            &["JSON.ARRAPPEND", "b", "$", "[]", &text],
            &["JSON.ARRINSERT", "b", "$", "x", &text],
            &["JSON.MERGE", "m", "$", &patch],
            &["JSON.MERGE", "m", "$.none.p", &patch],
            &["JSON.MERGE", "new", "$", &patch],
            &["ECHO", "end"],
        ];
        let all: Vec<u8> = lines.iter().flat_map(|line| command(line)).collect();
        c.send(&all);
        assert_eq!(c.reply(), b"+OK\r\n");
        assert!(c.reply().starts_with(b"-trailing comma at line 1 column"));
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.reply(), b"*1\r\n:300003\r\n");
        assert_eq!(c.reply(), b"-Couldn't parse as integer\r\n");
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.reply(), b"$-1\r\n");
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.reply(), b"$3\r\nend\r\n");
        assert_eq!(c.ask("JSON.GET b $[0]"), "$3\r\n[7]\r\n");
        assert_eq!(c.ask("JSON.ARRLEN a $.v"), "*1\r\n:300001\r\n");
        // The last member moves to the place of a removed member.
        let merged = format!("{{\"p\":{text},\"n\":0}}");
        assert!(c.call(&["JSON.GET", "m"]) == bulk(&merged));
        assert!(c.call(&["JSON.GET", "new"]) == bulk(&patch));
        // A change by another client during the merge is not lost.
        for _ in 0..10 {
            c.send(&command(&["JSON.MERGE", "m", "$", &patch]));
            other.ask("JSON.NUMINCRBY m $.n 1");
            assert_eq!(c.reply(), b"+OK\r\n");
        }
        assert_eq!(c.ask("JSON.GET m $.n"), "$4\r\n[10]\r\n");
        // The payload shows the document as it was at DUMP.
        c.send(&command(&["DUMP", "b"]));
        other.ask("JSON.NUMINCRBY b $[0] 1");
        let dumped = c.reply();
        let start = dumped
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line")
            + 1;
        let payload = &dumped[start..dumped.len() - 2];
        let words: [&[u8]; 4] = [b"RESTORE", b"copy", b"0", payload];
        c.send(&command(&words));
        assert_eq!(c.reply(), b"+OK\r\n");
        let first = c.ask("JSON.GET copy $[0]");
        assert!(
            ["$3\r\n[7]\r\n", "$3\r\n[8]\r\n"].contains(&&first[..]),
            "{first}"
        );
        assert_eq!(c.ask("JSON.ARRLEN copy"), ":300003\r\n");
    }
    let before = c.call(&["JSON.GET", "m"]);
    let mut server = server;
    server.kill();
    server.restart();
    assert!(server.connect().call(&["JSON.GET", "m"]) == before);
}

#[test]
fn a_long_document_is_saved_as_it_was_while_it_changes() {
    for method in ["loop", "fork"] {
        let mut server = Daemon::start(&["--snapshot-method", method]);
        let mut c = server.connect();
        let text = long_array();
        assert_eq!(c.call(&["JSON.SET", "k", "$", &text]), b"+OK\r\n");
        c.ask("JSON.SET fpha $ [1,2.5] FPHA FP16");
        assert!(c.ask("BGSAVE").starts_with('+'));
        c.ask("JSON.NUMINCRBY k $[0] 1");
        c.ask("JSON.ARRAPPEND k $ 5");
        c.ask("DEL k");
        wait_until("the snapshot to end", || {
            server.info("rdb_bgsave_in_progress").as_deref() == Some("0")
        });
        assert_eq!(server.info("rdb_last_bgsave_status").as_deref(), Some("ok"));
        server.kill();
        server.restart();
        let mut c = server.connect();
        assert_eq!(c.call(&["JSON.GET", "k"]), bulk(&text), "{method}");
        assert_eq!(c.ask("JSON.GET fpha"), "$9\r\n[1.0,2.5]\r\n");
    }
}
