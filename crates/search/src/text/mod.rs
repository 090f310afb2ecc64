//! The words of a text: where they begin and end, their positions, and words that are left out.
//!
//! | module | what |
//! |---|---|
//! | `words` | a text as words |
//! | `stop_words` | words that are too common to be indexed |
//!
//! Source: the tokens that FT.DEBUG DUMP_TERMS of Redis Stack 7.4 shows; letters are made small as
//! Redis 8 does, by Unicode.

mod stop_words;
mod words;

#[cfg(test)]
mod tests;

pub use stop_words::StopWords;
pub(crate) use words::in_small_letters;
pub use words::{Word, Words};
