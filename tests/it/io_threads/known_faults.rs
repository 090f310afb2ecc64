//! Faults that users of other servers found in I/O threads, each tried here. The numbers are those
//! of docs/testing.md.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::{ALWAYS, clients_of, field, times_run};
use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};
use crate::tls::{BOTH, Tls, ask};

/// More keys than the processor's caches hold, because the server prefetches the lookups of a
/// parcel.
const MANY_KEYS: usize = 70_000;

/// Fills database 0 with `key:N`.
fn fill(client: &mut Connection) {
    let reply = client.ask(&format!("DEBUG POPULATE {MANY_KEYS}"));
    assert_eq!(reply, "+OK\r\n");
}

/// Clients that have sent so many copies of `request` that no thread has read all of them.
fn busy_clients(server: &Daemon, count: usize, request: &[u8]) -> Vec<TcpStream> {
    let one = |_| {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
        socket.set_nonblocking(true).expect("a socket");
        while socket.write(request).is_ok_and(|n| n == request.len()) {}
        socket
    };
    (0..count).map(one).collect()
}

/// 1, 2: CLIENT KILL TYPE while threads read from the killed clients and write to them.
#[test]
fn killing_all_of_a_type_while_threads_serve_them_leaves_the_killer() {
    let server = Daemon::start(&ALWAYS);
    let mut killer = server.connect();
    killer.ask(&format!("SET k {}", "x".repeat(2000)));
    let request = command(&[&b"GET"[..], b"k"]).repeat(50);
    for _ in 0..5 {
        let clients = busy_clients(&server, 30, &request);
        wait_until("they are there", || {
            field(&server, "connected_clients") > 30
        });
        let reply = killer.ask("CLIENT KILL TYPE normal SKIPME yes");
        assert!(reply.starts_with(":3"), "{reply}");
        drop(clients);
        wait_until("they are gone", || {
            field(&server, "connected_clients") <= 2
                && clients_of(&server, 1) + clients_of(&server, 2) <= 2
        });
    }
}

/// 4: a TLS client that leaves while the link still holds much of its input.
#[test]
fn tls_clients_that_leave_with_data_under_way_are_closed_once() {
    let tls = Tls::start(&ALWAYS);
    let config = Arc::new(tls.config(Some(&tls.client()), BOTH));
    let request = command(&[&b"ECHO"[..], &[b'x'; 1000]]).repeat(100);
    for _ in 0..20 {
        let mut client = tls.connect_by(Arc::clone(&config));
        ask(&mut client, b"PING\r\n", b"+PONG");
        client.write_all(&request).expect("room");
        drop(client);
    }
    wait_until("all are gone", || {
        field(&tls.server, "connected_clients") <= 2
    });
    let mut client = tls.connect_by(config);
    ask(&mut client, b"PING\r\n", b"+PONG");
}

/// 7: commands with too few words, so the prefetch finds no key in them.
#[test]
fn commands_with_too_few_words_are_refused_among_many_keys() {
    let server = Daemon::start(&ALWAYS);
    fill(&mut server.connect());
    let requests: [&[&str]; 10] = [
        &["GET"],
        &["MGET"],
        &["EVAL", "return 1"],
        &["EVALSHA"],
        &["XREAD", "STREAMS"],
        &["SORT"],
        &["OBJECT", "ENCODING"],
        &["ZUNIONSTORE", "a", "9"],
        &["LMPOP", "100", "LEFT"],
        &["MIGRATE", "127.0.0.1", "1"],
    ];
    let mut clients: Vec<_> = requests.iter().map(|_| server.connect()).collect();
    for _ in 0..50 {
        for (client, request) in clients.iter_mut().zip(requests) {
            client.send(&command(request));
        }
        for (client, request) in clients.iter_mut().zip(requests) {
            let reply = client.reply();
            assert!(reply.starts_with(b"-ERR"), "{request:?}");
        }
    }
}

/// 9: a replica's connection that moves to the loop leaves nothing in its thread.
#[test]
fn threads_sleep_after_replicas_have_come_and_gone() {
    let server = Daemon::start(&ALWAYS);
    server.connect().ask("SET k v");
    let port = server.port().to_string();
    let follow = [&ALWAYS[..], &["--replicaof", "127.0.0.1", &port]].concat();
    let mut replica = Daemon::start(&follow);
    wait_until("it follows", || {
        replica.info("master_link_status").as_deref() == Some("up")
            && field(&server, "connected_slaves") == 1
    });
    assert_eq!(replica.connect().ask("GET k"), "$1\r\nv\r\n");
    wait_until("its connection is the loop's", || {
        let line = server.connect().ask("CLIENT LIST TYPE replica");
        line.contains(" io-thread=0 ")
    });
    let at_rest = |server: &Daemon| {
        // The thread of the asking client sleeps after its answer. A spinning thread goes on
        // counting.
        let before = times_run(server);
        std::thread::sleep(std::time::Duration::from_millis(500));
        times_run(server) - before < 20
    };
    wait_until("the threads of both rest", || {
        at_rest(&server) && at_rest(&replica)
    });
    replica.kill();
    wait_until("it is gone", || field(&server, "connected_slaves") == 0);
    wait_until("the threads rest", || at_rest(&server));
}

/// 10: cron visits clients on threads, and closes idle clients.
#[test]
fn idle_clients_at_threads_are_closed_in_time() {
    let server = Daemon::start(&[&ALWAYS[..], &["--timeout", "1"]].concat());
    let mut idle: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for client in &mut idle {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
    }
    for client in &mut idle {
        assert!(client.rest().is_empty());
    }
}

/// 11: a flush frees the table while the server prefetches the lookups of a parcel.
#[test]
fn data_may_be_emptied_beside_reads_of_many_keys() {
    let server = Daemon::start(&ALWAYS);
    let mut admin = server.connect();
    let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for round in 0..12 {
        fill(&mut admin);
        for (at, client) in clients.iter_mut().enumerate() {
            for n in 0..30 {
                let key = format!("key:{}", at * 1000 + n);
                client.send(&command(&["STRLEN", &key]));
            }
        }
        let word = ["FLUSHALL ASYNC", "FLUSHALL SYNC", "SWAPDB 0 1"][round % 3];
        assert_eq!(admin.ask(word), "+OK\r\n");
        for client in &mut clients {
            for _ in 0..30 {
                assert!(client.reply().starts_with(b":"));
            }
        }
        admin.ask("FLUSHALL");
    }
}

/// 12: a blocked client gets its reply while its socket still sends the reply before.
#[test]
fn what_serves_a_blocked_client_comes_after_its_long_reply() {
    let server = Daemon::start(&ALWAYS);
    let mut admin = server.connect();
    let long = "x".repeat(4_000_000);
    admin.ask(&format!("SET long {long}"));
    for round in 0..10 {
        let mut client = server.connect();
        client.send(b"GET long\r\nBLPOP list 0\r\n");
        wait_until("it blocks", || field(&server, "blocked_clients") == 1);
        admin.ask(&format!("RPUSH list {round}"));
        assert!(client.reply() == format!("${}\r\n{long}\r\n", long.len()).as_bytes());
        let wanted = format!("*2\r\n$4\r\nlist\r\n$1\r\n{round}\r\n");
        assert_eq!(client.reply(), wanted.as_bytes());
    }
}

/// 13, 14: more messages from many clients at once than a thread's ring has room for.
#[test]
fn every_reply_comes_when_rings_are_full() {
    let server = Daemon::start(&ALWAYS);
    let mut busy = server.connect();
    let mut clients: Vec<_> = (0..400).map(|_| server.connect()).collect();
    // The loop stands still while each thread reads far more parcels than its ring holds.
    busy.send(&command(&["DEBUG", "SLEEP", "0.3"]));
    let value = vec![b'v'; 20_000];
    for client in &mut clients {
        client.send(&command(&[&b"ECHO"[..], &value]));
        client.send(&command(&["INCR", "n"]).repeat(20));
    }
    for client in &mut clients {
        assert!(client.reply().ends_with(b"v\r\n"));
        for _ in 0..20 {
            assert!(client.reply().starts_with(b":"));
        }
    }
    assert_eq!(busy.reply(), b"+OK\r\n");
    assert_eq!(busy.ask("GET n"), "$4\r\n8000\r\n");
}

/// 17: a command that a client sends after a blocking command runs once, and after it.
#[test]
fn a_pipeline_after_a_blocking_command_runs_once() {
    let server = Daemon::start(&ALWAYS);
    let mut admin = server.connect();
    let mut client = server.connect();
    for round in 1..=30 {
        client.send(b"BLPOP list 0\r\nINCR n\r\nINCR n\r\nPIN");
        wait_until("it blocks", || field(&server, "blocked_clients") == 1);
        let word = if round % 2 == 0 {
            "RPUSH list e".to_owned()
        } else {
            let id = client_that_blocks(&mut admin);
            format!("CLIENT UNBLOCK {id}")
        };
        assert_eq!(admin.ask(&word), ":1\r\n");
        assert!(client.reply().starts_with(b"*"));
        for n in [2 * round - 1, 2 * round] {
            assert_eq!(client.reply(), format!(":{n}\r\n").as_bytes());
        }
        client.send(b"G\r\n");
        assert_eq!(client.reply(), b"+PONG\r\n");
    }
}

/// The id of the client that waits in BLPOP.
fn client_that_blocks(admin: &mut Connection) -> String {
    let list = admin.ask("CLIENT LIST");
    let line = list.lines().find(|line| line.contains(" cmd=blpop "));
    let line = line.expect("it blocks").trim_start_matches('$');
    let id = line.split(' ').find_map(|word| word.strip_prefix("id="));
    id.expect("an id").to_owned()
}

/// 19: another transport.
#[test]
fn clients_of_the_unix_socket_are_served_by_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let path = path.to_str().expect("a path");
    let server = Daemon::start(&[&ALWAYS[..], &["--unixsocket", path]].concat());
    let mut clients: Vec<_> = (0..10)
        .map(|_| UnixStream::connect(path).expect("it listens"))
        .collect();
    let request = command(&["INCR", "n"]).repeat(200);
    for client in &mut clients {
        client.write_all(&request).expect("room");
    }
    for client in &mut clients {
        let mut lines = 0;
        let mut bytes = [0; 4096];
        while lines < 200 {
            let n = client.read(&mut bytes).expect("replies");
            assert!(n > 0, "it has not ended");
            lines += bytes[..n].iter().filter(|byte| **byte == b'\n').count();
        }
    }
    assert!(clients_of(&server, 1) + clients_of(&server, 2) >= 10);
    assert_eq!(server.connect().ask("GET n"), "$4\r\n2000\r\n");
}

/// 23: threads of subscribers without messages do not spin.
#[test]
fn threads_of_silent_subscribers_sleep() {
    let server = Daemon::start(&ALWAYS);
    let mut subscribers: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut subscribers {
        client.send(&command(&["SUBSCRIBE", "news"]));
        client.reply();
    }
    wait_until("they sleep", || {
        let before = times_run(&server);
        std::thread::sleep(std::time::Duration::from_millis(500));
        times_run(&server) - before < 5
    });
}

/// 27: the client count of each thread falls when clients close.
#[test]
fn counts_of_clients_follow_their_closes() {
    let server = Daemon::start(&ALWAYS);
    for _ in 0..10 {
        let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.ask("PING");
        }
        assert!(clients_of(&server, 1) + clients_of(&server, 2) >= 30);
        drop(clients);
        wait_until("they are counted no more", || {
            clients_of(&server, 1) + clients_of(&server, 2) <= 1
        });
    }
}
