//! Readiness, as probes ask for it.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::inside::Readiness;

#[test]
fn a_server_that_refuses_writes_is_not_ready() {
    let mut t = Testbed::new();
    let ready = |t: &Testbed| Readiness::of(&t.engine.server);
    assert_eq!(ready(&t).to_string(), "ok\n");
    t.engine.server.persist.saving.last_status_ok = false;
    assert_eq!(
        ready(&t).to_string(),
        "the last snapshot failed, writes are refused\n"
    );
    t.run("CONFIG SET stop-writes-on-bgsave-error no");
    assert!(ready(&t).is_ready());
}

#[test]
fn a_replica_without_its_primary_is_not_ready() {
    let mut t = Testbed::new();
    t.run("REPLICAOF 10.0.0.1 6379");
    let down = "the link to the primary is down\n";
    assert_eq!(Readiness::of(&t.engine.server).to_string(), down);
    let server = &mut t.engine.server;
    let upstream = server.replication.upstream.as_mut().expect("a replica");
    upstream.core.set_online(server.now.mono_ms);
    assert!(Readiness::of(server).is_ready());
}
