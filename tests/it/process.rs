//! The daemon's process: background, pid file, sockets, signals, log.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::{
    Connection, Daemon,
    daemon::{free_side_port, russet},
    once::run_once,
    wait_until,
};

/// Only a Unix socket, with a log in the working folder.
const ON_A_SOCKET: [&str; 6] = [
    "--port",
    "0",
    "--unixsocket",
    "r.sock",
    "--logfile",
    "r.log",
];

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn sigterm_ends_it_cleanly() {
    let mut server = Daemon::start(&["--pidfile", "r.pid", "--unixsocket", "r.sock"]);
    let (pidfile, socket) = (
        server.folder().join("r.pid"),
        server.folder().join("r.sock"),
    );
    assert_eq!(text(&pidfile), format!("{}\n", server.pid()));
    assert!(server.terminate().success());
    let log = server.log();
    let mut rest = log.as_str();
    for line in [
        "Redis is starting",
        &format!("Running mode=standalone, port={}.", server.port()),
        "* Server initialized\n",
        "* Ready to accept connections tcp\n",
        "* Ready to accept connections unix\n",
        "Received SIGTERM scheduling shutdown...\n",
        "User requested shutdown...\n",
        "Redis is now ready to exit, bye bye...\n",
    ] {
        let at = rest.find(line);
        let at = at.unwrap_or_else(|| panic!("{line:?} is missing or out of order in:\n{log}"));
        rest = &rest[at..];
    }
    assert!(!pidfile.exists() && !socket.exists());
}

/// Without a configuration file the server has nothing to reload.
#[test]
fn sighup_without_a_file_changes_nothing() {
    let server = Daemon::start(&[]);
    server.signal(Signal::HUP);
    server.signal(Signal::PIPE);
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
}

#[test]
fn sigint_ends_it_with_status_zero() {
    let mut server = Daemon::start(&[]);
    server.signal(Signal::INT);
    assert_eq!(server.wait_end().code(), Some(0));
    assert!(
        server
            .log()
            .contains("Received SIGINT scheduling shutdown...")
    );
}

#[test]
fn shutdown_closes_without_a_reply() {
    let mut server = Daemon::start(&[]);
    let mut c = server.connect();
    assert_eq!(c.ask("SHUTDOWN SAVE NOSAVE"), "-ERR syntax error\r\n");
    assert_eq!(c.ask("SHUTDOWN ABORT"), "-ERR No shutdown in progress.\r\n");
    // The server does not run the rest of the pipeline.
    c.send(b"SHUTDOWN NOSAVE\r\nPING\r\n");
    assert_eq!(c.rest(), b"");
    assert!(server.wait_end().success());
}

#[test]
fn a_unix_socket_serves_with_its_mode() {
    let server = Daemon::start(&["--unixsocket", "r.sock", "--unixsocketperm", "700"]);
    let path = server.folder().join("r.sock");
    let meta = fs::metadata(&path).expect("the socket exists");
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o700);
    let mut stream = UnixStream::connect(&path).expect("it accepts");
    use std::io::{Read, Write};
    stream.write_all(b"PING\r\n").expect("it reads");
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).expect("it answers");
    assert_eq!(&reply, b"+PONG\r\n");
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    let args = ["--unixsocket", path.to_str().expect("UTF-8")];
    let server = Daemon::start(&args);
    assert!(UnixStream::connect(&path).is_ok());
    drop(server);
    assert!(!path.exists());
}

#[test]
fn a_daemon_leaves_the_terminal_and_writes_its_pid() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    let args = [
        "--port",
        "0",
        "--daemonize",
        "yes",
        "--unixsocket",
        "r.sock",
        "--pidfile",
        "r.pid",
        "--logfile",
        "r.log",
        "--dir",
        dir,
    ];
    let ended = run_once(folder.path(), &args, b"");
    assert_eq!(ended.code, Some(0));
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", ""));
    let pidfile = folder.path().join("r.pid");
    wait_until("the pid file", || text(&pidfile).ends_with('\n'));
    let pid: i32 = text(&pidfile).trim().parse().expect("a number");
    let pid = Pid::from_raw(pid).expect("a pid");
    let log = folder.path().join("r.log");
    wait_until("the log", || {
        text(&log).contains("Ready to accept connections unix")
    });
    let fd0 = fs::read_link(format!("/proc/{}/fd/0", pid.as_raw_nonzero())).expect("a link");
    assert_eq!(fd0, Path::new("/dev/null"));
    kill_process(pid, Signal::TERM).expect("it runs");
    wait_until("its end", || {
        test_kill_process(pid).is_err() || is_zombie(pid)
    });
    assert!(!pidfile.exists());
    assert!(text(&log).contains("bye bye"));
}

/// An orphan of the test stays a zombie while the reaper is slow.
fn is_zombie(pid: Pid) -> bool {
    text(Path::new(&format!("/proc/{}/stat", pid.as_raw_nonzero()))).contains(") Z ")
}

#[test]
fn a_pid_file_that_cannot_be_written_is_a_warning() {
    let server = Daemon::start(&["--pidfile", "/nonexistent/r.pid"]);
    server.wait_for_log("# Failed to write PID file /nonexistent/r.pid: No such file or directory");
}

#[test]
fn the_log_file_is_appended_to_and_may_be_moved_away() {
    let mut server = Daemon::start(&["--logfile", "r.log", "--loglevel", "verbose"]);
    let (log, old) = (
        server.folder().join("r.log"),
        server.folder().join("old.log"),
    );
    assert!(text(&log).contains("Ready to accept connections tcp"));
    assert!(
        !server.log().contains("Ready to accept"),
        "standard output stays empty"
    );
    fs::rename(&log, &old).expect("a rename");
    assert!(server.terminate().success());
    assert!(text(&log).contains("bye bye"));
    assert!(!text(&old).contains("bye bye"));
    server.restart();
    assert_eq!(
        text(&log)
            .matches("Ready to accept connections tcp")
            .count(),
        1
    );
    assert!(text(&log).contains("bye bye"), "nothing was truncated");
}

#[test]
fn the_level_decides_what_is_logged_and_changes_live() {
    let server = Daemon::start(&["--loglevel", "warning"]);
    assert!(!server.log().contains("Server initialized"));
    let mut c = server.connect();
    assert_eq!(c.ask("CONFIG SET loglevel notice"), "+OK\r\n");
    server.signal(Signal::TERM);
    server.wait_for_log("User requested shutdown...");
}

#[test]
fn json_lines_are_objects() {
    let server = Daemon::start(&["--log-format", "json", "--always-show-logo", "yes"]);
    let log = server.log();
    assert!(log.lines().count() > 3);
    for line in log.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        assert!(object["timestamp"].is_string() && object["level"].is_string());
        assert!(object["message"].is_string());
    }
}

#[test]
fn what_clients_send_does_not_forge_lines() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let forged = "a\r\n1:M 01 Jan 2026 00:00:00.000 # gone\x1b[2J\u{e9}";
    assert_eq!(c.call(&["DEBUG", "LOG", forged]), b"+OK\r\n");
    let shown = "DEBUG LOG: a\\r\\n1:M 01 Jan 2026 00:00:00.000 # gone\\x1b[2J\u{e9}\n";
    assert!(server.log().contains(shown), "{}", server.log());
}

#[test]
fn signals_that_redis_lives_through_are_lived_through() {
    let server = Daemon::start(&[]);
    for signal in [Signal::HUP, Signal::USR2, Signal::ALARM, Signal::PIPE] {
        server.signal(signal);
    }
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
}

#[test]
fn the_logo_shows_the_pid() {
    let server = Daemon::start(&["--always-show-logo", "yes"]);
    assert!(server.log().contains(&format!(" PID: {}\n", server.pid())));
}

#[test]
fn the_title_follows_its_template() {
    let server = Daemon::start(&["--proc-title-template", "TEST {title} {port}"]);
    let title = || text(Path::new(&format!("/proc/{}/cmdline", server.pid())));
    let program = russet();
    let expected = format!("TEST {} {}", program.display(), server.port());
    assert_eq!(title().trim_end_matches('\0'), expected);
    let mut c = server.connect();
    assert_eq!(c.ask("CONFIG SET proc-title-template short"), "+OK\r\n");
    assert_eq!(title().trim_end_matches('\0'), "short");
}

#[test]
fn a_low_file_limit_lowers_maxclients() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = russet();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 100 && exec \"$0\" \"$@\"")
        .arg(&program)
        .args(ON_A_SOCKET)
        .current_dir(folder.path())
        .spawn()
        .expect("a shell");
    let log = folder.path().join("r.log");
    wait_until("the log", || text(&log).contains("Ready to accept"));
    assert!(
        text(&log).contains("Current maximum open files is 100. maxclients has been reduced to 68"),
        "{}",
        text(&log)
    );
    child.kill().expect("our child");
    child.wait().expect("our child");
}

/// The crash report for a signal, and the exit status.
#[track_caller]
fn crash_by(signal: Signal, args: &[&str]) -> (String, Option<i32>) {
    use std::os::unix::process::ExitStatusExt;
    let mut server = Daemon::start(args);
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    server.signal(signal);
    let status = server.wait_end();
    (server.log(), status.signal())
}

/// The report has the crashed server's INFO, complete and recent.
#[track_caller]
fn assert_reports_info(report: &str) {
    let (_, info) = report
        .split_once("------ INFO OUTPUT ------")
        .expect("INFO");
    let (info, _) = info
        .split_once("------ STACK TRACE ------")
        .expect("a trace");
    for part in [
        "\nrun_id:",
        "\nconnected_clients:",
        "\nused_memory:",
        "\nrole:master\r",
        "\nmaster_repl_offset:0\r",
        "\n# Keyspace\r",
    ] {
        assert!(info.contains(part), "{part} is missing in:\n{info}");
    }
    let (_, age) = info.split_once("INFO as it was ").expect("its age");
    let (age, _) = age.split_once(" ms ago").expect("its age");
    let age_ms: u64 = age.parse().expect("a number");
    assert!(age_ms < 60_000, "{age_ms}");
}

/// The report has every register with sixteen digits, and the address of the instruction.
#[track_caller]
fn assert_reports_registers(report: &str) {
    let (_, registers) = report.split_once("------ REGISTERS ------").expect("they");
    let (registers, _) = registers.split_once("------").expect("an end");
    let value = |name: &str| {
        let mut all = registers
            .split_whitespace()
            .filter_map(|r| r.split_once(':'));
        let (_, digits) = all.find(|(its, _)| *its == name).expect(name);
        assert_eq!(digits.len(), 16, "{registers}");
        u64::from_str_radix(digits, 16).expect("digits")
    };
    let [count, instruction, stack] = match std::env::consts::ARCH {
        "x86_64" => [18, value("rip"), value("rsp")],
        "aarch64" => [34, value("pc"), value("sp")],
        _ => return assert!(registers.contains("not known"), "{registers}"),
    };
    assert_eq!(registers.split_whitespace().count() as u64, count);
    assert!(instruction > 4096 && stack > 4096, "{registers}");
}

#[test]
fn fatal_signals_leave_a_report() {
    for signal in [
        Signal::SEGV,
        Signal::ABORT,
        Signal::BUS,
        Signal::FPE,
        Signal::ILL,
    ] {
        let (log, ended_by) = crash_by(signal, &[]);
        assert_eq!(ended_by, Some(signal.as_raw()), "{log}");
        let start = log.find("=== REDIS BUG REPORT START");
        let end = log.find("=== REDIS BUG REPORT END");
        let report = &log[start.expect("a start")..end.expect("an end")];
        let line = format!("crashed by signal: {}", signal.as_raw());
        for part in [
            line.as_str(),
            "Killed by PID: ",
            "STACK TRACE",
            "addr=127.0.0.1:",
            "------ REGISTERS ------",
        ] {
            assert!(report.contains(part), "{part} is missing in:\n{report}");
        }
        assert_reports_info(report);
        assert_reports_registers(report);
    }
}

#[test]
fn a_panic_leaves_a_report_with_command_and_place() {
    use std::os::unix::process::ExitStatusExt;
    for (command, message) in [
        ("DEBUG PANIC", "DEBUG PANIC"),
        ("DEBUG ASSERT", "DEBUG ASSERT"),
    ] {
        let mut server = Daemon::start(&[]);
        let mut c = server.connect();
        c.send(format!("{command}\r\n").as_bytes());
        assert_eq!(c.rest(), b"");
        assert_eq!(server.wait_end().signal(), Some(Signal::ABORT.as_raw()));
        let log = server.log();
        for part in [
            "=== REDIS BUG REPORT START",
            "=== ASSERTION FAILED ===",
            "crates/commands/src/server/debug.rs:",
            message,
            "# Running command: debug",
            "# Last served client: id=",
            "=== REDIS BUG REPORT END",
        ] {
            assert!(log.contains(part), "{part} is missing in:\n{log}");
        }
        assert_eq!(log.matches("BUG REPORT START").count(), 1, "{log}");
        assert_reports_info(&log);
        assert!(!log.contains("REGISTERS"), "{log}");
    }
}

#[test]
fn a_panic_may_end_with_an_exit_status() {
    let mut server = Daemon::start(&["--use-exit-on-panic", "yes"]);
    server.connect().send(b"DEBUG PANIC\r\n");
    assert_eq!(server.wait_end().code(), Some(1));
}

#[test]
fn the_watchdog_logs_where_the_loop_stands() {
    let server = Daemon::start(&["--watchdog-period", "5", "--enable-debug-command", "yes"]);
    let mut client = server.connect();
    let period = client.value("CONFIG GET watchdog-period");
    // At least two cycles of cron, as in Redis.
    assert_eq!(period.items().expect("a pair")[1].text(), Some(&b"200"[..]));
    client.send(b"DEBUG SLEEP 1\r\n");
    server.wait_for_log("--- WATCHDOG TIMER EXPIRED ---");
    server.wait_for_log("Watchdog: the loop goes on, after ");
    let log = server.log();
    assert!(log.contains(" ms: command debug, client id="), "{log}");
    assert!(log.contains("Watchdog:  0: "), "a stack: {log}");
    assert_eq!(client.reply(), b"+OK\r\n");

    // A busy script: the crash happens in the script, or in a command that it runs.
    client.send(b"EVAL 'while true do redis.call(\"GET\", KEYS[1]) end' 1 twelve-bytes\r\n");
    let reports = || server.log().matches("WATCHDOG TIMER EXPIRED").count();
    wait_until("a report of the script", || reports() == 2);
    assert_eq!(server.connect().ask("SCRIPT KILL"), "+OK\r\n");
    client.reply();
    let log = server.log();
    let report = log.lines().rfind(|line| line.contains("EXPIRED"));
    let report = report.expect("a report");
    let named = |name| report.contains(&format!("{name}, whose first key has 12 bytes"));
    assert!(named("command eval") || named("command get"), "{report}");

    client.value("CONFIG SET watchdog-period 0");
    client.value("DEBUG SLEEP 0.5");
    assert_eq!(reports(), 2);
}

/// The texts of a reply, one after the other.
fn list(client: &mut Connection, command: &str) -> String {
    let reply = client.value(command);
    let texts = reply.items().expect("a list").iter();
    let texts = texts.map(|text| String::from_utf8_lossy(text.text().expect("text")).into_owned());
    texts.collect::<Vec<_>>().join(" ")
}

/// Runs only if the C library's tools can make a locale.
#[test]
fn sort_alpha_has_the_order_of_a_language() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("localedef")
        .args(["-i", "en_US", "-f", "UTF-8"])
        .arg(folder.path().join("en_US.UTF-8"))
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return;
    }
    let place = folder.path().to_str().expect("a path").to_owned();
    let environment = [("LOCPATH", place.as_str()), ("LC_ALL", "en_US.UTF-8")];
    let data = tempfile::tempdir().expect("a folder");
    let server = Daemon::start_with_environment(&[], &environment, data);
    let mut client = server.connect();
    client.value("RPUSH l zebra Birne apfel birne ab Apfel");
    client.value("MSET w_zebra b w_Birne B w_apfel a w_birne A w_ab x w_Apfel y");
    assert_eq!(
        list(&mut client, "SORT l ALPHA"),
        "ab apfel Apfel birne Birne zebra"
    );
    assert_eq!(
        list(&mut client, "SORT l ALPHA BY w_*"),
        "apfel birne zebra Birne ab Apfel"
    );
    assert_eq!(
        list(&mut client, "SORT l ALPHA DESC LIMIT 0 2"),
        "zebra Birne"
    );
    client.value("SORT l ALPHA STORE stored");
    assert_eq!(
        list(&mut client, "LRANGE stored 0 -1"),
        "Apfel Birne ab apfel birne zebra"
    );
    client.value("CONFIG SET locale-collate C");
    assert_eq!(
        list(&mut client, "SORT l ALPHA"),
        "Apfel Birne ab apfel birne zebra"
    );
}

#[test]
fn a_second_sigint_ends_a_busy_server_at_once() {
    let mut server = Daemon::start(&["--pidfile", "r.pid"]);
    server.connect().send(b"DEBUG SLEEP 60\r\n");
    let mut other = server.connect();
    other.send(b"PING\r\n");
    assert!(other.is_silent_for(std::time::Duration::from_millis(100)));
    server.signal(Signal::INT);
    server.wait_for_log("Received SIGINT scheduling shutdown...");
    server.signal(Signal::INT);
    assert_eq!(server.wait_end().code(), Some(1));
    assert!(server.log().contains("You insist... exiting now."));
    assert!(!server.folder().join("r.pid").exists());
}

#[test]
fn systemd_is_notified_of_start_and_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = std::os::unix::net::UnixDatagram::bind(folder.path().join("notify"));
    let socket = socket.expect("a socket");
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .expect("a timeout");
    let reported = || {
        let mut text = [0; 512];
        let n = socket.recv(&mut text).expect("a message in time");
        String::from_utf8_lossy(&text[..n]).into_owned()
    };
    let mut child = Command::new(russet())
        .args(ON_A_SOCKET)
        .args(["--supervised", "auto", "--daemonize", "yes"])
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .current_dir(folder.path())
        .spawn()
        .expect("russet starts");
    let ready = reported();
    assert!(ready.lines().any(|line| line == "READY=1"), "{ready}");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it did not daemonize");
    assert!(reported().contains("STOPPING=1"));
    assert!(child.wait().expect("our child").success());
}

#[test]
fn the_oom_score_follows_the_configuration() {
    let file = |pid: u32| text(Path::new(&format!("/proc/{pid}/oom_score_adj")));
    let number = |pid: u32| file(pid).trim().parse::<i32>().expect("a number");
    let base = number(std::process::id());
    let server = Daemon::start(&["--oom-score-adj", "yes", "--oom-score-adj-values", "7 8 9"]);
    assert_eq!(number(server.pid()), (base + 7).min(1000));
    let mut c = server.connect();
    assert_eq!(
        c.call(&["CONFIG", "SET", "oom-score-adj-values", "11 12 13"]),
        b"+OK\r\n"
    );
    assert_eq!(number(server.pid()), (base + 11).min(1000));
    c.ask("REPLICAOF 127.0.0.1 1");
    assert_eq!(number(server.pid()), (base + 12).min(1000));
    c.ask("REPLICAOF NO ONE");
    c.ask("SET k v");
    c.ask("CONFIG SET snapshot-method fork rdb-key-save-delay 60000000");
    c.ask("BGSAVE");
    let pid = server.pid();
    let children = text(Path::new(&format!("/proc/{pid}/task/{pid}/children")));
    let child = children.trim().parse().expect("one child");
    wait_until("the child's score", || {
        number(child) == (base + 13).min(1000)
    });
    // The server does not touch a value that another process has set, and restores it.
    c.ask("CONFIG SET oom-score-adj no");
    assert_eq!(number(pid), base);
    let outside = (base + 3).min(1000);
    let file = format!("/proc/{pid}/oom_score_adj");
    std::fs::write(file, outside.to_string()).expect("a higher score");
    c.call(&["CONFIG", "SET", "oom-score-adj-values", "1 2 3"]);
    assert_eq!(number(pid), outside);
    c.ask("CONFIG SET oom-score-adj yes");
    assert_eq!(number(pid), (outside + 1).min(1000));
    c.ask("CONFIG SET oom-score-adj no");
    assert_eq!(number(pid), outside);
}

#[test]
fn without_a_crash_log_the_signal_ends_it_silently() {
    let (log, ended_by) = crash_by(Signal::SEGV, &["--crash-log-enabled", "no"]);
    assert_eq!(ended_by, Some(Signal::SEGV.as_raw()));
    assert!(!log.contains("BUG REPORT"));
}

#[test]
fn the_port_can_change_under_clients() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let port = free_side_port();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    assert_eq!(
        c.ask(&format!("CONFIG SET port {port}")),
        "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on \
         this port. Check server logs.\r\n"
    );
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    drop(taken);
    assert_eq!(c.ask(&format!("CONFIG SET port {port}")), "+OK\r\n");
    wait_until("the new port", || Connection::open(port).is_ok());
    assert!(Connection::open(server.port()).is_err());
    assert_eq!(c.ask("PING"), "+PONG\r\n");
    assert_eq!(c.ask("CONFIG SET port 0"), "+OK\r\n");
    wait_until("the port to close", || Connection::open(port).is_err());
    assert_eq!(
        c.ask(&format!("CONFIG SET port {}", server.port())),
        "+OK\r\n"
    );
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
}

/// The processors that threads with this name may use, as the system lists them.
fn processors_of(pid: u32, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the threads");
    let folders = tasks.map(|task| task.expect("a thread").path());
    let wanted = folders.filter(|folder| is_wanted(text(&folder.join("comm")).trim()));
    let list = |folder: std::path::PathBuf| {
        let status = text(&folder.join("status"));
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap_or_default().trim().to_owned()
    };
    wanted.map(list).collect()
}

#[test]
fn threads_run_on_the_processors_of_their_lists() {
    let allowed = processors_of(std::process::id(), |_| true);
    let list = allowed.first().expect("a thread");
    let numbers = |part: &str| {
        part.split('-')
            .filter_map(|n| n.parse().ok())
            .collect::<Vec<u32>>()
    };
    let all: Vec<u32> = list.split(',').flat_map(numbers).collect();
    let (first, last) = (all[0].to_string(), all[all.len() - 1].to_string());
    let args = [
        "--server-cpulist",
        &first,
        "--bio-cpulist",
        &last,
        "--appendonly",
        "yes",
    ];
    let server = Daemon::start(&args);
    server.connect().ask("SET k v");
    let is_loop = |name: &str| name.starts_with("russet") || name.starts_with("redis");
    let of_loop = processors_of(server.pid(), is_loop);
    assert!(
        !of_loop.is_empty() && of_loop.iter().all(|its| *its == first),
        "{of_loop:?}"
    );
    wait_until("a helper", || {
        let helpers = processors_of(server.pid(), |name| name == "aof-fsync");
        helpers.contains(&last)
    });
}

#[test]
fn a_list_of_processors_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--port", "0", "--server-cpulist", "3-1"];
    let ended = run_once(folder.path(), &args, b"");
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
}
