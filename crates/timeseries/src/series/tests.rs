//! Series beside sorted maps, under every policy, and rules beside the buckets of their sources.
//!
//! Known replies are those of Redis Stack 7.4.

use super::*;
use crate::range::{
    Aggregation, Allowance, Buckets, EvenBuckets, FURTHER_VALUES_MAX, Query, Stamp,
};
use crate::{Aggregator, TIMESTAMP_MAX};
use proptest::prelude::*;
use russet_base::memory::content::Content;
use std::collections::BTreeMap;

const SMALL: Options = Options {
    retention_ms: 0,
    chunk_bytes: 48,
    is_packed: true,
    policy: None,
    ignored_ms: 0,
    ignored_change: 0.0,
};

fn series(samples: &[(u64, f64)]) -> Series {
    let mut series = Series::new(SMALL, Labels::default());
    for (timestamp, value) in samples {
        let sample = Sample::new(*timestamp, *value);
        series.add(sample, Policy::Block, false).expect("new");
    }
    series
}

fn ask(from: u64, to: u64, backwards: bool) -> Query<'static> {
    Query {
        from,
        to,
        backwards,
        timestamps: None,
        values: None,
        count: usize::MAX,
        aggregation: None,
        extra: None,
    }
}

fn rows(series: &Series, query: &Query<'_>) -> Vec<(u64, f64)> {
    let mut rows = Vec::new();
    let row = |at, values: &[f64]| rows.push((at, values[0]));
    query.run(series, row).expect("few rows");
    rows
}

fn buckets(
    series: &Series,
    (aggregator, duration, empty): (Aggregator, i64, bool),
    query: Query<'_>,
) -> Vec<(u64, f64)> {
    let buckets = EvenBuckets { duration, align: 0 };
    let aggregation = Aggregation {
        aggregators: &[aggregator],
        buckets: &buckets,
        stamp: Stamp::Start,
        empty,
        allowance: &Allowance::default(),
    };
    let query = Query {
        aggregation: Some(&aggregation),
        ..query
    };
    rows(series, &query)
}

const LINE: [(u64, f64); 7] = [
    (0, 1.0),
    (10, 2.0),
    (15, 4.0),
    (20, 8.0),
    (35, 16.0),
    (50, 32.0),
    (55, 64.0),
];

/// Replies of Redis Stack 7.4.
#[test]
fn weighted_averages_are_those_of_redis() {
    use Aggregator::Twa;
    let line = series(&LINE);
    let all = ask(0, TIMESTAMP_MAX, false);
    let twenty = [(0, 3.0), (20, 13.666666666666666), (40, 33.77777777777778)];
    assert_eq!(buckets(&line, (Twa, 20, false), all), twenty);
    let five = [
        1.25,
        1.75,
        3.0,
        6.0,
        9.333333333333332,
        12.0,
        14.666666666666666,
        18.666666666666664,
        24.0,
        29.333333333333332,
        48.0,
        64.0,
    ];
    let got = buckets(&line, (Twa, 5, true), ask(0, TIMESTAMP_MAX, false));
    assert_eq!(got.iter().map(|row| row.1).collect::<Vec<_>>(), five);
    let got = buckets(&line, (Twa, 5, true), ask(0, TIMESTAMP_MAX, true));
    assert_eq!(got.iter().rev().map(|row| row.1).collect::<Vec<_>>(), five);
    let got = buckets(&line, (Twa, 20, false), ask(12, 52, false));
    assert_eq!(
        got,
        [
            (0, 5.025),
            (20, 13.666666666666666),
            (40, 28.62222222222222)
        ]
    );
    let got = buckets(&line, (Twa, 5, true), ask(21, 34, false));
    assert_eq!(got, [(20, 9.6), (25, 12.0), (30, 14.399999999999999)]);
    assert_eq!(buckets(&line, (Twa, 5, false), ask(21, 34, false)), []);
    let got = buckets(&line, (Twa, 5, true), ask(51, 80, false));
    assert_eq!(got, [(50, 51.2), (55, 64.0)]);
    assert_eq!(buckets(&line, (Twa, 5, true), ask(56, 80, false)), []);
    let filtered = Query {
        values: Some((2.0, 16.0)),
        ..ask(0, TIMESTAMP_MAX, false)
    };
    let got = buckets(&line, (Twa, 20, false), filtered);
    // Here 7.4 has the line go on to samples that the filter leaves out: 3 and 13.67.
    assert_eq!(got, [(0, 4.5), (20, 12.0)]);
    let times = [10, 15, 20, 50];
    let filtered = Query {
        timestamps: Some(&times),
        ..ask(0, TIMESTAMP_MAX, false)
    };
    let got = buckets(&line, (Twa, 20, false), filtered);
    assert_eq!(got, [(0, 4.5), (20, 16.0), (40, 28.0)]);
}

#[test]
fn empty_buckets_make_rows_of_their_own() {
    use Aggregator::{First, Last, Sum};
    let line = series(&LINE);
    let values = |aggregator, backwards| {
        let got = buckets(&line, (aggregator, 15, true), ask(3, 52, backwards));
        got.iter().map(|row| row.1).collect::<Vec<_>>()
    };
    assert_eq!(values(Sum, false), [2.0, 12.0, 16.0, 32.0]);
    let got = buckets(&line, (Last, 5, true), ask(20, 52, false));
    let expected = [8.0, 8.0, 8.0, 16.0, 16.0, 16.0, 32.0];
    assert!(got.iter().map(|row| row.1).eq(expected));
    let got = buckets(&line, (Last, 5, true), ask(20, 52, true));
    let expected = [32.0, 16.0, 16.0, 16.0, 8.0, 8.0, 8.0];
    assert!(got.iter().map(|row| row.1).eq(expected));
    let got = buckets(&line, (First, 5, true), ask(10, 35, false));
    assert_eq!(got.iter().filter(|row| row.1.is_nan()).count(), 2);
    let far = series(&[(0, 1.0), (TIMESTAMP_MAX, 2.0)]);
    let one = EvenBuckets {
        duration: 1,
        align: 0,
    };
    let aggregation = Aggregation {
        aggregators: &[Sum],
        buckets: &one,
        stamp: Stamp::Start,
        empty: true,
        allowance: &Allowance::default(),
    };
    let mut query = Query {
        aggregation: Some(&aggregation),
        ..ask(0, TIMESTAMP_MAX, false)
    };
    assert!(query.run(&far, |_, _| ()).is_err());
    let allowance = Allowance::default();
    let aggregation = Aggregation {
        allowance: &allowance,
        ..aggregation
    };
    query.aggregation = Some(&aggregation);
    query.count = 10;
    assert_eq!(rows(&far, &query).len(), 10);
}

/// Two samples and forty aggregators made 42 million values.
#[test]
fn values_are_bounded_and_not_rows() {
    let far = series(&[(0, 1.0), (1 << 19, 2.0)]);
    let dense: Vec<(u64, f64)> = (0..1000).map(|at| (at, 1.0)).collect();
    let dense = series(&dense);
    let one = EvenBuckets {
        duration: 1,
        align: 0,
    };
    for kind in [Aggregator::Sum, Aggregator::Twa] {
        let run = |width: usize, series: &Series, allowance: &Allowance, backwards: bool| {
            let aggregators: Vec<_> = [kind].into_iter().cycle().take(width).collect();
            let aggregation = Aggregation {
                aggregators: &aggregators,
                buckets: &one,
                stamp: Stamp::Start,
                empty: true,
                allowance,
            };
            let query = Query {
                aggregation: Some(&aggregation),
                ..ask(0, TIMESTAMP_MAX, backwards)
            };
            let mut values = 0;
            let run = query.run(series, |_, row| values += row.len());
            assert!(values < 2 * FURTHER_VALUES_MAX);
            run.is_ok()
        };
        for backwards in [false, true] {
            let new = Allowance::default;
            assert!(run(1, &far, &new(), backwards));
            assert!(!run(3, &far, &new(), backwards));
            // All series of a command share an allowance.
            let all = new();
            assert!(run(2, &far, &all, backwards) && !run(1, &far, &all, backwards));
            assert!(!run(10_000, &dense, &new(), backwards));
        }
    }
}

#[test]
fn samples_beyond_the_retention_are_gone() {
    let options = Options {
        retention_ms: 100,
        ..SMALL
    };
    let mut old = Series::new(options, Labels::default());
    for at in 0..1000 {
        let sample = Sample::new(at * 10, (at as f64).sin());
        old.add(sample, Policy::Block, false).expect("new");
        assert!(rows(&old, &ask(0, u64::MAX, false)).len() <= 11);
        assert!(old.chunks.len() < 6);
    }
    let add = |old: &mut Series, at| old.add(Sample::new(at, 1.0), Policy::Last, false);
    assert_eq!(add(&mut old, 9889), Err(AddError::TooOld));
    assert_eq!(add(&mut old, 9890), Ok(AddOutcome::Upserted(1.0)));
    assert_eq!(rows(&old, &ask(0, u64::MAX, true)).len(), 11);
    old.check_invariants();
}

#[test]
fn what_hardly_differs_is_ignored() {
    let options = Options {
        ignored_ms: 5,
        ignored_change: 0.5,
        ..SMALL
    };
    let mut series = Series::new(options, Labels::default());
    let mut add = |at, value| series.add(Sample::new(at, value), Policy::Last, true);
    assert_eq!(add(10, 1.0), Ok(AddOutcome::Appended));
    assert_eq!(add(15, 1.5), Ok(AddOutcome::Ignored));
    assert_eq!(add(10, 1.5), Ok(AddOutcome::Ignored));
    assert_eq!(add(15, 1.6), Ok(AddOutcome::Appended));
    assert_eq!(add(21, 1.6), Ok(AddOutcome::Appended));
    assert_eq!(add(20, 1.6), Ok(AddOutcome::Upserted(1.6)));
}

#[derive(Clone, Debug)]
enum Step {
    Next(u64, f64),
    Late(u16, f64, usize),
    Remove(u16, u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || prop_oneof![Just(1.0), (-5..5).prop_map(f64::from), (-1e6..1e6)];
    let step = prop_oneof![
        6 => (1..500_u64, value()).prop_map(|(step, value)| Step::Next(step, value)),
        3 => (any::<u16>(), value(), 0..6_usize)
            .prop_map(|(at, value, policy)| Step::Late(at, value, policy)),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(a, b)| Step::Remove(a, b)),
    ];
    proptest::collection::vec(step, 0..400)
}

fn position(at: u16, last: u64) -> u64 {
    last * u64::from(at) / 65535
}

/// A series and the same samples in a map.
fn made(steps: &[Step], is_packed: bool) -> (Series, BTreeMap<u64, f64>) {
    let mut series = Series::new(Options { is_packed, ..SMALL }, Labels::default());
    let mut model: BTreeMap<u64, f64> = BTreeMap::new();
    for step in steps {
        let last = model.last_key_value().map_or(0, |last| *last.0);
        match step {
            Step::Next(step, value) => {
                let added = series.add(Sample::new(last + step, *value), Policy::Block, false);
                assert_eq!(added, Ok(AddOutcome::Appended));
                model.insert(last + step, *value);
            }
            Step::Late(at, value, policy) => {
                let (at, policy) = (position(*at, last), Policy::ALL[*policy]);
                let old = model.get(&at).copied();
                let kept = old.map_or(Ok(*value), |old| policy.resolve(old, *value));
                let added = series.add(Sample::new(at, *value), policy, false);
                match kept {
                    Err(DuplicateSample) => assert_eq!(added, Err(AddError::Blocked)),
                    Ok(kept) => {
                        let is_first = model.is_empty();
                        let as_expected = if is_first {
                            AddOutcome::Appended
                        } else {
                            AddOutcome::Upserted(kept)
                        };
                        assert_eq!(added, Ok(as_expected));
                        model.insert(at, kept);
                    }
                }
            }
            Step::Remove(a, b) => {
                let (from, to) = (position(*a.min(b), last), position(*a.max(b), last));
                let before = model.len();
                model.retain(|at, _| !(from..=to).contains(at));
                assert_eq!(series.remove(from, to), (before - model.len()) as u64);
            }
        }
        let last = model
            .last_key_value()
            .map(|last| Sample::new(*last.0, *last.1));
        assert_eq!(series.last(), last);
    }
    series.check_invariants();
    (series, model)
}

/// A copy by the parts of a payload.
fn copy(series: &Series) -> Series {
    let mut loader = Loader::new(*series.options(), series.labels().clone()).expect("possible");
    for part in series.parts() {
        let mut bytes = Vec::new();
        part.write_bytes(&mut bytes);
        loader.chunk(part.fields(), &bytes).expect("whole");
    }
    loader.finish(series.summary()).expect("whole")
}

proptest! {
    #[test]
    fn enough_samples_are_seen_by_the_lengths_of_chunks(
        times in prop::collection::btree_set(0..400_u64, 0..200),
        gone in prop::option::of((0..400_u64, 0..400_u64)),
        from in 0..450_u64,
        min in 1..250_u64,
    ) {
        let samples: Vec<(u64, f64)> = times.iter().map(|at| (*at, *at as f64)).collect();
        let mut series = series(&samples);
        if let Some((start, end)) = gone {
            series.remove(start, end);
        }
        let mut found = 0;
        series.for_each(from, u64::MAX, |_| found += 1);
        prop_assert_eq!(series.has_samples(from, min), found >= min);
        let between = series.samples_between(from, u64::MAX);
        prop_assert!(between >= found && between <= series.total());
        let to = from.saturating_add(min);
        let excerpt = series.excerpt(from, to);
        prop_assert_eq!(&rows(&excerpt, &ask(from, to, true)), &rows(&series, &ask(from, to, true)));
    }
    #[test]
    fn a_series_is_a_sorted_map(steps in steps(), a: u16, b: u16, is_packed: bool) {
        let (series, model) = made(&steps, is_packed);
        let last = series.last_timestamp();
        let (from, to) = (position(a.min(b), last), position(a.max(b), last));
        let expected: Vec<(u64, f64)> = model.range(from..=to).map(|(a, b)| (*a, *b)).collect();
        for series in [&series, &copy(&series)] {
            series.check_invariants();
            prop_assert_eq!(&rows(series, &ask(from, to, false)), &expected);
            let mut back = rows(series, &ask(from, to, true));
            back.reverse();
            prop_assert_eq!(&back, &expected);
        }
        let at = |sample: Option<Sample>| sample.map(|sample| sample.timestamp);
        prop_assert_eq!(at(series.before(from)), model.range(..from).next_back().map(|s| *s.0));
        prop_assert_eq!(at(series.after(from)), model.range(from + 1..).next().map(|s| *s.0));
        prop_assert_eq!(at(series.at(from)), model.contains_key(&from).then_some(from));
    }

    #[test]
    fn buckets_are_those_of_all_samples(steps in steps(), duration in 1..3000_i64, align in 0..500_i64, aggregator in 0..12_usize, count in 1..60_usize) {
        let (series, model) = made(&steps, true);
        let aggregators = [Aggregator::ALL[aggregator], Aggregator::Twa];
        let buckets = EvenBuckets { duration, align };
        for backwards in [false, true] {
            let mut expected: Vec<(u64, f64)> = Vec::new();
            let mut open: Option<(i64, crate::aggregate::State)> = None;
            let mut samples: Vec<(u64, f64)> = model.iter().map(|(a, b)| (*a, *b)).collect();
            if backwards { samples.reverse(); }
            // The first of time comes last, backwards.
            let of = match aggregators[0] {
                Aggregator::First if backwards => Aggregator::Last,
                Aggregator::Last if backwards => Aggregator::First,
                of => of,
            };
            for (at, value) in samples {
                let (start, _) = buckets.around(at as i64);
                if open.is_none_or(|open| open.0 != start) {
                    if let Some((start, state)) = open { expected.push((start.max(0) as u64, state.value())); }
                    open = Some((start, crate::aggregate::State::new(of)));
                }
                open.as_mut().expect("set").1.add(value);
            }
            if let Some((start, state)) = open { expected.push((start.max(0) as u64, state.value())); }
            expected.truncate(count);
            for width in [1, 2] {
                // With the weighted average the pass is forwards, which sums show.
                if width == 2 && backwards { continue; }
                let aggregation = Aggregation { aggregators: &aggregators[..width], buckets: &buckets, stamp: Stamp::Start, empty: false, allowance: &Allowance::default() };
                let query = Query { aggregation: Some(&aggregation), count, ..ask(0, u64::MAX >> 1, backwards) };
                prop_assert_eq!(&rows(&series, &query), &expected);
            }
        }
    }
}

/// Replies of Redis Stack 7.4 to the same samples.
#[test]
fn buckets_close_as_in_redis() {
    let mut source = series(&[]);
    let ten = EvenBuckets {
        duration: 10,
        align: 0,
    };
    source.change_rules(|rules| rules.push(crate::Rule::new(b"d", Aggregator::Twa, ten)));
    let mut dest = series(&[]);
    let add = |source: &mut Series, dest: &mut Series, at, value| {
        let mut writes = Vec::new();
        let sample = Sample::new(at, value);
        source
            .add_to(sample, Policy::Last, false, &mut writes)
            .expect("added");
        apply(dest, &writes);
    };
    let latest = |source: &Series| source.rules()[0].latest().map(|s| (s.timestamp, s.value));
    for (at, value) in [(1, 1.0), (5, 5.0), (12, 12.0), (27, 30.0)] {
        add(&mut source, &mut dest, at, value);
    }
    let all = || ask(0, TIMESTAMP_MAX, false);
    assert_eq!(rows(&dest, &all()), [(0, 5.5), (10, 15.64)]);
    assert_eq!(latest(&source), Some((20, 25.8)));
    add(&mut source, &mut dest, 45, 3.0);
    assert_eq!(rows(&dest, &all()), [(0, 5.5), (10, 15.64), (20, 26.385)]);
    assert_eq!(latest(&source), Some((40, 6.75)));
    add(&mut source, &mut dest, 8, 0.0);
    assert_eq!(rows(&dest, &all())[0], (0, 2.8333333333333335));
    add(&mut source, &mut dest, 33, 9.0);
    assert_eq!(rows(&dest, &all())[3], (30, 9.35));
    add(&mut source, &mut dest, 44, 8.0);
    assert_eq!(latest(&source), Some((40, 7.6454545454545455)));
    source.check_invariants();
}

fn apply(dest: &mut Series, writes: &[Write]) {
    for write in writes {
        assert_eq!(&*write.dest, b"d");
        match write.change {
            Change::Set(sample) => _ = dest.add(sample, Policy::Last, false).expect("added"),
            Change::Remove(from, to) => _ = dest.remove(from, to),
        }
    }
}

proptest! {
    /// A destination has the values of the source's closed buckets, also when samples come late or
    /// are deleted.
    #[test]
    fn destinations_follow_their_source(steps in steps(), duration in 1..2000_i64, align in 0..500_i64, aggregator in 0..12_usize) {
        let of = Aggregator::ALL[aggregator];
        let even = EvenBuckets { duration, align };
        let mut source = series(&[]);
        source.change_rules(|rules| rules.push(crate::Rule::new(b"d", of, even)));
        let mut dest = series(&[]);
        for step in &steps {
            let last = source.last_timestamp();
            let mut writes = Vec::new();
            match step {
                Step::Next(step, value) => {
                    let sample = Sample::new(last + step, *value);
                    source.add_to(sample, Policy::Last, false, &mut writes).expect("added");
                }
                Step::Late(at, value, policy) => {
                    let sample = Sample::new(position(*at, last), *value);
                    let _ = source.add_to(sample, Policy::ALL[*policy], false, &mut writes);
                }
                Step::Remove(a, b) => {
                    let (from, to) = (position(*a.min(b), last), position(*a.max(b), last));
                    source.remove_from(from, to, &mut writes);
                }
            }
            apply(&mut dest, &writes);
        }
        let open = source.rules()[0].latest();
        let aggregation = Aggregation { aggregators: &[of], buckets: &even, stamp: Stamp::Start, empty: false, allowance: &Allowance::default() };
        let query = Query { aggregation: Some(&aggregation), ..ask(0, TIMESTAMP_MAX, false) };
        let mut expected = rows(&source, &query);
        let mut got = rows(&dest, &ask(0, TIMESTAMP_MAX, false));
        if let Some(open) = open {
            // A bucket may open again after later ones were emptied.
            got.retain(|row| row.0 != open.timestamp);
            got.push((open.timestamp, open.value));
        }
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()));
        prop_assert_eq!(got.len(), expected.len(), "{:?} {:?}", got, expected);
        expected.sort_by_key(|row| row.0);
        for (a, b) in got.iter().zip(&expected) {
            prop_assert!(a.0 == b.0 && (close(a.1, b.1) || a.1.to_bits() == b.1.to_bits()), "{:?} {:?}", a, b);
        }
    }
}
