//! Checks of bytes that this crate wrote: for tests and fuzzers.

use super::bytes::{self, Body};
use super::names::{self, Name};
use super::run::NumberType;
use super::store::Part;

/// Panics if values beside each other are not as their count and length say.
pub(super) fn part(part: Part<'_>, shared_names: usize) {
    if part.body == Body::Run {
        assert!(NumberType::is_valid(part.run.byte()) && part.count > 0);
        assert_eq!(part.bytes.len() - part.start, part.count * part.run.width());
        return;
    }
    let (mut at, mut seen) = (part.start, Vec::new());
    for _ in 0..part.count {
        if part.body == Body::Object {
            let (name, _) = names::name(part.bytes, at);
            match name {
                Name::Shared(number) => assert!(usize::from(number) < shared_names),
                Name::Text(text, is_clean) => {
                    std::str::from_utf8(text).expect("a name is UTF-8");
                    assert_eq!(is_clean, super::text::is_clean(text));
                }
            }
            seen.push(name);
        }
        at = value(part.bytes, part.value(at), shared_names);
    }
    assert_eq!(at, part.bytes.len());
    for (number, name) in seen.iter().enumerate().take(100) {
        assert!(!seen[..number].contains(name));
    }
}

/// As [`part`], for a value; returns where it ends.
pub(super) fn value(buffer: &[u8], at: usize, shared_names: usize) -> usize {
    if let Some(inner) = Part::inline(buffer, at) {
        part(inner, shared_names);
    } else if let bytes::Item::Text(text) = bytes::item(buffer, at) {
        std::str::from_utf8(text).expect("a string is UTF-8");
        let is_clean = !bytes::is_dirty(buffer[at]);
        assert_eq!(is_clean, super::text::is_clean(text));
    }
    bytes::skip(buffer, at)
}
