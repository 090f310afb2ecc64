//! The stems of words.

use rust_stemmers::{Algorithm, Stemmer};

use super::Language;

/// The algorithm of a language; `None`: it has none.
fn algorithm(language: Language) -> Option<Algorithm> {
    Some(match language {
        Language::English => Algorithm::English,
        Language::Arabic => Algorithm::Arabic,
        Language::Danish => Algorithm::Danish,
        Language::Dutch => Algorithm::Dutch,
        Language::Finnish => Algorithm::Finnish,
        Language::French => Algorithm::French,
        Language::German => Algorithm::German,
        Language::Greek => Algorithm::Greek,
        Language::Hungarian => Algorithm::Hungarian,
        Language::Italian => Algorithm::Italian,
        Language::Norwegian => Algorithm::Norwegian,
        Language::Portuguese => Algorithm::Portuguese,
        Language::Romanian => Algorithm::Romanian,
        Language::Spanish => Algorithm::Spanish,
        Language::Swedish => Algorithm::Swedish,
        Language::Tamil => Algorithm::Tamil,
        Language::Turkish => Algorithm::Turkish,
        _ => return None,
    })
}

impl Language {
    /// Whether its words have stems.
    pub fn has_stems(self) -> bool {
        algorithm(self).is_some()
    }
}

/// The stem of a word that is in small letters. `None`: it has fewer bytes than `min`, the stem is
/// the word, or the language has no stems.
pub fn stem(language: Language, word: &[u8], min: usize) -> Option<Vec<u8>> {
    if word.len() < min {
        return None;
    }
    let word = std::str::from_utf8(word).ok()?;
    let stem = Stemmer::create(algorithm(language)?).stem(word);
    (stem != word && !stem.is_empty()).then(|| stem.into_owned().into_bytes())
}
