//! TLS on every link, and passwords of the servers and of the Sentinels.

use std::path::Path;

use crate::group::{Group, SETTINGS, Server, role, start_nodes};
use crate::process::{Kind, NAME, Sentinel, free_port, new_folder};
use crate::support::certificates::{Authority, Subject};
use crate::support::peers::{folder, left_out};
use crate::support::{Connection, Daemon, wait_until};

/// Fails over after a crash, and checks that all agree.
fn fail_over(mut group: Group) {
    let old = group.nodes[0].port();
    group.kill(0);
    let (new, _) = group.agree(&[old]);
    group.wait_for_logs(&group.switch(0, new));
    group.check_votes();
}

/// `name value` pairs for a server or Sentinel that uses TLS on its links.
fn tls_settings(files: &Path, port: u16) -> Vec<(&'static str, String)> {
    let path = |name: &str| files.join(name).display().to_string();
    vec![
        ("tls-port", port.to_string()),
        ("tls-replication", "yes".to_owned()),
        ("tls-cert-file", path("node.crt")),
        ("tls-key-file", path("node.key")),
        ("tls-ca-cert-file", path("ca.crt")),
    ]
}

#[test]
fn all_links_may_be_encrypted() {
    let files = new_folder();
    std::fs::write(files.path().join("ca.crt"), &Authority::shared().pem).expect("a file");
    let issued = Authority::shared().issue(&Subject::named("localhost"));
    issued.write(files.path(), "node");

    let mut nodes: Vec<(Daemon, u16)> = Vec::new();
    for _ in 0..2 {
        let port = free_port();
        let settings = tls_settings(files.path(), port);
        let settings = settings
            .iter()
            .flat_map(|(name, value)| [format!("--{name}"), value.clone()]);
        let mut args: Vec<String> = settings.collect();
        args.extend(["--repl-diskless-sync-delay", "0"].map(str::to_owned));
        if let Some((_, primary)) = nodes.first() {
            args.extend(["--replicaof", "127.0.0.1", &primary.to_string()].map(str::to_owned));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        nodes.push((Daemon::start(&args), port));
    }
    let mut kinds = vec![Kind::Russet; 2];
    if folder().join("redis8-tls/redis-server").exists() {
        kinds.push(Kind::Redis80Tls)
    } else {
        left_out("a Sentinel of Redis 8.0 with TLS")
    }
    let primary = nodes[0].1;
    let mut tls_ports = Vec::new();
    let mut sentinels = Vec::new();
    for kind in kinds {
        let port = free_port();
        let settings = tls_settings(files.path(), port);
        let lines = settings
            .iter()
            .map(|(name, value)| format!("{name} {value}\n"));
        let lines = format!("{SETTINGS}{}", lines.collect::<String>());
        sentinels.push(Sentinel::start(kind, primary, 2, &lines));
        tls_ports.push(port.to_string());
    }
    for sentinel in &sentinels {
        sentinel.ask(crate::group::FAST);
        // A hello contains the TLS port.
        wait_until("the other Sentinels", || {
            let peers = sentinel.list("SENTINELS");
            peers.len() == tls_ports.len() - 1
                && peers
                    .iter()
                    .all(|peer| tls_ports.contains(&peer["port"]) && peer["flags"] == "sentinel")
        });
        wait_until("the replica", || {
            let replicas = sentinel.list("REPLICAS");
            replicas.len() == 1
                && replicas[0]["port"] == nodes[1].1.to_string()
                && replicas[0]["master-link-status"] == "ok"
        });
    }
    nodes[0].0.kill();
    for sentinel in &sentinels {
        wait_until("the switch", || sentinel.primary_port() == Some(nodes[1].1));
    }
    wait_until("the replica to be a primary", || {
        role(&nodes[1].0) == Some(None)
    });
    // The Sentinels reach an old primary that comes back.
    nodes[0].0.restart();
    wait_until("the old primary to follow", || {
        role(&nodes[0].0) == Some(Some(nodes[1].1))
    });
}

/// The rights that a Sentinel needs at a server.
const ACL: &str = "on >nodes-secret allchannels +multi +slaveof +ping +exec +subscribe +config|rewrite \
                   +role +publish +info +client|setname +client|kill +script|kill";

/// Servers with a password for `default` and with a user for Sentinels.
fn secured_nodes() -> Vec<Daemon> {
    let args = [
        "--requirepass",
        "default-secret",
        "--masterauth",
        "default-secret",
    ];
    let user = ["--user", "watcher"]
        .into_iter()
        .chain(ACL.split_whitespace());
    let args: Vec<&str> = args.into_iter().chain(user).collect();
    start_nodes(&[Server::Russet; 3], &args)
}

/// Like [`Group::agree`], for servers with a password.
fn fail_over_secured(sentinels: Vec<Sentinel>, mut nodes: Vec<Daemon>) {
    for sentinel in &sentinels {
        sentinel.ask(crate::group::FAST);
    }
    for sentinel in &sentinels {
        wait_until("all to be known", || {
            let (replicas, peers) = (sentinel.list("REPLICAS"), sentinel.list("SENTINELS"));
            replicas.len() == 2
                && replicas.iter().all(|replica| replica["flags"] == "slave")
                && peers.len() == 2
                && peers.iter().all(|peer| peer["flags"] == "sentinel")
        });
    }
    // `None` if a Sentinel closes the server's clients now, as it does at a change of role.
    let role_of = |node: &Daemon| {
        let mut c = Connection::open(node.port()).expect("it accepts");
        let asked = c.write(b"AUTH default-secret\r\nROLE\r\n");
        let role = asked.and_then(|()| c.read()).and_then(|_| c.read());
        role.map_or(String::new(), |(bytes, _)| bytes.escape_ascii().to_string())
    };
    nodes[0].kill();
    let old = nodes[0].port();
    let agreed = || {
        let mut ports = sentinels.iter().map(|one| one.primary_port());
        let first = ports.next()??;
        (first != old && ports.all(|port| port == Some(first))).then_some(first)
    };
    wait_until("one new primary", || agreed().is_some());
    let new = agreed().expect("just now");
    nodes[0].restart();
    wait_until("all servers to have their roles", || {
        nodes.iter().all(|node| {
            if node.port() == new {
                role_of(node).contains("master")
            } else {
                role_of(node).contains("connected")
                    && role_of(node).contains(&format!(":{new}\\r\\n"))
            }
        })
    });
}

#[test]
fn sentinels_with_a_common_password_and_servers_with_users() {
    let nodes = secured_nodes();
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {} 2\n{SETTINGS}sentinel auth-user {NAME} watcher\n\
         sentinel auth-pass {NAME} nodes-secret\nrequirepass common-secret\n",
        nodes[0].port()
    );
    let start = |_| Sentinel::start_from(Kind::Russet, &lines, Some("common-secret"));
    let sentinels: Vec<_> = (0..3).map(start).collect();
    let mut stranger = Connection::open(sentinels[0].port()).expect("it accepts");
    assert_eq!(
        stranger.ask("SENTINEL MASTERS"),
        "-NOAUTH Authentication required.\r\n"
    );
    fail_over_secured(sentinels, nodes);
}

#[test]
fn sentinels_with_a_user_of_their_own_and_servers_with_a_password() {
    let nodes = secured_nodes();
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {} 2\n{SETTINGS}\
         sentinel auth-pass {NAME} default-secret\n\
         user default off\nuser tester on >tester-secret ~* &* +@all\n\
         user peer on >peer-secret &* -@all +auth +ping +hello +publish +client|setname \
         +sentinel|is-master-down-by-addr +sentinel|myid +subscribe\n\
         sentinel sentinel-user peer\nsentinel sentinel-pass peer-secret\n",
        nodes[0].port()
    );
    let start = |_| Sentinel::start_from(Kind::Russet, &lines, Some("tester tester-secret"));
    fail_over_secured((0..3).map(start).collect(), nodes);
}

#[test]
fn a_wrong_password_is_not_a_dead_server() {
    let nodes = secured_nodes();
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {} 1\n{SETTINGS}sentinel auth-pass {NAME} wrong\n",
        nodes[0].port()
    );
    let sentinel = Sentinel::start_from(Kind::Russet, &lines, None);
    let mut events = sentinel.events();
    // As in Redis, a server that refuses all commands counts as a server that does not answer.
    events.wait("+sdown master");
    assert_eq!(
        sentinel
            .ask(&format!("SENTINEL SET {NAME} auth-pass default-secret"))
            .text(),
        Some(&b"OK"[..])
    );
    events.wait("-sdown master");
}

#[test]
fn three_plain_sentinels_of_russet() {
    fail_over(Group::start(&[Kind::Russet; 3], &[Server::Russet; 3]));
}
