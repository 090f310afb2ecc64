//! Patterns of keys and channels, which know what they are: a plain name, a plain beginning, or
//! a glob that has to be tried.

use crate::base::glob;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Literal,
    /// Its first bytes, so many, and then anything.
    Prefix(usize),
    Glob,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<[u8]>,
    form: Form,
}

impl Pattern {
    pub fn new(text: &[u8]) -> Pattern {
        let stem = text.strip_suffix(b"*");
        let form = match stem {
            _ if glob::is_literal(text) => Form::Literal,
            Some(stem) if glob::is_literal(stem) => Form::Prefix(stem.len()),
            _ => Form::Glob,
        };
        Pattern {
            text: text.into(),
            form,
        }
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it matches, as `base::glob` has it: an empty name matches the empty pattern only.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self.form {
            Form::Prefix(len) => !name.is_empty() && name.starts_with(&self.text[..len]),
            Form::Literal => *self.text == *name,
            Form::Glob => glob::matches(&self.text, name, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn forms_match_as_globs_do(pattern in "[ab*?\\[\\]\\\\-]{0,5}", name in "[ab*?]{0,5}") {
            let wanted = glob::matches(pattern.as_bytes(), name.as_bytes(), false);
            prop_assert_eq!(Pattern::new(pattern.as_bytes()).matches(name.as_bytes()), wanted);
        }
    }
}
