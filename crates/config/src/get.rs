//! CONFIG GET: names and patterns in, names and values out.

use super::directive::{Flags, is_pattern};
use super::table::{Config, DIRECTIVES, find};
use russet_base::glob;
use std::collections::HashSet;

impl Config {
    /// The mode of the process, as INFO and HELLO name it.
    pub fn mode(&self) -> &'static str {
        match (self.is_sentinel, self.cluster_enabled) {
            (true, _) => "sentinel",
            (false, true) => "cluster",
            (false, false) => "standalone",
        }
    }

    /// The directives that match any of `patterns`, as (name, value) without repetition.
    ///
    /// A text without `*`, `?` and `[` is a name: it matches in any case, is echoed as given, and
    /// may be hidden. A pattern matches names and aliases, but nothing hidden.
    /// Settings of modules that have no effect here are shown as the file has them, if it has them.
    /// Order: that of the patterns, then of the table. O(patterns x directives).
    pub fn get<'p>(&'p self, patterns: &[&'p [u8]]) -> Vec<(&'p [u8], Vec<u8>)> {
        let mut found = Vec::new();
        // A single pattern matches each name once.
        let mut known = (patterns.len() > 1).then(HashSet::new);
        let mut add = |name: &'p [u8], text: &dyn Fn() -> Vec<u8>| {
            let is_new = known
                .as_mut()
                .is_none_or(|known| known.insert(name.to_ascii_lowercase()));
            if is_new {
                found.push((name, text()));
            }
        };
        for pattern in patterns {
            if !is_pattern(pattern) {
                if let Some(directive) = find(pattern) {
                    add(pattern, &|| self.shown(directive));
                } else if let Some(value) = self.unused.get(&pattern.to_ascii_lowercase()) {
                    add(pattern, &|| value.to_vec());
                }
                continue;
            }
            for (name, value) in &self.unused {
                if glob::matches(pattern, name, true) {
                    add(name, &|| value.to_vec());
                }
            }
            for directive in DIRECTIVES
                .iter()
                .filter(|d| !d.flags.contains(Flags::HIDDEN))
            {
                for name in directive.names() {
                    if glob::matches(pattern, name.as_bytes(), true) {
                        add(name.as_bytes(), &|| self.shown(directive));
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|p| p.as_bytes()).collect();
        let config = Config::default();
        let found = config.get(&patterns).into_iter();
        found
            .map(|(name, _)| String::from_utf8(name.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_name_is_answered_as_it_was_asked_and_once() {
        assert_eq!(names(&["MAXmemory", "maxmemory"]), ["MAXmemory"]);
        assert_eq!(names(&["nothing"]), Vec::<String>::new());
    }

    #[test]
    fn both_names_of_a_directive_match_a_pattern() {
        assert_eq!(
            names(&["Hash-MAX-*list*", "Hash-MAX-*zip*"]),
            [
                "hash-max-listpack-entries",
                "hash-max-ziplist-entries",
                "hash-max-listpack-value",
                "hash-max-ziplist-value"
            ]
        );
        assert_eq!(names(&["slaveo[f]", "slaveof"]), ["slaveof"]);
    }

    #[test]
    fn a_hidden_directive_answers_to_its_exact_name_only() {
        assert_eq!(
            names(&["key-load-*", "*"])
                .iter()
                .filter(|n| *n == "key-load-delay")
                .count(),
            0
        );
        assert_eq!(names(&["key-load-delay"]), ["key-load-delay"]);
    }
}
