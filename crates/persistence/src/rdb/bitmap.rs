//! Native bitmaps of Redis 8.12, which become strings with the same bits.
//!
//!     length: bytes of the string | string: the 64-bit portable form of RoaringFormatSpec
//!
//! Bit i of the bitmap is the bit at GETBIT's offset i. The string answers every command of bits as
//! the bitmap did. It takes all its bytes, so a length beyond that of the longest string is
//! refused.
//!
//! Cost: O(bytes of the string + runs of set bits).

use super::fault::Fault;
use super::input::Input;
use roaring::RoaringTreemap;

/// The bytes of the longest string by default (`proto-max-bulk-len`).
const BYTES_MAX: u64 = 512 << 20;

/// Reads a bitmap as the string with its bits.
pub(super) fn read(input: &mut Input<'_>) -> Result<Vec<u8>, Fault> {
    let bytes = input.length()?;
    if bytes > BYTES_MAX {
        return Err(Fault::Unsupported("bitmap of more than 512 MiB"));
    }
    let mut form = input.blob()?;
    let bits = RoaringTreemap::deserialize_from(&mut form).map_err(|_| damaged())?;
    let is_beyond = bits.max().is_some_and(|last| last >= bytes * 8);
    if is_beyond || !form.is_empty() {
        return Err(damaged());
    }
    let mut text = vec![0; bytes as usize];
    // The offsets of so few bytes have 32 bits: there is one part at most.
    for (_, part) in bits.bitmaps() {
        let mut runs = part.iter();
        while let Some(run) = runs.next_range() {
            set_run(&mut text, *run.start() as usize, *run.end() as usize);
        }
    }
    Ok(text)
}

fn damaged() -> Fault {
    Fault::damaged("a bitmap's containers are not sound, or a bit is beyond its length")
}

/// Sets the bits from `first` to `last`, most significant first in each byte.
fn set_run(text: &mut [u8], first: usize, last: usize) {
    let (head, tail) = (0xff_u8 >> (first % 8), 0xff_u8 << (7 - last % 8));
    let (from, to) = (first / 8, last / 8);
    if from == to {
        text[from] |= head & tail;
        return;
    }
    text[from] |= head;
    text[from + 1..to].fill(0xff);
    text[to] |= tail;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A bitmap as files have it.
    fn saved(bytes: usize, bits: &RoaringTreemap) -> Vec<u8> {
        let mut form = Vec::new();
        bits.serialize_into(&mut form).expect("memory");
        let length = |n: usize| [&[0x80][..], &(n as u32).to_be_bytes()].concat();
        [length(bytes), length(form.len()), form].concat()
    }

    fn loaded(saved: &[u8]) -> Result<Vec<u8>, Fault> {
        read(&mut Input::of_bytes(saved))
    }

    #[test]
    fn an_empty_bitmap_is_an_empty_string() {
        let empty = b"\x00\x08\0\0\0\0\0\0\0\0";
        assert_eq!(loaded(empty).expect("it is sound"), b"");
        assert_eq!(
            loaded(&saved(3, &RoaringTreemap::new())).expect("it is sound"),
            [0; 3]
        );
    }

    #[test]
    fn bits_beyond_the_length_and_surplus_bytes_are_refused() {
        let bits: RoaringTreemap = [0, 23].into_iter().collect();
        assert_eq!(loaded(&saved(3, &bits)).expect("it is sound"), [0x80, 0, 1]);
        assert!(loaded(&saved(2, &bits)).is_err());
        let far: RoaringTreemap = [1 << 40].into_iter().collect();
        assert!(loaded(&saved(3, &far)).is_err());
        let mut longer = saved(3, &bits);
        longer.push(0);
        longer[9] += 1;
        assert!(loaded(&longer).is_err());
        let long = [
            &b"\x81"[..],
            &(BYTES_MAX + 1).to_be_bytes(),
            b"\x08\0\0\0\0\0\0\0\0",
        ]
        .concat();
        assert!(matches!(loaded(&long), Err(Fault::Unsupported(_))));
    }

    proptest! {
        #[test]
        fn the_string_has_the_bits_of_the_bitmap(
            runs in prop::collection::vec((0u64..300_000, 1u64..5_000), 0..20),
            changes in prop::collection::vec((0usize..10_000, any::<u8>()), 0..4),
        ) {
            let mut bits = RoaringTreemap::new();
            for (first, length) in runs {
                bits.insert_range(first..first + length);
            }
            let bytes = 40_000;
            let mut file = saved(bytes, &bits);
            let text = loaded(&file).expect("it is sound");
            for at in 0..bytes as u64 * 8 {
                let is_set = text[(at / 8) as usize] & 0x80 >> (at % 8) != 0;
                prop_assert_eq!(is_set, bits.contains(at));
            }
            // Damage is found, or gives other bits; it never ends the process.
            for (at, byte) in changes {
                let at = at % file.len();
                file[at] = byte;
            }
            let _ = loaded(&file);
        }
    }
}
