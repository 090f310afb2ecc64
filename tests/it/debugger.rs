//! Script debugger sessions over a socket: other clients at the same time, permissions, ends and
//! limits. The output of each command is tested in `russet_scripting::debugger`.

use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};

const SCRIPT: &str = "local a = 1\nredis.call('SET', 'k', a)\nlocal b = 2\nreturn {a, b}";

/// A client whose script has stopped at its first line.
fn debugs(server: &Daemon, mode: &str, script: &str) -> Connection {
    let mut c = server.connect();
    begin(&mut c, mode, script);
    c
}

fn begin(c: &mut Connection, mode: &str, script: &str) {
    assert_eq!(c.ask(&format!("SCRIPT DEBUG {mode}")), "+OK\r\n");
    let stopped = says(c, &["EVAL", script, "0"]);
    assert!(stopped.starts_with("*2\r\n+* Stopped at 1, "), "{stopped}");
}

fn says(c: &mut Connection, words: &[&str]) -> String {
    c.send(&command(words));
    reply(c)
}

fn reply(c: &mut Connection) -> String {
    String::from_utf8_lossy(&c.reply()).into_owned()
}

const STEP: &str = "*4\r\n+<redis> SET k 1\r\n+<reply> \"+OK\"\r\n\
                    +* Stopped at 3, stop reason = step over\r\n+-> 3   local b = 2\r\n";

#[test]
fn others_are_served_beside_sessions_that_change_nothing() {
    let server = Daemon::start(&["--appendonly", "yes"]);
    let mut other = server.connect();
    let mut sessions: Vec<_> = (0..3).map(|_| debugs(&server, "YES", SCRIPT)).collect();
    for session in &mut sessions {
        says(session, &["s"]);
        assert_eq!(says(session, &["s"]), STEP);
        assert_eq!(other.ask("SET k other"), "+OK\r\n");
        let got = "*2\r\n+<redis> GET k\r\n+<reply> \"1\"\r\n";
        assert_eq!(says(session, &["redis", "GET", "k"]), got);
        assert_eq!(
            other.ask("EVAL return(redis.call('GET','k')) 0"),
            "$5\r\nother\r\n"
        );
    }
    for mut session in sessions {
        assert_eq!(says(&mut session, &["c"]), "*1\r\n+<endsession>\r\n");
        assert_eq!(reply(&mut session), "*2\r\n:1\r\n:2\r\n");
        assert!(session.read().is_err(), "its connection has ended");
    }
    assert_eq!(other.ask("GET k"), "$5\r\nother\r\n");
    server.wait_for_log("which debugged a script, has ended");
}

#[test]
fn a_session_in_sync_mode_holds_the_server_and_keeps_its_changes() {
    let server = Daemon::start(&["--busy-reply-threshold", "30"]);
    let mut session = debugs(&server, "SYNC", SCRIPT);
    let mut other = server.connect();
    other.send(b"GET k\r\n");
    says(&mut session, &["s"]);
    assert_eq!(says(&mut session, &["s"]), STEP);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(says(&mut session, &["a"]), "*1\r\n+<endsession>\r\n");
    let failed = reply(&mut session);
    assert!(
        failed.starts_with("-ERR script aborted for user request script: "),
        "{failed}"
    );
    assert!(failed.ends_with(", on @user_script:3.\r\n"), "{failed}");
    assert_eq!(reply(&mut other), "$1\r\n1\r\n");
}

#[test]
fn a_session_whose_client_goes_ends() {
    let server = Daemon::start(&[]);
    let mut held = debugs(&server, "SYNC", SCRIPT);
    says(&mut held, &["s"]);
    drop(held);
    let mut other = server.connect();
    assert_eq!(other.ask("GET k"), "$-1\r\n");
    let children = debugs(&server, "YES", SCRIPT);
    drop(children);
    server.wait_for_log("which debugged a script, has ended");
}

#[test]
fn a_server_that_is_to_end_does_not_wait_for_a_session() {
    let mut server = Daemon::start(&[]);
    let _child = debugs(&server, "YES", SCRIPT);
    let _held = debugs(&server, "SYNC", SCRIPT);
    assert!(server.terminate().success());
}

#[test]
fn sessions_run_with_the_permissions_of_their_user() {
    let server = Daemon::start(&[]);
    let mut admin = server.connect();
    admin.ask("SET k secret");
    admin.ask("SET own 5");
    let user = "ACL SETUSER u on >pw ~own +@all -config";
    assert_eq!(admin.ask(user), "+OK\r\n");
    let mut c = server.connect();
    c.ask("AUTH u pw");
    begin(&mut c, "YES", "local a = 1\nreturn a");
    let refused = "<error> ACL failure in script: No permissions to access a key";
    let got = says(&mut c, &["redis", "GET", "k"]);
    assert!(got.contains(refused) && !got.contains("secret"), "{got}");
    let got = says(&mut c, &["e", "return", "redis.call('GET',", "'k')"]);
    assert!(got.contains("<error>") && !got.contains("secret"), "{got}");
    let got = says(&mut c, &["e", "return", "redis.call('GET',", "'own')"]);
    assert_eq!(got, "*1\r\n+<retval> \"5\"\r\n");
    assert_eq!(admin.ask("ACL SETUSER u -script|debug"), "+OK\r\n");
    let mut c = server.connect();
    c.ask("AUTH u pw");
    assert!(c.ask("SCRIPT DEBUG YES").starts_with("-NOPERM"));
}

#[test]
fn there_is_a_time_for_a_session() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let pipelined = "-ERR SCRIPT DEBUG must be called outside a pipeline\r\n";
    c.ask("MULTI");
    c.ask("SCRIPT DEBUG YES");
    assert_eq!(c.ask("EXEC"), format!("*1\r\n{pipelined}"));
    c.send(b"PING\r\nSCRIPT DEBUG YES\r\nPING\r\n");
    let replies = [reply(&mut c), reply(&mut c), reply(&mut c)];
    assert_eq!(replies, ["+PONG\r\n", pipelined, "+PONG\r\n"]);
    assert_eq!(c.ask("SCRIPT DEBUG YES"), "+OK\r\n");
    c.ask("MULTI");
    c.ask("EVAL return(1) 0");
    assert!(
        c.ask("EXEC")
            .starts_with("*1\r\n-ERR a script is debugged by")
    );
    let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    assert_eq!(
        c.ask(&format!("EVALSHA {sha} 0")),
        "-ERR Please use EVAL instead of EVALSHA for debugging\r\n"
    );
    assert_eq!(c.ask("SCRIPT DEBUG NO"), "+OK\r\n");
    assert_eq!(c.ask("EVAL return(1) 0"), ":1\r\n");
    assert_eq!(c.ask("SCRIPT DEBUG SYNC"), "+OK\r\n");
    assert_eq!(c.ask("RESET"), "+RESET\r\n");
    assert_eq!(c.ask("EVAL return(1) 0"), ":1\r\n");
    assert_eq!(
        c.ask("SCRIPT DEBUG x"),
        "-ERR Use SCRIPT DEBUG YES/SYNC/NO\r\n"
    );
}

#[test]
fn what_does_not_compile_ends_its_session_at_once() {
    let server = Daemon::start(&[]);
    for mode in ["YES", "SYNC"] {
        let mut c = server.connect();
        c.ask(&format!("SCRIPT DEBUG {mode}"));
        assert_eq!(c.ask("EVAL this(is.no 0"), "*1\r\n+<endsession>\r\n");
        assert!(reply(&mut c).starts_with("-ERR Error compiling script"));
        assert!(c.read().is_err(), "its connection has ended");
    }
}

#[test]
fn only_so_many_sessions_run_at_a_time() {
    let server = Daemon::start(&[]);
    let sessions: Vec<_> = (0..8).map(|_| debugs(&server, "YES", SCRIPT)).collect();
    let mut c = server.connect();
    c.ask("SCRIPT DEBUG YES");
    let refused = "-ERR too many scripts are being debugged\r\n";
    assert_eq!(c.ask("EVAL return(1) 0"), refused);
    drop(sessions);
    wait_until("room", || c.ask("EVAL return(1) 0") != refused);
}

#[test]
fn a_session_takes_no_more_than_its_share_of_memory() {
    let server = Daemon::start(&[]);
    let mut session = debugs(&server, "YES", "local a = 1\nreturn a");
    let text = "x".repeat(60_000);
    says(&mut session, &["redis", "SETRANGE", "k", "500000000", "x"]);
    session.send(&command(&[
        "redis",
        "SETRANGE",
        "l",
        "500000000",
        &text[..10],
    ]));
    session.send(&command(&[
        "redis",
        "SETRANGE",
        "m",
        "500000000",
        &text[..10],
    ]));
    while session.read().is_ok() {}
    let mut other = server.connect();
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    server.wait_for_log("which debugged a script, has ended");
}
