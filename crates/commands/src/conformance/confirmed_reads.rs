//! Checks that every reply that depends on the data waits until enough replicas have that data
//! (`min-sync-replicas`), by whatever path the handler reached it.
//!
//! The same lines, generated from each row's syntax, run on a filled and on an empty database: if
//! the replies differ, the reply shows data, and the command must have met a change that is not
//! confirmed. A row that answers two empty databases differently (a clock, a random number) is not
//! judged by that line.

use super::super::docs_for;
use super::opened_keys::{LINES_OF_A_FILLING, Lines, fill};
use crate::testbed::{AllCommands as _, Testbed};
use russet_command::Flags;
use russet_resp::OwnedArgs;
use russet_server::{CommandTable, Row};

/// Command lines per row.
const LINES: usize = 50;

/// Rows whose replies depend on the data and wait for nothing, with the reason.
const EXEMPT: &[(&str, &str)] = &[
    ("debug", "an administrator's tool"),
    ("info", "figures, not data"),
    ("memory", "figures, not data"),
    (
        "lastsave",
        "a time, which differs by when a database was made",
    ),
    ("acl|genpass", "random digits, which are equal now and then"),
    ("latency", "figures, not data"),
    ("hotkeys", "figures, not data"),
    ("client", "connections and their figures"),
    ("config", "settings"),
    ("slowlog", "what has run"),
    ("commandlog", "what has run"),
    ("exec", "a queued command waits by itself"),
    ("eval", "each command that a script runs waits by itself"),
    ("eval_ro", "as eval"),
    ("evalsha", "as eval"),
    ("evalsha_ro", "as eval"),
    ("fcall", "as eval"),
    ("fcall_ro", "as eval"),
    ("shutdown", "ends the test"),
    ("backup", "writes files"),
    ("save", "writes a file"),
    ("bgsave", "writes a file"),
    ("psync", "makes a replica of the connection"),
    ("sync", "makes a replica of the connection"),
    ("monitor", "shows commands, not data"),
    ("replicaof", "changes the role"),
    ("slaveof", "changes the role"),
    ("failover", "changes the role"),
];

/// The replies of a line on a filled and on two empty databases, and whether the first waits.
fn outcome(beds: &mut [Testbed; 3], row: &Row, line: &[String]) -> ([Vec<u8>; 3], bool) {
    let args: OwnedArgs = line.iter().map(|word| word.as_bytes()).collect();
    let replies = beds.each_mut().map(|t| {
        t.take_waits();
        t.run_row(row.id, args.args())
    });
    let waits = beds[0].take_waits();
    (replies, waits)
}

#[test]
fn replies_that_depend_on_data_wait_for_replicas() {
    let table = CommandTable::new(&super::super::table());
    let mut beds = [(); 3].map(|()| Testbed::unheard());
    for t in &mut beds {
        t.confirm_nothing();
    }
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for row in table.rows() {
        let is_exempt = EXEMPT.iter().any(|(name, _)| {
            *name == row.full_name || row.full_name.starts_with(&format!("{name}|"))
        });
        let is_container = row.spec.flags.contains(Flags::CONTAINER);
        let is_judged = !is_exempt && !is_container;
        let Some(doc) = docs_for(row.full_name).filter(|_| is_judged) else {
            continue;
        };
        let bytes = row.full_name.bytes();
        let seed = bytes.fold(7, |seed: u64, byte| seed.wrapping_mul(31) ^ u64::from(byte));
        let mut lines = Lines::of(&doc.args, seed);
        for i in 0..LINES {
            if i % LINES_OF_A_FILLING == 0 {
                fill(&mut beds[0], &mut lines, doc.group);
            }
            let line = lines.line(row.full_name, &doc.args);
            if !row.spec.arity.admits(line.len()) {
                continue;
            }
            // The empty databases stay empty.
            for t in &mut beds[1..] {
                t.run("FLUSHALL");
            }
            let ([filled, empty, again], waits) = outcome(&mut beds, row, &line);
            if empty != again || filled == empty {
                continue;
            }
            judged += 1;
            if !waits {
                let [filled, empty] = [filled, empty].map(|r| r.escape_ascii().to_string());
                wrong.push(format!("{line:?}: {filled} and {empty}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged > 2000, "{judged}");
}
