//! The predicates of ARGREP, ready to be tested.

use memchr::memmem::Finder;

use super::deadline::Deadline;
use super::pattern::Regex;
use russet_base::glob::Glob;
use russet_command::CommandError;

/// Bytes that are compared or searched in a step.
const BYTES_PER_STEP: usize = 16;

/// A predicate as given.
#[derive(Clone, Copy)]
pub(super) enum PredicateArg<'a> {
    Exact(&'a [u8]),
    Contains(&'a [u8]),
    Glob(&'a [u8]),
    Regex(&'a [u8]),
}

enum Predicate {
    Exact(Box<[u8]>, bool),
    Contains(Box<Finder<'static>>),
    /// ASCII letters of either case: both sides are in lower case.
    ContainsNocase(Box<Finder<'static>>, Vec<u8>),
    Glob(Glob<'static>),
    Regex(Box<Regex>),
}

impl PredicateArg<'_> {
    /// `regexes`: how many of the command's predicates are expressions.
    fn compile(&self, nocase: bool, regexes: usize) -> Result<Predicate, CommandError> {
        Ok(match *self {
            PredicateArg::Exact(text) => Predicate::Exact(text.into(), nocase),
            PredicateArg::Contains(text) if nocase => {
                let finder = Finder::new(&text.to_ascii_lowercase()).into_owned();
                Predicate::ContainsNocase(Box::new(finder), Vec::new())
            }
            PredicateArg::Contains(text) => {
                Predicate::Contains(Box::new(Finder::new(text).into_owned()))
            }
            PredicateArg::Glob(pattern) => {
                Predicate::Glob(Glob::new(pattern, nocase)?.into_owned())
            }
            PredicateArg::Regex(pattern) => {
                Predicate::Regex(Box::new(Regex::new(pattern, nocase, regexes)?))
            }
        })
    }
}

impl Predicate {
    /// Whether a text fits. `None`: the time is over, and the next call must be for the same text.
    #[inline]
    fn fits(&mut self, text: &[u8], deadline: &mut Deadline) -> Option<bool> {
        if let Predicate::Regex(regex) = self {
            return regex.fits(text, deadline);
        }
        deadline.spend(1 + text.len() / BYTES_PER_STEP);
        Some(match self {
            Predicate::Exact(wanted, false) => text == &**wanted,
            Predicate::Exact(wanted, true) => text.eq_ignore_ascii_case(wanted),
            Predicate::Contains(finder) => finder.find(text).is_some(),
            Predicate::ContainsNocase(finder, small) => {
                small.clear();
                small.extend(text.iter().map(u8::to_ascii_lowercase));
                finder.find(small).is_some()
            }
            Predicate::Glob(glob) => glob.matches(text),
            Predicate::Regex(_) => unreachable!("it is above"),
        })
    }
}

/// All predicates of a command.
pub(super) struct Predicates {
    list: Vec<Predicate>,
    /// All predicates must fit, not any.
    all: bool,
    /// The predicate that the text under way has reached.
    at: usize,
}

impl Predicates {
    /// # Errors
    ///
    /// The error of the first predicate that cannot be compiled.
    pub fn compile(
        given: &[PredicateArg<'_>],
        nocase: bool,
        all: bool,
    ) -> Result<Predicates, CommandError> {
        let is_regex = |given: &&PredicateArg<'_>| matches!(given, PredicateArg::Regex(_));
        let regexes = given.iter().filter(is_regex).count();
        let list = given.iter().map(|given| given.compile(nocase, regexes));
        Ok(Predicates {
            list: list.collect::<Result<_, _>>()?,
            all,
            at: 0,
        })
    }

    /// The text that a value must equal, if there is no other predicate.
    pub fn exact(&self) -> Option<&[u8]> {
        match &self.list[..] {
            [Predicate::Exact(wanted, false)] => Some(wanted),
            _ => None,
        }
    }

    /// Whether a text fits. `None`: the time is over, and the next call must be for the same text.
    #[inline]
    pub fn fits(&mut self, text: &[u8], deadline: &mut Deadline) -> Option<bool> {
        while let Some(predicate) = self.list.get_mut(self.at) {
            let fits = predicate.fits(text, deadline)?;
            if fits != self.all {
                self.at = 0;
                return Some(fits);
            }
            self.at += 1;
            if deadline.is_over() && self.at < self.list.len() {
                return None;
            }
        }
        self.at = 0;
        Some(self.all)
    }
}
