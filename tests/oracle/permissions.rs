//! The commands that each category and each command rule allow, compared with Redis 8.0: the lists
//! of the categories, and DRYRUN of every command of Redis, including commands that russet lacks.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    Connection, Daemon, Reply,
    peers::Peer,
    resp::{command, printable},
};

/// A connection to a server, for one request at a time.
pub struct Side {
    _daemon: Option<Daemon>,
    connection: Connection,
}

impl Side {
    /// A connection that owns its server.
    pub fn new(daemon: Daemon) -> Side {
        let connection = daemon.connect();
        Side {
            _daemon: Some(daemon),
            connection,
        }
    }

    /// A further connection to a server with another owner.
    pub fn beside(daemon: &Daemon) -> Side {
        Side {
            _daemon: None,
            connection: daemon.connect(),
        }
    }

    pub fn ask<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Reply {
        self.connection.send(&command(words));
        let (_, reply) = self.connection.read().expect("an answer");
        reply
    }

    fn names(&mut self, words: &[&str]) -> BTreeSet<String> {
        let reply = self.ask(words);
        let names = reply.items().unwrap_or_default().iter();
        names
            .filter_map(Reply::text)
            .map(|name| String::from_utf8_lossy(name).to_lowercase())
            .collect()
    }

    /// The minimum number of words of each command and subcommand.
    fn calls(&mut self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        let reply = self.ask(&["COMMAND"]);
        let rows: Vec<Reply> = reply.items().expect("an array").to_vec();
        for row in rows {
            let Some(row) = row.items() else { continue };
            note(row, &mut calls);
            let subcommands = row.get(9).and_then(Reply::items).unwrap_or_default();
            for subcommand in subcommands.iter().filter_map(Reply::items) {
                note(subcommand, &mut calls);
            }
        }
        calls
    }
}

fn note(row: &[Reply], calls: &mut BTreeMap<String, usize>) {
    let (Some(name), Some(Reply::Integer(arity))) = (row[0].text(), row.get(1)) else {
        return;
    };
    let name = String::from_utf8_lossy(name).to_lowercase();
    calls.insert(name, arity.unsigned_abs() as usize);
}

#[test]
fn categories_and_rules_allow_what_redis_lets_them() {
    let Some(program) = Peer::Redis810.program_for("categories beside Redis") else {
        return;
    };
    let mut reference = Side::new(Daemon::start_program(&program, &[]));
    let mut subject = Side::new(Daemon::start(&[]));
    let mut calls = reference.calls();
    // Vector sets are a module in Redis 8.0: DRYRUN ignores their arity, and prints their names in
    // capitals.
    calls.retain(|name, _| !name.starts_with('v'));
    assert!(calls.len() > 350, "{} commands of Redis", calls.len());
    let categories = reference.names(&["ACL", "CAT"]);
    let mut own = subject.names(&["ACL", "CAT"]);
    // The categories of Redis's modules, which this peer does not have.
    for category in [
        "json",
        "bloom",
        "cuckoo",
        "cms",
        "topk",
        "tdigest",
        "timeseries",
        "search",
    ] {
        assert!(own.remove(category));
    }
    assert_eq!(categories, own);
    let mut mistakes = Vec::new();
    for category in &categories {
        let of = |side: &mut Side| side.names(&["ACL", "CAT", category]);
        let expected = of(&mut reference);
        let mut got = of(&mut subject);
        // Leaves out commands that Redis lacks: Valkey's and russet's own.
        got.retain(|name| calls.contains_key(name));
        let differing: Vec<_> = expected.symmetric_difference(&got).collect();
        if !differing.is_empty() {
            mistakes.push(format!("ACL CAT {category}: {differing:?}"));
        }
        for rules in [
            vec![format!("+@{category}")],
            vec!["+@all".to_owned(), format!("-@{category}")],
        ] {
            compare(&mut reference, &mut subject, &rules, &calls, &mut mistakes);
        }
    }
    // A command's own rule: its effect on the command and on its subcommands.
    for name in calls.keys() {
        let family = name.split('|').next().expect("a name");
        let of_family = |other: &&String| other.split('|').next() == Some(family);
        let names = calls.keys().filter(of_family);
        let calls = names.map(|name| (name.clone(), calls[name])).collect();
        for rules in [
            vec![format!("+{name}")],
            vec!["+@all".to_owned(), format!("-{name}")],
        ] {
            compare(&mut reference, &mut subject, &rules, &calls, &mut mistakes);
        }
    }
    assert!(
        mistakes.is_empty(),
        "otherwise than Redis 8.0:\n{}",
        mistakes.join("\n")
    );
}

fn compare(
    reference: &mut Side,
    subject: &mut Side,
    rules: &[String],
    calls: &BTreeMap<String, usize>,
    mistakes: &mut Vec<String>,
) {
    let mut set = vec!["ACL", "SETUSER", "p", "reset", "allkeys", "allchannels"];
    set.extend(rules.iter().map(String::as_str));
    let mut differ = |words: &[&str]| {
        let (expected, got) = (reference.ask(words), subject.ask(words));
        if expected != got {
            let shown = |reply: &Reply| match reply.text() {
                Some(text) => printable(text),
                None => format!("{reply:?}"),
            };
            mistakes.push(format!(
                "{rules:?}, {}: {} but {}",
                words.join(" "),
                shown(&expected),
                shown(&got)
            ));
        }
    };
    differ(&set);
    differ(&["ACL", "GETUSER", "p"]);
    for (name, &words_min) in calls {
        let mut call = vec!["ACL", "DRYRUN", "p"];
        call.extend(name.split('|'));
        call.resize(3 + words_min.max(call.len() - 3), "0");
        differ(&call);
    }
}
