//! Where commands run.
//!
//! Claims: an open slot answers ASK or TRYAGAIN by the keys that are here; a replica serves reads
//! of clients that sent READONLY; while the cluster is not well the settings decide whether reads
//! and shard channels are served; CLUSTER SLOTS, SHARDS and redirects name hosts as Redis and
//! Valkey do.
//!
//! Elsewhere: the slot of a command's keys (`server::execution::gates::slots`).

use super::net::Net;
use crate::settings::Endpoint;
use crate::{Keys, Redirect, Request, Viewer};
use russet_config::Dialect::{Redis, Valkey};

fn request(slot: u16, keys: &dyn Fn() -> Keys) -> Request<'_> {
    Request {
        slot,
        is_write: true,
        is_shard_pubsub: false,
        is_asking: false,
        is_readonly: false,
        is_migrate: false,
        has_several_keys: false,
        keys,
    }
}

fn line(net: &Net, at: usize, request: &Request<'_>) -> String {
    match net.nodes[at].core.route(request) {
        Ok(()) => "here".into(),
        Err(redirect) => {
            let line = net.nodes[at]
                .core
                .redirect_line(redirect, Viewer::default());
            String::from_utf8(line).expect("text")
        }
    }
}

#[test]
fn an_open_slot_sends_clients_to_the_other_side() {
    let mut net = Net::cluster(Redis, 2, 0);
    let [source, target] = [0, 1].map(|at| net.id(at));
    net.ok(1, &format!("SETSLOT 7 IMPORTING {source}"));
    net.ok(0, &format!("SETSLOT 7 MIGRATING {target}"));
    let all = request(7, &|| Keys::All);
    assert_eq!(line(&net, 0, &all), "here");
    assert_eq!(
        line(&net, 0, &request(7, &|| Keys::None)),
        "ASK 7 10.0.0.1:7001"
    );
    let some = request(7, &|| Keys::Some);
    assert_eq!(
        line(&net, 0, &some),
        "TRYAGAIN Multiple keys request during rehashing of slot"
    );
    assert_eq!(line(&net, 1, &all), "MOVED 7 10.0.0.0:7000");
    let asking = Request {
        is_asking: true,
        ..request(7, &|| Keys::None)
    };
    assert_eq!(line(&net, 1, &asking), "here");
    let several = Request {
        is_asking: true,
        has_several_keys: true,
        ..request(7, &|| Keys::Some)
    };
    assert_eq!(net.nodes[1].core.route(&several), Err(Redirect::TryAgain));
    let migrate = Request {
        is_migrate: true,
        ..request(7, &|| Keys::None)
    };
    assert_eq!(line(&net, 0, &migrate), "here");
}

#[test]
fn a_replica_serves_reads_of_readonly_clients() {
    for dialect in [Redis, Valkey] {
        let net = Net::cluster(dialect, 2, 2);
        let write = request(7, &|| Keys::All);
        assert_eq!(line(&net, 2, &write), "MOVED 7 10.0.0.0:7000");
        let read = Request {
            is_write: false,
            is_readonly: true,
            ..request(7, &|| Keys::All)
        };
        assert_eq!(line(&net, 2, &read), "here");
        assert_eq!(line(&net, 3, &read), "MOVED 7 10.0.0.0:7000");
        let shard = Request {
            is_write: false,
            is_shard_pubsub: true,
            ..request(7, &|| Keys::All)
        };
        assert_eq!(line(&net, 2, &shard), "here");
    }
}

#[test]
fn a_cluster_that_is_down_reports_how_far() {
    let mut net = Net::cluster(Redis, 2, 0);
    net.ok(0, "DELSLOTS 9");
    let unbound = request(9, &|| Keys::All);
    assert_eq!(line(&net, 0, &unbound), "CLUSTERDOWN Hash slot not served");
    let write = request(7, &|| Keys::All);
    assert_eq!(line(&net, 0, &write), "CLUSTERDOWN The cluster is down");
    let shard = Request {
        is_shard_pubsub: true,
        ..request(7, &|| Keys::All)
    };
    assert_eq!(line(&net, 0, &shard), "here");
    let now = net.clocks();
    let mut settings = super::net::settings(Redis, 0);
    settings.allow_reads_when_down = true;
    net.nodes[0].core.set_settings(now, settings);
    let down = "CLUSTERDOWN The cluster is down and only accepts read commands";
    assert_eq!(line(&net, 0, &write), down);
    let read = Request {
        is_write: false,
        ..request(7, &|| Keys::All)
    };
    assert_eq!(line(&net, 0, &read), "here");
    assert!(!net.nodes[0].core.serves(7));
}

/// As Redis 8.10.2 and Valkey 9.1.2: SLOTS has null, SHARDS an empty text, and a redirect no host.
/// Without a hostname both have `?`.
#[test]
fn an_endpoint_that_is_not_to_be_known_is_null_or_empty() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 2, 0);
        let now = net.clocks();
        let set = |net: &mut Net, endpoint| {
            let mut settings = super::net::settings(dialect, 0);
            settings.endpoint = endpoint;
            net.nodes[0].core.set_settings(now, settings);
        };
        set(&mut net, Endpoint::Unknown);
        let shards = net.command(0, "SHARDS");
        assert_eq!(
            shards.matches("$8\r\nendpoint\r\n$0\r\n\r\n").count(),
            2,
            "{shards}"
        );
        assert!(
            shards.contains("$2\r\nip\r\n$8\r\n10.0.0.0\r\n"),
            "{shards}"
        );
        let slots = net.command(0, "SLOTS");
        assert!(
            slots.starts_with("*2\r\n*3\r\n:0\r\n:8191\r\n*4\r\n$-1\r\n:7000\r\n"),
            "{slots}"
        );
        let other = request(16_383, &|| Keys::All);
        assert_eq!(line(&net, 0, &other), "MOVED 16383 :7001");
        set(&mut net, Endpoint::Hostname);
        let shards = net.command(0, "SHARDS");
        assert_eq!(
            shards.matches("$8\r\nendpoint\r\n$1\r\n?\r\n").count(),
            2,
            "{shards}"
        );
        assert!(
            net.command(0, "SLOTS")
                .contains("*4\r\n$1\r\n?\r\n:7000\r\n")
        );
        assert_eq!(line(&net, 0, &other), "MOVED 16383 ?:7001");
    }
}

#[test]
fn the_map_for_clients_follows_each_change() {
    let mut net = Net::cluster(Redis, 2, 1);
    let before = net.command(0, "SLOTS");
    assert_eq!(net.command(0, "SLOTS"), before);
    assert!(
        before.starts_with("*2\r\n*4\r\n:0\r\n:8191\r\n*4\r\n$8\r\n10.0.0.0\r\n:7000\r\n"),
        "{before}"
    );
    net.kill(2);
    net.run(5000);
    let after = net.command(0, "SLOTS");
    assert!(after.starts_with("*2\r\n*3\r\n:0\r\n:8191\r\n"), "{after}");
}
