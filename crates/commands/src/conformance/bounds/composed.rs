//! Small commands that syntax alone does not lead to: several options that are dear together.
//! `composed.txt` has most of them, this file has the commands that consist of many equal words.

use super::lines::{BYTES_MAX, Line};
use super::values::render;
use super::worlds::World;

/// All of them, each with the world that it is dear in.
pub fn composed() -> Vec<(World, Line)> {
    let (mut all, mut world) = (Vec::new(), World::Hashes);
    for line in include_str!("composed.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("world ") {
            world = World::named(name).unwrap_or_else(|| panic!("{line}"));
            continue;
        }
        let (about, words) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
        all.push((world, line_of(about, &words_of(words))));
    }
    all.push((World::Hashes, lists(20)));
    all.push((World::Hashes, doubled(18)));
    all
}

/// The words of a line; words with blanks stand between single quotes.
fn words_of(line: &'static str) -> Vec<&'static str> {
    let (mut words, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

fn line_of(about: &str, words: &[&'static str]) -> Line {
    let fixed: usize = words.iter().map(|word| word.len() + 1).sum();
    let room = BYTES_MAX.saturating_sub(fixed);
    Line {
        row: words[0],
        about: about.to_owned(),
        words: words.iter().map(|word| render(word, 0, room)).collect(),
    }
}

/// GROUPBY by so many lists of ten.
fn lists(n: usize) -> Line {
    let mut words: Vec<String> = ["FT.AGGREGATE", "i", "*", "LOAD", "1", "@g"]
        .map(String::from)
        .to_vec();
    for i in 0..n {
        let apply = ["APPLY", "split(@g)", "AS"].map(String::from);
        words.extend(apply);
        words.push(format!("x{i}"));
    }
    words.extend(["GROUPBY".to_owned(), n.to_string()]);
    words.extend((0..n).map(|i| format!("@x{i}")));
    Line {
        row: "FT.AGGREGATE",
        about: "groups by lists".to_owned(),
        words: words.into_iter().map(String::into_bytes).collect(),
    }
}

/// A text that is twice as long after each of so many stages.
fn doubled(n: usize) -> Line {
    let mut words = vec!["FT.AGGREGATE", "i", "*", "LOAD", "1", "@t"];
    for _ in 0..n {
        words.extend(["APPLY", "format(\"%s%s\",@t,@t)", "AS", "t"]);
    }
    words.extend(["LIMIT", "0", "1"]);
    line_of("texts that double", &words)
}
