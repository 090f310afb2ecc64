//! Servers whose clients' sockets belong to threads (`io-threads`): clients see the same replies as
//! without threads.

mod beside_scripts;
mod handshakes;
mod known_faults;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};

const ALWAYS: [&str; 6] = [
    "--io-threads",
    "3",
    "--io-threads-always-active",
    "yes",
    "--enable-debug-command",
    "yes",
];

fn field(server: &Daemon, name: &str) -> u64 {
    let text = server.info(name).expect("INFO has it");
    text.parse().expect("a number")
}

/// The number of a thread's clients in INFO threads.
fn clients_of(server: &Daemon, thread: u32) -> u64 {
    let line = server.info(&format!("io_thread_{thread}")).expect("a line");
    let clients = line.split(',').next().expect("clients");
    let count = clients.strip_prefix("clients=").expect("clients");
    count.parse().expect("a number")
}

#[test]
fn clients_are_spread_and_named_by_their_thread() {
    let server = Daemon::start(&ALWAYS);
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        assert_eq!(client.ask("SET k v"), "+OK\r\n");
    }
    let (one, two) = (clients_of(&server, 1), clients_of(&server, 2));
    assert!(one + two >= 20 && one.abs_diff(two) <= 1, "{one} {two}");
    let list = clients[0].ask("CLIENT LIST");
    assert!(list.contains(" io-thread=1 ") && list.contains(" io-thread=2 "));
    assert!(field(&server, "io_threaded_reads_processed") > 0);
    assert!(field(&server, "io_threaded_writes_processed") > 0);
    assert_eq!(field(&server, "io_threads_active"), 1);
    drop(clients);
    wait_until("they are gone", || {
        clients_of(&server, 1) + clients_of(&server, 2) <= 1
    });
}

#[test]
fn long_requests_and_replies_come_whole_and_in_order() {
    let server = Daemon::start(&ALWAYS);
    let mut client = server.connect();
    let value = |n: usize| -> Vec<u8> { (0..n).map(|i| (i * 7 + n) as u8).collect() };
    let lengths = [1, 100, 5000, 16_384, 40_000, 70_000, 300_000, 3_000_000];
    for n in lengths {
        client.send(&command(&[
            &b"SET"[..],
            n.to_string().as_bytes(),
            &value(n),
        ]));
    }
    for n in lengths {
        client.send(&command(&[&b"GET"[..], n.to_string().as_bytes()]));
        client.send(&command(&[&b"STRLEN"[..], n.to_string().as_bytes()]));
    }
    for _ in lengths {
        assert_eq!(client.reply(), b"+OK\r\n");
    }
    for n in lengths {
        let wanted = [format!("${n}\r\n").as_bytes(), &value(n), b"\r\n"].concat();
        assert!(client.reply() == wanted, "{n}");
        assert_eq!(client.reply(), format!(":{n}\r\n").as_bytes());
    }
    // A pipeline longer than the loop reads ahead, beside another client.
    let mut other = server.connect();
    let many = command(&[&b"ECHO"[..], b"0123456789"]).repeat(20_000);
    client.send(&many);
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    for _ in 0..20_000 {
        assert_eq!(client.reply(), b"$10\r\n0123456789\r\n");
    }
}

#[test]
fn subscribers_monitors_and_blocked_clients_are_served() {
    let server = Daemon::start(&ALWAYS);
    let mut subscribers: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &mut subscribers {
        client.send(&command(&[&b"SUBSCRIBE"[..], b"news"]));
        client.reply();
    }
    let mut blocked = server.connect();
    blocked.send(&command(&[&b"BLPOP"[..], b"list", b"0"]));
    let mut monitor = server.connect();
    assert_eq!(monitor.ask("MONITOR"), "+OK\r\n");
    let mut client = server.connect();
    for i in 0..100 {
        assert_eq!(client.ask(&format!("PUBLISH news {i}")), ":50\r\n");
    }
    wait_until("it blocks", || field(&server, "blocked_clients") == 1);
    client.ask("RPUSH list element");
    assert_eq!(blocked.reply(), b"*2\r\n$4\r\nlist\r\n$7\r\nelement\r\n");
    for client in &mut subscribers {
        for i in 0..100 {
            let text = String::from_utf8(client.reply()).expect("text");
            assert!(text.ends_with(&format!("\r\n{i}\r\n")), "{text}");
        }
    }
    let line = String::from_utf8(monitor.reply()).expect("text");
    assert!(line.contains("PUBLISH") || line.contains("BLPOP"), "{line}");
}

#[test]
fn a_killed_client_ends_and_nothing_of_it_runs_afterwards() {
    let server = Daemon::start(&ALWAYS);
    let mut killer = server.connect();
    for round in 0..50 {
        let mut victim = server.connect();
        let id = victim.ask("CLIENT ID");
        let id = id.trim_start_matches(':').trim();
        victim.send(&command(&[&b"INCR"[..], b"ran"]).repeat(2000));
        let reply = killer.ask(&format!("CLIENT KILL ID {id}"));
        assert_eq!(reply, ":1\r\n", "{round}");
        let ran = killer.ask("GET ran");
        let again = killer.ask("GET ran");
        assert_eq!(ran, again, "{round}");
    }
    wait_until("all are gone", || field(&server, "connected_clients") <= 2);
}

#[test]
fn what_a_client_sent_before_it_left_is_run_and_quit_is_answered() {
    let server = Daemon::start(&ALWAYS);
    for _ in 0..20 {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
        let input = [
            command(&[&b"INCR"[..], b"n"]).repeat(50),
            b"QUIT\r\nINCR n\r\n".to_vec(),
        ];
        socket.write_all(&input.concat()).expect("room");
        let mut got = Vec::new();
        socket.read_to_end(&mut got).expect("an end");
        assert!(got.ends_with(b"+OK\r\n"));
        let mut socket = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
        socket
            .write_all(&command(&[&b"INCR"[..], b"n"]).repeat(50))
            .expect("room");
        socket.shutdown(Shutdown::Write).expect("a socket");
        let mut got = Vec::new();
        socket.read_to_end(&mut got).expect("an end");
        assert_eq!(got.iter().filter(|byte| **byte == b':').count(), 50);
    }
    assert_eq!(server.connect().ask("GET n"), "$4\r\n2000\r\n");
}

#[test]
fn a_client_that_does_not_read_is_limited_and_leaves_the_others_alone() {
    let server = Daemon::start(
        &[
            &ALWAYS[..],
            &["--client-output-buffer-limit", "normal 8mb 0 0"],
        ]
        .concat(),
    );
    let mut client = server.connect();
    client.ask(&format!("SET k {}", "x".repeat(100_000)));
    let mut slow = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    let asks = command(&[&b"GET"[..], b"k"]).repeat(2000);
    slow.write_all(&asks).expect("room");
    wait_until("it is closed", || {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        field(&server, "client_output_buffer_limit_disconnections") == 1
    });
}

#[test]
fn a_pause_holds_what_threads_have_read_already() {
    let server = Daemon::start(&ALWAYS);
    let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
    let mut admin = server.connect();
    for client in &mut clients {
        client.ask("PING");
    }
    assert_eq!(admin.ask("CLIENT PAUSE 100000 WRITE"), "+OK\r\n");
    for client in &mut clients {
        client.send(&command(&[&b"INCR"[..], b"n"]).repeat(100));
    }
    wait_until("all wait", || field(&server, "blocked_clients") == 10);
    assert_eq!(admin.ask("GET n"), "$-1\r\n");
    assert_eq!(admin.ask("CLIENT UNPAUSE"), "+OK\r\n");
    for client in &mut clients {
        for _ in 0..100 {
            assert!(client.reply().starts_with(b":"));
        }
    }
    assert_eq!(admin.ask("GET n"), "$4\r\n1000\r\n");
}

/// A figure of INFO memory. This client asks for it, because a further client would use memory,
/// too.
fn memory_of(client: &mut Connection, name: &str) -> u64 {
    let text = client.ask("INFO memory");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.strip_prefix(':')).expect(name);
    value.parse().expect("a number")
}

/// Memory that one thread allocates and another thread frees does not distort used memory, so it
/// stays within the limit.
#[test]
fn the_memory_limit_holds_as_it_does_without_threads() {
    let server = Daemon::start(&ALWAYS);
    let mut client = server.connect();
    let counted = |client: &mut Connection| {
        memory_of(client, "used_memory") - memory_of(client, "mem_not_counted_for_evict")
    };
    let fill = |client: &mut Connection, from: u32| {
        for key in from..from + 4000 {
            assert_eq!(client.ask(&format!("SETEX {key} 10000 x")), "+OK\r\n");
        }
    };
    // The first writes bring the tables and the threads' buffers to their size.
    fill(&mut client, 0);
    client.ask("FLUSHALL");
    let limit = counted(&mut client) + 100 * 1024;
    client.ask(&format!(
        "CONFIG SET maxmemory {limit} maxmemory-policy allkeys-random"
    ));
    for round in 1..4 {
        fill(&mut client, 4000 * round);
        let used = counted(&mut client);
        assert!(used < limit + 4096, "{used} of {limit}");
    }
    assert!(field(&server, "evicted_keys") > 1000);
}

/// The fields of CLIENT LIST about a client's query buffer: its bytes and its free room.
fn query_buffer_of(admin: &mut Connection, name: &str) -> (u64, u64) {
    let list = admin.ask("CLIENT LIST");
    let its = format!(" name={name} ");
    let line = list
        .lines()
        .find(|line| line.contains(&its))
        .expect("it is there");
    let figure = |field: &str| {
        let value = line.split(' ').find_map(|part| part.strip_prefix(field));
        value.and_then(|text| text.parse().ok()).expect("a number")
    };
    (figure("qbuf="), figure("qbuf-free="))
}

#[test]
fn a_part_of_a_request_is_the_clients_and_a_whole_one_its_threads() {
    let server = Daemon::start(&ALWAYS);
    let (mut admin, mut client) = (server.connect(), server.connect());
    assert_eq!(client.ask("CLIENT SETNAME slow"), "+OK\r\n");
    assert_eq!(admin.ask("CLIENT SETNAME admin"), "+OK\r\n");
    assert_eq!(query_buffer_of(&mut admin, "slow"), (0, 0));
    assert_eq!(query_buffer_of(&mut admin, "admin"), (0, 0));
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\nabc");
    wait_until("the part is shown", || {
        query_buffer_of(&mut admin, "slow").0 > 0
    });
    client.send(b"defghi\r\n");
    assert_eq!(client.reply(), b"+OK\r\n");
    wait_until("it is gone", || {
        query_buffer_of(&mut admin, "slow") == (0, 0)
    });
}

#[test]
fn others_are_served_beside_a_script_that_does_not_end() {
    let server = Daemon::start(&[&ALWAYS[..], &["--busy-reply-threshold", "100"]].concat());
    let mut busy = server.connect();
    let mut other = server.connect();
    other.ask("PING");
    busy.send(&command(&[&b"EVAL"[..], b"while true do end", b"0"]));
    wait_until("it is busy", || other.ask("PING").starts_with("-BUSY"));
    // Regression: the server lost the commands that a client sent while its script ran, and the
    // socket, too, if the thread ended.
    busy.send(&command(&[&b"ECHO"[..], b"later"]));
    other.ask("PING");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(busy.reply().starts_with(b"-ERR"));
    assert_eq!(busy.reply(), b"$5\r\nlater\r\n");
    assert_eq!(other.ask("PING"), "+PONG\r\n");
}

/// Many busy clients start threads. With few clients the loop works alone, and `CONFIG SET
/// io-threads 1` takes all clients back.
#[test]
fn threads_come_with_load_and_go_with_it() {
    let server = Daemon::start(&["--io-threads", "2"]);
    let mut admin = server.connect();
    assert_eq!(field(&server, "io_threads_active"), 0);
    let mut clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    let ask = command(&[&b"INCR"[..], b"n"]).repeat(50);
    let mut asked = 0;
    let mut turn = |clients: &mut Vec<Connection>| {
        for client in clients.iter_mut() {
            client.send(&ask);
        }
        for client in clients.iter_mut() {
            for _ in 0..50 {
                assert!(client.reply().starts_with(b":"));
            }
        }
        asked += 50 * clients.len();
    };
    wait_until("a thread has clients", || {
        turn(&mut clients);
        field(&server, "io_threads_active") == 1 && clients_of(&server, 1) > 20
    });
    let mut few = clients.split_off(34);
    wait_until("six clients have no thread", || {
        turn(&mut few);
        field(&server, "io_threads_active") == 0
    });
    clients.append(&mut few);
    wait_until("a thread has clients again", || {
        turn(&mut clients);
        field(&server, "io_threads_active") == 1 && clients_of(&server, 1) > 20
    });
    assert_eq!(admin.ask("CONFIG SET io-threads 1"), "+OK\r\n");
    wait_until("the loop has all again", || {
        turn(&mut clients);
        field(&server, "io_threads_active") == 0
    });
    turn(&mut clients);
    let wanted = asked.to_string();
    let reply = format!("${}\r\n{wanted}\r\n", wanted.len());
    assert_eq!(admin.ask("GET n"), reply);
}

/// The thread of each client with this name.
fn threads_of(admin: &mut Connection, name: &str) -> Vec<String> {
    let list = admin.ask("CLIENT LIST");
    let named = format!(" name={name} ");
    let its = list.lines().filter(|line| line.contains(&named));
    let word = |line: &str| {
        line.split(' ')
            .find(|word| word.starts_with("io-thread="))?
            .get(10..)
            .map(str::to_owned)
    };
    its.filter_map(word).collect()
}

/// The server places clients by their number. If the clients of a thread do all the work, it moves
/// some of them to other threads.
#[test]
fn busy_connections_move_to_a_thread_with_less_to_do() {
    let server = Daemon::start(&ALWAYS);
    let mut admin = server.connect();
    admin.ask(&format!("SET k {}", "x".repeat(16_000)));
    let mut clients: Vec<_> = (0..12).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.ask("CLIENT SETNAME idle");
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut busy = 0;
        for mut client in clients.drain(..) {
            let info = client.ask("CLIENT INFO");
            if busy == 5 || !info.contains(" io-thread=1 ") {
                continue;
            }
            busy += 1;
            client.ask("CLIENT SETNAME busy");
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    assert!(client.ask("GET k").starts_with("$16000"));
                }
            });
        }
        let both = || {
            let threads = threads_of(&mut admin, "busy");
            threads.len() == busy && threads.iter().filter(|number| *number == "2").count() >= 2
        };
        let moved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until("two of them have moved", both);
        }));
        is_over.store(true, Ordering::Relaxed);
        assert!(moved.is_ok());
    });
}

/// The number of times that the clients' threads have run.
fn times_run(server: &Daemon) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
    let runs = |path: std::path::PathBuf| -> u64 {
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        let figures = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let runs = figures.split_whitespace().nth(2);
        let runs = runs.map_or(0, |n| n.parse().unwrap_or(0));
        if name.starts_with("io-") { runs } else { 0 }
    };
    tasks.map(|task| runs(task.expect("a task").path())).sum()
}

/// An idle server wakes no thread.
#[test]
fn idle_threads_sleep() {
    let server = Daemon::start(&ALWAYS);
    let mut client = server.connect();
    client.ask("PING");
    std::thread::sleep(Duration::from_millis(100));
    let before = times_run(&server);
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        times_run(&server) - before < 5,
        "they ran {} times",
        times_run(&server) - before
    );
}

/// A client of the chaos test below: an error ends its connection, and no reply may be wrong.
fn act(rng: &mut SmallRng, port: u16) -> std::io::Result<()> {
    let mut c = Connection::open(port)?;
    for _ in 0..rng.random_range(1..20) {
        match rng.random_range(0..11) {
            0 => {
                let n = rng.random_range(1..600);
                c.write(&command(&[&b"ECHO"[..], b"same"]).repeat(n))?;
                for _ in 0..n {
                    assert_eq!(c.read()?.0, b"$4\r\nsame\r\n");
                }
            }
            1 => {
                let value = vec![b'v'; rng.random_range(1..400_000)];
                c.write(&command(&[&b"ECHO"[..], &value[..]]))?;
                let wanted = [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
                assert!(c.read()?.0 == wanted);
            }
            2 => {
                // A command in two pieces; the client may never send the second piece.
                let text = command(&[&b"SET"[..], b"piece", b"value"]);
                let at = rng.random_range(1..text.len());
                c.write(&text[..at])?;
                if rng.random() {
                    return Ok(());
                }
                c.write(&text[at..])?;
                assert_eq!(c.read()?.0, b"+OK\r\n");
            }
            3 => {
                c.write(b"MULTI\r\nINCR n\r\nECHO a\r\nEXEC\r\n")?;
                for start in [&b"+OK"[..], b"+QUEUED", b"+QUEUED", b"*2\r\n:"] {
                    assert!(c.read()?.0.starts_with(start));
                }
            }
            4 => {
                c.write(&command(&[&b"BLPOP"[..], b"none", b"0.01"]))?;
                assert_eq!(c.read()?.0, b"*-1\r\n");
            }
            5 => {
                c.write(&command(&[&b"SUBSCRIBE"[..], b"news"]))?;
                c.read()?;
                c.write(&command(&[&b"UNSUBSCRIBE"[..], b"news"]))?;
                while !c.read()?.0.starts_with(b"*3\r\n$11\r\nunsub") {}
            }
            6 => {
                // Replies that the client does not read.
                c.write(&command(&[&b"ECHO"[..], &[b'x'; 3000]]).repeat(200))?;
                return Ok(());
            }
            7 => {
                c.write(b"CLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n")?;
                assert_eq!(c.read()?.0, b"$1\r\nb\r\n");
            }
            8 => {
                // Another client may have deleted the user, which closes this connection.
                c.write(b"ACL SETUSER passing on >word ~* +@all\r\n")?;
                c.read()?;
                c.write(b"AUTH passing word\r\nECHO a\r\n")?;
                c.read()?;
                assert_eq!(c.read()?.0, b"$1\r\na\r\n");
            }
            9 => {
                c.write(b"MONITOR\r\n")?;
                assert_eq!(c.read()?.0, b"+OK\r\n");
                for _ in 0..rng.random_range(0..8) {
                    assert!(c.read()?.0.starts_with(b"+"));
                }
                return Ok(());
            }
            _ => {
                c.write(&command(&[
                    &b"EVAL"[..],
                    b"return redis.call('incr', KEYS[1])",
                    b"1",
                    b"n",
                ]))?;
                assert!(c.read()?.0.starts_with(b":"));
            }
        }
    }
    Ok(())
}

/// Clients of all kinds, while another client kills clients, pauses, and changes the number of
/// threads. Afterwards no client, descriptor or byte is left, and no client got another client's
/// reply.
#[test]
fn chaos_leaves_nothing_behind() {
    const CLIENTS: u64 = 8;
    let server = Daemon::start(
        &[
            &ALWAYS[..],
            &["--client-output-buffer-limit", "normal 1mb 0 0"],
        ]
        .concat(),
    );
    let fds = || {
        let all = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
        all.expect("it runs").count()
    };
    let mut admin = server.connect();
    admin.ask("CLIENT NO-EVICT ON");
    // Both threads have started, so they have opened their descriptors.
    wait_until("threads", || server.info("io_thread_2").is_some());
    let before = (fds(), field(&server, "used_memory"));
    let port = server.port();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|seed| {
                scope.spawn(move || {
                    let mut rng = SmallRng::seed_from_u64(seed);
                    for _ in 0..60 {
                        // The server may have killed the client, or closed it because of unread
                        // replies.
                        let _ = act(&mut rng, port);
                    }
                })
            })
            .collect();
        let is_over = &is_over;
        scope.spawn(move || {
            let mut rng = SmallRng::seed_from_u64(99);
            while !is_over.load(Ordering::Relaxed) {
                let asked = match rng.random_range(0..14) {
                    0 => "CLIENT KILL TYPE normal".to_owned(),
                    1 => format!("CLIENT KILL MAXAGE {}", rng.random_range(1..3)),
                    2 => "CLIENT PAUSE 5 WRITE".to_owned(),
                    3 => "CLIENT UNPAUSE".to_owned(),
                    4 | 5 => format!("CONFIG SET io-threads {}", rng.random_range(1..5)),
                    6 => format!("PUBLISH news {}", rng.random::<u32>()),
                    7 => "ACL SETUSER passing on >word ~* +@all".to_owned(),
                    8 => "ACL DELUSER passing".to_owned(),
                    9 => format!(
                        "CONFIG SET maxmemory-clients {}",
                        rng.random_range(0..3) << 20
                    ),
                    10 => "SAVE".to_owned(),
                    11 => "DEBUG SLEEP 0.01".to_owned(),
                    12 => "EVAL string.rep('x',300000):gsub('x','y') 0".to_owned(),
                    _ => "CLIENT LIST".to_owned(),
                };
                let reply = admin.ask(&asked);
                assert!(!reply.starts_with("-ERR"), "{asked}: {reply}");
            }
            admin.ask("CONFIG SET io-threads 3 maxmemory-clients 0");
            admin.ask("ACL DELUSER passing");
        });
        for worker in workers {
            worker.join().expect("no reply is wrong");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let mut admin = server.connect();
    admin.ask("CLIENT UNPAUSE");
    wait_until("all are gone", || field(&server, "connected_clients") <= 2);
    wait_until("two threads", || {
        server.info("io_thread_2").is_some() && server.info("io_thread_3").is_none()
    });
    wait_until("descriptors are closed", || fds() <= before.0 + 2);
    admin.ask("FLUSHALL");
    wait_until("memory is freed", || {
        field(&server, "used_memory") < before.1 + (4 << 20)
    });
}

/// Regression: DEBUG REPL-PAUSE stopped the threads before they sent their replies.
#[test]
fn a_process_that_stops_itself_has_sent_its_replies() {
    let (primary, replica) = (Daemon::start(&ALWAYS), Daemon::start(&ALWAYS));
    for server in [&primary, &replica] {
        assert!(server.connect().ask("CONFIG SET repl-rdb-channel yes") == "+OK\r\n");
    }
    let (mut c, mut slow) = (replica.connect(), replica.connect());
    let value = vec![b'v'; 32 << 20];
    assert_eq!(c.call(&[b"SET", &b"k"[..], &value]), b"+OK\r\n");
    assert_eq!(c.ask("DEBUG REPL-PAUSE before-rdb-channel"), "+OK\r\n");
    slow.send(b"GET k\r\n");
    wait_until("its reply to be on its way", || {
        c.ask("CLIENT LIST").contains(" cmd=get ")
    });
    assert!(
        c.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()))
            .starts_with("+OK")
    );
    primary.wait_for_log("Full sync will continue with dedicated rdb channel");
    assert!(slow.reply().ends_with(b"v\r\n"));
    let stat = format!("/proc/{}/stat", replica.pid());
    wait_until("the stop", || {
        std::fs::read_to_string(&stat).is_ok_and(|text| text.contains(") T "))
    });
    replica.signal(rustix::process::Signal::CONT);
    wait_until("the link", || {
        replica.info("master_link_status").as_deref() == Some("up")
    });
}
