//! Bitmaps combined bit by bit; the shorter ones count as if zeros followed.
//!
//! Part by part: a part that decides alone that no bit is set costs nothing, so sparse bitmaps cost
//! what they hold, whatever their length. The complement of a sparse bitmap is made of full runs.

use super::{Bitmap, CHUNK, PART_BITS, Part, low_of};
use roaring::RoaringBitmap;
use russet_encodings::bits::Operation;
use smallvec::SmallVec;

/// A complement would have more new containers than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyChunks;

impl Bitmap {
    /// The result of an operation on bitmaps (at least one, a single one for NOT), as long as the
    /// longest of them. A complement makes at most `chunks_max` containers for empty chunks.
    ///
    /// # Errors
    /// [`TooManyChunks`], of a complement only.
    pub fn combine(
        operation: Operation,
        sources: &[&Bitmap],
        chunks_max: u64,
    ) -> Result<Bitmap, TooManyChunks> {
        let bytes = sources.iter().map(|its| its.bytes()).max().unwrap_or(0);
        if operation == Operation::Not {
            return sources[0].complement(chunks_max);
        }
        let mut result = Bitmap::with_bytes(bytes);
        let mut rest: SmallVec<[&[Part]; 8]> = sources.iter().map(|its| &its.0.parts[..]).collect();
        loop {
            let numbers = rest.iter().filter_map(|parts| Some(parts.first()?.number));
            let Some(number) = numbers.min() else {
                return Ok(result);
            };
            let mut parts = SmallVec::<[Option<&RoaringBitmap>; 8]>::new();
            for left in &mut rest {
                parts.push(match left.split_first() {
                    Some((first, others)) if first.number == number => {
                        *left = others;
                        Some(&first.bits)
                    }
                    _ => None,
                });
            }
            if let Some(bits) = of_parts(operation, &parts)
                && !bits.is_empty()
            {
                result.0.parts.push(Part::new(number, bits));
            }
        }
    }

    fn complement(&self, chunks_max: u64) -> Result<Bitmap, TooManyChunks> {
        let bits = self.bytes() * 8;
        if bits.div_ceil(CHUNK) - self.chunks() > chunks_max {
            return Err(TooManyChunks);
        }
        let mut result = Bitmap::with_bytes(self.bytes());
        if bits == 0 {
            return Ok(result);
        }
        let mut rest = &self.0.parts[..];
        for number in 0..=(bits - 1) >> PART_BITS {
            let mut part = RoaringBitmap::new();
            part.insert_range(low_of(number, &(0..=bits - 1)));
            if let Some((first, others)) = rest.split_first()
                && first.number == number
            {
                part -= &first.bits;
                rest = others;
            }
            if !part.is_empty() {
                part.optimize();
                result.0.parts.push(Part::new(number, part));
            }
        }
        Ok(result)
    }
}

/// The result of one part; `None`: no bit.
fn of_parts(operation: Operation, parts: &[Option<&RoaringBitmap>]) -> Option<RoaringBitmap> {
    let (first, others) = parts.split_first().expect("at least one source");
    let there = || others.iter().flatten();
    let any = || there().fold(RoaringBitmap::new(), |any, &its| any | its);
    match operation {
        Operation::And => {
            let mut result = (*first)?.clone();
            for its in others {
                result &= (*its)?;
            }
            Some(result)
        }
        Operation::Or => {
            let first = first.cloned().unwrap_or_default();
            Some(there().fold(first, |any, &its| any | its))
        }
        Operation::Xor => {
            let first = first.cloned().unwrap_or_default();
            Some(there().fold(first, |odd, &its| odd ^ its))
        }
        Operation::Diff => {
            let first = (*first)?.clone();
            Some(there().fold(first, |left, &its| left - its))
        }
        Operation::Diff1 => Some(match first {
            Some(first) => any() - *first,
            None => any(),
        }),
        Operation::AndOr => Some(any() & (*first)?),
        Operation::One => {
            // In an odd number of bitmaps, but not in two.
            let mut odd = first.cloned().unwrap_or_default();
            let mut twice = RoaringBitmap::new();
            for &its in there() {
                twice |= &odd & its;
                odd ^= its;
            }
            Some(odd - twice)
        }
        Operation::Not => unreachable!("a complement has parts that its source lacks"),
    }
}
