//! Scripts that a Sentinel runs: arguments, inherited descriptors and signals, retries and the end.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::group::{FAST, Group, SETTINGS, Server, start_nodes};
use crate::process::{Kind, NAME, Sentinel, new_folder, read, text, wait_for_lines};
use crate::support::resp::Reply;
use crate::support::wait_until;

/// A script in its own folder.
fn script(body: &str) -> (TempDir, PathBuf) {
    let folder = new_folder();
    let path = folder.path().join("script");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("ours");
    (folder, path)
}

/// A Sentinel that runs this script at each warning; the server that it watches does not exist.
fn notifying(path: &Path) -> Sentinel {
    let path = path.display();
    let line = format!("sentinel notification-script {NAME} \"{path}\"\n{SETTINGS}");
    Sentinel::start(Kind::Russet, 1, 1, &line)
}

/// The items of PENDING-SCRIPTS, as names and values.
fn pending(sentinel: &Sentinel) -> Vec<Vec<Reply>> {
    let reply = sentinel.ask("SENTINEL PENDING-SCRIPTS");
    let jobs = reply.items().expect("a list").iter();
    jobs.map(|job| job.items().expect("names and values").to_vec())
        .collect()
}

fn field(job: &[Reply], name: &str) -> Reply {
    let at = job.iter().position(|item| text(item) == name);
    job[at.unwrap_or_else(|| panic!("no {name} in {job:?}")) + 1].clone()
}

#[test]
fn scripts_receive_warnings_and_new_addresses() {
    let reported = "printf '%s' \"$#\" >> part.$$; for word in \"$@\"; do printf '|%s' \"$word\" >> part.$$; done\n\
                echo >> part.$$; cat part.$$ >> ";
    let read_input = "; cat >> input";
    let (_notes, note) = script(&format!("{reported}notes{read_input}"));
    let (_changes, change) = script(&format!("{reported}changes{read_input}"));
    let nodes = start_nodes(&[Server::Russet; 2], &[]);
    let port = nodes[0].port();
    let lines = format!(
        "{SETTINGS}sentinel notification-script {NAME} \"{}\"\nsentinel client-reconfig-script {NAME} \"{}\"\n",
        note.display(),
        change.display()
    );
    let start = |_| Sentinel::start(Kind::Russet, port, 2, &lines);
    let mut group = Group::of((0..3).map(start).collect(), nodes);
    group.kill(0);
    let (new, _) = group.agree(&[port]);
    let to = group.nodes[new].port();
    let mut roles = Vec::new();
    for sentinel in &group.sentinels {
        let changes = wait_for_lines(&sentinel.folder().join("changes"), 1);
        assert_eq!(changes.len(), 1, "{changes:?}");
        let role = changes[0].split('|').nth(2).unwrap_or_default().to_owned();
        let wanted = format!("7|{NAME}|{role}|start|127.0.0.1|{port}|127.0.0.1|{to}");
        assert_eq!(changes[0], wanted);
        roles.push(role);
        let notes = sentinel.folder().join("notes");
        let is_reported = |note: &str| read(&notes).lines().any(|line| line == note);
        for note in [
            format!("2|+monitor|master {NAME} 127.0.0.1 {port} quorum 2"),
            format!("2|+sdown|master {NAME} 127.0.0.1 {port}"),
            format!("2|+switch-master|{NAME} 127.0.0.1 {port} 127.0.0.1 {to}"),
        ] {
            wait_until(&note, || is_reported(&note));
        }
    }
    // Each script gets a line of JSON on standard input.
    for sentinel in &group.sentinels {
        let input = sentinel.folder().join("input");
        let has = |name: &str, value: &str| {
            let text = read(&input);
            // The last event may not be complete yet.
            let mut events = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            events.any(|event: serde_json::Value| event[name] == value)
        };
        wait_until("the switch on standard input", || {
            has("event", "+switch-master") && has("kind", "reconfig")
        });
    }
    roles.sort();
    assert_eq!(roles, ["leader", "observer", "observer"]);
}

#[test]
fn a_script_inherits_nothing_from_the_sentinel() {
    let body = "ls -l /proc/self/fd > list; grep -E '^Sig(Blk|Ign)' /proc/self/status >> list; \
                mv list inherited";
    let (folder, path) = script(body);
    // The descriptors and signals that the test process itself passes on.
    let run = Command::new(&path)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .status();
    assert!(run.expect("it runs").success());
    let passed_on = inherited(&read(&folder.path().join("inherited")));
    let sentinel = notifying(&path);
    // Connections of clients are open, too.
    let _clients = [sentinel.connect(), sentinel.connect()];
    let list = sentinel.folder().join("inherited");
    wait_until("the first run", || list.exists());
    fs::remove_file(&list).expect("it is there");
    sentinel.ask(&format!("SENTINEL SET {NAME} quorum 1"));
    wait_until("another run", || list.exists());
    let found = inherited(&read(&list));
    for (name, values) in found {
        // A descriptor or signal that the tests were started with, as by nohup or cron, is not the
        // Sentinel's, which passes on none or some of it.
        let allowed = passed_on.get(&name).copied().unwrap_or_default();
        assert_eq!(values & !allowed, 0, "{name}: {values:x}, {allowed:x}");
    }
}

/// The numbers of the descriptors, and the signals that are blocked or ignored: bits by name.
fn inherited(list: &str) -> BTreeMap<String, u64> {
    /// The C library keeps the first real-time signals for itself.
    const STANDARD: u64 = (1 << 31) - 1;
    /// A shell has what it starts in the background ignore it; the Sentinel handles it.
    const INTERRUPT: u64 = 1 << 1;
    let mut found = BTreeMap::new();
    for line in list.lines() {
        if let Some((head, _)) = line.split_once(" -> ") {
            let number = head.rsplit(' ').next().and_then(|word| word.parse().ok());
            let number: u32 = number.expect("a descriptor");
            *found.entry("descriptors".to_owned()).or_default() |= 1_u64 << number.min(63);
        } else if let Some((name, mask)) = line.split_once(":\t") {
            let mask = u64::from_str_radix(mask, 16).expect("a mask");
            found.insert(name.to_owned(), mask & STANDARD & !INTERRUPT);
        }
    }
    assert_eq!(found.len(), 3, "{list}");
    found
}

#[test]
fn a_script_that_fails_is_tried_again() {
    let (_folder, path) =
        script("echo \"$1\" >> runs; [ \"$1\" != +set ] || [ $(grep -c +set runs) -ge 3 ]");
    let sentinel = notifying(&path);
    sentinel.ask("SENTINEL DEBUG script-retry-delay 600");
    let runs = sentinel.folder().join("runs");
    let count = || read(&runs).lines().filter(|line| *line == "+set").count();
    sentinel.ask(&format!("SENTINEL SET {NAME} quorum 1"));
    let is_retry = |job: &Vec<Reply>| {
        text(&field(job, "flags")) == "scheduled" && text(&field(job, "retry-num")) != "0"
    };
    wait_until("the retry to be queued", || {
        pending(&sentinel).iter().any(is_retry)
    });
    let jobs = pending(&sentinel);
    let job = jobs.iter().find(|job| is_retry(job));
    // A slow machine may already be past this state.
    if let Some(job) = job {
        let argv: Vec<String> = field(job, "argv")
            .items()
            .expect("words")
            .iter()
            .map(text)
            .collect();
        let what = format!("master {NAME} 127.0.0.1 1 quorum 1");
        assert_eq!(argv, [path.display().to_string(), "+set".to_owned(), what]);
        assert_eq!(text(&field(job, "pid")), "0");
        assert!(
            ["1", "2"].contains(&text(&field(job, "retry-num")).as_str()),
            "{job:?}"
        );
    }
    wait_until("three runs", || count() == 3);
    wait_until("an empty queue", || pending(&sentinel).is_empty());
    assert_eq!(count(), 3, "the third was a success");
    assert!(!sentinel.log().contains("-script-error"));
}

#[test]
fn a_script_that_runs_too_long_is_killed() {
    let (_folder, path) = script("[ \"$1\" != +set ] || exec sleep 1000");
    let sentinel = notifying(&path);
    let mut events = sentinel.events();
    sentinel.ask(&format!("SENTINEL SET {NAME} quorum 1"));
    let runs = |job: &Vec<Reply>| {
        let argv = field(job, "argv");
        let words = argv.items().expect("words");
        text(&words[1]) == "+set" && text(&field(job, "flags")) == "running"
    };
    wait_until("it to run", || pending(&sentinel).iter().any(runs));
    let job = pending(&sentinel)
        .into_iter()
        .find(runs)
        .expect("it runs for long");
    let pid = text(&field(&job, "pid"));
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(text(&field(&job, "retry-num")), "1");
    let figure = |name: &str| {
        let info = text(&sentinel.ask("INFO sentinel"));
        let lines = info
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(str::to_owned).next().expect("such a figure")
    };
    assert_eq!(figure("sentinel_running_scripts"), "1");
    sentinel.ask("SENTINEL DEBUG script-retry-delay 1000000 script-max-runtime 300");
    let event = events.wait("-script-timeout");
    assert_eq!(event, format!("-script-timeout {} {pid}", path.display()));
    wait_until("its end", || !Path::new(&format!("/proc/{pid}")).exists());
    // The Sentinel tries a killed script again later.
    wait_until("the retry to be queued", || {
        let jobs = pending(&sentinel);
        jobs.len() == 1 && text(&field(&jobs[0], "flags")) == "scheduled"
    });
    assert_eq!(figure("sentinel_running_scripts"), "0");
    assert_eq!(figure("sentinel_scripts_queue_length"), "1");
}

#[test]
fn scripts_cannot_be_set_at_run_time_unless_the_file_allows_it() {
    let (_folder, path) = script("exit 0");
    let path = path.display().to_string();
    let words = ["SENTINEL", "SET", NAME, "notification-script", &path];
    let sentinel = Sentinel::start(Kind::Russet, 1, 1, "");
    let refused = sentinel
        .try_ask(&words)
        .expect_err("it is denied by default");
    assert!(refused.contains("deny-scripts-reconfig"), "{refused}");
    let sentinel = Sentinel::start(Kind::Russet, 1, 1, "sentinel deny-scripts-reconfig no\n");
    sentinel.ask(FAST);
    let set = sentinel.try_ask(&words).expect("it is allowed");
    assert_eq!(text(&set), "OK");
    let line = format!("sentinel notification-script {NAME} ");
    assert!(sentinel.file().contains(&line), "{}", sentinel.file());
}
