//! `russet cli --cluster` beside redis-cli 8.10: two equal clusters get the same orders, one by
//! each client, and both clients must print the same and end alike.
//!
//! Names of nodes, ports and migrations are replaced by their place. redis-cli spreads replicas of
//! a single host by chance, so whose replica a node is does not count. A check that fails prints
//! CLUSTER EXPLAIN after redis-cli's words: `explained` removes that part.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::group::{Group, Kind};
use crate::support::daemon::russet;
use crate::support::peers;

/// A cluster, and the client that orders it.
struct Side {
    group: Group,
    client: Vec<PathBuf>,
}

/// Standard output and error, and the exit status.
type ProgramOutput = (String, String, Option<i32>);

impl Side {
    fn address(&self, at: usize) -> String {
        self.group.nodes[at].address()
    }

    /// The words with each `@N` as the address and each `%N` as the name of node N.
    fn words(&self, line: &str) -> Vec<String> {
        let word = |word: &str| {
            let mut word = word.to_owned();
            for at in 0..self.group.nodes.len() {
                word = word.replace(&format!("@{at}"), &self.address(at));
                word = word.replace(&format!("%{at}"), &self.group.nodes[at].id());
            }
            word
        };
        line.split(' ').map(word).collect()
    }

    fn order(&self, line: &str, input: &str) -> ProgramOutput {
        let mut child = Command::new(&self.client[0])
            .args(&self.client[1..])
            .arg("--cluster")
            .args(self.words(line))
            .env("TERM", "dumb")
            .env_remove("REDISCLI_AUTH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a client");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A client that ends before it asks does not read.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("output");
        let text = |bytes: &[u8]| self.placed(&String::from_utf8_lossy(bytes));
        (
            text(&output.stdout),
            text(&output.stderr),
            output.status.code(),
        )
    }

    /// A text without what differs between two equal clusters.
    fn placed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (at, node) in self.group.nodes.iter().enumerate() {
            let id = node.id();
            text = text.replace(&self.address(at), &format!("@{at}"));
            text = text.replace(&id, &format!("%{at}"));
            text = text.replace(&format!("({:.8}...)", id), &format!("(%{at})"));
        }
        let lines = text.lines().map(|line| {
            if line.trim_start().starts_with("replicates ") {
                return "   replicates".to_owned();
            }
            match line.split_once("migration task ") {
                Some((before, after)) => {
                    let (_, rest) = after.split_once(' ').unwrap_or_default();
                    format!("{before}migration task {}", rest.trim_end_matches('.'))
                }
                // Dots are seconds.
                None => line.trim_matches('.').to_owned(),
            }
        });
        // Nodes are listed in the order of the table of the node that was asked.
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The nodes of a list in the order of their places; the other lines as they are.
fn sorted(text: &str) -> String {
    let mut blocks: Vec<String> = Vec::new();
    let mut out = String::new();
    let flush = |blocks: &mut Vec<String>, out: &mut String| {
        blocks.sort();
        out.extend(blocks.drain(..));
    };
    for line in text.lines() {
        let is_node =
            line.starts_with("M: ") || line.starts_with("S: ") || line.contains(" keys | ");
        if is_node {
            blocks.push(format!("{line}\n"));
        } else if line.starts_with("   ") && !blocks.is_empty() {
            blocks
                .last_mut()
                .expect("one")
                .push_str(&format!("{line}\n"));
        } else {
            flush(&mut blocks, &mut out);
            out += &format!("{line}\n");
        }
    }
    flush(&mut blocks, &mut out);
    out
}

/// Without the part that only russet has.
fn explained(said: ProgramOutput) -> ProgramOutput {
    let text = said.0.split(">>> CLUSTER EXPLAIN").next();
    (
        text.unwrap_or_default().trim_end().to_owned(),
        said.1,
        said.2,
    )
}

fn sides(what: &str) -> Option<[Side; 2]> {
    let theirs = peers::folder().join("redis810/redis-cli");
    if !theirs.exists() {
        peers::left_out(what);
        return None;
    }
    let start = || Group::start(what, &[Kind::Russet; 7], &["--enable-debug-command", "yes"]);
    Some([
        Side {
            group: start()?,
            client: vec![theirs],
        },
        Side {
            group: start()?,
            client: vec![russet(), "cli".into()],
        },
    ])
}

/// Gives both sides the order, and compares what the clients say.
#[track_caller]
fn same(sides: &[Side; 2], line: &str, input: &str) {
    let [theirs, ours] = sides.each_ref().map(|side| {
        let (out, err, code) = explained(side.order(line, input));
        (sorted(&out), err, code)
    });
    assert_eq!(theirs, ours, "--cluster {line}");
}

/// Waits until the first six nodes of both sides are well.
fn settle(sides: &[Side; 2]) {
    for side in sides {
        side.group.wait("all nodes to agree", |group| {
            let mut views = group.nodes[..6].iter().map(|node| {
                let mut view: Vec<String> = node
                    .view()
                    .into_iter()
                    .map(|line| format!("{line:?}"))
                    .collect();
                view.sort();
                (view.len(), node.state("cluster_state") == "ok")
            });
            let first = views.next().expect("a node");
            first.1 && views.all(|view| view == first)
        });
        let first = side.address(0);
        side.group.wait("the check to be well", |group| {
            let (text, is_well) = group.try_order(&["check", &first]);
            is_well && !text.contains("fail")
        });
    }
}

#[test]
fn both_clients_say_the_same_of_the_same_cluster() {
    let Some(sides) = sides("russet cli --cluster beside redis-cli 8.10") else {
        return;
    };
    for line in [
        "help",
        "create @0 @1",
        "create a",
        "check",
        "check x",
        "frob",
    ] {
        same(&sides, line, "");
    }
    same(&sides, "create @0 @1 @2 --cluster-replicas 0", "no\n");
    let all = "create @0 @1 @2 @3 @4 @5 --cluster-replicas 1";
    same(&sides, all, "yes\n");
    settle(&sides);
    for line in [
        "check @0",
        "info @0",
        "check @0 --cluster-search-multiple-owners",
        "call @0 ping --cluster-only-masters",
        "set-timeout @0 50",
        "set-timeout @0 3000",
        "create @0 @1 @2",
        "reshard @0 --cluster-from %0 --cluster-to %0 --cluster-slots 3 --cluster-yes",
        "reshard @0 --cluster-from zz --cluster-to %0 --cluster-slots 3 --cluster-yes",
        "rebalance @0",
        "rebalance @0 --cluster-weight zz=1",
        "del-node @0 %0",
        "del-node @0 zz",
        "add-node @0 @1",
        "import @0",
        "import @0 --cluster-from @1",
        "backup @0 /nonexistent",
    ] {
        same(&sides, line, "");
    }
}

#[test]
fn both_clients_change_a_cluster_alike() {
    let Some(sides) = sides("russet cli --cluster: changes, beside redis-cli 8.10") else {
        return;
    };
    let all = "create @0 @1 @2 @3 @4 @5 --cluster-replicas 1 --cluster-yes";
    same(&sides, all, "");
    settle(&sides);
    for side in &sides {
        side.group.write("k", 200);
    }
    for line in [
        "reshard @0 --cluster-from %0 --cluster-to %1 --cluster-slots 3 --cluster-yes",
        "reshard @0 --cluster-from all --cluster-to %1 --cluster-slots 70 --cluster-yes",
        "rebalance @0 --cluster-weight %0=1.1 --cluster-simulate",
        "rebalance @0 --cluster-weight %0=1.1",
        "add-node @6 @0",
    ] {
        same(&sides, line, "");
        settle(&sides);
    }
    // A slot left open, and one without an owner.
    for side in &sides {
        let ids: Vec<String> = side.group.nodes.iter().map(|node| node.id()).collect();
        let text = |at: usize, line: &str| side.group.nodes[at].text(line);
        assert_eq!(
            text(0, &format!("CLUSTER SETSLOT 9 MIGRATING {}", ids[1])),
            "OK"
        );
        assert_eq!(
            text(1, &format!("CLUSTER SETSLOT 9 IMPORTING {}", ids[0])),
            "OK"
        );
    }
    same(&sides, "check @0", "");
    same(&sides, "rebalance @0", "");
    same(&sides, "fix @0", "");
    settle(&sides);
    for side in &sides {
        side.group.assert_written("k", 200);
        side.group.check();
    }
}
