//! The layers inside the server: each module uses only modules above it in the list of its
//! `lib.rs`. (The compiler checks the layers below and above, which are crates.) Only one place
//! starts threads.

use std::collections::BTreeMap;

use crate::{Source, hold, sources};

/// Modules beside the server, which drive its internals and may use everything.
const ON_TOP: [&str; 2] = ["testbed.rs", "node/mod.rs"];

const SERVER: &str = "crates/server/src";

/// The modules in the order of their list.
fn layers(list: &str) -> BTreeMap<String, usize> {
    let name = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    list.lines().filter_map(name).zip(0..).collect()
}

/// The code without its own tests, which are last in a file and may use everything.
fn code_of(source: &Source) -> String {
    let text = source.text.split("#[cfg(test)]\nmod tests {").next();
    let lines = text.unwrap_or("").lines();
    let code: Vec<&str> = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    code.join("\n")
}

/// The names that a list of modules exports, with their modules.
fn exports(list: &str) -> BTreeMap<&str, &str> {
    let uses = list.split("\npub use ").skip(1);
    let uses = uses.filter_map(|text| text.split(';').next()?.split_once("::"));
    uses.flat_map(|(module, names)| {
        let names = names.rsplit("::").next().unwrap_or(names);
        let names = names.trim_matches(['{', '}']).split(',');
        names.filter_map(move |name| Some((name.split_whitespace().last()?, module)))
    })
    .collect()
}

/// The names after `crate::` in a text, groups included.
fn used(code: &str) -> Vec<&str> {
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    let paths = code.split("crate::").skip(1);
    let names = paths.flat_map(|path| match path.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap_or("").split(',').collect(),
        None => vec![path],
    });
    let names = names.filter_map(|name| name.trim().split(is_end).next());
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_server_has_layers() {
    let sources = sources(&[SERVER]);
    let list = sources.iter().find(|its| its.path.ends_with("src/lib.rs"));
    let list = list.expect("the list").text.as_str();
    let (layers, exports) = (layers(list), exports(list));
    assert!(
        layers.len() > 15 && exports.len() > 15,
        "{layers:?} {exports:?}"
    );
    let mut wrong = Vec::new();
    for source in &sources {
        let inside = source.path.strip_prefix(SERVER).expect("below it");
        let module = inside.iter().next().and_then(|part| part.to_str());
        let module = module.expect("UTF-8").trim_end_matches(".rs");
        let is_test = ON_TOP.iter().any(|on_top| inside == *on_top) || inside.ends_with("tests.rs");
        let (Some(mine), false) = (layers.get(module), is_test) else {
            continue;
        };
        for name in used(&code_of(source)) {
            let module = exports.get(name).unwrap_or(&name);
            if layers.get(*module).is_some_and(|at| at > mine) {
                wrong.push(format!("{}: {name}", inside.display()));
            }
        }
    }
    hold("a module uses those above it", 0, &wrong);
}

#[test]
fn a_path_names_its_module() {
    assert_eq!(used("use crate::{Server, state::X};"), ["Server", "state"]);
    assert_eq!(used("crate::log::write()"), ["log"]);
    assert_eq!(used("use super::x;").len(), 0);
    let uses = "\npub use state::call::{Call, Row as R};\npub use parts::tls;";
    let found: Vec<_> = exports(uses).into_iter().collect();
    assert_eq!(found, [("Call", "state"), ("R", "state"), ("tls", "parts")]);
}

/// The memory figures would lack the memory of threads started in another way.
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
    let mut starts = Vec::new();
    for source in sources(&["src", "crates"]) {
        // Tests are last in a file, or have their own file or folder; simulations are tests. A
        // build script is no part of the program.
        let code = source.text.split("mod tests {").next().unwrap_or("");
        let is_of_tests = source.path.components().any(|part| {
            let name = part.as_os_str();
            ["simulation", "tests", "conformance"]
                .iter()
                .any(|its| name == *its)
        });
        let path = source.path.to_string_lossy();
        let has_tests_name = path.ends_with("tests.rs") || path.ends_with("build.rs");
        let is_test = is_of_tests || has_tests_name;
        if !is_test && WAYS.iter().any(|way| code.contains(way)) {
            starts.push(source.path.display().to_string());
        }
    }
    assert_eq!(starts, [THE_PLACE]);
}
