//! Regular expressions of `=~`, `match` and `search`, compiled once while they are in use.
//!
//! A thread keeps the patterns that it used last, of all paths: so neither a path with many
//! operators nor patterns that come from documents fill the memory. Two generations, as in `cache`.
//!
//! The regex crate takes time linear in the text; [`COMPILED_BYTES_MAX`] bounds a pattern's share.
//! A pattern that is malformed or too large matches nothing, as in Redis.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::budget::Budget;
use super::error::EvalError;

/// Bytes that a compiled pattern may take, and as many for its automaton.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Patterns of one generation.
const KEPT_MAX: usize = 16;
/// The cost of compiling a pattern, in visits.
const COMPILATION_VISITS: u64 = 1 << 12;
/// The bytes of a text that most patterns search in the time of a visit.
const BYTES_FOR_A_VISIT: usize = 4;

/// The extent that a pattern has to match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// Any part of a text.
    Part,
    /// All of it.
    Whole,
}

thread_local! {
    static PATTERNS: RefCell<[Patterns; 2]> = RefCell::default();
}

/// Whether a pattern matches a text.
pub(super) fn is_match(
    pattern: &str,
    text: &str,
    extent: Extent,
    budget: &Budget,
) -> Result<bool, EvalError> {
    budget.spend((text.len() / BYTES_FOR_A_VISIT) as u64)?;
    PATTERNS.with_borrow_mut(|patterns| {
        let regex = patterns[extent as usize].get(pattern, extent, budget)?;
        Ok(regex.as_ref().is_some_and(|regex| regex.is_match(text)))
    })
}

/// Compiled patterns of one extent; `None` for one that cannot be compiled.
#[derive(Default)]
struct Patterns {
    young: HashMap<Box<str>, Option<Regex>>,
    old: HashMap<Box<str>, Option<Regex>>,
}

impl Patterns {
    fn get(
        &mut self,
        pattern: &str,
        extent: Extent,
        budget: &Budget,
    ) -> Result<&Option<Regex>, EvalError> {
        if !self.young.contains_key(pattern) {
            let regex = match self.old.remove(pattern) {
                Some(regex) => regex,
                None => {
                    budget.spend(COMPILATION_VISITS)?;
                    compile(pattern, extent)
                }
            };
            if self.young.len() == KEPT_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(pattern.into(), regex);
        }
        Ok(&self.young[pattern])
    }
}

fn compile(pattern: &str, extent: Extent) -> Option<Regex> {
    let anchored = (extent == Extent::Whole).then(|| format!("^(?:{pattern})$"));
    RegexBuilder::new(anchored.as_deref().unwrap_or(pattern))
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str, extent: Extent) -> bool {
        is_match(pattern, text, extent, &Budget::new(u64::MAX)).unwrap()
    }

    #[test]
    fn search_finds_a_part_and_match_wants_all() {
        assert!(matches("b.", "abc", Extent::Part));
        assert!(!matches("b.", "abc", Extent::Whole));
        assert!(matches("a|abc", "abc", Extent::Whole));
    }

    #[test]
    fn classes_and_case_are_those_of_unicode() {
        assert!(matches("(?i)ÄL", "stäl", Extent::Part));
        assert!(matches(r"^\w\d$", "ä٣", Extent::Part));
    }

    #[test]
    fn a_malformed_or_huge_pattern_matches_nothing() {
        for pattern in ["a[", "(", "(?:a{1000}){1000}", r"\p{L}{5000}"] {
            assert!(!matches(pattern, "a", Extent::Part), "{pattern}");
        }
    }

    #[test]
    fn patterns_are_kept_within_bounds_and_paid_for_once() {
        for number in 0..100 {
            assert!(matches(
                &format!("^{number}$"),
                &number.to_string(),
                Extent::Part
            ));
        }
        let budget = Budget::new(COMPILATION_VISITS);
        for _ in 0..100 {
            assert_eq!(is_match("^abc$", "abc", Extent::Part, &budget), Ok(true));
        }
        assert!(is_match("^abd$", "abc", Extent::Part, &budget).is_err());
        let kept = PATTERNS.with_borrow(|patterns| {
            patterns
                .iter()
                .map(|kept| kept.young.len() + kept.old.len())
                .sum::<usize>()
        });
        assert!(kept <= 2 * 2 * KEPT_MAX);
    }
}
