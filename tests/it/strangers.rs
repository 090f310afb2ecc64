//! The cost of clients that have not logged in, or only claim an identity: n and 4n links,
//! messages, names and half requests at each port. Memory, descriptors, the log and files stay
//! within bounds that do not grow with the number, and the server answers PING of another client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::daemon::{free_port_of, russet};
use crate::support::resp::command;
use crate::support::strangers::{Bounds, Cost, Pinger};
use crate::support::wait::SetOnDrop;
use crate::support::{Daemon, wait_until};

/// A turn of a debug build on a busy machine.
const LATE: Duration = Duration::from_secs(2);
const MIB: u64 = 1 << 20;

fn cost(server: &Daemon) -> Cost {
    Cost::of(server.pid(), server.folder(), server.log().len())
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).expect("a socket");
    stream.set_write_timeout(limit).expect("a socket");
    stream
}

/// Links on which the test has sent these bytes, as far as the server took them.
fn links(port: u16, n: usize, bytes: impl Fn(usize) -> Vec<u8>) -> Vec<TcpStream> {
    let link = |i| {
        let mut stream = connect(port);
        // The server may refuse the link before it has all bytes.
        let _ = stream.write_all(&bytes(i));
        stream
    };
    (0..n).map(link).collect()
}

/// Checks the bounds with n and with 4n of these; afterwards the server is as before.
fn multiply(
    server: &Daemon,
    what: &str,
    (n, bounds): (usize, Bounds),
    act: impl Fn(usize) -> Vec<TcpStream>,
) {
    // Connected first, because delayed logins would take longer.
    let clients = [(); 2].map(|()| {
        let mut c = server.connect();
        assert_eq!(c.ask("AUTH secret"), "+OK\r\n");
        c
    });
    let before = cost(server);
    for (n, client) in [n, 4 * n].into_iter().zip(clients) {
        let pinger = Pinger::start(client);
        let held = act(n);
        bounds.check(&format!("{n} {what}"), before, cost(server));
        pinger.check(&format!("{n} {what}"), LATE);
        drop(held);
        wait_until("the links to be gone", || {
            cost(server).descriptors <= before.descriptors + 2
        });
    }
}

/// The first bytes of the answer to a request.
fn status(port: u16, path: &str) -> String {
    let mut stream = connect(port);
    let _ = stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let mut answer = [0; 12];
    let _ = stream.read_exact(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn links_before_auth_are_bounded_together() {
    let server = Daemon::start(&["--requirepass", "secret", "--maxclients", "60"]);
    let bounds = Bounds {
        descriptors: 62,
        resident_bytes: 24 * MIB,
        log_bytes: 4096,
    };
    let halves = |port| {
        move |n| {
            links(port, n, |_| {
                let mut bytes = b"*2\r\n$4\r\nAUTH\r\n$16000\r\n".to_vec();
                bytes.extend(std::iter::repeat_n(b'x', 15_000));
                bytes
            })
        }
    };
    multiply(
        &server,
        "half requests",
        (50, bounds),
        halves(server.port()),
    );
    // Each link says that it is a replica and asks for a full copy.
    let replicas = |port| {
        move |n| {
            links(port, n, |i| {
                let port = (10_000 + i).to_string();
                let mut bytes = command(&[
                    "REPLCONF",
                    "listening-port",
                    &port,
                    "ip-address",
                    "stranger",
                ]);
                bytes.extend(command(&["PSYNC", "?", "-1"]));
                bytes.extend(command(&["SYNC"]).repeat(20));
                bytes
            })
        }
    };
    multiply(
        &server,
        "replicas that are none",
        (50, bounds),
        replicas(server.port()),
    );
    let mut c = server.connect();
    c.ask("AUTH secret");
    let info = c.ask("INFO replication");
    assert!(info.contains("connected_slaves:0\r\n"), "{info}");
    // Many messages on a single link.
    let words = |port| {
        move |n| {
            links(port, 1, |_| {
                let one = [
                    command(&["AUTH", "wrong"]),
                    command(&["PSYNC", "a", "1"]),
                    command(&["NO"]),
                ];
                one.concat().repeat(20 * n)
            })
        }
    };
    multiply(
        &server,
        "hundreds of words",
        (50, bounds),
        words(server.port()),
    );
}

#[test]
fn half_requests_keep_nobody_from_the_console() {
    let (server, port) = Daemon::start_with_port("--console-port", &["--requirepass", "secret"]);
    let bounds = Bounds {
        descriptors: 68,
        resident_bytes: 24 * MIB,
        log_bytes: 4096,
    };
    multiply(&server, "half requests", (70, bounds), |n| {
        let held = links(port, n, |_| b"GET / HTTP/1.1\r\nHost: loc".to_vec());
        for _ in 0..5 {
            assert_eq!(status(port, "/"), "HTTP/1.1 200");
        }
        held
    });
    // Idle links stay within bounds, too: some send nothing, some have their answer, some read no
    // answer.
    multiply(&server, "idle links", (70, bounds), |n| {
        let held = links(port, n, |i| match i % 3 {
            0 => Vec::new(),
            1 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            _ => b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50),
        });
        assert_eq!(status(port, "/"), "HTTP/1.1 200");
        held
    });
}

#[test]
fn half_requests_keep_nobody_from_the_metrics() {
    let (server, port) = Daemon::start_with_port("--metrics-port", &["--requirepass", "secret"]);
    let bounds = Bounds {
        descriptors: 36,
        resident_bytes: 24 * MIB,
        log_bytes: 4096,
    };
    multiply(&server, "half requests", (40, bounds), |n| {
        let held = links(port, n, |i| match i % 2 {
            0 => Vec::new(),
            _ => b"GET /metrics HTTP/1.1\r\nHost: loc".to_vec(),
        });
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(status(port, path), "HTTP/1.1 200", "{path}");
        }
        held
    });
}

/// Regression: the replica read newlines until none were left, and the primary sent them for ever.
#[test]
fn a_primary_that_sends_newlines_for_ever_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let ends = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&ends);
    let _guard = SetOnDrop(&ends);
    let primary = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a replica");
        let newlines = vec![b'\n'; MIB as usize];
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) && stream.write_all(&newlines).is_ok() {
            sent += newlines.len();
        }
        sent
    });
    let replica = Daemon::start(&[]);
    let mut c = replica.connect();
    let pinger = Pinger::start(replica.connect());
    let follow = format!("REPLICAOF 127.0.0.1 {port}");
    assert_eq!(c.ask(&follow), "+OK\r\n");
    let input = || replica.info("total_net_repl_input_bytes");
    wait_until("megabytes of newlines", || {
        input().and_then(|n| n.parse().ok()).unwrap_or(0) > 4 * MIB
    });
    pinger.check("newlines", LATE);
    assert_eq!(c.ask("REPLICAOF NO ONE"), "+OK\r\n");
    ends.store(true, Ordering::Relaxed);
    assert!(primary.join().expect("it ends") > 0);
}

/// A replica's attempt that cannot load the snapshot: it reads the beginning and closes.
fn take_and_leave(server: &Daemon, listening: u16) {
    let mut stream = connect(server.port());
    let port = listening.to_string();
    let mut hello = [0; 5];
    let words = [
        "REPLCONF",
        "listening-port",
        &port,
        "capa",
        "eof",
        "capa",
        "psync2",
    ];
    stream.write_all(&command(&words)).expect("sent");
    stream.read_exact(&mut hello).expect("OK");
    let words = command(&["PSYNC", "?", "-1"]);
    stream.write_all(&words).expect("sent");
    let mut answer = Vec::new();
    let mut one = [0; 1024];
    while !answer
        .windows(7)
        .any(|bytes| bytes == b"\nREDIS0" || bytes == b"REDIS00")
    {
        match stream.read(&mut one) {
            Ok(n) if n > 0 => answer.extend_from_slice(&one[..n]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
}

/// Regression: the primary sent such a replica a whole copy every few seconds for ever, and
/// reported no problem.
#[test]
fn a_replica_that_loads_nothing_is_named_and_waits() {
    let args = [
        "--repl-diskless-sync-delay",
        "0",
        "--min-replicas-to-write",
        "1",
    ];
    let (server, metrics) = Daemon::start_with_port("--metrics-port", &args);
    let mut c = server.connect();
    c.ask("CONFIG SET min-replicas-to-write 0");
    c.ask("SELECT 3");
    assert_eq!(c.call(&["ARSET", "odd\tkey", "0", "v"]), b":1\r\n");
    c.ask("CONFIG SET min-replicas-to-write 1");
    let began = std::time::Instant::now();
    for _ in 0..4 {
        take_and_leave(&server, 7000);
        wait_until("it to be gone", || {
            server.info("connected_slaves").as_deref() == Some("0")
        });
    }
    // The second attempt does not wait; the third and the fourth do.
    let least = Duration::from_millis(2900);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
    let line = server.info("sync_failing0").unwrap_or_default();
    assert!(
        line.starts_with("ip=127.0.0.1,port=7000,copies=4,retry_s="),
        "{line}"
    );
    let log = server.log();
    for text in [
        "Replica 127.0.0.1:7000 was sent a whole copy 3 times and has acknowledged none",
        "a key that is an array, such as 'odd\\tkey' (db 3), which needs RDB version 14",
        "check-rdb --for",
    ] {
        assert!(log.contains(text), "{text} in\n{log}");
    }
    let doctor = || {
        let port = server.port().to_string();
        let ended = Command::new(russet())
            .args(["doctor", "-p", &port])
            .output();
        String::from_utf8_lossy(&ended.expect("it runs").stdout).into_owned()
    };
    let text = doctor();
    assert!(
        text.contains("FAIL replicas: ") && text.contains("127.0.0.1:7000 (4 copies"),
        "{text}"
    );
    assert_eq!(status(metrics, "/readyz"), "HTTP/1.1 503");
    // The pause does not apply to another replica, nor to this replica after it has loaded a copy.
    take_and_leave(&server, 7001);
    let replica = Daemon::start(&[
        "--replica-announce-port",
        "7000",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    replica
        .connect()
        .ask(&format!("REPLICAOF 127.0.0.1 {}", server.port()));
    crate::replication::wait_for_link(&replica);
    wait_until("its acknowledgement", || {
        server.info("sync_failing0").is_none()
    });
    wait_until("readiness", || status(metrics, "/readyz") == "HTTP/1.1 200");
    assert!(!doctor().contains("FAIL replicas"));
}

/// Answers each request of a replica with a line until the replica asks for a full copy; then sends
/// `snapshot`.
fn send_snapshot(stream: TcpStream, snapshot: &[u8]) {
    let mut requests = BufReader::new(&stream);
    let mut line = String::new();
    while requests.read_line(&mut line).is_ok_and(|n| n > 0) {
        let word = line.trim_end().to_ascii_uppercase();
        line.clear();
        let answer = match word.as_str() {
            "PING" => b"+PONG\r\n".to_vec(),
            "REPLCONF" => b"+OK\r\n".to_vec(),
            "PSYNC" => {
                let (id, length) = ("a".repeat(40), snapshot.len());
                let head = format!("+FULLRESYNC {id} 0\r\n${length}\r\n");
                [head.as_bytes(), snapshot].concat()
            }
            _ => continue,
        };
        // The replica may have closed the link.
        let _ = (&stream).write_all(&answer);
    }
}

#[test]
fn a_snapshot_that_cannot_be_loaded_is_logged_with_key_and_type() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        // A bitmap of Redis 8.12.
        let snapshot = b"REDIS0012\xfe\x00\x21\x04odd\n\x01x\xff\0\0\0\0\0\0\0\0";
        // The thread ends with the test's process.
        while let Ok((stream, _)) = listener.accept() {
            send_snapshot(stream, snapshot);
        }
    });
    let replica = Daemon::start(&[]);
    replica
        .connect()
        .ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    replica.wait_for_log("(reading type 33, bitmap)");
    let log = replica.log();
    let line = log.lines().find(|line| line.contains("reading type 33"));
    assert!(line.is_some_and(|line| line.contains("key 'odd")), "{log}");
}

/// Regression: each retained file kept a descriptor.
#[test]
fn retained_files_of_the_log_cost_no_descriptors() {
    let server = Daemon::start(&["--appendonly", "yes", "--repl-log-retain", "64mb"]);
    let mut c = server.connect();
    let mut rewrite = || {
        assert_eq!(c.ask("SET k v"), "+OK\r\n");
        assert!(c.ask("BGREWRITEAOF").starts_with('+'));
        wait_until("the rewrite", || {
            let is_over = |field| server.info(field).as_deref() == Some("0");
            is_over("aof_rewrite_in_progress") && is_over("aof_rewrite_scheduled")
        });
    };
    (0..5).for_each(|_| rewrite());
    let before = cost(&server).descriptors;
    (0..20).for_each(|_| rewrite());
    let folder = server.folder().join("appendonlydir");
    let files = std::fs::read_dir(folder).expect("it has one").count();
    assert!(files > 25, "{files} files are kept");
    let now = cost(&server).descriptors;
    assert!(now <= before + 2, "{now} descriptors, {before} before");
}

/// A MEET of an unknown node, with gossip about `invented` nodes that do not exist.
fn meet(stranger: usize, invented: usize) -> Vec<u8> {
    const HEADER_BYTES: usize = 2256;
    const ENTRY_BYTES: usize = 104;
    let id = |node: usize| format!("{node:040x}");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + invented * ENTRY_BYTES);
    bytes.extend(b"RCmb");
    bytes.extend(((HEADER_BYTES + invented * ENTRY_BYTES) as u32).to_be_bytes());
    // Version, port, type, number of entries.
    for word in [1, 1, 2, invented as u16] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend([0; 3 * 8]);
    bytes.extend(id(stranger).bytes());
    bytes.resize(HEADER_BYTES - 8 - 2, 0);
    // Port of the bus, flags, state, marks.
    for word in [2u16, 1] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.resize(HEADER_BYTES, 0);
    for node in 0..invented {
        let end = bytes.len() + ENTRY_BYTES;
        bytes.extend(id(1_000_000 + stranger * 1000 + node).bytes());
        bytes.extend([0; 8]);
        bytes.extend(b"127.0.0.1");
        bytes.resize(end - 12, 0);
        for word in [3u16, 4, 1] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.resize(end, 0);
    }
    bytes
}

/// Regression: 26 messages about 16,000 invented nodes stopped a node for a minute, and silent
/// links took all descriptors.
#[test]
fn strangers_on_the_bus_are_bounded_together() {
    let bus = free_port_of(29_000, 900);
    let bus_port = bus.to_string();
    let server = Daemon::start(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus_port,
        "--cluster-node-timeout",
        "1000",
        "--requirepass",
        "secret",
    ]);
    let bounds = Bounds {
        descriptors: 300,
        resident_bytes: 32 * MIB,
        log_bytes: 32 * 1024,
    };
    let silent = |n| links(bus, n, |_| b"RCmb".to_vec());
    multiply(&server, "links that say nothing", (100, bounds), silent);
    let garbage = |n| links(bus, n, |_| vec![b'x'; 100_000]);
    multiply(&server, "links without messages", (100, bounds), garbage);
    let long = |n| {
        links(bus, n, |_| {
            let mut bytes = meet(1, 0);
            bytes[4..8].copy_from_slice(&(1u32 << 20).to_be_bytes());
            bytes.resize((1 << 20) - 1, 0);
            bytes
        })
    };
    multiply(&server, "messages without their end", (100, bounds), long);
    let gossip = |n| links(bus, n, |i| meet(i, 600).repeat(2));
    multiply(&server, "invented nodes", (25, bounds), gossip);
    let mut c = server.connect();
    c.ask("AUTH secret");
    let nodes = c.ask("CLUSTER NODES");
    assert!(nodes.lines().count() < 600, "{nodes}");
}

/// Regression: anybody who knew an id, which CLUSTER NODES shows, could make a node hold a message
/// of a GiB.
#[test]
fn a_link_that_claims_a_known_id_holds_no_long_message() {
    let ports = [free_port_of(29_000, 450), free_port_of(29_450, 450)];
    let start = |port: u16| {
        let port = port.to_string();
        Daemon::start(&["--cluster-enabled", "yes", "--cluster-port", &port])
    };
    let [server, mut other] = ports.map(start);
    let mut c = server.connect();
    let met = format!("CLUSTER MEET 127.0.0.1 {} {}", other.port(), ports[1]);
    assert_eq!(c.ask(&met), "+OK\r\n");
    let mut of_other = other.connect();
    let id = of_other.ask("CLUSTER MYID")[5..45].to_string();
    wait_until("both to know each other", || {
        c.ask("CLUSTER NODES").contains(&id) && of_other.ask("CLUSTER NODES").lines().count() == 4
    });
    // The node's own messages arrive; the first may come before its links are open.
    let mut subscriber = server.connect();
    subscriber.ask("SUBSCRIBE news");
    let long = "x".repeat(3 << 20);
    wait_until("a long message of the node", || {
        of_other.call(&["PUBLISH", "news", &long]);
        server
            .info("total_net_output_bytes")
            .and_then(|n| n.parse().ok())
            > Some(3 * MIB)
    });
    drop(subscriber);
    other.kill();
    let before = cost(&server);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let address = |text: &str| text.parse::<std::net::SocketAddr>().expect("an address");
    socket
        .bind(&address("127.0.0.2:0").into())
        .expect("a loopback address");
    let bus = format!("127.0.0.1:{}", ports[0]);
    socket.connect(&address(&bus).into()).expect("it listens");
    let mut stranger = TcpStream::from(socket);
    let claim = |kind: u16| {
        let mut bytes = meet(1, 0);
        bytes[12..14].copy_from_slice(&kind.to_be_bytes());
        bytes[40..80].copy_from_slice(id.as_bytes());
        bytes[2168..][..9].copy_from_slice(b"127.0.0.1");
        bytes
    };
    const PING: u16 = 0;
    const PUBLISH: u16 = 4;
    let mut publication = claim(PUBLISH);
    publication[4..8].copy_from_slice(&(1u32 << 30).to_be_bytes());
    publication.resize(64 << 20, 0);
    stranger
        .write_all(&[claim(PING), publication].concat())
        .expect("taken");
    let bounds = Bounds {
        descriptors: 4,
        resident_bytes: 32 * MIB,
        log_bytes: 32 * 1024,
    };
    bounds.check("the start of a GiB", before, cost(&server));
    server.wait_for_log("bytes, which is more than the limit");
}
