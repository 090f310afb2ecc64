//! The steps of `docs/operate.md` that no other test covers. Backups, restores and moves with files
//! are in `backup`, MIGRATE in `migrate`, packages in `packaging/test`, the doctor in `operator`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::support::daemon::{free_side_port, russet};
use crate::support::{Daemon, wait_until};

const PAGE: &str = include_str!("../../docs/operate.md");

fn tool(words: &[&str], file: &Path) -> (String, Option<i32>) {
    let out = Command::new(russet())
        .args(words)
        .arg(file)
        .output()
        .expect("it runs");
    (
        String::from_utf8_lossy(&out.stdout).into_owned(),
        out.status.code(),
    )
}

/// "For a snapshot: stop, put the file in place as `dbfilename`, move `appendonlydir` away, start."
#[test]
fn a_snapshot_is_put_in_the_place_of_an_append_only_file() {
    assert!(
        PAGE.contains("put the file in place as `dbfilename`, move `appendonlydir` away, start.")
    );
    let mut server = Daemon::start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    c.ask("SET k wanted");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    // `dump.rdb` may be copied at any time.
    let dump = server.folder().join("dump.rdb");
    let snapshot = fs::read(&dump).expect("a file");
    c.ask("SET k spoiled");
    assert!(server.terminate().success());
    fs::write(&dump, snapshot).expect("written");
    let set = server.folder().join("appendonlydir");
    fs::rename(&set, server.folder().join("away")).expect("moved");
    server.restart();
    let mut c = server.connect();
    assert_eq!(c.ask("GET k"), "$6\r\nwanted\r\n");
    c.ask("SET k later");
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("GET k"), "$5\r\nlater\r\n");
}

/// "`russet check-rdb FILE --stats` and `russet check-aof MANIFEST` read files without a server",
/// and `CONFIG SET aof-checksum no` with a rewrite leaves Redis's own format.
#[test]
fn files_are_looked_at_and_made_plain() {
    let server = Daemon::start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    c.ask("SET k v");
    c.ask("SAVE");
    let (said, code) = tool(&["check-rdb", "--stats"], &server.folder().join("dump.rdb"));
    assert!(
        code == Some(0) && said.contains("[stats] string: 1 keys"),
        "{said}"
    );
    let folder = server.folder().join("appendonlydir");
    let manifest = folder.join("appendonly.aof.manifest");
    let (said, code) = tool(&["check-aof"], &manifest);
    assert!(
        code == Some(0) && said.contains("All AOF files and manifest are valid"),
        "{said}"
    );
    let lines = || {
        let files = fs::read_dir(&folder).expect("a folder").flatten();
        let logs = files.filter(|file| file.path().to_string_lossy().ends_with(".incr.aof"));
        logs.map(|file| fs::read(file.path()).expect("a file"))
            .any(|bytes| bytes.starts_with(b"#") || bytes.windows(2).any(|two| two == b"\n#"))
    };
    wait_until("a line of checksum", lines);
    assert_eq!(c.ask("CONFIG SET aof-checksum no"), "+OK\r\n");
    c.ask("BGREWRITEAOF");
    server.wait_for_log("Background AOF rewrite finished successfully");
    c.ask("SET k w");
    wait_until("the old file to go", || !lines());
}

/// "Load the old configuration": unknown directives are named, and nothing starts.
#[test]
fn another_servers_configuration_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.conf");
    fs::write(
        &file,
        "port 7777\nsave 900 1\nio-threads 4\nactivedefrag yes\n",
    )
    .expect("written");
    assert_eq!(tool(&["--check-config"], &file).1, Some(0));
    fs::write(&file, "port 0\nnosuch-directive 1\n").expect("written");
    let out = Command::new(russet())
        .arg("--check-config")
        .arg(&file)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert_ne!(out.status.code(), Some(0));
    assert!(
        said.contains("nosuch-directive") && said.contains('2'),
        "{said}"
    );
}

/// "Memory": the server answers each command of the section.
#[test]
fn memory_is_looked_at() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("SET k v");
    assert_eq!(c.ask("MEMORY PURGE"), "+OK\r\n");
    assert!(c.ask("MEMORY USAGE k").starts_with(':'));
    assert!(
        c.ask("INFO keysizes")
            .contains("db0_distrib_strings_sizes:")
    );
    for field in ["used_memory", "used_memory_rss", "mem_fragmentation_ratio"] {
        assert!(server.info(field).is_some(), "{field}");
    }
}

/// The Prometheus rules in the repository are the rules on the page. `promtool` checks that they
/// parse (`.ci/run docs`).
#[test]
fn the_rules_for_prometheus_are_those_of_the_page() {
    let rules = include_str!("../../packaging/prometheus/russet.rules.yml");
    let table = PAGE.split("What to alert on:").nth(1).expect("it is there");
    let first_table = table
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let rows = first_table.filter(|line| line.starts_with("| `"));
    let expressions: Vec<String> = rows
        .filter_map(|row| Some(row.split('`').nth(1)?.replace("\\|", "|")))
        .collect();
    assert!(expressions.len() > 10, "{expressions:?}");
    for expression in &expressions {
        let line = format!("        expr: '{expression}'\n");
        assert!(rules.contains(&line), "{expression}");
    }
    assert_eq!(rules.matches("expr:").count(), expressions.len());
}

/// The text of `/metrics` of a server with two keys' worth of history.
fn metrics() -> String {
    let port = free_side_port();
    let port_text = port.to_string();
    let server = Daemon::start(&["--metrics-port", &port_text, "--appendonly", "yes"]);
    let mut c = server.connect();
    c.ask("SET k v");
    c.ask("LPUSH k v");
    // Closed connections have their own series.
    assert_eq!(server.connect().ask("QUIT"), "+OK\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut served = String::new();
    let _ = stream.read_to_string(&mut served);
    served
}

fn is_served(served: &str, name: &str) -> bool {
    served.contains(&format!("\n{name} ")) || served.contains(&format!("\n{name}{{"))
}

/// The Grafana dashboard: the server serves every series in its queries, and the dashboard has
/// every series of russet's own.
#[test]
fn the_dashboard_asks_for_what_is_served() {
    let dashboard = include_str!("../../packaging/grafana/russet.json");
    let served = metrics();
    let queries = dashboard.lines().filter(|line| line.contains("\"expr\": "));
    let mut names = std::collections::BTreeSet::new();
    for query in queries {
        let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        names
            .extend(words.filter(|word| word.starts_with("redis_") || word.starts_with("russet_")));
    }
    assert!(names.len() > 20, "{names:?}");
    // Series that need a replica, a Sentinel, a scrub or a spike are only in the sources.
    const SOURCES: [&str; 3] = [
        include_str!("../../crates/server/src/observe/metrics/fields.rs"),
        include_str!("../../crates/server/src/observe/metrics/families.rs"),
        include_str!("../../crates/sentinel/src/discovery/figures.rs"),
    ];
    let literals = SOURCES.iter().flat_map(|source| source.split('"'));
    let helps = served
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let is_name = |text: &str| {
        let rest = text.strip_prefix("russet_").unwrap_or_default();
        let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        // The label with the version.
        !matches!(rest, "" | "version") && rest.bytes().all(is_word)
    };
    let own: std::collections::BTreeSet<&str> = helps
        .chain(literals)
        .filter(|name| is_name(name))
        .map(|name| name.strip_suffix("_total").unwrap_or(name))
        .collect();
    assert!(own.len() > 30, "{own:?}");
    let asked = |name: &str| names.contains(name) || names.contains(&*format!("{name}_total"));
    let unasked: Vec<_> = own.iter().filter(|name| !asked(name)).collect();
    assert!(unasked.is_empty(), "no panel of {unasked:?}");
    for name in names {
        let family = name.strip_suffix("_total").unwrap_or(name);
        let is_ours = own.contains(family);
        let has_type = served.contains(&format!("# TYPE {family} "));
        assert!(is_served(&served, name) || has_type || is_ours, "{name}");
    }
}

/// "What to alert on": the server serves every series that the table names.
#[test]
fn what_to_alert_on_is_served() {
    let served = metrics();
    let table = PAGE.split("What to alert on:").nth(1).expect("it is there");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.is_empty() || line.starts_with('|'));
    let text: String = rows.collect();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names: Vec<&str> = words.filter(|word| word.starts_with("redis_")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        // The link metric exists only with a replica.
        assert!(
            is_served(&served, name) || name == "redis_master_link_up",
            "{name}"
        );
    }
}
