//! The file of a Sentinel: saved lines survive kill -9, a failing save makes the start fail, and
//! the Sentinel keeps the operator's lines.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, geteuid};

use crate::group::{FAST, Group, SETTINGS, Server};
use crate::process::{Kind, Sentinel, file_in, free_port, new_folder, text};
use crate::support::daemon::russet;
use crate::support::once::run_once;
use crate::support::random::Random;
use crate::support::wait_until;

/// The number of crashes of each group, unless `RUSSET_CRASHES` sets it; groups run side by side.
const CRASHES: usize = 11;
/// Longest time from the primary's silence to the crash.
const LATEST_MS: usize = 2500;

#[test]
fn no_crash_takes_back_an_epoch_or_a_vote() {
    thread::scope(|scope| {
        for seed in 1..=2 {
            scope.spawn(move || crashes_during_failovers(seed));
        }
    });
}

/// The epochs in a file; a missing epoch is 0.
fn epochs(file: &str) -> BTreeMap<&'static str, u64> {
    let value = |name: &str| {
        let lines = file
            .lines()
            .filter_map(|line| line.strip_prefix("sentinel "));
        let mut lines = lines.filter(|line| line.starts_with(name));
        let number = lines.next().and_then(|line| line.split_whitespace().last());
        number.map_or(0, |number| number.parse().expect("a number"))
    };
    let names = ["current-epoch", "leader-epoch", "config-epoch"];
    names.map(|name| (name, value(name))).into()
}

fn crashes_during_failovers(seed: u64) {
    let mut group = Group::start(&[Kind::Russet; 3], &[Server::Russet; 3]);
    let mut random = Random::new(seed);
    let mut saved: Vec<_> = group
        .sentinels
        .iter()
        .map(|one| epochs(&one.file()))
        .collect();
    let my_ids: Vec<String> = group.sentinels.iter().map(my_id).collect();
    let crashes = std::env::var("RUSSET_CRASHES").ok();
    let crashes = crashes.and_then(|n| n.parse().ok()).unwrap_or(CRASHES);
    for crash in 0..crashes {
        let mut ports = group.sentinels.iter().filter_map(Sentinel::primary_port);
        let primary = ports.next().expect("one of them answers");
        drop(ports);
        let silent = group.node_at(primary);
        group.nodes[silent].signal(Signal::STOP);
        thread::sleep(Duration::from_millis(random.below(LATEST_MS) as u64));
        let victim = random.below(3);
        group.sentinels[victim].kill();
        let file = group.sentinels[victim].file();
        let now = epochs(&file);
        for (name, earlier) in &saved[victim] {
            assert!(
                now[name] >= *earlier,
                "seed {seed}, crash {crash}: {name} in\n{file}"
            );
        }
        assert!(
            now["current-epoch"] >= now["leader-epoch"].max(now["config-epoch"]),
            "{file}"
        );
        saved[victim] = now;
        group.sentinels[victim].restart();
        group.sentinels[victim].ask(FAST);
        assert_eq!(
            my_id(&group.sentinels[victim]),
            my_ids[victim],
            "its id is kept"
        );
        group.nodes[silent].signal(Signal::CONT);
    }
    let (_, epoch) = group.agree(&[]);
    let winners = group.check_votes();
    assert!(
        winners.len() >= 2 && epoch >= 2,
        "hardly a failover: {winners:?}"
    );
    for (sentinel, saved) in group.sentinels.iter().zip(&saved) {
        let now = epochs(&sentinel.file());
        assert!(
            saved.iter().all(|(name, earlier)| now[name] >= *earlier),
            "{now:?} {saved:?}"
        );
        assert_eq!(now["config-epoch"], epoch);
        // The file has the votes that the log reports.
        let log = sentinel.log();
        let votes = log
            .lines()
            .filter(|line| line.contains("+vote-for-leader "));
        let last = votes
            .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
            .max();
        assert!(now["leader-epoch"] >= last.unwrap_or(0), "{now:?} {last:?}");
    }
}

fn my_id(sentinel: &Sentinel) -> String {
    text(&sentinel.ask("SENTINEL MYID"))
}

/// Runs russet without the privileges of root, because root may write anywhere. Returns its status
/// and output.
fn run_unprivileged(program: &Path, folder: &Path, file: &str) -> (Option<i32>, String) {
    const USER: u32 = 65_534;
    let mut command = Command::new(program);
    command
        .args(["--sentinel", file])
        .current_dir(folder)
        .stdin(Stdio::null());
    if geteuid().is_root() {
        command.uid(USER).gid(USER);
    }
    let ended = command.output().expect("russet starts");
    let text = [ended.stdout, ended.stderr].concat();
    (
        ended.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A folder that any user may use, with a valid file.
fn any_users_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = new_folder();
    let file = file_in(folder.path());
    let dir = folder.path().display();
    let lines = format!("port {}\nbind 127.0.0.1\ndir \"{dir}\"\n", free_port());
    fs::write(&file, format!("{lines}sentinel monitor m 127.0.0.1 1 1\n")).expect("a file");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("ours");
    (folder, file)
}

#[test]
fn a_file_that_cannot_be_written_stops_the_start() {
    // A user without privileges may not be able to read the build's folder.
    let programs = new_folder();
    fs::set_permissions(programs.path(), Permissions::from_mode(0o755)).expect("ours");
    let program = programs.path().join("russet");
    fs::copy(russet(), &program).expect("a copy");

    let (folder, _) = any_users_folder();
    let ended = run_once(folder.path(), &["--sentinel"], b"");
    let text = format!("{}{}", ended.out, ended.err);
    assert_eq!(ended.code, Some(1), "{text}");
    assert!(
        text.contains("Sentinel needs config file on disk"),
        "{text}"
    );

    let (status, text) = run_unprivileged(&program, folder.path(), "missing.conf");
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("missing.conf") && text.contains("No such file"),
        "{text}"
    );

    let (folder, file) = any_users_folder();
    fs::set_permissions(&file, Permissions::from_mode(0o444)).expect("ours");
    let (status, text) = run_unprivileged(&program, folder.path(), "sentinel.conf");
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("is not writable: Permission denied"),
        "{text}"
    );

    // The user may write the file, but no new file beside it.
    let (folder, file) = any_users_folder();
    let before = fs::read(&file).expect("it is there");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).expect("ours");
    let (status, text) = run_unprivileged(&program, folder.path(), "sentinel.conf");
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("not able to save") && text.contains("Permission denied"),
        "{text}"
    );
    assert_eq!(fs::read(&file).expect("it is there"), before);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("ours");
}

#[test]
fn the_file_keeps_what_the_operator_has_written() {
    let lines = "# The primary of the shop.\nsentinel monitor m 127.0.0.1 1 2\n\n\
                 # Three seconds.\nsentinel down-after-milliseconds m 3000\nloglevel notice\n\
                 # The last words.\n";
    let mut sentinel = Sentinel::start_from(Kind::Russet, lines, None);
    sentinel.ask("SENTINEL SET m quorum 3");
    sentinel.ask("SENTINEL FLUSHCONFIG");
    let saved = sentinel.file();
    let wanted = lines.replace("127.0.0.1 1 2", "127.0.0.1 1 3");
    assert!(saved.contains(&wanted), "{saved}");
    assert!(
        saved.starts_with(&format!("port {}\n", sentinel.port())),
        "{saved}"
    );
    // A start does not change the file.
    sentinel.restart();
    assert_eq!(sentinel.file(), saved);
}

#[test]
fn wrong_lines_are_named() {
    let folder = new_folder();
    let cases = [
        (
            "sentinel monitor x 127.0.0.1 1 0",
            "Quorum must be 1 or greater.",
        ),
        (
            "sentinel down-after-milliseconds nope 1",
            "No such master with specified name.",
        ),
        (
            "sentinel frobnicate",
            "Unrecognized sentinel configuration statement.",
        ),
        (
            "sentinel notification-script m /nonexistent",
            "non existing or non executable.",
        ),
        ("port many", "port"),
    ];
    for (line, why) in cases {
        let text = format!("port 0\nsentinel monitor m 127.0.0.1 1 1\n{line}\n");
        fs::write(file_in(folder.path()), text).expect("a file");
        for args in [
            &["--check-config", "--sentinel", "sentinel.conf"][..],
            &["--sentinel", "sentinel.conf"],
        ] {
            let ended = run_once(folder.path(), args, b"");
            let text = format!("{}{}", ended.out, ended.err);
            assert_eq!(ended.code, Some(1), "{line}: {text}");
            assert!(text.contains(line) && text.contains(why), "{line}: {text}");
            assert!(text.contains('3'), "the number of the line: {text}");
        }
    }
    let text = "port 26379\nsentinel monitor m 127.0.0.1 1 1\n";
    fs::write(file_in(folder.path()), text).expect("a file");
    let args = ["--check-config", "--sentinel", "sentinel.conf"];
    let ended = run_once(folder.path(), &args, b"");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        fs::read_to_string(file_in(folder.path())).expect("it is there"),
        text
    );
}

#[test]
fn the_name_of_the_program_makes_it_a_sentinel() {
    for name in ["redis-sentinel", "valkey-sentinel", "russet-sentinel"] {
        let (folder, file) = any_users_folder();
        let program = folder.path().join(name);
        symlink(russet(), &program).expect("a link");
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let child = Command::new(&program)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn();
        let mut child = child.expect("it starts");
        let path = folder.path().join("log");
        let says = |what: &str| fs::read_to_string(&path).unwrap_or_default().contains(what);
        wait_until(&format!("{name} to watch the primary"), || {
            says("+monitor master m 127.0.0.1 1 quorum 1")
        });
        assert!(says("mode=sentinel"));
        child.kill().expect("our child");
        child.wait().expect("our child");
    }
}

#[test]
fn the_file_agrees_with_the_running_sentinel() {
    let sentinel = Sentinel::start(Kind::Russet, 1, 2, SETTINGS);
    let master = sentinel.master().expect("it is watched");
    assert_eq!(master["quorum"], "2");
    assert_eq!(master["down-after-milliseconds"], "1000");
    assert_eq!(master["failover-timeout"], "4000");
}
