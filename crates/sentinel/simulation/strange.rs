//! Messages of strangers: hellos and requests of Sentinels that do not exist, or with contents that
//! no Sentinel sends.

use super::situations::settled;
use super::world::{NAME, World};
use crate::discovery::strangers::EPOCH_MAX;

fn run_id(world: &World, n: usize) -> String {
    String::from_utf8(world.core(n).shared.my_id.clone()).expect("UTF-8")
}

/// A hello that names the second Sentinel as its sender.
fn receive_from_second(world: &mut World, epoch: u64, config_epoch: u64, place: &str) {
    let id = run_id(world, 1);
    let hello = format!("10.0.1.2,26379,{id},{epoch},mymaster,{place},{config_epoch}");
    world.receive(0, hello.as_bytes());
}

#[test]
fn an_epoch_that_leaves_no_room_is_neither_taken_nor_spread() {
    let mut world = settled(3, 2, 2);
    let before = world.core(0).shared.current_epoch;
    for epoch in [u64::MAX, i64::MAX as u64, EPOCH_MAX + (1 << 21)] {
        receive_from_second(&mut world, epoch, 0, "10.0.0.1,6379");
        receive_from_second(&mut world, 0, epoch, "10.0.0.9,6379");
        let ask = format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 {epoch} abc");
        world.command(0, &ask);
    }
    world.run_ms(5_000);
    for n in 0..3 {
        assert_eq!(world.core(n).shared.current_epoch, before);
        assert_eq!(world.machines[n].disk.file.current_epoch, before);
        let primary = &world.core(n).primaries[NAME];
        assert_eq!((primary.config_epoch, primary.vote_epoch), (0, before));
    }
    world.stop_node(0);
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, moved), "failovers go on");
}

/// The highest epoch that is believed leaves room for failovers: none is the last.
#[test]
fn failovers_go_on_after_the_highest_epochs() {
    let mut world = settled(3, 2, 2);
    receive_from_second(&mut world, 5, EPOCH_MAX, "10.0.0.1,6379");
    world.run_ms(5_000);
    for n in 0..3 {
        assert_eq!(world.core(n).shared.current_epoch, EPOCH_MAX);
    }
    world.stop_node(0);
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, moved), "failovers go on");
}

#[test]
fn sentinels_that_do_not_answer_are_not_counted_and_cost_little() {
    let mut world = settled(3, 2, 2);
    let saves = world.machines[0].disk.saves;
    for n in 0..1000 {
        // An address of no node, of the primary, of another Sentinel.
        let place = match n % 3 {
            0 => format!("10.0.7.{},{}", n % 250, 1000 + n),
            1 => "10.0.0.1,6379".to_owned(),
            _ => "10.0.1.2,26379".to_owned(),
        };
        let hello = format!("{place},{n:040},{n},mymaster,10.0.0.1,6379,{n}");
        world.receive(0, hello.as_bytes());
        // The address and the epoch of a known one change again and again.
        let id = run_id(&world, 2);
        let hello = format!("10.0.8.1,{},{id},{n},mymaster,10.0.0.1,6379,0", n + 1);
        world.receive(0, hello.as_bytes());
    }
    world.run_ms(1_000);
    let saves = world.machines[0].disk.saves - saves;
    assert!(saves <= 10, "{saves} saves");
    world.run_ms(20_000);
    let primary = &world.core(0).primaries[NAME];
    let ids: Vec<String> = primary
        .peers
        .keys()
        .map(|id| String::from_utf8_lossy(id).into_owned())
        .collect();
    let mut others = [run_id(&world, 1), run_id(&world, 2)];
    others.sort();
    assert_eq!(ids, others);
    let places = primary
        .peers
        .values()
        .map(|peer| peer.watch.address.host.clone());
    assert!(places.into_iter().all(|host| host.starts_with(b"10.0.1.")));
    world.stop_node(0);
    let moved = |world: &World| world.agreed().is_some_and(|p| p.0 == "10.0.0.2");
    assert!(world.run_until(60_000, moved), "a majority stands");
}

#[test]
fn requests_for_votes_have_a_rate() {
    let mut world = settled(3, 2, 2);
    let saves = world.machines[0].disk.saves;
    let known = String::from_utf8(world.core(1).shared.my_id.clone()).expect("UTF-8");
    for epoch in 1..1000 {
        let ask = format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 {epoch} {known}");
        world.command(0, &ask);
    }
    let saves = world.machines[0].disk.saves - saves;
    assert!((1..=60).contains(&saves), "{saves} saves");
    let long = format!(
        "SENTINEL is-master-down-by-addr 10.0.0.1 6379 5000 {}",
        "x".repeat(100_000)
    );
    world.run_ms(1_000);
    world.command(0, &long);
    assert_eq!(
        world.core(0).primaries[NAME].vote.as_deref(),
        Some(known.as_bytes())
    );
}

/// Regression: any name took the vote of an epoch, saved it, and put off the failover that was due.
#[test]
fn a_name_of_no_known_sentinel_gets_no_vote() {
    let mut world = settled(3, 2, 2);
    world.run_ms(5_000);
    let saves = world.machines[0].disk.saves;
    for candidate in ["abc", &"f".repeat(40)] {
        let ask = format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 7 {candidate}");
        assert_eq!(world.command(0, &ask), "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n");
    }
    assert_eq!(world.core(0).shared.current_epoch, 0);
    assert_eq!(world.machines[0].disk.saves, saves);
    assert_eq!(world.core(0).primaries[NAME].failover.started_at, None);
    // The epoch's vote is left for known Sentinels.
    let known = String::from_utf8(world.core(2).shared.my_id.clone()).expect("UTF-8");
    let ask = format!("SENTINEL is-master-down-by-addr 10.0.0.1 6379 7 {known}");
    let vote = format!("*3\r\n:0\r\n$40\r\n{known}\r\n:7\r\n");
    assert_eq!(world.command(0, &ask), vote);
}
