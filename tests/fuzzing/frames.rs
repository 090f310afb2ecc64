//! Frames of packed values: a value returns as it was, and damage is an error of the right length.

use super::input::Input;
use russet_frames::{Dictionary, Encoder, RAW_MAX, Samples, train};
use std::sync::OnceLock;

/// Frames of these are read with and without a dictionary.
fn dictionaries() -> &'static [Dictionary; 2] {
    static BOTH: OnceLock<[Dictionary; 2]> = OnceLock::new();
    BOTH.get_or_init(|| {
        let mut samples = Samples::default();
        for n in 0..200 {
            let text = format!(
                "{{\"id\":{n},\"name\":\"user {}\",\"plan\":\"basic\",\"seats\":{}}}",
                n * 7,
                n % 9
            );
            samples.push(text.as_bytes());
        }
        let trained = train(&samples).expect("samples enough");
        [trained, Dictionary::new(b"").expect("an empty one")]
    })
}

/// Two bytes that choose, then a value that is packed and whose frame is changed, a frame, or the
/// bytes of a dictionary.
pub fn frames(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (choice, dictionary) = (input.byte(), &dictionaries()[input.below(2)]);
    match choice % 3 {
        0 => value(dictionary, &mut input),
        1 => {
            let len = input.below(2000) << (choice >> 3);
            read(dictionary, input.rest(), len);
        }
        _ => {
            let mut changed = dictionary.bytes().to_vec();
            for _ in 0..=choice >> 4 {
                let at = input.below(changed.len().clamp(1, 1 << 16));
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= input.byte();
                }
            }
            if let Ok(changed) = Dictionary::new(&changed) {
                read(&changed, input.rest(), 300);
            }
        }
    }
}

fn value(dictionary: &Dictionary, input: &mut Input<'_>) {
    let (at, bits) = (input.below(500), input.byte());
    let raw = input.rest();
    let mut encoder = Encoder::new(dictionary).expect("memory");
    let frame = encoder.pack(raw, usize::MAX).expect("no bound");
    let mut out = Vec::new();
    assert_eq!(dictionary.unpack(frame, raw.len(), &mut out), Ok(()));
    assert_eq!(out, raw);
    let mut changed = frame.to_vec();
    if let Some(byte) = changed.get_mut(at) {
        *byte ^= bits;
    }
    read(dictionary, &changed, raw.len());
    read(dictionary, &frame[..frame.len().min(at)], raw.len());
}

/// Exactly the length, or nothing.
fn read(dictionary: &Dictionary, frame: &[u8], len: usize) {
    let mut out = b"before".to_vec();
    let unpacked = dictionary.unpack(frame, len, &mut out);
    assert!(unpacked.is_err() || len <= RAW_MAX);
    let more = if unpacked.is_ok() { len } else { 0 };
    assert_eq!(out.len(), 6 + more);
    assert_eq!(&out[..6], b"before");
}
