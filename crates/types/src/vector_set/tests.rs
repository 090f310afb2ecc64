//! A vector set against a map, and its state after changes.
//!
//! Elements are a map of names; the graph finds the nearest elements that a comparison with all
//! finds. Between two slices of a search or of VRANGE the set may change in any way: a worker meets
//! that. Then memory: a shared set is freed in steps, and most of the memory of removed elements is
//! given back.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::filter::Filter;
use super::*;

const PARAMETERS: Parameters = Parameters {
    dim: 3,
    quantization: Quantization::F32,
    m: 5,
};

fn query(of: [f32; 3]) -> Query {
    Query::new(&PARAMETERS, &of)
}

fn add(set: &mut VectorSet, name: &str, vector: [f32; 3], attributes: Option<&[u8]>) -> AddOutcome {
    let mut placement = Placement::new(query(vector), 0, 20);
    set.write().add(name.as_bytes(), attributes, &mut placement)
}

fn search(set: &VectorSet, of: [f32; 3], filter: Option<&str>, exact: bool) -> Vec<String> {
    let filter = filter.map(|text| Filter::compile(text.as_bytes()).expect("a filter"));
    let content = set.read();
    let wanted = SearchBounds {
        count: 3,
        ef: 1000,
        epsilon: 2.0,
        filter,
        filter_ef: 100_000,
        exact,
    };
    let mut inquiry = SimilaritySearch::new(&content, query(of), wanted);
    while inquiry.step(&content, 10) == Progress::More {}
    let found = inquiry.found(&content);
    let name = |found: &russet_encodings::hnsw::FoundNode| {
        String::from_utf8(content.element_at(found.payload).name.to_vec()).expect("a name")
    };
    found.iter().map(name).collect()
}

#[test]
fn a_set_is_a_map_of_names() {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut set = VectorSet::new(PARAMETERS, None);
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for step in 0..3000 {
        let name = format!("element:{}", rng.random_range(0..200));
        match rng.random_range(0..5) {
            0 => assert_eq!(
                set.write().remove(name.as_bytes()),
                model.remove(&name).is_some()
            ),
            1 => {
                let attributes = vec![b'x'; rng.random_range(0..300)];
                let is_there = set.write().set_attributes(name.as_bytes(), &attributes);
                assert_eq!(is_there, model.contains_key(&name));
                model.entry(name).and_modify(|known| *known = attributes);
            }
            kind => {
                let attributes = (kind == 2).then(|| step.to_string().into_bytes());
                let vector = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
                let added = add(&mut set, &name, vector, attributes.as_deref());
                assert_eq!(added == AddOutcome::New, !model.contains_key(&name));
                let known = model.entry(name).or_default();
                if let Some(attributes) = attributes {
                    *known = attributes;
                }
            }
        }
        if step % 500 == 0 {
            set.check_invariants();
        }
    }
    for set in [set.clone(), set] {
        set.check_invariants();
        let content = set.read();
        let found = content.iter().map(|element| {
            let name = String::from_utf8(element.name.to_vec()).expect("a name");
            (name, element.attributes.to_vec())
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), model);
    }
}

#[test]
fn the_nearest_are_found_by_graph_and_by_comparison() {
    let mut set = VectorSet::new(PARAMETERS, None);
    for i in 0..90u8 {
        let angle = f32::from(i).to_radians();
        let attributes = format!("{{\"n\":{i}}}");
        add(
            &mut set,
            &i.to_string(),
            [angle.cos(), angle.sin(), 0.0],
            Some(attributes.as_bytes()),
        );
    }
    for exact in [false, true] {
        let of = [1.0, 0.0, 0.0];
        assert_eq!(search(&set, of, None, exact), ["0", "1", "2"]);
        assert_eq!(
            search(&set, of, Some(".n >= 50"), exact),
            ["50", "51", "52"]
        );
        assert_eq!(search(&set, of, Some(".n == 89"), exact), ["89"]);
        assert!(search(&set, of, Some(".m"), exact).is_empty());
    }
}

/// Any change may come between two slices of a worker's search.
#[test]
fn a_search_goes_on_while_its_set_changes() {
    let mut rng = SmallRng::seed_from_u64(4);
    let mut vector = || std::array::from_fn(|_| rng.random_range(-1.0f32..1.0));
    let mut set = VectorSet::new(PARAMETERS, None);
    for i in 0..400 {
        add(&mut set, &i.to_string(), vector(), None);
    }
    let wanted = SearchBounds {
        count: 50,
        ef: 100,
        epsilon: 2.0,
        filter: None,
        filter_ef: 1,
        exact: false,
    };
    let mut inquiry = SimilaritySearch::new(&set.read(), query([1.0, 0.0, 0.0]), wanted);
    for i in 0..400 {
        let progress = inquiry.step(&set.read(), 5);
        set.write().remove(i.to_string().as_bytes());
        add(&mut set, &format!("new{i}"), vector(), Some(b"{}"));
        if progress == Progress::Done {
            break;
        }
    }
    let content = set.read();
    for found in inquiry.found(&content) {
        assert!(
            content
                .get(content.element_at(found.payload).name)
                .is_some()
        );
    }
}

/// Changes of the loop and of workers come between two slices of VRANGE.
#[test]
fn names_that_stay_are_found_once_while_the_set_changes() {
    let mut set = VectorSet::new(PARAMETERS, None);
    for i in 0..500 {
        add(&mut set, &format!("stay{i:03}"), [1.0, 2.0, i as f32], None);
    }
    let mut all = Names::new(End::Lowest, End::Highest, usize::MAX);
    let mut some = Names::new(
        End::Excluding((*b"stay100").into()),
        End::Including((*b"stay400").into()),
        50,
    );
    let mut steps = 0;
    loop {
        let done = [&mut all, &mut some].map(|names| names.step(&set.read(), 10));
        if done == [Progress::Done; 2] {
            break;
        }
        steps += 1;
        add(&mut set, &format!("new{steps}"), [3.0, 2.0, 1.0], None);
        set.write().remove(format!("new{}", steps / 2).as_bytes());
        assert!(steps < 1000);
    }
    assert!(steps > 20, "{steps}");
    let mut found = all.found();
    found.retain(|name| name.starts_with(b"stay"));
    let expected = |range: std::ops::Range<usize>| -> Vec<Box<[u8]>> {
        range
            .map(|i| format!("stay{i:03}").into_bytes().into())
            .collect()
    };
    assert_eq!(found, expected(0..500));
    assert_eq!(some.found(), expected(101..151));
}

#[test]
fn a_shared_set_is_freed_in_steps_and_says_so() {
    let mut set = VectorSet::new(PARAMETERS, None);
    for i in 0..2000u16 {
        add(
            &mut set,
            &i.to_string(),
            [f32::from(i), 1.0, 2.0],
            Some(b"{\"a\":1}"),
        );
    }
    let shared = set.share();
    assert!(!shared.read().is_gone());
    assert!(!set.free_step(10) && shared.read().is_gone());
    while !set.free_step(10) {}
    drop(set);
    assert_eq!(shared.read().len(), 0);
}

#[test]
fn a_set_gives_memory_back_when_most_of_it_is_removed() {
    let mut rng = SmallRng::seed_from_u64(5);
    let mut set = VectorSet::new(PARAMETERS, None);
    for i in 0..5000 {
        let vector = std::array::from_fn(|_| rng.random_range(-1.0f32..1.0));
        add(&mut set, &i.to_string(), vector, Some(b"{}"));
    }
    let before = set.memory_bytes();
    for i in 0..4500 {
        assert!(set.write().remove(i.to_string().as_bytes()));
    }
    set.check_invariants();
    let after = set.memory_bytes();
    assert!(after < before / 3, "{before} bytes before, {after} after");
    assert_eq!(set.read().iter().count(), 500);
}
