//! Tests that `redis.conf.example` and `docs/compatibility.md` agree with the table.

use std::collections::BTreeSet;
use std::path::Path;

use super::directive::{Directive, Flags, Support};
use super::table::{Config, DIRECTIVES, find};
use super::{Sources, load};

/// The root of the repository.
fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("crates/config is below it")
}

fn read(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(path).expect("the document is there")
}

#[test]
fn the_example_loads_as_the_defaults() {
    let text = read("redis.conf.example");
    let sources = Sources {
        stdin: Some(text.into_bytes()),
        ..Sources::default()
    };
    let mut config = load(&sources).unwrap();
    config.dir = Config::default().dir;
    for directive in DIRECTIVES {
        let value = directive.text(&config);
        assert_eq!(
            value,
            directive.text(&Config::default()),
            "{}",
            directive.name
        );
    }
}

#[test]
fn the_example_shows_every_directive_that_is_not_hidden() {
    let text = read("redis.conf.example");
    let shown: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_whitespace().next())
        .filter_map(|word| Some(find(word.as_bytes())?.name))
        .collect();
    for directive in DIRECTIVES {
        let is_hidden = directive.flags.contains(Flags::HIDDEN);
        assert_eq!(
            shown.contains(directive.name),
            !is_hidden,
            "{}",
            directive.name
        );
    }
}

#[test]
fn compatibility_lists_exactly_the_directives_without_effect() {
    let text = read("docs/compatibility.md");
    let (_, text) = text
        .split_once("## Directives without effect")
        .expect("a section");
    let (text, _) = text.split_once("\n## ").expect("another section");
    let row = |heading: &str| {
        let start = format!("| {heading} |");
        let line = text.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no row for {heading}"));
        let names = line[start.len()..].split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let of = |support: Support| {
        let same = DIRECTIVES
            .iter()
            .filter(move |d: &&Directive| d.support == support);
        same.map(|d| d.name.to_owned())
            .collect::<BTreeSet<String>>()
    };
    let mut listed = 0;
    for support in DIRECTIVES.iter().map(|d| d.support).collect::<Vec<_>>() {
        match support {
            Support::Works => {}
            Support::NotNeeded => {
                assert_eq!(row("nothing: russet has no use for it"), of(support));
                listed += 1;
            }
        }
    }
    let backticked = text.lines().filter(|line| line.starts_with("| "));
    let in_table: usize = backticked.map(|line| line.matches('`').count() / 2).sum();
    assert_eq!(
        in_table, listed,
        "a directive that works is listed as without effect"
    );
}

/// Regression: a directive was listed as working though nothing read it.
#[test]
fn what_is_said_to_work_is_read_by_something() {
    // The reader itself makes it the number of databases, or reads the files.
    const READ_BY_CONFIG: [&str; 3] = ["cluster-databases", "masterauth-file", "requirepass-file"];
    let mut sources = String::new();
    let mut folders = vec![root().join("src"), root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && path.file_name() != Some("config".as_ref()) {
                folders.push(path);
            } else if path.extension() == Some("rs".as_ref()) {
                sources += &std::fs::read_to_string(path).expect("a source file");
            }
        }
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = sources.split(|c| !is_word(c)).collect();
    let working = DIRECTIVES.iter().filter(|d| d.support == Support::Works);
    for directive in working.filter(|d| !READ_BY_CONFIG.contains(&d.name)) {
        let field = directive.name.replace('-', "_");
        assert!(words.contains(field.as_str()), "{}", directive.name);
    }
}
