//! Input in the loop: large arguments in any pieces, shares of a turn.
//! Real commands run in process, because a table of a few would not show it.

use russet_server::inside::READ_BYTES;
use std::io::Write;

use proptest::prelude::*;

use super::{Peer, connect, request, word};
use crate::testbed::{AllCommands as _, Testbed};
use russet_base::memory::large::LARGE_MIN;
use russet_base::usage::{CpuOwner, cpu_time};

/// The replies when each command arrives alone and in one piece.
fn answers(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut t = Testbed::unheard();
    let run = |args: &Vec<Vec<u8>>| {
        let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        t.run_args(&words)
    };
    commands.iter().flat_map(run).collect()
}

/// The loop's replies to the commands in pieces that end at `ends`.
fn answers_in_pieces(input: &[u8], mut ends: Vec<usize>) -> Vec<u8> {
    let mut peer = Peer::new();
    ends.push(input.len());
    ends.sort_unstable();
    let mut from = 0;
    for end in ends {
        // No more than the socket takes at once.
        for piece in input[from..end].chunks(100_000) {
            peer.send(piece);
        }
        from = end;
    }
    peer.replies
}

#[test]
fn a_large_argument_may_be_cut_at_every_byte_about_its_ends() {
    let text: Vec<u8> = (0..LARGE_MIN).map(|i| (i % 251) as u8).collect();
    let commands = [
        vec![word("MSET"), word("a"), text.clone(), word("b"), text],
        vec![word("STRLEN"), word("b")],
    ];
    let input: Vec<u8> = commands.iter().flat_map(|c| request(c)).collect();
    let wanted = answers(&commands);
    assert_eq!(wanted, format!("+OK\r\n:{LARGE_MIN}\r\n").as_bytes());
    let (first, second) = (31 + LARGE_MIN, 31 + LARGE_MIN + 2 + 7 + 8 + LARGE_MIN);
    let mut cuts: Vec<usize> = (1..45).collect();
    cuts.extend(first - 3..first + 25);
    cuts.extend(second - 3..input.len());
    for cut in cuts {
        assert!(answers_in_pieces(&input, vec![cut]) == wanted, "{cut}");
    }
}

fn a_command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let lens = prop_oneof![
        0usize..100,
        LARGE_MIN - 2..LARGE_MIN + 3,
        READ_BYTES - 60..READ_BYTES + 3,
        LARGE_MIN..120_000,
    ];
    let text = (lens, any::<u8>()).prop_map(|(len, seed)| {
        let byte = |i: usize| (i * 7 + i / 255) as u8 ^ seed;
        (0..len).map(byte).collect::<Vec<u8>>()
    });
    let key = || (0..3u8).prop_map(|k| vec![b'a' + k]);
    prop_oneof![
        (key(), text.clone()).prop_map(|(k, t)| vec![word("SET"), k, t]),
        (key(), text.clone()).prop_map(|(k, t)| vec![word("APPEND"), k, t]),
        (key(), text.clone()).prop_map(|(k, t)| vec![word("GETSET"), k, t]),
        (key(), text.clone()).prop_map(|(k, t)| vec![word("SET"), k, t, word("NX")]),
        (key(), text.clone(), key(), text.clone()).prop_map(|(k, t, l, u)| vec![
            word("MSET"),
            k,
            t,
            l,
            u
        ]),
        (key(), text.clone()).prop_map(|(k, t)| vec![word("SETRANGE"), k, word("3"), t]),
        text.prop_map(|t| vec![word("ECHO"), t]),
        key().prop_map(|k| vec![word("GET"), k]),
        Just(vec![word("MULTI")]),
        Just(vec![word("EXEC")]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn large_arguments_in_any_pieces_are_the_same_commands(
        commands in prop::collection::vec(a_command(), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let input: Vec<u8> = commands.iter().flat_map(|c| request(c)).collect();
        let ends = cuts.iter().map(|cut| cut.index(input.len())).collect();
        let got = answers_in_pieces(&input, ends);
        prop_assert!(got == answers(&commands));
    }
}

#[test]
fn a_paused_client_finds_its_large_arguments_again() {
    let mut peer = Peer::new();
    let text = vec![b'x'; 50_000];
    let set = request(&[word("MSET"), word("a"), text.clone(), word("b"), text]);
    let mut other = connect(&mut peer.all);
    other
        .write_all(b"CLIENT PAUSE 100000 WRITE\r\n")
        .expect("room");
    peer.all.turn().expect("a turn");
    peer.send(&set[..70_000]);
    peer.send(&[&set[70_000..], b"STRLEN a\r\n"].concat());
    assert_eq!(peer.replies, b"");
    other.write_all(b"CLIENT UNPAUSE\r\n").expect("room");
    peer.all.turn().expect("a turn");
    peer.send(b"STRLEN b\r\n");
    assert_eq!(peer.replies, b"+OK\r\n:50000\r\n:50000\r\n");
}

#[test]
fn a_large_argument_counts_in_the_query_buffer() {
    let mut peer = Peer::new();
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n";
    peer.send(&[&head[..], &[b'x'; 90_000]].concat());
    let clients = &mut peer.all.engine.server.clients;
    let session = clients.iter_mut().next().expect("connected");
    assert_eq!(session.client.buffers.query_bytes, 90_000);
    assert!((90_000..750_000).contains(&session.client.buffers.query_capacity));
    let claimed = session.client.buffers.query_capacity + session.client.buffers.query_growth;
    assert!((1_000_000..1_010_000).contains(&claimed), "{claimed}");
    // Unused capacity is freed when a client stops sending.
    session.input.shrink();
    session.update_query_buffer();
    assert!((90_000..95_000).contains(&session.client.buffers.query_capacity));
    for piece in [100_000, 300_000, 500_000, 10_000] {
        for part in vec![b'x'; piece].chunks(100_000) {
            peer.send(part);
        }
    }
    assert_eq!(peer.replies, b"");
    peer.send(b"\r\n");
    assert_eq!(peer.replies, b"+OK\r\n");
    let clients = &mut peer.all.engine.server.clients;
    let client = &clients.iter_mut().next().expect("connected").client;
    assert_eq!(
        (
            client.buffers.query_bytes,
            client.buffers.query_capacity,
            client.buffers.query_growth
        ),
        (0, 0, 0)
    );
}

fn client(peer: &mut Peer) -> &mut russet_server::Client {
    let clients = &mut peer.all.engine.server.clients;
    let oldest = clients.ids()[0];
    &mut clients.get_mut(oldest).expect("connected").client
}

#[test]
fn the_input_of_a_stopped_client_is_executed_a_share_a_turn() {
    for is_inline in [false, true] {
        let mut peer = Peer::new();
        let mut other = connect(&mut peer.all);
        peer.send(b"WAIT 1 0\r\n");
        let incr = if is_inline {
            b"INCR n\r\n".to_vec()
        } else {
            request(&[word("INCR"), word("n")])
        };
        let text = vec![b'x'; 2 * LARGE_MIN];
        let large = request(&[word("APPEND"), word("t"), text]);
        let (head, tail) = large.split_at(LARGE_MIN);
        let mut input = incr.repeat(5000);
        input.extend_from_slice(&large);
        input.extend_from_slice(&incr.repeat(5));
        input.extend_from_slice(head);
        for piece in input.chunks(50_000) {
            peer.send(piece);
        }
        assert_eq!(peer.replies, b"");
        let id = client(&mut peer).id.0;
        let line = format!("CLIENT UNBLOCK {id}\r\n");
        other.write_all(line.as_bytes()).expect("room");
        loop {
            let before = client(&mut peer).traffic.commands;
            peer.all.turn().expect("a turn");
            let ran = client(&mut peer).traffic.commands - before;
            assert!(ran <= 1024 + 16, "{ran}");
            if peer.all.engine.server.turn.ready.is_empty() {
                break;
            }
        }
        peer.send(tail);
        let incrs = |n| (1..=n).map(|n| format!(":{n}\r\n")).collect::<String>();
        let appended = format!(":{}\r\n", 2 * LARGE_MIN);
        let all = incrs(5005);
        let (first, last) = all.split_at(incrs(5000).len());
        let wanted = format!(":0\r\n{first}{appended}{last}:{}\r\n", 4 * LARGE_MIN);
        assert!(peer.replies == wanted.as_bytes());
        let client = client(&mut peer);
        let held =
            client.buffers.query_capacity + client.buffers.query_growth + client.buffers.query_list;
        assert_eq!((client.buffers.query_bytes, held), (0, 0));
    }
}

/// Cost of `reads` short reads after a command with this many arguments: processor time, which
/// other load on the machine does not lengthen.
fn reads_behind(arguments: usize, reads: usize) -> std::time::Duration {
    let mut peer = Peer::new();
    let head = format!("*{}\r\n$3\r\nDEL\r\n", arguments + reads + 2);
    peer.send(head.as_bytes());
    for piece in b"$1\r\nk\r\n".repeat(arguments).chunks(100_000) {
        peer.send(piece);
    }
    let list = client(&mut peer).buffers.query_list;
    assert!(list >= arguments * 16 && list < 40 * (arguments + 100));
    let used = client(&mut peer).memory_bytes(&russet_resp::Reply::new());
    assert!(used > list);
    let used = || {
        let time = cpu_time(CpuOwner::Thread);
        time.user + time.system
    };
    let began = used();
    for _ in 0..reads {
        peer.send(b"$1\r\nk\r\n");
    }
    let took = used() - began;
    peer.send(b"$1\r\nk\r\n");
    assert_eq!(peer.replies, b":0\r\n");
    assert_eq!(client(&mut peer).buffers.query_list, 0);
    took
}

#[test]
fn what_is_parsed_of_a_long_command_is_not_copied_at_each_read() {
    let (few, many) = (reads_behind(10, 200), reads_behind(1_000_000, 200));
    let slack = std::time::Duration::from_millis(100);
    assert!(many < 10 * few + slack, "{few:?} {many:?}");
}

#[test]
fn the_list_of_arguments_counts_towards_the_limit_of_the_query_buffer() {
    let mut peer = Peer::new();
    peer.all.engine.server.config.client_query_buffer_limit = 1 << 20;
    peer.send(b"*1000000\r\n");
    for piece in b"$0\r\n\r\n".repeat(100_000).chunks(60_000) {
        // The server closes the connection on the way.
        let _ = peer.socket.write_all(piece);
        peer.all.turn().expect("a turn");
    }
    let stats = &peer.all.engine.server.stats;
    assert_eq!(stats.clients.query_buffer_disconnections, 1);
    assert!(peer.all.engine.server.clients.is_empty());
}
