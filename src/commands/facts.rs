//! The documentation of commands against the recorded facts of Redis 8.0
//! (`tests/data/commands.json`; commands that only Valkey has are Valkey 9.1's).

use serde_json::{Map, Value, json};

use super::docs_for;
use crate::command::docs::{Arg, Doc};

fn facts() -> Map<String, Value> {
    let text = include_str!("../../tests/data/commands.json");
    serde_json::from_str(text).expect("recorded facts are JSON")
}

fn sorted(words: impl IntoIterator<Item = String>) -> Value {
    let mut words: Vec<String> = words.into_iter().collect();
    words.sort();
    json!(words)
}

/// A flag set's names, lower case.
fn names<F: bitflags::Flags + Copy>(flags: F) -> impl Iterator<Item = String> {
    let names: Vec<_> = flags
        .iter_names()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    names.into_iter()
}

#[test]
fn documentation_is_as_recorded_but_for_the_wording() {
    for (name, known) in &facts() {
        compare_docs(name, None, known);
        for (subcommand, known) in known["subcommands"].as_object().into_iter().flatten() {
            compare_docs(name, Some(subcommand), known);
        }
    }
}

fn compare_docs(name: &str, subcommand: Option<&str>, known: &Value) {
    let doc =
        docs_for(name, subcommand).unwrap_or_else(|| panic!("{name} {subcommand:?}: no docs"));
    let full_name = doc.name;
    assert_eq!(doc.since, known["since"], "{full_name}: since");
    assert_eq!(doc.group.name(), known["group"], "{full_name}: group");
    let terms = known.get("complexity").cloned().unwrap_or(json!([]));
    assert_eq!(
        json!(complexity_terms(doc)),
        terms,
        "{full_name}: complexity"
    );
    let deprecated = known
        .get("deprecated_since")
        .and_then(Value::as_str)
        .unwrap_or("");
    assert_eq!(
        doc.deprecated_since, deprecated,
        "{full_name}: deprecated since"
    );
    let flags = known.get("doc_flags").cloned().unwrap_or(json!([]));
    assert_eq!(sorted(names(doc.flags)), flags, "{full_name}: doc flags");
    let args: Vec<Value> = doc.args.iter().map(argument).collect();
    let known_args = known.get("arguments").cloned().unwrap_or(json!([]));
    assert_eq!(json!(args), known_args, "{full_name}: arguments");
}

fn argument(arg: &Arg) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), json!(arg.name));
    out.insert("type".into(), json!(arg.kind.name()));
    if let Some(spec) = arg.key_spec {
        out.insert("key_spec_index".into(), json!(spec));
    }
    if let Some(token) = arg.token {
        out.insert("token".into(), json!(token));
    }
    for (name, text) in [
        ("since", arg.since),
        ("deprecated_since", arg.deprecated_since),
    ] {
        if !text.is_empty() {
            out.insert(name.into(), json!(text));
        }
    }
    if !arg.flags.is_empty() {
        out.insert("flags".into(), json!(names(arg.flags).collect::<Vec<_>>()));
    }
    if arg.kind.is_nested() {
        let args: Vec<Value> = arg.args.iter().map(argument).collect();
        out.insert("arguments".into(), json!(args));
    }
    Value::Object(out)
}

/// The `O(...)` terms of a complexity, in order, whatever the words around them.
fn complexity_terms(doc: &Doc) -> Vec<&'static str> {
    let mut terms = Vec::new();
    let mut rest = doc.complexity;
    while let Some(start) = rest.find("O(") {
        rest = &rest[start..];
        let mut depth = 0;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ')' && depth == 0
        });
        let end = end.expect("parentheses are balanced") + 1;
        terms.push(&rest[..end]);
        rest = &rest[end..];
    }
    terms
}
