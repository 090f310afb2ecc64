//! The core's state as others see it: JSON for scripts, figures for metrics, failed connections in
//! the log, addresses of names for clients.

use serde_json::{Value, json};

use super::situations::{failed_over_with_scripts, settled};
use super::world::{NAME, World};
use crate::discovery::seen::Status;

#[test]
fn scripts_read_one_line_of_json() {
    let mut world = failed_over_with_scripts();
    world.run_ms(5_000);
    let my_id = String::from_utf8(world.core(0).shared.my_id.clone()).expect("UTF-8");
    let inputs = world.inputs.iter().filter(|(by, _)| *by == 0);
    let inputs: Vec<&str> = inputs.map(|(_, input)| input.as_str()).collect();
    let input_of = |name: &str| {
        let mut inputs = inputs.iter();
        let found = inputs.find(|input| input.contains(name));
        *found.unwrap_or_else(|| panic!("no {name} in {inputs:?}"))
    };
    let sdown = input_of("\"+sdown\"");
    let time = serde_json::from_str::<Value>(sdown).expect("JSON")["time_ms"].clone();
    assert!(time.as_i64().is_some_and(|time| time > 1_000_000));
    let expected = format!(
        "{{\"kind\":\"event\",\"event\":\"+sdown\",\"level\":\"warning\",\
         \"text\":\"master mymaster 10.0.0.1 6379\",\"time_ms\":{time},\
         \"sentinel\":{{\"run_id\":\"{my_id}\",\"epoch\":0}},\
         \"primary\":{{\"name\":\"mymaster\",\"ip\":\"10.0.0.1\",\"port\":6379}},\
         \"instance\":{{\"type\":\"master\",\"name\":\"mymaster\",\"ip\":\"10.0.0.1\",\"port\":6379}}}}\n"
    );
    assert_eq!(sdown, expected);
    let switch: Value = serde_json::from_str(input_of("\"+switch-master\"")).expect("JSON");
    assert_eq!(switch["text"], "mymaster 10.0.0.1 6379 10.0.0.2 6379");
    assert_eq!(switch["instance"], Value::Null, "it names two");
    let down: Vec<Value> = world
        .inputs
        .iter()
        .map(|(_, input)| serde_json::from_str(input).expect("JSON"))
        .filter(|event: &Value| event["event"] == "+sdown")
        .collect();
    let old = json!({"type": "slave", "name": "10.0.0.1:6379", "ip": "10.0.0.1", "port": 6379});
    assert!(down.iter().any(|event| event["instance"] == old));
    let reconf = input_of("\"reconfig\"");
    let value: Value = serde_json::from_str(reconf).expect("JSON");
    let (role, time) = (&value["role"], &value["time_ms"]);
    assert!(role == "leader" || role == "observer");
    let expected = format!(
        "{{\"kind\":\"reconfig\",\"primary\":\"mymaster\",\"role\":{role},\"state\":\"start\",\
         \"from\":{{\"ip\":\"10.0.0.1\",\"port\":6379}},\"to\":{{\"ip\":\"10.0.0.2\",\"port\":6379}},\
         \"time_ms\":{time},\"epoch\":1}}\n"
    );
    assert_eq!(reconf, expected);
}

#[test]
fn each_primary_is_seen_with_its_numbers() {
    let mut world = settled(3, 3, 2);
    world.run_ms(3_000);
    let seen = world.core(0).primaries_seen().next().expect("a primary");
    assert_eq!(
        (seen.name, seen.host, seen.port),
        (NAME, &b"10.0.0.1"[..], 6379)
    );
    assert_eq!((seen.status, seen.status.name()), (Status::Ok, "ok"));
    assert_eq!((seen.sentinels, seen.sentinels_usable), (3, 3));
    assert_eq!((seen.replicas, seen.replicas_usable), (2, 2));
    assert!(seen.quorum == 2 && seen.reach.is_enough() && !seen.is_in_failover);
    assert_eq!((seen.config_epoch, seen.failovers), (0, 0));
    assert!(seen.last_ok_ping_ms < 1_500, "{}", seen.last_ok_ping_ms);
    let settings = (seen.failover_timeout_ms, seen.parallel_syncs);
    assert_eq!(
        settings,
        (
            world.core(0).primaries[NAME].settings.failover_timeout_ms,
            1
        )
    );
    world.crash(1);
    world.crash(2);
    world.stop_node(0);
    world.run_ms(6_000);
    let seen = world.core(0).primaries_seen().next().expect("a primary");
    assert_eq!(seen.status, Status::Sdown);
    assert_eq!((seen.sentinels, seen.sentinels_usable), (3, 1));
    assert_eq!((seen.replicas, seen.replicas_usable), (2, 0));
    assert!(!seen.reach.is_enough());
    assert!(seen.last_ok_ping_ms > 5_000, "{}", seen.last_ok_ping_ms);
    world.start(1);
    let moved = |world: &World| {
        let mut seen = world.core(0).primaries_seen();
        seen.all(|seen| seen.failovers == 1 && seen.config_epoch > 0)
    };
    assert!(world.run_until(90_000, moved));
    world.command(0, "SENTINEL REMOVE mymaster");
    assert_eq!(world.core(0).primaries_seen().count(), 0);
}

#[test]
fn connections_that_do_not_come_about_are_events_for_debugging() {
    let mut world = settled(2, 2, 2);
    let from = world.now;
    world.stop_node(1);
    world.run_ms(3_000);
    let mut texts = world.machines[0].debug.iter();
    for channel in ["-cmd-link-reconnection", "-pubsub-link-reconnection"] {
        let (at, _, text) = texts.find(|event| event.1 == channel).expect("an event");
        let expected =
            "slave 10.0.0.2:6379 10.0.0.2 6379 @ mymaster 10.0.0.1 6379 #Connection refused";
        assert!(*at >= from && text == expected, "{text}");
    }
}

#[test]
fn a_name_is_looked_up_when_it_is_to_be_watched() {
    let mut world = World::new(1, 3, 1, 1);
    let refused = "-ERR Invalid IP address or hostname specified\r\n";
    let monitor = "SENTINEL MONITOR other node2 6379 1";
    assert_eq!(world.command(0, monitor), refused, "names are not resolved");
    world.machines[0]
        .core
        .as_mut()
        .expect("running")
        .shared
        .globals
        .resolve_hostnames = true;
    let unknown = "SENTINEL MONITOR other nowhere 6379 1";
    assert_eq!(world.command(0, unknown), refused);
    let unknown = "SENTINEL MONITOR mymaster nowhere 99999 1";
    assert_eq!(
        world.command(0, unknown),
        refused,
        "before the other refusals"
    );
    assert_eq!(world.command(0, monitor), "+OK\r\n");
    let ask = "SENTINEL get-master-addr-by-name other";
    let reply = "*2\r\n$8\r\n10.0.0.2\r\n$4\r\n6379\r\n";
    assert_eq!(world.command(0, ask), reply, "at once");
    // Another Sentinel may ask by a name that is not known here yet.
    let id = String::from_utf8(world.core(0).shared.my_id.clone()).expect("UTF-8");
    let ask = format!("SENTINEL is-master-down-by-addr node1 6379 7 {id}");
    assert_eq!(world.command(0, &ask), "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n");
    let vote = format!("*3\r\n:0\r\n$40\r\n{id}\r\n:7\r\n");
    assert_eq!(world.command(0, &ask), vote);
}
