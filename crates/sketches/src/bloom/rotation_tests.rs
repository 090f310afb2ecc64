//! Filters that forget, against the times at which items were last added. All times are given:
//! nothing here waits.

use std::collections::HashMap;

use super::*;
use crate::Damage;
use proptest::prelude::*;

const PERIOD_MS: i64 = 100;

fn rotating(generations: u32, growth: Option<u32>) -> Bloom {
    let rotation = Rotation::new(PERIOD_MS as u64, generations, 0).expect("within bounds");
    let (growth, scales) = (growth.unwrap_or(GROWTH_USUAL), growth.is_some());
    let filter = Bloom::rotating(50, 0.0001, growth, scales, rotation);
    filter.expect("room").expect("within bounds")
}

/// As a command adds an item at a time.
fn add_at(filter: &mut Bloom, item: &[u8], now_ms: i64) -> Result<AddOutcome, BloomError> {
    if let Some(begins_ms) = filter.due(now_ms) {
        assert!(filter.rotate(begins_ms).expect("room"));
    }
    filter.add(item)
}

#[test]
fn an_item_is_renewed_in_each_generation() {
    let mut filter = rotating(3, None);
    assert_eq!(add_at(&mut filter, b"a", 10), Ok(AddOutcome::New));
    assert_eq!(add_at(&mut filter, b"a", 99), Ok(AddOutcome::Known));
    assert_eq!(add_at(&mut filter, b"a", 110), Ok(AddOutcome::Renewed));
    assert_eq!(add_at(&mut filter, b"a", 120), Ok(AddOutcome::Known));
    assert_eq!((filter.items(), filter.links().len()), (2, 2));
    // The first generation is over at 300, the second at 400.
    assert!(filter.living(399).contains(b"a") && !filter.living(400).contains(b"a"));
    assert_eq!(filter.living(300).items(), 1);
    assert_eq!(add_at(&mut filter, b"a", 950), Ok(AddOutcome::New));
    assert_eq!((filter.items(), filter.links().len()), (1, 1));
    let begins_ms = filter.rotation().map(|its| its.generations[0].begins_ms);
    assert_eq!(begins_ms, Some(900));
    filter.check_invariants();
}

#[test]
fn a_clock_that_goes_back_begins_nothing() {
    let mut filter = rotating(3, None);
    add_at(&mut filter, b"a", 250).expect("room");
    assert_eq!(filter.due(-1_000_000), None);
    assert_eq!(filter.due(i64::MIN), None);
    assert_eq!(filter.rotate(200), Ok(false));
    assert_eq!(filter.rotate(i64::MAX), Ok(true));
    assert_eq!(filter.due(i64::MAX), None);
    assert!(!filter.contains(b"a"));
    filter.check_invariants();
    assert_eq!(made(10, Some(2)).rotate(5), Ok(false));
}

fn made(entries: u64, growth: Option<u32>) -> Bloom {
    Bloom::new(entries, 0.01, growth).expect("room")
}

/// Begun by hand, more often than the period says.
#[test]
fn there_are_never_more_generations_than_allowed() {
    let mut filter = rotating(4, Some(2));
    for at in 1..20 {
        assert_eq!(filter.rotate(at), Ok(true));
        for n in 0..200u32 {
            filter.add(&n.to_le_bytes()).expect("room");
        }
        filter.check_invariants();
        let generations = filter.rotation().expect("it rotates").generations.len();
        assert_eq!(generations, 4.min(at as usize + 1));
    }
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    for (period_ms, generations) in [(0, 3), (PERIOD_MAX_MS + 1, 3), (1, 0), (1, 1), (1, 65)] {
        assert_eq!(Rotation::new(period_ms, generations, 0), None);
    }
    assert!(Rotation::new(PERIOD_MAX_MS, GENERATIONS_MAX, i64::MAX).is_some());
}

#[test]
fn filters_that_forget_are_like_no_other() {
    let mut one = rotating(3, Some(2));
    assert_eq!(one.merge(&rotating(3, Some(2))), Err(ShapeMismatch));
    assert_eq!(made(50, Some(2)).merge(&one), Err(ShapeMismatch));
}

/// The promise holds for the whole filter, whichever of the generations have items.
#[test]
fn all_generations_together_keep_the_error() {
    let rotation = Rotation::new(100, 5, 0).expect("within bounds");
    let filter = Bloom::rotating(4_000, 0.01, 2, false, rotation);
    let mut filter = filter.expect("room").expect("within bounds");
    for n in 0..20_000 {
        let now_ms = n / 4_000 * 100;
        let added = add_at(&mut filter, format!("in:{n}").as_bytes(), now_ms);
        added.expect("room");
    }
    assert_eq!(filter.links().len(), 5);
    let trials: u32 = 50_000;
    let living = filter.living(499);
    let yes = (0..trials).filter(|n| living.contains(format!("out:{n}").as_bytes()));
    let measured = yes.count() as f64 / f64::from(trials);
    // Three standard deviations above.
    assert!(
        measured <= 0.01 + 3.0 * (0.01 / f64::from(trials)).sqrt(),
        "{measured}"
    );
}

#[test]
fn headers_whose_generations_contradict_the_links_are_refused() {
    let mut filter = rotating(3, Some(2));
    for at in [10, 120, 230] {
        add_at(&mut filter, b"a", at).expect("room");
    }
    let good = filter.header();
    let links = 20 + 3 * 53;
    assert_eq!(good.len(), links + 16 + 3 * 12);
    let again = Bloom::from_header(&good).expect("its own");
    assert_eq!(
        (again.header(), again.rotation()),
        (good.clone(), filter.rotation())
    );
    for len in 0..good.len() {
        assert_eq!(Bloom::from_header(&good[..len]).err(), Some(Damage));
    }
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        Bloom::from_header(&changed).err()
    };
    let bad: [(usize, &[u8]); 10] = [
        // Options: it does not forget; it has a single link in each generation, or all.
        (12, &[5]),
        (12, &[32 + 21]),
        // A period of nothing, and of more than ten years.
        (links, &[0; 8]),
        (links, &[255; 8]),
        // Generations: none at most, more than there may be, fewer than there are.
        (links + 8, &[0; 4]),
        (links + 8, &[65]),
        (links + 8, &[2]),
        // As many as no bytes are there for.
        (links + 12, &[4]),
        // The generations begin in another order.
        (links + 16, &[255, 255, 255, 255, 255, 255, 255, 127]),
        // Links that are not there.
        (links + 24, &[2]),
    ];
    for (at, bytes) in bad {
        assert_eq!(with(at, bytes), Some(Damage), "{at}");
    }
}

proptest! {
    /// No item is missed within all periods but the last after it was last added; none is found
    /// after all of them. (The error is so small that no other item is taken for it.)
    #[test]
    fn items_are_found_for_as_long_as_promised(
        steps in prop::collection::vec((0..30u8, 0..150i64), 1..200),
        generations in 2..6u32,
        growth in prop::option::of(1..3u32),
    ) {
        let mut filter = rotating(generations, growth);
        let mut replica = filter.clone();
        let mut last_added = HashMap::new();
        let mut now_ms = 0;
        for (item, passed_ms) in steps {
            now_ms += passed_ms;
            let was_found = filter.living(now_ms).contains(&[item]);
            let due = filter.due(now_ms);
            let Ok(added) = add_at(&mut filter, &[item], now_ms) else {
                prop_assert!(growth.is_none());
                continue;
            };
            prop_assert_eq!(added.is_new(), !was_found);
            last_added.insert(item, now_ms);
            filter.check_invariants();
            // A server that repeats when generations begin has the same bytes.
            if let Some(begins_ms) = due {
                prop_assert_eq!(replica.rotate(begins_ms), Ok(true));
            }
            prop_assert_eq!(replica.add(&[item]), Ok(added));
            prop_assert_eq!(replica.header(), filter.header());
            for at_ms in [now_ms, now_ms + 70, now_ms + PERIOD_MS, now_ms + 4 * PERIOD_MS] {
                let living = filter.living(at_ms);
                for (item, added_ms) in &last_added {
                    let age_ms = at_ms - added_ms;
                    let is_found = living.contains(&[*item]);
                    let kept_ms = PERIOD_MS * i64::from(generations - 1);
                    prop_assert!(is_found || age_ms > kept_ms, "{age_ms}");
                    prop_assert!(!is_found || age_ms < kept_ms + PERIOD_MS, "{age_ms}");
                }
            }
        }
    }
}
