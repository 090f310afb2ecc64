//! Requests of HTTP that come to a port of commands.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::ClientFlags;

#[test]
fn an_http_request_closes_its_client_before_its_body_runs() {
    for first_line in ["POST / HTTP/1.1", "host: localhost", "Host:"] {
        let mut t = Testbed::new();
        let browser = t.connect();
        assert_eq!(t.run_as(browser, first_line), "", "{first_line}");
        let session = t
            .engine
            .server
            .clients
            .get(browser)
            .expect("until the turn ends");
        assert!(session.client.flags.contains(ClientFlags::CLOSE_ASAP));
        assert!(t.engine.server.diagnostics.http_reported_ms.is_some());
    }
}
