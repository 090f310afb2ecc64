//! Directed histories, each with a cut or a crash at the moment at which it matters.
//!
//! Each begins with a group that is formed and without an authority; `settle` ends it with one.

use super::network::{Packet, Use};
use super::node::{EndCause, Entry};
use super::world::{Plan, World};
use crate::ReplOffset;
use crate::quorum::{Change, Fault, Member, Report, SyncOn};

/// Milliseconds in which something must happen.
const SOON_MS: u64 = 15_000;

/// A group of members, of which each write needs k more, and others besides. Node 0 leads.
fn group(members: usize, acknowledgements: usize, others: usize, fault: Option<Fault>) -> World {
    leased(members, acknowledgements, others, (fault, 0))
}

/// As [`group`], with a lease of so many milliseconds.
fn leased(
    members: usize,
    acknowledgements: usize,
    others: usize,
    (fault, lease_ms): (Option<Fault>, u64),
) -> World {
    let plan = Plan {
        members,
        others,
        acknowledgements,
        sync_on: SyncOn::Memory,
        lease_ms,
        fault,
        delay_ms: 3,
        has_authority: false,
        is_given_up: false,
    };
    let mut world = World::new(7, &plan, true);
    world.form().expect("a group");
    world.is_calm = false;
    world.run_for(100).expect("nothing happens");
    world
}

impl World {
    fn acknowledges(&self, value: u64) -> bool {
        self.acknowledged.iter().any(|&(its, ..)| its == value)
    }

    /// The end of a write in a stream.
    fn end_of(&self, at: usize, value: u64) -> Option<ReplOffset> {
        let log = &self.nodes[at].log;
        let place = log.iter().position(|entry| *entry == Entry::Write(value))?;
        Some(place as u64 + 1)
    }

    fn leads_alone(&self, at: usize) -> bool {
        self.leader() == Some(at) && self.nodes[at].is_primary
    }

    fn until(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        if let Err(why) = self.run_until(SOON_MS, what, holds) {
            let log = self.log.take().unwrap_or_default().join("\n");
            panic!("{why}\n{log}");
        }
    }

    fn pass(&mut self, ms: u64) {
        self.run_for(ms).expect("all claims hold");
    }

    /// An authority sends all to the leader, and all is well.
    fn settle(&mut self) {
        self.happen(super::world::Trouble::Heal);
        self.is_calm = true;
        self.until("all follow one leader", |world| {
            world
                .leader()
                .is_some_and(|leader| world.all_follow(leader))
        });
        let leader = self.leader().expect("there is one");
        let value = self.write(leader).expect("it takes writes");
        self.until("a write is acknowledged", |world| world.acknowledges(value));
    }
}

/// Sentinels lose the primary, the replicas do not: what it acknowledges after the order was
/// decided is fetched from the member that acknowledged it.
#[test]
fn a_write_between_the_choice_and_the_order_survives() {
    let mut world = group(3, 1, 0, None);
    world.cut(0, 1);
    let value = world.write(0).unwrap();
    world.until("2 acknowledges", |world| world.acknowledges(value));
    assert_eq!(world.end_of(1, value), None, "1 lacks it");
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    assert!(world.end_of(1, value).is_some() && world.figures.tails == 1);
    world.settle();
}

/// The same, but the member has promised before the write came: the write is in doubt.
#[test]
fn a_write_after_the_promises_is_not_acknowledged() {
    let mut world = group(3, 1, 0, None);
    world.cut(0, 1);
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    let value = world.write(0).expect("0 does not know");
    world.pass(3000);
    assert!(!world.acknowledges(value));
    world.settle();
    assert!(world.leads_alone(1));
    assert!((0..3).all(|number| world.end_of(number, value).is_none()));
}

/// Bytes of an earlier leader that enough nodes have may still give way to another's.
fn old_bytes(fault: Option<Fault>) -> (World, u64) {
    let mut world = group(3, 1, 0, fault);
    // Ballot 1: a write at node 0 alone.
    world.cut(0, 1);
    world.cut(0, 2);
    let value = world.write(0).unwrap();
    let end = world.end_of(0, value).unwrap();
    // Ballot 2: node 1 leads by the promise of 2, with the note at itself alone.
    world.feed_end = 0;
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    world.crash(1, EndCause::Kill, 1_000_000);
    // Ballot 3: node 0 leads by the promise of 2, and sends the old bytes, but not its note.
    world.happen(super::world::Trouble::Heal);
    world.feed_end = end;
    world.until("0 leads again", |world| {
        world.leads_alone(0) && world.nodes[2].end() >= end
    });
    world.pass(200);
    assert_eq!(world.nodes[2].end(), end);
    (world, end)
}

#[test]
fn old_bytes_are_not_counted_before_the_note_of_the_term() {
    let (mut world, end) = old_bytes(None);
    assert!(world.nodes[0].machine().safe_offset().unwrap() < end);
    // Node 0 dies, 1 returns: it has the longer stream, and wins.
    world.crash(0, EndCause::Kill, 1_000_000);
    world.feed_end = ReplOffset::MAX;
    world.nodes[1].back_ms = world.now_ms;
    world.until("1 leads", |world| world.leads_alone(1));
    world.nodes[0].back_ms = world.now_ms;
    world.settle();
    let (mut world, end) = old_bytes(Some(Fault::EarlyCount));
    assert_eq!(
        world.nodes[0].machine().safe_offset(),
        Some(end),
        "the broken rule"
    );
}

/// The only other copy is being replaced, and the primary dies: no server leads before one is
/// whole.
#[test]
fn the_last_whole_copy_is_waited_for() {
    let mut world = group(3, 1, 0, None);
    world.cut(0, 2);
    let value = world.write(0).unwrap();
    world.until("1 acknowledges", |world| world.acknowledges(value));
    world.report(1, Report::Discarding);
    assert_eq!(world.nodes[1].end(), 0);
    world.crash(0, EndCause::Kill, 1_000_000);
    world.happen(super::world::Trouble::Heal);
    world.order(2);
    world.pass(800);
    let obstacle = world.nodes[2].machine().status().obstacle.unwrap();
    assert!(obstacle.starts_with("NOQUORUM Taking over needs promises of 2 of 3 members"));
    let (first, second) = (world.nodes[0].id, world.nodes[1].id);
    assert!(
        obstacle.contains(&format!("{first} 10.0.0.0:6379 (no ")),
        "{obstacle}"
    );
    assert!(
        obstacle.contains(&format!("{second} 10.0.0.1:6379 (unclean")),
        "{obstacle}"
    );
    world.pass(5000);
    assert_eq!(world.leader(), None);
    world.nodes[0].back_ms = world.now_ms;
    world.until("one leads", |world| world.leader().is_some());
    let leader = world.leader().unwrap();
    assert!(world.end_of(leader, value).is_some());
    world.settle();
}

/// A primary is back sooner than it is missed, with its log cut short: its replicas keep what they
/// have, and it gets that back.
#[test]
fn a_quick_restart_with_less_fetches_the_rest() {
    let mut world = group(3, 1, 0, None);
    world.syncs = false;
    world.nodes[0].durable = world.nodes[0].log.len();
    let copies = world.figures.copies;
    let value = world.write(0).unwrap();
    world.until("the write is acknowledged", |world| {
        world.acknowledges(value)
    });
    world.crash(0, EndCause::Power, 50);
    assert_eq!(world.end_of(0, value), None);
    world.until("one leads", |world| world.leader().is_some());
    assert!(world.leads_alone(0) && world.end_of(0, value).is_some());
    world.settle();
    assert_eq!(world.figures.copies, copies, "no server started anew");
}

#[test]
fn of_two_nodes_one_leads_and_the_other_follows_when_it_returns() {
    let mut world = group(2, 1, 0, None);
    let before = world.write(0).unwrap();
    world.until("the write is acknowledged", |world| {
        world.acknowledges(before)
    });
    world.crash(0, EndCause::Kill, 1_000_000);
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    let value = world.write(1).unwrap();
    world.pass(1000);
    assert!(!world.acknowledges(value), "one node has it");
    world.nodes[0].back_ms = world.now_ms;
    world.until("the write is acknowledged", |world| {
        world.acknowledges(value)
    });
    assert!(world.leads_alone(1), "0 has asked who leads");
}

/// The primary returns while the other leads and cannot be reached: both lead, one is followed.
#[test]
fn of_two_nodes_that_lead_apart_neither_acknowledges() {
    let mut world = group(2, 1, 0, None);
    world.crash(0, EndCause::Kill, 1_000_000);
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    world.cut(0, 1);
    world.nodes[0].back_ms = world.now_ms;
    world.until("0 leads, too", |world| {
        world.nodes[0].is_primary && {
            let machine = world.nodes[0].machine.as_ref();
            machine.is_some_and(|its| its.safe_offset().is_some())
        }
    });
    let values = [world.write(0).unwrap(), world.write(1).unwrap()];
    world.pass(1000);
    assert!(values.iter().all(|&value| !world.acknowledges(value)));
    world.settle();
}

/// A leader that reaches no other adds a member: the addition is gone or kept, never half.
#[test]
fn an_added_member_does_not_count_alone() {
    for fault in [None, Some(Fault::NewMembersAlone)] {
        let mut world = group(3, 1, 1, fault);
        for (a, b) in [(0, 1), (0, 2), (3, 1), (3, 2)] {
            world.cut(a, b);
        }
        let member = Member {
            id: world.nodes[3].id,
            address: super::node::address_of(3),
        };
        world.change(0, &Change::Add(member));
        let value = world.write(0).unwrap();
        world.pass(500);
        assert_eq!(world.acknowledges(value), fault.is_some(), "{fault:?}");
        if fault.is_some() {
            continue;
        }
        world.order(1);
        world.until("1 leads", |world| world.leads_alone(1));
        world.pass(500);
        assert!(!world.acknowledges(value));
        world.settle();
        let newest = |number: usize| {
            let machine = world.nodes[number].machine.as_ref().unwrap();
            machine.lineage().configurations.newest().cloned()
        };
        assert!((1..4).all(|number| newest(number) == newest(0)));
    }
}

/// Two authorities order two members in the same second, an operator orders the primary back.
#[test]
fn of_orders_at_the_same_time_one_wins() {
    for wait_ms in [0, 1, 2, 5, 10, 20, 50] {
        let mut world = group(3, 1, 0, None);
        let first = world.write(0).unwrap();
        world.until("the write is acknowledged", |world| {
            world.acknowledges(first)
        });
        world.order(1);
        world.pass(wait_ms);
        world.order(2);
        world.write(0);
        world.pass(wait_ms);
        world.order(0);
        world.until("one leads", |world| world.leader().is_some());
        world.settle();
        let leader = world.leader().unwrap();
        assert!(world.end_of(leader, first).is_some());
    }
}

/// A server that was sealed by a candidate that died goes on by itself.
#[test]
fn members_of_a_candidate_that_died_find_a_leader() {
    let mut world = group(3, 1, 0, None);
    world.order(1);
    world.until("the others have promised", |world| {
        let promised = |number: usize| world.nodes[number].machine.as_ref().unwrap().promised();
        promised(2) == promised(1) && promised(1) > promised(0) || promised(0) == promised(1)
    });
    world.crash(1, EndCause::Kill, 1_000_000);
    world.until("one leads", |world| world.leader().is_some());
    world.nodes[1].back_ms = world.now_ms;
    world.settle();
}

/// A primary that wrote much alone has a greater offset than those that went on without it, and
/// still the shorter stream.
fn longer_offset(fault: Option<Fault>) -> (World, u64) {
    let mut world = group(3, 1, 0, fault);
    world.cut(0, 1);
    world.cut(0, 2);
    (0..10).for_each(|_| _ = world.write(0));
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    let value = world.write(1).unwrap();
    world.until("the write is acknowledged", |world| {
        world.acknowledges(value)
    });
    assert!(world.nodes[0].end() > world.nodes[2].end());
    world.crash(1, EndCause::Kill, 1_000_000);
    world.happen(super::world::Trouble::Heal);
    world.order_to_follow(0, 2);
    world.pass(100);
    world.order(0);
    (world, value)
}

#[test]
fn the_greater_ballot_has_the_longer_stream() {
    let (mut world, value) = longer_offset(None);
    world.until("one leads", |world| world.leader().is_some());
    let leader = world.leader().unwrap();
    assert!(leader == 2 && world.end_of(leader, value).is_some());
    world.nodes[1].back_ms = world.now_ms;
    world.settle();
    let (mut world, _) = longer_offset(Some(Fault::OffsetAlone));
    let why = world.run_for(1000).unwrap_err();
    assert!(why.starts_with("Q1"), "the broken rule: {why}");
}

/// A link that was made under an earlier ballot ends with it.
#[test]
fn a_deposed_primary_has_no_replicas() {
    let mut world = group(3, 1, 0, None);
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    world.until("0 is deposed", |world| {
        world.nodes[0]
            .machine
            .as_ref()
            .unwrap()
            .safe_offset()
            .is_none()
    });
    let of_zero = world.links_to(0, Use::Stream);
    assert_eq!(of_zero, 0);
    world.settle();
}

impl World {
    fn is_off(&self, at: usize) -> bool {
        let machine = self.nodes[at].machine.as_ref();
        machine.is_some_and(|its| its.is_off())
    }
}

/// QUORUM SET 0 at a leader without links to members ends nothing.
#[test]
fn a_group_ends_once_its_members_know() {
    for fault in [None, Some(Fault::EndsAtOnce)] {
        let mut world = group(3, 1, 0, fault);
        world.cut(0, 1);
        world.cut(0, 2);
        world.change(0, &Change::Set(0));
        world.pass(500);
        assert_eq!(world.is_off(0), fault.is_some(), "{fault:?}");
        if fault.is_some() {
            world.order(1);
            let why = world.run_for(2000).unwrap_err();
            assert!(why.starts_with("Q2"), "{why}");
            continue;
        }
        world.order(1);
        world.until("1 leads", |world| world.leads_alone(1));
        world.settle();
    }
}

/// A member that was away learns of the end from the server that it follows, or asks.
#[test]
fn all_leave_a_group_that_has_ended() {
    let mut world = group(3, 1, 0, None);
    world.cut(0, 2);
    world.cut(1, 2);
    world.change(0, &Change::Set(0));
    world.until("0 and 1 have left", |world| {
        world.is_off(0) && world.is_off(1)
    });
    world.pass(500);
    assert!(!world.is_off(2));
    world.order(2);
    world.pass(500);
    world.happen(super::world::Trouble::Heal);
    world.until("2 has left", |world| world.is_off(2));
    // k is raised again: a new group, of new nodes.
    let group = world.nodes[0].machine().saved_state().left.last().copied();
    for node in &mut world.nodes {
        node.settings.acknowledgements = 1;
        node.machine().settings.acknowledgements = 1;
    }
    world.order(0);
    world.order_to_follow(1, 0);
    world.order_to_follow(2, 0);
    world.settle();
    assert_ne!(world.nodes[0].machine().group(), group.map(|its| its.0));
}

/// Two of three are gone, and an operator gives up what they have: the third leads alone, in a
/// group of its own, and they join it as new nodes when an order sends them there.
#[test]
fn a_server_goes_on_alone_only_by_an_order_that_says_so() {
    let mut world = group(3, 1, 0, None);
    world.cut(0, 2);
    let value = world.write(0).unwrap();
    world.until("1 acknowledges", |world| world.acknowledges(value));
    let former = world.nodes[2].machine().group();
    world.crash(0, EndCause::Kill, 1_000_000);
    world.crash(1, EndCause::Kill, 1_000_000);
    world.happen(super::world::Trouble::Heal);
    world.order(2);
    world.pass(8000);
    assert_eq!(world.leader(), None, "alone it does not lead");
    world.happen(super::world::Trouble::Lossy(2));
    assert!(world.leads_alone(2) && world.end_of(2, value).is_none());
    assert_ne!(world.nodes[2].machine().group(), former);
    assert_eq!(world.write(2), None, "writes wait for members");
    // The others come back, lead their own group, and keep what was acknowledged there.
    world.cut(0, 2);
    world.cut(1, 2);
    for number in [0, 1] {
        world.nodes[number].back_ms = world.now_ms;
    }
    world.until("0 leads", |world| {
        let machine = world.nodes[0].machine.as_ref();
        machine.is_some_and(|its| its.safe_offset().is_some())
    });
    assert!(world.end_of(0, value).is_some());
    // An operator sends them to the server that went on alone.
    world.happen(super::world::Trouble::Heal);
    for number in [0, 1] {
        world.order_to_follow(number, 2);
    }
    let of_two = world.nodes[2].machine().group();
    world.until("all are of its group", |world| {
        world.nodes.iter().all(|node| {
            node.machine
                .as_ref()
                .is_some_and(|its| its.group() == of_two)
        })
    });
    world.settle();
    assert!(world.leads_alone(2));
    assert!((0..3).all(|number| world.end_of(number, value).is_none()));
}

/// A member does not follow a stranger, also if an order says so.
#[test]
fn a_member_keeps_its_group_and_its_data() {
    let mut world = group(2, 1, 1, None);
    world.happen(super::world::Trouble::Lossy(2));
    world.pass(1000);
    let value = world.write(0).unwrap();
    world.until("the write is acknowledged", |world| {
        world.acknowledges(value)
    });
    let group = world.nodes[1].machine().group();
    let own = world.nodes[2].machine().group();
    assert_eq!(world.nodes[0].machine().group(), group);
    assert!(own.is_none() || own != group);
}

impl World {
    fn leases(&self, at: usize) -> bool {
        let machine = self.nodes[at].machine.as_ref();
        machine.is_some_and(|its| its.lease_holds(self.now_ms))
    }
}

/// A primary that is cut off reads for as long as its lease holds; another leads only after that.
#[test]
fn another_leads_after_the_vows() {
    for fault in [None, Some(Fault::NoVow)] {
        let mut world = leased(3, 1, 0, (fault, 1000));
        let value = world.write(0).unwrap();
        world.until("it is acknowledged", |world| world.acknowledges(value));
        assert!(world.leases(0));
        world.cut(0, 1);
        world.cut(0, 2);
        let begin_ms = world.now_ms;
        world.order(1);
        world.until("1 leads", |world| world.leads_alone(1));
        let waited_ms = world.now_ms - begin_ms;
        let value = world.write(1).expect("it leads");
        world.until("it is acknowledged", |world| world.acknowledges(value));
        assert_eq!(
            world.leases(0),
            fault.is_some(),
            "{fault:?}: {waited_ms} ms"
        );
        world.read(0);
        let outcome = world.outcome();
        if fault.is_some() {
            assert!(outcome.unwrap_err().starts_with("Q4"));
            continue;
        }
        assert!((800..1300).contains(&waited_ms), "{waited_ms} ms");
        world.settle();
        assert!(world.leads_alone(1) && world.leases(1));
    }
}

/// A leader that hands over by its own promise needs no further wait.
#[test]
fn a_leader_that_promises_gives_its_lease_back() {
    let mut world = leased(3, 1, 0, (None, 1000));
    let begin_ms = world.now_ms;
    world.order(1);
    world.until("1 leads", |world| world.leads_alone(1));
    assert!(world.now_ms < begin_ms + 300, "{}", world.now_ms - begin_ms);
    world.settle();
    // An idle leader keeps its lease.
    world.pass(5000);
    assert!(world.leases(1));
}

/// An acknowledgement that was under way for long says nothing of now.
#[test]
fn a_lease_runs_from_the_time_of_sending() {
    for fault in [None, Some(Fault::LeaseFromReceipt)] {
        let mut world = leased(3, 1, 0, (fault, 1000));
        world.cuts.extend([(1, 0), (2, 0)]);
        let value = world.write(0).unwrap();
        world.until("2 has it", |world| world.end_of(2, value).is_some());
        world.cut(0, 1);
        world.cut(0, 2);
        world.order(1);
        world.until("1 leads", |world| world.leads_alone(1));
        let value = world.write(1).expect("it leads");
        world.until("it is acknowledged", |world| world.acknowledges(value));
        assert!(!world.leases(0));
        // The acknowledgement of 2 arrives now, the end of its link later.
        for connection in world.connections.values_mut() {
            connection.ways[1].retain(|(_, packet)| !matches!(packet, Packet::End));
        }
        world.cuts.remove(&(2, 0));
        world.pass(10);
        assert_eq!(world.leases(0), fault.is_some());
        world.read(0);
        assert_eq!(world.outcome().is_err(), fault.is_some());
    }
}
