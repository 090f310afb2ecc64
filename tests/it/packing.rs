//! Cold strings packed in memory by `compress-values`: memory falls, nothing else changes.

use std::time::{Duration, Instant};

use crate::support::wait::wait_within;
use crate::support::{Connection, Daemon};

/// A walk, a training and another walk follow each other, each a second after the last.
const LIMIT: Duration = Duration::from_secs(60);

const KEYS: usize = 20_000;

fn fill(c: &mut Connection) {
    for n in 0..KEYS {
        let text = format!(
            "{{\"session\":{{\"user\":\"user.{n}\",\"plan\":\"basic\",\"seats\":{},\"since\":\"2024-{:02}-11\"}},\
             \"cart\":[{{\"sku\":\"A-{}\",\"count\":{},\"price\":\"19.90\",\"currency\":\"EUR\"}}],\
             \"flags\":[\"beta\",\"newsletter\",\"returning\"],\"theme\":\"dark\",\"language\":\"en\"}}",
            n * 7 % 31,
            n % 12 + 1,
            n * 7919 % 10_007,
            n % 9
        );
        assert_eq!(c.ask(&format!("SET session:{n} {text}")), "+OK\r\n");
    }
}

fn number(server: &Daemon, field: &str) -> u64 {
    let text = server.info(field).expect("INFO has it");
    text.parse().expect("a number")
}

#[test]
fn cold_strings_take_less_memory_and_are_read_as_before() {
    let server = Daemon::start(&[
        "--enable-debug-command",
        "yes",
        "--compress-idle-seconds",
        "0",
    ]);
    let mut c = server.connect();
    fill(&mut c);
    let (digest, used) = (c.ask("DEBUG DIGEST"), number(&server, "used_memory"));
    assert_eq!(number(&server, "packed_keys"), 0);
    assert_eq!(c.ask("CONFIG SET compress-values yes"), "+OK\r\n");
    wait_within(LIMIT, "all are packed", || {
        number(&server, "packed_keys") == KEYS as u64
    });
    assert_eq!(c.ask("CONFIG SET compress-values no"), "+OK\r\n");
    let saved = used.saturating_sub(number(&server, "used_memory"));
    assert!(saved > KEYS as u64 * 100, "{saved} of {used}");
    assert!(number(&server, "packed_bytes") * 2 < number(&server, "packed_raw_bytes"));
    assert_eq!(number(&server, "packed_dictionaries"), 1);
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
    assert_eq!(c.ask("MEMORY UNPACK"), format!(":{KEYS}\r\n"));
    wait_within(LIMIT, "all are text again", || {
        number(&server, "packed_keys") == 0
    });
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
    wait_within(LIMIT, "the dictionary is gone", || {
        number(&server, "packed_dictionaries") == 0
    });
    let used_again = number(&server, "used_memory");
    assert!(used_again.abs_diff(used) < used / 20, "{used_again} {used}");
    assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
}

#[test]
fn auto_packs_only_above_its_share_of_maxmemory() {
    let server = Daemon::start(&[
        "--enable-debug-command",
        "yes",
        "--compress-values",
        "auto",
        "--maxmemory",
        "1gb",
    ]);
    let mut c = server.connect();
    fill(&mut c);
    let digest = c.ask("DEBUG DIGEST");
    let used = number(&server, "used_memory");
    assert_eq!(number(&server, "packed_keys"), 0);
    // The ages that `auto` chooses are 30 seconds or more: an older clock is restored.
    for n in 0..KEYS {
        let payload = c.call(&[&b"DUMP"[..], format!("session:{n}").as_bytes()]);
        let start = payload.iter().position(|&b| b == b'\n').expect("a header") + 1;
        let payload = &payload[start..payload.len() - 2];
        let key = format!("session:{n}");
        let words: [&[u8]; 7] = [
            b"RESTORE",
            key.as_bytes(),
            b"0",
            payload,
            b"REPLACE",
            b"IDLETIME",
            b"100",
        ];
        assert_eq!(c.call(&words), b"+OK\r\n");
    }
    assert_eq!(
        c.ask(&format!("CONFIG SET maxmemory {}", used + used / 20)),
        "+OK\r\n"
    );
    wait_within(LIMIT, "some are packed", || {
        number(&server, "packed_total") > 100
    });
    wait_within(LIMIT, "memory is below the share", || {
        number(&server, "used_memory") * 100 < (used + used / 20) * 85
    });
    assert_eq!(number(&server, "evicted_keys"), 0);
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
}

/// Sessions of some 700 bytes, which shrink to a third with a dictionary.
fn fill_sessions(c: &mut Connection, many: usize) {
    for n in 0..many {
        let id = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let text = format!(
            "{{\"cookie\":{{\"originalMaxAge\":86400000,\"expires\":\"2026-{:02}-{:02}T10:{:02}:00.000Z\",\
             \"httpOnly\":true,\"path\":\"/\",\"sameSite\":\"lax\",\"secure\":true}},\
             \"passport\":{{\"user\":{{\"id\":{},\"email\":\"user.{n}@mail{}.example\",\"roles\":[\"customer\",\
             \"newsletter\"],\"locale\":\"en_GB\",\"currency\":\"EUR\"}}}},\"csrfSecret\":\"{id:016x}\",\
             \"cart\":[{{\"sku\":\"A-{}\",\"name\":\"Trousers.of.linen\",\"count\":{},\"price\":\"{}.90\"}},\
             {{\"sku\":\"B-{}\",\"name\":\"Shirt.of.cotton\",\"count\":{},\"price\":\"{}.50\"}}],\
             \"flash\":{{}},\"lastSeen\":\"/products/{}/details?ref=mail\",\"views\":{},\
             \"experiments\":{{\"checkout\":\"b\",\"search\":\"a\",\"banner\":\"c\"}}}}",
            n % 12 + 1,
            n % 28 + 1,
            n % 60,
            n * 31,
            n % 97,
            n * 7919 % 10_007,
            n % 9,
            n % 83,
            n * 6007 % 10_007,
            n % 7,
            n % 61,
            n * 17 % 4001,
            n % 1009,
        );
        assert_eq!(c.ask(&format!("SET session:{n} {text}")), "+OK\r\n");
    }
}

/// Data of 2.5 times `maxmemory` in a file is loaded into a server that packs, without a key lost,
/// and memory stays at the limit; the plain load is beside it.
#[test]
fn data_that_fits_only_packed_is_packed_while_it_is_loaded() {
    const MANY: usize = 60_000;
    let plain = ["--save", "", "--enable-debug-command", "yes"];
    for log in ["no", "yes"] {
        let mut server = Daemon::start(&[&plain[..], &["--appendonly", log]].concat());
        let mut c = server.connect();
        fill_sessions(&mut c, MANY);
        let (digest, used) = (c.ask("DEBUG DIGEST"), number(&server, "used_memory"));
        if log == "yes" {
            assert!(c.ask("BGREWRITEAOF").starts_with('+'));
            wait_within(LIMIT, "the base is written", || {
                number(&server, "aof_rewrite_in_progress") == 0
            });
        } else {
            assert_eq!(c.ask("SAVE"), "+OK\r\n");
        }
        drop(c);
        let began = Instant::now();
        server.restart();
        let plainly = began.elapsed();
        let limit = used * 2 / 5;
        let mut args: Vec<String> = plain.iter().map(|arg| arg.to_string()).collect();
        let packs = ["--appendonly", log, "--compress-values", "auto"];
        args.extend(packs.map(str::to_owned));
        args.extend(["--maxmemory".to_owned(), limit.to_string()]);
        server.set_args(&args);
        let began = Instant::now();
        server.restart();
        let took = began.elapsed();
        let (used, peak) = (
            number(&server, "used_memory"),
            number(&server, "used_memory_peak"),
        );
        println!(
            "log {log}: plain {plainly:?}, packed {took:?}, limit {limit}, used {used}, peak {peak}"
        );
        let mut c = server.connect();
        assert_eq!(c.ask("DBSIZE"), format!(":{MANY}\r\n"));
        assert_eq!(c.ask("DEBUG DIGEST"), digest);
        assert_eq!(number(&server, "evicted_keys"), 0);
        assert!(peak < limit / 100 * 110, "{peak} of {limit}");
        assert!(used <= limit, "{used} of {limit}");
        assert!(number(&server, "packed_keys") > MANY as u64 / 2);
    }
}

/// The same at a replica, which gets the data from its primary; `swapdb` keeps old data beside it.
#[test]
fn a_replica_packs_what_it_receives() {
    const MANY: usize = 60_000;
    let primary = Daemon::start(&[
        "--enable-debug-command",
        "yes",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let mut c = primary.connect();
    fill_sessions(&mut c, MANY);
    let (digest, used) = (c.ask("DEBUG DIGEST"), number(&primary, "used_memory"));
    let limit = (used * 2 / 5).to_string();
    for diskless in ["disabled", "swapdb"] {
        let replica = Daemon::start(&[
            "--enable-debug-command",
            "yes",
            "--compress-values",
            "yes",
            "--maxmemory",
            &limit,
            "--repl-diskless-load",
            diskless,
            "--replicaof",
            &format!("127.0.0.1 {}", primary.port()),
        ]);
        wait_within(LIMIT, "the copy is there", || {
            replica.info("master_link_status").as_deref() == Some("up")
        });
        assert_eq!(replica.connect().ask("DEBUG DIGEST"), digest);
        assert!(number(&replica, "packed_keys") > MANY as u64 / 2);
        let peak = number(&replica, "used_memory_peak");
        let limit: u64 = limit.parse().expect("a number");
        println!("{diskless}: limit {limit}, peak {peak}");
        // Bytes of the link that wait to be loaded, in a buffer that has doubled.
        let waiting = 12 << 20;
        assert!(peak < limit / 100 * 115 + waiting, "{peak} of {limit}");
    }
}

/// A value of one of three kinds, with what differs between values made by a seeded generator.
fn value_of(kind: &str, n: u64) -> String {
    let mut seed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |most: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % most
    };
    match kind {
        "session" => format!(
            "{{\"cookie\":{{\"maxAge\":86400,\"httpOnly\":true,\"path\":\"/\",\"sameSite\":\"lax\"}},\
             \"user\":{{\"id\":{},\"roles\":[\"customer\",\"newsletter\"],\"locale\":\"en_GB\"}},\
             \"csrfSecret\":\"{:016x}\",\"flash\":[],\"lastSeen\":\"/account/orders/{}\",\"views\":{}}}",
            next(1_000_000),
            next(u64::MAX),
            next(9000),
            next(500)
        ),
        "product" => format!(
            "{{\"sku\":\"P-{}\",\"title\":\"Linen.trousers\",\"category\":[\"clothes\",\"summer\"],\
             \"price\":{{\"amount\":{},\"currency\":\"EUR\",\"vat\":19}},\"stock\":{{\"berlin\":{},\"paris\":{}}},\
             \"delivery\":\"two.to.three.days\",\"rating\":{{\"stars\":{},\"votes\":{}}},\"returnable\":true}}",
            next(1_000_000),
            next(20_000),
            next(900),
            next(900),
            next(5),
            next(3000)
        ),
        _ => format!(
            "<article.class=\"teaser.teaser--wide\"><header><h2.id=\"t{}\">News.of.the.day</h2><time>{}:{}</time>\
             </header><p.class=\"teaser__text\">Read.{}.comments.of.our.readers</p><footer><a.href=\"/articles/{}\"\
             .class=\"button.button--primary\">Continue.reading</a></footer></article>",
            next(1_000_000),
            next(24),
            next(60),
            next(400),
            next(1_000_000)
        ),
    }
}

/// Each prefix has a dictionary of its own, or the common one serves it as well; an excluded prefix
/// is left alone, and FLUSHALL forgets all.
#[test]
fn prefixes_are_judged_against_the_common_dictionary() {
    const MANY: u64 = 1500;
    let packed = |dictionaries: &str| {
        let server = Daemon::start(&[
            "--compress-idle-seconds",
            "0",
            "--compress-dictionaries",
            dictionaries,
            "--compress-exclude",
            "secret:",
        ]);
        let mut c = server.connect();
        for n in 0..MANY {
            for kind in ["session", "product", "html"] {
                let value = value_of(kind, n);
                assert_eq!(c.ask(&format!("SET {kind}:{n} {value}")), "+OK\r\n");
            }
        }
        for n in 0..500 {
            let value = value_of("session", n);
            assert_eq!(c.ask(&format!("SET secret:{n} {value}")), "+OK\r\n");
        }
        assert_eq!(c.ask("CONFIG SET compress-values yes"), "+OK\r\n");
        wait_within(LIMIT, "all but the secrets are packed", || {
            number(&server, "packed_keys") == 3 * MANY
        });
        let own = number(&server, "packed_prefix_dictionaries");
        let rejected = number(&server, "packed_dictionaries_rejected");
        assert_eq!(number(&server, "packed_dictionaries"), own + 1);
        let (bytes, raw) = (
            number(&server, "packed_bytes"),
            number(&server, "packed_raw_bytes"),
        );
        println!("{own} prefixes: {bytes} of {raw}");
        assert_eq!(c.ask("FLUSHALL SYNC"), "+OK\r\n");
        wait_within(LIMIT, "the dictionaries are gone", || {
            number(&server, "packed_dictionaries") == 0
        });
        (own + rejected, bytes)
    };
    let (none, common) = packed("0");
    let (judged, each) = packed("64");
    assert_eq!((none, judged), (0, 3));
    assert!(each * 100 < common * 110, "{each} {common}");
}
