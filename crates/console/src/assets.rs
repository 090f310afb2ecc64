//! The files of the console, embedded by `build.rs`: each raw and gzipped.
//!
//! Invariant: `FILES` is sorted by name. A file is neither read nor compressed at run time: its
//! bytes are part of the program, and [`find`] takes O(log files). `server::console` chooses raw or
//! gzip.
//!
//! A URL has the hash of all files as a folder (`a/HASH/views/keys.js`), so that modules import
//! each other by relative paths and a browser keeps all files until any file changes.

/// An embedded file.
#[derive(Debug)]
pub struct File {
    /// The path of the file below `console/`.
    pub name: &'static str,
    /// The file's media type.
    pub kind: &'static str,
    pub raw: &'static [u8],
    pub gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// The file with this name. O(log files).
pub fn find(name: &str) -> Option<&'static File> {
    let at = FILES.binary_search_by(|file| file.name.cmp(name)).ok()?;
    Some(&FILES[at])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The most that a browser loads if it opens every view; 28,000 of these bytes are vendored,
    /// and 60,000 belong to parts that few users open and no first view loads (Search, the
    /// topology, the editor of users, filters and ranges, import and export, sketches, values of
    /// other languages).
    const GZIP_BYTES_MAX: usize = 235 * 1000;

    #[test]
    fn all_files_together_are_small() {
        let all: usize = FILES.iter().map(|file| file.gzip.len()).sum();
        assert!(all < GZIP_BYTES_MAX, "{all}");
    }

    #[test]
    fn the_page_names_its_files_by_their_hash() {
        let page = find("index.html").expect("there is a page");
        let text = std::str::from_utf8(page.raw).expect("UTF-8");
        assert!(!text.contains("a/HASH/"));
        assert_eq!(HASH.len(), 16);
        let start = format!("a/{HASH}/");
        let mut named = 0;
        for part in text.split(&start).skip(1) {
            let (name, _) = part.split_once('"').expect("a quoted path");
            assert!(find(name).is_some(), "{name}");
            named += 1;
        }
        assert!(named >= 5, "{named}");
        for file in FILES {
            assert_eq!(file.gzip[..4], [0x1f, 0x8b, 8, 0], "{}", file.name);
            assert_eq!(file.gzip[4..8], [0; 4], "no time in {}", file.name);
        }
    }

    /// Adds a module, and the modules that it imports, by their paths below `console/`.
    fn add_modules(name: &str, to: &mut BTreeSet<String>) {
        if !to.insert(name.to_owned()) {
            return;
        }
        let file = find(name).unwrap_or_else(|| panic!("{name}"));
        let text = std::str::from_utf8(file.raw).expect("UTF-8");
        for line in text.lines().filter(|line| line.starts_with("import ")) {
            let (_, path) = line.split_once(" from \"").expect("an import of one line");
            let path = path.trim_end_matches("\";");
            let mut parts: Vec<&str> = name.split('/').collect();
            parts.pop();
            for part in path.split('/') {
                match part {
                    "." => {}
                    ".." => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            add_modules(&parts.join("/"), to);
        }
    }

    /// Only lines of comments are left out of a module, and each line keeps its number.
    #[test]
    fn modules_are_served_without_lines_of_comments() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../console/");
        let mut blank = 0;
        for file in FILES.iter().filter(|file| file.name.ends_with(".js")) {
            let source =
                std::fs::read_to_string(format!("{folder}{}", file.name)).expect("it is there");
            let served = std::str::from_utf8(file.raw).expect("UTF-8");
            if file.name.starts_with("vendor/") {
                assert_eq!(source, served, "{}", file.name);
                continue;
            }
            assert_eq!(
                source.lines().count(),
                served.lines().count(),
                "{}",
                file.name
            );
            for (line, kept) in source.lines().zip(served.lines()) {
                if line == kept {
                    continue;
                }
                let comment = line.trim_start();
                let marks = ["//", "/**", "*"];
                assert!(kept.is_empty(), "{}: {kept}", file.name);
                assert!(
                    marks.iter().any(|mark| comment.starts_with(mark)),
                    "{}: {line}",
                    file.name
                );
                blank += 1;
            }
        }
        assert!(blank > 500, "{blank}");
    }

    /// Without this, a browser would learn of a module only from the module that imports it.
    #[test]
    fn the_page_names_all_modules_of_the_first_view() {
        let mut modules = BTreeSet::new();
        add_modules("app.js", &mut modules);
        add_modules("views/overview.js", &mut modules);
        let page = find("index.html").expect("there is a page");
        let text = std::str::from_utf8(page.raw).expect("UTF-8");
        let preload = format!("<link rel=\"modulepreload\" href=\"a/{HASH}/");
        let named = text.split(&preload).skip(1).chain(["app.js\""]);
        let named = named.map(|rest| rest.split('"').next().unwrap_or(rest).to_owned());
        assert_eq!(named.collect::<BTreeSet<_>>(), modules);
    }
}
