//! The short way past the gates.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::Pause;

#[test]
fn a_limit_that_is_not_reached_and_a_pause_of_writes_leave_readers_the_short_way() {
    let mut t = Testbed::unheard();
    let concerns = |t: &Testbed, name: &[u8]| {
        let flags = t.engine.server.table.find(name).expect("a row").spec.flags;
        t.engine.server.gates.interest.concerns(flags)
    };
    assert!(!concerns(&t, b"get") && !concerns(&t, b"set") && concerns(&t, b"config"));
    t.run("CONFIG SET maxmemory 100gb");
    assert!(!concerns(&t, b"get") && !concerns(&t, b"set"));
    let pause = |all| Pause {
        until_ms: u64::MAX,
        all,
    };
    t.engine
        .server
        .change_pause(|gates| gates.client_pause = Some(pause(false)));
    assert!(!concerns(&t, b"get") && concerns(&t, b"set") && concerns(&t, b"exec"));
    t.engine
        .server
        .change_pause(|gates| gates.client_pause = Some(pause(true)));
    assert!(concerns(&t, b"get"));
    t.engine
        .server
        .change_pause(|gates| gates.client_pause = None);
    assert!(!concerns(&t, b"get"));
}
