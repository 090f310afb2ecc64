//! `russet ping` and `russet doctor` beside a running server.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::Daemon;
use crate::support::daemon::russet;

fn tool(words: &[&str]) -> (String, Option<i32>) {
    let out: Output = Command::new(russet())
        .args(words)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    (text, out.status.code())
}

#[test]
fn ping_asks_where_it_is_told_or_where_the_file_says() {
    let mut server = Daemon::start(&["--requirepass", "s3cret", "--unixsocket", "s.sock"]);
    let port = server.port().to_string();
    assert_eq!(
        tool(&["ping", "-p", &port, "-a", "s3cret"]),
        ("PONG\n".to_owned(), Some(0))
    );
    let (text, code) = tool(&["ping", "-p", &port]);
    assert!(text.starts_with("NOAUTH") && code == Some(0), "{text}");
    let (text, code) = tool(&["ping", "-p", &port, "-a", "wrong"]);
    assert!(text.contains("WRONGPASS") && code == Some(1), "{text}");
    let socket = server.folder().join("s.sock");
    let socket = socket.to_str().expect("UTF-8");
    assert_eq!(tool(&["ping", "-s", socket, "-a", "s3cret"]).1, Some(0));
    let file = server.folder().join("r.conf");
    std::fs::write(
        &file,
        format!("port {port}\nbind * -::*\nrequirepass s3cret\n"),
    )
    .expect("a file");
    let file = file.to_str().expect("UTF-8");
    assert_eq!(tool(&["ping", file]), ("PONG\n".to_owned(), Some(0)));
    server.terminate();
    assert_eq!(tool(&["ping", file]).1, Some(1));
}

#[test]
fn ping_finds_where_a_process_listens() {
    // A container's health check: the port is configured, beside other ports.
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let other = taken.local_addr().expect("bound").port().to_string();
    drop(taken);
    let mut server = Daemon::start(&["--metrics-port", &other, "--unixsocket", "s.sock"]);
    let pid = server.pid().to_string();
    assert_eq!(
        tool(&["ping", "--pid", &pid]),
        ("PONG\n".to_owned(), Some(0))
    );
    server.connect().ask("CONFIG SET requirepass s3cret");
    let (text, code) = tool(&["ping", "--pid", &pid]);
    assert!(text.starts_with("NOAUTH") && code == Some(0), "{text}");
    server.terminate();
    assert_eq!(tool(&["ping", "--pid", &pid]).1, Some(1));
}

#[test]
fn doctor_names_what_is_to_be_mended_and_why() {
    let server = Daemon::start(&["--protected-mode", "no"]);
    let port = server.port().to_string();
    let mut connection = server.connect();
    for command in ["SET a b", "CONFIG SET maxmemory 3mb", "DEBUG SLEEP 0.25"] {
        assert_eq!(connection.ask(command), "+OK\r\n");
    }
    let (text, code) = tool(&["doctor", "-p", &port]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("WARN slow commands: \"DEBUG SLEEP 0.25\" took 2"),
        "{text}"
    );
    assert!(text.contains("     mend: SLOWLOG GET"), "{text}");
    assert!(
        text.contains("overcommit: ") && text.contains("open files: "),
        "{text}"
    );
    assert!(text.ends_with(" to mend\n"), "{text}");
    assert_eq!(tool(&["doctor", "-p", "1"]).1, Some(2));
}
