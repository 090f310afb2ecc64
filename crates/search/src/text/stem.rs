//! The stems of words.
//!
//! Most languages use an older Snowball, because Redis Stack 7.4 has its stems; Russian and eleven
//! others use the present Snowball. Chinese has no stems.

use super::Language;

/// An algorithm of either library.
enum Algorithm {
    Old(rust_stemmers::Algorithm),
    New(waken_snowball::Algorithm),
}

/// The algorithm of a language; `None`: it has none.
fn algorithm(language: Language) -> Option<Algorithm> {
    use rust_stemmers::Algorithm as Old;
    use waken_snowball::Algorithm as New;
    Some(match language {
        Language::English => Algorithm::Old(Old::English),
        Language::Arabic => Algorithm::Old(Old::Arabic),
        Language::Danish => Algorithm::Old(Old::Danish),
        Language::Dutch => Algorithm::Old(Old::Dutch),
        Language::Finnish => Algorithm::Old(Old::Finnish),
        Language::French => Algorithm::Old(Old::French),
        Language::German => Algorithm::Old(Old::German),
        Language::Greek => Algorithm::Old(Old::Greek),
        Language::Hungarian => Algorithm::Old(Old::Hungarian),
        Language::Italian => Algorithm::Old(Old::Italian),
        Language::Norwegian => Algorithm::Old(Old::Norwegian),
        Language::Portuguese => Algorithm::Old(Old::Portuguese),
        Language::Romanian => Algorithm::Old(Old::Romanian),
        Language::Spanish => Algorithm::Old(Old::Spanish),
        Language::Swedish => Algorithm::Old(Old::Swedish),
        Language::Tamil => Algorithm::Old(Old::Tamil),
        Language::Turkish => Algorithm::Old(Old::Turkish),
        Language::Russian => Algorithm::New(New::Russian),
        Language::Basque => Algorithm::New(New::Basque),
        Language::Catalan => Algorithm::New(New::Catalan),
        Language::Hindi => Algorithm::New(New::Hindi),
        Language::Indonesian => Algorithm::New(New::Indonesian),
        Language::Irish => Algorithm::New(New::Irish),
        Language::Lithuanian => Algorithm::New(New::Lithuanian),
        Language::Nepali => Algorithm::New(New::Nepali),
        Language::Armenian => Algorithm::New(New::Armenian),
        Language::Serbian => Algorithm::New(New::Serbian),
        Language::Yiddish => Algorithm::New(New::Yiddish),
        Language::Chinese => return None,
    })
}

impl Language {
    /// Whether words of the language have stems.
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
    let stem = match algorithm(language)? {
        Algorithm::Old(old) => rust_stemmers::Stemmer::create(old).stem(word),
        Algorithm::New(new) => new.stemmer().stem(word).into_owned().into(),
    };
    (stem != word && !stem.is_empty()).then(|| stem.into_owned().into_bytes())
}
