//! Clients that block on a key: which client is served, with which element, when, and the server's
//! state after a client has gone.

use std::time::{Duration, Instant};

use crate::support::{Connection, Daemon, wait_until};

/// INFO's `blocked_clients`.
fn blocked(server: &Daemon) -> usize {
    let count = server.info("blocked_clients").expect("the field is there");
    count.parse().expect("a number")
}

/// A client whose command blocks.
#[track_caller]
fn waiting(server: &Daemon, line: &str) -> Connection {
    let before = blocked(server);
    let mut client = server.connect();
    client.send(format!("{line}\r\n").as_bytes());
    wait_until("the client to be blocked", || blocked(server) == before + 1);
    client
}

/// Like [`waiting`], and returns the client's number, too.
#[track_caller]
fn waiting_with_id(server: &Daemon, line: &str) -> (Connection, String) {
    let before = blocked(server);
    let mut client = server.connect();
    let id = client.ask("CLIENT ID");
    client.send(format!("{line}\r\n").as_bytes());
    wait_until("the client to be blocked", || blocked(server) == before + 1);
    let id = id.trim_start_matches(':').trim_end().to_owned();
    (client, id)
}

#[track_caller]
fn gets(client: &mut Connection, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&client.reply()), expected);
}

/// The reply of BLPOP and BRPOP.
fn pair(key: &str, element: &str) -> String {
    let (k, e) = (key.len(), element.len());
    format!("*2\r\n${k}\r\n{key}\r\n${e}\r\n{element}\r\n")
}

#[test]
fn clients_are_served_in_the_order_they_came() {
    let server = Daemon::start(&[]);
    let mut pusher = server.connect();
    let mut first = waiting(&server, "BLPOP one two 0");
    let mut second = waiting(&server, "BLPOP two one 0");
    let mut third = waiting(&server, "BRPOP two 0");
    assert_eq!(pusher.ask("RPUSH two x y"), ":2\r\n");
    gets(&mut first, &pair("two", "x"));
    gets(&mut second, &pair("two", "y"));
    assert_eq!(pusher.ask("RPUSH one z"), ":1\r\n");
    assert_eq!(pusher.ask("LLEN one"), ":1\r\n");
    assert_eq!(blocked(&server), 1);
    assert_eq!(pusher.ask("RPUSH two v w"), ":2\r\n");
    gets(&mut third, &pair("two", "w"));
    assert_eq!(blocked(&server), 0);
}

/// Regression: a list that SORT stored in place of another value woke no client.
#[test]
fn a_stored_list_wakes_clients_whatever_it_replaces() {
    let server = Daemon::start(&[]);
    let mut other = server.connect();
    other.ask("SADD set b a");
    for line in ["DEL key", "SET key text", "ZADD key 1 a", "HSET key f v"] {
        other.ask(line);
        other.ask("DEL key");
        let mut client = waiting(&server, "BLPOP key 0");
        other.ask(line);
        assert_eq!(other.ask("SORT set ALPHA STORE key"), ":2\r\n", "{line}");
        gets(&mut client, &pair("key", "a"));
    }
}

#[test]
fn the_first_of_a_clients_keys_that_has_something_counts() {
    let server = Daemon::start(&[]);
    let mut pusher = server.connect();
    let mut client = waiting(&server, "BLPOP a b c 0");
    for line in ["MULTI", "RPUSH c 3", "RPUSH a 1", "RPUSH b 2"] {
        pusher.ask(line);
    }
    assert_eq!(pusher.ask("EXEC"), "*3\r\n:1\r\n:1\r\n:1\r\n");
    // Redis serves the client when the first key became ready: by then all of them have elements.
    gets(&mut client, &pair("a", "1"));
    assert_eq!(pusher.ask("EXISTS a b c"), ":2\r\n");
}

#[test]
fn clients_are_served_once_an_effect_is_whole() {
    let server = Daemon::start(&[]);
    let mut pusher = server.connect();
    // All elements of a push are added before a client is served.
    let mut client = waiting(&server, "BLPOP k 0");
    assert_eq!(pusher.ask("LPUSH k a b c"), ":3\r\n");
    gets(&mut client, &pair("k", "c"));
    assert_eq!(pusher.ask("DEL k"), ":1\r\n");
    // Clients never see the middle of a transaction.
    let mut client = waiting(&server, "BLPOP k 0");
    for line in ["MULTI", "RPUSH k a", "DEL k", "EXEC"] {
        pusher.ask(line);
    }
    for line in ["MULTI", "RPUSH k a b", "LPOP k", "EXEC"] {
        pusher.ask(line);
    }
    gets(&mut client, &pair("k", "b"));
    // A client takes a single element; the next client gets the other elements.
    let mut one = waiting(&server, "BLPOP k 0");
    let mut two = waiting(&server, "BLPOP k 0");
    for line in ["MULTI", "RPUSH k a", "RPUSH k b", "RPUSH k c", "EXEC"] {
        pusher.ask(line);
    }
    gets(&mut one, &pair("k", "a"));
    gets(&mut two, &pair("k", "b"));
    assert_eq!(pusher.ask("LRANGE k 0 -1"), "*1\r\n$1\r\nc\r\n");
}

#[test]
fn nothing_blocks_inside_a_transaction() {
    let server = Daemon::start(&[]);
    let mut client = server.connect();
    client.ask("MULTI");
    for line in [
        "BLPOP k 0",
        "BRPOP k 0",
        "BLMOVE k d LEFT RIGHT 0",
        "BRPOPLPUSH k d 0",
        "BLMPOP 0 1 k LEFT",
        "BLMOVEM k d LEFT RIGHT 0",
        "BZPOPMIN k 0",
        "BZPOPMAX k 0",
        "BZMPOP 0 1 k MIN",
        "BZMOVE k d MIN 0",
    ] {
        assert_eq!(client.ask(line), "+QUEUED\r\n");
    }
    let nulls = "*-1\r\n*-1\r\n$-1\r\n$-1\r\n".to_owned() + &"*-1\r\n".repeat(6);
    assert_eq!(client.ask("EXEC"), format!("*10\r\n{nulls}"));
}

#[test]
fn a_timeout_is_kept_to_the_millisecond() {
    let server = Daemon::start(&[]);
    let commands = [
        ("BLPOP k", "", 1),
        ("BLMOVE k d LEFT LEFT", "", 20),
        ("BRPOPLPUSH k d", "", 47),
        ("BZPOPMAX k", "", 110),
        ("BLMPOP", " 1 k LEFT", 3),
        ("BLMOVEM k d LEFT LEFT", " EXACTLY 2 OBO", 9),
        ("BZMPOP", " 1 k MIN", 64),
        ("BZMOVE k d MIN", " COUNT 2", 31),
    ];
    for (head, tail, millis) in commands {
        let timeout = Duration::from_millis(millis);
        let mut client = server.connect();
        client.ask("PING");
        let began = Instant::now();
        let line = format!("{head} {}{tail}\r\n", timeout.as_secs_f64());
        client.send(line.as_bytes());
        gets(&mut client, "*-1\r\n");
        let waited = began.elapsed();
        // The server's clock has millisecond resolution.
        let early = timeout.saturating_sub(waited);
        assert!(early < Duration::from_millis(1), "{line}: {waited:?}");
        assert!(waited < timeout + Duration::from_secs(3), "{line}");
    }
    assert_eq!(blocked(&server), 0);
}

#[test]
fn the_shortest_timeout_ends_first() {
    let server = Daemon::start(&[]);
    let timeouts = [0.25, 0.05, 0.15];
    let began = Instant::now();
    let ends: Vec<Duration> = std::thread::scope(|scope| {
        let clients = timeouts.map(|timeout| {
            let mut client = server.connect();
            scope.spawn(move || {
                assert_eq!(client.ask(&format!("BLPOP k {timeout}")), "*-1\r\n");
                began.elapsed()
            })
        });
        let joined = clients.map(|client| client.join().expect("no panic"));
        joined.to_vec()
    });
    assert!(ends[1] < ends[2] && ends[2] < ends[0], "{ends:?}");
}

#[test]
fn client_unblock_ends_a_wait() {
    let server = Daemon::start(&[]);
    let mut other = server.connect();
    for line in ["BLPOP k 0", "BLMOVE k d LEFT RIGHT 0", "BZMPOP 0 1 k MAX"] {
        for (how, reply) in [
            ("", "*-1\r\n"),
            (" TIMEOUT", "*-1\r\n"),
            (
                " ERROR",
                "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
            ),
        ] {
            let (mut client, id) = waiting_with_id(&server, line);
            let unblock = format!("CLIENT UNBLOCK {id}{how}");
            assert_eq!(other.ask(&unblock), ":1\r\n");
            gets(&mut client, reply);
            assert_eq!(other.ask(&unblock), ":0\r\n");
            assert_eq!(client.ask("ECHO on"), "$2\r\non\r\n");
        }
    }
    assert_eq!(other.ask("RPUSH k x"), ":1\r\n");
    assert_eq!(other.ask("LLEN k"), ":1\r\n");
}

#[test]
fn what_was_sent_behind_a_blocking_command_runs_after_it() {
    let server = Daemon::start(&[]);
    let mut client = waiting(&server, "BLPOP k 0\r\nINCR n\r\nBLPOP k 0\r\nINCR n");
    let mut pusher = server.connect();
    assert_eq!(pusher.ask("EXISTS n"), ":0\r\n");
    pusher.ask("RPUSH k a");
    gets(&mut client, &pair("k", "a"));
    gets(&mut client, ":1\r\n");
    wait_until("the second wait", || blocked(&server) == 1);
    pusher.ask("RPUSH k b");
    gets(&mut client, &pair("k", "b"));
    gets(&mut client, ":2\r\n");
}

#[test]
fn a_value_of_another_type_wakes_nobody() {
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    let server = Daemon::start(&[]);
    let mut other = server.connect();
    other.ask("SET text x");
    assert_eq!(other.ask("BLPOP text 0"), WRONG);
    assert_eq!(other.ask("BZPOPMIN empty text 0"), WRONG);
    // The server does not notify a client that is already blocked.
    let mut lists = waiting(&server, "BLPOP k 0");
    let mut scores = waiting(&server, "BZPOPMIN k 0");
    for line in ["SET k x", "SADD k x", "HSET k f v"] {
        other.ask("DEL k");
        other.ask(line);
    }
    assert_eq!(blocked(&server), 2);
    other.ask("DEL k");
    other.ask("ZADD k 1.5 m");
    gets(&mut scores, "*3\r\n$1\r\nk\r\n$1\r\nm\r\n$3\r\n1.5\r\n");
    assert!(lists.is_silent_for(Duration::from_millis(30)));
    other.ask("RPUSH k e");
    gets(&mut lists, &pair("k", "e"));
    // A destination of another type refuses the element, so the element stays in its list.
    let mut mover = waiting(&server, "BLMOVE from text LEFT LEFT 0");
    other.ask("RPUSH from e");
    gets(&mut mover, WRONG);
    assert_eq!(other.ask("LRANGE from 0 -1"), "*1\r\n$1\r\ne\r\n");
}

#[test]
fn a_client_that_leaves_takes_nothing_along() {
    let server = Daemon::start(&[]);
    let mut pusher = server.connect();
    let gone = waiting(&server, "BLPOP k 0");
    let mut next = waiting(&server, "BLPOP k 0");
    drop(gone);
    wait_until("the closed client to be forgotten", || {
        blocked(&server) == 1
    });
    pusher.ask("RPUSH k a");
    gets(&mut next, &pair("k", "a"));
    let gone = waiting(&server, "BLMOVE k d LEFT LEFT 0");
    drop(gone);
    wait_until("the closed client to be forgotten", || {
        blocked(&server) == 0
    });
    pusher.ask("RPUSH k b");
    assert_eq!(pusher.ask("LLEN k"), ":1\r\n");
    assert_eq!(pusher.ask("EXISTS d"), ":0\r\n");
}

#[test]
fn a_client_that_is_killed_takes_nothing_along() {
    let server = Daemon::start(&[]);
    let mut other = server.connect();
    let (mut killed, id) = waiting_with_id(&server, "BLPOP k 0");
    let mut next = waiting(&server, "BLPOP k 0");
    // The server kills the client and serves it in the same turn.
    other.send(format!("CLIENT KILL ID {id}\r\nRPUSH k a\r\n").as_bytes());
    gets(&mut other, ":1\r\n");
    gets(&mut other, ":1\r\n");
    gets(&mut next, &pair("k", "a"));
    assert_eq!(killed.rest(), b"");
    assert_eq!(blocked(&server), 0);
}

#[test]
fn a_chain_of_moves_carries_an_element_through() {
    let server = Daemon::start(&[]);
    let mut pusher = server.connect();
    let mut last = waiting(&server, "BLPOP d 0");
    let mut third = waiting(&server, "BRPOPLPUSH c d 0");
    let mut second = waiting(&server, "BLMOVE b c LEFT LEFT 0");
    let mut first = waiting(&server, "BLMOVE a b RIGHT LEFT 0");
    assert_eq!(pusher.ask("RPUSH a x y"), ":2\r\n");
    for client in [&mut first, &mut second, &mut third] {
        gets(client, "$1\r\ny\r\n");
    }
    gets(&mut last, &pair("d", "y"));
    assert_eq!(pusher.ask("EXISTS a b c d"), ":1\r\n");
    // A cycle of moves ends at its first list.
    let mut there = waiting(&server, "BLMOVE e f LEFT RIGHT 0");
    let mut back = waiting(&server, "BLMOVE f e LEFT RIGHT 0");
    pusher.ask("RPUSH e z");
    gets(&mut there, "$1\r\nz\r\n");
    gets(&mut back, "$1\r\nz\r\n");
    assert_eq!(pusher.ask("LRANGE e 0 -1"), "*1\r\n$1\r\nz\r\n");
    assert_eq!(pusher.ask("EXISTS f"), ":0\r\n");
}

#[test]
fn several_elements_come_from_one_key() {
    let server = Daemon::start(&[]);
    let mut pusher = server.connect();
    let mut list = waiting(&server, "BLMPOP 0 2 k l RIGHT COUNT 2");
    pusher.ask("RPUSH l a b c");
    gets(&mut list, "*2\r\n$1\r\nl\r\n*2\r\n$1\r\nc\r\n$1\r\nb\r\n");
    assert_eq!(pusher.ask("LLEN l"), ":1\r\n");
    let mut scores = waiting(&server, "BZMPOP 0 2 k z MAX COUNT 10");
    pusher.ask("ZADD z 1 a 2.5 b");
    let elements = "*2\r\n*2\r\n$1\r\nb\r\n$3\r\n2.5\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n";
    gets(&mut scores, &format!("*2\r\n$1\r\nz\r\n{elements}"));
    assert_eq!(pusher.ask("EXISTS z"), ":0\r\n");
}

#[test]
fn a_block_is_awaited_whole() {
    let server = Daemon::start(&[]);
    let mut pusher = server.connect();
    let mut three = waiting(&server, "BLMOVEM k to LEFT RIGHT 0 EXACTLY 3 BULK");
    let mut two = waiting(&server, "BLMOVEM k to LEFT LEFT 0 EXACTLY 2 OBO");
    // The server passes over the first client until the list has enough elements for it.
    pusher.ask("RPUSH k a b");
    gets(&mut two, "*2\r\n$1\r\nb\r\n$1\r\na\r\n");
    for line in ["RPUSH k c", "MULTI", "RPUSH k d e", "LPOP k", "EXEC"] {
        pusher.ask(line);
    }
    assert!(three.is_silent_for(Duration::from_millis(30)));
    // Elements that a command moves or inserts into the list count, too.
    assert_eq!(pusher.ask("LINSERT k BEFORE e f"), ":3\r\n");
    gets(&mut three, "*3\r\n$1\r\nd\r\n$1\r\nf\r\n$1\r\ne\r\n");
    assert_eq!(pusher.ask("EXISTS k"), ":0\r\n");
    assert_eq!(pusher.ask("LLEN to"), ":5\r\n");
    let mut last = waiting(&server, "BLMOVEM k k LEFT LEFT 0 EXACTLY 2 OBO");
    pusher.ask("LMOVE to k LEFT LEFT");
    pusher.ask("LMOVE to k LEFT LEFT");
    gets(&mut last, "*2\r\n$1\r\nb\r\n$1\r\na\r\n");
    assert_eq!(blocked(&server), 0);
}

#[test]
fn a_key_may_come_from_elsewhere() {
    let server = Daemon::start(&[]);
    let mut other = server.connect();
    for (before, line) in [
        (vec!["RPUSH from x"], "RENAME from k"),
        (vec!["RPUSH from x"], "RENAMENX from k"),
        (vec!["RPUSH from x"], "COPY from k"),
        (vec!["RPUSH from x"], "LMOVE from k LEFT LEFT"),
        (vec!["RPUSH from x"], "SORT from ALPHA STORE k"),
        (vec!["SELECT 1", "RPUSH k x"], "SWAPDB 0 1"),
        (vec!["SELECT 1", "RPUSH k x"], "MOVE k 0"),
        (vec!["SELECT 1", "RPUSH from x"], "COPY from k DB 0"),
    ] {
        let mut client = waiting(&server, "BLPOP k 0");
        for line in before {
            other.ask(line);
        }
        let reply = other.ask(line);
        assert!(
            reply == "+OK\r\n" || reply.starts_with([':', '$']),
            "{line}: {reply}"
        );
        gets(&mut client, &pair("k", "x"));
        other.ask("SELECT 0");
        other.ask("FLUSHALL");
    }
    for line in [
        "ZUNIONSTORE k 1 from",
        "ZRANGESTORE k from 0 -1",
        "RENAME from k",
    ] {
        let mut client = waiting(&server, "BZPOPMIN k 0");
        other.ask("ZADD from 1 m");
        other.ask(line);
        gets(&mut client, "*3\r\n$1\r\nk\r\n$1\r\nm\r\n$1\r\n1\r\n");
        other.ask("FLUSHALL");
    }
}

#[test]
fn a_writer_that_is_woken_in_a_pause_continues_after_it() {
    let server = Daemon::start(&[]);
    let mut other = server.connect();
    let mut client = waiting(&server, "BLPOP k 0.2\r\nECHO behind");
    let mut reader = server.connect();
    for line in ["MULTI", "CLIENT PAUSE 100000 WRITE", "RPUSH k a", "EXEC"] {
        other.ask(line);
    }
    assert_eq!(reader.ask("LLEN k"), ":1\r\n");
    // The client is neither served nor timed out.
    assert!(client.is_silent_for(Duration::from_millis(400)));
    assert_eq!(reader.ask("CLIENT UNPAUSE"), "+OK\r\n");
    gets(&mut client, &pair("k", "a"));
    gets(&mut client, "$6\r\nbehind\r\n");
    assert_eq!(blocked(&server), 0);
}

#[test]
fn a_write_that_waited_is_refused_when_memory_has_run_out() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for wait in [
        "BLMOVE src dst LEFT RIGHT 0",
        "BLMOVEM src dst LEFT RIGHT 0 COUNT 5 OBO",
        "BRPOPLPUSH src dst 0",
    ] {
        let mut waiter = waiting(&server, wait);
        for step in ["MULTI", "RPUSH src x", "CONFIG SET maxmemory 1", "EXEC"] {
            c.ask(step);
        }
        let refused = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        gets(&mut waiter, refused);
        assert_eq!(blocked(&server), 0);
        assert_eq!(c.ask("CONFIG SET maxmemory 0"), "+OK\r\n");
        assert_eq!(c.ask("EXISTS dst"), ":0\r\n");
        assert_eq!(c.ask("LPOP src"), "$1\r\nx\r\n");
    }
    // A command that only removes elements needs no memory.
    let mut waiter = waiting(&server, "BLPOP src 0");
    for step in ["MULTI", "RPUSH src x", "CONFIG SET maxmemory 1", "EXEC"] {
        c.ask(step);
    }
    gets(&mut waiter, &pair("src", "x"));
}
