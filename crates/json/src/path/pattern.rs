//! Regular expressions of `=~`, `match` and `search`, compiled once while they are in use.
//!
//! A thread keeps the patterns that it used last, of all paths: so neither a path with many
//! operators nor patterns that come from documents fill the memory. Two generations, as in `cache`.
//!
//! Patterns may come from documents, a different pattern for each value. So a pattern is judged by
//! its syntax before it is compiled or used: `Size` says how many states it has, about, and both
//! the compilation and the search are paid by them. A pattern that is malformed or too large
//! matches nothing, as in Redis.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Instant;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::budget::Budget;
use super::error::EvalError;

/// Bytes that a compiled pattern may take, and its automaton.
const COMPILED_BYTES_MAX: usize = 1 << 20;
const AUTOMATON_BYTES_MAX: usize = 1 << 20;
/// States beyond which a pattern has more bytes than that.
const STATES_MAX: u64 = 1 << 15;
/// Patterns of a generation, and their states.
const KEPT_MAX: usize = 16;
const KEPT_STATES_MAX: u64 = 1 << 16;
/// The cost of reading a pattern's syntax, in visits; of a byte of it, and of compiling a state.
const SYNTAX_VISITS: u64 = 1 << 11;
const BYTE_VISITS: u64 = 8;
const STATE_VISITS: u64 = 128;
/// The bytes of a text that most patterns search in the time of a visit.
const BYTES_FOR_A_VISIT: usize = 4;
/// Steps of the slowest search, of each byte by each state that may be active, in that time.
const STEPS_FOR_A_VISIT: u64 = 4;
/// Searches of no more visits are not measured; the time of a visit.
const UNMEASURED: u64 = 1 << 12;
const VISIT_NANOS: u128 = 15;

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
    budget.spend(1 + (text.len() / BYTES_FOR_A_VISIT) as u64)?;
    PATTERNS.with_borrow_mut(|patterns| {
        let Some((regex, size)) = patterns[extent as usize].get(pattern, extent, budget)? else {
            return Ok(false);
        };
        // Few searches are that slow, but no search ends before its end.
        let slowest = size.active.saturating_mul(text.len() as u64) / STEPS_FOR_A_VISIT;
        if slowest > budget.all() {
            return budget.end().map(|()| false);
        }
        if slowest <= UNMEASURED {
            return Ok(regex.is_match(text));
        }
        let began = Instant::now();
        let is_match = regex.is_match(text);
        budget.spend((began.elapsed().as_nanos() / VISIT_NANOS) as u64)?;
        Ok(is_match)
    })
}

/// How large a pattern is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// States of the pattern's automaton, about.
    states: u64,
    /// States that may be active at once, about.
    active: u64,
}

impl Size {
    fn of(hir: &Hir) -> Size {
        // Ends of classes' ranges share their states.
        const CLASS_STATES: u64 = 4;
        let each = |states, active| Size { states, active };
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => each(1, 1),
            HirKind::Literal(literal) => each(literal.0.len() as u64, literal.0.len() as u64),
            HirKind::Class(Class::Unicode(class)) => {
                each(CLASS_STATES + class.ranges().len() as u64, CLASS_STATES)
            }
            HirKind::Class(Class::Bytes(class)) => each(class.ranges().len() as u64, 1),
            HirKind::Capture(capture) => Size::of(&capture.sub).and(each(2, 2)),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                let sizes = parts.iter().map(Size::of);
                sizes.fold(each(1, 1), Size::and)
            }
            HirKind::Repetition(repetition) => {
                let times = repetition.max.unwrap_or(repetition.min.saturating_add(1));
                let times = u64::from(times.max(1));
                let one = Size::of(&repetition.sub).and(each(1, 1));
                each(
                    one.states.saturating_mul(times),
                    one.active.saturating_mul(times),
                )
            }
        }
    }

    fn and(self, other: Size) -> Size {
        Size {
            states: self.states.saturating_add(other.states),
            active: self.active.saturating_add(other.active),
        }
    }
}

/// A pattern; `None`: it is malformed or too large.
type CompiledPattern = Option<(Regex, Size)>;

/// Compiled patterns of an extent.
#[derive(Default)]
struct Patterns {
    young: HashMap<Box<str>, CompiledPattern>,
    young_states: u64,
    old: HashMap<Box<str>, CompiledPattern>,
}

impl Patterns {
    fn get(
        &mut self,
        pattern: &str,
        extent: Extent,
        budget: &Budget,
    ) -> Result<&CompiledPattern, EvalError> {
        if !self.young.contains_key(pattern) {
            let compiled = match self.old.remove(pattern) {
                Some(compiled) => compiled,
                None => compile(pattern, extent, budget)?,
            };
            let states = compiled.as_ref().map_or(1, |(_, size)| size.states);
            if self.young.len() == KEPT_MAX || self.young_states > KEPT_STATES_MAX {
                self.old = std::mem::take(&mut self.young);
                self.young_states = 0;
            }
            self.young_states += states;
            self.young.insert(pattern.into(), compiled);
        }
        Ok(&self.young[pattern])
    }
}

fn compile(pattern: &str, extent: Extent, budget: &Budget) -> Result<CompiledPattern, EvalError> {
    budget.spend(SYNTAX_VISITS + BYTE_VISITS * pattern.len() as u64)?;
    let anchored = (extent == Extent::Whole).then(|| format!("^(?:{pattern})$"));
    let pattern = anchored.as_deref().unwrap_or(pattern);
    let Ok(hir) = regex_syntax::parse(pattern) else {
        return Ok(None);
    };
    let size = Size::of(&hir);
    if size.states > STATES_MAX {
        return Ok(None);
    }
    budget.spend(STATE_VISITS * size.states)?;
    let regex = RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(AUTOMATON_BYTES_MAX)
        .build();
    Ok(regex.ok().map(|regex| (regex, size)))
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
        let budget = Budget::new(2 * SYNTAX_VISITS);
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

    /// Each of these took milliseconds to compile for the price of a small pattern.
    #[test]
    fn a_pattern_is_paid_by_its_size() {
        let spent = |pattern: &str| {
            let budget = Budget::new(u64::MAX);
            let _ = is_match(pattern, "", Extent::Part, &budget);
            (0..64)
                .take_while(|bits| Budget::new(1 << bits).all() < budget.spent())
                .count()
        };
        let small = spent("^a-small-pattern$");
        for large in [
            "\\w{10}x",
            "(?:[a-f]{30}){30}y",
            "(?i:\\pL{10})z",
            ".{1000}",
        ] {
            assert!(spent(large) > small + 4, "{large}");
        }
        // A pattern that is too large is not compiled.
        assert!(spent("(?:\\w{1000}){1000}") <= small + 1);
    }

    #[test]
    fn a_search_that_may_be_too_slow_is_not_begun() {
        let text = "a".repeat(100_000);
        let budget = Budget::brief();
        assert!(is_match("(?:a?){500}b", &text, Extent::Part, &budget).is_err());
        assert!(budget.is_spent());
        let short = &text[..10_000];
        assert_eq!(
            is_match("aab", short, Extent::Part, &Budget::brief()),
            Ok(false)
        );
    }
}
