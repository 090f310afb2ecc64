//! Checks the layers of `lib.rs`: each module uses only modules above it in the list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Beside the server, whose internals it drives; it may use everything.
const ON_TOP: &str = "server/testbed.rs";

/// The modules in the order of `lib.rs`.
fn layers() -> BTreeMap<String, usize> {
    let lib = include_str!("lib.rs").lines();
    let name = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    lib.filter_map(name).zip(0..).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

/// The modules that a line names after `crate::`.
fn used(line: &str) -> impl Iterator<Item = &str> {
    let paths = line.split("crate::").skip(1);
    paths.filter_map(|path| {
        path.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
    })
}

#[test]
fn each_layer_uses_what_stands_above_it() {
    let layers = layers();
    assert!(layers.len() > 9, "{layers:?}");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut paths, mut wrong) = (Vec::new(), Vec::new());
    files(&source, &mut paths);
    for path in &paths {
        let inside = path.strip_prefix(&source).expect("below it");
        let first = inside.iter().next().and_then(|part| part.to_str());
        let first = first.expect("UTF-8").trim_end_matches(".rs");
        let (Some(mine), false) = (layers.get(first), inside == Path::new(ON_TOP)) else {
            continue;
        };
        let text = std::fs::read_to_string(path).expect("UTF-8");
        // Tests may use everything. They are last in a file.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        for (line, number) in code.lines().zip(1..) {
            for module in used(line) {
                if layers.get(module).is_some_and(|at| at > mine) {
                    wrong.push(format!("{}:{number}: {}", inside.display(), line.trim()));
                }
            }
        }
    }
    assert!(
        paths.len() > 100 && wrong.is_empty(),
        "{}",
        wrong.join("\n")
    );
}

#[test]
fn a_path_names_its_module() {
    let line = "use crate::base::clock; crate::net::x(crate::resp)";
    assert_eq!(used(line).collect::<Vec<_>>(), ["base", "net", "resp"]);
    assert_eq!(used("use super::x;").count(), 0);
}

/// Memory of threads started in another way would be missing from the figures.
#[test]
fn threads_are_started_in_one_place() {
    const THE_PLACE: &str = "base/threads.rs";
    // Other ways to start a thread, in the standard library and below it.
    const WAYS: [&str; 5] = [
        "thread::spawn",
        "thread::scope",
        "thread::Builder",
        "pthread_create",
        "Builder::new()",
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut paths, mut starts) = (Vec::new(), Vec::new());
    files(&source, &mut paths);
    for path in &paths {
        let inside = path.strip_prefix(&source).expect("below it");
        let text = std::fs::read_to_string(path).expect("UTF-8");
        // Tests are last in a file, and this one is a test.
        let code = text.split("mod tests {").next().unwrap_or("");
        let is_test = inside == Path::new("layers.rs");
        if !is_test && WAYS.iter().any(|way| code.contains(way)) {
            starts.push(inside.display().to_string());
        }
    }
    assert_eq!(starts, [THE_PLACE]);
}
