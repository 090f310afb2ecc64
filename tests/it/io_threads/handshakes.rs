//! TLS handshakes on threads: the server admits the same clients, logs and counts the same
//! failures, and leaves as little behind as without threads.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rustls::{ClientConfig, ClientConnection};

use super::{ALWAYS, clients_of, field};
use crate::support::certificates::Subject;
use crate::support::wait_until;
use crate::tls::{BOTH, Tls, ask};

/// The first bytes of a client's handshake.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a vector");
    bytes
}

fn plain(tls: &Tls) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", tls.port)).expect("listens");
    let limit = Some(Duration::from_secs(20));
    socket.set_read_timeout(limit).expect("a socket");
    socket
}

/// Reads until the connection ends, and ignores the bytes.
fn await_end(socket: &mut TcpStream) {
    let _ = socket.read_to_end(&mut Vec::new());
}

#[test]
fn two_hundred_clients_shake_hands_with_threads() {
    let tls = Tls::start(&ALWAYS);
    let config = Arc::new(tls.config(Some(&tls.client()), BOTH));
    let mut clients = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let (tls, config) = (&tls, &config);
                scope.spawn(move || {
                    let one = |_| {
                        let mut client = tls.connect_by(Arc::clone(config));
                        ask(&mut client, b"INCR n\r\nPING\r\n", b":");
                        client
                    };
                    (0..25).map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        for worker in workers {
            clients.extend(worker.join().expect("all are answered"));
        }
    });
    assert_eq!(field(&tls.server, "tls_handshakes"), 200);
    assert_eq!(field(&tls.server, "tls_handshakes_failed"), 0);
    let (one, two) = (clients_of(&tls.server, 1), clients_of(&tls.server, 2));
    // A thread that is busy with handshakes gets fewer clients.
    assert!(one + two >= 200 && one.min(two) >= 40, "{one} {two}");
    assert_eq!(tls.server.connect().ask("GET n"), "$3\r\n200\r\n");
    drop(clients);
    wait_until("all are gone", || {
        field(&tls.server, "connected_clients") <= 2
    });
}

#[test]
fn a_certificate_names_its_user_before_the_first_command() {
    let tls = Tls::start(
        &[
            &ALWAYS[..],
            &[
                "--tls-auth-clients",
                "optional",
                "--tls-auth-clients-user",
                "CN",
            ],
        ]
        .concat(),
    );
    let mut admin = tls.server.connect();
    assert_eq!(admin.ask("ACL SETUSER alice on +@all ~* nopass"), "+OK\r\n");
    assert_eq!(
        admin.ask("ACL SETUSER carol on +@all ~* nopass clients=1"),
        "+OK\r\n"
    );
    let who = |name: Option<&str>| {
        let shown = name.map(|name| tls.authority.issue(&Subject::named(name)));
        tls.connect_with(tls.config(shown.as_ref(), BOTH))
    };
    for _ in 0..20 {
        ask(
            &mut who(Some("alice")),
            b"ACL WHOAMI\r\n",
            b"$5\r\nalice\r\n",
        );
        ask(
            &mut who(Some("bob")),
            b"ACL WHOAMI\r\n",
            b"$7\r\ndefault\r\n",
        );
        ask(&mut who(None), b"ACL WHOAMI\r\n", b"$7\r\ndefault\r\n");
    }
    assert_eq!(field(&tls.server, "acl_access_denied_tls_cert"), 20);
    // A client beyond its user's limit gets the reason, and the server runs none of its commands.
    let mut first = who(Some("carol"));
    ask(&mut first, b"ACL WHOAMI\r\n", b"$5\r\ncarol\r\n");
    let mut second = who(Some("carol"));
    let _ = second.write_all(b"SET ran yes\r\n");
    let mut got = Vec::new();
    let _ = second.read_to_end(&mut got);
    let text = String::from_utf8_lossy(&got);
    assert!(text.starts_with("-ERR max number of clients"), "{text}");
    assert_eq!(admin.ask("EXISTS ran"), ":0\r\n");
}

/// Each kind of failure has the same log line and the same counters as without threads.
#[test]
fn failures_are_logged_and_counted_as_without_threads() {
    let play = |args: &[&str]| {
        let tls = Tls::start(args);
        let mut other = tls.connect();
        ask(&mut other, b"PING\r\n", b"+PONG\r\n");
        let hello = hello(&Arc::new(tls.config(Some(&tls.client()), BOTH)));
        let mut failed = 0;
        let mut fails = |sent: &[u8]| {
            let mut socket = plain(&tls);
            socket.write_all(sent).expect("sent");
            // The server answers data other than TLS, or the end of the data, by closing the
            // connection.
            let _ = socket.shutdown(Shutdown::Write);
            await_end(&mut socket);
            failed += 1;
            wait_until("it is counted", || {
                field(&tls.server, "tls_handshakes_failed") == failed
            });
        };
        fails(b"PING\r\n");
        fails(&[0; 1000]);
        fails(b"\x16\x03\x01\xff\xff");
        fails(&hello[..hello.len() / 2]);
        fails(&hello);
        fails(b"");
        let mut stranger = tls.connect_with(tls.config(None, BOTH));
        let _ = stranger.write_all(b"PING\r\n");
        assert!(stranger.read_exact(&mut [0; 7]).is_err());
        wait_until("it is counted", || {
            field(&tls.server, "tls_handshakes_failed") == failed + 1
        });
        ask(&mut other, b"PING\r\n", b"+PONG\r\n");
        tls.reported()
    };
    let with = play(&ALWAYS);
    assert_eq!(with, play(&[]));
    assert_eq!(with.len(), 7);
}

#[test]
fn half_a_handshake_holds_nobody_up_and_is_killed_like_any_client() {
    let tls = Tls::start(&ALWAYS);
    let config = Arc::new(tls.config(Some(&tls.client()), BOTH));
    let hello = hello(&config);
    let mut halves: Vec<_> = (0..100)
        .map(|i| {
            let mut socket = plain(&tls);
            // From no byte to all but the client's last message.
            let n = hello.len() * (i % 5) / 4;
            socket.write_all(&hello[..n]).expect("sent");
            socket
        })
        .collect();
    let mut admin = tls.server.connect();
    wait_until("all are connected", || {
        field(&tls.server, "connected_clients") > 100
    });
    for _ in 0..20 {
        let mut client = tls.connect_by(Arc::clone(&config));
        ask(&mut client, b"PING\r\n", b"+PONG\r\n");
    }
    let list = admin.ask("CLIENT LIST");
    let of_threads = list.lines().filter(|line| !line.contains(" io-thread=0 "));
    assert!(of_threads.count() >= 100, "{list}");
    // The test kills a client by its id, and the other clients by their type.
    let id = list
        .lines()
        .find(|line| line.contains(&format!("addr={}", halves[7].local_addr().expect("bound"))))
        .and_then(|line| line.split_whitespace().find(|word| word.starts_with("id=")))
        .expect("it is listed")[3..]
        .to_owned();
    assert_eq!(admin.ask(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    await_end(&mut halves[7]);
    admin.ask("CLIENT KILL TYPE normal SKIPME yes");
    for socket in &mut halves {
        await_end(socket);
    }
    wait_until("all are gone", || {
        field(&tls.server, "connected_clients") <= 2
    });
    assert_eq!(field(&tls.server, "tls_handshakes_failed"), 0);
    let mut client = tls.connect_by(config);
    ask(&mut client, b"PING\r\n", b"+PONG\r\n");
}

/// Handshakes cut at any place, and whole handshakes, while another client kills clients and
/// changes the number of threads: sockets move in the middle of a handshake, and none is left over.
#[test]
fn handshakes_move_with_their_sockets_and_leave_nothing() {
    let tls = Tls::start(&ALWAYS);
    let config = Arc::new(tls.config(Some(&tls.client()), BOTH));
    let hello = hello(&config);
    let fds = || {
        let all = std::fs::read_dir(format!("/proc/{}/fd", tls.server.pid()));
        all.expect("it runs").count()
    };
    let mut admin = tls.server.connect();
    admin.ask("PING");
    wait_until("threads", || tls.server.info("io_thread_2").is_some());
    let before = fds();
    let mut answered = 0;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6)
            .map(|seed| {
                let (tls, config, hello) = (&tls, &config, &hello);
                scope.spawn(move || {
                    let mut rng = SmallRng::seed_from_u64(seed);
                    let mut answered = 0;
                    for _ in 0..40 {
                        if rng.random() {
                            let mut socket = plain(tls);
                            let n = rng.random_range(0..=hello.len());
                            let _ = socket.write_all(&hello[..n]);
                            std::thread::sleep(Duration::from_millis(rng.random_range(0..5)));
                        } else {
                            let mut client = tls.connect_by(Arc::clone(config));
                            let mut reply = [0; 7];
                            let is_answered = client
                                .write_all(b"PING\r\n")
                                .and_then(|()| client.read_exact(&mut reply))
                                .is_ok();
                            assert!(!is_answered || &reply == b"+PONG\r\n");
                            answered += u32::from(is_answered);
                        }
                    }
                    answered
                })
            })
            .collect();
        let mut rng = SmallRng::seed_from_u64(99);
        while workers.iter().any(|worker| !worker.is_finished()) {
            let line = match rng.random_range(0..10) {
                0 => "CLIENT KILL TYPE normal".to_owned(),
                _ => format!("CONFIG SET io-threads {}", rng.random_range(1..5)),
            };
            let reply = admin.ask(&line);
            assert!(!reply.starts_with("-ERR"), "{line}: {reply}");
            std::thread::sleep(Duration::from_millis(rng.random_range(0..30)));
        }
        for worker in workers {
            answered += worker.join().expect("no reply is wrong");
        }
    });
    assert!(answered > 20, "{answered}");
    admin.ask("CONFIG SET io-threads 3");
    wait_until("all are gone", || {
        field(&tls.server, "connected_clients") <= 2
    });
    wait_until("two threads", || {
        tls.server.info("io_thread_2").is_some() && tls.server.info("io_thread_3").is_none()
    });
    wait_until("descriptors are closed", || fds() <= before + 2);
}
