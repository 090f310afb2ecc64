//! Shards: what replicas hear and have, and who takes whose place.

use super::*;

impl World {
    /// Source and target with a replica each, and a third primary.
    pub(in super::super) fn of_shards(settings: [Settings; 2], seed: u64) -> World {
        let mut world = World::new(settings.clone(), seed);
        let [source, target] = settings;
        world.nodes.push(Node::new(OTHER, source.clone()));
        for (primary, settings) in [source, target].into_iter().enumerate() {
            let mut replica = Node::new(REPLICAS[primary], settings);
            (replica.view.is_primary, replica.view.follows) = (false, primary);
            world.nodes.push(replica);
        }
        world
    }

    /// The living replica of a node.
    pub(in super::super) fn replica_of(&self, primary: usize) -> Option<usize> {
        let mut all = self.nodes.iter();
        all.position(|node| node.is_up && !node.view.is_primary && node.view.follows == primary)
    }

    /// What a node has said, as a length.
    pub(in super::super) fn offset(&self, node: usize) -> usize {
        self.nodes[node].history.len()
    }

    /// The nodes of a shard, the primary first: that of the slots' owner, or the other one.
    pub(in super::super) fn primaries(&self) -> [usize; 2] {
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

    /// A replica applies one more effect.
    pub(super) fn replicate(&mut self) -> bool {
        let first = self.random(2);
        let behind = (0..self.nodes.len()).filter_map(|at| {
            let replica = (at + first) % self.nodes.len();
            let it = &self.nodes[replica];
            let primary = &self.nodes[it.view.follows];
            let is_linked = it.is_up && !it.view.is_primary && primary.is_up;
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
                    link: Link::Client(0),
                    is_internal: false,
                    is_primary: true,
                    node: None,
                };
                self.call(replica, |m, now, view| {
                    m.request(now, view, &sender, &words)
                });
            }
        }
        let primary = self.nodes[replica].view.follows;
        if self.offset(replica) == self.offset(primary) {
            self.nodes[replica].is_fit = true;
        }
        self.continue_claims(primary);
        true
    }

    /// Claims what the node's replica has, or what has waited in vain for none.
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
            let has_keys = replica.is_none_or(|replica| self.offset(replica) >= claim.offset);
            if !has_keys && self.now.monotonic_ms < claim.until_ms {
                self.waiting.push(claim);
                continue;
            }
            if has_keys {
                self.claim(node);
            }
            self.call(node, |m, now, view| {
                m.taken(now, view, claim.job, has_keys);
            });
        }
    }

    /// The slots are this node's, in a new epoch. Its own shard hears of it first.
    fn claim(&mut self, node: usize) {
        let epochs = self.nodes.iter().map(|node| node.view.epoch);
        let epoch = epochs.max().unwrap_or(0) + 1;
        let it = &mut self.nodes[node];
        (it.view.owner, it.view.epoch) = (node, epoch);
        it.saved = (node, epoch);
        let mut others: Vec<usize> = (0..self.nodes.len()).filter(|&at| at != node).collect();
        others.sort_by_key(|&at| self.nodes[at].view.follows != node);
        for other in others {
            self.claims.push_back((other, node, epoch));
        }
    }

    /// Heartbeats: each owner tells those that do not know it.
    pub(super) fn beat(&mut self) {
        let owners = (0..self.nodes.len()).filter(|&node| self.nodes[node].is_owner());
        for owner in owners.collect::<Vec<_>>() {
            let epoch = self.nodes[owner].view.epoch;
            for other in 0..self.nodes.len() {
                let is_told = self.claims.contains(&(other, owner, epoch));
                let it = &self.nodes[other];
                if it.is_up && it.view.epoch < epoch && !is_told {
                    self.claims.push_back((other, owner, epoch));
                }
            }
        }
    }

    /// The replica of a dead primary asks the other primaries for its place. `false`: not now.
    pub(in super::super) fn promote(&mut self, replica: usize) -> bool {
        let view = &self.nodes[replica].view;
        let (primary, epoch) = (view.follows, view.epoch);
        let takes_slots = view.owner == primary;
        let is_candidate = self.nodes[replica].is_up && self.nodes[replica].is_fit;
        let grants = |node: &Node| {
            let is_voter = node.view.is_primary && node.view.me != primary;
            !is_voter || node.is_up && !(takes_slots && node.view.epoch > epoch)
        };
        let is_elected = is_candidate && self.nodes.iter().all(grants);
        if !is_elected {
            return false;
        }
        let view = &mut self.nodes[replica].view;
        (view.is_primary, view.follows) = (true, replica);
        if takes_slots {
            self.claim(replica);
        } else {
            self.drop_keys(replica);
        }
        self.call(replica, |m, now, view| m.routes_changed(now, view));
        true
    }

    /// A killed node starts again: its link goes on, or it follows the replica that has taken its place. It hears
    /// of the others before it serves anything.
    pub(in super::super) fn rejoin(&mut self, node: usize) {
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
        self.call(primary, |m, now, view| m.announce_again(now, view));
    }
}
