//! Texts as SORTBY compares them: letters without their case, as Unicode folds them. Accents stay.
//!
//! Source: sort keys of Redis Stack 7.4.

/// The text for sorting. Bytes that are not UTF-8 stay, apart from ASCII letters.
pub(crate) fn normalised(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return text.to_ascii_lowercase();
    };
    // By way of capitals, `ß` is `ss`, as folding makes it.
    let capitals = text.chars().flat_map(char::to_uppercase);
    let folded: String = capitals.flat_map(char::to_lowercase).collect();
    folded.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn letters_are_folded_and_keep_their_accents() {
        let of = |text: &str| String::from_utf8(normalised(text.as_bytes())).expect("UTF-8");
        let all = "É ÀB Straße ﬁn ǄX ΣΑΣ İI Ŝ ø";
        assert_eq!(of(all), "é àb strasse fin ǆx σασ i̇i ŝ ø");
    }
}
