//! The stream of a primary, applied by a replica.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_resp::Progress;
use russet_server::ClientFlags;
use russet_server::inside::{Batch, Engine, InputRemainder};

/// Newlines before a command that a pause held were left out of the offset, so the replica
/// would have continued at a wrong byte.
#[test]
fn newlines_before_a_held_command_count_when_it_is_applied() {
    let mut t = Testbed::new();
    let link = t.connect();
    let Engine {
        keyspace, server, ..
    } = &mut t.engine;
    server.follow(keyspace, b"127.0.0.1", 1);
    let mut session = server.clients.take(link).expect("connected");
    session.client.flags |= ClientFlags::PRIMARY;
    let stream = b"\n\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n\n";
    let mut run = |t: &mut Testbed| {
        let mut batch = Batch::default();
        session.client.flags.remove(ClientFlags::POSTPONED);
        let before = t.engine.server.stream.offset();
        let begin = Progress::default();
        let rest = (t.engine).run_buffer(&mut session, &mut batch, stream, 0, begin);
        (rest, t.engine.server.stream.offset() - before)
    };
    assert_eq!(t.run("CLIENT PAUSE 1000"), "+OK\r\n");
    assert!(matches!(
        run(&mut t),
        (InputRemainder::Stopped { start: 0 }, 0)
    ));
    t.advance_ms(2000);
    let (rest, applied) = run(&mut t);
    assert!(matches!(rest, InputRemainder::Nothing));
    assert_eq!(applied, stream.len() as u64);
    assert_eq!(t.run("GET k"), "$1\r\nv\r\n");
}
