//! A primary with keys that a real older replica cannot load. The primary names the replica, the
//! key and the type, waits between the copies, and reports the problem in every health check until
//! the key is gone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use super::node::{Kind, Node};
use crate::support::daemon::russet;
use crate::support::{Daemon, wait_until};

/// Time limit of an answer over HTTP.
const ANSWER: Duration = Duration::from_secs(20);

/// The answer of `/readyz`.
fn readiness(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(ANSWER)).expect("a socket");
    let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn doctor(port: u16) -> String {
    let words = ["doctor", "-p", &port.to_string()];
    let ended = Command::new(russet()).args(words).output();
    String::from_utf8_lossy(&ended.expect("it runs").stdout).into_owned()
}

/// `write` makes a key of a type that this replica does not know. `named` is the log's text about
/// the key, `version` the snapshot version that the key needs.
pub fn play(kind: Kind, write: &[&[&str]], named: &str, version: &str) {
    let args = ["--repl-diskless-sync-delay", "0"];
    let (primary, metrics) = Daemon::start_with_port("--metrics-port", &args);
    let mut c = primary.connect();
    for words in write {
        let reply = c.call(words);
        assert!(
            !reply.starts_with(b"-"),
            "{}",
            String::from_utf8_lossy(&reply)
        );
    }
    let set = |c: &mut crate::support::Connection, good: u32| {
        let line = format!("CONFIG SET min-replicas-to-write {good}");
        assert_eq!(c.ask(&line), "+OK\r\n");
    };
    set(&mut c, 1);
    assert!(
        readiness(metrics).starts_with("HTTP/1.1 200"),
        "no replica yet"
    );
    let port = primary.port().to_string();
    let replica = Node::start(
        kind,
        &["--replicaof", "127.0.0.1", &port].map(str::to_owned),
    );
    let wanted = format!("ip=127.0.0.1,port={},copies=", replica.port());
    wait_until("the third copy to fail", || {
        let line = primary.info("sync_failing0").unwrap_or_default();
        let copies = line
            .strip_prefix(&wanted)
            .and_then(|rest| rest.split(',').next());
        copies.and_then(|n| n.parse().ok()).unwrap_or(0) >= 3
    });
    let (name, port) = (format!("127.0.0.1:{}", replica.port()), primary.port());
    let failed = format!("Replica {name} was sent a whole copy 3 times and has acknowledged none");
    primary.wait_for_log(&failed);
    let line = primary.info("sync_failing0").unwrap_or_default();
    assert!(
        line.contains(&format!(",version={version},needs=")),
        "{line}"
    );
    let log = primary.log();
    for text in [named, "The next one begins in ", "`russet check-rdb --for`"] {
        assert!(log.contains(text), "{text} in\n{log}");
    }
    let text = doctor(port);
    assert!(
        text.contains("FAIL replicas: ") && text.contains(&name),
        "{text}"
    );
    let answer = readiness(metrics);
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains(&name),
        "{answer}"
    );
    // Without configured replicas the problem is no reason to send clients elsewhere.
    set(&mut c, 0);
    assert!(readiness(metrics).starts_with("HTTP/1.1 200"));
    assert_eq!(c.ask("DEL odd"), ":1\r\n");
    wait_until("the replica to load the rest", || {
        replica.is_linked() && primary.info("sync_failing0").is_none()
    });
    assert_eq!(
        replica.ask("GET plain").expect("its value").text(),
        Some(&b"1"[..])
    );
    set(&mut c, 1);
    wait_until("readiness", || {
        readiness(metrics).starts_with("HTTP/1.1 200")
    });
    assert!(!doctor(port).contains("FAIL replicas"));
}
