//! Sketches that estimate: the fields in payloads of count-min sketches, top-k lists and t-digests.
//!
//! Any fields are refused or become a sketch. The sketch keeps its invariants whatever is added,
//! and its own fields make the same sketch again.

use super::input::Input;
use russet_base::memory::content::Content;
use russet_sketches::count_min::CellSize;
use russet_sketches::t_digest::Parts;
use russet_sketches::top_k::{Loader, Shape};
use russet_sketches::{CountMin, TDigest, TopK};

/// The bytes of a block with some changes, perhaps with another length.
fn changed(good: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = good.to_vec();
    if input.below(8) == 0 {
        bytes.resize(input.below(2 * good.len() + 2), 0xff);
    }
    for _ in 0..input.below(8) {
        let at = input.below(bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= input.byte();
        }
    }
    bytes
}

/// Eight bytes, most of them 0.
fn number(input: &mut Input<'_>) -> u64 {
    let small = u64::from(input.byte());
    match input.below(4) {
        0 => u64::from_le_bytes([0; 8].map(|_: u8| input.byte())),
        1 => small << 32,
        _ => small,
    }
}

/// Items to add, up to eight bytes each.
fn items<'a>(input: &mut Input<'a>) -> impl Iterator<Item = &'a [u8]> {
    let rest = input.rest();
    rest.chunks(5).take(64)
}

pub(super) fn count_min(input: &mut Input<'_>) {
    let (width, depth) = (input.below(9) as u64, input.below(5) as u64);
    let cell = input.pick(&[
        CellSize::One,
        CellSize::Two,
        CellSize::Four,
        CellSize::Eight,
    ]);
    let good = vec![0; width as usize * depth as usize * cell.bytes()];
    let counters = changed(&good, input);
    let count = number(input) as i64;
    let announced = match input.below(4) {
        0 => (number(input), number(input)),
        _ => (width, depth),
    };
    let made = CountMin::from_parts(announced.0, announced.1, count, cell, counters.into());
    let Ok(mut sketch) = made else {
        return;
    };
    sketch.check_invariants();
    for item in items(input) {
        let before = sketch.estimate(item);
        let (n, count) = (i64::from(item[0] as i8), sketch.count());
        match sketch.add(item, n) {
            Ok(after) => {
                assert_eq!((after, sketch.count()), (sketch.estimate(item), count + n));
                assert_eq!(after >= before, n >= 0);
            }
            Err(_) => assert_eq!((sketch.estimate(item), sketch.count()), (before, count)),
        }
    }
    sketch.check_invariants();
    if let Ok(sum) = sketch.merged(&[(&sketch, 2), (&sketch, -1)]) {
        assert_eq!(sum.counters(), sketch.counters());
    }
    let again = CountMin::from_parts(
        sketch.width(),
        sketch.depth(),
        sketch.count(),
        sketch.cell_size(),
        sketch.counters().into(),
    );
    assert_eq!(again.expect("its own").counters(), sketch.counters());
}

pub(super) fn top_k(input: &mut Input<'_>) {
    let shape = Shape {
        k: 1 + input.below(4) as u32,
        width: 1 + input.below(4) as u32,
        depth: 1 + input.below(3) as u32,
        decay: input.pick(&[1.0, 0.9, 1e-300]),
    };
    let mut good = TopK::new(shape, number(input)).expect("a small list");
    for n in 0..input.below(20) {
        good.add(&[n as u8 % 7], 1 + n as u32);
    }
    let cells = changed(good.cells(), input);
    let places = changed(&good.places(), input);
    let mut numbers = [shape.k, shape.width, shape.depth].map(u64::from);
    if input.below(4) == 0 {
        numbers[input.below(3)] = number(input);
    }
    let decay = match input.below(4) {
        0 => f64::from_bits(number(input)),
        _ => shape.decay,
    };
    let items_of: Vec<Vec<u8>> = good
        .items()
        .map(|item| {
            let text = [item.unwrap_or_default(), &[0]].concat();
            if input.below(8) == 0 {
                changed(&text, input)
            } else {
                text
            }
        })
        .collect();
    let Some(mut list) = load(numbers, decay, cells, places, &items_of) else {
        return;
    };
    list.check_invariants();
    for item in items(input) {
        list.add(item, u32::from(item[0]));
        let _ = (list.has(item), list.estimate(item), list.list());
    }
    list.check_invariants();
    let shape = list.shape();
    let own: Vec<Vec<u8>> = list
        .items()
        .map(|item| [item.unwrap_or_default(), &[0]].concat())
        .collect();
    let numbers = [shape.k, shape.width, shape.depth].map(u64::from);
    let cells = list.cells().to_vec();
    let again = load(numbers, shape.decay, cells, list.places(), &own).expect("its own");
    assert!(again.cells() == list.cells() && again.places() == list.places());
    assert!(again.items().eq(list.items()));
}

fn load(
    numbers: [u64; 3],
    decay: f64,
    cells: Vec<u8>,
    places: Vec<u8>,
    items: &[Vec<u8>],
) -> Option<TopK> {
    let mut loader = Loader::new(numbers, decay, cells.into(), places).ok()?;
    let mut items = items.iter();
    while loader.left() > 0 {
        loader.item(items.next()?).ok()?;
    }
    loader.finish().ok()
}

pub(super) fn t_digest(input: &mut Input<'_>) {
    let mut good = TDigest::new(1 + input.below(4) as i64);
    for n in 0..input.below(60) {
        good.add(f64::from(n as u32 * 7919 % 31)).expect("few");
    }
    let mut parts: Parts = good.parts();
    for _ in 0..input.below(4) {
        let bits = match input.below(8) {
            0 => number(input),
            at => [1.0, 0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX, 1e18][at - 1].to_bits(),
        };
        let (float, at) = (f64::from_bits(bits), input.below(parts.means.len().max(1)));
        match input.below(10) {
            0 => parts.compression = float,
            1 => parts.min = float,
            2 => parts.max = float,
            3 => parts.capacity = number(input),
            4 => parts.compressions = number(input),
            5 => parts.weight = float,
            6 => (parts.unmerged, parts.unmerged_weight) = (number(input), float),
            7 => parts.means.truncate(at),
            8 => parts
                .means
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|its| *its = float),
            _ => parts
                .weights
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|its| *its = float),
        }
    }
    let Ok(mut digest) = parts.into_digest() else {
        return;
    };
    digest.check_invariants();
    // A digest of another size, because a larger digest would take long to fill.
    for item in items(input) {
        let _ = digest.add(f64::from(item[0]));
        digest.keep_copy();
        digest.check_invariants();
        let summary = digest.summary().expect("kept above");
        let share = f64::from(item[0]) / 255.0;
        let value = summary.quantile(share);
        let _ = (
            summary.cdf(value),
            summary.rank(value),
            summary.reverse_rank(value),
        );
        let _ = (
            summary.by_rank(item[0].into()),
            summary.trimmed_mean(share / 2.0, share),
        );
    }
    let own = digest.parts();
    let again = own.clone().into_digest().expect("its own");
    assert_eq!(again.observations(), digest.observations());
    assert_eq!(again.parts().means, own.means);
}
