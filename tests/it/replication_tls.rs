//! Replication links under TLS (`tls-replication yes`): between two russets, and with Redis as
//! primary or replica.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::certificates::{Authority, Subject};
use crate::support::daemon::{free_side_port, russet};
use crate::support::{Daemon, peers, wait_until};

/// Certificates of one authority, as files.
struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Files {
        let (authority, folder) = (Authority::new(), TempDir::new().expect("a folder"));
        std::fs::write(folder.path().join("ca.crt"), &authority.pem).expect("a file");
        let files = Files { folder, authority };
        files.issue("server");
        files
    }

    /// Issues `name.crt` and `name.key`.
    fn issue(&self, name: &str) {
        let issued = self.authority.issue(&Subject::named("localhost"));
        issued.write(self.folder.path(), name);
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    /// The settings of a server with this certificate that trusts this authority.
    fn settings(&self, name: &str) -> Vec<String> {
        let pairs = [
            ("--tls-cert-file", format!("{name}.crt")),
            ("--tls-key-file", format!("{name}.key")),
            ("--tls-ca-cert-file", "ca.crt".to_owned()),
        ];
        let pairs = pairs.map(|(name, file)| [name.to_owned(), self.path(&file)]);
        pairs.into_iter().flatten().collect()
    }
}

/// A server with TLS beside its plain port.
struct Server {
    daemon: Daemon,
    tls_port: u16,
}

impl Server {
    fn start_program(program: &Path, files: &[String], more: &[&str]) -> Server {
        let tls_port = free_side_port();
        let port = tls_port.to_string();
        let usual = [
            "--repl-diskless-sync-delay",
            "0",
            "--tls-replication",
            "yes",
        ];
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let args = [&usual[..], &["--tls-port", &port], &files, more].concat();
        Server {
            daemon: Daemon::start_program(program, &args),
            tls_port,
        }
    }

    fn start(files: &Files, more: &[&str]) -> Server {
        Server::start_program(&russet(), &files.settings("server"), more)
    }

    fn follow(&self, primary: &Server) {
        self.follow_port(primary.tls_port);
    }

    fn follow_port(&self, port: u16) {
        let reply = self.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
        assert!(reply.starts_with("+OK"), "{reply}");
    }

    fn ask(&self, line: &str) -> String {
        self.daemon.connect().ask(line)
    }

    fn number(&self, field: &str) -> u64 {
        let text = self.daemon.info(field);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn is_up(&self) -> bool {
        self.daemon.info("master_link_status").as_deref() == Some("up")
    }

    fn wait_for_link(&self) {
        wait_until("the link to be up", || self.is_up());
    }

    /// The number of log lines that contain this text.
    fn count(&self, text: &str) -> usize {
        self.daemon.log().matches(text).count()
    }
}

/// Checks that both servers have the same data.
fn compare(primary: &Server, replica: &Server) {
    wait_until("the replica to have everything", || {
        replica.number("slave_repl_offset") == primary.number("master_repl_offset")
    });
    assert_eq!(primary.ask("DBSIZE"), replica.ask("DBSIZE"));
    assert_eq!(primary.ask("DEBUG DIGEST"), replica.ask("DEBUG DIGEST"));
}

/// Runs a full sync, the stream, a cut of the link and a partial sync.
fn play(primary: &Server, replica: &Server, has_two_links: bool) {
    primary.ask("DEBUG POPULATE 3000");
    let big = "b".repeat(5 << 20);
    primary.daemon.connect().call(&["SET", "big", &big]);
    replica.follow(primary);
    replica.wait_for_link();
    let mut c = primary.daemon.connect();
    for i in 0..200 {
        c.ask(&format!("RPUSH list {i}"));
    }
    c.call(&["SET", "big:2", &big]);
    compare(primary, replica);
    let before = (
        primary.number("sync_full"),
        primary.number("sync_partial_ok"),
    );
    assert_eq!(before.0, 1, "{}", replica.daemon.log());
    if has_two_links {
        let lines = ["replicas sockets (rdb-channel)", "dual"];
        let log = primary.daemon.log();
        assert!(lines.iter().any(|line| log.contains(line)), "{log}");
    }
    c.ask("CLIENT KILL TYPE replica");
    c.ask("RPUSH list last");
    wait_until("a partial sync", || {
        primary.number("sync_partial_ok") > before.1
    });
    replica.wait_for_link();
    compare(primary, replica);
    assert_eq!(primary.number("sync_full"), 1);
}

/// A redis-server with TLS.
fn redis() -> Option<PathBuf> {
    let program = peers::folder().join("redis8-tls/redis-server");
    if !program.exists() {
        peers::left_out("replication under TLS with Redis: no redis8-tls");
        return None;
    }
    Some(program)
}

const PLAIN: [&str; 2] = ["--repl-rdb-channel", "no"];
const TWO_LINKS: [&str; 2] = ["--repl-rdb-channel", "yes"];

#[test]
fn a_pair_syncs_streams_and_continues_in_each_form() {
    let files = Files::new();
    let forms: [&[&str]; 6] = [
        &["--repl-diskless-sync", "no"],
        &["--repl-diskless-sync", "yes"],
        &["--repl-diskless-load", "swapdb"],
        &["--repl-rdb-channel", "yes"],
        &[
            "--dual-channel-replication-enabled",
            "yes",
            "--repl-diskless-load",
            "flush-before-load",
        ],
        &[
            "--repl-compression",
            "lz4",
            "--repl-diskless-load",
            "swapdb",
        ],
    ];
    for (number, form) in forms.iter().enumerate() {
        let more: Vec<&str> = if number < 3 {
            [&PLAIN[..], form].concat()
        } else {
            [&PLAIN[..if number == 3 { 0 } else { 2 }], form].concat()
        };
        let (primary, replica) = (Server::start(&files, &more), Server::start(&files, &more));
        play(&primary, &replica, number == 3);
        let port = format!("port={}", replica.tls_port);
        let announced = primary.daemon.info("slave0").unwrap_or_default();
        assert!(announced.contains(&port), "{announced}");
        assert_eq!(announced.contains("compression=lz4"), number == 5);
    }
}

#[test]
fn redis_is_copied_and_copies() {
    let Some(redis) = redis() else {
        return;
    };
    let files = Files::new();
    let settings = files.settings("server");
    for (form, has_two_links) in [(PLAIN, false), (TWO_LINKS, true)] {
        for load in ["disabled", "swapdb"] {
            let more = [&form[..], &["--repl-diskless-load", load]].concat();
            let ours = [&more[..], &["--rdb-version", "12"]].concat();
            let primary = Server::start_program(&redis, &settings, &more);
            play(&primary, &Server::start(&files, &more), has_two_links);
            let replica = Server::start_program(&redis, &settings, &more);
            play(&Server::start(&files, &ours), &replica, has_two_links);
        }
    }
}

/// Checks that failing attempts come once a second, as without TLS.
fn check_calm(replica: &Server) {
    let before = replica.count("MASTER <-> REPLICA sync started");
    sleep(Duration::from_millis(3200));
    let attempts = replica.count("MASTER <-> REPLICA sync started") - before;
    assert!(
        (2..=5).contains(&attempts),
        "{attempts}: {}",
        replica.daemon.log()
    );
    assert_eq!(replica.ask("GET own"), "$1\r\n1\r\n");
}

#[test]
fn a_primary_of_another_authority_is_refused() {
    let (files, others) = (Files::new(), Files::new());
    let primary = Server::start(&files, &["--tls-auth-clients", "no"]);
    let replica = Server::start(&others, &[]);
    replica.ask("SET own 1");
    replica.follow(&primary);
    let why = "Error condition on socket for SYNC: invalid peer certificate: ";
    replica.daemon.wait_for_log(why);
    // The primary logs the alert that its replica has sent.
    primary
        .daemon
        .wait_for_log("Error accepting a client connection: received fatal alert: ");
    check_calm(&replica);
    assert!(!replica.is_up());
    // With the right authority the same replica connects.
    let ca = files.path("ca.crt");
    let reply = replica.ask(&format!("CONFIG SET tls-ca-cert-file {ca}"));
    assert_eq!(reply, "+OK\r\n", "{}", replica.daemon.log());
    replica.wait_for_link();
}

#[test]
fn a_replica_without_a_trusted_certificate_is_refused_unless_none_is_wanted() {
    let (files, others) = (Files::new(), Files::new());
    let primary = Server::start(&files, &["--tls-auth-clients", "yes"]);
    others.issue("strange");
    let mut settings = files.settings("server");
    for name in ["crt", "key"] {
        let option = match name {
            "crt" => "--tls-client-cert-file",
            _ => "--tls-client-key-file",
        };
        settings.extend([option.to_owned(), others.path(&format!("strange.{name}"))]);
    }
    let replica = Server::start_program(&russet(), &settings, &[]);
    replica.ask("SET own 1");
    replica.follow(&primary);
    primary
        .daemon
        .wait_for_log("Error accepting a client connection: ");
    // With TLS 1.3 a client gets the refusal after its own handshake.
    wait_until("the reason in the replica's log", || {
        replica.count("received fatal alert: ") > 0
    });
    check_calm(&replica);
    assert_eq!(primary.ask("CONFIG SET tls-auth-clients no"), "+OK\r\n");
    replica.wait_for_link();
    assert_eq!(
        primary.ask("CONFIG SET tls-auth-clients optional"),
        "+OK\r\n"
    );
    primary.ask("CLIENT KILL TYPE replica");
    wait_until("a refusal again", || !replica.is_up());
    // The primary admits a replica with the right certificate again.
    for (option, file) in [("cert", "server.crt"), ("key", "server.key")] {
        settings.retain(|word| !word.ends_with(&format!("strange.{}", &file[7..])));
        settings.retain(|word| word != &format!("--tls-client-{option}-file"));
    }
    let right = Server::start_program(&russet(), &settings, &[]);
    right.follow(&primary);
    right.wait_for_link();
}

#[test]
fn ends_of_which_one_has_no_tls_refuse_each_other() {
    let files = Files::new();
    let primary = Server::start(&files, &[]);
    // A plain link to a TLS port.
    let plain = Server::start(&files, &["--tls-replication", "no"]);
    plain.ask("SET own 1");
    plain.follow(&primary);
    primary
        .daemon
        .wait_for_log("Error accepting a client connection: the client does not speak TLS");
    wait_until("a reason in the replica's log", || {
        plain.count("Error reply to PING from master: ") > 0
            || plain.count("I/O error reading from MASTER: ") > 0
    });
    check_calm(&plain);
    // A TLS link to a plain port.
    let replica = Server::start(&files, &["--repl-timeout", "2"]);
    replica.ask("SET own 1");
    replica.follow_port(primary.daemon.port());
    wait_until("a reason in the replica's log", || {
        replica.count("Error condition on socket for SYNC: ") > 0
            || replica.count("Timeout connecting to the MASTER...") > 0
    });
    assert_eq!(replica.ask("GET own"), "$1\r\n1\r\n");
    assert!(!plain.is_up() && !replica.is_up());
    plain.follow_port(primary.daemon.port());
    plain.wait_for_link();
    replica.follow(&primary);
    replica.wait_for_link();
}

#[test]
fn a_replica_gives_its_name_and_password() {
    let files = Files::new();
    for form in [PLAIN, TWO_LINKS] {
        let primary = Server::start(&files, &form);
        primary.ask("SET k v");
        primary.ask("ACL SETUSER copier on >secret -@all +psync +replconf +ping");
        let replica = Server::start(&files, &form);
        replica.ask("CONFIG SET masteruser copier");
        replica.ask("CONFIG SET masterauth wrong");
        replica.ask("SET own 1");
        replica.follow(&primary);
        replica
            .daemon
            .wait_for_log("Unable to AUTH to MASTER: -WRONGPASS");
        check_calm(&replica);
        replica.ask("CONFIG SET masterauth secret");
        replica.wait_for_link();
        compare(&primary, &replica);
        let list = primary.ask("CLIENT LIST TYPE replica");
        assert!(list.contains("user=copier"), "{list}");
    }
}

#[test]
fn roles_are_exchanged() {
    let files = Files::new();
    let (primary, replica) = (Server::start(&files, &[]), Server::start(&files, &[]));
    primary.ask("SET k v");
    replica.follow(&primary);
    replica.wait_for_link();
    compare(&primary, &replica);
    let reply = primary.ask(&format!("FAILOVER TO 127.0.0.1 {}", replica.tls_port));
    assert_eq!(reply, "+OK\r\n");
    wait_until("the roles to be exchanged", || {
        primary.daemon.info("role").as_deref() == Some("slave")
            && replica.daemon.info("role").as_deref() == Some("master")
    });
    primary.wait_for_link();
    assert_eq!(replica.ask("SET k w"), "+OK\r\n");
    compare(&replica, &primary);
    assert_eq!(primary.ask("GET k"), "$1\r\nw\r\n");
    assert_eq!(replica.number("sync_full"), 0);
}
