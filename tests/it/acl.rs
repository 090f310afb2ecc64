//! Users: where the server loads them from and saves them to, wrong and huge files, and login
//! attempts of strangers.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::once::{ProcessOutput, run_once};
use crate::support::{Connection, Daemon, wait_until};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A server with this file of users.
fn with_users(text: &str) -> Daemon {
    let folder = folder();
    fs::write(folder.path().join("users.acl"), text).expect("a file");
    Daemon::start_with_environment(&["--aclfile", "users.acl"], &[], folder)
}

/// The output of a start that these configuration lines make fail.
#[track_caller]
fn refused(lines: &str, users: &[u8]) -> ProcessOutput {
    let folder = folder();
    let config = format!("port 0\nunixsocket socket\n{lines}");
    fs::write(folder.path().join("redis.conf"), config).expect("a file");
    fs::write(folder.path().join("users.acl"), users).expect("a file");
    let ended = run_once(folder.path(), &["redis.conf"], b"");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended
}

#[test]
fn users_of_a_file_log_in_and_a_save_writes_what_a_load_reads() {
    let server = with_users("user alice on >secret ~a* +@read\nuser default on nopass ~* +@all\n");
    let mut c = server.connect();
    assert_eq!(c.ask("AUTH alice secret"), "+OK\r\n");
    assert!(c.ask("SET a1 x").starts_with("-NOPERM User alice has no"));
    assert_eq!(c.ask("GET a1"), "$-1\r\n");
    let mut admin = server.connect();
    let path = server.folder().join("users.acl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our file");
    admin.ask("ACL SETUSER bob on nopass (~\"x)\" +get) &c*");
    assert_eq!(admin.ask("ACL SAVE"), "+OK\r\n");
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what was private stays private");
    let before = admin.ask("ACL LIST");
    assert_eq!(admin.ask("ACL LOAD"), "+OK\r\n");
    assert_eq!(admin.ask("ACL LIST"), before);
    // Loading a file without the user closes his connections.
    fs::write(&path, "user carol on nopass\n").expect("our file");
    assert_eq!(admin.ask("ACL LOAD"), "+OK\r\n");
    assert_eq!(c.rest(), b"");
    assert!(admin.ask("ACL USERS").contains("carol"));
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_all_of_them_are_reported() {
    let server = with_users("user alice on nopass +get ~*\n");
    let mut c = server.connect();
    let before = c.ask("ACL LIST");
    let path = server.folder().join("users.acl");
    let text = b"no user\n\nuser bob on +nosuch +@none\nuser\nuser bob\nuser a\tb\n\
                 user c ~*\0 on\nuser d (+get\nuser e >x <y %q~ on\nuser f on\n";
    fs::write(&path, text).expect("our file");
    let reported = c.ask("ACL LOAD");
    for part in [
        "-ERR users.acl:1 should start with user keyword followed by the username. ",
        "users.acl:3: Error in applying operation '+nosuch': Unknown command or category name in ACL. ",
        "users.acl:3: Error in applying operation '+@none': Unknown command",
        "users.acl:4 should start with user",
        "WARNING: Duplicate user 'bob' found on line 5. ",
        "'users.acl:6: username 'a",
        "users.acl:7: NUL byte in line. ",
        "users.acl:8: Unmatched parenthesis in selector definition.",
        "users.acl:9: The password you are trying to remove from the user does not exist. ",
        "WARNING: ACL errors detected, no change to the previously active ACL rules was performed\r\n",
    ] {
        assert!(reported.contains(part), "{part}: {reported}");
    }
    assert!(
        !reported.contains("Syntax"),
        "a line's later mistakes may follow from the first"
    );
    assert_eq!(c.ask("ACL LIST"), before);
}

#[test]
fn roles_of_a_file_come_back_from_it() {
    let server = with_users(
        "user alice on nopass role=customer\nrole customer ~* +@all -@admin -@dangerous -@scripting\n\
         role viewer ~v:* +@read\nuser default on nopass role=viewer ~* +@all\n",
    );
    let mut c = server.connect();
    assert_eq!(c.ask("ACL DRYRUN alice SET any v"), "+OK\r\n");
    assert!(
        c.ask("ACL DRYRUN alice FLUSHALL")
            .contains("no permissions")
    );
    c.ask("ACL SETROLE app.read-only ~ro:* +get (~\"x)\" +set)");
    c.ask("ACL SETUSER bob on nopass role=app.read-only,customer");
    let (before, digest) = (c.ask("ACL LIST"), c.ask("ACL DIGEST"));
    assert!(before.contains("role app.read-only ~ro:*"), "{before}");
    assert_eq!(c.ask("ACL SAVE"), "+OK\r\n");
    assert_eq!(c.ask("ACL LOAD"), "+OK\r\n");
    assert_eq!((c.ask("ACL LIST"), c.ask("ACL DIGEST")), (before, digest));
    // A file without a role takes the role from its users. The server closes the clients that lose
    // a channel by it.
    c.ask("ACL SETROLE customer &news:*");
    let mut reader = server.connect();
    assert_eq!(reader.ask("AUTH alice x"), "+OK\r\n");
    assert!(reader.ask("SUBSCRIBE news:1").starts_with("*3"));
    assert_eq!(c.ask("ACL LOAD"), "+OK\r\n");
    assert_eq!(reader.rest(), b"");
    let path = server.folder().join("users.acl");
    for (text, reported) in [
        (
            "role bad >password\n",
            "Error in role declaration: Syntax error",
        ),
        ("role\n", "requires a role name"),
        (
            "role dup +get\nrole dup +set\n",
            "Duplicate role 'dup' found on line 2",
        ),
        (
            "role a,b +get\n",
            "invalid role name 'a,b': Role names can't contain commas",
        ),
        ("user u role=nosuch\n", "The specified role does not exist"),
    ] {
        let before = c.ask("ACL LIST");
        fs::write(&path, text).expect("our file");
        let reply = c.ask("ACL LOAD");
        assert!(reply.contains(reported), "{reply}");
        assert_eq!(c.ask("ACL LIST"), before);
    }
}

#[test]
fn starts_that_cannot_have_their_users_are_refused() {
    let both = refused("aclfile users.acl\nuser a on\n", b"user b on\n");
    assert!(
        both.out
            .contains("define either an ACL file or declare users"),
        "{both:?}"
    );
    let wrong = refused("aclfile users.acl\n", b"user b on\nuser c +nosuch\n");
    let reported = "Aborting Redis startup because of ACL errors: users.acl:2: Error in applying";
    assert!(wrong.out.contains(reported), "{wrong:?}");
    let missing = refused("aclfile nosuch.acl\n", b"");
    let reported = "Error loading ACLs, opening file 'nosuch.acl': No such file or directory";
    assert!(missing.out.contains(reported), "{missing:?}");
    let syntax = refused("user a on >secret nosuch\n", b"");
    // The rules contain a password, so the error does not show the line.
    let reported =
        "at line 3\n>>> 'user ...'\nError in user declaration '(redacted)': Syntax error\n";
    assert!(syntax.err.contains(reported), "{syntax:?}");
    assert!(!syntax.err.contains("secret"), "{syntax:?}");
    let unknown = refused("user a on +nosuch\n", b"");
    assert!(
        unknown.out.contains("Error loading ACL rule '+nosuch'"),
        "{unknown:?}"
    );
    let twice = refused("user a on\nuser a off\n", b"");
    assert!(twice.err.contains("Duplicate user found"), "{twice:?}");
    let role = refused("role bad >password\n", b"");
    assert!(
        role.err.contains("Error in role declaration '(redacted)'"),
        "{role:?}"
    );
    let role = refused("role r on\n", b"");
    assert!(
        role.err
            .contains("Error in role declaration 'on': Syntax error"),
        "{role:?}"
    );
    let role = refused("role \"\" +get\n", b"");
    assert!(role.err.contains("Role names can't be empty"), "{role:?}");
    let twice = refused("role a +get\nrole a\n", b"");
    assert!(twice.err.contains("Duplicate role found"), "{twice:?}");
    let missing = refused("user a on role=b\n", b"");
    assert!(
        missing.err.contains("The specified role does not exist"),
        "{missing:?}"
    );
    let cut_off = refused("user a on (+get ~x\n", b"");
    assert!(cut_off.err.contains("Unmatched parenthesis"), "{cut_off:?}");
}

#[test]
fn a_check_of_a_configuration_reports_users_and_their_file() {
    let folder = folder();
    let config = "user a on +nosuch\nuser b >secret ~x y\nuser c on\naclfile users.acl\n";
    fs::write(folder.path().join("redis.conf"), config).expect("a file");
    fs::write(folder.path().join("users.acl"), "user x +get\nuser x\n").expect("a file");
    let ended = run_once(folder.path(), &["--check-config", "redis.conf"], b"");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in [
        "redis.conf:1: Error in user declaration '+nosuch': Unknown command",
        "redis.conf:2: Error in user declaration '(redacted)': Syntax error",
        "redis.conf:1: users and roles stand in the configuration or in the aclfile, not in both",
        "WARNING: Duplicate user 'x' found on line 2.",
        "4 problems\n",
    ] {
        assert!(ended.err.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn a_rewritten_configuration_has_the_users_as_they_are() {
    let folder = folder();
    let config = "user bob on >x ~b* +get\n# mine\nrequirepass foo\nrole gone +get\n\
                  user dave on nopass role=kept\nrole kept ~k* +@read\n";
    fs::write(folder.path().join("redis.conf"), config).expect("a file");
    let mut server = Daemon::start_with_file("redis.conf", &[], folder);
    let mut c = server.connect();
    assert_eq!(c.ask("AUTH foo"), "+OK\r\n");
    c.call(&["ACL", "SETUSER", "carol", "on", "(~\"a)\" +get)", "~it's"]);
    assert_eq!(c.ask("ACL DELUSER bob"), ":1\r\n");
    assert_eq!(c.ask("ACL DELROLE gone"), ":1\r\n");
    c.call(&["ACL", "SETROLE", "made.later", "(~\"a)\" +get)", "~it's"]);
    c.ask("ACL SETUSER dave role=kept,made.later");
    let before = c.ask("ACL LIST");
    assert_eq!(c.ask("CONFIG REWRITE"), "+OK\r\n");
    let text = fs::read_to_string(server.folder().join("redis.conf")).expect("the file");
    assert!(
        text.contains("# mine") && !text.contains("user bob") && !text.contains("role gone"),
        "{text}"
    );
    server.restart();
    let mut c = server.connect();
    assert_eq!(c.ask("AUTH foo"), "+OK\r\n");
    assert_eq!(c.ask("ACL LIST"), before);
}

#[test]
fn a_hundred_thousand_users_load_and_nobody_waits_long_for_them() {
    let mut text = String::new();
    for n in 0..100_000 {
        let _ = writeln!(
            text,
            "user u{n} on nopass ~{n}:* %R~shared:* +@read -keys +config|get"
        );
    }
    let began = Instant::now();
    let server = with_users(&text);
    let mut c = server.connect();
    assert_eq!(c.ask("AUTH u99999 x"), "+OK\r\n");
    assert_eq!(c.ask("GET 99999:a"), "$-1\r\n");
    assert_eq!(
        c.ask("GET 9:a"),
        "-NOPERM No permissions to access a key\r\n"
    );
    assert_eq!(server.connect().ask("ACL LOAD"), "+OK\r\n");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(c.ask("GET 99999:a"), "$-1\r\n");
}

#[test]
fn patterns_made_to_blow_up_matching_hold_nobody() {
    let server = Daemon::start(&[]);
    let mut admin = server.connect();
    let pattern = format!("~{}b", "a*".repeat(900));
    let more = format!("~{}c", "*?a".repeat(300));
    admin.call(&[
        "ACL", "SETUSER", "u", "on", "nopass", "+@all", &pattern, &more,
    ]);
    let mut c = server.connect();
    assert_eq!(c.ask("AUTH u x"), "+OK\r\n");
    let key = "a".repeat(20_000);
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(
            c.call(&["GET", &key]),
            b"-NOPERM No permissions to access a key\r\n"
        );
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

/// Uses up the attempts that an address has at once: the rate of ten seconds.
fn use_up(server: &Daemon, per_second: usize) {
    let mut c = server.connect();
    c.send(&b"AUTH nobody guess\r\n".repeat(10 * per_second));
    for _ in 0..10 * per_second {
        assert!(c.reply().starts_with(b"-WRONGPASS "));
    }
}

#[test]
fn a_flood_of_passwords_is_slowed_down_and_logged_once_and_others_are_not_harmed() {
    let server = Daemon::start(&["--auth-failures-per-second", "100"]);
    let mut other = server.connect();
    other.ask("ACL SETUSER me on >secret +@all ~*");
    use_up(&server, 100);
    let began = Instant::now();
    let mut waiting: Vec<Connection> = (0..100).map(|_| server.connect()).collect();
    for c in &mut waiting {
        c.send(b"AUTH nobody guess\r\nPING\r\n");
    }
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    for c in &mut waiting {
        assert!(c.reply().starts_with(b"-WRONGPASS "));
        assert_eq!(c.reply(), b"+PONG\r\n");
    }
    assert!(
        began.elapsed() > Duration::from_millis(300),
        "{:?}",
        began.elapsed()
    );
    let reported = server.log().matches("are judged with delay").count();
    assert_eq!(reported, 1);
    assert!(!server.log().contains("guess"));
    let log = other.ask("ACL LOG");
    assert!(log.contains("$5\r\ncount\r\n:1100\r\n"), "{log}");
}

/// Regression: the server answered a right password at once, so a guesser could hang up after each
/// guess and lost nothing.
#[test]
fn above_the_rate_right_passwords_wait_as_wrong_ones_do() {
    let server = Daemon::start(&["--auth-failures-per-second", "1"]);
    server.connect().ask("ACL SETUSER me on >secret +@all ~*");
    use_up(&server, 1);
    // Enough guesses that the next attempt waits for seconds, whatever the rate has restored by
    // then.
    let crowd = || -> Vec<Connection> {
        let guess = |_| {
            let mut c = server.connect();
            c.send(b"AUTH nobody guess\r\n");
            c
        };
        (0..4).map(guess).collect()
    };
    let quiet = Duration::from_millis(300);
    for line in [
        "AUTH me secret\r\n",
        "HELLO 3 AUTH me secret SETNAME mine\r\n",
    ] {
        let (_crowd, mut c) = (crowd(), server.connect());
        c.send(line.as_bytes());
        assert!(c.is_silent_for(quiet), "{line}");
        // The server decides after the delay, and the login takes effect.
        let reply = String::from_utf8_lossy(&c.reply()).into_owned();
        assert!(
            reply.starts_with("+OK") || reply.starts_with("%7"),
            "{reply}"
        );
        assert!(c.ask("ACL WHOAMI").contains("me"));
        let named = c.ask("CLIENT GETNAME").contains("mine");
        assert_eq!(named, line.starts_with("HELLO"));
    }
    // No command of another client shortens the delay.
    let (_crowd, mut c) = (crowd(), server.connect());
    let id = c.ask("CLIENT ID");
    c.send(b"AUTH me secret\r\n");
    assert!(c.is_silent_for(quiet));
    let unblock = format!("CLIENT UNBLOCK {}", id.trim().trim_start_matches(':'));
    assert_eq!(server.connect().ask(&unblock), ":0\r\n");
    assert_eq!(c.reply(), b"+OK\r\n");
}

#[test]
fn attempts_that_hang_up_or_come_in_transactions_count() {
    let server = Daemon::start(&["--auth-failures-per-second", "1"]);
    server.connect().ask("ACL SETUSER me on >secret +@all ~*");
    use_up(&server, 1);
    // 30 guesses; each connection closes without waiting for the answer.
    for n in 0..30 {
        let mut c = server.connect();
        c.send(b"AUTH me secret\r\n");
        if n < 5 {
            assert!(c.is_silent_for(Duration::from_millis(5)), "{n}");
        }
    }
    // The server drops attempts of closed connections, but does not free their places.
    wait_until("they are gone", || {
        server.info("blocked_clients").as_deref() == Some("0")
    });
    let refused = "-ERR too many authentications from this address have failed, this one was not \
                   judged. Try again later.\r\n";
    assert_eq!(server.connect().ask("AUTH me secret"), refused);
    assert_eq!(server.connect().ask("HELLO 2 AUTH me secret"), refused);
    let mut c = server.connect();
    for line in [
        "MULTI",
        "AUTH me secret",
        "AUTH nobody guess",
        "HELLO 2 AUTH me secret",
    ] {
        c.ask(line);
    }
    let reported = c.ask("EXEC");
    assert_eq!(reported, format!("*3\r\n{refused}{refused}{refused}"));
    assert!(c.ask("ACL WHOAMI").contains("default"));
    // Switched off: no delay.
    assert_eq!(c.ask("CONFIG SET auth-failures-per-second 0"), "+OK\r\n");
    assert_eq!(c.ask("AUTH me secret"), "+OK\r\n");
}

#[test]
fn passwords_are_shown_nowhere() {
    let server = Daemon::start(&[
        "--slowlog-log-slower-than",
        "0",
        "--commandlog-request-larger-than",
        "0",
        "--commandlog-reply-larger-than",
        "0",
        "--loglevel",
        "debug",
    ]);
    let mut monitor = server.connect();
    assert_eq!(monitor.ask("MONITOR"), "+OK\r\n");
    let mut c = server.connect();
    for line in [
        "ACL SETUSER u on >hunter2 ~* +@all",
        "AUTH u hunter2",
        "AUTH u hunter2x",
        "HELLO 3 AUTH u hunter2",
        "HELLO 2 AUTH u hunter2x",
        "ACL SETUSER u <hunter2 >hunter2y",
        "CONFIG SET requirepass hunter2z",
        "AUTH hunter2z",
        "ACL GETUSER u",
        "MIGRATE 127.0.0.1 1 k 0 10 AUTH hunter2",
        "MIGRATE 127.0.0.1 1 k 0 10 AUTH2 u hunter2",
    ] {
        c.ask(line);
    }
    let hash = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    assert!(!c.ask("CLIENT LIST").contains("hunter2"));
    for log in ["slow", "large-request", "large-reply"] {
        let reported = c.ask(&format!("COMMANDLOG GET -1 {log}"));
        assert!(
            !reported.contains("hunter2") && !reported.contains(hash),
            "{reported}"
        );
    }
    assert!(!c.ask("ACL LOG").contains("hunter2"));
    c.ask("PING last");
    let mut seen = String::new();
    while !seen.contains("\"last\"") {
        seen += &String::from_utf8_lossy(&monitor.reply());
    }
    assert!(!seen.contains("hunter2"), "{seen}");
    assert!(!server.log().contains("hunter2"));
}
