//! Time series: fields and bytes of chunks, then samples, deletions and reads.
//!
//! Any fields are refused or become a series. The series keeps its invariants whatever is added,
//! reads the same in both directions, and its own parts make the same series again. The target
//! `dump` has the frames of payloads.

use super::input::Input;
use russet_base::memory::content::Content;
use russet_timeseries::series::{ChunkBytes, Loader, Summary};
use russet_timeseries::{Labels, Options, PackedShape, Policy, Sample, Series};
use std::ops::ControlFlow;

/// Bound of the gap between two timestamps, small so that timestamps are near each other.
const TIMES: u64 = 1 << 12;

/// The first byte chooses the chunks. Then come samples, the changes of the parts that the samples
/// make, and the operations on the series.
pub fn time_series(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let options = Options {
        is_packed: choice & 1 == 0,
        chunk_bytes: if choice & 2 == 0 { 48 } else { 128 },
        retention_ms: if choice & 12 == 0 { 700 } else { 0 },
        ..Options::default()
    };
    let mut good = Series::new(options, Labels::default());
    let mut at = 0;
    for _ in 0..input.below(64) {
        at += 1 + number(&mut input) % TIMES;
        add(&mut good, at, &mut input);
    }
    let Ok(mut series) = changed(&good, options, &mut input) else {
        return;
    };
    series.check_invariants();
    while !input.is_empty() {
        let (from, to) = (number(&mut input), number(&mut input));
        match input.below(4) {
            0 => _ = series.remove(from, to),
            1 => check_reads(&series, from.min(to), from.max(to)),
            _ => add(&mut series, from, &mut input),
        }
    }
    series.check_invariants();
    check_reads(&series, 0, u64::MAX);
    let again = parts(&series)
        .into_iter()
        .try_fold(
            Loader::new(options, Labels::default()).expect("its own options"),
            |mut loader, (fields, bytes)| loader.chunk(fields, &bytes).map(|()| loader),
        )
        .and_then(|loader| loader.finish(series.summary()));
    let again = again.expect("its own parts");
    again.check_invariants();
    assert_eq!(parts(&again), parts(&series));
}

/// Eight bytes, most of them 0.
fn number(input: &mut Input<'_>) -> u64 {
    let small = u64::from(input.byte());
    match input.below(8) {
        0 => u64::from_le_bytes([0; 8].map(|_: u8| input.byte())) >> 1,
        1 => small << 32,
        2 | 3 => small << 8 | 1,
        _ => small,
    }
}

fn add(series: &mut Series, at: u64, input: &mut Input<'_>) {
    let value = match input.below(4) {
        0 => f64::from_bits(number(input)),
        1 => f64::NAN,
        _ => f64::from(input.byte()),
    };
    let policy = Policy::ALL[input.below(Policy::ALL.len())];
    let time = at.min(russet_timeseries::TIMESTAMP_MAX);
    let _ = series.add(Sample::new(time, value), policy, false);
}

fn parts(series: &Series) -> Vec<(ChunkBytes, Vec<u8>)> {
    let parts = series.parts().map(|part| {
        let mut bytes = Vec::new();
        part.write_bytes(&mut bytes);
        (part.fields(), bytes)
    });
    parts.collect()
}

/// A series from the parts of another series, with some changes.
fn changed(
    good: &Series,
    options: Options,
    input: &mut Input<'_>,
) -> Result<Series, russet_timeseries::Damage> {
    let mut loader = Loader::new(options, Labels::default())?;
    for (mut fields, mut bytes) in parts(good) {
        for _ in 0..input.below(4) {
            let at = input.below(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= input.byte();
            }
        }
        if input.below(4) == 0 {
            change(&mut fields, input);
        }
        loader.chunk(fields, &bytes)?;
    }
    let mut summary = good.summary();
    if input.below(8) == 0 {
        summary = Summary {
            total: number(input),
            ..summary
        };
    }
    loader.finish(summary)
}

/// Changes a field.
fn change(fields: &mut ChunkBytes, input: &mut Input<'_>) {
    let n = number(input);
    match fields {
        ChunkBytes::Plain { first, count, size } => {
            let numbers = [first, count, size];
            let field = numbers.into_iter().nth(input.below(3));
            *field.expect("one of three") = n;
        }
        ChunkBytes::Packed(shape) => {
            let PackedShape {
                size,
                count,
                bits,
                first_value,
                first_timestamp,
                timestamp,
                step,
                value,
                lead,
                tail,
            } = shape;
            let numbers = [
                size,
                count,
                bits,
                first_value,
                first_timestamp,
                timestamp,
                value,
                lead,
                tail,
            ];
            match numbers.into_iter().nth(input.below(10)) {
                Some(field) => *field = n,
                None => *step = n as i64,
            }
        }
    }
}

fn check_reads(series: &Series, from: u64, to: u64) {
    let mut forwards = Vec::new();
    let bits = |sample: Sample| (sample.timestamp, sample.value.to_bits());
    series.for_each(from, to, |sample| forwards.push(bits(sample)));
    let mut backwards = Vec::new();
    let _ = series.scan_back(from, to, |sample| {
        backwards.push(bits(sample));
        ControlFlow::<()>::Continue(())
    });
    assert!(forwards.iter().eq(backwards.iter().rev()));
    assert!(forwards.is_sorted_by(|a, b| a.0 < b.0));
    assert!(forwards.iter().all(|(time, _)| (from..=to).contains(time)));
    let first = forwards.first().copied();
    assert_eq!(
        series.at(from).map(bits),
        first.filter(|first| first.0 == from)
    );
}
