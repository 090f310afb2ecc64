//! Types are named by nouns, and comments repeat a noun instead of a pronoun.
//!
//! A reader has to look up a type that is named by a participle alone (`Held`, `Pending`) or by a
//! preposition (`Beside`), because only its author knows the noun.

use super::{CRATES, has_word, hold, sources};

/// Words that end in -ed or -ing and are nouns of the field.
const NOUNS: &[&str] = &[
    "Binding", "Bound", "Embed", "Encoding", "Finding", "Greeting", "Hamming", "Heading",
    "Listing", "Mapping", "Meaning", "Ping", "Scaling", "Setting", "Spelling", "String", "Testbed",
    "Timing", "Warning",
];

/// Participles with other endings, prepositions and adverbs.
const OTHERS: &[&str] = &[
    "After", "Ahead", "Apart", "Around", "Aside", "Became", "Before", "Begun", "Beside", "Built",
    "By", "Came", "Chosen", "Done", "Fed", "Found", "Given", "Gone", "Grown", "Held", "How", "Is",
    "Kept", "Known", "Late", "Left", "Lost", "Made", "Met", "Of", "Rest", "Said", "Seen", "Sent",
    "Shown", "Sought", "Spent", "Stuck", "Taken", "Then", "Thrown", "Told", "Torn", "Under",
    "What", "When", "Where", "Who", "Why", "Within", "Without", "Written",
];

/// The name of the type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1,
        Some(rest) => rest,
        None => line,
    };
    let (keyword, name) = line.trim_start().split_once(' ')?;
    if !["struct", "enum", "trait", "type", "union"].contains(&keyword) {
        return None;
    }
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    Some(&name[..end.unwrap_or(name.len())])
}

/// Whether a name is no noun: a participle, an adverb or a preposition alone.
fn is_no_noun(name: &str) -> bool {
    let mut letters = name.chars();
    let is_one_word =
        letters.next().is_some_and(char::is_uppercase) && letters.all(|c| c.is_ascii_lowercase());
    let is_participle = name.len() > 4 && (name.ends_with("ed") || name.ends_with("ing"));
    is_one_word && (OTHERS.contains(&name) || is_participle && !NOUNS.contains(&name))
}

#[test]
fn types_are_named_by_nouns() {
    let mut places = Vec::new();
    for source in sources(&["src", "crates", "tests"]) {
        for (at, line) in (1..).zip(source.text.lines()) {
            if let Some(name) = declared(line).filter(|name| is_no_noun(name)) {
                places.push(format!("{}: {name}", source.at(at)));
            }
        }
    }
    hold("types are named by nouns", 5, &places);
}

#[test]
fn a_participle_alone_is_no_noun() {
    for (line, name) in [
        ("pub(crate) struct Held {", "Held"),
        ("    pub enum Pending<'a> {", "Pending"),
        ("type Loading = ();", "Loading"),
        ("struct Beside;", "Beside"),
    ] {
        assert_eq!(declared(line), Some(name));
        assert!(is_no_noun(name), "{name}");
    }
    for line in [
        "struct String;",
        "pub struct LoadingFile {",
        "enum Bed {",
        "trait Mapping {",
    ] {
        assert!(!declared(line).is_some_and(is_no_noun), "{line}");
    }
    assert_eq!(declared("let kind = 1;"), None);
}

/// *One* in 10,000 words of comment: the number counts, too, because few sentences need the word.
#[test]
fn comments_repeat_the_noun() {
    const PER_10_000: usize = 25;
    let (mut words, mut places) = (0, Vec::new());
    for source in sources(CRATES) {
        for (at, line) in source.comments() {
            words += line.split_whitespace().count() - 1;
            if has_word(line, "one") || has_word(line, "ones") {
                places.push(format!("{}: {}", source.at(at), line.trim()));
            }
        }
    }
    hold(
        "a noun instead of one",
        words * PER_10_000 / 10_000,
        &places,
    );
}
