//! Clients that break the protocol or strain the server get a clear error or correct service, and
//! harm no other client.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Daemon, wait_until};

/// Sends these bytes; returns everything received until the server closes.
fn answered_and_closed(server: &Daemon, bytes: &[u8]) -> String {
    let mut c = server.connect();
    c.send(bytes);
    String::from_utf8_lossy(&c.rest()).into_owned()
}

#[test]
fn broken_lengths_are_answered_and_the_connection_closed() {
    let server = Daemon::start(&[]);
    for (bytes, error) in [
        (&b"*-2147483649x\r\n"[..], "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$-2\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
        (b"*1\r\n$12345678901234567890\r\n", "invalid bulk length"),
        (b"*1\r\n:3\r\n", "expected '$', got ':'"),
        (b"SET \"unbalanced\r\n", "unbalanced quotes in request"),
    ] {
        let reported = answered_and_closed(&server, bytes);
        assert_eq!(reported, format!("-ERR Protocol error: {error}\r\n"));
    }
    let long = vec![b'a'; 70 * 1024];
    assert_eq!(
        answered_and_closed(&server, &long),
        "-ERR Protocol error: too big inline request\r\n"
    );
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
}

#[test]
fn an_announced_length_allocates_nothing() {
    let server = Daemon::start(&[]);
    let used = || {
        server
            .info("used_memory")
            .and_then(|n| n.parse::<u64>().ok())
            .expect("INFO")
    };
    let before = used();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut c = server.connect();
        c.send(b"*1000000\r\n$500000000\r\nabc");
        waiting.push(c);
    }
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    assert!(used() < before + (4 << 20), "{before} {}", used());
}

#[test]
fn a_command_that_comes_byte_by_byte_is_served() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let mut other = server.connect();
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\x00\r\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n" {
        c.send(&[*byte]);
        assert_eq!(other.ask("PING"), "+PONG\r\n");
    }
    assert_eq!(c.reply(), b"+OK\r\n");
    assert_eq!(c.reply(), b"$2\r\n\x00\r\r\n");
}

#[test]
fn a_million_arguments_are_served() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let mut request = b"*1000001\r\n$3\r\nDEL\r\n".to_vec();
    for i in 0..1_000_000 {
        let key = i.to_string();
        write!(request, "${}\r\n{key}\r\n", key.len()).expect("memory");
    }
    c.ask("SET 77 x");
    c.send(&request);
    assert_eq!(c.reply(), b":1\r\n");
}

#[test]
fn keys_and_values_hold_any_bytes() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let odd: &[u8] = b"\0\r\n\xff\xfe$3\r\n";
    assert_eq!(c.call(&[&b"SET"[..], odd, odd]), b"+OK\r\n");
    let mut want = format!("${}\r\n", odd.len()).into_bytes();
    want.extend_from_slice(odd);
    want.extend_from_slice(b"\r\n");
    assert_eq!(c.call(&[&b"GET"[..], odd]), want);
}

#[test]
fn a_big_value_goes_in_and_out_whole() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.reply_limit(Duration::from_secs(60));
    let value: Vec<u8> = (0..64u32 << 20).map(|i| (i % 251) as u8).collect();
    assert_eq!(c.call(&[&b"SET"[..], b"big", &value]), b"+OK\r\n");
    // A client overwrites and deletes the value while the server sends it: the reply is the value
    // at the time of GET.
    c.send(b"GET big\r\nSETRANGE big 0 changed\r\nDEL big\r\n");
    let reply = c.reply();
    let header = format!("${}\r\n", value.len());
    assert!(reply.starts_with(header.as_bytes()));
    assert!(reply[header.len()..reply.len() - 2] == value[..]);
    assert_eq!(c.reply(), format!(":{}\r\n", value.len()).as_bytes());
    assert_eq!(c.reply(), b":1\r\n");
}

#[test]
fn a_client_that_never_reads_is_closed_at_its_limit_and_harms_nobody() {
    let server = Daemon::start(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut setup = server.connect();
    setup.call(&[&b"SET"[..], b"v", &[b'x'; 100_000]]);
    let mut deaf = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
    deaf.set_write_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout");
    let request = b"GET v\r\n".repeat(1000);
    for _ in 0..10 {
        // The server may close the connection before it has all bytes: the test expects that.
        if deaf.write_all(&request).is_err() {
            break;
        }
    }
    let count = || server.info("client_output_buffer_limit_disconnections");
    wait_until("the deaf client is closed", || {
        count().as_deref() == Some("1")
    });
    assert_eq!(setup.ask("PING"), "+PONG\r\n");
}

#[test]
fn a_small_output_limit_lets_small_replies_through() {
    let server = Daemon::start(&["--client-output-buffer-limit", "normal 1 0 0"]);
    let mut c = server.connect();
    let value = vec![b'x'; 10_000];
    assert_eq!(c.call(&[&b"SET"[..], b"v", &value]), b"+OK\r\n");
    assert_eq!(c.call(&[&b"GET"[..], b"v"]).len(), value.len() + 10);
}

#[test]
fn an_answer_of_unknown_length_counts_from_its_first_byte() {
    let server = Daemon::start(&["--client-output-buffer-limit", "normal 100000 0 0"]);
    let mut c = server.connect();
    let name = "x".repeat(100);
    for i in 0..1000 {
        c.ask(&format!("SET {name}{i} v"));
        c.ask(&format!("RPUSH list {name}{i}"));
    }
    let known = c.call(&["LRANGE", "list", "0", "-1"]);
    assert!((105_000..115_000).contains(&known.len()), "{}", known.len());
    c.send(b"KEYS *\r\n");
    assert_eq!(c.rest(), b"");
    let closed = server.info("client_output_buffer_limit_disconnections");
    assert_eq!(closed.as_deref(), Some("1"));
}

#[test]
fn a_web_page_cannot_send_commands_through_a_browser() {
    let server = Daemon::start(&[]);
    for request in [
        "POST / HTTP/1.1\r\n\r\nSET a b\r\n",
        "PUT / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a b\r\n",
    ] {
        let mut browser = server.connect();
        browser.send(request.as_bytes());
        let said = browser.rest();
        assert!(!said.ends_with(b"+OK\r\n"), "{request}");
    }
    assert_eq!(server.connect().ask("EXISTS a"), ":0\r\n");
    server.wait_for_log("Possible SECURITY ATTACK detected");
    assert_eq!(server.log().matches("SECURITY ATTACK").count(), 1);
}

#[test]
fn a_client_without_replies_is_closed_in_silence_when_it_breaks_the_protocol() {
    let server = Daemon::start(&[]);
    for mode in ["OFF", "SKIP"] {
        let mut c = server.connect();
        c.send(format!("CLIENT REPLY {mode}\r\n*a\r\n").as_bytes());
        assert_eq!(c.rest(), b"");
    }
}

#[test]
fn a_query_over_its_limit_closes_the_client() {
    let server = Daemon::start(&["--client-query-buffer-limit", "1mb"]);
    let mut c = server.connect();
    let mut request = b"*2\r\n$4\r\nECHO\r\n$3000000\r\n".to_vec();
    request.resize(2_500_000, b'x');
    // The server may close before all of it is written.
    let _ = c.write(&request);
    assert_eq!(c.rest(), b"");
    assert_eq!(
        server
            .info("client_query_buffer_limit_disconnections")
            .as_deref(),
        Some("1")
    );
}

#[test]
fn strangers_may_send_little_before_they_authenticate() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("CONFIG SET requirepass secret");
    let reported = answered_and_closed(&server, b"*11\r\n");
    assert_eq!(
        reported,
        "-ERR Protocol error: unauthenticated multibulk length\r\n"
    );
    let reported = answered_and_closed(&server, b"*1\r\n$16385\r\n");
    assert_eq!(
        reported,
        "-ERR Protocol error: unauthenticated bulk length\r\n"
    );
    let mut stranger = server.connect();
    assert_eq!(
        stranger.ask("GET a"),
        "-NOAUTH Authentication required.\r\n"
    );
    assert_eq!(
        stranger.ask("AUTH wrong"),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    );
    // The password and a long value in a single write: the server parses SET after it has run AUTH.
    let mut both = b"AUTH secret\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000\r\n".to_vec();
    both.resize(both.len() + 20_000, b'v');
    both.extend_from_slice(b"\r\n");
    stranger.send(&both);
    assert_eq!(stranger.reply(), b"+OK\r\n");
    assert_eq!(stranger.reply(), b"+OK\r\n");
    c.ask("CONFIG SET requirepass \"\"");
}

#[test]
fn clients_over_the_limit_get_an_error() {
    let server = Daemon::start(&["--maxclients", "5"]);
    let _inside: Vec<_> = (0..5).map(|_| server.connect()).collect();
    wait_until("the sixth is refused", || {
        let mut sixth = server.connect();
        sixth.rest() == b"-ERR max number of clients reached\r\n"
    });
}

#[test]
fn connections_are_kept_for_some_networks() {
    let networks = [
        "--maxclients-reserved",
        "2",
        "--priority-subnets",
        "192.0.2.0/24",
    ];
    let server = Daemon::start(&[&["--maxclients", "5"][..], &networks].concat());
    let mut first = server.connect();
    assert_eq!(first.ask("PING"), "+PONG\r\n");
    let mut others: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for other in &mut others {
        assert_eq!(other.ask("PING"), "+PONG\r\n");
    }
    let refusal = b"-ERR max number of clients reached\r\n";
    wait_until("the fourth is refused", || {
        server.connect().rest() == refusal
    });
    first.ask("CONFIG RESETSTAT");
    let refused = first.ask("CONFIG SET priority-subnets 10.0.0.0/8,x");
    assert!(
        refused.contains("Invalid IP address or CIDR subnet"),
        "{refused}"
    );
    assert_eq!(
        first.ask("CONFIG SET priority-subnets 127.0.0.0/8,::1"),
        "+OK\r\n"
    );
    let shown = first.ask("CONFIG GET priority-subnets");
    assert!(shown.ends_with("\r\n127.0.0.0/8,::1\r\n"), "{shown}");
    assert!(
        first
            .ask("INFO clients")
            .contains("connected_priority_clients:0\r\n")
    );
    let mut kept: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for one in &mut kept {
        assert_eq!(one.ask("PING"), "+PONG\r\n");
    }
    assert!(
        first
            .ask("INFO clients")
            .contains("connected_priority_clients:2\r\n")
    );
    wait_until("the sixth is refused", || {
        server.connect().rest() == refusal
    });
    let stats = first.ask("INFO stats");
    let count = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::to_owned)
    };
    assert_eq!(
        count("rejected_priority_connections:"),
        count("rejected_connections:")
    );
    drop(kept);
    wait_until("they have gone", || {
        first
            .ask("INFO clients")
            .contains("connected_priority_clients:0\r\n")
    });
}

#[test]
fn a_client_that_vanishes_with_data_in_flight_is_served_to_the_end() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.send(b"SET last 1\r\nINCR last\r\n");
    c.finish_sending();
    assert_eq!(c.rest(), b"+OK\r\n:2\r\n");
    assert_eq!(server.connect().ask("GET last"), "$1\r\n2\r\n");
}

#[test]
fn a_transaction_over_the_query_limit_closes_its_client() {
    let server = Daemon::start(&["--client-query-buffer-limit", "1mb"]);
    let mut c = server.connect();
    assert_eq!(c.ask("MULTI"), "+OK\r\n");
    let value = vec![b'x'; 100_000];
    for _ in 0..20 {
        if c.write(&crate::support::resp::command(&[&b"SET"[..], b"a", &value]))
            .is_err()
        {
            break;
        }
    }
    let reported = c.rest();
    assert!(
        reported.len() < 20 * b"+QUEUED\r\n".len(),
        "{}",
        reported.len()
    );
    assert_eq!(server.connect().ask("EXISTS a"), ":0\r\n");
}
