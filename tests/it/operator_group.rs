//! `russet doctor --sentinel` with real Sentinels and data nodes.
//!
//! All of them are on 127.0.0.1, and the doctor warns about that each time.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::daemon::russet;
use crate::support::peers::Peer;
use crate::support::wait::wait_within;
use crate::support::{Daemon, Reply, wait_until};
use std::time::Duration;

/// Sentinels announce themselves every two seconds and learn of replicas every ten.
const DISCOVERY: Duration = Duration::from_secs(40);

struct Group {
    nodes: Vec<Daemon>,
    sentinels: Vec<Daemon>,
}

fn ask(of: &Daemon, command: &str) -> String {
    let Reply::Bulk(text) = of.connect().value(command) else {
        return of.connect().ask(command);
    };
    String::from_utf8_lossy(&text).into_owned()
}

impl Group {
    /// A primary with two replicas, and three Sentinels that know all nodes.
    fn start(server: &Path, sentinel: &Path) -> Group {
        let folder = || {
            let folder = tempfile::Builder::new().prefix("russet-test-").tempdir();
            folder.expect("a folder")
        };
        let node = |more: &[&str]| {
            let folder = folder();
            let file = folder.path().join("r.conf");
            std::fs::write(&file, "repl-diskless-sync-delay 0\n").expect("a file");
            let file = file.to_str().expect("UTF-8").to_owned();
            Daemon::start_program_with_file(server, &file, more, folder)
        };
        let primary = node(&[]);
        let port = primary.port().to_string();
        let nodes = vec![
            node(&["--replicaof", "127.0.0.1", &port]),
            node(&["--replicaof", "127.0.0.1", &port]),
        ];
        let nodes: Vec<Daemon> = std::iter::once(primary).chain(nodes).collect();
        let settings = format!(
            "sentinel monitor m 127.0.0.1 {port} 2\nsentinel down-after-milliseconds m 2000\n\
             sentinel failover-timeout m 60000\n"
        );
        let sentinels = (0..3).map(|_| {
            let folder = folder();
            let file = folder.path().join("s.conf");
            std::fs::write(&file, &settings).expect("a file");
            let file = file.to_str().expect("UTF-8").to_owned();
            Daemon::start_program_with_file(sentinel, &file, &["--sentinel"], folder)
        });
        let group = Group {
            sentinels: sentinels.collect(),
            nodes,
        };
        for sentinel in &group.sentinels {
            wait_within(DISCOVERY, "the Sentinels know the group", || {
                let reported = ask(sentinel, "INFO sentinel");
                let replicas = sentinel.connect().ask("SENTINEL REPLICAS m");
                reported.contains("slaves=2,sentinels=3") && !replicas.contains("disconnected")
            });
        }
        group
    }

    fn doctor(&self, more: &[&str]) -> (String, Option<i32>) {
        let sentinel = format!("127.0.0.1:{}", self.sentinels[0].port());
        let out: Output = Command::new(russet())
            .args(["doctor", "--sentinel", &sentinel])
            .args(more)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        (text, out.status.code())
    }
}

fn names(text: &str, finding: &str) -> bool {
    text.lines().any(|line| line.starts_with(finding))
}

#[track_caller]
fn assert_names(text: &str, finding: &str) {
    assert!(names(text, finding), "no {finding:?} in:\n{text}");
}

#[test]
fn doctor_names_what_prevents_a_failover() {
    let Some(program) = Peer::Redis8.program_for("doctor --sentinel") else {
        return;
    };
    let mut group = Group::start(&program, &program);

    let (text, code) = group.doctor(&[]);
    assert!(!names(&text, "FAIL"), "{text}");
    assert_names(
        &text,
        "WARN hosts: 3 of 3 Sentinels have the address 127.0.0.1",
    );
    assert_names(&text, "ok   quorum: OK 3 usable Sentinels");
    assert_names(&text, "ok   promotion: ");
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    assert_eq!(code, Some(1), "{text}");

    for node in &group.nodes[1..] {
        node.connect().ask("CONFIG SET replica-priority 0");
    }
    // Sentinels ask for INFO every ten seconds.
    wait_within(DISCOVERY, "no replica can be promoted", || {
        let (text, _) = group.doctor(&[]);
        let missing = "FAIL promotion: all Sentinels: missing: a replica";
        names(&text, missing) && names(&text, "note priority: all Sentinels: replica ")
    });
    for node in &group.nodes[1..] {
        node.connect().ask("CONFIG SET replica-priority 100");
    }
    wait_within(DISCOVERY, "replicas can be promoted again", || {
        let (text, _) = group.doctor(&[]);
        names(&text, "ok   promotion: ") && !names(&text, "note priority")
    });

    let differs = "SENTINEL SET m parallel-syncs 2";
    group.sentinels[2].connect().ask(differs);
    let (text, _) = group.doctor(&[]);
    assert_names(&text, "WARN parallel-syncs: the Sentinels differ");

    // The Sentinels' user lacks the rights for a failover.
    group.nodes[1]
        .connect()
        .ask("ACL SETUSER default -config|rewrite");
    let (text, _) = group.doctor(&[]);
    assert_names(
        &text,
        &format!("FAIL acl: 127.0.0.1:{}", group.nodes[1].port()),
    );
    group.nodes[1].connect().ask("ACL SETUSER default +@all");

    // A stopped replica: at first it only does not answer the doctor, later the Sentinels report it
    // down.
    let stopped = group.nodes[2].port();
    group.nodes[2].terminate();
    let (text, code) = group.doctor(&[]);
    assert!(
        text.contains(&format!("127.0.0.1:{stopped}")) && code == Some(1),
        "{text}"
    );
    wait_until("the replica is down", || {
        let (text, _) = group.doctor(&[]);
        let down = format!("replica 127.0.0.1:{stopped} cannot be promoted: it is down");
        names(&text, &format!("WARN replica: all Sentinels: {down}"))
    });
    let (text, _) = group.doctor(&[]);
    assert!(!names(&text, "FAIL"), "{text}");
    group.nodes.pop();

    // A Sentinel of three ends, and the other two still count it.
    let gone = group.sentinels.pop().expect("three").port();
    let (text, _) = group.doctor(&[]);
    assert_names(&text, &format!("WARN sentinel: 127.0.0.1:{gone}"));
    assert!(!names(&text, "WARN majority"), "{text}");

    // A password that the Sentinels do not have.
    for node in &group.nodes {
        let mut connection = node.connect();
        connection.ask("CONFIG SET requirepass s3cret");
        connection.ask("CLIENT KILL TYPE normal SKIPME yes");
    }
    let (text, code) = group.doctor(&[]);
    assert_names(&text, "WARN auth: not checked, because the login failed");
    assert!(text.contains("NOAUTH") && code == Some(1), "{text}");
    let (text, _) = group.doctor(&["--node-pass", "wrong"]);
    assert!(
        text.contains("WRONGPASS") && !text.contains("wrong\n"),
        "{text}"
    );
    wait_until("the primary is down", || {
        let (text, _) = group.doctor(&["--node-pass", "s3cret"]);
        names(&text, "FAIL sentinel login: ") && names(&text, "WARN masterauth: ")
    });

    // Too few Sentinels for a majority.
    group.sentinels.pop();
    wait_until("there is no majority", || {
        let (text, _) = group.doctor(&["--node-pass", "s3cret", "-t", "1"]);
        names(&text, "FAIL majority: 1 of 3 Sentinels")
    });
}

#[test]
fn doctor_asks_sentinels_of_every_kind() {
    let (Some(redis), Some(valkey)) = (
        Peer::Redis8.program_for("doctor --sentinel"),
        Peer::Valkey9.program_for("doctor --sentinel"),
    ) else {
        return;
    };
    let group = Group::start(&redis, &valkey);
    let (text, _) = group.doctor(&[]);
    assert!(
        text.contains("Sentinel of Valkey 9.") && !names(&text, "FAIL"),
        "{text}"
    );
    drop(group);
    let group = Group::start(&russet(), &russet());
    let (text, _) = group.doctor(&[]);
    assert!(
        text.contains("Sentinel of russet ") && !names(&text, "FAIL"),
        "{text}"
    );
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
}

#[test]
fn doctor_reports_that_there_is_no_sentinel() {
    let server = Daemon::start(&[]);
    let place = format!("127.0.0.1:{}", server.port());
    for (place, why) in [
        (place.as_str(), "this is no Sentinel"),
        ("127.0.0.1:1", "refused"),
    ] {
        let out = Command::new(russet())
            .args(["doctor", "--sentinel", place])
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(2), "{text}");
        assert!(text.contains(why), "{text}");
    }
}
