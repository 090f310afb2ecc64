//! Hot keys: sessions, windows, and the bytes of each key.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};

#[test]
fn without_a_session_nobody_looks_at_commands() {
    let mut t = Testbed::new();
    assert!(!t.engine.server.gates.is_observed);
    assert_eq!(t.run("HOTKEYS START METRICS 1 CPU DURATION 1"), "+OK\r\n");
    assert!(t.engine.server.gates.is_observed);
    t.advance_ms(1500);
    t.engine.server.end_due_hotkeys();
    assert!(!t.engine.server.gates.is_observed);
    let session = t.engine.server.hotkeys().expect("what was found stays");
    assert_eq!(session.lasted_ms(u64::MAX), 1000);
}

#[test]
fn windows_report_the_last_full_one() {
    let mut t = Testbed::new();
    assert_eq!(t.run("HOTKEYS GET"), "$-1\r\n");
    t.run("CONFIG SET hotkey-top-k 2 hotkey-window-seconds 1 hotkey-sampling-percentage 100");
    assert!(t.engine.server.gates.is_observed);
    for _ in 0..5 {
        t.run("GET hot");
    }
    t.run("SET warm 1");
    t.run("SET warm 1");
    t.run("SET cold 1");
    assert_eq!(t.run("HOTKEYS GET"), "*0\r\n");
    t.advance_ms(1000);
    let entry = |key: &str, qps: u32| {
        let len = key.len();
        format!("*6\r\n$3\r\nkey\r\n${len}\r\n{key}\r\n$2\r\ndb\r\n:0\r\n$3\r\nqps\r\n:{qps}\r\n")
    };
    let wanted = format!("*2\r\n{}{}", entry("hot", 5), entry("warm", 2));
    assert_eq!(t.run("HOTKEYS GET"), wanted);
    // A session answers in Redis's form until it is reset.
    t.run("HOTKEYS START METRICS 1 CPU");
    assert!(t.run("HOTKEYS GET").contains("tracking-active"));
    t.run("HOTKEYS STOP");
    t.run("HOTKEYS RESET");
    assert_eq!(t.run("HOTKEYS GET"), "*0\r\n");
    t.run("CONFIG SET hotkey-top-k 0");
    assert!(!t.engine.server.gates.is_observed);
}

#[test]
fn bytes_go_to_the_keys_that_a_command_names() {
    let mut t = Testbed::new();
    t.run("HOTKEYS START METRICS 1 NET");
    t.run("SET hot 12345678901234567890");
    t.run("MGET hot cold");
    t.run("EVAL return(redis.call('set',KEYS[1],1)) 1 scripted");
    t.run("PING");
    assert_eq!(t.run("HOTKEYS STOP"), "+OK\r\n");
    let session = t.engine.server.hotkeys().expect("it has been");
    let net = session.net.as_ref().expect("wanted");
    let names: Vec<Vec<u8>> = net.top(10).into_iter().map(|(k, _)| k.to_vec()).collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names[0], b"hot");
    assert!(net.total() <= session.all.bytes && net.total() + 3 > session.all.bytes);
}
