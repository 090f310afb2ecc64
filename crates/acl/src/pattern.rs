//! Compiled patterns of keys and channels: a literal, a literal prefix, or a glob that must be
//! matched.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use russet_base::glob;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatternKind {
    Literal,
    /// The first `len` bytes, then anything. The first eight of them, padded with zeros, are a
    /// word that is compared under a mask.
    Prefix {
        len: usize,
        head: u64,
        mask: u64,
    },
    Glob,
}

impl PatternKind {
    fn prefix(stem: &[u8]) -> PatternKind {
        let (mut head, mut mask) = ([0; 8], [0; 8]);
        for (at, &byte) in stem.iter().take(8).enumerate() {
            (head[at], mask[at]) = (byte, u8::MAX);
        }
        PatternKind::Prefix {
            len: stem.len(),
            head: u64::from_ne_bytes(head),
            mask: u64::from_ne_bytes(mask),
        }
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<[u8]>,
    form: PatternKind,
}

impl Pattern {
    /// Compiles a pattern. O(length).
    pub(crate) fn new(text: &[u8]) -> Pattern {
        let stem = text.strip_suffix(b"*");
        let form = match stem {
            _ if glob::is_literal(text) => PatternKind::Literal,
            Some(stem) if glob::is_literal(stem) => PatternKind::prefix(stem),
            _ => PatternKind::Glob,
        };
        Pattern {
            text: text.into(),
            form,
        }
    }

    /// The pattern as it was given.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it matches every name with a prefix, as far as its form shows it.
    pub fn matches_prefix(&self, prefix: &[u8]) -> bool {
        match self.form {
            PatternKind::Prefix { len, .. } => prefix.starts_with(&self.text[..len]),
            PatternKind::Literal | PatternKind::Glob => false,
        }
    }

    /// Whether it matches, as in `base::glob`: an empty name matches only the empty pattern.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self.form {
            PatternKind::Prefix { len, head, mask } => match name.first_chunk() {
                Some(&first) if len <= 8 => u64::from_ne_bytes(first) & mask == head,
                _ => !name.is_empty() && name.starts_with(&self.text[..len]),
            },
            PatternKind::Literal => *self.text == *name,
            PatternKind::Glob => glob::matches(&self.text, name, false),
        }
    }
}

/// Patterns are looked up by their text, which determines the form.
impl Borrow<[u8]> for Pattern {
    fn borrow(&self) -> &[u8] {
        &self.text
    }
}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn forms_match_as_globs_do(pattern in "[ab]{0,12}[ab*?\\[\\]\\\\-]{0,5}", name in "[ab*?]{0,16}") {
            let wanted = glob::matches(pattern.as_bytes(), name.as_bytes(), false);
            prop_assert_eq!(Pattern::new(pattern.as_bytes()).matches(name.as_bytes()), wanted);
        }
    }
}
