//! Dictionaries made from samples, and whether they pay.
//!
//! Invariant: a dictionary is judged by the allocator's bytes, because a frame that stays within
//! the size class of its value saves nothing. Cost: training takes tens of milliseconds, so it
//! belongs on a thread.

use russet_base::memory::alloc::good_size;
use zstd_safe::train_from_buffer;

use super::dictionary::{Dictionary, UnusableDictionary};
use super::encoder::Encoder;

/// Bytes of a dictionary: 4 KiB cost up to 10 percent of what 16 KiB save, 64 KiB gain up to 4
/// percent for four times the memory.
const DICTIONARY_BYTES: usize = 16 << 10;

/// Values to train a dictionary with, one after another. 200 give all but 1 to 5 percent of what
/// 2,000 give.
#[derive(Clone, Default, Debug)]
pub struct Samples {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Samples {
    /// Adds a value. An empty one is left out: the trainer cannot use it.
    pub fn push(&mut self, value: &[u8]) {
        if !value.is_empty() {
            self.bytes.extend_from_slice(value);
            self.lengths.push(value.len());
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// The values, in order.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        self.lengths.iter().map(move |&len| {
            let (value, after) = rest.split_at(len);
            rest = after;
            value
        })
    }

    /// Every `nth` value, from the first on, and the others.
    pub fn split(&self, nth: usize) -> (Samples, Samples) {
        let (mut some, mut others) = (Samples::default(), Samples::default());
        for (at, value) in self.iter().enumerate() {
            let to = if at % nth.max(1) == 0 {
                &mut some
            } else {
                &mut others
            };
            to.push(value);
        }
        (some, others)
    }
}

/// Trains a dictionary. `Err`: the samples are too few or too short. 200 samples take 30 to 100 ms
/// of a processor, 2,000 up to 0.7 s.
pub fn train(samples: &Samples) -> Result<Dictionary, UnusableDictionary> {
    // The trainer refuses fewer, and finds nothing in them.
    const LEAST: usize = 8;
    const LEAST_BYTES: usize = 1024;
    if samples.len() < LEAST || samples.bytes.len() < LEAST_BYTES {
        return Err(UnusableDictionary);
    }
    let mut bytes = Vec::with_capacity(DICTIONARY_BYTES);
    train_from_buffer(&mut bytes, &samples.bytes, &samples.lengths)
        .map_err(|_| UnusableDictionary)?;
    Dictionary::new(&bytes)
}

/// Bytes that values take in the allocator, as they are and as frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gain {
    /// As they are.
    pub raw: usize,
    /// As frames; of a value that does not shrink, as it is.
    pub packed: usize,
}

impl Gain {
    /// Bytes as frames for a thousand bytes as they are.
    pub fn permille(self) -> usize {
        (self.packed * 1000).checked_div(self.raw).unwrap_or(1000)
    }
}

/// The memory that a dictionary saves with samples, which should not be those that trained it.
/// `beside` bytes of a head stand before each frame. 1 to 3 us a value.
pub fn gain_of(
    dictionary: &Dictionary,
    samples: &Samples,
    beside: usize,
) -> Result<Gain, UnusableDictionary> {
    let mut encoder = Encoder::new(dictionary)?;
    let mut gain = Gain::default();
    for value in samples.iter() {
        let raw = good_size(value.len());
        let packed = encoder.pack(value, value.len());
        let packed = packed.map_or(raw, |frame| good_size(beside + frame.len()));
        gain.raw += raw;
        gain.packed += packed.min(raw);
    }
    Ok(gain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(n: usize) -> String {
        format!(
            "product {} of the range {}: {} pieces at {} cents, delivered in {} days; \
             returns within a month, terms of the shop apply, see the page of help",
            n * 31 % 977,
            n % 13,
            n % 97,
            n * 7 % 1009,
            n % 5
        )
    }

    fn samples(many: std::ops::Range<usize>) -> Samples {
        let mut samples = Samples::default();
        many.for_each(|n| samples.push(product(n).as_bytes()));
        samples
    }

    #[test]
    fn a_dictionary_pays_for_values_of_its_kind_alone() {
        let (held, trained) = samples(0..300).split(4);
        assert_eq!((held.len(), trained.len()), (75, 225));
        let dictionary = train(&trained).expect("samples enough");
        let gain = gain_of(&dictionary, &held, 4).expect("memory");
        assert!(gain.permille() < 500, "{gain:?}");
        let mut others = Samples::default();
        (0..50u64).for_each(|n| others.push(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()));
        let gain = gain_of(&dictionary, &others, 4).expect("memory");
        assert_eq!(gain.permille(), 1000);
        assert_eq!(Gain::default().permille(), 1000);
    }

    #[test]
    fn few_or_empty_samples_train_nothing() {
        let mut few = samples(0..7);
        assert_eq!(train(&few).err(), Some(UnusableDictionary));
        few.push(b"");
        assert_eq!((few.len(), few.iter().count()), (7, 7));
        let mut short = Samples::default();
        (0..100).for_each(|_| short.push(b"x"));
        assert!(train(&short).is_err());
    }
}
