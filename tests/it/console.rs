//! `console-port` for a browser and for an attacker: access, sessions, commands and streams.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::daemon::free_side_port;
use crate::support::wait::SetOnDrop;
use crate::support::{Connection, Daemon, wait_until};

mod bounds;

/// A server with a console on a port of its own.
fn start(args: &[&str]) -> (Daemon, u16) {
    Daemon::start_with_port("--console-port", args)
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// An answer: its status, its head, its body.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        let body = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(its, value)| its.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Reads one answer.
fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut one = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut one) {
            Ok(1) => bytes.push(one[0]),
            _ => break,
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let status = head.get(9..12).and_then(|code| code.parse().ok());
    let mut answer = Answer {
        status: status.unwrap_or(0),
        head,
        body: Vec::new(),
    };
    let length = answer.header("Content-Length").and_then(|n| n.parse().ok());
    answer.body = vec![0; length.unwrap_or(0)];
    if answer.status != 304 && stream.read_exact(&mut answer.body).is_err() {
        answer.body.clear();
    }
    answer
}

/// The answer to these bytes.
fn ask(port: u16, request: &str) -> Answer {
    let mut stream = connect(port).expect("it listens");
    // The server may refuse the request before it has all of it.
    let _ = stream.write_all(request.as_bytes());
    read_answer(&mut stream)
}

/// The headers of a request from the console's own page.
const OWN: &str = "X-Russet: 1\r\nContent-Type: application/json\r\n";

fn post(port: u16, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    ask(
        port,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {length}\r\n\
             {headers}\r\n{body}"
        ),
    )
}

/// A page with a session.
struct Page {
    port: u16,
    cookie: String,
}

impl Page {
    fn log_in(port: u16, user: &str, password: &str) -> Result<Page, Answer> {
        let body = json!({"user": user, "password": password}).to_string();
        let answer = post(port, "/api/login", OWN, &body);
        let cookie = answer.header("Set-Cookie");
        match (answer.status, cookie.and_then(|c| c.split(';').next())) {
            (200, Some(cookie)) => Ok(Page {
                port,
                cookie: cookie.to_owned(),
            }),
            _ => Err(answer),
        }
    }

    #[track_caller]
    fn of(port: u16) -> Page {
        Page::log_in(port, "default", "").expect("no password is needed")
    }

    fn call(&self, path: &str, body: &Value) -> Answer {
        let headers = format!("{OWN}Cookie: {}\r\n", self.cookie);
        post(
            self.port,
            &format!("/api/{path}"),
            &headers,
            &body.to_string(),
        )
    }

    /// Sends a call of commands and does not wait for its answer.
    fn begin_call(&self, body: &Value) -> TcpStream {
        let body = body.to_string();
        let text = format!(
            "POST /api/command HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{OWN}Cookie: {}\r\n\r\n{body}",
            body.len(),
            self.cookie
        );
        let mut stream = connect(self.port).expect("it listens");
        stream.write_all(text.as_bytes()).expect("room");
        stream
    }

    fn unlock(&self) {
        assert_eq!(self.call("lock", &json!({"locked": false})).status, 200);
    }

    /// The replies to commands.
    #[track_caller]
    fn run(&self, commands: &Value) -> Value {
        let answer = self.call("command", &json!({"db": 0, "cmds": commands}));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["r"].clone()
    }
}

#[test]
fn the_page_is_served_with_its_headers_and_again_only_if_it_has_changed() {
    let (_server, port) = start(&[]);
    let get = |path: &str, more: &str| {
        ask(
            port,
            &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n"),
        )
    };
    let page = get("/", "");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("Cache-Control"), Some("no-cache"));
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
    let policy = page.header("Content-Security-Policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("trusted-types 'none'"));
    assert!(!page.head.contains("Access-Control"));
    let tag = page.header("ETag").expect("a tag").to_owned();
    let known = get("/", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((known.status, known.body.len()), (304, 0));
    let packed = get("/", "Accept-Encoding: gzip\r\n");
    assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
    assert_eq!(packed.body[..2], [0x1f, 0x8b]);
    let head = ask(
        port,
        &format!("HEAD / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
    );
    assert_eq!(head.status, 200);
    for (path, status) in [
        ("/a/0000000000000000/app.js", 404),
        ("/a/../../etc/passwd", 404),
        ("/../Cargo.toml", 404),
        ("/index.html", 404),
        ("/metrics", 404),
        ("/api/me", 405),
        ("/api/logout", 405),
    ] {
        assert_eq!(get(path, "").status, status, "{path}");
    }
}

#[test]
fn several_requests_use_one_connection_in_any_pieces() {
    let (_server, port) = start(&[]);
    let mut stream = connect(port).expect("it listens");
    let one = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    let call = format!(
        "POST /api/me HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 2\r\n{OWN}\r\n{{}}"
    );
    let all = format!("{one}{call}{one}");
    for piece in all.as_bytes().chunks(37) {
        stream.write_all(piece).expect("room");
        std::thread::sleep(Duration::from_millis(1));
    }
    let statuses: Vec<u16> = (0..3).map(|_| read_answer(&mut stream).status).collect();
    assert_eq!(statuses, [200, 401, 200]);
    // All requests at once.
    stream.write_all(all.as_bytes()).expect("room");
    let statuses: Vec<u16> = (0..3).map(|_| read_answer(&mut stream).status).collect();
    assert_eq!(statuses, [200, 401, 200]);
    let close = one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    stream.write_all(close.as_bytes()).expect("room");
    assert_eq!(read_answer(&mut stream).header("Connection"), Some("close"));
    assert_eq!(stream.read(&mut [0]).expect("its end"), 0);
}

#[test]
fn pages_of_other_sites_cannot_call() {
    let (server, port) = start(&["--console-hosts", "admin.example"]);
    let page = Page::of(port);
    page.unlock();
    let set = |host: &str, headers: &str| {
        let body = r#"{"db":0,"cmds":[["INCR","n"]]}"#;
        let text = format!(
            "POST /api/command HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nCookie: {}\r\n\
             {headers}\r\n{body}",
            body.len(),
            page.cookie
        );
        ask(port, &text).status
    };
    let own = format!("localhost:{port}");
    for (status, host, headers) in [
        // Another site's name that resolves to this machine.
        (
            421,
            "evil.example",
            format!("{OWN}Origin: http://evil.example\r\n"),
        ),
        (421, "evil.example", OWN.to_owned()),
        (403, &own, format!("{OWN}Origin: http://evil.example\r\n")),
        (403, &own, format!("{OWN}Origin: null\r\n")),
        (403, &own, format!("{OWN}Origin: http://localhost:1\r\n")),
        (403, &own, format!("{OWN}Origin: https://{own}\r\n")),
        (403, &own, format!("{OWN}Sec-Fetch-Site: cross-site\r\n")),
        (403, &own, format!("{OWN}Sec-Fetch-Site: same-site\r\n")),
        // Requests that a form or an image can send.
        (403, &own, "Content-Type: application/json\r\n".to_owned()),
        (403, &own, "Content-Type: text/plain\r\n".to_owned()),
        (
            415,
            &own,
            "X-Russet: 1\r\nContent-Type: text/plain\r\n".to_owned(),
        ),
        (200, &own, OWN.to_owned()),
        (
            200,
            &own,
            format!("{OWN}Origin: http://{own}\r\nSec-Fetch-Site: same-origin\r\n"),
        ),
        (
            200,
            "admin.example",
            format!("{OWN}Origin: https://admin.example\r\n"),
        ),
    ] {
        assert_eq!(set(host, &headers), status, "{host} {headers}");
    }
    assert_eq!(server.connect().ask("GET n"), "$1\r\n3\r\n");
    for method in ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"] {
        let text = format!("{method} /api/command HTTP/1.1\r\nHost: {own}\r\n\r\n");
        let answer = ask(port, &text);
        assert_eq!(answer.status, 405, "{method}");
        assert!(!answer.head.contains("Access-Control"), "{method}");
    }
}

#[test]
fn addresses_that_are_not_allowed_are_refused() {
    let (_server, port) = start(&["--console-allow", "192.0.2.0/24"]);
    let answer = ask(
        port,
        &format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
    );
    assert_eq!(answer.status, 403);
}

/// An address of this machine that is not loopback, if it has one.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn other_machines_need_tls_or_a_word_and_then_a_password() {
    let Some(address) = own_address() else {
        return;
    };
    let users = ["--user", "ops", "on", ">secret", "~*", "&*", "+@all"];
    let open = ["--console-bind", "*", "--console-allow", "0.0.0.0/0"];
    let (server, port) = start(&[&open[..], &users[..]].concat());
    let from_afar = |path: &str, body: &str| {
        let mut stream = TcpStream::connect((address, port)).expect("it listens");
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}:{port}\r\nContent-Length: {}\r\n{OWN}\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(text.as_bytes());
        read_answer(&mut stream)
    };
    let none = r#"{"user":"default","password":""}"#;
    let ops = r#"{"user":"ops","password":"secret"}"#;
    let mut browser = TcpStream::connect((address, port)).expect("it listens");
    write!(browser, "GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").expect("taken");
    let page = read_answer(&mut browser);
    assert_eq!(page.status, 403);
    let text = String::from_utf8(page.body).expect("UTF-8");
    assert!(
        text.contains(&address.to_string()) && text.contains("--console-insecure yes"),
        "{text}"
    );
    // Half a request of a refused client keeps no other client out.
    let halves: Vec<TcpStream> = (0..70)
        .map(|_| TcpStream::connect((address, port)).expect("it listens"))
        .collect();
    let own = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    assert_eq!(ask(port, &own).status, 200);
    drop(halves);
    assert_eq!(from_afar("/api/login", ops).status, 403);
    assert_eq!(
        server.connect().ask("CONFIG SET console-insecure yes"),
        "+OK\r\n"
    );
    let refused = from_afar("/api/login", none);
    assert_eq!(refused.status, 401);
    assert!(
        refused.json()["error"]
            .as_str()
            .expect("text")
            .starts_with("DENIED ")
    );
    assert_eq!(from_afar("/api/me", "{}").json()["nopass"], json!(false));
    assert_eq!(from_afar("/api/login", ops).status, 200);
}

#[test]
fn a_port_in_use_is_a_line_in_the_log() {
    let port = free_side_port();
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let port = port.to_string();
    let server = Daemon::start(&["--console-port", &port]);
    let mut connection = server.connect();
    assert_eq!(connection.ask("PING"), "+PONG\r\n");
    assert!(
        server.log().contains("There is no console"),
        "{}",
        server.log()
    );
    let again = format!("CONFIG SET console-port {port}");
    assert!(connection.ask(&again).starts_with("-ERR CONFIG SET failed"));
    drop(taken);
    // Another test's connection may use the port for a moment.
    wait_until("the port to be free", || {
        connection.ask(&again) == "+OK\r\n"
    });
    let port = port.parse().expect("a number");
    wait_until("the console", || connect(port).is_ok());
    assert_eq!(post(port, "/api/me", OWN, "{}").status, 401);
}

#[test]
fn half_a_request_ends_and_holds_no_other_up() {
    let (server, port) = start(&[]);
    let mut slow: Vec<TcpStream> = (0..64)
        .map(|_| connect(port).expect("it listens"))
        .collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("room");
    }
    // A further connection takes the place of the connection that has waited longest.
    let answer = ask(
        port,
        &format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
    );
    assert_eq!(answer.status, 200);
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    let began = Instant::now();
    // A byte now and then does not prolong the wait.
    while began.elapsed() < Duration::from_secs(11) {
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let answer = ask(
        port,
        &format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
    );
    assert_eq!(answer.status, 200);
    let mut text = Vec::new();
    let _ = slow[63].read_to_end(&mut text);
    assert!(text.is_empty() || text.starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn a_login_is_that_of_auth() {
    let users = ["--user", "ops", "on", ">secret", "~*", "&*", "+@all"];
    let (server, port) = start(&users);
    let mut other = server.connect();
    let wrong = Page::log_in(port, "ops", "wrong").err().expect("refused");
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.json()["error"]
            .as_str()
            .expect("text")
            .starts_with("WRONGPASS ")
    );
    assert!(
        other.ask("ACL LOG").contains("$4\r\nauth\r\n"),
        "it is logged"
    );
    let page = Page::log_in(port, "ops", "secret").expect("the right one");
    let me = page.call("me", &json!({})).json();
    assert_eq!((&me["user"], &me["locked"]), (&json!("ops"), &json!(true)));
    let has = |list: &str, name: &str| {
        let names = me[list].as_array().expect("a list");
        names.contains(&json!(name))
    };
    assert!(has("commands", "set") && has("commands", "config|set"));
    assert!(!has("locked_commands", "set") && has("locked_commands", "config|get"));
    let lines = other.ask("CLIENT LIST");
    assert!(
        lines.contains("user=ops") && lines.contains("lib-name=russet-console"),
        "{lines}"
    );
    // The cookie does not work in another browser, nor without the page's own header.
    let stranger = post(port, "/api/me", OWN, "{}");
    assert_eq!(
        (stranger.status, &stranger.json()["nopass"]),
        (401, &json!(true))
    );
    let headers = format!("Cookie: {}\r\n", page.cookie);
    assert_eq!(post(port, "/api/me", &headers, "{}").status, 403);
    let forged = format!("{OWN}Cookie: {}0\r\n", page.cookie);
    assert_eq!(post(port, "/api/me", &forged, "{}").status, 401);
    assert_eq!(page.call("logout", &json!({})).status, 200);
    assert_eq!(page.call("me", &json!({})).status, 401);
}

#[test]
fn cookies_are_kept_from_scripts_and_other_sites() {
    let (_server, port) = start(&[]);
    let answer = post(
        port,
        "/api/login",
        OWN,
        r#"{"user":"default","password":""}"#,
    );
    let cookie = answer.header("Set-Cookie").expect("a cookie");
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"));
    assert!(!cookie.contains("Path") && !cookie.contains("Domain"));
    let token = cookie.split(['=', ';']).nth(1).expect("a value");
    assert_eq!(token.len(), 64);
}

#[test]
fn many_wrong_passwords_are_slowed_down() {
    let (_server, port) = start(&["--requirepass", "secret", "--auth-failures-per-second", "5"]);
    // The server checks about fifty attempts at once, which use up the tokens of ten seconds; more
    // if they come slowly.
    let waits = |password: &str, is_right: bool| {
        let began = Instant::now();
        let status = Page::log_in(port, "default", password).err();
        assert_eq!(status.map(|a| a.status), (!is_right).then_some(401));
        began.elapsed() > Duration::from_millis(100)
    };
    assert!(
        (0..500).any(|_| waits("no", false)),
        "wrong ones are slowed down"
    );
    waits("secret", true);
}

#[test]
fn a_session_ends_with_its_user_and_by_client_kill() {
    let users = ["--user", "ops", "on", ">secret", "~*", "&*", "+@all"];
    let (server, port) = start(&users);
    let mut other = server.connect();
    let page = Page::log_in(port, "ops", "secret").expect("the right one");
    assert_eq!(page.run(&json!([["PING"]])), json!([{"s": "PONG"}]));
    let id = page.run(&json!([["CLIENT", "ID"]]))[0].clone();
    assert_eq!(other.ask(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    assert_eq!(page.call("me", &json!({})).status, 401);
    let page = Page::log_in(port, "ops", "secret").expect("the right one");
    assert_eq!(other.ask("ACL SETUSER ops -ping"), "+OK\r\n");
    let reported = page.run(&json!([["PING"]]));
    assert!(
        reported[0]["e"]
            .as_str()
            .expect("an error")
            .starts_with("NOPERM "),
        "{reported}"
    );
    assert_eq!(other.ask("ACL DELUSER ops"), ":1\r\n");
    assert_eq!(page.call("me", &json!({})).status, 401);
}

#[test]
fn a_session_ends_when_its_login_would_be_refused() {
    let users = ["--user", "ops", "on", ">secret", "~*", "&*", "+@all"];
    let (server, port) = start(&users);
    let mut other = server.connect();
    let ping = json!({"cmds": [["PING"]]});
    let log_in = |password: &str| Page::log_in(port, "ops", password).expect("the right one");
    for (password, rules) in [
        ("secret", "off"),
        ("secret", "on resetpass >new"),
        ("new", "<new >newer"),
    ] {
        let page = log_in(password);
        let mut events = Events::open(&page, &json!({"topics": ["stats"]}));
        assert_eq!(other.ask("ACL SETUSER ops +@all >more"), "+OK\r\n");
        assert_eq!(page.call("command", &ping).status, 200, "of other rules");
        assert_eq!(other.ask(&format!("ACL SETUSER ops {rules}")), "+OK\r\n");
        assert_eq!(page.call("command", &ping).status, 401, "{rules}");
        events.wait_for(r#""topic":"session""#);
        assert_eq!(other.ask("ACL SETUSER ops on"), "+OK\r\n");
    }
    let page = Page::of(port);
    assert_eq!(other.ask("CONFIG SET requirepass x"), "+OK\r\n");
    assert_eq!(page.call("me", &json!({})).status, 401, "it had none");
}

#[test]
fn a_session_is_locked_until_it_is_opened() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    let commands = json!([
        ["SET", "k", "v"],
        ["DEL", "k"],
        ["FLUSHALL"],
        ["CONFIG", "SET", "maxmemory", "1gb"],
        ["ACL", "LOG", "RESET"],
        ["SLOWLOG", "RESET"],
        ["CLIENT", "KILL", "ID", "1"],
        ["EVAL", "return redis.call('set','k','v')", "0"],
        ["EVAL_RO", "return redis.call('set','k','v')", "0"],
        ["PUBLISH", "c", "m"],
        ["SHUTDOWN"],
        ["MEMORY", "PURGE"],
        ["GETDEL", "k"],
        ["PFCOUNT", "k"]
    ]);
    let replies = page.run(&commands);
    let replies = replies.as_array().expect("a list");
    assert_eq!(replies.last(), Some(&json!(0)), "this one reads");
    for (reply, command) in replies
        .iter()
        .zip(commands.as_array().expect("a list"))
        .take(13)
    {
        let error = reply["e"]
            .as_str()
            .unwrap_or_else(|| panic!("{command}: {reply}"));
        let is_refused = error.starts_with("NOPERM ") || error.contains("read-only");
        assert!(is_refused, "{command}: {error}");
    }
    let atomic = json!({"atomic": true, "cmds": [["GET", "k"], ["SET", "k", "v"]]});
    let reported = page.call("command", &atomic).json();
    assert!(
        reported["r"][1]["e"]
            .as_str()
            .expect("an error")
            .starts_with("NOPERM ")
    );
    assert_eq!(server.connect().ask("DBSIZE"), ":0\r\n");
    page.unlock();
    assert_eq!(page.run(&json!([["SET", "k", "v"]])), json!([{"s": "OK"}]));
    assert_eq!(
        page.call("lock", &json!({"locked": true})).json(),
        json!({"locked": true})
    );
    assert!(page.run(&json!([["DEL", "k"]]))[0]["e"].is_string());
}

#[test]
fn a_locked_session_sees_what_a_sentinel_watches() {
    let port = free_side_port();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sentinel.conf");
    let text = format!("console-port {port}\nsentinel monitor shop 127.0.0.1 1 1\n");
    std::fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("UTF-8").to_owned();
    let _sentinel = Daemon::start_with_file(&file, &["--sentinel"], folder);
    let page = Page::of(port);
    let reported = page.run(&json!([
        ["SENTINEL", "MASTERS"],
        ["SENTINEL", "REMOVE", "shop"]
    ]));
    assert!(reported[0].to_string().contains("\"shop\""), "{reported}");
    assert!(reported[1].to_string().contains("NOPERM "), "{reported}");
}

#[test]
fn every_kind_of_reply_arrives_as_it_is() {
    let (_server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    let replies = page.run(&json!([
        ["SET", {"b": "AP8="}, {"b": "/wA="}],
        ["GET", {"b": "AP8="}],
        ["SET", "n", "9223372036854775807"],
        ["INCRBY", "n", "-1"],
        ["DECRBY", "n", "9223372036854775000"],
        ["HSET", "h", "f", "<img onerror>\n"],
        ["HGETALL", "h"],
        ["SADD", "s", "a"],
        ["SMEMBERS", "s"],
        ["ZADD", "z", "-0", "a", "inf", "b", "-inf", "c", "1.5", "d"],
        ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
        ["DEBUG", "PROTOCOL", "bignum"],
        ["EVAL", "return {double=0.5}", "0"],
        ["GET", "none"],
        ["NOSUCH"],
        ["LPUSH", "h", "a"]
    ]));
    assert_eq!(replies[1], json!({"b": "/wA="}));
    assert_eq!(replies[3], json!({"i": "9223372036854775806"}));
    assert_eq!(replies[4], json!(806));
    assert_eq!(replies[6], json!({"m": ["f", "<img onerror>\n"]}));
    assert_eq!(replies[8], json!({"t": ["a"]}));
    let scores = json!([
        ["c", {"d": "-inf"}],
        ["a", {"d": "0"}],
        ["d", {"d": "1.5"}],
        ["b", {"d": "inf"}]
    ]);
    assert_eq!(replies[10], scores);
    assert_eq!(replies[13], Value::Null);
    assert!(
        replies[14]["e"]
            .as_str()
            .expect("an error")
            .starts_with("ERR unknown command")
    );
    assert!(
        replies[15]["e"]
            .as_str()
            .expect("an error")
            .starts_with("WRONGTYPE ")
    );
}

#[test]
fn commands_that_need_a_connection_of_their_own_are_refused_and_none_waits() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    let commands = json!([
        ["SUBSCRIBE", "c"],
        ["MONITOR"],
        ["PSYNC", "?", "-1"],
        ["HELLO", "2"],
        ["AUTH", "x"],
        ["RESET"],
        ["QUIT"],
        ["CLIENT", "REPLY", "OFF"],
        ["CLIENT", "TRACKING", "ON"],
        ["SELECT", "1"],
        ["MULTI"],
        ["WATCH", "k"]
    ]);
    let replies = page.run(&commands);
    for reply in replies.as_array().expect("a list") {
        assert!(
            reply["e"]
                .as_str()
                .expect("an error")
                .starts_with("CONSOLE "),
            "{reply}"
        );
    }
    let began = Instant::now();
    let waits = json!([
        ["BLPOP", "q", "0"],
        ["WAIT", "1", "0"],
        ["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]
    ]);
    assert_eq!(page.run(&waits), json!([null, 0, null]));
    assert!(began.elapsed() < Duration::from_secs(5));
    // Blocking commands of a page do not wait for later elements.
    assert_eq!(server.info("blocked_clients").as_deref(), Some("0"));
    let mut other = server.connect();
    assert_eq!(other.ask("RPUSH q x"), ":1\r\n");
    assert_eq!(other.ask("LLEN q"), ":1\r\n");
    let body = json!({"cmds": vec![json!(["PING"]); 513]});
    assert_eq!(page.call("command", &body).status, 400);
    for (body, status) in [
        ("{", 400),
        ("[]", 400),
        (r#"{"cmds":[[]]}"#, 400),
        (r#"{"db":99}"#, 400),
    ] {
        let headers = format!("{OWN}Cookie: {}\r\n", page.cookie);
        assert_eq!(
            post(port, "/api/command", &headers, body).status,
            status,
            "{body}"
        );
    }
}

#[test]
fn a_long_reply_is_an_error_and_ends_nothing() {
    let (server, port) = start(&[]);
    let mut other = server.connect();
    other.call(&[&b"SET"[..], b"big", &vec![b'x'; 9 << 20]]);
    other.call(&[&b"SET"[..], b"half", &vec![0; 3 << 20]]);
    let page = Page::of(port);
    let replies = page.run(&json!([["GET", "big"], ["GET", "half"], ["STRLEN", "big"]]));
    for reply in [&replies[0], &replies[1]] {
        let error = reply["e"].as_str().expect("an error");
        assert!(
            error.starts_with("CONSOLE reply is larger than 8 MiB"),
            "{error}"
        );
    }
    assert_eq!(replies[2], json!(9 << 20));
}

#[test]
fn a_change_depends_on_what_was_seen() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    let mut other = server.connect();
    other.ask("HSET h f 1");
    let save = json!({
        "if": [[["HGET", "h", "f"], "1"], [["TYPE", "h"], {"s": "hash"}]],
        "cmds": [["HSET", "h", "f", "2"], ["INCR", "n"]],
        "atomic": true
    });
    assert_eq!(page.call("command", &save).json()["r"], json!([0, 1]));
    let changed = page.call("command", &save).json();
    assert_eq!(changed, json!({"changed": 0, "now": "2"}));
    assert_eq!(other.ask("GET n"), "$1\r\n1\r\n");
}

#[test]
fn looking_is_no_use_of_the_data() {
    let (server, port) = start(&["--prefix-stats", "yes", "--maxmemory-policy", "allkeys-lfu"]);
    let mut other = server.connect();
    other.ask("SET a:1 x");
    other.ask("CONFIG RESETSTAT");
    let lines = other.ask("PREFIXSTATS");
    let page = Page::of(port);
    other.ask("HOTKEYS START METRICS 1 CPU");
    for _ in 0..20 {
        page.run(&json!([["GET", "a:1"], ["GET", "a:2"], ["HGETALL", "a:3"]]));
    }
    assert_eq!(server.info("keyspace_hits").as_deref(), Some("0"));
    assert_eq!(server.info("keyspace_misses").as_deref(), Some("0"));
    assert_eq!(other.ask("PREFIXSTATS"), lines);
    assert!(!other.ask("HOTKEYS GET").contains("a:1"));
    // INFO commandstats counts the commands of a page.
    assert!(
        other
            .ask("INFO commandstats")
            .contains("cmdstat_get:calls=40")
    );
}

#[test]
fn pauses_hold_a_call_back_and_others_go_on() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    let mut other = server.connect();
    assert_eq!(other.ask("CLIENT PAUSE 700 WRITE"), "+OK\r\n");
    let began = Instant::now();
    assert_eq!(page.run(&json!([["GET", "k"]])), json!([null]));
    assert!(began.elapsed() < Duration::from_millis(500));
    assert_eq!(
        page.run(&json!([["INCR", "k"], ["INCR", "k"]])),
        json!([1, 2])
    );
    assert!(began.elapsed() > Duration::from_millis(500));
}

#[test]
fn a_busy_script_is_shown_and_can_be_killed() {
    let (server, port) = start(&["--busy-reply-threshold", "50"]);
    let page = Page::of(port);
    page.unlock();
    let mut busy = server.connect();
    busy.send(b"EVAL \"while true do end\" 0\r\n");
    wait_until("the script is busy", || {
        let reply = page.run(&json!([["GET", "k"]]));
        reply[0]["e"]
            .as_str()
            .is_some_and(|error| error.starts_with("BUSY "))
    });
    assert_eq!(page.call("me", &json!({})).status, 200);
    assert_eq!(page.run(&json!([["SCRIPT", "KILL"]])), json!([{"s": "OK"}]));
    assert!(busy.reply().starts_with(b"-ERR "));
}

#[test]
fn what_an_answer_acknowledges_is_in_the_log() {
    let (mut server, port) = start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let page = Page::of(port);
    page.unlock();
    for n in 0..20 {
        let reply = page.run(&json!([["INCR", "n"]]));
        assert_eq!(reply, json!([n + 1]));
    }
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("GET n"), "$2\r\n20\r\n");
}

/// The events of a stream so far.
struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    fn open(page: &Page, body: &Value) -> Events {
        let mut stream = connect(page.port).expect("it listens");
        let body = body.to_string();
        let text = format!(
            "POST /api/stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{OWN}Cookie: {}\r\n\
             \r\n{body}",
            body.len(),
            page.cookie
        );
        stream.write_all(text.as_bytes()).expect("room");
        let mut events = Events {
            stream,
            text: String::new(),
        };
        events.wait_for("\r\n\r\n");
        events
    }

    #[track_caller]
    fn wait_for(&mut self, part: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        let mut bytes = [0; 65536];
        let mut is_there = self.text.contains(part);
        while !is_there {
            let n = match self.stream.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                n => n.expect("an event"),
            };
            // The server says now and then that the stream lives.
            assert!(n > 0 && Instant::now() < until, "{part} does not come");
            let mut from = self.text.len().saturating_sub(part.len());
            while !self.text.is_char_boundary(from) {
                from -= 1;
            }
            self.text += &String::from_utf8_lossy(&bytes[..n]);
            is_there = self.text[from..].contains(part);
        }
    }
}

#[test]
fn a_stream_has_messages_figures_and_commands() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    let topics = json!({"topics": [
        "stats",
        {"subscribe": ["c"]},
        {"psubscribe": ["p*"]},
        {"monitor": {"cmd": "set", "key": "user:*", "for": 1}}
    ]});
    let mut events = Events::open(&page, &topics);
    assert!(events.text.contains("Content-Type: text/event-stream"));
    let mut other = server.connect();
    other.ask("SET other 1");
    other.ask("GET user:1");
    other.ask("SET user:1 x");
    other.call(&[&b"PUBLISH"[..], b"c", b"a\n\xff"]);
    other.ask("PUBLISH px hello");
    events.wait_for(r#"{"channel":"px","pattern":"p*","message":"hello"}"#);
    events.wait_for(r#"{"channel":"c","pattern":null,"message":{"b":"YQr/"}}"#);
    events.wait_for(r#""cmd":["SET","user:1","x"]"#);
    events.wait_for("event: stats");
    events.wait_for(r#"{"topic":"monitor","reason":"its time is over"}"#);
    assert!(!events.text.contains("other"), "{}", events.text);
    assert!(!events.text.contains(r#"["GET""#));
    assert_eq!(page.call("logout", &json!({})).status, 200);
    events.wait_for(r#""topic":"session""#);
    wait_until("its clients are gone", || {
        server.info("pubsub_clients").as_deref() == Some("0")
    });
}

#[test]
fn a_stream_is_what_the_user_may_see() {
    let users = [
        "--user", "few", "on", ">secret", "~*", "&open*", "+@all", "-monitor",
    ];
    let (_server, port) = start(&users);
    let page = Page::log_in(port, "few", "secret").expect("the right one");
    for topics in [json!([{"subscribe": ["closed"]}]), json!([{"monitor": {}}])] {
        let answer = page.call("stream", &json!({"topics": topics}));
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(
            answer.json()["error"]
                .as_str()
                .expect("text")
                .starts_with("NOPERM ")
        );
    }
    let stats = json!({"topics": ["stats", {"subscribe": ["open1"]}]});
    let mut events: Vec<Events> = (0..8).map(|_| Events::open(&page, &stats)).collect();
    assert_eq!(page.call("stream", &stats).status, 429);
    events[7].wait_for("event: stats");
}

#[test]
fn figures_are_shown_to_users_that_may_run_info() {
    let users = ["--user", "few", "on", ">secret", "~*", "+get"];
    let (server, port) = start(&users);
    let page = Page::log_in(port, "few", "secret").expect("the right one");
    let stats = json!({"topics": ["stats"]});
    for (call, body) in [("history", &json!({})), ("stream", &stats)] {
        let answer = page.call(call, body);
        assert_eq!(answer.status, 403, "{answer:?}");
        let error = answer.json()["error"].to_string();
        assert!(
            error.contains("NOPERM ") && error.contains("'info'"),
            "{error}"
        );
    }
    server.connect().ask("ACL SETUSER few +info");
    assert_eq!(page.call("history", &json!({})).status, 200);
    Events::open(&page, &stats).wait_for("event: stats");
}

#[test]
fn a_stream_that_is_not_read_loses_events_and_no_memory() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    let mut events = Events::open(&page, &json!({"topics": [{"subscribe": ["c"]}]}));
    let mut other = server.connect();
    let text = vec![b'x'; 100_000];
    let before: u64 = server
        .info("used_memory")
        .and_then(|n| n.parse().ok())
        .expect("a figure");
    for _ in 0..2000 {
        other.call(&[&b"PUBLISH"[..], b"c", &text]);
    }
    let after: u64 = server
        .info("used_memory")
        .and_then(|n| n.parse().ok())
        .expect("a figure");
    assert!(after < before + (8 << 20), "{before} {after}");
    let mut stop = connect(port).expect("it listens");
    let _ = stop.write_all(b"x");
    // A stream that reads again learns which events it has missed.
    let has_come = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = SetOnDrop(&has_come);
        scope.spawn(|| {
            while !has_come.load(Ordering::Relaxed) {
                other.ask("PUBLISH c more");
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        events.wait_for("event: dropped");
    });
}

#[test]
fn history_begins_before_anybody_looks() {
    let (server, port) = start(&[]);
    server.connect().ask("SET a 1");
    std::thread::sleep(Duration::from_millis(2300));
    let page = Page::of(port);
    let history = page.call("history", &json!({})).json();
    let rows = history["tiers"][0]["rows"].as_array().expect("rows");
    assert!(rows.len() >= 2, "{history}");
    let fields = history["fields"].as_array().expect("names");
    let at = |name: &str| {
        fields
            .iter()
            .position(|field| field == name)
            .expect("a field")
    };
    let last = rows.last().expect("a row");
    assert_eq!(last[at("keys")], 1);
    assert!(last[at("used_memory")].as_u64().expect("a number") > 100_000);
    assert!(last[at("aof_unsynced_ms")].is_null());
    let one = page.call("history", &json!({"tiers": [60]})).json();
    assert_eq!(one["tiers"].as_array().map(Vec::len), Some(1));
}

fn unpack(answer: &Answer) -> Vec<u8> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..])
        .read_to_end(&mut unpacked)
        .expect("gzip");
    unpacked
}

#[test]
fn answers_take_turns_at_being_compressed_while_others_are_served() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    let body = json!({"tiers": [60]}).to_string();
    let head = format!(
        "Host: localhost\r\n{OWN}Accept-Encoding: gzip\r\nCookie: {}\r\n",
        page.cookie
    );
    let request = |call: &str, body: &str| {
        format!(
            "POST /api/{call} HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    // The server needs a turn for each stream.
    let mut streams: Vec<TcpStream> = (0..40)
        .map(|_| connect(port).expect("it listens"))
        .collect();
    let mut other: Connection = server.connect();
    for round in 0..5 {
        for stream in &mut streams {
            let text = request("me", "{}") + &request("history", &body);
            stream.write_all(text.as_bytes()).expect("room");
        }
        assert_eq!(other.ask("PING"), "+PONG\r\n");
        for stream in &mut streams {
            let me = read_answer(stream);
            assert_eq!(me.header("Content-Encoding"), Some("gzip"), "{round}");
            let me: Value = serde_json::from_slice(&unpack(&me)).expect("JSON");
            assert_eq!(me["user"], "default");
            assert!(read_answer(stream).json()["tiers"].is_array());
        }
    }
}

#[test]
fn figures_are_compressed_and_data_is_not() {
    let (_server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    page.run(&json!([["SET", "k", "x".repeat(100_000)]]));
    std::thread::sleep(Duration::from_millis(1200));
    let packed = |path: &str, body: &Value, accepts: &str| {
        let headers = format!("{OWN}{accepts}Cookie: {}\r\n", page.cookie);
        post(port, &format!("/api/{path}"), &headers, &body.to_string())
    };
    const GZIP: &str = "Accept-Encoding: gzip, br\r\n";
    let plain = packed("me", &json!({}), "");
    assert!(plain.header("Content-Encoding").is_none());
    let short = packed("me", &json!({}), GZIP);
    assert_eq!(short.header("Content-Encoding"), Some("gzip"));
    let unpacked = unpack(&short);
    let me: Value = serde_json::from_slice(&unpacked).expect("JSON");
    assert_eq!(me["commands"], plain.json()["commands"]);
    assert!(short.body.len() * 2 < unpacked.len());
    // A few rows fit into a packet.
    let history = packed("history", &json!({"tiers": [60]}), GZIP);
    assert!(history.header("Content-Encoding").is_none());
    let data = packed("command", &json!({"cmds": [["GET", "k"]]}), GZIP);
    assert!(data.header("Content-Encoding").is_none());
    assert_eq!(data.json()["r"][0].as_str().map(str::len), Some(100_000));
}

#[test]
fn others_are_served_while_a_page_asks_for_much() {
    let (server, port) = start(&[]);
    let page = Page::of(port);
    page.unlock();
    let fill: Vec<Value> = (0..512)
        .map(|n| json!(["SET", format!("k{n}"), "x".repeat(1000)]))
        .collect();
    page.run(&json!(fill));
    let read: Vec<Value> = (0..512).map(|n| json!(["GET", format!("k{n}")])).collect();
    let body = json!({"cmds": read}).to_string();
    let mut stream = connect(port).expect("it listens");
    let text = format!(
        "POST /api/command HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{OWN}Cookie: {}\r\n\r\n{body}",
        body.len(),
        page.cookie
    );
    let mut other: Connection = server.connect();
    for _ in 0..20 {
        stream.write_all(text.as_bytes()).expect("room");
        assert_eq!(other.ask("PING"), "+PONG\r\n");
        let answer = read_answer(&mut stream);
        assert_eq!(answer.json()["r"].as_array().map(Vec::len), Some(512));
    }
}
