//! Shards: replication, claims, greetings, and elections of replicas.
//!
//! A replica applies its primary's history one effect at a time; its offset is the length of its
//! own. A claim waits for the replica's offset (`continue_claims`) and then reaches each of the
//! other nodes, in any order. A replica is elected by three of five primaries; a voter that knows a
//! newer claim refuses. Two nodes may be apart, and a replica may lag: the seed decides which
//! (`disturb`).

use super::*;

impl World {
    /// Source and target with a replica each, and three more primaries. The seed decides which
    /// nodes are slow or apart.
    pub(crate) fn of_shards(settings: [Settings; 2], seed: u64) -> World {
        let mut world = World::new(settings.clone(), seed);
        let [source, target] = settings;
        world.nodes.push(SimulatedNode::new(OTHER, source.clone()));
        for (primary, settings) in [source, target].into_iter().enumerate() {
            let mut replica = SimulatedNode::new(REPLICAS[primary], settings);
            (replica.view.is_primary, replica.view.follows) = (false, primary);
            world.nodes.push(replica);
        }
        for voter in VOTERS {
            world.nodes.push(SimulatedNode::new(
                voter,
                world.nodes[OTHER].machine.settings.clone(),
            ));
        }
        world.greet();
        world
    }

    /// From now on a replica may lag, and two nodes may be apart, for some time.
    pub(crate) fn disturb(&mut self) {
        let now_ms = self.now.monotonic_ms;
        if self.random(2) == 0 {
            let replica = REPLICAS[self.random(2)];
            let for_ms = 100 * self.random(5) as i64;
            self.stalled = Some((replica, now_ms + for_ms));
        }
        if self.random(2) == 0 {
            let pairs = [
                [SOURCE, REPLICAS[TARGET]],
                [SOURCE, OTHER],
                [TARGET, REPLICAS[TARGET]],
            ];
            let pair = pairs[self.random(pairs.len())];
            let for_ms = 1000 * self.random(5) as i64;
            self.apart = Some((pair, now_ms + for_ms));
        }
    }

    fn are_apart(&self, a: usize, b: usize) -> bool {
        let now_ms = self.now.monotonic_ms;
        (self.apart)
            .is_some_and(|(pair, until)| now_ms < until && pair.contains(&a) && pair.contains(&b))
    }

    /// Reports to the machine that another node has claimed its slots, which it keeps or drops. The
    /// change of routes is reported afterwards.
    pub(super) fn lose(&mut self, node: usize) {
        let slots = Ranges::of_slots(0..11);
        self.call(node, |m, view| m.lost(view, &slots));
    }

    /// The living replica of a node.
    pub(crate) fn replica_of(&self, primary: usize) -> Option<usize> {
        let mut all = self.nodes.iter();
        all.position(|node| node.is_up && !node.view.is_primary && node.view.follows == primary)
    }

    /// A node's offset: the length of its history.
    pub(crate) fn offset(&self, node: usize) -> usize {
        self.nodes[node].history.len()
    }

    /// The nodes of a shard, the primary first: the shard of the slots' owner, or the other shard.
    pub(crate) fn primaries(&self) -> [usize; 2] {
        [SOURCE, TARGET].map(|shard| {
            let replica = REPLICAS[shard];
            let is_promoted = self.nodes[replica].view.is_primary;
            if is_promoted { replica } else { shard }
        })
    }

    pub(super) fn drop_keys(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.keys.clear();
        if it.view.is_primary {
            it.history.push(Effect::Drop);
        }
    }

    /// A replica applies a further effect.
    pub(super) fn replicate(&mut self) -> bool {
        let first = self.random(self.nodes.len());
        let behind = (0..self.nodes.len()).filter_map(|at| {
            let replica = (at + first) % self.nodes.len();
            let it = &self.nodes[replica];
            let primary = &self.nodes[it.view.follows];
            let is_stalled = (self.stalled)
                .is_some_and(|(at, until)| at == replica && self.now.monotonic_ms < until);
            let is_linked = it.is_up && !it.view.is_primary && primary.is_up && !is_stalled;
            let next = is_linked.then(|| primary.history.get(it.history.len()))?;
            Some((replica, next?.clone()))
        });
        let Some((replica, effect)) = behind.into_iter().next() else {
            return false;
        };
        let it = &mut self.nodes[replica];
        it.history.push(effect.clone());
        match effect {
            Effect::Set(key, value) => _ = it.keys.insert(key, value),
            Effect::Drop => it.keys.clear(),
            Effect::Tell(words) => {
                let words: Vec<&[u8]> = words[2..].iter().map(Vec::as_slice).collect();
                let sender = Sender {
                    link: MigrationLink::Client(0),
                    is_internal: false,
                    is_primary: true,
                    node: None,
                };
                self.call(replica, |m, view| m.request(view, &sender, &words));
            }
        }
        let primary = self.nodes[replica].view.follows;
        if self.offset(replica) == self.offset(primary) {
            self.nodes[replica].is_fit = true;
        }
        self.continue_claims(primary);
        true
    }

    /// Goes through a node's waiting claims: each is made once the replica has its keys, and fails
    /// at its deadline.
    pub(super) fn continue_claims(&mut self, node: usize) {
        for claim in std::mem::take(&mut self.waiting) {
            if claim.node != node {
                self.waiting.push(claim);
                continue;
            }
            if !self.nodes[node].machine.awaits_claim(claim.job) {
                continue;
            }
            let replica = self.replica_of(node);
            let has_keys = self.claims_at_once
                || replica.is_none_or(|replica| self.offset(replica) >= claim.offset);
            if !has_keys && self.now.monotonic_ms < claim.until_ms {
                self.waiting.push(claim);
                continue;
            }
            if has_keys {
                self.claim(node);
            }
            self.call(node, |m, view| {
                m.slots_taken_over(view, claim.job, has_keys);
            });
        }
    }

    /// The slots are this node's, in a new epoch. The claim is queued for its own shard first.
    pub(super) fn claim(&mut self, node: usize) {
        let epochs = self.nodes.iter().map(|node| node.view.epoch);
        let epoch = epochs.max().unwrap_or(0) + 1;
        let it = &mut self.nodes[node];
        (it.view.owner, it.view.epoch) = (node, epoch);
        it.saved = (node, epoch);
        let mut others: Vec<usize> = (0..self.nodes.len()).filter(|&at| at != node).collect();
        others.sort_by_key(|&at| self.nodes[at].view.follows != node);
        for other in others {
            if !self.are_apart(node, other) {
                self.claims.push_back((other, node, epoch));
            }
        }
    }

    /// Heartbeats: each owner announces its claim to the nodes that do not know it.
    pub(super) fn beat(&mut self) {
        let owners = (0..self.nodes.len()).filter(|&node| self.nodes[node].is_owner());
        for owner in owners.collect::<Vec<_>>() {
            let epoch = self.nodes[owner].view.epoch;
            for other in 0..self.nodes.len() {
                let is_reported = self.claims.contains(&(other, owner, epoch));
                let it = &self.nodes[other];
                let may_receive =
                    it.is_up && it.view.epoch < epoch && !self.are_apart(owner, other);
                if may_receive && !is_reported {
                    self.claims.push_back((other, owner, epoch));
                }
            }
        }
    }

    /// Greetings: each node records the others' state; a node that shows an old claim is corrected
    /// (UPDATE).
    pub(super) fn greet(&mut self) {
        let now_ms = self.now.monotonic_ms;
        let count = self.nodes.len();
        for to in 0..count {
            self.nodes[to].view.now_ms = now_ms;
            for from in (0..count).filter(|&from| from != to) {
                let (it, its) = (&self.nodes[to], &self.nodes[from]);
                if !it.is_up || !its.is_up || self.are_apart(to, from) {
                    continue;
                }
                let received = Greeting {
                    at_ms: now_ms,
                    owner: its.view.owner,
                    epoch: its.view.epoch,
                    offset: its.history.len() as u64,
                    is_primary: its.view.is_primary,
                    follows: its.view.follows,
                };
                let (owner, epoch) = (it.view.owner, it.view.epoch);
                // A node speaks for itself, or for its primary.
                let speaks = |at: usize| at == from || at == its.view.follows;
                let is_old = (speaks(owner) || speaks(its.view.owner)) && its.view.epoch < epoch;
                if is_old && !self.claims.contains(&(from, owner, epoch)) {
                    self.claims.push_back((from, owner, epoch));
                }
                self.nodes[to].view.received.insert(from, received);
            }
        }
    }

    /// The replica of a dead primary asks the other primaries for its place. `false`: not now.
    pub(crate) fn promote(&mut self, replica: usize) -> bool {
        let view = &self.nodes[replica].view;
        let (primary, epoch) = (view.follows, view.epoch);
        let takes_slots = view.owner == primary;
        let is_candidate = self.nodes[replica].is_up && self.nodes[replica].is_fit;
        // A voter that knows a newer claim than the candidate, of the slots or of its primary,
        // refuses.
        let grants = |node: &&SimulatedNode| {
            let view = &node.view;
            let is_voter = node.is_up && view.is_primary && !self.are_apart(view.me, replica);
            let is_newer = view.epoch > epoch && (takes_slots || view.owner == primary);
            is_voter && view.me != primary && !is_newer
        };
        let votes = self.nodes.iter().filter(grants).count();
        // Of five primaries.
        if !is_candidate || votes < 3 {
            return false;
        }
        let view = &mut self.nodes[replica].view;
        (view.is_primary, view.follows) = (true, replica);
        if takes_slots {
            self.claim(replica);
        }
        self.call(replica, |m, view| m.routes_changed(view));
        if !self.nodes[replica].is_owner() {
            self.lose(replica);
        }
        true
    }

    /// A killed node starts again: its replication continues, or it follows the replica that has
    /// taken its place. It receives the others' claims before it serves anything.
    pub(crate) fn rejoin(&mut self, node: usize) {
        self.start(node);
        let living = self.nodes.iter().filter(|other| other.is_up);
        let newest = living
            .map(|other| (other.view.epoch, other.view.owner))
            .max();
        let (epoch, owner) = newest.expect("this node");
        let it = &mut self.nodes[node];
        (it.view.owner, it.view.epoch) = (owner, epoch);
        it.saved = (owner, epoch);
        it.is_fit = it.view.is_primary;
        let place = [SOURCE, TARGET].into_iter().find(|&at| at == node);
        let taken = place.map(|at| REPLICAS[at]);
        match taken.filter(|&by| self.nodes[by].view.is_primary) {
            Some(by) => self.copy(node, by),
            None if self.nodes[node].view.is_primary && owner != node => self.drop_keys(node),
            None => (),
        }
    }

    /// A full synchronization.
    fn copy(&mut self, replica: usize, primary: usize) {
        let (keys, history) = {
            let it = &self.nodes[primary];
            (it.keys.clone(), it.history.clone())
        };
        let it = &mut self.nodes[replica];
        (it.view.is_primary, it.view.follows) = (false, primary);
        (it.keys, it.history, it.is_fit) = (keys, history, true);
        self.call(primary, |m, view| m.announce_again(view));
    }
}
