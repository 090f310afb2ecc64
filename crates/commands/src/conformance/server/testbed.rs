//! The testbed itself: units, events, watched and expired keys.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::inside::KeyEvent;

#[test]
fn a_transaction_states_its_effects_as_one_unit() {
    let mut t = Testbed::new();
    assert_eq!(t.run("MULTI"), "+OK\r\n");
    assert_eq!(t.run("SET a 1"), "+QUEUED\r\n");
    assert_eq!(t.run("INCR a"), "+QUEUED\r\n");
    assert_eq!(t.take_effects(), Vec::<String>::new());
    assert_eq!(t.run("EXEC"), "*2\r\n+OK\r\n:2\r\n");
    assert_eq!(t.take_units()[0].len(), 2);
}

#[test]
fn events_report_changes_in_order() {
    let mut t = Testbed::new();
    t.run("MULTI");
    t.run("SET a 1 EX 10");
    t.run("LPUSH l x");
    t.run("LPOP l");
    t.run("EXEC");
    let event = |e: &KeyEvent| format!("{} {}", e.event, String::from_utf8_lossy(&e.key));
    let events: Vec<String> = t.take_events().iter().map(event).collect();
    let wanted = [
        "new a", "set a", "expire a", "new l", "lpush l", "lpop l", "del l",
    ];
    assert_eq!(events, wanted);
}

#[test]
fn a_touched_key_stops_its_watcher() {
    let mut t = Testbed::new();
    let other = t.connect();
    t.run("WATCH a");
    t.run("MULTI");
    t.run("SET b 1");
    t.run_as(other, "SET a 2");
    assert_eq!(t.run("EXEC"), "*-1\r\n");
    assert_eq!(t.run("GET b"), "$-1\r\n");
}

#[test]
fn a_key_that_expires_on_access_is_deleted_for_everybody() {
    let mut t = Testbed::new();
    t.run("SET a 1 PX 100");
    t.take_effects();
    t.advance_ms(101);
    assert_eq!(t.run("GET a"), "$-1\r\n");
    assert_eq!(t.take_effects(), ["DEL a"]);
}
