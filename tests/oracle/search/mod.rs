//! Indexes beside Redis Stack 7.4: random schemas, documents, queries and pipelines.
//!
//! | module | holds |
//! |---|---|
//! | `schema` | definitions and documents |
//! | `query` | queries, from the grammar |
//! | `pipeline` | options of FT.SEARCH, stages of FT.AGGREGATE |
//! | `stream` | streams of all of them |
//! | `compare`, `differences` | whether two answers are the same |
//! | `wording` | refusals without codes, word for word |
//!
//! Redis Stack has RediSearch 2.10, and russet answers as 8.10. `DEBUG SEARCH-2.10` makes russet
//! count and refuse as 2.10 does; `differences` has the other differences, each with its reason.
//! Redis Stack collects garbage before the questions that follow changes, because its scores count
//! garbage.

pub mod compare;
mod differences;
mod pipeline;
mod query;
mod schema;
mod stream;
mod wording;

use crate::play::Step;
use crate::support::{Connection, Reply, resp, wait_until};

pub use compare::is_of_indexes;
pub use stream::stream;

/// Before each stream: russet counts and refuses as RediSearch 2.10, and Redis Stack collects any
/// amount of garbage. Each server refuses the other server's line.
pub const PRELUDE: [&[&[u8]]; 4] = [
    &[b"FT.CONFIG", b"SET", b"TIMEOUT", b"0"],
    &[b"DEBUG", b"SEARCH-2.10", b"1"],
    &[b"CONFIG", b"SET", b"search-default-scorer", b"TFIDF"],
    &[b"FT.CONFIG", b"SET", b"FORK_GC_CLEAN_THRESHOLD", b"0"],
];

pub fn same(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    compare::same(args, expected, got) || differences::accepted(args, expected, got).is_some()
}

/// Whether the step is a question and the step before it may have changed an index.
pub fn asks_after_changes(steps: &[Step], at: usize) -> bool {
    at > 0 && !changes(&steps[at]) && changes(&steps[at - 1])
}

fn changes(step: &Step) -> bool {
    const MAKERS: [&[u8]; 4] = [b"ft.create", b"ft.alter", b"ft._alterifnx", b"ft.synupdate"];
    let name = step.args[0].to_ascii_lowercase();
    !is_of_indexes(&step.args) || MAKERS.contains(&name.as_slice())
}

/// Waits until all indexes have read the keys, and collects garbage if the server has any.
pub fn settle(control: &mut Connection) {
    // The next question notices a server that has ended.
    let mut ask = |line: &[&[u8]]| -> Reply {
        let sent = control.write(&resp::command(line));
        let answer = sent.and_then(|()| control.read());
        answer.map_or(Reply::Null, |(_, reply)| reply)
    };
    let Reply::Array(names) = ask(&[b"FT._LIST"]) else {
        return;
    };
    for name in names.iter().filter_map(Reply::text) {
        wait_until("the index to read all", || {
            let Reply::Array(facts) = ask(&[b"FT.INFO", name]) else {
                return true;
            };
            let at = facts
                .iter()
                .position(|fact| fact.text() == Some(b"indexing"));
            at.is_some_and(|at| facts.get(at + 1) == Some(&Reply::Integer(0)))
        });
        ask(&[b"FT.DEBUG", b"GC_FORCEINVOKE", name]);
    }
}
