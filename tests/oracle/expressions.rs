//! Lua expressions, a line each in `tests/data/lua.txt`: computations, results of the libraries,
//! error texts, and replies built from values. Both servers evaluate each expression, and the test
//! compares the replies byte by byte.

use crate::support::{Daemon, peers::Peer, resp::printable};

const EXPRESSIONS: &str = include_str!("../data/lua.txt");

/// Expressions whose answers differ on purpose.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "('abc'):sub()",
        "LuaJIT forgets who makes a tail call: the message names neither method nor line",
    ),
    ("coroutine.yield(1)", "LuaJIT's own words"),
];

/// The expressions with different answers, and both answers.
fn differences(resp3: bool) -> Option<Vec<String>> {
    let program = Peer::Redis810.program_for("Lua expressions beside Redis")?;
    let debug = ["--enable-debug-command", "yes"];
    let (reference, subject) = (
        Daemon::start_program(&program, &debug),
        Daemon::start(&debug),
    );
    let mut sides = [reference.connect(), subject.connect()];
    let mut found = Vec::new();
    for side in &mut sides {
        side.ask(if resp3 { "HELLO 3" } else { "HELLO 2" });
    }
    let lines = EXPRESSIONS.lines().filter(|line| !line.starts_with("# "));
    for line in lines {
        let script = format!("return {line}");
        let [expected, got] = sides.each_mut().map(|side| {
            side.ask("FLUSHALL");
            side.call(&["EVAL", &script, "0"])
        });
        let is_accepted = ACCEPTED.iter().any(|(accepted, _)| *accepted == line);
        if (expected != got) != is_accepted {
            let (expected, got) = (printable(&expected), printable(&got));
            found.push(format!(
                "{line}\n    expected {expected}\n    got      {got}"
            ));
        }
    }
    Some(found)
}

#[test]
fn lua_expressions_answer_as_redis() {
    for resp3 in [false, true] {
        let Some(found) = differences(resp3) else {
            return;
        };
        assert!(
            found.is_empty(),
            "{} differ:\n{}",
            found.len(),
            found.join("\n")
        );
    }
}
