//! The servers of a storm as a fleet: a group, or a cluster of two shards and a third voter.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use russet::testing::command_table;
use russet::testing::node::{GroupFacts, ServerNode, ShardFacts};
use russet_host::simulation::MachineId;

use super::checks::{Checks, Value, slot_of};
use super::clients::{CLIENTS, Client};
use super::fleet::{Fleet, Launch, PORT};

/// The servers of a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A group of three; one replica acknowledges.
    Three,
    /// A group of five; two replicas acknowledge.
    Five,
    /// Two shards of three nodes, and a voter without slots that clients use.
    Cluster,
}

impl Form {
    pub fn count(self) -> usize {
        match self {
            Form::Three => 3,
            Form::Five => 5,
            Form::Cluster => 7,
        }
    }

    /// The servers of each group at the begin, its first leader first.
    pub fn groups(self) -> &'static [&'static [MachineId]] {
        match self {
            Form::Three => &[&[0, 1, 2]],
            Form::Five => &[&[0, 1, 2, 3, 4]],
            Form::Cluster => &[&[0, 2, 3], &[1, 4, 5]],
        }
    }

    /// The node of a cluster that only votes.
    pub const VOTER: usize = 6;
}

/// What the test knows of a process.
#[derive(Default)]
pub struct ProcessState {
    pub clients: Vec<Client>,
    pub group: GroupFacts,
    pub shard: ShardFacts,
}

/// See the module.
pub struct World {
    fleet: Fleet<ProcessState>,
    pub form: Form,
    pub checks: Checks,
    values: Value,
    pub has_lost_disk: bool,
    /// When a write was last answered.
    pub answered_ms: u64,
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

fn start(launch: Launch, form: Form, seed: u64, is_on: bool) -> Result<ServerNode, String> {
    let port = PORT + launch.number as u16;
    let mut options = format!(
        "--port {port} --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0 \
         --replica-announce-ip 127.0.0.1 --repl-timeout 5 --repl-ping-replica-period 1 \
         --repl-diskless-sync-delay 0 --sync-timeout 2000 --sync-takeover-timeout 3000"
    );
    let needed = match form {
        Form::Five => 2,
        Form::Cluster if launch.number == Form::VOTER => 0,
        Form::Three | Form::Cluster => 1,
    };
    if is_on {
        options +=
            &format!(" --sync-quorum yes --min-sync-replicas {needed} --sync-replica-reads safe");
    }
    match form {
        Form::Cluster => {
            options += " --cluster-enabled yes --cluster-node-timeout 2000 \
                        --cluster-announce-ip 127.0.0.1 --cluster-config-file nodes.conf";
        }
        // A server that comes back does not know who leads: its file says what it said at first,
        // or what a Sentinel wrote into it at any time.
        Form::Three | Form::Five => {
            let other = (seed + launch.lives) as usize % form.count();
            let follows = match launch.lives {
                0 => 0,
                _ => other,
            };
            if follows != launch.number {
                options += &format!(" --replicaof 127.0.0.1 {}", PORT + follows as u16);
            }
        }
    }
    let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let seed = seed * 1000 + launch.number as u64 * 100 + launch.lives;
    ServerNode::start_in_network(
        command_table(),
        &options,
        (launch.unix_us, seed),
        launch.dial,
    )
}

impl World {
    pub fn new(form: Form, seed: u64, is_on: bool, folder: &Path, keeps_log: bool) -> World {
        let start = Box::new(move |launch| start(launch, form, seed, is_on));
        World {
            fleet: Fleet::new(form.count(), seed, folder, keeps_log, start),
            form,
            checks: Checks::default(),
            values: 0,
            has_lost_disk: false,
            answered_ms: 0,
        }
    }

    pub fn next_value(&mut self) -> Value {
        self.values += 1;
        self.values
    }

    /// A step of time.
    pub fn step(&mut self) -> Result<(), String> {
        for number in self.fleet.begin_step()? {
            let place = &mut self.places[number];
            if let Some(node) = &mut place.node {
                place.its.clients = (0..=CLIENTS).map(|_| Client::new(node)).collect();
            }
        }
        for number in 0..self.form.count() {
            if self.is_awake(number) {
                self.fleet.turn(number)?;
                let place = &mut self.fleet.places[number];
                if let Some(node) = &place.node {
                    let group = node.group_facts();
                    let begins = group.leads && !place.its.group.leads;
                    self.checks.figures.terms += usize::from(begins);
                    let changed = group.state != place.its.group.state;
                    let (count, is_clean) = (group.members.len(), group.is_clean);
                    let text = format!(
                        "node {number} is {} of {count}, clean: {is_clean}",
                        group.state
                    );
                    (place.its.group, place.its.shard) = (group, node.shard_facts());
                    if changed {
                        self.note(|| text);
                    }
                }
                self.read_clients(number);
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
        self.places.iter().position(|place| {
            let facts = place.node.as_ref().map(|node| node.facts());
            if facts.is_none_or(|facts| facts.follows.is_some()) {
                return false;
            }
            let mut slots = place.its.shard.slots.iter();
            slots.any(|(first, last)| (*first..=*last).contains(&slot))
        })
    }

    /// A server to which a client may send a request about a set: in a cluster as a rule the owner
    /// of the slot, in a group any server.
    pub fn server_for(&mut self, set: usize) -> Option<usize> {
        let count = self.form.count();
        let any = self.random.place(count);
        if self.form == Form::Cluster && self.random.place(10) > 0 {
            self.owner(slot_of(set))
        } else {
            Some(any)
        }
    }

    /// The leader of the group that a server belongs to; with the mode off the primary.
    pub fn leaders(&self) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        let leads = places.filter(|(_, place)| {
            let is_primary = place
                .node
                .as_ref()
                .is_some_and(|node| node.facts().follows.is_none());
            if place.its.group.state.is_empty() {
                is_primary
            } else {
                place.its.group.leads && is_primary
            }
        });
        leads.map(|(number, _)| number).collect()
    }
}
