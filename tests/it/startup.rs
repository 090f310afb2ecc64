//! How a server starts, and how it refuses a start.

use std::path::Path;
use std::{fs, net::TcpListener, os::unix::fs::symlink};

use crate::support::{
    Daemon,
    daemon::{free_port_of, russet},
    once::{ProcessOutput, run_once, run_program},
};

/// A start with this configuration file, which the server must refuse.
#[track_caller]
fn refused(config: &[u8]) -> ProcessOutput {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("redis.conf"), config).expect("a file");
    let ended = run_once(folder.path(), &["redis.conf"], b"");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended
}

#[test]
fn a_bad_line_is_reported_with_its_number_and_reason() {
    let ended = refused(b"# a comment\nport 0\nmaxmemory lots\n");
    assert_eq!(
        ended.err,
        "\n*** FATAL CONFIG FILE ERROR (russet 0.1.0, Redis 8.10.2) ***\n\
         Reading the configuration file, at line 3\n\
         >>> 'maxmemory lots'\nargument must be a memory value\n\
         a size is a number of bytes, or has kb, mb or gb after it\n"
    );
    // No message shows a password.
    let ended = refused(b"requirepass secret twice\n");
    assert!(ended.err.contains(">>> 'requirepass ...'"), "{ended:?}");
    assert!(!ended.err.contains("secret"), "{ended:?}");
    let ended = refused(b"nonsense 1\n");
    assert!(
        ended
            .err
            .contains("Bad directive or wrong number of arguments"),
        "{ended:?}"
    );
}

#[test]
fn a_nul_byte_in_the_file_is_refused() {
    let ended = refused(b"port 0\nlogfile a\0b\n");
    assert!(ended.err.contains("at line 2"), "{ended:?}");
    assert!(ended.err.contains("NUL byte"), "{ended:?}");
}

#[test]
fn files_that_are_not_there_are_named() {
    let ended = refused(b"include missing.conf\n");
    let reported = "Fatal error, can't open config file 'missing.conf': No such file or directory";
    assert!(ended.out.contains(reported), "{ended:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run_once(folder.path(), &["absent.conf"], b"");
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.out.contains("absent.conf': No such file"),
        "{ended:?}"
    );
}

#[test]
fn a_log_file_that_cannot_be_opened_stops_the_start() {
    let ended = refused(b"logfile /nonexistent/russet.log\n");
    assert!(
        ended
            .err
            .contains("Can't open the log file: No such file or directory"),
        "{ended:?}"
    );
}

#[test]
fn of_a_directive_given_twice_the_last_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("more.conf"), "hz 30\n").expect("a file");
    let file = folder.path().join("redis.conf");
    fs::write(&file, "hz 20\nhz 25\ninclude more.conf\nmaxclients 77\n").expect("a file");
    let path = file.to_str().expect("UTF-8").to_owned();
    let server = Daemon::start_with_file(&path, &["--maxclients", "78"], folder);
    let mut c = server.connect();
    assert_eq!(c.ask("CONFIG GET hz"), "*2\r\n$2\r\nhz\r\n$2\r\n30\r\n");
    let clients = c.ask("CONFIG GET maxclients");
    assert_eq!(clients, "*2\r\n$10\r\nmaxclients\r\n$2\r\n78\r\n");
}

/// Regression: the server refused the second name.
#[test]
fn a_name_may_have_the_hash_of_another() {
    // Two names with the same length and the same first and last eight bytes.
    let (get, set) = ("aaaaaaaa1bbbbbbbb", "aaaaaaaa2bbbbbbbb");
    let server = Daemon::start(&[
        "--rename-command",
        "get",
        get,
        "--rename-command",
        "set",
        set,
    ]);
    let mut c = server.connect();
    assert_eq!(c.ask(&format!("{set} k v")), "+OK\r\n");
    assert_eq!(c.ask(&format!("{get} k")), "$1\r\nv\r\n");
    assert!(c.ask("GET k").starts_with("-ERR unknown command"));
}

#[test]
fn a_check_prints_every_problem_and_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.conf");
    fs::write(&file, "port x\nhz \"1\nfoo\n").expect("a file");
    let ended = run_once(folder.path(), &["--check-config", "redis.conf"], b"");
    assert_eq!(ended.code, Some(1));
    for line in [
        "redis.conf:1: ",
        "redis.conf:2: ",
        "redis.conf:3: ",
        "3 problems",
    ] {
        assert!(ended.err.contains(line), "{line}: {ended:?}");
    }
    let renames =
        "rename-command nosuch x\nrename-command get set\nhz x\nrename-command get fetch\n";
    let ended = run_once(folder.path(), &["--check-config", "-"], renames.as_bytes());
    assert_eq!(ended.code, Some(1));
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines.len(), 4, "{ended:?}");
    assert!(
        lines[0].contains("input:1: No such command in rename-command"),
        "{ended:?}"
    );
    assert!(
        lines[1].contains("input:2: Target command name already exists"),
        "{ended:?}"
    );
    assert!(lines[2].contains("input:3: "), "{ended:?}");
    assert_eq!(lines[3], "3 problems");
    let typo = run_once(folder.path(), &["--check-config", "-"], b"maxmemroy 1gb\n");
    assert!(typo.err.contains("(did you mean 'maxmemory'?)"), "{typo:?}");
    let typo = run_once(folder.path(), &["doctr"], b"");
    assert!(
        typo.out.contains("did you mean 'russet doctor'?"),
        "{typo:?}"
    );
    let start = run_once(folder.path(), &["start"], b"");
    assert!(
        start.out.contains("starts without such a word"),
        "{start:?}"
    );
    let ended = run_once(folder.path(), &["--check-config", "-"], b"port 7777\n");
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "configuration OK\n")
    );
    let ended = run_once(folder.path(), &["--check-config", "-"], b"maxmemory 1gb\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.out.contains("note: maxmemory is set without"),
        "{ended:?}"
    );
}

#[test]
fn version_and_help_are_printed_under_any_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("redis-server");
    symlink(russet(), &link).expect("a link");
    let ended = run_program(&link, folder.path(), &["--version"], b"");
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.starts_with("Redis server v=8."), "{ended:?}");
    let ended = run_program(&link, folder.path(), &["--help"], b"");
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("--check-config"), "{ended:?}");
}

#[test]
fn settings_come_from_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run_once(folder.path(), &["-"], b"port 0\nhz fast\n");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(">>> 'hz fast'"), "{ended:?}");
    // The server has read the file: it stops only because it listens nowhere.
    let ended = run_once(folder.path(), &["-"], b"port 0\nhz 20\n");
    assert_eq!(ended.code, Some(1));
    let reported = "Configured to not listen anywhere, exiting.";
    assert!(ended.out.contains(reported), "{ended:?}");
}

#[test]
fn a_port_in_use_is_reported_in_two_lines() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let pidfile = folder.path().join("r.pid");
    let pid = pidfile.to_str().expect("UTF-8");
    let args = ["--bind", "127.0.0.1", "--port", &port, "--pidfile", pid];
    let ended = run_once(folder.path(), &args, b"");
    assert_eq!(ended.code, Some(1));
    let first = format!(
        "# Warning: Could not create server TCP listening socket 127.0.0.1:{port}: bind: \
         Address already in use by it-"
    );
    let second = format!("# Failed listening on port {port} (tcp), aborting.\n");
    assert!(ended.out.contains(&first), "{ended:?}");
    assert!(ended.out.ends_with(&second), "{ended:?}");
    assert!(
        !pidfile.exists(),
        "the pid file belongs to who holds the port"
    );
}

#[test]
fn an_address_marked_optional_may_be_missing() {
    // 192.0.2.0/24 is reserved for documentation.
    let server = Daemon::start(&["--bind", "127.0.0.1", "-192.0.2.1"]);
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run_once(
        folder.path(),
        &["--bind", "192.0.2.1", "--port", "22999"],
        b"",
    );
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.out.contains("Cannot assign requested address"),
        "{ended:?}"
    );
}

#[test]
fn renamed_commands_answer_to_their_new_names_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.conf");
    fs::write(
        &file,
        "rename-command STRLEN len\nrename-command ECHO \"\"\n",
    )
    .expect("a file");
    let path = file.to_str().expect("UTF-8").to_owned();
    let server = Daemon::start_with_file(&path, &[], folder);
    let mut c = server.connect();
    assert_eq!(c.ask("LEN a"), ":0\r\n");
    assert!(
        c.ask("STRLEN a")
            .starts_with("-ERR unknown command 'STRLEN'")
    );
    assert!(c.ask("ECHO a").starts_with("-ERR unknown command 'ECHO'"));
    let ended = refused(b"port 0\nrename-command nosuch other\n");
    assert!(
        ended.err.contains("at line 2") && ended.err.contains("No such command in rename-command"),
        "{ended:?}"
    );
}

/// Two servers that write the same files lose each other's data, so the second server does not
/// start.
#[test]
fn files_that_another_server_writes_are_refused() {
    let mut first = Daemon::start(&["--appendonly", "yes", "--save", "900 1"]);
    let port = free_port_of(22_000, 1_000).to_string();
    let folder = first.folder().to_owned();
    for args in [&["--appendonly", "yes"][..], &["--save", "900 1"]] {
        let args = [&["--port", &port][..], args].concat();
        let ended = run_once(&folder, &args, b"");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let reported = format!("is written by another server, process {}", first.pid());
        assert!(ended.out.contains(&reported), "{ended:?}");
        let named = folder.to_str().expect("UTF-8");
        assert!(ended.out.contains(named), "{ended:?}");
    }

    // The second server starts with other file names, without files, or if the operator allows it.
    let second = Daemon::start(&["--save", "", "--enable-protected-configs", "yes"]);
    let mut c = second.connect();
    let dir = format!("CONFIG SET dir {}", folder.display());
    assert_eq!(c.ask(&dir), "+OK\r\n");
    let refused = c.ask("CONFIG SET appendonly yes");
    assert!(
        refused.contains("is written by another server"),
        "{refused}"
    );
    assert_eq!(
        c.ask("CONFIG GET appendonly"),
        "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"
    );
    assert_eq!(c.ask("CONFIG SET dbfilename other.rdb"), "+OK\r\n");
    assert_eq!(c.ask("CONFIG SET dir-lock no"), "+OK\r\n");

    // The lock ends with the server's process, however the process ends.
    first.kill();
    assert!(folder.join(".appendonlydir.appendonly.aof.lock").exists());
    first.restart();
    assert!(first.terminate().success());
    assert!(!folder.join(".appendonlydir.appendonly.aof.lock").exists());
}

/// Regression: the server refused its own renamed folder as a folder of another server.
#[test]
fn a_server_follows_its_renamed_folder() {
    let mut server = Daemon::start(&["--save", "900 1", "--enable-protected-configs", "yes"]);
    let folder = server.folder().to_owned();
    let [before, after] = ["before", "after"].map(|name| folder.join(name));
    std::fs::create_dir(&before).expect("a folder");
    let mut c = server.connect();
    let to = |folder: &Path| format!("CONFIG SET dir {}", folder.display());
    assert_eq!(c.ask(&to(&before)), "+OK\r\n");
    std::fs::rename(&before, &after).expect("renamed");
    assert_eq!(c.ask(&to(&after)), "+OK\r\n");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    assert!(after.join("dump.rdb").exists());
    // The lock still keeps other servers out.
    let port = free_port_of(22_000, 1_000).to_string();
    let ended = run_once(&after, &["--port", &port, "--save", "900 1"], b"");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.out.contains("is written by another server"),
        "{ended:?}"
    );
    assert!(server.terminate().success());
    assert!(!after.join(".dump.rdb.lock").exists());
}

/// Regression: the start logged directives without effect, and `--check-config` reported OK.
#[test]
fn a_check_names_what_has_no_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let config =
        b"crash-memcheck-enabled no\nport 7777\ndisable-thp no\nreplicaof 127.0.0.1 1\nhash-seed x\n\
                   min-replicas-to-write 1\n";
    let ended = run_once(folder.path(), &["--check-config", "-"], config);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (
            Some(0),
            "standard input:1: note: 'crash-memcheck-enabled' has no effect: russet has no use for it\n\
             standard input:3: note: 'disable-thp' has no effect: russet has no use for it\n\
             standard input:5: note: 'hash-seed' has no effect: russet has no use for it\n\
             configuration OK\n"
        )
    );
    // A directive that decides who owns the data has its effect, or makes the start fail.
    let ended = run_once(
        folder.path(),
        &["--check-config", "-"],
        b"loadmodule /x.so\n",
    );
    assert!(
        ended.code == Some(1) && ended.err.contains("loads no modules"),
        "{ended:?}"
    );
}

/// Regression: `--check-config` accepted paths that the start could not open.
#[test]
fn a_check_opens_what_the_start_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    for (config, wanted) in [
        (
            "dir /nosuch/folder\n",
            "standard input:1: No such file or directory: 'dir /nosuch/folder'",
        ),
        (
            "logfile /nosuch/x.log\n",
            "standard input:1: can't open '/nosuch/x.log': No such file",
        ),
        (
            "unixsocket /nosuch/s\n",
            "standard input:1: '/nosuch' cannot be written to: No such file",
        ),
        ("aclfile /nosuch/users\n", "/nosuch/users"),
        ("tls-port 1\n", "TLS: No tls-cert-file configured!"),
        (
            "tls-port 1\ntls-auth-clients no\ntls-cert-file /nosuch/c\ntls-key-file /nosuch/k\n",
            "standard input:3: Failed to load certificate: /nosuch/c: No such file",
        ),
        (
            "include nosuch.conf\n",
            "standard input:1: can't open config file 'nosuch.conf'",
        ),
    ] {
        let ended = run_once(folder.path(), &["--check-config", "-"], config.as_bytes());
        assert_eq!(ended.code, Some(1), "{config}{ended:?}");
        assert!(ended.err.contains(wanted), "{config}{ended:?}");
    }
    // An error in an included file names that file and its line.
    fs::write(folder.path().join("part.conf"), "hz 10\nfoo bar\n").expect("a file");
    let ended = run_once(
        folder.path(),
        &["--check-config", "-"],
        b"\n\ninclude part.conf\n",
    );
    assert!(ended.err.starts_with("part.conf:2: "), "{ended:?}");
    // A check leaves no file.
    let log = folder.path().join("new.log");
    let line = format!("logfile {}\n", log.display());
    let ended = run_once(folder.path(), &["--check-config", "-"], line.as_bytes());
    assert!(ended.code == Some(0) && !log.exists(), "{ended:?}");
}

/// One check names every file of TLS that is missing, with its line, and explains a `~`.
#[test]
fn a_check_names_each_file_of_tls_and_a_home_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = b"tls-port 1\ntls-cert-file /nosuch/c\ntls-key-file /nosuch/k\n\
        tls-client-cert-file /nosuch/d\ntls-client-key-file /nosuch/l\n\
        tls-ca-cert-file /nosuch/a\ntls-ca-cert-dir /nosuch/e\nlogfile ~/x.log\n\
        aclfile ~/users\n";
    let ended = run_once(folder.path(), &["--check-config", "-"], config);
    let why = "No such file or directory";
    let home = "('~' is the home folder for a shell only: write the whole path)";
    let authorities = "Failed to configure CA certificate(s) file/directory";
    for wanted in [
        format!("input:2: Failed to load certificate: /nosuch/c: {why}: 'tls-cert-file"),
        format!("input:3: Failed to load private key: /nosuch/k: {why}: 'tls-key-file"),
        format!("input:4: Failed to load certificate: /nosuch/d: {why}: 'tls-client-cert"),
        format!("input:5: Failed to load private key: /nosuch/l: {why}: 'tls-client-key"),
        format!("input:6: {authorities}: /nosuch/a: {why}: 'tls-ca-cert-file"),
        format!("input:7: {authorities}: /nosuch/e: {why}: 'tls-ca-cert-dir"),
        format!("input:8: can't open '~/x.log': {why}: 'logfile ~/x.log' {home}"),
        format!("opening file '~/users': {why}: 'aclfile ~/users' {home}"),
        "8 problems".to_owned(),
    ] {
        assert!(ended.err.contains(&wanted), "{wanted}\n{}", ended.err);
    }
    // What is no file's fault is named beside the files.
    let config = b"tls-port 1\ntls-cert-file /nosuch/c\n";
    let ended = run_once(folder.path(), &["--check-config", "-"], config);
    let both = [
        "input:2: Failed to load",
        "TLS: No tls-key-file configured!",
    ];
    assert!(
        both.iter().all(|it| ended.err.contains(it)),
        "{}",
        ended.err
    );
    let ended = run_once(folder.path(), &["--check-config", "~/x.conf"], b"");
    assert!(ended.err.contains(home), "{}", ended.err);
}

/// Regression: `--check-config` accepted each of these files, and the start refused it.
#[test]
fn a_check_refuses_what_the_start_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("file", "no socket"),
        ("users", "user b on nopass\n"),
        ("garbage.conf", "garbage\n"),
    ] {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let port = free_port_of(30_100, 400);
    let long = format!("unixsocket /{:0120}\n", 1);
    let metrics = format!("metrics-port {port}\n");
    for (lines, wanted) in [
        ("port 0\n", "Configured to not listen anywhere"),
        // 192.0.2.0/24 is reserved for documentation.
        (
            "bind 127.0.0.1 192.0.2.1\n",
            "redis.conf:4: can't listen on '192.0.2.1': Cannot assign",
        ),
        (
            "bind no:such:host\n",
            "redis.conf:4: can't listen on 'no:such:host'",
        ),
        ("bind 127.0.0.1 *\n", "redis.conf:2: port has 0.0.0.0:"),
        (&metrics, "redis.conf:4: port has 127.0.0.1:"),
        (
            "metrics-port 1\nmetrics-bind 192.0.2.1\n",
            "redis.conf:5: can't listen on '192.0.2.1'",
        ),
        (
            "unixsocket file\n",
            "redis.conf:4: 'file' is there, and is no socket",
        ),
        (&long, "redis.conf:4: unix socket path too long"),
        (
            "unixsocket s\nunixsocketgroup nosuchgroup\n",
            "redis.conf:5: there is no group nosuchgroup",
        ),
        (
            "user a on nopass\naclfile users\n",
            "redis.conf:4: users and roles stand in the configuration or in the aclfile",
        ),
        (
            "appendonly yes\nappenddirname file\n",
            "redis.conf:5: 'file' is no folder",
        ),
        (
            "cluster-enabled yes\ncluster-config-file garbage.conf\n",
            "corrupted cluster config file garbage.conf: line 1",
        ),
        (
            "cluster-enabled yes\ncluster-config-file nosuch/nodes.conf\n",
            "nosuch/nodes.conf to acquire a lock: No such file",
        ),
    ] {
        let config = format!("bind 127.0.0.1\nport {port}\nsave ''\n{lines}");
        fs::write(folder.path().join("redis.conf"), config).expect("a file");
        let start = run_once(folder.path(), &["redis.conf"], b"");
        assert_eq!(start.code, Some(1), "{lines}{start:?}");
        let check = run_once(folder.path(), &["--check-config", "redis.conf"], b"");
        assert_eq!(check.code, Some(1), "{lines}{check:?}");
        assert!(check.err.contains(wanted), "{lines}{check:?}");
    }
    // A check accepts an optional address that is missing, and the port of a running server.
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("a port");
    let fine = format!("bind 127.0.0.1 -192.0.2.1\nport {port}\n");
    let check = run_once(folder.path(), &["--check-config", "-"], fine.as_bytes());
    assert_eq!(check.code, Some(0), "{check:?}");
    drop(taken);
}

/// Regression: after an error in the file of `requirepass` the check did not read the file of
/// `masterauth`, and printed a line of 3 MB, or with terminal commands, unchanged.
#[test]
fn a_check_names_every_secret_and_shows_lines_cut_and_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let both = b"requirepass-file nosuch1\nmasterauth-file nosuch2\n";
    let check = run_once(folder.path(), &["--check-config", "-"], both);
    assert!(
        check.err.contains("nosuch1") && check.err.contains("nosuch2"),
        "{check:?}"
    );
    let line = format!("\u{1b}[31mfoo{}\n", "x".repeat(3000));
    for words in [&["--check-config", "-"][..], &["-"]] {
        let ended = run_once(folder.path(), words, line.as_bytes());
        let said = ended.err + &ended.out;
        assert!(said.contains("'\\u{1b}[31mfoo"), "{said}");
        assert!(!said.contains('\u{1b}') && said.len() < 1000, "{said}");
    }
}

/// A failing start prints the reason to its terminal, also with a log file.
#[test]
fn the_reason_of_a_failed_start_is_on_standard_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let args = ["--port", &port, "--bind", "127.0.0.1", "--logfile", "x.log"];
    let ended = run_once(folder.path(), &args, b"");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("Address already in use"), "{ended:?}");
    let log = fs::read_to_string(folder.path().join("x.log")).expect("a log");
    assert!(log.contains("Address already in use"), "{log}");
}

/// At each start the log says once which clients get in without a password.
#[test]
fn a_start_without_a_password_logs_which_clients_get_in() {
    let line = "No password is set";
    for (args, wanted) in [
        (&["--bind", "127.0.0.1"][..], None),
        (&["--bind", "*", "--requirepass", "x"], None),
        (
            &["--bind", "*"],
            Some("are refused (protected-mode). To let them in, set requirepass"),
        ),
        (
            &["--bind", "*", "--protected-mode", "no"],
            Some("and take over the server. Set requirepass"),
        ),
        (
            &[
                "--bind",
                "*",
                "--protected-mode",
                "no",
                "--remote-admin-without-auth",
                "no",
            ],
            Some("Administration is refused from other machines"),
        ),
    ] {
        let server = Daemon::start(args);
        server.wait_for_log("Ready to accept connections");
        let log = server.log();
        let said: Vec<&str> = log.lines().filter(|l| l.contains(line)).collect();
        assert_eq!(said.len(), usize::from(wanted.is_some()), "{args:?} {log}");
        assert!(
            said.iter().all(|l| l.contains(wanted.unwrap_or(""))),
            "{log}"
        );
    }
}
