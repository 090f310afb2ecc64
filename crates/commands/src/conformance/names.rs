//! No name of a command is compared in the server: a fact about a command stands in its row
//! ([`Facts`]). The server's sources are read as text, with the table of all commands beside them.
//!
//! [`Facts`]: russet_command::Facts

use std::path::{Path, PathBuf};

use russet_server::CommandTable;

/// Beside the server, whose internals they drive; they may use everything.
const ON_TOP: [&str; 2] = ["testbed.rs", "node/mod.rs"];

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

/// A file of the server: the path there, and the code without the file's tests, which are last in a
/// file and may use everything.
struct Code {
    inside: PathBuf,
    text: String,
}

fn code_of_server() -> Vec<Code> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src");
    let mut paths = Vec::new();
    files(&source, &mut paths);
    assert!(paths.len() > 100, "{}", source.display());
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&source).expect("below it").to_path_buf();
        let text = std::fs::read_to_string(path).expect("UTF-8");
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        Code {
            text: text.to_owned(),
            inside,
        }
    };
    paths.into_iter().map(read).collect()
}

/// Words of other vocabularies that the server compares, although they are names of commands, too:
/// the file in the server, the word, its meaning there.
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
    ("observe/metrics/health.rs", "script", "a finding's code"),
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
    let table = CommandTable::new(&crate::all_tables());
    let is_command = |word: &str| {
        let word = word.trim_start_matches(['+', '-']).trim_end_matches('|');
        let name = word.to_ascii_lowercase();
        table.find_full(name.as_bytes()).is_some()
    };
    let (mut wrong, mut unused) = (Vec::new(), OTHER_WORDS.to_vec());
    for Code { inside, text, .. } in code_of_server() {
        let inside = inside.to_str().expect("UTF-8");
        if ON_TOP.contains(&inside) || inside.ends_with("tests.rs") {
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
