//! Files of other servers in any pieces: what they hold after they are loaded.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use russet_config::Allowed;
use russet_server::inside::load_pieces;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A file of `tests/data/redis-8.10-payloads.txt`.
fn newer(name: &str) -> Vec<u8> {
    let text = include_str!("../../../../../../tests/data/redis-8.10-payloads.txt");
    let line = text.lines().find(|line| line.starts_with(name));
    let hex = line.and_then(|line| line.rsplit(" | ").next());
    let hex = hex.expect("it is listed");
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn files_of_newer_servers_are_loaded() {
    let mut rng = SmallRng::seed_from_u64(3);
    for _ in 0..50 {
        let mut t = Testbed::unheard();
        let file = newer("rdb-1");
        let loaded = load_pieces(&mut t.engine.keyspace, &file, &mut rng);
        assert_eq!(loaded.expect("no fault").keys_loaded, 5);
        t.engine.keyspace.check_invariants();
        for (line, reply) in [
            ("HLEN h1", ":3\r\n"),
            ("HLEN h2", ":3\r\n"),
            ("HLEN h4", ":2\r\n"),
            ("HSTRLEN h3 name", ":70\r\n"),
            ("HGET h1 age", "$2\r\n30\r\n"),
            ("TYPE k", "+string\r\n"),
        ] {
            assert_eq!(t.run(line), reply, "{line}");
        }
        let mut t = Testbed::unheard();
        let loaded = load_pieces(&mut t.engine.keyspace, &newer("rdb-2"), &mut rng);
        assert_eq!(loaded.expect("no fault").keys_loaded, 8);
        t.engine.keyspace.check_invariants();
    }
}

/// A real server in a temporary folder.
struct Peer {
    process: Child,
    folder: PathBuf,
    replies: BufReader<UnixStream>,
}

impl Peer {
    /// `None`: it is not installed.
    fn start(program: &str) -> Option<Peer> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let peers = match std::env::var_os("RUSSET_PEERS") {
            Some(set) => PathBuf::from(set),
            None => home()?.join("russet/peers"),
        };
        let program = peers.join(program);
        if !program.exists() {
            println!("{} is not installed", program.display());
            return None;
        }
        let name = format!(
            "russet-peer-{}-{}",
            std::process::id(),
            rand::random::<u32>()
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        let socket = folder.join("socket");
        let process = Command::new(program)
            .current_dir(&folder)
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .args(["--enable-debug-command", "yes"])
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let began = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(began.elapsed().as_secs() < 30, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Some(Peer {
            process,
            folder,
            replies: BufReader::new(stream),
        })
    }

    /// Runs a command whose reply is one line.
    fn ask(&mut self, line: &str) -> String {
        let stream = self.replies.get_mut();
        stream.write_all(line.as_bytes()).expect("written");
        stream.write_all(b"\r\n").expect("written");
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("a reply");
        reply
    }

    /// Runs commands, of which none may fail.
    fn run(&mut self, lines: &[String]) {
        let text = lines.join("\r\n") + "\r\n";
        let mut stream = self.replies.get_ref().try_clone().expect("a stream");
        let writer = std::thread::spawn(move || {
            stream.write_all(text.as_bytes()).expect("written");
            stream.write_all(b"ECHO all-were-run\r\n").expect("written");
        });
        let mut reply = String::new();
        while reply != "all-were-run\r\n" {
            reply.clear();
            self.replies.read_line(&mut reply).expect("a reply");
            assert!(!reply.starts_with('-'), "{reply}");
        }
        writer.join().expect("all was written");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Values of all types and encodings.
fn lines(rng: &mut SmallRng) -> Vec<String> {
    let mut lines = vec![
        "SET int 12345".to_owned(),
        "SET expires text PX 100000000".to_owned(),
        format!("SET long {}", "abcdefgh".repeat(4000)),
        "XADD small 1-1 a 1 b 2".to_owned(),
        "XADD small 2-1 a 3 b 4".to_owned(),
        "XADD small 3-1 c 5".to_owned(),
        "XGROUP CREATE small g 0".to_owned(),
        "XGROUP CREATE small empty 2-1".to_owned(),
        "XREADGROUP GROUP g one COUNT 2 STREAMS small >".to_owned(),
        "XREADGROUP GROUP g two STREAMS small >".to_owned(),
        "XDEL small 2-1".to_owned(),
        "FUNCTION LOAD \"#!lua name=l\\nredis.register_function('f', function() return 1 end)\""
            .to_owned(),
    ];
    // A line has 64 KiB at most.
    for _ in 0..20 {
        let part: String = (0..50_000).map(|_| rng.random_range('a'..='z')).collect();
        lines.push(format!("APPEND huge {part}"));
    }
    for i in 0..12 {
        lines.push(format!("RPUSH list {i} value:{i}"));
        lines.push(format!("SADD set:int {}", i * 70_000_000_000u64));
        lines.push(format!("SADD set:small {i} member:{i}"));
        lines.push(format!("ZADD zset:small {}.25 member:{i}", i * 3));
        lines.push(format!("HSET hash:small field:{i} {i}"));
    }
    for i in 0..3000 {
        lines.push(format!("RPUSH list:long value:{i} {i}"));
        lines.push(format!("SADD set:large member:{i}"));
        lines.push(format!("ZADD zset:large {i}.5 member:{i}"));
        lines.push(format!("HSET hash:large field:{i} value:{i}"));
        lines.push(format!(
            "XADD large {}-{i} field value:{i} other {i}",
            i / 10 + 1
        ));
    }
    lines.push("XGROUP CREATE large g 0".to_owned());
    lines.push("XREADGROUP GROUP g one COUNT 1000 STREAMS large >".to_owned());
    lines.push("SELECT 9".to_owned());
    lines.push("SET other database".to_owned());
    lines.push("SELECT 0".to_owned());
    lines
}

/// Commands that make values which only Redis 8.10 has, and which are loaded here.
fn newest_lines() -> Vec<String> {
    let mut lines: Vec<String> = [
        "XADD idempotent IDMP p1 x * f v",
        "XADD idempotent IDMP p2 yy * f v",
        "XADD idempotent IDMP p2 yy * f v",
        "XNACK small g FAIL IDS 1 1-1",
        "XNACK large g SILENT IDS 2 1-1 1-2",
        "HIMPORT PREPARE t name age city",
        "HIMPORT PREPARE unused x y",
    ]
    .map(str::to_owned)
    .into();
    for i in 0..200 {
        lines.push(format!("HIMPORT SET template:{i} t Bob{i} {i} Paris"));
        lines.push(format!(
            "HIMPORT SET long-template:{i} t {} {i} Paris",
            "x".repeat(100)
        ));
    }
    lines
}

#[test]
fn files_of_real_servers_are_loaded_in_any_pieces() {
    let mut rng = SmallRng::seed_from_u64(11);
    for (program, version) in [
        ("redis7/redis-server", "0010"),
        ("redis8/src/redis-server", "0012"),
        ("valkey9/valkey-server", "080"),
        ("redis810/redis-server", "0015"),
    ] {
        let Some(mut peer) = Peer::start(program) else {
            continue;
        };
        let mut all = lines(&mut rng);
        if version == "0015" {
            all.extend(newest_lines());
        }
        peer.run(&all);
        // Valkey's digest does not have the expiries of fields.
        let digest = peer.ask("DEBUG DIGEST");
        let fields = "hash:large FIELDS 2 field:1 field:2";
        let expires = version != "0010";
        if expires {
            let (at, fields) = fields.split_once(' ').expect("a key");
            peer.run(&[format!("HPEXPIREAT {at} 9000000000000 {fields}")]);
        }
        assert_eq!(peer.ask("SAVE"), "+OK\r\n");
        let file = std::fs::read(peer.folder.join("dump.rdb")).expect("a file");
        let header = String::from_utf8_lossy(&file[..9]).into_owned();
        assert!(header.ends_with(version), "{program}: {header}");
        drop(peer);
        for round in 0..3 {
            let mut t = Testbed::unheard();
            t.engine.server.config.enable_debug_command = Allowed::Yes;
            let loaded = load_pieces(&mut t.engine.keyspace, &file, &mut rng);
            let figures = loaded.unwrap_or_else(|error| panic!("{program}: {error}"));
            assert_eq!(figures.functions, 1);
            if round == 0 {
                t.engine.keyspace.check_invariants();
            }
            if expires {
                let when = t.run(&format!("HPEXPIRETIME {fields}"));
                assert_eq!(when, "*2\r\n:9000000000000\r\n:9000000000000\r\n");
                t.run(&format!("HPERSIST {fields}"));
            }
            assert_eq!(t.run("DEBUG DIGEST"), digest, "{program}");
            assert_eq!(t.run("XLEN small"), ":2\r\n");
            let pending = t.run("XPENDING small g");
            assert!(pending.starts_with("*4\r\n:3\r\n"), "{pending}");
        }
    }
}
