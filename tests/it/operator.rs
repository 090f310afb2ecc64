//! `russet ping` and `russet doctor` beside a running server.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::certificates::{Authority, Subject};
use crate::support::daemon::{free_port_of, free_side_port, russet};
use crate::support::once::run_once;
use crate::support::peers::Peer;
use crate::support::{Daemon, wait_until};

fn tool(words: &[&str]) -> (String, Option<i32>) {
    let out: Output = Command::new(russet())
        .args(words)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    (text, out.status.code())
}

#[test]
fn ping_asks_the_given_address_or_that_of_the_file() {
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
    // The health check of a container: the server also has ports other than the client port.
    let other = free_side_port().to_string();
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
fn doctor_names_problems_and_their_remedies() {
    let server = Daemon::start(&["--protected-mode", "no"]);
    let port = server.port().to_string();
    let mut connection = server.connect();
    for command in ["SET a b", "CONFIG SET maxmemory 3mb", "DEBUG SLEEP 0.25"] {
        assert_eq!(connection.ask(command), "+OK\r\n");
    }
    let (text, code) = tool(&["doctor", "-p", &port]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("WARN slow commands: \"DEBUG SLEEP 0.25\" took "),
        "{text}"
    );
    assert!(text.contains("     fix: SLOWLOG GET"), "{text}");
    assert!(
        text.contains("overcommit: ") && text.contains("open files: "),
        "{text}"
    );
    assert!(text.ends_with(" found\n"), "{text}");
    let (text, code) = tool(&["doctor", "-p", "1"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("FAIL server: it does not answer") && text.contains("overcommit"),
        "{text}"
    );
}

#[test]
fn doctor_checks_that_uncounted_memory_fits_beside_maxmemory() {
    let server = Daemon::start(&["--maxmemory", "auto"]);
    let port = server.port().to_string();
    let mut connection = server.connect();
    let memory = |text: &str| {
        let mut lines = text.lines().filter(|line| line.contains(" memory: "));
        lines.next().expect("a line on memory").to_owned()
    };
    let doctor = || tool(&["doctor", "-p", &port]).0;
    assert!(memory(&doctor()).starts_with("ok "), "{}", doctor());
    let auto = server
        .info("maxmemory_auto_memory")
        .expect("a field of INFO");
    let auto: u64 = auto.parse().expect("a number");
    for (setting, mend) in [
        // Clients may take another quarter of this limit.
        (format!("maxmemory {}", auto / 100 * 85), "maxmemory auto"),
        (format!("maxmemory {auto}"), "maxmemory auto"),
        (
            "maxmemory auto maxmemory-clients 60%".to_owned(),
            "maxmemory-reserve",
        ),
    ] {
        let set = format!("CONFIG SET {setting}");
        assert_eq!(connection.ask(&set), "+OK\r\n", "{set}");
        let text = doctor();
        assert!(memory(&text).starts_with("WARN "), "{setting}: {text}");
        assert!(text.contains(mend), "{setting}: {text}");
    }
}

#[test]
fn doctor_of_a_cluster_shows_what_its_nodes_find() {
    let redis = Peer::Redis8.program_for("doctor --cluster");
    for program in std::iter::once(russet()).chain(redis) {
        let server = Daemon::start_program(&program, &["--cluster-enabled", "yes"]);
        let mut connection = server.connect();
        let place = format!("127.0.0.1:{}", server.port());
        let (text, code) = tool(&["doctor", "--cluster", &place]);
        assert_eq!(code, Some(1), "{text}");
        let state = format!("FAIL state: {place}: the cluster is not ok");
        assert!(text.contains(&state), "{text}");
        assert!(text.contains("no primary has slots yet"), "{text}");
        connection.ask("CLUSTER ADDSLOTSRANGE 0 16383");
        wait_until("the cluster is ok", || {
            connection.ask("CLUSTER INFO").contains("cluster_state:ok")
        });
        let (text, code) = tool(&["doctor", "--cluster", &place]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("ok   state: ok, say all nodes"), "{text}");
        assert!(text.contains("WARN failover: "), "{text}");
        assert!(text.contains("): it has no replica\n"), "{text}");
        assert!(!text.contains("FAIL"), "{text}");
    }
}

/// Regression: with a TLS port alone both tools reported that no server answers.
#[test]
fn a_server_under_tls_alone_is_asked_by_its_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::shared();
    let (ca, _) = authority.itself().write(folder.path(), "ca");
    let (cert, key) = authority
        .issue(&Subject::named("host"))
        .write(folder.path(), "host");
    let server = Daemon::start(&[]);
    let port = free_port_of(23_500, 300).to_string();
    let mut c = server.connect();
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let (ca, cert, key) = (path(&ca), path(&cert), path(&key));
    let set = format!(
        "CONFIG SET tls-ca-cert-file {ca} tls-cert-file {cert} tls-key-file {key} tls-port {port}"
    );
    assert_eq!(c.ask(&set), "+OK\r\n");
    let file = folder.path().join("r.conf");
    let text = format!(
        "port 0\nbind 127.0.0.1\ntls-port {port}\ntls-ca-cert-file {ca}\ntls-cert-file {cert}\n\
         tls-key-file {key}\n"
    );
    std::fs::write(&file, text).expect("a file");
    let file = path(&file);
    assert_eq!(tool(&["ping", &file]), ("PONG\n".to_owned(), Some(0)));
    let (text, code) = tool(&["doctor", &file]);
    assert!(text.contains("russet 0.") && code != Some(2), "{text}");
    let by_words = [
        "ping", "-p", &port, "--tls", "--cacert", &ca, "--cert", &cert, "--key", &key,
    ];
    assert_eq!(tool(&by_words), ("PONG\n".to_owned(), Some(0)));
    let (text, code) = tool(&["ping", "-p", &port]);
    assert!(
        text.contains("it speaks TLS: add --tls") && code == Some(1),
        "{text}"
    );
}

/// Regression: the doctor did not name the program on the port, and reported a server with a busy
/// script as broken.
#[test]
fn the_holder_of_a_port_and_a_busy_server_are_named() {
    let web = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = web.local_addr().expect("bound").port().to_string();
    std::thread::spawn(move || {
        for peer in web.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut &peer, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for (words, status) in [(["ping", "-p", &port], 1), (["doctor", "-p", &port], 2)] {
        let (text, code) = tool(&words);
        assert!(text.contains("another program uses the port"), "{text}");
        assert_eq!(code, Some(status));
        let holder = format!("(process {}) holds the port\n", std::process::id());
        assert_eq!(text.contains(&holder), words[0] == "doctor", "{text}");
    }
    let server = Daemon::start(&["--busy-reply-threshold", "10"]);
    let port = server.port().to_string();
    let mut c = server.connect();
    c.send(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n");
    let mut other = server.connect();
    wait_until("the script counts as busy", || {
        other.ask("PING").starts_with("-BUSY")
    });
    let (text, code) = tool(&["ping", "-p", &port]);
    assert!(text.starts_with("BUSY") && code == Some(0), "{text}");
    let (text, code) = tool(&["doctor", "-p", &port]);
    assert!(text.contains("FAIL script: ") && code == Some(1), "{text}");
    assert!(text.contains("fix: SCRIPT KILL"), "{text}");
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
}

/// The doctor ignores settings that matter only to a fork, because russet makes snapshots without a
/// fork.
#[test]
fn doctor_finds_no_problem_in_settings_for_a_fork() {
    let server = Daemon::start(&["--maxmemory", "auto"]);
    let (text, _) = tool(&["doctor", "-p", &server.port().to_string()]);
    for code in ["overcommit", "huge pages"] {
        assert!(!text.contains(&format!("WARN {code}")), "{text}");
    }
}

#[test]
fn doctor_tells_how_to_log_in_and_that_a_file_is_missing() {
    let server = Daemon::start(&["--requirepass", "s3cret"]);
    let port = server.port().to_string();
    let (text, code) = tool(&["doctor", "-p", &port]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("FAIL access: it asks for a password"),
        "{text}"
    );
    assert!(
        text.contains("REDISCLI_AUTH") && text.contains("russet doctor FILE"),
        "{text}"
    );
    let (text, code) = tool(&["doctor", "-p", &port, "-a", "wrong"]);
    assert!(
        text.contains("refuses this user and password") && code == Some(2),
        "{text}"
    );
    assert_eq!(tool(&["doctor", "/nowhere/russet.conf"]).1, Some(2));
}

/// The doctor, INFO, `/readyz` and the log at the start give the same reason for a failed save.
#[test]
fn a_save_that_failed_is_told_of_with_its_reason_everywhere() {
    let metrics = free_side_port().to_string();
    let save = ["--save", "3600 1", "--metrics-port", &metrics];
    let mut server = Daemon::start(&save);
    let port = server.port().to_string();
    // The save cannot replace a folder by its file.
    std::fs::create_dir_all(server.folder().join("dump.rdb/x")).expect("a folder");
    let mut c = server.connect();
    c.ask("SET a b");
    let said = c.ask("SAVE");
    assert!(
        said.starts_with("-ERR ") && said.contains("irectory"),
        "{said}"
    );
    c.ask("BGSAVE");
    wait_until("the save has failed", || {
        c.ask("INFO persistence")
            .contains("rdb_last_bgsave_status:err")
    });
    let (text, code) = tool(&["doctor", "-p", &port]);
    let line = text
        .lines()
        .find(|line| line.starts_with("FAIL snapshot: "));
    assert!(line.is_some_and(|line| line.contains("irectory")), "{text}");
    assert_eq!(code, Some(1));
    let found = c.ask("INFO findings");
    let first = found.lines().find(|line| line.starts_with("finding0:"));
    assert!(
        first.is_some_and(|line| line.starts_with("finding0:critical,snapshot,")),
        "{found}"
    );
    server.signal(rustix::process::Signal::TERM);
    server.wait_for_log("SHUTDOWN NOSAVE ends it without saving");
    std::fs::remove_dir_all(server.folder().join("dump.rdb")).expect("removed");
    server.terminate();
}

#[test]
fn a_start_on_a_taken_port_names_its_holder() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--bind", "127.0.0.1", "--port", &port, "--save", ""];
    let ended = run_once(folder.path(), &args, b"");
    let holder = format!("(process {})", std::process::id());
    assert!(
        ended.code == Some(1) && ended.out.contains(&holder),
        "{}",
        ended.out
    );
}
