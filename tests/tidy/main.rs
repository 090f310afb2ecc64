//! Tidiness that neither rustfmt nor clippy holds: words with one meaning, types named by nouns,
//! comments of 100 columns, folders that open with their purpose and hold few enough entries to
//! look through, functions of a screen or two, layers, small circles of files, no file outside the
//! tree, public names that are used, and the graph of crates as the picture of the architecture has
//! it.
//!
//! Each rule has a ceiling: the number of places that break it today. A change may lower a ceiling,
//! never raise it. No place breaks a rule whose ceiling is 0. CONTRIBUTING.md has the words.
//!
//! Reads the repository only; takes a second.

mod circles;
mod functions;
mod graph;
mod layers;
mod names;
mod nouns;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file with more lines than this needs an opening of several lines.
const OPENING_FROM: usize = 150;
/// Columns of a comment.
const COLUMNS: usize = 100;
/// Entries of a folder.
const ENTRIES_MAX: usize = 20;

/// Where the modules of all crates lie.
const CRATES: &[&str] = &["src", "crates", "tests/fuzzing"];

/// A Rust file of the repository.
struct Source {
    /// From the repository's root.
    path: PathBuf,
    text: String,
}

impl Source {
    fn comments(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines.filter(|(_, line)| line.trim_start().starts_with("//"))
    }

    /// The lines of the opening (`//!`).
    fn opening(&self) -> usize {
        let lines = self.text.lines();
        lines.take_while(|line| line.starts_with("//!")).count()
    }

    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The Rust files of these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        find(&root().join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).expect("UTF-8"),
        path: path
            .strip_prefix(root())
            .expect("below the root")
            .to_path_buf(),
    };
    let sources: Vec<_> = paths.into_iter().map(read).collect();
    assert!(sources.len() > 100, "{folders:?}");
    sources
}

/// Fails if more places break a rule than its ceiling allows; names some of them.
#[track_caller]
fn hold(rule: &str, ceiling: usize, places: &[String]) {
    let first = places[..places.len().min(40)].join("\n");
    assert!(
        places.len() <= ceiling,
        "{rule}: {} places, the ceiling is {ceiling}\n{first}",
        places.len()
    );
}

/// Whether a line has a word as a whole, in any case of letters.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let lower = line.to_lowercase();
    lower.match_indices(word).any(|(at, _)| {
        !lower[..at].ends_with(is_part) && !lower[at + word.len()..].starts_with(is_part)
    })
}

/// Words of comments with the words in their place, and how many lines still have them.
const WORDS: &[(&[&str], &str, usize)] = &[
    (
        &["told", "tell", "tells", "untold"],
        "log, notify, report, announce: each for what it is",
        0,
    ),
    (&["hear", "hears", "heard"], "receive, learn", 0),
    (&["nobody"], "no client, no reader, no listener", 0),
    (&["behind"], "after, if order is meant", 0),
];

#[test]
fn words_of_comments_have_one_meaning() {
    let sources = sources(CRATES);
    for (words, instead, ceiling) in WORDS {
        let mut places = Vec::new();
        for source in &sources {
            let lines = source.comments();
            let lines = lines.filter(|(_, line)| words.iter().any(|word| has_word(line, word)));
            places.extend(lines.map(|(at, line)| format!("{}: {}", source.at(at), line.trim())));
        }
        hold(&format!("{words:?} -> {instead}"), *ceiling, &places);
    }
}

/// A sentence that opens with What, Who or Those has to be read twice: subject and verb come first.
#[test]
fn no_sentence_opens_with_what_who_or_those() {
    let mut places = Vec::new();
    for source in sources(CRATES) {
        for (at, line) in source.comments() {
            let text = line
                .trim_start()
                .trim_start_matches(['/', '!'])
                .trim_start();
            if ["What ", "Who ", "Those "]
                .iter()
                .any(|word| text.starts_with(word))
            {
                places.push(format!("{}: {text}", source.at(at)));
            }
        }
    }
    hold("a sentence opens with its subject", 0, &places);
}

#[test]
fn comments_keep_to_100_columns() {
    let mut places = Vec::new();
    for source in sources(&["src", "crates", "tests", "benches", "fuzz/fuzz_targets"]) {
        for (at, line) in source.comments() {
            if line.chars().count() > COLUMNS {
                places.push(source.at(at));
            }
        }
    }
    hold("comments keep to 100 columns", 0, &places);
}

/// A function that continues work is called `continue_work`: `work_on` reads as a switch.
#[test]
fn names_of_functions_say_what_they_do() {
    const BANNED: &[(&str, &str)] = &[
        ("tell_", "log_, notify_, report_, announce_, record_"),
        ("hear_", "receive_"),
        ("state_", "record_"),
        ("go_on_", "continue_"),
    ];
    /// Words of Redis, and switches.
    const ALLOWED: &[&str] = &["is_on", "switch_on", "switch_aof_on", "state_name"];
    let mut places = Vec::new();
    for source in sources(CRATES) {
        let mut before = "";
        for (at, line) in (1..).zip(source.text.lines()) {
            let is_test = before.trim_start().starts_with("#[test]");
            before = line;
            let Some((_, name)) = line.split_once("fn ") else {
                continue;
            };
            let name = name
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            let name = name.unwrap_or_default();
            if is_test || line.trim_start().starts_with("//") || ALLOWED.contains(&name) {
                continue;
            }
            if let Some((_, instead)) = BANNED.iter().find(|(start, _)| name.starts_with(start)) {
                places.push(format!("{}: {name} -> {instead}", source.at(at)));
            } else if name.ends_with("_on") && name.matches('_').count() < 3 {
                places.push(format!("{}: {name} -> continue_", source.at(at)));
            }
        }
    }
    hold("names of functions", 0, &places);
}

#[test]
fn folders_and_long_files_open_with_more_than_a_line() {
    let mut places = Vec::new();
    for source in sources(CRATES) {
        let is_door = source.path.ends_with("mod.rs");
        let is_long = source.text.lines().count() > OPENING_FROM;
        if (is_door || is_long) && source.opening() < 2 {
            places.push(source.path.display().to_string());
        }
    }
    hold("purpose, invariants, cost", 0, &places);
}

#[test]
fn folders_hold_what_one_looks_through() {
    let mut counts = std::collections::BTreeMap::<PathBuf, BTreeSet<PathBuf>>::new();
    for source in sources(CRATES) {
        let mut path = source.path.as_path();
        while let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            // `graph` draws and describes each crate.
            if parent == Path::new("crates") {
                break;
            }
            let entries = counts.entry(parent.to_path_buf()).or_default();
            entries.insert(path.with_extension(""));
            path = parent;
        }
    }
    let full = counts
        .iter()
        .filter(|(_, entries)| entries.len() > ENTRIES_MAX);
    let full: Vec<_> = full
        .map(|(folder, entries)| format!("{}: {}", folder.display(), entries.len()))
        .collect();
    hold("about twenty entries a folder", 7, &full);
}

/// A file that no `mod` line names is never built.
#[test]
fn every_file_is_part_of_the_tree() {
    let sources = sources(&["src", "crates", "tests", "benches"]);
    let mut named = BTreeSet::new();
    for source in &sources {
        let folder = match source.path.file_name().and_then(|name| name.to_str()) {
            Some("mod.rs" | "lib.rs" | "main.rs") => {
                source.path.parent().expect("a folder").to_path_buf()
            }
            _ => source.path.with_extension(""),
        };
        let mut path_attribute = None;
        for line in source.text.lines().map(str::trim) {
            if let Some(path) = line.strip_prefix("#[path = \"") {
                path_attribute = path.split('"').next();
                continue;
            }
            let declared = line
                .split_once("mod ")
                .filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
            let Some(name) = declared.and_then(|(_, rest)| rest.strip_suffix(';')) else {
                continue;
            };
            if let Some(path) = path_attribute.take() {
                let from = source.path.parent().expect("a folder").join(path);
                named.insert(normal(&from));
            }
            named.insert(folder.join(name).with_extension("rs"));
            named.insert(folder.join(name).join("mod.rs"));
            // A module inside the file may hold the declaration.
            named.insert(folder.join("tests").join(name).with_extension("rs"));
            named.insert(folder.join("testing").join(name).with_extension("rs"));
        }
    }
    let is_root = |path: &Path| {
        let depth = path.components().count();
        path.ends_with("main.rs")
            || path.ends_with("lib.rs")
            || path.ends_with("build.rs")
            || (path.starts_with("benches") && depth == 2)
    };
    let dead = sources.iter().map(|source| &source.path);
    let dead = dead.filter(|path| !is_root(path) && !named.contains(*path));
    let dead: Vec<_> = dead.map(|path| path.display().to_string()).collect();
    hold("each file is declared by a `mod` line", 0, &dead);
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}
