//! Budgets per user: the delays and refusals that clients get, the reports for operators.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::replication::{pair, wait_for_offset};
use crate::support::{Connection, Daemon, wait_until};

const RULES: &str = "rate=100 bytes=10mb|50mb clients=5 reply=1mb work=1000 over=error";

/// A server whose user `u` has these budgets, and a connection of the default user.
fn start(budgets: &str) -> (Daemon, Connection) {
    let server = Daemon::start(&[]);
    let mut admin = server.connect();
    let made = admin.ask(&format!("ACL SETUSER u on nopass +@all ~* &* {budgets}"));
    assert_eq!(made, "+OK\r\n");
    (server, admin)
}

fn log_in(server: &Daemon) -> Connection {
    let mut connection = server.connect();
    assert_eq!(connection.ask("AUTH u x"), "+OK\r\n");
    connection
}

#[test]
fn budgets_come_back_from_a_file_of_users_and_from_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = format!("user u on nopass ~* +@all {RULES}\n");
    fs::write(folder.path().join("users.acl"), &line).expect("a file");
    let server = Daemon::start_with_environment(&["--aclfile", "users.acl"], &[], folder);
    let mut admin = server.connect();
    let before = admin.ask("ACL LIST");
    assert!(before.contains(RULES), "{before}");
    assert_eq!(admin.ask("ACL SAVE"), "+OK\r\n");
    let saved = fs::read_to_string(server.folder().join("users.acl")).expect("a file");
    assert!(saved.contains(RULES), "{saved}");
    // The budgets are in force from the start on, and after ACL LOAD.
    let mut user = log_in(&server);
    assert!(user.ask("CLIENT INFO").contains(" held=no held-ms=0\n"));
    fs::write(
        server.folder().join("users.acl"),
        line.replace("rate=100", "rate=7"),
    )
    .expect("ours");
    assert_eq!(admin.ask("ACL LOAD"), "+OK\r\n");
    assert!(admin.ask("ACL GETUSER u").contains("rate=7 "));
    let reported: Vec<String> = (0..30).map(|_| user.ask("PING")).collect();
    assert!(reported[..7].iter().all(|reported| reported == "+PONG\r\n"));
    let wanted = "-OVERBUDGET user 'u' is over its budget of 7 commands a second";
    assert!(
        reported.iter().any(|reported| reported.starts_with(wanted)),
        "{reported:?}"
    );
    fs::write(server.folder().join("users.acl"), "user u on rate=x\n").expect("ours");
    let reported = admin.ask("ACL LOAD");
    assert!(
        reported.contains("users.acl:1: A budget is rate="),
        "{reported}"
    );

    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("redis.conf"), &line).expect("a file");
    let mut server = Daemon::start_with_file("redis.conf", &[], folder);
    let mut admin = server.connect();
    assert!(admin.ask("ACL LIST").contains(RULES));
    assert_eq!(admin.ask("CONFIG REWRITE"), "+OK\r\n");
    server.restart();
    assert!(server.connect().ask("ACL LIST").contains(RULES));
}

#[test]
fn a_flood_is_delayed_in_order_and_reported_to_operators() {
    let (server, mut admin) = start("rate=500");
    let mut user = log_in(&server);
    let began = Instant::now();
    user.send(&b"INCR n\r\n".repeat(1500));
    wait_until("it is held", || {
        admin.ask("CLIENT LIST").contains(" held=rate ")
    });
    assert_eq!(admin.ask("PING"), "+PONG\r\n");
    let info = admin.ask("INFO budgets");
    assert!(
        info.contains("user_budget_1:clients=1,held=1,delayed="),
        "{info}"
    );
    for n in 1..=1500 {
        assert_eq!(user.reply(), format!(":{n}\r\n").as_bytes());
    }
    assert!(
        began.elapsed() >= Duration::from_millis(1950),
        "{:?}",
        began.elapsed()
    );
    let info = admin.ask("INFO budgets");
    assert!(
        info.contains(",held=0,") && !info.contains("delayed=0,"),
        "{info}"
    );
    assert!(!admin.ask("INFO").contains("# Budgets"), "by name only");
}

#[test]
fn transactions_scripts_and_blocked_commands_are_charged_and_nothing_is_cut() {
    let (server, _admin) = start("rate=50");
    let mut user = log_in(&server);
    let began = Instant::now();
    let transaction = [
        b"MULTI\r\n".to_vec(),
        b"INCR n\r\n".repeat(60),
        b"EXEC\r\n".to_vec(),
    ]
    .concat();
    user.send(&transaction);
    assert_eq!(user.reply(), b"+OK\r\n");
    for _ in 0..60 {
        assert_eq!(user.reply(), b"+QUEUED\r\n");
    }
    assert!(user.reply().starts_with(b"*60\r\n:1\r\n"));
    assert!(began.elapsed() >= Duration::from_millis(150), "62 commands");
    // The next command waits until the 40 calls are paid for.
    let ran = user.call(&[
        "EVAL",
        "for i = 1, 40 do redis.call('INCR', 'n') end return 1",
        "0",
    ]);
    assert_eq!(ran, b":1\r\n");
    let began = Instant::now();
    assert_eq!(user.ask("GET n"), "$3\r\n100\r\n");
    assert!(
        began.elapsed() >= Duration::from_millis(600),
        "{:?}",
        began.elapsed()
    );
    let mut other = server.connect();
    user.send(b"BLPOP q 0\r\nPING\r\n");
    wait_until("it waits", || {
        other.ask("INFO clients").contains("blocked_clients:1\r\n")
    });
    assert_eq!(other.ask("RPUSH q a"), ":1\r\n");
    assert_eq!(user.reply(), b"*2\r\n$1\r\nq\r\n$1\r\na\r\n");
    assert_eq!(user.reply(), b"+PONG\r\n");
}

#[test]
fn large_values_come_and_go_at_the_pace_of_their_budget() {
    let (server, mut admin) = start("bytes=2mb|2mb");
    let mut user = log_in(&server);
    let value = vec![b'x'; 3 << 20];
    let began = Instant::now();
    assert_eq!(user.call(&[b"SET".as_slice(), b"k", &value]), b"+OK\r\n");
    assert!(
        began.elapsed() >= Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(admin.ask("STRLEN k"), ":3145728\r\n");
    for _ in 0..2 {
        let reply = user.call(&["GET", "k"]);
        assert_eq!(reply.len(), value.len() + 12);
    }
    let began = Instant::now();
    assert_eq!(user.ask("PING"), "+PONG\r\n");
    assert!(
        began.elapsed() >= Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn connections_are_counted_at_the_door_for_the_default_user_and_at_the_login_for_others() {
    let (server, mut admin) = start("clients=1");
    let user = log_in(&server);
    let mut second = server.connect();
    let reported = "-ERR max number of clients of user 'u' reached (its budget is clients=1)\r\n";
    assert_eq!(second.ask("AUTH u x"), reported);
    drop(user);
    wait_until("it is gone", || second.ask("AUTH u x") == "+OK\r\n");
    assert_eq!(admin.ask("ACL SETUSER default clients=2"), "+OK\r\n");
    let _third = server.connect();
    let mut refused = TcpStream::connect(("127.0.0.1", server.port())).expect("a socket");
    let mut reported = String::new();
    refused
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a socket");
    // The server may send a reset after the error line.
    let _ = refused.write_all(b"PING\r\n");
    let _ = refused.read_to_string(&mut reported);
    assert!(
        reported.starts_with("-ERR max number of clients of user 'default' reached"),
        "{reported}"
    );
    assert!(
        admin
            .ask("INFO stats")
            .contains("rejected_connections:1\r\n")
    );
}

#[test]
fn limits_of_replies_and_of_work_are_errors_that_name_the_way_out() {
    let (server, mut admin) = start("reply=10kb work=100");
    let mut user = log_in(&server);
    let text = "x".repeat(20_000);
    admin.ask(&format!("SET large {text}"));
    let fields: String = (0..200).map(|n| format!(" f{n} v")).collect();
    admin.ask(&format!("HSET h{fields}"));
    user.send(b"PING\r\nGET large\r\nHGETALL h\r\nHSCAN h 0 COUNT 5\r\nPING\r\n");
    assert_eq!(user.reply(), b"+PONG\r\n");
    let reported = String::from_utf8_lossy(&user.reply()).into_owned();
    assert!(
        reported.starts_with("-OVERBUDGET user 'u' allows replies of 10kb (its budget reply=)"),
        "{reported}"
    );
    let reported = String::from_utf8_lossy(&user.reply()).into_owned();
    assert!(
        reported.contains("'hgetall' here it would be 200: HSCAN reads a hash in steps"),
        "{reported}"
    );
    assert!(user.reply().starts_with(b"*2\r\n"));
    assert_eq!(user.reply(), b"+PONG\r\n");
    let stats = admin.ask("INFO errorstats");
    assert!(
        stats.contains("errorstat_OVERBUDGET:count=2\r\n"),
        "{stats}"
    );
}

#[test]
fn a_replica_runs_all_of_its_primarys_transactions_and_counts_nowhere() {
    let (primary, replica) = pair(&[], &[]);
    let mut there = replica.connect();
    let rules = "ACL SETUSER default rate=1000000 work=2";
    assert_eq!(there.ask(rules), "+OK\r\n");
    let mut c = primary.connect();
    assert_eq!(c.ask("ACL SETUSER default rate=1000000"), "+OK\r\n");
    wait_until("all but the replica to count", || {
        c.ask("INFO budgets").contains(":clients=1,")
    });
    for line in ["MULTI", "RPUSH l a b c d", "LTRIM l 0 0", "SET k v", "EXEC"] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    wait_for_offset(&replica, &primary);
    assert_eq!(there.ask("LLEN l"), ":1\r\n");
    assert_eq!(there.ask("EXISTS k"), ":1\r\n");
}
