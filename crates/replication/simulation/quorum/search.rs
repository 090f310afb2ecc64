//! Every order of messages, breadth-first: three members, each write at one other, two takeovers
//! and two writes.
//!
//! Time stands still: no timer fires, no connection is slow, and what remains is the order in which
//! packets arrive and in which clients and authorities act. A state is a world; equal states are
//! visited once, by a digest of all machines, streams and packets. The claims are those of the
//! storms.
//!
//! The search ends after `RUSSET_QUORUM_SEARCH_S` seconds (3 by default) or with the last state,
//! and prints how far it came. Cost: a copy of the world a state.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::network::Use;
use super::world::{Plan, World};
use crate::quorum::{Fault, SyncOn};
use russet_host::simulation::{caught, number};

/// Something that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The first packet on its way to this end of a connection arrives.
    Deliver(u64, usize),
    /// A client writes to a server that leads.
    Write(usize),
    /// A server is ordered to take over.
    TakeOver(usize),
}

/// A state: the world, and what may still be done to it.
#[derive(Clone)]
struct SearchState {
    world: World,
    writes: usize,
    takeovers: Vec<usize>,
    path: Vec<Step>,
}

impl SearchState {
    fn first(fault: Option<Fault>) -> SearchState {
        let plan = Plan {
            members: 3,
            others: 0,
            acknowledgements: 1,
            sync_on: SyncOn::Memory,
            lease_ms: 0,
            fault,
            delay_ms: 1,
            has_authority: false,
            is_given_up: false,
        };
        let mut world = World::new(3, &plan, false);
        world.form().expect("a group");
        world.run_for(200).expect("nothing happens");
        world.stand_still();
        SearchState {
            world,
            writes: 2,
            takeovers: vec![1, 2],
            path: Vec::new(),
        }
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for connection in self.world.connections.values() {
            for end in 0..2 {
                if connection.is_open[end] && !connection.ways[end].is_empty() {
                    steps.push(Step::Deliver(connection.number, end));
                }
            }
        }
        if self.writes > 0 {
            let leads = |number: &usize| {
                let node = &self.world.nodes[*number];
                let machine = node.machine.as_ref();
                node.is_primary && machine.is_some_and(|its| its.safe_offset().is_some())
            };
            steps.extend((0..3).filter(leads).map(Step::Write));
        }
        steps.extend(self.takeovers.iter().copied().map(Step::TakeOver));
        steps
    }

    /// The state after a step; `Err`: a claim does not hold.
    fn after(&self, step: Step) -> Result<SearchState, String> {
        let mut next = self.clone();
        next.path.push(step);
        let world = &mut next.world;
        match step {
            Step::Deliver(number, end) => {
                let connection = world.connections.get_mut(&number).expect("it is there");
                let (_, packet) = connection.ways[end].pop_front().expect("it is there");
                world.deliver(number, end, packet);
            }
            Step::Write(number) => {
                next.writes -= 1;
                world.write(number);
            }
            Step::TakeOver(number) => {
                next.takeovers.retain(|its| *its != number);
                world.order(number);
            }
        }
        world.settle_links()?;
        Ok(next)
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.writes, &self.takeovers).hash(&mut hasher);
        for node in &self.world.nodes {
            format!("{:?}", node.machine).hash(&mut hasher);
            (&node.digests.last(), node.is_primary, node.follows).hash(&mut hasher);
            node.waiting.hash(&mut hasher);
        }
        let mut connections: Vec<String> = self
            .world
            .connections
            .values()
            .map(|its| {
                let packets = its.ways.each_ref().map(|way| {
                    let packets: Vec<_> = way.iter().map(|(_, packet)| packet).collect();
                    format!("{packets:?}")
                });
                format!(
                    "{:?} {:?} {packets:?} {:?}",
                    its.ends, its.is_open, its.sent
                )
            })
            .collect();
        connections.sort();
        connections.hash(&mut hasher);
        hasher.finish()
    }
}

impl World {
    /// From now on no time passes, and each connection is open at once.
    fn stand_still(&mut self) {
        self.feed_end = u64::MAX;
        self.settle_links().expect("all claims hold");
    }

    /// Servers dial the leaders that were announced to them, connections open, and primaries send
    /// their streams, until nothing changes but by a packet.
    fn settle_links(&mut self) -> Result<(), String> {
        for number in 0..self.nodes.len() {
            let has_link = self
                .connections
                .values()
                .any(|its| its.its == Use::Stream && its.ends[0] == number && its.is_open[0]);
            let node = &mut self.nodes[number];
            // An order to follow sets this time to 0; a link that is refused is not dialled again.
            if node.redial_ms == 0 && !node.is_primary && !has_link {
                node.redial_ms = u64::MAX;
                if let Some(to) = node.follows {
                    self.dial(number, to, Use::Stream);
                }
            }
        }
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            if let Some(connection) = self.connections.get_mut(&number)
                && connection.accepted_at.take().is_some()
                && connection.is_open[0]
            {
                connection.is_open[1] = true;
                self.opened(number);
            }
        }
        (0..self.nodes.len()).for_each(|number| self.feed(number));
        self.connections
            .retain(|_, connection| !connection.is_over());
        for node in &mut self.nodes {
            node.machine().stand_still();
        }
        self.check_positions();
        self.outcome()
    }
}

/// How far a search came.
struct Extent {
    states: usize,
    depth: usize,
    is_complete: bool,
}

/// Visits all states that can be reached, the nearest first.
fn search(fault: Option<Fault>, limit: Duration) -> Result<Extent, String> {
    let end = Instant::now() + limit;
    let first = SearchState::first(fault);
    let mut seen = HashSet::from([first.digest()]);
    let mut queue = VecDeque::from([first]);
    let mut depth = 0;
    while let Some(state) = queue.pop_front() {
        depth = state.path.len();
        if Instant::now() >= end {
            return Ok(Extent {
                states: seen.len(),
                depth,
                is_complete: false,
            });
        }
        for step in state.steps() {
            let next = caught(|| state.after(step));
            let next = next.map_err(|why| format!("{why}\nafter {:?}, {step:?}", state.path))?;
            if seen.insert(next.digest()) {
                queue.push_back(next);
            }
        }
    }
    Ok(Extent {
        states: seen.len(),
        depth,
        is_complete: true,
    })
}

#[test]
fn every_order_of_messages_keeps_what_was_acknowledged() {
    let limit_s = number("RUSSET_QUORUM_SEARCH_S").unwrap_or(3);
    match search(None, Duration::from_secs(limit_s)) {
        Ok(extent) => {
            let Extent {
                states,
                depth,
                is_complete,
            } = extent;
            eprintln!("{states} states, {depth} steps deep, all of them: {is_complete}");
            assert!(states > 100);
        }
        Err(why) => panic!("{why}"),
    }
}

/// The search finds a candidate that leads without asking, and one that asks one member too few.
#[test]
fn the_search_finds_broken_rules() {
    for fault in [Fault::NoPromises, Fault::OnePromiseLess] {
        let found = search(Some(fault), Duration::from_secs(60));
        let why = found
            .err()
            .unwrap_or_else(|| panic!("{fault:?} is not found"));
        assert!(why.contains("Q1") || why.contains("Q3"), "{fault:?}: {why}");
        eprintln!("{fault:?}: {}", why.lines().last().unwrap_or_default());
    }
}
