//! A dictionary prepared for writing frames.
//!
//! Invariant: a frame that is returned is whole, and has at most the bytes that its caller asked
//! for. Cost: 1 to 3 us for values up to a kilobyte; a buffer of the longest value so far stays.

use zstd_safe::{CCtx, CParameter, FrameFormat, compress_bound};

use super::dictionary::{Dictionary, UnusableDictionary};

/// Levels above 1 gain up to 3 percent of the bytes for six times the memory of a dictionary.
const LEVEL: i32 = 1;

/// Writes frames with a dictionary. Some 100 KiB: keep few.
pub struct Encoder {
    writer: CCtx<'static>,
    frame: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder({} bytes)", self.memory_bytes())
    }
}

impl Encoder {
    /// Prepares a dictionary for writing.
    pub fn new(dictionary: &Dictionary) -> Result<Encoder, UnusableDictionary> {
        let mut writer = CCtx::try_create().ok_or(UnusableDictionary)?;
        let settings = [
            CParameter::CompressionLevel(LEVEL),
            CParameter::Format(FrameFormat::Magicless),
            CParameter::ContentSizeFlag(false),
            CParameter::ChecksumFlag(false),
            CParameter::DictIdFlag(false),
        ];
        for setting in settings {
            writer
                .set_parameter(setting)
                .map_err(|_| UnusableDictionary)?;
        }
        writer
            .load_dictionary(dictionary.bytes())
            .map_err(|_| UnusableDictionary)?;
        Ok(Encoder {
            writer,
            frame: Vec::new(),
        })
    }

    /// The frame of a raw value. `None`: it would be longer than `most` bytes. O(`raw`).
    pub fn pack(&mut self, raw: &[u8], most: usize) -> Option<&[u8]> {
        self.frame.clear();
        self.frame.reserve(compress_bound(raw.len()));
        let written = self.writer.compress2(&mut self.frame, raw).ok()?;
        (written <= most && written == self.frame.len()).then_some(&self.frame[..])
    }

    /// Bytes in the allocator.
    fn memory_bytes(&self) -> usize {
        self.writer.sizeof() + self.frame.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DamagedFrame, RAW_MAX, Samples, train};
    use proptest::prelude::*;

    fn session(n: usize) -> Vec<u8> {
        let (id, hash) = (n * 7919 % 10_007, n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        format!(
            "{{\"cookie\":{{\"originalMaxAge\":86400000,\"httpOnly\":true,\"path\":\"/\"}},\
             \"user\":{{\"id\":{id},\"name\":\"user {n}\",\"token\":\"{hash:016x}\"}},\
             \"cart\":[{{\"sku\":\"A-{id}\",\"count\":{}}}]}}",
            n % 9
        )
        .into_bytes()
    }

    fn sessions() -> Dictionary {
        let mut samples = Samples::default();
        (0..400).for_each(|n| samples.push(&session(n)));
        train(&samples).expect("samples enough")
    }

    #[test]
    fn a_dictionary_of_their_kind_shrinks_values_to_a_half() {
        let dictionary = sessions();
        let mut encoder = Encoder::new(&dictionary).expect("memory");
        let mut out = b"before".to_vec();
        for n in 1000..1100 {
            let raw = session(n);
            let frame = encoder.pack(&raw, raw.len()).expect("shorter").to_vec();
            assert!(2 * frame.len() < raw.len(), "{} {}", frame.len(), raw.len());
            dictionary
                .unpack(&frame, raw.len(), &mut out)
                .expect("whole");
            assert_eq!(out, [b"before", &raw[..]].concat());
            out.truncate(6);
        }
        assert!((16 << 10..64 << 10).contains(&dictionary.memory_bytes()));
        assert!(encoder.memory_bytes() > 0);
    }

    #[test]
    fn another_length_than_the_recorded_one_is_damage() {
        let dictionary = sessions();
        let mut encoder = Encoder::new(&dictionary).expect("memory");
        let raw = session(5000);
        let frame = encoder.pack(&raw, raw.len()).expect("shorter");
        for len in [
            0,
            1,
            raw.len() - 1,
            raw.len() + 1,
            RAW_MAX,
            RAW_MAX + 1,
            usize::MAX,
        ] {
            let mut out = vec![7];
            let unpacked = dictionary.unpack(frame, len, &mut out);
            assert_eq!((unpacked, out), (Err(DamagedFrame), vec![7]), "{len}");
        }
    }

    #[test]
    fn a_value_that_does_not_shrink_is_refused() {
        let dictionary = Dictionary::new(b"").expect("an empty one");
        let mut encoder = Encoder::new(&dictionary).expect("memory");
        let mut seed = 1u64;
        let noise = |_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            (seed >> 56) as u8
        };
        let raw: Vec<u8> = (0..2000).map(noise).collect();
        assert_eq!(encoder.pack(&raw, 1900), None);
        let frame = encoder.pack(&[b'x'; 2000], 1900).expect("shorter");
        let mut out = Vec::new();
        assert_eq!(dictionary.unpack(frame, 2000, &mut out), Ok(()));
        assert_eq!(out, [b'x'; 2000]);
    }

    #[test]
    fn a_damaged_head_of_a_dictionary_is_refused() {
        let good = sessions().bytes().to_vec();
        for at in 8..40 {
            let mut bytes = good.clone();
            bytes[at] = !bytes[at];
            // Content may differ unseen: only reading with it must be sound.
            if let Ok(dictionary) = Dictionary::new(&bytes) {
                let mut out = Vec::new();
                let _ = dictionary.unpack(b"\0\x58abc", 3, &mut out);
                assert!(out.len() == 3 || out.is_empty());
            }
        }
        assert!(Dictionary::new(&good[..20]).is_err());
    }

    proptest! {
        #[test]
        fn any_value_returns_as_it_was(raw in prop::collection::vec(any::<u8>(), 0..5000), shift in 0u32..8) {
            let raw: Vec<u8> = raw.iter().map(|byte| byte >> shift).collect();
            let dictionary = Dictionary::new(b"").expect("an empty one");
            let mut encoder = Encoder::new(&dictionary).expect("memory");
            let frame = encoder.pack(&raw, usize::MAX).expect("no bound");
            let mut out = Vec::new();
            prop_assert_eq!(dictionary.unpack(frame, raw.len(), &mut out), Ok(()));
            prop_assert_eq!(out, raw);
        }

        #[test]
        fn a_flipped_bit_harms_only_its_value(at in any::<prop::sample::Index>(), bit in 0u8..8, n in 0usize..5000) {
            let dictionary = Dictionary::new(sessions_once()).expect("trained");
            let mut encoder = Encoder::new(&dictionary).expect("memory");
            let raw = session(n);
            let mut frame = encoder.pack(&raw, usize::MAX).expect("no bound").to_vec();
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            let mut out = Vec::new();
            let unpacked = dictionary.unpack(&frame, raw.len(), &mut out);
            prop_assert_eq!(out.len(), if unpacked.is_ok() { raw.len() } else { 0 });
        }
    }

    fn sessions_once() -> &'static [u8] {
        static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        BYTES.get_or_init(|| sessions().bytes().to_vec())
    }
}
