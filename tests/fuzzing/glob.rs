//! Glob patterns: the matcher terminates, and agrees with the shape of a pattern.

use super::input::Input;
use russet_base::glob::{is_literal, matches};

/// The first byte is the pattern's length and case sensitivity; pattern and text follow.
pub fn glob(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let (nocase, len) = (choice & 0x80 != 0, usize::from(choice & 0x7f));
    let (pattern, text) = (input.bytes(len), input.rest());
    let matched = matches(pattern, text, nocase);
    if is_literal(pattern) {
        let equal = if nocase {
            pattern.eq_ignore_ascii_case(text)
        } else {
            pattern == text
        };
        assert_eq!(matched, equal, "a literal matches itself alone");
    }
    let escaped: Vec<u8> = text.iter().flat_map(|&b| [b'\\', b]).collect();
    assert!(
        matches(&escaped, text, nocase),
        "an escaped text matches itself"
    );
    if !text.is_empty() && matched {
        let starred = [b"*", pattern].concat();
        assert!(
            matches(&starred, text, nocase),
            "a star may stand for nothing"
        );
    }
}
