//! Checks every row and the row's documentation against the recorded facts of Redis
//! (`tests/data/commands.json`; for commands that only Valkey has, against facts of Valkey 9.1).

use serde_json::{Map, Value, json};

use super::super::{docs_for, table};
use russet_command::docs::{Arg, Doc};
use russet_command::{Access, BeginSearch, Flags, KeyExtent, KeyPlan, KeySpec};
use russet_resp::OwnedArgs;
use russet_server::{CommandTable, Spec, commands_of};

/// russet's own commands, and a command that has other subcommands than Redis's.
const OWN: [&str; 14] = [
    "FT.ERRORS",
    "backup",
    "bf.merge",
    "bf.rotate",
    "cf.merge",
    "changes",
    "flush",
    "prefixstats",
    "quorum",
    "client|closed",
    "cluster|explain",
    "config|docs",
    "memory|packing",
    "memory|unpack",
];
/// Valkey takes more arguments than the recorded server.
const LONGER: [&str; 1] = ["cluster|replicate"];

fn facts() -> Map<String, Value> {
    let text = include_str!("../../../../tests/data/commands.json");
    serde_json::from_str(text).expect("recorded facts are JSON")
}

/// Calls `check` with every row, the row's full name and the facts.
fn for_every_row(check: impl Fn(&Spec, &str, &Value)) {
    let facts = facts();
    let known_elsewhere = |spec: &&Spec| !OWN.contains(&spec.name);
    for spec in table().into_iter().flatten().filter(known_elsewhere) {
        let known = facts
            .get(spec.name)
            .unwrap_or_else(|| panic!("{}: not recorded", spec.name));
        check(spec, spec.name, known);
        for sub in spec.subcommands {
            let full_name = format!("{}|{}", spec.name, sub.name);
            if OWN.contains(&full_name.as_str()) {
                continue;
            }
            let known = &known["subcommands"][sub.name];
            assert!(!known.is_null(), "{full_name}: not recorded");
            check(sub, &full_name, known);
        }
    }
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
fn rows_are_as_recorded() {
    const HIDDEN: Flags = Flags::MAY_REPLICATE
        .union(Flags::SENTINEL)
        .union(Flags::ONLY_SENTINEL)
        .union(Flags::PROTECTED)
        .union(Flags::CONTAINER)
        .union(Flags::NOT_QUEUED)
        .union(Flags::NO_MULTI_IN_VALKEY)
        .union(Flags::PUBSUB_CONTEXT)
        .union(Flags::UNPAUSABLE)
        .union(Flags::RUNS_QUEUE)
        .union(Flags::SENSITIVE)
        .union(Flags::REPORTS_DISK)
        .union(Flags::RUNS_TEXT)
        .union(Flags::RUNS_SHA)
        .union(Flags::RUNS_FUNCTION)
        .union(Flags::CROSS_DB)
        .union(Flags::TAKES_OVER)
        .union(Flags::REPLIES_TO_PRIMARY)
        .union(Flags::MEETS_ANY_KEY);
    for_every_row(|spec, name, known| {
        let arity = if LONGER.contains(&name) {
            -spec.arity.wire()
        } else {
            spec.arity.wire()
        };
        assert_eq!(json!(arity), known["arity"], "{name}: arity");
        let plan = KeyPlan::of(spec);
        let mut flags = spec.flags - HIDDEN;
        assert!(!flags.contains(Flags::MOVABLEKEYS), "{name}: is computed");
        flags.set(Flags::MOVABLEKEYS, plan.is_movable());
        assert_eq!(sorted(names(flags)), known["flags"], "{name}: flags");
        let (first, last, step) = plan.old_range();
        assert_eq!(
            json!([first, last, step]),
            known["keys"],
            "{name}: key range"
        );
        let categories = names(spec.all_categories()).map(|name| format!("@{name}"));
        assert_eq!(sorted(categories), known["acl"], "{name}: categories");
        let tips = known.get("tips").cloned().unwrap_or(json!([]));
        assert_eq!(json!(spec.tips), tips, "{name}: tips");
        let specs: Vec<Value> = spec.keys.iter().map(key_spec).collect();
        let known_specs = known.get("key_specs").cloned().unwrap_or(json!([]));
        assert_eq!(json!(specs), known_specs, "{name}: key specs");
    });
}

/// A rule that named a command of replication, Cluster or modules was refused as an unknown
/// command, so ACL files with such rules did not load.
#[test]
fn rules_know_every_recorded_command_and_its_categories() {
    let commands = commands_of(&CommandTable::new(&table()));
    let check = |name: &str, known: &Value| {
        let id = commands.find(name);
        let id = id.unwrap_or_else(|| panic!("{name}: unknown to rules"));
        let categories = names(commands.row(id).categories).map(|name| format!("@{name}"));
        assert_eq!(sorted(categories), known["acl"], "{name}: categories");
        let words: Vec<&[u8]> = name.split('|').map(str::as_bytes).collect();
        let mut args: OwnedArgs = words.iter().copied().collect();
        let arity = known["arity"].as_i64().expect("an arity").unsigned_abs() as usize;
        (words.len()..arity).for_each(|_| args.push(b"0"));
        let is_whole = |args: &OwnedArgs| {
            let line = commands.reserved_line(args.args(), 0, 16);
            line.map(|line| (line.id, line.is_whole))
        };
        if let Some(line) = is_whole(&args) {
            assert_eq!(line, (id, true), "{name}: arity");
            args.push(b"0");
            let admits_more = known["arity"].as_i64() < Some(0);
            assert_eq!(is_whole(&args), Some((id, admits_more)), "{name}: arity");
        }
    };
    for (name, known) in &facts() {
        check(name, known);
        for (subcommand, known) in known["subcommands"].as_object().into_iter().flatten() {
            check(&format!("{name}|{subcommand}"), known);
        }
    }
}

#[test]
fn documentation_is_as_recorded_but_for_the_wording() {
    for (name, known) in &facts() {
        compare_docs(name, known);
        for (subcommand, known) in known["subcommands"].as_object().into_iter().flatten() {
            compare_docs(&format!("{name}|{subcommand}"), known);
        }
    }
}

/// A version of another server would imply that it has the command.
#[test]
fn own_commands_have_versions_of_russet() {
    let mut own = vec!["backup|create", "backup|drop"];
    own.extend(OWN.iter().filter(|name| **name != "backup"));
    let flush = ["flush|help", "flush|pending", "flush|undo"];
    for full_name in own.into_iter().chain(flush) {
        let doc = docs_for(full_name).unwrap_or_else(|| panic!("{full_name}: no docs"));
        assert_eq!(doc.since, "0.1.0", "{full_name}");
    }
}

fn compare_docs(full_name: &str, known: &Value) {
    let doc = docs_for(full_name).unwrap_or_else(|| panic!("{full_name}: no docs"));
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

fn key_spec(spec: &KeySpec) -> Value {
    let flags = spec.access.iter_names().map(|(name, flag)| {
        let modes = Access::RO | Access::RW | Access::OW | Access::RM;
        if modes.contains(flag) {
            name.to_owned()
        } else {
            name.to_lowercase()
        }
    });
    let begin = match spec.begin {
        BeginSearch::Index(at) => json!({"type": "index", "spec": {"index": at}}),
        BeginSearch::Keyword { word, from } => {
            json!({"type": "keyword", "spec": {"keyword": word, "startfrom": from}})
        }
        BeginSearch::Unknown => json!({"type": "unknown", "spec": []}),
    };
    let find = match spec.find {
        KeyExtent::Range { last, step, limit } => {
            json!({"type": "range", "spec": {"lastkey": last, "keystep": step, "limit": limit}})
        }
        KeyExtent::KeyNum {
            count_at,
            first,
            step,
        } => json!({
            "type": "keynum",
            "spec": {"keynumidx": count_at, "firstkey": first, "keystep": step}
        }),
        KeyExtent::Unknown => json!({"type": "unknown", "spec": []}),
    };
    json!({"flags": flags.collect::<Vec<_>>(), "begin_search": begin, "find_keys": find})
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

/// The `O(...)` terms of a complexity, in order, without the words around them.
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
