//! The primary's name in lines of the log, as the dialect has it.
//!
//! Redis logs MASTER where Valkey logs PRIMARY. Errors of the conversations carry Redis's word,
//! which is replaced here.

use std::fmt;

use russet_config::Dialect;

/// `MASTER` or `PRIMARY`; `Master` or `Primary` at the beginning; `master` or `primary` inside.
pub(super) struct Words {
    pub master: &'static str,
    pub first: &'static str,
    pub inside: &'static str,
}

impl Words {
    pub fn of(dialect: Dialect) -> Words {
        let [master, first, inside] = dialect.primary_words();
        Words {
            master,
            first,
            inside,
        }
    }
}

/// The text of an error about the primary, whose first word for it becomes the dialect's.
pub(super) fn of_primary(dialect: Dialect, error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let (own, words) = (Dialect::Redis.primary_words(), dialect.primary_words());
    // Our own words come before the primary's text.
    let found = own.iter().zip(words);
    let found = found.filter_map(|(word, to)| Some((text.find(*word)?, word, to)));
    match found.min_by_key(|&(at, ..)| at) {
        Some((_, word, to)) => text.replacen(word, to, 1),
        None => text,
    }
}
