//! Cold strings packed in memory by `compress-values`: memory falls, nothing else changes.

use crate::support::{Connection, Daemon, wait_until};

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
    wait_until("all are packed", || {
        number(&server, "packed_keys") == KEYS as u64
    });
    assert_eq!(c.ask("CONFIG SET compress-values no"), "+OK\r\n");
    let saved = used.saturating_sub(number(&server, "used_memory"));
    assert!(saved > KEYS as u64 * 100, "{saved} of {used}");
    assert!(number(&server, "packed_bytes") * 2 < number(&server, "packed_raw_bytes"));
    assert_eq!(number(&server, "packed_dictionaries"), 1);
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
    assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
    assert_eq!(number(&server, "packed_keys"), 0);
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
    wait_until("some are packed", || number(&server, "packed_total") > 100);
    wait_until("memory is below the share", || {
        number(&server, "used_memory") * 100 < (used + used / 20) * 85
    });
    assert_eq!(number(&server, "evicted_keys"), 0);
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
}
