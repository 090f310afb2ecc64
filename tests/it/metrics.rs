//! `metrics-port`: the peers that get an answer, the answers, and their limits.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::daemon::free_side_port;
use crate::support::{Connection, Daemon, wait_until};

/// A server with metrics on a port of their own.
fn start(args: &[&str]) -> (Daemon, u16) {
    Daemon::start_with_port("--metrics-port", args)
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// The whole answer to a request sent in these pieces.
fn ask(port: u16, pieces: &[&[u8]]) -> String {
    let mut stream = connect(port).expect("it listens");
    for piece in pieces {
        stream.write_all(piece).expect("room");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut answer = Vec::new();
    // A refusal may leave unread bytes, so the connection may end with a reset.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(port: u16, path: &str) -> String {
    ask(
        port,
        &[format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()],
    )
}

#[test]
fn metrics_and_health_are_served_beside_commands() {
    let (server, port) = start(&[]);
    assert_eq!(server.connect().ask("SET a 1"), "+OK\r\n");
    let text = get(port, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(
        text.contains("\nredis_commands_total{cmd=\"set\"} 1\n"),
        "{text}"
    );
    assert!(get(port, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 200 "));
    let halves = [&b"GET /healthz HT"[..], b"TP/1.1\r\n\r", b"\n"];
    assert!(ask(port, &halves).ends_with("ok\n"));
    assert!(ask(port, &[b"*1\r\n$4\r\nPING\r\n"]).starts_with("HTTP/1.1 400 "));
    // Scrapes are not clients.
    assert_eq!(server.info("connected_clients").as_deref(), Some("1"));
}

#[test]
fn loading_is_alive_and_not_ready() {
    let (mut server, port) = start(&["--appendonly", "yes", "--key-load-delay", "2000"]);
    let mut connection = server.connect();
    for i in 0..500 {
        connection.ask(&format!("SET key:{i} value"));
    }
    drop(connection);
    let (folder, own) = (server.folder().to_owned(), server.port());
    server.terminate();
    let log = std::fs::File::create(folder.join("log2")).expect("a file");
    let mut child = std::process::Command::new(crate::support::daemon::russet())
        .args([
            "--port",
            &own.to_string(),
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
        ])
        .args([
            "--key-load-delay",
            "20000",
            "--metrics-port",
            &port.to_string(),
        ])
        .current_dir(&folder)
        .stdout(log)
        .spawn()
        .expect("it starts");
    wait_until("the port is open", || connect(port).is_ok());
    let ready = get(port, "/readyz");
    let alive = get(port, "/healthz");
    let metrics = get(port, "/metrics");
    let _ = child.kill();
    let _ = child.wait();
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("loading\n"),
        "{ready}"
    );
    assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
    assert!(
        metrics.contains("\nredis_loading_dump_file 1\n"),
        "{metrics}"
    );
}

#[test]
fn the_port_moves_closes_and_opens_by_config_set() {
    let (server, port) = start(&[]);
    let mut connection = server.connect();
    assert_eq!(connection.ask("CONFIG SET metrics-port 0"), "+OK\r\n");
    wait_until("the port is closed", || connect(port).is_err());
    let other = free_side_port();
    let taken = TcpListener::bind(("127.0.0.1", other)).expect("a free port");
    let refused = connection.ask(&format!("CONFIG SET metrics-port {other}"));
    assert!(
        refused.contains("Unable to listen on this port"),
        "{refused}"
    );
    assert_eq!(
        connection.ask("CONFIG GET metrics-port"),
        "*2\r\n$12\r\nmetrics-port\r\n$1\r\n0\r\n"
    );
    drop(taken);
    assert_eq!(
        connection.ask(&format!("CONFIG SET metrics-port {other}")),
        "+OK\r\n"
    );
    wait_until("the port is open", || connect(other).is_ok());
    assert!(get(other, "/healthz").ends_with("ok\n"));
    assert_eq!(
        connection.ask("CONFIG SET metrics-allow 192.0.2.1"),
        "+OK\r\n"
    );
    assert!(get(other, "/healthz").starts_with("HTTP/1.1 403 "));
}

/// Regression: probes and scrapes waited for the end of a long script.
#[test]
fn a_busy_script_holds_up_no_probe() {
    let (server, port) = start(&["--busy-reply-threshold", "10"]);
    let mut connection = server.connect();
    connection.send(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n");
    let mut other = server.connect();
    wait_until("the script counts as busy", || {
        other.ask("PING").starts_with("-BUSY")
    });
    let began = Instant::now();
    assert!(get(port, "/healthz").ends_with("\r\n\r\nok\n"));
    let unready = get(port, "/readyz");
    assert!(
        unready.starts_with("HTTP/1.1 503 ") && unready.contains("a script runs"),
        "{unready}"
    );
    let text = get(port, "/metrics");
    assert!(text.contains("\nredis_commands_total{"), "{text}");
    assert!(ask(port, &[b"GET /healthz HT", b"TP/1.1\r\n\r\n"]).ends_with("ok\n"));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(get(port, "/healthz").ends_with("ok\n"));
    wait_until("readiness", || get(port, "/readyz").ends_with("ok\n"));
}

/// Connections that send nothing or read nothing block no other connection.
#[test]
fn the_slow_and_the_silent_are_bounded() {
    let (server, port) = start(&[]);
    let mut silent: Vec<TcpStream> = (0..40).map(|_| connect(port).expect("room")).collect();
    // For each new connection without a place the server closes the connection that has waited
    // longest.
    for closed in &mut silent[..8] {
        let mut answer = String::new();
        closed.read_to_string(&mut answer).expect("it ends");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let mut connection: Connection = server.connect();
    assert_eq!(connection.ask("PING"), "+PONG\r\n");
    for _ in 0..3 {
        assert!(get(port, "/healthz").ends_with("ok\n"));
    }
    let began = Instant::now();
    let mut answer = String::new();
    silent[39].read_to_string(&mut answer).expect("it ends");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(15));
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000));
    assert!(ask(port, &[long.as_bytes()]).starts_with("HTTP/1.1 431 "));
}
