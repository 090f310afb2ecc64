//! A quorum of russet, Redis 8.0 and Valkey 9.1, over servers of russet and Redis.

use std::thread;
use std::time::Duration;

use crate::group::{FAST, Group, Server, has_peers};
use crate::process::{Kind, text};

const SENTINELS: [Kind; 3] = [Kind::Russet, Kind::Redis80, Kind::Valkey91];
const SERVERS: [Server; 3] = [Server::Russet, Server::Redis80, Server::Russet];

/// Longest time from the end of a primary to the end of the leading Sentinel.
const LEADER_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_mixed_quorum_agrees_on_one_primary() {
    if !has_peers("a mixed quorum") {
        return;
    }
    thread::scope(|scope| {
        scope.spawn(a_dead_primary_is_replaced);
        scope.spawn(two_failovers_in_a_row);
        for leader in [Kind::Russet, Kind::Redis80] {
            for moment in ["crash-after-election", "crash-after-promotion"] {
                scope.spawn(move || a_leader_crashes(leader, moment));
            }
        }
    });
}

fn a_dead_primary_is_replaced() {
    let mut group = Group::start(&SENTINELS, &SERVERS);
    let mut events: Vec<_> = group.sentinels.iter().map(|one| one.events()).collect();
    let old = group.nodes[0].port();
    group.kill(0);
    let (new, epoch) = group.agree(&[old]);
    let switch = group.switch(0, new);
    for events in &mut events {
        assert_eq!(events.wait("+switch-master"), switch);
    }
    group.wait_for_logs(&switch);
    // A majority has voted for the leader, in the epoch of the present configuration.
    let winners = group.check_votes();
    assert_eq!(winners.keys().collect::<Vec<_>>(), [&epoch]);
    assert!(group.votes(epoch, &winners[&epoch]) >= 2, "{winners:?}");
    // The old primary starts without any record that it is now a replica.
    group.restart(0);
    let (primary, again) = group.agree(&[old]);
    assert_eq!((primary, again), (new, epoch));
}

fn two_failovers_in_a_row() {
    let mut group = Group::start(&SENTINELS, &SERVERS);
    let first = group.nodes[0].port();
    group.kill(0);
    let reported = |group: &Group| {
        let mut ports = group.sentinels.iter().filter_map(|one| one.primary_port());
        ports.find(|port| *port != first)
    };
    group.wait("one Sentinel to name another primary", |group| {
        reported(group).is_some()
    });
    let second = reported(&group).expect("just now");
    let at = group.node_at(second);
    group.kill(at);
    group.restart(0);
    let (third, epoch) = group.agree(&[second]);
    group.restart(at);
    assert_eq!(group.agree(&[second]), (third, epoch));
    group.check_votes();
}

/// The Sentinel of this program leads: the others vote, but their quorum needs more Sentinels than
/// there are. The leader ends at this moment of its failover.
fn a_leader_crashes(leader: Kind, moment: &str) {
    let mut group = Group::start(&SENTINELS, &SERVERS);
    let old = group.nodes[0].port();
    let leads = SENTINELS
        .iter()
        .position(|kind| *kind == leader)
        .expect("one of them");
    for (at, sentinel) in group.sentinels.iter().enumerate() {
        if at == leads {
            sentinel.ask(&format!("SENTINEL SIMULATE-FAILURE {moment}"));
        } else {
            sentinel.ask("SENTINEL SET m quorum 4");
        }
    }
    group.kill(0);
    let status = group.sentinels[leads].wait_end(LEADER_LIMIT);
    assert_eq!(status.code(), Some(99), "{leader:?}, {moment}");
    for (at, sentinel) in group.sentinels.iter().enumerate() {
        if at != leads {
            sentinel.ask("SENTINEL SET m quorum 2");
        }
    }
    // The other two Sentinels are enough.
    let dead = group.sentinels.remove(leads);
    let (new, epoch) = group.agree(&[old]);
    group.sentinels.insert(leads, dead);
    group.sentinels[leads].restart();
    group.sentinels[leads].ask(FAST);
    group.restart(0);
    assert_eq!(group.agree(&[old]), (new, epoch), "{leader:?}, {moment}");
    let winners = group.check_votes();
    let my_id = text(&group.sentinels[leads].ask("SENTINEL MYID"));
    assert!(
        winners.values().any(|winner| *winner == my_id),
        "{winners:?}"
    );
    assert!(winners.contains_key(&epoch), "{winners:?}");
}
