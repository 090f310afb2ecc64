//! Public names without a use. The compiler assumes that other crates use a `pub` name, so a name
//! that lost its last use would stay.
//!
//! The test counts the identifiers of all code in a single pass. Imports, comments and the heads of
//! `impl` blocks are no uses.

use std::collections::BTreeMap;

use crate::{Source, hold, sources};

/// The crates whose public names are for the program alone.
const LARGE: [&str; 4] = ["server", "commands", "pubsub", "console"];

/// A trait that is imported without its name.
const ALLOWED: [&str; 1] = ["AllCommands"];

/// An item that is public, and its name.
fn defined(line: &str) -> Option<&str> {
    let mut words = line.trim_start().strip_prefix("pub ")?.split(' ');
    let word = loop {
        match words.next()? {
            "const" | "static" => match words.next()? {
                "fn" => break words.next()?,
                word => break word,
            },
            "fn" | "struct" | "enum" | "trait" | "type" => break words.next()?,
            "async" | "unsafe" => {}
            _ => return None,
        }
    };
    word.split(|c: char| !is_part(c)).next()
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The lines that use names: no comments, no imports, no heads of `impl` blocks.
fn lines_of_uses(text: &str) -> impl Iterator<Item = &str> {
    let mut is_import = false;
    text.lines().filter(move |line| {
        let line = line.trim_start();
        let plain = line.strip_prefix("pub").unwrap_or(line);
        let plain = plain.strip_prefix("(crate)").unwrap_or(plain).trim_start();
        let begins = plain.starts_with("use ");
        let skipped = is_import || begins;
        if skipped {
            is_import = !line.contains(';');
        }
        !skipped && !line.starts_with("//") && !line.starts_with("impl")
    })
}

/// Counts the occurrences of each name.
fn count<'a>(text: &'a str, counts: &mut BTreeMap<&'a str, usize>) {
    for line in lines_of_uses(text) {
        for word in line.split(|c: char| !is_part(c)) {
            *counts.entry(word).or_default() += 1;
        }
    }
}

/// The code, and its own tests, which are last in a file.
fn parts(source: &Source) -> (&str, &str) {
    let text = source.text.as_str();
    let at = text.find("#[cfg(test)]\nmod tests {");
    text.split_at(at.unwrap_or(text.len()))
}

#[test]
fn every_public_name_of_the_large_crates_is_used() {
    let all = sources(&["src", "crates", "tests", "benches", "fuzz/fuzz_targets"]);
    let is_large = |source: &&Source| {
        let is_of = |name| source.path.starts_with(format!("crates/{name}/src"));
        LARGE.iter().any(is_of)
    };
    let (mut uses, mut definitions) = (BTreeMap::new(), BTreeMap::<&str, usize>::new());
    for source in &all {
        count(&source.text, &mut uses);
        for name in parts(source).0.lines().filter_map(defined) {
            *definitions.entry(name).or_default() += 1;
        }
    }
    let mut places = Vec::new();
    for source in all.iter().filter(is_large) {
        let (code, tests) = parts(source);
        let mut own = BTreeMap::new();
        count(tests, &mut own);
        let mut before = "";
        for (line, at) in code.lines().zip(1..) {
            let is_of_tests = before.trim_start() == "#[cfg(test)]";
            before = line;
            let Some(name) = defined(line) else { continue };
            if is_of_tests || ALLOWED.contains(&name) {
                continue;
            }
            let of_tests = own.get(name).copied().unwrap_or(0);
            if uses[name] <= definitions[name] + of_tests {
                places.push(format!("{}: {name}", source.at(at)));
            }
        }
    }
    hold("a public name is used", 0, &places);
}

#[test]
fn items_and_uses_are_seen() {
    for (line, name) in [
        ("    pub fn new() -> X {", Some("new")),
        ("pub const fn size<T>() {", Some("size")),
        ("pub const SIZE: usize = 1;", Some("SIZE")),
        ("pub struct Pair<T>(T);", Some("Pair")),
        ("pub unsafe fn raw() {}", Some("raw")),
        ("pub mod x;", None),
        ("pub(crate) fn own() {}", None),
        ("    pub field: u8,", None),
    ] {
        assert_eq!(defined(line), name, "{line}");
    }
    let mut counts = BTreeMap::new();
    let text = "use a::{\n    b,\n};\npub use c;\nimpl D {\n// e\nlet f = g();\n";
    count(text, &mut counts);
    let seen: Vec<&str> = counts.into_keys().filter(|name| !name.is_empty()).collect();
    assert_eq!(seen, ["f", "g", "let"]);
}
