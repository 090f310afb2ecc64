//! Checks the layers inside the root package, of `lib.rs` and of `server/`: each module uses only
//! modules above it in the list. (The compiler holds the layers below, which are crates.) Checks
//! also that the server compares no name of a command, and that threads are started in one place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::server::CommandTable;

/// Beside the server, whose internals they drive; they may use everything.
const ON_TOP: [&str; 2] = ["server/testbed.rs", "server/node/mod.rs"];

/// The modules in the order of their list (`lib.rs`, a `mod.rs`).
fn layers(list: &str) -> BTreeMap<String, usize> {
    let name = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    list.lines().filter_map(name).zip(0..).collect()
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

/// A file of a folder of `src`: its path there, its top module, and its code without its own tests,
/// which are last in a file and may use everything.
struct Code {
    inside: PathBuf,
    module: String,
    text: String,
}

fn code_of(folder: &str) -> Vec<Code> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths = Vec::new();
    files(&source, &mut paths);
    assert!(paths.len() > 100, "{folder}");
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&source).expect("below it").to_path_buf();
        let module = inside.iter().next().and_then(|part| part.to_str());
        let module = module.expect("UTF-8").trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(path).expect("UTF-8");
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        Code {
            module,
            text: text.to_owned(),
            inside,
        }
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn each_layer_uses_what_stands_above_it() {
    let layers = layers(include_str!("lib.rs"));
    assert!(layers.len() > 4, "{layers:?}");
    let mut wrong = Vec::new();
    for Code {
        inside,
        module,
        text,
    } in code_of("src")
    {
        let (Some(mine), false) = (
            layers.get(&module),
            ON_TOP.iter().any(|on_top| inside == Path::new(on_top)),
        ) else {
            continue;
        };
        for (line, number) in text.lines().zip(1..) {
            for module in used(line) {
                if layers.get(module).is_some_and(|at| at > mine) {
                    wrong.push(format!("{}:{number}: {}", inside.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names that a list of modules exports, with their modules.
fn exports(list: &str) -> BTreeMap<&str, &str> {
    let uses = list.split("pub use ").skip(1);
    let uses = uses.filter_map(|text| text.split(';').next()?.split_once("::"));
    uses.flat_map(|(module, names)| {
        let names = names.rsplit("::").next().unwrap_or(names);
        let names = names.trim_matches(['{', '}']).split(',');
        names.filter_map(move |name| Some((name.split_whitespace().last()?, module)))
    })
    .collect()
}

/// The names after `crate::server::` in a text, groups included.
fn used_of_server(code: &str) -> Vec<&str> {
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    let paths = code.split("crate::server::").skip(1);
    let names = paths.flat_map(|path| match path.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap_or("").split(',').collect(),
        None => vec![path],
    });
    let names = names.filter_map(|name| name.trim().split(is_end).next());
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_server_has_layers() {
    let list = include_str!("server/mod.rs");
    let (layers, exports) = (layers(list), exports(list));
    assert!(
        layers.len() > 15 && exports.len() > 15,
        "{layers:?} {exports:?}"
    );
    let mut wrong = Vec::new();
    for Code {
        inside,
        module,
        text,
    } in code_of("src/server")
    {
        let is_test = ["testbed.rs", "tests.rs"]
            .iter()
            .any(|name| inside.ends_with(name));
        let (Some(mine), false) = (layers.get(&module), is_test) else {
            continue;
        };
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code: Vec<&str> = text.lines().filter(is_code).collect();
        for name in used_of_server(&code.join("\n")) {
            let module = exports.get(name).unwrap_or(&name);
            if layers.get(*module).is_some_and(|at| at > mine) {
                wrong.push(format!("{}: {name}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_path_names_its_module() {
    assert_eq!(
        used_of_server("use crate::server::{Server, state::X};"),
        ["Server", "state"]
    );
    assert_eq!(used_of_server("crate::server::log::write()"), ["log"]);
    let uses = "pub use state::call::{Call, Row as R};\npub use parts::tls;";
    let found: Vec<_> = exports(uses).into_iter().collect();
    assert_eq!(found, [("Call", "state"), ("R", "state"), ("tls", "parts")]);
    let line = "use crate::server::clock; crate::pubsub::x(crate::commands)";
    let found: Vec<_> = used(line).collect();
    assert_eq!(found, ["server", "pubsub", "commands"]);
    assert_eq!(used("use super::x;").count(), 0);
}

/// Words of other vocabularies that the server compares, although they are names of commands, too:
/// the file in `src/server`, the word, its meaning there.
const OTHER_WORDS: &[(&str, &str, &str)] = &[
    ("console/answer.rs", "command", "a path of the console"),
    (
        "observe/audit.rs",
        "AUTH",
        "a word of a login within another command",
    ),
    ("observe/metrics/families.rs", "role", "a label"),
    ("observe/metrics/fields.rs", "cluster", "a section of INFO"),
    ("observe/metrics/fields.rs", "debug", "a section of INFO"),
    ("observe/metrics/fields.rs", "memory", "a section of INFO"),
    ("observe/metrics/fields.rs", "sentinel", "a section of INFO"),
    ("observe/metrics/health.rs", "shutdown", "a finding's code"),
    ("observe/verdict.rs", "cluster", "a section of INFO"),
    ("observe/verdict.rs", "latency", "a finding's code"),
    ("observe/verdict.rs", "memory", "a finding's code"),
    ("observe/verdict.rs", "script", "a finding's code"),
    ("settings.rs", "save", "a directive"),
];

/// The literals of a line of code that it compares with something: operands of `==`, patterns,
/// words to find, and lower-case entries of lists. The words of requests, which the server sends or
/// records, are in upper case.
fn compared(line: &str) -> Vec<&str> {
    const BEFORE: [&str; 9] = [
        "==",
        "!=",
        " |",
        "find(",
        "find_full(",
        "find_with(",
        "is(0,",
        "ignore_ascii_case(",
        "starts_with(",
    ];
    const AFTER: [&str; 4] = ["==", "!=", "=>", "| "];
    let is_compared = |before: &str, word: &str, after: &str| {
        let before = before.trim_end_matches(['b', '&', '*']).trim_end();
        let (before, after) = (format!(" {before}"), after.trim_start_matches([')', ' ']));
        let is_alone = before == " " && after == ",";
        let is_in_list = before.contains('[') && before.ends_with(['[', ',']);
        let is_entry = is_alone || is_in_list && after.starts_with([',', ']']);
        BEFORE.iter().any(|end| before.ends_with(end))
            || AFTER.iter().any(|start| after.starts_with(start))
            || before.contains("matches!(")
            || is_entry && !word.contains(char::is_uppercase)
    };
    let line = line.trim_start();
    let quotes: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
    let pairs = quotes.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let words = pairs.map(|(begin, end)| (&line[..begin], &line[begin + 1..end], &line[end + 1..]));
    words
        .filter(|(before, word, after)| is_compared(before, word, after))
        .map(|(_, word, _)| word)
        .collect()
}

/// A fact about a command stands in its row ([`Facts`]); the server asks for that. A second list of
/// names would have to be kept in step, and misses renamed commands.
///
/// [`Facts`]: russet_command::Facts
#[test]
fn the_server_compares_no_name_of_a_command() {
    let table = CommandTable::new(&crate::commands::all_tables());
    let is_command = |word: &str| {
        let word = word.trim_start_matches(['+', '-']).trim_end_matches('|');
        let name = word.to_ascii_lowercase();
        table.find_full(name.as_bytes()).is_some()
    };
    let (mut wrong, mut unused) = (Vec::new(), OTHER_WORDS.to_vec());
    for Code { inside, text, .. } in code_of("src/server") {
        let inside = inside.to_str().expect("UTF-8");
        if ON_TOP.iter().any(|on_top| on_top.ends_with(inside)) || inside.ends_with("tests.rs") {
            continue;
        }
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, line) in lines {
            for word in compared(line).into_iter().filter(|word| is_command(word)) {
                let is_it =
                    |(file, other, _): &(&str, &str, &str)| *file == inside && *other == word;
                if !OTHER_WORDS.iter().any(is_it) {
                    wrong.push(format!("{inside}:{number}: {}", line.trim()));
                }
                unused.retain(|other| !is_it(other));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unused.is_empty(), "no longer compared: {unused:?}");
}

#[test]
fn a_comparison_with_a_name_is_seen() {
    for (line, words) in [
        (r#"row.full_name == "acl|log" && x"#, vec!["acl|log"]),
        (r#"if "get" != spec.name {"#, vec!["get"]),
        (r#""auth" | "hello" => true,"#, vec!["auth", "hello"]),
        (r#"| "quit""#, vec!["quit"]),
        (r#"matches!(name, Some("sync"))"#, vec!["sync"]),
        (
            r#"const LOGINS: [&str; 2] = ["auth", "hello"];"#,
            vec!["auth", "hello"],
        ),
        (r#"    "client|reply","#, vec!["client|reply"]),
        (r#"if args.is(0, "PING") {"#, vec!["PING"]),
        (r#"table.find(b"restore")"#, vec!["restore"]),
        (r#"name.starts_with("client|")"#, vec!["client|"]),
        (r#"[b"CLUSTER", b"FLUSHSLOT", slot]"#, vec![]),
        (r#"Kind::Shard => "ssubscribe","#, vec![]),
        (r#"args.is(2, "RESET")"#, vec![]),
        (r#"kinds.map(|_| "stream")"#, vec![]),
    ] {
        assert_eq!(compared(line), words, "{line}");
    }
}

/// Memory of threads started in another way would be missing from the figures.
#[test]
fn threads_are_started_in_one_place() {
    const THE_PLACE: &str = "crates/base/src/threads.rs";
    // Other ways to start a thread, in the standard library and below it.
    const WAYS: [&str; 5] = [
        "thread::spawn",
        "thread::scope",
        "thread::Builder",
        "pthread_create",
        "Builder::new()",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut paths, mut starts) = (Vec::new(), Vec::new());
    files(&root.join("src"), &mut paths);
    files(&root.join("crates"), &mut paths);
    for path in &paths {
        let inside = path.strip_prefix(root).expect("below it");
        let text = std::fs::read_to_string(path).expect("UTF-8");
        // Tests are last in a file, or have a file or a folder; simulations are tests, and so is
        // this one.
        let code = text.split("mod tests {").next().unwrap_or("");
        let is_of_tests = inside.components().any(|part| {
            let name = part.as_os_str();
            ["simulation", "tests", "conformance"]
                .iter()
                .any(|its| name == *its)
        });
        let has_tests_name = inside.to_string_lossy().ends_with("tests.rs");
        let is_test = is_of_tests || has_tests_name || inside == Path::new("src/layers.rs");
        if !is_test && WAYS.iter().any(|way| code.contains(way)) {
            starts.push(inside.display().to_string());
        }
    }
    assert_eq!(starts, [THE_PLACE]);
}
