//! The meaning of directives, in the words of `redis.conf.example`, which explains each of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::directive::Directive;
use super::table::find;

const EXAMPLE: &str = include_str!("../../../redis.conf.example");

/// The explanation of a directive in the example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The heading it is under.
    pub section: &'static str,
    /// The comment above it, as a line.
    pub text: String,
}

impl Directive {
    /// The meaning; `None`: it is hidden.
    pub fn meaning(&self) -> Option<&'static Meaning> {
        static ALL: OnceLock<BTreeMap<&'static str, Meaning>> = OnceLock::new();
        ALL.get_or_init(|| meanings(EXAMPLE)).get(self.name)
    }
}

/// The directive that a line sets, or shows in a comment.
fn set_by(line: &str) -> Option<&'static Directive> {
    let word = line.trim_start_matches("# ").split_whitespace().next()?;
    // A sentence may begin with such a word.
    find(word.as_bytes()).filter(|directive| directive.names().any(|name| name == word))
}

/// All comments by the directives below them. O(bytes of the example).
fn meanings(example: &'static str) -> BTreeMap<&'static str, Meaning> {
    let mut all = BTreeMap::new();
    let (mut section, mut comment) = ("", Vec::new());
    // An example stands below an empty comment; other lines of a comment are text.
    let mut may_show = true;
    for line in example.lines() {
        if let Some(heading) = line.strip_prefix("##### ") {
            section = heading.trim_end_matches(['#', ' ']);
        } else if line.is_empty() {
            (comment, may_show) = (Vec::new(), true);
        } else if let Some(directive) = set_by(line).filter(|_| may_show || !line.starts_with('#'))
        {
            let text = comment.join(" ");
            all.entry(directive.name)
                .or_insert(Meaning { section, text });
            may_show = true;
        } else if let Some(text) = line.strip_prefix('#') {
            may_show = text.trim().is_empty();
            comment.extend(Some(text.trim()).filter(|text| !text.is_empty()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directive::Flags;
    use crate::table::DIRECTIVES;

    #[test]
    fn every_directive_that_is_shown_has_a_meaning() {
        for directive in DIRECTIVES {
            if directive.flags.contains(Flags::HIDDEN) {
                continue;
            }
            let meaning = directive
                .meaning()
                .unwrap_or_else(|| panic!("{}", directive.name));
            assert!(!meaning.section.is_empty(), "{}", directive.name);
            assert!(!meaning.text.is_empty(), "{}", directive.name);
        }
        let port = find(b"metrics-password").and_then(|directive| directive.meaning());
        let text = &port.expect("it is shown").text;
        assert!(
            text.starts_with("What /metrics asks for, as HTTP's basic"),
            "{text}"
        );
    }
}
