//! Inserts: a new node's neighbours are searched for in steps, then the node is linked in a single
//! step.
//!
//! A [`Placement`] only reads the index, so the index may change between its steps, and several may
//! be under way. The last step checks each candidate again: it drops removed nodes, computes the
//! distances of changed nodes anew, and takes the last 64 added nodes as candidates, too. If no
//! candidate is left it searches again, without steps.
//!
//! Cost: a search with `ef` candidates, of which about the better half are expanded, then the
//! choice of links (`select`). Levels are drawn by `random_level`; numbers and vectors are the
//! store's.

use super::frontier::Near;
use super::search::{Descent, Progress, Scratch};
use super::store::NewNode;
use super::{Index, LEVEL_MAX, M_DEFAULT, NodeId, Query};

/// The links of the best half of a placement's nodes are followed, and of at least so many. This
/// saves a seventh to a quarter of the time; recall@10 of 20,000 uniform vectors falls from 0.870
/// to 0.854 at EF 200.
const EXPANDED_MIN: usize = 32;
/// Nodes added last that a [`Placement`] considers beside the nodes that it has found.
const RECENT: usize = 64;

/// The nodes added last, in a ring.
#[derive(Clone, Debug)]
pub(super) struct RecentNodes {
    ids: [u32; RECENT],
    added: u64,
}

impl Default for RecentNodes {
    fn default() -> RecentNodes {
        RecentNodes {
            ids: [0; RECENT],
            added: 0,
        }
    }
}

impl RecentNodes {
    fn push(&mut self, id: u32) {
        self.ids[(self.added % RECENT as u64) as usize] = id;
        self.added += 1;
    }

    pub(super) fn rename(&mut self, old: u32, new: u32) {
        for id in self.ids.iter_mut().filter(|id| **id == old) {
            *id = new;
        }
    }

    /// Returns the nodes added after the first `added`, as far as they are known.
    fn since(&self, added: u64) -> impl Iterator<Item = u32> + '_ {
        let from = added.max(self.added.saturating_sub(RECENT as u64));
        (from..self.added).map(|at| self.ids[(at % RECENT as u64) as usize])
    }
}

/// The search for a new node's neighbours: reads the index, in steps, and ends in
/// [`Index::insert_planned`] or [`Index::update_planned`].
#[derive(Debug)]
pub struct Placement {
    query: Query,
    level: usize,
    ef: usize,
    /// How many of these are expanded.
    reach: usize,
    descent: Descent,
    scratch: Scratch,
    /// By level: the near nodes, and the index's version then.
    found: Vec<(u32, Vec<Near>)>,
    /// Nodes added to the index when this began.
    added: Option<u64>,
    done: bool,
}

impl Placement {
    /// Plans a node at `level` ([`super::random_level`]), from the `ef` nearest nodes.
    pub fn new(query: Query, level: u8, ef: usize) -> Placement {
        assert!(usize::from(level) <= LEVEL_MAX);
        let ef = ef.max(1);
        // Few links leave no recall to give away.
        let reach = if query.parameters().m < M_DEFAULT {
            ef
        } else {
            ef.min(EXPANDED_MIN.max(ef / 2))
        };
        Placement {
            query,
            level: usize::from(level),
            ef,
            reach,
            descent: Descent::new(),
            scratch: Scratch::get(),
            found: vec![(0, Vec::new()); usize::from(level) + 1],
            added: None,
            done: false,
        }
    }

    /// Continues until the end, or until about `budget` distances were computed.
    pub fn step(&mut self, index: &Index, budget: usize) -> Progress {
        if self.done {
            return Progress::Done;
        }
        let mut budget = budget.max(1);
        self.added.get_or_insert(index.recent.added);
        let (target, ef) = (self.level, self.ef);
        let ef_at = |level| if level <= target { ef } else { 1 };
        let query = self.query.record();
        if !self.descent.resume(index, query, &mut self.scratch, ef_at) {
            self.done = true;
            return Progress::Done;
        }
        loop {
            let level = self.descent.level;
            if self
                .scratch
                .walk(index, query, level, self.reach, &mut budget)
                == Progress::More
            {
                return Progress::More;
            }
            if level <= target {
                self.found[level] = (index.version, self.scratch.walk.pool.sorted().to_vec());
            }
            if level == 0 {
                self.done = true;
                return Progress::Done;
            }
            self.descent
                .down(index, &mut self.scratch, ef_at(level - 1));
        }
    }

    /// Takes the nodes found at each level, as they are now, and the nodes added since; without
    /// `except`.
    fn candidates(&mut self, index: &Index, except: Option<u32>) -> Vec<Vec<Near>> {
        let query = self.query.record();
        let mut levels: Vec<Vec<Near>> = Vec::with_capacity(self.found.len());
        for (level, (version, near)) in std::mem::take(&mut self.found).into_iter().enumerate() {
            if version == index.version {
                levels.push(near);
                continue;
            }
            let reaches = |id| index.store.is_live(id) && index.store.level(id) >= level;
            let distance = |id| index.metric.distance(query, index.store.record(id));
            let kept = near.into_iter().filter(|near| reaches(near.id()));
            let mut now: Vec<Near> = kept
                .map(|near| {
                    if index.is_newer(near.id(), version) {
                        Near::new(distance(near.id()), near.id())
                    } else {
                        Near::new(near.distance(), near.id())
                    }
                })
                .collect();
            for id in index.recent.since(self.added.unwrap_or(0)) {
                if reaches(id) && now.iter().all(|near| near.id() != id) {
                    now.push(Near::new(distance(id), id));
                }
            }
            now.sort_unstable();
            levels.push(now);
        }
        if let Some(except) = except {
            for level in &mut levels {
                level.retain(|near| near.id() != except);
            }
        }
        levels
    }
}

impl Index {
    /// Adds a node for a vector. `payload` is the owner's word for it; `level` see
    /// [`super::random_level`]; `ef`: how many candidates are looked at
    /// ([`super::EF_CONSTRUCTION`]).
    pub fn insert(&mut self, query: Query, level: u8, ef: usize, payload: u64) -> NodeId {
        let mut placement = Placement::new(query, level, ef);
        self.insert_planned(&mut placement, payload)
    }

    /// Adds a node where `placement` has found its neighbours; levels that `placement` has not
    /// searched yet are searched now. Nodes that were removed since, or added, are taken account
    /// of.
    pub fn insert_planned(&mut self, placement: &mut Placement, payload: u64) -> NodeId {
        let levels = self.finish(placement, None);
        let generation = self.changed();
        self.max_uid += 1;
        let id = self.store.add(NewNode {
            uid: self.max_uid,
            payload,
            generation,
            level: placement.level as u8,
            vector: placement.query.vector(),
        });
        self.attach(id, &levels);
        NodeId(id)
    }

    /// Gives a node another vector, and links it anew; the node gets a new uid, and keeps its
    /// number and payload.
    pub fn update(&mut self, id: NodeId, query: Query, level: u8, ef: usize) {
        let mut placement = Placement::new(query, level, ef);
        self.update_planned(id, &mut placement);
    }

    /// As [`Index::update`], from what `placement` has found.
    pub fn update_planned(&mut self, id: NodeId, placement: &mut Placement) {
        assert!(self.contains(id), "no such node");
        let id = id.0;
        self.detach(id);
        let levels = self.finish(placement, Some(id));
        let generation = self.changed();
        self.max_uid += 1;
        self.store.replace(
            id,
            NewNode {
                uid: self.max_uid,
                payload: self.store.payload(id),
                generation,
                level: placement.level as u8,
                vector: placement.query.vector(),
            },
        );
        self.attach(id, &levels);
    }

    /// Brings a placement to its end, and returns the candidates by level; searches once more if no
    /// candidate is left.
    fn finish(&self, placement: &mut Placement, except: Option<u32>) -> Vec<Vec<Near>> {
        assert_eq!(placement.query.parameters(), self.parameters());
        while placement.step(self, usize::MAX) == Progress::More {}
        let levels = placement.candidates(self, except);
        if !levels[0].is_empty() || self.entry_point().is_none() {
            return levels;
        }
        let (query, level) = (placement.query.clone(), placement.level as u8);
        *placement = Placement::new(query, level, placement.ef);
        while placement.step(self, usize::MAX) == Progress::More {}
        placement.candidates(self, except)
    }

    /// Links a node that has no links, at all its levels.
    fn attach(&mut self, id: u32, candidates: &[Vec<Near>]) {
        let level = self.store.level(id);
        for at in (0..=level).rev() {
            self.link(id, at, &candidates[at]);
        }
        self.level_counts[level] += 1;
        if self.entry_point().is_none() || level > self.max_level {
            self.entry = id;
            self.max_level = level;
        }
        self.recent.push(id);
    }
}
