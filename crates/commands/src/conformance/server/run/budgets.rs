//! Budgets of users in the loop: input that waits, replies that are paid for.
//! Real commands run in process, because a table of a few would not show it.

use russet_server::inside::Loop;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{Peer, connect};

/// Lets the loop run until the condition holds.
#[track_caller]
fn run_until(peer: &mut Peer, mut holds: impl FnMut(&Loop) -> bool) {
    let began = Instant::now();
    while !holds(&peer.all) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it takes too long"
        );
        peer.all.turn().expect("a turn");
    }
}

fn client_of(peer: &mut Peer, user: &str) -> UnixStream {
    let mut socket = connect(&mut peer.all);
    let line = format!("AUTH {user} x\r\n");
    socket.write_all(line.as_bytes()).expect("room");
    peer.all.turn().expect("a turn");
    let mut reported = [0; 5];
    socket.read_exact(&mut reported).expect("an answer");
    assert_eq!(&reported, b"+OK\r\n");
    socket
}

#[test]
fn a_pipeline_over_the_rate_keeps_its_order_and_others_are_served() {
    let mut peer = Peer::new();
    peer.send(b"ACL SETUSER u on nopass +@all ~* rate=1000\r\n");
    let mut flooding = client_of(&mut peer, "u");
    let began = Instant::now();
    flooding
        .write_all(&b"INCR n\r\n".repeat(1500))
        .expect("room");
    let (mut got, mut served) = (Vec::new(), 0);
    let wanted: String = (1..=1500).map(|n| format!(":{n}\r\n")).collect();
    while got.len() < wanted.len() {
        peer.replies.clear();
        peer.send(b"PING\r\n");
        assert_eq!(peer.replies, b"+PONG\r\n");
        served += 1;
        let _ = flooding.read_to_end(&mut got);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert!(got == wanted.as_bytes());
    // The login is a command of the default user.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(480), "{took:?}");
    assert!(served >= 10, "{served}");
}

#[test]
fn those_of_one_user_get_on_alike() {
    let mut peer = Peer::new();
    peer.send(b"ACL SETUSER u on nopass +@all ~* rate=2000\r\n");
    let mut all: Vec<UnixStream> = (0..4).map(|_| client_of(&mut peer, "u")).collect();
    for (at, socket) in all.iter_mut().enumerate() {
        let line = format!("INCR n{at}\r\n");
        socket.write_all(line.repeat(900).as_bytes()).expect("room");
    }
    // 2,000 at once, which the first ones take; then each has its share.
    let began = Instant::now();
    run_until(&mut peer, |_| began.elapsed() > Duration::from_millis(600));
    let mut got: Vec<usize> = Vec::new();
    for socket in &mut all {
        let mut replies = Vec::new();
        let _ = socket.read_to_end(&mut replies);
        got.push(replies.iter().filter(|&&b| b == b':').count());
    }
    assert!(got.iter().min() >= Some(&200), "{got:?}");
}

#[test]
fn bytes_that_come_too_fast_are_read_later_and_none_is_lost() {
    let mut peer = Peer::new();
    peer.send(b"ACL SETUSER u on nopass +@all ~* bytes=200kb|0\r\n");
    let mut socket = client_of(&mut peer, "u");
    let text = vec![b'x'; 300_000];
    let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", text.len());
    let request = [head.as_bytes(), &text, b"\r\n"].concat();
    let (began, mut sent, mut got) = (Instant::now(), 0, Vec::new());
    while got.len() < 5 {
        sent += socket.write(&request[sent..]).unwrap_or(0);
        peer.all.turn().expect("a turn");
        let _ = socket.read_to_end(&mut got);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(got, b"+OK\r\n");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    socket.write_all(b"STRLEN k\r\n").expect("room");
    got.clear();
    run_until(&mut peer, |_| {
        let _ = socket.read_to_end(&mut got);
        got == b":300000\r\n"
    });
}

#[test]
fn many_connections_that_end_at_once_get_no_more() {
    let mut peer = Peer::new();
    peer.send(b"ACL SETUSER u on nopass +@all ~* bytes=0|100kb\r\n");
    peer.send(format!("SET k {}\r\n", "x".repeat(50_000)).as_bytes());
    let mut all: Vec<UnixStream> = (0..30).map(|_| client_of(&mut peer, "u")).collect();
    for socket in &mut all {
        socket.write_all(b"GET k\r\n").expect("room");
        socket.shutdown(Shutdown::Write).expect("a socket");
    }
    let began = Instant::now();
    run_until(&mut peer, |_| began.elapsed() > Duration::from_millis(300));
    let mut got = Vec::new();
    for socket in &mut all {
        let _ = socket.read_to_end(&mut got);
    }
    // A second's worth, the budget that has come back since, and the command that went over.
    let since = began.elapsed().as_millis() as usize * 103;
    let most = 102_400 + since + 60_000;
    assert!((100_000..most).contains(&got.len()), "{}", got.len());
}

#[test]
fn replies_are_paid_for_before_the_next_command() {
    let mut peer = Peer::new();
    peer.send(b"ACL SETUSER u on nopass +@all ~* bytes=0|100kb\r\n");
    peer.send(format!("SET k {}\r\n", "x".repeat(50_000)).as_bytes());
    let mut socket = client_of(&mut peer, "u");
    let (began, mut got) = (Instant::now(), Vec::new());
    for _ in 0..4 {
        socket.write_all(b"GET k\r\n").expect("room");
        let wanted = got.len() + 50_010;
        run_until(&mut peer, |_| {
            let _ = socket.read_to_end(&mut got);
            got.len() >= wanted
        });
    }
    // 100 KiB at once; the fourth one waits until the first three are paid for.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
}

#[test]
fn a_client_that_leaves_while_it_is_held_is_forgotten() {
    let mut peer = Peer::new();
    peer.send(b"ACL SETUSER u on nopass +@all ~* rate=5\r\n");
    let mut socket = client_of(&mut peer, "u");
    socket.write_all(&b"INCR n\r\n".repeat(500)).expect("room");
    peer.all.turn().expect("a turn");
    // With answers that were not read: the peer is reset, and its commands are not waited for.
    drop(socket);
    run_until(&mut peer, |all| all.engine.server.clients.len() == 1);
    let server = &mut peer.all.engine.server;
    assert_eq!(server.acl.accounts.next_in_ms(u64::MAX), None);
}
