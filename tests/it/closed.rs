//! The server gives a reason for the end of each connection: in CLIENT CLOSED, INFO, the log, and
//! to RESP3 clients on the wire.

use crate::support::{Connection, Daemon, Reply, wait_until};

/// The newest record of a connection with this name, as pairs.
fn record(admin: &mut Connection, name: &str) -> Option<Vec<(String, String)>> {
    let Reply::Array(all) = admin.value("CLIENT CLOSED") else {
        panic!("an array");
    };
    let shown = |reply: &Reply| match reply {
        Reply::Integer(n) => n.to_string(),
        other => String::from_utf8_lossy(other.text().expect("text")).into_owned(),
    };
    all.iter()
        .map(|one| {
            let fields = one.items().expect("a flat map");
            let pairs = fields.chunks(2).map(|p| (shown(&p[0]), shown(&p[1])));
            pairs.collect::<Vec<_>>()
        })
        .find(|pairs| pairs.iter().any(|(k, v)| k == "name" && v == name))
}

fn ended(admin: &mut Connection, name: &str) -> (String, String) {
    let mut found = None;
    wait_until(name, || {
        found = record(admin, name);
        found.is_some()
    });
    let pairs = found.expect("waited for");
    let field = |field: &str| {
        let of = pairs.iter().find(|(k, _)| k == field);
        of.unwrap_or_else(|| panic!("{field} in {pairs:?}"))
            .1
            .clone()
    };
    assert!(field("addr").starts_with("127.0.0.1:"), "{pairs:?}");
    (field("reason"), field("detail"))
}

fn named(server: &Daemon, name: &str) -> Connection {
    let mut c = server.connect();
    assert_eq!(c.ask(&format!("CLIENT SETNAME {name}")), "+OK\r\n");
    c
}

#[test]
fn the_end_of_a_connection_has_its_cause() {
    let server = Daemon::start(&["--loglevel", "verbose"]);
    let mut admin = server.connect();

    drop(named(&server, "went"));
    assert_eq!(ended(&mut admin, "went"), ("peer".into(), "".into()));

    named(&server, "quit").ask("QUIT");
    assert_eq!(ended(&mut admin, "quit").0, "quit");

    let mut killed = named(&server, "killed");
    let id = killed.ask("CLIENT ID");
    let id = id.trim().trim_start_matches(':');
    assert_eq!(admin.ask(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    let (reason, detail) = ended(&mut admin, "killed");
    assert_eq!(reason, "killed");
    assert!(
        detail.starts_with("by client ") && detail.ends_with(" user default"),
        "{detail}"
    );

    let mut wrong = named(&server, "wrong");
    wrong.send(b"*1\r\n$x\r\n");
    wrong.rest();
    let (reason, detail) = ended(&mut admin, "wrong");
    assert_eq!(reason, "protocol");
    assert!(
        detail.contains("invalid bulk length") && detail.contains("$x"),
        "{detail}"
    );

    admin.call(&[
        "CONFIG",
        "SET",
        "client-output-buffer-limit",
        "normal 100000 0 0",
    ]);
    admin.ask("DEBUG POPULATE 1 big 1000000");
    let mut big = named(&server, "big");
    big.send(b"GET big:0\r\nGET big:0\r\nGET big:0\r\nGET big:0\r\nGET big:0\r\n");
    let (reason, detail) = ended(&mut admin, "big");
    assert_eq!(reason, "output-limit");
    assert!(
        detail.contains("client-output-buffer-limit 100000 0 0"),
        "{detail}"
    );

    admin.ask("ACL SETUSER guest on nopass +@all ~*");
    let mut guest = named(&server, "guest");
    guest.ask("AUTH guest x");
    admin.ask("ACL DELUSER guest");
    assert_eq!(ended(&mut admin, "guest").0, "user");

    let counts = server.info("closed_connections").expect("a field");
    for part in [
        "quit=1",
        "killed=1",
        "protocol=1",
        "output-limit=1",
        "user=1",
    ] {
        assert!(counts.split(',').any(|p| p == part), "{part} in {counts}");
    }
    server.wait_for_log("Client closed (protocol: ");
    assert_eq!(admin.ask("CLIENT CLOSED 0"), "*0\r\n");
    assert!(admin.ask("CLIENT CLOSED -1").starts_with("-ERR "));
    assert!(
        admin
            .ask("CLIENT CLOSED 1")
            .starts_with("*1\r\n*30\r\n$2\r\nid\r\n:")
    );
    admin.ask("CONFIG RESETSTAT");
    assert_eq!(server.info("closed_connections").as_deref(), Some(""));
}

#[test]
fn a_resp3_client_receives_the_reason_of_its_end() {
    let mut server = Daemon::start(&[]);
    let mut admin = server.connect();
    let mut killed = named(&server, "killed");
    killed.ask("HELLO 3");
    assert!(admin.ask("CLIENT KILL USER default").starts_with(':'));
    let reported = String::from_utf8(killed.rest()).expect("text");
    let wanted = ">3\r\n$7\r\nclosing\r\n$6\r\nkilled\r\n";
    assert!(reported.starts_with(wanted), "{reported}");

    // The server sends no reason to a RESP2 client, to a client whose library would take it for a
    // message of a channel, or to a client that asked for the end itself.
    let mut has_listener = named(&server, "hears");
    has_listener.ask("HELLO 3");
    has_listener.ask("SUBSCRIBE news");
    assert_eq!(admin.ask("CLIENT KILL TYPE pubsub"), ":1\r\n");
    assert_eq!(has_listener.rest(), b"");
    let mut old = named(&server, "old");
    let mut quits = named(&server, "quits");
    quits.ask("HELLO 3");
    quits.send(b"QUIT\r\n");
    assert_eq!(quits.rest(), b"+OK\r\n");
    assert_eq!(admin.ask("CLIENT KILL TYPE normal"), ":1\r\n");
    assert_eq!(old.rest(), b"");

    let mut last = named(&server, "last");
    last.ask("HELLO 3");
    server.terminate();
    assert_eq!(
        last.rest(),
        b">3\r\n$7\r\nclosing\r\n$8\r\nshutdown\r\n$0\r\n\r\n"
    );
}

/// Regression: the server remembered names and libraries of any length.
#[test]
fn what_is_remembered_of_a_client_is_bounded() {
    let server = Daemon::start(&[]);
    let name = "x".repeat(1_000_000);
    for _ in 0..20 {
        let mut c = server.connect();
        assert_eq!(c.call(&["CLIENT", "SETNAME", &name]), b"+OK\r\n");
    }
    let mut c = server.connect();
    wait_until("the ends", || {
        c.value("CLIENT CLOSED")
            .items()
            .is_some_and(|all| all.len() >= 20)
    });
    let reported = c.ask("CLIENT CLOSED 20");
    assert!(reported.len() < 20_000, "{}", reported.len());
}
