//! The published vulnerabilities of Redis and Valkey since 2024. Each test sends the hostile input
//! of a vulnerability: the server refuses it and survives.
//!
//! Some have no attack here, because russet does not have the feature: CVE-2026-25588 and
//! CVE-2026-25589 (module payloads, refused in `payloads_of_modules`), CVE-2026-21863 (the cluster
//! bus, `there_is_no_cluster_bus`), CVE-2026-23631 (a full sync during a script,
//! `there_is_no_replication`). CVE-2026-56684 (CLIENT KILL under TLS) is in `tls`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::rdb::{bulk, crc64};
use crate::support::once::run_once;
use crate::support::{Connection, Daemon, wait_until};

/// Checks that the server's process still runs and answers.
fn lives(server: &Daemon) {
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    let pid = server.info("process_id");
    assert_eq!(pid, Some(server.pid().to_string()));
}

fn eval(c: &mut Connection, script: &str) -> String {
    String::from_utf8_lossy(&c.call(&["EVAL", script, "0"])).into_owned()
}

/// Appends the version and the checksum to a payload.
fn sealed(mut payload: Vec<u8>) -> Vec<u8> {
    payload.extend(11u16.to_le_bytes());
    let crc = crc64(&payload).to_le_bytes();
    payload.extend(crc);
    payload
}

const BAD: &[u8] = b"-ERR Bad data format\r\n";

fn restore(c: &mut Connection, key: &str, payload: &[u8]) -> Vec<u8> {
    c.call(&[b"RESTORE", key.as_bytes(), b"0", payload])
}

/// CVE-2024-31227, CVE-2024-51741: a malformed selector ended the server. The test tries all words
/// of up to five characters that rules use: as a rule, in a selector, and in DRYRUN.
#[test]
fn malformed_acl_selectors() {
    let server = Daemon::start(&["--acllog-max-len", "0"]);
    let mut c = server.connect();
    let mut words = vec![String::new()];
    let mut from = 0;
    for _ in 0..4 {
        let to = words.len();
        for at in from..to {
            for sign in ["(", ")", "%", "R", "~", "&", "+", "@"] {
                words.push(format!("{}{sign}", words[at]));
            }
        }
        from = to;
    }
    for batch in words.chunks(500) {
        let mut sent = Vec::new();
        for word in batch {
            for rule in [word.clone(), format!("({word}"), format!("({word})")] {
                let line = ["ACL", "SETUSER", "u", &rule];
                sent.extend(format!("*{}\r\n", line.len()).bytes());
                line.iter()
                    .for_each(|a| sent.extend(format!("${}\r\n{a}\r\n", a.len()).bytes()));
            }
        }
        c.send(&sent);
        for _ in 0..3 * batch.len() {
            let reply = c.reply();
            assert!(reply == b"+OK\r\n" || reply.starts_with(b"-ERR "));
        }
    }
    for rule in ["(%", "(%)", "%", "%~", "(%R", "(~a", "((+get)"] {
        let reported = c.ask(&format!("ACL SETUSER u {rule}"));
        assert!(reported.starts_with("-ERR "), "{rule}: {reported}");
    }
    assert!(c.ask("ACL GETUSER u").starts_with('*'));
    lives(&server);
}

/// CVE-2024-31228: a pattern of many stars ended the server or blocked it for ever.
#[test]
fn unbounded_pattern_matching() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let key = "a".repeat(80_000);
    c.call(&["SET", &key, "v"]);
    c.ask("SET k v");
    c.call(&["SADD", "members", &key]);
    let stars = "*a".repeat(100_000) + "b";
    let long = format!("*{}b*", "a".repeat(40_000));
    let wild = format!("*{}?b", "a".repeat(40_000));
    let began = Instant::now();
    for pattern in [&stars, &long, &wild] {
        assert_eq!(c.call(&["KEYS", pattern]), b"*0\r\n");
        let scan = b"*2\r\n$1\r\n0\r\n*0\r\n";
        assert_eq!(
            c.call(&["SCAN", "0", "MATCH", pattern, "COUNT", "100"]),
            scan
        );
        assert_eq!(c.call(&["SSCAN", "members", "0", "MATCH", pattern]), scan);
        let mut listener = server.connect();
        listener.call(&["PSUBSCRIBE", pattern]);
        assert_eq!(c.call(&["PUBLISH", &key, "m"]), b":0\r\n");
        assert_eq!(c.call(&["PUBSUB", "CHANNELS", pattern]), b"*0\r\n");
        c.call(&[
            "ACL",
            "SETUSER",
            "u",
            "reset",
            "+get",
            &format!("~{pattern}"),
        ]);
        let reported = c.call(&["ACL", "DRYRUN", "u", "GET", &key]);
        assert!(
            reported.starts_with(b"$"),
            "{}",
            String::from_utf8_lossy(&reported)
        );
    }
    // Only KEYS took half a minute.
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let refused = "-ERR pattern is too complex: more than 1024 characters with ? or [] among them \
                   between two *, or in one []\r\n";
    let complex = format!("*{}?*", "a".repeat(1024));
    let class = format!("[{}]", "a".repeat(2000));
    for pattern in [&complex, &class] {
        for words in [
            &["KEYS", pattern][..],
            &["SCAN", "0", "MATCH", pattern],
            &["SSCAN", "members", "0", "MATCH", pattern],
            &["PSUBSCRIBE", "fine", pattern],
            &["PUBSUB", "CHANNELS", pattern],
            &["FUNCTION", "LIST", "LIBRARYNAME", pattern],
        ] {
            let reported = c.call(words);
            assert_eq!(String::from_utf8_lossy(&reported), refused, "{}", words[0]);
        }
        let reported = c.call(&["ACL", "SETUSER", "u", &format!("~{pattern}")]);
        assert!(reported.ends_with(&refused.as_bytes()["-ERR ".len()..]));
    }
    assert_eq!(c.ask("PUBSUB NUMPAT"), ":0\r\n");
    lives(&server);
}

/// CVE-2024-31449: `bit.tohex` overflowed its buffer.
#[test]
fn the_bit_library_keeps_to_its_buffer() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for (script, wanted) in [
        ("return bit.tohex(65535, -2147483648)", "$8\r\n0000FFFF\r\n"),
        ("return bit.tohex(-1, -2147483648)", "$8\r\nFFFFFFFF\r\n"),
        ("return bit.tohex(255, 2147483647)", "$8\r\n000000ff\r\n"),
        ("return #bit.tohex(1, -1e308)", ":"),
    ] {
        let reported = eval(&mut c, script);
        assert!(reported.starts_with(wanted), "{script}: {reported}");
    }
    lives(&server);
}

/// CVE-2024-46981: finalizers that ran at the end of a Lua state used freed memory.
#[test]
fn collectors_run_nothing_of_a_scripts() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let script = "local function f() redis.call('set', 'x', 'y') end
        for i = 1, 100 do setmetatable({}, {__gc = f, __mode = 'k'}) end
        collectgarbage('collect') return 1";
    for mode in ["SYNC", "ASYNC"] {
        for _ in 0..20 {
            eval(&mut c, script);
            assert_eq!(c.ask(&format!("SCRIPT FLUSH {mode}")), "+OK\r\n");
        }
    }
    let reported = eval(&mut c, "return newproxy(true)");
    assert!(reported.starts_with("-ERR"), "{reported}");
    assert_eq!(c.ask("EXISTS x"), ":0\r\n");
    lives(&server);
}

/// CVE-2025-21605: unauthenticated clients that read no replies made the server buffer all their
/// errors.
#[test]
fn strangers_that_do_not_read_are_not_kept_in_memory() {
    let server = Daemon::start(&["--requirepass", "secret"]);
    let mut c = server.connect();
    assert_eq!(c.ask("AUTH secret"), "+OK\r\n");
    let used = |c: &mut Connection| -> u64 {
        let info = c.ask("INFO memory");
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        line.expect("told").trim().parse().expect("a number")
    };
    let before = used(&mut c);
    let mut strangers: Vec<TcpStream> = (0..10)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port())).expect("listens"))
        .collect();
    let many = b"GET a\r\n".repeat(1 << 18);
    for stranger in &mut strangers {
        let limit = Some(Duration::from_millis(300));
        stranger.set_write_timeout(limit).expect("a socket");
        // Until the server accepts no more, or closes the connection.
        let _ = stranger.write_all(&many);
    }
    let more = used(&mut c).saturating_sub(before);
    assert!(more < 32 << 20, "{more} bytes for ten strangers");
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

/// CVE-2025-27151: a long path overflowed a buffer of `redis-check-aof`.
#[test]
fn check_aof_takes_long_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = "n".repeat(10_000);
    let manifest = format!("file {long} seq 1 type b\nfile {long} seq 1 type i\n");
    std::fs::write(folder.path().join("m.manifest"), manifest).expect("a file");
    for name in ["m.manifest", &long, &format!("{}/x", "d/".repeat(3000))] {
        let ended = run_once(folder.path(), &["check-aof", name], b"");
        assert_eq!(ended.code, Some(1), "{}", &name[..10]);
    }
}

/// CVE-2025-32023: runs of registers beyond the last register.
#[test]
fn hyperloglogs_with_too_many_registers() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let header = [&b"HYLL\x01\0\0\0"[..], &[0; 7], &[0x80]].concat();
    let runs = [0x7f, 0xff].repeat(100_000);
    for body in [
        &runs[..4],
        &runs[..],
        &[0x7f, 0xff, 0xff],
        &[0x7f],
        &[0x3f; 1000],
        b"",
    ] {
        c.call(&[&b"SET"[..], b"h", &[&header, body].concat()]);
        let corrupt = b"-INVALIDOBJ Corrupted HLL object detected\r\n";
        for line in [
            "PFCOUNT h",
            "PFCOUNT h other",
            "PFMERGE to h",
            "PFDEBUG GETREG h",
        ] {
            assert_eq!(c.ask(line).as_bytes(), corrupt, "{line} {}", body.len());
        }
        c.ask("PFADD h a b c d e f g");
    }
    lives(&server);
}

/// CVE-2025-48367: connections that fail during accept kept others out.
#[test]
fn connections_that_break_at_once() {
    let server = Daemon::start(&[]);
    for _ in 0..500 {
        let socket = TcpStream::connect(("127.0.0.1", server.port())).expect("listens");
        let socket = socket2::Socket::from(socket);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    }
    lives(&server);
    wait_until("they are gone", || {
        server.info("connected_clients").as_deref() == Some("1")
    });
}

/// CVE-2025-49112: the server reserved too little space for a reply's length.
#[test]
fn replies_whose_length_comes_later() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let mut wanted = 0;
    for n in [1, 7, 100, 4000] {
        for key in 0..n {
            c.send(format!("SET {n}:{key}:{} v\r\n", "k".repeat(key % 50)).as_bytes());
        }
        (0..n).for_each(|_| assert_eq!(c.reply(), b"+OK\r\n"));
        wanted += n;
        for protocol in [2, 3] {
            c.ask(&format!("HELLO {protocol}"));
            c.send(b"KEYS *\r\nPING\r\nCOMMAND\r\nKEYS *\r\n");
            let head = format!("*{wanted}\r\n");
            assert!(c.reply().starts_with(head.as_bytes()));
            assert_eq!(c.reply(), b"+PONG\r\n");
            c.reply();
            assert!(c.reply().starts_with(head.as_bytes()));
        }
    }
    lives(&server);
}

/// CVE-2025-49844: the name of a chunk was freed while Lua parsed the chunk.
#[test]
fn sources_outlive_their_parsing() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for n in 0..60 {
        let locals: String = (0..150)
            .map(|i| format!("local v{n}_{i} = '{i}{n}' "))
            .collect();
        let tables = "{".repeat(30) + &"}".repeat(30);
        let script = format!("{locals} local t = {tables} return {n}");
        assert_eq!(eval(&mut c, &script), format!(":{n}\r\n"));
        assert!(eval(&mut c, &format!("{script} {locals} +")).starts_with("-ERR"));
        if n % 10 == 0 {
            c.ask("SCRIPT FLUSH");
        }
    }
    lives(&server);
}

/// CVE-2025-46817: `unpack` overflowed its number of results.
#[test]
fn unpack_counts_its_results() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for (from, to) in [
        ("0", "2147483647"),
        ("-2147483648", "2147483647"),
        ("-2147483648", "-1"),
        ("-9223372036854775808", "9223372036854775807"),
        ("1", "4294967296"),
        ("-1e300", "1e300"),
    ] {
        let reported = eval(
            &mut c,
            &format!("return {{unpack({{1, 2}}, {from}, {to})}}"),
        );
        let is_reported = reported.starts_with("-ERR") || reported == "*0\r\n";
        assert!(is_reported, "{from} {to}: {reported}");
    }
    lives(&server);
}

/// CVE-2025-46818: a user's script changed the string methods of another user's script.
#[test]
fn metatables_of_basic_types_are_read_only() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for script in [
        "getmetatable('').__index = function() return 'mine' end",
        "getmetatable('').__index.upper = function() return 'mine' end",
        "rawset(getmetatable('').__index, 'upper', 1)",
        "string.upper = function() return 'mine' end",
        "setmetatable('', {})",
    ] {
        let reported = eval(&mut c, script);
        assert!(reported.starts_with("-ERR"), "{script}: {reported}");
    }
    assert_eq!(eval(&mut c, "return ('a'):upper()"), "$1\r\nA\r\n");
    lives(&server);
}

/// CVE-2025-46819: a long bracket was read beyond its end.
#[test]
fn long_brackets_end_with_the_source() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for level in [0, 1, 100, 70_000, 1_000_000] {
        let level = "=".repeat(level);
        for open in [
            format!("return [{level}[text"),
            format!("return [{level}"),
            format!("--[{level}[ a comment"),
            format!("return [{level}[text]{level}"),
        ] {
            let reported = eval(&mut c, &open);
            let is_reported = reported.starts_with("-ERR") || reported == "$-1\r\n";
            assert!(is_reported, "{}: {reported}", open.len());
        }
        let reported = eval(&mut c, &format!("return [{level}[text]{level}]"));
        assert_eq!(reported, "$4\r\ntext\r\n", "{}", level.len());
    }
    lives(&server);
}

/// CVE-2025-62507: XACKDEL with many IDs overflowed the stack.
#[test]
fn many_ids_of_xackdel_need_no_stack() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for (line, reply) in [
        ("XADD k 1-1 f v", "$3\r\n1-1\r\n"),
        ("XGROUP CREATE k g 0", "+OK\r\n"),
    ] {
        assert_eq!(c.ask(line), reply);
    }
    c.ask("XREADGROUP GROUP g c STREAMS k >");
    let mut words = vec!["XACKDEL", "k", "g", "IDS", "100000"];
    words.resize(100_005, "1-1");
    let reported = c.call(&words);
    assert!(reported.starts_with(b"*100000\r\n:1\r\n:-1\r\n"));
    assert_eq!(
        reported.len(),
        "*100000\r\n:1\r\n".len() + 99_999 * ":-1\r\n".len()
    );
    lives(&server);
}

/// CVE-2025-67733: errors and statuses of scripts contained line ends, and so could forge replies.
#[test]
fn replies_of_scripts_are_one_line() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for script in [
        "return redis.error_reply('E x\\r\\n+OK\\r\\n$3\\r\\nabc')",
        "return redis.status_reply('x\\r\\n:1')",
        "return {err = 'E x\\r\\n+OK'}",
        "return {ok = 'x\\n+OK'}",
        "error('x\\r\\n+OK')",
        "error({err = 'E x\\r\\n+OK', source = 'a\\r\\nb', line = '1\\r\\n2'})",
        "return redis.call('set', 'k', 'v', 'x\\r\\n+OK')",
        "return redis.call('x\\r\\n+OK')",
        "return redis.pcall('x\\r\\n+OK')",
        "return {double = 'x\\r\\n+OK'}",
        "redis.setresp(3) return {big_number = '1\\r\\n+OK'}",
        "redis.setresp(3) return {verbatim_string = {format = 't\\r\\n', string = 'x'}}",
    ] {
        for protocol in [2, 3] {
            c.ask(&format!("HELLO {protocol}"));
            c.call(&["EVAL", script, "0"]);
            assert_eq!(c.ask("ECHO next"), "$4\r\nnext\r\n", "{script}");
        }
    }
    let code =
        "#!lua name=l\nredis.register_function('f', function() return {err = 'E\\r\\n+OK'} end)";
    assert_eq!(c.call(&["FUNCTION", "LOAD", code]), b"$1\r\nl\r\n");
    assert!(c.ask("FCALL f 0").starts_with("-E"));
    assert_eq!(c.ask("ECHO next"), "$4\r\nnext\r\n");
}

/// CVE-2026-21863: the server read a packet of the cluster bus beyond its end.
#[test]
fn there_is_no_cluster_bus() {
    let server = Daemon::start(&[]);
    assert_eq!(server.info("cluster_enabled").as_deref(), Some("0"));
    if let Some(bus) = server.port().checked_add(10_000)
        && let Ok(mut socket) = TcpStream::connect(("127.0.0.1", bus))
    {
        // Another process may own the port.
        let limit = Some(Duration::from_millis(200));
        socket.set_read_timeout(limit).expect("a socket");
        let _ = socket.write_all(&[b"RCmb", &[0xff; 2252][..]].concat());
        let _ = socket.read(&mut [0; 16]);
    }
    lives(&server);
}

/// CVE-2026-23479: use after free of a client that was evicted while its blocked command ran again.
#[test]
fn clients_are_evicted_while_they_are_served() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for round in 0..5 {
        assert_eq!(c.ask("CONFIG SET maxmemory-clients 0"), "+OK\r\n");
        let mut blocked: Vec<Connection> = (0..20)
            .map(|_| {
                let mut blocked = server.connect();
                let mut sent = b"BLMOVE list to LEFT RIGHT 0\r\n".to_vec();
                sent.extend(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$900000\r\n");
                sent.resize(sent.len() + 600_000, b'v');
                blocked.send(&sent);
                blocked
            })
            .collect();
        wait_until("they wait", || {
            server.info("blocked_clients").as_deref() == Some("20")
        });
        // The memory limit and the awaited elements arrive in the same turn.
        let mut sent = b"MULTI\r\nCONFIG SET maxmemory-clients 1mb\r\nLPUSH list".to_vec();
        (0..20).for_each(|_| sent.extend(b" v"));
        sent.extend(b"\r\nEXEC\r\n");
        c.send(&sent);
        (0..4).for_each(|_| _ = c.reply());
        wait_until("all are gone or served", || {
            server.info("blocked_clients").as_deref() == Some("0")
        });
        lives(&server);
        let left: usize = ["LLEN list", "LLEN to"]
            .iter()
            .map(|line| c.ask(line)[1..].trim().parse::<usize>().expect("a number"))
            .sum();
        assert_eq!(left, 20, "{round}");
        blocked.clear();
        c.ask("DEL list to");
    }
}

/// CVE-2026-23631: a full sync in the middle of a script freed the script's state.
#[test]
fn there_is_no_replication() {
    let server = Daemon::start(&["--busy-reply-threshold", "1"]);
    let mut runs = server.connect();
    runs.send(b"EVAL \"while true do end\" 0\r\n");
    let mut c = server.connect();
    wait_until("it is busy", || c.ask("PING").starts_with("-BUSY"));
    for line in [
        "REPLICAOF 127.0.0.1 1",
        "SLAVEOF NO ONE",
        "PSYNC ? -1",
        "SYNC",
    ] {
        assert!(c.ask(line).starts_with('-'), "{line}");
    }
    assert_eq!(c.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(runs.reply().starts_with(b"-ERR"));
    lives(&server);
}

/// CVE-2026-25243: the server skipped a length in a needlessly long form as if it had the short
/// form.
#[test]
fn zipmaps_with_overlong_lengths() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for map in [
        &b"\x01\xfe\x03\0\0\0foo\x03\x00bar\xff"[..],
        b"\x01\x03foo\xfe\x03\0\0\0\x00bar\xff",
        b"\x02\x01a\x01\x00b\xfe\x01\0\0\0c\x01\x00d\xff",
        b"\xfe\xfe\xfd\0\0\0",
    ] {
        let payload = sealed([&[9, map.len() as u8], map].concat());
        for sanitize in ["no", "yes"] {
            c.ask(&format!("CONFIG SET sanitize-dump-payload {sanitize}"));
            assert_eq!(restore(&mut c, "h", &payload), BAD);
        }
    }
    assert_eq!(c.ask("EXISTS h"), ":0\r\n");
    lives(&server);
}

/// CVE-2026-25588, CVE-2026-25589: values of modules whose parsers trust the input.
#[test]
fn payloads_of_modules() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for kind in [6, 7] {
        for rest in [&b""[..], b"\x81TSDB-TYPE\x00", &[0xff; 64], &[0x02; 64]] {
            assert_eq!(restore(&mut c, "m", &sealed([&[kind], rest].concat())), BAD);
        }
    }
    lives(&server);
}

/// CVE-2026-27623: a request after an empty one triggered an assertion.
#[test]
fn requests_behind_empty_ones() {
    let server = Daemon::start(&[]);
    let large = [
        &b"*2\r\n$4\r\nECHO\r\n$100000\r\n"[..],
        &[b'e'; 100_000],
        b"\r\n",
    ]
    .concat();
    let echoed = [&b"$100000\r\n"[..], &[b'e'; 100_000], b"\r\n"].concat();
    for empty in [
        &b"*0\r\n"[..],
        b"*-1\r\n",
        b"\r\n",
        b"   \r\n",
        b"*0\r\n\r\n*-1\r\n",
    ] {
        let mut c = server.connect();
        for _ in 0..3 {
            c.send(&[empty, b"PING\r\n", empty, &large].concat());
            assert_eq!(c.reply(), b"+PONG\r\n");
            assert!(c.reply() == echoed);
            // In pieces, too.
            for piece in [empty, &large[..50], &large[50..]] {
                c.send(piece);
                std::thread::yield_now();
            }
            assert!(c.reply() == echoed);
        }
    }
    lives(&server);
}

/// CVE-2026-63639: a pending entry of two consumers of a group was freed twice.
#[test]
fn streams_whose_consumers_share_an_entry() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for line in [
        "XADD s 1-1 f v",
        "XADD s 2-1 f v",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g a COUNT 1 STREAMS s >",
        "XREADGROUP GROUP g b COUNT 1 STREAMS s >",
    ] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    let dumped = bulk(&c.call(&["DUMP", "s"]));
    let payload = &dumped[..dumped.len() - 10];
    let id = |ms: u64| [ms.to_be_bytes(), 1u64.to_be_bytes()].concat();
    let at = payload.windows(16).rposition(|bytes| bytes == id(2));
    let at = at.expect("b's entry stands at the end");
    for other in [id(1), id(3), id(0)] {
        let mut shared = payload.to_vec();
        shared[at..at + 16].copy_from_slice(&other);
        for sanitize in ["no", "yes"] {
            c.ask(&format!("CONFIG SET sanitize-dump-payload {sanitize}"));
            assert_eq!(restore(&mut c, "t", &sealed(shared.clone())), BAD);
        }
    }
    assert_eq!(restore(&mut c, "t", &sealed(payload.to_vec())), b"+OK\r\n");
    assert_eq!(c.ask("XGROUP DELCONSUMER t g a"), ":1\r\n");
    assert_eq!(c.ask("DEL t"), ":1\r\n");
    lives(&server);
}
