//! A pattern that is matched against many texts. Nearly all patterns are plain text with a star at
//! either end or both; these are compared as prefix, suffix or part of the text.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::{TooComplex, check, is_literal, matches};

/// See the module.
#[derive(Debug)]
pub struct Glob<'a>(GlobKind<'a>);

#[derive(Debug)]
enum GlobKind<'a> {
    /// Any text but the empty text.
    Any,
    Literal(Cow<'a, [u8]>),
    Prefix(Cow<'a, [u8]>),
    Suffix(Cow<'a, [u8]>),
    Contains(Box<Finder<'a>>),
    Other {
        pattern: Cow<'a, [u8]>,
        nocase: bool,
    },
}

impl<'a> Glob<'a> {
    /// Refuses what [`check`] refuses. `nocase` folds ASCII letters.
    pub fn new(pattern: &'a [u8], nocase: bool) -> Result<Glob<'a>, TooComplex> {
        check(pattern)?;
        let (before, rest) = match pattern.strip_prefix(b"*") {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let (behind, stem) = match rest.strip_suffix(b"*") {
            Some(stem) => (true, stem),
            None => (false, rest),
        };
        Ok(Glob(match (before, behind) {
            _ if nocase || !is_literal(stem) => GlobKind::Other {
                pattern: pattern.into(),
                nocase,
            },
            (false, false) => GlobKind::Literal(stem.into()),
            _ if stem.is_empty() => GlobKind::Any,
            (false, true) => GlobKind::Prefix(stem.into()),
            (true, false) => GlobKind::Suffix(stem.into()),
            (true, true) => GlobKind::Contains(Box::new(Finder::new(stem))),
        }))
    }

    /// The same pattern, which borrows nothing.
    pub fn into_owned(self) -> Glob<'static> {
        let owned = |text: Cow<'_, [u8]>| Cow::Owned(text.into_owned());
        Glob(match self.0 {
            GlobKind::Any => GlobKind::Any,
            GlobKind::Literal(text) => GlobKind::Literal(owned(text)),
            GlobKind::Prefix(stem) => GlobKind::Prefix(owned(stem)),
            GlobKind::Suffix(stem) => GlobKind::Suffix(owned(stem)),
            GlobKind::Contains(finder) => GlobKind::Contains(Box::new(finder.into_owned())),
            GlobKind::Other { pattern, nocase } => GlobKind::Other {
                pattern: owned(pattern),
                nocase,
            },
        })
    }

    /// As [`matches()`] decides.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.0 {
            GlobKind::Any => !text.is_empty(),
            GlobKind::Literal(wanted) => text == &**wanted,
            GlobKind::Prefix(stem) => text.starts_with(stem),
            GlobKind::Suffix(stem) => text.ends_with(stem),
            GlobKind::Contains(finder) => finder.find(text).is_some(),
            GlobKind::Other { pattern, nocase } => matches(pattern, text, *nocase),
        }
    }

    /// The only text that matches, if only a single text does.
    pub fn literal(&self) -> Option<&[u8]> {
        match &self.0 {
            GlobKind::Literal(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_matches_what_the_pattern_matches(
            pattern in r"[*]{0,2}[abA?\[\\]{0,3}[*]{0,2}", text in "[abA*]{0,6}", nocase in any::<bool>(),
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            let glob = Glob::new(pattern, nocase).expect("it is simple");
            prop_assert_eq!(glob.matches(text), matches(pattern, text, nocase));
            if let Some(literal) = glob.literal() {
                prop_assert_eq!(text == literal, glob.matches(text));
            }
        }
    }
}
