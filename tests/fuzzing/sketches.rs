//! Sketches: headers, chunks and items of filters, and the fields of other sketches (`estimates`).
//!
//! Any bytes are refused or become a filter. The filter keeps its invariants and finds the items
//! that were added, and its header and chunks make the same filter again. The target `dump` has the
//! frames of payloads.

use super::estimates;
use super::input::Input;
use russet_base::memory::content::Content;
use russet_sketches::bloom::Rotation;
use russet_sketches::{Bloom, Cuckoo};

/// The target leaves out headers that announce more memory, because only a machine without the
/// memory refuses them.
const BYTES_MAX: u64 = 1 << 20;

/// The first byte chooses the sketch. For a filter a header, or changes of a header, follows, then
/// chunks and items. For another sketch changes of the fields follow, then items.
pub fn sketches(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    match choice >> 2 & 3 {
        1 => return estimates::count_min(&mut Input::new(rest)),
        2 => return estimates::top_k(&mut Input::new(rest)),
        3 => return estimates::t_digest(&mut Input::new(rest)),
        _ => {}
    }
    let (header, rest) = rest.split_at(rest.len().min(180));
    // Changes of a good header, or the bytes as they are.
    let header = |good: Vec<u8>| -> Vec<u8> {
        if choice & 2 == 0 {
            return header.to_vec();
        }
        let changes = header.iter().chain(std::iter::repeat(&0));
        good.iter().zip(changes).map(|(a, b)| a ^ b).collect()
    };
    if choice & 1 == 0 {
        bloom(&header(small_bloom(choice & 16 != 0).header()), rest);
    } else {
        let filter = Cuckoo::new(8, 2, 5, 2).expect("a small filter");
        cuckoo(&header(filter.header()), rest);
    }
}

/// A small filter; or a filter that forgets, with three generations.
fn small_bloom(forgets: bool) -> Bloom {
    if !forgets {
        return Bloom::new(10, 0.01, Some(2)).expect("a small filter");
    }
    let rotation = Rotation::new(100, 3, 0).expect("within bounds");
    let filter = Bloom::rotating(10, 0.01, 2, true, rotation).expect("a small filter");
    let mut filter = filter.expect("within bounds");
    for begins_ms in [100, 200] {
        filter.rotate(begins_ms).expect("room");
    }
    filter
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    let its = bytes.get(at..at + N).unwrap_or(&[255; N]);
    number[..N].copy_from_slice(its);
    u64::from_le_bytes(number)
}

/// The following changes: a position and a chunk, or an item.
fn steps(bytes: &[u8]) -> impl Iterator<Item = (i64, &[u8])> {
    bytes.chunks(6).map(|step| {
        let (at, text) = step.split_first().expect("not empty");
        (i64::from(*at as i8), text)
    })
}

fn bloom(header: &[u8], rest: &[u8]) {
    let links = number::<4>(header, 8).min(8) as usize;
    if (0..links).any(|link| number::<8>(header, 20 + 53 * link) > BYTES_MAX) {
        return;
    }
    let Ok(mut filter) = Bloom::from_header(header) else {
        return;
    };
    filter.check_invariants();
    let is_small = filter.stored_growth() <= 16 && filter.all().capacity() < 1 << 16;
    for (at, text) in steps(rest) {
        if at % 2 == 0 {
            let _ = filter.load_chunk(at, text);
        } else if at % 16 == 1 {
            let _ = filter.rotate(at * 50);
        } else if is_small && filter.add(text).is_ok() {
            assert!(filter.contains(text));
        }
        let _ = filter.chunk(at);
    }
    filter.check_invariants();
    let mut copy = Bloom::from_header(&filter.header()).expect("its own header");
    let mut at = 1;
    while let Some((next, chunk)) = filter.chunk(at) {
        copy.load_chunk(next, chunk).expect("its own chunk");
        at = next;
    }
    assert!(copy.links().eq(filter.links()));
}

fn cuckoo(header: &[u8], rest: &[u8]) {
    let most = [(8, 4096), (24, 8)];
    let is_small = most
        .iter()
        .all(|(at, most)| number::<8>(header, *at) <= *most);
    if !is_small || number::<2>(header, 36) > 4 {
        return;
    }
    let Some(Ok(mut filter)) = Cuckoo::from_header(header) else {
        return;
    };
    filter.check_invariants();
    for (at, text) in steps(rest) {
        match at % 4 {
            0 => _ = filter.load_chunk(at, text),
            1 => _ = filter.delete(text),
            2 => filter.compact(),
            _ => {
                if filter.parts().len() < 8 && filter.add(text).is_ok() {
                    assert!(filter.contains(text) && filter.count(text) > 0);
                }
            }
        }
        let _ = filter.chunk(at);
    }
    filter.check_invariants();
    let copy = Cuckoo::from_header(&filter.header()).expect("its length");
    let mut copy = copy.expect("its own header");
    let mut at = 1;
    while let Some((next, chunk)) = filter.chunk(at) {
        copy.load_chunk(next, chunk).expect("its own chunk");
        at = next;
    }
    assert!(copy.parts().eq(filter.parts()));
}
