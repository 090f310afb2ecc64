//! Circles of files: files of a crate that import each other, directly or through other files.
//!
//! Reads `use` declarations and paths as text. The test follows a name through re-exports to the
//! file that defines it, so a `mod.rs` that only passes names on is in no circle. Tests are left
//! out, because they may use everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Source, hold, sources};

/// The number of files in a circle that a reader can still keep in mind.
const CIRCLE_MAX: usize = 5;
/// The number of re-exports that a name may pass through.
const HOPS_MAX: usize = 8;

/// A module's path below the root package's root; a crate is a module there.
type Path = Vec<String>;

/// The imports of a file.
struct File {
    /// Imported names and where they lead.
    names: BTreeMap<String, Path>,
    /// The paths of imports and expressions; true for a re-export.
    uses: Vec<(Path, bool)>,
}

#[test]
fn circles_of_files_are_small() {
    let modules: BTreeMap<Path, String> = sources(&["src", "crates"])
        .iter()
        .filter(|source| !is_test(source))
        .map(|source| (module_of(source), code_of(source)))
        .collect();
    assert!(modules.len() > 500, "{} files", modules.len());
    let files: BTreeMap<&Path, File> = modules
        .iter()
        .map(|(module, text)| (module, imports(module, text, &modules)))
        .collect();
    let arrows = files.iter().map(|(&module, file)| {
        let to = file.uses.iter().filter_map(|(path, is_reexport)| {
            let to = defining(path, &files, HOPS_MAX)?;
            let hands_on = *is_reexport && to.starts_with(module);
            (to != module && !to.is_empty() && !hands_on).then_some(to)
        });
        (module, to.collect())
    });
    let large = circles(&arrows.collect())
        .into_iter()
        .filter(|circle| circle.len() > CIRCLE_MAX)
        .map(|circle| circle.join(", "))
        .collect::<Vec<_>>();
    hold("no circle of more than five files", 0, &large);
}

/// Whether a file is only for tests.
pub fn is_test(source: &Source) -> bool {
    let path = source.path.to_string_lossy();
    let folders = ["/tests/", "/conformance/", "/testing/", "/simulation/"];
    folders.iter().any(|folder| path.contains(folder))
        || ["tests.rs", "testbed.rs", "testing.rs"]
            .iter()
            .any(|end| path.ends_with(end))
}

fn module_of(source: &Source) -> Path {
    let path = source.path.with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    parts
        .filter(|part| !["mod", "lib", "src", "crates"].contains(&part.as_str()))
        .collect()
}

/// The crate of a file, or `None` for the root package.
fn crate_of(source: &Source) -> Option<String> {
    let below = source.path.strip_prefix("crates").ok()?;
    Some(below.iter().next()?.to_string_lossy().into_owned())
}

/// The text without comments, literals, visibilities and inline tests; crates as modules.
fn code_of(source: &Source) -> String {
    let text = source.text.split("\nmod tests {").next();
    let mut text = text.unwrap_or("").to_owned();
    if let Some(name) = crate_of(source) {
        text = text.replace("crate::", &format!("crate::{name}::"));
    }
    let text = text.replace("russet_", "crate::");
    let mut code = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or("");
        let pieces = line.split('"').step_by(2);
        code.extend(pieces);
        code.push('\n');
    }
    let mut rest = code.as_str();
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once("pub(in ") {
        plain.push_str(before);
        plain.push_str("pub");
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    plain + rest
}

fn imports(module: &Path, text: &str, modules: &BTreeMap<Path, String>) -> File {
    let mut file = File {
        names: BTreeMap::new(),
        uses: Vec::new(),
    };
    let mut rest = text;
    let mut others = String::new();
    while let Some((before, after)) = split_use(rest) {
        others.push_str(before);
        let (tree, after) = after.split_once(';').unwrap_or((after, ""));
        let is_reexport = before.trim_end().ends_with("pub")
            || before.trim_end().ends_with(')') && before.contains("pub(");
        let inline = inline_depth(&others);
        for (path, name) in expand(&[], tree) {
            if let Some(path) = absolute(module, &path[inline.min(ups(&path))..], modules) {
                file.names.entry(name).or_insert_with(|| path.clone());
                file.uses.push((path, is_reexport));
            }
        }
        rest = after;
    }
    others.push_str(rest);
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in others
        .split(|c| !is_path(c))
        .filter(|word| word.contains("::"))
    {
        let parts = word.split("::").filter(|part| !part.is_empty());
        let path: Path = parts.map(str::to_owned).collect();
        if let Some(path) = absolute(module, &path, modules) {
            file.uses.push((path, false));
        }
    }
    file
}

/// The text before and after the next `use`.
fn split_use(text: &str) -> Option<(&str, &str)> {
    let starts_word = |at: usize| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace())
    };
    let at = text
        .match_indices("use ")
        .find(|(at, _)| starts_word(*at))?
        .0;
    Some((&text[..at], &text[at + "use ".len()..]))
}

/// The paths of a tree of imports, each with the name it gets.
fn expand(prefix: &[String], tree: &str) -> Vec<(Path, String)> {
    let mut paths = Vec::new();
    let (mut depth, mut from) = (0, 0);
    let ends = tree.char_indices().filter(|&(_, c)| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let ends: Vec<usize> = ends.map(|(at, _)| at).chain([tree.len()]).collect();
    for end in ends {
        let part = tree[from..end].trim();
        from = end + 1;
        let (head, inner) = match part.split_once('{') {
            Some((head, inner)) => (head, inner.rsplit_once('}').map(|(inner, _)| inner)),
            None => (part, None),
        };
        let (head, alias) = match head.split_once(" as ") {
            Some((head, alias)) => (head, Some(alias.trim().to_owned())),
            None => (head, None),
        };
        let own = head
            .split("::")
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let mut path: Path = prefix
            .iter()
            .cloned()
            .chain(own.map(str::to_owned))
            .collect();
        if let Some(inner) = inner {
            paths.extend(expand(&path, inner));
        } else if !part.is_empty() {
            if path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
            paths.push((path, name));
        }
    }
    paths
}

fn ups(path: &[String]) -> usize {
    path.iter().take_while(|part| *part == "super").count()
}

/// The number of inline modules that are open at the end of this text.
fn inline_depth(text: &str) -> usize {
    let mut open = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '{' => {
                let head = text[..at].trim_end().rsplit(['\n', ';', '}']).next();
                open.push(head.is_some_and(|head| head.trim_start().contains("mod ")));
            }
            '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

/// The path from the crate's root, or `None` for a path of another crate.
fn absolute(module: &Path, path: &[String], modules: &BTreeMap<Path, String>) -> Option<Path> {
    let ups = ups(path);
    let first = path.first()?;
    let joined = match first.as_str() {
        "crate" => path[1..].to_vec(),
        "self" => [module, &path[1..]].concat(),
        "super" => [&module[..module.len().checked_sub(ups)?], &path[ups..]].concat(),
        _ => {
            let child = [module.as_slice(), std::slice::from_ref(first)].concat();
            modules
                .contains_key(&child)
                .then(|| [module, path].concat())?
        }
    };
    Some(joined)
}

/// The module that defines what a path names.
fn defining<'a>(
    path: &[String],
    files: &BTreeMap<&'a Path, File>,
    hops: usize,
) -> Option<&'a Path> {
    for len in (0..=path.len()).rev() {
        let Some((&module, file)) = files.get_key_value(&path[..len].to_vec()) else {
            continue;
        };
        let next = path.get(len).and_then(|name| file.names.get(name));
        return match next {
            Some(next) if hops > 0 && next.as_slice() != path => defining(
                &[next.as_slice(), &path[len + 1..]].concat(),
                files,
                hops - 1,
            ),
            _ => Some(module),
        };
    }
    None
}

/// The circles, each as the names of the files in it: files that reach each other.
fn circles(arrows: &BTreeMap<&Path, BTreeSet<&Path>>) -> Vec<Vec<String>> {
    let reached = |from: &Path| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Path> = arrows[from].iter().copied().collect();
        while let Some(module) = open.pop() {
            if seen.insert(module) {
                open.extend(arrows.get(module).into_iter().flatten());
            }
        }
        seen
    };
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = arrows
        .keys()
        .map(|&module| (module, reached(module)))
        .collect();
    let mut circles = BTreeSet::new();
    for (module, to) in &reach {
        let both = to
            .iter()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(module)));
        let circle: Vec<String> = both.map(|module| module.join("::")).collect();
        circles.insert(circle);
    }
    circles
        .into_iter()
        .filter(|circle| circle.len() > 1)
        .collect()
}
