//! A configuration that the server reads again at SIGHUP, secrets in other files, and a shutdown
//! that waits for clients.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::daemon::free_port_of;
use crate::support::once::run_once;
use crate::support::{Daemon, wait_until};

/// A server that has read `text` from a file, and the path of the file.
fn with_file(text: &str) -> (Daemon, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.conf");
    fs::write(&file, text).expect("written");
    let server = Daemon::start_with_file(file.to_str().expect("UTF-8"), &[], folder);
    (server, file)
}

/// Writes the file, sends SIGHUP, and waits for the last log line of the reload.
fn reload(server: &Daemon, file: &Path, text: &str) -> String {
    let before = server.log().len();
    fs::write(file, text).expect("written");
    server.signal(Signal::HUP);
    let news = || server.log()[before..].to_owned();
    wait_until("the end of the reload", || news().contains("eloaded"));
    news()
}

#[test]
fn sighup_sets_what_the_file_has_changed() {
    let (server, file) = with_file("maxmemory 100mb\nhz 11\ndatabases 16\n");
    let mut c = server.connect();
    c.ask("CONFIG SET hz 33");
    let log = reload(
        &server,
        &file,
        "maxmemory 200mb\nhz 11\ndatabases 8\ntimeout 77\n",
    );
    assert!(
        log.contains("maxmemory") && log.contains("timeout"),
        "{log}"
    );
    assert!(log.contains("after a restart: databases."), "{log}");
    let mut value = |name: &str| {
        let reported = c.ask(&format!("CONFIG GET {name}"));
        reported.lines().nth(4).unwrap_or_default().to_owned()
    };
    assert_eq!(value("maxmemory"), "209715200");
    assert_eq!(value("timeout"), "77");
    assert_eq!(value("databases"), "16");
    assert_eq!(value("hz"), "33", "the file did not change it");
    // A mistake changes no setting, and the log names its line.
    let log = reload(&server, &file, "maxmemory 300mb\n\nhz x\n");
    assert!(
        log.contains("nothing is changed") && log.contains("redis.conf:3: "),
        "{log}"
    );
    assert_eq!(value("maxmemory"), "209715200");
    // The same if the server refuses a value only when it uses it.
    let log = reload(
        &server,
        &file,
        "maxmemory 300mb\nmetrics-port 9121\nmetrics-bind 192.0.2.1\n",
    );
    assert!(log.contains("nothing is changed"), "{log}");
    assert_eq!(value("maxmemory"), "209715200");
    let log = reload(&server, &file, "maxmemory 300mb\nhz 11\ntimeout 77\n");
    assert!(
        log.contains("Configuration reloaded: maxmemory set."),
        "{log}"
    );
    assert_eq!(value("maxmemory"), "314572800");
}

/// Regression: after CONFIG REWRITE the server called the `user` line that it had written itself a
/// change that needs a restart.
#[test]
fn a_user_as_it_is_is_no_change() {
    let (server, file) = with_file("databases 16\n");
    let mut c = server.connect();
    assert_eq!(c.ask("CONFIG REWRITE"), "+OK\r\n");
    let rewritten = fs::read_to_string(&file).expect("a file");
    assert!(rewritten.contains("user default on"), "{rewritten}");
    let text = rewritten.replace("databases 16", "databases 8");
    fs::write(&file, &text).expect("written");
    server.signal(Signal::HUP);
    server.wait_for_log("in effect after a restart: databases.");
    let text = text.replace("user default on", "user default off");
    fs::write(&file, &text).expect("written");
    server.signal(Signal::HUP);
    server.wait_for_log("in effect after a restart: user.");
}

/// Regression: at SIGHUP the server waited for a writer of the pipe, and no longer served clients.
#[test]
fn sighup_waits_for_no_pipe() {
    let (server, file) = with_file("maxmemory 100mb\n");
    let pipe = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("coreutils").success());
    };
    let mut c = server.connect();
    let secret = file.with_file_name("password");
    pipe(&secret);
    let log = reload(
        &server,
        &file,
        &format!("requirepass-file {}\n", secret.display()),
    );
    let why = "a pipe that nothing is written to";
    assert!(
        log.contains("nothing is changed") && log.contains(why),
        "{log}"
    );
    assert_eq!(c.ask("PING"), "+PONG\r\n");
    fs::remove_file(&file).expect("there");
    pipe(&file);
    let before = server.log().len();
    server.signal(Signal::HUP);
    let news = || server.log()[before..].to_owned();
    wait_until("the end of the reload", || news().contains(why));
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

#[test]
fn passwords_come_from_files_and_are_shown_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("password");
    fs::write(&secret, "s3cret\n").expect("written");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("ours");
    let line = format!("requirepass-file {}\n", secret.display());
    let config = folder.path().join("redis.conf");
    fs::write(&config, &line).expect("written");
    let (path, args) = (
        config.to_str().expect("UTF-8").to_owned(),
        ["--loglevel", "debug"],
    );
    let server = Daemon::start_with_file(&path, &args, folder);
    let mut c = server.connect();
    assert!(c.ask("GET k").starts_with("-NOAUTH"));
    assert_eq!(c.ask("AUTH s3cret"), "+OK\r\n");
    assert!(c.ask("CONFIG GET requirepass").ends_with("$0\r\n\r\n"));
    assert_eq!(c.ask("CONFIG REWRITE"), "+OK\r\n");
    let written = fs::read_to_string(&config).expect("a file");
    assert!(
        written.contains("requirepass-file") && !written.contains("s3cret"),
        "{written}"
    );
    let line = fs::read(format!("/proc/{}/cmdline", server.pid())).expect("its arguments");
    assert!(!String::from_utf8_lossy(&line).contains("s3cret"));
    // The server uses a new password in the file from the next SIGHUP on.
    fs::write(&secret, "n3w").expect("written");
    let log = reload(&server, &config, &written);
    assert!(log.contains("requirepass set."), "{log}");
    assert!(c.ask("AUTH s3cret").starts_with("-WRONGPASS"));
    assert_eq!(c.ask("AUTH n3w"), "+OK\r\n");
    assert!(!server.log().contains("s3cret") && !server.log().contains("n3w"));
    // CONFIG GET shows, and CONFIG REWRITE writes, a password that an operator has set.
    c.ask("CONFIG SET requirepass own");
    assert!(c.ask("CONFIG GET requirepass").contains("own"));
}

/// Two regressions. CONFIG REWRITE left the line of a file beside the password that replaced it,
/// and no start took both. And it kept the hash of the file's password, and the hash then won over
/// the file.
#[test]
fn a_rewritten_file_starts_with_the_password_in_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("password");
    fs::write(&secret, "first").expect("written");
    let config = folder.path().join("redis.conf");
    let line = format!("requirepass-file {}\n", secret.display());
    fs::write(&config, &line).expect("written");
    let path = config.to_str().expect("UTF-8").to_owned();
    let mut server = Daemon::start_with_file(&path, &[], folder);
    let mut c = server.connect();
    assert_eq!(c.ask("AUTH first"), "+OK\r\n");
    assert_eq!(c.ask("CONFIG REWRITE"), "+OK\r\n");
    server.terminate();
    fs::write(&secret, "second").expect("written");
    server.restart();
    let mut c = server.connect();
    assert!(c.ask("AUTH first").starts_with("-WRONGPASS"));
    assert_eq!(c.ask("AUTH second"), "+OK\r\n");
    // The default user keeps its other rules.
    assert_eq!(c.ask("ACL SETUSER default -flushall"), "+OK\r\n");
    assert_eq!(c.ask("CONFIG REWRITE"), "+OK\r\n");
    server.terminate();
    server.restart();
    let mut c = server.connect();
    assert!(c.ask("PING").starts_with("-NOAUTH"));
    assert_eq!(c.ask("AUTH second"), "+OK\r\n");
    assert!(c.ask("FLUSHALL").starts_with("-NOPERM"));
    assert_eq!(c.ask("CONFIG SET requirepass third"), "+OK\r\n");
    assert_eq!(c.ask("CONFIG REWRITE"), "+OK\r\n");
    let written = fs::read_to_string(&config).expect("a file");
    assert!(!written.contains("requirepass-file"), "{written}");
    server.terminate();
    server.restart();
    assert_eq!(server.connect().ask("AUTH third"), "+OK\r\n");
}

#[test]
fn a_line_that_does_not_load_is_not_quoted_in_the_log() {
    let (server, file) = with_file("maxmemory 100mb\n");
    let log = reload(&server, &file, "requirepass my secret\n");
    assert!(
        log.contains("redis.conf:1: ") && !log.contains("secret"),
        "{log}"
    );
}

#[test]
fn credentials_of_systemd_are_found_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let credentials = tempfile::tempdir().expect("a folder");
    fs::write(credentials.path().join("password"), "s3cret").expect("written");
    let path = credentials.path().to_str().expect("UTF-8");
    let environment = [("CREDENTIALS_DIRECTORY", path)];
    // The line of packaging/systemd/credentials.conf.
    let unit = include_str!("../../packaging/systemd/credentials.conf");
    assert!(unit.contains("--requirepass-file password"));
    let args = ["--requirepass-file", "password"];
    let server = Daemon::start_with_environment(&args, &environment, folder);
    assert_eq!(server.connect().ask("AUTH s3cret"), "+OK\r\n");
    let folder: TempDir = tempfile::tempdir().expect("a folder");
    let ended = run_once(
        folder.path(),
        &["--requirepass-file", "nosuch", "--port", "0"],
        b"",
    );
    assert!(
        ended.code == Some(1) && ended.err.contains("requirepass-file: can't read"),
        "{ended:?}"
    );
}

#[test]
fn the_environment_is_read_where_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.conf");
    let text = "requirepass ${RUSSET_TEST_PASSWORD}\nmaxmemory ${RUSSET_TEST_MEMORY}\n";
    fs::write(&file, text).expect("written");
    let path = file.to_str().expect("UTF-8").to_owned();
    let environment = [
        ("RUSSET_TEST_PASSWORD", "s3 cret"),
        ("RUSSET_TEST_MEMORY", "100mb"),
    ];
    let include = format!("--include {path}");
    let server = Daemon::start_with_environment(&["--env", &include], &environment, folder);
    let mut c = server.connect();
    assert_eq!(c.call(&["AUTH", "s3 cret"]), b"+OK\r\n");
    assert!(c.ask("CONFIG GET requirepass").ends_with("$0\r\n\r\n"));
    assert!(c.ask("CONFIG GET maxmemory").contains("104857600"));
    drop(server);
    let other = tempfile::tempdir().expect("a folder");
    let ended = run_once(
        other.path(),
        &["--env", "--check-config", "-"],
        text.as_bytes(),
    );
    assert!(
        ended
            .err
            .contains("input:1: the environment has no RUSSET_TEST_PASSWORD"),
        "{ended:?}"
    );
    // Without `--env` the server takes `${A}` literally.
    let ended = run_once(
        other.path(),
        &["--check-config", "-"],
        b"requirepass ${A}\n",
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// From SIGTERM on `/readyz` answers 503, and clients finish their work. The server waits for them,
/// up to the limit.
#[test]
fn a_shutdown_waits_for_clients() {
    let port = free_port_of(23_800, 150).to_string();
    let args = ["--shutdown-drain-seconds", "30", "--metrics-port", &port];
    let mut server = Daemon::start(&args);
    let get = |path: &str| {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
        let line = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(line.as_bytes()).expect("room");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let mut c = server.connect();
    assert!(get("/readyz").starts_with("HTTP/1.1 200 "));
    wait_until("the start's own check to be over", || {
        c.ask("INFO clients").contains("connected_clients:1\r\n")
    });
    server.signal(Signal::TERM);
    wait_until("it is no longer ready", || {
        get("/readyz").starts_with("HTTP/1.1 503 ")
    });
    assert!(get("/readyz").ends_with("shutting down\n"));
    assert!(get("/healthz").starts_with("HTTP/1.1 200 "));
    assert_eq!(c.ask("SET k v"), "+OK\r\n");
    server.wait_for_log("Waiting up to 30 s for 1 clients before shutting down.");
    drop(c);
    assert!(server.wait_end().success());
    // SHUTDOWN NOW does not wait, and neither does a server whose limit is over.
    let mut server = Daemon::start(&["--shutdown-drain-seconds", "30"]);
    let _idle = server.connect();
    server.connect().send(b"SHUTDOWN NOSAVE NOW\r\n");
    assert!(server.wait_end().success());
    let mut server = Daemon::start(&["--shutdown-drain-seconds", "1"]);
    let _idle = server.connect();
    server.signal(Signal::TERM);
    assert!(server.wait_end().success());
}
