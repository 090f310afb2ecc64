//! The most that a page or a stranger can cost all other clients, and the answers that it gets.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Events, OWN, Page, ask, connect, post, read_answer, start};
use crate::support::{Daemon, wait_until};

fn figure(server: &Daemon, name: &str) -> u64 {
    let text = server.info(name);
    text.and_then(|n| n.parse().ok()).expect("a figure")
}

#[test]
fn a_long_message_takes_no_memory_and_no_time_for_each_stream() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    let topics = json!({"topics": [{"subscribe": ["c"]}]});
    let mut events: Vec<Events> = (0..8).map(|_| Events::open(&page, &topics)).collect();
    let mut other = server.connect();
    let text = vec![1; 30 << 20];
    let before = figure(&server, "used_memory");
    assert_eq!(other.call(&[&b"PUBLISH"[..], b"c", &text]), b":8\r\n");
    let began = Instant::now();
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    assert!(began.elapsed() < Duration::from_millis(500));
    let peak = figure(&server, "used_memory_peak");
    assert!(peak < before + (120 << 20), "{before} {peak}");
    events[0].wait_for(&format!("\"bytes\":{}}}", text.len()));
    assert!(events[0].text.len() < 200_000);
}

#[test]
fn another_database_needs_the_right_to_select_it() {
    let users = [
        "--user", "few", "on", ">secret", "~*", "&*", "+@all", "-select",
    ];
    let (server, port) = start(&users);
    let mut other = server.connect();
    other.ask("SELECT 3");
    other.ask("SET k secret");
    let page = Page::log_in(port, "few", "secret").expect("the right one");
    let refused = page.call("command", &json!({"db": 3, "cmds": [["GET", "k"]]}));
    assert_eq!(refused.status, 403);
    let error = refused.json()["error"].to_string();
    assert!(
        error.contains("NOPERM ") && error.contains("select"),
        "{error}"
    );
    let stream = json!({"db": 3, "topics": [{"subscribe": ["c"]}]});
    assert_eq!(page.call("stream", &stream).status, 403);
    assert!(
        other.ask("ACL LOG").contains("$6\r\nselect\r\n"),
        "it is logged"
    );
    assert_eq!(page.run(&json!([["GET", "k"]])), json!([null]));
    assert_eq!(other.ask("ACL SETUSER few +select"), "+OK\r\n");
    let read = page.call("command", &json!({"db": 3, "cmds": [["GET", "k"]]}));
    assert_eq!(read.json()["r"], json!(["secret"]));
}

#[test]
fn strangers_send_short_bodies_only() {
    let (server, port) = start(&["--auth-failures-per-second", "5"]);
    let long = format!("{{\"a\":[{}1]}}", "[],".repeat(300_000));
    for path in ["/api/login", "/api/me", "/api/command", "/api/history"] {
        assert_eq!(post(port, path, OWN, &long).status, 413, "{path}");
    }
    let page = Page::of(port);
    let headers = format!("{OWN}Cookie: {}\r\n", page.cookie);
    assert_eq!(post(port, "/api/login", &headers, &long).status, 413);
    let refused = post(port, "/api/command", &headers, &long);
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].to_string().contains("65536 values"));
    // A login without a name counts as an attempt, too.
    let mut last = 0;
    for _ in 0..200 {
        last = post(port, "/api/login", OWN, "{}").status;
    }
    assert_eq!(last, 429);
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
}

#[test]
fn a_request_that_is_too_long_is_answered_in_words() {
    let (_server, port) = start(&[]);
    let page = Page::of(port);
    let mut stream = connect(port).expect("it listens");
    let length = 3 << 20;
    let head = format!(
        "POST /api/command HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
         {OWN}Cookie: {}\r\n\r\n",
        page.cookie
    );
    stream.write_all(head.as_bytes()).expect("room");
    // The server reads all bytes, so no reset comes before the answer.
    stream.write_all(&vec![b'x'; length]).expect("it is read");
    assert_eq!(read_answer(&mut stream).status, 413);
}

#[test]
fn a_session_can_end_its_own_script() {
    let (server, port) = start(&["--busy-reply-threshold", "50"]);
    let page = Page::of(port);
    page.unlock();
    let mut busy = page.begin_call(&json!({"db": 2, "cmds": [["EVAL", "while true do end", "0"]]}));
    let call = |cmds: Value| page.call("command", &json!({"db": 2, "cmds": cmds}));
    wait_until("the script is busy", || {
        let answer = call(json!([["GET", "k"]]));
        answer.status == 200 && answer.json()["r"][0].to_string().contains("BUSY ")
    });
    let found = page.call("history", &json!({"tiers": [0]})).json();
    let first = &found["findings"][0];
    assert_eq!(first["code"], "script", "{found}");
    assert_eq!(first["remedy"], "SCRIPT KILL", "{found}");
    let me = page.call("me", &json!({}));
    assert_eq!((me.status, &me.json()["locked"]), (200, &json!(false)));
    let stats = call(json!([["FUNCTION", "STATS"]])).json();
    assert!(
        stats["r"][0].to_string().contains("while true do end"),
        "{stats}"
    );
    // The lock applies to a busy script, too, and stays on.
    assert_eq!(page.call("lock", &json!({"locked": true})).status, 200);
    let refused = call(json!([["SCRIPT", "KILL"]])).json();
    assert!(refused["r"][0].to_string().contains("NOPERM "), "{refused}");
    assert_eq!(page.call("lock", &json!({"locked": false})).status, 200);
    assert_eq!(
        call(json!([["SCRIPT", "KILL"]])).json()["r"],
        json!([{"s": "OK"}])
    );
    let ended = read_answer(&mut busy).json();
    assert!(ended["r"][0]["e"].is_string(), "{ended}");
    assert_eq!(page.call("me", &json!({})).json()["locked"], json!(false));
    let clients = server.connect().ask("CLIENT LIST");
    assert_eq!(clients.matches("russet-console").count(), 1, "{clients}");
}

#[test]
fn a_logout_while_a_script_runs_ends_the_session_with_it() {
    let (server, port) = start(&["--busy-reply-threshold", "50"]);
    let page = Page::of(port);
    page.unlock();
    let _busy = page.begin_call(&json!({"cmds": [["EVAL", "while true do end", "0"]]}));
    let mut other = server.connect();
    wait_until("the script is busy", || {
        other.ask("GET k").starts_with("-BUSY")
    });
    assert_eq!(page.call("logout", &json!({})).status, 200);
    assert_eq!(page.call("me", &json!({})).status, 401);
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    wait_until("its client is gone", || {
        !other.ask("CLIENT LIST").contains("russet-console")
    });
}

#[test]
fn a_proxy_on_this_machine_is_not_this_machine() {
    let (_server, port) = start(&[]);
    let login = r#"{"user":"default","password":""}"#;
    for header in [
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "Via: 1.1 a",
    ] {
        let headers = format!("{OWN}{header}\r\n");
        let stranger = post(port, "/api/me", &headers, "{}");
        assert_eq!(stranger.json()["nopass"], json!(false), "{header}");
        assert_eq!(
            post(port, "/api/login", &headers, login).status,
            401,
            "{header}"
        );
    }
    assert_eq!(post(port, "/api/login", OWN, login).status, 200);
}

#[test]
fn conditions_hold_for_all_commands_that_follow() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    let mut other = server.connect();
    other.ask("SET k 1");
    let cmds = json!([["SET", "k", "2"], ["SET", "k", "3"]]);
    let body = json!({"if": [[["GET", "k"], "1"]], "cmds": cmds});
    assert_eq!(page.call("command", &body).status, 400);
    // A waiting transaction checks its condition again when it runs.
    other.ask("CLIENT PAUSE 600 WRITE");
    let body = json!({"if": [[["GET", "k"], "1"]], "cmds": cmds, "atomic": true}).to_string();
    let mut stream = connect(port).expect("it listens");
    let text = format!(
        "POST /api/command HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{OWN}Cookie: {}\r\n\r\n{body}",
        body.len(),
        page.cookie
    );
    stream.write_all(text.as_bytes()).expect("room");
    std::thread::sleep(Duration::from_millis(100));
    other.ask("CLIENT UNPAUSE");
    let done = read_answer(&mut stream).json();
    assert_eq!(done["r"].as_array().map(Vec::len), Some(2), "{done}");
    let again = page.call("command", &serde_json::from_str(&body).expect("JSON"));
    assert_eq!(again.json(), json!({"changed": 0, "now": "3"}));
}

#[test]
fn a_stream_is_refused_while_its_subscription_would_wait() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    let mut other = server.connect();
    other.ask("CLIENT PAUSE 800 ALL");
    let topics = json!({"topics": [{"subscribe": ["c"]}]});
    assert_eq!(page.call("stream", &topics).status, 503);
    assert_eq!(other.ask("PING"), "+PONG\r\n", "the pause has ended");
    assert_eq!(figure(&server, "pubsub_clients"), 0);
    let mut events = Events::open(&page, &topics);
    other.ask("PUBLISH c hello");
    events.wait_for("hello");
}

#[test]
fn an_answer_has_the_cost_of_the_whole_call() {
    let (_server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    let body = json!({"cmds": [["SET", "k", "x".repeat(500_000)], ["GET", "k"]]});
    let answer = page.call("command", &body).json();
    let commands: u64 = answer["us"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|us| us.as_u64().unwrap_or(0))
        .sum();
    let cost = answer["cost"].as_u64().expect("microseconds");
    assert!(
        cost >= commands && cost < 1_000_000,
        "{answer}",
        answer = answer["cost"]
    );
}

#[test]
fn a_new_login_ends_the_session_that_the_browser_had() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    let headers = format!("{OWN}Cookie: {}\r\n", page.cookie);
    let login = r#"{"user":"default","password":""}"#;
    assert_eq!(post(port, "/api/login", &headers, login).status, 200);
    assert_eq!(page.call("me", &json!({})).status, 401);
    wait_until("one session is left", || {
        let clients = server.connect().ask("CLIENT LIST");
        clients.matches("russet-console").count() == 1
    });
}

#[test]
fn many_logins_of_one_user_end_no_session_of_others() {
    let users = ["--user", "weak", "on", ">weak", "-@all"];
    let (_server, port) = start(&users);
    let admin = Page::of(port);
    for _ in 0..40 {
        Page::log_in(port, "weak", "weak").expect("the right one");
    }
    assert_eq!(admin.call("me", &json!({})).status, 200);
}

#[test]
fn calls_that_a_page_makes_by_itself_are_distinguished() {
    let (_server, port) = start(&[]);
    let page = Page::of(port);
    let auto = OWN.replace("X-Russet: 1", "X-Russet: auto");
    let headers = format!("{auto}Cookie: {}\r\n", page.cookie);
    assert_eq!(post(port, "/api/me", &headers, "{}").status, 200);
    let other = headers.replace("auto", "2");
    assert_eq!(post(port, "/api/me", &other, "{}").status, 403);
}

#[test]
fn what_has_not_changed_has_no_length() {
    let (_server, port) = start(&[]);
    let request = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n");
    let tag = ask(port, &format!("{request}\r\n"));
    let tag = tag.header("ETag").expect("a tag").to_owned();
    let known = format!("{request}If-None-Match: {tag}\r\nConnection: close\r\n\r\n");
    let mut stream = connect(port).expect("it listens");
    stream.write_all(known.as_bytes()).expect("room");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("its end");
    assert!(
        text.starts_with("HTTP/1.1 304 ") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    assert!(!text.contains("Content-Length"), "{text}");
}
