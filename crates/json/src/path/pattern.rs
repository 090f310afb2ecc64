//! Regular expressions of `=~`, `match` and `search`: compiled once for each path.
//!
//! The regex crate takes time linear in the text; what a pattern may cost is bounded by
//! [`COMPILED_BYTES_MAX`]. A pattern that is malformed or too large matches nothing, as in Redis.

use std::sync::{Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

use super::budget::Budget;
use super::error::EvalError;

/// Bytes that a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Compiled patterns that one operator keeps. Patterns may come from the document, one for each
/// element.
const KEPT_MAX: usize = 8;
/// The cost of compiling a pattern, in visits.
const COMPILATION_VISITS: u64 = 1 << 12;
/// The bytes of a text that most patterns search in the time of a visit.
const BYTES_FOR_A_VISIT: usize = 4;

/// The patterns that one operator of a path has met, newest first. A literal one is the only one.
#[derive(Default, Debug)]
pub(super) struct Patterns {
    kept: Mutex<Vec<(Box<str>, Option<Regex>)>>,
}

impl Patterns {
    /// Whether a text has a part that the pattern matches; `whole`: whether all of it does.
    pub(super) fn is_match(
        &self,
        pattern: &str,
        text: &str,
        whole: bool,
        budget: &Budget,
    ) -> Result<bool, EvalError> {
        budget.spend((text.len() / BYTES_FOR_A_VISIT) as u64)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, regex)) = kept.iter().find(|(own, _)| **own == *pattern) {
            return Ok(regex.as_ref().is_some_and(|regex| regex.is_match(text)));
        }
        budget.spend(COMPILATION_VISITS)?;
        let regex = compile(pattern, whole);
        let result = regex.as_ref().is_some_and(|regex| regex.is_match(text));
        kept.truncate(KEPT_MAX - 1);
        kept.insert(0, (pattern.into(), regex));
        Ok(result)
    }
}

fn compile(pattern: &str, whole: bool) -> Option<Regex> {
    let anchored = whole.then(|| format!("^(?:{pattern})$"));
    RegexBuilder::new(anchored.as_deref().unwrap_or(pattern))
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(patterns: &Patterns, pattern: &str, text: &str, whole: bool) -> bool {
        patterns
            .is_match(pattern, text, whole, &Budget::new(u64::MAX))
            .unwrap()
    }

    #[test]
    fn search_finds_a_part_and_match_wants_all() {
        let patterns = Patterns::default();
        assert!(is_match(&patterns, "b.", "abc", false));
        assert!(!is_match(&Patterns::default(), "b.", "abc", true));
        assert!(is_match(&Patterns::default(), "a|abc", "abc", true));
    }

    #[test]
    fn classes_and_case_are_those_of_unicode() {
        assert!(is_match(&Patterns::default(), "(?i)ÄL", "stäl", false));
        assert!(is_match(&Patterns::default(), r"^\w\d$", "ä٣", false));
    }

    #[test]
    fn a_malformed_or_huge_pattern_matches_nothing() {
        for pattern in ["a[", "(", "(?:a{1000}){1000}", r"\p{L}{5000}"] {
            assert!(
                !is_match(&Patterns::default(), pattern, "a", false),
                "{pattern}"
            );
        }
    }

    #[test]
    fn patterns_of_the_document_are_kept_within_bounds() {
        let patterns = Patterns::default();
        for number in 0..100 {
            assert!(is_match(
                &patterns,
                &format!("^{number}$"),
                &number.to_string(),
                false
            ));
        }
        assert!(patterns.kept.lock().unwrap().len() <= KEPT_MAX);
    }
}
