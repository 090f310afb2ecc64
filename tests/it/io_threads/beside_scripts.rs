//! Clients while a long script runs: threads deliver some requests together with the script, and
//! some later.

use super::ALWAYS;
use crate::support::Daemon;
use crate::support::resp::command;

fn busy_server() -> Daemon {
    let one_thread = ["--io-threads", "2", "--busy-reply-threshold", "50"];
    Daemon::start(&[&ALWAYS[..], &one_thread].concat())
}

/// Regression: if a thread read the script and SCRIPT KILL at once, the script ran before the
/// server looked at SCRIPT KILL.
#[test]
fn a_script_is_ended_by_what_came_at_the_same_time() {
    let server = busy_server();
    let endless = command(&[&b"EVAL"[..], b"while true do end", b"0"]);
    for _ in 0..40 {
        let (mut busy, mut other) = (server.connect(), server.connect());
        for client in [&mut busy, &mut other] {
            assert_eq!(client.ask("PING"), "+PONG\r\n");
        }
        busy.send(&endless);
        other.send(b"SCRIPT KILL\r\n");
        let mut reply = other.reply();
        while reply.starts_with(b"-NOTBUSY") {
            // SCRIPT KILL overtook the script.
            reply = other.ask("SCRIPT KILL").into_bytes();
        }
        assert_eq!(reply, b"+OK\r\n");
        assert!(busy.reply().starts_with(b"-ERR Script killed"));
    }
}

/// The server runs a client's requests in their order, whether they came before, during or after
/// its script.
#[test]
fn what_a_client_sends_beside_its_script_runs_in_its_order() {
    let server = busy_server();
    let (mut busy, mut other) = (server.connect(), server.connect());
    let echo = |i: u32| command(&[&b"ECHO"[..], i.to_string().as_bytes()]);
    for _ in 0..5 {
        busy.send(&command(&[&b"EVAL"[..], b"while true do end", b"0"]));
        while !other.ask("PING").starts_with("-BUSY") {}
        for i in 0..20 {
            busy.send(&echo(i));
            // The PING gives the loop a turn with the client's request.
            other.ask("PING");
        }
        other.send(b"SCRIPT KILL\r\n");
        for i in 20..40 {
            busy.send(&echo(i));
        }
        assert_eq!(other.reply(), b"+OK\r\n");
        assert!(busy.reply().starts_with(b"-ERR Script killed"));
        for i in 0..40 {
            let wanted = i.to_string();
            let wanted = format!("${}\r\n{wanted}\r\n", wanted.len());
            assert_eq!(busy.reply(), wanted.as_bytes());
        }
    }
}
