//! Logins, and the rights of a client until its next one.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_keyspace::ClientId;
use russet_net::Address;
use russet_server::ClientFlags;

/// A client on another machine.
fn connect_from_afar(t: &mut Testbed) -> ClientId {
    let id = t.connect();
    let session = t.engine.server.clients.get_mut(id).expect("connected");
    session.client.identity.peer = Address::Tcp(([192, 0, 2, 1], 1234).into());
    id
}

#[test]
fn strangers_from_other_machines_do_not_take_the_server_over() {
    let mut t = Testbed::new();
    t.run("SET k v");
    t.run("FUNCTION LOAD #!lua name=l\nredis.register_function('f', function() end)");
    t.run("ACL SETUSER open on nopass +@all ~* &*");
    t.run("ACL SETUSER known on >secret +@all ~* &*");
    let far = connect_from_afar(&mut t);
    let save = "CONFIG SET remote-admin-without-auth yes";
    assert_eq!(t.run_as(far, save), "+OK\r\n", "as in Redis");
    t.run("CONFIG SET remote-admin-without-auth no");
    let dangerous = [
        "CONFIG SET dir /tmp",
        "CONFIG SET dbfilename x.so",
        "CONFIG SET notify-keyspace-events KEA dir /tmp",
        "CONFIG SET requirepass mine",
        "CONFIG SET maxmemory 0",
        "CONFIG REWRITE",
        "DEBUG JMAP",
        "MODULE LOAD /tmp/x.so",
        "ACL SETUSER x on",
        "ACL LIST",
        "SHUTDOWN NOSAVE",
        "REPLICAOF h 1",
        "SLAVEOF h 1",
        "FAILOVER",
        "MIGRATE h 1 k 0 1",
        "BACKUP CREATE",
    ];
    for line in dangerous {
        let reported = t.run_as(far, line);
        let refused = ["-DENIED ", "-ERR DEBUG command", "-ERR MODULE command"];
        let refused = refused.iter().any(|start| reported.starts_with(start));
        assert!(refused, "{line}: {reported}");
    }
    // Commands of BullMQ, redlock, Spring Session and backups by cron.
    for line in [
        "GET k",
        "SET k v",
        "CONFIG GET dir",
        "CONFIG SET notify-keyspace-events Egx",
        "ACL WHOAMI",
        "INFO server",
        "FLUSHDB",
        "FLUSHALL ASYNC",
        "EVAL return 0",
        "SCRIPT LOAD x",
        "SCRIPT FLUSH",
        "FUNCTION FLUSH",
        "SAVE",
        "BGSAVE",
        "BGREWRITEAOF",
    ] {
        assert!(!t.run_as(far, line).starts_with("-DENIED"), "{line}");
    }
    t.run_as(far, "MULTI");
    assert!(t.run_as(far, "ACL LIST").starts_with("-DENIED "));
    assert!(t.run_as(far, "EXEC").starts_with("-EXECABORT"));
    // A user without a password proves nothing.
    assert_eq!(t.run_as(far, "AUTH open x"), "+OK\r\n");
    let harmless = "CONFIG SET hz 10";
    assert!(t.run_as(far, harmless).starts_with("-DENIED "));
    assert_eq!(t.run_as(far, "AUTH known secret"), "+OK\r\n");
    assert_eq!(t.run_as(far, harmless), "+OK\r\n");
    assert_eq!(t.run_as(far, "RESET"), "+RESET\r\n");
    assert!(t.run_as(far, harmless).starts_with("-DENIED "));
    assert_eq!(t.run(harmless), "+OK\r\n", "from this machine");
}

#[test]
fn scripts_of_strangers_do_not_either() {
    let mut t = Testbed::new();
    let far = connect_from_afar(&mut t);
    let migrates = b"return redis.call('migrate', 'h', 1, 'k', 0, 1)";
    let sha = t.run_args(&[b"SCRIPT", b"LOAD", migrates]);
    let sha = String::from_utf8_lossy(&sha[5..45]).into_owned();
    t.run("CONFIG SET remote-admin-without-auth no");
    let reported = t.run_as(far, &format!("EVALSHA {sha} 0"));
    assert!(reported.starts_with("-DENIED "), "{reported}");
    assert_eq!(t.run(&format!("EVALSHA {sha} 0")), "+NOKEY\r\n");
}

#[test]
fn a_user_with_all_rights_takes_the_short_way_until_one_is_missing() {
    let mut t = Testbed::new();
    let restricted = |t: &Testbed, id: ClientId| {
        let session = t.engine.server.clients.get(id).expect("connected");
        session.client.flags.contains(ClientFlags::RESTRICTED)
    };
    let other = t.connect();
    assert!(!restricted(&t, other));
    t.run("ACL SETUSER default -keys");
    assert!(restricted(&t, other) && t.run_as(other, "KEYS *").starts_with("-NOPERM"));
    assert_eq!(t.run_as(other, "GET a"), "$-1\r\n");
    t.run("ACL SETUSER default +@all");
    assert!(!restricted(&t, other));
    t.run("ACL SETUSER u on nopass +@all ~* &* db=0");
    t.run_as(other, "AUTH u x");
    assert!(restricted(&t, other));
    t.run("ACL SETUSER u alldbs");
    assert!(!restricted(&t, other));
}

#[test]
fn a_deleted_user_has_no_rights_even_inside_a_transaction() {
    let mut t = Testbed::new();
    t.run("ACL SETUSER u on nopass +@all ~*");
    t.run("ACL SETUSER default resetkeys");
    let client = t.connect();
    t.run_as(client, "AUTH u x");
    t.run_as(client, "MULTI");
    t.run_as(client, "ACL DELUSER u");
    t.run_as(client, "GET a");
    let reported = t.run_as(client, "EXEC");
    assert!(
        reported.starts_with("*2\r\n:1\r\n-NOPERM ACLs rules changed"),
        "{reported}"
    );
    let session = t.engine.server.clients.get(client).expect("connected");
    assert!(
        session
            .client
            .flags
            .contains(ClientFlags::CLOSE_AFTER_REPLY)
    );
}

#[test]
fn a_script_without_a_right_fails_and_is_logged_with_its_caller() {
    let mut t = Testbed::new();
    t.run("ACL SETUSER u on nopass +eval +get ~a*");
    let client = t.connect();
    t.run_as(client, "AUTH u x");
    let ran = t.run_args_as(client, &[b"EVAL", b"return redis.call('get','b')", b"0"]);
    let reported = String::from_utf8_lossy(&ran).into_owned();
    let wanted = "-ERR ACL failure in script: No permissions to access a key script: ";
    assert!(reported.starts_with(wanted), "{reported}");
    let log = t.run("ACL LOG");
    assert!(
        log.contains("$3\r\nlua\r\n") && log.contains("cmd=eval user=u "),
        "{log}"
    );
    assert!(t.run("INFO stats").contains("acl_access_denied_key:1\r\n"));
}
