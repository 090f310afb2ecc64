//! The promises of an index: near nodes are found, and invariants hold after any history, in files
//! too.
//!
//! Recall is compared with exact search on seeded random vectors. Histories mix inserts, updates,
//! removals, loads and interrupted searches, and check the invariants on the way.

use std::collections::{BTreeMap, HashMap};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::*;
use russet_base::memory::mover::Mover;

const KINDS: [Quantization; 3] = [Quantization::F32, Quantization::Q8, Quantization::Binary];

fn parameters(dim: u32, quantization: Quantization, m: u16) -> Parameters {
    Parameters {
        dim,
        quantization,
        m,
    }
}

fn number(rng: &mut SmallRng) -> f32 {
    rng.next_u32() as f32 / (1_u64 << 31) as f32 - 1.0
}

fn vector(rng: &mut SmallRng, dim: u32) -> Vec<f32> {
    (0..dim).map(|_| number(rng)).collect()
}

/// Points around a few centres, far from each other, centre after centre.
fn clusters(rng: &mut SmallRng, dim: u32, centres: usize, points: usize) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for _ in 0..centres {
        let centre = vector(rng, dim);
        for _ in 0..points {
            all.push(centre.iter().map(|x| x + 0.2 * number(rng)).collect());
        }
    }
    all
}

fn below(rng: &mut SmallRng, limit: usize) -> usize {
    (rng.next_u64() % limit as u64) as usize
}

fn build(p: &Parameters, vectors: &[Vec<f32>], seed: u64) -> Index {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut index = Index::new(*p);
    for (at, vector) in vectors.iter().enumerate() {
        let level = random_level(&mut rng);
        index.insert(Query::new(p, vector), level, 100, at as u64);
    }
    index
}

fn finish(index: &Index, mut search: Search) -> Vec<FoundNode> {
    while search.step(index, 1000, &mut |_, _| true) == Progress::More {}
    search.results(index)
}

fn exact(index: &Index, query: &Query, count: usize) -> Vec<FoundNode> {
    let mut scan = Scan::new(index, query.clone(), count);
    while scan.step(index, 1000, None) == Progress::More {}
    scan.results(index)
}

/// The share of the nearest 10 that searches find.
fn recall(index: &Index, queries: &[Vec<f32>], ef: usize) -> f64 {
    let mut hits = 0;
    for vector in queries {
        let query = Query::new(index.parameters(), vector);
        let worst = exact(index, &query, 10)[9].distance;
        let found = finish(index, Search::new(query, ef));
        hits += (found.iter().take(10))
            .filter(|found| found.distance <= worst)
            .count();
    }
    hits as f64 / (queries.len() * 10) as f64
}

#[test]
fn near_nodes_are_found_in_every_form() {
    let mut rng = SmallRng::seed_from_u64(3);
    for quantization in KINDS {
        let p = parameters(32, quantization, 16);
        let vectors: Vec<_> = (0..1000).map(|_| vector(&mut rng, 32)).collect();
        let queries: Vec<_> = (0..20).map(|_| vector(&mut rng, 32)).collect();
        let index = build(&p, &vectors, 1);
        index.check_invariants().unwrap();
        let recall = recall(&index, &queries, 100);
        assert!(recall > 0.97, "{quantization:?} {recall}");
    }
}

#[test]
fn clusters_added_one_after_another_are_all_found() {
    let mut rng = SmallRng::seed_from_u64(4);
    let p = parameters(32, Quantization::Q8, 16);
    let all = clusters(&mut rng, 32, 20, 52);
    let (vectors, queries): (Vec<_>, Vec<_>) =
        all.chunks(52).map(|cluster| cluster.split_at(50)).unzip();
    let (vectors, queries) = (vectors.concat(), queries.concat());
    let index = build(&p, &vectors, 2);
    let recall = recall(&index, &queries, 50);
    assert!(recall > 0.97, "{recall}");
}

#[test]
fn what_is_left_after_removals_is_found() {
    let mut rng = SmallRng::seed_from_u64(5);
    for clustered in [false, true] {
        let p = parameters(24, Quantization::Q8, 8);
        let vectors = if clustered {
            clusters(&mut rng, 24, 20, 75)
        } else {
            (0..1500).map(|_| vector(&mut rng, 24)).collect()
        };
        let mut index = build(&p, &vectors, 3);
        let ids: Vec<_> = index.iter().collect();
        for id in ids.iter().filter(|id| id.0 % 4 != 0) {
            index.remove(*id);
        }
        index.check_invariants().unwrap();
        let queries: Vec<_> = vectors.iter().step_by(50).cloned().collect();
        let recall = recall(&index, &queries, 100);
        assert!(recall > 0.97, "clustered {clustered} {recall}");
    }
}

#[test]
fn an_empty_index_answers_nothing() {
    let p = parameters(2, Quantization::F32, 4);
    let mut index = Index::new(p);
    let query = Query::new(&p, &[1.0, 2.0]);
    assert!(finish(&index, Search::new(query.clone(), 10)).is_empty());
    assert!(finish(&index, Search::filtered(query.clone(), 10, 10)).is_empty());
    assert!(exact(&index, &query, 10).is_empty());
    assert_eq!(index.random(&mut SmallRng::seed_from_u64(1)), None);
    let id = index.insert(query.clone(), 3, 10, 7);
    assert_eq!((index.len(), index.max_level(), index.max_uid()), (1, 3, 1));
    assert_eq!(index.remove(id), 7);
    assert_eq!((index.len(), index.max_level(), index.max_uid()), (0, 0, 1));
    assert_eq!(index.entry_point(), None);
    index.check_invariants().unwrap();
    let again = index.insert(query, 0, 10, 8);
    assert_eq!((again, index.uid(again)), (id, 2));
}

#[test]
fn equal_vectors_are_all_kept_and_found() {
    let p = parameters(3, Quantization::Q8, 4);
    for vector in [[1.0, 2.0, 3.0], [0.0; 3]] {
        let index = build(&p, &vec![vector.to_vec(); 200], 4);
        index.check_invariants().unwrap();
        let query = Query::new(&p, &vector);
        assert_eq!(finish(&index, Search::new(query.clone(), 20)).len(), 20);
        assert_eq!(exact(&index, &query, 200).len(), 200);
    }
}

#[test]
fn large_results_and_small_ones_agree() {
    let mut rng = SmallRng::seed_from_u64(6);
    let p = parameters(8, Quantization::F32, 8);
    let vectors: Vec<_> = (0..1500).map(|_| vector(&mut rng, 8)).collect();
    let index = build(&p, &vectors, 5);
    let query = Query::new(&p, &vectors[3]);
    let all = finish(&index, Search::new(query.clone(), 2000));
    assert_eq!(all.len(), 1500);
    assert!(all.is_sorted_by(|a, b| a.distance <= b.distance));
    assert_eq!(
        all[..10],
        finish(&index, Search::new(query.clone(), 500))[..10]
    );
    assert_eq!(all, exact(&index, &query, 1500));
}

/// Walked to the end, a graph in which nearly all nodes are linked with each other costs as many
/// looks at links as it has links.
#[test]
fn a_search_ends_when_it_has_met_all_nodes() {
    let mut rng = SmallRng::seed_from_u64(21);
    const NODES: usize = 300;
    let p = parameters(8, Quantization::Q8, 512);
    let vectors: Vec<_> = (0..NODES).map(|_| vector(&mut rng, 8)).collect();
    let index = build(&p, &vectors, 21);
    for ef in [NODES, 2000] {
        let query = Query::new(&p, &vector(&mut rng, 8));
        let mut search = Search::new(query.clone(), ef);
        let progress = search.step(&index, NODES * 3 / 2, &mut |_, _| true);
        assert_eq!(progress, Progress::Done, "ef {ef}");
        assert_eq!(search.results(&index), exact(&index, &query, NODES));
    }
    // A node that comes between two steps is not taken for a node that was met.
    let mut index = index;
    let added = vector(&mut rng, 8);
    let mut search = Search::new(Query::new(&p, &added), NODES + 1);
    while index.len() == NODES {
        assert_eq!(search.step(&index, 1, &mut |_, _| true), Progress::More);
        index.remove(NodeId(0));
        index.insert(Query::new(&p, &added), 0, 100, 1000);
        index.insert(Query::new(&p, &added), 0, 100, 1001);
    }
    let found = finish(&index, search);
    assert!(found.iter().any(|found| found.payload == 1001));
}

#[test]
fn only_what_passes_a_filter_is_found() {
    let mut rng = SmallRng::seed_from_u64(7);
    let p = parameters(16, Quantization::Q8, 16);
    let vectors: Vec<_> = (0..1000).map(|_| vector(&mut rng, 16)).collect();
    let index = build(&p, &vectors, 6);
    let query = Query::new(&p, &vectors[0]);
    let mut even = |payload: u64, _: &mut usize| payload.is_multiple_of(10);
    let mut search = Search::filtered(query.clone(), 20, 500);
    while search.step(&index, 100, &mut even) == Progress::More {}
    let found = search.results(&index);
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|found| found.payload.is_multiple_of(10)));
    let mut scan = Scan::new(&index, query.clone(), 20);
    while scan.step(&index, 10, Some(&mut even)) == Progress::More {}
    assert_eq!(scan.results(&index), found);

    // However short the steps are, and whatever each look costs.
    let mut dear = |payload: u64, cost: &mut usize| {
        *cost += 1000;
        payload.is_multiple_of(10)
    };
    let mut search = Search::filtered(query.clone(), 20, 500);
    let mut steps = 0;
    while search.step(&index, 100, &mut dear) == Progress::More {
        steps += 1;
    }
    assert_eq!(search.results(&index), found);
    assert!(steps > 100, "{steps}");

    let mut asked = 0;
    let mut none = |_, _: &mut usize| {
        asked += 1;
        false
    };
    let mut search = Search::filtered(query, 20, 10);
    while search.step(&index, 100, &mut none) == Progress::More {}
    assert!(search.results(&index).is_empty());
    assert!(asked <= 1 + 10 * 32, "{asked}");
}

#[test]
fn every_node_is_drawn_also_from_a_thin_index() {
    let mut rng = SmallRng::seed_from_u64(8);
    let p = parameters(2, Quantization::F32, 4);
    let vectors: Vec<_> = (0..2000).map(|_| vector(&mut rng, 2)).collect();
    let mut index = build(&p, &vectors, 7);
    let kept = [NodeId(3), NodeId(700), NodeId(1999)];
    for id in index.iter().collect::<Vec<_>>() {
        if !kept.contains(&id) {
            index.remove(id);
        }
    }
    index.check_invariants().unwrap();
    let mut drawn = HashMap::new();
    for _ in 0..300 {
        *drawn.entry(index.random(&mut rng).unwrap()).or_insert(0) += 1;
    }
    assert!(kept.iter().all(|id| drawn[id] > 50), "{drawn:?}");
    assert!(index.iter().eq(kept.iter().rev().copied()));
}

/// The expected state after a history of operations, beside the index.
struct Model {
    index: Index,
    vectors: HashMap<NodeId, (u64, Vec<f32>)>,
    searches: Vec<Search>,
    scans: Vec<Scan>,
    placements: Vec<(Placement, Vec<f32>)>,
    payloads: u64,
}

impl Model {
    fn new(p: Parameters) -> Model {
        Model {
            index: Index::new(p),
            vectors: HashMap::new(),
            searches: Vec::new(),
            scans: Vec::new(),
            placements: Vec::new(),
            payloads: 0,
        }
    }

    fn any(&self, rng: &mut SmallRng) -> Option<NodeId> {
        self.index.random(rng)
    }

    fn step(&mut self, rng: &mut SmallRng) {
        let p = *self.index.parameters();
        // Few values: equal vectors and zeros appear.
        let vector: Vec<f32> = (0..p.dim).map(|_| below(rng, 5) as f32 - 2.0).collect();
        let query = Query::new(&p, &vector);
        let level = random_level(rng);
        match below(rng, 100) {
            0..35 => {
                self.payloads += 1;
                let id = self
                    .index
                    .insert(query, level, 1 + below(rng, 20), self.payloads);
                assert!(self.vectors.insert(id, (self.payloads, vector)).is_none());
            }
            35..55 => {
                if let Some(id) = self.any(rng) {
                    let (payload, _) = self.vectors.remove(&id).unwrap();
                    assert_eq!(self.index.remove(id), payload);
                }
            }
            55..63 => {
                if let Some(id) = self.any(rng) {
                    self.index.update(id, query, level, 10);
                    self.vectors.get_mut(&id).unwrap().1 = vector;
                }
            }
            63..70 => self
                .placements
                .push((Placement::new(query, level, 10), vector)),
            70..78 => {
                for (placement, _) in &mut self.placements {
                    placement.step(&self.index, 1 + below(rng, 30));
                }
            }
            78..84 => {
                if let Some((mut placement, vector)) = self.placements.pop() {
                    match self.any(rng) {
                        Some(id) if below(rng, 2) == 0 => {
                            self.index.update_planned(id, &mut placement);
                            self.vectors.get_mut(&id).unwrap().1 = vector;
                        }
                        _ => {
                            self.payloads += 1;
                            let id = self.index.insert_planned(&mut placement, self.payloads);
                            assert!(self.vectors.insert(id, (self.payloads, vector)).is_none());
                        }
                    }
                }
            }
            84..88 => {
                self.searches.push(match below(rng, 3) {
                    0 => Search::new(query.clone(), 1 + below(rng, 20)),
                    1 => Search::new(query.clone(), 2000),
                    _ => Search::filtered(query.clone(), 1 + below(rng, 5), below(rng, 20)),
                });
                self.scans
                    .push(Scan::new(&self.index, query, 1 + below(rng, 10)));
            }
            88..94 => self.step_searches(rng),
            94 => self.index = self.index.clone(),
            95 => self.compact(1 + below(rng, 20)),
            _ => self.save_and_load(),
        }
    }

    fn compact(&mut self, most: usize) {
        let vectors = &mut self.vectors;
        self.index.compact(most, |id, payload| {
            let is_it = |(_, entry): &(&NodeId, &(u64, Vec<f32>))| entry.0 == payload;
            let old = *vectors.iter().find(is_it).unwrap().0;
            let entry = vectors.remove(&old).unwrap();
            assert!(vectors.insert(id, entry).is_none());
        });
    }

    fn step_searches(&mut self, rng: &mut SmallRng) {
        let index = &self.index;
        self.searches.retain_mut(|search| {
            let progress = search.step(index, 1 + below(rng, 40), &mut |payload, cost| {
                *cost += (payload % 50) as usize;
                payload.is_multiple_of(2)
            });
            check_found(index, &search.results(index));
            progress == Progress::More
        });
        self.scans.retain_mut(|scan| {
            let progress = scan.step(index, 1 + below(rng, 40), None);
            check_found(index, &scan.results(index));
            progress == Progress::More
        });
    }

    fn save_and_load(&mut self) {
        let loaded = load(&saved(&self.index), *self.index.parameters()).unwrap();
        assert_eq!(
            (loaded.len(), loaded.max_level()),
            (self.index.len(), self.index.max_level())
        );
        let ids: HashMap<u64, NodeId> = loaded.iter().map(|id| (loaded.payload(id), id)).collect();
        let moved = |(_, entry): (NodeId, (u64, Vec<f32>))| (ids[&entry.0], entry);
        self.vectors = std::mem::take(&mut self.vectors)
            .into_iter()
            .map(moved)
            .collect();
        self.index = loaded;
        // Steps are of the same index.
        self.searches.clear();
        self.scans.clear();
        self.placements.clear();
    }

    fn check(&self) {
        self.index.check_invariants().unwrap();
        assert_eq!(self.index.len(), self.vectors.len());
        for (id, (payload, vector)) in &self.vectors {
            assert_eq!(self.index.payload(*id), *payload);
            let query = Query::new(self.index.parameters(), vector);
            assert_eq!(self.index.vector(*id), query.vector());
        }
    }
}

fn check_found(index: &Index, found: &[FoundNode]) {
    assert!(found.is_sorted_by(|a, b| a.distance <= b.distance));
    for (at, one) in found.iter().enumerate() {
        assert!(index.contains(one.id));
        assert_eq!(index.payload(one.id), one.payload);
        assert!(
            found[..at].iter().all(|other| other.id != one.id),
            "found twice"
        );
    }
}

/// Runs random histories, each of up to `steps` steps, and checks all after each.
fn histories(seeds: std::ops::Range<u64>, steps: usize) {
    for seed in seeds {
        let mut rng = SmallRng::seed_from_u64(seed);
        let m = [1, 2, 4, 6, 40][below(&mut rng, 5)];
        let mut model = Model::new(parameters(3, KINDS[below(&mut rng, 3)], m));
        for _ in 0..below(&mut rng, steps) {
            model.step(&mut rng);
            model.check();
        }
    }
}

#[test]
fn invariants_hold_through_random_histories() {
    histories(0..150, 150);
}

#[test]
#[ignore = "minutes: 10,000 histories"]
fn invariants_hold_through_ten_thousand_histories() {
    histories(1000..11_000, 300);
}

/// A node of a file.
#[derive(Clone)]
struct SavedNode {
    uid: u64,
    payload: u64,
    vector: Vec<u8>,
    l2: f32,
    range: f32,
    levels: Vec<(u64, u64)>,
    links: Vec<u64>,
}

fn saved(index: &Index) -> Vec<SavedNode> {
    let node = |id| {
        let vector = index.vector(id);
        let levels = 0..=index.level(id);
        let count = |level| {
            (
                index.links(id, level).len() as u64,
                index.links_max(id, level) as u64,
            )
        };
        let links = levels.clone().flat_map(|level| index.links(id, level));
        SavedNode {
            uid: index.uid(id),
            payload: index.payload(id),
            vector: vector.bytes.to_vec(),
            l2: vector.l2,
            range: vector.range,
            levels: levels.map(count).collect(),
            links: links.map(|link| index.uid(link)).collect(),
        }
    };
    index.iter().map(node).collect()
}

fn load(nodes: &[SavedNode], p: Parameters) -> Result<Index, LoadError> {
    let mut loader = Loader::new(p);
    for node in nodes {
        loader.add(LoadedNode {
            uid: node.uid,
            payload: node.payload,
            vector: StoredVector {
                bytes: &node.vector,
                l2: node.l2,
                range: node.range,
            },
            levels: &node.levels,
            links: &node.links,
        })?;
    }
    let index = loader.finish()?;
    index.check_invariants().unwrap();
    Ok(index)
}

/// A node of level 0 with these links.
fn node(uid: u64, links: &[u64]) -> SavedNode {
    SavedNode {
        uid,
        payload: uid,
        vector: vec![1, 2],
        l2: 1.0,
        range: 1.0,
        levels: vec![(links.len() as u64, 32)],
        links: links.to_vec(),
    }
}

#[test]
fn a_file_must_be_sound() {
    let p = parameters(2, Quantization::Q8, 16);
    let is = |nodes: &[SavedNode], error| assert_eq!(load(nodes, p).err(), error);
    is(&[], None);
    is(&[node(1, &[])], None);
    is(&[node(1, &[9]), node(9, &[1])], None);
    let huge = u64::MAX;
    for big in [1 << 30, 1 << 31, 1 << 32, huge - 1] {
        is(&[node(huge, &[big]), node(big, &[huge])], None);
    }
    is(&[node(0, &[])], Some(LoadError::Uid));
    is(&[node(1, &[]), node(1, &[])], Some(LoadError::Uid));
    is(&[node(huge, &[]), node(huge, &[])], Some(LoadError::Uid));
    is(&[node(1, &[1])], Some(LoadError::Target));
    is(&[node(1, &[2])], Some(LoadError::Target));
    is(&[node(1, &[huge])], Some(LoadError::Target));
    is(&[node(1, &[0])], Some(LoadError::Target));
    is(&[node(1, &[2]), node(2, &[])], Some(LoadError::OneWay));
    let ring = [node(1, &[2]), node(2, &[3]), node(3, &[1])];
    is(&ring, Some(LoadError::OneWay));
    is(
        &[node(1, &[2, 2]), node(2, &[1, 1])],
        Some(LoadError::Doubled),
    );
}

#[test]
fn a_file_announces_what_it_holds() {
    let p = parameters(2, Quantization::Q8, 16);
    let is = |levels: &[(u64, u64)], error| {
        let mut nodes = [node(1, &[2]), node(2, &[1])];
        nodes[0].levels = levels.to_vec();
        assert_eq!(load(&nodes, p).err(), error, "{levels:?}");
    };
    is(&[(1, 16384)], None);
    is(&[], Some(LoadError::Level));
    is(&[(0, 0); 18], Some(LoadError::Level));
    is(&[(0, 32)], Some(LoadError::LinkCount));
    is(&[(2, 32)], Some(LoadError::LinkCount));
    is(&[(1, 0)], Some(LoadError::LinkCount));
    is(&[(1, 16385)], Some(LoadError::LinkCount));
    is(&[(u64::MAX, u64::MAX)], Some(LoadError::LinkCount));
    is(&[(0, 32), (1, 16)], Some(LoadError::Target));
    let mut short = node(1, &[]);
    short.vector.pop();
    assert_eq!(load(&[short], p).err(), Some(LoadError::VectorSize));
}

#[test]
fn lists_longer_than_usual_are_kept_and_shrink() {
    let p = parameters(2, Quantization::Q8, 4);
    let all: Vec<u64> = (2..102).collect();
    let mut nodes = vec![node(1, &all)];
    nodes[0].levels = vec![(100, 120)];
    nodes.extend(all.iter().map(|&uid| node(uid, &[1])));
    let mut index = load(&nodes, p).unwrap();
    let hub = index.entry_point().unwrap();
    assert_eq!(
        (index.links(hub, 0).len(), index.links_max(hub, 0)),
        (100, 120)
    );
    let again = load(&saved(&index), p).unwrap();
    assert_eq!(again.len(), 101);
    for _ in 0..50 {
        let id = index.links(hub, 0).next().unwrap();
        index.remove(id);
        index.check_invariants().unwrap();
    }
    let query = index.query_of(hub);
    index.insert(query, 0, 10, 500);
    index.check_invariants().unwrap();
    index.remove(hub);
    index.check_invariants().unwrap();
    let query = index.query_of(index.entry_point().unwrap());
    assert_eq!(finish(&index, Search::new(query, 100)).len(), index.len());
}

/// Long blocks hold their count in their last word, which the last link takes over.
#[test]
fn long_lists_are_filled_and_emptied() {
    let mut rng = SmallRng::seed_from_u64(22);
    let p = parameters(2, Quantization::F32, 40);
    let mut index = Index::new(p);
    let hub = index.insert(Query::new(&p, &[1.0, 0.0]), 0, 300, 0);
    let mut fullest = 0;
    for payload in 1..200 {
        index.insert(Query::new(&p, &vector(&mut rng, 2)), 0, 300, payload);
        let degrees = index.iter().map(|id| index.links(id, 0).len());
        fullest = fullest.max(degrees.max().unwrap());
        index.check_invariants().unwrap();
    }
    assert_eq!(fullest, p.links_max(0));
    // A load numbers the nodes anew; their uids stay.
    let links_by_uid = |index: &Index| -> BTreeMap<u64, Vec<u64>> {
        let links = |id| index.links(id, 0).map(|link| index.uid(link)).collect();
        index.iter().map(|id| (index.uid(id), links(id))).collect()
    };
    let again = load(&saved(&index), p).unwrap();
    assert_eq!(links_by_uid(&index), links_by_uid(&again));
    while index.len() > 1 {
        let id = index.iter().find(|&id| id != hub).unwrap();
        index.remove(id);
        index.check_invariants().unwrap();
    }
    assert_eq!(index.links(hub, 0).len(), 0);
}

#[test]
fn damaged_files_give_errors_or_sound_indexes() {
    let mut rng = SmallRng::seed_from_u64(9);
    let p = parameters(3, Quantization::Q8, 4);
    let vectors: Vec<_> = (0..60).map(|_| vector(&mut rng, 3)).collect();
    let whole = saved(&build(&p, &vectors, 8));
    let mut refused = 0;
    for _ in 0..1000 {
        let mut nodes = whole.clone();
        for _ in 0..1 + below(&mut rng, 3) {
            let at = below(&mut rng, nodes.len());
            let node = &mut nodes[at];
            let uid = below(&mut rng, 70) as u64;
            match below(&mut rng, 5) {
                0 => node.uid = uid,
                1 if !node.links.is_empty() => {
                    let link = below(&mut rng, node.links.len());
                    node.links[link] = uid;
                }
                2 => node.levels.push((0, uid)),
                3 => node.range = f32::from_bits(rng.next_u32()),
                _ => drop(nodes.remove(at)),
            }
        }
        match load(&nodes, p) {
            Err(_) => refused += 1,
            Ok(index) => {
                let query = Query::new(&p, &vectors[0]);
                check_found(&index, &finish(&index, Search::new(query, 10)));
            }
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn an_index_whose_blocks_have_moved_is_the_same() {
    let mut rng = SmallRng::seed_from_u64(11);
    let p = parameters(3, Quantization::Q8, 4);
    let vectors: Vec<_> = (0..600).map(|_| vector(&mut rng, 3)).collect();
    let mut index = build(&p, &vectors, 9);
    let before = exact(&index, &Query::new(&p, &vectors[0]), 600);
    let (mut mover, mut at) = (Mover::eager(), Some(0));
    while let Some(chunk) = at {
        at = index.relocate(&mut mover, chunk);
    }
    assert!(mover.moved > 3, "{}", mover.moved);
    index.check_invariants().unwrap();
    assert_eq!(exact(&index, &Query::new(&p, &vectors[0]), 600), before);
}

#[test]
fn memory_is_given_back_after_removals_and_the_rest_is_found() {
    let mut rng = SmallRng::seed_from_u64(12);
    let p = parameters(64, Quantization::Q8, 16);
    let vectors: Vec<_> = (0..3000).map(|_| vector(&mut rng, 64)).collect();
    let mut index = build(&p, &vectors, 10);
    let before = index.bytes();
    let mut nodes: HashMap<u64, NodeId> = index.iter().map(|id| (index.payload(id), id)).collect();
    for payload in 0..2700 {
        index.remove(nodes[&payload]);
        index.compact(4, |id, payload| {
            nodes.insert(payload, id);
        });
    }
    index.check_invariants().unwrap();
    let after = index.bytes();
    assert!(after < before / 2, "{before} bytes before, {after} after");
    for payload in 2700..3000 {
        let query = Query::new(&p, &vectors[payload as usize]);
        assert_eq!(index.vector(nodes[&payload]), query.vector());
        let found = finish(&index, Search::new(query, 50));
        assert_eq!(found[0].payload, payload);
    }
    for payload in 2700..3000 {
        index.remove(nodes[&payload]);
        index.compact(usize::MAX, |id, payload| {
            nodes.insert(payload, id);
        });
    }
    index.insert(Query::new(&p, &vectors[0]), 0, 10, 1);
    index.check_invariants().unwrap();
}

/// A scan looks downwards, and compaction moves nodes downwards.
#[test]
fn a_scan_misses_no_node_that_is_moved_meanwhile() {
    let mut rng = SmallRng::seed_from_u64(13);
    let p = parameters(8, Quantization::F32, 4);
    let vectors: Vec<_> = (0..2000).map(|_| vector(&mut rng, 8)).collect();
    let mut index = build(&p, &vectors, 11);
    for id in index.iter().collect::<Vec<_>>() {
        if !index.payload(id).is_multiple_of(5) {
            index.remove(id);
        }
    }
    let mut scan = Scan::new(&index, Query::new(&p, &vectors[0]), 2000);
    while scan.step(&index, 10, None) == Progress::More {
        index.compact(17, |_, _| ());
    }
    let mut found: Vec<u64> = scan.results(&index).iter().map(|f| f.payload).collect();
    found.sort_unstable();
    assert!(found.into_iter().eq((0..2000).step_by(5)));
}

/// Regression: a node moved to a number that the scan had passed was lost. Removing the oldest
/// first frees the numbers in ascending order, so that a moved node gets the greatest free number.
#[test]
fn a_scan_misses_no_node_whatever_is_removed_meanwhile() {
    let p = parameters(8, Quantization::F32, 4);
    for (seed, removals) in [(14, 1), (15, 3), (16, 40)] {
        let mut rng = SmallRng::seed_from_u64(seed);
        let vectors: Vec<_> = (0..2000).map(|_| vector(&mut rng, 8)).collect();
        let mut index = build(&p, &vectors, seed);
        let mut ids: HashMap<u64, NodeId> =
            index.iter().map(|id| (index.payload(id), id)).collect();
        let mut scan = Scan::new(&index, Query::new(&p, &vectors[0]), 2000);
        let mut gone = (0..1900).filter(|payload| payload % 10 != 0);
        while scan.step(&index, 2, None) == Progress::More {
            for payload in gone.by_ref().take(removals) {
                index.remove(ids[&payload]);
                index.compact(4, |id, payload| {
                    ids.insert(payload, id);
                });
            }
        }
        let mut found: Vec<u64> = scan.results(&index).iter().map(|f| f.payload).collect();
        found.sort_unstable();
        let mut left: Vec<u64> = index.iter().map(|id| index.payload(id)).collect();
        left.sort_unstable();
        assert_eq!(found, left, "{removals} removals a step");
    }
}

#[test]
fn memory_follows_from_the_layout_and_goes_in_steps() {
    let mut rng = SmallRng::seed_from_u64(10);
    let p = parameters(300, Quantization::Q8, 16);
    let mut index = Index::new(p);
    assert!(index.bytes() < 256);
    for at in 0..600 {
        let query = Query::new(&p, &vector(&mut rng, 300));
        let level = random_level(&mut rng);
        index.insert(query, level, 1, at);
        if at == 0 {
            assert!(index.bytes() < 3000, "one vector takes {}", index.bytes());
        }
    }
    let each = index.bytes() / 600;
    assert!((450..560).contains(&each), "{each} bytes a vector");
    let mut steps = 0;
    while index.free_step() {
        steps += 1;
    }
    assert!((2..20).contains(&steps), "{steps}");
}
