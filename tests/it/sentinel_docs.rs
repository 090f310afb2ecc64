//! The section Sentinel of `docs/operate.md`, line by line. Loopback addresses stand for the page's
//! hosts, and processes for its units; apart from addresses, ports and paths the test runs the
//! page's text.
//!
//! A block `console` has commands after prompts (`all#`, `host1#`). Each command must print the
//! lines below it sooner or later; a command without output must succeed. The test appends a block
//! `conf` to the file that the block's first line names.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::certificates::{Authority, Subject};
use crate::support::daemon::{free_port_of, russet};
use crate::support::peers::{self, Peer};
use crate::support::wait::wait_within;

const SERVER_CONF: &str = include_str!("../../packaging/russet.conf");
const SENTINEL_CONF: &str = include_str!("../../packaging/sentinel.conf");
const SENTINEL_UNIT: &str = include_str!("../../packaging/debian/russet-sentinel.service");

/// The deadline of a command, because a failover takes its time and the machine may be busy.
const LIMIT: Duration = Duration::from_secs(90);

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operate.md");
    fs::read_to_string(path).expect("the page")
}

/// The section Sentinel, or a part of it.
fn part(title: Option<&str>) -> String {
    let page = page();
    let section = page.split("\n## Sentinel\n").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its end");
    let Some(title) = title else {
        return section.to_owned();
    };
    let mut parts = section.split("\n### ");
    let found = parts.find(|part| part.lines().next() == Some(title));
    found.unwrap_or_else(|| panic!("no {title}")).to_owned()
}

#[derive(Debug)]
enum Step {
    Run {
        hosts: Vec<usize>,
        command: String,
        output: Vec<String>,
    },
    Append {
        hosts: Vec<usize>,
        file: String,
        lines: String,
    },
}

fn hosts(name: &str) -> Vec<usize> {
    match name {
        "all" | "all hosts" => vec![1, 2, 3],
        _ => vec![
            name.strip_prefix("host")
                .and_then(|n| n.parse().ok())
                .expect("a host"),
        ],
    }
}

/// The steps of a part of the page.
fn steps(part: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in part.split("\n```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').expect("a block");
        let mut lines = text.lines();
        match kind {
            "conf" => {
                let head = lines.next().expect("the file's name");
                let words: Vec<&str> = head.trim_start_matches("# ").split(", ").collect();
                steps.push(Step::Append {
                    hosts: hosts(words[1].trim_start_matches("on ")),
                    file: words[0].to_owned(),
                    lines: lines.map(|line| format!("{line}\n")).collect(),
                });
            }
            "console" => lines.for_each(|line| {
                let asked = line.split_once("# ").filter(|(who, _)| {
                    *who == "all" || who.starts_with("host") && !who.contains(' ')
                });
                match (asked, steps.last_mut()) {
                    (Some((who, command)), _) => steps.push(Step::Run {
                        hosts: hosts(who),
                        command: command.to_owned(),
                        output: Vec::new(),
                    }),
                    (None, Some(Step::Run { output, .. })) => output.push(line.to_owned()),
                    _ => panic!("output without a command: {line}"),
                }
            }),
            _ => panic!("a block of {kind}"),
        }
    }
    assert!(!steps.is_empty());
    steps
}

/// Three hosts: each has a loopback address and a folder; all use the same two ports.
struct Hosts {
    folder: TempDir,
    server_port: u16,
    sentinel_port: u16,
    exported: Vec<(String, String)>,
}

impl Hosts {
    fn new() -> Hosts {
        let folder = tempfile::Builder::new()
            .prefix("russet-hosts-")
            .tempdir()
            .expect("a folder");
        let (server_port, sentinel_port) = (free_port(), free_port());
        let hosts = Hosts {
            folder,
            server_port,
            sentinel_port,
            exported: Vec::new(),
        };
        for n in 1..=3 {
            hosts.furnish(n);
        }
        hosts
    }

    fn path(&self, n: usize, path: &str) -> PathBuf {
        self.folder.path().join(format!("host{n}{path}"))
    }

    /// Replaces the page's addresses and paths by those of the test.
    fn here(&self, n: usize, text: &str) -> String {
        let root = self.path(n, "").display().to_string();
        let own = format!("bind 127.0.0.{n}");
        let mut text = text.replace("bind * -::*", &own);
        for folder in ["/etc/r", "/var/l", "/run/r"] {
            text = text.replace(folder, &format!("{root}{folder}"));
        }
        text.replace("10.0.0.", "127.0.0.")
            .replace("26379", &self.sentinel_port.to_string())
            .replace("6379", &self.server_port.to_string())
    }

    /// Replaces the test's addresses and paths in an output by those of the page.
    fn there(&self, text: &str) -> String {
        text.replace("127.0.0.", "10.0.0.")
            .replace(&self.sentinel_port.to_string(), "26379")
            .replace(&self.server_port.to_string(), "6379")
    }

    /// The files that the package and the distribution install.
    fn furnish(&self, n: usize) {
        for folder in [
            "etc/russet",
            "etc/redis",
            "var/lib/russet",
            "var/lib/russet-sentinel",
            "var/log/russet",
            "run/russet",
            "bin",
        ] {
            fs::create_dir_all(self.path(n, &format!("/{folder}"))).expect("a folder");
        }
        // As over a real network, other hosts see which host a connection comes from.
        let source = format!("bind-source-addr 127.0.0.{n}\n");
        for (name, text) in [("russet", SERVER_CONF), ("sentinel", SENTINEL_CONF)] {
            let text = self.here(n, text) + &source;
            let text = text.replace("bind 127.0.0.1 -::1", &format!("bind 127.0.0.{n}"));
            fs::write(self.path(n, &format!("/etc/russet/{name}.conf")), text).expect("written");
        }
        symlink(russet(), self.path(n, "/bin/russet")).expect("a link");
        let unit = SENTINEL_UNIT
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/"));
        let sentinel = self
            .here(n, unit.expect("a command"))
            .replace("--supervised systemd ", "");
        let redis = Peer::Redis8.program().unwrap_or_default();
        let redis = format!("{} /etc/redis/sentinel.conf --sentinel", redis.display());
        let root = self.path(n, "").display().to_string();
        let systemctl = format!(
            "#!/bin/sh
for unit; do :; done
case $unit in
russet) set -- \"$1\" russet {root}/etc/russet/russet.conf ;;
russet-sentinel) set -- \"$1\" {sentinel} ;;
redis-sentinel) set -- \"$1\" {redis} ;;
esac
verb=$1
shift
file={root}/run/$unit.pid
case $verb in stop | disable | restart)
    [ ! -f $file ] || pid=$(cat $file)
    [ -z \"$pid\" ] || kill -TERM $pid
    # It may stay as a zombie.
    while [ -n \"$pid\" ] && state=$(cut -d' ' -f3 /proc/$pid/stat 2>/dev/null) && [ \"$state\" != Z ]; do sleep 0.1; done
    rm -f $file ;;
esac
case $verb in start | enable | restart)
    cd {root}/var/lib/russet || exit 1
    \"$@\" </dev/null >>{root}/said.$unit 2>&1 &
    echo $! >$file ;;
esac
",
            redis = self.here(n, &redis),
        );
        // redis-cli as at a terminal, connected to this host.
        let cli = format!(
            "#!/bin/sh
case \" $* \" in *' -p '*) ;; *) set -- -p {} \"$@\" ;; esac
PATH=${{PATH#*:}}
exec redis-cli --no-raw -h 127.0.0.{n} \"$@\"
",
            self.server_port
        );
        for (name, text) in [
            ("systemctl", &*systemctl),
            ("redis-cli", &cli),
            ("apt", "#!/bin/sh\n"),
        ] {
            let path = self.path(n, &format!("/bin/{name}"));
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
    }

    fn output(&self, n: usize, command: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.path(n, "/bin");
        Command::new("bash")
            .args(["-c", &self.here(n, command)])
            .env("PATH", format!("{}:{path}", bin.display()))
            .envs(self.exported.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("bash")
    }

    fn run(&self, n: usize, command: &str, wanted: &[String]) {
        let until = Instant::now() + LIMIT;
        loop {
            let out = self.output(n, command);
            let said = self.there(&String::from_utf8_lossy(&out.stdout));
            let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
            let is_refused = said.starts_with("(error)");
            let is_good = match wanted {
                [] => out.status.success() && !is_refused,
                _ => lines == wanted,
            };
            if is_good {
                return;
            }
            let why = String::from_utf8_lossy(&out.stderr);
            assert!(
                Instant::now() < until && (!wanted.is_empty() || is_refused),
                "host{n}# {command}\n{said}{why}\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn follow(&mut self, title: &str) {
        for step in steps(&part(Some(title))) {
            match step {
                Step::Append { hosts, file, lines } => {
                    for n in hosts {
                        append(Path::new(&self.here(n, &file)), &self.here(n, &lines));
                    }
                }
                Step::Run {
                    hosts,
                    command,
                    output,
                } => match command.strip_prefix("export ") {
                    Some(pair) => {
                        let (name, value) = pair.split_once('=').expect("NAME=VALUE");
                        self.exported.push((name.to_owned(), value.to_owned()));
                    }
                    None => hosts.iter().for_each(|&n| self.run(n, &command, &output)),
                },
            }
        }
    }

    fn read(&self, n: usize, path: &str) -> String {
        fs::read_to_string(self.path(n, path)).unwrap_or_default()
    }

    /// The ends of all logs.
    fn logs(&self) -> String {
        let mut all = String::new();
        for n in 1..=3 {
            for path in [
                "/var/log/russet/russet.log",
                "/var/log/russet/sentinel.log",
                "/said.russet",
                "/said.russet-sentinel",
                "/said.redis-sentinel",
            ] {
                let text = self.read(n, path);
                let lines: Vec<&str> = text.lines().collect();
                let end = lines[lines.len().saturating_sub(15)..].join("\n");
                all += &format!("--- host{n} {path}\n{end}\n");
            }
        }
        all
    }
}

impl Drop for Hosts {
    /// Ends only the processes of the units.
    fn drop(&mut self) {
        for n in 1..=3 {
            for unit in ["russet", "russet-sentinel", "redis-sentinel"] {
                let text = self.read(n, &format!("/run/{unit}.pid"));
                if let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }
}

/// A port that is free on all three addresses.
fn free_port() -> u16 {
    let is_free =
        |port: u16| (1..=3).all(|n| TcpListener::bind((Ipv4Addr::new(127, 0, 0, n), port)).is_ok());
    // Outside the range of tests/sentinel, whose processes may run at the same time.
    std::iter::repeat_with(|| free_port_of(30_500, 400))
        .find(|&port| is_free(port) && !port.to_string().contains("6379"))
        .expect("it repeats")
}

fn has_tools() -> bool {
    let is_there = Command::new("redis-cli").arg("--version").output().is_ok();
    if !is_there {
        peers::left_out("redis-cli is not installed: the steps of docs/operate.md for Sentinels");
    }
    is_there
}

#[test]
fn three_hosts_are_set_up_and_a_failover_is_tried() {
    if !has_tools() {
        return;
    }
    let mut hosts = Hosts::new();
    hosts.follow("Three hosts, from nothing to a tried failover");
    hosts.follow("Users of a Sentinel");
}

#[test]
fn three_hosts_speak_tls() {
    if !has_tools() {
        return;
    }
    let mut hosts = Hosts::new();
    let authority = Authority::shared();
    for n in 1..=3 {
        let folder = hosts.path(n, "/etc/russet");
        authority
            .issue(&Subject::named("host"))
            .write(&folder, "host");
        authority.itself().write(&folder, "ca");
        let line = hosts.here(n, "sentinel monitor mymaster 10.0.0.1 6379 2\n");
        append(&folder.join("sentinel.conf"), &line);
        if n > 1 {
            let line = hosts.here(n, "replicaof 10.0.0.1 6379\n");
            append(&folder.join("russet.conf"), &line);
        }
    }
    hosts.follow("TLS");
}

/// A Redis Sentinel of the group moves to russet and back, so the group has both kinds.
#[test]
fn a_sentinel_of_redis_is_replaced_and_comes_back() {
    if !has_tools() || Peer::Redis8.program_for("moving Sentinels").is_none() {
        return;
    }
    let mut hosts = Hosts::new();
    hosts.run(1, "systemctl start russet", &[]);
    let watch =
        "bind * -::*\nport 26379\nprotected-mode no\nsentinel monitor mymaster 10.0.0.1 6379 2\n";
    for n in 1..=3 {
        let text = hosts.here(n, watch) + &format!("bind-source-addr 127.0.0.{n}\n");
        // Both programs begin with the same file.
        fs::write(hosts.path(n, "/etc/russet/sentinel.conf"), &text).expect("written");
        let text = hosts.here(n, "daemonize no\ndir /var/lib/russet\n") + &text;
        fs::write(hosts.path(n, "/etc/redis/sentinel.conf"), text).expect("written");
    }
    hosts.run(1, "systemctl start redis-sentinel", &[]);
    hosts.run(2, "systemctl start russet-sentinel", &[]);
    hosts.run(3, "systemctl start redis-sentinel", &[]);
    let all = "OK 3 usable Sentinels. Quorum and failover authorization can be reached".to_owned();
    let ask = "redis-cli -p 26379 SENTINEL CKQUORUM mymaster";
    (1..=3).for_each(|n| hosts.run(n, ask, std::slice::from_ref(&all)));
    let name = |hosts: &Hosts, path| {
        let text = hosts.read(1, path);
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("sentinel myid "));
        lines.next().expect("a name").trim_matches('"').to_owned()
    };
    let before = name(&hosts, "/etc/redis/sentinel.conf");
    hosts.follow("From Redis's or Valkey's Sentinel, and back");
    assert_eq!(name(&hosts, "/etc/russet/sentinel.conf"), before, "moved");
    assert_eq!(name(&hosts, "/etc/redis/sentinel.conf"), before, "and back");
    // The group has not got a fourth Sentinel.
    (1..=3).for_each(|n| hosts.run(n, ask, std::slice::from_ref(&all)));
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut served = String::new();
    let _ = stream.read_to_string(&mut served);
    served
}

/// The server serves every series of the section, and `/readyz` names what is missing.
#[test]
fn what_to_watch_of_a_sentinel_is_served() {
    if !has_tools() {
        return;
    }
    let hosts = Hosts::new();
    let port = free_port();
    let path = hosts.path(1, "/etc/russet/sentinel.conf");
    append(
        &path,
        &format!("metrics-port {port}\nsentinel monitor mymaster 127.0.0.1 9 2\n"),
    );
    hosts.run(1, "systemctl start russet-sentinel", &[]);
    wait_within(LIMIT, "metrics", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let served = get(port, "/metrics");
    let text = part(Some("What to watch of a Sentinel"));
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names: Vec<&str> = words
        .filter(|word| word.contains("_sentinel_") && !word.ends_with('_'))
        .collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let starts = |end: &str| served.contains(&format!("\n{name}{end}"));
        assert!(starts(" ") || starts("{"), "{name}\n{served}");
    }
    let lacks = get(port, "/readyz");
    assert!(lacks.starts_with("HTTP/1.1 503 "), "{lacks}");
    assert!(
        lacks.contains("\r\nmymaster: NOQUORUM 1 usable Sentinels. "),
        "{lacks}"
    );
    hosts.run(
        1,
        "redis-cli -p 26379 SENTINEL SET mymaster quorum 1",
        &["OK".to_owned()],
    );
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 200 "));
}

fn append(path: &Path, lines: &str) {
    let text = fs::read_to_string(path).expect("a file") + lines;
    fs::write(path, text).expect("written");
}
