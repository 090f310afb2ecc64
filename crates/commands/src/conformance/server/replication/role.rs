//! Clients of a server that becomes a replica.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};

#[test]
fn clients_that_follow_redirections_are_sent_to_the_new_primary() {
    let mut t = Testbed::new();
    let (plain, able) = (t.connect(), t.connect());
    t.run_as(able, "CLIENT CAPA REDIRECT");
    for client in [plain, able] {
        assert_eq!(t.run_as(client, "BLPOP k 0"), "");
    }
    assert_eq!(t.run("REPLICAOF 10.1.2.3 7000"), "+OK\r\n");
    let reported = |t: &mut Testbed, client| {
        let reply = t.take_reply(client);
        let session = t.engine.server.clients.get(client);
        let closes = session.is_none_or(|session| session.client.ending.is_some());
        (String::from_utf8_lossy(&reply).into_owned(), closes)
    };
    let (reply, closes) = reported(&mut t, plain);
    assert!(
        reply.starts_with("-UNBLOCKED force unblock") && closes,
        "{reply}"
    );
    let sent = ("-REDIRECT 10.1.2.3:7000\r\n".to_owned(), false);
    assert_eq!(reported(&mut t, able), sent);
}
