//! The words of a text: where they begin and end, their positions, and words that are left out.
//!
//! | module | what |
//! |---|---|
//! | `words` | a text as words |
//! | `chinese` | the words of Chinese |
//! | `language` | the languages that texts may be in |
//! | `stop_words` | words that are too common to be indexed |
//! | `stem` | the stems of words |
//! | `sound` | words that sound alike |
//! | `sorting` | texts as SORTBY compares them |
//!
//! Source: the tokens that FT.DEBUG DUMP_TERMS of Redis Stack 7.4 shows; Unicode makes letters
//! small, as in Redis 8.

mod chinese;
mod language;
mod sorting;
mod sound;
mod stem;
mod stop_words;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use chinese::IS_DIVIDED;
pub use language::Language;
pub(crate) use sorting::normalised;
pub(crate) use sound::sound;
pub use stem::stem;
pub use stop_words::StopWords;
pub use words::{Word, Words};

/// Settings of the analysis of documents' texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSettings {
    /// The least bytes of a word that is stemmed: MINSTEMLEN.
    pub stem_min: usize,
    /// Bytes of a word whose sound is indexed, at least: MIN_PHONETIC_TERM_LEN.
    pub sound_min: usize,
    /// From the last word of a text to the first word of the field's next text: MULTI_TEXT_SLOP.
    pub gap: u32,
}

impl Default for TextSettings {
    fn default() -> TextSettings {
        TextSettings {
            stem_min: 4,
            sound_min: 3,
            gap: 100,
        }
    }
}

pub(crate) use words::{counted, in_small_letters, is_separator};
