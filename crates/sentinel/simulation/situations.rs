//! Known situations, each in a test.
//!
//! Most tests begin with Sentinels that have found each other (`settled`), break something, and
//! wait in simulated time for the outcome: events, the agreed primary, or that nothing happens.

use super::world::{NAME, World};
use crate::instances::{FailoverState, Replica};
use crate::shared::ServerFacts;

/// Three Sentinels with both scripts, after a failover to the second of two nodes.
pub(super) fn failed_over_with_scripts() -> World {
    let mut world = settled(3, 2, 2);
    for n in 0..3 {
        let core = world.machines[n].core.as_mut().expect("running");
        let settings = &mut core.primaries.get_mut(NAME).expect("watched").settings;
        settings.reconfig_script = b"/bin/reconf".to_vec();
        settings.notification_script = b"/bin/notify".to_vec();
    }
    world.stop_node(0);
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, moved));
    world
}

pub(super) fn settled(sentinels: usize, nodes: usize, quorum: usize) -> World {
    let mut world = World::new(sentinels, nodes, quorum, 7);
    let knows_all = move |world: &World| {
        (0..sentinels).all(|n| {
            let primary = &world.core(n).primaries[NAME];
            let knows_replica =
                |replica: &Replica| replica.node.info_at.is_some() && replica.node.is_link_up;
            primary.peers.len() == sentinels - 1
                && primary.replicas.len() == nodes - 1
                && primary.replicas.values().all(knows_replica)
        })
    };
    assert!(world.run_until(30_000, knows_all), "they find each other");
    // Moves on, so that a test does not count the events of this moment.
    world.run_ms(1);
    world
}

fn index(channels: &[&str], channel: &str) -> usize {
    let found = channels.iter().position(|other| *other == channel);
    found.unwrap_or_else(|| panic!("no {channel} in {channels:?}"))
}

/// Without that, two Sentinels kept two primaries of one epoch, and made each a replica of the
/// other.
#[test]
fn a_newer_configuration_ends_a_failover_that_it_contradicts() {
    let mut world = settled(3, 3, 2);
    world.command(0, "SENTINEL FAILOVER mymaster");
    let has_promoted = |world: &World| {
        let primary = &world.core(0).primaries[NAME];
        primary.failover.state == FailoverState::ReconfReplicas
    };
    for _ in 0..1000 {
        if has_promoted(&world) {
            break;
        }
        world.run_ms(20);
    }
    assert!(has_promoted(&world), "a failover is under way");
    let primary = &world.core(0).primaries[NAME];
    let (epoch, from) = (primary.config_epoch + 1, world.now);
    assert_ne!(primary.current_address().ip, b"10.0.0.1");
    let (place, id) = (&world.machines[1].place, world.core(1).shared.my_id.clone());
    let (host, port, id) = (&place.0, place.1, String::from_utf8_lossy(&id));
    let hello = format!("{host},{port},{id},{epoch},mymaster,10.0.0.1,6379,{epoch}");
    world.receive(0, hello.as_bytes());
    let primary = &world.core(0).primaries[NAME];
    assert_eq!(primary.current_address().ip, b"10.0.0.1");
    assert_eq!(primary.failover.state, FailoverState::None);
    assert_eq!(primary.config_epoch, epoch);
    assert!(world.channels(0, from).contains(&"+switch-master"));
}

#[test]
fn sentinels_find_each_other_and_stay_calm() {
    let mut world = settled(3, 3, 2);
    let from = world.now;
    world.run_ms(60_000);
    for n in 0..3 {
        assert_eq!(world.channels(n, from), [""; 0], "nothing happens");
        let text = &world.machines[n].events[0].2;
        assert_eq!(text, "master mymaster 10.0.0.1 6379 quorum 2");
    }
    let find = |n: usize, channel| {
        let mut events = world.machines[n].events.iter();
        let found = events.find(|(_, other, _)| *other == channel);
        found.expect("it happened").2.clone()
    };
    assert_eq!(
        find(0, "+slave"),
        "slave 10.0.0.2:6379 10.0.0.2 6379 @ mymaster 10.0.0.1 6379"
    );
    let sentinel = find(0, "+sentinel");
    assert!(
        sentinel.ends_with(" 26379 @ mymaster 10.0.0.1 6379"),
        "{sentinel}"
    );
}

#[test]
fn a_dead_primary_is_replaced_and_comes_back_as_a_replica() {
    let mut world = settled(3, 4, 2);
    world.nodes[2].priority = 50;
    world.run_ms(12_000);
    let from = world.now;
    world.stop_node(0);
    let has_new = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.3");
    assert!(world.run_until(40_000, has_new), "the lowest priority wins");
    let mut machines = world.machines.iter();
    let leader = machines.position(|m| m.events.iter().any(|e| e.1 == "+failover-end"));
    let leader = leader.expect("somebody led");
    let channels = world.channels(leader, from);
    let order = [
        "+sdown",
        "+odown",
        "+new-epoch",
        "+try-failover",
        "+vote-for-leader",
        "+elected-leader",
        "+failover-state-select-slave",
        "+selected-slave",
        "+failover-state-send-slaveof-noone",
        "+failover-state-wait-promotion",
        "+promoted-slave",
        "+failover-state-reconf-slaves",
        "+slave-reconf-sent",
        "+slave-reconf-inprog",
        "+slave-reconf-done",
        "+failover-end",
        "+switch-master",
        "+slave",
    ];
    for pair in order.windows(2) {
        let (a, b) = (index(&channels, pair[0]), index(&channels, pair[1]));
        assert!(a < b, "{pair:?} in {channels:?}");
    }
    let other = world.channels((leader + 1) % 3, from);
    assert!(index(&other, "+config-update-from") < index(&other, "+switch-master"));
    let mut events = world.machines[leader].events.iter();
    let switch = events.rfind(|e| e.1 == "+switch-master");
    assert_eq!(
        switch.expect("it happened").2,
        "mymaster 10.0.0.1 6379 10.0.0.3 6379"
    );
    assert_eq!(
        world.command(0, "SENTINEL get-master-addr-by-name mymaster"),
        "*2\r\n$8\r\n10.0.0.3\r\n$4\r\n6379\r\n"
    );
    world.start_node(0);
    let obeys = |world: &World| world.nodes[0].primary.is_some() && world.agreed().is_some();
    assert!(world.run_until(60_000, obeys), "+convert-to-slave");
    assert_eq!(world.checks.leaders(), 1);
}

#[test]
fn without_a_majority_nobody_is_elected() {
    let mut world = settled(5, 2, 2);
    for n in 2..5 {
        world.crash(n);
    }
    let from = world.now;
    world.stop_node(0);
    world.run_ms(60_000);
    let channels = world.channels(0, from);
    index(&channels, "+odown");
    assert!(!channels.contains(&"+elected-leader"), "{channels:?}");
    assert_eq!(world.checks.leaders(), 0);
    let reply = world.command(0, "SENTINEL ckquorum mymaster");
    let text = "-NOQUORUM 2 usable Sentinels. Not enough available Sentinels to reach the majority \
                and authorize a failover\r\n";
    assert_eq!(reply, text);
    world.start(2);
    let switched = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, switched));
}

#[test]
fn a_primary_that_only_a_minority_has_lost_stays() {
    let mut world = settled(3, 2, 2);
    world.cut("10.0.0.1", "10.0.1.1");
    let from = world.now;
    world.run_ms(30_000);
    let channels = world.channels(0, from);
    index(&channels, "+sdown");
    assert!(!channels.contains(&"+odown"), "{channels:?}");
    world.cuts.clear();
    world.run_ms(30_000);
    index(&world.channels(0, from), "-sdown");
    assert_eq!(world.agreed(), Some(("10.0.0.1".to_owned(), 6379)));
}

#[test]
fn an_operator_moves_the_primary_by_force_or_by_hand_over() {
    for (command, flag) in [
        ("SENTINEL FAILOVER mymaster", "force_failover"),
        (
            "SENTINEL FAILOVER mymaster COORDINATED",
            "coordinated_failover",
        ),
    ] {
        let mut world = settled(3, 3, 2);
        world.run_ms(5_000);
        assert_eq!(world.command(1, command), "+OK\r\n");
        let shown = world.command(1, "SENTINEL MASTER mymaster");
        assert!(
            shown.contains(flag) && shown.contains("wait_start"),
            "{shown}"
        );
        let again = "-INPROG Failover already in progress\r\n";
        assert_eq!(world.command(1, command), again);
        let moved = |world: &World| world.agreed().is_some_and(|p| p.0 != "10.0.0.1");
        assert!(world.run_until(60_000, moved), "{command}");
    }
}

#[test]
fn a_jump_of_the_clock_stops_all_acts_for_a_while() {
    let mut world = settled(3, 2, 2);
    let from = world.now;
    for n in 0..3 {
        world.machines[n].clock.wall_skew_ms = 10_000 - 20_000 * (n as i64 % 2);
    }
    world.stop_node(0);
    world.run_ms(29_000);
    for n in 0..3 {
        assert_eq!(world.channels(n, from), ["+tilt"]);
        let reply = world.command(n, "SENTINEL is-master-down-by-addr 10.0.0.1 6379 0 *");
        assert_eq!(reply, "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n");
        let info = String::from_utf8(world.core(n).info()).expect("UTF-8");
        assert!(info.contains("sentinel_tilt:1\r\n"), "{info}");
    }
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, moved));
    index(&world.channels(0, from), "-tilt");
}

fn id_of(world: &World, n: usize) -> String {
    String::from_utf8(world.core(n).shared.my_id.clone()).expect("UTF-8")
}

#[test]
fn a_vote_that_cannot_be_saved_is_not_given() {
    let mut world = settled(3, 2, 2);
    world.machines[0].disk.is_bad = true;
    let [first, second] = [1, 2].map(|n| id_of(&world, n));
    let ask = &format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 9 {first}");
    let vote = format!("*3\r\n:0\r\n$40\r\n{first}\r\n:9\r\n");
    assert_eq!(world.command(0, ask), "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n");
    let refused = "-ERR Failed to save config file. Check server logs.\r\n";
    assert_eq!(world.command(0, "SENTINEL FLUSHCONFIG"), refused);
    world.machines[0].disk.is_bad = false;
    assert_eq!(world.command(0, ask), vote);
    let other = &format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 9 {second}");
    assert_eq!(world.command(0, other), vote, "one vote");
    world.crash(0);
    world.start(0);
    let reply = world.command(0, other);
    assert_eq!(reply, "*3\r\n:0\r\n$1\r\n*\r\n:9\r\n", "nor after a crash");
}

/// The epoch came by a hello and was saved then; a vote in it needs a save of its own.
#[test]
fn a_vote_in_a_known_epoch_is_saved_before_it_is_given() {
    let mut world = settled(3, 2, 2);
    let id = id_of(&world, 1);
    let hello = format!("10.0.1.2,26379,{id},9,mymaster,10.0.0.1,6379,0");
    world.receive(0, hello.as_bytes());
    world.run_ms(200);
    assert_eq!(world.machines[0].disk.file.current_epoch, 9);
    let [first, second] = [1, 2].map(|n| id_of(&world, n));
    let ask = &format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 9 {first}");
    let vote = format!("*3\r\n:0\r\n$40\r\n{first}\r\n:9\r\n");
    assert_eq!(world.command(0, ask), vote);
    world.crash(0);
    world.start(0);
    let other = &format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 9 {second}");
    let reply = world.command(0, other);
    assert_eq!(reply, "*3\r\n:0\r\n$1\r\n*\r\n:9\r\n", "no second vote");
}

#[test]
fn a_candidate_that_cannot_save_is_not_elected() {
    let mut world = settled(5, 2, 2);
    world.run_ms(5_000);
    world.machines[0].disk.is_bad = true;
    let from = world.now;
    let command = "SENTINEL FAILOVER mymaster COORDINATED";
    assert_eq!(world.command(0, command), "+OK\r\n");
    world.run_ms(15_000);
    let voted = world.channels(1, from);
    index(&voted, "+vote-for-leader");
    let channels = world.channels(0, from);
    assert!(!channels.contains(&"+elected-leader"), "{channels:?}");
    index(&channels, "-failover-abort-not-elected");
}

#[test]
fn a_replica_of_another_primary_is_put_back() {
    let mut world = settled(3, 3, 2);
    let now = world.now;
    world.nodes[1].set_primary(Some(("10.0.0.3".to_owned(), 6379)), now);
    let put_back = |world: &World| world.agreed().is_some();
    assert!(!put_back(&world));
    assert!(world.run_until(60_000, put_back), "+fix-slave-config");
    let now = world.now;
    world.nodes[1].set_primary(None, now);
    assert!(world.run_until(60_000, put_back), "+convert-to-slave");
}

#[test]
fn a_sentinel_that_moved_or_was_replaced_is_known_once() {
    let mut world = settled(3, 2, 2);
    let from = world.now;
    world.crash(2);
    world.machines[2].place.0 = "10.0.1.9".to_owned();
    world.start(2);
    world.run_ms(10_000);
    index(&world.channels(0, from), "+sentinel-address-switch");
    assert_eq!(world.core(0).primaries[NAME].peers.len(), 2);
    let from = world.now;
    world.crash(2);
    world.machines[2].disk.file.my_id = Some(vec![b'f'; 40]);
    world.start(2);
    world.run_ms(10_000);
    let channels = world.channels(0, from);
    assert!(index(&channels, "+sentinel-invalid-addr") < index(&channels, "+sentinel"));
    assert_eq!(world.core(0).primaries[NAME].peers.len(), 2);
}

#[test]
fn a_primary_that_reboots_for_too_long_is_down() {
    let mut world = settled(3, 2, 2);
    for n in 0..3 {
        let set = "SENTINEL SET mymaster master-reboot-down-after-period 1000";
        assert_eq!(world.command(n, set), "+OK\r\n");
    }
    let from = world.now;
    world.stop_node(0);
    world.nodes[0].pong = "LOADING";
    world.start_node(0);
    world.run_ms(20_000);
    let channels = world.channels(0, from);
    assert!(
        index(&channels, "+reboot") < index(&channels, "+sdown"),
        "{channels:?}"
    );
}

#[test]
fn a_simulated_crash_ends_the_leader_and_another_takes_over() {
    let mut world = settled(3, 2, 2);
    world.run_ms(3_000);
    assert_eq!(
        world.command(0, "SENTINEL SIMULATE-FAILURE crash-after-promotion"),
        "+OK\r\n"
    );
    assert_eq!(world.command(0, "SENTINEL FAILOVER mymaster"), "+OK\r\n");
    let crashed = |world: &World| world.machines[0].core.is_none();
    assert!(world.run_until(20_000, crashed));
    let host = &world.machines[0].disk.file.primaries[0].host;
    assert_eq!(host, b"10.0.0.2", "the promotion was saved before");
    world.start(0);
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, moved));
}

#[test]
fn scripts_are_queued_for_warnings_and_for_a_new_primary() {
    let mut world = failed_over_with_scripts();
    world.run_ms(1_000);
    let mut roles = Vec::new();
    for n in 0..3 {
        let scripts = world.scripts.iter().filter(|(by, _)| *by == n);
        let scripts: Vec<&Vec<String>> = scripts.map(|(_, argv)| argv).collect();
        let mut reconf = scripts.iter().filter(|argv| argv[0] == "/bin/reconf");
        let reconf = reconf.next().expect("it was run");
        let rest = ["start", "10.0.0.1", "6379", "10.0.0.2", "6379"];
        assert_eq!(reconf[1], "mymaster");
        assert_eq!(reconf[3..], rest);
        roles.push(reconf[2].clone());
        let down = ["/bin/notify", "+sdown", "master mymaster 10.0.0.1 6379"];
        assert!(scripts.iter().any(|argv| **argv == down), "{scripts:?}");
        assert_eq!(world.command(n, "SENTINEL PENDING-SCRIPTS"), "*0\r\n");
    }
    roles.sort();
    assert_eq!(roles, ["leader", "observer", "observer"]);
}

#[test]
fn names_are_resolved_and_may_be_announced() {
    let mut world = World::new(2, 2, 2, 3);
    for n in 0..2 {
        world.crash(n);
        let disk = &mut world.machines[n].disk.file;
        disk.globals.resolve_hostnames = true;
        disk.globals.announce_hostnames = n == 1;
        disk.primaries[0].host = b"node1".to_vec();
        disk.primaries[0].replicas.clear();
        disk.primaries[0].peers.clear();
        world.start(n);
        let own = ServerFacts {
            port: world.machines[n].place.1,
            password: b"secret".to_vec(),
        };
        world.machines[n]
            .core
            .as_mut()
            .expect("running")
            .set_own(own);
    }
    world.run_ms(20_000);
    let ask = "SENTINEL get-master-addr-by-name mymaster";
    assert_eq!(
        world.command(0, ask),
        "*2\r\n$8\r\n10.0.0.1\r\n$4\r\n6379\r\n"
    );
    assert_eq!(world.command(1, ask), "*2\r\n$5\r\nnode1\r\n$4\r\n6379\r\n");
    assert_eq!(world.core(0).primaries[NAME].replicas.len(), 1);
    world.stop_node(0);
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, moved));
    world.start_node(0);
    let obeys = |world: &World| world.nodes[0].primary.is_some();
    assert!(world.run_until(60_000, obeys));
}
