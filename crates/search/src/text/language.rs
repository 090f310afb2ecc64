//! Languages of texts.

/// A language, in the order of the numbers that files have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Arabic,
    Basque,
    Catalan,
    Chinese,
    Danish,
    Dutch,
    Finnish,
    French,
    German,
    Greek,
    Hindi,
    Hungarian,
    Italian,
    Indonesian,
    Irish,
    Lithuanian,
    Nepali,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
    Armenian,
    Serbian,
    Yiddish,
}

/// The languages with their names, by number.
const ALL: [(Language, &str); 29] = [
    (Language::English, "english"),
    (Language::Arabic, "arabic"),
    (Language::Basque, "basque"),
    (Language::Catalan, "catalan"),
    (Language::Chinese, "chinese"),
    (Language::Danish, "danish"),
    (Language::Dutch, "dutch"),
    (Language::Finnish, "finnish"),
    (Language::French, "french"),
    (Language::German, "german"),
    (Language::Greek, "greek"),
    (Language::Hindi, "hindi"),
    (Language::Hungarian, "hungarian"),
    (Language::Italian, "italian"),
    (Language::Indonesian, "indonesian"),
    (Language::Irish, "irish"),
    (Language::Lithuanian, "lithuanian"),
    (Language::Nepali, "nepali"),
    (Language::Norwegian, "norwegian"),
    (Language::Portuguese, "portuguese"),
    (Language::Romanian, "romanian"),
    (Language::Russian, "russian"),
    (Language::Spanish, "spanish"),
    (Language::Swedish, "swedish"),
    (Language::Tamil, "tamil"),
    (Language::Turkish, "turkish"),
    (Language::Armenian, "armenian"),
    (Language::Serbian, "serbian"),
    (Language::Yiddish, "yiddish"),
];

impl Language {
    /// As FT.INFO names it.
    pub fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    /// Of a name in letters of any case.
    pub fn named(name: &[u8]) -> Option<Language> {
        let mut all = ALL.iter();
        let found = all.find(|(_, its)| name.eq_ignore_ascii_case(its.as_bytes()));
        found.map(|(language, _)| *language)
    }

    /// The language's number in files.
    pub fn number(self) -> u64 {
        self as u64
    }

    /// Of a number in files.
    pub fn numbered(number: u64) -> Option<Language> {
        let found = usize::try_from(number).ok().and_then(|n| ALL.get(n));
        found.map(|(language, _)| *language)
    }
}
