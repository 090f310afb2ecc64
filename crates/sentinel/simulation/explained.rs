//! SENTINEL EXPLAIN in known situations: each cause of a failover, or of its absence, is named.
//!
//! Lines are compared by parts, in their order, so that times and run ids may vary. With
//! `RUSSET_SENTINEL_SHOW` in the environment the replies are printed.

use super::situations::settled;
use super::world::{NAME, World};
use russet_resp::{ReplyBounds, ReplyParser, ReplyValue};

fn text_of(value: ReplyValue) -> String {
    match value {
        ReplyValue::Bulk(text) => String::from_utf8(text).expect("UTF-8"),
        other => panic!("{other:?}"),
    }
}

fn array_of(value: ReplyValue) -> Vec<ReplyValue> {
    match value {
        ReplyValue::Array(values) => values,
        other => panic!("{other:?}"),
    }
}

fn explain_with(world: &mut World, n: usize, line: &str) -> Vec<Vec<String>> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let reply = world.command_bytes(n, &words);
    let mut parser = ReplyParser::new(ReplyBounds::default());
    let reply = parser.push(&mut reply.as_slice()).expect("a reply");
    let entries = array_of(reply.expect("complete")).into_iter();
    let lines = |entry| array_of(entry).into_iter().map(text_of).collect();
    let entries: Vec<Vec<String>> = entries.map(lines).collect();
    if std::env::var("RUSSET_SENTINEL_SHOW").is_ok() {
        println!("{n}: {entries:#?}");
    }
    entries
}

fn explain(world: &mut World, n: usize) -> Vec<Vec<String>> {
    explain_with(world, n, "SENTINEL EXPLAIN mymaster")
}

/// The lines have these parts, in this order, each in a line of its own.
fn assert_lines(lines: &[String], parts: &[&str]) {
    let mut rest = lines.iter();
    for part in parts {
        let found = rest.any(|line| line.contains(part));
        assert!(found, "{part:?}, in its order, in {lines:#?}");
    }
    let times = lines[1..].iter().filter_map(|line| line.split(' ').next());
    let times: Vec<&str> = times.filter(|word| word.ends_with('Z')).collect();
    assert!(times.is_sorted(), "{times:?}");
}

fn leader_of(world: &World) -> usize {
    let mut machines = world.machines.iter();
    let led = machines.position(|m| m.events.iter().any(|e| e.1 == "+failover-end"));
    led.expect("one of them led")
}

fn id(world: &World, n: usize) -> String {
    String::from_utf8(world.core(n).shared.my_id.clone()).expect("UTF-8")
}

fn short(world: &World, n: usize) -> String {
    id(world, n)[..8].to_owned()
}

#[test]
fn a_failover_is_explained_by_its_leader_and_by_the_others() {
    let mut world = settled(3, 4, 2);
    assert_eq!(explain(&mut world, 0), [[""; 0]; 0], "nothing has happened");
    (world.nodes[1].priority, world.nodes[2].priority) = (0, 50);
    world.run_ms(12_000);
    world.stop_node(0);
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.3");
    assert!(world.run_until(60_000, moved));
    let leader = leader_of(&world);
    let me = short(&world, leader);
    let entries = explain(&mut world, leader);
    assert_eq!(entries.len(), 1);
    let headline = &entries[0][0];
    assert!(headline.starts_with("1970-01-01T00:1"), "{headline}");
    let parts = [
        " ago) 10.0.0.1:6379 down, failover attempt in epoch 1: switched to 10.0.0.3:6379 within ",
        "seen as down (SDOWN): no valid reply since 1970-",
        "down by agreement (ODOWN): 2 of 3 known Sentinels see it as down, quorum 2: this Sentinel (",
        "this Sentinel begins a failover in epoch 1: asks for votes; 2 votes needed of 3 known \
         Sentinels, 3 can be reached (this one included), quorum 2",
        "this Sentinel votes for itself in epoch 1",
        &format!("votes for this Sentinel ({me}) in epoch 1"),
        "elected in epoch 1: ",
        "wait_start took ",
        "replica 10.0.0.3:6379 chosen: the lowest priority number (priority 50, offset ",
        "replica 10.0.0.4:6379 not chosen: priority 100 comes after 50",
        "replica 10.0.0.2:6379 cannot be promoted: its priority is 0",
        "send_slaveof_noone: sends SLAVEOF NO ONE to 10.0.0.3:6379",
        "wait_promotion: waits for role:master in INFO of 10.0.0.3:6379",
        "reports role:master: the new configuration is a fact, config epoch 1",
        "wait_promotion took ",
        "is sent SLAVEOF",
        "names the new primary",
        "follows the new primary, its link is up",
        "update_config: 10.0.0.3:6379 is taken over as the primary",
        "the primary is 10.0.0.3:6379 from now on (switch-master)",
    ];
    assert_lines(&entries[0], &parts);
    let error = "last reply to PING ";
    assert!(entries[0][1].contains(error) && entries[0][1].contains("ago: PONG"));
    assert!(entries[0][1].ends_with("ago: Connection refused"));
    let other = (leader + 1) % 3;
    let entries = explain(&mut world, other);
    assert_eq!(entries.len(), 1, "{entries:#?}");
    let outcome = format!(
        "switched to 10.0.0.3:6379 by another Sentinel, as announced by {}",
        short(&world, leader)
    );
    let name = format!("Sentinel {me} at 10.0.1.{}:26379", leader + 1);
    let parts = [
        outcome.as_str(),
        &format!("this Sentinel votes for {name} in epoch 1; its own start is delayed by 20.0 s"),
        &format!("{name} announces config epoch 1 (config-update-from)"),
    ];
    assert_lines(&entries[0], &parts);
    let seen: Vec<u64> = (0..3)
        .flat_map(|n| world.core(n).primaries_seen().map(|seen| seen.failovers))
        .collect();
    assert_eq!(seen, [1, 1, 1]);
}

#[test]
fn without_a_good_replica_each_ones_fault_is_explained() {
    let mut world = settled(3, 4, 2);
    (world.nodes[1].priority, world.nodes[2].priority) = (0, 0);
    world.run_ms(12_000);
    world.stop_node(3);
    world.run_ms(5_000);
    world.stop_node(0);
    world.run_ms(12_000);
    let tried = |m: &super::world::Machine| {
        let mut events = m.events.iter();
        events.any(|e| e.1 == "-failover-abort-no-good-slave")
    };
    let leader = world.machines.iter().position(tried).expect("one tried");
    let entries = explain(&mut world, leader);
    let faults = [
        "replica 10.0.0.2:6379 cannot be promoted: its priority is 0",
        "replica 10.0.0.3:6379 cannot be promoted: its priority is 0",
        "replica 10.0.0.4:6379 cannot be promoted: it is down (SDOWN) for ",
    ];
    let now = [
        "(now) 10.0.0.1:6379 seen as down for ",
        "no valid reply since ",
        "3 of 3 known Sentinels see it as down, quorum 2",
        "until 1970-",
        "missing: a replica that can be promoted",
    ];
    assert_lines(&entries[0], &[&now[..], &faults].concat());
    let then = ["in epoch 1: aborted: no replica can be promoted", "elected"];
    let after = [
        "given up in select_slave after ",
        "no failover is begun before 1970-",
    ];
    assert_lines(&entries[1], &[&then[..], &faults, &after].concat());
    let one = explain_with(&mut world, leader, "sentinel explain mymaster count 1");
    assert_eq!(one.len(), 1);
    assert!(one[0][0].contains("(now)"));
    let command = "SENTINEL FAILOVER mymaster";
    let refused = "-NOGOODSLAVE No suitable replica to promote\r\n";
    assert_eq!(world.command(leader, command), refused);
    let entries = explain(&mut world, leader);
    let refused = ["SENTINEL FAILOVER of 10.0.0.1:6379: refused: no suitable replica to promote"];
    assert_lines(&entries[1], &[&refused[..], &faults].concat());
}

#[test]
fn without_enough_sentinels_the_missing_are_named() {
    // Not enough for a majority.
    let mut world = settled(5, 2, 2);
    for n in 2..5 {
        world.crash(n);
    }
    world.stop_node(0);
    world.run_ms(16_000);
    let tried = |m: &super::world::Machine| {
        let mut events = m.events.iter();
        events.any(|e| e.1 == "-failover-abort-not-elected")
    };
    let candidate = world.machines.iter().position(tried).expect("one tried");
    let entries = explain(&mut world, candidate);
    let parts = [
        "too few of all known Sentinels can be reached (",
        "begins a failover in epoch ",
        "at 10.0.1.3:26379 in epoch ",
        "it is down (SDOWN)",
        "given up in wait_start after ",
    ];
    assert_lines(entries.last().expect("an attempt"), &parts);
    let now = "missing: enough reachable Sentinels to be elected: 3 votes needed of 5";
    assert_lines(&entries[0], &["(now)", now, "would be chosen now"]);
    // Not enough for the quorum.
    let mut world = settled(3, 2, 2);
    world.cut("10.0.0.1", "10.0.1.1");
    world.run_ms(10_000);
    let entries = explain(&mut world, 0);
    let now = [
        "(now) 10.0.0.1:6379 seen as down for ",
        "1 of 3 known Sentinels see it as down, quorum 2: this Sentinel (",
        "missing: enough Sentinels that see it as down (ODOWN)",
        "at 10.0.1.2:26379 does not see it as down, last answer ",
    ];
    assert_lines(&entries[0], &now);
    world.cuts.clear();
    world.run_ms(20_000);
    let entries = explain(&mut world, 0);
    assert_eq!(entries.len(), 1);
    let over = ["10.0.0.1:6379 seen as down: no failover: the primary answers again after "];
    assert_lines(&entries[0], &over);
}

/// The others have voted already, for a Sentinel that then does nothing.
#[test]
fn a_lost_election_is_explained_with_the_votes() {
    let mut world = settled(3, 2, 2);
    world.run_ms(5_000);
    let winner = id(&world, 1);
    let ask = format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 1 {winner}");
    for n in [1, 2] {
        world.command(n, &ask);
    }
    let command = "SENTINEL FAILOVER mymaster COORDINATED";
    assert_eq!(world.command(0, command), "+OK\r\n");
    world.run_ms(15_000);
    let entries = explain(&mut world, 0);
    let name = format!("Sentinel {} at 10.0.1.2:26379", &winner[..8]);
    let other = format!("Sentinel {} at 10.0.1.3:26379", short(&world, 2));
    let parts = [
        "SENTINEL FAILOVER COORDINATED of 10.0.0.1:6379 in epoch 1: aborted: not elected in epoch 1: ",
        "begins a failover in epoch 1: asks for votes",
        "this Sentinel votes for itself in epoch 1",
        &format!("{name} votes for itself in epoch 1"),
        &format!("{other} votes for {name} in epoch 1"),
        &format!("{name} leads (1 vote of 3 for this Sentinel, 2 needed)"),
    ];
    assert_lines(entries.last().expect("an attempt"), &parts);
    let entries = explain(&mut world, 2);
    let parts = [
        format!("10.0.0.1:6379: {name} wants to lead a failover in epoch 1: not over yet"),
        format!("this Sentinel votes for {name} in epoch 1"),
    ];
    assert_lines(&entries[0], &[&parts[0], &parts[1]]);
    world.run_ms(20_000);
    let entries = explain(&mut world, 2);
    assert_lines(&entries[0], &["in epoch 1: nothing more was seen of it"]);
}

#[test]
fn an_operators_failover_is_explained_as_such() {
    let forced = "leads without an election";
    for (command, about, how) in [
        ("SENTINEL FAILOVER mymaster", "SENTINEL FAILOVER of", forced),
        (
            "SENTINEL FAILOVER mymaster COORDINATED",
            "SENTINEL FAILOVER COORDINATED of",
            "sends FAILOVER TO 10.0.0.2:6379 to the primary",
        ),
    ] {
        let mut world = settled(3, 2, 2);
        world.run_ms(5_000);
        assert_eq!(world.command(1, command), "+OK\r\n");
        let entries = explain(&mut world, 1);
        let running = [
            "not over yet",
            "begins a failover",
            " now in wait_start for 0 ms: waits",
        ];
        assert_lines(&entries[0], &running);
        let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
        assert!(world.run_until(60_000, moved), "{command}");
        let entries = explain(&mut world, 1);
        let about = format!("{about} 10.0.0.1:6379 in epoch 1: switched to 10.0.0.2:6379 within ");
        let parts = [about.as_str(), "chosen: the only one that can be promoted"];
        assert_lines(&entries[0], &parts);
        assert!(entries[0].iter().any(|line| line.contains(how)));
        let entries = explain(&mut world, 2);
        let parts = [
            "failover led by another Sentinel",
            "wants to lead a failover",
        ];
        let headline = &entries[0][0];
        assert!(
            parts.iter().any(|part| headline.contains(part)),
            "{headline}"
        );
        assert!(headline.contains("switched to 10.0.0.2:6379 by another Sentinel"));
    }
}

#[test]
fn tilt_and_a_bad_disk_are_given_as_reasons() {
    let mut world = settled(3, 2, 2);
    for n in 0..3 {
        world.machines[n].clock.wall_skew_ms = 10_000;
    }
    world.run_ms(500);
    world.stop_node(0);
    world.run_ms(10_000);
    let entries = explain(&mut world, 0);
    let parts = [
        "(now) 10.0.0.1:6379 not answering, not seen as down, and no failover runs",
        "no valid reply since ",
        "TILT since ",
        "0 of 3 known Sentinels see it as down, quorum 2",
        "missing: enough Sentinels that see it as down (ODOWN)",
    ];
    assert_lines(&entries[0], &parts);
    world.machines[0].disk.is_bad = true;
    assert!(world.command(0, "SENTINEL FLUSHCONFIG").starts_with("-ERR"));
    let is_over = |world: &World| world.core(0).shared.tilt.since.is_none();
    assert!(world.run_until(60_000, is_over));
    world.cut("10.0.1.2", "10.0.0.2");
    world.run_ms(1_000);
    let entries = explain(&mut world, 0);
    let parts = ["seen as down (SDOWN): no valid reply", "TILT from 1970-"];
    assert_lines(entries.last().expect("one"), &parts);
    let moved = |world: &World| world.core(0).primaries[NAME].history.failovers > 0;
    assert!(world.run_until(90_000, moved));
    // In the midst of an episode.
    let mut world = settled(3, 2, 2);
    world.cut("10.0.0.1", "10.0.1.1");
    world.run_ms(6_000);
    world.machines[0].disk.is_bad = true;
    assert!(world.command(0, "SENTINEL FLUSHCONFIG").starts_with("-ERR"));
    world.machines[0].clock.wall_skew_ms = 10_000;
    world.run_ms(1_000);
    let entries = explain(&mut world, 0);
    let parts = [
        "seen as down (SDOWN)",
        "could not be saved to the file: no vote is given",
        "TILT: a clock has jumped, so nothing is concluded and no order is given until 1970-",
    ];
    assert_lines(&entries[1], &parts);
    let missing = "missing: a file that can be written";
    assert_lines(&entries[0], &["(now)", "TILT since", missing]);
    world.machines[0].disk.is_bad = false;
    world.run_ms(40_000);
    let parts = ["TILT is over"];
    assert_lines(&explain(&mut world, 0)[0], &["(now)"]);
    assert_lines(&explain(&mut world, 0)[1], &parts);
    assert_lines(
        &explain(&mut world, 0)[1],
        &["can be saved to the file again"],
    );
}

#[test]
fn its_words_are_checked() {
    let mut world = World::new(1, 1, 1, 1);
    for (line, reply) in [
        (
            "sentinel explain",
            "-ERR wrong number of arguments for 'sentinel|explain' command",
        ),
        (
            "sentinel explain nope",
            "-ERR No such master with that name",
        ),
        ("sentinel explain mymaster", "*0"),
        ("sentinel explain mymaster COUNT 3", "*0"),
        ("sentinel explain mymaster 3", "-ERR syntax error"),
        ("sentinel explain mymaster last 3", "-ERR syntax error"),
        (
            "sentinel explain mymaster count x",
            "-ERR value is not an integer or out of range",
        ),
        (
            "sentinel explain mymaster count 0",
            "-ERR COUNT must be positive",
        ),
    ] {
        assert_eq!(world.command(0, line), format!("{reply}\r\n"), "{line}");
    }
}

/// The findings of the reply as weight and code.
fn findings(world: &mut World, n: usize) -> Vec<String> {
    let reply = world.command_bytes(n, &[b"SENTINEL", b"EXPLAIN", NAME, b"findings"]);
    let mut parser = ReplyParser::new(ReplyBounds::default());
    let reply = parser.push(&mut reply.as_slice()).expect("a reply");
    let found = array_of(reply.expect("complete")).into_iter();
    let line = |row| {
        let mut row = array_of(row).into_iter();
        let (weight, code) = (row.next().map(text_of), row.next().map(text_of));
        format!("{} {}", weight.expect("one"), code.expect("one"))
    };
    found.map(line).collect()
}

#[test]
fn findings_are_of_the_present() {
    let mut world = settled(3, 3, 2);
    let well = ["ok quorum", "ok promotion", "ok replica"];
    assert_eq!(findings(&mut world, 0), well);
    world.nodes[1].priority = 0;
    world.stop_node(2);
    world.run_ms(20_000);
    let found = findings(&mut world, 0);
    let wanted = [
        "ok quorum",
        "critical promotion",
        "notice priority",
        "warning replica",
    ];
    assert_eq!(found, wanted);
    world.crash(1);
    world.crash(2);
    world.stop_node(0);
    world.run_ms(20_000);
    let found = findings(&mut world, 0);
    for wanted in [
        "critical primary",
        "critical agreement",
        "critical quorum",
        "critical promotion",
    ] {
        assert!(
            found.iter().any(|its| its == wanted),
            "{wanted} in {found:?}"
        );
    }
}
