//! Texts as SORTBY compares them: in small letters and without accents.

/// Latin letters with marks of U+00C0 to U+017F, without them; `\0`: it stays.
const PLAIN: [&str; 192] = [
    "a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o",
    "o", "o", "o", "o", "", "o", "u", "u", "u", "u", "y", "th", "ss", "a", "a", "a", "a", "a", "a",
    "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o", "o", "o", "o", "o", "", "o",
    "u", "u", "u", "u", "y", "th", "y", "a", "a", "a", "a", "a", "a", "c", "c", "c", "c", "c", "c",
    "c", "c", "d", "d", "d", "d", "e", "e", "e", "e", "e", "e", "e", "e", "e", "e", "g", "g", "g",
    "g", "g", "g", "g", "g", "h", "h", "h", "h", "i", "i", "i", "i", "i", "i", "i", "i", "i", "i",
    "ij", "ij", "j", "j", "k", "k", "", "l", "l", "l", "l", "l", "l", "l", "l", "l", "l", "n", "n",
    "n", "n", "n", "n", "n", "", "", "o", "o", "o", "o", "o", "o", "oe", "oe", "r", "r", "r", "r",
    "r", "r", "s", "s", "s", "s", "s", "s", "s", "s", "t", "t", "t", "t", "t", "t", "u", "u", "u",
    "u", "u", "u", "u", "u", "u", "u", "u", "u", "w", "w", "y", "y", "y", "z", "z", "z", "z", "z",
    "z", "s",
];

/// The text for sorting. Bytes that are not UTF-8 stay, apart from ASCII letters.
pub(crate) fn normalised(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return text.to_ascii_lowercase();
    };
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let place = (letter as usize).checked_sub(0xc0);
        match place.and_then(|place| PLAIN.get(place)) {
            Some(plain) if !plain.is_empty() => out.push_str(plain),
            _ => out.extend(letter.to_lowercase()),
        }
    }
    out.into_bytes()
}
