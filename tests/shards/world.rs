//! The nodes of a cluster as a fleet, with clients and claims, and the steps of time.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use russet::testing::command_table;
use russet::testing::node::{BrokenRule, ServerNode, ShardFacts};

use super::checks::Checks;
use super::clients::{Client, Role};
use super::fleet::{Fleet, Launch, PORT, Place};

pub const NODES: usize = 4;
/// The number of nodes that have slots from the start.
pub const FIRST: usize = 3;

/// What the test knows of a process.
#[derive(Default)]
pub struct ProcessState {
    pub clients: Vec<Client>,
    pub facts: ShardFacts,
}

/// See the module.
pub struct World {
    fleet: Fleet<ProcessState>,
    seed: u64,
    pub checks: Checks,
}

impl Deref for World {
    type Target = Fleet<ProcessState>;

    fn deref(&self) -> &Fleet<ProcessState> {
        &self.fleet
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Fleet<ProcessState> {
        &mut self.fleet
    }
}

/// Whether `search-global-idf` is on.
fn scores_are_of_all(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

fn start(launch: Launch, seed: u64, broken: Option<BrokenRule>) -> Result<ServerNode, String> {
    let port = PORT + launch.number as u16;
    let scores = if scores_are_of_all(seed) { "yes" } else { "no" };
    let options = format!(
        "--port {port} --cluster-enabled yes --cluster-node-timeout 2000 --cluster-announce-ip 127.0.0.1 \
         --cluster-config-file nodes.conf --appendonly yes --appendfsync always \
         --search-global-idf {scores} --auto-aof-rewrite-percentage 0"
    );
    let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let seed = seed * 1000 + launch.number as u64 * 100 + launch.lives;
    let at = (launch.unix_us, seed);
    let mut node = ServerNode::start_in_network(command_table(), &options, at, launch.dial)?;
    node.break_rule(broken);
    Ok(node)
}

impl World {
    pub fn new(seed: u64, broken: Option<BrokenRule>, folder: &Path, keeps_log: bool) -> World {
        let start = Box::new(move |launch| start(launch, seed, broken));
        World {
            fleet: Fleet::new(NODES, seed, folder, keeps_log, start),
            seed,
            checks: Checks::default(),
        }
    }

    /// Whether `search-global-idf` is on.
    pub fn scores_are_of_all(&self) -> bool {
        scores_are_of_all(self.seed)
    }

    /// Ends the process; its files stay.
    pub fn stop(&mut self, number: usize, back_ms: u64) {
        for at in 0..self.places[number].its.clients.len() {
            self.lost(number, at);
        }
        self.fleet.stop(number, back_ms);
    }

    /// A step of time.
    pub fn step(&mut self) -> Result<(), String> {
        for number in self.fleet.begin_step()? {
            for role in [Role::Asks, Role::Writes, Role::Defines, Role::Orders] {
                let place = &mut self.places[number];
                if let Some(node) = &mut place.node {
                    let client = Client::new(role, node);
                    place.its.clients.push(client);
                }
            }
        }
        for number in 0..NODES {
            if self.is_up(number) {
                self.fleet.turn(number)?;
                let place = &mut self.places[number];
                if let Some(node) = &place.node {
                    place.its.facts = node.shard_facts();
                }
                self.hear_clients(number)?;
            }
        }
        Ok(())
    }

    /// Runs until a condition holds, or for this time.
    pub fn run_until(
        &mut self,
        ms: u64,
        mut holds: impl FnMut(&mut World) -> Result<bool, String>,
    ) -> Result<bool, String> {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            if holds(self)? {
                return Ok(true);
            }
            self.step()?;
        }
        holds(self)
    }

    /// The node that considers itself the owner of a slot.
    pub fn owner(&self, slot: u16) -> Option<usize> {
        let has_it = |place: &Place<ProcessState>| {
            let mut slots = place.its.facts.slots.iter();
            slots.any(|(first, last)| (*first..=*last).contains(&slot))
        };
        self.places.iter().position(has_it)
    }
}
